# SPDX-License-Identifier: BSD-3-Clause
"""The two ends that are compared, the same from outside: the Linux kernel behind a veth, and a
control server's engine behind a tap. Each has a wire (frames in and out) and sockets.

The peer's addresses are nobody's: no kernel answers for them, and each conversation has its own,
so that nothing that a stack remembers of a peer (path MTU, metrics, TIME_WAIT) meets the next one.
"""

import select
import socket
import struct
import threading

import frames
import harness
import remote_client
from harness import ENGINE4, ENGINE6
from netns import Namespace, TempDir, wait_for
from remote_client import OPTION, Remote

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
ADDRESS = {4: ENGINE4, 6: ENGINE6}
REMOTE = harness.BUILD / "tests/interop/remote/remote"
IGNORE_OUTGOING = 23
SOL_PACKET = 263
STAMP, FORCE = remote_client.SO_TIMESTAMPNS, remote_client.SO_RCVBUFFORCE
KERNEL_STATES = ("? ESTABLISHED SYN_SENT SYN_RCVD FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT CLOSED "
                 "CLOSE_WAIT LAST_ACK LISTEN CLOSING SYN_RCVD").split()


class Wire:
    """Frames of an interface. Each goes to the conversation of its destination address."""

    def __init__(self, net, interface, mac):
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.inbox, self.running = {}, True
        self.raw = net.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.raw.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
        self.raw.setsockopt(socket.SOL_SOCKET, STAMP, 1)
        self.raw.setsockopt(socket.SOL_SOCKET, FORCE, 16 << 20)
        self.raw.bind((interface, 3))
        self.raw.settimeout(0.2)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while self.running:
            try:
                frame, control, _, _ = self.raw.recvmsg(65536, 64)
            except TimeoutError:
                continue
            answer = frames.neighbour_answer(frame)
            if answer is not None:
                self.raw.send(answer)
                continue
            kind = struct.unpack_from("!H", frame, 12)[0]
            to = frame[30:34] if kind == frames.IP4 else frame[38:54] if kind == frames.IP6 else b""
            put = self.inbox.get(to)
            if put is not None:
                seconds, nanoseconds = struct.unpack_from("=qq", control[0][2])
                put(frame[14:], seconds + nanoseconds / 1e9)

    def send(self, packet):
        kind = frames.IP6 if packet[0] >> 4 == 6 else frames.IP4
        self.raw.send(self.mac + frames.PEER_MAC + struct.pack("!H", kind) + packet)

    def end(self):
        self.running = False
        self.thread.join()
        self.raw.close()


class KernelSock:
    """A socket of the kernel with the calls of remote_client.Sock; none of them waits."""

    def __init__(self, made):
        self.made = made
        made.setblocking(False)

    def accept(self):
        made, peer = self.made.accept()
        return KernelSock(made), peer

    def bind(self, address, port):
        self.made.bind((address, port))

    def listen(self, backlog=16):
        self.made.listen(backlog)

    def connect(self, address, port):
        self.made.connect((address, port))

    def recv(self, length, flags=0):
        return self.made.recv(length, flags)

    def send(self, data, flags=0):
        return self.made.send(data, flags | socket.MSG_NOSIGNAL)

    def close(self):
        self.made.close()

    def shutdown(self, how):
        self.made.shutdown(how)

    def get(self, level, option, room=4):
        if room == 4:
            return self.made.getsockopt(level, option)
        return self.made.getsockopt(level, option, room)

    def set(self, level, option, value):
        self.made.setsockopt(level, option, value)

    def poll(self, events, _timeout_ms=0):
        asked = select.poll()
        asked.register(self.made, events)
        found = asked.poll(0)
        return len(found), found[0][1] if found else 0

    option, linger, info = (remote_client.Sock.option, remote_client.Sock.linger,
                            remote_client.Sock.info)


class Side:
    """What both have: a name, a wire, and the time to end."""

    def __init__(self, name):
        self.name, self.wire = name, None

    def listener(self, family, port, **options):
        s = self.socket(family)
        s.option("reuse", 1)
        for name, value in options.items():
            s.option(name, value)
        s.bind(ADDRESS[family], port)
        s.listen()
        return s


class Kernel(Side):
    def __init__(self):
        super().__init__("kernel")
        self.net, self.away = Namespace("kernel"), Namespace("veth")
        self.away.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        self.net.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.net.veth("k0", self.away, "p0")
        self.away.configure("p0")
        self.net.configure("k0", f"{ENGINE4}/16", f"{ENGINE6}/64")
        mac = self.net.run("cat", "/sys/class/net/k0/address").stdout.strip()
        self.wire = Wire(self.away, "p0", mac)

    def socket(self, family):
        return KernelSock(self.net.socket(FAMILY[family]))

    def state(self, family, local, remote):
        """One of /proc/net/tcp, or None."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.net.path, "rb") as inside:
            Namespace._enter(inside.fileno())
            try:
                name = "/proc/thread-self/net/tcp" + ("6" if family == 6 else "")
                with open(name, encoding="ascii") as table:
                    lines = table.read().splitlines()[1:]
            finally:
                Namespace._enter(home.fileno())
        for line in lines:
            _, here, there, state = line.split()[:4]
            if (int(here[-4:], 16), int(there[-4:], 16)) == (local, remote):
                return KERNEL_STATES[int(state, 16)]
        return None

    def end(self):
        self.wire.end()
        self.net.end()
        self.away.end()


class Engine(Side):
    def __init__(self):
        super().__init__("ours")
        self.net = Namespace("tap")
        self.net.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        directory = TempDir().path
        config = harness.configuration(
            "net_tap0,iface=tap0", directory,
            addresses=[{"address": f"{ENGINE4}/16"}, {"address": f"{ENGINE6}/64"}],
            tcp={"icmp_per_s": 1000000}, capacity={**harness.configuration("", directory)
                                                   ["capacity"], "neighbours": 8192})
        (directory / "remote.yaml").write_text(harness.to_yaml(config) + "\n")
        path = directory / "remote.sock"
        self.engine = harness.Engine(self.net, directory, [REMOTE, "--config",
                                     directory / "remote.yaml", "--socket", path],
                                     config["socket"])
        self.net.configure("tap0")
        wait_for("the control server answers", path.exists)
        self.remote = Locked(path)
        self.remote.reset()
        self.remote.sysctl(cc="newreno")        # as the kernel's namespace
        self.wire = Wire(self.net, "tap0", self.engine.mac())
        self.engine.note_home()

    def socket(self, family):
        made = self.remote.socket(FAMILY[family])
        made.nonblocking()
        return made

    def state(self, _family, local, remote):
        for here, there, state in self.remote.states():
            if (here, there) == (local, remote):
                return state
        return None

    def end(self):
        self.remote.reset()
        self.engine.settle()
        self.wire.end()
        self.engine.stop()
        self.net.end()


class Locked(Remote):
    """One control connection for all threads: no call of theirs waits for anything."""

    def __init__(self, path):
        super().__init__(path)
        self.lock = threading.Lock()

    def call(self, name, fd=-1, a=0, b=0, c=0, payload=b""):
        with self.lock:
            return super().call(name, fd, a, b, c, payload)
