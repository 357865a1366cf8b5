/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CUBIC (RFC 9438) in integers: octets and milliseconds. All its time is of congestion avoidance in
 * which the window was used. A curve (an epoch) is laid when congestion avoidance begins, by one
 * cube root; then an ACK costs a few multiplications.
 */
#include "cc.h"

#include "check.h"

/* RFC 9438 4.6, 4.7: beta is 0.7, and fast convergence leaves (1 + beta) / 2 = 0.85. */
#define BETA_TENTHS		7u
#define CONVERGENCE_TWENTIETHS	17u
/* Beyond this far from its plateau any curve has left [0, CC_CWND_MAX]: 0.4 * 1048^3 segments. */
#define SPAN_MAX_MS		(1u << 20)

/*
 * C |t|^3 in octets. C is 0.4 segments / s^3 = 4e-10 segments / ms^3; times 2^20, in units of
 * 2^-26, it is 28147.497. The bits dropped from t^3 are worth half an octet.
 */
static uint64_t cube_octets(const struct cc *cc, uint32_t ms)
{
	uint64_t t = MR_MIN(ms, SPAN_MAX_MS);
	uint64_t scaled = (t * t * t >> 20) * cc->smss;		/* 40 + 16 bits */

	scaled = MR_MIN(scaled, (uint64_t)1 << 42);		/* is beyond CC_CWND_MAX already */
	return (scaled * 28147 + scaled / 2) >> 26;		/* 42 + 15 bits */
}

/* The cube root of `octets` / C, in ms: how far from the plateau the curve is so much off it. */
static uint32_t span_ms(const struct cc *cc, uint32_t octets)
{
	return cubic_root((uint64_t)octets * 2500000000u / cc->smss);	/* 30 + 32 bits */
}

uint32_t cubic_root(uint64_t x)
{
	uint64_t root = 0, step;

	/* digit by digit, from the highest: (root + 1)^3 - root^3 is what the next one costs */
	for (int shift = 63; shift >= 0; shift -= 3) {
		root <<= 1;
		step = 3 * root * (root + 1) + 1;
		if (x >> shift >= step) {
			x -= step << shift;
			root++;
		}
	}
	return (uint32_t)root;
}

/* Equation 1 at the time that is given; never below 0. */
static uint64_t window_at(const struct cc *cc, uint32_t at_ms)
{
	const struct cubic *q = &cc->cubic;
	uint32_t after_ms = at_ms - q->origin_ms;
	uint64_t cube;

	if (after_ms < 1u << 31)
		return q->w_max + cube_octets(cc, after_ms);
	cube = cube_octets(cc, -after_ms);
	return q->w_max > cube ? q->w_max - cube : 0;
}

/*
 * 4.2, 4.10: equation 2 gives K. With a window above W_max (none is known, or it was passed
 * unnoticed) the curve begins at its plateau.
 */
static void epoch_begin(struct cc *cc, uint32_t now_ms)
{
	struct cubic *q = &cc->cubic;

	q->w_max = MR_MAX(q->w_max, cc->cwnd);
	q->origin_ms = now_ms + span_ms(cc, q->w_max - cc->cwnd);
	q->w_est = cc->cwnd;
	q->est_acked = 0;
	cc->flags |= CC_EPOCH;
}

/* The window is as it was, so its place on the curve tells where that lies in time. */
void cubic_resume(struct cc *cc, uint32_t now_ms)
{
	struct cubic *q = &cc->cubic;
	uint32_t w_max = q->w_max, w_est = q->w_est;

	epoch_begin(cc, now_ms);
	if (w_est != 0)
		q->w_est = MR_MIN(w_est, cc->cwnd);
	if (w_max != 0 && cc->cwnd > w_max) {	/* it had passed the plateau */
		q->w_max = w_max;
		q->origin_ms = now_ms - span_ms(cc, cc->cwnd - w_max);
	}
}

void cubic_end(struct cc *cc)
{
	cc->cubic.w_est = 0;
	cc->flags = (uint8_t)(cc->flags & ~CC_EPOCH);
}

void cubic_shift(struct cc *cc, uint32_t ms) { cc->cubic.origin_ms += ms; }

/*
 * 4.3, equation 4: alpha segments a window, in steps of one. alpha is 3 (1 - beta) / (1 + beta) =
 * 9/17, and 1 once the window of before the loss is reached.
 */
static void estimate_reno(struct cc *cc, uint32_t acked)
{
	struct cubic *q = &cc->cubic;
	uint32_t a_segment = cc->cwnd;

	if (q->w_est < cc->prior_cwnd)
		a_segment += cc->cwnd / 9 * 8;
	q->est_acked += MR_MIN(acked, cc->cwnd);
	if (q->est_acked < a_segment)
		return;
	q->est_acked -= a_segment;
	q->w_est = MR_MIN(q->w_est + cc->smss, CC_CWND_MAX);
}

void cubic_avoid(struct cc *cc, const struct cc_ack *ack)
{
	uint64_t target;

	if ((cc->flags & CC_EPOCH) == 0)
		epoch_begin(cc, ack->now_ms);
	estimate_reno(cc, ack->acked);
	if (window_at(cc, ack->now_ms) < cc->cubic.w_est) {	/* 4.3, Reno-friendly */
		cc_set_window(cc, MR_MAX(cc->cwnd, cc->cubic.w_est));
		return;
	}
	/* 4.4, 4.5: to where the curve is a round trip from now, at most half as much again */
	target = window_at(cc, ack->now_ms + ack->srtt_us / 1000);
	target = MR_MIN(target, (uint64_t)cc->cwnd + cc->cwnd / 2);
	if (target > cc->cwnd)
		cc_grow(cc, ack->acked, (uint32_t)target - cc->cwnd);
}

uint32_t cubic_threshold(const struct cc *cc, uint32_t flight)
{
	return MR_MAX(flight / 10 * BETA_TENTHS, 2u * cc->smss);
}

uint32_t cubic_w_max(const struct cc *cc)
{
	return cc->cwnd < cc->cubic.w_max ? cc->cwnd / 20 * CONVERGENCE_TWENTIETHS : cc->cwnd;
}
