/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both engines: made, fed, turned, taken down. See pair.h. The handler stands in handler.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>

#include "input.h"
#include "pair.h"

#define MBUFS		4095u
#define START_US	5000000u
/* Milliseconds wrap soon after this. */
#define WRAP_US		((0x100000000ull - 3000) * 1000)
#define TURNS_MAX	200u
#define EARLY_OCTETS	100u

struct side side[2];
uint8_t policy[TUPLES + 1];
struct pair_setup setup;
uint64_t now_us;

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const struct mr_callbacks nothing = {0};
static struct stack_listener listeners[] = {
	{.port_first = LPORT, .port_last = LPORT, .backlog = 40, .callbacks = &pair_callbacks,
	 .name = "a"},
	{.port_first = LPORT + 1, .port_last = LPORT + 1, .backlog = 40, .callbacks = &nothing,
	 .name = "b"},
};

void pair_process(void)
{
	char *eal[] = {"fuzz", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
		       "--no-telemetry", "--log-level=4", "--lcores=0", NULL};
	char name[16];

	MR_ASSERT(rte_eal_init(MR_ARRAY_LEN(eal) - 1, eal) >= 0);
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "data%u", i);
		side[i].data = rte_pktmbuf_pool_create(name, MBUFS, 0, 0, 2176, SOCKET_ID_ANY);
		snprintf(name, sizeof(name), "ctl%u", i);
		side[i].ctl = rte_pktmbuf_pool_create(name, MBUFS, 0, 0, 640, SOCKET_ID_ANY);
		MR_ASSERT(side[i].data != NULL && side[i].ctl != NULL);
		side[i].fast = i == 0;
	}
}

/* ---- what leaves ---- */

static uint64_t digest(const uint8_t *p, uint32_t len, uint64_t sum)
{
	for (uint32_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 0x100000001b3ull;
	return sum;
}

/* For who looks into what an input does: FUZZ_TRACE=1. */
static void trace(const char *who, const uint8_t *p, uint32_t len)
{
	const bool v4 = p[12] == 8 && p[13] == 0;
	const uint8_t *t = p + (v4 ? 34 : 54);

	if (getenv("FUZZ_TRACE") == NULL || len < (v4 ? 54u : 74u))
		return;
	fprintf(stderr, "%lu.%03lu %s v%u %u>%u seq %u ack %u flags %02x wnd %u, %u octets\n",
		now_us / 1000000, now_us / 1000 % 1000, who, v4 ? 4 : 6, t[0] << 8 | t[1],
		t[2] << 8 | t[3], wire_be32(wire_load32(t + 4)), wire_be32(wire_load32(t + 8)),
		t[13], t[14] << 8 | t[15], len);
}

static void see(struct side *s, const struct rte_mbuf *m)
{
	static uint8_t copy[FRAME_MAX];
	const uint8_t *p;
	uint32_t whose;

	MR_ASSERT(m->pkt_len <= 1514 && m->pkt_len >= 14);
	p = rte_pktmbuf_read(m, 0, m->pkt_len, copy);
	trace(s->fast ? "fast" : "slow", p, m->pkt_len);
	whose = peer_of_frame(p, m->pkt_len);
	if (whose >= TUPLES)	/* of several peers, in whatever order */
		s->sent[whose] += digest(p, m->pkt_len, 0xcbf29ce484222325ull);
	else
		s->sent[whose] = digest(p, m->pkt_len, s->sent[whose] + 1);
	s->nsent++;
	if (s == &side[0])
		peer_learn(p, m->pkt_len);
}

static void transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	MR_ASSERT(port == 0);
	for (uint16_t i = 0; i < n; i++) {
		see(ctx, m[i]);
		rte_pktmbuf_free(m[i]);
	}
}

/* ---- life ---- */

static void tcp_setup(struct tcp_params *p)
{
	p->msl_ms = 2000;
	p->fin_wait_2_ms = 5000;
	p->timestamps = (setup.params & P_NO_TS) == 0;
	p->nodelay = (setup.params & P_NODELAY) != 0;
	p->rfc1337 = (setup.params & P_RFC1337) != 0;
	if (setup.params & P_SMALL_WINDOW)
		p->rcv_buf = 3000;
	if (setup.options & O_SMALL_QUEUE)
		p->snd_buf = 4096;
	if (setup.params & P_KEEPALIVE) {
		p->keepalive_idle_ms = 3000;
		p->keepalive_interval_ms = 500;
		p->keepalive_probes = 3;
	}
	if (setup.params & P_NO_DELACK)
		p->delack_ms = 0;
	if (setup.params & P_SMALL_MSS)
		p->mss4 = p->mss6 = 200;
	if (setup.options & O_FASTOPEN)
		p->fastopen = TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER;
}

static void stack_setup(struct stack_config *cfg)
{
	const bool tight = (setup.params & P_TIGHT) != 0;

	stack_config_default(cfg);
	peer_addresses(cfg);
	cfg->listener = listeners;
	cfg->nlisteners = MR_ARRAY_LEN(listeners);
	cfg->conns4 = cfg->conns6 = 64;
	cfg->time_wait4 = cfg->time_wait6 = tight ? 3 : 64;
	cfg->extensions = tight ? 4 : 128;
	cfg->neighbours = 16;
	cfg->mbufs_reserve = 0;
	cfg->rst_per_s = tight ? 3 : 0;
	cfg->icmp_per_s = tight ? 3 : 0;
	cfg->seed = 42;
	tcp_setup(&cfg->tcp);
}

static void make_side(unsigned int i, struct stack_config *cfg)
{
	struct side *s = &side[i];
	struct stack_init init = {.cfg = cfg, .id = i, .group_first = i, .group_count = 1,
				  .node = -1, .data_pool = s->data, .ctl_pool = s->ctl,
				  .nports = 1, .now_us = now_us,
				  .io = {.ctx = s, .transmit = transmit}};
	const char *why = "";

	cfg->fast_path = s->fast;
	init.port[0] = (struct stack_port){.mtu = 1500, .up = true,
					   .multi_seg = (setup.options & O_ONE_SEGMENT) == 0};
	memcpy(init.port[0].mac, our_mac, 6);
	s->w = stack_create(&init, &why);
	MR_ASSERT(s->w != NULL);
	memset(s->conn, 0, sizeof(s->conn));
	memset(s->unread, 0, sizeof(s->unread));
	memset(s->sent, 0, sizeof(s->sent));
	memset(s->heard, 0, sizeof(s->heard));
}

void pair_begin(const struct pair_setup *given)
{
	static struct stack_config cfg;

	setup = *given;
	now_us = setup.options & O_WRAP ? WRAP_US : START_US;
	memset(policy, 0, sizeof(policy));
	peer_reset();
	stack_setup(&cfg);
	make_side(0, &cfg);
	make_side(1, &cfg);
}

void pair_end(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		stack_check(side[i].w);
		stack_destroy(side[i].w);
		MR_ASSERT(rte_mempool_avail_count(side[i].data) == MBUFS);
		MR_ASSERT(rte_mempool_avail_count(side[i].ctl) == MBUFS);
	}
}

void pair_time(uint32_t ms)
{
	now_us += ms * 1000ull;
	for (unsigned int i = 0; i < 2; i++) {
		uint32_t turns = 0;

		stack_set_time(side[i].w, now_us);
		while (stack_turn(side[i].w))
			MR_ASSERT(turns++ < TURNS_MAX);
		stack_flush(side[i].w);
	}
}

static struct rte_mbuf *make_mbuf(struct rte_mempool *pool, const struct pair_frame *f)
{
	const uint32_t ends[3] = {f->cut[0], f->cut[1], f->len};
	struct rte_mbuf *head = NULL, *m;
	uint32_t at = 0;

	for (uint32_t i = 0; i < 3; i++) {
		if (ends[i] <= at && !(head == NULL && i == 2))
			continue;
		m = rte_pktmbuf_alloc(pool);
		MR_ASSERT(m != NULL);
		memcpy(rte_pktmbuf_append(m, (uint16_t)(ends[i] - at)), f->octets + at,
		       ends[i] - at);
		at = ends[i];
		if (head == NULL)
			head = m;
		else
			MR_ASSERT(rte_pktmbuf_chain(head, m) == 0);
	}
	head->ol_flags = f->ol_flags;
	head->vlan_tci = f->tci;
	return head;
}

void pair_receive(const struct pair_frame *f, uint32_t n)
{
	struct rte_mbuf *pkts[MR_BURST];

	MR_ASSERT(n <= MR_BURST);
	for (uint32_t k = 0; k < n; k++)
		trace("peer", f[k].octets, f[k].len);
	for (unsigned int i = 0; i < 2; i++) {
		for (uint32_t k = 0; k < n; k++)
			pkts[k] = make_mbuf(side[i].data, &f[k]);
		stack_rx(side[i].w, 0, pkts, (uint16_t)n);
		stack_flush(side[i].w);
	}
}

/* The first octets of an open; NULL: it has none. */
static struct rte_mbuf *early_data(struct side *s)
{
	struct rte_mbuf *m;

	if ((setup.options & O_FASTOPEN) == 0)
		return NULL;
	m = rte_pktmbuf_alloc(s->data);
	MR_ASSERT(m != NULL);
	memset(rte_pktmbuf_append(m, EARLY_OCTETS), 'e', EARLY_OCTETS);
	return m;
}

void pair_connect(uint32_t t)
{
	struct mr_connect_opts opts = {.callbacks = &pair_callbacks, .user = t};

	tuple_ends(t, &opts.local, &opts.remote);
	for (unsigned int i = 0; i < 2; i++) {
		mr_conn c;

		opts.data = early_data(&side[i]);
		if (mr_connect(side[i].w, &opts, &c) == MR_OK)
			side[i].conn[t] = c;
		else
			rte_pktmbuf_free(opts.data);
		stack_turn(side[i].w);
		stack_flush(side[i].w);
	}
}
