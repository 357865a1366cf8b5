/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiving side's flow control: when an ACK is due, and which window it tells. Steps of both
 * ways through TCP, as those of steps.h, which includes this.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read but through cx->params, no
 * division.
 */
#ifndef MR_TCP_WINDOW_H
#define MR_TCP_WINDOW_H

#include "values.h"

/** Octets of receive window, read by the handler or not; user.c doubles it. */
MR_INLINE uint32_t tcp_rcv_space(const struct tcp_cx *cx, const struct tcp_ext *x)
{
	const struct tcp_params *p = cx->params;

	if (x == NULL || x->doublings == 0)
		return p->rcv_buf;
	MR_CHECK(x->doublings <= 30);	/* not beyond the limit, and that is at most 2^30 */
	return (uint32_t)MR_MIN((uint64_t)p->rcv_buf << x->doublings,
				(uint64_t)MR_MAX(p->rcv_buf, p->rcv_buf_max));
}

/**
 * The extension is new, perhaps after a rest. A promise of before still stands (SHLD-14), so the
 * window goes on from there; less than a unit of its scale may be due to rounding.
 */
MR_INLINE void tcp_resume_window(const struct tcp_cx *cx, const struct tcp_conn *c,
				 struct tcp_ext *x)
{
	const uint32_t most = MR_MAX(cx->params->rcv_buf, cx->params->rcv_buf_max);
	const uint32_t promised = tcp_rcv_wnd(c) >> tcp_rcv_shift(c) << tcp_rcv_shift(c);

	while (tcp_rcv_space(cx, x) < most && promised > tcp_rcv_space(cx, x))
		x->doublings++;
}

/**
 * Is the window so much larger than the peer knows that it should be told at once? Not for every
 * octet (RFC 9293 3.8.6.2.2, MUST-39), and not for every segment either, since ACKs carry it
 * anyway.
 */
MR_INLINE bool tcp_window_owed(const struct tcp_cx *cx, const struct tcp_conn *c,
			       const struct tcp_ext *x)
{
	uint32_t buf = tcp_rcv_space(cx, x), known = tcp_rcv_wnd(c);
	uint32_t room = MR_MIN(buf - MR_MIN(x->unread, buf), 0xffffu << tcp_rcv_shift(c));

	if (!(tcp_may_receive(c) || tcp_fast_opened(c, x)) || room <= known)
		return false;
	if (room - known >= buf / 4)
		return true;
	return known < buf / 8 && room - known >= MR_MIN(buf / 2, 2u * x->rcv_mss);
}

/**
 * RFC 5681 4.2: is an ACK due? For every second full segment; when the window has no room for
 * another one, since the peer then waits for us; always when delayed ACKs are off.
 */
MR_INLINE bool tcp_ack_is_due(const struct tcp_cx *cx, const struct tcp_conn *c,
			      const struct tcp_ext *x)
{
	return c->rcv_nxt - x->last_ack >= 2u * x->rcv_mss || tcp_rcv_wnd(c) < x->rcv_mss ||
	       cx->params->delack_ms == 0;
}

/** Accounts `octets` that came in order, the last segment of them `len` long. True: ACK at once. */
MR_INLINE bool tcp_account_text(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
				uint32_t octets, uint16_t len)
{
	x->unread += octets;
	x->active_ms = cx->now_ms;
	mr_count_n(cx->counters, MR_C_TCP_RX_DATA, octets);
	x->rcv_mss = MR_MAX(x->rcv_mss, MR_MIN(len, tcp_own_mss(cx)));
	if (tcp_ack_is_due(cx, c, x))
		return true;
	if ((x->flags & TCP_X_DELACK) == 0) {
		x->flags |= TCP_X_DELACK;
		x->delack_ms = cx->now_ms + cx->params->delack_ms;
	}
	return false;
}

/**
 * The window field. RFC 9293 3.8.6.2.2: the edge moves by at least min(buffer / 2, MSS), and never
 * back (SHLD-14). With a scaled window the edge on the wire is SEG.ACK plus a multiple of 2^shift:
 * rounding down would take back up to 2^shift - 1 octets (RFC 7323 2.4), so it is rounded up, while
 * that overdraws the buffer by no more than an eighth. Beyond (thousands of tiny segments that
 * nobody reads) the wire may show less than rcv_edge, which is honoured all the same.
 */
MR_INLINE uint16_t tcp_advertise(const struct tcp_cx *cx, struct tcp_conn *c,
				 const struct tcp_ext *x)
{
	unsigned int shift = tcp_rcv_shift(c);
	uint32_t buf = tcp_rcv_space(cx, x);
	uint32_t unit_mask = (1u << shift) - 1;
	uint32_t unread = x != NULL ? x->unread : 0, room = buf - MR_MIN(unread, buf);
	uint32_t window = tcp_rcv_wnd(c), whole;

	room = MR_MIN(room, 0xffffu << shift);
	if (room > window && room - window >= MR_MIN(buf / 2, tcp_own_mss(cx)) && !cx->mbufs_low &&
	    (tcp_may_receive(c) || tcp_fast_opened(c, x)))
		window = MR_MAX(window, room & ~unit_mask);
	whole = (window + unit_mask) & ~unit_mask;
	if (whole <= (uint64_t)room + buf / 8)
		window = whole;
	c->rcv_edge = c->rcv_nxt + window;
	MR_CHECK(window >> shift <= 0xffff);
	return (uint16_t)(window >> shift);
}

#endif /* MR_TCP_WINDOW_H */
