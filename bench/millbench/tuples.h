/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Source tuples of active opens: every address of the prefix with every port of the range, each
 * once before any comes again. That gives a tuple the longest rest between two lives, which is what
 * TIME_WAIT on either side wants. Addresses change fastest, so that a peer's hash by address is fed
 * evenly. Of several workers each walks its own: a part of the tuples, or where the port's RSS
 * deals the replies out, those whose replies it receives. HOT PATH: no division.
 */
#ifndef MB_TUPLES_H
#define MB_TUPLES_H

#include <string.h>

#include "millrace.h"
#include "check.h"
#include "rng.h"

/* Tuples of others that are passed over in one go, at most: then the engine refuses the open. */
#define MB_TUPLES_PASSED 4096u

/* Index of the worker that receives the replies of `remote` to `local`; the number of workers or
 * more where nothing tells, and every worker may use every tuple. */
struct mb_owner {
	unsigned int (*worker_of)(const void *ctx, const struct mr_endpoint *remote,
				  const struct mr_endpoint *local);
	const void *ctx;
	struct mr_endpoint remote;
};

struct mb_tuples {
	uint8_t family;
	uint8_t base[16]; /* first address, network order */
	uint16_t port_first;
	uint32_t naddrs, nports;
	uint32_t addr, port;	       /* offsets of the next one: 0 .. naddrs-1, 0 .. nports-1 */
	uint32_t addr_from, port_from; /* of the first of this walk */
	uint64_t count, left;	       /* tuples of this walk; before it starts again */
	const struct mb_owner *owner;  /* of them only those that are the worker's; NULL: all */
	unsigned int worker;
};

/** The walk begins with the i-th tuple of all. */
MR_INLINE void mb_tuples_seek(const struct mb_tuples *t, uint64_t i, uint32_t *addr, uint32_t *port)
{
	*addr = (uint32_t)(i % t->naddrs);
	*port = (uint32_t)(i / t->naddrs);
}

/** Limits the walk to part `index` of `of` parts without a tuple in common; none is empty. */
MR_INLINE void mb_tuples_part(struct mb_tuples *t, unsigned int index, unsigned int of)
{
	uint64_t all = (uint64_t)t->naddrs * t->nports, from = all * index / of;

	MR_ASSERT(index < of && all >= of);
	t->count = all * (index + 1) / of - from;
	mb_tuples_seek(t, from, &t->addr_from, &t->port_from);
}

/**
 * Begins anywhere in its part, by the seed, so that a second run does not meet the first one's
 * TIME_WAIT. After mb_tuples_part().
 */
MR_INLINE void mb_tuples_start(struct mb_tuples *t, uint64_t seed)
{
	uint64_t from = (uint64_t)t->port_from * t->naddrs + t->addr_from, skip;
	struct mr_rng rng;

	MR_ASSERT(t->count > 0);
	mr_rng_seed(&rng, seed);
	skip = mr_rng_below(&rng, t->count);
	mb_tuples_seek(t, from + skip, &t->addr, &t->port);
	t->left = t->count - skip;
}

/** Adds `n` to the last four octets of an address. */
MR_INLINE void mb_addr_offset(uint8_t *to, const uint8_t base[16], uint8_t family, uint32_t n)
{
	unsigned int at = family == 4 ? 0 : 12;
	uint32_t low;

	memcpy(to, base, 16);
	memcpy(&low, base + at, 4);
	low = __builtin_bswap32(__builtin_bswap32(low) + n);
	memcpy(to + at, &low, 4);
}

MR_INLINE void mb_tuples_step(struct mb_tuples *t, struct mr_endpoint *local)
{
	local->family = t->family;
	mb_addr_offset(local->addr, t->base, t->family, t->addr);
	local->port = (uint16_t)(t->port_first + t->port);
	if (MR_UNLIKELY(--t->left == 0)) {
		t->left = t->count;
		t->addr = t->addr_from;
		t->port = t->port_from;
		return;
	}
	if (++t->addr < t->naddrs)
		return;
	t->addr = 0;
	t->port++;
}

/** The next tuple as the local endpoint of mr_connect. */
MR_INLINE void mb_tuples_next(struct mb_tuples *t, struct mr_endpoint *local)
{
	const struct mb_owner *o = t->owner;

	mb_tuples_step(t, local);
	if (MR_LIKELY(o == NULL))
		return;
	for (uint32_t i = 0; i < MB_TUPLES_PASSED; i++) {
		if (o->worker_of(o->ctx, &o->remote, local) == t->worker)
			return;
		mb_tuples_step(t, local);
	}
}

#endif /* MB_TUPLES_H */
