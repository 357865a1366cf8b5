/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a burst is going to read, asked for before it is: the frames, and what lies behind the
 * records of connections that send. Records and buckets are asked for where they become known
 * (pipeline.c). Private to lib/stack.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read, no division.
 */
#ifndef MR_AHEAD_H
#define MR_AHEAD_H

#include <rte_prefetch.h>

#include "lane.h"

/* Of chained mbufs, which another core has written: what comes second. */
static MR_NOINLINE void ahead_chains(struct rte_mbuf **pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (pkts[i]->nb_segs != 1)
			rte_prefetch0(&pkts[i]->next);
	for (uint32_t i = 0; i < n; i++)
		if (pkts[i]->nb_segs != 1)
			rte_prefetch0(pkts[i]->next);
}

MR_INLINE void ahead_frames(struct rte_mbuf **pkts, uint32_t n)
{
	bool chains = false;

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		/* For writing: most of them go out again, rewritten in place. */
		MR_PREFETCH_WRITE(p);
		if (pkts[i]->data_len > MR_CACHE_LINE)
			MR_PREFETCH_WRITE(p + MR_CACHE_LINE);
		chains |= pkts[i]->nb_segs != 1;
	}
	if (MR_UNLIKELY(chains))
		ahead_chains(pkts, n);
}

/*
 * ACKs of data are answered from more than the record: the extension, and what that names. Who has
 * nothing outstanding needs little of it.
 */
MR_INLINE void ahead_senders(struct mr_worker *w, const struct lane *l, const uint32_t v6)
{
	const struct tcp_ext *ext[MR_BURST];
	uint32_t n = 0;

	for (uint32_t k = 0; k < l->nclass[PIPE_DATA]; k++) {
		const struct tcp_conn *c = lane_conn(w, l, l->class_of[PIPE_DATA][k], v6).c;

		if (c->snd_una == c->snd_nxt || tcp_ext_index(c) == 0)
			continue;
		ext[n] = tcp_ext_of(&w->ext_pool, c);
		for (size_t at = 0; at < sizeof(*ext[n]); at += MR_CACHE_LINE)
			MR_PREFETCH_WRITE((const char *)ext[n] + at);
		n++;
	}
	for (uint32_t k = 0; k < n; k++) {
		const struct tcp_flight *f = tcp_flight_of(&w->ext_pool, ext[k]);
		const struct rte_mbuf *m = ext[k]->snd_next.m;

		for (size_t at = 0; f != NULL && at < sizeof(*f); at += MR_CACHE_LINE)
			MR_PREFETCH_WRITE((const char *)f + at);
		if (m == NULL)
			continue;
		MR_PREFETCH_WRITE(m);
		MR_PREFETCH_WRITE((const char *)m + MR_CACHE_LINE);
	}
}

#endif /* MR_AHEAD_H */
