/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers: a seeded generator (xoshiro256**) for load and simulation, and the kernel's for
 * keys. Nothing secret ever comes from the seeded one.
 */
#ifndef MR_RNG_H
#define MR_RNG_H

#include "attr.h"

struct mr_rng {
	uint64_t s[4];
};

/** Seeds by splitmix64: any seed, also 0, is good. */
void mr_rng_seed(struct mr_rng *r, uint64_t seed);
MR_INLINE uint64_t mr_rng_next(struct mr_rng *r)
{
	uint64_t *s = r->s, x = s[1] * 5, out, t = s[1] << 17;

	out = ((x << 7) | (x >> 57)) * 9;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = (s[3] << 45) | (s[3] >> 19);
	return out;
}
/** Uniform in 0 .. bound-1 (bound >= 1), by multiplication. */
MR_INLINE uint64_t mr_rng_below(struct mr_rng *r, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)mr_rng_next(r) * bound) >> 64);
}
/** Uniform in [0, 1). */
MR_INLINE double mr_rng_unit(struct mr_rng *r) { return (double)(mr_rng_next(r) >> 11) * 0x1p-53; }
/** Exponentially distributed with the given mean (Poisson arrivals). */
double mr_rng_exponential(struct mr_rng *r, double mean);
/** Fills buf with len octets of getrandom(2); aborts when the kernel cannot. */
void mr_random_bytes(void *buf, size_t len);

#endif /* MR_RNG_H */
