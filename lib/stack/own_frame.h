/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading back a frame of our own that waited for its neighbour: TCP without IP options, made by
 * lib/wire. Private to neigh.c.
 */
#ifndef MR_OWN_FRAME_H
#define MR_OWN_FRAME_H

#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "octets.h"
#include "worker.h"

static inline uint32_t l4_offset(const struct nexthop *h)
{
	return h->l2.len + (h->family == 4 ? (uint32_t)sizeof(struct rte_ipv4_hdr)
					   : (uint32_t)sizeof(struct rte_ipv6_hdr));
}

static inline unsigned int frame_class(const struct nexthop *h, const struct rte_mbuf *m)
{
	const uint32_t l4 = l4_offset(h);
	const struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, l4);

	if (tcp->tcp_flags & RTE_TCP_SYN_FLAG)
		return STACK_TX_SYN;
	return m->pkt_len > l4 + (tcp->data_off >> 4) * 4u ? STACK_TX_DATA : STACK_TX_CTRL;
}

/** Tuple and sequence number of the frame, in the form in which an ICMP error quotes them. */
static inline void frame_quote(const struct nexthop *h, const struct rte_mbuf *m,
			       struct icmp_error *e)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, h->l2.len);
	const uint8_t *tcp = rte_pktmbuf_mtod_offset(m, const uint8_t *, l4_offset(h));

	if (h->family == 4) {
		memcpy(e->src, ip + offsetof(struct rte_ipv4_hdr, src_addr), 4);
		memcpy(e->dst, ip + offsetof(struct rte_ipv4_hdr, dst_addr), 4);
	} else {
		memcpy(e->src, ip + WIRE_IP6_SRC_OFF, 16);
		memcpy(e->dst, ip + WIRE_IP6_DST_OFF, 16);
	}
	e->sport = wire_load16(tcp);
	e->dport = wire_load16(tcp + 2);
	e->seq = wire_be32(wire_load32(tcp + 4));
}

#endif /* MR_OWN_FRAME_H */
