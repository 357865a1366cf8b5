# SPDX-License-Identifier: BSD-3-Clause
"""Loss and windows of the sender: duplicates, SACK, timeouts, probes, idling; and IP's header."""

import socket

import frames
from differential.cases import case
from differential.talk import ACK, FIN, PSH, SYN

RTT_S = 0.2             # long against what a busy machine adds


def open_far(t, **how):
    """ESTABLISHED, on a path of a known round trip: no timeout comes between what is looked at."""
    t.syn_rcvd(how.get("ts", False), how.get("sack", False), None, **how.get("listener", {}))
    t.rest(RTT_S)
    t.put(ACK)
    t.accept()
    return t.full_size()


def flight(t, segments, **how):
    """So many full segments in flight, on a path of a known round trip: (SND.UNA, their size)."""
    size = open_far(t, **how)
    for octets in (size, size * segments):
        t.send(bytes(octets))
        t.skip(lambda news, n=octets: sum(len(p.data) for p in news) >= n)
        if octets == size:
            t.rest(RTT_S)
            t.put(ACK)
    t.rest(RTT_S / 2)
    return t.rcv - size * segments, size


def first_again(t, una):
    return lambda news: any(p.seq == una % 2 ** 32 for p in news)


@case()
def three_duplicates(t):
    """Fast retransmit without SACK."""
    una, _ = flight(t, 8)
    for i in range(3):
        t.put(ACK, ack=una)
        came = t.hear()
        again = [p for p in came if p.seq == una % 2 ** 32]
        t.note(f"duplicate {i + 1}", f"{len(again)} again, {len(came) - len(again)} new")
    t.info("info", "lost", "retrans")


@case(blocks=(1, 2, 3, 4))
def sack_of(t, blocks):
    """A hole at the front, so many segments behind it reported one by one."""
    una, size = flight(t, 8, sack=True)
    for i in range(blocks):
        t.put(ACK, ack=una, options=b"\1\1" + frames.sack(una + size, una + size * (i + 2)))
    came = t.hear()
    t.note("the front again", str(len([p for p in came if p.seq == una % 2 ** 32])))
    t.info("info", "sacked", "lost", "retrans")
    t.put(ACK)
    t.skip()
    t.info("info after", "unacked", "sacked", "lost", "retrans")


@case()
def sack_of_two_holes(t):
    """Segments 0 and 4 of ten are missing: which come again, and in which order."""
    una, size = flight(t, 10, sack=True)
    t.put(ACK, ack=una, options=b"\1\1" + frames.sack(una + 5 * size, una + 10 * size,
                                                      una + size, una + 4 * size))
    came = t.hear(lambda news: len(news) >= 2, RTT_S / 2)
    t.note("again", ", ".join(str((p.seq - una) % 2 ** 32 // size) for p in came))
    t.info("info", "unacked", "sacked", "lost", "retrans")


@case()
def tail_loss_probe(t):
    """Nothing comes back: the last segment again, before the timeout; a SACK of it tells of the
    others."""
    una, size = flight(t, 4, sack=True)
    came = t.hear(lambda news: bool(news), 2)
    t.note("probe", ", ".join(str((p.seq - una) % 2 ** 32 // size) for p in came[:1]))
    t.info("info", "lost", "retrans")
    t.put(ACK, ack=una, options=b"\1\1" + frames.sack(una + 3 * size, una + 4 * size))
    came = t.hear(lambda news: bool(news), 1)
    t.note("then", ", ".join(str((p.seq - una) % 2 ** 32 // size) for p in came[:1]))


@case(slow=True)
def timeout_of_data(t):
    """Without SACK: the first segment again and again."""
    t.open()
    t.send(b"hello")
    t.skip(lambda news: any(p.data for p in news))
    t.times("again", 4, 9)
    t.info("info", "unacked", "lost", "retrans")


@case(slow=True)
def timeout_of_a_flight(t):
    """All are lost: what comes after the timeout, and after its ACK."""
    una, size = flight(t, 6)
    came = t.hear(first_again(t, una), 3)
    t.note("timeout", f"{len(came)} of {len(came[0].data) if came else 0}")
    t.put(ACK, ack=una + size)
    came = t.hear(lambda news: len(news) >= 2)
    t.note("slow start", ", ".join(str((p.seq - una) // size) for p in came[:2]))


def numbers(came, una, size):
    """Which segments, counted from SND.UNA, and again or new does not matter."""
    return ", ".join(str(round(((p.seq - una) % 2 ** 32) / size, 2)).removesuffix(".0")
                     for p in came if p.data) or "none"


@case()
def limited_transmit(t):
    """More is queued than the window of congestion lets out: each duplicate lets one out."""
    size = open_far(t)
    t.send(bytes(size * 16))
    t.skip(lambda news: len(news) >= 10)
    una = t.rcv - 10 * size
    came = []
    for _ in range(4):
        t.put(ACK, ack=una)
        came += t.hear()
    again = [p for p in came if p.seq == una % 2 ** 32]
    t.note("again", str(len(again)))
    t.note("new data", "some" if len(came) > len(again) else "none")


@case()
def duplicates_with_other_windows(t):
    """A window update is no duplicate."""
    una, size = flight(t, 8)
    for i in range(4):
        t.put(ACK, ack=una, window=60000 + i)
    t.note("again", numbers(t.hear(), una, size))


@case()
def partial_ack(t):
    """NewReno: the first and the fifth of eight are lost."""
    una, size = flight(t, 8)
    for _ in range(6):
        t.put(ACK, ack=una)
    t.note("three duplicates", numbers(t.hear(), una, size))
    t.rest(RTT_S / 2)
    t.put(ACK, ack=una + 4 * size)
    t.note("partial ACK", numbers(t.hear(), una, size))
    t.put(ACK, ack=una + 8 * size)
    t.note("all", numbers(t.hear(), una, size))


@case(edges=("beyond", "before", "empty", "reversed", "of the future"))
def impossible_sack(t, edges):
    """Blocks that cannot be: nothing is sent, nothing is believed."""
    una, size = flight(t, 6, sack=True)
    end = una + 6 * size
    chosen = {"beyond": (end - size, end + size), "before": (una - 5000, una - 4000),
              "empty": (una + size, una + size), "reversed": (una + 2 * size, una + size),
              "of the future": (end + 100_000, end + 200_000)}[edges]
    for _ in range(3):
        t.put(ACK, ack=una, options=b"\1\1" + frames.sack(*chosen))
    t.note("sent", numbers(t.hear(), una, size))
    t.info("info", "sacked")


@case(slow=True)
def timeout_with_sack(t):
    """Segments 2 and 3 of six were reported; after the timeout, and its ACK, what comes again."""
    una, size = flight(t, 6, sack=True)
    t.put(ACK, ack=una, options=b"\1\1" + frames.sack(una + 2 * size, una + 4 * size))
    came = t.hear(lambda news: len(news) >= 1, 3)
    t.note("first", numbers(came[:1], una, size))
    t.rest(RTT_S)
    t.put(ACK, ack=una + size, options=b"\1\1" + frames.sack(una + 2 * size, una + 4 * size))
    t.rest(RTT_S / 2)
    t.put(ACK, ack=una + 4 * size)
    t.rest(RTT_S / 2)
    came = [p for p in t.hear() if p.data]
    t.note("others again", ", ".join(sorted({numbers([p], una, size) for p in came})))


def each_acknowledged(t, size):
    """Of what has come, every segment by an ACK of its own; how far that is."""
    t.skip()
    while t.una < t.rcv:
        t.put(ACK, ack=min(t.una + size, t.rcv))
    return t.una


@case(slow=True)
def restart_after_idling(t):
    """The first flight after two seconds without data (RFC 5681 4.1)."""
    una, size = flight(t, 10)
    t.send(bytes(size * 60))
    t.until(lambda: each_acknowledged(t, size) >= una + 70 * size, 10)
    t.rest(2)
    t.skip()
    t.send(bytes(size * 40))
    t.skip(lambda news: len(news) >= 10)
    t.note("segments", str(round((t.rcv - t.una) / size)))


@case()
def old_segment_with_a_window(t):
    """SND.WL1: what was sent earlier does not take the window back."""
    t.open(window=10000)
    t.data(b"0123456789")
    t.skip(lambda news: any(p.ack == t.snd % 2 ** 32 for p in news))
    t.put(ACK | PSH, seq=t.snd - 10, data=b"0123456789", window=0)
    t.skip()
    t.send(b"hello")
    t.look("data", lambda news: any(p.data for p in news), 0.15)


@case()
def old_ack_with_a_window(t):
    """SND.WL2: nor does an older ACK."""
    t.open(window=10000)
    t.send(b"first")
    t.skip(lambda news: any(p.data for p in news))
    t.put(ACK)
    t.skip()
    t.put(ACK, ack=t.rcv - 5, window=0)
    t.skip()
    t.send(b"hello")
    t.look("data", lambda news: any(p.data for p in news), 0.15)


@case()
def fin_at_a_closed_window(t):
    t.open(window=0)
    t.s.shutdown(socket.SHUT_WR)
    t.look("at once")
    t.put(ACK, window=1000)
    t.look("window opens", lambda news: any(p.flags & FIN for p in news))
    t.note("state", t.state())


@case()
def data_and_fin_at_a_closed_window(t):
    t.open(window=0)
    t.send(b"hello")
    t.s.shutdown(socket.SHUT_WR)
    t.look("at once")
    t.put(ACK, window=1000)
    came = t.hear(lambda news: any(p.flags & FIN for p in news))
    t.note("window opens", str(t.rcv - t.iss - 1) + " octets with the FIN")
    t.note("segments", str(len([p for p in came if p.data or p.flags & FIN])))


@case()
def fin_is_acknowledged_in_part(t):
    """Data and FIN are out, the ACK is of the data: the state stays."""
    t.open()
    t.send(b"hello")
    t.s.shutdown(socket.SHUT_WR)
    t.skip(lambda news: any(p.flags & FIN for p in news))
    t.put(ACK, ack=t.rcv - 1)
    t.look("ACK of the data")
    t.note("state", t.state())
    t.put(ACK)
    t.look("ACK of the FIN")
    t.note("state then", t.state())


@case()
def reading_is_shut_down(t):
    t.open()
    t.s.shutdown(socket.SHUT_RD)
    t.look("at once")
    t.data(b"for nobody")
    t.look("data", lambda news: bool(news), 0.5)
    t.app("application")


@case()
def backlog_is_full(t):
    """Of four handshakes with a backlog of one, how many are established."""
    t.listen()
    t.listener.listen(1)
    t.note("established", str(t.handshakes(4)))


@case(what=("SYN-ACK", "ACK", "data", "RST", "TIME_WAIT"))
def header_of_ip(t, what):
    if what == "RST":
        t.put(ACK, ack=7777)
    else:
        (t.syn_rcvd if what == "SYN-ACK" else t.open)()
    if what == "SYN-ACK":
        t.syn()
    elif what == "ACK":
        t.put(ACK, seq=t.snd - 1)
    elif what == "data":
        t.send(b"hello")
    elif what == "TIME_WAIT":
        t.time_wait()
        t.put(FIN | ACK, seq=t.snd - 1)
    p = t.hear(lambda news: bool(news))[-1]
    flags = "" if t.family == 6 else (", DF" if p.raw[6] & 0x40 else ", no DF") + (
        ", id 0" if p.raw[4:6] == b"\0\0" else ", an id")
    t.note("header", f"ttl {p.ttl}, tos {p.tos:#x}{flags}")
