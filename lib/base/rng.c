/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeding of the reproducible generator, and octets of the kernel's generator for keys. Keeps no
 * state of its own.
 */
#include <errno.h>
#include <math.h>
#include <sys/random.h>

#include "check.h"
#include "rng.h"

/* Steele, Lea, Flood 2014: visits all 2^64 states, so the four words are never all zero. */
static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void mr_rng_seed(struct mr_rng *r, uint64_t seed)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(r->s); i++)
		r->s[i] = splitmix64(&seed);
}

double mr_rng_exponential(struct mr_rng *r, double mean)
{
	/* The unit value is below 1, so the argument stays above -1 and the result finite. */
	return -mean * log1p(-mr_rng_unit(r));
}

void mr_random_bytes(void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t got = getrandom(p, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		/* A guessable key would be worse than no start. */
		MR_ASSERT(got > 0);
		p += got;
		len -= (size_t)got;
	}
}
