#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Style as a test: sizes, layering, banned calls and comments of lib/, app/, bench/ and tests/.

    check.py [--allow] [ROOT]

Each limit is two numbers, wanted and hard. Up to the wanted one nothing is said; between the two
an entry in allow.txt is needed; beyond the hard one nothing helps. allow.txt may only shrink: an
entry that is not needed, or allows more than is used, is an error. --allow prints the entries that
the tree needs now (for a refactoring that moves them, never to add one). What a module may include
is read from the *_deps lines of lib/*/meson.build, so that there is one table.
"""

import pathlib
import re
import sys

from c_source import Source

FOLDERS = ("lib", "app", "bench", "tests")
LIMITS = {"file": (450, 800), "function": (40, 70), "nesting": (3, 4), "parameters": (5, 6)}
LINE_COLUMNS, TAB_COLUMNS = 100, 8
TABLE_COLUMNS = 160             # of a .def: one entry a line, whatever its help says
C_FILES_PER_FOLDER = 10
ASSERTS_PER_KLOC = {"tcp": 25, "wheel": 25, "table": 25}
ASSERTS_FROM_LINES = 200        # fewer lines say nothing about a density
SPDX = "SPDX-License-Identifier: BSD-3-Clause"
# Spelled in halves, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b")

BANNED = {
    "strcpy": "snprintf, or memcpy with a known length",
    "strcat": "snprintf at the end of the text",
    "strncpy": "snprintf: strncpy may leave the text unended",
    "strncat": "snprintf at the end of the text",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "strtok": "strcspn and strspn",
    "gets": "fgets",
    "atoi": "strtoull with a check of the end, or lib/base/conf.h",
    "atol": "strtoull with a check of the end, or lib/base/conf.h",
    "atof": "strtod with a check of the end",
    "rand": "mr_rng_next (seeded) or mr_random_bytes (secret)",
    "srand": "mr_rng_seed",
    "random": "mr_rng_next (seeded) or mr_random_bytes (secret)",
    "rte_rand": "mr_rng_next (seeded) or mr_random_bytes (secret)",
    "alloca": "an array with a bound from bounds.h",
    "assert": "MR_ASSERT or MR_CHECK",
    "signal": "sigaction",
    "system": "posix_spawn",
    "popen": "posix_spawn",
    "gettimeofday": "mr_clock_us",
    "inet_ntoa": "inet_ntop",
    "inet_addr": "inet_pton",
    "gethostbyname": "getaddrinfo",
    "rte_malloc": "mr_bigmem_map: EAL memory is for what NICs read",
    "rte_zmalloc": "mr_bigmem_map: EAL memory is for what NICs read",
}
# EAL memory beside mbufs and rings: static content, which NICs read by DMA when it is sent.
EAL_MEMORY_CALLS = ("rte_malloc", "rte_zmalloc")
EAL_MEMORY_FILES = ("lib/port/tx.c",)  # static content
# The packet path: memory comes at start, words go through counters.
HOT_MODULES = ("guard", "wire", "ip", "wheel", "table", "recovery", "tcp", "stack")
BANNED_HOT = {
    "malloc": "mr_bigmem_map at start",
    "calloc": "mr_bigmem_map at start",
    "realloc": "mr_bigmem_map at start",
    "printf": "a counter (counters.def), or a copy that the control thread prints",
    "fprintf": "a counter (counters.def), or a copy that the control thread prints",
    "RTE_LOG": "a counter (counters.def)",
    "rte_log": "a counter (counters.def)",
    "pthread_mutex_lock": "the ring between the workers",
}
# Where the hot modules may allocate after all: what runs at start, and checks of whole structures.
HEAP = ("malloc", "calloc", "realloc")
START = re.compile(r"_(create|setup|init|start)$")
# Time is an argument below stack.
CLOCKLESS_MODULES = ("guard", "wire", "ip", "wheel", "table", "recovery", "tcp")
BANNED_CLOCK = {
    "mr_tsc": "the argument `now`", "rte_rdtsc": "the argument `now`",
    "rte_get_tsc_cycles": "the argument `now`", "clock_gettime": "the argument `now`",
    "time": "the argument `now`",
}
INTRINSIC = re.compile(r"\b(_mm\d*_\w+|__m(128|256|512)\w*|__builtin_ia32_\w+|immintrin\.h|"
                       r"x86intrin\.h|arm_neon\.h|rte_vect\.h)\b")
DEVICE = re.compile(r"\b(rte_eth_[a-z]\w*|rte_eal_\w+)\s*\(|<rte_(ethdev|eal|dev|bus\w*)\.h>")


class Checker:
    def __init__(self, root):
        self.root = root
        self.problems = []
        self.needed = {}                # (path, kind, name) -> value, beyond the wanted limit
        self.modules = self.read_modules()
        self.finis = set()              # functions named by .fini

    def report(self, path, line, text):
        self.problems.append(f"{path}:{line}: {text}")

    def limit(self, path, line, kind, name, value):
        wanted, hard = LIMITS[kind]
        if value > hard:
            self.report(path, line, f"{kind} {name}: {value}, the hard limit is {hard}")
        elif value > wanted:
            self.needed[(path, kind, name)] = (value, line)

    # ---- modules -------------------------------------------------------------------------------

    def read_modules(self):
        """module -> the modules it may include, itself and what those may include among them."""
        direct = {}
        for build in sorted(self.root.glob("lib/*/meson.build")):
            found = re.search(r"\w+_deps = \[([^]]*)\]", build.read_text())
            direct[build.parent.name] = set(re.findall(r"\w+", found.group(1))) if found else set()
        closed = {}

        def close(name):
            if name not in closed:
                closed[name] = {name}.union(*(close(d) for d in direct[name] if d in direct))
            return closed[name]

        for name in direct:
            close(name)
        return closed

    def module_of(self, path):
        parts = pathlib.PurePath(path).parts
        return parts[1] if parts[0] == "lib" and len(parts) == 3 else None

    def check_folders(self):
        for folder in sorted((self.root / "lib").iterdir()):
            if not folder.is_dir():
                continue
            files = sorted(folder.glob("*.c"))
            if len(files) > C_FILES_PER_FOLDER:
                self.report(f"lib/{folder.name}", 1,
                            f"{len(files)} C files, at most {C_FILES_PER_FOLDER}")
            for below in folder.iterdir():
                if below.is_dir():
                    self.report(f"lib/{folder.name}/{below.name}", 1, "no second level under lib/")
        for module, wanted in ASSERTS_PER_KLOC.items():
            self.check_asserts(module, wanted)

    def check_asserts(self, module, wanted):
        lines = asserts = 0
        for path in sorted((self.root / "lib" / module).glob("*.[ch]")):
            text = path.read_text()
            lines += sum(1 for line in text.splitlines() if line.strip())
            asserts += len(re.findall(r"\b(?:MR_ASSERT|MR_CHECK|MR_DEEP|static_assert)\(", text))
        if lines > ASSERTS_FROM_LINES and asserts * 1000 / lines < wanted:
            self.report(f"lib/{module}", 1, f"{asserts} assertions in {lines} lines, "
                        f"{asserts * 1000 / lines:.0f} a thousand; wanted are {wanted}")

    # ---- one file ------------------------------------------------------------------------------

    def check_text(self, path, text):
        """What holds for every text file, scripts included."""
        lines = text.splitlines()
        most = TABLE_COLUMNS if path.endswith(".def") else LINE_COLUMNS
        for number, line in enumerate(lines, 1):
            columns = len(line.expandtabs(TAB_COLUMNS))
            if UNFINISHED.search(line):
                self.report(path, number, "unfinished work goes to an issue, not into a comment")
            if columns > most and not path.endswith((".md", ".build")):
                self.report(path, number, f"line of {columns} columns, at most {most}")
            if line != line.rstrip():
                self.report(path, number, "blanks at the end of the line")
        if not path.endswith((".md", ".build")):
            if not any(SPDX in line for line in lines[:2]):
                self.report(path, 1, f"the first lines lack '{SPDX}'")
            self.limit(path, len(lines), "file", "length", len(lines))

    def check_includes(self, path, source):
        module, seen_project = self.module_of(path), False
        for number, line in source.directives("include"):
            found = re.match(r'#\s*include\s*([<"])([^>"]+)', line)
            if found is None or found.group(2).endswith(".def"):
                continue
            project = found.group(1) == '"'
            if seen_project and not project and not INTRINSIC.search(line):
                self.report(path, number, "system and DPDK headers come before the project's")
            seen_project = seen_project or project
            if module and project:
                self.check_layer(path, number, module, found.group(2))
            if module == "base" and found.group(2).startswith("rte_"):
                self.report(path, number, "lib/base knows no DPDK")

    def check_layer(self, path, number, module, header):
        if "/" in header:
            self.report(path, number, f"include \"{header}\" by its plain name")
            return
        if (self.root / "lib/include" / header).exists():
            return
        owners = [m for m in self.modules if (self.root / "lib" / m / header).exists()]
        if not owners:
            self.report(path, number, f"no module has a header {header}")
        elif module not in self.modules or not self.modules[module].intersection(owners):
            self.report(path, number, f"lib/{module} may not use lib/{owners[0]} ({header})")

    def check_calls(self, path, source):
        module = self.module_of(path)
        banned = dict(BANNED)
        if module in HOT_MODULES:
            banned.update(BANNED_HOT)
        if module in CLOCKLESS_MODULES:
            banned.update(BANNED_CLOCK)
        at_start = {number for function in source.functions() if START.search(function.name)
                    for number in range(function.line, function.line + function.length + 2)}
        for number, line in enumerate(source.code.splitlines(), 1):
            for name in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
                if name in HEAP and (number in at_start or path.endswith("_check.c")):
                    continue
                if name in EAL_MEMORY_CALLS and path in EAL_MEMORY_FILES:
                    continue
                if name in banned:
                    self.report(path, number, f"{name}() is banned; use {banned[name]}")
            if INTRINSIC.search(line) and module not in ("base", "table"):
                self.report(path, number, "SIMD intrinsics stand only in lib/base and lib/table")
            free = module == "port" or path.startswith(("tests/", "bench/"))
            if DEVICE.search(line) and not free:
                self.report(path, number, "only lib/port calls ethdev and EAL")

    def check_functions(self, path, source):
        for function in source.functions():
            self.limit(path, function.line, "function", function.name, function.length)
            self.limit(path, function.line, "nesting", function.name, function.nesting)
            self.limit(path, function.line, "parameters", function.name, function.parameters)

    def check_c(self, path, text):
        source = Source(text)
        if not re.match(r"/\* " + re.escape(SPDX) + r" \*/\n/\*", text):
            self.report(path, 2, "a file opens with the SPDX line and a comment: what it owns, "
                        "what it never does")
        self.check_includes(path, source)
        self.check_calls(path, source)
        self.check_functions(path, source)
        self.check_fini(path, text)

    def check_fini(self, path, text):
        """Criterion does not count a failed cr_assert in a .fini; it counts one that aborts."""
        for name in self.finis:
            body = re.search(rf"^(static )?void {name}\(void\)\n{{.*?^}}", text, re.M | re.S)
            if body and (not body.group(1) or f".fini = {name}" in text) and \
                    re.search(r"\bcr_(assert|expect)", body.group(0)):
                self.report(path, text.count("\n", 0, body.start()) + 1,
                            f"{name} is a .fini: its cr_assert fails no test; MR_ASSERT does")

    # ---- the whole -----------------------------------------------------------------------------

    def run(self):
        self.check_folders()
        self.finis = {name for file in (self.root / "tests").rglob("*.c")
                      for name in re.findall(r"\.fini = (\w+)", file.read_text())}
        for folder in FOLDERS:
            for file in sorted((self.root / folder).rglob("*")):
                path = str(file.relative_to(self.root))
                if file.suffix in (".c", ".h", ".def", ".py", ".sh", ".build") and file.is_file():
                    text = file.read_text()
                    self.check_text(path, text)
                    if file.suffix in (".c", ".h"):
                        self.check_c(path, text)

    def apply_allow_list(self, allow_path):
        """Settles the values beyond the wanted limits with the list; both must agree exactly."""
        allowed = {}
        for number, line in enumerate(allow_path.read_text().splitlines(), 1):
            words = line.split("#")[0].split()
            if words:
                path, kind, name, value = words
                allowed[(path, kind, name)] = (int(value), number)
        listed = str(allow_path.relative_to(self.root))
        for key, (value, line) in sorted(self.needed.items()):
            most = allowed.get(key, (LIMITS[key[1]][0], 0))[0]
            if value > most:
                self.report(key[0], line, f"{key[1]} {key[2]}: {value}, at most {most} wanted")
        for key, (value, number) in sorted(allowed.items()):
            used = self.needed.get(key, (0, 0))[0]
            if used < value:
                self.report(listed, number, "the list may only shrink: "
                            f"{' '.join(key)} needs {used or 'no entry'}")


def main():
    arguments = [a for a in sys.argv[1:] if a != "--allow"]
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parents[2]).resolve()
    checker = Checker(root)
    checker.run()
    if "--allow" in sys.argv:
        for (path, kind, name), (value, _) in sorted(checker.needed.items()):
            print(path, kind, name, value)
        return 0
    checker.apply_allow_list(root / "tests/style/allow.txt")
    for problem in checker.problems:
        print(problem)
    return 1 if checker.problems else 0


if __name__ == "__main__":
    sys.exit(main())
