#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the parts of the documents that are made from the sources, so that they cannot lie:

    docs/states.md          all of it, from lib/tcp/state.def
    docs/configuration.md   the tables, from `millraced --help-config`
    docs/conformance.md     what differs from Linux, from tests/interop/differential/expected.json
    README.md               the first handler, which is app/examples/counter.c

    generate.py [--check] ROOT MILLRACED

In a file that people write, a generated part stands between two comments:
<!-- generated: NAME ... --> and <!-- end -->. With --check nothing is written, and the status is 1
if a part is stale. `ninja -C build docs` runs this script; the test `docs` runs it with --check.
"""

import json
import pathlib
import re
import subprocess
import sys
import textwrap

ENTRY = re.compile(r'^S\((\w+),\s*(\d+),\s*([\w\s|]+),\s*"([^"]*)"\)', re.MULTILINE)
PART = r"(<!-- generated: {}\b[^\n]*-->\n).*?(<!-- end -->)"


# ---- lib/tcp/state.def ---------------------------------------------------------------------------

def states(root):
    text = (root / "lib/tcp/state.def").read_text()
    found = [(name, int(bit), [s.strip().removeprefix("TCP_") for s in following.split("|")], said)
             for name, bit, following, said in ENTRY.findall(text)]
    names = [name for name, *_ in found]
    if [bit for _, bit, *_ in found] != list(range(text.count("\nS("))):
        sys.exit("lib/tcp/state.def: lines that generate.py does not understand")
    unknown = {s for *_, following, _ in found for s in following}.difference(names)
    if unknown:
        sys.exit(f"lib/tcp/state.def: no such state: {', '.join(sorted(unknown))}")
    return found, text


def remarks(text):
    """The paragraphs of the opening comment but the first, which describes the file."""
    comment = re.search(r"^/\*\n(.*?)\n \*/", text, re.DOTALL | re.MULTILINE).group(1)
    lines = [line.removeprefix(" *").strip() for line in comment.splitlines()]
    return [textwrap.fill(p, 100) for p in "\n".join(lines).split("\n\n")][1:]


def states_md(root):
    found, text = states(root)
    arrows, ends, rows = [], [], []
    for name, _, following, said in found:
        for to in following:
            if to != "CLOSED":
                arrows.append(f"    {name} --> {to}")
            else:
                ends.append(f"    {name} -.-> CLOSED")
        rows.append(f"| {name} | {', '.join(following)} | {said} |")
    return "\n".join([
        "# The states of a connection",
        "",
        "<!-- Generated from lib/tcp/state.def by docs/generate.py. Do not edit. -->",
        "",
        "`tcp_enter()` is the only writer of a connection's state, and it ends the program on a move",
        "that this table does not have. Dotted arrows are ends: by RST, by a limit of time, by an",
        "abort, or (from LAST_ACK and TIME_WAIT) because all is done.",
        "",
        "```mermaid",
        "flowchart TD",
        *arrows,
        *ends,
        "```",
        "",
        *[line for remark in remarks(text) for line in (remark, "")],
        "| state | may enter | RFC 9293 section 3.3.2 |",
        "|---|---|---|",
        *rows,
        ""])


# ---- millraced --help-config ---------------------------------------------------------------------

def keys(text):
    """(path, type and default, meaning) of each key; a key is followed by its indented meaning."""
    lines, path, found = text.splitlines(), [], []
    for line, meaning in zip(lines[::2], lines[1::2]):
        indent = len(line) - len(line.lstrip())
        name, what = line.strip().split(": ", 1)
        if indent % 2 or len(meaning) - len(meaning.lstrip()) != indent + 4:
            sys.exit(f"millraced --help-config: not understood: {line!r}")
        path = path[:indent // 2] + [name]
        found.append((list(path), what, meaning.strip()))
    return found


def cell(text):
    return text.replace("|", r"\|").replace("<", "&lt;")


def configuration(reference):
    body, handlers = reference.split("\nhandlers:\n")
    found = keys(body)
    parents = {tuple(path[:-1]) for path, *_ in found}
    single, groups, out = [], [], []
    for path, what, meaning in found:
        if tuple(path) in parents:
            groups.append((".".join(path), what, meaning, []))
            continue
        row = f"| `{path[-1]}` | {cell(what)} | {cell(meaning)} |"
        home = next((g for g in groups if g[0] == ".".join(path[:-1])), None)
        (home[3] if home else single).append(row)
    head = ["| key | value | meaning |", "|---|---|---|"]
    for name, what, meaning, rows in groups:
        note = f"({what})" if what.startswith("list") else ""
        out += [f"### `{name}`: {meaning} {note}".rstrip(), "", *head, *rows, ""]
    out += ["### At the top level", "", *head, *single, "", "### Handlers", ""]
    for line in handlers.strip().splitlines():
        name, meaning = line.split(None, 1)
        out.append(f"* `{name}`: {meaning}")
    return "\n".join(["", *out, ""])


# ---- tests/interop/differential/expected.json ----------------------------------------------------

def differences(root):
    rows = ["| id | Linux | ours | why, and where |", "|---|---|---|---|"]
    for entry in json.loads((root / "tests/interop/differential/expected.json").read_text()):
        scripts = {place.rpartition(" / ")[0] for seen in entry["seen"] for place in seen["at"]}
        names = sorted({re.sub(r" \(IPv\d\)$", "", script) for script in scripts})
        shown = ", ".join(f"*{name}*" for name in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        why = f"{entry['why']} ({entry['rfc']}). Scripts: {shown}{more}"
        rows.append("| " + " | ".join(cell(t) for t in (entry["id"], entry["kernel"],
                                                        entry["ours"], why)) + " |")
    return "\n".join([*rows, ""])


# ---- the files -----------------------------------------------------------------------------------

def with_part(text, name, part):
    new, count = re.subn(PART.format(name), lambda m: m.group(1) + part + m.group(2), text,
                         flags=re.DOTALL)
    if count != 1:
        sys.exit(f"generated part {name}: found {count} times, expected once")
    return new


def generate(root, millraced):
    """path -> what the file should hold."""
    reference = subprocess.run([millraced, "--help-config"], stdout=subprocess.PIPE, text=True,
                               check=True).stdout
    example = (root / "app/examples/counter.c").read_text()
    readme, config = root / "README.md", root / "docs/configuration.md"
    conformance = root / "docs/conformance.md"
    return {
        root / "docs/states.md": states_md(root),
        config: with_part(config.read_text(), "keys", configuration(reference)),
        conformance: with_part(conformance.read_text(), "differences", differences(root)),
        readme: with_part(readme.read_text(), "counter", f"```c\n{example}```\n"),
    }


def stale(root, millraced):
    return [path for path, text in generate(root, millraced).items()
            if not path.exists() or path.read_text() != text]


def main():
    words = [word for word in sys.argv[1:] if word != "--check"]
    if len(words) != 2:
        sys.exit(__doc__)
    root, millraced = pathlib.Path(words[0]).resolve(), words[1]
    if "--check" in sys.argv:
        found = stale(root, millraced)
        for path in found:
            print(f"{path.relative_to(root)} is stale: ninja -C build docs")
        return 1 if found else 0
    for path, text in generate(root, millraced).items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
