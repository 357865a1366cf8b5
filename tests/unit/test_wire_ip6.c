/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6: header, addresses, extension headers whole, truncated, repeated, forbidden. */
#include <criterion/criterion.h>

#include "wire_fixture.h"

enum { IP = 14, NEXT = IP + 6, EXT = IP + 40 };
enum { HOP = 0, ROUTING = 43, FRAGMENT = 44, DEST = 60 };

static struct octets good(void)
{
	struct octets f;

	fx_tcp6(&f, NULL, 0, 9);
	return f;
}

/* Puts an extension header in front of what is there; checksums do not cover it. */
static void add_ext(struct octets *f, uint8_t kind, const uint8_t *body, uint32_t len)
{
	uint8_t hdr[264] = { 0 };
	const uint32_t payload = f->len - EXT + len;

	memcpy(hdr, body, len);
	hdr[0] = f->o[NEXT];
	if (kind != FRAGMENT)
		hdr[1] = (uint8_t)(len / 8 - 1);
	fx_insert(f, EXT, hdr, len);
	f->o[NEXT] = kind;
	wire_store16(f->o + IP + 4, wire_be16((uint16_t)payload));
}

static const uint8_t padn[8] = { 0, 0, 1, 4 }, pad1[8] = { 0 };

Test(wire_ip6, plain_segment_is_accepted)
{
	struct octets f = good();
	struct wire_frame frame;

	f.o[IP] = 0x6a;
	f.o[IP + 1] = 0xbc;	/* traffic class 0xab */
	frame = fx_parse(&f, 0);
	cr_assert_eq(frame.kind, WIRE_TCP);
	cr_assert_eq(frame.family, 6);
	cr_assert_eq(frame.l3_len, 40);
	cr_assert_eq(frame.l4_len, 29);
	cr_assert_eq(frame.tos, 0xab);
	cr_assert_eq(frame.hop_limit, 61);
	cr_assert_eq(frame.dport, wire_be16(80));
}

Test(wire_ip6, truncation_and_version)
{
	struct octets f = good();
	const uint32_t whole = f.len;

	for (f.len = 14; f.len < whole; f.len++)
		fx_expect_drop(&f, f.len < 54 ? MR_C_RX_SHORT : MR_C_RX_IP_LENGTH);
	f = good();
	f.o[IP] = 0x40;
	fx_expect_drop(&f, MR_C_RX_IP_VERSION);
	f = good();
	f.o[NEXT] = 59;
	fx_expect_drop(&f, MR_C_RX_PROTOCOL);
	f.o[NEXT] = 17;
	fx_expect_drop(&f, MR_C_RX_PROTOCOL);
	f.o[NEXT] = 51;
	fx_expect_drop(&f, MR_C_RX_PROTOCOL);
}

static void with_addr(uint32_t off, const uint8_t addr[16], enum mr_counter reason)
{
	struct octets f = good();

	memcpy(f.o + off, addr, 16);
	fx_fix(&f, 6);
	fx_expect_drop(&f, reason);
}

Test(wire_ip6, addresses)
{
	static const uint8_t bad[][16] = { { 0 }, { [15] = 1 }, { 0xff, 2, [15] = 1 },
		{ [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 } };

	for (unsigned int i = 0; i < MR_ARRAY_LEN(bad); i++) {
		with_addr(IP + 8, bad[i], MR_C_RX_IP_SOURCE);
		with_addr(IP + 24, bad[i], MR_C_RX_IP_DEST);
	}
	with_addr(IP + 8, fx_our_ip6, MR_C_RX_IP_SOURCE);
}

Test(wire_ip6, multicast_mac)
{
	struct octets f = good();

	f.o[0] = 0x33;
	fx_expect_drop(&f, MR_C_RX_NOT_OURS_MAC);
}

Test(wire_ip6, extension_headers_are_skipped)
{
	static const uint8_t routing[8] = { 0, 0, 4, 0 };	/* no segments left */
	static const uint8_t long_option[24] = { 0, 0, 0x1e, 20 };
	struct octets f = good();
	struct wire_frame frame;

	add_ext(&f, DEST, padn, 8);
	add_ext(&f, ROUTING, routing, 8);
	add_ext(&f, DEST, long_option, 24);
	add_ext(&f, HOP, pad1, 8);
	frame = fx_parse(&f, 0);
	cr_assert_eq(frame.kind, WIRE_TCP);
	cr_assert_eq(frame.l3_len, 40 + 48);
	cr_assert_eq(frame.l4_len, 29);
}

Test(wire_ip6, at_most_eight_extension_headers)
{
	struct octets f = good();

	for (unsigned int i = 0; i < 8; i++)
		add_ext(&f, DEST, padn, 8);
	cr_assert_eq(fx_parse(&f, 0).kind, WIRE_TCP);
	add_ext(&f, DEST, padn, 8);
	fx_expect_drop(&f, MR_C_RX_EXT_HEADER);
}

Test(wire_ip6, truncated_extension_headers)
{
	struct octets f = good();

	add_ext(&f, DEST, padn, 8);
	for (uint32_t payload = 0; payload < 8; payload++) {
		wire_store16(f.o + IP + 4, wire_be16((uint16_t)payload));
		f.len = EXT + payload;
		fx_expect_drop(&f, MR_C_RX_EXT_HEADER);
	}
	wire_store16(f.o + IP + 4, wire_be16(8));	/* whole, but nothing behind it */
	f.len = EXT + 8;
	fx_expect_drop(&f, MR_C_RX_TCP_HEADER);
	f = good();
	add_ext(&f, DEST, padn, 8);
	f.o[EXT + 1] = 255;
	fx_expect_drop(&f, MR_C_RX_EXT_HEADER);
}

static void one_ext(uint8_t kind, const uint8_t body[8], enum mr_counter reason)
{
	struct octets f = good();

	add_ext(&f, kind, body, 8);
	fx_expect_drop(&f, reason);
}

Test(wire_ip6, malformed_extension_headers)
{
	one_ext(ROUTING, (const uint8_t[8]){ 0, 0, 0, 1 }, MR_C_RX_EXT_HEADER);	/* segment left */
	one_ext(DEST, (const uint8_t[8]){ 0, 0, 1, 5 }, MR_C_RX_EXT_HEADER);	/* beyond it */
	one_ext(DEST, (const uint8_t[8]){ 0, 0, 1, 3, 0, 0, 0, 1 }, MR_C_RX_EXT_HEADER);
	one_ext(DEST, (const uint8_t[8]){ 0, 0, 0x5e, 4 }, MR_C_RX_EXT_HEADER);	/* discard */
	one_ext(DEST, (const uint8_t[8]){ 0, 0, 0x9e, 4 }, MR_C_RX_EXT_HEADER);	/* discard, ICMP */
	one_ext(HOP, (const uint8_t[8]){ 0, 0, 0xc2, 4 }, MR_C_RX_EXT_HEADER);	/* jumbo payload */
}

Test(wire_ip6, hop_by_hop_only_first)
{
	struct octets f = good();

	add_ext(&f, HOP, padn, 8);
	cr_assert_eq(fx_parse(&f, 0).kind, WIRE_TCP);
	add_ext(&f, DEST, padn, 8);
	fx_expect_drop(&f, MR_C_RX_EXT_HEADER);
}

Test(wire_ip6, too_many_options)
{
	static const uint8_t pads[24] = { 0 };	/* 22 Pad1 */
	struct octets f = good();

	add_ext(&f, DEST, pads, 24);
	fx_expect_drop(&f, MR_C_RX_EXT_HEADER);
}

Test(wire_ip6, fragments)
{
	static const uint8_t places[][2] = {{0, 1}, {0, 8}, {0xff, 0xf8}};
	struct octets f;

	for (unsigned int i = 0; i < MR_ARRAY_LEN(places); i++) {
		const uint8_t hdr[8] = {0, 0, places[i][0], places[i][1], 1, 2, 3, 4};
		struct wire_fragment frag;
		struct wire_frame frame;
		struct rte_mbuf *m;

		f = good();
		add_ext(&f, FRAGMENT, hdr, 8);
		add_ext(&f, DEST, padn, 8);
		frame = fx_parse(&f, 0);
		cr_assert_eq(frame.kind, WIRE_FRAGMENT);
		cr_assert(frame.l3_len == 56 && frame.l4_len == f.len - IP - 56);
		m = fx_mbuf(f.o, f.len);
		wire_fragment_values(m, &frame, &frag);
		fx_free(m);
		cr_assert(frag.proto == 6 && wire_be32(frag.id) == 0x01020304);
		cr_assert_eq(frag.off, places[i][0] << 8 | (places[i][1] & 0xf8));
		cr_assert_eq(frag.more, i == 0);
	}
	f = good();
	f.o[NEXT] = 17;
	add_ext(&f, FRAGMENT, (const uint8_t[8]){ 0, 0, 0, 1 }, 8);
	fx_expect_drop(&f, MR_C_RX_PROTOCOL);
	f = good();
	add_ext(&f, FRAGMENT, (const uint8_t[8]){ 0, 0, 0, 6, 1, 2, 3, 4 }, 8);
	cr_assert_eq(fx_parse(&f, 0).kind, WIRE_TCP, "atomic: a whole packet (RFC 6946)");
	fx_icmp(&f, 6, (const uint8_t[8]){ 128 }, 8);
	add_ext(&f, FRAGMENT, (const uint8_t[8]){ 0 }, 8);
	cr_assert_eq(fx_parse(&f, 0).kind, WIRE_ICMP6, "a whole packet too");
	fx_icmp(&f, 6, (const uint8_t[8]){ 135 }, 8);
	add_ext(&f, FRAGMENT, (const uint8_t[8]){ 0 }, 8);
	fx_expect_drop(&f, MR_C_RX_FRAGMENT);	/* RFC 6980 */
}
