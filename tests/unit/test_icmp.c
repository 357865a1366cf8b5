/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP: echo, and errors that find the connection they quote, on whichever worker it lives. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "neigh_fixture.h"
#include "octets.h"

TestSuite(icmp, .init = nf_start, .fini = nf_stop);

static const uint8_t peer4[16] = {10, 77, 0, 50}, ours4[16] = {10, 77, 0, 3};

/* ---- echo ---- */

static struct rte_mbuf *echo(uint8_t family, const uint8_t *src, const uint8_t *dst, uint32_t data)
{
	uint8_t msg[1480] = {family == 4 ? 8 : 128, 0, 0, 0, 0x12, 0x34, 0, 1};

	for (uint32_t i = 0; i < data; i++)
		msg[8 + i] = (uint8_t)(i * 7);
	return nf_icmp(family, src, dst, msg, 8 + data);
}

Test(icmp, echo_returns_the_same_data)
{
	static const uint32_t sizes[] = {0, 1, 17, 56, 1399, 1400};
	struct mr_worker *w = nf_worker(0, 0, 1, 16);

	for (unsigned int i = 0; i < MR_ARRAY_LEN(sizes); i++) {
		struct wire_frame f;
		struct wire_ip ip;

		nf_input(w, 0, echo(4, peer4, ours4, sizes[i]));
		f = nf_frame(i);
		wire_ip_values(nf_sent[i].m, &f, &ip);
		cr_assert(memcmp(ip.dst, peer4, 4) == 0 && memcmp(ip.src, ours4, 4) == 0);
		cr_assert(memcmp(nf_octets(i), nf_peer_mac, 6) == 0);
		cr_assert_eq(nf_octets(i)[34], 0, "echo reply");
		cr_assert_eq(nf_sent[i].m->pkt_len, 42 + sizes[i]);
		for (uint32_t k = 0; k < sizes[i]; k++)
			cr_assert_eq(nf_octets(i)[42 + k], (uint8_t)(k * 7));
	}
	cr_assert_eq(w->counters.v[MR_C_ICMP_ECHO], MR_ARRAY_LEN(sizes));
	nf_destroy(w);
}

Test(icmp, echo_of_ipv6)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	uint8_t src[16], dst[16];

	nf_ip6(src, 50);
	nf_ip6(dst, 3);
	nf_input(w, 0, echo(6, src, dst, 33));
	cr_assert_eq(nf_frame(0).kind, WIRE_ICMP6);
	cr_assert_eq(nf_octets(0)[54], 129);
	nf_destroy(w);
}

Test(icmp, echo_only_to_our_addresses_and_below_the_rate)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	static const uint8_t elsewhere[16] = {10, 77, 0, 99}, broadcast[16] = {10, 77, 0, 255};

	nf_input(w, 0, echo(4, peer4, elsewhere, 8));
	nf_input(w, 0, echo(4, peer4, broadcast, 8));
	nf_input(w, 1, echo(4, peer4, ours4, 8));
	cr_assert_eq(nf_nsent, 0);
	cr_assert_eq(w->counters.v[MR_C_RX_IP_DEST], 3);
	w->icmp_rate.per_s = 5;
	for (unsigned int i = 0; i < 8; i++)
		nf_input(w, 0, echo(4, peer4, ours4, 8));
	cr_assert_eq(nf_nsent, 5);
	cr_assert_eq(w->counters.v[MR_C_ICMP_RATE], 3);
	nf_at(w, 2000);
	nf_input(w, 0, echo(4, peer4, ours4, 8));
	cr_assert_eq(nf_nsent, 6);
	nf_destroy(w);
}

Test(icmp, echo_puts_back_a_tag_that_the_port_stripped)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	static const uint8_t ours_vlan7[16] = {10, 77, 0, 2};
	struct rte_mbuf *m = echo(4, peer4, ours_vlan7, 20);
	struct wire_frame f;

	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 7;
	nf_input(w, 0, m);
	f = nf_frame(0);
	cr_assert_eq(f.vlan, 7);
	cr_assert_eq(f.l2_len, 18);
	cr_assert(memcmp(nf_octets(0), nf_peer_mac, 6) == 0);
	nf_destroy(w);
}

Test(icmp, echo_of_a_shared_mbuf_leaves_it_alone)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct rte_mbuf *m = echo(4, peer4, ours4, 20);
	uint8_t before[62];

	memcpy(before, rte_pktmbuf_mtod(m, uint8_t *), sizeof(before));
	rte_mbuf_refcnt_update(m, 1);
	nf_input(w, 0, m);
	cr_assert_neq(nf_sent[0].m, m);
	cr_assert_eq(nf_octets(0)[34], 0);
	cr_assert(memcmp(before, rte_pktmbuf_mtod(m, uint8_t *), sizeof(before)) == 0);
	rte_pktmbuf_free(m);
	nf_destroy(w);
}

/* ---- errors ---- */

static struct nf_quote quote4(uint8_t type, uint8_t code)
{
	return (struct nf_quote){.family = 4, .type = type, .code = code, .src = {10, 77, 0, 2},
				 .dst = {10, 77, 0, 50}, .sport = 5000, .dport = 80, .seq = 1000};
}

static struct nf_quote quote6(uint8_t type, uint8_t code)
{
	struct nf_quote q = {.family = 6, .type = type, .code = code, .sport = 5000, .dport = 80,
			     .seq = 1000};

	nf_ip6(q.src, 2);
	nf_ip6(q.dst, 50);
	return q;
}

Test(icmp, errors_are_hard_or_soft_by_their_code)
{
	static const struct {
		uint8_t family, type, code;
		bool hard;
	} cases[] = {
		{4, 3, 0, false}, {4, 3, 1, false}, {4, 3, 2, true}, {4, 3, 3, true},
		{4, 3, 5, false}, {4, 3, 9, true}, {4, 3, 10, true}, {4, 3, 13, true},
		{4, 3, 34, false}, {4, 11, 0, false}, {4, 12, 0, false}, {6, 1, 0, false},
		{6, 1, 1, true}, {6, 1, 3, false}, {6, 1, 4, true}, {6, 3, 0, false},
		{6, 4, 1, false},
	};
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct nf_quote q4 = quote4(0, 0), q6 = quote6(0, 0);
	struct tcp_conn *c[2] = {nf_conn(w, &q4), nf_conn(w, &q6)};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct nf_quote q = cases[i].family == 4 ? q4 : q6;

		q.type = cases[i].type;
		q.code = cases[i].code;
		nf_input(w, 0, nf_icmp_error(&q));
		cr_assert_eq(nf_error.count, i + 1, "case %u", i);
		cr_assert_eq(nf_error.hard, cases[i].hard, "case %u", i);
		cr_assert_eq(nf_error.c, c[q.family == 6]);
		cr_assert_eq(nf_reacts, i + 1);
	}
	cr_assert_eq(w->counters.v[MR_C_ICMP_ERROR_RX], MR_ARRAY_LEN(cases));
	nf_destroy(w);
}

/* RFC 5927 4: only what is in flight may be complained about. */
Test(icmp, quoted_sequence_number_must_be_in_flight)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct nf_quote q = quote4(3, 3);
	struct tcp_conn *c = nf_conn(w, &q);
	static const struct { uint32_t seq; bool good; } cases[] = {
		{0xfffffff0u, true}, {0xffffffffu, true}, {0, true}, {15, true},
		{16, false}, {0xffffffefu, false}, {0x80000000u, false},
	};
	uint32_t good = 0;

	c->snd_una = 0xfffffff0u;
	c->snd_nxt = 16;
	for (unsigned int i = 0; i < MR_ARRAY_LEN(cases); i++) {
		q.seq = cases[i].seq;
		nf_input(w, 0, nf_icmp_error(&q));
		good += cases[i].good;
		cr_assert_eq(nf_error.count, good, "sequence number %x", cases[i].seq);
	}
	cr_assert_eq(w->counters.v[MR_C_ICMP_ERROR_STRAY], 3);
	c->snd_una = c->snd_nxt;
	nf_input(w, 0, nf_icmp_error(&q));
	cr_assert_eq(nf_error.count, good, "nothing is in flight");
	nf_destroy(w);
}

Test(icmp, errors_for_no_connection_are_stray)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct nf_quote good = quote4(3, 3), q;
	struct tcp_conn *c = nf_conn(w, &good);
	struct rte_mbuf *m;

	q = good;
	q.sport++;
	nf_input(w, 0, nf_icmp_error(&q));
	q = good;
	q.dst[3]++;
	nf_input(w, 0, nf_icmp_error(&q));
	q = good;
	q.src[3] = 99;		/* not an address of ours */
	nf_input(w, 0, nf_icmp_error(&q));
	m = nf_icmp_error(&good);	/* the same tuple, but in VLAN 7: another network */
	m->ol_flags |= RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 7;
	nf_input(w, 0, m);
	c->spare |= CONN_DEAD;	/* it ended in this very burst */
	nf_input(w, 0, nf_icmp_error(&good));
	cr_assert_eq(nf_error.count, 0);
	cr_assert_eq(w->counters.v[MR_C_ICMP_ERROR_STRAY], 5);
	nf_destroy(w);
}

Test(icmp, error_sent_to_another_address_than_it_quotes_is_stray)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct nf_quote q = quote4(3, 3);
	struct rte_mbuf *m;
	struct rte_ipv4_hdr *ip;

	nf_conn(w, &q);
	m = nf_icmp_error(&q);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	ip->dst_addr = wire_load32(ours4);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	nf_input(w, 0, m);
	cr_assert_eq(nf_error.count, 0);
	cr_assert_eq(w->counters.v[MR_C_ICMP_ERROR_STRAY], 1);
	nf_destroy(w);
}

Test(icmp, source_quench_and_unknown_types_are_ignored)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct nf_quote q = quote4(4, 0);

	nf_conn(w, &q);
	nf_input(w, 0, nf_icmp_error(&q));
	q.type = 42;
	nf_input(w, 0, nf_icmp_error(&q));
	cr_assert_eq(nf_error.count, 0);
	cr_assert_eq(w->counters.v[MR_C_ICMP_IGNORED], 2);
	nf_destroy(w);
}

Test(icmp, too_big_makes_segments_smaller_within_reason)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct nf_quote q = quote4(3, 4), q6 = quote6(2, 0);
	struct tcp_conn *c = nf_conn(w, &q), *c6 = nf_conn(w, &q6);
	static const uint32_t nonsense[] = {0, 20, 68, 575, 1500, 9000, 65535};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(nonsense); i++) {
		q.rest = nonsense[i];
		nf_input(w, 0, nf_icmp_error(&q));
		cr_assert_eq(c->mss, 1460);
	}
	q.rest = 1400;
	nf_input(w, 0, nf_icmp_error(&q));
	cr_assert_eq(c->mss, 1360);
	q.rest = 1450;
	nf_input(w, 0, nf_icmp_error(&q));
	cr_assert_eq(c->mss, 1360, "an error never makes them larger");
	q6.rest = 1279;
	nf_input(w, 0, nf_icmp_error(&q6));
	cr_assert_eq(c6->mss, 1460);
	q6.rest = 1280;
	nf_input(w, 0, nf_icmp_error(&q6));
	cr_assert_eq(c6->mss, 1220);
	cr_assert_eq(w->counters.v[MR_C_ICMP_PATH_MTU], 2);
	cr_assert_eq(nf_error.count, 0);
	nf_destroy(w);
}

/* ---- the wrong worker ---- */

static unsigned int turns(struct mr_worker *const w[], unsigned int n)
{
	unsigned int rounds = 0;
	bool did = true;

	for (; did && rounds < 100; rounds++) {
		did = false;
		for (unsigned int i = 0; i < n; i++)
			did |= mail_turn(w[i]);
	}
	return rounds;
}

Test(icmp, error_on_the_wrong_worker_reaches_the_owner)
{
	struct mr_worker *w[3];
	struct nf_quote q[3];

	for (unsigned int i = 0; i < 3; i++)
		w[i] = nf_worker(10 + i, 10, 3, 16);
	for (unsigned int i = 0; i < 3; i++) {
		q[i] = quote4(3, 3);
		q[i].sport = (uint16_t)(q[i].sport + i);
		nf_conn(w[i], &q[i]);
	}
	for (unsigned int from = 0; from < 3; from++)
		for (unsigned int owner = 0; owner < 3; owner++) {
			memset(&nf_error, 0, sizeof(nf_error));
			nf_input(w[from], 0, nf_icmp_error(&q[owner]));
			turns(w, 3);
			cr_assert_eq(nf_error.count, 1);
			cr_assert_eq(nf_error.worker, 10 + owner);
		}
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert_eq(w[i]->counters.v[MR_C_ICMP_ERROR_RX], 3);
		cr_assert_eq(w[i]->counters.v[MR_C_ICMP_ERROR_STRAY], 0);
		nf_destroy(w[i]);
	}
}

Test(icmp, error_for_nobody_goes_round_once)
{
	struct mr_worker *w[3];
	struct nf_quote q = quote4(3, 3);
	uint64_t stray = 0, sent = 0;

	for (unsigned int i = 0; i < 3; i++)
		w[i] = nf_worker(i, 0, 3, 16);
	nf_input(w[1], 0, nf_icmp_error(&q));
	cr_assert_lt(turns(w, 3), 10);
	for (unsigned int i = 0; i < 3; i++) {
		stray += w[i]->counters.v[MR_C_ICMP_ERROR_STRAY];
		sent += w[i]->counters.v[MR_C_MAIL_SENT];
	}
	cr_assert_eq(stray, 1);
	cr_assert_eq(sent, 2);
	for (unsigned int i = 0; i < 3; i++)
		nf_destroy(w[i]);
}
