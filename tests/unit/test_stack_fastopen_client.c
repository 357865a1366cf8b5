/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open (RFC 7413) frame by frame, the client's part: which SYNs of ours have the option and
 * data, and what is learned from their answers.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "fastopen_fixture.h"

#define TEXT "request"
#define LEN 7u

static const struct mr_endpoint server = RF_IP4(10, 77, 0, 9, 5000);
static const struct mr_endpoint us = RF_IP4(10, 77, 0, 2, 0);
static const uint8_t cookie[TCP_COOKIE_MAX] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static struct mr_worker *w;
static struct rte_mempool *pool;

static void begin(void)
{
	cf_begin();
	cf_cfg.tcp.fastopen = TCP_FASTOPEN_CLIENT;
}
TestSuite(stack_fastopen_client, .init = begin, .fini = rf_stop, .timeout = 60);

/* A worker that knows the server's MAC. */
static void start(void)
{
	mr_conn c;

	w = cf_worker(0);
	pool = w->data_pool;
	ff_reset(0);
	cr_assert_eq(rf_try_open(w, &us, &server, &c), MR_OK);
	rf_run(w, 1);
	rf_neighbours_answer(w);
	mr_abort(w, c);
	rf_run(w, 1);
	rf_nseen = 0;
}

static void stop(void) { ff_stop(w); }

static struct rte_mbuf *text_mbuf(uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	cr_assert_not_null(m);
	memset(rte_pktmbuf_append(m, (uint16_t)len), 'x', len);
	memcpy(rte_pktmbuf_mtod(m, char *), TEXT, MR_MIN(len, LEN));
	return m;
}

static enum mr_reason try_open(const struct mr_endpoint *local, struct rte_mbuf *data,
			       const struct mr_options *options, mr_conn *c)
{
	const struct mr_connect_opts o = {.remote = server, .local = *local, .data = data,
					  .callbacks = &ff_callbacks, .options = options};

	return mr_connect(w, &o, c);
}

/* An active open with text; its SYN. */
static struct rf_seen open_from(const struct mr_endpoint *local)
{
	mr_conn c;

	cr_assert_eq(try_open(local, text_mbuf(LEN), NULL, &c), MR_OK);
	stack_flush(w);
	rf_neighbours_answer(w);
	stack_flush(w);
	cr_assert_eq(rf_seen[rf_nseen - 1].seg.flags & TCP_SYN, TCP_SYN);
	return rf_seen[rf_nseen - 1];
}

/* The SYN-ACK to that SYN, which acknowledges so many octets of data; cookie_len 0: no option. */
static void answer(const struct rf_seen *syn, uint32_t octets, uint8_t cookie_len)
{
	struct tcp_seg seg = {.seq = 70000, .ack = syn->seg.seq + 1 + octets, .flags = SYN_ACK,
			      .wnd = 60000, .mss = 1400, .opts = TCP_OPT_MSS};
	const struct rf_path back = rf_back(syn);

	if (cookie_len != 0) {
		seg.opts |= TCP_OPT_FASTOPEN;
		seg.cookie_len = cookie_len;
		memcpy(seg.cookie, cookie, sizeof(seg.cookie));
	}
	rf_segment(w, &back, &seg, NULL);
}

/* Asks, and is granted a cookie of so many octets. */
static void granted(uint8_t cookie_len)
{
	struct rf_seen syn = open_from(&us);

	cr_assert(syn.seg.opts & TCP_OPT_FASTOPEN);
	cr_assert_eq(syn.seg.cookie_len, 0);
	cr_assert_eq(syn.seg.len, 0);
	answer(&syn, 0, cookie_len);
	cr_assert_eq(rf_seen[rf_nseen - 1].seg.len, LEN, "the data follows the handshake");
}

Test(stack_fastopen_client, asks_first_and_then_sends_data_with_the_syn)
{
	for (uint8_t len = TCP_COOKIE_MIN; len <= TCP_COOKIE_MAX; len = (uint8_t)(len + 2)) {
		struct rf_seen syn;

		start();
		granted(len);
		cr_expect_eq(cf_counted(w, MR_C_TFO_ASKED), 1);
		syn = open_from(&us);
		cr_expect_eq(syn.seg.flags, TCP_SYN | TCP_PSH);
		cr_expect_eq(syn.seg.len, LEN);
		cr_expect_eq(syn.seg.cookie_len, len);
		cr_expect_eq(memcmp(syn.seg.cookie, cookie, len), 0);
		answer(&syn, LEN, 0);
		cr_expect_eq(rf_last(TCP_ACK)->seg.seq, syn.seg.seq + 1 + LEN);
		cr_expect_eq(ff_connected, 2);
		cr_expect_eq(cf_counted(w, MR_C_TFO_DATA_SENT), 1);
		cr_expect_eq(cf_counted(w, MR_C_TFO_DATA_TAKEN), 1);
		stop();
	}
}

Test(stack_fastopen_client, without_it_data_follows_the_handshake)
{
	struct rf_seen syn;

	cf_cfg.tcp.fastopen = TCP_FASTOPEN_SERVER;
	start();
	syn = open_from(&us);
	cr_expect_eq(syn.seg.opts & TCP_OPT_FASTOPEN, 0);
	cr_expect_eq(syn.seg.len, 0);
	answer(&syn, 0, 0);
	cr_expect_eq(rf_seen[rf_nseen - 1].seg.len, LEN);
	stop();
}

/* An option of one open: asks without data, and brings the cookie without data. */
Test(stack_fastopen_client, one_open_may_ask_by_itself)
{
	const struct mr_options on = {.set = 1u << MR_OPT_FASTOPEN,
				      .value[MR_OPT_FASTOPEN] = TCP_FASTOPEN_CLIENT};
	mr_conn c;

	cf_cfg.tcp.fastopen = 0;
	start();
	cr_assert_eq(try_open(&us, NULL, &on, &c), MR_OK);
	stack_flush(w);
	cr_expect(rf_last(TCP_SYN)->seg.opts & TCP_OPT_FASTOPEN);
	answer(&rf_seen[rf_nseen - 1], 0, 8);
	cr_assert_eq(try_open(&us, NULL, &on, &c), MR_OK);
	stack_flush(w);
	cr_expect_eq(rf_last(TCP_SYN)->seg.cookie_len, 8);
	cr_assert_eq(try_open(&us, text_mbuf(LEN), NULL, &c), MR_OK);
	stack_flush(w);
	cr_expect_eq(rf_last(TCP_SYN)->seg.opts & TCP_OPT_FASTOPEN, 0, "the others did not");
	stop();
}

/* The MSS that came with the cookie (4.1.3), less the options; and the path's. */
Test(stack_fastopen_client, syn_is_no_larger_than_the_peers_segments)
{
	const struct ip_path_key path = {.dst = {10, 77, 0, 9}, .scope = 0, .family = 4};
	mr_conn c;

	cf_cfg.tcp.timestamps = true;
	start();
	granted(8);
	cr_assert_eq(try_open(&us, text_mbuf(1460), NULL, &c), MR_OK);
	stack_flush(w);
	/* 4 MSS, 12 SACK and timestamps, 4 scale, 12 cookie */
	cr_expect_eq(rf_last(TCP_SYN)->seg.len, 1400 - 32);
	cr_assert(ip_path_lower(w->paths, &path, 1000, w->now_ms));
	cr_assert_eq(try_open(&us, text_mbuf(1460), NULL, &c), MR_OK);
	stack_flush(w);
	cr_expect_eq(rf_last(TCP_SYN)->seg.len, 1000 - 40 - 32);
	stop();
}

/* What follows the handshake knows the path, too: a SYN's data that comes again, and what was
 * queued without Fast Open. */
Test(stack_fastopen_client, first_data_segments_fit_the_path)
{
	const struct ip_path_key path = {.dst = {10, 77, 0, 9}, .scope = 0, .family = 4};

	cf_cfg.tcp.nodelay = true;
	for (unsigned int with = 0; with < 2; with++) {
		unsigned int first;
		mr_conn c;

		start();
		if (with)
			granted(8);
		cr_assert(ip_path_lower(w->paths, &path, 1000, w->now_ms));
		cr_assert_eq(try_open(&us, with ? text_mbuf(1460) : NULL, NULL, &c), MR_OK);
		if (!with)
			cr_assert_eq(mr_send(w, c, text_mbuf(1460), 0), 1460);
		stack_turn(w);
		stack_flush(w);
		cr_expect_eq(rf_seen[rf_nseen - 1].seg.len, with ? 1000 - 40 - 32 : 0);
		first = rf_nseen;
		answer(&rf_seen[first - 1], 0, 0);
		cr_assert_eq(rf_nseen, first + 2);
		cr_expect_eq(rf_seen[first].seg.len, 1000 - 40);
		cr_expect_eq(rf_seen[first + 1].seg.len, 1460 - 960);
		stop();
	}
}

/* A SYN's octets are counted when they are acknowledged, or when they are sent again. */
Test(stack_fastopen_client, octets_of_a_syn_are_counted_once)
{
	for (uint32_t taken = 0; taken <= LEN; taken += LEN) {
		const struct stack_listener_stats *g;
		struct rf_seen syn;
		uint64_t before;

		start();
		granted(8);
		syn = open_from(&us);
		g = &w->group[w->ngroups - 1].stats;
		before = g->tx_octets;
		cr_expect_eq(before, LEN, "of who asked for the cookie");
		answer(&syn, taken, 0);
		cr_expect_eq(g->tx_octets, before + LEN);
		cr_expect_eq(cf_counted(w, MR_C_TCP_TX_DATA), 2 * LEN);
		stop();
	}
}

/* Neither data nor a cookie: not again for a minute (4.1.3.1). */
Test(stack_fastopen_client, server_that_does_not_know_it_is_left_alone)
{
	struct rf_seen syn;

	start();
	granted(8);
	syn = open_from(&us);
	answer(&syn, 0, 0);
	cr_expect_eq(rf_seen[rf_nseen - 1].seg.len, LEN, "again, at once");
	cr_expect_eq(rf_seen[rf_nseen - 1].seg.seq, syn.seg.seq + 1);
	cr_expect_eq(cf_counted(w, MR_C_TFO_DATA_REFUSED), 1);
	syn = open_from(&us);
	cr_expect_eq(syn.seg.opts & TCP_OPT_FASTOPEN, 0);
	cr_expect_eq(syn.seg.len, 0);
	cr_expect_eq(cf_counted(w, MR_C_TFO_HELD), 1);
	stack_close_all(w, true, UINT32_MAX);
	rf_run(w, TFO_HOLD_MS);
	syn = open_from(&us);
	cr_expect_eq(syn.seg.len, LEN);
	stop();
}

Test(stack_fastopen_client, cookie_that_is_too_old_is_replaced)
{
	struct rf_seen syn;

	start();
	granted(8);
	syn = open_from(&us);
	answer(&syn, 0, 10);
	cr_expect_eq(rf_seen[rf_nseen - 1].seg.len, LEN);
	syn = open_from(&us);
	cr_expect_eq(syn.seg.cookie_len, 10);
	cr_expect_eq(syn.seg.len, LEN);
	stop();
}

/* A path on which SYNs with the option, or with data, vanish. */
static void lost(bool data)
{
	struct rf_seen syn;

	start();
	if (data)
		granted(8);
	syn = open_from(&us);
	cr_expect_eq(syn.seg.len, data ? LEN : 0);
	rf_nseen = 0;
	rf_run(w, 1001);
	cr_expect_eq(rf_last(TCP_SYN)->seg.opts & TCP_OPT_FASTOPEN, 0);
	cr_expect_eq(rf_last(TCP_SYN)->seg.len, 0);
	answer(&syn, 0, 0);
	cr_expect_eq(rf_seen[rf_nseen - 1].seg.len, LEN);
	cr_expect_eq(cf_counted(w, MR_C_TFO_LOST), 1);
	syn = open_from(&us);
	cr_expect_eq(syn.seg.opts & TCP_OPT_FASTOPEN, 0);
	stop();
}
Test(stack_fastopen_client, lost_syn_with_data_falls_back) { lost(true); }
Test(stack_fastopen_client, lost_syn_that_asks_falls_back) { lost(false); }

/* Its SYN-ACK was only late: nothing is held against the path. */
Test(stack_fastopen_client, late_syn_ack_that_took_the_data_is_no_failure)
{
	struct rf_seen syn;

	start();
	granted(8);
	syn = open_from(&us);
	rf_run(w, 1001);
	answer(&syn, LEN, 0);
	cr_expect_eq(cf_counted(w, MR_C_TFO_LOST), 0);
	syn = open_from(&us);
	cr_expect_eq(syn.seg.len, LEN);
	stop();
}

/* The first SYN's, with a cookie: the option comes through, however long it takes. */
Test(stack_fastopen_client, late_syn_ack_with_a_cookie_is_no_failure)
{
	struct rf_seen syn;

	start();
	syn = open_from(&us);
	rf_run(w, 1001);
	answer(&syn, 0, 8);
	cr_expect_eq(cf_counted(w, MR_C_TFO_LOST), 0);
	syn = open_from(&us);
	cr_expect_eq(syn.seg.cookie_len, 8);
	cr_expect_eq(syn.seg.len, LEN);
	stop();
}

Test(stack_fastopen_client, cookie_is_for_one_address_of_ours)
{
	const struct mr_endpoint other = RF_IP4(10, 77, 0, 3, 0);
	struct rf_seen syn;

	start();
	granted(8);
	syn = open_from(&other);
	cr_expect(syn.seg.opts & TCP_OPT_FASTOPEN);
	cr_expect_eq(syn.seg.cookie_len, 0);
	stop();
}

/* Unasked, or in the form of before RFC 7413, which we never use. */
Test(stack_fastopen_client, cookies_that_were_not_asked_for_are_ignored)
{
	struct rf_path back;
	struct rf_seen syn;
	struct tcp_seg seg;
	mr_conn c;

	start();
	cr_assert_eq(try_open(&us, NULL, NULL, &c), MR_OK);
	stack_flush(w);
	answer(rf_last(TCP_SYN), 0, 8);
	syn = open_from(&us);
	cr_expect_eq(syn.seg.cookie_len, 0);
	seg = (struct tcp_seg){.seq = 70000, .ack = syn.seg.seq + 1, .flags = SYN_ACK,
			       .wnd = 60000, .mss = 1400, .opts = TCP_OPT_MSS | TCP_OPT_FASTOPEN,
			       .cookie_len = 8, .cookie_exp = true};
	back = rf_back(&syn);
	rf_segment(w, &back, &seg, NULL);
	syn = open_from(&us);
	cr_expect_eq(syn.seg.cookie_len, 0);
	stop();
}

Test(stack_fastopen_client, refused_is_refused)
{
	struct rf_path back;
	struct rf_seen syn;
	struct tcp_seg rst;

	start();
	granted(8);
	syn = open_from(&us);
	rst = (struct tcp_seg){.ack = syn.seg.seq + 1 + LEN, .flags = TCP_RST | TCP_ACK};
	back = rf_back(&syn);
	rf_segment(w, &back, &rst, NULL);
	cr_expect_eq(ff_nclosed, 1);
	cr_expect_eq(ff_why, MR_REFUSED);
	stop();
}

/* What is not taken is the caller's still. */
Test(stack_fastopen_client, failed_open_takes_no_data)
{
	struct rte_mbuf *m;
	uint64_t mbufs_max;
	uint32_t nfree;
	mr_conn c;

	start();
	m = text_mbuf(LEN);
	nfree = w->ext_pool.nfree;
	w->ext_pool.nfree = 0;
	cr_expect_eq(try_open(&us, m, NULL, &c), MR_NO_MEMORY);
	w->ext_pool.nfree = nfree;
	cr_expect_eq(cf_counted(w, MR_C_CONNECT_NO_MEMORY), 1);
	mbufs_max = w->ext_pool.mbufs_max;
	w->ext_pool.mbufs_max = 0;
	cr_expect_eq(try_open(&us, m, NULL, &c), MR_NO_MEMORY);
	w->ext_pool.mbufs_max = mbufs_max;
	cr_expect_eq(cf_counted(w, MR_C_CONNECT_NO_MEMORY), 2);
	rte_pktmbuf_trim(m, LEN);
	cr_expect_eq(try_open(&us, m, NULL, &c), MR_BAD_ARGUMENT, "nothing in it");
	rte_pktmbuf_free(m);
	stop();
}

Test(stack_fastopen_client, burst_takes_data_too)
{
	struct mr_connect_opts o[2] = {
		{.remote = server, .local = us, .callbacks = &ff_callbacks},
		{.remote = server, .local = us, .callbacks = &ff_callbacks},
	};
	struct mr_connect_result out[2];
	unsigned int with = 0;

	start();
	granted(8);
	rf_nseen = 0;
	o[0].local.port = 3000;
	o[1].local.port = 3001;
	o[1].data = text_mbuf(LEN);
	mr_connect_burst(w, o, 2, out);
	stack_flush(w);
	cr_assert(out[0].why == MR_OK && out[1].why == MR_OK);
	cr_assert_eq(rf_nseen, 2);
	for (unsigned int i = 0; i < 2; i++)
		with += rf_seen[i].seg.len == LEN && rf_seen[i].src.port == 3001;
	cr_expect_eq(with, 1);
	stop();
}
