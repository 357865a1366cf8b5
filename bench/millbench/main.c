/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * millbench: measures how fast TCP connections can be opened and closed, against any server. Start
 * reading here, then rig.c (what a run is built of), client.c (what it does) and run.c (what it
 * reports).
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "run.h"

static void on_signal(int sig)
{
	(void)sig;
	mb_interrupted = 1;
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
	       r->load.tuples.nports, r->plan.tuples);
	if (r->plan.sustained_per_s != UINT64_MAX)
		printf(", enough for %" PRIu64 " connections/s with TIME_WAIT of %" PRIu64 " ms",
		       r->plan.sustained_per_s, 2 * o->msl_ms);
	printf("\n");
}

static void say_memory(const struct mb_rig *r)
{
	printf("  memory: %" PRIu64 " MB of client tables, %" PRIu64
	       " MB of server tables, %" PRIu64 " MB of packet buffers\n",
	       r->table_octets[0] >> 20, r->table_octets[1] >> 20, r->eal_octets >> 20);
}

static void say(const struct mb_rig *r)
{
	const struct mb_options *o = r->options;

	if (o->ring) {
		printf("A terminator (%s%u) and a load generator (%s%u) in this process exchange "
		       "complete\n"
		       "TCP connections over a pair of rings; no NIC and no kernel takes part.\n",
		       "CPU ", r->server_config.lcores[0], "CPU ", r->client_config.lcores[0]);
		printf("TIME_WAIT is shortened: MSL %" PRIu64
		       " ms instead of 30 s, so that its table stays "
		       "small.\n",
		       o->msl_ms);
	}
	if (o->command == MB_SERVE_PEER)
		printf("millbench: the terminator is ready\n");
	else
		say_load(r);
	say_memory(r);
	fflush(stdout);
}

int main(int argc, char *argv[])
{
	static struct mb_options options;
	static struct mb_rig rig;
	char err[MB_ERROR_MAX];
	struct mb_plan plan;
	int status = 1;

	if (mb_options_parse(argc, argv, &options, err) != 0 ||
	    (!options.help && mb_plan_make(&options, &plan, err) != 0)) {
		fprintf(stderr, "millbench: %s\n", err);
		return 2;
	}
	if (options.help) {
		mb_options_help(stdout);
		return 0;
	}
	catch_signals();
	if (mb_rig_build(&rig, &options, argv[0], err) != 0 || mb_rig_start(&rig, err) != 0) {
		fprintf(stderr, "millbench: %s\n", err);
	} else {
		say(&rig);
		status = options.command == MB_SERVE_PEER ? mb_serve(&rig) : mb_run(&rig);
		mb_rig_halt(&rig);
		if (mb_rig_mbufs_out(&rig) != 0)
			printf("  packet buffers that did not come home: %" PRIu64 "\n",
			       mb_rig_mbufs_out(&rig));
	}
	mb_rig_destroy(&rig);
	return status;
}
