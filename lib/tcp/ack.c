/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 9293 3.10.7.4, fifth: check the ACK field. What is acknowledged leaves the send queue, is a
 * measurement of the round trip and a sign to congestion control; the send window moves. With a
 * scoreboard (SACK) losses are found by RACK and mended under PRR, without one as NewReno does it.
 */
#include "internal.h"
#include "sack.h"

/* What the steps below share: an ACK at work. */
struct ack {
	struct tcp_cx *cx;
	struct tcp_conn *c;
	struct tcp_ext *x;
	const struct tcp_seg *seg;
	struct tcp_verdict *v;
	unsigned int timeouts;	/* in a row, before it */
};

/* ---- what the ACK covers ---- */

/* `original_us`: a round trip of what was sent once only, known by the scoreboard; 0: none. */
static void measure(const struct ack *k, uint32_t original_us, bool advances)
{
	struct tcp_ext *x = k->x;
	uint32_t ms;

	if ((x->flags & TCP_X_TIMING) && seq_ge(k->seg->ack, x->timed_seq)) {
		rtt_sample(&x->rtt, (uint32_t)k->cx->now_us - x->timed_us);
		x->flags = (uint8_t)(x->flags & ~TCP_X_TIMING);
	} else if ((x->flags & TCP_X_REPAIRED) && original_us != 0) {
		rtt_sample(&x->rtt, original_us);
	} else if ((x->flags & TCP_X_REPAIRED) && advances &&
		   tcp_echo_ms(k->cx, k->c, k->seg, &ms)) {
		rtt_sample(&x->rtt, ms * 1000);	/* timestamps tell which copy was answered (Karn) */
	}
	if (seq_gt(k->seg->ack, x->loss.recover))
		x->flags = (uint8_t)(x->flags & ~TCP_X_REPAIRED);
}

void tcp_report_acked(const struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x,
		      struct tcp_verdict *v)
{
	bool told = (c->flags & TCP_F_CLOSED) == 0;

	if ((x->flags & TCP_X_NOTIFY) && seq_ge(c->snd_una, x->notify_seq)) {
		x->flags = (uint8_t)(x->flags & ~TCP_X_NOTIFY);
		v->bits |= told ? TCP_V_ACKED : 0;
	}
	if ((x->flags & TCP_X_WRITABLE) && x->snd_queued <= cx->params->snd_buf / 2) {
		x->flags = (uint8_t)(x->flags & ~TCP_X_WRITABLE);
		v->bits |= told ? TCP_V_WRITABLE : 0;
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

/* ---- with a scoreboard ---- */

/*
 * The window of before the loss, and nothing is to be sent again. What seemed lost without a
 * timeout was delivered behind what was sent after it.
 */
static void undo(const struct ack *k, struct tcp_flight *f)
{
	f->path.reordered |= k->x->loss.phase != NEWRENO_LOSS;
	cc_undo(&k->x->cc, k->cx->now_ms);
	board_undo(&f->board);
	k->x->loss.phase = NEWRENO_OPEN;
	f->flags &= TCP_FL_PROBE | TCP_FL_ARM;
	mr_count(k->cx->counters, MR_C_TCP_UNDONE);
}

/* Was the loss that is being mended, or was mended last, none at all? */
static bool was_spurious(const struct ack *k, const struct tcp_flight *f, const struct rack_ack *ra)
{
	uint32_t echo_ms = k->cx->now_ms - ra->echo_age_us / 1000;

	if ((f->flags & TCP_FL_UNDO) == 0 || (f->flags & TCP_FL_RESENT) == 0)
		return false;
	/* RFC 3522: the first copy was answered */
	if (ra->repeated && ra->echo_age_us != UINT32_MAX && seq_lt(echo_ms, f->undo_ms))
		return true;
	/* RFC 5682 3.1 step 3: what was never sent again arrives after all */
	if ((f->flags & TCP_FL_FRTO_2) && ra->original)
		return true;
	/* all that was sent again came twice (RFC 2883 5) */
	return f->undo_octets == 0;
}

/* RFC 5682 3.1, step 2: after the first ACK new data goes out, to tell by what it is answered. */
static void frto_step(const struct ack *k, struct tcp_flight *f, bool advances)
{
	const struct tcp_conn *c = k->c;
	uint32_t edge = k->seg->ack + ((uint32_t)k->seg->wnd << tcp_snd_shift(c));
	uint32_t mss = tcp_effective_mss(c);
	bool first = (f->flags & TCP_FL_FRTO_1) != 0;

	f->flags = (uint8_t)(f->flags & ~(TCP_FL_FRTO_1 | TCP_FL_FRTO_2));
	if (!first || !advances || seq_gt(k->seg->ack, k->x->loss.recover))
		return;
	if (tcp_unsent(c, k->x) < mss || seq_diff(edge, c->snd_nxt) < (int32_t)mss)
		return;
	f->flags |= TCP_FL_FRTO_2;
	f->frto_nxt = c->snd_nxt;
}

/* RFC 8985 7.4.2: did the probe repair a loss that nothing else told of? */
static void probe_answered(const struct ack *k, struct tcp_flight *f,
			   const struct seq_range *duplicate, bool advances)
{
	uint32_t ack = k->seg->ack, flight = k->c->snd_nxt - k->c->snd_una;
	struct tcp_ext *x = k->x;
	uint8_t probe = f->probe;

	if ((probe & TCP_PROBE_OUT) == 0 || seq_lt(ack, f->probe_end))
		return;
	f->probe = 0;
	if ((probe & TCP_PROBE_RESENT) == 0 ||
	    (!seq_range_empty(duplicate) && duplicate->right == f->probe_end))
		return;
	if (ack == f->probe_end) {	/* a bare duplicate: a peer without D-SACK */
		f->probe = advances || (k->seg->opts & TCP_OPT_SACK) ? probe : 0;
		return;
	}
	mr_count(k->cx->counters, MR_C_TCP_TLP_REPAIRED);
	if (x->loss.phase != NEWRENO_OPEN)
		return;
	cc_loss(&x->cc, MR_MAX(MR_MIN(flight, x->cc.cwnd), (uint32_t)x->cc.smss));
	cc_set_window(&x->cc, MR_MIN(x->cc.cwnd, x->cc.ssthresh));
}

/* The blocks of the ACK; what tells of a duplicate is returned. */
static struct seq_range take_blocks(const struct ack *k, struct tcp_flight *f, struct rack_ack *ra)
{
	const struct tcp_conn *c = k->c;
	const struct sack_span span = {k->seg->ack, c->snd_nxt, k->x->snd_wnd_max};
	struct sack_news news = {0};
	uint32_t twice;

	if ((k->seg->opts & TCP_OPT_SACK) == 0)
		return news.duplicate;
	sack_judge(&news, k->seg->sack, k->seg->nsack, &span);
	for (unsigned int i = 0; i < news.n; i++)
		news.ignored += !board_sack(&f->board, news.block[i], rack_seen, ra);
	mr_count_n(k->cx->counters, MR_C_TCP_SACK_IGNORED, news.ignored);
	twice = news.duplicate.right - news.duplicate.left;
	if (twice == 0)
		return news.duplicate;
	mr_count(k->cx->counters, MR_C_TCP_DSACK_RX);
	/* what the network doubled, or a probe repeated, says nothing of reordering */
	if (f->undo_octets != 0) {
		f->undo_octets -= MR_MIN(f->undo_octets, twice);
		rack_dsack(&f->rack, &f->path, c->snd_una, c->snd_nxt);
	}
	return news.duplicate;
}

static void follow_prr(const struct ack *k, struct tcp_flight *f, uint32_t delivered)
{
	struct cc *cc = &k->x->cc;

	cc_set_window(cc, prr_window(&f->prr, delivered, board_pipe(&f->board), cc->ssthresh,
				     cc->smss));
}

/* Fast recovery begins (RFC 6675 5 step 4, RFC 6937 3). */
static void recover(const struct ack *k, struct tcp_flight *f, uint32_t delivered)
{
	uint32_t flight = k->c->snd_nxt - k->c->snd_una;
	struct tcp_ext *x = k->x;

	MR_CHECK(flight != 0 && f->board.lost != 0);
	tcp_loss_begins(f);
	x->loss.recover = k->c->snd_nxt - 1;
	x->loss.phase = NEWRENO_RECOVERY;
	cc_loss(&x->cc, MR_MIN(flight, x->cc.cwnd));
	prr_begin(&f->prr, flight);
	follow_prr(k, f, delivered);
	f->flags |= TCP_FL_FORCE;
	tcp_rexmt_start(k->cx, k->c, x);
	mr_count(k->cx->counters, MR_C_TCP_FAST_REXMT);
}

/*
 * RFC 6937 3: at the end of recovery. What the ACK tells of besides counts as in any other: the
 * mended octets take a place of the window, and without them it would grow a round trip later.
 */
static void recovered(struct tcp_ext *x, const struct newreno_flight *nf, uint32_t delivered)
{
	const struct cc_ack ack = {.acked = delivered, .flight = nf->nxt - nf->una,
				   .now_ms = nf->now_ms, .srtt_us = nf->srtt_us};

	cc_set_window(&x->cc, x->cc.ssthresh);
	x->loss.phase = NEWRENO_OPEN;
	if (delivered != 0)
		cc_acked(&x->cc, &ack);
}

/* What congestion control makes of the ACK. */
static void respond(const struct ack *k, struct tcp_flight *f, const struct newreno_flight *nf,
		    uint32_t delivered)
{
	struct tcp_ext *x = k->x;
	bool advances = k->seg->ack != nf->una, mended = seq_gt(k->seg->ack, x->loss.recover);

	if (x->loss.phase != NEWRENO_OPEN && mended && advances)
		rack_recovered(&f->path);
	if (x->loss.phase != NEWRENO_RECOVERY) {
		if (advances)
			act_on_loss(k, newreno_acked(&x->loss, &x->cc, nf, k->seg->ack));
	} else if (mended && advances) {
		recovered(x, nf, delivered);
	} else {
		follow_prr(k, f, delivered);
	}
	if (advances && k->c->snd_una != k->c->snd_nxt)		/* RFC 6298 5.3 */
		tcp_rexmt_start(k->cx, k->c, x);
	if (x->loss.phase == NEWRENO_OPEN && f->board.lost != 0)
		recover(k, f, delivered);
}

/* An ACK for a connection with a scoreboard; una: SND.UNA before it. */
static void flight_acked(const struct ack *k, struct tcp_flight *f, uint32_t una)
{
	struct tcp_ext *x = k->x;
	struct newreno_flight nf;
	struct rack_ack ra = {
		.rack = &f->rack, .path = &f->path, .now_us = (uint32_t)k->cx->now_us,
		.now_ms = k->cx->now_ms, .recover = x->loss.recover,
		.echo_age_us = tcp_echo_age_us(k->cx, k->c, k->seg),
		.cumulative = true, .mending_us = tcp_mending_us(k->cx, f),
	};
	bool advances = k->seg->ack != una;
	struct seq_range duplicate;

	if (advances)
		board_acked(&f->board, k->seg->ack, rack_seen, &ra);
	ra.cumulative = false;
	duplicate = take_blocks(k, f, &ra);
	tcp_path_carries(k->cx, k->c, x, k->timeouts, ra.widest);
	rack_measure(&ra);
	measure(k, ra.rtt_us, advances);
	probe_answered(k, f, &duplicate, advances);
	if (was_spurious(k, f, &ra))
		undo(k, f);
	else if (f->flags & (TCP_FL_FRTO_1 | TCP_FL_FRTO_2))
		frto_step(k, f, advances);
	tcp_detect_losses(k->cx, x, f);
	nf = tcp_flight(k->cx, k->c, x, una, ra.rtt_us);
	respond(k, f, &nf, ra.delivered);
	f->flags |= advances ? TCP_FL_ARM : 0;
	if (k->c->snd_una == k->c->snd_nxt) {	/* all is well; a duplicate may still be told of */
		f->timer = TCP_LOSS_NONE;
		f->flags &= TCP_FL_UNDO | TCP_FL_RESENT;
	}
}

void tcp_reorder_expired(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x)
{
	const struct ack k = {cx, c, x, NULL, NULL, 0};
	struct tcp_flight *f = tcp_flight_of(cx->pool, x);

	tcp_detect_losses(cx, x, f);
	if (f->board.lost != 0 && x->loss.phase == NEWRENO_OPEN)
		recover(&k, f, 0);
}

static void ext_acked(const struct ack *k, uint32_t una, uint32_t data)
{
	struct tcp_flight *f = tcp_flight_of(k->cx->pool, k->x);
	struct tcp_ext *x = k->x;
	uint32_t ack = k->seg->ack;
	struct newreno_flight nf;

	tcp_sendq_acked(k->cx->pool, x, data);
	if (f != NULL && seq_gt(ack, x->resend_seq))
		tcp_resend_from_head(k->c, x);
	else if (seq_ge(ack, x->resend_end))
		x->resend_seq = x->resend_end = ack;
	else if (seq_gt(ack, x->resend_seq))
		tcp_resend_from_una(k->c, x, x->resend_end);
	x->active_ms = k->cx->now_ms;
	if (k->c->flags & TCP_F_ECN)
		passes_mark(x, ack);
	if (f != NULL) {
		flight_acked(k, f, una);
	} else {
		measure(k, 0, true);
		nf = tcp_flight(k->cx, k->c, x, una, tcp_echo_rtt_us(k->cx, k->c, k->seg));
		act_on_loss(k, newreno_acked(&x->loss, &x->cc, &nf, ack));
	}
	tcp_report_acked(k->cx, k->c, x, k->v);
}

void tcp_new_ack(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
		 const struct tcp_seg *seg, struct tcp_verdict *v)
{
	const struct ack k = {cx, c, x, seg, v, tcp_rexmt_count(c)};
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
 * RFC 3168 6.1.2: the window is reduced as for a loss, once a window of data; a loss that is being
 * mended has done so. `acked`: what was in flight, where nothing is any more.
 */
static void told_of_mark(const struct arrival *a, uint32_t acked)
{
	struct tcp_conn *c = a->c;
	struct tcp_ext *x = a->ext;
	uint32_t flight = c->snd_una != c->snd_nxt ? c->snd_nxt - c->snd_una : acked;

	if ((c->flags & TCP_F_ECN) == 0 || x == NULL || flight == 0 ||
	    x->loss.phase != NEWRENO_OPEN || seq_le(c->snd_una, x->ecn_seq))
		return;
	cc_mark(&x->cc, MR_MIN(flight, x->cc.cwnd));
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

/* An ACK that acknowledges nothing new; it may tell of a loss all the same. */
static void repeated_ack(struct arrival *a)
{
	const struct ack k = {a->cx, a->c, a->ext, a->seg, a->v, 0};
	struct tcp_flight *f;

	if (a->ext == NULL || a->seg->ack != a->c->snd_una)
		return;
	f = tcp_flight_of(a->cx->pool, a->ext);
	if (f != NULL) {
		if ((a->seg->opts & TCP_OPT_SACK) || is_duplicate(a))
			flight_acked(&k, f, a->c->snd_una);
	} else if (is_duplicate(a)) {
		const struct newreno_flight nf =
			tcp_flight(a->cx, a->c, a->ext, a->c->snd_una, 0);

		act_on_loss(&k, newreno_dupack(&a->ext->loss, &a->ext->cc, &nf));
	}
}

/* ---- the section ---- */

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
	const uint32_t una = c->snd_una;
	const bool acks = seq_gt(a->seg->ack, una);

	if (!ack_in_range(a))
		return false;
	tcp_record_timestamp(a->cx, c, a->ext, a->seg);
	if (acks)
		tcp_new_ack(a->cx, c, a->ext, a->seg, a->v);
	else
		repeated_ack(a);
	if (MR_UNLIKELY(a->flags & TCP_ECE))
		told_of_mark(a, c->snd_una - una);
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
		return tcp_ack_syn_rcvd(a);
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
