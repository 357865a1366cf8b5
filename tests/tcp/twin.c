/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See twin.h.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "bare_ext.h"
#include "fast.h"
#include "twin.h"

uint64_t twin_hits[F_KINDS], twin_outputs[3];

/* ---- the fast side ---- */

static bool fast_arrives(struct world *w, const struct tcp_seg *seg, struct rte_mbuf *m)
{
	static bool (*const bare[])(struct tcp_cx *, struct tcp_conn *, const struct tcp_seg *,
				    struct tcp_verdict *) = {
		tcp_fast_syn_rcvd, tcp_fast_syn_rcvd_fin, tcp_fast_fin, tcp_fast_last_ack,
		tcp_fast_fin_wait, tcp_fast_syn_sent,
	};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(bare); i++) {
		if (bare[i](&w->cx, &w->c, seg, &w->v)) {
			twin_hits[i]++;
			return true;
		}
	}
	if (tcp_fast_data(&w->cx, &w->c, seg, m, &w->v)) {
		twin_hits[F_DATA]++;
		return true;
	}
	if (tcp_fast_ack_of_data(&w->cx, &w->c, seg, &w->v)) {
		twin_hits[F_ACK]++;
		return true;
	}
	return false;
}

void twin_output(struct world *w, bool fast)
{
	w->nout = 0;
	if (w->v.bits & TCP_V_GONE)
		return;
	if (fast) {
		enum tcp_fast_out how = tcp_fast_output(&w->cx, &w->c, &w->out[0]);

		twin_outputs[how]++;
		w->nout = how == TCP_FAST_SEGMENT;
		if (how != TCP_FAST_GENERAL)
			return;
	}
	while (tcp_next_segment(&w->cx, &w->c, &w->out[w->nout]))
		cr_assert(++w->nout < WORLD_OUT_MAX);
}

/* Each octet tells its place, so that what is cut at the wrong one is seen. */
static struct rte_mbuf *text_of(const struct tcp_seg *seg)
{
	uint32_t first = seg->seq + ((seg->flags & TCP_SYN) != 0);
	uint8_t octets[UINT16_MAX];

	if (seg->len == 0)
		return NULL;
	for (uint32_t i = 0; i < seg->len; i++)
		octets[i] = twin_octet(first + i);
	return fake_chain(octets, seg->len, FAKE_ROOM);
}

static void take(struct world *w)
{
	for (const struct rte_mbuf *s = w->v.deliver; s != NULL; s = s->next) {
		const uint8_t *octets = rte_pktmbuf_mtod(s, const uint8_t *);

		for (uint32_t i = 0; i < s->data_len; i++)
			w->delivered_hash = twin_hash(w->delivered_hash, octets[i]);
	}
	w->delivered += w->v.deliver->pkt_len;
	fake_free(w->v.deliver);
	w->v.deliver = NULL;
}

void twin_arrives(struct world *w, const struct tcp_seg *seg, bool fast)
{
	struct rte_mbuf *m = text_of(seg);

	if (!fast || !fast_arrives(w, seg, m))
		tcp_arrives(&w->cx, &w->c, seg, m, &w->v);
	if (m != NULL && (w->v.bits & TCP_V_TAKEN) == 0)
		fake_free(m);
	if (w->v.bits & TCP_V_DELIVER)
		take(w);
	twin_output(w, fast);
}

/* ---- equality ---- */

static void same_segment(const struct tcp_xmit *a, const struct tcp_xmit *b)
{
	cr_assert(a->seg.seq == b->seg.seq && a->seg.ack == b->seg.ack && a->seg.wnd == b->seg.wnd);
	cr_assert(a->seg.flags == b->seg.flags && a->seg.opts == b->seg.opts &&
		  a->seg.len == b->seg.len);
	cr_assert(a->seg.tsval == b->seg.tsval && a->seg.tsecr == b->seg.tsecr);
	cr_assert(a->seg.mss == b->seg.mss && a->seg.wscale == b->seg.wscale);
	cr_assert_eq(a->seg.ecn, b->seg.ecn);
	cr_assert(a->seg.urg == b->seg.urg && a->seg.nsack == b->seg.nsack);
	cr_assert(memcmp(a->seg.sack, b->seg.sack, sizeof(a->seg.sack)) == 0);
	cr_assert(a->data_off == b->data_off && a->retransmit == b->retransmit);
	cr_assert((a->data == NULL) == (b->data == NULL));
}

/* Extensions are equal but for the addresses of their mbufs. */
static void same_ext(const struct world *a, const struct world *b)
{
	struct tcp_ext x, y;

	cr_assert_eq(tcp_ext_index(&a->c), tcp_ext_index(&b->c));
	if (tcp_ext_index(&a->c) == 0)
		return;
	x = *tcp_ext_of(&a->pool, &a->c);
	y = *tcp_ext_of(&b->pool, &b->c);
	bare_ext(&x);
	bare_ext(&y);
	cr_assert(memcmp(&x, &y, sizeof(x)) == 0, "extensions differ");
	cr_assert(memcmp(&a->pool.flight[x.flight], &b->pool.flight[x.flight],
			 sizeof(struct tcp_flight)) == 0, "scoreboards differ");
}

void twin_same(const struct world *a, const struct world *b)
{
	cr_assert(memcmp(&a->c, &b->c, sizeof(a->c)) == 0, "records differ in %s",
		  tcp_state_name(tcp_state(&b->c)));
	for (unsigned int i = 0; i < MR_C_COUNT; i++)
		cr_assert(a->counters.v[i] == b->counters.v[i], "%s differs in %s",
			  mr_counter_info[i].name, tcp_state_name(tcp_state(&b->c)));
	cr_assert(a->v.bits == b->v.bits && a->v.drop == b->v.drop && a->v.reason == b->v.reason);
	cr_assert(a->v.rst.seq == b->v.rst.seq && a->v.rst.ack == b->v.rst.ack);
	cr_assert_eq(a->delivered_hash, b->delivered_hash);
	cr_assert(a->delivered == b->delivered && a->pool.mbufs_held == b->pool.mbufs_held);
	cr_assert_eq(a->nout, b->nout);
	for (unsigned int i = 0; i < a->nout; i++)
		same_segment(&a->out[i], &b->out[i]);
	same_ext(a, b);
}
