/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME_WAIT against a naive twin under random operations; expiry, eviction of the oldest, restart,
 * clock wrap and jumps.
 */
#include "table_fixture.h"
#include "timewait.h"

#define MSL2_MS		60000u
#define TICK_MS		16u

struct twin {
	struct timewait *tw;
	uint32_t *expires_ms;	/* of key number */
	uint8_t *live;
	uint32_t keys, now_ms;
	uint8_t family;
	struct mr_rng rng;
};

static void twin_create(struct twin *t, uint8_t family, uint32_t capacity, uint32_t keys,
			uint32_t now_ms)
{
	memset(t, 0, sizeof(*t));
	t->tw = timewait_create(family, capacity, MSL2_MS, -1, now_ms);
	cr_assert_not_null(t->tw);
	t->expires_ms = calloc(keys, sizeof(uint32_t));
	t->live = calloc(keys, 1);
	t->keys = keys;
	t->family = family;
	t->now_ms = now_ms;
	mr_rng_seed(&t->rng, keys);
}

static void twin_destroy(struct twin *t)
{
	timewait_check(t->tw, &test_hash_key);
	timewait_destroy(t->tw);
	free(t->expires_ms);
	free(t->live);
}

static uint32_t twin_find(const struct twin *t, uint32_t id)
{
	struct flow_key k = key_of(t->family, id);

	return timewait_find(t->tw, &k, hash_of(&k));
}

static struct tw_state state_of(uint32_t id, uint32_t expires_ms)
{
	return (struct tw_state){ .snd_nxt = id * 3,
				  .rcv_nxt = ~id,
				  .ts_recent = id ^ 0x77,
				  .expires_ms = expires_ms,
				  .has_ts = id & 1,
				  .wnd_class = id & 15 };
}

static bool twin_insert(struct twin *t, uint32_t id)
{
	struct flow_key k = key_of(t->family, id);
	struct tw_state st = state_of(id, t->now_ms + MSL2_MS);

	t->live[id] = 1;
	t->expires_ms[id] = st.expires_ms;
	return timewait_insert(t->tw, &k, hash_of(&k), &st, &test_hash_key);
}

/* Rounded up to a tick, whose number's low 15 bits are not all ones (that says "unknown"). */
static uint32_t rounded(uint32_t expires_ms)
{
	uint32_t tick = (expires_ms + TICK_MS - 1) / TICK_MS;

	return ((tick & 0x7fff) == 0x7fff ? tick + 1 : tick) * TICK_MS;
}

static void twin_verify(const struct twin *t, uint32_t id)
{
	struct tw_state want = state_of(id, t->expires_ms[id]), got;
	uint32_t index = twin_find(t, id);
	struct flow_key k = key_of(t->family, id), back;

	cr_assert_eq(index != TABLE_NIL, t->live[id], "key %u", id);
	if (index == TABLE_NIL)
		return;
	timewait_get(t->tw, index, &got);
	cr_assert_eq(got.snd_nxt, want.snd_nxt);
	cr_assert_eq(got.rcv_nxt, want.rcv_nxt);
	cr_assert_eq(got.ts_recent, want.ts_recent);
	cr_assert_eq(got.has_ts, want.has_ts);
	cr_assert_eq(got.wnd_class, want.wnd_class);
	cr_assert_eq(got.expires_ms, rounded(want.expires_ms));
	timewait_key(t->tw, index, &back);
	cr_assert_eq(memcmp(&back, &k, sizeof(k)), 0);
}

/*
 * After a turn with budget left nothing lives on beyond its expiry's tick, and nothing died early.
 */
static void twin_turn(struct twin *t, uint32_t now_ms)
{
	uint32_t tick_now = now_ms & ~(TICK_MS - 1);

	t->now_ms = now_ms;
	cr_assert_lt(timewait_turn(t->tw, now_ms, 1u << 20, &test_hash_key), 1u << 20);
	for (uint32_t id = 0; id < t->keys; id++)
		if (t->live[id] && seq_le(rounded(t->expires_ms[id]), tick_now))
			t->live[id] = 0;
}

static void twin_step(struct twin *t)
{
	uint32_t id = (uint32_t)mr_rng_below(&t->rng, t->keys), index;
	struct flow_key k = key_of(t->family, id);

	twin_verify(t, id);
	if (!t->live[id]) {
		cr_assert_not(twin_insert(t, id));
		return;
	}
	index = twin_find(t, id);
	switch (mr_rng_below(&t->rng, 4)) {
	case 0:
		timewait_remove(t->tw, index, hash_of(&k));
		t->live[id] = 0;
		break;
	case 1:
		t->expires_ms[id] = t->now_ms + MSL2_MS;
		timewait_restart(t->tw, index, t->expires_ms[id]);
		break;
	default:
		timewait_set_ts(t->tw, index, id ^ 0x77);
	}
}

static void run_random(uint8_t family, uint32_t start_ms, uint32_t ops)
{
	struct twin t;

	twin_create(&t, family, 400, 400, start_ms);
	for (uint32_t i = 0; i < ops; i++) {
		twin_step(&t);
		if (i % 8 == 0)
			timewait_flush(t.tw);
		if (i % 16 == 0)
			twin_turn(&t, t.now_ms + (uint32_t)mr_rng_below(
							 &t.rng, i % 4096 == 0 ? 200000 : 2500));
		if (i % 8192 == 0)
			timewait_check(t.tw, &test_hash_key);
	}
	twin_destroy(&t);
}

Test(timewait, random_ipv4) { run_random(4, 1000, 500000); }
Test(timewait, random_ipv6) { run_random(6, 5, 300000); }
Test(timewait, random_over_the_clock_wrap) { run_random(4, 0u - 3000000u, 200000); }

Test(timewait, expires_after_2msl_not_before)
{
	struct twin t;

	twin_create(&t, 4, 10, 10, 1000);
	twin_insert(&t, 3);
	twin_turn(&t, 1000 + MSL2_MS - 1);
	cr_assert_neq(twin_find(&t, 3), TABLE_NIL);
	cr_assert_leq(timewait_idle_ms(t.tw, 1000), 1 + TICK_MS);
	twin_turn(&t, 1000 + MSL2_MS + TICK_MS);
	cr_assert_eq(twin_find(&t, 3), TABLE_NIL);
	twin_destroy(&t);
}

Test(timewait, restart_is_lazy_and_lasts)
{
	struct timewait_stats st;
	struct twin t;

	twin_create(&t, 4, 10, 10, 0);
	twin_insert(&t, 1);
	for (uint32_t ms = 1000; ms < 50000; ms += 1000) {
		twin_turn(&t, ms);
		timewait_restart(t.tw, twin_find(&t, 1), ms + MSL2_MS);
	}
	timewait_stats(t.tw, &st);
	cr_assert_eq(st.wheel.inserted, 1);
	t.expires_ms[1] = 49000 + MSL2_MS;
	twin_turn(&t, 49000 + MSL2_MS - TICK_MS);
	twin_verify(&t, 1);
	twin_turn(&t, 49000 + MSL2_MS + TICK_MS);
	cr_assert_eq(twin_find(&t, 1), TABLE_NIL);
	twin_destroy(&t);
}

/* Oldest first, also under a flood in which every insertion evicts. */
Test(timewait, evicts_the_oldest)
{
	struct timewait_stats st;
	struct twin t;
	uint32_t evictions = 0;

	twin_create(&t, 4, 500, 20000, 0);
	for (uint32_t id = 0; id < 20000; id++) {
		if (id % 4 == 0)
			twin_turn(&t, t.now_ms + TICK_MS);
		evictions += twin_insert(&t, id);
		timewait_flush(t.tw);
		/* Capacity below 1024 evicts one at a time: exactly the last 500 live, but for the
		 * order within one tick (4 insertions). */
		cr_assert_neq(twin_find(&t, id), TABLE_NIL);
		if (id >= 504)
			cr_assert_eq(twin_find(&t, id - 504), TABLE_NIL);
		if (id >= 496)
			cr_assert_neq(twin_find(&t, id - 496 + 4), TABLE_NIL);
	}
	cr_assert_eq(evictions, 20000 - 500);
	timewait_stats(t.tw, &st);
	cr_assert_eq(st.evicted, evictions);
	cr_assert_eq(st.live, 500);
	twin_destroy(&t);
}

Test(timewait, eviction_spares_the_restarted)
{
	struct twin t;

	twin_create(&t, 4, 100, 1000, 0);
	for (uint32_t id = 0; id < 100; id++)
		twin_insert(&t, id);
	twin_turn(&t, 1000);
	/* spread over all: in whatever order the wheel gives the others up, it meets these */
	for (uint32_t id = 0; id < 100; id += 10)
		timewait_restart(t.tw, twin_find(&t, id), 1000 + MSL2_MS);
	for (uint32_t id = 100; id < 190; id++)
		cr_assert(twin_insert(&t, id));
	for (uint32_t id = 0; id < 190; id++)
		cr_assert_eq(twin_find(&t, id) != TABLE_NIL, id % 10 == 0 || id >= 100, "key %u",
			     id);
	twin_destroy(&t);
}

/*
 * Everything restarted, and many stale entries before: still one bounded insertion, one eviction.
 */
Test(timewait, eviction_is_bounded_when_all_were_restarted)
{
	struct timewait_stats st;
	struct twin t;

	twin_create(&t, 4, 900, 2000, 0);
	for (uint32_t id = 0; id < 900; id++)
		twin_insert(&t, id);
	twin_turn(&t, 1000);
	for (uint32_t id = 0; id < 900; id++)
		timewait_restart(t.tw, twin_find(&t, id), 1000 + MSL2_MS);
	t.now_ms = 2000;
	for (uint32_t id = 900; id < 1800; id++)
		cr_assert(twin_insert(&t, id));
	timewait_stats(t.tw, &st);
	cr_assert_eq(st.evicted, 900);
	cr_assert_eq(st.live, 900);
	twin_destroy(&t);
}

Test(timewait, removed_in_this_burst_is_reused_before_an_eviction)
{
	struct flow_key k = key_of(4, 5);
	struct timewait_stats st;
	struct twin t;

	twin_create(&t, 4, 50, 100, 0);
	for (uint32_t id = 0; id < 50; id++)
		twin_insert(&t, id);
	timewait_remove(t.tw, twin_find(&t, 5), hash_of(&k));
	cr_assert_not(twin_insert(&t, 60));
	timewait_stats(t.tw, &st);
	cr_assert_eq(st.evicted, 0);
	twin_destroy(&t);
}

/* The loop stood still for hours: the old are gone, and what comes then lives its 2MSL. */
Test(timewait, clock_jump)
{
	struct twin t;

	for (uint32_t jump_ms = 70000; jump_ms < 80000000; jump_ms = jump_ms * 3 + 17) {
		twin_create(&t, 4, 100, 200, 0u - 50000u);
		for (uint32_t id = 0; id < 50; id++)
			twin_insert(&t, id);
		t.now_ms += jump_ms;
		/* A budget that does not suffice: insertions meet a wheel that is behind. */
		timewait_turn(t.tw, t.now_ms, 7, &test_hash_key);
		for (uint32_t id = 100; id < 120; id++)
			twin_insert(&t, id);
		twin_turn(&t, t.now_ms);
		for (uint32_t id = 0; id < 50; id++)
			cr_assert_eq(twin_find(&t, id), TABLE_NIL);
		twin_turn(&t, t.now_ms + MSL2_MS - TICK_MS);
		for (uint32_t id = 100; id < 120; id++)
			cr_assert_neq(twin_find(&t, id), TABLE_NIL);
		twin_turn(&t, t.now_ms + 3 * TICK_MS);
		for (uint32_t id = 100; id < 120; id++)
			cr_assert_eq(twin_find(&t, id), TABLE_NIL);
		twin_destroy(&t);
	}
}

Test(timewait, budget_of_one)
{
	struct twin t;
	uint32_t turns = 0;

	twin_create(&t, 6, 300, 300, 0);
	for (uint32_t id = 0; id < 300; id++)
		twin_insert(&t, id);
	while (timewait_turn(t.tw, 2 * MSL2_MS, 1, &test_hash_key) != 0)
		cr_assert_leq(++turns, 301);
	cr_assert_eq(turns, 300);
	twin_destroy(&t);
}

/* Shorter and shorter 2MSL on the same records: entries go stale, the pool runs dry, all expire. */
Test(timewait, shrinking_2msl_exhausts_the_wheel)
{
	struct timewait_stats st;
	struct twin t;
	struct flow_key k;
	struct tw_state s;
	uint32_t index;

	twin_create(&t, 4, 6000, 6000, 0);
	for (uint32_t ms = 60000; ms >= 1000; ms -= 500)
		for (uint32_t id = 0; id < 6000; id++) {
			k = key_of(4, id);
			index = timewait_find(t.tw, &k, hash_of(&k));
			if (index != TABLE_NIL)
				timewait_remove(t.tw, index, hash_of(&k));
			timewait_flush(t.tw);
			s = state_of(id, ms);
			timewait_insert(t.tw, &k, hash_of(&k), &s, &test_hash_key);
		}
	timewait_stats(t.tw, &st);
	cr_assert_gt(st.wheel.lost, 0);
	timewait_check(t.tw, &test_hash_key);
	for (uint32_t i = 0; i < 100; i++)
		timewait_turn(t.tw, 1100, 4000, &test_hash_key);
	timewait_stats(t.tw, &st);
	cr_assert_eq(st.live, 0, "%u live", st.live);
	twin_destroy(&t);
}

Test(timewait, scan_pages_through_the_live)
{
	uint32_t from = 0, seen = 0, index, rounds = 0;
	struct flow_key k;
	struct twin t;

	twin_create(&t, 4, 1000, 1000, 0);
	for (uint32_t id = 0; id < 700; id++)
		twin_insert(&t, id);
	for (uint32_t id = 0; id < 700; id += 3) {
		k = key_of(4, id);
		timewait_remove(t.tw, twin_find(&t, id), hash_of(&k));
	}
	do {
		index = timewait_scan(t.tw, from, 16, &from);
		seen += index != TABLE_NIL;
		cr_assert_lt(rounds++, 2000);
	} while (index != TABLE_NIL || from < 700);
	cr_assert_eq(seen, 700 - 234);
	twin_destroy(&t);
}

Test(timewait, memory_is_what_was_said)
{
	cr_assert_leq((double)timewait_memory(4, 20000000) / 20000000, 40.0);
	cr_assert_leq((double)timewait_memory(6, 20000000) / 20000000, 56.0);
}
