/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a verdict leads to: callbacks, delivery, RST, TIME_WAIT, freeing; then output and the timer;
 * and which parameters and options hold for a connection. The only file that enters a handler.
 * Knows no frames.
 */
#include <string.h>

#include "react.h"

/* Dead connections whose on_closed is called in one go: a handler that reconnects in on_closed for
 * ever must not hold the loop. */
#define DEAD_BUDGET 4096u

void conn_ts_offset(struct mr_worker *w, struct conn_ref r)
{
	struct flow_key key;

	conn_key(r, &key);
	w->cx.ts_offset = (uint32_t)flow_hash(&w->key_ts, &key);
	w->cx_conn = r.c;
	w->cx_generation = r.c->generation;
}

/* ---- parameters and options ---- */

void conn_params(struct mr_worker *w, const struct tcp_conn *c)
{
	const struct tcp_params *own = tcp_own_params(&w->ext_pool, c);

	if (own != NULL)
		w->cx.params = own;
	else
		group_params(w, c->listener);
}

bool group_set_options(struct mr_worker *w, uint16_t group, const struct mr_options *opt)
{
	struct group_options *o = &w->group_options[group];
	struct tcp_params p = w->params;

	if (!tcp_params_apply(&p, opt))
		return false;
	o->options = *opt;
	o->params = p;
	w->group[group].own_params = opt->set != 0;
	w->params_vary |= opt->set != 0;
	return true;
}

bool stack_listener_option(struct mr_worker *w, uint16_t id, enum mr_option option, uint32_t value)
{
	struct mr_options opt = w->group_options[id].options;

	MR_ASSERT(id < w->ngroups && w->group[id].passive);
	if ((unsigned int)option >= MR_OPTIONS)
		return false;
	opt.set |= 1u << option;
	opt.value[option] = value;
	return group_set_options(w, id, &opt);
}

bool stack_set_params(struct mr_worker *w, const struct tcp_params *p)
{
	if (p->msl_ms > w->msl_max_ms)
		return false;
	tcp_params_check(p);
	w->params = *p;
	for (uint32_t i = 0; i < w->ngroups; i++)
		if (w->group[i].own_params)	/* its options were in range, and are */
			group_set_options(w, (uint16_t)i, &w->group_options[i].options);
	return true;
}

void own_options(struct mr_worker *w, struct conn_ref r, const struct mr_options *opt)
{
	struct tcp_params *p = tcp_own_take(&w->cx, r.c);

	MR_ASSERT(p != NULL && tcp_params_apply(p, opt));
	w->params_vary = true;
	for (unsigned int i = 0; i < MR_OPTIONS; i++)
		if (opt->set & 1u << i)
			tcp_option_changed(&w->cx, r.c, (enum mr_option)i);
}

enum mr_reason mr_set_option(struct mr_worker *w, mr_conn c, enum mr_option option, uint32_t value)
{
	struct conn_ref r = conn_usable(w, c);
	struct tcp_params scratch = w->params, *own;

	if (r.c == NULL)
		return MR_NO_SUCH_CONN;
	if (!tcp_params_set(&scratch, option, value))
		return MR_BAD_ARGUMENT;
	if (option == MR_OPT_NODELAY) {		/* a flag of the record */
		r.c->flags = (uint8_t)((r.c->flags & ~TCP_F_NODELAY) |
				       (value != 0 ? TCP_F_NODELAY : 0));
		conn_mark_dirty(w, r);
		return MR_OK;
	}
	own = tcp_own_take(&w->cx, r.c);
	if (own == NULL) {
		mr_count(&w->counters, MR_C_CONN_NO_OPTIONS);
		return MR_NO_MEMORY;
	}
	w->params_vary = true;
	tcp_params_set(own, option, value);
	tcp_option_changed(&w->cx, r.c, option);
	conn_mark_dirty(w, r);
	return MR_OK;
}

enum mr_reason mr_get_option(struct mr_worker *w, mr_conn c, enum mr_option option, uint32_t *value)
{
	struct conn_ref r = conn_usable(w, c);

	if (r.c == NULL)
		return MR_NO_SUCH_CONN;
	if ((unsigned int)option >= MR_OPTIONS)
		return MR_BAD_ARGUMENT;
	*value = option == MR_OPT_NODELAY ? (r.c->flags & TCP_F_NODELAY) != 0
					  : tcp_params_get(w->cx.params, option);
	return MR_OK;
}

uint32_t mr_urgent(struct mr_worker *w, mr_conn c)
{
	struct conn_ref r = conn_usable(w, c);

	return r.c == NULL ? 0 : tcp_urgent(&w->cx, r.c);
}

/* ---- timers ---- */

bool conn_user_due(const struct mr_worker *w, const struct tcp_conn *c, uint32_t *due_ms)
{
	uint32_t now_units = w->now_ms / MR_USER_TICK_MS;
	int16_t ahead = (int16_t)(c->user_deadline - (uint16_t)now_units);

	if (c->user_deadline == 0)
		return false;
	*due_ms = (uint32_t)((int32_t)now_units + ahead) * MR_USER_TICK_MS;
	return true;
}

void conn_arm(struct mr_worker *w, struct conn_ref r)
{
	uint32_t due, user;
	bool armed = tcp_next_due(&w->cx, r.c, &due);

	if (conn_user_due(w, r.c, &user)) {
		due = armed ? seq_min(due, user) : user;
		armed = true;
	}
	if (armed)
		wheel_arm(w->flows[r.v6].wheel, r.index, due);
}

void mbuf_done_other(struct mr_worker *w, struct rte_mbuf *m)
{
	if (!mbuf_reusable(m)) {
		rte_pktmbuf_free(m);
		return;
	}
	done_flush(w);
	w->done_pool = m->pool;
	w->done[w->ndone++] = m;
}

/* ---- the end of a connection ---- */

void conn_bury(struct mr_worker *w, struct conn_ref r, enum mr_reason reason)
{
	uint32_t id = conn_id(r);

	MR_ASSERT((r.c->spare & CONN_DEAD) == 0);
	/* SND.UNA and deadline of a dead record hold the list's link and the reason. */
	r.c->spare |= CONN_DEAD;
	r.c->snd_una = TABLE_NIL;
	r.c->deadline_ms = reason;
	if (w->dead_tail == TABLE_NIL)
		w->dead_head = id;
	else
		conn_by_id(w, w->dead_tail).c->snd_una = id;
	w->dead_tail = id;
}

void conn_flush(struct mr_worker *w, struct conn_ref r)
{
	output_conn(w, r, NULL);
	conn_arm(w, r);
}

static bool deliver_dead(struct mr_worker *w)
{
	uint32_t budget = DEAD_BUDGET;

	while (w->dead_head != TABLE_NIL && budget-- != 0) {
		struct conn_ref r = conn_by_id(w, w->dead_head);

		w->dead_head = r.c->snd_una;
		if (w->dead_head == TABLE_NIL)
			w->dead_tail = TABLE_NIL;
		report_closed(w, r, (enum mr_reason)r.c->deadline_ms);
		conn_free(w, r, conn_hash(w, r));
	}
	return w->dead_head == TABLE_NIL;
}

void finish_burst(struct mr_worker *w)
{
	if (MR_UNLIKELY(w->ndirty != 0)) {
		uint32_t n = w->ndirty;

		w->ndirty = 0;
		for (uint32_t i = 0; i < n; i++) {
			struct conn_ref r = conn_by_handle(w, (mr_conn){w->dirty[i]});

			if (r.c == NULL)
				continue;
			r.c->spare &= (uint16_t)~CONN_DIRTY & 3u;
			if ((r.c->spare & CONN_DEAD) == 0)
				conn_flush(w, r);
		}
	}
	if (MR_UNLIKELY(w->dead_head != TABLE_NIL) && !deliver_dead(w))
		return;
	for (unsigned int i = 0; i < 2; i++) {
		if (!w->flows[i].on)
			continue;
		table_flush(&w->flows[i].table);
		timewait_flush(w->flows[i].tw);
	}
}

void conn_mark_other_dirty(struct mr_worker *w, struct conn_ref r)
{
	if ((r.c->spare & (CONN_DIRTY | CONN_DEAD)) != 0)
		return;
	if (w->ndirty == STACK_DIRTY_LEN) {
		conn_flush(w, r);
		return;
	}
	r.c->spare |= CONN_DIRTY;
	w->dirty[w->ndirty++] = conn_handle(w, r).id;
}

/* The window class whose window is the largest not above what we would advertise. */
static uint8_t window_class(const struct tcp_conn *c)
{
	uint32_t field = tcp_rcv_wnd(c) >> tcp_rcv_shift(c);

	if (field >= 0xffffu)
		return 0;
	return (uint8_t)MR_MIN(15u, (unsigned int)__builtin_clz(field | 1u) - 15u);
}

void enter_time_wait(struct mr_worker *w, struct conn_ref r, uint64_t hash)
{
	struct tw_state st = {
		.snd_nxt = r.c->snd_nxt,
		.rcv_nxt = r.c->rcv_nxt,
		.ts_recent = r.c->ts_recent,
		.expires_ms = w->now_ms + 2 * w->params.msl_ms,
		.has_ts = (r.c->flags & TCP_F_TS) != 0,
		.wnd_class = window_class(r.c),
	};
	struct flow_key key;

	conn_key(r, &key);
	if (timewait_insert(w->flows[r.v6].tw, &key, hash, &st, &w->key_table))
		mr_count(&w->counters, MR_C_TW_EVICTED);
	mr_count(&w->counters, MR_C_TW_ENTERED);
	tcp_enter(&w->cx, r.c, TCP_CLOSED);
	report_closed(w, r, MR_CLOSED);
	conn_free(w, r, hash);
}

/* ---- callbacks ---- */

void deliver(struct mr_worker *w, struct conn_ref r, struct rte_mbuf *m)
{
	struct group *g = conn_group(w, r.c);
	uint32_t len = m->pkt_len;

	g->stats.rx_octets += len;
	if (g->cb->on_data == NULL || !conn_listens(r.c)) {
		rte_pktmbuf_free(m);
		if ((r.c->spare & CONN_DEAD) == 0)
			tcp_consumed(&w->cx, r.c, len);
		return;
	}
	callback_enter(w, r);
	g->cb->on_data(w, (mr_conn){w->current_id}, m);
	callback_leave(w, r);
}

static void conn_gone(struct mr_worker *w, struct conn_ref r, bool known, enum mr_reason reason)
{
	if (known)
		report_closed(w, r, reason);
	conn_free(w, r, conn_hash(w, r));
}

void react(struct mr_worker *w, struct conn_ref r, unsigned int was, struct tcp_verdict *v,
	   struct rte_mbuf *reply)
{
	conn_left_opening(w, r, was, v);
	if (MR_UNLIKELY(v->bits & TCP_V_RST))
		output_rst(w, r, v);
	if (v->bits & REACT_CALLBACKS)
		run_callbacks(w, r, v);
	if (MR_UNLIKELY(r.c->spare & CONN_DEAD)) {
		rte_pktmbuf_free(reply);
		return;
	}
	if (v->bits & TCP_V_GONE) {
		rte_pktmbuf_free(reply);
		conn_gone(w, r, (v->bits & TCP_V_TO_LISTEN) == 0, v->reason);
		return;
	}
	output_conn(w, r, reply);
	if (tcp_state(r.c) == TCP_TIME_WAIT)
		enter_time_wait(w, r, conn_hash(w, r));
	else
		conn_arm(w, r);
}

/* The time of MR_OPT_LINGER_MS is up: what was queued and our FIN should have been acknowledged. */
static void linger_over(struct mr_worker *w, struct conn_ref r, struct tcp_verdict *v)
{
	if (tcp_fin_sent(r.c) && !tcp_fin_outstanding(r.c))
		return;
	mr_count(&w->counters, MR_C_CONN_USER_TIMEOUT);
	tcp_abort(&w->cx, r.c, MR_TIMED_OUT, v);
}

void conn_fire(void *ctx, uint32_t index, uint32_t now_ms)
{
	struct flows *f = ctx;
	struct mr_worker *w = f->w;
	struct conn_ref r = conn_at(f, index);
	struct tcp_verdict v = {0};
	unsigned int was = tcp_state(r.c);
	uint32_t due;

	/* The entry of a record that was freed, or whose on_closed is already owed. */
	if (was == TCP_CLOSED)
		return;
	(void)now_ms;
	conn_cx(w, r);
	if (tcp_next_due(&w->cx, r.c, &due) && seq_le(due, w->now_ms)) {
		mr_count(&w->counters, MR_C_WHEEL_FIRED);
		tcp_timeout(&w->cx, r.c, &v);
	}
	if ((v.bits & TCP_V_GONE) == 0 && conn_user_due(w, r.c, &due) && seq_le(due, w->now_ms)) {
		r.c->user_deadline = 0;
		if (r.c->flags & TCP_F_CLOSED)
			linger_over(w, r, &v);
		else
			v.bits |= REACT_USER_TIMEOUT;
	}
	react(w, r, was, &v, NULL);
}

/* ---- drain ---- */

void stack_drain(struct mr_worker *w) { w->draining = true; }

void drain_established(struct mr_worker *w, struct conn_ref r)
{
	if (conn_listens(r.c))
		mr_close(w, conn_handle(w, r));
}

static void close_one(struct mr_worker *w, struct conn_ref r, bool force)
{
	struct tcp_verdict v = {0};
	unsigned int was = tcp_state(r.c);

	conn_cx(w, r);
	if (force)
		tcp_abort(&w->cx, r.c, MR_DRAINED, &v);
	else if ((was != TCP_SYN_RCVD || tcp_fast_opened(r.c, tcp_ext_of(&w->ext_pool, r.c))) &&
		 (r.c->flags & TCP_F_CLOSED) == 0)
		tcp_close(&w->cx, r.c, &v);
	react(w, r, was, &v, NULL);
}

static void forget_time_wait(struct mr_worker *w, struct flows *f)
{
	uint32_t next = 0, index;
	struct flow_key key;

	while ((index = timewait_scan(f->tw, next, UINT32_MAX, &next)) != TABLE_NIL) {
		timewait_key(f->tw, index, &key);
		timewait_remove(f->tw, index, flow_hash(&w->key_table, &key));
	}
	timewait_flush(f->tw);
}

void stack_forget(struct mr_worker *w)
{
	stack_close_all(w, true, UINT32_MAX);
	for (unsigned int i = 0; i < 2; i++)
		if (w->flows[i].on)
			forget_time_wait(w, &w->flows[i]);
	memset(w->paths, 0, sizeof(*w->paths));
	tfo_cache_forget(w->tfo_cache);
	w->cx.challenge.sent = 0;
	w->rst_rate.left = w->rst_rate.per_s;
	w->icmp_rate.left = w->icmp_rate.per_s;
}

/* One family's part of a call. True: its table has been walked to the end. */
static bool close_some(struct mr_worker *w, struct flows *f, uint32_t *cursor, bool force,
		       uint32_t budget)
{
	uint32_t end = (uint32_t)MR_MIN((uint64_t)*cursor + budget, (uint64_t)f->table.capacity);

	for (uint32_t k = *cursor; k < end; k++) {
		struct conn_ref r = conn_at(f, k);

		if (tcp_state(r.c) != TCP_CLOSED)
			close_one(w, r, force);
	}
	*cursor = end;
	return end == f->table.capacity;
}

bool stack_close_all(struct mr_worker *w, bool force, uint32_t budget)
{
	bool done = true;

	/* A walk of the other kind starts at the beginning. */
	if (w->close_forced != force)
		w->close_cursor[0] = w->close_cursor[1] = 0;
	w->close_forced = force;
	for (unsigned int i = 0; i < 2; i++)
		if (w->flows[i].on)
			done &= close_some(w, &w->flows[i], &w->close_cursor[i], force, budget);
	if (done)
		w->close_cursor[0] = w->close_cursor[1] = 0;
	finish_burst(w);
	return done;
}
