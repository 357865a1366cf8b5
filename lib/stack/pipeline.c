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
 * and in order; but data, and ACKs of it, follow each other in their class, until one of them goes
 * to the rest. A class loop checks key and state again before it acts, since an earlier one may
 * have freed the record.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read, no division. Budget:
 * bench/micro/pipeline.
 */
#include <string.h>

#include <rte_mbuf.h>

#include "ahead.h"
#include "syncookie.h"

enum flag_class { FLAGS_OTHER, FLAGS_ACK, FLAGS_SYN, FLAGS_FIN, FLAGS_SYNACK, FLAGS_CLASSES };

static const uint8_t flag_class[256] = {
	[TCP_ACK] = FLAGS_ACK,
	[TCP_ACK | TCP_PSH] = FLAGS_ACK,
	[TCP_SYN] = FLAGS_SYN,
	[TCP_SYN | TCP_ECE | TCP_CWR] = FLAGS_SYN,
	[TCP_FIN | TCP_ACK] = FLAGS_FIN,
	[TCP_FIN | TCP_ACK | TCP_PSH] = FLAGS_FIN,
	[TCP_SYN | TCP_ACK] = FLAGS_SYNACK,
	[TCP_SYN | TCP_ACK | TCP_ECE] = FLAGS_SYNACK,
};

#define BIT(state) __builtin_ctz(TCP_##state)
/* By number of the state's bit and class of flags; the rest is PIPE_REST. */
#define NO_CONN TCP_STATES	/* no record */
static const uint8_t class_table[TCP_STATES + 1][FLAGS_CLASSES] = {
	[NO_CONN] = {[FLAGS_SYN] = PIPE_SYN},
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

/* A frame for the rest: its tuple is marked, so that the plain ones of it stay behind it. */
static MR_NOINLINE void odd_frame(struct mr_worker *w, struct burst *b, uint32_t i,
				  struct rte_mbuf *m)
{
	struct wire_frame *f = &b->frame[i];
	struct rx_seg rx = {.m = m, .port = b->port, .frame = f};

	b->rest |= 1ull << i;
	b->parsed |= 1ull << i;
	wire_parse(m, f, &w->counters);
	if (f->kind != WIRE_TCP || !input_key(w, &rx))
		return;
	*lane_seen_word(b, rx.hash) |= 1ull << (rx.hash & 63);
	b->odd_hash[b->nodd++] = rx.hash;
}

/* The next place of a lane for a plain frame whose TCP header is at `tcp`. */
static inline uint32_t lane_add(struct lane *l, uint32_t packet, struct rte_mbuf *m,
				const uint8_t *tcp, uint32_t l4_len)
{
	const uint32_t n = l->n++;

	l->m[n] = m;
	l->tcp[n] = wire_plain_words(tcp);
	l->l4_len[n] = (uint16_t)l4_len;
	l->packet[n] = (uint8_t)packet;
	return n;
}

/* A plain frame over IPv6 to one of our addresses goes into its lane; any other is odd. */
static MR_NOINLINE void other_frame(struct mr_worker *w, struct burst *b, uint32_t i,
				    struct rte_mbuf *m)
{
	const struct wire_frame f = {
		.family = 6, .vlan = WIRE_NO_VLAN, .vlan_outer = WIRE_NO_VLAN};
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + PLAIN_ETH_LEN;
	struct lane *l = &b->lane[1];
	uint64_t words[3];
	uint16_t laddr = MR_NONE16;
	uint32_t n;

	if (MR_LIKELY(w->flows[1].on && wire_is_plain6(m) &&
		      (wire_load64(p) & MAC_MASK) == w->mac_word[b->port]))
		laddr = laddr_find(w, &f, b->port, ip + WIRE_IP6_DST_OFF);
	if (MR_UNLIKELY(laddr == MR_NONE16)) {
		odd_frame(w, b, i, m);
		return;
	}
	n = lane_add(l, i, m, p + PLAIN6_L4, wire_be16(wire_load16(ip + 4)));
	flow_words6(ip + WIRE_IP6_SRC_OFF, wire_load32(p + PLAIN6_L4), laddr, words);
	for (uint32_t k = 0; k < 3; k++)
		l->w[k][n] = words[k];
}

/* Which frames are plain and ours, and their tuples. */
static void stage_parse(struct mr_worker *w, struct burst *b, struct rte_mbuf **pkts)
{
	struct laddr_range usual = lane_range(w, b->port);
	const uint64_t mac = w->mac_word[b->port];
	struct lane *l = &b->lane[0];
	uint64_t octets = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const uint8_t *p = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		uint32_t off, n;
		uint64_t words[2];

		octets += pkts[i]->pkt_len;
		if (MR_UNLIKELY(!w->flows[0].on || !wire_is_plain4(pkts[i]) ||
				(wire_load64(p) & MAC_MASK) != mac)) {
			other_frame(w, b, i, pkts[i]);
			continue;
		}
		off = wire_be32(wire_load32(p + PLAIN_ETH_LEN + 16)) - usual.addr_low;
		if (MR_UNLIKELY(off >= usual.count)) {	/* perhaps another range has it */
			odd_frame(w, b, i, pkts[i]);
			usual = lane_range(w, b->port);
			continue;
		}
		flow_words4(wire_load32(p + PLAIN_ETH_LEN + 12), wire_load16(p + PLAIN_L4),
			    wire_load16(p + PLAIN_L4 + 2), (uint16_t)(usual.first + off), words);
		n = lane_add(l, i, pkts[i], p + PLAIN_L4,
			     wire_be16(wire_load16(p + PLAIN_ETH_LEN + 2)) - PLAIN_IP_LEN);
		l->w[0][n] = words[0];
		l->w[1][n] = words[1];
	}
	mr_count_n(&w->counters, MR_C_RX_OCTETS, octets);
}

/* No record in the home bucket: a new connection, TIME_WAIT, or a record further on. */
MR_INLINE void lookup_missing(struct mr_worker *w, struct lane *l, const uint32_t v6,
			      const uint8_t *missing, uint32_t n)
{
	const struct table *t = &w->flows[v6].table;

	for (uint32_t k = 0; k < n; k++) {
		const uint64_t hash = l->hash[missing[k]];
		const uint32_t next = table_next_free(t, k);

		timewait_prefetch(w->flows[v6].tw, hash);
		if (next != TABLE_NIL)
			table_prefetch_record(t, next);
		if (MR_UNLIKELY(l->candidate[missing[k]] == TABLE_MORE))
			MR_PREFETCH_WRITE(&t->buckets[table_probe(t, table_home(t, hash), hash)]);
	}
	for (uint32_t k = 0; k < n; k++)
		if (MR_UNLIKELY(l->candidate[missing[k]] == TABLE_MORE))
			l->candidate[missing[k]] = table_second(t, l->hash[missing[k]]);
}

MR_INLINE void stage_lookup(struct mr_worker *w, struct lane *l, const uint32_t v6)
{
	const struct table *t = &w->flows[v6].table;
	uint8_t missing[MR_BURST];
	uint32_t nmissing = 0, n = l->n;

	mr_sip13_burst(&w->key_table, LANE_WORDS(l, w, v6), l->hash, n);
	for (uint32_t i = 0; i < n; i++)
		table_prefetch_bucket(t, l->hash[i]);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t index = table_candidate_flat(t, l->hash[i]);
		const bool hit = index < TABLE_MORE;

		l->candidate[i] = index;
		missing[nmissing] = (uint8_t)i;
		nmissing += !hit;
		table_prefetch_record(t, index & -(uint32_t)hit);
	}
	lookup_missing(w, l, v6, missing, nmissing);
}

/* What must be known of all before the class loops: TS offsets, TIME_WAIT's buckets. */
MR_INLINE void stage_prepare(struct mr_worker *w, struct lane *l, uint32_t conn_flags,
			     const uint32_t v6)
{
	for (uint32_t k = 0; k < l->nclass[PIPE_SYN]; k++)
		conn_flags |= wire_plain_options_len(l->tcp[l->class_of[PIPE_SYN][k]]) >= 12
				      ? TCP_F_TS : 0;
	for (uint32_t k = 0; k < l->nclass[PIPE_FIN_ACKED]; k++)
		timewait_prefetch(w->flows[v6].tw, l->hash[l->class_of[PIPE_FIN_ACKED][k]]);
	if (l->nclass[PIPE_DATA] != 0)
		ahead_senders(w, l, v6);
	l->ts_known = (conn_flags & TCP_F_TS) != 0;
	if (l->ts_known)
		mr_sip13_burst(&w->key_ts, LANE_WORDS(l, w, v6), l->ts, l->n);
}

MR_INLINE void stage_classify(struct mr_worker *w, struct burst *b, const uint32_t v6)
{
	static const struct tcp_conn no_conn = {.state_bit = NO_CONN};
	struct lane *l = &b->lane[v6];
	uint32_t repeats = 0, conn_flags = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		const uint8_t flags = flag_class[wire_plain_flags(l->tcp[i])];
		const struct tcp_conn *c = lane_conn(w, l, i, v6).c;
		uint32_t class;

		c = l->candidate[i] < TABLE_MORE ? c : &no_conn;
		class = l->candidate[i] == TABLE_MORE ? PIPE_REST
						      : class_table[c->state_bit][flags];
		conn_flags |= c->flags;
		l->before[i] = lane_seen_before(b, l, i);
		if (MR_UNLIKELY(l->before[i] != LANE_FIRST)) {
			class = lane_keeps_class(l, class, l->before[i]) ? class : PIPE_REST;
			repeats++;
		}
		l->class[i] = (uint8_t)class;
		if (MR_UNLIKELY(class == PIPE_REST))
			lane_to_rest(b, l, i);
		l->class_of[class][l->nclass[class]++] = (uint8_t)i;
	}
	mr_count_n(&w->counters, MR_C_RX_TUPLE_REPEAT, repeats);
	stage_prepare(w, l, conn_flags, v6);
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

/* A class and its way through TCP, both constants; NULL: run_class() knows the function. */
struct class_loop {
	enum pipe_class class;
	fast_fn fast;
};

/* Cuts a plain frame down to its payload: `len` octets at `off`. */
static inline void cut_payload(struct rte_mbuf *m, uint32_t off, uint16_t len)
{
	m->data_off = (uint16_t)(m->data_off + off);
	m->data_len = len;
	m->pkt_len = len;
}

/* One packet of a class; false: it goes to the rest, nothing has changed. */
MR_INLINE bool run_one(struct mr_worker *w, const struct lane *l, uint32_t i, const uint32_t v6,
		       const struct class_loop how)
{
	struct conn_ref r = lane_conn(w, l, i, v6);
	struct rte_mbuf *m = l->m[i];
	struct tcp_seg seg;
	struct tcp_verdict v;

	if (MR_UNLIKELY(!lane_same_tuple(r, l, i) || tcp_rexmt_count(r.c) != 0 ||
			!lane_values(l, i, v6, &seg)))
		return false;
	if (how.class == PIPE_DATA)	/* elsewhere nobody asks */
		seg.ecn = wire_plain_ecn(lane_frame(l, i), v6);
	lane_cx(w, l, i, r);
	if (MR_UNLIKELY(!how.fast(&w->cx, r.c, &seg, m, &v)))
		return false;
	if (v.bits & TCP_V_TAKEN)
		cut_payload(m, (v6 ? PLAIN6_L4 : PLAIN_L4) + l->l4_len[i] - seg.len, seg.len);
	if ((how.class == PIPE_OPENED || how.class == PIPE_OPENED_FIN) &&
	    (r.c->flags & TCP_F_ACTIVE) == 0)
		conn_group(w, r.c)->stats.syn_rcvd--;
	react_plain(w, r, &v, (v.bits & TCP_V_TAKEN) ? NULL : m, l->hash[i]);
	return true;
}

/* Data, unless what was before it is left to the rest. */
MR_INLINE bool run_data(struct mr_worker *w, const struct burst *b, uint32_t i, const uint32_t v6)
{
	const struct lane *l = &b->lane[v6];
	const uint8_t before = l->before[i];

	if (MR_UNLIKELY(before != LANE_FIRST && lane_in_rest(b, l, before)))
		return false;
	return run_one(w, l, i, v6, (struct class_loop){PIPE_DATA, fast_established});
}

/* SYN_SENT: the SYN-ACK carries options that lane_values() does not know. */
MR_INLINE bool run_synack(struct mr_worker *w, const struct lane *l, uint32_t i, const uint32_t v6)
{
	struct conn_ref r = lane_conn(w, l, i, v6);
	struct tcp_verdict v;
	struct tcp_seg seg;

	if (MR_UNLIKELY(!lane_same_tuple(r, l, i) || tcp_rexmt_count(r.c) != 0))
		return false;
	lane_syn_values(l, i, v6, &seg);
	lane_cx(w, l, i, r);
	if (MR_UNLIKELY(!tcp_fast_syn_sent(&w->cx, r.c, &seg, &v)))
		return false;
	react_plain(w, r, &v, l->m[i], l->hash[i]);
	return true;
}

MR_INLINE void run_class(struct mr_worker *w, struct burst *b, const uint32_t v6,
			 const struct class_loop how)
{
	const struct lane *l = &b->lane[v6];
	uint32_t n = l->nclass[how.class], left = 0;

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = l->class_of[how.class][k];
		bool done;

		if (how.class == PIPE_SYN)
			done = open_plain(w, b, i, (uint32_t)l->syn_isn[k], v6);
		else if (how.class == PIPE_SYNACK)
			done = run_synack(w, l, i, v6);
		else if (how.class == PIPE_DATA)
			done = run_data(w, b, i, v6);
		else
			done = run_one(w, l, i, v6, how);
		if (MR_UNLIKELY(!done)) {
			lane_to_rest(b, l, i);
			left++;
		}
	}
	mr_count_n(&w->counters, MR_C_RX_FAST, n - left);
}

/* The initial sequence numbers for the SYNs without a record. */
MR_INLINE void hash_syns(struct mr_worker *w, struct lane *l, const uint32_t v6)
{
	uint32_t n = l->nclass[PIPE_SYN];

	for (uint32_t k = 0; k < n; k++)
		for (uint32_t word = 0; word < 2 + v6; word++)
			l->syn_w[word][k] = l->w[word][l->class_of[PIPE_SYN][k]];
	mr_sip13_burst(&w->key_isn, LANE_WORDS(l, syn_w, v6), l->syn_isn, n);
}

static MR_NOINLINE void run_cookies4(struct mr_worker *w, struct burst *b) { cookie_lane(w, b, 0); }
static MR_NOINLINE void run_cookies6(struct mr_worker *w, struct burst *b) { cookie_lane(w, b, 1); }

MR_INLINE void run_lane(struct mr_worker *w, struct burst *b, const uint32_t v6)
{
	struct lane *l = &b->lane[v6];

	stage_lookup(w, l, v6);
	stage_classify(w, b, v6);
	hash_syns(w, l, v6);
	run_class(w, b, v6, (struct class_loop){PIPE_SYN, NULL});
	if (MR_UNLIKELY(l->nclass[PIPE_COOKIE] != 0))
		(v6 ? run_cookies6 : run_cookies4)(w, b);
	run_class(w, b, v6, (struct class_loop){PIPE_SYNACK, NULL});
	run_class(w, b, v6, (struct class_loop){PIPE_OPENED, tcp_fast_syn_rcvd_m});
	run_class(w, b, v6, (struct class_loop){PIPE_OPENED_FIN, tcp_fast_syn_rcvd_fin_m});
	run_class(w, b, v6, (struct class_loop){PIPE_DATA, NULL});
	run_class(w, b, v6, (struct class_loop){PIPE_FIN, tcp_fast_fin_m});
	run_class(w, b, v6, (struct class_loop){PIPE_FIN_ACKED, tcp_fast_fin_wait_m});
	run_class(w, b, v6, (struct class_loop){PIPE_LAST_ACK, tcp_fast_last_ack_m});
}

static MR_NOINLINE void run_lane4(struct mr_worker *w, struct burst *b) { run_lane(w, b, 0); }
static MR_NOINLINE void run_lane6(struct mr_worker *w, struct burst *b) { run_lane(w, b, 1); }

void pipeline_burst(struct mr_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct burst b;

	b.port = port;
	b.n = n;
	b.rest = b.parsed = 0;
	b.nodd = 0;
	memset(b.seen, 0, sizeof(b.seen));
	for (uint32_t i = 0; i < 2; i++) {
		b.lane[i].n = 0;
		memset(b.lane[i].nclass, 0, sizeof(b.lane[i].nclass));
	}
	ahead_frames(pkts, n);
	stage_parse(w, &b, pkts);
	if (MR_LIKELY(b.lane[0].n != 0))
		run_lane4(w, &b);
	if (b.lane[1].n != 0)
		run_lane6(w, &b);
	for (; b.rest != 0; b.rest &= b.rest - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(b.rest);

		if ((b.parsed >> i & 1) == 0)
			wire_parse(pkts[i], &b.frame[i], &w->counters);
		input_parsed(w, port, pkts[i], &b.frame[i]);
	}
	done_flush(w);
}
