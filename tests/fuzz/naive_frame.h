/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second parser of frames, written from the RFCs alone and as simply as can be: all octets lie in
 * one piece, every condition is asked in its turn. Shares nothing with lib/wire but names of kinds.
 */
#ifndef NAIVE_FRAME_H
#define NAIVE_FRAME_H

#include "frame.h"

struct naive_frame {
	enum wire_kind kind;
	bool fragment;
	uint8_t family, l2_len, hop_limit, tos;
	uint16_t vlan, vlan_outer;
	uint32_t l3_len, l4_len;
	uint16_t sport, dport;
};

/** What the frame is; of m only the port's flags and tags. */
void naive_parse(const uint8_t *o, uint32_t len, const struct rte_mbuf *m, struct naive_frame *n);
/** Puts right IPv4 header and TCP, ICMP or ICMPv6 checksums, where there are any. */
void naive_mend(uint8_t *o, uint32_t len);

#endif /* NAIVE_FRAME_H */
