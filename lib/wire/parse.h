/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to lib/wire: the general parser, in the order of the layers. Each function gets a frame
 * whose lower layers are filled in, and either names its kind or drops it. Reads only by
 * rte_pktmbuf_read(), so any header may be split over segments.
 */
#ifndef MR_PARSE_H
#define MR_PARSE_H

#include "frame.h"

/* What the layers hand down beside struct wire_frame. */
struct wire_walk {
	const struct rte_mbuf *m;
	struct wire_frame *f;
	struct mr_counters *counters;
	uint64_t pseudo_sum;	/* of the addresses */
	bool group_mac;		/* the destination MAC is multicast or broadcast */
};

MR_INLINE void wire_drop(struct wire_frame *f, enum mr_counter reason)
{
	f->kind = WIRE_DROP;
	f->drop = (uint16_t)reason;
}

void wire_walk_ip4(struct wire_walk *w);
void wire_walk_ip6(struct wire_walk *w);
/** TCP behind either family: f->l3_len and f->l4_len are set and within the mbuf. */
void wire_walk_tcp(struct wire_walk *w);
/**
 * ICMP (family 4) or ICMPv6 (family 6). Software checksum always: NICs speak of TCP and UDP only.
 */
void wire_walk_icmp(struct wire_walk *w);

#endif /* MR_PARSE_H */
