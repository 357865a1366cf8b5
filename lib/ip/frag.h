/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagrams out of their fragments: RFC 791 3.2, RFC 8200 4.5, by DPDK's librte_ip_frag, whose
 * table finds the fragments of a datagram and puts them together. Around it stands what it does
 * not do: which fragments are not even kept (RFC 1858, 3128), a bound on the mbufs that wait, the
 * oldest giving way to new ones under pressure, timeouts, and a counter for each way a fragment
 * ends.
 *
 * Nothing is ever overwritten: a datagram comes out only if its fragments lie side by side, without
 * overlap and without a hole (RFC 5722). So that no fragment can replace what a filter has seen of
 * another. One that arrives twice ends its datagram; the sender of what was in it repeats it.
 *
 * A datagram has at most IP_FRAGMENTS_MAX fragments, DPDK's own limit. One worker's, not thread
 * safe; the time is an argument.
 */
#ifndef MR_IP_FRAG_H
#define MR_IP_FRAG_H

#include <rte_mbuf.h>

#include "frame.h"

#define IP_FRAGMENTS_MAX 8u

struct ip_frags;

struct ip_frags_config {
	uint32_t datagrams;	/* incomplete ones at most; 1 .. 65536 */
	uint32_t mbufs_max;	/* held by them, at least IP_FRAGMENTS_MAX */
	uint32_t timeout_ms;	/* from the first on; RFC 1122 3.3.2, RFC 8200 4.5 */
	struct rte_mempool *pool;	/* for copies of fragments that are shared or in pieces */
	int node;
};

/** Octets of EAL's memory that ip_frags_create() takes, at most. */
size_t ip_frags_memory(uint32_t datagrams);
/** NULL: no memory. EAL must run. */
struct ip_frags *ip_frags_create(const struct ip_frags_config *cfg);
/** NULL is fine. Frees what it holds. */
void ip_frags_destroy(struct ip_frags *t);

/**
 * A frame that wire_parse() called WIRE_FRAGMENT. Takes m. Returns the frame of the whole datagram
 * (a chain, its headers in the first mbuf, checksums to be verified in software) when this was the
 * last that was missing, else NULL. `scope` names the network and our address: overlapping networks
 * do not mix. mbufs_low: keep none.
 */
struct rte_mbuf *ip_frags_add(struct ip_frags *t, struct rte_mbuf *m, const struct wire_frame *f,
			      uint16_t scope, bool mbufs_low);
/** Once a turn or so, and before ip_frags_add(): the time, and the end of what waited too long. */
void ip_frags_turn(struct ip_frags *t, uint64_t now_us, struct mr_counters *counters);
/** mbufs that wait. */
uint32_t ip_frags_held(const struct ip_frags *t);

/**
 * Which of n workers (0 .. n-1) puts the datagram of this WIRE_FRAGMENT together: the same for all
 * its fragments, whoever received them. RFC 791: source, destination, identification, protocol.
 */
unsigned int ip_fragment_owner(const struct rte_mbuf *m, const struct wire_frame *f,
			       unsigned int n);

#endif /* MR_IP_FRAG_H */
