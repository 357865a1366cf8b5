#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The command lines of millraced and millctl: what they say, and with which status they end.

    command_lines.py MILLRACED MILLCTL

Starts no engine. The daemon that millctl asks is a socket of this program.
"""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

MILLRACED, MILLCTL = sys.argv[1:3]
LIMIT_S = 20


def run(*argv, **more):
    return subprocess.run([str(word) for word in argv], text=True, timeout=LIMIT_S, check=False,
                          stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE)


class Daemon:
    """Answers one question with `answer`; None: closes without one."""

    def __init__(self, path, answer):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(1)
        self.socket.settimeout(LIMIT_S)
        self.question = None
        self.thread = threading.Thread(target=self.serve, args=[answer], daemon=True)
        self.thread.start()

    def serve(self, answer):
        client = self.socket.accept()[0]
        self.question = client.recv(1000).decode()
        if answer is not None:
            client.sendall(answer.encode())
        client.close()

    def asked(self):
        self.thread.join(LIMIT_S)
        self.socket.close()
        return self.question


class Case(unittest.TestCase):
    def ends(self, done, status, *said):
        """Status, and what stands on stderr (status not 0) or stdout."""
        text = done.stdout if status == 0 else done.stderr
        self.assertEqual(done.returncode, status, done.stderr)
        for words in said:
            self.assertIn(words, text)
        if status == 0:
            self.assertEqual(done.stderr, "")
        elif done.stdout is not None:
            self.assertEqual(done.stdout, "")


class Both(Case):
    def test_help_and_version(self):
        for program in (MILLRACED, MILLCTL):
            self.ends(run(program, "--help"), 0, "usage:", "Exit status:")
            self.ends(run(program, "-h"), 0, "usage:")
            self.ends(run(program, "--version"), 0, pathlib.Path(program).name)
            wide = [line for line in run(program, "--help").stdout.splitlines() if len(line) > 90]
            self.assertEqual(wide, [])

    def test_every_option_is_in_the_help(self):
        for program, source in ((MILLRACED, "millraced/main.c"), (MILLCTL, "millctl/millctl.c")):
            text = (pathlib.Path(__file__).parents[2] / "app" / source).read_text()
            options = re.findall(r'\{"([a-z-]+)", (?:no|required)_argument', text)
            self.assertGreater(len(options), 5)
            said = run(program, "--help").stdout
            self.assertEqual([name for name in options if f"--{name}" not in said], [])

    def test_wrong_usage_is_named_and_ends_with_2(self):
        for argv, words in (
                ([MILLRACED, "start"], "'start' is no command"),
                ([MILLRACED, "serve", "-c", "x.yaml"], "leave -c out"),
                ([MILLRACED, "--check", "--doctor"], "at a time"),
                ([MILLRACED, "--fast"], "--fast"),
                ([MILLCTL], "which command?"),
                ([MILLCTL, "show"], "'show' is no command"),
                ([MILLCTL, "stats", "ports"], "'ports' is left over"),
                ([MILLCTL, "stats", "--limit", "5"], "options of connections"),
                ([MILLCTL, "connections", "--limit", "5x"], "'5x' is no number"),
                ([MILLCTL, "connections", "--limit", ""], "'' is no"),
                ([MILLCTL, "connections", "--state", "A B"], "'A B' is no value for --state"),
                ([MILLCTL, "connections", "--peer", "1" * 300], "is no value for --peer"),
                ([MILLCTL, "--fast"], "--fast")):
            with self.subTest(argv=argv):
                self.ends(run(*argv), 2, words, "--help` shows all")

    def test_configuration(self):
        self.ends(run(MILLRACED, "--check"), 0, "good")
        self.ends(run(MILLRACED, "--print-config"), 0, "listeners:")
        self.ends(run(MILLRACED, "--help-config"), 0, "handlers:")
        self.ends(run(MILLRACED, "--check", "-c", "/nowhere.yaml"), 1, "/nowhere.yaml", "No such")


class Millctl(Case):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name) / "socket"

    def ask(self, answer, *argv, **more):
        daemon = Daemon(self.path, answer)
        done = run(MILLCTL, "--socket", self.path, *argv, **more)
        return done, daemon.asked()

    def test_no_daemon(self):
        self.ends(run(MILLCTL, "--socket", self.path, "stats"), 1, str(self.path), "No such file")
        self.ends(run(MILLCTL, "--socket", "x" * 200, "stats"), 1, "too long")

    def test_what_is_asked(self):
        for argv, question in (
                (["stats"], "stats\n"),
                (["connections"], "connections limit=1000\n"),
                (["connections", "--limit", "0"], "connections limit=0\n"),
                (["--peer", "fd00::7", "connections", "--state", "TIME_WAIT", "--limit", "7"],
                 "connections state=TIME_WAIT peer=fd00::7 limit=7\n")):
            with self.subTest(argv=argv):
                done, asked = self.ask("{}", *argv)
                self.path.unlink()
                self.ends(done, 0)
                self.assertEqual(asked, question)

    def test_more_is_the_last_line(self):
        answer = '{"connections":[{"state":"CLOSING"}],"count":1,"more":%s}'
        last = "There are more: --limit 0 shows all, --state and --peer choose.\n"
        for more in ("true", "false"):
            done, _ = self.ask(answer % more, "connections")
            self.path.unlink()
            self.ends(done, 0, "CLOSING")
            self.assertEqual(done.stdout.endswith(last), more == "true")
        done, _ = self.ask(answer % "true", "connections", "--json")
        self.assertEqual(done.stdout, answer % "true" + "\n")

    def test_a_refusal_and_answers_that_are_none(self):
        for answer, words in (('{"error":"peer: expected an address"}', "expected an address"),
                              (None, "does not answer"),
                              ('{"a":', "cut off")):
            done, _ = self.ask(answer, "stats")
            self.path.unlink()
            self.ends(done, 1, words)

    def test_an_answer_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done, _ = self.ask('{"a":1}', "stats", stdout=full)
        self.ends(done, 1, "cannot be written")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
