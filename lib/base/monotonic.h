/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's monotonic clock, for threads that wait and for figures of seconds. Not the engine's
 * clock: workers read clock_tsc.h.
 */
#ifndef MR_MONOTONIC_H
#define MR_MONOTONIC_H

#include <time.h>

#include "attr.h"

/** Milliseconds since some moment before the program's start. Any thread. */
static inline uint64_t mr_monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

#endif /* MR_MONOTONIC_H */
