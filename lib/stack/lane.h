/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst as the pipeline sees it: its plain frames in a lane a family (structure of arrays, one
 * entry a frame), sorted into classes; everything else is a bit of `rest`. Private to lib/stack.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read, no division.
 */
#ifndef MR_LANE_H
#define MR_LANE_H

#include "plain.h"
#include "react.h"

enum pipe_class {
	PIPE_REST,	/* in order, through input.c */
	PIPE_SYN,	/* no record, SYN: a new connection */
	PIPE_COOKIE,	/* of these: refused, to be answered by a cookie */
	PIPE_OPENED,	/* SYN_RCVD, ACK */
	PIPE_OPENED_FIN, /* SYN_RCVD, FIN+ACK: opened and closed at once */
	PIPE_SYNACK,	/* SYN_SENT, SYN+ACK */
	PIPE_DATA,	/* ESTABLISHED, ACK: data or pure ACK */
	PIPE_FIN,	/* ESTABLISHED, FIN+ACK */
	PIPE_FIN_ACKED,	/* FIN_WAIT_1, FIN_WAIT_2: ACK or FIN+ACK */
	PIPE_LAST_ACK,	/* LAST_ACK, ACK */
	PIPE_CLASSES,
};

/*
 * The plain frames of a burst that are for one of our addresses, of one family. Functions below get
 * the family as `v6`, a constant where they are called, so that each family has code of its own.
 */
struct lane {
	uint64_t w[3][MR_BURST] MR_CACHE_ALIGNED;	/* the tuple, as it is hashed (flow.h) */
	uint64_t hash[MR_BURST] MR_CACHE_ALIGNED;
	uint64_t ts[MR_BURST] MR_CACHE_ALIGNED;	/* low half: TS offset; valid with ts_known */
	/* of PIPE_SYN, in its order: tuples and their hashes by the key of the ISN; then of
	 * PIPE_COOKIE: what cookies are made of, and their hashes */
	uint64_t syn_w[3][MR_BURST] MR_CACHE_ALIGNED;
	uint64_t syn_isn[MR_BURST] MR_CACHE_ALIGNED;
	struct rte_mbuf *m[MR_BURST];
	uint32_t candidate[MR_BURST];
	struct wire_plain tcp[MR_BURST];
	uint16_t l4_len[MR_BURST];
	uint8_t packet[MR_BURST];	/* its index in the burst */
	uint8_t class[MR_BURST];	/* enum pipe_class */
	uint8_t before[MR_BURST];	/* the last one of its tuple, or LANE_FIRST, LANE_ODD */
	uint8_t class_of[PIPE_CLASSES][MR_BURST];
	uint32_t nclass[PIPE_CLASSES];
	uint32_t n;
	bool ts_known;
};

/* Where the last frame before one of its tuple is, if it is not a place in the lane. */
enum lane_before {
	LANE_FIRST = 255,	/* there is none */
	LANE_ODD = 254,		/* it is not plain */
};

struct burst {
	struct lane lane[2];		/* IPv4, IPv6 */
	uint64_t seen[64];		/* bits of hashes: has this tuple, or one like it, been? */
	uint64_t odd_hash[MR_BURST];	/* of the tuples of odd frames */
	uint32_t nodd;
	uint64_t rest;			/* by packet: goes through input_parsed() */
	uint64_t parsed;		/* of these: `frame` is filled */
	struct wire_frame frame[MR_BURST];
	uint16_t port, n;
};
static_assert(MR_BURST <= 64, "a packet of the burst is a bit of `rest`");

/* ---- several frames of one tuple ---- */

MR_INLINE uint64_t *lane_seen_word(struct burst *b, uint64_t hash)
{
	return &b->seen[(hash >> 6) & 63];
}

/* The bit of frame i's hash was set already: by its own tuple, or by one like it? */
static MR_NOINLINE uint8_t lane_same_hash_before(const struct burst *b, const struct lane *l,
						 uint32_t i)
{
	for (uint32_t k = 0; k < b->nodd; k++)
		if (b->odd_hash[k] == l->hash[i])
			return LANE_ODD;
	for (uint32_t k = i; k-- > 0;)	/* of bulk data it is the next one */
		if (l->hash[k] == l->hash[i])
			return (uint8_t)k;
	return LANE_FIRST;
}

MR_INLINE uint8_t lane_seen_before(struct burst *b, const struct lane *l, uint32_t i)
{
	uint64_t hash = l->hash[i], *word = lane_seen_word(b, hash), bit = 1ull << (hash & 63);
	bool seen = (*word & bit) != 0;

	*word |= bit;
	return MR_UNLIKELY(seen) ? lane_same_hash_before(b, l, i) : LANE_FIRST;
}

/* Of two packets of one tuple the later one: only in the class of data do they stay in order. */
MR_INLINE bool lane_keeps_class(const struct lane *l, uint32_t class, uint8_t before)
{
	return class == PIPE_DATA && before != LANE_ODD && l->class[before] == PIPE_DATA;
}

/* ---- a frame of a lane ---- */

#define LANE_WORDS(l, words, v6) \
	(&(const struct mr_sip_words){{(l)->words[0], (l)->words[1], (l)->words[2]}, 2 + (v6)})

MR_INLINE const uint8_t *lane_frame(const struct lane *l, uint32_t i)
{
	return rte_pktmbuf_mtod(l->m[i], const uint8_t *);
}

MR_INLINE const uint8_t *lane_options(const struct lane *l, uint32_t i, const uint32_t v6)
{
	return lane_frame(l, i) + (v6 ? PLAIN6_L4 : PLAIN_L4) + PLAIN_TCP_LEN;
}

MR_INLINE void lane_to_rest(struct burst *b, const struct lane *l, uint32_t i)
{
	b->rest |= 1ull << l->packet[i];
}

MR_INLINE bool lane_in_rest(const struct burst *b, const struct lane *l, uint32_t i)
{
	return b->rest >> l->packet[i] & 1;
}

MR_INLINE struct conn_ref lane_conn(const struct mr_worker *w, const struct lane *l, uint32_t i,
				    const uint32_t v6)
{
	const uint32_t index = l->candidate[i];
	uint8_t *records = w->flows[v6].table.records;

	/* As conn_at() with the stride a constant. */
	return (struct conn_ref){
		v6 ? (struct tcp_conn *)&((struct conn6 *)records)[index]
		   : (struct tcp_conn *)&((struct conn4 *)records)[index], index, v6};
}

/* The candidate's key, compared as the words that were hashed. */
MR_INLINE bool lane_same_tuple(struct conn_ref r, const struct lane *l, uint32_t i)
{
	const struct conn4 *c4 = (const struct conn4 *)r.c;
	const struct conn6 *c6 = (const struct conn6 *)r.c;

	if (!r.v6)
		return wire_load64(&c4->raddr) == l->w[0][i] &&
		       c4->c.laddr == (uint16_t)l->w[1][i];
	return wire_load64(c6->raddr) == l->w[0][i] && wire_load64(c6->raddr + 8) == l->w[1][i] &&
	       wire_load32(&c6->rport) == (uint32_t)l->w[2][i] &&
	       c6->c.laddr == (uint16_t)(l->w[2][i] >> 32);
}

/* conn_cx() with the TS offset that was hashed with the others of the burst. */
MR_INLINE void lane_cx(struct mr_worker *w, const struct lane *l, uint32_t i, struct conn_ref r)
{
	w->cx.family = r.v6 ? 6 : 4;
	if (MR_UNLIKELY(w->params_vary))
		conn_params(w, r.c);
	if (!l->ts_known)
		return;
	w->cx.ts_offset = (uint32_t)l->ts[i];
	w->cx_conn = r.c;
	w->cx_generation = r.c->generation;
}

/*
 * The values of a plain frame with the only option that a segment of an open connection usually
 * has; false: others too.
 */
MR_INLINE bool lane_values(const struct lane *l, uint32_t i, const uint32_t v6, struct tcp_seg *seg)
{
	const uint32_t len = wire_plain_options_len(l->tcp[i]);
	const uint8_t *opt;

	wire_plain_values(l->tcp[i], l->l4_len[i], seg);
	if (len == 0)
		return true;
	opt = lane_options(l, i, v6);
	if (MR_UNLIKELY(len != 12 || wire_load32(opt) != wire_be32(0x0101080au)))
		return false;
	seg->opts = TCP_OPT_TS;
	seg->tsval = wire_be32(wire_load32(opt + 4));
	seg->tsecr = wire_be32(wire_load32(opt + 8));
	return true;
}

/* The same with any options: those of a SYN. */
MR_INLINE void lane_syn_values(const struct lane *l, uint32_t i, const uint32_t v6,
			       struct tcp_seg *seg)
{
	wire_plain_values(l->tcp[i], l->l4_len[i], seg);
	wire_tcp_options(lane_options(l, i, v6), (uint16_t)wire_plain_options_len(l->tcp[i]), seg);
}

#endif /* MR_LANE_H */
