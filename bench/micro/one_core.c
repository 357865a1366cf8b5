/* SPDX-License-Identifier: BSD-3-Clause */
/* One CPU and its mbufs; see one_core.h. */
#include <sched.h>
#include <stdlib.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "bigmem.h"
#include "eal.h"
#include "one_core.h"

#define POOL_OCTETS (64ull << 20)
#define PAGE_2M (2u << 20)

static void stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/** A heap of EAL over memory of ours: EAL's own is 4 KB pages without hugetlb. */
static struct rte_mempool *create_pool(unsigned int n)
{
	struct mr_bigmem mem;

	if (mr_bigmem_map(&mem, POOL_OCTETS, -1) != 0 || rte_malloc_heap_create("bench") != 0 ||
	    rte_malloc_heap_memory_add("bench", mem.addr, mem.len, NULL,
				       (unsigned int)(mem.len / PAGE_2M), PAGE_2M) != 0)
		return NULL;
	return rte_pktmbuf_pool_create("bench", n, 512, 0, 256 + RTE_PKTMBUF_HEADROOM,
				       rte_malloc_heap_get_socket("bench"));
}

struct rte_mempool *one_core_start(const char *program, unsigned int cpu, unsigned int n)
{
	static struct eal_options eal;
	struct rte_mempool *pool;
	const char *why = "";

	eal.program = program;
	eal.lcores[0] = cpu;
	eal.nlcores = 1;
	eal.memory_mb = 64;
	if (eal_start(&eal, &why) != 0) {
		fprintf(stderr, "%s: %s\n", program, why);
		return NULL;
	}
	stay_on(cpu); /* EAL lets its main thread float */
	pool = create_pool(n);
	if (pool == NULL)
		fprintf(stderr, "%s: not enough memory\n", program);
	return pool;
}

unsigned int one_core_number(const char *text, unsigned int max, int (*usage)(int status))
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || v > max)
		exit(usage(2));
	return (unsigned int)v;
}
