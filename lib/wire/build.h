/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames from values. The callers own the mbufs; nothing here allocates. Ethernet headers come
 * ready made from the neighbour table (struct wire_l2), so that building is stores of whole
 * words.
 */
#ifndef MR_BUILD_H
#define MR_BUILD_H

#include <rte_mbuf.h>

#include "cksum.h"
#include "frame.h"
#include "tcp_seg.h"

/* A ready Ethernet header with its tags: copied in front of every frame to that next hop. */
struct wire_l2 {
	uint8_t octets[22];	/* destination, source, tags, EtherType of the family */
	uint8_t len;		/* 14, 18, 22 */
	uint8_t pad;
};

/* Addresses of a packet to send; IPv4 in the first four octets; ports in network byte order. */
struct wire_addrs {
	uint8_t family;		/* 4 or 6 */
	uint8_t hop_limit;
	uint8_t tos;
	uint16_t sport, dport;
	uint8_t src[16], dst[16];
};

/* Which checksums the port computes (RTE_ETH_TX_OFFLOAD_*); otherwise they are made in software. */
enum wire_tx_offload { WIRE_TX_IPV4_CKSUM = 1, WIRE_TX_TCP_CKSUM = 2 };

/** Fills a struct wire_l2. vlan/vlan_outer: id or WIRE_NO_VLAN. ether_type in host order. */
void wire_l2_make(struct wire_l2 *l2, const uint8_t dst[6], const uint8_t src[6], uint16_t vlan,
		  uint16_t vlan_outer, uint16_t ether_type);

/** Octets of the options that seg->opts asks for, padded to 4. 0..40. */
uint16_t wire_tcp_options_len(const struct tcp_seg *seg);
/** Writes them (NOP/EOL padded, RFC 9293 MUST-68/69); returns wire_tcp_options_len(). */
uint16_t wire_put_tcp_options(uint8_t *to, const struct tcp_seg *seg);

/**
 * Builds Ethernet, IP and TCP headers of seg at the front of m, an empty segment, which is then
 * l2+l3+l4 octets long. The payload (seg->len octets) is appended behind them afterwards
 * (rte_pktmbuf_append, rte_pktmbuf_chain), or is chained behind m already; call wire_finish_tcp
 * at the end. ip_id: IPv4 identification. IPv4 goes out with DF set, IPv6 without extension
 * headers and with flow label 0.
 */
void wire_build_tcp(struct rte_mbuf *m, const struct wire_l2 *l2, const struct wire_addrs *a,
		    const struct tcp_seg *seg, uint16_t ip_id);
/**
 * Lengths and checksums of a frame made by wire_build_tcp whose payload is complete: in software
 * over the whole chain, or by setting the offload flags and pseudo-header checksum.
 */
void wire_finish_tcp(struct rte_mbuf *m, unsigned int l2_len, uint8_t family, unsigned int offload);

#endif /* MR_BUILD_H */
