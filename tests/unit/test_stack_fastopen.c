/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open (RFC 7413) frame by frame, the server's part: cookies asked for and brought, data of
 * SYNs that reaches the handler, and all that must not. By both ways and over both families where
 * it says so by CF_WAYS.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "cookie_fixture.h"
#include "fastopen_fixture.h"

TestSuite(stack_fastopen, .init = ff_begin, .fini = rf_stop, .timeout = 60);

/* Nothing of any connection is left, nor counted. */
static void expect_nothing_left(struct mr_worker *w)
{
	rf_run(w, 3000);
	cr_expect_eq(cf_records(w), 0);
	cr_expect_eq(w->group[0].stats.syn_rcvd, 0);
	cr_expect_eq(w->group[0].stats.open, 0);
	cr_expect_eq(w->group[0].fastopen.live, 0);
	cr_expect_eq(w->ext_pool.nfree, w->ext_pool.capacity);
	stack_check(w);
	stack_destroy(w);
}

Test(stack_fastopen, cookie_is_granted_and_opens_with_data)
{
	for (unsigned int way = 0; way < CF_WAYS; way++) {
		struct mr_worker *w = cf_worker(way);
		struct rf_path p = cf_path(way, 2000);
		struct tcp_seg syn = cf_syn(ALL_OPTIONS), ack;
		unsigned int first;

		ff_cookie(w, &p, &syn);
		p.peer.port = 2001;
		ff_reset(way);
		first = rf_nseen;
		ff_syn_with(w, &p, &syn, "hello");
		/* before any ACK of ours: accepted, delivered, answered */
		cr_expect(ff_accepted == 1 && ff_nclosed == 0);
		cr_expect(rf_ntext == 5 && memcmp(rf_text, "hello", 5) == 0);
		cr_assert_eq(rf_nseen, first + 2);
		cr_expect_eq(rf_seen[first].seg.flags, SYN_ACK);
		cr_expect_eq(rf_seen[first].seg.ack, syn.seq + 6);
		cr_expect_eq(rf_seen[first].seg.opts, ALL_OPTIONS, "no new cookie is due");
		cr_expect_eq(rf_seen[first + 1].seg.len, 6, "its answer");
		cr_expect_eq(rf_seen[first + 1].seg.seq, rf_seen[first].seg.seq + 1);
		cr_expect_str_eq(cf_info_of(w, &p).state, "SYN_RCVD");
		cr_expect(cf_info_of(w, &p).syn_data);
		cr_expect_eq(w->group[0].fastopen.live, 1);
		ack = cf_ack_of(&rf_seen[first + 1]);
		ack.ack += 5;
		rf_segment(w, &p, &ack, NULL);
		cr_expect_str_eq(cf_info_of(w, &p).state, "ESTABLISHED");
		cr_expect_eq(ff_accepted, 1, "once");
		cr_expect_eq(w->group[0].stats.syn_rcvd, 1, "who asked for the cookie");
		cr_expect_eq(w->group[0].fastopen.live, 0);
		cr_expect_eq(cf_counted(w, MR_C_TFO_OPENED), 1);
		cr_expect_eq(cf_counted(w, MR_C_TFO_COOKIE_SENT), 1);
		stack_check(w);
		stack_destroy(w);
	}
}

/* Where it is off the option must not buy a SYN the longer way. */
Test(stack_fastopen, switched_off_a_syn_with_the_option_is_plain)
{
	for (unsigned int way = 0; way < 2; way++) {
		struct tcp_seg syn = cf_syn(ALL_OPTIONS | TCP_OPT_FASTOPEN);
		struct rf_path p = cf_path(way, 2000);
		struct mr_worker *w;

		cf_cfg.tcp.fastopen = 0;
		w = cf_worker(way);
		rf_segment(w, &p, &syn, NULL);
		cr_expect_eq(rf_last(SYN_ACK)->seg.opts, ALL_OPTIONS);
		cr_expect_eq(cf_counted(w, MR_C_RX_FAST), 1);
		stack_destroy(w);
	}
}

/* Damaged, of another client, for another address of ours, of another length. */
Test(stack_fastopen, wrong_cookie_is_an_open_as_any_other_and_a_new_cookie)
{
	for (unsigned int i = 0; i < 4 * CF_WAYS; i++) {
		const unsigned int way = i % CF_WAYS, wrong = i / CF_WAYS;
		struct mr_worker *w = cf_worker(way);
		struct rf_path p = cf_path(way, 2000);
		struct tcp_seg syn = cf_syn(ALL_OPTIONS), ack;

		ff_cookie(w, &p, &syn);
		ff_reset(way);
		p.peer.port = 2001;
		if (wrong == 0)
			syn.cookie[3] ^= 1;
		else if (wrong == 1)
			p.peer.addr[(way & 1) ? 15 : 3]++;
		else if (wrong == 2)
			p.us.addr[(way & 1) ? 15 : 3]++;
		else
			syn.cookie_len = 6;
		ff_syn_with(w, &p, &syn, "hello");
		cr_expect_eq(ff_accepted + rf_ntext, 0);
		ack = rf_last(SYN_ACK)->seg;
		cr_expect_eq(ack.ack, syn.seq + 1, "its data comes again");
		cr_expect(ack.opts & TCP_OPT_FASTOPEN);
		cr_expect_eq(ack.cookie_len, TFO_COOKIE_LEN);
		cr_expect_eq(cf_counted(w, MR_C_TFO_COOKIE_BAD), 1);
		ack = cf_ack_of(rf_last(SYN_ACK));
		ack.len = 5;
		rf_segment(w, &p, &ack, "hello");
		cr_expect_eq(ff_accepted, 1);
		cr_expect(rf_ntext == 5 && memcmp(rf_text, "hello", 5) == 0);
		stack_destroy(w);
	}
}

Test(stack_fastopen, off_unless_it_is_switched_on)
{
	static const struct { uint8_t fastopen; uint16_t pending; } rows[] = {
		{0, 256}, {TCP_FASTOPEN_CLIENT, 256}, {TCP_FASTOPEN_SERVER, 0},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows) * CF_WAYS; i++) {
		struct tcp_seg syn = cf_syn(ALL_OPTIONS | TCP_OPT_FASTOPEN);
		struct rf_path p = cf_path(i % CF_WAYS, 2000);
		struct mr_worker *w;

		cf_cfg.tcp.fastopen = rows[i / CF_WAYS].fastopen;
		cf_cfg.tcp.fastopen_pending = rows[i / CF_WAYS].pending;
		w = cf_worker(i % CF_WAYS);
		cr_expect_eq(cf_syn_ack_to(w, &p, &syn).opts, ALL_OPTIONS);
		stack_destroy(w);
	}
}

/* The client on that port acknowledges, or resets, what its SYN with "hello" has got. */
static void settle(struct mr_worker *w, struct rf_path *p, const struct tcp_seg *syn,
		   unsigned int flags)
{
	struct tcp_seg seg = {.seq = syn->seq + 6, .flags = (uint8_t)flags, .wnd = 500,
			      .opts = TCP_OPT_TS, .tsval = 78};

	if (flags & TCP_ACK)
		seg.ack = cf_info_of(w, p).snd_nxt;
	rf_segment(w, p, &seg, NULL);
}

static void hello_from(struct mr_worker *w, struct rf_path *p, const struct tcp_seg *syn,
		       uint16_t port)
{
	p->peer.port = port;
	rf_nseen = 0;
	ff_syn_with(w, p, syn, "hello");
	cr_expect_eq(rf_seen[0].seg.opts, ALL_OPTIONS);
}

/* RFC 7413 5.1: so many, then none; a handshake makes room, a RST not for a while. */
static void limit(unsigned int way)
{
	struct rf_path p = cf_path(way, 2000);
	struct tcp_seg syn = cf_syn(ALL_OPTIONS);
	struct mr_worker *w = cf_worker(way);

	ff_cookie(w, &p, &syn);
	ff_reset(way);
	for (unsigned int i = 1; i <= 3; i++) {
		hello_from(w, &p, &syn, (uint16_t)(2000 + i));
		cr_expect_eq(rf_seen[0].seg.ack, syn.seq + (i == 3 ? 1 : 6));
	}
	cr_expect_eq(ff_accepted, 2);
	cr_expect_eq(cf_counted(w, MR_C_TFO_LIMIT), 1);
	p.peer.port = 2001;	/* completes its handshake: one more may come */
	settle(w, &p, &syn, TCP_ACK);
	cr_expect_eq(w->group[0].fastopen.live, 1);
	hello_from(w, &p, &syn, 2004);
	cr_expect_eq(ff_accepted, 3);
	settle(w, &p, &syn, TCP_RST);	/* none may */
	cr_expect(ff_nclosed == 1 && ff_why == MR_RESET_BY_PEER);
	cr_expect_eq(w->group[0].fastopen.live, 1);
	hello_from(w, &p, &syn, 2005);
	cr_expect_eq(ff_accepted, 3);
	cr_expect_eq(cf_counted(w, MR_C_TFO_LIMIT), 2);
	rf_run(w, 121000);	/* what else was pending has timed out */
	hello_from(w, &p, &syn, 2006);
	cr_expect_eq(ff_accepted, 4);
	stack_check(w);
	stack_destroy(w);
}

Test(stack_fastopen, pending_ones_are_limited)
{
	cf_web.backlog = 100;
	cf_cfg.tcp.fastopen_pending = 2;
	for (unsigned int way = 0; way < CF_WAYS; way++)
		limit(way);
}

/* No room for a record: a SYN cookie, and nothing of Fast Open. */
Test(stack_fastopen, under_pressure_there_is_none)
{
	for (unsigned int way = 0; way < CF_WAYS; way++) {
		struct mr_worker *w = cf_worker(way);
		struct rf_path p = cf_path(way, 2000);
		struct tcp_seg syn = cf_syn(ALL_OPTIONS), ack;

		ff_cookie(w, &p, &syn);
		cf_flood(w, way, BACKLOG);
		ff_reset(way);
		p.peer.port = 2001;
		ff_syn_with(w, &p, &syn, "hello");
		cr_expect_eq(ff_accepted + rf_ntext, 0);
		ack = rf_last(SYN_ACK)->seg;
		cr_expect_eq(ack.ack, syn.seq + 1);
		cr_expect_eq(ack.opts, ALL_OPTIONS);
		cr_expect_geq(cf_counted(w, MR_C_SYN_COOKIE_SENT), 1);
		ack = cf_ack_of(rf_last(SYN_ACK));
		ack.len = 5;
		rf_segment(w, &p, &ack, "hello");
		cr_expect_eq(ff_accepted, 1);
		cr_expect_eq(rf_ntext, 5);
		cr_expect_eq(w->group[0].fastopen.live, 0);
		stack_check(w);
		stack_destroy(w);
	}
}

Test(stack_fastopen, without_extensions_the_data_comes_again)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS);
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w = cf_worker(0);
	uint32_t nfree;

	ff_cookie(w, &p, &syn);
	ff_reset(0);
	p.peer.port = 2001;
	nfree = w->ext_pool.nfree;
	w->ext_pool.nfree = 0;
	ff_syn_with(w, &p, &syn, "hello");
	w->ext_pool.nfree = nfree;
	cr_expect_eq(ff_accepted, 0);
	cr_expect_eq(rf_last(SYN_ACK)->seg.ack, syn.seq + 1);
	cr_expect_eq(cf_counted(w, MR_C_TCP_NO_EXT), 1);
	cr_expect_eq(w->group[0].fastopen.live, 0);
	stack_destroy(w);
}

/* Clients of before RFC 7413 (Linux until 4.1) are answered in their kind. */
Test(stack_fastopen, experimental_option_is_answered_by_itself)
{
	for (unsigned int way = 0; way < CF_WAYS; way++) {
		struct mr_worker *w = cf_worker(way);
		struct rf_path p = cf_path(way, 2000);
		struct tcp_seg syn = cf_syn(ALL_OPTIONS);

		syn.cookie_exp = true;
		ff_cookie(w, &p, &syn);
		cr_expect(syn.cookie_exp);
		p.peer.port = 2001;
		ff_reset(way);
		ff_syn_with(w, &p, &syn, "hello");
		cr_expect_eq(ff_accepted, 1);
		stack_destroy(w);
	}
}

Test(stack_fastopen, cookie_of_the_old_key_opens_and_is_replaced)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS);
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w = cf_worker(0);
	uint8_t old[TFO_COOKIE_LEN];

	ff_cookie(w, &p, &syn);
	memcpy(old, syn.cookie, sizeof(old));
	stack_set_time(w, w->now_us + TFO_PERIOD_US);
	ff_reset(0);
	p.peer.port = 2001;
	rf_nseen = 0;
	ff_syn_with(w, &p, &syn, "hello");
	cr_expect_eq(ff_accepted, 1);
	cr_expect_eq(rf_seen[0].seg.ack, syn.seq + 6);
	cr_expect_eq(rf_seen[0].seg.cookie_len, TFO_COOKIE_LEN);
	cr_expect_neq(memcmp(rf_seen[0].seg.cookie, old, sizeof(old)), 0);
	stack_set_time(w, w->now_us + TFO_PERIOD_US);
	p.peer.port = 2002;
	ff_syn_with(w, &p, &syn, "hello");
	cr_expect_eq(ff_accepted, 1, "too old");
	stack_destroy(w);
}

/* The cookie that an earlier connection was granted, whose tuple is free again. */
static void cookie_of_before(struct mr_worker *w, const struct rf_path *p, struct tcp_seg *syn)
{
	struct tcp_seg rst;

	ff_cookie(w, p, syn);
	rst = (struct tcp_seg){.seq = syn->seq + 1, .flags = TCP_RST};
	rf_segment(w, p, &rst, NULL);
}

/* What handlers do inside the callbacks of the SYN. */
Test(stack_fastopen, handler_may_end_it_at_once)
{
	static const struct { enum ff_deed on_accept, on_data; enum mr_reason why; } rows[] = {
		{FF_ABORT, FF_NOTHING, MR_ABORTED}, {FF_CLOSE, FF_NOTHING, MR_DATA_AFTER_CLOSE},
		{FF_NOTHING, FF_ABORT, MR_ABORTED}, {FF_NOTHING, FF_KEEP_AND_CLOSE,
						     MR_DATA_AFTER_CLOSE},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows) * CF_WAYS; i++) {
		const unsigned int way = i % CF_WAYS;
		struct mr_worker *w = cf_worker(way);
		struct rf_path p = cf_path(way, 2000);
		struct tcp_seg syn = cf_syn(ALL_OPTIONS);

		cookie_of_before(w, &p, &syn);
		ff_reset(way);
		ff_on_accept = rows[i / CF_WAYS].on_accept;
		ff_on_data = rows[i / CF_WAYS].on_data;
		ff_syn_with(w, &p, &syn, "hello");
		cr_expect_eq(ff_accepted, 1);
		cr_expect_eq(ff_nclosed, 1, "row %u", i / CF_WAYS);
		cr_expect_eq(ff_why, rows[i / CF_WAYS].why, "row %u", i / CF_WAYS);
		cr_expect(rf_last(TCP_RST | TCP_ACK));
		expect_nothing_left(w);
	}
}

/* mr_connect inside on_data: the cookie that is being granted is not for its SYN. */
Test(stack_fastopen, handler_may_connect_meanwhile)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS);
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w = cf_worker(0);

	cookie_of_before(w, &p, &syn);
	stack_set_time(w, w->now_us + TFO_PERIOD_US);	/* a new cookie is due */
	ff_reset(0);
	ff_on_data = FF_CONNECT;
	ff_connect_to = p.peer;
	p.peer.port = 2001;
	rf_nseen = 0;
	ff_syn_with(w, &p, &syn, "hello");
	rf_run(w, 1);
	rf_neighbours_answer(w);
	rf_run(w, 1);
	cr_assert_geq(rf_nseen, 2);
	for (unsigned int i = 0; i < rf_nseen; i++) {
		const struct tcp_seg *s = &rf_seen[i].seg;

		if (s->flags & TCP_SYN)
			cr_expect_eq((s->opts & TCP_OPT_FASTOPEN) != 0, s->flags == SYN_ACK);
	}
	stack_destroy(w);
}

/* A documented property: the copy of a SYN whose connection is over is a new request. */
Test(stack_fastopen, copy_after_the_end_is_delivered_again)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS);
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w = cf_worker(0);
	struct tcp_seg rst;

	cookie_of_before(w, &p, &syn);
	ff_reset(0);
	ff_syn_with(w, &p, &syn, "hello");
	ff_syn_with(w, &p, &syn, "hello");
	cr_expect_eq(rf_ntext, 5, "not while it lives");
	rst = (struct tcp_seg){.seq = syn.seq + 6, .flags = TCP_RST};
	rf_segment(w, &p, &rst, NULL);
	cr_expect_eq(ff_nclosed, 1);
	ff_syn_with(w, &p, &syn, "hello");
	cr_expect_eq(rf_ntext, 10);
	rf_segment(w, &p, &rst, NULL);
	expect_nothing_left(w);
}

Test(stack_fastopen, nobody_answers)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS);
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w = cf_worker(0);

	ff_cookie(w, &p, &syn);
	ff_reset(0);
	p.peer.port = 2001;
	ff_syn_with(w, &p, &syn, "hello");
	rf_run(w, 70000);
	cr_expect_eq(ff_nclosed, 1);
	cr_expect_eq(ff_why, MR_TIMED_OUT);
	expect_nothing_left(w);
}

Test(stack_fastopen, drain_closes_them)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS), ack;
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w = cf_worker(0);

	ff_cookie(w, &p, &syn);
	ff_reset(0);
	p.peer.port = 2001;
	ff_syn_with(w, &p, &syn, "hello");
	ack = cf_ack_of(&rf_seen[rf_nseen - 1]);
	ack.ack += 5;
	stack_drain(w);
	cr_expect(stack_close_all(w, false, UINT32_MAX));
	rf_segment(w, &p, &ack, NULL);
	cr_expect(rf_last(TCP_FIN | TCP_ACK));
	stack_close_all(w, true, UINT32_MAX);
	expect_nothing_left(w);
}

Test(stack_fastopen, listeners_may_differ)
{
	struct stack_listener two[2] = {cf_web, cf_web};
	struct tcp_seg syn = cf_syn(ALL_OPTIONS | TCP_OPT_FASTOPEN);
	struct rf_path p = cf_path(0, 2000);
	struct mr_worker *w;

	two[0].port_last = 80;
	two[1].port_first = 81;
	two[1].options.set = 1u << MR_OPT_FASTOPEN;
	two[1].options.value[MR_OPT_FASTOPEN] = TCP_FASTOPEN_SERVER;
	cf_cfg.tcp.fastopen = 0;
	cf_cfg.listener = two;
	cf_cfg.nlisteners = 2;
	w = cf_worker(0);
	cr_expect_eq(cf_syn_ack_to(w, &p, &syn).opts, ALL_OPTIONS);
	p.us.port = 81;
	cr_expect_eq(cf_syn_ack_to(w, &p, &syn).opts, ALL_OPTIONS | TCP_OPT_FASTOPEN);
	stack_destroy(w);
}
