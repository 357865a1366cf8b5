/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 7413 on one connection, the server's part: data that came with the peer's SYN, whose cookie
 * somebody else has found valid.
 */
#include <criterion/criterion.h>

#include "world.h"

#define MSS	1460u
#define LEN	100u
#define SYN_ACK	(TCP_SYN | TCP_ACK)
#define FIRST	(WORLD_ISS + 1)		/* octet of ours */

static struct world w;

static void begin(void)
{
	world_init(&w);
	w.params.nodelay = true;
}
static void end(void) { world_fini(&w); }
TestSuite(tcp_fastopen, .init = begin, .fini = end);

static struct tcp_seg peers_syn(uint16_t len)
{
	struct tcp_seg syn = world_seg(&w, TCP_SYN, len);

	syn.seq = WORLD_IRS;
	syn.opts |= TCP_OPT_MSS | (w.peer_sack ? TCP_OPT_SACK_OK : 0);
	syn.mss = MSS;
	return syn;
}

/* A passive open whose SYN has len octets and a valid cookie; false: they were not taken. */
static bool take(uint16_t len)
{
	struct rte_mbuf *m = len != 0 ? fake_chain(NULL, len, 64) : NULL;
	struct tcp_seg syn = peers_syn(len);
	bool taken;

	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	w.v = (struct tcp_verdict){0};
	taken = tcp_take_syn(&w.cx, &w.c, &syn, m, &w.v);
	if (m != NULL && (w.v.bits & TCP_V_TAKEN) == 0)
		fake_free(m);
	if (w.v.bits & TCP_V_DELIVER) {
		w.delivered += w.v.deliver->pkt_len;
		fake_free(w.v.deliver);
	}
	world_output(&w);
	return taken;
}

Test(tcp_fastopen, data_of_a_syn_is_delivered_and_acknowledged)
{
	cr_assert(take(LEN));
	cr_expect_eq(w.v.bits, TCP_V_ESTABLISHED | TCP_V_DELIVER | TCP_V_TAKEN);
	cr_expect_eq(w.delivered, LEN);
	cr_expect_eq(tcp_state(&w.c), TCP_SYN_RCVD);
	cr_assert_eq(w.nout, 1);
	cr_expect(world_sent(&w, SYN_ACK, WORLD_ISS, WORLD_IRS + 1 + LEN));
	cr_expect_eq(w.out[0].seg.opts, TCP_OPT_MSS, "no option of Fast Open of its own accord");
	world_hears(&w, TCP_ACK, FIRST, 0);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect_eq(w.v.bits & TCP_V_ESTABLISHED, 0, "it was reported before");
	cr_expect_eq(w.counters.v[MR_C_CONN_ESTABLISHED], 1);
	world_hears(&w, TCP_ACK, FIRST, LEN);
	cr_expect_eq(w.delivered, 2 * LEN);
}

Test(tcp_fastopen, valid_cookie_without_data_opens_too)
{
	cr_assert(take(0));
	cr_expect_eq(w.v.bits, TCP_V_ESTABLISHED);
	cr_expect(world_sent(&w, SYN_ACK, WORLD_ISS, WORLD_IRS + 1));
	world_send(&w, LEN, 0);
	cr_assert_eq(w.nout, 1);
	world_hears(&w, TCP_ACK, FIRST + LEN, 0);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
}

Test(tcp_fastopen, answer_goes_out_before_the_handshake_is_complete)
{
	cr_assert(take(LEN));
	world_send(&w, 2 * MSS + 10, 0);
	cr_assert_eq(w.nout, 3);
	for (unsigned int i = 0; i < 3; i++) {
		cr_expect_eq(w.out[i].seg.seq, FIRST + i * MSS);
		cr_expect_eq(w.out[i].seg.ack, WORLD_IRS + 1 + LEN);
		cr_expect_eq(w.out[i].seg.flags, TCP_ACK | (i == 2 ? TCP_PSH : 0));
	}
	world_hears(&w, TCP_ACK, FIRST + MSS, 0);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect_eq(w.nout, 0, "nothing of it is taken for lost");
	cr_expect_eq(w.c.snd_una, FIRST + MSS);
	world_hears(&w, TCP_ACK, FIRST + 2 * MSS + 10, 0);
	cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->snd_queued, 0);
}

Test(tcp_fastopen, initial_window_holds_before_the_handshake)
{
	cr_assert(take(LEN));
	world_send(&w, 40 * MSS, 0);
	cr_expect_eq(w.nout, 10);
}

Test(tcp_fastopen, window_of_the_syn_holds)
{
	struct tcp_seg syn = peers_syn(0);

	syn.wnd = 1000;
	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	cr_assert(tcp_take_syn(&w.cx, &w.c, &syn, NULL, &w.v));
	world_output(&w);
	world_send(&w, 3000, 0);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.len, 1000);
	world_hears(&w, TCP_ACK, FIRST, 0);
	cr_assert_eq(w.nout, 2, "the ACK tells of more");
	world_hears(&w, TCP_ACK, FIRST + 3000, 0);
}

Test(tcp_fastopen, more_data_than_window_is_not_taken)
{
	w.params.rcv_buf = 1024;
	w.params.rcv_scale = 0;
	cr_assert(take(1400));
	cr_expect_eq(w.delivered, 1024);
	cr_expect(world_sent(&w, SYN_ACK, WORLD_ISS, WORLD_IRS + 1 + 1024));
	cr_expect_eq(w.out[0].seg.wnd, 0, "the handler has read nothing");
	tcp_consumed(&w.cx, &w.c, 1024);
	world_output(&w);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.wnd, 1024);
	cr_expect_eq(w.out[0].seg.flags, TCP_ACK);
	world_hears(&w, TCP_ACK, FIRST, 100);
	cr_expect_eq(w.delivered, 1124);
}

Test(tcp_fastopen, window_that_was_read_is_offered_again)
{
	struct tcp_seg syn = peers_syn(LEN);

	w.params.rcv_buf = 1024;
	w.params.rcv_scale = 0;
	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	cr_assert(tcp_take_syn(&w.cx, &w.c, &syn, fake_chain(NULL, LEN, LEN), &w.v));
	fake_free(w.v.deliver);
	tcp_consumed(&w.cx, &w.c, LEN);
	world_output(&w);
	cr_expect_eq(w.out[0].seg.wnd, 1024);
}

/* The peer's copy of its SYN, with data, without, or with some of it: once is enough. */
Test(tcp_fastopen, syn_again_is_answered_and_not_delivered_again)
{
	static const uint16_t lens[] = {LEN, 0, 10, 2 * LEN};
	struct tcp_seg syn;

	cr_assert(take(LEN));
	for (unsigned int i = 0; i < MR_ARRAY_LEN(lens); i++) {
		syn = peers_syn(lens[i]);
		world_arrives(&w, &syn);
		cr_expect_eq(w.v.bits & (TCP_V_DELIVER | TCP_V_ESTABLISHED | TCP_V_GONE), 0);
		cr_assert_eq(w.nout, 1);
		cr_expect(world_sent(&w, SYN_ACK, WORLD_ISS, WORLD_IRS + 1 + LEN));
	}
	cr_expect_eq(w.delivered, LEN);
	cr_expect_eq(w.counters.v[MR_C_TCP_DUP], 4);
}

static void lost_syn_ack(bool sack)
{
	w.params.sack = w.peer_sack = sack;
	cr_assert(take(LEN));
	world_send(&w, 3 * MSS, 0);
	cr_assert_eq(w.nout, 3);
	cr_expect_eq(world_next_timer(&w), 1000);
	cr_assert_eq(w.nout, 1, "its data waits for the handshake");
	cr_expect(world_sent(&w, SYN_ACK, WORLD_ISS, WORLD_IRS + 1 + LEN));
	cr_expect(w.out[0].retransmit);
	/* who did not have the SYN-ACK threw the data away */
	world_hears(&w, TCP_ACK, FIRST, 0);
	cr_assert_eq(w.nout, 1, "slow start (RFC 5681 3.1)");
	cr_expect_eq(w.out[0].seg.seq, FIRST);
	cr_expect(w.out[0].retransmit);
	world_hears(&w, TCP_ACK, FIRST + MSS, 0);
	cr_assert_eq(w.nout, 2);
	world_hears(&w, TCP_ACK, FIRST + 3 * MSS, 0);
	cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->snd_queued, 0);
}
Test(tcp_fastopen, lost_syn_ack_goes_again_and_then_the_data_newreno) { lost_syn_ack(false); }
Test(tcp_fastopen, lost_syn_ack_goes_again_and_then_the_data_sack) { lost_syn_ack(true); }

Test(tcp_fastopen, lost_syn_ack_alone_makes_the_window_small)
{
	cr_assert(take(LEN));
	world_next_timer(&w);
	world_hears(&w, TCP_ACK, FIRST, 0);
	world_send(&w, 4 * MSS, 0);
	cr_expect_eq(w.nout, 1);
}

/* Lost data, not the SYN-ACK: RACK and the timer know, as always. */
Test(tcp_fastopen, lost_data_is_found_after_the_handshake)
{
	struct tcp_seg ack;

	w.params.sack = w.peer_sack = true;
	cr_assert(take(LEN));
	world_send(&w, 5 * MSS, 0);
	world_hears(&w, TCP_ACK, FIRST, 0);
	cr_expect_eq(w.nout, 0);
	w.cx.now_ms += 50;
	w.cx.now_us += 50000;
	ack = world_seg(&w, TCP_ACK, 0);
	ack.ack = FIRST;
	ack.opts |= TCP_OPT_SACK;
	ack.nsack = 1;
	ack.sack[0] = (struct seq_range){FIRST + MSS, FIRST + 5 * MSS};
	world_arrives(&w, &ack);
	cr_assert_geq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.seq, FIRST);
	cr_expect(w.out[0].retransmit);
}

Test(tcp_fastopen, reset_is_told_to_the_handler)
{
	struct tcp_seg rst;

	cr_assert(take(LEN));
	rst = world_seg(&w, TCP_RST, 0);
	rst.seq--;
	world_arrives(&w, &rst);
	cr_expect_eq(tcp_state(&w.c), TCP_SYN_RCVD, "not the exact number");
	rst.seq++;
	world_arrives(&w, &rst);
	cr_expect_eq(w.v.bits & (TCP_V_GONE | TCP_V_TO_LISTEN), TCP_V_GONE);
	cr_expect_eq(w.v.reason, MR_RESET_BY_PEER);
}

/* Who knows no number must not be able to end what the handler knows of (RFC 5961 4.2). */
Test(tcp_fastopen, another_syn_is_challenged)
{
	struct tcp_seg syn;

	cr_assert(take(LEN));
	syn = peers_syn(0);
	syn.seq = w.c.rcv_nxt + 500;
	world_arrives(&w, &syn);
	cr_expect_eq(tcp_state(&w.c), TCP_SYN_RCVD);
	cr_assert_eq(w.nout, 1);
	cr_expect(world_sent(&w, TCP_ACK, FIRST, WORLD_IRS + 1 + LEN));
	/* its SYN again, with an ACK: nobody sends that */
	syn = peers_syn(10);
	syn.flags |= TCP_ACK;
	syn.ack = FIRST;
	world_arrives(&w, &syn);
	cr_expect_eq(tcp_state(&w.c), TCP_SYN_RCVD);
}

Test(tcp_fastopen, unacceptable_ack_is_reset_and_changes_nothing)
{
	static const int32_t offs[] = {-1, 0, LEN + 2};

	cr_assert(take(LEN));
	world_send(&w, LEN, 0);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(offs); i++) {
		world_hears(&w, TCP_ACK, WORLD_ISS + (uint32_t)offs[i], 0);
		cr_expect(w.v.bits & TCP_V_RST, "%d", offs[i]);
		cr_expect_eq(tcp_state(&w.c), TCP_SYN_RCVD);
	}
}

Test(tcp_fastopen, nobody_answers)
{
	unsigned int syn_acks = 0;

	cr_assert(take(LEN));
	world_send(&w, LEN, 0);
	while ((w.v.bits & TCP_V_GONE) == 0) {
		cr_assert_neq(world_next_timer(&w), UINT32_MAX);
		syn_acks += w.nout;
	}
	cr_expect_eq(syn_acks, w.params.synack_retries);
	cr_expect_eq(w.v.reason, MR_TIMED_OUT);
	cr_expect_eq(w.v.bits & TCP_V_TO_LISTEN, 0);
}

Test(tcp_fastopen, fin_waits_for_the_handshake)
{
	cr_assert(take(LEN));
	world_send(&w, LEN, 0);
	tcp_shutdown(&w.cx, &w.c);
	world_output(&w);
	cr_expect_eq(w.nout, 0);
	cr_expect_eq(tcp_state(&w.c), TCP_SYN_RCVD);
	world_hears(&w, TCP_ACK, FIRST, 0);
	cr_expect_eq(tcp_state(&w.c), TCP_FIN_WAIT_1);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.seq, FIRST + LEN);
	cr_expect(w.out[0].seg.flags & TCP_FIN);
}

Test(tcp_fastopen, close_with_data_unread_resets)
{
	cr_assert(take(LEN));
	tcp_close(&w.cx, &w.c, &w.v);
	cr_expect_eq(w.v.bits & (TCP_V_GONE | TCP_V_RST | TCP_V_TO_LISTEN), TCP_V_GONE | TCP_V_RST);
	cr_expect_eq(w.v.rst.seq, FIRST);
}

Test(tcp_fastopen, handshake_is_a_round_trip)
{
	cr_assert(take(LEN));
	w.cx.now_ms += 80;
	w.cx.now_us += 80000;
	world_hears(&w, TCP_ACK, FIRST, 0);
	cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->rtt.srtt_us, 80000 + RTT_COARSE_US);
}

Test(tcp_fastopen, peers_data_comes_with_its_ack)
{
	struct tcp_seg seg;

	cr_assert(take(LEN));
	world_hears(&w, TCP_ACK | TCP_PSH, FIRST, 50);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect_eq(w.delivered, LEN + 50);
	/* the SYN's data again, in a segment of its own: an ACK tells that it is known */
	seg = world_seg(&w, TCP_ACK, LEN);
	seg.seq = WORLD_IRS + 1;
	world_arrives(&w, &seg);
	cr_expect_eq(w.delivered, LEN + 50);
	cr_expect(world_sent(&w, TCP_ACK, FIRST, WORLD_IRS + 1 + LEN + 50));
}

Test(tcp_fastopen, without_an_extension_it_is_an_open_as_any_other)
{
	uint32_t nfree = w.pool.nfree;

	w.pool.nfree = 0;
	cr_expect(!take(LEN));
	cr_expect_eq(w.v.bits, 0);
	cr_expect(world_sent(&w, SYN_ACK, WORLD_ISS, WORLD_IRS + 1));
	w.pool.nfree = nfree;
	world_hears(&w, TCP_ACK, FIRST, 0);
	cr_expect(w.v.bits & TCP_V_ESTABLISHED);
}

Test(tcp_fastopen, cookie_is_in_the_first_syn_ack_only)
{
	const struct tcp_fastopen f = {.c = &w.c, .cookie_len = 8, .cookie = "cookie!"};

	w.cx.fastopen = &f;
	cr_assert(take(LEN));
	w.cx.fastopen = NULL;
	cr_assert_eq(w.out[0].seg.opts, TCP_OPT_MSS | TCP_OPT_FASTOPEN);
	cr_expect_eq(w.out[0].seg.cookie_len, 8);
	cr_expect_eq(memcmp(w.out[0].seg.cookie, "cookie!", 8), 0);
	cr_expect_eq(w.out[0].seg.len, 0);
	w.cx.fastopen = &f;		/* even if somebody forgets it */
	world_next_timer(&w);
	cr_expect_eq(w.out[0].seg.opts, TCP_OPT_MSS);
}

Test(tcp_fastopen, cookie_of_another_connection_is_not_sent)
{
	struct tcp_conn other = {0};
	const struct tcp_fastopen f = {.c = &other, .cookie_len = 8};

	w.cx.fastopen = &f;
	syn_rcvd(&w);
	cr_expect_eq(w.out[0].seg.opts, TCP_OPT_MSS);
}

/* The SYN-ACK counts, beside the octets that are out. */
Test(tcp_fastopen, info_tells_what_is_in_flight)
{
	struct mr_tcp_info info;

	cr_assert(take(LEN));
	tcp_info(&w.cx, &w.c, &info);
	cr_expect_eq(info.unacked, 1);
	cr_expect_eq(info.retrans, 0);
	world_send(&w, 2 * MSS + 10, 0);
	tcp_info(&w.cx, &w.c, &info);
	cr_expect_eq(info.unacked, 4);
	world_next_timer(&w);
	cr_assert(world_sent(&w, SYN_ACK, WORLD_ISS, WORLD_IRS + 1 + LEN));
	tcp_info(&w.cx, &w.c, &info);
	cr_expect_eq(info.unacked, 4);
	cr_expect_eq(info.retrans, 1);
	cr_expect_eq(info.lost, 1);
}

/* RFC 1191 6.5, before the handshake as after it; the timer is that of the SYN-ACK still. */
Test(tcp_fastopen, smaller_path_resends_before_the_handshake)
{
	for (unsigned int sack = 0; sack < 2; sack++) {
		uint32_t deadline_ms, octets = 0;

		w.peer_sack = sack != 0;
		cr_assert(take(LEN));
		deadline_ms = w.c.deadline_ms;
		w.cx.now_ms += 50;
		w.cx.now_us += 50000;
		world_send(&w, 2 * MSS + 10, 0);
		cr_assert_eq(w.nout, 3);
		cr_expect(tcp_path_mss(&w.cx, &w.c, 1000));
		world_output(&w);
		cr_assert_eq(w.nout, 3);
		for (unsigned int i = 0; i < w.nout; i++) {
			cr_expect(w.out[i].retransmit);
			cr_expect_eq(w.out[i].seg.seq, FIRST + octets);
			octets += w.out[i].seg.len;
			cr_expect_leq(w.out[i].seg.len, 1000);
		}
		cr_expect_eq(octets, 2 * MSS + 10);
		cr_expect_eq(w.c.deadline_ms, deadline_ms);
		tcp_check(&w.cx, &w.c);
		w.cx.now_ms += 50;
		w.cx.now_us += 50000;
		world_hears(&w, TCP_ACK, FIRST, 0);
		cr_expect_eq(w.nout, 0, "all of it is under way");
		cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->rtt.srtt_us, 100000 + RTT_COARSE_US);
		world_hears(&w, TCP_ACK, FIRST + 2 * MSS + 10, 0);
		cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->snd_queued, 0);
		tcp_check(&w.cx, &w.c);
		end();
		begin();
	}
}
