#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A million simulated connections, or as many as the first argument says, from a seed that is the
# date (or the second argument). The last lines are the sums and the number of seeds that failed;
# each of these is preceded by the command that replays it.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1-}" = -h ] || [ "${1-}" = --help ]; then
	echo "Usage: tests/sim/nightly.sh [CONNECTIONS [SEED]]      BUILD=build"
	exit 0
fi
exec "$root/${BUILD:-build}/tests/sim/sim" --nightly "${1:-1000000}" \
	--seed "${2:-$(date +%Y%m%d)00000}" --conns 400 --quiet --compare
