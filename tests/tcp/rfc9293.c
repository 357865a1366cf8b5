/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See rfc9293.h. 3.10.7.4 with its eight checks, in the order of the RFC; the states that differ
 * from it are in rfc9293_edges.c.
 */
#include <stddef.h>

#include "rfc9293_job.h"

/* ---- first to fifth ---- */

/* RFC 7323 5.3 R1, before the sequence number; 3.2 for a segment without the option. */
bool rfc_paws(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	const struct rfc_tcb *t = j->tcb;

	if (!t->ts || (s->ctl & CTL_RST))
		return false;
	if (!s->has_ts)
		return drop(j, 0, "RFC 7323 3.2: silently drop");
	if (!rfc_lt(s->tsval, t->ts_recent))
		return false;
	send_ack(j);
	return drop(j, 0, "RFC 7323 5.3 R1: not acceptable");
}

static bool in_window(const struct rfc_tcb *t, uint32_t seq)
{
	return seq - t->rcv_nxt < t->rcv_wnd;
}

/* Table 6 */
static bool acceptable(const struct rfc_tcb *t, const struct rfc_segment *s)
{
	uint32_t len = rfc_seg_len(s);

	if (len == 0)
		return t->rcv_wnd == 0 ? s->seq == t->rcv_nxt : in_window(t, s->seq);
	/* some octet, not only first or last: a segment may be longer than the window */
	for (uint32_t i = 0; i < len; i++)
		if (in_window(t, s->seq + i))
			return true;
	return false;
}

/* "trimming off any portions that lie outside the window (including SYN and FIN)" */
static void trim(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	uint32_t edge = j->tcb->rcv_nxt + j->tcb->rcv_wnd, end, first;

	first = s->seq + ((s->ctl & CTL_SYN) != 0);
	end = first + s->len;
	j->fin = (s->ctl & CTL_FIN) != 0 && in_window(j->tcb, end);
	j->seq = rfc_lt(first, j->tcb->rcv_nxt) ? j->tcb->rcv_nxt : first;
	if (rfc_lt(edge, end))
		end = edge;
	j->len = rfc_lt(j->seq, end) ? end - j->seq : 0;
}

bool rfc_first_sequence(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	struct rfc_tcb *t = j->tcb;
	/* trimmed, it begins at RCV.NXT; a RST is judged by SEG.SEQ (RFC 5961 3.2) */
	bool begins = s->seq == t->rcv_nxt ||
		      ((s->ctl & CTL_RST) == 0 && rfc_lt(s->seq, t->rcv_nxt) &&
		       rfc_lt(t->rcv_nxt, s->seq + rfc_seg_len(s)));
	bool special = t->rcv_wnd == 0 && begins && t->state != RFC_TIME_WAIT;

	trim(j);
	/* 3.5 figure 8, line 6: the peer's SYN again, with the ACK of ours. The SYN is trimmed. */
	if (t->state == RFC_SYN_RECEIVED && s->seq == t->rcv_nxt - 1 &&
	    (s->ctl & (CTL_SYN | CTL_ACK | CTL_RST)) == (CTL_SYN | CTL_ACK)) {
		if (t->ts)
			t->ts_recent = s->tsval;
		return false;
	}
	if (acceptable(t, s)) {
		if (t->ts && (s->ctl & CTL_RST) == 0 && rfc_le(s->seq, t->last_ack_sent))
			t->ts_recent = s->tsval;	/* RFC 7323 5.3 R3 */
		return false;
	}
	if (s->ctl & CTL_RST) {		/* MUST-66: but a valid one at a zero window */
		if (special)
			return false;
		return drop(j, 1, "first: RST, drop");
	}
	send_ack(j);
	/* MUST-66: "special allowance should be made to accept valid ACKs" */
	if (special && (s->ctl & CTL_SYN) == 0) {
		if (t->ts)
			t->ts_recent = s->tsval;
		return false;
	}
	return drop(j, 1, "first: not acceptable");
}

static bool second_rst(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	struct rfc_tcb *t = j->tcb;

	if ((s->ctl & CTL_RST) == 0)
		return false;
	if (s->seq != t->rcv_nxt) {
		if (!in_window(t, s->seq))
			return drop(j, 2, "RFC 5961 3.2 1): outside the window, drop");
		send_ack(j);
		return drop(j, 2, "RFC 5961 3.2 3): challenge ACK");
	}
	if (t->state == RFC_SYN_RECEIVED)
		closed(j, t->passive ? RFC_RELISTEN : RFC_REFUSED);
	else if (t->state == RFC_CLOSING || t->state == RFC_LAST_ACK || t->state == RFC_TIME_WAIT)
		closed(j, 0);
	else
		closed(j, RFC_RESET);
	return done(j, 2, "RFC 5961 3.2 2): exact, reset");
}

/* third: security, Appendix A.1 */
static bool fourth_syn(struct job *j)
{
	const struct rfc_segment *s = j->seg;

	if ((s->ctl & CTL_SYN) == 0)
		return false;
	if (j->tcb->state == RFC_SYN_RECEIVED && s->seq == j->tcb->rcv_nxt - 1 &&
	    (s->ctl & CTL_ACK))
		return false;		/* it was trimmed: figure 8 */
	if (j->tcb->state == RFC_SYN_RECEIVED && j->tcb->passive) {
		closed(j, RFC_RELISTEN);
		return done(j, 4, "fourth: passive SYN-RECEIVED returns to LISTEN");
	}
	send_ack(j);
	return drop(j, 4, "RFC 5961 4.2: challenge ACK");
}

static void update_window(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	struct rfc_tcb *t = j->tcb;

	/* SEG.SEQ of "the idealized segment that begins at RCV.NXT" */
	if (rfc_lt(t->snd_wl1, j->seq) || (t->snd_wl1 == j->seq && rfc_le(t->snd_wl2, s->ack))) {
		t->snd_wnd = s->wnd;
		t->snd_wl1 = j->seq;
		t->snd_wl2 = s->ack;
		if (t->max_snd_wnd < s->wnd)
			t->max_snd_wnd = s->wnd;
	}
}

/* True: SEG.ACK lets the segment go on. */
static bool ack_value(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	struct rfc_tcb *t = j->tcb;
	bool new = rfc_lt(t->snd_una, s->ack) && rfc_le(s->ack, t->snd_nxt);

	if (t->state == RFC_SYN_RECEIVED) {	/* 3.5.2 group 2 before RFC 5961 5.2 */
		if (!new) {
			send(j, CTL_RST, s->ack, 0);
			drop(j, 5, "fifth, SYN-RECEIVED: <SEQ=SEG.ACK><CTL=RST>");
			return false;
		}
		t->state = RFC_ESTABLISHED;
		t->snd_una = s->ack;
		t->snd_wnd = s->wnd;
		t->snd_wl1 = s->seq;
		t->snd_wl2 = s->ack;
		if (t->max_snd_wnd < s->wnd)
			t->max_snd_wnd = s->wnd;
		j->r->events |= RFC_CONNECTED;
		return true;
	}
	if (rfc_lt(t->snd_nxt, s->ack) || rfc_lt(s->ack, t->snd_una - t->max_snd_wnd)) {
		send_ack(j);
		drop(j, 5, "fifth, RFC 5961 5.2: discarded, an ACK");
		return false;
	}
	if (new)
		t->snd_una = s->ack;
	if (rfc_le(t->snd_una, s->ack))
		update_window(j);
	return true;
}

bool rfc_fifth_ack(struct job *j)
{
	struct rfc_tcb *t = j->tcb;
	bool ours;

	if ((j->seg->ctl & CTL_ACK) == 0)
		return drop(j, 5, "fifth: the ACK bit is off, drop");
	if (!ack_value(j))
		return true;
	ours = t->snd_una == t->snd_nxt;	/* our FIN, if one was sent */
	if (t->state == RFC_FIN_WAIT_1 && ours) {
		t->state = RFC_FIN_WAIT_2;
	} else if (t->state == RFC_CLOSING) {
		if (ours) {
			t->state = RFC_TIME_WAIT;
			j->r->events |= RFC_2MSL;
		}
		return done(j, 5, "fifth, CLOSING");
	} else if (t->state == RFC_LAST_ACK && ours) {
		closed(j, 0);
		return done(j, 5, "fifth, LAST-ACK: our FIN is acknowledged");
	}
	return false;
}

/* ---- sixth, seventh, eighth of 3.10.7.4; SYN-SENT comes here too ---- */

static bool may_receive(const struct rfc_tcb *t)
{
	return t->state == RFC_ESTABLISHED || t->state == RFC_FIN_WAIT_1 ||
	       t->state == RFC_FIN_WAIT_2;
}

/* 3.6.1: "if new data is received after CLOSE is called, [it] SHOULD send a RST" (SHLD-3) */
static bool data_is_lost(struct job *j)
{
	send(j, CTL_RST, j->tcb->snd_nxt, 0);	/* 3.10.5 */
	closed(j, RFC_DATA_LOST);
	return done(j, 7, "3.6.1 SHLD-3: data after CLOSE");
}

static bool seventh_text(struct job *j)
{
	struct rfc_tcb *t = j->tcb;

	if (j->len == 0 || !may_receive(t))	/* "Ignore the segment text." */
		return false;
	if (t->user_closed)
		return data_is_lost(j);
	if (j->seq != t->rcv_nxt) {		/* SHLD-31; RFC 5681 4.2: an immediate ACK */
		j->r->held_seq = j->seq;
		j->r->held_len = j->len;
		j->r->held_fin = j->fin;
		send_ack(j);
		return done(j, 7, "seventh: out of order, held; RFC 5681 4.2");
	}
	j->r->text_seq = t->rcv_nxt;
	j->r->text_len = j->len;
	t->rcv_nxt += j->len;
	t->rcv_wnd -= j->len;
	/* SHLD-18: an ACK may be delayed; 3.8.6.2: not when the window is full */
	j->r->ack_may_wait = true;
	return false;
}

static bool eighth_fin(struct job *j)
{
	struct rfc_tcb *t = j->tcb;

	if (!j->fin)
		return done(j, 7, "seventh: the end");
	if (j->seq + j->len != t->rcv_nxt) {	/* SHLD-31: without text it is held too */
		j->r->held_seq = j->seq;
		j->r->held_fin = true;
		send_ack(j);
		return done(j, 8, "eighth: FIN out of order, held; RFC 5681 4.2");
	}
	t->rcv_nxt++;
	t->rcv_wnd -= t->rcv_wnd != 0;
	send_ack(j);
	if (!t->user_closed)
		j->r->events |= RFC_PEER_CLOSING;
	if (t->state == RFC_ESTABLISHED) {
		t->state = RFC_CLOSE_WAIT;
	} else if (t->state == RFC_FIN_WAIT_1) {	/* the fifth step: our FIN is not ACKed */
		t->state = RFC_CLOSING;
	} else if (t->state == RFC_FIN_WAIT_2) {
		t->state = RFC_TIME_WAIT;
		j->r->events |= RFC_2MSL;
	}
	return done(j, 8, "eighth: FIN");
}

void rfc_sixth_to_eighth(struct job *j)
{
	if ((j->seg->ctl & CTL_URG) && may_receive(j->tcb))
		j->r->events |= RFC_URGENT;
	if (!seventh_text(j))
		eighth_fin(j);
}

void rfc_arrives_other(struct job *j)
{
	if (!rfc_paws(j) && !rfc_first_sequence(j) && !second_rst(j) && !fourth_syn(j) &&
	    !rfc_fifth_ack(j))
		rfc_sixth_to_eighth(j);
}
