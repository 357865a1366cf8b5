/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071) as 64-bit sums of 32-bit words: 2^32 and 2^16 are both 1 modulo
 * 65535, so wide words add up to the same 16 bits, and 64 KB of them cannot overflow 64 bits.
 * HOT PATH: no allocation, no lock, no log, no division. Budget: 10 cycles for a 20-octet header
 * (bench/micro/wire). rte_raw_cksum() adds 16-bit words, which is slower for short headers.
 */
#ifndef MR_CKSUM_H
#define MR_CKSUM_H

#include <rte_mbuf.h>

#include "octets.h"

/* From this length on, wide loads win; below it they would stall on a header that was just stored
 * in words of 4 octets (no store forwarding), and their prologue costs more than they save. */
#define WIRE_SUM_WIDE	128u

/** As wire_sum(), in wide loads; out of line, so that short sums keep their registers. */
uint64_t wire_sum_wide(const void *p, uint32_t len, uint64_t sum);

/**
 * Adds len octets at p, taken as 16-bit words in memory order, to `sum`; an odd one is padded by
 * 0.
 */
MR_INLINE uint64_t wire_sum(const void *p, uint32_t len, uint64_t sum)
{
	const uint8_t *at = p;

	if (len >= WIRE_SUM_WIDE)
		return wire_sum_wide(p, len, sum);
	for (; len >= 4; len -= 4, at += 4) {
		sum += wire_load32(at);
		__asm__("" : "+r"(sum));	/* keeps the compiler from vectorising this one */
	}
	if (len & 2) {
		sum += wire_load16(at);
		at += 2;
	}
	if (len & 1) {
		uint16_t last = 0;

		__builtin_memcpy(&last, at, 1);
		sum += last;
	}
	return sum;
}

/**
 * The same for octets that came from outside: in words of 64 bits, whose carry comes round (2^64 is
 * 1 modulo 65535 too). Of octets that were just stored in smaller words, wire_sum() is faster.
 */
MR_INLINE uint64_t wire_sum_received(const uint8_t *at, uint32_t len, uint64_t sum)
{
	if (len >= WIRE_SUM_WIDE)
		return wire_sum_wide(at, len, sum);
	for (; len >= 8; len -= 8, at += 8) {
		const bool carry = __builtin_add_overflow(sum, wire_load64(at), &sum);

		sum += carry;
	}
	/* what the words left may fill 64 bits: make room for the rest */
	return wire_sum(at, len, (sum & 0xffffffffu) + (sum >> 32));
}

/** Folds a sum to 16 bits without complementing it. */
MR_INLINE uint16_t wire_sum_reduce(uint64_t sum)
{
	sum = (sum & 0xffffffffu) + (sum >> 32);	/* < 2^33 */
	sum = (sum & 0xffff) + (sum >> 16);		/* < 2^18: 2^16 + 2^17 */
	sum = (sum & 0xffff) + (sum >> 16);		/* <= 0xffff + 3 */
	sum = (sum & 0xffff) + (sum >> 16);		/* <= 0xffff */
	return (uint16_t)sum;
}

/** Folds and complements into the 16 bits of the header field (network order in memory). */
MR_INLINE uint16_t wire_sum_fold(uint64_t sum)
{
	return (uint16_t)~wire_sum_reduce(sum);
}

/** A checksum after one of its 16-bit words changed: RFC 1624 equation 3, ~(~HC + ~m + m'). */
MR_INLINE uint16_t wire_cksum_adjust(uint16_t cksum, uint16_t before, uint16_t after)
{
	return wire_sum_fold((uint64_t)(uint16_t)~cksum + (uint16_t)~before + after);
}

/** What the protocol and length of a pseudo-header add (RFC 9293 3.1; RFC 8200 8.1). */
MR_INLINE uint64_t wire_sum_pseudo(uint8_t proto, uint32_t l4_len)
{
	/* Both fields are big-endian words; their upper halves are 0 but for jumbograms. */
	return (uint64_t)wire_be16(proto) + wire_be32(l4_len);
}

/**
 * Internet checksum of len octets at off in the chain, added to `sum`; not folded. The octets must
 * be there: off + len <= pkt_len. Any segment boundary may be odd.
 */
uint64_t wire_sum_chain(const struct rte_mbuf *m, uint32_t off, uint32_t len, uint64_t sum);

#endif /* MR_CKSUM_H */
