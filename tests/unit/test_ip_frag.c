/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments put together, and every way in which they are not. EAL gives table and mbufs. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "check.h"
#include "frag.h"
#include "octets.h"
#include "rng.h"

#define DATAGRAMS	16u
#define HELD_MAX	100u
#define TIMEOUT_MS	1000u
#define SCOPE		3u

static struct rte_mempool *pool;
static struct ip_frags *table;
static struct mr_counters counters;
static uint64_t now_us;
static uint8_t family = 4, proto = 1;

static void setup(void)
{
	char *argv[] = {"test", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
			"--no-telemetry", "--log-level=error", "-l", "0"};
	struct ip_frags_config cfg = {.datagrams = DATAGRAMS, .mbufs_max = HELD_MAX,
				      .timeout_ms = TIMEOUT_MS, .node = -1};

	cr_assert_geq(rte_eal_init(MR_ARRAY_LEN(argv), argv), 0);
	cfg.pool = pool = rte_pktmbuf_pool_create("p", 2047, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, -1);
	cr_assert_not_null(pool);
	table = ip_frags_create(&cfg);
	cr_assert_not_null(table);
	now_us = 5000000;
}

static void teardown(void)
{
	ip_frags_destroy(table);
	MR_ASSERT(rte_mempool_in_use_count(pool) == 0);
	rte_eal_cleanup();
}

TestSuite(ip_frag, .init = setup, .fini = teardown);

/* ---- frames ---- */

/* What the datagram has at octet i of its data. */
static uint8_t octet(uint32_t i) { return (uint8_t)(i * 13 + i / 256); }

struct part {
	uint32_t id, off, len;
	bool more;
};

static void put_headers(uint8_t *at, const struct part *p)
{
	struct rte_ipv4_hdr *v4 = (void *)at;
	struct rte_ipv6_hdr *v6 = (void *)at;
	uint8_t src[16] = {0xfd, 0x77, [15] = 50}, dst[16] = {0xfd, 0x77, [15] = 2};

	if (family == 4) {
		*v4 = (struct rte_ipv4_hdr){
			.version_ihl = 0x45, .total_length = wire_be16((uint16_t)(20 + p->len)),
			.packet_id = wire_be16((uint16_t)p->id), .time_to_live = 60,
			.fragment_offset = wire_be16((uint16_t)(p->off / 8 | p->more << 13)),
			.next_proto_id = proto, .src_addr = wire_be32(0x0a4d0032),
			.dst_addr = wire_be32(0x0a4d0002),
		};
		v4->hdr_checksum = rte_ipv4_cksum(v4);
		return;
	}
	*v6 = (struct rte_ipv6_hdr){.vtc_flow = wire_be32(6u << 28), .hop_limits = 60,
				    .payload_len = wire_be16((uint16_t)(8 + p->len)), .proto = 44};
	wire_ip6_set(v6, src, dst);
	at[40] = family == 6 && proto == 1 ? 58 : proto;
	at[41] = 0;
	wire_store16(at + 42, wire_be16((uint16_t)(p->off | p->more)));
	wire_store32(at + 44, wire_be32(p->id));
}

static struct rte_mbuf *frame(const struct part *p)
{
	const uint32_t l3 = family == 4 ? 20 : 48;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(14 + l3 + p->len));

	memset(at, 2, 12);
	wire_store16(at + 12, wire_be16(family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6));
	put_headers(at + 14, p);
	for (uint32_t i = 0; i < p->len; i++)
		at[14 + l3 + i] = octet(p->off + i);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;	/* says nothing of the datagram */
	return m;
}

static struct rte_mbuf *take(struct rte_mbuf *m)
{
	struct wire_frame f;

	wire_parse(m, &f, &counters);
	cr_assert_eq(f.kind, WIRE_FRAGMENT, "kind %u, %s", f.kind, mr_counter_info[f.drop].name);
	ip_frags_turn(table, now_us, &counters);
	return ip_frags_add(table, m, &f, SCOPE, false);
}

static struct rte_mbuf *add(const struct part *p) { return take(frame(p)); }

/* A whole datagram of `len` octets, as it must come out; frees it. */
static void check_whole(struct rte_mbuf *m, uint32_t len)
{
	const uint32_t l3 = family == 4 ? 20 : 40;
	uint8_t copy[16384];
	const uint8_t *p;

	cr_assert_not_null(m);
	cr_assert_eq(m->pkt_len, 14 + l3 + len);
	cr_assert_eq(m->ol_flags & (RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_TX_IP_CKSUM), 0);
	p = rte_pktmbuf_read(m, 0, m->pkt_len, copy);
	if (family == 4) {
		const struct rte_ipv4_hdr *ip = (const void *)(p + 14);

		cr_assert_eq(wire_be16(ip->total_length), 20 + len);
		cr_assert_eq(ip->fragment_offset & wire_be16(0x3fff), 0);
		cr_assert_eq(rte_ipv4_cksum(ip), 0, "the header's checksum is that of the whole");
	} else {
		cr_assert_eq(wire_be16(wire_load16(p + 18)), len);
		cr_assert_eq(p[20], proto == 1 ? 58 : proto, "no fragment header is left");
	}
	for (uint32_t i = 0; i < len; i++)
		cr_assert_eq(p[14 + l3 + i], octet(i), "octet %u", i);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next)
		cr_assert_eq(s->tx_offload, 0, "lib/tcp keeps its link there");
	rte_pktmbuf_free(m);
}

static void check_empty(void)
{
	cr_assert_eq(ip_frags_held(table), 0);
	cr_assert_eq(rte_mempool_in_use_count(pool), 0);
}

/* ---- they come together ---- */

static void in_order(const unsigned int *order, unsigned int n, uint32_t id)
{
	for (unsigned int i = 0; i < n; i++) {
		const unsigned int k = order[i];
		const bool last = k == n - 1;
		struct rte_mbuf *m = add(&(struct part){id, k * 48, last ? 21 : 48, !last});

		if (i == n - 1)
			check_whole(m, (n - 1) * 48 + 21);
		else
			cr_assert_null(m);
	}
	check_empty();
}

static void every_count_and_order(void)
{
	struct mr_rng rng;
	uint32_t id = 1, done = 0;

	mr_rng_seed(&rng, 11);
	for (unsigned int n = 2; n <= IP_FRAGMENTS_MAX; n++)
		for (unsigned int turn = 0; turn < 40; turn++, done++) {
			unsigned int order[IP_FRAGMENTS_MAX];

			for (unsigned int i = 0; i < n; i++)
				order[i] = turn == 0 ? i : n - 1 - i;
			for (unsigned int i = n - 1; turn > 1 && i > 0; i--) {
				unsigned int k = (unsigned int)mr_rng_below(&rng, i + 1);
				unsigned int o = order[i];

				order[i] = order[k];
				order[k] = o;
			}
			in_order(order, n, id++);
		}
	cr_assert_eq(counters.v[MR_C_FRAG_DONE], done);
}

Test(ip_frag, both_orders_and_any_other_ipv4) { every_count_and_order(); }
Test(ip_frag, both_orders_and_any_other_ipv6)
{
	family = 6;
	every_count_and_order();
}

/* RFC 791: the protocol is part of what names a datagram; overlapping networks do not mix. */
Test(ip_frag, same_id_of_another_protocol_or_network)
{
	struct wire_frame f;
	struct rte_mbuf *m;

	cr_assert_null(add(&(struct part){7, 0, 48, true}));
	proto = 6;
	cr_assert_null(add(&(struct part){7, 48, 20, false}));
	proto = 1;
	m = frame(&(struct part){7, 48, 20, false});
	wire_parse(m, &f, &counters);
	cr_assert_null(ip_frags_add(table, m, &f, SCOPE + 1, false));
	cr_assert_eq(ip_frags_held(table), 3);
	check_whole(add(&(struct part){7, 48, 20, false}), 68);
	cr_assert_eq(ip_frags_held(table), 2);
}

Test(ip_frag, headers_before_the_fragment_header_are_taken_out)
{
	static const uint8_t hop[8] = {44, 0, 1, 4};
	struct rte_mbuf *whole = NULL;

	family = 6;
	for (unsigned int i = 0; i < 2; i++) {
		struct rte_mbuf *m = frame(&(struct part){9, i * 64, 64, i == 0});
		uint8_t *at = (uint8_t *)rte_pktmbuf_prepend(m, 8);

		cr_assert_not_null(at);
		memmove(at, at + 8, 54);
		memcpy(at + 54, hop, 8);
		at[20] = 0;
		wire_store16(at + 18, wire_be16(8 + 8 + 64));
		whole = take(m);
	}
	check_whole(whole, 128);
	check_empty();
}

Test(ip_frag, shared_chained_and_padded_mbufs)
{
	struct rte_mbuf *m = frame(&(struct part){5, 0, 64, true}), *tail;

	rte_mbuf_refcnt_update(m, 1);
	cr_assert_null(take(m));
	cr_assert_eq(rte_mbuf_refcnt_read(m), 1, "the other owner's is left alone");
	rte_pktmbuf_free(m);
	m = frame(&(struct part){5, 64, 40, true});
	tail = rte_pktmbuf_alloc(pool);
	memcpy(rte_pktmbuf_append(tail, 74 - 17), rte_pktmbuf_mtod_offset(m, char *, 17), 74 - 17);
	cr_assert_eq(rte_pktmbuf_trim(m, 74 - 17), 0);
	cr_assert_eq(rte_pktmbuf_chain(m, tail), 0);
	cr_assert_null(take(m));
	m = frame(&(struct part){5, 104, 3, false});
	memset(rte_pktmbuf_append(m, 23), 0xee, 23);
	check_whole(take(m), 107);
	check_empty();
}

/* Larger than an mbuf: it counts as the mbufs that it is. */
Test(ip_frag, a_jumbo_fragment_counts_its_mbufs)
{
	struct rte_mbuf *m = frame(&(struct part){5, 0, 1600, true}), *tail = NULL;

	for (unsigned int i = 0; i < 2; i++) {
		tail = rte_pktmbuf_alloc(pool);
		memset(rte_pktmbuf_append(tail, 1600), 1, 1600);
		cr_assert_eq(rte_pktmbuf_chain(m, tail), 0);
	}
	put_headers(rte_pktmbuf_mtod_offset(m, uint8_t *, 14), &(struct part){5, 0, 4800, true});
	cr_assert_null(take(m));
	cr_assert_gt(ip_frags_held(table), 1);
	cr_assert_eq(ip_frags_held(table), rte_mempool_in_use_count(pool));
}

/* ---- they do not ---- */

static void expect(enum mr_counter why, uint64_t n)
{
	for (enum mr_counter c = MR_C_FRAG_BAD; c <= MR_C_FRAG_FULL; c++)
		cr_assert_eq(counters.v[c], c == why ? n : 0, "%s is %lu", mr_counter_info[c].name,
			     (unsigned long)counters.v[c]);
	memset(&counters, 0, sizeof(counters));
}

static void hopeless(const struct part *p, unsigned int n, enum mr_counter why)
{
	for (unsigned int i = 0; i < n; i++)
		cr_assert_null(add(&p[i]));
	expect(why, n);
	check_empty();
}

static void overlaps(void)
{
	/* RFC 5722: whole, in part, hidden in the sum of lengths, or the very same again */
	static const struct part cases[][4] = {
		{{1, 0, 48, true}, {1, 24, 48, true}, {1, 72, 48, false}},
		{{2, 0, 96, true}, {2, 8, 16, true}, {2, 96, 8, false}},
		{{3, 0, 48, true}, {3, 0, 48, true}},
		{{4, 0, 48, true}, {4, 40, 48, true}, {4, 96, 40, false}},
		{{5, 0, 48, true}, {5, 48, 16, true}, {5, 48, 16, true}, {5, 80, 8, false}},
		{{6, 48, 16, false}, {6, 40, 16, false}},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(cases); i++) {
		unsigned int n = 0;

		while (n < 4 && cases[i][n].len != 0)
			n++;
		hopeless(cases[i], n, MR_C_FRAG_OVERLAP);
	}
}

Test(ip_frag, overlaps_end_the_datagram_ipv4) { overlaps(); }
Test(ip_frag, overlaps_end_the_datagram_ipv6)
{
	family = 6;
	overlaps();
}

/* RFC 1858 3 and 4, RFC 3128: the first has the whole TCP header, and no other begins inside it. */
Test(ip_frag, tiny_fragments_of_tcp)
{
	for (family = 4; family <= 6; family += 2) {
		proto = 6;
		hopeless(&(struct part){1, 0, 8, true}, 1, MR_C_FRAG_TINY);
		hopeless(&(struct part){2, 0, 16, true}, 1, MR_C_FRAG_TINY);
		hopeless(&(struct part){3, 8, 48, true}, 1, MR_C_FRAG_TINY);
		hopeless(&(struct part){4, 16, 48, false}, 1, MR_C_FRAG_TINY);
		cr_assert_null(add(&(struct part){5, 0, 24, true}));
		check_whole(add(&(struct part){5, 24, 1, false}), 25);
		proto = 1;
		cr_assert_null(add(&(struct part){6, 0, 8, true}));
		check_whole(add(&(struct part){6, 8, 8, false}), 16);
		memset(&counters, 0, sizeof(counters));
	}
}

Test(ip_frag, malformed)
{
	for (family = 4; family <= 6; family += 2) {
		hopeless(&(struct part){1, 0, 47, true}, 1, MR_C_FRAG_BAD);
		hopeless(&(struct part){1, 48, 0, false}, 1, MR_C_FRAG_BAD);
		hopeless(&(struct part){1, 65528, 8, false}, 1, MR_C_FRAG_BAD);	/* RFC 791: 65535 */
	}
}

Test(ip_frag, more_than_eight)
{
	struct part p[9];

	for (uint32_t i = 0; i < 9; i++)
		p[i] = (struct part){1, i * 8, 8, i != 8};
	cr_assert_null(add(&p[8]));
	for (uint32_t i = 0; i < 8; i++)
		cr_assert_null(add(&p[i]));
	expect(MR_C_FRAG_MANY, 9);
	check_empty();
}

Test(ip_frag, a_hole_waits_until_the_timeout)
{
	cr_assert_null(add(&(struct part){1, 0, 48, true}));
	cr_assert_null(add(&(struct part){1, 96, 48, false}));
	now_us += TIMEOUT_MS * 1000;
	ip_frags_turn(table, now_us, &counters);
	cr_assert_eq(ip_frags_held(table), 2, "to the millisecond");
	now_us += 1000;
	ip_frags_turn(table, now_us, &counters);
	expect(MR_C_FRAG_TIMEOUT, 2);
	check_empty();
	/* too late: the rest of it is a datagram without a beginning */
	cr_assert_null(add(&(struct part){1, 48, 48, true}));
	cr_assert_eq(ip_frags_held(table), 1);
}

/* ---- floods ---- */

/* First fragments that nothing follows: bounded, and the oldest make room for who is honest. */
Test(ip_frag, flood_of_first_fragments)
{
	uint32_t most = 0;

	for (uint32_t id = 1; id <= 10000; id++) {
		now_us += 10;
		cr_assert_null(add(&(struct part){id, 0, 48, true}));
		most = MR_MAX(most, ip_frags_held(table));
		if (id % 1000 == 0) {
			cr_assert_null(add(&(struct part){20000 + id, 0, 48, true}));
			now_us += 10;
			check_whole(add(&(struct part){20000 + id, 48, 48, false}), 96);
		}
	}
	cr_assert_leq(most, DATAGRAMS);
	cr_assert_gt(most, DATAGRAMS / 2);
	cr_assert_gt(counters.v[MR_C_FRAG_EVICTED], 9000);
	cr_assert_eq(counters.v[MR_C_FRAG_DONE], 10);
}

Test(ip_frag, mbufs_are_bounded)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < 7 * 2000; i++) {
		now_us += 2;
		cr_assert_null(add(&(struct part){1 + i / 7, i % 7 * 8, 8, true}));
		most = MR_MAX(most, ip_frags_held(table));
		cr_assert_eq(rte_mempool_in_use_count(pool), ip_frags_held(table));
	}
	cr_assert_leq(most, HELD_MAX);
	cr_assert_gt(most, HELD_MAX / 2);
}

Test(ip_frag, nothing_is_kept_when_mbufs_are_low)
{
	struct rte_mbuf *m = frame(&(struct part){1, 0, 48, true});
	struct wire_frame f;

	wire_parse(m, &f, &counters);
	ip_frags_turn(table, now_us, &counters);
	cr_assert_null(ip_frags_add(table, m, &f, SCOPE, true));
	expect(MR_C_FRAG_FULL, 1);
	check_empty();
}

/* ---- whose it is ---- */

Test(ip_frag, all_fragments_have_one_owner)
{
	unsigned int seen[5] = {0};

	for (family = 4; family <= 6; family += 2)
		for (uint32_t id = 0; id < 2000; id++) {
			unsigned int owner[3];

			for (uint32_t k = 0; k < 3; k++) {
				struct rte_mbuf *m;
				struct wire_frame f;

				/* RFC 8200 4.5: that of the first fragment counts alone */
				proto = family == 6 && k != 0 ? 6 : 1;
				m = frame(&(struct part){id, k * 8, 8, k != 2});
				wire_parse(m, &f, &counters);
				owner[k] = ip_fragment_owner(m, &f, MR_ARRAY_LEN(seen));
				cr_assert_eq(ip_fragment_owner(m, &f, 1), 0);
				rte_pktmbuf_free(m);
			}
			cr_assert(owner[0] == owner[1] && owner[1] == owner[2]);
			cr_assert_lt(owner[0], MR_ARRAY_LEN(seen));
			seen[owner[0]]++;
		}
	for (unsigned int i = 0; i < MR_ARRAY_LEN(seen); i++)
		cr_assert(seen[i] > 600 && seen[i] < 1000, "worker %u has %u of 4000", i, seen[i]);
}
