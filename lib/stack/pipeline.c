/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The prefetch pipeline: a burst goes through each stage as a whole, so that the cache misses of
 * its packets overlap, and is then sorted by (state, flags) into classes, each run in its own tight
 * loop.
 *
 *   parse -> local address, words -> hash all -> prefetch buckets -> candidates, prefetch records
 *         -> classes -> class loops -> the rest, in order, through input.c
 *
 * TCP exists once: a class loop is a predicate of lib/tcp/fast.h ("exactly the expected segment")
 * and its verdict; whatever the predicate refuses, having changed nothing, goes to the rest. Order
 * is by tuple: of two packets of one tuple in a burst the later goes to the rest, which runs last
 * and in order. A class loop checks key and state again before it acts, since an earlier one may
 * have freed the record.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read, no division. Budget:
 * bench/micro/pipeline.
 */
#include <string.h>

#include <rte_mbuf.h>

#include "open.h"

enum flag_class { FLAGS_OTHER, FLAGS_ACK, FLAGS_SYN, FLAGS_FIN, FLAGS_SYNACK, FLAGS_CLASSES };

static const uint8_t flag_class[256] = {
	[TCP_ACK] = FLAGS_ACK,
	[TCP_ACK | TCP_PSH] = FLAGS_ACK,
	[TCP_SYN] = FLAGS_SYN,
	[TCP_FIN | TCP_ACK] = FLAGS_FIN,
	[TCP_FIN | TCP_ACK | TCP_PSH] = FLAGS_FIN,
	[TCP_SYN | TCP_ACK] = FLAGS_SYNACK,
};

#define BIT(state) __builtin_ctz(TCP_##state)
/* By number of the state's bit and class of flags; the rest is PIPE_REST. */
static const uint8_t class_table[TCP_STATES][FLAGS_CLASSES] = {
	[BIT(SYN_RCVD)] = {[FLAGS_ACK] = PIPE_OPENED, [FLAGS_FIN] = PIPE_OPENED_FIN},
	[BIT(SYN_SENT)] = {[FLAGS_SYNACK] = PIPE_SYNACK},
	[BIT(ESTABLISHED)] = {[FLAGS_ACK] = PIPE_DATA, [FLAGS_FIN] = PIPE_FIN},
	[BIT(FIN_WAIT_1)] = {[FLAGS_ACK] = PIPE_FIN_ACKED, [FLAGS_FIN] = PIPE_FIN_ACKED},
	[BIT(FIN_WAIT_2)] = {[FLAGS_FIN] = PIPE_FIN_ACKED},
	[BIT(LAST_ACK)] = {[FLAGS_ACK] = PIPE_LAST_ACK},
};
#undef BIT

/* ---- stages ---- */

#define MAC_MASK 0xffffffffffffull

/* The untagged IPv4 range of a port that the last frame was for; empty if it was another. */
static struct laddr_range lane_range(const struct mr_worker *w, uint16_t port)
{
	const struct laddr_range *r = &w->range[w->last_range];

	if (r->family == 4 && r->port == port && r->vlan == WIRE_NO_VLAN)
		return *r;
	return (struct laddr_range){0};
}

/* Index of the destination of an untagged frame when it is not in the usual range. */
static MR_NOINLINE uint16_t lane_laddr(struct mr_worker *w, uint16_t port, uint32_t dst,
				       struct laddr_range *usual)
{
	const struct wire_frame f = {
		.family = 4, .vlan = WIRE_NO_VLAN, .vlan_outer = WIRE_NO_VLAN};
	const uint16_t laddr = laddr_find(w, &f, port, (const uint8_t *)&dst);

	*usual = lane_range(w, port);
	return laddr;
}

static inline uint64_t *seen_word(struct burst *b, uint64_t hash)
{
	return &b->seen[(hash >> 6) & 63];
}

/* A frame for the rest: its tuple is marked, so that the plain ones of it stay behind it. */
static MR_NOINLINE void odd_frame(struct mr_worker *w, struct burst *b, uint32_t i,
				  struct rte_mbuf *m)
{
	struct wire_frame *f = &b->frame[i];
	uint64_t words[2], hash;
	uint16_t laddr;

	b->rest |= 1ull << i;
	b->parsed |= 1ull << i;
	wire_parse(m, f, &w->counters);
	if (f->kind != WIRE_TCP || f->family != 4)
		return;
	laddr = laddr_find(w, f, b->port, (const uint8_t *)&f->dst4);
	flow_words4(f->src4, f->sport, f->dport, laddr, words);
	hash = mr_sip13_words(&w->key_table, words, 2);
	*seen_word(b, hash) |= 1ull << (hash & 63);
}

/* Which frames are plain and ours, and their tuples. */
static void stage_parse(struct mr_worker *w, struct burst *b, struct rte_mbuf **pkts)
{
	struct laddr_range usual = lane_range(w, b->port);
	const uint64_t mac = w->mac_word[b->port];
	struct lane *l = &b->v4;
	uint64_t octets = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const uint8_t *p = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		uint32_t dst, off, laddr;
		uint64_t words[2];

		octets += pkts[i]->pkt_len;
		if (MR_UNLIKELY(!wire_is_plain4(pkts[i]) || (wire_load64(p) & MAC_MASK) != mac)) {
			odd_frame(w, b, i, pkts[i]);
			usual = lane_range(w, b->port);
			continue;
		}
		dst = wire_load32(p + PLAIN_ETH_LEN + 16);
		off = rte_be_to_cpu_32(dst) - usual.addr_low;
		laddr = usual.first + off;
		if (MR_UNLIKELY(off >= usual.count)) {
			laddr = lane_laddr(w, b->port, dst, &usual);
			if (laddr == MR_NONE16) {
				b->rest |= 1ull << i;
				continue;
			}
		}
		flow_words4(wire_load32(p + PLAIN_ETH_LEN + 12), wire_load16(p + PLAIN_L4),
			    wire_load16(p + PLAIN_L4 + 2), (uint16_t)laddr, words);
		l->w0[n] = words[0];
		l->w1[n] = words[1];
		l->m[n] = pkts[i];
		l->tcp[n] = wire_plain_words(p);
		l->l4_len[n] = (uint16_t)(wire_be16(wire_load16(p + PLAIN_ETH_LEN + 2)) -
					  PLAIN_IP_LEN);
		l->packet[n++] = (uint8_t)i;
	}
	l->n = n;
	mr_count_n(&w->counters, MR_C_RX_OCTETS, octets);
}

static void stage_lookup(struct mr_worker *w, struct burst *b)
{
	const struct table *t = &w->flows[0].table;
	struct lane *l = &b->v4;
	uint32_t more[MR_BURST], nmore = 0, misses = 0, n = l->n;

	mr_sip13_burst(&w->key_table, l->w0, l->w1, l->hash, n);
	for (uint32_t i = 0; i < n; i++)
		table_prefetch_bucket(t, l->hash[i]);
	for (uint32_t i = 0; i < n; i++) {
		l->candidate[i] = table_candidate(t, l->hash[i]);
		if (MR_UNLIKELY(l->candidate[i] >= TABLE_MORE)) {
			uint32_t next = table_next_free(t, misses++);

			timewait_prefetch(w->flows[0].tw, l->hash[i]);
			if (next != TABLE_NIL)
				table_prefetch_record(t, next);
			if (l->candidate[i] == TABLE_MORE)
				more[nmore++] = i;
		}
	}
	for (uint32_t k = 0; k < nmore; k++)
		l->candidate[more[k]] = table_second(t, l->hash[more[k]]);
}

/* Of two packets of one tuple the later one is left to the rest (a false alarm only costs time). */
static inline bool seen_before(struct burst *b, uint64_t hash)
{
	uint64_t *word = seen_word(b, hash), bit = 1ull << (hash & 63);
	bool seen = (*word & bit) != 0;

	*word |= bit;
	return seen;
}

static void stage_classify(struct mr_worker *w, struct burst *b)
{
	struct lane *l = &b->v4;
	uint32_t repeats = 0, conn_flags = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		uint32_t cand = l->candidate[i], class = PIPE_REST;
		const uint8_t flags = flag_class[wire_plain_flags(l->tcp[i])];

		if (MR_UNLIKELY(seen_before(b, l->hash[i]))) {
			repeats++;
		} else if (MR_LIKELY(cand < TABLE_MORE)) {
			const struct tcp_conn *c = lane_conn(w, l, i).c;

			class = class_table[c->state_bit][flags];
			conn_flags |= c->flags;
			if (class == PIPE_FIN_ACKED) /* it goes to TIME_WAIT in a moment */
				timewait_prefetch(w->flows[0].tw, l->hash[i]);
		} else if (cand == TABLE_NIL && flags == FLAGS_SYN) {
			class = PIPE_SYN;
			conn_flags |= wire_plain_options_len(l->tcp[i]) >= 12 ? TCP_F_TS : 0;
		}
		if (MR_UNLIKELY(class == PIPE_REST))
			lane_to_rest(b, l, i);
		b->class_of[class][b->nclass[class]++] = (uint8_t)i;
	}
	mr_count_n(&w->counters, MR_C_RX_TUPLE_REPEAT, repeats);
	l->ts_known = (conn_flags & TCP_F_TS) != 0;
	if (l->ts_known)
		mr_sip13_burst(&w->key_ts, l->w0, l->w1, l->ts, l->n);
}

/* ---- class loops ---- */

typedef bool (*fast_fn)(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
			struct rte_mbuf *m, struct tcp_verdict *v);

/* Adapters: the predicates of fast.h under one signature; `m` is used by data only. */
#define FAST_BARE(name) \
	MR_INLINE bool name##_m(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg, \
				struct rte_mbuf *m, struct tcp_verdict *v) \
	{ \
		(void)m; \
		return name(cx, c, seg, v); \
	}
FAST_BARE(tcp_fast_syn_rcvd)
FAST_BARE(tcp_fast_syn_rcvd_fin)
FAST_BARE(tcp_fast_fin)
FAST_BARE(tcp_fast_fin_wait)
FAST_BARE(tcp_fast_last_ack)
#undef FAST_BARE

MR_INLINE bool fast_established(struct tcp_cx *cx, struct tcp_conn *c, const struct tcp_seg *seg,
				struct rte_mbuf *m, struct tcp_verdict *v)
{
	if (seg->len == 0)
		return tcp_fast_ack_of_data(cx, c, seg, v);
	return tcp_fast_data(cx, c, seg, m, v);
}

/* Cuts a plain frame down to its payload, its last `len` octets but for padding. */
static inline void cut_payload(struct rte_mbuf *m, uint16_t len)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t end = PLAIN_ETH_LEN + rte_be_to_cpu_16(wire_load16(p + PLAIN_ETH_LEN + 2));

	m->data_off = (uint16_t)(m->data_off + end - len);
	m->data_len = len;
	m->pkt_len = len;
}

/* One packet of a class; false: it goes to the rest, nothing has changed. */
MR_INLINE bool run_one(struct mr_worker *w, const struct lane *l, enum pipe_class class, uint32_t i,
		       fast_fn fast)
{
	struct conn_ref r = lane_conn(w, l, i);
	struct rte_mbuf *m = l->m[i];
	struct tcp_seg seg;
	struct tcp_verdict v;

	if (MR_UNLIKELY(!lane_same_tuple((const struct conn4 *)r.c, l, i) ||
			tcp_rexmt_count(r.c) != 0 || !lane_values(l, i, &seg)))
		return false;
	lane_cx(w, l, i, r);
	if (MR_UNLIKELY(!fast(&w->cx, r.c, &seg, m, &v)))
		return false;
	if (v.bits & TCP_V_TAKEN)
		cut_payload(m, seg.len);
	if ((class == PIPE_OPENED || class == PIPE_OPENED_FIN) && (r.c->flags & TCP_F_ACTIVE) == 0)
		conn_group(w, r.c)->stats.syn_rcvd--;
	react_plain(w, r, &v, (v.bits & TCP_V_TAKEN) ? NULL : m, l->hash[i]);
	return true;
}

MR_INLINE void run_class(struct mr_worker *w, struct burst *b, enum pipe_class class, fast_fn fast)
{
	const struct lane *l = &b->v4;
	uint32_t n = b->nclass[class], left = 0;

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = b->class_of[class][k];

		if (MR_UNLIKELY(!run_one(w, l, class, i, fast))) {
			lane_to_rest(b, l, i);
			left++;
		}
	}
	mr_count_n(&w->counters, MR_C_RX_FAST, n - left);
}

/* SYN_SENT: the SYN-ACK carries options that lane_values() does not know. */
static bool run_synack(struct mr_worker *w, const struct lane *l, uint32_t i)
{
	struct conn_ref r = lane_conn(w, l, i);
	struct tcp_verdict v;
	struct tcp_seg seg;

	if (MR_UNLIKELY(!lane_same_tuple((const struct conn4 *)r.c, l, i) ||
			tcp_rexmt_count(r.c) != 0))
		return false;
	lane_syn_values(l, i, &seg);
	lane_cx(w, l, i, r);
	if (MR_UNLIKELY(!tcp_fast_syn_sent(&w->cx, r.c, &seg, &v)))
		return false;
	react_plain(w, r, &v, l->m[i], l->hash[i]);
	return true;
}

static void run_synacks(struct mr_worker *w, struct burst *b)
{
	uint32_t n = b->nclass[PIPE_SYNACK], left = 0;

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = b->class_of[PIPE_SYNACK][k];

		if (MR_UNLIKELY(!run_synack(w, &b->v4, i))) {
			lane_to_rest(b, &b->v4, i);
			left++;
		}
	}
	mr_count_n(&w->counters, MR_C_RX_FAST, n - left);
}

/* SYNs without a record: their initial sequence numbers are hashed together. */
static void run_syns(struct mr_worker *w, struct burst *b)
{
	uint32_t n = b->nclass[PIPE_SYN], left = 0;

	for (uint32_t k = 0; k < n; k++) {
		b->syn_w0[k] = b->v4.w0[b->class_of[PIPE_SYN][k]];
		b->syn_w1[k] = b->v4.w1[b->class_of[PIPE_SYN][k]];
	}
	mr_sip13_burst(&w->key_isn, b->syn_w0, b->syn_w1, b->syn_isn, n);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = b->class_of[PIPE_SYN][k];

		if (MR_UNLIKELY(!open_plain(w, b, i, (uint32_t)b->syn_isn[k]))) {
			lane_to_rest(b, &b->v4, i);
			left++;
		}
	}
	mr_count_n(&w->counters, MR_C_RX_FAST, n - left);
}

static void run_classes(struct mr_worker *w, struct burst *b)
{
	if (b->nclass[PIPE_SYN] != 0)
		run_syns(w, b);
	run_synacks(w, b);
	run_class(w, b, PIPE_OPENED, tcp_fast_syn_rcvd_m);
	run_class(w, b, PIPE_OPENED_FIN, tcp_fast_syn_rcvd_fin_m);
	run_class(w, b, PIPE_DATA, fast_established);
	run_class(w, b, PIPE_FIN, tcp_fast_fin_m);
	run_class(w, b, PIPE_FIN_ACKED, tcp_fast_fin_wait_m);
	run_class(w, b, PIPE_LAST_ACK, tcp_fast_last_ack_m);
}

void pipeline_burst(struct mr_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct burst b;

	b.port = port;
	b.n = n;
	b.rest = b.parsed = 0;
	memset(b.seen, 0, sizeof(b.seen));
	memset(b.nclass, 0, sizeof(b.nclass));
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		/* For writing: most of them go out again, rewritten in place. */
		MR_PREFETCH_WRITE(p);
		if (pkts[i]->data_len > MR_CACHE_LINE)
			MR_PREFETCH_WRITE(p + MR_CACHE_LINE);
	}
	stage_parse(w, &b, pkts);
	if (MR_LIKELY(b.v4.n != 0)) {
		stage_lookup(w, &b);
		stage_classify(w, &b);
		run_classes(w, &b);
	}
	for (; b.rest != 0; b.rest &= b.rest - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(b.rest);

		if ((b.parsed >> i & 1) == 0)
			wire_parse(pkts[i], &b.frame[i], &w->counters);
		input_parsed(w, port, pkts[i], &b.frame[i]);
	}
	done_flush(w);
}
