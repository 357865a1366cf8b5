/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery: what we build parses back, and what RFC 4861 7.1 forbids is BAD. */
#include <criterion/criterion.h>

#include "wire_fixture.h"

enum { IP = 14, ND = 54, OPT = ND + 24 };

static const uint8_t any[16];
static const struct wire_nd_link peer_link = { fx_peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN };
static const struct wire_nd_link our_link = { fx_our_mac, WIRE_NO_VLAN, WIRE_NO_VLAN };
static const struct wire_nd_link tagged_link = { fx_our_mac, 12, 34 };

/* Octets of a solicitation for our address from the peer, or from :: */
static struct octets solicit(const uint8_t src[16])
{
	struct octets f = { .l2_len = 14, .l3_len = 40 };
	struct rte_mbuf *m = fx_empty(86);

	wire_build_ns(m, &peer_link, src, fx_our_ip6);
	f.len = fx_octets(m, f.o);
	fx_free(m);
	return f;
}

static struct octets advert(const uint8_t *dst_mac, const uint8_t *dst_ip)
{
	struct octets f = { .l2_len = 14, .l3_len = 40 };
	struct rte_mbuf *m = fx_empty(86);

	wire_build_na(m, &our_link, fx_our_ip6, dst_mac, dst_ip);
	f.len = fx_octets(m, f.o);
	fx_free(m);
	return f;
}

static struct wire_icmp values(const struct octets *f)
{
	const struct wire_frame frame = fx_parse(f, 0);
	struct rte_mbuf *m = fx_chain(f->o, f->len, 11);
	struct wire_icmp icmp;

	cr_assert_eq(frame.kind, WIRE_ICMP6, "dropped as %s", mr_counter_info[frame.drop].name);
	wire_icmp_values(m, &frame, &icmp);
	fx_free(m);
	return icmp;
}

Test(wire_ndp, solicitation)
{
	static const uint8_t group_mac[6] = { 0x33, 0x33, 0xff, 9, 8, 2 };
	static const uint8_t group[16] = { 0xff, 2, [11] = 1, [12] = 0xff, 9, 8, 2 };
	const struct octets f = solicit(fx_peer_ip6);
	const struct wire_icmp icmp = values(&f);

	fx_expect_cksums(f.o, f.len, 14);
	cr_assert_eq(f.len, 86);
	cr_assert_eq(memcmp(f.o, group_mac, 6), 0);
	cr_assert_eq(memcmp(f.o + IP + 24, group, 16), 0);
	cr_assert_eq(f.o[IP + 7], 255);
	cr_assert_eq(icmp.kind, WIRE_ICMP_NEIGH_SOLICIT);
	cr_assert_eq(memcmp(icmp.nd_target, fx_our_ip6, 16), 0);
	cr_assert(icmp.nd_has_lladdr);
	cr_assert_eq(memcmp(icmp.nd_lladdr, fx_peer_mac, 6), 0);
	cr_assert_not(icmp.nd_dad);
}

Test(wire_ndp, solicitation_from_nobody)
{
	struct octets f = solicit(any);
	const struct wire_icmp icmp = values(&f);

	cr_assert_eq(f.len, 78);
	cr_assert_eq(icmp.kind, WIRE_ICMP_NEIGH_SOLICIT);
	cr_assert(icmp.nd_dad);
	cr_assert_not(icmp.nd_has_lladdr);
	f = solicit(fx_peer_ip6);	/* with a link-layer address it may not come from :: */
	memset(f.o + IP + 8, 0, 16);
	fx_fix(&f, 58);
	cr_assert_eq(values(&f).kind, WIRE_ICMP_BAD);
	f = solicit(any);
	memcpy(f.o + IP + 24, fx_our_ip6, 16);
	fx_fix(&f, 58);
	cr_assert_eq(values(&f).kind, WIRE_ICMP_BAD);
}

Test(wire_ndp, advertisement)
{
	struct octets f = advert(fx_peer_mac, fx_peer_ip6);
	struct wire_icmp icmp = values(&f);

	fx_expect_cksums(f.o, f.len, 14);
	cr_assert_eq(icmp.kind, WIRE_ICMP_NEIGH_ADVERT);
	cr_assert_eq(memcmp(f.o, fx_peer_mac, 6), 0);
	cr_assert(icmp.nd_solicited && icmp.nd_override && !icmp.nd_router);
	cr_assert(icmp.nd_has_lladdr);
	cr_assert_eq(memcmp(icmp.nd_lladdr, fx_our_mac, 6), 0);
	f = advert(NULL, NULL);
	icmp = values(&f);
	fx_expect_cksums(f.o, f.len, 14);
	cr_assert_eq(memcmp(f.o, (const uint8_t[6]){ 0x33, 0x33, 0, 0, 0, 1 }, 6), 0);
	cr_assert_eq(icmp.kind, WIRE_ICMP_NEIGH_ADVERT);
	cr_assert_not(icmp.nd_solicited, "multicast is never solicited");
}

static void bad_octet(struct octets f, uint32_t off, uint8_t value)
{
	f.o[off] = value;
	fx_fix(&f, 58);
	cr_assert_eq(values(&f).kind, WIRE_ICMP_BAD, "octet %u = %u", off, value);
}

Test(wire_ndp, malformed)
{
	bad_octet(solicit(fx_peer_ip6), IP + 7, 254);
	bad_octet(solicit(fx_peer_ip6), ND + 1, 1);
	bad_octet(solicit(fx_peer_ip6), ND + 8, 0xff);
	bad_octet(solicit(fx_peer_ip6), OPT + 1, 0);
	bad_octet(solicit(fx_peer_ip6), OPT + 1, 2);
	bad_octet(solicit(fx_peer_ip6), OPT + 2, 1);
	bad_octet(advert(fx_peer_mac, fx_peer_ip6), IP + 7, 64);
	bad_octet(advert(NULL, NULL), ND + 4, 0x40);
}

Test(wire_ndp, truncated)
{
	const struct octets whole = solicit(fx_peer_ip6);

	for (uint32_t len = 8; len < 32; len++) {
		struct octets f = whole;

		f.len = ND + len;
		f.o[IP + 5] = (uint8_t)len;
		fx_fix(&f, 58);
		cr_assert_eq(values(&f).kind, len == 24 ? WIRE_ICMP_NEIGH_SOLICIT : WIRE_ICMP_BAD);
	}
}

Test(wire_ndp, only_some_may_come_from_nobody)
{
	static const uint8_t fine[] = { 131, 133, 135, 143 };
	struct octets f = solicit(any);

	for (unsigned int type = 0; type < 256; type++) {
		const bool ok = memchr(fine, (int)type, sizeof(fine)) != NULL;

		f.o[ND] = (uint8_t)type;
		fx_fix(&f, 58);
		if (ok)
			cr_assert_eq(fx_parse(&f, 0).kind, WIRE_ICMP6);
		else
			fx_expect_drop(&f, MR_C_RX_IP_SOURCE);
	}
}

Test(wire_ndp, tags)
{
	struct rte_mbuf *m = fx_empty(94);
	struct wire_frame frame;

	wire_build_ns(m, &tagged_link, fx_our_ip6, fx_peer_ip6);
	wire_parse(m, &frame, &(struct mr_counters){ 0 });
	cr_assert_eq(frame.kind, WIRE_ICMP6);
	cr_assert_eq(frame.vlan, 12);
	cr_assert_eq(frame.vlan_outer, 34);
	fx_free(m);
}
