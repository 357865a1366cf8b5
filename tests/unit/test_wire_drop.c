/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet, VLAN, ARP, IPv4 and TCP headers: what is accepted, and every reason of a drop. */
#include <criterion/criterion.h>

#include "wire_fixture.h"

enum { IP = 14, TCP = 34 };

static struct octets good(void)
{
	struct octets f;

	fx_tcp4(&f, NULL, 0, 11);
	return f;
}

Test(wire_drop, plain_segment_is_accepted)
{
	const struct octets f = good();
	const struct wire_frame frame = fx_parse(&f, 0);

	cr_assert_eq(frame.kind, WIRE_TCP);
	cr_assert_eq(frame.family, 4);
	cr_assert_eq(frame.l2_len, 14);
	cr_assert_eq(frame.l3_len, 20);
	cr_assert_eq(frame.l4_len, 31);
	cr_assert_eq(frame.hop_limit, 61);
	cr_assert_eq(frame.vlan, WIRE_NO_VLAN);
	cr_assert_eq(frame.vlan_outer, WIRE_NO_VLAN);
	cr_assert_eq(frame.sport, wire_be16(4000));
	cr_assert_eq(frame.dport, wire_be16(80));
	cr_assert_eq(memcmp(&frame.src4, fx_peer_ip4, 4), 0);
	cr_assert_eq(memcmp(&frame.dst4, fx_our_ip4, 4), 0);
}

Test(wire_drop, every_truncation_is_dropped)
{
	const struct octets whole = good();

	for (uint32_t len = 0; len < whole.len; len++) {
		struct octets f = whole;

		f.len = len;
		fx_expect_drop(&f, len < 34 ? MR_C_RX_SHORT : MR_C_RX_IP_LENGTH);
	}
}

Test(wire_drop, padding_behind_the_packet_is_not_payload)
{
	struct octets f = good();

	f.len += 15;
	cr_assert_eq(fx_parse(&f, 0).l4_len, 31);
}

Test(wire_drop, macs)
{
	struct octets f = good();

	f.o[6] |= 1;
	fx_expect_drop(&f, MR_C_RX_SOURCE_MAC);
	f = good();
	memset(f.o, 0xff, 6);
	fx_expect_drop(&f, MR_C_RX_NOT_OURS_MAC);	/* MUST-57 */
	f = good();
	f.o[0] = 1;
	fx_expect_drop(&f, MR_C_RX_NOT_OURS_MAC);
}

Test(wire_drop, ethertypes)
{
	static const uint16_t types[] = { 0, 46, 0x5ff, 0x0801, 0x8847, 0x88cc, 0xffff };

	for (unsigned int i = 0; i < MR_ARRAY_LEN(types); i++) {
		struct octets f = good();

		wire_store16(f.o + 12, wire_be16(types[i]));
		fx_expect_drop(&f, MR_C_RX_ETHERTYPE);
	}
}

static struct octets tagged(uint16_t outer_type, uint16_t outer, uint16_t inner, unsigned int tags)
{
	struct octets f = good();
	uint8_t tag[4] = { 0x81, 0, (uint8_t)(inner >> 8), (uint8_t)inner };

	if (tags > 0)
		fx_insert(&f, 12, tag, 4);
	tag[0] = (uint8_t)(outer_type >> 8);
	tag[1] = (uint8_t)outer_type;
	tag[2] = (uint8_t)(outer >> 8);
	tag[3] = (uint8_t)outer;
	for (unsigned int i = 1; i < tags; i++)
		fx_insert(&f, 12, tag, 4);
	return f;
}

Test(wire_drop, vlan_tags)
{
	struct octets f = tagged(0, 0, 0xe07b, 1);	/* priority 7, id 123 */
	struct wire_frame frame = fx_parse(&f, 0);

	cr_assert_eq(frame.kind, WIRE_TCP);
	cr_assert_eq(frame.l2_len, 18);
	cr_assert_eq(frame.vlan, 123);
	cr_assert_eq(frame.vlan_outer, WIRE_NO_VLAN);
	f = tagged(0x88a8, 200, 123, 2);
	frame = fx_parse(&f, 0);
	cr_assert_eq(frame.l2_len, 22);
	cr_assert_eq(frame.vlan, 123);
	cr_assert_eq(frame.vlan_outer, 200);
	f = tagged(0, 0, 0xe000, 1);			/* a priority tag names no VLAN */
	frame = fx_parse(&f, 0);
	cr_assert_eq(frame.kind, WIRE_TCP);
	cr_assert_eq(frame.vlan, WIRE_NO_VLAN);
	f = tagged(0x88a8, 200, 0, 2);
	frame = fx_parse(&f, 0);
	cr_assert_eq(frame.vlan, 200);
	cr_assert_eq(frame.vlan_outer, WIRE_NO_VLAN);
	f = tagged(0x8100, 5, 6, 3);
	fx_expect_drop(&f, MR_C_RX_ETHERTYPE);
	f = tagged(0x8100, 5, 6, 2);
	for (f.len = 14; f.len < 22; f.len++)
		fx_expect_drop(&f, MR_C_RX_SHORT);
}

static struct wire_frame parse_stripped(const struct octets *f, uint64_t flags, uint16_t outer)
{
	struct rte_mbuf *m = fx_mbuf(f->o, f->len);
	struct mr_counters counters = { 0 };
	struct wire_frame frame;

	m->ol_flags = flags;
	m->vlan_tci = 0x2000 | 123;
	m->vlan_tci_outer = outer;
	wire_parse(m, &frame, &counters);
	fx_free(m);
	return frame;
}

Test(wire_drop, stripped_tags)
{
	struct octets f = good();
	struct wire_frame frame = parse_stripped(&f, RTE_MBUF_F_RX_VLAN_STRIPPED, 0);

	cr_assert_eq(frame.kind, WIRE_TCP);
	cr_assert_eq(frame.l2_len, 14);
	cr_assert_eq(frame.vlan, 123);
	frame = parse_stripped(&f, RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED, 77);
	cr_assert_eq(frame.vlan, 123);
	cr_assert_eq(frame.vlan_outer, 77);
	f = tagged(0, 0, 9, 1);		/* the outer tag was stripped, the inner one was not */
	frame = parse_stripped(&f, RTE_MBUF_F_RX_VLAN_STRIPPED, 0);
	cr_assert_eq(frame.l2_len, 18);
	cr_assert_eq(frame.vlan, 9);
	cr_assert_eq(frame.vlan_outer, 123);
	frame = parse_stripped(&f, RTE_MBUF_F_RX_QINQ_STRIPPED, 77);	/* a third tag */
	cr_assert_eq(frame.drop, MR_C_RX_ETHERTYPE);
}

/* One octet changed, checksums made right again, one reason expected. */
static void with_octet(uint32_t off, uint8_t value, enum mr_counter reason)
{
	struct octets f = good();

	f.o[off] = value;
	if ((f.o[IP] & 15) == 5 && f.o[IP] >> 4 == 4)
		fx_fix(&f, 6);
	fx_expect_drop(&f, reason);
}

Test(wire_drop, ip4_header)
{
	for (uint32_t ihl = 0; ihl < 5; ihl++)
		with_octet(IP, (uint8_t)(0x40 | ihl), MR_C_RX_IP_VERSION);
	with_octet(IP, 0x65, MR_C_RX_IP_VERSION);
	with_octet(IP, 0x4f, MR_C_RX_SHORT);		/* 60 octets are not there */
	with_octet(IP, 0x46, MR_C_RX_IP_CKSUM);
	with_octet(IP + 3, 19, MR_C_RX_IP_LENGTH);
	with_octet(IP + 3, 52, MR_C_RX_IP_LENGTH);
	with_octet(IP + 2, 0xff, MR_C_RX_IP_LENGTH);
	with_octet(IP + 9, 17, MR_C_RX_PROTOCOL);
}

/* Of what is taken when it is whole, to a host: whatever lies above IP is not looked at yet. */
Test(wire_drop, ip4_fragments)
{
	static const struct { uint16_t place, off; bool more; } cases[] = {
		{0x2000, 0, true}, {0x0001, 8, false}, {0x1fff, 65528, false}, {0x6003, 24, true},
	};
	struct octets f = good();
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct wire_fragment frag;
		struct wire_frame frame;

		wire_store16(f.o + IP + 4, wire_be16(0x1234));
		wire_store16(f.o + IP + 6, wire_be16(cases[i].place));
		fx_fix(&f, 6);
		f.o[IP + 20 + 16] ^= 0xff;	/* the sum of TCP is that of the datagram */
		frame = fx_parse(&f, 0);
		cr_assert_eq(frame.kind, WIRE_FRAGMENT);
		cr_assert_eq(frame.l4_len, f.len - IP - 20);
		m = fx_mbuf(f.o, f.len);
		wire_fragment_values(m, &frame, &frag);
		fx_free(m);
		cr_assert_eq(frag.id, wire_be16(0x1234));
		cr_assert(frag.off == cases[i].off && frag.more == cases[i].more);
		cr_assert_eq(frag.proto, 6);
	}
	f.o[IP + 9] = 17;
	fx_fix(&f, 17);
	fx_expect_drop(&f, MR_C_RX_PROTOCOL);
	f.o[IP + 9] = 1;
	f.o[IP + 16] = 224;
	fx_fix(&f, 1);
	fx_expect_drop(&f, MR_C_RX_FRAGMENT);
}

static void with_addr(uint32_t off, const uint8_t addr[4], enum mr_counter reason)
{
	struct octets f = good();

	memcpy(f.o + off, addr, 4);
	fx_fix(&f, 6);
	if (reason != MR_C_COUNT)
		fx_expect_drop(&f, reason);
	else
		cr_assert_eq(fx_parse(&f, 0).kind, WIRE_TCP);
}

Test(wire_drop, ip4_addresses)
{
	static const uint8_t bad[][4] = { { 0, 0, 0, 0 }, { 0, 1, 2, 3 }, { 127, 0, 0, 1 },
		{ 127, 255, 255, 255 }, { 224, 0, 0, 1 }, { 239, 255, 255, 255 },
		{ 255, 255, 255, 255 } };
	static const uint8_t fine[][4] = { { 1, 0, 0, 0 }, { 126, 255, 255, 255 }, { 128, 0, 0, 1 },
		{ 223, 255, 255, 255 }, { 240, 0, 0, 1 }, { 255, 255, 255, 254 } };

	for (unsigned int i = 0; i < MR_ARRAY_LEN(bad); i++) {
		with_addr(IP + 12, bad[i], MR_C_RX_IP_SOURCE);	/* MUST-63 */
		with_addr(IP + 16, bad[i], MR_C_RX_IP_DEST);	/* MUST-57 */
	}
	for (unsigned int i = 0; i < MR_ARRAY_LEN(fine); i++) {
		with_addr(IP + 12, fine[i], MR_C_COUNT);
		with_addr(IP + 16, fine[i], MR_C_COUNT);
	}
	with_addr(IP + 12, fx_our_ip4, MR_C_RX_IP_SOURCE);	/* source equals destination */
}

Test(wire_drop, ip4_options_are_skipped)
{
	static const uint8_t options[40] = { 7, 39, 4, [39] = 1 };	/* record route, NOP */

	for (uint32_t n = 4; n <= 40; n += 4) {
		struct octets f = good();
		struct wire_frame frame;

		fx_insert(&f, IP + 20, options, n);
		f.l3_len = (uint8_t)(20 + n);
		f.o[IP] = (uint8_t)(0x45 + n / 4);
		f.o[IP + 3] = (uint8_t)(f.len - 14);
		fx_fix(&f, 6);
		frame = fx_parse(&f, 0);
		cr_assert_eq(frame.kind, WIRE_TCP);
		cr_assert_eq(frame.l3_len, 20 + n);
		cr_assert_eq(frame.l4_len, 31);
	}
}

Test(wire_drop, tcp_header)
{
	for (uint32_t words = 0; words < 5; words++)
		with_octet(TCP + 12, (uint8_t)(words << 4), MR_C_RX_TCP_HEADER);
	for (uint32_t words = 8; words < 16; words++)	/* 31 octets are there */
		with_octet(TCP + 12, (uint8_t)(words << 4), MR_C_RX_TCP_HEADER);
	for (uint32_t l4_len = 0; l4_len < 20; l4_len++) {
		struct octets f = good();

		f.len = TCP + l4_len;
		f.o[IP + 3] = (uint8_t)(20 + l4_len);
		fx_fix(&f, 6);
		fx_expect_drop(&f, MR_C_RX_TCP_HEADER);
	}
}

Test(wire_drop, tcp_port_zero)
{
	struct octets f = good();

	f.o[TCP + 2] = f.o[TCP + 3] = 0;
	fx_fix(&f, 6);
	fx_expect_drop(&f, MR_C_RX_TCP_PORT0);
	f = good();
	f.o[TCP] = f.o[TCP + 1] = 0;
	fx_fix(&f, 6);
	fx_expect_drop(&f, MR_C_RX_TCP_PORT0);
}
