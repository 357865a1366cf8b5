/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP: one connection, one segment and the time in; a verdict and segments out. Knows no port, no
 * lcore, no clock and no table: time, randomness and output are arguments. Not thread safe: a
 * connection belongs to one worker. Start reading at arrives.c, which is RFC 9293 section 3.10.7.
 *
 * The caller's part, for every event (segment, timer, user call):
 *   1. tcp_arrives / tcp_timeout / tcp_send ... mutate the connection and fill a verdict;
 *   2. the caller acts on the verdict: deliver, report, reset, free;
 *   3. while (tcp_next_segment()) build a frame;   -- one place decides what goes out
 *   4. if (tcp_next_due()) arm the wheel.
 * After TCP_V_GONE there is no step 3 and 4. After TCP_V_TIME_WAIT step 3 comes before the record
 * moves to the TIME_WAIT table: the ACK of the peer's FIN is still owed. Step 3 must run to its end
 * (false): there the timer is settled.
 *
 * Who counts what: this module counts segments (TCP_*, but TCP_TX_RST), CONN_PASSIVE, CONN_ACTIVE,
 * CONN_ESTABLISHED, TW_RST_IGNORED, and the end of passive connections that nobody was told of
 * (TCP_V_TO_LISTEN). How other connections end, RSTs really sent and the TIME_WAIT table are the
 * caller's.
 */
#ifndef MR_TCP_H
#define MR_TCP_H

#include <rte_mbuf.h>

#include "millrace.h"
#include "counters.h"
#include "siphash.h"
#include "conn.h"
#include "ext.h"
#include "tcp_seg.h"

/* RFC 3168: whether ECN is negotiated. The numbers are those of Linux' tcp_ecn. */
enum tcp_ecn_mode {
	TCP_ECN_OFF,
	TCP_ECN_ASK,		/* asked for by our SYN, and accepted */
	TCP_ECN_ACCEPT,		/* accepted when the peer's SYN asks */
};

/* RFC 7413, as bits with the numbers of Linux' tcp_fastopen. */
enum tcp_fastopen_role {
	TCP_FASTOPEN_CLIENT = 1,	/* data given to an active open may go with the SYN */
	TCP_FASTOPEN_SERVER = 2,	/* cookies are granted, and data is taken for them */
};

/* Parameters of the protocol: immutable while a worker uses them. */
struct tcp_params {
	uint32_t msl_ms;		/* RFC 9293 3.4.2; default 30000 */
	uint32_t rto_initial_ms;	/* RFC 6298 2.1; 1000 */
	uint32_t rto_min_ms;		/* 200 (deviation from RFC 6298 2.4, as Linux) */
	uint32_t rto_max_ms;		/* RFC 6298 2.5; 120000 */
	uint32_t fin_wait_2_ms;		/* orphans in FIN_WAIT_2; 60000 */
	uint32_t delack_ms;		/* RFC 9293 3.8.6.3 (< 500); 40; 0: no delay */
	uint32_t keepalive_idle_ms;	/* 0: off; RFC 9293 3.8.4 */
	uint32_t keepalive_interval_ms;
	uint32_t keepalive_on_ms;	/* what keepalive_idle_ms becomes when it is switched on */
	uint32_t user_timeout_ms;	/* RFC 9293 3.9.1, RFC 5482; 0: retries decide */
	uint32_t linger_ms;		/* MR_LINGER_OFF, or as MR_OPT_LINGER_MS says */
	uint32_t snd_buf;		/* octets a connection may have queued; 262144 */
	uint32_t rcv_buf;		/* octets of receive window, at first; 65536 */
	uint32_t rcv_buf_max;		/* it grows with need up to this; 4194304 */
	uint32_t pacing_rate_max;	/* octets a second that data leaves at; 0: no limit */
	uint32_t challenge_per_s;	/* challenge ACKs of a worker (RFC 5961 7); 1000 */
	/* closing connections, beyond which an orphan is not waited for; see timer.c */
	uint32_t orphans_max;
	uint16_t mss4, mss6;		/* advertised: MTU - 40 / - 60 */
	bool mtu_probing;		/* black holes are looked for (RFC 4821, 8899) */
	uint8_t hop_limit;		/* 1 ..; 64 (MUST-49) */
	uint8_t tos;			/* the two bits of ECN are 0; 0 (MUST-48) */
	/* these up to MR_RETRIES_MAX */
	uint8_t keepalive_probes;	/* 1 ..; 9 */
	uint8_t syn_retries;		/* 6 */
	uint8_t synack_retries;		/* 5 */
	uint8_t data_retries;		/* 1 ..; 15: R2 (RFC 9293 3.8.3) */
	/* of data and FIN once the handler has closed; 1 ..; 8, as Linux: with the smallest RTO
	 * still the 100 s of SHLD-11, and not the quarter of an hour that 15 are */
	uint8_t orphan_retries;
	uint8_t initial_window_segs;	/* RFC 6928: 10 */
	uint8_t congestion;		/* enum cc_algorithm_id; CC_CUBIC */
	uint8_t rcv_scale;		/* our window shift, 0..14, large enough for both */
	bool timestamps, sack, window_scaling;	/* offered and accepted */
	uint8_t ecn;			/* enum tcp_ecn_mode; TCP_ECN_ACCEPT */
	uint8_t fastopen;		/* enum tcp_fastopen_role; 0 */
	/* opened by data of their SYN and in SYN_RCVD, of one listener, at most (RFC 7413 5.1) */
	uint16_t fastopen_pending;	/* 256 */
	bool pacing;			/* at the rate of congestion control (RFC 9002 7.7) */
	bool nodelay;			/* default of new connections */
	bool rfc1337;			/* ignore RST in TIME_WAIT */
	bool drop_synfin;		/* a SYN with FIN opens nothing; else its FIN is ignored */
};
void tcp_params_default(struct tcp_params *p);
/** Aborts when a value lies outside of what is said above; who starts a worker calls it once. */
void tcp_params_check(const struct tcp_params *p);
/** The smallest shift with which the window field can say the whole buffer (RFC 7323 2.3). */
uint8_t tcp_window_shift(uint32_t rcv_buf);
/** An option among the parameters. False: out of range, and nothing is changed. */
bool tcp_params_set(struct tcp_params *p, enum mr_option option, uint32_t value);
uint32_t tcp_params_get(const struct tcp_params *p, enum mr_option option);
/** Several of them; false: one is out of range, and those before it are set. */
bool tcp_params_apply(struct tcp_params *p, const struct mr_options *opt);

/*
 * Challenge ACKs are throttled per connection and per worker (RFC 5961 section 7). Of a connection
 * at most three a second are sent, whatever others do: what it is granted tells nothing of them.
 * The worker's limit of each second is drawn anew, by a keyed hash, between 1/2 and 3/2 of
 * challenge_per_s: a fixed one could be counted out from other connections and would tell where one
 * stands (CVE-2016-5696). Entries of TIME_WAIT, of which anybody can have any number, have a limit
 * of their own.
 */
struct tcp_throttle {
	uint32_t window_start_ms;
	uint32_t sent, limit;
};

/* An MSS below this (RFC 9293 3.7.1 allows any) would cost more in headers than it carries. */
#define TCP_MSS_MIN 64u

/*
 * Fast Open (RFC 7413) of one connection whose first SYN, or SYN-ACK, is about to be sent: the
 * cookie that it brings or grants, and how much data may go with a SYN. Who remembers cookies is
 * the caller.
 */
struct tcp_fastopen {
	const struct tcp_conn *c;
	uint16_t data_max;		/* octets of a SYN's options and data; 0: no data */
	uint8_t cookie_len;		/* 0: a cookie is asked for */
	bool cookie_exp;		/* by the option of before RFC 7413 */
	uint8_t cookie[TCP_COOKIE_MAX];
};

/*
 * What a call gets besides connection and segment. The caller keeps one per worker and refreshes
 * it.
 */
struct tcp_cx {
	const struct tcp_params *params;
	struct tcp_ext_pool *pool;
	struct mr_counters *counters;
	struct tcp_throttle challenge, challenge_tw;	/* of connections; of TIME_WAIT */
	struct mr_sipkey challenge_key;		/* what nobody outside can know */
	uint64_t now_us;
	uint32_t now_ms;
	/* TSval = now_ms + ts_offset; of THIS connection: set before each call */
	uint32_t ts_offset;
	uint8_t family;		/* 4 or 6: of THIS connection (default MSS) */
	/* Connections in each state, kept by tcp_enter(). Of CLOSED, LISTEN and TIME_WAIT it says
	 * nothing: records come and go there without a move. */
	uint32_t states[TCP_STATES];
	/* memory pressure: keep nothing out of order, take nothing for a handler that has unread
	 * data, do not grow windows */
	bool mbufs_low;
	bool mbufs_few;		/* besides, take no data at all */
	const struct tcp_fastopen *fastopen;	/* of the connection that it names, or NULL */
};

enum tcp_verdict_bit {
	TCP_V_DROP = 0x001,		/* `drop` says why (the counter was already counted) */
	TCP_V_RST = 0x002,		/* send the RST in `rst` (its seq, ack, flags) */
	/* LISTEN: open a connection for this SYN: tcp_passive_open() */
	TCP_V_CREATE = 0x004,
	TCP_V_ESTABLISHED = 0x008,	/* report on_accept / on_connected */
	TCP_V_DELIVER = 0x010,		/* `deliver` is a chain for the handler */
	TCP_V_PEER_CLOSED = 0x020,	/* after delivery: report on_peer_closed */
	/* the send queue has room again, and somebody waits for it */
	TCP_V_WRITABLE = 0x040,
	TCP_V_ACKED = 0x080,		/* the NOTIFY_ACKED mark was reached */
	/* entered TIME_WAIT: move to the TIME_WAIT table, report `reason` */
	TCP_V_TIME_WAIT = 0x100,
	/* CLOSED: report `reason` (if it was known to a handler), free it */
	TCP_V_GONE = 0x200,
	/* the segment's mbuf now belongs to tcp (queued) or to `deliver` */
	TCP_V_TAKEN = 0x400,
	TCP_V_RESTART_2MSL = 0x800,	/* TIME_WAIT only */
	/* TIME_WAIT only: the SYN may open a new incarnation (RFC 6191) */
	TCP_V_REOPEN = 0x1000,
	/* TIME_WAIT only: answer by the ACK in `rst` (its fields) */
	TCP_V_TW_ACK = 0x2000,
	/* with GONE: a passive SYN_RCVD fell back to LISTEN: nobody had been told of it */
	TCP_V_TO_LISTEN = 0x4000,
	TCP_V_URGENT = 0x8000,		/* before delivery: report on_urgent */
};

/* Every function that is given one overwrites it. */
struct tcp_verdict {
	uint32_t bits;			/* enum tcp_verdict_bit */
	uint16_t drop;			/* enum mr_counter */
	uint16_t reason;		/* enum mr_reason */
	/* in-order payload, one chain; its owner is now the caller */
	struct rte_mbuf *deliver;
	struct { uint32_t seq, ack; uint8_t flags; } rst;
};

/** A segment for no connection: RFC 9293 3.10.7.1 (also for a port nobody listens on). */
void tcp_closed_arrives(struct tcp_cx *cx, const struct tcp_seg *seg, struct tcp_verdict *v);
/** A segment for a listener: 3.10.7.2. */
void tcp_listen_arrives(struct tcp_cx *cx, const struct tcp_seg *seg, struct tcp_verdict *v);
/**
 * A segment for a connection in any state but CLOSED, LISTEN, TIME_WAIT: 3.10.7.3 and .4.
 * `payload` starts at the first payload octet and holds seg->len octets (NULL when seg->len is 0);
 * it stays the caller's unless TCP_V_TAKEN.
 */
void tcp_arrives(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
		 struct rte_mbuf *payload, struct tcp_verdict *v);

/* A TIME_WAIT entry as the protocol sees it. */
struct tcp_tw {
	uint32_t snd_nxt, rcv_nxt, ts_recent;
	bool has_ts;
	uint16_t wnd;
};
/** A segment for a TIME_WAIT entry: 3.10.7.4, RFC 6191, RFC 1337. May update tw->ts_recent. */
void tcp_time_wait_arrives(struct tcp_cx *cx, struct tcp_tw *tw, const struct tcp_seg *seg,
			   struct tcp_verdict *v);

/**
 * Initialises a record from a SYN (LISTEN -> SYN_RCVD). Keeps what is not lib/tcp's: the low bits
 * of wheel_word, generation, spare, user, user_deadline, listener, nexthop and the key.
 */
void tcp_passive_open(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *syn,
		      uint32_t iss);
/**
 * RFC 7413 4.2.2, directly after tcp_passive_open() by a SYN whose cookie is valid: its data is
 * taken, and the verdict reports the connection (TCP_V_ESTABLISHED, TCP_V_DELIVER) although its
 * state is SYN_RCVD still; it will not be reported again. `payload` as for tcp_arrives(). False: no
 * extension is free, an open as any other.
 */
bool tcp_take_syn(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *syn,
		  struct rte_mbuf *payload, struct tcp_verdict *v);
/** Initialises a record for an active open (CLOSED -> SYN_SENT); keeps the same fields. */
void tcp_active_open(struct tcp_cx *cx, struct tcp_conn *c, uint32_t iss);

/**
 * The wheel fired: runs whichever timers are due (retransmission, persist, delayed ACK, keepalive,
 * FIN_WAIT_2, extension). The handler's timer is the caller's (user_deadline).
 */
void tcp_timeout(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_verdict *v);
/** Earliest protocol deadline in *due_ms; false: no timer runs. */
bool tcp_next_due(const struct tcp_cx *cx, const struct tcp_conn *c, uint32_t *due_ms);

/* User calls, RFC 9293 3.10.1 - 3.10.5. */
/** Room in the send queue, octets; 0 when the sending direction is closed. */
uint32_t tcp_send_room(const struct tcp_cx *cx, const struct tcp_conn *c);
/**
 * Appends a chain of 1 .. MR_SEND_MAX octets (takes it when true). False: no room, no extension,
 * mbufs at their bound, or closed; unless closed, TCP_V_WRITABLE is then owed, or in an opening
 * state TCP_V_ESTABLISHED, whichever comes first.
 */
bool tcp_send(struct tcp_cx *cx, struct tcp_conn *c, struct rte_mbuf *m,
	      unsigned int mr_send_flags);
/**
 * Remembers that somebody waits for room: TCP_V_WRITABLE will follow (after the next ACK or a
 * timer).
 */
void tcp_want_writable(struct tcp_cx *cx, struct tcp_conn *c);
/** The handler consumed len octets; may make a window update due. */
void tcp_consumed(struct tcp_cx *cx, struct tcp_conn *c, uint32_t len);
/** SHUT_WR: FIN after the queue. True if the state allowed it (idempotent). */
bool tcp_shutdown(struct tcp_cx *cx, struct tcp_conn *c);
/**
 * CLOSE: as shutdown, and data still unread or arriving later is answered by RST. May be GONE at
 * once: in SYN_SENT (MR_ABORTED, nothing is sent), or with data unread before both FINs were sent
 * (MR_DATA_AFTER_CLOSE and RST).
 */
void tcp_close(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_verdict *v);
/** ABORT: RST if the state wants one (3.10.5); the connection is GONE with `reason`. */
void tcp_abort(struct tcp_cx *cx, struct tcp_conn *c, enum mr_reason reason, struct tcp_verdict *v);
/**
 * The path carries no segment above `mss` (options not subtracted; TCP_MSS_MIN at least): we send
 * none any more, and what is in flight and may be larger again, at once (RFC 1191 6.5). True if
 * that changes something; a connection without an extension sends no data and keeps its MSS. In
 * SYN_SENT it is about a SYN with data, which goes again without.
 */
bool tcp_path_mss(struct tcp_cx *cx, struct tcp_conn *c, uint16_t mss);
/**
 * An ICMP error that ends nothing (RFC 1122 4.2.3.9 MUST-47, -56): `what` is type << 8 | code. It
 * is told by tcp_info(), and if nothing is answered until the last retransmission, the connection
 * ends as MR_UNREACHABLE.
 */
void tcp_soft_error(struct tcp_cx *cx, struct tcp_conn *c, uint16_t what);
/** An ICMP error that quotes an in-flight sequence number: hard in SYN_SENT only (RFC 5927). */
void tcp_icmp_error(struct tcp_cx *cx, struct tcp_conn *c, bool hard, uint32_t quoted_seq,
		    struct tcp_verdict *v);

/*
 * One segment to send. Payload: seg.len octets from data_off of the mbufs linked by `next` at data,
 * which stay tcp's (nb_segs and pkt_len of `data` say nothing here).
 */
struct tcp_xmit {
	struct tcp_seg seg;
	struct rte_mbuf *data;
	uint32_t data_off;
	bool retransmit;
};
/**
 * The next segment that may go out now, committed as sent: SND.NXT advances, the advertised edge is
 * recorded, owed ACKs are cleared, the retransmission timer runs. False: nothing (more) to send.
 * Window, Nagle, congestion and silly-window rules are decided here and nowhere else.
 */
bool tcp_next_segment(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_xmit *out);

/**
 * Parameters of this connection's own: a copy of cx->params, kept while it lives, which the caller
 * has in cx->params from then on. Pins an extension. NULL: one of the pools is empty.
 */
struct tcp_params *tcp_own_take(struct tcp_cx *cx, struct tcp_conn *c);
/** The same if it has them, else NULL. */
const struct tcp_params *tcp_own_params(const struct tcp_ext_pool *pool, const struct tcp_conn *c);
/** What is in the record itself beside the parameters: Nagle, the MSS of an open connection. */
void tcp_option_changed(const struct tcp_cx *cx, struct tcp_conn *c, enum mr_option option);
/** Octets from the first that is not consumed to the end of urgent data; 0: none. */
uint32_t tcp_urgent(const struct tcp_cx *cx, const struct tcp_conn *c);

/** Frees queues, extension and own parameters: before the record is freed. */
void tcp_release(struct tcp_cx *cx, struct tcp_conn *c);
/** Fills what the protocol knows of mr_tcp_info. */
void tcp_info(const struct tcp_cx *cx, const struct tcp_conn *c, struct mr_tcp_info *info);
/**
 * Invariants of one connection (RFC 9293 3.3.1 inequalities, queue lengths); aborts. Tests, debug.
 */
void tcp_check(const struct tcp_cx *cx, const struct tcp_conn *c);

/**
 * Moves to another state, if state.def allows it; else it aborts. After a record has begun, this
 * and its form in line (tcp_move_from() of steps.h) are the only writers of the state.
 */
void tcp_enter(struct tcp_cx *cx, struct tcp_conn *c, enum tcp_state state);

#endif /* MR_TCP_H */
