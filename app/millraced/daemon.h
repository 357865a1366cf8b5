/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of the daemon: from a checked configuration to the exit status. Main thread.
 */
#ifndef MR_DAEMON_H
#define MR_DAEMON_H

#include "config.h"
#include "engine.h"

struct daemon_options {
	const char *program;
	const char *socket;	/* instead of the configuration's; NULL */
	bool serve;		/* give the tap mill0 its kernel side */
	bool stats;		/* a line each second */
	const struct daemon_guest *guest;	/* NULL: none */
};

/* Another program that runs beside the daemon's listeners, on the same engine. */
struct daemon_guest {
	/* Before the workers run; may add on_turn and the like, and change what is planned. */
	void (*plan)(struct engine_config *cfg, struct stack_config *stack);
	/* When they do. 0, or -1 with *why. */
	int (*start)(struct engine *e, const char **why);
	/* Before they end; also after a start that failed. */
	void (*stop)(void);
};

/** Runs until a signal or `millctl stop`; the exit status. */
int daemon_run(const struct config *cfg, const struct daemon_options *opt);
/** Says what is missing on this machine for this configuration. Exit status 1 if anything is. */
int daemon_doctor(const struct config *cfg, const char *program);

/** The line of --stats: what changed since the last call. */
void stats_line(struct engine *e, FILE *out);

#endif /* MR_DAEMON_H */
