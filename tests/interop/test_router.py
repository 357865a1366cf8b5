#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A router between client and engine loses 2 or 5 % of the packets; the data stays whole."""

import hashlib
import threading
import time

import harness
from harness import ENGINE4, ENGINE6, PORTS

CLIENT4, ROUTER4 = "10.88.0.2", "10.88.0.1"
CLIENT6, ROUTER6 = "fd88::2", "fd88::1"
OCTETS = 200_000
MANY_OCTETS = 20_000_000
MANY_LIMIT_S = 120              # a timeout for each of its 3000 losses would take ten minutes
CONNECTIONS = 8                 # one alone might lose nothing worth mending
# In `forward`: a drop at `output` is no loss, the kernel tells the sender.
def rules(percent):
    return f"""table inet loss {{
    counter lost {{ }}
    chain forward {{
        type filter hook forward priority 0;
        numgen random mod 100 < {percent} counter name lost drop
    }}
}}
"""


class Router(harness.Case):
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
        cls.engine = harness.start_on_tap(cls.router)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.client.end()
        cls.router.end()

    def setUp(self):
        super().setUp()
        self.need("nft")
        self.lose(2)

    def tearDown(self):
        self.router.run("nft", "flush", "ruleset")
        super().tearDown()

    def lose(self, percent):
        self.router.run("nft", "flush", "ruleset")
        self.router.run("nft", "-f", "-", input=rules(percent))

    def lost(self):
        words = self.router.run("nft", "list", "counter", "inet", "loss", "lost").stdout.split()
        return int(words[words.index("packets") + 1])

    def echo(self, address, seed, wrong, octets=OCTETS):
        data = harness.payload(octets, seed)
        with self.client.connect(address, PORTS["echo"], 60) as s:
            sender = threading.Thread(target=s.sendall, args=(data,), daemon=True)
            sender.start()
            answer = bytearray()
            while len(answer) < octets and (chunk := s.recv(65536)):
                answer += chunk
            sender.join(5)
        if hashlib.sha256(answer).digest() != hashlib.sha256(data).digest():
            wrong.append(f"connection {seed}: {len(answer)} octets")

    def check(self, address):
        wrong = []
        threads = [threading.Thread(target=self.echo, args=(address, seed, wrong), daemon=True)
                   for seed in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertFalse(any(thread.is_alive() for thread in threads), "all ended in time")
        self.assertEqual(wrong, [])
        self.assertGreater(self.lost(), 5, "packets were really lost")

    def test_200_kb_each_way_survive_2_percent_loss(self):
        self.check(ENGINE4)
        counters = self.engine.total()["counters"]
        mended = counters["tcp.retransmit_data"] + counters["tcp.ooo_queued"]
        self.assertGreater(mended, 0, "the engine saw the loss")

    def test_20_mb_each_way_survive_5_percent_loss(self):
        self.lose(5)
        wrong, began, before = [], time.monotonic(), self.engine.total()["counters"]
        thread = threading.Thread(target=self.echo, args=(ENGINE4, 1, wrong, MANY_OCTETS),
                                  daemon=True)
        thread.start()
        thread.join(MANY_LIMIT_S)
        took_s, now = time.monotonic() - began, self.engine.total()["counters"]
        self.assertFalse(thread.is_alive(), f"20 MB there and back in {MANY_LIMIT_S} s")
        self.assertEqual(wrong, [])
        self.assertGreater(self.lost(), 1000, "packets were really lost")
        grown = {name: now[name] - before[name] for name in (
            "tcp.retransmit_data", "tcp.fast_retransmit", "tcp.rto", "tcp.tail_probe",
            "tcp.loss_undone", "tcp.dsack_rx", "tcp.ooo_queued")}
        print(f"20 MB there and back, {self.lost()} packets lost: {took_s:.1f} s, {grown}")
        self.assertLess(grown["tcp.rto"], grown["tcp.retransmit_data"] / 4, "timeouts are rare")

    def test_200_kb_each_way_survive_2_percent_loss_over_ipv6(self):
        self.check(ENGINE6)


if __name__ == "__main__":
    harness.main()
