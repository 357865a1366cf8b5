/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mr_* functions of the public header. They mutate a connection and leave callbacks to later:
 * output of the connection whose callback runs is react()'s, of others finish_burst()'s; a
 * connection that ends here is buried and reported at the end of the burst.
 */
#include <string.h>

#include <rte_byteorder.h>

#include "datagram.h"
#include "fastopen.h"
#include "open.h"

struct conn_ref conn_by_handle(struct mr_worker *w, mr_conn h)
{
	uint32_t id = (uint32_t)h.id;
	struct flows *f = &w->flows[id >> 31];
	struct conn_ref r = {0};

	if ((h.id & HANDLE_VALID) == 0 || ((h.id >> 48) & 0xff) != w->id || !f->on)
		return r;
	if ((id & ~CONN_ID_V6) >= f->table.capacity)
		return r;
	r = conn_by_id(w, id);
	if (r.c->generation != (uint16_t)(h.id >> 32))
		r.c = NULL;
	return r;
}

/* conn_by_handle(), where the answer is usually the connection whose callback runs. */
static inline struct conn_ref conn_of(struct mr_worker *w, mr_conn h)
{
	return MR_LIKELY(h.id == w->current_id) ? w->current : conn_by_handle(w, h);
}

struct conn_ref conn_usable(struct mr_worker *w, mr_conn h)
{
	struct conn_ref r = conn_of(w, h);

	if (r.c != NULL && ((r.c->spare & CONN_DEAD) != 0 || tcp_state(r.c) == TCP_CLOSED))
		r.c = NULL;
	if (r.c != NULL)
		conn_cx(w, r);
	return r;
}

/* ---- active open ---- */

static enum mr_reason connect_check(struct mr_worker *w, const struct mr_connect_opts *opts)
{
	const struct flows *f;

	struct tcp_params p = w->params;

	if (!remote_sane(&opts->remote) || opts->callbacks == NULL)
		return MR_BAD_ARGUMENT;
	if (opts->options != NULL && !tcp_params_apply(&p, opts->options))
		return MR_BAD_ARGUMENT;
	if (opts->data != NULL && (opts->data->pkt_len == 0 || opts->data->pkt_len > MR_SEND_MAX))
		return MR_BAD_ARGUMENT;
	if (opts->local.family != 0 && opts->local.family != opts->remote.family)
		return MR_BAD_ARGUMENT;
	f = &w->flows[opts->remote.family == 6];
	if (w->draining)
		return MR_DRAINED;
	if (!f->on || f->table.nfree == 0) {
		mr_count(&w->counters, MR_C_CONNECT_TABLE_FULL);
		return MR_TABLE_FULL;
	}
	return MR_OK;
}

static bool own_available(const struct mr_worker *w)
{
	return w->ext_pool.nfree != 0 && w->ext_pool.own.nfree != 0;
}

static enum mr_reason connect_open(struct mr_worker *w, const struct mr_connect_opts *opts,
				   struct flow_key *key, mr_conn *c)
{
	struct flows *f = &w->flows[key->family == 6];
	uint16_t group = connect_group(w, opts->callbacks), hop;
	enum mr_reason why = MR_OK;
	struct conn_ref r;
	uint64_t hash;

	if (group == MR_NONE16)
		return MR_BAD_ARGUMENT;
	if (opts->options != NULL && !own_available(w)) {
		mr_count(&w->counters, MR_C_CONN_NO_OPTIONS);
		return MR_NO_MEMORY;
	}
	if (opts->data != NULL && !fastopen_room(w, opts->data))
		return MR_NO_MEMORY;
	if (!tuple_pick(w, f, key, opts->local.port, &hash)) {
		mr_count(&w->counters, MR_C_CONNECT_NO_TUPLE);
		return MR_NO_TUPLE;
	}
	hop = neigh_route(w, w->range_of[key->laddr], opts->remote.addr, &why);
	if (hop == MR_NONE16)
		return why;
	r = conn_at(f, table_insert(&f->table, key, hash));
	MR_ASSERT(r.index != TABLE_NIL);
	w->cx.family = key->family;
	w->cx.params = &w->params;
	tcp_begin_active(&w->cx, r.c, isn_make(w, key));
	conn_begin(r.c, group, hop, opts->user);
	if (opts->options != NULL)
		own_options(w, r, opts->options);
	w->group[group].stats.open++;
	*c = conn_handle(w, r);
	fastopen_active(w, r, opts);
	return MR_OK;
}

enum mr_reason mr_connect(struct mr_worker *w, const struct mr_connect_opts *opts, mr_conn *c)
{
	struct flow_key key;
	enum mr_reason why = connect_check(w, opts);

	*c = MR_CONN_NONE;
	if (why != MR_OK)
		return why;
	if (!connect_key(w, opts, &key))
		return MR_NO_ROUTE;
	if (opts->local.port != 0 && tuple_worker(w, &key) != w->id) {
		mr_count(&w->counters, MR_C_CONNECT_WRONG_WORKER);
		return MR_WRONG_WORKER;
	}
	return connect_open(w, opts, &key, c);
}

/* Active opens of a burst that open_active() may take. */
static void connect_lane(struct mr_worker *w, const struct mr_connect_opts *opts, unsigned int n,
			 struct open_lane *l)
{
	l->n = 0;
	for (unsigned int i = 0; i < n; i++) {
		uint16_t group;
		uint64_t words[2];

		if (opts[i].options != NULL || opts[i].data != NULL ||
		    connect_check(w, &opts[i]) != MR_OK || !connect_words(w, &opts[i], words))
			continue;
		group = connect_group(w, opts[i].callbacks);
		if (group == MR_NONE16)
			continue;
		l->user[l->n] = opts[i].user;
		l->group[l->n] = group;
		l->w[0][l->n] = words[0];
		l->w[1][l->n] = words[1];
		l->of[l->n++] = (uint8_t)i;
	}
	if (l->n == 0)
		return;
	mr_sip13_burst(&w->key_table, LANE_WORDS(l, w, 0), l->hash, l->n);
	mr_sip13_burst(&w->key_isn, LANE_WORDS(l, w, 0), l->isn, l->n);
	mr_sip13_burst(&w->key_ts, LANE_WORDS(l, w, 0), l->ts, l->n);
	for (uint32_t k = 0; k < l->n; k++) {
		uint32_t next = table_next_free(&w->flows[0].table, k);

		table_prefetch_bucket(&w->flows[0].table, l->hash[k]);
		timewait_prefetch(w->flows[0].tw, l->hash[k]);
		if (next != TABLE_NIL)
			table_prefetch_record(&w->flows[0].table, next);
	}
}

void mr_connect_burst(struct mr_worker *w, const struct mr_connect_opts *opts, unsigned int n,
		      struct mr_connect_result *out)
{
	struct open_lane l;
	uint64_t rest = n == 64 ? ~0ull : (1ull << n) - 1;

	MR_ASSERT(n <= MR_CONNECT_BURST);
	connect_lane(w, opts, n, &l);
	for (uint32_t k = 0; k < l.n; k++) {
		uint32_t i = l.of[k];

		if (MR_LIKELY(open_active(w, &l, k, &out[i].c))) {
			out[i].why = MR_OK;
			rest &= ~(1ull << i);
		}
	}
	for (; rest != 0; rest &= rest - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(rest);

		out[i].why = mr_connect(w, &opts[i], &out[i].c);
	}
}

/* ---- sending and receiving ---- */

static void sent(struct mr_worker *w, struct conn_ref r, unsigned int flags)
{
	if ((flags & MR_SEND_MORE) == 0)
		conn_mark_dirty(w, r);
}

uint32_t mr_send(struct mr_worker *w, mr_conn c, struct rte_mbuf *data, unsigned int flags)
{
	struct conn_ref r = conn_usable(w, c);
	uint32_t len = data->pkt_len;

	if (r.c == NULL)
		return 0;
	if (!tcp_send(&w->cx, r.c, data, flags)) {
		/* The timer that on_writable may come by is armed with the output. */
		conn_mark_dirty(w, r);
		return 0;
	}
	path_apply(w, r);
	sent(w, r, flags);
	return len;
}

uint32_t mr_send_room(struct mr_worker *w, mr_conn c)
{
	struct conn_ref r = conn_usable(w, c);

	return r.c == NULL ? 0 : tcp_send_room(&w->cx, r.c);
}

void mr_want_writable(struct mr_worker *w, mr_conn c)
{
	struct conn_ref r = conn_usable(w, c);

	if (r.c == NULL)
		return;
	tcp_want_writable(&w->cx, r.c);
	conn_mark_dirty(w, r);
}

/* Queues one freshly filled mbuf; frees it when it is not taken. */
static bool send_own(struct mr_worker *w, struct conn_ref r, struct rte_mbuf *m, unsigned int flags)
{
	if (tcp_send(&w->cx, r.c, m, flags))
		return true;
	rte_pktmbuf_free(m);
	return false;
}

uint32_t mr_send_copy(struct mr_worker *w, mr_conn c, const void *data, uint32_t len,
		      unsigned int flags)
{
	struct conn_ref r = conn_usable(w, c);
	uint32_t done = 0;

	while (r.c != NULL && done < len) {
		uint32_t room = tcp_send_room(&w->cx, r.c), n;
		struct rte_mbuf *m;

		n = MR_MIN(len - done, MR_MIN(room, 1460u));
		m = n == 0 ? NULL
		    : n <= MR_COPY_MAX ? rte_pktmbuf_alloc(w->ctl_pool) : mbuf_of_handler(w);
		if (m == NULL) {
			tcp_want_writable(&w->cx, r.c);
			break;
		}
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), (const char *)data + done, n);
		if (!send_own(w, r, m, done + n < len ? flags | MR_SEND_MORE : flags))
			break;
		done += n;
	}
	if (r.c == NULL)
		return done;
	path_apply(w, r);
	sent(w, r, done < len ? 0 : flags);
	return done;
}

void mr_consumed(struct mr_worker *w, mr_conn c, uint32_t len)
{
	struct conn_ref r = conn_usable(w, c);

	if (r.c == NULL || len == 0)
		return;
	tcp_consumed(&w->cx, r.c, len);
	conn_mark_dirty(w, r);
}

/* ---- ending ---- */

enum mr_reason mr_shutdown(struct mr_worker *w, mr_conn c)
{
	struct conn_ref r = conn_usable(w, c);

	if (r.c == NULL)
		return MR_NO_SUCH_CONN;
	if (!tcp_shutdown(&w->cx, r.c))
		return MR_WRONG_STATE;
	conn_mark_dirty(w, r);
	return MR_OK;
}

/* What a user call's verdict leads to: RST at once, the report at the end of the burst. */
static void act_on(struct mr_worker *w, struct conn_ref r, unsigned int was,
		   const struct tcp_verdict *v)
{
	conn_left_opening(w, r, was, v);
	if (v->bits & TCP_V_RST)
		output_rst(w, r, v);
	if (v->bits & TCP_V_GONE)
		conn_bury(w, r, (enum mr_reason)v->reason);
	else
		conn_mark_dirty(w, r);
}

/* The timer of mr_set_timeout. Rounded up; 0 means off, so the tick numbered 0 is taken later. */
static void user_timer(struct mr_worker *w, struct conn_ref r, uint32_t ms)
{
	uint16_t tick = (uint16_t)((w->now_ms + ms + MR_USER_TICK_MS - 1) / MR_USER_TICK_MS);

	r.c->user_deadline = tick == 0 ? 1 : tick;
	if (r.c != w->current.c) {
		uint32_t due;

		conn_user_due(w, r.c, &due);
		wheel_arm(w->flows[r.v6].wheel, r.index, due);
	}
}

enum mr_reason mr_close(struct mr_worker *w, mr_conn c)
{
	struct conn_ref r = conn_usable(w, c);
	struct tcp_verdict v;
	unsigned int was;

	if (r.c == NULL)
		return MR_NO_SUCH_CONN;
	r.c->user_deadline = 0;
	if (MR_LIKELY(!w->params_vary && tcp_close_simple(r.c))) {
		conn_mark_dirty(w, r);
		return MR_OK;
	}
	was = tcp_state(r.c);
	tcp_close(&w->cx, r.c, &v);
	if ((v.bits & TCP_V_GONE) == 0 && w->cx.params->linger_ms != MR_LINGER_OFF)
		user_timer(w, r, w->cx.params->linger_ms);	/* the handler has no use for it */
	act_on(w, r, was, &v);
	return MR_OK;
}

enum mr_reason mr_abort(struct mr_worker *w, mr_conn c)
{
	struct conn_ref r = conn_usable(w, c);
	struct tcp_verdict v = {0};
	unsigned int was;

	if (r.c == NULL)
		return MR_NO_SUCH_CONN;
	was = tcp_state(r.c);
	tcp_abort(&w->cx, r.c, MR_ABORTED, &v);
	act_on(w, r, was, &v);
	return MR_OK;
}

enum mr_reason mr_set_timeout(struct mr_worker *w, mr_conn c, uint32_t ms)
{
	struct conn_ref r = conn_by_handle(w, c);

	if (r.c == NULL || (r.c->spare & CONN_DEAD) != 0)
		return MR_NO_SUCH_CONN;
	if (ms > MR_USER_TIMEOUT_MAX_MS)
		return MR_BAD_ARGUMENT;
	if (r.c->flags & TCP_F_CLOSED)	/* the timer is the linger time's now */
		return MR_WRONG_STATE;
	if (ms == 0)
		r.c->user_deadline = 0;
	else
		user_timer(w, r, ms);
	return MR_OK;
}

/* ---- asking ---- */

uint32_t mr_user(struct mr_worker *w, mr_conn c)
{
	struct conn_ref r = conn_of(w, c);

	return r.c == NULL ? 0 : r.c->user;
}

void mr_set_user(struct mr_worker *w, mr_conn c, uint32_t user)
{
	struct conn_ref r = conn_by_handle(w, c);

	if (r.c != NULL)
		r.c->user = user;
}

void conn_endpoints(const struct mr_worker *w, const struct flow_key *key,
		    struct mr_endpoint *local, struct mr_endpoint *remote)
{
	memset(local, 0, sizeof(*local));
	memset(remote, 0, sizeof(*remote));
	local->family = remote->family = key->family;
	local->port = rte_be_to_cpu_16(key->lport);
	remote->port = rte_be_to_cpu_16(key->rport);
	laddr_get(w, key->laddr, local->addr);
	memcpy(remote->addr, key->raddr, key->family == 4 ? 4 : 16);
}

enum mr_reason mr_tcp_info(struct mr_worker *w, mr_conn c, struct mr_tcp_info *info)
{
	struct conn_ref r = conn_by_handle(w, c);
	struct flow_key key;

	memset(info, 0, sizeof(*info));
	if (r.c == NULL)
		return MR_NO_SUCH_CONN;
	conn_key(r, &key);
	conn_cx(w, r);
	if ((r.c->spare & CONN_DEAD) == 0)
		tcp_info(&w->cx, r.c, info);
	conn_endpoints(w, &key, &info->local, &info->remote);
	return MR_OK;
}

void stack_get_params(const struct mr_worker *w, struct tcp_params *p) { *p = w->params; }

void stack_set_load(struct mr_worker *w, unsigned int load) { w->load = load; }

unsigned int mr_load(const struct mr_worker *w) { return w->load; }

unsigned int mr_worker_id(const struct mr_worker *w) { return w->id; }

uint32_t mr_now_ms(const struct mr_worker *w) { return w->now_ms; }

uint64_t mr_now_us(const struct mr_worker *w) { return w->now_us; }

void *mr_handler_arg(struct mr_worker *w, mr_conn c)
{
	struct conn_ref r = conn_by_handle(w, c);

	return r.c == NULL ? NULL : conn_group(w, r.c)->arg;
}

void mr_count_event(struct mr_worker *w, mr_conn c, unsigned int counter)
{
	struct conn_ref r = conn_by_handle(w, c);

	MR_ASSERT(counter < MR_C_COUNT);
	mr_count(&w->counters, (enum mr_counter)counter);
	if (r.c != NULL)
		conn_group(w, r.c)->stats.limited++;
}

struct rte_mbuf *mr_mbuf_alloc(struct mr_worker *w) { return mbuf_of_handler(w); }
