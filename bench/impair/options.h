/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of impair as values. One table of options (options.c) gives parsing, ranges,
 * defaults and --help. Knows nothing of DPDK, opens nothing.
 */
#ifndef IMP_OPTIONS_H
#define IMP_OPTIONS_H

#include <stdio.h>

#include "args.h"
#include "fate.h"

#define IMP_ARG_MAX	ARGS_STRING_MAX
#define IMP_ERROR_MAX	ARGS_ERROR_MAX

enum imp_idle { IMP_IDLE_SPIN, IMP_IDLE_PAUSE, IMP_IDLE_SLEEP };

struct imp_options {
	struct imp_params dir[2];  /* a to b, b to a */
	char port[2][IMP_ARG_MAX]; /* --a, --b: DPDK virtual devices */
	char profile_dir[IMP_ARG_MAX], json[IMP_ARG_MAX];
	uint64_t seed;
	uint64_t duration_ns; /* 0: until a signal */
	uint64_t frames;      /* 0: any number; else the end comes after so many from each side */
	uint64_t every_s;     /* seconds between lines; 0: none */
	uint64_t mtu;
	uint64_t cpu; /* IMP_CPU_ANY: the last one allowed */
	uint32_t idle;
	bool no_huge, help;
	uint64_t given[2]; /* options that the line had, by their place in the table */
};
#define IMP_CPU_ANY UINT64_MAX

/**
 * Fills *o from argv. 0, or -1 with a complete sentence in err (exit status 2). With o->help set
 * nothing else is checked.
 */
int imp_options_parse(int argc, char *const argv[], struct imp_options *o, char err[IMP_ERROR_MAX]);
/** Usage, every option with range and default. */
void imp_options_help(FILE *f);
/** The name of a port: what stands before the first comma of its argument. */
void imp_port_name(const struct imp_options *o, unsigned int i, char name[64]);

/* ---- values.c: kinds of values of its own. Each returns NULL, or what was expected. ---- */

/** "0.1" or "0.1%": 0 to 100, as a share. */
const char *imp_parse_percent(const char *text, double *out);
/** "20ms", "1.5s", "300us", "100ns", "2m", "0"; at most an hour. */
const char *imp_parse_time(const char *text, uint64_t *ns);
/** "10M", "2.5Gbit", "64k": bits per second, 1k to 1000G. */
const char *imp_parse_rate(const char *text, uint64_t *bps);
/** "ENTER,LEAVE[,BAD[,GOOD]]" in per cent; BAD is 100 and GOOD 0 where they are not given. */
const char *imp_parse_bursts(const char *text, struct imp_params *out);

#endif /* IMP_OPTIONS_H */
