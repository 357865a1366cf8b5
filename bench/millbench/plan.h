/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a command line implies, computed before anything starts: source tuples against the rate and
 * 2MSL, capacities of tables on both sides, configurations of their stacks. Pure arithmetic.
 */
#ifndef MB_PLAN_H
#define MB_PLAN_H

#include "options.h"
#include "stack.h"

/* What the capacity of TIME_WAIT tables assumes of a closed loop, per worker and second. */
#define MB_CLOSED_LOOP_PER_S 5000000u
/* And its bound: 16M entries are 640 MB. */
#define MB_TIME_WAIT_MAX 16000000u

struct mb_plan_side {
	uint32_t conns, time_wait, extensions; /* per worker */
};

struct mb_plan {
	uint8_t source[16]; /* first source address, network order */
	uint8_t gateway[16];
	bool has_gateway;
	bool sources_apart; /* they are not the local address: they need an entry of their own */
	uint32_t naddrs;
	uint64_t tuples, tuples_needed;
	uint64_t sustained_per_s; /* rate at which TIME_WAIT uses all tuples; UINT64_MAX: never */
	uint32_t slots;		  /* connections at once, per worker */
	uint32_t at_once; /* connections being opened (hold: or closed) at once, per worker */
	struct mb_plan_side client, server;
};

/* Index of the worker that receives the replies of `remote` to `local`; the number of workers or
 * more where nothing tells, and every worker may use every tuple. */
struct mb_owner {
	unsigned int (*worker_of)(const void *ctx, const struct mr_endpoint *remote,
				  const struct mr_endpoint *local);
	const void *ctx;
};

/** 0, or -1 with a complete sentence in err (exit status 2). */
int mb_plan_make(const struct mb_options *o, struct mb_plan *p, char err[MB_ERROR_MAX]);
/** Configurations of both sides' stacks, without listeners. */
void mb_plan_client_stack(const struct mb_options *o, const struct mb_plan *p,
			  struct stack_config *cfg);
void mb_plan_server_stack(const struct mb_options *o, const struct mb_plan *p,
			  struct stack_config *cfg);
/**
 * When the ports run: has every worker enough tuples whose replies it receives? Lowers
 * sustained_per_s to what the poorest worker can keep up. As mb_plan_make().
 */
int mb_plan_share(const struct mb_options *o, struct mb_plan *p, const struct mb_owner *owner,
		  char err[MB_ERROR_MAX]);
/** Does addr lie in the prefix? Families must be equal. */
bool mb_prefix_holds(const struct mb_prefix *prefix, const uint8_t addr[16]);

#endif /* MB_PLAN_H */
