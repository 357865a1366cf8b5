/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The predicates of plain.h against the general parser, which sees the same octets in a chain and
 * so never asks them: what they accept is TCP with the same values, and of what is TCP they refuse
 * only what is not plain.
 */
#include <criterion/criterion.h>

#include "plain.h"
#include "rng.h"
#include "wire_fixture.h"

#define GOOD	(RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)
#define OPTION	12u	/* octets of options of the usual frame */
#define PAYLOAD	5u

static const uint8_t timestamps[OPTION] = { 1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9 };

static void usual(struct octets *f, uint8_t family)
{
	if (family == 4)
		fx_tcp4(f, timestamps, OPTION, PAYLOAD);
	else
		fx_tcp6(f, timestamps, OPTION, PAYLOAD);
}

static bool is_plain(const struct rte_mbuf *m, uint8_t family)
{
	return family == 4 ? wire_is_plain4(m) : wire_is_plain6(m);
}

static bool accepted(const struct octets *f, uint8_t family, uint64_t ol_flags)
{
	struct rte_mbuf *m = fx_mbuf(f->o, f->len);
	bool plain;

	m->ol_flags = ol_flags;
	plain = is_plain(m, family);
	cr_assert(!is_plain(m, family == 4 ? 6 : 4), "of the other family");
	fx_free(m);
	return plain;
}

/* ---- one by one ---- */

Test(wire_plain, the_usual_frame_is_accepted)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct octets f;

		usual(&f, family);
		cr_assert(accepted(&f, family, 0), "family %u, sums by reading", family);
		cr_assert(accepted(&f, family, GOOD), "family %u, sums by the port", family);
		cr_assert(accepted(&f, family, GOOD | RTE_MBUF_F_RX_RSS_HASH));
		f.len += 6;	/* Ethernet padding */
		memset(f.o + f.len - 6, 0xee, 6);
		cr_assert(accepted(&f, family, 0), "family %u, padded", family);
		f.o[f.len - 7] ^= 1;	/* not believed, once the port says so */
		cr_assert(accepted(&f, family, GOOD));
	}
}

/* One field of the usual frame that makes it another: refused, its checksums good or taken so. */
static const struct odd {
	const char *what;
	uint8_t family, off, len;
	uint8_t octets[16];
} odd_frames[] = {
	{ "to a group MAC", 4, 0, 1, { 3 } },
	{ "from a group MAC", 4, 6, 1, { 3 } },
	{ "a tag", 4, 12, 2, { 0x81, 0 } },
	{ "IPv6 by EtherType alone", 4, 12, 2, { 0x86, 0xdd } },
	{ "version 5", 4, 14, 1, { 0x55 } },
	{ "IP options", 4, 14, 1, { 0x46 } },
	{ "total length 0", 4, 16, 2, { 0, 0 } },
	{ "total length without the TCP header", 4, 16, 2, { 0, 39 } },
	{ "total length within the options", 4, 16, 2, { 0, 51 } },
	{ "total length beyond the frame", 4, 16, 2, { 0, 20 + 20 + OPTION + PAYLOAD + 1 } },
	{ "more fragments", 4, 20, 1, { 0x20 } },
	{ "fragment offset, low", 4, 21, 1, { 1 } },
	{ "fragment offset, high", 4, 20, 1, { 0x10 } },
	{ "UDP", 4, 23, 1, { 17 } },
	{ "from 0.0.0.0", 4, 26, 4, { 0 } },
	{ "from 127.0.0.1", 4, 26, 4, { 127, 0, 0, 1 } },
	{ "from a group", 4, 26, 4, { 224, 0, 0, 9 } },
	{ "from broadcast", 4, 26, 4, { 255, 255, 255, 255 } },
	{ "source port 0", 4, 34, 2, { 0, 0 } },
	{ "destination port 0", 4, 36, 2, { 0, 0 } },
	{ "data offset 4", 4, 46, 1, { 0x40 } },
	{ "data offset beyond the packet", 4, 46, 1, { 0xa0 } },
	{ "to a group MAC", 6, 0, 1, { 3 } },
	{ "from a group MAC", 6, 6, 1, { 3 } },
	{ "a tag", 6, 12, 2, { 0x81, 0 } },
	{ "IPv4 by EtherType alone", 6, 12, 2, { 8, 0 } },
	{ "version 4", 6, 14, 1, { 0x40 } },
	{ "payload length 0", 6, 18, 2, { 0, 0 } },
	{ "payload length without the TCP header", 6, 18, 2, { 0, 19 } },
	{ "payload length within the options", 6, 18, 2, { 0, 31 } },
	{ "payload length beyond the frame", 6, 18, 2, { 0, 20 + OPTION + PAYLOAD + 1 } },
	{ "hop-by-hop options", 6, 20, 1, { 0 } },
	{ "a fragment", 6, 20, 1, { 44 } },
	{ "destination options", 6, 20, 1, { 60 } },
	{ "UDP", 6, 20, 1, { 17 } },
	{ "from ::", 6, 22, 16, { 0 } },
	{ "from ::1", 6, 22, 16, { [15] = 1 } },
	{ "from a group", 6, 22, 16, { 0xff, 2, [15] = 1 } },
	{ "from IPv4-mapped", 6, 22, 16, { [10] = 0xff, 0xff, 10, 0, 0, 1 } },
	{ "source port 0", 6, 54, 2, { 0, 0 } },
	{ "destination port 0", 6, 56, 2, { 0, 0 } },
	{ "data offset 4", 6, 66, 1, { 0x40 } },
	{ "data offset beyond the packet", 6, 66, 1, { 0xa0 } },
};

Test(wire_plain, one_field_amiss)
{
	for (unsigned int i = 0; i < MR_ARRAY_LEN(odd_frames); i++) {
		const struct odd *o = &odd_frames[i];
		struct octets f;

		usual(&f, o->family);
		memcpy(f.o + o->off, o->octets, o->len);
		cr_assert(!accepted(&f, o->family, GOOD), "IPv%u, %s", o->family, o->what);
		if (f.o[14] >> 4 == o->family)
			fx_fix(&f, 6);
		cr_assert(!accepted(&f, o->family, 0), "IPv%u, %s", o->family, o->what);
	}
}

Test(wire_plain, from_its_own_address)
{
	struct octets f;

	usual(&f, 4);
	memcpy(f.o + 26, f.o + 30, 4);
	fx_fix(&f, 6);
	cr_assert(!accepted(&f, 4, 0) && !accepted(&f, 4, GOOD));
	usual(&f, 6);
	memcpy(f.o + 22, f.o + 38, 16);
	fx_fix(&f, 6);
	cr_assert(!accepted(&f, 6, 0) && !accepted(&f, 6, GOOD));
}

/* Octets that a checksum covers; of the IPv4 header those that are free to differ. */
Test(wire_plain, wrong_checksums)
{
	static const uint8_t free4[] = { 15, 18, 19, 22, 24, 25 };
	struct octets f;

	for (unsigned int i = 0; i < sizeof(free4); i++) {
		usual(&f, 4);
		f.o[free4[i]] ^= 0x40;
		cr_assert(!accepted(&f, 4, 0), "octet %u", free4[i]);
		cr_assert(accepted(&f, 4, GOOD), "octet %u", free4[i]);
	}
	for (uint8_t family = 4; family <= 6; family += 2) {
		uint16_t tcp_sum;

		usual(&f, family);
		for (uint32_t at = family == 4 ? 34 : 54; at < f.len; at++) {
			f.o[at] ^= 1;
			cr_assert(!accepted(&f, family, 0), "IPv%u, octet %u", family, at);
			f.o[at] ^= 1;
		}
		tcp_sum = wire_load16(f.o + (family == 4 ? 50 : 70));
		f.o[family == 4 ? 29 : 37] ^= 2;
		fx_fix(&f, 6);
		wire_store16(f.o + (family == 4 ? 50 : 70), tcp_sum);
		cr_assert(!accepted(&f, family, 0), "IPv%u, pseudo-header", family);
	}
}

Test(wire_plain, what_the_port_says)
{
	static const uint64_t refused4[] = {
		RTE_MBUF_F_RX_IP_CKSUM_BAD, RTE_MBUF_F_RX_L4_CKSUM_BAD,
		RTE_MBUF_F_RX_IP_CKSUM_NONE, RTE_MBUF_F_RX_L4_CKSUM_NONE,
		GOOD | RTE_MBUF_F_RX_VLAN_STRIPPED, GOOD | RTE_MBUF_F_RX_QINQ_STRIPPED,
		RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD,
		RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD,
	};
	static const uint64_t refused6[] = {
		RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_MBUF_F_RX_L4_CKSUM_NONE,
		GOOD | RTE_MBUF_F_RX_VLAN_STRIPPED, GOOD | RTE_MBUF_F_RX_QINQ_STRIPPED,
	};
	struct octets f;

	usual(&f, 4);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(refused4); i++)
		cr_assert(!accepted(&f, 4, refused4[i]), "flags %u", i);
	usual(&f, 6);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(refused6); i++)
		cr_assert(!accepted(&f, 6, refused6[i]), "flags %u", i);
	/* there is no header checksum to speak of */
	cr_assert(accepted(&f, 6, RTE_MBUF_F_RX_L4_CKSUM_GOOD));
	cr_assert(accepted(&f, 6, RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_NONE));
}

/* The packet whole in the first segment, but not all of the frame. */
static void padding_in_a_segment(const struct octets *f, uint8_t family)
{
	struct rte_mbuf *chain = fx_chain(f->o, f->len + 6, f->len);

	chain->ol_flags = GOOD;
	cr_assert_eq(chain->nb_segs, 2);
	cr_assert(!is_plain(chain, family), "IPv%u", family);
	fx_free(chain);
}

Test(wire_plain, truncated_and_in_segments)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct octets f;

		usual(&f, family);
		for (uint32_t len = f.len; len-- > 0;) {
			struct rte_mbuf *cut = fx_mbuf(f.o, len), *chain;

			cut->ol_flags = GOOD;
			cr_assert(!is_plain(cut, family), "IPv%u, %u octets", family, len);
			fx_free(cut);
			chain = fx_chain(f.o, f.len, len == 0 ? 1 : len);
			chain->ol_flags = GOOD;
			cr_assert(!is_plain(chain, family), "IPv%u, cut at %u", family, len);
			fx_free(chain);
		}
		padding_in_a_segment(&f, family);
	}
}

/* ---- random ones ---- */

static void random_frame(struct mr_rng *rng, struct octets *f)
{
	static const uint8_t syn[40] = {
		2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7,
		5, 18, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 1, 1,
	};
	const bool ts = mr_rng_below(rng, 3) == 0;
	const uint32_t len = ts ? OPTION : (uint32_t)mr_rng_below(rng, 11) * 4;
	const uint32_t payload = mr_rng_below(rng, 2) ? 0 : (uint32_t)mr_rng_below(rng, 60);

	if (mr_rng_below(rng, 2))
		fx_tcp4(f, ts ? timestamps : syn, len, payload);
	else
		fx_tcp6(f, ts ? timestamps : syn, len, payload);
}

/* Octets of the headers anywhere, addresses of special ranges, lengths, padding. */
static void mutate(struct mr_rng *rng, struct octets *f)
{
	static const uint8_t firsts[] = { 0, 10, 127, 223, 224, 239, 240, 255 };
	const bool v4 = f->l3_len == 20;
	const uint8_t src = v4 ? 26 : 22, dst = v4 ? 30 : 38;
	const uint32_t headers = f->l2_len + f->l3_len + 20u;

	for (uint64_t n = mr_rng_below(rng, 3); n > 0; n--)
		f->o[mr_rng_below(rng, headers)] = (uint8_t)mr_rng_next(rng);
	if (mr_rng_below(rng, 6) == 0)
		f->o[mr_rng_below(rng, 2) ? src : dst] = firsts[mr_rng_below(rng, 8)];
	if (mr_rng_below(rng, 12) == 0)
		memcpy(f->o + src, f->o + dst, v4 ? 4 : 16);
	if (mr_rng_below(rng, 12) == 0)
		memset(f->o + (mr_rng_below(rng, 2) ? src : dst), 0, v4 ? 4 : 15);
	if (mr_rng_below(rng, 2) && f->o[14] >> 4 == (v4 ? 4 : 6))
		fx_fix(f, 6);
	if (mr_rng_below(rng, 8) == 0)
		f->len += (uint32_t)mr_rng_below(rng, 8);
	else if (mr_rng_below(rng, 8) == 0)
		f->len = 15 + (uint32_t)mr_rng_below(rng, f->len - 15);
}

static uint64_t random_flags(struct mr_rng *rng)
{
	const uint64_t all = PLAIN_RX_FLAGS;

	switch (mr_rng_below(rng, 4)) {
	case 0:
		return mr_rng_next(rng) & all;
	case 1:
		return GOOD;
	default:
		return 0;
	}
}

/* TCP, but plain it is not: what the predicates leave to the parser. */
static bool tcp_but_odd(const struct rte_mbuf *m, const struct wire_frame *f)
{
	const uint64_t flags = m->ol_flags &
		(f->family == 4 ? PLAIN_RX_FLAGS : PLAIN_RX_FLAGS & ~RTE_MBUF_F_RX_IP_CKSUM_MASK);

	if (flags != 0 && flags != (f->family == 4 ? GOOD : RTE_MBUF_F_RX_L4_CKSUM_GOOD))
		return true;
	return f->l2_len != 14 || f->l3_len != (f->family == 4 ? 20 : 40) ||
	       (f->family == 4 && wire_be32(f->src4) >> 28 == 0xf);
}

static void expect_same_values(const struct rte_mbuf *m, const struct wire_frame *f)
{
	const uint8_t *tcp = rte_pktmbuf_mtod(m, const uint8_t *) + f->l2_len + f->l3_len;
	const struct wire_plain words = wire_plain_words(tcp);
	struct tcp_seg want = { 0 }, got = { 0 };
	uint16_t off, why;

	cr_assert(wire_tcp_values(m, f, &want, &off, &why));
	wire_plain_values(words, f->l4_len, &got);
	cr_assert_eq(wire_plain_flags(words), want.flags);
	cr_assert_eq(f->l2_len + f->l3_len + 20u + wire_plain_options_len(words), off);
	cr_assert(got.seq == want.seq && got.ack == want.ack && got.wnd == want.wnd &&
		  got.len == want.len && got.urg == want.urg && got.flags == want.flags &&
		  got.opts == 0 && got.nsack == 0);
	wire_tcp_options(tcp + 20, (uint16_t)wire_plain_options_len(words), &got);
	got.ecn = wire_plain_ecn(rte_pktmbuf_mtod(m, const uint8_t *), f->family == 6);
	cr_assert_eq(memcmp(&got, &want, sizeof(got)), 0);
}

/* The frame as the predicate's word says it is. */
static void expect_plain(const struct rte_mbuf *m, uint8_t family, const struct wire_frame *f)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *dst = p + (family == 4 ? 30 : 38);

	if (f->kind == WIRE_DROP) {	/* whose address it is, is the caller's question */
		cr_assert_eq(f->drop, MR_C_RX_IP_DEST, "%s", mr_counter_info[f->drop].name);
		cr_assert(family == 4 ? !wire_ip4_is_plain(wire_be32(wire_load32(dst)))
				      : !wire_ip6_is_host(dst));
		return;
	}
	cr_assert_eq(f->kind, WIRE_TCP);
	cr_assert_eq(f->family, family);
	cr_assert(f->l2_len == 14 && f->l3_len == (family == 4 ? 20 : 40));
	cr_assert(f->vlan == WIRE_NO_VLAN && f->vlan_outer == WIRE_NO_VLAN);
	cr_assert_eq(f->l4_len, wire_be16(wire_load16(p + (family == 4 ? 16 : 18))) -
				(family == 4 ? 20 : 0));
	cr_assert_eq(f->sport, wire_load16(p + 14 + f->l3_len));
	cr_assert_eq(f->dport, wire_load16(p + 14 + f->l3_len + 2));
	expect_same_values(m, f);
}

struct outcomes {
	unsigned int plain[2], odd, other;
};

static void one_frame(struct mr_rng *rng, const struct octets *f, struct outcomes *seen)
{
	struct rte_mbuf *m = fx_mbuf(f->o, f->len);
	struct rte_mbuf *cut = fx_chain(f->o, f->len, 1 + (uint32_t)mr_rng_below(rng, f->len - 1));
	struct mr_counters unused = { 0 };
	struct wire_frame frame;
	bool plain[2];

	cr_assert_gt(cut->nb_segs, 1);
	m->ol_flags = cut->ol_flags = random_flags(rng);
	wire_parse(cut, &frame, &unused);
	plain[0] = wire_is_plain4(m);
	plain[1] = wire_is_plain6(m);
	cr_assert(!plain[0] || !plain[1]);
	if (plain[0] || plain[1]) {
		expect_plain(m, plain[0] ? 4 : 6, &frame);
		seen->plain[plain[1]]++;
	} else if (frame.kind == WIRE_TCP) {
		cr_assert(tcp_but_odd(cut, &frame), "family %u, refused", frame.family);
		seen->odd++;
	} else {
		seen->other++;
	}
	fx_free(m);
	fx_free(cut);
}

Test(wire_plain, accepts_what_the_parser_calls_tcp, .timeout = 100)
{
	struct outcomes seen = { 0 };
	struct mr_rng rng;
	struct octets f;

	mr_rng_seed(&rng, 71);
	for (unsigned int i = 0; i < 300000; i++) {
		random_frame(&rng, &f);
		mutate(&rng, &f);
		one_frame(&rng, &f, &seen);
	}
	cr_assert(seen.plain[0] > 20000 && seen.plain[1] > 20000 && seen.odd > 5000 &&
		  seen.other > 50000, "the mutations must reach all kinds: %u %u %u %u",
		  seen.plain[0], seen.plain[1], seen.odd, seen.other);
}
