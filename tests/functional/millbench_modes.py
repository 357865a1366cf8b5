#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Short runs of every mode of millbench over a ring pair, judged by exact totals.

    millbench_modes.py MILLBENCH [PART OF A NAME]

Client and terminator count on their own; what one sent the other must have received, to the last
connection and octet. Rates are not looked at: a loaded machine is slow, never wrong.
"""

import json
import subprocess
import sys
import tempfile

RUNS = [
    # name, options, what must hold besides the common rules
    ("handshake", ["--mode", "handshake"], "reset"),
    ("cycle, client closes", ["--mode", "cycle"], "closed"),
    ("cycle, server closes", ["--mode", "cycle", "--close", "server"], "closed"),
    ("cycle, IPv6", ["--mode", "cycle", "--local", "fd77::2/64"], "closed"),
    ("cycle, slow path", ["--mode", "cycle", "--no-fast-path"], "closed"),
    ("cycle, no timestamps", ["--mode", "cycle", "--no-timestamps"], "closed"),
    ("cycle, two workers", ["--mode", "cycle", "--workers", "2"], "closed"),
    ("request, client closes", ["--mode", "request"], "closed"),
    ("request, server closes", ["--mode", "request", "--close", "server"], "closed"),
    ("request, large", ["--mode", "request", "--request-octets", "5000",
                        "--response-octets", "100000", "--concurrency", "20"], "closed"),
    ("keepalive", ["--mode", "keepalive", "--requests", "10"], "closed"),
    # Slots for seconds of arrivals: on a loaded machine a worker may wait that long for its CPU.
    ("constant rate", ["--rate", "5k", "--concurrency", "40k"], "closed"),
    ("Poisson rate", ["--rate", "5k", "--arrivals", "poisson", "--concurrency", "40k"], "closed"),
    ("request, Poisson rate", ["--mode", "request", "--rate", "5k", "--arrivals", "poisson",
                               "--concurrency", "40k"], "closed"),
    ("hold", ["--mode", "hold", "--hold", "20000"], "closed"),
]


def run(millbench, options):
    """Exit status, report and output of one run."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        done = subprocess.run(
            [millbench, "run", "--ring", "--no-huge", "--seconds", "1", "--warmup", "0",
             "--msl-ms", "200", "--json", out.name] + options,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        text = out.read()
    return done.returncode, json.loads(text) if text else None, done.stdout


def equal(faults, what, got, wanted):
    if got != wanted:
        faults.append(f"{what}: {got}, expected {wanted}")


def check_common(report, faults):
    """Rules of every mode."""
    t = report["totals"]
    client, server = (report[side]["counters"] for side in ("client", "server"))
    lost = sum(t["not_sent"].values()) + sum(t["failed"].values())
    equal(faults, "attempted", t["attempted"], t["established"] + t["connecting"] + lost)
    equal(faults, "established", t["established"], sum(t["ended"].values()) + t["open"])
    equal(faults, "open at the end", t["open"] + t["connecting"], 0)
    equal(faults, "errors", report["errors"], 0)
    equal(faults, "server's established", server["conn.established"], t["established"])
    equal(faults, "client's active opens", client["conn.active_open"], t["established"])
    if t["established"] == 0:
        faults.append("no connection was established")


def check_end(report, how, faults):
    """How the connections ended, as both sides saw it."""
    t = report["totals"]
    client, server = (report[side]["counters"] for side in ("client", "server"))
    if how == "reset":
        equal(faults, "reset by us", t["reset_by_us"], t["established"])
        equal(faults, "server's resets", server.get("conn.reset_rx", 0), t["established"])
        return
    equal(faults, "closed cleanly", t["closed_cleanly"], t["established"])
    equal(faults, "server's closes", server.get("conn.closed", 0), t["established"])
    resting = sum(c.get("time_wait.entered", 0) for c in (client, server))
    if resting < t["established"]:
        faults.append(f"TIME_WAIT was entered {resting} times, expected {t['established']}")


def check_data(report, options, faults):
    """Octets: what was asked and answered."""
    t = report["totals"]
    if "request" not in options and "keepalive" not in options:
        equal(faults, "requests", t["requests"], 0)
        return

    def value(name):
        return int(options[options.index(name) + 1]) if name in options else 1

    client, server = (report[side]["counters"] for side in ("client", "server"))
    equal(faults, "responses", t["responses"], t["requests"])
    equal(faults, "bad responses", t["bad_responses"], 0)
    equal(faults, "octets at the server", server["tcp.rx_data_octets"],
          t["requests"] * value("--request-octets"))
    equal(faults, "octets at the client", client["tcp.rx_data_octets"],
          t["responses"] * value("--response-octets"))


def check_open_loop(report, options, faults):
    """Under a rate both latencies count from when the connection was due: none is answered before
    it is established, so the requests' quantiles do not lie below those of the handshakes. At both
    ends of the measured time some connections are in one of the two counts only: a hundredth at
    most, which moves no quantile as far as to the next one that is reported."""
    if "request" not in options or "--rate" not in options:
        return
    handshake, request = (report["latency_ns"][what] for what in ("handshake", "request"))
    if abs(request["count"] - handshake["count"]) > handshake["count"] / 100:
        faults.append(f"latencies of {request['count']} requests, of {handshake['count']} "
                      f"handshakes")
    for of_request, of_handshake in (("p50", "p50"), ("p90", "p50"), ("p99", "p90"),
                                     ("p99.9", "p99")):
        if request[of_request] < handshake[of_handshake]:
            faults.append(f"{of_request} of requests: {request[of_request]} ns, {of_handshake} "
                          f"of handshakes: {handshake[of_handshake]} ns")


def main():
    millbench = sys.argv[1]
    failed = 0
    for name, options, how in RUNS:
        if len(sys.argv) > 2 and sys.argv[2] not in name:
            continue
        status, report, output = run(millbench, options)
        faults = []
        equal(faults, "exit status", status, 0)
        if report is not None:
            check_common(report, faults)
            check_end(report, how, faults)
            check_data(report, options, faults)
            check_open_loop(report, options, faults)
        if report is not None:
            equal(faults, "packet buffers leaked", report["packet_buffers_leaked"], 0)
            equal(faults, "fault", report["fault"], "")
        if "--hold" in options and report is not None:
            equal(faults, "held", report["hold"]["connections"], 20000)
            equal(faults, "tables afterwards", report["hold"]["tables_afterwards"], "empty")
        print(f"{'FAIL' if faults else 'ok  '} {name}: "
              f"{report['totals']['established'] if report else 0} connections")
        for fault in faults:
            print(f"     {fault}")
        if faults:
            print(output)
        failed += bool(faults)
    # Bad usage is told from a failed run.
    status = subprocess.run([millbench, "--no-such-option"], stderr=subprocess.DEVNULL,
                            check=False).returncode
    if status != 2:
        print(f"FAIL bad usage exits with {status}, expected 2")
        failed += 1
    status = subprocess.run([millbench, "--json", "/nonexistent/report.json"],
                            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60,
                            check=False).returncode
    if status != 2:
        print(f"FAIL a report that cannot be written exits with {status}, expected 2")
        failed += 1
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
