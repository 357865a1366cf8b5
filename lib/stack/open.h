/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plain SYN opens a connection: what input_syn() would do, in line, with the lookups of the
 * burst's stages, for the SYN that is admitted. Any other goes to the rest. Private to pipeline.c.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read, no division.
 */
#ifndef MR_OPEN_H
#define MR_OPEN_H

#include "lane.h"

/**
 * Why a SYN is not admitted, or MR_C_COUNT. Under pressure SYNs go first.
 */
MR_INLINE enum mr_counter admission(const struct mr_worker *w, const struct flows *f,
				    const struct group *g)
{
	if (MR_UNLIKELY(w->draining))
		return MR_C_SYN_DRAINING;
	if (MR_UNLIKELY(w->cx.mbufs_low))
		return MR_C_SYN_MBUFS_LOW;
	if (MR_UNLIKELY(g->stats.syn_rcvd >= g->backlog))
		return MR_C_SYN_BACKLOG;
	if (MR_UNLIKELY(f->table.nfree == 0))
		return MR_C_SYN_TABLE_FULL;
	return MR_C_COUNT;
}

/* What the stack keeps in a record beside the key and lib/tcp's part. */
MR_INLINE void conn_begin(struct tcp_conn *c, uint16_t group, uint16_t hop, uint32_t user)
{
	c->spare = 0;
	c->user = user;
	c->user_deadline = 0;
	c->listener = group;
	c->nexthop = hop;
}

MR_INLINE void lane_key(const struct lane *l, uint32_t i, struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	wire_store32(key->raddr, (uint32_t)l->w0[i]);
	key->rport = (uint16_t)(l->w0[i] >> 32);
	key->lport = (uint16_t)(l->w0[i] >> 48);
	key->laddr = (uint16_t)l->w1[i];
	key->family = 4;
}

/* A SYN without a record; `isn` is the hash of its tuple by that key. False: nothing was changed. */
MR_INLINE bool open_plain(struct mr_worker *w, struct burst *b, uint32_t i, uint32_t isn)
{
	struct flows *f = &w->flows[0];
	const struct lane *l = &b->v4;
	struct tcp_verdict v = {0};
	struct flow_key key;
	struct conn_ref r;
	struct tcp_seg seg;
	uint16_t listener, hop;

	/* A handler may have opened this very tuple meanwhile. */
	lane_key(l, i, &key);
	if (MR_UNLIKELY(table_candidate(&f->table, l->hash[i]) != TABLE_NIL ||
			timewait_find(f->tw, &key, l->hash[i]) != TABLE_NIL))
		return false;
	listener = listener_find(w, 4, key.laddr, key.lport);
	if (MR_UNLIKELY(listener == MR_NONE16 ||
			admission(w, f, &w->group[listener]) != MR_C_COUNT))
		return false;
	hop = neigh_learn_again(&w->neigh, b->port, 4, lane_frame(l, i) + 6);
	if (MR_UNLIKELY(hop == MR_NONE16))
		return false;
	lane_syn_values(l, i, &seg);
	tcp_count_arrival(&w->cx, TCP_SYN);
	r = conn_at(f, table_insert(&f->table, &key, l->hash[i]));
	w->cx.family = 4;
	tcp_begin_passive(&w->cx, r.c, &seg, (uint32_t)(w->now_us >> 2) + isn);
	conn_begin(r.c, listener, hop, 0);
	w->group[listener].stats.syn_rcvd++;
	lane_cx(w, l, i, r);
	react_plain(w, r, &v, l->m[i], l->hash[i]);
	return true;
}

#endif /* MR_OPEN_H */
