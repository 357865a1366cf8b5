# SPDX-License-Identifier: BSD-3-Clause
"""The other end of a memif, without DPDK: it connects in a millisecond, and may die at any moment.

    peer = Client(path, queues=2)       # to an engine at role=server: its own region, its rings
    peer.fill(frames)                   # every buffer of every ring towards the engine
    peer.pour(0.05)                     # as fast as the engine takes them, for so many seconds
    peer.moved                          # of each ring: has the engine taken or sent anything yet?
    peer.hang_up()                      # the socket is closed, the rings go on living here

    server = Server(path)               # for an engine at role=client; made before it
    server.accept()                     # each time that it connects
    server.pour(0.05, frame)            # server.moved: of each ring that the engine sends by

An index of a ring has sixteen bits and is 0 again and again under load: it does not tell by itself
whether anything moved.

The protocol is memif 2.0: messages of 128 octets over a SOCK_SEQPACKET socket, rings and buffers in
one memfd of the client. Never sleeps between a look at a ring and the next one: under load the
engine is meant to be inside its driver. Read test_memif.py next.
"""

import array
import mmap
import os
import socket
import struct
import time

VERSION, COOKIE = 0x200, 0x3E31F20
ACK, HELLO, INIT, ADD_REGION, ADD_RING, CONNECT, CONNECTED = range(1, 8)
MESSAGE, NAME = 128, b"memif_peer.py"
RING_HEAD, RING_TAIL, RING_DESC = 6, 64, 128    # offsets in a ring; a descriptor has 16 octets
LOG2_SIZE, BUFFER = 8, 2048
SIZE = 1 << LOG2_SIZE
RING = RING_DESC + 16 * SIZE
PATIENCE_S = 10


class Link:
    """The control channel."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))

    @classmethod
    def accepted(cls, listener):
        link = cls.__new__(cls)
        link.socket, _ = listener.accept()
        link.socket.settimeout(PATIENCE_S)
        return link

    def send(self, kind, body=b"", fd=None):
        message = (struct.pack("<H", kind) + body).ljust(MESSAGE, b"\0")
        control = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                          array.array("i", [fd]))]
        self.socket.sendmsg([message], control)

    def expect(self, kind):
        message = self.socket.recv(MESSAGE)
        got = struct.unpack_from("<H", message)[0] if message else None
        if got != kind:
            raise ConnectionError(f"message {got} instead of {kind}: {message[2:].strip(bytes(1))}")

    def order(self, kind, body, fd=None):
        self.send(kind, body, fd)
        self.expect(ACK)


class Client:
    """A client of the engine's port: it owns the memory, and both directions of `queues` rings."""

    def __init__(self, path, queues=1):
        self.queues = queues
        self.octets = 2 * queues * (RING + SIZE * BUFFER)
        self.fd = os.memfd_create("memif_peer", os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, self.octets)
        self.memory = mmap.mmap(self.fd, self.octets)
        self.rings = [self.make_ring(number) for number in range(2 * queues)]
        self.link = Link(path)
        self.shake_hands()
        self.moved = [False] * len(self.rings)

    def make_ring(self, number):
        at = number * RING
        struct.pack_into("<IHH", self.memory, at, COOKIE, 1, 0)
        for slot in range(SIZE):
            struct.pack_into("<HHIII", self.memory, at + RING_DESC + 16 * slot, 0, 0, BUFFER,
                             self.buffer(number, slot), 0)
        return at

    def buffer(self, number, slot):
        return 2 * self.queues * RING + (number * SIZE + slot) * BUFFER

    def shake_hands(self):
        self.link.expect(HELLO)
        self.link.order(INIT, struct.pack("<HIB24s32s", VERSION, 0, 0, b"", NAME))
        self.link.order(ADD_REGION, struct.pack("<HQ", 0, self.octets), self.fd)
        for number, at in enumerate(self.rings):
            from_here = number < self.queues
            event = os.eventfd(0)       # never used: both ends poll
            self.link.order(ADD_RING, struct.pack("<HHHIBH", from_here, number % self.queues, 0,
                                                  at, LOG2_SIZE, 0), event)
            os.close(event)
        self.link.send(CONNECT, NAME)
        self.link.expect(CONNECTED)

    def get(self, at):
        return struct.unpack_from("<H", self.memory, at)[0]

    def put(self, at, value):
        struct.pack_into("<H", self.memory, at, value & 0xffff)

    def fill(self, frames):
        """Buffers towards the engine hold these frames by turns, and stay so."""
        for number in range(self.queues):
            for slot in range(SIZE):
                frame, at = frames[slot % len(frames)], self.buffer(number, slot)
                self.memory[at:at + len(frame)] = frame
                struct.pack_into("<I", self.memory, self.rings[number] + RING_DESC + 16 * slot + 4,
                                 len(frame))

    def turn(self):
        """Gives the engine every buffer that it has room for, and takes back what it filled."""
        for number, ring in enumerate(self.rings):
            tail = self.get(ring + RING_TAIL)
            self.moved[number] |= tail != 0
            self.put(ring + RING_HEAD, tail + SIZE)

    def pour(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(16):
                self.turn()

    def hang_up(self):
        self.link.socket.close()

    def end(self):
        self.hang_up()
        self.memory.close()
        os.close(self.fd)


class Server:
    """A server for an engine at role=client, which owns the memory. It listens before it accepts,
    and may go away altogether and come back with listen()."""

    def __init__(self, path):
        self.path = str(path)
        self.listener = self.link = None
        self.listen()

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.settimeout(PATIENCE_S)
        self.listener.bind(self.path)
        self.listener.listen(1)

    def deafen(self):
        """Nobody listens any more."""
        self.listener.close()
        os.unlink(self.path)

    def accept(self):
        """The engine connects: its memory, and its rings by direction."""
        self.link = Link.accepted(self.listener)
        self.memory, self.here, self.there = None, [], []
        self.link.send(HELLO, struct.pack("<32sHHHHHB", NAME, VERSION, VERSION, 255, 254, 254, 14))
        while not self.hear():
            pass
        self.moved = [False] * len(self.there)

    def hear(self):
        """One message of the engine's, answered. True: it was the last one."""
        message, control, _, _ = self.link.socket.recvmsg(MESSAGE, socket.CMSG_SPACE(4))
        fds = array.array("i", b"".join(data for _, _, data in control))
        kind = struct.unpack_from("<H", message)[0] if message else None
        if kind == ADD_REGION:
            self.memory = mmap.mmap(fds[0], struct.unpack_from("<Q", message, 4)[0])
        elif kind == ADD_RING:
            from_engine, _, _, at, log2_size = struct.unpack_from("<HHHIB", message, 2)
            (self.there if from_engine else self.here).append((at, 1 << log2_size))
        elif kind not in (INIT, CONNECT):
            raise ConnectionError(f"message {kind}")
        for fd in fds:
            os.close(fd)
        self.link.send(CONNECTED if kind == CONNECT else ACK, NAME if kind == CONNECT else b"")
        return kind == CONNECT

    def get(self, at):
        return struct.unpack_from("<H", self.memory, at)[0]

    def put(self, at, value):
        struct.pack_into("<H", self.memory, at, value & 0xffff)

    def turn(self, frame):
        """All buffers that the engine has for us get the frame; all that it sent is taken."""
        for at, size in self.here:
            tail, head = self.get(at + RING_TAIL), self.get(at + RING_HEAD)
            while tail != head:
                desc = at + RING_DESC + 16 * (tail & (size - 1))
                where = struct.unpack_from("<I", self.memory, desc + 8)[0]
                self.memory[where:where + len(frame)] = frame
                struct.pack_into("<HHI", self.memory, desc, 0, 0, len(frame))
                tail = tail + 1 & 0xffff
            self.put(at + RING_TAIL, tail)
        for number, (at, _) in enumerate(self.there):
            head = self.get(at + RING_HEAD)
            self.moved[number] |= head != 0
            self.put(at + RING_TAIL, head)

    def pour(self, seconds, frame):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn(frame)

    def hang_up(self):
        self.link.socket.close()
