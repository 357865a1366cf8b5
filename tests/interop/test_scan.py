#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a stranger on the link sees: open ports by nmap, ARP, neighbour discovery, echo requests."""

import re
import socket
import struct
import time

import harness
from frames import checksum
from harness import ENGINE4, ENGINE6, KERNEL4, PORTS

ARP_REQUEST, ARP_REPLY = 1, 2
BROADCAST = b"\xff" * 6


def arp_frame(mac, address, target):
    """A request of `address` for `target` (RFC 826)."""
    header = BROADCAST + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, ARP_REQUEST)
    return header + mac + socket.inet_aton(address) + bytes(6) + socket.inet_aton(target)


def echo_request(kind, body, summed):
    head = struct.pack("!BBHHH", kind, 0, 0, 77, 1)
    if summed:                          # ICMPv6: the kernel's work
        head = head[:2] + struct.pack("!H", checksum(head + body)) + head[4:]
    return head + body


class Scan(harness.TapCase):
    def nmap_open_ports(self, *argv, limit_s=60):
        self.need("nmap")
        out = self.net.run("nmap", "-n", "-Pn", "-sS", "-T4", "--max-retries", 3, "-oG", "-", *argv,
                           limit_s=limit_s).stdout
        return sorted(int(port) for port in re.findall(r"(\d+)/open/tcp", out))

    def test_nmap_finds_exactly_the_listening_ports(self):
        began = self.engine.total()["counters"]
        found = self.nmap_open_ports("-p1-65535", "--min-rate", "8000", ENGINE4)
        self.assertEqual(found, sorted(PORTS.values()))
        now = self.engine.total()["counters"]
        self.assertGreaterEqual(now["syn.no_listener"] - began["syn.no_listener"],
                                65535 - len(PORTS), "each closed port was answered")

    def test_nmap_over_ipv6(self):
        found = self.nmap_open_ports("-6", "-p1-1024", ENGINE6)
        self.assertEqual(found, sorted(PORTS.values()))

    def arp_answers(self, target, limit_s=2.0):
        """(sender MAC, sender address) of the replies to one request."""
        with self.net.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x806)) as s:
            s.bind(("tap0", 0))
            mac = s.getsockname()[4]
            s.send(arp_frame(mac, KERNEL4, target))
            found, end = [], time.monotonic() + limit_s
            while (left := end - time.monotonic()) > 0:
                s.settimeout(left)
                try:
                    frame = s.recv(100)
                except TimeoutError:
                    break
                if frame[20:22] == struct.pack("!H", ARP_REPLY) and frame[:6] == mac:
                    found.append((frame[22:28].hex(":"), socket.inet_ntoa(frame[28:32])))
            return found

    def test_arp_is_answered_for_our_address_alone(self):
        self.assertEqual(self.arp_answers(ENGINE4), [(self.engine.mac(), ENGINE4)])
        self.assertEqual(self.arp_answers("10.77.0.3", 0.3), [])
        self.assertEqual(self.arp_answers("10.88.0.2", 0.3), [])

    def neighbour(self, address):
        return self.net.run("ip", "neigh", "show", address, "dev", "tap0").stdout

    def check_resolution(self, address):
        """The kernel forgets the engine's MAC and asks again, by ARP or by ND."""
        self.net.ip("neigh", "flush", "dev", "tap0")
        with self.net.connect(address, PORTS["line"], 5) as s:
            self.assertIn(b"a line", s.recv(100))
        self.assertIn(self.engine.mac(), self.neighbour(address))

    def test_kernel_resolves_the_engine_by_arp(self):
        self.check_resolution(ENGINE4)

    def test_kernel_resolves_the_engine_by_nd(self):
        solicited = self.engine.counter("ndp.solicit_rx")
        self.check_resolution(ENGINE6)
        self.assertGreater(self.engine.counter("ndp.solicit_rx"), solicited)

    def check_echo(self, family, address, request, body):
        proto = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
        with self.net.socket(family, socket.SOCK_RAW, proto) as s:
            s.settimeout(20)
            s.sendto(request, (address, 0))
            while True:                 # neighbour discovery is heard here as well
                answer, peer = s.recvfrom(2000)
                if body in answer and peer[0] == address:
                    break
        self.assertEqual(answer[-len(body):], body)

    def test_echo_request_is_answered(self):
        body = harness.payload(1000)
        self.check_echo(socket.AF_INET, ENGINE4, echo_request(8, body, True), body)

    def test_icmpv6_echo_request_is_answered(self):
        body = harness.payload(1000)
        self.check_echo(socket.AF_INET6, ENGINE6, echo_request(128, body, False), body)


class Announcement(harness.Case):
    """On a veth the kernel's end is there first, and hears the engine begin."""

    def test_gratuitous_arp_and_unsolicited_advertisement_at_start(self):
        here, there = harness.Namespace("hear"), harness.Namespace("begin")
        here.veth("k0", there, "e0")
        here.configure("k0", f"{KERNEL4}/24")
        there.configure("e0")
        with here.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
            s.bind(("k0", 0))
            engine = harness.Engine.start(there, "net_af_packet0,iface=e0")
            frames, end = [], time.monotonic() + 2
            while (left := end - time.monotonic()) > 0:
                s.settimeout(left)
                try:
                    frames.append(s.recv(2000))
                except TimeoutError:
                    break
            mac = bytes.fromhex(engine.mac().replace(":", ""))
        own = socket.inet_aton(ENGINE4)
        arps = [f for f in frames if f[:6] == BROADCAST and f[6:14] == mac + b"\x08\x06"]
        self.assertTrue(any(f[28:32] == own and f[38:42] == own for f in arps), "RFC 5227 2.3")
        own = socket.inet_pton(socket.AF_INET6, ENGINE6)
        adverts = [f for f in frames if f[6:14] == mac + b"\x86\xdd" and f[54:55] == b"\x88"]
        self.assertTrue(any(f[62:78] == own for f in adverts), "RFC 4861 7.2.6")
        engine.stop()


if __name__ == "__main__":
    harness.main()
