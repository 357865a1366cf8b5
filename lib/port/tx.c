/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transmit: the port takes what it can, the rest waits in a backlog of one burst, and beyond that
 * frames are given up in the order data, SYN, control: lost data is sent again by a timer that runs
 * anyway, a lost SYN-ACK costs the client a second, a lost RST is never sent again and a lost FIN
 * holds a record. Receiving never waits for any of it. Never reorders frames; never hands a frame
 * twice to tx_prepare.
 */
#include <rte_ethdev.h>

#include "check.h"
#include "eal.h"
#include "tx.h"

static_assert(STACK_TX_DATA < STACK_TX_SYN && STACK_TX_SYN < STACK_TX_CTRL,
	      "a class is given up before those above it");

void tx_init(struct tx_queue *q, uint16_t port, uint16_t queue, bool prepare,
	     struct mr_counters *counters)
{
	*q = (struct tx_queue){
		.counters = counters, .port = port, .queue = queue, .prepare = prepare};
	q->refused_tsc = eal_clock()->hz / 1000000u * TX_REFUSED_US;
}

/* A frame of a class that nobody knows is one the stack answers with: control. */
static unsigned int class_of(const struct rte_mbuf *m)
{
	return MR_MIN(m->hash.usr, (uint32_t)STACK_TX_CTRL);
}

static void drop(struct tx_queue *q, struct rte_mbuf *m, enum mr_counter why)
{
	mr_count(q->counters, why);
	rte_pktmbuf_free(m);
}

static MR_COLD void drop_of_class(struct tx_queue *q, struct rte_mbuf *m)
{
	static const enum mr_counter counter[TX_CLASSES] = {
		[STACK_TX_DATA] = MR_C_TX_DROP_DATA,
		[STACK_TX_SYN] = MR_C_TX_DROP_SYN,
		[STACK_TX_CTRL] = MR_C_TX_DROP_CTRL,
	};

	drop(q, m, counter[class_of(m)]);
}

static void refuse(struct tx_queue *q, struct rte_mbuf *m)
{
	q->refused++;
	drop(q, m, MR_C_TX_REFUSED);
}

/* ---- the backlog ---- */

/* Takes frame i out; those behind it move up, so that the order stays. */
static struct rte_mbuf *backlog_take(struct tx_queue *q, uint16_t i)
{
	struct rte_mbuf *m = q->backlog[i];

	MR_CHECK(i < q->n && q->of_class[class_of(m)] > 0);
	q->of_class[class_of(m)]--;
	q->n--;
	for (; i < q->n; i++)
		q->backlog[i] = q->backlog[i + 1];
	return m;
}

/* The youngest frame of the lowest class below `tx_class`: those sent before it stay in order. */
static struct rte_mbuf *backlog_victim(struct tx_queue *q, unsigned int tx_class)
{
	unsigned int lowest = 0;
	uint16_t i = q->n;

	while (lowest < tx_class && q->of_class[lowest] == 0)
		lowest++;
	if (lowest == tx_class)
		return NULL;
	while (class_of(q->backlog[--i]) != lowest)
		MR_CHECK(i > 0);
	return backlog_take(q, i);
}

static MR_COLD void backlog_add(struct tx_queue *q, struct rte_mbuf *m)
{
	unsigned int tx_class = class_of(m);

	if (q->n == TX_BACKLOG_MAX) {
		struct rte_mbuf *victim = backlog_victim(q, tx_class);

		drop_of_class(q, victim != NULL ? victim : m);
		if (victim == NULL)
			return;
	}
	q->backlog[q->n++] = m;
	q->of_class[tx_class]++;
	q->backlogged++;
	mr_count(q->counters, MR_C_TX_BACKLOG);
}

/* The port took nothing again: after long enough its oldest frame is the one it will not have. */
static MR_COLD void backlog_stuck(struct tx_queue *q)
{
	uint64_t now = mr_tsc();

	if (q->tries++ == 0) {
		q->stuck_since_tsc = now;
		return;
	}
	if (q->tries < TX_REFUSED_TRIES || now - q->stuck_since_tsc < q->refused_tsc)
		return;
	refuse(q, backlog_take(q, 0));
	q->tries = 0;
}

/* ---- sending ---- */

/* Hands frames to the port until it takes no more; returns how many it took. */
static uint16_t burst(const struct tx_queue *q, struct rte_mbuf **m, uint16_t n)
{
	uint16_t sent = 0, taken;

	do {
		taken = rte_eth_tx_burst(q->port, q->queue, m + sent, (uint16_t)(n - sent));
		sent = (uint16_t)(sent + taken);
	} while (sent < n && taken > 0);
	return sent;
}

/*
 * Lets the driver prepare frames that use its offloads. A frame it cannot send is dropped here: in
 * the ring it would stop the queue. Returns how many are left, closed up at the front of m.
 */
static uint16_t prepare(struct tx_queue *q, struct rte_mbuf **m, uint16_t n)
{
	uint16_t good = 0;

	while (good < n) {
		uint16_t left = (uint16_t)(n - good);

		good = (uint16_t)(good + rte_eth_tx_prepare(q->port, q->queue, m + good, left));
		if (good == n)
			break;
		refuse(q, m[good]);
		n--;
		for (uint16_t i = good; i < n; i++)
			m[i] = m[i + 1];
	}
	return n;
}

bool tx_retry(struct tx_queue *q)
{
	uint16_t sent = burst(q, q->backlog, q->n);

	if (sent == 0) {
		if (q->n > 0)
			backlog_stuck(q);
		return false;
	}
	q->tries = 0;
	q->n = (uint16_t)(q->n - sent);
	/* The driver owns the sent ones now, their class is not to be read: count what is left. */
	for (unsigned int c = 0; c < TX_CLASSES; c++)
		q->of_class[c] = 0;
	for (uint16_t i = 0; i < q->n; i++) {
		q->backlog[i] = q->backlog[i + sent];
		q->of_class[class_of(q->backlog[i])]++;
	}
	return true;
}

void tx_send(struct tx_queue *q, struct rte_mbuf **m, uint16_t n)
{
	uint16_t sent = 0;

	for (uint16_t i = 0; i < n; i++)
		MR_CHECK(rte_mbuf_refcnt_read(m[i]) == 1);
	if (q->prepare)
		n = prepare(q, m, n);
	if (MR_UNLIKELY(q->n > 0))
		tx_retry(q);
	/* Behind a backlog nothing overtakes. */
	if (MR_LIKELY(q->n == 0))
		sent = burst(q, m, n);
	for (; MR_UNLIKELY(sent < n); sent++)
		backlog_add(q, m[sent]);
}

void tx_discard(struct tx_queue *q)
{
	rte_pktmbuf_free_bulk(q->backlog, q->n);
	q->n = 0;
	for (unsigned int c = 0; c < TX_CLASSES; c++)
		q->of_class[c] = 0;
}
