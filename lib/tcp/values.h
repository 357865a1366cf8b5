/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be read off a connection without changing it: sizes, amounts, the RTO. The steps that
 * change it are in steps.h.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read but through cx->params, no
 * division.
 */
#ifndef MR_TCP_VALUES_H
#define MR_TCP_VALUES_H

#include "tcp.h"

/**
 * Largest payload of a segment: MSS less the options of every segment (RFC 9293 3.7.1, RFC 6691).
 */
MR_INLINE uint16_t tcp_effective_mss(const struct tcp_conn *c)
{
	return (uint16_t)(c->mss - ((c->flags & TCP_F_TS) ? 12 : 0));
}
/** The MSS that we advertise: what the interface can receive (RFC 9293 MUST-67). */
MR_INLINE uint16_t tcp_own_mss(const struct tcp_cx *cx)
{
	return cx->family == 6 ? cx->params->mss6 : cx->params->mss4;
}
/** Is there anything to say about what came out of order (RFC 2018 4, RFC 2883 4)? */
MR_INLINE bool tcp_sack_due(const struct tcp_conn *c, const struct tcp_ext *x)
{
	return (c->flags & TCP_F_SACK) && (x->ooo_head != NULL || !seq_range_empty(&x->dsack));
}
/** reassembly.c: octets of the SACK option that goes into the next segment, if one is due. */
uint16_t tcp_sack_len(const struct tcp_conn *c, const struct tcp_ext *x);
/** reassembly.c: that option; a duplicate is reported once. */
void tcp_sack_fill(struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x,
		   struct tcp_seg *seg);
/** Octets queued and never sent yet. */
MR_INLINE uint32_t tcp_unsent(const struct tcp_conn *c, const struct tcp_ext *x)
{
	/*
	 * While our SYN is unacknowledged SND.NXT is snd_base or one before, and what a SYN of ours
	 * carries does not count as sent until it is acknowledged; after our FIN, one behind.
	 */
	if (tcp_fin_sent(c))
		return 0;
	if ((tcp_state(c) & TCP_SYNCHRONIZED) == 0 && !tcp_fast_opened(c, x))
		return x->snd_queued;
	return x->snd_base + x->snd_queued - c->snd_nxt;
}
/** Octets of data (no FIN) sent and not acknowledged. */
MR_INLINE uint32_t tcp_data_outstanding(const struct tcp_conn *c)
{
	return tcp_opening(c) ? 0 : c->snd_nxt - c->snd_una - tcp_fin_outstanding(c);
}
MR_INLINE uint32_t tcp_rto_ms(const struct tcp_cx *cx, const struct tcp_conn *c,
			      const struct tcp_ext *x)
{
	const struct tcp_params *p = cx->params;
	struct rtt_bounds b = {p->rto_initial_ms, p->rto_min_ms, p->rto_max_ms};
	unsigned int doublings = tcp_rexmt_count(c);
	struct rtt coarse;

	if (x != NULL && tcp_synchronized(c))
		return rtt_rto_ms(&x->rtt, &b, MR_MAX(doublings, x->rtt.backoff));
	rtt_init(&coarse, tcp_opening(c) ? 0 : c->srtt_coarse);
	return rtt_rto_ms(&coarse, &b, doublings);
}

#endif /* MR_TCP_VALUES_H */
