/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments of TCP and of echo requests, on the worker that received them and on others. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_ip.h>

#include "octets.h"
#include "split.h"
#include "stack_fixture.h"

TestSuite(datagram, .init = sf_start, .fini = sf_stop, .timeout = 60);

static struct mr_worker *group[2];
static uint64_t now_us;

/* ---- two workers of one group ---- */

static void transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	(void)ctx;
	(void)port;
	for (uint16_t i = 0; i < n; i++) {
		cr_assert_lt(sf_nsent, SF_SENT_MAX);
		sf_sent[sf_nsent++] = m[i];
	}
}

static void two_workers(unsigned int (*worker_of)(const void *, const struct mr_endpoint *,
						  const struct mr_endpoint *))
{
	sf_port.steer.worker_of = worker_of;
	now_us = 500000;
	for (unsigned int i = 0; i < 2; i++) {
		struct stack_init init = {.cfg = &sf_cfg, .id = i, .group_count = 2, .node = -1,
					  .data_pool = sf_data, .ctl_pool = sf_ctl, .nports = 1,
					  .io = {.transmit = transmit}, .now_us = now_us};
		const char *why = "";

		init.port[0] = sf_port;
		group[i] = stack_create(&init, &why);
		cr_assert_not_null(group[i], "%s", why);
	}
	sf_w = group[0];
}

static void two_end(void)
{
	stack_check(group[1]);
	stack_destroy(group[1]);	/* group[0] is sf_stop()'s */
}

static void turn_both(void)
{
	now_us += 1000;
	for (unsigned int round = 0; round < 4; round++)
		for (unsigned int i = 0; i < 2; i++) {
			stack_set_time(group[i], now_us);
			stack_turn(group[i]);
			stack_flush(group[i]);
		}
}

static void receive_at(unsigned int i, struct rte_mbuf *m)
{
	stack_rx(group[i], 0, &m, 1);
	stack_flush(group[i]);
}

static uint64_t both(enum mr_counter c)
{
	return group[0]->counters.v[c] + group[1]->counters.v[c];
}

/* The peer's segment in pieces of at most 576 octets. */
static unsigned int pieces(const struct sf_seg *seg, uint32_t id, struct rte_mbuf **part)
{
	const struct ip_split how = {.family = 4, .l2_len = 14, .l3_len = 20, .mtu = 576, .id = id,
				     .pool = sf_data};
	struct rte_mbuf *m = sf_frame(seg);
	const unsigned int n = ip_split(m, &how, part);

	rte_pktmbuf_free(m);
	cr_assert_gt(n, 1);
	return n;
}

/* ---- one worker ---- */

Test(datagram, segments_in_fragments_in_both_orders)
{
	struct rte_mbuf *part[IP_SPLIT_MAX];
	uint32_t seq = SF_ISS + 1, ack;
	unsigned int n;

	sf_worker();
	ack = sf_establish(0);
	for (unsigned int turn = 0; turn < 4; turn++, seq += 1300) {
		n = pieces(&(struct sf_seg){.seq = seq, .ack = ack, .flags = TCP_ACK, .len = 1300},
			   turn, part);
		for (unsigned int i = 0; i < n; i++) {
			cr_assert_eq(sf_record()->rcv_nxt, seq);
			sf_receive(part[turn % 2 ? n - 1 - i : i]);
		}
		cr_assert_eq(sf_record()->rcv_nxt, seq + 1300);
	}
	cr_assert_eq(sf_delivered, 4);
	cr_assert_eq(sf_w->counters.v[MR_C_FRAG_DONE], 4);
	cr_assert_eq(sf_w->counters.v[MR_C_TCP_RX_DATA], 4 * 1300);
}

/* Sums are made over the whole, and nobody else has looked at them. */
Test(datagram, checksum_of_the_whole_is_verified)
{
	struct rte_mbuf *part[IP_SPLIT_MAX];
	uint32_t ack;
	unsigned int n;

	sf_worker();
	ack = sf_establish(0);
	n = pieces(&(struct sf_seg){.seq = SF_ISS + 1, .ack = ack, .flags = TCP_ACK, .len = 1300},
		   1, part);
	*rte_pktmbuf_mtod_offset(part[1], uint8_t *, 100) ^= 1;
	for (unsigned int i = 0; i < n; i++) {
		part[i]->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		sf_receive(part[i]);
	}
	cr_assert_eq(sf_delivered, 0);
	cr_assert_eq(sf_w->counters.v[MR_C_RX_TCP_CKSUM], 1);
}

/* A frame of ICMP echo of `len` octets in all. */
static struct rte_mbuf *echo_request(uint32_t len)
{
	struct rte_mbuf *m = sf_frame(&(struct sf_seg){.flags = TCP_ACK, .len = 1300}), *tail;
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	uint8_t *msg = rte_pktmbuf_mtod_offset(m, uint8_t *, 34), copy[9000];

	while (m->pkt_len < 34 + len) {
		const uint32_t n = MR_MIN(34 + len - m->pkt_len, 1000u);

		tail = rte_pktmbuf_alloc(sf_data);
		memset(rte_pktmbuf_append(tail, (uint16_t)n), (int)m->pkt_len, n);
		cr_assert_eq(rte_pktmbuf_chain(m, tail), 0);
	}
	ip->total_length = wire_be16((uint16_t)(20 + len));
	ip->next_proto_id = 1;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memset(msg, 0, 8);
	msg[0] = 8;
	wire_store16(msg + 2, wire_sum_fold(wire_sum(rte_pktmbuf_read(m, 34, len, copy), len, 0)));
	return m;
}

Test(datagram, echo_larger_than_the_mtu_comes_back_in_fragments)
{
	const struct ip_split how = {.family = 4, .l2_len = 14, .l3_len = 20, .mtu = 1500, .id = 9,
				     .pool = sf_data};
	const struct ip_frags_config cfg = {.datagrams = 4, .mbufs_max = 100, .timeout_ms = 1000,
					    .pool = sf_data, .node = -1};
	struct rte_mbuf *m = echo_request(4008), *part[IP_SPLIT_MAX], *whole = NULL;
	struct ip_frags *t = ip_frags_create(&cfg);
	uint8_t asked[5000], told[5000];
	struct mr_counters counters = {0};
	const unsigned int n = ip_split(m, &how, part);

	sf_worker();
	for (unsigned int i = 0; i < n; i++)
		sf_receive(part[i]);
	cr_assert_eq(sf_nsent, 3);
	cr_assert_eq(sf_w->counters.v[MR_C_FRAG_TX], 3);
	cr_assert_eq(sf_w->counters.v[MR_C_ICMP_ECHO], 1);
	for (unsigned int i = 0; i < 3; i++) {
		struct wire_frame f;

		cr_assert_leq(sf_sent[i]->pkt_len, 1514);
		wire_parse(sf_sent[i], &f, &counters);
		cr_assert_eq(f.kind, WIRE_FRAGMENT);
		ip_frags_turn(t, 1, &counters);
		whole = ip_frags_add(t, sf_sent[i], &f, 0, false);
	}
	sf_nsent = 0;
	cr_assert_not_null(whole);
	cr_assert_eq(*(const uint8_t *)rte_pktmbuf_read(whole, 34, 1, told), 0, "echo reply");
	cr_assert(memcmp(rte_pktmbuf_read(m, 42, 4000, asked),
			 rte_pktmbuf_read(whole, 42, 4000, told), 4000) == 0);
	rte_pktmbuf_free(whole);
	rte_pktmbuf_free(m);
	ip_frags_destroy(t);
}

Test(datagram, without_a_table_fragments_are_dropped)
{
	struct rte_mbuf *part[IP_SPLIT_MAX];
	unsigned int n;

	sf_cfg.reassemblies = 0;
	sf_worker();
	n = pieces(&(struct sf_seg){.seq = 1, .flags = TCP_SYN, .len = 1300}, 1, part);
	for (unsigned int i = 0; i < n; i++)
		sf_receive(part[i]);
	cr_assert_eq(sf_w->counters.v[MR_C_RX_FRAGMENT], n);
}

/* ---- two workers ---- */

/* Worker 0 has the connection; every fragment comes to one of the two, by turns. */
static void spread(void)
{
	struct rte_mbuf *part[IP_SPLIT_MAX];
	uint32_t seq = SF_ISS + 1;
	const uint32_t ack = sf_establish(0);

	for (uint32_t id = 0; id < 64; id++, seq += 1300) {
		const unsigned int n = pieces(&(struct sf_seg){.seq = seq, .ack = ack,
				.flags = TCP_ACK, .len = 1300}, id, part);

		for (unsigned int i = 0; i < n; i++)
			receive_at((i + id / 2) % 2, part[i]);
		turn_both();
		cr_assert_eq(sf_record()->rcv_nxt, seq + 1300, "datagram %u", id);
	}
	cr_assert_eq(group[0]->counters.v[MR_C_TCP_RX_DATA], 64 * 1300);
	cr_assert_eq(both(MR_C_FRAG_DONE), 64);
	for (unsigned int i = 0; i < 2; i++)
		cr_assert_gt(group[i]->counters.v[MR_C_FRAG_DONE], 16, "both put some together");
	cr_assert_eq(both(MR_C_MAIL_DROP), 0);
	two_end();
}

Test(datagram, whichever_worker_receives_a_fragment)
{
	two_workers(NULL);
	spread();
}

static unsigned int always_0(const void *ctx, const struct mr_endpoint *remote,
			     const struct mr_endpoint *local)
{
	(void)ctx;
	cr_assert(remote->port == SF_PEER_PORT && local->port == 80);
	return 0;
}

Test(datagram, where_rss_says_who_is_meant)
{
	two_workers(always_0);
	spread();
	/* never round the group: from the owner of the fragments straight to worker 0 */
	cr_assert_leq(group[0]->counters.v[MR_C_MAIL_SENT], 64 * 3);
}

/* A SYN in fragments opens where the segments behind it will land. */
Test(datagram, fragmented_syn_opens_where_rss_says)
{
	two_workers(always_0);
	for (uint32_t id = 0; id < 16; id++) {
		struct rte_mbuf *part[IP_SPLIT_MAX];
		const unsigned int n = pieces(&(struct sf_seg){.seq = SF_ISS, .flags = TCP_SYN,
				.len = 1300}, id, part);

		for (unsigned int i = 0; i < n; i++)
			receive_at(1, part[i]);
		turn_both();
		cr_assert_eq(group[0]->flows[0].table.live, 1);
		cr_assert_eq(group[1]->flows[0].table.live, 0);
	}
	two_end();
}

/* A connection of nobody: the last worker answers, once. */
Test(datagram, nobodys_segment_goes_round_once)
{
	struct rte_mbuf *part[IP_SPLIT_MAX];
	unsigned int n;

	two_workers(NULL);
	n = pieces(&(struct sf_seg){.seq = 5, .ack = 7, .flags = TCP_ACK, .len = 1300}, 3, part);
	for (unsigned int i = 0; i < n; i++)
		receive_at(0, part[i]);
	turn_both();
	cr_assert_eq(sf_nsent, 1);
	cr_assert_eq(sf_tcp(0).flags, TCP_RST);
	cr_assert_eq(both(MR_C_TCP_TX_RST), 1);
	two_end();
}

/* Rings are bounded, and what lies in them at the end goes back to its pool (sf_stop() looks). */
Test(datagram, full_rings_drop_and_leak_nothing)
{
	two_workers(NULL);
	for (uint32_t id = 0; id < 700; id++) {
		struct rte_mbuf *part[IP_SPLIT_MAX];
		const unsigned int n = pieces(&(struct sf_seg){.seq = 1, .flags = TCP_ACK,
				.len = 1300}, id, part);

		for (unsigned int i = 0; i < n; i++)
			receive_at(0, part[i]);
	}
	cr_assert_gt(both(MR_C_MAIL_DROP), 100);
	cr_assert_lt(rte_mempool_in_use_count(sf_data), 1000);
	two_end();
}
