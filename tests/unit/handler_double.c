/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See handler_double.h. Its mbufs are in handler_double_mbuf.c.
 */
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include <rte_mbuf.h>

#include "counters.h"
#include "handler_double.h"

struct mr_static {
	size_t len;
	char data[];
};

/* ---- The worker ------------------------------------------------------------------------------ */

static struct mr_worker *make_worker(void)
{
	struct mr_worker *w = calloc(1, sizeof(*w));

	w->snd_buf = 65536;
	w->now_ms = UINT32_MAX - 1000; /* every test crosses the wrap */
	double_mbufs_reset();
	return w;
}

struct mr_worker *double_begin(const char *handler, const struct handler_options *given)
{
	struct handler_options opt = given != NULL ? *given : (struct handler_options){0};
	const struct handler *h = handler_find(handler);
	struct mr_worker *w = make_worker();
	const int node = -1;
	const char *why = "";

	if (opt.open_max == 0)
		opt.open_max = DOUBLE_CONNS;
	if (opt.header_octets_max == 0)
		opt.header_octets_max = 4096;
	if (opt.body_octets_max == 0)
		opt.body_octets_max = 1000000000;
	if (opt.root_octets_max == 0)
		opt.root_octets_max = 1 << 20;
	if (opt.text == NULL)
		opt.text = "one line";
	cr_assert(handlers_init(&w->set, 1) == 0);
	w->arg = handlers_add(&w->set, h, &opt);
	w->callbacks = h->callbacks;
	cr_assert(handlers_open(&w->set, 1, &node, &why) == 0, "%s", why);
	return w;
}

struct mr_worker *double_begin_callbacks(const struct mr_callbacks *callbacks)
{
	struct mr_worker *w = make_worker();

	w->callbacks = callbacks;
	return w;
}

static mr_conn handle(const struct mr_worker *w, unsigned int i)
{
	return (mr_conn){.id = (uint64_t)w->conn[i].generation << 32 | (i + 1)};
}

struct double_conn *double_conn(struct mr_worker *w, mr_conn c)
{
	uint32_t i = (uint32_t)c.id;

	cr_assert(i >= 1 && i <= DOUBLE_CONNS);
	return &w->conn[i - 1];
}

/* NULL: the handle is stale, as the engine would say. */
static struct double_conn *live(struct mr_worker *w, mr_conn c)
{
	struct double_conn *d = double_conn(w, c);

	return d->open && d->generation == (uint8_t)(c.id >> 32) ? d : NULL;
}

bool double_alive(struct mr_worker *w, mr_conn c)
{
	const struct double_conn *d = live(w, c);

	return d != NULL && !d->closing;
}

/* What the calls of the last callback led to. */
static void settle(struct mr_worker *w)
{
	for (unsigned int i = 0; i < DOUBLE_CONNS; i++) {
		struct double_conn *d = &w->conn[i];

		if (!d->open || !d->closing || d->closed_told)
			continue;
		d->closed_told = true;
		if (w->callbacks->on_closed != NULL)
			w->callbacks->on_closed(w, handle(w, i), d->reason);
		d->open = false;
	}
}

static bool hears(const struct double_conn *d)
{
	return d->open && !d->closing;
}

mr_conn double_accept(struct mr_worker *w)
{
	for (unsigned int i = 0; i < DOUBLE_CONNS; i++) {
		struct double_conn *d = &w->conn[i];
		uint8_t generation = d->generation;

		if (d->open)
			continue;
		free(d->out);
		*d = (struct double_conn){
			.open = true, .generation = (uint8_t)(generation + 1), .out = calloc(1, 1)};
		w->callbacks->on_accept(w, handle(w, i));
		settle(w);
		return handle(w, i);
	}
	cr_assert(false, "no more connections in the double");
	return MR_CONN_NONE;
}

void double_deliver(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	struct double_conn *d = live(w, c);

	cr_assert_not_null(d);
	if (!hears(d) || w->callbacks->on_data == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	d->unread += m->pkt_len;
	w->callbacks->on_data(w, c, m);
	settle(w);
}

void double_data(struct mr_worker *w, mr_conn c, const char *data, size_t len)
{
	double_deliver(w, c, double_mbuf(data, len));
}

void double_text(struct mr_worker *w, mr_conn c, const char *text)
{
	double_data(w, c, text, strlen(text));
}

void double_chain(struct mr_worker *w, mr_conn c, const char *data, size_t len, unsigned int n)
{
	size_t each = len / n;
	struct rte_mbuf *head = double_mbuf(data, each);

	for (unsigned int i = 1; i < n; i++)
		cr_assert(rte_pktmbuf_chain(head, double_mbuf(data + i * each, each)) == 0);
	double_deliver(w, c, head);
}

void double_peer_closed(struct mr_worker *w, mr_conn c)
{
	if (hears(double_conn(w, c)) && w->callbacks->on_peer_closed != NULL)
		w->callbacks->on_peer_closed(w, c);
	settle(w);
}

void double_ack(struct mr_worker *w, mr_conn c)
{
	struct double_conn *d = double_conn(w, c);

	d->snd_una += d->queued;
	d->queued = 0;
	if (!d->writable_owed || !hears(d))
		return;
	d->writable_owed = false;
	if (w->callbacks->on_writable != NULL)
		w->callbacks->on_writable(w, c);
	settle(w);
}

static void fire(struct mr_worker *w)
{
	for (unsigned int i = 0; i < DOUBLE_CONNS; i++) {
		struct double_conn *d = &w->conn[i];

		if (!hears(d) || !d->armed || (int32_t)(w->now_ms - d->due_ms) < 0)
			continue;
		d->armed = false;
		w->callbacks->on_timeout(w, handle(w, i));
		settle(w);
	}
}

void double_wait(struct mr_worker *w, uint32_t ms)
{
	while (ms > 0) {
		uint32_t step = MR_MIN(ms, 64u);

		w->now_ms += step;
		ms -= step;
		fire(w);
	}
}

void double_end(struct mr_worker *w)
{
	for (unsigned int i = 0; i < DOUBLE_CONNS; i++) {
		if (w->conn[i].open && !w->conn[i].closing)
			mr_abort(w, handle(w, i));
	}
	settle(w);
	for (unsigned int i = 0; i < DOUBLE_CONNS; i++)
		free(w->conn[i].out);
	if (w->set.listener != NULL) {
		cr_assert_eq(w->set.listener[0].pool[0].used, 0,
			     "a slot of the pool was not given back");
		handlers_close(&w->set);
	}
	free(w);
	cr_assert_eq(double_mbufs_out(), 0, "%u mbufs were not freed", double_mbufs_out());
}

/* ---- The public functions -------------------------------------------------------------------- */

unsigned int mr_worker_id(const struct mr_worker *w)
{
	(void)w;
	return 0;
}

uint32_t mr_now_ms(const struct mr_worker *w)
{
	return w->now_ms;
}

void *mr_handler_arg(struct mr_worker *w, mr_conn c)
{
	(void)c;
	return w->arg;
}

void mr_count_event(struct mr_worker *w, mr_conn c, unsigned int counter)
{
	(void)c;
	w->counted[counter]++;
}

uint32_t mr_user(struct mr_worker *w, mr_conn c)
{
	struct double_conn *d = live(w, c);

	return d != NULL ? d->user : 0;
}

void mr_set_user(struct mr_worker *w, mr_conn c, uint32_t user)
{
	struct double_conn *d = live(w, c);

	if (d != NULL)
		d->user = user;
}

static uint32_t room(const struct mr_worker *w, const struct double_conn *d)
{
	if (d == NULL || d->closing || d->shut || d->queued >= w->snd_buf)
		return 0;
	return w->snd_buf - d->queued;
}

uint32_t mr_send_room(struct mr_worker *w, mr_conn c)
{
	return room(w, live(w, c));
}

static void put(struct double_conn *d, const char *data, uint32_t len, unsigned int flags)
{
	d->out = realloc(d->out, d->out_len + len + 1);
	memcpy(d->out + d->out_len, data, len);
	d->out_len += len;
	d->out[d->out_len] = '\0';
	d->queued += len;
	d->last_flags = (uint8_t)flags;
}

uint32_t mr_send_copy(struct mr_worker *w, mr_conn c, const void *data, uint32_t len,
		      unsigned int flags)
{
	struct double_conn *d = live(w, c);
	uint32_t taken = MR_MIN(len, room(w, d));

	cr_assert_gt(len, 0);
	if (taken > 0)
		put(d, data, taken, flags);
	if (d != NULL && taken < len)
		d->writable_owed = true;
	return taken;
}

uint32_t mr_send(struct mr_worker *w, mr_conn c, struct rte_mbuf *data, unsigned int flags)
{
	struct double_conn *d = live(w, c);
	uint32_t len = 0, segs = 0;

	for (const struct rte_mbuf *m = data; m != NULL; m = m->next, segs++)
		len += m->data_len;
	cr_assert(len > 0 && len <= 65535 && len == data->pkt_len && segs == data->nb_segs);
	if (room(w, d) < len) {
		if (d != NULL)
			d->writable_owed = true;
		return 0;
	}
	for (const struct rte_mbuf *m = data; m != NULL; m = m->next)
		put(d, rte_pktmbuf_mtod(m, const char *), m->data_len, flags);
	d->sends++;
	rte_pktmbuf_free(data);
	return len;
}

struct mr_static *mr_static_create(const void *data, size_t len)
{
	struct mr_static *s = malloc(sizeof(*s) + len);

	s->len = len;
	memcpy(s->data, data, len);
	return s;
}

void mr_static_destroy(struct mr_static *s)
{
	free(s);
}

size_t mr_static_len(const struct mr_static *s)
{
	return s->len;
}

uint32_t mr_send_static(struct mr_worker *w, mr_conn c, struct mr_static *s, size_t off,
			uint32_t len, unsigned int flags)
{
	cr_assert(len > 0 && len <= 65535 && off + len <= s->len);
	return mr_send_copy(w, c, s->data + off, len, flags);
}

void mr_consumed(struct mr_worker *w, mr_conn c, uint32_t len)
{
	struct double_conn *d = live(w, c);

	if (d == NULL)
		return;
	cr_assert_leq(len, d->unread, "consumed more than was delivered");
	d->unread -= len;
}

enum mr_reason mr_shutdown(struct mr_worker *w, mr_conn c)
{
	struct double_conn *d = live(w, c);

	if (d == NULL)
		return MR_NO_SUCH_CONN;
	d->shut = true;
	return MR_OK;
}

static enum mr_reason end(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	struct double_conn *d = live(w, c);

	if (d == NULL || d->closing)
		return MR_NO_SUCH_CONN;
	d->closing = true;
	d->reason = reason;
	return MR_OK;
}

enum mr_reason mr_close(struct mr_worker *w, mr_conn c)
{
	return end(w, c, MR_CLOSED);
}

enum mr_reason mr_abort(struct mr_worker *w, mr_conn c)
{
	return end(w, c, MR_ABORTED);
}

enum mr_reason mr_set_timeout(struct mr_worker *w, mr_conn c, uint32_t ms)
{
	struct double_conn *d = live(w, c);

	if (d == NULL)
		return MR_NO_SUCH_CONN;
	cr_assert(ms == 0 || (ms >= 64 && ms <= 1800000));
	d->armed = ms != 0;
	d->due_ms = w->now_ms + ((ms + 63) & ~63u);
	return MR_OK;
}

enum mr_reason mr_tcp_info(struct mr_worker *w, mr_conn c, struct mr_tcp_info *info)
{
	struct double_conn *d = live(w, c);

	if (d == NULL)
		return MR_NO_SUCH_CONN;
	memset(info, 0, sizeof(*info));
	info->snd_una = d->snd_una;
	info->send_queued = d->queued;
	info->recv_unread = d->unread;
	return MR_OK;
}
