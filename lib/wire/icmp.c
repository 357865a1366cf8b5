/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443) messages: what they say, which packet of ours an error
 * quotes, and the echo reply. Whether a quote names a live connection is lib/stack's business.
 * Neighbour discovery is in ndp.c.
 */
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "check.h"
#include "cksum.h"
#include "ctl.h"
#include "ndp.h"

#define ICMP_HDR_LEN	8u
#define IP4_MIN		20u
#define IP4_MAX		60u
#define IP6_LEN		40u
#define QUOTED_TCP_LEN	8u	/* ports and sequence number: all that RFC 792 promises */
#define REPLY_HOP_LIMIT	64u

enum {
	ICMP4_ECHO_REPLY = 0, ICMP4_UNREACHABLE = 3, ICMP4_SOURCE_QUENCH = 4, ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11, ICMP4_PARAM_PROBLEM = 12,
	ICMP4_CODE_FRAG_NEEDED = 4,
	ICMP6_UNREACHABLE = 1, ICMP6_TOO_BIG = 2, ICMP6_TIME_EXCEEDED = 3, ICMP6_PARAM_PROBLEM = 4,
	ICMP6_ECHO = 128, ICMP6_ECHO_REPLY = 129,
};

static uint32_t icmp_off(const struct wire_frame *f)
{
	return (uint32_t)f->l2_len + f->l3_len;
}

static void quoted_ports(const uint8_t *tcp, struct wire_icmp *icmp)
{
	icmp->quoted_tcp = true;
	icmp->quoted_sport = wire_load16(tcp);
	icmp->quoted_dport = wire_load16(tcp + 2);
	icmp->quoted_seq = wire_be32(wire_load32(tcp + 4));
}

/* RFC 792: the IP header and 8 octets. `have` octets are there. False: malformed. A fragment that
 * is not the first quotes no ports. */
static bool quote4(const uint8_t *q, uint32_t have, struct wire_icmp *icmp)
{
	const struct rte_ipv4_hdr *ip = (const void *)q;
	uint32_t hdr_len;

	if (have < IP4_MIN || ip->version_ihl >> 4 != 4)
		return false;
	hdr_len = rte_ipv4_hdr_len(ip);
	if (hdr_len < IP4_MIN || have < hdr_len + QUOTED_TCP_LEN)
		return false;
	memcpy(icmp->quoted_src, q + offsetof(struct rte_ipv4_hdr, src_addr), 4);
	memcpy(icmp->quoted_dst, q + offsetof(struct rte_ipv4_hdr, dst_addr), 4);
	if (ip->next_proto_id == IPPROTO_TCP &&
	    (ip->fragment_offset & wire_be16(RTE_IPV4_HDR_OFFSET_MASK)) == 0)
		quoted_ports(q + hdr_len, icmp);
	return true;
}

/* RFC 4443 2.4(c): as much of the packet as fits. We send no extension headers, so that a quote of
 * ours has TCP right behind the header. */
static bool quote6(const uint8_t *q, uint32_t have, struct wire_icmp *icmp)
{
	const struct rte_ipv6_hdr *ip = (const void *)q;

	if (have < IP6_LEN + QUOTED_TCP_LEN || q[0] >> 4 != 6)
		return false;
	memcpy(icmp->quoted_src, wire_ip6_src(ip), 16);
	memcpy(icmp->quoted_dst, wire_ip6_dst(ip), 16);
	if (ip->proto == IPPROTO_TCP)
		quoted_ports(q + IP6_LEN, icmp);
	return true;
}

/* The quote behind the ICMP header; a malformed one makes the message BAD. */
static void read_quote(const struct rte_mbuf *m, const struct wire_frame *f, struct wire_icmp *icmp)
{
	uint8_t copy[IP4_MAX + QUOTED_TCP_LEN];
	const uint32_t have = MR_MIN(f->l4_len - ICMP_HDR_LEN, (uint32_t)sizeof(copy));
	const uint8_t *q;
	bool good;

	/* rte_pktmbuf_read() runs off a chain when asked for nothing at its end. */
	if (have == 0) {
		icmp->kind = WIRE_ICMP_BAD;
		return;
	}
	q = rte_pktmbuf_read(m, icmp_off(f) + ICMP_HDR_LEN, have, copy);
	MR_ASSERT(q != NULL);	/* l4_len lies within the mbuf */
	good = f->family == 4 ? quote4(q, have, icmp) : quote6(q, have, icmp);
	if (!good)
		icmp->kind = WIRE_ICMP_BAD;
}

static enum wire_icmp_kind kind4(const struct wire_icmp *icmp)
{
	switch (icmp->type) {
	case ICMP4_ECHO:
		return WIRE_ICMP_ECHO_REQUEST;
	case ICMP4_UNREACHABLE:		/* RFC 1191 4 */
		return icmp->code == ICMP4_CODE_FRAG_NEEDED ? WIRE_ICMP_TOO_BIG
							    : WIRE_ICMP_UNREACHABLE;
	case ICMP4_SOURCE_QUENCH:
		return WIRE_ICMP_SOURCE_QUENCH;
	case ICMP4_TIME_EXCEEDED:
		return WIRE_ICMP_TIME_EXCEEDED;
	case ICMP4_PARAM_PROBLEM:
		return WIRE_ICMP_PARAM_PROBLEM;
	default:
		return WIRE_ICMP_OTHER;
	}
}

static enum wire_icmp_kind kind6(const struct wire_icmp *icmp)
{
	switch (icmp->type) {
	case ICMP6_ECHO:
		return WIRE_ICMP_ECHO_REQUEST;
	case ICMP6_UNREACHABLE:
		return WIRE_ICMP_UNREACHABLE;
	case ICMP6_TOO_BIG:
		return WIRE_ICMP_TOO_BIG;
	case ICMP6_TIME_EXCEEDED:
		return WIRE_ICMP_TIME_EXCEEDED;
	case ICMP6_PARAM_PROBLEM:
		return WIRE_ICMP_PARAM_PROBLEM;
	default:
		return WIRE_ICMP_OTHER;
	}
}

void wire_icmp_values(const struct rte_mbuf *m, const struct wire_frame *f, struct wire_icmp *icmp)
{
	uint8_t copy[ICMP_HDR_LEN];
	const uint8_t *hdr = rte_pktmbuf_read(m, icmp_off(f), ICMP_HDR_LEN, copy);

	MR_ASSERT(hdr != NULL);		/* wire_parse() saw at least 8 octets */
	*icmp = (struct wire_icmp){ .family = f->family, .type = hdr[0], .code = hdr[1] };
	if (f->family == 6 && (icmp->type == ND_SOLICIT || icmp->type == ND_ADVERT)) {
		wire_nd_values(m, f, icmp);
		return;
	}
	icmp->kind = (uint8_t)(f->family == 4 ? kind4(icmp) : kind6(icmp));
	if (icmp->kind == WIRE_ICMP_OTHER || icmp->kind == WIRE_ICMP_ECHO_REQUEST)
		return;
	if (icmp->kind == WIRE_ICMP_TOO_BIG)	/* RFC 1191 4: 16 bits; RFC 4443 3.2: 32 bits */
		icmp->mtu = f->family == 4 ? wire_be16(wire_load16(hdr + 6))
					   : wire_be32(wire_load32(hdr + 4));
	read_quote(m, f, icmp);
}

/* Writes len octets at off, across segments; they lie within the mbuf. */
static void poke(struct rte_mbuf *m, uint32_t off, const uint8_t *from, uint32_t len)
{
	MR_ASSERT(off + len <= m->pkt_len);
	while (len > 0) {
		uint32_t n;

		for (; off >= m->data_len; m = m->next)	/* ends: off < pkt_len */
			off -= m->data_len;
		n = MR_MIN(len, m->data_len - off);
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, off), from, n);
		from += n;
		off += n;
		len -= n;
	}
}

/* Copies len octets at off, across segments. */
static void peek(const struct rte_mbuf *m, uint32_t off, uint8_t *to, uint32_t len)
{
	const void *p = rte_pktmbuf_read(m, off, len, to);

	MR_ASSERT(p != NULL);
	if (p != to)
		memcpy(to, p, len);
}

/* Options are replaced by NOPs: a source route or a recorded one must not travel back as it is. */
static void turn_ip4(struct rte_mbuf *m, const struct wire_frame *f)
{
	uint8_t hdr[IP4_MAX];
	struct rte_ipv4_hdr *ip = (void *)hdr;

	MR_ASSERT(f->l3_len >= IP4_MIN && f->l3_len <= IP4_MAX);
	peek(m, f->l2_len, hdr, f->l3_len);
	memset(hdr + IP4_MIN, RTE_IPV4_HDR_OPT_NOP, f->l3_len - IP4_MIN);
	ip->src_addr = f->dst4;
	ip->dst_addr = f->src4;
	ip->time_to_live = REPLY_HOP_LIMIT;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	poke(m, f->l2_len, hdr, f->l3_len);
}

/* Extension headers stay: wire_parse() admitted only those that any receiver may skip. */
static void turn_ip6(struct rte_mbuf *m, const struct wire_frame *f)
{
	struct rte_ipv6_hdr ip;
	uint8_t src[16], dst[16];

	peek(m, f->l2_len, (uint8_t *)&ip, IP6_LEN);
	memcpy(src, wire_ip6_src(&ip), 16);
	memcpy(dst, wire_ip6_dst(&ip), 16);
	wire_ip6_set(&ip, dst, src);
	ip.hop_limits = REPLY_HOP_LIMIT;
	poke(m, f->l2_len, (const uint8_t *)&ip, IP6_LEN);
}

/* Swapped addresses leave the pseudo-header's sum. The adjusted one is 0 also for a message that is
 * 0 throughout, whose sum must be 0xffff; both are right for any other. */
static void turn_icmp(struct rte_mbuf *m, const struct wire_frame *f)
{
	uint8_t hdr[4];
	uint16_t before, after, cksum;

	peek(m, icmp_off(f), hdr, sizeof(hdr));
	before = wire_load16(hdr);
	hdr[0] = f->family == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
	after = wire_load16(hdr);
	cksum = wire_cksum_adjust(wire_load16(hdr + 2), before, after);
	wire_store16(hdr + 2, cksum == 0 ? 0xffff : cksum);
	poke(m, icmp_off(f), hdr, sizeof(hdr));
}

void wire_echo_reply(struct rte_mbuf *m, const struct wire_frame *f, const uint8_t our_mac[6])
{
	const uint32_t len = icmp_off(f) + f->l4_len;
	uint8_t macs[12];

	MR_ASSERT(f->kind == WIRE_ICMP4 || f->kind == WIRE_ICMP6);
	MR_ASSERT(RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1);
	peek(m, 6, macs, 6);
	memcpy(macs + 6, our_mac, 6);
	poke(m, 0, macs, sizeof(macs));
	if (f->family == 4)
		turn_ip4(m, f);
	else
		turn_ip6(m, f);
	turn_icmp(m, f);
	if (m->nb_segs == 1) {		/* the padding of a short frame is not sent back */
		m->data_len = (uint16_t)len;
		m->pkt_len = len;
	}
	m->ol_flags = 0;
}
