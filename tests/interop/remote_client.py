# SPDX-License-Identifier: BSD-3-Clause
"""A client of the control server (tests/interop/remote), and what a test sees on the wire.

    r = Remote(path)                    # one connection: one call at a time
    s = r.socket()                      # raises OSError with the errno that was answered
    s.bind("10.77.0.2", 8000)

    with Wire(net, "tap0") as wire:     # what the engine sends and gets, TCP only
        ...
        wire.packets(sent=True)
"""

import contextlib
import os
import select
import socket
import struct
import threading

OPS = ("RESET SOCKET BIND LISTEN ACCEPT CONNECT RECV SEND CLOSE SHUTDOWN GETSOCKOPT SETSOCKOPT "
       "FCNTL IOCTL POLL STATES SYSCTL GETSOCKNAME GETPEERNAME").split()
NUMBER = {name: i for i, name in enumerate(OPS, 1)}
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


def sockaddr(address, port):
    if ":" in address:
        return struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(port), 0,
                           socket.inet_pton(socket.AF_INET6, address), 0)
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), socket.inet_aton(address))


def from_sockaddr(octets):
    family, port = struct.unpack_from("=HH", octets)
    at, length = (4, 4) if family == socket.AF_INET else (8, 16)
    return socket.inet_ntop(family, octets[at:at + length]), socket.ntohs(port)


class Remote:
    """One control connection."""

    def __init__(self, path, limit_s=60):
        self.path = path
        self.wire = socket.socket(socket.AF_UNIX)
        self.wire.settimeout(limit_s)
        self.wire.connect(str(path))

    def close(self):
        self.wire.close()

    def take(self, length):
        got = b""
        while len(got) < length:
            more = self.wire.recv(length - len(got))
            if not more:
                raise EOFError("the control server hung up")
            got += more
        return got

    def call(self, name, fd=-1, a=0, b=0, c=0, payload=b""):
        """(ret, payload); an errno is raised."""
        self.wire.sendall(struct.pack("=IiiiiI", NUMBER.get(name, name), fd, a, b, c,
                                      len(payload)) + payload)
        ret, err, length = struct.unpack("=iiI", self.take(12))
        out = self.take(length)
        if ret == -1 and err != 0:
            raise OSError(err, os.strerror(err))
        return ret, out

    def reset(self):
        self.call("RESET")

    def sysctl(self, **knobs):
        for name, value in knobs.items():
            self.call("SYSCTL", payload=f"{name}={value}".encode())

    def states(self):
        """[(local port, remote port, state)]"""
        lines = self.call("STATES")[1].decode().splitlines()
        return [(int(a), int(b), state) for a, b, state in (line.split() for line in lines)]

    def socket(self, domain=socket.AF_INET, kind=socket.SOCK_STREAM):
        return Sock(self, self.call("SOCKET", a=domain, b=kind)[0])

    def listener(self, address, port, backlog=16, **options):
        s = self.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        for name, value in options.items():
            s.set(*OPTION[name], value)
        s.bind(address, port)
        s.listen(backlog)
        return s


OPTION = {
    "reuse": (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    "error": (socket.SOL_SOCKET, socket.SO_ERROR),
    "sndbuf": (socket.SOL_SOCKET, socket.SO_SNDBUF),
    "rcvbuf": (socket.SOL_SOCKET, socket.SO_RCVBUF),
    "keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "keepidle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "keepintvl": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    "keepcnt": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    "nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    "maxseg": (socket.IPPROTO_TCP, socket.TCP_MAXSEG),
    "user_timeout": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    "pacing": (socket.SOL_SOCKET, 47),          # SO_MAX_PACING_RATE
    "ttl": (socket.IPPROTO_IP, socket.IP_TTL),
    "tos": (socket.IPPROTO_IP, socket.IP_TOS),
    "hops": (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
    "tclass": (socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
}


class Sock:
    """A descriptor of the server, by one of its control connections; on() takes another one."""

    def __init__(self, remote, fd):
        self.remote, self.fd = remote, fd

    def on(self, remote):
        return Sock(remote, self.fd)

    def call(self, name, a=0, b=0, c=0, payload=b""):
        return self.remote.call(name, self.fd, a, b, c, payload)

    def bind(self, address, port):
        self.call("BIND", payload=sockaddr(address, port))

    def listen(self, backlog=16):
        self.call("LISTEN", backlog)

    def accept(self):
        fd, peer = self.call("ACCEPT")
        return Sock(self.remote, fd), from_sockaddr(peer)

    def connect(self, address, port):
        self.call("CONNECT", payload=sockaddr(address, port))

    def recv(self, length, flags=0):
        return self.call("RECV", length, flags)[1]

    def send(self, data, flags=0):
        return self.call("SEND", flags, payload=data)[0]

    def close(self):
        """Once: by a second one the number may be another socket's, so it is forgotten."""
        fd, self.fd = self.fd, -1
        self.remote.call("CLOSE", fd)

    def shutdown(self, how):
        self.call("SHUTDOWN", how)

    def get(self, level, option, room=4):
        out = self.call("GETSOCKOPT", level, option, room)[1]
        return struct.unpack("=i", out)[0] if room == 4 else out

    def set(self, level, option, value):
        payload = value if isinstance(value, bytes) else struct.pack("=i", value)
        self.call("SETSOCKOPT", level, option, payload=payload)

    def option(self, name, value=None):
        if value is None:
            return self.get(*OPTION[name])
        return self.set(*OPTION[name], value)

    def linger(self, on, seconds):
        self.set(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", on, seconds))

    def nonblocking(self, on=True):
        self.call("FCNTL", 4, os.O_NONBLOCK if on else 0)

    def ioctl(self, request):
        return struct.unpack("=i", self.call("IOCTL", request)[1])[0]

    def poll(self, events, timeout_ms=-1):
        """(ret, revents)"""
        ret, out = self.call("POLL", events, timeout_ms)
        return ret, struct.unpack("=I", out)[0]

    def info(self):
        """struct tcp_info of Linux, the members that a test asks for."""
        out = self.get(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        names = ("rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent "
                 "last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar "
                 "snd_ssthresh snd_cwnd advmss").split()
        made = dict(zip(names, struct.unpack_from("=20I", out, 8)))
        made["state"], made["options"] = out[0], out[5]
        return made

    def name(self):
        return from_sockaddr(self.call("GETSOCKNAME")[1])

    def peer(self):
        return from_sockaddr(self.call("GETPEERNAME")[1])


def kinds_of(options):
    """[(kind, value)] of a segment's options as sent, NOP and EOL left out."""
    made, at = [], 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        made.append((options[at], options[at + 2:at + options[at + 1]]))
        at += max(2, options[at + 1])
    return made


class Packet:
    """A TCP segment: its header fields, and when it was seen."""

    def __init__(self, octets, sent, at):
        self.at, self.sent = at, sent
        if octets[0] >> 4 == 4:
            self.tos, self.ttl = octets[1], octets[8]
            end, at = struct.unpack_from("!H", octets, 2)[0], (octets[0] & 15) * 4
        else:
            self.tos = (struct.unpack_from("!H", octets)[0] >> 4) & 0xff
            self.ttl, at = octets[7], 40
            end = 40 + struct.unpack_from("!H", octets, 4)[0]
        (self.sport, self.dport, self.seq, self.ack, offset, self.flags, self.window, _,
         self.urgent) = struct.unpack_from("!HHIIBBHHH", octets, at)
        head = (offset >> 4) * 4
        self.options = octets[at + 20:at + head]
        self.data = octets[at + head:end]

    def option(self, kind):
        """Octets of an option, b"" where it has none; None: absent."""
        return next((value for sent, value in kinds_of(self.options) if sent == kind), None)


SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33         # Linux's; Python names neither


class Wire:
    """All TCP over an interface of a namespace, both ways, from the kernel's side of it.

    The kernel queues a frame here before its own TCP sees it, or when that has sent it. So what
    a call to either end has an answer for is in the queue, and packets() reads that first: no
    thread has to have had its turn. The time of a packet is the kernel's.
    """

    def __init__(self, net, interface):
        self.seen, self.running, self.lock = [], True, threading.Lock()
        self.raw = net.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)   # protocol 0: nothing yet
        self.raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.raw.setblocking(False)
        self.raw.bind((interface, 3))                                   # ETH_P_ALL
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        """So that the queue does not run over while nobody asks."""
        while self.running:
            select.select([self.raw], [], [], 0.05)
            self.drain()

    def drain(self):
        with self.lock, contextlib.suppress(BlockingIOError):
            while self.running:
                octets, control, _, where = self.raw.recvmsg(65536, 64)
                if where[1] == 0x800 and octets[9] == 6 or where[1] == 0x86dd and octets[6] == 6:
                    seconds, nanoseconds = struct.unpack_from("=qq", control[0][2])
                    self.seen.append(Packet(octets, where[2] != 4, seconds + nanoseconds / 1e9))

    def packets(self, port=None, sent=True, flags=0):
        """By the engine (sent) or by the kernel, of a port of either end, with these flags."""
        self.drain()
        return [p for p in list(self.seen) if p.sent == sent and p.flags & flags == flags and
                (port is None or port in (p.sport, p.dport))]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.drain()
        self.running = False
        self.thread.join()
        self.raw.close()
