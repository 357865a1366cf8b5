/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a verdict leads to, in line: callbacks, output, TIME_WAIT, freeing, the timer. react.c is
 * the general entry; the class loops of pipeline.c put the same steps behind a predicate whose
 * verdict is a constant, so that the compiler leaves out what cannot happen there. Private to
 * lib/stack.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read, no division.
 */
#ifndef MR_REACT_H
#define MR_REACT_H

#include <string.h>

#include "fast.h"
#include "reply.h"
#include "worker.h"

/* A private bit beside enum tcp_verdict_bit: the handler's timer is due. */
#define REACT_USER_TIMEOUT 0x80000000u

#define REACT_CALLBACKS \
	(TCP_V_ESTABLISHED | TCP_V_DELIVER | TCP_V_PEER_CLOSED | TCP_V_WRITABLE | TCP_V_ACKED | \
	 TCP_V_URGENT | REACT_USER_TIMEOUT)

/** Hash of a record's key in the connection table. */
MR_INLINE uint64_t conn_hash(const struct mr_worker *w, struct conn_ref r)
{
	struct flow_key key;

	conn_key(r, &key);
	return flow_hash(&w->key_table, &key);
}

/* ---- react.c ---- */
/** Leaves the record for a TIME_WAIT entry; hash: conn_hash(). */
void enter_time_wait(struct mr_worker *w, struct conn_ref r, uint64_t hash);
/** on_data, or nobody wants it. */
void deliver(struct mr_worker *w, struct conn_ref r, struct rte_mbuf *m);

/** Options of an active open whose SYN is not sent yet; they are in range, and there is room. */
void own_options(struct mr_worker *w, struct conn_ref r, const struct mr_options *opt);

/** mbuf_done() of a chain, an indirect or shared one, or one of another pool than the last ones. */
void mbuf_done_other(struct mr_worker *w, struct rte_mbuf *m);

/* ---- in line ---- */

MR_INLINE const struct tcp_params *params_of_group(const struct mr_worker *w, uint16_t group)
{
	return w->group[group].own_params ? &w->group_options[group].params : &w->params;
}
/** conn_params() of one that is about to begin. */
MR_INLINE void group_params(struct mr_worker *w, uint16_t group)
{
	w->cx.params = params_of_group(w, group);
}

/*
 * An mbuf of the burst that nobody needs any more, or NULL: they go back to their pool together, at
 * the end. The usual one is given back as it is: its second line, which rte_pktmbuf_free() would
 * read for `next`, is never touched.
 */
MR_INLINE void mbuf_done(struct mr_worker *w, struct rte_mbuf *m)
{
	if (m == NULL)
		return;
	if (MR_UNLIKELY(!mbuf_reusable(m) || m->pool != w->done_pool)) {
		mbuf_done_other(w, m);
		return;
	}
	w->done[w->ndone++] = m;
}
MR_INLINE void done_flush(struct mr_worker *w)
{
	MR_CHECK(w->ndone <= MR_BURST);
	if (w->ndone != 0)
		rte_mempool_put_bulk(w->done_pool, (void *const *)w->done, w->ndone);
	w->ndone = 0;
}

/* ---- callbacks ---- */

/* May the handler still be told anything but on_closed? */
MR_INLINE bool conn_listens(const struct tcp_conn *c)
{
	return (c->spare & CONN_DEAD) == 0 && tcp_state(c) != TCP_CLOSED &&
	       (c->flags & TCP_F_CLOSED) == 0;
}

MR_INLINE void callback_enter(struct mr_worker *w, struct conn_ref r)
{
	w->current = r;
	w->current_id = conn_handle(w, r).id;
}
MR_INLINE void callback_leave(struct mr_worker *w, struct conn_ref r)
{
	w->current = (struct conn_ref){0};
	w->current_id = 0;
	/* The handler may have worked on other connections. */
	conn_cx(w, r);
}

MR_INLINE void call(struct mr_worker *w, struct conn_ref r, void (*fn)(struct mr_worker *, mr_conn))
{
	if (fn == NULL || !conn_listens(r.c))
		return;
	callback_enter(w, r);
	fn(w, (mr_conn){w->current_id});
	callback_leave(w, r);
}

/**
 * Calls what the verdict says of the handler's callbacks; cx is prepared for r again afterwards.
 */
MR_INLINE void run_callbacks(struct mr_worker *w, struct conn_ref r, const struct tcp_verdict *v)
{
	struct group *g = conn_group(w, r.c);
	const struct mr_callbacks *cb = g->cb;

	if (v->bits & TCP_V_ESTABLISHED) {
		bool active = (r.c->flags & TCP_F_ACTIVE) != 0;

		g->stats.accepted++;
		g->stats.open += !active;
		call(w, r, active ? cb->on_connected : cb->on_accept);
	}
	if (MR_UNLIKELY(v->bits & TCP_V_URGENT))
		call(w, r, cb->on_urgent);
	if (v->bits & TCP_V_DELIVER)
		deliver(w, r, v->deliver);
	if (v->bits & TCP_V_ACKED)
		call(w, r, cb->on_acked);
	if (v->bits & TCP_V_WRITABLE)
		call(w, r, cb->on_writable);
	if (v->bits & TCP_V_PEER_CLOSED)
		call(w, r, cb->on_peer_closed);
	if (v->bits & REACT_USER_TIMEOUT)
		call(w, r, cb->on_timeout);
	if (MR_UNLIKELY(w->draining) && (v->bits & TCP_V_ESTABLISHED))
		drain_established(w, r);
}

/* ---- the end of a connection ---- */

MR_INLINE enum mr_counter end_counter(enum mr_reason reason)
{
	static const uint8_t counter[] = {
		[MR_CLOSED] = MR_C_CONN_CLOSED,
		[MR_RESET_BY_PEER] = MR_C_CONN_RESET_RX,
		[MR_ABORTED] = MR_C_CONN_RESET_TX,
		[MR_REFUSED] = MR_C_CONN_REFUSED,
		[MR_TIMED_OUT] = MR_C_CONN_TIMEOUT,
		[MR_UNREACHABLE] = MR_C_CONN_UNREACHABLE,
		[MR_FIN_WAIT_2_TIMEOUT] = MR_C_CONN_FIN2_TIMEOUT,
		[MR_DATA_AFTER_CLOSE] = MR_C_CONN_RESET_TX,
		[MR_KEEPALIVE_TIMEOUT] = MR_C_CONN_TIMEOUT,
		[MR_DRAINED] = MR_C_CONN_RESET_TX,
	};

	static_assert(MR_C_COUNT < 256, "the table above holds counters in 8 bits");
	MR_ASSERT(reason < MR_ARRAY_LEN(counter) && reason != MR_OK);
	return (enum mr_counter)counter[reason];
}

/** Counts the end and calls on_closed: the last thing a handler hears of the connection. */
MR_INLINE void report_closed(struct mr_worker *w, struct conn_ref r, enum mr_reason reason)
{
	struct group *g = conn_group(w, r.c);

	mr_count(&w->counters, end_counter(reason));
	g->stats.open--;
	if (reason == MR_CLOSED)
		g->stats.closed++;
	else
		g->stats.reset++;
	if (g->cb->on_closed == NULL)
		return;
	w->current = r;
	w->current_id = conn_handle(w, r).id;
	g->cb->on_closed(w, (mr_conn){w->current_id}, reason);
	w->current = (struct conn_ref){0};
	w->current_id = 0;
}

/** Gives the record back; hash: conn_hash(). */
MR_INLINE void conn_free(struct mr_worker *w, struct conn_ref r, uint64_t hash)
{
	MR_CHECK(tcp_state(r.c) == TCP_CLOSED);
	if (MR_UNLIKELY(tcp_ext_index(r.c) != 0))
		tcp_release(&w->cx, r.c);
	neigh_unref(w, r.c->nexthop);
	r.c->generation++;
	r.c->spare = 0;
	table_remove(&w->flows[r.v6].table, r.index, hash);
}

/**
 * What a passive open was counted among until it left SYN_RCVD: half-open ones, and perhaps those
 * that data of their SYN opened.
 */
MR_INLINE void conn_left_opening(struct mr_worker *w, struct conn_ref r, unsigned int was,
				 const struct tcp_verdict *v)
{
	struct group *g = conn_group(w, r.c);

	if (was != TCP_SYN_RCVD || (r.c->flags & TCP_F_ACTIVE) || tcp_state(r.c) == TCP_SYN_RCVD)
		return;
	g->stats.syn_rcvd--;
	if (MR_UNLIKELY(tcp_ext_index(r.c) != 0) && tcp_ext_of(&w->ext_pool, r.c)->fastopen)
		tfo_settled(&g->fastopen,
			    (v->bits & TCP_V_GONE) && v->reason == MR_RESET_BY_PEER, w->now_ms);
}

/* ---- output and timer ---- */

MR_INLINE void react_arm(struct mr_worker *w, struct conn_ref r)
{
	if (MR_UNLIKELY(tcp_ext_index(r.c) != 0 || r.c->user_deadline != 0))
		conn_arm(w, r);
	else if (r.c->timer != TCP_TIMER_NONE)
		wheel_arm(w->flows[r.v6].wheel, r.index, r.c->deadline_ms);
}

/*
 * Header-only answer in the very frame that came in: its MACs, addresses and ports are swapped
 * instead of written anew. Not when the next hop is another station than the one that the frame
 * came from.
 */
MR_INLINE bool reply_in_place(struct mr_worker *w, struct conn_ref r, const struct tcp_xmit *x,
			      struct rte_mbuf *m)
{
	const struct nexthop *hop = &w->neigh.hop[r.c->nexthop];
	const struct wire_reply how = {.l2_len = 14, .hop_limit = w->cx.params->hop_limit,
				       .tos = w->cx.params->tos,
				       .offload = (uint8_t)w->port[hop->port].tx_offload};

	if (MR_UNLIKELY(!mbuf_reusable(m) || hop->l2.len != 14 ||
			(hop->state != NEXTHOP_LEARNED && hop->state != NEXTHOP_REACHABLE) ||
			memcmp(rte_pktmbuf_mtod_offset(m, const uint8_t *, 6), hop->l2.octets, 6) !=
				0))
		return false;
	if (r.v6)
		wire_reply_tcp6(m, &how, &x->seg);
	else
		wire_reply_tcp4(m, &how, &x->seg);
	tx_queue(w, hop->port, m, (x->seg.flags & TCP_SYN) ? STACK_TX_SYN : STACK_TX_CTRL);
	return true;
}

/* Sends what may go out; `reply` is still the plain frame that came in, or NULL. cx is prepared. */
MR_INLINE void react_output(struct mr_worker *w, struct conn_ref r, struct rte_mbuf *reply)
{
	struct tcp_xmit x;

	switch (tcp_fast_output(&w->cx, r.c, &x)) {
	case TCP_FAST_QUIET:
		mbuf_done(w, reply);
		return;
	case TCP_FAST_SEGMENT:
		if (MR_UNLIKELY(reply == NULL || !reply_in_place(w, r, &x, reply)))
			output_segment(w, r, &x, reply);
		return;
	case TCP_FAST_GENERAL:
		output_conn(w, r, reply);
		return;
	}
}

/**
 * The steps of react(), in line, for a verdict of fast.h (no RST; GONE only of a connection that
 * its handler knows): `reply` is still the plain frame that came in, or NULL; cx is prepared; hash:
 * conn_hash(). The caller has counted a passive connection that left SYN_RCVD.
 */
MR_INLINE void react_plain(struct mr_worker *w, struct conn_ref r, struct tcp_verdict *v,
			   struct rte_mbuf *reply, uint64_t hash)
{
	if (v->bits & REACT_CALLBACKS) {
		run_callbacks(w, r, v);
		if (MR_UNLIKELY(r.c->spare & CONN_DEAD)) {
			mbuf_done(w, reply);
			return;
		}
	}
	if (v->bits & TCP_V_GONE) {
		mbuf_done(w, reply);
		report_closed(w, r, (enum mr_reason)v->reason);
		conn_free(w, r, hash);
		return;
	}
	react_output(w, r, reply);
	if (v->bits & TCP_V_TIME_WAIT)
		enter_time_wait(w, r, hash);
	else
		react_arm(w, r);
}

#endif /* MR_REACT_H */
