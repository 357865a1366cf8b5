#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Ctrl-C: a run of millbench ends early, but in order; a second one ends it at once.

    millbench_signals.py MILLBENCH

Over a ring pair. What is open when the signal comes must be closed by FIN, whatever the run was
doing, and the time for that goes by the clock.
"""

import json
import signal
import subprocess
import sys
import tempfile
import threading

HELD = 20000
LIMIT_S = 120


class Run:
    """A run in mode hold that is to be interrupted."""

    def __init__(self, millbench, *options):
        self.json = tempfile.NamedTemporaryFile(suffix=".json")
        self.bench = subprocess.Popen(
            [millbench, "run", "--ring", "--no-huge", "--mode", "hold", "--json", self.json.name,
             *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.timer = threading.Timer(LIMIT_S, self.bench.kill)
        self.timer.start()
        self.text = ""

    def interrupt_after(self, wanted):
        """Sends SIGINT after the line that `wanted` approves of."""
        for line in self.bench.stdout:
            self.text += line
            if wanted(line):
                self.bench.send_signal(signal.SIGINT)
                return
        raise RuntimeError(f"the line did not come: {self.text}")

    def finish(self):
        """Exit status and report."""
        self.text += self.bench.stdout.read()
        status = self.bench.wait()
        self.timer.cancel()
        octets = self.json.read()
        self.json.close()
        return status, json.loads(octets) if octets else None


def holds(n):
    """The line of a second in which n connections were open."""
    return lambda line: line.split()[:1] != [] and line.split()[0].isdigit() and \
        line.split()[3] == str(n)


def says(text):
    return lambda line: text in line


def faults_of_clean_end(status, report):
    """What is wrong with a run that one signal ended."""
    if report is None:
        return [f"no report, exit status {status}"]
    t = report["totals"]
    rules = [
        ("exit status", status, 0),
        ("interrupted", report["interrupted"], True),
        ("fault", report["fault"], ""),
        ("closed cleanly", t["closed_cleanly"], t["established"]),
        ("ended by force", t["ended_by_force"], 0),
        ("tables afterwards", report["hold"]["tables_afterwards"], "empty"),
    ]
    return [f"{what}: {got}, expected {wanted}" for what, got, wanted in rules if got != wanted]


def while_holding(millbench):
    run = Run(millbench, "--hold", f"{HELD // 1000}k", "--msl-ms", "200", "--seconds", "60")
    run.interrupt_after(holds(HELD))
    status, report = run.finish()
    faults = faults_of_clean_end(status, report)
    if report is not None and report["totals"]["established"] != HELD:
        faults.append(f"{report['totals']['established']} connections were held")
    return run, faults


def while_opening(millbench):
    run = Run(millbench, "--hold", "500k", "--concurrency", "4", "--msl-ms", "200")
    run.interrupt_after(says("opened/s"))
    return run, faults_of_clean_end(*run.finish())


def a_second_one_ends_the_wait(millbench):
    """TIME_WAIT of a minute: nobody waits for it who is told not to."""
    run = Run(millbench, "--hold", "3k", "--msl-ms", "30000", "--seconds", "60")
    run.interrupt_after(holds(3000))
    run.interrupt_after(says("TIME_WAIT to run out"))
    status, report = run.finish()
    faults = []
    if status != 1 or report is None:
        return run, [f"exit status {status}, expected 1 and a report"]
    if report["totals"]["closed_cleanly"] != 3000:
        faults.append(f"{report['totals']['closed_cleanly']} of 3000 were closed")
    if report["hold"]["tables_afterwards"] != "not empty":
        faults.append("TIME_WAIT of 60 s ended early")
    return run, faults


def main():
    failed = 0
    for test in (while_holding, while_opening, a_second_one_ends_the_wait):
        run, faults = test(sys.argv[1])
        print(f"{'FAIL' if faults else 'ok  '} {test.__name__.replace('_', ' ')}")
        for fault in faults:
            print(f"     {fault}")
        if faults:
            print(run.text)
        failed += bool(faults)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
