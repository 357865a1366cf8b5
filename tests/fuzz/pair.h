/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two engines that live the same life, one with the fast path, one without, and the peers of their
 * connections. fuzz_frames.c says what happens to both; after every step they must be equal
 * (same.c): frames that left, what handlers heard, counters, records, extensions, timers.
 *
 * There are 13 kinds of connections over both families, one tuple each. states.c brings each to
 * where its name says before the fuzzer has its turn.
 */
#ifndef FUZZ_PAIR_H
#define FUZZ_PAIR_H

#include "worker.h"

enum kind {
	K_CLOSED, K_LISTEN, K_SYN_SENT, K_SYN_RCVD, K_ESTABLISHED, K_FIN_WAIT_1, K_FIN_WAIT_2,
	K_CLOSE_WAIT, K_CLOSING, K_LAST_ACK, K_TIME_WAIT,
	K_BUSY,		/* ESTABLISHED: data in flight both ways, some of it out of order */
	K_NOBODY,	/* ESTABLISHED, at a listener without callbacks */
	KINDS
};
#define TUPLES		(2u * KINDS)	/* even: IPv4, odd: IPv6 */
#define OTHERS		TUPLES		/* slot of what belongs to none of them */
#define RPORT		1000u		/* remote port of the first tuple */
#define APORT		2000u		/* local port of the first tuple, where we open */
#define LPORT		80u		/* with a handler; the next has a listener without any */
#define CLOSED_PORT	99u
#define FRAME_MAX	2000u

static inline uint8_t family_of(uint32_t t) { return t & 1 ? 6 : 4; }
static inline enum kind kind_of(uint32_t t) { return (enum kind)(t / 2); }

/* What the fuzzer chooses before anything else. */
struct pair_setup {
	uint8_t params;		/* bits of enum param_bit */
	/* of the peers' SYNs, which always have an MSS: enum tcp_opt_bit; and enum option_bit */
	uint8_t options;
};
enum param_bit {
	P_NO_TS = 1, P_SMALL_WINDOW = 2, P_NODELAY = 4, P_KEEPALIVE = 8, P_NO_DELACK = 16,
	P_RFC1337 = 32, P_SMALL_MSS = 64,
	P_TIGHT = 128,	/* few extensions, TIME_WAIT entries, answers a second: no bursts then */
};
/* Fast Open (RFC 7413), both roles: SYNs ask for cookies and bring them, opens have data. */
enum option_bit { O_FASTOPEN = 1, O_WRAP = 32, O_ONE_SEGMENT = 64, O_SMALL_QUEUE = 128 };

/* What a handler does is the fuzzer's choice too, tuple by tuple, the same on both sides. */
enum on_data { D_CONSUME, D_HOLD, D_ECHO, D_ANSWER, D_CLOSE, D_ABORT, D_SHUTDOWN, D_HALF };
enum on_fin { F_NOTHING = 0, F_CLOSE = 8, F_SEND_CLOSE = 16, F_ABORT = 24, F_MASK = 24 };
enum { H_WRITES = 32, H_GREETS = 64, H_TIMER = 128 };

struct side {
	struct mr_worker *w;
	struct rte_mempool *data, *ctl;
	bool fast;
	mr_conn conn[TUPLES + 1];		/* the last that a callback named */
	uint32_t unread[TUPLES + 1];
	/* Digests of what left and what was heard; beyond the tuples: ARP, ICMP, unknown tuples. */
	uint64_t sent[TUPLES + 3], heard[TUPLES + 1];
	uint32_t nsent;
};
extern struct side side[2];
extern uint8_t policy[TUPLES + 1];
extern struct pair_setup setup;
extern uint64_t now_us;

/* What the peer of a tuple knows of our end. */
struct view {
	uint32_t rcv_nxt, rcv_edge, snd_una, snd_nxt;
	uint32_t tsecr;		/* our last TSval */
	uint32_t snd_sack;	/* a place for SACK blocks */
	bool fresh;		/* a record says so, not memory */
};

/* pair.c: from the start of the process, and of one input to its end. */
void pair_process(void);
void pair_begin(const struct pair_setup *s);
/** stack_check() of both; everything is given back, no mbuf is missing. */
void pair_end(void);
/** Time goes on for both, and timers run. */
void pair_time(uint32_t ms);
/** mbufs of these frames arrive at both. Lengths of the first two segments in cut, or 0. */
struct pair_frame {
	uint8_t octets[FRAME_MAX];
	uint32_t len, cut[2];
	uint64_t ol_flags;
	uint16_t tci;
};
void pair_receive(const struct pair_frame *f, uint32_t n);
/** An active open of the tuple on both. */
void pair_connect(uint32_t t);
extern const struct mr_callbacks pair_callbacks;	/* handler.c */
/** The tuple of a remote port, or OTHERS. */
uint32_t tuple_of_port(uint16_t host_port);

/* peers.c */
void peer_addresses(struct stack_config *cfg);
void tuple_ends(uint32_t t, struct mr_endpoint *local, struct mr_endpoint *remote);
void tuple_key(struct mr_worker *w, uint32_t t, struct flow_key *key);
/** The connection's record of a side, or NULL. */
struct tcp_conn *tuple_record(struct mr_worker *w, uint32_t t);
struct view *peer_view(uint32_t t);
void peer_reset(void);
/** A frame left side 0: its peer learns. */
void peer_learn(const uint8_t *frame, uint32_t len);
/** Gives a SYN the option: the cookie that our end has granted, or none. */
void peer_fastopen(uint32_t t, struct tcp_seg *seg, bool cookie);
/** Whose digest a frame of ours belongs to. */
uint32_t peer_of_frame(const uint8_t *frame, uint32_t len);
/** The frame of a segment; `extra`: octets of options, by fours, behind those of seg->opts. */
void peer_frame(uint32_t t, const struct tcp_seg *seg, const uint8_t *extra, uint32_t nextra,
		struct pair_frame *f);
/** Answers to our questions for MACs, both families. */
void peer_neighbours(struct pair_frame f[2]);
/** An ICMP error that quotes a segment of ours. */
void peer_icmp(uint32_t t, uint8_t type, uint8_t code, uint32_t seq, struct pair_frame *f);

/* states.c */
void states_prepare(void);

/* same.c: aborts, and says where they differ. */
void same_or_abort(void);

#endif /* FUZZ_PAIR_H */
