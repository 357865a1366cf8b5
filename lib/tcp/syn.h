/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Fast Open (RFC 7413) changes about a SYN: what is added to one that we send, and which one
 * of the peer's is known already. Never on the usual path. Private to lib/tcp.
 */
#ifndef MR_TCP_SYN_H
#define MR_TCP_SYN_H

#include <string.h>

#include "build.h"
#include "internal.h"

/*
 * RFC 7413 4.1.1 and 4.2: the first SYN or SYN-ACK has the option, and a SYN with a cookie as much
 * of the queue as a segment to that peer has room for. What goes again has neither (4.2.1).
 */
static inline void tcp_add_fastopen(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
				    struct tcp_xmit *out)
{
	const struct tcp_fastopen *f = cx->fastopen;
	struct tcp_seg *seg = &out->seg;
	uint32_t options, room;

	if (f->c != c)
		return;
	seg->opts |= TCP_OPT_FASTOPEN;
	seg->cookie_len = f->cookie_len;
	seg->cookie_exp = f->cookie_exp;
	memcpy(seg->cookie, f->cookie, sizeof(seg->cookie));
	if ((seg->flags & TCP_ACK) || x == NULL)
		return;
	x->fastopen = true;
	options = wire_tcp_options_len(seg);
	room = f->data_max > options ? f->data_max - options : 0;
	seg->len = (uint16_t)MR_MIN(x->snd_queued, room);
	if (seg->len == 0)
		return;
	out->data = x->snd_head;
	out->data_off = x->snd_head_off;
	seg->flags |= seg->len == x->snd_queued ? TCP_PSH : 0;
	c->snd_nxt += seg->len;
	c->mss = (uint16_t)MR_MAX(options + seg->len, TCP_MSS_MIN);	/* tcp_path_mss() */
}

/* The SYN-ACK of a connection whose SYN's data was taken; its window is what that leaves. */
static inline void tcp_fast_syn_ack(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
				    struct tcp_xmit *out)
{
	const uint32_t space = MR_MIN(tcp_rcv_space(cx, x), 0xffffu);
	const uint32_t room = space - MR_MIN(x->unread, space);

	tcp_syn_segment(cx, c, out);
	out->seg.seq = x->snd_base - 1;
	c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt + room);
	out->seg.wnd = (uint16_t)MR_MIN(tcp_rcv_wnd(c), 0xffffu);
	x->last_ack = c->rcv_nxt;
}

/*
 * Is it the peer's SYN again? Where its data was taken (RFC 7413) it stands before that; an ACK in
 * such a one cannot be.
 */
static inline bool tcp_is_peers_syn(const struct arrival *a)
{
	if ((a->flags & (TCP_SYN | TCP_RST)) != TCP_SYN)
		return false;
	if (MR_UNLIKELY(tcp_fast_opened(a->c, a->ext)))
		return (a->flags & TCP_ACK) == 0 && a->seq == a->ext->irs;
	return a->seq == a->c->rcv_nxt - 1;
}

/*
 * RFC 7323 2.2, 3.2: a SYN-ACK has what the SYN offers. Of a listener's SYN_RCVD nothing else has
 * been sent, and the peer that tries with fewer options answers by segments without them.
 */
static inline void tcp_withdraw_options(struct tcp_conn *c, unsigned int offered)
{
	if ((offered & TCP_OPT_TS) == 0)
		c->flags = (uint8_t)(c->flags & ~TCP_F_TS);
	if ((offered & TCP_OPT_SACK_OK) == 0)
		c->flags = (uint8_t)(c->flags & ~TCP_F_SACK);
	if ((offered & TCP_OPT_WS) == 0)
		c->scales = TCP_SCALE_NONE | TCP_SCALE_NONE << 4;
}

#endif /* MR_TCP_SYN_H */
