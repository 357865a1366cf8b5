/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pipeline against the plain path: two workers with the same keys and the same time get the
 * same bursts, one with fast_path on, one off. What they send, tuple by tuple, their counters and
 * their connections must be equal. Bursts are full of repeated tuples, SYN+SYN, FIN+SYN, RST+data.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "build.h"
#include "frame.h"
#include "rng.h"
#include "stack.h"

#define TUPLES	24u
#define PORT	80u
#define LOG_MAX	4096u

/* What the other end of one tuple knows. */
struct peer {
	uint32_t snd, rcv;	/* its next sequence number; the next one it expects of us */
	bool knows;
};

struct sent {
	uint16_t rport;
	uint16_t len;
	uint8_t octets[128];
};

struct bench {
	struct mr_worker *w;
	struct rte_mempool *data, *ctl;
	struct sent log[LOG_MAX];
	uint32_t nlog;
};

static struct bench side[2];
static struct peer peer[TUPLES];
static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};

static void transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	struct bench *b = ctx;

	(void)port;
	for (uint16_t i = 0; i < n; i++) {
		uint8_t copy[2048];
		const uint8_t *p = rte_pktmbuf_read(m[i], 0, m[i]->pkt_len, copy);
		struct sent *s = &b->log[b->nlog++];

		cr_assert(b->nlog < LOG_MAX);
		cr_assert(m[i]->pkt_len <= sizeof(s->octets), "a frame of %u octets",
			  m[i]->pkt_len);
		memset(s, 0, sizeof(*s));
		s->len = (uint16_t)m[i]->pkt_len;
		memcpy(s->octets, p, s->len);
		if (p[12] == 0x08 && p[13] == 0x00)
			s->rport = (uint16_t)(p[36] << 8 | p[37]);
		rte_pktmbuf_free(m[i]);
	}
}

/* A handler without a view over its own connection: what it does depends on nothing else. */
static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	uint32_t len = m->pkt_len;

	rte_pktmbuf_free(m);
	mr_consumed(w, c, len);
	if (len & 1)
		mr_send_copy(w, c, "reply", 5, 0);
	if ((len & 7) == 6)
		mr_close(w, c);
	if ((len & 7) == 4)
		mr_abort(w, c);
}
static void on_peer_closed(struct mr_worker *w, mr_conn c) { mr_close(w, c); }
static const struct mr_callbacks callbacks = {.on_data = on_data, .on_peer_closed = on_peer_closed};
static const struct mr_callbacks closer = {.on_accept = on_peer_closed, .on_data = on_data};

static struct stack_listener listeners[] = {
	{.port_first = PORT,
	 .port_last = PORT,
	 .backlog = 100,
	 .callbacks = &callbacks,
	 .name = "a"},
	{.port_first = PORT + 1,
	 .port_last = PORT + 1,
	 .backlog = 100,
	 .callbacks = &closer,
	 .name = "b"},
};

static void make_config(struct stack_config *cfg, bool fast)
{
	stack_config_default(cfg);
	cfg->naddrs = 1;
	cfg->addr[0] = (struct stack_addr){.family = 4,
					   .prefix_len = 24,
					   .vlan = WIRE_NO_VLAN,
					   .vlan_outer = WIRE_NO_VLAN,
					   .addr = {10, 0, 0, 1},
					   .count = 1};
	cfg->listener = listeners;
	cfg->nlisteners = 2;
	/* Room for all: what is full couples connections, and their order differs. */
	cfg->conns4 = 64;
	cfg->time_wait4 = 4096;
	cfg->extensions = 64;
	cfg->mbufs_reserve = 0;
	cfg->tcp.msl_ms = 1000;
	cfg->fast_path = fast;
	cfg->seed = 42;
}

static void make_side(struct bench *b, unsigned int i, bool fast)
{
	struct stack_config cfg;
	struct stack_init init = {.cfg = &cfg,
				  .id = i,
				  .group_first = i,
				  .group_count = 1,
				  .node = -1,
				  .nports = 1,
				  .now_us = 5000000,
				  .io = {.ctx = b, .transmit = transmit}};
	const char *why = NULL;
	char name[32];

	make_config(&cfg, fast);
	snprintf(name, sizeof(name), "burst_data%u", i);
	b->data = rte_pktmbuf_pool_create(name, 2047, 0, 0, 2176, SOCKET_ID_ANY);
	snprintf(name, sizeof(name), "burst_ctl%u", i);
	b->ctl = rte_pktmbuf_pool_create(name, 2047, 0, 0, 640, SOCKET_ID_ANY);
	cr_assert(b->data != NULL && b->ctl != NULL, "%s", rte_strerror(rte_errno));
	init.data_pool = b->data;
	init.ctl_pool = b->ctl;
	init.port[0] = (struct stack_port){.mtu = 1500, .multi_seg = true, .up = true};
	memcpy(init.port[0].mac, our_mac, 6);
	b->w = stack_create(&init, &why);
	cr_assert_not_null(b->w, "%s", why);
	/* Same keys for both: the worker's number must not matter. */
	b->nlog = 0;
}

/* ---- frames of the other end ---- */

static struct rte_mbuf *frame(struct rte_mempool *pool, uint32_t t, const struct tcp_seg *seg)
{
	struct wire_addrs a = {.family = 4,
			       .hop_limit = 64,
			       .sport = rte_cpu_to_be_16((uint16_t)(1000 + t)),
			       .dport = rte_cpu_to_be_16((uint16_t)(PORT + t % 3)),
			       .src = {10, 0, 0, 2},
			       .dst = {10, 0, 0, 1}};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct wire_l2 l2;
	static const uint8_t payload[64];

	cr_assert_not_null(m);
	wire_l2_make(&l2, our_mac, peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, 0x0800);
	wire_build_tcp(m, &l2, &a, seg, 0);
	if (seg->len != 0)
		memcpy(rte_pktmbuf_append(m, seg->len), payload, seg->len);
	wire_finish_tcp(m, l2.len, 4, 0);
	m->ol_flags = 0;
	return m;
}

static struct tcp_seg draw(struct mr_rng *r, struct peer *p)
{
	struct tcp_seg s = {.seq = p->snd, .ack = p->rcv, .wnd = 60000, .flags = TCP_ACK};
	uint64_t what = mr_rng_below(r, 100);

	if (!p->knows || what < 12) {
		s.flags = TCP_SYN;
		s.seq = p->snd = (uint32_t)mr_rng_next(r);
		s.ack = 0;
		s.opts = mr_rng_below(r, 2) ? TCP_OPT_MSS : TCP_OPT_MSS | TCP_OPT_TS;
		s.mss = 1460;
		s.tsval = 1000;
		p->snd++;
		return s;
	}
	if (what < 40)
		return s;
	if (what < 65) {
		s.len = (uint16_t)(1 + mr_rng_below(r, 40));
		p->snd += s.len;
	} else if (what < 80) {
		s.flags |= TCP_FIN;
		p->snd++;
	} else if (what < 84) {
		s.flags = TCP_RST;
	} else if (what < 88) {
		s.seq -= (uint32_t)mr_rng_below(r, 50);
		s.len = (uint16_t)mr_rng_below(r, 40);
	} else if (what < 92) {
		s.ack += (uint32_t)mr_rng_below(r, 10) - 5;
	} else if (what < 96) {
		s.seq += (uint32_t)mr_rng_below(r, 100);
		s.len = (uint16_t)mr_rng_below(r, 40);
	} else {
		s.flags = (uint8_t)mr_rng_below(r, 256);
	}
	return s;
}

/* The other end learns from what the plain worker sent. */
static void learn(const struct sent *s)
{
	struct peer *p = &peer[(s->rport - 1000u) % TUPLES];
	const uint8_t *t = s->octets + 34;
	uint32_t seq = (uint32_t)t[4] << 24 | (uint32_t)t[5] << 16 | (uint32_t)t[6] << 8 | t[7];
	uint32_t len = s->len - 34u - (t[12] >> 4) * 4u;

	if (s->rport == 0 || (t[13] & TCP_RST) != 0)
		return;
	p->rcv = seq + len + ((t[13] & (TCP_SYN | TCP_FIN)) != 0);
	p->knows = true;
}

/* ---- comparing ---- */

static int by_tuple(const void *pa, const void *pb)
{
	const struct sent *a = *(const struct sent *const *)pa,
			  *b = *(const struct sent *const *)pb;

	if (a->rport != b->rport)
		return a->rport < b->rport ? -1 : 1;
	return a < b ? -1 : a > b;	/* in order of sending */
}

static void compare_sent(uint64_t seed, uint32_t round)
{
	static const struct sent *order[2][LOG_MAX];

	cr_assert_eq(side[0].nlog, side[1].nlog, "seed %lu round %u: %u and %u frames", seed, round,
		     side[0].nlog, side[1].nlog);
	for (unsigned int k = 0; k < 2; k++) {
		for (uint32_t i = 0; i < side[k].nlog; i++)
			order[k][i] = &side[k].log[i];
		qsort(order[k], side[k].nlog, sizeof(order[k][0]), by_tuple);
	}
	for (uint32_t i = 0; i < side[0].nlog; i++) {
		const struct sent *a = order[0][i], *b = order[1][i];

		cr_assert(a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0,
			  "seed %lu round %u: frame %u to port %u differs", seed, round, i,
			  a->rport);
	}
}

static bool path_counter(unsigned int c)
{
	return c == MR_C_RX_FAST || c == MR_C_RX_SLOW || c == MR_C_RX_TUPLE_REPEAT;
}

static void compare_state(uint64_t seed, uint32_t round)
{
	struct stack_stats a, b;

	stack_stats(side[0].w, &a);
	stack_stats(side[1].w, &b);
	for (unsigned int c = 0; c < MR_C_COUNT; c++)
		if (!path_counter(c))
			cr_assert_eq(a.counters.v[c], b.counters.v[c],
				     "seed %lu round %u: %s is %lu and %lu", seed, round,
				     mr_counter_info[c].name, a.counters.v[c], b.counters.v[c]);
	cr_assert_arr_eq(a.states, b.states, sizeof(a.states));
	cr_assert_eq(a.conns_open[0], b.conns_open[0]);
	cr_assert_eq(a.time_wait[0], b.time_wait[0]);
	cr_assert_eq(a.ext_used, b.ext_used);
	stack_check(side[0].w);
	stack_check(side[1].w);
}

static void play_round(struct mr_rng *r, uint64_t now_us)
{
	struct rte_mbuf *pkts[2][MR_BURST];
	uint32_t n = 1 + (uint32_t)mr_rng_below(r, MR_BURST);
	uint32_t tuples = mr_rng_below(r, 3) == 0 ? 2 : TUPLES;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t t = (uint32_t)mr_rng_below(r, tuples);
		struct tcp_seg seg = draw(r, &peer[t]);

		pkts[0][i] = frame(side[0].data, t, &seg);
		pkts[1][i] = frame(side[1].data, t, &seg);
	}
	for (unsigned int k = 0; k < 2; k++) {
		side[k].nlog = 0;
		stack_set_time(side[k].w, now_us);
		stack_rx(side[k].w, 0, pkts[k], (uint16_t)n);
		stack_turn(side[k].w);
		stack_flush(side[k].w);
	}
	for (uint32_t i = 0; i < side[1].nlog; i++)
		learn(&side[1].log[i]);
}

/* Returns the time at its end: the workers go on with the next seed, and time never goes back. */
static uint64_t play(uint64_t seed, uint32_t rounds, uint64_t now_us)
{
	struct mr_rng r;

	mr_rng_seed(&r, seed);
	memset(peer, 0, sizeof(peer));
	for (uint32_t i = 0; i < rounds; i++) {
		now_us += mr_rng_below(&r, 20) == 0 ? 400000 : mr_rng_below(&r, 3000);
		play_round(&r, now_us);
		compare_sent(seed, i);
		compare_state(seed, i);
	}
	return now_us;
}

static void eal(void)
{
	char *argv[] = {"t", "--no-huge", "-m", "128", "--no-pci", "--no-shconf", "--no-telemetry",
			"--log-level=4", "--lcores=0", NULL};

	cr_assert(rte_eal_init(9, argv) >= 0);
}

Test(stack_burst, fast_equals_slow, .init = eal, .timeout = 100)
{
	uint64_t now_us = 6000000;

	make_side(&side[0], 0, true);
	make_side(&side[1], 1, false);
	for (uint64_t seed = 1; seed <= 40; seed++)
		now_us = play(seed, 60, now_us);
	stack_destroy(side[0].w);
	stack_destroy(side[1].w);
	for (unsigned int k = 0; k < 2; k++) {
		cr_assert_eq(rte_mempool_avail_count(side[k].data), 2047u);
		cr_assert_eq(rte_mempool_avail_count(side[k].ctl), 2047u);
	}
}
