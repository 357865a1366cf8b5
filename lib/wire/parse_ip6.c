/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The general parser's IPv6 layer: header, addresses, extension headers (RFC 8200 section 4). The
 * work is bounded whatever a frame says: at most 8 extension headers, at most 16 options in each.
 */
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "check.h"
#include "cksum.h"
#include "parse.h"

#define IP4_LEN			20u
#define IP6_LEN			40u
#define FRAGMENT_LEN		8u
#define EXT_HEADERS_MAX		8u
#define EXT_OPTIONS_MAX		16u	/* RFC 8504 5.3 allows a limit; senders use one or two */

/* ICMPv6 types that may come from :: (RFC 4861 4.1, 4.3; RFC 3810 5.2.13). */
enum { ND_ROUTER_SOLICIT = 133, ND_NEIGH_SOLICIT = 135, ND_REDIRECT = 137,
       MLD_REPORT = 131, MLD2_REPORT = 143 };

/* Where the walk along the extension headers stands. */
struct ext_walk {
	uint32_t off;		/* of the next header, in the frame */
	uint32_t end;		/* of the IP packet */
	uint8_t next;		/* its protocol number */
	bool atomic_fragment;	/* saw a fragment header with nothing to reassemble (RFC 6946) */
	bool fragment;		/* stands behind a fragment header: what follows is a part */
};

/* RFC 8200 4.2: an option we do not know may be skipped only if its two upper bits are 0. Ends:
 * each turn takes one of EXT_OPTIONS_MAX. */
static bool options_skippable(const struct rte_mbuf *m, uint32_t off, uint32_t end)
{
	for (unsigned int i = 0; off < end; i++) {
		uint8_t copy[2];
		const uint8_t *opt = rte_pktmbuf_read(m, off, 1, copy);

		if (i == EXT_OPTIONS_MAX || opt == NULL)
			return false;
		if (opt[0] == 0) {	/* Pad1 has no length */
			off++;
			continue;
		}
		opt = rte_pktmbuf_read(m, off, 2, copy);
		if (opt == NULL || (opt[0] & 0xc0) != 0)
			return false;
		off += 2u + opt[1];
	}
	return off == end;
}

/* RFC 8200 4.5. A fragment header with offset 0 and no more to come is skipped (RFC 6946). */
static void fragment(struct ext_walk *x, const uint8_t hdr[8])
{
	if (wire_load16(hdr + 2) & wire_be16(0xfff9))
		x->fragment = true;
	else
		x->atomic_fragment = true;
	x->next = hdr[0];
	x->off += 8;
}

/* Steps over one extension header. MR_C_COUNT or why not. */
static enum mr_counter skip_ext(const struct rte_mbuf *m, struct ext_walk *x)
{
	uint8_t copy[8];
	const uint8_t *hdr;
	uint32_t len;

	if (x->end - x->off < 8)
		return MR_C_RX_EXT_HEADER;
	hdr = rte_pktmbuf_read(m, x->off, 8, copy);
	MR_ASSERT(hdr != NULL);		/* the packet's end lies within the mbuf */
	if (x->next == IPPROTO_FRAGMENT) {
		fragment(x, hdr);
		return MR_C_COUNT;
	}
	len = (hdr[1] + 1u) * 8;
	if (len > x->end - x->off)
		return MR_C_RX_EXT_HEADER;
	if (x->next == IPPROTO_ROUTING) {
		/* RFC 8200 4.4: with segments left we are not the destination (nor a router). */
		if (hdr[3] != 0)
			return MR_C_RX_EXT_HEADER;
	} else if (!options_skippable(m, x->off + 2, x->off + len)) {
		return MR_C_RX_EXT_HEADER;
	}
	x->next = hdr[0];
	x->off += len;
	return MR_C_COUNT;
}

static bool is_ext(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING ||
	       proto == IPPROTO_FRAGMENT || proto == IPPROTO_DSTOPTS;
}

static enum mr_counter walk_ext(const struct rte_mbuf *m, struct ext_walk *x)
{
	for (unsigned int i = 0; is_ext(x->next) && !x->fragment; i++) {
		enum mr_counter fault;

		/* RFC 8200 4.1: hop-by-hop options only directly behind the IPv6 header. */
		if (i == EXT_HEADERS_MAX || (i > 0 && x->next == IPPROTO_HOPOPTS))
			return MR_C_RX_EXT_HEADER;
		fault = skip_ext(m, x);
		if (fault != MR_C_COUNT)
			return fault;
	}
	return MR_C_COUNT;
}

/* What is wrong with the addresses, or MR_C_COUNT. RFC 4291 2.5.2, 2.5.3, 2.7. */
static enum mr_counter ip6_addr_fault(const struct rte_ipv6_hdr *ip)
{
	const uint8_t *src = wire_ip6_src(ip), *dst = wire_ip6_dst(ip);

	if (!wire_ip6_is_host(src) && !wire_ip6_is_any(src))
		return MR_C_RX_IP_SOURCE;
	if (memcmp(src, dst, 16) == 0)
		return MR_C_RX_IP_SOURCE;
	if (!wire_ip6_is_host(dst) && !wire_ip6_is_multicast(dst))
		return MR_C_RX_IP_DEST;
	return MR_C_COUNT;
}

static bool may_come_from_any(const struct wire_walk *w)
{
	uint8_t copy;
	const uint32_t off = (uint32_t)w->f->l2_len + w->f->l3_len;
	const uint8_t *type = rte_pktmbuf_read(w->m, off, 1, &copy);

	return type != NULL && (*type == ND_NEIGH_SOLICIT || *type == ND_ROUTER_SOLICIT ||
				*type == MLD_REPORT || *type == MLD2_REPORT);
}

/* RFC 6980 5: neighbour discovery is never taken out of fragments, nor one of a single fragment. */
static bool is_nd(const struct wire_walk *w)
{
	uint8_t copy;
	const uint32_t off = (uint32_t)w->f->l2_len + w->f->l3_len;
	const uint8_t *type = rte_pktmbuf_read(w->m, off, 1, &copy);

	return type != NULL && *type >= ND_ROUTER_SOLICIT && *type <= ND_REDIRECT;
}

/* A part of TCP or ICMPv6, perhaps behind further headers, from a host to one of its own. */
static void walk_fragment(struct wire_walk *w, const struct rte_ipv6_hdr *ip,
			  const struct ext_walk *x)
{
	if (wire_ip6_is_any(wire_ip6_src(ip)))
		wire_drop(w->f, MR_C_RX_IP_SOURCE);
	else if (x->next != IPPROTO_TCP && x->next != IPPROTO_ICMPV6 && !is_ext(x->next))
		wire_drop(w->f, MR_C_RX_PROTOCOL);
	else if (wire_ip6_is_multicast(wire_ip6_dst(ip)) || w->group_mac)
		wire_drop(w->f, MR_C_RX_FRAGMENT);
	else
		w->f->kind = WIRE_FRAGMENT;
}

/* TCP or ICMPv6 behind the headers. */
static void walk_upper(struct wire_walk *w, const struct rte_ipv6_hdr *ip, const struct ext_walk *x)
{
	const bool from_any = wire_ip6_is_any(wire_ip6_src(ip));

	if (x->fragment) {
		walk_fragment(w, ip, x);
	} else if (x->next == IPPROTO_TCP) {
		if (from_any)
			wire_drop(w->f, MR_C_RX_IP_SOURCE);
		else if (wire_ip6_is_multicast(wire_ip6_dst(ip)))
			wire_drop(w->f, MR_C_RX_IP_DEST);	/* RFC 9293 MUST-57 */
		else
			wire_walk_tcp(w);
	} else if (x->next == IPPROTO_ICMPV6) {
		if (from_any && !may_come_from_any(w))
			wire_drop(w->f, MR_C_RX_IP_SOURCE);
		else if (x->atomic_fragment && is_nd(w))
			wire_drop(w->f, MR_C_RX_FRAGMENT);
		else
			wire_walk_icmp(w);
	} else {
		wire_drop(w->f, MR_C_RX_PROTOCOL);
	}
}

void wire_walk_ip6(struct wire_walk *w)
{
	struct wire_frame *f = w->f;
	uint8_t copy[IP6_LEN];
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_read(w->m, f->l2_len, IP6_LEN, copy);
	struct ext_walk x = { .off = f->l2_len + IP6_LEN };
	enum mr_counter fault = MR_C_RX_SHORT;

	if (ip == NULL)
		goto drop;
	fault = MR_C_RX_IP_VERSION;
	if (*(const uint8_t *)ip >> 4 != 6)
		goto drop;
	x.end = x.off + wire_be16(ip->payload_len);
	fault = MR_C_RX_IP_LENGTH;
	if (x.end > w->m->pkt_len)
		goto drop;
	f->family = 6;
	f->hop_limit = ip->hop_limits;
	f->tos = (uint8_t)(wire_be32(ip->vtc_flow) >> RTE_IPV6_HDR_TC_SHIFT);
	w->pseudo_sum = wire_sum(wire_ip6_src(ip), 32, 0);
	x.next = ip->proto;
	fault = ip6_addr_fault(ip);
	if (fault == MR_C_COUNT)
		fault = walk_ext(w->m, &x);
	if (fault != MR_C_COUNT)
		goto drop;
	f->l3_len = (uint16_t)(x.off - f->l2_len);
	f->l4_len = (uint16_t)(x.end - x.off);
	walk_upper(w, ip, &x);
	return;
drop:
	wire_drop(f, fault);
}

void wire_fragment_values(const struct rte_mbuf *m, const struct wire_frame *f,
			  struct wire_fragment *frag)
{
	uint8_t copy[IP4_LEN];
	const uint8_t *p;
	uint16_t place;

	MR_CHECK(f->kind == WIRE_FRAGMENT);
	if (f->family == 4) {
		p = rte_pktmbuf_read(m, f->l2_len, IP4_LEN, copy);
		MR_ASSERT(p != NULL);
		place = wire_be16(wire_load16(p + 6));
		*frag = (struct wire_fragment){.id = wire_load16(p + 4), .proto = p[9],
					       .off = (uint16_t)(place << 3),
					       .more = (place & RTE_IPV4_HDR_MF_FLAG) != 0};
		return;
	}
	p = rte_pktmbuf_read(m, (uint32_t)f->l2_len + f->l3_len - FRAGMENT_LEN, FRAGMENT_LEN, copy);
	MR_ASSERT(p != NULL);
	place = wire_be16(wire_load16(p + 2));
	*frag = (struct wire_fragment){.id = wire_load32(p + 4), .proto = p[0],
				       .off = place & 0xfff8u, .more = (place & 1) != 0};
}
