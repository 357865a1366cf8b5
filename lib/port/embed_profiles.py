#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compiles the profiles of drivers-config/ in: embed_profiles.py OUT.c FILE.yaml ...

The YAML stays the only place where a value is written; a binary without the directory still knows.
"""
import os
import sys


def literal(text):
    """C string literals, one a line, so that no compiler limit on one literal's line matters."""
    out = []
    for line in text.splitlines():
        out.append('\t"%s\\n"' % line.replace('\\', '\\\\').replace('"', '\\"'))
    return '\n'.join(out)


def main():
    rows = []
    for path in sorted(sys.argv[2:]):
        name = os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding='utf-8') as f:
            rows.append('\t{"%s",\n%s},' % (name, literal(f.read())))
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write('/* Made by embed_profiles.py from drivers-config/. */\n#include "profile.h"\n\n'
                'const struct profile_text profile_builtin[] = {\n%s\n\t{NULL, NULL},\n};\n'
                % '\n'.join(rows))


if __name__ == '__main__':
    main()
