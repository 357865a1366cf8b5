/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handlers of the daemon: what one is, what a listener gives it, and the state it keeps per
 * connection (a slot of a pool per worker and listener, named by the connection's user word).
 * handlers_open() runs on the control thread before the workers start; session_*() on the worker.
 */
#ifndef MR_HANDLERS_H
#define MR_HANDLERS_H

#include "bigmem.h"
#include "bounds.h"
#include "conn_limits.h"
#include "pool.h"

/* Options of a listener. A handler ignores what is not its own. */
struct handler_options {
	struct limits_conf limits;
	uint32_t open_max;		/* connections of one worker at this listener */
	const char *text;		/* line: what it says, without a line end */
	const char *root;		/* http: directory of files; NULL: none */
	uint64_t root_octets_max;	/* http: all files together */
	uint32_t header_octets_max;	/* http: request line and header fields */
	uint64_t body_octets_max;	/* http: largest N of /bytes/N */
};

struct handler_listener;

struct handler {
	const char *name;
	const char *help;
	const struct mr_callbacks *callbacks;
	size_t state_size;		/* per connection, beginning with struct limits; 0: none */
	bool peer_speaks_first;		/* the first-octet limit applies */
	/* Loads what all connections share into l->shared. 0, or -1 with *why. NULL: nothing to do.
	 */
	int (*open)(struct handler_listener *l, const char **why);
	void (*close)(struct handler_listener *l);
};

/* What mr_handler_arg() points to: one listener. */
struct handler_listener {
	const struct handler *handler;
	struct handler_options opt;
	void *shared;			/* the handler's own, read only while workers run */
	struct pool pool[MR_WORKERS_MAX];
};

/* All listeners of a daemon, and the memory of their pools: one mapping a worker. */
struct handler_set {
	struct handler_listener *listener;
	uint32_t nlisteners;
	uint32_t nworkers;
	struct mr_bigmem mem[MR_WORKERS_MAX];
};

/** By name; NULL: unknown. */
const struct handler *handler_find(const char *name);
/** The i-th handler, NULL behind the last. */
const struct handler *handler_at(unsigned int i);

/** Octets of pools per worker for one listener. */
size_t handler_memory(const struct handler *h, const struct handler_options *opt);
/** An empty set with room for n listeners. 0, or -1: no memory. */
int handlers_init(struct handler_set *set, uint32_t n);
/** Adds a listener; its address is what stack_listener.arg wants. */
struct handler_listener *handlers_add(struct handler_set *set, const struct handler *h,
				      const struct handler_options *opt);
/** Maps the pools of the workers (node[i]: NUMA node, -1: any) and opens every handler. */
int handlers_open(struct handler_set *set, uint32_t nworkers, const int *node, const char **why);
void handlers_close(struct handler_set *set);

/* For handler.open and handler.close: l->shared becomes an mr_static of (a copy of) the octets. */
int handler_share(struct handler_listener *l, const void *octets, size_t len, const char **why);
void handler_unshare(struct handler_listener *l);

/* ---- One connection: on its worker ----------------------------------------------------------- */

/** Takes a slot and starts the limits; NULL: the listener is full and the connection was aborted.
 */
void *session_open(struct mr_worker *w, mr_conn c);
/** The same with no slot free left to the caller: NULL, and nothing happened. */
void *session_try_open(struct mr_worker *w, mr_conn c);
/** What session_open() does when the listener is full: counts the connection and aborts it. */
void session_refuse(struct mr_worker *w, mr_conn c);
/** The state of a connection; NULL: it has none (any more). */
void *session_of(struct mr_worker *w, mr_conn c);
/** The same when the peer has sent or acknowledged something: the idle limit begins anew. */
void *session_active(struct mr_worker *w, mr_conn c);
/** Reports data as consumed and frees it. Also: on_data of a handler that does not listen. */
void session_drop_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *data);
/** Gives the slot back. */
void session_close(struct mr_worker *w, mr_conn c);

/* Callbacks of a handler without ideas of its own: a slot at accept, the limits, the slot back. */
void session_accept(struct mr_worker *w, mr_conn c);
void session_timeout(struct mr_worker *w, mr_conn c);
void session_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason);

/** Sends FIN after what is queued and goes on reading (and dropping) until the peer closes. */
void session_linger(struct mr_worker *w, mr_conn c, struct limits *l);

static inline struct handler_listener *session_listener(struct mr_worker *w, mr_conn c)
{
	return mr_handler_arg(w, c);
}

extern const struct handler handler_close, handler_discard, handler_echo, handler_http,
	handler_line, handler_source;

#endif /* MR_HANDLERS_H */
