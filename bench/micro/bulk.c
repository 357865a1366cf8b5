/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk data on one core, in memory: what a full segment costs the server that receives it, or that
 * sends it and reads an ACK for every second one; with one connection and with many. Timed are
 * stack_rx, stack_turn and stack_flush, handlers and mbuf pools included, over bursts of frames
 * that are ready in memory; the port is replaced by a function that keeps the pointers. All cases
 * take turns, so that a busy neighbour on a shared machine meets each. TARGETS.md section 6.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bulk_peer.h"
#include "engine.h"
#include "json_file.h"
#include "one_core.h"

#define CHUNK 256u		/* frames built, then timed */
#define OUT_MAX 8192u		/* frames that a chunk brings at most: ten segments for each */
#define RX_MBUFS 16383u
#define CTL_MBUFS 262143u
#define SLICE_SEGMENTS 50000u
#define SLICES_MAX 2048u
#define CASES 4u
#define TARGET_GBIT 20.0
#define TARGET_SHARE 80.0	/* per cent of what one connection moves */

/* What is sent. Each mbuf of it is counted, in 16 bits: many connections need several. */
#define CONTENTS 16u
#define CONTENT_OCTETS 65535u

struct options {
	uint32_t connections, run;
	bool software_checksum, slow_path;
	double seconds;
	unsigned int cpu;
	const char *json;
};

/* A server and its peers. */
struct rig {
	struct bulk_peer peer;
	struct mr_worker *w;
	struct stack_config cfg;
	struct stack_listener listener;
	struct rte_mbuf *out[OUT_MAX];	/* what it sent, until the peers have read it */
	uint32_t nout;
	double ran;			/* cycles since it began; its clock rests when it does */
	double cycles;
	uint64_t segments;
	double slice[SLICES_MAX];	/* cycles per segment */
	uint32_t nslices;
};

struct bench {
	struct options opt;
	struct mr_clock clock;
	struct rte_mempool *rx_pool, *ctl_pool;
	struct rig rig[CASES];
};

static struct bench bench;
static struct mr_static *content[CONTENTS];

/* ---- The server ---- */

static void discard(struct mr_worker *w, mr_conn c, struct rte_mbuf *data)
{
	uint32_t len = data->pkt_len;

	rte_pktmbuf_free(data);
	mr_consumed(w, c, len);
}

static void send_more(struct mr_worker *w, mr_conn c)
{
	struct mr_static *s = content[mr_user(w, c)];

	while (mr_send_static(w, c, s, 0, CONTENT_OCTETS, MR_SEND_MORE) == CONTENT_OCTETS)
		;
}

static void begin_to_send(struct mr_worker *w, mr_conn c)
{
	static uint32_t n;

	mr_set_user(w, c, n++ % CONTENTS);
	send_more(w, c);
}

static const struct mr_callbacks receiver = {.on_data = discard};
static const struct mr_callbacks sender = {.on_accept = begin_to_send, .on_writable = send_more};

static void keep(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	struct rig *r = ctx;

	(void)port;
	MR_ASSERT(r->nout + n <= OUT_MAX);
	memcpy(r->out + r->nout, m, n * sizeof(m[0]));
	r->nout += n;
}

static const struct bulk_config peers = {.window = 0,
					 .server_mac = {0x02, 0, 0, 0, 0, 0x22},
					 .server_addr = {192, 168, 0, 1},
					 .server_port = 80};

static void configure(const struct bench *b, struct rig *r)
{
	struct stack_config *cfg = &r->cfg;

	stack_config_default(cfg);
	cfg->conns4 = cfg->extensions = r->peer.cfg.connections + 64;
	cfg->conns6 = 0;
	cfg->mbufs_reserve = 0;
	cfg->fast_path = !b->opt.slow_path;
	cfg->tcp.snd_buf = MR_MAX(cfg->tcp.snd_buf, 2 * r->peer.cfg.window * BULK_MSS);
	cfg->naddrs = 1;
	cfg->addr[0] = (struct stack_addr){.family = 4, .prefix_len = 16, .vlan = WIRE_NO_VLAN,
					   .vlan_outer = WIRE_NO_VLAN, .count = 1};
	memcpy(cfg->addr[0].addr, peers.server_addr, 4);
	r->listener = (struct stack_listener){
		.port_first = peers.server_port, .port_last = peers.server_port,
		.backlog = r->peer.cfg.connections + 64,
		.callbacks = r->peer.cfg.server_sends ? &sender : &receiver, .name = "bulk"};
	cfg->listener = &r->listener;
	cfg->nlisteners = 1;
}

static struct mr_worker *create_stack(const struct bench *b, struct rig *r)
{
	unsigned int id = (unsigned int)(r - b->rig);
	struct stack_init init = {.cfg = &r->cfg, .id = id, .group_first = id, .group_count = 1,
				  .node = -1, .data_pool = b->rx_pool, .ctl_pool = b->ctl_pool,
				  .nports = 1, .io = {r, keep}};
	const char *why = "not enough memory";
	struct mr_worker *w;

	memcpy(init.port[0].mac, peers.server_mac, 6);
	init.port[0].mtu = 1500;
	init.port[0].multi_seg = init.port[0].up = true;
	if (!b->opt.software_checksum)
		init.port[0].tx_offload = WIRE_TX_IPV4_CKSUM | WIRE_TX_TCP_CKSUM;
	w = stack_create(&init, &why);
	if (w == NULL)
		fprintf(stderr, "bench_bulk: %s\n", why);
	return w;
}

/** Rigs 0 and 1 receive, 2 and 3 send; one connection each, and many. */
static bool create_rig(struct bench *b, struct rig *r)
{
	const bool many = (r - b->rig) % 2 == 1;
	struct bulk_config cfg = peers;

	cfg.connections = many ? b->opt.connections : 1;
	cfg.server_sends = r - b->rig >= 2;
	cfg.checksum_offload = !b->opt.software_checksum;
	cfg.window = many ? 4 : 2 * CHUNK;
	cfg.run = many ? b->opt.run : CHUNK / 4;
	if (bulk_peer_create(&r->peer, &cfg, b->rx_pool) != 0) {
		fprintf(stderr, "bench_bulk: not enough memory\n");
		return false;
	}
	configure(b, r);
	r->w = create_stack(b, r);
	return r->w != NULL;
}

static bool create_contents(void)
{
	static uint8_t octets[CONTENT_OCTETS];

	for (uint32_t i = 0; i < CONTENT_OCTETS; i++)
		octets[i] = (uint8_t)(i * 0x9e37u >> 8);
	for (uint32_t i = 0; i < CONTENTS; i++) {
		content[i] = mr_static_create(octets, sizeof(octets));
		if (content[i] == NULL)
			return false;
	}
	return true;
}

/* ---- Timing ---- */

/*
 * One chunk: build, time, read back. Mbufs come back at once, as a NIC gives them back when it has
 * sent: what is under way between server and peers are ACKs that wait. False: there is nothing to
 * do.
 */
static bool run_chunk(struct bench *b, struct rig *r)
{
	const uint64_t sent = r->peer.received;
	struct rte_mbuf *in[CHUNK];
	uint32_t data, n = bulk_peer_frames(&r->peer, in, CHUNK, &data);
	double begin = one_core_cycles(&b->clock), took;

	r->nout = 0;
	for (uint32_t i = 0; i < n; i += MR_BURST) {
		stack_set_time(r->w, (uint64_t)(r->ran * 1e6 / (double)b->clock.hz));
		stack_rx(r->w, 0, in + i, (uint16_t)MR_MIN(n - i, MR_BURST));
		stack_turn(r->w);
		stack_flush(r->w);
	}
	took = one_core_cycles(&b->clock) - begin;
	r->ran += took;
	r->cycles += took;
	bulk_peer_read(&r->peer, r->out, r->nout);
	rte_pktmbuf_free_bulk(r->out, r->nout);
	r->segments += r->peer.cfg.server_sends ? r->peer.received - sent : data;
	return n != 0;
}

/** A slice of this case; what was half sent at its end is of the next one. False: it stalls. */
static bool run_slice(struct bench *b, struct rig *r)
{
	r->cycles = 0;
	r->segments = 0;
	while (r->segments < SLICE_SEGMENTS) {
		if (!run_chunk(b, r))
			return false;
	}
	if (r->nslices < SLICES_MAX)
		r->slice[r->nslices++] = r->cycles / (double)r->segments;
	return true;
}

static bool run(struct bench *b)
{
	uint64_t until;

	for (struct rig *r = b->rig; r < b->rig + CASES; r++) {
		/* until windows and tables have grown */
		if (!run_slice(b, r) || !run_slice(b, r))
			return false;
		r->nslices = 0;
	}
	until = mr_tsc() + (uint64_t)(b->opt.seconds * (double)b->clock.hz);
	do {
		for (struct rig *r = b->rig; r < b->rig + CASES; r++) {
			if (!run_slice(b, r))
				return false;
		}
	} while (mr_tsc() < until);
	return true;
}

/* ---- The report ---- */

struct result {
	double median, p10;	/* cycles per segment */
	double gbit;		/* of payload, per second */
	uint64_t unplanned;
};

/** Drops and retransmissions mean that something else than the plan was measured. */
static bool planned(unsigned int counter)
{
	return mr_counter_info[counter].severity == MR_SEV_INFO && counter != MR_C_TCP_RTO &&
	       counter != MR_C_TCP_REXMT_DATA;
}

static uint64_t unplanned(const struct rig *r)
{
	uint64_t n = r->peer.bad;
	struct stack_stats s;

	stack_stats(r->w, &s);
	for (unsigned int i = 0; i < MR_C_COUNT; i++)
		n += planned(i) ? 0 : s.counters.v[i];
	return n;
}

static void print_unplanned(const struct rig *r)
{
	struct stack_stats s;

	stack_stats(r->w, &s);
	printf("  replies that were not expected: %llu\n", (unsigned long long)r->peer.bad);
	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		if (!planned(i) && s.counters.v[i] != 0)
			printf("  %s: %llu\n", mr_counter_info[i].name,
			       (unsigned long long)s.counters.v[i]);
	}
}

static struct result result_of(const struct bench *b, struct rig *r)
{
	struct result x = {.unplanned = unplanned(r)};

	one_core_sort(r->slice, r->nslices);
	x.median = r->slice[r->nslices / 2];
	x.p10 = r->slice[r->nslices / 10];
	x.gbit = (double)b->clock.hz / x.median * BULK_MSS * 8 * 1e-9;
	return x;
}

static void print_case(const struct rig *r, const struct result *x, const struct result *one)
{
	const double share = x->gbit / one->gbit * 100;
	const bool pass = one == x ? x->gbit >= TARGET_GBIT : share >= TARGET_SHARE;

	printf("%-8s %7u connection%s %6.1f cyc/segment (p10 %.1f) = %6.2f Gbit/s",
	       r->peer.cfg.server_sends ? "sending" : "receiving", r->peer.cfg.connections,
	       r->peer.cfg.connections == 1 ? ":  " : "s: ", x->median, x->p10, x->gbit);
	if (one == x)
		printf(" | target %.0f: ", TARGET_GBIT);
	else
		printf(" = %.0f %% of one | target %.0f %%: ", share, TARGET_SHARE);
	printf("%s\n", x->unplanned != 0 ? "INVALID" : pass ? "PASS" : "MISS");
	if (x->unplanned != 0)
		print_unplanned(r);
}

static int write_json(const struct bench *b, const struct result *x)
{
	struct json j;

	if (b->opt.json == NULL)
		return 0;
	json_init(&j);
	json_open_object(&j);
	json_put_string(&j, "checksum", b->opt.software_checksum ? "software" : "offload");
	json_put_string(&j, "fast_path", b->opt.slow_path ? "off" : "on");
	json_put_uint(&j, "connections", b->opt.connections);
	bench_json_real(&j, "target_gbit_per_second", TARGET_GBIT);
	bench_json_real(&j, "target_share_of_one", TARGET_SHARE / 100);
	for (unsigned int i = 0; i < CASES; i++) {
		static const char *const name[CASES] = {"receive_one", "receive_many", "send_one",
							"send_many"};

		json_key(&j, name[i]);
		json_open_object(&j);
		bench_json_real(&j, "cycles_per_segment", x[i].median);
		bench_json_real(&j, "cycles_per_segment_p10", x[i].p10);
		bench_json_real(&j, "gbit_per_second", x[i].gbit);
		json_put_uint(&j, "unplanned", x[i].unplanned);
		json_close_object(&j);
	}
	json_close_object(&j);
	if (bench_json_write(&j, b->opt.json) == 0)
		return 0;
	fprintf(stderr, "bench_bulk: %s: %s\n", b->opt.json, strerror(errno));
	return 1;
}

static int report(struct bench *b)
{
	struct result x[CASES];
	bool valid = true;

	printf("bulk, segments of %u octets, checksum %s, fast path %s\n", BULK_MSS,
	       b->opt.software_checksum ? "software" : "offload", b->opt.slow_path ? "off" : "on");
	for (unsigned int i = 0; i < CASES; i++) {
		x[i] = result_of(b, &b->rig[i]);
		print_case(&b->rig[i], &x[i], &x[i & ~1u]);
		valid = valid && x[i].unplanned == 0;
	}
	return write_json(b, x) != 0 || !valid;
}

/* ---- Start ---- */

static const struct option long_options[] = {
	{"connections", required_argument, NULL, 'k'},
	{"run", required_argument, NULL, 'r'},
	{"software-checksum", no_argument, NULL, 's'},
	{"slow-path", no_argument, NULL, 'f'},
	{"seconds", required_argument, NULL, 't'},
	{"cpu", required_argument, NULL, 'c'},
	{"json", required_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"usage: bench_bulk [--connections N] [--run R] [--software-checksum]\n"
		"                  [--slow-path] [--seconds S] [--cpu N] [--json FILE]\n"
		"One connection, and N (2 to %u, default 10000); of these the server\n"
		"receives R segments in a row (1 to 64, default 2: as ACKs of every second one\n"
		"clock senders).\n",
		BULK_CONNECTIONS_MAX);
	return status;
}

static void parse(int argc, char *argv[], struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 'k')
			o->connections = one_core_number(optarg, BULK_CONNECTIONS_MAX, usage);
		else if (c == 'r')
			o->run = one_core_number(optarg, 64, usage);
		else if (c == 's')
			o->software_checksum = true;
		else if (c == 'f')
			o->slow_path = true;
		else if (c == 't')
			o->seconds = one_core_number(optarg, 600, usage);
		else if (c == 'c')
			o->cpu = one_core_number(optarg, 1023, usage);
		else if (c == 'j')
			o->json = optarg;
		else
			exit(usage(c == 'h' ? 0 : 2));
	}
	if (o->connections < 2 || o->run < 1 || optind != argc)
		exit(usage(2));
}

static bool create(struct bench *b, const char *program)
{
	b->rx_pool = one_core_start(program, b->opt.cpu, RX_MBUFS, RTE_MBUF_DEFAULT_DATAROOM);
	if (b->rx_pool == NULL)
		return false;
	b->ctl_pool = one_core_pool("bench_ctl", CTL_MBUFS, ONE_CORE_HEADERS);
	if (b->ctl_pool == NULL || !create_contents()) {
		fprintf(stderr, "bench_bulk: not enough memory\n");
		return false;
	}
	mr_clock_init(&b->clock);
	for (struct rig *r = b->rig; r < b->rig + CASES; r++) {
		if (!create_rig(b, r))
			return false;
	}
	return true;
}

int main(int argc, char *argv[])
{
	struct bench *b = &bench;

	b->opt = (struct options){.connections = 10000, .run = 2, .seconds = 2, .cpu = 1};
	parse(argc, argv, &b->opt);
	if (!create(b, argv[0]))
		return 1;
	if (!run(b)) {
		fprintf(stderr, "bench_bulk: the connections stall\n");
		return 1;
	}
	return report(b);
}
