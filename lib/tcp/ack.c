/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 9293 3.10.7.4, fifth: check the ACK field. What is acknowledged leaves the send queue, is a
 * measurement of the round trip and a sign to congestion control; the send window moves.
 */
#include "internal.h"

/* What the steps below share: an ACK at work. */
struct ack {
	struct tcp_cx *cx;
	struct tcp_conn *c;
	struct tcp_ext *x;
	const struct tcp_seg *seg;
	struct tcp_verdict *v;
};

/* ---- what the ACK covers ---- */

static void measure(const struct ack *k)
{
	struct tcp_ext *x = k->x;
	uint32_t ms;

	if ((x->flags & TCP_X_TIMING) && seq_ge(k->seg->ack, x->timed_seq)) {
		uint64_t us = k->cx->now_us - x->timed_us;

		rtt_sample(&x->rtt, (uint32_t)MR_MIN(us, (uint64_t)RTT_SAMPLE_MAX_US));
		x->flags = (uint8_t)(x->flags & ~TCP_X_TIMING);
	} else if ((x->flags & TCP_X_REPAIRED) && tcp_echo_ms(k->cx, k->c, k->seg, &ms)) {
		rtt_sample(&x->rtt, ms * 1000);	/* timestamps tell which copy was answered (Karn) */
	}
	if (seq_gt(k->seg->ack, x->loss.recover))
		x->flags = (uint8_t)(x->flags & ~TCP_X_REPAIRED);
}

/* Owes the reports that an acknowledgment may make due. */
static void report(const struct ack *k)
{
	bool told = (k->c->flags & TCP_F_CLOSED) == 0;
	struct tcp_ext *x = k->x;

	if ((x->flags & TCP_X_NOTIFY) && seq_ge(k->c->snd_una, x->notify_seq)) {
		x->flags = (uint8_t)(x->flags & ~TCP_X_NOTIFY);
		k->v->bits |= told ? TCP_V_ACKED : 0;
	}
	if ((x->flags & TCP_X_WRITABLE) && x->snd_queued <= k->cx->params->snd_buf / 2) {
		x->flags = (uint8_t)(x->flags & ~TCP_X_WRITABLE);
		k->v->bits |= told ? TCP_V_WRITABLE : 0;
	}
}

static void act_on_loss(const struct ack *k, unsigned int actions)
{
	struct tcp_conn *c = k->c;

	if (actions & NEWRENO_FAST)
		mr_count(k->cx->counters, MR_C_TCP_FAST_REXMT);
	if ((actions & NEWRENO_RETRANSMIT) && c->snd_una != c->snd_nxt)
		tcp_resend_from_una(c, k->x, c->snd_una + MR_MIN(c->snd_nxt - c->snd_una,
								 tcp_effective_mss(c)));
	if ((actions & NEWRENO_RESTART_TIMER) && c->snd_una != c->snd_nxt)
		tcp_rexmt_start(k->cx, c, k->x);
}

/* An ACK of what was sent after the reduction, or before: does it end the window of the mark? */
static void passes_mark(struct tcp_ext *x, uint32_t ack)
{
	if (seq_ge(ack, x->ecn_seq))
		cc_window_passed(&x->cc);
	/* Follows, or after 2^31 octets it would seem to lie ahead. */
	if (seq_gt(ack, x->ecn_seq))
		x->ecn_seq = ack - 1;
}

static void ext_acked(const struct ack *k, uint32_t una, uint32_t data)
{
	struct tcp_ext *x = k->x;
	uint32_t ack = k->seg->ack;
	struct newreno_flight flight;

	tcp_sendq_acked(k->cx->pool, x, data);
	if (seq_ge(ack, x->resend_end))
		x->resend_seq = x->resend_end = ack;
	else if (seq_gt(ack, x->resend_seq))
		tcp_resend_from_una(k->c, x, x->resend_end);
	x->active_ms = k->cx->now_ms;
	measure(k);
	if (k->c->flags & TCP_F_ECN)
		passes_mark(x, ack);
	flight = tcp_flight(k->cx, k->c, x);
	flight.una = una;
	act_on_loss(k, newreno_acked(&x->loss, &x->cc, &flight, ack));
	report(k);
}

void tcp_new_ack(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
		 const struct tcp_seg *seg,
		 struct tcp_verdict *v)
{
	const struct ack k = {cx, c, x, seg, v};
	uint32_t una = c->snd_una;
	bool fin = tcp_fin_outstanding(c) && seg->ack == c->snd_nxt;
	uint32_t data = seg->ack - c->snd_una - fin;

	MR_ASSERT(data == 0 || x != NULL);
	c->snd_una = seg->ack;
	tcp_set_rexmt_count(c, 0);
	if (c->timer == TCP_TIMER_RESEND)
		c->timer = TCP_TIMER_REXMT;
	if (c->snd_una == c->snd_nxt)		/* RFC 6298 5.2 */
		c->timer = TCP_TIMER_NONE;
	if (x != NULL)
		ext_acked(&k, una, data);
}

/*
 * RFC 3168 6.1.2: the peer tells of a mark. The window is reduced as for a loss, once a window of
 * data; a loss that is being mended has reduced it already.
 */
static void told_of_mark(const struct arrival *a)
{
	struct tcp_conn *c = a->c;
	struct tcp_ext *x = a->ext;

	if ((c->flags & TCP_F_ECN) == 0 || x == NULL || c->snd_una == c->snd_nxt ||
	    x->loss.phase != NEWRENO_OPEN || seq_le(c->snd_una, x->ecn_seq))
		return;
	cc_mark(&x->cc, MR_MIN(c->snd_nxt - c->snd_una, x->cc.cwnd));
	x->ecn_seq = c->snd_nxt;
	x->ecn |= TCP_ECN_TELL;
	mr_count(a->cx->counters, MR_C_TCP_ECN_REDUCED);
}

/* RFC 5681 section 2: what counts as a duplicate ACK. */
static bool is_duplicate(const struct arrival *a)
{
	const struct tcp_conn *c = a->c;

	return a->ext != NULL && tcp_data_outstanding(c) != 0 && a->seg->ack == c->snd_una &&
	       tcp_seg_space(a->seg) == 0 && a->seg->wnd == c->snd_wnd;
}

static void duplicate_ack(struct arrival *a)
{
	const struct ack k = {a->cx, a->c, a->ext, a->seg, a->v};
	const struct newreno_flight flight = tcp_flight(a->cx, a->c, a->ext);

	act_on_loss(&k, newreno_dupack(&a->ext->loss, &a->ext->cc, &flight));
}

/* ---- the section ---- */

/* SYN_RCVD: "If SND.UNA < SEG.ACK =< SND.NXT, then enter ESTABLISHED state", else a reset. */
static struct outcome ack_syn_rcvd(struct arrival *a)
{
	struct tcp_conn *c = a->c;

	if (!seq_gt(a->seg->ack, c->snd_una) || !seq_le(a->seg->ack, c->snd_nxt))
		return out_drop(OUT_RST, MR_C_TCP_BAD_ACK);
	tcp_syn_acked(a->cx, c, a->seg);
	a->v->bits |= TCP_V_ESTABLISHED;
	if (a->seg->flags & TCP_SYN)	/* simultaneous open: the ACK came with the SYN again */
		tcp_syn_window(c, a->seg->wnd);
	else
		c->snd_wnd = a->seg->wnd;
	tcp_record_timestamp(a->cx, c, a->ext, a->seg);
	if (a->ext != NULL)
		tcp_ext_start(a->cx, c, a->ext);
	return out_enter(0, TCP_ESTABLISHED);
}

/* RFC 5961 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT, else an ACK and nothing more. */
static bool ack_in_range(const struct arrival *a)
{
	const struct tcp_conn *c = a->c;
	uint32_t back = a->ext != NULL ? a->ext->snd_wnd_max : tcp_snd_wnd(c);

	return seq_le(a->seg->ack, c->snd_nxt) && seq_ge(a->seg->ack, c->snd_una - back);
}

/* What ESTABLISHED does, and all states after it do too. False: the segment goes no further. */
static bool ack_established(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	const bool acks = seq_gt(a->seg->ack, c->snd_una);

	if (!ack_in_range(a))
		return false;
	tcp_record_timestamp(a->cx, c, a->ext, a->seg);
	if (acks)
		tcp_new_ack(a->cx, c, a->ext, a->seg, a->v);
	else if (is_duplicate(a))
		duplicate_ack(a);
	if (MR_UNLIKELY(a->flags & TCP_ECE))
		told_of_mark(a);
	if (a->seg->ack == c->snd_una)
		tcp_update_window(c, a->ext, a->seq, a->seg->wnd, acks);
	tcp_answered(a->cx, c, a->ext);
	return true;
}

struct outcome tcp_check_ack(struct arrival *a)
{
	struct tcp_conn *c = a->c;

	if ((a->flags & TCP_ACK) == 0)
		return out_drop(0, MR_C_TCP_NO_ACK);
	if (tcp_state(c) == TCP_SYN_RCVD)
		return ack_syn_rcvd(a);
	if (!ack_established(a))
		return out_drop(OUT_CHALLENGE, MR_C_TCP_BAD_ACK);
	if (c->snd_una != c->snd_nxt)
		return OUT_NEXT;
	switch (tcp_state(c)) {	/* "if our FIN is now acknowledged" */
	case TCP_FIN_WAIT_1:
		return out_enter(0, TCP_FIN_WAIT_2);
	case TCP_CLOSING:
		a->v->bits |= TCP_V_TIME_WAIT;
		a->v->reason = MR_CLOSED;
		return out_enter(OUT_STOP, TCP_TIME_WAIT);
	case TCP_LAST_ACK:
		return out_gone(0, MR_CLOSED);
	case TCP_CLOSED:
	case TCP_LISTEN:
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
	case TCP_TIME_WAIT:
		break;
	}
	return OUT_NEXT;
}
