/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of one worker: struct mr_worker and what the files of lib/stack say to one another.
 * Private to lib/stack. Everything here belongs to one thread; the exceptions are the two rings of
 * mail.c.
 *
 * Rules that hold between the files:
 *  - A callback of a handler is entered from react.h and react.c only, with `current` set; the mr_*
 *    functions (api.c) mutate the connection and leave the rest to finish_burst(): output of other
 *    connections in `dirty`, connections that ended inside a callback in the `dead` list (linked
 *    through the dead records, so it cannot overflow).
 *  - A record is freed by conn_free() only; its memory is reused after table_flush(), which happens
 *    at the end of a burst when the dead list is empty.
 *  - Frames leave through tx_queue() and tx_push() only.
 */
#ifndef MR_WORKER_H
#define MR_WORKER_H

#include <rte_ring.h>

#include "cookie.h"
#include "frag.h"
#include "frame.h"
#include "paths.h"
#include "ctl.h"
#include "group.h"
#include "mail.h"
#include "rng.h"
#include "neigh.h"
#include "stack.h"
#include "tfo.h"
#include "tfo_cache.h"
#include "timewait.h"

#define STACK_TXQ_LEN	256u
#define STACK_SPARE_LEN	64u	/* power of two */
#define STACK_DIRTY_LEN	1024u
#define STACK_GROUPS_MAX (MR_LISTENERS_MAX + 64u)
#define STACK_TIMER_BUDGET 512u

/* The records of the connection tables. The key is contiguous from laddr on. */
struct conn4 {
	struct tcp_conn c;
	uint32_t raddr;
	uint16_t rport, lport;
} MR_CACHE_ALIGNED;
static_assert(sizeof(struct conn4) == 64, "an IPv4 connection must be one cache line");
static_assert(offsetof(struct conn4, raddr) == 56, "the key must follow laddr");

struct conn6 {
	struct tcp_conn c;
	uint8_t raddr[16];
	uint16_t rport, lport;
	uint32_t pad;
} __attribute__((aligned(16)));
static_assert(sizeof(struct conn6) == 80, "an IPv6 connection: 76 octets, rounded up to 16");
static_assert(offsetof(struct conn6, rport) == 72, "the key must be contiguous");

/* `spare` bits of struct tcp_conn, the stack's. */
#define CONN_DEAD	1u	/* in the dead list: on_closed is still owed */
#define CONN_DIRTY	2u	/* in the dirty ring: output is owed */

/* One family: its tables and wheels. */
struct flows {
	struct mr_worker *w;
	struct table table;
	struct wheel *wheel;
	struct timewait *tw;
	uint32_t sweep_left;	/* records that path_turn() still has to look at */
	uint8_t family;		/* 4 or 6 */
	bool on;
};

/* A connection at hand: its record and where it stands. 16 octets: passed in two registers. */
struct conn_ref {
	struct tcp_conn *c;	/* NULL: none */
	uint32_t index;
	uint32_t v6;		/* which of the worker's flows: 0 or 1 */
};
static_assert(sizeof(struct conn_ref) == 16, "a larger one would be passed through memory");

/* A range of local addresses. */
struct laddr_range {
	uint8_t family, prefix_len;
	uint16_t port, vlan, vlan_outer;
	uint8_t addr[16];
	uint32_t addr_low;	/* last four octets, host order: the first address */
	uint32_t first, count;	/* indices */
	bool alone;		/* no other range has one of its addresses (IPv4) */
};

struct txq {
	struct rte_mbuf *m[STACK_TXQ_LEN];
	uint16_t n;
};

/* So many a second, for what we answer to strangers. */
struct rate {
	uint32_t per_s, left, window_ms;
};

struct mail;

struct mr_worker {
	struct tcp_cx cx;
	struct flows flows[2];		/* IPv4, IPv6 */
	const struct tcp_conn *cx_conn;	/* whose TS offset is in cx; NULL: nobody's */
	uint16_t cx_generation;
	struct tcp_ext_pool ext_pool;
	struct mr_sipkey key_table, key_isn, key_ts;
	uint64_t now_us;
	uint32_t now_ms;
	struct conn_ref current;	/* its callback runs: its output comes anyway */
	uint64_t current_id;		/* its handle; 0: none */
	struct rte_mbuf *done[MR_BURST];	/* of done_pool, to be freed at the burst's end */
	struct rte_mempool *done_pool;
	uint32_t ndone;
	struct txq txq[MR_PORTS_MAX];
	struct mr_counters counters;

	struct rte_mempool *data_pool, *ctl_pool;
	struct rte_mbuf *spare[STACK_SPARE_LEN];	/* taken from ctl_pool ahead of need */
	uint32_t nspare, spare_head;
	struct stack_port port[MR_PORTS_MAX];
	uint64_t mac_word[MR_PORTS_MAX];	/* the port's MAC as the low 48 bits of a load */
	struct stack_io io;
	uint16_t nports;

	struct laddr_range range[STACK_ADDRS_MAX];
	uint32_t nranges, naddrs, last_range;
	uint16_t last_source;		/* range of the last active open's source */
	uint16_t *range_of;		/* laddr index -> range */
	struct stack_gateway gateway[2 * MR_PORTS_MAX];
	uint32_t ngateways;

	uint16_t *listener_of_port;	/* by port in host order: head of a list, MR_NONE16 */
	struct group *group;		/* listeners first, then connect groups */
	struct group_options *group_options;	/* by group; valid with own_params */
	uint32_t ngroups, nlisteners;

	struct neigh neigh;
	struct ip_frags *frags;		/* NULL: fragments are dropped */
	struct ip_paths *paths;
	struct mail *mail;
	struct rate rst_rate, icmp_rate;
	struct cookies cookies;
	struct tfo_keys tfo_keys;
	struct tfo_cache *tfo_cache;
	struct tcp_fastopen tfo_grant;	/* what cx.fastopen has while a SYN is answered */
	bool syncookies;
	struct mr_rng rng;		/* ports and jitter; keys come from the kernel */

	uint64_t dirty[STACK_DIRTY_LEN];	/* handles */
	uint32_t ndirty;
	uint32_t dead_head, dead_tail;	/* connection ids, TABLE_NIL ends */

	uint32_t turns, load;
	uint32_t mbufs_reserve;
	uint32_t rx_unchecked, rx_check;	/* frames since pressure_update(); the most */
	uint16_t port_first, port_last;
	unsigned int id, group_first, group_count;
	bool draining, fast_path;
	bool params_vary;	/* some connections have other parameters than `params` */
	uint32_t close_cursor[2];
	bool close_forced;		/* the walk that close_cursor is of */
	struct tcp_params params;
	uint32_t msl_max_ms;		/* what the TIME_WAIT wheels were made for */
};

/* ---- ids and handles ---- */

#define CONN_ID_V6 0x80000000u
#define HANDLE_VALID (1ull << 56)

MR_INLINE uint32_t conn_id(struct conn_ref r)
{
	return r.index | r.v6 << 31;
}
MR_INLINE struct conn_ref conn_at(struct flows *f, uint32_t index)
{
	return (struct conn_ref){table_record(&f->table, index), index, f->family == 6};
}
MR_INLINE struct conn_ref conn_by_id(struct mr_worker *w, uint32_t id)
{
	return conn_at(&w->flows[id >> 31], id & ~CONN_ID_V6);
}
MR_INLINE mr_conn conn_handle(const struct mr_worker *w, struct conn_ref r)
{
	return (mr_conn){HANDLE_VALID | (uint64_t)w->id << 48 | (uint64_t)r.c->generation << 32 |
			 conn_id(r)};
}
/** The live connection of a handle; c NULL when stale or another worker's. */
struct conn_ref conn_by_handle(struct mr_worker *w, mr_conn h);
/** One that calls may still act on: alive, and not ended inside this callback. cx is prepared. */
struct conn_ref conn_usable(struct mr_worker *w, mr_conn h);

MR_INLINE struct group *conn_group(struct mr_worker *w, const struct tcp_conn *c)
{
	return &w->group[c->listener];
}

/** Both ends of a key, as the API gives them. */
void conn_endpoints(const struct mr_worker *w, const struct flow_key *key,
		    struct mr_endpoint *local, struct mr_endpoint *remote);

/** params_vary: the parameters of a connection into cx: its own, its listener's, or w->params. */
void conn_params(struct mr_worker *w, const struct tcp_conn *c);
/** Options of a group's connections; false: one is out of range. */
bool group_set_options(struct mr_worker *w, uint16_t group, const struct mr_options *opt);

/* ---- addr.c: local addresses, listeners, source tuples ---- */
/** Fills group `id`, which nobody uses, and links it. NULL, or why it cannot be. */
const char *listener_add(struct mr_worker *w, const struct stack_listener *l, uint16_t id);
/** Takes a listener out of the lists of its ports. */
void listener_unlink(struct mr_worker *w, uint16_t id);
int addr_setup(struct mr_worker *w, const struct stack_config *cfg, const char **why);
void addr_teardown(struct mr_worker *w);
/** Index of a local address on (port, vlan, vlan_outer), or MR_NONE16. addr: 4 or 16 octets. */
uint16_t laddr_find(struct mr_worker *w, const struct wire_frame *f, uint16_t port,
		    const uint8_t *addr);
/** Same by address only, on any VLAN of the port (ICMP quotes, ARP). */
uint16_t laddr_find_any(const struct mr_worker *w, uint8_t family, uint16_t port,
			const uint8_t *addr);
MR_INLINE const struct laddr_range *laddr_range_of(const struct mr_worker *w, uint16_t laddr)
{
	return &w->range[w->range_of[laddr]];
}
/** Writes the address (4 or 16 octets) of an index. */
void laddr_get(const struct mr_worker *w, uint16_t laddr, uint8_t *addr);
/** Listener of a list for a local address, or MR_NONE16. */
uint16_t listener_search(const struct mr_worker *w, uint16_t list, uint8_t family, uint16_t laddr);
/** Listener for a local address and port (network order), or MR_NONE16. */
MR_INLINE uint16_t listener_find(const struct mr_worker *w, uint8_t family, uint16_t laddr,
				 uint16_t lport)
{
	const uint16_t id = w->listener_of_port[rte_be_to_cpu_16(lport)];

	/* usually there is one, for any address or for this one */
	if (MR_LIKELY(id != MR_NONE16 &&
		      (w->group[id].family == 0 || w->group[id].laddr == laddr)))
		return id;
	return listener_search(w, id, family, laddr);
}
/** Group of active opens with these callbacks; MR_NONE16: too many different ones. */
uint16_t connect_group(struct mr_worker *w, const struct mr_callbacks *cb);
/** Does any of the tables know the tuple? TIME_WAIT is asked before a port is used again. */
bool tuple_free(const struct flows *f, const struct flow_key *key, uint64_t hash);
/** Draws or takes (port, host order; 0: any) the local port of a key; false: none is free. */
bool tuple_pick(struct mr_worker *w, struct flows *f, struct flow_key *key, uint16_t port,
		uint64_t *hash);
/** MUST-46: an active open to a broadcast, multicast or unspecified address is refused. */
bool remote_sane(const struct mr_endpoint *e);
/**
 * Key of an active open but for the local port, which tuple_pick() may draw. False: no local
 * address.
 */
bool connect_key(struct mr_worker *w, const struct mr_connect_opts *opts, struct flow_key *key);
unsigned int tuple_worker(const struct mr_worker *w, const struct flow_key *key);
/**
 * Draws a local port into the key (RFC 6056 algorithm 2) whose replies reach this worker. False:
 * none of many does.
 */
bool tuple_draw(struct mr_worker *w, struct flow_key *key);
/** Is addr in the on-link network of the range? */
bool range_on_link(const struct laddr_range *r, const uint8_t *addr);

/** Gives back a reference of neigh_learn() or neigh_route(). */
MR_INLINE void neigh_unref(struct mr_worker *w, uint16_t hop)
{
	struct nexthop *h = &w->neigh.hop[hop];

	MR_ASSERT(hop < w->neigh.used && h->refs != 0);
	if (--h->refs == 0)
		neigh_unused(w, hop);
}

/* ---- ctl.c: path MTUs (path.h) ---- */
/** What is known of the path bears on this connection: after tcp_send(), before output. */
void path_apply(struct mr_worker *w, struct conn_ref r);
/** Another worker was told the MTU of a path. */
void path_told(struct mr_worker *w, const struct ip_path *path);
/** Ageing, and connections that have to be lowered, a bounded number. */
void path_turn(struct mr_worker *w);

/* ---- input.c ---- */
/**
 * Are fewer mbufs free than the reserve? Looked at every so many turns, and before the frames
 * received since the last look could have used the reserve up.
 */
void pressure_update(struct mr_worker *w);
/** For data of a handler's; NULL: the rest is for frames that come. */
struct rte_mbuf *mbuf_of_handler(struct mr_worker *w);
/** What connections hold is what the pool of extensions says that they do; else it aborts. */
void mbufs_check(const struct mr_worker *w);
/** One frame, in order: the plain path. Takes m. */
void input_frame(struct mr_worker *w, uint16_t port, struct rte_mbuf *m);

/* A TCP segment at hand: everything known of it. */
struct rx_seg {
	struct rte_mbuf *m;
	struct flow_key key;
	uint64_t hash;
	const struct wire_frame *frame;
	struct tcp_seg seg;
	uint16_t port;
	uint16_t payload_off;
};
/** Fills key and hash of a parsed TCP frame; false: not for one of our addresses. */
bool input_key(struct mr_worker *w, struct rx_seg *rx);
/** A segment for no connection: TIME_WAIT, a listener, or nobody. Takes rx->m. */
void input_syn(struct mr_worker *w, struct rx_seg *rx, struct flows *f);
/** A frame that wire_parse was through with, in order. Takes m. */
void input_parsed(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
		  const struct wire_frame *f);
/** A fragment that this worker puts together with others. Takes m. */
void fragment_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m);
/** A datagram that was put together, perhaps for another worker. Takes its mbuf. */
void datagram_input(struct mr_worker *w, const struct mail_frame *whole);
/** The table of fragments: 0 or -ENOMEM; and what waited too long. */
int datagram_setup(struct mr_worker *w, const struct stack_init *init);
void datagram_turn(struct mr_worker *w);
/** Unicast to another station? Seen on ports in promiscuous mode and on shared media. */
bool mac_is_ours(const struct mr_worker *w, uint16_t port, const struct rte_mbuf *m);

/* ---- pipeline.c ---- */
/** A burst through the prefetch pipeline and its class loops. Takes all mbufs. */
void pipeline_burst(struct mr_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n);

/* ---- react.c: acting on verdicts ---- */
/**
 * Acts on what an event did to a connection: callbacks, delivery, RST, TIME_WAIT, freeing; then
 * sends what may go out. `was`: its state before. `reply`: an mbuf that may be reused for the first
 * header-only frame, or NULL; it is consumed.
 */
void react(struct mr_worker *w, struct conn_ref r, unsigned int was, struct tcp_verdict *v,
	   struct rte_mbuf *reply);
/** A connection that is established while the engine drains is closed as those that were before. */
void drain_established(struct mr_worker *w, struct conn_ref r);
/** Timer of a record (wheel_fire_fn; ctx is its struct flows). */
void conn_fire(void *ctx, uint32_t index, uint32_t now_ms);
/** The TS offset of a connection into cx (a hash of its tuple). */
void conn_ts_offset(struct mr_worker *w, struct conn_ref r);
/** Prepares cx for this connection: family, TS offset. */
MR_INLINE void conn_cx(struct mr_worker *w, struct conn_ref r)
{
	w->cx.family = r.v6 ? 6 : 4;
	if (MR_UNLIKELY(w->params_vary))
		conn_params(w, r.c);
	/* An active open offers timestamps before they are negotiated. */
	if ((r.c->flags & TCP_F_TS) == 0 && tcp_state(r.c) != TCP_SYN_SENT)
		return;
	if (w->cx_conn != r.c || w->cx_generation != r.c->generation)
		conn_ts_offset(w, r);
}
/** Its key. */
MR_INLINE void conn_key(struct conn_ref r, struct flow_key *key)
{
	*key = (struct flow_key){.laddr = r.c->laddr, .family = r.v6 ? 6 : 4};
	if (r.v6) {
		const struct conn6 *c6 = (const struct conn6 *)r.c;

		memcpy(key->raddr, c6->raddr, 16);
		flow_set_ports(key, wire_load32(&c6->rport));
	} else {
		const struct conn4 *c4 = (const struct conn4 *)r.c;

		memcpy(key->raddr, &c4->raddr, 4);
		flow_set_ports(key, wire_load32(&c4->rport));
	}
}
/** The connection ended inside a callback: on_closed comes in finish_burst(). */
void conn_bury(struct mr_worker *w, struct conn_ref r, enum mr_reason reason);
/** Output is owed to another connection than the current one. */
void conn_mark_other_dirty(struct mr_worker *w, struct conn_ref r);
/** Output is owed to a connection. */
MR_INLINE void conn_mark_dirty(struct mr_worker *w, struct conn_ref r)
{
	if (r.c != w->current.c)
		conn_mark_other_dirty(w, r);
}
/** Sends what may go out and arms the timer. */
void conn_flush(struct mr_worker *w, struct conn_ref r);
/** End of a burst or turn: dead and dirty connections, then records become reusable. */
void finish_burst(struct mr_worker *w);
/** Arms the wheel for the earliest of protocol and handler timers. */
void conn_arm(struct mr_worker *w, struct conn_ref r);
/** Milliseconds (absolute) of the handler's deadline; false: off. */
bool conn_user_due(const struct mr_worker *w, const struct tcp_conn *c, uint32_t *due_ms);

/* ---- output.c ---- */
/** Sends everything that may go out now. `reply` as in react(). */
void output_conn(struct mr_worker *w, struct conn_ref r, struct rte_mbuf *reply);
/** One segment that tcp_fast_output() decided; takes `reply` (may be NULL). */
void output_segment(struct mr_worker *w, struct conn_ref r, const struct tcp_xmit *x,
		    struct rte_mbuf *reply);
/**
 * Answers the segment in rx with a RST or ACK of no connection, in place of its mbuf (takes it).
 */
void output_reply(struct mr_worker *w, struct rx_seg *rx, const struct tcp_seg *seg);
/** RST of a connection (abort). */
void output_rst(struct mr_worker *w, struct conn_ref r, const struct tcp_verdict *v);
/** Hands the queue of a port to io.transmit. */
void tx_flush(struct mr_worker *w, uint16_t port);
/** Queues a complete frame; class: enum stack_tx_class. In line: for the hot path. */
MR_INLINE void tx_queue(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
			unsigned int tx_class)
{
	struct txq *q = &w->txq[port];

	if (MR_UNLIKELY(q->n == STACK_TXQ_LEN))
		tx_flush(w, port);
	m->hash.usr = tx_class;
	mr_count(&w->counters, MR_C_TX_FRAMES);
	mr_count_n(&w->counters, MR_C_TX_OCTETS, m->pkt_len);
	q->m[q->n++] = m;
}
/** The same for everybody else. */
void tx_push(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, unsigned int tx_class);
/** An mbuf for headers, or NULL (counted). */
struct rte_mbuf *ctl_mbuf(struct mr_worker *w);
/** May m be rewritten as a reply: direct, not shared, one segment, room for headers? */
MR_INLINE bool mbuf_reusable(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

MR_INLINE bool rate_allow(struct rate *r, uint32_t now_ms)
{
	if (r->per_s == 0)
		return true;
	if (now_ms - r->window_ms >= 1000) {
		r->window_ms = now_ms;
		r->left = r->per_s;
	}
	if (r->left == 0)
		return false;
	r->left--;
	return true;
}

#endif /* MR_WORKER_H */
