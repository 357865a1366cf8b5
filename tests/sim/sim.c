/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The deterministic simulation: whole engines (frames, tables, wheels, handlers) on a virtual clock
 * and a seeded network that misbehaves. `sim --seed S` replays a run exactly; a failure prints the
 * command that does. Read scenario.c for what is simulated, watch.c and records.c for what must
 * hold.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_eal.h>

#include "frame.h"
#include "records.h"
#include "scenario.h"
#include "throughput.h"

struct options {
	uint64_t seed;
	uint32_t runs, conns, octets, concurrency, families, every, total;
	const struct sim_scenario *scenario;	/* NULL: the seed says which */
	uint64_t dump;				/* a mark */
	double loss;				/* per cent; negative: as the scenario has it */
	bool fast, compare, quiet, trace, throughput;
};

/* One run: its parts. */
struct run {
	const struct options *o;
	const struct sim_scenario *scenario;
	struct sim_setup setup;
	struct sim sim;
	struct sim_apps apps;
	struct sim_watchers watch;
	struct sim_records records;
	struct sim_hostile hostile;
	uint64_t seed;
};

/* Sums over all runs. */
struct totals {
	uint64_t conns, frames, segments, virtual_us, octets, forged, checks, whole, failed, runs;
	uint64_t fast_opened;		/* by data of their SYN */
};

static const struct option longopts[] = {
	{"seed", required_argument, NULL, 's'},
	{"runs", required_argument, NULL, 'r'},
	{"conns", required_argument, NULL, 'n'},
	{"octets", required_argument, NULL, 'o'},
	{"concurrency", required_argument, NULL, 'c'},
	{"scenario", required_argument, NULL, 'S'},
	{"loss", required_argument, NULL, 'l'},
	{"check-every", required_argument, NULL, 'e'},
	{"dump", required_argument, NULL, 'd'},
	{"nightly", required_argument, NULL, 'N'},
	{"ipv4", no_argument, NULL, '4'},
	{"ipv6", no_argument, NULL, '6'},
	{"slow-path", no_argument, NULL, 'p'},
	{"compare", no_argument, NULL, 'C'},
	{"throughput", no_argument, NULL, 'T'},
	{"quiet", no_argument, NULL, 'q'},
	{"trace", no_argument, NULL, 't'},
	{NULL, 0, NULL, 0},
};

static int usage(int status)
{
	puts("sim [--seed S] [--runs N] [--conns N] [--octets MAX] [--concurrency N]\n"
	     "    [--scenario NAME] [--loss PERCENT] [--ipv4|--ipv6] [--slow-path] [--compare]\n"
	     "    [--check-every STEPS] [--dump MARK] [--nightly CONNS] [--quiet] [--trace]\n"
	     "sim --throughput\n"
	     "Run r uses seed S + r, which says everything that no option says. --compare runs\n"
	     "each seed with the fast path on and off, and compares frames, records, timers and\n"
	     "counters. --check-every: whole tables and wheels are checked every so many steps\n"
	     "(0: at the end). --dump MARK: records and counters at that time. --nightly:\n"
	     "runs until so many connections were simulated.\n"
	     "--throughput prints the table of tests/sim/throughput.txt. Exit status 1 if an\n"
	     "invariant failed; the command that replays it is printed. Scenarios:");
	sim_scenario_list();
	return status;
}

/* ---- hooks ---- */

/* One line a segment, for reading a failure. */
static void trace_frame(const struct sim *s, const uint8_t *p, uint16_t len)
{
	struct sim_seg g;

	if (!sim_seg_parse(p, len, &g))
		return;
	printf("%.6f host%u IPv%u %u>%u seq %u ack %u flags %02x wnd %u len %u sack %u\n",
	       (double)s->now_us / 1e6, g.src_host, g.family, g.sport, g.dport, g.seq, g.ack,
	       g.flags, g.wnd, g.len, g.nsack);
}

static void on_sent(void *arg, unsigned int host, const uint8_t *p, uint16_t len)
{
	struct run *r = arg;

	(void)host;
	if (r->o->trace)
		trace_frame(&r->sim, p, len);
	/* From then on: what waited for the neighbour may be sent a long time later. */
	r->watch.leaky |= sim_unresolved(&r->sim);
	sim_watch_sent(&r->watch, p, len);
}

static void on_lost(void *arg, const uint8_t *p, uint16_t len)
{
	sim_apps_lost(&((struct run *)arg)->apps, p, len);
}

static void on_received(void *arg, const struct sim_frame *f)
{
	sim_watch_received(&((struct run *)arg)->watch, f->octets, f->len, f->damaged);
}

static void on_before(void *arg, uint64_t next_us)
{
	sim_records_before(&((struct run *)arg)->records, next_us);
}

static void on_turn(void *arg, unsigned int host)
{
	sim_apps_turn(&((struct run *)arg)->apps, host);
}

static uint64_t wanted_us(void *arg) { return sim_apps_wanted_us(&((struct run *)arg)->apps); }

static void on_after(void *arg)
{
	struct run *r = arg;

	sim_records_after(&r->records, &r->watch);
	sim_hostile_turn(&r->hostile);
}

/* ---- one run ---- */

static void host_config(struct stack_config *cfg, unsigned int i, const struct run *r)
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
	cfg->port_range_first = 32768;	/* SIM_BOTH_PORT is below */
	cfg->conns4 = cfg->conns6 = r->setup.conns;
	cfg->time_wait4 = cfg->time_wait6 = r->setup.time_wait;
	cfg->extensions = r->setup.extensions;
	cfg->neighbours = 64;
	cfg->mbufs_reserve = r->setup.mbufs_reserve;
	cfg->tcp = r->setup.tcp;
	cfg->seed = r->seed * 16 + i + 1;
	/* By a cookie, frames in flight open again what was reset: observers know no such life. */
	if (r->setup.wish.scarce)
		cfg->syncookies = STACK_COOKIES_OFF;
	if (!r->o->compare)
		return;
	/* Whom a limit of the whole worker hits hangs on the order within an instant. */
	cfg->tcp.challenge_per_s = 1u << 30;
	cfg->rst_per_s = cfg->icmp_per_s = 0;
	cfg->neighbours = 1024;
}

static void add_hosts(struct run *r, bool fast)
{
	static struct stack_listener listener;	/* outlives the stacks of a run */
	struct stack_config cfg;

	listener = (struct stack_listener){.port_first = SIM_PORT,
					   .port_last = SIM_PORT,
					   .backlog = r->setup.backlog,
					   .callbacks = &sim_callbacks,
					   .arg = &r->apps,
					   .name = "sim"};
	for (unsigned int i = 0; i < 2; i++) {
		host_config(&cfg, i, r);
		cfg.fast_path = fast;
		cfg.listener = &listener;
		cfg.nlisteners = 1;
		sim_add(&r->sim, &cfg, r->setup.mbufs);
	}
}

static void begin(struct run *r, const struct options *o, uint64_t seed, bool fast)
{
	struct sim_wishes *w = &r->setup.wish;
	struct mr_rng rng;

	memset(r, 0, sizeof(*r));
	r->o = o;
	r->seed = seed;
	mr_rng_seed(&rng, seed);
	r->scenario = sim_scenario_draw(&rng);
	if (o->scenario != NULL)
		r->scenario = o->scenario;
	*w = (struct sim_wishes){.total = o->conns, .concurrency = o->concurrency,
				 .octets_max = o->octets, .families = o->families};
	sim_setup_draw(r->scenario, &rng, &r->setup);
	/* In one instant the two paths may come to connections in another order. */
	w->no_crossing = o->compare;
	if (o->loss >= 0)
		r->setup.link.loss = (uint32_t)(o->loss * 655.36);
	sim_init(&r->sim, seed, &r->setup.link);
	r->sim.poll_us = r->setup.poll_us;
	/* An ICMP error about one connection bears on all to that destination. */
	r->sim.errors_apart = o->compare;
	/* Who gets the last record of a table hangs on the order within a burst. */
	r->sim.all_apart = o->compare && w->crowded;
	sim_apps_init(&r->apps, &r->sim, seed, w);
	r->apps.rcv_buf = MR_MAX(r->setup.tcp.rcv_buf, r->setup.tcp.rcv_buf_max);
	r->watch.apps = &r->apps;
	r->watch.leaky = w->harsh || w->scarce;
	sim_records_init(&r->records, &r->sim, &r->apps, o->every, o->compare || o->dump != 0);
	r->records.dump = o->dump;
	sim_hostile_init(&r->hostile, &r->apps, &r->setup.hostile, seed);
	r->sim.hooks = (struct sim_hooks){
		r, on_sent, on_received, on_lost, on_before, on_turn, on_after, wanted_us};
	add_hosts(r, fast);
}

static void end(struct run *r)
{
	sim_fini(&r->sim);
	sim_records_fini(&r->records);
	sim_apps_fini(&r->apps);
}

#define RUN_LIMIT_US	(2ull * 3600 * 1000000)
#define LINGER_US	(300ull * 1000000)
#define BROKEN_ENOUGH	100u	/* rules: what comes after them says nothing new */

/* The number of broken invariants. */
static unsigned int play(struct run *r)
{
	const uint64_t start = r->sim.now_us;
	unsigned int bad = 0;

	while (!sim_apps_done(&r->apps) && r->sim.now_us - start < RUN_LIMIT_US &&
	       r->watch.violations + r->records.violations < BROKEN_ENOUGH)
		sim_step(&r->sim, 1000000);
	/* TIME_WAIT, half-open leftovers and extension records have their time to go. */
	sim_run(&r->sim, LINGER_US);
	bad += sim_apps_verify(&r->apps);
	bad += sim_leaks(&r->sim);
	if (r->watch.violations + r->records.violations != 0)
		bad += printf("%u rules broken on the wire, %u in records\n", r->watch.violations,
			      r->records.violations) > 0;
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

static void print_run(const struct run *r, bool fast, bool failed)
{
	const struct sim *s = &r->sim;
	const struct options *o = r->o;
	const struct sim_link_stats *a = &s->host[0].path.stats, *b = &s->host[1].path.stats;
	uint64_t forged = 0;

	for (unsigned int k = 0; k < SIM_H_KINDS; k++)
		forged += r->hostile.sent[k];
	printf("seed %" PRIu64 " %s: %u connections, %" PRIu64 " frames (%" PRIu64 " lost, %" PRIu64
	       " damaged, %" PRIu64 " doubled, %" PRIu64 " forged), %.1f s, closed %u aborted %u "
	       "reset %u timed out %u, digest %016" PRIx64 "%s\n",
	       r->seed, r->scenario->name, r->apps.started, s->frames,
	       a->lost + a->silenced + a->queue_full + b->lost + b->silenced + b->queue_full,
	       a->corrupted + a->truncated + b->corrupted + b->truncated,
	       a->duplicated + b->duplicated, forged,
	       (double)s->now_us / 1e6, r->apps.by_reason[MR_CLOSED],
	       r->apps.by_reason[MR_ABORTED], r->apps.by_reason[MR_RESET_BY_PEER],
	       r->apps.by_reason[MR_TIMED_OUT], s->digest, failed ? "  FAILED" : "");
	if (!failed)
		return;
	print_drops(s);
	printf("replay: build/tests/sim/sim --seed %" PRIu64 " --conns %u --octets %u "
	       "--concurrency %u "
	       "--scenario %s%s", r->seed, o->conns, o->octets, o->concurrency, r->scenario->name,
	       o->families == 1 ? " --ipv4" : o->families == 2 ? " --ipv6" : "");
	if (o->loss >= 0)
		printf(" --loss %g", o->loss);
	printf(" --check-every %u%s%s --trace\n", o->every, o->compare ? " --compare" : "",
	       fast ? "" : " --slow-path");
}

static void add_up(struct totals *t, const struct run *r)
{
	struct stack_stats st;

	t->runs++;
	t->conns += r->apps.started;
	t->frames += r->sim.frames;
	t->segments += r->watch.segments;
	t->virtual_us += r->sim.now_us;
	t->octets += r->apps.octets;
	t->checks += r->watch.checks + r->records.checks;
	t->whole += r->records.whole_checks;
	for (unsigned int k = 0; k < SIM_H_KINDS; k++)
		t->forged += r->hostile.sent[k];
	for (unsigned int i = 0; i < r->sim.nhosts; i++) {
		stack_stats(r->sim.host[i].w, &st);
		t->fast_opened += st.counters.v[MR_C_TFO_OPENED];
	}
}

/* True: compared with each frame in a burst of its own, so it has to run as it is, too. */
static bool run_seed(const struct options *o, uint64_t seed, struct totals *t)
{
	static struct run run[2];
	unsigned int bad = 0, n;

	for (n = 0; n < 2; n++) {
		const bool fast = o->fast == (n == 0);
		unsigned int failed;

		begin(&run[n], o, seed, fast);
		failed = play(&run[n]);
		bad += failed;
		add_up(t, &run[n]);
		if (!o->quiet || failed != 0)
			print_run(&run[n], fast, failed != 0);
		if (n == 1 && sim_records_compare(&run[0].records, &run[1].records) != 0) {
			bad++;
			print_run(&run[1], fast, true);
		}
		if (!o->compare || n == 1)
			break;
		/* Its marks are still needed; its engines are not. */
		sim_fini(&run[n].sim);
	}
	if (n == 1) {
		sim_records_fini(&run[0].records);
		sim_apps_fini(&run[0].apps);
	}
	end(&run[n]);
	t->failed += bad != 0;
	return run[n].sim.all_apart;
}

static void run_all(const struct options *o, struct totals *t)
{
	struct options alone = *o;
	struct rusage use;

	alone.compare = false;
	for (uint32_t r = 0; o->total != 0 ? t->conns < o->total : r < o->runs; r++)
		if (run_seed(o, o->seed + r, t))
			run_seed(&alone, o->seed + r, t);
	getrusage(RUSAGE_SELF, &use);
	printf("%" PRIu64 " runs: %" PRIu64 " connections, %" PRIu64
	       " opened by data of their SYN, %" PRIu64 " frames received, %" PRIu64
	       " segments watched, %" PRIu64 " forged, %.1f MB, %.0f virtual s, %" PRIu64
	       " invariants checked, %" PRIu64 " whole engines; %.1f s of CPU\n",
	       t->runs, t->conns, t->fast_opened, t->frames, t->segments, t->forged,
	       (double)t->octets / 1e6, (double)t->virtual_us / 1e6, t->checks, t->whole,
	       (double)use.ru_utime.tv_sec + (double)use.ru_utime.tv_usec / 1e6 +
	       (double)use.ru_stime.tv_sec + (double)use.ru_stime.tv_usec / 1e6);
	printf("%" PRIu64 " seeds failed\n", t->failed);
}

/* ---- options ---- */

static bool set_option(struct options *o, int c)
{
	switch (c) {
	case 's': o->seed = strtoull(optarg, NULL, 0); break;
	case 'r': o->runs = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'n': o->conns = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'o': o->octets = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'c': o->concurrency = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'e': o->every = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'N': o->total = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'd': o->dump = strtoull(optarg, NULL, 0); break;
	case 'l': o->loss = strtod(optarg, NULL); break;
	case 'S':
		o->scenario = sim_scenario_find(optarg);
		return o->scenario != NULL;
	case '4': o->families = 1; break;
	case '6': o->families = 2; break;
	case 'p': o->fast = false; break;
	case 'C': o->compare = true; break;
	case 'T': o->throughput = true; break;
	case 'q': o->quiet = true; break;
	case 't': o->trace = true; break;
	default: return false;
	}
	return true;
}

static bool parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1)
		if (!set_option(o, c))
			return false;
	return optind == argc && o->conns != 0 && o->concurrency != 0;
}

int main(int argc, char **argv)
{
	char *eal[] = {"sim", "--no-huge", "-m", "256", "--no-pci", "--no-shconf", "--no-telemetry",
		       "--log-level=4", "--lcores=0", "--file-prefix=sim", NULL};
	struct options o = {.seed = 1, .runs = 1, .conns = 500, .octets = 100000, .concurrency = 64,
			    .families = 3, .every = 5000, .loss = -1, .fast = true};
	struct totals t = {0};

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return usage(0);
	if (!parse(argc, argv, &o))
		return usage(2);
	if (rte_eal_init(MR_ARRAY_LEN(eal) - 1, eal) < 0) {
		fprintf(stderr, "sim: EAL does not start\n");
		return 1;
	}
	if (o.throughput)
		sim_throughput();
	else
		run_all(&o, &t);
	rte_eal_cleanup();
	return t.failed != 0;
}
