#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table of goodput is a snapshot: a change of recovery or congestion control is a diff of it.

    throughput.py SIM FILE            runs SIM --throughput; fails when its table is not FILE
    throughput.py SIM FILE --write    writes FILE (ninja -C build throughput)
"""

import difflib
import pathlib
import subprocess
import sys


def main():
    sim, path = sys.argv[1], pathlib.Path(sys.argv[2])
    table = subprocess.run([sim, "--throughput"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    if "--write" in sys.argv:
        path.write_text(table)
        return 0
    expected = path.read_text() if path.exists() else ""
    if table == expected:
        return 0
    sys.stdout.writelines(difflib.unified_diff(expected.splitlines(True), table.splitlines(True),
                                               str(path), "now"))
    print("If this is what was meant: ninja -C build throughput, and commit the table.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
