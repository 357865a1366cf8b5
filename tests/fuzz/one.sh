#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One fuzz target for some time: one.sh EXECUTABLE NAME SECONDS. What it finds of new ways stays in
# the build folder (learned/NAME), from where `run --merge` takes it into the corpus; what it finds
# of bugs stands in found/NAME. Ends with "fuzz NAME: N executions, ...".
set -u
exe=$1 name=$2 seconds=$(( $3 * ${FUZZ_FACTOR:-1} ))
corpus=$(cd "$(dirname "$0")" && pwd)/corpus/$name
learned=$(dirname "$exe")/learned/$name found=$(dirname "$exe")/found/$name
mkdir -p "$learned" "$found"
log=$found/log

# Without a seed it draws one: it then goes other ways than the last time.
"$exe" -max_total_time="$seconds" -seed="${FUZZ_SEED:-$((RANDOM + 1))}" -timeout=25 \
	-rss_limit_mb=3000 -max_len=1500 -len_control=10 -print_final_stats=1 \
	-artifact_prefix="$found/" "$learned" "$corpus" >"$log" 2>&1
status=$?
value() { sed -n "s/^stat::$1: *//p" "$log"; }
last=$(grep -E '^#[0-9]+.*cov: ' "$log" | tail -1)
edges=$(sed 's/.* cov: \([0-9]*\).*/\1/' <<<"$last")
features=$(sed 's/.* ft: \([0-9]*\).*/\1/' <<<"$last")
echo "fuzz $name: $(value number_of_executed_units) executions," \
	"$(value average_exec_per_sec) a second, coverage $edges edges $features features"
if [ "$status" -ne 0 ]; then
	grep -vE '^#[0-9]|^INFO' "$log" | head -60
	echo "again: $exe $(ls -t "$found"/*-* 2>/dev/null | head -1)"
	exit 1 # libFuzzer's own is 77, which meson takes for a test that was skipped
fi
