/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Octets a handler holds: a queue of mbuf segments linked by `next`, cut into chains again when
 * they are handed on. Owns its segments; bounded by the receive window, because a handler does not
 * report as consumed what it still holds. That bound is in octets: so that a peer which sends few
 * in each segment cannot hold a pool's worth of mbufs, small segments are copied behind the last
 * one; large ones never are. HOT PATH: no allocation, no lock, no log, no configuration read, no
 * division.
 */
#ifndef MR_HANDLER_MBUFQ_H
#define MR_HANDLER_MBUFQ_H

#include <string.h>

#include <rte_mbuf.h>

#include "check.h"

/* A piece for mr_send(), which would take more, but takes all of a chain or nothing. */
#define MBUFQ_CHAIN_MAX 65535u
/* Segments up to this are copied where the last one has room: a quarter of a payload mbuf. */
#define MBUFQ_COPY_MAX 512u

struct mbufq {
	struct rte_mbuf *head, *tail;
	uint32_t octets;
};

/* Copies the segment behind the last one. False: it is large, or there is no room of our own. */
static inline bool mbufq_merge(struct mbufq *q, const struct rte_mbuf *seg)
{
	struct rte_mbuf *tail = q->tail;

	if (tail == NULL || seg->data_len > MBUFQ_COPY_MAX || !RTE_MBUF_DIRECT(tail) ||
	    rte_mbuf_refcnt_read(tail) != 1 || rte_pktmbuf_tailroom(tail) < seg->data_len)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(tail, char *, tail->data_len),
	       rte_pktmbuf_mtod(seg, const char *), seg->data_len);
	tail->data_len = (uint16_t)(tail->data_len + seg->data_len);
	return true;
}

/** Appends a chain; the queue owns it. Segments without an octet are freed. */
static inline void mbufq_push(struct mbufq *q, struct rte_mbuf *chain)
{
	struct rte_mbuf *next;

	q->octets += chain->pkt_len;
	for (struct rte_mbuf *seg = chain; seg != NULL; seg = next) {
		next = seg->next;
		seg->next = NULL;
		seg->nb_segs = 1;
		if (seg->data_len == 0 || mbufq_merge(q, seg)) {
			rte_pktmbuf_free_seg(seg);
			continue;
		}
		if (q->head == NULL)
			q->head = seg;
		else
			q->tail->next = seg;
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
	struct rte_mbuf *last = rte_pktmbuf_lastseg(chain);

	q->octets += chain->pkt_len;
	last->next = q->head;
	if (q->head == NULL)
		q->tail = last;
	q->head = chain;
	chain->nb_segs = 1;
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
