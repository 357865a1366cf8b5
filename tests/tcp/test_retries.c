/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often something is sent again before a connection is given up, and what is not counted:
 * closed windows that are answered, orphans, probes. Intervals are in test_timers.c.
 */
#include <criterion/criterion.h>

#include "world.h"

static struct world w;

static void begin(void) { world_init(&w); }
static void end(void) { world_fini(&w); }
TestSuite(tcp_retries, .init = begin, .fini = end);

/* Closed by the handler, with data that a shut window keeps out: returns the ACK that shut it. */
static struct tcp_seg closed_and_shut_out(void)
{
	struct tcp_seg seg = shut_out(&w);

	tcp_close(&w.cx, &w.c, &w.v);
	return seg;
}

/*
 * Nobody waits for an orphan: it is given up sooner, after the 100 s that 3.8.3 (SHLD-11) wants; as
 * long as its probes are answered, never.
 */
Test(tcp_retries, orphan)
{
	struct tcp_seg seg;
	uint32_t before;

	established(&w);
	before = w.cx.now_ms;
	tcp_close(&w.cx, &w.c, &w.v);
	world_output(&w);
	for (unsigned int i = 0; i < 8; i++) {
		world_next_timer(&w);
		cr_assert(w.nout == 1 && w.out[0].seg.flags == (TCP_FIN | TCP_ACK));
	}
	world_next_timer(&w);
	cr_assert_eq(w.v.reason, MR_TIMED_OUT);
	cr_expect_geq(w.cx.now_ms - before, 100000);

	w.params.orphan_retries = 2;
	seg = closed_and_shut_out();
	for (unsigned int i = 0; i < 10; i++) {
		world_next_timer(&w);
		world_arrives(&w, &seg);
		cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	}
	world_next_timer(&w);
	world_next_timer(&w);
	cr_assert_eq(w.nout, 1);
	world_next_timer(&w);
	cr_expect_eq(w.v.reason, MR_TIMED_OUT);
}

/* Too many are closing: no FIN is sent again, and no peer's FIN waited for. */
Test(tcp_retries, orphans_beyond_the_bound_are_not_waited_for)
{
	for (uint32_t max = 0; max < 2; max++) {
		w.params.orphans_max = max;
		established(&w);
		tcp_close(&w.cx, &w.c, &w.v);
		world_output(&w);
		world_next_timer(&w);
		cr_assert_eq(w.nout, max);	/* the FIN again */
		cr_assert_eq(tcp_state(&w.c), max ? TCP_FIN_WAIT_1 : TCP_CLOSED);
		if (max == 0)
			cr_assert_eq(w.v.bits & (TCP_V_GONE | TCP_V_RST), TCP_V_GONE | TCP_V_RST);
		cr_assert_eq(w.counters.v[MR_C_CONN_ORPHAN_LIMIT], 1);
	}
}

/* It is over as soon as a timer asks: closed by the handler, more than the bound closing. */
static void is_not_waited_for(const char *state)
{
	const uint64_t before = w.counters.v[MR_C_CONN_ORPHAN_LIMIT];

	w.c.flags |= TCP_F_CLOSED;
	world_output(&w);
	cr_assert_neq(world_next_timer(&w), UINT32_MAX);
	cr_expect(w.v.bits & TCP_V_GONE, "%s", state);
	cr_expect_eq(w.counters.v[MR_C_CONN_ORPHAN_LIMIT], before + 1, "%s", state);
}

Test(tcp_retries, orphans_count_in_every_state_that_closes)
{
	w.params.orphans_max = 0;
	fin_wait_1(&w);
	is_not_waited_for("FIN-WAIT-1");
	fin_wait_2(&w);
	is_not_waited_for("FIN-WAIT-2");
	closing(&w);
	is_not_waited_for("CLOSING");
	last_ack(&w);
	is_not_waited_for("LAST-ACK");
}

/* Data that a closed window keeps out, while another one is closing. */
Test(tcp_retries, orphan_beyond_the_bound_does_not_wait_for_a_window)
{
	w.params.orphans_max = 0;
	closed_and_shut_out();
	world_next_timer(&w);
	cr_assert_eq(w.counters.v[MR_C_TCP_PERSIST], 1, "nobody is closing yet");
	w.cx.states[__builtin_ctz(TCP_FIN_WAIT_1)]++;
	world_next_timer(&w);
	w.cx.states[__builtin_ctz(TCP_FIN_WAIT_1)]--;
	cr_assert_eq(w.v.bits & (TCP_V_GONE | TCP_V_RST), TCP_V_GONE | TCP_V_RST);
	cr_assert_eq(w.counters.v[MR_C_CONN_ORPHAN_LIMIT], 1);
}

Test(tcp_retries, orphans_beyond_the_bound_do_not_wait_in_fin_wait_2)
{
	struct tcp_seg seg;
	uint32_t before;

	w.params.orphans_max = 0;
	established(&w);
	tcp_close(&w.cx, &w.c, &w.v);
	world_output(&w);
	seg = world_seg(&w, TCP_ACK, 0);
	world_arrives(&w, &seg);
	cr_assert_eq(tcp_state(&w.c), TCP_FIN_WAIT_2);
	before = w.cx.now_ms;
	world_next_timer(&w);
	cr_assert_eq(w.v.reason, MR_FIN_WAIT_2_TIMEOUT);
	cr_assert_leq(w.cx.now_ms - before, 1);
	cr_assert_eq(w.counters.v[MR_C_CONN_ORPHAN_LIMIT], 1);
	/* a handler that only shut down is no orphan: it waits */
	established(&w);
	tcp_shutdown(&w.cx, &w.c);
	world_output(&w);
	world_next_timer(&w);
	cr_assert_eq(w.nout, 1);
	cr_assert_eq(tcp_state(&w.c), TCP_FIN_WAIT_1);
}

/* The same with a FIN that a closed window keeps out. */
Test(tcp_retries, orphan_with_a_closed_window_that_is_answered)
{
	struct tcp_seg seg;

	w.params.orphan_retries = 2;
	established(&w);
	tcp_close(&w.cx, &w.c, &w.v);
	world_output(&w);
	seg = world_seg(&w, TCP_ACK, 0);
	seg.ack = w.c.snd_una;
	seg.wnd = 0;
	for (unsigned int i = 0; i < 10; i++) {
		world_next_timer(&w);
		world_arrives(&w, &seg);
		cr_assert_eq(tcp_state(&w.c), TCP_FIN_WAIT_1);
	}
}

/* MUST-37, however few retries data has. */
Test(tcp_retries, few_retries_and_a_closed_window_that_is_answered)
{
	for (w.params.data_retries = 1; w.params.data_retries <= 8; w.params.data_retries++) {
		struct tcp_seg seg;
		unsigned int sent = 0;

		fin_wait_1(&w);
		seg = world_seg(&w, TCP_ACK, 0);
		seg.ack = w.c.snd_una;
		seg.wnd = 0;
		for (unsigned int i = 0; i < 20; i++) {
			world_next_timer(&w);
			world_arrives(&w, &seg);
			cr_assert_eq(tcp_state(&w.c), TCP_FIN_WAIT_1, "%u retries, probe %u",
				     w.params.data_retries, i);
		}
		while ((w.v.bits & TCP_V_GONE) == 0 && sent < 100) {
			world_next_timer(&w);
			sent += w.nout;
		}
		cr_expect(sent >= 1 && sent <= w.params.data_retries, "unanswered: %u", sent);
	}
}

/* Probes without an answer are no lost SYN, also when memory was short in between. */
Test(tcp_retries, keepalive_probes_are_no_lost_syn)
{
	w.params.keepalive_idle_ms = 5000;
	for (unsigned int i = 0; i < 3; i++) {
		const struct tcp_ext *x;

		established(&w);
		world_next_timer(&w);
		cr_assert_eq(tcp_rexmt_count(&w.c), 1);
		if (i >= 1) {	/* the next one is due, and not sent yet */
			w.cx.now_ms += 75000;
			tcp_timeout(&w.cx, &w.c, &w.v);
		}
		if (i >= 2) {
			w.pool.nfree = 0;
			cr_assert_not(world_send(&w, 10, 0));
			w.pool.nfree = WORLD_EXTS;
		}
		cr_assert(world_send(&w, 20000, 0));
		x = tcp_ext_of(&w.pool, &w.c);
		cr_expect_eq(x->cc.cwnd, 14600, "%u: RFC 6928, not RFC 5681's one segment", i);
		cr_expect_not(x->rtt.syn_lost);
		tcp_release(&w.cx, &w.c);
	}
}
