/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The extension record: what only a connection that carries data needs (send queue, out-of-order
 * queue, RTT, congestion state, delayed ACK). A pool per worker, fixed at start; index 0 is never
 * used. Taken when the first octet is queued or received, returned when both queues are empty, the
 * handler has consumed what it got, and one RTO has passed. Pool empty: the segment is dropped (the
 * peer resends), tcp_send() refuses. A connection whose options differ from its listener's has
 * parameters of its own, from a second pool: `own` names them, and pins the extension.
 *
 * Invariants (tcp_check() verifies them):
 *   snd_base <= SND.NXT <= snd_base + snd_queued (+ 1 for our FIN), snd_base == SND.UNA once the
 *   SYN is acknowledged and while the FIN is not; `snd_next` stands at SND.NXT, `resend` at
 *   resend_seq; SND.UNA <= resend_seq <= resend_end <= SND.NXT while anything is to be resent, else
 *   both are equal.
 *
 * A connection that SACK was negotiated for has a scoreboard from its first octet on (struct
 * tcp_flight, a pool beside this one, one for each extension: taking one cannot fail). Its
 * `resend_seq` is only where `resend` stands; what is sent again is what the scoreboard calls lost.
 * Without SACK [resend_seq, resend_end) is sent again, as newreno.h says.
 */
#ifndef MR_TCP_EXT_H
#define MR_TCP_EXT_H

#include <rte_mbuf.h>

#include "bigmem.h"
#include "board.h"
#include "cc.h"
#include "conn.h"
#include "holders.h"
#include "newreno.h"
#include "pacing.h"
#include "prr.h"
#include "rack.h"
#include "rtt.h"
#include "seq.h"

/*
 * A place in the send queue: octet `off` of mbuf m. At the end of the queue: the length of the
 * tail.
 */
struct tcp_pos {
	struct rte_mbuf *m;
	uint32_t off;
};

enum tcp_ext_flag {
	TCP_X_DELACK = 0x01,		/* an ACK is owed by delack_ms */
	TCP_X_WRITABLE = 0x02,		/* tcp_send() refused: somebody waits for room */
	TCP_X_NOTIFY = 0x04,		/* report when notify_seq is acknowledged */
	TCP_X_MORE = 0x08,		/* the last tcp_send() said that more follows */
	TCP_X_TIMING = 0x10,		/* the segment that ends at timed_seq is being timed */
	/* the override timer expired: send what the window permits */
	TCP_X_FORCE = 0x20,
	TCP_X_FIN_KEPT = 0x40,		/* an out-of-order FIN: it stands at fin_seq */
	TCP_X_REPAIRED = 0x80,		/* something outstanding was retransmitted: Karn */
};

/* RFC 3168 6.1.2, 6.1.3 */
enum tcp_ecn_flag {
	TCP_ECN_ECHO = 0x01,		/* a mark came: ECE in every segment until the peer's CWR */
	TCP_ECN_TELL = 0x02,		/* our window was reduced: CWR in the next new data */
};

/* The tail loss probe (RFC 8985 7). */
enum tcp_probe_flag {
	TCP_PROBE_OUT = 0x01,		/* one is out, and probe_end says where it ended */
	TCP_PROBE_RESENT = 0x02,	/* it repeated octets: TLP.is_retrans */
};

struct tcp_params;

struct tcp_ext {
	/* The send queue: mbufs linked by `next`; octets before `snd_base` are gone. */
	struct rte_mbuf *snd_head, *snd_tail;
	struct tcp_pos snd_next;	/* the octet SND.NXT */
	struct tcp_pos resend;		/* the octet resend_seq */
	uint32_t snd_head_off;		/* octets of snd_head already acknowledged */
	uint32_t snd_base;		/* sequence number of the first octet queued */
	uint32_t snd_queued;		/* octets */
	uint32_t snd_mbufs;
	uint32_t resend_seq, resend_end;
	uint32_t snd_wl1;		/* SND.WL1; SND.WL2 needs no field, see ack.c */
	uint32_t snd_wnd_max;		/* MAX.SND.WND, octets (RFC 5961 5.2, RFC 9293 3.8.6.2.1) */
	uint32_t notify_seq;
	uint32_t sent_ms;		/* when data was last sent (RFC 5681 4.1) */

	/* The receiving side. */
	/* by sequence number, linked through reassembly.c's accessors */
	struct rte_mbuf *ooo_head;
	uint16_t ooo_mbufs;
	uint16_t rcv_mss;		/* size of the peer's full segments, as seen */
	uint32_t ooo_stamp;		/* of the chain that got octets last: reassembly.c */
	struct seq_range dsack;		/* octets that came twice, to be reported (RFC 2883) */
	union {
		uint32_t fin_seq;	/* with TCP_X_FIN_KEPT */
		uint32_t irs;		/* IRS, while tcp_fast_opened() */
	};
	uint32_t unread;		/* octets delivered and not consumed yet */
	uint32_t last_ack;		/* Last.ACK.sent (RFC 7323 4.3) */
	uint32_t delack_ms;
	uint32_t active_ms;		/* last time a queue was in use */
	uint32_t urg_seq;		/* RCV.UP: the octet after urgent data (RFC 9293 3.8.5) */
	uint16_t own;			/* parameters of its own; 0: none */
	bool urgent : 1;		/* urg_seq is valid */
	bool fastopen : 1;		/* our SYN had the option of RFC 7413, or tcp_take_syn() */
	bool syn_data : 1;		/* data of a SYN, ours or the peer's, was taken */
	/* our SYN with that option was too large or did not leave: its loss says nothing of the
	 * peer, nor of what is between */
	bool syn_excused : 1;
	uint8_t ecn;			/* enum tcp_ecn_flag */
	uint32_t path_ms;		/* when the MSS was lowered last (RFC 1191 6.3) */
	uint16_t path_full;		/* the MSS before it was lowered; 0: it was not */
	uint16_t soft_error;		/* ICMP: type << 8 | code (tcp_soft_error()) */
	bool path_trial;		/* since path_ms the full MSS is tried again */
	uint8_t doublings;		/* of the receive window: tcp_rcv_space() */
	uint8_t flags;			/* enum tcp_ext_flag */
	uint8_t unanswered;		/* window probes since the peer was last heard */
	uint32_t tune_us;		/* when a round trip of that window began (low 32 bits) */

	/* RTT and congestion. */
	struct rtt rtt;
	struct cc cc;
	struct newreno loss;
	/* SND.NXT when the window was reduced for a mark; once that is passed, before SND.UNA */
	uint32_t ecn_seq;
	uint32_t tune_seq;		/* our right edge at tune_us */
	uint32_t timed_seq;
	uint32_t stalled_ms;		/* since when nothing was acknowledged; while R2 counts */
	uint32_t timed_us;		/* when it was sent, modulo 2^32 */
	uint32_t flight;		/* index of the scoreboard, 0: none */
} MR_CACHE_ALIGNED;
static_assert(sizeof(struct tcp_ext) == 256, "an extension must be four cache lines");

enum tcp_flight_flag {
	TCP_FL_UNDO = 0x01,		/* cc_undo() may still turn out to be right */
	TCP_FL_RESENT = 0x02,		/* something was sent again since: `undo_*` are valid */
	TCP_FL_FORCE = 0x04,		/* one lost segment goes out whatever the window says */
	TCP_FL_PROBE = 0x08,		/* a tail loss probe is due: new data, or the last again */
	TCP_FL_ARM = 0x10,		/* new data, or a new ACK: the probe's timer starts anew */
	TCP_FL_FRTO_1 = 0x20,		/* the timer expired, no ACK since (RFC 5682 2.1) */
	TCP_FL_FRTO_2 = 0x40,		/* one ACK since: only new data goes out until the next */
	TCP_FL_PACED = 0x80,		/* data may go out, and waits for its time */
};

/* What runs beside the connection's own timer, at flight.due_ms. */
enum tcp_loss_timer {
	TCP_LOSS_NONE,
	TCP_LOSS_REORDER,		/* what is late will be lost then (RFC 8985 6.3) */
	TCP_LOSS_PROBE,			/* PTO (RFC 8985 7.2) */
};

struct tcp_flight {
	struct board board;
	struct rack rack;
	struct prr prr;
	uint32_t undo_octets;		/* sent again since, and not reported as duplicates */
	uint32_t undo_ms;		/* when the first of them was */
	uint32_t frto_nxt;		/* SND.NXT when FRTO_2 began */
	uint32_t due_ms;		/* of `timer` */
	uint32_t probe_end;		/* TLP.end_seq */
	struct rack_path path;
	uint8_t timer;			/* enum tcp_loss_timer */
	uint8_t probe;			/* enum tcp_probe_flag */
	uint8_t flags;			/* enum tcp_flight_flag */
	struct pacing pacing;
} MR_CACHE_ALIGNED;
static_assert(offsetof(struct tcp_flight, board) == 0, "tcp_flight_take() clears what follows");
static_assert(sizeof(struct tcp_flight) <= 512, "a scoreboard must not exceed eight cache lines");

/* Parameters of single connections; 0 is never used. */
struct tcp_own_pool {
	struct tcp_params *params;
	uint16_t *free_list;
	uint32_t nfree, capacity;
	struct mr_bigmem mem[2];
};

struct tcp_ext_pool {
	struct tcp_ext *ext;
	uint32_t *free_list;
	/* as many as extensions; the one given back last is taken first: it is warm */
	struct tcp_flight *flight;
	uint32_t *free_flights;
	uint32_t nflights;		/* free ones */
	uint32_t nfree, capacity, high_water;
	/* by all send and out-of-order queues: the bound is in mbufs */
	uint64_t mbufs_held, ooo_held;
	struct tcp_holders holders;	/* of ooo_held */
	/*
	 * tcp_send() refuses beyond; out-of-order data from 7/8 of it, but an eighth is its own:
	 * 9/8 are held at most
	 */
	uint64_t mbufs_max;
	/* rte_pktmbuf_free; tests without EAL give their own */
	void (*free_chain)(struct rte_mbuf *);
	struct tcp_own_pool own;
	struct mr_bigmem mem[6];
};

size_t tcp_ext_memory(uint32_t capacity);
/** 0 or -ENOMEM. capacity 1 .. MR_EXT_MAX. */
int tcp_ext_pool_create(struct tcp_ext_pool *pool, uint32_t capacity, uint64_t mbufs_max, int node);
size_t tcp_own_memory(uint32_t capacity);
/** Adds the pool of own parameters, 0 .. 65535 of them. 0 or -ENOMEM. */
int tcp_own_create(struct tcp_ext_pool *pool, uint32_t capacity, int node);
/** All of it is free: the memory is there, and `capacity` is set. */
void tcp_ext_pool_fill(struct tcp_ext_pool *pool);
/** Every extension must have been given back. */
void tcp_ext_pool_destroy(struct tcp_ext_pool *pool);

struct tcp_cx;
/** The extension of a connection, taken from the pool if it has none; NULL: the pool is empty. */
struct tcp_ext *tcp_ext_take(struct tcp_cx *cx, struct tcp_conn *c);

/**
 * The extension of a connection, or NULL. HOT PATH: no allocation, no lock, no log, no division.
 */
MR_INLINE struct tcp_ext *tcp_ext_of(const struct tcp_ext_pool *pool, const struct tcp_conn *c)
{
	uint32_t i = tcp_ext_index(c);

	MR_CHECK(i <= pool->capacity);
	return i == 0 ? NULL : &pool->ext[i];
}

/**
 * A passive open that its handler knows of already, since the data of its SYN was taken (RFC 7413).
 * Its SND.UNA is the octet after our SYN, acknowledged or not: what the state says.
 */
MR_INLINE bool tcp_fast_opened(const struct tcp_conn *c, const struct tcp_ext *x)
{
	return tcp_state(c) == TCP_SYN_RCVD && x != NULL && x->fastopen &&
	       (c->flags & TCP_F_ACTIVE) == 0;
}

/** A passive open that nobody has been told of yet. */
MR_INLINE bool tcp_half_open(const struct tcp_conn *c, const struct tcp_ext *x)
{
	return tcp_state(c) == TCP_SYN_RCVD && (c->flags & TCP_F_ACTIVE) == 0 &&
	       !tcp_fast_opened(c, x);
}

/** May octets of ours be in flight? */
MR_INLINE bool tcp_carries(const struct tcp_conn *c, const struct tcp_ext *x)
{
	return tcp_synchronized(c) || tcp_fast_opened(c, x);
}

/** Is what stands at seq in flight: an octet, our SYN or FIN (RFC 5927 4)? */
MR_INLINE bool tcp_in_flight(const struct tcp_conn *c, const struct tcp_ext *x, uint32_t seq)
{
	const uint32_t una = c->snd_una - tcp_fast_opened(c, x);

	return seq - una < c->snd_nxt - una;
}

/** Has the pool room for the mbufs of this chain? */
MR_INLINE bool tcp_mbufs_fit(const struct tcp_ext_pool *pool, const struct rte_mbuf *m)
{
	return pool->mbufs_held + m->nb_segs <= pool->mbufs_max;
}

/** The scoreboard of an extension, or NULL. */
MR_INLINE struct tcp_flight *tcp_flight_of(const struct tcp_ext_pool *pool, const struct tcp_ext *x)
{
	MR_CHECK(x->flight <= pool->capacity);
	return x->flight == 0 ? NULL : &pool->flight[x->flight];
}

#endif /* MR_TCP_EXT_H */
