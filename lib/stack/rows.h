/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines of a listing, connection by connection and entry by entry of TIME_WAIT: what the cursor
 * of stack_list() steps over. Private to stack.c.
 */
#ifndef MR_ROWS_H
#define MR_ROWS_H

#include <string.h>

#include "worker.h"

static bool peer_matches(const struct stack_query *q, const struct flow_key *key)
{
	return q->peer == NULL ||
	       (q->peer->family == key->family &&
		memcmp(q->peer->addr, key->raddr, key->family == 4 ? 4 : 16) == 0);
}

static bool wants_state(const struct stack_query *q, unsigned int state)
{
	return q->state_mask == 0 || (q->state_mask & state) != 0;
}

static bool row_conn(const struct mr_worker *w, struct conn_ref r, const struct stack_query *q,
		     struct stack_conn_row *row)
{
	struct mr_tcp_info info = {0};
	struct flow_key key;

	if (tcp_state(r.c) == TCP_CLOSED || !wants_state(q, tcp_state(r.c)))
		return false;
	conn_key(r, &key);
	if (!peer_matches(q, &key))
		return false;
	tcp_info(&w->cx, r.c, &info);
	conn_endpoints(w, &key, &row->local, &row->remote);
	row->state = tcp_state(r.c);
	memcpy(row->listener, w->group[r.c->listener].stats.name, sizeof(row->listener));
	row->send_queued = info.send_queued;
	row->recv_unread = info.recv_unread;
	return true;
}

static bool row_time_wait(const struct mr_worker *w, const struct flows *f, uint32_t index,
			  const struct stack_query *q, struct stack_conn_row *row)
{
	struct flow_key key;

	timewait_key(f->tw, index, &key);
	if (!peer_matches(q, &key))
		return false;
	memset(row, 0, sizeof(*row));
	conn_endpoints(w, &key, &row->local, &row->remote);
	row->state = TCP_TIME_WAIT;
	return true;
}

#define TW_STEPS 64u

/* One step of the cursor: at most one row. *looked grows by the records looked at. */
static bool list_step(struct mr_worker *w, struct stack_cursor *cur, const struct stack_query *q,
		      struct stack_conn_row *row, uint32_t *looked)
{
	struct flows *f = &w->flows[cur->table & 1];

	if (cur->table < 2 && f->on && cur->index < f->table.capacity) {
		*looked += 1;
		return row_conn(w, conn_at(f, cur->index++), q, row);
	}
	if (cur->table >= 2 && f->on && wants_state(q, TCP_TIME_WAIT)) {
		uint32_t next, index = timewait_scan(f->tw, cur->index, TW_STEPS, &next);
		bool hit = index != TABLE_NIL && row_time_wait(w, f, index, q, row);

		*looked += TW_STEPS;
		if (index != TABLE_NIL || next != cur->index) {
			cur->index = next;
			return hit;
		}
	}
	*looked += 1;
	cur->index = 0;
	cur->done = ++cur->table == 4;
	return false;
}

#endif /* MR_ROWS_H */
