# SPDX-License-Identifier: BSD-3-Clause
"""One conversation of the scripted peer with one side, and what was observed of it.

    t.listen()                          # the side's application
    t.open(sack=True)                   # a handshake, nothing noted
    t.put(RST, seq=t.rcv + 100)         # a segment of the peer's, as odd as it likes
    t.look("in window")                 # what the side answers, noted under this label
    t.app("then")                       # what its application sees

"What the side answers" needs no waiting: an echo request follows, twice, and what comes before the
second reply is the answer (a stack handles frames in order, and ends a burst before the next one).
What only a timer sends is waited for, up to a limit.
"""

import collections
import errno
import itertools
import re
import select
import socket
import threading
import time

import frames
from differential.sides import ADDRESS
from differential.words import CWR, ECE, ISS, STAMP0, describe, duration
from netns import Failed
from remote_client import ACK, FIN, PSH, RST, SYN, URG, Packet, kinds_of

BARRIER_S = 20.0                                # a busy machine is no difference
POLLS = (("IN", select.POLLIN), ("OUT", select.POLLOUT), ("PRI", select.POLLPRI),
         ("ERR", select.POLLERR), ("HUP", select.POLLHUP), ("RDHUP", select.POLLRDHUP))


class Talk:
    _numbers, _lock = collections.Counter(), threading.Lock()

    def __init__(self, side, family, number):
        with Talk._lock:
            Talk._numbers[side.name] += 1
            n = Talk._numbers[side.name]
        self.side, self.family = side, family
        self.address = f"10.77.{1 + n // 200}.{1 + n % 200}" if family == 4 else f"fd77::1:{n:x}"
        self.there = ADDRESS[family]
        self.port, self.target = 30000 + n, 10000 + number
        self.notes, self.sockets, self.news = [], [], collections.deque()
        self.ready, self.echoed, self.pings = threading.Condition(), 0, 0
        self.raw, self.s = b"", None
        self.snd, self.rcv = ISS, None          # what we send next, what we expect next
        self.una = 0                            # what we acknowledged last
        self.iss = None                         # the side's first number, once known
        self.window, self.scale, self.my_scale = 0, 0, 0
        self.ts, self.stamp, self.peer_stamp = False, STAMP0, 0
        self.sent = collections.deque()         # what the side sent that takes sequence numbers
        self.options, self.edge, self.mss_of_side = [], 0, None
        side.wire.inbox[frames.packed(self.address)] = self.take

    def end(self):
        """No connection is left: the sockets end hard, then whatever still answers is reset."""
        for s in self.sockets:
            try:
                s.linger(1, 0)
                s.close()
            except OSError:
                pass
        if self.rcv is not None:
            self.put(RST | ACK, window=0)
        del self.side.wire.inbox[frames.packed(self.address)]

    # ---- the wire ----

    def take(self, packet, at):
        protocol, body = packet[6 if self.family == 6 else 9], 40 if self.family == 6 else 20
        with self.ready:
            if protocol == frames.TCP:
                seen = Packet(packet, False, at)
                seen.raw = packet
                seen.good = frames.is_good_tcp(packet[body:], self.there, self.address)
                if self.target == seen.sport and self.port == seen.dport:
                    self.news.append(seen)
            elif packet[body] == frames.ECHO[self.family][1]:
                self.echoed = max(self.echoed, int.from_bytes(packet[body + 6:body + 8], "big"))
            self.ready.notify_all()

    def wait(self, condition, limit_s):
        with self.ready:
            return self.ready.wait_for(condition, limit_s)

    def barrier(self):
        """All that was sent has been looked at, and answered if it is at all."""
        for _ in range(2):
            self.pings += 1
            number, end = self.pings, time.monotonic() + BARRIER_S
            while True:                         # a packet socket may lose one; asking is harmless
                self.side.wire.send(frames.echo(self.address, self.there, number))
                if self.wait(lambda: self.echoed >= number, 2):
                    break
                if time.monotonic() > end:
                    raise Failed(f"{self.side.name} answers no echo")

    def put(self, flags, seq=None, ack=None, data=b"", **more):
        """A segment; what is not said is as a good peer would have it. SND.NXT does not move."""
        options = more.get("options")
        if options is None:
            stamps = frames.NOP * 2 + frames.stamps(self.stamp, self.peer_stamp)
            options = stamps if self.ts else b""
        ack = (self.rcv or 0) if ack is None else ack
        self.una = ack
        fields = (self.port, self.target, self.snd if seq is None else seq,
                  ack if flags & ACK or "ack0" in more else 0, flags,
                  more.get("window", 65535), more.get("urgent", 0))
        made = frames.tcp(self.address, self.there, fields, options, data, more.get("offset"),
                          more.get("damage", 0))
        self.side.wire.send(frames.ip(self.address, self.there, frames.TCP, made,
                                      more.get("tos", 0)))

    def data(self, octets, **more):
        """Data in order: SND.NXT moves."""
        flags = more.pop("flags", ACK | PSH)
        self.put(flags, data=octets, **more)
        self.snd += len(octets) + (1 if flags & FIN else 0)

    def icmp(self, name, mtu=0, quoted=None):
        """An error about what the side sent last."""
        self.side.wire.send(frames.error(self.address, self.there, name,
                                         self.raw if quoted is None else quoted, mtu))

    # ---- what came ----

    def learn(self, p):
        """What a peer must know of a segment of the side's."""
        opts = dict(kinds_of(p.options))
        length = len(p.data) + bool(p.flags & SYN) + bool(p.flags & FIN)
        if p.flags & SYN:
            self.iss, self.options = p.seq, kinds_of(p.options)
            self.mss_of_side = int.from_bytes(opts.get(2, b"\0\0"), "big")
            self.scale = opts[3][0] if 3 in opts and self.my_scale is not None else 0
            self.window = p.window
        elif p.flags & RST == 0:
            self.window = p.window << self.scale
        if 8 in opts:
            self.peer_stamp = int.from_bytes(opts[8][:4], "big")
        if p.flags & ACK and p.flags & RST == 0:
            self.edge = p.ack + self.window
        if length:
            self.raw = p.raw
            if self.rcv is None or (p.flags & SYN and not p.flags & RST):
                self.rcv = p.seq + length
            elif p.seq == self.rcv % 2 ** 32:
                self.rcv += length

    def describe(self, p):
        return describe(p, self.iss or 0)

    def handshakes(self, count):
        """Three-way handshakes from other ports of ours: how many of them their side has."""
        ports = [self.port + 3000 + i for i in range(count)]
        first = self.port
        for port in ports:
            self.port, self.rcv, self.iss = port, None, None
            self.syn()
            self.skip(lambda news: any(p.flags & SYN for p in news), 0.3, must=False)
            self.put(ACK)
            self.barrier()
        states = [self.side.state(self.family, self.target, port) for port in ports]
        for port in ports:
            self.port = port
            self.put(RST, seq=ISS + 1)
        self.port = first
        return states.count("ESTABLISHED")

    def gather(self):
        with self.ready:
            came = list(self.news)
            self.news.clear()
        for p in came:
            self.learn(p)
        return came

    def note(self, label, said):
        if label is not None:
            self.notes.append((label, said))

    @staticmethod
    def is_repeat(p, before):
        """Sent again by a timer: a slow machine sees more of them, which says nothing."""
        takes = p.data or p.flags & (SYN | FIN)
        return takes and any(p.seq == q.seq and p.flags & ~PSH == q.flags & ~PSH and
                             len(p.data) == len(q.data) for q in before)

    def look(self, label, until=None, limit_s=2.0, again=False):
        """Notes what has come: at once or, with `until`, when what came satisfies that. `again`:
        repeats are of interest."""
        came = self.hear(until, limit_s)
        if not again:
            came = [p for i, p in enumerate(came) if not self.is_repeat(p, self.sent) and
                    not self.is_repeat(p, came[:i])]
        self.sent.extend(came)
        self.note(label, "; ".join(self.describe(p) for p in came) or "nothing")
        return came

    def hear(self, until=None, limit_s=2.0):
        if until is not None:
            self.wait(lambda: until(self.news), limit_s)
        self.barrier()
        return self.gather()

    def sizes(self, label, octets, limit_s=2.0):
        """Notes in which pieces so many octets of new data came, PSH on the last or not."""
        self.wait(lambda: sum(len(p.data) for p in self.news) >= octets, limit_s)
        self.barrier()
        came = [p for p in self.gather() if p.data]
        self.sent.extend(came)
        ends = {p.seq: p for p in came}
        runs = [[len(list(same)), size] for size, same in
                itertools.groupby(len(p.data) for _, p in sorted(ends.items()))]
        last = max(ends.values(), key=lambda p: p.seq - self.iss & 0xffffffff, default=None)
        self.note(label, ", ".join(f"{n} x {size}" for n, size in runs) +
                  (", PSH" if last and last.flags & PSH else ", no PSH"))
        return came

    def skip(self, until=None, limit_s=5.0, must=True):
        """As look(), of no interest."""
        came = self.hear(until, limit_s)
        self.sent.extend(came)
        if must and until is not None and not until(came):
            raise Failed(f"{self.side.name}: not within {limit_s} s; what came: "
                         f"{[self.describe(p) for p in came]}")
        return came

    @staticmethod
    def clock():
        """As the times of packets."""
        return time.time()

    @staticmethod
    def until(condition, limit_s):
        end = time.monotonic() + limit_s
        while not condition() and time.monotonic() < end:
            time.sleep(0.01)

    @staticmethod
    def rest(seconds):
        """What takes time on a path."""
        time.sleep(seconds)

    def full_size(self):
        """Octets of a full segment of the side's: our MSS is 1460, its MTU 1500."""
        return (1460 if self.family == 4 else 1440) - (12 if self.ts else 0)

    def times(self, label, count, limit_s, pick=lambda p: True):
        """Notes `count` segments and the time between them, by classes."""
        before = len([p for p in self.news if pick(p)])
        self.wait(lambda: len([p for p in self.news if pick(p)]) >= max(count, before), limit_s)
        came = [p for p in self.gather() if pick(p)][:count]
        self.sent.extend(came)
        said = [self.describe(p).replace("PA ", "A ") for p in came]
        gaps = [duration(b.at - a.at) for a, b in zip(came, came[1:])]
        short = re.sub(r" ts\([^)]*\)", " ts", said[0]) if said else "nothing"
        if len({re.sub(r" ts\([^)]*\)", " ts", s) for s in said}) > 1:
            short = "; ".join(said)
        self.note(label, f"{len(came)} of {short}" + (f", after {', '.join(gaps)}" if gaps else ""))

    # ---- the application ----

    def listen(self, **options):
        self.listener = self.side.listener(self.family, self.target, **options)
        self.sockets.append(self.listener)
        return self

    def accept(self, limit_s=10.0):
        end = time.monotonic() + limit_s
        while True:
            try:
                self.s, _ = self.listener.accept()
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Failed(f"{self.side.name}: nothing to accept") from None
                time.sleep(0.005)
        if hasattr(self.s, "nonblocking"):
            self.s.nonblocking()
        self.sockets.append(self.s)

    def connect(self, **options):
        """The side opens; its SYN is in the air."""
        self.s = self.side.socket(self.family)
        self.sockets.append(self.s)
        for name, value in {"reuse": 1, **options}.items():
            self.s.option(name, value)
        self.s.bind(ADDRESS[self.family], self.target)
        try:
            self.s.connect(self.address, self.port)
        except BlockingIOError:
            pass

    def in_line(self):
        """Urgent data stays in line: with us it always does, and there is no switch."""
        if self.side.name == "kernel":
            self.s.set(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)

    @staticmethod
    def told(call, *args):
        """What a call says, as words."""
        try:
            value = call(*args)
        except OSError as e:
            return errno.errorcode.get(e.errno, str(e.errno))
        if isinstance(value, bytes):
            if not value:
                return "eof"
            return f"{len(value)} octets {value[:12].hex() if len(value) < 13 else ''}".strip()
        return "done" if value is None else str(value)

    def send(self, octets):
        return self.told(self.s.send, octets)

    def events(self):
        asked = 0
        for _, bit in POLLS:
            asked |= bit
        got = self.s.poll(asked, 0)[1]
        return "+".join(name for name, bit in POLLS if got & bit) or "no event"

    def state(self):
        return self.side.state(self.family, self.target, self.port) or "gone"

    def app(self, label, receive=True):
        """Poll, the state, and with `receive` what recv() says."""
        said = [self.events(), self.state()]
        if receive:
            said.append("recv: " + self.told(self.s.recv, 65536))
        self.note(label, ", ".join(said))

    def info(self, label, *names):
        self.note(label, ", ".join(f"{n} {self.s.info()[n]}" for n in names))

    # ---- ways into the states ----

    def syn(self, flags=SYN, options=None, **more):
        if options is None:
            options = frames.mss(1460)
        self.put(flags, seq=more.pop("seq", ISS), options=options, **more)
        self.snd = ISS + 1

    def full(self, ts=True, sack=True, scale=7):
        """The options of an ordinary SYN."""
        made = frames.mss(1460)
        made += frames.SACK_OK if sack else b""
        made += frames.stamps(self.stamp, self.peer_stamp) if ts else b""
        made += frames.wscale(scale) if scale is not None else b""
        self.my_scale = scale
        return made

    def open(self, ts=False, sack=False, scale=None, window=65535, **listener):
        """ESTABLISHED, by their listener."""
        self.syn_rcvd(ts, sack, scale, **listener)
        self.put(ACK, window=window)
        self.accept()
        self.skip()
        return self

    def syn_rcvd(self, ts=False, sack=False, scale=None, **listener):
        self.listen(**listener)
        self.syn(options=self.full(ts, sack, scale))
        self.skip(lambda news: any(p.flags & SYN for p in news))
        self.ts = ts
        return self

    def syn_sent(self, **options):
        self.connect(**options)
        self.skip(lambda news: any(p.flags & SYN for p in news))
        return self

    def opened(self, ts=False, sack=False, scale=None, window=65535, **options):
        """ESTABLISHED, by their connect()."""
        self.syn_sent(**options)
        self.syn(SYN | ACK, options=self.full(ts, sack, scale), window=window)
        self.skip(lambda news: any(p.flags & ACK for p in news))
        self.ts = ts
        return self

    def fin_wait_1(self):
        self.s.shutdown(socket.SHUT_WR)
        self.skip(lambda news: any(p.flags & FIN for p in news))

    def fin_wait_2(self):
        self.fin_wait_1()
        self.put(ACK)
        self.skip()

    def close_wait(self):
        self.data(b"", flags=FIN | ACK)
        self.skip(lambda news: any(p.ack == self.snd % 2 ** 32 for p in news))

    def last_ack(self):
        self.close_wait()
        self.fin_wait_1()

    def closing(self):
        self.fin_wait_1()
        self.data(b"", flags=FIN | ACK, ack=self.rcv - 1)
        self.skip(lambda news: any(p.ack == self.snd % 2 ** 32 for p in news))

    def time_wait(self):
        self.fin_wait_2()
        self.close_wait()
