/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passive opens without a record until the ACK: what SYN cookies need of lib/tcp. What is agreed is
 * agreed by the steps of any other connection; where the SYN is kept meanwhile is the caller's
 * matter.
 *
 * HOT PATH: tcp_cookie_segment(): no allocation, no lock, no log, no division.
 */
#ifndef MR_TCP_STATELESS_H
#define MR_TCP_STATELESS_H

#include "steps.h"

/** The SYN-ACK that `syn` would get in SYN_RCVD, negotiated as there; no record comes of it. */
MR_INLINE void tcp_cookie_segment(struct tcp_cx *cx, const struct tcp_seg *syn, uint32_t iss,
				  struct tcp_xmit *out)
{
	struct tcp_conn c = {0};

	tcp_record_init(cx, &c, iss);
	tcp_negotiate(cx, &c, syn);
	c.state_bit = (uint8_t)__builtin_ctz(TCP_SYN_RCVD);
	tcp_syn_segment(cx, &c, out);
}

/**
 * Initialises a record for a SYN that was answered without one (a cookie), as its SYN-ACK had left
 * it; the ACK is to go to tcp_arrives() at once. Keeps the same fields.
 */
void tcp_cookie_open(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *syn,
		     uint32_t iss);

#endif /* MR_TCP_STATELESS_H */
