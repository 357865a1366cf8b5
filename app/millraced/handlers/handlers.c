/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of handlers, the memory of their listeners, and the slot each connection has in it. Owns
 * the pools of all workers; a pool is touched by its worker only.
 */
#include <stdlib.h>
#include <string.h>
#include <rte_mbuf.h>

#include "counters.h"

#include "handlers.h"

static const struct handler *const all_handlers[] = {
	&handler_close, &handler_discard, &handler_echo,
	&handler_http,	&handler_line,	  &handler_source,
};

const struct handler *handler_at(unsigned int i)
{
	return i < MR_ARRAY_LEN(all_handlers) ? all_handlers[i] : NULL;
}

const struct handler *handler_find(const char *name)
{
	for (unsigned int i = 0; i < MR_ARRAY_LEN(all_handlers); i++) {
		if (strcmp(all_handlers[i]->name, name) == 0)
			return all_handlers[i];
	}
	return NULL;
}

size_t handler_memory(const struct handler *h, const struct handler_options *opt)
{
	return pool_item_size(h->state_size) * opt->open_max;
}

/* ---- Listeners: control thread --------------------------------------------------------------- */

int handlers_init(struct handler_set *set, uint32_t n)
{
	*set = (struct handler_set){0};
	set->listener = calloc(MR_MAX(n, 1u), sizeof(*set->listener));
	return set->listener != NULL ? 0 : -1;
}

struct handler_listener *handlers_add(struct handler_set *set, const struct handler *h,
				      const struct handler_options *opt)
{
	struct handler_listener *l = &set->listener[set->nlisteners++];

	l->handler = h;
	l->opt = *opt;
	return l;
}

/* One mapping of a worker's pools, cut up among the listeners. */
static int map_worker(struct handler_set *set, uint32_t worker, int node)
{
	struct mr_bigmem *mem = &set->mem[worker];
	size_t len = 0;
	uint8_t *at;

	for (uint32_t i = 0; i < set->nlisteners; i++)
		len += handler_memory(set->listener[i].handler, &set->listener[i].opt);
	if (len > 0 && mr_bigmem_map(mem, len, node) != 0)
		return -1;
	at = mem->addr;
	for (uint32_t i = 0; i < set->nlisteners; i++) {
		struct handler_listener *l = &set->listener[i];

		if (l->handler->state_size == 0)
			continue;
		pool_init(&l->pool[worker], at, l->handler->state_size, l->opt.open_max);
		at += handler_memory(l->handler, &l->opt);
	}
	return 0;
}

int handlers_open(struct handler_set *set, uint32_t nworkers, const int *node, const char **why)
{
	for (uint32_t w = 0; w < nworkers; w++) {
		set->nworkers = w + 1;
		if (map_worker(set, w, node[w]) != 0) {
			*why = "the handlers' connection state does not fit the free memory: lower "
			       "open_max of the listeners";
			return -1;
		}
	}
	for (uint32_t i = 0; i < set->nlisteners; i++) {
		struct handler_listener *l = &set->listener[i];

		if (l->handler->open != NULL && l->handler->open(l, why) != 0)
			return -1;
	}
	return 0;
}

void handlers_close(struct handler_set *set)
{
	for (uint32_t i = 0; i < set->nlisteners; i++) {
		struct handler_listener *l = &set->listener[i];

		if (l->handler->close != NULL && l->shared != NULL)
			l->handler->close(l);
	}
	for (uint32_t w = 0; w < set->nworkers; w++)
		mr_bigmem_unmap(&set->mem[w]);
	free(set->listener);
	*set = (struct handler_set){0};
}

int handler_share(struct handler_listener *l, const void *octets, size_t len, const char **why)
{
	l->shared = mr_static_create(octets, len);
	if (l->shared != NULL)
		return 0;
	*why = "no memory for what the listeners send";
	return -1;
}

void handler_unshare(struct handler_listener *l)
{
	mr_static_destroy(l->shared);
}

/* ---- Connections: their worker --------------------------------------------------------------- */

static struct pool *pool_of(struct mr_worker *w, struct handler_listener *l)
{
	return &l->pool[mr_worker_id(w)];
}

void *session_try_open(struct mr_worker *w, mr_conn c)
{
	struct handler_listener *l = session_listener(w, c);
	struct pool *pool = pool_of(w, l);
	uint32_t index = pool_take(pool);
	void *state;

	mr_set_user(w, c, index);
	if (index == POOL_NONE)
		return NULL;
	state = pool_at(pool, index);
	limits_start(w, c, &l->opt.limits, state, l->handler->peer_speaks_first);
	return state;
}

void *session_open(struct mr_worker *w, mr_conn c)
{
	void *state = session_try_open(w, c);

	if (state == NULL)
		session_refuse(w, c);
	return state;
}

void session_refuse(struct mr_worker *w, mr_conn c)
{
	mr_count_event(w, c, MR_C_CONN_LIMIT_OPEN);
	mr_abort(w, c);
}

void *session_of(struct mr_worker *w, mr_conn c)
{
	uint32_t index = mr_user(w, c);

	return index != POOL_NONE ? pool_at(pool_of(w, session_listener(w, c)), index) : NULL;
}

void *session_active(struct mr_worker *w, mr_conn c)
{
	struct limits *l = session_of(w, c);

	if (l != NULL)
		limits_touch(w, l);
	return l;
}

void session_drop_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *data)
{
	mr_consumed(w, c, data->pkt_len);
	rte_pktmbuf_free(data);
}

void session_close(struct mr_worker *w, mr_conn c)
{
	uint32_t index = mr_user(w, c);

	if (index == POOL_NONE)
		return;
	pool_give(pool_of(w, session_listener(w, c)), index);
	mr_set_user(w, c, POOL_NONE);
}

void session_accept(struct mr_worker *w, mr_conn c)
{
	session_open(w, c);
}

void session_timeout(struct mr_worker *w, mr_conn c)
{
	struct limits *l = session_of(w, c);

	if (l != NULL)
		limits_check(w, c, &session_listener(w, c)->opt.limits, l);
}

void session_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	(void)reason;
	session_close(w, c);
}

/*
 * mr_shutdown and not mr_close: data of the peer that is still under way would be answered by RST
 * after a close (RFC 9293 3.6.1), and the RST may overtake our last octets in the peer's queue.
 */
void session_linger(struct mr_worker *w, mr_conn c, struct limits *l)
{
	mr_shutdown(w, c);
	limits_enter(w, c, &session_listener(w, c)->opt.limits, l, LIMITS_LINGER);
}
