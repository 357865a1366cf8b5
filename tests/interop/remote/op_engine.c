/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations on the engine itself: forget everything, list what there is, turn a knob. And the
 * table of all operations.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"

#include "remote.h"

op_fn op_function(uint32_t op)
{
	static const op_fn table[OP_END] = {
		[OP_RESET] = op_reset, [OP_SOCKET] = op_socket, [OP_BIND] = op_bind,
		[OP_LISTEN] = op_listen, [OP_ACCEPT] = op_accept, [OP_CONNECT] = op_connect,
		[OP_RECV] = op_recv, [OP_SEND] = op_send, [OP_CLOSE] = op_close,
		[OP_SHUTDOWN] = op_shutdown, [OP_GETSOCKOPT] = op_getsockopt,
		[OP_SETSOCKOPT] = op_setsockopt, [OP_FCNTL] = op_fcntl, [OP_IOCTL] = op_ioctl,
		[OP_POLL] = op_poll, [OP_STATES] = op_states, [OP_SYSCTL] = op_sysctl,
		[OP_GETSOCKNAME] = op_getsockname, [OP_GETPEERNAME] = op_getpeername,
	};

	return op < OP_END ? table[op] : NULL;
}

/* ---- RESET ---- */

bool op_reset(struct mr_worker *w, struct call *k, struct sock *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < SOCKS_MAX; i++) {
		struct sock *s = sock_at(i);

		if (!s->used)
			continue;
		sock_abort(w, s);
		if (s->used)
			sock_free(w, s);
	}
	stack_forget(w);
	MR_ASSERT(stack_set_params(w, &socks_defaults));
	return answer(k, 0);
}

/* ---- STATES ---- */

#define ROWS 64u

bool op_states(struct mr_worker *w, struct call *k, struct sock *unused)
{
	static struct stack_conn_row rows[ROWS];
	const struct stack_query all = {.steps = 4096};
	struct stack_cursor cur = {0};

	(void)unused;
	while (!cur.done) {
		uint32_t n = stack_list(w, &cur, &all, rows, ROWS);

		for (uint32_t i = 0; i < n; i++) {
			char line[64];
			int len = snprintf(line, sizeof(line), "%u %u %s\n", rows[i].local.port,
					   rows[i].remote.port, tcp_state_name(rows[i].state));

			if (k->out_len + (uint32_t)len > k->out_room)
				return answer(k, 0);
			memcpy(k->out + k->out_len, line, (size_t)len);
			k->out_len += (uint32_t)len;
		}
	}
	return answer(k, 0);
}

/* ---- SYSCTL ---- */

/* A knob sets what it stands for; false: the value is out of range. */
struct knob {
	const char *name;
	uint32_t low, high;
	void (*set)(struct tcp_params *p, uint32_t value);
};

static void set_rcv_wnd(struct tcp_params *p, uint32_t v)
{
	p->rcv_buf = v;
	p->rcv_scale = tcp_window_shift(v);
}
static void set_wscale(struct tcp_params *p, uint32_t v) { p->window_scaling = v != 0; }
static void set_timestamps(struct tcp_params *p, uint32_t v) { p->timestamps = v != 0; }
static void set_sack(struct tcp_params *p, uint32_t v) { p->sack = v != 0; }
static void set_delack(struct tcp_params *p, uint32_t v)
{
	p->delack_ms = v == 0 ? 0 : MR_MAX(socks_defaults.delack_ms, 40u);
}
static void set_initial_rto(struct tcp_params *p, uint32_t v) { p->rto_initial_ms = v; }
static void set_syn_retries(struct tcp_params *p, uint32_t v) { p->syn_retries = (uint8_t)v; }
static void set_synack_retries(struct tcp_params *p, uint32_t v)
{
	p->synack_retries = (uint8_t)v;
}
static void set_rfc1337(struct tcp_params *p, uint32_t v) { p->rfc1337 = v != 0; }
static void set_drop_synfin(struct tcp_params *p, uint32_t v) { p->drop_synfin = v != 0; }
static void set_mtu(struct tcp_params *p, uint32_t v)
{
	p->mss4 = (uint16_t)(v - 40);
	p->mss6 = (uint16_t)(v - 60);
}
static void set_msl(struct tcp_params *p, uint32_t v) { p->msl_ms = v; }
static void set_fin_timeout(struct tcp_params *p, uint32_t v) { p->fin_wait_2_ms = v; }

static void set_ecn(struct tcp_params *p, uint32_t v) { p->ecn = (uint8_t)v; }
static void set_tfo(struct tcp_params *p, uint32_t v) { p->fastopen = (uint8_t)v; }
static_assert(TCP_FASTOPEN_CLIENT == 1 && TCP_FASTOPEN_SERVER == 2,
	      "the knob has the numbers of Linux's net.ipv4.tcp_fastopen");
static_assert(TCP_ECN_OFF == 0 && TCP_ECN_ASK == 1 && TCP_ECN_ACCEPT == 2,
	      "the knob has the numbers of Linux's net.ipv4.tcp_ecn");

static const struct knob knobs[] = {
	{"ecn", 0, 2, set_ecn},
	{"tfo", 0, 3, set_tfo},
	{"rcv_wnd", 1024, 1u << 30, set_rcv_wnd},
	{"wscale", 0, 1, set_wscale},
	{"sack", 0, 1, set_sack},
	{"timestamps", 0, 1, set_timestamps},
	{"delack", 0, 1, set_delack},
	{"initial_rto_ms", 10, 60000, set_initial_rto},
	{"syn_retries", 0, MR_RETRIES_MAX, set_syn_retries},
	{"synack_retries", 0, MR_RETRIES_MAX, set_synack_retries},
	{"rfc1337", 0, 1, set_rfc1337},
	{"drop_synfin", 0, 1, set_drop_synfin},
	{"mtu", 576, 1500, set_mtu},
	{"msl_ms", 64, MSL_MAX_MS, set_msl},
	{"fin_timeout_ms", 64, MR_USER_TIMEOUT_MAX_MS, set_fin_timeout},
};

/* The one knob whose value is a word. */
static int turn_cc(const char *word, struct tcp_params *p)
{
	if (strcmp(word, "newreno") == 0)
		p->congestion = CC_NEWRENO;
	else if (strcmp(word, "cubic") == 0)
		p->congestion = CC_CUBIC;
	else
		return EINVAL;
	return 0;
}

static int turn(const struct knob *n, const char *text, struct tcp_params *p)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || value < n->low || value > n->high)
		return EINVAL;
	n->set(p, (uint32_t)value);
	return 0;
}

bool op_sysctl(struct mr_worker *w, struct call *k, struct sock *unused)
{
	char text[128], *value;
	struct tcp_params p;
	int err = EINVAL;

	(void)unused;
	if (k->req.len >= sizeof(text))
		return fail(k, EINVAL);
	memcpy(text, k->in, k->req.len);
	text[k->req.len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	value = strchr(text, '=');
	if (value == NULL)
		return fail(k, EINVAL);
	*value++ = '\0';
	stack_get_params(w, &p);
	for (size_t i = 0; i < MR_ARRAY_LEN(knobs); i++)
		if (strcmp(knobs[i].name, text) == 0)
			err = turn(&knobs[i], value, &p);
	if (strcmp(text, "cc") == 0)
		err = turn_cc(value, &p);
	if (err == 0 && !stack_set_params(w, &p))
		err = EINVAL;
	return err == 0 ? answer(k, 0) : fail(k, err);
}
