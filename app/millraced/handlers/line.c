/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line: says one line, ended by CRLF, then closes. What the peer sends is read and dropped until it
 * closes too, or until the linger limit.
 */
#include <stdio.h>
#include <string.h>

#include "handlers.h"

#define LINE_OCTETS_MAX 1026u	/* the longest `text`, CRLF and a zero */

struct line {
	struct limits limits;
	uint32_t sent;		/* octets of the line */
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
	char line[LINE_OCTETS_MAX];
	int len = snprintf(line, sizeof(line), "%s\r\n", l->opt.text);

	MR_ASSERT(len > 0 && (size_t)len < sizeof(line));
	return handler_share(l, line, (size_t)len, why);
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
	.help = "says one line, ended by CRLF, then closes",
	.callbacks = &callbacks,
	.state_size = sizeof(struct line),
	.open = line_open,
	.close = handler_unshare,
};
