/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow half of the histogram: clearing, merging and reading. Recording is inline in hist.h.
 */
#include <string.h>

#include "check.h"
#include "hist.h"

static_assert(MR_HIST_BUCKETS == 31744, "the index of the largest value must be the last bucket");

void mr_hist_reset(struct mr_hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void mr_hist_merge(struct mr_hist *into, const struct mr_hist *from)
{
	into->count += from->count;
	into->clipped += from->clipped;
	into->sum += from->sum;
	into->min = MR_MIN(into->min, from->min);
	into->max = MR_MAX(into->max, from->max);
	for (uint32_t i = 0; i < MR_HIST_BUCKETS; i++) {
		uint32_t room = UINT32_MAX - into->bucket[i];

		/*
		 * Saturates: a full bucket still holds the quantiles in place, a wrapped one would
		 * not.
		 */
		into->bucket[i] += MR_MIN(from->bucket[i], room);
	}
}

/* Largest value that mr_hist_index() puts into bucket i. */
static uint64_t bucket_upper(uint32_t i)
{
	uint32_t half = i >> (MR_HIST_SUB_BITS - 1);
	uint32_t shift = half > 1 ? half - 1 : 0;
	uint64_t sub = i - (shift << (MR_HIST_SUB_BITS - 1));

	return ((sub + 1) << shift) - 1;
}

uint64_t mr_hist_quantile(const struct mr_hist *h, double q)
{
	uint64_t seen = 0, rank;

	MR_ASSERT(q >= 0.0 && q <= 1.0);
	if (h->count == 0)
		return 0;
	/* The smallest value that at least a share q of the values does not exceed. */
	rank = (uint64_t)((double)h->count * q);
	if ((double)rank < (double)h->count * q || rank == 0)
		rank++;
	for (uint32_t i = 0; i < MR_HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			return MR_MIN(bucket_upper(i), h->max);
	}
	return h->max;
}

double mr_hist_mean(const struct mr_hist *h)
{
	return h->count == 0 ? 0.0 : (double)h->sum / (double)h->count;
}
