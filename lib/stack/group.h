/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups of connections: those of a listener, and those opened with one set of callbacks. A record
 * names its group by an index, which is used again when no connection has it any more. Private to
 * lib/stack.
 */
#ifndef MR_GROUP_H
#define MR_GROUP_H

#include "stack.h"
#include "tfo.h"

/* A listener, or the connections opened with one set of callbacks. */
struct group {
	const struct mr_callbacks *cb;
	void *arg;
	struct stack_listener_stats stats;
	struct tfo_pending fastopen;	/* opened by data of their SYN, in SYN_RCVD */
	uint32_t backlog;	/* 0: every SYN gets a cookie */
	uint32_t reopen_backlog;	/* for SYNs that must not get one: never 0 */
	uint8_t family, prefix_len;
	uint8_t addr[16];
	uint16_t next;		/* next listener on the same port, MR_NONE16 ends */
	uint16_t laddr;		/* of a listener on one address: its index (one of them), or none */
	uint16_t port_first, port_last;	/* host order */
	bool full;		/* SYNs are dropped, and get no cookie either */
	bool range, listening;	/* a range of ports; it listens now */
	bool passive, own_params;	/* of a listener; group_options has parameters of its own */
};

/* What a listener says of the options of its connections, and what follows from that. */
struct group_options {
	struct mr_options options;
	struct tcp_params params;
};

#endif /* MR_GROUP_H */
