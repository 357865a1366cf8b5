/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One question to the RFC being answered: what rfc9293.c (3.10.7.4) and rfc9293_edges.c (CLOSED,
 * LISTEN, SYN-SENT, TIME-WAIT) share. A check returns true when it has the last word.
 */
#ifndef TEST_RFC9293_JOB_H
#define TEST_RFC9293_JOB_H

#include "rfc9293.h"

struct job {
	const struct rfc_segment *seg;
	struct rfc_result *r;
	struct rfc_tcb *tcb;		/* = &r->tcb */
	/* the part of the segment that lies in the window (3.10.7.4, first) */
	uint32_t seq, len;
	bool fin;
};

/* ---- what goes out ---- */

static inline void send(struct job *j, unsigned int ctl, uint32_t seq, uint32_t ack)
{
	j->r->reply = true;
	j->r->ctl = (uint8_t)ctl;
	j->r->seq = seq;
	j->r->ack = ctl & CTL_ACK ? ack : 0;
	j->r->ack_may_wait = false;
}
/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> */
static inline void send_ack(struct job *j)
{
	send(j, CTL_ACK, j->tcb->snd_nxt, j->tcb->rcv_nxt);
}
static inline bool done(struct job *j, unsigned int step, const char *why)
{
	j->r->step = step;
	j->r->why = why;
	return true;
}
static inline bool drop(struct job *j, unsigned int step, const char *why)
{
	j->r->dropped = true;
	return done(j, step, why);
}
static inline void closed(struct job *j, unsigned int event)
{
	j->tcb->state = RFC_CLOSED;
	j->r->events |= event | RFC_DELETED;
}

/* rfc9293.c */
void rfc_sixth_to_eighth(struct job *j);
bool rfc_paws(struct job *j);
bool rfc_first_sequence(struct job *j);
bool rfc_fifth_ack(struct job *j);
void rfc_arrives_other(struct job *j);

#endif /* TEST_RFC9293_JOB_H */
