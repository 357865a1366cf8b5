/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The general parser's IPv4 layer and what follows an IP header of either family: TCP and ICMP with
 * their checksums. IPv6 is in parse_ip6.c.
 */
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "check.h"
#include "cksum.h"
#include "ctl.h"
#include "parse.h"

#define IP4_MIN		20u
#define IP4_MAX		60u
#define TCP_MIN		20u
#define ICMP_MIN	8u

/* RFC 1122 3.2.1.2, by the port or here. The header is contiguous at ip. */
static bool ip4_cksum_good(const struct rte_mbuf *m, const struct rte_ipv4_hdr *ip)
{
	switch (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
	case RTE_MBUF_F_RX_IP_CKSUM_BAD:
		return false;
	case RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN:
		return rte_ipv4_cksum(ip) == 0;
	default:	/* GOOD, or NONE: not summed, but the header is known to be intact */
		return true;
	}
}

/* What is wrong with the addresses, or MR_C_COUNT. RFC 1122 3.2.1.3, 3.3.6. */
static enum mr_counter ip4_addr_fault(const struct wire_walk *w, uint8_t proto)
{
	const uint32_t src = wire_be32(w->f->src4), dst = wire_be32(w->f->dst4);
	const bool group_dst = (dst >> 28) == 0xe || dst == 0xffffffffu;

	if (!wire_ip4_is_host(src) || src == dst)
		return MR_C_RX_IP_SOURCE;
	if (!group_dst && !wire_ip4_is_host(dst))
		return MR_C_RX_IP_DEST;
	if (group_dst && proto == IPPROTO_TCP)
		return MR_C_RX_IP_DEST;		/* RFC 9293 MUST-57 */
	if (!group_dst && w->group_mac)
		return MR_C_RX_NOT_OURS_MAC;
	return MR_C_COUNT;
}

/* Header, lengths, checksum. NULL: dropped. */
static const struct rte_ipv4_hdr *ip4_header(struct wire_walk *w, uint8_t copy[IP4_MAX])
{
	const uint32_t off = w->f->l2_len;
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(w->m, off, IP4_MIN, copy);
	enum mr_counter fault = MR_C_RX_SHORT;
	uint32_t hdr_len, ip_len;

	if (ip == NULL)
		goto drop;
	hdr_len = rte_ipv4_hdr_len(ip);
	fault = MR_C_RX_IP_VERSION;
	if (ip->version_ihl >> 4 != 4 || hdr_len < IP4_MIN)
		goto drop;
	ip = rte_pktmbuf_read(w->m, off, hdr_len, copy);
	fault = MR_C_RX_SHORT;
	if (ip == NULL)
		goto drop;
	ip_len = wire_be16(ip->total_length);
	fault = MR_C_RX_IP_LENGTH;
	if (ip_len < hdr_len || ip_len > w->m->pkt_len - off)
		goto drop;
	fault = MR_C_RX_IP_CKSUM;
	if (!ip4_cksum_good(w->m, ip))
		goto drop;
	w->f->l3_len = (uint16_t)hdr_len;
	w->f->l4_len = (uint16_t)(ip_len - hdr_len);
	return ip;
drop:
	wire_drop(w->f, fault);
	return NULL;
}

/* What nobody would take when it is whole is not worth keeping. Groups are sent no fragments. */
static void walk_fragment(struct wire_walk *w, const struct rte_ipv4_hdr *ip)
{
	const bool group = !wire_ip4_is_host(wire_be32(ip->dst_addr));

	if (ip->next_proto_id != IPPROTO_TCP && ip->next_proto_id != IPPROTO_ICMP)
		wire_drop(w->f, MR_C_RX_PROTOCOL);
	else if (group)
		wire_drop(w->f, MR_C_RX_FRAGMENT);
	else
		w->f->kind = WIRE_FRAGMENT;
}

void wire_walk_ip4(struct wire_walk *w)
{
	uint8_t copy[IP4_MAX];
	const struct rte_ipv4_hdr *ip = ip4_header(w, copy);
	enum mr_counter fault;

	if (ip == NULL)
		return;
	w->f->family = 4;
	w->f->hop_limit = ip->time_to_live;
	w->f->tos = ip->type_of_service;
	w->f->src4 = ip->src_addr;
	w->f->dst4 = ip->dst_addr;
	w->pseudo_sum = (uint64_t)ip->src_addr + ip->dst_addr;
	fault = ip4_addr_fault(w, ip->next_proto_id);
	if (fault != MR_C_COUNT)
		wire_drop(w->f, fault);
	else if (wire_be16(ip->fragment_offset) & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		walk_fragment(w, ip);
	else if (ip->next_proto_id == IPPROTO_TCP)
		wire_walk_tcp(w);
	else if (ip->next_proto_id == IPPROTO_ICMP)
		wire_walk_icmp(w);
	else
		wire_drop(w->f, MR_C_RX_PROTOCOL);
}

static bool l4_sum_good(const struct wire_walk *w, uint64_t pseudo)
{
	const uint32_t off = (uint32_t)w->f->l2_len + w->f->l3_len;

	return wire_sum_fold(wire_sum_chain(w->m, off, w->f->l4_len, pseudo)) == 0;
}

/* RFC 9293 MUST-3, by the port or here. */
static bool tcp_cksum_good(const struct wire_walk *w)
{
	switch (w->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
	case RTE_MBUF_F_RX_L4_CKSUM_BAD:
		return false;
	case RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN:
		return l4_sum_good(w, w->pseudo_sum + wire_sum_pseudo(IPPROTO_TCP, w->f->l4_len));
	case RTE_MBUF_F_RX_L4_CKSUM_NONE:
		/* A virtio peer in this host left the sum to a NIC that is not there. */
		mr_count(w->counters, MR_C_RX_PARTIAL_CKSUM);
		return true;
	default:
		return true;
	}
}

void wire_walk_tcp(struct wire_walk *w)
{
	struct wire_frame *f = w->f;
	uint8_t copy[TCP_MIN];
	const uint8_t *hdr;
	uint32_t hdr_len;

	if (w->group_mac) {
		wire_drop(f, MR_C_RX_NOT_OURS_MAC);	/* RFC 9293 MUST-57 */
		return;
	}
	if (f->l4_len < TCP_MIN) {
		wire_drop(f, MR_C_RX_TCP_HEADER);
		return;
	}
	if (!tcp_cksum_good(w)) {
		wire_drop(f, MR_C_RX_TCP_CKSUM);
		return;
	}
	hdr = rte_pktmbuf_read(w->m, (uint32_t)f->l2_len + f->l3_len, TCP_MIN, copy);
	MR_ASSERT(hdr != NULL);		/* l4_len lies within the mbuf */
	hdr_len = (((const struct rte_tcp_hdr *)hdr)->data_off >> 4) * 4u;
	f->sport = wire_load16(hdr);
	f->dport = wire_load16(hdr + 2);
	if (hdr_len < TCP_MIN || hdr_len > f->l4_len)
		wire_drop(f, MR_C_RX_TCP_HEADER);
	else if (f->sport == 0 || f->dport == 0)
		wire_drop(f, MR_C_RX_TCP_PORT0);
	else
		f->kind = WIRE_TCP;
}

void wire_walk_icmp(struct wire_walk *w)
{
	/* ICMP sums its message alone (RFC 792), ICMPv6 a pseudo-header too (RFC 4443 2.3). */
	const uint64_t pseudo = w->f->family == 4 ? 0 :
		w->pseudo_sum + wire_sum_pseudo(IPPROTO_ICMPV6, w->f->l4_len);

	if (w->f->l4_len < ICMP_MIN || !l4_sum_good(w, pseudo))
		wire_drop(w->f, MR_C_RX_ICMP_BAD);
	else
		w->f->kind = w->f->family == 4 ? WIRE_ICMP4 : WIRE_ICMP6;
}

void wire_ip_values(const struct rte_mbuf *m, const struct wire_frame *f, struct wire_ip *ip)
{
	struct rte_ipv6_hdr hdr;
	const struct rte_ipv6_hdr *at;

	if (f->family == 4) {
		memset(ip, 0, sizeof(*ip));
		memcpy(ip->src, &f->src4, 4);
		memcpy(ip->dst, &f->dst4, 4);
		return;
	}
	MR_CHECK(f->family == 6);
	at = rte_pktmbuf_read(m, f->l2_len, sizeof(hdr), &hdr);
	MR_ASSERT(at != NULL);
	memcpy(ip->src, wire_ip6_src(at), 16);
	memcpy(ip->dst, wire_ip6_dst(at), 16);
}
