/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of an engine: its ports, its workers, and what the files of lib/port say to one another.
 * Private to lib/port (and its tests).
 *
 *   engine.c     what an engine is: create, start, stop, destroy
 *   bringup.c    one port: from its name to a started device
 *   steer.c      which worker receives a tuple, where RSS spreads a port over several
 *   memory.c     mempools and ring pairs: what lies in EAL's memory, how much that is
 *   loop.c       the poll loop of one worker
 *   tx.c         one transmit queue with its backlog; static content
 *   call.c       from other threads into a worker: calls, statistics, telemetry
 */
#ifndef MR_ENGINE_IMPL_H
#define MR_ENGINE_IMPL_H

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "engine.h"
#include "gate.h"
#include "profile.h"
#include "rx.h"
#include "steer.h"
#include "tx.h"

/* Room in front of a frame that the drivers leave, and that replies in place rely on. */
#define ENGINE_HEADROOM		RTE_PKTMBUF_HEADROOM
#define ENGINE_MTU_MIN		576u	/* RFC 1122 3.3.2: every host takes 576 octets */
#define ENGINE_MTU_MAX		9216u
#define ENGINE_NOTES_MAX	32u
#define ENGINE_LINK_POLL_US	100000u

struct engine_port {
	struct engine_port_config cfg;
	uint16_t id;			/* of ethdev */
	bool claimed, started;
	bool gated;			/* its driver's callbacks wait for the workers */
	bool hung_up;			/* stopped until its peer listens again: redial.h */
	struct gate_line line;
	struct engine *engine;
	struct driver_profile profile;
	struct rte_eth_dev_info info;
	uint16_t rx_queues, tx_queues, rx_desc, tx_desc, mtu;
	uint64_t rx_offloads, tx_offloads;	/* RTE_ETH_*_OFFLOAD_* in use */
	uint64_t rx_keep_flags;		/* ol_flags that survive reception: see loop.c */
	uint8_t mac[6];
	bool rss;
	struct steer steer;		/* reta_size 0: no hash spreads, or it is not told */
	bool link_up;			/* written by worker 0, read by the others: atomically */
	char steering[96];
};

/* A receive queue that a worker polls. */
struct engine_worker {
	struct mr_worker *stack;
	struct engine *engine;
	struct rx_queue rxq[MR_PORTS_MAX * 4u];
	uint16_t nrxq, nports;
	uint16_t npolled;		/* the first ones of rxq: those of ports that are there */
	struct gate_worker gate;	/* what others ask of the loop */
	unsigned int index, id;		/* in the engine, in the process */
	int lcore, node;
	struct rte_mempool *data_pool, *ctl_pool;
	/* Of the loop alone; others read it racily. */
	struct mr_counters counters;
	uint64_t turns, busy_turns, busy_tsc, total_tsc;
	uint64_t idle_since_us, link_next_us;
	uint32_t sleep_us;
	bool link_seen[MR_PORTS_MAX];
	struct tx_queue txq[MR_PORTS_MAX];
} MR_CACHE_ALIGNED;

struct engine_call_slot;

struct engine {
	struct engine_config cfg;
	struct rte_eth_dev_owner owner;
	struct engine_port port[MR_PORTS_MAX];
	struct engine_worker *worker;	/* nworkers */
	unsigned int id_first;
	struct mr_sipkey cookie_secret;	/* of the SYN cookies of all its workers */
	bool running;			/* atomically: the workers' threads exist */
	struct engine_call_slot *calls;	/* under the lock of call.c */
	struct engine *next;		/* the engines of the process, under the lock of call.c */
	char *note[ENGINE_NOTES_MAX];
	unsigned int nnotes;
};

/** Keeps a sentence for engine_note(). */
MR_PRINTF(2, 3) void engine_say(struct engine *e, const char *fmt, ...);

/* ---- bringup.c ---- */

/** Finds port i of the engine, takes it, reads its profile, settles queues, descriptors and MTU. */
int port_plan(struct engine *e, uint16_t i, const char **why);
/** Configures and starts it; receive queue q fills from the data pool of worker q % nworkers. */
int port_bring_up(struct engine *e, uint16_t i, const char **why);
/** Stops, closes and gives back; also after a failure. */
void port_bring_down(struct engine *e, uint16_t i);
/** What the stack has to know of it. */
void port_for_stack(const struct engine_port *p, struct stack_port *out);
/** Asks the driver for the link and publishes it. */
void port_poll_link(struct engine_port *p);

/* ---- memory.c ---- */

/** Creates the two pools of worker i. 0, or -1 with *why. After the ports are planned. */
int pools_create(struct engine *e, unsigned int i, const char **why);
/** Frees the pools of all workers, or keeps those that others still hold mbufs of. */
void pools_destroy(struct engine *e);
/** Entries of the rings of a port; 0 when it is no port of a ring pair. */
uint32_t ring_pair_entries(const char *port);
/** Frees the packets that wait in the rings of a port, both ways. */
void ring_pair_drain(const char *port);

/* ---- loop.c ---- */

/** The thread of one worker: runs until the engine's stop. arg: struct engine_worker. */
int loop_run(void *arg);
/** struct stack_io.transmit. */
void loop_transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n);

/* ---- call.c ---- */

/** Makes the engine visible to telemetry, and hides it again (also one that never was visible). */
void engine_register(struct engine *e);
void engine_unregister(struct engine *e);
/** Frees the calls that nobody waits for; the stacks, in whose mail they may lie, are gone. */
void engine_free_calls(struct engine *e);
/** Registers /millrace/stats and /millrace/ports with DPDK's telemetry, once. */
void engine_telemetry_init(void);

#endif /* MR_ENGINE_IMPL_H */
