# SPDX-License-Identifier: BSD-3-Clause
"""Just enough C to measure it: comments and texts blanked out, functions found, nesting counted.

Not a compiler: it trusts that the code compiles and is indented as DPDK does. Line numbers of the
blanked text are those of the file.
"""

import re
from dataclasses import dataclass

CONTROL = {"if", "for", "while", "switch"}
NOT_A_NAME = {"__attribute__", "MR_PRINTF", "defined", "_Alignas", "alignas", "_Static_assert",
              "static_assert", "sizeof"}
TESTS = {"Test", "ParameterizedTest", "TheoryTest", "Theory"}
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


@dataclass
class Function:
    name: str
    line: int
    length: int         # lines between the braces
    nesting: int
    parameters: int


def blank(match):
    """A comment becomes blanks, a text an empty one, and newlines stay where they are."""
    text = match.group(0)
    newlines = "\n" * text.count("\n")
    if text.startswith("/"):
        return " " + newlines
    return text[0] + text[0] + newlines


class Nesting:
    """Walks the statements of a body and keeps the deepest level of control structures."""

    def __init__(self, body):
        self.tokens = re.findall(r"\w+|[^\w\s]", body)
        self.deepest = 0
        self.at = 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def skip_group(self, opening, closing):
        depth = 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            depth += (token == opening) - (token == closing)
            if depth == 0:
                return

    def below(self, depth):
        self.deepest = max(self.deepest, depth + 1)
        self.statement(depth + 1)

    def block(self, depth):
        self.at += 1
        while self.at < len(self.tokens) and self.peek() != "}":
            self.statement(depth)
        self.at += 1

    def expression(self, depth):
        """To the semicolon; a block right behind parentheses is the body of a loop macro."""
        last = ""
        while self.at < len(self.tokens):
            token = self.peek()
            if token == "{" and last == ")":
                self.below(depth)
                return
            if token in "([{":
                self.skip_group(token, {"(": ")", "[": "]", "{": "}"}[token])
                last = ")" if token == "(" else ""
                continue
            if token == "}":
                return
            self.at += 1
            if token == ";" or (token == ":" and last == "label"):
                return
            last = token

    def if_statement(self, depth):
        self.at += 1
        self.skip_group("(", ")")
        self.below(depth)
        if self.peek() == "else":
            self.at += 1
            if self.peek() == "if":     # a chain is not deeper
                self.if_statement(depth)
            else:
                self.below(depth)

    def statement(self, depth):
        token = self.peek()
        if token == "{":
            self.block(depth)
        elif token == "if":
            self.if_statement(depth)
        elif token in CONTROL:
            self.at += 1
            self.skip_group("(", ")")
            self.below(depth)
        elif token == "do":
            self.at += 1
            self.below(depth)
            self.expression(depth)
        elif token in ("case", "default"):
            while self.at < len(self.tokens) and self.peek() != ":":
                self.at += 1
            self.at += 1
        else:
            self.expression(depth)


class Source:
    def __init__(self, text):
        self.text = text
        self.code = COMMENT_OR_TEXT.sub(blank, text)

    def directives(self, name):
        """(line number, text) of the preprocessor lines with this name."""
        for number, line in enumerate(self.text.splitlines(), 1):
            if re.match(r"#\s*" + name + r"\b", line):
                yield number, line

    def without_directives(self):
        """The preprocessor's lines, with their continuations, become empty ones."""
        lines, inside = [], False
        for line in self.code.splitlines():
            directive = inside or line.lstrip().startswith("#")
            inside = directive and line.endswith("\\")
            lines.append("" if directive else line)
        return "\n".join(lines)

    def functions(self):
        code = self.without_directives()
        start = depth = 0
        for match in re.finditer(r"[{};]", code):
            if match.group() == "{":
                if depth == 0:
                    header, opening = code[start:match.start()], match.start()
                depth += 1
            elif match.group() == "}":
                depth -= 1
                if depth == 0:
                    found = self.measure(code, header, opening, match.start())
                    if found is not None:
                        yield found
            if depth == 0:
                start = match.end()

    def measure(self, code, header, opening, closing):
        name, arguments = split_header(header)
        if name is None:
            return None
        body = code[opening + 1:closing]
        nesting = Nesting(body)
        while nesting.at < len(nesting.tokens):
            nesting.statement(0)
        return Function(name, code.count("\n", 0, opening) + 1, max(body.count("\n") - 1, 0),
                        nesting.deepest, count_parameters(name, arguments))


def split_header(header):
    """(name, text of the parameters) of a function definition, or (None, "")."""
    depth, name, opening, found = 0, None, 0, (None, "")
    for match in re.finditer(r"(\w+)\s*\(|[()=]", header):
        token = match.group()
        if token == "=" and depth == 0:
            return None, ""
        if token.endswith("("):
            if depth == 0:
                name, opening = match.group(1), match.end()
            depth += 1
        elif token == ")":
            depth -= 1
            if depth == 0 and name is not None and name not in NOT_A_NAME:
                found = (name, header[opening:match.start()])
    if found[0] in TESTS:
        return re.sub(r"\s*,\s*", ".", found[1].split(", .")[0].strip()), None
    return found


def count_parameters(name, arguments):
    if arguments is None or arguments.strip() in ("", "void"):
        return 0
    flat, depth = 0, 0
    for character in arguments:
        depth += (character in "([") - (character in ")]")
        flat += character == "," and depth == 0
    return flat + 1
