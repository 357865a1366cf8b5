#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""TCP Fast Open (RFC 7413) with the Linux kernel, in both roles and over both families."""

import errno
import socket
import struct

import harness
from harness import ENGINE4, ENGINE6, KERNEL4, KERNEL6, PORTS
from remote_case import CLOSED, INTERFACE, PORT, RemoteCase
from remote_client import SYN, Wire, sockaddr

MSG_FASTOPEN, TCP_FASTOPEN, SYN_DATA = 0x20000000, 23, 32
KIND = 34
REQUEST = b"a request in a SYN"


def send_with_syn(s, data, address, port):
    """Our sendto(MSG_FASTOPEN)."""
    sa = sockaddr(address, port)
    payload = struct.pack("=I", len(sa)) + sa + data
    return s.call("SEND", MSG_FASTOPEN, 1, payload=payload)[0]


class FastOpen(RemoteCase):
    def setUp(self):
        super().setUp()
        self.net.sysctl("net.ipv4.tcp_fastopen", 3)           # of both families
        self.net.run("ip", "tcp_metrics", "flush", "all", check=False)
        self.remote.sysctl(tfo=3)
        self.wire = self.enterContext(Wire(self.net, INTERFACE))

    def syns(self, ours):
        return [p for p in self.wire.packets(sent=ours) if p.flags & SYN]

    # ---- the kernel opens ----

    def kernel_sends(self, address, port):
        """The kernel's sendto(MSG_FASTOPEN) of REQUEST: blocking, or it would not wait."""
        s = self.net.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.addCleanup(s.close)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 20, 0))
        s.sendto(REQUEST, MSG_FASTOPEN, (address, port))
        s.settimeout(20)
        return s

    def ask_echo(self, address):
        """To our echo and back; TCP_INFO's options of the connection."""
        with self.kernel_sends(address, PORTS["echo"]) as s:
            got = b""
            while len(got) < len(REQUEST):
                got += s.recv(100)
            self.assertEqual(got, REQUEST)
            return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 100)[5]

    def test_kernel_opens_with_data(self):
        for address in (ENGINE4, ENGINE6):
            opened = self.engine.counter("tfo.opened")
            self.assertEqual(self.ask_echo(address) & SYN_DATA, 0, "no cookie yet")
            self.assertEqual(self.engine.counter("tfo.opened"), opened)
            self.assertEqual(self.ask_echo(address) & SYN_DATA, SYN_DATA)
            self.assertEqual(self.engine.counter("tfo.opened"), opened + 1)
        asked, with_data = [p for p in self.syns(False) if p.dport == PORTS["echo"]][:2]
        granted, taken = [p for p in self.syns(True) if p.sport == PORTS["echo"]][:2]
        self.assertEqual(asked.option(KIND), b"")
        self.assertEqual(len(granted.option(KIND)), 8)
        self.assertEqual(with_data.option(KIND), granted.option(KIND))
        self.assertEqual(with_data.data, REQUEST)
        self.assertEqual(taken.ack, (with_data.seq + 1 + len(REQUEST)) % 2**32)
        self.assertIsNone(taken.option(KIND))

    def test_listener_without_the_option_grants_nothing(self):
        self.remote.listener(ENGINE4, PORT)
        self.kernel_sends(ENGINE4, PORT).close()
        self.assertIsNone(self.syns(True)[-1].option(KIND))

    def test_listener_of_sockets_has_the_data_at_accept(self):
        listener = self.remote.listener(ENGINE4, PORT)
        listener.set(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
        self.assertEqual(listener.get(socket.IPPROTO_TCP, TCP_FASTOPEN), 16)
        for with_syn in (False, True):
            with self.kernel_sends(ENGINE4, PORT) as s:
                child, _ = listener.accept()
                self.assertEqual(child.recv(100), REQUEST)
                self.assertEqual(child.info()["options"] & SYN_DATA, SYN_DATA * with_syn)
                child.send(b"answer")
                self.assertEqual(s.recv(100), b"answer")
                child.close()

    # ---- we open ----

    def kernel_server(self, address, qlen=16):
        listener = self.kernel_listener(address)
        listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, qlen)
        return listener

    def open_with(self, address, listener):
        """Sends REQUEST by MSG_FASTOPEN to the kernel's listener, which gets it and answers."""
        s = self.remote.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.assertEqual(send_with_syn(s, REQUEST, address, PORT), len(REQUEST))
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(20)
            got = b""
            while len(got) < len(REQUEST):
                got += peer.recv(100)
            self.assertEqual(got, REQUEST)
            peer.sendall(b"answer")
            self.assertEqual(s.recv(100), b"answer")
            s.close()

    def test_we_open_with_data(self):
        for address in (KERNEL4, KERNEL6):
            listener = self.kernel_server(address)
            taken = self.engine.counter("tfo.data_taken")
            self.open_with(address, listener)
            self.assertEqual(self.engine.counter("tfo.data_taken"), taken)
            self.open_with(address, listener)
            self.assertEqual(self.engine.counter("tfo.data_taken"), taken + 1)
        asked, with_data = [p for p in self.syns(True) if p.dport == PORT][:2]
        granted = next(p for p in self.syns(False) if p.sport == PORT)
        self.assertEqual(asked.option(KIND), b"")
        self.assertEqual(with_data.option(KIND), granted.option(KIND))
        self.assertEqual(with_data.data, REQUEST)

    def test_cookie_that_the_kernel_no_longer_knows(self):
        listener = self.kernel_server(KERNEL4)
        self.open_with(KERNEL4, listener)
        self.net.sysctl("net.ipv4.tcp_fastopen_key", "01234567-89abcdef-01234567-89abcdef")
        refused = self.engine.counter("tfo.data_refused")
        self.open_with(KERNEL4, listener)               # its data goes again, and is served
        self.assertEqual(self.engine.counter("tfo.data_refused"), refused + 1)
        taken = self.engine.counter("tfo.data_taken")
        self.open_with(KERNEL4, listener)               # by the new cookie
        self.assertEqual(self.engine.counter("tfo.data_taken"), taken + 1)

    def test_kernel_without_it(self):
        listener = self.kernel_listener()
        self.open_with(KERNEL4, listener)
        self.open_with(KERNEL4, listener)
        self.assertTrue(all(p.option(KIND) == b"" for p in self.syns(True)))

    def test_syns_with_data_vanish(self):
        listener = self.kernel_server(KERNEL4)
        self.open_with(KERNEL4, listener)
        lost = self.engine.counter("tfo.lost")
        self.drop("tcp flags & (syn|ack) == syn meta length > 80")
        self.open_with(KERNEL4, listener)               # a second later, without
        self.hear()
        self.assertEqual(self.engine.counter("tfo.lost"), lost + 1)
        held = self.engine.counter("tfo.held")
        self.open_with(KERNEL4, listener)
        self.assertEqual(self.engine.counter("tfo.held"), held + 1)

    def test_errors(self):
        s = self.remote.socket()
        with self.fails(errno.ECONNREFUSED):
            send_with_syn(s, REQUEST, KERNEL4, CLOSED)
        self.remote.sysctl(tfo=2)
        with self.fails(errno.EOPNOTSUPP):
            send_with_syn(self.remote.socket(), REQUEST, KERNEL4, CLOSED)


if __name__ == "__main__":
    harness.main()
