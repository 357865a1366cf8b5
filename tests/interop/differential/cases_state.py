# SPDX-License-Identifier: BSD-3-Clause
"""Every synchronized state against the segments that RFC 9293 3.10.7.4 and RFC 5961 tell apart."""

from differential.cases import case
from differential.talk import ACK, FIN, PSH, RST, SYN, URG

STATES = ("established", "fin_wait_1", "fin_wait_2", "close_wait", "last_ack", "closing",
          "time_wait")


def at(flags, where, data=b"", ack=None):
    """A segment `where` from RCV.NXT on, or at the right edge and so far from it."""
    def put(t):
        seq = t.edge + where[1] if isinstance(where, tuple) else t.snd + where
        t.put(flags, seq=seq, data=data, ack=None if ack is None else t.rcv + ack)
    return put


EVENTS = {
    "RST exact": at(RST, 0),
    "RST one left": at(RST, -1),
    "RST inside": at(RST, 100),
    "RST last in window": at(RST, ("edge", -1)),
    "RST at the edge": at(RST, ("edge", 0)),
    "RST beyond": at(RST, 200_000),
    "RST exact with data": at(RST, 0, b"why"),
    "SYN exact": at(SYN, 0),
    "SYN left": at(SYN, -1000),
    "SYN inside": at(SYN, 100),
    "SYN beyond": at(SYN, 200_000),
    "SYN+ACK exact": at(SYN | ACK, 0),
    "ACK of unsent": at(ACK, 0, ack=1000),
    "data that acknowledges unsent": at(ACK | PSH, 0, b"hello", ack=1000),
    "ACK old": at(ACK, 0, ack=-1),
    "data with too old an ACK": at(ACK | PSH, 0, b"hello", ack=-200_000),
    "ACK one left": at(ACK, -1),
    "ACK far left": at(ACK, -100_000),
    "ACK at the edge": at(ACK, ("edge", 0)),
    "ACK beyond": at(ACK, 200_000),
    "data exact": at(ACK | PSH, 0, b"hello"),
    "data left": at(ACK | PSH, -5, b"hello"),
    "data beyond": at(ACK | PSH, 200_000, b"hello"),
    "data without ACK": at(PSH, 0, b"hello"),
    "no flag": at(0, 0),
    "FIN without ACK": at(FIN, 0),
    "FIN exact": at(FIN | ACK, 0),
    "FIN again": at(FIN | ACK, -1),
    "FIN out of order": at(FIN | ACK, 10),
    "FIN beyond": at(FIN | ACK, 200_000),
    "URG": at(ACK | URG, 0),
}


def bring(t, state):
    t.open()
    if state != "established":
        getattr(t, state)()


def meets(t, state, event):
    bring(t, state)
    EVENTS[event](t)
    # a delayed ACK comes within half a second; what is not acknowledged is waited for in vain
    waits = event in ("data exact", "FIN exact") and state in ("established", "fin_wait_1",
                                                               "fin_wait_2")
    t.look("answer", (lambda news: bool(news)) if waits else None)
    t.app("application")


for _state in STATES:
    def _meets(t, event, state=_state):
        meets(t, state, event)
    _meets.__name__ = f"{_state.upper()}_gets".replace("_", " ")
    case(event=tuple(EVENTS))(_meets)
