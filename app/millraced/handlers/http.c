/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http: HTTP/1.1 (RFC 9110, 9112) with keep-alive, pipelining and HEAD: N octets at /bytes/N, and
 * the files of a directory, read at start. Bodies are never copied. One request is answered at a
 * time; what the peer pipelines behind it is held, not consumed, until its turn.
 *
 * Many slow peers do not keep others out: a request has header_ms from its first octet to its
 * last, and when all open_max slots are taken, the connection that has waited longest for a
 * complete request gives its slot to the newcomer. A connection that is being answered is never
 * taken.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <rte_mbuf.h>

#include "counters.h"

#include "handlers.h"
#include "http_content.h"
#include "http_parse.h"
#include "mbufq.h"

/* One mr_send_static() takes at most this much. */
#define SEND_MAX 65535u

struct http_conn {
	struct limits limits;
	mr_conn conn;
	uint32_t older, newer; /* list of those that wait for a request; valid while `waiting` */
	struct mbufq in;		/* received, not parsed yet */
	struct mr_static *body; /* of the reply; sent again from its start until body_left is 0 */
	uint64_t body_left;
	uint32_t body_at;
	uint16_t head_len, head_sent;	/* of the reply's head, in request.text */
	bool waiting, replying, answered;
	bool last;			/* no request follows this reply */
	bool peer_closed, lingering;
	struct http_request request;
};

static_assert(offsetof(struct http_conn, limits) == 0, "sessions find the limits at the start");

struct http_worker {
	uint32_t oldest, newest;	/* waiting connections; POOL_NONE: none */
	time_t date_s;
	char date[40];			/* of date_s, RFC 9110 5.6.7 */
} MR_CACHE_ALIGNED;

struct http_site {
	struct http_content content;
	struct http_worker worker[MR_WORKERS_MAX];
};

/* A callback's view: looked up once. */
struct cx {
	struct mr_worker *w;
	mr_conn c;
	struct handler_listener *l;
	struct http_site *site;
	struct http_worker *own;
	struct pool *pool;
	struct http_conn *st;
};

static bool look_up(struct mr_worker *w, mr_conn c, struct cx *cx)
{
	cx->w = w;
	cx->c = c;
	cx->l = session_listener(w, c);
	cx->site = cx->l->shared;
	cx->own = &cx->site->worker[mr_worker_id(w)];
	cx->pool = &cx->l->pool[mr_worker_id(w)];
	cx->st = session_of(w, c);
	return cx->st != NULL;
}

/* ---- Those that wait for a request, longest first -------------------------------------------- */

static void wait_end(struct cx *cx, struct http_conn *st)
{
	if (!st->waiting)
		return;
	st->waiting = false;
	if (st->older != POOL_NONE)
		((struct http_conn *)pool_at(cx->pool, st->older))->newer = st->newer;
	else
		cx->own->oldest = st->newer;
	if (st->newer != POOL_NONE)
		((struct http_conn *)pool_at(cx->pool, st->newer))->older = st->older;
	else
		cx->own->newest = st->older;
}

static void wait_begin(struct cx *cx, struct http_conn *st)
{
	uint32_t index = mr_user(cx->w, cx->c);

	st->waiting = true;
	st->older = cx->own->newest;
	st->newer = POOL_NONE;
	if (st->older != POOL_NONE)
		((struct http_conn *)pool_at(cx->pool, st->older))->newer = index;
	else
		cx->own->oldest = index;
	cx->own->newest = index;
}

static void forget(struct cx *cx, struct http_conn *st)
{
	wait_end(cx, st);
	mbufq_drop(&st->in);
	session_close(cx->w, st->conn);
}

/* Makes room for a newcomer. The victim's on_closed finds no state any more. */
static bool evict_oldest(struct cx *cx)
{
	struct http_conn *st;
	mr_conn victim;

	if (cx->own->oldest == POOL_NONE)
		return false;
	st = pool_at(cx->pool, cx->own->oldest);
	victim = st->conn;
	mr_count_event(cx->w, victim, MR_C_CONN_LIMIT_OPEN);
	forget(cx, st);
	mr_abort(cx->w, victim);
	return true;
}

/* ---- Replies --------------------------------------------------------------------------------- */

/* RFC 9110 6.6.1: a server with a clock says the time. The text is made once a second. */
static const char *date(struct http_worker *own)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != own->date_s && gmtime_r(&now.tv_sec, &tm) != NULL) {
		strftime(own->date, sizeof(own->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		own->date_s = now.tv_sec;
	}
	return own->date;
}

static const char *connection_field(const struct http_conn *st)
{
	if (st->last)
		return "Connection: close\r\n";
	/* An HTTP/1.0 client that asked for it wants to be told (RFC 9112 C.2.2). */
	return st->request.http10 ? "Connection: keep-alive\r\n" : "";
}

static void begin_reply(struct cx *cx, uint16_t status, const struct http_body *body)
{
	struct http_conn *st = cx->st;
	bool with_body = st->request.verb != HTTP_VERB_HEAD;
	const char *allow = status == 405 ? "Allow: GET, HEAD\r\n" : "";
	const char *text = body->text != NULL && with_body ? body->text : "";
	int n;

	n = snprintf(st->request.text, sizeof(st->request.text),
		     "HTTP/1.1 %u %s\r\nDate: %s\r\nServer: millrace\r\nContent-Type: %s\r\n"
		     "Content-Length: %" PRIu64 "\r\n%s%s\r\n%s",
		     status, http_status_text(status), date(cx->own), body->type, body->len,
		     connection_field(st), allow, text);
	MR_ASSERT(n > 0 && (size_t)n < sizeof(st->request.text));
	st->head_len = (uint16_t)n;
	st->head_sent = 0;
	st->body = with_body ? body->body : NULL;
	st->body_left = st->body != NULL ? body->len : 0;
	st->body_at = 0;
	st->replying = true;
}

static bool send_head(struct cx *cx)
{
	struct http_conn *st = cx->st;
	uint32_t want = st->head_len - st->head_sent;
	unsigned int flags = st->body_left > 0 ? MR_SEND_MORE : 0;
	uint32_t taken;

	if (want == 0)
		return true;
	taken = mr_send_copy(cx->w, cx->c, st->request.text + st->head_sent, want, flags);
	st->head_sent = (uint16_t)(st->head_sent + taken);
	return taken == want;
}

/* True when all was taken; else on_writable follows. The send queue's size bounds the loop. */
static bool send_reply(struct cx *cx)
{
	struct http_conn *st = cx->st;

	if (!send_head(cx))
		return false;
	while (st->body_left > 0) {
		size_t len = mr_static_len(st->body);
		uint64_t want = MR_MIN(MR_MIN(st->body_left, len - st->body_at), SEND_MAX);
		unsigned int flags = st->body_left > want ? MR_SEND_MORE : 0;
		uint32_t taken =
			mr_send_static(cx->w, cx->c, st->body, st->body_at, (uint32_t)want, flags);

		st->body_left -= taken;
		st->body_at += taken;
		if (taken < want)
			return false;
		if (st->body_at == len)
			st->body_at = 0;
	}
	st->replying = false;
	return true;
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* Status and content of the request just parsed. */
static uint16_t decide(const struct cx *cx, struct http_body *body)
{
	char path[HTTP_TEXT_MAX + 1];

	if (cx->st->request.status != 0)
		return cx->st->request.status;
	if (!http_request_path(&cx->st->request, path, sizeof(path)))
		return 400;
	return http_content_find(&cx->site->content, path, body) ? 200 : 404;
}

static void answer(struct cx *cx, bool may_go_on)
{
	struct http_conn *st = cx->st;
	struct http_body body = {0};
	uint16_t status = decide(cx, &body);
	char text[48];

	if (status != 200) {
		snprintf(text, sizeof(text), "%s\n", http_status_text(status));
		body = (struct http_body){.type = "text/plain", .text = text, .len = strlen(text)};
	}
	st->last = !may_go_on || !st->request.keep_alive;
	st->answered = true;
	begin_reply(cx, status, &body);
}

/* Parses what is there. True: a reply was begun. */
static bool next_request(struct cx *cx)
{
	struct http_conn *st = cx->st;

	while (st->in.head != NULL) {
		struct rte_mbuf *seg = st->in.head;
		enum http_parse_result result = HTTP_PARSE_MORE;
		uint32_t used = 0;

		if (seg->data_len > 0)
			used = http_request_feed(&st->request, rte_pktmbuf_mtod(seg, const char *),
						 seg->data_len, cx->l->opt.header_octets_max,
						 &result);
		mbufq_trim(&st->in, used);
		if (result != HTTP_PARSE_MORE) {
			answer(cx, result == HTTP_PARSE_DONE);
			return true;
		}
	}
	return false;
}

/* After the last reply: what still comes is dropped. */
static void linger(struct cx *cx)
{
	cx->st->lingering = true;
	mbufq_drop(&cx->st->in);
	session_linger(cx->w, cx->c, &cx->st->limits);
}

/* Replies and requests by turns until one of them has to wait; what arrived bounds the loop. */
static void take_turns(struct cx *cx)
{
	struct http_conn *st = cx->st;

	while (!st->lingering) {
		if (st->replying) {
			if (!send_reply(cx))
				return;
			http_request_init(&st->request);
			if (st->last)
				linger(cx);
		} else if (!next_request(cx)) {
			if (st->peer_closed)
				linger(cx);
			return;
		}
	}
}

/* Which limit and which list the connection is under now. */
static void settle(struct cx *cx)
{
	struct http_conn *st = cx->st;
	const struct limits_conf *conf = &cx->l->opt.limits;
	bool waits = !st->replying && !st->lingering;

	if (!waits || st->answered)
		wait_end(cx, st);
	if (waits && !st->waiting)
		wait_begin(cx, st);
	if (!st->lingering && st->limits.phase != LIMITS_FIRST) {
		bool in_request = waits && st->request.octets > 0;

		if (!in_request)
			st->limits.phase = LIMITS_OPEN;
		else if (st->limits.phase != LIMITS_HEADER || st->answered)
			limits_enter(cx->w, cx->c, conf, &st->limits, LIMITS_HEADER);
	}
	st->answered = false;
}

static void serve(struct cx *cx)
{
	uint32_t before = cx->st->in.octets;

	limits_touch(cx->w, &cx->st->limits);
	take_turns(cx);
	if (cx->st->in.octets < before)
		mr_consumed(cx->w, cx->c, before - cx->st->in.octets);
	settle(cx);
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

static void on_accept(struct mr_worker *w, mr_conn c)
{
	struct http_conn *st = session_try_open(w, c);
	struct cx cx;

	if (st == NULL && (look_up(w, c, &cx), evict_oldest(&cx)))
		st = session_try_open(w, c);
	if (st == NULL) {
		session_refuse(w, c);
		return;
	}
	look_up(w, c, &cx);
	st->conn = c;
	http_request_init(&st->request);
	wait_begin(&cx, st);
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *data)
{
	struct cx cx;

	if (!look_up(w, c, &cx) || cx.st->lingering) {
		session_drop_data(w, c, data);
		return;
	}
	mbufq_push(&cx.st->in, data);
	if (!cx.st->replying) /* else on_writable is owed */
		serve(&cx);
}

static void on_writable(struct mr_worker *w, mr_conn c)
{
	struct cx cx;

	if (look_up(w, c, &cx) && cx.st->replying)
		serve(&cx);
}

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	struct cx cx;

	if (!look_up(w, c, &cx))
		return;
	cx.st->peer_closed = true;
	if (!cx.st->replying)
		serve(&cx);
}

static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	struct cx cx;

	(void)reason;
	if (look_up(w, c, &cx))
		forget(&cx, cx.st);
}

/* ---- Start and end: control thread ----------------------------------------------------------- */

static void http_close(struct handler_listener *l)
{
	struct http_site *site = l->shared;

	http_content_free(&site->content);
	free(site);
	l->shared = NULL;
}

static int http_open(struct handler_listener *l, const char **why)
{
	struct http_site *site = aligned_alloc(alignof(struct http_site), sizeof(struct http_site));

	if (site == NULL) {
		*why = "no memory for an http listener";
		return -1;
	}
	memset(site, 0, sizeof(*site));
	l->shared = site;
	if (http_content_load(&site->content, l->opt.root, l->opt.root_octets_max,
			      l->opt.body_octets_max, why) == 0)
		return 0;
	http_close(l);
	return -1;
}

static const struct mr_callbacks callbacks = {
	.on_accept = on_accept,
	.on_data = on_data,
	.on_writable = on_writable,
	.on_peer_closed = on_peer_closed,
	.on_timeout = session_timeout,
	.on_closed = on_closed,
};

const struct handler handler_http = {
	.name = "http",
	.help = "HTTP/1.1: files of a directory, and /bytes/N",
	.callbacks = &callbacks,
	.state_size = sizeof(struct http_conn),
	.peer_speaks_first = true,
	.open = http_open,
	.close = http_close,
};
