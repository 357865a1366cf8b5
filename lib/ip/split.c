/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments of what we send: see split.h. Owns nothing. Sends nothing.
 */
#include <string.h>

#include <rte_ip.h>

#include "check.h"
#include "octets.h"
#include "split.h"

#define IP4_LEN		20u
#define IP6_LEN		40u
#define FRAGMENT_LEN	8u
#define MORE_FRAGMENTS	RTE_IPV4_HDR_MF_FLAG
#define ROUTERS_MIN	576u	/* RFC 791: what every host takes */

/* One fragment: `len` octets from `off` of what follows the first header. */
struct cut {
	uint32_t off, len;
	bool more;
};

/* The headers of the datagram, up to where the part begins that is cut. */
static uint32_t kept_len(const struct ip_split *how)
{
	return how->l2_len + (how->family == 4 ? how->l3_len : IP6_LEN);
}

static void header4(uint8_t *at, const struct ip_split *how, const struct cut *c, uint32_t l3_len)
{
	struct rte_ipv4_hdr *ip = (void *)at;

	ip->version_ihl = (uint8_t)(0x40u | l3_len / 4);
	ip->total_length = wire_be16((uint16_t)(l3_len + c->len));
	ip->packet_id = (uint16_t)how->id;
	ip->fragment_offset = wire_be16((uint16_t)(c->off / 8 | (c->more ? MORE_FRAGMENTS : 0)));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void header6(uint8_t *at, const struct ip_split *how, const struct cut *c)
{
	struct rte_ipv6_hdr *ip = (void *)at;
	uint8_t *frag = at + IP6_LEN;

	frag[0] = ip->proto;
	frag[1] = 0;
	wire_store16(frag + 2, wire_be16((uint16_t)(c->off | c->more)));
	wire_store32(frag + 4, how->id);
	ip->proto = IPPROTO_FRAGMENT;
	ip->payload_len = wire_be16((uint16_t)(FRAGMENT_LEN + c->len));
}

/* Copies len octets at off of a chain behind what `to` has; they exist, and there is room. */
static void append(struct rte_mbuf *to, const struct rte_mbuf *from, uint32_t off, uint32_t len)
{
	char *at = rte_pktmbuf_append(to, (uint16_t)len);
	const void *p;

	MR_ASSERT(at != NULL && off + len <= from->pkt_len);
	p = rte_pktmbuf_read(from, off, len, at);
	if (p != at)
		memcpy(at, p, len);
}

static struct rte_mbuf *make(const struct rte_mbuf *m, const struct ip_split *how,
			     const struct cut *c)
{
	/* Options are all NOPs in what we send, so only the first fragment has them. */
	const uint32_t l3_len = how->family == 4 && c->off == 0 ? how->l3_len : IP4_LEN;
	struct rte_mbuf *out = rte_pktmbuf_alloc(how->pool);

	if (out == NULL)
		return NULL;
	if (how->family == 4) {
		append(out, m, 0, how->l2_len + l3_len);
		header4(rte_pktmbuf_mtod_offset(out, uint8_t *, how->l2_len), how, c, l3_len);
	} else {
		append(out, m, 0, how->l2_len + IP6_LEN);
		MR_ASSERT(rte_pktmbuf_append(out, FRAGMENT_LEN) != NULL);
		header6(rte_pktmbuf_mtod_offset(out, uint8_t *, how->l2_len), how, c);
	}
	append(out, m, kept_len(how) + c->off, c->len);
	return out;
}

/* Octets of the datagram in a fragment: all but the last have a multiple of 8. */
static uint32_t step_of(const struct ip_split *how)
{
	const uint32_t room = rte_pktmbuf_data_room_size(how->pool) - RTE_PKTMBUF_HEADROOM;
	const uint32_t mtu = MR_MIN((uint32_t)how->mtu, room - how->l2_len);
	const uint32_t headers = how->family == 4 ? how->l3_len : IP6_LEN + FRAGMENT_LEN;

	MR_ASSERT(how->mtu >= ROUTERS_MIN && mtu > headers + 8);
	return (mtu - headers) & ~7u;
}

unsigned int ip_split(const struct rte_mbuf *m, const struct ip_split *how,
		      struct rte_mbuf *out[IP_SPLIT_MAX])
{
	const uint32_t total = m->pkt_len - kept_len(how), step = step_of(how);
	const struct rte_ipv6_hdr *ip6 = rte_pktmbuf_mtod_offset(m, const void *, how->l2_len);
	struct cut c = {.more = true};
	unsigned int n = 0;

	/* RFC 8200 4.5: those belong to the part that every fragment has. */
	if (how->family == 6 && ip6->proto == IPPROTO_HOPOPTS)
		return 0;
	for (; c.more && n < IP_SPLIT_MAX; c.off += c.len) {
		c.len = MR_MIN(step, total - c.off);
		c.more = c.off + c.len < total;
		out[n] = make(m, how, &c);
		if (out[n] == NULL)
			break;
		n++;
	}
	if (!c.more && n != 0 && c.off == total)
		return n;
	rte_pktmbuf_free_bulk(out, n);
	return 0;
}
