/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers and frames of burst_fixture.h. */
#include <criterion/criterion.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "build.h"
#include "burst_fixture.h"
#include "ctl.h"

enum net { NET_MAIN, NET_OTHER, NET_VLAN };

/* What the other end of one tuple knows. */
struct peer {
	uint32_t snd, rcv;	/* its next sequence number; the next one it expects of us */
	uint32_t tsecr;
	bool knows, ts;
	bool asked;		/* our SYN waits for its answer */
};

const uint8_t bf_our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t stations[2][6] = {{2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}};
static struct peer peers[BF_TUPLES];

/* ---- tuples ---- */

static uint8_t family_of(uint32_t t) { return t & 1 ? 6 : 4; }

static enum net net_of(uint32_t t)
{
	return t / 2 % 8 == 5 ? NET_OTHER : t / 2 % 8 == 6 ? NET_VLAN : NET_MAIN;
}

static bool is_active(uint32_t t) { return t / 2 % 8 == 1; }

static void address(uint8_t family, enum net net, uint8_t last, uint8_t addr[16])
{
	memset(addr, 0, 16);
	if (family == 4) {
		addr[0] = 10;
		addr[2] = (uint8_t)net;
		addr[3] = last;
		return;
	}
	addr[0] = 0xfd;
	addr[3] = (uint8_t)net;
	addr[15] = last;
}

void bf_addresses(struct stack_config *cfg)
{
	for (uint32_t i = 0; i < 6; i++) {
		struct stack_addr *a = &cfg->addr[cfg->naddrs++];
		const enum net net = (enum net)(i / 2);

		*a = (struct stack_addr){.family = family_of(i),
					 .prefix_len = family_of(i) == 4 ? 24 : 64,
					 .vlan = net == NET_VLAN ? BF_VLAN : WIRE_NO_VLAN,
					 .vlan_outer = WIRE_NO_VLAN,
					 .count = 1};
		address(a->family, net, 1, a->addr);
	}
}

void bf_reset(void) { memset(peers, 0, sizeof(peers)); }

static uint16_t local_port(uint32_t t)
{
	if (is_active(t))
		return (uint16_t)(BF_ACTIVE_PORT + t);
	return (uint16_t)(BF_PORT + (t / 2 % 12 == 2 ? 2 : t / 8 % 2));
}

bool bf_active(uint32_t t, struct mr_endpoint *local, struct mr_endpoint *remote)
{
	*local = (struct mr_endpoint){.family = family_of(t), .port = local_port(t)};
	*remote = (struct mr_endpoint){.family = family_of(t), .port = (uint16_t)(BF_RPORT + t)};
	address(family_of(t), net_of(t), 1, local->addr);
	address(family_of(t), net_of(t), 2, remote->addr);
	return is_active(t);
}

/* ---- segments ---- */

static void draw_syn(struct mr_rng *r, struct peer *p, struct tcp_seg *s)
{
	static const uint8_t options[] = {
		0, TCP_OPT_MSS, TCP_OPT_MSS | TCP_OPT_TS,
		TCP_OPT_MSS | TCP_OPT_TS | TCP_OPT_WS | TCP_OPT_SACK_OK,
		TCP_OPT_MSS | TCP_OPT_TS | TCP_OPT_WS,
	};

	s->flags = p->asked ? TCP_SYN | TCP_ACK : TCP_SYN;
	if (mr_rng_below(r, 3) == 0)
		s->flags |= p->asked ? TCP_ECE : TCP_ECE | TCP_CWR;
	s->ack = p->asked ? p->rcv : 0;
	s->seq = (uint32_t)mr_rng_next(r);
	s->opts = options[mr_rng_below(r, sizeof(options))];
	s->mss = 1460;
	s->wscale = 7;
	p->asked = p->knows = false;
	p->ts = (s->opts & TCP_OPT_TS) != 0;
	p->snd = s->seq + 1;
}

/* Of a connection: most is what it expects, some is not. */
static void draw_segment(struct mr_rng *r, struct peer *p, struct tcp_seg *s)
{
	uint64_t what = mr_rng_below(r, 100);

	if (what < 32)
		return;
	if (what < 62) {
		s->len = (uint16_t)(1 + mr_rng_below(r, 40));
		p->snd += s->len;
	} else if (what < 78) {
		s->flags |= TCP_FIN;
		p->snd++;
	} else if (what < 82) {
		s->flags = TCP_RST;
	} else if (what < 86) {
		s->seq -= (uint32_t)mr_rng_below(r, 50);
		s->len = (uint16_t)mr_rng_below(r, 40);
	} else if (what < 90) {
		s->ack += (uint32_t)mr_rng_below(r, 10) - 5;
	} else if (what < 95) {
		s->seq += (uint32_t)mr_rng_below(r, 100);
		s->len = (uint16_t)mr_rng_below(r, 40);
	} else {
		s->flags = (uint8_t)mr_rng_below(r, 256);
	}
}

/* Marks, echoes and what answers them. */
static void draw_ecn(struct mr_rng *r, struct tcp_seg *s)
{
	const uint64_t what = mr_rng_below(r, 40);

	s->ecn = what < 3 ? ECN_CE : ECN_ECT_0;
	if (what < 5)
		s->flags |= what & 1 ? TCP_CWR : TCP_ECE;
}

static struct tcp_seg draw(struct mr_rng *r, struct peer *p, uint32_t now_ms)
{
	struct tcp_seg s = {.seq = p->snd, .ack = p->rcv, .wnd = 60000, .flags = TCP_ACK,
			    .tsval = now_ms, .tsecr = p->tsecr};

	if (p->asked ? mr_rng_below(r, 10) < 8 : !p->knows || mr_rng_below(r, 100) < 5) {
		draw_syn(r, p, &s);
		return s;
	}
	if (p->ts && mr_rng_below(r, 50) != 0)
		s.opts = TCP_OPT_TS;
	draw_ecn(r, &s);
	draw_segment(r, p, &s);
	return s;
}

/* ---- frames ---- */

static void build(uint32_t t, const struct tcp_seg *seg, bool tagged, unsigned int station,
		  struct bf_frame *f)
{
	const uint8_t family = family_of(t);
	struct wire_addrs a = {.family = family,
			       .hop_limit = 64,
			       .tos = seg->ecn,
			       .sport = wire_be16((uint16_t)(BF_RPORT + t)),
			       .dport = wire_be16(local_port(t))};
	struct rte_mbuf m = {.buf_addr = f->octets, .buf_len = sizeof(f->octets), .nb_segs = 1};
	struct wire_l2 l2;

	address(family, net_of(t), 2, a.src);
	address(family, net_of(t), 1, a.dst);
	wire_l2_make(&l2, bf_our_mac, stations[station], tagged ? BF_VLAN : WIRE_NO_VLAN,
		     WIRE_NO_VLAN, family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	wire_build_tcp(&m, &l2, &a, seg, 0);
	for (uint32_t i = 0; i < seg->len; i++)	/* the same octet whenever it is sent again */
		f->octets[m.data_len + i] = (uint8_t)((seg->seq + i) * 31 + t);
	m.pkt_len = m.data_len = (uint16_t)(m.data_len + seg->len);
	wire_finish_tcp(&m, l2.len, family, 0);
	f->len = m.pkt_len;
}

static void insert(struct bf_frame *f, uint32_t off, const uint8_t *what, uint32_t n)
{
	cr_assert_leq(f->len + n, sizeof(f->octets));
	memmove(f->octets + off + n, f->octets + off, f->len - off);
	memcpy(f->octets + off, what, n);
	f->len += n;
}

/* Options that say nothing, or an extension header of them. */
static void lengthen_ip(struct bf_frame *f, uint32_t l2_len, uint8_t family)
{
	static const uint8_t nops[4] = {1, 1, 1, 1};
	static const uint8_t padding[8] = {IPPROTO_TCP, 0, 1, 4};
	uint8_t *ip = f->octets + l2_len;

	if (family == 4) {
		insert(f, l2_len + 20, nops, 4);
		ip[0] = 0x46;
		wire_store16(ip + 2, wire_be16((uint16_t)(f->len - l2_len)));
		wire_store16(ip + 10, 0);
		wire_store16(ip + 10, wire_sum_fold(wire_sum(ip, 24, 0)));
		return;
	}
	insert(f, l2_len + 40, padding, 8);
	ip[6] = f->octets[f->len - 1] & 1 ? IPPROTO_DSTOPTS : IPPROTO_HOPOPTS;
	wire_store16(ip + 4, wire_be16((uint16_t)(f->len - l2_len - 40)));
}

static void damage(struct mr_rng *r, struct bf_frame *f)
{
	switch (mr_rng_below(r, 5)) {
	case 0:
		f->octets[f->len - 1] ^= 0x55;	/* checksum */
		f->ol_flags = 0;
		break;
	case 1:
		f->octets[5] ^= 0x55;	/* another station's */
		break;
	case 2:	/* of another network: with a tag too many */
		f->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		f->tci = BF_VLAN + 1;
		break;
	case 3:	/* or without its own */
		f->ol_flags &= ~(RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED);
		break;
	default:
		f->len = 14 + (uint32_t)mr_rng_below(r, f->len - 14);
		break;
	}
}

/* What makes a frame another one, but of the same tuple. */
static void dress(struct mr_rng *r, uint32_t l2_len, uint8_t family, struct bf_frame *f)
{
	static const uint8_t priority[4] = {0x81, 0, 0xa0, 0};
	uint64_t how = 1 + mr_rng_below(r, 15);

	if (how & 1)
		lengthen_ip(f, l2_len, family);
	if ((how & 2) && l2_len == 14)
		insert(f, 12, priority, 4);
	if (how == 2)	/* a virtio peer's: no sum was made */
		f->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	if (how & 4) {
		memset(f->octets + f->len, 0xee, 6);
		f->len += 6;
	}
	if (how & 8) {
		f->cut[0] = 1 + (uint32_t)mr_rng_below(r, f->len - 2);
		f->cut[1] = f->cut[0] + (uint32_t)mr_rng_below(r, f->len - f->cut[0]);
	}
}

void bf_next(struct mr_rng *r, uint32_t t, uint32_t now_ms, uint32_t odd, struct bf_frame *f)
{
	const bool vlan = net_of(t) == NET_VLAN, stripped = vlan && mr_rng_below(r, 2) != 0;
	const struct peer before = peers[t];
	const struct tcp_seg seg = draw(r, &peers[t], now_ms);

	/* now and then by another way */
	const unsigned int station = (t / 2 % 8 == 7) ^ (mr_rng_below(r, 40) == 0);

	memset(f, 0, sizeof(*f));
	build(t, &seg, vlan && !stripped, station, f);
	if (mr_rng_below(r, 2))
		f->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (stripped) {
		f->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		f->tci = BF_VLAN;
	}
	if (mr_rng_below(r, 100) >= odd)
		return;
	if (mr_rng_below(r, 8) != 0) {
		dress(r, vlan && !stripped ? 18 : 14, family_of(t), f);
		return;
	}
	damage(r, f);
	peers[t] = before;	/* it never got there */
}

struct rte_mbuf *bf_mbuf(struct rte_mempool *pool, const struct bf_frame *f)
{
	const uint32_t ends[3] = {f->cut[0], f->cut[1], f->len};
	struct rte_mbuf *head = NULL, *m;
	uint32_t at = 0;

	for (uint32_t i = 0; i < 3; i++) {
		if (ends[i] <= at)
			continue;
		m = rte_pktmbuf_alloc(pool);
		cr_assert_not_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)(ends[i] - at)), f->octets + at,
		       ends[i] - at);
		at = ends[i];
		if (head == NULL)
			head = m;
		else
			cr_assert_eq(rte_pktmbuf_chain(head, m), 0);
	}
	cr_assert_not_null(head);
	head->ol_flags = f->ol_flags;
	head->vlan_tci = f->tci;
	return head;
}

/* ---- what leaves ---- */

/* The TCP header of a frame of ours, or NULL: ARP, ICMPv6. */
static const uint8_t *tcp_header(const struct bf_sent *s, bool *arp)
{
	const uint8_t *ip = s->octets + (s->octets[12] == 0x81 ? 18 : 14);
	const uint8_t *tcp = ip + (ip[-2] == 0x08 ? 20 : 40);

	*arp = ip[-2] == 0x08 && ip[-1] == 0x06;
	return *arp || ip[ip[-2] == 0x08 ? 9 : 6] != IPPROTO_TCP ? NULL : tcp;
}

void bf_see(const struct rte_mbuf *m, struct bf_sent *s)
{
	const uint8_t *tcp;
	uint8_t copy[256];
	bool arp;

	cr_assert(m->pkt_len <= sizeof(s->octets), "a frame of %u octets", m->pkt_len);
	memset(s, 0, sizeof(*s));
	s->len = (uint16_t)m->pkt_len;
	memcpy(s->octets, rte_pktmbuf_read(m, 0, m->pkt_len, copy), s->len);
	tcp = tcp_header(s, &arp);
	s->key = tcp != NULL ? wire_be16(wire_load16(tcp + 2)) : arp ? 1 : 2;
}

bool bf_learn(const struct bf_sent *s)
{
	struct peer *p = &peers[(s->key - BF_RPORT) % BF_TUPLES];
	struct tcp_seg seg = {0};
	const uint8_t *tcp;
	uint32_t header, ack;
	bool arp;

	tcp = tcp_header(s, &arp);
	if (tcp == NULL)
		return true;
	header = (tcp[12] >> 4) * 4u;
	p->knows = (tcp[13] & TCP_RST) == 0;
	if (!p->knows)
		return false;
	wire_tcp_options(tcp + 20, (uint16_t)(header - 20), &seg);
	p->asked = (tcp[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	p->rcv = wire_be32(wire_load32(tcp + 4)) +
		 (uint32_t)(s->octets + s->len - tcp) - header +
		 ((tcp[13] & (TCP_SYN | TCP_FIN)) != 0);
	ack = wire_be32(wire_load32(tcp + 8));
	if ((tcp[13] & TCP_ACK) != 0 && p->snd - ack > UINT16_MAX)
		p->snd = ack;	/* its SYN was challenged: the old connection goes on */
	p->ts = (seg.opts & TCP_OPT_TS) != 0;
	p->tsecr = seg.tsval;
	return false;
}

void bf_neighbours(struct rte_mempool *pool, struct rte_mbuf *answers[2])
{
	const struct wire_nd_link link = {stations[0], WIRE_NO_VLAN, WIRE_NO_VLAN};
	uint8_t ours[16], theirs[16];
	struct wire_arp arp = {.op = 2};
	struct wire_l2 l2;

	for (uint32_t i = 0; i < 2; i++) {
		answers[i] = rte_pktmbuf_alloc(pool);
		cr_assert_not_null(answers[i]);
	}
	address(4, NET_MAIN, 2, theirs);
	address(4, NET_MAIN, 1, ours);
	memcpy(arp.sender_mac, stations[0], 6);
	memcpy(arp.sender_ip, theirs, 4);
	memcpy(arp.target_ip, ours, 4);
	wire_l2_make(&l2, bf_our_mac, stations[0], WIRE_NO_VLAN, WIRE_NO_VLAN, RTE_ETHER_TYPE_ARP);
	wire_build_arp(answers[0], &l2, &arp);
	address(6, NET_MAIN, 2, theirs);
	address(6, NET_MAIN, 1, ours);
	wire_build_na(answers[1], &link, theirs, bf_our_mac, ours);
}
