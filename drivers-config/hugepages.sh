#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Reserves 2 MB hugepages on each NUMA node, mounts hugetlbfs, and undoes both. See --help.
set -eu

ROOT=${MR_SYSROOT:-}			# a fixture tree in tests
MOUNT=/dev/hugepages
STATE=$ROOT/run/millrace/hugepages	# what was there before the first reserve
SIZE=2048kB

usage() {
	cat <<EOF
usage: hugepages.sh reserve N    have at least N free pages of 2 MB on each NUMA node, and mount
                                 hugetlbfs on $MOUNT if it is mounted nowhere
       hugepages.sh undo         give back what 'reserve' took: the counts, and the mount, of before
       hugepages.sh status       show the pages of each node and where hugetlbfs is mounted

Reserving again with the same N changes nothing; pages in use are never taken away. Needs root. The
reservation ends with the next boot; for good: vm.nr_hugepages in /etc/sysctl.d/.
EOF
}

die() {
	echo "hugepages.sh: $*" >&2
	exit 1
}

nodes() {
	for n in "$ROOT"/sys/devices/system/node/node[0-9]*/hugepages/hugepages-$SIZE; do
		[ -d "$n" ] && echo "$n"
	done
}

name_of() {
	basename "$(dirname "$(dirname "$1")")"
}

mounted() {
	grep -q ' hugetlbfs ' "$ROOT/proc/mounts"
}

status() {
	for n in $(nodes); do
		echo "$(name_of "$n"): $(cat "$n/free_hugepages") free of $(cat "$n/nr_hugepages") pages"
	done
	grep ' hugetlbfs ' "$ROOT/proc/mounts" | cut -d' ' -f2 | sed 's/^/hugetlbfs on /' || true
}

# Remembers the state of before, once: a second reserve must not overwrite it.
remember() {
	[ -e "$STATE" ] && return
	mkdir -p "$(dirname "$STATE")"
	for n in $(nodes); do
		echo "$n $(cat "$n/nr_hugepages")"
	done > "$STATE"
	if mounted; then echo "mount was there"; else echo "mount is ours"; fi >> "$STATE"
}

reserve_node() {
	total=$(cat "$1/nr_hugepages")
	free=$(cat "$1/free_hugepages")
	[ "$free" -ge "$2" ] && return
	echo $((total + $2 - free)) > "$1/nr_hugepages"
	free=$(cat "$1/free_hugepages")
	[ "$free" -ge "$2" ] || die "$(name_of "$1") has only $free pages free of the $2 wanted: memory is
short or in pieces. Fewer pages, or after a fresh boot, may do; 'hugepages.sh undo' gives back."
}

reserve() {
	case ${1:-} in
	'' | *[!0-9]*) usage >&2; exit 2 ;;
	esac
	[ -n "$(nodes)" ] || die "this kernel has no hugepages of $SIZE"
	remember
	for n in $(nodes); do
		reserve_node "$n" "$1"
	done
	if ! mounted && [ -z "$ROOT" ]; then
		mkdir -p "$MOUNT"
		mount -t hugetlbfs -o pagesize=2M nodev "$MOUNT"
	fi
	status
}

undo() {
	[ -e "$STATE" ] || { echo "hugepages.sh: nothing to undo"; exit 0; }
	while read -r what value rest; do
		case "$what $value $rest" in
		"mount is ours")
			[ -n "$ROOT" ] || umount "$MOUNT" || echo "hugepages.sh: $MOUNT is in use" >&2 ;;
		mount*) ;;
		*)
			echo "$value" > "$what/nr_hugepages" ;;
		esac
	done < "$STATE"
	rm "$STATE"
	status
}

case ${1:-} in
reserve) reserve "${2:-}" ;;
undo) undo ;;
status) status ;;
-h | --help) usage ;;
*) usage >&2; exit 2 ;;
esac
