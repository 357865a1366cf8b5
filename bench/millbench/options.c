/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of options: one line each gives the parser its name, kind, place and range, and --help
 * its text. What contradicts itself is refused here; what the machine cannot give, in plan.c.
 */
#include <string.h>

#include "options.h"

enum kind {
	KIND_FLAG,
	KIND_UINT,
	KIND_ENUM,
	KIND_STRING,
	KIND_PREFIX,
	KIND_ENDPOINT,
	KIND_PORTS,
	KIND_CPUS,
};

struct option {
	const char *name;
	enum kind kind;
	size_t offset;
	uint64_t min, max;	  /* KIND_UINT */
	const char *const *names; /* KIND_ENUM */
	const char *arg, *def, *help;
};

static const char *const mode_names[] = {"handshake", "cycle", "request",
					 "keepalive", "hold",  NULL};
static const char *const closer_names[] = {"client", "server", NULL};
static const char *const arrival_names[] = {"constant", "poisson", NULL};

#define AT(field) offsetof(struct mb_options, field)
#define FLAG(n, f, h) \
	{ \
		n, KIND_FLAG, AT(f), 0, 0, NULL, "", "", h \
	}
#define UINT(n, f, lo, hi, def, h) \
	{ \
		n, KIND_UINT, AT(f), lo, hi, NULL, "N", def, h \
	}
#define ENUM(n, f, names, def, h) \
	{ \
		n, KIND_ENUM, AT(f), 0, 0, names, "NAME", def, h \
	}
#define OTHER(n, k, f, arg, def, h) \
	{ \
		n, k, AT(f), 0, 0, NULL, arg, def, h \
	}

static const struct option options[] = {
	ENUM("mode", mode, mode_names, "cycle",
	     "handshake (open, RST), cycle (open, close), request, keepalive, hold"),
	UINT("concurrency", concurrency, 1, 1u << 30, "1024; hold: 4096",
	     "connections at once (closed loop); with --rate the bound of them"),
	UINT("rate", rate, 1, 100000000, "", "connections per second (open loop)"),
	ENUM("arrivals", arrivals, arrival_names, "constant", "of --rate: constant, poisson"),
	UINT("hold", hold, 1, 1u << 30, "", "connections that mode hold keeps open"),
	UINT("requests", requests, 1, 65535, "100", "per connection, in mode keepalive"),
	UINT("request-octets", request_octets, 1, 1u << 30, "1", "of a request"),
	UINT("response-octets", response_octets, 1, 1u << 30, "1", "of a response"),
	OTHER("http", KIND_STRING, http, "PATH", "", "requests are HTTP/1.1 GETs of PATH"),
	ENUM("close", closer, closer_names, "client", "who closes first: client, server"),
	UINT("seconds", seconds, 1, 86400, "10", "how long to measure (hold: to keep them open)"),
	UINT("warmup", warmup, 0, 3600, "1",
	     "seconds before, left out of the figures (not in mode hold)"),
	UINT("seed", seed, 0, UINT64_MAX, "1", "of arrivals and of the order of source tuples"),
	OTHER("target", KIND_ENDPOINT, target, "ADDR:PORT", "",
	      "the server; in serve-peer its own"),
	OTHER("local", KIND_PREFIX, local, "ADDR/LEN", "", "our address and its network"),
	OTHER("sources", KIND_PREFIX, sources, "ADDR/LEN", "--local",
	      "prefix whose addresses open the connections"),
	OTHER("ports", KIND_PORTS, ports, "A-B", "1024-65535", "source ports"),
	OTHER("gateway", KIND_PREFIX, gateway, "ADDR", "",
	      "next hop of what is not on the network"),
	UINT("msl-ms", msl_ms, 10, 120000, "30000; demo, --ring: 500",
	     "maximum segment lifetime; TIME_WAIT lasts twice that (RFC 9293 3.4.2)"),
	OTHER("vdev", KIND_STRING, vdev, "ARG", "",
	      "port: a DPDK virtual device, as net_tap0,iface=x"),
	OTHER("pci", KIND_STRING, pci, "ADDR", "", "port: a PCI address"),
	FLAG("ring", ring, "port: a ring to a terminator in this process"),
	UINT("workers", workers, 1, MB_CPUS_MAX, "1", "polling threads of each side"),
	OTHER("lcores", KIND_CPUS, lcores, "LIST", "the first ones allowed",
	      "CPUs of the workers; with --ring the terminator's first"),
	UINT("mbufs", mbufs, 1024, 1u << 24, "computed",
	     "packet buffers per worker, in each of its two pools"),
	OTHER("profile-dir", KIND_STRING, profile_dir, "DIR", "built in", "driver profiles"),
	FLAG("no-huge", no_huge, "leave hugepages alone even if they are free"),
	FLAG("no-fast-path", no_fast_path, "every segment goes the way of RFC 9293 3.10.7"),
	FLAG("no-timestamps", no_timestamps, "do not offer the timestamps option (RFC 7323)"),
	OTHER("json", KIND_STRING, json, "FILE", "", "write the report as JSON too"),
	FLAG("help", help, "this text"),
};

const char *mb_mode_name(uint32_t mode)
{
	return mode < MR_ARRAY_LEN(mode_names) - 1 ? mode_names[mode] : "?";
}

void mb_options_help(FILE *f)
{
	fprintf(f, "usage: millbench [demo|run|serve-peer] [options]\n\n"
		   "  demo        a terminator and a load generator in this process, over a ring "
		   "(default)\n"
		   "  run         a load generator against --target through --vdev or --pci, or "
		   "--ring\n"
		   "  serve-peer  the terminator alone, answering at --target, until a signal\n\n");
	for (size_t i = 0; i < MR_ARRAY_LEN(options); i++) {
		const struct option *o = &options[i];

		fprintf(f, "  --%-16s %-9s  %s", o->name, o->arg, o->help);
		if (o->kind == KIND_UINT)
			fprintf(f, "; %llu to %llu", (unsigned long long)o->min,
				(unsigned long long)o->max);
		fprintf(f, o->def[0] != '\0' ? " [%s]\n" : "\n", o->def);
	}
	fprintf(f, "\nNumbers take a suffix k, M or G. A signal ends a run early but in order, a "
		   "second one at once.\n"
		   "Exit status: 0 no error, 1 errors happened, 2 bad usage.\n");
}

static const struct option *find(const char *name, size_t len)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(options); i++) {
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	}
	return NULL;
}

/** Stores one value; NULL, or what was expected. */
static const char *store(const struct option *o, const char *text, struct mb_options *out)
{
	void *field = (char *)out + o->offset;

	switch (o->kind) {
	case KIND_FLAG:
		*(bool *)field = true;
		return NULL;
	case KIND_UINT:
		return args_count(text, o->min, o->max, field);
	case KIND_ENUM:
		return args_enum(text, o->names, field);
	case KIND_STRING:
		return args_string(text, field);
	case KIND_PREFIX:
		return mb_parse_prefix(text, field);
	case KIND_ENDPOINT:
		return mb_parse_endpoint(text, field);
	case KIND_PORTS:
		return mb_parse_ports(text, field);
	case KIND_CPUS:
		return mb_parse_cpus(text, field);
	}
	return "a known option";
}

static void set_defaults(struct mb_options *o)
{
	memset(o, 0, sizeof(*o));
	o->mode = MB_CYCLE;
	o->workers = 1;
	o->requests = 100;
	o->request_octets = o->response_octets = 1;
	o->seconds = 10;
	o->warmup = 1;
	o->seed = 1;
	o->ports = (struct mb_port_range){1024, 65535};
}

/** The first word that is no option is the command. Returns the index of the first option. */
static int parse_command(int argc, char *const argv[], struct mb_options *o, char err[MB_ERROR_MAX])
{
	static const char *const names[] = {"demo", "run", "serve-peer", NULL};

	o->command = MB_DEMO;
	if (argc < 2 || argv[1][0] == '-')
		return 1;
	if (args_enum(argv[1], names, &o->command) != NULL) {
		snprintf(err, MB_ERROR_MAX, "'%s' is no command: expected demo, run or serve-peer.",
			 argv[1]);
		return -1;
	}
	return 2;
}

static bool parse_one(struct args *a, struct mb_options *o)
{
	const struct option *opt;
	struct args_word w;

	args_word(a, &w);
	opt = w.name != NULL ? find(w.name, w.len) : NULL;
	if (opt == NULL)
		return args_unknown(a, &w);
	if (opt->kind == KIND_FLAG ? !args_flag(a, &w, opt->name)
				   : !args_value(a, &w, opt->name, opt->help))
		return false;
	static_assert(MR_ARRAY_LEN(options) <= 64, "a bit for each option");
	o->given |= 1ull << (opt - options);
	return args_taken(a, &w, opt->name, store(opt, w.value, o));
}

/** What contradicts itself; NULL when nothing does. */
static const char *contradiction(const struct mb_options *o)
{
	int ports = (o->vdev[0] != '\0') + (o->pci[0] != '\0') + o->ring;

	if (ports > 1)
		return "--vdev, --pci and --ring exclude each other.";
	if (o->command == MB_RUN && ports == 0)
		return "run wants a port: --vdev, --pci or --ring.";
	if (o->command == MB_SERVE_PEER && (ports == 0 || o->ring))
		return "serve-peer wants a port: --vdev or --pci.";
	if ((o->local.family == 0 || o->target.family == 0))
		return "--local ADDR/LEN and --target ADDR:PORT are needed with this port.";
	if (o->local.family != 0 && o->target.family != 0 && o->local.family != o->target.family)
		return "--local and --target are of different families.";
	if (o->sources.family != 0 && o->local.family != 0 && o->sources.family != o->local.family)
		return "--sources and --local are of different families.";
	if (o->gateway.family != 0 && o->gateway.family != o->local.family)
		return "--gateway and --local are of different families.";
	if (o->mode == MB_HOLD && o->hold == 0)
		return "mode hold wants --hold N, the number of connections to keep.";
	if (o->mode != MB_HOLD && o->hold != 0)
		return "--hold is for --mode hold.";
	if (o->mode == MB_HOLD && o->closer == MB_CLOSE_SERVER)
		return "in mode hold the client closes.";
	if (o->mode == MB_HANDSHAKE && o->closer == MB_CLOSE_SERVER)
		return "in mode handshake the client ends the connection by RST.";
	if (o->mode == MB_KEEPALIVE && o->closer == MB_CLOSE_SERVER)
		return "in mode keepalive the client closes, after its last request.";
	if (o->http[0] != '\0' && o->mode != MB_REQUEST && o->mode != MB_KEEPALIVE)
		return "--http is for the modes request and keepalive.";
	if (o->http[0] != '\0' && o->ring)
		return "the terminator of --ring does not speak HTTP; use --target.";
	if (o->arrivals == MB_POISSON && o->rate == 0)
		return "--arrivals is for --rate.";
	if (o->lcores.count != 0 && o->lcores.count != o->workers * (o->ring ? 2 : 1))
		return "--lcores must name one CPU for each worker (with --ring for both sides).";
	return NULL;
}

static bool given(const struct mb_options *o, const char *name)
{
	const struct option *opt = find(name, strlen(name));

	return (o->given >> (opt - options) & 1) != 0;
}

/** An option that this run would not look at was meant otherwise. 0, or -1 with err. */
static int check_in_vain(const struct mb_options *o, char err[MB_ERROR_MAX])
{
	static const struct {
		const char *name;
		uint32_t modes; /* a bit for each that knows it */
	} limited[] = {
		{"requests", 1u << MB_KEEPALIVE},
		{"request-octets", 1u << MB_REQUEST | 1u << MB_KEEPALIVE},
		{"response-octets", 1u << MB_REQUEST | 1u << MB_KEEPALIVE},
		/* What is held is opened as fast as --concurrency lets it be. */
		{"rate", ~(1u << MB_HOLD)},
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(limited); i++) {
		if (!given(o, limited[i].name) || (limited[i].modes >> o->mode & 1) != 0)
			continue;
		snprintf(err, MB_ERROR_MAX, "--%s means nothing in mode %s.", limited[i].name,
			 mb_mode_name(o->mode));
		return -1;
	}
	if (o->http[0] != '\0' && (given(o, "request-octets") || given(o, "response-octets"))) {
		snprintf(err, MB_ERROR_MAX, "--http says what is sent and received: "
					    "--request-octets and --response-octets do not.");
		return -1;
	}
	if (o->command != MB_SERVE_PEER || o->json[0] == '\0')
		return 0;
	snprintf(err, MB_ERROR_MAX, "serve-peer writes no report: --json is for demo and run.");
	return -1;
}

/** A ring is a network of its own: what is not given, we choose. */
static void ring_defaults(struct mb_options *o)
{
	bool six = o->local.family == 6 || o->target.family == 6;

	if (o->local.family == 0)
		mb_parse_prefix(six ? "fd77::2/64" : "10.77.0.2/24", &o->local);
	if (o->target.family == 0)
		mb_parse_endpoint(six ? "[fd77::1]:80" : "10.77.0.1:80", &o->target);
	/* 254 addresses x 64512 ports: 16 million tuples. */
	if (o->sources.family == 0)
		mb_parse_prefix(o->local.family == 6 ? "fd78::/120" : "10.78.0.0/24", &o->sources);
}

int mb_options_parse(int argc, char *const argv[], struct mb_options *o, char err[MB_ERROR_MAX])
{
	struct args a = {argc, argv, 0, "millbench", err};
	const char *why;

	set_defaults(o);
	a.i = parse_command(argc, argv, o, err);
	if (a.i < 0)
		return -1;
	while (a.i < argc)
		if (!parse_one(&a, o))
			return -1;
	if (o->help)
		return 0;
	if (o->command == MB_DEMO && o->vdev[0] == '\0' && o->pci[0] == '\0')
		o->ring = true;
	if (o->command == MB_DEMO && !o->ring) {
		snprintf(err, MB_ERROR_MAX, "demo runs over a ring; use run with --vdev or --pci.");
		return -1;
	}
	if (o->msl_ms == 0)
		o->msl_ms = o->ring ? 500 : 30000;
	if (o->ring)
		ring_defaults(o);
	why = contradiction(o);
	if (why != NULL)
		snprintf(err, MB_ERROR_MAX, "%s", why);
	return why != NULL ? -1 : check_in_vain(o, err);
}
