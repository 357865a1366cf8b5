/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * millctl: asks a running millraced and prints the answer, for people or as JSON. The protocol is
 * in lib/control/control.h: one line there, one JSON document back.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "json_text.h"

#define DEFAULT_SOCKET	"/run/millrace/millraced.sock"
#define EXIT_USAGE	2
#define WAIT_S		30

struct arguments {
	const char *socket;
	const char *state, *peer, *limit;
	bool json, all;
	char request[256];
};

static void usage(FILE *out)
{
	fputs("usage: millctl [options] stats | ports | connections | stop\n"
	      "\n"
	      "  stats             counters, states, tables, load and listeners\n"
	      "  ports             what is known of every port\n"
	      "  connections       every connection, SYN_RCVD and TIME_WAIT too\n"
	      "      --state S     only those in this state (as ESTABLISHED)\n"
	      "      --peer A      only those of this peer: address, or address:port\n"
	      "      --limit N     at most so many\n"
	      "  stop              drains and ends the daemon\n"
	      "\n"
	      "      --socket PATH of the daemon; default " DEFAULT_SOCKET "\n"
	      "      --json        the answer as it came\n"
	      "      --all         counters that are 0, too\n"
	      "      --version\n"
	      "  -h, --help\n"
	      "\n"
	      "Status 1: no daemon answers, or it refused. 2: usage.\n",
	      out);
}

/* ---- The command line ------------------------------------------------------------------------ */

static bool take_option(struct arguments *args, int option)
{
	switch (option) {
	case 's':
		args->socket = optarg;
		return true;
	case 'S':
		args->state = optarg;
		return true;
	case 'p':
		args->peer = optarg;
		return true;
	case 'l':
		args->limit = optarg;
		return true;
	case 'j':
		args->json = true;
		return true;
	case 'a':
		args->all = true;
		return true;
	case 'h':
		usage(stdout);
		exit(EXIT_SUCCESS);
	case 'V':
		printf("millctl %s\n", MR_VERSION);
		exit(EXIT_SUCCESS);
	default:
		return false;
	}
}

static bool add_word(char *request, size_t size, const char *name, const char *value)
{
	size_t len = strlen(request);

	if (value == NULL)
		return true;
	if (value[0] == '\0' || strpbrk(value, " \t\r\n") != NULL)
		return false;
	return (size_t)snprintf(request + len, size - len, " %s=%s", name, value) < size - len;
}

static bool make_request(struct arguments *args, const char *command)
{
	static const char *const commands[] = {"stats", "ports", "connections", "stop"};
	bool is_list = strcmp(command, "connections") == 0, known = false;
	size_t room = sizeof(args->request) - 1;

	for (size_t i = 0; i < MR_ARRAY_LEN(commands); i++)
		known |= strcmp(command, commands[i]) == 0;
	if (!known ||
	    (!is_list && (args->state != NULL || args->peer != NULL || args->limit != NULL)))
		return false;
	snprintf(args->request, room, "%s", command);
	if (!add_word(args->request, room, "state", args->state) ||
	    !add_word(args->request, room, "peer", args->peer) ||
	    !add_word(args->request, room, "limit", args->limit))
		return false;
	room = strlen(args->request);
	snprintf(args->request + room, sizeof(args->request) - room, "\n");
	return true;
}

static bool parse(int argc, char **argv, struct arguments *args)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'}, {"state", required_argument, NULL, 'S'},
		{"peer", required_argument, NULL, 'p'},	  {"limit", required_argument, NULL, 'l'},
		{"json", no_argument, NULL, 'j'},	  {"all", no_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},	  {"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (!take_option(args, option))
			return false;
	}
	return optind + 1 == argc && make_request(args, argv[optind]);
}

/* ---- The daemon ------------------------------------------------------------------------------ */

static int dial(const char *path)
{
	const struct timeval patience = {.tv_sec = WAIT_S};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path)) {
		fprintf(stderr, "millctl: %s: the path of the socket is too long\n", path);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		return fd;
	}
	fprintf(stderr, "millctl: no daemon answers at %s: %s%s\n", path, strerror(errno),
		errno == ENOENT || errno == ECONNREFUSED
			? "; is millraced running? (--socket names another place)"
			: "");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Copies the answer to `t`, and to stdout if it is wanted as it came. 0, or -1. */
static int receive(int fd, struct json_text *t, bool raw)
{
	char buf[16384];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (raw)
			fwrite(buf, 1, (size_t)n, stdout);
		json_text_feed(t, buf, (size_t)n);
	}
	if (raw)
		fputc('\n', stdout);
	if (n < 0) {
		fprintf(stderr, "millctl: the daemon did not finish its answer: %s\n",
			errno == EAGAIN ? "it is silent" : strerror(errno));
		return -1;
	}
	if (!json_text_done(t)) {
		fprintf(stderr, "millctl: the daemon's answer is cut off\n");
		return -1;
	}
	return 0;
}

static int ask(const struct arguments *args)
{
	FILE *nowhere = args->json ? fopen("/dev/null", "we") : NULL;
	struct json_text text;
	int fd = dial(args->socket), rc = -1;

	json_text_init(&text, nowhere != NULL ? nowhere : stdout, !args->all);
	if (fd >= 0 && send(fd, args->request, strlen(args->request), MSG_NOSIGNAL) ==
			       (ssize_t)strlen(args->request))
		rc = receive(fd, &text, args->json);
	if (rc == 0 && text.error_text[0] != '\0') {
		fprintf(stderr, "millctl: %s\n", text.error_text);
		rc = -1;
	}
	if (fd >= 0)
		close(fd);
	if (nowhere != NULL)
		fclose(nowhere);
	return rc;
}

int main(int argc, char **argv)
{
	struct arguments args = {.socket = DEFAULT_SOCKET};

	if (!parse(argc, argv, &args)) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return ask(&args) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
