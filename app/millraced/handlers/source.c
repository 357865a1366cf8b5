/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source (RFC 864): writes for ever, as fast as the peer reads, out of one buffer that all
 * connections share. What the peer sends is dropped. A half-closed peer still reads: only RST, or
 * a limit, ends it.
 */
#include "handlers.h"

/* The pattern of RFC 864: 95 lines of 72 printing characters, each beginning one character later.
 */
#define PRINTING	95u
#define LINE_OCTETS	74u
#define PATTERN_OCTETS	(PRINTING * LINE_OCTETS)
#define PATTERNS	8u
#define SOURCE_OCTETS	(PATTERNS * PATTERN_OCTETS)

static_assert(SOURCE_OCTETS <= 65535, "one mr_send_static() takes at most this much");

struct source {
	struct limits limits;
	uint32_t at;		/* next octet of the buffer */
};

/* Ends when the send queue is full: its size bounds the loop. */
static void pump(struct mr_worker *w, mr_conn c, struct source *st)
{
	struct mr_static *text = session_listener(w, c)->shared;

	for (;;) {
		uint32_t want = SOURCE_OCTETS - st->at;
		uint32_t taken = mr_send_static(w, c, text, st->at, want, MR_SEND_MORE);

		st->at += taken;
		if (taken < want)
			return;
		st->at = 0;
	}
}

static void on_accept(struct mr_worker *w, mr_conn c)
{
	struct source *st = session_open(w, c);

	if (st != NULL)
		pump(w, c, st);
}

static void on_writable(struct mr_worker *w, mr_conn c)
{
	struct source *st = session_active(w, c);

	if (st != NULL)
		pump(w, c, st);
}

static int source_open(struct handler_listener *l, const char **why)
{
	char octets[SOURCE_OCTETS];

	for (uint32_t i = 0; i < SOURCE_OCTETS; i++) {
		uint32_t line = i / LINE_OCTETS, column = i % LINE_OCTETS;

		octets[i] = (char)(' ' + (line + column) % PRINTING);
		if (column >= LINE_OCTETS - 2)
			octets[i] = column == LINE_OCTETS - 1 ? '\n' : '\r';
	}
	return handler_share(l, octets, sizeof(octets), why);
}

static const struct mr_callbacks callbacks = {
	.on_accept = on_accept,
	.on_data = session_drop_data,
	.on_writable = on_writable,
	.on_timeout = session_timeout,
	.on_closed = session_closed,
};

const struct handler handler_source = {
	.name = "source",
	.help = "writes for ever (RFC 864)",
	.callbacks = &callbacks,
	.state_size = sizeof(struct source),
	.open = source_open,
	.close = handler_unshare,
};
