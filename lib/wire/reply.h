/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Header-only frames (SYN, SYN-ACK, ACK, FIN, RST): new ones, and the received frame
 * turned, in place, into the answer to its sender. All words of the old header are loaded before
 * the first store, the new ones are built in registers and stored once: reading back a header that
 * was just written in smaller pieces would stall on store forwarding. Never touches the tag
 * octets, never allocates, knows no connection.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read, no division. Budget: 25 cycles
 * with checksum offload, 35 in software (bench/micro/wire).
 */
#ifndef MR_REPLY_H
#define MR_REPLY_H

#include <rte_mbuf.h>

#include "build.h"
#include "check.h"

static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN,
	      "the shifts below put octets in memory order of a little-endian machine");

/* What the reply needs that neither the frame nor the segment says. */
struct wire_reply {
	uint8_t l2_len;		/* wire_frame.l2_len of the received frame */
	uint8_t hop_limit;	/* MUST-49: the configured one */
	uint8_t tos;
	uint8_t offload;	/* enum wire_tx_offload */
	uint16_t ip_id;
};

/* Swaps the MACs: 12 octets as one word of 8 and one of 4. */
MR_INLINE void wire_reply_macs(uint8_t *p)
{
	const uint64_t a = wire_load64(p);	/* d0..d5 s0 s1 */
	const uint64_t b = wire_load32(p + 8);	/* s2..s5 */

	wire_store64(p, a >> 48 | b << 16 | a << 48);	/* s0..s5 d0 d1 */
	wire_store32(p + 8, (uint32_t)(a >> 16));	/* d2..d5 */
}

/* The options of a SYN that has MSS, timestamps and window scale, as wire_put_tcp_options(). */
MR_INLINE uint32_t wire_reply_syn_options(uint8_t *to, const struct tcp_seg *seg, uint64_t *sum)
{
	const uint32_t mss = wire_be32(0x02040000u | seg->mss);
	const uint32_t kind = wire_be32((seg->opts & TCP_OPT_SACK_OK) ? 0x0402080au : 0x0101080au);
	const uint32_t val = wire_be32(seg->tsval), ecr = wire_be32(seg->tsecr);
	const uint32_t ws = wire_be32(0x01030300u | seg->wscale);

	wire_store64(to, (uint64_t)kind << 32 | mss);
	wire_store64(to + 8, (uint64_t)ecr << 32 | val);
	wire_store32(to + 16, ws);
	*sum += (uint64_t)mss + kind + val + ecr + ws;
	return 20;
}

/* Options behind the header at `to`; their sum is added to *sum. Returns their octets. */
MR_INLINE uint32_t wire_reply_options(uint8_t *to, const struct tcp_seg *seg, uint64_t *sum)
{
	uint32_t len, val, ecr;

	if (seg->opts == 0)
		return 0;
	if (MR_LIKELY(seg->opts == TCP_OPT_TS)) {
		val = wire_be32(seg->tsval);
		ecr = wire_be32(seg->tsecr);
		wire_store32(to, wire_be32(0x0101080au));	/* NOP NOP TS 10 */
		wire_store64(to + 4, (uint64_t)ecr << 32 | val);
		*sum += (uint64_t)wire_be32(0x0101080au) + val + ecr;
		return 12;
	}
	if (seg->opts == TCP_OPT_MSS) {
		val = wire_be32(0x02040000u | seg->mss);
		wire_store32(to, val);
		*sum += val;
		return 4;
	}
	if ((seg->opts & ~TCP_OPT_SACK_OK) == (TCP_OPT_MSS | TCP_OPT_TS | TCP_OPT_WS))
		return wire_reply_syn_options(to, seg, sum);
	len = wire_put_tcp_options(to, seg);
	*sum = wire_sum(to, len, *sum);
	return len;
}

/* Header of 20 octets; `addrs` are the swapped addresses, source in the lower half. */
MR_INLINE void wire_reply_ip4(uint8_t *ip, const struct wire_reply *how, uint32_t ip_len,
			      uint64_t addrs)
{
	const uint64_t first = 0x45u | (uint32_t)how->tos << 8 |
		(uint64_t)wire_be16((uint16_t)ip_len) << 16 |
		(uint64_t)wire_be16(how->ip_id) << 32 |
		(uint64_t)wire_be16(RTE_IPV4_HDR_DF_FLAG) << 48;
	const uint32_t third = how->hop_limit | (uint32_t)IPPROTO_TCP << 8;
	uint32_t cksum = 0;

	if ((how->offload & WIRE_TX_IPV4_CKSUM) == 0)
		cksum = wire_sum_fold((first & 0xffffffffu) + (first >> 32) + third +
				      (addrs & 0xffffffffu) + (addrs >> 32));
	wire_store64(ip, first);
	wire_store32(ip + 8, third | cksum << 16);
	wire_store64(ip + 12, addrs);
}

/* Lengths and flags for the port; one store of tx_offload, one of ol_flags. */
MR_INLINE void wire_reply_mbuf(struct rte_mbuf *m, const struct wire_reply *how, uint32_t l3_len,
			       uint32_t l4_len)
{
	const uint64_t family = l3_len == 20 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	const uint32_t len = how->l2_len + l3_len + l4_len;
	uint64_t flags = 0;

	if ((how->offload & WIRE_TX_IPV4_CKSUM) && l3_len == 20)
		flags |= family | RTE_MBUF_F_TX_IP_CKSUM;
	if (how->offload & WIRE_TX_TCP_CKSUM)
		flags |= family | RTE_MBUF_F_TX_TCP_CKSUM;
	m->ol_flags = flags;
	/* In the mbuf's second line: not touched when nobody will read it. */
	if (flags != 0)
		m->tx_offload = rte_mbuf_tx_offload(how->l2_len, l3_len, l4_len, 0, 0, 0, 0);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

/* TCP header and options at `tcp`; `addrs` is the sum of the addresses. Returns their octets. */
MR_INLINE uint32_t wire_put_header(uint8_t *tcp, const struct wire_reply *how, uint32_t ports,
				   const struct tcp_seg *seg, uint64_t addrs)
{
	const uint32_t seq = wire_be32(seg->seq), ack = wire_be32(seg->ack);
	const uint32_t urg = (seg->flags & TCP_URG) ? (uint32_t)wire_be16(seg->urg) << 16 : 0;
	uint32_t l4_len, word, cksum;
	uint64_t sum = 0, pseudo;

	l4_len = 20 + wire_reply_options(tcp + 20, seg, &sum);
	word = l4_len << 2 | (uint32_t)seg->flags << 8 | (uint32_t)wire_be16(seg->wnd) << 16;
	pseudo = addrs + wire_sum_pseudo(IPPROTO_TCP, l4_len);
	if (how->offload & WIRE_TX_TCP_CKSUM)
		cksum = wire_sum_reduce(pseudo);
	else
		cksum = wire_sum_fold(sum + pseudo + ports + seq + ack + word + (urg >> 16));
	wire_store64(tcp, (uint64_t)seq << 32 | ports);
	wire_store64(tcp + 8, (uint64_t)word << 32 | ack);
	wire_store32(tcp + 16, cksum | urg);
	return l4_len;
}

/**
 * IPv4 and TCP headers of the header-only segment `seg` (seg->len is 0) behind how->l2_len octets
 * of m, and the lengths, flags and checksums that go with them. `addrs`: source in the lower half,
 * `ports` likewise, all as they lie in memory. m is direct, refcnt 1, one segment, with the room.
 */
MR_INLINE void wire_put_tcp4(struct rte_mbuf *m, const struct wire_reply *how, uint64_t addrs,
			     uint32_t ports, const struct tcp_seg *seg)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, how->l2_len);
	uint32_t l4_len;

	MR_CHECK(RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 && m->nb_segs == 1);
	MR_CHECK(m->data_off + how->l2_len + 80u <= m->buf_len && seg->len == 0);
	l4_len = wire_put_header(ip + 20, how, ports, seg, (addrs & 0xffffffffu) + (addrs >> 32));
	wire_reply_ip4(ip, how, 20 + l4_len, addrs);
	wire_reply_mbuf(m, how, 20, l4_len);
}

/* Two IPv6 addresses as they lie in memory. */
struct wire_addrs6 {
	uint64_t src[2], dst[2];
};

/* The sum of a word of 64 bits, in 33. */
MR_INLINE uint64_t wire_sum_word(uint64_t w) { return (w & 0xffffffffu) + (w >> 32); }

/** The same over IPv6: no extension headers, flow label 0. */
MR_INLINE void wire_put_tcp6(struct rte_mbuf *m, const struct wire_reply *how,
			     const struct wire_addrs6 *a, uint32_t ports, const struct tcp_seg *seg)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, how->l2_len);
	const uint64_t addrs = wire_sum_word(a->src[0]) + wire_sum_word(a->src[1]) +
			       wire_sum_word(a->dst[0]) + wire_sum_word(a->dst[1]);
	uint32_t l4_len;

	MR_CHECK(RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 && m->nb_segs == 1);
	MR_CHECK(m->data_off + how->l2_len + 100u <= m->buf_len && seg->len == 0);
	l4_len = wire_put_header(ip + 40, how, ports, seg, addrs);
	wire_store64(ip, wire_be32(6u << 28 | (uint32_t)how->tos << 20) |
			 (uint64_t)wire_be16((uint16_t)l4_len) << 32 |
			 (uint64_t)IPPROTO_TCP << 48 | (uint64_t)how->hop_limit << 56);
	wire_store64(ip + 8, a->src[0]);
	wire_store64(ip + 16, a->src[1]);
	wire_store64(ip + 24, a->dst[0]);
	wire_store64(ip + 32, a->dst[1]);
	wire_reply_mbuf(m, how, 40, l4_len);
}

/**
 * Turns m, a frame that wire_parse called WIRE_TCP with family 4 and l3_len 20, into the
 * header-only segment `seg` to its sender: MACs, addresses and ports swapped, DF set, checksums by
 * the port or here. Tags in the frame stay; a tag that the port stripped is the caller's to put
 * back (ol_flags are overwritten). m as for wire_put_tcp4().
 */
MR_INLINE void wire_reply_tcp4(struct rte_mbuf *m, const struct wire_reply *how,
			       const struct tcp_seg *seg)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), *ip = p + how->l2_len;
	const uint64_t addrs = wire_load64(ip + 12);
	const uint32_t ports = wire_load32(ip + 20);

	wire_reply_macs(p);
	wire_put_tcp4(m, how, addrs << 32 | addrs >> 32, ports << 16 | ports >> 16, seg);
}

/** The same for family 6 and l3_len 40. */
MR_INLINE void wire_reply_tcp6(struct rte_mbuf *m, const struct wire_reply *how,
			       const struct tcp_seg *seg)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), *ip = p + how->l2_len;
	const struct wire_addrs6 swapped = {
		.src = {wire_load64(ip + 24), wire_load64(ip + 32)},
		.dst = {wire_load64(ip + 8), wire_load64(ip + 16)},
	};
	const uint32_t ports = wire_load32(ip + 40);

	wire_reply_macs(p);
	wire_put_tcp6(m, how, &swapped, ports << 16 | ports >> 16, seg);
}

#endif /* MR_REPLY_H */
