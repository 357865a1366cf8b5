/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbour discovery (RFC 4861): solicitations and advertisements, octets to values and back.
 * Checks what sections 7.1.1 and 7.1.2 demand of a message; keeps no neighbours.
 */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "check.h"
#include "cksum.h"
#include "ndp.h"

#define IP6_LEN		40u
#define ND_LEN		24u	/* type, code, checksum, flags, target */
#define ND_OPT_LEN	8u	/* link-layer address option for Ethernet (RFC 2464 6) */
#define ND_HOP_LIMIT	255u
#define ND_OPTIONS_MAX	16u	/* a bound for the walk; senders use one or two */

enum { OPT_SOURCE_LLADDR = 1, OPT_TARGET_LLADDR = 2 };
enum { NA_ROUTER = 0x80, NA_SOLICITED = 0x40, NA_OVERRIDE = 0x20 };

static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
/* RFC 4291 2.7.1; the last three octets are the address's. */
static const uint8_t solicited_node[16] = { 0xff, 0x02, [11] = 1, [12] = 0xff };

/* Looks for the link-layer address option `want`. False: an option is malformed. Ends: every
 * option is at least 8 octets, and there are at most ND_OPTIONS_MAX. */
static bool read_options(const struct rte_mbuf *m, const struct wire_frame *f, uint8_t want,
			 struct wire_icmp *icmp)
{
	uint32_t off = (uint32_t)f->l2_len + f->l3_len + ND_LEN;
	const uint32_t end = off + f->l4_len - ND_LEN;

	for (unsigned int i = 0; off < end; i++) {
		uint8_t copy[ND_OPT_LEN];
		const uint8_t *opt;

		if (i == ND_OPTIONS_MAX || end - off < ND_OPT_LEN)
			return false;
		opt = rte_pktmbuf_read(m, off, ND_OPT_LEN, copy);
		MR_ASSERT(opt != NULL);
		if (opt[1] == 0 || opt[1] * 8u > end - off)	/* RFC 4861 4.6: length 0 */
			return false;
		if (opt[0] == want) {
			if (opt[1] != 1 || wire_mac_is_group(opt + 2))
				return false;
			memcpy(icmp->nd_lladdr, opt + 2, RTE_ETHER_ADDR_LEN);
			icmp->nd_has_lladdr = true;
		}
		off += opt[1] * 8u;
	}
	return true;
}

/* RFC 4861 7.1.1 */
static bool solicit_good(const struct rte_mbuf *m, const struct wire_frame *f,
			 const struct wire_ip *ip, struct wire_icmp *icmp)
{
	if (!read_options(m, f, OPT_SOURCE_LLADDR, icmp))
		return false;
	icmp->nd_dad = wire_ip6_is_any(ip->src);
	if (!icmp->nd_dad)
		return true;
	/* From ::, so to a solicited-node address and without a link-layer address to answer to. */
	return memcmp(ip->dst, solicited_node, 13) == 0 && !icmp->nd_has_lladdr;
}

/* RFC 4861 7.1.2 */
static bool advert_good(const struct rte_mbuf *m, const struct wire_frame *f,
			const struct wire_ip *ip, struct wire_icmp *icmp)
{
	if (icmp->nd_solicited && wire_ip6_is_multicast(ip->dst))
		return false;
	return read_options(m, f, OPT_TARGET_LLADDR, icmp);
}

void wire_nd_values(const struct rte_mbuf *m, const struct wire_frame *f, struct wire_icmp *icmp)
{
	uint8_t copy[ND_LEN];
	const uint8_t *nd;
	struct wire_ip ip;
	bool good;

	icmp->kind = WIRE_ICMP_BAD;
	if (f->hop_limit != ND_HOP_LIMIT || icmp->code != 0 || f->l4_len < ND_LEN)
		return;
	nd = rte_pktmbuf_read(m, (uint32_t)f->l2_len + f->l3_len, ND_LEN, copy);
	MR_ASSERT(nd != NULL);
	memcpy(icmp->nd_target, nd + 8, 16);
	if (wire_ip6_is_multicast(icmp->nd_target))
		return;
	wire_ip_values(m, f, &ip);
	if (icmp->type == ND_ADVERT) {
		icmp->nd_router = (nd[4] & NA_ROUTER) != 0;
		icmp->nd_solicited = (nd[4] & NA_SOLICITED) != 0;
		icmp->nd_override = (nd[4] & NA_OVERRIDE) != 0;
		good = advert_good(m, f, &ip, icmp);
	} else {
		good = solicit_good(m, f, &ip, icmp);
	}
	if (good)
		icmp->kind = icmp->type == ND_ADVERT ? WIRE_ICMP_NEIGH_ADVERT
						     : WIRE_ICMP_NEIGH_SOLICIT;
}

/* The link-layer address of a multicast group (RFC 2464 7). */
static void multicast_mac(const uint8_t group[16], uint8_t mac[6])
{
	mac[0] = 0x33;
	mac[1] = 0x33;
	memcpy(mac + 2, group + 12, 4);
}

/* What both messages have in common. */
struct nd_message {
	uint8_t type, flags;
	uint8_t option;		/* kind of the link-layer address option; 0: none */
	const uint8_t *src, *dst, *target;
	const uint8_t *our_mac;
};

static uint32_t put_nd(uint8_t *nd, const struct nd_message *msg)
{
	memset(nd, 0, ND_LEN + ND_OPT_LEN);
	nd[0] = msg->type;
	nd[4] = msg->flags;
	memcpy(nd + 8, msg->target, 16);
	if (msg->option == 0)
		return ND_LEN;
	nd[ND_LEN] = msg->option;
	nd[ND_LEN + 1] = 1;
	memcpy(nd + ND_LEN + 2, msg->our_mac, RTE_ETHER_ADDR_LEN);
	return ND_LEN + ND_OPT_LEN;
}

static void build_nd(struct rte_mbuf *m, const struct wire_nd_link *link, const uint8_t dst_mac[6],
		     const struct nd_message *msg)
{
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *), *nd;
	struct rte_ipv6_hdr *ip;
	struct wire_l2 l2;
	uint32_t nd_len;
	uint64_t sum;

	wire_l2_make(&l2, dst_mac, link->our_mac, link->vlan, link->vlan_outer,
		     RTE_ETHER_TYPE_IPV6);
	MR_ASSERT(m->data_off + l2.len + IP6_LEN + ND_LEN + ND_OPT_LEN <= m->buf_len);
	memcpy(at, l2.octets, l2.len);
	ip = (void *)(at + l2.len);
	nd = at + l2.len + IP6_LEN;
	nd_len = put_nd(nd, msg);
	ip->vtc_flow = wire_be32(6u << 28);
	ip->payload_len = wire_be16((uint16_t)nd_len);
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = ND_HOP_LIMIT;
	wire_ip6_set(ip, msg->src, msg->dst);
	sum = wire_sum(wire_ip6_src(ip), 32, wire_sum_pseudo(IPPROTO_ICMPV6, nd_len));
	wire_store16(nd + 2, wire_sum_fold(wire_sum(nd, nd_len, sum)));
	m->data_len = (uint16_t)(l2.len + IP6_LEN + nd_len);
	m->pkt_len = m->data_len;
}

void wire_build_ns(struct rte_mbuf *m, const struct wire_nd_link *link, const uint8_t our_ip[16],
		   const uint8_t target[16])
{
	uint8_t group[16], mac[6];
	const struct nd_message msg = {
		.type = ND_SOLICIT,
		/* RFC 4861 4.3: not when the source is ::, which asks whether an address is free */
		.option = wire_ip6_is_any(our_ip) ? 0 : OPT_SOURCE_LLADDR,
		.src = our_ip, .dst = group, .target = target, .our_mac = link->our_mac,
	};

	memcpy(group, solicited_node, 13);
	memcpy(group + 13, target + 13, 3);
	multicast_mac(group, mac);
	build_nd(m, link, mac, &msg);
}

void wire_build_na(struct rte_mbuf *m, const struct wire_nd_link *link, const uint8_t target[16],
		   const uint8_t *dst_mac, const uint8_t *dst_ip)
{
	const uint8_t *dst = dst_ip != NULL ? dst_ip : all_nodes;
	const bool group = wire_ip6_is_multicast(dst);
	const struct nd_message msg = {
		.type = ND_ADVERT,
		/* RFC 4861 7.2.4: a multicast advertisement is never a solicited one */
		.flags = group ? NA_OVERRIDE : NA_SOLICITED | NA_OVERRIDE,
		.option = OPT_TARGET_LLADDR,
		.src = target, .dst = dst, .target = target, .our_mac = link->our_mac,
	};
	uint8_t mac[6];

	MR_ASSERT(group || dst_mac != NULL);
	if (group)
		multicast_mac(dst, mac);
	else
		memcpy(mac, dst_mac, sizeof(mac));
	build_nd(m, link, mac, &msg);
}
