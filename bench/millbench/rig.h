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
	struct mb_client *clients[MB_CPUS_MAX];
	struct stack_config client_stack, server_stack;
	struct stack_listener listener;
	struct engine_config client_config, server_config;
	pid_t tid[2][MB_CPUS_MAX];	/* threads of the workers: client, server */
	struct engine *client, *server; /* NULL: this side is not in this process */
	char request[MB_COPY_OCTETS];
	uint64_t rss_before;	  /* octets, before anything was mapped */
	uint64_t table_octets[2]; /* client, server: all workers */
	uint64_t eal_octets;
};

/** Computes and says what will be taken, starts EAL and builds the engines. 0, or -1 with err. */
int mb_rig_build(struct mb_rig *r, const struct mb_options *o, const char *program,
		 char err[MB_ERROR_MAX]);
/** Sets the workers going. 0 or -1 with err. */
int mb_rig_start(struct mb_rig *r, char err[MB_ERROR_MAX]);
/** Ends the workers and joins them; the figures can still be read. */
void mb_rig_halt(struct mb_rig *r);
/** Packet buffers that are not back in their pools. After mb_rig_halt(). */
uint64_t mb_rig_mbufs_out(const struct mb_rig *r);
void mb_rig_destroy(struct mb_rig *r);
/** Octets of this process that are in memory, hugetlb pages included. */
uint64_t mb_resident_octets(void);

#endif /* MB_RIG_H */
