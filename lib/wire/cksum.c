/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksums over mbuf chains. Never writes to the mbuf; the sums themselves are in cksum.h.
 */
#include <rte_mbuf.h>

#include "check.h"
#include "cksum.h"

uint64_t wire_sum_wide(const void *p, uint32_t len, uint64_t sum)
{
	const uint8_t *at = p;
	const uint32_t words = len / 4, tail = len % 4;

	for (uint32_t i = 0; i < words; i++)	/* the compiler vectorises this */
		sum += wire_load32(at + 4 * (size_t)i);
	return wire_sum(at + 4 * (size_t)words, tail, sum);
}

/* An octet at an odd place of the sum belongs to the other half of its 16-bit word: swap the
 * partial sum of a segment that begins there (RFC 1071 2(B)). */
static uint64_t sum_segments(const struct rte_mbuf *m, uint32_t off, uint32_t len, uint64_t sum)
{
	uint32_t done = 0;

	while (done < len) {
		const uint32_t have = m->data_len - off;
		const uint32_t n = MR_MIN(have, len - done);
		const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
		const uint16_t part = wire_sum_reduce(wire_sum(p, n, 0));

		sum += (done & 1) ? rte_bswap16(part) : part;
		done += n;
		m = m->next;
		off = 0;
		MR_ASSERT(m != NULL || done == len);
	}
	return sum;
}

uint64_t wire_sum_chain(const struct rte_mbuf *m, uint32_t off, uint32_t len, uint64_t sum)
{
	if (MR_LIKELY(off + len <= m->data_len))
		return wire_sum(rte_pktmbuf_mtod_offset(m, const uint8_t *, off), len, sum);
	MR_ASSERT(off <= m->pkt_len && len <= m->pkt_len - off);
	if (len == 0)
		return sum;
	while (off >= m->data_len) {	/* ends: off < pkt_len, the sum of all data_len */
		off -= m->data_len;
		m = m->next;
		MR_ASSERT(m != NULL);
	}
	return sum_segments(m, off, len, sum);
}
