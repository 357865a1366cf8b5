/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data in flight: loss recovery, windows, Nagle and silly windows, the out-of-order queue and its
 * bounds.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "world.h"

#define MSS 1460u

static struct world w;

static void begin(void) { world_init(&w); }
static void end(void) { world_fini(&w); }
TestSuite(tcp_data, .init = begin, .fini = end);

static void got_ack(uint32_t ack)
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK, 0);

	seg.ack = ack;
	world_arrives(&w, &seg);
}

static void got_data(uint32_t offset, uint16_t len)
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK, len);

	seg.seq = WORLD_IRS + 1 + offset;
	world_arrives(&w, &seg);
}

/* RFC 6582: two segments of one flight are lost; each is resent once, no timeout. */
Test(tcp_data, newreno_two_losses)
{
	uint32_t base = WORLD_ISS + 1;

	established(&w);
	world_send(&w, 10 * MSS, 0);
	cr_assert_eq(w.nout, 10, "RFC 6928");
	world_send(&w, 20000, 0);
	got_ack(base);			/* 1 and 4 are lost: the first duplicates */
	cr_expect_eq(w.nout, 1, "limited transmit (RFC 3042)");
	got_ack(base);
	cr_expect_eq(w.nout, 1, "limited transmit");
	got_ack(base);
	cr_assert_geq(w.nout, 1);
	cr_expect(w.out[0].retransmit && w.out[0].seg.seq == base);
	cr_expect_eq(w.counters.v[MR_C_TCP_FAST_REXMT], 1);
	for (unsigned int i = 0; i < 6; i++)
		got_ack(base);
	got_ack(base + 3 * MSS);	/* partial: the next hole */
	cr_assert_geq(w.nout, 1);
	cr_expect(w.out[0].retransmit && w.out[0].seg.seq == base + 3 * MSS);
	got_ack(w.c.snd_nxt);
	cr_expect_eq(w.counters.v[MR_C_TCP_RTO], 0);
	cr_expect_eq(w.counters.v[MR_C_TCP_REXMT_DATA], 2);
	got_ack(w.c.snd_nxt);
}

/* What the parameter `congestion` chooses: how far a loss takes ssthresh down. */
static void loses_one(enum cc_algorithm_id id, uint32_t ssthresh)
{
	struct mr_tcp_info info;

	w.params.congestion = (uint8_t)id;
	w.params.timestamps = false;
	established(&w);
	world_send(&w, 10 * MSS, 0);
	for (unsigned int i = 0; i < 3; i++)
		got_ack(WORLD_ISS + 1);
	tcp_info(&w.cx, &w.c, &info);
	cr_expect_eq(info.ssthresh, ssthresh, "%u", info.ssthresh);
}

Test(tcp_data, cubic_is_the_default)
{
	cr_expect_eq(w.params.congestion, CC_CUBIC);
	loses_one(CC_CUBIC, 7 * MSS);
}

Test(tcp_data, newreno_halves) { loses_one(CC_NEWRENO, 5 * MSS); }

Test(tcp_data, no_congestion_control_sends_what_the_peer_takes)
{
	w.params.congestion = CC_NONE;
	established(&w);
	world_send(&w, 40 * MSS, 0);
	cr_expect_eq(w.c.snd_nxt - w.c.snd_una, 40 * MSS);
	world_next_timer(&w);
	cr_expect_eq(w.counters.v[MR_C_TCP_RTO], 1);
	cr_expect_eq(w.nout, 40, "all again at once");
}

/*
 * After a timeout one segment goes, then slow start resends the rest in order, and nothing twice.
 */
Test(tcp_data, timeout_resends_in_slow_start)
{
	uint32_t base = WORLD_ISS + 1;
	unsigned int resent;

	established(&w);
	world_send(&w, 10 * MSS, 0);
	world_next_timer(&w);
	cr_assert_eq(w.nout, 1);
	resent = w.nout;
	for (unsigned int i = 1; i <= 10; i++) {
		got_ack(base + i * MSS);
		resent += w.nout;
	}
	cr_expect_leq(resent, 10);
	cr_expect_eq(w.c.snd_una, w.c.snd_nxt);
}

/* SHLD-15 to 17: the peer shrinks its window. */
Test(tcp_data, peer_shrinks_its_window)
{
	struct tcp_seg seg;

	established(&w);
	world_send(&w, 4 * MSS, 0);
	seg = world_seg(&w, TCP_ACK, 0);
	seg.ack = w.c.snd_una + MSS;
	seg.wnd = 100;
	world_arrives(&w, &seg);
	world_send(&w, 1000, 0);
	cr_expect_eq(w.nout, 0, "nothing new beyond it");
	world_next_timer(&w);
	cr_expect(w.nout == 1 && w.out[0].retransmit);
	got_ack(w.c.snd_nxt);
	cr_expect_eq(w.nout, 1);
	got_ack(w.c.snd_nxt);
}

/* SHLD-14, MUST-39: the right edge over a whole stream, read slowly. */
Test(tcp_data, right_edge_never_retreats)
{
	uint32_t edge = 0, at = 0;
	struct tcp_seg syn = {.seq = WORLD_IRS, .flags = TCP_SYN, .wnd = 65535, .opts = TCP_OPT_WS,
			      .wscale = 7};

	w.params.rcv_buf = 50000;
	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	world_output(&w);
	for (unsigned int i = 0; i < 400; i++) {
		uint32_t len = MR_MIN(1 + (i * 7919) % 1460, tcp_rcv_wnd(&w.c));

		if (len != 0)
			got_data(at, (uint16_t)len);
		at += len;
		if (i % 3 == 2)
			tcp_consumed(&w.cx, &w.c, tcp_ext_of(&w.pool, &w.c)->unread / 2);
		world_sleep_ms(&w, 50);
		for (unsigned int k = 0; k < w.nout; k++) {
			const struct tcp_seg *out = &w.out[k].seg;
			uint32_t now = out->ack + ((uint32_t)out->wnd << tcp_rcv_shift(&w.c));

			cr_assert(edge == 0 || seq_ge(now, edge), "step %u", i);
			cr_assert(now == edge || edge == 0 || now - edge < 8 || now - edge >= 1460);
			edge = now;
		}
	}
	cr_expect_eq(w.delivered, at);
}

Test(tcp_data, closed_window_answers_probes)
{
	w.params.rcv_buf = 2000;
	established(&w);
	got_data(0, 1460);
	got_data(1460, 540);
	cr_expect_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.wnd, 0);
	got_data(2000, 1);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt, WORLD_IRS + 2001));
	cr_expect_eq(w.delivered, 2000);
	tcp_consumed(&w.cx, &w.c, 100);
	world_output(&w);
	cr_expect_eq(w.nout, 0, "no silly window (MUST-39)");
	tcp_consumed(&w.cx, &w.c, 1900);
	world_output(&w);
	cr_expect_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.wnd, 2000);
}

static void got_window(uint16_t wnd)
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK, 0);

	seg.wnd = wnd;
	world_arrives(&w, &seg);
}

/* MUST-38: a window that opens by a few octets at a time is not filled by as small segments. */
Test(tcp_data, silly_window_is_not_filled)
{
	established(&w);
	got_window(8000);
	world_send(&w, 2 * MSS, 0);
	got_ack(w.c.snd_nxt);
	got_window(0);
	world_send(&w, 4 * MSS, 0);
	for (uint16_t wnd = 20; wnd < MSS; wnd = (uint16_t)(wnd + 20)) {
		got_window(wnd);
		cr_assert_eq(w.nout, 0, "at %u", wnd);
	}
	got_window(MSS);
	cr_expect(w.nout == 1 && w.out[0].seg.len == MSS, "a full segment");
	got_window(100);
	cr_expect_leq(world_next_timer(&w), 1000, "the override timer");
	cr_expect(w.nout == 1 && w.out[0].seg.len == 100);
	got_ack(w.c.snd_nxt);
	got_window(65535);
	got_ack(w.c.snd_nxt);
}

/* Half the largest window that it ever had is worth a segment too: the peer may have no more. */
Test(tcp_data, half_of_a_small_window_is_filled)
{
	w.params.snd_buf = 100000;
	syn_rcvd(&w);
	got_window(1000);
	world_send(&w, 3000, 0);
	cr_expect(w.nout == 1 && w.out[0].seg.len == 1000);
	got_window(400);
	cr_expect_eq(w.nout, 0, "less than half");
	got_window(500);
	cr_expect(w.nout == 1 && w.out[0].seg.len == 500);
}

Test(tcp_data, nagle_and_nodelay)
{
	established(&w);
	world_send(&w, 10, 0);
	cr_expect_eq(w.nout, 1);
	world_send(&w, 10, 0);
	world_send(&w, 10, 0);
	cr_expect_eq(w.nout, 0);
	got_ack(w.c.snd_nxt);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.len, 20, "coalesced");
	w.c.flags |= TCP_F_NODELAY;
	world_send(&w, 10, 0);
	cr_expect_eq(w.nout, 1);
	got_ack(w.c.snd_nxt);
}

Test(tcp_data, more_waits_for_more)
{
	established(&w);
	world_send(&w, 10, MR_SEND_MORE);
	cr_expect_eq(w.nout, 0);
	world_send(&w, 10, 0);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.len, 20);
	got_ack(w.c.snd_nxt);
	world_send(&w, 10, MR_SEND_MORE);
	cr_expect_leq(world_next_timer(&w), 1000, "the override timer");
	cr_expect_eq(w.nout, 1);
	got_ack(w.c.snd_nxt);
}

Test(tcp_data, notify_and_writable)
{
	w.params.snd_buf = 3000;
	established(&w);
	cr_assert(world_send(&w, 3000, MR_SEND_NOTIFY_ACKED));
	cr_expect_not(world_send(&w, 1, 0));
	got_ack(WORLD_ISS + 1 + MSS);
	cr_expect_eq(w.v.bits & TCP_V_ACKED, 0);
	got_ack(w.c.snd_nxt);
	got_ack(w.c.snd_nxt);
	cr_expect_eq(tcp_send_room(&w.cx, &w.c), 3000);
}

Test(tcp_data, out_of_order_is_put_in_order)
{
	established(&w);
	got_data(2000, 1000);
	got_data(1000, 500);
	got_data(1200, 900);		/* overlaps both */
	cr_expect_eq(w.delivered, 0);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt, WORLD_IRS + 1));
	got_data(0, 1100);
	cr_expect_eq(w.delivered, 3000);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt, WORLD_IRS + 3001));
	cr_expect_eq(w.pool.mbufs_held, 0);
}

/* What two neighbouring chains hold between them leaves nothing to be kept. */
Test(tcp_data, out_of_order_segment_known_from_two_chains)
{
	established(&w);
	got_data(1000, 1000);
	got_data(2000, 1000);
	got_data(1500, 1000);
	cr_expect_eq(w.pool.mbufs_held, 2);
	cr_expect_eq(w.counters.v[MR_C_TCP_DUP], 1);
	cr_expect_eq(w.counters.v[MR_C_TCP_OOO_QUEUED], 2);
	got_data(0, 1000);
	cr_expect_eq(w.delivered, 3000);
}

/* A FIN that overtakes its data is remembered. */
Test(tcp_data, fin_out_of_order)
{
	struct tcp_seg fin;

	established(&w);
	fin = world_seg(&w, TCP_ACK | TCP_FIN, 100);
	fin.seq += 100;
	world_arrives(&w, &fin);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	got_data(0, 100);
	cr_expect_eq(tcp_state(&w.c), TCP_CLOSE_WAIT);
	cr_expect_eq(w.delivered, 200);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt, WORLD_IRS + 202));
}

/* Bounded in mbufs: tiny segments are merged by copy, and the rest is refused. */
Test(tcp_data, out_of_order_is_bounded)
{
	established(&w);
	for (uint32_t i = 0; i < 1000; i++)
		got_data(10 + i, 1);
	cr_expect_leq(w.pool.mbufs_held, 2, "1000 octets in two buffers");
	for (uint32_t i = 0; i < 200; i++)
		got_data(2000 + i * 10, 5);
	cr_expect_eq(w.pool.mbufs_held, MR_OOO_MBUFS_MAX);
	cr_expect_gt(w.counters.v[MR_C_TCP_OOO_DROP], 100);
}

Test(tcp_data, memory_pressure_sheds_out_of_order_first)
{
	established(&w);
	got_data(5000, 1000);
	cr_expect_eq(w.pool.mbufs_held, 1);
	w.cx.mbufs_low = true;
	got_data(7000, 1000);
	cr_expect_eq(w.pool.mbufs_held, 0);
	got_data(0, 1000);
	cr_expect_eq(w.delivered, 1000, "in order is still taken");
}

/* What the handler was given and holds on to is bounded in octets; the pool ends in mbufs. */
Test(tcp_data, memory_pressure_sheds_what_a_handler_would_hold)
{
	established(&w);
	got_data(0, 1);
	got_data(2, 1);
	cr_assert_eq(w.pool.mbufs_held, 1);
	w.cx.mbufs_low = true;
	got_data(1, 1);
	cr_expect_eq(w.delivered, 1);
	cr_expect_eq(w.v.drop, MR_C_TCP_MBUFS_LOW);
	cr_expect_eq(w.counters.v[MR_C_TCP_MBUFS_LOW], 1);
	cr_expect_eq(w.nout, 0, "no duplicate ACK: it would only come again at once");
	cr_expect_eq(w.pool.mbufs_held, 0);
	tcp_consumed(&w.cx, &w.c, 1);
	got_data(1, 1);
	cr_expect_eq(w.delivered, 2, "who consumes goes on");
	w.cx.mbufs_low = false;
	got_data(2, 1);
	cr_expect_eq(w.delivered, 3);
}

/* Where tcp_send() refuses the smallest chain there is no room. */
Test(tcp_data, no_room_beyond_the_mbufs_of_one_queue)
{
	unsigned int queued = 0;

	established(&w);
	while (queued < 2000 && world_send(&w, 1, MR_SEND_MORE))
		queued++;
	cr_expect_eq(queued, 512);
	cr_expect_eq(tcp_send_room(&w.cx, &w.c), 0);
	world_next_timer(&w);
	got_ack(w.c.snd_nxt);
	cr_expect_gt(tcp_send_room(&w.cx, &w.c), 0);
}

Test(tcp_data, send_queue_is_bounded_in_mbufs)
{
	w.pool.mbufs_max = 10;
	established(&w);
	for (unsigned int i = 0; i < 10; i++)
		cr_expect(world_send(&w, 1, MR_SEND_MORE));
	cr_expect_not(world_send(&w, 1, MR_SEND_MORE));
	cr_expect_eq(tcp_send_room(&w.cx, &w.c), 0);
	world_next_timer(&w);
	got_ack(w.c.snd_nxt);
	cr_expect(w.v.bits & TCP_V_WRITABLE);
}

/*
 * What on_data gave may be passed on whole, however long the chain is: 45 segments behind a hole
 * are more than 65535 octets. Nothing, and what is no chain of ours, is refused.
 */
Test(tcp_data, chain_longer_than_a_segment_is_passed_on)
{
	struct rte_mbuf *chain = fake_chain(NULL, 46 * MSS, FAKE_ROOM), *empty = fake_mbuf(NULL, 0);

	established(&w);
	cr_assert_gt(chain->pkt_len, 0xffff);
	cr_expect(tcp_send(&w.cx, &w.c, chain, 0));
	world_output(&w);
	cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->snd_queued, 46 * MSS);
	cr_expect_not(tcp_send(&w.cx, &w.c, empty, 0));
	fake_free(empty);
	while (w.c.snd_una != w.c.snd_nxt)
		got_ack(w.c.snd_nxt);
	cr_expect_eq(w.c.snd_una, WORLD_ISS + 1 + 46 * MSS);
}

static void deliver_chain(uint32_t seq, struct rte_mbuf *m, unsigned int segs)
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK, (uint16_t)m->pkt_len);
	unsigned int seen = 0;

	seg.seq = seq;
	tcp_arrives(&w.cx, &w.c, &seg, m, &w.v);
	cr_assert(w.v.bits & TCP_V_TAKEN);
	if (w.v.bits & TCP_V_DELIVER) {
		for (const struct rte_mbuf *s = w.v.deliver; s != NULL; s = s->next, seen++)
			cr_expect_neq(s->data_len, 0);
		cr_expect(seen == segs && w.v.deliver->nb_segs == segs);
		w.delivered += w.v.deliver->pkt_len;
		fake_free(w.v.deliver);
	}
	world_output(&w);
}

/* A header mbuf whose octets were cut off, and what is cut off here, is no part of a delivery. */
Test(tcp_data, delivered_chains_hold_no_empty_mbuf)
{
	struct rte_mbuf *header = fake_mbuf(NULL, 0);

	established(&w);
	cr_assert_eq(rte_pktmbuf_chain(header, fake_mbuf(NULL, 100)), 0);
	deliver_chain(w.c.rcv_nxt, header, 1);
	deliver_chain(w.c.rcv_nxt + 50, fake_chain(NULL, 1000, 100), 0);
	deliver_chain(w.c.rcv_nxt, fake_chain(NULL, 250, 250), 9);	/* covers two, and a half */
	cr_expect_eq(w.delivered, 1150);
}
