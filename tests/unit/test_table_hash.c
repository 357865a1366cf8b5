/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an attacker or bad luck makes of the index: equal tags, one home for all, saturated overflow
 * counts; and that the variants of the tag match are equal.
 */
#include "isa.h"
#include "table_fixture.h"

static void create(struct table *t, uint32_t capacity)
{
	struct table_config cfg = { .capacity = capacity,
				    .stride = 64,
				    .key_offset = 0,
				    .family = 4,
				    .load_percent = 55,
				    .node = -1 };

	cr_assert_eq(table_create(t, &cfg), 0);
}

/* Inserts n keys under made-up hashes, finds all, removes every other, finds what is left. */
static void run_crafted(uint32_t n, uint64_t (*hash)(uint32_t id))
{
	struct flow_key k;
	struct table t;
	uint32_t found;

	create(&t, n);
	for (uint32_t id = 0; id < n; id++) {
		k = key_of(4, id);
		cr_assert_eq(table_insert(&t, &k, hash(id)), id);
	}
	for (uint32_t id = 0; id < n; id += 2)
		table_remove(&t, id, hash(id));
	for (uint32_t id = 0; id < n; id++) {
		k = key_of(4, id);
		found = table_resolve(&t, table_candidate(&t, hash(id)), &k, hash(id));
		cr_assert_eq(found, id % 2 ? id : TABLE_NIL);
	}
	table_check(&t);
	for (uint32_t id = 1; id < n; id += 2)
		table_remove(&t, id, hash(id));
	cr_assert_eq(t.live, 0);
	for (uint64_t b = 0; b < t.nbuckets; b++)
		cr_assert_eq(t.buckets[b].overflow, 0);
	table_destroy(&t);
}

static uint64_t same_tag(uint32_t id)
{
	return (uint64_t)(id * 2654435761u) << 32 | id << 16 | 0x1234;
}
static uint64_t same_everything(uint32_t id) { (void)id; return 0x123456789abcdef0ull; }
static uint64_t tag_zero_and_one(uint32_t id)
{
	return (uint64_t)(id * 2654435761u) << 32 | (id & 1);
}
/* 64k keys in 16 neighbouring buckets; only the step tells them apart. */
static uint64_t one_region(uint32_t id)
{
	return (uint64_t)(id & 15) << 48 | (id & 0xffff) << 16 | id;
}

Test(table_hash, equal_tags) { run_crafted(20000, same_tag); }
Test(table_hash, equal_hashes) { run_crafted(1500, same_everything); }
Test(table_hash, tag_zero_is_never_stored) { run_crafted(5000, tag_zero_and_one); }
Test(table_hash, sixty_four_thousand_in_one_region) { run_crafted(65000, one_region); }

/*
 * More keys pass one bucket than its 16 bits count: it stays marked, and nothing behind it is lost.
 */
Test(table_hash, overflow_count_saturates)
{
	const uint32_t n = 70000;
	struct table_bucket *home;
	struct flow_key k;
	struct table t;

	create(&t, n);
	for (uint32_t id = 0; id < n; id++) {
		k = key_of(4, id);
		table_insert(&t, &k, one_region(id) & 0xffffffffull);
	}
	home = &t.buckets[0];
	cr_assert_eq(home->overflow, 0xffff);
	for (uint32_t id = 0; id < n; id++)
		table_remove(&t, id, one_region(id) & 0xffffffffull);
	cr_assert_eq(home->overflow, 0xffff);
	cr_assert_eq(t.live, 0);
	k = key_of(4, 7);
	cr_assert_eq(table_find(&t, &k, one_region(7) & 0xffffffffull), TABLE_NIL);
	table_check(&t);
	table_destroy(&t);
}

Test(table_hash, candidate_needs_confirmation)
{
	struct flow_key a = key_of(4, 1), b = key_of(4, 2), c = key_of(4, 3);
	uint64_t hash = 0x5555000000007777ull;
	struct table t;
	uint32_t ia, ib;

	create(&t, 100);
	ia = table_insert(&t, &a, hash);
	ib = table_insert(&t, &b, hash);
	cr_assert_eq(table_candidate(&t, hash), ia);
	cr_assert_not(table_confirm(&t, ia, &b));
	cr_assert_eq(table_resolve(&t, ia, &b, hash), ib);
	cr_assert_eq(table_resolve(&t, ia, &c, hash), TABLE_NIL);
	cr_assert_eq(table_candidate(&t, hash + 1), TABLE_NIL);
	table_destroy(&t);
}

/* Each octet of the key counts. */
static void run_octets(uint8_t family)
{
	struct table_config cfg = { .capacity = 10, .stride = 64, .key_offset = 2, .family = family,
				    .load_percent = 55, .node = -1 };
	struct flow_key k = key_of(family, 77), other;
	struct table t;
	uint32_t index;

	cr_assert_eq(table_create(&t, &cfg), 0);
	index = table_insert(&t, &k, 1);
	cr_assert(table_confirm(&t, index, &k));
	for (uint32_t i = 0; i < offsetof(struct flow_key, family); i++) {
		if (family == 4 && i >= 4 && i < 16)
			continue;
		other = k;
		((uint8_t *)&other)[i] ^= 0x10;
		cr_assert_not(table_confirm(&t, index, &other), "octet %u", i);
		cr_assert_neq(hash_of(&other), hash_of(&k));
	}
	table_destroy(&t);
}

Test(table_hash, every_octet_counts)
{
	run_octets(4);
	run_octets(6);
}

Test(table_hash, tag_match_variants_are_equal)
{
	struct table_bucket b;
	struct mr_rng rng;
	uint32_t want;
	uint16_t tag;

	mr_rng_seed(&rng, 3);
	for (uint32_t round = 0; round < 200000; round++) {
		memset(&b, 0xff, sizeof(b));
		for (uint32_t i = 0; i < TABLE_SLOTS; i++)
			b.tag[i] = (uint16_t)(mr_rng_below(&rng, 4) * 0x5555);
		tag = (uint16_t)(mr_rng_below(&rng, 4) * 0x5555);
		/* Beyond the ten tags lie other fields: they must never match. */
		b.overflow = b.pad = tag;
		b.index[0] = b.index[1] = b.index[2] = (uint32_t)tag << 16 | tag;
		want = tagmatch_scalar(b.tag, tag);
		cr_assert_eq(tagmatch(b.tag, tag), want);
#if defined(__SSE2__)
		cr_assert_eq(tagmatch_sse2(b.tag, tag), want);
		if (mr_isa_supported(MR_ISA_AVX2))
			cr_assert_eq(tagmatch_avx2(b.tag, tag), want);
		if (mr_isa_supported(MR_ISA_AVX512))
			cr_assert_eq(tagmatch_avx512(b.tag, tag), want);
#endif
#if defined(__ARM_NEON)
		cr_assert_eq(tagmatch_neon(b.tag, tag), want);
#endif
	}
}
