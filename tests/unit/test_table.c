/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flat table against a naive twin (an array by key number) under random operations, for both
 * families and high loads; and its edges: full, deferred reuse, geometry.
 */
#include <errno.h>

#include "table_fixture.h"

#define LIVE_MARK	24u	/* a word of the record that the table must not touch */

static struct table_config config(uint8_t family, uint32_t capacity, uint8_t load_percent)
{
	return (struct table_config){ .capacity = capacity, .stride = family == 4 ? 64 : 96,
				      .key_offset = 2, .family = family,
				      .load_percent = load_percent, .node = -1 };
}

/* The staged lookup of a burst, as lib/stack does it. */
static uint32_t staged_find(const struct table *t, const struct flow_key *k, uint64_t hash)
{
	uint32_t candidate;

	table_prefetch_bucket(t, hash);
	candidate = table_candidate(t, hash);
	if (candidate == TABLE_MORE)
		candidate = table_second(t, hash);
	return table_resolve(t, candidate, k, hash);
}

struct twin {
	struct table t;
	uint32_t *index_of;	/* of key number, TABLE_NIL when absent */
	uint32_t keys;
	uint8_t family;
};

static void twin_step(struct twin *tw, struct mr_rng *rng)
{
	uint32_t id = (uint32_t)mr_rng_below(rng, tw->keys), found, *mark;
	struct flow_key k = key_of(tw->family, id), back;
	uint64_t hash = hash_of(&k);

	found = staged_find(&tw->t, &k, hash);
	cr_assert_eq(found, tw->index_of[id]);
	cr_assert_eq(table_find(&tw->t, &k, hash), found);
	if (found == TABLE_NIL) {
		uint32_t expected = table_next_free(&tw->t, 0);

		tw->index_of[id] = table_insert(&tw->t, &k, hash);
		cr_assert_eq(tw->index_of[id], expected);
		if (expected != TABLE_NIL) {
			mark = (uint32_t *)((uint8_t *)table_record(&tw->t, expected) + LIVE_MARK +
					    8);
			*mark = id;
		}
		return;
	}
	mark = (uint32_t *)((uint8_t *)table_record(&tw->t, found) + LIVE_MARK + 8);
	cr_assert_eq(*mark, id);
	table_key(&tw->t, found, &back);
	cr_assert_eq(memcmp(&back, &k, sizeof(k)), 0);
	if (mr_rng_below(rng, 3) != 0) {
		table_remove(&tw->t, found, hash);
		tw->index_of[id] = TABLE_NIL;
	}
}

static void run_random(uint8_t family, uint8_t load_percent, uint32_t capacity, uint32_t ops)
{
	struct table_config cfg = config(family, capacity, load_percent);
	struct twin tw = { .keys = capacity * 3, .family = family };
	struct mr_rng rng;

	mr_rng_seed(&rng, capacity);
	cr_assert_eq(table_create(&tw.t, &cfg), 0);
	tw.index_of = malloc(tw.keys * sizeof(uint32_t));
	memset(tw.index_of, 0xff, tw.keys * sizeof(uint32_t));
	for (uint32_t i = 0; i < ops; i++) {
		twin_step(&tw, &rng);
		if (mr_rng_below(&rng, 16) == 0)
			table_flush(&tw.t);
		if (i % (ops / 16) == 0)
			table_check_paths(&tw.t, &test_hash_key);
	}
	cr_assert_gt(tw.t.high_water, capacity / 2);
	for (uint32_t id = 0; id < tw.keys; id++) {
		struct flow_key k = key_of(family, id);

		if (tw.index_of[id] != TABLE_NIL)
			table_remove(&tw.t, tw.index_of[id], hash_of(&k));
	}
	table_check_paths(&tw.t, &test_hash_key);
	for (uint64_t b = 0; b < tw.t.nbuckets; b++)
		cr_assert_eq(tw.t.buckets[b].overflow, 0, "a tombstone remains");
	free(tw.index_of);
	table_destroy(&tw.t);
}

Test(table, random_ipv4) { run_random(4, 55, 1000, 400000); }
Test(table, random_ipv6) { run_random(6, 55, 1000, 300000); }
Test(table, random_high_load) { run_random(4, 90, 5000, 300000); }
Test(table, random_one_bucket) { run_random(4, 90, 20, 100000); }
Test(table, random_one_record) { run_random(6, 10, 1, 10000); }

Test(table, refuses_nonsense)
{
	struct table_config good = config(4, 10, 55), bad;
	struct table t;

	bad = good, bad.family = 5;
	cr_assert_eq(table_create(&t, &bad), -EINVAL);
	bad = good, bad.capacity = 0;
	cr_assert_eq(table_create(&t, &bad), -EINVAL);
	bad = good, bad.load_percent = 91;
	cr_assert_eq(table_create(&t, &bad), -EINVAL);
	bad = good, bad.key_offset = 60;
	cr_assert_eq(table_create(&t, &bad), -EINVAL);
	bad = good, bad.stride = 1u << 31, bad.capacity = 1u << 31;
	cr_assert_eq(table_create(&t, &bad), -ENOMEM);
}

Test(table, full_says_so_and_takes_again)
{
	struct table_config cfg = config(4, 100, 55);
	struct flow_key k;
	struct table t;

	cr_assert_eq(table_create(&t, &cfg), 0);
	for (uint32_t id = 0; id < 100; id++) {
		k = key_of(4, id);
		cr_assert_eq(table_insert(&t, &k, hash_of(&k)), id, "fills in the order of memory");
	}
	k = key_of(4, 100);
	cr_assert_eq(table_insert(&t, &k, hash_of(&k)), TABLE_NIL);
	k = key_of(4, 42);
	table_remove(&t, 42, hash_of(&k));
	k = key_of(4, 100);
	cr_assert_eq(table_insert(&t, &k, hash_of(&k)), TABLE_NIL, "reused before the flush");
	table_flush(&t);
	cr_assert_eq(table_insert(&t, &k, hash_of(&k)), 42);
	cr_assert_eq(t.high_water, 100);
	table_check_paths(&t, &test_hash_key);
	table_destroy(&t);
}

/* Inserts between removals of one burst: the deferred records move in the list and none is lost. */
Test(table, deferred_records_survive_inserts)
{
	struct table_config cfg = config(4, 64, 55);
	struct flow_key k;
	struct table t;
	uint32_t index;

	cr_assert_eq(table_create(&t, &cfg), 0);
	for (uint32_t id = 0; id < 32; id++) {
		k = key_of(4, id);
		table_insert(&t, &k, hash_of(&k));
	}
	for (uint32_t id = 0; id < 32; id++) {
		k = key_of(4, id);
		table_remove(&t, id, hash_of(&k));
		k = key_of(4, 1000 + id);
		index = table_insert(&t, &k, hash_of(&k));
		cr_assert_eq(index, 32 + id, "took record %u", index);
		table_check(&t);
	}
	cr_assert_eq(t.ndeferred, 32);
	table_flush(&t);
	cr_assert_eq(t.nfree, 32);
	table_check_paths(&t, &test_hash_key);
	table_destroy(&t);
}

Test(table, reused_record_keeps_its_other_octets)
{
	struct table_config cfg = config(6, 8, 55);
	struct flow_key k = key_of(6, 1);
	struct table t;
	uint32_t index;
	uint8_t *r;

	cr_assert_eq(table_create(&t, &cfg), 0);
	index = table_insert(&t, &k, hash_of(&k));
	r = table_record(&t, index);
	r[0] = r[1] = 0xee;
	memset(r + 2 + FLOW_KEY6_LEN, 0xee, 96 - 2 - FLOW_KEY6_LEN);
	table_remove(&t, index, hash_of(&k));
	table_flush(&t);
	k = key_of(6, 2);
	cr_assert_eq(table_insert(&t, &k, hash_of(&k)), index);
	for (uint32_t i = 0; i < 96; i++)
		if (i < 2 || i >= 2 + FLOW_KEY6_LEN)
			cr_assert_eq(r[i], 0xee, "octet %u", i);
	table_destroy(&t);
}

Test(table, memory_is_what_was_said)
{
	struct table_config cfg = config(4, 1000000, 55);
	struct table t;

	cr_assert_eq(table_create(&t, &cfg), 0);
	cr_assert_eq(table_memory(&cfg), t.nbuckets * 64 + 64000000 + 4000000);
	cr_assert_leq((double)t.nbuckets * 64 / 1000000, 11.7);
	table_destroy(&t);
}
