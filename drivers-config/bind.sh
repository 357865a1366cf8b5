#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Binds NICs to vfio-pci, and gives them back to the kernel's driver. See --help.
set -eu

ROOT=${MR_SYSROOT:-}			# a fixture tree in tests
PCI=$ROOT/sys/bus/pci
STATE=$ROOT/run/millrace/bind		# one file per address: the driver of before

usage() {
	cat <<EOF
usage: bind.sh status                       list the NICs: address, driver, interface, NUMA node
       bind.sh bind [--force] ADDR...       bind them to vfio-pci; the kernel loses their interfaces
       bind.sh undo [ADDR...]               give them (or all that were bound) back to the driver they had

ADDR is a PCI address as in 0000:03:00.0. The NIC that carries the default route, or one whose interface
has an address, is refused unless --force is given: you may be logged in through it. Binding a NIC
that is bound already changes nothing. Mellanox NICs (mlx5_core) stay with their kernel driver and are
refused. Needs root and an IOMMU.
EOF
}

die() {
	echo "bind.sh: $*" >&2
	exit 1
}

driver_of() {
	[ -e "$PCI/devices/$1/driver" ] && basename "$(readlink "$PCI/devices/$1/driver")" || echo none
}

interfaces_of() {
	# virtio has its interface one level lower.
	ls "$PCI/devices/$1/net" "$PCI/devices/$1"/virtio*/net 2>/dev/null | grep -v '[:/]' | grep . || true
}

status() {
	for d in "$PCI"/devices/*; do
		case $(cat "$d/class" 2>/dev/null) in
		0x02*) ;;
		*) continue ;;
		esac
		addr=$(basename "$d")
		echo "$addr driver $(driver_of "$addr") interface $(interfaces_of "$addr" | tr '\n' ' ')node" \
			"$(cat "$d/numa_node" 2>/dev/null || echo -1)"
	done
}

# The interfaces of default routes, of both families.
default_route_interfaces() {
	awk '$2 == "00000000" && $8 == "00000000" { print $1 }' "$ROOT/proc/net/route" 2>/dev/null || true
	awk '$1 ~ /^0+$/ && $2 == "00" && $10 != "lo" { print $10 }' "$ROOT/proc/net/ipv6_route" \
		2>/dev/null || true
}

has_address() {
	[ -z "$ROOT" ] && ip -o addr show dev "$1" scope global 2>/dev/null | grep -q .
}

check_unused() {
	for i in $(interfaces_of "$1"); do
		if default_route_interfaces | grep -qx "$i"; then
			die "$1 is $i, which carries the default route: the machine would be cut off (--force)"
		fi
		if has_address "$i"; then
			die "$1 is $i, which has an address and may be in use (--force)"
		fi
	done
}

check() {
	case $1 in
	????:??:??.?) ;;
	*) die "'$1' is no PCI address like 0000:03:00.0" ;;
	esac
	[ -d "$PCI/devices/$1" ] || die "there is no PCI device $1 ('bind.sh status' lists them)"
	case $(driver_of "$1") in
	mlx4_core | mlx5_core) die "$1 works through its kernel driver: it must not be bound" ;;
	esac
}

# Moves a device to a driver: override first, so that no other driver takes it in between.
move() {
	echo "$2" > "$PCI/devices/$1/driver_override"
	if [ -e "$PCI/devices/$1/driver" ]; then
		echo "$1" > "$PCI/devices/$1/driver/unbind"
	fi
	echo "$1" > "$PCI/drivers_probe"
}

bind_one() {
	was=$(driver_of "$1")
	[ "$was" = vfio-pci ] && { echo "$1 is bound to vfio-pci already"; return; }
	mkdir -p "$STATE"
	[ -e "$STATE/$1" ] || echo "$was" > "$STATE/$1"
	move "$1" vfio-pci
	[ -n "$ROOT" ] || [ "$(driver_of "$1")" = vfio-pci ] ||
		die "$1 did not take vfio-pci (is there an IOMMU? see dmesg); 'bind.sh undo $1' gives it back"
	echo "$1: $was -> vfio-pci"
}

bind() {
	force=no
	[ "${1:-}" = --force ] && { force=yes; shift; }
	[ $# -gt 0 ] || { usage >&2; exit 2; }
	for addr in "$@"; do
		check "$addr"
		[ $force = yes ] || [ "$(driver_of "$addr")" = vfio-pci ] || check_unused "$addr"
	done
	[ -d "$PCI/drivers/vfio-pci" ] || modprobe vfio-pci 2>/dev/null ||
		die "the vfio-pci driver is not there and could not be loaded"
	for addr in "$@"; do
		bind_one "$addr"
	done
}

undo_one() {
	[ -e "$STATE/$1" ] || { echo "$1 was not bound by bind.sh"; return; }
	was=$(cat "$STATE/$1")
	if [ "$was" = none ]; then
		echo "$1" > "$PCI/devices/$1/driver/unbind"
		echo > "$PCI/devices/$1/driver_override"
	else
		move "$1" "$was"
		echo > "$PCI/devices/$1/driver_override"
	fi
	rm "$STATE/$1"
	echo "$1: vfio-pci -> $was"
}

undo() {
	if [ $# -eq 0 ]; then
		[ -d "$STATE" ] || { echo "bind.sh: nothing to undo"; exit 0; }
		set -- $(ls "$STATE")
	fi
	for addr in "$@"; do
		undo_one "$addr"
	done
}

command=${1:-}
[ $# -gt 0 ] && shift
case $command in
status) status ;;
bind) bind "$@" ;;
undo) undo "$@" ;;
-h | --help) usage ;;
*) usage >&2; exit 2 ;;
esac
