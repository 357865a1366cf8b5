/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 6298 in integers. SRTT and RTTVAR are kept in microseconds, not in scaled units: with gains of
 * 1/8 and 1/4 the truncation loses at most 7 us, far below the timer's millisecond.
 */
#include "rtt.h"

#include "check.h"

static_assert((uint64_t)RTT_SAMPLE_MAX_US * 9 < (uint64_t)1 << 32,
	      "SRTT + 4 RTTVAR must not wrap: RTTVAR never exceeds the largest measurement");

static uint32_t coarse_us(uint16_t coarse) { return coarse * RTT_COARSE_US; }

void rtt_init(struct rtt *r, uint16_t coarse)
{
	r->srtt_us = coarse_us(coarse);
	r->rttvar_us = r->srtt_us / 2;	/* as after a first measurement (2.2) */
	r->backoff = 0;
	r->syn_lost = false;
}

void rtt_sample(struct rtt *r, uint32_t rtt_us)
{
	uint32_t delta;

	rtt_us = MR_MIN(MR_MAX(rtt_us, 1u), RTT_SAMPLE_MAX_US);
	r->backoff = 0;
	r->syn_lost = false;
	if (r->srtt_us == 0) {				/* 2.2 */
		r->srtt_us = rtt_us;
		r->rttvar_us = rtt_us / 2;
		return;
	}
	delta = r->srtt_us > rtt_us ? r->srtt_us - rtt_us : rtt_us - r->srtt_us;
	r->rttvar_us = r->rttvar_us - r->rttvar_us / 4 + delta / 4;	/* 2.3: beta 1/4 */
	r->srtt_us = r->srtt_us - r->srtt_us / 8 + rtt_us / 8;		/* alpha 1/8 */
	r->srtt_us = MR_MAX(r->srtt_us, 1u);
	MR_CHECK(r->srtt_us <= RTT_SAMPLE_MAX_US && r->rttvar_us <= RTT_SAMPLE_MAX_US);
}

void rtt_backoff(struct rtt *r)
{
	if (r->backoff < RTT_BACKOFF_MAX)
		r->backoff++;
}

uint32_t rtt_rto_ms(const struct rtt *r, const struct rtt_bounds *b, unsigned int doublings)
{
	uint64_t rto_ms = b->initial_ms;

	MR_CHECK(doublings <= RTT_BACKOFF_MAX);
	if (r->syn_lost)
		rto_ms = MR_MAX(b->initial_ms, RTT_AFTER_SYN_LOSS_MS);
	if (r->srtt_us != 0) {
		uint32_t rto_us = r->srtt_us + MR_MAX(RTT_GRANULARITY_US, 4 * r->rttvar_us);

		rto_ms = ((uint64_t)rto_us + 999) / 1000;
		rto_ms = MR_MAX(rto_ms, b->min_ms);
	}
	rto_ms <<= doublings;	/* 64 bits: cannot overflow from 32 + 15 */
	return (uint32_t)MR_MIN(rto_ms, (uint64_t)b->max_ms);
}

uint16_t rtt_to_coarse(const struct rtt *r)
{
	uint32_t units = r->srtt_us / RTT_COARSE_US;

	if (r->srtt_us == 0)
		return 0;
	return (uint16_t)MR_MIN(MR_MAX(units, 1u), 0xffffu);
}

uint16_t rtt_coarse_sample(uint16_t coarse, uint32_t rtt_ms)
{
	struct rtt r;

	rtt_init(&r, coarse);
	rtt_sample(&r, MR_MIN(rtt_ms, RTT_SAMPLE_MAX_US / 1000) * 1000 + RTT_COARSE_US);
	return rtt_to_coarse(&r);
}
