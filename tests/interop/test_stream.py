#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Octets both ways at once: echo with half-close, many connections, discard, line and source."""

import hashlib
import socket
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import harness
from harness import ENGINE4, ENGINE6, PORTS

ECHO_OCTETS = 5_000_000
PARALLEL = 300


def read_all(s):
    return b"".join(iter(lambda: s.recv(65536), b""))


def echo(s, data):
    """Sends all and closes its half, while the answer is read to its end."""
    def send():
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    answer = read_all(s)
    sender.join(10)
    return answer


class Stream(harness.TapCase):
    def check_echo(self, address):
        data = harness.payload(ECHO_OCTETS)
        with self.net.connect(address, PORTS["echo"]) as s:
            answer = echo(s, data)
        self.assertEqual(len(answer), ECHO_OCTETS)
        self.assertEqual(hashlib.sha256(answer).digest(), hashlib.sha256(data).digest())

    def test_5_megabytes_come_back_after_half_close(self):
        self.check_echo(ENGINE4)

    def test_5_megabytes_come_back_over_ipv6(self):
        self.check_echo(ENGINE6)

    def test_socat_echoes_5_megabytes(self):
        self.need("socat")
        data = harness.payload(ECHO_OCTETS, seed=2)
        answer = self.net.run("socat", "-t", "20", "-", f"TCP:{ENGINE4}:{PORTS['echo']}",
                              input=data, text=False).stdout
        self.assertEqual(hashlib.sha256(answer).digest(), hashlib.sha256(data).digest())

    def test_300_parallel_echo_connections(self):
        """All are open before the first octet is sent; each has octets of its own."""
        made = [self.net.connect(ENGINE4, PORTS["echo"]) for _ in range(PARALLEL)]
        harness.wait_for(f"{PARALLEL} are ESTABLISHED",
                         lambda: self.engine.total()["states"]["ESTABLISHED"] == PARALLEL)
        data = [harness.payload(20_000 + i, seed=i) for i in range(PARALLEL)]
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = list(pool.map(echo, made, data))
        for s in made:
            s.close()
        wrong = [i for i in range(PARALLEL) if answers[i] != data[i]]
        self.assertEqual(wrong, [])

    def test_discard_takes_all_and_says_nothing(self):
        def taken():
            return [one["rx_octets"] for one in self.engine.stats()["listeners"]][1]

        before = taken()
        with self.net.connect(ENGINE4, PORTS["discard"]) as s:
            self.assertEqual(echo(s, harness.payload(1_000_000)), b"")
        self.assertEqual(taken() - before, 1_000_000)

    def test_line_says_its_line_and_closes(self):
        with self.net.connect(ENGINE4, PORTS["line"]) as s:
            answer = read_all(s)
        self.assertEqual(answer, b"a line of millraced\r\n")

    def test_source_writes_until_its_reader_resets(self):
        with self.net.connect(ENGINE4, PORTS["source"]) as s:
            got = 0
            while got < 1_000_000:
                got += len(s.recv(65536))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def test_reset_with_unread_echo(self):
        """A peer that dies with data in both directions leaves nothing behind."""
        for _ in range(10):
            with self.net.connect(ENGINE4, PORTS["echo"]) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.settimeout(0.2)
                try:
                    s.sendall(harness.payload(2_000_000))
                except TimeoutError:
                    pass
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def test_connection_to_a_closed_port_is_refused(self):
        with self.net.socket() as s:
            s.settimeout(20)
            self.assertRaises(ConnectionRefusedError, s.connect, (ENGINE4, 4242))

    def test_millctl_shows_what_the_socket_says(self):
        with self.net.connect(ENGINE4, PORTS["echo"]):
            harness.wait_for("the connection stands",
                             lambda: self.engine.total()["states"]["ESTABLISHED"] == 1)
            out = subprocess.run([harness.MILLCTL, "--socket", self.engine.control, "connections"],
                                 capture_output=True, text=True, timeout=30, check=True).stdout
            self.assertIn("ESTABLISHED", out)
            self.assertIn("10.77.0.1", out)


class GeneralWay(Stream):
    """The same without the fast path: every segment goes through arrives.c."""

    @classmethod
    def overrides(cls):
        return {"tcp": {"fin_wait_2": harness.FIN_WAIT_2_MS, "fast_path": False}}

    def test_no_segment_took_the_fast_path(self):
        with self.net.connect(ENGINE4, PORTS["line"]) as s:
            read_all(s)
        counters = self.engine.total()["counters"]
        self.assertEqual(counters["rx.fast"], 0)
        self.assertGreater(counters["rx.slow"], 0)


if __name__ == "__main__":
    harness.main()
