/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations that begin and end connections: socket, bind, listen, accept, connect, close,
 * shutdown, and the names of both ends. What Linux answers is what is answered here.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "stack.h"

#include "remote.h"

/* ---- addresses ---- */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};	/* ::ffff:0:0/96 */

static bool is_any(const struct mr_endpoint *e)
{
	static const uint8_t zero[16];

	return memcmp(e->addr, zero, e->family == 4 ? 4 : 16) == 0;
}

/* 0 or an errno. */
static int endpoint_of(const struct sock *s, const void *sa, uint32_t len, struct mr_endpoint *e)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	memset(e, 0, sizeof(*e));
	if (len < sizeof(in))
		return EINVAL;
	memcpy(&in, sa, sizeof(in));
	if (in.sin_family == AF_INET && s->domain == AF_INET) {
		e->family = 4;
		e->port = ntohs(in.sin_port);
		memcpy(e->addr, &in.sin_addr, 4);
		return 0;
	}
	if (in.sin_family != AF_INET6 || s->domain != AF_INET6)
		return EAFNOSUPPORT;
	if (len < sizeof(in6) - sizeof(in6.sin6_scope_id))
		return EINVAL;
	memcpy(&in6, sa, MR_MIN(len, (uint32_t)sizeof(in6)));
	e->port = ntohs(in6.sin6_port);
	if (!s->v6only && memcmp(&in6.sin6_addr, mapped, sizeof(mapped)) == 0) {
		e->family = 4;
		memcpy(e->addr, (const uint8_t *)&in6.sin6_addr + 12, 4);
		return 0;
	}
	e->family = 6;
	memcpy(e->addr, &in6.sin6_addr, 16);
	return 0;
}

static bool answer_name(struct call *k, const struct sock *s, const struct mr_endpoint *e)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};

	if (s->domain == AF_INET) {
		memcpy(&in.sin_addr, e->addr, 4);
		return answer_octets(k, &in, sizeof(in));
	}
	if (e->family == 4) {
		memcpy(&in6.sin6_addr, mapped, sizeof(mapped));
		memcpy((uint8_t *)&in6.sin6_addr + 12, e->addr, 4);
	} else {
		memcpy(&in6.sin6_addr, e->addr, 16);
	}
	return answer_octets(k, &in6, sizeof(in6));
}

bool op_getsockname(struct mr_worker *w, struct call *k, struct sock *s)
{
	(void)w;
	return answer_name(k, s, &s->local);
}

bool op_getpeername(struct mr_worker *w, struct call *k, struct sock *s)
{
	(void)w;
	if (s->state != SOCK_OPEN)
		return fail(k, ENOTCONN);
	return answer_name(k, s, &s->remote);
}

/* ---- socket, bind, listen, accept ---- */

bool op_socket(struct mr_worker *w, struct call *k, struct sock *unused)
{
	int type = k->req.b & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct sock *s;

	(void)w;
	(void)unused;
	if (k->req.a != AF_INET && k->req.a != AF_INET6)
		return fail(k, EAFNOSUPPORT);
	if (type != SOCK_STREAM)
		return fail(k, ESOCKTNOSUPPORT);
	if (k->req.c != 0 && k->req.c != IPPROTO_TCP)
		return fail(k, EPROTONOSUPPORT);
	s = sock_new(k->req.a);
	if (s == NULL)
		return fail(k, EMFILE);
	s->nonblock = (k->req.b & SOCK_NONBLOCK) != 0;
	return answer(k, sock_fd(s));
}

static bool same_place(const struct mr_endpoint *a, const struct mr_endpoint *b)
{
	if (a->port != b->port)
		return false;
	return is_any(a) || is_any(b) ||
	       (a->family == b->family && memcmp(a->addr, b->addr, 16) == 0);
}

/* Another socket has the port: only if both may share it, and none listens. */
static bool port_taken(const struct sock *s, const struct mr_endpoint *e)
{
	for (unsigned int i = 0; i < SOCKS_MAX; i++) {
		const struct sock *o = sock_at(i);

		if (!o->used || o == s || !o->bound || o->parent != NULL || o->state == SOCK_DONE)
			continue;
		if (same_place(&o->local, e) &&
		    (!o->reuse || !s->reuse || o->state == SOCK_LISTENING))
			return true;
	}
	return false;
}

/* A port nobody has, of the dynamic ones. */
static bool draw_port(const struct sock *s, struct mr_endpoint *e)
{
	static uint16_t last = 40000;

	for (unsigned int i = 0; i < 20000; i++) {
		last = (uint16_t)(last == 59999 ? 40000 : last + 1);
		e->port = last;
		if (!port_taken(s, e))
			return true;
	}
	return false;
}

static int bind_to(struct mr_worker *w, struct sock *s, struct mr_endpoint *e)
{
	if (!is_any(e) && !stack_has_address(w, e))
		return EADDRNOTAVAIL;
	if (e->port == 0 ? !draw_port(s, e) : port_taken(s, e))
		return EADDRINUSE;
	s->local = *e;
	s->bound = true;
	return 0;
}

bool op_bind(struct mr_worker *w, struct call *k, struct sock *s)
{
	struct mr_endpoint e;
	int err = endpoint_of(s, k->in, k->req.len, &e);

	if (err == 0 && (s->bound || s->state != SOCK_NEW))
		err = EINVAL;
	if (err == 0)
		err = bind_to(w, s, &e);
	return err == 0 ? answer(k, 0) : fail(k, err);
}

static int listen_at(struct mr_worker *w, struct sock *s)
{
	struct stack_listener l = {
		.port_first = s->local.port, .port_last = s->local.port, .backlog = s->backlog + 1,
		.callbacks = &sock_callbacks, .arg = s, .name = "remote", .options = s->opts,
	};
	enum mr_reason why;

	l.options.set |= 1u << MR_OPT_FASTOPEN_PENDING;	/* 0 unless TCP_FASTOPEN was set */
	l.family = s->local.family;
	if (!is_any(&s->local)) {
		l.prefix_len = l.family == 4 ? 32 : 128;
		memcpy(l.addr, s->local.addr, 16);
	} else if (s->domain == AF_INET6 && !s->v6only) {
		l.family = 0;		/* both families, as ::  has it */
	}
	why = stack_listen(w, &l, &s->listener);
	if (why == MR_OK)
		return 0;
	return why == MR_ADDRESS_IN_USE ? EADDRINUSE : ENOBUFS;
}

bool op_listen(struct mr_worker *w, struct call *k, struct sock *s)
{
	struct mr_endpoint any = {.family = s->domain == AF_INET ? 4 : 6};
	int err = 0;

	if (s->state != SOCK_NEW && s->state != SOCK_LISTENING)
		return fail(k, EINVAL);
	s->backlog = (uint32_t)MR_MIN((uint32_t)k->req.a, 4096u);
	if (s->state == SOCK_LISTENING) {
		sock_accept_room(w, s);
		return answer(k, 0);
	}
	if (!s->bound)
		err = bind_to(w, s, &any);
	if (err == 0)
		err = listen_at(w, s);
	if (err != 0)
		return fail(k, err);
	s->state = SOCK_LISTENING;
	return answer(k, 0);
}

bool op_accept(struct mr_worker *w, struct call *k, struct sock *s)
{
	struct sock *child = s->accept_head;

	if (s->state != SOCK_LISTENING)
		return fail(k, EINVAL);
	if (child == NULL)
		return s->nonblock ? fail(k, EAGAIN) : false;
	s->accept_head = child->accept_next;
	if (s->accept_head == NULL)
		s->accept_tail = NULL;
	s->nwaiting--;
	sock_accept_room(w, s);
	child->parent = child->accept_next = NULL;
	answer_name(k, child, &child->remote);
	return answer(k, sock_fd(child));
}

/* ---- connect ---- */

int sock_error(struct sock *s)
{
	int err = s->error;

	s->error = 0;
	return err;
}

static int errno_of_open(enum mr_reason why)
{
	if (why == MR_NO_TUPLE)
		return EADDRNOTAVAIL;
	if (why == MR_UNREACHABLE)
		return EHOSTUNREACH;
	if (why == MR_NO_ROUTE || why == MR_BAD_ARGUMENT)	/* a group, or nobody */
		return ENETUNREACH;
	return ENOBUFS;
}

int sock_connect(struct mr_worker *w, struct sock *s, const void *sa, uint32_t len,
		 struct rte_mbuf *data)
{
	struct mr_connect_opts o = {.callbacks = &sock_callbacks, .data = data};
	struct mr_tcp_info info;
	enum mr_reason why;
	int err = endpoint_of(s, sa, len, &o.remote);

	if (err != 0)
		return err;
	o.user = (uint32_t)(s - sock_at(0)) + 1;
	o.local = s->local;
	if (s->bound && is_any(&s->local))
		o.local.family = 0;
	if (s->opts.set != 0)
		o.options = &s->opts;
	why = mr_connect(w, &o, &s->c);
	if (why != MR_OK)
		return errno_of_open(why);
	s->state = SOCK_CONNECTING;
	s->bound = true;
	s->remote = o.remote;
	mr_tcp_info(w, s->c, &info);
	s->local = info.local;
	return 0;
}

/* connect(AF_UNSPEC) takes the connection back. */
static bool disconnect(struct mr_worker *w, struct call *k, struct sock *s)
{
	sock_abort(w, s);
	mbufq_drop(&s->rx);
	s->state = SOCK_NEW;
	s->error = 0;
	s->eof = s->shut_rd = s->shut_wr = s->told = false;
	return answer(k, 0);
}

bool op_connect(struct mr_worker *w, struct call *k, struct sock *s)
{
	sa_family_t family = AF_INET;
	int err;

	if (k->req.len >= sizeof(family))
		memcpy(&family, k->in, sizeof(family));
	if (!k->tried && family == AF_UNSPEC)
		return disconnect(w, k, s);
	switch (s->state) {
	case SOCK_LISTENING:
		return fail(k, EISCONN);
	case SOCK_OPEN:
		if (s->told)
			return fail(k, EISCONN);
		s->told = true;
		return answer(k, 0);
	case SOCK_DONE:
		err = sock_error(s);
		return fail(k, err != 0 ? err : k->tried ? ECONNABORTED : EISCONN);
	case SOCK_CONNECTING:
		if (!k->tried && s->nonblock)
			return fail(k, EALREADY);
		return false;
	case SOCK_NEW:
		break;
	}
	err = sock_connect(w, s, k->in, k->req.len, NULL);
	if (err != 0)
		return fail(k, err);
	return s->nonblock ? fail(k, EINPROGRESS) : false;
}

/* ---- shutdown and close ---- */

bool op_shutdown(struct mr_worker *w, struct call *k, struct sock *s)
{
	int how = k->req.a;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return fail(k, EINVAL);
	if (s->state == SOCK_NEW || s->state == SOCK_DONE)
		return fail(k, ENOTCONN);
	if (s->state == SOCK_LISTENING) {
		if (how != SHUT_WR)
			sock_unlisten(w, s);
	} else if (s->state == SOCK_CONNECTING) {
		sock_abort(w, s);
	} else {
		s->shut_rd |= how != SHUT_WR;
		s->shut_wr |= how != SHUT_RD;
		if (how != SHUT_RD)
			mr_shutdown(w, s->c);
	}
	answer(k, 0);
	sock_wake(w, s);
	return true;
}

/* A close() that lingers: our FIN is not acknowledged yet. */
static bool fin_pending(struct mr_worker *w, const struct sock *s)
{
	struct mr_tcp_info info;

	if (s->state != SOCK_OPEN || mr_tcp_info(w, s->c, &info) != MR_OK)
		return false;
	return strcmp(info.state, "FIN_WAIT_2") != 0 && strcmp(info.state, "TIME_WAIT") != 0 &&
	       strcmp(info.state, "CLOSED") != 0;
}

static bool close_conn(struct mr_worker *w, struct call *k, struct sock *s)
{
	bool hard = s->linger.l_onoff && s->linger.l_linger == 0;

	if (s->state == SOCK_CONNECTING || hard) {
		mr_set_user(w, s->c, 0);
		mr_abort(w, s->c);
	} else {
		mr_close(w, s->c);
		if (s->linger.l_onoff && fin_pending(w, s)) {
			s->closing = true;
			s->linger_until_ms = mr_now_ms(w) +
					     (uint32_t)s->linger.l_linger * 1000;
			sock_linger(s);
			return false;
		}
	}
	sock_free(w, s);
	return answer(k, 0);
}

bool op_close(struct mr_worker *w, struct call *k, struct sock *s)
{
	if (s->closing) {		/* tried again */
		if (fin_pending(w, s) && !k->expired &&
		    (int32_t)(mr_now_ms(w) - s->linger_until_ms) < 0)
			return false;
		return answer(k, 0);
	}
	if (s->state == SOCK_OPEN || s->state == SOCK_CONNECTING)
		return close_conn(w, k, s);
	sock_abort(w, s);
	sock_free(w, s);
	return answer(k, 0);
}
