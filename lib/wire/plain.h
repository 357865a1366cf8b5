/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain frame, which nearly every frame is: one segment, no tag, IPv4 without options, no
 * fragment, TCP, checksums good. One predicate, that only ever accepts: what it does not like goes
 * through the general parser, which finds the exact reason. wire_parse() begins with it; the
 * pipeline of lib/stack asks it directly, and then reads the few values it needs where they stand.
 *
 * HOT PATH: no allocation, no lock, no log, no division; budget 18 cycles with checksum offload
 * (bench/micro/wire).
 */
#ifndef MR_PLAIN_H
#define MR_PLAIN_H

#include <rte_mbuf.h>
#include <rte_ether.h>
#include <rte_tcp.h>

#include "cksum.h"
#include "octets.h"
#include "tcp_seg.h"

#define PLAIN_ETH_LEN	14u
#define PLAIN_IP_LEN	20u
#define PLAIN_TCP_LEN	20u
#define PLAIN_L4	(PLAIN_ETH_LEN + PLAIN_IP_LEN)

#define PLAIN_RX_GOOD	(RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)
/* Flags that must be all 0, or exactly PLAIN_RX_GOOD. */
#define PLAIN_RX_FLAGS	(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK | \
			 RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)

/* Words in network order, as a little-endian or big-endian machine loads them. */
MR_INLINE uint64_t wire_word64(uint64_t network_order) { return rte_cpu_to_be_64(network_order); }

/* Everything that is a fixed value, as one word that is 0 when all agree. */
MR_INLINE uint64_t wire_plain_surprises(const uint8_t *p)
{
	/* the group bits of both MACs */
	const uint64_t group = wire_load64(p) & wire_word64(0x0100000000000100ull);
	/* EtherType, version, header length */
	const uint64_t type = (wire_load64(p + 12) ^
			       wire_word64((uint64_t)RTE_ETHER_TYPE_IPV4 << 48 |
					   (uint64_t)RTE_IPV4_VHL_DEF << 40)) &
			      wire_word64(0xffffff0000000000ull);
	/* more fragments, fragment offset; protocol */
	const uint64_t proto = (wire_load64(p + 20) ^ wire_word64((uint64_t)IPPROTO_TCP << 32)) &
			       wire_word64(0x3fff00ff00000000ull);

	return group | type | proto;
}

/* Lengths, source address and ports in range. No short circuits: one branch for all of it. */
MR_INLINE bool wire_plain_in_range(const uint8_t *p, uint32_t frame_len, uint32_t ip_len)
{
	const uint32_t src = wire_load32(p + PLAIN_ETH_LEN + 12);
	const uint32_t dst = wire_load32(p + PLAIN_ETH_LEN + 16);
	const uint32_t tcp_len = (uint32_t)p[PLAIN_L4 + 12] >> 4 << 2;

	return (ip_len + PLAIN_ETH_LEN <= frame_len) & (tcp_len >= PLAIN_TCP_LEN) &
	       (tcp_len + PLAIN_IP_LEN <= ip_len) & (src != dst) &
	       wire_ip4_is_plain(wire_be32(src)) & (wire_load16(p + PLAIN_L4) != 0) &
	       (wire_load16(p + PLAIN_L4 + 2) != 0);
}

/** Header checksum and TCP checksum of a plain frame, in software. */
bool wire_plain_cksums_good(const uint8_t *p, uint32_t ip_len);

/**
 * Is this a plain frame, its source an address that a host can have, its checksums good by the
 * port's word or by reading? Whether MAC and destination address are ours (or can be anybody's) is
 * the caller's question. Any worker.
 */
MR_INLINE bool wire_is_plain4(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint64_t flags = m->ol_flags & PLAIN_RX_FLAGS;
	uint32_t ip_len;

	if (MR_UNLIKELY(m->data_len < PLAIN_L4 + PLAIN_TCP_LEN || m->nb_segs != 1))
		return false;
	ip_len = wire_be16(wire_load16(p + PLAIN_ETH_LEN + 2));
	if (MR_UNLIKELY(wire_plain_surprises(p) != 0 ||
			!wire_plain_in_range(p, m->data_len, ip_len)))
		return false;
	return MR_LIKELY(flags == PLAIN_RX_GOOD) ||
	       (flags == 0 && wire_plain_cksums_good(p, ip_len));
}

#define PLAIN6_IP_LEN	40u
#define PLAIN6_L4	(PLAIN_ETH_LEN + PLAIN6_IP_LEN)

/** The same over IPv6, without extension headers. */
bool wire_plain6_cksum_good(const uint8_t *p, uint32_t l4_len);
MR_INLINE bool wire_is_plain6(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + PLAIN_ETH_LEN;
	const uint64_t flags = m->ol_flags & (PLAIN_RX_FLAGS & ~RTE_MBUF_F_RX_IP_CKSUM_MASK);
	uint32_t l4_len, tcp_len;

	if (MR_UNLIKELY(m->data_len < PLAIN6_L4 + PLAIN_TCP_LEN || m->nb_segs != 1))
		return false;
	l4_len = wire_be16(wire_load16(ip + 4));
	tcp_len = (uint32_t)p[PLAIN6_L4 + 12] >> 4 << 2;
	if (MR_UNLIKELY(wire_load16(p + 12) != wire_be16(RTE_ETHER_TYPE_IPV6) ||
			(wire_load64(p) & wire_word64(0x0100000000000100ull)) != 0 ||
			ip[0] >> 4 != 6 || ip[6] != IPPROTO_TCP ||
			l4_len + PLAIN6_L4 > m->data_len || tcp_len < PLAIN_TCP_LEN ||
			tcp_len > l4_len || wire_load16(p + PLAIN6_L4) == 0 ||
			wire_load16(p + PLAIN6_L4 + 2) == 0))
		return false;
	if (MR_UNLIKELY(!wire_ip6_is_host(ip + WIRE_IP6_SRC_OFF) ||
			memcmp(ip + WIRE_IP6_SRC_OFF, ip + WIRE_IP6_DST_OFF, 16) == 0))
		return false;
	return MR_LIKELY(flags == RTE_MBUF_F_RX_L4_CKSUM_GOOD) ||
	       (flags == 0 && wire_plain6_cksum_good(p, l4_len));
}

/* The TCP header behind its ports, in host order, as a pipeline keeps it for later. */
struct wire_plain {
	uint64_t numbers;	/* SEG.SEQ, SEG.ACK */
	uint64_t rest;		/* data offset, flags, window, checksum, urgent pointer */
};
MR_INLINE struct wire_plain wire_plain_words(const uint8_t *tcp)
{
	return (struct wire_plain){
		.numbers = rte_be_to_cpu_64(wire_load64(tcp + 4)),
		.rest = rte_be_to_cpu_64(wire_load64(tcp + 12)),
	};
}
/** Octets of TCP options. */
MR_INLINE uint32_t wire_plain_options_len(struct wire_plain t)
{
	return (uint32_t)(t.rest >> 60) * 4 - PLAIN_TCP_LEN;
}
MR_INLINE uint8_t wire_plain_flags(struct wire_plain t) { return (uint8_t)(t.rest >> 48); }

/** ECN field of a plain frame. */
MR_INLINE uint8_t wire_plain_ecn(const uint8_t *frame, bool v6)
{
	const uint8_t tos = frame[PLAIN_ETH_LEN + 1];

	return (v6 ? tos >> 4 : tos) & ECN_CE;
}

/**
 * The segment but for its options (seg->opts is 0) and ECN (0: wire_plain_ecn() has it); `l4_len`:
 * from the TCP header to the end.
 */
MR_INLINE void wire_plain_values(struct wire_plain t, uint32_t l4_len, struct tcp_seg *seg)
{
	seg->seq = (uint32_t)(t.numbers >> 32);
	seg->ack = (uint32_t)t.numbers;
	seg->tsval = seg->tsecr = 0;
	seg->wnd = (uint16_t)(t.rest >> 32);
	seg->len = (uint16_t)(l4_len - PLAIN_TCP_LEN - wire_plain_options_len(t));
	seg->urg = (uint16_t)t.rest;
	seg->flags = wire_plain_flags(t);
	seg->opts = 0;
	seg->nsack = 0;
	seg->ecn = ECN_NOT_ECT;
}

#endif /* MR_PLAIN_H */
