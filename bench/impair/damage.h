/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is done to the octets of a frame: a bit flipped, a mark of congestion (RFC 3168), a copy.
 * The octets of a frame from a ring may be its sender's still: they are never changed in place.
 */
#ifndef IMP_DAMAGE_H
#define IMP_DAMAGE_H

#include <rte_mbuf.h>

#include "attr.h"

/** A frame of our own in one piece with the same octets; NULL: the pool is empty. */
struct rte_mbuf *imp_copy(struct rte_mbuf *m, struct rte_mempool *pool);
/**
 * m, if nobody else sees its octets and it is as flat as asked for, else a copy in its place. NULL:
 * the pool is empty, and m is as it was.
 */
struct rte_mbuf *imp_own(struct rte_mbuf *m, struct rte_mempool *pool, bool flat);
/** Flips one bit of an own frame: share / 2^64 of the way from the first to the last. */
void imp_flip(struct rte_mbuf *m, uint64_t share);
/**
 * The octet behind the Ethernet header and its tags, if that is IPv4 or IPv6 that says ECT(0) or
 * ECT(1); NULL: not capable of ECN, or CE already.
 */
uint8_t *imp_ecn_capable(struct rte_mbuf *m);
/** CE at what imp_ecn_capable() of an own frame returned; the checksum of IPv4 follows. */
void imp_mark_ce(uint8_t *ip);

#endif /* IMP_DAMAGE_H */
