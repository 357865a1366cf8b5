/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP frames from values: link layer, IP and TCP headers, options, checksums. Never allocates,
 * never looks at a connection. The reply made out of a received frame is in reply.h.
 */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "build.h"
#include "check.h"

#define IP4_LEN		20u
#define IP6_LEN		40u
#define TCP_LEN		20u
#define TCP_OPTIONS_MAX	40u

#define TX_FLAGS	(RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | \
			 RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6)

/* Option kinds and lengths as they stand in front of their values, in network order. */
#define WORD(a, b, c, d) \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
enum { NOP = 1 };

static uint8_t *put16(uint8_t *to, uint16_t v)
{
	wire_store16(to, wire_be16(v));
	return to + 2;
}

static uint8_t *put32(uint8_t *to, uint32_t v)
{
	wire_store32(to, wire_be32(v));
	return to + 4;
}

void wire_l2_make(struct wire_l2 *l2, const uint8_t dst[6], const uint8_t src[6], uint16_t vlan,
		  uint16_t vlan_outer, uint16_t ether_type)
{
	uint8_t *at = l2->octets + 2 * RTE_ETHER_ADDR_LEN;

	MR_ASSERT(vlan_outer == WIRE_NO_VLAN || vlan != WIRE_NO_VLAN);
	memset(l2, 0, sizeof(*l2));
	memcpy(l2->octets, dst, RTE_ETHER_ADDR_LEN);
	memcpy(l2->octets + RTE_ETHER_ADDR_LEN, src, RTE_ETHER_ADDR_LEN);
	if (vlan_outer != WIRE_NO_VLAN) {
		at = put16(at, RTE_ETHER_TYPE_QINQ);
		at = put16(at, vlan_outer & RTE_VLAN_ID_MASK);
	}
	if (vlan != WIRE_NO_VLAN) {
		at = put16(at, RTE_ETHER_TYPE_VLAN);
		at = put16(at, vlan & RTE_VLAN_ID_MASK);
	}
	at = put16(at, ether_type);
	l2->len = (uint8_t)(at - l2->octets);
}

/* SACK blocks that fit behind `used` octets of other options. */
static unsigned int sack_blocks_fitting(const struct tcp_seg *seg, unsigned int used)
{
	if ((seg->opts & TCP_OPT_SACK) == 0 || used + 4 + 8 > TCP_OPTIONS_MAX)
		return 0;
	return MR_MIN(seg->nsack, (TCP_OPTIONS_MAX - used - 4) / 8);
}

/* RFC 7413 4.1.1, or as it was before; without padding. */
static unsigned int fastopen_len(const struct tcp_seg *seg)
{
	return (seg->cookie_exp ? 4u : 2u) + seg->cookie_len;
}

/* Everything but SACK blocks; each group is padded to 4 octets. */
static unsigned int plain_options_len(const struct tcp_seg *seg)
{
	const uint8_t opts = seg->opts;
	unsigned int len = 0;

	len += (opts & TCP_OPT_MSS) ? 4 : 0;
	len += (opts & TCP_OPT_TS) ? 12 : 0;
	len += (opts & (TCP_OPT_TS | TCP_OPT_SACK_OK)) == TCP_OPT_SACK_OK ? 4 : 0;
	len += (opts & TCP_OPT_WS) ? 4 : 0;
	len += (opts & TCP_OPT_FASTOPEN) ? (fastopen_len(seg) + 3) & ~3u : 0;
	return len;
}

uint16_t wire_tcp_options_len(const struct tcp_seg *seg)
{
	const unsigned int plain = plain_options_len(seg);
	const unsigned int blocks = sack_blocks_fitting(seg, plain);

	return (uint16_t)(plain + (blocks ? 4 + 8 * blocks : 0));
}

static uint8_t *put_sack(uint8_t *at, const struct tcp_seg *seg, unsigned int blocks)
{
	at = put32(at, WORD(NOP, NOP, 5, 2 + 8 * blocks));
	for (unsigned int i = 0; i < blocks; i++) {
		at = put32(at, seg->sack[i].left);
		at = put32(at, seg->sack[i].right);
	}
	return at;
}

static uint8_t *put_fastopen(uint8_t *at, const struct tcp_seg *seg)
{
	const unsigned int len = fastopen_len(seg);

	MR_CHECK((seg->opts & TCP_OPT_SACK) == 0 && seg->cookie_len <= TCP_COOKIE_MAX);
	at[0] = seg->cookie_exp ? 254 : 34;
	at[1] = (uint8_t)len;
	if (seg->cookie_exp)
		put16(at + 2, TCP_FASTOPEN_MAGIC);
	memcpy(at + len - seg->cookie_len, seg->cookie, seg->cookie_len);
	for (unsigned int i = len; i % 4 != 0; i++)
		at[i] = NOP;
	return at + ((len + 3) & ~3u);
}

/* In the order of Linux, whose layout middleboxes and fast paths know best. */
uint16_t wire_put_tcp_options(uint8_t *to, const struct tcp_seg *seg)
{
	const unsigned int blocks = sack_blocks_fitting(seg, plain_options_len(seg));
	const bool sack_ok = (seg->opts & TCP_OPT_SACK_OK) != 0;
	uint8_t *at = to;

	if (seg->opts & TCP_OPT_MSS)
		at = put32(at, WORD(2, 4, seg->mss >> 8, seg->mss & 0xff));
	if (seg->opts & TCP_OPT_TS) {
		at = put32(at, sack_ok ? WORD(4, 2, 8, 10) : WORD(NOP, NOP, 8, 10));
		at = put32(at, seg->tsval);
		at = put32(at, seg->tsecr);
	} else if (sack_ok) {
		at = put32(at, WORD(NOP, NOP, 4, 2));
	}
	if (seg->opts & TCP_OPT_WS)
		at = put32(at, WORD(NOP, 3, 3, seg->wscale));
	if (seg->opts & TCP_OPT_FASTOPEN)
		at = put_fastopen(at, seg);
	if (blocks > 0)
		at = put_sack(at, seg, blocks);
	return (uint16_t)(at - to);
}

/* Words of 4 octets, stored once: finish_ip4() and the checksum load them again as they were
 * stored. */
static void put_ip4(uint8_t *at, const struct wire_addrs *a, uint16_t ip_id)
{
	put32(at, WORD(RTE_IPV4_VHL_DEF, a->tos, 0, 0));
	put32(at + 4, (uint32_t)ip_id << 16 | RTE_IPV4_HDR_DF_FLAG);
	put32(at + 8, WORD(a->hop_limit, IPPROTO_TCP, 0, 0));
	wire_store32(at + 12, wire_load32(a->src));
	wire_store32(at + 16, wire_load32(a->dst));
}

static void put_ip6(uint8_t *at, const struct wire_addrs *a)
{
	struct rte_ipv6_hdr *ip = (void *)at;

	ip->vtc_flow = wire_be32(6u << 28 | (uint32_t)a->tos << RTE_IPV6_HDR_TC_SHIFT);
	ip->payload_len = 0;
	ip->proto = IPPROTO_TCP;
	ip->hop_limits = a->hop_limit;
	wire_ip6_set(ip, a->src, a->dst);
}

static void put_tcp(uint8_t *at, const struct wire_addrs *a, const struct tcp_seg *seg)
{
	const unsigned int len = TCP_LEN + wire_put_tcp_options(at + TCP_LEN, seg);
	const uint16_t urg = (seg->flags & TCP_URG) ? seg->urg : 0;

	put32(at, (uint32_t)wire_be16(a->sport) << 16 | wire_be16(a->dport));
	put32(at + 4, seg->seq);
	put32(at + 8, seg->ack);
	put32(at + 12, WORD(len / 4 << 4, seg->flags, seg->wnd >> 8, seg->wnd & 0xff));
	put32(at + 16, urg);	/* the checksum in front of it is finish_l4()'s */
}

void wire_build_tcp(struct rte_mbuf *m, const struct wire_l2 *l2, const struct wire_addrs *a,
		    const struct tcp_seg *seg, uint16_t ip_id)
{
	const unsigned int l3_len = a->family == 4 ? IP4_LEN : IP6_LEN;
	const unsigned int len = l2->len + l3_len + TCP_LEN + wire_tcp_options_len(seg);
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);

	MR_ASSERT(m->data_off + len <= m->buf_len);
	MR_CHECK((seg->opts & TCP_OPT_MSS) == 0 || (seg->flags & TCP_SYN));	/* MUST-65 */
	/* All of it, since a fixed length is a few stores; what is too much is overwritten. */
	memcpy(at, l2->octets, sizeof(l2->octets));
	at += l2->len;
	if (a->family == 4)
		put_ip4(at, a, ip_id);
	else
		put_ip6(at, a);
	put_tcp(at + l3_len, a, seg);
	m->pkt_len += len - m->data_len;
	m->data_len = (uint16_t)len;
}

/* Flags and pseudo-header sum for the port, or the sum of the whole segment. */
static void finish_l4(struct rte_mbuf *m, uint32_t off, uint64_t pseudo, bool by_port)
{
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, off);

	MR_CHECK(tcp->cksum == 0);	/* finished once only */
	if (by_port)
		tcp->cksum = wire_sum_reduce(pseudo);
	else
		tcp->cksum = wire_sum_fold(wire_sum_chain(m, off, m->pkt_len - off, pseudo));
}

/* Not rte_ipv4_cksum(): its 16-bit words vectorise, and stall on what put_ip4() has just stored. */
static uint64_t finish_ip4(struct rte_mbuf *m, uint32_t l2_len, unsigned int offload)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, l2_len);
	const uint32_t ip_len = m->pkt_len - l2_len;
	const uint32_t first = wire_load32(ip) | wire_be32(ip_len);
	const uint64_t addrs = (uint64_t)wire_load32(ip + 12) + wire_load32(ip + 16);
	const uint64_t pseudo = addrs + wire_sum_pseudo(IPPROTO_TCP, ip_len - IP4_LEN);
	uint64_t flags = 0;

	wire_store32(ip, first);
	if (offload & WIRE_TX_IPV4_CKSUM)
		flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	else
		wire_store16(ip + 10, wire_sum_fold(addrs + first + wire_load32(ip + 4) +
						    wire_load32(ip + 8)));
	if (offload & WIRE_TX_TCP_CKSUM)
		flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	finish_l4(m, l2_len + IP4_LEN, pseudo, offload & WIRE_TX_TCP_CKSUM);
	return flags;
}

static uint64_t finish_ip6(struct rte_mbuf *m, uint32_t l2_len, unsigned int offload)
{
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, l2_len);

	ip->payload_len = wire_be16((uint16_t)(m->pkt_len - l2_len - IP6_LEN));
	finish_l4(m, l2_len + IP6_LEN, rte_ipv6_phdr_cksum(ip, 0), offload & WIRE_TX_TCP_CKSUM);
	return (offload & WIRE_TX_TCP_CKSUM) ? RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM : 0;
}

void wire_finish_tcp(struct rte_mbuf *m, unsigned int l2_len, uint8_t family, unsigned int offload)
{
	const unsigned int l3_len = family == 4 ? IP4_LEN : IP6_LEN;
	const struct rte_tcp_hdr *tcp;
	uint64_t flags;

	MR_ASSERT(m->data_len >= l2_len + l3_len + TCP_LEN);
	MR_ASSERT(m->pkt_len - l2_len <= UINT16_MAX);
	flags = family == 4 ? finish_ip4(m, l2_len, offload) : finish_ip6(m, l2_len, offload);
	m->ol_flags = (m->ol_flags & ~TX_FLAGS) | flags;
	if (flags == 0)
		return;
	tcp = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, l2_len + l3_len);
	m->tx_offload = 0;
	m->l2_len = l2_len & 0x7f;
	m->l3_len = l3_len & 0x1ff;
	m->l4_len = (tcp->data_off >> 4) * 4u & 0xff;
}
