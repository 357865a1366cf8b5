/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine: it takes lcores and worker ids, plans and starts its ports, makes pools and stacks,
 * and launches one loop per worker; and undoes all of it in the opposite order. Owns struct engine
 * and the worker ids of the process. Never runs on the packet path. Read next: loop.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "check.h"
#include "eal.h"
#include "engine_impl.h"
#include "redial.h"
#include "rng.h"

#define IDLE_MAX_US_DEFAULT 100u

/* Worker ids are part of connection handles: unique over the engines of the process. */
static bool id_taken[MR_WORKERS_MAX];

void engine_say(struct engine *e, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (e->nnotes < ENGINE_NOTES_MAX)
		e->note[e->nnotes] = strdup(text);
	if (e->nnotes < ENGINE_NOTES_MAX && e->note[e->nnotes] != NULL)
		e->nnotes++;
}

const char *engine_note(const struct engine *e, unsigned int i)
{
	return i < e->nnotes ? e->note[i] : NULL;
}

/* ---- ids and lcores ---- */

/* The lowest run of n free ids, taken; MR_WORKERS_MAX when there is none. */
static unsigned int take_ids(unsigned int n)
{
	unsigned int run = 0;

	for (unsigned int id = 0; id < MR_WORKERS_MAX; id++) {
		run = id_taken[id] ? 0 : run + 1;
		if (run < n)
			continue;
		for (unsigned int k = 0; k < n; k++)
			id_taken[id - k] = true;
		return id - n + 1;
	}
	return MR_WORKERS_MAX;
}

static int take_lcores(struct engine *e, const char **why)
{
	for (unsigned int i = 0; i < e->cfg.nworkers; i++)
		e->worker[i].lcore = -1;
	for (unsigned int i = 0; i < e->cfg.nworkers; i++) {
		e->worker[i].lcore = eal_claim_lcore(e->cfg.lcores[i]);
		if (e->worker[i].lcore >= 0)
			continue;
		*why = port_why(
			"Engine %s wants a worker on CPU %u, but eal_start was given no (further) "
			"worker for it.",
			e->cfg.name, e->cfg.lcores[i]);
		return -1;
	}
	return 0;
}

/* ---- workers ---- */

/* A worker's memory belongs on the node of its NIC: packets come from there. */
static void settle_node(struct engine *e, struct engine_worker *w)
{
	int nic = rte_eth_dev_socket_id(e->port[0].id);
	int cpu = (int)rte_lcore_to_socket_id((unsigned int)w->lcore);

	w->node = nic >= 0 ? nic : cpu;
	if (nic >= 0 && nic != cpu)
		engine_say(e,
			   "Worker %u runs on CPU %u of NUMA node %d, but port %s is on node %d: "
			   "every packet crosses nodes.",
			   w->index, e->cfg.lcores[w->index], cpu, e->port[0].cfg.name, nic);
}

static void give_queues(struct engine *e, struct engine_worker *w)
{
	for (uint16_t i = 0; i < e->cfg.nports; i++) {
		const struct engine_port *p = &e->port[i];

		for (uint16_t q = (uint16_t)w->index; q < p->rx_queues;
		     q = (uint16_t)(q + e->cfg.nworkers)) {
			MR_ASSERT(w->nrxq < MR_ARRAY_LEN(w->rxq));
			w->rxq[w->nrxq++] = (struct rx_queue){
				.port = p->id,
				.queue = q,
				.index = i,
				.burst = (uint16_t)p->profile.rx_burst,
				.keep_flags = p->rx_keep_flags,
			};
		}
		tx_init(&w->txq[i], p->id, (uint16_t)w->index,
			(p->tx_offloads & ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0, &w->counters);
		/* A link that is up already is news to the stack: it announces its addresses. */
		w->link_seen[i] = false;
	}
	w->npolled = w->nrxq;
	w->nports = e->cfg.nports;
}

static int make_stack(struct engine *e, struct engine_worker *w, const char **why)
{
	struct stack_init init = {
		.cfg = e->cfg.stack,
		.id = w->id,
		.group_first = e->id_first,
		.group_count = e->cfg.nworkers,
		.node = w->node,
		.data_pool = w->data_pool,
		.ctl_pool = w->ctl_pool,
		.nports = e->cfg.nports,
		.io = {.ctx = w, .transmit = loop_transmit},
		.cookie_secret = e->cookie_secret,
		.now_us = mr_clock_us(eal_clock(), mr_tsc()),
	};

	for (uint16_t i = 0; i < e->cfg.nports; i++)
		port_for_stack(&e->port[i], &init.port[i]);
	w->stack = stack_create(&init, why);
	return w->stack != NULL ? 0 : -1;
}

/* Before the first port is started: its driver's callbacks may run from then on. */
static void join_gate(struct engine *e)
{
	uint32_t ports = 0;

	for (uint16_t i = 0; i < e->cfg.nports; i++)
		ports |= (uint32_t)e->port[i].gated << i;
	for (unsigned int i = 0; ports != 0 && i < e->cfg.nworkers; i++)
		gate_join(&e->worker[i].gate, ports);
}

static int bring_up(struct engine *e, uint16_t i, const char **why)
{
	int rc;

	if (!e->port[i].gated)
		return port_bring_up(e, i, why);
	gate_lock();
	e->port[i].engine = e;
	redial_begin(&e->port[i]);
	rc = port_bring_up(e, i, why);
	gate_line(NULL);
	gate_unlock();
	if (rc == 0 && gate_callbacks() == 0)
		engine_say(e,
			   "Port %s: its driver does not see this program's functions, so the end "
			   "of the port's peer may end this process.",
			   e->port[i].cfg.name);
	return rc;
}

static void bring_down(struct engine *e, uint16_t i)
{
	if (!e->port[i].gated) {
		port_bring_down(e, i);
		return;
	}
	redial_end(&e->port[i]);
	gate_lock();
	port_bring_down(e, i);
	gate_unlock();
}

/* ---- create and destroy ---- */

static int check_config(const struct engine_config *cfg, const char **why)
{
	if (cfg->nports == 0 || cfg->nports > MR_PORTS_MAX)
		*why = port_why("Engine %s has %u ports: expected 1 to %u.", cfg->name, cfg->nports,
				MR_PORTS_MAX);
	else if (cfg->nworkers == 0 || cfg->nworkers > MR_WORKERS_MAX)
		*why = port_why("Engine %s has %u workers: expected 1 to %u.", cfg->name,
				cfg->nworkers, MR_WORKERS_MAX);
	else if (cfg->stack == NULL)
		*why = port_why("Engine %s has no configuration of its stack.", cfg->name);
	else
		return 0;
	return -1;
}

static int create_all(struct engine *e, const char **why)
{
	for (uint16_t i = 0; i < e->cfg.nports; i++)
		if (port_plan(e, i, why) != 0)
			return -1;
	for (unsigned int i = 0; i < e->cfg.nworkers; i++) {
		settle_node(e, &e->worker[i]);
		if (pools_create(e, i, why) != 0)
			return -1;
	}
	join_gate(e);
	for (uint16_t i = 0; i < e->cfg.nports; i++)
		if (bring_up(e, i, why) != 0)
			return -1;
	/* With a seed each worker makes the same secret of it. */
	if (e->cfg.stack->seed == 0)
		mr_random_bytes(&e->cookie_secret, sizeof(e->cookie_secret));
	for (unsigned int i = 0; i < e->cfg.nworkers; i++) {
		give_queues(e, &e->worker[i]);
		if (make_stack(e, &e->worker[i], why) != 0)
			return -1;
	}
	return 0;
}

static struct engine *allocate(const struct engine_config *cfg)
{
	struct engine *e = calloc(1, sizeof(*e));
	size_t workers = cfg->nworkers * sizeof(struct engine_worker);

	if (e == NULL)
		return NULL;
	e->cfg = *cfg;
	if (e->cfg.idle_max_us == 0)
		e->cfg.idle_max_us = IDLE_MAX_US_DEFAULT;
	e->id_first = MR_WORKERS_MAX;
	e->worker = aligned_alloc(MR_CACHE_LINE, workers);
	if (e->worker == NULL) {
		free(e);
		return NULL;
	}
	memset(e->worker, 0, workers);
	return e;
}

static int take_names(struct engine *e, const char **why)
{
	if (take_lcores(e, why) != 0)
		return -1;
	e->id_first = take_ids(e->cfg.nworkers);
	if (e->id_first == MR_WORKERS_MAX) {
		*why = port_why("The engines of this process have more than %u workers.",
				MR_WORKERS_MAX);
		return -1;
	}
	for (unsigned int i = 0; i < e->cfg.nworkers; i++) {
		e->worker[i].engine = e;
		e->worker[i].index = i;
		e->worker[i].id = e->id_first + i;
	}
	rte_eth_dev_owner_new(&e->owner.id);
	snprintf(e->owner.name, sizeof(e->owner.name), "engine %.31s", e->cfg.name);
	return 0;
}

struct engine *engine_create(const struct engine_config *cfg, const char **why)
{
	struct engine *e;

	if (check_config(cfg, why) != 0)
		return NULL;
	e = allocate(cfg);
	if (e == NULL) {
		*why = port_why("No memory is left for engine %s.", cfg->name);
		return NULL;
	}
	if (take_names(e, why) != 0 || create_all(e, why) != 0) {
		engine_destroy(e);
		return NULL;
	}
	engine_register(e);
	return e;
}

void engine_destroy(struct engine *e)
{
	if (e == NULL)
		return;
	MR_ASSERT(!e->running);
	engine_unregister(e);
	for (unsigned int i = 0; i < e->cfg.nworkers; i++)
		if (e->worker[i].stack != NULL)
			stack_destroy(e->worker[i].stack);
	engine_free_calls(e);
	for (uint16_t i = 0; i < e->cfg.nports; i++)
		bring_down(e, i);
	pools_destroy(e);
	for (unsigned int i = 0; i < e->cfg.nworkers; i++) {
		gate_leave(&e->worker[i].gate);
		eal_release_lcore(e->worker[i].lcore);
		if (e->id_first < MR_WORKERS_MAX)
			id_taken[e->id_first + i] = false;
	}
	for (unsigned int i = 0; i < e->nnotes; i++)
		free(e->note[i]);
	free(e->worker);
	free(e);
}

/* ---- running ---- */

int engine_start(struct engine *e)
{
	for (unsigned int i = 0; i < e->cfg.nworkers; i++)
		gate_stop(&e->worker[i].gate, false);
	__atomic_store_n(&e->running, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < e->cfg.nworkers; i++) {
		if (rte_eal_remote_launch(loop_run, &e->worker[i],
					  (unsigned int)e->worker[i].lcore) == 0)
			continue;
		engine_request_stop(e);
		engine_wait(e);
		return -1;
	}
	return 0;
}

void engine_request_stop(struct engine *e)
{
	for (unsigned int i = 0; i < e->cfg.nworkers; i++)
		gate_stop(&e->worker[i].gate, true);
}

void engine_wait(struct engine *e)
{
	for (unsigned int i = 0; i < e->cfg.nworkers; i++)
		rte_eal_wait_lcore((unsigned int)e->worker[i].lcore);
	__atomic_store_n(&e->running, false, __ATOMIC_RELEASE);
}

unsigned int engine_workers(const struct engine *e)
{
	return e->cfg.nworkers;
}

struct mr_worker *engine_worker(const struct engine *e, unsigned int i)
{
	return i < e->cfg.nworkers ? e->worker[i].stack : NULL;
}

unsigned int engine_worker_of(const struct engine *e, uint16_t i, const struct mr_endpoint *remote,
			      const struct mr_endpoint *local)
{
	if (i >= e->cfg.nports || e->port[i].steer.reta_size == 0)
		return e->cfg.nworkers;
	return steer_worker(&e->port[i].steer, remote, local) - e->id_first;
}

bool engine_port_info(const struct engine *e, uint16_t i, struct engine_port_info *out)
{
	const struct engine_port *p;
	struct rte_eth_stats stats;
	struct stack_port sp;

	if (i >= e->cfg.nports)
		return false;
	p = &e->port[i];
	memset(out, 0, sizeof(*out));
	port_for_stack(p, &sp);
	snprintf(out->name, sizeof(out->name), "%s", p->cfg.name);
	snprintf(out->driver, sizeof(out->driver), "%s", p->info.driver_name);
	snprintf(out->profile, sizeof(out->profile), "%s", p->profile.origin);
	snprintf(out->steering, sizeof(out->steering), "%s", p->steering);
	memcpy(out->mac, sp.mac, sizeof(out->mac));
	out->mtu = p->mtu;
	out->rx_queues = p->rx_queues;
	out->tx_queues = p->tx_queues;
	out->rx_desc = p->rx_desc;
	out->tx_desc = p->tx_desc;
	out->link_up = sp.up;
	out->rss = p->rss;
	out->multi_seg = sp.multi_seg;
	out->tx_offload = sp.tx_offload;
	if (rte_eth_stats_get(p->id, &stats) == 0) {
		out->rx_missed = stats.imissed;
		out->rx_errors = stats.ierrors;
		out->tx_errors = stats.oerrors;
		out->rx_nombuf = stats.rx_nombuf;
	}
	return true;
}
