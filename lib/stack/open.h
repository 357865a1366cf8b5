/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How connections begin, in line, when nothing stands in the way: a plain SYN of the pipeline opens
 * one as input_syn() would, an active open of a burst as mr_connect() would. Any other case is left
 * to these. Private to lib/stack.
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
		return g->full ? MR_C_SYN_ACCEPT_QUEUE : MR_C_SYN_BACKLOG;
	if (MR_UNLIKELY(f->table.nfree == 0))
		return MR_C_SYN_TABLE_FULL;
	return MR_C_COUNT;
}

/** May a SYN that is refused for this reason be answered by a cookie? */
MR_INLINE bool cookie_instead(const struct mr_worker *w, enum mr_counter why)
{
	return w->syncookies && (why == MR_C_SYN_BACKLOG || why == MR_C_SYN_TABLE_FULL ||
				 why == MR_C_SYN_MBUFS_LOW);
}

/** RFC 9293 3.4.1 and RFC 6528: ISN = M + F(4-tuple, secret), M a 4-microsecond clock. */
MR_INLINE uint32_t isn_make(const struct mr_worker *w, const struct flow_key *key)
{
	return (uint32_t)(w->now_us >> 2) + (uint32_t)flow_hash(&w->key_isn, key);
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

/* ---- passive ---- */

/* A SYN that is not admitted: to the others that get a cookie. False: none does. */
MR_INLINE bool cookie_later(const struct mr_worker *w, struct lane *l, uint32_t i,
			    enum mr_counter why)
{
	if (!cookie_instead(w, why) || !mbuf_reusable(l->m[i]))
		return false;
	l->class_of[PIPE_COOKIE][l->nclass[PIPE_COOKIE]++] = (uint8_t)i;
	return true;
}

/* The station that a plain frame came from, or MR_NONE16: no room for it. */
MR_INLINE uint16_t plain_hop(struct mr_worker *w, const struct burst *b, struct lane *l, uint32_t i,
			     uint8_t family)
{
	const struct wire_frame plain = {.family = family, .vlan = WIRE_NO_VLAN,
					 .vlan_outer = WIRE_NO_VLAN};
	const uint16_t hop = neigh_learn_again(&w->neigh, b->port, family, lane_frame(l, i) + 6);

	return MR_LIKELY(hop != MR_NONE16) ? hop : neigh_learn(w, b->port, l->m[i], &plain);
}

/* A SYN without a record; `isn`: the hash of its tuple by that key. False: nothing is changed. */
MR_INLINE bool open_plain(struct mr_worker *w, struct burst *b, uint32_t i, uint32_t isn,
			  const uint32_t v6)
{
	struct lane *l = &b->lane[v6];
	const uint64_t words[3] = {l->w[0][i], l->w[1][i], l->w[2][i]};
	const uint8_t family = v6 ? 6 : 4;
	struct flows *f = &w->flows[v6];
	struct tcp_verdict v = {0};
	struct flow_key key;
	struct conn_ref r;
	struct tcp_seg seg;
	enum mr_counter why;
	uint16_t listener, hop;

	/* A handler may have opened this very tuple meanwhile. */
	flow_key_of_words(family, words, &key);
	if (MR_UNLIKELY(table_candidate(&f->table, l->hash[i]) != TABLE_NIL ||
			timewait_find(f->tw, &key, l->hash[i]) != TABLE_NIL))
		return false;
	listener = listener_find(w, family, key.laddr, key.lport);
	if (MR_UNLIKELY(listener == MR_NONE16))
		return false;
	why = admission(w, f, &w->group[listener]);
	if (MR_UNLIKELY(why != MR_C_COUNT))
		return cookie_later(w, l, i, why);
	lane_syn_values(l, i, v6, &seg);
	if (MR_UNLIKELY(seg.opts & TCP_OPT_FASTOPEN) &&		/* fastopen.h */
	    (params_of_group(w, listener)->fastopen & TCP_FASTOPEN_SERVER))
		return false;
	hop = plain_hop(w, b, l, i, family);
	if (MR_UNLIKELY(hop == MR_NONE16))
		return false;
	tcp_count_arrival(&w->cx, TCP_SYN);
	r = conn_at(f, table_insert(&f->table, &key, l->hash[i]));
	w->cx.family = family;
	if (MR_UNLIKELY(w->params_vary))
		group_params(w, listener);
	tcp_begin_passive(&w->cx, r.c, &seg, (uint32_t)(w->now_us >> 2) + isn);
	conn_begin(r.c, listener, hop, 0);
	w->group[listener].stats.syn_rcvd++;
	lane_cx(w, l, i, r);
	react_plain(w, r, &v, l->m[i], l->hash[i]);
	return true;
}

/* ---- active ---- */

/* Active opens over IPv4 whose tuples are hashed together. */
struct open_lane {
	uint64_t w[3][MR_CONNECT_BURST] MR_CACHE_ALIGNED;	/* of each the first two */
	uint64_t hash[MR_CONNECT_BURST] MR_CACHE_ALIGNED;
	uint64_t isn[MR_CONNECT_BURST] MR_CACHE_ALIGNED;
	uint64_t ts[MR_CONNECT_BURST] MR_CACHE_ALIGNED;
	uint32_t user[MR_CONNECT_BURST];
	uint16_t group[MR_CONNECT_BURST];
	uint8_t of[MR_CONNECT_BURST];	/* which of the burst */
	uint32_t n;
};

/*
 * The tuple of an active open whose source is given, in the range of the last one, on a port that
 * does not spread: what connect_key() and tuple_worker() would find. False: theirs to find out.
 */
MR_INLINE bool connect_words(const struct mr_worker *w, const struct mr_connect_opts *o,
			     uint64_t words[2])
{
	const struct laddr_range *r = &w->range[w->last_source];
	const uint32_t off = wire_be32(wire_load32(o->local.addr)) - r->addr_low;

	if (o->remote.family != 4 || o->local.family != 4 || o->local.port == 0 || !r->alone ||
	    off >= r->count || w->port[r->port].steer.worker_of != NULL)
		return false;
	flow_words4(wire_load32(o->remote.addr), wire_be16(o->remote.port),
		    wire_be16(o->local.port), (uint16_t)(r->first + off), words);
	return true;
}

/* What mr_connect() would do, in line, if it succeeds at once. False: nothing was changed. */
MR_INLINE bool open_active(struct mr_worker *w, const struct open_lane *l, uint32_t k, mr_conn *c)
{
	struct flows *f = &w->flows[0];
	const uint64_t words[3] = {l->w[0][k], l->w[1][k], 0};
	struct flow_key key;
	struct conn_ref r;
	uint16_t hop;

	flow_key_of_words(4, words, &key);
	if (MR_UNLIKELY(f->table.nfree == 0 ||
			table_candidate(&f->table, l->hash[k]) != TABLE_NIL ||
			timewait_find(f->tw, &key, l->hash[k]) != TABLE_NIL))
		return false;
	hop = neigh_route_again(&w->neigh, w->last_source, (uint32_t)words[0]);
	if (MR_UNLIKELY(hop == MR_NONE16))
		return false;
	r = conn_at(f, table_insert(&f->table, &key, l->hash[k]));
	w->cx.family = 4;
	w->cx.params = &w->params;
	w->cx.ts_offset = (uint32_t)l->ts[k];
	w->cx_conn = r.c;
	w->cx_generation = r.c->generation;
	tcp_begin_active(&w->cx, r.c, (uint32_t)(w->now_us >> 2) + (uint32_t)l->isn[k]);
	conn_begin(r.c, l->group[k], hop, l->user[k]);
	w->group[l->group[k]].stats.open++;
	*c = conn_handle(w, r);
	react_output(w, r, NULL);
	react_arm(w, r);
	return true;
}

#endif /* MR_OPEN_H */
