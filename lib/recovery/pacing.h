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

struct pacing {
	uint32_t clock_ns;	/* modulo 2^32: valid for PACING_REST_MS after something was sent */
};

/* Timers tick in milliseconds: so much is sent at once, and never less than a segment. */
#define PACING_QUANTUM_NS	1000000
/* The clock is never further ahead of time; and whoever rested for so long has no clock. */
#define PACING_REST_MS	1000u

/** How long to wait, in us; 0: send. `rest_ms`: since something was sent. */
uint32_t pacing_wait_us(const struct pacing *p, uint64_t now_us, uint32_t rest_ms);
/** So many octets leave, at a rate in octets a second (not 0). */
void pacing_sent(struct pacing *p, uint64_t now_us, uint32_t rest_ms, uint32_t octets,
		 uint64_t rate);

#endif /* MR_PACING_H */
