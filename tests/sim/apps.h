/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients and servers of the simulation, written against the public header only, as users would.
 * Each connection (a flow) follows a plan drawn from the seed (plan.c): how much goes each way and
 * in what pieces, who reads slowly or not at all for a while, who ends it and how, who aborts and
 * from where. Every octet is checked at its place, every callback against what may come.
 */
#ifndef SIM_APPS_H
#define SIM_APPS_H

#include "net.h"
#include "watch.h"

#define SIM_PORT	7777	/* a listener */
#define SIM_SHUT_PORT	7778	/* none */
#define SIM_BOTH_PORT	20000	/* and up: both ends of simultaneous opens */
#define SIM_MSL_MS	15000u	/* TIME_WAIT nearly always lasts longer than the last FIN is sent */
#define SIM_NOBODY	76	/* a host that does not exist */

enum sim_kind { SIM_USUAL, SIM_BOTH_OPEN, SIM_NO_LISTENER, SIM_NO_HOST };
/*
 * SLOW: so many octets a tick. STALL: half, then nothing for a while. POST: consumed by a call that
 * comes through mr_post().
 */
enum sim_reading { SIM_READ_NOW, SIM_READ_SLOW, SIM_READ_STALL, SIM_READ_POST };
/*
 * FIRST: closes when all is sent and received. SECOND: when the peer has closed. HALF: shuts its
 * direction when all is sent. RUDE: closes when all is sent, whatever may still come.
 */
enum sim_ending { SIM_END_FIRST, SIM_END_SECOND, SIM_END_HALF, SIM_END_RUDE };
/* Where mr_abort() is called from. ELSEWHERE: a callback of another connection. */
enum sim_abort {
	SIM_ABORT_NEVER, SIM_ABORT_OPENED, SIM_ABORT_DATA, SIM_ABORT_WRITABLE,
	SIM_ABORT_PEER_CLOSED, SIM_ABORT_TIMEOUT, SIM_ABORT_ELSEWHERE, SIM_ABORT_POST,
	SIM_ABORT_TURN, SIM_ABORTS,
};

struct sim_plan {
	uint32_t total;		/* octets to send */
	uint32_t turn;		/* request/response: octets of one turn; 0: all at once */
	uint32_t chunk;		/* of one mr_send */
	uint32_t read_octets;	/* SLOW */
	uint32_t read_ms, abort_ms;
	uint8_t reading, ending, abort;
	bool echo;		/* sends back the mbufs it gets */
	bool chain;		/* mr_send of chains, else mr_send_copy */
	bool notify;		/* wants on_acked */
	bool early;		/* gives its first octets to mr_connect() */
};

struct sim_side {
	struct sim_plan plan;
	struct sim_flow *flow;
	mr_conn conn;
	struct rte_mbuf *held;	/* echo: what mr_send did not take yet; linked by nobody else */
	uint32_t sent, received, unread;
	uint16_t reason;	/* enum mr_reason */
	uint8_t host;
	bool exists, opened, peer_closed, stalled, acked, posted;
	bool shut, closed, aborted;	/* what this side has called */
	bool ended;
	bool unresolved;	/* sim_unresolved() at its end */
	uint64_t ended_us;
};

struct sim_flow {
	uint32_t id;
	uint8_t kind, family;
	uint16_t port;		/* of side 0 */
	bool attacked;		/* a forgery may have changed its fate, as RFCs admit */
	bool touched;		/* a frame of it moved in this step */
	uint32_t lost;		/* frames that did not arrive as they were sent */
	struct sim_side side[2];	/* who opened, who accepted (or opened too) */
	struct sim_watch watch;
};

/* What a run wants of its flows; weights are per 100. */
struct sim_wishes {
	uint32_t total, concurrency, octets_max;
	unsigned int families;		/* bit 0: IPv4, bit 1: IPv6 */
	unsigned int abort, slow, stall, rude, turns, both_open, refused, nobody, echo;
	unsigned int fastopen;		/* 0: and it is off */
	uint32_t pace_us;		/* mean time between opens; 0: none */
	bool both_ways;			/* both hosts open */
	bool no_crossing;		/* no callback touches another connection */
	bool harsh;			/* connections may time out */
	bool scarce;			/* records, mbufs or extensions run out */
	bool crowded;			/* limits of a whole worker are met, which order decides */
};

struct sim_later {
	uint64_t at_us;
	struct sim_side *side;
};

struct sim_apps {
	struct sim *sim;
	struct sim_wishes wish;
	struct mr_rng rng;
	struct sim_flow *flow;
	uint32_t started, sides_open;	/* sides that owe an on_closed */
	uint32_t *by_ports[2][2];	/* [opener host][IPv6]: flow + 1, by sim_ports() */
	struct sim_later *later;	/* aborts with a time */
	uint32_t nlater;
	struct sim_side *victim[2];	/* to be aborted by a callback of another */
	uint64_t retry_us;
	uint32_t rcv_buf;
	uint32_t wrong_octets, twice, unexpected;	/* must stay 0 */
	uint32_t by_reason[32];
	uint64_t octets;		/* received by handlers */
};

extern const struct mr_callbacks sim_callbacks;

/** Ports of an opener and of whom it opens to. The same port may open to several at a time. */
static inline uint32_t sim_ports(uint16_t opener, uint16_t to)
{
	return opener * 3u + (to == SIM_PORT ? 0 : to == SIM_SHUT_PORT ? 1 : 2);
}
/** Prepares the flows; the wishes are copied. */
void sim_apps_init(struct sim_apps *a, struct sim *s, uint64_t seed, const struct sim_wishes *wish);
/** The turn of a host: opens what the plan allows, aborts what is due. */
void sim_apps_turn(struct sim_apps *a, unsigned int host);
/**
 * When the next turn is wanted: it must not hang on what an engine's wheel has in it, in which
 * the two ways through it differ.
 */
uint64_t sim_apps_wanted_us(const struct sim_apps *a);
/** All started, all ended? */
bool sim_apps_done(const struct sim_apps *a);
/** The flow a segment belongs to, and the side that sent it; NULL: none that was ever opened. */
struct sim_flow *sim_apps_flow(const struct sim_apps *a, const struct sim_seg *g,
			       unsigned int *side);
/** A frame did not arrive as it was sent. */
void sim_apps_lost(const struct sim_apps *a, const uint8_t *octets, uint16_t len);
void sim_apps_fini(struct sim_apps *a);

/* What octet `off` that `side` sends must be. */
static inline uint8_t sim_octet(const struct sim_flow *f, unsigned int side, uint32_t off)
{
	uint32_t x;

	if (f->side[side].plan.echo)
		side ^= 1;
	x = (f->id * 2 + side) * 0x9e3779b1u + off;
	x ^= x >> 15;
	x *= 0x85ebca6bu;
	return (uint8_t)(x >> 24);
}

/** What a side gives to mr_connect(); NULL: nothing. */
struct rte_mbuf *sim_early_data(struct mr_worker *w, const struct sim_side *s);
void sim_abort_now(struct mr_worker *w, struct sim_side *s);
/** For mr_post: arg is the side. */
void sim_posted_abort(struct mr_worker *w, void *arg);

/* ---- plan.c ---- */
/** A side has a connection from now on. */
void sim_side_begin(struct sim_apps *a, struct sim_side *s, mr_conn c);
/** Draws what flow f is to do. */
void sim_plan_draw(struct sim_apps *a, struct sim_flow *f);
/** Complaints about the ends of all connections, printed. */
unsigned int sim_apps_verify(const struct sim_apps *a);

#endif /* SIM_APPS_H */
