/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tuples that an attacker would send: all of them have the same CRC32C, under every seed, because a
 * CRC is linear. They are the kernel of its matrix over the 48 bits that a client chooses freely
 * (address and port; the rest is fixed), found by Gaussian elimination.
 */
#ifndef BENCH_CRAFTED_H
#define BENCH_CRAFTED_H

#include <string.h>

#include "flow.h"

#define CRAFTED_FREE_BITS	48u

/* CRC32C of 6 octets with seed 0: linear in the input. */
static inline uint32_t crafted_crc32c(uint64_t v)
{
	uint32_t crc = 0;

	for (unsigned int i = 0; i < CRAFTED_FREE_BITS; i++) {
		uint32_t bit = (crc ^ (uint32_t)(v >> i)) & 1;

		crc = crc >> 1 ^ (bit ? 0x82f63b78u : 0);
	}
	return crc;
}

/* Fills basis with 16 independent inputs whose CRC is 0: 48 inputs minus a rank of 32. */
static inline void crafted_kernel(uint64_t basis[16])
{
	uint32_t pivot_crc[32] = { 0 };
	uint64_t pivot_in[32] = { 0 };
	unsigned int found = 0;

	for (unsigned int i = 0; i < CRAFTED_FREE_BITS && found < 16; i++) {
		uint64_t in = 1ull << i;
		uint32_t crc = crafted_crc32c(in);

		for (unsigned int b = 0; b < 32 && crc != 0; b++) {
			if (!(crc >> b & 1))
				continue;
			if (pivot_crc[b] == 0) {
				pivot_crc[b] = crc;
				pivot_in[b] = in;
				break;
			}
			crc ^= pivot_crc[b];
			in ^= pivot_in[b];
		}
		if (crc == 0)
			basis[found++] = in;
	}
}

/** n <= 65536 tuples of one CRC32C. */
static inline void crafted_tuples(struct flow_key *keys, uint32_t n)
{
	uint64_t basis[16] = { 0 }, v;
	uint32_t raddr;

	crafted_kernel(basis);
	for (uint32_t i = 0; i < n; i++) {
		v = 0;
		for (unsigned int b = 0; b < 16; b++)
			v ^= i >> b & 1 ? basis[b] : 0;
		memset(&keys[i], 0, sizeof(keys[i]));
		raddr = (uint32_t)v;
		memcpy(keys[i].raddr, &raddr, sizeof(raddr));
		keys[i].rport = (uint16_t)(v >> 32);
		keys[i].lport = 443;	/* apart from the ordinary tuples */
		keys[i].family = 4;
	}
}

#endif /* BENCH_CRAFTED_H */
