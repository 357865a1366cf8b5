/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP options, malformed in every way; checksums by the port, in software, split at odd places. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "rng.h"
#include "wire_fixture.h"

/* Options in a heap buffer of exactly their size, so that ASan sees a read beyond the header. */
static struct tcp_seg options(const uint8_t *opt, uint16_t len)
{
	struct tcp_seg seg;
	uint8_t *exact = calloc(1, len ? len : 1);

	memset(&seg, 0xa5, sizeof(seg));
	if (len > 0)
		memcpy(exact, opt, len);
	wire_tcp_options(exact, len, &seg);
	free(exact);
	return seg;
}

#define OPTIONS(...) \
	options((const uint8_t[]){ __VA_ARGS__ }, \
		(uint16_t)sizeof((const uint8_t[]){ __VA_ARGS__ }))

Test(wire_options, each_alone)
{
	struct tcp_seg seg = options(NULL, 0);

	cr_assert_eq(seg.opts, 0);
	seg = OPTIONS(2, 4, 5, 0xb4);
	cr_assert_eq(seg.opts, TCP_OPT_MSS);
	cr_assert_eq(seg.mss, 1460);
	seg = OPTIONS(3, 3, 7);
	cr_assert_eq(seg.opts, TCP_OPT_WS);
	cr_assert_eq(seg.wscale, 7);
	seg = OPTIONS(3, 3, 15);
	cr_assert_eq(seg.wscale, 14, "RFC 7323 2.3");
	seg = OPTIONS(4, 2);
	cr_assert_eq(seg.opts, TCP_OPT_SACK_OK);
	seg = OPTIONS(8, 10, 1, 2, 3, 4, 5, 6, 7, 8);
	cr_assert_eq(seg.opts, TCP_OPT_TS);
	cr_assert_eq(seg.tsval, 0x01020304);
	cr_assert_eq(seg.tsecr, 0x05060708);
	seg = OPTIONS(1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8);
	cr_assert_eq(seg.opts, TCP_OPT_TS);
	cr_assert_eq(seg.tsval, 0x01020304);
	cr_assert_eq(seg.tsecr, 0x05060708);
	cr_assert_eq(seg.nsack, 0);
}

Test(wire_options, sack_blocks)
{
	uint8_t opt[34] = { 5, 34 };
	struct tcp_seg seg;

	for (uint8_t i = 2; i < 34; i++)
		opt[i] = i;
	for (uint8_t n = 1; n <= 4; n++) {
		opt[1] = (uint8_t)(2 + 8 * n);
		seg = options(opt, opt[1]);
		cr_assert_eq(seg.opts, TCP_OPT_SACK);
		cr_assert_eq(seg.nsack, n);
		cr_assert_eq(seg.sack[n - 1].right, wire_be32(wire_load32(opt + 8 * n - 2)));
	}
	for (uint8_t len = 2; len < 34; len++) {	/* no whole number of blocks */
		opt[1] = len;
		seg = options(opt, len);
		cr_assert_eq(seg.nsack, (len - 2) % 8 == 0 ? (len - 2) / 8 : 0);
	}
}

Test(wire_options, length_zero_one_and_beyond_end_parsing)
{
	static const uint8_t kinds[] = { 2, 3, 4, 5, 8, 28, 30, 253, 255 };

	for (unsigned int i = 0; i < MR_ARRAY_LEN(kinds); i++) {
		for (unsigned int len = 0; len < 256; len++) {
			const uint8_t opt[12] = { 4, 2, kinds[i], (uint8_t)len,
						  1, 1, 1, 1, 1, 3, 3, 5 };
			const struct tcp_seg seg = options(opt, 12);
			const bool ends = len < 2 || len > 10;

			cr_assert(seg.opts & TCP_OPT_SACK_OK, "what came before counts");
			if (ends)
				cr_assert_not(seg.opts & TCP_OPT_WS, "kind %u", kinds[i]);
			else if (len <= 7)
				cr_assert(seg.opts & TCP_OPT_WS, "kind %u len %u", kinds[i], len);
		}
	}
	for (unsigned int kind = 2; kind < 256; kind++)	/* a kind alone has no length */
		cr_assert_eq(options((const uint8_t[]){ 1, (uint8_t)kind }, 2).opts, 0);
}

/* MUST-7: of the right length, but its last octet lies behind the header. */
Test(wire_options, last_octet_beyond_the_header)
{
	static const uint8_t own_len[][2] = { { 2, 4 }, { 3, 3 }, { 4, 2 }, { 8, 10 }, { 5, 10 } };

	for (unsigned int i = 0; i < MR_ARRAY_LEN(own_len); i++) {
		const uint8_t len = own_len[i][1];
		uint8_t opt[12] = { 1 };

		memset(opt, 1, sizeof(opt));
		opt[1] = own_len[i][0];
		opt[2] = len;
		cr_assert_neq(options(opt, (uint16_t)(len + 1)).opts, 0, "kind %u", opt[1]);
		cr_assert_eq(options(opt, len).opts, 0, "kind %u", opt[1]);
	}
}

Test(wire_options, wrong_length_of_a_known_kind_is_skipped)
{
	cr_assert_eq(OPTIONS(2, 3, 5, 3, 3, 9).opts, TCP_OPT_WS);
	cr_assert_eq(OPTIONS(2, 5, 5, 5, 5, 3, 3, 9).opts, TCP_OPT_WS);
	cr_assert_eq(OPTIONS(3, 2, 4, 2).opts, TCP_OPT_SACK_OK);
	cr_assert_eq(OPTIONS(3, 4, 1, 1, 4, 2).opts, TCP_OPT_SACK_OK);
	cr_assert_eq(OPTIONS(4, 3, 0, 3, 3, 9).opts, TCP_OPT_WS);
	cr_assert_eq(OPTIONS(8, 9, 1, 1, 1, 1, 1, 1, 1, 4, 2).opts, TCP_OPT_SACK_OK);
	cr_assert_eq(OPTIONS(2, 4, 0, 0).opts, 0, "MSS 0");
}

/* RFC 7413 4.1.1: 2, or 6 to 18 and even; the experimental form has its number in front. */
Test(wire_options, fast_open_of_its_right_lengths_only)
{
	for (unsigned int exp = 0; exp < 2; exp++) {
		for (uint8_t len = 2; len <= 38; len++) {
			const uint8_t front = exp ? 4 : 2, cookie = (uint8_t)(len - front);
			uint8_t opt[40] = {exp ? 254 : 34, len, 0, 0, 7};
			struct tcp_seg seg;

			if (exp) {
				opt[2] = 0xf9;
				opt[3] = 0x89;
			}
			seg = options(opt, len);
			if (len < front || (cookie != 0 && cookie < 4) || cookie > 16 ||
			    cookie % 2 != 0) {
				cr_expect_eq(seg.opts, 0, "kind %u of %u octets", opt[0], len);
				continue;
			}
			cr_expect_eq(seg.opts, TCP_OPT_FASTOPEN, "kind %u of %u", opt[0], len);
			cr_expect_eq(seg.cookie_len, cookie);
			cr_expect_eq(seg.cookie_exp, exp == 1);
			cr_expect(cookie == 0 || memcmp(seg.cookie, opt + front, cookie) == 0);
		}
	}
	cr_expect_eq(OPTIONS(254, 4, 0xf9, 0x88).opts, 0, "somebody else's experiment");
	cr_expect_eq(OPTIONS(254, 3, 0xf9).opts, 0);
	/* blocks and a cookie: no segment has a use for both */
	cr_expect_eq(OPTIONS(34, 2, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2).opts, TCP_OPT_SACK);
	cr_expect_eq(OPTIONS(5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 34, 2).opts, TCP_OPT_SACK);
}

Test(wire_options, fast_open_is_written_as_it_is_read)
{
	for (uint8_t len = 0; len <= 16; len = (uint8_t)(len + (len == 0 ? 4 : 2))) {
		for (unsigned int exp = 0; exp < 2; exp++) {
			struct tcp_seg seg = {
				.opts = TCP_OPT_MSS | TCP_OPT_TS | TCP_OPT_SACK_OK | TCP_OPT_WS |
					TCP_OPT_FASTOPEN,
				.mss = 1460, .wscale = 7, .cookie_len = len,
				.cookie_exp = exp == 1, .cookie = "0123456789abcde",
			}, back;
			uint8_t octets[44];
			uint16_t n = wire_tcp_options_len(&seg);

			memset(octets, 0xaa, sizeof(octets));
			cr_assert_leq(n, 40);
			cr_assert_eq(wire_put_tcp_options(octets, &seg), n);
			cr_expect_eq(octets[n], 0xaa, "not beyond its length");
			back = options(octets, n);
			cr_expect_eq(back.opts, seg.opts);
			cr_expect(back.cookie_len == len && back.cookie_exp == seg.cookie_exp);
			cr_expect_eq(memcmp(back.cookie, seg.cookie, len), 0);
		}
	}
}

Test(wire_options, mixed_unaligned_unknown)
{
	struct tcp_seg seg = OPTIONS(1, 2, 4, 2, 0x18, 30, 5, 9, 9, 9, 28, 4, 0, 0, 3, 3, 4, 1,
				     4, 2, 0);

	cr_assert_eq(seg.opts, TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_SACK_OK);
	cr_assert_eq(seg.mss, 536);
	cr_assert_eq(seg.wscale, 4);
	seg = OPTIONS(2, 4, 5, 0xb4, 0, 3, 3, 9);
	cr_assert_eq(seg.opts, TCP_OPT_MSS, "nothing counts behind the end of options");
	seg = OPTIONS(2, 4, 5, 0xb4, 2, 4, 1, 0);
	cr_assert_eq(seg.mss, 256, "the last one counts");
}

Test(wire_options, values_of_a_frame_even_when_split)
{
	static const uint8_t opt[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, [11] = 1, [15] = 2, 1, 3, 3, 7 };
	struct octets f;

	fx_tcp4(&f, opt, sizeof(opt), 5);
	for (uint32_t step = 1; step <= f.len; step++) {
		struct rte_mbuf *m = fx_chain(f.o, f.len, step);
		struct mr_counters counters = { 0 };
		struct wire_frame frame;
		struct tcp_seg seg;
		uint16_t off, drop;

		wire_parse(m, &frame, &counters);
		cr_assert(wire_tcp_values(m, &frame, &seg, &off, &drop));
		fx_free(m);
		cr_assert_eq(off, 14 + 20 + 40);
		cr_assert_eq(seg.len, 5);
		cr_assert_eq(seg.seq, 1000);
		cr_assert_eq(seg.ack, 2000);
		cr_assert_eq(seg.wnd, 500);
		cr_assert_eq(seg.flags, TCP_ACK);
		cr_assert_eq(seg.opts, TCP_OPT_MSS | TCP_OPT_SACK_OK | TCP_OPT_TS | TCP_OPT_WS);
		cr_assert_eq(seg.tsecr, 2);
	}
}

static void corrupt_and_expect(struct octets *f)
{
	const uint32_t l4 = (uint32_t)f->l2_len + f->l3_len;

	for (uint32_t i = l4; i < f->len; i++) {
		f->o[i] ^= 0x10;
		fx_expect_drop(f, MR_C_RX_TCP_CKSUM);	/* MUST-3 */
		f->o[i] ^= 0x10;
	}
	f->o[l4 + 16] = f->o[l4 + 17] = 0;		/* TCP has no "not computed" */
	fx_expect_drop(f, MR_C_RX_TCP_CKSUM);
}

Test(wire_cksum, software_verification)
{
	struct octets f;

	for (uint32_t payload = 0; payload < 12; payload++) {
		fx_tcp4(&f, NULL, 0, payload);
		cr_assert_eq(fx_parse(&f, 0).kind, WIRE_TCP);
		corrupt_and_expect(&f);
		fx_tcp6(&f, NULL, 0, payload);
		cr_assert_eq(fx_parse(&f, 0).kind, WIRE_TCP);
		corrupt_and_expect(&f);
	}
	fx_tcp4(&f, NULL, 0, 3);
	f.o[14 + 8]--;			/* TTL without its checksum */
	fx_expect_drop(&f, MR_C_RX_IP_CKSUM);
}

Test(wire_cksum, flags_of_the_port)
{
	const uint64_t ip_good = RTE_MBUF_F_RX_IP_CKSUM_GOOD, l4_good = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	struct octets f;

	fx_tcp4(&f, NULL, 0, 10);
	cr_assert_eq(fx_parse(&f, ip_good | RTE_MBUF_F_RX_L4_CKSUM_BAD).drop, MR_C_RX_TCP_CKSUM);
	cr_assert_eq(fx_parse(&f, RTE_MBUF_F_RX_IP_CKSUM_BAD | l4_good).drop, MR_C_RX_IP_CKSUM);
	f.o[60] ^= 1;
	cr_assert_eq(fx_parse(&f, ip_good | l4_good).kind, WIRE_TCP, "GOOD is believed");
	cr_assert_eq(fx_parse(&f, ip_good).drop, MR_C_RX_TCP_CKSUM, "UNKNOWN is verified");
	cr_assert_eq(fx_parse(&f, ip_good | RTE_MBUF_F_RX_L4_CKSUM_NONE).kind, WIRE_TCP);
	f.o[14 + 10] ^= 1;
	cr_assert_eq(fx_parse(&f, l4_good).drop, MR_C_RX_IP_CKSUM);
	cr_assert_eq(fx_parse(&f, ip_good | l4_good).kind, WIRE_TCP);
	cr_assert_eq(fx_parse(&f, RTE_MBUF_F_RX_IP_CKSUM_NONE | l4_good).kind, WIRE_TCP);
}

Test(wire_cksum, partial_checksums_are_counted)
{
	struct mr_counters counters = { 0 };
	struct wire_frame frame;
	struct rte_mbuf *m;
	struct octets f;

	fx_tcp4(&f, NULL, 0, 10);
	m = fx_mbuf(f.o, f.len);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	wire_parse(m, &frame, &counters);
	fx_free(m);
	cr_assert_eq(counters.v[MR_C_RX_PARTIAL_CKSUM], 1);
}

Test(wire_cksum, chains_of_any_cut_equal_the_obvious_sum)
{
	uint8_t o[1500];
	struct mr_rng rng;

	mr_rng_seed(&rng, 7);
	for (uint32_t i = 0; i < sizeof(o); i++)
		o[i] = (uint8_t)mr_rng_next(&rng);
	for (unsigned int round = 0; round < 3000; round++) {
		const uint32_t len = (uint32_t)mr_rng_below(&rng, sizeof(o)) + 1;
		const uint32_t off = (uint32_t)mr_rng_below(&rng, len);
		const uint32_t n = (uint32_t)mr_rng_below(&rng, len - off + 1);
		struct rte_mbuf *m = fx_chain(o, len, (uint32_t)mr_rng_below(&rng, 99) + 1);
		const uint16_t got = wire_sum_reduce(wire_sum_chain(m, off, n, wire_be16(0x1234)));

		cr_assert_eq(wire_be16(got), fx_fold(fx_sum(o + off, n, 0x1234)));
		fx_free(m);
	}
}

Test(wire_cksum, largest_sum_does_not_overflow)
{
	uint8_t *o = malloc(65535);

	memset(o, 0xff, 65535);
	cr_assert_eq(wire_sum_reduce(wire_sum(o, 65534, 0)), 0xffff);
	cr_assert_eq(wire_sum_fold(wire_sum(o, 65534, UINT64_MAX / 2)),
		     wire_sum_fold(UINT64_MAX / 2 + 0xffff));
	free(o);
}
