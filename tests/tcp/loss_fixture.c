/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See loss_fixture.h.
 */
#include <criterion/criterion.h>

#include "loss_fixture.h"

struct tcp_ext *loss_ext(struct world *w) { return tcp_ext_of(&w->pool, &w->c); }
struct tcp_flight *loss_flight(struct world *w) { return tcp_flight_of(&w->pool, loss_ext(w)); }
uint64_t loss_count(const struct world *w, enum mr_counter c) { return w->counters.v[c]; }

void loss_ack(struct world *w, unsigned int segs, const unsigned int (*block)[2])
{
	struct tcp_seg seg = world_seg(w, TCP_ACK, 0);

	seg.ack = BASE + segs * MSS;
	for (; (*block)[1] != 0 && seg.nsack < TCP_SACK_BLOCKS_MAX; block++) {
		seg.sack[seg.nsack].left = BASE + (*block)[0] * MSS;
		seg.sack[seg.nsack++].right = BASE + (*block)[1] * MSS;
		seg.opts |= TCP_OPT_SACK;
	}
	world_arrives(w, &seg);
}

void loss_wait_ms(struct world *w, uint32_t ms)
{
	w->cx.now_ms += ms;
	w->cx.now_us += ms * 1000ull;
	w->peer_ts += ms;
}

void loss_in_flight(struct world *w, unsigned int segs)
{
	established(w);
	world_send(w, MSS, 0);
	loss_wait_ms(w, RTT_MS);
	LOSS_ACK(w, 1);
	loss_ext(w)->cc.cwnd = 40 * MSS;
	loss_ext(w)->rtt.srtt_us = RTT_MS * 1000;	/* the handshake took no time */
	loss_ext(w)->rtt.rttvar_us = RTT_MS * 500;
	world_send(w, segs * MSS, 0);
	cr_assert_eq(w->nout, segs);
	loss_wait_ms(w, RTT_MS);
}

unsigned int loss_resent_now(const struct world *w)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->nout; i++)
		n += w->out[i].retransmit;
	return n;
}

void loss_resent(const struct world *w, unsigned int i, unsigned int seg)
{
	cr_assert_gt(w->nout, i);
	cr_assert(w->out[i].retransmit && w->out[i].seg.seq == BASE + S(seg) * MSS,
		  "segment %u, not %u", (w->out[i].seg.seq - BASE) / MSS - 1, seg);
}

void loss_told(struct world *w, uint32_t unacked, uint32_t sacked, uint32_t lost, uint32_t retrans)
{
	struct mr_tcp_info i;

	tcp_info(&w->cx, &w->c, &i);
	cr_expect(i.unacked == unacked && i.sacked == sacked && i.lost == lost &&
			  i.retrans == retrans,
		  "%u unacked, %u sacked, %u lost, %u retrans", i.unacked, i.sacked, i.lost,
		  i.retrans);
}

void loss_all_acked(struct world *w)
{
	while (w->c.snd_una != w->c.snd_nxt) {
		struct tcp_seg seg = world_seg(w, TCP_ACK, 0);

		world_arrives(w, &seg);
	}
	cr_assert(loss_ext(w)->flight == 0 || loss_flight(w)->board.n == 0);
}
