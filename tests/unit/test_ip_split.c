/* SPDX-License-Identifier: BSD-3-Clause */
/* Datagrams cut into fragments and put together again by lib/ip itself: the same octets. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "check.h"
#include "frag.h"
#include "octets.h"
#include "split.h"

static struct rte_mempool *pool;

static void setup(void)
{
	char *argv[] = {"test", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
			"--no-telemetry", "--log-level=error", "-l", "0"};

	cr_assert_geq(rte_eal_init(MR_ARRAY_LEN(argv), argv), 0);
	pool = rte_pktmbuf_pool_create("p", 1023, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, -1);
	cr_assert_not_null(pool);
}

static void teardown(void)
{
	MR_ASSERT(rte_mempool_in_use_count(pool) == 0);
	rte_eal_cleanup();
}

TestSuite(ip_split, .init = setup, .fini = teardown);

/* A frame of ICMP with that much behind the IP header, as a chain of full mbufs. */
static struct rte_mbuf *frame(uint8_t family, uint32_t l3, uint32_t len)
{
	static uint8_t o[20000];
	uint8_t src[16] = {0xfd, [15] = 1}, dst[16] = {0xfd, [15] = 2};
	struct rte_ipv4_hdr *v4 = (void *)(o + 14);
	struct rte_ipv6_hdr *v6 = (void *)(o + 14);
	struct rte_mbuf *head = NULL;

	memset(o, 2, 12);
	wire_store16(o + 12, wire_be16(family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6));
	memset(o + 34, 1, 40);	/* options: NOPs */
	if (family == 4) {
		*v4 = (struct rte_ipv4_hdr){.version_ihl = (uint8_t)(0x40 | l3 / 4),
			.total_length = wire_be16((uint16_t)(l3 + len)), .time_to_live = 64,
			.fragment_offset = wire_be16(0x4000), .next_proto_id = 1,
			.src_addr = wire_be32(0x0a000001), .dst_addr = wire_be32(0x0a000002)};
		v4->hdr_checksum = rte_ipv4_cksum(v4);
	} else {
		*v6 = (struct rte_ipv6_hdr){.vtc_flow = wire_be32(6u << 28), .proto = 58,
			.payload_len = wire_be16((uint16_t)len), .hop_limits = 64};
		wire_ip6_set(v6, src, dst);
	}
	for (uint32_t i = 0; i < len; i++)
		o[14 + l3 + i] = (uint8_t)(i * 31 + i / 256);
	for (uint32_t at = 0; at < 14 + l3 + len; ) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint32_t n = MR_MIN(14 + l3 + len - at, (uint32_t)rte_pktmbuf_tailroom(m));

		memcpy(rte_pktmbuf_append(m, (uint16_t)n), o + at, n);
		at += n;
		if (head == NULL)
			head = m;
		else
			cr_assert_eq(rte_pktmbuf_chain(head, m), 0);
	}
	return head;
}

static struct rte_mbuf *together(struct ip_frags *t, struct rte_mbuf **part, unsigned int n,
				 uint32_t mtu)
{
	struct mr_counters counters = {0};
	struct rte_mbuf *whole = NULL;

	ip_frags_turn(t, 1, &counters);
	for (unsigned int i = 0; i < n; i++) {
		struct wire_frame f;

		cr_assert_leq(part[i]->pkt_len, 14 + mtu);
		wire_parse(part[i], &f, &counters);
		cr_assert_eq(f.kind, WIRE_FRAGMENT, "%s", mr_counter_info[f.drop].name);
		whole = ip_frags_add(t, part[i], &f, 1, false);
		cr_assert_eq(whole != NULL, i == n - 1);
	}
	return whole;
}

static void round_trip(struct ip_frags *t, uint8_t family, uint32_t l3, uint32_t len)
{
	const struct ip_split how = {.family = family, .l2_len = 14, .l3_len = (uint16_t)l3,
				     .mtu = 1280, .id = 0x12345678, .pool = pool};
	struct rte_mbuf *m = frame(family, l3, len), *part[IP_SPLIT_MAX], *whole;
	static uint8_t a[20000], b[20000];
	const unsigned int n = ip_split(m, &how, part);

	cr_assert_gt(n, 1);
	whole = together(t, part, n, how.mtu);
	cr_assert_eq(whole->pkt_len, m->pkt_len);
	cr_assert(memcmp((const uint8_t *)rte_pktmbuf_read(m, 14 + l3, len, a),
			 rte_pktmbuf_read(whole, 14 + l3, len, b), len) == 0);
	rte_pktmbuf_free(whole);
	rte_pktmbuf_free(m);
}

Test(ip_split, what_is_cut_comes_together_again)
{
	const struct ip_frags_config cfg = {.datagrams = 16, .mbufs_max = 100, .timeout_ms = 1000,
					    .pool = pool, .node = -1};
	struct ip_frags *t = ip_frags_create(&cfg);

	cr_assert_not_null(t);
	for (uint32_t len = 1262; len < 9000; len += 97) {
		round_trip(t, 4, 20, len);
		round_trip(t, 4, 60, len);
		round_trip(t, 6, 40, len);
	}
	ip_frags_destroy(t);
}

Test(ip_split, without_mbufs_nothing_is_left)
{
	const struct ip_split how = {.family = 4, .l2_len = 14, .l3_len = 20, .mtu = 576, .id = 1,
				     .pool = pool};
	struct rte_mbuf *m = frame(4, 20, 8000), *part[IP_SPLIT_MAX], *taken[1023];
	unsigned int n = 0;

	while (rte_mempool_avail_count(pool) > 5)
		taken[n++] = rte_pktmbuf_alloc(pool);
	cr_assert_eq(ip_split(m, &how, part), 0);
	cr_assert_eq(rte_mempool_avail_count(pool), 5);
	rte_pktmbuf_free_bulk(taken, n);
	rte_pktmbuf_free(m);
}
