/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sample of the matrix of tests/tcp on whole frames: a worker, connections of both families in
 * all eleven states, and a segment that comes in, with and without the fast path. What is expected
 * says tests/tcp/rfc9293.c, from the text of the RFC; what is seen are the frames that leave and
 * the callbacks. CLOSED, LISTEN and TIME-WAIT, which are not one connection's, are at home here.
 * SYN-SENT is met over IPv4 only: no neighbour of this fixture answers over IPv6.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_mbuf.h>

#include "../tcp/rfc9293.h"
#include "rules_fixture.h"

TestSuite(stack_matrix, .init = rf_start, .fini = rf_stop, .timeout = 120);

#define PEER_ISS	0xfffffff0u
#define NO_LISTENER	99u

static const char text[] = "abcdefgh";

/* What the handler heard of the connection of a cell. */
static struct {
	unsigned int opened, peer_closed, closed, octets;
	enum mr_reason why;
	mr_conn c;
	char text[16];
} heard;

static void on_open(struct mr_worker *w, mr_conn c)
{
	(void)w;
	heard.opened++;
	heard.c = c;
}
static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	uint8_t copy[16];

	cr_assert_leq(heard.octets + m->pkt_len, sizeof(heard.text));
	memcpy(heard.text + heard.octets, rte_pktmbuf_read(m, 0, m->pkt_len, copy), m->pkt_len);
	heard.octets += m->pkt_len;
	mr_consumed(w, c, m->pkt_len);
	rte_pktmbuf_free(m);
}
static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	(void)w;
	(void)c;
	heard.peer_closed++;
}
static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason why)
{
	(void)w;
	(void)c;
	heard.closed++;
	heard.why = why;
}
static const struct mr_callbacks callbacks = {
	.on_accept = on_open, .on_connected = on_open, .on_data = on_data,
	.on_peer_closed = on_peer_closed, .on_closed = on_closed,
};

/* ---- a connection, seen from the peer ---- */

static struct side {
	struct mr_worker *w;
	struct rf_path path;
	struct rfc_tcb t;	/* of the worker's end */
	unsigned int cells;
} s;

static void peer_says(unsigned int ctl, uint32_t seq, uint32_t ack, uint16_t len)
{
	const struct tcp_seg seg = {.seq = seq, .ack = ack, .flags = (uint8_t)ctl, .wnd = 65535,
				    .len = len};

	rf_nseen = 0;
	rf_segment(s.w, &s.path, &seg, text);
}
static void flush(void)		/* what was called outside of a callback takes effect */
{
	rf_nseen = 0;
	stack_turn(s.w);
	stack_flush(s.w);
}

static void half_open(void)
{
	peer_says(TCP_SYN, PEER_ISS, 0, 0);
	s.t.iss = s.t.snd_una = rf_last(TCP_SYN | TCP_ACK)->seg.seq;
	s.t.snd_nxt = s.t.iss + 1;
	s.t.rcv_nxt = PEER_ISS + 1;
	s.t.rcv_wnd = rf_seen[0].seg.wnd;
}
static void established(void)
{
	half_open();
	peer_says(TCP_ACK, s.t.rcv_nxt, s.t.snd_nxt, 0);
	cr_assert_eq(heard.opened, 1);
	s.t.snd_una = s.t.snd_nxt;
}
static void shut(void)
{
	cr_assert_eq(mr_shutdown(s.w, heard.c), MR_OK);
	flush();
	cr_assert(rf_last(TCP_FIN | TCP_ACK)->seg.seq == s.t.snd_nxt);
	s.t.snd_nxt++;
}
static void peer_fin(uint32_t ack)
{
	peer_says(TCP_FIN | TCP_ACK, s.t.rcv_nxt, ack, 0);
	s.t.rcv_nxt++;
	s.t.rcv_wnd--;
	s.t.snd_una = ack;
}

static void syn_sent(void)
{
	const struct mr_connect_opts o = {.remote = s.path.peer, .callbacks = &callbacks};

	rf_nseen = 0;
	cr_assert_eq(mr_connect(s.w, &o, &heard.c), MR_OK);
	flush();
	if (rf_nseen == 0)
		rf_neighbours_answer(s.w);
	cr_assert_eq(rf_nseen, 1);
	s.path = rf_back(&rf_seen[0]);
	s.t.iss = s.t.snd_una = rf_last(TCP_SYN)->seg.seq;
	s.t.snd_nxt = s.t.iss + 1;
}

static void make(enum rfc_state state)
{
	if (state == RFC_SYN_SENT)
		syn_sent();
	else if (state == RFC_SYN_RECEIVED)
		half_open();
	else if (state >= RFC_ESTABLISHED)
		established();
	if (state == RFC_CLOSE_WAIT || state == RFC_LAST_ACK)
		peer_fin(s.t.snd_nxt);
	if (state == RFC_FIN_WAIT_1 || state == RFC_FIN_WAIT_2 || state == RFC_CLOSING ||
	    state == RFC_LAST_ACK || state == RFC_TIME_WAIT)
		shut();
	if (state == RFC_FIN_WAIT_2) {
		peer_says(TCP_ACK, s.t.rcv_nxt, s.t.snd_nxt, 0);
		s.t.snd_una = s.t.snd_nxt;
	}
	if (state == RFC_CLOSING)
		peer_fin(s.t.snd_una);
	if (state == RFC_TIME_WAIT) {
		peer_fin(s.t.snd_nxt);
		s.t.rcv_wnd = 0;
		s.t.max_snd_wnd = 65535u << 14;
	}
}

static void begin(enum rfc_state state)
{
	static const struct mr_endpoint us[] = {RF_IP4(10, 77, 0, 2, 80), RF_IP6(2, 80)};
	static const struct mr_endpoint peer[] = {RF_IP4(10, 77, 0, 9, 0), RF_IP6(9, 0)};
	static uint32_t next;
	bool v6 = s.path.us.family == 6;

	s.path = (struct rf_path){.peer = peer[v6], .us = us[v6], .vlan = WIRE_NO_VLAN};
	s.path.peer.port = (uint16_t)(1024 + next++ % 60000);
	if (state == RFC_CLOSED)
		s.path.us.port = NO_LISTENER;
	memset(&heard, 0, sizeof(heard));
	s.t = (struct rfc_tcb){.state = state, .passive = true, .rcv_buf = 65535,
			       .snd_wnd = 65535, .max_snd_wnd = 65535};
	make(state);
	s.t.snd_wl1 = s.t.last_ack_sent = s.t.rcv_nxt;
	s.t.snd_wl2 = s.t.snd_una;
	heard.opened = heard.peer_closed = heard.closed = heard.octets = 0;
}

/* Whatever it is now, it ends: the next cell has another port, and records are few. */
static void end(uint32_t rcv_nxt)
{
	(void)mr_abort(s.w, heard.c);
	flush();
	peer_says(TCP_RST, rcv_nxt, 0, 0);	/* a half-open one, of which nobody was told */
	rf_run(s.w, 1);		/* what is owed to the handler */
}

/* ---- the outcome ---- */

static const struct rfc_result *expected;
static const char *describe(const struct rfc_segment *seg)
{
	static char line[160];

	snprintf(line, sizeof(line), "IPv%u, state %u, ctl %02x seq %d ack %d len %u: %s",
		 s.path.us.family, s.t.state, seg->ctl, (int)(seg->seq - s.t.rcv_nxt),
		 (int)(seg->ack - s.t.snd_nxt), seg->len, expected->why);
	return line;
}

static void check_frames(const struct rfc_segment *seg, const struct rfc_result *x)
{
	bool opens = (x->events & RFC_NEW) != 0;	/* the ISS is ours to choose */

	cr_assert_eq(rf_nseen, x->reply || x->ack_may_wait || opens, "%u frames, %s", rf_nseen,
		     describe(seg));
	if (rf_nseen == 0)
		return;
	if (opens) {
		rf_last(TCP_SYN | TCP_ACK);
		cr_assert_eq(rf_seen[0].seg.ack, seg->seq + 1, "%s", describe(seg));
		if (s.t.state == RFC_TIME_WAIT)		/* MAY-2: above the old one */
			cr_assert(rfc_lt(s.t.snd_nxt, rf_seen[0].seg.seq), "%s", describe(seg));
		return;
	}
	if (x->ack_may_wait) {		/* the worker of this test delays none */
		cr_assert(rf_last(TCP_ACK)->seg.ack == x->tcb.rcv_nxt, "%s", describe(seg));
		return;
	}
	cr_assert(rf_seen[0].seg.flags == x->ctl && rf_seen[0].seg.seq == x->seq &&
		  rf_seen[0].seg.ack == x->ack, "sent %02x, %s", rf_seen[0].seg.flags,
		  describe(seg));
}

static enum mr_reason reason(const struct rfc_result *x)
{
	if (x->events & RFC_REFUSED)
		return MR_REFUSED;
	return x->events & RFC_RESET ? MR_RESET_BY_PEER : MR_CLOSED;
}

static void check_callbacks(const struct rfc_segment *seg, const struct rfc_result *x)
{
	bool told = s.t.state != RFC_TIME_WAIT && s.t.state != RFC_LISTEN;
	bool ends = told && ((x->events & (RFC_DELETED | RFC_2MSL)) != 0) &&
		    (x->events & RFC_RELISTEN) == 0;

	cr_assert_eq(heard.opened, (x->events & RFC_CONNECTED) != 0, "%s", describe(seg));
	cr_assert_eq(heard.peer_closed, (x->events & RFC_PEER_CLOSING) != 0, "%s", describe(seg));
	cr_assert_eq(heard.closed, ends, "closed %u (%s), %s", heard.closed,
		     mr_reason_text(heard.why), describe(seg));
	if (ends)
		cr_assert_eq(heard.why, reason(x), "%s", describe(seg));
	cr_assert_eq(heard.octets, x->text_len, "%s", describe(seg));
	if (x->text_len != 0)
		cr_assert(memcmp(heard.text, text + (x->text_seq - seg->seq -
						     ((seg->ctl & CTL_SYN) != 0)),
				 x->text_len) == 0, "%s", describe(seg));
}

static void cell(enum rfc_state state, unsigned int ctl, unsigned int place, unsigned int ack,
		 uint16_t len)
{
	struct rfc_segment seg = {.wnd = 65535, .ctl = (uint8_t)ctl, .len = len};
	struct rfc_result x;
	const uint32_t places[] = {~0u, 0, 100, s.t.rcv_wnd, 0x10000};

	begin(state);
	seg.seq = s.t.rcv_nxt + (place == 3 ? s.t.rcv_wnd : places[place]);
	if (ctl & CTL_ACK)
		seg.ack = s.t.snd_nxt + ack - 1;
	rfc_segment_arrives(&s.t, &seg, &x);
	rfc_ours(&s.t, &seg, true, &x);
	expected = &x;
	peer_says(ctl, seg.seq, seg.ack, len);
	check_frames(&seg, &x);
	check_callbacks(&seg, &x);
	end(x.events & RFC_NEW ? seg.seq + 1 : x.tcb.rcv_nxt);
	s.cells++;
}

/* ---- which cells ---- */

static void cells_of(enum rfc_state state)
{
	static const uint8_t also[] = {0, CTL_PSH | CTL_URG, CTL_ECE | CTL_CWR, 0xe8};

	for (unsigned int bits = 0; bits < 32; bits++) {
		unsigned int ctl = (bits & 7) | (bits & 8 ? CTL_ACK : 0) |
				   (bits & 16 ? also[bits & 3] : 0);

		for (unsigned int place = 0; place < 5; place++)
			for (unsigned int ack = 0; ack < (ctl & CTL_ACK ? 3u : 1u); ack++) {
				cell(state, ctl, place, ack, 0);
				cell(state, ctl, place, ack, 4);
			}
	}
}

static struct mr_worker *worker(bool fast)
{
	struct stack_config cfg;

	rf_configure(&cfg);
	rf_handlers(&cfg, &callbacks);
	cfg.fast_path = fast;
	cfg.rst_per_s = 0;
	cfg.tcp.challenge_per_s = 1u << 30;
	cfg.tcp.delack_ms = 0;
	cfg.tcp.timestamps = false;
	cfg.tcp.ecn = TCP_ECN_OFF;	/* the oracle is RFC 9293 alone: tcp_ecn has the rest */
	return rf_worker(&cfg, 500000);
}

static void all(bool fast, struct mr_counters *counters)
{
	s.w = worker(fast);
	s.cells = 0;
	for (uint8_t family = 4; family <= 6; family = (uint8_t)(family + 2)) {
		s.path.us.family = family;
		for (enum rfc_state state = RFC_CLOSED; state < RFC_STATES; state++)
			if (family == 4 || state != RFC_SYN_SENT)
				cells_of(state);
		stack_check(s.w);
	}
	*counters = s.w->counters;
	stack_destroy(s.w);
}

Test(stack_matrix, frames_of_both_families)
{
	static struct mr_counters counters[2];

	for (unsigned int fast = 0; fast < 2; fast++)
		all(fast != 0, &counters[fast]);
	for (unsigned int i = 0; i < MR_C_COUNT; i++)
		if (i != MR_C_RX_FAST && i != MR_C_RX_SLOW)
			cr_expect_eq(counters[0].v[i], counters[1].v[i], "%s",
				     mr_counter_info[i].name);
	cr_expect_gt(counters[1].v[MR_C_RX_FAST], 10000);
	printf("stack_matrix: %u cells, each with and without the fast path\n", s.cells);
}
