/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss recovery with a scoreboard while ACKs come: what is sent again and what is not, reordering,
 * duplicates, and blocks that cannot be believed (RFC 2018, 2883, 6675, 6937, 8985).
 */
#include <criterion/criterion.h>
#include <string.h>

#include "loss_fixture.h"

static struct world w;

static void begin(void)
{
	world_init(&w);
	w.peer_sack = true;
}
static void end(void) { world_fini(&w); }
TestSuite(tcp_loss, .init = begin, .fini = end);

/* RFC 6675 5: one hole, one retransmission, whatever number of ACKs tells of it. */
Test(tcp_loss, only_the_hole_is_sent_again)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(2), {S(3), S(4)});
	cr_expect_eq(loss_resent_now(&w), 0, "one block may be reordering");
	LOSS_ACK(&w, S(2), {S(3), S(5)});
	LOSS_ACK(&w, S(2), {S(3), S(6)});
	cr_assert_eq(loss_resent_now(&w), 1, "three SACKed");
	loss_resent(&w, 0, 2);
	for (unsigned int i = 7; i <= 10; i++) {
		LOSS_ACK(&w, S(2), {S(3), S(i)});
		cr_expect_eq(loss_resent_now(&w), 0);
	}
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, S(10));
	cr_expect_eq(loss_count(&w, MR_C_TCP_REXMT_DATA), 1);
	cr_expect_eq(loss_count(&w, MR_C_TCP_FAST_REXMT), 1);
	cr_expect_eq(loss_count(&w, MR_C_TCP_RTO), 0);
	cr_expect_eq(loss_ext(&w)->cc.cwnd, loss_ext(&w)->cc.ssthresh, "ends there");
	loss_all_acked(&w);
}

/* Several holes in one round trip: each once, paced by what arrives (RFC 6937). */
Test(tcp_loss, several_holes_in_one_round_trip)
{
	unsigned int resent = 0;

	loss_in_flight(&w, 20);
	LOSS_ACK(&w, S(0), {S(1), S(3)}, {S(4), S(5)}, {S(7), S(20)});
	resent += loss_resent_now(&w);
	cr_assert_geq(resent, 1);
	loss_resent(&w, 0, 0);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, S(3), {S(4), S(5)}, {S(7), S(20)});
	resent += loss_resent_now(&w);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, S(5), {S(7), S(20)});
	resent += loss_resent_now(&w);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, S(6), {S(7), S(20)});
	resent += loss_resent_now(&w);
	cr_expect_eq(resent, 4, "0, 3, 5 and 6");
	cr_expect_eq(loss_count(&w, MR_C_TCP_FAST_REXMT), 1, "one reduction");
	LOSS_ACK(&w, S(20));
	loss_all_acked(&w);
}

/* RFC 6937: new data counts as what is sent again does; in the end ssthresh is in flight. */
Test(tcp_loss, new_data_in_recovery_is_in_proportion)
{
	uint32_t pipe, ssthresh;
	unsigned int sent;

	loss_in_flight(&w, 20);
	loss_ext(&w)->cc.cwnd = 20 * MSS;
	world_send(&w, 24 * MSS, 0);
	cr_assert_eq(w.nout, 0);
	LOSS_ACK(&w, S(0), {S(1), S(4)});
	cr_assert_eq(loss_resent_now(&w), 1);
	sent = w.nout;
	for (unsigned int i = 5; i <= 20; i++) {
		LOSS_ACK(&w, S(0), {S(1), S(i)});
		cr_assert_leq(w.nout, 1, "no burst");
		sent += w.nout;
	}
	pipe = board_pipe(&loss_flight(&w)->board);
	ssthresh = loss_ext(&w)->cc.ssthresh;
	cr_expect_eq(ssthresh, 14 * MSS);
	cr_expect(sent >= 13 && sent <= 14, "%u for 19 delivered", sent);
	cr_expect(pipe <= ssthresh && pipe + MSS >= ssthresh, "%u in flight", pipe);
	loss_all_acked(&w);
}

/* What mr_tcp_info() tells: holes that went out again are lost still, until they are answered. */
Test(tcp_loss, recovery_is_told)
{
	loss_in_flight(&w, 20);
	loss_told(&w, 20, 0, 0, 0);
	LOSS_ACK(&w, S(0), {S(1), S(3)}, {S(5), S(9)});
	loss_told(&w, 20, 6, 3, loss_resent_now(&w));
	cr_expect_geq(loss_resent_now(&w), 1);
	LOSS_ACK(&w, S(3), {S(5), S(20)});
	loss_told(&w, 17, 15, 2, 2);
	cr_expect_eq(loss_count(&w, MR_C_TCP_REXMT_DATA), 3, "each once");
	loss_all_acked(&w);
	loss_told(&w, 0, 0, 0, 0);
}

/* The same of a peer without SACK, and of a SYN. */
Test(tcp_loss, recovery_without_sack_is_told)
{
	w.peer_sack = false;
	w.params.timestamps = false;
	loss_in_flight(&w, 10);
	loss_told(&w, 10, 0, 0, 0);
	for (unsigned int i = 0; i < 3; i++)
		LOSS_ACK(&w, S(0));
	loss_told(&w, 10, 0, 1, 1);
	world_next_timer(&w);
	cr_assert_eq(loss_count(&w, MR_C_TCP_RTO), 1);
	loss_told(&w, 10, 0, 10, 1);
	loss_all_acked(&w);
	loss_told(&w, 0, 0, 0, 0);
}

/* A retransmission that is lost too is found by time, not by the timeout (RFC 8985 3.1). */
Test(tcp_loss, lost_retransmission_is_sent_again)
{
	loss_in_flight(&w, 10);
	world_send(&w, 4 * MSS, 0);
	loss_wait_ms(&w, 1);
	LOSS_ACK(&w, S(0), {S(1), S(10)});
	loss_resent(&w, 0, 0);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, S(0), {S(1), S(11)});
	loss_wait_ms(&w, RTT_MS / 2);
	world_send(&w, 2 * MSS, 0);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, S(0), {S(1), S(16)});
	loss_resent(&w, 0, 0);
	cr_expect_eq(loss_count(&w, MR_C_TCP_REXMT_DATA), 2);
	cr_expect_eq(loss_count(&w, MR_C_TCP_RTO), 0);
	loss_all_acked(&w);
}

/* Later than what follows by less than a quarter of the round trip: not lost (RFC 8985 6.2). */
Test(tcp_loss, reordering_within_the_window_sends_nothing)
{
	loss_in_flight(&w, 10);
	loss_flight(&w)->path.reordered = true;
	LOSS_ACK(&w, S(0), {S(1), S(4)});
	cr_expect_eq(loss_resent_now(&w), 0, "however much is SACKed");
	world_sleep_ms(&w, RTT_MS / 4 - 5);
	cr_expect_eq(loss_resent_now(&w), 0);
	LOSS_ACK(&w, S(10));
	cr_expect_eq(loss_count(&w, MR_C_TCP_REXMT_DATA), 0);
	loss_all_acked(&w);
}

/* And when the window is over, without another ACK, it is (RFC 8985 6.3). */
Test(tcp_loss, reordering_timer_marks_what_is_late)
{
	loss_in_flight(&w, 10);
	loss_flight(&w)->path.reordered = true;
	LOSS_ACK(&w, S(0), {S(1), S(10)});
	cr_assert_eq(loss_resent_now(&w), 0);
	cr_expect_eq(world_next_timer(&w), RTT_MS / 4);
	loss_resent(&w, 0, 0);
	cr_expect_eq(loss_count(&w, MR_C_TCP_RTO), 0);
	loss_all_acked(&w);
}

/* What arrives behind its successors, and was sent once, is reordering: it is waited for then. */
Test(tcp_loss, reordering_is_noticed)
{
	loss_in_flight(&w, 10);
	cr_expect_not(loss_flight(&w)->path.reordered);
	LOSS_ACK(&w, S(0), {S(2), S(3)});
	LOSS_ACK(&w, S(2), {S(2), S(3)});
	cr_expect(loss_flight(&w)->path.reordered);
	loss_all_acked(&w);
}

/* Of ten segments the first, which is returned, is lost and sent again. */
static uint32_t first_of_ten_lost(void)
{
	uint32_t at = (w.c.snd_nxt - BASE) / MSS;

	loss_ext(&w)->cc.cwnd = 40 * MSS;
	world_send(&w, 10 * MSS, 0);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, at, {at + 1, at + 5});
	while (loss_resent_now(&w) == 0)
		world_next_timer(&w);
	return at;
}

/* And what is sent again arrives. */
static void mended(void)
{
	uint32_t at = first_of_ten_lost();

	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, at + 10);
}

/* RFC 8985 6.2 step 4: a duplicate of what was sent again makes the window wider, once a round. */
Test(tcp_loss, duplicates_widen_the_reordering_window)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(0), {S(1), S(4)});
	loss_resent(&w, 0, 0);
	LOSS_ACK(&w, S(4));
	LOSS_ACK(&w, S(5), {S(0), S(1)});	/* the first copy had come */
	cr_expect_eq(loss_count(&w, MR_C_TCP_DSACK_RX), 1);
	cr_expect_eq(loss_flight(&w)->path.mult, 1);
	cr_expect_eq(rack_window_us(&loss_flight(&w)->path, false, true, UINT32_MAX),
		     RTT_MS * 1000 / 4);
	LOSS_ACK(&w, S(10));
	for (unsigned int round = 2; round <= 3; round++) {
		uint32_t at = first_of_ten_lost();

		LOSS_ACK(&w, at + 5);
		LOSS_ACK(&w, at + 6, {at, at + 1});
		cr_expect_eq(loss_flight(&w)->path.mult, round);
		LOSS_ACK(&w, at + 10);
	}
	for (unsigned int i = 0; i < RACK_PERSIST; i++) {
		cr_expect_eq(loss_flight(&w)->path.mult, 3, "%u recoveries without one", i);
		mended();
	}
	cr_expect_eq(loss_flight(&w)->path.mult, 1);
	loss_all_acked(&w);
}

/* All that was sent again came twice: the reduction is undone (RFC 2883 5.1, RFC 3708). */
Test(tcp_loss, duplicates_undo_the_reduction)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(0), {S(1), S(4)});
	loss_resent(&w, 0, 0);
	cr_expect_lt(loss_ext(&w)->cc.ssthresh, 10 * MSS);
	cr_expect_not(loss_flight(&w)->path.reordered);
	LOSS_ACK(&w, S(4), {S(0), S(1)});
	cr_expect_eq(loss_count(&w, MR_C_TCP_UNDONE), 1);
	cr_expect(loss_flight(&w)->path.reordered, "it came behind three others");
	cr_expect_geq(loss_ext(&w)->cc.cwnd, 40 * MSS);
	cr_expect_gt(loss_ext(&w)->cc.ssthresh, 40 * MSS);
	loss_all_acked(&w);
}

/*
 * RFC 6937 3: at the end of recovery the window is ssthresh, and the octet that ended it counts for
 * the next segment: else there is one round trip in which it does not grow.
 */
Test(tcp_loss, window_grows_in_the_round_trip_after_recovery)
{
	struct cc *cc;

	w.params.congestion = CC_NEWRENO;
	loss_in_flight(&w, 9);
	cc = &loss_ext(&w)->cc;
	cc->cwnd = 9 * MSS;
	world_send(&w, 30 * MSS, 0);
	LOSS_ACK(&w, S(0), {S(1), S(4)});
	loss_resent(&w, 0, 0);
	cr_expect_eq(cc->ssthresh, 4 * MSS, "half of nine, in whole segments");
	LOSS_ACK(&w, S(0), {S(1), S(9)});
	LOSS_ACK(&w, S(9));
	cr_expect_eq(loss_ext(&w)->loss.phase, NEWRENO_OPEN);
	cr_expect_eq(cc->cwnd, 4 * MSS);
	LOSS_ACK(&w, S(11));
	cr_expect_eq(cc->cwnd, 4 * MSS);
	LOSS_ACK(&w, S(12));
	cr_expect_eq(cc->cwnd, 5 * MSS, "four were acknowledged since, one by the end");
	loss_all_acked(&w);
}

/* And not before: one of two that were sent again had been lost indeed, as far as is known. */
Test(tcp_loss, duplicate_of_one_of_two_undoes_nothing)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(0), {S(1), S(2)}, {S(3), S(7)});
	LOSS_ACK(&w, S(0), {S(1), S(2)}, {S(3), S(10)});
	cr_assert_eq(loss_count(&w, MR_C_TCP_REXMT_DATA), 2, "0 and 2");
	LOSS_ACK(&w, S(2), {S(0), S(1)}, {S(3), S(10)});
	cr_expect_eq(loss_count(&w, MR_C_TCP_DSACK_RX), 1);
	cr_expect_eq(loss_count(&w, MR_C_TCP_UNDONE), 0);
	cr_expect_lt(loss_ext(&w)->cc.ssthresh, 10 * MSS);
	LOSS_ACK(&w, S(10), {S(2), S(3)});
	cr_expect_eq(loss_count(&w, MR_C_TCP_UNDONE), 1, "the other one too");
	cr_expect_gt(loss_ext(&w)->cc.ssthresh, 40 * MSS);
	loss_all_acked(&w);
}

/* Without SACK-permitted from the peer three duplicates and NewReno remain (RFC 6582). */
Test(tcp_loss, peer_without_sack_gets_newreno)
{
	w.peer_sack = false;
	loss_in_flight(&w, 10);
	cr_expect_eq(loss_ext(&w)->flight, 0, "no scoreboard");
	LOSS_ACK(&w, S(0));
	LOSS_ACK(&w, S(0));
	cr_expect_eq(loss_resent_now(&w), 0);
	LOSS_ACK(&w, S(0), {S(1), S(4)});	/* blocks that were never agreed on say nothing */
	loss_resent(&w, 0, 0);
	cr_expect_eq(loss_count(&w, MR_C_TCP_FAST_REXMT), 1);
	loss_all_acked(&w);
}

/* Blocks that cannot be: empty, upside down, beyond SND.NXT, across SND.UNA, ancient. */
Test(tcp_loss, impossible_blocks_are_ignored_and_counted)
{
	static const int32_t bad[][2] = {{0, 0}, {5, 3}, {8, 200}, {-1, 3}, {300, 301},
					 {-300, -299},
					 {0, 0x7fffffff / 1460}};
	struct board before;

	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(2));
	before = loss_flight(&w)->board;
	for (unsigned int i = 0; i < MR_ARRAY_LEN(bad); i++) {
		struct tcp_seg seg = world_seg(&w, TCP_ACK, 0);

		seg.ack = w.c.snd_una;
		seg.opts |= TCP_OPT_SACK;
		seg.nsack = 1;
		seg.sack[0].left = w.c.snd_una + (uint32_t)(bad[i][0] * (int32_t)MSS);
		seg.sack[0].right = w.c.snd_una + (uint32_t)(bad[i][1] * (int32_t)MSS);
		world_arrives(&w, &seg);
		cr_expect_eq(loss_count(&w, MR_C_TCP_SACK_IGNORED), i + 1, "block %u", i);
	}
	cr_expect_eq(memcmp(&before, &loss_flight(&w)->board, sizeof(before)), 0);
	cr_expect_eq(loss_resent_now(&w), 0);
	loss_all_acked(&w);
}

/*
 * A storm of ACKs that SACK single octets: the scoreboard stays within its bound, each operation
 * looks at BOARD_RANGES ranges at most, and what goes out stays within the window.
 */
Test(tcp_loss, hostile_blocks_are_bounded)
{
	unsigned int sent = 0;

	loss_in_flight(&w, 20);
	for (uint32_t i = 0; i < 5000; i++) {
		struct tcp_seg seg = world_seg(&w, TCP_ACK, 0);

		seg.ack = w.c.snd_una;
		seg.opts |= TCP_OPT_SACK;
		seg.nsack = 4;
		for (uint32_t k = 0; k < 4; k++) {
			uint32_t at = (i * 4 + k) * 7919 % (20 * MSS - 2);

			seg.sack[k].left = w.c.snd_una + at + 1;
			seg.sack[k].right = seg.sack[k].left + 1;
		}
		world_arrives(&w, &seg);	/* tcp_check() runs in it */
		cr_assert_leq(loss_flight(&w)->board.n, BOARD_RANGES);
		sent += w.nout;
		cr_assert_leq(board_pipe(&loss_flight(&w)->board), 40 * MSS);
	}
	cr_expect_gt(loss_count(&w, MR_C_TCP_SACK_IGNORED), 0, "no room for all of them");
	cr_expect_leq(sent, 200, "%u segments", sent);
	loss_all_acked(&w);
}

/* RFC 3042 with SACK: each of the first duplicates lets one new segment out. */
Test(tcp_loss, limited_transmit)
{
	loss_in_flight(&w, 10);
	loss_ext(&w)->cc.cwnd = 10 * MSS;
	world_send(&w, 5 * MSS, 0);
	cr_assert_eq(w.nout, 0);
	LOSS_ACK(&w, S(0), {S(1), S(2)});
	cr_expect(w.nout == 1 && !w.out[0].retransmit);
	LOSS_ACK(&w, S(0), {S(1), S(3)});
	cr_expect(w.nout == 1 && !w.out[0].retransmit);
	loss_all_acked(&w);
}
