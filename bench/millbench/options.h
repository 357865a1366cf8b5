/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of millbench as values. One table of options (options.c) gives parsing, ranges,
 * defaults and --help. Knows nothing of DPDK, opens nothing. Read plan.h next: what the values
 * imply.
 */
#ifndef MB_OPTIONS_H
#define MB_OPTIONS_H

#include <stdio.h>

#include "args.h"
#include "millrace.h"
#include "attr.h"

#define MB_ARG_MAX	ARGS_STRING_MAX
#define MB_CPUS_MAX	64u
#define MB_ERROR_MAX	ARGS_ERROR_MAX

enum mb_command {
	MB_DEMO,       /* terminator and client in one process, small embedded defaults */
	MB_RUN,	       /* client against --target, or against a terminator of its own with --ring */
	MB_SERVE_PEER, /* the terminator alone */
};

enum mb_mode {
	MB_HANDSHAKE, /* open, then RST */
	MB_CYCLE,     /* open, then close */
	MB_REQUEST,   /* open, send, receive, close */
	MB_KEEPALIVE, /* open, many requests, close */
	MB_HOLD,      /* open N and keep them, then close all */
};

enum mb_closer { MB_CLOSE_CLIENT, MB_CLOSE_SERVER };
enum mb_arrivals { MB_CONSTANT, MB_POISSON };

/* ADDR/LEN. family 0: not given. */
struct mb_prefix {
	uint8_t family, len;
	uint8_t addr[16];
};

struct mb_port_range {
	uint16_t first, last; /* host order, inclusive */
};

struct mb_cpus {
	uint32_t cpu[MB_CPUS_MAX];
	uint32_t count;
};

struct mb_options {
	uint32_t command, mode; /* enum mb_command, mb_mode */
	/* The port. */
	char vdev[MB_ARG_MAX], pci[MB_ARG_MAX], profile_dir[MB_ARG_MAX];
	bool ring, no_huge, no_fast_path, no_timestamps, help;
	struct mb_cpus lcores;
	uint64_t workers;
	uint64_t mbufs; /* per worker; 0: computed */
	/* Addresses. */
	struct mb_prefix local, sources, gateway;
	struct mr_endpoint target; /* family 0: not given */
	struct mb_port_range ports;
	uint64_t msl_ms;
	/* The load. */
	uint64_t concurrency; /* 0: not given */
	uint64_t rate;	      /* connections per second; 0: closed loop */
	uint64_t hold;	      /* connections of mode hold */
	uint64_t requests;    /* per connection, mode keepalive */
	uint64_t request_octets, response_octets;
	char http[MB_ARG_MAX];	   /* path; "": octets instead */
	uint32_t arrivals, closer; /* enum mb_arrivals, mb_closer */
	uint64_t seed;
	uint64_t seconds, warmup;
	char json[MB_ARG_MAX];
	uint64_t given; /* the options that the command line had, by their place in the table */
};

/**
 * Fills *o from argv. 0, or -1 with a complete sentence in err (exit status 2). With o->help set
 * nothing else is checked.
 */
int mb_options_parse(int argc, char *const argv[], struct mb_options *o, char err[MB_ERROR_MAX]);
/** Usage, every option with range and default. */
void mb_options_help(FILE *f);
const char *mb_mode_name(uint32_t mode);

/* ---- values.c: kinds of values of its own. Each returns NULL, or what was expected. ---- */

/** "10.0.0.1/24" or "fd00::1/64"; without /LEN the whole address. */
const char *mb_parse_prefix(const char *text, struct mb_prefix *out);
/** "10.0.0.1:80" or "[fd00::1]:80". */
const char *mb_parse_endpoint(const char *text, struct mr_endpoint *out);
/** "1024-65535". */
const char *mb_parse_ports(const char *text, struct mb_port_range *out);
/** "1,3-5". */
const char *mb_parse_cpus(const char *text, struct mb_cpus *out);
/** Writes "10.0.0.1:80" or "[fd00::1]:80". */
void mb_format_endpoint(const struct mr_endpoint *e, char *to, size_t len);

#endif /* MB_OPTIONS_H */
