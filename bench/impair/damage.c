/* SPDX-License-Identifier: BSD-3-Clause */
/* See damage.h. Offsets are of IEEE 802.3, 802.1Q, RFC 791 and RFC 8200. */
#include "check.h"
#include "cksum.h"
#include "damage.h"

#define ETHERTYPE_AT 12u
#define TAG_OCTETS 4u
#define TAGS_MAX 2u
#define CE 3u

struct rte_mbuf *imp_copy(struct rte_mbuf *m, struct rte_mempool *pool)
{
	return rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
}

static bool is_own(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1)
			return false;
	return true;
}

struct rte_mbuf *imp_own(struct rte_mbuf *m, struct rte_mempool *pool, bool flat)
{
	struct rte_mbuf *copy;

	if (is_own(m) && (!flat || m->nb_segs == 1))
		return m;
	copy = imp_copy(m, pool);
	if (copy != NULL)
		rte_pktmbuf_free(m);
	return copy;
}

void imp_flip(struct rte_mbuf *m, uint64_t share)
{
	uint64_t bit = (uint64_t)(((unsigned __int128)share * (m->pkt_len * 8ull)) >> 64);
	uint32_t at = (uint32_t)(bit / 8);

	if (m->pkt_len == 0)
		return;
	while (at >= m->data_len) { /* at < pkt_len: one of the segments has it */
		at -= m->data_len;
		m = m->next;
	}
	*rte_pktmbuf_mtod_offset(m, uint8_t *, at) ^= (uint8_t)(1u << (bit % 8));
}

static uint16_t big16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint8_t *imp_ecn_capable(struct rte_mbuf *m)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), *ip;
	uint32_t at = ETHERTYPE_AT, ecn;

	for (unsigned int tags = 0; tags < TAGS_MAX && at + TAG_OCTETS + 2 <= m->data_len; tags++)
		at += big16(p + at) == 0x8100 || big16(p + at) == 0x88a8 ? TAG_OCTETS : 0;
	if (at + 2 + 20 > m->data_len)
		return NULL;
	ip = p + at + 2;
	if (big16(p + at) == 0x0800 && ip[0] >> 4 == 4)
		ecn = ip[1] & CE;
	else if (big16(p + at) == 0x86dd && ip[0] >> 4 == 6)
		ecn = ip[1] >> 4 & CE;
	else
		return NULL;
	return ecn == 1 || ecn == 2 ? ip : NULL;
}

void imp_mark_ce(uint8_t *ip)
{
	uint16_t was = wire_load16(ip), cksum = wire_load16(ip + 10);

	if (ip[0] >> 4 == 6) {
		ip[1] |= CE << 4;
		return;
	}
	ip[1] |= CE;
	wire_store16(ip + 10, wire_cksum_adjust(cksum, was, wire_load16(ip)));
}
