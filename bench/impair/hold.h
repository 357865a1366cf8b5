/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames on their way, the earliest first: a binary heap of fixed size. Those that are due at the
 * same time leave in the order in which they came. Never frees a frame, never looks into one.
 */
#ifndef IMP_HOLD_H
#define IMP_HOLD_H

#include "attr.h"

struct rte_mbuf;

struct imp_held {
	uint64_t due_ns;
	uint64_t number; /* in the order of coming */
	uint64_t came_ns;
	struct rte_mbuf *m;
};

struct imp_hold {
	struct imp_held *at; /* at[0] is the first one due; at[i] not before at[(i - 1) / 2] */
	uint32_t n, max;
};

/** False: no memory. */
bool imp_hold_init(struct imp_hold *h, uint32_t max);
void imp_hold_fini(struct imp_hold *h);
/** n < max. */
void imp_hold_put(struct imp_hold *h, const struct imp_held *frame);
/** Takes the first one out. n > 0. */
void imp_hold_take(struct imp_hold *h, struct imp_held *frame);
/** When the first one is due; UINT64_MAX: there is none. */
MR_INLINE uint64_t imp_hold_due_ns(const struct imp_hold *h)
{
	return h->n > 0 ? h->at[0].due_ns : UINT64_MAX;
}

#endif /* IMP_HOLD_H */
