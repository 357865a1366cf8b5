/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A gap in the peer's data: what overlaps behind it, and what fills it. Each of these was asked for
 * by a mutant that no other test saw.
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

/* What was delivered is the stream from `first` on: nothing twice, nothing at a wrong place. */
static void delivered(const struct world *w, uint32_t first, uint32_t octets)
{
	uint32_t hash = 0;

	for (uint32_t i = 0; i < octets; i++)
		hash = twin_hash(hash, twin_octet(first + i));
	cr_expect_eq(w->delivered, octets);
	cr_expect_eq(w->delivered_hash, hash);
}

/* A longer segment covers chains that were kept: they are freed, and their octets come once. */
Test(tcp_gaps, a_longer_segment_covers_what_was_kept)
{
	struct world w;
	uint32_t nxt;

	world_init(&w);
	established(&w);
	nxt = w.c.rcv_nxt;
	arrive(&w, nxt + 1000, 600, 65535);
	arrive(&w, nxt + 2000, 600, 65535);
	arrive(&w, nxt + 4000, 600, 65535);
	cr_expect_eq(fake_live(), 3);
	arrive(&w, nxt + 900, 1800, 65535);	/* covers two of three */
	cr_expect_eq(fake_live(), 2);
	cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->ooo_mbufs, 2);
	arrive(&w, nxt + 3900, 200, 65535);	/* its end is known */
	arrive(&w, nxt, 1000, 65535);
	delivered(&w, nxt, 2700);
	arrive(&w, nxt + 2700, 1300, 65535);
	delivered(&w, nxt, 4600);
	cr_expect_eq(fake_live(), 0);
	world_fini(&w);
}

/* All that was kept came in order meanwhile: what fills the gap may be longer than the gap. */
Test(tcp_gaps, what_fills_the_gap_covers_what_was_kept)
{
	struct world w;
	uint32_t nxt;

	world_init(&w);
	established(&w);
	nxt = w.c.rcv_nxt;
	arrive(&w, nxt + 100, 600, 65535);
	arrive(&w, nxt + 800, 600, 65535);
	arrive(&w, nxt, 1000, 65535);
	delivered(&w, nxt, 1400);
	cr_expect_eq(fake_live(), 0);
	world_fini(&w);
}

/* A segment in two mbufs behind one that held its headers. */
static void headed(struct world *w, uint32_t seq, uint16_t len)
{
	struct rte_mbuf *m = fake_mbuf(NULL, 0);
	struct tcp_seg seg = world_seg(w, TCP_ACK, len);

	m->next = fake_chain(NULL, len, len / 2);
	m->nb_segs = 3;
	m->pkt_len = len;
	seg.seq = seq;
	tcp_arrives(&w->cx, &w->c, &seg, m, &w->v);
	cr_assert(w->v.bits & TCP_V_TAKEN);
}

/* What nothing is left of goes when a segment comes, not in a walk through a whole window. */
Test(tcp_gaps, nothing_empty_is_kept_or_delivered)
{
	unsigned int segs = 0;
	struct world w;
	uint32_t nxt;

	world_init(&w);
	established(&w);
	nxt = w.c.rcv_nxt;
	headed(&w, nxt + 1000, 400);
	cr_expect_eq(fake_live(), 2);
	cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->ooo_mbufs, 2);
	cr_expect_eq(w.pool.mbufs_held, 2);
	headed(&w, nxt, 1250);	/* all of the first mbuf that was kept, and some of the second */
	cr_assert(w.v.bits & TCP_V_DELIVER);
	for (const struct rte_mbuf *m = w.v.deliver; m != NULL; m = m->next, segs++)
		cr_expect_neq(m->data_len, 0);
	cr_expect_eq(segs, 3);
	cr_expect_eq(w.v.deliver->nb_segs, 3);
	cr_expect_eq(w.v.deliver->pkt_len, 1400);
	fake_free(w.v.deliver);
	cr_expect_eq(fake_live(), 0);
	world_fini(&w);
}
