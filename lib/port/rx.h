/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving from one queue, with its cache misses hidden: a burst waits for two turns while its
 * mbufs, then its octets come from wherever they are (the NIC's writes, the cache of the core that
 * sent them). Under load a turn receives a burst, starts the loads of the octets of the one before
 * it, and hands on the one before that; a small burst means that nobody waits for this core, and
 * all that there is goes on at once. Order is kept. Private to lib/port.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read, no division.
 */
#ifndef MR_RX_H
#define MR_RX_H

#include <rte_ethdev.h>

#include "bounds.h"
#include "check.h"
#include "stack.h"

#define RX_STAGES	3u
/* Mbufs that a queue may hold beside the port's own. */
#define RX_HELD_MAX	((RX_STAGES - 1) * MR_BURST)
/* Below this many frames a turn hands on everything. */
#define RX_SMALL	(MR_BURST / 4)

struct rx_stage {
	uint16_t n;
	struct rte_mbuf *m[MR_BURST];
};

struct rx_queue {
	uint16_t port, queue;		/* of ethdev */
	uint16_t index;			/* of the port in the engine */
	uint16_t burst;
	uint64_t keep_flags;		/* of ol_flags: what this port may say */
	bool full;			/* the last turn took all that it may: more waits */
	uint32_t newest;		/* stage of the last turn's burst */
	struct rx_stage stage[RX_STAGES];
};

/* Its mbufs are there: what they say of a former life goes, and the octets are fetched. */
MR_INLINE void rx_fetch_octets(const struct rx_queue *q, const struct rx_stage *s)
{
	for (uint16_t k = 0; k < s->n; k++) {
		const uint8_t *p = rte_pktmbuf_mtod(s->m[k], const uint8_t *);

		s->m[k]->ol_flags &= q->keep_flags;
		/* For writing: most of them go out again, rewritten in place. */
		MR_PREFETCH_WRITE(p);
		MR_PREFETCH_WRITE(p + MR_CACHE_LINE);
	}
}

MR_INLINE void rx_hand_on(struct rx_queue *q, struct rx_stage *s, struct mr_worker *w)
{
	if (s->n != 0)
		stack_rx(w, q->index, s->m, s->n);
	s->n = 0;
}

/** One turn of a queue. Returns the frames that were received or handed on. */
MR_INLINE unsigned int rx_turn(struct rx_queue *q, struct mr_worker *w)
{
	const uint32_t a = q->newest == RX_STAGES - 1 ? 0 : q->newest + 1;
	const uint32_t c = a == RX_STAGES - 1 ? 0 : a + 1;	/* the oldest, but for a itself */
	struct rx_stage *fresh = &q->stage[a], *older = &q->stage[q->newest], *old = &q->stage[c];
	unsigned int done = old->n + older->n;

	MR_CHECK(fresh->n == 0);
	fresh->n = rte_eth_rx_burst(q->port, q->queue, fresh->m, q->burst);
	q->full = fresh->n == q->burst;
	done += fresh->n;
	if (done == 0)
		return 0;
	q->newest = a;
	for (uint16_t k = 0; k < fresh->n; k++)
		MR_PREFETCH_WRITE(fresh->m[k]);
	rx_fetch_octets(q, older);
	rx_hand_on(q, old, w);
	if (fresh->n < RX_SMALL) {
		rx_hand_on(q, older, w);
		rx_fetch_octets(q, fresh);
		rx_hand_on(q, fresh, w);
	}
	return done;
}

/** Frames that wait go on, in order: the queue is left alone for a while. */
MR_INLINE void rx_hand_on_all(struct rx_queue *q, struct mr_worker *w)
{
	for (uint32_t i = 1; i <= RX_STAGES; i++) {
		struct rx_stage *s = &q->stage[(q->newest + i) % RX_STAGES];

		rx_fetch_octets(q, s);
		rx_hand_on(q, s, w);
	}
	q->full = false;
}

/** Frames that wait: as if the port had not delivered them. */
MR_INLINE void rx_discard(struct rx_queue *q)
{
	for (uint32_t i = 0; i < RX_STAGES; i++) {
		rte_pktmbuf_free_bulk(q->stage[i].m, q->stage[i].n);
		q->stage[i].n = 0;
	}
}

#endif /* MR_RX_H */
