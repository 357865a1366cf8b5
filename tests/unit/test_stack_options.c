/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options through the whole worker: what they do to frames, who has which (engine, listener,
 * connection), empty pools; parameters that change and listeners that come and go at run time.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_mbuf.h>

#include "rules_fixture.h"

static struct stack_config cfg;
static struct stack_listener listener;
static struct mr_worker *w;
static mr_conn last_conn;
static unsigned int accepted_n, urgent_n, urgent_octets, closed_n;
static enum mr_reason closed_why;

static void on_accept(struct mr_worker *worker, mr_conn c)
{
	(void)worker;
	last_conn = c;
	accepted_n++;
}
static void on_data(struct mr_worker *worker, mr_conn c, struct rte_mbuf *m)
{
	mr_consumed(worker, c, m->pkt_len);
	rte_pktmbuf_free(m);
}
static void on_urgent(struct mr_worker *worker, mr_conn c)
{
	urgent_n++;
	urgent_octets = mr_urgent(worker, c);
}
static void on_closed(struct mr_worker *worker, mr_conn c, enum mr_reason why)
{
	(void)worker;
	(void)c;
	closed_n++;
	closed_why = why;
}
static const struct mr_callbacks callbacks = {
	.on_accept = on_accept, .on_data = on_data, .on_urgent = on_urgent, .on_closed = on_closed,
};

static void begin(void)
{
	rf_start();
	rf_configure(&cfg);
	listener = *cfg.listener;
	listener.callbacks = &callbacks;
	cfg.listener = &listener;
	accepted_n = urgent_n = closed_n = 0;
}
static void end(void)
{
	stack_check(w);
	stack_destroy(w);
	rf_stop();
}
TestSuite(stack_options, .init = begin, .fini = end);

static struct rf_path path(uint16_t sport, uint16_t dport)
{
	return (struct rf_path){RF_IP4(10, 77, 0, 50, sport), RF_IP4(10, 77, 0, 2, dport), 0,
				WIRE_NO_VLAN};
}

/* SYN, ACK; the peer's next segment. */
static struct tcp_seg open_on(const struct rf_path *on)
{
	struct tcp_seg seg = {.seq = 1000, .flags = TCP_SYN, .wnd = 60000};

	rf_segment(w, on, &seg, NULL);
	seg = (struct tcp_seg){.seq = 1001, .ack = rf_last(TCP_SYN | TCP_ACK)->seg.seq + 1,
			       .flags = TCP_ACK, .wnd = 60000};
	rf_segment(w, on, &seg, NULL);
	return seg;
}

static void option(mr_conn c, enum mr_option o, uint32_t value)
{
	uint32_t now = 0;

	cr_assert_eq(mr_set_option(w, c, o, value), MR_OK);
	cr_assert_eq(mr_get_option(w, c, o, &now), MR_OK);
	cr_expect_eq(now, value, "option %u", o);
}

/* Of what was sent to a port of the peer (0: any). */
static void seen_of(uint16_t port, unsigned int hop_limit, unsigned int tos)
{
	cr_assert_gt(rf_nseen, 0);
	for (unsigned int i = 0; i < rf_nseen; i++) {
		if (port != 0 && rf_seen[i].dst.port != port)
			continue;
		cr_expect_eq(rf_seen[i].hop_limit, hop_limit, "segment %u, flags 0x%02x", i,
			     rf_seen[i].seg.flags);
		cr_expect_eq(rf_seen[i].tos, tos, "segment %u", i);
	}
	rf_nseen = 0;
}
static void all_seen_have(unsigned int hop_limit, unsigned int tos)
{
	seen_of(0, hop_limit, tos);
}

/* A life in which every kind of frame is sent: SYN-ACK, ACK in place, data, resend, FIN, RST. */
static void whole_life(uint16_t sport, unsigned int hop_limit, unsigned int tos)
{
	const struct rf_path on = path(sport, 80);
	struct tcp_seg seg = open_on(&on);
	static const char text[600];

	seg.len = 100;
	rf_segment(w, &on, &seg, text);
	rf_run(w, 60);		/* the delayed ACK */
	cr_assert_eq(mr_send_copy(w, last_conn, text, 500, 0), 500);
	rf_run(w, 2000);
	cr_assert_geq(rf_nseen, 4);
	seg.seq += 100;
	seg.len = 0;
	seg.flags = TCP_ACK | TCP_FIN;
	seg.ack += 500;
	rf_segment(w, &on, &seg, NULL);
	rf_last(TCP_ACK);
	all_seen_have(hop_limit, tos);
	mr_close(w, last_conn);
	rf_run(w, 2);
	rf_last(TCP_FIN | TCP_ACK);
	mr_abort(w, last_conn);
	rf_run(w, 1);
	all_seen_have(hop_limit, tos);
}

/* MUST-49, MUST-48: the engine's, in both ways through the stack, and to strangers. */
Test(stack_options, ttl_and_tos_of_the_engine)
{
	for (unsigned int fast = 0; fast < 2; fast++) {
		struct tcp_seg seg = {.seq = 1, .flags = TCP_SYN};
		const struct rf_path nobody = path(4000, 99);

		cfg.fast_path = fast != 0;
		cfg.tcp.hop_limit = 33;
		cfg.tcp.tos = 0x28;
		w = rf_worker(&cfg, 1000000);
		whole_life(4000, 33, 0x28);
		rf_segment(w, &nobody, &seg, NULL);
		all_seen_have(33, 0x28);
		if (fast == 0)
			stack_destroy(w);
	}
}

/* The listener's, in SYN-ACKs too; others are the engine's. */
Test(stack_options, ttl_and_tos_of_a_listener)
{
	for (unsigned int fast = 0; fast < 2; fast++) {
		cfg.fast_path = fast != 0;
		listener.options.set = 1u << MR_OPT_TTL | 1u << MR_OPT_TOS;
		listener.options.value[MR_OPT_TTL] = 7;
		listener.options.value[MR_OPT_TOS] = 0xb8;
		w = rf_worker(&cfg, 1000000);
		whole_life(4000, 7, 0xb8);
		cr_expect_eq(w->ext_pool.own.nfree, cfg.options, "no record of its own for that");
		if (fast == 0)
			stack_destroy(w);
	}
}

/* One connection's, while its sister keeps the default; over IPv6 as well. */
Test(stack_options, ttl_and_tos_of_one_connection)
{
	const struct rf_path on[2] = {
		{RF_IP6(0x50, 4000), RF_IP6(2, 80), 0, WIRE_NO_VLAN},
		{RF_IP6(0x50, 4001), RF_IP6(2, 80), 0, WIRE_NO_VLAN},
	};
	struct tcp_seg seg[2];
	static const char text[600];
	mr_conn c[2];

	w = rf_worker(&cfg, 1000000);
	for (unsigned int i = 0; i < 2; i++) {
		seg[i] = open_on(&on[i]);
		c[i] = last_conn;
	}
	all_seen_have(64, 0);
	option(c[0], MR_OPT_TTL, 5);
	option(c[0], MR_OPT_TOS, 0x10);
	for (unsigned int i = 0; i < 2; i++) {
		mr_send_copy(w, c[i], text, 300, 0);
		seg[i].len = 200;
		rf_segment(w, &on[i], &seg[i], text);
		rf_run(w, 1000);
		mr_shutdown(w, c[i]);
		rf_run(w, 1);
		cr_assert_geq(rf_nseen, 3);
		seen_of(on[i].peer.port, i == 0 ? 5 : 64, i == 0 ? 0x10 : 0);
	}
}

/* Pool empty: refused, counted, nothing changed; a place is free again when the other is gone. */
Test(stack_options, pool_empty)
{
	const struct rf_path on[2] = {path(4000, 80), path(4001, 80)};
	uint32_t value;
	mr_conn c[2];

	cfg.options = 1;
	w = rf_worker(&cfg, 1000000);
	for (unsigned int i = 0; i < 2; i++) {
		open_on(&on[i]);
		c[i] = last_conn;
	}
	option(c[0], MR_OPT_TTL, 9);
	option(c[0], MR_OPT_USER_TIMEOUT_MS, 9000);
	cr_expect_eq(mr_set_option(w, c[1], MR_OPT_TTL, 9), MR_NO_MEMORY);
	cr_expect_eq(w->counters.v[MR_C_CONN_NO_OPTIONS], 1);
	cr_expect_eq(mr_get_option(w, c[1], MR_OPT_TTL, &value), MR_OK);
	cr_expect_eq(value, 64);
	option(c[1], MR_OPT_NODELAY, 1);	/* needs none */
	cr_expect_eq(mr_set_option(w, c[0], MR_OPT_TTL, 0), MR_BAD_ARGUMENT);
	mr_abort(w, c[0]);
	rf_run(w, 1);
	cr_expect_eq(mr_set_option(w, c[0], MR_OPT_TTL, 1), MR_NO_SUCH_CONN);
	option(c[1], MR_OPT_TTL, 9);
}

/* Of an active open, in its SYN; and without a record to be had. */
Test(stack_options, of_an_active_open)
{
	struct mr_options opt = {.set = 1u << MR_OPT_TTL | 1u << MR_OPT_MSS_MAX};
	struct mr_connect_opts open = {.remote = RF_IP4(10, 77, 0, 9, 5000),
				       .callbacks = &callbacks, .options = &opt};
	struct mr_connect_result out[2];
	mr_conn c;

	cfg.options = 2;
	w = rf_worker(&cfg, 1000000);
	cr_assert_eq(rf_try_open(w, &(struct mr_endpoint){0}, &open.remote, &c), MR_OK);
	rf_run(w, 1);
	rf_neighbours_answer(w);
	rf_nseen = 0;
	opt.value[MR_OPT_TTL] = 3;
	opt.value[MR_OPT_MSS_MAX] = 800;
	mr_connect_burst(w, (const struct mr_connect_opts[]){open, open}, 2, out);
	cr_expect_eq(out[0].why, MR_OK);
	cr_expect_eq(out[1].why, MR_OK);
	cr_expect_eq(mr_connect(w, &open, &c), MR_NO_MEMORY);
	rf_run(w, 1);
	cr_assert_eq(rf_nseen, 2);
	cr_expect_eq(rf_seen[0].seg.mss, 800);
	all_seen_have(3, 0);
	opt.value[MR_OPT_TTL] = 0;
	cr_expect_eq(mr_connect(w, &open, &c), MR_BAD_ARGUMENT);
}

/* SO_LINGER: at once, or after a time in which nothing was acknowledged. */
Test(stack_options, linger)
{
	const struct rf_path on[2] = {path(4000, 80), path(4001, 80)};
	static const char text[100];

	w = rf_worker(&cfg, 1000000);
	open_on(&on[0]);
	option(last_conn, MR_OPT_LINGER_MS, 0);
	mr_send_copy(w, last_conn, text, sizeof(text), MR_SEND_MORE);
	mr_close(w, last_conn);
	rf_run(w, 1);
	rf_last(TCP_RST | TCP_ACK);
	cr_expect_eq(closed_why, MR_ABORTED);
	open_on(&on[1]);
	option(last_conn, MR_OPT_LINGER_MS, 1000);
	mr_send_copy(w, last_conn, text, sizeof(text), 0);
	mr_close(w, last_conn);
	cr_expect_eq(mr_set_timeout(w, last_conn, 5000), MR_WRONG_STATE);
	rf_run(w, 990);
	cr_expect_eq(closed_n, 1);
	rf_run(w, 100);
	cr_assert_eq(closed_n, 2);
	cr_expect_eq(closed_why, MR_TIMED_OUT);
	rf_last(TCP_RST | TCP_ACK);
}

/* What is acknowledged in time is a close as any other: FIN_WAIT_2 goes on. */
Test(stack_options, linger_ends_with_the_acknowledgment)
{
	const struct rf_path on = path(4000, 80);
	struct tcp_seg seg;

	w = rf_worker(&cfg, 1000000);
	seg = open_on(&on);
	option(last_conn, MR_OPT_LINGER_MS, 500);
	mr_close(w, last_conn);
	rf_run(w, 1);
	seg.ack++;
	rf_segment(w, &on, &seg, NULL);
	rf_run(w, 2000);
	cr_expect_eq(closed_n, 0);
	cr_expect_eq(w->cx.states[__builtin_ctz(TCP_FIN_WAIT_2)], 1);
}

/* MUST-32: the handler is told before it gets the octets. */
Test(stack_options, urgent_data_is_told)
{
	const struct rf_path on = path(4000, 80);
	struct tcp_seg seg;

	w = rf_worker(&cfg, 1000000);
	seg = open_on(&on);
	seg.flags = TCP_ACK | TCP_URG;
	seg.urg = 2;
	seg.len = 4;
	rf_segment(w, &on, &seg, "urge");
	cr_expect_eq(urgent_n, 1);
	cr_expect_eq(urgent_octets, 2);
	cr_expect_eq(mr_urgent(w, last_conn), 0, "consumed");
}

/* Other parameters: for what begins afterwards, and what a listener says for itself stays. */
Test(stack_options, parameters_change_at_run_time)
{
	const struct rf_path on[3] = {path(4000, 80), path(4001, 80), path(4002, 80)};
	struct tcp_params p;

	w = rf_worker(&cfg, 1000000);
	open_on(&on[0]);
	stack_get_params(w, &p);
	cr_expect_eq(p.rcv_buf, cfg.tcp.rcv_buf);
	p.rcv_buf = 30000;
	p.rcv_scale = 0;
	p.hop_limit = 11;
	cr_assert(stack_set_params(w, &p));
	rf_nseen = 0;
	open_on(&on[1]);
	cr_expect_eq(rf_seen[0].seg.wnd, 30000);
	all_seen_have(11, 0);
	cr_assert(stack_listener_option(w, 0, MR_OPT_RECEIVE_BUFFER, 5000));
	cr_expect_not(stack_listener_option(w, 0, MR_OPT_TTL, 0));
	p.hop_limit = 12;
	cr_assert(stack_set_params(w, &p));
	open_on(&on[2]);
	cr_expect_eq(rf_seen[0].seg.wnd, 5000);
	all_seen_have(12, 0);
	p.msl_ms = cfg.tcp.msl_ms + 1;
	cr_expect_not(stack_set_params(w, &p), "the wheel is not made for it");
}

/* Unless it was: then an entry lasts as long as it is told now. */
Test(stack_options, msl_can_be_raised_where_the_wheel_was_made_for_it)
{
	const struct rf_path on = path(4000, 80);
	struct timewait_stats stats;
	struct tcp_params p;
	struct tcp_seg seg;

	cfg.msl_max_ms = 200000;
	w = rf_worker(&cfg, 1000000);
	stack_get_params(w, &p);
	cr_expect_eq(p.msl_ms, cfg.tcp.msl_ms, "as configured");
	p.msl_ms = 200001;
	cr_expect_not(stack_set_params(w, &p));
	p.msl_ms = 200000;
	cr_assert(stack_set_params(w, &p));
	seg = open_on(&on);
	mr_close(w, last_conn);
	rf_run(w, 2);
	seg.flags = TCP_ACK | TCP_FIN;
	seg.ack++;
	rf_segment(w, &on, &seg, NULL);
	rf_last(TCP_ACK);
	rf_run(w, 399000);
	timewait_stats(w->flows[0].tw, &stats);
	cr_expect_eq(stats.live, 1);
	rf_run(w, 2000);
	timewait_stats(w->flows[0].tw, &stats);
	cr_expect_eq(stats.live, 0);
}

/* A listener's life; its connections outlive it, and its place is used again after them. */
Test(stack_options, listeners_come_and_go)
{
	const struct rf_path on = path(4000, 90), late = path(4001, 90);
	struct stack_listener l = {.port_first = 90, .port_last = 90, .backlog = 5,
				   .callbacks = &callbacks, .arg = &cfg, .name = "ninety"};
	struct tcp_seg seg = {.seq = 1, .flags = TCP_SYN, .wnd = 1000};
	uint16_t id, again;

	w = rf_worker(&cfg, 1000000);
	rf_segment(w, &on, &seg, NULL);
	rf_last(TCP_RST | TCP_ACK);
	cr_assert_eq(stack_listen(w, &l, &id), MR_OK);
	cr_expect_eq(stack_listen(w, &l, &again), MR_ADDRESS_IN_USE);
	open_on(&on);
	cr_expect_eq(accepted_n, 1);
	cr_expect_eq(mr_handler_arg(w, last_conn), &cfg);
	stack_unlisten(w, id);
	rf_segment(w, &late, &seg, NULL);
	rf_last(TCP_RST | TCP_ACK);
	cr_assert_eq(stack_listen(w, &l, &again), MR_OK);
	cr_expect_neq(again, id, "a connection has it still");
	stack_unlisten(w, again);
	cr_expect_eq(mr_send_copy(w, last_conn, "x", 1, 0), 1);
	mr_abort(w, last_conn);
	rf_run(w, 1);
	cr_expect_eq(closed_n, 1);
	l.options = (struct mr_options){.set = 1u << MR_OPT_TTL};
	cr_expect_eq(stack_listen(w, &l, &again), MR_BAD_ARGUMENT, "TTL 0");
	l.options.value[MR_OPT_TTL] = 2;
	cr_assert_eq(stack_listen(w, &l, &again), MR_OK);
	cr_expect_leq(again, id);
	stack_unlisten(w, again);
}
