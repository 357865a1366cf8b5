/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pacing: when the next octets may leave, so that a window leaves as a stream and not in bursts
 * (RFC 9002 7.7). A clock runs ahead of time by what has been sent at the rate of then; who is more
 * than a quantum ahead waits. What a timer of milliseconds was late by, up to a quantum, is sent at
 * once. Numbers in, a time out; the rate is cc_pacing_rate().
 */
#ifndef MR_PACING_H
#define MR_PACING_H

#include "attr.h"

/* All 0: nothing was sent yet. */
struct pacing {
	uint64_t clock_ns;
};

/* Timers tick in milliseconds: so much is sent at once, and never less than a segment. */
#define PACING_QUANTUM_NS	1000000
/* The clock is never further ahead of time: the slowest rate is a segment a second. */
#define PACING_AHEAD_MAX_NS	1000000000

/** How long to wait, in us; 0: send. */
uint32_t pacing_wait_us(const struct pacing *p, uint64_t now_us);
/** So many octets leave, at a rate in octets a second (not 0). */
void pacing_sent(struct pacing *p, uint64_t now_us, uint32_t octets, uint64_t rate);

#endif /* MR_PACING_H */
