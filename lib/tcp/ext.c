/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extension records and the send queue in them: mbufs linked by `next`, in sequence order, from the
 * octet snd_base on. Counts every mbuf it holds. Decides nothing about what is sent.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define PROBE_MIN_MS 10u	/* a peer on the same machine may be that late */
/* WCDelAckT: the ACK of less than two full segments may be delayed, not of a single one only */
#define PROBE_DELACK_MS 200u

static size_t records_len(uint32_t n) { return ((size_t)n + 1) * sizeof(struct tcp_ext); }
static size_t flights_len(uint32_t capacity)
{
	return ((size_t)capacity + 1) * sizeof(struct tcp_flight);
}
static size_t list_len(uint32_t capacity) { return ((size_t)capacity + 1) * sizeof(uint32_t); }

size_t tcp_own_memory(uint32_t capacity)
{
	return ((size_t)capacity + 1) * (sizeof(struct tcp_params) + sizeof(uint16_t));
}

size_t tcp_ext_memory(uint32_t capacity)
{
	return records_len(capacity) + flights_len(capacity) + 4 * list_len(capacity);
}

static void free_pktmbuf(struct rte_mbuf *m) { rte_pktmbuf_free(m); }

static int map_all(struct tcp_ext_pool *pool, uint32_t capacity, int node)
{
	const size_t list = list_len(capacity);
	const size_t len[] = {records_len(capacity), list, flights_len(capacity), list, list, list};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(len); i++) {
		if (mr_bigmem_map(&pool->mem[i], len[i], node) == 0)
			continue;
		while (i != 0)
			mr_bigmem_unmap(&pool->mem[--i]);
		return -ENOMEM;
	}
	return 0;
}

int tcp_ext_pool_create(struct tcp_ext_pool *pool, uint32_t capacity, uint64_t mbufs_max, int node)
{
	MR_ASSERT(capacity >= 1 && capacity <= MR_EXT_MAX);
	memset(pool, 0, sizeof(*pool));
	if (map_all(pool, capacity, node) != 0)
		return -ENOMEM;
	pool->ext = pool->mem[0].addr;
	pool->free_list = pool->mem[1].addr;
	pool->flight = pool->mem[2].addr;
	pool->free_flights = pool->mem[3].addr;
	pool->holders.index = pool->mem[4].addr;
	pool->holders.place = pool->mem[5].addr;
	pool->capacity = capacity;
	pool->mbufs_max = mbufs_max;
	pool->free_chain = free_pktmbuf;
	tcp_ext_pool_fill(pool);
	return 0;
}

int tcp_own_create(struct tcp_ext_pool *pool, uint32_t capacity, int node)
{
	struct tcp_own_pool *own = &pool->own;

	MR_ASSERT(capacity <= UINT16_MAX && own->capacity == 0);
	if (mr_bigmem_map(&own->mem[0], (capacity + 1ul) * sizeof(*own->params), node) != 0)
		return -ENOMEM;
	own->params = own->mem[0].addr;
	if (mr_bigmem_map(&own->mem[1], (capacity + 1ul) * sizeof(*own->free_list), node) != 0)
		return -ENOMEM;
	own->free_list = own->mem[1].addr;
	own->capacity = own->nfree = capacity;
	for (uint32_t i = 0; i < capacity; i++)
		own->free_list[i] = (uint16_t)(capacity - i);
	return 0;
}

void tcp_ext_pool_fill(struct tcp_ext_pool *pool)
{
	pool->nfree = pool->nflights = pool->capacity;
	/* low indices are taken first: they stay warm */
	for (uint32_t i = 0; i < pool->capacity; i++)
		pool->free_list[i] = pool->free_flights[i] = pool->capacity - i;
}

void tcp_ext_pool_destroy(struct tcp_ext_pool *pool)
{
	MR_ASSERT(pool->nfree == pool->capacity && pool->mbufs_held == 0 && pool->ooo_held == 0);
	MR_ASSERT(pool->nflights == pool->capacity && pool->own.nfree == pool->own.capacity);
	mr_bigmem_unmap(&pool->own.mem[0]);
	mr_bigmem_unmap(&pool->own.mem[1]);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(pool->mem); i++)
		mr_bigmem_unmap(&pool->mem[i]);
}

/* ---- taking and giving back ---- */

void tcp_ext_start(struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x)
{
	/* else the count is that of our FIN, or of keepalive probes */
	bool of_syn = c->timer != TCP_TIMER_REXMT && c->timer != TCP_TIMER_RESEND &&
		      c->timer != TCP_TIMER_KEEPALIVE;
	bool syn_lost = tcp_rexmt_count(c) != 0 && of_syn;
	uint16_t smss = tcp_effective_mss(c);

	MR_CHECK(c->snd_una == x->snd_base);
	rtt_init(&x->rtt, c->srtt_coarse);
	x->rtt.syn_lost = syn_lost && c->srtt_coarse == 0;
	cc_init(&x->cc, (enum cc_algorithm_id)cx->params->congestion, smss,
		cc_initial_window(smss, syn_lost ? 1 : cx->params->initial_window_segs));
	newreno_init(&x->loss, c->snd_una);
	x->ecn_seq = c->snd_una - 1;
	x->snd_wnd_max = tcp_snd_wnd(c);
	x->snd_wl1 = c->rcv_nxt;
	x->last_ack = c->rcv_nxt;
	x->tune_seq = c->rcv_edge;
	x->tune_us = (uint32_t)cx->now_us;
	tcp_resume_window(cx, c, x);
}

struct tcp_ext *tcp_ext_take(struct tcp_cx *cx, struct tcp_conn *c)
{
	struct tcp_ext_pool *pool = cx->pool;
	struct tcp_ext *x = tcp_ext_of(pool, c);
	uint32_t index;

	if (MR_LIKELY(x != NULL))
		return x;
	if (MR_UNLIKELY(pool->nfree == 0))
		return NULL;
	index = pool->free_list[--pool->nfree];
	pool->high_water = MR_MAX(pool->high_water, pool->capacity - pool->nfree);
	x = &pool->ext[index];
	memset(x, 0, sizeof(*x));
	/* The first octet of data follows our SYN; the SYN may not be sent or acknowledged yet. */
	x->snd_base = c->snd_una + (tcp_opening(c) ? 1 : 0);
	x->resend_seq = x->resend_end = x->snd_base;
	x->sent_ms = x->active_ms = cx->now_ms;
	x->rcv_mss = MR_MIN(tcp_own_mss(cx), 536);
	MR_ASSERT(index >= 1 && index <= pool->capacity);
	tcp_set_ext_index(c, index);
	if (tcp_synchronized(c))
		tcp_ext_start(cx, c, x);
	return x;
}

bool tcp_ext_idle(const struct tcp_conn *c, const struct tcp_ext *x)
{
	return x->snd_queued == 0 && x->ooo_head == NULL && x->unread == 0 && x->own == 0 &&
	       !(x->urgent && seq_gt(x->urg_seq, c->rcv_nxt)) && c->snd_una == c->snd_nxt &&
	       (x->flags & (TCP_X_DELACK | TCP_X_WRITABLE | TCP_X_NOTIFY | TCP_X_FIN_KEPT)) == 0;
}

static void sendq_free(struct tcp_ext_pool *pool, struct tcp_ext *x, struct rte_mbuf *m)
{
	MR_ASSERT(x->snd_mbufs > 0 && pool->mbufs_held > 0);
	x->snd_mbufs--;
	pool->mbufs_held--;
	m->next = NULL;
	m->nb_segs = 1;
	pool->free_chain(m);
}

void tcp_set_path_mss(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x, uint16_t mss)
{
	MR_ASSERT(mss >= TCP_MSS_MIN && (x->path_full == 0 || mss <= x->path_full));
	x->path_full = x->path_full == 0 ? c->mss : x->path_full;
	x->path_ms = cx->now_ms;
	x->path_trial = false;
	c->mss = mss;
	x->cc.smss = tcp_effective_mss(c);
}

void tcp_restore_path_mss(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x)
{
	MR_ASSERT(x->path_full >= c->mss);
	c->mss = x->path_full;
	x->path_full = 0;
	x->path_ms = cx->now_ms;
	x->cc.smss = tcp_effective_mss(c);
	cc_set_window(&x->cc, x->cc.cwnd);	/* at least one of the larger segments */
}

void tcp_release(struct tcp_cx *cx, struct tcp_conn *c)
{
	struct tcp_ext_pool *pool = cx->pool;
	struct tcp_ext *x = tcp_ext_of(pool, c);

	if (x == NULL)
		return;
	while (x->snd_head != NULL) {
		struct rte_mbuf *m = x->snd_head;

		x->snd_head = m->next;
		sendq_free(pool, x, m);
	}
	tcp_ooo_purge(pool, x);
	tcp_flight_end(pool, x);
	MR_ASSERT(x->snd_mbufs == 0 && x->ooo_mbufs == 0 && pool->nfree < pool->capacity);
	if (x->path_full != 0)	/* the path is looked up again when there is data again */
		c->mss = x->path_full;
	if (x->rtt.srtt_us != 0)
		c->srtt_coarse = rtt_to_coarse(&x->rtt);
	if (x->own != 0)
		pool->own.free_list[pool->own.nfree++] = x->own;
	pool->free_list[pool->nfree++] = tcp_ext_index(c);
	tcp_set_ext_index(c, 0);
}

/* ---- parameters of its own ---- */

struct tcp_params *tcp_own_take(struct tcp_cx *cx, struct tcp_conn *c)
{
	struct tcp_own_pool *own = &cx->pool->own;
	struct tcp_ext *x = tcp_ext_of(cx->pool, c);
	struct tcp_params *p;

	if (x != NULL && x->own != 0)
		return &own->params[x->own];
	if (own->nfree == 0)
		return NULL;
	x = tcp_ext_take(cx, c);
	if (x == NULL)
		return NULL;
	/* The timer that would have given the extension back finds that it is not idle. */
	x->own = own->free_list[--own->nfree];
	MR_ASSERT(x->own >= 1 && x->own <= own->capacity);
	p = &own->params[x->own];
	*p = *cx->params;
	cx->params = p;
	return p;
}

const struct tcp_params *tcp_own_params(const struct tcp_ext_pool *pool, const struct tcp_conn *c)
{
	const struct tcp_ext *x = tcp_ext_of(pool, c);

	return x == NULL || x->own == 0 ? NULL : &pool->own.params[x->own];
}

/* ---- the send queue ---- */

void tcp_pos_advance(struct tcp_pos *pos, uint32_t octets)
{
	pos->off += octets;
	while (pos->m != NULL && pos->off >= pos->m->data_len && pos->m->next != NULL) {
		pos->off -= pos->m->data_len;
		pos->m = pos->m->next;
	}
	MR_CHECK(pos->m == NULL || pos->off <= pos->m->data_len);
}

void tcp_sendq_append(struct tcp_ext_pool *pool, struct tcp_ext *x, struct rte_mbuf *m)
{
	uint32_t octets = 0, mbufs = 0;
	struct rte_mbuf *last = m;

	for (struct rte_mbuf *s = m; s != NULL; s = s->next) {
		octets += s->data_len;
		mbufs++;
		last = s;
	}
	MR_ASSERT(octets == m->pkt_len);
	MR_CHECK((x->snd_head == NULL) == (x->snd_queued == 0));
	if (x->snd_head == NULL) {
		x->snd_head = m;
		x->snd_head_off = 0;
		x->snd_next = x->resend = (struct tcp_pos){m, 0};
	} else {
		x->snd_tail->next = m;
	}
	x->snd_tail = last;
	x->snd_queued += octets;
	x->snd_mbufs += mbufs;
	pool->mbufs_held += mbufs;
}

void tcp_sendq_acked(struct tcp_ext_pool *pool, struct tcp_ext *x, uint32_t octets)
{
	MR_ASSERT(octets <= x->snd_queued);
	x->snd_base += octets;
	x->snd_queued -= octets;
	if (x->snd_queued == 0) {
		while (x->snd_head != NULL) {
			struct rte_mbuf *m = x->snd_head;

			x->snd_head = m->next;
			sendq_free(pool, x, m);
		}
		x->snd_tail = NULL;
		x->snd_head_off = 0;
		x->snd_next = x->resend = (struct tcp_pos){NULL, 0};
		return;
	}
	/* A place may stand at the end of an mbuf that goes now: let it move on first. */
	tcp_pos_advance(&x->snd_next, 0);
	if (x->resend_seq != x->resend_end || x->flight != 0)
		tcp_pos_advance(&x->resend, 0);
	x->snd_head_off += octets;
	while (x->snd_head_off >= x->snd_head->data_len) {
		struct rte_mbuf *m = x->snd_head;

		x->snd_head_off -= m->data_len;
		x->snd_head = m->next;
		sendq_free(pool, x, m);
	}
}

void tcp_resend_from_una(const struct tcp_conn *c, struct tcp_ext *x, uint32_t end)
{
	MR_CHECK(seq_lt(c->snd_una, end) && seq_le(end, c->snd_nxt));
	x->resend = (struct tcp_pos){x->snd_head, x->snd_head_off};
	x->resend_seq = c->snd_una;
	x->resend_end = end;
	x->flags = (uint8_t)((x->flags & ~TCP_X_TIMING) | TCP_X_REPAIRED);
}

/* ---- the scoreboard ---- */

struct tcp_flight *tcp_flight_take(struct tcp_ext_pool *pool, struct tcp_ext *x, uint32_t una)
{
	struct tcp_flight *f;

	MR_ASSERT(x->flight == 0 && pool->nflights != 0);	/* one for each extension */
	x->flight = pool->free_flights[--pool->nflights];
	f = &pool->flight[x->flight];
	/* all but the ranges, which count only up to board.n */
	memset((char *)f + sizeof(f->board), 0, sizeof(*f) - sizeof(f->board));
	board_init(&f->board, una);
	x->resend = (struct tcp_pos){x->snd_head, x->snd_head_off};
	x->resend_seq = x->resend_end = una;
	return f;
}

void tcp_flight_end(struct tcp_ext_pool *pool, struct tcp_ext *x)
{
	if (x->flight == 0)
		return;
	pool->free_flights[pool->nflights++] = x->flight;
	x->flight = 0;
}

void tcp_resend_from_head(const struct tcp_conn *c, struct tcp_ext *x)
{
	x->resend = (struct tcp_pos){x->snd_head, x->snd_head_off};
	x->resend_seq = x->resend_end = c->snd_una;
}

void tcp_resend_from(const struct tcp_conn *c, struct tcp_ext *x, uint32_t seq)
{
	MR_CHECK(seq_le(c->snd_una, seq) && seq_lt(seq, c->snd_nxt));
	MR_CHECK(x->flight != 0 && x->resend_seq == x->resend_end);
	if (seq_lt(seq, x->resend_seq))
		tcp_resend_from_head(c, x);
	/* our FIN stands behind the queue */
	if (x->snd_queued != 0)
		tcp_pos_advance(&x->resend, seq - x->resend_seq);
	x->resend_seq = x->resend_end = seq;
}

void tcp_flight_lost(struct tcp_cx *cx, struct tcp_flight *f)
{
	if (board_timeout(&f->board))
		mr_count(cx->counters, MR_C_TCP_RENEGED);
	f->timer = TCP_LOSS_NONE;
	f->flags &= TCP_FL_UNDO | TCP_FL_RESENT;
	f->flags |= TCP_FL_FORCE;
	f->probe = 0;
}

void tcp_resend_all(struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x, bool again)
{
	const struct newreno_flight flight = tcp_flight(cx, c, x, c->snd_una, 0);
	struct tcp_flight *f = tcp_flight_of(cx->pool, x);

	if (f != NULL && !again && x->loss.phase == NEWRENO_OPEN)
		tcp_loss_begins(f);
	newreno_timeout(&x->loss, &x->cc, &flight, again);
	if (f == NULL) {
		tcp_resend_from_una(c, x, c->snd_nxt);
		return;
	}
	tcp_flight_lost(cx, f);
	f->flags |= again ? 0 : TCP_FL_FRTO_1;
}

void tcp_detect_losses(const struct tcp_cx *cx, const struct tcp_ext *x, struct tcp_flight *f)
{
	bool thresh = board_dupthresh(&f->board, x->cc.smss);
	uint32_t window_us, wait_us;

	window_us = rack_window_us(&f->path, x->loss.phase != NEWRENO_OPEN, thresh, x->rtt.srtt_us);
	wait_us = rack_detect(&f->board, &f->rack, (uint32_t)cx->now_us, window_us);
	if (wait_us != 0) {
		f->timer = TCP_LOSS_REORDER;
		f->due_ms = cx->now_ms + (wait_us + 999) / 1000;
	} else if (f->timer == TCP_LOSS_REORDER) {
		f->timer = TCP_LOSS_NONE;
	}
}

void tcp_arm_probe(const struct tcp_cx *cx, const struct tcp_conn *c, const struct tcp_ext *x,
		   struct tcp_flight *f)
{
	uint32_t ms = cx->params->rto_initial_ms;

	f->flags = (uint8_t)(f->flags & ~TCP_FL_ARM);
	if (f->timer == TCP_LOSS_REORDER)
		return;
	f->timer = TCP_LOSS_NONE;
	if (x->loss.phase != NEWRENO_OPEN || f->board.sacked != 0 || (f->probe & TCP_PROBE_OUT) ||
	    c->timer != TCP_TIMER_REXMT)
		return;
	if (x->rtt.srtt_us != 0)
		ms = MR_MAX((2 * x->rtt.srtt_us + 999) / 1000, PROBE_MIN_MS);
	if (c->snd_nxt - c->snd_una < 2u * tcp_effective_mss(c))
		ms += PROBE_DELACK_MS;
	MR_CHECK(c->snd_una != c->snd_nxt);
	f->timer = TCP_LOSS_PROBE;
	f->due_ms = seq_min(cx->now_ms + ms, c->deadline_ms);
}

void tcp_sendq_check(const struct tcp_conn *c, const struct tcp_ext *x)
{
	uint32_t octets = 0, mbufs = 0, at = 0;
	bool seen = x->snd_head == NULL;

	for (const struct rte_mbuf *m = x->snd_head; m != NULL; m = m->next) {
		if (m == x->snd_next.m) {
			seen = true;
			at = octets + x->snd_next.off - x->snd_head_off;
		}
		octets += m->data_len;
		mbufs++;
		MR_ASSERT(m->next != NULL || m == x->snd_tail);
	}
	MR_ASSERT(octets - x->snd_head_off == x->snd_queued && mbufs == x->snd_mbufs);
	MR_ASSERT(seen && x->snd_queued - at == tcp_unsent(c, x));
	if (tcp_synchronized(c) && x->snd_queued != 0)
		MR_ASSERT(x->snd_base == c->snd_una);
}
