/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of options: one line each gives the parser its name, kind, place and range, and --help
 * its text. What contradicts itself is refused here; what the machine cannot give, in joint.c.
 */
#include <string.h>

#include "options.h"

#define SEED_MAX (1ull << 53)
#define FRAMES_MAX (1u << 20)
#define HELP_INDENT 32u
#define HELP_COLUMNS 90u

enum kind {
	KIND_FLAG,
	KIND_COUNT,
	KIND_PERCENT,
	KIND_TIME,
	KIND_RATE,
	KIND_BURSTS,
	KIND_ENUM,
	KIND_STRING,
};

struct option {
	const char *name;
	enum kind kind;
	bool directed;		  /* the field is of each direction */
	size_t offset;		  /* in struct imp_params or imp_options */
	uint64_t min, max;	  /* KIND_COUNT */
	const char *const *names; /* KIND_ENUM */
	const char *arg, *def, *help;
};

static const char *const idle_names[] = {"spin", "pause", "sleep", NULL};

#define EACH(n, k, f, arg, def, h) \
	{ \
		n, k, true, offsetof(struct imp_params, f), 0, 0, NULL, arg, def, h \
	}
#define EACH_COUNT(n, f, lo, hi, def, h) \
	{ \
		n, KIND_COUNT, true, offsetof(struct imp_params, f), lo, hi, NULL, "N", def, h \
	}
#define ONE(n, k, f, arg, def, h) \
	{ \
		n, k, false, offsetof(struct imp_options, f), 0, 0, NULL, arg, def, h \
	}
#define ONE_COUNT(n, f, lo, hi, def, h) \
	{ \
		n, KIND_COUNT, false, offsetof(struct imp_options, f), lo, hi, NULL, "N", def, h \
	}

static const struct option options[] = {
	EACH("loss", KIND_PERCENT, loss, "P", "0", "of the frames are lost, each by itself"),
	EACH("loss-bursts", KIND_BURSTS, loss, "P,P[,P[,P]]", "",
	     "Gilbert and Elliott: the share of frames after which a\n"
	     "burst begins, and ends; lost inside [100] and outside [0]"),
	EACH("delay", KIND_TIME, delay_ns, "T", "0", "of every frame"),
	EACH("jitter", KIND_TIME, jitter_ns, "T", "0",
	     "added to the delay: uniform from -T to T; it reorders"),
	EACH("jitter-normal", KIND_FLAG, normal, "", "",
	     "the jitter is normal, with the standard deviation T"),
	EACH("keep-order", KIND_FLAG, keep_order, "", "",
	     "with jitter: no frame overtakes another one"),
	EACH("reorder", KIND_PERCENT, reorder, "P", "0",
	     "of the frames go without delay, past those before them"),
	EACH("duplicate", KIND_PERCENT, duplicate, "P", "0", "of the frames come twice"),
	EACH("corrupt", KIND_PERCENT, corrupt, "P", "0", "of the frames have one bit flipped"),
	EACH("rate", KIND_RATE, rate_bps, "R", "no limit",
	     "bits per second of the link, with a queue before it"),
	EACH_COUNT("queue-frames", queue_frames, 1, FRAMES_MAX, "1000",
		   "the queue holds; more are dropped"),
	EACH_COUNT("queue-octets", queue_octets, 64, 1ull << 40, "any number",
		   "the queue holds; frames beyond are dropped"),
	EACH("mark", KIND_PERCENT, mark, "P", "0",
	     "of the frames that are capable of ECN get a mark (CE)"),
	EACH_COUNT("mark-octets", mark_octets, 1, 1ull << 40, "never",
		   "frames capable of ECN get a mark while the queue has more"),
	EACH_COUNT("hold-frames", hold_frames, 64, FRAMES_MAX, "8192",
		   "memory: frames in queue and delay; more are dropped"),
	ONE("a", KIND_STRING, port[0], "ARG", "",
	    "one port: a DPDK virtual device, as net_tap0,iface=left"),
	ONE("b", KIND_STRING, port[1], "ARG", "", "the other one"),
	ONE_COUNT("seed", seed, 0, SEED_MAX, "1", "of all that happens by chance"),
	ONE("duration", KIND_TIME, duration_ns, "T", "until a signal", "then it ends"),
	ONE_COUNT("frames", frames, 1, 1ull << 48, "any number",
		  "the end: so many have come from each side"),
	ONE_COUNT("every", every_s, 0, 3600, "1", "seconds between two lines of figures; 0: none"),
	ONE_COUNT("mtu", mtu, 576, 9216, "1500", "of both ports"),
	ONE_COUNT("cpu", cpu, 0, 1023, "the last one allowed", "that polls the ports"),
	{"idle", KIND_ENUM, false, offsetof(struct imp_options, idle), 0, 0, idle_names, "NAME",
	 "sleep", "what an idle poller does: spin, pause, sleep (up to 50 us)"},
	ONE("json", KIND_STRING, json, "FILE", "", "write the report as JSON too"),
	ONE("profile-dir", KIND_STRING, profile_dir, "DIR", "built in", "driver profiles"),
	ONE("no-huge", KIND_FLAG, no_huge, "", "", "leave hugepages alone even if they are free"),
	ONE("help", KIND_FLAG, help, "", "", "this text"),
};
static_assert(MR_ARRAY_LEN(options) <= 64, "a bit for each option");

/** One option: its lines, then range and default, on a line of their own where they do not fit. */
static void help_one(FILE *f, const struct option *o)
{
	const char *line = o->help;
	size_t len = strcspn(line, "\n"), tail;
	char range[96] = "", def[64] = "";

	fprintf(f, "  --%-14s %-11s  %.*s", o->name, o->arg, (int)len, line);
	while (line[len] != '\0') {
		line += len + 1;
		len = strcspn(line, "\n");
		fprintf(f, "\n%*s%.*s", (int)HELP_INDENT, "", (int)len, line);
	}
	if (o->kind == KIND_COUNT)
		snprintf(range, sizeof(range), "; %llu to %llu", (unsigned long long)o->min,
			 (unsigned long long)o->max);
	if (o->def[0] != '\0')
		snprintf(def, sizeof(def), " [%s]", o->def);
	tail = strlen(range) + strlen(def);
	if (tail == 0 || HELP_INDENT + len + tail <= HELP_COLUMNS)
		fprintf(f, "%s%s\n", range, def);
	else
		fprintf(f, "\n%*s%s%s\n", (int)HELP_INDENT, "", range + MR_MIN(strlen(range), 2u),
			def + (range[0] == '\0'));
}

void imp_options_help(FILE *f)
{
	fprintf(f, "usage: impair --a ARG --b ARG [options]\n\n"
		   "Joins two ports and treats the frames between them badly, by chance but from a "
		   "seed.\nOf each direction, a to b and b to a (--loss for both, --loss-ab and "
		   "--loss-ba for one):\n\n");
	for (size_t i = 0; i < MR_ARRAY_LEN(options); i++) {
		if (i > 0 && options[i - 1].directed && !options[i].directed)
			fprintf(f, "\nOf the whole:\n\n");
		help_one(f, &options[i]);
	}
	fprintf(f, "\nP is per cent (0.1), T a time with its unit (20ms), R as in 10M. Numbers "
		   "take a\n"
		   "suffix k, M or G. Of an option that is given twice the last one counts.\n"
		   "A signal ends it: what is under way is delivered, and a report printed.\n"
		   "Exit status: 0, 1 when it failed, 2 bad usage.\n");
}

/** The option of a name with or without -ab, -ba. `dirs`: a bit for each direction meant. */
static const struct option *find(const char *name, size_t len, unsigned int *dirs)
{
	static const char *const ends[] = {"-ab", "-ba"};

	*dirs = 3;
	for (size_t i = 0; i < MR_ARRAY_LEN(options); i++) {
		const struct option *o = &options[i];
		size_t own = strlen(o->name);

		if (len < own || memcmp(o->name, name, own) != 0)
			continue;
		if (len == own)
			return o;
		for (unsigned int d = 0; o->directed && d < 2; d++) {
			if (len != own + 3 || memcmp(name + own, ends[d], 3) != 0)
				continue;
			*dirs = 1u << d;
			return o;
		}
	}
	return NULL;
}

/** Stores one value in the struct that has the field; NULL, or what was expected. */
static const char *store(const struct option *o, const char *text, void *base)
{
	void *field = (char *)base + o->offset;

	switch (o->kind) {
	case KIND_FLAG:
		*(bool *)field = true;
		return NULL;
	case KIND_COUNT:
		return args_count(text, o->min, o->max, field);
	case KIND_PERCENT:
		return imp_parse_percent(text, field);
	case KIND_TIME:
		return imp_parse_time(text, field);
	case KIND_RATE:
		return imp_parse_rate(text, field);
	case KIND_BURSTS:
		return imp_parse_bursts(text, base);
	case KIND_ENUM:
		return args_enum(text, o->names, field);
	case KIND_STRING:
		return args_string(text, field);
	}
	return "a known option";
}

static const char *store_all(const struct option *o, unsigned int dirs, const char *text,
			     struct imp_options *out)
{
	const char *expected = NULL;

	if (!o->directed) {
		out->given[0] |= 1ull << (o - options);
		return store(o, text, out);
	}
	for (unsigned int d = 0; d < 2 && expected == NULL; d++) {
		if ((dirs >> d & 1) == 0)
			continue;
		out->given[d] |= 1ull << (o - options);
		expected = store(o, text, &out->dir[d]);
	}
	return expected;
}

static void set_defaults(struct imp_options *o)
{
	memset(o, 0, sizeof(*o));
	for (unsigned int d = 0; d < 2; d++) {
		o->dir[d].queue_frames = 1000;
		o->dir[d].hold_frames = 8192;
	}
	o->seed = 1;
	o->every_s = 1;
	o->mtu = 1500;
	o->cpu = IMP_CPU_ANY;
	o->idle = IMP_IDLE_SLEEP;
}

static bool parse_one(struct args *a, struct imp_options *o)
{
	const struct option *opt;
	struct args_word w;
	unsigned int dirs = 0;

	args_word(a, &w);
	opt = w.name != NULL ? find(w.name, w.len, &dirs) : NULL;
	if (opt == NULL)
		return args_unknown(a, &w);
	if (opt->kind == KIND_FLAG ? !args_flag(a, &w, opt->name)
				   : !args_value(a, &w, opt->name, opt->arg))
		return false;
	return args_taken(a, &w, opt->name, store_all(opt, dirs, w.value, o));
}

static bool given(const struct imp_options *o, unsigned int d, const char *name)
{
	unsigned int dirs;
	const struct option *opt = find(name, strlen(name), &dirs);

	return (o->given[d] >> (opt - options) & 1) != 0;
}

/** What contradicts itself, or would be looked at by nobody; NULL: nothing. */
static const char *contradiction(const struct imp_options *o, unsigned int d)
{
	const struct imp_params *p = &o->dir[d];

	if (given(o, d, "loss") && given(o, d, "loss-bursts"))
		return "--loss and --loss-bursts exclude each other: the last number of "
		       "--loss-bursts is the loss outside of bursts.";
	if (p->jitter_ns == 0 && (p->normal || p->keep_order))
		return "--jitter-normal and --keep-order are for --jitter.";
	if (p->reorder > 0 && p->delay_ns == 0)
		return "--reorder lets frames go without their delay: it wants --delay.";
	if (p->reorder > 0 && p->keep_order)
		return "--reorder and --keep-order exclude each other.";
	if (p->rate_bps == 0 && (given(o, d, "queue-frames") || given(o, d, "queue-octets") ||
				 given(o, d, "mark-octets")))
		return "--queue-frames, --queue-octets and --mark-octets are for --rate: without "
		       "it there is no queue.";
	return NULL;
}

void imp_port_name(const struct imp_options *o, unsigned int i, char name[64])
{
	snprintf(name, 64, "%.*s", (int)MR_MIN(strcspn(o->port[i], ","), (size_t)63), o->port[i]);
}

static const char *check(const struct imp_options *o)
{
	const char *why = contradiction(o, 0);
	char name[2][64];

	if (o->port[0][0] == '\0' || o->port[1][0] == '\0')
		return "--a and --b, the two ports to join, are needed; see --help.";
	imp_port_name(o, 0, name[0]);
	imp_port_name(o, 1, name[1]);
	if (strcmp(name[0], name[1]) == 0)
		return "--a and --b must have different names, as net_tap0 and net_tap1.";
	return why != NULL ? why : contradiction(o, 1);
}

int imp_options_parse(int argc, char *const argv[], struct imp_options *o, char err[IMP_ERROR_MAX])
{
	struct args a = {argc, argv, 1, "impair", err};
	const char *why;

	set_defaults(o);
	while (a.i < argc)
		if (!parse_one(&a, o))
			return -1;
	if (o->help)
		return 0;
	why = check(o);
	if (why != NULL)
		snprintf(err, IMP_ERROR_MAX, "%s", why);
	return why != NULL ? -1 : 0;
}
