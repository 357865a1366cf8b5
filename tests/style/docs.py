#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The documents against the tree: docs.py ROOT MILLRACED

Generated parts are fresh (docs/generate.py), links lead somewhere, paths that are named exist, and
each test that docs/conformance.md calls as its witness exists: `suite:name` of Criterion, or a
test of meson's as `interop:http`.
"""

import pathlib
import re
import sys

LINES_MOST = 450
LINK = re.compile(r"\]\(([^)#\s]+)[^)\s]*\)")
NAMED = re.compile(r"`((?:lib|app|bench|tests|docs|drivers-config|\.ci)/[\w./-]*)`")
WITNESS = re.compile(r"`([a-z]\w*:[a-z]\w*)`")
CRITERION = re.compile(r"^Test\((\w+),\s*(\w+)", re.MULTILINE)
ELSEWHERE = re.compile(r"(?:/home/|/tmp/)\w")


class Docs:
    def __init__(self, root):
        self.root = root
        self.problems = []
        self.files = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("*/README.md")]

    def report(self, path, text, at=None):
        line = path.read_text()[:at].count("\n") + 1 if at is not None else 1
        self.problems.append(f"{path.relative_to(self.root)}:{line}: {text}")

    def check_file(self, path):
        text = path.read_text()
        lines = text.count("\n")
        if lines > LINES_MOST:
            self.report(path, f"{lines} lines, at most {LINES_MOST}")
        for found in LINK.finditer(text):
            target = found.group(1)
            if "://" not in target and not (path.parent / target).exists():
                self.report(path, f"the link {target} leads nowhere", found.start())
        for found in NAMED.finditer(text):
            if not (self.root / found.group(1)).exists():
                self.report(path, f"there is no {found.group(1)}", found.start())
        for found in ELSEWHERE.finditer(text):
            self.report(path, "a path of somebody's machine", found.start())

    def tests(self):
        """Criterion's tests, and meson's with a name of two words."""
        found = set()
        for path in self.root.glob("tests/*/*.c"):
            found.update(f"{suite}:{name}" for suite, name in CRITERION.findall(path.read_text()))
        for path in self.root.glob("tests/interop/test_*.py"):
            found.add("interop:" + path.stem.removeprefix("test_"))
        for path in self.root.glob("tests/*/meson.build"):
            named = re.findall(r"test\('(\w+) (\w+)'", path.read_text())
            found.update(f"{suite}:{name}" for suite, name in named)
        return found

    def check_conformance(self):
        path, known = self.root / "docs/conformance.md", self.tests()
        for found in WITNESS.finditer(path.read_text()):
            if found.group(1) not in known:
                self.report(path, f"there is no test {found.group(1)}", found.start())

    def run(self, millraced):
        for path in sorted(self.files):
            self.check_file(path)
        self.check_conformance()
        sys.path.insert(0, str(self.root / "docs"))
        sys.dont_write_bytecode = True
        import generate
        for path in generate.stale(self.root, millraced):
            self.report(path, "the generated part is stale: ninja -C build docs")


def main():
    docs = Docs(pathlib.Path(sys.argv[1]).resolve())
    docs.run(sys.argv[2])
    print("\n".join(docs.problems))
    return 1 if docs.problems else 0


if __name__ == "__main__":
    sys.exit(main())
