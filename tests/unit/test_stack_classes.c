/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each class of the pipeline takes its usual segment, over IPv4 and IPv6, with timestamps and
 * without: lives of connections of which no segment goes to the plain path.
 */
#include <criterion/criterion.h>
#include <string.h>

#include <rte_mbuf.h>

#include "rules_fixture.h"

/* The peer of one connection. */
struct other_end {
	struct mr_worker *w;
	struct rf_path on;
	struct tcp_seg seg;	/* its next: seq, ack, options */
};

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	mr_consumed(w, c, m->pkt_len);
	rte_pktmbuf_free(m);
	mr_send_copy(w, c, "reply", 5, 0);
}
static void close_it(struct mr_worker *w, mr_conn c) { mr_close(w, c); }
static const struct mr_callbacks callbacks = {.on_data = on_data, .on_peer_closed = close_it};
static const struct mr_callbacks closer = {.on_accept = close_it};
static const struct stack_listener listeners[] = {
	{.port_first = 80, .port_last = 80, .backlog = 10, .callbacks = &callbacks, .name = "web"},
	{.port_first = 81, .port_last = 81, .backlog = 10, .callbacks = &closer, .name = "closer"},
};

static uint64_t counter(const struct mr_worker *w, enum mr_counter c)
{
	struct stack_stats s;

	stack_stats(w, &s);
	return s.counters.v[c];
}

/* The last segment of ours is what the peer answers. */
static void hear(struct other_end *p)
{
	const struct rf_seen *s = &rf_seen[rf_nseen - 1];

	cr_assert_gt(rf_nseen, 0);
	p->seg.ack = s->seg.seq + tcp_seg_space(&s->seg);
	p->seg.tsecr = s->seg.tsval;
}

/* A segment of the peer that a class must take. */
static void say(struct other_end *p, unsigned int flags, const char *text)
{
	const uint64_t slow = counter(p->w, MR_C_RX_SLOW), fast = counter(p->w, MR_C_RX_FAST);

	p->seg.flags = (uint8_t)flags;
	p->seg.len = (uint16_t)strlen(text);
	p->seg.tsval++;
	rf_segment(p->w, &p->on, &p->seg, text);
	p->seg.seq += tcp_seg_space(&p->seg);
	cr_assert_eq(counter(p->w, MR_C_RX_SLOW), slow, "IPv%u, port %u, flags 0x%02x, \"%s\"",
		     p->on.us.family, p->on.peer.port, flags, text);
	cr_assert_eq(counter(p->w, MR_C_RX_FAST), fast + 1);
	hear(p);
}

static void say_syn(struct other_end *p, bool timestamps)
{
	const uint8_t opts = p->seg.opts;

	p->on.peer.port++;
	p->seg.seq = 7000;
	p->seg.ack = 0;
	p->seg.wnd = 60000;
	p->seg.mss = 1460;
	p->seg.opts = timestamps ? TCP_OPT_MSS | TCP_OPT_TS : TCP_OPT_MSS;
	say(p, TCP_SYN, "");
	p->seg.opts = opts;
	rf_last(TCP_SYN | TCP_ACK);
}

/* Connections of each way to their ends, without data. */
static void live(struct other_end *p, bool timestamps)
{
	p->seg.opts = timestamps ? TCP_OPT_TS : 0;
	p->on.us.port = 80;
	say_syn(p, timestamps);
	say(p, TCP_ACK, "");			/* PIPE_OPENED */
	say(p, TCP_ACK | TCP_FIN, "");		/* PIPE_FIN */
	rf_last(TCP_ACK | TCP_FIN);
	say(p, TCP_ACK, "");			/* PIPE_LAST_ACK */

	say_syn(p, timestamps);
	say(p, TCP_ACK | TCP_FIN, "");		/* PIPE_OPENED_FIN */
	rf_last(TCP_ACK | TCP_FIN);
	say(p, TCP_ACK, "");

	p->on.us.port = 81;
	say_syn(p, timestamps);
	say(p, TCP_ACK, "");
	rf_last(TCP_ACK | TCP_FIN);
	say(p, TCP_ACK, "");			/* PIPE_FIN_ACKED: in FIN_WAIT_1 */
	say(p, TCP_ACK | TCP_FIN, "");		/* in FIN_WAIT_2 */

	say_syn(p, timestamps);
	say(p, TCP_ACK, "");
	say(p, TCP_ACK | TCP_FIN, "");		/* in FIN_WAIT_1 */
}

/* Data, and an ACK of ours; what has an extension ends on the plain path. */
static void talk(struct other_end *p)
{
	p->seg.opts = TCP_OPT_TS;
	p->on.us.port = 80;
	say_syn(p, true);
	say(p, TCP_ACK, "");
	say(p, TCP_ACK | TCP_PSH, "data");	/* PIPE_DATA */
	rf_last(TCP_ACK | TCP_PSH);
	say(p, TCP_ACK, "");			/* PIPE_DATA: no data */
}

static struct mr_worker *worker(void)
{
	struct stack_config cfg;

	rf_configure(&cfg);
	cfg.listener = listeners;
	cfg.nlisteners = MR_ARRAY_LEN(listeners);
	return rf_worker(&cfg, 1000000);
}

/* The station of an address is known by its frames: one is the first. */
static void first_frame(struct other_end *p)
{
	const struct tcp_seg syn = {.flags = TCP_SYN, .seq = 1, .wnd = 1000};

	rf_segment(p->w, &p->on, &syn, "");
}

TestSuite(stack_classes, .init = rf_start, .fini = rf_stop);

static void passive(const struct rf_path *on)
{
	struct other_end p = {.w = worker(), .on = *on, .seg = {.tsval = 100}};

	first_frame(&p);
	live(&p, true);
	live(&p, false);
	talk(&p);
	stack_check(p.w);
	stack_destroy(p.w);
}

Test(stack_classes, lives_over_ip4)
{
	passive(&(struct rf_path){.peer = RF_IP4(10, 77, 0, 9, 5000),
				  .us = RF_IP4(10, 77, 0, 2, 80), .vlan = WIRE_NO_VLAN});
}

Test(stack_classes, lives_over_ip6)
{
	passive(&(struct rf_path){.peer = RF_IP6(9, 5000), .us = RF_IP6(2, 80),
				  .vlan = WIRE_NO_VLAN});
}

static void advertise(struct mr_worker *w, const struct mr_endpoint *peer,
		      const struct mr_endpoint *us)
{
	static const uint8_t peer_mac[6] = {2, 0, 0, 0, 1, 1};
	const struct wire_nd_link link = {peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN};
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->ctl_pool);

	cr_assert_not_null(m);
	wire_build_na(m, &link, peer->addr, w->port[0].mac, us->addr);
	stack_rx(w, 0, &m, 1);
	stack_flush(w);
}

/* Our SYN has left: the peer's SYN-ACK is PIPE_SYNACK, and data comes as ever. */
static void active(const struct mr_endpoint *remote)
{
	struct other_end p = {.w = worker(), .seg = {.seq = 7000, .wnd = 60000, .mss = 1460}};
	struct mr_tcp_info info;

	rf_open(p.w, &(struct mr_endpoint){0}, remote, &info);
	rf_run(p.w, 1);
	rf_neighbours_answer(p.w);
	if (remote->family == 6)
		advertise(p.w, remote, &info.local);
	rf_run(p.w, 1);
	p.on = rf_back(rf_last(TCP_SYN));
	hear(&p);
	p.seg.opts = TCP_OPT_MSS | TCP_OPT_TS;
	say(&p, TCP_SYN | TCP_ACK, "");
	p.seg.opts = TCP_OPT_TS;
	say(&p, TCP_ACK | TCP_PSH, "data");
	cr_assert_eq(rf_ntext, 4);
	stack_check(p.w);
	stack_destroy(p.w);
}

Test(stack_classes, active_opens)
{
	active(&(struct mr_endpoint)RF_IP4(10, 77, 0, 9, 5000));
	active(&(struct mr_endpoint)RF_IP6(9, 5000));
}

/* ---- several segments of one connection in a burst ---- */

#define BURST 8u

static struct other_end opened(const struct stack_listener *l, uint32_t n)
{
	const struct rf_path on = {.peer = RF_IP4(10, 77, 0, 9, 5000),
				   .us = RF_IP4(10, 77, 0, 2, 80), .vlan = WIRE_NO_VLAN};
	struct other_end p = {.on = on};
	struct stack_config cfg;

	rf_configure(&cfg);
	cfg.listener = l;
	cfg.nlisteners = n;
	p.w = rf_worker(&cfg, 1000000);
	first_frame(&p);
	say_syn(&p, false);
	say(&p, TCP_ACK, "");
	return p;
}

/* Eight segments of two octets, as p would send them. */
static void draw_burst(const struct other_end *p, struct tcp_seg *seg)
{
	for (uint32_t i = 0; i < BURST; i++) {
		seg[i] = p->seg;
		seg[i].flags = TCP_ACK;
		seg[i].len = 2;
		seg[i].seq += 2 * i;
	}
}

/* A SACK block that nobody agreed on: the class leaves the segment to the plain path. */
static void odd_option(struct tcp_seg *seg)
{
	seg->opts = TCP_OPT_SACK;
	seg->nsack = 1;
	seg->sack[0] = (struct seq_range){seg->ack, seg->ack + 1};
}

static const struct stack_listener reader = {.port_first = 80, .port_last = 80, .backlog = 10,
					     .callbacks = &rf_callbacks, .name = "reader"};

Test(stack_classes, bulk_data_of_one_connection_stays_in_its_class)
{
	struct other_end p = opened(&reader, 1);
	const uint64_t slow = counter(p.w, MR_C_RX_SLOW), fast = counter(p.w, MR_C_RX_FAST);
	struct tcp_seg seg[BURST];

	draw_burst(&p, seg);
	rf_segments(p.w, &p.on, seg, "abcdefghijklmnop", BURST);
	cr_assert_eq(rf_ntext, 16);
	cr_assert_arr_eq(rf_text, "abcdefghijklmnop", 16);
	cr_assert_eq(counter(p.w, MR_C_RX_FAST), fast + BURST);
	cr_assert_eq(counter(p.w, MR_C_RX_SLOW), slow);
	stack_check(p.w);
	stack_destroy(p.w);
}

/* What follows a segment that the class refuses waits for it: nothing is out of order. */
Test(stack_classes, data_waits_for_what_the_class_refuses)
{
	struct other_end p = opened(&reader, 1);
	const uint64_t slow = counter(p.w, MR_C_RX_SLOW), fast = counter(p.w, MR_C_RX_FAST);
	struct tcp_seg seg[BURST];

	draw_burst(&p, seg);
	odd_option(&seg[3]);
	rf_segments(p.w, &p.on, seg, "abcdefghijklmnop", BURST);
	cr_assert_eq(rf_ntext, 16);
	cr_assert_arr_eq(rf_text, "abcdefghijklmnop", 16);
	cr_assert_eq(counter(p.w, MR_C_TCP_OOO_QUEUED), 0);
	cr_assert_eq(counter(p.w, MR_C_RX_FAST), fast + 3);
	cr_assert_eq(counter(p.w, MR_C_RX_SLOW), slow + 5);
	stack_check(p.w);
	stack_destroy(p.w);
}

/* ACKs too: the second one would make the first one old. */
Test(stack_classes, acks_wait_for_what_the_class_refuses)
{
	struct other_end p = opened(listeners, 1);
	struct tcp_seg seg[2];
	uint64_t slow, fast;

	say(&p, TCP_ACK | TCP_PSH, "data");
	slow = counter(p.w, MR_C_RX_SLOW);
	fast = counter(p.w, MR_C_RX_FAST);
	seg[0] = seg[1] = p.seg;
	seg[0].flags = seg[1].flags = TCP_ACK;
	seg[0].len = seg[1].len = 0;
	seg[0].ack -= 3;	/* two of the five octets of "reply" */
	odd_option(&seg[0]);
	rf_segments(p.w, &p.on, seg, "", 2);
	cr_assert_eq(counter(p.w, MR_C_RX_SLOW), slow + 2);
	cr_assert_eq(counter(p.w, MR_C_RX_FAST), fast);
	stack_check(p.w);
	stack_destroy(p.w);
}

/* The same with a FIN in front: it is of another class, which runs after that of data. */
Test(stack_classes, data_does_not_overtake_a_fin)
{
	struct other_end p = opened(&reader, 1);
	struct tcp_seg seg[3];

	for (uint32_t i = 0; i < 3; i++) {
		seg[i] = p.seg;
		seg[i].flags = TCP_ACK;
	}
	seg[0].flags |= TCP_FIN;
	seg[1].len = 2;		/* beyond the end, which is known by then */
	seg[2].len = 2;
	rf_segments(p.w, &p.on, seg, "abcd", 3);
	cr_assert_eq(rf_ntext, 0);
	cr_assert_eq(counter(p.w, MR_C_TCP_RX_DATA), 0);
	stack_check(p.w);
	stack_destroy(p.w);
}
