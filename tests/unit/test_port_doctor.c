/* SPDX-License-Identifier: BSD-3-Clause */
/* The doctor on fixture trees: each check finds what is there and what is missing, and how to mend
 * it. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/ethtool.h>

#include "check.h"
#include "doctor.h"
#include "port_double.h"

static char root[] = "/tmp/mr_doctor_XXXXXX";
static const uint32_t cpus[] = {0, 1};
static const char *const nics[] = {"0000:03:00.0", NULL};
static const char *const veth[] = {"ve0", NULL};
static struct doctor_request req;
static unsigned int missing;

static MR_PRINTF(1, 2) void shell(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;
	int n = snprintf(cmd, sizeof(cmd), "cd %s && ", root);

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - (size_t)n, fmt, ap);
	va_end(ap);
	cr_assert_eq(double_shell(cmd), 0, "%s", cmd);
}

/* A machine on which nothing is missing. */
static void healthy(void)
{
	cr_assert_not_null(mkdtemp(root));
	shell("mkdir -p sys/kernel/mm/hugepages/hugepages-2048kB sys/devices/system/cpu "
	      "sys/devices/system/node/node0 sys/class/iommu/dmar0 sys/bus/pci/drivers/vfio-pci "
	      "sys/bus/pci/devices/0000:03:00.0 dev/vfio dev/net proc/self");
	shell("echo 512 > sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	shell("echo 0-3 > sys/devices/system/cpu/online; echo 0-1,3 > "
	      "sys/devices/system/cpu/isolated");
	shell("echo 0-1 > sys/devices/system/node/node0/cpulist");
	shell("touch dev/vfio/vfio dev/net/tun");
	shell("ln -s ../../drivers/vfio-pci sys/bus/pci/devices/0000:03:00.0/driver");
	shell("echo 0 > sys/bus/pci/devices/0000:03:00.0/numa_node");
	shell("echo 'Max locked memory         unlimited            unlimited            bytes' "
	      "> proc/self/limits");
	shell("mkdir -p sys/class/net/ve0 sys/class/net/ve1; cd sys/class/net; echo 4 > "
	      "ve0/ifindex; "
	      "echo 5 > ve0/iflink; echo 5 > ve1/ifindex; echo 4 > ve1/iflink; echo up > "
	      "ve0/operstate");
	req = (struct doctor_request){.root = root, .cpus = cpus, .ncpus = 2, .memory_mb = 300};
}

static void clean(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	MR_ASSERT(double_shell(cmd) == 0);
}

static const char *examine(void)
{
	static char text[8192];
	FILE *f = fmemopen(text, sizeof(text), "w");

	missing = doctor_machine(&req, f);
	fclose(f);
	return text;
}

static void says(const char *text, const char *part)
{
	cr_assert_not_null(strstr(text, part), "'%s' is not in:\n%s", part, text);
}

static uint32_t tso_of_ve1;

static bool fake_ethtool(const char *ifname, uint32_t cmd, uint32_t *value)
{
	cr_assert_str_eq(ifname, "ve1");
	*value = cmd == ETHTOOL_GTSO ? tso_of_ve1 : 0;
	return true;
}

TestSuite(port_doctor, .init = healthy, .fini = clean);

Test(port_doctor, a_machine_with_everything_misses_nothing)
{
	const char *text;

	req.pci = nics;
	req.tap = true;
	req.netdev = veth;
	req.ethtool = fake_ethtool;
	text = examine();
	cr_assert_eq(missing, 0, "%s", text);
	cr_assert_null(strstr(text, "mend:"), "%s", text);
	says(text, "hugepages: 512 of 2 MB are free, 150 are wanted");
	says(text, "CPU 1: online and isolated");
	says(text, "IOMMU: on");
	says(text, "bound to vfio-pci");
	says(text, "NUMA: NIC 0000:03:00.0 and the workers are on node 0");
	says(text, "veth peer ve1 sends finished frames");
}

Test(port_doctor, hugepages_are_wanted_without_a_nic_and_needed_with_one)
{
	const char *text;

	shell("echo 10 > sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	text = examine();
	cr_assert_eq(missing, 0);
	says(text, "slow    hugepages: 10 of 2 MB are free, 150 are wanted");
	says(text, "hugepages.sh reserve 256");
	req.pci = nics;
	req.memory_mb = 1200;
	text = examine();
	cr_assert_eq(missing, 1);
	says(text, "MISSING hugepages");
	says(text, "hugepages.sh reserve 600");
}

Test(port_doctor, cores_that_are_offline_or_shared)
{
	const char *text;

	shell("echo 0,2-3 > sys/devices/system/cpu/online; : > sys/devices/system/cpu/isolated");
	text = examine();
	cr_assert_eq(missing, 1);
	says(text, "MISSING CPU 1: not online (online: 0,2-3)");
	says(text, "slow    CPU 0: the scheduler puts other work on it");
	says(text, "isolcpus=0");
}

Test(port_doctor, a_nic_without_iommu_vfio_and_memlock)
{
	const char *text;

	req.pci = nics;
	shell("rm -r sys/class/iommu sys/bus/pci/drivers/vfio-pci");
	shell("echo 'Max locked memory         65536                65536                bytes' "
	      "> proc/self/limits");
	text = examine();
	cr_assert_eq(missing, 3, "%s", text);
	says(text, "MISSING IOMMU");
	says(text, "intel_iommu=on iommu=pt");
	says(text, "modprobe vfio-pci");
	says(text, "MISSING locked memory: the limit is 64 KB, vfio pins 300 MB");
	says(text, "ulimit -l unlimited");
}

Test(port_doctor, a_nic_bound_to_the_kernel_or_to_nothing_or_not_there)
{
	const char *text;

	req.pci = nics;
	shell("rm sys/bus/pci/devices/0000:03:00.0/driver; mkdir sys/bus/pci/drivers/ixgbe; "
	      "ln -s ../../drivers/ixgbe sys/bus/pci/devices/0000:03:00.0/driver");
	text = examine();
	cr_assert_eq(missing, 1);
	says(text, "NIC 0000:03:00.0: bound to ixgbe");
	says(text, "bind.sh bind 0000:03:00.0");
	shell("rm sys/bus/pci/devices/0000:03:00.0/driver");
	says(examine(), "bound to no driver");
	shell("ln -s ../../drivers/mlx5_core sys/bus/pci/devices/0000:03:00.0/driver");
	examine();
	cr_assert_eq(missing, 0);
	shell("rm -r sys/bus/pci/devices/0000:03:00.0");
	says(examine(), "there is no such PCI device");
	cr_assert_eq(missing, 1);
}

Test(port_doctor, workers_on_another_node)
{
	const char *text;

	req.pci = nics;
	shell("echo 1 > sys/bus/pci/devices/0000:03:00.0/numa_node; mkdir "
	      "sys/devices/system/node/node1; echo 1-2 > sys/devices/system/node/node1/cpulist");
	text = examine();
	cr_assert_eq(missing, 0);
	says(text, "slow    NUMA: NIC 0000:03:00.0 is on node 1, 1 of the workers are not");
	says(text, "give the workers CPUs of 1-2");
}

Test(port_doctor, tap_without_tun)
{
	req.tap = true;
	shell("rm dev/net/tun");
	says(examine(), "mknod /dev/net/tun c 10 200");
	cr_assert_eq(missing, 1);
	req.tap = false;
	cr_assert_null(strstr(examine(), "tun"));
}

Test(port_doctor, interfaces_that_are_missing_down_or_offload)
{
	const char *text;

	req.netdev = veth;
	req.ethtool = fake_ethtool;
	tso_of_ve1 = 1;
	text = examine();
	cr_assert_eq(missing, 1);
	says(text, "veth peer ve1 sends unfinished checksums or oversized frames");
	says(text, "ethtool -K ve1 tx off tso off gso off gro off");
	shell("echo down > sys/class/net/ve0/operstate");
	says(examine(), "ip link set ve0 up");
	cr_assert_eq(missing, 2);
	shell("rm -r sys/class/net/ve1");
	says(examine(), "its veth peer is in another namespace");
	shell("rm -r sys/class/net/ve0");
	says(examine(), "interface ve0: there is none of this name here");
}

Test(port_doctor, an_empty_tree_does_not_crash_it)
{
	shell("rm -r sys proc dev; mkdir sys");
	req.pci = nics;
	req.tap = true;
	req.netdev = veth;
	examine();
	cr_assert_geq(missing, 6);
}

Test(port_doctor, this_very_machine)
{
	static const char *const lo[] = {"lo", NULL};

	req.root = "";
	req.netdev = lo;
	says(examine(), "interface lo:");
}
