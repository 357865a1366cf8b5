# SPDX-License-Identifier: BSD-3-Clause
"""Octets of a scripted peer: TCP segments, ICMP errors, echo requests, answers to ARP and NDP.

Owns no socket and no state. What arrives is parsed by remote_client.Packet.
"""

import array
import socket
import struct

PEER_MAC = bytes.fromhex("020000007701")
IP4, ARP, IP6 = 0x0800, 0x0806, 0x86dd
TCP, ICMP4, ICMP6 = 6, 1, 58
ECHO = {4: (8, 0), 6: (128, 129)}              # request, reply
NS, NA = 135, 136

# Errors by name: (type, code) of either family.
ERRORS = {
    "host": {4: (3, 1), 6: (1, 3)},             # soft (RFC 1122 4.2.3.9)
    "admin": {4: (3, 13), 6: (1, 1)},
    "protocol": {4: (3, 2), 6: (4, 1)},         # hard
    "port": {4: (3, 3), 6: (1, 4)},
    "too big": {4: (3, 4), 6: (2, 0)},
    "time exceeded": {4: (11, 0), 6: (3, 0)},
    "source quench": {4: (4, 0), 6: (100, 0)},
}


def checksum(octets):
    """RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(array.array("H", octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return socket.ntohs(~total & 0xffff)


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def pseudo(src, dst, protocol, length):
    return packed(src) + packed(dst) + struct.pack("!II", length, protocol)


def ip(src, dst, protocol, payload, tos=0, df=True):
    if ":" in src:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload), protocol, 64) + \
            packed(src) + packed(dst) + payload
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), 0, 0x4000 if df else 0, 64,
                       protocol, 0) + packed(src) + packed(dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp(src, dst, fields, options=b"", data=b"", offset=None, damage=0):
    """fields: ports, seq, ack, flags, window, urgent; `damage` is added to the checksum."""
    sport, dport, seq, ack, flags, window, urgent = fields
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4 if offset is None else offset
    head = struct.pack("!HHIIBBHHH", sport, dport, seq % 2 ** 32, ack % 2 ** 32, words << 4, flags,
                       window, 0, urgent)
    made = head + options + data
    total = (checksum(pseudo(src, dst, TCP, len(made)) + made) + damage) & 0xffff
    return made[:16] + struct.pack("!H", total) + made[18:]


def is_good_tcp(packet, src, dst):
    """Does the checksum of a TCP segment, without its IP header, hold?"""
    return checksum(pseudo(src, dst, TCP, len(packet)) + packet) == 0


def icmp(src, dst, kind, rest):
    """kind: (type, code); rest: what follows the checksum."""
    body = struct.pack("!BBH", *kind, 0) + rest
    before = pseudo(src, dst, ICMP6, len(body)) if ":" in src else b""
    body = body[:2] + struct.pack("!H", checksum(before + body)) + body[4:]
    return ip(src, dst, ICMP6 if ":" in src else ICMP4, body)


def error(src, dst, name, quoted, mtu=0):
    family = 6 if ":" in src else 4
    kind = ERRORS[name][family]
    second = struct.pack("!HH", 0, mtu) if family == 4 else struct.pack("!I", mtu)
    return icmp(src, dst, kind, second + quoted[:60 + 8 if family == 6 else 28])


def echo(src, dst, number):
    return icmp(src, dst, (ECHO[6 if ":" in src else 4][0], 0), struct.pack("!HH", 77, number))


def neighbour_answer(frame):
    """The answer to an ARP or NDP question for any address, or None."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == ARP and frame[20:22] == b"\0\1":
        asker, asked = frame[22:32], frame[38:42]
        return frame[6:12] + PEER_MAC + frame[12:20] + b"\0\2" + PEER_MAC + asked + asker
    if kind == IP6 and frame[20] == ICMP6 and frame[54] == NS and any(frame[22:38]):
        asked = socket.inet_ntop(socket.AF_INET6, frame[62:78])
        asker = socket.inet_ntop(socket.AF_INET6, frame[22:38])
        body = icmp(asked, asker, (NA, 0), b"\x60\0\0\0" + packed(asked) + b"\2\1" + PEER_MAC)
        return frame[6:12] + PEER_MAC + b"\x86\xdd" + body[:7] + b"\xff" + body[8:]
    return None


# ---- options ----

def mss(value):
    return struct.pack("!BBH", 2, 4, value)


def wscale(value):
    return bytes((3, 3, value))


def stamps(value, echo_reply):
    return struct.pack("!BBII", 8, 10, value % 2 ** 32, echo_reply % 2 ** 32)


def sack(*edges):
    return bytes((5, 2 + 4 * len(edges))) + b"".join(struct.pack("!I", e % 2 ** 32) for e in edges)


SACK_OK, NOP, EOL = b"\4\2", b"\1", b"\0"
