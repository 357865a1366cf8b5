/* SPDX-License-Identifier: BSD-3-Clause */
/* The bulk bench: a server and its peers for each case, and what was measured of them. */
#ifndef BENCH_BULK_H
#define BENCH_BULK_H

#include "bulk_peer.h"
#include "clock_tsc.h"
#include "stack.h"

#define BULK_CHUNK 256u /* frames built, then timed */
#define BULK_OUT_MAX 8192u /* frames that a chunk brings at most: ten segments for each */
#define BULK_SLICES_MAX 2048u
#define BULK_CASES 4u

struct bulk_options {
	uint32_t connections, run;
	bool software_checksum, slow_path;
	double seconds;
	unsigned int cpu;
	const char *json;
};

/* A server and its peers. */
struct bulk_rig {
	struct bulk_peer peer;
	struct mr_worker *w;
	struct stack_config cfg;
	struct stack_listener listener;
	struct rte_mbuf *out[BULK_OUT_MAX];	/* what it sent, until the peers have read it */
	uint32_t nout;
	double ran;			/* cycles since it began; its clock rests when it does */
	double cycles;
	uint64_t segments;
	double slice[BULK_SLICES_MAX];	/* cycles per segment */
	uint32_t nslices;
};

struct bulk_bench {
	struct bulk_options opt;
	struct mr_clock clock;
	double clock_cost;		/* cycles of reading it twice */
	struct rte_mempool *rx_pool, *ctl_pool;
	struct bulk_rig rig[BULK_CASES];
};

/** Prints all, writes the JSON. The exit status: 1 when a case was not what was planned. */
int bulk_report(struct bulk_bench *b);

#endif /* BENCH_BULK_H */
