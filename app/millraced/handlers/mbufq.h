/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Octets a handler holds: a queue of mbuf segments linked by `next`, cut into chains again when
 * they are handed on. Owns its segments; never copies an octet; bounded by the receive window,
 * because a handler does not report as consumed what it still holds. HOT PATH: no allocation, no
 * lock, no log, no configuration read, no division.
 */
#ifndef MR_HANDLER_MBUFQ_H
#define MR_HANDLER_MBUFQ_H

#include <rte_mbuf.h>

#include "check.h"

/* mr_send() takes chains up to this. */
#define MBUFQ_CHAIN_MAX 65535u

struct mbufq {
	struct rte_mbuf *head, *tail;
	uint32_t octets;
};

/** Appends a chain; the queue owns it. */
static inline void mbufq_push(struct mbufq *q, struct rte_mbuf *chain)
{
	q->octets += chain->pkt_len;
	if (q->head == NULL)
		q->head = chain;
	else
		q->tail->next = chain;
	for (struct rte_mbuf *seg = chain; seg != NULL; seg = seg->next) {
		seg->nb_segs = 1;
		q->tail = seg;
	}
}

/**
 * Cuts off the leading segments that make at most `max` octets, but at least one segment, as a
 * chain of the caller's. The queue must not be empty.
 */
static inline struct rte_mbuf *mbufq_cut(struct mbufq *q, uint32_t max)
{
	struct rte_mbuf *first = q->head, *last = first;

	MR_ASSERT(first != NULL);
	first->pkt_len = first->data_len;
	first->nb_segs = 1;
	while (last->next != NULL && first->pkt_len + last->next->data_len <= max &&
	       first->nb_segs < RTE_MBUF_MAX_NB_SEGS) {
		last = last->next;
		first->pkt_len += last->data_len;
		first->nb_segs++;
	}
	q->head = last->next;
	if (q->head == NULL)
		q->tail = NULL;
	last->next = NULL;
	q->octets -= first->pkt_len;
	return first;
}

/** Puts a chain that mbufq_cut() gave back in front. */
static inline void mbufq_uncut(struct mbufq *q, struct rte_mbuf *chain)
{
	struct mbufq rest = *q;

	*q = (struct mbufq){0};
	mbufq_push(q, chain);
	if (rest.head == NULL)
		return;
	q->tail->next = rest.head;
	q->tail = rest.tail;
	q->octets += rest.octets;
}

/** Drops the first n octets, at most what the first segment holds. */
static inline void mbufq_trim(struct mbufq *q, uint32_t n)
{
	struct rte_mbuf *seg = q->head;

	MR_ASSERT(seg != NULL && n <= seg->data_len);
	q->octets -= n;
	seg->data_off = (uint16_t)(seg->data_off + n);
	seg->data_len = (uint16_t)(seg->data_len - n);
	if (seg->data_len > 0)
		return;
	q->head = seg->next;
	if (q->head == NULL)
		q->tail = NULL;
	seg->next = NULL;
	rte_pktmbuf_free_seg(seg);
}

/** Frees all; returns how many octets that were. */
static inline uint32_t mbufq_drop(struct mbufq *q)
{
	uint32_t octets = q->octets;

	rte_pktmbuf_free(q->head);
	*q = (struct mbufq){0};
	return octets;
}

#endif /* MR_HANDLER_MBUFQ_H */
