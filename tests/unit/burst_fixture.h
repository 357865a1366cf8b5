/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other ends of test_stack_burst.c: tuples of both families, what their peers would send next,
 * and frames of it in every dress: plain, tagged, with IP options or extension headers, in several
 * segments, damaged.
 *
 *	10.0.0.1, fd00::1	untagged; remote ports of tuples to them may be opened by us
 *	10.0.1.1, fd00:1::1	untagged, ranges of their own
 *	10.0.2.1, fd00:2::1	VLAN 7
 */
#ifndef BURST_FIXTURE_H
#define BURST_FIXTURE_H

#include <rte_mbuf.h>

#include "rng.h"
#include "stack.h"

#define BF_TUPLES	48u	/* even ones IPv4, odd ones IPv6 */
#define BF_PORT		80u	/* and the next two; the third has no listener */
#define BF_RPORT	1000u	/* remote port of the first tuple */
#define BF_ACTIVE_PORT	2000u	/* local port of the first tuple, where we open */
#define BF_VLAN		7u

extern const uint8_t bf_our_mac[6];

/* One frame that left. */
struct bf_sent {
	uint32_t key;		/* remote port; 1: ARP, 2: ICMPv6 */
	uint16_t len;
	uint8_t octets[256];
};

/* One that comes in, for as many receivers as like. */
struct bf_frame {
	uint8_t octets[256];
	uint32_t len, cut[2];	/* ends of the first two segments, or 0 */
	uint64_t ol_flags;
	uint16_t tci;
};

/** Local addresses, in ranges as above. */
void bf_addresses(struct stack_config *cfg);
/** Forgets what the peers know. */
void bf_reset(void);
/** Does our side open this tuple? If so, from where to whom. */
bool bf_active(uint32_t t, struct mr_endpoint *local, struct mr_endpoint *remote);
/** The next frame of a tuple's peer; odd: in percent of all. */
void bf_next(struct mr_rng *r, uint32_t t, uint32_t now_ms, uint32_t odd, struct bf_frame *f);
struct rte_mbuf *bf_mbuf(struct rte_mempool *pool, const struct bf_frame *f);
/** What left, and whose it is. */
void bf_see(const struct rte_mbuf *m, struct bf_sent *s);
/** The peer learns from what it got; true: it was a question for the peers' MAC. */
bool bf_learn(const struct bf_sent *s);
/** The answers to both questions, for IPv4 and IPv6. */
void bf_neighbours(struct rte_mempool *pool, struct rte_mbuf *answers[2]);

#endif /* BURST_FIXTURE_H */
