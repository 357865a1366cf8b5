/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmit side of one worker on one port: a queue with a backlog of one burst. Takes every
 * mbuf it is given and sends it, keeps it, or frees it and counts why. Private to lib/port. HOT
 * PATH: tx_send while the port keeps up: no allocation, no lock, no log, no division; budget 3
 * cycles a frame beside the driver's.
 */
#ifndef MR_TX_H
#define MR_TX_H

#include <rte_mbuf.h>

#include "bounds.h"
#include "counters.h"
#include "engine.h"

#define TX_CLASSES		(STACK_TX_CTRL + 1u)
#define TX_BACKLOG_MAX		MR_BURST

#define TX_PREPARE	1u	/* offloads are used: rte_eth_tx_prepare before the burst */
#define TX_HELD		2u	/* the port is not to be touched: as one that takes nothing */

struct tx_queue {
	struct mr_counters *counters;	/* of the loop that owns the queue */
	uint16_t port, queue;
	uint8_t care;			/* TX_PREPARE, TX_HELD; one test where there is neither */
	uint16_t n;			/* frames in the backlog, oldest first, already prepared */
	uint16_t of_class[TX_CLASSES];	/* how many of them are of each class */
	uint32_t tries;			/* calls since the port last took a frame */
	uint64_t stuck_since_tsc;
	uint64_t refused_tsc;		/* ENGINE_REFUSED_US in counts */
	uint64_t refused, backlogged;
	struct rte_mbuf *backlog[TX_BACKLOG_MAX];
};

void tx_init(struct tx_queue *q, uint16_t port, uint16_t queue, bool prepare,
	     struct mr_counters *counters);
/** Takes all n frames; their class (enum stack_tx_class) is in hash.usr. On the owning worker. */
void tx_send(struct tx_queue *q, struct rte_mbuf **m, uint16_t n);
/** Holds the queue, or lets it go on. On the owning worker. */
void tx_hold(struct tx_queue *q, bool held);
/** Tries the backlog again. True if the port took something. On the owning worker, every turn. */
bool tx_retry(struct tx_queue *q);
/** Frees the backlog: after the loop. */
void tx_discard(struct tx_queue *q);

#endif /* MR_TX_H */
