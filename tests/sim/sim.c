/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The deterministic simulation: whole engines (frames, tables, wheels, handlers) on a virtual clock
 * and a seeded network that misbehaves. `sim --seed S` replays a run exactly; a failure prints its
 * seed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "apps.h"
#include "frame.h"

struct options {
	uint64_t seed;
	uint32_t runs, conns, octets, concurrency, family;
	struct sim_link link;
	bool random_link, fast, compare, quiet, trace;
};

static const struct option longopts[] = {
	{"seed", required_argument, NULL, 's'},
	{"runs", required_argument, NULL, 'r'},
	{"conns", required_argument, NULL, 'n'},
	{"octets", required_argument, NULL, 'o'},
	{"concurrency", required_argument, NULL, 'c'},
	{"loss", required_argument, NULL, 'l'},
	{"ipv6", no_argument, NULL, '6'},
	{"slow-path", no_argument, NULL, 'p'},
	{"compare", no_argument, NULL, 'C'},
	{"quiet", no_argument, NULL, 'q'},
	{"trace", no_argument, NULL, 't'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int usage(int status)
{
	puts("sim [--seed S] [--runs N] [--conns N] [--octets MAX] [--concurrency N] [--loss "
	     "PERCENT]\n"
	     "    [--ipv6] [--slow-path] [--compare] [--quiet] [--trace]\n"
	     "Without --loss every run draws its own loss, duplication, reordering, delay and "
	     "corruption.\n"
	     "--compare runs each seed with the fast path on and off and compares the outcome.\n"
	     "Run r uses seed S + r. Exit status 1 if an invariant failed; the seed is printed.");
	return status;
}

/* One line a frame, for reading a failure. */
static void trace_frame(void *arg, unsigned int host, const uint8_t *p, uint16_t len)
{
	const struct sim *s = arg;
	unsigned int l3 = p[12] == 0x08 && p[13] == 0 ? 20 : 40;
	const uint8_t *t = p + 14 + l3;

	if (len < 14 + l3 + 20 || (l3 == 20 && p[23] != 6))
		return;
	printf("%.6f host%u %u>%u seq %u ack %u flags %02x wnd %u len %u\n",
	       (double)s->now_us / 1e6, host, t[0] << 8 | t[1], t[2] << 8 | t[3],
	       (uint32_t)t[4] << 24 | (uint32_t)t[5] << 16 | (uint32_t)t[6] << 8 | t[7],
	       (uint32_t)t[8] << 24 | (uint32_t)t[9] << 16 | (uint32_t)t[10] << 8 | t[11], t[13],
	       t[14] << 8 | t[15], len - 14 - l3 - (t[12] >> 4) * 4u);
}

/* The weather of a run. */
static void draw_link(struct mr_rng *rng, struct sim_link *l)
{
	l->loss = (uint32_t)mr_rng_below(rng, 3) * (uint32_t)mr_rng_below(rng, 3000);
	l->duplicate = (uint32_t)mr_rng_below(rng, 2) * (uint32_t)mr_rng_below(rng, 3000);
	l->corrupt = (uint32_t)mr_rng_below(rng, 2) * (uint32_t)mr_rng_below(rng, 1000);
	l->reorder = (uint32_t)mr_rng_below(rng, 2) * (uint32_t)mr_rng_below(rng, 10000);
	l->delay_us = 20 + (uint32_t)mr_rng_below(rng, 20000);
	l->jitter_us = (uint32_t)mr_rng_below(rng, 2) * (uint32_t)mr_rng_below(rng, 5000);
	l->reorder_us = 100 + (uint32_t)mr_rng_below(rng, 30000);
}

static void host_config(struct stack_config *cfg, unsigned int i, const struct options *o,
			uint64_t seed)
{
	stack_config_default(cfg);
	cfg->naddrs = 2;
	for (unsigned int k = 0; k < 2; k++) {
		struct stack_addr *a = &cfg->addr[k];

		*a = (struct stack_addr){.family = k == 0 ? 4 : 6,
					 .prefix_len = k == 0 ? 24 : 64,
					 .vlan = WIRE_NO_VLAN,
					 .vlan_outer = WIRE_NO_VLAN,
					 .count = 1};
		sim_addr(i, a->family, a->addr);
	}
	cfg->conns4 = cfg->conns6 = 4096;
	cfg->time_wait4 = cfg->time_wait6 = 16384;
	cfg->extensions = 2048;
	cfg->neighbours = 64;
	cfg->mbufs_reserve = 64;
	cfg->tcp.msl_ms = 15000;	/* longer than the last FIN's retransmissions take */
	cfg->tcp.keepalive_idle_ms = 30000;
	cfg->tcp.keepalive_interval_ms = 2000;
	cfg->tcp.keepalive_probes = 8;
	cfg->fast_path = o->fast;
	cfg->seed = seed * 16 + i + 1;
}

#define RUN_LIMIT_US	(3600ull * 1000000)
#define LINGER_US	(300ull * 1000000)

static unsigned int play(struct sim *s, struct sim_apps *a)
{
	uint64_t start = s->now_us;
	unsigned int bad = 0;

	while ((a->ended < a->total || a->server_ended < MR_MIN(a->accepted, a->total)) &&
	       s->now_us - start < RUN_LIMIT_US)
		sim_step(s, 1000000);
	/* TIME_WAIT, half-open leftovers and extension records have their time to go. */
	sim_run(s, LINGER_US);
	bad += sim_apps_verify(a);
	bad += sim_leaks(s);
	return bad;
}

/* What the engines threw away: the first thing to look at when a run fails. */
static void print_drops(const struct sim *s)
{
	struct stack_stats st;

	for (unsigned int i = 0; i < s->nhosts; i++) {
		stack_stats(s->host[i].w, &st);
		for (unsigned int c = 0; c < MR_C_COUNT; c++)
			if (mr_counter_info[c].severity != MR_SEV_INFO && st.counters.v[c] != 0)
				printf("  host%u %s %" PRIu64 "\n", i, mr_counter_info[c].name,
				       st.counters.v[c]);
	}
}

/* Host 0 calls, host 1 listens. */
static void add_hosts(struct sim *s, struct sim_apps *a, const struct stack_listener *listener,
		      const struct options *o, uint64_t seed)
{
	struct stack_config cfg;

	host_config(&cfg, 0, o, seed);
	a->client_host = sim_add(s, &cfg, 16383);
	a->client_host->on_turn = sim_apps_turn;
	a->client_host->arg = a;
	host_config(&cfg, 1, o, seed);
	cfg.listener = listener;
	cfg.nlisteners = 1;
	a->server_host = sim_add(s, &cfg, 16383);
}

static void print_run(const struct sim *s, const struct sim_apps *a, uint64_t seed, bool failed)
{
	printf("seed %" PRIu64 ": %u connections, %" PRIu64 " frames (%" PRIu64 " lost, %" PRIu64
	       " corrupted, %" PRIu64 " doubled), %.1f s, closed %u aborted %u reset %u, digest "
	       "%016" PRIx64 "%s\n",
	       seed, a->total, s->frames, s->lost, s->corrupted, s->duplicated,
	       (double)s->now_us / 1e6, a->by_reason[MR_CLOSED], a->by_reason[MR_ABORTED],
	       a->by_reason[MR_RESET_BY_PEER], s->digest, failed ? "  FAILED" : "");
	if (failed)
		print_drops(s);
}

/* The number of broken invariants. outcome: the digest of every frame sent. */
static unsigned int run_once(const struct options *o, uint64_t seed, uint64_t *outcome)
{
	struct sim_apps a;
	const struct stack_listener listener = {.family = 0,
						.port_first = SIM_PORT,
						.port_last = SIM_PORT,
						.backlog = 4096,
						.callbacks = &sim_server_callbacks,
						.arg = &a,
						.name = "sim"};
	struct sim_link link = o->link;
	struct mr_rng rng;
	unsigned int bad;
	struct sim s;

	mr_rng_seed(&rng, seed);
	if (o->random_link)
		draw_link(&rng, &link);
	sim_init(&s, seed, &link);
	sim_apps_init(&a, &s, seed, o->conns);
	a.octets_max = o->octets;
	a.concurrency = o->concurrency;
	a.family = (uint8_t)o->family;
	add_hosts(&s, &a, &listener, o, seed);
	s.tap = o->trace ? trace_frame : NULL;
	s.tap_arg = &s;
	bad = play(&s, &a);
	if (!o->quiet || bad != 0)
		print_run(&s, &a, seed, bad != 0);
	*outcome = s.digest;
	sim_fini(&s);
	sim_apps_fini(&a);
	return bad;
}

static unsigned int run_all(struct options *o)
{
	unsigned int failed = 0;

	for (uint32_t r = 0; r < o->runs; r++) {
		uint64_t first, second;

		failed += run_once(o, o->seed + r, &first) != 0;
		if (!o->compare)
			continue;
		o->fast = !o->fast;
		failed += run_once(o, o->seed + r, &second) != 0;
		o->fast = !o->fast;
		if (first != second) {
			printf("seed %" PRIu64 ": fast and slow path sent different frames\n",
			       o->seed + r);
			failed++;
		}
	}
	return failed;
}

static bool parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 's': o->seed = strtoull(optarg, NULL, 0); break;
		case 'r': o->runs = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'n': o->conns = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'o': o->octets = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'c': o->concurrency = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'l':
			o->random_link = false;
			o->link.loss = (uint32_t)(strtod(optarg, NULL) * 655.36);
			break;
		case '6': o->family = 6; break;
		case 'p': o->fast = false; break;
		case 'C': o->compare = true; break;
		case 'q': o->quiet = true; break;
		case 't': o->trace = true; break;
		default: return false;
		}
	}
	return optind == argc;
}

int main(int argc, char **argv)
{
	char *eal[] = {"sim", "--no-huge", "-m", "256", "--no-pci", "--no-shconf", "--no-telemetry",
		       "--log-level=4", "--lcores=0", "--file-prefix=sim", NULL};
	struct options o = {.seed = 1,
			    .runs = 1,
			    .conns = 500,
			    .octets = 100000,
			    .concurrency = 64,
			    .family = 4,
			    .link = {.delay_us = 1000},
			    .random_link = true,
			    .fast = true};
	unsigned int failed;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return usage(0);
	if (!parse(argc, argv, &o))
		return usage(2);
	if (rte_eal_init(MR_ARRAY_LEN(eal) - 1, eal) < 0) {
		fprintf(stderr, "sim: EAL does not start\n");
		return 1;
	}
	failed = run_all(&o);
	printf("%u of %u seeds failed\n", failed, o.runs);
	rte_eal_cleanup();
	return failed != 0;
}
