/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What there is for data out of order, and who gets it: counted in mbufs, of a connection and of
 * the worker. A part of reassembly.c.
 */
#ifndef MR_TCP_SHARE_H
#define MR_TCP_SHARE_H

#include "internal.h"
#include "runs.h"

static void ooo_count(struct tcp_ext_pool *pool, struct tcp_ext *x, const struct rte_mbuf *m)
{
	if (x->ooo_mbufs == 0)
		tcp_holders_add(&pool->holders, (uint32_t)(x - pool->ext));
	x->ooo_mbufs = (uint16_t)(x->ooo_mbufs + m->nb_segs);
	pool->ooo_held += m->nb_segs;
	pool->mbufs_held += m->nb_segs;
}

static void ooo_uncount(struct tcp_ext_pool *pool, struct tcp_ext *x, const struct rte_mbuf *m)
{
	MR_ASSERT(x->ooo_mbufs >= m->nb_segs && pool->ooo_held >= m->nb_segs);
	x->ooo_mbufs = (uint16_t)(x->ooo_mbufs - m->nb_segs);
	pool->ooo_held -= m->nb_segs;
	pool->mbufs_held -= m->nb_segs;
	if (x->ooo_mbufs == 0)
		tcp_holders_remove(&pool->holders, (uint32_t)(x - pool->ext));
}

#define OOO_SHARE 4u	/* of what is free one connection may keep this part */
/* For one segment: so many holders are looked at, and each gives so many mbufs at most. */
#define OOO_ASKED 8u
#define OOO_GIVEN_MAX 64u

/* What is there for gaps beside full send queues. */
static uint64_t ooo_share(const struct tcp_ext_pool *pool) { return pool->mbufs_max / 8; }

static bool ooo_full(const struct tcp_ext_pool *pool, uint32_t more)
{
	return pool->mbufs_held + more > pool->mbufs_max - ooo_share(pool) &&
	       pool->ooo_held + more > ooo_share(pool);
}

/*
 * At most n mbufs, those behind its first gap: the peer has to send what is before them anyway.
 * They may have been reported: RFC 2018 8 permits it.
 */
static void ooo_give_up(struct tcp_cx *cx, struct tcp_ext *x, uint32_t n)
{
	struct rte_mbuf *m = x->ooo_head;

	if (n < m->nb_segs) {
		x->ooo_head = run_cut_front(m, (uint16_t)n);
	} else {
		x->ooo_head = run_next(m);
		run_leave(m);
	}
	ooo_uncount(cx->pool, x, m);
	mr_count_n(cx->counters, MR_C_TCP_OOO_GAVE_WAY, m->nb_segs);
	cx->pool->free_chain(m);
}

/*
 * Nothing is left for gaps: who holds more gives up half of the difference, so that in the end all
 * that ask hold the same, however many gaps those before them hold, and for how long. (As many
 * connections as there are mbufs, each with one, are a full house all the same.) True: there is
 * room for the segment, with which this connection will hold `mbufs`.
 */
static bool ooo_take_place(struct arrival *a, uint32_t mbufs)
{
	struct tcp_ext_pool *pool = a->cx->pool;
	const uint32_t asked = MR_MIN(OOO_ASKED, pool->holders.n);

	for (uint32_t i = 0; i < asked; i++) {
		struct tcp_ext *x = &pool->ext[tcp_holders_next(&pool->holders)];

		if (x == a->ext || x->ooo_mbufs <= mbufs)
			continue;
		ooo_give_up(a->cx, x,
			    MR_MIN(OOO_GIVEN_MAX, MR_MAX(1u, (x->ooo_mbufs - mbufs) / 2)));
		if (!ooo_full(pool, a->payload->nb_segs))
			return true;
	}
	return false;
}

/*
 * May this connection hold so many? A few mbufs may hold anything; a window of them only while they
 * are well filled, so that their octets, which the window bounds, bound them too, and no more than
 * a quarter of what is free: however many do that, something is left for the next. A new run costs
 * all that look through the list.
 */
static bool ooo_may_hold(const struct arrival *a, const struct rte_mbuf *prev, uint32_t mbufs)
{
	const struct tcp_ext_pool *pool = a->cx->pool;
	const uint64_t most = pool->mbufs_max - ooo_share(pool);
	uint32_t octets = a->len, runs = 0;

	if (mbufs <= MR_OOO_MBUFS_MAX)
		return true;
	for (const struct rte_mbuf *m = a->ext->ooo_head; m != NULL; m = run_next(m), runs++)
		octets += m->pkt_len;
	if (runs >= MR_OOO_RUNS_MAX && (prev == NULL || seq_lt(run_end(prev), a->seq)))
		return false;
	return mbufs <= MR_MIN(octets / MR_OOO_OCTETS_MIN, MR_OOO_WIDE_MBUFS_MAX) &&
	       mbufs <= (most - MR_MIN(most, pool->mbufs_held)) / OOO_SHARE;
}

/*
 * May this connection keep the segment, which takes mbufs of its own? Out-of-order data is the
 * first to be refused, but for a share of its own: else full send queues would turn every loss of
 * what comes into a timeout for each of the segments behind it. Nobody gives way for what is
 * refused in the end.
 */
static bool ooo_room(struct arrival *a, const struct rte_mbuf *prev)
{
	const uint32_t mbufs = a->ext->ooo_mbufs + a->payload->nb_segs;

	return ooo_may_hold(a, prev, mbufs) &&
	       (!ooo_full(a->cx->pool, a->payload->nb_segs) || ooo_take_place(a, mbufs));
}

#endif /* MR_TCP_SHARE_H */
