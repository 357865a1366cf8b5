/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A received frame, from octets to values. wire_parse() accepts any octets whatsoever and either
 * names what the frame is, or the reason it is dropped. It never reads beyond the mbuf, never
 * trusts a length it has not checked, never changes the mbuf.
 */
#ifndef MR_FRAME_H
#define MR_FRAME_H

#include <rte_mbuf.h>

#include "counters.h"
#include "tcp_seg.h"

enum wire_kind {
	WIRE_DROP,	/* `drop` says why */
	WIRE_TCP,	/* checksum good; l4 is the TCP header */
	WIRE_ARP,	/* complete Ethernet/IPv4 ARP */
	WIRE_ICMP4,	/* checksum good */
	WIRE_ICMP6,	/* checksum good; NDP included */
	WIRE_FRAGMENT,	/* of TCP or ICMP, to a host; nothing above IP was looked at */
};

#define WIRE_NO_VLAN 0xffffu

struct wire_frame {
	uint8_t kind;		/* enum wire_kind */
	uint8_t family;		/* 4, 6, or 0 (ARP) */
	uint8_t l2_len;		/* 14, 18 or 22 */
	uint8_t hop_limit;	/* TTL or hop limit */
	uint8_t tos;		/* TOS octet or traffic class */
	uint16_t l3_len;	/* IP header with options or extension headers */
	uint16_t l4_len;	/* from the L4 header to the end by the IP length: no padding */
	uint16_t drop;		/* enum mr_counter when kind is WIRE_DROP */
	uint16_t vlan;		/* id of the inner tag, or WIRE_NO_VLAN; id 0 (priority) is none */
	uint16_t vlan_outer;	/* outer VLAN id of a double tag (802.1ad), or WIRE_NO_VLAN */
	uint16_t sport, dport;	/* WIRE_TCP: network order */
	uint32_t src4, dst4;	/* family 4: addresses, network order */
};
static_assert(sizeof(struct wire_frame) <= 32, "the frames of a burst of 64 must fit 2 KB of L1");

/**
 * Parses and verifies one frame: Ethernet with up to two tags (or the tag in the mbuf when
 * RTE_MBUF_F_RX_VLAN_STRIPPED), ARP, IPv4 (options skipped, header checksum), IPv6 (hop-by-hop,
 * routing, destination options skipped; at most 8), fragments of either, TCP header
 * and checksum, ICMP, ICMPv6. Checksums follow the mbuf's flags: GOOD is believed, BAD drops,
 * NONE is accepted and counted (data between hosts on one machine), UNKNOWN is verified in
 * software; ICMP is always verified in software. Headers split over segments of a chain are
 * parsed too.
 *
 * Also dropped: sources no host can have (RFC 1122 3.2.1.3; :: is legal in NDP and MLD), a source
 * equal to the destination, TCP to multicast or broadcast by MAC or IP (RFC 9293 MUST-57), TCP
 * port 0. Whether MAC, VLAN and destination are ours is the caller's question.
 *
 * The caller counts f->drop, where all dropped frames meet; this function counts only
 * MR_C_RX_PARTIAL_CKSUM. Any worker. HOT PATH for one segment, no tag, IPv4 without options, TCP:
 * no allocation, no lock, no log, no division; budget 25 cycles with checksum offload, 40 in
 * software (bench/micro/wire).
 */
void wire_parse(const struct rte_mbuf *m, struct wire_frame *f, struct mr_counters *counters);

/**
 * Values of the TCP segment of a frame that wire_parse called WIRE_TCP. Every option is parsed
 * safely: length 0, 1 or beyond the header ends parsing, unknown kinds are skipped (RFC 9293 3.1
 * MUST-4..7). *payload_off gets the offset of the payload in the mbuf. False: malformed (data
 * offset), *drop set.
 */
bool wire_tcp_values(const struct rte_mbuf *m, const struct wire_frame *f, struct tcp_seg *seg,
		     uint16_t *payload_off, uint16_t *drop);

/* What a fragment says of its place in the datagram. */
struct wire_fragment {
	uint32_t id;		/* as it lies in the header: IPv4 16 bits */
	uint16_t off;		/* octets, a multiple of 8 */
	bool more;		/* it is not the last */
	uint8_t proto;		/* IPv6: of the first header behind the fragment header */
};
/**
 * Values of a WIRE_FRAGMENT. The fragment header of IPv6 is the last 8 octets of f->l3_len;
 * f->l4_len octets of the datagram follow.
 */
void wire_fragment_values(const struct rte_mbuf *m, const struct wire_frame *f,
			  struct wire_fragment *frag);

/**
 * Options only; overwrites seg->opts and seg->nsack. `opt` are the octets after the 20-octet
 * header, len 0..40. Known kinds with a length not their own, and an MSS of 0, are skipped; the
 * last of a kind counts.
 */
void wire_tcp_options(const uint8_t *opt, uint16_t len, struct tcp_seg *seg);

#endif /* MR_FRAME_H */
