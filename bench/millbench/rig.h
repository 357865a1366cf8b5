/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engines of a run and what they are made of: EAL, ports, the client's engine and, over a ring
 * or as serve-peer, the terminator's. Control thread only.
 */
#ifndef MB_RIG_H
#define MB_RIG_H

#include <sys/types.h>

#include "client.h"
#include "engine.h"
#include "peer.h"
#include "plan.h"

struct mb_rig {
	const struct mb_options *options;
	struct mb_plan plan;
	struct mb_load load;
	struct mb_peer peer;
	struct mb_owner owner;
	struct mb_client *clients[MB_CPUS_MAX];
	struct stack_config client_stack, server_stack;
	struct stack_listener listener;
	struct engine_config client_config, server_config;
	pid_t tid[2][MB_CPUS_MAX];	/* threads of the workers: client, server */
	struct engine *client, *server; /* NULL: this side is not in this process */
	char request[MB_COPY_OCTETS];
	uint32_t cpu[2 * MB_CPUS_MAX]; /* of the workers, the terminator's first */
	uint32_t ncpus;
	bool shares_cpus;	   /* some CPU has two workers: they sleep between bursts */
	uint64_t rss_before;	   /* octets, before anything was mapped */
	uint64_t table_octets[2];  /* client, server: all workers */
	uint64_t generator_octets; /* what millbench keeps of its connections, and histograms */
	uint64_t eal_octets;
	uint64_t mbufs_with_ports; /* before the first frame */
};

/** Computes what will be built and how much memory it takes; takes none. 0, or -1 with err. */
int mb_rig_plan(struct mb_rig *r, const struct mb_options *o, char err[MB_ERROR_MAX]);
/** Starts EAL and builds the engines, if the memory is there. 0, or -1 with err. */
int mb_rig_build(struct mb_rig *r, const char *program, char err[MB_ERROR_MAX]);
/** Sets the workers going. 0 or -1 with err. */
int mb_rig_start(struct mb_rig *r, char err[MB_ERROR_MAX]);
/** Ends the workers and joins them; the figures can still be read. */
void mb_rig_halt(struct mb_rig *r);
/**
 * Packet buffers that are neither back in their pools nor with a port, which keeps some to receive
 * into. After mb_rig_halt().
 */
uint64_t mb_rig_leaked(const struct mb_rig *r);
void mb_rig_destroy(struct mb_rig *r);
#endif /* MB_RIG_H */
