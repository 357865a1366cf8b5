/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two ports, the pool they receive into, and the loop that carries frames from one to the other
 * through a direction each. One thread polls both; the control thread waits and reads figures.
 * Never opens or parses a TCP segment: what it does to a frame is direction.h's.
 */
#ifndef IMP_JOINT_H
#define IMP_JOINT_H

#include "bounds.h"
#include "clock_tsc.h"
#include "direction.h"
#include "options.h"

/* What is under way when the end comes is delivered for so long. */
#define IMP_DRAIN_NS 2000000000u

/* Frames that are due and wait for a port to take them. */
struct imp_leave {
	struct imp_held frame[MR_BURST];
	uint32_t first, n;
	uint32_t tries; /* since it last took one */
	uint64_t stuck_ns;
};

struct imp_side {
	char name[64], driver[32];
	uint16_t id, rx_burst;
	bool one_segment; /* of the port: chains are copied */
	bool started;
	uint64_t missed, errors, no_mbuf; /* the port's own counts, at the end */
};

struct imp_joint {
	const struct imp_options *options;
	struct rte_mempool *pool;
	struct imp_side side[2];
	struct imp_direction dir[2]; /* dir[i]: in at side i, out at the other one */
	struct imp_leave leave[2];   /* of dir[i] */
	struct mr_clock clock;
	uint64_t idle_since_ns, sleep_ns;
	uint64_t end_ns;      /* when receiving ended */
	volatile int signals; /* counted by the handler: the first ends it, the second at once */
	bool done;	      /* atomically: the loop has ended */
};

/** Starts EAL, brings both ports up. 0, or -1 with a complete sentence in err. */
int imp_joint_open(struct imp_joint *j, const struct imp_options *o, const char *program,
		   char err[IMP_ERROR_MAX]);
/**
 * The same for two ports that are there already, in a process that has started EAL: for tests.
 */
int imp_joint_open_ports(struct imp_joint *j, const struct imp_options *o, char err[IMP_ERROR_MAX]);
/** The polling thread: returns when it is to end and all that was under way is delivered. */
int imp_joint_run(void *joint);
/** Runs imp_joint_run() on the CPU of the options; time begins. 0 or -1. */
int imp_joint_launch(struct imp_joint *j);
/** Joins it. */
void imp_joint_wait(struct imp_joint *j);
/** Nanoseconds since it was launched. */
uint64_t imp_joint_now_ns(const struct imp_joint *j);
/** Frees what is held, closes the ports; the counts can still be read. */
void imp_joint_close(struct imp_joint *j);

#endif /* IMP_JOINT_H */
