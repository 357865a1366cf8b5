/* SPDX-License-Identifier: BSD-3-Clause */
/* One CPU and its mbufs; see one_core.h. */
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "bigmem.h"
#include "eal.h"
#include "engine.h"
#include "one_core.h"

#define POOL_OCTETS_MIN (64ull << 20)
#define MBUF_EXTRA 448u /* octets beside its room: struct, headroom, the pool's own, rounding */
#define PAGE_2M (2u << 20)

static void stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/** A heap of EAL over memory of ours: EAL's own is 4 KB pages without hugetlb. */
struct rte_mempool *one_core_pool(const char *name, unsigned int n, uint16_t room)
{
	const uint64_t octets = MR_MAX(POOL_OCTETS_MIN, (uint64_t)n * (room + MBUF_EXTRA));
	struct mr_bigmem mem;

	if (mr_bigmem_map(&mem, octets, -1) != 0 || rte_malloc_heap_create(name) != 0 ||
	    rte_malloc_heap_memory_add(name, mem.addr, mem.len, NULL,
				       (unsigned int)(mem.len / PAGE_2M), PAGE_2M) != 0)
		return NULL;
	return rte_pktmbuf_pool_create_by_ops(name, n, 512, 0,
					      (uint16_t)(room + RTE_PKTMBUF_HEADROOM),
					      rte_malloc_heap_get_socket(name),
					      engine_mempool_ops());
}

struct rte_mempool *one_core_start(const char *program, unsigned int cpu, unsigned int n,
				   uint16_t room)
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
	pool = one_core_pool("bench", n, room);
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

double one_core_cycles(const struct mr_clock *clock)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return ((double)t.tv_sec + (double)t.tv_nsec * 1e-9) * (double)clock->hz;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void one_core_sort(double *values, uint32_t n) { qsort(values, n, sizeof(*values), ascending); }
