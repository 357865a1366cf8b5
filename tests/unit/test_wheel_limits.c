/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wheel at its limits: chunks exhausted, budget of one, clock jumps, millions in one slot,
 * pops.
 */
#include "wheel_fixture.h"

/* 1 % of the entries that are needed: most arms find no chunk, yet every timer expires. */
static void run_exhausted(uint32_t budget, uint32_t turns_allowed)
{
	struct wheel_config cfg = { .capacity = 20000, .tick_ms = 1, .level0_bits = 12,
				    .entries_percent = 1 };
	struct wheel_stats st;
	struct clockwork cw;
	uint32_t turns = 0;

	cw_create(&cw, cfg, 0);
	for (uint32_t i = 0; i < cw.count; i++)
		cw_arm(&cw, i, 100 + i % 3000);
	wheel_stats(cw.wheel, &st);
	cr_assert_gt(st.lost, 1000, "the pool did not run dry");
	cr_assert_eq(st.chunks_free, 0);
	wheel_check(cw.wheel);
	while (cw.now_ms < 3200) {
		cw_turn(&cw, cw.now_ms + 1, budget);
		if (cw.now_ms % 512 == 0)
			wheel_check(cw.wheel);
	}
	while (cw.expired < cw.count && turns++ < turns_allowed)
		cw_turn(&cw, cw.now_ms, budget);
	cr_assert_eq(cw.expired, cw.count, "%lu of %u expired", (unsigned long)cw.expired,
		     cw.count);
	wheel_stats(cw.wheel, &st);
	cr_assert_gt(st.swept, 1000);
	for (turns = 0; turns < 200000 && wheel_idle_ms(cw.wheel, 1) == 0; turns++)
		cw_turn(&cw, cw.now_ms + 1, budget);
	cr_assert_lt(turns, 200000, "the sweep does not end");
	wheel_check(cw.wheel);
	cw_destroy(&cw);
}

Test(wheel_limits, exhausted_pool_loses_no_timer) { run_exhausted(4096, 0); }
/*
 * Every sweep visits each record in at most capacity / budget turns of its own: every other turn.
 */
Test(wheel_limits, exhausted_pool_small_budget) { run_exhausted(64, 2 * 4 * 20000 / 64); }

Test(wheel_limits, exhausted_pool_lateness_is_one_sweep)
{
	struct wheel_config cfg = { .capacity = 20000, .tick_ms = 1, .level0_bits = 12,
				    .entries_percent = 1 };
	struct clockwork cw;

	cw_create(&cw, cfg, 0);
	for (uint32_t i = 0; i < cw.count; i++)
		cw_arm(&cw, i, 100 + i % 3000);
	while (cw.expired < cw.count) {
		cw_turn(&cw, cw.now_ms + 1, 20000);
		cr_assert_lt(cw.now_ms, 10000);
	}
	/* A quarter of the budget fires per sweeping turn: all 20000 in 4 sweeps, 8 turns of 1 ms;
	 * a timer lost again during its fire waits for the next round. */
	cr_assert_leq(cw.max_late_ms, 16, "%lu ms late", (unsigned long)cw.max_late_ms);
	cw_destroy(&cw);
}

/* Random operations while the pool is dry most of the time. */
Test(wheel_limits, exhausted_pool_random)
{
	struct wheel_config cfg = { .capacity = 3000, .tick_ms = 1, .level0_bits = 8,
				    .entries_percent = 1 };
	struct clockwork cw;
	struct wheel_stats st;

	cw_create(&cw, cfg, 0u - 4000u);
	for (uint32_t r = 0; r < 20000; r++) {
		for (uint32_t i = 0; i < 10; i++)
			cw_arm(&cw, (uint32_t)mr_rng_below(&cw.rng, cw.count),
			       cw.now_ms + (uint32_t)mr_rng_below(&cw.rng, i < 5 ? 100 : 20000));
		cw_turn(&cw, cw.now_ms + 1, 20000);
		if (r % 256 == 0)
			wheel_check(cw.wheel);
	}
	wheel_stats(cw.wheel, &st);
	cr_assert_gt(st.lost, 1000);
	cr_assert_leq(cw.max_late_ms, 16, "%lu ms late", (unsigned long)cw.max_late_ms);
	cw_destroy(&cw);
}

Test(wheel_limits, budget_of_one_resumes)
{
	struct wheel_config cfg = { .capacity = 1000, .tick_ms = 1, .level0_bits = 12 };
	struct clockwork cw;
	uint32_t turns = 0, handled;

	cw_create(&cw, cfg, 0);
	/* A third is near, a third far (each handled twice), a third in the very same slot. */
	for (uint32_t i = 0; i < 1000; i++)
		cw_arm(&cw, i, i % 3 == 0 ? 50 + i : i % 3 == 1 ? 7000 + i : 900);
	do {
		handled = cw_turn(&cw, 20000, 1);
		if (++turns % 64 == 0)
			wheel_check(cw.wheel);
		cr_assert_lt(turns, 5000);
	} while (handled != 0);
	cr_assert_eq(cw.expired, 1000);
	wheel_check(cw.wheel);
	cw_destroy(&cw);
}

/* Arming between the calls of an interrupted slot: nothing is fired twice, nothing forgotten. */
Test(wheel_limits, budget_of_one_with_arms_between)
{
	struct wheel_config cfg = { .capacity = 300, .tick_ms = 1, .level0_bits = 8,
				    .entries_percent = 1000 };
	struct clockwork cw;

	cw_create(&cw, cfg, 0u - 20000u);
	for (uint32_t r = 0; r < 200000; r++) {
		uint32_t i = (uint32_t)mr_rng_below(&cw.rng, cw.count);
		uint32_t ms = (uint32_t)mr_rng_below(&cw.rng, 2) ? 300 : 5000;

		if (mr_rng_below(&cw.rng, 4) == 0)
			cw_arm(&cw, i, cw.now_ms + (uint32_t)mr_rng_below(&cw.rng, ms));
		if (cw_turn(&cw, cw.now_ms + (mr_rng_below(&cw.rng, 8) == 0), 1) == 0)
			cw_assert_none_due(&cw);
		if (r % 1024 == 0)
			wheel_check(cw.wheel);
	}
	cr_assert_gt(cw.expired, 10000);
	cw_destroy(&cw);
}

/*
 * An entry that waits in an interrupted slot still counts: a later timer must not make it
 * forgotten.
 */
Test(wheel_limits, interrupted_slot_keeps_its_promise)
{
	struct wheel_config cfg = { .capacity = 4, .tick_ms = 1, .level0_bits = 12 };
	struct clockwork cw;

	cw_create(&cw, cfg, 0);
	for (uint32_t i = 0; i < 4; i++)
		cw_arm(&cw, i, 10);
	cr_assert_eq(cw_turn(&cw, 10, 1), 1);
	/* The owner arms for another of its timers; its earliest deadline is still 10. */
	for (uint32_t i = 0; i < 4; i++)
		wheel_arm(cw.wheel, i, 100);
	wheel_check(cw.wheel);
	cw_turn(&cw, 10, 100);
	cr_assert_eq(cw.expired, 4, "%lu expired", (unsigned long)cw.expired);
	cw_destroy(&cw);
}

static void run_jump(uint32_t jump_ms, uint32_t longest_ms)
{
	struct wheel_config cfg = { .capacity = 500, .tick_ms = 1, .level0_bits = 12 };
	struct wheel_stats st;
	struct clockwork cw;
	uint32_t turns = 0;

	cw_create(&cw, cfg, 0u - 1000u);
	for (uint32_t i = 0; i < 500; i++)
		cw_arm(&cw, i, cw.now_ms + (uint32_t)mr_rng_below(&cw.rng, longest_ms));
	cw_turn(&cw, cw.now_ms + 300, 1000);
	do {
		cr_assert_lt(turns++, 400, "does not catch up");
		cw_turn(&cw, turns == 1 ? cw.now_ms + jump_ms : cw.now_ms, 16);
		wheel_stats(cw.wheel, &st);
	} while (st.behind_ms != 0);
	cw_assert_none_due(&cw);
	/* Two touches per timer suffice, and time of the day is right again. */
	cr_assert_leq(st.fired + st.cascaded, 1500);
	wheel_check(cw.wheel);
	cw_arm(&cw, 7, cw.now_ms + 5000);
	cw_turn(&cw, cw.now_ms + 4999, 1000);
	cr_assert_eq(cw.timers[7].armed, 1);
	cw_turn(&cw, cw.now_ms + 1, 1000);
	cr_assert_eq(cw.timers[7].armed, 0);
	cw_destroy(&cw);
}

Test(wheel_limits, jump_of_a_minute) { run_jump(60000, 120000); }
Test(wheel_limits, jump_of_hours) { run_jump(5 * 3600 * 1000, 250000); }
Test(wheel_limits, jump_of_days) { run_jump(20u * 86400 * 1000, 250000); }
Test(wheel_limits, jump_of_hours_near_only) { run_jump(5 * 3600 * 1000, 3000); }

/* Time that runs backwards fires nothing, and forwards again all. */
Test(wheel_limits, clock_goes_back)
{
	struct wheel_config cfg = { .capacity = 10, .tick_ms = 1, .level0_bits = 12 };
	struct clockwork cw;

	cw_create(&cw, cfg, 10000);
	cw_turn(&cw, 20000, 10);
	cw_arm(&cw, 0, 20005);
	cr_assert_eq(cw_turn(&cw, 15000, 10), 0);
	cr_assert_eq(cw_turn(&cw, 20004, 10), 0);
	cr_assert_eq(cw_turn(&cw, 20005, 10), 1);
	cr_assert_eq(cw.timers[0].expired, 1);
	cw_destroy(&cw);
}

/* One slot with everything: each turn is bounded, and so is the number of turns. */
Test(wheel_limits, full_slot_is_spread_over_turns)
{
	struct wheel_config cfg = { .capacity = 300000, .tick_ms = 1, .level0_bits = 12 };
	struct wheel_stats st;
	struct clockwork cw;
	uint32_t turns = 0;

	cw_create(&cw, cfg, 0);
	for (uint32_t i = 0; i < cw.count; i++)
		cw_arm(&cw, i, 60000);
	for (cw_turn(&cw, 60000, 256); cw.expired < cw.count; turns++)
		cw_turn(&cw, 60000, 256);
	wheel_stats(cw.wheel, &st);
	cr_assert_leq(st.items_max, 256);
	cr_assert_leq(turns, 2 * cw.count / 256 + 10);
	cw_destroy(&cw);
}

/* The fire function arms the same record at once: the next tick, not the same turn for ever. */
Test(wheel_limits, rearm_in_fire_cannot_loop)
{
	struct wheel_config cfg = { .capacity = 3, .tick_ms = 1, .level0_bits = 12 };
	struct clockwork cw;

	cw_create(&cw, cfg, 0);
	cw.period_ms = 1;
	for (uint32_t i = 0; i < 3; i++)
		cw_arm(&cw, i, 0);
	for (uint32_t ms = 1; ms <= 1000; ms++)
		cr_assert_leq(cw_turn(&cw, ms, 100), 6);
	cr_assert_geq(cw.expired, 3 * 999);
	cw_destroy(&cw);
}

Test(wheel_limits, pop_takes_the_earliest_first)
{
	struct wheel_config cfg = { .capacity = 5000, .tick_ms = 1, .level0_bits = 12 };
	struct clockwork cw;
	uint32_t last_ms = 0, popped = 0, index, due_ms;

	cw_create(&cw, cfg, 0);
	for (uint32_t i = 0; i < cw.count; i++)
		cw_arm(&cw, i, 1 + (uint32_t)mr_rng_below(&cw.rng, i % 2 ? 4000 : 200000));
	for (uint32_t tries = 0; tries < 3 * cw.count; tries++) {
		wheel_pop_prefetch(cw.wheel);
		index = wheel_pop(cw.wheel, &due_ms);
		if (index == WHEEL_NIL)
			continue;
		cr_assert_leq(due_ms, cw.timers[index].deadline_ms);
		cr_assert_lt(cw.timers[index].deadline_ms - due_ms, 2048);
		cr_assert_geq(due_ms, last_ms);
		last_ms = due_ms;
		popped++;
		if (tries % 100 == 0)
			wheel_check(cw.wheel);
	}
	cr_assert_eq(popped, cw.count);
	wheel_check(cw.wheel);
	cw_destroy(&cw);
}

Test(wheel_limits, memory_is_what_was_said)
{
	struct wheel_config cfg = { .capacity = 10000000, .tick_ms = 1, .level0_bits = 12,
				    .stride = 64, .word_offset = 24 };

	/*
	 * TARGETS: index 11.64 + record 64 + free list 4 + wheel <= 85 octets at 10M connections.
	 */
	cr_assert_leq((double)wheel_memory(&cfg) / cfg.capacity, 85 - 64 - 4 - 64 / 5.5);
}
