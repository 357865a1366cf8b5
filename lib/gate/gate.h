/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drivers that change what bursts read in EAL's interrupt thread, without asking: net_memif of DPDK
 * unmaps its rings there when the peer ends, while a worker may be inside them. The gate makes that
 * thread wait until no worker is inside such a driver, lets the driver's callback run alone, and
 * opens again. It stands in for four functions of EAL by which drivers register such callbacks:
 * see callback.c. Owns what workers are asked to do; never calls a port, never waits for a peer.
 *
 * A worker never waits. It is asked to keep away from ports (bits), says that it does at the end of
 * its turn, and goes on with the others. While nobody asks, that is one comparison a turn; it is
 * the one that finds out that the engine stops, too, so no other driver's port pays for it.
 */
#ifndef MR_GATE_H
#define MR_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "bounds.h"

#define GATE_STOP	(UINT32_C(1) << 31)	/* leave the loop */
#define GATE_PORTS	((UINT32_C(1) << MR_PORTS_MAX) - 1)	/* bit i: keep away from port i */
static_assert(MR_PORTS_MAX < 31, "a bit for each port of an engine, and one to stop");

/* What one worker is asked to do, and does. All of it zero: a worker that is not there. */
struct gate_worker {
	uint32_t asked;			/* written by others, atomically */
	uint32_t obeyed;		/* written by the worker alone, atomically */
	uint32_t ports;			/* of drivers that want it; 0: never joined */
	uint32_t away;			/* of them: down until the port is there again */
	struct gate_worker *next;
};

/** Nothing is asked, or it is done already. On the worker, each turn. */
MR_INLINE bool gate_content(const struct gate_worker *w)
{
	return __atomic_load_n(&w->asked, __ATOMIC_RELAXED) == w->obeyed;
}

/**
 * Does as asked, after the last call into a port of this turn and before the next one. Returns what
 * was asked. The worker must have stopped using the ports of the bits that it then finds set, and
 * may use the others.
 */
uint32_t gate_obey(struct gate_worker *w);
/** The worker will touch no port until the next gate_obey: at its creation, and after its loop. */
void gate_rest(struct gate_worker *w);
/** Asks a worker to stop, or takes that back. Any thread, async-signal-safe. */
void gate_stop(struct gate_worker *w, bool stop);

/** True for a driver (rte_eth_dev_info.driver_name) whose ports need the gate. */
bool gate_wanted(const char *driver_name);
/** From now on callbacks wait for this worker to keep away from `ports`. Control thread. */
void gate_join(struct gate_worker *w, uint32_t ports);
/** Forgets it; also one that never joined. After its loop. */
void gate_leave(struct gate_worker *w);

/**
 * Keeps the callbacks of such drivers from running: around what configures, starts, stops and
 * closes their ports. Not on a worker. May be nested.
 */
void gate_lock(void);
void gate_unlock(void);
/** Of the caller: it holds the lock. */
bool gate_locked(void);
/** With the lock: waits until all workers keep away from their ports, and lets them in again. */
void gate_close(void);
void gate_open(void);
/** With the lock: the worker keeps away from these ports also while the gate is open, or not. */
void gate_away(struct gate_worker *w, uint32_t ports, bool away);

/* The callbacks that a port registers when it is started: of the connection that it has begun. */
struct gate_line {
	void (*lost)(struct gate_line *line);	/* with the lock: the last one is gone; or NULL */
	unsigned int open;
};
/** With the lock: what is registered from now on belongs to this line; NULL: to none. */
void gate_line(struct gate_line *line);
/** Callbacks that were ever registered through the gate: 0 with such a port means it is no use. */
unsigned int gate_callbacks(void);

#endif /* MR_GATE_H */
