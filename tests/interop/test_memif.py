#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A memif whose other end goes away in every way and comes back: the engine lives on, and serves.

net_memif of DPDK 22.11 unmaps its rings in a thread of its own when the other end is gone, and
frees what it still listens with when it is closed itself; lib/gate stands between. Peers that hang
up while they pour, ten milliseconds after they came, are memif_peer.py; the peer that is killed is
millbench.
"""

import contextlib
import json
import os
import signal
import struct
import threading
import time

import harness
from harness import ENGINE4, KERNEL4, Namespace, TempDir
from memif_peer import Client, Server
from netns import wait_for

HANG_UPS = 80
POUR_S = 0.01
KILLS = 3
CLOSES = 6
SERVERS, DEAF_EVERY, DEAF_S = 30, 5, 0.25   # the engine tries again every 0.1 s
BENCH_S, RATE = 2, 500
# What a killed peer leaves open is given up within the patience of a test.
IMPATIENT_MS = 2000
GIVE_UP_SOON = {"fin_wait_2": harness.FIN_WAIT_2_MS, "synack_retries": 1, "orphan_retries": 2,
                "data_retries": 3}
ARP_REQUEST = struct.Struct("!6s6sHHHBBH6s4s6s4s")


def arp_request(number):
    """Somebody on the engine's network asks for it; it answers each one."""
    mac, ip = bytes([2, 0, 0, 0, 0, number]), bytes([10, 77, 0, 100 + number])
    return ARP_REQUEST.pack(b"\xff" * 6, mac, 0x806, 1, 0x800, 6, 4, 1, mac, ip, bytes(6),
                            bytes([10, 77, 0, 2])).ljust(60, b"\0")


REQUESTS = [arp_request(number) for number in range(8)]


class Memif(harness.OwnEngineCase):
    def setUp(self):
        super().setUp()
        self.directory = TempDir().path
        self.net = Namespace("memif")
        self.nets = (self.net,)

    def start(self, workers=1, path=None, role="server"):
        """path: an abstract name, which stays where a file would go."""
        where = f"socket={path},socket-abstract=yes" if path else \
            f"socket={self.directory}/memif.sock,socket-abstract=no,rsize=8"
        made = harness.listeners(header=IMPATIENT_MS)
        made[-1]["first_octet"] = IMPATIENT_MS
        self.engine = harness.Engine.start(self.net, f"net_memif0,role={role},{where}",
                                           workers={"count": workers, "idle": "sleep"},
                                           listeners=made, tcp=GIVE_UP_SOON)

    def peer(self, queues):
        peer = Client(self.directory / "memif.sock", queues)
        peer.fill(REQUESTS)
        return peer

    def come_and_go(self, queues):
        """Every peer moves frames both ways on every queue, and hangs up while it pours."""
        for number in range(HANG_UPS):
            peer = self.peer(queues)
            peer.pour(POUR_S)
            for _ in range(1000):
                if all(peer.moved):
                    break
                peer.pour(POUR_S / 10)
            self.assertTrue(all(peer.moved), f"peer {number}: nothing moved {peer.moved}")
            peer.hang_up()
            peer.pour(POUR_S)
            peer.end()
        self.assertTrue(self.engine.process.running())

    def check_hang_ups(self, workers):
        self.start(workers)
        self.engine.note_home()
        self.come_and_go(workers)
        counters = self.engine.total()["counters"]
        self.assertGreater(counters["arp.request_rx"], HANG_UPS * workers)
        self.assertGreater(counters["arp.tx"], HANG_UPS * workers)

    def test_peers_hang_up_while_they_pour(self):
        self.check_hang_ups(workers=1)

    def test_peers_of_two_workers_hang_up_while_they_pour(self):
        self.check_hang_ups(workers=2)

    def serve(self, server, number):
        """Frames both ways on every queue, then the server hangs up while it pours."""
        server.accept()
        for _ in range(1000):
            server.pour(POUR_S, REQUESTS[0])
            if all(server.moved):
                break
        self.assertTrue(all(server.moved), f"server {number}: nothing moved {server.moved}")
        server.hang_up()

    def check_servers(self, workers):
        """The engine is a client that connects again, and waits while nobody listens."""
        server = Server(self.directory / "memif.sock")
        self.start(workers, role="client")
        self.engine.note_home()
        for number in range(SERVERS):
            self.serve(server, number)
            if number % DEAF_EVERY == DEAF_EVERY - 1:
                server.deafen()
                time.sleep(DEAF_S)
                server.listen()
            server.pour(POUR_S, REQUESTS[1])
        self.assertTrue(self.engine.process.running())
        self.assertNotIn("Failed to connect", self.engine.process.text())
        self.assertNotIn("not ready", self.engine.process.text())

    def test_servers_hang_up_while_they_pour(self):
        self.check_servers(workers=1)

    def test_servers_of_two_workers_hang_up_while_they_pour(self):
        self.check_servers(workers=2)

    def bench(self, number, seconds, *options):
        report = self.directory / f"{number}.json"
        return report, self.net.spawn(
            self.directory / f"{number}.log", harness.MILLBENCH, "run",
            "--vdev", f"net_memif0,role=client,socket={self.directory}/memif.sock,"
            "socket-abstract=no", "--local", f"{KERNEL4}/24", "--target", f"{ENGINE4}:80",
            "--sources", f"10.78.{number}.0/24",    # no tuple of a predecessor in TIME_WAIT
            "--mode", "request", "--http", "/bytes/1000", "--no-huge",
            "--lcores", max(os.sched_getaffinity(0)), "--seconds", seconds, "--json", report,
            *options)

    def test_a_peer_is_killed_under_load_and_comes_back(self):
        self.start()
        self.engine.note_home()
        for number in range(KILLS):
            before = self.engine.counter("conn.established")
            _, bench = self.bench(number, 60)
            wait_for(lambda: f"connections; millbench says:\n{bench.text()}",
                     lambda: self.engine.counter("conn.established") > before + 1000,
                     30)
            bench.stop(number=signal.SIGKILL)
        report, bench = self.bench(KILLS, BENCH_S, "--rate", RATE)
        self.assertEqual(bench.wait(BENCH_S + 40), 0, bench.text())
        total = json.loads(report.read_text())["totals"]
        self.assertGreater(total["responses"], RATE * BENCH_S * 9 // 10)
        self.assertEqual(total["established"], total["responses"])
        self.assertEqual(total["bad_responses"], 0)

    def test_it_is_closed_while_peers_come_and_go(self):
        for number in range(CLOSES):
            path = f"{self.directory}/{number}"
            self.start(path=path)
            over = threading.Event()
            peers = threading.Thread(target=self.crowd, args=(f"\0{path}", over), daemon=True)
            peers.start()
            time.sleep(0.2 + 0.01 * number)
            engine, self.engine = self.engine, None
            try:
                engine.stop()
            finally:
                over.set()
                peers.join(20)

    def crowd(self, path, over):
        """Peers that come at every moment of its end; some are not through with their greetings."""
        while not over.is_set():
            with contextlib.suppress(OSError):
                peer = Client(path)
                peer.fill(REQUESTS)
                peer.pour(POUR_S / 5)
                peer.hang_up()
                peer.pour(POUR_S / 10)
                peer.end()


if __name__ == "__main__":
    harness.main()
