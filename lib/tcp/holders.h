/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who keeps data out of order: the extensions that hold some, in no order, so that one can be found
 * that holds much when there is none left for who comes. All of a worker's; every function takes a
 * few steps.
 */
#ifndef MR_TCP_HOLDERS_H
#define MR_TCP_HOLDERS_H

#include "check.h"

struct tcp_holders {
	uint32_t *index, *place;	/* index[0 .. n): extensions; place[index[i]] == i */
	uint32_t n;
	uint32_t hand;			/* whom the next search begins with */
};

MR_INLINE void tcp_holders_add(struct tcp_holders *h, uint32_t index)
{
	h->place[index] = h->n;
	h->index[h->n++] = index;
}

MR_INLINE void tcp_holders_remove(struct tcp_holders *h, uint32_t index)
{
	const uint32_t at = h->place[index];

	MR_ASSERT(at < h->n && h->index[at] == index);
	h->index[at] = h->index[--h->n];
	h->place[h->index[at]] = at;
}

MR_INLINE bool tcp_holders_has(const struct tcp_holders *h, uint32_t index)
{
	return h->place[index] < h->n && h->index[h->place[index]] == index;
}

/** The next one, in a circle; there is one. */
MR_INLINE uint32_t tcp_holders_next(struct tcp_holders *h)
{
	MR_ASSERT(h->n != 0);
	h->hand = h->hand + 1 < h->n ? h->hand + 1 : 0;
	return h->index[h->hand];
}

#endif /* MR_TCP_HOLDERS_H */
