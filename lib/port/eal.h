/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of lib/port share about EAL: its argument list, which lcores are taken, the clock
 * of the process, and the text of a failure. Private to lib/port. Control thread only.
 */
#ifndef MR_EAL_H
#define MR_EAL_H

#include "clock_tsc.h"
#include "engine.h"

/* Arguments of one start: fixed ones, a --vdev and a -a with its value for each port, a NULL. */
#define EAL_ARGS_MAX	(32u + 3u * MR_PORTS_MAX)
#define EAL_TEXT_MAX	(8192u + MR_PORTS_MAX * (ENGINE_ARG_MAX + 64u))

/* EAL keeps pointers to its arguments: this must live as long as the process uses EAL. */
struct eal_args {
	char *argv[EAL_ARGS_MAX];
	int argc;
	size_t used;
	char text[EAL_TEXT_MAX];
};

/* CPUs that the control thread may use: a copy of what the kernel lets this process use. */
struct eal_cpus {
	uint32_t cpu[1024];
	uint32_t count;
};

/**
 * Builds the arguments: lcore i is CPU opt->lcores[i], lcore nlcores is the floating control
 * thread. huge: --in-memory, else --no-huge. 0, or -1 with *why. Pure: touches no EAL.
 */
int eal_args_build(struct eal_args *args, const struct eal_options *opt,
		   const struct eal_cpus *cpus, bool huge, const char **why);
/** Free 2 MB hugepages below another root than "/"; for tests. */
uint64_t eal_free_hugepages_at(const char *root);

/** The EAL lcore of a CPU that no engine uses yet, taken; -1 when there is none. */
int eal_claim_lcore(uint32_t cpu);
void eal_release_lcore(int lcore);

/** The clock of the process: all engines share its time 0. Calibrated at the first call. */
const struct mr_clock *eal_clock(void);

/** What the calling thread does next often fails, for a known reason: DPDK's words are hidden. */
void eal_quiet(bool quiet);

/** Formats a failure into a buffer that is valid until the thread's next call. */
MR_PRINTF(1, 2) const char *port_why(const char *fmt, ...);

#endif /* MR_EAL_H */
