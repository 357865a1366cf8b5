/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 7323 (PAWS), RFC 5961 (what strangers can do), RFC 6191 and 1337 (TIME_WAIT): rules that need
 * more than one segment to be seen.
 */
#include <criterion/criterion.h>
#include <signal.h>

#include "world.h"

static struct world w;

static void begin(void)
{
	world_init(&w);
	w.params.timestamps = true;
}
static void end(void) { world_fini(&w); }
TestSuite(tcp_rules, .init = begin, .fini = end);

Test(tcp_rules, paws_drops_and_acknowledges)
{
	struct tcp_seg seg;

	established(&w);
	w.peer_ts += 10;
	seg = world_seg(&w, TCP_ACK, 10);
	world_arrives(&w, &seg);
	cr_expect_eq(w.c.ts_recent, w.peer_ts);
	seg = world_seg(&w, TCP_ACK, 10);
	seg.tsval -= 1;
	world_arrives(&w, &seg);
	cr_expect_eq(w.v.drop, MR_C_TCP_PAWS);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt, w.c.rcv_nxt));
	cr_expect_eq(w.out[0].seg.tsecr, w.peer_ts);
}

/*
 * RFC 7323 5.3 R1 makes it "not acceptable", and those are answered without a limit only for octets
 * of the window: two ends that disagree would else answer each other's ACKs for ever.
 */
Test(tcp_rules, paws_acks_are_throttled)
{
	static const struct { int32_t at; uint16_t len; bool answered; } rows[] = {
		{0, 10, true}, {-5, 10, true}, {1000, 10, true}, {0, 0, false}, {-1, 0, false},
		{-10, 10, false}, {300000, 10, false},
	};
	struct tcp_tw tw = {.snd_nxt = 1, .rcv_nxt = 100, .ts_recent = 50, .has_ts = true};
	struct tcp_seg seg = {.seq = 100, .ack = 1, .flags = TCP_ACK, .opts = TCP_OPT_TS};

	w.params.challenge_per_s = 0;
	established(&w);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		struct tcp_seg old = world_seg(&w, TCP_ACK, rows[i].len);

		old.seq += (uint32_t)rows[i].at;
		old.tsval -= 1;
		world_arrives(&w, &old);
		cr_expect(w.v.drop == MR_C_TCP_PAWS && w.nout == rows[i].answered, "row %u", i);
	}
	tcp_time_wait_arrives(&w.cx, &tw, &seg, &w.v);
	cr_expect_eq(w.v.bits, TCP_V_DROP);
	w.params.challenge_per_s = 1000;
	w.cx.challenge_tw.limit = 0;
	tcp_time_wait_arrives(&w.cx, &tw, &seg, &w.v);
	cr_expect_eq(w.v.bits, TCP_V_DROP | TCP_V_TW_ACK);
}

Test(tcp_rules, paws_is_not_for_rst)
{
	struct tcp_seg seg;

	established(&w);
	seg = world_seg(&w, TCP_RST, 0);
	seg.tsval -= 1000;
	world_arrives(&w, &seg);
	cr_expect_eq(w.v.reason, MR_RESET_BY_PEER);
}

/* RFC 7323 5.5: after 24 days TS.Recent says nothing. */
Test(tcp_rules, paws_forgets_after_24_days)
{
	static const struct { uint32_t days; bool taken; } rows[] = {{1, false}, {20, false},
								     {25, true}, {40, true}};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		struct tcp_seg seg;

		established(&w);
		w.delivered = 0;
		w.cx.now_ms += rows[i].days * 86400000u;
		seg = world_seg(&w, TCP_ACK, 10);
		seg.tsval -= 5;
		world_arrives(&w, &seg);
		cr_expect_eq(w.delivered, rows[i].taken ? 10 : 0, "%u days", rows[i].days);
		tcp_release(&w.cx, &w.c);
	}
}

/* RFC 7323 3.2: once negotiated, in every segment. */
Test(tcp_rules, segment_without_timestamp_is_dropped)
{
	struct tcp_seg seg;

	established(&w);
	seg = world_seg(&w, TCP_ACK, 10);
	seg.opts = 0;
	world_arrives(&w, &seg);
	cr_expect_eq(w.v.drop, MR_C_TCP_NO_TS);
	cr_expect_eq(w.nout, 0);
}

/* But a SYN that comes again is: our SYN-ACK was lost, and the peer tries with fewer options. It
 * opens without them. */
Test(tcp_rules, syn_again_without_options_is_answered)
{
	struct tcp_seg syn;

	syn_rcvd(&w);
	syn = (struct tcp_seg){.seq = w.c.rcv_nxt - 1, .flags = TCP_SYN, .wnd = 65535};
	world_arrives(&w, &syn);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.flags, TCP_SYN | TCP_ACK);
	cr_expect_eq(w.out[0].seg.opts, TCP_OPT_MSS);
	cr_expect_eq(tcp_state(&w.c), TCP_SYN_RCVD);
	syn.flags = TCP_ACK;
	syn.ack = w.c.snd_nxt;
	syn.seq++;
	syn.wnd = 1000;
	world_arrives(&w, &syn);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect_eq(tcp_snd_wnd(&w.c), 1000);
}

/* RFC 7323 2.2, 3.2, RFC 2018 2: each option by itself, and the others stay. */
Test(tcp_rules, syn_again_withdraws_what_it_has_not)
{
	static const uint8_t each[] = {TCP_OPT_TS, TCP_OPT_SACK_OK, TCP_OPT_WS};
	const uint8_t all = TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_SACK_OK | TCP_OPT_TS;

	for (unsigned int i = 0; i < MR_ARRAY_LEN(each); i++) {
		struct tcp_seg syn = {.seq = WORLD_IRS, .flags = TCP_SYN, .wnd = 65535, .mss = 1460,
				      .wscale = 7, .tsval = 1, .opts = all};

		tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
		world_output(&w);
		cr_assert_eq(w.nout, 1);
		cr_expect_eq(w.out[0].seg.opts, all);
		syn.opts = (uint8_t)(all & ~each[i]);
		world_arrives(&w, &syn);
		cr_assert_eq(w.nout, 1);
		cr_expect_eq(w.out[0].seg.opts, all & ~each[i]);
		world_fini(&w);
		begin();
	}
}

/* RFC 7323 4.3: a segment behind the hole does not move TS.Recent. */
Test(tcp_rules, timestamp_of_an_out_of_order_segment_waits)
{
	struct tcp_seg seg;
	uint32_t before;

	established(&w);
	before = w.c.ts_recent;
	w.peer_ts += 100;
	seg = world_seg(&w, TCP_ACK, 10);
	seg.seq += 10;
	world_arrives(&w, &seg);
	cr_expect_eq(w.c.ts_recent, before);
}

/* MUST-16: options come off the segment. */
Test(tcp_rules, options_are_subtracted)
{
	established(&w);
	world_send(&w, 5000, 0);
	cr_expect_eq(w.out[0].seg.len, 1448);
}

/* So many challenge ACKs to n SYNs of one connection, at this moment. */
static uint32_t challenges(struct tcp_conn *c, unsigned int n)
{
	const uint64_t before = w.counters.v[MR_C_TCP_CHALLENGE];
	struct tcp_conn saved = w.c;

	w.c = *c;
	for (unsigned int i = 0; i < n; i++) {
		struct tcp_seg seg = world_seg(&w, TCP_SYN, 0);

		world_arrives(&w, &seg);
	}
	*c = w.c;
	w.c = saved;
	return (uint32_t)(w.counters.v[MR_C_TCP_CHALLENGE] - before);
}

/* RFC 5961 section 7: 3000 connections, and the limit is not the same every second. */
Test(tcp_rules, challenge_acks_are_throttled)
{
	uint32_t limits[8];
	bool differ = false;

	established(&w);
	for (unsigned int s = 0; s < MR_ARRAY_LEN(limits); s++) {
		limits[s] = 0;
		for (unsigned int i = 0; i < 3000; i++) {
			struct tcp_conn other = w.c;

			limits[s] += challenges(&other, 1);
		}
		cr_expect(limits[s] >= 500 && limits[s] <= 1500);
		differ |= limits[s] != limits[0];
		w.cx.now_ms += 1000;
	}
	cr_expect(differ);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
}

Test(tcp_rules, a_connection_gets_three_challenge_acks_a_second)
{
	established(&w);
	for (unsigned int s = 0; s < 10; s++) {
		cr_expect_eq(challenges(&w.c, 200), 3, "second %u", s);
		cr_expect_eq(w.counters.v[MR_C_TCP_CHALLENGE_CONN], 197u * (s + 1));
		w.cx.now_ms += 1024;
	}
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
}

/*
 * CVE-2016-5696: somebody with a connection of his own counts what it is granted while he sends
 * segments in the name of another one. Whether those met its window must not change his count, in
 * any second, neither after them nor before, and also when he spends TIME_WAIT's limit.
 */
Test(tcp_rules, challenge_acks_of_one_connection_tell_nothing_of_another)
{
	struct tcp_tw tw = {.snd_nxt = 1, .rcv_nxt = 100, .ts_recent = 50, .has_ts = true};
	struct tcp_seg old = {.seq = 100, .ack = 1, .flags = TCP_ACK, .opts = TCP_OPT_TS};
	struct tcp_conn his, victim;

	established(&w);
	his = victim = w.c;
	for (unsigned int s = 0; s < 100; s++) {
		const unsigned int met = s % 3 == 0 ? 0 : 100;

		for (unsigned int i = 0; i < 2000; i++)
			tcp_time_wait_arrives(&w.cx, &tw, &old, &w.v);
		if (s & 1)
			challenges(&victim, met);
		cr_assert_eq(challenges(&his, 100), 3, "second %u, %u met", s, met);
		if ((s & 1) == 0)
			challenges(&victim, met);
		cr_assert_eq(challenges(&his, 100), 0);
		w.cx.now_ms += 1024;
	}
}

/* Nor does it cost another one anything: what it is refused is not the worker's. */
Test(tcp_rules, challenge_acks_that_one_is_refused_are_left_for_others)
{
	struct tcp_conn his, victim;

	established(&w);
	his = victim = w.c;
	cr_expect_eq(challenges(&victim, 5000), 3);
	cr_expect_eq(w.counters.v[MR_C_TCP_CHALLENGE_CONN], 4997);
	cr_expect_eq(w.counters.v[MR_C_TCP_CHALLENGE_LIMIT], 0);
	cr_expect_eq(challenges(&his, 5), 3);
}

Test(tcp_rules, keepalive_of_the_peer_is_always_answered)
{
	struct tcp_seg seg;

	w.params.challenge_per_s = 0;
	established(&w);
	for (uint16_t len = 0; len < 2; len++) {
		seg = world_seg(&w, TCP_ACK, len);
		seg.seq--;
		world_arrives(&w, &seg);
		cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt, w.c.rcv_nxt));
	}
}

/* RFC 6191 section 2, all its rows. */
Test(tcp_rules, time_wait_reuse)
{
	static const struct {
		bool had_ts, has_ts;
		int ts, seq;	/* against TS.Recent and the last sequence number */
		bool reopens;
	} rows[] = {
		{true, true, 1, -5, true}, {true, true, 0, 1, true}, {true, true, 0, 0, false},
		{true, true, -1, 5, false}, {true, false, 0, 1, true}, {true, false, 0, 0, false},
		{false, true, 0, -5, true}, {false, false, 0, 1, true}, {false, false, 0, 0, false},
		{false, false, 0, -1, false},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		struct tcp_tw tw = {.snd_nxt = 1, .rcv_nxt = 100, .ts_recent = 50,
				    .has_ts = rows[i].had_ts};
		struct tcp_seg syn = {.flags = TCP_SYN};

		syn.seq = tw.rcv_nxt - 1 + (uint32_t)rows[i].seq;
		syn.opts = rows[i].has_ts ? TCP_OPT_TS : 0;
		syn.tsval = tw.ts_recent + (uint32_t)rows[i].ts;
		tcp_time_wait_arrives(&w.cx, &tw, &syn, &w.v);
		cr_expect_eq((w.v.bits & TCP_V_REOPEN) != 0, rows[i].reopens, "row %u", i);
		cr_expect_eq((w.v.bits & TCP_V_TW_ACK) == 0, rows[i].reopens,
			     "row %u: RFC 9293 3.10.7.4, fourth: else a challenge ACK", i);
	}
	w.c.state_bit = (uint8_t)__builtin_ctz(TCP_CLOSED);
}

/* RFC 7323 4.3: only an acceptable segment moves TS.Recent, or a stranger shuts the FIN out. */
Test(tcp_rules, time_wait_ts_recent_from_acceptable_segments_only)
{
	static const struct { uint32_t seq; uint8_t flags; uint16_t len; bool moves; } rows[] = {
		{100, TCP_ACK, 0, true}, {99, TCP_ACK | TCP_FIN, 0, true},
		{89, TCP_ACK | TCP_FIN, 10, true}, {99, TCP_ACK, 0, false},
		{5, TCP_ACK, 0, false}, {50, TCP_ACK, 10, false}, {90, TCP_ACK, 10, false},
		{5, TCP_ACK | TCP_FIN, 0, false}, {100, TCP_ACK, 1, false},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		struct tcp_tw tw = {.snd_nxt = 1, .rcv_nxt = 100, .ts_recent = 50, .has_ts = true};
		struct tcp_seg seg = {.seq = rows[i].seq, .ack = 1, .flags = rows[i].flags,
				      .len = rows[i].len, .opts = TCP_OPT_TS, .tsval = 1000};

		tcp_time_wait_arrives(&w.cx, &tw, &seg, &w.v);
		cr_expect_eq(tw.ts_recent, rows[i].moves ? 1000 : 50, "row %u", i);
	}
}

Test(tcp_rules, time_wait_rst)
{
	struct tcp_tw tw = {.snd_nxt = 1, .rcv_nxt = 100};
	struct tcp_seg rst = {.seq = 100, .flags = TCP_RST};

	tcp_time_wait_arrives(&w.cx, &tw, &rst, &w.v);
	cr_expect_eq(w.v.bits, TCP_V_DROP);
	cr_expect_eq(w.counters.v[MR_C_TW_RST_IGNORED], 1);
	w.params.rfc1337 = false;
	tcp_time_wait_arrives(&w.cx, &tw, &rst, &w.v);
	cr_expect_eq(w.v.bits, TCP_V_GONE);
	rst.seq++;
	tcp_time_wait_arrives(&w.cx, &tw, &rst, &w.v);
	cr_expect_eq(w.v.bits, TCP_V_DROP);
}

/* 15 in a nibble of `scales` says "none": it is no shift of ours. */
Test(tcp_rules, window_shift_beyond_14_is_refused, .signal = SIGABRT)
{
	w.params.rcv_scale = 15;
	established(&w);
}

/* What the record cannot count is refused at the start, not cut to 15 in silence. */
Test(tcp_rules, retries_beyond_the_record_are_refused, .signal = SIGABRT)
{
	tcp_params_check(&w.params);
	w.params.data_retries = 16;
	tcp_params_check(&w.params);
}

Test(tcp_rules, move_that_is_not_in_the_table, .signal = SIGABRT)
{
	established(&w);
	tcp_enter(&w.cx, &w.c, TCP_TIME_WAIT);
}
