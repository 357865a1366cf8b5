/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker does with single frames of a peer; one test a defect. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_mbuf.h>

#include "stack_fixture.h"

TestSuite(stack_input, .init = sf_start, .fini = sf_stop, .timeout = 30);

/* The octets of m from `at` on move to a second mbuf. */
static void split(struct rte_mbuf *m, uint16_t at)
{
	struct rte_mbuf *tail = rte_pktmbuf_alloc(sf_data);
	uint16_t n = (uint16_t)(m->data_len - at);

	cr_assert(tail != NULL && m->nb_segs == 1 && n > 0);
	memcpy(rte_pktmbuf_append(tail, n), rte_pktmbuf_mtod_offset(m, const char *, at), n);
	cr_assert_eq(rte_pktmbuf_trim(m, n), 0);
	cr_assert_eq(rte_pktmbuf_chain(m, tail), 0);
}

static uint32_t received;

static void count_octets(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	const char *at;
	char copy[512];

	received += m->pkt_len;
	at = rte_pktmbuf_read(m, 0, m->pkt_len, copy);
	for (uint32_t i = 0; i < m->pkt_len; i++)
		cr_assert_eq(at[i], 'x', "octet %u", i);
	mr_consumed(w, c, m->pkt_len);
	rte_mbuf_sanity_check(m, 1);
	rte_pktmbuf_free(m);
}

static void expect_octets(struct rte_mbuf *m, uint32_t n)
{
	received = 0;
	sf_receive(m);
	cr_expect_eq(received, n, "%u octets were delivered", received);
}

/* A frame of 4000 octets in 2048 + 1952, whose IP packet has 140. */
Test(stack_input, padding_longer_than_the_last_segment_is_cut_off)
{
	struct sf_seg seg = {.seq = SF_ISS + 1, .flags = TCP_ACK, .len = 100,
			     .padding = 2048 - 154};
	struct rte_mbuf *m, *tail;

	sf_callbacks.on_data = count_octets;
	sf_worker();
	seg.ack = sf_establish(SF_PEER_PORT);
	m = sf_frame(&seg);
	tail = rte_pktmbuf_alloc(sf_data);
	memset(rte_pktmbuf_append(tail, 1952), 0, 1952);
	cr_assert_eq(rte_pktmbuf_chain(m, tail), 0);
	cr_assert_eq(m->pkt_len, 4000);
	expect_octets(m, 100);
	cr_expect_eq(sf_record()->rcv_nxt, SF_ISS + 101);
}

Test(stack_input, headers_that_span_segments_are_cut_off)
{
	static const uint16_t at[] = {14, 30, 40, 54, 60};
	struct sf_seg seg = {.seq = SF_ISS + 1, .flags = TCP_ACK, .len = 100, .padding = 30};

	sf_callbacks.on_data = count_octets;
	sf_worker();
	seg.ack = sf_establish(SF_PEER_PORT);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(at); i++) {
		struct rte_mbuf *m = sf_frame(&seg);

		split(m, at[i]);
		expect_octets(m, 100);
		seg.seq += 100;
	}
}
