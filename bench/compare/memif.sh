#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Rate over net_memif between two processes, terminator and load generator, one core each.
#   memif.sh BUILD_DIR [SECONDS] [options of both sides, as --mode request --close server]
# Bounded in time; ends what it started. Prints millbench's report; exit status is millbench's.
set -eu

build=${1:?usage: memif.sh BUILD_DIR [SECONDS] [OPTIONS]}
seconds=${2:-5}
shift
[ $# -gt 0 ] && shift
bench=$build/bench/millbench/millbench
dir=$(mktemp -d)
server=
finish() {
	if [ -n "$server" ]; then
		kill -TERM "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$dir"
}
trap finish EXIT INT TERM

cpus=${CPUS:-0 1}
link="socket=$dir/memif.sock,socket-abstract=no,rsize=12"
timeout $((seconds + 30)) "$bench" serve-peer --vdev "net_memif0,role=server,$link" \
	--local 10.77.0.1/24 --target 10.77.0.1:80 --msl-ms 500 --concurrency 8192 \
	--lcores "${cpus% *}" "$@" >"$dir/server.log" 2>&1 &
server=$!
for i in $(seq 100); do
	grep -q 'terminator is ready' "$dir/server.log" && break
	kill -0 "$server" 2>/dev/null || break
	sleep 0.1
done
if ! grep -q 'terminator is ready' "$dir/server.log"; then
	cat "$dir/server.log" >&2
	exit 1
fi
status=0
timeout $((seconds + 30)) "$bench" run --vdev "net_memif0,role=client,$link" \
	--local 10.77.0.2/24 --target 10.77.0.1:80 --sources 10.78.0.0/24 --msl-ms 500 \
	--lcores "${cpus#* }" --seconds "$seconds" "$@" || status=$?
echo
echo "the terminator's last second:"
tail -n 1 "$dir/server.log"
exit "$status"
