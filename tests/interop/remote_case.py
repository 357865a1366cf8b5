# SPDX-License-Identifier: BSD-3-Clause
"""A control server (tests/interop/remote) on a tap, with the Linux kernel as its peer."""

import contextlib
import errno
import socket
import threading

import harness
from harness import ENGINE4, KERNEL4, KERNEL6
from netns import Namespace, TempDir, wait_for
from remote_client import Remote

REMOTE = harness.BUILD / "tests/interop/remote/remote"
PORT, CLOSED, SILENT = 8000, 8999, 8998
INTERFACE = "tap0"


class RemoteCase(harness.Case):
    """A server on a tap of a namespace; RESET before each test, and nothing left after it."""

    @classmethod
    def setUpClass(cls):
        cls.net = Namespace(cls.__name__.lower())
        directory = TempDir().path
        config = harness.configuration(f"net_tap0,iface={INTERFACE}", directory)
        (directory / "remote.yaml").write_text(harness.to_yaml(config) + "\n")
        cls.path = directory / "remote.sock"
        cls.engine = harness.Engine(cls.net, directory, [REMOTE, "--config",
                                    directory / "remote.yaml", "--socket", cls.path],
                                    config["socket"])
        cls.net.configure(INTERFACE, f"{KERNEL4}/24", f"{KERNEL6}/64")
        wait_for("the control server answers", cls.path.exists)
        cls.engine.note_home()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.net.end()

    def setUp(self):
        super().setUp()
        self.remote = Remote(self.path)
        self.addCleanup(self.remote.close)
        self.remote.reset()
        self.listeners = {}

    def tearDown(self):
        self.remote.reset()
        self.assertEqual(self.remote.states(), [])
        super().tearDown()

    def another(self):
        made = Remote(self.path)
        self.addCleanup(made.close)
        return made

    @contextlib.contextmanager
    def fails(self, number):
        with self.assertRaises(OSError) as caught:
            yield
        self.assertEqual(errno.errorcode.get(caught.exception.errno), errno.errorcode[number])

    def in_thread(self, fn, *args):
        """Runs fn; wait() gives its value, or raises what it raised."""
        result = {}

        def run():
            try:
                result["value"] = fn(*args)
            except Exception as e:                      # pylint: disable=broad-except
                result["error"] = e

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def wait(limit_s=30):
            thread.join(limit_s)
            self.assertFalse(thread.is_alive(), "it still waits")
            if "error" in result:
                raise result["error"]
            return result["value"]
        wait.running = thread.is_alive
        return wait

    def kernel_listener(self, address=KERNEL4, port=PORT):
        if (address, port) in self.listeners:
            return self.listeners[address, port]
        made = self.net.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(16)
        self.addCleanup(made.close)
        self.listeners[address, port] = made
        return made

    def accepted(self, address=ENGINE4, **options):
        """(our socket, the kernel's) of a connection to a listener of ours."""
        listener = self.remote.listener(address, PORT, **options)
        peer = self.net.connect(address, PORT)
        self.addCleanup(peer.close)
        s, _ = listener.accept()
        return s, peer

    def connected(self, address=KERNEL4, **options):
        """The same of a connection that we open."""
        listener = self.kernel_listener(address)
        s = self.remote.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        for name, value in options.items():
            s.option(name, value)
        s.connect(address, PORT)
        peer, _ = listener.accept()
        self.addCleanup(peer.close)
        return s, peer

    def state(self, local=None, remote=None):
        """States of the connections with these ports."""
        return [state for here, there, state in self.remote.states()
                if local in (None, here) and remote in (None, there)]

    def drop(self, match):
        """The kernel does not see what matches, until hear() or the end of the test."""
        self.need("nft")
        self.net.run("nft", "add table inet quiet; add chain inet quiet in "
                     "{ type filter hook input priority 0; }; "
                     f"add rule inet quiet in {match} drop")
        self.addCleanup(self.hear)

    def hear(self):
        self.net.run("nft", "delete table inet quiet", check=False)

    def silence(self, port):
        """The kernel drops what comes for one of its ports."""
        self.drop(f"tcp dport {port}")
