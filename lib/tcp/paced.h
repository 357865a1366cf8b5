/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where sending is paced: whether data has to wait for its time, and for how long. The clock is the
 * scoreboard's (pacing.h), so peers without SACK are not paced. Included by output.c, timer.c and
 * state.c alone.
 *
 * HOT PATH (tcp_pace_holds, tcp_pace_data): one question each while nothing is paced; else three
 * divisions a segment.
 */
#ifndef MR_TCP_PACED_H
#define MR_TCP_PACED_H

#include "internal.h"

MR_INLINE bool tcp_paces(const struct tcp_cx *cx)
{
	return MR_UNLIKELY(cx->params->pacing || cx->params->pacing_rate_max != 0);
}

/* Octets a second; 0: whatever window and congestion control let out goes out. */
MR_INLINE uint64_t tcp_pacing_rate(const struct tcp_cx *cx, const struct tcp_ext *x)
{
	const struct tcp_params *p = cx->params;
	uint64_t rate = p->pacing ? cc_pacing_rate(&x->cc, x->rtt.srtt_us) : 0;

	if (x->flight == 0)
		return 0;
	if (p->pacing_rate_max != 0 && (rate == 0 || rate > p->pacing_rate_max))
		return p->pacing_rate_max;
	return rate;
}

/* A segment may go out but for its time? Then a timer will ask again. */
MR_INLINE bool tcp_pace_holds(const struct tcp_cx *cx, const struct tcp_ext *x)
{
	struct tcp_flight *f;

	if (!tcp_paces(cx) || tcp_pacing_rate(cx, x) == 0)
		return false;
	f = tcp_flight_of(cx->pool, x);
	MR_CHECK(f != NULL && (f->flags & TCP_FL_PACED) == 0);
	if (pacing_wait_us(&f->pacing, cx->now_us) == 0)
		return false;
	f->flags |= TCP_FL_PACED;
	return true;
}

/* So many octets go out, held or not. */
MR_INLINE void tcp_pace_data(const struct tcp_cx *cx, const struct tcp_ext *x, uint32_t octets)
{
	uint64_t rate = tcp_paces(cx) ? tcp_pacing_rate(cx, x) : 0;

	if (rate != 0)
		pacing_sent(&tcp_flight_of(cx->pool, x)->pacing, cx->now_us, octets, rate);
}

/* Output begins anew: nothing is held yet. */
MR_INLINE void tcp_pace_begin(struct tcp_flight *f)
{
	if (f != NULL && MR_UNLIKELY(f->flags & TCP_FL_PACED))
		f->flags &= (uint8_t)~TCP_FL_PACED;
}

MR_INLINE bool tcp_paced_out(const struct tcp_cx *cx, const struct tcp_ext *x)
{
	const struct tcp_flight *f = tcp_flight_of(cx->pool, x);

	return f != NULL && (f->flags & TCP_FL_PACED) != 0;
}

/* With TCP_FL_PACED. In whole milliseconds: what a timer is late by, the clock makes up for. */
MR_INLINE uint32_t tcp_paced_until_ms(const struct tcp_cx *cx, const struct tcp_flight *f)
{
	return (uint32_t)((cx->now_us + pacing_wait_us(&f->pacing, cx->now_us) + 999) / 1000);
}

#endif /* MR_TCP_PACED_H */
