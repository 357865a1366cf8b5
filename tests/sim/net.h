/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network without wires: engines joined by a switch whose links lose, duplicate, delay, reorder
 * and corrupt frames, on a virtual clock, from one seed. The same seed gives the same run, octet by
 * octet.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "rng.h"
#include "stack.h"

#define SIM_HOSTS_MAX 8u

/* What a link does to frames; probabilities in 1/65536, times in microseconds. */
struct sim_link {
	uint32_t loss, duplicate, corrupt, reorder;
	uint32_t delay_us, jitter_us, reorder_us;
};

struct sim_frame {
	uint64_t at_us, order;
	uint8_t host;
	uint16_t len;
	uint8_t *octets;
};

struct sim;

struct sim_host {
	struct sim *sim;
	struct mr_worker *w;
	struct rte_mempool *data_pool, *ctl_pool;
	uint32_t data_free, ctl_free;	/* before the first frame: what must be home at the end */
	uint8_t mac[6];
	unsigned int index;
	struct rte_mbuf *burst[MR_BURST];
	uint16_t nburst;
	bool (*on_turn)(struct mr_worker *w, void *arg);
	void *arg;
};

struct sim {
	uint64_t seed, now_us, frames, lost, corrupted, duplicated;
	uint64_t digest;	/* over every frame delivered with its time, in any order */
	struct sim_link link;
	uint32_t poll_us;	/* engines look at their queues so often: what makes bursts */
	struct sim_host host[SIM_HOSTS_MAX];
	unsigned int nhosts;
	struct sim_frame *heap;
	uint32_t nheap, heap_cap;
	/* Sees every frame sent, before the link does; NULL allowed. */
	void (*tap)(void *arg, unsigned int host, const uint8_t *octets, uint16_t len);
	void *tap_arg;
};

void sim_init(struct sim *s, uint64_t seed, const struct sim_link *link);
/** Adds an engine with this configuration (addresses included). Aborts when it cannot. */
struct sim_host *sim_add(struct sim *s, struct stack_config *cfg, uint32_t mbufs);
/** Advances to the next event: at most max_us. Delivers what is due, turns every engine. */
void sim_step(struct sim *s, uint64_t max_us);
/** Runs for so long. */
void sim_run(struct sim *s, uint64_t us);
/** Frames in flight. */
uint32_t sim_in_flight(const struct sim *s);
/**
 * Checks at the end: nothing open, every mbuf home, no extension held. Returns complaints printed.
 */
unsigned int sim_leaks(struct sim *s);
void sim_fini(struct sim *s);

/** The address of host i: 10.0.0.(i+1) / fd00::(i+1). */
void sim_addr(unsigned int i, uint8_t family, uint8_t addr[16]);

#endif /* SIM_NET_H */
