/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other ends: tuples, what each peer knows of our end, and its frames. See pair.h.
 */
#include <rte_ether.h>

#include "build.h"
#include "check.h"
#include "pair.h"

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, their_mac[6] = {2, 0, 0, 0, 0, 2};
static struct view views[TUPLES];
/* By family: what our end has granted, for all of its tuples. */
static struct { uint8_t len, octets[TCP_COOKIE_MAX]; } cookies[2];

void peer_reset(void)
{
	memset(views, 0, sizeof(views));
	memset(cookies, 0, sizeof(cookies));
	/* the peers' initial sequence numbers, some just before the wrap */
	for (uint32_t t = 0; t < TUPLES; t++)
		views[t].rcv_nxt = setup.options & O_WRAP ? 0xfffffff0u + t : 100000 * t;
}

/* ---- tuples ---- */

static void address(uint8_t family, uint8_t last, uint8_t addr[16])
{
	memset(addr, 0, 16);
	addr[0] = family == 4 ? 10 : 0xfd;
	addr[family == 4 ? 3 : 15] = last;
}

void peer_addresses(struct stack_config *cfg)
{
	for (uint32_t t = 0; t < 2; t++) {
		struct stack_addr *a = &cfg->addr[cfg->naddrs++];

		*a = (struct stack_addr){.family = family_of(t), .count = 1,
					 .prefix_len = family_of(t) == 4 ? 24 : 64,
					 .vlan = WIRE_NO_VLAN, .vlan_outer = WIRE_NO_VLAN};
		address(a->family, 1, a->addr);
	}
}

static uint16_t local_port(uint32_t t)
{
	if (kind_of(t) == K_CLOSED)
		return CLOSED_PORT;
	if (kind_of(t) == K_SYN_SENT || kind_of(t) == K_BUSY)
		return (uint16_t)(APORT + t);
	return kind_of(t) == K_NOBODY ? LPORT + 1 : LPORT;
}

void tuple_ends(uint32_t t, struct mr_endpoint *local, struct mr_endpoint *remote)
{
	*local = (struct mr_endpoint){.family = family_of(t), .port = local_port(t)};
	*remote = (struct mr_endpoint){.family = family_of(t), .port = (uint16_t)(RPORT + t)};
	address(family_of(t), 1, local->addr);
	address(family_of(t), 2, remote->addr);
}

void tuple_key(struct mr_worker *w, uint32_t t, struct flow_key *key)
{
	struct mr_endpoint local, remote;

	tuple_ends(t, &local, &remote);
	*key = (struct flow_key){.family = family_of(t), .rport = wire_be16(remote.port),
				 .lport = wire_be16(local.port)};
	memcpy(key->raddr, remote.addr, 16);
	key->laddr = laddr_find_any(w, family_of(t), 0, local.addr);
}

struct tcp_conn *tuple_record(struct mr_worker *w, uint32_t t)
{
	struct flows *f = &w->flows[t & 1];
	struct flow_key want, key;

	tuple_key(w, t, &want);
	for (uint32_t i = 0; i < f->table.capacity; i++) {
		struct conn_ref r = conn_at(f, i);

		if (tcp_state(r.c) == TCP_CLOSED)
			continue;
		conn_key(r, &key);
		if (memcmp(&key, &want, sizeof(key)) == 0)
			return r.c;
	}
	return NULL;
}

struct view *peer_view(uint32_t t)
{
	const struct tcp_conn *c = tuple_record(side[0].w, t);
	struct view *v = &views[t];

	v->fresh = c != NULL;
	if (c == NULL)
		return v;
	/* In SYN_SENT our end knows nothing of the peer's numbers yet. */
	if (tcp_state(c) != TCP_SYN_SENT) {
		v->rcv_nxt = c->rcv_nxt;
		v->rcv_edge = c->rcv_edge;
	}
	v->snd_una = c->snd_una;
	v->snd_nxt = c->snd_nxt;
	return v;
}

/* ---- what left ---- */

/* The TCP header of a frame of ours; NULL: ARP, ICMP, ICMPv6. */
static const uint8_t *tcp_of(const uint8_t *frame, uint32_t len, uint32_t *kind)
{
	const uint16_t type = wire_be16(wire_load16(frame + 12));
	const uint8_t *ip = frame + 14;

	*kind = TUPLES + 1;
	if (type == RTE_ETHER_TYPE_IPV4 && len >= 54 && ip[9] == IPPROTO_TCP)
		return ip + 20;
	if (type == RTE_ETHER_TYPE_IPV6 && len >= 74 && ip[6] == IPPROTO_TCP)
		return ip + 40;
	if (type == RTE_ETHER_TYPE_ARP)
		*kind = TUPLES + 2;
	return NULL;
}

uint32_t peer_of_frame(const uint8_t *frame, uint32_t len)
{
	struct mr_endpoint local, remote;
	uint32_t kind, t;
	const uint8_t *tcp = tcp_of(frame, len, &kind);

	if (tcp == NULL)
		return kind;
	t = tuple_of_port(wire_be16(wire_load16(tcp + 2)));
	if (t == OTHERS)
		return t;
	tuple_ends(t, &local, &remote);
	return wire_be16(wire_load16(tcp)) == local.port ? t : OTHERS;
}

void peer_learn(const uint8_t *frame, uint32_t len)
{
	const uint32_t t = peer_of_frame(frame, len);
	struct tcp_seg seg = {0};
	const uint8_t *tcp;
	uint32_t kind;

	if (t >= TUPLES)
		return;
	tcp = tcp_of(frame, len, &kind);
	wire_tcp_options(tcp + 20, (uint16_t)((tcp[12] >> 4) * 4 - 20), &seg);
	if (seg.opts & TCP_OPT_TS)
		views[t].tsecr = seg.tsval;
	if ((tcp[13] & TCP_ACK) != 0 && seg.cookie_len != 0) {
		cookies[t & 1].len = seg.cookie_len;
		memcpy(cookies[t & 1].octets, seg.cookie, sizeof(seg.cookie));
	}
	if ((tcp[13] & TCP_RST) == 0)
		views[t].snd_nxt = wire_be32(wire_load32(tcp + 4)) +
				   ((tcp[13] & (TCP_SYN | TCP_FIN)) != 0);
}

void peer_fastopen(uint32_t t, struct tcp_seg *seg, bool cookie)
{
	seg->opts |= TCP_OPT_FASTOPEN;
	if (!cookie)
		return;
	seg->cookie_len = cookies[t & 1].len;
	memcpy(seg->cookie, cookies[t & 1].octets, sizeof(seg->cookie));
}

/* ---- frames that come ---- */

static void layers(uint32_t t, uint16_t type, struct wire_addrs *a, struct wire_l2 *l2)
{
	struct mr_endpoint local, remote;

	tuple_ends(t, &local, &remote);
	*a = (struct wire_addrs){.family = family_of(t), .hop_limit = 64,
				 .sport = wire_be16(remote.port), .dport = wire_be16(local.port)};
	memcpy(a->src, remote.addr, 16);
	memcpy(a->dst, local.addr, 16);
	wire_l2_make(l2, our_mac, their_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, type);
}

static struct rte_mbuf over(struct pair_frame *f)
{
	memset(f, 0, sizeof(*f));
	return (struct rte_mbuf){.buf_addr = f->octets, .buf_len = sizeof(f->octets),
				 .nb_segs = 1};
}

void peer_frame(uint32_t t, const struct tcp_seg *seg, const uint8_t *extra, uint32_t nextra,
		struct pair_frame *f)
{
	const uint8_t family = family_of(t);
	struct rte_mbuf m = over(f);
	struct tcp_seg bare = *seg;
	struct wire_addrs a;
	struct wire_l2 l2;
	uint8_t *tcp, *payload;
	uint32_t nopts;

	/* The engine's builder takes only what the engine may send. */
	bare.opts = 0;
	layers(t, family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6, &a, &l2);
	wire_build_tcp(&m, &l2, &a, &bare, 0);
	tcp = f->octets + m.data_len - 20;
	nopts = wire_put_tcp_options(tcp + 20, seg);
	nextra = MR_MIN(nextra & ~3u, 40 - nopts);
	if (nextra != 0)
		memcpy(tcp + 20 + nopts, extra, nextra);
	nextra += nopts;
	tcp[12] = (uint8_t)(tcp[12] + (nextra / 4 << 4));
	payload = f->octets + m.data_len + nextra;
	for (uint32_t i = 0; i < seg->len; i++)	/* the same octet whenever it is sent again */
		payload[i] = (uint8_t)((seg->seq + i) * 31 + t);
	m.pkt_len = m.data_len = (uint16_t)(m.data_len + nextra + seg->len);
	wire_finish_tcp(&m, l2.len, family, 0);
	f->len = m.pkt_len;
}

void peer_neighbours(struct pair_frame f[2])
{
	const struct wire_nd_link link = {their_mac, WIRE_NO_VLAN, WIRE_NO_VLAN};
	struct wire_arp arp = {.op = 2};
	uint8_t ours[16], theirs[16];
	struct rte_mbuf m = over(&f[0]);
	struct wire_l2 l2;

	address(4, 2, theirs);
	address(4, 1, ours);
	memcpy(arp.sender_mac, their_mac, 6);
	memcpy(arp.sender_ip, theirs, 4);
	memcpy(arp.target_ip, ours, 4);
	wire_l2_make(&l2, our_mac, their_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, RTE_ETHER_TYPE_ARP);
	wire_build_arp(&m, &l2, &arp);
	f[0].len = m.pkt_len;
	m = over(&f[1]);
	address(6, 2, theirs);
	address(6, 1, ours);
	wire_build_na(&m, &link, theirs, our_mac, ours);
	f[1].len = m.pkt_len;
}

/* RFC 1071, of what lies at p. */
static void put_sum(uint8_t *p, uint32_t len, uint64_t sum, uint32_t at)
{
	wire_store16(p + at, 0);
	wire_store16(p + at, wire_sum_fold(wire_sum(p, len, sum)));
}

/* Makes an ICMP message of a frame of the peer's: what it quotes is the way back. */
void peer_icmp(uint32_t t, uint8_t type, uint8_t code, uint32_t seq, struct pair_frame *f)
{
	const bool v4 = family_of(t) == 4;
	const uint32_t ip_len = v4 ? 20 : 40, at = 14 + ip_len;
	const struct tcp_seg seg = {.flags = TCP_ACK};
	uint8_t *ip = f->octets + 14, *icmp = f->octets + at, *quote = icmp + 8;
	uint16_t sport;

	peer_frame(t, &seg, NULL, 0, f);
	memmove(quote, ip, ip_len + 20);
	/* addresses and ports as we sent them */
	memcpy(quote + (v4 ? 12 : 8), ip + (v4 ? 16 : 24), v4 ? 4 : 16);
	memcpy(quote + (v4 ? 16 : 24), ip + (v4 ? 12 : 8), v4 ? 4 : 16);
	sport = wire_load16(quote + ip_len);
	wire_store16(quote + ip_len, wire_load16(quote + ip_len + 2));
	wire_store16(quote + ip_len + 2, sport);
	wire_store32(quote + ip_len + 4, wire_be32(seq));
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	icmp[6] = (uint8_t)(seq >> 3);	/* an MTU of some kind, where there is one */
	f->len = at + 8 + ip_len + 20;
	ip[v4 ? 9 : 6] = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	wire_store16(ip + (v4 ? 2 : 4), wire_be16((uint16_t)(f->len - (v4 ? 14 : 54))));
	if (v4) {
		put_sum(ip, 20, 0, 10);
		put_sum(icmp, f->len - at, 0, 2);
		return;
	}
	put_sum(icmp, f->len - at,
		wire_sum(ip + 8, 32, wire_sum_pseudo(IPPROTO_ICMPV6, f->len - at)), 2);
}
