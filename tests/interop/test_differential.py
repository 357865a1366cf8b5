#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same scripted peer against the Linux kernel and against us: only the listed differences.

    test_differential.py                    # as in the tests
    test_differential.py --only PATTERN     # these scripts, and all that was observed
    test_differential.py --new FILE         # differences that are not listed, to be explained

The scripts are in differential/cases_*.py. differential/expected.json lists what may differ, with
the reason, and docs/conformance.md shows it. A difference that is not there fails, and so does one
that is there and no longer seen. A script that was not as expected is played up to four times more,
alone, when all have ended: a busy machine may delay anything, a difference stays.
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import sys
import time

import harness
import netns
from differential import cases
from differential import cases_data, cases_end, cases_loss, cases_open, cases_state
from differential.sides import Engine, Kernel
from differential.talk import Talk

LIST = pathlib.Path(__file__).resolve().parent / "differential/expected.json"
THREADS, ATTEMPTS = 24, 5
PAUSE_S = 0.5                   # before the first repeat, then longer: a bad second is not all five
LINUX = "6.18"                  # whose observations are in the list
SCRIPTS = (cases_open, cases_state, cases_data, cases_loss, cases_end)


def play(side, run, number):
    """What one side did: [(label, text)], ended by an error if the script could not go on."""
    _, function, arguments, family, _ = run
    talk = Talk(side, family, number)
    try:
        function(talk, **arguments)
    except (AssertionError, OSError, LookupError, TypeError) as e:
        talk.note("script", f"{type(e).__name__}: {e}")
    finally:
        talk.end()
    return talk.notes


def differences(kernel, ours):
    """{label: (kernel, ours)} of what is not the same, and of a script that could not go on: where
    it broke off on both sides, nothing was compared."""
    theirs, mine = dict(kernel), dict(ours)
    labels = list(dict.fromkeys([k for k, _ in kernel] + [k for k, _ in ours]))
    return {k: (theirs.get(k, "-"), mine.get(k, "-")) for k in labels
            if theirs.get(k, "-") != mine.get(k, "-") or k == "script"}


def changed(want, ours):
    """Of what is listed, is our side another one now? That holds whatever the kernel does."""
    mine = dict(ours)
    return any(mine.get(label, "-") != said for label, (_, said) in want.items())


class Expected:
    """The list, by conversation and label. A place without a family is meant for all of the
    script's."""

    def __init__(self):
        self.wanted = collections.defaultdict(dict)
        for entry in json.loads(LIST.read_text()):
            for seen in entry["seen"]:
                for place in seen["at"]:
                    self.add(place, (seen["kernel"], seen["ours"]))

    def add(self, place, both):
        run_id, _, label = place.rpartition(" / ")
        name, family = re.fullmatch(r"(.*?)(?: \(IPv(\d)\))?", run_id).groups()
        if name not in cases.TABLE:
            sys.exit(f"{LIST}: there is no script {name!r}")
        for each in [int(family)] if family else cases.TABLE[name][2]:
            if label in self.wanted[f"{name} (IPv{each})"]:
                sys.exit(f"{LIST}: twice: {place}")
            self.wanted[f"{name} (IPv{each})"][label] = both

    def of(self, run_id):
        """{label: (kernel, ours)}"""
        return self.wanted.get(run_id, {})


def compare(sides, run, number):
    """(differences, what was seen on either side)"""
    notes = [play(side, run, number) for side in sides]
    return differences(*notes), notes


def compare_all(sides, runs, expected):
    """[(run, (differences, notes))] in the order of `runs`, and how many were played again."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        futures = [(r, pool.submit(compare, sides, r, i)) for i, r in runs]
        results = [(r, f.result()) for r, f in futures]
    again = 0
    for at, (number, run) in enumerate(runs):
        for attempt in range(1, ATTEMPTS):
            found = results[at][1][0]
            if found == expected.of(run[0]):
                break
            print(f"played again: {run[0]}, {sorted(found.items() ^ expected.of(run[0]).items())}")
            time.sleep(PAUSE_S * attempt)
            results[at] = (run, compare(sides, run, number))
            again += 1
    return results, again


def arguments_of():
    p = argparse.ArgumentParser()
    p.add_argument("--only", default="*")
    p.add_argument("--new", type=pathlib.Path)
    return p.parse_args()


def main():
    options = arguments_of()
    reason = harness.why_not()
    if reason:
        print(f"skipped, all: {reason}")
        sys.exit(harness.SKIP)
    netns.install()
    sides, expected, began = [Kernel(), Engine()], Expected(), time.monotonic()
    runs = [(i, r) for i, r in enumerate(cases.runs()) if fnmatch.fnmatchcase(r[0], options.only)]
    results, again = compare_all(sides, runs, expected)
    failed = report(options, expected, results)
    for side in sides:
        side.end()
    print(f"{len(cases.TABLE)} scripts, {len(runs)} conversations with either side in "
          f"{time.monotonic() - began:.0f} s, {again} played again, {failed} not as expected")
    if failed and not os.uname().release.startswith(LINUX + "."):
        failed = sum(changed(expected.of(r[0]), notes[1]) for r, (_, notes) in results)
        print(f"the list was written against Linux {LINUX}, this is {os.uname().release}: run with "
              f"--new, and judge what changed on the kernel's side; on ours {failed} changed")
        sys.exit(1 if failed else harness.SKIP)
    sys.exit(1 if failed else 0)


def report(options, expected, results):
    failed, fresh = 0, collections.defaultdict(list)
    for run, (found, notes) in results:
        want = expected.of(run[0])
        if options.only != "*":
            for label, said in dict(notes[0]).items():
                print(f"{run[0]} / {label}\n    kernel: {said}\n    ours:   "
                      f"{dict(notes[1]).get(label, '-')}")
        failed += found != want
        for label in sorted(set(found) | set(want)):
            if found.get(label) == want.get(label):
                continue
            if label not in found:
                print(f"listed, and not seen any more: {run[0]} / {label}")
                continue
            fresh[found[label]].append(f"{run[0]} / {label}")
            print(f"not listed: {run[0]} / {label}\n    kernel: {found[label][0]}\n"
                  f"    ours:   {found[label][1]}")
    if options.new:
        made = [{"at": places, "kernel": kernel, "ours": ours}
                for (kernel, ours), places in sorted(fresh.items())]
        options.new.write_text(json.dumps(made, indent=1))
    return failed


if __name__ == "__main__":
    main()
