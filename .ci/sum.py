#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sums up test runs: sum.py SANITIZER_REPORTS TESTLOG.json... The last line is for machines."""

import json
import pathlib
import sys

GOOD = {"OK", "EXPECTEDFAIL"}
TAIL = 12       # lines: who sees only the end of all this should see why


def said_last(test):
    lines = (test.get("stdout", "") + test.get("stderr", "")).splitlines()
    return "".join(f"    {line}\n" for line in lines[-TAIL:])


def main():
    reports, logs = pathlib.Path(sys.argv[1]), [pathlib.Path(p) for p in sys.argv[2:]]
    passed, failed, skipped = 0, [], []
    for log in logs:
        build = log.parent.parent.name
        if not log.exists():
            failed.append(f"{build}: no test ran")
            continue
        for line in log.read_text().splitlines():
            test = json.loads(line)
            if test["result"] in GOOD:
                passed += 1
            elif test["result"] == "SKIP":
                skipped.append(f"{build}: {test['name']}")
            else:
                what = f"{build}: {test['name']}: {test['result']}\n{said_last(test)}"
                failed.append(what.rstrip())
    for report in sorted(reports.iterdir()):
        failed.append(f"sanitizer report {report}")
        print(report.read_text(errors="replace")[:4000])
    for name in skipped:
        print("skipped:", name)
    for name in failed:
        print("FAILED:", name)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or passed == 0 else 0


sys.exit(main())
