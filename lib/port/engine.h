/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine: ports, mempools and one worker per lcore, each running the poll loop over its queues.
 * The only code (lib/port) that calls ethdev and EAL. A process starts EAL once (eal_start) and may
 * run several engines (the demo runs a server and a client). Control thread only, but for the loop.
 */
#ifndef MR_ENGINE_H
#define MR_ENGINE_H

#include "stack.h"

#define ENGINE_ARG_MAX 256
/* A frame that heads a backlog is dropped as refused when the port took nothing for so many calls
 * and for so long: a peer that was descheduled comes back sooner, a poisoned frame never goes. */
#define ENGINE_REFUSED_TRIES	64u
#define ENGINE_REFUSED_US	20000u

/* What EAL is started with: computed from the configuration, never asked of the user. */
struct eal_options {
	const char *program;		/* argv[0] */
	const char *file_prefix;	/* distinct per process; NULL: "millrace" and the pid */
	/* CPUs of the workers of all engines; one that is named twice gets two workers. The control
	 * thread is none of them: it floats over the CPUs that are left, or over all of them. */
	uint32_t lcores[MR_WORKERS_MAX];
	uint32_t nlcores;
	uint64_t memory_mb;		/* EAL memory: mbufs and rings only */
	bool hugepages;			/* use them if enough are free (false: --no-huge) */
	bool pci;			/* the devices of pci_allow and no other; false: none */
	char vdev[MR_PORTS_MAX][ENGINE_ARG_MAX];	/* --vdev arguments of ports, "" ends */
	char pci_allow[MR_PORTS_MAX][32];
	bool single_file_segments;	/* virtio_user */
	unsigned int log_level;		/* RTE_LOG_*; 0: warnings and worse */
};
/**
 * Starts EAL, once in the life of a process. 0, or -1 with *why (a complete sentence). Prints
 * nothing of its own. Refuses a net_tap whose interface exists already: the kernel would attach it
 * as another queue of that interface and packets would vanish in silence.
 */
int eal_start(const struct eal_options *opt, const char **why);
/** Closes what is left of the ports and ends EAL: after all engines are destroyed. */
void eal_stop(void);
/** True when EAL's memory lies on hugepages. */
bool eal_uses_hugepages(void);
/** Free 2 MB hugepages on this machine (all nodes). */
uint64_t eal_free_hugepages(void);

enum engine_idle {
	ENGINE_IDLE_SPIN,	/* never sleep: dedicated cores */
	ENGINE_IDLE_PAUSE,	/* rte_pause after some empty polls */
	ENGINE_IDLE_SLEEP,	/* spin, pause, then short sleeps up to idle_max_us: shared cores */
};

struct engine_port_config {
	char name[64];		/* of ethdev: "net_tap0", "0000:03:00.0", or of a ring port */
	char profile[64];	/* driver profile to use; "": the one named after the driver */
	uint16_t queues;	/* to receive on, at least one per worker; 0: one per worker */
	uint16_t rx_desc, tx_desc;	/* 0: the profile's; of a ring port: its entries */
	uint16_t mtu;		/* IP octets, 576 .. 9216; 0: 1500 */
	uint8_t mac[6];		/* all 0: the port's, or a local one where the profile says so */
};

struct engine_config {
	char name[32];			/* in names of pools and logs */
	struct engine_port_config port[MR_PORTS_MAX];
	uint16_t nports;
	uint32_t lcores[MR_WORKERS_MAX];/* one worker each, a subset of eal_options.lcores */
	uint32_t nworkers;
	uint32_t mbufs;			/* per worker, data pool; 0: computed */
	uint32_t ctl_mbufs;		/* per worker; 0: computed */
	enum engine_idle idle;
	uint32_t idle_max_us;		/* 0: 100 */
	const char *profile_dir;	/* drivers-config; NULL: built-in defaults only */
	const struct stack_config *stack;
	/* Called on every worker: once before its loop, in every turn, once after it; or NULL. */
	void (*on_start)(struct mr_worker *w, void *arg);
	bool (*on_turn)(struct mr_worker *w, void *arg);	/* true: did something */
	void (*on_stop)(struct mr_worker *w, void *arg);
	void *arg;
};

struct engine;

/** EAL octets (mbufs, rings) the engine takes at most: for eal_options.memory_mb. Needs no EAL. */
uint64_t engine_eal_memory(const struct engine_config *cfg);
/**
 * How an mbuf pool keeps its free mbufs: rte_mempool's name for it. What the user or the platform
 * asks for, else a stack. After EAL's start; any thread.
 */
const char *engine_mempool_ops(void);
/** Room of an mbuf for any frame of that MTU, so that no port has to scatter. */
uint16_t engine_data_room(uint32_t mtu);
/** What a mempool of n mbufs of that room takes at most, without hugepages. */
uint64_t engine_pool_octets(uint32_t n, uint32_t room);
/**
 * Makes a pair of crossed ring ports ("net_ring_<name>_a/b"), each ring of `entries` packets (a
 * power of two; 0: 1024); for the demo and tests. After eal_start. 0 or -1.
 */
int engine_ring_pair(const char *name, uint16_t queues, uint32_t entries, char a[64], char b[64]);
/**
 * Brings ports up, creates pools and stacks. cfg is copied; what it points to (profile_dir, stack,
 * listeners) must outlive the engine. NULL with *why (a complete sentence, valid until the next
 * call) when it cannot.
 */
struct engine *engine_create(const struct engine_config *cfg, const char **why);
/** Launches the workers, each on its lcore; returns at once. 0 or -1. */
int engine_start(struct engine *e);
/** Asks the loops to end; engine_wait joins them. Async-signal-safe. */
void engine_request_stop(struct engine *e);
void engine_wait(struct engine *e);
/**
 * Frees stacks, ports and pools. Engines that are joined by rings must all have been waited for
 * before the first of them is destroyed. NULL is allowed.
 */
void engine_destroy(struct engine *e);
/**
 * What an operator should know about this engine: a worker far from its NIC, a missing offload, an
 * unverified profile. Complete sentences, i from 0; NULL ends.
 */
const char *engine_note(const struct engine *e, unsigned int i);

unsigned int engine_workers(const struct engine *e);
/** The worker itself: for mr_post(mr_worker_id()) and, after engine_wait, for direct reading. */
struct mr_worker *engine_worker(const struct engine *e, unsigned int i);
/**
 * Runs fn on worker i between bursts and waits (at most timeout_ms). False: timed out, and then fn
 * was not and never will be run. While the workers do not run, fn is run at once by the caller.
 */
bool engine_call(struct engine *e, unsigned int i, void (*fn)(struct mr_worker *w, void *arg),
		 void *arg, uint32_t timeout_ms);
/** Sum over the workers (by engine_call: consistent per worker), with the counters of the loop. */
bool engine_stats(struct engine *e, struct stack_stats *out);
/** The same of one worker. */
bool engine_worker_stats(struct engine *e, unsigned int i, struct stack_stats *out);
/** Adds the counters of worker i's loop (tx.*, loop.*) to a copy of its stack's; any thread. */
void engine_loop_counters(const struct engine *e, unsigned int i, struct mr_counters *into);
/**
 * Index of the worker that receives on port i what `remote` sends to `local`; engine_workers(e)
 * where no hash tells: one worker, or a port whose peer chooses the queue. Any thread.
 */
unsigned int engine_worker_of(const struct engine *e, uint16_t i, const struct mr_endpoint *remote,
			      const struct mr_endpoint *local);
/** Mbufs of this engine's pools that are not home. Exact only while the workers do not run. */
uint64_t engine_mbufs_out(const struct engine *e);

struct engine_load {
	uint64_t turns, busy_turns;
	uint64_t busy_tsc, total_tsc;	/* counts spent in turns that found work, and all */
	uint64_t tsc_hz;
	uint64_t tx_backlogged, tx_refused;
};
/** Load of worker i since start; any thread, racy. */
void engine_load(const struct engine *e, unsigned int i, struct engine_load *out);

struct engine_port_info {
	char name[64], driver[32], profile[64];
	uint8_t mac[6];
	uint16_t mtu, rx_queues, tx_queues, rx_desc, tx_desc;
	bool link_up, rss, multi_seg;
	unsigned int tx_offload;	/* enum wire_tx_offload */
	char steering[96];		/* which rung of the ladder, and why */
	uint64_t rx_missed, rx_errors, tx_errors, rx_nombuf;
};
bool engine_port_info(const struct engine *e, uint16_t i, struct engine_port_info *out);

#endif /* MR_ENGINE_H */
