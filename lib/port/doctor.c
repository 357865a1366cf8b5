/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each check reads a few files below `root` and prints one line, and the command that mends what it
 * found. Owns nothing, changes nothing, and needs no EAL: doctor_port() is in profile.c.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "doctor.h"
#include "eal.h"

#define PATH_LEN 512u

/* ---- saying ---- */

void doctor_say(struct doctor *d, const char *verdict, const char *fmt, ...)
{
	va_list ap;

	fprintf(d->out, "%-8s", verdict);
	va_start(ap, fmt);
	vfprintf(d->out, fmt, ap);
	va_end(ap);
	fputc('\n', d->out);
	d->missing += strcmp(verdict, "MISSING") == 0;
}

void doctor_mend(struct doctor *d, const char *fmt, ...)
{
	va_list ap;

	fputs("          mend: ", d->out);
	va_start(ap, fmt);
	vfprintf(d->out, fmt, ap);
	va_end(ap);
	fputc('\n', d->out);
}

/* ---- reading ---- */

static MR_PRINTF(3, 4) void path_of(const struct doctor *d, char path[static PATH_LEN],
				    const char *fmt, ...)
{
	int n = snprintf(path, PATH_LEN, "%s/", d->r->root);
	va_list ap;

	if (n < 0 || (unsigned int)n >= PATH_LEN)
		n = 0;
	va_start(ap, fmt);
	vsnprintf(path + n, PATH_LEN - (size_t)n, fmt, ap);
	va_end(ap);
}

/* The first line of a file without its newline; false when there is none. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool good;

	if (f == NULL)
		return false;
	good = fgets(line, (int)size, f) != NULL;
	fclose(f);
	if (good)
		line[strcspn(line, "\n")] = '\0';
	return good;
}

static long read_number(const char *path, long otherwise)
{
	char line[64], *end;
	long n;

	if (!read_line(path, line, sizeof(line)))
		return otherwise;
	n = strtol(line, &end, 10);
	return end != line ? n : otherwise;
}

static bool has_entries(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool found = false;

	if (dir == NULL)
		return false;
	while (!found && (entry = readdir(dir)) != NULL)
		found = entry->d_name[0] != '.';
	closedir(dir);
	return found;
}

/* Is n in a kernel list such as "0-3,8"? */
static bool in_list(const char *list, uint32_t n)
{
	while (*list != '\0') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			return false;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (n >= first && n <= last)
			return true;
		list = *end == ',' ? end + 1 : end;
	}
	return false;
}

/* ---- memory ---- */

static void check_hugepages(struct doctor *d)
{
	uint64_t pages = eal_free_hugepages_at(d->r->root), wanted = (d->r->memory_mb + 1) / 2;
	bool pci = d->r->pci != NULL && d->r->pci[0] != NULL;

	if (pages >= wanted && pages > 0) {
		doctor_say(d, "ok",
			   "hugepages: %" PRIu64 " of 2 MB are free, %" PRIu64 " are wanted", pages,
			   wanted);
		return;
	}
	doctor_say(d, pci ? "MISSING" : "slow",
		   "hugepages: %" PRIu64 " of 2 MB are free, %" PRIu64 " are wanted%s", pages,
		   wanted, pci ? "; a NIC needs them" : "; without them 4 KB pages are used");
	doctor_mend(d, "drivers-config/hugepages.sh reserve %" PRIu64, MR_MAX(wanted, 256u));
}

/* "Max locked memory         8388608              8388608              bytes" */
static void check_memlock(struct doctor *d)
{
	static const char key[] = "Max locked memory";
	char path[PATH_LEN], line[256];
	uint64_t limit = UINT64_MAX, wanted = d->r->memory_mb << 20;
	FILE *f;

	path_of(d, path, "proc/self/limits");
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0 && strstr(line, "unlimited") == NULL)
			limit = strtoull(line + strlen(key), NULL, 10);
	if (f != NULL)
		fclose(f);
	if (limit >= wanted) {
		doctor_say(d, "ok", "locked memory: the limit allows %" PRIu64 " MB",
			   d->r->memory_mb);
		return;
	}
	doctor_say(d, "MISSING",
		   "locked memory: the limit is %" PRIu64 " KB, vfio pins %" PRIu64 " MB",
		   limit >> 10, d->r->memory_mb);
	doctor_mend(d, "ulimit -l unlimited   (for good: 'memlock' in /etc/security/limits.conf)");
}

/* ---- cores ---- */

static void check_one_cpu(struct doctor *d, uint32_t cpu, const char *online, const char *isolated)
{
	if (!in_list(online, cpu)) {
		doctor_say(d, "MISSING", "CPU %u: not online (online: %s)", cpu, online);
		doctor_mend(d,
			    "name other CPUs for the workers, or: echo 1 > "
			    "/sys/devices/system/cpu/cpu%u/online",
			    cpu);
	} else if (!in_list(isolated, cpu)) {
		doctor_say(d, "slow", "CPU %u: the scheduler puts other work on it", cpu);
		doctor_mend(
			d,
			"isolcpus=%u nohz_full=%u rcu_nocbs=%u on the kernel's command line, or "
			"'idle: sleep' on shared cores",
			cpu, cpu, cpu);
	} else {
		doctor_say(d, "ok", "CPU %u: online and isolated", cpu);
	}
}

static void check_cpus(struct doctor *d)
{
	char path[PATH_LEN], online[256] = "", isolated[256] = "";

	path_of(d, path, "sys/devices/system/cpu/online");
	read_line(path, online, sizeof(online));
	path_of(d, path, "sys/devices/system/cpu/isolated");
	read_line(path, isolated, sizeof(isolated));
	for (uint32_t i = 0; i < d->r->ncpus; i++)
		check_one_cpu(d, d->r->cpus[i], online, isolated);
}

/* ---- PCI ---- */

static void check_iommu(struct doctor *d)
{
	char path[PATH_LEN];

	path_of(d, path, "sys/class/iommu");
	if (has_entries(path)) {
		doctor_say(d, "ok", "IOMMU: on");
		return;
	}
	doctor_say(d, "MISSING", "IOMMU: none, or off; vfio needs one to keep a NIC to its memory");
	doctor_mend(
		d,
		"intel_iommu=on iommu=pt (AMD: iommu=pt) on the kernel's command line, and VT-d or "
		"AMD-Vi in the firmware");
}

static void check_vfio(struct doctor *d)
{
	char path[PATH_LEN], dev[PATH_LEN];

	path_of(d, path, "sys/bus/pci/drivers/vfio-pci");
	path_of(d, dev, "dev/vfio/vfio");
	if (access(path, F_OK) == 0 && access(dev, F_OK) == 0) {
		doctor_say(d, "ok", "vfio: the vfio-pci driver is there");
		return;
	}
	doctor_say(d, "MISSING", "vfio: the vfio-pci driver is not loaded");
	doctor_mend(d, "modprobe vfio-pci");
}

static void check_binding(struct doctor *d, const char *pci)
{
	/* mlx5 shares the NIC with its kernel driver, the others need it for themselves. */
	static const char *const good[] = {"vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core",
					   "mlx4_core"};
	char path[PATH_LEN], link[PATH_LEN];
	const char *driver;
	ssize_t n;

	path_of(d, path, "sys/bus/pci/devices/%s", pci);
	if (access(path, F_OK) != 0) {
		doctor_say(d, "MISSING", "NIC %s: there is no such PCI device", pci);
		doctor_mend(d, "drivers-config/bind.sh status   (lists what there is)");
		return;
	}
	path_of(d, path, "sys/bus/pci/devices/%s/driver", pci);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	driver = strrchr(link, '/') != NULL ? strrchr(link, '/') + 1 : link;
	for (unsigned int i = 0; i < MR_ARRAY_LEN(good); i++) {
		if (strcmp(driver, good[i]) != 0)
			continue;
		doctor_say(d, "ok", "NIC %s: bound to %s", pci, driver);
		return;
	}
	doctor_say(d, "MISSING", "NIC %s: bound to %s", pci,
		   driver[0] != '\0' ? driver : "no driver");
	doctor_mend(d, "drivers-config/bind.sh bind %s", pci);
}

static void check_numa(struct doctor *d, const char *pci)
{
	char path[PATH_LEN], cpus[256] = "?";
	unsigned int far = 0;
	long node;

	path_of(d, path, "sys/bus/pci/devices/%s/numa_node", pci);
	node = read_number(path, -1);
	if (node < 0)
		return;
	path_of(d, path, "sys/devices/system/node/node%ld/cpulist", node);
	read_line(path, cpus, sizeof(cpus));
	for (uint32_t i = 0; i < d->r->ncpus; i++)
		far += !in_list(cpus, d->r->cpus[i]);
	if (far == 0) {
		doctor_say(d, "ok", "NUMA: NIC %s and the workers are on node %ld", pci, node);
		return;
	}
	doctor_say(d, "slow", "NUMA: NIC %s is on node %ld, %u of the workers are not", pci, node,
		   far);
	doctor_mend(d, "give the workers CPUs of %s", cpus);
}

static void check_pci(struct doctor *d)
{
	if (d->r->pci == NULL || d->r->pci[0] == NULL)
		return;
	check_iommu(d);
	check_vfio(d);
	check_memlock(d);
	for (const char *const *pci = d->r->pci; *pci != NULL; pci++) {
		check_binding(d, *pci);
		check_numa(d, *pci);
	}
}

/* ---- kernel interfaces ---- */

static void check_tun(struct doctor *d)
{
	char path[PATH_LEN];

	path_of(d, path, "dev/net/tun");
	if (!d->r->tap)
		return;
	if (access(path, F_OK) == 0) {
		doctor_say(d, "ok", "tap: /dev/net/tun is there");
		return;
	}
	doctor_say(d, "MISSING", "tap: /dev/net/tun is not there");
	doctor_mend(d, "modprobe tun; mkdir -p /dev/net; mknod /dev/net/tun c 10 200");
}

static bool ask_kernel(const char *ifname, uint32_t cmd, uint32_t *value)
{
	struct ethtool_value ask = {.cmd = cmd};
	struct ifreq ifr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool good;

	memset(&ifr, 0, sizeof(ifr));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	ifr.ifr_data = (char *)&ask;
	good = fd >= 0 && ioctl(fd, SIOCETHTOOL, &ifr) == 0;
	if (fd >= 0)
		close(fd);
	*value = ask.data;
	return good;
}

/* Name of the interface with this index in our namespace. */
static bool name_of_index(const struct doctor *d, long index, char name[static IF_NAMESIZE])
{
	char path[PATH_LEN];
	DIR *dir;
	const struct dirent *entry;
	bool found = false;

	path_of(d, path, "sys/class/net");
	dir = opendir(path);
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		path_of(d, path, "sys/class/net/%.15s/ifindex", entry->d_name);
		found = read_number(path, -1) == index;
		if (found)
			snprintf(name, IF_NAMESIZE, "%.15s", entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

/* A veth end hands its peer unfinished checksums and 64 KB frames unless it is told not to. */
static void check_veth_peer(struct doctor *d, const char *ifname, long peer_index)
{
	static const uint32_t offload[] = {ETHTOOL_GTXCSUM, ETHTOOL_GTSO, ETHTOOL_GGSO};
	bool (*ask)(const char *, uint32_t, uint32_t *) = d->r->ethtool;
	char peer[IF_NAMESIZE];
	bool bad = false;

	if (ask == NULL)
		ask = ask_kernel;
	if (!name_of_index(d, peer_index, peer)) {
		doctor_say(d, "slow",
			   "interface %s: its veth peer is in another namespace and could not be "
			   "looked at; its offloads must be off",
			   ifname);
		doctor_mend(d, "in that namespace: ethtool -K PEER tx off tso off gso off gro off");
		return;
	}
	for (unsigned int i = 0; i < MR_ARRAY_LEN(offload); i++) {
		uint32_t on = 0;

		bad |= ask(peer, offload[i], &on) && on != 0;
	}
	if (!bad) {
		doctor_say(d, "ok", "interface %s: its veth peer %s sends finished frames", ifname,
			   peer);
		return;
	}
	doctor_say(d, "MISSING",
		   "interface %s: its veth peer %s sends unfinished checksums or oversized frames: "
		   "every TCP segment would be dropped",
		   ifname, peer);
	doctor_mend(d, "ethtool -K %s tx off tso off gso off gro off", peer);
}

static void check_netdev(struct doctor *d, const char *ifname)
{
	char path[PATH_LEN], state[32] = "";
	long index, link;

	path_of(d, path, "sys/class/net/%s/ifindex", ifname);
	index = read_number(path, -1);
	if (index < 0) {
		doctor_say(d, "MISSING", "interface %s: there is none of this name here", ifname);
		doctor_mend(d, "ip link   (lists them; a namespace has its own)");
		return;
	}
	path_of(d, path, "sys/class/net/%s/operstate", ifname);
	read_line(path, state, sizeof(state));
	if (strcmp(state, "down") == 0) {
		doctor_say(d, "MISSING", "interface %s: down", ifname);
		doctor_mend(d, "ip link set %s up", ifname);
	} else {
		doctor_say(d, "ok", "interface %s: %s", ifname, state);
	}
	path_of(d, path, "sys/class/net/%s/iflink", ifname);
	link = read_number(path, index);
	if (link != index)
		check_veth_peer(d, ifname, link);
}

unsigned int doctor_machine(const struct doctor_request *r, FILE *out)
{
	struct doctor d = {.r = r, .out = out};

	check_hugepages(&d);
	check_cpus(&d);
	check_pci(&d);
	check_tun(&d);
	for (const char *const *n = r->netdev; n != NULL && *n != NULL; n++)
		check_netdev(&d, *n);
	return d.missing;
}
