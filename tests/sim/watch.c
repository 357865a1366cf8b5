/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of the wire. See watch.h. A flow that a forgery may have hit (attacked), or whose ports
 * have two connections (over), is only followed, not judged.
 */
#include <inttypes.h>
#include <stdio.h>

#include "apps.h"
#include "check.h"
#include "seq.h"

#define SHOWN_MAX	10u

/* One segment, its flow, both directions as its sender sees them. */
struct view {
	struct sim_watchers *w;
	struct sim_flow *f;
	const struct sim_seg *g;
	struct sim_watch_dir *d, *o;	/* the sender's, and the other */
	unsigned int side;
};

static void rule(const struct view *v, bool holds, const char *what)
{
	const struct sim_seg *g = v->g;

	v->w->checks++;
	if (holds || v->f->attacked || v->f->watch.over)
		return;
	if (v->w->violations++ < SHOWN_MAX)
		printf("%.6f flow %u host %u: %s: seq %u ack %u flags %02x wnd %u len %u\n",
		       (double)v->w->apps->sim->now_us / 1e6, v->f->id, g->src_host, what,
		       g->seq - v->d->iss, g->ack - v->o->iss, g->flags, g->wnd, g->len);
}

static bool view_of(struct sim_watchers *w, const struct sim_seg *g, struct view *v)
{
	*v = (struct view){.w = w, .g = g};
	v->f = sim_apps_flow(w->apps, g, &v->side);
	if (v->f == NULL)
		return false;
	v->d = &v->f->watch.d[v->side];
	v->o = &v->f->watch.d[v->side ^ 1];
	return true;
}

/* RFC 7323 2.2: windows are scaled if both SYNs said so, but never on a SYN. */
static uint32_t window(const struct view *v)
{
	const bool scaled = v->d->scale != 0xff && v->o->scale != 0xff &&
			    (v->g->flags & TCP_SYN) == 0;

	return (uint32_t)v->g->wnd << (scaled ? v->d->scale : 0);
}

bool sim_watch_calm(const struct sim_watch_dir *d)
{
	return d->syn && !d->resent && !d->disturbed;
}

/* ---- what is sent ---- */

/* The octets on the wire are those the application wrote there, first sent or sent again. */
static void octets_sent(const struct view *v, uint32_t off)
{
	const struct sim_seg *g = v->g;
	bool same = true;

	rule(v, off + g->len <= v->f->side[v->side].sent, "more than was written");
	for (uint32_t i = 0; i < g->len; i += i == 7 && g->len > 16 ? g->len - 15u : 1u)
		same = same && g->payload[i] == sim_octet(v->f, v->side, off + i);
	rule(v, same, "other octets than were written");
}

/* RFC 7413 4.1, 4.2: who may say what with a SYN or SYN-ACK; `again`: it was sent before. */
static void fastopen_sent(const struct view *v, bool again)
{
	const struct sim_seg *g = v->g;
	const uint32_t mtu = 1500u - (g->family == 4 ? 40 : 60);

	if (g->fastopen == 0 && g->len == 0)
		return;
	rule(v, !again, "a SYN again with Fast Open");
	rule(v, v->w->apps->wish.fastopen != 0, "Fast Open, and it is off");
	rule(v, g->len == 0 || ((g->flags & TCP_ACK) == 0 && g->fastopen >= 2 + 4),
	     "data with a SYN that brings no cookie");
	rule(v, (g->flags & TCP_ACK) == 0 || (v->o->asked && g->fastopen >= 2 + 4),
	     "a cookie that was not asked for");
	rule(v, (uint32_t)(g->payload - g->header) - 20 + g->len <= mtu, "a SYN beyond the MTU");
	octets_sent(v, 0);
}

static void syn_sent(const struct view *v)
{
	const struct sim_seg *g = v->g;
	struct sim_watch_dir *d = v->d;
	const bool heard = d->heard, first = (g->flags & TCP_ACK) == 0;
	const uint16_t syn_wnd = d->syn_wnd;
	const uint32_t seen = d->seen;

	fastopen_sent(v, d->syn && g->seq == d->iss);
	rule(v, first || (heard && seq_le(g->ack, seen)), "acknowledges what never arrived");
	if (d->syn && g->seq == d->iss)
		return;
	/* A listener whose connection is gone opens another for an old copy of the SYN: to which
	 * of both a segment belongs is no longer seen from here. */
	rule(v, !d->syn || v->side == 1, "another initial sequence number");
	v->f->watch.over = v->f->watch.over || d->syn;
	*d = (struct sim_watch_dir){.syn = true, .iss = g->seq, .nxt = g->seq + 1,
				    .scale = g->scale, .seen = seen, .heard = heard,
				    .una = g->seq, .tsval = g->tsval, .syn_wnd = syn_wnd,
				    .asked = first && g->fastopen != 0,
				    .syn_end = g->seq + 1 + g->len};
	d->limit = d->nxt + (first ? 0 : syn_wnd);	/* RFC 7413 4.2.2: before any ACK */
	d->mss = g->mss != 0 ? g->mss : g->family == 4 ? 536 : 1220;
	rule(v, g->scale == 0xff || g->scale <= 14, "a shift beyond 14");
	d->has_ack = (g->flags & TCP_ACK) != 0;
	d->ack = g->ack;
	d->edge = g->ack + g->wnd;
}

static void ack_sent(const struct view *v)
{
	struct sim_watch_dir *d = v->d;
	const uint32_t edge = v->g->ack + window(v);

	if (!d->has_ack) {
		d->has_ack = true;
		d->ack = v->g->ack;
		d->edge = edge;
	}
	rule(v, d->heard && seq_le(v->g->ack, d->seen), "acknowledges what never arrived");
	rule(v, seq_ge(v->g->ack, d->ack), "its ACK went back");
	/* SHLD-14. After the peer's FIN there is nothing that a window could be for. */
	if (v->o->fin && v->g->ack == v->o->nxt)
		d->peer_fin = true;
	rule(v, d->peer_fin || seq_ge(edge, d->edge), "the right edge went back");
	d->ack = seq_max(d->ack, v->g->ack);
	d->edge = seq_max(d->edge, edge);
}

static void payload_sent(const struct view *v)
{
	const struct sim_seg *g = v->g;

	rule(v, g->len <= v->o->mss, "more than the peer's MSS");
	rule(v, seq_le(g->seq + g->len, v->d->limit), "beyond the peer's window");
	octets_sent(v, g->seq - v->d->iss - 1);
}

/*
 * RFC 6928 and 5681 3.1 from outside: while nothing was lost, what is out is at most the initial
 * window and what was acknowledged; a tail loss probe may be one segment more (RFC 8985 7.3).
 */
static void flight_rule(const struct view *v, uint32_t end)
{
	const struct sim_watch_dir *d = v->d;
	const uint32_t mss = v->o->mss, acked = d->una == d->iss ? 0 : d->una - d->iss - 1;
	const uint32_t first = MR_MIN(10u * mss, MR_MAX(2u * mss, 14600u));

	if (sim_watch_calm(d) && !v->w->no_cwnd && !v->w->leaky)
		rule(v, end - d->una <= first + acked + mss + 1,
		     "more in flight than slow start admits");
}

static void space_sent(const struct view *v)
{
	const struct sim_seg *g = v->g;
	struct sim_watch_dir *d = v->d;
	const uint32_t end = g->seq + sim_seg_space(g);
	const struct sim_side *s = &v->f->side[v->side];

	rule(v, seq_le(g->seq, d->nxt) || v->w->leaky, "a gap before it");
	rule(v, seq_gt(g->seq, d->iss), "left of its first octet");
	rule(v, !d->fin || seq_le(end, d->nxt), "octets after its FIN");
	if (g->len != 0)
		payload_sent(v);
	if (g->flags & TCP_FIN)
		rule(v, (s->shut || s->closed) && end == d->iss + s->sent + 2,
		     "a FIN at the wrong place");
	if (seq_lt(g->seq, d->nxt))
		d->resent = true;
	else if (g->len != 0)
		flight_rule(v, end);
	d->fin = d->fin || (g->flags & TCP_FIN) != 0;
	d->nxt = seq_max(d->nxt, end);
}

static bool checksums_right(const uint8_t *p, uint16_t len)
{
	const unsigned int at = sim_tcp_offset(p, len);
	const unsigned int addrs = at == 34 ? 26 : 22;
	const uint32_t l4 = at == 34 ? sim_get16(p + 16) - 20u : sim_get16(p + 18);
	uint32_t sum = 6 + l4;

	for (unsigned int i = addrs; i < at; i += 2)
		sum += sim_get16(p + i);
	return (at != 34 || sim_checksum(p + 14, 20, 0) == 0) && sim_checksum(p + at, l4, sum) == 0;
}

void sim_watch_sent(struct sim_watchers *w, const uint8_t *p, uint16_t len)
{
	struct sim_seg g;
	struct view v;

	if (!sim_seg_parse(p, len, &g) || !view_of(w, &g, &v))
		return;
	w->segments++;
	v.f->touched = true;
	v.d->tsval = g.tsval;
	rule(&v, checksums_right(p, len), "a wrong checksum");	/* MUST-2 */
	if (g.flags & TCP_SYN) {
		syn_sent(&v);
		return;
	}
	if (!v.d->syn)		/* what remains of an earlier connection of these ports */
		return;
	if (g.flags & TCP_RST) {
		v.d->rst = v.d->rst || g.seq == v.d->nxt;
		return;
	}
	/* A RST where its connection stood is the last that is heard of it. */
	rule(&v, !v.d->rst, "a segment after its RST");
	rule(&v, (g.flags & TCP_ACK) != 0, "no ACK");
	ack_sent(&v);
	if (sim_seg_space(&g) != 0)
		space_sent(&v);
	else
		rule(&v, seq_le(g.seq, v.d->nxt) || w->leaky, "a sequence number not reached yet");
}

/* ---- what arrives ---- */

/* Beyond the last octet it can have sent. */
static uint32_t end_of(const struct sim_watchers *w, const struct sim_watch_dir *d)
{
	return w->leaky ? d->iss + (1u << 30) : seq_max(d->nxt, d->syn_end) + 1;
}

void sim_watch_received(struct sim_watchers *w, const uint8_t *p, uint16_t len, bool damaged)
{
	struct sim_watch_dir *r;	/* the receiver's own direction */
	struct sim_seg g;
	struct view v;

	if (!sim_seg_parse(p, len, &g) || (damaged && !checksums_right(p, len)) ||
	    !view_of(w, &g, &v))
		return;
	v.f->touched = true;
	r = v.o;
	/* Of an earlier connection: its numbers say nothing here. */
	if (!v.d->syn || !seq_in(g.seq, v.d->iss, end_of(w, v.d)))
		return;
	r->seen = r->heard ? seq_max(r->seen, g.seq + sim_seg_space(&g))
			   : g.seq + sim_seg_space(&g);
	r->heard = true;
	if ((g.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		r->syn_wnd = g.wnd;
	if (!r->syn || (g.flags & TCP_ACK) == 0 || !seq_in(g.ack, r->iss + 1, end_of(w, r)))
		return;
	r->limit = seq_max(r->limit, g.ack + window(&v));
	if (seq_le(g.ack, r->una) && r->una != r->iss && sim_seg_space(&g) == 0)
		r->disturbed = true;
	if (g.nsack != 0)
		r->disturbed = true;
	r->una = seq_max(r->una, g.ack);
	r->nxt = seq_max(r->nxt, seq_min(g.ack, r->syn_end));
}
