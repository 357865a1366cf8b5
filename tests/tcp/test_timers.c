/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens when nothing happens: retransmission and its limits, zero-window probes, delayed
 * ACKs, keep-alive, FIN_WAIT_2, and the extension's return.
 */
#include <criterion/criterion.h>

#include "world.h"

static struct world w;

static void begin(void) { world_init(&w); }
static void end(void) { world_fini(&w); }
TestSuite(tcp_timers, .init = begin, .fini = end);

static void got(unsigned int flags, uint16_t len)
{
	struct tcp_seg seg = world_seg(&w, flags, len);

	world_arrives(&w, &seg);
}

/* RFC 6298 5.5: every interval is twice the last one; then the connection is given up. */
static void schedule(uint32_t first_ms, unsigned int retries, unsigned int flags)
{
	for (unsigned int i = 0; i < retries; i++) {
		uint32_t expected = (uint32_t)MR_MIN((uint64_t)first_ms << i, 120000ull);

		cr_assert_eq(world_next_timer(&w), expected, "retry %u", i);
		cr_assert(w.nout == 1 && w.out[0].retransmit && w.out[0].seg.flags == flags);
		cr_assert_eq(w.out[0].seg.seq, w.c.snd_una);
	}
	world_next_timer(&w);
	cr_assert(w.v.bits & TCP_V_GONE);
	cr_assert_eq(w.v.reason, MR_TIMED_OUT);
}

Test(tcp_timers, syn)
{
	syn_sent(&w);
	schedule(1000, 6, TCP_SYN);
	cr_expect_eq(w.counters.v[MR_C_TCP_REXMT_SYN], 6);
	cr_expect_eq(w.v.bits, TCP_V_GONE);
}

Test(tcp_timers, syn_ack)
{
	syn_rcvd(&w);
	schedule(1000, 5, TCP_SYN | TCP_ACK);
	cr_expect(w.v.bits & TCP_V_TO_LISTEN);
}

Test(tcp_timers, fin)
{
	fin_wait_1(&w);
	schedule(200, 15, TCP_FIN | TCP_ACK);
	cr_expect_eq(w.counters.v[MR_C_TCP_REXMT_FIN], 15);
	cr_expect_eq(tcp_ext_index(&w.c), 0);
	cr_expect(w.v.bits & TCP_V_RST);
}

Test(tcp_timers, data)
{
	established(&w);
	world_send(&w, 100, 0);
	schedule(200, 15, TCP_ACK | TCP_PSH);
	cr_expect_eq(w.counters.v[MR_C_TCP_REXMT_DATA], 15);
}

/* RFC 6298 5.7 and RFC 5681 3.1: after a lost SYN 3 seconds and one segment. */
Test(tcp_timers, data_after_a_lost_syn)
{
	syn_rcvd(&w);
	world_next_timer(&w);
	got(TCP_ACK, 0);
	cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	world_send(&w, 5000, 0);
	cr_expect_eq(w.nout, 1);
	cr_expect_eq(world_next_timer(&w), 3000);
}

/*
 * Karn: an ACK of what was sent twice is no measurement; the backed-off RTO stays for the next
 * segment.
 */
Test(tcp_timers, karn)
{
	uint16_t before;

	established(&w);
	world_send(&w, 100, 0);
	world_next_timer(&w);
	world_next_timer(&w);
	before = w.c.srtt_coarse;
	got(TCP_ACK, 0);
	cr_expect_eq(w.c.srtt_coarse, before);
	world_send(&w, 100, 0);
	cr_expect_eq(world_next_timer(&w), 800);
	got(TCP_ACK, 0);
}

/*
 * The SYN-ACK went out again because the peer's SYN came again, or both sides opened: which copy
 * was answered only a timestamp tells (RFC 6298 section 3).
 */
Test(tcp_timers, karn_on_the_handshake)
{
	for (unsigned int i = 0; i < 4; i++) {
		bool ts = i & 1, active = i & 2;
		struct tcp_seg seg = {.seq = WORLD_IRS, .flags = TCP_SYN, .wnd = 1000};

		w.params.timestamps = ts;
		seg.opts = ts ? TCP_OPT_TS : 0;
		seg.tsval = w.peer_ts;
		if (active)
			syn_sent(&w);
		else
			syn_rcvd(&w);
		world_sleep_ms(&w, 900);
		world_arrives(&w, &seg);
		cr_assert(w.nout == 1 && (w.out[0].seg.flags == (TCP_SYN | TCP_ACK)));
		seg = world_seg(&w, TCP_ACK, 0);
		world_sleep_ms(&w, 10);
		world_arrives(&w, &seg);
		cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
		cr_expect_eq(w.c.srtt_coarse, ts ? 41 : 0, "%u: %u", i, w.c.srtt_coarse);
	}
}

Test(tcp_timers, measurement_ends_the_backoff)
{
	established(&w);
	world_send(&w, 100, 0);
	world_next_timer(&w);
	got(TCP_ACK, 0);
	world_send(&w, 100, 0);
	world_sleep_ms(&w, 10);
	got(TCP_ACK, 0);
	world_send(&w, 100, 0);
	cr_expect_eq(world_next_timer(&w), 200);
}

/* SHLD-29/30, MUST-35 to 37. */
Test(tcp_timers, zero_window_probes)
{
	struct tcp_seg seg = shut_out(&w);

	cr_assert_eq(w.nout, 0);
	for (unsigned int i = 0; i < 60; i++) {
		uint32_t ms = world_next_timer(&w);

		cr_assert_eq(ms, MR_MIN(200ull << MR_MIN(i, 15u), 120000ull), "probe %u", i);
		cr_assert(w.nout == 1 && w.out[0].seg.len == 0, "probe %u", i);
		cr_assert_eq(w.out[0].seg.seq, w.c.snd_nxt - 1);
		world_arrives(&w, &seg);	/* still closed: answered, so never given up */
		cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	}
	got(TCP_ACK, 0);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.len, 100);
	got(TCP_ACK, 0);
}

/* RFC 9293 3.8.6.2.1: the override timer takes 0.1 to 1 s, whatever probes waited before. */
Test(tcp_timers, override_timer_after_zero_window_probes)
{
	struct tcp_seg seg;

	established(&w);
	world_send(&w, 100, 0);
	seg = world_seg(&w, TCP_ACK, 0);
	seg.wnd = 0;
	world_arrives(&w, &seg);
	world_send(&w, 5000, 0);
	for (unsigned int i = 0; i < 10; i++) {
		world_next_timer(&w);
		world_arrives(&w, &seg);
	}
	seg.wnd = 100;
	world_arrives(&w, &seg);
	cr_assert_eq(w.nout, 0, "too small to be worth a segment");
	world_sleep_ms(&w, 100);
	world_arrives(&w, &seg);
	cr_expect_leq(world_next_timer(&w), 900, "not started anew by every ACK");
	cr_assert(w.nout == 1 && w.out[0].seg.len == 100);
	world_next_timer(&w);
	world_next_timer(&w);
	world_next_timer(&w);	/* the RTO is 1.6 s by now */
	seg.ack = w.c.snd_nxt;
	world_arrives(&w, &seg);
	cr_assert_eq(w.nout, 0);
	cr_expect_leq(world_next_timer(&w), 1000);
	cr_expect(w.nout == 1 && w.out[0].seg.len == 100);
}

Test(tcp_timers, unanswered_probes_end_it)
{
	unsigned int probes = 0;

	shut_out(&w);
	while ((w.v.bits & TCP_V_GONE) == 0 && probes < 100) {
		world_next_timer(&w);
		probes += w.nout;
	}
	cr_expect_eq(probes, 15);
	cr_expect_eq(w.v.reason, MR_TIMED_OUT);
}

/* A FIN to a closed window is answered by "still closed": the connection lives on. */
Test(tcp_timers, fin_to_a_closed_window_is_not_given_up)
{
	struct tcp_seg seg;

	fin_wait_1(&w);
	seg = world_seg(&w, TCP_ACK, 0);
	seg.ack = w.c.snd_una;
	seg.wnd = 0;
	for (unsigned int i = 0; i < 40; i++) {
		world_next_timer(&w);
		world_arrives(&w, &seg);
		cr_assert_eq(tcp_state(&w.c), TCP_FIN_WAIT_1);
	}
}

/* SHLD-18, MUST-40, SHLD-19. */
Test(tcp_timers, delayed_ack)
{
	established(&w);
	got(TCP_ACK | TCP_PSH, 100);
	cr_expect_eq(w.nout, 0);
	cr_expect_eq(world_next_timer(&w), 40);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt, w.c.rcv_nxt));
	cr_expect_eq(w.counters.v[MR_C_TCP_DELACK], 1);
	for (unsigned int i = 0; i < 10; i++) {
		got(TCP_ACK, 1460);
		cr_expect_eq(w.nout, 0);
		got(TCP_ACK, 1460);
		cr_expect_eq(w.nout, 1);
	}
	tcp_consumed(&w.cx, &w.c, w.delivered);
}

/* An ACK that goes with data is not sent again. */
Test(tcp_timers, delayed_ack_rides_on_data)
{
	established(&w);
	got(TCP_ACK, 100);
	world_send(&w, 50, 0);
	cr_expect_eq(w.out[0].seg.ack, w.c.rcv_nxt);
	cr_expect_eq(world_next_timer(&w), 200, "only the retransmission timer is left");
	got(TCP_ACK, 0);
}

Test(tcp_timers, keepalive)
{
	w.params.keepalive_idle_ms = 7200000;
	established(&w);
	cr_assert_eq(world_next_timer(&w), 7200000);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt - 1, w.c.rcv_nxt));
	got(TCP_ACK, 0);
	cr_assert_eq(world_next_timer(&w), 7200000, "answered: all is well");
	for (unsigned int i = 1; i < w.params.keepalive_probes; i++) {
		cr_assert_eq(world_next_timer(&w), 75000);
		cr_assert_eq(w.nout, 1);
	}
	cr_assert_eq(world_next_timer(&w), 75000);
	cr_expect(w.v.bits & TCP_V_GONE);
	cr_expect_eq(w.v.reason, MR_KEEPALIVE_TIMEOUT);
}

Test(tcp_timers, idle_connections_are_silent_by_default)
{
	uint32_t due;

	established(&w);
	cr_expect_not(tcp_next_due(&w.cx, &w.c, &due), "MUST-25: keep-alive is off");
}

Test(tcp_timers, fin_wait_2_of_an_orphan)
{
	established(&w);
	tcp_close(&w.cx, &w.c, &w.v);
	world_output(&w);
	got(TCP_ACK, 0);
	cr_assert_eq(tcp_state(&w.c), TCP_FIN_WAIT_2);
	cr_expect_eq(world_next_timer(&w), 60000);
	cr_expect_eq(w.v.reason, MR_FIN_WAIT_2_TIMEOUT);
}

/* An orphan takes no data any more: its extension does not wait with it for the peer's FIN. */
Test(tcp_timers, fin_wait_2_of_an_orphan_gives_the_extension_back)
{
	established(&w);
	world_send(&w, 100, 0);
	world_next_timer(&w);	/* a doubled RTO must not delay it either */
	got(TCP_ACK, 0);
	tcp_close(&w.cx, &w.c, &w.v);
	world_output(&w);
	cr_assert_neq(tcp_ext_index(&w.c), 0);
	got(TCP_ACK, 0);
	cr_assert_eq(tcp_state(&w.c), TCP_FIN_WAIT_2);
	cr_expect_eq(tcp_ext_index(&w.c), 0);
	cr_expect_eq(w.pool.nfree, WORLD_EXTS);
	cr_expect_eq(world_next_timer(&w), 60000);
	cr_expect_eq(w.v.reason, MR_FIN_WAIT_2_TIMEOUT);
}

/* The extension goes back after a quiet RTO, and the smoothed RTT survives it. */
Test(tcp_timers, extension_is_given_back)
{
	established(&w);
	world_send(&w, 100, 0);
	cr_assert_neq(tcp_ext_index(&w.c), 0);
	world_sleep_ms(&w, 50);
	got(TCP_ACK, 0);
	cr_assert_neq(tcp_ext_index(&w.c), 0);
	while (world_next_timer(&w) != UINT32_MAX)
		;
	cr_expect_eq(tcp_ext_index(&w.c), 0);
	cr_expect_eq(w.pool.nfree, WORLD_EXTS);
	cr_expect_gt(w.c.srtt_coarse, 4);
}

/* Refused before the handshake is done: on_connected is the sign, no timer asks before. */
Test(tcp_timers, established_after_the_pool_was_empty)
{
	struct tcp_seg seg;
	uint32_t nfree;

	syn_sent(&w);
	nfree = w.pool.nfree;
	w.pool.nfree = 0;
	cr_expect_not(world_send(&w, 10, 0));
	w.pool.nfree = nfree;
	cr_expect_eq(world_next_timer(&w), 1000, "the SYN's own timer");
	cr_expect_eq(w.v.bits & TCP_V_WRITABLE, 0);
	seg = world_seg(&w, TCP_SYN | TCP_ACK, 0);
	seg.seq = WORLD_IRS;
	world_arrives(&w, &seg);
	cr_expect(w.v.bits & TCP_V_ESTABLISHED);
	cr_expect(world_send(&w, 10, 0));
}

/* No extension is free: nothing is aborted, and the handler is told when one is. */
Test(tcp_timers, writable_after_the_pool_was_empty)
{
	uint32_t nfree;

	established(&w);
	nfree = w.pool.nfree;
	w.pool.nfree = 0;
	cr_expect_not(world_send(&w, 10, 0));
	got(TCP_ACK, 10);
	cr_expect_eq(w.v.drop, MR_C_TCP_NO_EXT);
	cr_expect_eq(w.delivered, 0);
	world_next_timer(&w);
	cr_expect_eq(w.v.bits & TCP_V_WRITABLE, 0);
	w.pool.nfree = nfree;
	world_next_timer(&w);
	cr_expect(w.v.bits & TCP_V_WRITABLE);
}
