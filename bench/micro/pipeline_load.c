/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of the client's half; see pipeline_load.h. Built and read by lib/wire itself. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "frame.h"
#include "octets.h"
#include "pipeline_load.h"

#define PORT_BITS 14u
#define PORT_FIRST 1024u
#define NET4 0x0a000000u /* 10/8 */
/* Steps whose frames are shuffled among themselves. */
#define GROUP_STEPS 8u
#define FRAMES_PER_STEP 4u
#define RX_GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

static const uint8_t client_mac[6] = {0x02, 0, 0, 0, 0, 0x11};
static const uint8_t net6[12] = {0xfd, 0x78};

enum phase { PHASE_SYN, PHASE_ACK, PHASE_FIN, PHASE_LAST_ACK };

int load_create(struct load *l, const struct load_config *cfg, struct rte_mempool *pool)
{
	memset(l, 0, sizeof(*l));
	l->cfg = *cfg;
	l->pool = pool;
	l->concurrent = 1ull << cfg->concurrent_bits;
	l->window = MR_MIN(l->concurrent / 4, 1024u);
	/* A number lives for up to two generations, and the windows. */
	l->ring = 4 * l->concurrent;
	l->isn = calloc(l->ring, sizeof(l->isn[0]));
	if (l->isn == NULL)
		return -1;
	mr_rng_seed(&l->rng, 1);
	wire_l2_make(&l->l2, cfg->server_mac, client_mac, WIRE_NO_VLAN, WIRE_NO_VLAN,
		     cfg->family == 4 ? 0x0800 : 0x86dd);
	l->addrs.family = cfg->family;
	l->addrs.hop_limit = 64;
	l->addrs.dport = wire_be16(cfg->server_port);
	memcpy(l->addrs.dst, cfg->server_addr, 16);
	if (cfg->family == 6)
		memcpy(l->addrs.src, net6, sizeof(net6));
	return 0;
}

void load_destroy(struct load *l)
{
	free(l->isn);
}

uint64_t load_warm_steps(const struct load *l)
{
	return l->concurrent + 4 * l->window + l->concurrent / 16 + 20000;
}

/** A bijection of a generation onto itself: the order in which its connections end. */
static uint64_t shuffled(const struct load *l, uint64_t number)
{
	uint64_t mask = l->concurrent - 1, x = number & mask;

	for (int i = 0; i < 3; i++) {
		x = (x * 0xd1342543de82ef95ull + 0x2545f4914f6cdd1dull) & mask;
		x ^= x >> (l->cfg.concurrent_bits / 2 + 1);
	}
	return (number & ~mask) | x;
}

/** The client's ISN: any function of the number. */
static uint32_t client_isn(uint64_t number)
{
	uint64_t x = number * 0x9fb21c651e98df25ull;

	return (uint32_t)(x ^ x >> 32);
}

static void set_tuple(struct load *l, uint64_t number)
{
	uint32_t host = (uint32_t)(number >> PORT_BITS) & 0xffffffu;

	l->addrs.sport = wire_be16((uint16_t)(PORT_FIRST + (number & ((1u << PORT_BITS) - 1))));
	wire_store32(l->addrs.src + (l->cfg.family == 4 ? 0 : 12), wire_be32(NET4 + host));
}

static void segment(const struct load *l, uint64_t number, enum phase phase, struct tcp_seg *seg)
{
	uint32_t ours = client_isn(number), theirs = l->isn[number & (l->ring - 1)];

	memset(seg, 0, sizeof(*seg));
	seg->seq = ours + (phase == PHASE_SYN ? 0 : phase == PHASE_LAST_ACK ? 2 : 1);
	seg->wnd = 65535;
	if (phase == PHASE_SYN) {
		seg->flags = TCP_SYN;
		seg->opts = TCP_OPT_MSS;
		seg->mss = 1460;
		return;
	}
	seg->flags = phase == PHASE_FIN ? TCP_FIN | TCP_ACK : TCP_ACK;
	/* A server that closed first has sent its FIN before ours comes. */
	seg->ack = theirs + 1 + (phase == PHASE_LAST_ACK || (phase == PHASE_FIN && l->cfg.active));
}

static void build(struct load *l, struct rte_mbuf *m, uint64_t number, enum phase phase)
{
	struct tcp_seg seg;

	set_tuple(l, number);
	segment(l, number, phase, &seg);
	wire_build_tcp(m, &l->l2, &l->addrs, &seg, (uint16_t)number);
	/* With offload nobody looks at the checksums, on either side. */
	wire_finish_tcp(m, l->l2.len, l->cfg.family,
			l->cfg.checksum_offload ? WIRE_TX_IPV4_CKSUM | WIRE_TX_TCP_CKSUM : 0);
	m->ol_flags = l->cfg.checksum_offload ? RX_GOOD : 0;
}

/** The frames of one step; returns how many. */
static uint32_t step_frames(struct load *l, struct rte_mbuf **pkts)
{
	uint64_t t = l->step++, first_end = l->concurrent + l->window + 1;
	uint32_t n = 0;

	build(l, pkts[n++], t, PHASE_SYN);
	if (t >= l->window)
		build(l, pkts[n++], t - l->window, PHASE_ACK);
	if (t >= first_end)
		build(l, pkts[n++], shuffled(l, t - first_end), PHASE_FIN);
	if (t >= first_end + l->window && !l->cfg.active)
		build(l, pkts[n++], shuffled(l, t - first_end - l->window), PHASE_LAST_ACK);
	return n;
}

static void shuffle(struct load *l, struct rte_mbuf **pkts, uint32_t n)
{
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t j = (uint32_t)mr_rng_below(&l->rng, i + 1);
		struct rte_mbuf *m = pkts[i];

		pkts[i] = pkts[j];
		pkts[j] = m;
	}
}

uint32_t load_frames(struct load *l, struct rte_mbuf **pkts, uint32_t n)
{
	/* No step of this call may need an answer to another one. */
	uint64_t last_step = l->step + l->window - GROUP_STEPS;
	uint32_t filled = 0;

	MR_ASSERT(n >= GROUP_STEPS * FRAMES_PER_STEP);
	MR_ASSERT(rte_pktmbuf_alloc_bulk(l->pool, pkts, n) == 0);
	while (n - filled >= GROUP_STEPS * FRAMES_PER_STEP && l->step <= last_step) {
		uint32_t first = filled;

		for (uint32_t i = 0; i < GROUP_STEPS; i++)
			filled += step_frames(l, pkts + filled);
		shuffle(l, pkts + first, filled - first);
	}
	rte_pktmbuf_free_bulk(pkts + filled, n - filled);
	return filled;
}

/** The number of the connection that a reply belongs to, modulo 2^38. */
static uint64_t number_of(const struct load *l, const struct rte_mbuf *m,
			  const struct wire_frame *f)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, f->l2_len);
	uint32_t addr = wire_load32(ip + (l->cfg.family == 4 ? 16 : 36));
	uint64_t host = wire_be32(addr) - NET4;

	return host << PORT_BITS | (uint64_t)(wire_be16(f->dport) - PORT_FIRST);
}

void load_replies(struct load *l, struct rte_mbuf **pkts, uint32_t n)
{
	struct mr_counters counters;
	struct wire_frame f;
	struct tcp_seg seg;
	uint16_t off, drop;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		/* Software checksums are verified by reading; offloaded ones were never made. */
		m->ol_flags = l->cfg.checksum_offload ? RX_GOOD : 0;
		wire_parse(m, &f, &counters);
		if (f.kind != WIRE_TCP || !wire_tcp_values(m, &f, &seg, &off, &drop) ||
		    (seg.flags & TCP_RST) != 0) {
			l->bad_replies++;
			continue;
		}
		l->replies++;
		if ((seg.flags & TCP_SYN) != 0)
			l->isn[number_of(l, m, &f) & (l->ring - 1)] = seg.seq;
	}
}
