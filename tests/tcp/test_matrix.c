/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State x event: connections in eleven states (matrix.c) meet segments of every combination of
 * control bits, places of SEG.SEQ and SEG.ACK, with and without text, timestamps and windows. One
 * outcome is expected of each cell, and rfc9293.c says which, from the text of the RFC. Each cell
 * runs by the general way and by the fast one, which must not differ in one octet.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "matrix.h"
#include "twin.h"

#define WRONG_MAX 25u	/* cells that are told; then it stops */

static unsigned long cells, outcomes;
static unsigned int wrong;

/* One row with one variant, made once; a cell begins from a copy. */
static struct bench {
	const struct mx_row *row;
	struct mx_variant v;
	struct world w[2], made[2];	/* general, fast */
	struct rfc_tcb tcb;
	bool bare;
} b;

static void begin(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (b.made[i].pool.mbufs_held != 0)	/* mbufs cannot be copied */
			mx_make(&b.w[i], b.row, &b.v);
		else
			world_copy(&b.w[i], &b.made[i]);
	}
}
static void end(void)
{
	for (unsigned int i = 0; i < 2; i++)
		tcp_release(&b.w[i].cx, &b.w[i].c);
	cr_assert(b.w[0].pool.nfree == WORLD_EXTS && b.w[0].pool.mbufs_held == 0);
	cr_assert_eq(fake_live(), 0, "an mbuf leaked");
}

/* ---- one outcome after the other ---- */

struct cell {
	const struct mx_event *e;
	struct tcp_seg seg;
	struct rfc_segment rfc;
	struct rfc_result x;	/* expected */
	bool wrong;
};

static void expect(struct cell *k, bool ok, const char *what, uint32_t got, uint32_t wanted)
{
	outcomes++;
	if (ok || k->wrong)
		return;
	k->wrong = true;
	wrong++;
	printf("%s%s%s, ctl %02x seq %u ack %u len %u wnd %u ts %u: %s is %x, expected %x: %s\n",
	       b.row->name, b.v.full ? ", full" : "", b.v.ts ? ", ts" : "", k->e->ctl, k->e->seq,
	       k->e->ack, k->e->len, k->e->wnd, k->e->ts, what, got, wanted, k->x.why);
}
static void same(struct cell *k, const char *what, uint32_t got, uint32_t wanted)
{
	expect(k, got == wanted, what, got, wanted);
}
static void same_bit(struct cell *k, const char *what, unsigned int bit, unsigned int event)
{
	same(k, what, (b.w[0].v.bits & bit) != 0, (k->x.events & event) != 0);
}

static void check_reply(struct cell *k, const struct tcp_seg *s, unsigned int n)
{
	same(k, "segments sent", n, k->x.reply);
	if (n == 0 || !k->x.reply)
		return;
	same(k, "control bits sent", s->flags, k->x.ctl);
	same(k, "sequence number sent", s->seq, k->x.seq);
	same(k, "acknowledgment sent", s->ack, k->x.ack);
}

/* RST and the answers of TIME-WAIT come with the verdict, all others from output.c. */
static void check_sent(struct cell *k)
{
	const struct world *w = &b.w[0];
	bool in_verdict = (w->v.bits & (TCP_V_RST | TCP_V_TW_ACK)) != 0;
	struct tcp_seg s = {.flags = w->v.rst.flags, .seq = w->v.rst.seq, .ack = w->v.rst.ack};

	if (k->x.ack_may_wait) {	/* SHLD-18: now, or within half a second (MUST-40) */
		uint32_t due = w->cx.now_ms;

		k->x.reply = w->nout != 0;
		k->x.ctl = CTL_ACK;
		k->x.seq = k->x.tcb.snd_nxt;
		k->x.ack = k->x.tcb.rcv_nxt;
		expect(k, w->nout != 0 ||
		       (tcp_next_due(&w->cx, &w->c, &due) && due - w->cx.now_ms < 500),
		       "the delayed ACK", due - w->cx.now_ms, 500);
	}
	check_reply(k, in_verdict ? &s : &w->out[0].seg, w->nout + in_verdict);
}

static void check_text(struct cell *k)
{
	uint32_t hash = 0;

	for (uint32_t i = 0; i < k->x.text_len; i++)
		hash = twin_hash(hash, twin_octet(k->x.text_seq + i));
	same(k, "octets delivered", b.w[0].delivered, k->x.text_len);
	same(k, "hash of the octets", b.w[0].delivered_hash, hash);
}

static void check_end(struct cell *k)
{
	const struct tcp_verdict *v = &b.w[0].v;
	enum mr_reason reason = MR_CLOSED;

	same_bit(k, "end", TCP_V_GONE, RFC_DELETED);
	same_bit(k, "return to LISTEN", TCP_V_TO_LISTEN, RFC_RELISTEN);
	if ((k->x.events & RFC_DELETED) == 0 || (k->x.events & RFC_RELISTEN))
		return;
	if (k->x.events & RFC_RESET)
		reason = MR_RESET_BY_PEER;
	if (k->x.events & RFC_REFUSED)
		reason = MR_REFUSED;
	if (k->x.events & RFC_DATA_LOST)
		reason = MR_DATA_AFTER_CLOSE;
	same(k, "reason", v->reason, reason);
}

/* RFC 6298 5.1 to 5.3: a timer runs while something is outstanding. */
static void check_timer(struct cell *k)
{
	const struct world *w = &b.w[0];
	bool outstanding = k->x.tcb.snd_una != k->x.tcb.snd_nxt;
	uint32_t due;
	bool armed = tcp_next_due(&w->cx, &w->c, &due);

	if (outstanding)
		same(k, "timer", armed, true);
	else if (tcp_ext_index(&w->c) == 0 && !b.row->user_closed)
		same(k, "timer", armed, false);
}

static void check_record(struct cell *k)
{
	const struct tcp_conn *c = &b.w[0].c;
	const struct rfc_tcb *t = &k->x.tcb;

	check_end(k);
	same(k, "state", tcp_state(c), 1u << t->state);
	same_bit(k, "accepted or connected", TCP_V_ESTABLISHED, RFC_CONNECTED);
	same_bit(k, "connection closing", TCP_V_PEER_CLOSED, RFC_PEER_CLOSING);
	same_bit(k, "TIME-WAIT", TCP_V_TIME_WAIT, RFC_2MSL);
	if (k->x.events & RFC_DELETED)
		return;
	same(k, "SND.UNA", c->snd_una, t->snd_una);
	same(k, "SND.NXT", c->snd_nxt, t->snd_nxt);
	same(k, "SND.WND", tcp_snd_wnd(c), t->snd_wnd);
	same(k, "RCV.NXT", c->rcv_nxt, t->rcv_nxt);
	expect(k, rfc_le(t->rcv_nxt + t->rcv_wnd, c->rcv_edge), "right edge", c->rcv_edge,
	       t->rcv_nxt + t->rcv_wnd);		/* SHLD-14 */
	same(k, "timestamps", (c->flags & TCP_F_TS) != 0,
	     k->x.tcb.state == RFC_SYN_SENT ? b.v.ts : t->ts);
	same(k, "TS.Recent", c->ts_recent, t->ts_recent);
	check_timer(k);
}

/* ---- running it ---- */

static void octets_until(struct world *w, uint32_t end)
{
	while (seq_lt(w->c.rcv_nxt, end)) {
		struct tcp_seg seg = world_seg(w, TCP_ACK, 0);

		seg.len = (uint16_t)MR_MIN(end - seg.seq, FAKE_ROOM);
		seg.tsval = w->c.ts_recent;
		twin_arrives(w, &seg, false);
	}
}

/* SHLD-31: what was held follows when the gap is filled. */
static void check_held(struct cell *k)
{
	struct world *w = &b.w[0];
	uint32_t end = k->x.held_seq + k->x.held_len, from = w->c.rcv_nxt, hash = 0;

	if ((k->x.held_len == 0 && !k->x.held_fin) || (k->x.events & RFC_DELETED) || k->wrong)
		return;
	for (uint32_t i = 0; i < end - from; i++)
		hash = twin_hash(hash, twin_octet(from + i));
	octets_until(w, k->x.held_seq);
	same(k, "octets after the gap", w->delivered, end - from);
	same(k, "hash after the gap", w->delivered_hash, hash);
	same(k, "RCV.NXT after the gap", w->c.rcv_nxt, end + k->x.held_fin);
	same(k, "FIN after the gap", tcp_may_receive(&w->c), !k->x.held_fin);
}

static void run_connection(struct cell *k)
{
	uint32_t due[2] = {0};

	for (unsigned int i = 0; i < 2; i++) {
		twin_arrives(&b.w[i], &k->seg, i == 1);
		if ((b.w[i].v.bits & TCP_V_GONE) == 0)
			(void)tcp_next_due(&b.w[i].cx, &b.w[i].c, &due[i]);
	}
	twin_same(&b.w[0], &b.w[1]);
	same(k, "timer of the fast way", due[1], due[0]);
	check_record(k);
	check_sent(k);
	check_text(k);
	check_held(k);
}

/* LISTEN makes a connection, which answers. */
static void run_listen(struct cell *k)
{
	struct world *w = &b.w[0];

	tcp_listen_arrives(&w->cx, &k->seg, &w->v);
	same_bit(k, "new connection", TCP_V_CREATE, RFC_NEW);
	w->nout = 0;
	if ((w->v.bits & TCP_V_CREATE) && (k->x.events & RFC_NEW)) {
		for (unsigned int i = 0; i < 2; i++) {
			tcp_release(&b.w[i].cx, &b.w[i].c);
			b.w[i].v.bits = TCP_V_CREATE;
			tcp_passive_open(&b.w[i].cx, &b.w[i].c, &k->seg, b.v.iss);
			twin_output(&b.w[i], i == 1);
		}
		k->x.events = 0;	/* seen */
		check_record(k);
	}
	check_sent(k);
}

static void run_time_wait(struct cell *k)
{
	struct world *w = &b.w[0];
	struct tcp_tw tw = {b.tcb.snd_nxt, b.tcb.rcv_nxt, b.tcb.ts_recent, b.tcb.ts, 65535};

	tcp_time_wait_arrives(&w->cx, &tw, &k->seg, &w->v);
	w->nout = 0;
	same_bit(k, "new connection", TCP_V_REOPEN, RFC_NEW);
	same_bit(k, "2MSL again", TCP_V_RESTART_2MSL, RFC_2MSL);
	same(k, "end", w->v.bits & TCP_V_GONE, 0);
	same(k, "SND.NXT", tw.snd_nxt, b.tcb.snd_nxt);
	same(k, "RCV.NXT", tw.rcv_nxt, b.tcb.rcv_nxt);
	same(k, "TS.Recent", tw.ts_recent, k->x.tcb.ts_recent);
	check_sent(k);
	check_text(k);
}

static void run_closed(struct cell *k)
{
	tcp_closed_arrives(&b.w[0].cx, &k->seg, &b.w[0].v);
	b.w[0].nout = 0;
	check_sent(k);
	check_text(k);
}

static void cell(const struct mx_event *e)
{
	struct cell k = {.e = e};

	if (!mx_segment(&b.made[0], &b.tcb, e, &k.seg))
		return;
	k.rfc = (struct rfc_segment){.seq = k.seg.seq, .ack = k.seg.ack, .wnd = e->wnd,
				     .len = e->len, .ctl = e->ctl, .has_ts = k.seg.opts != 0,
				     .tsval = k.seg.tsval};
	rfc_segment_arrives(&b.tcb, &k.rfc, &k.x);
	rfc_ours(&b.tcb, &k.rfc, b.bare, &k.x);
	begin();
	if (b.row->state == RFC_CLOSED)
		run_closed(&k);
	else if (b.row->state == RFC_LISTEN)
		run_listen(&k);
	else if (b.row->state == RFC_TIME_WAIT)
		run_time_wait(&k);
	else
		run_connection(&k);
	end();
	cells++;
	cr_assert_lt(wrong, WRONG_MAX, "enough is wrong");
}

/* ---- which cells ---- */

/* What a block of cells goes through. */
struct block {
	bool all_bits;		/* 256 combinations of control bits, or those of SYN FIN RST ACK */
	enum mx_ts first_ts, last_ts;
	const int32_t *len, *wnd;	/* ending with END */
};
#define END -1

static void cells_of_segment(const struct block *p, struct mx_event *e)
{
	for (e->ts = p->first_ts; e->ts <= p->last_ts; e->ts++)
		for (const int32_t *wnd = p->wnd; *wnd != END; wnd++)
			for (const int32_t *len = p->len; *len != END; len++) {
				e->wnd = (uint16_t)*wnd;
				e->len = (uint16_t)*len;
				cell(e);
			}
}

static void cells_of_ctl(const struct block *p, uint8_t ctl)
{
	struct mx_event e = {.ctl = ctl};

	for (e.seq = 0; e.seq < MX_SEQS; e.seq++)
		for (e.ack = 0; e.ack < MX_ACKS; e.ack++)
			cells_of_segment(p, &e);
}

static void cells_of_row(const struct block *p, const struct mx_row *row,
			 const struct mx_variant *v)
{
	static const uint8_t also[] = {0, CTL_PSH | CTL_URG, CTL_ECE | CTL_CWR, 0xe8};

	b.row = row;
	b.v = *v;
	for (unsigned int i = 0; i < 2; i++)
		mx_make(&b.made[i], row, v);
	b.tcb = mx_tcb(&b.made[0], row);
	b.bare = tcp_ext_index(&b.made[0].c) == 0;
	for (unsigned int i = 0; i < 2; i++) {
		if (b.made[i].pool.mbufs_held != 0)	/* remade for each cell */
			tcp_release(&b.made[i].cx, &b.made[i].c);
		b.made[i].pool.mbufs_held = row->data;
	}
	for (unsigned int ctl = 0; ctl < 256; ctl++) {
		bool usual = (ctl & 0xe8u) == also[ctl & 3u];

		if (p->all_bits || usual || (ctl & 0xe8u) == 0)
			cells_of_ctl(p, (uint8_t)ctl);
	}
}

static void cells_of(const struct block *p, const struct mx_variant *v)
{
	for (unsigned int i = 0; i < mx_nrows; i++)
		if (!v->full || mx_rows[i].can_fill)
			cells_of_row(p, &mx_rows[i], v);
}

/* Which differences changed how many answers: one that changes none is out of date. */
static void count_differences(void)
{
	const char *name;
	unsigned long used;

	printf("matrix: answers that docs/conformance.md allows to differ:");
	for (unsigned int i = 0; (name = rfc_ours_name(i, &used)) != NULL; i++) {
		printf(" %s %lu;", name, used);
		cr_expect_gt(used, 0, "the difference '%s' is never met", name);
	}
	printf("\n");
}

static const int32_t short_text[] = {0, 1, 10, END}, open_wnd[] = {65535, END};
static const int32_t long_text[] = {0, 10, MX_SMALL + 2, END};
static const int32_t windows[] = {65535, 1000, 0, END};

/* All 256 combinations of control bits. */
static void all_control_bits(void)
{
	static const struct block p = {true, MX_TS_NONE, MX_TS_NONE, short_text, open_wnd};
	static const struct mx_variant plain = {.iss = WORLD_ISS, .irs = WORLD_IRS};

	cells_of(&p, &plain);
}

static void timestamps(void)
{
	static const struct block p = {false, MX_TS_NONE, MX_TS_OLDER, short_text, open_wnd};
	static const struct mx_variant with = {.iss = 5, .irs = 0xffffff00u, .ts = true};
	static const struct mx_variant without = {.iss = 0x80000000u, .irs = 0x7fffffffu};
	static const struct mx_variant full = {.iss = 5, .irs = 77, .ts = true, .full = true};

	cells_of(&p, &with);
	cells_of(&p, &without);
	cells_of(&p, &full);
}

/* Small and closed windows of ours, others of the peer, longer text than fits. */
static void all_windows(void)
{
	static const struct block p = {false, MX_TS_NONE, MX_TS_NONE, long_text, windows};
	static const struct mx_variant small = {.iss = 1, .irs = 0xfffffc00u, .small = true};
	static const struct mx_variant full = {.iss = 1, .irs = 0xfffff82fu, .full = true};

	cells_of(&p, &small);
	cells_of(&p, &full);
}

/* RCV.NXT, SND.NXT and both windows on both sides of 2^32 and 2^31. */
static void wraps(void)
{
	static const struct block p = {false, MX_TS_NONE, MX_TS_NONE, short_text, open_wnd};
	static const uint32_t at[][2] = {{0xffffffffu, 0xffffffffu}, {0xfffffe00u, 0xffff0001u},
					 {0x7fffffffu, 0x7ffffc00u}, {0, 0}};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(at); i++) {
		struct mx_variant v = {.iss = at[i][0], .irs = at[i][1]};

		cells_of(&p, &v);
	}
}

Test(tcp_matrix, every_state_and_event)
{
	all_control_bits();
	timestamps();
	all_windows();
	wraps();
	count_differences();
	printf("matrix: %lu cells, %lu outcomes asserted, %u wrong\n", cells, outcomes, wrong);
	cr_assert_eq(wrong, 0);
	cr_assert_gt(cells, 1500000);
}
