/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker: built from its configuration, turned by a poll loop, taken down. Start reading at
 * stack_rx() and stack_turn(); the packet's way goes on in pipeline.c (bursts), input.c (one
 * segment, in order), react.c (what a verdict leads to) and output.c (frames).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "isa.h"
#include "rows.h"
#include "worker.h"

void stack_config_default(struct stack_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	tcp_params_default(&cfg->tcp);
	cfg->port_range_first = 1024;
	cfg->port_range_last = 65535;
	cfg->conns4 = 65536;
	cfg->conns6 = 16384;
	cfg->time_wait4 = 65536;
	cfg->time_wait6 = 16384;
	cfg->extensions = 16384;
	cfg->options = 1024;
	cfg->neighbours = 4096;
	cfg->reassemblies = 256;
	cfg->reassembly_ms = 60000;
	cfg->mbufs_reserve = 512;
	cfg->fast_path = true;
	cfg->syncookies = STACK_COOKIES_ON;
	cfg->rst_per_s = 100000;
	cfg->icmp_per_s = 1000;
}

/* Timers of a full table: the load factor that DESIGN's figures were measured with. */
#define INDEX_LOAD_PERCENT 55
/* The longest 2MSL that a TIME_WAIT wheel's lowest level must span. */
#define TIME_WAIT_SLACK_MS 1000u

static struct table_config table_config_of(uint8_t family, uint32_t capacity, int node)
{
	return (struct table_config){
		.capacity = capacity,
		.stride = family == 4 ? sizeof(struct conn4) : sizeof(struct conn6),
		.key_offset = offsetof(struct tcp_conn, laddr),
		.family = family,
		.load_percent = INDEX_LOAD_PERCENT,
		.node = node,
	};
}

static struct wheel_config wheel_config_of(uint8_t family, uint32_t capacity, uint8_t *records,
					   int node)
{
	return (struct wheel_config){
		.records = records,
		.stride = family == 4 ? sizeof(struct conn4) : sizeof(struct conn6),
		.word_offset = offsetof(struct tcp_conn, wheel_word),
		.capacity = capacity,
		.tick_ms = 1,
		.level0_bits = 12,
		.node = node,
	};
}

size_t stack_memory(const struct stack_config *cfg)
{
	const uint32_t conns[2] = {cfg->conns4, cfg->conns6};
	const uint32_t tw[2] = {cfg->time_wait4, cfg->time_wait6};
	size_t sum = sizeof(struct mr_worker) + tcp_ext_memory(cfg->extensions);

	sum += tcp_own_memory(cfg->options);
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t family = i == 0 ? 4 : 6;
		struct table_config tc = table_config_of(family, conns[i], -1);
		struct wheel_config wc = wheel_config_of(family, conns[i], NULL, -1);

		if (conns[i] == 0)
			continue;
		sum += table_memory(&tc) + wheel_memory(&wc) + timewait_memory(family, tw[i]);
	}
	return sum;
}

static int flows_setup(struct mr_worker *w, const struct stack_init *init, unsigned int i)
{
	const struct stack_config *cfg = init->cfg;
	struct flows *f = &w->flows[i];
	uint32_t conns = i == 0 ? cfg->conns4 : cfg->conns6;
	struct table_config tc;
	struct wheel_config wc;

	f->w = w;
	f->family = i == 0 ? 4 : 6;
	if (conns == 0)
		return 0;
	tc = table_config_of(f->family, conns, init->node);
	if (table_create(&f->table, &tc) != 0)
		return -ENOMEM;
	f->on = true;
	wc = wheel_config_of(f->family, conns, f->table.records, init->node);
	f->wheel = wheel_create(&wc, w->now_ms);
	f->tw = timewait_create(f->family, i == 0 ? cfg->time_wait4 : cfg->time_wait6,
				2 * w->msl_max_ms + TIME_WAIT_SLACK_MS, init->node, w->now_ms);
	return f->wheel == NULL || f->tw == NULL ? -ENOMEM : 0;
}

/* From the kernel, or with a seed (simulation, replay) from that. */
static void keys_setup(struct mr_worker *w, uint64_t seed)
{
	struct mr_sipkey *keys[] = {&w->key_table, &w->key_isn, &w->key_ts};
	uint64_t rng_seed = seed;

	if (seed == 0)
		mr_random_bytes(&rng_seed, sizeof(rng_seed));
	mr_rng_seed(&w->rng, rng_seed);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(keys); i++) {
		if (seed == 0) {
			mr_random_bytes(keys[i], sizeof(*keys[i]));
		} else {
			keys[i]->k0 = mr_rng_next(&w->rng);
			keys[i]->k1 = mr_rng_next(&w->rng);
		}
	}
}

static void worker_setup(struct mr_worker *w, const struct stack_init *init)
{
	const struct stack_config *cfg = init->cfg;

	w->id = init->id;
	w->group_first = init->group_first;
	w->group_count = init->group_count;
	w->data_pool = init->data_pool;
	w->ctl_pool = init->ctl_pool;
	w->nports = init->nports;
	w->io = init->io;
	memcpy(w->port, init->port, sizeof(w->port));
	for (uint16_t p = 0; p < w->nports; p++)
		memcpy(&w->mac_word[p], w->port[p].mac, sizeof(w->port[p].mac));
	tcp_params_check(&cfg->tcp);
	w->params = cfg->tcp;
	w->msl_max_ms = MR_MAX(cfg->msl_max_ms, cfg->tcp.msl_ms);
	w->fast_path = cfg->fast_path;
	w->mbufs_reserve = cfg->mbufs_reserve;
	w->rx_check = MR_MAX(cfg->mbufs_reserve / 2, MR_BURST);
	w->port_first = cfg->port_range_first;
	w->port_last = cfg->port_range_last;
	w->dead_head = w->dead_tail = TABLE_NIL;
	keys_setup(w, cfg->seed);
	w->cx.challenge_key = (struct mr_sipkey){mr_rng_next(&w->rng), mr_rng_next(&w->rng)};
	w->cx.params = &w->params;
	w->cx.counters = &w->counters;
	stack_set_time(w, init->now_us);
	cookies_init(&w->cookies, &init->cookie_secret, cfg->seed, w->now_us);
	tfo_keys_init(&w->tfo_keys, &w->cookies.secret, w->now_us);
	w->rst_rate = (struct rate){cfg->rst_per_s, cfg->rst_per_s, w->now_ms};
	w->icmp_rate = (struct rate){cfg->icmp_per_s, cfg->icmp_per_s, w->now_ms};
}

/* What connections may queue may be all from one pool (static content: the control pool). */
static uint64_t mbufs_bound(const struct stack_init *init)
{
	return (uint64_t)MR_MIN(init->data_pool->size, init->ctl_pool->size) / 4 * 3;
}

struct mr_worker *stack_create(const struct stack_init *init, const char **why)
{
	const struct stack_config *cfg = init->cfg;
	struct mr_worker *w = aligned_alloc(MR_CACHE_LINE, (sizeof(*w) + 63u) & ~63ul);

	/* Idempotent: the burst hash gets the best variant of this CPU before any worker turns. */
	mr_isa_select(mr_isa_best());
	*why = "no memory for the worker";
	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	worker_setup(w, init);
	if (addr_setup(w, cfg, why) != 0)
		goto fail;
	*why = "no memory for the connection tables (see the sizes printed at start)";
	if (flows_setup(w, init, 0) != 0 || flows_setup(w, init, 1) != 0)
		goto fail;
	*why = "no memory for extension records";
	if (tcp_ext_pool_create(&w->ext_pool, cfg->extensions, mbufs_bound(init), init->node) != 0)
		goto fail;
	w->cx.pool = &w->ext_pool;
	*why = "no memory for options, neighbours, fragments or mail rings";
	if (tcp_own_create(&w->ext_pool, cfg->options, init->node) != 0 ||
	    neigh_setup(w, cfg->neighbours) != 0 || datagram_setup(w, init) != 0 ||
	    mail_setup(w) != 0)
		goto fail;
	return w;
fail:
	stack_destroy(w);
	return NULL;
}

void stack_destroy(struct mr_worker *w)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct flows *f = &w->flows[i];

		if (!f->on)
			continue;
		for (uint32_t k = 0; w->cx.pool != NULL && k < f->table.capacity; k++) {
			struct conn_ref r = conn_at(f, k);

			if (tcp_ext_index(r.c) != 0)
				tcp_release(&w->cx, r.c);
		}
		if (f->tw != NULL)
			timewait_destroy(f->tw);
		if (f->wheel != NULL)
			wheel_destroy(f->wheel);
		table_destroy(&f->table);
	}
	for (uint16_t p = 0; p < w->nports; p++)
		rte_pktmbuf_free_bulk(w->txq[p].m, w->txq[p].n);
	while (w->nspare != 0)
		rte_pktmbuf_free(w->spare[(w->spare_head + --w->nspare) % STACK_SPARE_LEN]);
	if (w->cx.pool != NULL)
		tcp_ext_pool_destroy(w->cx.pool);
	mail_teardown(w);
	ip_frags_destroy(w->frags);
	ip_paths_destroy(w->paths);
	tfo_cache_destroy(w->tfo_cache);
	neigh_teardown(w);
	addr_teardown(w);
	free(w);
}

void stack_set_time(struct mr_worker *w, uint64_t now_us)
{
	MR_CHECK(now_us >= w->now_us);
	w->now_us = now_us;
	w->now_ms = (uint32_t)(now_us / 1000);	/* by a constant: a multiplication */
	w->cx.now_us = now_us;
	w->cx.now_ms = w->now_ms;
}

void stack_rx(struct mr_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	MR_CHECK(n <= MR_BURST && port < w->nports);
	mr_count_n(&w->counters, MR_C_RX_FRAMES, n);
	w->rx_unchecked += n;
	if (MR_UNLIKELY(w->rx_unchecked >= w->rx_check))
		pressure_update(w);
	if (w->fast_path) {
		pipeline_burst(w, port, pkts, n);
	} else {
		for (uint16_t i = 0; i < n; i++)
			input_frame(w, port, pkts[i]);
	}
	finish_burst(w);
}

#define PRESSURE_TURNS 128u	/* power of two */

bool stack_turn(struct mr_worker *w)
{
	uint32_t done = 0;

	if ((w->turns++ & (PRESSURE_TURNS - 1)) == 0) {
		pressure_update(w);
		datagram_turn(w);
	}
	for (unsigned int i = 0; i < 2; i++) {
		struct flows *f = &w->flows[i];
		uint64_t expired;

		if (!f->on)
			continue;
		done += wheel_turn(f->wheel, w->now_ms, STACK_TIMER_BUDGET, conn_fire, f);
		expired = timewait_turn(f->tw, w->now_ms, STACK_TIMER_BUDGET, &w->key_table);
		done += (uint32_t)expired;
	}
	done += mail_turn(w);
	if (MR_UNLIKELY(w->paths->live != 0))
		path_turn(w);
	done += neigh_turn(w);
	finish_burst(w);
	return done != 0;
}

uint32_t stack_idle_ms(const struct mr_worker *w, uint32_t max_ms)
{
	uint32_t ms = max_ms;

	if (w->ndirty != 0 || w->dead_head != TABLE_NIL ||
	    (w->flows[0].sweep_left | w->flows[1].sweep_left) != 0)
		return 0;
	ms = neigh_idle_ms(w, ms);
	for (unsigned int i = 0; i < 2; i++) {
		const struct flows *f = &w->flows[i];

		if (!f->on)
			continue;
		ms = MR_MIN(ms, wheel_idle_ms(f->wheel, ms));
		ms = MR_MIN(ms, timewait_idle_ms(f->tw, ms));
	}
	return ms;
}

void stack_link(struct mr_worker *w, uint16_t port, bool up)
{
	w->port[port].up = up;
	if (up)
		neigh_announce(w, port);
}

/* ---- what an operator sees ---- */

static void flows_stats(const struct flows *f, unsigned int i, struct stack_stats *out)
{
	struct timewait_stats tw;
	struct wheel_stats ws;

	timewait_stats(f->tw, &tw);
	wheel_stats(f->wheel, &ws);
	out->conns_open[i] = f->table.live;
	out->conns_high_water[i] = f->table.high_water;
	out->conns_capacity[i] = f->table.capacity;
	out->time_wait[i] = tw.live;
	out->time_wait_high_water[i] = tw.high_water;
	out->time_wait_capacity[i] = tw.capacity;
	out->states[__builtin_ctz(TCP_TIME_WAIT)] += tw.live;
	out->wheel_behind_ms =
		MR_MAX(out->wheel_behind_ms, MR_MAX(ws.behind_ms, tw.wheel.behind_ms));
	out->wheel_items_max =
		MR_MAX(out->wheel_items_max, MR_MAX(ws.items_max, tw.wheel.items_max));
	out->counters.v[MR_C_WHEEL_STALE] += ws.stale + tw.wheel.stale;
	out->counters.v[MR_C_TW_EXPIRED] += tw.expired;
}

void stack_stats(const struct mr_worker *w, struct stack_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->counters = w->counters;
	for (unsigned int i = 0; i < 2; i++)
		if (w->flows[i].on)
			flows_stats(&w->flows[i], i, out);
	for (unsigned int s = 0; s < TCP_STATES; s++)
		if ((1u << s & (TCP_CLOSED | TCP_LISTEN | TCP_TIME_WAIT)) == 0)
			out->states[s] += w->cx.states[s];
	out->ext_used = w->ext_pool.capacity - w->ext_pool.nfree;
	out->ext_high_water = w->ext_pool.high_water;
	out->ext_capacity = w->ext_pool.capacity;
	out->mbufs_held = w->ext_pool.mbufs_held;
	out->data_pool_free = rte_mempool_avail_count(w->data_pool);
	out->ctl_pool_free = rte_mempool_avail_count(w->ctl_pool) + w->nspare;
}

bool stack_listener_stats(const struct mr_worker *w, uint32_t i, struct stack_listener_stats *out)
{
	if (i >= w->ngroups)
		return false;
	*out = w->group[i].stats;
	return true;
}

uint32_t stack_list(struct mr_worker *w, struct stack_cursor *cur, const struct stack_query *q,
		    struct stack_conn_row *rows, uint32_t max)
{
	uint32_t n = 0, looked = 0;

	while (n < max && looked < q->steps && !cur->done)
		n += list_step(w, cur, q, &rows[n], &looked);
	return n;
}

void stack_check(const struct mr_worker *w)
{
	mbufs_check(w);
	for (unsigned int i = 0; i < 2; i++) {
		const struct flows *f = &w->flows[i];

		if (!f->on)
			continue;
		table_check(&f->table);
		wheel_check(f->wheel);
		timewait_check(f->tw, &w->key_table);
		for (uint32_t k = 0; k < f->table.capacity; k++) {
			const struct tcp_conn *c = table_record(&f->table, k);

			if (tcp_state(c) != TCP_CLOSED)
				tcp_check(&w->cx, c);
		}
	}
}

/* ---- listeners that come and go while the worker runs ---- */

/* A group that no listener and no connection uses, or MR_NONE16. */
static uint16_t group_unused(struct mr_worker *w)
{
	for (uint32_t i = w->nlisteners; i < w->ngroups; i++) {
		const struct group *g = &w->group[i];

		if (g->passive && !g->listening && g->stats.open == 0 && g->stats.syn_rcvd == 0)
			return (uint16_t)i;
	}
	return w->ngroups < STACK_GROUPS_MAX ? (uint16_t)w->ngroups : MR_NONE16;
}

static bool listener_taken(const struct mr_worker *w, const struct stack_listener *l)
{
	uint16_t id = w->listener_of_port[l->port_first];

	for (; id != MR_NONE16; id = w->group[id].next) {
		const struct group *g = &w->group[id];

		if (g->family == l->family && g->prefix_len == l->prefix_len &&
		    memcmp(g->addr, l->addr, 16) == 0)
			return true;
	}
	return false;
}

enum mr_reason stack_listen(struct mr_worker *w, const struct stack_listener *l, uint16_t *id)
{
	uint16_t i = group_unused(w);

	if (i == MR_NONE16)
		return MR_TABLE_FULL;
	if (l->port_first != l->port_last)
		return MR_BAD_ARGUMENT;
	if (listener_taken(w, l))
		return MR_ADDRESS_IN_USE;
	if (listener_add(w, l, i) != NULL) {
		w->group[i].listening = false;	/* nobody found it: it is unused still */
		w->ngroups += i == w->ngroups;
		return MR_BAD_ARGUMENT;
	}
	w->ngroups += i == w->ngroups;
	*id = i;
	return MR_OK;
}

void stack_unlisten(struct mr_worker *w, uint16_t id)
{
	MR_ASSERT(id < w->ngroups && w->group[id].listening);
	listener_unlink(w, id);
	w->group[id].listening = false;
}
