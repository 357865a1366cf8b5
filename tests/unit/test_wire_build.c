/* SPDX-License-Identifier: BSD-3-Clause */
/* Built frames parse back to what went in; replies in place equal frames built anew. */
#include <criterion/criterion.h>

#include "reply.h"
#include "rng.h"
#include "wire_fixture.h"

static struct tcp_seg random_seg(struct mr_rng *rng)
{
	struct tcp_seg seg = {
		.seq = (uint32_t)mr_rng_next(rng), .ack = (uint32_t)mr_rng_next(rng),
		.tsval = (uint32_t)mr_rng_next(rng), .tsecr = (uint32_t)mr_rng_next(rng),
		.wnd = (uint16_t)mr_rng_next(rng), .mss = (uint16_t)(mr_rng_below(rng, 65535) + 1),
		.urg = (uint16_t)mr_rng_next(rng), .flags = (uint8_t)mr_rng_next(rng),
		.opts = (uint8_t)mr_rng_below(rng, 32), .wscale = (uint8_t)mr_rng_below(rng, 15),
		.nsack = (uint8_t)(mr_rng_below(rng, 4) + 1),
	};

	for (unsigned int i = 0; i < 4; i++) {
		seg.sack[i].left = (uint32_t)mr_rng_next(rng);
		seg.sack[i].right = (uint32_t)mr_rng_next(rng);
	}
	if ((seg.flags & TCP_SYN) == 0)
		seg.opts &= (uint8_t)~TCP_OPT_MSS;	/* MUST-65 */
	return seg;
}

static struct wire_addrs addrs_of(uint8_t family)
{
	struct wire_addrs a = { .family = family, .hop_limit = 64, .tos = 0x28,
				.sport = wire_be16(80), .dport = wire_be16(4000) };

	memcpy(a.src, family == 4 ? fx_our_ip4 : fx_our_ip6, family == 4 ? 4 : 16);
	memcpy(a.dst, family == 4 ? fx_peer_ip4 : fx_peer_ip6, family == 4 ? 4 : 16);
	return a;
}

static struct wire_l2 l2_of(uint8_t family, unsigned int tags)
{
	struct wire_l2 l2;

	wire_l2_make(&l2, fx_peer_mac, fx_our_mac, tags > 0 ? 100 : WIRE_NO_VLAN,
		     tags > 1 ? 200 : WIRE_NO_VLAN, family == 4 ? 0x0800 : 0x86dd);
	return l2;
}

/* Header in a segment of its own, payload chained behind it in segments of `step` octets. */
static struct rte_mbuf *build(const struct wire_l2 *l2, const struct tcp_seg *seg,
			      uint32_t payload, uint32_t step, unsigned int offload)
{
	static uint8_t data[1500];
	const uint8_t family = l2->octets[l2->len - 2] == 0x08 ? 4 : 6;
	const struct wire_addrs a = addrs_of(family);
	const uint32_t l3_len = family == 4 ? 20 : 40;
	struct rte_mbuf *m = fx_empty(l2->len + l3_len + 20 + wire_tcp_options_len(seg));

	for (uint32_t i = 0; i < payload; i++)
		data[i] = (uint8_t)(i * 31 + 5);
	wire_build_tcp(m, l2, &a, seg, 0xbeef);
	if (payload > 0) {
		struct rte_mbuf *tail = fx_chain(data, payload, step);

		m->next = tail;
		m->nb_segs = (uint16_t)(1 + tail->nb_segs);
		m->pkt_len += payload;
	}
	wire_finish_tcp(m, l2->len, family, offload);
	return m;
}

static void expect_equal(const struct tcp_seg *got, const struct tcp_seg *want, uint32_t payload)
{
	cr_assert_eq(got->seq, want->seq);
	cr_assert_eq(got->ack, want->ack);
	cr_assert_eq(got->wnd, want->wnd);
	cr_assert_eq(got->flags, want->flags);
	cr_assert_eq(got->len, payload);
	cr_assert_eq(got->urg, (want->flags & TCP_URG) ? want->urg : 0);
	cr_assert_eq(got->opts | TCP_OPT_SACK, want->opts | TCP_OPT_SACK);
	if (want->opts & TCP_OPT_MSS)
		cr_assert_eq(got->mss, want->mss);
	if (want->opts & TCP_OPT_WS)
		cr_assert_eq(got->wscale, want->wscale);
	if (want->opts & TCP_OPT_TS)
		cr_assert(got->tsval == want->tsval && got->tsecr == want->tsecr);
	if (want->opts & TCP_OPT_SACK && got->opts & TCP_OPT_SACK) {
		cr_assert(got->nsack >= 1 && got->nsack <= want->nsack);
		cr_assert_eq(memcmp(got->sack, want->sack, got->nsack * sizeof(got->sack[0])), 0);
	}
	if (want->opts == (TCP_OPT_SACK | TCP_OPT_TS))
		cr_assert_eq(got->nsack, MR_MIN(want->nsack, 3));
}

Test(wire_build, round_trip_of_random_segments)
{
	struct mr_counters counters = { 0 };
	struct mr_rng rng;

	mr_rng_seed(&rng, 1);
	for (unsigned int i = 0; i < 20000; i++) {
		const uint8_t family = i & 1 ? 4 : 6;
		const struct wire_l2 l2 = l2_of(family, i % 3);
		const struct tcp_seg want = random_seg(&rng);
		const uint32_t payload = (i & 2) ? (uint32_t)mr_rng_below(&rng, 1400) : 0;
		struct rte_mbuf *m = build(&l2, &want, payload,
					   (uint32_t)mr_rng_below(&rng, 600) + 1, 0);
		struct wire_frame frame;
		struct tcp_seg got;
		uint16_t off, drop;
		uint8_t o[1700];

		fx_expect_cksums(o, fx_octets(m, o), l2.len);	/* MUST-2 */
		wire_parse(m, &frame, &counters);
		cr_assert_eq(frame.kind, WIRE_TCP, "round %u", i);
		cr_assert_eq(frame.tos, 0x28);
		cr_assert_eq(frame.vlan, i % 3 > 0 ? 100 : WIRE_NO_VLAN);
		cr_assert_eq(frame.vlan_outer, i % 3 > 1 ? 200 : WIRE_NO_VLAN);
		cr_assert(wire_tcp_values(m, &frame, &got, &off, &drop));
		cr_assert_eq(off + payload, m->pkt_len);
		expect_equal(&got, &want, payload);
		if (family == 4)
			cr_assert_eq(o[l2.len + 6], 0x40, "DF");
		fx_free(m);
	}
}

Test(wire_build, options_in_the_order_of_linux)
{
	const struct tcp_seg syn = { .flags = TCP_SYN, .mss = 1460, .wscale = 7,
		.tsval = 0x01020304,
		.opts = TCP_OPT_MSS | TCP_OPT_SACK_OK | TCP_OPT_TS | TCP_OPT_WS };
	static const uint8_t want[20] = {
		2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7
	};
	uint8_t got[40];

	cr_assert_eq(wire_tcp_options_len(&syn), 20);
	cr_assert_eq(wire_put_tcp_options(got, &syn), 20);
	cr_assert_eq(memcmp(got, want, 20), 0);
}

Test(wire_build, options_len_is_what_is_written_and_fits)
{
	uint8_t *exact = malloc(40);

	for (unsigned int opts = 0; opts < 32; opts++) {
		for (uint8_t n = 0; n <= 4; n++) {
			const struct tcp_seg seg = { .opts = (uint8_t)opts, .nsack = n, .mss = 1 };
			const uint16_t len = wire_tcp_options_len(&seg);

			cr_assert_leq(len, 40);
			cr_assert_eq(len % 4, 0);
			cr_assert_eq(wire_put_tcp_options(exact, &seg), len);
		}
	}
	free(exact);
}

Test(wire_build, offload_flags_and_pseudo_header_sum)
{
	const struct tcp_seg seg = { .flags = TCP_ACK, .opts = TCP_OPT_TS };
	const uint64_t l4 = RTE_MBUF_F_TX_TCP_CKSUM;
	const uint64_t v4 = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;

	for (uint8_t family = 4; family <= 6; family += 2) {
		const struct wire_l2 l2 = l2_of(family, 1);
		struct rte_mbuf *m = build(&l2, &seg, 100, 33,
					   WIRE_TX_IPV4_CKSUM | WIRE_TX_TCP_CKSUM);
		const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, 18);
		const uint32_t pseudo = family == 4 ? fx_sum(ip + 12, 8, 6 + 132)
						    : fx_sum(ip + 8, 32, 6 + 132);
		const uint8_t *tcp = ip + m->l3_len;

		cr_assert_eq(m->ol_flags, l4 | (family == 4 ? v4 : RTE_MBUF_F_TX_IPV6));
		cr_assert_eq(m->l2_len, 18);
		cr_assert_eq(m->l3_len, family == 4 ? 20 : 40);
		cr_assert_eq(m->l4_len, 32);
		cr_assert_eq(wire_be16(wire_load16(tcp + 16)), fx_fold(pseudo));
		fx_free(m);
	}
}

/* The frame that wire_build_tcp makes of the same values, octet for octet. */
static void expect_as_built(const struct rte_mbuf *m, const struct wire_l2 *l2,
			    const struct tcp_seg *seg, unsigned int offload)
{
	struct rte_mbuf *want = build(l2, seg, 0, 1, offload);

	cr_assert_eq(m->pkt_len, want->pkt_len);
	cr_assert_eq(m->data_len, want->data_len);
	cr_assert_eq(m->ol_flags, want->ol_flags);
	if (offload)
		cr_assert_eq(m->tx_offload, want->tx_offload);
	cr_assert_eq(memcmp(m->buf_addr, want->buf_addr, m->data_len), 0);
	fx_free(want);
}

/* The one received: from the peer to us, with `tags` tags. */
static struct rte_mbuf *received(uint8_t family, unsigned int tags)
{
	static const uint8_t tag[8] = { 0x88, 0xa8, 0, 200, 0x81, 0, 0, 100 };
	struct rte_mbuf *m = fx_empty(200);
	struct octets f;

	if (family == 4)
		fx_tcp4(&f, NULL, 0, 17);
	else
		fx_tcp6(&f, NULL, 0, 17);
	fx_insert(&f, 12, tag + 8 - 4 * tags, 4 * tags);
	memcpy(m->buf_addr, f.o, f.len);
	m->data_len = (uint16_t)f.len;
	m->pkt_len = f.len;
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH;
	return m;
}

/* Only the link layer in it, as of a frame to a known next hop. */
static struct rte_mbuf *empty_behind(const struct wire_l2 *l2)
{
	struct rte_mbuf *m = fx_empty(200);

	memset(m->buf_addr, 0xa5, 200);
	memcpy(m->buf_addr, l2->octets, l2->len);
	return m;
}

static void put(struct rte_mbuf *m, uint8_t family, const struct wire_reply *how,
		const struct tcp_seg *seg)
{
	const struct wire_addrs a = addrs_of(family);
	const uint32_t ports = (uint32_t)a.dport << 16 | a.sport;
	struct wire_addrs6 a6;

	if (family == 4) {
		wire_put_tcp4(m, how, (uint64_t)wire_load32(a.dst) << 32 | wire_load32(a.src),
			      ports, seg);
		return;
	}
	memcpy(a6.src, a.src, 16);
	memcpy(a6.dst, a.dst, 16);
	wire_put_tcp6(m, how, &a6, ports, seg);
}

/* Header-only segments of one family, put anew or in place of a received one. */
static void compare_with_built(uint8_t family, bool anew, uint64_t seed)
{
	struct mr_rng rng;

	mr_rng_seed(&rng, seed);
	for (unsigned int i = 0; i < 20000; i++) {
		const unsigned int offload = i % 4, tags = i / 4 % 3;
		const struct wire_l2 l2 = l2_of(family, tags);
		const struct wire_reply how = {
			.l2_len = l2.len, .hop_limit = 64, .tos = 0x28,
			.offload = (uint8_t)offload, .ip_id = 0xbeef,
		};
		struct tcp_seg seg = random_seg(&rng);
		struct rte_mbuf *m = anew ? empty_behind(&l2) : received(family, tags);

		if (mr_rng_below(&rng, 2))
			seg.opts &= TCP_OPT_TS;
		if (anew)
			put(m, family, &how, &seg);
		else if (family == 4)
			wire_reply_tcp4(m, &how, &seg);
		else
			wire_reply_tcp6(m, &how, &seg);
		expect_as_built(m, &l2, &seg, offload);
		fx_free(m);
	}
}

Test(wire_reply, in_place_equals_built_anew)
{
	compare_with_built(4, false, 3);
}

Test(wire_reply, in_place_equals_built_anew_over_ip6)
{
	compare_with_built(6, false, 4);
}

Test(wire_reply, put_equals_built)
{
	compare_with_built(4, true, 5);
}

Test(wire_reply, put_equals_built_over_ip6)
{
	compare_with_built(6, true, 6);
}
