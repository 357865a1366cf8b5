#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The program impair between two net_null ports, which deliver frames without end and take any.

    impair.py IMPAIR

What it says, with which status it ends, that a seed replays, that its counts add up.
"""

import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "interop"))
sys.dont_write_bytecode = True
from impair_report import WAYS, adds_up                         # noqa: E402 (after the path)

IMPAIR = sys.argv[1]
LIMIT_S = 60
PORTS = ["--a", "net_null0", "--b", "net_null1", "--no-huge", "--every", "0",
         "--hold-frames", "512"]
# What follows from seed and frames alone, not from time.
BY_CHANCE = ("received", "lost", "duplicated", "corrupted", "jumped", "no_mbuf")


def run(*argv):
    return subprocess.run([IMPAIR, *argv], text=True, timeout=LIMIT_S, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Impair(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.json = pathlib.Path(directory.name) / "report.json"

    def report(self, *options):
        """The report of a run that ends well; each direction by name."""
        done = run(*PORTS, "--json", self.json, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.text = done.stdout
        report = json.loads(self.json.read_text())
        for name in WAYS:
            self.assertTrue(adds_up(report[name]), report[name])
        return report

    def test_help(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([line for line in done.stdout.splitlines() if len(line) > 90], [])
        table = (pathlib.Path(__file__).parents[2] / "bench/impair/options.c").read_text()
        names = re.findall(r'(?:EACH|ONE|EACH_COUNT|ONE_COUNT)\("([a-z-]+)"|\{"([a-z-]+)", KIND',
                           table)
        self.assertGreater(len(names), 20)
        self.assertEqual([n for pair in names for n in pair if n and f"--{n} " not in done.stdout],
                         [])

    def test_wrong_usage_is_named_and_ends_with_2(self):
        for argv, words in (
                ([], "two ports"),
                (["--a", "net_null0"], "two ports"),
                (["--a", "net_null0", "--b", "net_null0,copy=1"], "different names"),
                ([*PORTS, "--loss", "101"], "--loss '101': expected per cent"),
                ([*PORTS, "--delay-ba", "20"], "expected a time with its unit"),
                ([*PORTS, "--rate"], "--rate wants a value"),
                ([*PORTS, "--queue-frames", "10"], "are for --rate"),
                ([*PORTS, "--speed", "10"], "'--speed' is no option"),
                ([*PORTS, "--json", "/nowhere/report.json"], "No such file")):
            with self.subTest(argv=argv):
                done = run(*argv)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(words, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)

    def test_what_the_machine_has_not_ends_with_1(self):
        for argv, words in ((["--a", "net_null0", "--b", "net_nothing0"], "DPDK does not start"),
                            ([*PORTS, "--cpu", "1023"], "CPU 1023")):
            done = run(*argv)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)

    def test_a_seed_replays(self):
        options = ["--frames", "200k", "--loss", "2", "--duplicate-ab", "1", "--corrupt-ba", "3",
                   "--delay", "1us", "--reorder", "5"]

        def chance(seed):
            report = self.report(*options, "--seed", seed)
            return [[report[way][name] for name in BY_CHANCE] for way in ("a_to_b", "b_to_a")]

        first, again, other = chance("1"), chance("1"), chance("2")
        self.assertEqual(first, again)
        self.assertNotEqual(first[0][1], first[1][1], "a generator for each direction")
        self.assertNotEqual(first, other)
        for way in first:
            self.assertEqual(way[0], 200_000)
            self.assertLess(abs(way[1] - 4000), 5 * 63, "2 % of 200000, five deviations")
        self.assertGreater(first[0][2], 1700)
        self.assertEqual(first[1][2], 0)
        self.assertEqual(first[0][3], 0)
        self.assertGreater(first[1][3], 5400)

    def test_duration_and_a_rate(self):
        """64 octets a frame: 1 Mbit/s is 1953 frames/s, and the queue of 10 drops the rest."""
        report = self.report("--duration", "1s", "--rate", "1M", "--queue-frames", "10")
        self.assertGreaterEqual(report["seconds"], 1)
        for way in ("a_to_b", "b_to_a"):
            one = report[way]
            self.assertLess(one["sent"], 1953.2 * report["seconds"] + 11)
            self.assertGreater(one["sent"], 1000)
            self.assertGreater(one["drop_queue"], 10_000)
            self.assertGreater(one["delay_ns"]["p50"], 4e6)     # of 5.12 ms in a full queue

    def test_hold_frames_bound_the_memory(self):
        report = self.report("--duration", "300ms", "--delay", "10s")
        for way in ("a_to_b", "b_to_a"):
            one = report[way]
            self.assertEqual((one["sent"], one["refused"]), (0, 0))
            self.assertEqual(one["undelivered"], 512)
            self.assertGreater(one["drop_hold"], 10_000)

    def test_signals_end_it_in_order(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([IMPAIR, *PORTS, "--json", self.json, "--delay", "50ms",
                                        "--rate", "5M"], text=True, stdout=subprocess.PIPE)
            for line in process.stdout:
                if "ready" in line:
                    break
            try:
                process.wait(0.5)
                self.fail("it ended by itself")
            except subprocess.TimeoutExpired:
                process.send_signal(number)
            text = process.communicate(timeout=LIMIT_S)[0]
            self.assertEqual(process.returncode, 0)
            self.assertIn("frames received", text)
            report = json.loads(self.json.read_text())
            for way in ("a_to_b", "b_to_a"):
                self.assertTrue(adds_up(report[way]), report[way])
                self.assertGreater(report[way]["sent"], 0, "what was under way was delivered")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
