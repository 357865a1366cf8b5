# SPDX-License-Identifier: BSD-3-Clause
"""Ends: closes in every order, resets, TIME_WAIT and who may reopen it, ICMP, timers of seconds."""

import socket

import frames
from differential.cases import case
from differential.talk import ACK, FIN, ISS, PSH, RST, SYN
from frames import mss, stamps

WR = socket.SHUT_WR


@case()
def four_way_close_by_them(t):
    t.open()
    t.s.shutdown(WR)
    t.look("FIN", lambda news: bool(news))
    t.put(ACK)
    t.look("ACK of it")
    t.note("state", t.state())
    t.data(b"", flags=FIN | ACK)
    t.look("answer to our FIN", lambda news: bool(news))
    t.note("state then", t.state())


@case()
def four_way_close_by_us(t):
    t.open()
    t.data(b"", flags=FIN | ACK)
    t.look("answer to our FIN", lambda news: bool(news))
    t.app("application")
    t.s.close()
    t.look("FIN", lambda news: bool(news))
    t.put(ACK)
    t.look("ACK of it")
    t.note("state", t.state())


@case()
def fin_and_ack_in_one(t):
    t.open()
    t.s.shutdown(WR)
    t.skip(lambda news: bool(news))
    t.data(b"", flags=FIN | ACK)
    t.look("answer", lambda news: bool(news))
    t.note("state", t.state())


@case()
def half_close(t):
    """They have closed; data still goes both ways until we do."""
    t.open()
    t.s.shutdown(WR)
    t.skip(lambda news: bool(news))
    t.put(ACK)
    t.data(b"late data")
    t.look("answer", lambda news: any(p.ack == t.snd for p in news))
    t.app("application")
    t.note("send", t.send(b"x"))


@case()
def half_close_by_us(t):
    t.open()
    t.close_wait()
    t.note("send", t.send(b"answer"))
    t.look("data", lambda news: any(p.data for p in news))
    t.put(ACK)
    t.s.shutdown(WR)
    t.look("FIN", lambda news: any(p.flags & FIN for p in news))
    t.put(ACK)
    t.skip()
    t.note("state", t.state())


@case()
def simultaneous_close(t):
    t.open()
    t.fin_wait_1()
    t.data(b"", flags=FIN | ACK, ack=t.rcv - 1)
    t.look("crossing FIN", lambda news: bool(news))
    t.note("state", t.state())
    t.put(ACK)
    t.look("ACK")
    t.note("state then", t.state())


@case()
def data_and_fin_of_one_send(t):
    """A write and a close at once: FIN beside the last data or behind it."""
    t.open()
    t.s.option("nodelay", 1)
    t.send(b"goodbye")
    t.s.shutdown(WR)
    came = t.hear(lambda news: any(p.flags & FIN for p in news))
    end = max((p.seq + len(p.data) + bool(p.flags & FIN) for p in came), default=0)
    t.note("octets and FIN", str(end - t.iss - 1))


@case()
def close_with_unread_data(t):
    t.open()
    t.data(b"unread")
    t.skip(lambda news: bool(news))
    t.s.close()
    t.look("answer", lambda news: bool(news))
    t.note("state", t.state())


@case()
def close_with_linger_zero(t):
    t.open()
    t.s.linger(1, 0)
    t.s.close()
    t.look("answer", lambda news: bool(news))
    t.note("state", t.state())


@case()
def close_with_linger_zero_and_unsent_data(t):
    t.open(window=0)
    t.send(b"never sent")
    t.s.linger(1, 0)
    t.s.close()
    t.look("answer", lambda news: any(p.flags & RST for p in news))


@case(state=("FIN_WAIT_1", "FIN_WAIT_2"))
def data_after_close(t, state):
    t.open()
    t.s.close()
    t.skip(lambda news: any(p.flags & FIN for p in news))
    if state == "FIN_WAIT_2":
        t.put(ACK)
        t.skip()
    t.put(ACK | PSH, data=b"to nobody", ack=t.rcv - (state == "FIN_WAIT_1"))
    t.look("answer", lambda news: bool(news), 0.5)
    t.note("state", t.state())


@case()
def send_after_reset(t):
    t.open()
    t.put(RST)
    t.skip()
    t.note("first recv", t.told(t.s.recv, 100))
    t.note("second recv", t.told(t.s.recv, 100))
    t.note("send", t.send(b"x"))
    t.note("events", t.events())


@case()
def error_of_a_reset(t):
    t.open()
    t.put(RST)
    t.skip()
    t.note("events", t.events())
    t.note("SO_ERROR", str(t.s.option("error")))
    t.note("SO_ERROR again", str(t.s.option("error")))
    t.note("recv", t.told(t.s.recv, 100))


@case()
def listener_is_closed(t):
    t.listen()
    t.listener.close()
    t.sockets.remove(t.listener)
    t.syn()
    t.look("SYN")
    t.put(ACK, seq=5000, ack=6000)
    t.look("ACK")
    t.put(FIN | PSH, seq=5000, data=b"abc")
    t.look("FIN with data")


@case()
def listener_is_closed_before_the_ack(t):
    t.syn_rcvd()
    t.listener.close()
    t.sockets.remove(t.listener)
    t.put(ACK)
    t.look("ACK", lambda news: bool(news), 0.5)


@case()
def listener_is_closed_before_accept(t):
    t.syn_rcvd()
    t.put(ACK)
    t.skip()
    t.listener.close()
    t.sockets.remove(t.listener)
    t.look("reset", lambda news: bool(news))


# ---- TIME_WAIT ----

@case(what=("higher sequence number", "lower sequence number", "newer timestamp, lower",
            "older timestamp, higher", "same timestamp, higher", "no timestamp, higher"))
def reopen_with(t, what):
    with_ts = "timestamp" in what
    t.open(ts=with_ts)
    t.stamp += 10
    t.time_wait()
    seq = t.snd + (100_000 if "higher" in what else -100_000)
    t.stamp += 5000 if "newer" in what else -5000 if "older" in what else 0
    stamped = with_ts and "no" not in what
    t.put(SYN, seq=seq, options=mss(1460) + (stamps(t.stamp, 0) + b"\1\1" if stamped else b""))
    came = t.hear()
    t.note("answer", "; ".join(t.describe(p).split(" ts(")[0] for p in came) or "nothing")
    t.note("state", t.state())


@case()
def time_wait_acknowledges_a_fin_again(t):
    t.open()
    t.time_wait()
    t.put(FIN | ACK, seq=t.snd - 1)
    t.look("FIN again")
    t.put(ACK)
    t.look("ACK")


# ---- RFC 5961 5: throttled challenges ----

@case(what=("RST", "SYN"))
def ten_at_once(t, what):
    """How many of ten blind segments are answered."""
    t.open()
    for i in range(10):
        t.put(RST if what == "RST" else SYN, seq=t.snd + 100 + i)
    came = t.hear()
    t.note("challenges", str(len(came)))


# ---- ICMP ----

@case(error=tuple(frames.ERRORS))
def icmp_in_syn_sent(t, error):
    t.syn_sent()
    t.icmp(error, 1400)
    t.look("answer")
    t.app("application", receive=False)
    t.note("SO_ERROR", str(t.s.option("error")))


@case(error=tuple(e for e in frames.ERRORS if e != "too big"))
def icmp_in_established(t, error):
    t.open()
    t.send(b"hello")
    t.skip(lambda news: any(p.data for p in news))
    t.icmp(error, 1400)
    t.look("answer")
    t.app("application")
    t.put(ACK)
    t.skip()
    t.note("send", t.send(b"more"))
    t.look("data", lambda news: any(p.data for p in news))


@case(mtu=(0, 68, 552, 1280, 1400, 1500, 9000))
def packet_too_big(t, mtu):
    """The size of what is sent again, and then."""
    t.open()
    octets = 2 * t.full_size()
    t.send(bytes(octets))
    t.skip(lambda news: sum(len(p.data) for p in news) >= octets)
    t.icmp("too big", mtu, quoted=next(p.raw for p in t.sent if p.data))
    came = t.hear()
    t.note("again at once", str(max((len(p.data) for p in came), default=0)))
    t.put(ACK, ack=t.iss + 1 + octets)
    t.skip()
    t.send(bytes(2000))
    t.wait(lambda: sum(len(p.data) for p in t.news) >= 2000, 2)
    t.note("then", str(max((len(p.data) for p in t.gather()), default=0)))


@case()
def packet_too_big_of_another_flight(t):
    """RFC 5927: the quoted sequence number is not in flight."""
    t.open()
    t.send(bytes(1460))
    t.skip(lambda news: any(p.data for p in news))
    quoted = next(p.raw for p in t.sent if p.data)
    t.put(ACK)
    t.skip()
    t.icmp("too big", 1280, quoted=quoted)
    t.barrier()
    t.send(bytes(1460))
    t.sizes("pieces", 1460)


# ---- timers of seconds ----

@case(slow=True)
def syn_is_lost(t):
    t.connect()
    t.times("SYN", 4, 12)


@case(slow=True)
def syn_ack_is_lost(t):
    t.listen()
    t.syn()
    t.times("SYN-ACK", 4, 12)


@case(slow=True)
def fin_is_lost(t):
    t.open()
    t.s.shutdown(WR)
    t.times("FIN", 4, 9)


@case(slow=True, options=({"keepidle": 1, "keepintvl": 1, "keepcnt": 3},))
def keepalive(t, options):
    t.open()
    for name, value in {**options, "keepalive": 1}.items():
        t.s.option(name, value)
    t.times("probes", 3, 8)
    t.wait(lambda: any(p.flags & RST for p in t.news), 3)
    t.look("end")
    t.app("application")


@case(slow=True)
def user_timeout(t):
    t.open()
    t.s.option("user_timeout", 1500)
    t.send(b"nobody answers")
    t.skip(lambda news: any(p.data for p in news))
    t.until(lambda: t.state() == "gone", 8)
    t.app("application")
