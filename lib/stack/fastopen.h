/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP Fast Open (RFC 7413) at work: which SYNs of strangers have their data taken, and what becomes
 * of cookies. How they are made is lib/guard's (tfo.h), what a connection does with data of a SYN
 * lib/tcp's. Private to lib/stack; never on the usual path: a SYN without the option does not come
 * here.
 *
 * A SYN that would not get a record gets no more by its option: under pressure it is answered by a
 * SYN cookie or not at all. A copy of a SYN that comes after its connection has ended and been
 * forgotten opens another one, and its data is delivered again: with Fast Open a request must bear
 * being made twice (RFC 7413 2.1).
 */
#ifndef MR_FASTOPEN_H
#define MR_FASTOPEN_H

#include "datagram.h"
#include "path.h"
#include "react.h"

/* ---- server ---- */

/* Client's address and ours (its index, which names network and address), as SipHash's input. */
static inline struct tfo_words fastopen_words(const struct flow_key *key)
{
	if (key->family == 4)
		return (struct tfo_words){{wire_load32(key->raddr) | (uint64_t)key->laddr << 32 |
					   6ull << 56}, 1};
	return (struct tfo_words){{wire_load64(key->raddr), wire_load64(key->raddr + 8),
				   key->laddr | 18ull << 56}, 3};
}

/* Its cookie is valid. False: an open as any other, no extension is free. */
static inline bool fastopen_take(struct mr_worker *w, struct rx_seg *rx, struct conn_ref r,
				 struct tcp_verdict *v)
{
	struct rte_mbuf *payload = rx->seg.len != 0 ? rx->m : NULL;

	if (payload != NULL && !cut_to_payload(rx->m, rx->payload_off, rx->seg.len))
		return false;
	if (!tcp_take_syn(&w->cx, r.c, &rx->seg, payload, v)) {
		mr_count(&w->counters, MR_C_TCP_NO_EXT);
		return false;
	}
	tfo_opened(&conn_group(w, r.c)->fastopen);
	mr_count(&w->counters, MR_C_TFO_OPENED);
	return true;
}

/**
 * The SYN in rx, which has the option, has just become r. Sets cx.fastopen, for the SYN-ACK, when a
 * cookie is due; takes rx->m if the verdict says so.
 */
static inline void fastopen_passive(struct mr_worker *w, struct rx_seg *rx, struct conn_ref r,
				    struct tcp_verdict *v)
{
	const struct tcp_params *p = w->cx.params;
	struct tcp_fastopen *grant = &w->tfo_grant;
	enum tfo_verdict verdict = TFO_OLD;
	struct tfo_words words;

	if ((p->fastopen & TCP_FASTOPEN_SERVER) == 0 || p->fastopen_pending == 0)
		return;
	if (!tfo_admits(&conn_group(w, r.c)->fastopen, p->fastopen_pending, w->now_ms)) {
		mr_count(&w->counters, MR_C_TFO_LIMIT);
		return;
	}
	words = fastopen_words(&rx->key);
	if (rx->seg.cookie_len != 0) {
		verdict = tfo_check(&w->tfo_keys, w->now_us, &words, rx->seg.cookie,
				    rx->seg.cookie_len);
		if (verdict == TFO_FORGED)
			mr_count(&w->counters, MR_C_TFO_COOKIE_BAD);
		else
			fastopen_take(w, rx, r, v);
	}
	if (verdict == TFO_VALID)
		return;
	*grant = (struct tcp_fastopen){.c = r.c, .cookie_len = TFO_COOKIE_LEN,
				       .cookie_exp = rx->seg.cookie_exp};
	tfo_cookie(&w->tfo_keys, w->now_us, &words, grant->cookie);
	w->cx.fastopen = grant;
	mr_count(&w->counters, MR_C_TFO_COOKIE_SENT);
}

/* ---- client ---- */

/* A cookie is good for one address of ours. */
static inline struct ip_path_key fastopen_key(const struct mr_worker *w, struct conn_ref r)
{
	struct ip_path_key key = path_key_of(w, r);

	key.scope = r.c->laddr;
	return key;
}

/** Will tcp_send() take the data of an active open? If not, that is counted. */
static inline bool fastopen_room(struct mr_worker *w, const struct rte_mbuf *data)
{
	if (w->ext_pool.nfree != 0 && tcp_mbufs_fit(&w->ext_pool, data))
		return true;
	mr_count(&w->counters, MR_C_CONNECT_NO_MEMORY);
	return false;
}

/* What goes into the SYN of r; false: the option does not. */
static inline bool fastopen_syn(struct mr_worker *w, struct conn_ref r, struct tcp_fastopen *f)
{
	const struct ip_path_key cookie_key = fastopen_key(w, r), path_key = path_key_of(w, r);
	uint16_t mss, path_mtu;
	struct tfo_known known;

	if (!tfo_cache_get(w->tfo_cache, &cookie_key, w->now_ms, &known)) {
		mr_count(&w->counters, MR_C_TFO_HELD);
		return false;
	}
	*f = (struct tcp_fastopen){.c = r.c, .cookie_len = known.cookie_len};
	memcpy(f->cookie, known.cookie, sizeof(f->cookie));
	if (known.cookie_len == 0)
		return true;
	/* RFC 7413 4.1.3: the MSS that came with the cookie; never above ours, nor the path's */
	mss = MR_MIN(known.mss, r.c->mss);
	path_mtu = ip_path_mtu(w->paths, &path_key, w->now_ms);
	f->data_max = path_mtu == 0 ? mss : MR_MIN(mss, path_mss_of(r.v6 ? 6 : 4, path_mtu));
	return true;
}

/** An active open that has just begun: takes opts->data, for which there is room, and sends. */
static inline void fastopen_active(struct mr_worker *w, struct conn_ref r,
				   const struct mr_connect_opts *opts)
{
	const bool asked = opts->options != NULL && (opts->options->set & 1u << MR_OPT_FASTOPEN);
	const struct tcp_fastopen *outer = w->cx.fastopen;
	struct tcp_fastopen f;

	if (opts->data != NULL)
		MR_ASSERT(tcp_send(&w->cx, r.c, opts->data, 0));
	if ((opts->data == NULL && !asked) ||
	    (w->cx.params->fastopen & TCP_FASTOPEN_CLIENT) == 0 || !fastopen_syn(w, r, &f)) {
		conn_flush(w, r);
		return;
	}
	w->cx.fastopen = &f;
	conn_flush(w, r);
	w->cx.fastopen = outer;
	if (f.cookie_len == 0)
		mr_count(&w->counters, MR_C_TFO_ASKED);
	else if (r.c->snd_nxt - r.c->snd_una > 1)
		mr_count(&w->counters, MR_C_TFO_DATA_SENT);
}

/* A connection in SYN_SENT before a segment arrives, as far as Fast Open is concerned. */
struct fastopen_try {
	uint32_t iss;
	bool tried;		/* its first SYN had the option */
	bool data, resent;	/* and data; and was not answered in time */
	bool excused;		/* nobody can be blamed for that */
};
static inline struct fastopen_try fastopen_tried(const struct mr_worker *w,
						 const struct tcp_conn *c)
{
	struct fastopen_try t = {.iss = c->snd_una};

	if (MR_LIKELY(tcp_state(c) != TCP_SYN_SENT || tcp_ext_index(c) == 0))
		return t;
	t.tried = tcp_ext_of(&w->ext_pool, c)->fastopen;
	t.excused = tcp_ext_of(&w->ext_pool, c)->syn_excused;
	t.data = c->snd_nxt - c->snd_una > 1;
	t.resent = tcp_rexmt_count(c) != 0;
	return t;
}

/**
 * The SYN-ACK in rx has made the connection established: what it says of the server. RFC 7413
 * 4.1.3.1 lets one failure be enough, so none may be counted that is our own or the path MTU's.
 */
static inline void fastopen_answered(struct mr_worker *w, const struct rx_seg *rx,
				     struct conn_ref r, const struct fastopen_try *t)
{
	const bool taken = t->data && rx->seg.ack != t->iss + 1;
	const bool granted = (rx->seg.opts & TCP_OPT_FASTOPEN) && rx->seg.cookie_len != 0 &&
			     !rx->seg.cookie_exp;
	const struct ip_path_key key = fastopen_key(w, r);
	struct tfo_known known = {.mss = r.c->mss, .cookie_len = rx->seg.cookie_len};

	if (granted) {
		memcpy(known.cookie, rx->seg.cookie, known.cookie_len);
		tfo_cache_granted(w->tfo_cache, &key, w->now_ms, &known);
	}
	if (t->data)
		mr_count(&w->counters, taken ? MR_C_TFO_DATA_TAKEN : MR_C_TFO_DATA_REFUSED);
	if (taken) {
		tfo_cache_worked(w->tfo_cache, &key, w->now_ms);
	} else if (!granted && !t->excused && (t->resent || t->data)) {
		/* without a cookie, which would come by the option */
		tfo_cache_failed(w->tfo_cache, &key, w->now_ms);
		mr_count_n(&w->counters, MR_C_TFO_LOST, t->resent);
	}
}

/**
 * A connection that rx has made established had something queued, or options of its own, before: an
 * active one perhaps data that its SYN carried and the peer has taken.
 */
static inline void fastopen_opened(struct mr_worker *w, const struct rx_seg *rx,
				   struct conn_ref r, const struct fastopen_try *t)
{
	if (t->tried)
		fastopen_answered(w, rx, r, t);
	if (r.c->flags & TCP_F_ACTIVE)
		conn_group(w, r.c)->stats.tx_octets += r.c->snd_una - t->iss - 1;
	path_apply(w, r);
}

#endif /* MR_FASTOPEN_H */
