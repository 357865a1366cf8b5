/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of SYN cookies, their rotation, and the check of one that came back. See cookie.h. */
#include "check.h"
#include "cookie.h"
#include "rng.h"

/*
 * What peers say: Ethernet with and without PPPoE or a tunnel, jumbo frames; 1220 and 536 are what
 * the RFCs have for paths that nothing is known of, 64 is as little as the engine obeys. Ascending.
 */
static const uint16_t mss_table[8] = {64, 536, 1220, 1360, 1400, 1440, 1460, 8940};

unsigned int cookie_mss_index(uint16_t mss)
{
	unsigned int index = 0;

	for (unsigned int i = 1; i < MR_ARRAY_LEN(mss_table); i++)
		index += mss_table[i] <= mss;
	return index;
}

uint16_t cookie_mss(unsigned int index)
{
	MR_ASSERT(index < MR_ARRAY_LEN(mss_table));
	return mss_table[index];
}

/* Nobody who learns the key of one period can tell that of another, or the secret. */
static struct mr_sipkey key_of(const struct mr_sipkey *secret, uint64_t period)
{
	const uint64_t words[2][2] = {{period, 0}, {period, 1}};

	return (struct mr_sipkey){mr_siphash(secret, words[0], sizeof(words[0]), 2, 4),
				  mr_siphash(secret, words[1], sizeof(words[1]), 2, 4)};
}

static void keys_of(struct cookies *k, uint64_t period)
{
	for (uint64_t i = 0; i < COOKIE_KEYS; i++)
		k->key[(period - i) % COOKIE_KEYS] = key_of(&k->secret, period - i);
	k->period = period;
	k->period_end_us = (period + 1) * COOKIE_PERIOD_US;
}

/* Its own generator: what else is drawn by this seed does not matter. */
struct mr_sipkey cookies_secret(uint64_t seed)
{
	struct mr_sipkey secret;
	struct mr_rng rng;

	if (seed == 0) {
		mr_random_bytes(&secret, sizeof(secret));
		return secret;
	}
	mr_rng_seed(&rng, seed ^ 0x2d5359432d4e59ull);
	secret.k0 = mr_rng_next(&rng);
	secret.k1 = mr_rng_next(&rng);
	return secret;
}

void cookies_init(struct cookies *k, const struct mr_sipkey *secret, uint64_t seed,
		  uint64_t now_us)
{
	*k = (struct cookies){.secret = *secret};
	if ((secret->k0 | secret->k1) == 0)
		k->secret = cookies_secret(seed);
	keys_of(k, now_us / COOKIE_PERIOD_US);
}

void cookies_rotate(struct cookies *k, uint64_t now_us)
{
	keys_of(k, now_us / COOKIE_PERIOD_US);
}

/* The 28 bits that a key gives for the words. */
static bool made_in(const struct cookies *k, uint64_t period, const uint64_t *words,
		    unsigned int nwords, uint32_t isn)
{
	const uint64_t hash = mr_sip24_words(&k->key[period % COOKIE_KEYS], words, nwords);

	return (((uint32_t)hash >> 4 ^ isn) & 0x0fffffffu) == 0;
}

enum cookie_verdict cookie_check(struct cookies *k, uint64_t now_us, const uint64_t *words,
				 unsigned int nwords, uint32_t isn)
{
	uint64_t period;

	MR_CHECK(nwords <= 4);
	if (now_us >= k->period_end_us)
		cookies_rotate(k, now_us);
	/* The parity says which of the two it would be. */
	period = k->period - ((k->period ^ isn >> 28) & 1);
	if (made_in(k, period, words, nwords, isn))
		return COOKIE_VALID;
	return made_in(k, period - 2, words, nwords, isn) ? COOKIE_OLD : COOKIE_FORGED;
}
