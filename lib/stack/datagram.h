/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments on their way to the worker that puts their datagram together, and the datagram on its
 * way to the worker it is for. Private to input.c.
 *
 * 1. Fragments have no ports, so that a NIC spreads them otherwise than the segments of a
 *    connection, and some NICs spread the first one unlike the rest. So one worker of the group
 *    owns a datagram, by a hash of what all its fragments have in common (ip_fragment_owner());
 *    whoever receives one for another's datagram mails it there.
 * 2. The datagram is then for the worker that has its connection. ICMP is any worker's business (an
 *    error finds the connection that it quotes by itself). Of TCP:
 *    - Where RSS spreads the port, that worker is computed (tuple_worker()), for new connections as
 *      for old ones: later segments, which are not fragmented, land there.
 *    - Elsewhere nobody can know (one queue, or the peer's queue i is ours): it goes from worker to
 *      worker until one has its connection or TIME_WAIT entry. The last one takes it as if it had
 *      received it: a SYN opens there, and the kernel behind a tap follows its SYN-ACK.
 * A datagram is passed on a bounded number of times, and a full ring drops it, counted.
 */
#ifndef MR_DATAGRAM_H
#define MR_DATAGRAM_H

#include "frag.h"
#include "worker.h"

static inline void drop(struct mr_worker *w, struct rte_mbuf *m, enum mr_counter why)
{
	mr_count(&w->counters, why);
	rte_pktmbuf_free(m);
}

/* Has this worker the connection of the tuple, or its TIME_WAIT entry? */
static inline bool tuple_here(struct mr_worker *w, const struct rx_seg *rx)
{
	const struct flows *f = &w->flows[rx->key.family == 6];

	return f->on && !tuple_free(f, &rx->key, rx->hash);
}

/* Passes a datagram of TCP on if it is another worker's: true, and its mbuf is gone. */
static inline bool passed_on(struct mr_worker *w, const struct mail_frame *whole,
		      const struct wire_frame *f)
{
	struct mail_msg msg = {.kind = MAIL_DATAGRAM, .u.frame = *whole};
	struct rx_seg rx = {.m = whole->m, .port = whole->port, .frame = f};
	unsigned int owner;
	bool sent;

	if (whole->hops_left == 0 || f->kind != WIRE_TCP || !input_key(w, &rx))
		return false;
	if (w->port[whole->port].steer.worker_of != NULL) {
		owner = tuple_worker(w, &rx.key);
		if (owner == w->id || owner - w->group_first >= w->group_count)
			return false;
		msg.u.frame.hops_left = 0;
		sent = mail_to(w, owner, &msg);
	} else {
		if (tuple_here(w, &rx))
			return false;
		msg.u.frame.hops_left--;
		sent = mail_pass(w, &msg);
	}
	if (!sent)
		rte_pktmbuf_free(whole->m);
	return true;
}

/* Here its datagram is put together. Takes m. */
static inline void fragment_keep(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
			  const struct wire_frame *f)
{
	struct mail_frame whole = {.port = port, .hops_left = (uint16_t)(w->group_count - 1)};
	struct wire_ip ip;
	uint16_t laddr;

	wire_ip_values(m, f, &ip);
	laddr = laddr_find(w, f, port, ip.dst);
	if (laddr == MR_NONE16 || w->frags == NULL) {
		drop(w, m, laddr == MR_NONE16 ? MR_C_RX_IP_DEST : MR_C_RX_FRAGMENT);
		return;
	}
	ip_frags_turn(w->frags, w->now_us, &w->counters);
	whole.m = ip_frags_add(w->frags, m, f, laddr, w->cx.mbufs_low);
	if (whole.m != NULL)
		datagram_input(w, &whole);
}

static inline void fragment_arrived(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
			     const struct wire_frame *f)
{
	const unsigned int owner = w->group_first + ip_fragment_owner(m, f, w->group_count);
	const struct mail_msg msg = {.kind = MAIL_FRAGMENT, .u.frame = {.m = m, .port = port}};

	if (owner == w->id || w->frags == NULL)
		fragment_keep(w, port, m, f);
	else if (!mail_to(w, owner, &msg))
		rte_pktmbuf_free(m);
}

/*
 * Cuts a chain down to len octets from off on. What is cut off may be any part of it: headers that
 * span segments, padding that fills several. Emptied segments stay in place, as lib/tcp leaves
 * them. False: there are not as many octets.
 */
static inline bool cut_to_payload(struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t wanted = len;

	for (struct rte_mbuf *s = m; s != NULL; s = s->next) {
		uint16_t front = (uint16_t)MR_MIN(off, s->data_len);

		s->data_off = (uint16_t)(s->data_off + front);
		s->data_len = (uint16_t)MR_MIN(wanted, (uint32_t)(s->data_len - front));
		off -= front;
		wanted -= s->data_len;
	}
	m->pkt_len = len;
	return wanted == 0;
}

#endif /* MR_DATAGRAM_H */
