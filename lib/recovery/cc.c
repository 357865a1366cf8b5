/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The window arithmetic of RFC 5681 and the table of algorithms.
 */
#include "cc.h"

#include "check.h"

/* RFC 5681 3.1, the recommended form: one SMSS per window of acknowledged octets. */
static void reno_avoid(struct cc *cc, uint32_t acked)
{
	cc->acked += acked;
	if (cc->acked >= cc->cwnd) {
		cc->acked -= cc->cwnd;
		cc_set_window(cc, (uint64_t)cc->cwnd + cc->smss);
	}
}

/* RFC 5681 equation 4. */
static uint32_t reno_threshold(const struct cc *cc, uint32_t flight)
{
	return MR_MAX(flight / 2, 2u * cc->smss);
}

static const struct cc_algorithm algorithms[] = {
	[CC_RENO] = { "reno", reno_avoid, reno_threshold },
};

uint32_t cc_initial_window(uint16_t smss, unsigned int segs)
{
	MR_CHECK(smss > 0 && segs > 0);
	return MR_MIN(segs * smss, MR_MAX(MR_MIN(segs, 2u) * smss, segs * CC_IW_SEG_OCTETS));
}

void cc_init(struct cc *cc, enum cc_algorithm_id id, uint16_t smss, uint32_t initial_window)
{
	MR_ASSERT(smss > 0 && id < MR_ARRAY_LEN(algorithms));
	cc->smss = smss;
	cc->algorithm = (uint8_t)id;
	cc->acked = 0;
	cc->ssthresh = CC_SSTHRESH_INFINITE;
	cc_set_window(cc, initial_window);
}

void cc_set_window(struct cc *cc, uint64_t cwnd)
{
	cc->cwnd = (uint32_t)MR_MIN(MR_MAX(cwnd, (uint64_t)cc->smss), (uint64_t)CC_CWND_MAX);
}

void cc_acked(struct cc *cc, uint32_t acked, uint32_t flight)
{
	MR_CHECK(acked > 0 && cc->cwnd >= cc->smss);
	if (cc->cwnd > 2 * (uint64_t)flight)
		return;
	if (cc->cwnd < cc->ssthresh)		/* slow start, RFC 5681 equation 2 */
		cc_set_window(cc, (uint64_t)cc->cwnd + MR_MIN(acked, cc->smss));
	else
		algorithms[cc->algorithm].avoid(cc, acked);
}

void cc_loss(struct cc *cc, uint32_t flight)
{
	cc->ssthresh = algorithms[cc->algorithm].threshold(cc, flight);
	cc->acked = 0;
	MR_CHECK(cc->ssthresh >= 2u * cc->smss);
}

void cc_idle(struct cc *cc, uint32_t initial_window)
{
	if (cc->cwnd > initial_window)
		cc_set_window(cc, initial_window);
	cc->acked = 0;
}
