/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 6298 in integers. SRTT and RTTVAR are kept in microseconds, not in scaled units: with gains
 * of 1/8 and 1/4 the truncation loses at most 7 us, far below the timer's millisecond.
 */
#include "rtt.h"

static_assert((uint64_t)RTT_SAMPLE_MAX_US * 9 < (uint64_t)1 << 32,
	      "SRTT + 4 RTTVAR must not wrap: RTTVAR never exceeds the largest measurement");

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

uint16_t rtt_to_coarse(const struct rtt *r)
{
	uint32_t units = r->srtt_us / RTT_COARSE_US;

	if (r->srtt_us == 0)
		return 0;
	return (uint16_t)MR_MIN(MR_MAX(units, 1u), 0xffffu);
}
