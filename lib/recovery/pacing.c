/* SPDX-License-Identifier: BSD-3-Clause */
/* See pacing.h. */
#include "pacing.h"

#include "check.h"

#define NS_PER_S	1000000000u

/* By how much the clock is ahead of time, in ns; late by a quantum at most. */
static int64_t ahead_ns(const struct pacing *p, uint64_t now_us)
{
	int64_t ahead = (int64_t)(p->clock_ns - now_us * 1000);

	return MR_MAX(ahead, (int64_t)-PACING_QUANTUM_NS);
}

uint32_t pacing_wait_us(const struct pacing *p, uint64_t now_us)
{
	int64_t beyond = ahead_ns(p, now_us) - PACING_QUANTUM_NS;

	MR_CHECK(beyond < PACING_AHEAD_MAX_NS);
	return beyond <= 0 ? 0 : ((uint32_t)beyond + 999) / 1000;
}

void pacing_sent(struct pacing *p, uint64_t now_us, uint32_t octets, uint64_t rate)
{
	int64_t ahead = ahead_ns(p, now_us);

	MR_CHECK(rate != 0);
	ahead += (int64_t)((uint64_t)octets * NS_PER_S / rate);
	p->clock_ns = now_us * 1000 + (uint64_t)MR_MIN(ahead, (int64_t)PACING_AHEAD_MAX_NS);
}
