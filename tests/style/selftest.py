#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Shows that check.py can fail: a small tree without fault, then one fault at a time."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check  # noqa: E402
from c_source import Source  # noqa: E402

HEAD = "/* SPDX-License-Identifier: BSD-3-Clause */\n/*\n * A file.\n */\n"
UNFINISHED_WORD = "TO" + "DO"


class Tree:
    """A copy of the layout with one file a module, in a temporary folder."""

    def __init__(self, folder):
        self.root = pathlib.Path(folder)
        layers = {"base": "", "wire": "base", "tcp": "base, wire", "port": "tcp, dpdk"}
        for name, deps in layers.items():
            self.write(f"lib/{name}/meson.build", f"{name}_deps = [{deps}]\n")
            self.write(f"lib/{name}/{name}.h", HEAD)
        for name in ("app", "bench", "tests/style", "lib/include"):
            (self.root / name).mkdir(parents=True)
        self.allow = self.write("tests/style/allow.txt", "# empty\n")

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def problems(self):
        checker = check.Checker(self.root)
        checker.run()
        checker.apply_allow_list(self.allow)
        return "\n".join(checker.problems)


class StyleTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tree = Tree(self.folder.name)

    def refuse(self, path, text, message):
        self.tree.write(path, text)
        self.assertIn(message, self.tree.problems())

    def accept(self, path, text):
        self.tree.write(path, text)
        self.assertEqual(self.tree.problems(), "")

    def function(self, lines, header="int f(int a)"):
        return HEAD + f"{header}\n{{\n" + "\ta++;\n" * lines + "}\n"

    def test_clean_tree(self):
        includes = '#include <stdio.h>\n\n#include "base.h"\n#include "wire.h"\n'
        self.accept("lib/wire/a.c", HEAD + includes)

    def test_layers(self):
        self.refuse("lib/wire/a.c", HEAD + '#include "tcp.h"\n', "lib/wire may not use lib/tcp")
        self.refuse("lib/wire/a.c", HEAD + '#include "../base/base.h"\n', "by its plain name")
        self.refuse("lib/base/a.c", HEAD + "#include <rte_mbuf.h>\n", "knows no DPDK")

    def test_fini_that_fails_no_test(self):
        text = HEAD + "TestSuite(a, .fini = stop);\nstatic void stop(void)\n{\n\t%s(x == 0);\n}\n"
        self.refuse("tests/unit/a.c", text % "cr_assert", "stop is a .fini")
        self.accept("tests/unit/a.c", text % "MR_ASSERT")

    def test_layers_are_closed(self):
        self.accept("lib/port/a.c", HEAD + '#include "wire.h"\n')

    def test_include_order(self):
        self.refuse("app/a.c", HEAD + '#include "base.h"\n#include <stdio.h>\n', "come before")

    def test_banned_calls(self):
        self.refuse("app/a.c", HEAD + "int x = atoi(s);\n", "atoi() is banned; use strtoull")
        self.refuse("lib/tcp/a.c", HEAD + "p = malloc(3);\n", "malloc() is banned")
        self.refuse("lib/tcp/b.c", HEAD + "p = mr_tsc();\n", "the argument `now`")

    def test_memory_at_start(self):
        body = "\n{\n\treturn calloc(1, 1);\n}\n"
        self.accept("lib/wire/a.c", HEAD + "void *wire_create(void)" + body)
        self.refuse("lib/wire/a.c", HEAD + "void *wire_send(void)" + body, "calloc() is banned")

    def test_memory_that_nics_read(self):
        call = HEAD + "p = rte_zmalloc(0, 1, 0);\n"
        self.accept("lib/port/tx.c", call)
        self.refuse("lib/port/other.c", call, "rte_zmalloc() is banned")

    def test_calls_in_comments_texts_and_members_are_none(self):
        code = 'c = "atoi(x)"; /* rand() */ a->random(1);\nstatic_assert(1);\n'
        self.accept("app/a.c", HEAD + code)

    def test_where_things_may_stand(self):
        self.refuse("lib/tcp/a.c", HEAD + "__m256i v;\n", "SIMD intrinsics")
        self.refuse("app/a.c", HEAD + "rte_eth_dev_count_avail();\n", "only lib/port")
        self.refuse("lib/tcp/deep/a.c", HEAD, "no second level")
        for i in range(11):
            self.tree.write(f"lib/wire/f{i}.c", HEAD)
        self.assertIn("11 C files", self.tree.problems())

    def test_text(self):
        self.refuse("app/a.c", HEAD + "/* " + UNFINISHED_WORD + " */\n", "unfinished")
        self.refuse("app/b.c", HEAD + "\t" * 12 + "12345;\n", "line of 102 columns")
        self.refuse("app/c.c", "int a;\n", "lack 'SPDX")
        self.refuse("app/d.c", HEAD + "int a; \n", "blanks at the end")

    def test_function_length(self):
        self.accept("app/a.c", self.function(40))
        self.refuse("app/a.c", self.function(41), "function f: 41, at most 40")
        self.refuse("app/a.c", self.function(71), "the hard limit is 70")

    def test_parameters(self):
        header = "int f(int a, int (*b)(int, int), int c, int d, int e, int g)"
        self.refuse("app/a.c", self.function(1, header), "parameters f: 6")

    def test_allow_list_may_only_shrink(self):
        self.tree.allow.write_text("app/a.c function f 45\n")
        self.accept("app/a.c", self.function(45))
        self.refuse("app/a.c", self.function(44), "may only shrink: app/a.c function f needs 44")
        self.refuse("app/a.c", self.function(40), "needs no entry")
        self.refuse("app/a.c", self.function(46), "function f: 46, at most 45")


class SourceTest(unittest.TestCase):
    def nesting(self, body):
        functions = list(Source("static int\nname(int a)\n{\n" + body + "\n}\n").functions())
        self.assertEqual([f.name for f in functions], ["name"])
        return functions[0].nesting

    def test_nesting(self):
        self.assertEqual(self.nesting("a = (b) ? c : d; { b; }"), 0)
        self.assertEqual(self.nesting("if (a) b; else if (c) d; else if (e) { f; } else g;"), 1)
        self.assertEqual(self.nesting("for (;;) if (a) while (b) c;"), 3)
        self.assertEqual(self.nesting("switch (a) { case 1: if (b) c; break; default: break; }"), 2)
        self.assertEqual(self.nesting("do { if (a) b; } while (c); if (d) e;"), 2)
        self.assertEqual(self.nesting("TAILQ_FOREACH(a, b, c) { if (d) e; }"), 2)
        self.assertEqual(self.nesting("int a[] = {1, 2}; struct s x = {.y = {1}}; out: f(&x);"), 0)

    def test_what_is_no_function(self):
        text = ("struct a { int b; };\nint c[] = { f(1) };\nenum { A, B };\n"
                "#define M(x) { x }\nint f(void);\n")
        self.assertEqual(list(Source(text).functions()), [])

    def test_names(self):
        text = ("__attribute__((x(1))) static int f(int a) { return a; }\n"
                "Test(suite, name, .signal = 6)\n{\n}\n")
        found = list(Source(text).functions())
        self.assertEqual([(f.name, f.parameters) for f in found], [("f", 1), ("suite.name", 0)])


if __name__ == "__main__":
    unittest.main()
