#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The control server: every operation against the Linux kernel as the peer, with Linux's errnos.
Options and knobs are in test_remote_options.py."""

import contextlib
import errno
import os
import select
import socket
import struct
import termios
import time

import harness
import remote_client
from harness import ENGINE4, ENGINE6, KERNEL4, KERNEL6
from netns import wait_for
from remote_case import CLOSED, INTERFACE, PORT, SILENT, RemoteCase
from remote_client import ACK, SYN, Remote, Wire

SIOCINQ, SIOCOUTQ = termios.FIONREAD, termios.TIOCOUTQ


class Connections(RemoteCase):
    def test_accept_waits_and_both_names_are_right(self):
        for address, kernel in ((ENGINE4, KERNEL4), (ENGINE6, KERNEL6)):
            listener = self.remote.listener(address, PORT)
            self.assertEqual(listener.name(), (address, PORT))
            waiting = self.in_thread(listener.on(self.another()).accept)
            time.sleep(0.2)
            self.assertTrue(waiting.running())
            with self.net.connect(address, PORT) as peer:
                s, who = waiting()
                self.assertEqual(who, peer.getsockname()[:2])
                self.assertEqual(who[0], kernel)
                self.assertEqual((s.name(), s.peer()), ((address, PORT), who))
                with self.fails(errno.EISCONN):
                    s.connect(KERNEL4 if ":" not in address else KERNEL6, PORT)
            s.close()
            listener.close()

    def test_two_calls_wait_for_one_listener(self):
        listener = self.remote.listener(ENGINE4, PORT)
        waiting = [self.in_thread(listener.on(self.another()).accept) for _ in range(2)]
        peers = [self.net.connect(ENGINE4, PORT) for _ in range(2)]
        ports = {w()[1][1] for w in waiting}
        self.assertEqual(ports, {p.getsockname()[1] for p in peers})
        for p in peers:
            p.close()

    def test_any_address_of_both_families(self):
        listener = self.remote.listener("::", PORT)
        with self.net.connect(ENGINE4, PORT) as peer:
            s, who = listener.accept()
            self.assertEqual(who, (f"::ffff:{KERNEL4}", peer.getsockname()[1]))
            s.close()

    def test_backlog_is_what_may_wait(self):
        self.remote.listener(ENGINE4, PORT, backlog=1)
        peers = [self.net.connect(ENGINE4, PORT) for _ in range(2)]
        wait_for("both are there", lambda: self.state(PORT) == ["ESTABLISHED"] * 2)
        late = self.net.socket()
        late.settimeout(0.7)
        with self.assertRaises(TimeoutError):
            late.connect((ENGINE4, PORT))
        for p in peers + [late]:
            p.close()

    def test_a_closed_listener_refuses_and_resets_who_waited(self):
        listener = self.remote.listener(ENGINE4, PORT)
        peer = self.net.connect(ENGINE4, PORT)
        wait_for("it is accepted", lambda: "ESTABLISHED" in self.state(PORT))
        listener.close()
        with self.assertRaises(ConnectionResetError):
            peer.recv(1)
        with self.assertRaises(ConnectionRefusedError):
            self.net.connect(ENGINE4, PORT)
        peer.close()

    def test_bind_and_listen_errors(self):
        self.remote.listener(ENGINE4, PORT)
        s = self.remote.socket()
        with self.fails(errno.EADDRINUSE):
            s.bind(ENGINE4, PORT)
        with self.fails(errno.EADDRINUSE):
            s.bind("0.0.0.0", PORT)
        with self.fails(errno.EADDRNOTAVAIL):
            s.bind("10.77.0.77", PORT)
        with self.fails(errno.EAFNOSUPPORT):
            s.bind(ENGINE6, PORT)
        with self.fails(errno.EINVAL):
            s.call("BIND", payload=b"\x02\x00")
        s.bind(ENGINE4, 0)
        self.assertGreater(s.name()[1], 1023)
        with self.fails(errno.EINVAL):
            s.bind(ENGINE4, PORT + 1)
        with self.fails(errno.EINVAL):
            s.accept()
        on_serve = self.remote.socket()         # the port of serve's echo
        on_serve.bind("0.0.0.0", harness.PORTS["echo"])
        self.remote.call("SYSCTL", payload=b"delack=0")
        with self.fails(errno.EAFNOSUPPORT):
            self.remote.socket(socket.AF_UNIX)
        with self.fails(errno.EBADF):
            remote_client.Sock(self.remote, 999).listen()
        with self.fails(errno.EINVAL):
            self.remote.call(77, fd=s.fd)

    def test_connect_refused_unreachable_and_timed_out(self):
        s = self.remote.socket()
        with self.fails(errno.ECONNREFUSED):
            s.connect(KERNEL4, CLOSED)
        self.remote.sysctl(initial_rto_ms=100, syn_retries=2)
        self.silence(SILENT)
        s = self.remote.socket()
        began = time.monotonic()
        with self.fails(errno.ETIMEDOUT):
            s.connect(KERNEL4, SILENT)
        self.assertGreater(time.monotonic() - began, 0.6)
        self.assertLess(time.monotonic() - began, 5)
        self.remote.reset()
        with self.fails(errno.ENETUNREACH):
            self.remote.socket().connect("224.0.0.1", PORT)
        with self.fails(errno.EHOSTUNREACH):
            self.remote.socket().connect("10.77.0.99", PORT)

    def test_nonblocking_connect_and_poll(self):
        listener = self.kernel_listener()
        s = self.remote.socket()
        self.assertEqual(s.poll(select.POLLOUT, 0)[1], select.POLLOUT | select.POLLHUP)
        s.nonblocking()
        self.assertEqual(s.call("FCNTL", 3)[0] & os.O_NONBLOCK, os.O_NONBLOCK)
        with self.fails(errno.EINPROGRESS):
            s.connect(KERNEL4, PORT)
        self.assertEqual(s.poll(select.POLLOUT, 5000), (1, select.POLLOUT))
        self.assertEqual(s.option("error"), 0)
        listener.accept()[0].close()
        s = self.remote.socket(kind=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with self.fails(errno.EINPROGRESS):
            s.connect(KERNEL4, CLOSED)
        ret, revents = s.poll(select.POLLOUT, 5000)
        self.assertEqual((ret, revents & select.POLLERR), (1, select.POLLERR))
        self.assertEqual(s.option("error"), errno.ECONNREFUSED)
        self.assertEqual(s.option("error"), 0, "asking takes it")
        self.silence(SILENT)
        s = self.remote.socket(kind=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with self.fails(errno.EINPROGRESS):
            s.connect(KERNEL4, SILENT)
        with self.fails(errno.EALREADY):
            s.connect(KERNEL4, SILENT)
        began = time.monotonic()
        self.assertEqual(s.poll(select.POLLOUT, 300), (0, 0))
        self.assertGreaterEqual(time.monotonic() - began, 0.29)
        self.assertEqual(self.state(remote=SILENT), ["SYN_SENT"])

    def test_simultaneous_open(self):
        """Both bind and connect; the kernel's SYN is held back until ours has crossed it."""
        s, peer = self.remote.socket(), self.net.socket()
        s.bind(ENGINE4, PORT)
        peer.bind((KERNEL4, PORT + 1))
        peer.settimeout(20)
        self.remote.sysctl(initial_rto_ms=300)
        with Wire(self.net, INTERFACE) as wire:
            self.drop(f"tcp sport {PORT} tcp flags & (syn|ack) == syn")
            ours = self.in_thread(s.connect, KERNEL4, PORT + 1)
            wait_for("our SYN", lambda: wire.packets(PORT, True, SYN))
            theirs = self.in_thread(peer.connect, (ENGINE4, PORT))
            wait_for("our SYN-ACK", lambda: wire.packets(PORT, True, SYN | ACK))
            theirs()
            ours()
        self.assertEqual(self.state(PORT), ["ESTABLISHED"])
        peer.sendall(b"crossed")
        self.assertEqual(s.recv(100), b"crossed")
        peer.close()


class Data(RemoteCase):
    def test_send_and_recv_with_peek_and_half_close(self):
        s, peer = self.accepted()
        waiting = self.in_thread(s.on(self.another()).recv, 1000)
        time.sleep(0.1)
        self.assertTrue(waiting.running())
        with self.fails(errno.EAGAIN):
            s.recv(10, socket.MSG_DONTWAIT)
        peer.sendall(b"seven octets"[:7])
        self.assertEqual(waiting(), b"seven o")
        peer.sendall(b"more of them")
        wait_for("they came", lambda: s.ioctl(SIOCINQ) == 12)
        self.assertEqual(s.recv(4, socket.MSG_PEEK), b"more")
        self.assertEqual(s.recv(100), b"more of them")
        self.assertEqual(s.ioctl(SIOCINQ), 0)
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(s.recv(100), b"")
        self.assertEqual(self.state(PORT), ["CLOSE_WAIT"])
        self.assertEqual(s.send(b"the other half"), 14)
        self.assertEqual(peer.recv(100), b"the other half")
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(peer.recv(100), b"")
        with self.fails(errno.EPIPE):
            s.send(b"x")

    def test_a_blocking_send_waits_for_room(self):
        s, peer = self.connected(sndbuf=20000)
        data = harness.payload(3_000_000)
        sent = self.in_thread(s.on(self.another()).send, data)
        wait_for("its queue is full", lambda: s.ioctl(SIOCOUTQ) > 10000)
        time.sleep(0.2)
        self.assertTrue(sent.running())
        got = b""
        while len(got) < len(data):
            got += peer.recv(1 << 20)
        self.assertEqual(sent(), len(data))
        self.assertEqual(got, data)
        wait_for("all is acknowledged", lambda: s.ioctl(SIOCOUTQ) == 0)

    def test_a_nonblocking_send_takes_what_fits(self):
        s, peer = self.connected(sndbuf=20000)
        s.nonblocking()
        total = 0
        with self.fails(errno.EAGAIN):
            for _ in range(2000):
                total += s.send(bytes(50000))
        self.assertEqual(s.poll(select.POLLOUT, 0), (0, 0))
        waiting = self.in_thread(s.on(self.another()).poll, select.POLLOUT, 20000)
        while total > 0:
            total -= len(peer.recv(1 << 20))
        self.assertEqual(waiting(), (1, select.POLLOUT))

    def test_reset_by_the_peer(self):
        s, peer = self.accepted()
        waiting = self.in_thread(s.on(self.another()).recv, 10)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with self.fails(errno.ECONNRESET):
            waiting()
        with self.fails(errno.EPIPE):
            s.send(b"x")
        self.assertEqual(s.recv(10), b"")
        with self.fails(errno.ENOTCONN):
            s.peer()
        with self.fails(errno.ENOTCONN):
            s.shutdown(socket.SHUT_WR)
        self.assertTrue(s.poll(0, 0)[1] & select.POLLHUP)

    def test_calls_on_a_socket_that_is_not_connected(self):
        s = self.remote.socket()
        with self.fails(errno.ENOTCONN):
            s.recv(1)
        with self.fails(errno.EPIPE):
            s.send(b"x")
        with self.fails(errno.ENOTCONN):
            s.peer()
        with self.fails(errno.ENOTCONN):
            s.shutdown(socket.SHUT_RD)
        with self.fails(errno.EINVAL):
            s.shutdown(7)
        with self.fails(errno.ENOTTY):
            s.ioctl(1)

    def test_a_closed_control_connection_ends_its_calls_and_closes_nothing(self):
        s, peer = self.accepted()
        other = Remote(self.path)
        other.wire.sendall(struct.pack("=IiiiiI", 7, s.fd, 10, 0, 0, 0))
        time.sleep(0.1)
        other.close()
        time.sleep(0.1)
        peer.sendall(b"for whoever is left")
        self.assertEqual(s.recv(100), b"for whoever is left")

    def test_send_timed_out(self):
        s, peer = self.connected()
        s.option("user_timeout", 600)
        self.silence(PORT)
        s.send(b"nobody hears this")
        began = time.monotonic()
        with self.fails(errno.ETIMEDOUT):
            s.recv(10)
        self.assertAlmostEqual(time.monotonic() - began, 0.6, delta=0.4)
        peer.close()

    def test_urgent_data_is_announced_and_stays_in_line(self):
        s, peer = self.accepted()
        waiting = self.in_thread(s.on(self.another()).poll, select.POLLPRI, 5000)
        peer.send(b"abc!", socket.MSG_OOB)
        self.assertEqual(waiting(), (1, select.POLLPRI))
        peer.sendall(b"def")
        wait_for("all came", lambda: s.ioctl(SIOCINQ) == 7)
        self.assertEqual(s.recv(100), b"abc!def")
        self.assertEqual(s.poll(select.POLLPRI, 0), (0, 0), "it is read")

    def test_serve_is_there_too(self):
        with self.net.connect(ENGINE4, harness.PORTS["echo"]) as peer:
            peer.sendall(b"echo")
            self.assertEqual(peer.recv(10), b"echo")
            self.remote.reset()
            with self.assertRaises(ConnectionResetError):
                peer.recv(10)
        with self.net.connect(ENGINE4, harness.PORTS["line"]) as peer:
            self.assertEqual(peer.recv(100), b"a line of millraced\r\n")


class Ends(RemoteCase):
    def test_linger_of_zero_is_a_reset(self):
        s, peer = self.accepted()
        s.linger(1, 0)
        s.close()
        with self.assertRaises(ConnectionResetError):
            peer.recv(1)
        self.assertEqual(self.state(PORT), [])

    def test_linger_waits_for_the_acknowledgment_and_no_longer(self):
        s, peer = self.connected()
        s.linger(1, 10)
        s.close()                               # the kernel acknowledges at once
        self.assertEqual(self.state(remote=PORT), ["FIN_WAIT_2"])
        peer.close()
        s, peer = self.connected()
        self.silence(PORT)
        s.linger(1, 1)
        s.send(b"not acknowledged")
        began = time.monotonic()
        s.close()
        self.assertAlmostEqual(time.monotonic() - began, 1.0, delta=0.5)
        with self.fails(errno.EBADF):
            s.recv(1)

    def test_unread_data_makes_close_a_reset(self):
        s, peer = self.accepted()
        peer.sendall(b"unread")
        wait_for("it came", lambda: s.ioctl(SIOCINQ) == 6)
        s.close()
        with self.assertRaises(ConnectionResetError):
            peer.recv(1)

    def test_time_wait_is_seen_and_forgotten(self):
        s, peer = self.accepted()
        s.close()
        self.assertEqual(peer.recv(10), b"")
        peer.close()
        wait_for("it is in TIME_WAIT", lambda: self.state(PORT) == ["TIME_WAIT"])
        self.remote.reset()
        self.assertEqual(self.state(PORT), [])

    def test_syn_rcvd_is_seen(self):
        self.remote.listener(ENGINE4, PORT)
        self.drop(f"tcp sport {PORT}")
        peer = self.net.socket()
        peer.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            peer.connect((ENGINE4, PORT))
        wait_for("it is half open", lambda: self.state(PORT) == ["SYN_RCVD"])
        peer.close()

    def test_the_msl_can_be_made_short(self):
        self.remote.sysctl(msl_ms=300)
        s, peer = self.accepted()
        s.close()
        peer.close()
        wait_for("it is over after 2 MSL", lambda: self.state(PORT) == [], 5)

    def test_the_msl_can_be_made_long(self):
        self.remote.sysctl(msl_ms=120000)
        s, peer = self.accepted()
        s.close()
        peer.close()
        wait_for("it is in TIME_WAIT", lambda: self.state(PORT) == ["TIME_WAIT"])
        self.remote.reset()
        self.assertEqual(self.state(PORT), [])

    def test_reset_closes_descriptors(self):
        s, peer = self.accepted()
        waiting = self.in_thread(s.on(self.another()).recv, 1)
        self.remote.reset()
        with self.fails(errno.EBADF):
            waiting()
        with self.assertRaises(ConnectionResetError):
            peer.recv(1)
        with self.assertRaises(ConnectionRefusedError):
            self.net.connect(ENGINE4, PORT)


if __name__ == "__main__":
    harness.main()
