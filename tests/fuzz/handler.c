/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handler of both engines: what it hears goes into a digest, what it does is policy[tuple].
 */
#include <rte_mbuf.h>

#include "check.h"
#include "pair.h"

static const char text[3000] = "what a handler says";

static struct side *side_of(const struct mr_worker *w)
{
	return w == side[0].w ? &side[0] : &side[1];
}

uint32_t tuple_of_port(uint16_t port)
{
	return port >= RPORT && port < RPORT + TUPLES ? port - RPORT : OTHERS;
}

static uint32_t tuple_of_conn(struct mr_worker *w, mr_conn c)
{
	const uint32_t t = mr_user(w, c);

	MR_ASSERT(t <= OTHERS);
	return t;
}

/* Of several connections that share the last slot, in whatever order: a sum. */
static void hear(struct mr_worker *w, uint32_t t, uint64_t what)
{
	uint64_t *sum = &side_of(w)->heard[t];

	*sum = t < TUPLES ? (*sum + what) * 0x100000001b3ull + 1 : *sum + what * 0x9e3779b97f4a7c15;
}

/* A SYN of the peer's may come from any port to ours: the tuple is both ports, nothing less. */
static void on_accept(struct mr_worker *w, mr_conn c)
{
	struct mr_endpoint local, remote;
	struct mr_tcp_info info;
	uint32_t t;

	MR_ASSERT(mr_tcp_info(w, c, &info) == MR_OK);
	t = tuple_of_port(info.remote.port);
	if (t < TUPLES) {
		tuple_ends(t, &local, &remote);
		if (local.port != info.local.port || remote.family != info.remote.family ||
		    memcmp(remote.addr, info.remote.addr, 16) != 0)
			t = OTHERS;
	}
	mr_set_user(w, c, t);
	side_of(w)->conn[t] = c;
	side_of(w)->unread[t] = 0;
	hear(w, t, 1);
	if (policy[t] & H_GREETS)
		mr_send_copy(w, c, text, 100, 0);
	if (policy[t] & H_TIMER)
		mr_set_timeout(w, c, 1000);
}

static void on_connected(struct mr_worker *w, mr_conn c)
{
	const uint32_t t = tuple_of_conn(w, c);

	side_of(w)->unread[t] = 0;
	hear(w, t, 2);
	if (policy[t] & H_GREETS)
		mr_send_copy(w, c, text, 3000, MR_SEND_NOTIFY_ACKED);
}

static uint64_t sum_of(const struct rte_mbuf *m, uint32_t len)
{
	uint64_t sum = len;

	for (; m != NULL; m = m->next) {
		MR_ASSERT(m->data_len != 0);
		for (uint32_t i = 0; i < m->data_len; i++)
			sum = sum * 16777619u + rte_pktmbuf_mtod(m, const uint8_t *)[i];
		len -= m->data_len;
	}
	MR_ASSERT(len == 0);
	return sum;
}

static void answer(struct mr_worker *w, mr_conn c, uint32_t t, uint32_t len)
{
	switch (policy[t] & 7) {
	case D_ANSWER:
		mr_send_copy(w, c, text, 5 + len % 1500, 0);
		break;
	case D_CLOSE:
		mr_close(w, c);
		break;
	case D_ABORT:
		mr_abort(w, c);
		break;
	case D_SHUTDOWN:
		mr_shutdown(w, c);
		break;
	default:
		break;
	}
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	const uint32_t t = tuple_of_conn(w, c), len = m->pkt_len, how = policy[t] & 7;

	hear(w, t, sum_of(m, len) << 4 | 3);
	if (how == D_ECHO && mr_send(w, c, m, 0) != 0) {
		mr_consumed(w, c, len);
		return;
	}
	rte_pktmbuf_free(m);
	if (how == D_HOLD || how == D_HALF) {
		const uint32_t used = how == D_HALF ? len / 2 : 0;

		mr_consumed(w, c, used);
		side_of(w)->unread[t] += len - used;
		return;
	}
	mr_consumed(w, c, len);
	answer(w, c, t, len);
}

static void on_writable(struct mr_worker *w, mr_conn c)
{
	const uint32_t t = tuple_of_conn(w, c);

	hear(w, t, 4);
	if (policy[t] & H_WRITES)
		mr_send_copy(w, c, text, 1000, MR_SEND_NOTIFY_ACKED | MR_SEND_MORE);
}

static void on_acked(struct mr_worker *w, mr_conn c)
{
	hear(w, tuple_of_conn(w, c), 5);
}

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	const uint32_t t = tuple_of_conn(w, c);

	hear(w, t, 6);
	switch (policy[t] & F_MASK) {
	case F_SEND_CLOSE:
		mr_send_copy(w, c, text, 3000, 0);
		mr_close(w, c);
		break;
	case F_CLOSE:
		mr_close(w, c);
		break;
	case F_ABORT:
		mr_abort(w, c);
		break;
	default:
		break;
	}
}

static void on_timeout(struct mr_worker *w, mr_conn c)
{
	const uint32_t t = tuple_of_conn(w, c);

	hear(w, t, 7);
	mr_send_copy(w, c, text, 10, MR_SEND_MORE);
	if (policy[t] & H_WRITES)
		mr_set_timeout(w, c, 64);
}

static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason why)
{
	const uint32_t t = tuple_of_conn(w, c);

	hear(w, t, (uint64_t)why << 4 | 8);
	if (side_of(w)->conn[t].id == c.id)
		side_of(w)->unread[t] = 0;
	/* a call on the way out is refused, or harmless */
	mr_send_copy(w, c, text, 1, 0);
	mr_close(w, c);
}

const struct mr_callbacks pair_callbacks = {
	.on_accept = on_accept, .on_connected = on_connected, .on_data = on_data,
	.on_writable = on_writable, .on_acked = on_acked, .on_peer_closed = on_peer_closed,
	.on_timeout = on_timeout, .on_closed = on_closed,
};
