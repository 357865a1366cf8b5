/* SPDX-License-Identifier: BSD-3-Clause */
/* Random plans of duplex.h. */
#include "duplex.h"

void duplex_plan_random(struct duplex_plan *plan, uint64_t seed)
{
	static const uint32_t sizes[] = {0, 0, 1, 100, 1460, 5000, 60000, 300000};
	static const uint32_t buffers[] = {1000, 4096, 16384, 65535, 262144};
	struct mr_rng r;

	mr_rng_seed(&r, seed ^ 0x9e3779b97f4a7c15ull);
	*plan = (struct duplex_plan){.seed = seed, .abort_side = -1};
	for (unsigned int i = 0; i < 2; i++) {
		plan->octets[i] = sizes[mr_rng_below(&r, MR_ARRAY_LEN(sizes))];
		plan->octets[i] += (uint32_t)mr_rng_below(&r, plan->octets[i] + 1);
	}
	plan->loss_percent = mr_rng_below(&r, 3) ? (uint32_t)mr_rng_below(&r, 15) : 0;
	plan->dup_percent = mr_rng_below(&r, 2) ? (uint32_t)mr_rng_below(&r, 10) : 0;
	plan->delay_us = 10 + (uint32_t)mr_rng_below(&r, 50000);
	plan->jitter_us = mr_rng_below(&r, 2) ? (uint32_t)mr_rng_below(&r, 20000) : 0;
	plan->rcv_buf = buffers[mr_rng_below(&r, MR_ARRAY_LEN(buffers))];
	plan->snd_buf = buffers[mr_rng_below(&r, MR_ARRAY_LEN(buffers))];
	plan->read_delay_ms = mr_rng_below(&r, 4) ? 0 : (uint32_t)mr_rng_below(&r, 3000);
	plan->simultaneous = mr_rng_below(&r, 8) == 0;
	plan->timestamps = mr_rng_below(&r, 2);
	plan->scaling = mr_rng_below(&r, 2);
	plan->nodelay = mr_rng_below(&r, 2);
	plan->half_close = mr_rng_below(&r, 3) == 0;
	if (mr_rng_below(&r, 8) == 0) {
		plan->abort_side = (int)mr_rng_below(&r, 2);
		plan->abort_after = (uint32_t)mr_rng_below(&r,
							   plan->octets[1 - plan->abort_side] + 1);
	}
	plan->sack = mr_rng_below(&r, 4) != 0;
	plan->pacing = mr_rng_below(&r, 4) == 0;
}
