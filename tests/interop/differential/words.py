# SPDX-License-Identifier: BSD-3-Clause
"""Words for what is seen of a segment: flags, numbers counted from the first ones, options, times
by classes. What differs by chance (windows, timestamps of theirs, milliseconds) has no word.
"""

from remote_client import ACK, FIN, PSH, RST, SYN, URG, kinds_of

ECE, CWR = 64, 128
ISS, STAMP0 = 1_000_000, 5_000_000              # the peer's first numbers
LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "A"), (URG, "U"), (ECE, "E"),
           (CWR, "W"))
KINDS = {2: "mss", 3: "ws", 4: "sackok", 8: "ts"}
CLASSES_MS = ((30, "at once"), (150, "0.1 s"), (350, "0.2 s"), (750, "0.5 s"), (1500, "1 s"),
              (3000, "2 s"), (6000, "4 s"), (12000, "8 s"))


def duration(seconds):
    for limit_ms, name in CLASSES_MS:
        if seconds * 1000 < limit_ms:
            return name
    return "longer"


def relative(number, base):
    if number == 0:
        return "zero"
    away = (number - base) % 2 ** 32
    return str(away - 2 ** 32 if away > 2 ** 31 else away)


def describe_options(p):
    made = []
    for kind, value in sorted(kinds_of(p.options)):
        name = KINDS.get(kind, f"kind{kind}")
        if kind == 2:
            name += f"={int.from_bytes(value, 'big')}"
        elif kind == 5:
            edges = [int.from_bytes(value[i:i + 4], "big") for i in range(0, len(value), 4)]
            name = "sack=" + ",".join(relative(e, ISS) for e in edges)
        elif kind == 8:
            name += f"({relative(int.from_bytes(value[4:], 'big'), STAMP0)})"
        made.append(name)
    return " ".join(made)


def describe(p, base):
    flags = "".join(letter for bit, letter in LETTERS if p.flags & bit)
    said = [flags or "none", f"seq={relative(p.seq, base)}"]
    if p.flags & ACK:
        said.append(f"ack={relative(p.ack, ISS)}")
    if p.data:
        said.append(f"len={len(p.data)}")
    if p.flags & RST == 0:
        said.append("closed" if p.window == 0 else "")
    said.append(describe_options(p))
    said.append("" if p.good else "BAD CHECKSUM")
    said.append({1: "ect1", 2: "ect0", 3: "ce"}.get(p.tos & 3, ""))
    return " ".join(s for s in said if s)
