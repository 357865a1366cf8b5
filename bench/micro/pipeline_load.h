/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's half of the pipeline bench: frames of millions of connections in an order that no
 * predictor learns, and the server's answers read back. Never timed.
 *
 * Connections are numbered 0, 1, 2 ... and move in steps: step t opens number t, acknowledges the
 * SYN-ACK of number t - window, and, once `concurrent` connections stand, ends one of the oldest
 * generation, picked by a bijection, and `window` steps later acknowledges its end.
 */
#ifndef BENCH_PIPELINE_LOAD_H
#define BENCH_PIPELINE_LOAD_H

#include <rte_mbuf.h>

#include "build.h"
#include "rng.h"

struct load_config {
	unsigned int concurrent_bits; /* 2^K connections stand */
	bool active;		      /* the server closes first: 3 packets instead of 4 */
	bool checksum_offload;	      /* frames come marked as verified */
	uint8_t family;		      /* 4 or 6 */
	uint8_t server_mac[6];
	uint8_t server_addr[16]; /* network order */
	uint16_t server_port;	 /* host order */
};

struct load {
	struct load_config cfg;
	struct rte_mempool *pool;
	struct mr_rng rng;
	struct wire_l2 l2;
	struct wire_addrs addrs; /* of the frame being built */
	uint32_t *isn;		 /* the server's, by number modulo ring */
	uint64_t ring;		 /* power of two, more than the numbers that are alive */
	uint64_t concurrent, window, step;
	uint64_t bad_replies; /* not what a server should say, or a wrong checksum */
	uint64_t replies;
};

/** 0, or -1 without memory. */
int load_create(struct load *l, const struct load_config *cfg, struct rte_mempool *pool);
void load_destroy(struct load *l);
/** Steps until every connection of the first generation stands and ending has begun. */
uint64_t load_warm_steps(const struct load *l);
/** Fills pkts with at most n frames in shuffled order; returns how many. n >= 64. */
uint32_t load_frames(struct load *l, struct rte_mbuf **pkts, uint32_t n);
/** Reads the server's answers: learns its sequence numbers. Frees nothing. */
void load_replies(struct load *l, struct rte_mbuf **pkts, uint32_t n);

#endif /* BENCH_PIPELINE_LOAD_H */
