/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The extension record: what only a connection that carries data needs (send queue, out-of-order
 * queue, RTT, congestion state, delayed ACK). A pool per worker, fixed at start; index 0 is never
 * used. Taken when the first octet is queued or received, returned when both queues are empty and one
 * RTO has passed. Pool empty: the segment is dropped (the peer resends), tcp_send() refuses.
 */
#ifndef MR_TCP_EXT_H
#define MR_TCP_EXT_H

#include <rte_mbuf.h>

#include "bigmem.h"
#include "conn.h"

struct tcp_ext;

struct tcp_ext_pool {
	struct tcp_ext *ext;
	uint32_t *free_list;
	uint32_t nfree, capacity, high_water;
	uint64_t mbufs_held;			/* by all send and out-of-order queues: the bound is in mbufs */
	uint64_t mbufs_max;			/* above it out-of-order data is refused first */
	void (*free_chain)(struct rte_mbuf *);	/* rte_pktmbuf_free; tests without EAL give their own */
	struct mr_bigmem mem[2];
};

size_t tcp_ext_memory(uint32_t capacity);
/** 0 or -ENOMEM. capacity 1 .. MR_EXT_MAX. */
int tcp_ext_pool_create(struct tcp_ext_pool *pool, uint32_t capacity, uint64_t mbufs_max, int node);
void tcp_ext_pool_destroy(struct tcp_ext_pool *pool);

#endif /* MR_TCP_EXT_H */
