/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Round-trip time and retransmission timeout (RFC 6298). Numbers in, numbers out: the caller
 * decides which measurement is valid (Karn: none from retransmitted octets unless timestamps tell
 * them apart). Owns no clock and no timer.
 *
 * A connection without data keeps only the coarse value (16 bits of 1/4 ms); one that carries data
 * keeps struct rtt in microseconds. The two convert into each other when the extension comes and
 * goes.
 */
#ifndef MR_RTT_H
#define MR_RTT_H

#include "check.h"

struct rtt {
	uint32_t srtt_us;	/* 0: no measurement yet */
	uint32_t rttvar_us;
	/* doublings of the RTO that no valid measurement has undone yet (5.5) */
	uint8_t backoff;
	bool syn_lost;		/* the SYN was retransmitted and no measurement came since (5.7) */
};

/* Bounds of the RTO, from the parameters of the protocol. */
struct rtt_bounds {
	uint32_t initial_ms;	/* before the first measurement (2.1) */
	uint32_t min_ms, max_ms;
};

#define RTT_BACKOFF_MAX		15u
#define RTT_COARSE_US		250u		/* one unit of the coarse value */
#define RTT_GRANULARITY_US	1000u		/* G: the timers tick in milliseconds */
#define RTT_AFTER_SYN_LOSS_MS	3000u		/* RFC 6298 5.7 */
/* Measurements above this are clamped, so that the sums below stay far from 2^32. */
#define RTT_SAMPLE_MAX_US	(256u * 1000u * 1000u)

/** Starts from a coarse value (0: no measurement yet). */
MR_INLINE void rtt_init(struct rtt *r, uint16_t coarse)
{
	r->srtt_us = coarse * RTT_COARSE_US;
	r->rttvar_us = r->srtt_us / 2;	/* as after a first measurement (2.2) */
	r->backoff = 0;
	r->syn_lost = false;
}
/** One valid measurement; ends the backoff (RFC 6298 2.2, 2.3; RFC 6298 5 note on Karn). */
void rtt_sample(struct rtt *r, uint32_t rtt_us);
/** The timer expired: the next RTO is twice as long (5.5). */
void rtt_backoff(struct rtt *r);
/**
 * RTO in ms: SRTT + max(G, 4 RTTVAR) within the bounds, doubled `doublings` times, at most max_ms.
 */
MR_INLINE uint32_t rtt_rto_ms(const struct rtt *r, const struct rtt_bounds *b,
			      unsigned int doublings)
{
	uint64_t rto_ms = b->initial_ms;

	MR_CHECK(doublings <= RTT_BACKOFF_MAX);
	if (r->syn_lost)
		rto_ms = MR_MAX(rto_ms, RTT_AFTER_SYN_LOSS_MS);
	if (r->srtt_us != 0) {
		uint32_t rto_us = r->srtt_us + MR_MAX(RTT_GRANULARITY_US, 4 * r->rttvar_us);

		rto_ms = ((uint64_t)rto_us + 999) / 1000;
		rto_ms = MR_MAX(rto_ms, b->min_ms);
	}
	rto_ms <<= doublings;	/* 64 bits: cannot overflow from 32 + 15 */
	return (uint32_t)MR_MIN(rto_ms, (uint64_t)b->max_ms);
}

/** A smoothed value for the record: 1 .. 65535 units; 0 only when there is no measurement. */
uint16_t rtt_to_coarse(const struct rtt *r);
/**
 * The coarse value after a first measurement in ms; a fraction of a millisecond counts as one unit.
 */
MR_INLINE uint16_t rtt_coarse_first(uint32_t rtt_ms)
{
	return (uint16_t)MR_MIN(MR_MIN(rtt_ms, 0xffffu) * (1000 / RTT_COARSE_US) + 1, 0xffffu);
}

#endif /* MR_RTT_H */
