/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HyStart++ (RFC 9406): when the first slow start of CUBIC slows down, ends and comes back; first
 * by ACKs made here, then by those of a connection.
 */
#include <criterion/criterion.h>

#include "cc.h"
#include "loss_fixture.h"

#define SMSS	1000u
#define MS	1000u		/* microseconds */
#define ENOUGH	HYSTART_SAMPLES

/* A sender that always uses its window. */
static struct cc cc;
static uint32_t una, nxt;

static void begin(void)
{
	cc_init(&cc, CC_CUBIC, SMSS, 10 * SMSS);
	una = 0xffffc000u;	/* rounds end behind 2^32, too */
	nxt = una + cc.cwnd;
}
TestSuite(hystart, .init = begin);

static void got_of(uint32_t octets, uint32_t rtt_us, bool paced)
{
	const struct cc_ack ack = {.acked = octets, .flight = nxt - una, .srtt_us = 100 * MS,
				   .rtt_us = rtt_us, .una = una + octets, .nxt = nxt,
				   .paced = paced};

	cc_acked(&cc, &ack);
	una += octets;
	nxt = una + cc.cwnd;
}

static void got(uint32_t rtt_us) { got_of(SMSS, rtt_us, false); }

/* An ACK a segment until all that was out is acknowledged. */
static void windows_of(uint32_t rtt_us, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		uint32_t end = nxt;

		while (una != end)
			got_of(MR_MIN(SMSS, end - una), rtt_us, false);
	}
}

/* The same until so many rounds, as they are counted, have ended. */
static void rounds_of(uint32_t rtt_us, unsigned int count)
{
	for (unsigned int i = 0; i < count && (cc.flags & CC_HYSTART); i++) {
		uint32_t end = cc.hystart.begun ? cc.hystart.round_end : nxt;

		do
			got(rtt_us);
		while (una - end >= 1u << 31);
	}
}

/* Slow start, and conservative slow start as of this ACK. */
static bool is_conservative(void)
{
	uint32_t before = cc.cwnd;

	got(0);
	cr_assert(cc.cwnd == before + SMSS || cc.cwnd == before + SMSS / 4);
	return cc.cwnd != before + SMSS;
}

Test(hystart, doubles_while_the_round_trip_stays)
{
	for (uint32_t window = 10 * SMSS; window < 10000 * SMSS; window *= 2) {
		cr_assert_eq(cc.cwnd, window);
		windows_of(100 * MS, 1);
	}
	cr_expect_eq(cc.ssthresh, CC_SSTHRESH_INFINITE);
}

/* L: an ACK of many segments (a receiver that gathers them) is worth eight, or all when paced. */
Test(hystart, acks_of_many_segments_count)
{
	got_of(10 * SMSS, 0, false);
	cr_expect_eq(cc.cwnd, 18 * SMSS);
	got_of(18 * SMSS, 0, true);
	cr_expect_eq(cc.cwnd, 36 * SMSS);
	got_of(36 * SMSS, 0, false);
	cr_expect_eq(cc.cwnd, 44 * SMSS);
	got_of(100 * SMSS, 0, true);
	cr_expect_eq(cc.cwnd, 88 * SMSS, "at most twice as much");
}

/* The threshold is an eighth of the last round's smallest, from 4 to 16 ms. */
Test(hystart, a_round_trip_that_grows_slows_down)
{
	static const struct {
		uint32_t rtt_us, threshold_us;
	} table[] = {{1 * MS, 4 * MS}, {32 * MS, 4 * MS}, {64 * MS, 8 * MS}, {128 * MS, 16 * MS},
		     {400 * MS, 16 * MS}};

	for (unsigned int i = 0; i < 2 * MR_ARRAY_LEN(table); i++) {
		uint32_t base = table[i / 2].rtt_us, grown = base + table[i / 2].threshold_us;

		begin();
		rounds_of(base + 50 * MS, 1);	/* a round before the last one does not count */
		rounds_of(base, 2);
		for (unsigned int n = 0; n < ENOUGH; n++)
			got(grown - i % 2);
		cr_expect_eq(is_conservative(), i % 2 == 0, "%u us, then %u", base, grown - i % 2);
	}
}

/* Neither fewer than eight ACKs, nor one of a round that was quick. */
Test(hystart, one_slow_ack_says_nothing)
{
	rounds_of(100 * MS, 3);
	for (unsigned int n = 0; n < ENOUGH - 1; n++)
		got(200 * MS);
	cr_expect(!is_conservative(), "seven");
	got(100 * MS);
	for (unsigned int n = 0; n < 2 * ENOUGH; n++)
		got(200 * MS);
	cr_expect(!is_conservative(), "the smallest one counts");
}

Test(hystart, without_measurements_it_is_slow_start)
{
	rounds_of(100 * MS, 2);
	rounds_of(0, 1);
	rounds_of(900 * MS, 1);		/* nothing to compare with */
	windows_of(0, 3);
	cr_expect(!is_conservative());
}

/* Into conservative slow start, as early in a round as it can be. */
static void slow_down(void)
{
	rounds_of(100 * MS, 2);
	for (unsigned int n = 0; n < ENOUGH; n++)
		got(200 * MS);
	cr_assert(is_conservative());
}

/* The round in which it began is the first of five; what is left of the window is CUBIC's. */
Test(hystart, five_rounds_end_slow_start)
{
	uint32_t before;

	slow_down();
	for (unsigned int i = 1; i < HYSTART_ROUNDS; i++) {
		rounds_of(200 * MS, 1);
		cr_assert_eq(cc.ssthresh, CC_SSTHRESH_INFINITE, "%u rounds", i);
	}
	before = cc.hystart.round_end;
	while (cc.ssthresh == CC_SSTHRESH_INFINITE)
		got(200 * MS);
	cr_expect(una - before < SMSS, "with the last ACK of the fifth");
	cr_expect_eq(cc.ssthresh, cc.cwnd);
	got(200 * MS);
	cr_expect_eq(cc.flags & (CC_HYSTART | CC_EPOCH), CC_EPOCH);
	cr_expect_eq(cc.cubic.w_max, cc.cwnd, "the curve begins at its plateau (RFC 9438 4.10)");
	before = cc.cwnd;
	windows_of(200 * MS, 1);
	cr_expect_leq(cc.cwnd, before + SMSS);
}

Test(hystart, a_round_trip_that_shrinks_gives_slow_start_back)
{
	slow_down();
	rounds_of(200 * MS, 2);
	for (unsigned int n = 0; n < ENOUGH - 1; n++)
		got(200 * MS - 1);
	cr_expect(is_conservative(), "not by seven ACKs");
	got(200 * MS);
	cr_expect(!is_conservative());
	rounds_of(200 * MS, 2);
	for (unsigned int n = 0; n < ENOUGH; n++)
		got(300 * MS);
	cr_expect(is_conservative(), "and it may begin again");
	rounds_of(300 * MS, HYSTART_ROUNDS - 1);
	cr_expect_eq(cc.ssthresh, CC_SSTHRESH_INFINITE, "with five rounds of its own");
	rounds_of(300 * MS, 1);
	cr_expect_lt(cc.ssthresh, CC_SSTHRESH_INFINITE);
}

/* It is others who fill the queue then. */
Test(hystart, a_window_that_is_not_used_concludes_nothing)
{
	uint32_t before = cc.cwnd;

	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int n = 0; n < 2 * ENOUGH; n++) {
			const struct cc_ack ack = {.acked = 100, .flight = 100,
						   .rtt_us = (10 + 10 * round) * MS,
						   .una = una + 100, .nxt = una + 100};

			cc_acked(&cc, &ack);
			una += 100;
		}
	}
	cr_expect_eq(cc.cwnd, before);
	cr_expect_eq(cc.ssthresh, CC_SSTHRESH_INFINITE);
	nxt = una + cc.cwnd;
	cr_expect(!is_conservative());
}

/* After a rest, rounds of before it do not compare. */
Test(hystart, a_pause_begins_anew)
{
	rounds_of(100 * MS, 3);
	cc_idle(&cc, 5000, 10 * SMSS);
	cr_assert_eq(cc.cwnd, 10 * SMSS);
	nxt = una + cc.cwnd;
	for (unsigned int n = 0; n < ENOUGH; n++)
		got(200 * MS);
	cr_expect(!is_conservative());
}

/* What it measured is no part of CUBIC's curve, whenever the loss comes. */
Test(hystart, a_loss_ends_it)
{
	for (unsigned int how = 0; how < 4; how++) {
		begin();
		slow_down();
		if (how == 0)
			cc_loss(&cc, cc.cwnd);
		else if (how == 1)
			cc_timeout(&cc, cc.cwnd, false);
		else if (how == 2)
			cc_timeout(&cc, cc.cwnd, true);
		else
			cc_mark(&cc, cc.cwnd);
		cr_expect_eq(cc.flags & CC_HYSTART, 0);
		cr_expect_eq(cc.cubic.w_max, how % 3 == 0 ? cc.prior_cwnd : 0);
		cr_expect_eq(cc.cubic.w_est, 0);
		cr_expect_eq(cc.cubic.origin_ms, 0);
		cr_expect_eq(cc.cubic.est_acked, 0);
		cr_expect_eq(cc.prior_w_max + cc.prior_w_est, 0);
	}
}

/* Slow start after a timeout has a threshold already (RFC 9406 4.3): RFC 5681's. */
Test(hystart, only_the_first_slow_start)
{
	rounds_of(100 * MS, 3);
	cc_timeout(&cc, cc.cwnd, false);
	nxt = una + cc.cwnd;
	got_of(SMSS, 100 * MS, true);
	cr_expect_eq(cc.cwnd, 2 * SMSS);
	got_of(2 * SMSS, 200 * MS, true);
	cr_expect_eq(cc.cwnd, 3 * SMSS);
}

Test(hystart, a_loss_that_was_none_gives_it_back)
{
	uint32_t before;

	slow_down();
	before = cc.cwnd;
	cc_loss(&cc, cc.cwnd);
	cc_set_window(&cc, cc.ssthresh);
	cc_undo(&cc, 1000);
	cr_expect_eq(cc.cwnd, before);
	cr_expect_eq(cc.ssthresh, CC_SSTHRESH_INFINITE);
	nxt = una + cc.cwnd;
	cr_expect(!is_conservative());
	rounds_of(200 * MS, 2);
	for (unsigned int n = 0; n < ENOUGH; n++)
		got(300 * MS);
	cr_expect(is_conservative());
}

/* A curve that began after such a loss is none of the one that begins when slow start ends. */
Test(hystart, the_curve_of_an_undone_loss_is_gone)
{
	slow_down();
	cc_loss(&cc, cc.cwnd);
	cc_set_window(&cc, cc.ssthresh);
	nxt = una + cc.cwnd;
	got(200 * MS);
	cr_assert(cc.flags & CC_EPOCH);
	cc_undo(&cc, 1000);
	slow_down();
	rounds_of(200 * MS, HYSTART_ROUNDS);
	cr_assert_lt(cc.ssthresh, CC_SSTHRESH_INFINITE);
	got(200 * MS);
	cr_expect_eq(cc.cubic.w_max, cc.cwnd);
}

/* One that came after it keeps the threshold that it found. */
Test(hystart, what_it_found_outlives_an_undone_loss)
{
	uint32_t found;

	slow_down();
	rounds_of(200 * MS, HYSTART_ROUNDS);
	found = cc.ssthresh;
	cr_assert_lt(found, CC_SSTHRESH_INFINITE);
	cc_loss(&cc, cc.cwnd);
	cc_undo(&cc, 1000);
	cr_expect_eq(cc.ssthresh, found);
	cr_expect_eq(cc.flags & CC_HYSTART, 0);
}

Test(hystart, newreno_is_as_rfc_5681_has_it)
{
	cc_init(&cc, CC_NEWRENO, SMSS, 10 * SMSS);
	windows_of(100 * MS, 3);
	cr_expect_eq(cc.cwnd, 80 * SMSS);
	windows_of(900 * MS, 2);
	cr_expect_eq(cc.cwnd, 320 * SMSS);
	got_of(5 * SMSS, 0, true);
	cr_expect_eq(cc.cwnd, 321 * SMSS);
}

/* ---- of a connection ---- */

static struct world w;

/* Round trips of so many ms each, of all that the window lets out; an ACK a segment. */
static void round_trips(uint32_t ms, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		uint32_t end;

		world_send(&w, 2 * loss_ext(&w)->cc.cwnd, 0);
		end = w.c.snd_nxt;
		loss_wait_ms(&w, ms);
		w.peer_ts += ms;
		while (w.c.snd_una != end) {
			struct tcp_seg seg = world_seg(&w, TCP_ACK, 0);

			seg.ack = w.c.snd_una + MR_MIN(MSS, end - w.c.snd_una);
			seg.tsecr -= ms;	/* of when what it acknowledges was sent */
			world_arrives(&w, &seg);
		}
	}
}

static void open_with(bool sack, bool timestamps)
{
	world_init(&w);
	w.peer_sack = sack;
	w.params.timestamps = timestamps;
	w.params.snd_buf = 1u << 22;
	established(&w);
	world_send(&w, MSS, 0);		/* it has its extension */
}

/* Where measurements come from: the scoreboard, or timestamps. */
Test(hystart_conn, the_round_trips_of_a_connection)
{
	for (unsigned int how = 0; how < 4; how++) {
		const struct cc *of;

		open_with(how & 1, how & 2);
		round_trips(100, 2);
		of = &loss_ext(&w)->cc;
		cr_expect(of->flags & CC_HYSTART);
		cr_expect_eq(of->hystart.css_rounds, 0);
		round_trips(150, 2);
		cr_expect_eq(of->hystart.css_rounds != 0, how != 0, "SACK %u, timestamps %u",
			     how & 1, how >> 1);
		world_fini(&w);
	}
}

/* Eight segments an ACK, or all of them where they leave over the round trip. */
Test(hystart_conn, an_ack_of_a_whole_window)
{
	for (unsigned int how = 0; how < 4; how++) {
		struct tcp_seg seg;

		open_with(how & 1, false);
		w.params.pacing = how & 2;
		loss_wait_ms(&w, 100);
		world_hears(&w, TCP_ACK, w.c.snd_nxt, 0);
		world_send(&w, 10 * MSS, 0);
		for (unsigned int n = 0; n < 20 && w.c.snd_nxt - w.c.snd_una != 10 * MSS; n++)
			world_next_timer(&w);
		seg = world_seg(&w, TCP_ACK, 0);
		world_arrives(&w, &seg);
		cr_expect_eq(loss_ext(&w)->cc.cwnd, (how == 3 ? 20 : 18) * MSS, "%u", how);
		world_fini(&w);
	}
}
