/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 9293 3.10.7.4, seventh: process the segment text; and the out-of-order queue, a list of runs
 * (runs.h) sorted by sequence number, with a gap before each. Counts what it holds in mbufs. The
 * runs are what our ACKs tell as SACK blocks, in the order of their stamps.
 */
#include <string.h>

#include "internal.h"
#include "sack.h"
#include "share.h"

static void ooo_touch(struct tcp_ext *x, struct rte_mbuf *m) { m->hash.fdir.hi = ++x->ooo_stamp; }

void tcp_ooo_purge(struct tcp_ext_pool *pool, struct tcp_ext *x)
{
	while (x->ooo_head != NULL) {
		struct rte_mbuf *m = x->ooo_head;

		x->ooo_head = run_next(m);
		ooo_uncount(pool, x, m);
		run_leave(m);
		pool->free_chain(m);
	}
}

void tcp_ooo_check(const struct tcp_conn *c, const struct tcp_ext *x)
{
	uint32_t mbufs = 0, octets = 0, runs = 0, at = c->rcv_nxt;

	for (struct rte_mbuf *m = x->ooo_head; m != NULL; m = run_next(m), runs++) {
		const uint32_t before = octets;

		for (struct rte_mbuf *s = m; s != NULL; s = s->next, mbufs++) {
			octets += s->data_len;
			MR_ASSERT(s->next != NULL || s == run_last(m));
		}
		MR_ASSERT(octets - before == m->pkt_len && m->pkt_len != 0);
		MR_ASSERT(seq_gt(run_seq(m), at) && seq_le(run_end(m), c->rcv_edge));
		at = run_end(m);
	}
	MR_ASSERT(mbufs == x->ooo_mbufs && runs <= MR_OOO_RUNS_MAX);
	MR_ASSERT(mbufs <= MR_OOO_WIDE_MBUFS_MAX);
}

/* ---- what our ACKs say of it ---- */

void tcp_note_duplicate(const struct tcp_conn *c, struct tcp_ext *x, uint32_t left, uint32_t right)
{
	if (x == NULL || (c->flags & TCP_F_SACK) == 0 || left == right)
		return;
	/* one block is all there is: a neighbour joins it, else the newest one stands */
	if (!seq_range_empty(&x->dsack) && seq_le(left, x->dsack.right) &&
	    seq_ge(right, x->dsack.left)) {
		left = seq_min(left, x->dsack.left);
		right = seq_max(right, x->dsack.right);
	}
	x->dsack = (struct seq_range){left, right};
}

/*
 * RFC 2018 4: the block of the newest segment first, then those reported before it, as many as fit;
 * RFC 2883 4: in front of them what came twice. At most MR_OOO_RUNS_MAX runs are looked at.
 */
static void sack_collect(const struct tcp_conn *c, const struct tcp_ext *x, struct sack_report *r)
{
	sack_report_init(r, (c->flags & TCP_F_TS) ? 3 : SACK_REPORT_MAX, &x->dsack);
	for (const struct rte_mbuf *m = x->ooo_head; m != NULL; m = run_next(m))
		sack_report_add(r, (struct seq_range){run_seq(m), run_end(m)}, run_stamp(m));
}

uint16_t tcp_sack_len(const struct tcp_conn *c, const struct tcp_ext *x)
{
	struct sack_report r;

	sack_collect(c, x, &r);
	return (uint16_t)(4 + 8 * r.n);
}

void tcp_sack_fill(struct tcp_cx *cx, const struct tcp_conn *c, struct tcp_ext *x,
		   struct tcp_seg *seg)
{
	struct sack_report r;

	sack_collect(c, x, &r);
	MR_CHECK(r.n >= 1 && r.n <= TCP_SACK_BLOCKS_MAX);
	for (unsigned int i = 0; i < r.n; i++)
		seg->sack[i] = r.block[i];
	seg->nsack = (uint8_t)r.n;
	seg->opts |= TCP_OPT_SACK;
	if (!seq_range_empty(&x->dsack))
		mr_count(cx->counters, MR_C_TCP_DSACK_TX);
	x->dsack = (struct seq_range){0, 0};
}

/* ---- out of order ---- */

/* Appends by copy when that is cheaper than keeping another buffer for a few octets. */
static bool may_merge(struct rte_mbuf *prev, const struct rte_mbuf *m, uint32_t seq)
{
	const struct rte_mbuf *last;

	if (prev == NULL || run_end(prev) != seq || m->pkt_len * 4 > m->buf_len)
		return false;
	last = run_last(prev);
	return RTE_MBUF_DIRECT(last) && rte_mbuf_refcnt_read(last) == 1 &&
	       rte_pktmbuf_tailroom(last) >= m->pkt_len;
}

static void merge_into(struct rte_mbuf *prev, const struct rte_mbuf *m)
{
	struct rte_mbuf *last = run_last(prev);
	uint8_t *to = rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len);

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		memcpy(to, rte_pktmbuf_mtod(s, const void *), s->data_len);
		to += s->data_len;
	}
	last->data_len = (uint16_t)(last->data_len + m->pkt_len);
	prev->pkt_len += m->pkt_len;
}

/* Where the segment belongs: the last run that begins at or before it, NULL: the front. */
static struct rte_mbuf *ooo_before(const struct tcp_ext *x, uint32_t seq)
{
	struct rte_mbuf *prev = NULL;

	for (struct rte_mbuf *m = x->ooo_head; m != NULL; m = run_next(m)) {
		if (seq_gt(run_seq(m), seq))
			break;
		prev = m;
	}
	return prev;
}

/* Drops the runs behind `prev` that the segment covers, and cuts it where the next one begins. */
static void ooo_make_gap(struct arrival *a, struct rte_mbuf *prev)
{
	struct tcp_ext *x = a->ext;
	struct rte_mbuf *next = prev != NULL ? run_next(prev) : x->ooo_head;

	while (next != NULL && seq_le(run_end(next), a->seq + a->len)) {
		struct rte_mbuf *covered = next;

		next = run_next(covered);
		tcp_note_duplicate(a->c, x, run_seq(covered), run_end(covered));
		ooo_uncount(a->cx->pool, x, covered);
		run_leave(covered);
		a->cx->pool->free_chain(covered);
	}
	if (next != NULL && seq_lt(run_seq(next), a->seq + a->len)) {
		tcp_note_duplicate(a->c, x, run_seq(next), a->seq + a->len);
		a->len = (uint16_t)(run_seq(next) - a->seq);
		tcp_chain_cut_to(a->payload, a->len);
	}
	if (prev != NULL)
		run_set_next(prev, next);
	else
		x->ooo_head = next;
}

struct rte_mbuf *tcp_without_empty(const struct tcp_ext_pool *pool, struct rte_mbuf *chain)
{
	uint32_t octets = chain->pkt_len;
	struct rte_mbuf *head = NULL, **link = &head;
	uint16_t segs = 0;

	while (chain != NULL) {
		struct rte_mbuf *s = chain;

		chain = s->next;
		if (s->data_len != 0) {
			*link = s;
			link = &s->next;
			segs++;
			continue;
		}
		s->next = NULL;
		s->nb_segs = 1;
		pool->free_chain(s);
	}
	*link = NULL;
	MR_ASSERT(head != NULL);
	head->pkt_len = octets;
	head->nb_segs = segs;
	return head;
}

/* The payload as it is kept or delivered: once, when it comes, and not of a whole window later. */
static struct rte_mbuf *payload_of(struct arrival *a)
{
	if (MR_UNLIKELY(a->payload->nb_segs != 1))
		a->payload = tcp_without_empty(a->cx->pool, a->payload);
	return a->payload;
}

/* The segment as a run of its own, or the end of `prev`. Returns the run it is in. */
static struct rte_mbuf *ooo_link(struct arrival *a, struct rte_mbuf *prev)
{
	struct rte_mbuf *m = payload_of(a);
	struct tcp_ext *x = a->ext;

	MR_ASSERT(m->pkt_len == a->len && seq_gt(a->seq, a->c->rcv_nxt));
	run_begin(m, a->seq);
	ooo_count(a->cx->pool, x, m);
	a->v->bits |= TCP_V_TAKEN;
	if (prev != NULL && run_end(prev) == a->seq) {
		run_join(prev, m);
		return prev;
	}
	run_set_next(m, prev != NULL ? run_next(prev) : x->ooo_head);
	if (prev != NULL)
		run_set_next(prev, m);
	else
		x->ooo_head = m;
	return m;
}

/* The gap behind the run may be closed now. */
static void ooo_close_gap(struct rte_mbuf *m)
{
	struct rte_mbuf *next = run_next(m), *after;

	if (next == NULL || run_seq(next) != run_end(m))
		return;
	after = run_next(next);
	run_join(m, next);
	run_set_next(m, after);
}

/* Nothing of it is new; but its FIN, if it has one, may be. */
static struct outcome ooo_known(const struct arrival *a, struct rte_mbuf *where)
{
	ooo_touch(a->ext, where);	/* RFC 2883 4: its block follows that of the duplicate */
	mr_count(a->cx->counters, MR_C_TCP_DUP);
	return (struct outcome){.bits = OUT_ACK};
}

/* RFC 5681 4.2: an out-of-order segment is acknowledged at once, kept or not. */
static struct outcome out_of_order(struct arrival *a)
{
	struct rte_mbuf *prev = ooo_before(a->ext, a->seq);
	bool merges;

	if (a->cx->mbufs_low) {
		tcp_ooo_purge(a->cx->pool, a->ext);
		return out_drop(OUT_ACK, MR_C_TCP_OOO_DROP);
	}
	if (prev != NULL && seq_ge(run_end(prev), a->seq + a->len)) {
		tcp_note_duplicate(a->c, a->ext, a->seq, a->seq + a->len);
		return ooo_known(a, prev);
	}
	if (prev != NULL && seq_gt(run_end(prev), a->seq)) {
		uint32_t known = run_end(prev) - a->seq;

		tcp_note_duplicate(a->c, a->ext, a->seq, a->seq + known);
		tcp_chain_cut_front(a->payload, known);
		a->seq += known;
		a->len = (uint16_t)(a->len - known);
	}
	merges = may_merge(prev, a->payload, a->seq);
	if (!merges && !ooo_room(a, prev))
		return out_drop(OUT_ACK, MR_C_TCP_OOO_DROP);
	ooo_make_gap(a, prev);
	MR_CHECK(a->len != 0);	/* there is a gap behind `prev` */
	if (merges)
		merge_into(prev, a->payload);
	else
		prev = ooo_link(a, prev);
	ooo_close_gap(prev);
	ooo_touch(a->ext, prev);
	mr_count(a->cx->counters, MR_C_TCP_OOO_QUEUED);
	return (struct outcome){.bits = OUT_ACK};
}

/* ---- in order ---- */

/* Links behind `deliver` what is in order now. */
static void ooo_pull(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	struct tcp_ext *x = a->ext;

	while (x->ooo_head != NULL && seq_le(run_seq(x->ooo_head), c->rcv_nxt)) {
		struct rte_mbuf *m = x->ooo_head;
		uint32_t end = run_end(m), known = c->rcv_nxt - run_seq(m);

		x->ooo_head = run_next(m);
		ooo_uncount(a->cx->pool, x, m);
		run_leave(m);
		tcp_note_duplicate(c, x, end - m->pkt_len, seq_min(end, c->rcv_nxt));
		if (seq_le(end, c->rcv_nxt)) {
			a->cx->pool->free_chain(m);
			continue;
		}
		if (MR_UNLIKELY(known != 0)) {
			tcp_chain_cut_front(m, known);
			m = tcp_without_empty(a->cx->pool, m);
		}
		MR_ASSERT(rte_pktmbuf_chain(a->v->deliver, m) == 0);
		c->rcv_nxt = end;
	}
}

static struct outcome in_order(struct arrival *a)
{
	struct tcp_conn *c = a->c;
	struct tcp_ext *x = a->ext;
	bool gap = x->ooo_head != NULL;
	uint32_t from = c->rcv_nxt;

	a->v->bits |= TCP_V_DELIVER | TCP_V_TAKEN;
	a->v->deliver = payload_of(a);
	c->rcv_nxt += a->len;
	if (MR_UNLIKELY(gap))
		ooo_pull(a);
	/* RFC 5681 4.2: at once for what fills a gap. */
	if (tcp_account_text(a->cx, c, x, c->rcv_nxt - from, a->len) || gap || a->repeats)
		return (struct outcome){.bits = OUT_ACK};
	return OUT_NEXT;
}

/*
 * Few mbufs are left and the handler holds what it has, or might hold the last ones. No ACK: a
 * duplicate would only make the peer resend at once.
 */
static struct outcome shed(struct arrival *a)
{
	tcp_ooo_purge(a->cx->pool, a->ext);
	return out_drop(0, MR_C_TCP_MBUFS_LOW);
}

/*
 * RFC 3168 6.1.3: a mark is echoed until the peer says that it has reduced its window. The segment
 * that says so may itself be marked.
 */
static void see_mark(const struct arrival *a)
{
	if ((a->c->flags & TCP_F_ECN) == 0)
		return;
	if (a->flags & TCP_CWR)
		a->ext->ecn = (uint8_t)(a->ext->ecn & ~TCP_ECN_ECHO);
	if (a->seg->ecn == ECN_CE) {
		a->ext->ecn |= TCP_ECN_ECHO;
		mr_count(a->cx->counters, MR_C_TCP_ECN_CE);
	}
}

/* ---- the section ---- */

struct outcome tcp_take_text(struct arrival *a)
{
	unsigned int repeats = a->repeats ? OUT_ACK : 0;

	if (a->len == 0)
		return (struct outcome){.bits = (uint16_t)repeats};
	switch (tcp_state(a->c)) {
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
		break;
	case TCP_CLOSE_WAIT:	/* "This should not occur ... Ignore the segment text." */
	case TCP_CLOSING:
	case TCP_LAST_ACK:
	case TCP_TIME_WAIT:
		return out_drop(repeats, MR_C_TCP_OUT_OF_WINDOW);
	case TCP_CLOSED:
	case TCP_LISTEN:
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
		MR_ASSERT(!"text is looked at only after the handshake");
	}
	/* 3.6.1 SHLD-3: nobody will read it, and the peer shall know. */
	if (a->c->flags & TCP_F_CLOSED) {
		mr_count(a->cx->counters, MR_C_TCP_AFTER_CLOSE);
		return out_gone(OUT_ABORT, MR_DATA_AFTER_CLOSE);
	}
	a->ext = tcp_ext_take(a->cx, a->c);
	if (MR_UNLIKELY(a->ext == NULL))
		return out_drop(0, MR_C_TCP_NO_EXT);
	if (MR_UNLIKELY(a->repeats))
		tcp_note_duplicate(a->c, a->ext, a->seg->seq, a->seq);
	if (MR_UNLIKELY((a->flags & TCP_CWR) || a->seg->ecn == ECN_CE))
		see_mark(a);
	if (a->seq != a->c->rcv_nxt)
		return out_of_order(a);
	if (MR_UNLIKELY(a->cx->mbufs_low) && (a->ext->unread != 0 || a->cx->mbufs_few))
		return shed(a);
	return in_order(a);
}
