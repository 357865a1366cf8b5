/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sequence numbers and wrapping clocks: arithmetic modulo 2^32 (RFC 9293 section 3.4).
 * Two values are comparable when they lie less than 2^31 apart. Owns no state.
 */
#ifndef MR_SEQ_H
#define MR_SEQ_H

#include "attr.h"

/** a - b as a signed distance; exact while |a - b| < 2^31. */
MR_INLINE int32_t seq_diff(uint32_t a, uint32_t b) { return (int32_t)(a - b); }
MR_INLINE bool seq_lt(uint32_t a, uint32_t b) { return seq_diff(a, b) < 0; }
MR_INLINE bool seq_le(uint32_t a, uint32_t b) { return seq_diff(a, b) <= 0; }
MR_INLINE bool seq_gt(uint32_t a, uint32_t b) { return seq_diff(a, b) > 0; }
MR_INLINE bool seq_ge(uint32_t a, uint32_t b) { return seq_diff(a, b) >= 0; }
MR_INLINE uint32_t seq_max(uint32_t a, uint32_t b) { return seq_ge(a, b) ? a : b; }
MR_INLINE uint32_t seq_min(uint32_t a, uint32_t b) { return seq_le(a, b) ? a : b; }
/** lo <= x < hi in sequence space. */
MR_INLINE bool seq_in(uint32_t x, uint32_t lo, uint32_t hi) { return x - lo < hi - lo; }

/* Octets [left, right). */
struct seq_range {
	uint32_t left, right;
};
MR_INLINE bool seq_range_empty(const struct seq_range *r) { return r->left == r->right; }

#endif /* MR_SEQ_H */
