/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server half alone, in memory: what a connection costs without any port. Timed are stack_rx,
 * stack_turn and stack_flush over bursts of frames that are ready in memory; the port is replaced
 * by a function that keeps the pointers. TARGETS.md section 1.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "clock_tsc.h"
#include "engine.h"
#include "json_file.h"
#include "one_core.h"
#include "pipeline_load.h"

#define CHUNK 4096u /* frames built, then timed */
#define MBUFS (4 * CHUNK - 1)
#define SLICE_PKTS 400000u
#define SLICES_MAX 4096u

struct options {
	struct load_config load;
	bool slow_path;
	double seconds;
	unsigned int cpu;
	const char *json;
};

struct bench {
	struct options opt;
	struct load load;
	struct mr_worker *w;
	struct stack_config cfg;
	struct stack_listener listener;
	struct mr_clock clock;
	struct rte_mbuf *in[CHUNK], *out[2 * CHUNK + MR_BURST];
	uint32_t nout;
	double slice[SLICES_MAX]; /* cycles per packet */
	uint32_t nslices;
	uint64_t received, sent;
};

/* ---- The server ---- */

static void close_it(struct mr_worker *w, mr_conn c)
{
	mr_close(w, c);
}

static const struct mr_callbacks passive = {.on_peer_closed = close_it};
static const struct mr_callbacks active = {.on_accept = close_it};

static void keep(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	struct bench *b = ctx;

	(void)port;
	memcpy(b->out + b->nout, m, n * sizeof(m[0]));
	b->nout += n;
}

static void configure(struct bench *b)
{
	const struct load_config *l = &b->opt.load;
	uint32_t conns = (uint32_t)((1ull << l->concurrent_bits) + 8192);
	struct stack_config *cfg = &b->cfg;

	stack_config_default(cfg);
	cfg->conns4 = l->family == 4 ? conns : 0;
	cfg->conns6 = l->family == 6 ? conns : 0;
	/* At most 8M/s for half a second rest. */
	cfg->tcp.msl_ms = 250;
	cfg->time_wait4 = cfg->time_wait6 = l->active ? 4000000 : 1024;
	cfg->extensions = 1024;
	cfg->mbufs_reserve = 0;
	cfg->fast_path = !b->opt.slow_path;
	/* Connections stand in FIN_WAIT_1 for seconds of building: their FIN is not to be resent.
	 */
	cfg->tcp.rto_initial_ms = cfg->tcp.rto_min_ms = 100000;
	cfg->naddrs = 1;
	cfg->addr[0] = (struct stack_addr){.family = l->family,
					   .prefix_len = l->family == 4 ? 16 : 64,
					   .vlan = WIRE_NO_VLAN,
					   .vlan_outer = WIRE_NO_VLAN,
					   .count = 1};
	memcpy(cfg->addr[0].addr, l->server_addr, 16);
	b->listener = (struct stack_listener){.family = 0,
					      .port_first = l->server_port,
					      .port_last = l->server_port,
					      .backlog = conns,
					      .callbacks = l->active ? &active : &passive,
					      .name = "bench"};
	cfg->listener = &b->listener;
	cfg->nlisteners = 1;
}

static int create_stack(struct bench *b, struct rte_mempool *pool)
{
	struct stack_init init = {.cfg = &b->cfg,
				  .group_count = 1,
				  .node = -1,
				  .data_pool = pool,
				  .ctl_pool = pool,
				  .nports = 1,
				  .io = {b, keep}};
	const char *why = "";

	memcpy(init.port[0].mac, b->opt.load.server_mac, 6);
	init.port[0].mtu = 1500;
	init.port[0].multi_seg = init.port[0].up = true;
	if (b->opt.load.checksum_offload)
		init.port[0].tx_offload = WIRE_TX_IPV4_CKSUM | WIRE_TX_TCP_CKSUM;
	b->w = stack_create(&init, &why);
	if (b->w == NULL)
		fprintf(stderr, "bench_pipeline: %s\n", why);
	return b->w != NULL ? 0 : -1;
}

/* ---- Timing ---- */

/** One chunk: build, time, read back. Returns the cycles of the timed part. */
static double run_chunk(struct bench *b, uint32_t *npkts)
{
	uint32_t n = load_frames(&b->load, b->in, CHUNK);
	double begin = one_core_cycles(&b->clock), cycles;

	b->nout = 0;
	for (uint32_t i = 0; i < n; i += MR_BURST) {
		stack_set_time(b->w, mr_clock_us(&b->clock, mr_tsc()));
		stack_rx(b->w, 0, b->in + i, (uint16_t)MR_MIN(n - i, MR_BURST));
		stack_turn(b->w);
		stack_flush(b->w);
	}
	cycles = one_core_cycles(&b->clock) - begin;
	MR_ASSERT(b->nout <= MR_ARRAY_LEN(b->out));
	load_replies(&b->load, b->out, b->nout);
	rte_pktmbuf_free_bulk(b->out, b->nout);
	*npkts = n;
	return cycles;
}

static void run(struct bench *b)
{
	uint64_t until, warm = load_warm_steps(&b->load);
	uint32_t pkts = 0, n;
	double cycles = 0;

	while (b->load.step < warm)
		run_chunk(b, &n);
	until = mr_tsc() + (uint64_t)(b->opt.seconds * (double)b->clock.hz);
	while (mr_tsc() < until && b->nslices < SLICES_MAX) {
		cycles += run_chunk(b, &n);
		pkts += n;
		b->received += n;
		b->sent += b->nout;
		if (pkts < SLICE_PKTS)
			continue;
		b->slice[b->nslices++] = cycles / (double)pkts;
		cycles = 0;
		pkts = 0;
	}
}

/* ---- The report ---- */

/** Cycles per connection that TARGETS.md section 1 asks for. */
static double target_of(const struct options *o)
{
	static const struct {
		unsigned int bits;
		double cycles;
	} targets[] = {
		{10, 250}, {17, 290}, {20, 350}, {23, 420}, {26, 600},
	};
	unsigned int i = 0;
	double cycles;

	while (i + 1 < MR_ARRAY_LEN(targets) && targets[i].bits < o->load.concurrent_bits)
		i++;
	cycles = targets[i].cycles;
	if (!o->load.checksum_offload)
		cycles *= 1.4;
	if (o->load.active)
		cycles *= 1.3;
	return cycles;
}

/** Drops and retransmissions mean that something else than the plan was measured. */
static uint64_t unplanned(const struct bench *b, const struct stack_stats *s)
{
	uint64_t n = b->load.bad_replies;

	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		if (mr_counter_info[i].severity != MR_SEV_INFO)
			n += s->counters.v[i];
	}
	return n + s->counters.v[MR_C_TCP_RTO];
}

static void print_unplanned(const struct stack_stats *s)
{
	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		if (mr_counter_info[i].severity != MR_SEV_INFO && s->counters.v[i] != 0)
			printf("  %s: %llu\n", mr_counter_info[i].name,
			       (unsigned long long)s->counters.v[i]);
	}
}

struct result {
	double pkt_median, pkt_p10, conn_median, conn_p10, target;
	uint64_t unplanned;
	const char *verdict;
};

static void conclude(struct bench *b, const struct stack_stats *s, struct result *r)
{
	double per_conn = b->opt.load.active ? 3 : 4;

	one_core_sort(b->slice, b->nslices);
	r->pkt_median = b->slice[b->nslices / 2];
	r->pkt_p10 = b->slice[b->nslices / 10];
	r->conn_median = r->pkt_median * per_conn;
	r->conn_p10 = r->pkt_p10 * per_conn;
	r->target = target_of(&b->opt);
	r->unplanned = unplanned(b, s);
	r->verdict = r->unplanned != 0 ? "INVALID" : r->conn_median <= r->target ? "PASS" : "MISS";
}

static void print_result(const struct bench *b, const struct stack_stats *s, const struct result *r)
{
	const struct options *o = &b->opt;

	printf("%9llu connections IPv%u %s close, checksum %s, fast path %s: %6.1f cyc/pkt (p10 "
	       "%.1f) "
	       "%6.0f cyc/conn (p10 %.0f) = %.2fM/s | target %.0f: %s",
	       1ull << o->load.concurrent_bits, o->load.family,
	       o->load.active ? "active" : "passive",
	       o->load.checksum_offload ? "offload" : "software", o->slow_path ? "off" : "on",
	       r->pkt_median, r->pkt_p10, r->conn_median, r->conn_p10,
	       (double)b->clock.hz / r->conn_median * 1e-6, r->target, r->verdict);
	if (r->conn_median > r->target)
		printf(" by %.0f %%", (r->conn_median / r->target - 1) * 100);
	printf(" | sent/received %.2f, open %u, TIME_WAIT %u\n",
	       (double)b->sent / (double)b->received, s->conns_open[0] + s->conns_open[1],
	       s->time_wait[0] + s->time_wait[1]);
	if (r->unplanned == 0)
		return;
	printf("  %llu events that were not planned (bad replies %llu):\n",
	       (unsigned long long)r->unplanned, (unsigned long long)b->load.bad_replies);
	print_unplanned(s);
}

static int write_json(const struct bench *b, const struct result *r)
{
	const struct options *o = &b->opt;
	struct json j;

	if (o->json == NULL)
		return 0;
	json_init(&j);
	json_open_object(&j);
	json_put_uint(&j, "connections", 1ull << o->load.concurrent_bits);
	json_put_uint(&j, "family", o->load.family);
	json_put_string(&j, "close", o->load.active ? "active" : "passive");
	json_put_string(&j, "checksum", o->load.checksum_offload ? "offload" : "software");
	json_put_string(&j, "fast_path", o->slow_path ? "off" : "on");
	bench_json_real(&j, "cycles_per_packet", r->pkt_median);
	bench_json_real(&j, "cycles_per_packet_p10", r->pkt_p10);
	bench_json_real(&j, "cycles_per_connection", r->conn_median);
	bench_json_real(&j, "cycles_per_connection_p10", r->conn_p10);
	bench_json_real(&j, "target_cycles_per_connection", r->target);
	json_put_string(&j, "verdict", r->verdict);
	json_close_object(&j);
	if (bench_json_write(&j, o->json) == 0)
		return 0;
	fprintf(stderr, "bench_pipeline: %s: %s\n", o->json, strerror(errno));
	return 1;
}

static int report(struct bench *b)
{
	struct stack_stats s;
	struct result r;

	if (b->nslices == 0) {
		fprintf(stderr, "bench_pipeline: too short for a figure: raise --seconds\n");
		return 1;
	}
	stack_stats(b->w, &s);
	conclude(b, &s, &r);
	print_result(b, &s, &r);
	return write_json(b, &r);
}

/* ---- Start ---- */

static const struct option long_options[] = {
	{"connections", required_argument, NULL, 'k'},
	{"active", no_argument, NULL, 'a'},
	{"software-checksum", no_argument, NULL, 's'},
	{"slow-path", no_argument, NULL, 'f'},
	{"ipv6", no_argument, NULL, '6'},
	{"seconds", required_argument, NULL, 't'},
	{"cpu", required_argument, NULL, 'c'},
	{"json", required_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"usage: bench_pipeline [--connections K] [--active] [--software-checksum] "
		"[--slow-path]\n"
		"                      [--ipv6] [--seconds S] [--cpu N] [--json FILE]\n"
		"2^K connections stand (6 to 27, default 17); --active: the server closes "
		"first.\n");
	return status;
}

static void parse(int argc, char *argv[], struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 'k')
			o->load.concurrent_bits = one_core_number(optarg, 27, usage);
		else if (c == 'a')
			o->load.active = true;
		else if (c == 's')
			o->load.checksum_offload = false;
		else if (c == 'f')
			o->slow_path = true;
		else if (c == '6')
			o->load.family = 6;
		else if (c == 't')
			o->seconds = one_core_number(optarg, 600, usage);
		else if (c == 'c')
			o->cpu = one_core_number(optarg, 1023, usage);
		else if (c == 'j')
			o->json = optarg;
		else
			exit(usage(c == 'h' ? 0 : 2));
	}
	if (o->load.concurrent_bits < 6 || optind != argc)
		exit(usage(2));
}

static void set_addresses(struct load_config *l)
{
	static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0x22};
	static const uint8_t addr4[4] = {192, 168, 0, 1}, addr6[16] = {0xfd, 0x77, [15] = 1};

	memcpy(l->server_mac, mac, 6);
	memcpy(l->server_addr, l->family == 4 ? addr4 : addr6, l->family == 4 ? 4 : 16);
	l->server_port = 80;
}

int main(int argc, char *argv[])
{
	static struct bench b;
	struct rte_mempool *pool;
	int status;

	b.opt = (struct options){
		.load = {.concurrent_bits = 17, .checksum_offload = true, .family = 4},
		.seconds = 2,
		.cpu = 1};
	parse(argc, argv, &b.opt);
	set_addresses(&b.opt.load);
	pool = one_core_start(argv[0], b.opt.cpu, MBUFS, ONE_CORE_HEADERS);
	if (pool == NULL)
		return 1;
	mr_clock_init(&b.clock);
	configure(&b);
	if (load_create(&b.load, &b.opt.load, pool) != 0 ||
	    create_stack(&b, pool) != 0) {
		fprintf(stderr, "bench_pipeline: not enough memory\n");
		return 1;
	}
	run(&b);
	status = report(&b);
	stack_destroy(b.w);
	load_destroy(&b.load);
	eal_stop();
	return status;
}
