/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection under test, in whichever state, without a stack around it. The fixtures build on
 * one another, so that a test says only what differs. Time stands still unless a test moves it.
 */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include "fake_mbuf.h"
#include "tcp.h"

#define WORLD_ISS	0xfffffff0u	/* ours: wraps after sixteen octets */
#define WORLD_IRS	0x7ffffff8u	/* the peer's */
#define WORLD_OUT_MAX	128u

/* A pool of WORLD_EXTS extensions without mapped memory: tests make thousands. */
#define WORLD_EXTS 4u
struct world_pool {
	struct tcp_ext ext[WORLD_EXTS + 1];
	uint32_t free_list[WORLD_EXTS], free_flights[WORLD_EXTS];
	uint32_t holders[WORLD_EXTS + 1], places[WORLD_EXTS + 1];
	struct tcp_flight flight[WORLD_EXTS + 1];
};
void world_pool_init(struct tcp_ext_pool *pool, struct world_pool *mem);

struct world {
	struct tcp_params params;
	struct world_pool pool_mem;
	struct tcp_ext_pool pool;
	struct mr_counters counters;
	struct tcp_cx cx;
	struct tcp_conn c;
	struct tcp_verdict v;			/* of the last event */
	struct tcp_xmit out[WORLD_OUT_MAX];	/* what the last event sent */
	unsigned int nout;
	uint32_t iss, irs;			/* WORLD_ISS and WORLD_IRS, or a test's own */
	bool peer_sack;				/* its SYN permits SACK */
	uint32_t peer_ts;			/* TSval of the peer's next segment */
	uint32_t delivered;			/* octets, freed at once */
	uint32_t delivered_hash;		/* of them, kept by twin.c */
};

/** Parameters are the defaults, timestamps off; change them before a fixture is called. */
void world_init(struct world *w);
/** A second world as the first is; it must hold no mbuf. */
void world_copy(struct world *to, const struct world *from);
/** Releases the connection; aborts on a leaked mbuf or extension. */
void world_fini(struct world *w);

void syn_sent(struct world *w);
void syn_rcvd(struct world *w);		/* passive */
void syn_rcvd_active(struct world *w);	/* simultaneous open */
void established(struct world *w);	/* passive */
/* established, a peer that shut its window by the ACK returned, and 100 octets that wait for it */
struct tcp_seg shut_out(struct world *w);
void close_wait(struct world *w);
void fin_wait_1(struct world *w);
void fin_wait_2(struct world *w);
void closing(struct world *w);
void last_ack(struct world *w);

/** The expected segment: SEQ=RCV.NXT, ACK=SND.NXT, window 65535, newest timestamp. */
struct tcp_seg world_seg(struct world *w, unsigned int flags, uint16_t len);
/**
 * Lets it arrive with seg.len octets of payload, frees what is delivered, collects what is sent.
 */
void world_arrives(struct world *w, const struct tcp_seg *seg);
/** The next segment of the peer, with this ACK. */
void world_hears(struct world *w, unsigned int flags, uint32_t ack, uint16_t len);
/** Moves time and runs the timers that are due at the end of it. */
void world_sleep_ms(struct world *w, uint32_t ms);
/** Sleeps until the next timer; returns how long it was, UINT32_MAX when none runs. */
uint32_t world_next_timer(struct world *w);
/** Queues len octets (zeroes) and collects what is sent. */
bool world_send(struct world *w, uint32_t len, unsigned int flags);
/** Collects what is sent now into out[]. */
void world_output(struct world *w);
/** The last segment of out[] has these numbers and flags. */
bool world_sent(const struct world *w, unsigned int flags, uint32_t seq, uint32_t ack);

#endif /* TEST_WORLD_H */
