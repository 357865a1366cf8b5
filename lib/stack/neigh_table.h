/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table behind neigh.c: entries found by key (hash chains), and reused when nobody refers to
 * them. Private to neigh.c. Owns places and links; knows nothing of ARP, timers or frames.
 *
 * An entry is never given back: it stays a neighbour that may be found again until its place is
 * needed (lazy reuse), so places are handed out by counting up `used`, then from the queue of idle
 * entries.
 */
#ifndef MR_NEIGH_TABLE_H
#define MR_NEIGH_TABLE_H

#include <string.h>

#include <rte_ether.h>

#include "octets.h"
#include "worker.h"

#define NEIGH_IDLE_POPS	256u	/* entries of the idle queue looked at for one place */

/* Keyed, so that no choice of MACs or addresses makes a long chain. */
static inline uint16_t *chain_of(struct mr_worker *w, uint64_t where, const uint8_t id[16])
{
	const uint64_t words[3] = {where, wire_load64(id), wire_load64(id + 8)};

	return &w->neigh.hash[mr_sip13_words(&w->key_table, words, 3) & w->neigh.hash_mask];
}

static inline uint16_t hop_find(struct mr_worker *w, uint64_t where, const uint8_t id[16])
{
	uint16_t i = *chain_of(w, where, id);

	while (i != MR_NONE16) {
		const struct nexthop *h = &w->neigh.hop[i];

		if (h->where == where && memcmp(h->id, id, 16) == 0)
			break;
		i = h->hash_next;
	}
	return i;
}

static inline void idle_push(struct neigh *n, uint16_t i)
{
	struct nexthop *h = &n->hop[i];

	if (h->queued)
		return;
	h->queued = true;
	h->idle_next = MR_NONE16;
	if (n->idle_tail == MR_NONE16)
		n->idle_head = i;
	else
		n->hop[n->idle_tail].idle_next = i;
	n->idle_tail = i;
}

static inline uint16_t idle_pop(struct neigh *n)
{
	uint16_t i = n->idle_head;

	if (i == MR_NONE16)
		return i;
	n->idle_head = n->hop[i].idle_next;
	if (n->idle_head == MR_NONE16)
		n->idle_tail = MR_NONE16;
	n->hop[i].queued = false;
	return i;
}

static inline void hop_forget(struct mr_worker *w, uint16_t i)
{
	struct neigh *n = &w->neigh;
	struct nexthop *h = &n->hop[i];
	uint16_t *link = chain_of(w, h->where, h->id);

	MR_ASSERT(h->refs == 0 && h->state != NEXTHOP_FREE);
	if (n->last_hop == i)
		n->last_hop = MR_NONE16;
	while (*link != i) {
		MR_ASSERT(*link != MR_NONE16);
		link = &n->hop[*link].hash_next;
	}
	*link = h->hash_next;
	if (h->pending != NULL) {
		mr_count(&w->counters, MR_C_NEIGH_QUEUE_DROP);
		rte_pktmbuf_free(h->pending);
	}
	if (h->state != NEXTHOP_LEARNED)
		n->resolved--;
}

/* A place for a new entry: one never used, else the one that fell idle first. The queue also holds
 * entries in use again; each is passed over once per time it fell idle. */
static inline uint16_t hop_take(struct mr_worker *w)
{
	struct neigh *n = &w->neigh;

	if (n->used < n->capacity)
		return (uint16_t)n->used++;
	for (uint32_t k = 0; k < NEIGH_IDLE_POPS; k++) {
		uint16_t i = idle_pop(n);

		if (i == MR_NONE16)
			return i;
		if (n->hop[i].refs == 0) {
			hop_forget(w, i);
			return i;
		}
	}
	return MR_NONE16;
}

/* A new entry under its key, nothing else filled in; MR_NONE16: full. */
static inline uint16_t hop_make(struct mr_worker *w, uint64_t where, const uint8_t id[16])
{
	uint16_t i = hop_take(w), *head;
	struct nexthop *h;

	if (i == MR_NONE16)
		return i;
	h = &w->neigh.hop[i];
	head = chain_of(w, where, id);
	*h = (struct nexthop){.where = where, .hash_next = *head, .family = (uint8_t)(where >> 48)};
	memcpy(h->id, id, 16);
	*head = i;
	return i;
}

static inline uint64_t where_resolved(uint8_t family, uint16_t port, uint16_t vlan,
				      uint16_t vlan_outer)
{
	return neigh_where(port, vlan, vlan_outer, NEIGH_KIND(NEIGH_RESOLVED, family));
}

static inline void id_of_ip(uint8_t id[16], uint8_t family, const uint8_t *ip)
{
	memset(id, 0, 16);
	memcpy(id, ip, family == 4 ? 4 : 16);
}

static inline uint16_t ether_type(uint8_t family)
{
	return family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
}


#endif /* MR_NEIGH_TABLE_H */
