/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * User calls (RFC 9293 3.10.2 to 3.10.5), options, and ICMP errors. They change what is wanted;
 * what goes out is decided by output.c when the caller asks for the next segment.
 */
#include "internal.h"
#include "mtu.h"

/* ---- options ---- */

static const struct { uint32_t least, most; } option_range[MR_OPTIONS] = {
#define O(id, low, high, text) [MR_OPT_##id] = {low, high},
	MR_OPTION_TABLE
#undef O
};

uint8_t tcp_window_shift(uint32_t rcv_buf)
{
	uint8_t shift = 0;

	while (shift < TCP_SCALE_MAX && (rcv_buf >> shift) > 0xffffu)
		shift++;
	return shift;
}

static bool in_range(enum mr_option option, uint32_t value)
{
	if ((unsigned int)option >= MR_OPTIONS)
		return false;
	if (option == MR_OPT_LINGER_MS && value > MR_USER_TIMEOUT_MAX_MS)
		return value == MR_LINGER_OFF;
	return value >= option_range[option].least && value <= option_range[option].most;
}

static void set_keepalive(struct tcp_params *p, bool on, uint32_t idle_ms)
{
	p->keepalive_on_ms = idle_ms;
	p->keepalive_idle_ms = on ? idle_ms : 0;
}

bool tcp_params_set(struct tcp_params *p, enum mr_option option, uint32_t value)
{
	if (!in_range(option, value))
		return false;
	switch (option) {
	case MR_OPT_NODELAY: p->nodelay = value != 0; break;
	case MR_OPT_KEEPALIVE: set_keepalive(p, value != 0, p->keepalive_on_ms); break;
	case MR_OPT_KEEPALIVE_IDLE_MS: set_keepalive(p, p->keepalive_idle_ms != 0, value); break;
	case MR_OPT_KEEPALIVE_INTERVAL_MS: p->keepalive_interval_ms = value; break;
	case MR_OPT_KEEPALIVE_PROBES: p->keepalive_probes = (uint8_t)value; break;
	case MR_OPT_USER_TIMEOUT_MS: p->user_timeout_ms = value; break;
	case MR_OPT_LINGER_MS: p->linger_ms = value; break;
	case MR_OPT_TTL: p->hop_limit = (uint8_t)value; break;
	case MR_OPT_TOS: p->tos = (uint8_t)(value & ~3u); break;
	case MR_OPT_MSS_MAX:
		p->mss4 = (uint16_t)MR_MIN((uint32_t)p->mss4, value);
		p->mss6 = (uint16_t)MR_MIN((uint32_t)p->mss6, value);
		break;
	case MR_OPT_SEND_BUFFER: p->snd_buf = value; break;
	case MR_OPT_RECEIVE_BUFFER:
		p->rcv_buf = value;
		p->rcv_buf_max = value;		/* said by who knows: it does not grow */
		p->rcv_scale = tcp_window_shift(value);
		break;
	case MR_OPT_FASTOPEN: p->fastopen = (uint8_t)value; break;
	case MR_OPT_FASTOPEN_PENDING: p->fastopen_pending = (uint16_t)value; break;
	case MR_OPT_PACING: p->pacing = value != 0; break;
	case MR_OPT_PACING_RATE_MAX: p->pacing_rate_max = value; break;
	case MR_OPTIONS: break;
	}
	return true;
}

uint32_t tcp_params_get(const struct tcp_params *p, enum mr_option option)
{
	switch (option) {
	case MR_OPT_NODELAY: return p->nodelay;
	case MR_OPT_KEEPALIVE: return p->keepalive_idle_ms != 0;
	case MR_OPT_KEEPALIVE_IDLE_MS: return p->keepalive_on_ms;
	case MR_OPT_KEEPALIVE_INTERVAL_MS: return p->keepalive_interval_ms;
	case MR_OPT_KEEPALIVE_PROBES: return p->keepalive_probes;
	case MR_OPT_USER_TIMEOUT_MS: return p->user_timeout_ms;
	case MR_OPT_LINGER_MS: return p->linger_ms;
	case MR_OPT_TTL: return p->hop_limit;
	case MR_OPT_TOS: return p->tos;
	case MR_OPT_MSS_MAX: return MR_MAX(p->mss4, p->mss6);
	case MR_OPT_SEND_BUFFER: return p->snd_buf;
	case MR_OPT_RECEIVE_BUFFER: return p->rcv_buf;
	case MR_OPT_FASTOPEN: return p->fastopen;
	case MR_OPT_FASTOPEN_PENDING: return p->fastopen_pending;
	case MR_OPT_PACING: return p->pacing;
	case MR_OPT_PACING_RATE_MAX: return p->pacing_rate_max;
	case MR_OPTIONS: break;
	}
	return 0;
}

bool tcp_params_apply(struct tcp_params *p, const struct mr_options *opt)
{
	for (uint32_t set = opt->set; set != 0; set &= set - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(set);

		if (i >= MR_OPTIONS || !tcp_params_set(p, (enum mr_option)i, opt->value[i]))
			return false;
	}
	return true;
}

/* A timer that runs already keeps its deadline, but for the one that the option is about. */
void tcp_option_changed(const struct tcp_cx *cx, struct tcp_conn *c, enum mr_option option)
{
	const struct tcp_params *p = cx->params;
	const struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (option == MR_OPT_NODELAY)
		c->flags = (uint8_t)((c->flags & ~TCP_F_NODELAY) |
				     (p->nodelay ? TCP_F_NODELAY : 0));
	if (option == MR_OPT_PACING_RATE_MAX && x != NULL && x->flight != 0)	/* at once */
		tcp_flight_of(cx->pool, x)->pacing = (struct pacing){0};
	if (option == MR_OPT_MSS_MAX)
		c->mss = MR_MIN(c->mss, tcp_own_mss(cx));
	if (option == MR_OPT_RECEIVE_BUFFER && tcp_state(c) == TCP_SYN_SENT && p->window_scaling &&
	    c->snd_nxt == c->snd_una)	/* before the SYN is sent, its scale still follows */
		c->scales = (uint8_t)(TCP_SCALE_NONE | p->rcv_scale << 4);
	if (c->timer == TCP_TIMER_KEEPALIVE || c->timer == TCP_TIMER_EXT)
		c->timer = TCP_TIMER_NONE;	/* what runs instead is settled with the output */
}

/* ---- 3.10.2: SEND ---- */

/* Send-queue mbufs of one connection: small ones must not make the octet bound worthless. */
#define SNDQ_MBUFS_MIN	512u
#define SNDQ_OCTETS_PER_MBUF 512u

static uint32_t mbufs_max(const struct tcp_cx *cx)
{
	return MR_MAX(SNDQ_MBUFS_MIN, cx->params->snd_buf / SNDQ_OCTETS_PER_MBUF);
}

static bool may_queue(const struct tcp_conn *c)
{
	return (tcp_opening(c) || tcp_may_send(c)) &&
	       (c->flags & (TCP_F_SHUT | TCP_F_CLOSED)) == 0;
}

uint32_t tcp_send_room(const struct tcp_cx *cx, const struct tcp_conn *c)
{
	const struct tcp_ext *x = tcp_ext_of(cx->pool, c);
	uint32_t buf = cx->params->snd_buf;

	if (!may_queue(c) || cx->pool->mbufs_held >= cx->pool->mbufs_max)
		return 0;
	if (x == NULL)
		return cx->pool->nfree != 0 ? buf : 0;
	return x->snd_queued < buf && x->snd_mbufs < mbufs_max(cx) ? buf - x->snd_queued : 0;
}

/* An empty queue takes any chain, or one longer than the buffer could never go out. */
static bool has_room(const struct tcp_cx *cx, const struct tcp_ext *x, const struct rte_mbuf *m)
{
	const struct tcp_ext_pool *pool = cx->pool;

	if (!tcp_mbufs_fit(pool, m))
		return false;
	if (x->snd_queued == 0)
		return true;
	return x->snd_queued + m->pkt_len <= cx->params->snd_buf &&
	       x->snd_mbufs + m->nb_segs <= mbufs_max(cx);
}

/*
 * Without an extension nothing is outstanding, so that no ACK would tell of room; or our SYN, and
 * then on_connected or on_accept follows.
 */
static void wait_for_memory(const struct tcp_cx *cx, struct tcp_conn *c)
{
	if (!tcp_synchronized(c))
		return;
	/* Keepalive probes end here. Any other count tells of a lost SYN: tcp_ext_start(). */
	if (c->timer == TCP_TIMER_KEEPALIVE || c->timer == TCP_TIMER_RESEND)
		tcp_set_rexmt_count(c, 0);
	tcp_timer_start(c, TCP_TIMER_WAIT, cx->now_ms);
}

/* RFC 1191 6.3, RFC 8201 5.3: paths change; now and then the full size is tried again. */
static void retry_path(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x)
{
	if (cx->now_ms - x->path_ms < PATH_RETRY_MS)
		return;
	tcp_restore_path_mss(cx, c, x);
	x->path_trial = true;
}

bool tcp_send(struct tcp_cx *cx, struct tcp_conn *c, struct rte_mbuf *m, unsigned int mr_send_flags)
{
	struct tcp_ext *x;

	/* As long as sequence numbers can tell; nobody could be told when less would do. */
	if (!may_queue(c) || m->pkt_len == 0 || m->pkt_len > MR_SEND_MAX)
		return false;
	x = tcp_ext_take(cx, c);
	if (MR_UNLIKELY(x == NULL)) {
		wait_for_memory(cx, c);
		return false;
	}
	if (!has_room(cx, x, m)) {
		x->flags |= TCP_X_WRITABLE;
		return false;
	}
	tcp_sendq_append(cx->pool, x, m);
	if (MR_UNLIKELY(x->path_full != 0) && tcp_synchronized(c))
		retry_path(cx, c, x);
	x->flags = (uint8_t)(x->flags & ~TCP_X_MORE);
	if (mr_send_flags & MR_SEND_MORE)
		x->flags |= TCP_X_MORE;
	if (mr_send_flags & MR_SEND_NOTIFY_ACKED) {
		x->flags |= TCP_X_NOTIFY;
		x->notify_seq = x->snd_base + x->snd_queued;
	}
	MR_DEEP(tcp_check(cx, c));
	return true;
}

void tcp_want_writable(struct tcp_cx *cx, struct tcp_conn *c)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (!may_queue(c))
		return;
	if (x != NULL)
		x->flags |= TCP_X_WRITABLE;
	else
		wait_for_memory(cx, c);
}

/*
 * Octets from the edge that was told can only come when the peer has heard of it: a round trip has
 * passed. When the handler has read up to there, and it took no more than two, the window is what
 * limits the peer, or nearly: it doubles. So it comes to between two and four times what a round
 * trip carries, and stays where it is for a peer or a handler that is slower.
 */
static void tune_window(const struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x)
{
	uint32_t most = MR_MIN(cx->params->rcv_buf_max, 0xffffu << tcp_rcv_shift(c));
	uint32_t took_us = (uint32_t)cx->now_us - x->tune_us, rtt_us = x->rtt.srtt_us;

	if (MR_LIKELY(seq_lt(c->rcv_nxt - x->unread, x->tune_seq)))
		return;
	MR_CHECK(seq_le(x->tune_seq, c->rcv_edge));
	if (rtt_us == 0)		/* the SYN was lost, or a cookie's: as its timer assumed */
		rtt_us = cx->params->rto_initial_ms * 1000;
	x->tune_seq = c->rcv_edge;
	x->tune_us = (uint32_t)cx->now_us;
	if (took_us / 2 <= rtt_us && tcp_rcv_space(cx, x) < most && !cx->mbufs_low)
		x->doublings++;
}

void tcp_consumed(struct tcp_cx *cx, struct tcp_conn *c, uint32_t len)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (x == NULL || len == 0)
		return;
	MR_CHECK(len <= x->unread);
	x->unread -= MR_MIN(len, x->unread);
	x->urgent = x->urgent && seq_gt(x->urg_seq, c->rcv_nxt - x->unread);
	tune_window(cx, c, x);
	if (!cx->mbufs_low && tcp_window_owed(cx, c, x))	/* else ext_expired() tells it */
		c->flags |= TCP_F_ACK_NOW;
}

uint32_t tcp_urgent(const struct tcp_cx *cx, const struct tcp_conn *c)
{
	const struct tcp_ext *x = tcp_ext_of(cx->pool, c);
	uint32_t read_to;

	if (x == NULL || !x->urgent)
		return 0;
	read_to = c->rcv_nxt - x->unread;
	return seq_gt(x->urg_seq, read_to) ? x->urg_seq - read_to : 0;
}

bool tcp_shutdown(struct tcp_cx *cx, struct tcp_conn *c)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (tcp_state(c) & (TCP_CLOSED | TCP_LISTEN))
		return false;
	c->flags |= TCP_F_SHUT;
	if (x != NULL)		/* the end comes: nothing is worth waiting for any more */
		x->flags = (uint8_t)(x->flags & ~(TCP_X_MORE | TCP_X_WRITABLE));
	if (c->timer == TCP_TIMER_WAIT)
		c->timer = TCP_TIMER_NONE;
	return true;
}

/*
 * 3.10.5: which states tell the peer. CLOSING, LAST_ACK, TIME_WAIT have both FINs: nothing to
 * reset.
 */
static bool abort_sends_rst(const struct tcp_conn *c)
{
	switch (tcp_state(c)) {
	case TCP_SYN_RCVD:
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
		return true;
	case TCP_CLOSED:
	case TCP_LISTEN:
	case TCP_SYN_SENT:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
	case TCP_TIME_WAIT:
		break;
	}
	return false;
}

static bool has_unread(const struct tcp_ext *x)
{
	return x != NULL && (x->unread != 0 || x->ooo_head != NULL);
}

void tcp_close(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_verdict *v)
{
	*v = (struct tcp_verdict){0};
	if (cx->params->linger_ms == 0) {	/* "hard close": what is queued is not worth it */
		tcp_abort(cx, c, MR_ABORTED, v);
		return;
	}
	if (!tcp_shutdown(cx, c))
		return;
	c->flags |= TCP_F_CLOSED;
	if (tcp_state(c) == TCP_SYN_SENT)		/* 3.10.4: "Delete the TCB" */
		tcp_end(cx, c, MR_ABORTED, v);
	else if (abort_sends_rst(c) && has_unread(tcp_ext_of(cx->pool, c)))	/* 3.6.1 SHLD-3 */
		tcp_abort(cx, c, MR_DATA_AFTER_CLOSE, v);
}

void tcp_abort(struct tcp_cx *cx, struct tcp_conn *c, enum mr_reason reason, struct tcp_verdict *v)
{
	*v = (struct tcp_verdict){0};
	if (tcp_state(c) == TCP_CLOSED)
		return;
	if (abort_sends_rst(c))
		tcp_reset(c, v);
	tcp_end(cx, c, reason, v);
}

/* All that is outstanding goes again, in segments of the new size. */
static void resend_smaller(struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x)
{
	struct tcp_flight *f = tcp_flight_of(cx->pool, x);

	if (f == NULL) {
		tcp_resend_from_una(c, x, c->snd_nxt);
		return;
	}
	if (x->loss.phase == NEWRENO_OPEN)
		tcp_loss_begins(f);
	x->loss.phase = NEWRENO_LOSS;
	x->loss.recover = c->snd_nxt - 1;
	tcp_flight_lost(cx, f);
}

/*
 * Our SYN, with data (RFC 7413). It goes again without, at once, and is timed from now: the router
 * that said so has thrown the first one away. What is out then no path is too small for.
 */
static bool syn_too_large(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x)
{
	if (c->snd_nxt - c->snd_una <= 1)
		return false;
	MR_ASSERT(x->fastopen && x->snd_queued != 0);
	x->syn_excused = true;
	c->mss = TCP_MSS_MIN;		/* until the peer's is known */
	if (tcp_rexmt_count(c) == 0) {
		tcp_rexmt_start(cx, c, x);
		c->timer = TCP_TIMER_RESEND;
	}
	return true;
}

bool tcp_path_mss(struct tcp_cx *cx, struct tcp_conn *c, uint16_t mss)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);
	uint32_t octets;

	if (x == NULL || mss < TCP_MSS_MIN || mss >= c->mss)
		return false;
	if (MR_UNLIKELY(tcp_state(c) == TCP_SYN_SENT))
		return syn_too_large(cx, c, x);
	if (!tcp_carries(c, x))
		return false;
	octets = tcp_opening(c) ? c->snd_nxt - c->snd_una : tcp_data_outstanding(c);
	tcp_set_path_mss(cx, c, x, mss);
	/* What fits one segment was not too large. The window stays: nothing is congested. */
	if (octets > tcp_effective_mss(c)) {
		resend_smaller(cx, c, x);
		if (!tcp_opening(c))	/* there the timer is our SYN's, and times it */
			tcp_rexmt_start(cx, c, x);
	}
	MR_DEEP(tcp_check(cx, c));
	return true;
}

void tcp_soft_error(struct tcp_cx *cx, struct tcp_conn *c, uint16_t what)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (tcp_opening(c))
		c->srtt_coarse = what;
	else if (x != NULL)
		x->soft_error = what;
}

void tcp_icmp_error(struct tcp_cx *cx, struct tcp_conn *c, bool hard, uint32_t quoted_seq,
		    struct tcp_verdict *v)
{
	*v = (struct tcp_verdict){0};
	/* RFC 5927 4.1: only what is in flight can have caused an error. */
	if (!tcp_in_flight(c, tcp_ext_of(cx->pool, c), quoted_seq)) {
		tcp_drop(cx, v, MR_C_ICMP_ERROR_STRAY);
		return;
	}
	/*
	 * RFC 5927 5.2: synchronized connections treat hard errors as soft; soft ones never abort.
	 */
	if (hard && tcp_state(c) == TCP_SYN_SENT)
		tcp_end(cx, c, MR_UNREACHABLE, v);
}
