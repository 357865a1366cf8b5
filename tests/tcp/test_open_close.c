/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How connections begin and end: both roles, both sides at once, half-close, options of the SYN,
 * close and abort by the user.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "world.h"

static struct world w;

static void begin(void) { world_init(&w); }
static void end(void) { world_fini(&w); }
TestSuite(tcp_open, .init = begin, .fini = end);
TestSuite(tcp_close, .init = begin, .fini = end);

static void got(unsigned int flags, uint16_t len)
{
	struct tcp_seg seg = world_seg(&w, flags, len);

	world_arrives(&w, &seg);
}

Test(tcp_open, passive)
{
	established(&w);
	cr_expect(w.v.bits & TCP_V_ESTABLISHED);
	cr_expect_eq(w.nout, 0);
	cr_expect_eq(tcp_ext_index(&w.c), 0, "a handshake needs no extension");
	cr_expect_eq(w.counters.v[MR_C_CONN_PASSIVE], 1);
	cr_expect_eq(w.counters.v[MR_C_CONN_ESTABLISHED], 1);
}

Test(tcp_open, active)
{
	struct tcp_seg seg;

	syn_sent(&w);
	seg = world_seg(&w, TCP_SYN | TCP_ACK, 0);
	seg.seq = WORLD_IRS;
	world_arrives(&w, &seg);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect(world_sent(&w, TCP_ACK, WORLD_ISS + 1, WORLD_IRS + 1));
	cr_expect_eq(w.c.timer, TCP_TIMER_NONE);
	cr_expect_eq(w.c.mss, 536, "MUST-15: no MSS option");
}

/* RFC 9293 figure 8. */
Test(tcp_open, simultaneous)
{
	struct tcp_seg seg;

	syn_rcvd_active(&w);
	seg = world_seg(&w, TCP_SYN | TCP_ACK, 0);
	seg.seq = WORLD_IRS;
	world_arrives(&w, &seg);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect_eq(w.nout, 0);
}

/* The text that comes with figure 8's last SYN is cut to the window as any other. */
Test(tcp_open, simultaneous_with_text_beyond_the_window)
{
	struct tcp_seg seg;

	w.params.rcv_buf = 4096;
	syn_rcvd_active(&w);
	seg = world_seg(&w, TCP_SYN | TCP_ACK | TCP_FIN, 8960);
	seg.seq = WORLD_IRS;
	world_arrives(&w, &seg);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect_eq(w.delivered, 4096);
	cr_expect_eq(w.c.rcv_nxt, WORLD_IRS + 1 + 4096);
	cr_expect_eq(w.out[0].seg.wnd, 0);
}

/* Nobody is told of a passive open that falls back: it is counted here, by what ended it. */
Test(tcp_open, ends_in_syn_rcvd_are_counted)
{
	syn_rcvd(&w);
	tcp_abort(&w.cx, &w.c, MR_DRAINED, &w.v);
	cr_expect_eq(w.v.bits, TCP_V_GONE | TCP_V_RST | TCP_V_TO_LISTEN);
	cr_expect_eq(w.counters.v[MR_C_CONN_RESET_TX], 1);
	cr_expect_eq(w.counters.v[MR_C_CONN_RESET_RX], 0);
	syn_rcvd(&w);
	got(TCP_SYN, 0);
	cr_expect_eq(w.v.bits, TCP_V_GONE | TCP_V_TO_LISTEN);
	cr_expect_eq(w.counters.v[MR_C_CONN_RESET_RX], 1);
}

/* MUST-11: the active side is refused, the passive side falls back to LISTEN in silence. */
Test(tcp_open, reset_in_syn_rcvd)
{
	syn_rcvd_active(&w);
	got(TCP_RST, 0);
	cr_expect_eq(w.v.bits, TCP_V_GONE);
	cr_expect_eq(w.v.reason, MR_REFUSED);
	syn_rcvd(&w);
	got(TCP_RST, 0);
	cr_expect_eq(w.v.bits, TCP_V_GONE | TCP_V_TO_LISTEN);
}

Test(tcp_open, options_are_negotiated)
{
	struct tcp_seg syn = {.seq = 5, .flags = TCP_SYN, .wnd = 100,
			      .opts = TCP_OPT_WS | TCP_OPT_TS,
			      .wscale = 9, .tsval = 42};
	const struct tcp_seg *out = &w.out[0].seg;

	w.params.timestamps = true;
	tcp_passive_open(&w.cx, &w.c, &syn, 1);
	world_output(&w);
	cr_expect_eq(out->opts, TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_TS);
	cr_expect_eq(out->mss, 1460, "MUST-67");
	cr_expect_eq(out->tsval, w.cx.now_ms + w.cx.ts_offset);
	cr_expect_eq(out->tsecr, 42);
	cr_expect_eq(tcp_snd_shift(&w.c), 9);
	cr_expect_eq(w.c.snd_wnd, 0, "100 octets are no unit of 512");
}

/* The window of a SYN is in octets: nothing goes out beyond it until a scaled one comes. */
Test(tcp_open, window_of_a_syn_ack_below_one_unit)
{
	struct tcp_seg seg;

	syn_sent(&w);
	seg = world_seg(&w, TCP_SYN | TCP_ACK, 0);
	seg.seq = WORLD_IRS;
	seg.opts = TCP_OPT_WS | TCP_OPT_MSS;
	seg.mss = 1460;
	seg.wscale = 14;
	seg.wnd = 100;
	world_arrives(&w, &seg);
	world_send(&w, 5000, 0);
	cr_expect_eq(w.nout, 0);
	cr_expect_leq(world_next_timer(&w), 1000);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.len, 0, "a window probe asks for it");
	seg = world_seg(&w, TCP_ACK, 0);
	seg.wnd = 1;
	world_arrives(&w, &seg);
	cr_expect_eq(w.nout, 3, "and the rest waits for Nagle's sake");
}

Test(tcp_open, options_not_offered_are_not_answered)
{
	struct tcp_seg syn = {.seq = 5, .flags = TCP_SYN, .wnd = 100};

	w.params.timestamps = w.params.sack = true;
	tcp_passive_open(&w.cx, &w.c, &syn, 1);
	world_output(&w);
	cr_expect_eq(w.out[0].seg.opts, TCP_OPT_MSS);
	cr_expect_eq(tcp_rcv_shift(&w.c), 0, "RFC 7323 2.2: both, or none");
}

/* What was queued before the handshake goes out right after it. */
Test(tcp_open, data_queued_before_established)
{
	struct tcp_seg seg;

	syn_sent(&w);
	cr_assert(world_send(&w, 100, 0));
	cr_expect_eq(w.nout, 0);
	seg = world_seg(&w, TCP_SYN | TCP_ACK, 0);
	seg.seq = WORLD_IRS;
	world_arrives(&w, &seg);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.len, 100);
	cr_expect(world_sent(&w, TCP_ACK | TCP_PSH, WORLD_ISS + 1, WORLD_IRS + 1));
}

Test(tcp_close, we_first)
{
	fin_wait_2(&w);
	got(TCP_FIN | TCP_ACK, 0);
	cr_expect_eq(w.v.bits, TCP_V_TIME_WAIT | TCP_V_PEER_CLOSED);
	cr_expect_eq(tcp_state(&w.c), TCP_TIME_WAIT);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt, w.c.rcv_nxt));
	cr_expect_eq(tcp_ext_index(&w.c), 0, "FINs need no extension");
}

Test(tcp_close, peer_first)
{
	last_ack(&w);
	got(TCP_ACK, 0);
	cr_expect_eq(w.v.bits, TCP_V_GONE);
	cr_expect_eq(w.v.reason, MR_CLOSED);
}

Test(tcp_close, fin_and_ack_in_one)
{
	fin_wait_1(&w);
	got(TCP_FIN | TCP_ACK, 0);
	cr_expect_eq(tcp_state(&w.c), TCP_TIME_WAIT);
}

Test(tcp_close, simultaneous)
{
	closing(&w);
	got(TCP_ACK, 0);
	cr_expect_eq(tcp_state(&w.c), TCP_TIME_WAIT);
	cr_expect_eq(w.nout, 0);
}

/* SHUT_WR: the other direction goes on carrying data. */
Test(tcp_close, half_close)
{
	fin_wait_2(&w);
	got(TCP_ACK | TCP_PSH, 1000);
	got(TCP_ACK | TCP_PSH, 1000);
	cr_expect_eq(w.delivered, 2000);
	cr_expect_eq(tcp_state(&w.c), TCP_FIN_WAIT_2);
	cr_expect_eq(w.c.timer, TCP_TIMER_NONE, "only connections the handler closed have a limit");
}

Test(tcp_close, half_close_of_the_peer)
{
	close_wait(&w);
	cr_assert(world_send(&w, 3000, 0));
	cr_expect_eq(w.nout, 2, "the third waits for Nagle's sake");
	tcp_shutdown(&w.cx, &w.c);
	world_output(&w);
	cr_expect(world_sent(&w, TCP_FIN | TCP_ACK | TCP_PSH, WORLD_ISS + 2921, w.c.rcv_nxt));
	cr_expect_eq(tcp_state(&w.c), TCP_LAST_ACK);
}

/* SHLD-3: nobody will read it. */
Test(tcp_close, data_after_close_is_reset)
{
	established(&w);
	tcp_close(&w.cx, &w.c, &w.v);
	world_output(&w);
	got(TCP_ACK, 10);
	cr_expect_eq(w.v.bits, TCP_V_GONE | TCP_V_RST);
	cr_expect_eq(w.v.reason, MR_DATA_AFTER_CLOSE);
	cr_expect_eq(w.counters.v[MR_C_TCP_AFTER_CLOSE], 1);
}

/* 3.10.5 <SEQ=SND.NXT>: what the peer acknowledged last may be behind its RCV.NXT. */
Test(tcp_close, reset_of_data_after_close_stands_at_snd_nxt)
{
	struct tcp_seg seg;

	established(&w);
	world_send(&w, 100, 0);
	tcp_close(&w.cx, &w.c, &w.v);
	world_output(&w);
	seg = world_seg(&w, TCP_ACK, 10);
	seg.ack = w.c.snd_una;
	world_arrives(&w, &seg);
	cr_expect_eq(w.v.bits, TCP_V_GONE | TCP_V_RST);
	cr_expect_eq(w.v.rst.seq, w.c.snd_nxt);
	cr_expect(w.v.rst.flags == (TCP_RST | TCP_ACK) && w.v.rst.ack == w.c.rcv_nxt);
}

Test(tcp_close, with_data_unread_is_a_reset)
{
	established(&w);
	got(TCP_ACK, 10);
	tcp_close(&w.cx, &w.c, &w.v);
	cr_expect_eq(w.v.bits, TCP_V_GONE | TCP_V_RST);
	cr_expect_eq(w.v.rst.seq, w.c.snd_nxt);
}

/*
 * 3.10.4: CLOSING and LAST_ACK have both FINs; a close there must not skip TIME_WAIT, nor forget
 * what the peer has not acknowledged.
 */
Test(tcp_close, with_data_unread_after_both_fins_goes_on)
{
	struct tcp_seg fin;

	fin_wait_1(&w);
	fin = world_seg(&w, TCP_FIN | TCP_ACK, 10);
	fin.ack = w.c.snd_una;
	world_arrives(&w, &fin);
	cr_assert_eq(tcp_state(&w.c), TCP_CLOSING);
	tcp_close(&w.cx, &w.c, &w.v);
	cr_expect_eq(w.v.bits, 0);
	got(TCP_ACK, 0);
	cr_expect_eq(tcp_state(&w.c), TCP_TIME_WAIT);
	tcp_release(&w.cx, &w.c);

	established(&w);
	got(TCP_FIN | TCP_ACK, 10);
	world_send(&w, 100, 0);
	tcp_shutdown(&w.cx, &w.c);
	world_output(&w);
	cr_assert_eq(tcp_state(&w.c), TCP_LAST_ACK);
	tcp_close(&w.cx, &w.c, &w.v);
	cr_expect_eq(w.v.bits, 0);
	world_next_timer(&w);
	cr_expect(w.nout == 1 && w.out[0].retransmit && w.out[0].seg.len == 100);
	got(TCP_ACK, 0);
	cr_expect_eq(w.v.reason, MR_CLOSED);
}

Test(tcp_close, abort_by_state)
{
	struct { void (*make)(struct world *); bool rst; } rows[] = {
		{syn_sent, false}, {syn_rcvd, true}, {established, true}, {close_wait, true},
		{fin_wait_1, true}, {fin_wait_2, true}, {closing, false}, {last_ack, false},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		rows[i].make(&w);
		tcp_abort(&w.cx, &w.c, MR_ABORTED, &w.v);
		cr_expect_eq((w.v.bits & TCP_V_RST) != 0, rows[i].rst, "RFC 9293 3.10.5, row %u",
			     i);
		cr_expect(w.v.bits & TCP_V_GONE);
	}
}

Test(tcp_close, icmp_hard_error_ends_only_syn_sent)
{
	syn_sent(&w);
	tcp_icmp_error(&w.cx, &w.c, true, WORLD_ISS + 100, &w.v);
	cr_expect_eq(w.v.bits, TCP_V_DROP, "not in flight");
	tcp_icmp_error(&w.cx, &w.c, true, WORLD_ISS, &w.v);
	cr_expect_eq(w.v.reason, MR_UNREACHABLE);
	fin_wait_1(&w);
	tcp_icmp_error(&w.cx, &w.c, true, w.c.snd_una, &w.v);
	cr_expect_eq(w.v.bits, 0);
}
