/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss recovery with a scoreboard when no ACK comes: tail loss probes, timeouts that were right,
 * timeouts that were not, peers that take back what they reported (RFC 8985 7, 5682, 3522, 2018 8).
 */
#include <criterion/criterion.h>

#include "loss_fixture.h"

static struct world w;

static void begin(void)
{
	world_init(&w);
	w.peer_sack = true;
}
static void end(void) { world_fini(&w); }
TestSuite(tcp_tail, .init = begin, .fini = end);

/* RFC 8985 7.2: two round trips after the last ACK the last segment goes again, then the RTO. */
Test(tcp_tail, tail_loss_probe_then_timeout)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(7));			/* three are lost */
	cr_expect_eq(world_next_timer(&w), 2 * RTT_MS);
	cr_assert_eq(w.nout, 1);
	loss_resent(&w, 0, 9);
	cr_expect_eq(loss_count(&w, MR_C_TCP_TLP), 1);
	cr_expect_eq(loss_count(&w, MR_C_TCP_RTO), 0);
	cr_expect_geq(world_next_timer(&w), 200, "one probe, then the RTO from there");
	cr_expect_eq(loss_count(&w, MR_C_TCP_TLP), 1);
	cr_expect_eq(loss_count(&w, MR_C_TCP_RTO), 1);
	cr_assert_eq(w.nout, 1);
	loss_resent(&w, 0, 7);
	cr_expect_eq(loss_ext(&w)->cc.cwnd, loss_ext(&w)->cc.smss);
	loss_all_acked(&w);
}

/* What mr_tcp_info() tells: a probe is sent again and not lost, after a timeout all is lost. */
Test(tcp_tail, probe_and_timeout_are_told)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(7));
	loss_told(&w, 3, 0, 0, 0);
	world_next_timer(&w);
	loss_told(&w, 3, 0, 0, 1);
	LOSS_ACK(&w, S(7), {S(8), S(9)});
	loss_told(&w, 3, 1, 0, 1);
	for (unsigned int i = 0; i < 9 && loss_count(&w, MR_C_TCP_RTO) == 0; i++)
		world_next_timer(&w);
	loss_told(&w, 3, 1, 2, 1);
	loss_all_acked(&w);
	loss_told(&w, 0, 0, 0, 0);
}

/* RFC 8985 7.3: late ACKs of others do not call for another one before it is answered. */
Test(tcp_tail, one_probe_at_a_time)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(7));
	world_next_timer(&w);
	cr_assert_eq(loss_count(&w, MR_C_TCP_TLP), 1);
	LOSS_ACK(&w, S(8));
	cr_expect_geq(world_next_timer(&w), 200, "the RTO");
	cr_expect_eq(loss_count(&w, MR_C_TCP_TLP), 1);
	cr_expect_eq(loss_count(&w, MR_C_TCP_RTO), 1);
	loss_all_acked(&w);
}

/* The probe's SACK tells of the rest: fast recovery instead of a timeout. */
Test(tcp_tail, probe_starts_fast_recovery)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(7));
	world_next_timer(&w);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, S(7), {S(9), S(10)});
	while (loss_count(&w, MR_C_TCP_FAST_REXMT) == 0)
		cr_assert_leq(world_next_timer(&w), RTT_MS);
	loss_resent(&w, 0, 7);
	cr_expect_eq(loss_count(&w, MR_C_TCP_RTO), 0);
	loss_all_acked(&w);
}

/* New data is the better probe, even beyond cwnd. */
Test(tcp_tail, probe_carries_new_data)
{
	loss_in_flight(&w, 10);
	loss_ext(&w)->cc.cwnd = 10 * MSS;
	world_send(&w, 3 * MSS, 0);
	cr_assert_eq(w.nout, 0);
	world_next_timer(&w);
	cr_assert_eq(w.nout, 1);
	cr_expect_not(w.out[0].retransmit);
	cr_expect_eq(w.out[0].seg.seq, BASE + S(10) * MSS);
	loss_all_acked(&w);
}

/* RFC 8985 7.4: only the last segment was lost. Nothing tells but that no duplicate is reported. */
Test(tcp_tail, loss_repaired_by_the_probe_counts)
{
	for (unsigned int dup = 0; dup <= 1; dup++) {
		uint32_t at, cwnd;

		if (dup == 0)
			loss_in_flight(&w, 10);
		at = (w.c.snd_nxt - BASE) / MSS;
		if (dup == 1) {
			loss_ext(&w)->cc.cwnd = 40 * MSS;
			world_send(&w, 10 * MSS, 0);
			at += 10;
		}
		loss_wait_ms(&w, RTT_MS);
		LOSS_ACK(&w, at - 1);
		world_next_timer(&w);
		cr_assert_eq(loss_count(&w, MR_C_TCP_TLP), dup + 1);
		loss_wait_ms(&w, RTT_MS);
		LOSS_ACK(&w, at);
		if (dup)
			LOSS_ACK(&w, at, {at - 1, at});
		world_send(&w, MSS, 0);
		loss_wait_ms(&w, RTT_MS);
		cwnd = loss_ext(&w)->cc.cwnd;
		LOSS_ACK(&w, at + 1);
		cr_expect_eq(loss_count(&w, MR_C_TCP_TLP_REPAIRED), 1, "%u", dup);
		cr_expect(dup ? loss_ext(&w)->cc.cwnd >= cwnd : loss_ext(&w)->cc.cwnd < cwnd);
	}
	loss_all_acked(&w);
}

/* Of one segment the ACK may be delayed: the probe waits for that, within the RTO. */
Test(tcp_tail, probe_of_a_single_segment_waits_for_a_delayed_ack)
{
	loss_in_flight(&w, 1);
	cr_expect_geq(world_next_timer(&w), 200);
	cr_expect_eq(loss_count(&w, MR_C_TCP_TLP), 1);
	loss_all_acked(&w);
}

static void timeout_of(unsigned int segs)
{
	loss_in_flight(&w, segs);
	while (loss_count(&w, MR_C_TCP_RTO) == 0)
		world_next_timer(&w);
	cr_assert_eq(w.nout, 1, "RFC 5681 3.1: one segment");
	loss_resent(&w, 0, 0);
	cr_assert_eq(loss_ext(&w)->cc.cwnd, loss_ext(&w)->cc.smss);
}

/* RFC 5682: the ACKs of the first copies arrive late; nothing more is sent again. */
Test(tcp_tail, spurious_timeout_is_undone_by_new_data)
{
	timeout_of(10);
	world_send(&w, 8 * MSS, 0);
	cr_expect_eq(w.nout, 0);
	LOSS_ACK(&w, S(1));
	cr_expect_eq(w.nout, 2, "two new segments");
	cr_expect_eq(loss_resent_now(&w), 0);
	LOSS_ACK(&w, S(3));
	cr_expect_eq(loss_count(&w, MR_C_TCP_UNDONE), 1);
	cr_expect_eq(loss_resent_now(&w), 0);
	cr_expect_geq(loss_ext(&w)->cc.cwnd, 40 * MSS, "as before");
	cr_expect_not(loss_flight(&w)->path.reordered, "late is not out of order");
	cr_expect_eq(loss_count(&w, MR_C_TCP_REXMT_DATA), 2, "the probe and the first");
	loss_all_acked(&w);
}

/* The timeout was right: after two new segments the rest is sent again. */
Test(tcp_tail, true_timeout_is_not_undone)
{
	timeout_of(10);
	world_send(&w, 8 * MSS, 0);
	LOSS_ACK(&w, S(1));
	cr_expect_eq(loss_resent_now(&w), 0);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, S(1), {S(10), S(11)});
	cr_expect_eq(loss_count(&w, MR_C_TCP_UNDONE), 0);
	cr_assert_geq(loss_resent_now(&w), 1);
	loss_resent(&w, 0, 1);
	loss_all_acked(&w);
}

/* As loss_in_flight() with timestamps: segments of 1448 octets from BASE on, of which none is
 * answered yet. */
static void send_with_timestamps(unsigned int segs)
{
	struct tcp_seg syn, seg;

	w.params.timestamps = true;
	syn = world_seg(&w, TCP_SYN, 0);
	syn.seq = WORLD_IRS;
	syn.opts |= TCP_OPT_MSS | TCP_OPT_SACK_OK;
	syn.mss = 1460;
	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	world_output(&w);
	seg = world_seg(&w, TCP_ACK, 0);
	world_arrives(&w, &seg);
	world_send(&w, segs * 1448, 0);
	cr_assert_eq(w.nout, segs);
}

/* An ACK of BASE that reports segments [from, to) and echoes the time `ms`. */
static void report(uint32_t ms, const unsigned int (*block)[2])
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK, 0);

	seg.ack = BASE;
	seg.tsecr = ms + w.cx.ts_offset;
	seg.opts |= TCP_OPT_SACK;
	for (; (*block)[1] != 0; block++) {
		seg.sack[seg.nsack].left = BASE + (*block)[0] * 1448;
		seg.sack[seg.nsack++].right = BASE + (*block)[1] * 1448;
	}
	world_arrives(&w, &seg);
}

/*
 * Two are lost and sent again; the first is lost once more, so that the report of the second still
 * echoes the time before the hole. It is no answer to a first copy, and nothing is undone; but it
 * tells that the first one, which went out no later, is lost.
 */
Test(tcp_tail, report_behind_a_hole_undoes_nothing)
{
	uint32_t sent_ms;

	send_with_timestamps(10);
	sent_ms = w.cx.now_ms;
	loss_wait_ms(&w, RTT_MS);
	report(sent_ms, (const unsigned int[][2]){{6, 10}, {1, 5}, {0, 0}});
	cr_assert_eq(loss_resent_now(&w), 2);
	loss_wait_ms(&w, RTT_MS);
	report(sent_ms, (const unsigned int[][2]){{1, 10}, {0, 0}});
	cr_expect_eq(loss_count(&w, MR_C_TCP_UNDONE), 0);
	cr_expect_eq(loss_ext(&w)->loss.phase, NEWRENO_RECOVERY);
	cr_assert_eq(loss_resent_now(&w), 1);
	cr_expect_eq(w.out[0].seg.seq, BASE);
	loss_all_acked(&w);
}

/* RFC 3522: with timestamps the first ACK tells which copy it answers. */
Test(tcp_tail, spurious_timeout_is_undone_by_timestamps)
{
	uint32_t sent_ms;
	struct tcp_seg seg;

	send_with_timestamps(8);
	sent_ms = w.cx.now_ms;
	while (loss_count(&w, MR_C_TCP_RTO) == 0)
		world_next_timer(&w);
	seg = world_seg(&w, TCP_ACK, 0);
	seg.ack = BASE + 1448;
	seg.tsecr = sent_ms + w.cx.ts_offset;
	world_arrives(&w, &seg);
	cr_expect_eq(loss_count(&w, MR_C_TCP_UNDONE), 1);
	cr_expect_eq(loss_resent_now(&w), 0);
	cr_expect_eq(loss_flight(&w)->board.lost, 0);
	loss_all_acked(&w);
}

/* RFC 2018 8: the peer takes back what it reported. It costs a timeout, and no octet. */
Test(tcp_tail, reneging_peer_gets_everything_again)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(0), {S(1), S(10)});
	loss_resent(&w, 0, 0);
	loss_wait_ms(&w, RTT_MS);
	LOSS_ACK(&w, S(1));			/* and not up to 10, as it had said */
	while (loss_count(&w, MR_C_TCP_RTO) == 0)
		world_next_timer(&w);
	cr_expect_eq(loss_count(&w, MR_C_TCP_RENEGED), 1);
	loss_resent(&w, 0, 1);
	for (unsigned int i = 2; i < 10; i++) {
		loss_wait_ms(&w, RTT_MS);
		LOSS_ACK(&w, S(i));
	}
	cr_expect_geq(loss_count(&w, MR_C_TCP_REXMT_DATA), 10, "all ten went again");
	loss_all_acked(&w);
}

/* What is still reported at a timeout is not sent again. */
Test(tcp_tail, timeout_keeps_what_is_reported)
{
	loss_in_flight(&w, 10);
	LOSS_ACK(&w, S(0), {S(5), S(6)});
	while (loss_count(&w, MR_C_TCP_RTO) == 0)
		world_next_timer(&w);
	for (unsigned int i = 1; i <= 5; i++) {
		loss_wait_ms(&w, RTT_MS);
		LOSS_ACK(&w, S(i), {S(5), S(6)});
		for (unsigned int k = 0; k < w.nout; k++)
			cr_assert_neq(w.out[k].seg.seq, BASE + S(5) * MSS);
	}
	loss_all_acked(&w);
}

/* Our FIN is part of the flight: lost with the last data, it comes again with them. */
Test(tcp_tail, fin_is_sent_again_with_its_data)
{
	loss_in_flight(&w, 3);
	tcp_shutdown(&w.cx, &w.c);
	world_output(&w);
	cr_assert_eq(tcp_state(&w.c), TCP_FIN_WAIT_1);
	world_next_timer(&w);
	cr_assert_eq(w.nout, 1);
	cr_expect(w.out[0].retransmit && (w.out[0].seg.flags & TCP_FIN));
	LOSS_ACK(&w, S(3));
	cr_expect_eq(w.c.snd_nxt - w.c.snd_una, 1, "the FIN alone is left");
	while (loss_count(&w, MR_C_TCP_RTO) == 0)
		world_next_timer(&w);
	cr_expect(w.nout == 1 && (w.out[0].seg.flags & TCP_FIN) && w.out[0].seg.len == 0);
	loss_all_acked(&w);
}

/* All arrived, and its ACKs were lost: two timeouts make the path suspect, an ACK clears it. */
Test(tcp_tail, lost_acks_are_no_black_hole)
{
	loss_in_flight(&w, 10);
	while (loss_count(&w, MR_C_TCP_MTU_LOWERED) == 0)
		world_next_timer(&w);
	cr_assert_eq(w.c.mss, 1360);
	LOSS_ACK(&w, S(10));
	cr_expect_eq(w.c.mss, MSS);
	world_send(&w, 3 * MSS, 0);
	cr_expect(w.nout != 0 && w.out[0].seg.len == MSS);
	loss_all_acked(&w);
}

/* What was sent again in the smaller size arrives, and nothing else: the path is a hole. */
Test(tcp_tail, a_black_hole_stays_one)
{
	struct tcp_seg seg;

	loss_in_flight(&w, 10);
	while (loss_count(&w, MR_C_TCP_MTU_LOWERED) == 0)
		world_next_timer(&w);
	seg = world_seg(&w, TCP_ACK, 0);
	seg.ack = w.c.snd_una + 1360;
	world_arrives(&w, &seg);
	cr_expect_eq(w.c.mss, 1360);
	loss_all_acked(&w);
}
