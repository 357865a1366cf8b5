/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 9293 3.10.7.4, fifth: check the ACK field. What is acknowledged leaves the send queue, is a
 * measurement of the round trip and a sign to congestion control; the send window moves.
 *
 * SND.WL2 is not stored: it is the ACK of the last window update, so SND.WL2 <= SND.UNA, and an update
 * is only taken from an ACK >= SND.UNA. SND.WL1 lives in the extension; a connection without one has
 * nothing to send that a reordered window could hurt, and takes the window of in-order segments.
 */
#include "internal.h"

/* An unanswered count above this is lowered by an answer that only says "window still closed". */
#define ANSWERED_COUNT 7u

/* ---- round-trip time ---- */

/* RFC 7323 4: the echo of our timestamp, in ms; false when it is none of ours. */
static bool echo_ms(const struct arrival *a, uint32_t *ms)
{
	*ms = a->cx->now_ms + a->cx->ts_offset - a->seg->tsecr;
	return (a->c->flags & TCP_F_TS) && (a->seg->opts & TCP_OPT_TS) && a->seg->tsecr != 0 &&
	       *ms <= RTT_SAMPLE_MAX_US / 1000;
}

/* The SYN is timed by its own timer: it started one RTO before the deadline. Karn: unless resent. */
static void measure_syn(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	uint32_t ms;

	if (c->timer == TCP_TIMER_REXMT && tcp_rexmt_count(c) == 0)
		ms = a->cx->now_ms - (c->deadline_ms - tcp_rto_ms(a->cx, c, a->ext));
	else if (!echo_ms(a, &ms))
		return;
	c->srtt_coarse = rtt_coarse_sample(0, ms);
}

static void measure(struct arrival *a, struct tcp_ext *x)
{
	uint32_t ms;

	if ((x->flags & TCP_X_TIMING) && seq_ge(a->seg->ack, x->timed_seq)) {
		uint64_t us = a->cx->now_us - x->timed_us;

		rtt_sample(&x->rtt, (uint32_t)MR_MIN(us, (uint64_t)RTT_SAMPLE_MAX_US));
		x->flags = (uint8_t)(x->flags & ~TCP_X_TIMING);
	} else if ((x->flags & TCP_X_REPAIRED) && echo_ms(a, &ms)) {
		rtt_sample(&x->rtt, ms * 1000);	/* timestamps tell which copy was answered (Karn) */
	}
	if (seq_gt(a->seg->ack, x->loss.recover))
		x->flags = (uint8_t)(x->flags & ~TCP_X_REPAIRED);
}

/* RFC 7323 4.3: TS.Recent moves when the segment covers Last.ACK.sent and is not older. */
void tcp_record_timestamp(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	uint32_t last_ack = a->ext != NULL ? a->ext->last_ack : c->rcv_nxt;

	if ((c->flags & TCP_F_TS) == 0 || (a->seg->opts & TCP_OPT_TS) == 0)
		return;
	if (seq_le(a->seg->seq, last_ack))
		tcp_set_ts_recent(c, a->seg->tsval, a->cx->now_ms);
}

/* ---- what the ACK covers ---- */

/* Owes the reports that an acknowledgment may make due. */
static void report(struct arrival *a, struct tcp_ext *x)
{
	bool told = (a->c->flags & TCP_F_CLOSED) == 0;

	if ((x->flags & TCP_X_NOTIFY) && seq_ge(a->c->snd_una, x->notify_seq)) {
		x->flags = (uint8_t)(x->flags & ~TCP_X_NOTIFY);
		a->v->bits |= told ? TCP_V_ACKED : 0;
	}
	if ((x->flags & TCP_X_WRITABLE) && x->snd_queued <= a->cx->params->snd_buf / 2) {
		x->flags = (uint8_t)(x->flags & ~TCP_X_WRITABLE);
		a->v->bits |= told ? TCP_V_WRITABLE : 0;
	}
}

static void act_on_loss(struct arrival *a, struct tcp_ext *x, unsigned int actions)
{
	struct tcp_conn *c = a->c;

	if (actions & NEWRENO_FAST)
		mr_count(a->cx->counters, MR_C_TCP_FAST_REXMT);
	if ((actions & NEWRENO_RETRANSMIT) && c->snd_una != c->snd_nxt)
		tcp_resend_from_una(c, x, c->snd_una + MR_MIN(c->snd_nxt - c->snd_una,
							      tcp_effective_mss(c)));
	if ((actions & NEWRENO_RESTART_TIMER) && c->snd_una != c->snd_nxt)
		tcp_rexmt_start(a->cx, c, x);
}

static void ext_acked(struct arrival *a, struct tcp_ext *x, const struct newreno_flight *f, uint32_t data)
{
	uint32_t ack = a->seg->ack;

	tcp_sendq_acked(a->cx->pool, x, data);
	if (seq_ge(ack, x->resend_end))
		x->resend_seq = x->resend_end = ack;
	else if (seq_gt(ack, x->resend_seq))
		tcp_resend_from_una(a->c, x, x->resend_end);
	x->active_ms = a->cx->now_ms;
	measure(a, x);
	act_on_loss(a, x, newreno_acked(&x->loss, &x->cc, f, ack));
	report(a, x);
}

/* SND.UNA < SEG.ACK =< SND.NXT: "set SND.UNA <- SEG.ACK". */
static void new_ack(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	struct newreno_flight flight = {c->snd_una, c->snd_nxt};
	bool fin = tcp_fin_outstanding(c) && a->seg->ack == c->snd_nxt;
	uint32_t data = a->seg->ack - c->snd_una - fin;

	MR_ASSERT(data == 0 || a->ext != NULL);
	c->snd_una = a->seg->ack;
	tcp_set_rexmt_count(c, 0);
	if (c->timer == TCP_TIMER_RESEND)
		c->timer = TCP_TIMER_REXMT;
	if (c->snd_una == c->snd_nxt)		/* RFC 6298 5.2 */
		c->timer = TCP_TIMER_NONE;
	if (a->ext != NULL)
		ext_acked(a, a->ext, &flight, data);
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
	struct newreno_flight flight = {a->c->snd_una, a->c->snd_nxt};

	act_on_loss(a, a->ext, newreno_dupack(&a->ext->loss, &a->ext->cc, &flight));
}

/* ---- the send window ---- */

static void update_window(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	struct tcp_ext *x = a->ext;

	if (x == NULL) {
		if (a->seq == c->rcv_nxt)
			c->snd_wnd = a->seg->wnd;
		return;
	}
	if (seq_lt(a->seq, x->snd_wl1))
		return;
	x->snd_wl1 = a->seq;
	c->snd_wnd = a->seg->wnd;
	x->snd_wnd_max = MR_MAX(x->snd_wnd_max, tcp_snd_wnd(c));
}

/* Somebody is there: probes count anew, and a closed window does not wear out the connection. */
static void answered(struct arrival *a)
{
	struct tcp_conn *c = a->c;

	if (a->ext != NULL)
		a->ext->unanswered = 0;
	if (c->snd_wnd == 0 && tcp_rexmt_count(c) > ANSWERED_COUNT)
		tcp_set_rexmt_count(c, ANSWERED_COUNT);
	if (c->timer == TCP_TIMER_KEEPALIVE) {
		tcp_set_rexmt_count(c, 0);
		c->deadline_ms = a->cx->now_ms + a->cx->params->keepalive_idle_ms;
	}
}

/* ---- the section ---- */

void tcp_syn_acked(struct arrival *a)
{
	struct tcp_conn *c = a->c;

	measure_syn(a);
	c->snd_una = a->seg->ack;
	c->timer = TCP_TIMER_NONE;
	a->v->bits |= TCP_V_ESTABLISHED;
}

/* SYN_RCVD: "If SND.UNA < SEG.ACK =< SND.NXT, then enter ESTABLISHED state", else a reset. */
static struct outcome ack_syn_rcvd(struct arrival *a)
{
	struct tcp_conn *c = a->c;

	if (!seq_gt(a->seg->ack, c->snd_una) || !seq_le(a->seg->ack, c->snd_nxt))
		return out_drop(OUT_RST, MR_C_TCP_BAD_ACK);
	tcp_syn_acked(a);
	c->snd_wnd = a->seg->wnd;
	tcp_record_timestamp(a);
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

	if (!ack_in_range(a))
		return false;
	tcp_record_timestamp(a);
	if (seq_gt(a->seg->ack, c->snd_una))
		new_ack(a);
	else if (is_duplicate(a))
		duplicate_ack(a);
	if (a->seg->ack == c->snd_una)
		update_window(a);
	answered(a);
	return true;
}

struct outcome tcp_check_ack(struct arrival *a)
{
	struct tcp_conn *c = a->c;

	if ((a->flags & TCP_ACK) == 0)
		return out_drop(0, MR_C_TCP_NO_ACK);
	if (c->state == TCP_SYN_RCVD)
		return ack_syn_rcvd(a);
	if (!ack_established(a))
		return out_drop(OUT_CHALLENGE, MR_C_TCP_BAD_ACK);
	if (c->snd_una != c->snd_nxt)
		return OUT_NEXT;
	switch ((enum tcp_state)c->state) {	/* "if our FIN is now acknowledged" */
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
