/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SEGMENT ARRIVES for connections that have seen a SYN of the peer: RFC 9293 section 3.10.7.4, its
 * steps as functions in its order. Each looks at the segment and returns an outcome; tcp_apply() is
 * the one that acts. The other states are in arrives_open.c (3.10.7.1 to .3) and
 * arrives_time_wait.c; the fifth step is long and lives in ack.c, the seventh in reassembly.c.
 *
 * Never sends: what is owed is decided here, what goes out by output.c.
 */
#include "internal.h"
#include "syn.h"

/* ---- acting on outcomes ---- */

/* The worker's limit of this second: unpredictable, or it could be counted out. */
static bool worker_allows(struct tcp_cx *cx, struct tcp_throttle *t)
{
	if (cx->now_ms - t->window_start_ms >= 1000 || t->limit == 0) {
		const uint64_t base = cx->params->challenge_per_s;
		const uint64_t word[1] = {(uint64_t)(t == &cx->challenge_tw) << 32 | cx->now_ms};
		const uint32_t drawn = (uint32_t)mr_sip13_words(&cx->challenge_key, word, 1);

		t->limit = (uint32_t)(base / 2 + (drawn * base >> 32));
		t->window_start_ms = cx->now_ms;
		t->sent = 0;
	}
	if (t->sent >= t->limit) {
		mr_count(cx->counters, MR_C_TCP_CHALLENGE_LIMIT);
		return false;
	}
	t->sent++;
	mr_count(cx->counters, MR_C_TCP_CHALLENGE);
	return true;
}

/*
 * Of one connection: how many in this second of 1024 ms, and that second's parity, in three bits of
 * its record. Which is exact: a table that connections shared would tell one of another. After
 * seconds of silence the parity may be the same by chance: then the next second grants anew.
 */
#define CHALLENGES_PER_SECOND 3u
static bool conn_allows(struct tcp_cx *cx, struct tcp_conn *c)
{
	const unsigned int parity = cx->now_ms >> 10 & 1;
	const unsigned int was = c->challenges, used = was >> 2 == parity ? was & 3u : 0;

	if (used == CHALLENGES_PER_SECOND) {
		mr_count(cx->counters, MR_C_TCP_CHALLENGE_CONN);
		return false;
	}
	c->challenges = (uint8_t)(parity << 2 | (used + 1)) & 7u;
	return true;
}

/* The connection is asked first: what it is refused costs no other anything. */
static bool challenge_allowed(struct tcp_cx *cx, struct tcp_conn *c)
{
	return conn_allows(cx, c) && worker_allows(cx, &cx->challenge);
}

bool tcp_challenge_time_wait(struct tcp_cx *cx) { return worker_allows(cx, &cx->challenge_tw); }

/* What a passive open that nobody was told of ended by. Another SYN of the peer resets it too. */
static enum mr_counter fallback_counter(enum mr_reason reason)
{
	if (reason == MR_TIMED_OUT)
		return MR_C_CONN_TIMEOUT;
	return reason == MR_REFUSED || reason == MR_RESET_BY_PEER ? MR_C_CONN_RESET_RX
								  : MR_C_CONN_RESET_TX;
}

void tcp_end(struct tcp_cx *cx, struct tcp_conn *c, enum mr_reason reason, struct tcp_verdict *v)
{
	/* MUST-11: a passive open that ends before it was established falls back to LISTEN. */
	if (tcp_half_open(c, tcp_ext_of(cx->pool, c))) {
		v->bits |= TCP_V_TO_LISTEN;
		mr_count(cx->counters, fallback_counter(reason));
	}
	tcp_enter(cx, c, TCP_CLOSED);
	c->timer = TCP_TIMER_NONE;
	v->bits |= TCP_V_GONE;
	v->reason = (uint16_t)reason;
}

void tcp_apply(struct arrival *a, struct outcome o)
{
	struct tcp_verdict *v = a->v;

	if (MR_LIKELY(o.bits == 0))
		return;
	if (o.bits & OUT_DROP)
		tcp_drop(a->cx, v, (enum mr_counter)o.drop);
	if (o.bits & OUT_ACK)
		a->c->flags |= TCP_F_ACK_NOW;
	if ((o.bits & OUT_CHALLENGE) && challenge_allowed(a->cx, a->c))
		a->c->flags |= TCP_F_ACK_NOW;
	if (o.bits & OUT_RST) {		/* 3.5.2: a reset is never answered by a reset */
		MR_CHECK((a->seg->flags & TCP_RST) == 0);
		v->bits |= TCP_V_RST;
		v->rst.seq = a->seg->ack;
		v->rst.ack = 0;
		v->rst.flags = TCP_RST;
	}
	if (o.bits & OUT_ABORT)
		tcp_reset(a->c, v);
	if (o.bits & OUT_ENTER)
		tcp_enter(a->cx, a->c, (enum tcp_state)o.enter);
	if (o.bits & OUT_GONE)
		tcp_end(a->cx, a->c, (enum mr_reason)o.reason, v);
}

void tcp_run(struct arrival *a, const tcp_section *section, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct outcome o = section[i](a);

		tcp_apply(a, o);
		if (o.bits & OUT_STOP)
			return;
	}
}

/* ---- RFC 7323 section 5.3, before the sequence number ---- */

/*
 * 24 days without a segment: TS.Recent says nothing any more (RFC 7323 5.5). In units of 2^24 ms.
 */
#define TS_OUTDATED 124u

/* Does an octet of it, or its SYN or FIN, lie in [RCV.NXT, edge)? */
static bool touches_window(const struct arrival *a)
{
	uint32_t space = a->len + ((a->flags & TCP_FIN) != 0) + ((a->flags & TCP_SYN) != 0);

	return space != 0 && seq_lt(a->seq, a->c->rcv_edge) &&
	       seq_gt(a->seq + space, a->c->rcv_nxt);
}

/*
 * In SYN_RCVD the peer's SYN comes again, perhaps with fewer options: no reason for silence. TSopt
 * is "successfully negotiated" (RFC 7323 3.2) by a SYN-ACK that arrived.
 */
static bool is_syn_again(const struct arrival *a)
{
	return tcp_state(a->c) == TCP_SYN_RCVD && (a->flags & TCP_ACK) == 0 && tcp_is_peers_syn(a);
}

static struct outcome check_timestamp(struct arrival *a)
{
	const struct tcp_seg *seg = a->seg;
	bool wanted;

	if ((a->c->flags & TCP_F_TS) == 0 || (a->flags & TCP_RST))
		return OUT_NEXT;
	if ((seg->opts & TCP_OPT_TS) == 0)	/* 3.2: SHOULD silently drop */
		return is_syn_again(a) ? OUT_NEXT : out_drop(0, MR_C_TCP_NO_TS);
	if (MR_LIKELY(seq_ge(seg->tsval, a->c->ts_recent)))
		return OUT_NEXT;
	if (tcp_ts_age(a->c, a->cx->now_ms) >= TS_OUTDATED)
		return OUT_NEXT;
	/* R1: answered as what is not acceptable; see unacceptable() why not always */
	wanted = (a->flags & TCP_SYN) == 0 && touches_window(a);
	return out_drop(wanted ? OUT_ACK : OUT_CHALLENGE, MR_C_TCP_PAWS);
}

/* ---- 3.10.7.4, first: check the sequence number ---- */

/* Not one octet (or, without any, not the place itself) lies in the window. */
static struct outcome unacceptable(struct arrival *a)
{
	const struct tcp_conn *c = a->c;
	bool old = seq_lt(a->seq, c->rcv_nxt);
	enum mr_counter drop = old ? MR_C_TCP_DUP : MR_C_TCP_OUT_OF_WINDOW;

	if (a->flags & TCP_RST)		/* RFC 5961 3.2: outside of the window, silently */
		return out_drop(0, MR_C_TCP_BAD_RST);
	if (a->flags & TCP_SYN)		/* RFC 5961 4.2: whatever its sequence number */
		return out_drop(OUT_CHALLENGE, MR_C_TCP_BAD_SYN);
	/* What we acknowledged last comes again: that ACK was lost. The next one echoes this copy's
	 * timestamp, or the peer would take its own timeout for a round trip (as BSD does; RFC 7323
	 * 4.3 says nothing of copies). */
	if (old && a->seq + a->len + (a->flags & TCP_FIN ? 1u : 0u) == c->rcv_nxt)
		tcp_record_timestamp(a->cx, a->c, a->ext, a->seg);
	if (old && a->len != 0)
		tcp_note_duplicate(c, a->ext, a->seq, a->seq + a->len);
	/* Octets, a FIN, or a keep-alive (3.8.4: SND.NXT-1) want an answer. A stray pure ACK gets
	 * one of the throttled ones, or two ends out of step would answer each other for ever. */
	if (a->len != 0 || (a->flags & TCP_FIN) || a->seq == c->rcv_nxt - 1)
		return out_drop(OUT_ACK, drop);
	return out_drop(OUT_CHALLENGE, drop);
}

/* Cuts what lies left and right of the window; FIN is the last octet. */
static void trim(struct arrival *a)
{
	const struct tcp_conn *c = a->c;
	uint32_t old = seq_lt(a->seq, c->rcv_nxt) ? c->rcv_nxt - a->seq : 0;
	uint32_t room;

	if (old != 0) {
		MR_ASSERT(old <= a->len);
		if (a->payload != NULL)
			tcp_chain_cut_front(a->payload, old);
		a->seq += old;
		a->len = (uint16_t)(a->len - old);
	}
	room = c->rcv_edge - a->seq;
	if (a->len + (a->flags & TCP_FIN ? 1u : 0u) <= room)
		return;
	a->flags = (uint8_t)(a->flags & ~TCP_FIN);
	if (a->len > room) {
		a->len = (uint16_t)room;
		tcp_chain_cut_to(a->payload, room);
	}
}

/* In SYN_RCVD the peer's SYN comes again: our SYN-ACK was lost, or both sides opened (figure 8). */
static struct outcome repeated_syn(struct arrival *a)
{
	if (a->flags & TCP_ACK) {	/* its SYN is old, its ACK is not */
		a->seq++;
		a->flags = (uint8_t)(a->flags & ~TCP_SYN);
		trim(a);
		return OUT_NEXT;
	}
	if (!tcp_ecn_setup(a->seg))	/* RFC 3168 6.1.1.1: the peer has given up asking */
		a->c->flags = (uint8_t)(a->c->flags & ~TCP_F_ECN);
	if ((a->c->flags & TCP_F_ACTIVE) == 0 && a->ext == NULL)
		tcp_withdraw_options(a->c, a->seg->opts);
	tcp_resend_syn(a->c);
	return out_drop(0, MR_C_TCP_DUP);
}

/*
 * "If the RCV.WND is zero ... special allowance should be made to accept valid ACKs, URGs, and
 * RSTs" (MUST-66): a window probe loses its octets and is answered. It may begin with old ones.
 */
static bool probes_closed_window(const struct arrival *a, uint32_t space)
{
	const struct tcp_conn *c = a->c;

	if (tcp_rcv_wnd(c) != 0)
		return false;
	if (a->seq == c->rcv_nxt)
		return (a->flags & (TCP_SYN | TCP_RST)) != TCP_SYN;
	return (a->flags & (TCP_SYN | TCP_RST)) == 0 && seq_lt(a->seq, c->rcv_nxt) &&
	       seq_gt(a->seq + space, c->rcv_nxt);
}

/*
 * The table of four cases, as one rule: some octet lies in [RCV.NXT, edge). A segment without
 * octets may also stand at the edge itself: a peer that filled our window and lost a segment
 * acknowledges from there.
 */
static struct outcome check_sequence(struct arrival *a)
{
	const struct tcp_conn *c = a->c;
	uint32_t space = a->len + ((a->flags & TCP_FIN) != 0) + ((a->flags & TCP_SYN) != 0);

	if (MR_LIKELY(a->seq == c->rcv_nxt && space <= tcp_rcv_wnd(c)))
		return OUT_NEXT;
	if (tcp_state(c) == TCP_SYN_RCVD && tcp_is_peers_syn(a))
		return repeated_syn(a);
	if (space == 0)
		return seq_ge(a->seq, c->rcv_nxt) && seq_le(a->seq, c->rcv_edge) ? OUT_NEXT
										  : unacceptable(a);
	if (probes_closed_window(a, space)) {
		trim(a);
		return (struct outcome){.bits = OUT_ACK | OUT_DROP, .drop = MR_C_TCP_OUT_OF_WINDOW};
	}
	if (!touches_window(a))
		return unacceptable(a);
	if (a->flags & (TCP_SYN | TCP_RST))
		return OUT_NEXT;
	a->repeats = seq_lt(a->seq, c->rcv_nxt);
	trim(a);
	return OUT_NEXT;
}

/* ---- second: check the RST bit (with RFC 5961 section 3.2) ---- */

static struct outcome check_rst(struct arrival *a)
{
	if (MR_LIKELY((a->flags & TCP_RST) == 0))
		return OUT_NEXT;
	/* in the window, but not exact; the edge is outside */
	if (a->seq != a->c->rcv_nxt) {
		bool inside = seq_in(a->seq, a->c->rcv_nxt, a->c->rcv_edge);

		return out_drop(inside ? OUT_CHALLENGE : 0, MR_C_TCP_BAD_RST);
	}
	switch (tcp_state(a->c)) {
	case TCP_SYN_RCVD:	/* passive: back to LISTEN (tcp_end); active: refused */
		return out_gone(0, tcp_fast_opened(a->c, a->ext) ? MR_RESET_BY_PEER : MR_REFUSED);
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		return out_gone(0, MR_RESET_BY_PEER);
	case TCP_CLOSED:
	case TCP_LISTEN:
	case TCP_SYN_SENT:
	case TCP_TIME_WAIT:
		break;
	}
	MR_ASSERT(!"RST in a state that tcp_arrives() is not called in");
	return OUT_NEXT;
}

/* ---- third, check security: RFC 9293 Appendix A.1, not done; fourth: check the SYN bit ---- */

static struct outcome check_syn(struct arrival *a)
{
	if (MR_LIKELY((a->flags & TCP_SYN) == 0))
		return OUT_NEXT;
	/* SYN_RCVD after a passive open: return to LISTEN; the peer will ask again. */
	if (tcp_half_open(a->c, a->ext)) {
		mr_count(a->cx->counters, MR_C_TCP_BAD_SYN);
		return out_gone(0, MR_RESET_BY_PEER);
	}
	return out_drop(OUT_CHALLENGE, MR_C_TCP_BAD_SYN);	/* RFC 5961 4.2 */
}

/* ---- sixth: check the URG bit. Urgent data stays in line (RFC 6093 section 6) ---- */

/*
 * "RCV.UP <- max(RCV.UP,SEG.UP), and signal the user", once for a stretch of urgent data, and again
 * when the pointer moves on. It points behind the urgent data (RFC 1122 4.2.2.4). Without octets
 * and an extension to note it in, the segment that brings them tells again.
 */
static MR_NOINLINE struct outcome check_urg(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	uint32_t up = a->seg->seq + a->seg->urg;

	if (MR_LIKELY((a->flags & TCP_URG) == 0) || !tcp_may_receive(c) ||
	    (c->flags & TCP_F_CLOSED) || !seq_gt(up, c->rcv_nxt))
		return OUT_NEXT;
	if (a->ext == NULL && a->len != 0)	/* the seventh step would take it */
		a->ext = tcp_ext_take(a->cx, c);
	if (a->ext == NULL || (a->ext->urgent && !seq_gt(up, a->ext->urg_seq)))
		return OUT_NEXT;
	a->ext->urgent = true;
	a->ext->urg_seq = up;
	mr_count(a->cx->counters, MR_C_TCP_URGENT);
	a->v->bits |= TCP_V_URGENT;
	return OUT_NEXT;
}

/* ---- eighth: check the FIN bit ---- */

static struct outcome fin_moves(struct arrival *a)
{
	unsigned int tell = (a->c->flags & TCP_F_CLOSED) ? 0 : TCP_V_PEER_CLOSED;

	switch (tcp_state(a->c)) {
	case TCP_ESTABLISHED:
		a->v->bits |= tell;
		return out_enter(OUT_ACK, TCP_CLOSE_WAIT);
	/* our FIN is not acknowledged, or the fifth step had left this state */
	case TCP_FIN_WAIT_1:
		a->v->bits |= tell;
		return out_enter(OUT_ACK, TCP_CLOSING);
	case TCP_FIN_WAIT_2:
		a->v->bits |= tell | TCP_V_TIME_WAIT;
		a->v->reason = MR_CLOSED;
		return out_enter(OUT_ACK, TCP_TIME_WAIT);
	case TCP_CLOSED:
	case TCP_LISTEN:
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
	/* "Remain in the CLOSE-WAIT state", and so on: a second FIN cannot be in */
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:	/* the window: the first was the last octet */
	case TCP_LAST_ACK:
	case TCP_TIME_WAIT:
		break;
	}
	MR_ASSERT(!"a FIN is taken only where the peer may still send");
	return OUT_NEXT;
}

static struct outcome check_fin(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	struct tcp_ext *x = a->ext;
	bool here = (a->flags & TCP_FIN) != 0;
	uint32_t fin_seq = a->seq + a->len;

	if (!tcp_may_receive(c))
		return OUT_NEXT;
	if (here && fin_seq != c->rcv_nxt) {	/* out of order: remembered if there is where */
		if (x != NULL && seq_gt(fin_seq, c->rcv_nxt)) {
			x->flags |= TCP_X_FIN_KEPT;
			x->fin_seq = fin_seq;
		}
		return (struct outcome){.bits = OUT_ACK};
	}
	if (!here && (x == NULL || (x->flags & TCP_X_FIN_KEPT) == 0 || x->fin_seq != c->rcv_nxt))
		return OUT_NEXT;
	if (x != NULL) {
		x->flags = (uint8_t)(x->flags & ~(TCP_X_FIN_KEPT | TCP_X_DELACK));
		tcp_ooo_purge(a->cx->pool, x);	/* nothing lies behind a FIN */
	}
	c->rcv_nxt++;
	c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt);
	return fin_moves(a);
}

/* ---- the entry ---- */

static const tcp_section synchronized_sections[] = {
	check_timestamp, check_sequence, check_rst, check_syn,
	tcp_check_ack, check_urg, tcp_take_text, check_fin,
};
/* After the SYN of SYN_SENT: "continue processing at the sixth step", cut to the window. */
static struct outcome cut_after_syn(struct arrival *a)
{
	trim(a);
	return OUT_NEXT;
}
static const tcp_section after_syn_sections[] = {
	cut_after_syn, check_urg, tcp_take_text, check_fin,
};

void tcp_arrives(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
		 struct rte_mbuf *payload, struct tcp_verdict *v)
{
	struct arrival a = {
		.cx = cx, .c = c, .ext = tcp_ext_of(cx->pool, c), .v = v,
		.seg = seg, .payload = payload,
		.seq = seg->seq, .len = seg->len, .flags = seg->flags,
	};

	*v = (struct tcp_verdict){0};
	MR_CHECK(seg->len == 0 || (payload != NULL && payload->pkt_len == seg->len));
	MR_DEEP(tcp_check(cx, c));
	tcp_count_arrival(cx, seg->flags);
	if (tcp_state(c) == TCP_SYN_SENT) {
		tcp_syn_sent_arrives(&a);
		if ((v->bits & TCP_V_ESTABLISHED) && (a.len != 0 || (a.flags & TCP_FIN)))
			tcp_run(&a, after_syn_sections, MR_ARRAY_LEN(after_syn_sections));
	} else {
		MR_ASSERT((tcp_state(c) & (TCP_CLOSED | TCP_LISTEN | TCP_TIME_WAIT)) == 0);
		tcp_run(&a, synchronized_sections, MR_ARRAY_LEN(synchronized_sections));
	}
	MR_DEEP(tcp_check(cx, c));
}
