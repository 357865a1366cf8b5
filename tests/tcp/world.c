/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See world.h.
 */
#include <string.h>

#include "world.h"

void world_pool_init(struct tcp_ext_pool *pool, struct world_pool *mem)
{
	memset(pool, 0, sizeof(*pool));
	pool->ext = mem->ext;
	pool->free_list = mem->free_list;
	pool->flight = mem->flight;
	pool->free_flights = mem->free_flights;
	pool->holders.index = mem->holders;
	pool->holders.place = mem->places;
	pool->capacity = WORLD_EXTS;
	pool->mbufs_max = 4096;
	pool->free_chain = fake_free;
	tcp_ext_pool_fill(pool);
}

/* What points into the world itself. */
static void settle(struct world *w)
{
	w->pool.ext = w->pool_mem.ext;
	w->pool.free_list = w->pool_mem.free_list;
	w->pool.flight = w->pool_mem.flight;
	w->pool.free_flights = w->pool_mem.free_flights;
	w->pool.holders.index = w->pool_mem.holders;
	w->pool.holders.place = w->pool_mem.places;
	w->cx.params = &w->params;
	w->cx.pool = &w->pool;
	w->cx.counters = &w->counters;
}

void world_copy(struct world *to, const struct world *from)
{
	MR_ASSERT(from->pool.mbufs_held == 0);
	memcpy(to, from, sizeof(*to));
	settle(to);
}

void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	tcp_params_default(&w->params);
	w->params.timestamps = false;
	w->params.rcv_buf = 262144;	/* and stays so, unless a test is about that */
	w->params.rcv_buf_max = 0;
	w->params.rcv_scale = 3;
	world_pool_init(&w->pool, &w->pool_mem);
	settle(w);
	w->cx.family = 4;
	w->cx.now_ms = 5000000;
	w->cx.now_us = 5000000000ull;
	w->cx.ts_offset = 77;
	w->peer_ts = 1000;
	w->iss = WORLD_ISS;
	w->irs = WORLD_IRS;
}

void world_fini(struct world *w)
{
	tcp_release(&w->cx, &w->c);
	MR_ASSERT(w->pool.nflights == WORLD_EXTS);
	MR_ASSERT(w->pool.nfree == WORLD_EXTS && w->pool.mbufs_held == 0);
	MR_ASSERT(fake_live() == 0);
}

void world_output(struct world *w)
{
	w->nout = 0;
	if (w->v.bits & TCP_V_GONE)
		return;
	while (w->nout < WORLD_OUT_MAX && tcp_next_segment(&w->cx, &w->c, &w->out[w->nout]))
		w->nout++;
	MR_ASSERT(w->nout < WORLD_OUT_MAX);
	tcp_check(&w->cx, &w->c);
}

struct tcp_seg world_seg(struct world *w, unsigned int flags, uint16_t len)
{
	struct tcp_seg seg = {.seq = w->c.rcv_nxt, .ack = w->c.snd_nxt, .wnd = 65535, .len = len};

	seg.flags = (uint8_t)flags;
	if ((flags & TCP_ACK) == 0)
		seg.ack = 0;
	if (w->params.timestamps) {
		seg.opts |= TCP_OPT_TS;
		seg.tsval = w->peer_ts;
		seg.tsecr = w->cx.now_ms + w->cx.ts_offset;
	}
	return seg;
}

void world_arrives(struct world *w, const struct tcp_seg *seg)
{
	struct rte_mbuf *m = seg->len ? fake_chain(NULL, seg->len, FAKE_ROOM) : NULL;

	tcp_arrives(&w->cx, &w->c, seg, m, &w->v);
	if (m != NULL && (w->v.bits & TCP_V_TAKEN) == 0)
		fake_free(m);
	if (w->v.bits & TCP_V_DELIVER) {
		w->delivered += w->v.deliver->pkt_len;
		fake_free(w->v.deliver);
	}
	world_output(w);
}

void world_hears(struct world *w, unsigned int flags, uint32_t ack, uint16_t len)
{
	struct tcp_seg seg = world_seg(w, flags, len);

	seg.ack = ack;
	world_arrives(w, &seg);
}

void world_sleep_ms(struct world *w, uint32_t ms)
{
	w->cx.now_ms += ms;
	w->cx.now_us += ms * 1000ull;
	w->peer_ts += ms;
	tcp_timeout(&w->cx, &w->c, &w->v);
	world_output(w);
}

uint32_t world_next_timer(struct world *w)
{
	uint32_t due, ms;

	if (!tcp_next_due(&w->cx, &w->c, &due))
		return UINT32_MAX;
	ms = due - w->cx.now_ms;
	world_sleep_ms(w, ms);
	return ms;
}

bool world_send(struct world *w, uint32_t len, unsigned int flags)
{
	struct rte_mbuf *m = fake_chain(NULL, len, FAKE_ROOM);
	bool taken = tcp_send(&w->cx, &w->c, m, flags);

	if (!taken)
		fake_free(m);
	w->v.bits = 0;
	world_output(w);
	return taken;
}

bool world_sent(const struct world *w, unsigned int flags, uint32_t seq, uint32_t ack)
{
	const struct tcp_seg *seg = &w->out[w->nout - 1].seg;

	return w->nout != 0 && seg->flags == flags && seg->seq == seq && seg->ack == ack;
}

/* ---- fixtures ---- */

static struct tcp_seg peer_syn(struct world *w, unsigned int flags)
{
	struct tcp_seg syn = world_seg(w, flags, 0);

	syn.seq = w->irs;
	syn.opts |= TCP_OPT_MSS;
	syn.mss = 1460;
	if (w->peer_sack)
		syn.opts |= TCP_OPT_SACK_OK;
	return syn;
}

void syn_sent(struct world *w)
{
	tcp_active_open(&w->cx, &w->c, w->iss);
	world_output(w);
	MR_ASSERT(world_sent(w, TCP_SYN, w->iss, 0));
}

void syn_rcvd(struct world *w)
{
	struct tcp_seg syn = peer_syn(w, TCP_SYN);

	tcp_listen_arrives(&w->cx, &syn, &w->v);
	MR_ASSERT(w->v.bits == TCP_V_CREATE);
	tcp_passive_open(&w->cx, &w->c, &syn, w->iss);
	world_output(w);
	MR_ASSERT(world_sent(w, TCP_SYN | TCP_ACK, w->iss, w->irs + 1));
}

void syn_rcvd_active(struct world *w)
{
	struct tcp_seg syn;

	syn_sent(w);
	syn = peer_syn(w, TCP_SYN);
	world_arrives(w, &syn);
	MR_ASSERT(tcp_state(&w->c) == TCP_SYN_RCVD);
	MR_ASSERT(world_sent(w, TCP_SYN | TCP_ACK, w->iss, w->irs + 1));
}

void established(struct world *w)
{
	struct tcp_seg ack;

	syn_rcvd(w);
	ack = world_seg(w, TCP_ACK, 0);
	world_arrives(w, &ack);
	MR_ASSERT(tcp_state(&w->c) == TCP_ESTABLISHED);
}

struct tcp_seg shut_out(struct world *w)
{
	struct tcp_seg seg;

	established(w);
	seg = world_seg(w, TCP_ACK, 0);
	seg.wnd = 0;
	world_arrives(w, &seg);
	world_send(w, 100, 0);
	return seg;
}

void close_wait(struct world *w)
{
	struct tcp_seg fin;

	established(w);
	fin = world_seg(w, TCP_FIN | TCP_ACK, 0);
	world_arrives(w, &fin);
	MR_ASSERT(tcp_state(&w->c) == TCP_CLOSE_WAIT);
}

static void shut(struct world *w)
{
	MR_ASSERT(tcp_shutdown(&w->cx, &w->c));
	world_output(w);
}

void fin_wait_1(struct world *w)
{
	established(w);
	shut(w);
	MR_ASSERT(tcp_state(&w->c) == TCP_FIN_WAIT_1);
}

void fin_wait_2(struct world *w)
{
	struct tcp_seg ack;

	fin_wait_1(w);
	ack = world_seg(w, TCP_ACK, 0);
	world_arrives(w, &ack);
	MR_ASSERT(tcp_state(&w->c) == TCP_FIN_WAIT_2);
}

void closing(struct world *w)
{
	struct tcp_seg fin;

	fin_wait_1(w);
	fin = world_seg(w, TCP_FIN | TCP_ACK, 0);
	fin.ack = w->c.snd_una;
	world_arrives(w, &fin);
	MR_ASSERT(tcp_state(&w->c) == TCP_CLOSING);
}

void last_ack(struct world *w)
{
	close_wait(w);
	shut(w);
	MR_ASSERT(tcp_state(&w->c) == TCP_LAST_ACK);
}
