/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Millrace: the one public header. Read it and you can write a handler.
 *
 * A handler is a set of callbacks that the engine calls on the worker that owns the connection,
 * from inside the poll loop. A callback must not block. Every mr_* function below may be called
 * only on that worker, from inside a callback, except mr_post(), which any thread may call.
 *
 * The life of a connection, as its handler sees it:
 *
 *   passive:  on_accept -> { on_data | on_writable | on_acked | on_timeout }* -> on_closed
 *             (Fast Open: on_accept, and on_data of the SYN, come before the handshake is complete)
 *   active:   mr_connect -> on_connected -> { ... }* -> on_closed
 *             mr_connect -> on_closed(MR_REFUSED | MR_TIMED_OUT | MR_UNREACHABLE)
 *
 * on_peer_closed comes at most once, after all data of the peer. on_closed comes exactly once for
 * every connection that was accepted or for which mr_connect returned one, and nothing comes after
 * it. Inside any callback all functions may be called; a callback is never entered from inside an
 * mr_* function: its effects are delivered after the running callback returns (mr_close inside
 * on_data makes on_closed come later, never before on_data has returned).
 */
#ifndef MILLRACE_H
#define MILLRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct mr_worker;

/** A connection: index, generation and worker. A handle of a connection that is gone is refused. */
typedef struct mr_conn {
	uint64_t id;
} mr_conn;
#define MR_CONN_NONE ((mr_conn){0})

/** An address and port. Addresses are in network byte order, ports in host byte order. */
struct mr_endpoint {
	uint8_t family;		/* 4 or 6 */
	uint8_t addr[16];	/* IPv4 in the first four octets */
	uint16_t port;
};

/** Why a connection ended, or why a call was refused. mr_reason_text() gives the text. */
enum mr_reason {
#define R(id, value, text) MR_##id = value,
#define MR_REASONS \
	R(OK, 0, "no error") \
	R(CLOSED, 1, "closed by FIN both ways") \
	R(RESET_BY_PEER, 2, "reset by the peer") \
	R(ABORTED, 3, "aborted by the handler") \
	R(REFUSED, 4, "refused: the peer answered SYN by RST") \
	R(TIMED_OUT, 5, "timed out: too many retransmissions without an answer") \
	R(UNREACHABLE, 6, "unreachable: no neighbour answers, or ICMP errors came and no answer") \
	R(FIN_WAIT_2_TIMEOUT, 7, "the peer did not close within the FIN_WAIT_2 limit") \
	R(DATA_AFTER_CLOSE, 8, "data arrived after the handler had closed") \
	R(KEEPALIVE_TIMEOUT, 9, "the peer answered no keepalive probe") \
	R(DRAINED, 10, "ended by the engine's shutdown") \
	R(NO_SUCH_CONN, 11, "no such connection: the handle is stale") \
	R(WRONG_STATE, 12, "not possible in this state") \
	R(NO_MEMORY, 13, "no mbuf or extension record is free: try again when on_writable comes") \
	R(TABLE_FULL, 14, "the connection table is full") \
	R(NO_TUPLE, 15, "no free source address and port towards this destination") \
	R(NO_ROUTE, 16, "no route to the destination from the given source") \
	R(BAD_ARGUMENT, 17, "an argument is out of range") \
	R(ADDRESS_IN_USE, 18, "another listener has this address and port") \
	R(WRONG_WORKER, 19, "replies to the given source port would reach another worker")
	MR_REASONS
#undef R
};
/** Text of a reason; never NULL. Any thread. */
const char *mr_reason_text(enum mr_reason reason);

/** The callbacks of a handler; NULL means: not interested (on_data NULL: data is discarded). */
struct mr_callbacks {
	/** A connection reached ESTABLISHED at a listener, or is opened by Fast Open (RFC 7413). */
	void (*on_accept)(struct mr_worker *w, mr_conn c);
	/** mr_connect succeeded. */
	void (*on_connected)(struct mr_worker *w, mr_conn c);
	/**
	 * Data arrived in order: a chain of mbufs that now belongs to the handler (free it with
	 * rte_pktmbuf_free or pass it on with mr_send, whole or cut). No mbuf of it is empty; it
	 * may be longer than 65535 octets, but never than the receive window. Its octets count
	 * against that window until mr_consumed() says otherwise.
	 */
	void (*on_data)(struct mr_worker *w, mr_conn c, struct rte_mbuf *data);
	/** There is room in the send queue again after mr_send took less than was offered. */
	void (*on_writable)(struct mr_worker *w, mr_conn c);
	/** All octets up to an mr_send with MR_SEND_NOTIFY_ACKED were acknowledged. */
	void (*on_acked)(struct mr_worker *w, mr_conn c);
	/** The peer sent FIN: no more data will come. The other direction goes on (half-close). */
	void (*on_peer_closed)(struct mr_worker *w, mr_conn c);
	/**
	 * The peer has urgent data under way, or more than it said before (RFC 9293 3.8.5). The
	 * octets stay in line and come by on_data; mr_urgent() tells how many of them are urgent.
	 */
	void (*on_urgent)(struct mr_worker *w, mr_conn c);
	/** The timer set by mr_set_timeout ran out. */
	void (*on_timeout)(struct mr_worker *w, mr_conn c);
	/** The connection is gone, or in TIME_WAIT; the handle is invalid after the return. */
	void (*on_closed)(struct mr_worker *w, mr_conn c, enum mr_reason reason);
};

/* ---- Options --------------------------------------------------------------------------------- */

#define MR_LINGER_OFF UINT32_MAX

/*
 * O(id, least, most, what it is). The engine's configuration says how they stand; a listener or an
 * active open may say otherwise (struct mr_options), and each connection again (mr_set_option).
 */
#define MR_OPTION_TABLE \
	O(NODELAY, 0, 1, "1: Nagle's algorithm is off (RFC 9293 3.7.4)") \
	O(KEEPALIVE, 0, 1, "1: a silent peer is probed (RFC 9293 3.8.4)") \
	O(KEEPALIVE_IDLE_MS, 1000, 32767000, "silence before the first probe") \
	O(KEEPALIVE_INTERVAL_MS, 1000, 32767000, "between probes") \
	O(KEEPALIVE_PROBES, 1, 15, "unanswered ones that end the connection") \
	O(USER_TIMEOUT_MS, 0, 0x3fffffff, \
	  "so long may data stay unacknowledged, then MR_TIMED_OUT; 0: retries decide (RFC 5482)") \
	O(LINGER_MS, 0, UINT32_MAX, \
	  "mr_close: 0 aborts; up to 1800000: what is queued may take so long to be " \
	  "acknowledged, then RST; MR_LINGER_OFF: no limit of its own") \
	O(TTL, 1, 255, "TTL or hop limit of packets (RFC 9293 MUST-49)") \
	O(TOS, 0, 255, "TOS octet or traffic class; its two bits of ECN are not kept") \
	O(MSS_MAX, 64, 65495, "the MSS that is advertised and kept to, at most") \
	O(SEND_BUFFER, 1024, 1u << 30, "octets that may be queued") \
	O(RECEIVE_BUFFER, 1024, 1u << 30, \
	  "octets of receive window; the scale of an open connection stays") \
	O(FASTOPEN, 0, 3, \
	  "Fast Open (RFC 7413): 1 for active opens, 2 at listeners, 3 both; set for an active " \
	  "open it asks for a cookie without data too") \
	O(FASTOPEN_PENDING, 0, 65535, \
	  "connections that data of their SYN opened and that may be in SYN_RCVD, of a listener; " \
	  "0: none, and no cookies (RFC 7413 5.1)") \
	O(PACING, 0, 1, \
	  "1: data leaves over the round trip instead of in bursts (RFC 9002 7.7); needs SACK") \
	O(PACING_RATE_MAX, 0, 4000000000u, \
	  "octets a second at which data leaves, at most, but a segment in each; 0: no limit")

enum mr_option {
#define O(id, least, most, text) MR_OPT_##id,
	MR_OPTION_TABLE
#undef O
	MR_OPTIONS
};

/** Options that are not to stand as the engine's do: bit 1 << option of `set`, and the value. */
struct mr_options {
	uint32_t set;
	uint32_t value[MR_OPTIONS];
};

/* ---- Connections ----------------------------------------------------------------------------- */

enum mr_send_flags {
	MR_SEND_MORE = 1,		/* more follows at once: do not push a short segment yet */
	MR_SEND_NOTIFY_ACKED = 2,	/* call on_acked when all queued so far is acknowledged */
};

#define MR_SEND_MAX (1u << 30)	/* octets of one chain: the largest window there is */

/** What mr_connect needs. Zero means: take the default. */
struct mr_connect_opts {
	struct mr_endpoint remote;
	/* family 0: any address; port 0: any of the range whose replies come to this worker */
	struct mr_endpoint local;
	const struct mr_callbacks *callbacks;
	uint32_t user;			/* first value of the handler's word */
	const struct mr_options *options;	/* NULL: the engine's; MR_NO_MEMORY as below */
	/*
	 * NULL, or the first data, a chain as for mr_send(): taken if MR_OK is returned, else still
	 * the caller's. With Fast Open (MR_OPT_FASTOPEN, RFC 7413) as much of it as has room goes
	 * with the SYN if the server has granted a cookie before, else it is queued and a cookie is
	 * asked for. The server may then get it twice: only what bears that should go this way.
	 */
	struct rte_mbuf *data;
};

/**
 * Opens a connection. *c is valid when MR_OK is returned, else the reason. Where RSS spreads a port
 * over several workers, a source port whose replies would reach another one is MR_WRONG_WORKER.
 * RFC 9293 3.10.1.
 */
enum mr_reason mr_connect(struct mr_worker *w, const struct mr_connect_opts *opts, mr_conn *c);

/* What became of one of several active opens: as mr_connect returns it. */
struct mr_connect_result {
	mr_conn c;
	enum mr_reason why;
};
#define MR_CONNECT_BURST 64u
/**
 * Opens n connections (0 .. MR_CONNECT_BURST), opts[i] as by mr_connect with its outcome in out[i],
 * in any order. Who opens many at once is faster by this: tuples with a given IPv4 source are
 * hashed together, and their cache misses overlap.
 */
void mr_connect_burst(struct mr_worker *w, const struct mr_connect_opts *opts, unsigned int n,
		      struct mr_connect_result *out);

/**
 * Queues an mbuf chain. Takes all of it, or nothing: returns its length, and the mbuf belongs to
 * the engine; or 0, and it still belongs to the caller, and on_writable will come (before the
 * connection is established: on_connected or on_accept may come in its place). An empty queue
 * takes any chain, also one longer than its bound. 0 also, and on_writable never comes, when the
 * sending direction is closed, the handle is stale, or the chain holds nothing or more than
 * MR_SEND_MAX. The engine never writes into it.
 */
uint32_t mr_send(struct mr_worker *w, mr_conn c, struct rte_mbuf *data, unsigned int flags);
/**
 * Queues a copy of octets; returns how many were taken (0 .. len); on_writable follows if fewer.
 */
uint32_t mr_send_copy(struct mr_worker *w, mr_conn c, const void *data, uint32_t len,
		      unsigned int flags);
/** Octets that mr_send would take now. */
uint32_t mr_send_room(struct mr_worker *w, mr_conn c);
/** Asks for on_writable when there is room; for who looks at mr_send_room() instead of trying. */
void mr_want_writable(struct mr_worker *w, mr_conn c);

/** Static content: copied once, when it is made (control thread, before start), never when sent. */
struct mr_static;
struct mr_static *mr_static_create(const void *data, size_t len);
void mr_static_destroy(struct mr_static *s);
size_t mr_static_len(const struct mr_static *s);
/** Queues octets off .. off+len of s; returns how many were taken. */
uint32_t mr_send_static(struct mr_worker *w, mr_conn c, struct mr_static *s, size_t off,
			uint32_t len, unsigned int flags);

/** The handler is done with len octets that on_data gave it: the window opens again. */
void mr_consumed(struct mr_worker *w, mr_conn c, uint32_t len);
/** Closes the sending direction after all queued data (half-close). RFC 9293 3.6. */
enum mr_reason mr_shutdown(struct mr_worker *w, mr_conn c);
/**
 * Closes both directions: queued data and FIN are sent; data that arrives afterwards, or was not
 * consumed, is answered by RST (RFC 9293 3.6.1 SHLD-3). Of the callbacks only on_closed still
 * comes.
 */
enum mr_reason mr_close(struct mr_worker *w, mr_conn c);
/** Sends RST and forgets the connection; on_closed(MR_ABORTED) follows. RFC 9293 3.10.5. */
enum mr_reason mr_abort(struct mr_worker *w, mr_conn c);
/**
 * Starts the handler's one timer: on_timeout in ms (64 .. 1,800,000, rounded up to 64 ms), 0 stops
 * it. Setting it again replaces it. One store in the usual case.
 */
enum mr_reason mr_set_timeout(struct mr_worker *w, mr_conn c, uint32_t ms);

/**
 * Sets an option of this connection. Its options then are a record of a pool (capacity.options) and
 * hold an extension record as long as the connection lives: MR_NO_MEMORY, and nothing is changed,
 * when either pool is empty (MR_OPT_NODELAY needs neither). MR_BAD_ARGUMENT out of range.
 */
enum mr_reason mr_set_option(struct mr_worker *w, mr_conn c, enum mr_option option, uint32_t value);
/** How it stands for this connection, wherever that was said. */
enum mr_reason mr_get_option(struct mr_worker *w, mr_conn c, enum mr_option option,
			     uint32_t *value);

/** Octets from the first that is not consumed to the end of urgent data; 0: there is none. */
uint32_t mr_urgent(struct mr_worker *w, mr_conn c);

/** The handler's own word of the connection: an index into memory of its own. */
uint32_t mr_user(struct mr_worker *w, mr_conn c);
void mr_set_user(struct mr_worker *w, mr_conn c, uint32_t user);
struct mr_tcp_info {
	char state[16];
	struct mr_endpoint local, remote;
	uint32_t snd_una, snd_nxt, snd_wnd;	/* octets, sequence numbers */
	uint32_t rcv_nxt, rcv_wnd;
	uint32_t cwnd, ssthresh;		/* octets; 0 while no data moves */
	uint32_t srtt_us, rttvar_us, rto_ms;
	uint16_t mss;
	uint8_t snd_scale, rcv_scale;
	uint8_t retransmits;			/* of the oldest unacknowledged segment */
	bool timestamps, sack, window_scaling, ecn;	/* negotiated */
	bool syn_data;		/* data of a SYN was taken (RFC 7413); while data moves */
	uint32_t send_queued, recv_unread;	/* octets */
	/* the last ICMP error that did not end the connection; 0, 0: none */
	uint8_t icmp_type, icmp_code;
	/*
	 * Segments: outstanding; of these reported received; taken for lost, whether they have been
	 * sent again or not; sent again and not answered yet, tail loss probes among them.
	 */
	uint32_t unacked, sacked, lost, retrans;
	uint64_t pacing_rate;			/* octets a second; 0: sending is not paced */
};
/** Fills *info; MR_NO_SUCH_CONN when stale. */
enum mr_reason mr_tcp_info(struct mr_worker *w, mr_conn c, struct mr_tcp_info *info);

/* ---- The worker ------------------------------------------------------------------------------ */

/* What waits at the worker's ports. */
enum mr_load_bit {
	MR_LOAD_RX = 1,		/* more frames have arrived than a turn takes */
	MR_LOAD_TX = 2,		/* frames wait that a port did not take */
};
/**
 * enum mr_load_bit of this turn. Who opens connections by itself should open fewer when frames
 * wait: else their answers are lost in the overflow, and come again by timers.
 */
unsigned int mr_load(const struct mr_worker *w);
/** 0 .. workers-1. */
unsigned int mr_worker_id(const struct mr_worker *w);
/** Milliseconds since start, modulo 2^32, as of this turn of the loop. */
uint32_t mr_now_ms(const struct mr_worker *w);
/** Microseconds since start, as of this turn of the loop. */
uint64_t mr_now_us(const struct mr_worker *w);
/** The handler's pointer given with its listener. */
void *mr_handler_arg(struct mr_worker *w, mr_conn c);
/** Counts one event of the X-macro table (lib/base/counters.def), e.g. MR_C_CONN_LIMIT_IDLE. */
void mr_count_event(struct mr_worker *w, mr_conn c, unsigned int counter);
/** An mbuf with room for at least 1460 octets of payload, or NULL. */
struct rte_mbuf *mr_mbuf_alloc(struct mr_worker *w);

/**
 * Runs fn(worker, arg) on worker `id` between two bursts. Any thread. False when its ring is full
 * or no such worker exists.
 */
bool mr_post(unsigned int id, void (*fn)(struct mr_worker *w, void *arg), void *arg);

#endif /* MILLRACE_H */
