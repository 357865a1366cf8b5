/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See rfc9293.h. 3.10.7.1 CLOSED, .2 LISTEN, .3 SYN-SENT, and what of TIME-WAIT is its own.
 */
#include "rfc9293_job.h"

/* ---- 3.10.7.1 CLOSED STATE ---- */

static void arrives_closed(struct job *j)
{
	const struct rfc_segment *s = j->seg;

	/* "An incoming segment containing a RST is discarded." */
	if (s->ctl & CTL_RST) {
		done(j, 1, "3.10.7.1 RST is discarded");
		return;
	}
	/* "If the ACK bit is off, sequence number zero is used" */
	if ((s->ctl & CTL_ACK) == 0)
		send(j, CTL_RST | CTL_ACK, 0, s->seq + rfc_seg_len(s));
	else
		send(j, CTL_RST, s->ack, 0);
	done(j, 1, "3.10.7.1 a reset is sent");
}

/* ---- 3.10.7.2 LISTEN STATE ---- */

/* RFC 3168 6.1.1: a SYN with ECE and CWR asks for ECN; yes is ECE. */
static uint8_t ecn_setup_answer(const struct rfc_segment *s)
{
	return (s->ctl & (CTL_ECE | CTL_CWR)) == (CTL_ECE | CTL_CWR) ? CTL_ECE : 0;
}

static void arrives_listen(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	struct rfc_tcb *t = j->tcb;

	if (s->ctl & CTL_RST) {
		done(j, 1, "3.10.7.2 first: an incoming RST is ignored");
		return;
	}
	if (s->ctl & CTL_ACK) {
		send(j, CTL_RST, s->ack, 0);
		done(j, 2, "3.10.7.2 second: any acknowledgment is bad");
		return;
	}
	if ((s->ctl & CTL_SYN) == 0) {
		done(j, 4, "3.10.7.2 fourth: drop");
		return;
	}
	t->rcv_nxt = s->seq + 1;
	t->rcv_wnd = t->rcv_buf;
	t->passive = true;
	t->snd_una = t->iss;
	t->snd_nxt = t->iss + 1;
	t->snd_wnd = t->max_snd_wnd = s->wnd;
	t->snd_wl1 = s->seq;
	t->ts = t->offers_ts && s->has_ts;
	t->ts_recent = t->ts ? s->tsval : 0;
	t->state = RFC_SYN_RECEIVED;
	j->r->events = RFC_NEW;
	send(j, CTL_SYN | CTL_ACK | ecn_setup_answer(s), t->iss, t->rcv_nxt);
	done(j, 3, "3.10.7.2 third: <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>");
}

/* ---- 3.10.7.3 SYN-SENT STATE ---- */

static void syn_sent_syn(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	struct rfc_tcb *t = j->tcb;

	t->rcv_nxt = s->seq + 1;
	t->rcv_wnd = t->rcv_buf;
	t->ts = t->offers_ts && s->has_ts;
	t->ts_recent = t->ts ? s->tsval : 0;
	t->last_ack_sent = t->rcv_nxt;
	t->snd_wnd = t->max_snd_wnd = s->wnd;
	t->snd_wl1 = s->seq;
	t->snd_wl2 = s->ack;
	if ((s->ctl & CTL_ACK) == 0) {
		t->state = RFC_SYN_RECEIVED;
		send(j, CTL_SYN | CTL_ACK, t->iss, t->rcv_nxt);
		done(j, 4, "3.10.7.3 fourth: <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>");
		return;
	}
	t->snd_una = s->ack;
	t->state = RFC_ESTABLISHED;
	j->r->events |= RFC_CONNECTED;
	j->seq = t->rcv_nxt;
	j->len = s->len < t->rcv_wnd ? s->len : t->rcv_wnd;
	j->fin = (s->ctl & CTL_FIN) != 0 && s->len < t->rcv_wnd;
	rfc_sixth_to_eighth(j);
	send_ack(j);	/* once, for the SYN and all that came with it (MUST-58) */
	done(j, 4, "3.10.7.3 fourth: our SYN is acknowledged");
}

static void arrives_syn_sent(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	struct rfc_tcb *t = j->tcb;
	bool ack = (s->ctl & CTL_ACK) != 0;

	if (ack && (rfc_le(s->ack, t->iss) || rfc_lt(t->snd_nxt, s->ack))) {
		if ((s->ctl & CTL_RST) == 0)
			send(j, CTL_RST, s->ack, 0);
		done(j, 1, "3.10.7.3 first: the ACK is not acceptable");
	} else if (s->ctl & CTL_RST) {
		if (ack)
			closed(j, RFC_RESET);
		done(j, 2, "3.10.7.3 second: RST");
	} else if (s->ctl & CTL_SYN) {
		syn_sent_syn(j);
	} else {
		done(j, 5, "3.10.7.3 fifth: neither SYN nor RST");
	}
}

/* ---- TIME-WAIT: what is its own in 3.10.7.4 ---- */

/* RFC 6191 section 2. The last sequence number of the old incarnation is that of its FIN. */
static bool may_begin_anew(const struct rfc_tcb *t, const struct rfc_segment *s)
{
	bool ts = t->offers_ts && s->has_ts;
	bool higher = rfc_lt(t->rcv_nxt - 1, s->seq);

	if (t->ts && ts)
		return rfc_lt(t->ts_recent, s->tsval) || (s->tsval == t->ts_recent && higher);
	return t->ts ? higher : ts || higher;
}

static void time_wait_syn(struct job *j)
{
	if (j->seg->ctl & CTL_ACK) {
		send_ack(j);
		done(j, 4, "RFC 5961 4.2: challenge ACK");
		return;
	}
	if (may_begin_anew(j->tcb, j->seg))
		j->r->events = RFC_NEW | RFC_DELETED;
	else	/* "For all other cases, RFC 5961 provides a mitigation" */
		send_ack(j);
	done(j, 1, "RFC 6191 section 2; 3.10.7.4 fourth: challenge ACK");
}

/*
 * Fifth and eighth: "The only thing that can arrive in this state is a retransmission of the remote
 * FIN. Acknowledge it, and restart the 2 MSL timeout." By table 6 it is not acceptable; this is the
 * exception to it, for a FIN that the fifth step would let pass.
 */
static bool is_fin_again(const struct rfc_tcb *t, const struct rfc_segment *s)
{
	return (s->ctl & (CTL_FIN | CTL_ACK)) == (CTL_FIN | CTL_ACK) &&
	       s->seq + rfc_seg_len(s) == t->rcv_nxt && rfc_le(s->ack, t->snd_nxt) &&
	       rfc_le(t->snd_una - t->max_snd_wnd, s->ack);
}

static void arrives_time_wait(struct job *j)
{
	const struct rfc_segment *s = j->seg;
	struct rfc_tcb *t = j->tcb;

	if (s->ctl & CTL_RST) {		/* RFC 1337 section 3: ignore RST in TIME-WAIT */
		done(j, 2, "RFC 1337");
		return;
	}
	if (s->ctl & CTL_SYN) {		/* 3.10.7.4 first: RFC 6191 instead of the check */
		time_wait_syn(j);
		return;
	}
	if (rfc_paws(j))
		return;
	if (is_fin_again(t, s)) {
		if (t->ts)
			t->ts_recent = s->tsval;
		send_ack(j);
		j->r->events = RFC_2MSL;
		done(j, 8, "fifth, eighth: the FIN again, 2 MSL restarts");
		return;
	}
	if (!rfc_first_sequence(j))
		rfc_fifth_ack(j);
}

void rfc_segment_arrives(const struct rfc_tcb *tcb, const struct rfc_segment *seg,
			 struct rfc_result *r)
{
	struct job j = {.seg = seg, .r = r, .tcb = &r->tcb};

	*r = (struct rfc_result){.tcb = *tcb, .why = ""};
	switch (tcb->state) {
	case RFC_CLOSED:
		arrives_closed(&j);
		break;
	case RFC_LISTEN:
		arrives_listen(&j);
		break;
	case RFC_SYN_SENT:
		arrives_syn_sent(&j);
		break;
	case RFC_TIME_WAIT:
		arrives_time_wait(&j);
		break;
	case RFC_SYN_RECEIVED:
	case RFC_ESTABLISHED:
	case RFC_FIN_WAIT_1:
	case RFC_FIN_WAIT_2:
	case RFC_CLOSE_WAIT:
	case RFC_CLOSING:
	case RFC_LAST_ACK:
	case RFC_STATES:
		rfc_arrives_other(&j);
		break;
	}
}
