/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for the big tables: outside EAL, on hugetlb pages if they are free, else transparent huge
 * pages, else 4 KB pages; bound to a NUMA node; touched at start, so that no page fault is left for
 * the packet path. Never used after start. Control thread only.
 */
#ifndef MR_BIGMEM_H
#define MR_BIGMEM_H

#include "attr.h"

enum mr_page_kind { MR_PAGE_HUGETLB, MR_PAGE_THP, MR_PAGE_4K };

struct mr_bigmem {
	void *addr;		/* 2 MB aligned, zeroed; NULL when not mapped */
	size_t len;		/* octets mapped */
	enum mr_page_kind kind;
	int node;		/* NUMA node it is bound to; -1: not bound */
};

/**
 * Maps and touches len octets on NUMA node (-1: any). Returns 0, or -ENOMEM when the machine has
 * not got that much free (checked against MemAvailable before a page is touched).
 */
int mr_bigmem_map(struct mr_bigmem *m, size_t len, int node);
void mr_bigmem_unmap(struct mr_bigmem *m);
/** "2 MB hugetlb pages", "transparent huge pages", "4 KB pages". */
const char *mr_page_kind_name(enum mr_page_kind kind);
/**
 * Octets that could be mapped now: MemAvailable, or less where a control group's limit is nearer,
 * plus free hugetlb pages.
 */
size_t mr_bigmem_available(void);
/** What memory.max of the group "/a/b" and of those above it leave; UINT64_MAX: no limit. */
uint64_t mr_cgroup_available(const char *mount, const char *group);

#endif /* MR_BIGMEM_H */
