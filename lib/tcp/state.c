/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of a connection: its names, its moves, the invariants; the defaults of the
 * parameters; what a connection tells of itself. Decides nothing about segments.
 */
#include <stdio.h>

#include "paced.h"

static const char *const names[TCP_STATES] = {
#define S(name, bit, next, rfc) [bit] = #name,
#include "state.def"
#undef S
};

static bool is_state(unsigned int state)
{
	return state != 0 && (state & (state - 1)) == 0 && state < 1u << TCP_STATES;
}

const char *tcp_state_name(unsigned int state)
{
	MR_ASSERT(is_state(state));
	return names[__builtin_ctz(state)];
}

void tcp_enter(struct tcp_cx *cx, struct tcp_conn *c, enum tcp_state state)
{
	tcp_move(cx, c, state);
}

void tcp_params_default(struct tcp_params *p)
{
	*p = (struct tcp_params){
		.msl_ms = 30000,
		.rto_initial_ms = 1000,
		.rto_min_ms = 200,
		.rto_max_ms = 120000,
		.fin_wait_2_ms = 60000,
		.delack_ms = 40,
		.keepalive_interval_ms = 75000,
		.keepalive_on_ms = 7200000,
		.linger_ms = MR_LINGER_OFF,
		.keepalive_probes = 9,
		.snd_buf = 262144,
		.rcv_buf = 65536,
		.rcv_buf_max = 4194304,
		.challenge_per_s = 1000,
		.orphans_max = UINT32_MAX,
		.mss4 = 1460,
		.mss6 = 1440,
		.hop_limit = 64,
		.syn_retries = 6,
		.synack_retries = 5,
		.data_retries = 15,
		.orphan_retries = 8,
		.initial_window_segs = 10,
		.congestion = CC_CUBIC,
		.ecn = TCP_ECN_ACCEPT,
		.fastopen_pending = 256,
		.rcv_scale = 7,
		.timestamps = true,
		.sack = true,
		.window_scaling = true,
		.mtu_probing = true,
		.rfc1337 = true,
		.drop_synfin = true,
	};
}

void tcp_params_check(const struct tcp_params *p)
{
	MR_ASSERT(p->data_retries >= 1 && p->data_retries <= MR_RETRIES_MAX);
	MR_ASSERT(p->orphan_retries >= 1 && p->orphan_retries <= MR_RETRIES_MAX);
	MR_ASSERT(p->syn_retries <= MR_RETRIES_MAX && p->synack_retries <= MR_RETRIES_MAX);
	MR_ASSERT(p->keepalive_probes >= 1 && p->keepalive_probes <= MR_RETRIES_MAX);
	MR_ASSERT(p->initial_window_segs >= 1 && p->delack_ms < 500);
	MR_ASSERT(p->congestion <= CC_NONE && p->ecn <= TCP_ECN_ACCEPT);
	MR_ASSERT(p->rcv_scale <= TCP_SCALE_MAX);
	MR_ASSERT(p->fastopen <= (TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER));
	MR_ASSERT(p->hop_limit >= 1 && (p->tos & 3u) == 0 && p->keepalive_on_ms != 0);
	MR_ASSERT(p->mss4 >= TCP_MSS_MIN && p->mss6 >= TCP_MSS_MIN);
}

/* How many segments carry so many octets, at least. */
static uint32_t segments(const struct tcp_conn *c, uint32_t octets)
{
	return (octets + tcp_effective_mss(c) - 1) / tcp_effective_mss(c);
}

/*
 * What became of what is outstanding. With a scoreboard: a tail loss probe is sent again and not
 * lost; what went out again in recovery was lost. Without: all before resend_seq went out again,
 * and what has no extension (SYN, FIN) is one segment.
 */
static void info_of_flight(const struct tcp_cx *cx, const struct tcp_conn *c,
			   const struct tcp_ext *x, struct mr_tcp_info *info)
{
	const struct tcp_flight *f = x == NULL ? NULL : tcp_flight_of(cx->pool, x);
	uint32_t mss = tcp_effective_mss(c);

	info->sacked = info->lost = info->retrans = 0;
	if (x == NULL || tcp_opening(c)) {
		info->retrans = info->lost = info->unacked != 0 && tcp_rexmt_count(c) != 0;
	} else if (f != NULL) {
		info->sacked = board_segments(&f->board, BOARD_SACKED, BOARD_SACKED, mss);
		info->lost = board_segments(&f->board, BOARD_LOST, BOARD_LOST, mss);
		info->retrans = board_segments(&f->board, BOARD_SACKED | BOARD_LOST | BOARD_RESENT,
					       BOARD_RESENT, mss);
		info->lost += x->loss.phase != NEWRENO_OPEN ? info->retrans : 0;
	} else if (seq_gt(x->resend_end, c->snd_una)) {
		info->retrans = segments(c, x->resend_seq - c->snd_una);
		info->lost = segments(c, x->resend_end - c->snd_una);
	}
}

static uint32_t segments_outstanding(const struct tcp_conn *c, const struct tcp_ext *x)
{
	if (tcp_synchronized(c))
		return segments(c, tcp_data_outstanding(c)) + tcp_fin_outstanding(c);
	if (tcp_fast_opened(c, x))		/* SND.UNA is behind our SYN-ACK */
		return 1 + segments(c, c->snd_nxt - c->snd_una);
	return c->snd_nxt != c->snd_una;
}

void tcp_info(const struct tcp_cx *cx, const struct tcp_conn *c, struct mr_tcp_info *info)
{
	const struct tcp_ext *x = tcp_ext_of(cx->pool, c);
	struct rtt coarse;
	const struct rtt *rtt = &coarse;

	rtt_init(&coarse, tcp_opening(c) ? 0 : c->srtt_coarse);
	snprintf(info->state, sizeof(info->state), "%s", tcp_state_name(tcp_state(c)));
	info->snd_una = c->snd_una;
	info->snd_nxt = c->snd_nxt;
	info->snd_wnd = tcp_snd_wnd(c);
	info->rcv_nxt = c->rcv_nxt;
	info->rcv_wnd = tcp_rcv_wnd(c);
	info->mss = c->mss;
	info->snd_scale = (uint8_t)tcp_snd_shift(c);
	info->rcv_scale = (uint8_t)tcp_rcv_shift(c);
	info->retransmits = (uint8_t)tcp_rexmt_count(c);
	info->timestamps = (c->flags & TCP_F_TS) != 0;
	info->sack = (c->flags & TCP_F_SACK) != 0;
	info->ecn = (c->flags & TCP_F_ECN) != 0;
	info->icmp_type = (uint8_t)(tcp_soft_error_of(c, x) >> 8);
	info->icmp_code = (uint8_t)tcp_soft_error_of(c, x);
	info->window_scaling = c->scales >> 4 != TCP_SCALE_NONE;
	info->cwnd = info->ssthresh = info->send_queued = info->recv_unread = 0;
	info->syn_data = x != NULL && x->syn_data;
	info->unacked = segments_outstanding(c, x);
	info->pacing_rate = 0;
	if (x != NULL) {
		rtt = &x->rtt;
		info->cwnd = x->cc.cwnd;
		info->ssthresh = x->cc.ssthresh;
		info->send_queued = x->snd_queued;
		info->recv_unread = x->unread;
		info->pacing_rate = tcp_pacing_rate(cx, x);
	}
	info_of_flight(cx, c, x, info);
	info->srtt_us = rtt->srtt_us;
	info->rttvar_us = rtt->rttvar_us;
	info->rto_ms = tcp_rto_ms(cx, c, x);
}

static void check_flight(const struct tcp_cx *cx, const struct tcp_conn *c,
			 const struct tcp_ext *x)
{
	const struct tcp_flight *f = tcp_flight_of(cx->pool, x);

	MR_ASSERT(f == NULL || (c->flags & TCP_F_SACK));
	if (f == NULL) {
		MR_ASSERT((c->flags & TCP_F_SACK) == 0 || tcp_data_outstanding(c) == 0);
		return;
	}
	MR_ASSERT(f->timer == TCP_LOSS_NONE || c->snd_una != c->snd_nxt);
	board_check(&f->board, c->snd_una, c->snd_nxt);
	MR_ASSERT(x->resend_seq == x->resend_end);
	MR_ASSERT(x->loss.phase != NEWRENO_OPEN || f->board.lost == 0);
	MR_ASSERT((f->flags & TCP_FL_PACED) == 0 || c->snd_una != c->snd_nxt || x->snd_queued != 0);
	MR_ASSERT((f->flags & TCP_FL_UNDO) || (f->flags & (TCP_FL_FRTO_1 | TCP_FL_FRTO_2)) == 0);
}

static void check_ext(const struct tcp_cx *cx, const struct tcp_conn *c, const struct tcp_ext *x)
{
	MR_ASSERT(x->cc.smss == 0 || x->cc.cwnd >= x->cc.smss);
	MR_ASSERT(seq_le(x->resend_seq, x->resend_end));
	if (x->resend_seq != x->resend_end) {
		MR_ASSERT(seq_ge(x->resend_seq, c->snd_una));
		MR_ASSERT(seq_le(x->resend_end, c->snd_nxt));
	}
	MR_ASSERT(!tcp_synchronized(c) || seq_le(x->last_ack, c->rcv_nxt));
	check_flight(cx, c, x);
	tcp_sendq_check(c, x);
	tcp_ooo_check(c, x);
	MR_ASSERT((x->ooo_mbufs != 0) == tcp_holders_has(&cx->pool->holders, tcp_ext_index(c)));
}

void tcp_check(const struct tcp_cx *cx, const struct tcp_conn *c)
{
	const struct tcp_ext *x = tcp_ext_of(cx->pool, c);

	MR_ASSERT(is_state(tcp_state(c)));
	if (tcp_state(c) == TCP_CLOSED)
		return;
	MR_ASSERT(seq_le(c->snd_una, c->snd_nxt));	/* RFC 9293 3.3.1 */
	if (tcp_state(c) != TCP_SYN_SENT)
		MR_ASSERT(seq_le(c->rcv_nxt, c->rcv_edge));
	if (tcp_opening(c) && x == NULL)	/* else perhaps data with the SYN, or behind it */
		MR_ASSERT(c->snd_nxt - c->snd_una <= 1);
	if (tcp_fin_outstanding(c))
		MR_ASSERT(seq_lt(c->snd_una, c->snd_nxt));
	if (tcp_fin_sent(c))
		MR_ASSERT((c->flags & TCP_F_SHUT) != 0);
	if (tcp_state(c) & (TCP_FIN_WAIT_2 | TCP_TIME_WAIT))
		MR_ASSERT(c->snd_una == c->snd_nxt);
	MR_ASSERT(c->mss >= TCP_MSS_MIN);
	if (c->flags & TCP_F_CLOSED)
		MR_ASSERT((c->flags & TCP_F_SHUT) != 0);
	if (x != NULL)
		check_ext(cx, c, x);
	else
		MR_ASSERT(tcp_data_outstanding(c) == 0);
}
