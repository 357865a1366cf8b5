/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A double of the engine for handlers: the mr_* functions over connections that are only buffers,
 * with a clock that the test turns. Keeps the engine's rules: effects of a call come after the
 * callback (double_settle), a closed connection is silent but for on_closed, mr_send takes all or
 * nothing. Every mbuf is counted; double_end() fails the test when one is not home.
 */
#ifndef HANDLER_DOUBLE_H
#define HANDLER_DOUBLE_H

#include "handlers.h"

#define DOUBLE_CONNS	64u

struct double_conn {
	bool open, closing;		/* closing: mr_close or mr_abort was called */
	bool shut;			/* our FIN is queued */
	bool closed_told;		/* on_closed was called */
	bool writable_owed;
	uint8_t generation;
	uint32_t user;
	enum mr_reason reason;		/* of on_closed */
	char *out;			/* all octets sent, zero-terminated */
	size_t out_len;
	uint32_t queued, snd_una;	/* sent but not acknowledged */
	uint32_t unread;		/* delivered, not consumed */
	uint32_t due_ms;
	bool armed;
	unsigned int sends;		/* calls of mr_send that were taken */
	uint8_t last_flags;
};

struct mr_worker {
	uint32_t now_ms;
	uint32_t snd_buf;		/* room of every connection's send queue */
	const struct mr_callbacks *callbacks;
	void *arg;
	struct handler_set set;
	struct double_conn conn[DOUBLE_CONNS];
	uint64_t counted[256];		/* by enum mr_counter */
};

/** A worker with one listener; options that stay zero get usable values. */
struct mr_worker *double_begin(const char *handler, const struct handler_options *opt);
/** The same with callbacks alone. */
struct mr_worker *double_begin_callbacks(const struct mr_callbacks *callbacks);
/** Ends all connections and the handler; asserts that every mbuf was freed. */
void double_end(struct mr_worker *w);

mr_conn double_accept(struct mr_worker *w);
struct double_conn *double_conn(struct mr_worker *w, mr_conn c);
/** False once it was closed or aborted, also when another has its place by now. */
bool double_alive(struct mr_worker *w, mr_conn c);
/** Delivers a chain. */
void double_deliver(struct mr_worker *w, mr_conn c, struct rte_mbuf *m);
/** Delivers octets in one mbuf; text: up to its zero. */
void double_data(struct mr_worker *w, mr_conn c, const char *data, size_t len);
void double_text(struct mr_worker *w, mr_conn c, const char *text);
/** Delivers octets as a chain of n equal segments (len must divide). */
void double_chain(struct mr_worker *w, mr_conn c, const char *data, size_t len, unsigned int n);
void double_peer_closed(struct mr_worker *w, mr_conn c);
/** The peer acknowledges all; on_writable follows if it is owed. */
void double_ack(struct mr_worker *w, mr_conn c);
/** Turns the clock, 64 ms at a time, and fires what is due. */
void double_wait(struct mr_worker *w, uint32_t ms);
/** An mbuf of its own that holds a copy of the octets. */
struct rte_mbuf *double_mbuf(const char *data, size_t len);
/** Mbufs that are not free. */
unsigned int double_mbufs_out(void);
void double_mbufs_reset(void);

#endif /* HANDLER_DOUBLE_H */
