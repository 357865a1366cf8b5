# SPDX-License-Identifier: BSD-3-Clause
"""Handshakes: flags and options of SYNs, retransmitted SYNs, refusals, ECN, both roles."""

import frames
from differential.cases import case
from differential.talk import ACK, CWR, ECE, FIN, ISS, PSH, RST, SYN, URG
from frames import EOL, NOP, SACK_OK, mss, stamps, wscale

FLAGS = {"SYN": SYN, "SYN+FIN": SYN | FIN, "SYN+RST": SYN | RST, "SYN+URG": SYN | URG,
         "SYN+PSH": SYN | PSH, "SYN+ECE": SYN | ECE, "SYN+CWR": SYN | CWR,
         "SYN+ECE+CWR": SYN | ECE | CWR, "SYN+ACK": SYN | ACK, "ACK": ACK, "FIN": FIN, "RST": RST,
         "FIN+ACK": FIN | ACK, "RST+ACK": RST | ACK, "none": 0, "URG+PSH": URG | PSH,
         "all": SYN | FIN | RST | PSH | ACK | URG, "FIN+PSH+URG": FIN | PSH | URG}


@case(flags=tuple(FLAGS))
def listener_gets(t, flags):
    t.listen()
    t.put(FLAGS[flags], options=mss(1460), ack=7777)
    t.look("answer")
    t.note("state", t.state())


@case(flags=tuple(FLAGS))
def closed_port_gets(t, flags):
    t.put(FLAGS[flags], options=b"", ack=7777, data=b"abc")
    t.look("answer")


OPTIONS = {
    "none": b"",
    "mss 0": mss(0),
    "mss 1": mss(1),
    "mss 40": mss(40),
    "mss 536": mss(536),
    "mss 9000": mss(9000),
    "mss 65535": mss(65535),
    "mss twice": mss(500) + mss(800),
    "mss too short": b"\2\3\5" + NOP,
    "mss too long": b"\2\6\5\xb4\0\0",
    "mss of length 0": b"\2\0\5\xb4",
    "mss of length 1": b"\2\1\5\xb4",
    "mss beyond the header": NOP + NOP + b"\2\4",
    "mss unaligned": NOP + mss(700) + b"\xfd\3\1",
    "mss after EOL": EOL + b"\0\0\0" + mss(700),
    "unknown before mss": b"\xfd\6abcd" + mss(600) + NOP * 2,
    "unknown of length 0": b"\xfd\0" + mss(600) + NOP * 2,
    "all of Linux": mss(1460) + SACK_OK + stamps(5_000_000, 0) + NOP + wscale(7),
    "wscale 0": mss(1460) + wscale(0),
    "wscale 14": mss(1460) + wscale(14),
    "wscale 15": mss(1460) + wscale(15),
    "wscale 255": mss(1460) + wscale(255),
    "wscale twice": mss(1460) + wscale(2) + wscale(3),
    "timestamps only": stamps(5_000_000, 0),
    "timestamps of zero": mss(1460) + stamps(0, 0),
    "timestamps with an echo": mss(1460) + stamps(5_000_000, 12345),
    "timestamps too short": mss(1460) + b"\x08\x09" + bytes(7),
    "sack permitted": mss(1460) + SACK_OK,
    "sack permitted too long": mss(1460) + b"\4\3\0",
    "sack blocks in a SYN": mss(1460) + SACK_OK + frames.sack(ISS + 1, ISS + 2),
    "user timeout": mss(1460) + b"\x1c\4\0\x0a",
    "md5": mss(1460) + b"\x13\x12" + bytes(16),
    "fast open cookie request": mss(1460) + b"\x22\2",
    "40 octets of NOP": NOP * 40,
}


@case(options=tuple(OPTIONS))
def syn_with(t, options):
    """The answer, and how large the segments are that follow."""
    t.listen()
    t.my_scale = 0 if "wscale" in options or "Linux" in options else None
    t.syn(options=OPTIONS[options])
    t.look("SYN-ACK")
    t.ts = any(kind == 8 for kind, _ in t.options)
    t.put(ACK)
    t.accept()
    t.s.option("nodelay", 1)
    t.send(bytes(480))
    came = t.sizes("small segments", 480)
    if len(came) > 4:
        return                                  # too small for a flight that means anything
    t.put(ACK)
    t.skip()
    t.send(bytes(range(256)) * 8)
    t.sizes("large segments", 2048, 1.0)


@case(scale=tuple(range(16)), over=(4,))
def window_scale(t, scale):
    """A window of 100 << scale octets: how much is sent into it (the first flight aside)."""
    t.listen()
    t.syn(options=t.full(ts=False, sack=False, scale=scale))
    t.look("SYN-ACK")
    t.put(ACK, window=100)
    t.accept()
    t.skip()
    t.send(bytes(60000))
    came = t.sizes(None, min((100 << min(scale, 14)) // 1460, 10) * 1460)
    t.note("octets in flight", str(sum(len(p.data) for p in came)))


@case()
def order_of_the_options(t):
    t.listen()
    t.syn(options=t.full())
    p = t.look("SYN-ACK")[0]
    t.note("octets", p.options[:4].hex() + "".join(f" {kind}" for kind in p.options[4:6]))


@case()
def syn_with_data(t):
    t.listen()
    t.put(SYN, options=mss(1460), data=b"early")
    t.look("answer")
    t.snd = ISS + 1
    t.put(ACK, data=b"early")
    t.accept()
    t.look("handshake", lambda news: any(p.ack == t.snd + 5 for p in news))
    t.app("application")


@case()
def syn_again(t):
    t.syn_rcvd()
    t.syn()
    t.look("the same", again=True)
    t.syn(seq=ISS + 5000)
    t.look("another sequence number", again=True)
    t.note("state", t.state())


@case()
def syn_again_with_other_options(t):
    t.syn_rcvd(ts=True, sack=True, scale=3)
    t.ts = False
    t.syn(options=mss(1000))
    t.look("without them", again=True)


@case(offset=(-70000, -1, 0, 1, 1000, 70000))
def syn_rcvd_gets_ack_of(t, offset):
    """ACK numbers around the one that completes the handshake; what follows is not looked at."""
    t.syn_rcvd()
    t.put(ACK, ack=t.rcv + offset)
    t.look("answer")
    t.note("state", t.state())


@case(offset=(-70000, -1, 0, 1, 1000, 63000, 70000))
def syn_rcvd_gets_rst_at(t, offset):
    t.syn_rcvd()
    t.put(RST, seq=t.snd + offset)
    t.look("answer")
    t.note("state", t.state())


@case(what=("data", "data and FIN", "FIN", "data beyond", "no ACK flag", "old data"))
def syn_rcvd_gets(t, what):
    t.syn_rcvd()
    if what == "data":
        t.data(b"hello")
    elif what == "data and FIN":
        t.data(b"hello", flags=ACK | PSH | FIN)
    elif what == "FIN":
        t.data(b"", flags=ACK | FIN)
    elif what == "data beyond":
        t.put(ACK, seq=t.snd + 100_000, data=b"hello")
    elif what == "no ACK flag":
        t.put(PSH, data=b"hello")
    else:
        t.put(ACK, seq=t.snd - 20, data=b"hello")
    ended = t.snd % 2 ** 32
    t.look("answer", lambda news: any(p.ack == ended for p in news), 0.6)
    t.note("state", t.state())


@case()
def syn_ack_is_lost_and_data_comes(t):
    """The ACK of the handshake was lost: the first data completes it."""
    t.syn_rcvd()
    t.data(b"hello")
    t.accept()
    t.look("answer", lambda news: any(p.ack == t.snd for p in news))
    t.app("application")


@case(flags=("ECE", "CWR", "ECE+CWR", "none"))
def ecn_syn(t, flags):
    """RFC 3168 6.1.1.1: what is answered, and whether data is marked then."""
    t.listen()
    bits = (ECE if "ECE" in flags else 0) | (CWR if "CWR" in flags else 0)
    t.syn(SYN | bits)
    t.look("SYN-ACK")
    t.put(ACK)
    t.accept()
    t.note("send", t.send(b"data"))
    t.look("data", lambda news: any(p.data for p in news))
    t.info("options", "options")


@case()
def connect_is_refused(t):
    t.syn_sent()
    t.put(RST | ACK, seq=0)
    t.look("answer")
    t.app("application")


@case(what=("RST with a wrong ACK", "RST without ACK", "ACK in order", "ACK wrong", "FIN",
            "SYN+ACK with a wrong ACK", "SYN+ACK+FIN", "SYN+RST+ACK", "SYN+ACK with data",
            "SYN+ACK with URG", "data without ACK"))
def syn_sent_gets(t, what):
    t.syn_sent()
    opts = mss(1460)
    sends = {
        "RST with a wrong ACK": (RST | ACK, {"ack": t.rcv + 100}),
        "RST without ACK": (RST, {}),
        "ACK in order": (ACK, {}),
        "ACK wrong": (ACK, {"ack": t.rcv + 100}),
        "FIN": (FIN | ACK, {}),
        "SYN+ACK with a wrong ACK": (SYN | ACK, {"ack": t.rcv + 100, "options": opts}),
        "SYN+ACK+FIN": (SYN | ACK | FIN, {"options": opts}),
        "SYN+RST+ACK": (SYN | RST | ACK, {"options": opts}),
        "SYN+ACK with data": (SYN | ACK, {"options": opts, "data": b"hello"}),
        "SYN+ACK with URG": (SYN | ACK | URG, {"options": opts, "urgent": 1}),
        "data without ACK": (PSH, {"data": b"hello"}),
    }
    flags, more = sends[what]
    t.put(flags, **more)
    t.look("answer")
    t.app("application")


@case()
def simultaneous_open(t):
    t.syn_sent()
    t.syn()
    t.look("crossing SYN", again=True)
    t.put(ACK)
    t.look("ACK")
    t.app("application")


@case()
def simultaneous_open_with_syn_acks(t):
    t.syn_sent()
    t.syn()
    t.skip()
    t.put(SYN | ACK, seq=ISS, options=mss(1460))
    t.look("SYN-ACK")
    t.app("application")


@case()
def syn_of_a_client(t):
    t.connect()
    t.look("SYN", lambda news: bool(news))
    t.syn(SYN | ACK, options=t.full())
    t.look("ACK", lambda news: bool(news))


@case(options=("none", "timestamps", "wscale 15", "sack", "mss 30"))
def syn_ack_with(t, options):
    """Options of the SYN-ACK that answers a client, and what its data looks like then."""
    t.syn_sent()
    t.ts = False
    chosen = {"none": b"", "timestamps": mss(1460) + stamps(t.stamp, t.peer_stamp),
              "wscale 15": mss(1460) + wscale(15), "sack": mss(1460) + SACK_OK, "mss 30": mss(30)}
    t.syn(SYN | ACK, options=chosen[options])
    t.look("ACK", lambda news: bool(news))
    t.send(bytes(480))
    t.sizes("data", 480)


@case(damage=("checksum", "offset 4", "offset 15"))
def bad(t, damage):
    """A segment that is none: silence, and the good one counts."""
    t.listen()
    more = {"checksum": {"damage": 1}, "offset 4": {"offset": 4}, "offset 15": {"offset": 15}}
    t.put(SYN, options=mss(1460), **more[damage])
    t.look("answer")
    t.syn()
    t.look("the good one")
