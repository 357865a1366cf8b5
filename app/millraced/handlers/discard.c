/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * discard (RFC 863): reads everything, answers nothing, closes when the peer does.
 */
#include <rte_mbuf.h>

#include "handlers.h"

struct discard {
	struct limits limits;
};

static void on_accept(struct mr_worker *w, mr_conn c)
{
	session_open(w, c);
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *data)
{
	struct discard *st = session_of(w, c);

	if (st != NULL)
		limits_touch(w, &st->limits);
	mr_consumed(w, c, data->pkt_len);
	rte_pktmbuf_free(data);
}

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	mr_close(w, c);
}

static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	(void)reason;
	session_close(w, c);
}

static const struct mr_callbacks callbacks = {
	.on_accept = on_accept,
	.on_data = on_data,
	.on_peer_closed = on_peer_closed,
	.on_timeout = session_timeout,
	.on_closed = on_closed,
};

const struct handler handler_discard = {
	.name = "discard",
	.help = "reads everything, answers nothing (RFC 863)",
	.callbacks = &callbacks,
	.state_size = sizeof(struct discard),
	.peer_speaks_first = true,
};
