/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SEGMENT ARRIVES for a TIME_WAIT entry: RFC 9293 3.10.7.4 as far as it concerns that state, RFC
 * 6191 (which SYN may reopen it) and RFC 1337 (why RST does not end it). The entry is a few numbers
 * of a table that the caller owns.
 */
#include "internal.h"

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> */
static void answer(const struct tcp_tw *tw, struct tcp_verdict *v)
{
	v->bits |= TCP_V_TW_ACK;
	v->rst.seq = tw->snd_nxt;
	v->rst.ack = tw->rcv_nxt;
	v->rst.flags = TCP_ACK;
}

/*
 * RFC 6191 section 2. The last sequence number seen from the peer is that of its FIN: RCV.NXT - 1.
 */
static bool may_reopen(const struct tcp_cx *cx, const struct tcp_tw *tw, const struct tcp_seg *seg)
{
	bool syn_ts = cx->params->timestamps && (seg->opts & TCP_OPT_TS) != 0;
	bool higher = seq_gt(seg->seq, tw->rcv_nxt - 1);

	if (!tw->has_ts)
		return syn_ts || higher;
	if (!syn_ts)
		return higher;
	return seq_gt(seg->tsval, tw->ts_recent) || (seg->tsval == tw->ts_recent && higher);
}

/*
 * RFC 5961 5.2. MAX.SND.WND "may be hard-coded to a maximum permissible window value": the entry
 * does not keep it.
 */
static bool acceptable_ack(const struct tcp_tw *tw, const struct tcp_seg *seg)
{
	return (seg->flags & TCP_ACK) != 0 && tw->snd_nxt - seg->ack <= 65535u << TCP_SCALE_MAX;
}

/*
 * A repeated FIN is the one thing that should arrive here: its last octet is just before RCV.NXT.
 * One whose ACK would not pass the fifth step is none of the peer's.
 */
static bool is_repeated_fin(const struct tcp_tw *tw, const struct tcp_seg *seg)
{
	return (seg->flags & TCP_FIN) != 0 && seg->seq + tcp_seg_space(seg) == tw->rcv_nxt &&
	       acceptable_ack(tw, seg);
}

static void time_wait_rst(struct tcp_cx *cx, const struct tcp_tw *tw, const struct tcp_seg *seg,
			  struct tcp_verdict *v)
{
	if (cx->params->rfc1337)
		tcp_drop(cx, v, MR_C_TW_RST_IGNORED);
	else if (seg->seq == tw->rcv_nxt)
		v->bits |= TCP_V_GONE;
	else
		tcp_drop(cx, v, MR_C_TCP_BAD_RST);
}

static void time_wait_syn(struct tcp_cx *cx, const struct tcp_tw *tw, const struct tcp_seg *seg,
			  struct tcp_verdict *v)
{
	if ((seg->flags & (TCP_ACK | TCP_FIN)) == 0 && may_reopen(cx, tw, seg)) {
		v->bits |= TCP_V_REOPEN;
		return;
	}
	/* "For all other cases", RFC 5961 4.2's challenge ACK: the later word than RFC 6191's
	 * "silently drop the incoming SYN segment". */
	tcp_drop(cx, v, MR_C_TCP_BAD_SYN);
	if (tcp_challenge_time_wait(cx))
		answer(tw, v);
}

/* What remains: an octet, a FIN, or a pure ACK. No text is taken any more. */
static void time_wait_rest(struct tcp_cx *cx, struct tcp_tw *tw, const struct tcp_seg *seg,
			   struct tcp_verdict *v)
{
	bool exact = seg->seq == tw->rcv_nxt;

	if (is_repeated_fin(tw, seg)) {	/* "Acknowledge it, and restart the 2 MSL timeout" */
		tcp_drop(cx, v, MR_C_TCP_DUP);
		v->bits |= TCP_V_RESTART_2MSL;
		answer(tw, v);
		return;
	}
	/* Behind a FIN no octet is acceptable; a keep-alive (3.8.4) stands one before RCV.NXT. */
	if (tcp_seg_space(seg) != 0 || seg->seq == tw->rcv_nxt - 1) {
		tcp_drop(cx, v,
			 seq_lt(seg->seq, tw->rcv_nxt) ? MR_C_TCP_DUP : MR_C_TCP_OUT_OF_WINDOW);
		answer(tw, v);
		return;
	}
	if (exact && (seg->flags & TCP_ACK) == 0) {
		tcp_drop(cx, v, MR_C_TCP_NO_ACK);
		return;
	}
	if (exact && acceptable_ack(tw, seg))
		return;		/* the peer acknowledges our FIN once more, or an old copy comes */
	/* Throttled, or two ends out of step would answer each other for ever. */
	tcp_drop(cx, v, exact ? MR_C_TCP_BAD_ACK : MR_C_TCP_OUT_OF_WINDOW);
	if (tcp_challenge_time_wait(cx))
		answer(tw, v);
}

void tcp_time_wait_arrives(struct tcp_cx *cx, struct tcp_tw *tw, const struct tcp_seg *seg,
			   struct tcp_verdict *v)
{
	*v = (struct tcp_verdict){0};
	tcp_count_arrival(cx, seg->flags);
	if (seg->flags & TCP_RST) {
		time_wait_rst(cx, tw, seg, v);
		return;
	}
	if (seg->flags & TCP_SYN) {
		time_wait_syn(cx, tw, seg, v);
		return;
	}
	if (tw->has_ts && (seg->opts & TCP_OPT_TS) == 0) {	/* RFC 7323 3.2 */
		tcp_drop(cx, v, MR_C_TCP_NO_TS);
		return;
	}
	if (tw->has_ts && seq_lt(seg->tsval, tw->ts_recent)) {	/* RFC 7323 5.3 R1 */
		tcp_drop(cx, v, MR_C_TCP_PAWS);
		if (tcp_challenge_time_wait(cx))
			answer(tw, v);
		return;
	}
	time_wait_rest(cx, tw, seg, v);
	/* RFC 7323 4.3, where two segments are acceptable: the FIN again, and what has no octets
	 * and stands at RCV.NXT. */
	if (tw->has_ts && (is_repeated_fin(tw, seg) ||
			   (seg->seq == tw->rcv_nxt && tcp_seg_space(seg) == 0)))
		tw->ts_recent = seg->tsval;
}
