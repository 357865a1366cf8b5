/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk data on one core, in memory: what a full segment costs the server that receives it, or that
 * sends it and reads an ACK for every second one; with one connection and with many. Timed are
 * stack_rx, stack_turn and stack_flush, with handlers, over bursts of frames that are ready in
 * memory, and what a port does with mbufs on the same core: taking those that it receives into, and
 * giving back those that were sent. The rest of the port is replaced by a function that keeps the
 * pointers. Frames are in the cache when they come, as a NIC with DDIO leaves them, and payload is
 * read for checksums in software only. All cases take turns, so that a busy neighbour on a shared
 * machine meets each. TARGETS.md section 6.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bulk.h"
#include "engine.h"
#include "one_core.h"

#define RX_MBUFS 16383u
#define CTL_MBUFS 262143u
#define SLICE_SEGMENTS 50000u

/* What is sent. Each mbuf of it is counted, in 16 bits: many connections need several. */
#define CONTENTS 16u
#define CONTENT_OCTETS 65535u

static struct bulk_bench bench;
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
	struct bulk_rig *r = ctx;

	(void)port;
	MR_ASSERT(r->nout + n <= BULK_OUT_MAX);
	memcpy(r->out + r->nout, m, n * sizeof(m[0]));
	r->nout += n;
}

static const struct bulk_config peers = {.window = 0,
					 .server_mac = {0x02, 0, 0, 0, 0, 0x22},
					 .server_addr = {192, 168, 0, 1},
					 .server_port = 80};

static void configure(const struct bulk_bench *b, struct bulk_rig *r)
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

static struct mr_worker *create_stack(const struct bulk_bench *b, struct bulk_rig *r)
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
static bool create_rig(struct bulk_bench *b, struct bulk_rig *r)
{
	const bool many = (r - b->rig) % 2 == 1;
	struct bulk_config cfg = peers;

	cfg.connections = many ? b->opt.connections : 1;
	cfg.server_sends = r - b->rig >= 2;
	cfg.checksum_offload = !b->opt.software_checksum;
	cfg.window = MR_MAX(4u, 2 * BULK_CHUNK / cfg.connections & ~1u);
	cfg.run = many ? b->opt.run : BULK_CHUNK / 4;
	if (bulk_peer_create(&r->peer, &cfg) != 0) {
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

/** Cycles since `begin`, less what reading the clock costs. */
static double since(const struct bulk_bench *b, double begin)
{
	const double took = one_core_cycles(&b->clock) - begin - b->clock_cost;

	return took > 0 ? took : 0;
}

static void measure_clock(struct bulk_bench *b)
{
	double cost[101];

	b->clock_cost = 0;
	for (uint32_t i = 0; i < MR_ARRAY_LEN(cost); i++)
		cost[i] = since(b, one_core_cycles(&b->clock));
	one_core_sort(cost, MR_ARRAY_LEN(cost));
	b->clock_cost = cost[MR_ARRAY_LEN(cost) / 2];
}

/* The engine's part of a chunk. */
static void serve(const struct bulk_bench *b, struct bulk_rig *r, struct rte_mbuf **in, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += MR_BURST) {
		stack_set_time(r->w, (uint64_t)(r->ran * 1e6 / (double)b->clock.hz));
		stack_rx(r->w, 0, in + i, (uint16_t)MR_MIN(n - i, MR_BURST));
		stack_turn(r->w);
		stack_flush(r->w);
	}
}

/*
 * One chunk: build, time, read back. Mbufs come back at once, as a NIC gives them back when it has
 * sent: what is under way between server and peers are ACKs that wait. False: there is nothing to
 * do.
 */
static bool run_chunk(struct bulk_bench *b, struct bulk_rig *r)
{
	const uint32_t ready = bulk_peer_ready(&r->peer, BULK_CHUNK);
	const uint64_t sent = r->peer.received;
	struct rte_mbuf *in[BULK_CHUNK];
	double begin = one_core_cycles(&b->clock), took;
	uint32_t data, n;

	MR_ASSERT(rte_pktmbuf_alloc_bulk(b->rx_pool, in, ready) == 0);
	took = since(b, begin);
	n = bulk_peer_frames(&r->peer, in, ready, &data);
	rte_pktmbuf_free_bulk(in + n, ready - n);
	r->nout = 0;
	begin = one_core_cycles(&b->clock);
	serve(b, r, in, n);
	took += since(b, begin);
	bulk_peer_read(&r->peer, r->out, r->nout);
	begin = one_core_cycles(&b->clock);
	rte_pktmbuf_free_bulk(r->out, r->nout);
	took += since(b, begin);
	r->ran += took;
	r->cycles += took;
	r->segments += r->peer.cfg.server_sends ? r->peer.received - sent : data;
	return n != 0;
}

/** A slice of this case; what was half sent at its end is of the next one. False: it stalls. */
static bool run_slice(struct bulk_bench *b, struct bulk_rig *r)
{
	r->cycles = 0;
	r->segments = 0;
	while (r->segments < SLICE_SEGMENTS) {
		if (!run_chunk(b, r))
			return false;
	}
	if (r->nslices < BULK_SLICES_MAX)
		r->slice[r->nslices++] = r->cycles / (double)r->segments;
	return true;
}

static bool run(struct bulk_bench *b)
{
	uint64_t until;

	for (struct bulk_rig *r = b->rig; r < b->rig + BULK_CASES; r++) {
		/* until windows and tables have grown */
		if (!run_slice(b, r) || !run_slice(b, r))
			return false;
		r->nslices = 0;
	}
	until = mr_tsc() + (uint64_t)(b->opt.seconds * (double)b->clock.hz);
	do {
		for (struct bulk_rig *r = b->rig; r < b->rig + BULK_CASES; r++) {
			if (!run_slice(b, r))
				return false;
		}
	} while (mr_tsc() < until);
	return true;
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

static void parse(int argc, char *argv[], struct bulk_options *o)
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

static bool create(struct bulk_bench *b, const char *program)
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
	measure_clock(b);
	for (struct bulk_rig *r = b->rig; r < b->rig + BULK_CASES; r++) {
		if (!create_rig(b, r))
			return false;
	}
	return true;
}

int main(int argc, char *argv[])
{
	struct bulk_bench *b = &bench;

	b->opt = (struct bulk_options){.connections = 10000, .run = 2, .seconds = 2, .cpu = 1};
	parse(argc, argv, &b->opt);
	if (!create(b, argv[0]))
		return 1;
	if (!run(b)) {
		fprintf(stderr, "bench_bulk: the connections stall\n");
		return 1;
	}
	return bulk_report(b);
}
