/* SPDX-License-Identifier: BSD-3-Clause */
/* What benchmarks of whole stacks on one CPU have in common: EAL without ports, a pool of mbufs. */
#ifndef BENCH_ONE_CORE_H
#define BENCH_ONE_CORE_H

#include <rte_mempool.h>

/**
 * Starts EAL on a CPU, stays there, and makes a pool of n mbufs of 256 octets, on huge pages also
 * where no hugetlb page is free. NULL: said on stderr why not, after the program's name.
 */
struct rte_mempool *one_core_start(const char *program, unsigned int cpu, unsigned int n);

/** A decimal number of at most max; with anything else the program ends by usage(2). */
unsigned int one_core_number(const char *text, unsigned int max, int (*usage)(int status));

#endif /* BENCH_ONE_CORE_H */
