/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Thousands of whole connections over a channel that loses, duplicates, delays and reorders.
 * duplex.c checks every octet and every leak; here it is checked that each connection ended as it
 * should.
 */
#include <criterion/criterion.h>

#include "duplex.h"

static void clean_end(const struct duplex_plan *p, const struct duplex_result *r)
{
	cr_assert_eq(r->received[0], p->octets[1], "seed %lu: %u octets", p->seed, r->received[0]);
	cr_assert_eq(r->received[1], p->octets[0], "seed %lu: %u octets", p->seed, r->received[1]);
	cr_assert_eq(r->reason[0], MR_CLOSED, "seed %lu: reason %u", p->seed, r->reason[0]);
	cr_assert_eq(r->reason[1], MR_CLOSED, "seed %lu: reason %u", p->seed, r->reason[1]);
	cr_assert(r->time_wait[0] || r->time_wait[1], "seed %lu: nobody kept TIME_WAIT", p->seed);
}

static uint64_t play(uint64_t from, uint64_t count, unsigned int fastopen)
{
	uint64_t syn_octets = 0;

	for (uint64_t seed = from; seed < from + count; seed++) {
		struct duplex_plan plan;
		struct duplex_result result;

		duplex_plan_random(&plan, seed);
		plan.fastopen = fastopen;
		duplex_run(&plan, &result);
		syn_octets += result.syn_octets;
		if (plan.abort_side < 0)
			clean_end(&plan, &result);
		else
			cr_assert(result.reason[0] != MR_OK && result.reason[1] != MR_OK,
				  "seed %lu: open after an abort", seed);
	}
	return syn_octets;
}

Test(tcp_lossy, connections_1) { play(1, 1000, DUPLEX_NO_FASTOPEN); }
Test(tcp_lossy, connections_2) { play(100001, 1000, DUPLEX_NO_FASTOPEN); }
/* Each octet once and in order whatever becomes of SYN, SYN-ACK and what follows it at once. */
Test(tcp_lossy, fast_open)
{
	cr_expect_gt(play(200001, 1000, DUPLEX_FASTOPEN), 100000);
}
Test(tcp_lossy, fast_open_refused)
{
	cr_expect_eq(play(300001, 1000, DUPLEX_FASTOPEN_REFUSED), 0);
}

/* Without loss nothing is ever sent twice. */
Test(tcp_lossy, clean_channel_has_no_retransmission)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct duplex_plan plan;
		struct duplex_result r;

		duplex_plan_random(&plan, seed);
		plan.loss_percent = plan.dup_percent = plan.jitter_us = plan.read_delay_ms = 0;
		plan.abort_side = -1;
		plan.fastopen = (unsigned int)(seed % 3);
		duplex_run(&plan, &r);
		clean_end(&plan, &r);
		for (unsigned int i = 0; i < 2; i++) {
			cr_assert_eq(r.counters[i].v[MR_C_TCP_REXMT_DATA], 0, "seed %lu", seed);
			cr_assert_eq(r.counters[i].v[MR_C_TCP_REXMT_FIN], 0, "seed %lu", seed);
		}
	}
}
