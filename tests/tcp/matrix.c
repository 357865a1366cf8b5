/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See matrix.h. A window that is closed was filled by segments of the peer that nobody read; where
 * the peer's FIN has to fit in, one octet less came before it.
 */
#include "matrix.h"

/* ---- rows ---- */

static void fill(struct world *w, const struct mx_variant *v, uint32_t octets)
{
	struct tcp_seg seg;

	if (!v->full)
		return;
	seg = world_seg(w, TCP_ACK, (uint16_t)octets);
	world_arrives(w, &seg);
	w->delivered = 0;
}
static void fin_of_the_peer(struct world *w, uint32_t ack)
{
	struct tcp_seg fin = world_seg(w, TCP_FIN | TCP_ACK, 0);

	fin.ack = ack;
	world_arrives(w, &fin);
}
static void shut(struct world *w)
{
	MR_ASSERT(tcp_shutdown(&w->cx, &w->c));
	world_output(w);
}
static void close_all(struct world *w)
{
	tcp_close(&w->cx, &w->c, &w->v);
	world_output(w);
}
static void open_passive(struct world *w, const struct mx_variant *v)
{
	established(w);
	fill(w, v, MX_SMALL);
}
static void open_data(struct world *w, const struct mx_variant *v)
{
	open_passive(w, v);
	MR_ASSERT(world_send(w, MX_DATA, 0) && w->nout == 1);
}
static void open_active(struct world *w, const struct mx_variant *v)
{
	struct tcp_seg ack;

	(void)v;
	syn_sent(w);
	ack = world_seg(w, TCP_SYN | TCP_ACK, 0);
	ack.seq = w->irs;
	world_arrives(w, &ack);
}
static void half_open(struct world *w, const struct mx_variant *v)
{
	(void)v;
	syn_rcvd(w);
}
static void half_open_both(struct world *w, const struct mx_variant *v)
{
	(void)v;
	syn_rcvd_active(w);
}
static void sent(struct world *w, const struct mx_variant *v)
{
	(void)v;
	syn_sent(w);
}
static void shut_1(struct world *w, const struct mx_variant *v)
{
	open_passive(w, v);
	shut(w);
}
static void shut_data(struct world *w, const struct mx_variant *v)
{
	open_data(w, v);
	shut(w);
}
static void closed_1(struct world *w, const struct mx_variant *v)
{
	(void)v;
	established(w);
	close_all(w);
}
static void ack_all(struct world *w)
{
	struct tcp_seg ack = world_seg(w, TCP_ACK, 0);

	world_arrives(w, &ack);
}
static void shut_2(struct world *w, const struct mx_variant *v)
{
	shut_1(w, v);
	ack_all(w);
}
static void closed_2(struct world *w, const struct mx_variant *v)
{
	closed_1(w, v);
	ack_all(w);
}
static void fin_came(struct world *w, const struct mx_variant *v)
{
	established(w);
	fill(w, v, MX_SMALL - 1);
	fin_of_the_peer(w, w->c.snd_nxt);
}
static void fin_came_data(struct world *w, const struct mx_variant *v)
{
	fin_came(w, v);
	MR_ASSERT(world_send(w, MX_DATA, 0) && w->nout == 1);
}
static void both_fins(struct world *w, const struct mx_variant *v)
{
	established(w);
	fill(w, v, MX_SMALL - 1);
	shut(w);
	fin_of_the_peer(w, w->c.snd_una);
}
static void both_fins_data(struct world *w, const struct mx_variant *v)
{
	established(w);
	fill(w, v, MX_SMALL - 1);
	MR_ASSERT(world_send(w, MX_DATA, 0) && w->nout == 1);
	shut(w);
	fin_of_the_peer(w, w->c.snd_una);
}
static void fin_last(struct world *w, const struct mx_variant *v)
{
	fin_came(w, v);
	shut(w);
}
static void fin_last_data(struct world *w, const struct mx_variant *v)
{
	fin_came_data(w, v);
	shut(w);
}

const struct mx_row mx_rows[] = {
	{"CLOSED", RFC_CLOSED, open_passive, true, false, false, false},
	{"LISTEN", RFC_LISTEN, open_passive, true, false, false, false},
	{"SYN-SENT", RFC_SYN_SENT, sent, false, false, false, false},
	{"SYN-RECEIVED passive", RFC_SYN_RECEIVED, half_open, true, false, false, false},
	{"SYN-RECEIVED active", RFC_SYN_RECEIVED, half_open_both, false, false, false, false},
	{"ESTABLISHED passive", RFC_ESTABLISHED, open_passive, true, false, false, true},
	{"ESTABLISHED active", RFC_ESTABLISHED, open_active, false, false, false, false},
	{"ESTABLISHED, data out", RFC_ESTABLISHED, open_data, true, false, true, true},
	{"FIN-WAIT-1", RFC_FIN_WAIT_1, shut_1, true, false, false, true},
	{"FIN-WAIT-1, data out", RFC_FIN_WAIT_1, shut_data, true, false, true, true},
	{"FIN-WAIT-1, closed", RFC_FIN_WAIT_1, closed_1, true, true, false, false},
	{"FIN-WAIT-2", RFC_FIN_WAIT_2, shut_2, true, false, false, true},
	{"FIN-WAIT-2, closed", RFC_FIN_WAIT_2, closed_2, true, true, false, false},
	{"CLOSE-WAIT", RFC_CLOSE_WAIT, fin_came, true, false, false, true},
	{"CLOSE-WAIT, data out", RFC_CLOSE_WAIT, fin_came_data, true, false, true, true},
	{"CLOSING", RFC_CLOSING, both_fins, true, false, false, true},
	{"CLOSING, data out", RFC_CLOSING, both_fins_data, true, false, true, true},
	{"LAST-ACK", RFC_LAST_ACK, fin_last, true, false, false, true},
	{"LAST-ACK, data out", RFC_LAST_ACK, fin_last_data, true, false, true, true},
	{"TIME-WAIT", RFC_TIME_WAIT, open_passive, true, false, false, false},
};
const unsigned int mx_nrows = MR_ARRAY_LEN(mx_rows);

/* CLOSED, LISTEN and TIME-WAIT have no record: their numbers are those of an open connection. */
static bool has_record(const struct mx_row *row)
{
	return row->state != RFC_CLOSED && row->state != RFC_LISTEN && row->state != RFC_TIME_WAIT;
}

void mx_make(struct world *w, const struct mx_row *row, const struct mx_variant *v)
{
	world_init(w);
	w->iss = v->iss;
	w->irs = v->irs;
	w->params.timestamps = v->ts;
	if (v->small || v->full)
		w->params.rcv_buf = MX_SMALL;
	row->make(w, v);
	MR_ASSERT(!has_record(row) || tcp_state(&w->c) == 1u << row->state);
	MR_ASSERT(!v->full || tcp_rcv_wnd(&w->c) == 0);
	w->delivered = w->delivered_hash = 0;
}

/* ---- as the RFC names it ---- */

static void tcb_receive(const struct world *w, const struct mx_row *row, struct rfc_tcb *t)
{
	const struct tcp_ext *x = tcp_ext_of(&w->pool, &w->c);
	bool known = row->state != RFC_LISTEN && row->state != RFC_CLOSED &&
		     row->state != RFC_SYN_SENT;

	t->rcv_buf = MR_MIN(w->params.rcv_buf, 65535u);
	t->offers_ts = w->params.timestamps;
	t->rcv_nxt = known ? w->c.rcv_nxt : 0;
	/* 3.3.2: the peer has closed, and the entry keeps no window */
	t->rcv_wnd = row->state == RFC_TIME_WAIT ? 0 : tcp_rcv_wnd(&w->c);
	t->ts = known && (w->c.flags & TCP_F_TS) != 0;
	t->ts_recent = t->ts ? w->c.ts_recent : 0;
	t->last_ack_sent = x != NULL ? x->last_ack : t->rcv_nxt;
}

struct rfc_tcb mx_tcb(const struct world *w, const struct mx_row *row)
{
	const struct tcp_ext *x = tcp_ext_of(&w->pool, &w->c);
	struct rfc_tcb t = {.state = row->state, .passive = row->passive,
			    .user_closed = row->user_closed, .iss = w->iss};

	tcb_receive(w, row, &t);
	if (row->state == RFC_CLOSED || row->state == RFC_LISTEN)
		return t;
	t.snd_una = w->c.snd_una;
	t.snd_nxt = w->c.snd_nxt;
	t.snd_wnd = tcp_snd_wnd(&w->c);
	t.snd_wl1 = x != NULL ? x->snd_wl1 : t.rcv_nxt;
	t.snd_wl2 = t.snd_una;
	t.max_snd_wnd = 65535;		/* of every segment of the peer so far */
	if (row->state == RFC_TIME_WAIT)	/* "hard-coded to a maximum permissible" window */
		t.max_snd_wnd = 65535u << 14;
	return t;
}

/* ---- columns ---- */

static bool seq_of(const struct world *w, const struct rfc_tcb *t, const struct mx_event *e,
		   uint32_t *seq)
{
	bool known = t->state != RFC_CLOSED && t->state != RFC_LISTEN && t->state != RFC_SYN_SENT;
	uint32_t nxt = known ? t->rcv_nxt : w->irs + 1, wnd = known ? t->rcv_wnd : t->rcv_buf;
	uint32_t space = e->len + ((e->ctl & CTL_SYN) != 0) + ((e->ctl & CTL_FIN) != 0);

	const uint32_t place[MX_SEQS] = {
		[MX_OLD] = nxt - 5000, [MX_LEFT] = nxt - 1, [MX_TOUCH] = nxt - space, [MX_AT] = nxt,
		[MX_NEXT] = nxt + 1, [MX_IN] = nxt + 100, [MX_LAST] = nxt + wnd - 1,
		[MX_STRADDLE] = nxt + wnd - 5, [MX_EDGE] = nxt + wnd, [MX_BEYOND] = nxt + wnd + 100,
		[MX_FAR] = nxt + 0x7fff0000u, [MX_FAR_BACK] = nxt - 0x7fff0000u,
	};
	const bool own[MX_SEQS] = {	/* and no other place of this window */
		[MX_OLD] = true, [MX_LEFT] = true, [MX_TOUCH] = space > 1, [MX_AT] = true,
		[MX_NEXT] = wnd > 2, [MX_IN] = wnd > 200, [MX_LAST] = wnd != 0,
		[MX_STRADDLE] = wnd > 5, [MX_EDGE] = wnd != 0, [MX_BEYOND] = true,
		[MX_FAR] = true, [MX_FAR_BACK] = true,
	};

	*seq = place[e->seq];
	return own[e->seq];
}

static bool ack_of(const struct rfc_tcb *t, const struct mx_event *e, uint32_t *ack)
{
	*ack = 0;
	if ((e->ctl & CTL_ACK) == 0)
		return e->ack == MX_ACK_NXT;
	switch (e->ack) {
	case MX_ACK_OLD:
		*ack = t->snd_una - 65536;
		return true;
	case MX_ACK_AGAIN:
		*ack = t->snd_una - 65535;
		return true;
	case MX_ACK_UNA:
		*ack = t->snd_una;
		return t->snd_una != t->snd_nxt;
	case MX_ACK_MID:
		*ack = t->snd_una + (t->snd_nxt - t->snd_una) / 2;
		return t->snd_nxt - t->snd_una > 1;
	case MX_ACK_NXT:
	case MX_ACKS:
		*ack = t->snd_nxt;
		return true;
	case MX_ACK_FUTURE:
		*ack = t->snd_nxt + 1;
		return true;
	case MX_ACK_FAR:
		*ack = t->snd_nxt + 0x7fff0000u;
		return true;
	}
	return false;
}

bool mx_segment(const struct world *w, const struct rfc_tcb *t, const struct mx_event *e,
		struct tcp_seg *seg)
{
	static const int32_t tsval[MX_TSS] = {[MX_TS_NEWER] = 5, [MX_TS_OLDER] = -1};

	*seg = (struct tcp_seg){.flags = e->ctl, .len = e->len, .wnd = e->wnd};
	if (!seq_of(w, t, e, &seg->seq) || !ack_of(t, e, &seg->ack))
		return false;
	if (e->ts != MX_TS_NONE) {
		seg->opts |= TCP_OPT_TS;
		seg->tsval = (t->ts ? t->ts_recent : 1000) + (uint32_t)tsval[e->ts];
		seg->tsecr = w->cx.now_ms + w->cx.ts_offset;
	}
	return true;
}
