/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Source tuples of active opens: every address of the prefix with every port of the range, each
 * once before any comes again. That gives a tuple the longest rest between two lives, which is what
 * TIME_WAIT on either side wants. Addresses change fastest, so that a peer's hash by address is fed
 * evenly. HOT PATH: no division.
 */
#ifndef MB_TUPLES_H
#define MB_TUPLES_H

#include <string.h>

#include "millrace.h"
#include "check.h"
#include "rng.h"

struct mb_tuples {
	uint8_t family;
	uint8_t base[16];      /* first address, network order */
	uint32_t naddrs, addr; /* offset of the next one, 0 .. naddrs-1 */
	uint32_t nports, port; /* offset of the next one, 0 .. nports-1 */
	uint16_t port_first;
	bool choose_port; /* false: the engine does, so that replies reach the worker */
};

/** Begins anywhere, by the seed, so that a second run does not meet the first one's TIME_WAIT. */
MR_INLINE void mb_tuples_start(struct mb_tuples *t, uint64_t seed)
{
	struct mr_rng rng;

	MR_ASSERT(t->naddrs > 0 && t->nports > 0);
	mr_rng_seed(&rng, seed);
	t->addr = (uint32_t)mr_rng_below(&rng, t->naddrs);
	t->port = (uint32_t)mr_rng_below(&rng, t->nports);
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

/** The next tuple as the local endpoint of mr_connect. */
MR_INLINE void mb_tuples_next(struct mb_tuples *t, struct mr_endpoint *local)
{
	local->family = t->family;
	mb_addr_offset(local->addr, t->base, t->family, t->addr);
	local->port = t->choose_port ? (uint16_t)(t->port_first + t->port) : 0;
	if (++t->addr < t->naddrs)
		return;
	t->addr = 0;
	if (++t->port == t->nports)
		t->port = 0;
}

#endif /* MB_TUPLES_H */
