/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paths that carry less than the peers agreed on: told by ICMP (RFC 1191), or found out (RFC 4821);
 * and errors that are remembered.
 */
#include <criterion/criterion.h>

#include "mtu.h"
#include "world.h"

static struct world w;

static void open_with_data(uint32_t octets)
{
	world_init(&w);
	w.params.rto_min_ms = 200;
	established(&w);
	cr_assert(world_send(&w, octets, 0));
}

static void fini(void) { world_fini(&w); }

TestSuite(tcp_path, .fini = fini);

/* All that is outstanding again, from SND.UNA on, in segments of at most `mss`. */
static void resent_in(uint32_t from, uint32_t octets, uint32_t mss)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < w.nout; i++) {
		cr_assert(w.out[i].retransmit);
		cr_assert_eq(w.out[i].seg.seq, from + sum);
		cr_assert_leq(w.out[i].seg.len, mss);
		sum += w.out[i].seg.len;
	}
	cr_assert_eq(sum, octets, "%u octets again, not %u", sum, octets);
}

static void ack(uint32_t seq)
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK, 0);

	seg.ack = seq;
	world_arrives(&w, &seg);
}

/* RFC 1191 6.5: at once, without waiting for a timer, and without a smaller window. */
Test(tcp_path, lowered_path_resends_the_flight_at_once)
{
	struct tcp_ext *x;
	uint32_t cwnd;

	open_with_data(5 * 1460);
	cr_assert_eq(w.nout, 5);
	x = tcp_ext_of(&w.pool, &w.c);
	cwnd = x->cc.cwnd;
	cr_assert(tcp_path_mss(&w.cx, &w.c, 1000));
	world_output(&w);
	resent_in(w.c.snd_una, 5 * 1460, 1000);
	cr_assert_eq(x->cc.cwnd, cwnd);
	cr_assert_eq(x->cc.smss, 1000);
	cr_assert_not(tcp_path_mss(&w.cx, &w.c, 1000), "the same again is no news");
	cr_assert_not(tcp_path_mss(&w.cx, &w.c, 1200), "and never larger");
	world_output(&w);
	cr_assert_eq(w.nout, 0);
	ack(w.c.snd_nxt);
	cr_assert(world_send(&w, 3000, 0));
	cr_assert_eq(w.out[0].seg.len, 1000);
}

Test(tcp_path, what_fits_is_not_sent_again)
{
	open_with_data(900);
	cr_assert(tcp_path_mss(&w.cx, &w.c, 1000));
	world_output(&w);
	cr_assert_eq(w.nout, 0);
}

/* The extension goes when nothing is to be sent, and with it what it knew of the path. */
Test(tcp_path, idle_connection_forgets)
{
	open_with_data(2 * 1460);
	cr_assert(tcp_path_mss(&w.cx, &w.c, 1000));
	world_output(&w);
	ack(w.c.snd_nxt);
	for (unsigned int i = 0; i < 10 && tcp_ext_index(&w.c) != 0; i++)
		world_next_timer(&w);
	cr_assert_eq(tcp_ext_index(&w.c), 0, "timer %u", w.c.timer);
	cr_assert_eq(w.c.mss, 1460);
	cr_assert_not(tcp_path_mss(&w.cx, &w.c, 1000), "without data nothing is lowered");
}

/* Everything above `most` octets vanishes; what arrives is acknowledged. */
static uint32_t through_a_hole(uint32_t octets, uint32_t most)
{
	const uint32_t end = w.c.snd_una + octets, began = w.cx.now_ms;
	uint32_t next = w.c.snd_una;

	for (unsigned int i = 0; w.c.snd_una != end && i < 500; i++) {
		const uint32_t before = next;

		for (unsigned int k = 0; k < w.nout; k++)
			if (w.out[k].seg.len <= most && w.out[k].seg.seq == next)
				next += w.out[k].seg.len;
		if (next != before)
			ack(next);
		else
			world_next_timer(&w);
		cr_assert_eq(w.v.bits & TCP_V_GONE, 0);
	}
	cr_assert_eq(w.c.snd_una, end, "the transfer ended");
	return w.cx.now_ms - began;
}

Test(tcp_path, black_hole_is_found_out)
{
	static const struct { uint32_t most, mss; } holes[] = {
		{1380, 1360}, {1250, 1240}, {1000, 536},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(holes); i++) {
		open_with_data(60000);
		cr_assert_lt(through_a_hole(60000, holes[i].most), 10000);
		cr_assert_eq(w.c.mss, holes[i].mss);
		cr_assert_eq(w.counters.v[MR_C_TCP_MTU_LOWERED], i + 1);
		world_fini(&w);
	}
	open_with_data(60000);
	cr_assert_eq(through_a_hole(60000, 1460), 0);
	cr_assert_eq(w.counters.v[MR_C_TCP_MTU_LOWERED], 0, "without a hole nothing is lowered");
}

Test(tcp_path, without_probing_nothing_is_tried)
{
	open_with_data(60000);
	w.params.mtu_probing = false;
	for (unsigned int i = 0; i < 10; i++) {
		world_next_timer(&w);
		cr_assert_eq(w.c.mss, 1460);
	}
}

/* One timeout is congestion; and short segments that vanish say nothing of the path. */
Test(tcp_path, one_timeout_or_short_segments_are_no_reason)
{
	open_with_data(60000);
	world_next_timer(&w);
	cr_assert_eq(w.c.mss, 1460);
	cr_assert_eq(through_a_hole(60000, 1460), 0);
	world_fini(&w);
	open_with_data(100);
	for (unsigned int i = 0; i < 5; i++) {
		world_next_timer(&w);
		cr_assert_eq(w.c.mss, 1460);
	}
}

/* The peer is away: after the smallest size the full one has its right again, and keeps it. */
Test(tcp_path, outage_is_no_black_hole)
{
	open_with_data(60000);
	for (unsigned int i = 0; i < 9; i++)
		world_next_timer(&w);
	cr_assert_eq(w.c.mss, 1460);
	cr_assert_eq(w.counters.v[MR_C_TCP_MTU_LOWERED], 3);
}

/* RFC 4821 7.6: later the full size is tried, and costs one timeout where it still vanishes. */
Test(tcp_path, full_size_is_tried_again_later)
{
	uint32_t rtos;

	open_with_data(60000);
	through_a_hole(60000, 1000);
	cr_assert_eq(w.c.mss, 536);
	w.cx.now_ms += 540000;
	w.cx.now_us += 540000000ull;
	cr_assert(world_send(&w, 10000, 0));
	cr_assert_eq(w.out[0].seg.len, 536, "not before its time");
	through_a_hole(10000, 1000);
	w.cx.now_ms += 61000;
	w.cx.now_us += 61000000ull;
	cr_assert(world_send(&w, 10000, 0));
	cr_assert_eq(w.c.mss, 1460);
	rtos = (uint32_t)w.counters.v[MR_C_TCP_RTO];
	through_a_hole(10000, 1250);
	cr_assert_eq(w.c.mss, 1240);
	cr_assert_eq(w.counters.v[MR_C_TCP_RTO] - rtos, 2, "a step for each timeout");
	w.cx.now_ms += 601000;
	w.cx.now_us += 601000000ull;
	cr_assert(world_send(&w, 10000, 0));
	cr_assert_eq(through_a_hole(10000, 1460), 0);
	cr_assert_eq(w.c.mss, 1460, "the hole is gone");
}

Test(tcp_path, steps)
{
	cr_assert_eq(path_step_down(4, 9000), 4352);
	cr_assert_eq(path_step_down(4, 1500), 1400);
	cr_assert_eq(path_step_down(4, 1400), 1280);
	cr_assert_eq(path_step_down(4, 1280), 576);
	cr_assert_eq(path_step_down(4, 576), 0);
	cr_assert_eq(path_step_down(6, 1400), 1280);
	cr_assert_eq(path_step_down(6, 1280), 0);
	world_init(&w);
}

/* ---- soft errors: RFC 1122 4.2.3.9 ---- */

static struct mr_tcp_info info(void)
{
	struct mr_tcp_info i = {0};

	tcp_info(&w.cx, &w.c, &i);
	return i;
}

static void until_given_up(void)
{
	for (unsigned int i = 0; i < 30 && (w.v.bits & TCP_V_GONE) == 0; i++)
		world_next_timer(&w);
	cr_assert(w.v.bits & TCP_V_GONE);
}

Test(tcp_path, soft_error_is_told_and_is_the_reason_in_the_end)
{
	open_with_data(1000);
	cr_assert_eq(info().icmp_type, 0);
	for (unsigned int i = 0; i < 3; i++)
		world_next_timer(&w);
	tcp_soft_error(&w.cx, &w.c, 3 << 8 | 1);
	cr_assert(info().icmp_type == 3 && info().icmp_code == 1);
	until_given_up();
	cr_assert_eq(w.v.reason, MR_UNREACHABLE);
}

Test(tcp_path, old_soft_error_is_not_the_reason)
{
	open_with_data(1000);
	tcp_soft_error(&w.cx, &w.c, 3 << 8 | 1);
	ack(w.c.snd_nxt);
	cr_assert(world_send(&w, 1000, 0));
	until_given_up();
	cr_assert_eq(w.v.reason, MR_TIMED_OUT);
}

Test(tcp_path, soft_error_while_opening)
{
	struct tcp_seg seg;

	for (unsigned int answered = 0; answered < 2; answered++) {
		world_init(&w);
		syn_sent(&w);
		world_next_timer(&w);
		tcp_soft_error(&w.cx, &w.c, 11 << 8);
		cr_assert(info().icmp_type == 11 && info().srtt_us == 0);
		if (!answered) {
			until_given_up();
			cr_assert_eq(w.v.reason, MR_UNREACHABLE);
			world_fini(&w);
			continue;
		}
		seg = world_seg(&w, TCP_SYN | TCP_ACK, 0);
		seg.seq = w.irs;
		world_arrives(&w, &seg);
		cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
		cr_assert_eq(w.c.srtt_coarse, 0, "the error is no round trip");
	}
}
