/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open's cookies as numbers, and the limit on what they let in (RFC 7413 4.1.2, 5.1). */
#include <criterion/criterion.h>
#include <string.h>

#include "tfo.h"

#define HOURS_6 TFO_PERIOD_US

static const struct mr_sipkey secret = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
static const struct tfo_words words = {{0x1122334455667788ull, 0x99aabbccddeeff00ull,
					0x1200000000000002ull}, 3};

static struct tfo_keys started(uint64_t now_us)
{
	struct tfo_keys k;

	tfo_keys_init(&k, &secret, now_us);
	return k;
}

Test(guard_tfo, lasts_one_to_two_periods)
{
	static const struct { uint64_t granted, brought; enum tfo_verdict want; } rows[] = {
		{0, 0, TFO_VALID},
		{5, HOURS_6 - 1, TFO_VALID},
		{0, HOURS_6, TFO_OLD},
		{HOURS_6 - 1, HOURS_6, TFO_OLD},
		{0, 2 * HOURS_6 - 1, TFO_OLD},
		{0, 2 * HOURS_6, TFO_FORGED},
		{HOURS_6 - 1, 2 * HOURS_6, TFO_FORGED},
		{9 * HOURS_6 + 7, 10 * HOURS_6, TFO_OLD},
		{9 * HOURS_6 + 7, 900 * HOURS_6, TFO_FORGED},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		struct tfo_keys k = started(0);
		uint8_t cookie[TFO_COOKIE_LEN];

		tfo_cookie(&k, rows[i].granted, &words, cookie);
		cr_expect_eq(tfo_check(&k, rows[i].brought, &words, cookie, sizeof(cookie)),
			     rows[i].want, "row %u", i);
	}
}

Test(guard_tfo, any_worker_of_the_engine_knows_it)
{
	struct tfo_keys a = started(0), late = started(HOURS_6 + 3), other;
	const struct mr_sipkey another = {secret.k0, secret.k1 ^ 1};
	uint8_t cookie[TFO_COOKIE_LEN];

	tfo_cookie(&a, HOURS_6 + 1, &words, cookie);
	cr_expect_eq(tfo_check(&late, HOURS_6 + 4, &words, cookie, 8), TFO_VALID);
	tfo_keys_init(&other, &another, HOURS_6);
	cr_expect_eq(tfo_check(&other, HOURS_6 + 4, &words, cookie, 8), TFO_FORGED);
}

Test(guard_tfo, of_these_addresses_whole_and_nothing_else)
{
	struct tfo_keys k = started(0);
	uint8_t cookie[TFO_COOKIE_LEN + 2] = {0};

	tfo_cookie(&k, 0, &words, cookie);
	for (unsigned int bit = 0; bit < 64 * 3; bit++) {
		struct tfo_words w = words;

		w.w[bit / 64] ^= 1ull << bit % 64;
		cr_expect_eq(tfo_check(&k, 0, &w, cookie, 8), TFO_FORGED, "word bit %u", bit);
	}
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint8_t c[TFO_COOKIE_LEN];

		memcpy(c, cookie, sizeof(c));
		c[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_expect_eq(tfo_check(&k, 0, &words, c, 8), TFO_FORGED, "cookie bit %u", bit);
	}
	for (unsigned int len = 4; len <= 10; len += 2)
		cr_expect_eq(tfo_check(&k, 0, &words, cookie, len),
			     len == 8 ? TFO_VALID : TFO_FORGED, "%u octets", len);
}

/* ---- the limit ---- */

Test(guard_tfo, so_many_and_no_more)
{
	struct tfo_pending p = {0};

	for (unsigned int i = 0; i < 3; i++) {
		cr_assert(tfo_admits(&p, 3, 1000));
		tfo_opened(&p);
	}
	cr_expect(!tfo_admits(&p, 3, 1000));
	cr_expect(!tfo_admits(&p, 0, 1000));
	tfo_settled(&p, false, 1000);
	cr_expect(tfo_admits(&p, 3, 1000), "a handshake makes room at once");
}

Test(guard_tfo, reset_makes_room_after_a_minute_and_before_two)
{
	for (uint32_t at = 0; at < TFO_RESET_MS; at += 7001) {
		const uint32_t then = 5 * TFO_RESET_MS + at;
		struct tfo_pending p = {0};

		cr_assert(tfo_admits(&p, 1, then));
		tfo_opened(&p);
		tfo_settled(&p, true, then);
		cr_expect(!tfo_admits(&p, 1, then));
		cr_expect(!tfo_admits(&p, 1, then + TFO_RESET_MS));
		cr_expect(tfo_admits(&p, 1, then + 2 * TFO_RESET_MS));
	}
}

Test(guard_tfo, resets_of_two_spans_are_summed_and_long_ago_is_forgotten)
{
	struct tfo_pending p = {0};

	for (uint32_t i = 0; i < 4; i++) {
		cr_assert(tfo_admits(&p, 100, i / 2 * TFO_RESET_MS));
		tfo_opened(&p);
		tfo_settled(&p, true, i / 2 * TFO_RESET_MS);
	}
	cr_expect(!tfo_admits(&p, 4, TFO_RESET_MS));
	cr_expect(tfo_admits(&p, 5, TFO_RESET_MS));
	cr_expect(!tfo_admits(&p, 2, 2 * TFO_RESET_MS));
	cr_expect(tfo_admits(&p, 3, 2 * TFO_RESET_MS));
	cr_expect(tfo_admits(&p, 1, 4 * TFO_RESET_MS));
}
