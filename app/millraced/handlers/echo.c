/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo (RFC 862): sends back what it receives, in the very mbufs it came in. What the send queue
 * does not take is held and not reported as consumed, so that the peer's window closes while it
 * does not read its echo. After the peer's FIN the rest is sent, then ours.
 */
#include <rte_mbuf.h>

#include "handlers.h"
#include "mbufq.h"

struct echo {
	struct limits limits;
	struct mbufq held;
	bool peer_closed;
};

/* Passes on what is held until the queue is empty or full. on_writable follows a refusal. */
static void pass_on(struct mr_worker *w, mr_conn c, struct echo *st)
{
	uint32_t consumed = 0;

	while (st->held.head != NULL) {
		uint32_t room = MR_MIN(mr_send_room(w, c), MBUFQ_CHAIN_MAX);
		struct rte_mbuf *chain = mbufq_cut(&st->held, room);
		uint32_t len = chain->pkt_len;

		if (mr_send(w, c, chain, st->held.head != NULL ? MR_SEND_MORE : 0) == 0) {
			mbufq_uncut(&st->held, chain);
			break;
		}
		consumed += len;
	}
	if (consumed > 0)
		mr_consumed(w, c, consumed);
	if (st->peer_closed && st->held.head == NULL)
		mr_shutdown(w, c);
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *data)
{
	struct echo *st = session_active(w, c);
	bool waiting;

	if (st == NULL) {
		rte_pktmbuf_free(data);
		return;
	}
	waiting = st->held.head != NULL;
	mbufq_push(&st->held, data);
	if (!waiting) /* else on_writable is owed, and order forbids to overtake */
		pass_on(w, c, st);
}

static void on_writable(struct mr_worker *w, mr_conn c)
{
	struct echo *st = session_active(w, c);

	if (st != NULL)
		pass_on(w, c, st);
}

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	struct echo *st = session_of(w, c);

	if (st == NULL)
		return;
	st->peer_closed = true;
	if (st->held.head == NULL)
		mr_shutdown(w, c);
}

static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	struct echo *st = session_of(w, c);

	(void)reason;
	if (st != NULL)
		mbufq_drop(&st->held);
	session_close(w, c);
}

static const struct mr_callbacks callbacks = {
	.on_accept = session_accept,
	.on_data = on_data,
	.on_writable = on_writable,
	.on_peer_closed = on_peer_closed,
	.on_timeout = session_timeout,
	.on_closed = on_closed,
};

const struct handler handler_echo = {
	.name = "echo",
	.help = "sends back what it receives (RFC 862)",
	.callbacks = &callbacks,
	.state_size = sizeof(struct echo),
	.peer_speaks_first = true,
};
