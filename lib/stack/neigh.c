/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops: the neighbour table of one worker, routes, resolution and its timers (RFC 1122 2.3.2,
 * RFC 4861 7.3), the pace of announcements. Owns the table and the one frame that waits in an
 * entry. Knows no connection but by the count of references, and no octets of ARP and neighbour
 * discovery: ctl.c reads and writes those messages, the same for both families.
 *
 * Two kinds of entries share the table. A LEARNED one is the station a SYN came from: key (MAC,
 * port, VLANs, family), no timers, no questions. A resolved one has the key (IP, port, VLANs):
 *
 *	      asked             answered               30 s old, in use
 *	new ---------> INCOMPLETE ---------> REACHABLE <================> PROBE
 *	                 |    ^                            answered         |
 *	    3 x silence  v    | wanted again, 1 s later      3 x silence    |
 *	                FAILED  <-------------------------------------------+
 *
 * "Stale" of RFC 4861 is REACHABLE with confirmed_ms in the past: the timer probes it as soon as a
 * connection refers to it. An entry nobody refers to stays until its place is needed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "neigh_table.h"
#include "own_frame.h"
#include "route.h"

#define RETRY_MS	1000u	/* RFC 4861 10: RETRANS_TIMER */
#define PROBES_MAX	3u	/* MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
#define REACHABLE_MS	30000u	/* REACHABLE_TIME */
#define SCAN_PER_MS	64u	/* entries whose timers are looked at in a millisecond */
#define IDLE_MS		50u	/* the timers of a sleeping worker are this late at most */
#define ANNOUNCE_MAX	1024u	/* frames of one round */
#define ANNOUNCE_BATCH	32u	/* addresses a turn: traffic goes on */
#define ANNOUNCE_ROUNDS	2u	/* RFC 5227 1.1: ANNOUNCE_NUM */
#define ANNOUNCE_GAP_MS	2000u	/* ANNOUNCE_INTERVAL */

/* ---- life of the table ---- */

int neigh_setup(struct mr_worker *w, uint32_t capacity)
{
	struct neigh *n = &w->neigh;
	size_t heads = 16;

	if (capacity == 0 || capacity > MR_NEXTHOP_MAX)
		return -EINVAL;
	while (heads < capacity)
		heads *= 2;
	*n = (struct neigh){.capacity = capacity, .hash_mask = (uint32_t)heads - 1,
			    .idle_head = MR_NONE16, .idle_tail = MR_NONE16,
			    .last_learned = MR_NONE16,
			    .last_hop = MR_NONE16};
	n->hop = aligned_alloc(MR_CACHE_LINE, capacity * sizeof(*n->hop));
	n->hash = malloc(heads * sizeof(*n->hash));
	if (n->hop == NULL || n->hash == NULL)
		return -ENOMEM;
	memset(n->hop, 0, capacity * sizeof(*n->hop));
	memset(n->hash, 0xff, heads * sizeof(*n->hash));	/* MR_NONE16 */
	return 0;
}

void neigh_teardown(struct mr_worker *w)
{
	struct neigh *n = &w->neigh;

	for (uint32_t i = 0; n->hop != NULL && i < n->used; i++)
		rte_pktmbuf_free(n->hop[i].pending);
	free(n->hop);
	free(n->hash);
	n->hop = NULL;
	n->hash = NULL;
}

void neigh_unused(struct mr_worker *w, uint16_t hop) { idle_push(&w->neigh, hop); }

/* ---- stations that SYNs come from ---- */

static MR_NOINLINE uint16_t learn_slow(struct mr_worker *w, uint64_t where, const uint8_t *mac,
				       const struct wire_frame *f)
{
	const uint16_t port = (uint16_t)where;
	uint8_t id[16] = {0};
	uint16_t i;

	memcpy(id, mac, 6);
	i = hop_find(w, where, id);
	if (i == MR_NONE16) {
		struct nexthop *h;

		i = hop_make(w, where, id);
		if (i == MR_NONE16)
			return i;
		h = &w->neigh.hop[i];
		h->state = NEXTHOP_LEARNED;
		h->port = port;
		wire_l2_make(&h->l2, mac, w->port[port].mac, f->vlan, f->vlan_outer,
			     ether_type(f->family));
	}
	w->neigh.last_learned = i;
	w->neigh.hop[i].refs++;
	return i;
}

/* HOT PATH: every SYN asks. Two compares when it came from the same station as the last one. */
uint16_t neigh_learn(struct mr_worker *w, uint16_t port, const struct rte_mbuf *m,
		     const struct wire_frame *f)
{
	const uint64_t where = neigh_where(port, f->vlan, f->vlan_outer,
					  NEIGH_KIND(NEIGH_LEARNED, f->family));
	const uint16_t last = w->neigh.last_learned;
	uint8_t copy[6];
	const uint8_t *mac = rte_pktmbuf_read(m, 6, 6, copy);

	MR_CHECK(mac != NULL);	/* wire_parse() has read the Ethernet header */
	if (MR_LIKELY(last != MR_NONE16)) {
		struct nexthop *h = &w->neigh.hop[last];

		if (MR_LIKELY(h->where == where &&
			      wire_load32(h->l2.octets) == wire_load32(mac) &&
			      wire_load16(h->l2.octets + 4) == wire_load16(mac + 4))) {
			h->refs++;
			return last;
		}
	}
	return learn_slow(w, where, mac, f);
}

/* ---- resolution ---- */

static void resolve(struct mr_worker *w, struct nexthop *h)
{
	h->state = NEXTHOP_INCOMPLETE;
	h->probes = 0;
	memset(h->l2.octets, 0, 6);
	ctl_ask(w, h);
}

/* A failed neighbour is asked again when somebody wants it, at most once a second. */
static void resolve_again(struct mr_worker *w, struct nexthop *h)
{
	if (h->state == NEXTHOP_FAILED && w->now_ms - h->asked_ms >= RETRY_MS)
		resolve(w, h);
}

void neigh_send(struct mr_worker *w, uint16_t hop, struct rte_mbuf *m)
{
	struct nexthop *h = &w->neigh.hop[hop];

	MR_ASSERT(hop < w->neigh.used && h->state != NEXTHOP_FREE);
	resolve_again(w, h);
	if (h->state != NEXTHOP_INCOMPLETE && h->state != NEXTHOP_FAILED) {
		tx_push(w, h->port, m, frame_class(h, m));
		return;
	}
	if (h->pending != NULL) {
		mr_count(&w->counters, MR_C_NEIGH_QUEUE_DROP);
		rte_pktmbuf_free(h->pending);
	}
	h->pending = m;		/* FAILED: the timer reports it to its connection */
}

static void send_pending(struct mr_worker *w, struct nexthop *h)
{
	struct rte_mbuf *m = h->pending;

	if (m == NULL)
		return;
	h->pending = NULL;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), h->l2.octets, 6);
	tx_push(w, h->port, m, frame_class(h, m));
}

/* ---- what neighbours say ---- */

static void make_reachable(struct mr_worker *w, struct nexthop *h, const uint8_t *mac,
			   bool solicited)
{
	if (mac != NULL)
		memcpy(h->l2.octets, mac, 6);
	h->state = NEXTHOP_REACHABLE;
	h->probes = 0;
	h->confirmed_ms = solicited ? w->now_ms : w->now_ms - REACHABLE_MS;
	send_pending(w, h);
}

/* RFC 4861 7.2.5, for entries whose MAC is known. */
static void update_known(struct mr_worker *w, struct nexthop *h, const struct neigh_update *u)
{
	const bool news = (u->flags & NEIGH_HAS_MAC) != 0 && memcmp(h->l2.octets, u->mac, 6) != 0;
	const bool solicited = (u->flags & NEIGH_SOLICITED) != 0;

	if (news && (u->flags & NEIGH_OVERRIDE) == 0) {
		if (h->state == NEXTHOP_REACHABLE)
			h->confirmed_ms = w->now_ms - REACHABLE_MS;
		return;
	}
	if (news || solicited)
		make_reachable(w, h, news ? u->mac : NULL, solicited);
}

bool neigh_apply(struct mr_worker *w, const struct neigh_update *u)
{
	uint8_t id[16];
	struct nexthop *h;
	uint16_t i;

	id_of_ip(id, u->family, u->ip);
	i = hop_find(w, where_resolved(u->family, u->port, u->vlan, u->vlan_outer), id);
	if (i == MR_NONE16)
		return false;
	h = &w->neigh.hop[i];
	if (h->state == NEXTHOP_REACHABLE || h->state == NEXTHOP_PROBE)
		update_known(w, h, u);
	else if (u->flags & NEIGH_HAS_MAC)
		make_reachable(w, h, u->mac, (u->flags & NEIGH_SOLICITED) != 0);
	return true;
}

bool neigh_heard(struct mr_worker *w, const struct neigh_update *u)
{
	const struct mail_msg msg = {.kind = MAIL_NEIGH, .u.neigh = *u};

	mail_broadcast(w, &msg);
	return neigh_apply(w, u);
}

static uint16_t make_resolved(struct mr_worker *w, uint16_t range, const uint8_t id[16],
			      const uint8_t *mac)
{
	const struct laddr_range *r = &w->range[range];
	uint16_t i = hop_make(w, where_resolved(r->family, r->port, r->vlan, r->vlan_outer), id);
	struct nexthop *h;

	if (i == MR_NONE16) {
		mr_count(&w->counters, MR_C_NEIGH_FULL);
		return i;
	}
	h = &w->neigh.hop[i];
	h->port = r->port;
	h->range = range;
	wire_l2_make(&h->l2, mac, w->port[r->port].mac, r->vlan, r->vlan_outer,
		     ether_type(r->family));
	w->neigh.resolved++;
	return i;
}

/* RFC 826: who asks us is likely to be sent to. Only on-link, so that the table holds nothing a
 * route could not name. */
void neigh_heard_asking(struct mr_worker *w, const struct neigh_update *u, uint16_t laddr)
{
	const uint16_t range = w->range_of[laddr];
	uint8_t id[16];
	uint16_t i;

	if (neigh_heard(w, u) || (u->flags & NEIGH_HAS_MAC) == 0)
		return;
	if (!route_on_link(&w->range[range], u->ip) || route_broadcast(&w->range[range], u->ip))
		return;
	id_of_ip(id, u->family, u->ip);
	i = make_resolved(w, range, id, u->mac);
	if (i == MR_NONE16)
		return;
	make_reachable(w, &w->neigh.hop[i], NULL, false);
	idle_push(&w->neigh, i);
}

/* ---- routes ---- */

static MR_NOINLINE uint16_t route_new(struct mr_worker *w, uint16_t range, const uint8_t id[16],
				      enum mr_reason *why)
{
	static const uint8_t unknown[6];
	const struct laddr_range *r = &w->range[range];
	uint16_t i;

	*why = MR_BAD_ARGUMENT;
	if (route_broadcast(r, id))
		return MR_NONE16;	/* MUST-46 */
	*why = MR_NO_ROUTE;
	if (laddr_find_any(w, r->family, r->port, id) != MR_NONE16)
		return MR_NONE16;	/* nobody would answer: a port does not hear itself */
	*why = MR_NO_MEMORY;
	i = make_resolved(w, route_asker(w, range, id), id, unknown);
	if (i == MR_NONE16)
		return i;
	*why = MR_OK;
	resolve(w, &w->neigh.hop[i]);
	return i;
}

uint16_t neigh_route(struct mr_worker *w, uint16_t range, const uint8_t *dst, enum mr_reason *why)
{
	const struct laddr_range *r = &w->range[range];
	const uint8_t *next;
	uint8_t id[16];
	uint16_t i;

	MR_ASSERT(range < w->nranges);
	next = route_next(w, r, dst);
	if (next == NULL) {
		*why = MR_NO_ROUTE;
		return MR_NONE16;
	}
	id_of_ip(id, r->family, next);
	i = hop_find(w, where_resolved(r->family, r->port, r->vlan, r->vlan_outer), id);
	if (i == MR_NONE16)
		i = route_new(w, range, id, why);
	if (i == MR_NONE16)
		return i;
	if (r->family == 4) {
		w->neigh.last_range = range;
		w->neigh.last_dst = wire_load32(dst);
		w->neigh.last_hop = i;
	}
	w->neigh.hop[i].refs++;
	resolve_again(w, &w->neigh.hop[i]);
	return i;
}

/* ---- timers ---- */

/* A frame that will never be sent: its connection learns that nobody answers there. Our own finding
 * is certain, unlike an ICMP message. */
static bool report_pending(struct mr_worker *w, struct nexthop *h)
{
	const struct laddr_range *r = &w->range[h->range];
	struct icmp_error e = {
		.family = h->family, .kind = WIRE_ICMP_UNREACHABLE, .hard = true,
		.port = r->port, .vlan = r->vlan, .vlan_outer = r->vlan_outer,
	};

	if (h->pending == NULL)
		return false;
	frame_quote(h, h->pending, &e);
	mr_count(&w->counters, MR_C_NEIGH_QUEUE_DROP);
	rte_pktmbuf_free(h->pending);
	h->pending = NULL;
	icmp_error_apply(w, &e);
	return true;
}

/* RFC 4861 7.2.2, 7.3.3: asked three times, a second apart. True: something was done. */
static bool retry(struct mr_worker *w, struct nexthop *h)
{
	if (w->now_ms - h->asked_ms < RETRY_MS)
		return false;
	if (h->probes < PROBES_MAX) {
		ctl_ask(w, h);
		return true;
	}
	h->state = NEXTHOP_FAILED;
	h->asked_ms = w->now_ms;
	mr_count(&w->counters, MR_C_NEIGH_FAILED);
	report_pending(w, h);
	return true;
}

static bool hop_timer(struct mr_worker *w, struct nexthop *h)
{
	switch ((enum nexthop_state)h->state) {
	case NEXTHOP_INCOMPLETE:
	case NEXTHOP_PROBE:
		return retry(w, h);
	case NEXTHOP_REACHABLE:
		if (h->refs == 0 || w->now_ms - h->confirmed_ms < REACHABLE_MS)
			return false;
		h->state = NEXTHOP_PROBE;
		h->probes = 0;
		ctl_ask(w, h);
		return true;
	case NEXTHOP_FAILED:
		return report_pending(w, h);
	case NEXTHOP_LEARNED:
	case NEXTHOP_FREE:
		return false;
	}
	return false;
}

/* ---- announcements ---- */

static void announce_start(struct mr_worker *w, uint32_t due_ms)
{
	struct neigh_announce *a = &w->neigh.announce;

	a->next = 0;
	a->left = ANNOUNCE_MAX;
	a->due_ms = due_ms;
}

static bool announce_turn(struct mr_worker *w)
{
	struct neigh_announce *a = &w->neigh.announce;

	if (a->ports == 0 || (int32_t)(w->now_ms - a->due_ms) < 0)
		return false;
	for (uint32_t k = 0; k < ANNOUNCE_BATCH && a->left != 0 && a->next < w->naddrs; k++) {
		uint16_t laddr = (uint16_t)a->next++;

		if ((a->ports >> laddr_range_of(w, laddr)->port & 1) == 0)
			continue;
		ctl_announce(w, laddr);
		a->left--;
	}
	if (a->left == 0 || a->next == w->naddrs) {
		if (--a->rounds == 0)
			a->ports = 0;
		announce_start(w, w->now_ms + ANNOUNCE_GAP_MS);
	}
	return true;
}

void neigh_announce(struct mr_worker *w, uint16_t port)
{
	if (w->id != w->group_first)
		return;
	w->neigh.announce.ports |= 1u << port;
	w->neigh.announce.rounds = ANNOUNCE_ROUNDS;
	announce_start(w, w->now_ms);
	announce_turn(w);
}

/* ---- the turn ---- */

bool neigh_turn(struct mr_worker *w)
{
	struct neigh *n = &w->neigh;
	uint32_t steps = MR_MIN(n->used, SCAN_PER_MS);
	bool did = announce_turn(w);

	if (n->resolved == 0 || n->turn_ms == w->now_ms)
		return did;
	n->turn_ms = w->now_ms;
	while (steps-- != 0) {
		if (n->turn_index >= n->used)
			n->turn_index = 0;
		did |= hop_timer(w, &n->hop[n->turn_index++]);
	}
	return did;
}

uint32_t neigh_idle_ms(const struct mr_worker *w, uint32_t max_ms)
{
	const struct neigh_announce *a = &w->neigh.announce;
	uint32_t ms = w->neigh.resolved != 0 ? MR_MIN(max_ms, IDLE_MS) : max_ms;
	int32_t wait = (int32_t)(a->due_ms - w->now_ms);

	return a->ports != 0 ? MR_MIN(ms, (uint32_t)MR_MAX(wait, 0)) : ms;
}
