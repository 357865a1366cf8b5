/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client remembers of servers for Fast Open (RFC 7413 4.1.3). */
#include <criterion/criterion.h>
#include <string.h>

#include "tfo_cache.h"

static struct tfo_cache *c;

static void begin(void) { c = tfo_cache_create(); }
static void end(void) { tfo_cache_destroy(c); }
TestSuite(ip_tfo_cache, .init = begin, .fini = end);

static struct ip_path_key server(uint32_t n)
{
	struct ip_path_key key = {.family = 4, .scope = 1};

	memcpy(key.dst, &n, sizeof(n));
	return key;
}

static struct tfo_known cookie(uint8_t first)
{
	return (struct tfo_known){.mss = 1400, .cookie_len = 8, .cookie = {first, 2, 3}};
}

Test(ip_tfo_cache, what_was_granted_is_known_there_and_nowhere_else)
{
	struct ip_path_key key = server(7), other = key;
	const struct tfo_known granted = cookie(9);
	struct tfo_known known;

	cr_expect(tfo_cache_get(c, &key, 5, &known));
	cr_expect_eq(known.cookie_len, 0);
	tfo_cache_granted(c, &key, 5, &granted);
	cr_assert(tfo_cache_get(c, &key, 5000000, &known));
	cr_expect_eq(memcmp(&known, &granted, sizeof(known)), 0);
	other.scope = 2;	/* from another address of ours */
	cr_assert(tfo_cache_get(c, &other, 5, &known));
	cr_expect_eq(known.cookie_len, 0);
	other = key;
	other.family = 6;
	cr_assert(tfo_cache_get(c, &other, 5, &known));
	cr_expect_eq(known.cookie_len, 0);
	tfo_cache_forget(c);
	cr_assert(tfo_cache_get(c, &key, 5, &known));
	cr_expect_eq(known.cookie_len, 0);
}

Test(ip_tfo_cache, newest_cookie_stands)
{
	const struct ip_path_key key = server(7);
	struct tfo_known a = cookie(1), b = cookie(2), known;

	tfo_cache_granted(c, &key, 5, &a);
	tfo_cache_granted(c, &key, 6, &b);
	cr_assert(tfo_cache_get(c, &key, 7, &known));
	cr_expect_eq(known.cookie[0], 2);
}

/* A minute, two, four ... 64 at most; across the wrap of the clock. */
Test(ip_tfo_cache, failures_are_held_against_it_longer_each_time)
{
	const struct ip_path_key key = server(7);
	struct tfo_known granted = cookie(3), known;
	uint32_t now = 0u - 100000, hold = TFO_HOLD_MS;

	tfo_cache_granted(c, &key, now, &granted);
	for (unsigned int i = 0; i < 300; i++) {
		tfo_cache_failed(c, &key, now);
		cr_expect(!tfo_cache_get(c, &key, now, &known), "%u", i);
		cr_expect(!tfo_cache_get(c, &key, now + hold - 1, &known), "%u", i);
		cr_expect(tfo_cache_get(c, &key, now + hold, &known), "%u", i);
		cr_expect_eq(known.cookie_len, 8, "the cookie is as good as before");
		now += hold;
		hold = MR_MIN(2 * hold, 64 * TFO_HOLD_MS);
	}
	tfo_cache_worked(c, &key, now);
	tfo_cache_failed(c, &key, now);
	cr_expect(tfo_cache_get(c, &key, now + TFO_HOLD_MS, &known), "it counts from the start");
}

Test(ip_tfo_cache, hold_that_is_over_does_not_come_back_with_the_clock)
{
	const struct ip_path_key key = server(7);
	struct tfo_known known;

	tfo_cache_failed(c, &key, 1000);
	cr_expect(tfo_cache_get(c, &key, 1000 + TFO_HOLD_MS, &known));
	cr_expect(tfo_cache_get(c, &key, 1001, &known), "49 days later");
}

Test(ip_tfo_cache, success_ends_a_hold)
{
	const struct ip_path_key key = server(7), unknown = server(8);
	struct tfo_known known;

	tfo_cache_failed(c, &key, 1000);
	tfo_cache_worked(c, &key, 1001);
	tfo_cache_worked(c, &unknown, 1001);
	cr_expect(tfo_cache_get(c, &key, 1002, &known));
}

/* Bounded: of many in one set those that are used stay, the one unused longest goes. */
Test(ip_tfo_cache, unused_ones_give_way)
{
	struct ip_path_key keys[TFO_CACHE_WAYS + 1];
	const uint32_t set = 5;
	struct tfo_known granted = cookie(1), known;
	unsigned int n = 0;

	for (uint32_t i = 0; n < MR_ARRAY_LEN(keys); i++) {
		struct ip_path_key key = server(i);

		if ((ip_path_key_hash(&key) & (TFO_CACHE_ENTRIES / TFO_CACHE_WAYS - 1)) == set)
			keys[n++] = key;
	}
	for (unsigned int i = 0; i < TFO_CACHE_WAYS; i++)
		tfo_cache_granted(c, &keys[i], 100 + i, &granted);
	cr_assert(tfo_cache_get(c, &keys[0], 200, &known));	/* used: keys[1] is the oldest */
	tfo_cache_granted(c, &keys[TFO_CACHE_WAYS], 201, &granted);
	for (unsigned int i = 0; i <= TFO_CACHE_WAYS; i++) {
		cr_assert(tfo_cache_get(c, &keys[i], 300, &known));
		cr_expect_eq(known.cookie_len, i == 1 ? 0 : 8, "key %u", i);
	}
}
