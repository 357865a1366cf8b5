/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Engines without wires: joined by a switch whose paths (link.h) do what networks do, on a virtual
 * clock, from one seed. The same seed gives the same run, octet by octet.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "link.h"
#include "rng.h"
#include "stack.h"

#define SIM_HOSTS_MAX	2u
#define SIM_FRAME_MAX	1600u	/* an Ethernet frame, and then some */

/* A copy of a frame: in flight, or waiting for the end of the step in which it was sent. */
struct sim_frame {
	uint64_t at_us, order;
	uint8_t host;		/* where to */
	bool forged, damaged;	/* sent by no engine; flipped or cut */
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
	struct sim_path path;		/* from here to the switch */
	struct sim_frame *sent;		/* of this step */
	uint32_t nsent, sent_cap;
};

/* Who looks on; each may be NULL. */
struct sim_hooks {
	void *arg;
	/* Every frame an engine sends, before the path does anything to it. */
	void (*sent)(void *arg, unsigned int host, const uint8_t *octets, uint16_t len);
	/* Every frame that an engine receives, if an engine sent it. */
	void (*received)(void *arg, const struct sim_frame *f);
	/* A frame does not arrive as it was sent. */
	void (*lost)(void *arg, const uint8_t *octets, uint16_t len);
	/* A step begins: frames have not arrived yet, next_us is its time. */
	void (*before)(void *arg, uint64_t next_us);
	/* The time has moved and frames have arrived: an application's turn. */
	void (*turn)(void *arg, unsigned int host);
	/* All engines are through with the step. */
	void (*after)(void *arg);
	/* When an application wants a turn, whatever the engines have to do. */
	uint64_t (*wanted_us)(void *arg);
};

#define SIM_SOLICITS	3u	/* RFC 4861 10: one a second, then a host is unreachable */

struct sim {
	uint64_t seed, now_us, steps, frames, order, no_mbuf;
	uint64_t digest;	/* over every frame sent, with its time */
	struct sim_link link;
	/* when solicitations of neighbours, or their answers, got lost: the last SIM_SOLICITS */
	uint64_t unresolved_us[SIM_SOLICITS];
	bool errors_apart;	/* frames that are not TCP come in bursts of their own */
	bool all_apart;		/* all frames do: the order within a burst decides nothing */
	uint32_t poll_us;	/* engines look at their queues so often: what makes bursts */
	struct sim_host host[SIM_HOSTS_MAX];
	unsigned int nhosts;
	struct sim_frame *heap;
	uint32_t nheap, heap_cap;
	struct sim_hooks hooks;
};

void sim_init(struct sim *s, uint64_t seed, const struct sim_link *link);
/** Adds an engine with this configuration (addresses included). Aborts when it cannot. */
struct sim_host *sim_add(struct sim *s, struct stack_config *cfg, uint32_t mbufs);
/** Advances to the next event: at most max_us. Delivers what is due, turns every engine. */
void sim_step(struct sim *s, uint64_t max_us);
/** Runs for so long. */
void sim_run(struct sim *s, uint64_t us);
/** A frame that no engine sent reaches a host at a time (a forgery; `octets` are copied). */
void sim_inject(struct sim *s, unsigned int host, uint64_t at_us, const uint8_t *octets,
		uint16_t len);
/** Did enough of them get lost, one after the other, for a neighbour not to be found by now? */
bool sim_unresolved(const struct sim *s);
/**
 * Checks at the end: nothing open, every mbuf home, no extension held. Returns complaints printed.
 */
unsigned int sim_leaks(struct sim *s);
void sim_fini(struct sim *s);

/** The address of host i: 10.0.0.(i+1) / fd00::(i+1). */
void sim_addr(unsigned int i, uint8_t family, uint8_t addr[16]);

#endif /* SIM_NET_H */
