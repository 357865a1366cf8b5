/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A first handler: counts the octets a peer sends, and says how many there were when the peer
 * closes. The whole state of a connection is its 32-bit user word, so there is no memory to
 * manage.
 *
 *   $ echo hello | nc -N 10.77.0.2 7000
 *   6 octets
 */
#include <stdio.h>
#include <rte_mbuf.h>

#include "counter.h"

#define IDLE_MS 30000u

static void on_accept(struct mr_worker *w, mr_conn c)
{
	mr_set_user(w, c, 0);
	mr_set_timeout(w, c, IDLE_MS);
}

/* The mbufs are ours now: look at them, say that we are done with the octets, free them. */
static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *data)
{
	mr_set_user(w, c, mr_user(w, c) + data->pkt_len);
	mr_consumed(w, c, data->pkt_len);
	mr_set_timeout(w, c, IDLE_MS);
	rte_pktmbuf_free(data);
}

/* The peer's FIN. Our direction is still open: an answer, then our FIN behind it. */
static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%u octets\n", mr_user(w, c));

	mr_send_copy(w, c, line, (uint32_t)len, 0);
	mr_close(w, c);
}

static void on_timeout(struct mr_worker *w, mr_conn c)
{
	mr_abort(w, c);
}

const struct mr_callbacks counter_callbacks = {
	.on_accept = on_accept,
	.on_data = on_data,
	.on_peer_closed = on_peer_closed,
	.on_timeout = on_timeout,
};
