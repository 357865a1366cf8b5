/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a command line implies, computed before anything starts: source tuples against the rate and
 * 2MSL, capacities of tables on both sides, configurations of their stacks. Pure arithmetic.
 */
#ifndef MB_PLAN_H
#define MB_PLAN_H

#include "options.h"
#include "stack.h"
#include "tuples.h"

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
	bool steered; /* the port's RSS gives every tuple to one of the workers */
	uint64_t tuples, tuples_needed;
	uint64_t sustained_per_s; /* rate at which TIME_WAIT uses all tuples; UINT64_MAX: never */
	uint32_t slots;		  /* connections at once, per worker */
	uint32_t at_once; /* connections being opened (hold: or closed) at once, per worker */
	struct mb_plan_side client, server;
};

/** 0, or -1 with a complete sentence in err (exit status 2). */
int mb_plan_make(const struct mb_options *o, struct mb_plan *p, char err[MB_ERROR_MAX]);
/** Tuples of worker `index` where nothing steers, ready to be walked. */
void mb_plan_tuples(const struct mb_options *o, const struct mb_plan *p, unsigned int index,
		    struct mb_tuples *t);
/** And where the owner does. */
void mb_plan_tuples_steered(const struct mb_options *o, const struct mb_plan *p,
			    unsigned int index, const struct mb_owner *owner, struct mb_tuples *t);
/** Configurations of both sides' stacks, without listeners. */
void mb_plan_client_stack(const struct mb_options *o, const struct mb_plan *p,
			  struct stack_config *cfg);
void mb_plan_server_stack(const struct mb_options *o, const struct mb_plan *p,
			  struct stack_config *cfg);
/**
 * When the ports run: does RSS deal the replies out, and has every worker enough tuples whose
 * replies it receives? Sets steered, and lowers sustained_per_s to what the poorest worker can keep
 * up. 0, or -1 with a complete sentence in err.
 */
int mb_plan_share(const struct mb_options *o, struct mb_plan *p, const struct mb_owner *owner,
		  char err[MB_ERROR_MAX]);
/** Does addr lie in the prefix? Families must be equal. */
bool mb_prefix_holds(const struct mb_prefix *prefix, const uint8_t addr[16]);

#endif /* MB_PLAN_H */
