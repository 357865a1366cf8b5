/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scoreboard against a naive twin that remembers every octet, with random operations; and the
 * arithmetic of rack.c, prr.c and sack.c.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "prr.h"
#include "rack.h"
#include "rng.h"
#include "sack.h"

#define OCTETS 4096u
#define OLD 0x80u	/* of the twin: sent again or delivered once: no measurement (Karn) */

/* The twin: what is known of each octet from `una` on, at seq % OCTETS (which divides 2^32). */
static struct {
	uint8_t flags[OCTETS];
	uint32_t una, nxt, told;
	bool exact;		/* the board has never had to simplify */
	bool crowds;		/* many small pieces, few ACKs */
} twin;

static void seen(void *arg, const struct board_piece *p)
{
	(void)arg;
	for (uint32_t s = p->octets.left; s != p->octets.right; s++) {
		if (twin.exact)
			cr_assert((twin.flags[s % OCTETS] & BOARD_SACKED) == 0);
		if (twin.exact || (twin.flags[s % OCTETS] & OLD))
			cr_assert_eq(p->resent, (twin.flags[s % OCTETS] & OLD) != 0);
		twin.told++;
	}
}

static void compare(const struct board *b)
{
	board_check(b, twin.una, twin.nxt);
	for (unsigned int i = 0; i < b->n && twin.exact; i++) {
		for (uint32_t s = board_left(b, i); s != b->end[i]; s++) {
			unsigned int want = twin.flags[s % OCTETS];

			cr_assert_eq(b->flags[i] & (BOARD_SACKED | BOARD_LOST),
				     want & (BOARD_SACKED | BOARD_LOST), "octet %u", s);
		}
	}
}

static struct seq_range random_range(struct mr_rng *r)
{
	uint32_t n = twin.nxt - twin.una, from = (uint32_t)mr_rng_below(r, n);

	return (struct seq_range){twin.una + from,
				  twin.una + from + 1 + (uint32_t)mr_rng_below(r, n - from)};
}

static void mark(struct seq_range q, unsigned int clear, unsigned int set)
{
	for (uint32_t s = q.left; s != q.right; s++) {
		uint8_t *f = &twin.flags[s % OCTETS];

		*f = (uint8_t)((*f & ~clear) | set);
	}
}

static void step_sent(struct board *b, struct mr_rng *r, uint32_t now_us)
{
	uint32_t n = 1 + (uint32_t)mr_rng_below(r, twin.crowds ? 60 : 200);

	if (twin.nxt - twin.una + n > OCTETS)
		return;
	mark((struct seq_range){twin.nxt, twin.nxt + n}, 0xff, 0);
	twin.nxt += n;
	board_sent(b, twin.nxt, now_us, 500);
}

static void step_sack(struct board *b, struct mr_rng *r)
{
	struct seq_range q = random_range(r);
	bool crowded = b->n + 2 > (int)BOARD_RANGES;

	if (twin.crowds)
		q.right = seq_min(q.right, q.left + 20);
	if (crowded)
		twin.exact = false;
	if (board_sack(b, q, seen, NULL))
		mark(q, 0xff, BOARD_SACKED | OLD);
}

static void step_resend(struct board *b, uint32_t now_us)
{
	struct seq_range q;

	if (!board_next_lost(b, &q))
		return;
	q.right = seq_min(q.right, q.left + 100);
	if (b->n + 2 > (int)BOARD_RANGES)
		twin.exact = false;
	mark(q, BOARD_LOST, BOARD_RESENT | OLD);
	board_resent(b, q, now_us);
}

static void step_lose(struct board *b, struct mr_rng *r)
{
	unsigned int i = (unsigned int)mr_rng_below(r, b->n);

	if (b->flags[i] & (BOARD_SACKED | BOARD_LOST))
		return;
	mark((struct seq_range){board_left(b, i), b->end[i]}, 0, BOARD_LOST);
	board_lose(b, i);
}

static void step_timeout(struct board *b)
{
	bool reneged = (b->flags[0] & BOARD_SACKED) != 0;

	for (uint32_t s = twin.una; s != twin.nxt; s++) {
		uint8_t *f = &twin.flags[s % OCTETS];

		if (reneged || (*f & BOARD_SACKED) == 0)
			*f = (uint8_t)((*f & OLD) | BOARD_LOST);
	}
	cr_assert_eq(board_timeout(b), reneged);
}

static void step(struct board *b, struct mr_rng *r, uint32_t now_us)
{
	unsigned int what = (unsigned int)mr_rng_below(r, 100);

	if (b->n + 1 > (int)BOARD_RANGES)
		twin.exact = false;
	if (twin.una == twin.nxt || what < 35) {
		step_sent(b, r, now_us);
	} else if (what < 55) {
		step_sack(b, r);
	} else if (what < 70) {
		step_resend(b, now_us);
	} else if (what < 80) {
		step_lose(b, r);
	} else if (what < 82) {
		step_timeout(b);
	} else if (what < 84) {
		board_undo(b);
		mark((struct seq_range){twin.una, twin.nxt}, BOARD_LOST, 0);
	} else {
		twin.una = twin.crowds ? twin.una + 1 : random_range(r).right;
		board_acked(b, twin.una, seen, NULL);
	}
}

Test(board, equals_a_twin_that_remembers_every_octet)
{
	unsigned int exact = 0, crowded = 0;

	for (uint64_t seed = 1; seed <= 400; seed++) {
		struct board b;
		struct mr_rng r;

		mr_rng_seed(&r, seed);
		memset(&twin, 0, sizeof(twin));
		twin.exact = true;
		twin.crowds = seed % 2 == 0;
		twin.una = twin.nxt = 0xfffff800u;
		board_init(&b, twin.una);
		for (uint32_t i = 0; i < 300; i++) {
			step(&b, &r, 1000000 + i * 300);
			compare(&b);
		}
		exact += twin.exact;
		crowded += !twin.exact;
	}
	cr_expect_gt(exact, 20, "%u runs were compared octet by octet", exact);
	cr_expect_gt(crowded, 20, "%u runs met the bound", crowded);
}

/* A steady stream without loss: exact while there is room, then coarser, and always bounded. */
Test(board, long_flight_is_bounded)
{
	struct board b;

	board_init(&b, 7);
	for (uint32_t i = 1; i <= 100000; i++) {
		board_sent(&b, 7 + i * 1448, i * 1000, 12500);
		cr_assert_leq(b.n, BOARD_RANGES);
		if (i % 2 == 0 && i > 300)
			board_acked(&b, 7 + (i - 300) * 1448, seen, NULL);
	}
	cr_expect_eq(board_pipe(&b), 300 * 1448);
	board_check(&b, 7 + (100000u - 300) * 1448, 7 + 100000u * 1448);
}

/* When there is little room times are coarse, by the slop and no more, however long it goes on. */
Test(board, coarse_times_do_not_lead_on)
{
	const uint32_t slop_us = 5000;
	struct board b;

	board_init(&b, 0);
	for (uint32_t i = 1; i <= BOARD_RANGES / 2; i++)
		board_sent(&b, i, 900 + i, 0);
	for (uint32_t i = 1; i <= 20; i++)
		board_sent(&b, BOARD_RANGES / 2 + i, 1000 + 1000 * i, slop_us);
	for (unsigned int i = BOARD_RANGES / 2 - 1; i < b.n; i++)
		cr_expect_leq(b.sent_us[i] - b.sent_us[i - 1], slop_us);
	cr_expect_leq(b.n, BOARD_RANGES / 2 + 5);
}

/* RFC 6675 2 and 4: three pieces, or more than two segments, whichever comes first. */
Test(board, three_pieces_or_two_segments_tell_of_a_loss)
{
	struct board b;

	board_init(&b, 0);
	board_sent(&b, 9000, 1, 0);
	for (uint32_t i = 1; i <= 3; i++) {
		cr_expect_not(board_dupthresh(&b, 1000), "%u pieces", i - 1);
		board_sack(&b, (struct seq_range){2000 * i, 2000 * i + 10}, seen, NULL);
	}
	cr_expect(board_dupthresh(&b, 1000));
	board_init(&b, 0);
	board_sent(&b, 9000, 1, 0);
	board_sack(&b, (struct seq_range){1000, 3000}, seen, NULL);
	cr_expect_not(board_dupthresh(&b, 1000));
	board_sack(&b, (struct seq_range){3000, 3001}, seen, NULL);
	cr_expect(board_dupthresh(&b, 1000));
}

/* RFC 8985 6.2 step 5: sent before what was delivered, by the reordering window. */
Test(rack, detects_by_time)
{
	struct rack rack = {.xmit_us = 5000, .end_seq = 4000, .rtt_us = 10000, .valid = true};
	struct board b;

	board_init(&b, 0);
	board_sent(&b, 1000, 4000, 0);
	board_sent(&b, 2000, 4500, 0);
	board_sent(&b, 3000, 5000, 0);
	board_sent(&b, 5000, 6000, 0);
	cr_expect_eq(rack_detect(&b, &rack, 15000, 2500), 2500, "until the last of the three is");
	cr_expect_eq(b.lost, 0);
	cr_expect_eq(rack_detect(&b, &rack, 16600, 2500), 900);
	cr_expect_eq(b.lost, 1000);
	cr_expect_eq(rack_detect(&b, &rack, 17500, 2500), 0);
	cr_expect_eq(b.lost, 3000, "what was sent later is none");
}

/* In one turn new octets may go out before what is sent again: their ACK says nothing of it. */
Test(rack, what_went_out_with_the_resent_says_nothing_of_it)
{
	struct rack rack = {.xmit_us = 5000, .end_seq = 4000, .rtt_us = 10000, .valid = true};
	struct board b;

	board_init(&b, 0);
	board_sent(&b, 3000, 1000, 0);
	board_sack(&b, (struct seq_range){1000, 3000}, seen, NULL);
	board_lose(&b, 0);
	board_sent(&b, 4000, 5000, 0);
	board_resent(&b, (struct seq_range){0, 1000}, 5000);
	cr_expect_eq(rack_detect(&b, &rack, 15000, 0), 0);
	cr_expect_eq(b.lost, 0);
	rack.resent = true;
	rack_detect(&b, &rack, 15000, 0);
	cr_expect_eq(b.lost, 1000);
}

Test(rack, window)
{
	struct rack_path p = {.min_rtt_us = 40000};
	struct rack r = {0};

	cr_expect_eq(rack_window_us(&p, false, false, 50000), 10000);
	cr_expect_eq(rack_window_us(&p, false, true, 50000), 0, "no reordering was ever seen");
	cr_expect_eq(rack_window_us(&p, true, false, 50000), 0);
	rack_dsack(&r, &p, 0, 500);
	cr_expect_not(p.reordered, "a second copy may be of a lost ACK");
	p = (struct rack_path){.min_rtt_us = 40000, .reordered = true};
	r = (struct rack){0};
	cr_expect_eq(rack_window_us(&p, true, true, 50000), 10000);
	for (unsigned int i = 0; i < 9; i++)
		rack_dsack(&r, &p, 1000 * i, 1000 * (i + 1));
	cr_expect_eq(p.mult, 9);
	cr_expect_eq(rack_window_us(&p, true, true, 50000), 50000, "at most SRTT");
	rack_dsack(&r, &p, 8500, 9500);
	cr_expect_eq(p.mult, 9, "once in a round trip");
}

/* A path that became longer: what was measured more than a minute ago says nothing of it. */
Test(rack, smallest_round_trip_is_of_the_last_minute)
{
	const uint32_t minute_ms = RACK_MIN_RTT_AGE << 10;
	struct rack_path path = {0};
	struct rack_ack a = {.path = &path, .rtt_us = 5000, .now_ms = 0u - minute_ms / 2};
	uint32_t from_ms = a.now_ms;

	rack_measure(&a);
	a.rtt_us = 40000;
	a.now_ms = from_ms + minute_ms - 1024;
	rack_measure(&a);
	cr_expect_eq(path.min_rtt_us, 5000);
	a.now_ms = from_ms + minute_ms;
	rack_measure(&a);
	cr_expect_eq(path.min_rtt_us, 40000);
	a.rtt_us = 30000;
	rack_measure(&a);
	cr_expect_eq(path.min_rtt_us, 30000, "a smaller one at once");
	a.rtt_us = 0;
	a.now_ms += minute_ms;
	rack_measure(&a);
	cr_expect_eq(path.min_rtt_us, 30000, "an ACK that measures nothing");
}

/* An answer to the first copy is no measurement of the second (step 2). */
Test(rack, answers_to_earlier_copies)
{
	struct rack rack = {0};
	struct rack_path path = {.min_rtt_us = 5000};
	struct rack_ack a = {.rack = &rack, .path = &path, .now_us = 100000,
			     .echo_age_us = UINT32_MAX, .cumulative = true};
	struct board_piece p = {{0, 10}, 97000, true};

	rack_seen(&a, &p);
	cr_expect_not(rack.valid, "faster than the path");
	p.sent_us = 90000;
	a.echo_age_us = 30000;
	rack_seen(&a, &p);
	cr_expect_not(rack.valid, "its echo is older");
	a.echo_age_us = 10000;
	rack_seen(&a, &p);
	cr_expect(rack.valid && rack.rtt_us == 10000);
	cr_expect_eq(a.rtt_us, 0, "Karn");
	cr_expect_eq(a.delivered, 30);
}

/* Behind a hole the receiver echoes what came before it: that says nothing of the copy. */
Test(rack, a_reported_copy_has_no_echo_of_its_own)
{
	struct rack rack = {0};
	struct rack_path path = {.min_rtt_us = 5000};
	struct rack_ack a = {.rack = &rack, .path = &path, .now_us = 100000,
			     .echo_age_us = 30000, .mending_us = 50000};
	struct board_piece p = {{0, 10}, 90000, true};

	rack_seen(&a, &p);
	cr_expect(rack.valid && rack.rtt_us == 10000);
	cr_expect_not(a.repeated);
	a.cumulative = true;
	rack_seen(&a, &p);
	cr_expect(a.repeated);
}

/* Sent again before the loss at hand was seen: its answer says nothing of that. */
Test(rack, a_copy_of_an_earlier_loss_is_no_repetition)
{
	struct rack rack = {0};
	struct rack_path path = {.min_rtt_us = 5000};
	struct rack_ack a = {.rack = &rack, .path = &path, .now_us = 100000, .cumulative = true,
			     .echo_age_us = UINT32_MAX, .mending_us = 9999};
	struct board_piece p = {{0, 10}, 90000, true};

	rack_seen(&a, &p);
	cr_expect_not(a.repeated);
	a.mending_us = 10000;
	rack_seen(&a, &p);
	cr_expect(a.repeated);
}

/* RFC 6937 section 3.2, its example: 20 segments, one lost, beta 1/2: every other ACK sends one. */
Test(prr, halves_in_proportion)
{
	uint32_t pipe = 19, sent = 0;
	struct prr p;

	prr_begin(&p, 20);
	for (unsigned int i = 0; i < 19; i++) {
		uint64_t window;

		pipe--;
		window = prr_window(&p, 1, pipe, 10, 1);
		if (window > pipe) {
			sent++;
			p.out++;
			pipe++;
		}
	}
	cr_expect(sent >= 9 && sent <= 10, "%u", sent);
	cr_expect_eq(pipe, 10, "ends at ssthresh: %u", pipe);
	prr_begin(&p, 20);
	cr_expect_eq(prr_window(&p, 1, 2, 10, 1), 2 + 2, "below ssthresh: one more than delivered");
}

/* 3.1: in slow start's part the window comes back to ssthresh, and not beyond. */
Test(prr, grows_back_to_ssthresh_and_no_further)
{
	uint32_t pipe = 4;
	struct prr p;

	prr_begin(&p, 20);
	for (unsigned int i = 0; i < 9; i++) {
		uint64_t window = prr_window(&p, 3, pipe, 10, 1);

		cr_assert_eq(window, MR_MIN(pipe + 4, 10u), "from %u to %lu", pipe,
			     (unsigned long)window);
		p.out += (uint32_t)window - pipe;
		pipe = (uint32_t)window - (i & 1);
	}
}

Test(sack_judge, tells_duplicates_from_blocks)
{
	const struct sack_span span = {1000, 5000, 500};
	const struct seq_range below[] = {{600, 700}, {3000, 4000}, {2000, 2500}};
	const struct seq_range inside[] = {{3100, 3200}, {3000, 4000}};
	const struct seq_range wrong[] = {{400, 600}, {900, 1100}, {4000, 5001}, {3000, 3000}};
	struct sack_news n;

	sack_judge(&n, below, 3, &span);
	cr_expect(n.duplicate.left == 600 && n.n == 2 && n.ignored == 0);
	cr_expect(n.block[0].left == 2000 && n.block[1].left == 3000, "ascending");
	sack_judge(&n, inside, 2, &span);
	cr_expect(n.duplicate.left == 3100 && n.n == 1);
	sack_judge(&n, wrong, 4, &span);
	cr_expect(seq_range_empty(&n.duplicate) && n.n == 0 && n.ignored == 4);
}
