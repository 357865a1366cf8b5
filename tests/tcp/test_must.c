/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requirements of RFC 9293 on one connection that need a test of their own: a closed receive
 * window, urgent data, the MSS option.
 */
#include <criterion/criterion.h>

#include "world.h"

static struct world w;

static void begin(void) { world_init(&w); }
static void end(void) { world_fini(&w); }
TestSuite(tcp_must, .init = begin, .fini = end);

static void got(unsigned int flags, uint16_t len)
{
	struct tcp_seg seg = world_seg(&w, flags, len);

	world_arrives(&w, &seg);
}

/* A window of 2000 octets, filled and not read. */
static void zero_window(void)
{
	w.params.rcv_buf = 2000;
	established(&w);
	got(TCP_ACK, 2000);
	cr_assert_eq(tcp_rcv_wnd(&w.c), 0);
}

/*
 * A retransmission that acknowledges more than what came before it is newer than what set SND.WL1:
 * its window counts. Else the edge of the old one would move along with SND.UNA, beyond what the
 * peer has offered (found by the simulator: scenario readers, seed 1).
 */
Test(tcp_must, window_of_a_retransmission_that_acknowledges)
{
	struct tcp_seg seg;

	established(&w);
	cr_assert(world_send(&w, 3000, 0));
	seg = world_seg(&w, TCP_ACK, 100);	/* out of order, and before our data arrived */
	seg.seq += 100;
	seg.ack = w.c.snd_una;
	seg.wnd = 40000;
	world_arrives(&w, &seg);
	cr_assert_eq(tcp_snd_wnd(&w.c), 40000);
	seg = world_seg(&w, TCP_ACK, 100);
	seg.wnd = 500;
	world_arrives(&w, &seg);
	cr_expect_eq(tcp_snd_wnd(&w.c), 500, "%u", tcp_snd_wnd(&w.c));
	/* An old one with an old ACK is still no news. */
	cr_assert(world_send(&w, 300, 0));
	seg = world_seg(&w, TCP_ACK, 0);
	seg.seq -= 50;
	seg.ack = w.c.snd_una;
	seg.wnd = 30000;
	world_arrives(&w, &seg);
	cr_expect_eq(tcp_snd_wnd(&w.c), 500, "%u", tcp_snd_wnd(&w.c));
}

/* MUST-66: with octets that have no room, too; still only at RCV.NXT (RFC 5961 3.2). */
Test(tcp_must, reset_at_a_zero_window)
{
	static const struct {
		unsigned int flags;
		uint16_t len;
		uint32_t off;
		bool taken;
	} rows[] = {
		{TCP_RST, 0, 0, true}, {TCP_RST | TCP_ACK, 0, 0, true}, {TCP_RST, 1, 0, true},
		{TCP_RST | TCP_ACK, 500, 0, true}, {TCP_RST, 0, 1, false}, {TCP_RST, 1, 1, false},
		{TCP_RST, 0, (uint32_t)-1, false},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		struct tcp_seg seg;

		zero_window();
		seg = world_seg(&w, rows[i].flags, rows[i].len);
		seg.seq += rows[i].off;
		world_arrives(&w, &seg);
		cr_expect_eq(w.v.bits & (TCP_V_GONE | TCP_V_RST), rows[i].taken ? TCP_V_GONE : 0,
			     "row %u", i);
		cr_expect(!rows[i].taken || w.v.reason == MR_RESET_BY_PEER, "row %u", i);
		cr_expect_eq(w.nout, 0, "row %u: never answered", i);
		tcp_release(&w.cx, &w.c);
	}
}

/* MUST-66: their text has no room, but what they acknowledge and the window they show count. */
Test(tcp_must, acks_and_urgent_at_a_zero_window)
{
	static const struct { unsigned int flags; uint16_t len; } rows[] = {
		{TCP_ACK, 0}, {TCP_ACK, 1}, {TCP_ACK | TCP_PSH, 500}, {TCP_ACK | TCP_URG, 0},
		{TCP_ACK | TCP_URG, 1}, {TCP_ACK | TCP_URG | TCP_PSH, 500},
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		struct tcp_seg seg;

		zero_window();
		w.delivered = 0;
		world_send(&w, 700, 0);
		seg = world_seg(&w, rows[i].flags, rows[i].len);
		seg.wnd = 12345;
		seg.urg = 1;
		world_arrives(&w, &seg);
		cr_expect_eq(w.c.snd_una, w.c.snd_nxt, "row %u", i);
		cr_expect_eq(w.c.snd_wnd, 12345, "row %u", i);
		cr_expect_eq(w.delivered, 0, "row %u", i);
		cr_expect_eq(w.nout, rows[i].len != 0, "row %u: a probe is answered", i);
		cr_expect(w.nout == 0 || world_sent(&w, TCP_ACK, w.c.snd_nxt, w.c.rcv_nxt));
		cr_expect(w.nout == 0 || w.out[0].seg.wnd == 0);
		tcp_release(&w.cx, &w.c);
	}
}

/*
 * MUST-30, 31, 62 and RFC 6093 section 6: urgent octets stay where they are in the stream, however
 * many there are and wherever the pointer points. Segments of 100, the third and fourth swapped.
 */
Test(tcp_must, urgent_data_stays_in_line)
{
	static const uint16_t pointer[] = {0, 1, 50, 99, 100, 101, 1460, 0xffff};
	static const uint32_t place[] = {0, 1, 3, 2, 4, 5, 6, 7}, upto[] = {1, 2, 2, 4, 5, 6, 7, 8};

	established(&w);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(pointer); i++) {
		struct tcp_seg seg = world_seg(&w, TCP_ACK | TCP_URG, 100);

		seg.seq = WORLD_IRS + 1 + place[i] * 100;
		seg.urg = pointer[i];
		world_arrives(&w, &seg);
		cr_expect_eq(w.delivered, upto[i] * 100, "urgent pointer %u", pointer[i]);
		cr_expect_eq(w.c.rcv_nxt, WORLD_IRS + 1 + upto[i] * 100);
	}
	got(TCP_ACK, 100);
	cr_expect_eq(w.delivered, 900, "and what follows it");
}

/* MUST-15, in both roles, and what is sent keeps to it. */
Test(tcp_must, mss_without_the_option)
{
	static const struct { uint8_t family; uint16_t mss; } rows[] = {{4, 536}, {6, 1220}};

	for (unsigned int i = 0; i < 2 * MR_ARRAY_LEN(rows); i++) {
		struct tcp_seg seg = {.seq = WORLD_IRS, .flags = TCP_SYN, .wnd = 65535};

		w.cx.family = rows[i / 2].family;
		if (i % 2 == 0) {
			tcp_passive_open(&w.cx, &w.c, &seg, WORLD_ISS);
			world_output(&w);
			got(TCP_ACK, 0);
		} else {
			syn_sent(&w);
			seg.flags = TCP_SYN | TCP_ACK;
			seg.ack = w.c.snd_nxt;
			world_arrives(&w, &seg);
		}
		cr_expect(w.v.bits & TCP_V_ESTABLISHED, "row %u", i);
		cr_expect_eq(w.c.mss, rows[i / 2].mss, "row %u", i);
		world_send(&w, 3000, 0);
		cr_assert_geq(w.nout, 2);
		cr_expect_eq(w.out[0].seg.len, rows[i / 2].mss, "row %u", i);
		tcp_release(&w.cx, &w.c);
	}
}

/* MUST-65, MUST-14: every SYN has the option, nothing else ever. Returns how many went out. */
static unsigned int mss_in_syns_only(void)
{
	for (unsigned int i = 0; i < w.nout; i++) {
		const struct tcp_seg *out = &w.out[i].seg;

		cr_expect_eq((out->opts & TCP_OPT_MSS) != 0, (out->flags & TCP_SYN) != 0,
			     "flags 0x%02x", out->flags);
	}
	return w.nout;
}

Test(tcp_must, mss_goes_out_in_syns_only)
{
	static void (*const make[])(struct world *) = {
		syn_sent, syn_rcvd, syn_rcvd_active, established, close_wait, fin_wait_1,
		fin_wait_2, closing, last_ack,
	};

	w.params.keepalive_idle_ms = 60000;
	for (unsigned int i = 0; i < MR_ARRAY_LEN(make); i++) {
		unsigned int seen = 0;

		make[i](&w);
		mss_in_syns_only();
		world_send(&w, 2000, 0);
		seen += mss_in_syns_only();
		for (unsigned int k = 0; k < 3; k++) {	/* timeouts, probes */
			world_next_timer(&w);
			seen += mss_in_syns_only();
		}
		if (make[i] != syn_sent && make[i] != syn_rcvd && make[i] != syn_rcvd_active) {
			got(TCP_SYN, 0);	/* a challenge ACK */
			seen += mss_in_syns_only();
		}
		cr_expect_gt(seen, 0, "row %u", i);
		tcp_release(&w.cx, &w.c);
	}
}
