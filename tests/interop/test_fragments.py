#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fragments of the kernel's: large echo requests, and TCP whose segments a narrow link cuts up."""

import contextlib
import hashlib
import socket
import struct
import time

import harness
from frames import checksum
from harness import ENGINE4, ENGINE6, PORTS

CLIENT4, ROUTER4 = "10.88.0.2", "10.88.0.1"
NARROW_MTU = 600                # of the router's end of the tap: it cuts what has no DF bit
OCTETS = 100_000


class Echo(harness.TapCase):
    @classmethod
    def overrides(cls):
        return {"capacity": {"reassembly_timeout": 1000}}     # what is left must be gone soon

    def ask(self, address, size, number):
        """Sends an echo request of `size` octets of data; True: the same data came back."""
        six = ":" in address
        body = harness.payload(size, number)
        head = struct.pack("!BBHHH", 128 if six else 8, 0, 0, 77, number)
        if not six:                     # ICMPv6: the kernel's work
            summed = checksum(head + body)
            head = head[:2] + struct.pack("!H", summed) + head[4:]
        with self.net.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                             socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP) as s:
            s.settimeout(0.2)
            s.sendto(head + body, (address, 0))
            end = time.monotonic() + 3
            while time.monotonic() < end:
                with contextlib.suppress(TimeoutError):
                    answer = s.recv(65536)[0 if six else 20:]
                    if answer[0] == (129 if six else 0) and answer[4:] == head[4:] + body:
                        return True
        return False

    def test_echo_in_fragments_both_ways(self):
        before = self.engine.total()["counters"]
        for address in (ENGINE4, ENGINE6):
            for number, size in enumerate((1474, 2000, 4000, 11000)):
                self.assertTrue(self.ask(address, size, number), f"{size} octets to {address}")
        now = self.engine.total()["counters"]
        self.assertEqual(now["frag.reassembled"] - before["frag.reassembled"], 8)
        self.assertEqual(now["frag.tx"] - before["frag.tx"], 2 * (2 + 2 + 3 + 8))

    def test_more_than_eight_fragments_are_dropped(self):
        before = self.engine.counter("frag.drop_many")
        self.assertFalse(self.ask(ENGINE4, 20000, 1))
        self.assertGreater(self.engine.counter("frag.drop_many"), before)


class NarrowLink(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.router, cls.client = harness.Namespace("router"), harness.Namespace("client")
        cls.router.veth("c0", cls.client, "r0")
        cls.router.configure("c0", f"{ROUTER4}/24")
        cls.client.configure("r0", f"{CLIENT4}/24")
        cls.client.ip("route", "add", "default", "via", ROUTER4)
        cls.router.sysctl("net.ipv4.ip_forward", 1)
        cls.client.sysctl("net.ipv4.ip_no_pmtu_disc", 1)    # segments without DF
        cls.engine = harness.start_on_tap(cls.router)
        cls.router.ip("link", "set", "tap0", "mtu", str(NARROW_MTU))

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.client.end()
        cls.router.end()

    def test_upload_in_fragments_is_echoed(self):
        data, answer = harness.payload(OCTETS), b""
        with self.client.connect(ENGINE4, PORTS["echo"], 30) as s:
            for at in range(0, OCTETS, 10_000):
                s.sendall(data[at:at + 10_000])
                while len(answer) < at + 10_000:
                    answer += s.recv(65536)
        self.assertEqual(hashlib.sha256(answer).digest(), hashlib.sha256(data).digest())
        counters = self.engine.total()["counters"]
        self.assertGreater(counters["frag.reassembled"], OCTETS // 1460 // 2)


if __name__ == "__main__":
    harness.main()
