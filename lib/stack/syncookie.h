/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies at work: which words of a SYN are hashed, what of it is kept, the SYN-ACK, and the
 * SYN as its cookie tells it again. How cookies are made and checked is lib/guard's; when one is
 * sent, open.h's. The SYN-ACK is negotiated by lib/tcp as that of any connection, from what of the
 * SYN the cookie can keep: so nothing is agreed that the ACK could not bring back. Private to
 * lib/stack.
 *
 * A SYN that meets a TIME_WAIT entry never gets one: RFC 6191 rests on an ISN above the old one's
 * numbers, and on the entry staying until the new incarnation is certain.
 *
 * HOT PATH: no allocation, no lock, no log, no configuration read, no division. Budget:
 * bench/micro/flood.
 */
#ifndef MR_SYNCOOKIE_H
#define MR_SYNCOOKIE_H

#include "open.h"
#include "stateless.h"

/* ---- words ---- */

#define COOKIE_KEY_LEN(v6) ((v6) ? FLOW_KEY6_LEN + 4ull : FLOW_KEY4_LEN + 4ull)

/* Tuple (as words of flow.h) and the peer's ISN, 14 or 26 octets, as SipHash's input. */
MR_INLINE unsigned int cookie_words(const uint64_t *flow, uint32_t peer_isn, const uint32_t v6,
				    uint64_t w[4])
{
	w[0] = flow[0];
	if (!v6) {
		w[1] = (flow[1] & 0xffff) | (uint64_t)peer_isn << 16 | COOKIE_KEY_LEN(0) << 56;
		return 2;
	}
	w[1] = flow[1];
	w[2] = (uint32_t)flow[2] | (uint64_t)peer_isn << 32;
	w[3] = (flow[2] >> 32 & 0xffff) | COOKIE_KEY_LEN(1) << 56;
	return 4;
}

/* ---- SYN -> SYN-ACK ---- */

#define SYN_ECN (TCP_ECE | TCP_CWR)	/* RFC 3168 6.1.1: both, or it asks for nothing */

/** What a cookie keeps of a SYN: without timestamps there is only room for the MSS. */
MR_INLINE struct tcp_seg cookie_kept(const struct tcp_cx *cx, const struct tcp_seg *syn,
				     unsigned int mss_index)
{
	const bool ts = (syn->opts & TCP_OPT_TS) != 0 && cx->params->timestamps;
	const bool ecn = ts && (syn->flags & SYN_ECN) == SYN_ECN;

	return (struct tcp_seg){
		.seq = syn->seq, .wnd = syn->wnd, .tsval = syn->tsval, .mss = cookie_mss(mss_index),
		.flags = (uint8_t)(TCP_SYN | (ecn ? SYN_ECN : 0)), .wscale = syn->wscale,
		.opts = (uint8_t)(TCP_OPT_MSS | (ts ? syn->opts & (TCP_OPT_TS | TCP_OPT_WS |
								  TCP_OPT_SACK_OK) : 0)),
	};
}

/* RFC 9293 3.7.1 MUST-15: without the option 536, or 1220 for IPv6. */
MR_INLINE unsigned int cookie_mss_of(const struct tcp_seg *syn, const uint32_t v6)
{
	return cookie_mss_index((syn->opts & TCP_OPT_MSS) ? syn->mss : v6 ? 1220 : 536);
}

/**
 * The SYN-ACK. hash: of the words by the key of now; cx has the family, and with timestamps the
 * offset, of the tuple.
 */
MR_INLINE void cookie_syn_ack(struct mr_worker *w, struct group *g, const struct tcp_seg *syn,
			      uint64_t hash, struct tcp_xmit *x)
{
	const unsigned int mss = cookie_mss_of(syn, w->cx.family == 6);
	const struct tcp_seg kept = cookie_kept(&w->cx, syn, mss);

	tcp_cookie_segment(&w->cx, &kept, cookie_isn(&w->cookies, hash, mss), x);
	g->stats.cookies_sent++;
	mr_count(&w->counters, MR_C_SYN_COOKIE_SENT);
	if ((x->seg.opts & TCP_OPT_TS) == 0) {
		mr_count(&w->counters, MR_C_SYN_COOKIE_PLAIN);
		return;
	}
	x->seg.tsval = cookie_tsval(
		x->seg.tsval,
		((x->seg.opts & TCP_OPT_WS) ? syn->wscale : COOKIE_NO_SCALE) |
			((x->seg.opts & TCP_OPT_SACK_OK) ? COOKIE_TS_SACK : 0) |
			((kept.flags & SYN_ECN) ? COOKIE_TS_ECN : 0));
}

/* ---- ACK -> SYN ---- */

/** The SYN that a valid cookie was sent for: as cookie_kept() had it. */
MR_INLINE struct tcp_seg cookie_syn_again(const struct tcp_seg *ack)
{
	const unsigned int bits = ack->tsecr & COOKIE_TS_MASK;
	struct tcp_seg syn = {
		.seq = ack->seq - 1, .flags = TCP_SYN, .wnd = ack->wnd, .opts = TCP_OPT_MSS,
		.mss = cookie_mss(cookie_isn_mss(ack->ack - 1)), .tsval = ack->tsval,
	};

	if ((ack->opts & TCP_OPT_TS) == 0)
		return syn;
	syn.opts |= TCP_OPT_TS | ((bits & COOKIE_TS_SACK) ? TCP_OPT_SACK_OK : 0);
	syn.flags |= (bits & COOKIE_TS_ECN) ? SYN_ECN : 0;
	if ((bits & COOKIE_TS_SCALE) != COOKIE_NO_SCALE) {
		syn.opts |= TCP_OPT_WS;
		syn.wscale = bits & COOKIE_TS_SCALE;
	}
	return syn;
}

/* ---- one segment, in order ---- */

/* The tuple's TS offset into cx, which no connection's calls may then find there. */
MR_INLINE void cookie_cx(struct mr_worker *w, const struct rx_seg *rx)
{
	w->cx.family = rx->key.family;
	w->cx.ts_offset = (uint32_t)flow_hash(&w->key_ts, &rx->key);
	w->cx_conn = NULL;
}

/** Answers a SYN by a cookie. Takes rx->m. */
MR_INLINE void cookie_answer(struct mr_worker *w, struct rx_seg *rx, struct group *g)
{
	uint64_t flow[3], words[4];
	struct tcp_xmit x;
	unsigned int n;

	flow_words(&rx->key, flow);
	n = cookie_words(flow, rx->seg.seq, rx->key.family == 6, words);
	cookies_sending(&w->cookies, w->now_us);
	cookie_cx(w, rx);
	cookie_syn_ack(w, g, &rx->seg, mr_sip24_words(cookie_key(&w->cookies), words, n), &x);
	output_reply(w, rx, &x.seg);
}

/** Does this ACK bring back a cookie that we may have sent? */
MR_INLINE bool cookie_is_valid(struct mr_worker *w, const struct rx_seg *rx)
{
	enum cookie_verdict verdict;
	uint64_t flow[3], words[4];
	unsigned int n;

	flow_words(&rx->key, flow);
	n = cookie_words(flow, rx->seg.seq - 1, rx->key.family == 6, words);
	verdict = cookie_check(&w->cookies, w->now_us, words, n, rx->seg.ack - 1);
	cookie_cx(w, rx);
	if (verdict == COOKIE_VALID && (rx->seg.opts & TCP_OPT_TS) != 0 &&
	    !cookie_echo_plausible(w->now_ms + w->cx.ts_offset, rx->seg.tsecr))
		verdict = COOKIE_FORGED;
	if (verdict != COOKIE_VALID)
		mr_count(&w->counters,
			 verdict == COOKIE_OLD ? MR_C_SYN_COOKIE_OLD : MR_C_SYN_COOKIE_BAD);
	return verdict == COOKIE_VALID;
}

/**
 * The connection that the SYN would have opened, for the ACK that brought its cookie back, with
 * whatever data or FIN is in that. c NULL: no room. The peer takes itself for established: silence
 * has it send again.
 */
MR_INLINE struct conn_ref cookie_record(struct mr_worker *w, struct rx_seg *rx, struct flows *f,
					uint16_t listener)
{
	const struct tcp_seg syn = cookie_syn_again(&rx->seg);
	struct conn_ref r = {0};
	uint16_t hop;

	if (w->draining || f->table.nfree == 0)
		return r;
	hop = neigh_learn(w, rx->port, rx->m, rx->frame);
	if (hop == MR_NONE16)
		return r;
	mr_count(&w->counters, MR_C_SYN_COOKIE_VALID);
	w->group[listener].stats.cookies_valid++;
	r = conn_at(f, table_insert(&f->table, &rx->key, rx->hash));
	MR_ASSERT(r.index != TABLE_NIL);
	tcp_cookie_open(&w->cx, r.c, &syn, rx->seg.ack - 1);
	conn_begin(r.c, listener, hop, 0);
	w->group[listener].stats.syn_rcvd++;
	/* Its low bits were no time: no measurement of the round trip. */
	rx->seg.tsecr = 0;
	return r;
}

/* ---- the pipeline's ---- */

/* One SYN of PIPE_COOKIE is turned, in its mbuf, into the answer to the station it came from. */
MR_INLINE void cookie_reply(struct mr_worker *w, const struct burst *b, uint32_t i, uint64_t hash,
			    const uint32_t v6)
{
	const struct lane *l = &b->lane[v6];
	const struct wire_reply how = {.l2_len = 14, .hop_limit = 64,
				       .offload = (uint8_t)w->port[b->port].tx_offload};
	const uint64_t words[3] = {l->w[0][i], l->w[1][i], l->w[2][i]};
	struct flow_key key;
	struct tcp_seg syn;
	struct tcp_xmit x;
	uint16_t listener;

	flow_key_of_words(v6 ? 6 : 4, words, &key);
	listener = listener_find(w, v6 ? 6 : 4, key.laddr, key.lport);
	lane_syn_values(l, i, v6, &syn);
	tcp_count_arrival(&w->cx, TCP_SYN);
	w->cx.ts_offset = (uint32_t)l->ts[i];
	cookie_syn_ack(w, &w->group[listener], &syn, hash, &x);
	if (v6)
		wire_reply_tcp6(l->m[i], &how, &x.seg);
	else
		wire_reply_tcp4(l->m[i], &how, &x.seg);
	tx_queue(w, b->port, l->m[i], STACK_TX_SYN);
}

/** All SYNs of PIPE_COOKIE: hashed together. */
MR_INLINE void cookie_lane(struct mr_worker *w, struct burst *b, const uint32_t v6)
{
	uint64_t last_word[MR_BURST] MR_CACHE_ALIGNED;
	struct lane *l = &b->lane[v6];
	const struct mr_sip_words in = {{l->syn_w[0], l->syn_w[1], l->syn_w[2], last_word},
					v6 ? 4 : 2};
	const uint32_t n = l->nclass[PIPE_COOKIE];

	cookies_sending(&w->cookies, w->now_us);
	for (uint32_t k = 0; k < n; k++) {
		const uint32_t i = l->class_of[PIPE_COOKIE][k];
		const uint64_t flow[3] = {l->w[0][i], l->w[1][i], l->w[2][i]};
		uint64_t words[4];

		cookie_words(flow, (uint32_t)(l->tcp[i].numbers >> 32), v6, words);
		l->syn_w[0][k] = words[0];
		l->syn_w[1][k] = words[1];
		if (v6) {
			l->syn_w[2][k] = words[2];
			last_word[k] = words[3];
		}
	}
	mr_sip24_burst(cookie_key(&w->cookies), &in, l->syn_isn, n);
	w->cx.family = v6 ? 6 : 4;
	w->cx_conn = NULL;	/* the offsets below are nobody's */
	for (uint32_t k = 0; k < n; k++)
		cookie_reply(w, b, l->class_of[PIPE_COOKIE][k], l->syn_isn[k], v6);
}

#endif /* MR_SYNCOOKIE_H */
