/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826, 5227), ICMP (RFC 792), ICMPv6 and neighbour discovery (RFC 4443, 4861): octets to
 * values and back. IPv6 addresses are read and written only through lib/wire, since their C type
 * differs between DPDK releases.
 */
#ifndef MR_CTL_H
#define MR_CTL_H

#include "build.h"
#include "frame.h"

struct wire_arp {
	uint16_t op;			/* 1 request, 2 reply */
	uint8_t sender_mac[6], sender_ip[4];
	uint8_t target_mac[6], target_ip[4];
};
/** Values of a WIRE_ARP frame. */
void wire_arp_values(const struct rte_mbuf *m, const struct wire_frame *f, struct wire_arp *arp);
/** Builds an ARP frame into an empty mbuf; l2 carries EtherType ARP. */
void wire_build_arp(struct rte_mbuf *m, const struct wire_l2 *l2, const struct wire_arp *arp);

/* Source and destination of an IP packet, network order, IPv4 in the first four octets. */
struct wire_ip {
	uint8_t src[16], dst[16];
};
/** Addresses of any IP frame that wire_parse accepted. */
void wire_ip_values(const struct rte_mbuf *m, const struct wire_frame *f, struct wire_ip *ip);

enum wire_icmp_kind {
	WIRE_ICMP_OTHER,	/* nothing the engine acts on */
	WIRE_ICMP_ECHO_REQUEST,
	WIRE_ICMP_UNREACHABLE,	/* code says what; quoted tuple valid */
	WIRE_ICMP_TOO_BIG,	/* mtu valid; quoted tuple valid */
	WIRE_ICMP_TIME_EXCEEDED,
	WIRE_ICMP_PARAM_PROBLEM,
	WIRE_ICMP_SOURCE_QUENCH,
	WIRE_ICMP_NEIGH_SOLICIT,	/* nd_* valid */
	WIRE_ICMP_NEIGH_ADVERT,
	WIRE_ICMP_BAD,			/* malformed */
};
struct wire_icmp {
	uint8_t kind;		/* enum wire_icmp_kind */
	uint8_t family, type, code;
	uint32_t mtu;		/* TOO_BIG */
	/* The packet the error quotes, as WE sent it: src is ours. */
	bool quoted_tcp;
	uint8_t quoted_src[16], quoted_dst[16];
	uint16_t quoted_sport, quoted_dport;	/* network order */
	uint32_t quoted_seq;			/* host order */
	/* NDP */
	uint8_t nd_target[16];
	bool nd_has_lladdr;
	uint8_t nd_lladdr[6];	/* source (NS) or target (NA) link-layer address option */
	bool nd_router, nd_solicited, nd_override;
	bool nd_dad;		/* NS from :: (duplicate address detection) */
};
/**
 * Values of a WIRE_ICMP4/WIRE_ICMP6 frame. NDP with hop limit != 255 or bad options is
 * WIRE_ICMP_BAD.
 */
void wire_icmp_values(const struct rte_mbuf *m, const struct wire_frame *f, struct wire_icmp *icmp);
/**
 * Turns an echo request into its reply in place: addresses and MACs swapped, type, hop limit 64,
 * checksum updated incrementally (RFC 1624). m must be direct, refcnt 1; chains are fine.
 */
void wire_echo_reply(struct rte_mbuf *m, const struct wire_frame *f, const uint8_t our_mac[6]);

/* What neighbour discovery is sent through: the MAC that it is about, and the network's tags. */
struct wire_nd_link {
	const uint8_t *our_mac;
	uint16_t vlan, vlan_outer;	/* ids, or WIRE_NO_VLAN */
};
/** Builds a neighbour solicitation for `target` (to its solicited-node multicast). */
void wire_build_ns(struct rte_mbuf *m, const struct wire_nd_link *link, const uint8_t our_ip[16],
		   const uint8_t target[16]);
/**
 * Builds a neighbour advertisement of `target`, ours: solicited, to the one who asked; dst_ip NULL
 * (or a group): unsolicited, to all nodes (the group). dst_mac may be NULL then.
 */
void wire_build_na(struct rte_mbuf *m, const struct wire_nd_link *link, const uint8_t target[16],
		   const uint8_t *dst_mac, const uint8_t *dst_ip);

#endif /* MR_CTL_H */
