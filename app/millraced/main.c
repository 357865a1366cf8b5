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

static void usage(FILE *out)
{
	fputs("usage: millraced [serve] [options]\n"
	      "\n"
	      "Terminates TCP connections on ports of its own, past the kernel.\n"
	      "\n"
	      "  serve             a tap interface mill0 here: the kernel is 10.77.0.1 and "
	      "fd77::1, the\n"
	      "                    engine 10.77.0.2 and fd77::2 with echo, discard, line, source "
	      "and http\n"
	      "  -c, --config FILE the configuration (YAML); without it: the built-in one\n"
	      "      --check       only check the configuration\n"
	      "      --print-config  print the effective configuration\n"
	      "      --help-config   print all keys: type, range, unit, default, meaning\n"
	      "      --doctor      say what is missing on this machine, and what mends it\n"
	      "      --stats       a line of figures each second\n"
	      "      --socket PATH control socket for millctl, instead of the configuration's\n"
	      "      --version\n"
	      "  -h, --help\n"
	      "\n"
	      "SIGINT or SIGTERM: refuses new connections, closes the open ones within the limit "
	      "`drain`,\n"
	      "and ends with status 0; a second signal ends the wait. Status 1: it could not "
	      "start. 2: usage.\n",
	      out);
}

static void print_reference(void)
{
	conf_print_reference(stdout, config_keys);
	printf("\nhandlers:\n");
	for (unsigned int i = 0; handler_at(i) != NULL; i++)
		printf("  %-8s %s\n", handler_at(i)->name, handler_at(i)->help);
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
		args->action = ACTION_CHECK;
		return true;
	case 'P':
		args->action = ACTION_PRINT;
		return true;
	case 'R':
		args->action = ACTION_REFERENCE;
		return true;
	case 'D':
		args->action = ACTION_DOCTOR;
		return true;
	case 'h':
		usage(stdout);
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
			fprintf(stderr, "millraced: '%s' is no command\n", argv[optind]);
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
		usage(stderr);
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
