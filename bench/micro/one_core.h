/* SPDX-License-Identifier: BSD-3-Clause */
/* What benchmarks of whole stacks on one CPU have in common: EAL without ports, a pool of mbufs. */
#ifndef BENCH_ONE_CORE_H
#define BENCH_ONE_CORE_H

#include <rte_mempool.h>

#include "clock_tsc.h"

#define ONE_CORE_HEADERS 256u	/* room of mbufs that carry no payload */

/**
 * Starts EAL on a CPU, stays there, and makes a pool of n mbufs for `room` octets, on huge pages
 * also where no hugetlb page is free. NULL: said on stderr why not, after the program's name.
 */
struct rte_mempool *one_core_start(const char *program, unsigned int cpu, unsigned int n,
				   uint16_t room);
/** Another pool of them. NULL: not enough memory. */
struct rte_mempool *one_core_pool(const char *name, unsigned int n, uint16_t room);

/**
 * CPU time of this thread in cycles of the TSC: what others do on a shared CPU in between is not
 * counted.
 */
double one_core_cycles(const struct mr_clock *clock);
/** Ascending: of n figures the median is [n / 2]. */
void one_core_sort(double *values, uint32_t n);

/** A decimal number of at most max; with anything else the program ends by usage(2). */
unsigned int one_core_number(const char *text, unsigned int max, int (*usage)(int status));

#endif /* BENCH_ONE_CORE_H */
