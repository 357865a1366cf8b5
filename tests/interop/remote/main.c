/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of the control server: it is a guest of the daemon, so configuration, ports,
 * listeners, millctl's socket and the drain at the end are those of millraced.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"

#include "remote.h"

#define EXIT_USAGE 2

static const char usage[] =
	"usage: remote [--socket PATH] [--config FILE]\n"
	"\n"
	"millraced serve, and beside it a control server through which other programs use the\n"
	"engine by system calls: the protocol is in tests/interop/remote/remote.h.\n"
	"\n"
	"      --socket PATH  where it listens; default /run/millrace/remote.sock\n"
	"  -c, --config FILE  a configuration of one worker; then no interface gets addresses\n";

static const char *path = "/run/millrace/remote.sock";

static bool on_turn(struct mr_worker *w, void *arg)
{
	(void)arg;
	return socks_turn(w);
}

static void guest_plan(struct engine_config *cfg, struct stack_config *stack)
{
	socks_init(&stack->tcp);
	stack->msl_max_ms = MSL_MAX_MS;
	cfg->on_turn = on_turn;
}

static int guest_start(struct engine *e, const char **why)
{
	*why = "the control server wants one worker (workers.count: 1)";
	if (engine_workers(e) != 1)
		return -1;
	return remote_start(e, path, why);
}

static const struct daemon_guest guest = {
	.plan = guest_plan, .start = guest_start, .stop = remote_stop,
};

static int run(const struct daemon_options *opt, const char *file)
{
	struct config *cfg = NULL;
	struct conf_error err;
	int status = EXIT_FAILURE;

	if (config_load(file, &cfg, &err) == 0)
		status = daemon_run(cfg, opt);
	else
		fprintf(stderr, "remote: %s\n", err.text);
	config_free(cfg);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	struct daemon_options opt = {.program = argv[0], .guest = &guest};
	const char *file = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c': file = optarg; break;
		case 's': path = optarg; break;
		case 'h': fputs(usage, stdout); return EXIT_SUCCESS;
		default: fputs(usage, stderr); return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	opt.serve = file == NULL;
	return run(&opt, file);
}
