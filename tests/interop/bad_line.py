# SPDX-License-Identifier: BSD-3-Clause
"""A bad line: the program impair between two ports, and the namespaces at its ends.

    line = Line.between_taps(left, right, "--loss", 1, "--delay", "10ms")
    line = Line.to_engine(net, memif, "--loss", 1)   # the engine is at net_memif0,role=server,memif
    report = line.end()                              # its JSON

A tap appears where impair starts and is then moved; its kernel's end gets honest frames.
"""

import json

import harness
from impair_report import WAYS, adds_up
from netns import Failed, TempDir, wait_for

IMPAIR = harness.BUILD / "bench/impair/impair"
LEFT4, RIGHT4 = "10.79.0.1", "10.79.0.2"


class Line:
    """A running impair."""

    def __init__(self, net, a, b, *options):
        directory = TempDir().path
        self.json = directory / "impair.json"
        self.process = net.spawn(directory / "impair.log", IMPAIR, "--a", a, "--b", b, "--no-huge",
                                 "--every", "0", "--json", self.json, *options)
        wait_for(lambda: f"impair is ready; it says:\n{self.process.text()}", self.ready,
                 harness.READY_S)

    def ready(self):
        if not self.process.running():
            raise Failed(f"impair ended with {self.process.wait(1)}:\n{self.process.text()}")
        return "impair: ready" in self.process.text()

    @classmethod
    def between_taps(cls, left, right, *options):
        """a is a tap in `left`, b one in `right`, with the addresses LEFT4 and RIGHT4."""
        line = cls(left, "net_tap0,iface=left0", "net_tap1,iface=right0", *options)
        left.ip("link", "set", "right0", "netns", right.name)
        left.configure("left0", f"{LEFT4}/24")
        right.configure("right0", f"{RIGHT4}/24")
        return line

    @classmethod
    def to_engine(cls, net, memif, *options):
        """a is a tap in `net`, where the engine's gateway lives; b leads to the engine."""
        line = cls(net, "net_tap0,iface=left0", f"net_memif0,role=client,{memif}", *options)
        net.configure("left0", f"{harness.KERNEL4}/24")
        return line

    def end(self):
        """Its report; fails when it failed, or when a frame is unaccounted for."""
        status = self.process.stop()
        if status != 0:
            raise Failed(f"impair ended with {status}:\n{self.process.text()}")
        report = json.loads(self.json.read_text())
        for way in WAYS:
            if not adds_up(report[way]):
                raise Failed(f"{way} does not add up: {report[way]}")
        return report


def memif_of(directory):
    return f"socket={directory}/memif.sock,socket-abstract=no"
