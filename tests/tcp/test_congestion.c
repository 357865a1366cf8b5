/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The congestion window over time: CUBIC against the equations of RFC 9438 in double, step by step
 * and at chosen times; its undoing, pauses and extremes; an algorithm that does not control at all.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "cc.h"
#include "check.h"
#include "rng.h"

#define SMSS	1460u
#define C	0.4
#define BETA	0.7

/* A path and its sender: one ACK for each segment, evenly over a round trip of full windows. */
struct path {
	struct cc cc;
	double now_s, rtt_s;
};

static double segs(uint32_t octets) { return (double)octets / SMSS; }

static void begin(struct path *p, enum cc_algorithm_id id, double rtt_s, uint32_t cwnd_segs)
{
	*p = (struct path){.now_s = 1000, .rtt_s = rtt_s};
	cc_init(&p->cc, id, SMSS, cwnd_segs * SMSS);
}

static uint32_t now_ms(const struct path *p) { return (uint32_t)(p->now_s * 1000 + 1e-6); }

static void got_ack(struct path *p, uint32_t acked, uint32_t flight)
{
	const struct cc_ack ack = {.acked = acked, .flight = flight, .now_ms = now_ms(p),
				   .srtt_us = (uint32_t)(p->rtt_s * 1e6)};

	cc_acked(&p->cc, &ack);
}

static void next_ack(struct path *p)
{
	p->now_s += p->rtt_s / segs(p->cc.cwnd);
	got_ack(p, SMSS, p->cc.cwnd);
}

static void run(struct path *p, double seconds)
{
	double end_s = p->now_s + seconds;

	while (p->now_s < end_s)
		next_ack(p);
}

/* A loss, mended at once: the window is what was left of it. */
static void lose(struct path *p)
{
	cc_loss(&p->cc, p->cc.cwnd);
	cc_set_window(&p->cc, p->cc.ssthresh);
}

/* ---- the twin: RFC 9438, its variables and equations, in segments ---- */

struct twin {
	double cwnd, w_max, k, t_epoch, w_est, cwnd_prior;
	bool epoch;
};

/* `below` W_max: asked of the window in whole segments, or both might part at the plateau. */
static void twin_lose(struct twin *t, bool below)
{
	t->cwnd_prior = t->cwnd;
	t->w_max = below ? t->cwnd * (1 + BETA) / 2 : t->cwnd;			/* 4.7 */
	t->cwnd = fmax(t->cwnd * BETA, 2);					/* 4.6 */
	t->epoch = false;
}

static double twin_curve(const struct twin *t, double now_s)
{
	return C * pow(now_s - t->t_epoch - t->k, 3) + t->w_max;
}

static void twin_ack(struct twin *t, double now_s, double rtt_s)
{
	double alpha, target;

	if (!t->epoch) {
		t->w_max = fmax(t->w_max, t->cwnd);
		t->k = cbrt((t->w_max - t->cwnd) / C);
		t->t_epoch = now_s;
		t->w_est = t->cwnd;
		t->epoch = true;
	}
	alpha = t->w_est < t->cwnd_prior ? 3 * (1 - BETA) / (1 + BETA) : 1;
	t->w_est += alpha / t->cwnd;
	if (twin_curve(t, now_s) < t->w_est) {
		t->cwnd = fmax(t->cwnd, t->w_est);
		return;
	}
	target = fmin(fmax(twin_curve(t, now_s + rtt_s), t->cwnd), 1.5 * t->cwnd);
	t->cwnd += (target - t->cwnd) / t->cwnd;
}

/* Both from the same loss, over the same ACKs; how far they ever are apart, as a share. */
static double apart(struct path *p, struct twin *t, double seconds)
{
	double end_s = p->now_s + seconds, worst = 0;

	while (p->now_s < end_s) {
		next_ack(p);
		twin_ack(t, p->now_s, p->rtt_s);
		worst = fmax(worst, fabs(segs(p->cc.cwnd) - t->cwnd) / t->cwnd);
	}
	return worst;
}

/* ---- CUBIC ---- */

Test(congestion, cube_root_is_exact)
{
	struct mr_rng rng;

	mr_rng_seed(&rng, 77);
	cr_expect_eq(cubic_root(0), 0);
	cr_expect_eq(cubic_root(UINT64_MAX), 2642245);
	for (unsigned int i = 0; i < 200000; i++) {
		uint64_t n = 1 + mr_rng_next(&rng) % 2642245;

		cr_assert_eq(cubic_root(n * n * n), n);
		cr_assert_eq(cubic_root(n * n * n - 1), n - 1);
	}
}

/* W(t) = C (t - K)^3 + W_max, in the concave part, at the plateau and in the convex part. */
Test(congestion, cubic_follows_its_curve)
{
	static const double at_s[] = {1, 3, 6, 9, 12, 15, 20};
	struct path p;
	double start_s, k;

	begin(&p, CC_CUBIC, 0.1, 1000);
	lose(&p);
	cr_expect_eq(p.cc.ssthresh, 1000 * SMSS / 10 * 7, "4.6");
	cr_expect_eq(p.cc.cubic.w_max, 1000 * SMSS);
	start_s = p.now_s;
	k = cbrt(1000 * (1 - BETA) / C);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(at_s); i++) {
		double want = C * pow(at_s[i] - k, 3) + 1000, have;

		run(&p, start_s + at_s[i] - p.now_s);
		have = segs(p.cc.cwnd);
		cr_log_info("t %4.1f s: W(t) %7.1f, cwnd %7.1f segments\n", at_s[i], want, have);
		cr_expect(fabs(have - want) < 0.01 * want, "t %g: %g, not %g", at_s[i], have, want);
	}
}

/* Paths from a LAN to a satellite: both regions, several losses, fast convergence. */
Test(congestion, cubic_equals_its_equations)
{
	static const struct { double rtt_s; uint32_t cwnd; } paths[] = {
		{0.001, 20}, {0.005, 50}, {0.02, 100}, {0.1, 60}, {0.1, 2000}, {0.3, 300},
		{0.6, 5000},
	};

	static const double round_trips[] = {20, 70, 110, 35};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(paths); i++) {
		struct path p;
		struct twin t = {.cwnd = paths[i].cwnd};
		double worst = 0;

		begin(&p, CC_CUBIC, paths[i].rtt_s, paths[i].cwnd);
		for (unsigned int losses = 0; losses < 4; losses++) {
			lose(&p);
			twin_lose(&t, p.cc.prior_cwnd < p.cc.prior_w_max);
			worst = fmax(worst, apart(&p, &t, round_trips[losses] * p.rtt_s));
		}
		cr_log_info("rtt %5.3f s, from %4u segments: at most %.2f %% off\n", p.rtt_s,
			    paths[i].cwnd, 100 * worst);
		/* the window moves in whole segments */
		cr_expect_lt(worst, 0.01 + 1.5 / paths[i].cwnd, "path %u: %g", i, worst);
	}
}

/* 4.7: a loss before the old W_max is reached gives room to others. */
Test(congestion, cubic_converges_fast)
{
	struct path p;

	begin(&p, CC_CUBIC, 0.05, 1000);
	lose(&p);
	lose(&p);
	cr_expect_eq(p.cc.cubic.w_max, 700 * SMSS / 20 * 17, "0.85 of the window, not all of it");
	run(&p, 12);
	cr_assert_gt(p.cc.cwnd, p.cc.cubic.w_max);
	lose(&p);
	cr_expect_eq(p.cc.cubic.w_max, p.cc.prior_cwnd, "beyond the old one: all of it");
}

/* 4.3: on a short path as fast as Reno: 9/17 segments a round trip, then one. */
Test(congestion, cubic_is_reno_friendly)
{
	struct path p;
	uint32_t before;

	begin(&p, CC_CUBIC, 0.002, 100);
	lose(&p);
	run(&p, 34 * p.rtt_s);
	cr_expect(fabs(segs(p.cc.cwnd) - (70 + 18)) <= 1, "%g", segs(p.cc.cwnd));
	while (p.cc.cwnd < 100 * SMSS)
		next_ack(&p);
	before = p.cc.cwnd;
	run(&p, 20 * p.rtt_s);
	cr_expect(fabs(segs(p.cc.cwnd - before) - 20) <= 1, "%g", segs(p.cc.cwnd - before));
	cr_expect_lt(p.now_s - 1000, cbrt(30 / C), "long before its own curve is at W_max");
}

/* 4.8: after a timeout the first curve begins at its plateau. */
Test(congestion, cubic_after_a_timeout)
{
	struct path p;

	begin(&p, CC_CUBIC, 0.1, 1000);
	cc_timeout(&p.cc, p.cc.cwnd, false);
	cr_expect_eq(p.cc.cwnd, SMSS);
	cr_expect_eq(p.cc.ssthresh, 700 * SMSS, "beta is CUBIC's (4.8)");
	cc_timeout(&p.cc, SMSS, true);
	cr_expect_eq(p.cc.ssthresh, 700 * SMSS, "RFC 5681 3.1: held");
	while (p.cc.cwnd < p.cc.ssthresh)
		next_ack(&p);
	next_ack(&p);
	cr_expect_eq(p.cc.cubic.w_max, 700 * SMSS);
	cr_expect_eq(p.cc.cubic.origin_ms, p.cc.acked_ms, "K is 0");
}

/* No time passes for the curve while nothing is outstanding, or the window is not used (5.8). */
Test(congestion, cubic_does_not_count_pauses)
{
	struct path p, paused;
	double until_s;

	begin(&p, CC_CUBIC, 0.1, 1000);
	lose(&p);
	run(&p, 8);
	paused = p;
	run(&p, 10);
	paused.now_s += 30;		/* at rest */
	cc_idle(&paused.cc, now_ms(&paused), CC_CWND_MAX);
	for (unsigned int i = 0; i < 300; i++) {	/* a trickle */
		paused.now_s += 0.1;
		got_ack(&paused, SMSS, 2 * SMSS);
	}
	until_s = p.now_s + 60;
	while (paused.now_s < until_s)
		next_ack(&paused);
	cr_expect(fabs(segs(p.cc.cwnd) - segs(paused.cc.cwnd)) <= 2, "%g, %g", segs(p.cc.cwnd),
		  segs(paused.cc.cwnd));
}

/* RFC 5681 4.1: slow start from the restart window to ssthresh, then on from there to W_max. */
Test(congestion, cubic_restarts_after_idling)
{
	struct path p;
	double k;

	begin(&p, CC_CUBIC, 0.1, 1000);
	lose(&p);
	run(&p, 5);
	p.now_s += 10;
	cc_idle(&p.cc, now_ms(&p), 10 * SMSS);
	cr_expect_eq(p.cc.cwnd, 10 * SMSS);
	while (p.cc.cwnd < p.cc.ssthresh)
		next_ack(&p);
	k = cbrt((1000 - segs(p.cc.cwnd)) / C);
	run(&p, k);
	cr_expect(fabs(segs(p.cc.cwnd) - 1000) < 10, "%g", segs(p.cc.cwnd));
}

/* 4.9: before and beyond the plateau, a loss that was none leaves no trace. */
Test(congestion, event_that_was_none_is_undone)
{
	static const double at_s[] = {2, 5, 9, 14};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(at_s); i++) {
		struct path p, fooled;

		begin(&p, CC_CUBIC, 0.1, 1000);
		lose(&p);
		run(&p, at_s[i]);
		fooled = p;
		if (i % 2 == 0)
			lose(&fooled);
		else
			cc_timeout(&fooled.cc, fooled.cc.cwnd, false);
		cr_expect_lt(fooled.cc.cwnd, p.cc.cwnd);
		cc_undo(&fooled.cc, now_ms(&fooled));
		cr_expect_eq(fooled.cc.cwnd, p.cc.cwnd);
		cr_expect_eq(fooled.cc.ssthresh, p.cc.ssthresh);
		cr_expect_eq(fooled.cc.cubic.w_max, p.cc.cubic.w_max);
		cc_undo(&fooled.cc, now_ms(&fooled) + 1000);	/* once */
		run(&p, 6);
		run(&fooled, 6);
		cr_expect(fabs(segs(fooled.cc.cwnd) - segs(p.cc.cwnd)) < 0.004 * segs(p.cc.cwnd),
			  "at %g s: %g, not %g", at_s[i], segs(fooled.cc.cwnd), segs(p.cc.cwnd));
	}
}

Test(congestion, undoing_gives_slow_start_back)
{
	struct path p;

	begin(&p, CC_NEWRENO, 0.1, 40);
	cc_undo(&p.cc, 0);
	cr_expect_eq(p.cc.cwnd, 40 * SMSS, "there was no event");
	cc_timeout(&p.cc, p.cc.cwnd, false);
	cc_undo(&p.cc, now_ms(&p));
	cr_expect_eq(p.cc.cwnd, 40 * SMSS);
	cr_expect_eq(p.cc.ssthresh, CC_SSTHRESH_INFINITE);
}

/* Slow start that is taken up again does not end on the curve of the loss that was none. */
Test(congestion, undoing_in_slow_start_leaves_no_curve)
{
	struct path p;

	begin(&p, CC_CUBIC, 0.1, 100);
	cc_timeout(&p.cc, p.cc.cwnd, false);
	while (segs(p.cc.cwnd) < 40)
		next_ack(&p);
	cr_assert_lt(p.cc.cwnd, p.cc.ssthresh);
	lose(&p);
	run(&p, 0.5);
	cr_assert(p.cc.flags & CC_EPOCH);
	cc_undo(&p.cc, now_ms(&p));
	cr_assert_lt(p.cc.cwnd, p.cc.ssthresh);
	cr_expect_eq(p.cc.flags & CC_EPOCH, 0);
	while (p.cc.cwnd < p.cc.ssthresh)
		next_ack(&p);
	next_ack(&p);
	cr_expect_leq(p.cc.cubic.w_est, p.cc.cwnd);
	cr_expect_geq(p.cc.cubic.w_max, p.cc.cwnd - SMSS);
}

static void any_ack(struct cc *cc, struct mr_rng *rng, uint32_t acked, uint32_t ms)
{
	const struct cc_ack ack = {
		.acked = acked, .flight = cc->cwnd, .now_ms = ms,
		.srtt_us = (uint32_t)mr_rng_next(rng),
		.rtt_us = (uint32_t)mr_rng_next(rng) >> mr_rng_below(rng, 32),
		.una = (uint32_t)mr_rng_next(rng), .nxt = (uint32_t)mr_rng_next(rng),
		.paced = mr_rng_next(rng) % 2,
	};

	cc_acked(cc, &ack);
}

/* Whatever segments, windows and clocks: within bounds, and growing but for congestion. */
Test(congestion, extremes_stay_within_bounds)
{
	struct mr_rng rng;

	mr_rng_seed(&rng, 4711);
	for (unsigned int round = 0; round < 3000; round++) {
		static const uint16_t sizes[] = {52, 536, 1460, 8948, 65535};
		uint16_t smss = sizes[mr_rng_next(&rng) % MR_ARRAY_LEN(sizes)];
		uint32_t ms = (uint32_t)mr_rng_next(&rng);
		struct cc cc;

		cc_init(&cc, round % 2 ? CC_CUBIC : CC_NEWRENO, smss, smss * 10u);
		for (unsigned int i = 0; i < 200; i++) {
			uint32_t acked = 1 + (uint32_t)mr_rng_below(&rng, CC_CWND_MAX);
			bool first = cc.flags & CC_HYSTART;
			uint32_t before = cc.cwnd, step = before / (first ? 1 : 2);
			unsigned int what = mr_rng_next(&rng) % 16;

			ms += (uint32_t)mr_rng_next(&rng) >> mr_rng_below(&rng, 32);
			if (what == 0)
				cc_loss(&cc, cc.cwnd);
			else if (what == 1)
				cc_timeout(&cc, cc.cwnd, mr_rng_next(&rng) % 2);
			else if (what == 2)
				cc_undo(&cc, ms);
			else if (what == 3)
				cc_idle(&cc, ms, smss * 10u);
			else
				any_ack(&cc, &rng, acked, ms);
			cr_assert(cc.cwnd >= smss && cc.cwnd <= CC_CWND_MAX);
			cr_assert(what == 1 || what == 3 || cc.cwnd >= before);
			cr_assert(what <= 3 || cc.cwnd <= before + MR_MAX(step, 8u * smss) + smss);
		}
	}
}

Test(congestion, none_controls_nothing)
{
	struct cc cc;

	cc_init(&cc, CC_NONE, SMSS, 10 * SMSS);
	cr_expect_eq(cc.cwnd, CC_CWND_MAX);
	cc_loss(&cc, 5 * SMSS);
	cc_set_window(&cc, cc.ssthresh);
	cc_timeout(&cc, 5 * SMSS, false);
	cc_acked(&cc, &(struct cc_ack){.acked = SMSS, .flight = CC_CWND_MAX});
	cc_idle(&cc, 1000, 10 * SMSS);
	cc_undo(&cc, 2000);
	cr_expect_eq(cc.cwnd, CC_CWND_MAX);
}
