/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timers of a connection. Others announce what happened; which timer runs is decided here.
 *
 * - REXMT: something is outstanding (SYN, data, FIN); RFC 6298. Restarted by new ACKs, doubled by
 *   each expiry, given up after the limit of the state.
 * - PERSIST: unsent data, nothing outstanding: the window is closed (probes, without end while they
 *   are answered: MUST-37) or too small to be worth a segment (override, RFC 9293 3.8.6.2.1).
 * - FIN_WAIT_2: the handler has closed and the peer has not: an orphan is not kept for ever, and
 *   not at all while too many connections are closing.
 * - KEEPALIVE: nothing to do at all, and the operator wants to know whether the peer lives (3.8.4).
 * - EXT: both queues are empty: the extension goes back after an RTO of silence.
 * - WAIT: tcp_send() was refused for want of memory, and no ACK will come to tell of room.
 *
 * They exclude each other. Beside them run, each with a time of its own:
 *
 * - the delayed ACK (3.8.6.3), in the extension;
 * - in the scoreboard, when data next leaves where sending is paced;
 * - there, too, while REXMT runs, one of two that ask for a segment before it expires:
 *   REORDER (RFC 8985 6.3), when what is late will count as lost, and PROBE (7.2), two round trips
 *   after the last new data or ACK, when nothing is known to be missing. A probe starts REXMT anew;
 *   an expiry of REXMT stops both.
 *
 * The connection's one deadline (tcp_next_due()) is the earliest of all these. Whatever
 * runs was started by tcp_settle_timer(), called when tcp_next_segment() has nothing more to send,
 * or by the segment that was sent. A timer never sends: it leaves RESEND, or a range to resend, to
 * output.c.
 */
#include "mtu.h"
#include "paced.h"

/* RFC 9293 3.8.6.2.1: "The override timeout should be in the range 0.1 - 1.0 seconds." */
#define OVERRIDE_MIN_MS 100u
#define OVERRIDE_MAX_MS 1000u
#define WAIT_MS 20u	/* how soon a refused tcp_send() may try again */

/* ---- orphans ---- */

/*
 * A connection whose handler has closed costs a record for as long as the peer likes. Closing takes
 * a round trip, for which no question is asked; who has to wait longer (for an ACK that did not
 * come in time, for a window, for the peer's FIN) does so only while no more than orphans_max
 * connections are closing.
 */
static bool orphan_too_many(const struct tcp_cx *cx, const struct tcp_conn *c)
{
	if ((c->flags & TCP_F_CLOSED) == 0)
		return false;
	return cx->states[__builtin_ctz(TCP_FIN_WAIT_1)] +
		       cx->states[__builtin_ctz(TCP_FIN_WAIT_2)] +
		       cx->states[__builtin_ctz(TCP_CLOSING)] +
		       cx->states[__builtin_ctz(TCP_LAST_ACK)] > cx->params->orphans_max;
}

/* ---- which timer runs when nothing more is to be sent ---- */

static enum tcp_timer wanted(const struct tcp_cx *cx, const struct tcp_conn *c,
			     const struct tcp_ext *x)
{
	if (c->snd_una != c->snd_nxt)
		return TCP_TIMER_REXMT;
	if (tcp_state(c) == TCP_TIME_WAIT)
		return TCP_TIMER_NONE;
	if (x != NULL && tcp_unsent(c, x) != 0)
		return tcp_paced_out(cx, x) ? TCP_TIMER_NONE : TCP_TIMER_PERSIST;
	if (c->timer == TCP_TIMER_WAIT || (x != NULL && (x->flags & TCP_X_WRITABLE)))
		return TCP_TIMER_WAIT;
	if (tcp_state(c) == TCP_FIN_WAIT_2 && (c->flags & TCP_F_CLOSED))
		return TCP_TIMER_FIN_WAIT_2;
	if (x != NULL && tcp_ext_idle(c, x))
		return TCP_TIMER_EXT;
	if (cx->params->keepalive_idle_ms != 0)
		return TCP_TIMER_KEEPALIVE;
	return TCP_TIMER_NONE;
}

static uint32_t persist_ms(const struct tcp_cx *cx, const struct tcp_conn *c,
			   const struct tcp_ext *x)
{
	uint32_t ms = tcp_rto_ms(cx, c, x);

	if (tcp_snd_wnd(c) == 0)	/* SHLD-29: the first probe after one RTO */
		return ms;
	return MR_MIN(MR_MAX(ms, OVERRIDE_MIN_MS), OVERRIDE_MAX_MS);
}

static uint32_t span_ms(const struct tcp_cx *cx, const struct tcp_conn *c, const struct tcp_ext *x,
			enum tcp_timer timer)
{
	switch (timer) {
	case TCP_TIMER_PERSIST:
		return persist_ms(cx, c, x);
	case TCP_TIMER_REXMT:
	case TCP_TIMER_EXT:
		return tcp_rto_ms(cx, c, x);
	case TCP_TIMER_FIN_WAIT_2:
		return orphan_too_many(cx, c) ? 0 : cx->params->fin_wait_2_ms;
	case TCP_TIMER_KEEPALIVE:
		return cx->params->keepalive_idle_ms;
	case TCP_TIMER_WAIT:
		return WAIT_MS;
	case TCP_TIMER_NONE:
	case TCP_TIMER_RESEND:
		break;
	}
	return 0;
}

/* The window opened, by too little, while a probe waited: no longer than the override timer. */
static void override_from_probe(const struct tcp_cx *cx, struct tcp_conn *c,
				const struct tcp_ext *x)
{
	tcp_set_rexmt_count(c, 0);
	c->deadline_ms = seq_min(c->deadline_ms, cx->now_ms + persist_ms(cx, c, x));
}

void tcp_settle_timer(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x)
{
	struct tcp_flight *f = x != NULL ? tcp_flight_of(cx->pool, x) : NULL;
	enum tcp_timer timer = wanted(cx, c, x);

	if (f != NULL && (f->flags & TCP_FL_ARM))
		tcp_arm_probe(cx, c, x, f);
	if (MR_LIKELY((enum tcp_timer)c->timer == timer)) {
		if (MR_UNLIKELY(timer == TCP_TIMER_PERSIST) && tcp_snd_wnd(c) != 0)
			override_from_probe(cx, c, x);
		return;
	}
	/*
	 * The count of a lost SYN is kept while nothing else counts: tcp_ext_start() asks for it.
	 */
	if (timer == TCP_TIMER_REXMT || timer == TCP_TIMER_PERSIST || timer == TCP_TIMER_KEEPALIVE)
		tcp_set_rexmt_count(c, 0);
	tcp_timer_start(c, timer, cx->now_ms + span_ms(cx, c, x, timer));
	/* An orphan takes no data: its extension need not wait out the limit too. */
	if (timer == TCP_TIMER_FIN_WAIT_2 && x != NULL && tcp_ext_idle(c, x))
		tcp_release(cx, c);
}

static void earlier(bool *any, uint32_t *due_ms, uint32_t ms)
{
	*due_ms = *any ? seq_min(*due_ms, ms) : ms;
	*any = true;
}

bool tcp_next_due(const struct tcp_cx *cx, const struct tcp_conn *c, uint32_t *due_ms)
{
	const struct tcp_ext *x = tcp_ext_of(cx->pool, c);
	const struct tcp_flight *f = x != NULL ? tcp_flight_of(cx->pool, x) : NULL;
	bool any = c->timer != TCP_TIMER_NONE;

	*due_ms = c->deadline_ms;
	if (x != NULL && (x->flags & TCP_X_DELACK))
		earlier(&any, due_ms, x->delack_ms);
	if (f != NULL && f->timer != TCP_LOSS_NONE)
		earlier(&any, due_ms, f->due_ms);
	if (f != NULL && (f->flags & TCP_FL_PACED))
		earlier(&any, due_ms, tcp_paced_until_ms(cx, f));
	return any;
}

/* ---- expiry ---- */

static void give_up(struct tcp_cx *cx, struct tcp_conn *c, enum mr_reason reason,
		    struct tcp_verdict *v)
{
	if (tcp_synchronized(c))
		tcp_reset(c, v);
	tcp_end(cx, c, reason, v);
}

static unsigned int retries_max(const struct tcp_params *p, const struct tcp_conn *c)
{
	if (tcp_state(c) == TCP_SYN_SENT)
		return p->syn_retries;
	if (tcp_state(c) == TCP_SYN_RCVD)
		return p->synack_retries;
	return tcp_data_retries(p, c);
}

/*
 * RFC 4821 7.7, RFC 8899 4.3: full segments vanish, time after time, and no ICMP error says why:
 * the path may swallow what is large. Smaller ones are tried, one step each timeout. When the
 * smallest vanish too it is not their size, and the full size has its right again; a series of
 * timeouts steps down only once.
 */
static void suspect_path(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			 unsigned int timeouts)
{
	const uint16_t headers = cx->family == 6 ? 60 : 40;
	const bool trial = x->path_trial && cx->now_ms - x->path_ms < PATH_TRIAL_MS;
	uint16_t mtu;

	if (!cx->params->mtu_probing || tcp_data_outstanding(c) < tcp_effective_mss(c))
		return;
	if (timeouts < PATH_SUSPECT_TIMEOUTS && !trial)
		return;
	if (timeouts > PATH_SUSPECT_TIMEOUTS && x->path_full == 0)
		return;
	mtu = path_step_down(cx->family, (uint16_t)(c->mss + headers));
	if (mtu != 0) {
		tcp_set_path_mss(cx, c, x, (uint16_t)(mtu - headers));
		mr_count(cx->counters, MR_C_TCP_MTU_LOWERED);
	} else if (x->path_full != 0) {
		tcp_restore_path_mss(cx, c, x);
	}
}

/* ---- the user timeout (RFC 9293 3.9.1, RFC 5482): R2 as a time ---- */

/*
 * How long the running timer has had no answer, at its `count`-th expiry. With an extension since
 * the first one was started; else (SYN, FIN of a connection without data) it is the sum of the
 * intervals, of which nothing but the count makes one longer.
 */
static uint32_t silence_ms(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x)
{
	unsigned int count = tcp_rexmt_count(c);
	uint32_t sum_ms = 0;

	if (x != NULL) {
		if (count == 0)
			x->stalled_ms = c->deadline_ms - tcp_rto_ms(cx, c, x);
		return cx->now_ms - x->stalled_ms;
	}
	for (unsigned int k = 0; k <= count; k++) {
		tcp_set_rexmt_count(c, k);
		sum_ms += tcp_rto_ms(cx, c, NULL);
	}
	return sum_ms;
}

/* Is it over? The limit of retries is 0 .. MR_RETRIES_MAX: the count has four bits. */
static bool worn_out(const struct tcp_cx *cx, const struct tcp_conn *c, unsigned int count,
		     uint32_t silent_ms)
{
	uint32_t limit_ms = cx->params->user_timeout_ms;
	bool retries_used = count >= retries_max(cx->params, c);

	if (limit_ms == 0)
		return retries_used;
	if (silent_ms >= limit_ms) {
		mr_count(cx->counters, MR_C_CONN_USER_TIMEOUT);
		return true;
	}
	/* RFC 5482 3: it stands in the place of R2 for data, also when it is longer. Without an
	 * extension the count is all there is to tell the time by. */
	return retries_used &&
	       (tcp_opening(c) || (count == MR_RETRIES_MAX && tcp_ext_index(c) == 0));
}

/* The next expiry is no later than the user timeout. */
static void no_later_than_user(const struct tcp_cx *cx, struct tcp_conn *c, uint32_t silent_ms)
{
	uint32_t limit_ms = cx->params->user_timeout_ms;

	if (limit_ms != 0)
		c->deadline_ms = seq_min(c->deadline_ms, cx->now_ms + limit_ms - silent_ms);
}

static void rexmt_expired(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			  struct tcp_verdict *v)
{
	unsigned int count = tcp_rexmt_count(c);
	uint32_t silent_ms = cx->params->user_timeout_ms != 0 ? silence_ms(cx, c, x) : 0;

	if (worn_out(cx, c, count, silent_ms)) {
		give_up(cx, c, tcp_soft_error_of(c, x) != 0 ? MR_UNREACHABLE : MR_TIMED_OUT, v);
		return;
	}
	if (count == 0 && x != NULL)	/* what was told before this series says nothing of it */
		x->soft_error = 0;
	mr_count(cx->counters, MR_C_TCP_RTO);
	tcp_set_rexmt_count(c, MR_MIN(count + 1, MR_RETRIES_MAX));
	c->timer = TCP_TIMER_RESEND;
	if (x != NULL && !tcp_opening(c) && (tcp_data_outstanding(c) != 0 || x->flight != 0)) {
		suspect_path(cx, c, x, count + 1);
		tcp_resend_all(cx, c, x, count != 0);
		c->timer = TCP_TIMER_REXMT;
	}
	if (x != NULL)
		rtt_backoff(&x->rtt);
	c->deadline_ms = cx->now_ms + tcp_rto_ms(cx, c, x);	/* RFC 6298 5.5, 5.6 */
	no_later_than_user(cx, c, silent_ms);
}

static void persist_expired(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			    struct tcp_verdict *v)
{
	unsigned int count = tcp_rexmt_count(c);
	uint32_t silent_ms;

	MR_ASSERT(x != NULL && c->snd_una == c->snd_nxt);
	if (tcp_snd_wnd(c) != 0) {	/* open, but by less than silly-window avoidance wants */
		x->flags |= TCP_X_FORCE;
		c->timer = TCP_TIMER_NONE;
		return;
	}
	if (x->unanswered == 0)
		x->stalled_ms = cx->now_ms;
	silent_ms = cx->now_ms - x->stalled_ms;
	if (worn_out(cx, c, x->unanswered, silent_ms)) {
		give_up(cx, c, MR_TIMED_OUT, v);
		return;
	}
	x->unanswered = (uint8_t)MR_MIN(x->unanswered + 1u, UINT8_MAX);
	tcp_set_rexmt_count(c, MR_MIN(count + 1, MR_RETRIES_MAX));	/* SHLD-30 */
	tcp_timer_start(c, TCP_TIMER_RESEND, cx->now_ms + tcp_rto_ms(cx, c, x));
	no_later_than_user(cx, c, silent_ms);
	mr_count(cx->counters, MR_C_TCP_PERSIST);
}

static void keepalive_expired(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_verdict *v)
{
	const struct tcp_params *p = cx->params;
	unsigned int count = tcp_rexmt_count(c);
	uint64_t silent_ms = p->keepalive_idle_ms + (uint64_t)count * p->keepalive_interval_ms;
	bool silent = count != 0 && p->user_timeout_ms != 0 && silent_ms >= p->user_timeout_ms;

	/* A user timeout stands in the place of the number of probes, as in Linux. */
	if (silent || count >= (p->user_timeout_ms != 0 ? MR_RETRIES_MAX : p->keepalive_probes)) {
		give_up(cx, c, MR_KEEPALIVE_TIMEOUT, v);
		return;
	}
	tcp_set_rexmt_count(c, count + 1);
	tcp_timer_start(c, TCP_TIMER_RESEND, cx->now_ms + p->keepalive_interval_ms);
	mr_count(cx->counters, MR_C_TCP_KEEPALIVE);
}

static void ext_expired(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x)
{
	MR_CHECK(c->snd_una == c->snd_nxt);
	if (MR_UNLIKELY(tcp_window_owed(cx, c, x))) {	/* read while mbufs were few */
		x->active_ms = cx->now_ms;
		c->flags |= cx->mbufs_low ? 0 : TCP_F_ACK_NOW;
	}
	c->deadline_ms = x->active_ms + tcp_rto_ms(cx, c, x);
	if (!tcp_ext_idle(c, x)) {
		c->timer = TCP_TIMER_NONE;
	} else if (seq_le(c->deadline_ms, cx->now_ms)) {
		tcp_release(cx, c);
		c->timer = TCP_TIMER_NONE;
	}
}

static void wait_expired(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			 struct tcp_verdict *v)
{
	const struct tcp_ext_pool *pool = cx->pool;

	c->timer = TCP_TIMER_NONE;
	if ((x == NULL && pool->nfree == 0) || pool->mbufs_held >= pool->mbufs_max) {
		tcp_timer_start(c, TCP_TIMER_WAIT, cx->now_ms + WAIT_MS);
		return;
	}
	if (x != NULL)
		x->flags = (uint8_t)(x->flags & ~TCP_X_WRITABLE);
	if (tcp_may_send(c) && (c->flags & (TCP_F_SHUT | TCP_F_CLOSED)) == 0)
		v->bits |= TCP_V_WRITABLE;
}

/* Octets, our FIN or our SYN, which in a fast open SND.UNA does not show. */
static bool unanswered(const struct tcp_conn *c)
{
	return c->snd_una != c->snd_nxt || tcp_opening(c);
}

/* Waits for the peer: an ACK, a window, or its FIN. */
static bool waits(const struct tcp_conn *c)
{
	return c->timer == TCP_TIMER_PERSIST || c->timer == TCP_TIMER_FIN_WAIT_2 || unanswered(c);
}

static void expired(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x, struct tcp_verdict *v)
{
	if (MR_UNLIKELY(orphan_too_many(cx, c)) && waits(c)) {
		mr_count(cx->counters, MR_C_CONN_ORPHAN_LIMIT);
		give_up(cx, c, c->timer == TCP_TIMER_FIN_WAIT_2 ? MR_FIN_WAIT_2_TIMEOUT
								: MR_TIMED_OUT, v);
		return;
	}
	switch ((enum tcp_timer)c->timer) {
	/* the caller did not ask what to send: as if it were lost */
	case TCP_TIMER_RESEND:
	case TCP_TIMER_REXMT:
		if (unanswered(c))
			rexmt_expired(cx, c, x, v);
		else
			c->timer = TCP_TIMER_NONE;
		break;
	case TCP_TIMER_PERSIST:
		persist_expired(cx, c, x, v);
		break;
	case TCP_TIMER_FIN_WAIT_2:
		tcp_end(cx, c, MR_FIN_WAIT_2_TIMEOUT, v);
		break;
	case TCP_TIMER_KEEPALIVE:
		keepalive_expired(cx, c, v);
		break;
	case TCP_TIMER_EXT:
		ext_expired(cx, c, x);
		break;
	case TCP_TIMER_WAIT:
		wait_expired(cx, c, x, v);
		break;
	case TCP_TIMER_NONE:
		break;
	}
}

static void loss_expired(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
			 struct tcp_flight *f)
{
	enum tcp_loss_timer timer = (enum tcp_loss_timer)f->timer;

	f->timer = TCP_LOSS_NONE;
	switch (timer) {
	case TCP_LOSS_REORDER:
		tcp_reorder_expired(cx, c, x);
		break;
	case TCP_LOSS_PROBE:
		if (f->board.sacked == 0 && x->loss.phase == NEWRENO_OPEN)
			f->flags |= TCP_FL_PROBE;	/* output.c sends it */
		break;
	case TCP_LOSS_NONE:
		break;
	}
}

void tcp_timeout(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_verdict *v)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);
	struct tcp_flight *f;

	*v = (struct tcp_verdict){0};
	MR_DEEP(tcp_check(cx, c));
	if (x != NULL && (x->flags & TCP_X_DELACK) && seq_le(x->delack_ms, cx->now_ms)) {
		x->flags = (uint8_t)(x->flags & ~TCP_X_DELACK);
		c->flags |= TCP_F_ACK_NOW;
		mr_count(cx->counters, MR_C_TCP_DELACK);
	}
	f = x != NULL ? tcp_flight_of(cx->pool, x) : NULL;
	if (f != NULL && f->timer != TCP_LOSS_NONE && seq_le(f->due_ms, cx->now_ms))
		loss_expired(cx, c, x, f);
	/* a probe goes out instead, and starts this timer anew */
	if (c->timer != TCP_TIMER_NONE && seq_le(c->deadline_ms, cx->now_ms) &&
	    (f == NULL || (f->flags & TCP_FL_PROBE) == 0))
		expired(cx, c, x, v);
	MR_DEEP(tcp_check(cx, c));
}
