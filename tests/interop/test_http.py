#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The daemon's web server against the clients that people use: curl, ab, wrk, and slow readers."""

import hashlib
import re
import socket
import time

import harness
from harness import ENGINE4, ENGINE6, KERNEL4

BIG_OCTETS = 20_000_000


def sha256(octets):
    return hashlib.sha256(octets).hexdigest()


class Http(harness.TapCase):
    """A directory with a file of 20 MB that cannot be guessed."""

    @classmethod
    def overrides(cls):
        root = harness.TempDir().path
        cls.big = harness.payload(BIG_OCTETS)
        (root / "big.bin").write_bytes(cls.big)
        (root / "index.html").write_text("<p>millraced\n")
        return {"listeners": harness.listeners(root=root)}

    def curl(self, *argv, limit_s=30):
        self.need("curl")
        return self.net.run("curl", "-sS", "--fail", "-m", limit_s - 2, *argv, limit_s=limit_s,
                            text=False).stdout

    def test_curl_reuses_its_connection(self):
        accepted = self.engine.counter("conn.established")
        url = f"http://{ENGINE4}/bytes/1000"
        out = self.curl("-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null",
                        "-w", "%{http_code}:%{size_download}:%{num_connects} ", url, url, url)
        self.assertEqual(out.split(), [b"200:1000:1", b"200:1000:0", b"200:1000:0"])
        self.assertEqual(self.engine.counter("conn.established") - accepted, 1)

    def test_curl_over_ipv6(self):
        out = self.curl("-g", "-6", f"http://[{ENGINE6}]/index.html")
        self.assertEqual(out, b"<p>millraced\n")

    def test_curl_head_and_errors(self):
        head = self.curl("-I", f"http://{ENGINE4}/bytes/123456").decode()
        self.assertRegex(head, r"(?i)^HTTP/1\.1 200 ")
        self.assertRegex(head, r"(?i)content-length: 123456\r\n")
        missing = self.net.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                               f"http://{ENGINE4}/no-such-file")
        self.assertEqual(missing.stdout, "404")

    def test_slow_curl_gets_20_megabytes(self):
        began = time.monotonic()
        out = self.curl("--limit-rate", "4M", f"http://{ENGINE4}/big.bin")
        self.assertEqual(sha256(out), sha256(self.big))
        # 5 s by the rate; curl makes up for pauses in bursts, so only the order of it is sure.
        self.assertGreater(time.monotonic() - began, 1.5, "the reader was slow")

    def test_pausing_reader_with_a_small_window_gets_20_megabytes(self):
        """The window closes again and again: the sender waits for it, and loses nothing."""
        digest, got, pause_at = hashlib.sha256(), 0, 0
        with self.net.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            s.settimeout(20)
            s.connect((ENGINE4, 80))
            s.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += s.recv(1)
            while chunk := s.recv(65536):
                digest.update(chunk)
                got += len(chunk)
                if got >= pause_at:
                    time.sleep(0.1)
                    pause_at = got + BIG_OCTETS // 20
        self.assertEqual((got, digest.hexdigest()), (BIG_OCTETS, sha256(self.big)))

    def test_reader_that_leaves_in_the_middle(self):
        """What was queued for it must come home."""
        for _ in range(20):
            with self.net.connect(ENGINE4, 80) as s:
                s.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(s.recv(5), b"HTTP/")

    def ab(self, *argv):
        self.need("ab")
        out = self.net.run("ab", "-q", "-n", 5000, "-c", 100, *argv,
                           f"http://{ENGINE4}/bytes/1000", limit_s=60).stdout
        figures = dict(re.findall(r"^([A-Z][\w -]+?):\s+(\d+)", out, re.MULTILINE))
        self.assertEqual(figures["Complete requests"], "5000", out)
        self.assertEqual(figures["Failed requests"], "0", out)
        self.assertEqual(figures["HTML transferred"], "5000000", out)
        self.assertNotIn("Non-2xx responses", figures, out)
        return figures

    def test_ab_without_keep_alive(self):
        before = self.engine.counter("conn.established")
        self.ab()
        self.assertGreaterEqual(self.engine.counter("conn.established") - before, 5000)

    def test_ab_with_keep_alive(self):
        self.assertEqual(self.ab("-k")["Keep-Alive requests"], "5000")

    def test_wrk(self):
        self.need("wrk")
        out = self.net.run("wrk", "-t1", "-c50", "-d3s", f"http://{ENGINE4}/bytes/1000").stdout
        self.assertNotIn("Socket errors", out)
        self.assertNotIn("Non-2xx", out)
        self.assertGreater(float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), 100, out)

    def test_pipelined_requests_are_answered_in_order(self):
        sizes = [1, 1000, 0, 70000, 7]
        requests = [f"GET /bytes/{n} HTTP/1.1\r\nHost: {KERNEL4}\r\n\r\n" for n in sizes]
        requests[-1] = requests[-1].replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
        with self.net.connect(ENGINE4, 80) as s:
            s.sendall("".join(requests).encode())
            out = b"".join(iter(lambda: s.recv(65536), b""))
        for size in sizes:
            head, _, out = out.partition(b"\r\n\r\n")
            self.assertIn(b"content-length: %d" % size, head.lower())
            out = out[size:]
        self.assertEqual(out, b"")


if __name__ == "__main__":
    harness.main()
