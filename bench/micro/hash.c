/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What hashing costs: SipHash-1-3 over bursts of 64 two-word keys, in every variant that this CPU
 * runs. Prints the median of several rounds; asserts nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bounds.h"
#include "clock_tsc.h"
#include "isa.h"
#include "rng.h"
#include "siphash.h"

#define ROUNDS	51
#define BURSTS	2000u

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double median_counts_per_key(const struct mr_sipkey *key)
{
	static MR_CACHE_ALIGNED uint64_t w0[MR_BURST], w1[MR_BURST], out[MR_BURST];
	const struct mr_sip_words in = {{w0, w1}, 2};
	uint64_t counts[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		uint64_t start = mr_tsc();

		for (unsigned int b = 0; b < BURSTS; b++) {
			mr_sip13_burst(key, &in, out, MR_BURST);
			/* The next burst waits for this one, as in the loop. */
			w0[b % MR_BURST] ^= out[0];
		}
		counts[r] = mr_tsc() - start;
	}
	qsort(counts, ROUNDS, sizeof(counts[0]), compare_u64);
	return (double)counts[ROUNDS / 2] / BURSTS / MR_BURST;
}

int main(void)
{
	struct mr_clock clk;
	struct mr_sipkey key;

	mr_clock_init(&clk);
	mr_random_bytes(&key, sizeof(key));
	printf("SipHash-1-3, bursts of %u keys of 16 octets\n", MR_BURST);
	for (enum mr_isa isa = MR_ISA_SCALAR; isa <= MR_ISA_NEON; isa++) {
		double counts;

		if (!mr_isa_select(isa))
			continue;
		counts = median_counts_per_key(&key);
		printf("  %-7s %6.2f cyc  %5.2f ns a key\n", mr_isa_name(isa), counts,
		       counts * 1e9 / (double)clk.hz);
	}
	return 0;
}
