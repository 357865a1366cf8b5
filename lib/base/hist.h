/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log-linear histogram with three significant digits (as HdrHistogram): values 0 .. 2^40 (ns: 18
 * minutes; larger values are counted in the last bucket and in `clipped`). Recording is a shift and
 * an increment. One writer; merged by the control thread from copies.
 */
#ifndef MR_HIST_H
#define MR_HIST_H

#include "attr.h"

#define MR_HIST_SUB_BITS	11u	/* 2048 sub-buckets: error < 0.05 % */
#define MR_HIST_MAX_BITS	40u
#define MR_HIST_BUCKETS \
	((MR_HIST_MAX_BITS - MR_HIST_SUB_BITS + 2u) << (MR_HIST_SUB_BITS - 1u))

struct mr_hist {
	uint64_t count, clipped;
	uint64_t min, max;
	unsigned __int128 sum;
	uint32_t bucket[MR_HIST_BUCKETS];
};

void mr_hist_reset(struct mr_hist *h);
/** Index of the bucket of v. */
MR_INLINE uint32_t mr_hist_index(uint64_t v)
{
	uint32_t msb = 63u - (uint32_t)__builtin_clzll(v | 1);
	uint32_t shift = msb < MR_HIST_SUB_BITS ? 0 : msb - (MR_HIST_SUB_BITS - 1);

	return (shift << (MR_HIST_SUB_BITS - 1)) + (uint32_t)(v >> shift);
}
/** Records one value. HOT PATH. */
MR_INLINE void mr_hist_record(struct mr_hist *h, uint64_t v)
{
	uint32_t *bucket;

	if (MR_UNLIKELY(v >> MR_HIST_MAX_BITS)) {
		v = (1ull << MR_HIST_MAX_BITS) - 1;
		h->clipped++;
	}
	h->count++;
	h->sum += v;
	if (v < h->min)
		h->min = v;
	if (v > h->max)
		h->max = v;
	bucket = &h->bucket[mr_hist_index(v)];
	*bucket += *bucket != UINT32_MAX;	/* saturates, as merging does */
}
void mr_hist_merge(struct mr_hist *into, const struct mr_hist *from);
/** Value at quantile q (0..1): upper edge of its bucket, never above max; 0 when empty. */
uint64_t mr_hist_quantile(const struct mr_hist *h, double q);
double mr_hist_mean(const struct mr_hist *h);

#endif /* MR_HIST_H */
