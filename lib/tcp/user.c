/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * User calls (RFC 9293 3.10.2 to 3.10.5) and ICMP errors. They change what is wanted; what goes out
 * is decided by output.c when the caller asks for the next segment.
 */
#include "internal.h"
#include "mtu.h"

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

	if (pool->mbufs_held + m->nb_segs > pool->mbufs_max)
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
 * Is the window so much larger than the peer knows that it should be told at once? Not for every
 * octet (3.8.6.2.2, MUST-39), and not for every segment either, since ACKs carry it anyway.
 */
static bool window_update_due(const struct tcp_cx *cx, const struct tcp_conn *c,
			      const struct tcp_ext *x)
{
	uint32_t buf = cx->params->rcv_buf;
	uint32_t room = buf - MR_MIN(x->unread, buf), known = tcp_rcv_wnd(c);

	if (!tcp_may_receive(c) || room <= known || cx->mbufs_low)
		return false;
	if (room - known >= buf / 4)
		return true;
	return known < buf / 8 && room - known >= MR_MIN(buf / 2, 2u * x->rcv_mss);
}

void tcp_consumed(struct tcp_cx *cx, struct tcp_conn *c, uint32_t len)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (x == NULL || len == 0)
		return;
	MR_CHECK(len <= x->unread);
	x->unread -= MR_MIN(len, x->unread);
	if (window_update_due(cx, c, x))
		c->flags |= TCP_F_ACK_NOW;
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

bool tcp_path_mss(struct tcp_cx *cx, struct tcp_conn *c, uint16_t mss)
{
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	if (x == NULL || !tcp_synchronized(c) || mss < TCP_MSS_MIN || mss >= c->mss)
		return false;
	tcp_set_path_mss(cx, c, x, mss);
	/* What fits one segment was not too large. The window stays: nothing is congested. */
	if (tcp_data_outstanding(c) > tcp_effective_mss(c)) {
		tcp_resend_from_una(c, x, c->snd_nxt);
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
	if (!seq_in(quoted_seq, c->snd_una, c->snd_nxt)) {
		tcp_drop(cx, v, MR_C_ICMP_ERROR_STRAY);
		return;
	}
	/*
	 * RFC 5927 5.2: synchronized connections treat hard errors as soft; soft ones never abort.
	 */
	if (hard && tcp_state(c) == TCP_SYN_SENT)
		tcp_end(cx, c, MR_UNREACHABLE, v);
}
