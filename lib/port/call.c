/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From other threads into a worker: calls that are waited for, statistics made of them, and the
 * commands of DPDK's telemetry. Owns the list of engines and the calls that nobody waits for any
 * more. Never blocks a worker: a worker only sets a word.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_telemetry.h>
#include <rte_version.h>

#include "check.h"
#include "eal.h"
#include "engine_impl.h"
#include "monotonic.h"

#define WAIT_STEP_NS 20000
#define STATS_WAIT_MS 1000u

/*
 * A call goes WAITING -> RUNNING -> DONE on the worker, or WAITING -> ABANDONED by the caller whose
 * time is up. Whoever makes the first move has it. An abandoned one may still lie in the worker's
 * mail, so it is kept until the worker has seen it (SEEN) or the engine is gone.
 */
enum call_state { CALL_WAITING, CALL_RUNNING, CALL_DONE, CALL_ABANDONED, CALL_SEEN };

struct engine_call_slot {
	struct engine_call_slot *next;
	void (*fn)(struct mr_worker *w, void *arg);
	void *arg;
	int state; /* enum call_state, atomically */
};

/* `lock` guards the list of engines, `calls_lock` their abandoned calls; in this order. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t calls_lock = PTHREAD_MUTEX_INITIALIZER;
static struct engine *engines;

void engine_register(struct engine *e)
{
	pthread_mutex_lock(&lock);
	e->next = engines;
	engines = e;
	pthread_mutex_unlock(&lock);
}

void engine_unregister(struct engine *e)
{
	struct engine **at = &engines;

	pthread_mutex_lock(&lock);
	while (*at != NULL && *at != e)
		at = &(*at)->next;
	if (*at != NULL)
		*at = e->next;
	pthread_mutex_unlock(&lock);
}

void engine_free_calls(struct engine *e)
{
	while (e->calls != NULL) {
		struct engine_call_slot *slot = e->calls;

		e->calls = slot->next;
		free(slot);
	}
}

/* ---- calls ---- */

static bool move(struct engine_call_slot *slot, int from, int to)
{
	return __atomic_compare_exchange_n(&slot->state, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* On the worker, between bursts. */
static void call_runs(struct mr_worker *w, void *arg)
{
	struct engine_call_slot *slot = arg;

	if (!move(slot, CALL_WAITING, CALL_RUNNING)) {
		__atomic_store_n(&slot->state, CALL_SEEN, __ATOMIC_RELEASE);
		return;
	}
	slot->fn(w, slot->arg);
	__atomic_store_n(&slot->state, CALL_DONE, __ATOMIC_RELEASE);
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_NS}, NULL);
}

/* True when it ran. False: it is abandoned, and no longer the caller's. */
static bool await(struct engine *e, struct engine_call_slot *slot, uint32_t timeout_ms)
{
	uint64_t end = mr_monotonic_ms() + timeout_ms;

	while (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != CALL_DONE) {
		bool late = mr_monotonic_ms() >= end ||
			    !__atomic_load_n(&e->running, __ATOMIC_ACQUIRE);

		if (late && move(slot, CALL_WAITING, CALL_ABANDONED))
			return false;
		nap();
	}
	return true;
}

/* Frees abandoned calls that their worker has seen. */
static void reap(struct engine *e)
{
	struct engine_call_slot **at = &e->calls;

	while (*at != NULL) {
		struct engine_call_slot *slot = *at;

		if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != CALL_SEEN) {
			at = &slot->next;
			continue;
		}
		*at = slot->next;
		free(slot);
	}
}

static void keep(struct engine *e, struct engine_call_slot *slot)
{
	pthread_mutex_lock(&calls_lock);
	reap(e);
	slot->next = e->calls;
	e->calls = slot;
	pthread_mutex_unlock(&calls_lock);
}

static bool call_on_worker(struct engine *e, struct engine_call_slot *slot, unsigned int id,
			   uint32_t timeout_ms)
{
	uint64_t end = mr_monotonic_ms() + timeout_ms;

	while (!mr_post(id, call_runs, slot)) {
		if (mr_monotonic_ms() >= end) {
			free(slot);
			return false;
		}
		nap();
	}
	if (!await(e, slot, timeout_ms)) {
		keep(e, slot);
		return false;
	}
	free(slot);
	return true;
}

bool engine_call(struct engine *e, unsigned int i, void (*fn)(struct mr_worker *w, void *arg),
		 void *arg, uint32_t timeout_ms)
{
	struct engine_call_slot *slot;

	if (i >= e->cfg.nworkers || e->worker[i].stack == NULL)
		return false;
	if (!__atomic_load_n(&e->running, __ATOMIC_ACQUIRE)) {
		fn(e->worker[i].stack, arg);
		return true;
	}
	slot = calloc(1, sizeof(*slot));
	if (slot == NULL)
		return false;
	slot->fn = fn;
	slot->arg = arg;
	return call_on_worker(e, slot, e->worker[i].id, timeout_ms);
}

/* ---- statistics ---- */

static uint64_t racy(const uint64_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

void engine_loop_counters(const struct engine *e, unsigned int i, struct mr_counters *into)
{
	const struct engine_worker *w;

	if (i >= e->cfg.nworkers)
		return;
	w = &e->worker[i];
	for (unsigned int c = 0; c < MR_C_COUNT; c++)
		into->v[c] += racy(&w->counters.v[c]);
	into->v[MR_C_LOOP_TURNS] += racy(&w->turns);
	into->v[MR_C_LOOP_IDLE] += racy(&w->turns) - racy(&w->busy_turns);
}

void engine_load(const struct engine *e, unsigned int i, struct engine_load *out)
{
	const struct engine_worker *w;

	memset(out, 0, sizeof(*out));
	if (i >= e->cfg.nworkers)
		return;
	w = &e->worker[i];
	out->turns = racy(&w->turns);
	out->busy_turns = racy(&w->busy_turns);
	out->busy_tsc = racy(&w->busy_tsc);
	out->total_tsc = racy(&w->total_tsc);
	out->tsc_hz = eal_clock()->hz;
	for (uint16_t p = 0; p < w->nports; p++) {
		out->tx_backlogged += racy(&w->txq[p].backlogged);
		out->tx_refused += racy(&w->txq[p].refused);
	}
}

static void copy_stats(struct mr_worker *w, void *arg)
{
	stack_stats(w, arg);
}

bool engine_worker_stats(struct engine *e, unsigned int i, struct stack_stats *out)
{
	memset(out, 0, sizeof(*out));
	if (!engine_call(e, i, copy_stats, out, STATS_WAIT_MS))
		return false;
	engine_loop_counters(e, i, &out->counters);
	return true;
}

static void add_family(struct stack_stats *sum, const struct stack_stats *s, unsigned int f)
{
	sum->conns_open[f] += s->conns_open[f];
	sum->conns_high_water[f] += s->conns_high_water[f];
	sum->conns_capacity[f] += s->conns_capacity[f];
	sum->time_wait[f] += s->time_wait[f];
	sum->time_wait_high_water[f] += s->time_wait_high_water[f];
	sum->time_wait_capacity[f] += s->time_wait_capacity[f];
}

static void add_stats(struct stack_stats *sum, const struct stack_stats *s)
{
	mr_counters_add(&sum->counters, &s->counters);
	add_family(sum, s, 0);
	add_family(sum, s, 1);
	for (unsigned int i = 0; i < TCP_STATES; i++)
		sum->states[i] += s->states[i];
	sum->ext_used += s->ext_used;
	sum->ext_high_water += s->ext_high_water;
	sum->ext_capacity += s->ext_capacity;
	sum->mbufs_held += s->mbufs_held;
	sum->data_pool_free += s->data_pool_free;
	sum->ctl_pool_free += s->ctl_pool_free;
	sum->wheel_behind_ms = MR_MAX(sum->wheel_behind_ms, s->wheel_behind_ms);
	sum->wheel_items_max = MR_MAX(sum->wheel_items_max, s->wheel_items_max);
}

bool engine_stats(struct engine *e, struct stack_stats *out)
{
	struct stack_stats *one = aligned_alloc(alignof(struct stack_stats), sizeof(*one));
	bool good = one != NULL;

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; good && i < e->cfg.nworkers; i++) {
		good = engine_worker_stats(e, i, one);
		if (good)
			add_stats(out, one);
	}
	free(one);
	return good;
}

/* ---- telemetry ---- */

/* DPDK 23.03 renamed the function for unsigned values and deprecated its old name. */
static void put(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	rte_tel_data_add_dict_uint(d, name, value);
#else
	rte_tel_data_add_dict_u64(d, name, value);
#endif
}

/* Telemetry allows no dot in a name: "rx.frames" becomes "rx/frames". */
static void put_counters(struct rte_tel_data *d, const struct mr_counters *c)
{
	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s", mr_counter_info[i].name);
		for (char *at = name; *at != '\0'; at++)
			if (*at == '.')
				*at = '/';
		put(d, name, c->v[i]);
	}
}

static struct engine *engine_of(const char *name)
{
	struct engine *e = engines;

	while (e != NULL && strcmp(e->cfg.name, name) != 0)
		e = e->next;
	return e;
}

/* "/millrace/stats": the names of the engines; "/millrace/stats,NAME": the counters of one. */
static int telemetry_stats(const char *cmd MR_UNUSED, const char *params, struct rte_tel_data *d)
{
	struct stack_stats *stats = aligned_alloc(alignof(struct stack_stats), sizeof(*stats));
	struct engine *e;
	int rc = -1;

	if (stats == NULL)
		return -1;
	pthread_mutex_lock(&lock);
	if (params == NULL || params[0] == '\0') {
		rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
		for (e = engines; e != NULL; e = e->next)
			rte_tel_data_add_array_string(d, e->cfg.name);
		rc = 0;
	} else {
		e = engine_of(params);
		if (e != NULL && engine_stats(e, stats)) {
			rte_tel_data_start_dict(d);
			put_counters(d, &stats->counters);
			rc = 0;
		}
	}
	pthread_mutex_unlock(&lock);
	free(stats);
	return rc;
}

static void put_port(struct rte_tel_data *d, const struct engine_port_info *info)
{
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "driver", info->driver);
	rte_tel_data_add_dict_string(d, "profile", info->profile);
	rte_tel_data_add_dict_string(d, "steering", info->steering);
	put(d, "link_up", info->link_up);
	put(d, "mtu", info->mtu);
	put(d, "rx_queues", info->rx_queues);
	put(d, "tx_queues", info->tx_queues);
	put(d, "rx_missed", info->rx_missed);
	put(d, "rx_errors", info->rx_errors);
	put(d, "tx_errors", info->tx_errors);
	put(d, "rx_nombuf", info->rx_nombuf);
}

/* "/millrace/ports": the names of the ports; "/millrace/ports,NAME": what is known of one. */
static int telemetry_ports(const char *cmd MR_UNUSED, const char *params, struct rte_tel_data *d)
{
	bool list = params == NULL || params[0] == '\0';
	struct engine_port_info info;
	int rc = list ? 0 : -1;

	if (list)
		rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	pthread_mutex_lock(&lock);
	for (const struct engine *e = engines; e != NULL; e = e->next) {
		for (uint16_t i = 0; engine_port_info(e, i, &info); i++) {
			if (list) {
				rte_tel_data_add_array_string(d, info.name);
			} else if (strcmp(info.name, params) == 0) {
				put_port(d, &info);
				rc = 0;
			}
		}
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void engine_telemetry_init(void)
{
	rte_telemetry_register_cmd("/millrace/stats", telemetry_stats,
				   "Engines, or the counters of one. Parameters: engine name");
	rte_telemetry_register_cmd("/millrace/ports", telemetry_ports,
				   "Ports of the engines, or one. Parameters: port name");
}
