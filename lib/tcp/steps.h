/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The steps that both ways through TCP are made of: arrives.c and output.c, which handle
 * everything, and fast.h, which puts the same steps together for exactly the expected segment. Each
 * step exists once.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read but through cx->params, no
 * division.
 */
#ifndef MR_TCP_STEPS_H
#define MR_TCP_STEPS_H

#include "window.h"

/* So much of the backoff is kept while a closed window is answered: 128 RTOs between probes. */
#define TCP_ANSWERED_COUNT 7u

/* ---- the state ---- */

/** tcp_enter() in line, from a state that the caller knows: with constants the check folds away. */
MR_INLINE void tcp_move_from(struct tcp_cx *cx, struct tcp_conn *c, enum tcp_state from,
			     enum tcp_state state)
{
	static const uint16_t may_enter[TCP_STATES] = {
#define S(name, bit, next, rfc) [bit] = next,
#include "state.def"
#undef S
	};

	MR_CHECK(tcp_state(c) == from);
	MR_ASSERT(from != 0 && (may_enter[__builtin_ctz(from)] & state) != 0);
	if (state == TCP_SYN_SENT)
		mr_count(cx->counters, MR_C_CONN_ACTIVE);
	else if (state == TCP_SYN_RCVD && (c->flags & TCP_F_ACTIVE) == 0)
		mr_count(cx->counters, MR_C_CONN_PASSIVE);
	else if (state == TCP_ESTABLISHED)
		mr_count(cx->counters, MR_C_CONN_ESTABLISHED);
	cx->states[__builtin_ctz(from)]--;
	cx->states[__builtin_ctz(state)]++;
	c->state_bit = (uint8_t)__builtin_ctz(state);
}
MR_INLINE void tcp_move(struct tcp_cx *cx, struct tcp_conn *c, enum tcp_state state)
{
	tcp_move_from(cx, c, tcp_state(c), state);
}

/* ---- timers ---- */

MR_INLINE void tcp_timer_start(struct tcp_conn *c, enum tcp_timer timer, uint32_t deadline_ms)
{
	c->timer = timer & 7u;
	c->deadline_ms = deadline_ms;
}
/** The retransmission timer runs from now (RFC 6298 5.1, 5.3). */
MR_INLINE void tcp_rexmt_start(const struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_ext *x)
{
	/* Another timer's count must not lengthen the first RTO. */
	if (c->timer != TCP_TIMER_REXMT && c->timer != TCP_TIMER_RESEND)
		tcp_set_rexmt_count(c, 0);
	tcp_timer_start(c, TCP_TIMER_REXMT, cx->now_ms + tcp_rto_ms(cx, c, x));
}
/**
 * Nothing more is to be sent: which timer runs until the next event? May give the extension back.
 * timer.c
 */
void tcp_settle_timer(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x);

/* ---- what an arriving segment does ---- */

MR_INLINE void tcp_count_arrival(struct tcp_cx *cx, unsigned int flags)
{
	if (flags & TCP_SYN)
		mr_count(cx->counters, MR_C_TCP_RX_SYN);
	if (flags & TCP_FIN)
		mr_count(cx->counters, MR_C_TCP_RX_FIN);
	if (flags & TCP_RST)
		mr_count(cx->counters, MR_C_TCP_RX_RST);
}

/**
 * RFC 7323 4.3: TS.Recent moves when the segment covers Last.ACK.sent (and PAWS found it not
 * older).
 */
MR_INLINE void tcp_record_timestamp(const struct tcp_cx *cx, struct tcp_conn *c,
				    const struct tcp_ext *x, const struct tcp_seg *seg)
{
	uint32_t last_ack = x != NULL ? x->last_ack : c->rcv_nxt;

	if ((c->flags & TCP_F_TS) != 0 && (seg->opts & TCP_OPT_TS) != 0 &&
	    seq_le(seg->seq, last_ack))
		tcp_set_ts_recent(c, seg->tsval, cx->now_ms);
}

/** RFC 7323 4: the echo of our timestamp, in ms; false when it is none of ours. */
MR_INLINE bool tcp_echo_ms(const struct tcp_cx *cx, const struct tcp_conn *c,
			   const struct tcp_seg *seg, uint32_t *ms)
{
	*ms = cx->now_ms + cx->ts_offset - seg->tsecr;
	return (c->flags & TCP_F_TS) && (seg->opts & TCP_OPT_TS) && seg->tsecr != 0 &&
	       *ms <= RTT_SAMPLE_MAX_US / 1000;
}

/**
 * Our SYN was timed by its own timer, which started one RTO before the deadline; Karn: not when it
 * was resent, unless its timestamp comes back.
 */
MR_INLINE void tcp_syn_timed(const struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg)
{
	uint32_t ms = cx->now_ms - (c->deadline_ms - tcp_rto_ms(cx, c, NULL));

	/* what it held was a soft error: tcp_soft_error() */
	c->srtt_coarse = (c->timer == TCP_TIMER_REXMT && tcp_rexmt_count(c) == 0) ||
			 tcp_echo_ms(cx, c, seg, &ms) ? rtt_coarse_first(ms) : 0;
}

/** Our SYN is acknowledged. */
MR_INLINE void tcp_syn_acked(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg)
{
	tcp_syn_timed(cx, c, seg);
	MR_CHECK(tcp_opening(c) && c->snd_nxt - c->snd_una == 1);
	c->snd_una = seg->ack;
	c->timer = TCP_TIMER_NONE;
}

/** ack.c: SND.UNA < SEG.ACK =< SND.NXT: "set SND.UNA <- SEG.ACK". */
void tcp_new_ack(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
		 const struct tcp_seg *seg, struct tcp_verdict *v);

/**
 * RFC 9293 3.10.7.4, SND.WND, from an ACK that is SND.UNA now, and moved it there (`acks`): then it
 * is newer, and the old window's edge would move along too far. SND.WL2 is not stored: it is the
 * ACK of the last update. Without an extension there is no SND.WL1: nothing waits to be hurt.
 */
MR_INLINE void tcp_update_window(struct tcp_conn *c, struct tcp_ext *x, uint32_t seq, uint16_t wnd,
				 bool acks)
{
	if (x == NULL) {
		if (seq == c->rcv_nxt)
			c->snd_wnd = wnd;
		return;
	}
	if (seq_lt(seq, x->snd_wl1) && !acks)
		return;
	x->snd_wl1 = seq_max(seq, x->snd_wl1);
	c->snd_wnd = wnd;
	x->snd_wnd_max = MR_MAX(x->snd_wnd_max, tcp_snd_wnd(c));
}

/* R2 (RFC 9293 3.8.3): how often data and FIN are sent again. Nobody waits for an orphan. */
MR_INLINE unsigned int tcp_data_retries(const struct tcp_params *p, const struct tcp_conn *c)
{
	return (c->flags & TCP_F_CLOSED) ? MR_MIN(p->orphan_retries, p->data_retries)
					 : p->data_retries;
}

/** Somebody is there: probes count anew, and a closed window does not wear out the connection. */
MR_INLINE void tcp_answered(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x)
{
	if (x != NULL)
		x->unanswered = 0;
	if (c->snd_wnd == 0 && c->snd_una != c->snd_nxt) {	/* below whatever the limit is */
		unsigned int most = MR_MIN(TCP_ANSWERED_COUNT, tcp_data_retries(cx->params, c) - 1);

		tcp_set_rexmt_count(c, MR_MIN(tcp_rexmt_count(c), most));
	}
	if (c->timer == TCP_TIMER_KEEPALIVE) {
		tcp_set_rexmt_count(c, 0);
		c->deadline_ms = cx->now_ms + cx->params->keepalive_idle_ms;
	}
}

/**
 * The window of a SYN, never scaled (RFC 7323 2.2): kept in the scaled unit, rounded down. What is
 * less than one unit counts as closed until the first scaled window; a probe asks for that.
 */
MR_INLINE void tcp_syn_window(struct tcp_conn *c, uint16_t wnd)
{
	c->snd_wnd = (uint16_t)(wnd >> tcp_snd_shift(c));
}

/** RFC 3168 6.1.1: an ECN-setup SYN has both flags, an ECN-setup SYN-ACK only ECE. */
MR_INLINE bool tcp_ecn_setup(const struct tcp_seg *syn)
{
	return (syn->flags & (TCP_ECE | TCP_CWR)) ==
	       ((syn->flags & TCP_ACK) ? TCP_ECE : TCP_ECE | TCP_CWR);
}

/**
 * MSS, window scale, timestamps, SACK, first numbers: as the peer's SYN says, against what we
 * offered.
 */
MR_INLINE void tcp_negotiate(const struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *syn)
{
	/* 3.7.1 MUST-15: without the option 536, or 1220 for IPv6. */
	uint16_t mss = cx->family == 6 ? 1220 : 536;

	if (syn->opts & TCP_OPT_MSS)
		mss = MR_MAX(syn->mss, (uint16_t)TCP_MSS_MIN);
	c->mss = MR_MIN(mss, tcp_own_mss(cx));
	if ((syn->opts & TCP_OPT_WS) && c->scales >> 4 != TCP_SCALE_NONE)
		c->scales = (uint8_t)((c->scales & 0xf0u) | MR_MIN(syn->wscale, TCP_SCALE_MAX));
	else				/* RFC 7323 2.2: both, or none */
		c->scales = TCP_SCALE_NONE | TCP_SCALE_NONE << 4;
	if ((c->flags & TCP_F_TS) && (syn->opts & TCP_OPT_TS))
		tcp_set_ts_recent(c, syn->tsval, cx->now_ms);
	else
		c->flags = (uint8_t)(c->flags & ~TCP_F_TS);
	if ((syn->opts & TCP_OPT_SACK_OK) == 0)
		c->flags = (uint8_t)(c->flags & ~TCP_F_SACK);
	if (MR_UNLIKELY((syn->flags & (TCP_ECE | TCP_CWR)) != 0) && tcp_ecn_setup(syn) &&
	    (c->flags & TCP_F_ECN))
		mr_count(cx->counters, MR_C_TCP_ECN);
	else
		c->flags = (uint8_t)(c->flags & ~TCP_F_ECN);
	c->rcv_nxt = syn->seq + 1;
	c->rcv_edge = c->rcv_nxt + MR_MIN(cx->params->rcv_buf, 0xffffu);
	tcp_syn_window(c, syn->wnd);
}

/* ---- user calls ---- */

/** tcp_close() of a connection that nothing needs to be decided for; false: call that. */
MR_INLINE bool tcp_close_simple(struct tcp_conn *c)
{
	if (tcp_ext_index(c) != 0 || (tcp_state(c) & (TCP_CLOSED | TCP_LISTEN | TCP_SYN_SENT)) != 0)
		return false;
	c->flags |= TCP_F_SHUT | TCP_F_CLOSED;
	if (c->timer == TCP_TIMER_WAIT)
		c->timer = TCP_TIMER_NONE;
	return true;
}

/* ---- how records begin ---- */

/**
 * A new record in CLOSED, whatever its memory held before. Keeps what is not lib/tcp's: the low
 * bits of wheel_word, generation, spare, user, user_deadline, listener, nexthop and the key.
 */
MR_INLINE void tcp_record_init(const struct tcp_cx *cx, struct tcp_conn *c, uint32_t iss)
{
	const struct tcp_params *p = cx->params;
	const unsigned int scale = p->window_scaling ? p->rcv_scale : TCP_SCALE_NONE;

	MR_ASSERT(p->rcv_scale <= TCP_SCALE_MAX && tcp_own_mss(cx) >= TCP_MSS_MIN);
	c->state_bit = (uint8_t)__builtin_ctz(TCP_CLOSED);
	c->snd_una = c->snd_nxt = iss;		/* equal: the SYN is still to be sent */
	c->rcv_nxt = c->rcv_edge = c->ts_recent = 0;
	c->ext_word = 0;
	c->timer = TCP_TIMER_NONE;
	c->challenges = 0;
	c->deadline_ms = 0;
	tcp_set_rexmt_count(c, 0);
	c->snd_wnd = 0;
	c->mss = tcp_own_mss(cx);
	c->srtt_coarse = 0;
	c->flags = (uint8_t)((p->nodelay ? TCP_F_NODELAY : 0) | (p->timestamps ? TCP_F_TS : 0) |
			     (p->sack ? TCP_F_SACK : 0) |
			     (p->ecn != TCP_ECN_OFF ? TCP_F_ECN : 0));
	c->scales = (uint8_t)(TCP_SCALE_NONE | scale << 4);
}

/** LISTEN, and the SYN that makes it SYN_RCVD: tcp_passive_open() in line. */
MR_INLINE void tcp_begin_passive(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *syn,
				 uint32_t iss)
{
	MR_CHECK((syn->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN);
	tcp_record_init(cx, c, iss);
	tcp_move_from(cx, c, TCP_CLOSED, TCP_LISTEN);
	tcp_negotiate(cx, c, syn);
	tcp_move_from(cx, c, TCP_LISTEN, TCP_SYN_RCVD);
	MR_DEEP(tcp_check(cx, c));
}

/** tcp_active_open() in line. */
MR_INLINE void tcp_begin_active(struct tcp_cx *cx, struct tcp_conn *c, uint32_t iss)
{
	tcp_record_init(cx, c, iss);
	c->flags |= TCP_F_ACTIVE;
	if (cx->params->ecn != TCP_ECN_ASK)
		c->flags = (uint8_t)(c->flags & ~TCP_F_ECN);
	tcp_move_from(cx, c, TCP_CLOSED, TCP_SYN_SENT);
	MR_DEEP(tcp_check(cx, c));
}

/* ---- what goes out ---- */

/**
 * A segment of a synchronized connection: ACK, window, timestamps; whatever ACK was owed is in it.
 */
MR_INLINE void tcp_fill(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			struct tcp_xmit *out)
{
	struct tcp_seg *seg = &out->seg;

	seg->ack = c->rcv_nxt;
	seg->wnd = tcp_advertise(cx, c, x);
	seg->flags |= TCP_ACK;
	if (c->flags & TCP_F_TS) {
		seg->opts |= TCP_OPT_TS;
		seg->tsval = cx->now_ms + cx->ts_offset;
		seg->tsecr = c->ts_recent;
	}
	c->flags = (uint8_t)(c->flags & ~TCP_F_ACK_NOW);
	if (x != NULL) {
		if (MR_UNLIKELY(tcp_sack_due(c, x)))
			tcp_sack_fill(cx, c, x, seg);
		x->flags = (uint8_t)(x->flags & ~TCP_X_DELACK);
		x->last_ack = c->rcv_nxt;
		if (MR_UNLIKELY(x->ecn & TCP_ECN_ECHO))		/* RFC 3168 6.1.3 */
			seg->flags |= TCP_ECE;
	}
}

MR_INLINE void tcp_pure_ack(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x, uint32_t seq,
			    struct tcp_xmit *out)
{
	*out = (struct tcp_xmit){.seg = {.seq = seq}};
	tcp_fill(cx, c, x, out);
}

MR_INLINE void tcp_syn_options(const struct tcp_cx *cx, const struct tcp_conn *c,
			       struct tcp_seg *seg)
{
	seg->opts = TCP_OPT_MSS;		/* MUST-14 */
	seg->mss = tcp_own_mss(cx);		/* RFC 6691: variable options are not subtracted */
	if (c->scales >> 4 != TCP_SCALE_NONE) {
		seg->opts |= TCP_OPT_WS;
		seg->wscale = c->scales >> 4;
	}
	if (c->flags & TCP_F_SACK)
		seg->opts |= TCP_OPT_SACK_OK;
	if (c->flags & TCP_F_TS) {
		seg->opts |= TCP_OPT_TS;
		seg->tsval = cx->now_ms + cx->ts_offset;
		seg->tsecr = c->ts_recent;	/* 0 as long as the peer has said nothing */
	}
}

/** SYN, or in SYN_RCVD SYN-ACK. */
MR_INLINE void tcp_syn_segment(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_xmit *out)
{
	struct tcp_seg *seg = &out->seg;

	*out = (struct tcp_xmit){.seg = {.seq = c->snd_una, .flags = TCP_SYN}};
	/* never scaled (RFC 7323 2.2) */
	seg->wnd = (uint16_t)MR_MIN(cx->params->rcv_buf, 0xffffu);
	tcp_syn_options(cx, c, seg);
	if (c->flags & TCP_F_ECN)	/* RFC 3168 6.1.1; the packet is never ECT */
		seg->flags |= tcp_state(c) == TCP_SYN_RCVD ? TCP_ECE : TCP_ECE | TCP_CWR;
	if (tcp_state(c) == TCP_SYN_RCVD) {
		seg->flags |= TCP_ACK;
		seg->ack = c->rcv_nxt;
		c->flags = (uint8_t)(c->flags & ~TCP_F_ACK_NOW);
	}
	mr_count(cx->counters, MR_C_TCP_TX_SYN);
}

/** SND.NXT covers our FIN from here: 3.10.4, CLOSE. */
MR_INLINE void tcp_send_fin(struct tcp_cx *cx, struct tcp_conn *c)
{
	MR_CHECK(tcp_may_send(c) && (c->flags & TCP_F_SHUT));
	c->snd_nxt++;
	if (tcp_state(c) == TCP_ESTABLISHED)
		tcp_move_from(cx, c, TCP_ESTABLISHED, TCP_FIN_WAIT_1);
	else
		tcp_move_from(cx, c, TCP_CLOSE_WAIT, TCP_LAST_ACK);
}

/** FIN without data: the last octet before SND.NXT. */
MR_INLINE void tcp_fin_segment(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			       struct tcp_xmit *out)
{
	*out = (struct tcp_xmit){.seg = {.seq = c->snd_nxt - 1, .flags = TCP_FIN}};
	tcp_fill(cx, c, x, out);
	mr_count(cx->counters, MR_C_TCP_TX_FIN);
}

#endif /* MR_TCP_STEPS_H */
