/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The figures of all workers, taken one worker at a time between two of its bursts, and merged.
 * Each snapshot must add up, and must agree with what the engine counted on its own; a run whose
 * accounts do not is worth nothing and says so. Control thread only.
 */
#ifndef MB_SNAPSHOT_H
#define MB_SNAPSHOT_H

#include "figures.h"
#include "rig.h"

/* What a worker of the client hands over. */
struct mb_shot {
	struct mb_client *client;
	struct mb_account account;
	uint32_t slots_used;
	bool behind; /* arrivals of the past wait to be accounted for */
	struct stack_stats stats;
	struct mb_hists *filled; /* recorded since the last one; ours until the next */
};

/* Both sides at one moment, workers merged: 0 is the client, 1 the server. */
struct mb_moment {
	uint64_t tsc;
	struct mb_account account;
	uint64_t slots_used; /* connections that the clients keep */
	bool behind;	     /* mb_shot.behind of any */
	struct stack_stats stats[2];
	struct engine_load load[2][MB_CPUS_MAX];
	uint64_t waited_ns[2][MB_CPUS_MAX]; /* of a worker's thread for its CPU */
	uint64_t rx_nombuf[2];		    /* frames that found no mbuf to be received into */
};

struct mb_snapshot {
	struct engine *engine[2]; /* [1] is NULL when the server is elsewhere */
	const struct mr_clock *clock;
	const pid_t (*tid)[MB_CPUS_MAX];
	struct mb_shot shot[MB_CPUS_MAX];
	struct mb_moment now, base; /* base: when measuring began */
	struct mb_hists all;	    /* measured span */
	struct mr_hist second;	    /* handshakes since the last snapshot */
	bool measuring;
	bool broken; /* a worker did not answer, or accounts did not add up */
};

void mb_snapshot_init(struct mb_snapshot *s, const struct mb_rig *rig);
/** Takes one; s->broken when it cannot, or does not add up. */
void mb_snapshot_take(struct mb_snapshot *s);
/** Ends the warm-up: what was recorded so far is left out of `all`, and `base` is now. */
void mb_snapshot_measure(struct mb_snapshot *s);
/** Puts every worker of the client into a stage. */
void mb_snapshot_stage(struct mb_snapshot *s, enum mb_stage stage);
/** Seconds, accounts and sides from base to now. */
void mb_snapshot_span(const struct mb_snapshot *s, struct mb_figures *g);
/** No connection is left on either side, and every arrival is accounted for. */
bool mb_snapshot_all_gone(const struct mb_snapshot *s);
/** Nor any TIME_WAIT entry. */
bool mb_snapshot_empty(const struct mb_snapshot *s);

#endif /* MB_SNAPSHOT_H */
