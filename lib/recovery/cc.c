/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The window arithmetic that all algorithms share (RFC 5681), NewReno's own and none's, and the
 * table of algorithms.
 */
#include "cc.h"

#include "check.h"

/* ---- NewReno: RFC 5681 ---- */

/* 3.1, the recommended form: one SMSS per window of acknowledged octets. */
static void reno_avoid(struct cc *cc, const struct cc_ack *ack)
{
	cc_grow(cc, ack->acked, cc->smss);
}

/*
 * Equation 4, in whole segments: a part of one is never sent, but a window with it takes longer to
 * grow by one.
 */
static uint32_t reno_threshold(const struct cc *cc, uint32_t flight)
{
	uint32_t half = flight / 2;

	return MR_MAX(half - half % cc->smss, 2u * cc->smss);
}

/* ---- the rate of those that have a window only ---- */

/* No burst: pacing would only make the round trip of such a window longer (throughput.txt). */
#define BURST_SEGS	4u

/*
 * A window in less than a round trip, so that the rate is not what limits (RFC 9002 7.7): in 4/5 of
 * it, and in half of it in slow start, where it may double in each. At most 2^30 octets a
 * microsecond: 51 bits.
 */
static uint64_t window_rate(const struct cc *cc, uint32_t srtt_us)
{
	uint64_t rate = (uint64_t)cc->cwnd * 1000000 / srtt_us;

	if (cc->cwnd <= BURST_SEGS * cc->smss)
		return 0;
	return cc->cwnd < cc->ssthresh ? rate * 2 : rate + rate / 4;
}

/* ---- none: the peer's window and the send buffer are all that limits ---- */

static void none_avoid(struct cc *cc, const struct cc_ack *ack)
{
	MR_CHECK(cc->cwnd == CC_CWND_MAX && ack->acked > 0);
}

static uint32_t none_threshold(const struct cc *cc, uint32_t flight)
{
	MR_CHECK(cc->cwnd == CC_CWND_MAX && flight <= CC_CWND_MAX);
	return CC_SSTHRESH_INFINITE;
}

/* ---- the table ---- */

static const struct cc_algorithm algorithms[] = {
	[CC_CUBIC] = { cubic_avoid, cubic_threshold, cubic_resume, window_rate, true },
	[CC_NEWRENO] = { reno_avoid, reno_threshold, NULL, window_rate, false },
	[CC_NONE] = { none_avoid, none_threshold, NULL, NULL, false },
};

uint32_t cc_initial_window(uint16_t smss, unsigned int segs)
{
	MR_CHECK(smss > 0 && segs > 0);
	return MR_MIN(segs * smss, MR_MAX(MR_MIN(segs, 2u) * smss, segs * CC_IW_SEG_OCTETS));
}

void cc_init(struct cc *cc, enum cc_algorithm_id id, uint16_t smss, uint32_t initial_window)
{
	MR_ASSERT(smss > 0 && id < MR_ARRAY_LEN(algorithms));
	*cc = (struct cc){.smss = smss, .algorithm = (uint8_t)id};
	cc->ssthresh = CC_SSTHRESH_INFINITE;
	cc->cwnd = CC_CWND_MAX;
	cc->flags = algorithms[id].hystart ? CC_HYSTART : 0;
	cc_set_window(cc, initial_window);
}

void cc_set_window(struct cc *cc, uint64_t cwnd)
{
	if (cc->algorithm == CC_NONE)
		return;
	if (cwnd < cc->cwnd)	/* what is part of the old window may be several new ones */
		cc->credit = 0;
	cc->cwnd = (uint32_t)MR_MIN(MR_MAX(cwnd, (uint64_t)cc->smss), (uint64_t)CC_CWND_MAX);
}

/*
 * acked * growth adds up; a window of it, times SMSS, is worth a segment. At most 2^30 * 2^30 in
 * one step, and less than 2^46 is left over.
 */
void cc_grow(struct cc *cc, uint32_t acked, uint32_t growth)
{
	uint64_t segment = (uint64_t)cc->cwnd * cc->smss, segments;

	cc->credit += (uint64_t)MR_MIN(acked, cc->cwnd) * growth;
	if (cc->credit < segment)
		return;
	segments = cc->credit / segment;
	cc->credit -= segments * segment;
	cc_set_window(cc, cc->cwnd + segments * cc->smss);
}

/* Time in which the window was not used. */
static void unused(struct cc *cc, uint32_t since_ms)
{
	if (cc->flags & CC_HYSTART)
		hystart_restart(cc);
	else
		cubic_shift(cc, since_ms);	/* RFC 9438 5.8 */
}

static void slow_start(struct cc *cc, const struct cc_ack *ack)
{
	uint32_t growth = MR_MIN(ack->acked, cc->smss);		/* RFC 5681 equation 2 */

	if (cc->flags & CC_HYSTART)
		growth = hystart_growth(cc, ack);
	cc_set_window(cc, (uint64_t)cc->cwnd + growth);
}

void cc_acked(struct cc *cc, const struct cc_ack *ack)
{
	uint32_t since_ms = ack->now_ms - cc->acked_ms;

	MR_CHECK(ack->acked > 0 && cc->cwnd >= cc->smss);
	cc->acked_ms = ack->now_ms;
	if (cc->cwnd > 2 * (uint64_t)ack->flight) {
		unused(cc, since_ms);
		return;
	}
	if (cc->flags & CC_HYSTART)
		hystart_acked(cc, ack);
	if (cc->cwnd < cc->ssthresh) {
		slow_start(cc, ack);
		return;
	}
	hystart_end(cc);
	algorithms[cc->algorithm].avoid(cc, ack);
}

uint64_t cc_pacing_rate(const struct cc *cc, uint32_t srtt_us)
{
	const struct cc_algorithm *algorithm = &algorithms[cc->algorithm];

	return algorithm->rate != NULL && srtt_us != 0 ? algorithm->rate(cc, srtt_us) : 0;
}

/* ---- congestion events ---- */

void cc_loss(struct cc *cc, uint32_t flight)
{
	if (cc->flags & CC_REDUCED)	/* RFC 3168 6.1.2: once a window of data */
		return;
	hystart_end(cc);
	cc->prior_cwnd = cc->cwnd;
	cc->prior_ssthresh = cc->ssthresh;
	cc->prior_w_max = cc->cubic.w_max;
	cc->prior_w_est = cc->cubic.w_est;
	cc->flags |= CC_EVENT;
	cc->cubic.w_max = cubic_w_max(cc);
	cubic_end(cc);
	cc->ssthresh = algorithms[cc->algorithm].threshold(cc, flight);
	cc->credit = 0;
	MR_CHECK(cc->ssthresh >= 2u * cc->smss);
}

void cc_mark(struct cc *cc, uint32_t flight)
{
	cc_loss(cc, flight);
	cc->flags = (uint8_t)((cc->flags & ~CC_EVENT) | CC_REDUCED);	/* it is certain */
	cc_set_window(cc, cc->ssthresh);
}

void cc_window_passed(struct cc *cc) { cc->flags = (uint8_t)(cc->flags & ~CC_REDUCED); }

void cc_timeout(struct cc *cc, uint32_t flight, bool again)
{
	if (!again)
		cc_loss(cc, flight);
	hystart_end(cc);
	/* RFC 9438 4.8: the next curve begins at its plateau, whatever was before */
	cc->cubic.w_max = 0;
	cubic_end(cc);
	cc_set_window(cc, cc->smss);
}

void cc_undo(struct cc *cc, uint32_t now_ms)
{
	const struct cc_algorithm *algorithm = &algorithms[cc->algorithm];

	if ((cc->flags & CC_EVENT) == 0)
		return;
	/* a curve that began since is that of an event that was none */
	cc->flags = (uint8_t)(cc->flags & ~(CC_EVENT | CC_EPOCH));
	cc_set_window(cc, MR_MAX(cc->cwnd, cc->prior_cwnd));
	cc->ssthresh = cc->prior_ssthresh;
	cc->cubic.w_max = cc->prior_w_max;
	cc->cubic.w_est = cc->prior_w_est;
	if (cc->ssthresh == CC_SSTHRESH_INFINITE && algorithm->hystart) {
		cc->flags |= CC_HYSTART;
		hystart_restart(cc);
	} else if (algorithm->resume != NULL && cc->cwnd >= cc->ssthresh) {
		algorithm->resume(cc, now_ms);
	}
}

void cc_idle(struct cc *cc, uint32_t now_ms, uint32_t restart_window)
{
	unused(cc, now_ms - cc->acked_ms);
	cc->acked_ms = now_ms;
	if (cc->cwnd <= restart_window)
		return;
	cc_set_window(cc, restart_window);
	/* slow start leads back to ssthresh, and another curve from there to W_max */
	if ((cc->flags & CC_HYSTART) == 0)
		cubic_end(cc);
}
