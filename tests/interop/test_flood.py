#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A flood of SYNs with forged sources, a small backlog, and clients that get in all the same."""

import contextlib
import random
import re
import socket
import struct
import threading
import time

import harness
from frames import checksum
from harness import ENGINE4

BACKLOG = 8
CLIENTS = 60
# MSS 1460, SACK, timestamps, window scale 7: as Linux sends them
OPTIONS = bytes([2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 1, 2, 0, 0, 0, 0, 1, 3, 3, 7])


def forged_syn(draw):
    """A packet of a source that does not exist (10.99/16), to the engine's port 80."""
    source = bytes([10, 99, draw.randrange(256), draw.randrange(1, 255)])
    target = socket.inet_aton(ENGINE4)
    head = struct.pack("!HHIIBBH", draw.randrange(1024, 65536), 80, draw.getrandbits(32), 0,
                       (20 + len(OPTIONS)) << 2, 2, 64240)
    pseudo = source + target + struct.pack("!HH", 6, 20 + len(OPTIONS))
    total = checksum(pseudo + head + bytes(4) + OPTIONS)
    tcp = head + struct.pack("!HH", total, 0) + OPTIONS
    return struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, 6, 0) + source + target + tcp


class Flood(harness.TapCase):
    @classmethod
    def overrides(cls):
        listeners = harness.listeners()
        for one in listeners:
            one["backlog"] = BACKLOG
        return {"listeners": listeners,
                "tcp": {"fin_wait_2": harness.FIN_WAIT_2_MS, "synack_retries": 1}}

    @contextlib.contextmanager
    def flood(self):
        """Some thousand a second, from a thread, until the block ends."""
        stop = threading.Event()

        def run():
            draw = random.Random(1)
            with self.net.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
                while not stop.is_set():
                    for _ in range(20):
                        raw.sendto(forged_syn(draw), (ENGINE4, 0))
                    time.sleep(0.005)

        before = self.engine.counter("syn.cookie_sent")
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            harness.wait_for(lambda: "the backlog is full and cookies are sent",
                             lambda: self.engine.counter("syn.cookie_sent") > before + 400, 15)
            yield
            self.assertTrue(thread.is_alive(), "it was to go on all the time")
        finally:
            stop.set()
            thread.join(10)

    def curl(self, octets):
        return self.net.run("curl", "-sS", "--max-time", 10, "-o", "/dev/null", "-w",
                            "%{http_code} %{size_download} %{time_connect}",
                            f"http://{ENGINE4}/bytes/{octets}").stdout.split()

    def test_every_client_gets_in_at_once(self):
        self.need("curl")
        slowest = 0.0
        with self.flood():
            before = self.engine.total()["counters"]
            for _ in range(CLIENTS):
                code, size, connect_s = self.curl(10000)
                self.assertEqual((code, size), ("200", "10000"))
                slowest = max(slowest, float(connect_s))
            now = self.engine.total()
        grown = {name: now["counters"][name] - before[name]
                 for name in ("syn.cookie_sent", "syn.cookie_valid", "syn.drop_backlog")}
        print(f"{CLIENTS} clients, slowest connect {slowest * 1000:.0f} ms, {grown}")
        self.assertGreater(grown["syn.cookie_sent"], 500)
        self.assertGreaterEqual(grown["syn.cookie_valid"], CLIENTS // 2)
        self.assertEqual(grown["syn.drop_backlog"], 0)
        self.assertLess(slowest, 0.9, "a SYN that is lost comes again after a second: none was")
        self.assertLessEqual(now["states"].get("SYN_RCVD", 0), BACKLOG)
        self.assertEqual(now["counters"]["syn.cookie_bad"], 0)

    def test_what_the_kernel_offered_survives(self):
        """20 connections past the backlog: what the kernel says of each (ss -i), and data."""
        with self.flood(), contextlib.ExitStack() as stack:
            valid = self.engine.counter("syn.cookie_valid")
            socks = [stack.enter_context(self.net.connect(ENGINE4, 80)) for _ in range(20)]
            said = self.net.run("ss", "-tinH", "dst", ENGINE4).stdout
            # 1460 less 12: timestamps; not every kernel says so by the word "ts"
            self.assertEqual(len(re.findall(r"\bmss:1448\b", said)), 20, said)
            self.assertEqual(len(re.findall(r"\bwscale:\d+,\d+", said)), 20, said)
            for s in socks:
                s.sendall(b"GET /bytes/3 HTTP/1.0\r\n\r\n")
                self.assertIn(b"200", s.recv(1000))
            self.assertGreaterEqual(self.engine.counter("syn.cookie_valid") - valid, 10)


if __name__ == "__main__":
    harness.main()
