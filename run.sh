#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs what is missing, builds once, and runs one of the programs. See usage().
set -eu
. "$(dirname "$0")/.ci/common.sh"

usage() {
	cat <<'TEXT'
Usage: ./run.sh [--portable] [demo|serve|remote|bench|doctor] [arguments]

  demo     terminator and load generator exchange connections in one process, with live
           figures and a report at the end (the default)
             --seconds N   how long to measure (10)
             --json FILE   write the figures as JSON too
  serve    the terminator on the tap interface mill0 (10.77.0.2, fd77::2) until a signal
  remote   the same, driven by system calls over a Unix socket (tests/interop/remote)
             --socket PATH   where it listens (/run/millrace/remote.sock)
             --config FILE   a configuration instead of serve's
  bench    the micro benchmarks: ./run.sh bench [NAME...]
  doctor   what is missing on this machine, and the command that mends it

  --portable   build for any x86-64-v2 CPU, not for this machine's (as MR_MARCH=portable)

Arguments go to the program: ./run.sh demo --help, ./run.sh serve --help.
The first run installs the packages of .ci/packages.txt (root) and builds into build/.
TEXT
}

command=demo
if [ "${1-}" = --portable ]; then
	export MR_MARCH=portable
	shift
fi
case ${1-} in
demo | serve | remote | bench | doctor)
	command=$1
	shift
	;;
help | -h | --help)
	usage
	exit 0
	;;
'' | -*) ;;
*)
	echo "run.sh: unknown subcommand '$1'" >&2
	usage >&2
	exit 2
	;;
esac

install_packages
build build

# exec: signals and the exit status are the program's own.
case $command in
demo) exec "$root/build/bench/millbench/millbench" demo "$@" ;;
serve) exec "$root/build/app/millraced/millraced" serve "$@" ;;
remote) exec "$root/build/tests/interop/remote/remote" "$@" ;;
doctor) exec "$root/build/app/millraced/millraced" --doctor "$@" ;;
bench) exec "$root/bench/run" "$@" ;;
esac
