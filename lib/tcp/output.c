/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes out: the only place where a segment of a connection is decided. tcp_next_segment()
 * gives one at a time, most urgent first: what is to be sent again, new data, FIN, probes, a pure
 * ACK. Whatever it gives is committed: SND.NXT, the advertised edge, owed ACKs and the timer have
 * moved.
 *
 * Each segment is of one of the kinds below, and each kind is one function; silly-window avoidance,
 * Nagle and the congestion window meet in new_data_len(), the receive window in tcp_advertise()
 * (window.h).
 */
#include "paced.h"
#include "syn.h"

/* ---- RESEND: a timer has expired ---- */

static void resend(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x, struct tcp_xmit *out)
{
	if (c->snd_una != c->snd_nxt) {
		MR_ASSERT(tcp_fin_outstanding(c) && c->snd_nxt - c->snd_una == 1);
		c->timer = TCP_TIMER_REXMT;
		tcp_fin_segment(cx, c, x, out);
		out->retransmit = true;
		mr_count(cx->counters, MR_C_TCP_REXMT_FIN);
		return;
	}
	/* A probe: an octet that the peer has acknowledged already, so that it must answer (3.8.4,
	 * 3.8.6.1). No data: a window probe that carries some must be kept account of. */
	c->timer = x != NULL && tcp_unsent(c, x) != 0 ? TCP_TIMER_PERSIST : TCP_TIMER_KEEPALIVE;
	tcp_pure_ack(cx, c, x, c->snd_una - 1, out);
}

/* ---- data ---- */

/* Fills in a data segment at `pos` and moves the place behind it. */
static void data_segment(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			 struct tcp_pos *pos,
			 struct tcp_xmit *out)
{
	if (out->seg.len != 0) {
		MR_ASSERT(pos->m != NULL);
		tcp_pos_advance(pos, 0);
		out->data = pos->m;
		out->data_off = pos->off;
		tcp_pos_advance(pos, out->seg.len);
		/* MUST-60: the last of the queued data is pushed. */
		if (out->seg.seq + out->seg.len == x->snd_base + x->snd_queued)
			out->seg.flags |= TCP_PSH;
	}
	tcp_fill(cx, c, x, out);
	if (out->seg.flags & TCP_FIN)
		mr_count(cx->counters, MR_C_TCP_TX_FIN);
	tcp_pace_data(cx, x, out->seg.len);
	x->sent_ms = cx->now_ms;
}

/* Sends `r` again, or its first part: octets, our FIN, or both. Returns the octets it occupies. */
static uint32_t resend_piece(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			     struct seq_range r, struct tcp_xmit *out)
{
	uint32_t data_end = c->snd_nxt - tcp_fin_outstanding(c);
	uint32_t len = MR_MIN(data_end - r.left, r.right - r.left);
	bool fin;

	len = MR_MIN(len, tcp_payload_max(c, x));
	fin = r.left + len == data_end && r.right != data_end;
	MR_ASSERT(len != 0 || fin);
	*out = (struct tcp_xmit){.retransmit = true};
	out->seg.seq = r.left;
	out->seg.len = (uint16_t)len;
	out->seg.flags = fin ? TCP_FIN : 0;
	data_segment(cx, c, x, &x->resend, out);
	mr_count(cx->counters, len != 0 ? MR_C_TCP_REXMT_DATA : MR_C_TCP_REXMT_FIN);
	return len + fin;
}

/* The next piece of [resend_seq, resend_end). */
static bool next_resend(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			struct tcp_xmit *out)
{
	struct seq_range r = {x->resend_seq, x->resend_end};
	uint32_t len = MR_MIN(r.right - r.left, tcp_payload_max(c, x));

	/* After a timeout slow start paces what is resent; the first segment always may. */
	if (r.left != c->snd_una && r.left + len - c->snd_una > x->cc.cwnd)
		return false;
	x->resend_seq += resend_piece(cx, c, x, r, out);
	return true;
}

/* ---- with a scoreboard ---- */

/* r goes out again, at most one segment of it. */
static void flight_resend(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			  struct seq_range r, struct tcp_xmit *out)
{
	struct tcp_flight *f = tcp_flight_of(cx->pool, x);
	uint32_t octets;

	MR_CHECK(f != NULL && seq_le(c->snd_una, r.left) && seq_le(r.right, c->snd_nxt));
	tcp_resend_from(c, x, r.left);
	octets = resend_piece(cx, c, x, r, out);
	/* `resend` stands behind its octets now, and our FIN is none of the queue */
	x->resend_seq = x->resend_end = r.left + out->seg.len;
	board_resent(&f->board, (struct seq_range){r.left, r.left + octets}, (uint32_t)cx->now_us);
	if ((f->flags & TCP_FL_RESENT) == 0)
		f->undo_ms = cx->now_ms;
	f->flags = (uint8_t)((f->flags & ~TCP_FL_FORCE) | TCP_FL_RESENT);
	f->undo_octets += octets;
	f->prr.out += octets;
	x->flags = (uint8_t)((x->flags & ~TCP_X_TIMING) | TCP_X_REPAIRED);
	if (c->timer != TCP_TIMER_REXMT)
		tcp_rexmt_start(cx, c, x);
}

/* What is lost goes first, in order (RFC 6675 4, NextSeg). */
static bool next_lost(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
		      struct tcp_xmit *out)
{
	struct tcp_flight *f = tcp_flight_of(cx->pool, x);
	struct seq_range r;
	uint32_t len;

	if (!board_next_lost(&f->board, &r))
		return false;
	len = MR_MIN(r.right - r.left, tcp_payload_max(c, x));
	if ((f->flags & TCP_FL_FORCE) == 0 &&
	    (board_pipe(&f->board) + len > x->cc.cwnd || tcp_pace_holds(cx, x)))
		return false;
	flight_resend(cx, c, x, r, out);
	return true;
}

/* RFC 8985 7.3: one is out. */
static void probe_sent(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x, bool resent)
{
	struct tcp_flight *f = tcp_flight_of(cx->pool, x);

	MR_CHECK((f->probe & TCP_PROBE_OUT) == 0);
	f->flags = (uint8_t)(f->flags & ~(TCP_FL_PROBE | TCP_FL_ARM));
	f->probe = TCP_PROBE_OUT | (resent ? TCP_PROBE_RESENT : 0);
	f->probe_end = c->snd_nxt;
	tcp_rexmt_start(cx, c, x);
	mr_count(cx->counters, MR_C_TCP_TLP);
}

/* Without new data the last segment is the probe: at most one MSS before SND.NXT. */
static bool next_probe(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
		       struct tcp_xmit *out)
{
	uint32_t octets = MR_MIN(c->snd_nxt - c->snd_una, tcp_payload_max(c, x));
	struct tcp_flight *f = tcp_flight_of(cx->pool, x);

	flight_resend(cx, c, x, (struct seq_range){c->snd_nxt - octets, c->snd_nxt}, out);
	/* it is no attempt to mend a loss: nothing to undo */
	f->undo_octets -= MR_MIN(f->undo_octets, octets);
	f->flags = (uint8_t)(f->flags & ~TCP_FL_RESENT);
	probe_sent(cx, c, x, true);
	return true;
}

/* New octets up to SND.NXT are out. */
static void flight_sent(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x, uint32_t octets)
{
	struct tcp_flight *f = tcp_flight_of(cx->pool, x);

	if (f == NULL)
		f = tcp_flight_take(cx->pool, x, c->snd_nxt - octets);
	board_sent(&f->board, c->snd_nxt, (uint32_t)cx->now_us, x->rtt.srtt_us / 8);
	f->prr.out += octets;
	if (f->flags & TCP_FL_PROBE)
		probe_sent(cx, c, x, false);
	else
		f->flags |= TCP_FL_ARM;
}

/* Octets that congestion control lets out besides those in flight. */
static uint64_t allowance(const struct tcp_cx *cx, const struct tcp_conn *c,
			  const struct tcp_ext *x)
{
	uint64_t flight = c->snd_nxt - c->snd_una, allowed = newreno_allowance(&x->loss, &x->cc);
	const struct tcp_flight *f = tcp_flight_of(cx->pool, x);
	uint32_t mss = tcp_effective_mss(c);

	if (f == NULL)
		return allowed - MR_MIN(allowed, flight);
	if (f->flags & TCP_FL_PROBE)		/* RFC 8985 7.3: even beyond cwnd */
		return mss;
	if (f->flags & TCP_FL_FRTO_2)		/* RFC 5682 3.1: two segments */
		return f->frto_nxt + 2 * mss - c->snd_nxt;
	return allowed - MR_MIN(allowed, (uint64_t)board_pipe(&f->board));
}

/* Octets of new data that window and congestion control let out. */
static uint32_t new_data_room(const struct tcp_cx *cx, const struct tcp_conn *c,
			      const struct tcp_ext *x)
{
	uint32_t flight = c->snd_nxt - c->snd_una, window = tcp_snd_wnd(c);

	if (window <= flight)		/* the peer may have shrunk it: SHLD-15 */
		return 0;
	return (uint32_t)MR_MIN(window - flight, allowance(cx, c, x));
}

/*
 * How much new data goes out now. RFC 9293 3.8.6.2.1, sender's silly-window avoidance, with Nagle
 * (3.7.4):
 *   (1) a full segment; (2) all there is, pushed, with nothing in flight or Nagle off;
 *   (3) half the largest window, with nothing in flight; (4) the override timer expired.
 */
static uint32_t new_data_len(const struct tcp_cx *cx, const struct tcp_conn *c,
			     const struct tcp_ext *x)
{
	uint32_t unsent = tcp_unsent(c, x), mss = tcp_payload_max(c, x), len;
	bool quiet = c->snd_una == c->snd_nxt;

	if (unsent == 0)
		return 0;
	len = MR_MIN(MR_MIN(unsent, mss), new_data_room(cx, c, x));
	if (len == mss || len == 0 || (x->flags & TCP_X_FORCE))
		return len;
	if (len == unsent && (x->flags & TCP_X_MORE) == 0 &&
	    (quiet || (c->flags & (TCP_F_NODELAY | TCP_F_SHUT))))
		return len;
	if (len == unsent && (x->flags & TCP_X_MORE))
		return 0;
	return quiet && len >= x->snd_wnd_max / 2 ? len : 0;
}

static void time_segment(const struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x)
{
	if (x->flags & (TCP_X_TIMING | TCP_X_REPAIRED))
		return;
	x->flags |= TCP_X_TIMING;
	x->timed_seq = c->snd_nxt;
	x->timed_us = (uint32_t)cx->now_us;
}

/* Nothing is outstanding. RFC 5681 4.1: after an RTO the window is no longer known to fit. */
static void restart(const struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x)
{
	uint32_t window = CC_CWND_MAX;

	if (cx->now_ms - x->sent_ms > tcp_rto_ms(cx, c, x))
		window = cc_initial_window(x->cc.smss, cx->params->initial_window_segs);
	cc_idle(&x->cc, cx->now_ms, window);
}

/*
 * RFC 3168 6.1: new data says that routers may mark it instead of dropping it, and that our window
 * was reduced. Never what is sent again (6.1.5), probes or pure ACKs (6.1.4, 6.1.6).
 */
static void mark_capable(struct tcp_ext *x, struct tcp_xmit *out)
{
	out->seg.ecn = ECN_ECT_0;
	if (x->ecn & TCP_ECN_TELL)
		out->seg.flags |= TCP_CWR;
	x->ecn = (uint8_t)(x->ecn & ~TCP_ECN_TELL);
}

static bool next_new_data(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			  struct tcp_xmit *out)
{
	uint32_t len;

	len = new_data_len(cx, c, x);
	if (len == 0 || ((x->flags & TCP_X_FORCE) == 0 && tcp_pace_holds(cx, x)))
		return false;
	if (c->snd_una == c->snd_nxt)	/* len is one segment, which any window holds */
		restart(cx, c, x);
	MR_CHECK(len <= tcp_unsent(c, x) && len <= tcp_effective_mss(c));
	*out = (struct tcp_xmit){.seg = {.seq = c->snd_nxt, .len = (uint16_t)len}};
	x->flags = (uint8_t)(x->flags & ~TCP_X_FORCE);
	c->snd_nxt += len;
	time_segment(cx, c, x);
	if ((c->flags & TCP_F_SHUT) && tcp_may_send(c) && tcp_unsent(c, x) == 0) {
		out->seg.flags = TCP_FIN;
		tcp_send_fin(cx, c);
	}
	if (c->flags & TCP_F_SACK)
		flight_sent(cx, c, x, len + (out->seg.flags & TCP_FIN));
	data_segment(cx, c, x, &x->snd_next, out);
	if (c->flags & TCP_F_ECN)
		mark_capable(x, out);
	if (c->timer != TCP_TIMER_REXMT)
		tcp_rexmt_start(cx, c, x);
	mr_count_n(cx->counters, MR_C_TCP_TX_DATA, len);
	return true;
}

static bool next_of_data(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			 struct tcp_xmit *out)
{
	struct tcp_flight *f = tcp_flight_of(cx->pool, x);

	tcp_pace_begin(f);
	if (f != NULL && f->board.lost != 0 && (f->flags & TCP_FL_FRTO_2) == 0)
		return next_lost(cx, c, x, out);	/* new data waits behind */
	if (f != NULL && (f->flags & TCP_FL_PROBE)) {
		/* RFC 8985 7.3: new data where there is some and the window takes it */
		if (tcp_unsent(c, x) == 0 || tcp_snd_wnd(c) <= c->snd_nxt - c->snd_una)
			return next_probe(cx, c, x, out);
		x->flags |= TCP_X_FORCE;
	}
	if (x->resend_seq != x->resend_end)
		return next_resend(cx, c, x, out);
	return tcp_unsent(c, x) != 0 && next_new_data(cx, c, x, out);
}

/* ---- SYN and SYN-ACK ---- */

/* RFC 7413 4.2.2: after its SYN-ACK it may send data before that is acknowledged. */
static bool next_fast_opened(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			     struct tcp_xmit *out)
{
	if (c->timer == TCP_TIMER_NONE) {
		tcp_rexmt_start(cx, c, x);
		tcp_fast_syn_ack(cx, c, x, out);
		if (cx->fastopen != NULL)
			tcp_add_fastopen(cx, c, x, out);
		return true;
	}
	if (c->timer == TCP_TIMER_RESEND) {
		c->timer = TCP_TIMER_REXMT;
		tcp_fast_syn_ack(cx, c, x, out);
		out->retransmit = true;
		mr_count(cx->counters, MR_C_TCP_REXMT_SYN);
		return true;
	}
	if (next_of_data(cx, c, x, out))
		return true;
	if (c->flags & TCP_F_ACK_NOW) {
		tcp_pure_ack(cx, c, x, c->snd_nxt, out);
		return true;
	}
	return false;
}

static bool next_opening(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			 struct tcp_xmit *out)
{
	if (MR_UNLIKELY(tcp_fast_opened(c, x)))
		return next_fast_opened(cx, c, x, out);
	if (c->snd_nxt == c->snd_una) {
		c->snd_nxt++;
		tcp_rexmt_start(cx, c, x);
		tcp_syn_segment(cx, c, out);
		if (MR_UNLIKELY(cx->fastopen != NULL))
			tcp_add_fastopen(cx, c, x, out);
		return true;
	}
	if (c->timer == TCP_TIMER_RESEND) {	/* the deadline has moved already, or stays */
		c->timer = TCP_TIMER_REXMT;
		/* RFC 3168 6.1.1.1: perhaps it was dropped because it asked for ECN; one that was
		 * too large was not, and its timer has not expired */
		if (tcp_state(c) == TCP_SYN_SENT && tcp_rexmt_count(c) != 0)
			c->flags = (uint8_t)(c->flags & ~TCP_F_ECN);
		tcp_syn_segment(cx, c, out);
		out->retransmit = true;
		mr_count(cx->counters, MR_C_TCP_REXMT_SYN);
		return true;
	}
	if ((c->flags & TCP_F_ACK_NOW) && tcp_state(c) == TCP_SYN_RCVD) {
		tcp_pure_ack(cx, c, x, c->snd_nxt, out);
		return true;
	}
	return false;
}

/* ---- the order of precedence ---- */

static bool next_synchronized(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_xmit *out)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (MR_UNLIKELY(c->timer == TCP_TIMER_RESEND)) {
		resend(cx, c, x, out);
		return true;
	}
	if (x != NULL && next_of_data(cx, c, x, out))
		return true;
	/* A FIN needs no room: a peer whose window is closed answers it like a probe. */
	if ((c->flags & TCP_F_SHUT) && tcp_may_send(c) && (x == NULL || tcp_unsent(c, x) == 0)) {
		tcp_send_fin(cx, c);
		if (x != NULL && x->flight != 0)
			flight_sent(cx, c, x, 1);
		tcp_fin_segment(cx, c, x, out);
		if (c->timer != TCP_TIMER_REXMT)
			tcp_rexmt_start(cx, c, x);
		return true;
	}
	if (c->flags & TCP_F_ACK_NOW) {
		tcp_pure_ack(cx, c, x, c->snd_nxt, out);
		return true;
	}
	tcp_settle_timer(cx, c, x);
	return false;
}

bool tcp_next_segment(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_xmit *out)
{
	switch (tcp_state(c)) {
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
		return next_opening(cx, c, tcp_ext_of(cx->pool, c), out);
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
	case TCP_TIME_WAIT:
		return next_synchronized(cx, c, out);
	case TCP_CLOSED:
	case TCP_LISTEN:
		break;
	}
	return false;
}
