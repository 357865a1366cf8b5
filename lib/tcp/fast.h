/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast ways through TCP: "this segment is exactly the expected one", and what then happens. TCP
 * exists once: these are the steps of steps.h that arrives.c and output.c would take, in their
 * order, with every question left out whose answer the predicate has fixed. tests/tcp/test_fast.c
 * runs both on copies of random connections and compares records, verdicts, counters and segments
 * octet by octet.
 *
 * A tcp_fast_* function returns true when it has handled the segment (the verdict is filled), false
 * when it has changed nothing and tcp_arrives() must be called.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read but through cx->params, no
 * division. Budget: 240 cycles for a whole passive connection without data, SYN to last ACK (four
 * segments in, two out), against 520 by the general way (bench/micro/pipeline measures it in
 * place).
 */
#ifndef MR_TCP_FAST_H
#define MR_TCP_FAST_H

#include "steps.h"

/* ---- predicates ---- */

/*
 * In order, nothing but the given flags, no octets, and not older than TS.Recent (RFC 7323 5.3 R1).
 */
MR_INLINE bool tcp_fast_in_order(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	return seg->seq == c->rcv_nxt &&
	       ((c->flags & TCP_F_TS) == 0 ||
		((seg->opts & TCP_OPT_TS) != 0 && seq_ge(seg->tsval, c->ts_recent)));
}
/* A header-only segment for a connection without extension. */
MR_INLINE bool tcp_fast_bare(const struct tcp_conn *c, const struct tcp_seg *seg,
			     unsigned int flags)
{
	return seg->flags == flags && seg->len == 0 && tcp_ext_index(c) == 0 &&
	       tcp_fast_in_order(c, seg);
}
/* It acknowledges all we sent: one octet, our SYN or FIN. */
MR_INLINE bool tcp_fast_acks_last(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	return seg->ack == c->snd_nxt && c->snd_nxt - c->snd_una == 1;
}

/* ---- steps in common ---- */

/* An ACK of our FIN: the fifth step with nothing but the FIN outstanding. */
MR_INLINE void tcp_fast_fin_acked(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg)
{
	MR_CHECK(tcp_fin_outstanding(c) && c->snd_nxt - c->snd_una == 1);
	tcp_record_timestamp(cx, c, NULL, seg);
	c->snd_una = seg->ack;
	tcp_set_rexmt_count(c, 0);
	c->timer = TCP_TIMER_NONE;
	c->snd_wnd = seg->wnd;
}
/* The eighth step for a FIN at RCV.NXT, inside of the window. */
MR_INLINE void tcp_fast_take_fin(struct tcp_conn *c, struct tcp_verdict *v)
{
	MR_CHECK(tcp_may_receive(c) && tcp_rcv_wnd(c) != 0);
	c->rcv_nxt++;
	c->flags |= TCP_F_ACK_NOW;
	v->bits |= (c->flags & TCP_F_CLOSED) ? 0 : TCP_V_PEER_CLOSED;
}

/* ---- (1) SYN_RCVD: the ACK that completes the handshake ---- */

MR_INLINE bool tcp_fast_syn_rcvd(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
				 struct tcp_verdict *v)
{
	if (tcp_state(c) != TCP_SYN_RCVD || !tcp_fast_bare(c, seg, TCP_ACK) ||
	    !tcp_fast_acks_last(c, seg))
		return false;
	*v = (struct tcp_verdict){.bits = TCP_V_ESTABLISHED};
	tcp_syn_acked(cx, c, seg);
	c->snd_wnd = seg->wnd;
	tcp_record_timestamp(cx, c, NULL, seg);
	tcp_move_from(cx, c, TCP_SYN_RCVD, TCP_ESTABLISHED);
	return true;
}

/* The same with the peer's FIN: a client that opens and closes at once (ESTABLISHED in between). */
MR_INLINE bool tcp_fast_syn_rcvd_fin(struct tcp_cx *cx, struct tcp_conn *c,
				     const struct tcp_seg *seg, struct tcp_verdict *v)
{
	if (tcp_state(c) != TCP_SYN_RCVD || !tcp_fast_bare(c, seg, TCP_FIN | TCP_ACK) ||
	    !tcp_fast_acks_last(c, seg) || tcp_rcv_wnd(c) == 0)
		return false;
	*v = (struct tcp_verdict){.bits = TCP_V_ESTABLISHED};
	tcp_count_arrival(cx, TCP_FIN);
	tcp_syn_acked(cx, c, seg);
	c->snd_wnd = seg->wnd;
	tcp_record_timestamp(cx, c, NULL, seg);
	tcp_move_from(cx, c, TCP_SYN_RCVD, TCP_ESTABLISHED);
	tcp_fast_take_fin(c, v);
	tcp_move_from(cx, c, TCP_ESTABLISHED, TCP_CLOSE_WAIT);
	return true;
}

/* ---- (2) ESTABLISHED: FIN, nothing of ours outstanding ---- */

MR_INLINE bool tcp_fast_fin(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
			    struct tcp_verdict *v)
{
	if (tcp_state(c) != TCP_ESTABLISHED || !tcp_fast_bare(c, seg, TCP_FIN | TCP_ACK) ||
	    seg->ack != c->snd_nxt || c->snd_una != c->snd_nxt || tcp_rcv_wnd(c) == 0)
		return false;
	*v = (struct tcp_verdict){0};
	tcp_count_arrival(cx, TCP_FIN);
	tcp_record_timestamp(cx, c, NULL, seg);
	c->snd_wnd = seg->wnd;
	tcp_answered(cx, c, NULL);
	tcp_fast_take_fin(c, v);
	tcp_move_from(cx, c, TCP_ESTABLISHED, TCP_CLOSE_WAIT);
	return true;
}

/* ---- (3) LAST_ACK: the last ACK ---- */

MR_INLINE bool tcp_fast_last_ack(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
				 struct tcp_verdict *v)
{
	if (tcp_state(c) != TCP_LAST_ACK || !tcp_fast_bare(c, seg, TCP_ACK) ||
	    !tcp_fast_acks_last(c, seg))
		return false;
	*v = (struct tcp_verdict){.bits = TCP_V_GONE, .reason = MR_CLOSED};
	tcp_fast_fin_acked(cx, c, seg);
	tcp_move_from(cx, c, TCP_LAST_ACK, TCP_CLOSED);
	return true;
}

/* ---- (4) FIN_WAIT_1, FIN_WAIT_2: our FIN acknowledged, with or without the peer's ---- */

MR_INLINE bool tcp_fast_fin_wait(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
				 struct tcp_verdict *v)
{
	bool fin = (seg->flags & TCP_FIN) != 0;

	if ((tcp_state(c) & (TCP_FIN_WAIT_1 | TCP_FIN_WAIT_2)) == 0 || tcp_rcv_wnd(c) == 0 ||
	    !tcp_fast_bare(c, seg, TCP_ACK | (fin ? TCP_FIN : 0)))
		return false;
	if (tcp_state(c) == TCP_FIN_WAIT_1 && !tcp_fast_acks_last(c, seg))
		return false;
	if (tcp_state(c) == TCP_FIN_WAIT_2 && (!fin || seg->ack != c->snd_nxt))
		return false;
	*v = (struct tcp_verdict){0};
	tcp_count_arrival(cx, seg->flags);
	if (tcp_state(c) == TCP_FIN_WAIT_1) {
		tcp_fast_fin_acked(cx, c, seg);
		tcp_move_from(cx, c, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2);
	} else {
		tcp_record_timestamp(cx, c, NULL, seg);
		c->snd_wnd = seg->wnd;
		tcp_answered(cx, c, NULL);
	}
	if (fin) {
		tcp_fast_take_fin(c, v);
		v->bits |= TCP_V_TIME_WAIT;
		v->reason = MR_CLOSED;
		tcp_move_from(cx, c, TCP_FIN_WAIT_2, TCP_TIME_WAIT);
	}
	return true;
}

/* ---- (5) SYN_SENT: SYN-ACK ---- */

MR_INLINE bool tcp_fast_syn_sent(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
				 struct tcp_verdict *v)
{
	if (tcp_state(c) != TCP_SYN_SENT || (seg->flags & ~TCP_ECE) != (TCP_SYN | TCP_ACK) ||
	    seg->len != 0 ||
	    tcp_ext_index(c) != 0 || !tcp_fast_acks_last(c, seg))
		return false;
	*v = (struct tcp_verdict){.bits = TCP_V_ESTABLISHED};
	tcp_count_arrival(cx, TCP_SYN);
	tcp_negotiate(cx, c, seg);
	tcp_syn_acked(cx, c, seg);
	c->flags |= TCP_F_ACK_NOW;
	tcp_move_from(cx, c, TCP_SYN_SENT, TCP_ESTABLISHED);
	return true;
}

/* ---- (6) ESTABLISHED: the next data, nothing out of order ---- */

/* What the peer says about what we sent: all, more, or nothing new. */
MR_INLINE void tcp_fast_ack(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			    const struct tcp_seg *seg, struct tcp_verdict *v)
{
	const bool acks = seg->ack != c->snd_una;

	tcp_record_timestamp(cx, c, x, seg);
	if (acks)
		tcp_new_ack(cx, c, x, seg, v);
	tcp_update_window(c, x, seg->seq, seg->wnd, acks);
	tcp_answered(cx, c, x);
}

/* No mbuf of `payload` may be empty: it is delivered as it is. */
MR_INLINE bool tcp_fast_data(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
			     struct rte_mbuf *payload, struct tcp_verdict *v)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (tcp_state(c) != TCP_ESTABLISHED || (seg->flags & ~TCP_PSH) != TCP_ACK ||
	    seg->len == 0 || !tcp_fast_in_order(c, seg) || seg->len > tcp_rcv_wnd(c) ||
	    (c->flags & TCP_F_CLOSED) || seg->ecn == ECN_CE || (seg->opts & TCP_OPT_SACK))
		return false;
	/* the fifth step comes before it is taken; it may then count on one */
	if (x == NULL) {
		if (seg->ack != c->snd_una || cx->pool->nfree == 0 || cx->mbufs_few)
			return false;
		tcp_record_timestamp(cx, c, NULL, seg);
		c->snd_wnd = seg->wnd;
		tcp_answered(cx, c, NULL);
		x = tcp_ext_take(cx, c);
		*v = (struct tcp_verdict){0};
	} else {
		if (x->ooo_head != NULL || (x->flags & TCP_X_FIN_KEPT) || cx->mbufs_low ||
		    seq_lt(seg->ack, c->snd_una) || seq_gt(seg->ack, c->snd_nxt))
			return false;
		*v = (struct tcp_verdict){0};
		tcp_fast_ack(cx, c, x, seg, v);
	}
	v->bits |= TCP_V_DELIVER | TCP_V_TAKEN;
	v->deliver = payload;
	c->rcv_nxt += seg->len;
	if (tcp_account_text(cx, c, x, seg->len, seg->len))
		c->flags |= TCP_F_ACK_NOW;
	return true;
}

/* ---- (7) ESTABLISHED: a pure ACK of data ---- */

MR_INLINE bool tcp_fast_ack_of_data(struct tcp_cx *cx, struct tcp_conn *c,
				    const struct tcp_seg *seg,
				    struct tcp_verdict *v)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (tcp_state(c) != TCP_ESTABLISHED || (seg->flags & ~TCP_PSH) != TCP_ACK ||
	    seg->len != 0 || x == NULL || !tcp_fast_in_order(c, seg) ||
	    !seq_gt(seg->ack, c->snd_una) || seq_gt(seg->ack, c->snd_nxt) ||
	    (x->flags & TCP_X_FIN_KEPT) || (seg->opts & TCP_OPT_SACK))
		return false;
	*v = (struct tcp_verdict){0};
	tcp_fast_ack(cx, c, x, seg, v);
	return true;
}

/* ---- output ---- */

enum tcp_fast_out {
	TCP_FAST_GENERAL,	/* nothing was changed: call tcp_next_segment() until it is false */
	TCP_FAST_SEGMENT,	/* *out is the one segment to send; the timer is settled */
	TCP_FAST_QUIET,		/* nothing is to be sent; the timer is settled */
};

/* tcp_settle_timer() for a connection without extension, its usual answers in line. */
MR_INLINE void tcp_fast_settle(struct tcp_cx *cx, struct tcp_conn *c)
{
	bool outstanding = c->snd_una != c->snd_nxt;

	MR_CHECK(tcp_ext_index(c) == 0 && c->timer != TCP_TIMER_RESEND);
	if (outstanding && c->timer == TCP_TIMER_REXMT)
		return;
	if (!outstanding && c->timer == TCP_TIMER_NONE && cx->params->keepalive_idle_ms == 0 &&
	    tcp_state(c) != TCP_FIN_WAIT_2)
		return;
	tcp_settle_timer(cx, c, NULL);
}

/** All that tcp_next_segment() would do for a connection without extension, at most one segment. */
MR_INLINE enum tcp_fast_out tcp_fast_output(struct tcp_cx *cx, struct tcp_conn *c,
					    struct tcp_xmit *out)
{
	bool first = c->snd_nxt == c->snd_una;

	if (tcp_ext_index(c) != 0 || c->timer == TCP_TIMER_RESEND ||
	    (tcp_state(c) & (TCP_CLOSED | TCP_LISTEN)))
		return TCP_FAST_GENERAL;
	if (tcp_opening(c)) {
		if (!first)
			return TCP_FAST_GENERAL;
		c->snd_nxt++;
		tcp_rexmt_start(cx, c, NULL);
		tcp_syn_segment(cx, c, out);
		return TCP_FAST_SEGMENT;
	}
	if ((c->flags & TCP_F_SHUT) && tcp_may_send(c)) {
		tcp_send_fin(cx, c);
		tcp_fin_segment(cx, c, NULL, out);
		tcp_rexmt_start(cx, c, NULL);
		return TCP_FAST_SEGMENT;
	}
	if (c->flags & TCP_F_ACK_NOW) {
		tcp_pure_ack(cx, c, NULL, c->snd_nxt, out);
		tcp_fast_settle(cx, c);
		return TCP_FAST_SEGMENT;
	}
	tcp_fast_settle(cx, c);
	return TCP_FAST_QUIET;
}

#endif /* MR_TCP_FAST_H */
