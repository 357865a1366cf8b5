/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peer's window: how far we send, and who may move it. Each of these was asked for by a mutant
 * that no other test saw.
 */
#include <criterion/criterion.h>

#include "twin.h"

static void arrive(struct world *w, uint32_t seq, uint16_t len, uint16_t wnd)
{
	struct tcp_seg seg = world_seg(w, TCP_ACK, len);

	seg.seq = seq;
	seg.wnd = wnd;
	twin_arrives(w, &seg, false);
}

/* RFC 9293 3.10.7.4: SND.WL1 prevents an older segment from setting the window back. */
Test(tcp_window, an_older_segment_does_not_set_the_window)
{
	struct world w;
	uint32_t nxt;

	world_init(&w);
	established(&w);
	nxt = w.c.rcv_nxt;
	arrive(&w, nxt, 10, 4000);		/* takes an extension */
	cr_expect_eq(tcp_snd_wnd(&w.c), 4000);
	arrive(&w, nxt + 110, 10, 9000);	/* sent later: its window is the newest */
	cr_expect_eq(tcp_snd_wnd(&w.c), 9000);
	arrive(&w, nxt + 10, 50, 500);		/* sent before that */
	cr_expect_eq(tcp_snd_wnd(&w.c), 9000);
	arrive(&w, nxt + 60, 50, 700);
	cr_expect_eq(tcp_snd_wnd(&w.c), 9000);
	arrive(&w, nxt + 120, 10, 700);		/* behind both: newest again */
	cr_expect_eq(tcp_snd_wnd(&w.c), 700);
	cr_expect_eq(w.delivered, 130);
	world_fini(&w);
}

/* RFC 9293 3.8.6: what is in flight ends at SND.UNA + SND.WND, whatever cwnd allows. */
static void sends_up_to(uint16_t wnd, unsigned int segments)
{
	struct tcp_seg ack;
	struct world w;
	uint32_t una;

	world_init(&w);
	established(&w);
	una = w.c.snd_una;
	arrive(&w, w.c.rcv_nxt, 0, wnd);
	cr_assert(world_send(&w, 9000, 0));
	for (unsigned int turn = 0; turn < 4; turn++) {
		cr_expect_eq(w.nout, segments, "window %u: %u segments", wnd, w.nout);
		for (unsigned int i = 0; i < w.nout; i++)
			cr_expect(seq_le(w.out[i].seg.seq + w.out[i].seg.len, una + wnd));
		una += 1460;
		ack = world_seg(&w, TCP_ACK, 0);
		ack.ack = una;
		ack.wnd = wnd;
		segments = 1;		/* one left, one may go */
		world_arrives(&w, &ack);
	}
	world_fini(&w);
}

Test(tcp_window, flight_ends_at_the_right_edge)
{
	sends_up_to(1460, 1);
	sends_up_to(2919, 1);
	sends_up_to(2920, 2);
	sends_up_to(4000, 2);
	sends_up_to(4380, 3);
}

/* RFC 7323 2.3: the shift of the peer's SYN counts for its windows. */
Test(tcp_window, flight_ends_at_the_scaled_edge)
{
	struct tcp_seg syn = {.seq = WORLD_IRS, .flags = TCP_SYN, .wnd = 65535, .mss = 1460,
			      .opts = TCP_OPT_WS | TCP_OPT_MSS, .wscale = 3};
	struct world w;

	world_init(&w);
	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	world_output(&w);
	arrive(&w, w.c.rcv_nxt, 0, 1460 * 3 / 8);
	cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_assert(world_send(&w, 9000, 0));
	cr_expect_eq(w.nout, 2);	/* 4376 octets are not three segments */
	world_fini(&w);
}
