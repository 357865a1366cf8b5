/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flood of forged SYNs, in memory: what a SYN costs that is answered by a cookie. Timed are
 * stack_rx, stack_turn and stack_flush over bursts of SYNs as Linux sends them (MSS, SACK,
 * timestamps, window scale), each of another source, with checksums read and made in software,
 * while a table of connections stands; first with an empty TIME_WAIT table, then with a full one.
 * TARGETS: 100 and 160 cycles.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "clock_tsc.h"
#include "eal.h"
#include "figures.h"
#include "one_core.h"
#include "worker.h"

#define CHUNK 4096u	/* frames built, then timed */
#define CHUNKS_MAX 1000u
#define WARM_CHUNKS 20u

struct options {
	uint32_t connections, time_wait;
	unsigned int cpu;
	double seconds;
	bool slow_path;
};

struct bench {
	struct options opt;
	struct stack_config cfg;
	struct stack_listener listener;
	struct mr_worker *w;
	struct rte_mempool *pool;
	struct mr_rng rng;
	struct mr_clock clock;
	struct rte_mbuf *in[CHUNK], *out[CHUNK + MR_BURST];
	uint32_t nout;
	uint64_t bad;		/* replies that are no SYN-ACK with all options */
	double chunk[CHUNKS_MAX];
};

static const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 1}, client_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t server_addr[4] = {10, 0, 0, 1};

static void keep(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	struct bench *b = ctx;

	(void)port;
	memcpy(b->out + b->nout, m, n * sizeof(m[0]));
	b->nout += n;
}

/* ---- The server ---- */

static void configure(struct bench *b)
{
	static const struct mr_callbacks nothing;
	struct stack_config *cfg = &b->cfg;

	stack_config_default(cfg);
	cfg->conns4 = b->opt.connections + 1024;
	cfg->conns6 = 0;
	cfg->time_wait4 = b->opt.time_wait + 1024;
	cfg->extensions = 1024;
	cfg->mbufs_reserve = 0;
	cfg->fast_path = !b->opt.slow_path;
	cfg->tcp.sack = true;
	cfg->tcp.msl_ms = 240000;	/* nothing of what stands ends meanwhile */
	cfg->tcp.rto_initial_ms = 60000;
	cfg->addr[cfg->naddrs++] = (struct stack_addr){.family = 4, .prefix_len = 8,
						       .vlan = WIRE_NO_VLAN,
						       .vlan_outer = WIRE_NO_VLAN, .count = 1};
	memcpy(cfg->addr[0].addr, server_addr, 4);
	b->listener = (struct stack_listener){.port_first = 80, .port_last = 80, .backlog = 1,
					      .callbacks = &nothing, .name = "flood"};
	cfg->listener = &b->listener;
	cfg->nlisteners = 1;
}

static bool create(struct bench *b)
{
	struct stack_init init = {.cfg = &b->cfg, .group_count = 1, .node = -1,
				  .data_pool = b->pool, .ctl_pool = b->pool, .nports = 1,
				  .io = {.ctx = b, .transmit = keep},
				  .now_us = mr_clock_us(&b->clock, mr_tsc())};
	const char *why = "";

	init.port[0] = (struct stack_port){.mtu = 1500, .multi_seg = true, .up = true};
	memcpy(init.port[0].mac, server_mac, 6);
	b->w = stack_create(&init, &why);
	if (b->w == NULL)
		fprintf(stderr, "bench_flood: %s\n", why);
	return b->w != NULL;
}

static struct flow_key random_key(struct bench *b)
{
	const uint32_t raddr = (uint32_t)mr_rng_next(&b->rng);
	struct flow_key key = {.family = 4, .lport = rte_cpu_to_be_16(80)};

	memcpy(key.raddr, &raddr, 4);
	key.rport = (uint16_t)mr_rng_next(&b->rng);
	return key;
}

/* Connections that stand and do nothing. */
static void fill_connections(struct bench *b)
{
	struct flows *f = &b->w->flows[0];

	for (uint32_t i = 0; i < b->opt.connections; i++) {
		const struct flow_key key = random_key(b);
		const uint64_t hash = flow_hash(&b->w->key_table, &key);

		if (table_find(&f->table, &key, hash) == TABLE_NIL)
			conn_at(f, table_insert(&f->table, &key, hash)).c->state_bit =
				(uint8_t)__builtin_ctz(TCP_ESTABLISHED);
	}
}

static void fill_time_wait(struct bench *b)
{
	struct flows *f = &b->w->flows[0];
	struct tw_state st = {.expires_ms = b->w->now_ms + 2 * b->cfg.tcp.msl_ms, .has_ts = true};

	for (uint32_t i = 0; i < b->opt.time_wait; i++) {
		const struct flow_key key = random_key(b);
		const uint64_t hash = flow_hash(&b->w->key_table, &key);

		if (timewait_find(f->tw, &key, hash) == TABLE_NIL)
			timewait_insert(f->tw, &key, hash, &st, &b->w->key_table);
	}
}

/* ---- The flood ---- */

static void build_syn(struct bench *b, struct rte_mbuf *m)
{
	const uint64_t draw = mr_rng_next(&b->rng);
	const struct tcp_seg syn = {.seq = (uint32_t)mr_rng_next(&b->rng), .flags = TCP_SYN,
				    .wnd = 64240, .mss = 1460, .wscale = 7,
				    .tsval = (uint32_t)draw,
				    .opts = TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_SACK_OK |
					    TCP_OPT_TS};
	/* 11.x.x.x: sources that a host can have, and that is not ours */
	struct wire_addrs a = {.family = 4, .hop_limit = 64, .dport = rte_cpu_to_be_16(80),
			       .src = {11, (uint8_t)(draw >> 32), (uint8_t)(draw >> 40),
				       (uint8_t)(draw >> 48 | 1)},
			       .sport = (uint16_t)(draw >> 16 | 1)};
	struct wire_l2 l2;

	memcpy(a.dst, server_addr, 4);
	wire_l2_make(&l2, server_mac, client_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, 0x0800);
	wire_build_tcp(m, &l2, &a, &syn, 0);
	wire_finish_tcp(m, l2.len, 4, 0);
	m->ol_flags = 0;
}

static void check_replies(struct bench *b)
{
	static struct mr_counters unused;

	for (uint32_t i = 0; i < b->nout; i++) {
		struct wire_frame f;
		struct tcp_seg seg;
		uint16_t off, why;

		wire_parse(b->out[i], &f, &unused);
		b->bad += f.kind != WIRE_TCP ||
			  !wire_tcp_values(b->out[i], &f, &seg, &off, &why) ||
			  seg.flags != (TCP_SYN | TCP_ACK) ||
			  seg.opts != (TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_SACK_OK | TCP_OPT_TS);
	}
}

/** Cycles of one SYN in a chunk. */
static double run_chunk(struct bench *b)
{
	double begin, cycles;

	if (rte_pktmbuf_alloc_bulk(b->pool, b->in, CHUNK) != 0)
		abort();
	for (uint32_t i = 0; i < CHUNK; i++)
		build_syn(b, b->in[i]);
	b->nout = 0;
	begin = one_core_cycles(&b->clock);
	for (uint32_t i = 0; i < CHUNK; i += MR_BURST) {
		stack_set_time(b->w, mr_clock_us(&b->clock, mr_tsc()));
		stack_rx(b->w, 0, b->in + i, MR_BURST);
		stack_turn(b->w);
		stack_flush(b->w);
	}
	cycles = one_core_cycles(&b->clock) - begin;
	check_replies(b);
	rte_pktmbuf_free_bulk(b->out, b->nout);
	return cycles / CHUNK;
}

static double measure(struct bench *b)
{
	uint32_t n = 0;
	uint64_t until;

	for (uint32_t i = 0; i < WARM_CHUNKS; i++)
		run_chunk(b);
	until = mr_tsc() + (uint64_t)(b->opt.seconds * (double)b->clock.hz);
	while ((mr_tsc() < until || n == 0) && n < CHUNKS_MAX)
		b->chunk[n++] = run_chunk(b);
	return figures_median(b->chunk, n);
}

/* ---- Start ---- */

static int usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"usage: bench_flood [--connections N] [--time-wait N] [--slow-path]\n"
		"                   [--seconds S] [--cpu N] [--json FILE]\n"
		"N connections (default 10000000) and TIME_WAIT entries (default 20000000)\n"
		"stand.\n");
	return status;
}

static void parse(int argc, char *argv[], struct options *o, struct figures *f)
{
	static const struct option long_options[] = {
		{"connections", required_argument, NULL, 'n'},
		{"time-wait", required_argument, NULL, 'w'},
		{"slow-path", no_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 't'},
		{"cpu", required_argument, NULL, 'c'},
		{"json", required_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 'n')
			o->connections = one_core_number(optarg, 60000000, usage);
		else if (c == 'w')
			o->time_wait = one_core_number(optarg, 100000000, usage);
		else if (c == 'f')
			o->slow_path = true;
		else if (c == 't')
			o->seconds = one_core_number(optarg, 60, usage);
		else if (c == 'c')
			o->cpu = one_core_number(optarg, 1023, usage);
		else if (c == 'j')
			f->json = optarg;
		else
			exit(usage(c == 'h' ? 0 : 2));
	}
	if (optind != argc)
		exit(usage(2));
}

int main(int argc, char *argv[])
{
	static struct bench b = {.opt = {.connections = 10000000, .time_wait = 20000000, .cpu = 1,
					 .seconds = 2}};
	struct figures f = {.bench = "flood", .rounds = CHUNKS_MAX};
	uint64_t sent;
	int status;

	parse(argc, argv, &b.opt, &f);
	b.pool = one_core_start(argv[0], b.opt.cpu, 2 * CHUNK - 1, ONE_CORE_HEADERS);
	if (b.pool == NULL)
		return 1;
	mr_clock_init(&b.clock);
	mr_rng_seed(&b.rng, 1);
	configure(&b);
	if (!create(&b))
		return 1;
	fill_connections(&b);
	f.n = b.w->flows[0].table.live;
	figures_add(&f, "SYN -> cookie, TIME_WAIT empty", "cyc", measure(&b), 100);
	fill_time_wait(&b);
	figures_add(&f, "SYN -> cookie, TIME_WAIT full", "cyc", measure(&b), 160);
	sent = b.w->counters.v[MR_C_SYN_COOKIE_SENT];
	status = figures_report(&f);
	printf("%llu cookies, by the slow path %llu, replies that were none %llu\n",
	       (unsigned long long)sent, (unsigned long long)b.w->counters.v[MR_C_RX_SLOW],
	       (unsigned long long)b.bad);
	stack_destroy(b.w);
	eal_stop();
	return b.bad != 0 ? 1 : status;
}
