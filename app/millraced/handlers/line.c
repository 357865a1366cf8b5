/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line: says one line, then closes. What the peer sends is read and dropped until it closes too, or
 * until the linger limit.
 */
#include <string.h>

#include "handlers.h"

struct line {
	struct limits limits;
	uint32_t sent;		/* octets of the text */
};

static void say(struct mr_worker *w, mr_conn c, struct line *st)
{
	struct mr_static *text = session_listener(w, c)->shared;
	uint32_t len = (uint32_t)mr_static_len(text);

	if (st->sent == len)
		return;
	st->sent += mr_send_static(w, c, text, st->sent, len - st->sent, 0);
	if (st->sent == len)
		session_linger(w, c, &st->limits);
}

static void on_accept(struct mr_worker *w, mr_conn c)
{
	struct line *st = session_open(w, c);

	if (st != NULL)
		say(w, c, st);
}

static void on_writable(struct mr_worker *w, mr_conn c)
{
	struct line *st = session_of(w, c);

	if (st != NULL)
		say(w, c, st);
}

static int line_open(struct handler_listener *l, const char **why)
{
	l->shared = mr_static_create(l->opt.text, strlen(l->opt.text));
	if (l->shared != NULL)
		return 0;
	*why = "no memory for the text of a line listener";
	return -1;
}

static void line_close(struct handler_listener *l)
{
	mr_static_destroy(l->shared);
}

static const struct mr_callbacks callbacks = {
	.on_accept = on_accept,
	.on_data = session_drop_data,
	.on_writable = on_writable,
	.on_timeout = session_timeout,
	.on_closed = session_closed,
};

const struct handler handler_line = {
	.name = "line",
	.help = "says one line, then closes",
	.callbacks = &callbacks,
	.state_size = sizeof(struct line),
	.open = line_open,
	.close = line_close,
};
