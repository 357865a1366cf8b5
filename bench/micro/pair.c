/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both halves of complete cycles in memory: a client's stack and a server's, turned one after the
 * other by one thread, that hand each other their frames without a port; each half is timed. The
 * client opens, closes when it is connected, and rests in TIME_WAIT; the server closes in answer.
 * So it is what the demo does without rings, threads and load generator (bench/millbench).
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "clock_tsc.h"
#include "engine.h"
#include "one_core.h"

#define WIRE_FRAMES 8192u
#define MBUFS 32767u
#define SLICE_CONNS 50000u
#define SLICES_MAX 4096u
#define OPENS_PER_TURN MR_CONNECT_BURST
#define MSL_MS 250u

struct side {
	struct mr_worker *w;
	struct rte_mbuf *out[WIRE_FRAMES];	/* what it sent, for the other side */
	uint32_t nout;
	uint64_t cycles;
};

struct bench {
	struct side client, server;
	struct mr_clock clock;
	struct mr_endpoint target;
	uint32_t concurrent, open, next_port, next_host;
	uint64_t opened, closed, failed;
	bool checksum_offload;
	double seconds;
	unsigned int cpu;
	double slice[2][SLICES_MAX];
	uint32_t nslices;
};

static struct bench bench;

/* ---- Handlers ---- */

static void close_it(struct mr_worker *w, mr_conn c)
{
	mr_close(w, c);
}

static void count_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	(void)w;
	(void)c;
	bench.open--;
	bench.closed++;
	bench.failed += reason != MR_CLOSED;
}

static const struct mr_callbacks server_callbacks = {.on_peer_closed = close_it};
static const struct mr_callbacks client_callbacks = {.on_connected = close_it,
						     .on_closed = count_closed};

/* ---- The wire ---- */

static void send_to_other(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	struct side *s = ctx;

	(void)port;
	MR_ASSERT(s->nout + n <= WIRE_FRAMES);
	memcpy(s->out + s->nout, m, n * sizeof(m[0]));
	s->nout += n;
}

/** The frames of one side reach the other, which turns once. */
static void receive(struct bench *b, struct side *from, struct side *to)
{
	const uint64_t good = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	struct rte_mbuf *in[WIRE_FRAMES];
	uint32_t n = from->nout;
	uint64_t begin;

	memcpy(in, from->out, n * sizeof(in[0]));
	from->nout = 0;
	for (uint32_t i = 0; i < n; i++)
		in[i]->ol_flags = b->checksum_offload ? good : 0;
	begin = mr_tsc();
	stack_set_time(to->w, mr_clock_us(&b->clock, begin));
	for (uint32_t i = 0; i < n; i += MR_BURST)
		stack_rx(to->w, 0, in + i, (uint16_t)MR_MIN(n - i, MR_BURST));
	stack_turn(to->w);
	stack_flush(to->w);
	to->cycles += mr_tsc() - begin;
}

static void next_tuple(struct bench *b, struct mr_endpoint *local)
{
	*local = (struct mr_endpoint){.family = 4, .port = (uint16_t)b->next_port,
				      .addr = {10, 0, (uint8_t)(b->next_host >> 8),
					       (uint8_t)b->next_host}};
	if (++b->next_port == 65536) {
		b->next_port = 1024;
		b->next_host = b->next_host % 1024 + 1;
	}
}

static void open_more(struct bench *b)
{
	uint32_t n = MR_MIN(b->concurrent - b->open, OPENS_PER_TURN);
	struct mr_connect_opts opts[OPENS_PER_TURN];
	struct mr_connect_result result[OPENS_PER_TURN];
	uint64_t begin;

	for (uint32_t i = 0; i < n; i++) {
		opts[i] = (struct mr_connect_opts){.remote = b->target,
						   .callbacks = &client_callbacks};
		next_tuple(b, &opts[i].local);
	}
	begin = mr_tsc();
	mr_connect_burst(b->client.w, opts, n, result);
	for (uint32_t i = 0; i < n; i++) {
		b->open += result[i].why == MR_OK;
		b->opened += result[i].why == MR_OK;
	}
	stack_flush(b->client.w);
	b->client.cycles += mr_tsc() - begin;
}

static void run(struct bench *b)
{
	uint64_t from = 0, until = mr_tsc() + (uint64_t)(b->seconds * (double)b->clock.hz);

	while (mr_tsc() < until && b->nslices < SLICES_MAX) {
		open_more(b);
		receive(b, &b->client, &b->server);
		receive(b, &b->server, &b->client);
		if (b->closed - from < SLICE_CONNS)
			continue;
		b->slice[0][b->nslices] = (double)b->client.cycles / (double)(b->closed - from);
		b->slice[1][b->nslices++] = (double)b->server.cycles / (double)(b->closed - from);
		b->client.cycles = b->server.cycles = 0;
		from = b->closed;
	}
}

static int report(struct bench *b)
{
	uint32_t n = b->nslices;

	if (n == 0) {
		fprintf(stderr, "bench_pair: too short for a figure: raise --seconds\n");
		return 1;
	}
	for (int i = 0; i < 2; i++)
		one_core_sort(b->slice[i], n);
	printf("%u connections at once, checksum %s: client %.0f cyc/conn (p10 %.0f), server %.0f "
	       "(p10 %.0f) | %llu cycles, failed %llu\n",
	       b->concurrent, b->checksum_offload ? "offload" : "software", b->slice[0][n / 2],
	       b->slice[0][n / 10], b->slice[1][n / 2], b->slice[1][n / 10],
	       (unsigned long long)b->closed, (unsigned long long)b->failed);
	return b->failed != 0;
}

/* ---- Start ---- */

static struct mr_worker *create(struct bench *b, struct rte_mempool *pool, struct side *side)
{
	const bool client = side == &b->client;
	struct stack_listener listener = {.port_first = 80, .port_last = 80, .backlog = 65536,
					  .callbacks = &server_callbacks, .name = "bench"};
	struct stack_config cfg;
	struct stack_init init = {.cfg = &cfg, .id = client, .group_first = client,
				  .group_count = 1, .node = -1, .data_pool = pool,
				  .ctl_pool = pool, .nports = 1, .io = {side, send_to_other}};
	const char *why = "";
	struct mr_worker *w;

	stack_config_default(&cfg);
	cfg.conns6 = 0;
	cfg.conns4 = b->concurrent + 8192;
	cfg.tcp.msl_ms = MSL_MS;
	cfg.time_wait4 = client ? 4000000 : 1024;
	cfg.mbufs_reserve = 0;
	cfg.naddrs = 1;
	cfg.addr[0] = (struct stack_addr){.family = 4, .prefix_len = 8, .vlan = WIRE_NO_VLAN,
					  .vlan_outer = WIRE_NO_VLAN,
					  .count = client ? 2000 : 1,
					  .addr = {10, client ? 0 : 77, 0, 1}};
	cfg.listener = &listener;
	cfg.nlisteners = client ? 0 : 1;
	init.port[0] = (struct stack_port){.mac = {2, 0, 0, 0, 0, (uint8_t)(client ? 1 : 2)},
					   .mtu = 1500, .multi_seg = true, .up = true};
	if (b->checksum_offload)
		init.port[0].tx_offload = WIRE_TX_IPV4_CKSUM | WIRE_TX_TCP_CKSUM;
	w = stack_create(&init, &why);
	if (w == NULL)
		fprintf(stderr, "bench_pair: %s\n", why);
	return w;
}

static int usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"usage: bench_pair [--connections N] [--software-checksum] [--seconds S] "
		"[--cpu N]\n"
		"N connections at once (1 to 1000000, default 1024)\n");
	return status;
}

static void parse(int argc, char *argv[], struct bench *b)
{
	static const struct option options[] = {{"connections", required_argument, NULL, 'k'},
						{"software-checksum", no_argument, NULL, 's'},
						{"seconds", required_argument, NULL, 't'},
						{"cpu", required_argument, NULL, 'c'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'k')
			b->concurrent = one_core_number(optarg, 1000000, usage);
		else if (c == 's')
			b->checksum_offload = false;
		else if (c == 't')
			b->seconds = one_core_number(optarg, 600, usage);
		else if (c == 'c')
			b->cpu = one_core_number(optarg, 1023, usage);
		else
			exit(usage(c == 'h' ? 0 : 2));
	}
	if (optind != argc || b->concurrent < 1)
		exit(usage(2));
}

int main(int argc, char *argv[])
{
	struct bench *b = &bench;
	struct rte_mempool *pool;

	*b = (struct bench){.concurrent = 1024, .checksum_offload = true, .seconds = 2, .cpu = 1,
			    .next_port = 1024, .next_host = 1,
			    .target = {.family = 4, .addr = {10, 77, 0, 1}, .port = 80}};
	parse(argc, argv, b);
	pool = one_core_start(argv[0], b->cpu, MBUFS, ONE_CORE_HEADERS);
	if (pool == NULL)
		return 1;
	mr_clock_init(&b->clock);
	b->client.w = create(b, pool, &b->client);
	b->server.w = create(b, pool, &b->server);
	if (b->client.w == NULL || b->server.w == NULL) {
		fprintf(stderr, "bench_pair: not enough memory\n");
		return 1;
	}
	run(b);
	return report(b);
}
