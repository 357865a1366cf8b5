#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Goodput of one bulk transfer over a bad line: the kernel's and ours, interleaved.

    goodput.py [--build DIR] [--loss P,P] [--kinds K,K] [--rtt-ms N] [--seconds N] [--runs N]
               [--first-seed N] [--json FILE] [--capture DIR]

Each run is a connection of its own through an impair of its own: delay half the round trip each
way, random loss of single frames each way. Run n of every pair of ends has the seed n, so that they
lose the frames of the same numbers. Pairs of ends:

    kernel     the kernel sends (reno), the kernel receives
    newreno    we send (tcp.congestion: newreno), the kernel receives
    cubic      we send (tcp.congestion: cubic), the kernel receives
    receiver   the kernel sends (reno), we receive

Prints the medians, their ratios to `kernel`, and PASS or the gap of newreno, wanted within 10 % of
the kernel's. Root. Makes namespaces, taps and processes, and ends them. The machine's load shows in
the figures of small delays; ratios of one run are what counts.
"""

import argparse
import json
import os
import pathlib
import socket
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/interop"))
sys.dont_write_bytecode = True

WANTED = 0.9                            # of the kernel's
KINDS = ("kernel", "newreno", "cubic", "receiver")
BUFFER = 4 << 20
CONNECT_S = 30
OURS = ("tcp.retransmit_data", "tcp.fast_retransmit", "tcp.rto", "tcp.tail_probe",
        "tcp.loss_undone")
KERNELS = ("RetransSegs", "TCPFastRetrans", "TCPTimeouts", "TCPLossProbes")


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", default=str(ROOT / "build"))
    p.add_argument("--loss", default="0.1,1,5", help="per cent, a list [0.1,1,5]")
    p.add_argument("--kinds", default=",".join(KINDS), help="pairs of ends, a list")
    p.add_argument("--rtt-ms", type=float, default=20)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--runs", type=int, default=5, help="of each pair of ends and loss [5]")
    p.add_argument("--first-seed", type=int, default=1)
    p.add_argument("--json", help="write the figures as JSON too")
    p.add_argument("--capture", help="a directory: what tcpdump sees of each run at the left end")
    return p.parse_args()


ARGS = arguments()
os.environ["MR_BUILD"] = str(pathlib.Path(ARGS.build).resolve())
import harness                                                  # noqa: E402 (after MR_BUILD)
import netns                                                    # noqa: E402
from bad_line import LEFT4, RIGHT4, Line, memif_of              # noqa: E402
from harness import ENGINE4, PORTS, Namespace, TempDir          # noqa: E402


def kernel_counters(net):
    """TcpExt and Tcp counters of a namespace."""
    lines = [line.split() for name in ("netstat", "snmp")
             for line in net.run("cat", f"/proc/net/{name}").stdout.splitlines()]
    return {name: int(value) for names, values in zip(lines[::2], lines[1::2])
            for name, value in zip(names[1:], values[1:]) if names[0] in ("TcpExt:", "Tcp:")}


def receive_for(s, seconds):
    """Octets that come within so many seconds."""
    end, got = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            chunk = s.recv(1 << 16)
        except TimeoutError:
            break
        if not chunk:
            raise RuntimeError("the sender hung up")
        got += len(chunk)
    return got


def send_until(s, stop):
    """Writes until `stop` is set; the socket's buffer is its limit."""
    octets = bytes(1 << 16)
    s.settimeout(0.2)
    while not stop.is_set():
        try:
            s.send(octets)
        except TimeoutError:
            pass
        except OSError:
            return


class Ends:
    """Namespaces of one run."""

    def __init__(self):
        self.left, self.right = Namespace("left"), Namespace("right")
        for net in (self.left, self.right):
            net.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
            net.sysctl("net.ipv4.tcp_no_metrics_save", 1)
            net.sysctl("net.ipv4.tcp_rmem", f"4096 131072 {BUFFER}")
            net.sysctl("net.ipv4.tcp_wmem", f"4096 65536 {BUFFER}")


def first_in_line(*processes):
    """A poller that waits for a CPU while a compiler runs would be a delay of the machine, which
    the kernel's TCP, in its interrupts, does not have."""
    for process in processes:
        for thread in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))


def options(loss, seed):
    return ["--loss", loss, "--delay", f"{ARGS.rtt_ms / 2}ms", "--seed", seed]


def capture(net, name):
    if not ARGS.capture:
        return None
    pathlib.Path(ARGS.capture).mkdir(parents=True, exist_ok=True)
    return net.spawn(TempDir().path / "tcpdump.log", "tcpdump", "-i", "left0", "-s", "120", "-w",
                     f"{ARGS.capture}/{name}.pcap", "tcp")


def kernel_to_kernel(ends, loss, seed):
    line = Line.between_taps(ends.left, ends.right, *options(loss, seed))
    first_in_line(line.process)
    tap, stop = capture(ends.left, f"kernel-{loss}-{seed}"), threading.Event()
    with ends.right.socket() as server:
        server.bind((RIGHT4, 5000))
        server.listen()
        server.settimeout(CONNECT_S)
        with ends.left.connect(RIGHT4, 5000, CONNECT_S) as here, server.accept()[0] as there:
            threading.Thread(target=send_until, args=(there, stop), daemon=True).start()
            got = receive_for(here, ARGS.seconds)
            stop.set()
            counters = kernel_counters(ends.right)
    if tap:
        tap.stop()
    line.end()
    return got, {name: counters.get(name, 0) for name in KERNELS}


def engine(net, memif, congestion):
    return harness.Engine.start(
        net, f"net_memif0,role=server,{memif}", workers={"idle": "sleep"},
        tcp={"congestion": congestion, "send_buffer": BUFFER, "recv_window_max": BUFFER})


def with_engine(ends, loss, seed, kind):
    """We send, or with the kind "receiver" the kernel."""
    memif = memif_of(TempDir().path)
    ours = engine(ends.right, memif, "newreno" if kind == "receiver" else kind)
    line = Line.to_engine(ends.left, memif, *options(loss, seed))
    first_in_line(ours.process, line.process)
    tap, stop = capture(ends.left, f"{kind}-{loss}-{seed}"), threading.Event()
    port = PORTS["discard" if kind == "receiver" else "source"]
    with ends.left.connect(ENGINE4, port, CONNECT_S) as s:
        if kind == "receiver":
            threading.Thread(target=send_until, args=(s, stop), daemon=True).start()
            time.sleep(ARGS.seconds)
            [listener] = [one for one in ours.stats()["listeners"]
                          if one["name"] == f"discard:{port}"]
            got = listener["rx_octets"]
            stop.set()
            seen = kernel_counters(ends.left)
            counters = {name: seen.get(name, 0) for name in KERNELS}
        else:
            got = receive_for(s, ARGS.seconds)
            seen = ours.total()["counters"]
            counters = {name: seen[name] for name in OURS}
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if tap:
        tap.stop()
    line.end()
    ours.stop()
    return got, counters


def measure(kind, loss, seed):
    with netns.scope():                 # what runs in them is gone too, however it ends
        if kind == "kernel":
            got, counters = kernel_to_kernel(Ends(), loss, seed)
        else:
            got, counters = with_engine(Ends(), loss, seed, kind)
    mbit = got * 8 / ARGS.seconds / 1e6
    print(f"loss {loss} %, seed {seed}, {kind:8}: {mbit:8.3f} Mbit/s  {counters}", flush=True)
    return mbit, counters


def table(figures, losses, kinds):
    """Medians, their ratios, and whether newreno is near enough. True: it is everywhere."""
    good, out = True, []
    print(f"\nMedians of {ARGS.runs}, Mbit/s, {ARGS.seconds:g} s each, "
          f"round trip {ARGS.rtt_ms:g} ms")
    print("loss %    " + "".join(f"{kind:>10}" for kind in kinds))
    for loss in losses:
        medians = {kind: statistics.median(m for m, _ in figures[loss, kind]) for kind in kinds}
        print(f"{loss:<10}" + "".join(f"{medians[kind]:10.3f}" for kind in kinds))
        ratio = {kind: medians[kind] / medians["kernel"] for kind in kinds
                 if "kernel" in medians}
        verdict = ""
        if "newreno" in ratio:
            near = ratio["newreno"] >= WANTED
            good = good and near
            verdict = "PASS" if near else f"gap: {1 - ratio['newreno']:.0%}, wanted 10 %"
        print("  of kernel" + "".join(f"{ratio.get(kind, 0):9.2f} " for kind in kinds) + verdict)
        out.append({"loss_percent": float(loss), "median_mbit": medians, "of_kernel": ratio,
                    "verdict": verdict, "runs": {
                        kind: [{"mbit": m, "counters": c} for m, c in figures[loss, kind]]
                        for kind in kinds}})
    return good, out


def main():
    reason = harness.why_not()
    if reason:
        sys.exit(f"goodput: {reason}")
    netns.install()
    losses, kinds = ARGS.loss.split(","), ARGS.kinds.split(",")
    figures = {(loss, kind): [] for loss in losses for kind in kinds}
    for loss in losses:
        for seed in range(ARGS.first_seed, ARGS.first_seed + ARGS.runs):
            for kind in kinds:          # interleaved: the machine's weather meets all of them
                figures[loss, kind].append(measure(kind, loss, seed))
    good, rows = table(figures, losses, kinds)
    if ARGS.json:
        pathlib.Path(ARGS.json).write_text(json.dumps(
            {"rtt_ms": ARGS.rtt_ms, "seconds": ARGS.seconds, "runs": ARGS.runs, "rows": rows},
            indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
