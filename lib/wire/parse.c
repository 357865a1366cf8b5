/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire_parse(): one predicted path for the frame nearly every frame is (plain.h), and the general
 * parser's Ethernet layer for all others, which finds the exact reason of a drop. Layers above
 * Ethernet: parse_ip.c, parse_ip6.c, parse_tcp.c.
 */
#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "check.h"
#include "cksum.h"
#include "frame.h"
#include "parse.h"
#include "plain.h"

#define ETH_LEN		14u
#define IP4_LEN		20u

bool wire_plain_cksums_good(const uint8_t *p, uint32_t ip_len)
{
	const uint8_t *ip = p + ETH_LEN, *tcp = ip + IP4_LEN;
	const uint32_t l4_len = ip_len - IP4_LEN;
	const uint64_t addrs = (uint64_t)wire_load32(ip + 12) + wire_load32(ip + 16);
	const uint64_t head = wire_sum_received(ip, 12, addrs);
	/* The fixed header has a constant length: no loop, and nearly always nothing behind it. */
	const uint64_t fixed = wire_sum_received(tcp, PLAIN_TCP_LEN,
						 addrs + wire_sum_pseudo(IPPROTO_TCP, l4_len));
	const uint64_t l4 = wire_sum_received(tcp + PLAIN_TCP_LEN, l4_len - PLAIN_TCP_LEN, fixed);

	return (wire_sum_fold(head) | wire_sum_fold(l4)) == 0;
}

bool wire_plain6_cksum_good(const uint8_t *p, uint32_t l4_len)
{
	const uint8_t *ip = p + ETH_LEN;
	const uint64_t addrs = wire_sum_received(ip + WIRE_IP6_SRC_OFF, 32, 0);
	const uint64_t pseudo = (addrs & 0xffffffffu) + (addrs >> 32) +
				wire_sum_pseudo(IPPROTO_TCP, l4_len);

	return wire_sum_fold(wire_sum_received(p + PLAIN6_L4, l4_len, pseudo)) == 0;
}

/* A plain frame to an address that a host can have: true and *f filled. */
static inline bool parse_predicted(const struct rte_mbuf *m, struct wire_frame *f)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	if (MR_UNLIKELY(!wire_is_plain4(m) ||
			!wire_ip4_is_plain(wire_be32(wire_load32(p + ETH_LEN + 16)))))
		return false;
	*f = (struct wire_frame){
		.kind = WIRE_TCP, .family = 4, .l2_len = ETH_LEN,
		.hop_limit = p[ETH_LEN + 8], .tos = p[ETH_LEN + 1],
		.l3_len = IP4_LEN,
		.l4_len = (uint16_t)(wire_be16(wire_load16(p + ETH_LEN + 2)) - IP4_LEN),
		.vlan = WIRE_NO_VLAN, .vlan_outer = WIRE_NO_VLAN,
		.sport = wire_load16(p + ETH_LEN + IP4_LEN),
		.dport = wire_load16(p + ETH_LEN + IP4_LEN + 2),
		.src4 = wire_load32(p + ETH_LEN + 12), .dst4 = wire_load32(p + ETH_LEN + 16),
	};
	return true;
}

static bool is_tag(uint16_t type)
{
	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ ||
	       type == RTE_ETHER_TYPE_QINQ1;
}

/* Tags that the port took off the frame, outermost first. */
static unsigned int stripped_tags(const struct rte_mbuf *m, uint16_t ids[2])
{
	if (m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) {
		ids[0] = RTE_VLAN_TCI_ID(m->vlan_tci_outer);
		ids[1] = RTE_VLAN_TCI_ID(m->vlan_tci);
		return 2;
	}
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		ids[0] = RTE_VLAN_TCI_ID(m->vlan_tci);
		return 1;
	}
	return 0;
}

/* A tag with id 0 carries a priority only (IEEE 802.1Q 6.9.1): it names no VLAN. */
static void set_vlans(struct wire_frame *f, const uint16_t ids[2], unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (ids[i] == 0)
			continue;
		f->vlan_outer = f->vlan;
		f->vlan = ids[i];
	}
}

/* Ethernet and its tags. False: dropped. *type is the EtherType behind them, host order. */
static bool walk_ethernet(struct wire_walk *w, uint16_t *type)
{
	uint8_t copy[ETH_LEN], tag_copy[RTE_VLAN_HLEN];
	const uint8_t *p = rte_pktmbuf_read(w->m, 0, ETH_LEN, copy);
	uint16_t ids[2] = { 0, 0 };
	unsigned int n = stripped_tags(w->m, ids);

	if (p == NULL)
		goto too_short;
	w->group_mac = wire_mac_is_group(p);
	if (wire_mac_is_group(p + RTE_ETHER_ADDR_LEN)) {
		wire_drop(w->f, MR_C_RX_SOURCE_MAC);
		return false;
	}
	*type = wire_be16(wire_load16(p + 12));
	while (is_tag(*type) && n < 2) {	/* a third tag stays an EtherType we do not speak */
		p = rte_pktmbuf_read(w->m, w->f->l2_len, RTE_VLAN_HLEN, tag_copy);
		if (p == NULL)
			goto too_short;
		ids[n++] = RTE_VLAN_TCI_ID(wire_be16(wire_load16(p)));
		*type = wire_be16(wire_load16(p + 2));
		w->f->l2_len = (uint8_t)(w->f->l2_len + RTE_VLAN_HLEN);
	}
	set_vlans(w->f, ids, n);
	return true;
too_short:
	wire_drop(w->f, MR_C_RX_SHORT);
	return false;
}

/* RFC 826; RFC 5227: a sender of 0.0.0.0 probes for a duplicate address. */
static bool arp_is_sane(const struct rte_arp_hdr *arp)
{
	const uint32_t sender = wire_be32(wire_load32(&arp->arp_data.arp_sip));
	const uint16_t op = wire_be16(arp->arp_opcode);

	return arp->arp_hardware == wire_be16(RTE_ARP_HRD_ETHER) &&
	       arp->arp_protocol == wire_be16(RTE_ETHER_TYPE_IPV4) &&
	       arp->arp_hlen == RTE_ETHER_ADDR_LEN && arp->arp_plen == 4 &&
	       (op == RTE_ARP_OP_REQUEST || op == RTE_ARP_OP_REPLY) &&
	       !wire_mac_is_group(arp->arp_data.arp_sha.addr_bytes) &&
	       (sender == 0 || wire_ip4_is_host(sender));
}

static void walk_arp(struct wire_walk *w)
{
	struct rte_arp_hdr arp;
	const void *p = rte_pktmbuf_read(w->m, w->f->l2_len, sizeof(arp), &arp);

	if (p != NULL && p != &arp)
		memcpy(&arp, p, sizeof(arp));	/* the frame may lie at an odd address */
	if (p == NULL || !arp_is_sane(&arp)) {
		wire_drop(w->f, MR_C_RX_ARP_BAD);
		return;
	}
	w->f->kind = WIRE_ARP;
	w->f->family = 0;
	w->f->l4_len = sizeof(arp);
}

/* Tags, IPv6, ARP, ICMP, chains, and all that gets dropped. Not cold: IPv6 lives here. */
static MR_NOINLINE void parse_general(const struct rte_mbuf *m, struct wire_frame *f,
				      struct mr_counters *counters)
{
	struct wire_walk w = { .m = m, .f = f, .counters = counters };
	uint16_t type;

	*f = (struct wire_frame){
		.l2_len = ETH_LEN, .vlan = WIRE_NO_VLAN, .vlan_outer = WIRE_NO_VLAN,
	};
	if (!walk_ethernet(&w, &type))
		return;
	if (type == RTE_ETHER_TYPE_IPV4)
		wire_walk_ip4(&w);
	else if (type == RTE_ETHER_TYPE_IPV6)
		wire_walk_ip6(&w);
	else if (type == RTE_ETHER_TYPE_ARP)
		walk_arp(&w);
	else
		wire_drop(f, MR_C_RX_ETHERTYPE);
}

void wire_parse(const struct rte_mbuf *m, struct wire_frame *f, struct mr_counters *counters)
{
	if (MR_UNLIKELY(!parse_predicted(m, f)))
		parse_general(m, f, counters);
}
