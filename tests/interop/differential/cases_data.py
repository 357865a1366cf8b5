# SPDX-License-Identifier: BSD-3-Clause
"""Data: order, overlaps, what the receiver reports, windows, urgent data, timestamps, ECN marks."""

from differential.cases import case
from differential.talk import ACK, CWR, FIN, ISS, PSH, SYN, URG

MSS = 1000


def stream(first, octets):
    """Octets of a known stream: each tells its place."""
    return bytes((first + i) % 251 for i in range(octets))


def part(t, first, octets, **more):
    """Octets [first, first + octets) of the stream that begins at ISS + 1."""
    t.put(ACK | PSH, seq=ISS + 1 + first, data=stream(first, octets), **more)


def acked(t, octets):
    number = (ISS + 1 + octets) % 2 ** 32
    return lambda news: any(p.ack == number for p in news)


ORDERS = {
    "in order": [(0, 100), (100, 100)],
    "swapped": [(100, 100), (0, 100)],
    "a hole that stays": [(100, 100), (300, 100)],
    "three holes": [(100, 50), (200, 50), (300, 50), (400, 50)],
    "holes filled from behind": [(300, 100), (200, 100), (100, 100), (0, 100)],
    "holes filled from the front": [(300, 100), (100, 100), (0, 100), (200, 100)],
    "the same twice": [(0, 100), (0, 100)],
    "a part again, and more": [(0, 100), (50, 100)],
    "the same out of order twice": [(100, 100), (100, 100)],
    "overlapping out of order": [(100, 100), (150, 100)],
    "overlapping from the left": [(200, 100), (100, 150)],
    "covering": [(200, 50), (100, 300)],
    "covered": [(100, 300), (200, 50)],
    "filling more than the hole": [(100, 100), (0, 150)],
    "filling all": [(100, 100), (300, 100), (0, 400)],
    "old, again and again": [(0, 100), (0, 50), (50, 50), (0, 100)],
    "left of the first octet": [(-50, 100)],
}


@case(order=tuple(ORDERS))
def data_comes(t, order):
    """With SACK: the ACK of each segment (but the delayed ones), then what was delivered."""
    t.open(sack=True)
    for first, octets in ORDERS[order]:
        part(t, first, octets)
        t.look(f"{first} to {first + octets}", lambda news: bool(news), 0.5)
    got = t.told(t.s.recv, 65536)
    t.note("delivered", got)


@case(order=("a hole that stays", "three holes", "the same twice", "filling all"))
def data_comes_without_sack(t, order):
    t.open()
    for first, octets in ORDERS[order]:
        part(t, first, octets)
        t.look(f"{first} to {first + octets}", lambda news: bool(news), 0.5)
    t.note("delivered", t.told(t.s.recv, 65536))


@case(order=("three holes", "the same out of order twice"))
def data_comes_with_timestamps(t, order):
    """Fewer SACK blocks fit beside timestamps (RFC 2018 3)."""
    t.open(sack=True, ts=True)
    for first, octets in ORDERS[order]:
        t.stamp += 1
        part(t, first, octets)
        t.look(f"{first} to {first + octets}", lambda news: bool(news), 0.5)


@case()
def stream_of_full_segments(t):
    """How many ACKs twenty full segments get: at least every second one."""
    t.open()
    size = t.full_size()
    for i in range(20):
        part(t, size * i, size)
    came = t.hear(acked(t, 20 * size))
    t.note("ACKs", "at least ten" if len(came) >= 10 else str(len(came)))
    t.note("delivered", t.told(t.s.recv, 65536))


@case()
def delayed_ack(t):
    """After a while of quick ACKs, the time of the ACK of one small segment."""
    t.open()
    for i in range(40):
        part(t, 10 * i, 10)
        t.skip(acked(t, 10 * i + 10))
    began = t.clock()
    part(t, 400, 10)
    t.wait(lambda: bool(t.news), 2)
    t.note("ACK after", "0.5 s at most" if t.news and t.news[0].at - began < 0.5 else "longer")


@case(what=("data and FIN", "FIN out of order", "FIN beside a hole", "FIN twice", "FIN then data",
            "FIN then old data"))
def ends_with(t, what):
    t.open(sack=True)
    if what == "data and FIN":
        t.data(stream(0, 100), flags=ACK | PSH | FIN)
        t.look("answer", acked(t, 101))
    elif what == "FIN out of order":
        t.put(ACK | FIN, seq=t.snd + 100)
        t.look("FIN")
        part(t, 0, 100)
        t.look("the rest", acked(t, 100))
    elif what == "FIN beside a hole":
        t.put(ACK | PSH | FIN, seq=t.snd + 100, data=stream(100, 100))
        t.look("FIN")
        part(t, 0, 100)
        t.look("the rest", acked(t, 201))
    else:
        t.data(b"", flags=ACK | FIN)
        t.look("FIN", acked(t, 1))
        if what == "FIN twice":
            t.put(ACK | FIN, seq=t.snd - 1)
        elif what == "FIN then data":
            t.put(ACK | PSH, data=b"hello")
        else:
            t.put(ACK | PSH, seq=t.snd - 6, data=b"hello")
        t.look("more")
    t.app("application")
    t.app("again")


@case(pointer=(0, 1, 3, 5, 9, 5000))
def urgent(t, pointer):
    """Five octets with an urgent pointer (RFC 6093): announced, and in line or not."""
    t.open()
    t.in_line()
    t.data(b"hello", flags=ACK | PSH | URG, urgent=pointer)
    t.look("answer", lambda news: bool(news), 0.5)
    t.note("events", t.events())
    t.app("application")
    t.data(b"there")
    t.skip(lambda news: bool(news))
    t.app("application then")
    t.app("and then")


# ---- windows ----

def answer_to_probe(t):
    """An ACK of what was taken, that says the window is closed."""
    return ", ".join("closed" if p.window == 0 and p.ack == t.snd % 2 ** 32 else t.describe(p)
                     for p in t.hear())


@case()
def window_fills(t):
    """The reader does not read: the window closes, a probe is answered, reading opens it."""
    t.open(rcvbuf=8192)
    offset = 0
    for _ in range(200):
        room = t.edge - t.snd
        if room <= 0:
            break
        size = min(room, MSS)
        t.data(stream(offset, size))
        offset += size
        if not t.skip(lambda news, n=t.snd: any(p.ack == n for p in news), 1.0):
            break
    t.note("closed", str(t.window == 0))
    t.put(ACK, seq=t.snd - 1)
    t.note("a keepalive is answered", answer_to_probe(t))
    t.put(ACK | PSH, data=b"x")
    t.note("an octet beyond is answered", answer_to_probe(t))
    t.told(t.s.recv, 10)
    t.note("ten octets are read", "silence" if not t.hear() else "an update")
    while t.told(t.s.recv, 65536) not in ("EAGAIN", "eof"):
        pass
    came = t.hear(lambda news: any(p.window for p in news))
    t.note("opens by", "an update" if any(p.window for p in came) else "nothing")


@case()
def zero_window(t):
    """The peer closes its window: what is sent into it, then probes, then what comes."""
    t.open(window=0)
    t.send(stream(0, 100))
    t.look("at once")
    t.times("probes", 4, 12)
    t.put(ACK, window=1000)
    t.look("window opens", lambda news: any(p.data for p in news))


@case()
def zero_window_after_data(t):
    t.open(window=4 * MSS)
    size = t.full_size()
    t.put(ACK, window=2 * size)
    t.send(bytes(5000))
    t.skip(lambda news: sum(len(p.data) for p in news) >= 2 * size)
    t.put(ACK, window=0)
    t.skip()
    t.times("probes", 3, 12)


@case()
def window_of_half_a_segment(t):
    """A silly window is not filled at once (RFC 9293 3.8.6.2.1)."""
    t.open(window=14600)
    flown = 10 * t.full_size()
    t.send(bytes(flown))
    t.skip(lambda news: sum(len(p.data) for p in news) >= flown)
    t.put(ACK, window=500)
    t.send(bytes(5000))
    t.look("at once")
    t.times("later", 1, 3)


@case()
def window_shrinks(t):
    """The right edge moves left over what is in flight: nothing new, what is old comes again."""
    t.open(window=14600)
    size = t.full_size()
    t.send(bytes(14 * size))
    t.skip(lambda news: sum(len(p.data) for p in news) >= 10 * size)
    una = t.rcv - 10 * size
    t.put(ACK, ack=una + 2 * size, window=2 * size)
    t.note("at once", str(len(t.hear())))
    t.put(ACK, window=14600)
    t.note("opens again", str(len(t.hear(lambda news: len(news) >= 4))))


@case()
def nagle(t):
    t.open()
    t.s.option("nodelay", 0)
    for _ in range(3):
        t.send(b"x" * 10)
    t.look("three small sends")
    t.put(ACK)
    t.look("after the ACK")


@case()
def nodelay(t):
    t.open()
    t.s.option("nodelay", 1)
    for _ in range(3):
        t.send(b"x" * 10)
        t.barrier()
    t.look("three small sends")


@case()
def segments_of_a_write(t):
    t.open(sack=True, ts=True)
    t.send(bytes(5000))
    t.sizes("pieces", 5000)


@case()
def initial_window(t):
    t.open()
    t.send(bytes(60000))
    came = t.sizes(None, t.full_size() * 10)
    t.note("segments at first", str(len(came)))
    t.put(ACK)
    t.skip(lambda news: sum(len(p.data) for p in news) >= 1460)


# ---- timestamps ----

@case(what=("older", "older by 25 days", "the same", "missing", "newer out of order", "zero"))
def timestamp_is(t, what):
    """PAWS: a segment in order whose timestamp is so."""
    t.open(ts=True)
    t.stamp += 1000
    part(t, 0, 10)
    t.skip(acked(t, 10))
    shift = {"older": -500, "older by 25 days": -(25 * 86400 * 1000), "the same": 0,
             "newer out of order": 500, "missing": 0, "zero": -t.stamp}[what]
    saved, t.stamp = t.stamp, (t.stamp + shift) % 2 ** 32
    t.ts = what != "missing"
    part(t, 20 if what == "newer out of order" else 10, 10)
    t.ts, t.stamp = True, saved if shift < 0 else t.stamp
    t.look("answer", lambda news: bool(news), 0.5)
    part(t, 10, 10)
    t.look("good one", acked(t, 20), 1.0)


@case(what=("RST", "SYN", "ACK", "FIN"))
def old_timestamp_on(t, what):
    t.open(ts=True)
    t.stamp += 1000
    part(t, 0, 10)
    t.snd += 10
    t.skip(acked(t, 10))
    t.stamp -= 500
    t.put({"RST": 4, "SYN": SYN, "ACK": ACK, "FIN": FIN | ACK}[what])
    t.look("answer", lambda news: bool(news), 0.3)
    t.app("application")


# ---- ECN ----

@case()
def mark_is_echoed(t):
    """CE on data: ECE until CWR (RFC 3168 6.1.3)."""
    t.listen()
    t.syn(SYN | 64 | CWR)
    t.skip()
    t.put(ACK)
    t.accept()
    for i, (label, more) in enumerate((("plain", {"tos": 2}), ("marked", {"tos": 3}),
                                       ("still", {"tos": 2}), ("CWR", {"tos": 2}),
                                       ("after", {"tos": 2}))):
        t.put(ACK | PSH | (CWR if label == "CWR" else 0), seq=ISS + 1 + 10 * i,
              data=stream(10 * i, 10), **more)
        t.look(label, acked(t, 10 * i + 10), 1.0)


@case()
def echo_is_obeyed(t):
    """ECE on an ACK: CWR on new data, once."""
    t.listen()
    t.syn(SYN | 64 | CWR)
    t.skip()
    t.put(ACK)
    t.accept()
    t.send(bytes(1400))
    t.skip(lambda news: any(p.data for p in news))
    t.put(ACK | 64)
    t.skip()
    for label in ("after the echo", "then"):
        t.send(bytes(1400))
        t.look(label, lambda news: any(p.data for p in news))
        t.put(ACK)
        t.skip()
