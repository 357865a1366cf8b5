/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * millbench: measures how fast TCP connections can be opened and closed, against any server. Start
 * reading here, then rig.c (what a run is built of), client.c (what it does) and run.c (what it
 * reports).
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "json_file.h"
#include "run.h"

static void on_signal(int sig)
{
	(void)sig;
	if (mb_interrupted < MB_SIGNALS_MAX)
		mb_interrupted++;
}

static void catch_signals(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static void say_load(const struct mb_rig *r)
{
	const struct mb_options *o = r->options;
	char target[64];

	mb_format_endpoint(&o->target, target, sizeof(target));
	printf("millbench: mode %s against %s, %" PRIu64 " worker%s", mb_mode_name(o->mode), target,
	       o->workers, o->workers == 1 ? "" : "s");
	if (o->mode == MB_HOLD)
		printf(", %" PRIu64 " connections to hold\n", o->hold);
	else if (o->rate != 0)
		printf(", %" PRIu64 " connections/s (%s)\n", o->rate,
		       o->arrivals == MB_POISSON ? "Poisson" : "constant");
	else
		printf(", %" PRIu64 " connections at once\n", r->plan.slots * o->workers);
	printf("  %u source addresses x %u ports = %" PRIu64 " tuples", r->plan.naddrs,
	       o->ports.last - o->ports.first + 1u, r->plan.tuples);
	if (r->plan.sustained_per_s != UINT64_MAX)
		printf(", enough for %" PRIu64 " connections/s with TIME_WAIT of %" PRIu64 " ms",
		       r->plan.sustained_per_s, 2 * o->msl_ms);
	printf("\n");
}

/** What will be taken, before any of it is: the next step may fail for want of it. */
static void say_memory(const struct mb_rig *r)
{
	printf("millbench takes memory: %" PRIu64 " MB of client tables, %" PRIu64
	       " MB of server tables, %" PRIu64 " MB of the load generator, %" PRIu64
	       " MB of packet buffers\n",
	       r->table_octets[0] >> 20, r->table_octets[1] >> 20, r->generator_octets >> 20,
	       r->eal_octets >> 20);
	if (r->shares_cpus)
		printf("  more workers than CPUs: they share them, sleep between bursts, and the "
		       "figures say little\n");
	fflush(stdout);
}

static void say_ring(const struct mb_rig *r)
{
	const struct mb_options *o = r->options;

	printf("A terminator (CPU %u) and a load generator (CPU %u) in this process exchange\n"
	       "TCP connections over a pair of rings; no NIC and no kernel takes part.\n",
	       r->server_config.lcores[0], r->client_config.lcores[0]);
	if (o->msl_ms < 30000)
		printf("TIME_WAIT is shortened: MSL %" PRIu64
		       " ms instead of 30 s, so that its table stays small.\n",
		       o->msl_ms);
}

static void say_ready(const struct mb_rig *r)
{
	if (r->options->ring)
		say_ring(r);
	if (r->options->command == MB_SERVE_PEER)
		printf("millbench: the terminator is ready\n");
	else
		say_load(r);
	fflush(stdout);
}

static int bad_usage(const char *why)
{
	fprintf(stderr, "millbench: %s\n", why);
	return 2;
}

int main(int argc, char *argv[])
{
	static struct mb_options options;
	static struct mb_rig rig;
	char err[MB_ERROR_MAX];
	int status = 1;

	if (mb_options_parse(argc, argv, &options, err) != 0)
		return bad_usage(err);
	if (options.help) {
		mb_options_help(stdout);
		return 0;
	}
	if (mb_rig_plan(&rig, &options, err) != 0)
		return bad_usage(err);
	if (bench_json_probe(options.json, err, sizeof(err)) != 0)
		return bad_usage(err);
	catch_signals();
	say_memory(&rig);
	if (mb_rig_build(&rig, argv[0], err) != 0 || mb_rig_start(&rig, err) != 0) {
		fprintf(stderr, "millbench: %s\n", err);
	} else {
		say_ready(&rig);
		status = options.command == MB_SERVE_PEER ? mb_serve(&rig) : mb_run(&rig);
	}
	mb_rig_destroy(&rig);
	return status;
}
