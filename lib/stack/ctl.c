/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control messages, received and sent: ARP (RFC 826, 5227), neighbour discovery (RFC 4861), ICMP echo and
 * errors (RFC 792, 4443, 5927). What they say of neighbours goes to neigh.c; what they say of a
 * connection goes through lib/tcp to react.c. Owns no state. Octets are lib/wire's (its ctl.h).
 */
#include <string.h>

#include <rte_ether.h>

#include "octets.h"
#include "worker.h"

#define DEFEND_GAP_MS	10000u	/* RFC 5227 1.1: DEFEND_INTERVAL */
/* RFC 1191 3, RFC 8201 4: below these no path is; an error that says so is wrong or malicious. */
#define PATH_MTU4_MIN	576u
#define PATH_MTU6_MIN	1280u

static const uint8_t mac_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void drop(struct mr_worker *w, struct rte_mbuf *m, enum mr_counter why)
{
	mr_count(&w->counters, why);
	rte_pktmbuf_free(m);
}

/* ---- frames to the wire ---- */

static struct rte_mbuf *reuse(struct mr_worker *w, struct rte_mbuf *m)
{
	if (MR_LIKELY(mbuf_reusable(m))) {
		rte_pktmbuf_reset(m);
		return m;
	}
	rte_pktmbuf_free(m);
	return ctl_mbuf(w);
}

/* Where an ARP frame goes: station and VLAN. */
struct arp_way {
	const uint8_t *dst;
	uint16_t port, vlan, vlan_outer;
};

static void send_arp(struct mr_worker *w, struct rte_mbuf *m, const struct arp_way *way,
		     struct wire_arp *arp)
{
	const uint8_t *our_mac = w->port[way->port].mac;
	struct wire_l2 l2;

	wire_l2_make(&l2, way->dst, our_mac, way->vlan, way->vlan_outer, RTE_ETHER_TYPE_ARP);
	memcpy(arp->sender_mac, our_mac, 6);
	wire_build_arp(m, &l2, arp);
	mr_count(&w->counters, MR_C_ARP_TX);
	tx_push(w, way->port, m, STACK_TX_CTRL);
}

/* Without an mbuf the question counts as asked and lost. */
void ctl_ask(struct mr_worker *w, struct nexthop *h)
{
	const struct laddr_range *r = &w->range[h->range];
	const bool known = h->state == NEXTHOP_PROBE;
	struct rte_mbuf *m = ctl_mbuf(w);
	uint8_t ours[16];

	h->asked_ms = w->now_ms;
	h->probes++;
	if (m == NULL)
		return;
	laddr_get(w, (uint16_t)r->first, ours);
	if (h->family == 4) {
		struct wire_arp arp = {.op = 1};
		struct arp_way way = {known ? h->l2.octets : mac_broadcast, r->port, r->vlan,
				      r->vlan_outer};

		memcpy(arp.sender_ip, ours, 4);
		memcpy(arp.target_ip, h->id, 4);
		send_arp(w, m, &way, &arp);
		return;
	}
	wire_build_ns(m, w->port[r->port].mac, ours, h->id, r->vlan, r->vlan_outer);
	if (known)	/* RFC 6085 2: an IPv6 multicast may be sent to one station's MAC */
		memcpy(rte_pktmbuf_mtod(m, uint8_t *), h->l2.octets, 6);
	mr_count(&w->counters, MR_C_NDP_TX);
	tx_push(w, r->port, m, STACK_TX_CTRL);
}

void ctl_announce(struct mr_worker *w, uint16_t laddr)
{
	const struct laddr_range *r = laddr_range_of(w, laddr);
	struct rte_mbuf *m = ctl_mbuf(w);
	uint8_t ip[16];

	if (m == NULL)
		return;
	laddr_get(w, laddr, ip);
	if (r->family == 4) {		/* RFC 5227 2.3: a request for one's own address */
		struct wire_arp arp = {.op = 1};
		const struct arp_way way = {mac_broadcast, r->port, r->vlan, r->vlan_outer};

		memcpy(arp.sender_ip, ip, 4);
		memcpy(arp.target_ip, ip, 4);
		send_arp(w, m, &way, &arp);
		return;
	}
	/* RFC 4861 7.2.6 */
	wire_build_na(m, w->port[r->port].mac, ip, NULL, NULL, false, r->vlan, r->vlan_outer);
	mr_count(&w->counters, MR_C_NDP_TX);
	tx_push(w, r->port, m, STACK_TX_CTRL);
}

/* Another station uses an address of ours: RFC 5227 2.4 (b), also for IPv6 (RFC 4862 5.4.4). */
static void conflict(struct mr_worker *w, uint16_t laddr)
{
	struct neigh *n = &w->neigh;

	mr_count(&w->counters, MR_C_NEIGH_CONFLICT);
	if (n->defend_ms != 0 && w->now_ms - n->defend_ms < DEFEND_GAP_MS)
		return;
	n->defend_ms = MR_MAX(w->now_ms, 1u);
	ctl_announce(w, laddr);
}

/* ---- ARP ---- */

static void arp_answer(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f,
		       const struct wire_arp *asked)
{
	const struct arp_way way = {asked->sender_mac, port, f->vlan, f->vlan_outer};
	struct wire_arp answer = {.op = 2};

	m = reuse(w, m);
	if (m == NULL)
		return;
	memcpy(answer.sender_ip, asked->target_ip, 4);
	memcpy(answer.target_mac, asked->sender_mac, 6);
	memcpy(answer.target_ip, asked->sender_ip, 4);
	send_arp(w, m, &way, &answer);
}

/* ARP that asks or tells others: only what is known already is brought up to date (RFC 826), also by
 * the announcement of an address that moved (RFC 5227 3). */
static void arp_overheard(struct mr_worker *w, const struct wire_arp *arp, struct neigh_update *u)
{
	const bool announcement = memcmp(arp->sender_ip, arp->target_ip, 4) == 0;

	u->flags = NEIGH_HAS_MAC | NEIGH_OVERRIDE;
	if (!(announcement ? neigh_heard(w, u) : neigh_apply(w, u)))
		mr_count(&w->counters, MR_C_RX_ARP_BAD);
}

/* For the local address laddr. A reply that nobody waits for makes no entry. */
static bool arp_for_us(struct mr_worker *w, const struct wire_arp *arp, struct neigh_update *u, uint16_t laddr)
{
	const bool reply = arp->op == 2;

	mr_count(&w->counters, reply ? MR_C_ARP_REPLY_RX : MR_C_ARP_REQUEST_RX);
	u->flags = NEIGH_HAS_MAC | NEIGH_OVERRIDE | (reply ? NEIGH_SOLICITED : 0);
	if (reply)
		neigh_heard(w, u);
	else if (wire_load32(u->ip) != 0)	/* RFC 5227 2.1.1: a probe claims no address */
		neigh_heard_asking(w, u, laddr);
	return !reply;
}

void neigh_arp_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f)
{
	struct neigh_update u = {.family = 4, .port = port, .vlan = f->vlan, .vlan_outer = f->vlan_outer};
	struct wire_frame at = *f;
	uint16_t sender, target;
	struct wire_arp arp;
	uint32_t ip;

	wire_arp_values(m, f, &arp);
	memcpy(u.ip, arp.sender_ip, 4);
	memcpy(u.mac, arp.sender_mac, 6);
	ip = wire_be32(wire_load32(arp.sender_ip));
	if (arp.op - 1u > 1u || wire_mac_is_group(arp.sender_mac) || (ip != 0 && !wire_ip4_is_host(ip))) {
		drop(w, m, MR_C_RX_ARP_BAD);
		return;
	}
	at.family = 4;
	sender = laddr_find(w, &at, port, arp.sender_ip);
	target = laddr_find(w, &at, port, arp.target_ip);
	if (sender != MR_NONE16) {
		if (memcmp(arp.sender_mac, w->port[port].mac, 6) != 0)
			conflict(w, sender);
	} else if (target == MR_NONE16) {
		arp_overheard(w, &arp, &u);
	} else if (arp_for_us(w, &arp, &u, target)) {
		arp_answer(w, port, m, f, &arp);
		return;
	}
	rte_pktmbuf_free(m);
}

/* ---- neighbour discovery ---- */

/* RFC 4861 7.2.4. A solicitation without a link-layer address came from that station all the same. */
static void nd_answer(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f,
		      const struct wire_icmp *nd)
{
	uint8_t mac[6], copy[6];
	struct wire_ip ip;

	wire_ip_values(m, f, &ip);
	memcpy(mac, nd->nd_has_lladdr ? nd->nd_lladdr : rte_pktmbuf_read(m, 6, 6, copy), 6);
	m = reuse(w, m);
	if (m == NULL)
		return;
	/* 7.2.4: to all nodes when the question came from :: (somebody wants our address). */
	wire_build_na(m, w->port[port].mac, nd->nd_target, mac, nd->nd_dad ? NULL : ip.src,
		      !nd->nd_dad, f->vlan, f->vlan_outer);
	mr_count(&w->counters, MR_C_NDP_TX);
	tx_push(w, port, m, STACK_TX_CTRL);
}

static struct neigh_update nd_update(uint16_t port, const struct wire_frame *f, const struct wire_icmp *nd)
{
	struct neigh_update u = {
		.family = 6, .port = port, .vlan = f->vlan, .vlan_outer = f->vlan_outer,
		.flags = nd->nd_has_lladdr ? NEIGH_HAS_MAC : 0,
	};

	memcpy(u.mac, nd->nd_lladdr, 6);
	return u;
}

/* RFC 4861 7.2.3. Takes m. */
static void nd_solicited(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f,
			 const struct wire_icmp *nd)
{
	struct neigh_update u = nd_update(port, f, nd);
	uint16_t laddr = laddr_find(w, f, port, nd->nd_target);
	struct wire_ip ip;

	if (laddr == MR_NONE16) {	/* the solicited-node group has other members too */
		drop(w, m, MR_C_ICMP_IGNORED);
		return;
	}
	mr_count(&w->counters, MR_C_NDP_NS_RX);
	wire_ip_values(m, f, &ip);
	u.flags |= NEIGH_OVERRIDE;
	memcpy(u.ip, ip.src, 16);
	if (!nd->nd_dad && nd->nd_has_lladdr)
		neigh_heard_asking(w, &u, laddr);
	nd_answer(w, port, m, f, nd);
}

/* RFC 4861 7.2.5: an advertisement makes no entry. Takes m. */
static void nd_advertised(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
			  const struct wire_frame *f, const struct wire_icmp *nd)
{
	struct neigh_update u = nd_update(port, f, nd);
	uint16_t laddr = laddr_find(w, f, port, nd->nd_target);

	mr_count(&w->counters, MR_C_NDP_NA_RX);
	memcpy(u.ip, nd->nd_target, 16);
	u.flags |= (nd->nd_solicited ? NEIGH_SOLICITED : 0) | (nd->nd_override ? NEIGH_OVERRIDE : 0);
	if (laddr == MR_NONE16)
		neigh_heard(w, &u);
	else if (nd->nd_has_lladdr && memcmp(nd->nd_lladdr, w->port[port].mac, 6) != 0)
		conflict(w, laddr);
	rte_pktmbuf_free(m);
}

/* ---- ICMP errors ---- */

/* The connection whose segment an error quotes; c NULL: none here. The quote names ports only: the VLAN
 * the error came on tells overlapping networks apart. */
static struct conn_ref quoted_conn(struct mr_worker *w, const struct icmp_error *e)
{
	const struct wire_frame at = {.family = e->family, .vlan = e->vlan, .vlan_outer = e->vlan_outer};
	struct flow_key key = {.rport = e->dport, .lport = e->sport, .family = e->family};
	struct flows *f = &w->flows[e->family == 6];
	uint32_t index;

	key.laddr = laddr_find(w, &at, e->port, e->src);
	if (!f->on || key.laddr == MR_NONE16)
		return (struct conn_ref){0};
	memcpy(key.raddr, e->dst, e->family == 4 ? 4 : 16);
	index = table_find(&f->table, &key, flow_hash(&w->key_table, &key));
	return index == TABLE_NIL ? (struct conn_ref){0} : conn_at(f, index);
}

/* RFC 1191 6.3, RFC 8201: segments get smaller; what was lost comes again by the retransmission timer.
 * Never larger, and never below what every path must carry. */
static void lower_mss(struct mr_worker *w, struct tcp_conn *c, const struct icmp_error *e)
{
	const uint32_t headers = e->family == 4 ? 40 : 60;
	const uint32_t least = e->family == 4 ? PATH_MTU4_MIN : PATH_MTU6_MIN;

	if (e->mtu < least || e->mtu - headers >= c->mss)
		return;
	c->mss = (uint16_t)(e->mtu - headers);
	mr_count(&w->counters, MR_C_ICMP_PATH_MTU);
}

enum icmp_outcome icmp_error_apply(struct mr_worker *w, const struct icmp_error *e)
{
	struct conn_ref r = quoted_conn(w, e);
	struct tcp_verdict v = {0};
	unsigned int was;

	if (r.c == NULL)
		return ICMP_NOT_HERE;
	/* RFC 5927 4: SND.UNA <= SEG.SEQ < SND.NXT; a SYN in flight counts one. */
	if ((r.c->spare & CONN_DEAD) != 0 || e->seq - r.c->snd_una >= r.c->snd_nxt - r.c->snd_una)
		return ICMP_STRAY;
	if (e->kind == WIRE_ICMP_TOO_BIG) {
		lower_mss(w, r.c, e);
		return ICMP_DONE;
	}
	was = r.c->state;
	conn_cx(w, r);
	tcp_icmp_error(&w->cx, r.c, e->hard, e->seq, &v);
	react(w, r, was, &v, NULL);
	return ICMP_DONE;
}

void icmp_error_input(struct mr_worker *w, const struct icmp_error *e, bool forward)
{
	const uint8_t hops_left = forward ? (uint8_t)(w->group_count - 1) : e->hops_left;
	const enum icmp_outcome outcome = icmp_error_apply(w, e);
	struct mail_msg msg = {.kind = MAIL_ICMP_ERROR, .u.icmp = *e};

	if (outcome == ICMP_NOT_HERE && hops_left != 0) {
		msg.u.icmp.hops_left = (uint8_t)(hops_left - 1);
		mail_pass(w, &msg);
		return;
	}
	mr_count(&w->counters, outcome == ICMP_DONE ? MR_C_ICMP_ERROR_RX : MR_C_ICMP_ERROR_STRAY);
}

/* RFC 1122 4.2.3.9: protocol, port, and administratively prohibited are hard; net and host unreachable,
 * time exceeded, parameter problem are soft. RFC 4443 3.1 likewise. */
static bool is_hard(const struct wire_icmp *icmp)
{
	if (icmp->kind != WIRE_ICMP_UNREACHABLE)
		return false;
	if (icmp->family == 6)
		return icmp->code == 1 || icmp->code == 4;
	return icmp->code == 2 || icmp->code == 3 || icmp->code == 9 || icmp->code == 10 || icmp->code == 13;
}

/* Takes m. */
static void error_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f,
			const struct wire_icmp *icmp)
{
	struct icmp_error e = {
		.family = f->family, .kind = icmp->kind, .code = icmp->code, .hard = is_hard(icmp),
		.port = port, .vlan = f->vlan, .vlan_outer = f->vlan_outer,
		.sport = icmp->quoted_sport, .dport = icmp->quoted_dport,
		.seq = icmp->quoted_seq, .mtu = icmp->mtu,
	};
	const size_t len = f->family == 4 ? 4 : 16;
	struct wire_ip ip;

	wire_ip_values(m, f, &ip);
	memcpy(e.src, icmp->quoted_src, sizeof(e.src));
	memcpy(e.dst, icmp->quoted_dst, sizeof(e.dst));
	rte_pktmbuf_free(m);
	/* An honest error goes to the sender of what it quotes, and that is one of our addresses. */
	if (!icmp->quoted_tcp || memcmp(ip.dst, e.src, len) != 0 ||
	    laddr_find(w, f, port, e.src) == MR_NONE16) {
		mr_count(&w->counters, MR_C_ICMP_ERROR_STRAY);
		return;
	}
	icmp_error_input(w, &e, true);
}

/* ---- echo ---- */

/* Makes m its own answer; tags that the port took off come back. False: no room for them. */
static bool echo_turn(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f)
{
	struct wire_l2 l2;
	uint8_t mac[6];
	char *at;

	wire_echo_reply(m, f, w->port[port].mac);
	memcpy(mac, rte_pktmbuf_mtod(m, uint8_t *), sizeof(mac));
	wire_l2_make(&l2, mac, w->port[port].mac, f->vlan, f->vlan_outer,
		     f->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	if (l2.len == f->l2_len)
		return true;
	if (rte_pktmbuf_adj(m, f->l2_len) == NULL)
		return false;
	at = rte_pktmbuf_prepend(m, l2.len);
	if (at != NULL)
		memcpy(at, l2.octets, l2.len);
	return at != NULL;
}

/* RFC 1122 3.2.2.6, RFC 4443 4.2; not to broadcast or multicast. Takes m. */
static void echo_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f)
{
	struct wire_ip ip;

	wire_ip_values(m, f, &ip);
	if (laddr_find(w, f, port, ip.dst) == MR_NONE16) {
		drop(w, m, MR_C_RX_IP_DEST);
		return;
	}
	if (!rate_allow(&w->icmp_rate, w->now_ms)) {
		drop(w, m, MR_C_ICMP_RATE);
		return;
	}
	if (!mbuf_reusable(m)) {	/* chained or shared: the answer must own its octets */
		struct rte_mbuf *copy = rte_pktmbuf_copy(m, w->data_pool, 0, UINT32_MAX);

		rte_pktmbuf_free(m);
		m = copy;
	}
	if (m == NULL || (m->nb_segs != 1 && !w->port[port].multi_seg) || !echo_turn(w, port, m, f)) {
		drop(w, m, MR_C_TX_NO_MBUF);
		return;
	}
	mr_count(&w->counters, MR_C_ICMP_ECHO);
	tx_push(w, port, m, STACK_TX_CTRL);
}

void icmp_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f)
{
	struct wire_icmp icmp;

	wire_icmp_values(m, f, &icmp);
	switch ((enum wire_icmp_kind)icmp.kind) {
	case WIRE_ICMP_ECHO_REQUEST:
		echo_input(w, port, m, f);
		break;
	case WIRE_ICMP_UNREACHABLE:
	case WIRE_ICMP_TOO_BIG:
	case WIRE_ICMP_TIME_EXCEEDED:
	case WIRE_ICMP_PARAM_PROBLEM:
		error_input(w, port, m, f, &icmp);
		break;
	case WIRE_ICMP_NEIGH_SOLICIT:
		nd_solicited(w, port, m, f, &icmp);
		break;
	case WIRE_ICMP_NEIGH_ADVERT:
		nd_advertised(w, port, m, f, &icmp);
		break;
	case WIRE_ICMP_SOURCE_QUENCH:	/* RFC 6633 */
	case WIRE_ICMP_OTHER:
		drop(w, m, MR_C_ICMP_IGNORED);
		break;
	case WIRE_ICMP_BAD:
		drop(w, m, icmp.family == 6 && (icmp.type == 135 || icmp.type == 136) ? MR_C_RX_NDP_BAD
										      : MR_C_RX_ICMP_BAD);
		break;
	}
}
