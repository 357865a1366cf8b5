/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash against known answers, every SIMD variant against the reference form, and the random
 * number generators.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "isa.h"
#include "rng.h"
#include "siphash.h"
#include "siphash_vectors.h"

#define KEYS	200u

static struct mr_sipkey counting_key(uint8_t *message, size_t len)
{
	uint8_t octets[16];
	struct mr_sipkey key;

	for (size_t i = 0; i < len; i++)
		message[i] = (uint8_t)i;
	for (uint8_t i = 0; i < sizeof(octets); i++)
		octets[i] = i;
	memcpy(&key, octets, sizeof(key));
	return key;
}

Test(siphash, known_answers_2_4_and_1_3)
{
	uint8_t message[64];
	struct mr_sipkey key = counting_key(message, sizeof(message));

	for (size_t n = 0; n < 64; n++) {
		cr_expect_eq(mr_siphash(&key, message, n, 2, 4), siphash24_vectors[n],
			     "2-4, %zu octets", n);
		cr_expect_eq(mr_siphash(&key, message, n, 1, 3), siphash13_vectors[n],
			     "1-3, %zu octets", n);
	}
}

Test(siphash, unaligned_message_hashes_the_same)
{
	uint8_t message[64], shifted[65];
	struct mr_sipkey key = counting_key(message, sizeof(message));

	memcpy(shifted + 1, message, sizeof(message));
	cr_expect_eq(mr_siphash(&key, shifted + 1, 61, 2, 4), siphash24_vectors[61]);
}

Test(siphash, words_form_equals_reference_over_the_same_octets)
{
	uint8_t message[64];
	struct mr_sipkey key = counting_key(message, sizeof(message));

	for (unsigned int words = 1; words <= 4; words++) {
		uint64_t w[4] = {0};
		size_t len = words * 8 - 1;

		/* The last word holds 7 octets and the length, as SipHash's final block does. */
		memcpy(w, message, len);
		w[words - 1] |= (uint64_t)len << 56;
		cr_expect_eq(mr_sip13_words(&key, w, words), siphash13_vectors[len], "%u words",
			     words);
		cr_expect_eq(mr_sip24_words(&key, w, words), siphash24_vectors[len], "%u words",
			     words);
	}
}

/* One of the two forms: a burst, and what it must equal. */
struct form {
	mr_sip_burst_fn burst;
	uint64_t (*words)(const struct mr_sipkey *key, const uint64_t *w, unsigned int nwords);
};

static void expect_variant_equals_words(enum mr_isa isa, struct form f, unsigned int nwords)
{
	static _Alignas(64) uint64_t w0[KEYS], w1[KEYS], w2[KEYS], w3[KEYS], out[KEYS + 1];
	const struct mr_sip_words in = {{w0, w1, w2, w3}, nwords};
	struct mr_rng rng;
	struct mr_sipkey key;

	mr_rng_seed(&rng, 42 + isa);
	key = (struct mr_sipkey){mr_rng_next(&rng), mr_rng_next(&rng)};
	for (unsigned int i = 0; i < KEYS; i++) {
		w0[i] = mr_rng_next(&rng);
		w1[i] = mr_rng_next(&rng);
		w2[i] = mr_rng_next(&rng);
		w3[i] = mr_rng_next(&rng);
	}
	for (unsigned int n = 0; n <= KEYS; n++) {
		unsigned int room = (n + 7) & ~7u;

		memset(out, 0xa5, sizeof(out));
		f.burst(&key, &in, out, n);
		for (unsigned int i = 0; i < n; i++) {
			uint64_t w[4] = {w0[i], w1[i], w2[i], w3[i]};

			cr_assert_eq(out[i], f.words(&key, w, nwords), "%s: key %u of %u",
				     mr_isa_name(isa), i, n);
		}
		for (unsigned int i = room; i <= KEYS; i++)
			cr_assert_eq(out[i], 0xa5a5a5a5a5a5a5a5ull,
				     "%s wrote beyond the room, n = %u", mr_isa_name(isa), n);
	}
}

Test(siphash, every_variant_of_this_cpu_is_equal)
{
	for (enum mr_isa isa = MR_ISA_SCALAR; isa <= MR_ISA_NEON; isa++) {
		if (!mr_isa_supported(isa)) {
			cr_expect_not(mr_isa_select(isa), "%s selected though unsupported",
				      mr_isa_name(isa));
			continue;
		}
		cr_assert(mr_isa_select(isa));
		for (unsigned int n = 1; n <= 4; n++) {
			struct form f13 = {mr_sip13_burst, mr_sip13_words},
				    f24 = {mr_sip24_burst, mr_sip24_words};

			expect_variant_equals_words(isa, f13, n);
			expect_variant_equals_words(isa, f24, n);
		}
	}
}

Test(siphash, burst_works_before_any_selection)
{
	static _Alignas(64) uint64_t w0[8] = {1}, w1[8] = {2}, out[8];
	struct mr_sipkey key = {3, 4};
	const struct mr_sip_words in = {{w0, w1}, 2};
	uint64_t w[2] = {1, 2};

	mr_sip13_burst(&key, &in, out, 1);
	cr_expect_eq(out[0], mr_sip13_words(&key, w, 2));
	mr_sip24_burst(&key, &in, out, 1);
	cr_expect_eq(out[0], mr_sip24_words(&key, w, 2));
}

Test(isa, best_is_supported_and_has_a_burst)
{
	enum mr_isa best = mr_isa_best();

	cr_expect(mr_isa_supported(best));
	cr_expect(mr_isa_supported(MR_ISA_SCALAR));
	cr_expect_not_null(mr_sip13_burst_variant(best));
	cr_expect_str_eq(mr_isa_name(MR_ISA_AVX512), "avx512");
}

Test(rng, same_seed_same_numbers_other_seed_others)
{
	struct mr_rng a, b, c;

	mr_rng_seed(&a, 7);
	mr_rng_seed(&b, 7);
	mr_rng_seed(&c, 8);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = mr_rng_next(&a);

		cr_assert_eq(x, mr_rng_next(&b));
		cr_assert_neq(x, mr_rng_next(&c));
	}
}

/*
 * First outputs of xoshiro256** for the state {1, 2, 3, 4}, worked out by hand from its definition.
 */
Test(rng, is_xoshiro256_starstar)
{
	struct mr_rng r = {{1, 2, 3, 4}};

	cr_expect_eq(mr_rng_next(&r), 11520);
	cr_expect_eq(mr_rng_next(&r), 0);
	cr_expect_eq(mr_rng_next(&r), 1509978240);
}

Test(rng, seed_zero_is_as_good_as_any)
{
	struct mr_rng r;

	mr_rng_seed(&r, 0);
	/* The first output of splitmix64 from 0, a published value. */
	cr_expect_eq(r.s[0], 0xe220a8397b1dcdafull);
}

Test(rng, below_is_uniform)
{
	struct mr_rng r;
	unsigned int seen[7] = {0};

	mr_rng_seed(&r, 1);
	for (int i = 0; i < 70000; i++)
		seen[mr_rng_below(&r, 7)]++;
	for (int i = 0; i < 7; i++)
		cr_expect(seen[i] > 9500 && seen[i] < 10500, "%d came %u times", i, seen[i]);
	cr_expect_eq(mr_rng_below(&r, 1), 0);
}

Test(rng, exponential_has_its_mean_and_spread)
{
	struct mr_rng r;
	double sum = 0, squares = 0;
	const int n = 200000;

	mr_rng_seed(&r, 3);
	for (int i = 0; i < n; i++) {
		double x = mr_rng_exponential(&r, 250.0);

		cr_assert(x >= 0.0 && isfinite(x));
		sum += x;
		squares += x * x;
	}
	cr_expect_float_eq(sum / n, 250.0, 3.0);
	/* Of an exponential distribution the standard deviation is the mean. */
	cr_expect_float_eq(sqrt(squares / n - (sum / n) * (sum / n)), 250.0, 5.0);
}

Test(rng, kernel_octets_differ_and_fill_all)
{
	uint8_t a[1024] = {0}, b[1024] = {0};
	unsigned int zeros = 0;

	mr_random_bytes(a, sizeof(a));
	mr_random_bytes(b, sizeof(b));
	cr_expect_neq(memcmp(a, b, sizeof(a)), 0);
	for (size_t i = 0; i < sizeof(a); i++)
		zeros += a[i] == 0;
	cr_expect_lt(zeros, 40);
}
