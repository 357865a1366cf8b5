/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See hostile.h. Forgeries have right checksums, and the MAC of whom they claim to be: as seen
 * behind a router, where all have the router's.
 */
#include <string.h>

#include "hostile.h"
#include "check.h"
#include "seq.h"

#define TRIES	16u

/* A segment to be forged: from host `from`, which need not exist. */
struct forgery {
	unsigned int from, to;
	uint16_t sport, dport;
	uint32_t seq, ack, tsval;
	uint16_t wnd, len;
	uint8_t family, flags;
	bool ts;
};

static uint32_t any(struct sim_hostile *h) { return (uint32_t)mr_rng_next(&h->rng); }
static uint32_t below(struct sim_hostile *h, uint32_t n)
{
	return (uint32_t)mr_rng_below(&h->rng, n);
}

/* ---- octets ---- */

static uint16_t put_l2(uint8_t *p, const struct forgery *g)
{
	memcpy(p, (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)g->to}, 6);
	memcpy(p + 6, (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)g->from}, 6);
	sim_put16(p + 12, g->family == 4 ? 0x0800 : 0x86dd);
	return 14;
}

/* Returns the length of the header and adds the pseudo-header to *sum. */
static uint16_t put_ip(uint8_t *ip, const struct forgery *g, uint8_t proto, uint16_t l4,
		       uint32_t *sum)
{
	uint8_t src[16], dst[16];
	const unsigned int n = g->family == 4 ? 4 : 16;

	sim_addr(g->from, g->family, src);
	sim_addr(g->to, g->family, dst);
	memset(ip, 0, 40);
	if (g->family == 4) {
		ip[0] = 0x45;
		sim_put16(ip + 2, 20u + l4);
		ip[6] = 0x40;
		ip[8] = 60;
		ip[9] = proto;
	} else {
		ip[0] = 0x60;
		sim_put16(ip + 4, l4);
		ip[6] = proto;
		ip[7] = 60;
	}
	memcpy(ip + (n == 4 ? 12 : 8), src, n);
	memcpy(ip + (n == 4 ? 16 : 24), dst, n);
	if (n == 4)
		sim_put16(ip + 10, sim_checksum(ip, 20, 0));
	for (unsigned int i = 0; i < n; i += 2)
		*sum += (uint32_t)sim_get16(src + i) + sim_get16(dst + i);
	*sum += (uint32_t)proto + l4;
	return n == 4 ? 20 : 40;
}

static void forge(struct sim_hostile *h, const struct forgery *g)
{
	const uint16_t header = g->ts ? 32 : 20, l4 = (uint16_t)(header + g->len);
	uint8_t p[SIM_FRAME_MAX], *t;
	uint32_t sum = 0;

	memset(p, 0, sizeof(p));
	put_l2(p, g);
	t = p + 14 + put_ip(p + 14, g, 6, l4, &sum);
	sim_put16(t, g->sport);
	sim_put16(t + 2, g->dport);
	sim_put32(t + 4, g->seq);
	sim_put32(t + 8, g->ack);
	t[12] = (uint8_t)(header / 4 << 4);
	t[13] = g->flags;
	sim_put16(t + 14, g->wnd);
	if (g->ts) {
		memcpy(t + 20, (const uint8_t[]){1, 1, 8, 10}, 4);
		sim_put32(t + 24, g->tsval);
	}
	memset(t + header, 0xee, g->len);
	sim_put16(t + 16, sim_checksum(t, l4, sum));
	sim_inject(h->apps->sim, g->to, h->apps->sim->now_us + 1, p, (uint16_t)(t - p + l4));
}

/* An error about a segment that g->to is said to have sent: ports and sequence number are its. */
static void forge_icmp(struct sim_hostile *h, const struct forgery *g, uint8_t type, uint8_t code)
{
	const uint16_t quote = (uint16_t)(g->family == 4 ? 28 : 60), l4 = (uint16_t)(8 + quote);
	const struct forgery mirror = {.from = g->to, .to = g->from, .family = g->family};
	uint8_t p[SIM_FRAME_MAX], *icmp, *t;
	uint32_t sum = 0, unused = 0;

	memset(p, 0, sizeof(p));
	put_l2(p, g);
	icmp = p + 14 + put_ip(p + 14, g, g->family == 4 ? 1 : 58, l4, &sum);
	icmp[0] = type;
	icmp[1] = code;
	sim_put16(icmp + 6, 68 + below(h, 1500));	/* read where the type has an MTU */
	t = icmp + 8 + put_ip(icmp + 8, &mirror, 6, 40, &unused);
	sim_put16(t, g->dport);
	sim_put16(t + 2, g->sport);
	sim_put32(t + 4, g->seq);
	sim_put16(icmp + 2, sim_checksum(icmp, l4, g->family == 4 ? 0 : sum));
	sim_inject(h->apps->sim, g->to, h->apps->sim->now_us + 1, p,
		   (uint16_t)(icmp - p + l4));
}

/* ---- targets ---- */

/* A flow that is not over, and one of its sides; NULL: none was found. */
static struct sim_side *target(struct sim_hostile *h)
{
	const struct sim_apps *a = h->apps;
	const uint32_t recent = MR_MIN(a->started, 2 * a->wish.concurrency);

	for (unsigned int n = 0; n < TRIES && recent != 0; n++) {
		struct sim_flow *f = &a->flow[a->started - 1 - below(h, recent)];

		if (f->kind <= SIM_BOTH_OPEN && (!f->side[0].ended || !f->side[1].ended))
			return &f->side[below(h, 2)];
	}
	return NULL;
}

/* Addresses and ports of what the peer of s would send to it. */
static void claim_peer(const struct sim_side *s, struct forgery *g)
{
	const struct sim_flow *f = s->flow;
	const uint16_t other = f->kind == SIM_BOTH_OPEN ? f->port : SIM_PORT;
	const bool opener = s == &f->side[0];

	*g = (struct forgery){.from = s->host ^ 1u, .to = s->host, .family = f->family,
			      .sport = opener ? other : f->port,
			      .dport = opener ? f->port : other};
}

static uint8_t any_flags(struct sim_hostile *h)
{
	static const uint8_t flags[] = {TCP_RST, TCP_RST | TCP_ACK, TCP_SYN, TCP_SYN | TCP_ACK,
					TCP_ACK, TCP_ACK | TCP_PSH, TCP_ACK | TCP_FIN, TCP_FIN, 0,
					0xff};

	return flags[below(h, MR_ARRAY_LEN(flags))];
}

static void fill_random(struct sim_hostile *h, struct forgery *g)
{
	g->seq = any(h);
	g->ack = any(h);
	g->wnd = (uint16_t)any(h);
	g->flags = any_flags(h);
	g->len = below(h, 2) ? (uint16_t)below(h, 1400) : 0;
	g->ts = below(h, 2);
	g->tsval = any(h);
}

static void attack_blind(struct sim_hostile *h)
{
	struct forgery g = {.from = 100 + below(h, 100), .to = below(h, 2),
			    .family = below(h, 2) ? 4 : 6,
			    .sport = (uint16_t)(1024 + below(h, 60000)), .dport = SIM_PORT};

	fill_random(h, &g);
	forge(h, &g);
}

/*
 * Who has not heard its peer yet takes a SYN for it (RFC 9293 3.10.7.2 and .3), and TIME_WAIT may
 * take one for a new connection (RFC 6191): that is as the RFCs have it.
 */
static void attack_tuple(struct sim_hostile *h)
{
	struct sim_side *s = target(h);
	struct forgery g;

	if (s == NULL)
		return;
	claim_peer(s, &g);
	fill_random(h, &g);
	if ((g.flags & TCP_SYN) && (!s->opened || s->ended))
		s->flow->attacked = true;
	forge(h, &g);
}

/*
 * In the window, right of all that the peer has sent, so that it is not RCV.NXT by chance: RST and
 * SYN must be challenged; data must be refused, for what it acknowledges was never sent.
 */
static void attack_window(struct sim_hostile *h)
{
	static const uint8_t flags[] = {TCP_RST, TCP_RST | TCP_ACK, TCP_SYN, TCP_SYN | TCP_ACK,
					TCP_ACK | TCP_PSH, TCP_ACK | TCP_FIN};
	struct sim_side *s = target(h);
	const struct sim_watch_dir *mine, *peers;
	struct forgery g;
	unsigned int i;

	if (s == NULL || !s->opened || s->ended)
		return;
	i = s == &s->flow->side[1];
	mine = &s->flow->watch.d[i];
	peers = &s->flow->watch.d[i ^ 1];
	if (!mine->syn || !peers->syn || seq_diff(mine->edge, peers->nxt) < 2)
		return;
	claim_peer(s, &g);
	g.seq = peers->nxt + 1 + below(h, mine->edge - peers->nxt - 1);
	g.ack = mine->nxt + 1 + below(h, 1u << 30);
	g.flags = flags[below(h, MR_ARRAY_LEN(flags))];
	g.wnd = (uint16_t)any(h);
	g.len = g.flags & TCP_RST ? 0 : (uint16_t)below(h, 100);
	g.ts = below(h, 4) != 0;
	g.tsval = peers->tsval + below(h, 100);
	forge(h, &g);
}

static void attack_icmp(struct sim_hostile *h)
{
	static const uint8_t types[2][4] = {{3, 11, 12, 4}, {1, 2, 3, 4}};
	struct sim_side *s = target(h);
	struct forgery g;

	if (s == NULL)
		return;
	claim_peer(s, &g);
	g.seq = any(h);
	if (below(h, 2))
		g.from = 253;	/* a router */
	forge_icmp(h, &g, types[g.family == 6][below(h, 4)], (uint8_t)below(h, 6));
}

/* ---- time ---- */

static uint32_t mean_us(const struct sim_hostile *h, unsigned int kind)
{
	const uint32_t means[SIM_H_KINDS] = {h->wish.blind_us, h->wish.tuple_us, h->wish.window_us,
					     h->wish.icmp_us};

	return means[kind];
}

void sim_hostile_init(struct sim_hostile *h, struct sim_apps *a,
		      const struct sim_hostile_wish *wish, uint64_t seed)
{
	memset(h, 0, sizeof(*h));
	h->apps = a;
	h->wish = *wish;
	mr_rng_seed(&h->rng, seed ^ 0xbad);
	for (unsigned int k = 0; k < SIM_H_KINDS; k++)
		h->next_us[k] = a->sim->now_us;
}

void sim_hostile_turn(struct sim_hostile *h)
{
	static void (*const attack[SIM_H_KINDS])(struct sim_hostile *h) = {
		[SIM_H_BLIND] = attack_blind, [SIM_H_TUPLE] = attack_tuple,
		[SIM_H_WINDOW] = attack_window, [SIM_H_ICMP] = attack_icmp,
	};
	const uint64_t now_us = h->apps->sim->now_us;

	for (unsigned int k = 0; k < SIM_H_KINDS; k++) {
		const uint32_t mean = mean_us(h, k);

		if (mean == 0 || sim_apps_done(h->apps))
			continue;
		/* After a pause without events it does not make up for what it missed. */
		if (now_us - MR_MIN(now_us, h->next_us[k]) > 100000)
			h->next_us[k] = now_us;
		while (h->next_us[k] <= now_us) {
			attack[k](h);
			h->sent[k]++;
			h->next_us[k] += 1 + (uint64_t)mr_rng_exponential(&h->rng, mean);
		}
	}
}
