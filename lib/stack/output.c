/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments become frames. lib/tcp decides what goes out (tcp_next_segment); here it gets its
 * headers, its payload (copied, chained by indirect mbufs, or gathered where the port wants one
 * segment) and its place in the transmit queue. A kept segment is never handed to a port: what goes
 * out is a header mbuf with indirect mbufs on payload that nobody writes again. And where mbufs
 * come from: who gets none when few are left (pressure_update()).
 */
#include <string.h>

#include <rte_ether.h>

#include "reply.h"
#include "worker.h"

/*
 * The pool's mbufs come back from other cores and are cold: they are taken in batches, first in
 * first out, so that the lines of a batch are under way while the one before it is used. Without a
 * batch left, one by one to the last.
 */
static MR_NOINLINE void ctl_refill(struct mr_worker *w)
{
	/* As rte_mbuf_to_baddr(), but without reading the mbuf. */
	const size_t octets = sizeof(struct rte_mbuf) + rte_pktmbuf_priv_size(w->ctl_pool) +
			      RTE_PKTMBUF_HEADROOM;
	struct rte_mbuf *batch[STACK_SPARE_LEN / 2];
	uint32_t n = STACK_SPARE_LEN / 2;

	if (rte_mempool_get_bulk(w->ctl_pool, (void **)batch, n) != 0)
		n = w->nspare == 0 && rte_mempool_get(w->ctl_pool, (void **)batch) == 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (w->spare_head + w->nspare++) % STACK_SPARE_LEN;

		MR_PREFETCH_WRITE(batch[i]);
		/* a SYN is longer than a line */
		MR_PREFETCH_WRITE((char *)batch[i] + octets);
		MR_PREFETCH_WRITE((char *)batch[i] + octets + MR_CACHE_LINE);
		w->spare[at] = batch[i];
	}
}

/*
 * rte_pktmbuf_reset() but for `next` and `tx_offload`, which lie in the mbuf's second line: the
 * first is NULL in every mbuf of a pool and in every mbuf_reusable(), the second is read only when
 * flags of ol_flags ask for it, and is then written by whoever sets them.
 */
static void mbuf_reset(struct rte_mbuf *m)
{
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = 0;
	m->data_len = 0;
	m->vlan_tci = m->vlan_tci_outer = 0;
	m->port = RTE_MBUF_PORT_INVALID;
}

struct rte_mbuf *ctl_mbuf(struct mr_worker *w)
{
	struct rte_mbuf *m;

	if (MR_UNLIKELY(w->nspare <= STACK_SPARE_LEN / 2))
		ctl_refill(w);
	if (MR_UNLIKELY(w->nspare == 0)) {
		mr_count(&w->counters, MR_C_TX_NO_MBUF);
		return NULL;
	}
	m = w->spare[w->spare_head];
	w->spare_head = (w->spare_head + 1) % STACK_SPARE_LEN;
	w->nspare--;
	MR_CHECK(mbuf_reusable(m));
	mbuf_reset(m);
	return m;
}

struct rte_mbuf *stack_ctl_mbuf(struct mr_worker *w) { return ctl_mbuf(w); }

uint32_t stack_mbufs_ready(const struct mr_worker *w) { return w->nspare; }

/* ---- few mbufs ---- */

/* Counting what the caches of all lcores hold as well is dear: done when the rest is not enough. */
static uint32_t mbufs_free(const struct rte_mempool *pool, uint32_t enough)
{
	uint32_t n = rte_mempool_get_ops(pool->ops_index)->get_count(pool);

	return n >= enough ? n : rte_mempool_avail_count(pool);
}

/*
 * What is given up first. Below the reserve no SYN takes a record, nothing is kept out of order,
 * and who holds unread data gets no more; below a half of it nobody gets data; below a quarter
 * handlers find none to send with. The rest is for frames that come: without mbufs for them no ACK
 * arrives that would free what waits, and no RST. Data is refused before sending is: a handler
 * that answers what it holds gives mbufs back.
 */
void pressure_update(struct mr_worker *w)
{
	const uint32_t reserve = w->mbufs_reserve, data = mbufs_free(w->data_pool, reserve),
		       ctl = mbufs_free(w->ctl_pool, reserve), least = MR_MIN(data, ctl);

	w->rx_unchecked = 0;
	w->cx.mbufs_low = least < reserve;
	w->cx.mbufs_few = least < reserve / 2;
	w->rx_check = w->cx.mbufs_low ? 1 : MR_MAX(reserve / 2, MR_BURST);
}

struct rte_mbuf *mbuf_of_handler(struct mr_worker *w)
{
	const uint32_t floor = w->mbufs_reserve / 4;

	w->rx_unchecked++;	/* one less for frames, before the next look */
	return mbufs_free(w->data_pool, floor) < floor ? NULL : rte_pktmbuf_alloc(w->data_pool);
}

void mbufs_check(const struct mr_worker *w)
{
	uint64_t held = 0, ooo = 0;
	uint32_t holders = 0;

	for (unsigned int i = 0; i < 2; i++) {
		const struct table *t = &w->flows[i].table;

		for (uint32_t k = 0; w->flows[i].on && k < t->capacity; k++) {
			const struct tcp_conn *c = table_record(t, k);

			if (tcp_state(c) == TCP_CLOSED || tcp_ext_index(c) == 0)
				continue;
			held += tcp_ext_of(&w->ext_pool, c)->snd_mbufs;
			ooo += tcp_ext_of(&w->ext_pool, c)->ooo_mbufs;
			holders += tcp_ext_of(&w->ext_pool, c)->ooo_mbufs != 0;
		}
	}
	MR_ASSERT(w->ext_pool.mbufs_held == held + ooo && w->ext_pool.ooo_held == ooo);
	MR_ASSERT(w->ext_pool.holders.n == holders);
}

/* ---- frames that wait for a burst ---- */

void tx_flush(struct mr_worker *w, uint16_t port)
{
	struct txq *q = &w->txq[port];

	w->io.transmit(w->io.ctx, port, q->m, q->n);
	q->n = 0;
}

void stack_flush(struct mr_worker *w)
{
	for (uint16_t p = 0; p < w->nports; p++) {
		if (w->txq[p].n != 0)
			tx_flush(w, p);
	}
}

void tx_push(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, unsigned int tx_class)
{
	tx_queue(w, port, m, tx_class);
}

static unsigned int class_of(const struct tcp_seg *seg)
{
	if (seg->flags & TCP_SYN)
		return STACK_TX_SYN;
	return seg->len != 0 ? STACK_TX_DATA : STACK_TX_CTRL;
}

/* An mbuf of a received frame, made empty for a frame of our own; else a fresh one. */
static struct rte_mbuf *reply_mbuf(struct mr_worker *w, struct rte_mbuf *reply)
{
	if (reply == NULL)
		return ctl_mbuf(w);
	if (MR_LIKELY(mbuf_reusable(reply))) {
		mbuf_reset(reply);
		return reply;
	}
	rte_pktmbuf_free(reply);
	return ctl_mbuf(w);
}

/* ---- payload ---- */

/* Copies len octets from offset off of a chain behind the headers in m, which has the room. */
static void payload_copy(struct rte_mbuf *m, const struct rte_mbuf *data, uint32_t off,
			 uint32_t len)
{
	while (off >= data->data_len) {
		off -= data->data_len;
		data = data->next;
	}
	while (len != 0) {
		uint32_t n = MR_MIN(len, data->data_len - off);
		char *to = rte_pktmbuf_append(m, (uint16_t)n);

		MR_ASSERT(to != NULL);
		memcpy(to, rte_pktmbuf_mtod_offset(data, const char *, off), n);
		len -= n;
		off = 0;
		data = data->next;
	}
}

/*
 * Chains indirect mbufs on the payload behind m. False: an mbuf was missing (m keeps what it has).
 */
static bool payload_attach(struct mr_worker *w, struct rte_mbuf *m, struct rte_mbuf *data,
			   uint32_t off, uint32_t len)
{
	struct rte_mbuf *tail = m;

	while (off >= data->data_len) {
		off -= data->data_len;
		data = data->next;
	}
	while (len != 0) {
		uint32_t n = MR_MIN(len, data->data_len - off);
		struct rte_mbuf *ind = ctl_mbuf(w);

		if (ind == NULL)
			return false;
		rte_pktmbuf_attach(ind, data);
		ind->next = NULL;
		ind->nb_segs = 1;
		ind->data_off = (uint16_t)(data->data_off + off);
		ind->data_len = (uint16_t)n;
		tail->next = ind;
		tail = ind;
		m->nb_segs++;
		m->pkt_len += n;
		len -= n;
		off = 0;
		data = data->next;
	}
	return true;
}

/* May the payload go out as it lies? Not in more pieces than the port takes behind a header. */
static bool attachable(const struct stack_port *port, const struct tcp_xmit *x)
{
	const uint32_t end = x->data_off + x->seg.len;
	const struct rte_mbuf *data = x->data;
	uint32_t pieces = 1, seen = 0;

	if (x->seg.len <= MR_COPY_MAX || !port->multi_seg || port->tx_mbufs_max == 0)
		return x->seg.len > MR_COPY_MAX && port->multi_seg;
	for (; seen + data->data_len < end; data = data->next) {
		seen += data->data_len;
		pieces += seen > x->data_off && data->data_len != 0;
	}
	return pieces < port->tx_mbufs_max;
}

static struct rte_mbuf *frame_mbuf(struct mr_worker *w, bool attach, uint32_t len,
				   struct rte_mbuf **reply)
{
	struct rte_mbuf *m;

	if (len == 0) {
		m = reply_mbuf(w, *reply);
		*reply = NULL;
		return m;
	}
	if (len <= MR_COPY_MAX || attach)
		return ctl_mbuf(w);
	m = rte_pktmbuf_alloc(w->data_pool);
	mr_count(&w->counters, m == NULL ? MR_C_TX_NO_MBUF : MR_C_TX_GATHERED);
	return m;
}

/* ---- segments of connections ---- */

static void conn_addrs(const struct mr_worker *w, struct conn_ref r, struct wire_addrs *a)
{
	a->family = r.v6 ? 6 : 4;
	a->hop_limit = w->cx.params->hop_limit;
	a->tos = w->cx.params->tos;
	laddr_get(w, r.c->laddr, a->src);
	if (!r.v6) {
		const struct conn4 *c4 = (const struct conn4 *)r.c;

		memcpy(a->dst, &c4->raddr, 4);
		a->sport = c4->lport;
		a->dport = c4->rport;
	} else {
		const struct conn6 *c6 = (const struct conn6 *)r.c;

		memcpy(a->dst, c6->raddr, 16);
		a->sport = c6->lport;
		a->dport = c6->rport;
	}
}

/*
 * It is not sent, or waits, perhaps until another frame to that neighbour takes its place. RFC 7413
 * 4.1.3.1 draws conclusions from a lost SYN with its option: from none that may not have left.
 */
static MR_COLD void stays_here(struct mr_worker *w, struct conn_ref r, const struct tcp_seg *seg)
{
	if ((seg->opts & TCP_OPT_FASTOPEN) && tcp_ext_index(r.c) != 0)
		tcp_ext_of(&w->ext_pool, r.c)->syn_excused = true;
}

static void frame_out(struct mr_worker *w, struct conn_ref r, const struct nexthop *hop,
		      struct rte_mbuf *m, const struct tcp_seg *seg)
{
	if (MR_LIKELY(hop->state == NEXTHOP_LEARNED || hop->state == NEXTHOP_REACHABLE)) {
		tx_queue(w, hop->port, m, class_of(seg));
		return;
	}
	if (hop->state != NEXTHOP_PROBE)
		stays_here(w, r, seg);
	neigh_send(w, r.c->nexthop, m);
}

/* Headers only, on a link without tags. */
static void send_header(struct mr_worker *w, struct conn_ref r, const struct tcp_seg *seg,
			struct rte_mbuf *m)
{
	const struct nexthop *hop = &w->neigh.hop[r.c->nexthop];
	const struct wire_reply how = {.l2_len = 14, .hop_limit = w->cx.params->hop_limit,
				       .tos = w->cx.params->tos,
				       .offload = (uint8_t)w->port[hop->port].tx_offload};
	const struct conn4 *c4 = (const struct conn4 *)r.c;
	const struct conn6 *c6 = (const struct conn6 *)r.c;
	struct wire_addrs6 a = {0};

	MR_CHECK(hop->l2.len == 14 && seg->len == 0);
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), hop->l2.octets, 14);
	laddr_get(w, r.c->laddr, (uint8_t *)a.src);
	if (r.v6) {
		memcpy(a.dst, c6->raddr, 16);
		wire_put_tcp6(m, &how, &a, (uint32_t)c6->rport << 16 | c6->lport, seg);
	} else {
		wire_put_tcp4(m, &how, (uint64_t)c4->raddr << 32 | (uint32_t)a.src[0],
			      (uint32_t)c4->rport << 16 | c4->lport, seg);
	}
	frame_out(w, r, hop, m, seg);
}

static void send_segment(struct mr_worker *w, struct conn_ref r, const struct tcp_xmit *x,
			 struct rte_mbuf **reply)
{
	const struct nexthop *hop = &w->neigh.hop[r.c->nexthop];
	const struct stack_port *port = &w->port[hop->port];
	const bool attach = attachable(port, x);
	struct rte_mbuf *m = frame_mbuf(w, attach, x->seg.len, reply);
	struct wire_addrs a;

	if (MR_UNLIKELY(m == NULL)) {
		stays_here(w, r, &x->seg);
		return;
	}
	if (MR_LIKELY(x->seg.len == 0 && hop->l2.len == 14)) {
		send_header(w, r, &x->seg, m);
		return;
	}
	conn_addrs(w, r, &a);
	a.tos |= x->seg.ecn;
	wire_build_tcp(m, &hop->l2, &a, &x->seg, 0);
	if (x->seg.len != 0) {
		/* with a SYN: when they are acknowledged, fastopen.h */
		if (!x->retransmit && (x->seg.flags & TCP_SYN) == 0)
			conn_group(w, r.c)->stats.tx_octets += x->seg.len;
		if (!attach) {
			payload_copy(m, x->data, x->data_off, x->seg.len);
		} else if (!payload_attach(w, m, x->data, x->data_off, x->seg.len)) {
			rte_pktmbuf_free(m);
			stays_here(w, r, &x->seg);
			return;
		}
	}
	wire_finish_tcp(m, hop->l2.len, a.family, port->tx_offload);
	frame_out(w, r, hop, m, &x->seg);
}

void output_conn(struct mr_worker *w, struct conn_ref r, struct rte_mbuf *reply)
{
	struct tcp_xmit x;

	conn_cx(w, r);
	while (tcp_next_segment(&w->cx, r.c, &x))
		send_segment(w, r, &x, &reply);
	if (reply != NULL)
		rte_pktmbuf_free(reply);
}

void output_segment(struct mr_worker *w, struct conn_ref r, const struct tcp_xmit *x,
		    struct rte_mbuf *reply)
{
	send_segment(w, r, x, &reply);
	rte_pktmbuf_free(reply);
}

void output_rst(struct mr_worker *w, struct conn_ref r, const struct tcp_verdict *v)
{
	struct tcp_xmit x = {.seg = {.seq = v->rst.seq, .ack = v->rst.ack, .flags = v->rst.flags}};
	struct rte_mbuf *reply = NULL;

	mr_count(&w->counters, MR_C_TCP_TX_RST);
	send_segment(w, r, &x, &reply);
}

/* ---- answers to segments of no connection ---- */

void output_reply(struct mr_worker *w, struct rx_seg *rx, const struct tcp_seg *seg)
{
	const struct stack_port *port = &w->port[rx->port];
	struct wire_addrs a = {.family = rx->frame->family, .hop_limit = w->params.hop_limit,
			       .tos = w->params.tos,
			       .sport = rx->key.lport, .dport = rx->key.rport};
	struct wire_l2 l2;
	struct rte_mbuf *m;
	uint8_t mac[6];

	/* Back to the station it came from; its source MAC is overwritten below. */
	memmove(mac, rte_pktmbuf_read(rx->m, 6, 6, mac), 6);
	wire_l2_make(&l2, mac, port->mac, rx->frame->vlan, rx->frame->vlan_outer,
		     rx->frame->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	laddr_get(w, rx->key.laddr, a.src);
	memcpy(a.dst, rx->key.raddr, 16);
	m = reply_mbuf(w, rx->m);
	if (m == NULL)
		return;
	wire_build_tcp(m, &l2, &a, seg, 0);
	wire_finish_tcp(m, l2.len, a.family, port->tx_offload);
	tx_push(w, rx->port, m, class_of(seg));
}
