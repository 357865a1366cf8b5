/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wheel over records that know their deadline, and the naive twin: a scan over all of them. Owns
 * the records of one test.
 */
#ifndef WHEEL_FIXTURE_H
#define WHEEL_FIXTURE_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "rng.h"
#include "wheel.h"

#define OWNER_BITS	0xa0000000u	/* the top 4 bits of every word: must survive */

struct timer {
	uint32_t word;
	uint32_t deadline_ms;
	uint32_t due_ms;		/* deadline, or the next tick if that was in the past */
	uint32_t armed;
	uint32_t fires;			/* calls of the fire function, early ones too */
	uint32_t expired;		/* those that found the deadline reached */
};

struct clockwork {
	struct wheel *wheel;
	struct timer *timers;
	uint32_t count, now_ms, tick_ms;
	uint32_t period_ms;		/* not 0: an expired timer is armed again */
	uint64_t expired, max_late_ms;
	struct mr_rng rng;
};

static inline void on_fire(void *ctx, uint32_t index, uint32_t now_ms)
{
	struct clockwork *cw = ctx;
	struct timer *t = &cw->timers[index];
	uint32_t late;

	t->fires++;
	if (!t->armed)
		return;
	if (seq_gt(t->deadline_ms, now_ms)) {
		wheel_arm(cw->wheel, index, t->deadline_ms);
		return;
	}
	late = now_ms - t->deadline_ms;
	if (late > cw->max_late_ms)
		cw->max_late_ms = late;
	t->expired++;
	cw->expired++;
	t->armed = cw->period_ms != 0;
	if (t->armed) {
		t->deadline_ms = t->due_ms = now_ms + cw->period_ms;
		wheel_arm(cw->wheel, index, t->deadline_ms);
	}
}

static inline void cw_create(struct clockwork *cw, struct wheel_config cfg, uint32_t now_ms)
{
	memset(cw, 0, sizeof(*cw));
	cw->count = cfg.capacity;
	cw->tick_ms = cfg.tick_ms;
	cw->timers = calloc(cw->count, sizeof(struct timer));
	cr_assert_not_null(cw->timers);
	for (uint32_t i = 0; i < cw->count; i++)
		cw->timers[i].word = OWNER_BITS | i;	/* low bits: dirt that create must clear */
	cfg.records = (uint8_t *)cw->timers;
	cfg.stride = sizeof(struct timer);
	cfg.word_offset = offsetof(struct timer, word);
	cfg.node = -1;
	cw->wheel = wheel_create(&cfg, now_ms);
	cr_assert_not_null(cw->wheel);
	cw->now_ms = now_ms;
	mr_rng_seed(&cw->rng, 1);
}

static inline void cw_destroy(struct clockwork *cw)
{
	for (uint32_t i = 0; i < cw->count; i++)
		cr_assert_eq(cw->timers[i].word & ~WHEEL_WORD_MASK, OWNER_BITS);
	wheel_destroy(cw->wheel);
	free(cw->timers);
}

/* The owner's deadline alone, without a call: allowed when it moves later. */
static inline void cw_move(struct clockwork *cw, uint32_t index, uint32_t deadline_ms)
{
	uint32_t next_tick_ms = (cw->now_ms & ~(cw->tick_ms - 1)) + cw->tick_ms;

	cw->timers[index].deadline_ms = deadline_ms;
	cw->timers[index].due_ms = seq_max(deadline_ms, next_tick_ms);
	cw->timers[index].armed = 1;
}

static inline void cw_arm(struct clockwork *cw, uint32_t index, uint32_t deadline_ms)
{
	cw_move(cw, index, deadline_ms);
	wheel_arm(cw->wheel, index, deadline_ms);
}

static inline uint32_t cw_turn(struct clockwork *cw, uint32_t now_ms, uint32_t budget)
{
	uint32_t handled;

	cw->now_ms = now_ms;
	handled = wheel_turn(cw->wheel, now_ms, budget, on_fire, cw);
	cr_assert_leq(handled, budget);
	return handled;
}

/* The twin: after a turn that had budget left, nobody whose tick has come is still waiting. */
static inline void cw_assert_none_due(const struct clockwork *cw)
{
	uint32_t tick_now = cw->now_ms & ~(cw->tick_ms - 1);

	for (uint32_t i = 0; i < cw->count; i++)
		if (cw->timers[i].armed)
			cr_assert(seq_gt(cw->timers[i].due_ms, tick_now), "timer %u of %u at %u", i,
				  cw->timers[i].due_ms, cw->now_ms);
}

/* The earliest deadline of the twin, as a distance from now; UINT32_MAX: none. */
static inline uint32_t cw_earliest_ms(const struct clockwork *cw)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < cw->count; i++)
		if (cw->timers[i].armed)
			best = MR_MIN(best, cw->timers[i].due_ms - cw->now_ms);
	return best;
}

#endif /* WHEEL_FIXTURE_H */
