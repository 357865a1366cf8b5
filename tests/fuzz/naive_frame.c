/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See naive_frame.h. Where an RFC leaves a choice, what frame.h says is asked for: 8 extension
 * headers, 16 options in each.
 */
#include <string.h>

#include "naive_frame.h"

static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t get32(const uint8_t *p) { return get16(p) << 16 | get16(p + 2); }

/* RFC 1071: 0 when the sum over all is right. */
static uint32_t sum(const uint8_t *p, uint32_t len, uint32_t start)
{
	for (uint32_t i = 0; i < len; i++)
		start += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

/* ---- Ethernet, 802.1Q, 802.1ad ---- */

static bool is_tag(uint32_t type) { return type == 0x8100 || type == 0x88a8 || type == 0x9100; }

static void add_tag(struct naive_frame *n, uint32_t tci)
{
	if ((tci & 0xfff) == 0)
		return;
	n->vlan_outer = n->vlan;
	n->vlan = (uint16_t)(tci & 0xfff);
}

/* EtherType behind at most two tags, 0: too short. */
static uint32_t ether(const uint8_t *o, uint32_t len, const struct rte_mbuf *m,
		      struct naive_frame *n)
{
	unsigned int tags = 0;
	uint32_t type;

	if (len < 14 || (o[6] & 1) != 0)
		return 0;
	if (m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) {
		add_tag(n, m->vlan_tci_outer);
		add_tag(n, m->vlan_tci);
		tags = 2;
	} else if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		add_tag(n, m->vlan_tci);
		tags = 1;
	}
	n->l2_len = 14;
	type = get16(o + 12);
	for (; is_tag(type) && tags < 2; tags++) {
		if (len < n->l2_len + 4u)
			return 0;
		add_tag(n, get16(o + n->l2_len));
		type = get16(o + n->l2_len + 2);
		n->l2_len = (uint8_t)(n->l2_len + 4);
	}
	return type;
}

/* ---- ARP, RFC 826 ---- */

static bool host4(uint32_t a)
{
	return a >> 24 != 0 && a >> 24 != 127 && a >> 28 != 0xe && a != 0xffffffff;
}

static bool arp(const uint8_t *p, uint32_t len)
{
	return len >= 28 && get16(p) == 1 && get16(p + 2) == 0x0800 && p[4] == 6 && p[5] == 4 &&
	       (get16(p + 6) == 1 || get16(p + 6) == 2) && (p[8] & 1) == 0 &&
	       (get32(p + 14) == 0 || host4(get32(p + 14)));
}

/* ---- what stands above IP ---- */

/* How the port judged a sum: 1 good, 0 bad, -1 not at all. */
static int judged(uint64_t flags, uint64_t mask, uint64_t bad)
{
	if ((flags & mask) == bad)
		return 0;
	return (flags & mask) == 0 ? -1 : 1;
}

/* What TCP and ICMPv6 sum besides themselves. */
static uint32_t pseudo(const uint8_t *ip, const struct naive_frame *n, uint32_t proto)
{
	const uint8_t *addrs = ip + (n->family == 4 ? 12 : 8);

	return sum(addrs, n->family == 4 ? 8 : 32, 0) + proto + n->l4_len;
}

static bool tcp(const uint8_t *ip, const struct rte_mbuf *m, struct naive_frame *n)
{
	const uint8_t *t = ip + n->l3_len;
	const int port = judged(m->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_MASK,
				RTE_MBUF_F_RX_L4_CKSUM_BAD);
	uint32_t header;

	if (n->l4_len < 20 || port == 0)
		return false;
	if (port < 0 && sum(t, n->l4_len, pseudo(ip, n, 6)) != 0xffff)
		return false;
	header = (t[12] >> 4) * 4u;
	n->sport = (uint16_t)get16(t);
	n->dport = (uint16_t)get16(t + 2);
	return header >= 20 && header <= n->l4_len && n->sport != 0 && n->dport != 0;
}

static bool icmp(const uint8_t *ip, const struct naive_frame *n)
{
	const uint32_t start = n->family == 4 ? 0 : pseudo(ip, n, 58);

	return n->l4_len >= 8 && sum(ip + n->l3_len, n->l4_len, start) == 0xffff;
}

/* ---- IPv4 ---- */

static enum wire_kind ip4(const uint8_t *o, uint32_t len, const struct rte_mbuf *m,
			  struct naive_frame *n)
{
	const uint8_t *ip = o + n->l2_len;
	const uint32_t have = len - n->l2_len;
	const bool group_mac = (o[0] & 1) != 0;
	uint32_t src, dst;
	int port;

	if (have < 20 || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
		return WIRE_DROP;
	n->l3_len = (ip[0] & 15) * 4u;
	if (have < n->l3_len || get16(ip + 2) < n->l3_len || get16(ip + 2) > have)
		return WIRE_DROP;
	port = judged(m->ol_flags, RTE_MBUF_F_RX_IP_CKSUM_MASK, RTE_MBUF_F_RX_IP_CKSUM_BAD);
	if (port == 0 || (port < 0 && sum(ip, n->l3_len, 0) != 0xffff))
		return WIRE_DROP;
	n->family = 4;
	n->l4_len = get16(ip + 2) - n->l3_len;
	n->tos = ip[1];
	n->hop_limit = ip[8];
	src = get32(ip + 12);
	dst = get32(ip + 16);
	if (!host4(src) || src == dst)
		return WIRE_DROP;
	n->fragment = (get16(ip + 6) & 0x3fff) != 0;
	if (n->fragment)
		return WIRE_DROP;
	if (dst >> 28 == 0xe || dst == 0xffffffff)	/* RFC 9293 MUST-57 */
		return ip[9] == 1 && icmp(ip, n) ? WIRE_ICMP4 : WIRE_DROP;
	if (!host4(dst) || group_mac)
		return WIRE_DROP;
	if (ip[9] == 6)
		return tcp(ip, m, n) ? WIRE_TCP : WIRE_DROP;
	return ip[9] == 1 && icmp(ip, n) ? WIRE_ICMP4 : WIRE_DROP;
}

/* ---- IPv6 ---- */

static bool all_zero(const uint8_t *p, uint32_t n)
{
	while (n != 0 && *p == 0)
		p++, n--;
	return n == 0;
}

/* Not ::, ::1, a group, or an IPv4 address in disguise. */
static bool host6(const uint8_t *a)
{
	if (a[0] == 0xff || (all_zero(a, 15) && a[15] <= 1))
		return false;
	return !(all_zero(a, 10) && a[10] == 0xff && a[11] == 0xff);
}

/* The options of a hop-by-hop or destination header, RFC 8200 4.2. */
static bool options(const uint8_t *p, uint32_t len)
{
	unsigned int count = 0;

	while (len != 0) {
		const uint32_t n = p[0] == 0 ? 1 : len >= 2 ? 2u + p[1] : len + 1;

		if (++count > 16 || n > len || (p[0] & 0xc0) != 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* Extension headers: *proto is what follows them. False: not to be taken. */
static bool extensions(const uint8_t *ip, uint32_t end, struct naive_frame *n, uint8_t *proto,
		       bool *atomic)
{
	for (unsigned int i = 0; *proto == 0 || *proto == 43 || *proto == 44 || *proto == 60; i++) {
		const uint8_t *x = ip + n->l3_len, was = *proto;
		uint32_t size;

		if (i == 8 || (i != 0 && was == 0) || end - n->l3_len < 8)
			return false;
		size = was == 44 ? 8 : (x[1] + 1u) * 8;
		if (was == 44 && (get16(x + 2) & 0xfff9) != 0) {
			n->fragment = true;
			return false;
		}
		*atomic |= was == 44;
		if (size > end - n->l3_len || (was == 43 && x[3] != 0))
			return false;
		if ((was == 0 || was == 60) && !options(x + 2, size - 2))
			return false;
		*proto = x[0];
		n->l3_len += size;
	}
	return true;
}

static bool from_any(uint8_t type)
{
	return type == 131 || type == 133 || type == 135 || type == 143;
}

static enum wire_kind ip6(const uint8_t *o, uint32_t len, const struct rte_mbuf *m,
			  struct naive_frame *n)
{
	const uint8_t *ip = o + n->l2_len, *src = ip + 8, *dst = ip + 24;
	const uint32_t have = len - n->l2_len;
	bool any, atomic = false;
	uint8_t proto;
	uint32_t end;

	if (have < 40 || ip[0] >> 4 != 6 || 40 + get16(ip + 4) > have)
		return WIRE_DROP;
	n->family = 6;
	n->tos = (uint8_t)(get16(ip) >> 4);
	n->hop_limit = ip[7];
	any = all_zero(src, 16);
	if ((!host6(src) && !any) || memcmp(src, dst, 16) == 0 || (!host6(dst) && dst[0] != 0xff))
		return WIRE_DROP;
	end = 40 + get16(ip + 4);
	n->l3_len = 40;
	proto = ip[6];
	if (!extensions(ip, end, n, &proto, &atomic))
		return WIRE_DROP;
	n->l4_len = end - n->l3_len;
	if (proto == 6)
		return !any && dst[0] != 0xff && (o[0] & 1) == 0 && tcp(ip, m, n) ? WIRE_TCP
										 : WIRE_DROP;
	if (proto != 58 || (any && (n->l4_len == 0 || !from_any(ip[n->l3_len]))))
		return WIRE_DROP;
	if (atomic && n->l4_len != 0 && ip[n->l3_len] >= 133 && ip[n->l3_len] <= 137)
		return WIRE_DROP;
	return icmp(ip, n) ? WIRE_ICMP6 : WIRE_DROP;
}

void naive_parse(const uint8_t *o, uint32_t len, const struct rte_mbuf *m, struct naive_frame *n)
{
	uint32_t type;

	memset(n, 0, sizeof(*n));
	n->kind = WIRE_DROP;
	n->vlan = n->vlan_outer = WIRE_NO_VLAN;
	type = ether(o, len, m, n);
	if (type == 0x0800)
		n->kind = ip4(o, len, m, n);
	else if (type == 0x86dd)
		n->kind = ip6(o, len, m, n);
	else if (type == 0x0806 && arp(o + n->l2_len, len - n->l2_len))
		n->kind = WIRE_ARP;
}

/* ---- checksums put right ---- */

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void mend_upper(uint8_t *ip, const struct naive_frame *n, uint8_t proto)
{
	const uint32_t at = proto == 6 ? 16 : 2;
	uint8_t *l4 = ip + n->l3_len;

	if ((proto != 6 && proto != 1 && proto != 58) || n->l4_len < at + 2)
		return;
	put16(l4 + at, 0);
	put16(l4 + at, ~sum(l4, n->l4_len, proto == 1 ? 0 : pseudo(ip, n, proto)));
}

void naive_mend(uint8_t *o, uint32_t len)
{
	static const struct rte_mbuf untouched;
	struct naive_frame n = {0};
	const uint32_t type = ether(o, len, &untouched, &n);
	uint8_t *ip = o + n.l2_len, proto;
	bool atomic = false;

	if (type == 0x0800 && len - n.l2_len >= 20 && (ip[0] & 15) >= 5) {
		n.family = 4;
		n.l3_len = (ip[0] & 15) * 4u;
		if (len - n.l2_len < n.l3_len || get16(ip + 2) < n.l3_len ||
		    get16(ip + 2) > len - n.l2_len)
			return;
		n.l4_len = get16(ip + 2) - n.l3_len;
		put16(ip + 10, 0);
		put16(ip + 10, ~sum(ip, n.l3_len, 0));
		mend_upper(ip, &n, ip[9]);
	} else if (type == 0x86dd && len - n.l2_len >= 40 && 40 + get16(ip + 4) <= len - n.l2_len) {
		n.family = 6;
		n.l3_len = 40;
		proto = ip[6];
		if (!extensions(ip, 40 + get16(ip + 4), &n, &proto, &atomic))
			return;
		n.l4_len = 40 + get16(ip + 4) - n.l3_len;
		mend_upper(ip, &n, proto);
	}
}
