/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The answer to an echo request: RFC 1122 3.2.2.6, RFC 4443 4.2. It is the request turned round, in
 * its own mbuf where that is ours alone; one that is larger than the MTU goes back as it came, in
 * fragments. Private to ctl.c.
 */
#ifndef MR_ECHO_H
#define MR_ECHO_H

#include <rte_ether.h>

#include "split.h"
#include "worker.h"

static inline void echo_drop(struct mr_worker *w, struct rte_mbuf *m, enum mr_counter why)
{
	mr_count(&w->counters, why);
	rte_pktmbuf_free(m);
}

/* Makes m its own answer; tags that the port took off come back. False: no room for them. */
static inline bool echo_turn(const struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
			     const struct wire_frame *f)
{
	const uint8_t *our_mac = w->port[port].mac;
	struct wire_l2 l2;
	uint8_t mac[6];
	char *at;

	wire_echo_reply(m, f, our_mac);
	memcpy(mac, rte_pktmbuf_mtod(m, uint8_t *), sizeof(mac));
	wire_l2_make(&l2, mac, our_mac, f->vlan, f->vlan_outer,
		     f->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	if (l2.len == f->l2_len)
		return true;
	at = rte_pktmbuf_adj(m, f->l2_len) != NULL ? rte_pktmbuf_prepend(m, l2.len) : NULL;
	if (at != NULL)
		memcpy(at, l2.octets, l2.len);
	return at != NULL;
}

/* In fragments: the port takes no more than `mtu`. */
static inline void echo_send_split(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
				   const struct ip_split *how)
{
	struct rte_mbuf *part[IP_SPLIT_MAX];
	const unsigned int n = ip_split(m, how, part);

	rte_pktmbuf_free(m);
	if (n == 0) {
		mr_count(&w->counters, MR_C_TX_NO_MBUF);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		tx_push(w, port, part[i], STACK_TX_CTRL);
	mr_count_n(&w->counters, MR_C_FRAG_TX, n);
	mr_count(&w->counters, MR_C_ICMP_ECHO);
}

static inline void echo_send(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
			     const struct wire_frame *f)
{
	const uint32_t ip_len = (uint32_t)f->l3_len + f->l4_len;
	const struct ip_split how = {.family = f->family, .l2_len = (uint8_t)(m->pkt_len - ip_len),
				     .l3_len = f->l3_len, .mtu = w->port[port].mtu,
				     .id = (uint32_t)mr_rng_next(&w->rng), .pool = w->data_pool};

	if (w->port[port].mtu != 0 && ip_len > w->port[port].mtu) {
		echo_send_split(w, port, m, &how);
		return;
	}
	if (m->nb_segs != 1 && !w->port[port].multi_seg) {
		echo_drop(w, m, MR_C_TX_NO_MBUF);
		return;
	}
	mr_count(&w->counters, MR_C_ICMP_ECHO);
	tx_push(w, port, m, STACK_TX_CTRL);
}

/* Not to broadcast or multicast. Takes m. */
static inline void echo_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
			      const struct wire_frame *f)
{
	const uint32_t len = (uint32_t)f->l2_len + f->l3_len + f->l4_len;
	struct wire_ip ip;
	bool ours;

	wire_ip_values(m, f, &ip);
	ours = laddr_find(w, f, port, ip.dst) != MR_NONE16;
	if (!ours || !rate_allow(&w->icmp_rate, w->now_ms)) {
		echo_drop(w, m, ours ? MR_C_ICMP_RATE : MR_C_RX_IP_DEST);
		return;
	}
	if (!mbuf_reusable(m)) {	/* chained or shared: the answer must own its octets */
		struct rte_mbuf *copy = rte_pktmbuf_copy(m, w->data_pool, 0, len);

		rte_pktmbuf_free(m);
		m = copy;
	}
	if (m == NULL || !echo_turn(w, port, m, f)) {
		echo_drop(w, m, MR_C_TX_NO_MBUF);
		return;
	}
	echo_send(w, port, m, f);
}

#endif /* MR_ECHO_H */
