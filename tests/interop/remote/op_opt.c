/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * getsockopt and setsockopt: Linux's numbers and units on one side, enum mr_option on the other.
 * An option of a socket without a connection waits for it; one of a listener is its children's.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "stack.h"

#include "remote.h"

#define RATE_MAX 4000000000u	/* of MR_OPT_PACING_RATE_MAX */

#define PAIR(level, name) ((uint32_t)(level) << 16 | (uint32_t)(name))

/* Options that are one number: value in the engine = value of the socket * unit. */
struct number {
	uint32_t pair;
	enum mr_option option;
	uint32_t unit;
	int32_t low, high;		/* what Linux and the engine both take */
};
static const struct number numbers[] = {
	{PAIR(SOL_SOCKET, SO_KEEPALIVE), MR_OPT_KEEPALIVE, 1, INT32_MIN, INT32_MAX},
	{PAIR(IPPROTO_TCP, TCP_NODELAY), MR_OPT_NODELAY, 1, INT32_MIN, INT32_MAX},
	{PAIR(IPPROTO_TCP, TCP_KEEPIDLE), MR_OPT_KEEPALIVE_IDLE_MS, 1000, 1, 32767},
	{PAIR(IPPROTO_TCP, TCP_KEEPINTVL), MR_OPT_KEEPALIVE_INTERVAL_MS, 1000, 1, 32767},
	{PAIR(IPPROTO_TCP, TCP_KEEPCNT), MR_OPT_KEEPALIVE_PROBES, 1, 1, MR_RETRIES_MAX},
	{PAIR(IPPROTO_TCP, TCP_USER_TIMEOUT), MR_OPT_USER_TIMEOUT_MS, 1, 0, 0x3fffffff},
	{PAIR(IPPROTO_TCP, TCP_MAXSEG), MR_OPT_MSS_MAX, 1, 88, 32767},
	{PAIR(IPPROTO_IP, IP_TTL), MR_OPT_TTL, 1, 1, 255},
	{PAIR(IPPROTO_IPV6, IPV6_UNICAST_HOPS), MR_OPT_TTL, 1, 1, 255},
	{PAIR(IPPROTO_IP, IP_TOS), MR_OPT_TOS, 1, 0, 255},
	{PAIR(IPPROTO_IPV6, IPV6_TCLASS), MR_OPT_TOS, 1, 0, 255},
	{PAIR(SOL_SOCKET, SO_SNDBUF), MR_OPT_SEND_BUFFER, 1, INT32_MIN, INT32_MAX},
	{PAIR(SOL_SOCKET, SO_RCVBUF), MR_OPT_RECEIVE_BUFFER, 1, INT32_MIN, INT32_MAX},
	{PAIR(IPPROTO_TCP, TCP_FASTOPEN), MR_OPT_FASTOPEN_PENDING, 1, 0, INT32_MAX},
	{PAIR(SOL_SOCKET, SO_MAX_PACING_RATE), MR_OPT_PACING_RATE_MAX, 1, INT32_MIN, INT32_MAX},
};

static const struct number *number_of(const struct call *k)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(numbers); i++)
		if (numbers[i].pair == PAIR(k->req.a, k->req.b))
			return &numbers[i];
	return NULL;
}

/* ---- setting ---- */

static int set_option(struct mr_worker *w, struct sock *s, enum mr_option option, uint32_t value)
{
	struct tcp_params scratch = socks_defaults;
	enum mr_reason why = MR_OK;

	if (!tcp_params_set(&scratch, option, value))
		return EINVAL;
	if (s->state == SOCK_OPEN || s->state == SOCK_CONNECTING)
		why = mr_set_option(w, s->c, option, value);
	else if (s->state == SOCK_LISTENING)
		why = stack_listener_option(w, s->listener, option, value) ? MR_OK : MR_NO_MEMORY;
	if (why != MR_OK)
		return why == MR_NO_MEMORY ? ENOBUFS : EINVAL;
	s->opts.set |= 1u << option;
	s->opts.value[option] = value;
	return 0;
}

static int set_number(struct mr_worker *w, struct sock *s, const struct number *n, int32_t value)
{
	switch (n->option) {
	case MR_OPT_KEEPALIVE:
	case MR_OPT_NODELAY:
		return set_option(w, s, n->option, value != 0);
	case MR_OPT_TTL:
		if (value == -1)
			value = socks_defaults.hop_limit;
		break;
	case MR_OPT_FASTOPEN_PENDING:	/* before or after listen() */
		if (s->state != SOCK_NEW && s->state != SOCK_LISTENING)
			return EINVAL;
		value = MR_MIN(value, UINT16_MAX);
		break;
	case MR_OPT_SEND_BUFFER:
	case MR_OPT_RECEIVE_BUFFER:	/* Linux takes any number, and makes something of it */
		return set_option(w, s, n->option,
				  MR_MAX(1024u, MR_MIN((uint32_t)value, 1u << 30)));
	case MR_OPT_PACING_RATE_MAX:	/* as unsigned; all ones: no limit */
		return set_option(w, s, n->option, value == -1 ? 0 : MR_MIN((uint32_t)value,
									    RATE_MAX));
	case MR_OPT_KEEPALIVE_IDLE_MS: case MR_OPT_KEEPALIVE_INTERVAL_MS:
	case MR_OPT_KEEPALIVE_PROBES: case MR_OPT_USER_TIMEOUT_MS: case MR_OPT_LINGER_MS:
	case MR_OPT_TOS: case MR_OPT_MSS_MAX: case MR_OPT_FASTOPEN:
	case MR_OPT_PACING: case MR_OPTIONS:
	default:
		break;
	}
	if (value < n->low || value > n->high)
		return EINVAL;
	return set_option(w, s, n->option, (uint32_t)value * n->unit);
}

bool op_setsockopt(struct mr_worker *w, struct call *k, struct sock *s)
{
	const struct number *n = number_of(k);
	int32_t value = 0;
	int err = 0;

	memcpy(&value, k->in, MR_MIN(k->req.len, (uint32_t)sizeof(value)));
	if (k->req.len < (n != NULL && n->option == MR_OPT_TOS ? 1 : sizeof(value)))
		return fail(k, EINVAL);
	if (n != NULL) {
		err = set_number(w, s, n, value);
		return err == 0 ? answer(k, 0) : fail(k, err);
	}
	switch (PAIR(k->req.a, k->req.b)) {
	case PAIR(SOL_SOCKET, SO_REUSEADDR):
	case PAIR(SOL_SOCKET, SO_REUSEPORT):
		s->reuse = value != 0;
		return answer(k, 0);
	case PAIR(SOL_SOCKET, SO_LINGER):
		if (k->req.len < sizeof(s->linger))
			return fail(k, EINVAL);
		memcpy(&s->linger, k->in, sizeof(s->linger));
		return answer(k, 0);
	case PAIR(IPPROTO_IPV6, IPV6_V6ONLY):
		s->v6only = value != 0;
		return s->bound || s->domain != AF_INET6 ? fail(k, EINVAL) : answer(k, 0);
	default:
		return fail(k, ENOPROTOOPT);
	}
}

/* ---- TCP_INFO ---- */

/* Linux's numbers of the states (include/net/tcp_states.h); lib/tcp has other ones. */
static uint8_t state_of(const struct sock *s, const char *name)
{
	static const struct { const char *name; uint8_t number; } states[] = {
		{"ESTABLISHED", 1}, {"SYN_SENT", 2}, {"SYN_RCVD", 3}, {"FIN_WAIT_1", 4},
		{"FIN_WAIT_2", 5}, {"TIME_WAIT", 6}, {"CLOSE_WAIT", 8}, {"LAST_ACK", 9},
		{"CLOSING", 11},
	};

	if (s->state == SOCK_LISTENING)
		return 10;
	for (size_t i = 0; i < MR_ARRAY_LEN(states); i++)
		if (strcmp(states[i].name, name) == 0)
			return states[i].number;
	return 7;	/* TCP_CLOSE */
}

static bool answer_info(struct mr_worker *w, struct call *k, const struct sock *s)
{
	struct mr_tcp_info i = {0};
	struct tcp_info t = {0};
	uint32_t mss;

	if (s->state == SOCK_OPEN || s->state == SOCK_CONNECTING)
		mr_tcp_info(w, s->c, &i);
	mss = i.mss > 12 && i.timestamps ? i.mss - 12u : MR_MAX(i.mss, (uint16_t)1);
	t.tcpi_state = state_of(s, i.state);
	t.tcpi_options = (uint8_t)((i.timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
				   (i.sack ? TCPI_OPT_SACK : 0) |
				   (i.window_scaling ? TCPI_OPT_WSCALE : 0) |
				   (i.ecn ? TCPI_OPT_ECN : 0) |
				   (i.syn_data ? TCPI_OPT_SYN_DATA : 0));
	t.tcpi_snd_wscale = i.snd_scale & 15u;
	t.tcpi_rcv_wscale = i.rcv_scale & 15u;
	t.tcpi_retransmits = i.retransmits;
	t.tcpi_backoff = i.retransmits;
	t.tcpi_rto = i.rto_ms * 1000;
	t.tcpi_snd_mss = mss;
	t.tcpi_rcv_mss = mss;
	t.tcpi_advmss = i.mss;
	t.tcpi_unacked = i.unacked;
	t.tcpi_sacked = i.sacked;
	t.tcpi_lost = i.lost;
	t.tcpi_retrans = i.retrans;
	t.tcpi_rtt = i.srtt_us;
	t.tcpi_rttvar = i.rttvar_us;
	t.tcpi_snd_cwnd = i.cwnd != 0 ? i.cwnd / mss : 10;
	t.tcpi_snd_ssthresh = i.ssthresh == 0 || i.ssthresh >= 0x7fffffff ? 0x7fffffff
									 : i.ssthresh / mss;
	t.tcpi_rcv_space = i.rcv_wnd;
	t.tcpi_rcv_ssthresh = i.rcv_wnd;
	return answer_octets(k, &t, sizeof(t));
}

/* ---- getting ---- */

static uint32_t get_option(struct mr_worker *w, const struct sock *s, enum mr_option option)
{
	struct tcp_params p;
	uint32_t value;

	if (s->opts.set & 1u << option)
		return s->opts.value[option];
	if ((s->state == SOCK_OPEN || s->state == SOCK_CONNECTING) &&
	    mr_get_option(w, s->c, option, &value) == MR_OK)
		return value;
	stack_get_params(w, &p);
	return tcp_params_get(&p, option);
}

static int32_t get_number(struct mr_worker *w, const struct sock *s, const struct number *n)
{
	uint32_t value = get_option(w, s, n->option) / n->unit;
	struct mr_tcp_info info;

	if (n->option == MR_OPT_SEND_BUFFER || n->option == MR_OPT_RECEIVE_BUFFER)
		return (int32_t)(2 * value);	/* Linux tells the double of what was set */
	if (n->option == MR_OPT_PACING_RATE_MAX && value == 0)
		return -1;
	if (n->option == MR_OPT_MSS_MAX && s->state == SOCK_OPEN &&
	    mr_tcp_info(w, s->c, &info) == MR_OK)
		return info.mss - (info.timestamps ? 12 : 0);
	if (n->option == MR_OPT_MSS_MAX && (s->opts.set & 1u << MR_OPT_MSS_MAX) == 0)
		return 536;
	return (int32_t)value;
}

bool op_getsockopt(struct mr_worker *w, struct call *k, struct sock *s)
{
	const struct number *n = number_of(k);
	int32_t value;

	if (n != NULL) {
		value = get_number(w, s, n);
		return answer_octets(k, &value, sizeof(value));
	}
	switch (PAIR(k->req.a, k->req.b)) {
	case PAIR(SOL_SOCKET, SO_ERROR): value = sock_error(s); break;
	case PAIR(SOL_SOCKET, SO_REUSEADDR):
	case PAIR(SOL_SOCKET, SO_REUSEPORT): value = s->reuse; break;
	case PAIR(SOL_SOCKET, SO_TYPE): value = SOCK_STREAM; break;
	case PAIR(SOL_SOCKET, SO_DOMAIN): value = s->domain; break;
	case PAIR(SOL_SOCKET, SO_PROTOCOL): value = IPPROTO_TCP; break;
	case PAIR(SOL_SOCKET, SO_ACCEPTCONN): value = s->state == SOCK_LISTENING; break;
	case PAIR(IPPROTO_IPV6, IPV6_V6ONLY): value = s->v6only; break;
	case PAIR(SOL_SOCKET, SO_LINGER):
		return answer_octets(k, &s->linger, sizeof(s->linger));
	case PAIR(IPPROTO_TCP, TCP_INFO): return answer_info(w, k, s);
	default: return fail(k, ENOPROTOOPT);
	}
	return answer_octets(k, &value, sizeof(value));
}
