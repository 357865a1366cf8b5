# SPDX-License-Identifier: BSD-3-Clause
# Shared by run.sh and test.sh (which source it): install what is missing, build once, and say
# nothing unless something is wrong.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Runs a command in silence; when it fails, shows what it printed and ends with its status.
quietly() {
	local log status=0
	log=$(mktemp)
	"$@" >"$log" 2>&1 || status=$?
	if [ "$status" -ne 0 ]; then
		cat "$log" >&2
		echo "error: '$*' failed with status $status; its output stands above" >&2
	fi
	rm -f "$log"
	return "$status"
}

missing_packages() {
	local wanted have
	wanted=$(sed 's/#.*//' "$root/.ci/packages.txt" | xargs -n1 | sort)
	have=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
		sed -n 's/^installed //p' | sort -u)
	comm -23 <(echo "$wanted") <(echo "$have")
}

apt_quietly() {
	quietly env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 "$@"
}

# Runs in a subshell, so that its trap takes the guard away whatever happens. The guard keeps a
# package such as nginx from starting its service; what we install is not started at boot either.
install_packages() (
	missing=$(missing_packages)
	[ -n "$missing" ] || exit 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "error: packages are missing; as root: apt-get install" $missing >&2
		exit 1
	fi
	guard=/usr/sbin/policy-rc.d
	if [ ! -e "$guard" ]; then
		trap 'rm -f "$guard"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$guard"
		chmod 755 "$guard"
	fi
	apt_quietly update || exit 1
	apt_quietly install --no-install-recommends $missing || exit 1
	if grep -qx nginx-light <<<"$missing" && [ -d /run/systemd/system ]; then
		quietly systemctl disable nginx || true
	fi
)

# build DIR [meson option...]: configures DIR once (again when an option changed) and compiles it.
# $build_targets: what, if not all.
# A lock keeps two of our scripts from building at once; it is free again when the function ends.
build() (
	dir=$root/$1
	shift
	exec 9<"$root/.ci/common.sh"
	flock 9
	options="$* march=${MR_MARCH:-native}"
	if [ ! -f "$dir/build.ninja" ]; then
		quietly meson setup "$dir" "$root" "-Dmarch=${MR_MARCH:-native}" "$@" || exit 1
	elif [ "$(cat "$dir/.options" 2>/dev/null)" != "$options" ]; then
		quietly meson configure "$dir" "-Dmarch=${MR_MARCH:-native}" "$@" || exit 1
	fi
	echo "$options" >"$dir/.options"
	quietly ninja --quiet -C "$dir" ${build_targets-}
)
