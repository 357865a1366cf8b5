/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the engine answers a segment otherwise than the letter of RFC 9293 on purpose: one rule a
 * difference, in the words of docs/conformance.md, "What the matrix allows", which has the reasons.
 * Each must change some cell of the matrix, or it is out of date.
 */
#include <stddef.h>

#include "rfc9293.h"

struct ask {
	const struct rfc_tcb *t;
	const struct rfc_segment *s;
	bool bare;
};

static void quiet(struct rfc_result *r)
{
	r->reply = r->ack_may_wait = false;
	r->ctl = 0;
	r->seq = r->ack = 0;
}
static void ack(struct rfc_result *r)
{
	r->reply = true;
	r->ctl = CTL_ACK;
	r->seq = r->tcb.snd_nxt;
	r->ack = r->tcb.rcv_nxt;
}
static bool other_state(const struct rfc_tcb *t)
{
	return t->state >= RFC_SYN_RECEIVED && t->state != RFC_TIME_WAIT;
}
static bool fin_was_taken(const struct rfc_tcb *t)
{
	return t->state == RFC_CLOSE_WAIT || t->state == RFC_CLOSING ||
	       t->state == RFC_LAST_ACK;
}

/* A segment without octets may stand at the right edge. Answered as if it stood at RCV.NXT. */
static bool right_edge(const struct ask *k, struct rfc_result *r)
{
	struct rfc_segment at = *k->s;

	if (!other_state(k->t) || r->step != 1 || rfc_seg_len(k->s) != 0 || k->t->rcv_wnd == 0 ||
	    (k->s->ctl & CTL_RST) || k->s->seq != k->t->rcv_nxt + k->t->rcv_wnd)
		return false;
	at.seq = k->t->rcv_nxt;
	rfc_segment_arrives(k->t, &at, r);
	r->tcb.ts_recent = k->t->ts_recent;
	return true;
}

/* SYN with FIN opens nothing. */
static bool syn_fin(const struct ask *k, struct rfc_result *r)
{
	if ((k->s->ctl & (CTL_SYN | CTL_FIN | CTL_ACK | CTL_RST)) != (CTL_SYN | CTL_FIN) ||
	    (k->t->state != RFC_LISTEN && k->t->state != RFC_TIME_WAIT))
		return false;
	r->tcb = *k->t;
	r->events = 0;
	quiet(r);
	if (k->t->state == RFC_TIME_WAIT)
		ack(r);
	return true;
}

/*
 * The SYN of a half-open connection again is answered by the SYN-ACK again, also when it has given
 * up timestamps: a listener's does without, then.
 */
static bool syn_again(const struct ask *k, struct rfc_result *r)
{
	if (k->t->state != RFC_SYN_RECEIVED || (r->step == 0 && k->s->has_ts) ||
	    k->s->seq != k->t->rcv_nxt - 1 ||
	    (k->s->ctl & (CTL_SYN | CTL_ACK | CTL_RST)) != CTL_SYN)
		return false;
	r->tcb = *k->t;
	r->events = 0;
	ack(r);
	r->ctl = CTL_SYN | CTL_ACK;
	r->seq = k->t->iss;
	r->tcb.ts = k->t->ts && (k->s->has_ts || !k->t->passive);
	return true;
}

/* Nothing stands behind a FIN: what claims to is neither taken nor answered. */
static bool behind_fin(const struct ask *k, struct rfc_result *r)
{
	bool old_part = rfc_lt(k->s->seq, k->t->rcv_nxt);
	bool was = r->reply;

	if (!fin_was_taken(k->t) || r->tcb.state != k->t->state || r->dropped)
		return false;
	/* a zero window: the first step has answered */
	if (k->t->rcv_wnd == 0)
		return false;
	r->tcb.rcv_nxt = k->t->rcv_nxt;
	r->events &= ~(unsigned int)RFC_PEER_CLOSING;
	r->held_fin = false;
	r->held_len = 0;
	quiet(r);
	if (old_part)
		ack(r);
	return was || old_part;
}

/* A reset before our FIN is acknowledged is told as one. */
static bool late_reset(const struct ask *k, struct rfc_result *r)
{
	if (r->step != 2 || (r->events & RFC_DELETED) == 0 ||
	    (k->t->state != RFC_CLOSING && k->t->state != RFC_LAST_ACK))
		return false;
	r->events |= RFC_RESET;
	return true;
}

/* A SYN answered by RST is "connection refused" to the user. */
static bool refused(const struct ask *k, struct rfc_result *r)
{
	if (k->t->state != RFC_SYN_SENT || (r->events & RFC_RESET) == 0)
		return false;
	r->events = (r->events & ~(unsigned int)RFC_RESET) | RFC_REFUSED;
	return true;
}

/* Without an extension record the window is taken from segments in order only. */
static bool window_in_order(const struct ask *k, struct rfc_result *r)
{
	if (!k->bare || k->t->state == RFC_SYN_RECEIVED || !other_state(k->t) ||
	    !rfc_lt(k->t->rcv_nxt, k->s->seq) || r->tcb.snd_wnd == k->t->snd_wnd)
		return false;
	r->tcb.snd_wnd = k->t->snd_wnd;
	return true;
}

/* A FIN out of order without text is kept only beside data. */
static bool fin_kept(const struct ask *k, struct rfc_result *r)
{
	if (!k->bare || !r->held_fin || r->held_len != 0)
		return false;
	r->held_fin = false;
	return true;
}

/* Urgent data is delivered in line, and told by a verdict that is not compared here. */
static bool urgent(const struct ask *k, struct rfc_result *r)
{
	(void)k;
	if ((r->events & RFC_URGENT) == 0)
		return false;
	r->events &= ~(unsigned int)RFC_URGENT;
	return true;
}

/* The reset of an abort acknowledges. */
static bool reset_acks(const struct ask *k, struct rfc_result *r)
{
	(void)k;
	if ((r->events & RFC_DATA_LOST) == 0)
		return false;
	r->ctl = CTL_RST | CTL_ACK;
	r->ack = r->tcb.rcv_nxt;
	return true;
}

/* The timestamp of a segment is believed only with its ACK. */
static bool timestamp_with_ack(const struct ask *k, struct rfc_result *r)
{
	if (!other_state(k->t) || !r->dropped || r->step < 2 ||
	    r->tcb.ts_recent == k->t->ts_recent)
		return false;
	r->tcb.ts_recent = k->t->ts_recent;
	return true;
}

/* What was acknowledged last comes again: the ACK echoes the timestamp of this copy. */
static bool timestamp_again(const struct ask *k, struct rfc_result *r)
{
	if (!other_state(k->t) || !k->t->ts || r->step != 1 || !r->dropped ||
	    (k->s->ctl & (CTL_SYN | CTL_RST)) || k->s->seq == k->t->rcv_nxt ||
	    k->s->seq + rfc_seg_len(k->s) != k->t->rcv_nxt)
		return false;
	r->tcb.ts_recent = k->s->tsval;
	return true;
}

/* Who is deleted by the ACK of a segment that is not acceptable does not answer it any more. */
static bool gone_is_silent(const struct ask *k, struct rfc_result *r)
{
	if (k->t->state != RFC_LAST_ACK || (r->events & RFC_DELETED) == 0 || !r->reply)
		return false;
	quiet(r);
	return true;
}

static struct {
	const char *name;
	bool (*changes)(const struct ask *k, struct rfc_result *r);
	unsigned long used;
} rules[] = {
	{"right edge", right_edge, 0}, {"SYN with FIN", syn_fin, 0},
	{"SYN again", syn_again, 0}, {"behind a FIN", behind_fin, 0},
	{"late reset", late_reset, 0}, {"refused", refused, 0},
	{"window in order", window_in_order, 0}, {"FIN kept", fin_kept, 0},
	{"urgent", urgent, 0}, {"reset acknowledges", reset_acks, 0},
	{"timestamp with ACK", timestamp_with_ack, 0}, {"timestamp again", timestamp_again, 0},
	{"gone is silent", gone_is_silent, 0},
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

void rfc_ours(const struct rfc_tcb *tcb, const struct rfc_segment *seg, bool bare,
	      struct rfc_result *r)
{
	const struct ask k = {tcb, seg, bare};

	for (unsigned int i = 0; i < RULES; i++)
		rules[i].used += rules[i].changes(&k, r);
}

const char *rfc_ours_name(unsigned int i, unsigned long *used)
{
	if (i >= RULES)
		return NULL;
	*used = rules[i].used;
	return rules[i].name;
}
