#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The control server: socket options and knobs, and what they do on the wire."""

import contextlib
import errno
import socket
import struct
import time

import harness
from harness import ENGINE4, KERNEL6
from netns import wait_for
from remote_case import INTERFACE, PORT, RemoteCase
from remote_client import ACK, SYN, Remote, Wire


class Options(RemoteCase):
    def test_values_come_back(self):
        s = self.remote.socket()
        for name, value in (("reuse", 1), ("keepalive", 1), ("keepidle", 12), ("keepintvl", 3),
                            ("keepcnt", 4), ("nodelay", 0), ("maxseg", 900), ("ttl", 44),
                            ("user_timeout", 1234), ("tos", 0x48)):
            s.option(name, value)
            self.assertEqual(s.option(name), value, name)
        s.option("rcvbuf", 30000)
        self.assertEqual(s.option("rcvbuf"), 60000, "Linux tells the double")
        s.linger(1, 7)
        self.assertEqual(s.get(socket.SOL_SOCKET, socket.SO_LINGER, 8), struct.pack("=ii", 1, 7))
        for name, bad in (("keepidle", 0), ("keepcnt", 0), ("maxseg", 10), ("ttl", 256),
                          ("user_timeout", -1)):
            with self.fails(errno.EINVAL):
                s.option(name, bad)
        with self.fails(errno.ENOPROTOOPT):
            s.get(socket.IPPROTO_TCP, 999)
        with self.fails(errno.EINVAL):
            s.set(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, b"\x01")

    def test_ttl_and_tos_on_the_wire(self):
        """Of these connections alone: the kernel may still ask for one of a test before."""
        with Wire(self.net, INTERFACE) as wire:
            s, peer = self.accepted(ttl=7, tos=0x88)
            s.send(b"x")
            peer.recv(1)
            s.option("ttl", 9)
            s.send(b"y")
            peer.recv(1)
            seen = wire.packets(peer.getsockname()[1])
            self.assertEqual({p.tos for p in seen}, {0x88})
            self.assertEqual({p.ttl for p in seen if p.data == b"y"}, {9})
            self.assertEqual({p.ttl for p in seen if p.data != b"y"}, {7})
        with Wire(self.net, INTERFACE) as wire:
            s, peer = self.connected(KERNEL6, hops=5, tclass=0x20)
            s.send(b"x")
            peer.recv(1)
            ours = peer.getpeername()[1]
            self.assertEqual({(p.ttl, p.tos) for p in wire.packets(ours)}, {(5, 0x20)})
            self.assertTrue(wire.packets(ours, True, SYN))

    def test_maxseg_on_the_wire(self):
        with Wire(self.net, INTERFACE) as wire:
            s, peer = self.accepted(maxseg=700)
            s.send(bytes(5000))
            got = 0
            while got < 5000:
                got += len(peer.recv(5000))
            self.assertEqual(wire.packets(PORT, True, SYN)[0].option(2), struct.pack("!H", 700))
            self.assertLessEqual(max(len(p.data) for p in wire.packets(PORT)), 700)
            self.assertEqual(s.option("maxseg"), 688)

    def test_pacing_rate_on_the_wire(self):
        """SO_MAX_PACING_RATE, in octets a second: a hundred full segments take a second."""
        s, peer = self.accepted()
        self.assertEqual(s.option("pacing"), -1, "no limit")
        s.option("pacing", 146000)
        self.assertEqual(s.option("pacing"), 146000)
        began, got, chunk = time.monotonic(), 0, bytes(73000)
        s.send(chunk)
        while got < len(chunk):
            got += len(peer.recv(len(chunk)))
        self.assertGreater(time.monotonic() - began, 0.45)
        self.assertLess(time.monotonic() - began, 10)

    def test_keepalive_probes_on_the_wire(self):
        s, _peer = self.connected(keepidle=1, keepintvl=1, keepcnt=2, keepalive=1)
        with Wire(self.net, INTERFACE) as wire:
            time.sleep(2.6)
            probes = [p for p in wire.packets(PORT) if not p.data and p.flags == ACK]
            self.assertGreaterEqual(len(probes), 2)
            answers = wire.packets(PORT, sent=False)
            self.assertEqual((probes[0].seq + 1) & 0xffffffff, answers[0].ack)
            self.silence(PORT)
            with self.fails(errno.ETIMEDOUT):
                s.recv(1)

    def test_nagle_and_its_switch(self):
        """
        While the peer acknowledges nothing: one short segment, and what a tail loss probe adds, or
        each octet by itself, but for those that meet in one turn of a worker on a busy machine.
        """
        for nodelay in (0, 1):
            s, peer = self.connected(nodelay=nodelay)
            with Wire(self.net, INTERFACE) as wire:
                self.silence(PORT)
                for _ in range(20):
                    s.send(b"z")
                time.sleep(0.2)
                ends = len({p.seq + len(p.data) for p in wire.packets(PORT) if p.data})
            self.assertTrue(10 <= ends <= 20 if nodelay else 1 <= ends <= 4, f"{ends} ends")
            self.hear()
            got = b""
            while len(got) < 20:
                got += peer.recv(20)
            s.close()
            peer.close()
            self.remote.reset()
            self.doCleanups()
            self.listeners.clear()
            self.remote = Remote(self.path)
            self.addCleanup(self.remote.close)

    def test_tcp_info(self):
        s, peer = self.connected()
        self.assertEqual(self.remote.listener(ENGINE4, PORT + 5).info()["state"], 10)
        s.send(bytes(100000))
        got = 0
        while got < 100000:
            got += len(peer.recv(100000))
        wait_for("all is acknowledged", lambda: s.info()["unacked"] == 0)
        info = s.info()
        self.assertEqual(info["state"], 1)
        self.assertEqual(info["options"] & 5, 5, "timestamps and window scale")
        self.assertEqual(info["snd_mss"], 1448)
        self.assertGreater(info["snd_cwnd"], 10)
        self.assertTrue(0 < info["rtt"] < 1_000_000)
        self.assertGreaterEqual(info["rto"], 200_000)
        self.silence(PORT)
        s.send(bytes(3000))
        self.assertEqual(s.info()["unacked"], 3)
        wait_for("it is sent again", lambda: s.info()["retrans"] + s.info()["lost"] > 0, 5)
        peer.close()


class Knobs(RemoteCase):
    def syn_ack(self):
        """The SYN-ACK and the first ACK after it."""
        with Wire(self.net, INTERFACE) as wire:
            s, peer = self.accepted()
            peer.sendall(b"x")
            s.recv(1)
            wait_for("an ACK", lambda: len(wire.packets(PORT)) >= 2)
            return wire.packets(PORT, True, SYN)[0], wire.packets(PORT)[1]

    def test_receive_window_is_exact(self):
        self.remote.sysctl(rcv_wnd=65535, wscale=0)
        syn, ack = self.syn_ack()
        self.assertEqual(syn.window, 65535)
        self.assertIn(ack.window, (65535, 65534))
        self.assertIsNone(syn.option(3))

    def test_options_of_the_handshake(self):
        syn, _ = self.syn_ack()
        self.assertIsNotNone(syn.option(8))
        self.assertIsNotNone(syn.option(3))
        self.remote.reset()
        self.remote.sysctl(timestamps=0, wscale=0, sack=0, mtu=1000)
        syn, _ = self.syn_ack()
        self.assertEqual([syn.option(k) for k in (8, 3, 4)], [None] * 3)
        self.assertEqual(syn.option(2), struct.pack("!H", 960))

    def test_reset_brings_the_defaults_back(self):
        self.remote.sysctl(rcv_wnd=5000, timestamps=0)
        self.remote.reset()
        syn, _ = self.syn_ack()
        self.assertEqual(syn.window, 65535)
        self.assertIsNotNone(syn.option(8))

    def test_delayed_ack(self):
        for delack in (0, 1):
            self.remote.sysctl(delack=delack)
            s, peer = self.accepted()
            before = self.engine.counter("tcp.delayed_ack")
            with Wire(self.net, INTERFACE) as wire:
                peer.sendall(b"one")
                wait_for("its ACK", lambda: wire.packets(PORT))
            delayed = self.engine.counter("tcp.delayed_ack") - before
            self.assertEqual(delayed, delack)
            s.close()
            self.remote.reset()

    def test_synack_retries(self):
        self.remote.sysctl(initial_rto_ms=100, synack_retries=1)
        self.remote.listener(ENGINE4, PORT)
        self.drop(f"tcp sport {PORT}")
        peer = self.net.socket()
        peer.setblocking(False)
        with Wire(self.net, INTERFACE) as wire:
            with contextlib.suppress(BlockingIOError):
                peer.connect((ENGINE4, PORT))
            wait_for("SYN_RCVD", lambda: self.state(PORT) == ["SYN_RCVD"])
            wait_for("it is given up", lambda: self.state(PORT) == [], 0.9)
            self.assertEqual(len(wire.packets(PORT, True, SYN | ACK)), 2)
        peer.close()

    def test_fin_timeout(self):
        self.remote.sysctl(fin_timeout_ms=500)
        s, _peer = self.connected_to_kernel()
        s.close()
        self.assertEqual(self.state(remote=PORT), ["FIN_WAIT_2"])
        wait_for("the orphan is gone", lambda: self.state(remote=PORT) == [], 3)

    def connected_to_kernel(self):
        s, peer = self.connected()
        s.linger(1, 5)                          # close() waits until the FIN is acknowledged
        return s, peer

    def test_unknown_and_wrong_values(self):
        for bad in ("nonsense=1", "ecn=3", "cc=vegas", "tfo=4", "rcv_wnd", "rcv_wnd=",
                    "rcv_wnd=12x", "sack=2", "mtu=100", "msl_ms=240001"):
            with self.fails(errno.EINVAL):
                self.remote.call("SYSCTL", payload=bad.encode())
        for knob in ("ecn=0", "ecn=1", "ecn=2", "tfo=3", "tfo=0", "cc=newreno", "cc=cubic",
                     "rfc1337=0", "drop_synfin=0", "rfc1337=1", "drop_synfin=1"):
            self.remote.call("SYSCTL", payload=knob.encode())


if __name__ == "__main__":
    harness.main()
