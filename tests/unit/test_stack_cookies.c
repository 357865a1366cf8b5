/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker under a flood of SYNs: it answers by cookies, its memory stands still, and who means it
 * gets in with everything that was offered. Each test runs by both ways and over both families,
 * where it says so by CF_WAYS.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "cookie_fixture.h"

TestSuite(stack_cookies, .init = cf_begin, .fini = rf_stop, .timeout = 60);

Test(stack_cookies, four_hundred_forged_syns_keep_nobody_out)
{
	for (unsigned int way = 0; way < CF_WAYS; way++) {
		struct mr_worker *w = cf_worker(way);
		uint32_t hops;

		cf_flood(w, way, BACKLOG);
		hops = w->neigh.used;
		cf_flood(w, way, 400);
		cr_assert_eq(cf_records(w), BACKLOG);
		cr_assert_eq(w->neigh.used, hops);
		cr_assert_geq(cf_counted(w, MR_C_SYN_COOKIE_SENT), 400 - BACKLOG);
		cr_assert_eq(cf_counted(w, MR_C_SYN_BACKLOG), 0);
		for (uint16_t i = 0; i < 50; i++) {
			struct rf_path p = cf_path(way, (uint16_t)(2000 + i));
			struct tcp_seg syn = cf_syn(ALL_OPTIONS), ack;
			struct mr_tcp_info info;

			rf_ntext = 0;
			ack = cf_syn_ack_to(w, &p, &syn);
			cr_assert_eq(ack.opts, ALL_OPTIONS);
			ack = cf_ack_of(rf_last(SYN_ACK));
			ack.len = 5;
			rf_segment(w, &p, &ack, "hello");
			info = cf_info_of(w, &p);
			cr_assert_str_eq(info.state, "ESTABLISHED");
			cr_assert(info.timestamps && info.sack && info.snd_scale == 7);
			cr_assert_eq(info.mss, (way & 1) ? 1440 : 1460);
			cr_assert_eq(info.snd_wnd, 500u << 7);
			cr_assert(rf_ntext == 5 && memcmp(rf_text, "hello", 5) == 0);
			cr_assert_eq(info.rcv_nxt, syn.seq + 6);
			cf_flood(w, way, 3);
		}
		cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_VALID), 50);
		cr_assert_eq(w->group[0].stats.cookies_valid, 50);
		cr_assert_eq(w->group[0].stats.cookies_sent, cf_counted(w, MR_C_SYN_COOKIE_SENT));
		cr_assert_eq(w->group[0].stats.accepted, 50);
		cr_assert_eq(w->group[0].stats.syn_rcvd, BACKLOG);
		cr_assert_eq(cf_records(w), BACKLOG + 50);
		stack_check(w);
		stack_destroy(w);
	}
}

/* What a connection agreed on, apart from its numbers. */
static void expect_same_agreement(const struct mr_tcp_info *a, const struct mr_tcp_info *b,
				  uint8_t opts)
{
	cr_assert_eq(a->mss, b->mss, "options 0x%02x: %u and %u", opts, a->mss, b->mss);
	cr_assert_eq(a->snd_scale, b->snd_scale, "options 0x%02x", opts);
	cr_assert_eq(a->rcv_scale, b->rcv_scale, "options 0x%02x", opts);
	cr_assert_eq(a->timestamps, b->timestamps, "options 0x%02x", opts);
	cr_assert_eq(a->sack, b->sack, "options 0x%02x", opts);
	cr_assert_eq(a->snd_wnd, b->snd_wnd, "options 0x%02x", opts);
	cr_assert_eq(a->rcv_wnd, b->rcv_wnd, "options 0x%02x", opts);
}

struct opened {
	struct tcp_seg said;		/* the SYN-ACK */
	struct mr_tcp_info info;
};

static struct tcp_seg with_timestamps(unsigned int some)
{
	struct tcp_seg syn = cf_syn((uint8_t)(some & (TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_SACK_OK)) |
				    TCP_OPT_TS);

	syn.wscale = (uint8_t)(some % 15);
	syn.mss = (some & 8) ? 1360 : 1440;
	return syn;
}

/* One worker, a connection for each of 32 SYNs. */
static void open_all(unsigned int way, enum stack_syncookies when, struct opened all[32])
{
	struct mr_worker *w;

	cf_cfg.syncookies = when;
	w = cf_worker(way);
	for (unsigned int some = 0; some < 32; some++) {
		struct tcp_seg syn = with_timestamps(some);
		struct rf_path p = cf_path(way, (uint16_t)(2000 + some));

		rf_nseen = 0;
		all[some].info = cf_opened(w, &p, &syn);
		all[some].said = rf_seen[0].seg;
	}
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_VALID), when == STACK_COOKIES_OFF ? 0 : 32);
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_PLAIN), 0);
	stack_destroy(w);
}

/* With a record and by a cookie: the same SYN-ACK but for its numbers, the same connection. */
Test(stack_cookies, with_timestamps_the_same_connection_as_without_cookies)
{
	static struct opened a[32], b[32];

	for (unsigned int way = 0; way < CF_WAYS; way++) {
		open_all(way, STACK_COOKIES_OFF, a);
		open_all(way, STACK_COOKIES_ALWAYS, b);
		for (unsigned int i = 0; i < 32; i++) {
			const struct tcp_seg *plain = &a[i].said, *cookie = &b[i].said;

			expect_same_agreement(&a[i].info, &b[i].info, with_timestamps(i).opts);
			cr_assert(plain->opts == cookie->opts && plain->mss == cookie->mss &&
				  plain->wnd == cookie->wnd && plain->tsecr == cookie->tsecr &&
				  plain->ack == cookie->ack && plain->flags == cookie->flags);
			cr_assert_leq(plain->tsval - cookie->tsval, COOKIE_TS_MASK);
		}
	}
}

Test(stack_cookies, without_timestamps_the_mss_is_kept_and_nothing_is_promised)
{
	static const struct { uint16_t said, kept4, kept6; } rows[] = {
		{1460, 1460, 1440}, {1459, 1440, 1440}, {1220, 1220, 1220}, {536, 536, 536},
		{100, 64, 64}, {9000, 1460, 1440}, {0, 536, 1220},
	};

	cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
	for (unsigned int i = 0; i < CF_WAYS * MR_ARRAY_LEN(rows); i++) {
		const unsigned int way = i % CF_WAYS, row = i / CF_WAYS;
		struct tcp_seg syn = cf_syn(ALL_OPTIONS & ~TCP_OPT_TS);
		struct rf_path p = cf_path(way, 2000);
		struct mr_worker *w = cf_worker(way);
		struct mr_tcp_info info;

		syn.mss = rows[row].said;
		if (syn.mss == 0)
			syn.opts &= (uint8_t)~TCP_OPT_MSS;
		info = cf_opened(w, &p, &syn);
		cr_assert_eq(rf_seen[0].seg.opts, TCP_OPT_MSS);
		cr_assert_eq(info.mss, (way & 1) ? rows[row].kept6 : rows[row].kept4);
		cr_assert(!info.timestamps && !info.sack && info.snd_scale == 0);
		cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_PLAIN), 1);
		stack_destroy(w);
	}
}

/* RFC 3168 6.1.1: it needs the timestamp's bits; what the SYN-ACK agreed on the connection has. */
Test(stack_cookies, ecn_is_kept_with_timestamps_and_not_promised_without)
{
	cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
	for (unsigned int i = 0; i < CF_WAYS * 4; i++) {
		const unsigned int way = i % CF_WAYS;
		const bool ts = (i / CF_WAYS & 1) != 0, asks = (i / CF_WAYS & 2) != 0;
		struct tcp_seg syn = cf_syn(TCP_OPT_MSS | (ts ? TCP_OPT_TS : 0)), ack;
		struct rf_path p = cf_path(way, 2000);
		struct mr_worker *w = cf_worker(way);
		bool has;

		syn.flags |= asks ? TCP_ECE | TCP_CWR : TCP_ECE;
		rf_segment(w, &p, &syn, NULL);
		ack = cf_ack_of(&rf_seen[0]);
		rf_segment(w, &p, &ack, NULL);
		cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_VALID), 1);
		has = (cf_record_of(w, &p).c->flags & TCP_F_ECN) != 0;
		cr_assert_eq(has, ts && asks, "case %u", i);
		cr_assert_eq((rf_seen[0].seg.flags & TCP_ECE) != 0, has, "case %u", i);
		stack_destroy(w);
	}
}

/* RFC 7323 3.2: later segments never show an older clock than the SYN-ACK did. A SYN each 101 ms:
 * at every value of the clock's low bits, which hold what was agreed on. */
Test(stack_cookies, tsval_goes_on_from_the_syn_ack)
{
	struct mr_worker *w;

	cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
	w = cf_worker(0);
	for (uint32_t i = 0; i < 300; i++) {
		struct tcp_seg syn = cf_syn(ALL_OPTIONS), ack;
		struct rf_path p = cf_path(0, (uint16_t)(2000 + i));
		uint32_t first;

		syn.wscale = (uint8_t)(i % 15);
		rf_nseen = rf_ntext = 0;
		rf_run(w, 1);
		first = cf_syn_ack_to(w, &p, &syn).tsval;
		ack = cf_ack_of(rf_last(SYN_ACK));
		ack.len = 1;
		rf_segment(w, &p, &ack, "x");
		rf_run(w, 100);	/* the delayed ACK */
		cr_assert_lt(rf_last(TCP_ACK)->seg.tsval - first, 300, "from %u to %u", first,
			     rf_last(TCP_ACK)->seg.tsval);
	}
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_VALID), 300);
	stack_destroy(w);
}

/* The low bits are no time: an RTO made of them would be as wrong. */
Test(stack_cookies, the_round_trip_is_not_measured_by_a_cookie)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS);
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w;
	struct mr_tcp_info info;

	cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
	w = cf_worker(0);
	info = cf_opened(w, &p, &syn);
	cr_assert_eq(info.srtt_us, 0);
	cr_assert_eq(info.rto_ms, cf_cfg.tcp.rto_initial_ms);
	stack_destroy(w);
}

Test(stack_cookies, a_syn_sent_again_gets_the_same_cookie)
{
	for (unsigned int way = 0; way < CF_WAYS; way++) {
		struct tcp_seg syn = cf_syn(ALL_OPTIONS), first, again;
		struct rf_path p = cf_path(way, 2000);
		struct mr_worker *w;

		cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
		w = cf_worker(way);
		first = cf_syn_ack_to(w, &p, &syn);
		rf_run(w, 1000);
		again = cf_syn_ack_to(w, &p, &syn);
		cr_assert_eq(first.seq, again.seq);
		cr_assert_eq((again.tsval - first.tsval) & ~COOKIE_TS_MASK,
			     again.tsval - first.tsval);
		stack_destroy(w);
	}
}

Test(stack_cookies, fin_and_data_in_the_ack_are_taken)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS), ack;
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w;

	cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
	w = cf_worker(0);
	cf_syn_ack_to(w, &p, &syn);
	ack = cf_ack_of(rf_last(SYN_ACK));
	ack.flags |= TCP_FIN | TCP_PSH;
	ack.len = 3;
	rf_segment(w, &p, &ack, "bye");
	cr_assert_str_eq(cf_info_of(w, &p).state, "CLOSE_WAIT");
	cr_assert(rf_ntext == 3 && memcmp(rf_text, "bye", 3) == 0);
	cr_assert_eq(rf_last(TCP_ACK)->seg.ack, syn.seq + 5);
	stack_destroy(w);
}
