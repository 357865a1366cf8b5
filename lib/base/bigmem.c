/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Big tables on the best pages the machine has free. Owns no memory: the caller's struct mr_bigmem
 * does. It never lets a page fault, a SIGBUS or the kernel's out-of-memory killer tell the caller
 * what an error code can.
 */
#include <errno.h>
#include <inttypes.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bigmem.h"
#include "check.h"

#define HUGE_PAGE	((size_t)2 << 20)
#define THP_PATH	"/sys/kernel/mm/transparent_hugepage/enabled"

/* Linux 5.14 and glibc 2.35; older kernels answer EINVAL and the pages are touched one by one. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB	(21 << 26)
#endif

const char *mr_page_kind_name(enum mr_page_kind kind)
{
	switch (kind) {
	case MR_PAGE_HUGETLB:
		return "2 MB hugetlb pages";
	case MR_PAGE_THP:
		return "transparent huge pages";
	case MR_PAGE_4K:
		return "4 KB pages";
	}
	return "unknown pages";
}

/*
 * First value in KiB (or pages) after `field` in a file of /proc or /sys; 0 when it is not there.
 */
static uint64_t read_field(const char *path, const char *field)
{
	char line[256];
	uint64_t value = 0;
	size_t len = strlen(field);
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, field, len) == 0 && sscanf(line + len, "%" SCNu64, &value) == 1)
			break;
	}
	fclose(f);
	return value;
}

/* Free and unreserved 2 MB pages, on one node or (-1) anywhere. */
static uint64_t hugetlb_free_pages(int node)
{
	const char *const sys = "/sys/kernel/mm/hugepages/hugepages-2048kB";
	char path[128];
	uint64_t all, reserved, here;

	snprintf(path, sizeof(path), "%s/free_hugepages", sys);
	all = read_field(path, "");
	snprintf(path, sizeof(path), "%s/resv_hugepages", sys);
	reserved = read_field(path, "");
	all = all > reserved ? all - reserved : 0;
	if (node < 0)
		return all;
	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/free_hugepages", node);
	here = read_field(path, "");
	return MR_MIN(all, here);
}

/* What a group's limit leaves: pages of files are counted as used, but give way. */
static uint64_t group_room(const char *dir)
{
	char path[600];
	uint64_t most, used, files;

	snprintf(path, sizeof(path), "%s/memory.max", dir);
	most = read_field(path, "");	/* 0: "max", or no such file */
	snprintf(path, sizeof(path), "%s/memory.current", dir);
	used = read_field(path, "");
	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	files = read_field(path, "file ");
	used -= MR_MIN(used, files);
	if (most == 0)
		return UINT64_MAX;
	return most - MR_MIN(most, used);
}

uint64_t mr_cgroup_available(const char *mount, const char *group)
{
	uint64_t least = UINT64_MAX;
	char dir[512];

	if (snprintf(dir, sizeof(dir), "%s%s", mount, group) >= (int)sizeof(dir))
		return least;
	for (char *slash = dir; slash != NULL && strlen(dir) >= strlen(mount);) {
		least = MR_MIN(least, group_room(dir));
		slash = strrchr(dir, '/');
		if (slash != NULL)
			*slash = '\0';
	}
	return least;
}

/* Of version 2, which has one line, "0::" and the group. */
static uint64_t own_group_available(void)
{
	uint64_t room = UINT64_MAX;
	char line[400];
	FILE *f = fopen("/proc/self/cgroup", "re");

	if (f == NULL)
		return room;
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::", 3) == 0)
			room = mr_cgroup_available("/sys/fs/cgroup", line + 3);
	}
	fclose(f);
	return room;
}

size_t mr_bigmem_available(void)
{
	uint64_t free_octets = read_field("/proc/meminfo", "MemAvailable:") * 1024;

	return (size_t)(MR_MIN(free_octets, own_group_available()) +
			hugetlb_free_pages(-1) * HUGE_PAGE);
}

static bool thp_allowed(void)
{
	char line[64] = "";
	FILE *f = fopen(THP_PATH, "re");

	if (f == NULL)
		return false;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	return strstr(line, "[always]") != NULL || strstr(line, "[madvise]") != NULL;
}

/*
 * Asking for huge pages is not getting them: memory may be fragmented. smaps says what the mapping
 * that holds addr is made of; less than half in huge pages counts as none.
 */
static bool thp_obtained(const void *addr)
{
	char line[256];
	uint64_t lo, hi, kib, size_kib = 0;
	bool inside = false, huge = false;
	FILE *f = fopen("/proc/self/smaps", "re");

	if (f == NULL)
		return false;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &lo, &hi) == 2) {
			inside = (uintptr_t)addr >= lo && (uintptr_t)addr < hi;
			size_kib = (hi - lo) / 1024;
		} else if (inside && sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1) {
			huge = kib >= size_kib / 2;
			break;
		}
	}
	fclose(f);
	return huge;
}

/* Every page is there when it returns 0. */
static int touch(void *addr, size_t len, size_t page)
{
	if (madvise(addr, len, MADV_POPULATE_WRITE) == 0)
		return 0;
	/*
	 * EINVAL: an old kernel. All else is the kernel saying in time that the pages are not
	 * there.
	 */
	if (errno != EINVAL)
		return -ENOMEM;
	for (size_t off = 0; off < len; off += page)
		((volatile uint8_t *)addr)[off] = 0;
	return 0;
}

static int node_of(void *addr)
{
	int node = -1;

	if (get_mempolicy(&node, NULL, 0, addr, MPOL_F_NODE | MPOL_F_ADDR) != 0)
		return -1;
	return node;
}

static bool node_matters(int node)
{
	return node >= 0 && numa_available() == 0 && numa_max_node() > 0 && node <= numa_max_node();
}

/*
 * The policy prefers the node and does not insist, since insisting would end in SIGBUS on a node
 * without pages; where the pages really are is asked after they were touched.
 */
static int bind_and_touch(struct mr_bigmem *m, int node, size_t page)
{
	bool bind = node_matters(node);

	if (bind)
		numa_tonode_memory(m->addr, m->len, node);
	if (touch(m->addr, m->len, page) != 0)
		return -ENOMEM;
	m->node = -1;
	if (bind && node_of(m->addr) == node && node_of((char *)m->addr + m->len - page) == node)
		m->node = node;
	return 0;
}

static int map_hugetlb(struct mr_bigmem *m, int node)
{
	uint64_t pages = m->len / HUGE_PAGE;

	if (hugetlb_free_pages(node_matters(node) ? node : -1) < pages)
		return -ENOMEM;
	m->addr = mmap(NULL, m->len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
	if (m->addr == MAP_FAILED)
		return -ENOMEM;
	m->kind = MR_PAGE_HUGETLB;
	if (bind_and_touch(m, node, HUGE_PAGE) == 0)
		return 0;
	munmap(m->addr, m->len);
	return -ENOMEM;
}

/* One huge page too much is mapped, and what sticks out on both sides is given back. */
static void *map_aligned(size_t len)
{
	char *raw = mmap(NULL, len + HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t head;

	if (raw == MAP_FAILED)
		return NULL;
	head = (HUGE_PAGE - (uintptr_t)raw % HUGE_PAGE) % HUGE_PAGE;
	if (head > 0)
		munmap(raw, head);
	munmap(raw + head + len, HUGE_PAGE - head);
	return raw + head;
}

static int map_anonymous(struct mr_bigmem *m, int node)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	bool thp = thp_allowed();

	if (read_field("/proc/meminfo", "MemAvailable:") < m->len / 1024)
		return -ENOMEM;
	m->addr = map_aligned(m->len);
	if (m->addr == NULL)
		return -ENOMEM;
	if (thp)
		thp = madvise(m->addr, m->len, MADV_HUGEPAGE) == 0;
	if (bind_and_touch(m, node, page) != 0) {
		munmap(m->addr, m->len);
		return -ENOMEM;
	}
	m->kind = thp && thp_obtained(m->addr) ? MR_PAGE_THP : MR_PAGE_4K;
	return 0;
}

int mr_bigmem_map(struct mr_bigmem *m, size_t len, int node)
{
	*m = (struct mr_bigmem){.node = -1, .kind = MR_PAGE_4K};
	MR_ASSERT(len > 0);
	if (len > SIZE_MAX / 2)
		return -ENOMEM;
	m->len = (len + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	if (map_hugetlb(m, node) == 0 || map_anonymous(m, node) == 0) {
		MR_ASSERT((uintptr_t)m->addr % HUGE_PAGE == 0);
		return 0;
	}
	*m = (struct mr_bigmem){.node = -1, .kind = MR_PAGE_4K};
	return -ENOMEM;
}

void mr_bigmem_unmap(struct mr_bigmem *m)
{
	if (m->addr != NULL)
		MR_ASSERT(munmap(m->addr, m->len) == 0);
	*m = (struct mr_bigmem){.node = -1, .kind = MR_PAGE_4K};
}
