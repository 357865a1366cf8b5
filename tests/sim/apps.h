/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients and servers of the simulation. Each connection follows a plan drawn from the seed: how
 * much goes each way, who closes first, half-close, who aborts and when, who reads slowly. Every
 * octet is checked at its place, every end is counted once.
 */
#ifndef SIM_APPS_H
#define SIM_APPS_H

#include "net.h"

enum sim_closer { SIM_CLOSE_CLIENT, SIM_CLOSE_SERVER, SIM_CLOSE_BOTH, SIM_CLOSE_HALF };
enum sim_abort { SIM_ABORT_NONE, SIM_ABORT_CLIENT, SIM_ABORT_SERVER };

/* The first octets of every connection: what the server must know. */
struct sim_plan {
	uint32_t id, up, down;	/* octets from the client after this header, from the server */
	uint8_t closer, abort, slow_client, slow_server;
};

struct sim_side {
	struct sim_plan plan;
	uint32_t sent, received, unread;
	uint8_t opened, ended, plan_known, closing;
	uint16_t reason;	/* enum mr_reason */
	mr_conn conn;
};

struct sim_apps {
	struct sim *sim;
	struct mr_rng rng;
	struct sim_side *client, *server;	/* by plan id; by order of acceptance */
	uint32_t total, started, ended, accepted, server_ended;
	uint32_t concurrency, octets_max;
	bool aborts, slow;
	uint8_t family;
	uint32_t wrong_octets, twice, unexpected;	/* must stay 0 */
	uint32_t by_reason[32];
	struct sim_host *client_host, *server_host;
};

extern const struct mr_callbacks sim_server_callbacks;
#define SIM_PORT 7777

/**
 * Prepares `total` connections; the apps are the `arg` of client host's on_turn and of the
 * listener.
 */
void sim_apps_init(struct sim_apps *a, struct sim *s, uint64_t seed, uint32_t total);
/** on_turn of the client host: opens what the plan allows. */
bool sim_apps_turn(struct mr_worker *w, void *arg);
/** Complaints about the ends of all connections, printed. */
unsigned int sim_apps_verify(const struct sim_apps *a);
void sim_apps_fini(struct sim_apps *a);

#endif /* SIM_APPS_H */
