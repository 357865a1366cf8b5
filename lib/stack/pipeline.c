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

#include "react.h"

/* One packet of the burst that is TCP over IPv4 to one of our addresses. */
struct lane {
	uint64_t w0[MR_BURST] MR_CACHE_ALIGNED;
	uint64_t w1[MR_BURST] MR_CACHE_ALIGNED;
	uint64_t hash[MR_BURST] MR_CACHE_ALIGNED;
	uint32_t candidate[MR_BURST];
	uint8_t packet[MR_BURST];	/* its index in the burst */
	uint32_t n;
};

enum pipe_class {
	PIPE_REST,	/* in order, through input.c */
	PIPE_SYN,	/* no record, SYN: a new connection */
	PIPE_OPENED,	/* SYN_RCVD, ACK */
	PIPE_OPENED_FIN, /* SYN_RCVD, FIN+ACK: opened and closed at once */
	PIPE_SYNACK,	/* SYN_SENT, SYN+ACK */
	PIPE_DATA,	/* ESTABLISHED, ACK: data or pure ACK */
	PIPE_FIN,	/* ESTABLISHED, FIN+ACK */
	PIPE_FIN_ACKED,	/* FIN_WAIT_1, FIN_WAIT_2: ACK or FIN+ACK */
	PIPE_LAST_ACK,	/* LAST_ACK, ACK */
	PIPE_CLASSES,
};

struct burst {
	struct lane v4;
	struct wire_frame frame[MR_BURST];
	uint64_t seen[64];		/* bits of hashes: has this tuple, or one like it, been? */
	uint8_t class_of[PIPE_CLASSES][MR_BURST];
	uint32_t nclass[PIPE_CLASSES];
	bool rest[MR_BURST];		/* by packet: goes through input_parsed() */
	uint16_t port, n;
};

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
static const uint8_t class_table[16][FLAGS_CLASSES] = {
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

/* The frame's destination MAC is the port's (TCP to a group MAC was dropped by wire_parse). */
static inline bool mac_matches(const struct mr_worker *w, uint16_t port, const struct rte_mbuf *m)
{
	uint64_t dst;

	if (MR_UNLIKELY(m->data_len < sizeof(dst)))
		return mac_is_ours(w, port, m);
	memcpy(&dst, rte_pktmbuf_mtod(m, const uint8_t *), sizeof(dst));
	return (dst & MAC_MASK) == w->mac_word[port];
}

/* Index of the destination address: the range of the last hit, or laddr_find(). */
static inline uint16_t lane_laddr(struct mr_worker *w, uint16_t port, const struct wire_frame *f)
{
	const struct laddr_range *r = &w->range[w->last_range];
	uint32_t off = rte_be_to_cpu_32(f->dst4) - r->addr_low;

	if (MR_LIKELY(off < r->count && r->family == 4 && r->port == port && r->vlan == f->vlan &&
		      r->vlan_outer == f->vlan_outer))
		return (uint16_t)(r->first + off);
	return laddr_find(w, f, port, (const uint8_t *)&f->dst4);
}

static uint32_t stage_parse(struct mr_worker *w, struct burst *b, struct rte_mbuf **pkts)
{
	uint64_t octets = 0;
	struct lane *l = &b->v4;

	for (uint32_t i = 0; i < b->n; i++) {
		struct wire_frame *f = &b->frame[i];
		uint64_t words[2];
		uint16_t laddr;

		octets += pkts[i]->pkt_len;
		wire_parse(pkts[i], f, &w->counters);
		b->rest[i] = true;
		if (MR_UNLIKELY(f->kind != WIRE_TCP || f->family != 4 ||
				!mac_matches(w, b->port, pkts[i])))
			continue;
		laddr = lane_laddr(w, b->port, f);
		if (MR_UNLIKELY(laddr == MR_NONE16))
			continue;
		flow_words4(f->src4, f->sport, f->dport, laddr, words);
		l->w0[l->n] = words[0];
		l->w1[l->n] = words[1];
		l->packet[l->n++] = (uint8_t)i;
		b->rest[i] = false;
	}
	mr_count_n(&w->counters, MR_C_RX_OCTETS, octets);
	return l->n;
}

static void stage_lookup(struct mr_worker *w, struct burst *b)
{
	struct flows *f = &w->flows[0];
	struct lane *l = &b->v4;
	uint32_t more[MR_BURST], nmore = 0, misses = 0;

	mr_sip13_burst(&w->key_table, l->w0, l->w1, l->hash, l->n);
	for (uint32_t i = 0; i < l->n; i++)
		table_prefetch_bucket(&f->table, l->hash[i]);
	for (uint32_t i = 0; i < l->n; i++) {
		l->candidate[i] = table_candidate(&f->table, l->hash[i]);
		if (MR_UNLIKELY(l->candidate[i] >= TABLE_MORE)) {
			uint32_t next = table_next_free(&f->table, misses++);

			timewait_prefetch(f->tw, l->hash[i]);
			if (next != TABLE_NIL)
				table_prefetch_record(&f->table, next);
			if (l->candidate[i] == TABLE_MORE)
				more[nmore++] = i;
		}
	}
	for (uint32_t k = 0; k < nmore; k++)
		l->candidate[more[k]] = table_second(&f->table, l->hash[more[k]]);
}

/* Of two packets of one tuple the later one is left to the rest (a false alarm only costs time). */
static inline bool seen_before(struct burst *b, uint64_t hash)
{
	uint64_t *word = &b->seen[(hash >> 6) & 63], bit = 1ull << (hash & 63);
	bool seen = (*word & bit) != 0;

	*word |= bit;
	return seen;
}

static void stage_classify(struct mr_worker *w, struct burst *b, struct rte_mbuf **pkts)
{
	struct lane *l = &b->v4;

	for (uint32_t i = 0; i < l->n; i++) {
		uint32_t p = l->packet[i], cand = l->candidate[i], class;
		const struct wire_frame *f = &b->frame[p];
		uint8_t flags;

		if (MR_UNLIKELY(seen_before(b, l->hash[i]))) {
			mr_count(&w->counters, MR_C_RX_TUPLE_REPEAT);
			b->rest[p] = true;
			continue;
		}
		if (MR_UNLIKELY(!frame_is_plain(pkts[p], f) || cand == TABLE_MORE)) {
			b->rest[p] = true;
			continue;
		}
		flags = flag_class[rte_pktmbuf_mtod_offset(pkts[p], const uint8_t *, 14 + 20)[13]];
		if (cand == TABLE_NIL) {
			class = flags == FLAGS_SYN ? PIPE_SYN : PIPE_REST;
		} else {
			const struct tcp_conn *c = table_record(&w->flows[0].table, cand);

			class = class_table[__builtin_ctz(c->state | 1u << 15)][flags];
		}
		if (class == PIPE_FIN_ACKED) /* it goes to TIME_WAIT in a moment */
			timewait_prefetch(w->flows[0].tw, l->hash[i]);
		b->rest[p] = class == PIPE_REST;
		b->class_of[class][b->nclass[class]++] = (uint8_t)i;
	}
}

/* ---- class loops ---- */

static void lane_key(const struct lane *l, uint32_t i, struct flow_key *key)
{
	const uint32_t raddr = (uint32_t)l->w0[i];

	memset(key, 0, sizeof(*key));
	memcpy(key->raddr, &raddr, 4);
	key->rport = (uint16_t)(l->w0[i] >> 32);
	key->lport = (uint16_t)(l->w0[i] >> 48);
	key->laddr = (uint16_t)l->w1[i];
	key->family = 4;
}

static inline struct conn_ref lane_conn(const struct mr_worker *w, const struct lane *l, uint32_t i)
{
	const uint32_t index = l->candidate[i];

	/* As conn_at() with the stride a constant. */
	return (struct conn_ref){
		(struct tcp_conn *)&((struct conn4 *)w->flows[0].table.records)[index], index, 0};
}

/* The candidate's key, compared as the two words that were hashed. */
static inline bool same_tuple(const struct conn4 *c4, const struct lane *l, uint32_t i)
{
	uint64_t w0;

	memcpy(&w0, &c4->raddr, sizeof(w0));
	return w0 == l->w0[i] && c4->c.laddr == (uint16_t)l->w1[i];
}

/*
 * Sequence, acknowledgement, window and flags of a plain frame; false: options beyond timestamps.
 */
static inline bool plain_values(struct rte_mbuf *m, const struct wire_frame *f, struct tcp_seg *seg)
{
	const uint8_t *t = rte_pktmbuf_mtod_offset(m, const uint8_t *, 14 + 20);
	uint32_t head = (t[12] >> 4) * 4u, seq, ack, ts[3];

	memcpy(&seq, t + 4, 4);
	memcpy(&ack, t + 8, 4);
	seg->seq = rte_be_to_cpu_32(seq);
	seg->ack = rte_be_to_cpu_32(ack);
	seg->flags = t[13];
	seg->wnd = (uint16_t)(t[14] << 8 | t[15]);
	seg->len = (uint16_t)(f->l4_len - head);
	seg->urg = 0;
	seg->nsack = 0;
	seg->tsval = seg->tsecr = 0;
	seg->opts = 0;
	if (head == 20)
		return true;
	memcpy(ts, t + 20, sizeof(ts));
	if (head != 32 || ts[0] != rte_cpu_to_be_32(0x0101080au))
		return false;
	seg->opts = TCP_OPT_TS;
	seg->tsval = rte_be_to_cpu_32(ts[1]);
	seg->tsecr = rte_be_to_cpu_32(ts[2]);
	return true;
}

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

/* Cuts a plain frame down to its payload. */
static inline void cut_payload(struct rte_mbuf *m, const struct wire_frame *f, uint16_t len)
{
	uint16_t head = (uint16_t)(14 + 20 + f->l4_len - len);

	m->data_off = (uint16_t)(m->data_off + head);
	m->data_len = len;
	m->pkt_len = len;
}

/* One packet of a class; false: it goes to the rest, nothing has changed. */
MR_INLINE bool run_one(struct mr_worker *w, struct burst *b, enum pipe_class class, uint32_t i,
		       struct rte_mbuf *m, fast_fn fast)
{
	const struct lane *l = &b->v4;
	const struct wire_frame *f = &b->frame[l->packet[i]];
	struct conn_ref r = lane_conn(w, l, i);
	struct tcp_seg seg;
	struct tcp_verdict v;

	if (MR_UNLIKELY(!same_tuple((const struct conn4 *)r.c, l, i) || tcp_rexmt_count(r.c) != 0))
		return false;
	if (MR_UNLIKELY(!plain_values(m, f, &seg)))
		return false;
	conn_cx(w, r);
	if (MR_UNLIKELY(!fast(&w->cx, r.c, &seg, m, &v)))
		return false;
	if (v.bits & TCP_V_TAKEN)
		cut_payload(m, f, seg.len);
	if ((class == PIPE_OPENED || class == PIPE_OPENED_FIN) && (r.c->flags & TCP_F_ACTIVE) == 0)
		conn_group(w, r.c)->stats.syn_rcvd--;
	react_plain(w, r, &v, (v.bits & TCP_V_TAKEN) ? NULL : m, l->hash[i]);
	return true;
}

MR_INLINE void run_class(struct mr_worker *w, struct burst *b, struct rte_mbuf **pkts,
			 enum pipe_class class, fast_fn fast)
{
	uint32_t done = 0;

	for (uint32_t k = 0; k < b->nclass[class]; k++) {
		uint32_t i = b->class_of[class][k], p = b->v4.packet[i];

		if (MR_LIKELY(run_one(w, b, class, i, pkts[p], fast)))
			done++;
		else
			b->rest[p] = true;
	}
	mr_count_n(&w->counters, MR_C_RX_FAST, done);
}

/* SYN_SENT: the SYN-ACK carries options that the plain values leave out. */
static void run_synack(struct mr_worker *w, struct burst *b, struct rte_mbuf **pkts)
{
	for (uint32_t k = 0; k < b->nclass[PIPE_SYNACK]; k++) {
		uint32_t i = b->class_of[PIPE_SYNACK][k], p = b->v4.packet[i];
		struct conn_ref r = lane_conn(w, &b->v4, i);
		struct tcp_verdict v;
		struct tcp_seg seg;
		uint16_t off, why;

		b->rest[p] = true;
		if (!same_tuple((const struct conn4 *)r.c, &b->v4, i) ||
		    tcp_rexmt_count(r.c) != 0 ||
		    !wire_tcp_values(pkts[p], &b->frame[p], &seg, &off, &why))
			continue;
		conn_cx(w, r);
		if (!tcp_fast_syn_sent(&w->cx, r.c, &seg, &v))
			continue;
		b->rest[p] = false;
		mr_count(&w->counters, MR_C_RX_FAST);
		react_plain(w, r, &v, pkts[p], b->v4.hash[i]);
	}
}

/* A SYN without a record: the plain way but for the lookup, which the stages have done. */
static void run_syn(struct mr_worker *w, struct burst *b, struct rte_mbuf **pkts)
{
	for (uint32_t k = 0; k < b->nclass[PIPE_SYN]; k++) {
		uint32_t i = b->class_of[PIPE_SYN][k], p = b->v4.packet[i];
		struct rx_seg rx = {.m = pkts[p],
				    .hash = b->v4.hash[i],
				    .frame = &b->frame[p],
				    .port = b->port};
		uint16_t why;

		/* A handler may have opened this very tuple meanwhile. */
		b->rest[p] = table_candidate(&w->flows[0].table, rx.hash) != TABLE_NIL ||
			     !wire_tcp_values(rx.m, rx.frame, &rx.seg, &rx.payload_off, &why);
		if (b->rest[p])
			continue;
		lane_key(&b->v4, i, &rx.key);
		mr_count(&w->counters, MR_C_RX_FAST);
		input_syn(w, &rx, &w->flows[0]);
	}
}

void pipeline_burst(struct mr_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct burst b;

	b.v4.n = 0;
	b.port = port;
	b.n = n;
	memset(b.seen, 0, sizeof(b.seen));
	memset(b.nclass, 0, sizeof(b.nclass));
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		/* For writing: most of them go out again, rewritten in place. */
		MR_PREFETCH_WRITE(p);
		if (pkts[i]->data_len > MR_CACHE_LINE)
			MR_PREFETCH_WRITE(p + MR_CACHE_LINE);
	}
	if (MR_LIKELY(stage_parse(w, &b, pkts) != 0)) {
		stage_lookup(w, &b);
		stage_classify(w, &b, pkts);
		run_syn(w, &b, pkts);
		run_synack(w, &b, pkts);
		run_class(w, &b, pkts, PIPE_OPENED, tcp_fast_syn_rcvd_m);
		run_class(w, &b, pkts, PIPE_OPENED_FIN, tcp_fast_syn_rcvd_fin_m);
		run_class(w, &b, pkts, PIPE_DATA, fast_established);
		run_class(w, &b, pkts, PIPE_FIN, tcp_fast_fin_m);
		run_class(w, &b, pkts, PIPE_FIN_ACKED, tcp_fast_fin_wait_m);
		run_class(w, &b, pkts, PIPE_LAST_ACK, tcp_fast_last_ack_m);
	}
	for (uint32_t i = 0; i < n; i++)
		if (b.rest[i])
			input_parsed(w, port, pkts[i], &b.frame[i]);
}
