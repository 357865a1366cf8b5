/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SEGMENT ARRIVES before the peer's SYN is known: CLOSED, LISTEN, SYN_SENT (RFC 9293 3.10.7.1 to
 * .3), and the two ways a record begins. What a synchronized state does with segments is in
 * arrives.c.
 */
#include "internal.h"
#include "stateless.h"

/* ---- 3.10.7.1 CLOSED ---- */

/*
 * 3.5.2: <SEQ=SEG.ACK><CTL=RST>, or <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> when there is no ACK.
 */
static void reset(const struct tcp_seg *seg, struct tcp_verdict *v)
{
	bool ack = (seg->flags & TCP_ACK) != 0;

	MR_CHECK((seg->flags & TCP_RST) == 0);
	v->bits |= TCP_V_RST;
	v->rst.seq = ack ? seg->ack : 0;
	v->rst.ack = ack ? 0 : seg->seq + tcp_seg_space(seg);
	v->rst.flags = ack ? TCP_RST : TCP_RST | TCP_ACK;
}

void tcp_closed_arrives(struct tcp_cx *cx, const struct tcp_seg *seg, struct tcp_verdict *v)
{
	*v = (struct tcp_verdict){0};
	tcp_count_arrival(cx, seg->flags);
	if (seg->flags & TCP_RST) {
		tcp_drop(cx, v, MR_C_TCP_BAD_RST);
		return;
	}
	tcp_drop(cx, v, MR_C_TCP_NO_CONN);
	reset(seg, v);
}

/* ---- 3.10.7.2 LISTEN ---- */

void tcp_listen_arrives(struct tcp_cx *cx, const struct tcp_seg *seg, struct tcp_verdict *v)
{
	*v = (struct tcp_verdict){0};
	tcp_count_arrival(cx, seg->flags);
	if (seg->flags & TCP_RST) {		/* first: "An incoming RST should be ignored" */
		tcp_drop(cx, v, MR_C_TCP_BAD_RST);
		return;
	}
	if (seg->flags & TCP_ACK) {		/* second: "Any acknowledgment is bad" */
		tcp_drop(cx, v, MR_C_TCP_BAD_ACK);
		reset(seg, v);
		return;
	}
	if ((seg->flags & TCP_SYN) == 0) {	/* fourth: cannot be one of ours, silently */
		tcp_drop(cx, v, MR_C_TCP_NO_ACK);
		return;
	}
	/* A FIN cannot be acknowledged before its SYN: nobody but a port scanner sends both. Where
	 * it is to be tolerated its FIN is not taken, and comes again. */
	if ((seg->flags & TCP_FIN) && cx->params->drop_synfin) {
		tcp_drop(cx, v, MR_C_TCP_BAD_FLAGS);
		return;
	}
	v->bits = TCP_V_CREATE;			/* third */
}

/* ---- how records begin ---- */

void tcp_passive_open(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *syn,
		      uint32_t iss)
{
	tcp_begin_passive(cx, c, syn, iss);
}

/* No timer ran, so there is no measurement of the round trip. */
void tcp_cookie_open(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *syn, uint32_t iss)
{
	tcp_begin_passive(cx, c, syn, iss);
	c->snd_nxt++;
	MR_DEEP(tcp_check(cx, c));
}

void tcp_active_open(struct tcp_cx *cx, struct tcp_conn *c, uint32_t iss)
{
	tcp_begin_active(cx, c, iss);
}

/* ---- 3.10.7.3 SYN_SENT ---- */

/* First, check the ACK bit: only our SYN can be acknowledged. */
static struct outcome syn_sent_ack(struct arrival *a)
{
	const struct tcp_conn *c = a->c;

	if ((a->flags & TCP_ACK) == 0)
		return OUT_NEXT;
	if (seq_gt(a->seg->ack, c->snd_una) && seq_le(a->seg->ack, c->snd_nxt))
		return OUT_NEXT;
	return out_drop(a->flags & TCP_RST ? 0 : OUT_RST, MR_C_TCP_BAD_ACK);
}

/* Second, check the RST bit: believed only with an acceptable ACK (RFC 5961 3.2). */
static struct outcome syn_sent_rst(struct arrival *a)
{
	if ((a->flags & TCP_RST) == 0)
		return OUT_NEXT;
	if (a->flags & TCP_ACK)
		return out_gone(0, MR_REFUSED);
	return out_drop(0, MR_C_TCP_BAD_RST);
}

/*
 * Fourth, check the SYN bit. With our SYN acknowledged we are established, else both sides opened.
 */
static struct outcome syn_sent_syn(struct arrival *a)
{
	struct tcp_conn *c = a->c;

	if ((a->flags & TCP_SYN) == 0)		/* fifth: neither SYN nor RST */
		return out_drop(0, MR_C_TCP_BAD_FLAGS);
	tcp_negotiate(a->cx, c, a->seg);
	a->seq++;
	a->flags = (uint8_t)(a->flags & ~TCP_SYN);
	if (a->flags & TCP_ACK) {
		tcp_syn_acked(a->cx, c, a->seg);
		a->v->bits |= TCP_V_ESTABLISHED;
		return out_enter(OUT_ACK, TCP_ESTABLISHED);
	}
	/* Simultaneous open (3.5, figure 8): our SYN goes out again, now as SYN-ACK. Text and FIN
	 * that came with the SYN come again after the handshake. */
	tcp_resend_syn(c);
	return out_enter(OUT_STOP, TCP_SYN_RCVD);
}

static const tcp_section syn_sent_sections[] = { syn_sent_ack, syn_sent_rst, syn_sent_syn };

void tcp_syn_sent_arrives(struct arrival *a)
{
	tcp_run(a, syn_sent_sections, MR_ARRAY_LEN(syn_sent_sections));
	if (tcp_state(a->c) == TCP_ESTABLISHED && a->ext != NULL)
		tcp_ext_start(a->cx, a->c, a->ext);
}
