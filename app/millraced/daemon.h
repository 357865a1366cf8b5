/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of the daemon: from a checked configuration to the exit status. Main thread.
 */
#ifndef MR_DAEMON_H
#define MR_DAEMON_H

#include "config.h"

struct daemon_options {
	const char *program;
	const char *socket;	/* instead of the configuration's; NULL */
	bool serve;		/* give the tap mill0 its kernel side */
	bool stats;		/* a line each second */
};

/** Runs until a signal or `millctl stop`; the exit status. */
int daemon_run(const struct config *cfg, const struct daemon_options *opt);
/** Says what is missing on this machine for this configuration. Exit status 1 if anything is. */
int daemon_doctor(const struct config *cfg, const char *program);

/** The line of --stats: what changed since the last call. */
struct engine;
void stats_line(struct engine *e, FILE *out);

#endif /* MR_DAEMON_H */
