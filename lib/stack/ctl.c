/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control messages, received and sent: ARP (RFC 826, 5227), neighbour discovery (RFC 4861), ICMP
 * echo and errors (RFC 792, 4443, 5927). What they say of neighbours goes to neigh.c; what they say
 * of a connection goes through lib/tcp to react.c. Owns no state. Octets are lib/wire's (ctl.h).
 */
#include <string.h>

#include <rte_ether.h>

#include "ctl_class.h"
#include "echo.h"
#include "path.h"

#define DEFEND_GAP_MS	10000u	/* RFC 5227 1.1: DEFEND_INTERVAL */

static const uint8_t mac_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* A message at hand and where it came in. Whoever gets it sends m or frees it. */
struct arrival {
	struct mr_worker *w;
	struct rte_mbuf *m;
	const struct wire_frame *f;
	uint16_t port;
};

static void drop(const struct arrival *in, enum mr_counter why)
{
	mr_count(&in->w->counters, why);
	rte_pktmbuf_free(in->m);
}

/* ---- frames to the wire ---- */

/* The mbuf of a message that has been read, emptied for the answer; else a fresh one. */
static struct rte_mbuf *reuse(const struct arrival *in)
{
	if (MR_LIKELY(mbuf_reusable(in->m))) {
		rte_pktmbuf_reset(in->m);
		return in->m;
	}
	rte_pktmbuf_free(in->m);
	return ctl_mbuf(in->w);
}

/* Where an ARP frame goes: station and VLAN. */
struct arp_way {
	const uint8_t *dst;
	uint16_t port, vlan, vlan_outer;
};

static struct arp_way way_of(const struct laddr_range *r)
{
	return (struct arp_way){mac_broadcast, r->port, r->vlan, r->vlan_outer};
}

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

static void send_request(struct mr_worker *w, struct rte_mbuf *m, const struct arp_way *way,
			 const uint8_t *sender, const uint8_t *target)
{
	struct wire_arp arp = {.op = 1};

	memcpy(arp.sender_ip, sender, 4);
	memcpy(arp.target_ip, target, 4);
	send_arp(w, m, way, &arp);
}

/* Without an mbuf the question counts as asked and lost. */
void ctl_ask(struct mr_worker *w, struct nexthop *h)
{
	const struct laddr_range *r = &w->range[h->range];
	const bool known = h->state == NEXTHOP_PROBE;
	struct arp_way way = way_of(r);
	struct rte_mbuf *m = ctl_mbuf(w);
	const struct wire_nd_link link = {w->port[r->port].mac, r->vlan, r->vlan_outer};
	uint8_t ours[16];

	h->asked_ms = w->now_ms;
	h->probes++;
	if (m == NULL)
		return;
	laddr_get(w, (uint16_t)r->first, ours);
	if (h->family == 4) {
		way.dst = known ? h->l2.octets : mac_broadcast;
		send_request(w, m, &way, ours, h->id);
		return;
	}
	wire_build_ns(m, &link, ours, h->id);
	if (known)	/* RFC 6085 2: an IPv6 multicast may be sent to one station's MAC */
		memcpy(rte_pktmbuf_mtod(m, uint8_t *), h->l2.octets, 6);
	mr_count(&w->counters, MR_C_NDP_TX);
	tx_push(w, r->port, m, STACK_TX_CTRL);
}

void ctl_announce(struct mr_worker *w, uint16_t laddr)
{
	const struct laddr_range *r = laddr_range_of(w, laddr);
	const struct arp_way way = way_of(r);
	struct rte_mbuf *m = ctl_mbuf(w);
	const struct wire_nd_link link = {w->port[r->port].mac, r->vlan, r->vlan_outer};
	uint8_t ip[16];

	if (m == NULL)
		return;
	laddr_get(w, laddr, ip);
	if (r->family == 4) {		/* RFC 5227 2.3: a request for one's own address */
		send_request(w, m, &way, ip, ip);
		return;
	}
	/* RFC 4861 7.2.6 */
	wire_build_na(m, &link, ip, NULL, NULL);
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

static struct neigh_update update_from(const struct arrival *in, uint8_t family)
{
	return (struct neigh_update){.family = family, .port = in->port, .vlan = in->f->vlan,
				     .vlan_outer = in->f->vlan_outer};
}

static void arp_answer(const struct arrival *in, const struct wire_arp *asked)
{
	const struct arp_way way = {asked->sender_mac, in->port, in->f->vlan, in->f->vlan_outer};
	struct rte_mbuf *m = reuse(in);
	struct wire_arp answer = {.op = 2};

	if (m == NULL)
		return;
	memcpy(answer.sender_ip, asked->target_ip, 4);
	memcpy(answer.target_mac, asked->sender_mac, 6);
	memcpy(answer.target_ip, asked->sender_ip, 4);
	send_arp(in->w, m, &way, &answer);
}

/* ARP that asks or tells others: only what is known already is brought up to date (RFC 826), also
 * by the announcement of an address that moved (RFC 5227 3). */
static void arp_overheard(const struct arrival *in, const struct wire_arp *arp,
			  struct neigh_update *u)
{
	const bool announcement = memcmp(arp->sender_ip, arp->target_ip, 4) == 0;

	u->flags = NEIGH_HAS_MAC | NEIGH_OVERRIDE;
	if (announcement ? neigh_heard(in->w, u) : neigh_apply(in->w, u))
		rte_pktmbuf_free(in->m);
	else
		drop(in, MR_C_RX_ARP_BAD);
}

/* For the local address laddr. A reply that nobody waits for makes no entry. */
static void arp_for_us(const struct arrival *in, const struct wire_arp *arp, struct neigh_update *u,
		       uint16_t laddr)
{
	u->flags = NEIGH_HAS_MAC | NEIGH_OVERRIDE;
	if (arp->op == 2) {
		mr_count(&in->w->counters, MR_C_ARP_REPLY_RX);
		u->flags |= NEIGH_SOLICITED;
		neigh_heard(in->w, u);
		rte_pktmbuf_free(in->m);
		return;
	}
	mr_count(&in->w->counters, MR_C_ARP_REQUEST_RX);
	if (wire_load32(u->ip) != 0)	/* RFC 5227 2.1.1: a probe claims no address */
		neigh_heard_asking(in->w, u, laddr);
	arp_answer(in, arp);
}

void neigh_arp_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
		     const struct wire_frame *f)
{
	const struct arrival in = {w, m, f, port};
	struct neigh_update u = update_from(&in, 4);
	struct wire_frame at = *f;
	uint16_t sender, target;
	struct wire_arp arp;

	wire_arp_values(m, f, &arp);
	if (!arp_sane(&arp)) {
		drop(&in, MR_C_RX_ARP_BAD);
		return;
	}
	memcpy(u.ip, arp.sender_ip, 4);
	memcpy(u.mac, arp.sender_mac, 6);
	at.family = 4;
	sender = laddr_find(w, &at, port, arp.sender_ip);
	target = laddr_find(w, &at, port, arp.target_ip);
	if (sender != MR_NONE16) {
		if (memcmp(arp.sender_mac, w->port[port].mac, 6) != 0)
			conflict(w, sender);
		rte_pktmbuf_free(m);
	} else if (target == MR_NONE16) {
		arp_overheard(&in, &arp, &u);
	} else {
		arp_for_us(&in, &arp, &u, target);
	}
}

/* ---- neighbour discovery ---- */

/* RFC 4861 7.2.4; to all nodes when the question came from :: (somebody wants our address). Without
 * a link-layer address in it, it came from that station all the same. */
static void nd_answer(const struct arrival *in, const struct wire_icmp *nd)
{
	struct mr_worker *w = in->w;
	const struct wire_nd_link link = {w->port[in->port].mac, in->f->vlan, in->f->vlan_outer};
	uint8_t mac[6], copy[6];
	struct rte_mbuf *m;
	struct wire_ip ip;

	wire_ip_values(in->m, in->f, &ip);
	memcpy(mac, nd->nd_has_lladdr ? nd->nd_lladdr : rte_pktmbuf_read(in->m, 6, 6, copy), 6);
	m = reuse(in);
	if (m == NULL)
		return;
	wire_build_na(m, &link, nd->nd_target, mac, nd->nd_dad ? NULL : ip.src);
	mr_count(&w->counters, MR_C_NDP_TX);
	tx_push(w, in->port, m, STACK_TX_CTRL);
}

/* RFC 4861 7.2.3 */
static void nd_solicited(const struct arrival *in, const struct wire_icmp *nd)
{
	uint16_t laddr = laddr_find(in->w, in->f, in->port, nd->nd_target);
	struct neigh_update u = update_from(in, 6);
	struct wire_ip ip;

	if (laddr == MR_NONE16) {	/* the solicited-node group has other members too */
		drop(in, MR_C_ICMP_IGNORED);
		return;
	}
	mr_count(&in->w->counters, MR_C_NDP_NS_RX);
	wire_ip_values(in->m, in->f, &ip);
	u.flags = NEIGH_HAS_MAC | NEIGH_OVERRIDE;
	memcpy(u.ip, ip.src, 16);
	memcpy(u.mac, nd->nd_lladdr, 6);
	if (!nd->nd_dad && nd->nd_has_lladdr)
		neigh_heard_asking(in->w, &u, laddr);
	nd_answer(in, nd);
}

/* RFC 4861 7.2.5: an advertisement makes no entry. */
static void nd_advertised(const struct arrival *in, const struct wire_icmp *nd)
{
	uint16_t laddr = laddr_find(in->w, in->f, in->port, nd->nd_target);
	struct neigh_update u = update_from(in, 6);

	mr_count(&in->w->counters, MR_C_NDP_NA_RX);
	memcpy(u.ip, nd->nd_target, 16);
	memcpy(u.mac, nd->nd_lladdr, 6);
	u.flags = nd->nd_has_lladdr ? NEIGH_HAS_MAC : 0;
	u.flags |= nd->nd_solicited ? NEIGH_SOLICITED : 0;
	u.flags |= nd->nd_override ? NEIGH_OVERRIDE : 0;
	if (laddr == MR_NONE16)
		neigh_heard(in->w, &u);
	else if (nd->nd_has_lladdr && memcmp(u.mac, in->w->port[in->port].mac, 6) != 0)
		conflict(in->w, laddr);
	rte_pktmbuf_free(in->m);
}

/* ---- ICMP errors ---- */

/* The connection whose segment an error quotes; c NULL: none here. Of overlapping networks it is in
 * the one whose VLAN the error came on. */
static struct conn_ref quoted_conn(struct mr_worker *w, const struct icmp_error *e)
{
	const struct wire_frame at = {.family = e->family, .vlan = e->vlan,
				      .vlan_outer = e->vlan_outer};
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

void path_told(struct mr_worker *w, const struct ip_path *path)
{
	if (!ip_path_lower(w->paths, &path->key, path->mtu, w->now_ms))
		return;
	for (unsigned int i = 0; i < 2; i++)	/* all of them, from now on */
		w->flows[i].sweep_left = w->flows[i].table.capacity;
}

void path_apply(struct mr_worker *w, struct conn_ref r)
{
	if (MR_UNLIKELY(w->paths->live != 0))
		path_look_up(w, r);
}

void path_turn(struct mr_worker *w)
{
	ip_paths_turn(w->paths, w->now_ms);
	path_sweep(w, &w->flows[0]);
	path_sweep(w, &w->flows[1]);
}

/*
 * RFC 1191 6.3, RFC 8201 5.2. Nonsense is below what every path must carry, or not below what we
 * send. RFC 1191 6.5: the segments that were too large are sent again at once, and that is no sign
 * of congestion.
 */
static void path_quoted(struct mr_worker *w, struct conn_ref r, const struct icmp_error *e)
{
	struct mail_msg msg = {.kind = MAIL_PATH};

	if (!path_plausible(e) || path_mss_of(e->family, e->mtu) >= r.c->mss)
		return;
	msg.u.path = (struct ip_path){.key = path_key_of(w, r), .mtu = (uint16_t)e->mtu};
	path_told(w, &msg.u.path);
	mail_broadcast(w, &msg);
	if (path_lower_conn(w, r, e->mtu))
		path_send(w, r);
}

enum icmp_outcome icmp_error_apply(struct mr_worker *w, const struct icmp_error *e)
{
	struct conn_ref r = quoted_conn(w, e);
	struct tcp_verdict v = {0};
	unsigned int was;

	if (r.c == NULL)
		return ICMP_NOT_HERE;
	if ((r.c->spare & CONN_DEAD) != 0 ||
	    !tcp_in_flight(r.c, tcp_ext_of(&w->ext_pool, r.c), e->seq))
		return ICMP_STRAY;
	if (e->kind == WIRE_ICMP_TOO_BIG) {
		path_quoted(w, r, e);
		return ICMP_DONE;
	}
	was = tcp_state(r.c);
	conn_cx(w, r);
	if (!e->hard || was != TCP_SYN_SENT)
		tcp_soft_error(&w->cx, r.c, (uint16_t)(e->type << 8 | e->code));
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

static void error_input(const struct arrival *in, const struct wire_icmp *icmp)
{
	struct icmp_error e = {
		.family = icmp->family, .kind = icmp->kind, .type = icmp->type, .code = icmp->code,
		.hard = is_hard(icmp),
		.port = in->port, .vlan = in->f->vlan, .vlan_outer = in->f->vlan_outer,
		.sport = icmp->quoted_sport, .dport = icmp->quoted_dport,
		.seq = icmp->quoted_seq, .mtu = icmp->mtu,
	};
	struct wire_ip ip;

	memcpy(e.src, icmp->quoted_src, sizeof(e.src));
	memcpy(e.dst, icmp->quoted_dst, sizeof(e.dst));
	wire_ip_values(in->m, in->f, &ip);
	/* An honest error goes to the sender of what it quotes: an address of ours. */
	if (!icmp->quoted_tcp || memcmp(ip.dst, e.src, e.family == 4 ? 4 : 16) != 0 ||
	    laddr_find(in->w, in->f, in->port, e.src) == MR_NONE16) {
		drop(in, MR_C_ICMP_ERROR_STRAY);
		return;
	}
	rte_pktmbuf_free(in->m);
	icmp_error_input(in->w, &e, true);
}

void icmp_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, const struct wire_frame *f)
{
	const struct arrival in = {w, m, f, port};
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
		error_input(&in, &icmp);
		break;
	case WIRE_ICMP_NEIGH_SOLICIT:
		nd_solicited(&in, &icmp);
		break;
	case WIRE_ICMP_NEIGH_ADVERT:
		nd_advertised(&in, &icmp);
		break;
	case WIRE_ICMP_SOURCE_QUENCH:	/* RFC 6633 */
	case WIRE_ICMP_OTHER:
		drop(&in, MR_C_ICMP_IGNORED);
		break;
	case WIRE_ICMP_BAD:
		drop(&in, is_ndp(&icmp) ? MR_C_RX_NDP_BAD : MR_C_RX_ICMP_BAD);
		break;
	}
}
