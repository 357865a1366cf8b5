/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops: what a connection's `nexthop` indexes, and what neigh.c (the table, resolution,
 * expiry) and ctl.c (ARP, neighbour discovery, ICMP) offer to the rest of lib/stack. Each worker
 * has its own copy of all of it. Private to lib/stack.
 */
#ifndef MR_NEIGH_H
#define MR_NEIGH_H

#include "bounds.h"
#include "build.h"
#include "millrace.h"
#include "octets.h"

struct mr_worker;

enum nexthop_state {
	NEXTHOP_FREE,
	NEXTHOP_LEARNED,	/* by the MAC a SYN came from: no resolution */
	NEXTHOP_INCOMPLETE,	/* asked, no answer yet; `pending` waits */
	NEXTHOP_REACHABLE,
	NEXTHOP_PROBE,		/* old; used while it is asked again */
	NEXTHOP_FAILED,
};

/*
 * An entry of the neighbour table: what a connection's `nexthop` indexes. Sending to it reads one
 * line.
 */
struct nexthop {
	struct wire_l2 l2;	/* destination MAC 0 until resolved; length and type always right */
	uint8_t state;		/* enum nexthop_state */
	uint8_t family;
	uint8_t probes;		/* unanswered so far */
	bool queued;		/* in the queue of entries that may be reused */
	uint16_t port, range;	/* laddr_range whose address asks; not for LEARNED */
	uint32_t refs;		/* connections that use it: not reused before 0 */
	uint32_t confirmed_ms, asked_ms;
	uint16_t hash_next;
	uint16_t idle_next;
	uint64_t where;		/* port, VLANs, family, learned or not; with `id` the key */
	struct rte_mbuf *pending;	/* one frame that waits (RFC 1122 2.3.2.2) */
	uint8_t id[16];		/* the IP address; of a LEARNED entry the MAC */
} MR_CACHE_ALIGNED;
static_assert(offsetof(struct nexthop, id) == 64, "a frame to a known next hop must cost one line");

/* Announcements still owed: paced, so that they do not push traffic out of a port's queue. */
struct neigh_announce {
	uint32_t ports;		/* one bit each; 0: nothing owed */
	uint32_t next;		/* local address to look at */
	uint32_t left;		/* frames of this round */
	uint32_t rounds, due_ms;
};
static_assert(MR_PORTS_MAX <= 32, "a port is a bit of neigh_announce.ports");

struct neigh {
	struct nexthop *hop;
	uint16_t *hash;		/* heads */
	uint32_t hash_mask;
	uint32_t capacity, used;	/* below `used`: a neighbour, perhaps idle */
	uint32_t resolved;	/* of them not LEARNED: those with timers */
	uint16_t idle_head, idle_tail;	/* refs 0, first in first out; checked when taken */
	uint16_t last_learned;	/* answer of neigh_learn: usually the next one too */
	/* last answer of neigh_route for IPv4: `last_hop` from `last_range` to `last_dst` */
	uint16_t last_range, last_hop;	/* MR_NONE16: none */
	uint32_t last_dst;
	uint32_t turn_ms, turn_index;
	uint32_t defend_ms;	/* RFC 5227 2.4: an address was defended last; 0: never */
	struct neigh_announce announce;
};

enum { NEIGH_LEARNED = 1, NEIGH_RESOLVED = 2 };
#define NEIGH_KIND(kind, family) ((uint32_t)(kind) << 8 | (family))

MR_INLINE uint64_t neigh_where(uint16_t port, uint16_t vlan, uint16_t vlan_outer,
			      uint32_t kind_family)
{
	return (uint64_t)port | (uint64_t)vlan << 16 | (uint64_t)vlan_outer << 32 |
	       (uint64_t)kind_family << 48;
}

/* ---- neigh.c: next hops, ARP, NDP ---- */
int neigh_setup(struct mr_worker *w, uint32_t capacity);
void neigh_teardown(struct mr_worker *w);
/**
 * Next hop back to where a frame came from (its source MAC); takes a reference. MR_NONE16: full.
 */
uint16_t neigh_learn(struct mr_worker *w, uint16_t port, const struct rte_mbuf *m,
		     const struct wire_frame *f);
/**
 * neigh_learn() for an untagged frame whose source MAC is at `mac`, from the station that the last
 * one came from too; MR_NONE16: ask neigh_learn().
 */
MR_INLINE uint16_t neigh_learn_again(struct neigh *n, uint16_t port, uint8_t family,
				     const uint8_t *mac)
{
	const uint16_t last = n->last_learned;
	struct nexthop *h = &n->hop[last];

	if (MR_UNLIKELY(last == MR_NONE16 ||
			h->where != neigh_where(port, WIRE_NO_VLAN, WIRE_NO_VLAN,
						NEIGH_KIND(NEIGH_LEARNED, family)) ||
			wire_load32(h->l2.octets) != wire_load32(mac) ||
			wire_load16(h->l2.octets + 4) != wire_load16(mac + 4)))
		return MR_NONE16;
	h->refs++;
	return last;
}

/**
 * neigh_route() for an IPv4 destination, if it is the last one again and answers; else MR_NONE16:
 * ask neigh_route().
 */
MR_INLINE uint16_t neigh_route_again(struct neigh *n, uint16_t range, uint32_t dst)
{
	struct nexthop *h = &n->hop[n->last_hop];

	if (MR_UNLIKELY(n->last_hop == MR_NONE16 || n->last_range != range || n->last_dst != dst ||
			h->state != NEXTHOP_REACHABLE))
		return MR_NONE16;
	h->refs++;
	return n->last_hop;
}
/**
 * Next hop towards dst from the range of a local address: on-link or by the gateway; starts
 * resolution; takes a reference. MR_NONE16: no route, nobody's address or the table is full (*why:
 * MR_NO_ROUTE / MR_BAD_ARGUMENT / MR_NO_MEMORY).
 */
uint16_t neigh_route(struct mr_worker *w, uint16_t range, const uint8_t *dst, enum mr_reason *why);
/** The last reference of an entry went: see neigh_unref() in worker.h. */
void neigh_unused(struct mr_worker *w, uint16_t hop);
/**
 * Sends m, a complete frame built with the hop's l2, or keeps it until the destination MAC is
 * known; a newer frame replaces one that waits. Takes m.
 */
void neigh_send(struct mr_worker *w, uint16_t hop, struct rte_mbuf *m);
/**
 * Gratuitous ARP and unsolicited NA for the local addresses of the port, at most 1024 a round, two
 * rounds (RFC 5227 2.3), paced by neigh_turn. The first worker of a group speaks for all.
 */
void neigh_announce(struct mr_worker *w, uint16_t port);
/** Timers: resolution retries, expiry; bounded. True if something was done. */
bool neigh_turn(struct mr_worker *w);
/** Milliseconds during which neigh_turn will find nothing (0 .. max_ms). */
uint32_t neigh_idle_ms(const struct mr_worker *w, uint32_t max_ms);

/* What a neighbour said of itself, heard here or by another worker (by mail). */
enum neigh_update_flag {
	NEIGH_SOLICITED = 1,	/* an answer to a question: two-way reachability is proven */
	NEIGH_OVERRIDE = 2,	/* a known MAC may be replaced */
	NEIGH_HAS_MAC = 4,
};
struct neigh_update {
	uint8_t family, flags;
	uint16_t port, vlan, vlan_outer;
	uint8_t ip[16], mac[6];
};
/** Updates the entry of u->ip, if there is one; true: there is. Creates none. */
bool neigh_apply(struct mr_worker *w, const struct neigh_update *u);
/** Same, here and on the other workers of the group. */
bool neigh_heard(struct mr_worker *w, const struct neigh_update *u);
/** The same, and makes an entry for who asked us for the local address laddr. */
void neigh_heard_asking(struct mr_worker *w, const struct neigh_update *u, uint16_t laddr);

/* ---- ctl.c: ARP, neighbour discovery, ICMP ---- */
/** Answers ARP and learns from it. Takes m. */
void neigh_arp_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
		     const struct wire_frame *f);
/**
 * Asks who has the entry's address: everybody, or in PROBE the station that had it. Counts the
 * probe.
 */
void ctl_ask(struct mr_worker *w, struct nexthop *h);
/** Gratuitous ARP or unsolicited NA for one local address. */
void ctl_announce(struct mr_worker *w, uint16_t laddr);
/** Echo, errors, NDP. Takes m. */
void icmp_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f);
/**
 * An ICMP error whose quoted packet may be ours; `forward`: if it is not, it goes round the group,
 * from worker to worker; the last one counts it as stray.
 */
struct icmp_error {
	uint8_t family, kind;		/* enum wire_icmp_kind */
	uint8_t type, code;
	bool hard;			/* the destination cannot be reached, now or later */
	uint8_t hops_left;		/* workers that it may still be passed on to */
	uint16_t port, vlan, vlan_outer;	/* where the quoted packet left */
	uint8_t src[16], dst[16];	/* of the quoted packet: src is ours */
	uint16_t sport, dport;
	uint32_t seq, mtu;
};
void icmp_error_input(struct mr_worker *w, const struct icmp_error *e, bool forward);
enum icmp_outcome { ICMP_DONE, ICMP_STRAY, ICMP_NOT_HERE };
/** Same for this worker only; counts nothing. */
enum icmp_outcome icmp_error_apply(struct mr_worker *w, const struct icmp_error *e);

#endif /* MR_NEIGH_H */
