#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# All tests: every suite in the release build, all but interop, style and mutation once more under
# ASan and UBSan, where a leak is a failure, and two minutes of fuzzing. The last line is
# "N passed, N failed".
set -u
. "$(dirname "$0")/.ci/common.sh"

if [ "${1-}" = -h ] || [ "${1-}" = --help ]; then
	echo "Usage: ./test.sh      builds build/, build-asan/ and build-fuzz/, runs all tests, exits 1 if one fails"
	exit 0
fi
install_packages || exit 1
build build || exit 1
build build-asan -Db_sanitize=address,undefined -Dbuildtype=debugoptimized -Db_lundef=false || exit 1
ulimit -c 0 # some tests abort on purpose
# meson runs a program per core already, and libcriterion 2.4.1 leaks 48 octets when it runs several
# tests at once and there are few of them.
export CRITERION_JOBS=1

# run_tests DIR [meson test option...]
run_tests() {
	local dir=$root/$1
	shift
	rm -f "$dir/meson-logs/testlog.json"
	meson test -C "$dir" --no-rebuild --print-errorlogs "$@"
}

run_tests build

reports=$root/build-asan/meson-logs/sanitizer
rm -rf "$reports"
mkdir -p "$reports"
# Criterion's processes exit 0 in spite of a leak: the report files tell.
export ASAN_OPTIONS=detect_leaks=1:log_path=$reports/asan
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
run_tests build-asan --no-suite interop --no-suite style --no-suite mutation --no-suite snapshot

"$root/tests/fuzz/run"

exec python3 "$root/.ci/sum.py" "$reports" "$root"/build{,-asan,-fuzz}/meson-logs/testlog.json
