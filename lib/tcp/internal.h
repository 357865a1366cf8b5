/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of lib/tcp tell each other; nobody else includes it.
 *
 * A segment on its way through RFC 9293 3.10.7 is a struct arrival. Each section is a function that
 * looks at it and returns an outcome; tcp_apply() is the only function that acts on outcomes.
 */
#ifndef MR_TCP_INTERNAL_H
#define MR_TCP_INTERNAL_H

#include "mtu.h"
#include "steps.h"

/* The segment as it is being processed: seq, len and flags shrink as it is cut to the window. */
struct arrival {
	struct tcp_cx *cx;
	struct tcp_conn *c;
	struct tcp_ext *ext;		/* NULL: none (yet) */
	const struct tcp_seg *seg;	/* as it came */
	struct rte_mbuf *payload;
	struct tcp_verdict *v;
	uint32_t seq;
	uint16_t len;
	uint8_t flags;
	bool repeats;			/* its left part was old: an ACK of ours was lost */
};

enum outcome_bit {
	OUT_STOP = 0x01,	/* no later section looks at this segment */
	OUT_ACK = 0x02,		/* an ACK is owed at once */
	OUT_CHALLENGE = 0x04,	/* an ACK, if the throttle allows (RFC 5961) */
	OUT_RST = 0x08,		/* <SEQ=SEG.ACK><CTL=RST> */
	OUT_DROP = 0x10,	/* count `drop` */
	OUT_ENTER = 0x20,	/* the connection enters `enter` */
	OUT_GONE = 0x40,	/* it enters CLOSED, because of `reason` */
	OUT_ABORT = 0x80,	/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK> */
};

struct outcome {
	uint16_t bits;		/* enum outcome_bit */
	uint16_t drop;		/* enum mr_counter */
	uint16_t enter;		/* enum tcp_state */
	uint16_t reason;	/* enum mr_reason */
};
static_assert(sizeof(struct outcome) == 8, "an outcome is returned in one register");

#define OUT_NEXT ((struct outcome){0})	/* the next section goes on */

/* The segment goes no further: `how` besides STOP and DROP, counted as `drop`. */
MR_INLINE struct outcome out_drop(unsigned int how, enum mr_counter drop)
{
	return (struct outcome){.bits = (uint16_t)(how | OUT_STOP | OUT_DROP),
				.drop = (uint16_t)drop};
}
MR_INLINE struct outcome out_enter(unsigned int how, enum tcp_state state)
{
	return (struct outcome){.bits = (uint16_t)(how | OUT_ENTER), .enter = (uint16_t)state};
}
MR_INLINE struct outcome out_gone(unsigned int how, enum mr_reason reason)
{
	return (struct outcome){.bits = (uint16_t)(how | OUT_STOP | OUT_GONE),
				.reason = (uint16_t)reason};
}

typedef struct outcome (*tcp_section)(struct arrival *a);

/* arrives.c */
void tcp_apply(struct arrival *a, struct outcome o);
/* Runs the sections in order until one stops. */
void tcp_run(struct arrival *a, const tcp_section *section, unsigned int n);
/* RFC 5961 section 7: may one more challenge ACK be sent from TIME_WAIT? Counts either way. */
bool tcp_challenge_time_wait(struct tcp_cx *cx);
/* Ends the connection: CLOSED, GONE, `reason`. */
void tcp_end(struct tcp_cx *cx, struct tcp_conn *c, enum mr_reason reason, struct tcp_verdict *v);

MR_INLINE void tcp_drop(struct tcp_cx *cx, struct tcp_verdict *v, enum mr_counter why)
{
	mr_count(cx->counters, why);
	v->bits |= TCP_V_DROP;
	v->drop = (uint16_t)why;
}

/* 3.10.5: a reset of our own accord, not the answer to a segment. */
MR_INLINE void tcp_reset(const struct tcp_conn *c, struct tcp_verdict *v)
{
	v->bits |= TCP_V_RST;
	v->rst.seq = c->snd_nxt;
	v->rst.ack = c->rcv_nxt;
	v->rst.flags = TCP_RST | TCP_ACK;
}

/* The SYN-ACK goes out at once, beside its timer. Counted: Karn must know that it went twice. */
MR_INLINE void tcp_resend_syn(struct tcp_conn *c)
{
	if (c->timer == TCP_TIMER_REXMT)
		c->timer = TCP_TIMER_RESEND;
	tcp_set_rexmt_count(c, MR_MAX(tcp_rexmt_count(c), 1u));
}

/* arrives_open.c */
void tcp_syn_sent_arrives(struct arrival *a);
/* 3.10.7.4, fifth, in SYN_RCVD */
struct outcome tcp_ack_syn_rcvd(struct arrival *a);

/* ack.c: 3.10.7.4, fifth */
struct outcome tcp_check_ack(struct arrival *a);
/* Owes the reports that an acknowledgment may make due. */
void tcp_report_acked(const struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x,
		      struct tcp_verdict *v);

/* RFC 8985 7.2: not while a loss is being mended, octets are SACKed, or a probe is out. */
void tcp_arm_probe(const struct tcp_cx *cx, const struct tcp_conn *c, const struct tcp_ext *x,
		   struct tcp_flight *f);
/* The timer expired: all that is outstanding is lost; `again`: and was at the last expiry. */
void tcp_resend_all(struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x, bool again);
/* All but what is reported is lost, and no ACK of it came yet. */
void tcp_flight_lost(struct tcp_cx *cx, struct tcp_flight *f);
/* RFC 8985 6.2 step 5, and the timer of what may be lost later. */
void tcp_detect_losses(const struct tcp_cx *cx, const struct tcp_ext *x, struct tcp_flight *f);
/* ack.c: the reordering timer expired */
void tcp_reorder_expired(struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x);
/* A loss is seen, by ACKs or by the timer, before congestion control is told. */
MR_INLINE void tcp_loss_begins(struct tcp_flight *f)
{
	f->undo_octets = 0;
	f->flags = TCP_FL_UNDO;
	if (f->timer == TCP_LOSS_PROBE)
		f->timer = TCP_LOSS_NONE;
}

/* The age of the timestamp that the segment echoes; UINT32_MAX: it echoes none of ours. */
MR_INLINE uint32_t tcp_echo_age_us(const struct tcp_cx *cx, const struct tcp_conn *c,
				   const struct tcp_seg *seg)
{
	uint32_t ms;

	return tcp_echo_ms(cx, c, seg, &ms) ? ms * 1000 : UINT32_MAX;
}

/* The same as a measurement; 0: none. */
MR_INLINE uint32_t tcp_echo_rtt_us(const struct tcp_cx *cx, const struct tcp_conn *c,
				   const struct tcp_seg *seg)
{
	uint32_t age_us = tcp_echo_age_us(cx, c, seg);

	return age_us != UINT32_MAX ? MR_MAX(age_us, 1u) : 0;
}

/*
 * For how long at most something has been sent again for the loss at hand, to the millisecond; 0:
 * nothing has. What was sent again before belongs to an earlier one.
 */
MR_INLINE uint32_t tcp_mending_us(const struct tcp_cx *cx, const struct tcp_flight *f)
{
	uint32_t ms = MR_MIN(cx->now_ms - f->undo_ms, UINT32_MAX / 2000);

	return (f->flags & TCP_FL_RESENT) ? ms * 1000 + 999 : 0;
}

/* reassembly.c: 3.10.7.4, seventh */
struct outcome tcp_take_text(struct arrival *a);
/* Octets [left, right) came again: the next ACK says so (RFC 2883). */
void tcp_note_duplicate(const struct tcp_conn *c, struct tcp_ext *x, uint32_t left, uint32_t right);
/*
 * The chain without the segments that nothing is left of (a header mbuf, what was cut off): who is
 * given a chain may count on an octet in each.
 */
struct rte_mbuf *tcp_without_empty(const struct tcp_ext_pool *pool, struct rte_mbuf *chain);
void tcp_ooo_purge(struct tcp_ext_pool *pool, struct tcp_ext *x);
void tcp_ooo_check(const struct tcp_conn *c, const struct tcp_ext *x);

/*
 * Largest payload of the next segment: SACK blocks take their room from it as well (RFC 6691 2).
 */
MR_INLINE uint16_t tcp_payload_max(const struct tcp_conn *c, const struct tcp_ext *x)
{
	uint16_t mss = tcp_effective_mss(c);

	return MR_UNLIKELY(tcp_sack_due(c, x)) ? (uint16_t)(mss - tcp_sack_len(c, x)) : mss;
}

/*
 * Where the sender stands, for what detects loss and controls congestion. `una`: SND.UNA before the
 * ACK at hand; `rtt_us`: what that ACK measured, 0: nothing.
 */
MR_INLINE struct newreno_flight tcp_flight(const struct tcp_cx *cx, const struct tcp_conn *c,
					   const struct tcp_ext *x, uint32_t una, uint32_t rtt_us)
{
	return (struct newreno_flight){una, c->snd_nxt, cx->now_ms, x->rtt.srtt_us, rtt_us,
				       cx->params->pacing && x->flight != 0};
}

/* ext.c: extension and send queue */
/* Congestion state and RTT of a connection that has just become able to send. */
void tcp_ext_start(struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x);
bool tcp_ext_idle(const struct tcp_conn *c, const struct tcp_ext *x);
void tcp_sendq_append(struct tcp_ext_pool *pool, struct tcp_ext *x, struct rte_mbuf *m);
void tcp_sendq_acked(struct tcp_ext_pool *pool, struct tcp_ext *x, uint32_t octets);
void tcp_sendq_check(const struct tcp_conn *c, const struct tcp_ext *x);
/* Moves a place forward; it ends on an octet, or at the end of the queue. */
void tcp_pos_advance(struct tcp_pos *pos, uint32_t octets);
/* The soft error that was told last, or 0. While our SYN is out there is no RTT to keep. */
MR_INLINE uint16_t tcp_soft_error_of(const struct tcp_conn *c, const struct tcp_ext *x)
{
	if (tcp_opening(c))
		return c->srtt_coarse;
	return x != NULL ? x->soft_error : 0;
}
/* Another MSS for a path that was found out about; the first one is kept beside it. */
void tcp_set_path_mss(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x, uint16_t mss);
/* The first one again. */
void tcp_restore_path_mss(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x);
/*
 * An ACK after so many timeouts delivers `widest` octets in one piece that were sent once only, in
 * the size of before: the path carries it, and what was lost were ACKs (RFC 4821 7.7).
 */
MR_INLINE void tcp_path_carries(const struct tcp_cx *cx, struct tcp_conn *c, struct tcp_ext *x,
				unsigned int timeouts, uint32_t widest)
{
	if (MR_UNLIKELY(timeouts >= PATH_SUSPECT_TIMEOUTS && x->path_full != 0 && widest > c->mss))
		tcp_restore_path_mss(cx, c, x);
}
/* The scoreboard, of a connection without one; nothing after `una` was sent yet. */
struct tcp_flight *tcp_flight_take(struct tcp_ext_pool *pool, struct tcp_ext *x, uint32_t una);
/* Gives it back, if there is one. */
void tcp_flight_end(struct tcp_ext_pool *pool, struct tcp_ext *x);
/* Places `resend` at SND.UNA, which the queue begins with; with a scoreboard only. */
void tcp_resend_from_head(const struct tcp_conn *c, struct tcp_ext *x);
/* Places `resend` at seq, which is outstanding; with a scoreboard only. */
void tcp_resend_from(const struct tcp_conn *c, struct tcp_ext *x, uint32_t seq);
/* Everything in [SND.UNA, end) is to be sent again. */
void tcp_resend_from_una(const struct tcp_conn *c, struct tcp_ext *x, uint32_t end);

/* Payload chains: cutting leaves empty segments in place: it never frees and never moves octets. */
MR_INLINE void tcp_chain_cut_front(struct rte_mbuf *m, uint32_t n)
{
	MR_CHECK(n <= m->pkt_len);
	m->pkt_len -= n;
	for (struct rte_mbuf *s = m; n != 0; s = s->next) {
		uint16_t cut = (uint16_t)MR_MIN(n, s->data_len);

		s->data_off = (uint16_t)(s->data_off + cut);
		s->data_len = (uint16_t)(s->data_len - cut);
		n -= cut;
	}
}
MR_INLINE void tcp_chain_cut_to(struct rte_mbuf *m, uint32_t keep)
{
	MR_CHECK(keep <= m->pkt_len);
	m->pkt_len = keep;
	for (struct rte_mbuf *s = m; s != NULL; s = s->next) {
		s->data_len = (uint16_t)MR_MIN(keep, s->data_len);
		keep -= s->data_len;
	}
}

#endif /* MR_TCP_INTERNAL_H */
