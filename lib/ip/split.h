/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A datagram into fragments (RFC 791 3.2, RFC 8200 4.5): for the few that we send which may be
 * larger than the MTU, answers to echo requests. TCP never comes here: it has a path MTU. By copy,
 * so that every port can send the result; DPDK's own function makes chains and gives every IPv6
 * datagram the identification 0.
 */
#ifndef MR_IP_SPLIT_H
#define MR_IP_SPLIT_H

#include <rte_mbuf.h>

#include "frame.h"

#define IP_SPLIT_MAX 128u	/* 65535 octets at an MTU of 576 */

struct ip_split {
	uint8_t family, l2_len;
	uint16_t l3_len;
	uint16_t mtu;			/* IP octets; at least 576 */
	uint32_t id;			/* of no other datagram of late (RFC 6864, RFC 7739) */
	struct rte_mempool *pool;	/* of the fragments */
};

/**
 * Fills out[] with the fragments of the frame m, which stays the caller's and may be a chain; its
 * IP header lies in the first mbuf. Returns how many, 0: no mbuf, or no way to cut it (hop-by-hop
 * options, more than IP_SPLIT_MAX).
 */
unsigned int ip_split(const struct rte_mbuf *m, const struct ip_split *how,
		      struct rte_mbuf *out[IP_SPLIT_MAX]);

#endif /* MR_IP_SPLIT_H */
