/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys by number for tests of the tables: id i names one tuple, the same in every test.
 */
#ifndef TABLE_FIXTURE_H
#define TABLE_FIXTURE_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "rng.h"
#include "table.h"

static const struct mr_sipkey test_hash_key = { 0x0123456789abcdefull, 0xfedcba9876543210ull };

static inline struct flow_key key_of(uint8_t family, uint32_t id)
{
	struct flow_key k = { .family = family, .rport = (uint16_t)(id * 7), .lport = 80,
			      .laddr = (uint16_t)(id % 3) };
	uint32_t words[4] = { id, id ^ 0x55555555, 0x20010db8, ~id };

	memcpy(k.raddr, words, family == 4 ? 4 : 16);
	return k;
}

static inline uint64_t hash_of(const struct flow_key *k)
{
	return flow_hash(&test_hash_key, k);
}

#endif /* TABLE_FIXTURE_H */
