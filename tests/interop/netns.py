# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces and processes of one test program, gone again when it ends in any way.

Owns every namespace, process and temporary directory that a test makes. Never touches a namespace,
an interface or a process it did not make. Names are millrace-<pid>-<label>, so programs that run at
the same time do not meet. Read harness.py next.
"""

import atexit
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PREFIX = "millrace"
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
COMMAND_S = 30                  # an ordinary command; the machine may be busy
_libc = ctypes.CDLL(None, use_errno=True)
_made = []                      # newest last: anything with an end()


class Failed(AssertionError):
    """A command of a test did not do what it was for."""


def _die_with_parent():
    """In the child: a test that is killed by SIGKILL leaves no process behind."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _end_all(but=0):
    while len(_made) > but:
        with contextlib.suppress(Exception):
            _made.pop().end()


@contextlib.contextmanager
def scope():
    """What the block makes is gone after it, newest first, however it ends."""
    but = len(_made)
    try:
        yield
    finally:
        _end_all(but)


def _on_signal(number, _frame):
    _end_all()
    os._exit(128 + number)


def install():
    """Once per program: cleans up at exit, on signals, and after predecessors that were killed."""
    atexit.register(_end_all)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _on_signal)
    for name in left_behind("/run/netns"):
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
    for name in left_behind(tempfile.gettempdir()):
        shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def left_behind(directory):
    """Entries whose name tells a program that runs no more."""
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        found = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", name)
        if found and not os.path.exists(f"/proc/{found.group(1)}"):
            yield name


def wait_for(what, condition, limit_s=10.0, step_s=0.02):
    """Polls until condition() is true and returns its value; else fails, naming what is awaited."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {limit_s} s: {what() if callable(what) else what}")
        time.sleep(step_s)


class TempDir:
    """A directory that goes with the program."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-"))
        self.path.chmod(0o755)          # a worker of nginx is no root
        _made.append(self)

    def end(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Process:
    """A process in the background; its output goes to a file that a failure shows."""

    def __init__(self, argv, log):
        self.log = log
        with open(log, "wb") as output:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output,
                                          stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)
        _made.append(self)

    @property
    def pid(self):
        return self.popen.pid           # ip netns exec becomes the program: the same process

    def text(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def wait(self, limit_s):
        """Its exit status; one that does not end in time is killed, and that is a failure."""
        try:
            return self.popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise Failed(f"{self.popen.args} did not end within {limit_s} s\n{self.text()}") \
                from None

    def stop(self, limit_s=20, number=signal.SIGTERM):
        if self.running():
            self.popen.send_signal(number)
        return self.wait(limit_s)

    def end(self):
        if self.running():
            self.popen.kill()
            self.popen.wait(5)
        if self in _made:
            _made.remove(self)


class Namespace:
    """A network namespace: lo is up, sends are paced by reno (MACHINE: bbr is the default here)."""

    def __init__(self, label):
        self.name = f"{PREFIX}-{os.getpid()}-{label}"
        self.path = f"/run/netns/{self.name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True, timeout=COMMAND_S)
        _made.append(self)
        self.ip("link", "set", "lo", "up")
        self.sysctl("net.ipv4.tcp_congestion_control", "reno")

    def end(self):
        subprocess.run(["ip", "netns", "del", self.name], stderr=subprocess.DEVNULL, check=False,
                       timeout=COMMAND_S)
        if self in _made:
            _made.remove(self)

    def argv(self, *argv):
        return ["ip", "netns", "exec", self.name, *(str(a) for a in argv)]

    def run(self, *argv, limit_s=COMMAND_S, check=True, text=True, **more):
        """Runs a command inside and waits for it; its output is captured."""
        try:
            done = subprocess.run(self.argv(*argv), capture_output=True, timeout=limit_s,
                                  check=False, text=text, preexec_fn=_die_with_parent, **more)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{argv} did not end within {limit_s} s: {late.stdout} {late.stderr}") \
                from None
        if check and done.returncode != 0:
            raise Failed(f"{argv} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def spawn(self, log, *argv):
        return Process(self.argv(*argv), log)

    def ip(self, *argv):
        subprocess.run(["ip", "-n", self.name, *argv], check=True, timeout=COMMAND_S)

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", f"{key}={value}")

    def has_interface(self, name):
        return subprocess.run(["ip", "-n", self.name, "link", "show", name], check=False,
                              capture_output=True, timeout=COMMAND_S).returncode == 0

    def configure(self, interface, *addresses):
        """Up, with addresses that may be used at once, and with honest frames: no partial checksum,
        no segment that is longer than the wire allows. A tap's queue of 500 frames would overflow
        whenever a busy machine gives the engine no turn for some milliseconds."""
        self.run("ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off",
                 check=False)           # a tap of the engine cannot switch all of them
        self.ip("link", "set", interface, "txqueuelen", "4096", "up")
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            self.ip("addr", "add", address, "dev", interface, *nodad)

    def veth(self, name, other, other_name):
        self.ip("link", "add", name, "type", "veth", "peer", "name", other_name,
                "netns", other.name)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        """A socket of this namespace, for the calling program: setns() is the thread's own."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.path, "rb") as inside:
            self._enter(inside.fileno())
            try:
                return socket.socket(family, kind, proto)
            finally:
                self._enter(home.fileno())

    def connect(self, address, port, limit_s=20):
        made = self.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        made.settimeout(limit_s)
        made.connect((address, port))
        return made

    @staticmethod
    def _enter(fd):
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
