#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Do the tests see it when the engine is broken?

    mutate.py [--build DIR] [--only NAME[,NAME]] [--module M] [--few] [--list] [--no-baseline]

Each mutant is one small exact replacement in one file and says what it breaks (mutants_*.py). It is
made in a copy of the tree in a temporary folder, never in the tree; only what the named tests need
is built there, from the objects of a finished build; the tests run until one of them fails. A
mutant is killed, or it survives: then a test is missing. One that does not compile says nothing and
is a failure of this list. So is one whose text the tree does not have exactly once: all of the list
are looked for at every start, whichever are chosen, and nothing runs before each is found. --few:
the five that ./test.sh runs. Exit 0: all were killed. A baseline run first shows that the tests
pass unbroken.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import mutants_engine
import mutants_limits
import mutants_loss
import mutants_tcp

MUTANTS = (mutants_tcp.MUTANTS + mutants_loss.MUTANTS + mutants_engine.MUTANTS +
           mutants_limits.MUTANTS)
SOURCES = ("lib", "tests", "app", "bench", "drivers-config", "docs")
TOP_FILES = ("meson.build", "meson_options.txt", "meson.options", "README.md")
# Of a build: what ninja needs to see that only the broken file is new.
KEEP = (".o", ".a", ".h", ".c", ".ninja", ".json", ".ninja_log", ".ninja_deps", ".dat", ".so")
BUILD_SECONDS, TEST_SECONDS = 900, 300
CPU_SECONDS, SIM_CPU_SECONDS = 15, 90   # of one process: a broken engine may run for ever
REGENERATE = re.compile(r"^build build\.ninja: .*\n(?: .*\n)*", re.MULTILINE)
FAILED = re.compile(r"\[FAIL\] (\S+?)::(\S+?):|\[CRASH\].*?(\w+)::(\w+)")


def limit(cpu_seconds):
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def descendants(pid):
    """Criterion's workers have process groups of their own: by parents, then."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def run_bounded(command, folder, cpu_seconds):
    """-> (exit status or None when it did not end, its output); leaves no process behind."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        with subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL,
                              preexec_fn=lambda: limit(cpu_seconds)) as process:
            try:
                status = process.wait(TEST_SECONDS)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                for pid in descendants(process.pid) if process.poll() is None else []:
                    os.kill(pid, signal.SIGKILL)
                process.kill()
        output.seek(0)
        return status, output.read()


def copy(source, target, keep=None):
    """Copies a folder with its times; `keep`: only files with such an end."""
    def ignore(folder, names):
        return [n for n in names if n == "__pycache__" or n.startswith("build") and
                keep is None and os.path.isdir(os.path.join(folder, n)) or
                keep is not None and not n.endswith(keep) and
                not os.path.isdir(os.path.join(folder, n))]
    shutil.copytree(source, target, ignore=ignore, symlinks=True, dirs_exist_ok=True)


class Tree:
    """A copy of sources and build, of which a clean second copy of the build is kept."""

    def __init__(self, root, build, temporary):
        self.root = pathlib.Path(temporary) / "tree"
        where = os.path.relpath(build, root)
        if where.startswith(".."):
            sys.exit(f"mutate.py: {build} is not below {root}: the copy could not be built")
        self.root.mkdir()
        for name in SOURCES:
            copy(root / name, self.root / name)
        for name in TOP_FILES:
            if (root / name).exists():
                shutil.copy2(root / name, self.root / name)
        self.build = self.root / where
        self.clean = pathlib.Path(temporary) / "clean"
        copy(build, self.build, KEEP)
        # ninja must not call meson: that knows only the paths of the tree itself.
        ninja = self.build / "build.ninja"
        text, times = ninja.read_text(), ninja.stat()
        ninja.write_text(REGENERATE.sub("", text))
        os.utime(ninja, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.tests = {}
        for test in json.loads((build / "meson-info/intro-tests.json").read_text()):
            exe = os.path.relpath(test["cmd"][0], build)
            self.tests[test["name"]] = (exe, test["cmd"][1:])

    def find(self, test):
        if test not in self.tests:
            sys.exit(f"mutate.py: the build knows no test '{test}': build it first")
        return self.tests[test]

    def keep_clean(self):
        shutil.rmtree(self.clean, ignore_errors=True)
        copy(self.build, self.clean, KEEP)

    def restore(self):
        """The build as it was: whatever is newer than its clean copy came of the mutant."""
        for path in self.build.rglob("*"):
            clean = self.clean / path.relative_to(self.build)
            if path.is_file() and path.name.endswith(KEEP):
                if not clean.exists():
                    path.unlink()
                elif clean.stat().st_mtime_ns != path.stat().st_mtime_ns:
                    shutil.copy2(clean, path)

    def make(self, exe):
        (self.build / exe).unlink(missing_ok=True)
        return subprocess.run(["ninja", "-C", str(self.build), exe], capture_output=True,
                              text=True, timeout=BUILD_SECONDS, check=False)

    def run(self, name):
        """'suite name' or 'suite name:criterion filter' -> (failed, by what)."""
        test, _, only = name.partition(":")
        exe, args = self.find(test)
        made = self.make(exe)
        if made.returncode != 0:
            errors = [x for x in made.stdout.splitlines() if "error:" in x] or ["?"]
            return None, errors[0]
        command = [str(self.build / exe), *args]
        if only:
            command += ["--filter", only]
        cpu_seconds = SIM_CPU_SECONDS if test.startswith("sim") else CPU_SECONDS
        status, output = run_bounded(command, self.build, cpu_seconds)
        if status == 0:
            return False, ""
        found = FAILED.search(output)
        what = "does not end" if status is None else f"exit {status}"
        if found:
            what = ":".join(g for g in found.groups() if g)
        return True, f"{test}: {what}"


class Report:
    def __init__(self):
        self.count = {"killed": 0, "survived": 0, "does not build": 0}

    def add(self, mutant, fate, detail, seconds):
        self.count[fate] += 1
        print(f"{fate:9} {mutant.name:32} {detail} ({seconds:.1f} s)", flush=True)
        if fate != "killed":
            print(f"          {mutant.file}: {mutant.breaks}", flush=True)

    def end(self):
        total = sum(self.count.values())
        print(f"mutation: {total} mutants, " +
              ", ".join(f"{n} {fate}" for fate, n in self.count.items()))
        return 0 if self.count["killed"] == total and total else 1


def one(tree, mutant):
    path = tree.root / mutant.file
    text = path.read_text()
    assert text.count(mutant.old) == 1      # as faults() saw it
    times = path.stat()
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        for name in mutant.tests:
            failed, by = tree.run(name)
            if failed is None:
                return "does not build", by
            if failed:
                return "killed", "by " + by
        return "survived", "unseen by " + ", ".join(mutant.tests)
    finally:
        path.write_text(text)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        tree.restore()


def faults(root):
    """What is wrong with the list, a line for each mutant: a change of the engine orphans some."""
    found, texts, names = [], {}, set()
    for m in MUTANTS:
        if m.file not in texts:
            path = root / m.file
            texts[m.file] = path.read_text() if path.is_file() else ""
        times = texts[m.file].count(m.old)
        if times != 1:
            found.append(f"{m.name}: its text is {times} times in {m.file}, not once")
        if m.old == m.new:
            found.append(f"{m.name}: it changes nothing")
        if m.name in names:
            found.append(f"{m.name}: two have this name")
        names.add(m.name)
    return found


def baseline(tree, mutants):
    for name in sorted({t for m in mutants for t in m.tests}):
        failed, by = tree.run(name)
        if failed is not False:
            sys.exit(f"mutate.py: unbroken, '{name}' does not pass: {by}")


def prepare(tree, mutants):
    """Builds what all of them need, so that a mutant builds what it broke and no more."""
    exes = sorted({tree.find(t.partition(":")[0])[0] for m in mutants for t in m.tests})
    made = subprocess.run(["ninja", "-C", str(tree.build), *exes], capture_output=True, text=True,
                          timeout=BUILD_SECONDS, check=False)
    if made.returncode != 0:
        sys.exit(f"mutate.py: the unbroken tree does not build:\n{made.stdout[-3000:]}")
    tree.keep_clean()


def chosen(args):
    only = set(args.only.split(",")) if args.only else None
    unknown = (only or set()) - {m.name for m in MUTANTS}
    if unknown:
        sys.exit(f"mutate.py: no such mutant: {', '.join(sorted(unknown))}; see --list")
    return [m for m in MUTANTS if (only is None or m.name in only) and
            (not args.few or m.few) and
            (not args.module or m.file.split("/")[1] == args.module)]


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=root / "build")
    parser.add_argument("--only", help="names, with commas between them")
    parser.add_argument("--module", help="the mutants of one folder of lib/")
    parser.add_argument("--few", action="store_true", help="the five that ./test.sh runs")
    parser.add_argument("--list", action="store_true", help="names, files and what they break")
    parser.add_argument("--no-baseline", action="store_true", help="trust the unbroken tests")
    args = parser.parse_args()
    wrong = faults(root)
    if wrong:
        sys.exit("mutate.py: mutants that no longer apply (mutants_*.py):\n" + "\n".join(wrong))
    mutants = chosen(args)
    if args.list:
        for m in mutants:
            print(f"{m.name:32} {m.file:32} {m.breaks}")
        print(f"{len(mutants)} mutants")
        return 0
    # what was started is ended also then
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    report = Report()
    with tempfile.TemporaryDirectory(prefix="millrace-mutation-") as temporary:
        tree = Tree(root, args.build.resolve(), temporary)
        prepare(tree, mutants)
        if not args.no_baseline:
            baseline(tree, mutants)
        for mutant in mutants:
            begin = time.monotonic()
            fate, detail = one(tree, mutant)
            report.add(mutant, fate, detail, time.monotonic() - begin)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
