/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wheel against a naive twin under random operations, at every geometry, and over the wrap of
 * the millisecond clock.
 */
#include "wheel_fixture.h"

/* Lengths as connections have them: delayed ACK, RTO, handler, idle, keepalive, and the past. */
static uint32_t some_deadline(struct clockwork *cw)
{
	static const uint32_t span_ms[] = { 3,	  40,	 62,	64,	200,	1000,
					    4096, 10000, 60000, 400000, 8000000 };
	uint32_t span = span_ms[mr_rng_below(&cw->rng, MR_ARRAY_LEN(span_ms))];
	uint32_t past = mr_rng_below(&cw->rng, 20) == 0 ? 100 : 0;

	return cw->now_ms + (uint32_t)mr_rng_below(&cw->rng, span) - past;
}

static void random_operation(struct clockwork *cw)
{
	uint32_t index = (uint32_t)mr_rng_below(&cw->rng, cw->count);
	struct timer *t = &cw->timers[index];
	uint32_t deadline = some_deadline(cw);

	switch (mr_rng_below(&cw->rng, 4)) {
	case 0:
		t->armed = 0;
		break;
	case 1: /* The owner's timers move: only an earlier deadline needs a call. */
		if (t->armed && seq_gt(deadline, t->deadline_ms) && (deadline & 1)) {
			cw_move(cw, index, deadline);
			break;
		}
		/* fall through */
	default:
		cw_arm(cw, index, deadline);
	}
}

static uint32_t some_step(struct clockwork *cw)
{
	switch (mr_rng_below(&cw->rng, 16)) {
	case 0:
		return (uint32_t)mr_rng_below(&cw->rng, 3000);
	case 1:
		return mr_rng_below(&cw->rng, 50) == 0 ? (uint32_t)mr_rng_below(&cw->rng, 900000)
						       : 0;
	default:
		return (uint32_t)mr_rng_below(&cw->rng, 12);
	}
}

static void run_random(uint32_t tick_ms, uint32_t level0_bits, uint32_t start_ms, uint32_t rounds)
{
	struct wheel_config cfg = { .capacity = 97, .tick_ms = tick_ms, .level0_bits = level0_bits,
				    .entries_percent = 1000 };
	struct clockwork cw;
	uint32_t budget;

	cw_create(&cw, cfg, start_ms);
	for (uint32_t r = 0; r < rounds; r++) {
		for (uint32_t i = 0; i < 8; i++)
			random_operation(&cw);
		budget = mr_rng_below(&cw.rng, 4) == 0 ? 1 + (uint32_t)mr_rng_below(&cw.rng, 8)
						       : 100000;
		if (cw_turn(&cw, cw.now_ms + some_step(&cw), budget) < budget)
			cw_assert_none_due(&cw);
		if (r % 512 == 0)
			wheel_check(cw.wheel);
	}
	cr_assert_gt(cw.expired, rounds);
	cw_destroy(&cw);
}

Test(wheel, random_connections) { run_random(1, 12, 1000, 60000); }
Test(wheel, random_time_wait) { run_random(16, 13, 12345, 20000); }
Test(wheel, random_smallest) { run_random(1, 8, 0, 20000); }
Test(wheel, random_largest) { run_random(64, 14, 7, 20000); }
Test(wheel, random_odd_tick) { run_random(4, 10, 99, 20000); }
/* Starts 5 s before the clock wraps, so that every distance crosses it. */
Test(wheel, random_wrap) { run_random(1, 12, 0u - 5000u, 20000); }
Test(wheel, random_wrap_16ms) { run_random(16, 13, 0u - 5000u, 20000); }

Test(wheel, fires_exactly_at_the_tick)
{
	static const uint32_t in_ms[] = { 1,	  2,	  62,	  63,	  64,	  4093,
					  4094,	  4095,	  4096,	  6143,	  6144,	  60000,
					  261000, 262143, 262144, 262145, 1000000 };
	struct wheel_config cfg = { .capacity = 1, .tick_ms = 1, .level0_bits = 12 };
	struct clockwork cw;
	uint32_t deadline;

	cw_create(&cw, cfg, 77);
	for (uint32_t i = 0; i < MR_ARRAY_LEN(in_ms); i++) {
		deadline = cw.now_ms + in_ms[i];
		cw_arm(&cw, 0, deadline);
		while (cw.now_ms != deadline - 1)
			cw_turn(&cw, cw.now_ms + 1, 4);
		cr_assert_eq(cw.timers[0].expired, i, "%u ms fired early", in_ms[i]);
		cw_turn(&cw, deadline, 4);
		cr_assert_eq(cw.timers[0].expired, i + 1, "%u ms did not fire", in_ms[i]);
	}
	cw_destroy(&cw);
}

/* Rounded down it would fire before its time, be put back, and fire again: each one twice. */
Test(wheel, deadline_is_rounded_up_to_a_tick)
{
	struct wheel_config cfg = { .capacity = 1, .tick_ms = 16, .level0_bits = 12 };
	struct wheel_stats st;
	struct clockwork cw;

	cw_create(&cw, cfg, 77);
	for (uint32_t in_ms = 1; in_ms <= 100; in_ms++) {
		const uint32_t deadline = cw.now_ms + in_ms;

		cw_arm(&cw, 0, deadline);
		while (cw.now_ms != deadline + 16)
			cw_turn(&cw, cw.now_ms + 1, 4);
		wheel_stats(cw.wheel, &st);
		cr_assert_eq(cw.timers[0].expired, in_ms);
		cr_assert_eq(st.fired, in_ms, "%u ms: fired early and put back", in_ms);
	}
	cw_destroy(&cw);
}

/* The trap of one known entry: delayed ACK, RTO and idle timer of one record for ten minutes. */
Test(wheel, three_orders_of_magnitude_leave_no_pile)
{
	struct wheel_config cfg = { .capacity = 64, .tick_ms = 1, .level0_bits = 12 };
	struct wheel_stats st;
	struct clockwork cw;
	uint32_t used;

	cw_create(&cw, cfg, 0);
	for (uint32_t step = 0; step < 60000; step++) {
		uint32_t i = step % 64, now = cw.now_ms;

		cw_arm(&cw, i, now + 60000);
		cw_arm(&cw, i, now + 1000);
		cw_arm(&cw, i, now + 40);
		cw.timers[i].deadline_ms = now + 1000;	/* the delayed ACK went out with data */
		cw_turn(&cw, now + 10, 1000);
	}
	wheel_stats(cw.wheel, &st);
	used = st.chunks_total - st.chunks_free;
	/*
	 * Three entries each, and each in a slot of its own at worst: no more chunks than entries.
	 */
	cr_assert_leq(used, 3 * 64 + 64, "%u chunks", used);
	cr_assert_eq(st.lost, 0);
	cr_assert_lt(st.stale, st.fired / 10);
	wheel_check(cw.wheel);
	cw_destroy(&cw);
}

Test(wheel, lazy_rearm_inserts_nothing)
{
	struct wheel_config cfg = { .capacity = 8, .tick_ms = 1, .level0_bits = 12 };
	struct wheel_stats before, after;
	struct clockwork cw;

	cw_create(&cw, cfg, 5);
	cw_arm(&cw, 3, 205);
	wheel_stats(cw.wheel, &before);
	for (uint32_t i = 0; i < 1000; i++)
		cw_arm(&cw, 3, 205 + i);
	wheel_stats(cw.wheel, &after);
	cr_assert_eq(before.inserted, 1);
	cr_assert_eq(after.inserted, 1);
	cw_destroy(&cw);
}

/* A record's next life finds the entry of its last one: no second entry, no lost timer. */
Test(wheel, reused_record_inherits_its_entry)
{
	struct wheel_config cfg = { .capacity = 4, .tick_ms = 1, .level0_bits = 12 };
	struct wheel_stats st;
	struct clockwork cw;

	cw_create(&cw, cfg, 0);
	for (uint32_t life = 0; life < 5000; life++) {
		cw_arm(&cw, 0, cw.now_ms + 30000);
		cw.timers[0].armed = 0;			/* freed */
		if (life % 7 == 0)
			cw_turn(&cw, cw.now_ms + 1, 100);
	}
	wheel_stats(cw.wheel, &st);
	cr_assert_eq(st.inserted, 1);
	cw_arm(&cw, 0, cw.now_ms + 30000);
	cw_turn(&cw, cw.now_ms + 29999, 100);
	cr_assert_eq(cw.timers[0].expired, 0);
	cw_turn(&cw, cw.now_ms + 1, 100);
	cr_assert_eq(cw.timers[0].expired, 1);
	cw_destroy(&cw);
}

Test(wheel, idle_never_sleeps_over_a_deadline)
{
	struct wheel_config cfg = { .capacity = 5, .tick_ms = 1, .level0_bits = 12 };
	struct clockwork cw;
	uint32_t idle, earliest;

	cw_create(&cw, cfg, 0u - 100000u);
	cr_assert_eq(wheel_idle_ms(cw.wheel, 1234), 1234);
	for (uint32_t r = 0; r < 50000; r++) {
		random_operation(&cw);
		cw_turn(&cw, cw.now_ms + some_step(&cw), 1000);
		idle = wheel_idle_ms(cw.wheel, 5000);
		earliest = cw_earliest_ms(&cw);
		cr_assert(idle <= 5000 && idle <= earliest, "idle %u, earliest %u", idle, earliest);
		/*
		 * And it is not a lie the other way: one more millisecond finds something, or
		 * nothing is near.
		 */
		if (earliest <= 4000)
			cr_assert_leq(idle, earliest);
	}
	cw_destroy(&cw);
}
