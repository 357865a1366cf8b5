/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When the next connection is due, in an open loop: at constant distances, or at exponentially
 * distributed ones (a Poisson process). Times are counts of the CPU's clock, with 12 bits of
 * fraction, so that a rate of millions per second does not drift. A late generator does not skip:
 * what was due stays due, and its latency counts from then (no coordinated omission). HOT PATH.
 */
#ifndef MB_PACE_H
#define MB_PACE_H

#include "check.h"
#include "rng.h"

#define MB_PACE_FRACTION 12u

struct mb_pace {
	uint64_t next; /* counts << 12, relative to start_tsc */
	uint64_t mean; /* counts << 12 */
	uint64_t start_tsc;
	struct mr_rng rng;
	bool poisson;
};

/** per_s: connections per second, > 0. mb_pace_start() sets it going. */
MR_INLINE void mb_pace_init(struct mb_pace *p, double per_s, bool poisson, uint64_t hz,
			    uint64_t seed)
{
	MR_ASSERT(per_s > 0 && hz > 0);
	p->mean = (uint64_t)((double)hz * (1u << MB_PACE_FRACTION) / per_s);
	p->poisson = poisson;
	p->next = 0;
	p->start_tsc = 0;
	mr_rng_seed(&p->rng, seed);
}

/** Lets the arrivals begin: the first is due at now_tsc. 2^52 counts, 12 days at 4 GHz, fit. */
MR_INLINE void mb_pace_start(struct mb_pace *p, uint64_t now_tsc)
{
	p->start_tsc = now_tsc;
	p->next = 0;
}

/** When the next arrival is due. */
MR_INLINE uint64_t mb_pace_due(const struct mb_pace *p)
{
	return p->start_tsc + (p->next >> MB_PACE_FRACTION);
}

/** The arrival that was due has been dealt with. */
MR_INLINE void mb_pace_step(struct mb_pace *p)
{
	p->next += p->poisson ? (uint64_t)mr_rng_exponential(&p->rng, (double)p->mean) : p->mean;
}

/** Takes all that is due at now_tsc at once; returns how many. At the end of a run: a loop. */
static inline uint64_t mb_pace_overdue(struct mb_pace *p, uint64_t now_tsc)
{
	uint64_t n = 0;

	for (; mb_pace_due(p) <= now_tsc; n++)
		mb_pace_step(p);
	return n;
}

#endif /* MB_PACE_H */
