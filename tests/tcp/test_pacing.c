/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending that is paced: when data leaves, what is not held by it, and the clock that says so
 * (RFC 9002 7.7).
 */
#include <criterion/criterion.h>

#include "loss_fixture.h"

static struct world w;

static void begin(void)
{
	world_init(&w);
	w.peer_sack = true;
	w.params.pacing = true;
	w.params.snd_buf = 1u << 20;
}
static void end(void) { world_fini(&w); }
TestSuite(tcp_pacing, .init = begin, .fini = end);

/* A round trip of 100 ms is known, and a window of 40 segments: 29.2 of them in one at 1 / RTT. */
static void known_path(bool slow_start)
{
	established(&w);
	world_send(&w, MSS, 0);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, 1);
	loss_ext(&w)->rtt.srtt_us = RTT_MS * 1000;
	loss_ext(&w)->cc.cwnd = 40 * MSS;
	loss_ext(&w)->cc.ssthresh = slow_start ? 80 * MSS : 20 * MSS;
	loss_wait_ms(&w, 1000);
	loss_ext(&w)->sent_ms = w.cx.now_ms;	/* no restart after idle */
}

/* How many segments leave within so many ms, and the most in one of them. */
static unsigned int leave_in(unsigned int ms, unsigned int *most)
{
	unsigned int sum = 0;

	*most = 0;
	for (unsigned int i = 0; i < ms; i++) {
		world_sleep_ms(&w, 1);
		sum += w.nout;
		*most = MR_MAX(*most, w.nout);
	}
	return sum;
}

/* 50 segments in 100 ms where the window has 40: one in 2 ms, and never more than that and one. */
Test(tcp_pacing, a_window_leaves_over_the_round_trip)
{
	unsigned int most, first;

	known_path(false);
	world_send(&w, 40 * MSS, 0);
	first = w.nout;
	cr_expect_leq(first, 2, "%u at once", first);
	first += leave_in(40, &most);
	cr_expect(first >= 20 && first <= 22, "%u in half of the time", first);
	cr_expect_leq(most, 2);
	first += leave_in(40, &most);
	cr_expect_eq(first, 40, "%u in 80 ms", first);
	cr_expect_eq(leave_in(40, &most), 0, "the window limits, too");
	loss_all_acked(&w);
}

/* The next window must leave in half of the time that this one took. */
Test(tcp_pacing, slow_start_is_twice_as_fast)
{
	unsigned int most, sum;

	known_path(true);
	world_send(&w, 40 * MSS, 0);
	sum = w.nout + leave_in(50, &most);
	cr_expect_eq(sum, 40, "%u", sum);
	cr_expect_leq(most, 2);
	loss_all_acked(&w);
}

/* A timer asks again, exactly then; not one of those that tell of a loss. */
Test(tcp_pacing, a_timer_says_when)
{
	uint32_t sum_ms = 0;

	known_path(false);
	world_send(&w, 10 * MSS, 0);
	for (unsigned int sent = w.nout; sent < 10; sent += w.nout) {
		uint32_t ms = world_next_timer(&w);

		sum_ms += ms;
		cr_expect(ms >= 1 && ms <= 2, "%u ms", ms);
		cr_assert_eq(loss_resent_now(&w), 0);
	}
	cr_expect(sum_ms >= 15 && sum_ms <= 20, "%u ms", sum_ms);
	loss_all_acked(&w);
}

/* What was not sent while there was nothing to send is not sent at once later. */
Test(tcp_pacing, a_rest_is_no_credit)
{
	known_path(false);
	for (unsigned int rest_ms = 1; rest_ms <= 100000; rest_ms *= 10) {
		loss_wait_ms(&w, rest_ms);
		loss_ext(&w)->cc.cwnd = 40 * MSS;
		world_send(&w, 4 * MSS, 0);
		cr_expect_leq(w.nout, 3, "%u after %u ms", w.nout, rest_ms);
		while (w.c.snd_nxt - w.c.snd_una != 4 * MSS)
			world_next_timer(&w);
		loss_all_acked(&w);
	}
}

/* Two segments a second, acknowledged at once: neither a probe nor the override timer hurries. */
Test(tcp_pacing, a_limit_slower_than_any_timer)
{
	unsigned int most, sum;

	w.params.pacing = false;
	w.params.pacing_rate_max = 2 * MSS;
	known_path(false);
	world_send(&w, 20 * MSS, 0);
	sum = w.nout;
	for (unsigned int i = 0; i < 100; i++) {
		if (w.c.snd_una != w.c.snd_nxt) {
			loss_all_acked(&w);
			sum += w.nout;
		}
		sum += leave_in(30, &most);
		cr_expect_leq(most, 1);
	}
	cr_expect(sum >= 6 && sum <= 7, "%u in 3 s", sum);
	cr_expect_eq(loss_count(&w, MR_C_TCP_PERSIST) + loss_count(&w, MR_C_TCP_TLP), 0);
	tcp_abort(&w.cx, &w.c, MR_ABORTED, &w.v);
}

/* No slower than a segment a second, as the option says, and the rest is not for ever. */
Test(tcp_pacing, a_segment_a_second_at_least)
{
	w.params.pacing_rate_max = 1;
	known_path(false);
	world_send(&w, 2 * MSS, 0);
	cr_assert_eq(w.nout, 1);
	loss_all_acked(&w);
	cr_expect_eq(w.nout, 0);
	cr_expect_leq(world_next_timer(&w), 1000);
	cr_expect_eq(w.nout, 1);
	loss_all_acked(&w);
}

/* What is lost goes again at the rate, but for the first: a fast retransmit is one. */
Test(tcp_pacing, repairs_are_paced)
{
	unsigned int most, sum;

	w.params.pacing = false;
	loss_in_flight(&w, 30);
	w.params.pacing = true;
	LOSS_ACK(&w, S(0), {S(20), S(30)});
	sum = loss_resent_now(&w);
	cr_expect(sum >= 1 && sum <= 3, "%u", sum);
	for (unsigned int i = 0; i < 50; i++) {
		sum += leave_in(1, &most);
		cr_expect_leq(most, 2);
	}
	cr_expect_gt(sum, 5, "%u", sum);
	loss_all_acked(&w);
}

/* What tells of the peer is never held: a probe, and what goes again after a timeout. */
Test(tcp_pacing, probe_and_timeout_are_not_held)
{
	loss_in_flight(&w, 1);
	w.params.pacing_rate_max = MSS;
	loss_flight(&w)->pacing.clock_ns = w.cx.now_us * 1000 + 900000000u;
	while (loss_count(&w, MR_C_TCP_RTO) == 0) {
		world_next_timer(&w);
		loss_flight(&w)->pacing.clock_ns = w.cx.now_us * 1000 + 900000000u;
	}
	cr_expect_eq(loss_count(&w, MR_C_TCP_TLP), 1);
	cr_expect_eq(w.nout, 1);
	loss_all_acked(&w);
}

/* A probe by new data, too, which a window has room for now. */
Test(tcp_pacing, probe_of_new_data_is_not_held)
{
	struct tcp_seg seg;

	loss_in_flight(&w, 1);
	w.params.pacing_rate_max = MSS;
	loss_flight(&w)->pacing.clock_ns = w.cx.now_us * 1000 + 990000000u;
	world_send(&w, MSS, 0);
	cr_assert_eq(w.nout, 0);
	seg = world_seg(&w, TCP_ACK, 0);
	seg.ack = w.c.snd_una;
	world_arrives(&w, &seg);
	cr_assert_eq(w.nout, 0);
	while (loss_count(&w, MR_C_TCP_TLP) == 0) {
		world_next_timer(&w);
		cr_assert_eq(loss_count(&w, MR_C_TCP_RTO), 0);
	}
	cr_assert_eq(w.nout, 1);
	cr_expect(!w.out[0].retransmit);
	loss_all_acked(&w);
}

/* Switched off while something waits: it leaves with the next event. */
Test(tcp_pacing, switched_off)
{
	known_path(false);
	world_send(&w, 40 * MSS, 0);
	cr_assert_leq(w.nout, 2);
	w.params.pacing = false;
	world_output(&w);
	cr_expect_geq(w.nout, 38);
	cr_expect_gt(world_next_timer(&w), 10);
	loss_all_acked(&w);
}

/* Neither without SACK, nor without congestion control or a round trip, unless there is a limit. */
Test(tcp_pacing, who_has_a_rate)
{
	struct mr_tcp_info info;

	known_path(false);
	world_send(&w, MSS, 0);
	tcp_info(&w.cx, &w.c, &info);
	cr_expect_eq(info.pacing_rate, 40ull * MSS * 10 * 5 / 4);
	w.params.pacing_rate_max = 100000;
	tcp_info(&w.cx, &w.c, &info);
	cr_expect_eq(info.pacing_rate, 100000);
	w.params.pacing_rate_max = 0;
	loss_ext(&w)->cc.cwnd = 4 * MSS;
	tcp_info(&w.cx, &w.c, &info);
	cr_expect_eq(info.pacing_rate, 0, "no burst to begin with");
	loss_ext(&w)->cc.cwnd = 40 * MSS;
	loss_ext(&w)->rtt.srtt_us = 0;
	tcp_info(&w.cx, &w.c, &info);
	cr_expect_eq(info.pacing_rate, 0);
	loss_ext(&w)->rtt.srtt_us = RTT_MS * 1000;
	loss_ext(&w)->cc.algorithm = CC_NONE;
	tcp_info(&w.cx, &w.c, &info);
	cr_expect_eq(info.pacing_rate, 0);
	loss_ext(&w)->cc.algorithm = CC_CUBIC;
	loss_all_acked(&w);
}

Test(tcp_pacing, not_without_sack)
{
	w.peer_sack = false;
	w.params.pacing_rate_max = MSS;
	established(&w);
	world_send(&w, 10 * MSS, 0);
	cr_expect_eq(w.nout, 10);
	while (w.c.snd_una != w.c.snd_nxt) {
		struct tcp_seg seg = world_seg(&w, TCP_ACK, 0);

		world_arrives(&w, &seg);
	}
}

/* A new limit takes hold at once: a lower one, long after sending began, and a higher one. */
Test(tcp_pacing, limit_is_changed)
{
	uint32_t sum_ms = 0;

	w.params.pacing = false;
	known_path(false);
	for (unsigned int i = 0; i < 30; i++) {		/* for three seconds */
		world_send(&w, 4 * MSS, 0);
		cr_assert_eq(w.nout, 4);
		loss_wait_ms(&w, RTT_MS);
		loss_all_acked(&w);
	}
	w.params.pacing_rate_max = 100 * MSS;
	tcp_option_changed(&w.cx, &w.c, MR_OPT_PACING_RATE_MAX);
	world_send(&w, 4 * MSS, 0);
	for (unsigned int sent = w.nout; sent < 4; sent += w.nout)
		sum_ms += world_next_timer(&w);
	cr_expect(sum_ms >= 20 && sum_ms <= 30, "%u ms", sum_ms);
	w.params.pacing_rate_max = 1;
	tcp_option_changed(&w.cx, &w.c, MR_OPT_PACING_RATE_MAX);
	world_send(&w, 8 * MSS, 0);
	cr_expect_eq(w.nout, 1);
	w.params.pacing_rate_max = 1000000000;
	tcp_option_changed(&w.cx, &w.c, MR_OPT_PACING_RATE_MAX);
	world_output(&w);
	cr_expect_eq(w.nout, 7);
	loss_all_acked(&w);
}

/* Whenever a connection gets its scoreboard, its first data is not late. */
Test(tcp_pacing, first_data_is_not_late)
{
	for (uint32_t start_ms = 0; start_ms < 9000; start_ms += 77) {
		uint32_t sum_ms = 0;

		world_fini(&w);
		begin();
		loss_wait_ms(&w, start_ms);
		established(&w);
		tcp_ext_take(&w.cx, &w.c);
		loss_ext(&w)->rtt.srtt_us = 20000;
		world_send(&w, 10 * MSS, 0);
		for (unsigned int sent = w.nout; sent < 10; sent += w.nout)
			sum_ms += world_next_timer(&w);
		cr_expect_leq(sum_ms, 20, "%u ms after %u", sum_ms, start_ms);
		loss_all_acked(&w);
	}
}

/* ---- the clock ---- */

/* By a timer that is up to a millisecond late: what leaves in the long run is the rate. */
Test(pacing, keeps_the_rate)
{
	static const uint64_t rates[] = {1460, 12345, 125000, 1250000, 125000000, 1250000000};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rates); i++) {
		const uint64_t start_us = 4294000, end_us = start_us + 20000000;
		struct pacing p = {0};
		uint64_t octets = 0;
		double share;

		for (uint64_t us = start_us; us < end_us; us += 1000 + us / 3 % 1000) {
			while (pacing_wait_us(&p, us) == 0) {
				pacing_sent(&p, us, 1460, rates[i]);
				octets += 1460;
			}
		}
		share = (double)octets / 20 / (double)rates[i];
		cr_expect(share > 0.99 && share < 1.11, "%.3f of %lu", share, rates[i]);
	}
}

Test(pacing, extremes)
{
	const uint32_t most_us = (PACING_AHEAD_MAX_NS - PACING_QUANTUM_NS) / 1000;
	struct pacing p = {0};

	cr_expect_eq(pacing_wait_us(&p, 0), 0);
	for (unsigned int i = 0; i < 3; i++) {
		pacing_sent(&p, 5000000, UINT32_MAX, 1);
		cr_expect_eq(pacing_wait_us(&p, 5000000), most_us);
	}
	cr_expect_eq(pacing_wait_us(&p, 5000000 + most_us), 0);
	pacing_sent(&p, 7000000, UINT32_MAX, UINT64_MAX);
	cr_expect_eq(pacing_wait_us(&p, 7000000), 0);
}
