#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A use after free of an mbuf is an AddressSanitizer report, and a use before it is none."""

import os
import subprocess
import sys


def run(what):
    # Reports of these are what is wanted: they go not where those of the test run are looked for.
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:log_path=stderr")
    return subprocess.run([sys.argv[1], what], capture_output=True, text=True, timeout=60, env=env)


failed = 0
for what in ("read data", "write header", "free again"):
    done = run(what)
    seen = done.returncode != 0 and "use-after-poison" in done.stderr
    print(f"{what}: {'seen' if seen else 'NOT SEEN'}")
    failed += not seen
done = run("nothing")
print("nothing:", done.stdout.strip() or done.stderr[:2000])
failed += done.returncode != 0 or done.stdout != "clean\n"
sys.exit(1 if failed else 0)
