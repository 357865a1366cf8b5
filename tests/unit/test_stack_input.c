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

/* ---- pressure ---- */

static struct rte_mbuf *kept[SF_MBUFS];
static unsigned int nkept;

static void keep(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	(void)w;
	(void)c;
	kept[nkept++] = m;
}

/* No turn passes: the frames alone must lead to the look at the pools. */
Test(stack_input, mbufs_that_run_low_within_a_turn_are_noticed)
{
	struct sf_seg seg = {.seq = SF_ISS + 1, .flags = TCP_ACK, .len = 1};

	sf_callbacks.on_data = keep;
	sf_cfg.mbufs_reserve = 1024;
	sf_cfg.syncookies = STACK_COOKIES_OFF;
	sf_worker();
	seg.ack = sf_establish(SF_PEER_PORT);
	for (unsigned int i = 0; i < 1600; i++) {
		sf_segment(&seg);
		seg.seq += 1;
		sf_forget();
	}
	cr_assert_lt(rte_mempool_avail_count(sf_data), 1024);
	sf_segment(&(struct sf_seg){.sport = 5000, .seq = 1, .flags = TCP_SYN});
	cr_expect_eq(sf_w->counters.v[MR_C_SYN_MBUFS_LOW], 1);
	cr_expect_eq(sf_nsent, 0);
	rte_pktmbuf_free_bulk(kept, nkept);
	sf_run(200);
	sf_forget();
	sf_segment(&(struct sf_seg){.sport = 5000, .seq = 1, .flags = TCP_SYN});
	cr_expect_eq(sf_nsent, 1, "the mbufs are home again");
}

static void keep_as_read(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	mr_consumed(w, c, m->pkt_len);
	keep(w, c, m);
}

/* A handler that keeps all it gets, and then fills what it can, leaves some for an RST. */
Test(stack_input, the_last_mbufs_are_for_frames_that_come)
{
	const uint32_t reserve = 1024;
	struct sf_seg seg = {.seq = SF_ISS + 1, .flags = TCP_ACK, .len = 1};

	sf_callbacks.on_data = keep_as_read;
	sf_cfg.mbufs_reserve = reserve;
	sf_worker();
	seg.ack = sf_establish(SF_PEER_PORT);
	for (unsigned int i = 0; i < SF_MBUFS; i++) {
		sf_segment(&seg);
		seg.seq = SF_ISS + 1 + nkept;
		sf_forget();
	}
	cr_expect_eq(rte_mempool_avail_count(sf_data), reserve / 2);
	cr_expect_eq(sf_w->counters.v[MR_C_TCP_MBUFS_LOW], SF_MBUFS - nkept);
	while ((kept[nkept] = mr_mbuf_alloc(sf_w)) != NULL)
		nkept++;
	cr_expect_eq(rte_mempool_avail_count(sf_data), reserve / 4 - 1);
	cr_expect_eq(mr_send_copy(sf_w, sf_conn, kept, MR_COPY_MAX + 1, 0), 0);
	seg.flags = TCP_RST;
	seg.len = 0;
	sf_segment(&seg);
	cr_expect_eq(sf_nclosed, 1);
	cr_expect_eq(sf_closed_why, MR_RESET_BY_PEER);
	rte_pktmbuf_free_bulk(kept, nkept);
}

/* Each of many connections brings its first data, and has no extension yet: both ways are one. */
static void first_data_of_many(bool fast)
{
	static uint32_t ack[1900];

	sf_callbacks.on_data = keep_as_read;
	sf_cfg.mbufs_reserve = 1024;
	sf_cfg.fast_path = fast;
	sf_cfg.conns4 = sf_cfg.extensions = 4096;
	sf_worker();
	for (uint16_t i = 0; i < MR_ARRAY_LEN(ack); i++)
		ack[i] = sf_establish((uint16_t)(10000 + i));
	for (uint16_t i = 0; i < MR_ARRAY_LEN(ack); i++) {
		sf_segment(&(struct sf_seg){.sport = (uint16_t)(10000 + i), .seq = SF_ISS + 1,
					    .flags = TCP_ACK, .len = 1, .ack = ack[i]});
		sf_forget();
	}
	cr_expect_eq(rte_mempool_avail_count(sf_data), 1024 / 2);
	cr_expect_eq(sf_w->counters.v[MR_C_TCP_MBUFS_LOW], MR_ARRAY_LEN(ack) - nkept);
	rte_pktmbuf_free_bulk(kept, nkept);
}

Test(stack_input, first_data_leaves_the_last_mbufs) { first_data_of_many(true); }
Test(stack_input, first_data_leaves_the_last_mbufs_on_the_long_way) { first_data_of_many(false); }

/* The handler takes mbufs, and keeps what comes before the next turn looks at the pools. */
Test(stack_input, what_a_handler_takes_counts_before_the_next_look)
{
	struct sf_seg seg = {.seq = SF_ISS + 1, .flags = TCP_ACK, .len = 1};

	sf_callbacks.on_data = keep_as_read;
	sf_cfg.mbufs_reserve = 1024;
	sf_worker();
	sf_run(5);
	seg.ack = sf_establish(SF_PEER_PORT);
	for (unsigned int i = 0; i < 1000; i++) {
		if (i == 600)
			while ((kept[nkept] = mr_mbuf_alloc(sf_w)) != NULL)
				nkept++;
		sf_segment(&seg);
		seg.seq += i < 600;
		sf_forget();
	}
	cr_expect_geq(rte_mempool_avail_count(sf_data), 1024 / 4 - MR_BURST);
	cr_expect(sf_w->cx.mbufs_low && sf_w->cx.mbufs_few);
	rte_pktmbuf_free_bulk(kept, nkept);
}

static struct mr_conn reading;

static void note_and_keep(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	reading = c;
	keep(w, c, m);
}

/* Read while mbufs were few: the peer is told when they are not, and not before it probes. */
Test(stack_input, a_window_opens_when_mbufs_are_there_again)
{
	struct sf_seg seg = {.seq = SF_ISS + 1, .flags = TCP_ACK, .len = 1000};
	unsigned int nread;

	sf_callbacks.on_data = note_and_keep;
	sf_cfg.mbufs_reserve = 1024;
	sf_worker();
	seg.ack = sf_establish(SF_PEER_PORT);
	for (unsigned int i = 0; i < 40; i++, seg.seq += seg.len)
		sf_segment(&seg);
	nread = nkept;
	cr_assert_eq(nread, 40);
	while (rte_mempool_avail_count(sf_data) >= 1024)
		kept[nkept++] = rte_pktmbuf_alloc(sf_data);
	sf_run(200);
	cr_assert(sf_w->cx.mbufs_low);
	sf_forget();
	mr_consumed(sf_w, reading, 40000);
	sf_run(200);
	cr_expect_eq(sf_nsent, 0, "as long as they are few");
	rte_pktmbuf_free_bulk(kept, nkept);
	sf_run(2000);
	cr_expect_eq(sf_nsent, 1);
	cr_expect_eq(sf_tcp(0).flags, TCP_ACK);
	cr_expect_eq(sf_tcp(0).ack, seg.seq);
	cr_expect_geq(sf_tcp(0).wnd, 60000);
}

Test(stack_input, queues_may_hold_three_quarters_of_the_smaller_pool)
{
	struct rte_mempool *large = sf_data;

	sf_data = rte_pktmbuf_pool_create("small", 1023, 0, 0, 512, -1);
	sf_worker();
	cr_expect_eq(sf_w->ext_pool.mbufs_max, 1023 / 4 * 3);
	stack_destroy(sf_w);
	sf_ctl = sf_data;
	sf_data = large;
	sf_worker();
	cr_expect_eq(sf_w->ext_pool.mbufs_max, 1023 / 4 * 3);
}

/* ---- strangers ---- */

Test(stack_input, the_first_second_is_no_silence)
{
	sf_worker();
	cr_assert_lt(sf_w->now_ms, 1000);
	sf_segment(&(struct sf_seg){.dport = 81, .seq = 1, .flags = TCP_SYN});
	cr_assert_eq(sf_w->counters.v[MR_C_TCP_RST_RATE], 0);
	cr_assert_eq(sf_nsent, 1);
	cr_assert(sf_tcp(0).flags & TCP_RST);
}

/* ---- TIME_WAIT ---- */

/* In TIME_WAIT with RCV.NXT SF_ISS + 2. */
static void enter_time_wait_by_close(uint16_t sport)
{
	struct sf_seg seg = {.sport = sport, .seq = SF_ISS + 1, .flags = TCP_ACK};

	seg.ack = sf_establish(sport);
	cr_assert_eq(mr_close(sf_w, sf_conn), MR_OK);
	sf_run(1);
	seg.ack++;
	seg.flags |= TCP_FIN;
	sf_segment(&seg);
	cr_assert_eq(sf_w->counters.v[MR_C_TW_ENTERED], 1);
	sf_run(1);
	sf_forget();
}

Test(stack_input, a_time_wait_entry_stays_when_its_successor_is_not_admitted)
{
	const struct sf_seg syn = {.seq = SF_ISS + 100000, .flags = TCP_SYN};
	struct stack_stats stats;

	sf_cfg.neighbours = 16;
	sf_worker();
	enter_time_wait_by_close(SF_PEER_PORT);
	sf_w->cx.mbufs_low = true;
	sf_segment(&syn);
	stack_stats(sf_w, &stats);
	cr_expect_eq(stats.counters.v[MR_C_SYN_MBUFS_LOW], 1);
	cr_expect_eq(stats.counters.v[MR_C_TW_REUSED], 0);
	cr_expect_eq(stats.time_wait[0], 1);
	sf_w->cx.mbufs_low = false;
	/* Nor without a next hop: all are those of other stations, whose connections open. */
	for (uint8_t i = 0; i < 16; i++) {
		struct rte_mbuf *m = sf_frame(&(struct sf_seg){
			.sport = (uint16_t)(6000 + i), .seq = 1, .flags = TCP_SYN});

		*rte_pktmbuf_mtod_offset(m, uint8_t *, 10) = (uint8_t)(i + 2);
		sf_receive(m);
	}
	sf_segment(&syn);
	stack_stats(sf_w, &stats);
	cr_expect_eq(stats.counters.v[MR_C_NEIGH_FULL], 1);
	cr_expect_eq(stats.counters.v[MR_C_TW_REUSED], 0);
	cr_expect_eq(stats.time_wait[0], 1, "the entry is gone, and nothing came of it");
}

Test(stack_input, a_time_wait_entry_gives_way_to_its_successor)
{
	struct stack_stats stats;

	sf_worker();
	enter_time_wait_by_close(SF_PEER_PORT);
	sf_segment(&(struct sf_seg){.seq = SF_ISS + 100000, .flags = TCP_SYN});
	stack_stats(sf_w, &stats);
	cr_expect_eq(stats.counters.v[MR_C_TW_REUSED], 1);
	cr_expect_eq(stats.time_wait[0], 0);
	cr_expect_eq(stats.conns_open[0], 1);
	cr_expect_eq(sf_nsent, 1);
}
