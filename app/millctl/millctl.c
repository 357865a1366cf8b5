/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * millctl: asks a running millraced and prints the answer, for people or as JSON. The protocol is
 * in lib/control/control.h: one line there, one JSON document back.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "json_text.h"

#define DEFAULT_SOCKET	"/run/millrace/millraced.sock"
#define DEFAULT_LIMIT	"1000"
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
	fputs("usage: millctl [options] COMMAND\n"
	      "\n"
	      "Asks a running millraced, or ends it.\n"
	      "\n"
	      "commands:\n"
	      "  stats             counters, states, tables and load; listeners\n"
	      "  ports             what is known of every port\n"
	      "  connections       the connections, those in SYN_RCVD and TIME_WAIT too\n"
	      "      --state S     only those in this state: ESTABLISHED, TIME_WAIT, ...\n"
	      "      --peer A      only those of this peer: 192.0.2.7, 192.0.2.7:443, fd00::7,\n"
	      "                    [fd00::7]:443\n"
	      "      --limit N     at most N of them, 0: all; default " DEFAULT_LIMIT "\n"
	      "  stop              drains and ends the daemon as SIGTERM does; a second one ends\n"
	      "                    the drain\n"
	      "\n"
	      "options:\n"
	      "      --socket PATH of the daemon; default " DEFAULT_SOCKET "\n"
	      "      --json        the answer as one JSON document\n"
	      "      --all         figures that are 0, too\n"
	      "      --version\n"
	      "  -h, --help\n"
	      "\n"
	      "Exit status: 0 the daemon answered; 1 no daemon answers, or it refused, or the "
	      "answer\n"
	      "could not be written; 2 wrong usage.\n",
	      out);
}

/* What is wrong with the command line; false, so that callers can return it. */
static MR_PRINTF(1, 2) bool wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("millctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
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

/* The protocol parts words by spaces. */
static bool add_word(char *request, size_t size, const char *name, const char *value)
{
	size_t len = strlen(request);

	if (value == NULL)
		return true;
	if (value[0] == '\0' || strpbrk(value, " \t\r\n") != NULL ||
	    (size_t)snprintf(request + len, size - len, " %s=%s", name, value) >= size - len)
		return wrong("'%s' is no value for --%s", value, name);
	return true;
}

static bool is_command(const char *word)
{
	static const char *const commands[] = {"stats", "ports", "connections", "stop"};

	for (size_t i = 0; i < MR_ARRAY_LEN(commands); i++) {
		if (strcmp(word, commands[i]) == 0)
			return true;
	}
	return wrong("'%s' is no command: stats, ports, connections or stop", word);
}

static bool make_request(struct arguments *args, const char *command)
{
	bool is_list = strcmp(command, "connections") == 0;
	size_t room = sizeof(args->request) - 1; /* for the line end */

	if (!is_command(command))
		return false;
	if (!is_list && (args->state != NULL || args->peer != NULL || args->limit != NULL))
		return wrong("--state, --peer and --limit are options of connections");
	if (args->limit != NULL && strspn(args->limit, "0123456789") != strlen(args->limit))
		return wrong("'%s' is no number for --limit", args->limit);
	if (is_list && args->limit == NULL)
		args->limit = DEFAULT_LIMIT;
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
	if (optind == argc)
		return wrong("which command? stats, ports, connections or stop");
	if (optind + 1 < argc)
		return wrong("one command at a time: '%s' is left over", argv[optind + 1]);
	return make_request(args, argv[optind]);
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
	bool any = false;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		any = true;
		if (raw)
			fwrite(buf, 1, (size_t)n, stdout);
		json_text_feed(t, buf, (size_t)n);
	}
	if (raw && any)
		fputc('\n', stdout);
	if (n == 0 && !any) {
		fprintf(stderr, "millctl: the daemon does not answer: it is ending, or too many "
				"ask at once\n");
		return -1;
	}
	if (n < 0) {
		fprintf(stderr, "millctl: the daemon did not finish its answer: %s\n",
			errno == EAGAIN ? "it is silent" : strerror(errno));
		return -1;
	}
	if (!json_text_end(t)) {
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
	if (fd >= 0 && send(fd, args->request, strlen(args->request), MSG_NOSIGNAL) < 0)
		fprintf(stderr, "millctl: the daemon cannot be asked: %s\n", strerror(errno));
	else if (fd >= 0)
		rc = receive(fd, &text, args->json);
	if (rc == 0 && text.error_text[0] != '\0') {
		fprintf(stderr, "millctl: %s\n", text.error_text);
		rc = -1;
	}
	if (text.more && !args->json)
		printf("There are more: --limit 0 shows all, --state and --peer choose.\n");
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
		fputs("`millctl --help` shows all commands and options.\n", stderr);
		return EXIT_USAGE;
	}
	if (ask(&args) != 0)
		return EXIT_FAILURE;
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		fprintf(stderr, "millctl: the answer cannot be written: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
