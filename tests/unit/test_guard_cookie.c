/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies as numbers: what goes in comes back, for as long as it should and not longer, with
 * any worker of the engine, and nothing else does.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "cookie.h"
#include "rng.h"

#define MINUTE COOKIE_PERIOD_US

static const struct mr_sipkey secret = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
static const uint64_t words[4] = {0x1122334455667788ull, 0x99aabbccddeeff00ull,
				  0x0123456789abcdefull, 0x1a00000000000002ull};

static struct cookies started(uint64_t now_us)
{
	struct cookies k;

	cookies_init(&k, &secret, 0, now_us);
	return k;
}

static uint32_t made(struct cookies *k, uint64_t now_us, unsigned int nwords, unsigned int mss)
{
	cookies_sending(k, now_us);
	return cookie_isn(k, mr_sip24_words(cookie_key(k), words, nwords), mss);
}

Test(guard_cookie, every_mss_comes_back_and_none_grows)
{
	struct cookies k = started(0);

	for (uint32_t mss = 64; mss <= 65535; mss++) {
		unsigned int index = cookie_mss_index((uint16_t)mss);
		uint32_t isn = made(&k, 0, 2, index);

		cr_assert_lt(index, 8);
		cr_assert_leq(cookie_mss(index), mss);
		cr_assert(index == 7 || cookie_mss(index + 1) > mss, "%u could be larger", mss);
		cr_assert_eq(cookie_isn_mss(isn), index);
	}
	/* What Ethernet's peers say, and what is taken where nothing is said, is kept as it is. */
	cr_assert_eq(cookie_mss(cookie_mss_index(1460)), 1460);
	cr_assert_eq(cookie_mss(cookie_mss_index(1440)), 1440);
	cr_assert_eq(cookie_mss(cookie_mss_index(1220)), 1220);
	cr_assert_eq(cookie_mss(cookie_mss_index(536)), 536);
	cr_assert_eq(cookie_mss(cookie_mss_index(8960)), 8940);
}

Test(guard_cookie, all_options_come_back_in_a_tsval_that_never_goes_back)
{
	for (uint32_t bits = 0; bits <= COOKIE_TS_MASK; bits++) {
		uint32_t last = cookie_tsval(0u - 1000, bits);

		/* across the wrap of the clock */
		for (uint32_t ts = 0u - 1000; ts != 1000; ts++) {
			uint32_t tsval = cookie_tsval(ts, bits);

			cr_assert_eq(tsval & COOKIE_TS_MASK, bits);
			cr_assert_leq(ts - tsval, COOKIE_TS_MASK, "%u before or after %u", tsval,
				      ts);
			cr_assert_lt(tsval - last, 1u << 31, "back from %u to %u", last, tsval);
			last = tsval;
		}
	}
}

/* For each millisecond of two periods: how long was it good? */
Test(guard_cookie, good_for_one_to_two_minutes)
{
	uint64_t shortest = ~0ull, longest = 0;

	for (uint64_t sent = 5 * MINUTE; sent < 7 * MINUTE; sent += 1000003) {
		struct cookies k = started(sent);
		uint32_t isn = made(&k, sent, 4, 5);
		uint64_t end = 0;

		for (uint64_t now = sent; now < sent + 5 * MINUTE; now += 500000) {
			enum cookie_verdict v = cookie_check(&k, now, words, 4, isn);

			if (v == COOKIE_VALID)
				end = now;
			else
				cr_assert(end != 0 && now > end, "good again");
			/* then it is known as an old one, for two minutes more */
			if (now > end && now < end + 2 * MINUTE - 2000000)
				cr_assert_eq(v, COOKIE_OLD);
		}
		shortest = MR_MIN(shortest, end - sent);
		longest = MR_MAX(longest, end - sent);
	}
	cr_assert_geq(shortest, MINUTE - 1000000);
	cr_assert_leq(shortest, MINUTE + 2000000);
	cr_assert_geq(longest, 2 * MINUTE - 2000000);
	cr_assert_lt(longest, 2 * MINUTE);
}

Test(guard_cookie, looked_at_for_two_minutes_after_one_was_sent)
{
	struct cookies k = started(MINUTE);

	cr_assert_not(cookies_expected(&k, MINUTE));
	made(&k, MINUTE, 2, 0);
	cr_assert(cookies_expected(&k, MINUTE));
	cr_assert(cookies_expected(&k, 3 * MINUTE - 1));
	cr_assert_not(cookies_expected(&k, 3 * MINUTE));
}

Test(guard_cookie, any_worker_of_the_engine_checks_it)
{
	/* started at different times, one asleep for an hour */
	struct cookies a = started(0), b = started(59 * MINUTE), other;
	const struct mr_sipkey none = {0, 0};
	const uint64_t now = 60 * MINUTE + 1;
	uint32_t isn = made(&a, now, 2, 3);

	cr_assert_eq(cookie_check(&b, now, words, 2, isn), COOKIE_VALID);
	cr_assert_eq(cookie_check(&b, now + MINUTE, words, 2, isn), COOKIE_VALID);
	/* with a secret of its own it is nobody's */
	cookies_init(&other, &none, 0, now);
	cr_assert_eq(cookie_check(&other, now, words, 2, isn), COOKIE_FORGED);
	/* one seed, one secret; and no seed, two */
	cookies_init(&a, &none, 7, now);
	cookies_init(&b, &none, 7, now);
	cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
	cookies_init(&b, &none, 8, now);
	cr_assert_neq(memcmp(&a.secret, &b.secret, sizeof(secret)), 0);
	cookies_init(&b, &none, 0, now);
	cr_assert_neq(memcmp(&other.secret, &b.secret, sizeof(secret)), 0);
}

Test(guard_cookie, keys_change_with_every_minute)
{
	struct cookies k = started(0);
	uint32_t isn[8];

	for (uint32_t m = 0; m < 8; m++)
		isn[m] = made(&k, m * MINUTE, 2, 0) & 0x0fffffffu;
	for (uint32_t m = 0; m < 8; m++)
		for (uint32_t n = 0; n < m; n++)
			cr_assert_neq(isn[m], isn[n], "minutes %u and %u", m, n);
}

/* One bit of anything changed: tuple, the peer's ISN, the cookie itself (but for the MSS). */
Test(guard_cookie, one_bit_makes_it_forged)
{
	struct cookies k = started(3 * MINUTE);
	const uint64_t now = 3 * MINUTE;
	uint32_t isn = made(&k, now, 4, 2);

	cr_assert_eq(cookie_check(&k, now, words, 4, isn), COOKIE_VALID);
	for (unsigned int bit = 0; bit < 256; bit++) {
		uint64_t w[4] = {words[0], words[1], words[2], words[3]};

		w[bit / 64] ^= 1ull << bit % 64;
		cr_assert_eq(cookie_check(&k, now, w, 4, isn), COOKIE_FORGED, "bit %u", bit);
	}
	for (unsigned int bit = 0; bit < 29; bit++)
		cr_assert_eq(cookie_check(&k, now, words, 4, isn ^ 1u << bit), COOKIE_FORGED);
	cr_assert_eq(cookie_check(&k, now, words, 3, isn), COOKIE_FORGED);
}

/* A million guesses: 2^-28 each for this key and as much for the old one. */
Test(guard_cookie, guesses_fail)
{
	struct cookies k = started(0);
	unsigned int hits = 0;
	struct mr_rng rng;

	mr_rng_seed(&rng, 1);
	for (uint32_t i = 0; i < 1000000; i++)
		hits += cookie_check(&k, 0, words, 2, (uint32_t)mr_rng_next(&rng)) != COOKIE_FORGED;
	cr_assert_leq(hits, 1);
}

/* The ISN of a cookie is what SipHash-2-4 says, by a key that SipHash-2-4 made of the secret. */
Test(guard_cookie, is_siphash_2_4)
{
	struct cookies k = started(2 * MINUTE + 5);
	uint64_t period[2][2] = {{2, 0}, {2, 1}};
	struct mr_sipkey key = {mr_siphash(&secret, period[0], 16, 2, 4),
				mr_siphash(&secret, period[1], 16, 2, 4)};
	uint8_t octets[14];
	uint64_t w[2] = {0};
	uint64_t hash;

	for (uint8_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(i * 17 + 1);
	memcpy(w, octets, sizeof(octets));
	w[1] |= (uint64_t)sizeof(octets) << 56;
	hash = mr_siphash(&key, octets, sizeof(octets), 2, 4);
	cookies_sending(&k, 2 * MINUTE + 5);
	cr_assert_eq(mr_sip24_words(cookie_key(&k), w, 2), hash);
	cr_assert_eq(cookie_isn(&k, hash, 6), 6u << 29 | 0u << 28 | (uint32_t)hash >> 4);
}

Test(guard_cookie, echoes_of_the_last_two_minutes_are_plausible)
{
	const uint32_t now = 100;	/* after a wrap */

	cr_assert(cookie_echo_plausible(now, now));
	cr_assert(cookie_echo_plausible(now, now - 120000 - COOKIE_TS_MASK));
	cr_assert_not(cookie_echo_plausible(now, now - 120000 - COOKIE_TS_MASK - 2));
	cr_assert_not(cookie_echo_plausible(now, now + 1));
}
