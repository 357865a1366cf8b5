/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operating a running engine: questions on a Unix stream socket, answered in JSON by a thread of
 * its own, and the drain at the end. Never stalls a worker: figures are copied between bursts,
 * listings are paged in bounded steps. (DPDK's telemetry is lib/port's.)
 *
 * The protocol: the client sends one line, a command and its words; the answer is one JSON
 * document and the end of the connection. Anybody who may open the socket (mode 0660) may ask and
 * may stop.
 *
 *   stats                                       counters, states, tables, load, listeners
 *   ports                                       what is known of every port
 *   connections [state=S] [peer=ADDRESS[:PORT]] [limit=N]   connections, TIME_WAIT and SYN_RCVD too
 *   stop                                        drain and end, as SIGTERM
 *
 * A listing ends with its "count" and with "more": whether the limit (0 or none given: no limit)
 * left connections out.
 * An answer that could not be given is {"error": "..."}.
 */
#ifndef MR_CONTROL_H
#define MR_CONTROL_H

#include "engine.h"

struct control_config {
	struct engine *engine;
	const char *socket_path;
	uint32_t nlisteners;		/* of the engine's stack_config */
	void (*on_stop)(void *arg);	/* somebody asked for the end; on the control thread */
	void *arg;
};

struct control;

/**
 * Binds the socket and starts the thread. NULL with *why (a complete sentence, valid until the next
 * call) when it cannot: another daemon answers there, or the directory cannot be written. A socket
 * file that nobody answers is replaced; a missing directory is made.
 */
struct control *control_start(const struct control_config *cfg, const char **why);
/** Ends the thread and removes the socket file. Before engine_destroy(). NULL is allowed. */
void control_stop(struct control *ctl);

struct drain_result {
	uint32_t open_before;		/* connections when the drain began */
	uint32_t aborted;		/* still open when the limit was reached: ended by RST */
	uint32_t left;			/* still there after that: a worker did not answer */
	uint32_t time_wait;		/* entries in TIME_WAIT that end with the process */
	bool silent;			/* a worker did not answer at last: figures are older */
	uint32_t took_ms;
};

/**
 * Refuses new connections, closes the open ones, aborts what is left after limit_ms. Blocks for at
 * most limit_ms and a second or two. Main thread. *hurry, set by a signal handler, ends the wait.
 */
void control_drain(struct engine *engine, uint32_t limit_ms, const volatile bool *hurry,
		   struct drain_result *out);

#endif /* MR_CONTROL_H */
