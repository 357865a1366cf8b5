/* SPDX-License-Identifier: BSD-3-Clause */
/* impair's chance: what is drawn, in which order, and how often; link and heap in time alone. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "fate.h"
#include "hold.h"
#include "shape.h"

#define FRAMES 200000u

static struct imp_dice dice;
static struct imp_params p;
static struct imp_fate fate;

static void setup(void)
{
	memset(&p, 0, sizeof(p));
	imp_dice_init(&dice, 7, 0);
}

TestSuite(impair_fate, .init = setup);

/* The promise of fate.h, drawn by hand: which number of a frame's nine decides what. */
Test(impair_fate, nine_numbers_a_frame_in_this_order)
{
	struct mr_rng rng;
	double u[8];

	p = (struct imp_params){.loss = 0.3,
				.duplicate = 0.4,
				.corrupt = 0.5,
				.reorder = 0.2,
				.mark = 0.6,
				.delay_ns = 1000000,
				.jitter_ns = 500000};
	mr_rng_seed(&rng, 2 * 7 + 0);
	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t bit, delay;

		imp_fate_draw(&dice, &p, &fate);
		for (unsigned int k = 0; k < 8; k++)
			u[k] = mr_rng_unit(&rng);
		bit = mr_rng_next(&rng);
		delay = (uint64_t)(1000000 + (2 * u[5] - 1) * 500000);
		cr_assert_eq(fate.lost, u[0] < 0.3, "frame %u", i);
		cr_assert_eq(fate.duplicated, u[2] < 0.4);
		cr_assert_eq(fate.corrupted, u[3] < 0.5);
		cr_assert_eq(fate.jumps, u[4] < 0.2);
		cr_assert_eq(fate.delay_ns, fate.jumps ? 0 : delay);
		cr_assert_eq(fate.marked, u[7] < 0.6);
		cr_assert_eq(fate.bit_draw, bit);
	}
}

/* What else is switched on moves no decision, and a higher share only adds. */
Test(impair_fate, more_loss_loses_the_same_frames_and_more)
{
	struct imp_params few = {.loss = 0.01};
	struct imp_params many = {
		.loss = 0.05, .duplicate = 0.5, .corrupt = 0.1, .jitter_ns = 1000, .normal = true};
	struct imp_dice other = dice;
	unsigned int both = 0, lost = 0;

	for (unsigned int i = 0; i < FRAMES; i++) {
		struct imp_fate a, b;

		imp_fate_draw(&dice, &few, &a);
		imp_fate_draw(&other, &many, &b);
		cr_assert(!a.lost || b.lost, "frame %u", i);
		both += a.lost;
		lost += b.lost;
	}
	cr_assert_gt(both, 0);
	cr_assert_gt(lost, 4 * both);
}

Test(impair_fate, same_seed_same_fates_and_other_seed_other_fates)
{
	struct imp_dice again, other, back;
	unsigned int differ_seed = 0, differ_way = 0;

	p.loss = 0.5;
	imp_dice_init(&again, 7, 0);
	imp_dice_init(&other, 8, 0);
	imp_dice_init(&back, 7, 1);
	for (unsigned int i = 0; i < 1000; i++) {
		struct imp_fate f[4];

		imp_fate_draw(&dice, &p, &f[0]);
		imp_fate_draw(&again, &p, &f[1]);
		imp_fate_draw(&other, &p, &f[2]);
		imp_fate_draw(&back, &p, &f[3]);
		cr_assert(f[0].lost == f[1].lost && f[0].bit_draw == f[1].bit_draw);
		differ_seed += f[0].lost != f[2].lost;
		differ_way += f[0].lost != f[3].lost;
	}
	/* Half of 1000 is expected, with a standard deviation of 16. */
	cr_assert(differ_seed > 420 && differ_seed < 580, "%u", differ_seed);
	cr_assert(differ_way > 420 && differ_way < 580, "%u", differ_way);
}

/* Five standard deviations of a binomial count. */
static void expect_share(const char *what, unsigned int n, double share)
{
	double mean = FRAMES * share, off = 5 * sqrt(FRAMES * share * (1 - share));

	cr_assert(fabs(n - mean) <= off, "%s: %u of %u, expected %.0f +- %.0f", what, n, FRAMES,
		  mean, off);
}

Test(impair_fate, shares_are_as_asked_for)
{
	unsigned int n[5] = {0};

	p = (struct imp_params){
		.loss = 0.001, .duplicate = 0.01, .corrupt = 0.02, .reorder = 0.25, .mark = 0.9};
	for (unsigned int i = 0; i < FRAMES; i++) {
		imp_fate_draw(&dice, &p, &fate);
		n[0] += fate.lost;
		n[1] += fate.duplicated;
		n[2] += fate.corrupted;
		n[3] += fate.jumps;
		n[4] += fate.marked;
	}
	expect_share("loss", n[0], 0.001);
	expect_share("duplicate", n[1], 0.01);
	expect_share("corrupt", n[2], 0.02);
	expect_share("reorder", n[3], 0.25);
	expect_share("mark", n[4], 0.9);
}

Test(impair_fate, never_and_always)
{
	unsigned int lost = 0;

	for (unsigned int i = 0; i < FRAMES; i++) {
		imp_fate_draw(&dice, &p, &fate);
		cr_assert(!fate.lost && !fate.duplicated && !fate.corrupted && !fate.jumps &&
			  !fate.marked && fate.delay_ns == 0);
	}
	p.loss = 1;
	for (unsigned int i = 0; i < FRAMES; i++) {
		imp_fate_draw(&dice, &p, &fate);
		lost += fate.lost;
	}
	cr_assert_eq(lost, FRAMES);
}

/* Bursts of 1/leave frames, in enter/(enter+leave) of all. */
Test(impair_fate, bursts_have_the_length_and_share_of_gilbert_and_elliott)
{
	unsigned int lost = 0, bursts = 0;
	bool before = false;
	double share, length;

	p = (struct imp_params){.burst_enter = 0.01, .burst_leave = 0.2, .burst_bad = 1};
	for (unsigned int i = 0; i < FRAMES; i++) {
		imp_fate_draw(&dice, &p, &fate);
		bursts += fate.lost && !before;
		lost += fate.lost;
		before = fate.lost;
	}
	share = (double)lost / FRAMES;
	length = (double)lost / bursts;
	cr_assert(fabs(share - 0.01 / 0.21) < 0.005, "%f", share);
	cr_assert(fabs(length - 5) < 0.4, "%f", length);
}

Test(impair_fate, loss_inside_and_outside_of_bursts)
{
	unsigned int lost[2] = {0}, seen[2] = {0};

	p = (struct imp_params){.loss = 1 /* not looked at */,
				.burst_enter = 0.1,
				.burst_leave = 0.1,
				.burst_bad = 0.7,
				.burst_good = 0.02};
	for (unsigned int i = 0; i < FRAMES; i++) {
		bool bad = dice.bad;

		imp_fate_draw(&dice, &p, &fate);
		seen[bad]++;
		lost[bad] += fate.lost;
	}
	cr_assert(fabs((double)lost[1] / seen[1] - 0.7) < 0.01);
	cr_assert(fabs((double)lost[0] / seen[0] - 0.02) < 0.003);
}

static void spread_of(double *mean, double *deviation, double *least, double *most)
{
	double sum = 0, squares = 0;

	*least = 1e18;
	*most = 0;
	for (unsigned int i = 0; i < FRAMES; i++) {
		double ms;

		imp_fate_draw(&dice, &p, &fate);
		ms = (double)fate.delay_ns / 1e6;
		sum += ms;
		squares += ms * ms;
		*least = MR_MIN(*least, ms);
		*most = MR_MAX(*most, ms);
	}
	*mean = sum / FRAMES;
	*deviation = sqrt(squares / FRAMES - *mean * *mean);
}

Test(impair_fate, jitter_uniform_and_normal)
{
	double mean, deviation, least, most;

	p.delay_ns = 100000000;
	p.jitter_ns = 10000000;
	spread_of(&mean, &deviation, &least, &most);
	cr_assert(fabs(mean - 100) < 0.1 && fabs(deviation - 10 / sqrt(3)) < 0.05, "%f %f", mean,
		  deviation);
	cr_assert(least >= 90 && least < 90.01 && most <= 110 && most > 109.99);
	p.normal = true;
	spread_of(&mean, &deviation, &least, &most);
	cr_assert(fabs(mean - 100) < 0.12 && fabs(deviation - 10) < 0.1, "%f %f", mean, deviation);
	cr_assert(least < 100 - 35 && most > 100 + 35);
	/* Time does not run backwards: what would be early is at once. */
	p.delay_ns = 0;
	spread_of(&mean, &deviation, &least, &most);
	cr_assert(least >= 0 && fabs(mean - 10 / sqrt(2 * 3.14159265)) < 0.05, "%f", mean);
}

/* ---- the link ---- */

static struct imp_leaving ring[4];
static struct imp_shape shape;

Test(impair_shape, a_frame_takes_its_bits_and_waits_for_those_before)
{
	shape = (struct imp_shape){.rate_bps = 8000000, .frames_max = 4, .ring = ring};
	cr_assert_eq(imp_shape_enter(&shape, 1000, 5000), 5000 + 1000000);
	cr_assert_eq(imp_shape_enter(&shape, 500, 5000), 5000 + 1500000);
	/* after a pause it begins anew */
	imp_shape_advance(&shape, 9000000);
	cr_assert_eq(imp_shape_enter(&shape, 100, 9000000), 9000000 + 100000);
}

/* 100 Gbit/s: 64 octets are 5.12 ns, and 100 of them 512, not 500. */
Test(impair_shape, parts_of_a_nanosecond_add_up)
{
	uint64_t at = 0;

	shape = (struct imp_shape){.rate_bps = 100000000000, .frames_max = 4, .ring = ring};
	for (unsigned int i = 1; i <= 100; i++) {
		imp_shape_advance(&shape, at);
		at = imp_shape_enter(&shape, 64, 0);
		cr_assert_eq(at, i * 512 / 100);
	}
}

Test(impair_shape, queue_of_frames_and_of_octets)
{
	shape = (struct imp_shape){
		.rate_bps = 8000000, .frames_max = 4, .octets_max = 2500, .ring = ring};
	cr_assert(imp_shape_room(&shape, 2500));
	cr_assert(!imp_shape_room(&shape, 2501));
	imp_shape_enter(&shape, 1000, 0);
	imp_shape_enter(&shape, 1000, 0);
	cr_assert(imp_shape_room(&shape, 500));
	cr_assert(!imp_shape_room(&shape, 501), "octets");
	imp_shape_enter(&shape, 100, 0);
	imp_shape_enter(&shape, 100, 0);
	cr_assert(!imp_shape_room(&shape, 100), "frames");
	imp_shape_advance(&shape, 999999);
	cr_assert(!imp_shape_room(&shape, 100), "its last bit has not left");
	imp_shape_advance(&shape, 1000000);
	cr_assert(imp_shape_room(&shape, 1300));
	cr_assert(!imp_shape_room(&shape, 1301));
	imp_shape_advance(&shape, UINT64_MAX);
	cr_assert(shape.octets == 0 && shape.head == shape.tail);
}

/* ---- the heap ---- */

/* Against the definition: always the earliest, among equals the first to come. */
Test(impair_hold, earliest_first_and_stable)
{
	enum { MANY = 500 };
	static struct imp_held naive[MANY];
	struct imp_hold h;
	struct mr_rng rng;
	uint64_t number = 0;
	uint32_t n = 0;

	mr_rng_seed(&rng, 3);
	cr_assert(imp_hold_init(&h, MANY));
	cr_assert_eq(imp_hold_due_ns(&h), UINT64_MAX);
	for (unsigned int i = 0; i < 50000; i++) {
		struct imp_held f, *first = naive;

		if (n == 0 || (n < MANY && mr_rng_below(&rng, 100) < (i % 2000 < 1000 ? 60 : 40))) {
			f = (struct imp_held){.due_ns = mr_rng_below(&rng, 40), .number = number++};
			imp_hold_put(&h, &f);
			naive[n++] = f;
			continue;
		}
		for (uint32_t k = 1; k < n; k++)
			if (naive[k].due_ns < first->due_ns ||
			    (naive[k].due_ns == first->due_ns && naive[k].number < first->number))
				first = &naive[k];
		cr_assert_eq(imp_hold_due_ns(&h), first->due_ns);
		imp_hold_take(&h, &f);
		cr_assert(f.due_ns == first->due_ns && f.number == first->number);
		*first = naive[--n];
		cr_assert_eq(h.n, n);
	}
	imp_hold_fini(&h);
}
