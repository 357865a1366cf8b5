/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A double of lib/stack for the tests of lib/port: a worker that counts what it gets and, if asked
 * to, sends every frame back. And a double of one call of ethdev, which can be told to fail. Linked
 * with the library alone (port_alone).
 */
#ifndef PORT_DOUBLE_H
#define PORT_DOUBLE_H

#include <pthread.h>

#include "engine.h"

#define DOUBLE_MAIL	8u

struct mr_worker {
	struct stack_init init;
	bool echo;
	uint64_t received, sent, turns, links;
	uint64_t flags_seen;		/* of all received mbufs, or'ed */
	bool in_order;			/* set by a test whose frames begin with 0, 1, 2 ... */
	unsigned int load;		/* stack_set_load */
	bool link_up;
	uint32_t room;			/* what mr_send takes in all */
	unsigned int wants;		/* mr_want_writable */
	bool hold;			/* mr_send keeps what it takes, linked by `next` */
	struct rte_mbuf *held;
	uint8_t last_octet;		/* of what mr_send took */
	pthread_mutex_t lock;
	struct {
		void (*fn)(struct mr_worker *w, void *arg);
		void *arg;
	} mail[DOUBLE_MAIL];
	unsigned int nmail;
};

/* Workers are made with this. */
extern bool double_echo;
/* stack_create fails from this worker id on; MR_WORKERS_MAX: never. */
extern unsigned int double_fail_from;
/* The mail is not read: calls time out. */
extern bool double_deaf;

/* rte_eth_dev_rss_reta_query returns this, when it is not 0. */
extern int double_reta_error;

/** Sends n frames of 64 octets from the worker; returns how many mbufs it got. */
unsigned int double_send(struct mr_worker *w, unsigned int n);

/** Runs a command line by the shell; its exit status, -1 if it did not run or did not exit. */
int double_shell(const char *command);

/** EAL options for tests: --no-huge, no PCI, `workers` workers on the first CPUs, used in turn. */
void double_eal(struct eal_options *opt, uint32_t workers);

#endif /* PORT_DOUBLE_H */
