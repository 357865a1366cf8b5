/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of sockets, and what the engine reports of their connections. Worker thread only. A
 * socket is named by its connection through the handler's word (index + 1; 0: nobody's any more).
 */
#include <errno.h>
#include <string.h>

#include "stack.h"

#include "remote.h"

static struct sock socks[SOCKS_MAX];
static struct sock *lingering;
struct tcp_params socks_defaults;

void socks_init(const struct tcp_params *defaults) { socks_defaults = *defaults; }

struct sock *sock_at(unsigned int i) { return &socks[i]; }

struct sock *sock_new(int domain)
{
	for (unsigned int i = 0; i < SOCKS_MAX; i++) {
		struct sock *s = &socks[i];

		if (s->used)
			continue;
		*s = (struct sock){.used = true, .domain = domain};
		return s;
	}
	return NULL;
}

struct sock *sock_of_fd(int fd)
{
	struct sock *s;

	if (fd < FD_FIRST || fd >= (int)SOCKS_MAX + FD_FIRST)
		return NULL;
	s = &socks[fd - FD_FIRST];
	return s->used && !s->closing && s->parent == NULL ? s : NULL;
}

int sock_fd(const struct sock *s) { return (int)(s - socks) + FD_FIRST; }

/* ---- calls ---- */

void call_unpark(struct call *k)
{
	struct call **at = &k->at->calls;

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	k->parked = false;
	k->next = NULL;
}

static void park(struct call *k, struct sock *s)
{
	struct call **at = &s->calls;

	while (*at != NULL)
		at = &(*at)->next;
	*at = k;
	k->next = NULL;
	k->at = s;
	k->parked = true;
}

void call_run(struct mr_worker *w, struct call *k)
{
	op_fn run = op_function(k->req.op);
	bool global = k->req.op == OP_RESET || k->req.op == OP_SOCKET || k->req.op == OP_STATES ||
		      k->req.op == OP_SYSCTL;
	struct sock *s = global ? NULL : sock_of_fd(k->req.fd);
	bool done;

	if (run == NULL)
		done = fail(k, EINVAL);
	else if (!global && s == NULL)
		done = fail(k, EBADF);
	else
		done = run(w, k, s);
	k->tried = true;
	if (done)
		call_return(k);
	else
		park(k, s);
}

/* Bounded: each call of the list is tried once; one that is answered leaves it. */
void sock_wake(struct mr_worker *w, struct sock *s)
{
	struct call *k = s->calls, *next;

	for (; k != NULL && s->used; k = next) {
		next = k->next;
		if (!op_function(k->req.op)(w, k, s))
			continue;
		call_unpark(k);
		call_return(k);
	}
}

/* ---- the end of a socket ---- */

void sock_unlisten(struct mr_worker *w, struct sock *s)
{
	struct sock *child, *next;

	stack_unlisten(w, s->listener);
	s->state = SOCK_DONE;
	for (child = s->accept_head; child != NULL; child = next) {
		next = child->accept_next;
		child->parent = NULL;
		sock_abort(w, child);
		sock_free(w, child);
	}
	s->accept_head = s->accept_tail = NULL;
	s->nwaiting = 0;
}

void sock_abort(struct mr_worker *w, struct sock *s)
{
	if (s->state == SOCK_LISTENING)
		sock_unlisten(w, s);
	if (s->state == SOCK_CONNECTING || s->state == SOCK_OPEN) {
		mr_set_user(w, s->c, 0);
		mr_abort(w, s->c);
		s->c = MR_CONN_NONE;
		s->state = SOCK_DONE;
	}
}

void sock_free(struct mr_worker *w, struct sock *s)
{
	struct sock **at = &lingering;

	while (*at != NULL && *at != s)
		at = &(*at)->linger_next;
	if (*at == s)
		*at = s->linger_next;
	while (s->calls != NULL) {
		struct call *k = s->calls;

		call_unpark(k);
		fail(k, EBADF);
		call_return(k);
	}
	if (s->state == SOCK_CONNECTING || s->state == SOCK_OPEN)
		mr_set_user(w, s->c, 0);
	mbufq_drop(&s->rx);
	s->used = false;
}

/* ---- close() that waits ---- */

void sock_linger(struct sock *s)
{
	s->linger_next = lingering;
	lingering = s;
}

bool socks_turn(struct mr_worker *w)
{
	struct sock *s = lingering, *next;

	for (; s != NULL; s = next) {
		next = s->linger_next;
		sock_wake(w, s);
		if (s->calls == NULL)
			sock_free(w, s);
	}
	return false;
}

/* ---- what the engine reports ---- */

static struct sock *sock_of(struct mr_worker *w, mr_conn c)
{
	uint32_t user = mr_user(w, c);

	MR_ASSERT(user <= SOCKS_MAX);
	return user == 0 ? NULL : &socks[user - 1];
}

/* Linux lets one more wait than the backlog says; beyond, SYNs are dropped. */
void sock_accept_room(struct mr_worker *w, struct sock *s)
{
	uint32_t room = s->nwaiting > s->backlog ? 0 : s->backlog + 1 - s->nwaiting;

	stack_listener_backlog(w, s->listener, room);
}

static void on_accept(struct mr_worker *w, mr_conn c)
{
	struct sock *l = mr_handler_arg(w, c), *s;
	struct mr_tcp_info info;

	mr_set_user(w, c, 0);
	s = l->used && l->state == SOCK_LISTENING && l->nwaiting <= l->backlog
		    ? sock_new(l->domain) : NULL;
	if (s == NULL || mr_tcp_info(w, c, &info) != MR_OK) {
		mr_abort(w, c);
		return;
	}
	s->state = SOCK_OPEN;
	s->told = s->bound = true;
	s->c = c;
	s->local = info.local;
	s->remote = info.remote;
	s->opts = l->opts;
	s->linger = l->linger;
	s->parent = l;
	mr_set_user(w, c, (uint32_t)(s - socks) + 1);
	if (l->accept_tail != NULL)
		l->accept_tail->accept_next = s;
	else
		l->accept_head = s;
	l->accept_tail = s;
	l->nwaiting++;
	sock_accept_room(w, l);
	sock_wake(w, l);
}

static void on_connected(struct mr_worker *w, mr_conn c)
{
	struct sock *s = sock_of(w, c);

	if (s == NULL)
		return;
	s->state = SOCK_OPEN;
	sock_wake(w, s);
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	struct sock *s = sock_of(w, c);

	if (s == NULL) {
		mr_consumed(w, c, m->pkt_len);
		rte_pktmbuf_free(m);
		return;
	}
	mbufq_push(&s->rx, m);
	sock_wake(w, s);
}

static void on_event(struct mr_worker *w, mr_conn c)
{
	struct sock *s = sock_of(w, c);

	if (s != NULL)
		sock_wake(w, s);
}

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	struct sock *s = sock_of(w, c);

	if (s == NULL)
		return;
	s->eof = true;
	sock_wake(w, s);
}

/* As tcp_reset() and tcp_write_err() of Linux have it. */
static int errno_of(const struct sock *s, enum mr_reason why)
{
	switch (why) {
	case MR_REFUSED: return ECONNREFUSED;
	case MR_RESET_BY_PEER: return s->eof ? EPIPE : ECONNRESET;
	case MR_TIMED_OUT:
	case MR_KEEPALIVE_TIMEOUT: return ETIMEDOUT;
	case MR_UNREACHABLE: return EHOSTUNREACH;
	case MR_DRAINED: return ECONNABORTED;
	case MR_OK: case MR_CLOSED: case MR_ABORTED: case MR_FIN_WAIT_2_TIMEOUT:
	case MR_DATA_AFTER_CLOSE: case MR_NO_SUCH_CONN: case MR_WRONG_STATE: case MR_NO_MEMORY:
	case MR_TABLE_FULL: case MR_NO_TUPLE: case MR_NO_ROUTE: case MR_BAD_ARGUMENT:
	case MR_ADDRESS_IN_USE: case MR_WRONG_WORKER:
	default: return 0;
	}
}

static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason why)
{
	struct sock *s = sock_of(w, c);

	if (s == NULL)
		return;
	s->error = errno_of(s, why);
	s->state = SOCK_DONE;
	s->c = MR_CONN_NONE;
	sock_wake(w, s);
}

const struct mr_callbacks sock_callbacks = {
	.on_accept = on_accept,
	.on_connected = on_connected,
	.on_data = on_data,
	.on_writable = on_event,
	.on_urgent = on_event,
	.on_peer_closed = on_peer_closed,
	.on_closed = on_closed,
};
