/* SPDX-License-Identifier: BSD-3-Clause */
/* When no cookie is sent, and what is taken for none: forged, old, for TIME_WAIT, without room. */
#include <criterion/criterion.h>

#include "cookie_fixture.h"

TestSuite(stack_cookies_not, .init = cf_begin, .fini = rf_stop, .timeout = 60);

/* ---- what is no cookie ---- */

Test(stack_cookies_not, forged_acks_are_reset_and_counted)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS), good;
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w;

	cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
	w = cf_worker(0);
	/* none was sent: no ACK is looked at */
	good = (struct tcp_seg){.seq = 1, .ack = 2, .flags = TCP_ACK};
	rf_segment(w, &p, &good, NULL);
	cr_assert_eq(rf_last(TCP_RST)->seg.seq, 2);
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_BAD), 0);
	cf_syn_ack_to(w, &p, &syn);
	good = cf_ack_of(rf_last(SYN_ACK));
	for (unsigned int i = 0; i < 5; i++) {
		struct rf_path from = p;
		struct tcp_seg bad = good;

		bad.ack += i == 0;			/* another ISN of ours */
		bad.seq -= i == 1;			/* another one of the peer's */
		bad.tsecr += i == 2 ? 1u << 20 : 0;	/* an echo of the future */
		bad.tsecr -= i == 3 ? 1u << 20 : 0;	/* or of long ago */
		from.peer.port = (uint16_t)(from.peer.port + (i == 4));
		rf_segment(w, &from, &bad, NULL);
		cr_assert_eq(rf_last(TCP_RST)->seg.seq, bad.ack, "forgery %u", i);
		cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_BAD), i + 1);
		cr_assert_eq(cf_records(w), 0);
	}
	rf_segment(w, &p, &good, NULL);
	cr_assert_str_eq(cf_info_of(w, &p).state, "ESTABLISHED");
	stack_destroy(w);
}

Test(stack_cookies_not, old_ones_are_reset_and_counted)
{
	struct tcp_seg syn = cf_syn(TCP_OPT_MSS), old;
	struct rf_path p = cf_path(0, 2000), other = cf_path(0, 2001);
	struct mr_worker *w;

	cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
	w = cf_worker(0);
	cf_syn_ack_to(w, &p, &syn);
	old = cf_ack_of(rf_last(SYN_ACK));
	stack_set_time(w, w->now_us + 119 * 1000000ull);
	stack_turn(w);
	cf_syn_ack_to(w, &other, &syn);	/* so that ACKs are looked at */
	stack_set_time(w, w->now_us + 2 * 1000000ull);
	stack_turn(w);
	rf_segment(w, &p, &old, NULL);
	cr_assert_eq(rf_last(TCP_RST)->seg.seq, old.ack);
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_OLD), 1);
	cr_assert_eq(cf_records(w), 0);
	stack_destroy(w);
}

/* ---- when cookies are sent ---- */

Test(stack_cookies_not, off_means_that_syns_are_dropped)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS);
	struct rf_path p = cf_path(0, 2000);

	cf_cfg.syncookies = STACK_COOKIES_OFF;
	for (unsigned int way = 0; way < CF_WAYS; way += 2) {
		struct mr_worker *w = cf_worker(way);
		unsigned int seen;

		cf_flood(w, way, BACKLOG);
		seen = rf_nseen;
		rf_segment(w, &p, &syn, NULL);
		cr_assert_eq(rf_nseen, seen);
		cr_assert_eq(cf_counted(w, MR_C_SYN_BACKLOG), 1);
		cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_SENT), 0);
		stack_destroy(w);
	}
}

Test(stack_cookies_not, on_sends_none_while_there_is_room)
{
	struct mr_worker *w = cf_worker(0);

	cf_flood(w, 0, BACKLOG);
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_SENT), 0);
	cr_assert_eq(cf_records(w), BACKLOG);
	stack_destroy(w);
}

Test(stack_cookies_not, a_full_table_or_few_mbufs_get_one_too)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS), ack;
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w;

	cf_cfg.conns4 = 8;
	cf_web.backlog = 100;
	w = cf_worker(0);
	cf_flood(w, 0, 8);
	cf_syn_ack_to(w, &p, &syn);
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_SENT), 1);
	ack = cf_ack_of(rf_last(SYN_ACK));
	/* the table is still full: silence, and the peer asks again */
	rf_segment(w, &p, &ack, NULL);
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_NO_ROOM), 1);
	rf_last(SYN_ACK);
	for (unsigned int i = 0; i < 8; i++)
		mr_abort(w, conn_handle(w, conn_at(&w->flows[0], i)));
	rf_run(w, 1);
	rf_segment(w, &p, &ack, NULL);
	cr_assert_str_eq(cf_info_of(w, &p).state, "ESTABLISHED");
	stack_destroy(w);

	cf_cfg.mbufs_reserve = 4096;	/* more than there are */
	w = cf_worker(0);
	rf_run(w, 1);
	p.peer.port++;
	cf_opened(w, &p, &syn);
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_VALID), 1);
	stack_destroy(w);
}

Test(stack_cookies_not, a_draining_engine_sends_none)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS), ack;
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w;

	cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
	w = cf_worker(0);
	cf_syn_ack_to(w, &p, &syn);
	ack = cf_ack_of(rf_last(SYN_ACK));
	stack_drain(w);
	rf_segment(w, &p, &syn, NULL);
	cr_assert_eq(cf_counted(w, MR_C_SYN_DRAINING), 1);
	rf_segment(w, &p, &ack, NULL);
	cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_NO_ROOM), 1);
	cr_assert_eq(cf_records(w), 0);
	stack_destroy(w);
}

/* RFC 6191: the entry's numbers bound the new ISN, which a cookie could not know. */
Test(stack_cookies_not, a_syn_that_meets_time_wait_gets_a_record)
{
	for (unsigned int way = 0; way < CF_WAYS; way++) {
		struct tcp_seg syn = cf_syn(ALL_OPTIONS), seg, answer;
		struct rf_path p = cf_path(way, 2000);
		struct mr_worker *w;

		cf_cfg.syncookies = STACK_COOKIES_ALWAYS;
		w = cf_worker(way);
		cf_opened(w, &p, &syn);
		mr_close(w, conn_handle(w, cf_record_of(w, &p)));
		rf_run(w, 1);
		seg = cf_ack_of(rf_last(TCP_FIN | TCP_ACK));
		seg.flags |= TCP_FIN;
		rf_segment(w, &p, &seg, NULL);
		cr_assert_eq(cf_records(w), 0);
		syn.seq += 100000;
		syn.tsval += 1000;
		answer = cf_syn_ack_to(w, &p, &syn);
		cr_assert_eq(cf_counted(w, MR_C_TW_REUSED), 1);
		cr_assert_eq(cf_counted(w, MR_C_SYN_COOKIE_SENT), 1);
		cr_assert(seq_gt(answer.seq, seg.ack));
		cr_assert_str_eq(cf_info_of(w, &p).state, "SYN_RCVD");
		stack_destroy(w);
	}
}
