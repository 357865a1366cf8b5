/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The callbacks. See apps.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "apps.h"
#include "check.h"
#include "seg.h"

#define COPY_MAX	4096u
#define SHOWN_MAX	10u
#define NOBODY		UINT32_MAX

/* One process runs one simulation at a time: handlers find it here, as real ones find their arg. */
static struct sim_apps *apps;

static struct sim_side *peer_of(const struct sim_side *s)
{
	return &s->flow->side[s == &s->flow->side[0]];
}

static unsigned int side_no(const struct sim_side *s) { return s == &s->flow->side[1]; }

/* What must not be. */
static void never(const struct sim_side *s, bool is, const char *what)
{
	if (is && apps->unexpected++ < SHOWN_MAX)
		printf("%.6f flow %u host %u: %s\n", (double)apps->sim->now_us / 1e6, s->flow->id,
		       s->host, what);
}

static struct sim_side *side_of(struct mr_worker *w, mr_conn c)
{
	const uint32_t user = mr_user(w, c);
	struct sim_side *s = &apps->flow[user >> 1].side[user & 1];

	MR_ASSERT(user >> 1 < apps->wish.total && s->exists && s->conn.id == c.id);
	never(s, s->ended, "a callback after on_closed");
	return s;
}

void sim_abort_now(struct mr_worker *w, struct sim_side *s)
{
	if (mr_abort(w, s->conn) == MR_OK)
		s->aborted = true;
}

/* ---- sending and ending ---- */

/* How much of all may be sent by now. */
static uint32_t may_send(const struct sim_side *s)
{
	const struct sim_plan *p = &s->plan, *q = &peer_of(s)->plan;
	uint64_t turns;

	if (p->turn == 0)
		return p->total;
	turns = s->received / q->turn + (side_no(s) == 0);
	return (uint32_t)MR_MIN(turns * p->turn, (uint64_t)p->total);
}

static void maybe_end(struct mr_worker *w, struct sim_side *s)
{
	const bool all_sent = s->sent == s->plan.total && s->held == NULL;
	const bool all_read = s->unread == 0 &&
			      (s->peer_closed || s->received == peer_of(s)->plan.total);
	bool ends = false;

	if (s->closed || s->aborted || !all_sent)
		return;
	switch ((enum sim_ending)s->plan.ending) {
	case SIM_END_FIRST: ends = all_read; break;
	case SIM_END_RUDE: ends = true; break;
	case SIM_END_SECOND: ends = all_read && s->peer_closed; break;
	case SIM_END_HALF:
		ends = all_read && s->peer_closed;
		if (!s->shut && !ends)
			s->shut = mr_shutdown(w, s->conn) == MR_OK;
		break;
	}
	if (ends)
		s->closed = mr_close(w, s->conn) == MR_OK;
}

/* A chain of mbufs with the next n octets at most; NULL: no mbuf is free. */
static struct rte_mbuf *make_chain(struct mr_worker *w, const struct sim_side *s, uint32_t n)
{
	struct rte_mbuf *head = NULL;
	uint32_t off = s->sent;

	while (n != 0) {
		const uint16_t part = (uint16_t)MR_MIN(n, 1u + off % 1460u);
		struct rte_mbuf *m = mr_mbuf_alloc(w);
		char *to;

		if (m == NULL)
			break;
		to = rte_pktmbuf_append(m, part);
		for (uint16_t i = 0; i < part; i++)
			to[i] = (char)sim_octet(s->flow, side_no(s), off + i);
		if (head == NULL)
			head = m;
		else if (rte_pktmbuf_chain(head, m) != 0) {
			rte_pktmbuf_free(m);
			break;
		}
		off += part;
		n -= part;
	}
	return head;
}

struct rte_mbuf *sim_early_data(struct mr_worker *w, const struct sim_side *s)
{
	if (!s->plan.early || s->plan.echo)
		return NULL;
	return make_chain(w, s, MR_MIN(s->plan.chunk, may_send(s)));
}

static uint32_t send_some(struct mr_worker *w, const struct sim_side *s, uint32_t n,
			  unsigned int flags)
{
	uint8_t buf[COPY_MAX];
	struct rte_mbuf *m;
	uint32_t took;

	if (!s->plan.chain) {
		n = MR_MIN(n, COPY_MAX);
		for (uint32_t i = 0; i < n; i++)
			buf[i] = sim_octet(s->flow, side_no(s), s->sent + i);
		return mr_send_copy(w, s->conn, buf, n, flags);
	}
	m = make_chain(w, s, n);
	if (m == NULL) {
		mr_want_writable(w, s->conn);
		return 0;
	}
	took = mr_send(w, s->conn, m, flags);
	if (took == 0)
		rte_pktmbuf_free(m);
	return took;
}

/* Sends back what was received: zero copy. */
static void push_held(struct mr_worker *w, struct sim_side *s)
{
	struct rte_mbuf *m = s->held;
	const uint32_t len = m == NULL ? 0 : m->pkt_len;

	if (m == NULL || s->closed || s->aborted || mr_send(w, s->conn, m, 0) == 0)
		return;
	s->held = NULL;
	s->sent += len;
	s->unread -= len;
	mr_consumed(w, s->conn, len);
}

static void push(struct mr_worker *w, struct sim_side *s)
{
	if (s->plan.echo)
		push_held(w, s);
	while (!s->plan.echo && !s->aborted && !s->closed && !s->shut && s->sent < may_send(s)) {
		const uint32_t left = may_send(s) - s->sent, n = MR_MIN(s->plan.chunk, left);
		const bool last = s->sent + n == s->plan.total;
		unsigned int flags = n < left ? MR_SEND_MORE : 0;
		uint32_t took;

		if (last && s->plan.notify)
			flags |= MR_SEND_NOTIFY_ACKED;
		took = send_some(w, s, n, flags);
		s->sent += took;
		if (took == 0)
			return;
	}
	maybe_end(w, s);
}

/* ---- receiving ---- */

static void check_octets(struct sim_side *s, const struct rte_mbuf *m)
{
	const unsigned int from = side_no(s) ^ 1;

	never(s, s->closed || s->aborted, "on_data after mr_close or mr_abort");
	for (; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		never(s, m->data_len == 0, "an empty mbuf");
		for (uint16_t i = 0; i < m->data_len; i++)
			apps->wrong_octets += p[i] != sim_octet(s->flow, from, s->received++);
	}
}

static void consume(struct mr_worker *w, struct sim_side *s, uint32_t n)
{
	s->unread -= n;
	mr_consumed(w, s->conn, n);
	push(w, s);
}

/* What mr_post() brings. */
static void posted_consume(struct mr_worker *w, void *arg)
{
	struct sim_side *s = arg;

	s->posted = false;
	if (!s->ended)
		consume(w, s, s->unread);
}

void sim_posted_abort(struct mr_worker *w, void *arg)
{
	struct sim_side *s = arg;

	if (!s->ended)
		sim_abort_now(w, s);
}

static void read_later(struct mr_worker *w, struct sim_side *s, uint32_t len)
{
	const bool first = s->unread == 0;

	s->unread += len;
	/* a scaled window may be rounded up by an eighth of the buffer */
	never(s, s->unread > apps->rcv_buf + apps->rcv_buf / 8, "more than the window was");
	switch ((enum sim_reading)s->plan.reading) {
	case SIM_READ_NOW:
		consume(w, s, len);
		break;
	case SIM_READ_SLOW:
		if (first)
			mr_set_timeout(w, s->conn, s->plan.read_ms);
		break;
	case SIM_READ_STALL:
		if (s->received < peer_of(s)->plan.total / 2) {
			consume(w, s, len);
		} else if (!s->stalled) {
			s->stalled = true;
			mr_set_timeout(w, s->conn, s->plan.read_ms);
		}
		break;
	case SIM_READ_POST:
		if (!s->posted)
			s->posted = mr_post(s->host, posted_consume, s);
		break;
	}
}

/* A callback of one connection acts on another. */
static void meddle(struct mr_worker *w, const struct sim_side *me)
{
	struct sim_side *v = apps->victim[me->host];

	if (v == NULL || v == me)
		return;
	apps->victim[me->host] = NULL;
	if (!v->ended)
		sim_abort_now(w, v);
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	struct sim_side *s = side_of(w, c);
	const uint32_t len = m->pkt_len;

	check_octets(s, m);
	apps->octets += len;
	never(s, s->received > peer_of(s)->plan.total, "more than there is");
	never(s, s->peer_closed || !s->opened, "on_data before on_accept or after on_peer_closed");
	if (s->plan.echo && s->held == NULL)
		s->held = m;
	else if (s->plan.echo)
		rte_pktmbuf_chain(s->held, m);
	else
		rte_pktmbuf_free(m);
	meddle(w, s);
	if (s->plan.abort == SIM_ABORT_DATA && s->received >= peer_of(s)->plan.total / 2) {
		sim_abort_now(w, s);
	} else if (s->plan.echo) {
		s->unread += len;
		push(w, s);
	} else {
		read_later(w, s, len);
	}
}

static void on_timeout(struct mr_worker *w, mr_conn c)
{
	struct sim_side *s = side_of(w, c);

	if (s->plan.abort == SIM_ABORT_TIMEOUT) {
		sim_abort_now(w, s);
	} else if (s->plan.reading == SIM_READ_STALL) {
		s->plan.reading = SIM_READ_NOW;
		consume(w, s, s->unread);
	} else {
		const uint32_t n = MR_MIN(s->unread, s->plan.read_octets);

		if (n < s->unread)
			mr_set_timeout(w, c, s->plan.read_ms);
		consume(w, s, n);
	}
}

static void on_writable(struct mr_worker *w, mr_conn c)
{
	struct sim_side *s = side_of(w, c);

	if (s->plan.abort == SIM_ABORT_WRITABLE)
		sim_abort_now(w, s);
	else
		push(w, s);
}

static void on_acked(struct mr_worker *w, mr_conn c)
{
	struct sim_side *s = side_of(w, c);
	const struct sim_side *p = peer_of(s);

	never(s, !s->plan.notify, "on_acked unasked");
	/* Without an mbuf mr_send_copy may take a part of the last piece, with its own mark. */
	if (apps->wish.scarce || s->sent != s->plan.total)
		return;
	never(s, s->acked, "on_acked twice");
	s->acked = true;
	/* What is acknowledged has been delivered, unless nobody was there any more. */
	if (!p->closed && !p->aborted && !p->ended && !s->flow->attacked)
		never(s, p->received != s->sent, "on_acked before all is delivered");
}

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	struct sim_side *s = side_of(w, c);

	apps->twice += s->peer_closed;
	s->peer_closed = true;
	/* All of the peer's data has been delivered before. */
	never(s, s->received != peer_of(s)->sent && !s->flow->attacked,
	      "on_peer_closed before all is delivered");
	if (s->plan.abort == SIM_ABORT_PEER_CLOSED)
		sim_abort_now(w, s);
	else
		push(w, s);
}

/* ---- beginning and end ---- */

static void opened(struct mr_worker *w, struct sim_side *s)
{
	apps->twice += s->opened;
	s->opened = true;
	if (s->plan.abort == SIM_ABORT_TIMEOUT)
		mr_set_timeout(w, s->conn, s->plan.abort_ms);
	if (s->plan.abort == SIM_ABORT_OPENED)
		sim_abort_now(w, s);
	else
		push(w, s);
}

static void on_connected(struct mr_worker *w, mr_conn c) { opened(w, side_of(w, c)); }

static void on_accept(struct mr_worker *w, mr_conn c)
{
	struct mr_tcp_info info;
	struct sim_flow *f;
	uint32_t known;

	MR_ASSERT(mr_tcp_info(w, c, &info) == MR_OK && mr_handler_arg(w, c) == apps);
	known = apps->by_ports[mr_worker_id(w) ^ 1][info.remote.family == 6]
			      [sim_ports(info.remote.port, SIM_PORT)];
	f = known == 0 ? NULL : &apps->flow[known - 1];
	/* RFC 7413 2.1: the copy of a SYN with data opens once more when its connection is over */
	if (f != NULL && f->side[1].ended && apps->wish.fastopen != 0) {
		mr_set_user(w, c, NOBODY);
		mr_abort(w, c);
		return;
	}
	if (f == NULL || f->side[1].exists || f->family != info.remote.family) {
		apps->unexpected++;
		mr_abort(w, c);
		return;
	}
	mr_set_user(w, c, f->id * 2 + 1);
	sim_side_begin(apps, &f->side[1], c);
	opened(w, &f->side[1]);
}

static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	const uint32_t user = mr_user(w, c);
	struct sim_side *s = &apps->flow[user >> 1].side[user & 1];

	if (user == NOBODY || !s->exists || s->conn.id != c.id)
		return;		/* one that on_accept refused, and perhaps counted */
	apps->twice += s->ended;
	s->ended = true;
	s->ended_us = apps->sim->now_us;
	s->unresolved = sim_unresolved(apps->sim);
	s->reason = (uint16_t)reason;
	rte_pktmbuf_free(s->held);
	s->held = NULL;
	apps->sides_open--;
	apps->by_reason[reason & 31]++;
}

const struct mr_callbacks sim_callbacks = {
	.on_accept = on_accept,
	.on_connected = on_connected,
	.on_data = on_data,
	.on_writable = on_writable,
	.on_acked = on_acked,
	.on_timeout = on_timeout,
	.on_peer_closed = on_peer_closed,
	.on_closed = on_closed,
};

void sim_apps_init(struct sim_apps *a, struct sim *s, uint64_t seed, const struct sim_wishes *wish)
{
	memset(a, 0, sizeof(*a));
	a->sim = s;
	a->wish = *wish;
	a->flow = calloc(wish->total, sizeof(*a->flow));
	a->later = calloc(2ull * wish->total, sizeof(*a->later));
	MR_ASSERT(a->flow != NULL && a->later != NULL);
	for (unsigned int i = 0; i < 4; i++) {
		a->by_ports[i >> 1][i & 1] = calloc(3 * 65536, sizeof(uint32_t));
		MR_ASSERT(a->by_ports[i >> 1][i & 1] != NULL);
	}
	mr_rng_seed(&a->rng, seed ^ 0x5eed);
	apps = a;
}
