/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs: adjoining octets that arrived out of order, as one chain of mbufs, in a list by sequence
 * number with a gap behind each. So the list is as long as there are gaps, however many segments
 * wait behind them. What it takes lies in the mbufs, which are ours while they are kept: in the
 * first one of a run its sequence number (hash.usr), the stamp of when it last got octets
 * (hash.fdir.hi), and the next run (tx_offload); in the second one, if there is one, where the last
 * one is (tx_offload). Of all of them tx_offload is 0 again when they leave.
 */
#ifndef TCP_RUNS_H
#define TCP_RUNS_H

#include <rte_mbuf.h>

#include "check.h"
#include "seq.h"

static_assert(offsetof(struct rte_mbuf, hash.fdir.hi) >= offsetof(struct rte_mbuf, hash.usr) + 4,
	      "sequence number and stamp must not share octets");
static_assert(sizeof(((struct rte_mbuf *)0)->tx_offload) >= sizeof(void *), "a link must fit");

MR_INLINE uint32_t run_seq(const struct rte_mbuf *m) { return m->hash.usr; }
MR_INLINE uint32_t run_end(const struct rte_mbuf *m) { return m->hash.usr + m->pkt_len; }
MR_INLINE uint32_t run_stamp(const struct rte_mbuf *m) { return m->hash.fdir.hi; }

MR_INLINE struct rte_mbuf *run_next(const struct rte_mbuf *m)
{
	return (struct rte_mbuf *)(uintptr_t)m->tx_offload;
}

MR_INLINE void run_set_next(struct rte_mbuf *m, struct rte_mbuf *next)
{
	m->tx_offload = (uint64_t)(uintptr_t)next;
}

MR_INLINE struct rte_mbuf *run_last(struct rte_mbuf *m)
{
	return m->next != NULL ? (struct rte_mbuf *)(uintptr_t)m->next->tx_offload : m;
}

MR_INLINE void run_set_last(struct rte_mbuf *m, struct rte_mbuf *last)
{
	if (m->next != NULL)
		m->next->tx_offload = (uint64_t)(uintptr_t)last;
}

/** A chain becomes a run, in no list yet: it begins at seq. */
MR_INLINE void run_begin(struct rte_mbuf *m, uint32_t seq)
{
	m->hash.usr = seq;
	m->tx_offload = 0;
	run_set_last(m, rte_pktmbuf_lastseg(m));
}

/** It leaves: a chain again. */
MR_INLINE void run_leave(struct rte_mbuf *m)
{
	m->tx_offload = 0;
	run_set_last(m, NULL);
}

/** The run `more`, which is in no list and begins where m ends, becomes m's end. */
MR_INLINE void run_join(struct rte_mbuf *m, struct rte_mbuf *more)
{
	struct rte_mbuf *last = run_last(m), *new_last = run_last(more);

	MR_CHECK(run_seq(more) == run_end(m) && last->next == NULL);
	MR_ASSERT(m->nb_segs + more->nb_segs <= RTE_MBUF_MAX_NB_SEGS);
	run_leave(more);
	last->next = more;
	m->nb_segs = (uint16_t)(m->nb_segs + more->nb_segs);
	m->pkt_len += more->pkt_len;
	more->nb_segs = 1;
	run_set_last(m, new_last);
}

/** The first n mbufs of a run of more leave as the chain m. Returns the run that is left. */
MR_INLINE struct rte_mbuf *run_cut_front(struct rte_mbuf *m, uint16_t n)
{
	struct rte_mbuf *next = run_next(m), *last = run_last(m), *end = m, *rest;
	uint32_t octets = m->data_len;

	MR_ASSERT(n != 0 && n < m->nb_segs);
	run_leave(m);
	for (uint16_t i = 1; i < n; i++) {
		end = end->next;
		octets += end->data_len;
	}
	rest = end->next;
	end->next = NULL;
	rest->hash.usr = run_seq(m) + octets;
	rest->hash.fdir.hi = run_stamp(m);
	rest->nb_segs = (uint16_t)(m->nb_segs - n);
	rest->pkt_len = m->pkt_len - octets;
	run_set_next(rest, next);
	run_set_last(rest, last);
	m->nb_segs = n;
	m->pkt_len = octets;
	return rest;
}

#endif /* TCP_RUNS_H */
