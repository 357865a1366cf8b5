#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""10,000 clients that send a header octet by octet ("slow loris") do not keep others out."""

import resource
import statistics
import threading
import time

import harness
from harness import ENGINE4

CLIENTS = 10_000
OPEN_MAX = 4_000                # fewer than attack: the listener has to choose
HEADER_MS = 2_000
ATTACK_S = 8
PATIENCE_S = 20                 # of an honest client: a SYN lost on the way comes again after 1 s
USUAL_S = 1                     # and what it usually waits
SLOW_HEADER = b"GET / HTTP/1.1\r\nX: " + b"x" * 1000


class Attack(threading.Thread):
    """Keeps `count` connections at work; one that the engine ends is opened again."""

    def __init__(self, net, count):
        super().__init__(daemon=True)
        self.net, self.sockets, self.sent = net, [None] * count, [0] * count
        self.opened = self.lost = 0
        self.ended = threading.Event()

    def open(self, i):
        self.sockets[i], self.sent[i] = self.net.socket(), 0
        self.sockets[i].setblocking(False)
        self.sockets[i].connect_ex((ENGINE4, 80))
        self.opened += 1

    def step(self, i):
        if self.sockets[i] is None:
            self.open(i)
            return
        try:
            self.sockets[i].send(SLOW_HEADER[self.sent[i]:self.sent[i] + 1])
            self.sent[i] += 1
        except BlockingIOError:
            pass
        except OSError:                 # reset, or closed by the limit
            self.sockets[i].close()
            self.sockets[i] = None
            self.lost += 1

    def run(self):
        while not self.ended.is_set():
            for i in range(len(self.sockets)):
                self.step(i)
                if i % 50 == 0:
                    time.sleep(0.002)   # the honest clients share this CPU
                if self.ended.is_set():
                    break

    def stop(self):
        self.ended.set()
        self.join(10)
        for s in self.sockets:
            if s is not None:
                s.close()


class SlowHeaders(harness.TapCase):
    @classmethod
    def overrides(cls):
        web = harness.listeners(header=HEADER_MS)
        web[-1]["open_max"] = OPEN_MAX
        return {"listeners": web}

    def honest_request_s(self):
        """How long one ordinary request takes."""
        began = time.monotonic()
        with self.net.connect(ENGINE4, 80, PATIENCE_S) as s:
            s.sendall(b"GET /bytes/5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: s.recv(4096), b""))
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
        return time.monotonic() - began

    def clients(self):
        """As many as may be open here: the soft limit goes up to the hard one."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard == resource.RLIM_INFINITY or hard > CLIENTS + 500:
            resource.setrlimit(resource.RLIMIT_NOFILE, (CLIENTS + 500, hard))
            return CLIENTS
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard - 500

    def test_others_get_in(self):
        attack = Attack(self.net, self.clients())
        attack.start()
        try:
            harness.wait_for("the attack holds all slots",
                             lambda: self.engine.stats()["listeners"][-1]["open"]
                             >= OPEN_MAX * 9 // 10, 60, 0.1)
            end, times = time.monotonic() + ATTACK_S, []
            while time.monotonic() < end:
                times.append(self.honest_request_s())
                time.sleep(0.05)
        finally:
            attack.stop()
        self.assertGreater(len(times), 5, "enough honest clients to speak of")
        self.assertLess(statistics.median(times), USUAL_S)
        counters = self.engine.total()["counters"]
        ended = counters["conn.limit_header"] + counters["conn.limit_open"]
        self.assertGreater(ended, OPEN_MAX, "the attackers lost their places")
        self.assertGreater(attack.opened, attack.lost)
        print(f"{attack.opened} slow connections, {ended} ended by limits; {len(times)} requests, "
              f"slowest {max(times) * 1000:.0f} ms")


if __name__ == "__main__":
    harness.main()
