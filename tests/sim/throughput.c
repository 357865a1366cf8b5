/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See throughput.h. The snapshot is tests/sim/throughput.txt; `ninja -C build throughput` writes it
 * anew.
 */
#include <stdio.h>
#include <string.h>

#include "net.h"
#include "check.h"
#include "frame.h"
#include "throughput.h"

#define RATE_KBPS	100000u
#define SECONDS		10u
#define RUNS		4u	/* of a cell with a loss of 1 % or more */
#define SHORT_QUEUE	15000u	/* ten frames */
#define PORT		80

static const uint32_t delays_us[] = {500, 10000, 50000};	/* one way */
static const double losses[] = {0, 0.1, 1, 3, 5};		/* per cent, each way */

/* How the two engines send. */
struct way {
	const char *name;
	uint8_t congestion;
	bool sack, pacing;
};

static const struct way ways[] = {
	{"cubic, SACK", CC_CUBIC, true, false},
	{"cubic, paced", CC_CUBIC, true, true},
	{"cubic", CC_CUBIC, false, false},
	{"newreno, SACK", CC_NEWRENO, true, false},
	{"newreno, paced", CC_NEWRENO, true, true},
	{"newreno", CC_NEWRENO, false, false},
};

/* A source that never ends, and a sink. One run at a time. */
static uint64_t received;

static void fill(struct mr_worker *w, mr_conn c)
{
	static const char zeros[1 << 14];

	while (mr_send_copy(w, c, zeros, sizeof(zeros), 0) == sizeof(zeros))
		;
}

static void sink(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	received += m->pkt_len;
	mr_consumed(w, c, m->pkt_len);
	rte_pktmbuf_free(m);
}

static const struct mr_callbacks source_callbacks = {.on_connected = fill, .on_writable = fill};
static const struct mr_callbacks sink_callbacks = {.on_data = sink};

static void add_host(struct sim *s, unsigned int i, const struct way *way)
{
	static const struct stack_listener listener = {.port_first = PORT, .port_last = PORT,
						       .backlog = 1, .callbacks = &sink_callbacks,
						       .name = "sink"};
	struct stack_config cfg;

	stack_config_default(&cfg);
	cfg.naddrs = 1;
	cfg.addr[0] = (struct stack_addr){.family = 4, .prefix_len = 24, .vlan = WIRE_NO_VLAN,
					  .vlan_outer = WIRE_NO_VLAN, .count = 1};
	sim_addr(i, 4, cfg.addr[0].addr);
	cfg.conns4 = cfg.time_wait4 = 16;
	cfg.conns6 = cfg.time_wait6 = 0;
	cfg.extensions = 16;
	cfg.neighbours = 16;
	cfg.tcp.rcv_buf = cfg.tcp.snd_buf = 4u << 20;
	cfg.tcp.rcv_scale = 7;
	cfg.tcp.congestion = way->congestion;
	cfg.tcp.sack = way->sack;
	cfg.tcp.pacing = way->pacing;
	cfg.seed = i + 1;
	cfg.listener = &listener;
	cfg.nlisteners = 1;
	sim_add(s, &cfg, 16383);
}

/* Mbit/s of payload. */
static double run(const struct way *way, double loss, uint32_t delay_us, uint32_t queue_octets,
		  uint64_t seed)
{
	struct sim_link link = {.loss = (uint32_t)(loss * 655.36 + 0.5), .delay_us = delay_us,
				.rate_kbps = RATE_KBPS, .queue_octets = queue_octets};
	struct mr_connect_opts opts = {.callbacks = &source_callbacks};
	struct sim s;
	mr_conn c;

	sim_init(&s, seed, &link);
	s.poll_us = 50;
	add_host(&s, 0, way);
	add_host(&s, 1, way);
	opts.remote.family = 4;
	opts.remote.port = PORT;
	sim_addr(1, 4, opts.remote.addr);
	received = 0;
	MR_ASSERT(mr_connect(s.host[0].w, &opts, &c) == MR_OK);
	sim_run(&s, SECONDS * 1000000ull);
	sim_fini(&s);
	return (double)received * 8 / SECONDS / 1e6;
}

/* One seed's losses are luck: two timeouts more or less are a third of the slowest figures. */
static double cell(const struct way *way, double loss, uint32_t delay_us, uint32_t queue_octets)
{
	const unsigned int runs = loss >= 1 ? RUNS : 1;
	double sum = 0;

	for (unsigned int seed = 1; seed <= runs; seed++)
		sum += run(way, loss, delay_us, queue_octets, seed);
	return sum / runs;
}

/* A row for each way and delay; `queue_octets` 0: one round trip, but never less than 64 KB. */
static void table(uint32_t queue_octets)
{
	printf("%-14s %6s", "algorithm", "RTT ms");
	for (unsigned int l = 0; l < MR_ARRAY_LEN(losses); l++)
		printf(" %6.1f %%", losses[l]);
	puts("");
	for (unsigned int w = 0; w < MR_ARRAY_LEN(ways); w++) {
		if (queue_octets != 0 && !ways[w].sack)
			continue;
		for (unsigned int d = 0; d < MR_ARRAY_LEN(delays_us); d++) {
			uint32_t queue = MR_MAX(64000u, RATE_KBPS / 8 * (2 * delays_us[d] / 1000));

			queue = queue_octets != 0 ? queue_octets : queue;
			printf("%-14s %6u", ways[w].name, 2 * delays_us[d] / 1000);
			for (unsigned int l = 0; l < MR_ARRAY_LEN(losses); l++)
				printf(" %8.2f", cell(&ways[w], losses[l], delays_us[d], queue));
			puts("");
		}
	}
}

void sim_throughput(void)
{
	printf("Goodput in Mbit/s of one connection in its first %u s: %u Mbit/s, queue of one "
	       "round trip\n(64 KB at least), loss of single frames each way (from 1 %% on "
	       "means\nof %u runs), windows of 4 MB.\n", SECONDS, RATE_KBPS / 1000, RUNS);
	table(0);
	printf("\nThe same with a queue of %u octets and SACK.\n", SHORT_QUEUE);
	table(SHORT_QUEUE);
}
