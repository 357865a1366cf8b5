#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`./run.sh serve` as a newcomer types it, and millctl beside it."""

import functools
import json
import signal
import subprocess
import time

import harness
from harness import BUILD, ENGINE4, ENGINE6, KERNEL4, KERNEL6, PORTS, ROOT, Namespace, TempDir

REFUSAL_S = 30
DRAIN_S = 5                     # the default of the key `drain`


def command():
    """run.sh builds build/ first: where another build is tested, what run.sh would start."""
    if BUILD.resolve() == (ROOT / "build").resolve():
        return [ROOT / "run.sh", "serve"]
    return [harness.MILLRACED, "serve"]


class Serve(harness.Case):
    def setUp(self):
        self.net, self.dir = Namespace("serve"), TempDir().path
        self.control = self.dir / "serve.sock"

    def tearDown(self):
        self.net.end()

    def start(self, *wrapper):
        return harness.Engine(self.net, self.dir,
                              [*wrapper, *command(), "--socket", self.control], self.control)

    def millctl(self, *argv):
        done = subprocess.run([harness.MILLCTL, "--socket", self.control, *argv], timeout=20,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_ports_addresses_and_the_end(self):
        serve = self.start()
        shown = json.loads(self.net.run("ip", "-j", "addr", "show", "mill0").stdout)[0]
        have = {(a["local"], a["prefixlen"]) for a in shown["addr_info"]}
        self.assertLessEqual({(KERNEL4, 24), (KERNEL6, 64)}, have)
        for address in (ENGINE4, ENGINE6):
            for port in PORTS.values():
                self.net.connect(address, port, 5).close()
            with self.net.connect(address, PORTS["echo"]) as s:
                s.sendall(b"round and round")
                self.assertEqual(s.recv(100), b"round and round")
        for port in (1, 8, 22, 443, 8080):
            with self.assertRaises(ConnectionRefusedError):
                self.net.connect(ENGINE4, port, 5)
        serve.stop()
        self.assertFalse(self.net.has_interface("mill0"), "the interface goes with the process")
        self.assertFalse(self.control.exists(), "so does the socket")

    def test_interrupt_ends_it_with_status_0(self):
        serve = self.start()
        self.assertEqual(serve.process.stop(number=signal.SIGINT), 0)

    def test_open_connections_are_closed_at_the_end(self):
        serve = self.start()
        with self.net.connect(ENGINE4, PORTS["echo"]) as s:
            began = time.monotonic()
            serve.process.popen.send_signal(signal.SIGTERM)
            self.assertEqual(s.recv(10), b"", "a FIN, no reset")
            s.close()
            self.assertEqual(serve.process.wait(30), 0)
        self.assertLess(time.monotonic() - began, 20)

    def draining(self, serve, end):
        """Asks for the end while a client does not close; the client, and the moment."""
        client = self.net.connect(ENGINE4, PORTS["echo"])
        self.addCleanup(client.close)
        began = time.monotonic()
        end()
        self.assertEqual(client.recv(10), b"", "a FIN, no reset")
        self.assertTrue(serve.process.running(), "it waits for the client")
        return client, began

    def ends_at_once(self, serve, client, began):
        self.assertEqual(serve.process.wait(30), 0)
        self.assertLess(time.monotonic() - began, DRAIN_S - 1, "the drain was not cut short")
        self.assertIn("1 open before, 0 closed, 1 aborted, 0 left", serve.process.text())
        with self.assertRaises(BrokenPipeError, msg="an RST behind the FIN"):
            client.send(b"x")

    def test_a_second_signal_aborts_what_the_drain_waits_for(self):
        serve = self.start()
        terminate = functools.partial(serve.process.popen.send_signal, signal.SIGTERM)
        client, began = self.draining(serve, terminate)
        terminate()
        self.ends_at_once(serve, client, began)
        self.assertIn("SIGTERM: draining", serve.process.text())

    def test_so_does_a_signal_behind_millctl_stop(self):
        serve = self.start()
        client, began = self.draining(serve, lambda: self.millctl("stop"))
        serve.process.popen.send_signal(signal.SIGINT)
        self.ends_at_once(serve, client, began)
        self.assertIn("millctl stop: draining", serve.process.text())

    def test_the_end_of_its_terminal_drains(self):
        serve = self.start()
        self.assertEqual(serve.process.stop(number=signal.SIGHUP), 0)
        self.assertIn("SIGHUP: draining", serve.process.text())
        self.assertFalse(self.control.exists())

    def test_nohup_outlives_its_terminal(self):
        serve = self.start("nohup")
        serve.process.popen.send_signal(signal.SIGHUP)
        with self.net.connect(ENGINE4, PORTS["line"]) as s:
            self.assertTrue(s.recv(100))
        serve.stop()

    def test_goes_on_when_nobody_reads_its_output(self):
        serve = self.start("bash", "-c", 'exec "$@" --stats > >(head -n 1)', "-")
        with self.net.connect(ENGINE4, PORTS["line"]) as s:
            self.assertTrue(s.recv(100))
        time.sleep(2.5)                 # two lines of figures, which nobody reads any more
        with self.net.connect(ENGINE4, PORTS["line"]) as s:
            self.assertTrue(s.recv(100))
        serve.stop()

    def test_figures_come_each_second_while_a_tap_has_traffic(self):
        serve = self.start("bash", "-c", 'exec "$@" --stats', "-")
        end = time.monotonic() + 4.5
        while time.monotonic() < end:
            self.net.connect(ENGINE4, PORTS["line"]).close()
        lines = serve.process.text().count("opened/s")
        self.assertGreaterEqual(lines, 3, serve.process.text())
        self.assertLessEqual(lines, 6)
        serve.stop()

    def test_a_full_queue_of_real_time_signals_is_no_end(self):
        serve = self.start()
        serve.process.popen.send_signal(signal.SIGIO)
        with self.net.connect(ENGINE4, PORTS["line"]) as s:
            self.assertTrue(s.recv(100))
        serve.stop()

    def test_starts_where_one_was_killed(self):
        self.start().process.stop(number=signal.SIGKILL)
        self.assertTrue(self.control.exists(), "the socket file of the dead one")
        harness.wait_for("the interface is gone", lambda: not self.net.has_interface("mill0"))
        self.start().stop()

    def test_refuses_when_mill0_exists(self):
        self.net.veth("mill0", self.net, "other0")
        refused = self.net.run(*command(), "--socket", self.control, limit_s=REFUSAL_S, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("mill0", refused.stderr)
        self.assertIn("exist", refused.stderr)
        self.assertTrue(self.net.has_interface("mill0"), "what was there stays")

    def test_second_serve_is_refused_and_the_first_goes_on(self):
        serve = self.start()
        second = self.net.run(*command(), "--socket", self.dir / "second.sock",
                              limit_s=REFUSAL_S, check=False)
        self.assertNotEqual(second.returncode, 0)
        with self.net.connect(ENGINE4, PORTS["line"]) as s:
            self.assertTrue(s.recv(100))
        serve.stop()

    def test_millctl_asks_and_stops(self):
        serve = self.start()
        with self.net.connect(ENGINE4, PORTS["echo"]):
            harness.wait_for("the connection stands",
                             lambda: serve.total()["states"]["ESTABLISHED"] == 1)
            self.assertTrue(self.millctl("stats"))
            listed = self.millctl("connections", "--state", "ESTABLISHED", "--peer", KERNEL4)
            self.assertIn(f"{KERNEL4}:", listed)
            self.assertIn(f"{ENGINE4}:{PORTS['echo']}", listed)
            other = self.millctl("connections", "--peer", "10.77.0.99")
            self.assertNotIn(KERNEL4, other)
        self.millctl("stop")
        self.assertEqual(serve.process.wait(30), 0)

    def test_millctl_says_when_there_are_more(self):
        serve = self.start()
        ports = [self.net.connect(ENGINE6, PORTS["echo"]) for _ in range(3)]
        for s in ports:
            self.addCleanup(s.close)
        harness.wait_for("the connections stand",
                         lambda: serve.total()["states"]["ESTABLISHED"] == len(ports))
        for limit, listed, more in ((1, 1, True), (2, 2, True), (3, 3, False), (4, 3, False),
                                    (0, 3, False)):
            said = self.millctl("connections", "--limit", str(limit))
            self.assertEqual(said.count("ESTABLISHED"), listed, said)
            self.assertEqual("--limit 0" in said.splitlines()[-1], more, said)
            document = json.loads(self.millctl("--json", "connections", "--limit", str(limit)))
            self.assertEqual((document["count"], document["more"]), (listed, more))
        serve.stop()


if __name__ == "__main__":
    harness.main()
