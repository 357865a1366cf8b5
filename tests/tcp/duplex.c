/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See duplex.h. Each side does what lib/stack would: it follows the four steps at the top of tcp.h.
 */
#include <stdlib.h>
#include <string.h>

#include "duplex.h"
#include "world.h"

#define FLIGHT_MAX 4096u
#define END_US (3600ull * 1000 * 1000)

enum phase { PHASE_LISTEN, PHASE_CONN, PHASE_TIME_WAIT, PHASE_GONE };

struct side {
	struct tcp_cx cx;
	struct mr_counters counters;
	struct tcp_conn c;
	struct tcp_tw tw;
	enum phase phase;
	uint32_t queued, received, held, hold_until_ms;
	bool peer_closed, closed, shut;
};

struct packet {
	uint64_t at_us, order;
	unsigned int to;
	struct tcp_seg seg;
	uint8_t *data;
};

struct duplex {
	const struct duplex_plan *plan;
	struct duplex_result *r;
	struct mr_rng rng;
	struct tcp_params params;
	struct world_pool pool_mem;
	struct tcp_ext_pool pool;
	struct side side[2];
	struct packet flight[FLIGHT_MAX];
	unsigned int nflight;
	uint64_t now_us, sent;
};

static uint8_t octet_at(unsigned int side, uint32_t off)
{
	return (uint8_t)((off * 2654435761u >> 24) ^ (off >> 3) ^ (side * 0x55));
}

static bool chance(struct duplex *d, uint32_t percent)
{
	return mr_rng_below(&d->rng, 100) < percent;
}

/* ---- the channel ---- */

static void channel_put(struct duplex *d, unsigned int to, const struct tcp_seg *seg,
			const uint8_t *data)
{
	struct packet *p;

	MR_ASSERT(d->nflight < FLIGHT_MAX);
	p = &d->flight[d->nflight++];
	p->at_us = d->now_us + d->plan->delay_us +
		   (d->plan->jitter_us ? mr_rng_below(&d->rng, d->plan->jitter_us) : 0);
	p->order = d->sent++;	/* what arrives at one instant keeps its order */
	p->to = to;
	p->seg = *seg;
	p->data = NULL;
	if (seg->len != 0) {
		p->data = malloc(seg->len);
		memcpy(p->data, data, seg->len);
	}
}

static void channel_send(struct duplex *d, unsigned int from, const struct tcp_seg *seg,
			 const uint8_t *data)
{
	d->r->segments++;
	if (chance(d, d->plan->loss_percent))
		return;
	channel_put(d, 1 - from, seg, data);
	if (chance(d, d->plan->dup_percent))
		channel_put(d, 1 - from, seg, data);
}

/* ---- one side ---- */

static void refresh(struct duplex *d, unsigned int i)
{
	d->side[i].cx.now_us = d->now_us;
	/* wraps in every run */
	d->side[i].cx.now_ms = (uint32_t)(d->now_us / 1000) + 0xfffff000u;
	d->side[i].cx.ts_offset = i * 0x7fffff00u;
}

static void send_reset(struct duplex *d, unsigned int i, const struct tcp_verdict *v)
{
	struct tcp_seg seg = {.seq = v->rst.seq, .ack = v->rst.ack, .flags = v->rst.flags};

	if (v->bits & TCP_V_TW_ACK) {
		seg.wnd = 1000;
		if (d->side[i].tw.has_ts) {
			seg.opts = TCP_OPT_TS;
			seg.tsval = d->side[i].cx.now_ms + d->side[i].cx.ts_offset;
			seg.tsecr = d->side[i].tw.ts_recent;
		}
	}
	channel_send(d, i, &seg, NULL);
}

static void output(struct duplex *d, unsigned int i)
{
	struct side *s = &d->side[i];
	struct tcp_xmit x;
	uint8_t data[65536];

	while (tcp_next_segment(&s->cx, &s->c, &x)) {
		if (x.seg.len != 0)
			fake_read(x.data, x.data_off, data, x.seg.len);
		MR_ASSERT(x.seg.len <= s->c.mss);
		channel_send(d, i, &x.seg, data);
	}
	tcp_check(&s->cx, &s->c);
}

static void take_data(struct duplex *d, unsigned int i, struct rte_mbuf *m)
{
	struct side *s = &d->side[i];
	uint32_t len = m->pkt_len;
	uint8_t *buf = malloc(len);

	MR_ASSERT(!s->peer_closed && !s->closed);
	fake_read(m, 0, buf, len);
	for (uint32_t k = 0; k < len; k++)
		MR_ASSERT(buf[k] == octet_at(1 - i, s->received + k));
	free(buf);
	fake_free(m);
	s->received += len;
	MR_ASSERT(s->received <= d->plan->octets[1 - i]);
	if (d->plan->read_delay_ms == 0) {
		tcp_consumed(&s->cx, &s->c, len);
		return;
	}
	if (s->held == 0)
		s->hold_until_ms = s->cx.now_ms + d->plan->read_delay_ms;
	s->held += len;
}

static void end_side(struct duplex *d, unsigned int i, enum mr_reason reason)
{
	struct side *s = &d->side[i];

	d->r->reason[i] = (uint16_t)reason;
	tcp_release(&s->cx, &s->c);
	s->phase = PHASE_GONE;
}

/* What the handler of this side wants to do now. */
static void handler(struct duplex *d, unsigned int i, struct tcp_verdict *v)
{
	const struct duplex_plan *plan = d->plan;
	struct side *s = &d->side[i];
	uint8_t data[4000];

	*v = (struct tcp_verdict){0};
	if (s->phase != PHASE_CONN || s->closed || (tcp_state(&s->c) & TCP_TIME_WAIT))
		return;
	if (plan->abort_side == (int)i && s->received >= plan->abort_after) {
		tcp_abort(&s->cx, &s->c, MR_ABORTED, v);
		return;
	}
	if (!tcp_synchronized(&s->c) && s->queued > 2000)
		return;
	if (plan->half_close && i == 1 && !s->peer_closed)
		return;
	while (s->queued < plan->octets[i]) {
		uint32_t n = 1 + (uint32_t)mr_rng_below(&d->rng, chance(d, 20) ? 20 : sizeof(data));
		unsigned int flags = chance(d, 10) ? MR_SEND_MORE : 0;
		struct rte_mbuf *m;

		n = MR_MIN(n, plan->octets[i] - s->queued);
		for (uint32_t k = 0; k < n; k++)
			data[k] = octet_at(i, s->queued + k);
		m = fake_chain(data, n, 1 + (uint32_t)mr_rng_below(&d->rng, FAKE_ROOM - 1));
		if (!tcp_send(&s->cx, &s->c, m, flags)) {
			fake_free(m);
			return;
		}
		s->queued += n;
	}
	if (!s->shut && (tcp_state(&s->c) & (TCP_ESTABLISHED | TCP_CLOSE_WAIT)))
		s->shut = tcp_shutdown(&s->cx, &s->c);
	if (s->peer_closed && s->held == 0 && s->shut) {
		s->closed = true;
		tcp_close(&s->cx, &s->c, v);
	}
}

static void react(struct duplex *d, unsigned int i, struct tcp_verdict *v)
{
	struct side *s = &d->side[i];

	for (int round = 0; round < 2; round++) {
		if (v->bits & TCP_V_RST)
			send_reset(d, i, v);
		if (v->bits & TCP_V_ESTABLISHED)
			d->r->established[i] = true;
		if (v->bits & TCP_V_DELIVER)
			take_data(d, i, v->deliver);
		if (v->bits & TCP_V_PEER_CLOSED) {
			MR_ASSERT(!s->peer_closed);
			s->peer_closed = true;
		}
		if (v->bits & TCP_V_GONE) {
			end_side(d, i, v->reason);
			return;
		}
		if (round == 0)
			handler(d, i, v);
	}
	output(d, i);
	if (tcp_state(&s->c) == TCP_TIME_WAIT) {
		s->tw = (struct tcp_tw){s->c.snd_nxt, s->c.rcv_nxt, s->c.ts_recent,
					(s->c.flags & TCP_F_TS) != 0, 1000};
		d->r->time_wait[i] = true;
		end_side(d, i, MR_CLOSED);
		s->phase = PHASE_TIME_WAIT;
	}
}

static void arrive_conn(struct duplex *d, unsigned int i, struct packet *p)
{
	struct side *s = &d->side[i];
	struct rte_mbuf *m = p->seg.len ? fake_chain(p->data, p->seg.len, FAKE_ROOM) : NULL;
	struct tcp_verdict v;

	tcp_arrives(&s->cx, &s->c, &p->seg, m, &v);
	if (m != NULL && (v.bits & TCP_V_TAKEN) == 0)
		fake_free(m);
	react(d, i, &v);
}

static void arrive_syn(struct duplex *d, unsigned int i, struct packet *p)
{
	struct side *s = &d->side[i];
	struct tcp_verdict v = {0};
	struct rte_mbuf *m;

	tcp_passive_open(&s->cx, &s->c, &p->seg, (uint32_t)mr_rng_next(&d->rng));
	s->phase = PHASE_CONN;
	if (d->plan->fastopen != DUPLEX_FASTOPEN || (p->seg.opts & TCP_OPT_FASTOPEN) == 0) {
		output(d, i);
		return;
	}
	m = p->seg.len ? fake_chain(p->data, p->seg.len, FAKE_ROOM) : NULL;
	MR_ASSERT(tcp_take_syn(&s->cx, &s->c, &p->seg, m, &v));
	MR_ASSERT((m != NULL) == ((v.bits & TCP_V_TAKEN) != 0));
	d->r->syn_octets = s->c.rcv_nxt - p->seg.seq - 1;
	react(d, i, &v);
}

static void arrive(struct duplex *d, struct packet *p)
{
	struct side *s = &d->side[p->to];
	struct tcp_verdict v;

	refresh(d, p->to);
	switch (s->phase) {
	case PHASE_LISTEN:
		tcp_listen_arrives(&s->cx, &p->seg, &v);
		if (v.bits & TCP_V_RST)
			send_reset(d, p->to, &v);
		if (v.bits & TCP_V_CREATE)
			arrive_syn(d, p->to, p);
		break;
	case PHASE_CONN:
		arrive_conn(d, p->to, p);
		break;
	case PHASE_TIME_WAIT:
		tcp_time_wait_arrives(&s->cx, &s->tw, &p->seg, &v);
		MR_ASSERT((v.bits & TCP_V_GONE) == 0);
		if (v.bits & TCP_V_TW_ACK)
			send_reset(d, p->to, &v);
		break;
	case PHASE_GONE:
		tcp_closed_arrives(&s->cx, &p->seg, &v);
		if (v.bits & TCP_V_RST)
			send_reset(d, p->to, &v);
		break;
	}
	free(p->data);
}

/* ---- time ---- */

static uint64_t side_due_us(struct duplex *d, unsigned int i)
{
	struct side *s = &d->side[i];
	uint32_t due, best = 0;
	bool any;

	if (s->phase != PHASE_CONN)
		return UINT64_MAX;
	refresh(d, i);
	any = tcp_next_due(&s->cx, &s->c, &best);
	if (s->held != 0) {
		due = s->hold_until_ms;
		best = any ? seq_min(best, due) : due;
		any = true;
	}
	if (!any)
		return UINT64_MAX;
	if (seq_le(best, s->cx.now_ms))
		return d->now_us;
	return (d->now_us / 1000 + (best - s->cx.now_ms)) * 1000;
}

static void run_timers(struct duplex *d, unsigned int i)
{
	struct side *s = &d->side[i];
	struct tcp_verdict v;

	if (s->phase != PHASE_CONN)
		return;
	refresh(d, i);
	if (s->held != 0 && seq_ge(s->cx.now_ms, s->hold_until_ms)) {
		tcp_consumed(&s->cx, &s->c, s->held);
		s->held = 0;
	}
	tcp_timeout(&s->cx, &s->c, &v);
	react(d, i, &v);
}

static int earliest(const struct duplex *d)
{
	int best = -1;

	for (unsigned int k = 0; k < d->nflight; k++) {
		const struct packet *p = &d->flight[k], *q = &d->flight[MR_MAX(best, 0)];

		if (best < 0 || p->at_us < q->at_us || (p->at_us == q->at_us &&
							p->order < q->order))
			best = (int)k;
	}
	return best;
}

static bool step(struct duplex *d)
{
	int k = earliest(d);
	uint64_t due[2] = {side_due_us(d, 0), side_due_us(d, 1)}, timer = MR_MIN(due[0], due[1]);

	if (k < 0 && timer == UINT64_MAX)
		return false;
	if (k >= 0 && d->flight[k].at_us <= timer) {
		struct packet p = d->flight[k];

		d->flight[k] = d->flight[--d->nflight];
		d->now_us = MR_MAX(d->now_us, p.at_us);
		arrive(d, &p);
		return true;
	}
	d->now_us = timer;
	if (due[0] <= timer)
		run_timers(d, 0);
	if (due[1] <= timer)
		run_timers(d, 1);
	return d->now_us < END_US;
}

/* ---- a run ---- */

/* With what the handler has at once, if a cookie is known. */
static void open_actively(struct duplex *d, unsigned int i)
{
	struct side *s = &d->side[i];
	const struct tcp_fastopen f = {.c = &s->c, .cookie_len = 8, .data_max = 1460};
	struct tcp_verdict v;

	tcp_active_open(&s->cx, &s->c, (uint32_t)mr_rng_next(&d->rng));
	s->phase = PHASE_CONN;
	if (i == 0 && d->plan->fastopen != DUPLEX_NO_FASTOPEN && d->plan->abort_side != 0) {
		handler(d, i, &v);
		s->cx.fastopen = &f;
	}
	output(d, i);
	s->cx.fastopen = NULL;
}

static void setup(struct duplex *d)
{
	const struct duplex_plan *plan = d->plan;

	mr_rng_seed(&d->rng, plan->seed);
	tcp_params_default(&d->params);
	d->params.rcv_buf = plan->rcv_buf;
	d->params.snd_buf = plan->snd_buf;
	d->params.timestamps = plan->timestamps;
	d->params.sack = plan->sack;
	d->params.pacing = plan->pacing;
	d->params.window_scaling = plan->scaling;
	d->params.nodelay = plan->nodelay;
	world_pool_init(&d->pool, &d->pool_mem);
	for (unsigned int i = 0; i < 2; i++) {
		struct side *s = &d->side[i];

		s->cx.params = &d->params;
		s->cx.pool = &d->pool;
		s->cx.counters = &s->counters;
		s->cx.family = 4;
		refresh(d, i);
		if (i == 0 || plan->simultaneous)
			open_actively(d, i);
	}
}

static void teardown(struct duplex *d)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct side *s = &d->side[i];

		if (s->phase == PHASE_CONN)
			tcp_release(&s->cx, &s->c);
		d->r->received[i] = s->received;
		d->r->counters[i] = s->counters;
	}
	while (d->nflight != 0)
		free(d->flight[--d->nflight].data);
	d->r->end_us = d->now_us;
	MR_ASSERT(d->pool.nfree == WORLD_EXTS && d->pool.mbufs_held == 0);
	MR_ASSERT(fake_live() == 0);
}

void duplex_run(const struct duplex_plan *plan, struct duplex_result *result)
{
	struct duplex *d = aligned_alloc(MR_CACHE_LINE, sizeof(*d));

	memset(d, 0, sizeof(*d));
	*result = (struct duplex_result){0};
	d->plan = plan;
	d->r = result;
	setup(d);
	while (step(d))
		;
	teardown(d);
	free(d);
}
