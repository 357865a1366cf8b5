# SPDX-License-Identifier: BSD-3-Clause
"""What the interop tests share: a millraced in a namespace, and the proof that it lost nothing.

    class Curl(harness.TapCase):            # one engine on a tap for all tests of the class
        def test_get(self):                 # after each test the engine must be empty again
            self.net.run("curl", ...)

    harness.main()                          # at the end of each file

A program skips (exit status 77) where it is not root or the kernel has no tun device, and a test
skips with its reason where a tool or a kernel's feature is missing. MR_BUILD names the build
directory whose programs are tested; it is the project's own build/ otherwise.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import socket
import sys
import time
import unittest

import netns
from netns import Failed, Namespace, TempDir, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MR_BUILD", ROOT / "build"))
MILLRACED = BUILD / "app/millraced/millraced"
MILLCTL = BUILD / "app/millctl/millctl"
MILLBENCH = BUILD / "bench/millbench/millbench"

KERNEL4, ENGINE4 = "10.77.0.1", "10.77.0.2"
KERNEL6, ENGINE6 = "fd77::1", "fd77::2"
PORTS = {"echo": 7, "discard": 9, "line": 13, "source": 19, "http": 80}
READY_S = 30                    # EAL zeroes its memory
SETTLE_S = 20                   # a retransmitted FIN, and FIN_WAIT_2 as configured below
FIN_WAIT_2_MS = 3000
SKIP = 77                       # how meson is told


def payload(octets, seed=1):
    """Octets that no compression, shift or repetition leaves the same."""
    return random.Random(seed).randbytes(octets)


def to_yaml(value, indent=0):
    """Maps, lists of maps and plain scalars: all that a configuration needs."""
    pad, lines = "  " * indent, []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{pad}{key}:", to_yaml(item, indent + 1)]
        elif isinstance(item, list):
            lines.append(f"{pad}{key}:")
            for entry in item:
                body = to_yaml(entry, indent + 2)
                lines.append(f"{pad}  - {body.lstrip()}")
        else:
            text = str(item).lower() if isinstance(item, bool) else item
            lines.append(f"{pad}{key}: {text}")
    return "\n".join(lines)


def listeners(root=None, **http):
    """One listener for each handler, at its well-known port."""
    made = [{"ports": port, "handler": name} for name, port in PORTS.items() if name != "http"]
    made[2]["text"] = "a line of millraced"
    web = {"ports": PORTS["http"], "handler": "http"}
    options = {**({"root": root} if root else {}), **http}
    return made + [{**web, **({"http": options} if options else {})}]


def configuration(vdev, directory, **override):
    """A small engine with both families on one port; override replaces top-level keys."""
    made = {
        "ports": [{"vdev": vdev}],
        "addresses": [{"address": f"{ENGINE4}/24"}, {"address": f"{ENGINE6}/64"}],
        "gateways": [{"address": KERNEL4}, {"address": KERNEL6}],
        "listeners": listeners(),
        "capacity": {"connections4": 32768, "connections6": 8192, "time_wait4": 65536,
                     "time_wait6": 8192, "extensions": 16384},
        "tcp": {"fin_wait_2": FIN_WAIT_2_MS},
        "memory": {"hugepages": False},
        "socket": directory / "control.sock",
    }
    made.update(override)
    return made


def ask(path, question, limit_s=20):
    """One question on a control socket; its answer as a value."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(limit_s)
        s.connect(str(path))
        s.sendall(question.encode() + b"\n")
        answer = b"".join(iter(lambda: s.recv(65536), b""))
    return json.loads(answer)


class Engine:
    """A running millraced, and what its pools and tables held before the first packet of a test."""

    def __init__(self, net, directory, argv, control):
        self.net, self.control = net, control
        self.process = net.spawn(directory / "millraced.log", *argv)
        wait_for(self.trouble, self.answers, READY_S)
        self.home = None

    @classmethod
    def start(cls, net, vdev, **override):
        directory = TempDir().path
        config = configuration(vdev, directory, **override)
        (directory / "millraced.yaml").write_text(to_yaml(config) + "\n")
        return cls(net, directory, [MILLRACED, "--config", directory / "millraced.yaml"],
                   config["socket"])

    def trouble(self):
        return f"millraced is ready; it says:\n{self.process.text()}"

    def answers(self):
        if not self.process.running():
            raise Failed(f"millraced ended with {self.process.wait(1)}:\n{self.process.text()}")
        with contextlib.suppress(OSError, ValueError):
            return "total" in self.ask("stats")
        return False

    def ask(self, question):
        return ask(self.control, question)

    def stats(self):
        """All figures. A worker has a second to answer, which a busy machine may take from it."""
        for _ in range(10):
            answer = self.ask("stats")
            if "total" in answer:
                return answer
        raise Failed(f"no figures: {answer}\n{self.process.text()}")

    def total(self):
        return self.stats()["total"]

    def counter(self, name):
        return self.total()["counters"][name]

    def mac(self):
        return self.ask("ports")["ports"][0]["mac"]

    def note_home(self, quiet_s=0.3):
        """Remembers how many mbufs are free while nothing happens: the most that is seen."""
        self.home = {"data_mbufs_free": 0, "control_mbufs_free": 0}
        end = time.monotonic() + quiet_s
        while time.monotonic() < end:
            seen = self.total()
            for name, most in self.home.items():
                self.home[name] = max(most, seen[name])
            time.sleep(0.02)

    def left_over(self, slack=0):
        """What is still held, by name: empty when all is as it was, but for TIME_WAIT."""
        seen, left = self.total(), {}
        for name in ("connections4", "connections6", "extensions"):
            left[name] = seen["tables"][name]["used"]
        left.update({k: n for k, n in seen["states"].items()
                     if k not in ("TIME_WAIT", "CLOSED", "LISTEN")})
        left["mbufs_held"] = seen["mbufs_held"]
        for name, most in (self.home or {}).items():
            left[f"{name} missing"] = max(0, most - seen[name] - slack)
        return {name: n for name, n in left.items() if n != 0}

    def settle(self, limit_s=SETTLE_S, slack=0):
        """Fails unless every record and every mbuf is home within the limit."""
        wait_for(lambda: f"the engine is empty; still held: {self.left_over(slack)}",
                 lambda: not self.left_over(slack), limit_s, 0.05)

    def stop(self):
        status = self.process.stop()
        if status != 0:
            raise Failed(f"exit status {status} on SIGTERM:\n{self.process.text()}")


def start_on_tap(net, interface="tap0", **override):
    """An engine whose tap is in `net`; the kernel there is its neighbour and gateway."""
    engine = Engine.start(net, f"net_tap0,iface={interface}", **override)
    net.configure(interface, f"{KERNEL4}/24", f"{KERNEL6}/64")
    engine.note_home()
    return engine


class Case(unittest.TestCase):
    """A test whose engine (if the class has one) must be empty again afterwards."""

    engine = None
    slack = 0                           # mbufs a driver may keep back

    def need(self, *tools):
        for tool in tools:
            if shutil.which(tool) is None:
                self.skipTest(f"{tool} is not installed")

    def setUp(self):
        if self.engine is not None and not self.engine.process.running():
            self.fail(f"millraced is gone:\n{self.engine.process.text()}")

    def tearDown(self):
        if self.engine is not None:
            self.engine.settle(slack=self.slack)

    @classmethod
    def tearDownClass(cls):
        if cls.engine is not None:
            cls.engine.stop()
            cls.engine = None


class OwnEngineCase(Case):
    """Each test starts an engine of its own, in namespaces (self.nets) that end with it."""

    nets = ()

    def tearDown(self):
        try:
            super().tearDown()
            if self.engine is not None:
                self.engine.stop()
        finally:
            self.engine = None
            for net in self.nets:
                net.end()


class TapCase(Case):
    """One engine on a tap in a namespace of its own, for all tests of the class."""

    @classmethod
    def overrides(cls):
        return {}

    @classmethod
    def setUpClass(cls):
        cls.net = Namespace(cls.__name__.lower())
        cls.engine = start_on_tap(cls.net, **cls.overrides())

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.net.end()


def why_not():
    """Why nothing of this can run here; None: it can."""
    if os.geteuid() != 0:
        return "not root"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    missing = [tool for tool in ("ip", "ethtool", "sysctl") if shutil.which(tool) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def main():
    """Runs the file's tests. Status 1 when one failed, 77 when all were skipped."""
    reason = why_not()
    if reason:
        print(f"skipped, all: {reason}")
        sys.exit(SKIP)
    absent = [str(path) for path in (MILLRACED, MILLCTL, MILLBENCH) if not path.exists()]
    if absent:
        sys.exit(f"not built: {', '.join(absent)}")
    netns.install()
    result = unittest.main(exit=False, verbosity=2, warnings="ignore").result
    for test, why in result.skipped:
        print(f"skipped: {test.id()}: {why}")
    print(f"{result.testsRun} run, {len(result.failures) + len(result.errors)} failed, "
          f"{len(result.skipped)} skipped")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIP if result.testsRun == len(result.skipped) else 0)
