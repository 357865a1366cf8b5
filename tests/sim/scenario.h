/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scenarios: what a run's network, applications, capacities and enemies are, drawn from its seed.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "hostile.h"

struct sim_setup {
	struct sim_link link;
	struct sim_wishes wish;
	struct sim_hostile_wish hostile;
	struct tcp_params tcp;
	uint32_t conns, time_wait, extensions, mbufs, mbufs_reserve, backlog, poll_us;
};

struct sim_scenario {
	const char *name, *help;
	unsigned int weight;	/* among all, when none was asked for */
	void (*draw)(struct mr_rng *r, struct sim_setup *s);
};

/** By name; NULL: there is none. */
const struct sim_scenario *sim_scenario_find(const char *name);
/** One of all, by weight. */
const struct sim_scenario *sim_scenario_draw(struct mr_rng *r);
/** What the seed says; wishes that are set already (total, concurrency, sizes) stay. */
void sim_setup_draw(const struct sim_scenario *sc, struct mr_rng *r, struct sim_setup *s);
/** The list, printed. */
void sim_scenario_list(void);

#endif /* SIM_SCENARIO_H */
