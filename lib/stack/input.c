/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One frame, in order: the plain path, which every frame may take and which the pipeline must
 * equal. Parses, finds the connection (or TIME_WAIT entry, or listener), asks lib/tcp for a
 * verdict. Acting on the verdict is react.c's.
 */
#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>

#include "datagram.h"
#include "fastopen.h"
#include "syncookie.h"

/* ---- segments for no connection ---- */

static void answer_rst(struct mr_worker *w, struct rx_seg *rx, const struct tcp_verdict *v)
{
	struct tcp_seg seg = {.seq = v->rst.seq, .ack = v->rst.ack, .flags = v->rst.flags};

	/* Who opens looks for a port whose replies it receives: the NIC does not do as computed. */
	if ((rx->seg.flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) &&
	    tuple_worker(w, &rx->key) != w->id)
		mr_count(&w->counters, MR_C_CONNECT_REPLY_ASTRAY);
	if (!rate_allow(&w->rst_rate, w->now_ms)) {
		drop(w, rx->m, MR_C_TCP_RST_RATE);
		return;
	}
	mr_count(&w->counters, MR_C_TCP_TX_RST);
	output_reply(w, rx, &seg);
}

static void no_connection(struct mr_worker *w, struct rx_seg *rx)
{
	struct tcp_verdict v = {0};

	tcp_closed_arrives(&w->cx, &rx->seg, &v);
	if ((rx->seg.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN)
		mr_count(&w->counters, MR_C_SYN_NO_LISTENER);
	if (v.bits & TCP_V_RST)
		answer_rst(w, rx, &v);
	else
		rte_pktmbuf_free(rx->m);
}

/* A SYN that was admitted. Takes rx->m. False: no room for its neighbour. */
static bool open_passive(struct mr_worker *w, struct rx_seg *rx, struct flows *f, uint16_t listener,
			 uint32_t iss)
{
	uint16_t hop = neigh_learn(w, rx->port, rx->m, rx->frame);
	struct tcp_verdict v = {0};
	struct conn_ref r;

	if (MR_UNLIKELY(hop == MR_NONE16)) {
		drop(w, rx->m, MR_C_NEIGH_FULL);
		return false;
	}
	r = conn_at(f, table_insert(&f->table, &rx->key, rx->hash));
	MR_ASSERT(r.index != TABLE_NIL);
	w->cx.family = f->family;
	group_params(w, listener);
	tcp_passive_open(&w->cx, r.c, &rx->seg, iss);
	conn_begin(r.c, listener, hop, 0);
	w->group[listener].stats.syn_rcvd++;
	conn_cx(w, r);
	if (MR_UNLIKELY(rx->seg.opts & TCP_OPT_FASTOPEN))
		fastopen_passive(w, rx, r, &v);
	react(w, r, TCP_SYN_RCVD, &v, (v.bits & TCP_V_TAKEN) ? NULL : rx->m);
	w->cx.fastopen = NULL;
	return true;
}

/* ---- SYN cookies ---- */

static void input_conn(struct mr_worker *w, struct rx_seg *rx, struct conn_ref r);

/* A valid cookie. Takes rx->m. */
static void cookie_open(struct mr_worker *w, struct rx_seg *rx, struct flows *f, uint16_t listener)
{
	struct conn_ref r = cookie_record(w, rx, f, listener);

	if (MR_LIKELY(r.c != NULL))
		input_conn(w, rx, r);
	else
		drop(w, rx->m, MR_C_SYN_COOKIE_NO_ROOM);
}

static void input_listen_syn(struct mr_worker *w, struct rx_seg *rx, struct flows *f,
			     uint16_t listener)
{
	struct group *g = &w->group[listener];
	enum mr_counter why = admission(w, f, g);

	if (why == MR_C_COUNT)
		open_passive(w, rx, f, listener, isn_make(w, &rx->key));
	else if (cookie_instead(w, why))
		cookie_answer(w, rx, g);
	else
		drop(w, rx->m, why);
}

static void input_no_conn(struct mr_worker *w, struct rx_seg *rx, struct flows *f)
{
	uint16_t listener = listener_find(w, rx->key.family, rx->key.laddr, rx->key.lport);
	struct tcp_verdict v = {0};

	if (listener == MR_NONE16) {
		no_connection(w, rx);
		return;
	}
	if ((rx->seg.flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK &&
	    MR_UNLIKELY(cookies_expected(&w->cookies, w->now_us)) && cookie_is_valid(w, rx)) {
		cookie_open(w, rx, f, listener);
		return;
	}
	tcp_listen_arrives(&w->cx, &rx->seg, &v);
	if (v.bits & TCP_V_CREATE)
		input_listen_syn(w, rx, f, listener);
	else if (v.bits & TCP_V_RST)
		answer_rst(w, rx, &v);
	else
		rte_pktmbuf_free(rx->m);
}

/* ---- TIME_WAIT ---- */

static void tw_answer(struct mr_worker *w, struct rx_seg *rx, const struct tcp_tw *tw,
		      const struct tcp_verdict *v)
{
	struct tcp_seg seg = {
		.seq = v->rst.seq, .ack = v->rst.ack, .flags = v->rst.flags, .wnd = tw->wnd};

	if (tw->has_ts) {
		seg.opts = TCP_OPT_TS;
		seg.tsval = w->now_ms + (uint32_t)flow_hash(&w->key_ts, &rx->key);
		seg.tsecr = tw->ts_recent;
	}
	mr_count(&w->counters, MR_C_TW_REACK);
	output_reply(w, rx, &seg);
}

/* RFC 6191, RFC 9293 MAY-2: the new incarnation's ISS must lie above the old one's SND.NXT. */
static void tw_reopen(struct mr_worker *w, struct rx_seg *rx, struct flows *f, uint32_t index,
		      uint32_t snd_nxt)
{
	uint16_t listener = listener_find(w, rx->key.family, rx->key.laddr, rx->key.lport);
	uint32_t iss = isn_make(w, &rx->key);
	enum mr_counter why;

	if (listener == MR_NONE16) {
		no_connection(w, rx);
		return;
	}
	why = admission(w, f, &w->group[listener]);
	/* Where every SYN gets a cookie, those that must not may still have a record. */
	if (why == MR_C_SYN_BACKLOG &&
	    w->group[listener].stats.syn_rcvd < w->group[listener].reopen_backlog)
		why = f->table.nfree == 0 ? MR_C_SYN_TABLE_FULL : MR_C_COUNT;
	if (why != MR_C_COUNT) {
		drop(w, rx->m, why);
		return;
	}
	if (seq_le(iss, snd_nxt))
		iss = snd_nxt + 65536 + (iss & 0xffff);
	if (!open_passive(w, rx, f, listener, iss))
		return;
	mr_count(&w->counters, MR_C_TW_REUSED);
	timewait_remove(f->tw, index, rx->hash);
}

static void input_time_wait(struct mr_worker *w, struct rx_seg *rx, struct flows *f, uint32_t index)
{
	struct tcp_verdict v = {0};
	struct tw_state st;
	struct tcp_tw tw;

	timewait_get(f->tw, index, &st);
	tw = (struct tcp_tw){.snd_nxt = st.snd_nxt,
			     .rcv_nxt = st.rcv_nxt,
			     .ts_recent = st.ts_recent,
			     .has_ts = st.has_ts,
			     .wnd = (uint16_t)(0xffffu >> st.wnd_class)};
	tcp_time_wait_arrives(&w->cx, &tw, &rx->seg, &v);
	if (v.bits & TCP_V_REOPEN) {
		tw_reopen(w, rx, f, index, tw.snd_nxt);
		return;
	}
	if (tw.ts_recent != st.ts_recent)
		timewait_set_ts(f->tw, index, tw.ts_recent);
	if (v.bits & TCP_V_RESTART_2MSL)
		timewait_restart(f->tw, index, w->now_ms + 2 * w->params.msl_ms);
	if (v.bits & TCP_V_GONE)
		timewait_remove(f->tw, index, rx->hash);
	if (v.bits & TCP_V_TW_ACK)
		tw_answer(w, rx, &tw, &v);
	else
		rte_pktmbuf_free(rx->m);
}

/* ---- connections ---- */

/*
 * The way back may have changed (a gateway failed over), or the first SYN came with a damaged
 * source MAC: a connection that has to retransmit follows the station that its peer's segments come
 * from now.
 */
static MR_NOINLINE void relearn_nexthop(struct mr_worker *w, const struct rx_seg *rx,
					struct conn_ref r)
{
	uint16_t hop;

	if (w->neigh.hop[r.c->nexthop].state != NEXTHOP_LEARNED)
		return;
	hop = neigh_learn(w, rx->port, rx->m, rx->frame);
	if (hop == MR_NONE16)
		return;
	neigh_unref(w, r.c->nexthop);
	r.c->nexthop = hop;
}

static void input_conn(struct mr_worker *w, struct rx_seg *rx, struct conn_ref r)
{
	struct tcp_verdict v = {0};
	unsigned int was = tcp_state(r.c);
	struct rte_mbuf *payload = NULL, *reply = rx->m;
	struct fastopen_try try;

	conn_cx(w, r);
	try = fastopen_tried(w, r.c);
	if (MR_UNLIKELY(tcp_rexmt_count(r.c) != 0))
		relearn_nexthop(w, rx, r);
	if (rx->seg.len != 0) {
		/* In-place replies rebuild their headers anyway. */
		if (MR_UNLIKELY(!cut_to_payload(rx->m, rx->payload_off, rx->seg.len))) {
			drop(w, rx->m, MR_C_RX_SHORT);
			return;
		}
		payload = rx->m;
	}
	tcp_arrives(&w->cx, r.c, &rx->seg, payload, &v);
	if (MR_UNLIKELY((v.bits & TCP_V_ESTABLISHED) && tcp_ext_index(r.c) != 0))
		fastopen_opened(w, rx, r, &try);
	if (v.bits & TCP_V_TAKEN)
		reply = NULL;
	react(w, r, was, &v, reply);
}

/* The connection of a segment; c NULL: none. One that died inside a callback is reported first. */
static struct conn_ref find_conn(struct mr_worker *w, struct flows *f, const struct rx_seg *rx)
{
	uint32_t index = table_find(&f->table, &rx->key, rx->hash);
	struct conn_ref r;

	if (index == TABLE_NIL)
		return (struct conn_ref){0};
	r = conn_at(f, index);
	if (MR_UNLIKELY(tcp_state(r.c) == TCP_CLOSED)) {
		finish_burst(w);
		return (struct conn_ref){0};
	}
	return r;
}

void input_syn(struct mr_worker *w, struct rx_seg *rx, struct flows *f)
{
	uint32_t tw = timewait_find(f->tw, &rx->key, rx->hash);

	w->cx.params = &w->params;
	if (MR_UNLIKELY(tw != TABLE_NIL))
		input_time_wait(w, rx, f, tw);
	else
		input_no_conn(w, rx, f);
}

static void input_segment(struct mr_worker *w, struct rx_seg *rx)
{
	struct flows *f = &w->flows[rx->key.family == 6];
	struct conn_ref r;

	if (MR_UNLIKELY(!f->on)) {
		drop(w, rx->m, MR_C_RX_PROTOCOL);
		return;
	}
	mr_count(&w->counters, MR_C_RX_SLOW);
	r = find_conn(w, f, rx);
	if (r.c != NULL)
		input_conn(w, rx, r);
	else
		input_syn(w, rx, f);
}

bool input_key(struct mr_worker *w, struct rx_seg *rx)
{
	const struct wire_frame *f = rx->frame;
	struct wire_ip ip;

	if (MR_LIKELY(f->family == 4)) {
		memset(rx->key.raddr, 0, 16);
		memcpy(rx->key.raddr, &f->src4, 4);
		rx->key.laddr = laddr_find(w, f, rx->port, (const uint8_t *)&f->dst4);
	} else {
		wire_ip_values(rx->m, f, &ip);
		memcpy(rx->key.raddr, ip.src, 16);
		rx->key.laddr = laddr_find(w, f, rx->port, ip.dst);
	}
	if (rx->key.laddr == MR_NONE16)
		return false;
	rx->key.rport = f->sport;
	rx->key.lport = f->dport;
	rx->key.family = f->family;
	rx->key.pad = 0;
	rx->hash = flow_hash(&w->key_table, &rx->key);
	return true;
}

static void input_tcp(struct mr_worker *w, struct rx_seg *rx)
{
	uint16_t why = MR_C_RX_TCP_HEADER;

	if (!wire_tcp_values(rx->m, rx->frame, &rx->seg, &rx->payload_off, &why)) {
		drop(w, rx->m, why);
		return;
	}
	if (!input_key(w, rx)) {
		drop(w, rx->m, MR_C_RX_IP_DEST);
		return;
	}
	input_segment(w, rx);
}

bool mac_is_ours(const struct mr_worker *w, uint16_t port, const struct rte_mbuf *m)
{
	uint8_t copy[6];
	const uint8_t *dst = rte_pktmbuf_read(m, 0, sizeof(copy), copy);

	return (dst[0] & 1) != 0 || memcmp(dst, w->port[port].mac, 6) == 0;
}

void input_parsed(struct mr_worker *w, uint16_t port, struct rte_mbuf *m,
		  const struct wire_frame *f)
{
	struct rx_seg rx;

	if (f->kind != WIRE_DROP && !mac_is_ours(w, port, m)) {
		drop(w, m, MR_C_RX_NOT_OURS_MAC);
		return;
	}
	switch ((enum wire_kind)f->kind) {
	case WIRE_TCP:
		rx.m = m;
		rx.port = port;
		rx.frame = f;
		input_tcp(w, &rx);
		break;
	case WIRE_ARP:
		neigh_arp_input(w, port, m, f);
		break;
	case WIRE_ICMP4:
	case WIRE_ICMP6:
		icmp_input(w, port, m, f);
		break;
	case WIRE_FRAGMENT:
		fragment_arrived(w, port, m, f);
		break;
	case WIRE_DROP:
		drop(w, m, f->drop);
		break;
	}
}

void input_frame(struct mr_worker *w, uint16_t port, struct rte_mbuf *m)
{
	struct wire_frame f;

	mr_count_n(&w->counters, MR_C_RX_OCTETS, m->pkt_len);
	wire_parse(m, &f, &w->counters);
	input_parsed(w, port, m, &f);
}

/* ---- fragments: see datagram.h ---- */

int datagram_setup(struct mr_worker *w, const struct stack_init *init)
{
	const struct stack_config *cfg = init->cfg;
	const struct ip_frags_config fc = {
		.datagrams = cfg->reassemblies,
		/* An eighth: the rest is for those whose peers send no fragments. */
		.mbufs_max = MR_MAX(init->data_pool->size / 8, IP_FRAGMENTS_MAX),
		.timeout_ms = cfg->reassembly_ms,
		.pool = init->data_pool,
		.node = init->node,
	};

	w->paths = ip_paths_create();
	w->tfo_cache = tfo_cache_create();
	if (w->paths == NULL || w->tfo_cache == NULL)
		return -ENOMEM;
	if (cfg->reassemblies == 0)
		return 0;
	w->frags = ip_frags_create(&fc);
	return w->frags == NULL ? -ENOMEM : 0;
}

void datagram_turn(struct mr_worker *w)
{
	if (w->frags != NULL)
		ip_frags_turn(w->frags, w->now_us, &w->counters);
}

void datagram_input(struct mr_worker *w, const struct mail_frame *whole)
{
	struct wire_icmp icmp = {0};
	struct wire_frame f;

	wire_parse(whole->m, &f, &w->counters);
	if (f.kind == WIRE_ICMP6)
		wire_icmp_values(whole->m, &f, &icmp);
	/* RFC 6980 5: no discovery out of fragments; 133 to 137 are its types. And none inside
	 * others: the work that a frame makes is bounded. */
	if (f.kind == WIRE_FRAGMENT || (icmp.type >= 133 && icmp.type <= 137))
		drop(w, whole->m, MR_C_RX_FRAGMENT);
	else if (!passed_on(w, whole, &f))
		input_parsed(w, whole->port, whole->m, &f);
}

void fragment_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m)
{
	struct wire_frame f;

	wire_parse(m, &f, &w->counters);
	MR_ASSERT(f.kind == WIRE_FRAGMENT);	/* it was one when it was mailed */
	fragment_keep(w, port, m, &f);
}
