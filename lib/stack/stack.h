/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker: takes bursts of mbufs, returns bursts. Owns its connection tables, TIME_WAIT tables,
 * timer wheels, extension pool, neighbour table and counters; shares nothing but the mail rings.
 * Has no thread and no clock of its own: lib/port's poll loop (or the simulator) calls in with the
 * time. struct mr_worker of the public header IS this stack.
 */
#ifndef MR_STACK_H
#define MR_STACK_H

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "config.h"
#include "counters.h"
#include "siphash.h"
#include "wheel.h"
#include "timewait.h"

struct mr_worker;

/*
 * Where replies land: a port with RSS brings what `remote` sends to `local` to one of the workers,
 * and an active open is of use only to that one. So its source port is chosen by this.
 */
struct stack_steer {
	const void *ctx;
	/* Id of that worker; NULL: no hash decides (one queue, or the peer's queue i is ours). */
	unsigned int (*worker_of)(const void *ctx, const struct mr_endpoint *remote,
				  const struct mr_endpoint *local);
};

/* What a port can do, as lib/port found out; the stack builds frames accordingly. */
struct stack_port {
	uint8_t mac[6];
	uint16_t mtu;			/* IP octets: 1500 */
	unsigned int tx_offload;	/* enum wire_tx_offload bits */
	bool multi_seg;			/* chained mbufs may be sent */
	uint16_t tx_mbufs_max;		/* so many in one frame; 0: no limit is known */
	bool up;			/* link state */
	struct stack_steer steer;
};

/*
 * How frames leave. transmit() takes all n mbufs: it sends, keeps a backlog, or drops and counts.
 */
struct stack_io {
	void *ctx;
	void (*transmit)(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n);
};

/* The order in which a full backlog gives up frames: data first, control last. In m->hash.usr. */
enum stack_tx_class { STACK_TX_DATA, STACK_TX_SYN, STACK_TX_CTRL };

struct stack_init {
	const struct stack_config *cfg;
	unsigned int id;		/* worker id in the process, 0 .. MR_WORKERS_MAX-1 */
	unsigned int group_first, group_count;	/* ids of the workers that serve the same ports */
	int node;			/* NUMA node of its memory */
	struct rte_mempool *data_pool;	/* 2 KB data room: payload */
	struct rte_mempool *ctl_pool;	/* headers and small segments, indirect mbufs */
	struct stack_port port[MR_PORTS_MAX];
	uint16_t nports;
	struct stack_io io;
	/* Of SYN cookies: the same for all workers of an engine, else an ACK that lands on another
	 * one is for nobody. All 0: a secret of its own. */
	struct mr_sipkey cookie_secret;
	uint64_t now_us;
};

/** Octets of tables per worker that stack_create will map. */
size_t stack_memory(const struct stack_config *cfg);
/** NULL with *why filled when memory is missing or the configuration is contradictory. */
struct mr_worker *stack_create(const struct stack_init *init, const char **why);
/** Frees everything, sends nothing. */
void stack_destroy(struct mr_worker *w);

/** Sets the time of this turn: before stack_rx / stack_turn. Never goes back. */
void stack_set_time(struct mr_worker *w, uint64_t now_us);
/** What waits at the ports (enum mr_load_bit): once a turn; for mr_load(). */
void stack_set_load(struct mr_worker *w, unsigned int load);
/** Handles a received burst (n <= MR_BURST); owns all mbufs afterwards. */
void stack_rx(struct mr_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n);
/** Timers, mail, paced work: bounded per call. True if something was done. */
bool stack_turn(struct mr_worker *w);
/** Hands what is queued to io.transmit. */
void stack_flush(struct mr_worker *w);
/** Milliseconds during which stack_turn will find nothing (0 .. max_ms): for the idle policy. */
uint32_t stack_idle_ms(const struct mr_worker *w, uint32_t max_ms);

/** Link went up or down: gratuitous ARP / unsolicited NA when up. On the owning worker. */
void stack_link(struct mr_worker *w, uint16_t port, bool up);
/** Refuses new connections from now on (SYNs are dropped and counted). */
void stack_drain(struct mr_worker *w);
/**
 * Closes (graceful) every connection; with force aborts. Bounded by `budget` per call; true when
 * done.
 */
bool stack_close_all(struct mr_worker *w, bool force, uint32_t budget);

/**
 * Other parameters from now on. What a handshake has negotiated (scales, timestamps, MSS) stays
 * with its connection, and so do its own options; timers and buffers follow. On the owning worker,
 * between bursts. False: the MSL is longer than the one of the start.
 */
bool stack_set_params(struct mr_worker *w, const struct tcp_params *p);
/** How they stand now. */
void stack_get_params(const struct mr_worker *w, struct tcp_params *p);
/**
 * A listener on one port, beside those of the configuration. MR_OK and its id; MR_ADDRESS_IN_USE,
 * MR_TABLE_FULL, MR_BAD_ARGUMENT (an option, a range of ports). On the owning worker.
 */
enum mr_reason stack_listen(struct mr_worker *w, const struct stack_listener *l, uint16_t *id);
/** Its end: SYNs are refused; connections go on, half-open ones too. */
void stack_unlisten(struct mr_worker *w, uint16_t id);
/** So many may be in SYN_RCVD from now on; 0: SYNs are dropped, without cookies. */
void stack_listener_backlog(struct mr_worker *w, uint16_t id, uint32_t backlog);
/** Is the address (its port does not matter) one of ours? */
bool stack_has_address(const struct mr_worker *w, const struct mr_endpoint *e);
/**
 * As if it had just been started: connections are aborted (RST, on_closed(MR_DRAINED)), TIME_WAIT
 * entries and the throttles' accounts are forgotten. Listeners, parameters and neighbours stay. Not
 * bounded: for tests. On the owning worker, between bursts.
 */
void stack_forget(struct mr_worker *w);
/** An option for the connections of a listener, from now on. False: out of range. */
bool stack_listener_option(struct mr_worker *w, uint16_t id, enum mr_option option, uint32_t value);

/** An mbuf of the control pool (for attaching external buffers), or NULL. On the owning worker. */
struct rte_mbuf *stack_ctl_mbuf(struct mr_worker *w);

/** Mbufs of the control pool that the worker keeps ready: taken, but not in use. */
uint32_t stack_mbufs_ready(const struct mr_worker *w);

struct stack_stats {
	struct mr_counters counters;
	uint32_t conns_open[2];		/* live records, IPv4 and IPv6 */
	uint32_t conns_high_water[2], conns_capacity[2];
	uint32_t time_wait[2], time_wait_high_water[2], time_wait_capacity[2];
	uint32_t states[TCP_STATES];	/* connections in each state; TIME_WAIT from its tables */
	uint32_t ext_used, ext_high_water, ext_capacity;
	uint64_t mbufs_held;
	uint32_t data_pool_free, ctl_pool_free;
	uint32_t wheel_behind_ms, wheel_items_max;
};
/**
 * Copies the figures; on the owning worker, or on any thread as a racy snapshot of 64-bit values.
 */
void stack_stats(const struct mr_worker *w, struct stack_stats *out);

struct stack_listener_stats {
	char name[32];
	uint64_t accepted, closed, reset, limited;	/* connections */
	uint64_t cookies_sent, cookies_valid;		/* SYN cookies, and those that came back */
	uint64_t rx_octets, tx_octets;			/* payload */
	uint32_t open, syn_rcvd;
};
/** Figures of listener i (0 .. nlisteners-1). False when there is none. */
bool stack_listener_stats(const struct mr_worker *w, uint32_t i, struct stack_listener_stats *out);

/* One line of a listing. */
struct stack_conn_row {
	struct mr_endpoint local, remote;
	unsigned int state;		/* enum tcp_state */
	char listener[32];
	uint32_t send_queued, recv_unread;	/* octets */
};
/* A cursor over tables of a worker: starts zeroed, ends with done. */
struct stack_cursor {
	uint32_t table;			/* 0,1: connections 4/6; 2,3: TIME_WAIT 4/6 */
	uint32_t index;
	bool done;
};
/* What a listing asks for. */
struct stack_query {
	unsigned int state_mask;	/* enum tcp_state bits, 0: all */
	const struct mr_endpoint *peer;	/* NULL, or an address (family and addr are compared) */
	uint32_t steps;			/* records looked at in one call, at most */
};
/**
 * Fills at most max rows and moves the cursor. On the owning worker, between bursts. Returns the
 * rows.
 */
uint32_t stack_list(struct mr_worker *w, struct stack_cursor *cur, const struct stack_query *q,
		    struct stack_conn_row *rows, uint32_t max);

/**
 * Whole-stack invariants (tables, wheels, every connection): aborts. Tests and debug builds.
 */
void stack_check(const struct mr_worker *w);

#endif /* MR_STACK_H */
