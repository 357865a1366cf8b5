#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The scripts of drivers-config/ on a fixture tree: what they do, what they refuse, and that they
# undo it. A plain file stands for each file of sysfs, so "bound" means: the right word was
# written there.
set -eu

scripts=$(cd "$(dirname "$0")/../../drivers-config" && pwd)
MR_SYSROOT=$(mktemp -d)
export MR_SYSROOT
trap 'rm -r "$MR_SYSROOT"' EXIT
failed=0

expect() {	# what, wanted part, output
	case $3 in
	*"$2"*) ;;
	*) echo "FAIL $1: '$2' is not in: $3"; failed=1 ;;
	esac
}

refused() {	# what, wanted part, command...
	what=$1 part=$2
	shift 2
	if out=$("$@" 2>&1); then echo "FAIL $what: was not refused"; failed=1; fi
	expect "$what" "$part" "$out"
}

content() {	# what, wanted, file
	[ "$(cat "$MR_SYSROOT/$3")" = "$2" ] ||
		{ echo "FAIL $1: $3 is $(cat "$MR_SYSROOT/$3")"; failed=1; }
}

# ---- hugepages.sh ----
node=sys/devices/system/node/node0/hugepages/hugepages-2048kB
mkdir -p "$MR_SYSROOT/$node" "$MR_SYSROOT/proc"
echo 'nodev /dev/hugepages hugetlbfs rw 0 0' > "$MR_SYSROOT/proc/mounts"
echo 10 > "$MR_SYSROOT/$node/nr_hugepages"
echo 500 > "$MR_SYSROOT/$node/free_hugepages"
expect 'hugepages: enough' '500 free of 10' "$("$scripts/hugepages.sh" reserve 400)"
content 'hugepages: enough are free, none is added' 10 $node/nr_hugepages
echo 4 > "$MR_SYSROOT/$node/free_hugepages"
refused 'hugepages: the kernel gives too few' 'only 4 pages free of the 100' \
	"$scripts/hugepages.sh" reserve 100
content 'hugepages: asks for the missing ones' 106 $node/nr_hugepages
expect 'hugepages: undo' 'node0' "$("$scripts/hugepages.sh" undo)"
content 'hugepages: undo restores what was before the first reserve' 10 $node/nr_hugepages
expect 'hugepages: undo twice' 'nothing to undo' "$("$scripts/hugepages.sh" undo)"
refused 'hugepages: no number' 'usage' "$scripts/hugepages.sh" reserve many
expect 'hugepages: help' 'undo' "$("$scripts/hugepages.sh" --help)"

# ---- bind.sh ----
nic() {		# address, driver, interface
	d=$MR_SYSROOT/sys/bus/pci/devices/$1
	mkdir -p "$d/net/$3" "$MR_SYSROOT/sys/bus/pci/drivers/$2"
	echo 0x020000 > "$d/class"
	echo 0 > "$d/numa_node"
	ln -s "../../drivers/$2" "$d/driver"
}
nic 0000:01:00.0 ixgbe eth0
nic 0000:02:00.0 ixgbe eth1
nic 0000:03:00.0 mlx5_core eth2
nic 0000:04:00.0 ixgbe eth3
mkdir "$MR_SYSROOT/sys/bus/pci/drivers/vfio-pci"
printf 'Iface Destination Gateway Flags RefCnt Use Metric Mask\n%s\n' \
	'eth0 00000000 010200C0 0003 0 0 0 00000000' > "$MR_SYSROOT/proc/net_route"
mkdir "$MR_SYSROOT/proc/net"
mv "$MR_SYSROOT/proc/net_route" "$MR_SYSROOT/proc/net/route"
z=00000000000000000000000000000000
echo "$z 00 $z 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth3" \
	> "$MR_SYSROOT/proc/net/ipv6_route"

out=$("$scripts/bind.sh" status)
expect 'bind: status' '0000:01:00.0 driver ixgbe interface eth0 node 0' "$out"
refused 'bind: default route' 'carries the default route' "$scripts/bind.sh" bind 0000:01:00.0
refused 'bind: IPv6 default route' 'carries the default route' "$scripts/bind.sh" bind 0000:04:00.0
refused 'bind: one bad among good' 'default route' "$scripts/bind.sh" bind 0000:02:00.0 0000:01:00.0
[ ! -e "$MR_SYSROOT/sys/bus/pci/devices/0000:02:00.0/driver_override" ] ||
	{ echo 'FAIL bind: the good one was bound although the other was refused'; failed=1; }
refused 'bind: mlx5' 'works through its kernel driver' "$scripts/bind.sh" bind 0000:03:00.0
refused 'bind: no address' 'no PCI address' "$scripts/bind.sh" bind eth1
refused 'bind: no device' 'there is no PCI device' "$scripts/bind.sh" bind 0000:09:00.0
refused 'bind: nothing named' 'usage' "$scripts/bind.sh" bind
expect 'bind: binds' '0000:02:00.0: ixgbe -> vfio-pci' "$("$scripts/bind.sh" bind 0000:02:00.0)"
content 'bind: override' vfio-pci sys/bus/pci/devices/0000:02:00.0/driver_override
content 'bind: unbound from its driver' 0000:02:00.0 sys/bus/pci/drivers/ixgbe/unbind
content 'bind: probed' 0000:02:00.0 sys/bus/pci/drivers_probe
expect 'bind: forced' 'ixgbe -> vfio-pci' "$("$scripts/bind.sh" bind --force 0000:01:00.0)"
rm "$MR_SYSROOT/sys/bus/pci/devices/0000:02:00.0/driver"
ln -s ../../drivers/vfio-pci "$MR_SYSROOT/sys/bus/pci/devices/0000:02:00.0/driver"
expect 'bind: twice' 'already' "$("$scripts/bind.sh" bind 0000:02:00.0)"
expect 'bind: undo' '0000:02:00.0: vfio-pci -> ixgbe' "$("$scripts/bind.sh" undo)"
content 'bind: undo clears the override' '' sys/bus/pci/devices/0000:02:00.0/driver_override
expect 'bind: undo of a stranger' 'was not bound by' "$("$scripts/bind.sh" undo 0000:03:00.0)"
expect 'bind: help' 'default route' "$("$scripts/bind.sh" --help)"

exit $failed
