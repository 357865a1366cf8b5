/* SPDX-License-Identifier: BSD-3-Clause */
/* What an ICMP error about one connection does to all to its destination, and to new ones. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_ip.h>

#include "octets.h"
#include "stack_fixture.h"

TestSuite(path_mtu, .init = sf_start, .fini = sf_stop, .timeout = 60);

/* Destination unreachable, fragmentation needed: quotes our segment i of those sent. */
static struct rte_mbuf *too_big(unsigned int i, uint16_t mtu)
{
	struct rte_mbuf *m = sf_frame(&(struct sf_seg){.flags = TCP_ACK, .len = 36});
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	uint8_t *msg = rte_pktmbuf_mtod_offset(m, uint8_t *, 34), copy[28];

	memset(msg, 0, 56);
	msg[0] = 3;
	msg[1] = 4;
	wire_store16(msg + 6, wire_be16(mtu));
	memcpy(msg + 8, rte_pktmbuf_read(sf_sent[i], 14, 28, copy), 28);
	wire_store16(msg + 2, wire_sum_fold(wire_sum(msg, 56, 0)));
	ip->next_proto_id = 1;
	ip->total_length = wire_be16(76);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return m;
}

static uint8_t content[6000];

/* A connection of that peer port that has 5000 octets under way. */
static mr_conn sending(uint16_t sport)
{
	sf_establish(sport);
	sf_record()->mss = 1460;	/* its SYN had no option */
	cr_assert_eq(mr_send_copy(sf_w, sf_conn, content, 5000, 0), 5000);
	stack_turn(sf_w);
	stack_flush(sf_w);
	return sf_conn;
}

/* Octets to that port among what was sent, in segments of at most `mss`. */
static uint32_t octets_to(uint16_t sport, uint32_t mss)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < sf_nsent; i++) {
		struct mr_counters counters = {0};
		struct wire_frame f;

		wire_parse(sf_sent[i], &f, &counters);
		cr_assert_eq(f.kind, WIRE_TCP);
		if (wire_be16(f.dport) != sport)
			continue;
		cr_assert_leq(sf_tcp(i).len, mss);
		sum += sf_tcp(i).len;
	}
	return sum;
}

Test(path_mtu, all_connections_to_the_destination_resend_smaller_at_once)
{
	mr_conn a, b;
	struct mr_tcp_info info;
	struct rte_mbuf *error;

	sf_cfg.tcp.nodelay = true;
	sf_worker();
	a = sending(4000);
	sf_forget();
	b = sending(4001);
	cr_assert_eq(octets_to(4001, 1460), 5000);
	error = too_big(0, 1000);
	sf_forget();
	sf_receive(error);
	sf_run(1);
	cr_assert_eq(octets_to(4001, 960), 5000, "the one that was quoted");
	cr_assert_eq(octets_to(4000, 960), 5000, "the other one too");
	cr_assert_eq(sf_w->counters.v[MR_C_ICMP_PATH_MTU], 2);
	cr_assert_eq(sf_w->counters.v[MR_C_TCP_RTO], 0, "no timer was needed");
	cr_assert(mr_tcp_info(sf_w, a, &info) == MR_OK && info.mss == 960);
	cr_assert(mr_tcp_info(sf_w, b, &info) == MR_OK && info.mss == 960);
	/* one that begins now knows it from the start */
	sf_forget();
	sending(4002);
	cr_assert_eq(octets_to(4002, 960), 5000);
}

Test(path_mtu, ten_minutes_later_the_path_is_whole_again)
{
	struct rte_mbuf *error;

	sf_cfg.tcp.nodelay = true;
	sf_worker();
	sending(4000);
	error = too_big(0, 1000);
	sf_receive(error);
	sf_run(1);
	mr_abort(sf_w, sf_conn);
	stack_set_time(sf_w, sf_w->now_us + 601ull * 1000000);
	sf_run(300);
	cr_assert_eq(sf_w->paths->live, 0);
	sf_forget();
	sending(4001);
	cr_assert_eq(sf_tcp(0).len, 1460);
}

/* RFC 5927: guesses that quote what is not in flight, and nonsense, lower nothing. */
Test(path_mtu, guesses_and_nonsense_lower_nothing)
{
	static const uint16_t nonsense[] = {0, 20, 68, 575, 1500, 9000};
	struct rte_mbuf *error;

	sf_worker();
	sending(4000);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(nonsense); i++)
		sf_receive(too_big(0, nonsense[i]));
	error = too_big(0, 1000);
	*rte_pktmbuf_mtod_offset(error, uint8_t *, 34 + 8 + 24) ^= 0x40;	/* SEG.SEQ */
	wire_store16(rte_pktmbuf_mtod_offset(error, uint8_t *, 36), 0);
	wire_store16(rte_pktmbuf_mtod_offset(error, uint8_t *, 36),
		     wire_sum_fold(wire_sum(rte_pktmbuf_mtod_offset(error, uint8_t *, 34), 56, 0)));
	sf_receive(error);
	cr_assert_eq(sf_w->counters.v[MR_C_ICMP_ERROR_STRAY], 1);
	cr_assert_eq(sf_w->counters.v[MR_C_ICMP_PATH_MTU], 0);
	cr_assert_eq(sf_w->paths->live, 0);
}
