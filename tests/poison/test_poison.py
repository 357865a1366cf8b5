#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A use after free of an mbuf is an AddressSanitizer report, and a use before it is none."""

import os
import subprocess
import sys


def run(what, ops):
    # Reports of these are what is wanted: they go not where those of the test run are looked for.
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:log_path=stderr")
    return subprocess.run([sys.argv[1], what, ops], capture_output=True, text=True, timeout=60,
                          env=env)


failed = 0
for ops in ("ring_mp_mc", "stack"):
    for what in ("read data", "write header", "free again"):
        done = run(what, ops)
        seen = done.returncode != 0 and "use-after-poison" in done.stderr
        print(f"{ops}, {what}: {'seen' if seen else 'NOT SEEN'}")
        failed += not seen
    done = run("nothing", ops)
    print(f"{ops}, nothing:", done.stdout.strip() or done.stderr[:2000])
    failed += done.returncode != 0 or done.stdout != "clean\n"
sys.exit(1 if failed else 0)
