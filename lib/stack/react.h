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
	 REACT_USER_TIMEOUT)

/** Hash of a record's key in the connection table. */
MR_INLINE uint64_t conn_hash(const struct mr_worker *w, struct conn_ref r)
{
	struct flow_key key;

	conn_key(w, r, &key);
	return flow_hash(&w->key_table, &key);
}

/* ---- react.c ---- */
/**
 * Calls what the verdict says of the handler's callbacks; cx is prepared for r again afterwards.
 */
void run_callbacks(struct mr_worker *w, struct conn_ref r, struct tcp_verdict *v);
/** Counts the end and calls on_closed: the last thing a handler hears of the connection. */
void report_closed(struct mr_worker *w, struct conn_ref r, enum mr_reason reason);
/** Leaves the record for a TIME_WAIT entry; hash: conn_hash(). */
void enter_time_wait(struct mr_worker *w, struct conn_ref r, uint64_t hash);
/** Gives the record back; hash: conn_hash(). */
void conn_free(struct mr_worker *w, struct conn_ref r, uint64_t hash);

/* ---- in line ---- */

MR_INLINE void react_arm(struct mr_worker *w, struct conn_ref r)
{
	/*
	 * The usual answer of most segments: no protocol timer, no extension, no handler's timer.
	 */
	if (r.c->timer == TCP_TIMER_NONE && tcp_ext_index(r.c) == 0 && r.c->user_deadline == 0)
		return;
	conn_arm(w, r);
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
	const struct wire_reply how = {.l2_len = 14, .hop_limit = 64,
				       .offload = (uint8_t)w->port[hop->port].tx_offload};

	if (MR_UNLIKELY(!mbuf_reusable(m) || hop->l2.len != 14 ||
			(hop->state != NEXTHOP_LEARNED && hop->state != NEXTHOP_REACHABLE) ||
			memcmp(rte_pktmbuf_mtod_offset(m, const uint8_t *, 6), hop->l2.octets, 6) !=
				0))
		return false;
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
		rte_pktmbuf_free(reply);
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
			rte_pktmbuf_free(reply);
			return;
		}
	}
	if (v->bits & TCP_V_GONE) {
		rte_pktmbuf_free(reply);
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
