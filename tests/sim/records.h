/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the engines: what must hold of every record after every step, what must hold of whole
 * tables and wheels now and then, and digests of everything at fixed times, by which a run with the
 * fast path is compared with one without.
 */
#ifndef SIM_RECORDS_H
#define SIM_RECORDS_H

#include "apps.h"

enum sim_digest { SIM_D_FRAMES, SIM_D_RECORDS, SIM_D_TIMERS, SIM_D_TIME_WAIT, SIM_D_COUNTERS,
		  SIM_DIGESTS };

/* The state of all engines at a multiple of the period. */
struct sim_mark {
	uint64_t number;
	uint64_t digest[SIM_DIGESTS];
};

struct sim_records {
	struct sim *sim;
	struct sim_apps *apps;
	uint32_t every;			/* steps between checks of whole structures; 0: never */
	uint32_t violations;
	uint64_t checks, whole_checks;	/* of one record; of all tables and wheels */
	/* what each side's record was at its last check: things that never go back */
	struct sim_last *last;
	uint32_t oldest;		/* flow; all before are over */
	struct sim_mark *mark;
	uint32_t nmarks, marks_cap;
	bool marking;
	uint64_t dump;			/* number of a mark to be printed, 0: none */
};

void sim_records_init(struct sim_records *r, struct sim *s, struct sim_apps *a, uint32_t every,
		      bool marking);
/** Before a step: marks the multiple of the period that it passes. */
void sim_records_before(struct sim_records *r, uint64_t next_us);
/** After a step: the records that frames or timers touched, and every so often everything. */
void sim_records_after(struct sim_records *r, const struct sim_watchers *w);
/** Compares the marks of two runs; prints the first difference. Number of differences, 0 or 1. */
unsigned int sim_records_compare(const struct sim_records *fast, const struct sim_records *plain);
void sim_records_fini(struct sim_records *r);

#endif /* SIM_RECORDS_H */
