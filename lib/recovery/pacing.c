/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See pacing.h. Nanoseconds in 32 bits reach 2.1 s either way: what is compared is never older than
 * the rest of a second, nor further ahead.
 */
#include "pacing.h"

#include "check.h"

#define NS_PER_S	1000000000u

/* By how much the clock is ahead of time, in ns; late by a quantum at most. */
static int32_t ahead_ns(const struct pacing *p, uint64_t now_us, uint32_t rest_ms)
{
	int32_t ahead = (int32_t)(p->clock_ns - (uint32_t)(now_us * 1000));

	if (rest_ms >= PACING_REST_MS)
		return -PACING_QUANTUM_NS;
	return MR_MAX(ahead, -PACING_QUANTUM_NS);
}

uint32_t pacing_wait_us(const struct pacing *p, uint64_t now_us, uint32_t rest_ms)
{
	int32_t beyond = ahead_ns(p, now_us, rest_ms) - PACING_QUANTUM_NS;

	return beyond <= 0 ? 0 : ((uint32_t)beyond + 999) / 1000;
}

void pacing_sent(struct pacing *p, uint64_t now_us, uint32_t rest_ms, uint32_t octets,
		 uint64_t rate)
{
	int64_t ahead = ahead_ns(p, now_us, rest_ms);

	MR_CHECK(rate != 0);
	ahead += (int64_t)((uint64_t)octets * NS_PER_S / rate);
	ahead = MR_MIN(ahead, (int64_t)PACING_REST_MS * 1000000);
	MR_CHECK(ahead >= -PACING_QUANTUM_NS);
	p->clock_ns = (uint32_t)(now_us * 1000) + (uint32_t)ahead;
}
