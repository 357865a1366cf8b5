/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SEGMENT ARRIVES while a connection opens: CLOSED, LISTEN, SYN_SENT (RFC 9293 3.10.7.1 to .3), the
 * ways a record begins, and the ACK of our SYN in SYN_RCVD; with what Fast Open (RFC 7413) changes
 * there: data that came with the peer's SYN, or went with ours. Everything else that is done with
 * segments once the peer's SYN is known is in arrives.c.
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

/*
 * Its octets may be more than the window: they were sent before that was told. A FIN comes again
 * (RFC 9293 3.10.7.2 queues it).
 */
bool tcp_take_syn(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *syn,
		  struct rte_mbuf *payload, struct tcp_verdict *v)
{
	const uint16_t len = (uint16_t)MR_MIN((uint32_t)syn->len, tcp_rcv_wnd(c));
	struct tcp_ext *x = tcp_ext_take(cx, c);

	MR_CHECK((syn->flags & TCP_SYN) && c->snd_nxt == c->snd_una && c->timer == TCP_TIMER_NONE);
	if (x == NULL)
		return false;
	x->fastopen = true;
	MR_ASSERT(tcp_fast_opened(c, x));
	c->snd_una = ++c->snd_nxt;
	tcp_ext_start(cx, c, x);
	x->irs = syn->seq;
	v->bits |= TCP_V_ESTABLISHED;
	if (len == 0)
		return true;
	x->syn_data = true;
	tcp_chain_cut_to(payload, len);
	v->bits |= TCP_V_DELIVER | TCP_V_TAKEN;
	v->deliver = payload->nb_segs == 1 ? payload : tcp_without_empty(cx->pool, payload);
	c->rcv_nxt += len;
	tcp_account_text(cx, c, x, len, len);
	x->flags = (uint8_t)(x->flags & ~TCP_X_DELACK);	/* the SYN-ACK is one */
	MR_DEEP(tcp_check(cx, c));
	return true;
}

void tcp_active_open(struct tcp_cx *cx, struct tcp_conn *c, uint32_t iss)
{
	tcp_begin_active(cx, c, iss);
}

/* ---- our SYN is acknowledged ---- */

/*
 * With it perhaps data that it carried, all or the first part (RFC 7413 4.2.1). The rest counts as
 * never sent: it goes out at once, before anything else can be acknowledged.
 */
static void our_syn_acked(struct arrival *a)
{
	const uint32_t octets = a->seg->ack - a->c->snd_una - 1;
	struct tcp_conn *c = a->c;
	struct tcp_ext *x = a->ext;

	if (MR_UNLIKELY(c->snd_nxt - c->snd_una > 1)) {
		MR_ASSERT(x != NULL && octets <= x->snd_queued);
		c->snd_nxt = a->seg->ack;
		c->snd_una = a->seg->ack - 1;
		if (octets != 0)
			tcp_sendq_acked(a->cx->pool, x, octets);
		x->syn_data = octets != 0;
		x->snd_next = (struct tcp_pos){x->snd_head, x->snd_head_off};
		x->resend_seq = x->resend_end = a->seg->ack;
		mr_count_n(a->cx->counters, MR_C_TCP_TX_DATA, octets);
	}
	tcp_syn_acked(a->cx, c, a->seg);
	if (octets != 0)
		tcp_report_acked(a->cx, c, x, a->v);
}

/*
 * RFC 7413 4.2.2: a connection that began before. Of what it has sent meanwhile some may be
 * acknowledged; a peer that did not get our first SYN-ACK has thrown the rest away.
 */
static struct outcome ack_fast_opened(struct arrival *a)
{
	const bool resent = tcp_rexmt_count(a->c) != 0;
	struct tcp_conn *c = a->c;
	struct tcp_ext *x = a->ext;

	tcp_syn_timed(a->cx, c, a->seg);
	rtt_init(&x->rtt, c->srtt_coarse);
	x->rtt.syn_lost = resent && c->srtt_coarse == 0;
	c->timer = TCP_TIMER_NONE;
	c->snd_wnd = a->seg->wnd;
	x->snd_wnd_max = MR_MAX(x->snd_wnd_max, tcp_snd_wnd(c));
	x->snd_wl1 = x->last_ack = c->rcv_nxt;
	x->flags = (uint8_t)(x->flags & ~TCP_X_DELACK);
	tcp_record_timestamp(a->cx, c, x, a->seg);
	tcp_enter(a->cx, c, TCP_ESTABLISHED);
	if (c->snd_una != c->snd_nxt)
		tcp_rexmt_start(a->cx, c, x);
	if (a->seg->ack != c->snd_una)
		tcp_new_ack(a->cx, c, x, a->seg, a->v);
	if (resent && c->snd_una != c->snd_nxt)
		tcp_resend_all(a->cx, c, x, false);
	else if (resent)	/* RFC 5681 3.1: the window of who lost a SYN-ACK */
		cc_set_window(&x->cc, x->cc.smss);
	return OUT_NEXT;
}

/* "If SND.UNA < SEG.ACK =< SND.NXT, then enter ESTABLISHED state", else a reset. */
struct outcome tcp_ack_syn_rcvd(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	const bool fast = tcp_fast_opened(c, a->ext);

	if (!seq_gt(a->seg->ack, c->snd_una - fast) || !seq_le(a->seg->ack, c->snd_nxt))
		return out_drop(OUT_RST, MR_C_TCP_BAD_ACK);
	if (MR_UNLIKELY(fast))
		return ack_fast_opened(a);
	our_syn_acked(a);
	a->v->bits |= TCP_V_ESTABLISHED;
	if (a->seg->flags & TCP_SYN)	/* simultaneous open: the ACK came with the SYN again */
		tcp_syn_window(c, a->seg->wnd);
	else
		c->snd_wnd = a->seg->wnd;
	tcp_record_timestamp(a->cx, c, a->ext, a->seg);
	if (a->ext != NULL)
		tcp_ext_start(a->cx, c, a->ext);
	return out_enter(0, TCP_ESTABLISHED);
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
		our_syn_acked(a);
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
