/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib/recovery against the formulas of RFC 6298, 5681, 6582, 6928 and 3042.
 */
#include <criterion/criterion.h>

#include "newreno.h"
#include "rtt.h"

static const struct rtt_bounds bounds = {1000, 200, 120000};

Test(recovery, rto_before_and_after_the_first_measurement)
{
	struct rtt r;

	rtt_init(&r, 0);
	cr_expect_eq(rtt_rto_ms(&r, &bounds, 0), 1000, "2.1");
	rtt_sample(&r, 400000);
	cr_expect_eq(r.srtt_us, 400000);
	cr_expect_eq(r.rttvar_us, 200000);
	cr_expect_eq(rtt_rto_ms(&r, &bounds, 0), 1200, "2.2: SRTT + 4 RTTVAR");
	cr_expect_eq(rtt_rto_ms(&r, &bounds, 3), 9600, "5.5");
	cr_expect_eq(rtt_rto_ms(&r, &bounds, 15), 120000, "2.5");
}

Test(recovery, rtt_converges_and_its_bounds_hold)
{
	struct rtt r;

	rtt_init(&r, 0);
	for (unsigned int i = 0; i < 100; i++)
		rtt_sample(&r, 50000);
	cr_expect(r.srtt_us > 49900 && r.srtt_us <= 50000, "%u", r.srtt_us);
	cr_expect_lt(r.rttvar_us, 100);
	cr_expect_eq(rtt_rto_ms(&r, &bounds, 0), 200);
	for (unsigned int i = 0; i < 100; i++)
		rtt_sample(&r, i & 1 ? UINT32_MAX : 0);
	cr_expect_leq(r.srtt_us, RTT_SAMPLE_MAX_US);
	cr_expect_leq(rtt_rto_ms(&r, &bounds, 15), 120000);
}

/* RFC 6298 2.2, 2.3: alpha 1/8, beta 1/4, and RTTVAR moves before SRTT. */
Test(recovery, rtt_gains_are_those_of_the_rfc)
{
	struct rtt r;

	rtt_init(&r, 0);
	rtt_sample(&r, 400000);
	cr_expect_eq(r.srtt_us, 400000);
	cr_expect_eq(r.rttvar_us, 200000);
	rtt_sample(&r, 800000);
	cr_expect_eq(r.rttvar_us, 250000);	/* 3/4 200000 + 1/4 400000 */
	cr_expect_eq(r.srtt_us, 450000);	/* 7/8 400000 + 1/8 800000 */
	cr_expect_eq(rtt_rto_ms(&r, &bounds, 0), 1450);
	rtt_sample(&r, 50000);
	cr_expect_eq(r.rttvar_us, 287500);
	cr_expect_eq(r.srtt_us, 400000);
	cr_expect_eq(rtt_rto_ms(&r, &bounds, 0), 1550);
}

Test(recovery, coarse_value_survives)
{
	struct rtt r;

	for (uint32_t ms = 0; ms < 20000; ms += 7) {
		uint16_t coarse = rtt_coarse_first(ms);

		cr_assert_neq(coarse, 0);
		rtt_init(&r, coarse);
		cr_assert_eq(rtt_to_coarse(&r), coarse);
	}
	rtt_init(&r, 0);
	cr_expect_eq(rtt_to_coarse(&r), 0);
}

Test(recovery, initial_window)
{
	cr_expect_eq(cc_initial_window(1460, 10), 14600);
	cr_expect_eq(cc_initial_window(536, 10), 5360);
	cr_expect_eq(cc_initial_window(9000, 10), 18000, "RFC 6928: max(2 MSS, 14600)");
	cr_expect_eq(cc_initial_window(1460, 1), 1460);
}

/* An ACK of `acked` octets when `flight` were outstanding. */
static void got(struct cc *cc, uint32_t acked, uint32_t flight)
{
	cc_acked(cc, &(struct cc_ack){.acked = acked, .flight = flight});
}

Test(recovery, slow_start_then_avoidance)
{
	struct cc cc;

	cc_init(&cc, CC_NEWRENO, 1000, 4000);
	for (unsigned int i = 0; i < 4; i++)
		got(&cc, 1000, cc.cwnd);
	cr_expect_eq(cc.cwnd, 8000, "doubles in a round trip");
	got(&cc, 5000, cc.cwnd);
	cr_expect_eq(cc.cwnd, 9000, "at most one SMSS per ACK");
	cc.ssthresh = 9000;
	for (unsigned int i = 0; i < 9; i++)
		got(&cc, 1000, cc.cwnd);
	cr_expect_eq(cc.cwnd, 10000, "one SMSS in a round trip");
	got(&cc, 1000, 1000);
	cr_expect_eq(cc.cwnd, 10000, "a window that is not used does not grow");
	cc_idle(&cc, 100, CC_CWND_MAX);
	cr_expect_eq(cc.cwnd, 10000, "not an RTO yet");
	cc_idle(&cc, 1000, 4000);
	cr_expect_eq(cc.cwnd, 4000, "RFC 5681 4.1");
	cr_expect_eq(cc.ssthresh, 9000);
	cc_idle(&cc, 2000, 8000);
	cr_expect_eq(cc.cwnd, 4000, "min(IW, cwnd)");
}

Test(recovery, newreno_steps)
{
	struct newreno nr;
	struct newreno_flight f = {.una = 1000, .nxt = 11000};
	struct cc cc;

	cc_init(&cc, CC_NEWRENO, 1000, 10000);
	newreno_init(&nr, f.una);
	cr_expect_eq(newreno_dupack(&nr, &cc, &f), 0);
	cr_expect_eq(newreno_allowance(&nr, &cc), 11000, "RFC 3042");
	cr_expect_eq(newreno_dupack(&nr, &cc, &f), 0);
	cr_expect_eq(newreno_allowance(&nr, &cc), 12000);
	cr_expect(newreno_dupack(&nr, &cc, &f) & NEWRENO_RETRANSMIT);
	cr_expect_eq(cc.ssthresh, 5000);
	cr_expect_eq(cc.cwnd, 8000, "ssthresh + 3 SMSS");
	newreno_dupack(&nr, &cc, &f);
	cr_expect_eq(cc.cwnd, 9000, "inflated");
	cr_expect_eq(newreno_acked(&nr, &cc, &f, 4000), NEWRENO_RETRANSMIT | NEWRENO_RESTART_TIMER);
	cr_expect_eq(cc.cwnd, 7000, "partial: deflated by 3000, one SMSS back");
	f.una = 4000;
	cr_expect_eq(newreno_acked(&nr, &cc, &f, 5000), NEWRENO_RETRANSMIT,
		     "the timer restarts once");
	f.una = 5000;
	cr_expect_eq(newreno_acked(&nr, &cc, &f, 11000), NEWRENO_RESTART_TIMER);
	cr_expect_eq(nr.phase, NEWRENO_OPEN);
	cr_expect_eq(cc.cwnd, 2000, "min(ssthresh, max(flight, SMSS) + SMSS)");
}

/* RFC 6582 3.2 step 2: duplicates of what was resent already start nothing. */
Test(recovery, duplicates_after_a_timeout_start_nothing)
{
	struct newreno nr;
	struct newreno_flight f = {.una = 1000, .nxt = 11000};
	struct cc cc;

	cc_init(&cc, CC_NEWRENO, 1000, 10000);
	newreno_init(&nr, f.una);
	newreno_timeout(&nr, &cc, &f, false);
	cr_expect_eq(cc.cwnd, 1000, "RFC 5681 3.1: the loss window");
	cr_expect_eq(cc.ssthresh, 5000);
	newreno_timeout(&nr, &cc, &f, true);
	cr_expect_eq(cc.ssthresh, 5000, "held when the same segment is lost again");
	for (unsigned int i = 0; i < 5; i++)
		cr_expect_eq(newreno_dupack(&nr, &cc, &f), 0);
	cr_expect_eq(newreno_acked(&nr, &cc, &f, 11000), NEWRENO_RESTART_TIMER);
	cr_expect_eq(nr.phase, NEWRENO_OPEN);
}

/* `recover` is a sequence number: left where it was it would be ahead again after 2^31 octets. */
Test(recovery, fast_retransmit_after_2_gib_without_loss)
{
	struct newreno nr;
	struct newreno_flight f = {.una = 1000, .nxt = 1000};
	struct cc cc;

	cc_init(&cc, CC_NEWRENO, 1000, 10000);
	newreno_init(&nr, f.una);
	for (unsigned int i = 0; i < 20; i++) {
		unsigned int actions = 0;

		f.nxt = f.una + (1u << 28);
		newreno_acked(&nr, &cc, &f, f.nxt);
		f = (struct newreno_flight){.una = f.nxt, .nxt = f.nxt + 5000};
		for (unsigned int k = 0; k < NEWRENO_DUPACKS && i % 9 == 8; k++)
			actions = newreno_dupack(&nr, &cc, &f);
		cr_expect_eq((actions & NEWRENO_FAST) != 0, i % 9 == 8, "step %u", i);
	}
}

/* RFC 5681 3.2 step 2: what limited transmit sent "MUST NOT be included in this calculation". */
Test(recovery, limited_transmit_is_no_flight)
{
	struct newreno nr;
	struct newreno_flight f = {.una = 1000, .nxt = 11000};
	struct cc cc;

	cc_init(&cc, CC_NEWRENO, 1000, 10000);
	newreno_init(&nr, f.una);
	for (unsigned int i = 1; i < NEWRENO_DUPACKS; i++) {
		newreno_dupack(&nr, &cc, &f);
		f.nxt = f.una + (uint32_t)newreno_allowance(&nr, &cc);
	}
	cr_assert_eq(f.nxt, 13000);
	cr_assert(newreno_dupack(&nr, &cc, &f) & NEWRENO_FAST);
	cr_expect_eq(cc.ssthresh, 5000);
}
