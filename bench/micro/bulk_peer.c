/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers that move bulk data; see bulk_peer.h. Frames are built and read by lib/wire itself. */
#include <stdlib.h>
#include <string.h>

#include "bulk_peer.h"
#include "check.h"
#include "frame.h"
#include "octets.h"

#define PORT_BITS 14u
#define PORT_FIRST 1024u
#define NET 0x0a000000u	/* 10/8 */
#define WINDOW_SHIFT 4u	/* windows of 4 segments are a multiple of its unit */
#define ISN 1000u
#define RX_GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

static const uint8_t peer_mac[6] = {0x02, 0, 0, 0, 0, 0x11};

struct bulk_conn {
	uint32_t snd_nxt, snd_edge;	/* ours; what the server permits */
	uint32_t rcv_nxt, acked;	/* the server's */
	uint8_t shift;			/* of the server's windows */
};

int bulk_peer_create(struct bulk_peer *p, const struct bulk_config *cfg)
{
	/* an ACK of the handshake, and one for every second segment of a window */
	uint64_t acks = (uint64_t)cfg->connections * (cfg->window / 2 + 2);

	memset(p, 0, sizeof(*p));
	p->cfg = *cfg;
	for (p->acks_mask = 1; p->acks_mask < acks; p->acks_mask = p->acks_mask << 1 | 1)
		;
	p->conn = calloc(cfg->connections, sizeof(p->conn[0]));
	p->acks = calloc((size_t)p->acks_mask + 1, sizeof(p->acks[0]));
	if (p->conn == NULL || p->acks == NULL) {
		bulk_peer_destroy(p);
		return -1;
	}
	wire_l2_make(&p->l2, cfg->server_mac, peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, 0x0800);
	p->addrs.family = 4;
	p->addrs.hop_limit = 64;
	p->addrs.dport = wire_be16(cfg->server_port);
	memcpy(p->addrs.dst, cfg->server_addr, 4);
	return 0;
}

void bulk_peer_destroy(struct bulk_peer *p)
{
	free(p->conn);
	free(p->acks);
	p->conn = NULL;
	p->acks = NULL;
}

/* ---- frames to the server ---- */

static void build(struct bulk_peer *p, struct rte_mbuf *m, uint32_t i, const struct tcp_seg *seg)
{
	p->addrs.sport = wire_be16((uint16_t)(PORT_FIRST + (i & ((1u << PORT_BITS) - 1))));
	wire_store32(p->addrs.src, wire_be32(NET + (i >> PORT_BITS)));
	wire_build_tcp(m, &p->l2, &p->addrs, seg, 0);
	/* its octets are whatever the mbuf held before */
	if (seg->len != 0)
		MR_ASSERT(rte_pktmbuf_append(m, seg->len) != NULL);
	wire_finish_tcp(m, p->l2.len, 4,
			p->cfg.checksum_offload ? WIRE_TX_IPV4_CKSUM | WIRE_TX_TCP_CKSUM : 0);
	m->ol_flags = p->cfg.checksum_offload ? RX_GOOD : 0;
}

static void build_syn(struct bulk_peer *p, struct rte_mbuf *m)
{
	const struct tcp_seg seg = {.seq = ISN, .flags = TCP_SYN, .wnd = 65535, .mss = BULK_MSS,
				    .wscale = WINDOW_SHIFT,
				    .opts = TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_SACK_OK};
	struct bulk_conn *c = &p->conn[p->opened];

	c->snd_nxt = c->snd_edge = ISN + 1;
	build(p, m, p->opened++, &seg);
}

static uint16_t window(const struct bulk_peer *p)
{
	uint64_t wnd = (uint64_t)p->cfg.window * BULK_MSS >> WINDOW_SHIFT;

	return (uint16_t)MR_MIN(wnd, 65535u);
}

static void build_ack(struct bulk_peer *p, struct rte_mbuf *m)
{
	const struct bulk_ack *a = &p->acks[p->acks_head++ & p->acks_mask];
	const struct tcp_seg seg = {.seq = p->conn[a->conn].snd_nxt, .ack = a->ack,
				    .flags = TCP_ACK, .wnd = window(p)};

	build(p, m, a->conn, &seg);
}

static void build_data(struct bulk_peer *p, struct rte_mbuf *m, uint32_t i)
{
	struct bulk_conn *c = &p->conn[i];
	const struct tcp_seg seg = {.seq = c->snd_nxt, .ack = c->acked, .flags = TCP_ACK,
				    .wnd = window(p), .len = BULK_MSS};

	c->snd_nxt += BULK_MSS;
	build(p, m, i, &seg);
}

/** A run of each connection in turn, as its window permits. */
static uint32_t pour(struct bulk_peer *p, struct rte_mbuf **pkts, uint32_t n)
{
	uint32_t filled = 0, idle = 0;

	while (filled + p->cfg.run <= n && idle < p->cfg.connections) {
		const uint32_t i = p->turn, before = filled;
		struct bulk_conn *c = &p->conn[i];

		p->turn = i + 1 < p->opened ? i + 1 : 0;
		for (uint32_t k = 0; k < p->cfg.run; k++) {
			if (c->snd_edge - c->snd_nxt < BULK_MSS)
				break;
			build_data(p, pkts[filled++], i);
		}
		idle = filled != before ? 0 : idle + 1;
	}
	return filled;
}

uint32_t bulk_peer_ready(const struct bulk_peer *p, uint32_t n)
{
	const uint32_t acks = p->acks_tail - p->acks_head, syns = p->cfg.connections - p->opened;

	return !p->cfg.server_sends && syns == 0 ? n : (uint32_t)MR_MIN((uint64_t)acks + syns, n);
}

uint32_t bulk_peer_frames(struct bulk_peer *p, struct rte_mbuf **pkts, uint32_t n, uint32_t *data)
{
	uint32_t filled = 0;

	*data = 0;
	while (filled < n && p->acks_head != p->acks_tail)
		build_ack(p, pkts[filled++]);
	while (filled < n && p->opened < p->cfg.connections)
		build_syn(p, pkts[filled++]);
	if (!p->cfg.server_sends && p->opened == p->cfg.connections)
		*data = pour(p, pkts + filled, n - filled);
	return filled + *data;
}

/* ---- the server's frames ---- */

static uint32_t number_of(const struct rte_mbuf *m, const struct wire_frame *f)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, f->l2_len);

	return (wire_be32(wire_load32(ip + 16)) - NET) << PORT_BITS |
	       (uint32_t)(wire_be16(f->dport) - PORT_FIRST);
}

static void owe_ack(struct bulk_peer *p, uint32_t i)
{
	struct bulk_conn *c = &p->conn[i];

	MR_ASSERT(p->acks_tail - p->acks_head <= p->acks_mask);
	p->acks[p->acks_tail++ & p->acks_mask] = (struct bulk_ack){i, c->rcv_nxt};
	c->acked = c->rcv_nxt;
}

static void read_segment(struct bulk_peer *p, uint32_t i, const struct tcp_seg *seg)
{
	struct bulk_conn *c = &p->conn[i];
	const bool syn = (seg->flags & TCP_SYN) != 0;

	if (syn && c->rcv_nxt == 0) {
		c->shift = (seg->opts & TCP_OPT_WS) ? seg->wscale : 0;
		c->rcv_nxt = seg->seq + 1;
		owe_ack(p, i);
	} else if (syn || seg->seq != c->rcv_nxt) {
		p->bad++;
		return;
	}
	c->snd_edge = seq_max(c->snd_edge, seg->ack + ((uint32_t)seg->wnd << (syn ? 0 : c->shift)));
	if (seg->len == 0)
		return;
	c->rcv_nxt += seg->len;
	p->received++;
	p->bad += seg->len != BULK_MSS;
	if (c->rcv_nxt - c->acked >= 2 * BULK_MSS)
		owe_ack(p, i);
}

void bulk_peer_read(struct bulk_peer *p, struct rte_mbuf **pkts, uint32_t n)
{
	struct mr_counters counters;
	struct wire_frame f;
	struct tcp_seg seg;
	uint16_t off, drop;

	for (uint32_t i = 0; i < n; i++) {
		/* Software checksums are verified by reading; offloaded ones were never made. */
		pkts[i]->ol_flags = p->cfg.checksum_offload ? RX_GOOD : 0;
		wire_parse(pkts[i], &f, &counters);
		if (f.kind != WIRE_TCP || !wire_tcp_values(pkts[i], &f, &seg, &off, &drop) ||
		    (seg.flags & TCP_RST) != 0)
			p->bad++;
		else
			read_segment(p, number_of(pkts[i], &f), &seg);
	}
}
