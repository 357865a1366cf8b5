/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 3168, both roles: how it is negotiated, how marks are echoed, what an echo does, and what may
 * be marked at all.
 */
#include <criterion/criterion.h>

#include "world.h"

#define MSS		1460u
#define BOTH		(TCP_ECE | TCP_CWR)
#define FLAGS(i)	(w.out[i].seg.flags & BOTH)

static struct world w;

static void begin(void) { world_init(&w); }
static void end(void) { world_fini(&w); }
TestSuite(tcp_ecn, .init = begin, .fini = end);

/* A passive open by a SYN with these flags; what the SYN-ACK has of them. */
static unsigned int answer_to(unsigned int flags)
{
	struct tcp_seg syn = world_seg(&w, TCP_SYN | flags, 0);

	syn.seq = WORLD_IRS;
	syn.opts |= TCP_OPT_MSS;
	syn.mss = MSS;
	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	world_output(&w);
	return FLAGS(0);
}

static void arrives(unsigned int flags, uint32_t ack, uint16_t len, unsigned int ecn)
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK | flags, len);

	seg.ack = ack;
	seg.ecn = (uint8_t)ecn;
	world_arrives(&w, &seg);
}

static void established_with_ecn(void)
{
	cr_assert_eq(answer_to(BOTH), TCP_ECE);
	arrives(0, w.c.snd_nxt, 0, 0);
	cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
}

/* ---- negotiation, 6.1.1 ---- */

Test(tcp_ecn, server_accepts_what_is_asked_for)
{
	cr_expect_eq(w.params.ecn, TCP_ECN_ACCEPT, "the default");
	cr_expect_eq(answer_to(BOTH), TCP_ECE);
	cr_expect_eq(w.out[0].seg.ecn, ECN_NOT_ECT);
	cr_expect_eq(w.counters.v[MR_C_TCP_ECN], 1);
}

Test(tcp_ecn, server_answers_other_syns_without)
{
	static const unsigned int others[] = {0, TCP_ECE, TCP_CWR};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(others); i++)
		cr_expect_eq(answer_to(others[i]), 0, "%x", others[i]);
	w.params.ecn = TCP_ECN_OFF;
	cr_expect_eq(answer_to(BOTH), 0);
	cr_expect_eq(w.counters.v[MR_C_TCP_ECN], 0);
}

static bool client_has_it(unsigned int mode, unsigned int syn_ack_flags)
{
	struct tcp_seg seg;

	w.params.ecn = (uint8_t)mode;
	tcp_active_open(&w.cx, &w.c, WORLD_ISS);
	world_output(&w);
	cr_expect_eq(FLAGS(0), mode == TCP_ECN_ASK ? BOTH : 0);
	seg = world_seg(&w, TCP_SYN | TCP_ACK | syn_ack_flags, 0);
	world_arrives(&w, &seg);
	cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	return (w.c.flags & TCP_F_ECN) != 0;
}

Test(tcp_ecn, client_asks)
{
	cr_expect(client_has_it(TCP_ECN_ASK, TCP_ECE));
	cr_expect(!client_has_it(TCP_ECN_ASK, 0));
	/* a peer that only reflects what it does not know (6.1.1) */
	cr_expect(!client_has_it(TCP_ECN_ASK, BOTH));
	cr_expect(!client_has_it(TCP_ECN_ACCEPT, TCP_ECE));
	cr_expect(!client_has_it(TCP_ECN_OFF, TCP_ECE));
}

/* 6.1.1.1: a SYN that is not answered goes out again without. */
Test(tcp_ecn, syn_falls_back)
{
	struct tcp_seg seg;

	w.params.ecn = TCP_ECN_ASK;
	tcp_active_open(&w.cx, &w.c, WORLD_ISS);
	world_output(&w);
	world_next_timer(&w);
	cr_expect_eq(w.out[0].seg.flags, TCP_SYN);
	seg = world_seg(&w, TCP_SYN | TCP_ACK | TCP_ECE, 0);
	world_arrives(&w, &seg);
	cr_expect_eq(w.c.flags & TCP_F_ECN, 0, "that SYN-ACK answers the first SYN");
}

Test(tcp_ecn, server_follows_the_fallback)
{
	struct tcp_seg syn = world_seg(&w, TCP_SYN, 0);

	answer_to(BOTH);
	syn.seq = WORLD_IRS;
	syn.flags |= BOTH;
	world_arrives(&w, &syn);
	cr_expect_eq(FLAGS(0), TCP_ECE);
	syn.flags = TCP_SYN;
	world_arrives(&w, &syn);
	cr_assert_eq(w.out[0].seg.flags, TCP_SYN | TCP_ACK);
}

/* ---- the receiver, 6.1.3 ---- */

Test(tcp_ecn, mark_is_echoed_until_cwr)
{
	w.params.delack_ms = 0;
	established_with_ecn();
	arrives(0, w.c.snd_nxt, 100, ECN_ECT_0);
	cr_expect_eq(FLAGS(0), 0);
	arrives(0, w.c.snd_nxt, 100, ECN_CE);
	cr_expect_eq(FLAGS(0), TCP_ECE);
	arrives(0, w.c.snd_nxt, 100, ECN_ECT_0);
	cr_expect_eq(FLAGS(0), TCP_ECE, "in every ACK");
	world_send(&w, MSS, 0);
	cr_expect_eq(FLAGS(0), TCP_ECE, "and in data");
	arrives(TCP_CWR, w.c.snd_nxt, 100, ECN_ECT_0);
	cr_expect_eq(FLAGS(0), 0);
	arrives(TCP_CWR, w.c.snd_nxt, 100, ECN_CE);
	cr_expect_eq(FLAGS(0), TCP_ECE, "what says CWR may be marked itself");
	cr_expect_eq(w.counters.v[MR_C_TCP_ECN_CE], 2);
}

Test(tcp_ecn, mark_on_what_is_not_acceptable_is_none)
{
	struct tcp_seg seg;

	w.params.delack_ms = 0;
	established_with_ecn();
	arrives(0, w.c.snd_nxt, 100, ECN_ECT_0);
	seg = world_seg(&w, TCP_ACK, 100);
	seg.seq -= 100;
	seg.ecn = ECN_CE;
	world_arrives(&w, &seg);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(FLAGS(0), 0, "6.1.5");
	arrives(0, w.c.snd_nxt, 0, ECN_CE);
	cr_expect_eq(w.counters.v[MR_C_TCP_ECN_CE], 0);
}

Test(tcp_ecn, marks_mean_nothing_without_it)
{
	w.params.delack_ms = 0;
	established(&w);
	arrives(0, w.c.snd_nxt, 100, ECN_CE);
	cr_expect_eq(FLAGS(0), 0);
	world_send(&w, 4 * MSS, 0);
	cr_expect_eq(w.out[0].seg.ecn, ECN_NOT_ECT);
	arrives(TCP_ECE, w.c.snd_una + MSS, 0, 0);
	cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->cc.ssthresh, CC_SSTHRESH_INFINITE);
	arrives(0, w.c.snd_nxt, 0, 0);
}

/* ---- the sender, 6.1.2 ---- */

Test(tcp_ecn, echo_reduces_once_a_window)
{
	struct tcp_ext *x;

	established_with_ecn();
	world_send(&w, 10 * MSS, 0);
	x = tcp_ext_of(&w.pool, &w.c);
	world_send(&w, 40 * MSS, 0);
	arrives(TCP_ECE, w.c.snd_una + 2 * MSS, 0, 0);
	cr_expect_eq(x->cc.ssthresh, 8 * MSS / 10 * 7, "as for a loss of the 8 outstanding");
	cr_expect_eq(x->cc.cwnd, x->cc.ssthresh);
	cr_expect_eq(w.nout, 0);
	arrives(TCP_ECE, w.c.snd_una + 4 * MSS, 0, 0);
	cr_expect_eq(w.counters.v[MR_C_TCP_ECN_REDUCED], 1, "the same window");
	cr_assert_gt(w.nout, 0);
	cr_expect_eq(FLAGS(0), TCP_CWR, "told with the next new data");
	arrives(TCP_ECE, WORLD_ISS + 1 + 10 * MSS, 0, 0);
	cr_expect_eq(w.counters.v[MR_C_TCP_ECN_REDUCED], 1, "all of it is of before");
	cr_assert_gt(w.nout, 0);
	cr_expect_eq(FLAGS(0), 0, "CWR once");
	arrives(TCP_ECE, w.c.snd_una + MSS, 0, 0);
	cr_expect_eq(w.counters.v[MR_C_TCP_ECN_REDUCED], 2, "the next window");
	arrives(0, w.c.snd_nxt, 0, 0);
}

/* One segment at a time: the ACK that tells leaves nothing in flight, and is obeyed. */
Test(tcp_ecn, echo_with_the_last_ack_reduces)
{
	struct tcp_ext *x;

	established_with_ecn();
	world_send(&w, MSS, 0);
	x = tcp_ext_of(&w.pool, &w.c);
	arrives(TCP_ECE, w.c.snd_nxt, 0, 0);
	cr_expect_eq(w.counters.v[MR_C_TCP_ECN_REDUCED], 1);
	cr_expect_eq(x->cc.cwnd, 2 * MSS, "RFC 5681: ssthresh is two segments at least");
	arrives(TCP_ECE, w.c.snd_nxt, 0, 0);
	cr_expect_eq(w.counters.v[MR_C_TCP_ECN_REDUCED], 1, "an ACK of nothing tells nothing");
	world_send(&w, MSS, 0);
	cr_assert_eq(w.nout, 1);
	cr_expect(FLAGS(0) & TCP_CWR);
	arrives(0, w.c.snd_nxt, 0, 0);
	world_send(&w, MSS, 0);
	cr_expect_eq(FLAGS(0) & TCP_CWR, 0, "once");
	arrives(0, w.c.snd_nxt, 0, 0);
}

/* "TCP should not react to congestion indications more than once every window of data". */
Test(tcp_ecn, loss_of_a_reduced_window_reduces_no_more)
{
	struct tcp_ext *x;
	uint32_t ssthresh;

	established_with_ecn();
	world_send(&w, 10 * MSS, 0);
	x = tcp_ext_of(&w.pool, &w.c);
	arrives(TCP_ECE, w.c.snd_una + MSS, 0, 0);
	ssthresh = x->cc.ssthresh;
	for (unsigned int i = 0; i < 3; i++)
		arrives(TCP_ECE, w.c.snd_una, 0, 0);
	cr_assert(w.nout != 0 && w.out[0].retransmit);
	cr_expect_eq(x->cc.ssthresh, ssthresh);
	cr_expect_eq(w.out[0].seg.ecn, ECN_NOT_ECT, "6.1.5: not what is sent again");
	cc_undo(&x->cc, w.cx.now_ms);
	cr_expect_eq(x->cc.ssthresh, ssthresh, "a mark is certain");
	arrives(0, w.c.snd_nxt, 0, 0);
	world_send(&w, 10 * MSS, 0);
	arrives(0, w.c.snd_una + MSS, 0, 0);	/* covers more than that recovery (RFC 6582) */
	for (unsigned int i = 0; i < 3; i++)
		arrives(0, w.c.snd_una, 0, 0);
	cr_expect_lt(x->cc.ssthresh, ssthresh, "the next window");
	arrives(0, w.c.snd_nxt, 0, 0);
}

/* 6.1.4, 6.1.5, 6.1.6: only new data. */
Test(tcp_ecn, only_new_data_can_be_marked)
{
	established_with_ecn();
	world_send(&w, 3 * MSS, 0);
	for (unsigned int i = 0; i < w.nout; i++)
		cr_expect_eq(w.out[i].seg.ecn, ECN_ECT_0);
	world_next_timer(&w);
	cr_assert(w.nout == 1 && w.out[0].retransmit);
	cr_expect_eq(w.out[0].seg.ecn, ECN_NOT_ECT, "sent again");
	arrives(0, w.c.snd_nxt, 1, ECN_ECT_0);
	world_sleep_ms(&w, 500);
	cr_expect(w.nout == 1 && w.out[0].seg.ecn == ECN_NOT_ECT, "an ACK");
	tcp_consumed(&w.cx, &w.c, 1);
	tcp_shutdown(&w.cx, &w.c);
	world_output(&w);
	cr_expect(w.nout == 1 && w.out[0].seg.ecn == ECN_NOT_ECT, "a FIN alone");
}

Test(tcp_ecn, window_probe_cannot_be_marked)
{
	struct tcp_seg seg;

	established_with_ecn();
	seg = world_seg(&w, TCP_ACK, 0);
	seg.wnd = 0;
	world_arrives(&w, &seg);
	world_send(&w, MSS, 0);
	world_next_timer(&w);
	cr_assert(w.nout == 1 && w.counters.v[MR_C_TCP_PERSIST] == 1);
	cr_expect_eq(w.out[0].seg.ecn, ECN_NOT_ECT);
}
