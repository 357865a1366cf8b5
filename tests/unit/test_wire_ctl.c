/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP, ICMP and ICMPv6 echo, and which packet of ours an ICMP error quotes. */
#include <criterion/criterion.h>

#include "wire_fixture.h"

static struct octets arp_frame(void)
{
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	struct octets f = { .len = 14 + 28, .l2_len = 14 };

	memset(f.o, 0xff, 6);
	memcpy(f.o + 6, fx_peer_mac, 6);
	f.o[12] = 8;
	f.o[13] = 6;
	memcpy(f.o + 14, head, 8);
	memcpy(f.o + 22, fx_peer_mac, 6);
	memcpy(f.o + 28, fx_peer_ip4, 4);
	memcpy(f.o + 38, fx_our_ip4, 4);
	return f;
}

Test(wire_arp, values_and_build)
{
	const struct octets f = arp_frame();
	const struct wire_frame frame = fx_parse(&f, 0);
	struct rte_mbuf *m = fx_chain(f.o, f.len, 5), *built = fx_empty(42);
	struct wire_arp arp;
	struct wire_l2 l2;

	cr_assert_eq(frame.kind, WIRE_ARP);
	cr_assert_eq(frame.family, 0);
	wire_arp_values(m, &frame, &arp);
	cr_assert_eq(arp.op, 1);
	cr_assert_eq(memcmp(arp.sender_mac, fx_peer_mac, 6), 0);
	cr_assert_eq(memcmp(arp.sender_ip, fx_peer_ip4, 4), 0);
	cr_assert_eq(memcmp(arp.target_ip, fx_our_ip4, 4), 0);
	wire_l2_make(&l2, f.o, fx_peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, 0x0806);
	wire_build_arp(built, &l2, &arp);
	cr_assert_eq(built->pkt_len, f.len);
	cr_assert_eq(memcmp(built->buf_addr, f.o, f.len), 0);
	fx_free(m);
	fx_free(built);
}

Test(wire_arp, malformed)
{
	static const struct { uint8_t off, value; } bad[] = {
		{ 15, 6 }, { 16, 9 }, { 18, 5 }, { 19, 16 }, { 21, 0 }, { 21, 3 },
		{ 22, 3 }, { 28, 127 }, { 28, 224 },
	};
	struct octets f;

	for (unsigned int i = 0; i < MR_ARRAY_LEN(bad); i++) {
		f = arp_frame();
		f.o[bad[i].off] = bad[i].value;
		fx_expect_drop(&f, MR_C_RX_ARP_BAD);
	}
	f = arp_frame();
	memset(f.o + 28, 0, 4);
	cr_assert_eq(fx_parse(&f, 0).kind, WIRE_ARP, "a probe has no sender (RFC 5227)");
	for (f.len = 14; f.len < 42; f.len++)
		fx_expect_drop(&f, MR_C_RX_ARP_BAD);
}

static void expect_ip(const uint8_t *got, uint8_t family, const uint8_t *want4,
		      const uint8_t *want6)
{
	cr_assert_eq(memcmp(got, family == 4 ? want4 : want6, family == 4 ? 4 : 16), 0);
}

static void echo(uint8_t family, uint32_t size, uint32_t step)
{
	uint8_t msg[8 + 1400] = { family == 4 ? 8 : 128, 0, 0, 0, 1, 2, 3, 4 }, o[2200];
	struct wire_frame frame;
	struct wire_icmp icmp;
	struct rte_mbuf *m;
	struct octets f;
	uint32_t l4;

	for (uint32_t i = 0; i < size; i++)
		msg[8 + i] = (uint8_t)(i * 3);
	fx_icmp(&f, family, msg, 8 + size);
	l4 = (uint32_t)f.l2_len + f.l3_len;
	m = fx_chain(f.o, f.len, step);
	wire_parse(m, &frame, &(struct mr_counters){ 0 });
	cr_assert_eq(frame.kind, family == 4 ? WIRE_ICMP4 : WIRE_ICMP6);
	wire_icmp_values(m, &frame, &icmp);
	cr_assert_eq(icmp.kind, WIRE_ICMP_ECHO_REQUEST);
	wire_echo_reply(m, &frame, fx_our_mac);
	cr_assert_eq(fx_octets(m, o), f.len);
	fx_free(m);
	fx_expect_cksums(o, f.len, 14);
	cr_assert_eq(memcmp(o, fx_peer_mac, 6), 0);
	cr_assert_eq(memcmp(o + 6, fx_our_mac, 6), 0);
	cr_assert_eq(o[14 + (family == 4 ? 8 : 7)], 64);
	expect_ip(o + 14 + (family == 4 ? 12 : 8), family, fx_our_ip4, fx_our_ip6);
	expect_ip(o + 14 + (family == 4 ? 16 : 24), family, fx_peer_ip4, fx_peer_ip6);
	cr_assert_eq(o[l4], family == 4 ? 0 : 129);
	cr_assert_eq(memcmp(o + l4 + 4, msg + 4, 4 + size), 0);
}

Test(wire_icmp, echo_replies_of_every_size)
{
	for (uint32_t size = 0; size <= 1400; size++) {
		echo(4, size, 2000);
		echo(6, size, 2000);
		if (size % 50 < 2) {
			echo(4, size, 7);
			echo(6, size, 13);
		}
	}
}

Test(wire_icmp, echo_reply_drops_padding_and_ip_options)
{
	static const uint8_t route[4] = { 7, 3, 4, 0 };
	struct wire_frame frame;
	struct rte_mbuf *m;
	struct octets f;
	uint8_t o[2200];

	fx_icmp(&f, 4, (const uint8_t[9]){ 8 }, 9);
	fx_insert(&f, 34, route, 4);
	f.l3_len = 24;
	f.o[14] = 0x46;
	f.o[17] = 33;
	fx_fix(&f, 1);
	f.len += 13;
	m = fx_mbuf(f.o, f.len);
	wire_parse(m, &frame, &(struct mr_counters){ 0 });
	cr_assert_eq(frame.kind, WIRE_ICMP4);
	wire_echo_reply(m, &frame, fx_our_mac);
	cr_assert_eq(fx_octets(m, o), f.len - 13);
	fx_expect_cksums(o, f.len - 13, 14);
	cr_assert_eq(memcmp(o + 34, (const uint8_t[4]){ 1, 1, 1, 1 }, 4), 0);
	fx_free(m);
}

Test(wire_icmp, bad_checksum_and_short)
{
	struct octets f;

	for (uint8_t family = 4; family <= 6; family += 2) {
		fx_icmp(&f, family, (const uint8_t[9]){ family == 4 ? 8 : 128 }, 9);
		f.o[f.len - 1] ^= 1;
		fx_expect_drop(&f, MR_C_RX_ICMP_BAD);
		cr_assert_eq(fx_parse(&f, RTE_MBUF_F_RX_L4_CKSUM_GOOD).kind, WIRE_DROP,
			     "the port's flag speaks of TCP and UDP");
		for (uint32_t len = 0; len < 8; len++) {
			fx_icmp(&f, family, (const uint8_t[8]){ 8 }, len);
			fx_expect_drop(&f, MR_C_RX_ICMP_BAD);
		}
	}
}

Test(wire_icmp, multicast_mac_with_our_address)
{
	struct octets f;

	fx_icmp(&f, 4, (const uint8_t[8]){ 8 }, 8);
	memset(f.o, 0xff, 6);
	fx_expect_drop(&f, MR_C_RX_NOT_OURS_MAC);	/* RFC 1122 3.3.6 */
}

/* An error of that type and code that quotes the first `quoted` octets of a segment of ours. */
static struct wire_icmp error(uint8_t family, uint8_t type, uint8_t code, uint32_t quoted)
{
	uint8_t msg[8 + 80] = { type, code, 0, 0, 0, 0, 0x05, 0x14 };
	struct wire_frame frame;
	struct wire_icmp icmp, split;
	struct rte_mbuf *m;
	struct octets f;

	if (family == 4)
		fx_tcp4(&f, NULL, 0, 20);
	else
		fx_tcp6(&f, NULL, 0, 20);
	memcpy(msg + 8, f.o + 14, MR_MIN(quoted, 80u));
	fx_icmp(&f, family, msg, 8 + quoted);
	frame = fx_parse(&f, 0);
	cr_assert_eq(frame.kind, family == 4 ? WIRE_ICMP4 : WIRE_ICMP6);
	m = fx_mbuf(f.o, f.len);
	wire_icmp_values(m, &frame, &icmp);
	fx_free(m);
	m = fx_chain(f.o, f.len, 3);
	wire_icmp_values(m, &frame, &split);
	fx_free(m);
	cr_assert_eq(icmp.kind, split.kind);
	cr_assert_eq(icmp.quoted_seq, split.quoted_seq);
	return icmp;
}

static void expect_quote(const struct wire_icmp *icmp, uint8_t family)
{
	cr_assert(icmp->quoted_tcp);
	cr_assert_eq(icmp->quoted_sport, wire_be16(4000));
	cr_assert_eq(icmp->quoted_dport, wire_be16(80));
	cr_assert_eq(icmp->quoted_seq, 1000);
	expect_ip(icmp->quoted_src, family, fx_peer_ip4, fx_peer_ip6);
	expect_ip(icmp->quoted_dst, family, fx_our_ip4, fx_our_ip6);
}

Test(wire_icmp, errors_quote_our_packet)
{
	static const struct { uint8_t family, type, code, kind; } cases[] = {
		{ 4, 3, 0, WIRE_ICMP_UNREACHABLE }, { 4, 3, 3, WIRE_ICMP_UNREACHABLE },
		{ 4, 3, 4, WIRE_ICMP_TOO_BIG }, { 4, 4, 0, WIRE_ICMP_SOURCE_QUENCH },
		{ 4, 11, 0, WIRE_ICMP_TIME_EXCEEDED }, { 4, 12, 0, WIRE_ICMP_PARAM_PROBLEM },
		{ 6, 1, 4, WIRE_ICMP_UNREACHABLE }, { 6, 2, 0, WIRE_ICMP_TOO_BIG },
		{ 6, 3, 0, WIRE_ICMP_TIME_EXCEEDED }, { 6, 4, 0, WIRE_ICMP_PARAM_PROBLEM },
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(cases); i++) {
		const uint8_t family = cases[i].family;
		const uint32_t least = family == 4 ? 28 : 48;
		struct wire_icmp icmp = error(family, cases[i].type, cases[i].code, least);

		cr_assert_eq(icmp.kind, cases[i].kind, "case %u", i);
		cr_assert_eq(icmp.mtu, cases[i].kind == WIRE_ICMP_TOO_BIG ? 1300 : 0);
		expect_quote(&icmp, family);
		for (uint32_t quoted = 0; quoted < least; quoted++) {
			icmp = error(family, cases[i].type, cases[i].code, quoted);
			cr_assert_eq(icmp.kind, WIRE_ICMP_BAD);
		}
	}
	cr_assert_eq(error(4, 5, 0, 28).kind, WIRE_ICMP_OTHER);		/* redirect */
	cr_assert_eq(error(4, 0, 0, 28).kind, WIRE_ICMP_OTHER);		/* echo reply */
	cr_assert_eq(error(6, 134, 0, 48).kind, WIRE_ICMP_OTHER);	/* router advertisement */
}

/* The error's quote with one octet changed. */
static struct wire_icmp quote_with(uint32_t off, uint8_t value)
{
	uint8_t msg[8 + 60] = { 3, 1 };
	struct wire_frame frame;
	struct wire_icmp icmp;
	struct rte_mbuf *m;
	struct octets f;

	fx_tcp4(&f, NULL, 0, 20);
	memcpy(msg + 8, f.o + 14, 60);
	msg[8 + off] = value;
	fx_icmp(&f, 4, msg, sizeof(msg));
	frame = fx_parse(&f, 0);
	m = fx_mbuf(f.o, f.len);
	wire_icmp_values(m, &frame, &icmp);
	fx_free(m);
	return icmp;
}

Test(wire_icmp, strange_quotes)
{
	cr_assert_eq(quote_with(0, 0x65).kind, WIRE_ICMP_BAD);
	cr_assert_eq(quote_with(0, 0x44).kind, WIRE_ICMP_BAD);
	cr_assert_eq(quote_with(0, 0x4f).kind, WIRE_ICMP_BAD, "60 octets and 8 are not there");
	cr_assert_eq(quote_with(9, 17).kind, WIRE_ICMP_UNREACHABLE);
	cr_assert_not(quote_with(9, 17).quoted_tcp);
	cr_assert_not(quote_with(7, 1).quoted_tcp, "not the first fragment");
}
