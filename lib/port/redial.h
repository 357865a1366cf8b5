/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port that connects to its peer by itself and whose driver gives up for good when that ends:
 * net_memif with role=client. Stopped and started it connects again: every REDIAL_US, in EAL's
 * interrupt thread, until somebody listens. Owns when; never runs on a worker. Included by engine.c
 * alone. Private to lib/port.
 */
#ifndef MR_REDIAL_H
#define MR_REDIAL_H

#include <rte_alarm.h>

#include "eal.h"
#include "engine_impl.h"

#define REDIAL_US	100000u

static void redial(void *arg);

/* With the gate's lock. An alarm that cannot be had is a port that stays down, as without this. */
static void redial_later(struct engine_port *p)
{
	if (rte_eal_alarm_set(REDIAL_US, redial, p) != 0)
		engine_say(p->engine, "Port %s does not connect again.", p->cfg.name);
}

static void redial_lost(struct gate_line *line)
{
	redial_later((struct engine_port *)((char *)line - offsetof(struct engine_port, line)));
}

/* A stopped device must not be polled: while nobody listens the workers keep away from the port. */
static void redial_now(struct engine_port *p)
{
	struct engine *e = p->engine;

	gate_close();
	if (!p->hung_up)
		rte_eth_dev_stop(p->id);
	gate_line(&p->line);
	eal_quiet(true);
	p->hung_up = rte_eth_dev_start(p->id) != 0;
	eal_quiet(false);
	gate_line(NULL);
	for (unsigned int i = 0; i < e->cfg.nworkers; i++)
		gate_away(&e->worker[i].gate, UINT32_C(1) << (p - e->port), p->hung_up);
	gate_open();
}

static void redial(void *arg)
{
	struct engine_port *p = arg;

	gate_lock();
	if (p->line.lost != NULL && p->line.open == 0) {
		redial_now(p);
		if (p->hung_up)
			redial_later(p);
	}
	gate_unlock();
}

/* Around what starts the port first: a connection of that time is this port's own. */
static void redial_begin(struct engine_port *p)
{
	p->line = (struct gate_line){.lost = redial_lost};
	gate_line(&p->line);
}

/* Without the lock, which an alarm that is under way may be waiting for. */
static void redial_end(struct engine_port *p)
{
	gate_lock();
	p->line.lost = NULL;
	gate_unlock();
	rte_eal_alarm_cancel(redial, p);
}

#endif /* MR_REDIAL_H */
