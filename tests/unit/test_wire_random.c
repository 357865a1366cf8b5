/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any octets whatsoever: random ones and mutated good frames, in buffers of exactly their size
 * and cut into chains, through everything that reads a frame. ASan and UBSan are the judges; the
 * two parsing paths must agree.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "rng.h"
#include "wire_fixture.h"

static void seed_frame(struct mr_rng *rng, struct octets *f)
{
	static const uint8_t opt[20] = {
		2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7
	};
	static const uint8_t types[] = { 8, 3, 11, 128, 1, 2, 135, 136 };
	const uint32_t payload = (uint32_t)mr_rng_below(rng, 60);
	uint8_t msg[120] = { 0 };

	switch (mr_rng_below(rng, 4)) {
	case 0:
		fx_tcp4(f, opt, (uint32_t)mr_rng_below(rng, 6) * 4, payload);
		return;
	case 1:
		fx_tcp6(f, opt, (uint32_t)mr_rng_below(rng, 6) * 4, payload);
		return;
	default:
		break;
	}
	for (unsigned int i = 0; i < sizeof(msg); i++)
		msg[i] = (uint8_t)mr_rng_next(rng);
	msg[0] = types[mr_rng_below(rng, sizeof(types))];
	msg[8] = mr_rng_below(rng, 2) ? 0x45 : 0x60;
	fx_icmp(f, msg[0] == 8 || msg[0] == 3 || msg[0] == 11 ? 4 : 6, msg, 8 + payload);
}

/* Changes a few octets of the headers, the length, or puts a tag in; sometimes mends the
 * checksums. */
static void mutate(struct mr_rng *rng, struct octets *f)
{
	static const uint8_t tag[4] = { 0x81, 0, 0, 9 };
	const uint8_t proto = f->o[14] >> 4 == 4 ? f->o[23] : f->o[20];

	for (uint64_t n = mr_rng_below(rng, 4); n > 0; n--)
		f->o[12 + mr_rng_below(rng, f->len - 12)] = (uint8_t)mr_rng_next(rng);
	if (mr_rng_below(rng, 3) == 0)
		f->o[f->l2_len + 6] = (uint8_t)(mr_rng_below(rng, 2) ? 60 : 0);
	if (mr_rng_below(rng, 2) && (proto == 6 || proto == 1 || proto == 58))
		fx_fix(f, proto);
	if (mr_rng_below(rng, 8) == 0)
		fx_insert(f, 12, tag, 4);
	if (mr_rng_below(rng, 8) == 0)
		f->len = (uint32_t)mr_rng_below(rng, f->len + 1);
}

static void read_everything(struct rte_mbuf *m, const struct wire_frame *frame)
{
	struct wire_fragment frag;
	struct wire_icmp icmp;
	struct tcp_seg seg;
	struct wire_arp arp;
	struct wire_ip ip;
	uint16_t off, drop;

	switch ((enum wire_kind)frame->kind) {
	case WIRE_DROP:
		cr_assert_lt(frame->drop, MR_C_COUNT);
		break;
	case WIRE_TCP:
		wire_ip_values(m, frame, &ip);
		if (wire_tcp_values(m, frame, &seg, &off, &drop))
			cr_assert_leq((uint32_t)off + seg.len, m->pkt_len);
		break;
	case WIRE_ARP:
		wire_arp_values(m, frame, &arp);
		break;
	case WIRE_FRAGMENT:
		wire_ip_values(m, frame, &ip);
		wire_fragment_values(m, frame, &frag);
		cr_assert(frag.off % 8 == 0 && (frag.off != 0 || frag.more));
		break;
	case WIRE_ICMP4:
	case WIRE_ICMP6:
		wire_icmp_values(m, frame, &icmp);
		if (icmp.kind == WIRE_ICMP_ECHO_REQUEST)
			wire_echo_reply(m, frame, fx_our_mac);
		break;
	}
}

static uint64_t random_flags(struct mr_rng *rng)
{
	const uint64_t all = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK |
			     RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED;

	switch (mr_rng_below(rng, 3)) {
	case 0:
		return RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	case 1:
		return mr_rng_next(rng) & all;
	default:
		return 0;
	}
}

static void one_frame(struct mr_rng *rng, const struct octets *f, uint64_t *kinds)
{
	struct rte_mbuf *whole = fx_mbuf(f->o, f->len);
	struct rte_mbuf *cut = fx_chain(f->o, f->len, (uint32_t)mr_rng_below(rng, 70) + 1);
	struct mr_counters counters = { 0 };
	struct wire_frame a, b;

	whole->ol_flags = cut->ol_flags = random_flags(rng);
	wire_parse(whole, &a, &counters);
	wire_parse(cut, &b, &counters);
	cr_assert_eq(a.kind, b.kind);
	if (a.kind == WIRE_DROP)
		cr_assert_eq(a.drop, b.drop);
	else
		cr_assert(a.l3_len == b.l3_len && a.l4_len == b.l4_len && a.vlan == b.vlan);
	kinds[a.kind]++;
	read_everything(whole, &a);
	read_everything(cut, &b);
	fx_free(whole);
	fx_free(cut);
}

Test(wire_random, mutated_frames, .timeout = 100)
{
	uint64_t kinds[WIRE_FRAGMENT + 1] = { 0 };
	struct mr_rng rng;
	struct octets f;

	mr_rng_seed(&rng, 42);
	for (unsigned int i = 0; i < 200000; i++) {
		seed_frame(&rng, &f);
		mutate(&rng, &f);
		one_frame(&rng, &f, kinds);
	}
	cr_assert(kinds[WIRE_TCP] > 10000 && kinds[WIRE_ICMP4] > 5000 && kinds[WIRE_ICMP6] > 5000 &&
		  kinds[WIRE_DROP] > 50000, "the mutations must reach all kinds");
}

Test(wire_random, random_octets, .timeout = 100)
{
	static const uint16_t types[] = { 0x0800, 0x86dd, 0x0806, 0x8100 };
	uint64_t kinds[WIRE_FRAGMENT + 1] = { 0 };
	struct mr_rng rng;
	struct octets f = { 0 };

	mr_rng_seed(&rng, 43);
	for (unsigned int i = 0; i < 100000; i++) {
		f.len = (uint32_t)mr_rng_below(&rng, 130);
		for (uint32_t k = 0; k < f.len; k++)
			f.o[k] = (uint8_t)mr_rng_next(&rng);
		wire_store16(f.o + 12, wire_be16(types[i & 3]));
		if (i & 4)
			f.o[14] = (uint8_t)((i & 3) == 0 ? 0x45 + mr_rng_below(&rng, 3) : 0x60);
		one_frame(&rng, &f, kinds);
	}
	cr_assert_gt(kinds[WIRE_DROP], 50000);
}

Test(wire_random, random_tcp_options)
{
	struct mr_rng rng;

	mr_rng_seed(&rng, 44);
	for (unsigned int i = 0; i < 200000; i++) {
		const uint16_t len = (uint16_t)mr_rng_below(&rng, 41);
		uint8_t *opt = malloc(len ? len : 1);
		struct tcp_seg seg;

		for (uint16_t k = 0; k < len; k++)
			opt[k] = (uint8_t)mr_rng_below(&rng, mr_rng_below(&rng, 4) ? 12 : 256);
		wire_tcp_options(opt, len, &seg);
		cr_assert_leq(seg.nsack, TCP_SACK_BLOCKS_MAX);
		cr_assert((seg.opts & TCP_OPT_WS) == 0 || seg.wscale <= 14);
		free(opt);
	}
}
