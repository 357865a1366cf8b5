/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * discard (RFC 863): reads everything, answers nothing, closes when the peer does.
 */
#include "handlers.h"

struct discard {
	struct limits limits;
};

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *data)
{
	session_active(w, c);
	session_drop_data(w, c, data);
}

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	mr_close(w, c);
}

static const struct mr_callbacks callbacks = {
	.on_accept = session_accept,
	.on_data = on_data,
	.on_peer_closed = on_peer_closed,
	.on_timeout = session_timeout,
	.on_closed = session_closed,
};

const struct handler handler_discard = {
	.name = "discard",
	.help = "reads everything, answers nothing (RFC 863)",
	.callbacks = &callbacks,
	.state_size = sizeof(struct discard),
	.peer_speaks_first = true,
};
