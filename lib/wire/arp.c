/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826) octets to values and back. What to answer and what to learn is lib/stack's
 * business; wire_parse() has checked the frame already.
 */
#include <rte_arp.h>
#include <rte_mbuf.h>

#include "check.h"
#include "ctl.h"
#include "octets.h"

void wire_arp_values(const struct rte_mbuf *m, const struct wire_frame *f, struct wire_arp *arp)
{
	uint8_t copy[sizeof(struct rte_arp_hdr)];
	const uint8_t *p = rte_pktmbuf_read(m, f->l2_len, sizeof(copy), copy);
	const size_t sender = offsetof(struct rte_arp_hdr, arp_data);

	MR_ASSERT(p != NULL);
	arp->op = wire_be16(wire_load16(p + offsetof(struct rte_arp_hdr, arp_opcode)));
	memcpy(arp->sender_mac, p + sender, 6);
	memcpy(arp->sender_ip, p + sender + 6, 4);
	memcpy(arp->target_mac, p + sender + 10, 6);
	memcpy(arp->target_ip, p + sender + 16, 4);
}

void wire_build_arp(struct rte_mbuf *m, const struct wire_l2 *l2, const struct wire_arp *arp)
{
	struct rte_arp_hdr hdr = {
		.arp_hardware = wire_be16(RTE_ARP_HRD_ETHER),
		.arp_protocol = wire_be16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = 4,
		.arp_opcode = wire_be16(arp->op),
	};
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	const uint32_t len = l2->len + (uint32_t)sizeof(hdr);

	MR_ASSERT(m->data_off + len <= m->buf_len);
	memcpy(hdr.arp_data.arp_sha.addr_bytes, arp->sender_mac, 6);
	memcpy(hdr.arp_data.arp_tha.addr_bytes, arp->target_mac, 6);
	hdr.arp_data.arp_sip = wire_load32(arp->sender_ip);
	hdr.arp_data.arp_tip = wire_load32(arp->target_ip);
	memcpy(at, l2->octets, l2->len);
	memcpy(at + l2->len, &hdr, sizeof(hdr));
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}
