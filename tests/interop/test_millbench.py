#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The engine as client: millbench over a tap against nginx of the kernel, and its report against a
capture of the same run."""

import json
import re
import subprocess
import time

import harness
from harness import KERNEL4, Namespace, TempDir

WEB_PORT = 8080
PAGE_OCTETS = 3000
SOURCES = "10.77.0.2/24"
RUN_S = 3
FLAGS = {"syn": "tcp-syn", "fin": "tcp-fin", "rst": "tcp-rst"}
# Everything beneath one directory of the test: no file of the system's nginx is touched. One
# process: a worker would outlive a master that is killed.
NGINX = """daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    keepalive_requests 100000;
    server {{
        listen {port} backlog=4096;
        root {dir}/www;
    }}
}}
"""


def start_nginx(net, directory):
    (directory / "www").mkdir()
    (directory / "www/page").write_bytes(harness.payload(PAGE_OCTETS))
    conf = directory / "nginx.conf"
    conf.write_text(NGINX.format(dir=directory, port=WEB_PORT))
    nginx = net.spawn(directory / "nginx.log", "nginx", "-e", directory / "error.log",
                      "-p", directory, "-c", conf)
    harness.wait_for(lambda: f"nginx answers: {nginx.text()}", lambda: answers(net), 30)
    return nginx


def answers(net):
    try:
        net.connect("127.0.0.1", WEB_PORT, 1).close()
        return True
    except OSError:
        return False


class Millbench(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.net, cls.dir = Namespace("bench"), TempDir().path
        cls.runs = 0

    def setUp(self):
        super().setUp()
        self.need("nginx")
        # Thousands of connections a second from one address are no attack here.
        self.net.sysctl("net.core.somaxconn", 4096)
        self.net.sysctl("net.ipv4.tcp_max_syn_backlog", 8192)
        self.nginx = start_nginx(self.net, TempDir().path)

    def tearDown(self):
        self.assertEqual(self.nginx.stop(), 0)

    def start(self, *argv):
        """millbench on a tap of its own, whose kernel end gets its address once it is there."""
        type(self).runs += 1
        name = f"mb{self.runs}"
        self.report = self.dir / f"{name}.json"
        bench = self.net.spawn(self.dir / f"{name}.log", harness.MILLBENCH, "run",
                               "--vdev", f"net_tap0,iface={name}", "--local", SOURCES,
                               "--target", f"{KERNEL4}:{WEB_PORT}", "--no-huge", "--json",
                               self.report, *argv)
        harness.wait_for(lambda: f"{name} appears: {bench.text()}",
                         lambda: self.net.has_interface(name), harness.READY_S)
        self.net.configure(name, f"{KERNEL4}/24")
        return bench

    def finish(self, bench):
        """Its report; the run had no error, and its totals add up."""
        status = bench.wait(RUN_S + 30)
        self.assertEqual(status, 0, bench.text())
        report = json.loads(self.report.read_text())
        total = report["totals"]
        self.assertEqual(report["errors"], 0, report)
        ended = sum(total["ended"].values())
        self.assertEqual(total["attempted"], total["established"] + total["connecting"] +
                         sum(total["failed"].values()) + sum(total["not_sent"].values()))
        self.assertEqual(total["established"], ended + total["open"])
        self.assertEqual((total["open"], total["connecting"]), (0, 0))
        return report

    def run_bench(self, *argv):
        return self.finish(self.start(*argv, "--seconds", RUN_S))

    def test_requests_are_answered_by_nginx(self):
        report = self.run_bench("--mode", "request", "--http", "/page", "--rate", 500)
        total = report["totals"]
        self.assertGreater(total["responses"], 500 * RUN_S * 9 // 10, report)
        self.assertEqual(total["bad_responses"], 0)
        self.assertGreaterEqual(report["client"]["counters"]["tcp.rx_data_octets"],
                                total["responses"] * PAGE_OCTETS)

    def test_many_requests_on_one_connection(self):
        total = self.run_bench("--mode", "keepalive", "--requests", 50, "--http", "/page",
                               "--concurrency", 8)["totals"]
        self.assertGreater(total["responses"], 20 * total["established"], total)
        self.assertEqual(total["bad_responses"], 0)

    def test_a_target_that_refuses_is_not_flooded(self):
        """The first connection is tried again and again, but ten times a second at most."""
        bench = self.start("--rate", 5, "--seconds", RUN_S, "--target", f"{KERNEL4}:1")
        self.assertEqual(bench.wait(RUN_S + 30), 1, bench.text())
        total = json.loads(self.report.read_text())["totals"]
        self.assertEqual(total["established"], 0)
        self.assertEqual(total["attempted"], sum(total["failed"].values()), total)
        self.assertGreater(total["attempted"], 1)
        self.assertLess(total["attempted"], 10 * (RUN_S + 5), total)

    def captured(self, file, *expression):
        out = subprocess.run(["tcpdump", "-nr", file, "tcp and " + " and ".join(expression)],
                             capture_output=True, text=True, timeout=30, check=True).stdout
        return len(out.splitlines())

    @staticmethod
    def wait_until_written(file, quiet_s=1.0, limit_s=10.0):
        """tcpdump forgets what it has not read when it is told to end."""
        end, size, since = time.monotonic() + limit_s, -1, 0.0
        while time.monotonic() < min(end, since + quiet_s) or size < 0:
            if file.stat().st_size != size:
                size, since = file.stat().st_size, time.monotonic()
            time.sleep(0.05)

    def check_capture(self, *argv):
        """Segments on the wire, by flag and direction, are those the report counts.

        Exactly, if nothing was retransmitted: what a full tap or backlog of the kernel dropped was
        counted and never seen, and each such loss of a SYN or FIN shows as a retransmission.
        """
        self.need("tcpdump")
        file = self.dir / f"{self.runs}.pcap"
        dump = self.net.spawn(self.dir / f"{self.runs}.dump", "tcpdump", "-i", "any", "-s", "128",
                              "-B", "65536", "-U", "--immediate-mode", "-Z", "root", "-w", file,
                              f"tcp port {WEB_PORT} and host {KERNEL4}")
        harness.wait_for(lambda: f"tcpdump listens: {dump.text()}",
                         lambda: "listening on" in dump.text(), 10)
        report = self.finish(self.start(*argv, "--warmup", 0, "--seconds", RUN_S))
        self.wait_until_written(file)
        self.assertEqual(dump.stop(), 0, dump.text())
        dropped = re.search(r"(\d+) packets dropped by kernel", dump.text())
        self.assertEqual(dropped.group(1), "0", dump.text())
        counted = report["client"]["counters"]
        lost = counted.get("tcp.retransmit_syn", 0) + counted.get("tcp.retransmit_fin", 0)
        for name, flag in FLAGS.items():
            for way, host in (("tx", f"dst port {WEB_PORT}"), ("rx", f"src port {WEB_PORT}")):
                seen = self.captured(file, f"tcp[tcpflags] & {flag} != 0", host)
                expected = counted.get(f"tcp.{way}_{name}", 0)
                self.assertLessEqual(abs(seen - expected), lost,
                                     f"{way} {name}: {seen} seen, {expected} counted")
        return report

    def test_capture_counts_what_a_cycle_reports(self):
        report = self.check_capture("--mode", "cycle", "--rate", 300)
        self.assertEqual(report["client"]["counters"]["tcp.tx_fin"],
                         report["totals"]["established"])

    def test_capture_counts_what_a_handshake_reports(self):
        report = self.check_capture("--mode", "handshake", "--rate", 300)
        self.assertEqual(report["client"]["counters"]["tcp.tx_rst"],
                         report["totals"]["established"])


if __name__ == "__main__":
    harness.main()
