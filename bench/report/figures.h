/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The figures of a run of millbench, ready to be printed. Filled by bench/millbench/run.c; the
 * files here turn them into text and JSON and compute nothing that is not on their page.
 */
#ifndef MB_FIGURES_H
#define MB_FIGURES_H

#include "account.h"
#include "client.h"
#include "options.h"
#include "plan.h"
#include "stack.h"

/* One side of the connections, over the measured span unless said otherwise. */
struct mb_side {
	bool present;
	unsigned int cores;
	double busy[MB_CPUS_MAX];   /* share of time in turns that found work, 0..1 */
	double waited[MB_CPUS_MAX]; /* share of time in which the CPU did something else, 0..1 */
	uint64_t busy_tsc;	    /* all cores */
	struct mr_counters counters;
	uint64_t tx_backlogged, tx_refused, rx_nombuf;
	struct stack_stats now; /* whole run */
	uint64_t table_octets;
};

struct mb_held {
	bool tried, emptied;
	uint64_t connections;
	double opening_s, closing_s;
	uint64_t buffer_octets;	  /* of it at most packet buffers, however many connections */
	uint64_t rss_octets;	  /* growth of the process since it started */
	uint64_t table_octets[2]; /* per connection: client, server */
	uint32_t slot_octets;
};

struct mb_figures {
	const struct mb_options *options;
	const struct mb_plan *plan;
	double seconds; /* measured span */
	uint64_t tsc_hz;
	struct mb_account span, total; /* measured span, whole run */
	const struct mb_hists *hists;  /* measured span */
	struct mb_side client, server;
	struct mb_held held;
	/* What makes a run worthless or unclean beside the errors of connections. */
	bool interrupted; /* by a signal: ended early */
	bool broken;	  /* a worker did not answer, or accounts did not add up */
	bool left;	  /* connections, on either side, at the end */
	uint64_t leaked;  /* packet buffers that did not come home */
};

/* Totals at the end of a second. */
struct mb_totals {
	struct mb_account account;
	uint64_t retransmissions; /* of both sides */
};

/* What one second was like. */
struct mb_line {
	unsigned int second;
	bool warmup;
	double opened_per_s, closed_per_s;
	uint64_t retransmissions, errors; /* of this second */
	uint64_t open;			  /* now */
	const struct mr_hist *handshake;
};

/** Fills the figures of the `seconds` between two totals. */
void mb_line_between(struct mb_line *line, const struct mb_totals *last,
		     const struct mb_totals *now, double seconds, bool rst_is_the_plan);
/** Column heads of mb_line_print. */
void mb_line_head(FILE *f);
void mb_line_print(FILE *f, const struct mb_line *line);
/** The final report. */
void mb_final_print(FILE *f, const struct mb_figures *g);
/** The same as JSON. 0, or -1 with errno when the file cannot be written. */
int mb_final_json(const char *path, const struct mb_figures *g);

/** "412 ns", "9.81 us", "1.20 s": three significant digits. */
void mb_format_ns(uint64_t ns, char *to, size_t len);
/** p50 p90 p99 p99.9 p99.99 max on a line; nothing when empty. */
void mb_percentiles_print(FILE *f, const char *name, const struct mr_hist *h);

enum mb_bottleneck {
	MB_BY_NOTHING, /* the offered rate was reached */
	MB_BY_TUPLES,
	MB_BY_MBUFS,
	MB_BY_TX_QUEUE,
	MB_BY_OTHERS, /* programs beside us on our CPUs */
	MB_BY_OWN_CPU,
	MB_BY_PEER,
	MB_BY_CONCURRENCY, /* nobody was busy: every connection waited for its round trips */
	MB_BY_UNKNOWN,	   /* the run ended before anything was measured */
};
/** Decided from load and counters; the first that holds in the order of the list. */
enum mb_bottleneck mb_bottleneck_of(const struct mb_figures *g);
/** A sentence about it, with the option that would help. */
const char *mb_bottleneck_text(enum mb_bottleneck b);

/** Is a RST of ours the planned end of a connection? */
bool mb_rst_is_the_plan(const struct mb_options *o);
/** Errors of the whole run; see mb_account_errors(). */
uint64_t mb_errors(const struct mb_figures *g);
/**
 * Connections of the measured span that the busy cycles are divided by: those that ended as
 * planned; in mode hold, where the span is the opening, those that were established.
 */
uint64_t mb_connections(const struct mb_figures *g);
/** Why the run failed although no connection may have: a sentence, or NULL. */
const char *mb_fault(const struct mb_figures *g);
/** 0, or 1 when anything at all went wrong. */
int mb_exit_status(const struct mb_figures *g);

/** Octets of this process that are in memory, hugetlb pages included. */
uint64_t mb_resident_octets(void);
/** Retransmissions of every kind. */
uint64_t mb_retransmissions(const struct mr_counters *c);

#endif /* MB_FIGURES_H */
