#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same exchange through every port that this kernel can give: tap, af_packet, af_xdp, memif."""

import json
import os
import socket
import threading

import harness
from harness import ENGINE4, ENGINE6, KERNEL4, KERNEL6, PORTS, Namespace, TempDir

ECHO_OCTETS = 1_000_000
BENCH_S, RATE = 3, 1000
# af_xdp keeps frames until it fetches the kernel's completions: at the next transmission.
XDP_SLACK = 2048


class Veth(harness.OwnEngineCase):
    """The engine has one end of a veth pair, the kernel the other one in a namespace beside."""

    def setUp(self):
        super().setUp()
        label = self._testMethodName.removeprefix("test_").replace("_", "")
        self.net, self.far = Namespace(f"{label}k"), Namespace(f"{label}e")
        self.nets = (self.far, self.net)
        self.net.veth("k0", self.far, "e0")
        self.net.configure("k0", f"{KERNEL4}/24", f"{KERNEL6}/64")
        self.far.configure("e0")

    def echo(self, address):
        data = harness.payload(ECHO_OCTETS)
        with self.net.connect(address, PORTS["echo"], 30) as s:
            def send():
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)

            threading.Thread(target=send, daemon=True).start()
            answer = b"".join(iter(lambda: s.recv(65536), b""))
        self.assertEqual(len(answer), ECHO_OCTETS)
        self.assertTrue(answer == data, "the octets that were sent")

    def exchange(self):
        """Bulk over both families, and many short connections."""
        for address in (ENGINE4, ENGINE6):
            self.echo(address)
        for _ in range(200):
            with self.net.connect(ENGINE4, PORTS["line"], 5) as s:
                self.assertIn(b"a line", s.recv(100))
        self.assertEqual(self.engine.counter("rx.drop_tcp_cksum"), 0)

    def driver(self):
        return self.engine.ask("ports")["ports"][0]["driver"]

    def test_af_packet(self):
        self.engine = harness.Engine.start(self.far, "net_af_packet0,iface=e0")
        self.engine.note_home()
        self.exchange()
        self.assertEqual(self.driver(), "net_af_packet")

    def test_af_xdp(self):
        refused = "net_af_xdp cannot be used here: "
        try:
            self.engine = harness.Engine.start(self.far, "net_af_xdp0,iface=e0")
        except harness.Failed as why:
            text = str(why)
            lines = [line for line in text.splitlines() if "xdp" in line.lower()]
            if "bpf" in text.lower() or "xsk" in text.lower() or "umem" in text.lower():
                self.skipTest(refused + "; ".join(lines[-2:]))
            raise
        self.engine.note_home()
        self.slack = XDP_SLACK
        self.exchange()
        self.assertEqual(self.driver(), "net_af_xdp")


class Tap(Veth):
    def setUp(self):
        harness.Case.setUp(self)
        self.net = self.far = Namespace("tap")

    test_af_packet = test_af_xdp = None     # of the base class

    def test_tap(self):
        self.engine = harness.start_on_tap(self.net)
        self.exchange()
        self.assertEqual(self.driver(), "net_tap")


class Memif(harness.Case):
    """Two processes of ours share memory; no kernel takes part."""

    def test_memif_between_two_processes(self):
        directory = TempDir().path
        memif = f"socket={directory}/memif.sock,socket-abstract=no"
        net = Namespace("memif")
        self.engine = harness.Engine.start(net, f"net_memif0,role=server,{memif}")
        self.engine.note_home()
        report = directory / "report.json"
        last_cpu = max(os.sched_getaffinity(0))     # the engine has the first one
        bench = net.spawn(directory / "bench.log", harness.MILLBENCH, "run",
                          "--vdev", f"net_memif0,role=client,{memif}", "--local", f"{KERNEL4}/24",
                          "--target", f"{ENGINE4}:80", "--mode", "request", "--http", "/bytes/1000",
                          "--lcores", last_cpu, "--rate", RATE, "--no-huge",
                          "--seconds", BENCH_S, "--json", report)
        self.assertEqual(bench.wait(BENCH_S + 40), 0, bench.text())
        total = json.loads(report.read_text())["totals"]
        self.assertGreater(total["responses"], RATE * BENCH_S * 9 // 10)
        self.assertEqual(total["established"], total["responses"])
        self.assertEqual(total["bad_responses"], 0)
        self.engine.settle()
        self.engine.stop()
        self.engine = None


if __name__ == "__main__":
    harness.main()
