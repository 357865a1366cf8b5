/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * impair: joins two ports and treats the frames between them badly, from a seed. Start reading
 * here, then direction.h (what happens to a frame), fate.h (by what chance) and loop.c.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "json_file.h"
#include "report.h"

#define STEP_NS 20000000L

static struct imp_joint joint; /* two histograms: too large for a stack */

static void on_signal(int sig)
{
	(void)sig;
	if (joint.signals < 2)
		joint.signals = joint.signals + 1;
}

static void catch_signals(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static int bad_usage(const char *why)
{
	fprintf(stderr, "impair: %s\n", why);
	return 2;
}

/* The control thread sleeps, and says now and then how it goes. */
static void watch(const struct imp_options *o)
{
	const struct timespec step = {.tv_nsec = STEP_NS};
	struct imp_counts last[2] = {0};
	uint64_t last_ns = imp_joint_now_ns(&joint), now_ns;

	while (!__atomic_load_n(&joint.done, __ATOMIC_ACQUIRE)) {
		nanosleep(&step, NULL);
		now_ns = imp_joint_now_ns(&joint);
		if (o->every_s == 0 || now_ns - last_ns < o->every_s * 1000000000u)
			continue;
		imp_say_line(stdout, &joint, last, (double)(now_ns - last_ns) / 1e9);
		last_ns = now_ns;
	}
}

static int finish(const struct imp_options *o)
{
	int status = 0;

	imp_joint_close(&joint);
	imp_say_report(stdout, &joint);
	for (unsigned int i = 0; i < 2; i++) {
		if (imp_adds_up(&joint.dir[i]))
			continue;
		fprintf(stderr, "impair: the counts of %s do not add up.\n",
			i == 0 ? "a to b" : "b to a");
		status = 1;
	}
	if (o->json[0] != '\0' && imp_write_json(&joint, o->json) != 0) {
		fprintf(stderr, "impair: --json '%s': %s.\n", o->json, strerror(errno));
		status = 1;
	}
	return status;
}

int main(int argc, char *argv[])
{
	static struct imp_options options;
	char err[IMP_ERROR_MAX];
	int status = 1;

	if (imp_options_parse(argc, argv, &options, err) != 0)
		return bad_usage(err);
	if (options.help) {
		imp_options_help(stdout);
		return 0;
	}
	if (bench_json_probe(options.json, err, sizeof(err)) != 0)
		return bad_usage(err);
	catch_signals();
	if (imp_joint_open(&joint, &options, argv[0], err) != 0) {
		fprintf(stderr, "impair: %s\n", err);
		imp_joint_close(&joint);
	} else if (imp_joint_launch(&joint) != 0) {
		fprintf(stderr, "impair: the polling thread does not start.\n");
		imp_joint_close(&joint);
	} else {
		imp_say_plan(stdout, &options);
		printf("impair: ready\n");
		fflush(stdout);
		watch(&options);
		imp_joint_wait(&joint);
		status = finish(&options);
	}
	eal_stop();
	return status;
}
