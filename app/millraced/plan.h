/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the configuration to what EAL, the engine and the handlers are started with, and the memory
 * all of it takes: known before any of it is taken. Control thread, before start.
 */
#ifndef MR_PLAN_H
#define MR_PLAN_H

#include "config.h"
#include "engine.h"
#include "handlers.h"

struct plan {
	struct eal_options eal;
	struct engine_config engine;
	struct stack_config stack;
	struct stack_listener listener[CONFIG_LISTENERS_MAX];
	struct handler_set handlers;
	int node[MR_WORKERS_MAX];	/* NUMA node of each worker's CPU; -1: not known */
	/* Octets. */
	uint64_t tables, handler_state, content, packets;	/* packets: content as well */
};

/**
 * Fills *plan; cfg must outlive it. 0, or -1 with *why (valid until the next call). plan_free()
 * is due after a failure too.
 */
int plan_make(struct plan *plan, const struct config *cfg, const char *program, const char **why);
void plan_free(struct plan *plan);
/** Says how much memory will be taken, and of what; -1 with *why when the machine has not got it.
 */
int plan_check_memory(const struct plan *plan, FILE *out, const char **why);

#endif /* MR_PLAN_H */
