/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * millraced: the command line. What it does is in daemon.c; what it is told is in config_keys.c.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "handlers.h"

#define EXIT_USAGE 2

enum action { ACTION_RUN, ACTION_CHECK, ACTION_PRINT, ACTION_REFERENCE, ACTION_DOCTOR };

struct arguments {
	enum action action;
	const char *config;
	struct daemon_options daemon;
};

static const char usage[] =
	"usage: millraced [serve] [options]\n"
	"\n"
	"Terminates TCP connections on ports of its own, past the kernel. Runs in the foreground,\n"
	"says `ready`, and ends by SIGTERM, SIGINT, SIGHUP or `millctl stop`.\n"
	"\n"
	"  serve             the built-in configuration on a tap interface of this network\n"
	"                    namespace, mill0, which is made and gets its addresses: the kernel\n"
	"                    has 10.77.0.1 and fd77::1, the engine 10.77.0.2 and fd77::2 with\n"
	"                    echo (port 7), discard (9), line (13), source (19) and http (80)\n"
	"  -c, --config FILE the configuration (YAML). Without it and without serve: the built-in\n"
	"                    one, and mill0 is left without addresses\n"
	"      --socket PATH control socket for millctl, instead of the configuration's\n"
	"      --stats       a line of figures each second\n"
	"\n"
	"instead of running, one of:\n"
	"      --check       checks the configuration\n"
	"      --print-config  prints the configuration with all its defaults\n"
	"      --help-config   prints all keys: type, range, unit, default, meaning\n"
	"      --doctor      says what is missing on this machine for the configuration, and the\n"
	"                    command that mends it\n"
	"      --version\n"
	"  -h, --help\n"
	"\n"
	"The first signal drains: new connections are refused, the open ones are closed and have\n"
	"the time of the key `drain` for it. A second one aborts those that are left.\n"
	"\n"
	"Exit status: 0 it ended as asked, the configuration is good, nothing is missing; 1 it\n"
	"could not start, the configuration is wrong, something is missing; 2 wrong usage.\n";

static void print_reference(void)
{
	conf_print_reference(stdout, config_keys);
	printf("\nhandlers:\n");
	for (unsigned int i = 0; handler_at(i) != NULL; i++)
		printf("  %-8s %s\n", handler_at(i)->name, handler_at(i)->help);
}

static bool choose(struct arguments *args, enum action action)
{
	if (args->action != ACTION_RUN && args->action != action) {
		fprintf(stderr, "millraced: one of --check, --print-config, --help-config and "
				"--doctor at a time\n");
		return false;
	}
	args->action = action;
	return true;
}

static bool take_option(struct arguments *args, int option)
{
	switch (option) {
	case 'c':
		args->config = optarg;
		return true;
	case 's':
		args->daemon.socket = optarg;
		return true;
	case 't':
		args->daemon.stats = true;
		return true;
	case 'C':
		return choose(args, ACTION_CHECK);
	case 'P':
		return choose(args, ACTION_PRINT);
	case 'R':
		return choose(args, ACTION_REFERENCE);
	case 'D':
		return choose(args, ACTION_DOCTOR);
	case 'h':
		fputs(usage, stdout);
		exit(EXIT_SUCCESS);
	case 'V':
		printf("millraced %s\n", MR_VERSION);
		exit(EXIT_SUCCESS);
	default:
		return false;
	}
}

static bool parse(int argc, char **argv, struct arguments *args)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
		{"stats", no_argument, NULL, 't'},	  {"check", no_argument, NULL, 'C'},
		{"print-config", no_argument, NULL, 'P'}, {"help-config", no_argument, NULL, 'R'},
		{"doctor", no_argument, NULL, 'D'},	  {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},	  {NULL, 0, NULL, 0},
	};
	int option;

	args->daemon.program = argv[0];
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (!take_option(args, option))
			return false;
	}
	for (; optind < argc; optind++) {
		if (strcmp(argv[optind], "serve") != 0) {
			fprintf(stderr, "millraced: '%s' is no command: there is only serve; a "
					"configuration is given by -c\n", argv[optind]);
			return false;
		}
		args->daemon.serve = true;
	}
	if (args->daemon.serve && args->config != NULL) {
		fprintf(stderr, "millraced: serve has a configuration of its own: leave -c out\n");
		return false;
	}
	return true;
}

static int act(const struct arguments *args, const struct config *cfg)
{
	switch (args->action) {
	case ACTION_CHECK:
		printf("%s: good\n",
		       args->config != NULL ? args->config : "(built-in configuration)");
		return EXIT_SUCCESS;
	case ACTION_PRINT:
		config_print(stdout, cfg);
		return EXIT_SUCCESS;
	case ACTION_DOCTOR:
		return daemon_doctor(cfg, args->daemon.program);
	case ACTION_REFERENCE:
	case ACTION_RUN:
	default:
		return daemon_run(cfg, &args->daemon);
	}
}

int main(int argc, char **argv)
{
	struct arguments args = {.action = ACTION_RUN};
	struct config *cfg = NULL;
	struct conf_error err;
	int status = EXIT_FAILURE;

	if (!parse(argc, argv, &args)) {
		fputs("`millraced --help` shows all options.\n", stderr);
		return EXIT_USAGE;
	}
	if (args.action == ACTION_REFERENCE) {
		print_reference();
		return EXIT_SUCCESS;
	}
	if (config_load(args.config, &cfg, &err) == 0)
		status = act(&args, cfg);
	else
		fprintf(stderr, "millraced: %s\n", err.text);
	config_free(cfg);
	return status;
}
