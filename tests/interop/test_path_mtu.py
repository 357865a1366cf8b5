#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A download over a link that carries less than both ends think: with ICMP errors, and without."""

import hashlib

import harness
from harness import ENGINE4, ENGINE6, PORTS

CLIENT4, ROUTER4 = "10.88.0.2", "10.88.0.1"
CLIENT6, ROUTER6 = "fd88::2", "fd88::1"
OCTETS = 1_000_000
NARROW_MTU = 1280               # what IPv6 allows at least
HOLE = 1000                     # IPv4: packets above vanish
# The router's own errors leave by `output`; what it forwards is dropped in `forward`.
NO_ERRORS = """table inet hole {
    chain output {
        type filter hook output priority 0;
        icmp type destination-unreachable drop
        icmpv6 type packet-too-big drop
    }
}
"""
SWALLOW = f"""table inet hole {{
    chain forward {{
        type filter hook forward priority 0;
        meta length > {HOLE} drop
    }}
}}
"""


class NarrowPath(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.router, cls.client = harness.Namespace("router"), harness.Namespace("client")
        cls.router.veth("c0", cls.client, "r0")
        cls.router.configure("c0", f"{ROUTER4}/24", f"{ROUTER6}/64")
        cls.client.configure("r0", f"{CLIENT4}/24", f"{CLIENT6}/64")
        cls.client.ip("route", "add", "default", "via", ROUTER4)
        cls.client.ip("-6", "route", "add", "default", "via", ROUTER6)
        cls.router.sysctl("net.ipv4.ip_forward", 1)
        cls.router.sysctl("net.ipv6.conf.all.forwarding", 1)
        cls.router.sysctl("net.ipv4.icmp_ratelimit", 0)

    def setUp(self):
        self.need("nft")                # an engine for each test: what it learns of paths, it keeps
        type(self).engine = harness.start_on_tap(self.router)
        super().setUp()

    def tearDown(self):
        self.router.run("nft", "flush", "ruleset")
        self.router.ip("link", "set", "c0", "mtu", "1500")
        super().tearDown()
        self.engine.stop()
        type(self).engine = None

    @classmethod
    def tearDownClass(cls):
        cls.client.end()
        cls.router.end()

    def download(self, address, octets=OCTETS):
        answer = b""
        with self.client.connect(address, PORTS["http"], 60) as s:
            s.sendall(f"GET /bytes/{octets} HTTP/1.0\r\n\r\n".encode())
            while chunk := s.recv(65536):
                answer += chunk
        self.assertIn(b"200", answer[:20])
        self.assertEqual(len(answer.split(b"\r\n\r\n", 1)[1]), octets)
        return hashlib.sha256(answer).digest()

    def narrow(self):
        """Only this end of the link: the client still asks for 1460."""
        self.router.ip("link", "set", "c0", "mtu", str(NARROW_MTU))

    def test_icmp_tells_and_new_connections_know(self):
        for address in (ENGINE4, ENGINE6):
            self.narrow()
            self.download(address)
            told = self.engine.counter("icmp.path_mtu")
            errors = self.engine.counter("icmp.error_rx")
            self.assertGreater(told, 0)
            self.assertEqual(self.engine.counter("tcp.mtu_lowered"), 0)
            self.download(address)
            self.assertEqual(self.engine.counter("icmp.error_rx"), errors, "known from the start")

    def test_without_icmp_the_black_hole_is_found_out(self):
        self.narrow()
        self.router.run("nft", "-f", "-", input=NO_ERRORS)
        for address in (ENGINE4, ENGINE6):
            before = self.engine.counter("tcp.mtu_lowered")
            self.download(address)
            self.assertGreater(self.engine.counter("tcp.mtu_lowered"), before)
        self.assertEqual(self.engine.counter("icmp.path_mtu"), 0)

    def test_whatever_is_above_1000_octets_vanishes(self):
        self.router.run("nft", "-f", "-", input=SWALLOW)
        self.download(ENGINE4)
        self.assertGreaterEqual(self.engine.counter("tcp.mtu_lowered"), 3)


if __name__ == "__main__":
    harness.main()
