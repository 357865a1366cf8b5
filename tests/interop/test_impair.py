#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""impair between two kernels, and between a kernel and the engine: what it promises is what they
see, and data comes through whole."""

import hashlib
import re
import socket
import statistics
import struct
import threading
import time

import harness
from bad_line import LEFT4, RIGHT4, Line, memif_of
from harness import ENGINE4, PORTS, Namespace, TempDir

OCTETS = 20_000_000
LIMIT_S = 100
DATAGRAMS = 4000
BAD = ["--seed", 11, "--loss", 1, "--duplicate", 0.5, "--reorder", 1, "--corrupt", 0.2,
       "--delay", "2ms", "--jitter", "300us"]


def figures(net, interface):
    """(frames that the kernel received, that it sent) on an interface."""
    text = net.run("ip", "-s", "link", "show", interface).stdout
    numbers = re.findall(r"[RT]X:.*\n\s+\d+\s+(\d+)", text)
    return tuple(int(n) for n in numbers)


class Kernels(harness.Case):
    """The kernel at both ends."""

    def setUp(self):
        super().setUp()
        self.left, self.right = Namespace("left"), Namespace("right")
        for net in (self.left, self.right):
            net.sysctl("net.ipv6.conf.default.disable_ipv6", 1)

    def tearDown(self):
        self.left.end()
        self.right.end()

    def line(self, *options):
        return Line.between_taps(self.left, self.right, *options)

    def ping(self, count, interval_s=0.01):
        """Round trip times in ms of those that were answered, from the left."""
        done = self.left.run("ping", "-c", count, "-i", interval_s, "-W", 1, RIGHT4, check=False)
        return [float(ms) for ms in re.findall(r"time=([\d.]+) ms", done.stdout)]

    def test_delay_is_what_ping_sees(self):
        self.need("ping")
        line = self.line("--delay-ab", "30ms", "--delay-ba", "10ms")
        times = self.ping(50)
        report = line.end()
        print(f"ping over 30 + 10 ms: {min(times):.2f} least, {statistics.median(times):.2f} "
              f"median; impair's p50: {report['a_to_b']['delay_ns']['p50'] / 1e6:.3f} and "
              f"{report['b_to_a']['delay_ns']['p50'] / 1e6:.3f} ms")
        self.assertEqual(len(times), 50)
        self.assertGreaterEqual(min(times), 40)
        self.assertLess(statistics.median(times), 80)
        for way, ms in (("a_to_b", 30), ("b_to_a", 10)):
            self.assertGreaterEqual(report[way]["delay_ns"]["p50"], ms * 1e6)
            self.assertLess(report[way]["delay_ns"]["p50"], 2 * ms * 1e6)

    def datagrams(self, count):
        """Sends numbers from left to right; returns those that came, in order."""
        came = []
        with self.right.socket(kind=socket.SOCK_DGRAM) as there, \
                self.left.socket(kind=socket.SOCK_DGRAM) as here:
            there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            there.bind((RIGHT4, 9))
            there.settimeout(1)
            for number in range(count):
                here.sendto(struct.pack("!I", number) + bytes(96), (RIGHT4, 9))
                if number % 20 == 19:
                    time.sleep(0.002)
            try:
                while True:
                    came.append(struct.unpack_from("!I", there.recv(200))[0])
            except TimeoutError:
                return came

    def neighbours(self):
        """So that no ARP of theirs is lost or counted late."""
        for net, interface, address, other, far in (
                (self.left, "left0", RIGHT4, self.right, "right0"),
                (self.right, "right0", LEFT4, self.left, "left0")):
            mac = other.run("cat", f"/sys/class/net/{far}/address").stdout.strip()
            net.ip("neigh", "replace", address, "lladdr", mac, "dev", interface, "nud",
                   "permanent")

    def test_every_frame_is_accounted_for(self):
        """What one kernel sent and the other one received are impair's figures, and its loss and
        copies are within five standard deviations of what was asked for."""
        line = self.line("--loss-ab", 10, "--duplicate-ab", 5, "--seed", 3)
        self.neighbours()
        before = figures(self.left, "left0")[1], figures(self.right, "right0")[0]
        came = self.datagrams(DATAGRAMS)
        sent = figures(self.left, "left0")[1]
        received = figures(self.right, "right0")[0]
        one = line.end()["a_to_b"]
        print(f"{DATAGRAMS} datagrams, {len(came)} came: {one}")
        self.assertEqual(one["received"], sent)
        self.assertEqual(one["sent"], received)
        self.assertEqual(before[0], sent - DATAGRAMS, "nothing but the datagrams")
        self.assertEqual(len(came), received - before[1])
        self.assertEqual(len(came) - len(set(came)), one["duplicated"])
        self.assertEqual(came, sorted(came))
        self.assertEqual(one["late"], 0)
        self.assertLess(abs(one["lost"] - 400), 5 * 19)
        self.assertLess(abs(one["duplicated"] - 180), 5 * 13)

    def test_a_seed_loses_the_same_datagrams(self):
        came = []
        for seed in (3, 3, 4):
            line = self.line("--loss-ab", 10, "--seed", seed)
            self.neighbours()
            before = figures(self.left, "left0")[1]
            came.append((before, self.datagrams(500)))
            line.end()
            harness.wait_for("the taps are gone", lambda: not self.left.has_interface("left0"))
        self.assertEqual(came[0][0], came[1][0], "as many frames before")
        self.assertEqual(came[0][1], came[1][1])
        self.assertNotEqual(came[0][1], came[2][1])

    def test_rate_is_what_udp_gets(self):
        """4000 frames of 142 octets come faster than 2 Mbit/s, and only a queue of 500 waits."""
        line = self.line("--rate-ab", "2M", "--queue-frames-ab", 500)
        self.neighbours()
        came = self.datagrams(DATAGRAMS)
        one = line.end()["a_to_b"]
        longest = 500 * 142 * 8 / 2e6
        print(f"2 Mbit/s, queue of 500 frames: {len(came)} came, {one['drop_queue']} dropped, "
              f"at most {one['delay_ns']['max'] / 1e6:.1f} ms; a full queue is "
              f"{longest * 1e3:.1f} ms")
        self.assertEqual(len(came), DATAGRAMS - one["drop_queue"])
        self.assertGreater(one["drop_queue"], 500)
        self.assertGreater(one["delay_ns"]["max"], 0.95 * longest * 1e9)
        self.assertLess(one["delay_ns"]["p50"], 2 * longest * 1e9)

    def test_20_mb_between_kernels_through_a_bad_line(self):
        line = self.line(*BAD)
        data, got = harness.payload(OCTETS), hashlib.sha256()
        with self.right.socket() as server:
            server.bind((RIGHT4, 5000))
            server.listen()
            server.settimeout(LIMIT_S)
            sender = threading.Thread(target=self.send, args=(data,), daemon=True)
            began = time.monotonic()
            sender.start()
            with server.accept()[0] as s:
                s.settimeout(LIMIT_S)
                while chunk := s.recv(1 << 16):
                    got.update(chunk)
        took_s, report = time.monotonic() - began, line.end()
        print(f"20 MB in {took_s:.1f} s: {report['a_to_b']}")
        self.assertEqual(got.digest(), hashlib.sha256(data).digest())
        for name in ("lost", "duplicated", "corrupted", "jumped", "late"):
            self.assertGreater(report["a_to_b"][name], 5, name)

    def send(self, data):
        with self.left.connect(RIGHT4, 5000, LIMIT_S) as s:
            s.sendall(data)


class Engine(harness.Case):
    """The kernel at a tap, the engine at a memif."""

    def setUp(self):
        super().setUp()
        self.net = Namespace("kernel")
        self.memif = memif_of(TempDir().path)
        self.engine = harness.Engine.start(self.net, f"net_memif0,role=server,{self.memif}")
        self.line = Line.to_engine(self.net, self.memif, *BAD)
        # A memif of a server fills its rings when the other end comes.
        self.net.connect(ENGINE4, PORTS["line"], 20).close()
        self.engine.settle()
        self.engine.note_home()

    def tearDown(self):
        super().tearDown()
        self.engine.stop()
        self.engine = None
        self.net.end()

    def echo(self, address):
        data, answer = harness.payload(OCTETS), bytearray()
        with self.net.connect(address, PORTS["echo"], LIMIT_S) as s:
            sender = threading.Thread(target=s.sendall, args=(data,), daemon=True)
            sender.start()
            while len(answer) < OCTETS and (chunk := s.recv(1 << 16)):
                answer += chunk
            sender.join(5)
        self.assertEqual(hashlib.sha256(answer).digest(), hashlib.sha256(data).digest())

    def test_20_mb_there_and_back(self):
        began = time.monotonic()
        self.echo(ENGINE4)
        took_s, seen = time.monotonic() - began, self.engine.total()["counters"]
        self.engine.settle()
        report = self.line.end()
        print(f"20 MB there and back in {took_s:.1f} s: " +
              str({name: seen[name] for name in (
                  "tcp.retransmit_data", "tcp.fast_retransmit", "tcp.rto", "tcp.tail_probe",
                  "tcp.loss_undone", "tcp.dsack_rx", "tcp.ooo_queued", "rx.drop_tcp_cksum")}))
        for way in ("a_to_b", "b_to_a"):
            for name in ("lost", "duplicated", "corrupted", "jumped", "late"):
                self.assertGreater(report[way][name], 5, name)
        self.assertGreater(seen["rx.drop_tcp_cksum"], 5, "a flipped bit is seen")


if __name__ == "__main__":
    harness.main()
