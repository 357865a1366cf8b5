/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handlers close, discard, echo, line and source, and the example, against a double of the
 * engine.
 */
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include <rte_mbuf.h>

#include "config.h"
#include "counters.h"
#include "counter.h"
#include "handler_double.h"

/* ---- close, discard, line, source ------------------------------------------------------------ */

Test(handlers, close_closes_at_once)
{
	struct mr_worker *w = double_begin("close", NULL);
	mr_conn c = double_accept(w);

	cr_assert(double_conn(w, c)->closed_told);
	cr_assert_eq(double_conn(w, c)->reason, MR_CLOSED);
	double_end(w);
}

Test(handlers, discard_consumes_all_and_answers_nothing)
{
	struct mr_worker *w = double_begin("discard", NULL);
	mr_conn c = double_accept(w);

	double_text(w, c, "some octets");
	double_chain(w, c, "abcdef", 6, 3);
	cr_assert_eq(double_conn(w, c)->unread, 0);
	cr_assert_eq(double_conn(w, c)->out_len, 0);
	double_peer_closed(w, c);
	cr_assert_eq(double_conn(w, c)->reason, MR_CLOSED);
	double_end(w);
}

Test(handlers, line_says_its_line_and_lingers_for_the_peer)
{
	struct mr_worker *w = double_begin("line", NULL);
	mr_conn c = double_accept(w);

	cr_assert_str_eq(double_conn(w, c)->out, "one line\r\n");
	cr_assert(double_conn(w, c)->shut);
	double_text(w, c, "ignored");
	cr_assert_eq(double_conn(w, c)->unread, 0);
	double_end(w);
}

Test(handlers, line_ends_the_longest_text_that_a_configuration_may_give)
{
	char text[1024] = "";
	struct handler_options opt = {.text = text};
	struct mr_worker *w;
	struct double_conn *d;

	memset(text, 'x', sizeof(text) - 1);
	w = double_begin("line", &opt);
	d = double_conn(w, double_accept(w));
	cr_assert_eq(d->out_len, sizeof(text) - 1 + 2);
	cr_assert_str_eq(d->out + sizeof(text) - 2, "x\r\n");
	double_end(w);
}

Test(handlers, line_goes_on_where_the_queue_was_full)
{
	struct mr_worker *w = double_begin("line", NULL);
	mr_conn c;

	w->snd_buf = 4;
	c = double_accept(w);
	cr_assert_str_eq(double_conn(w, c)->out, "one ");
	cr_assert(!double_conn(w, c)->shut);
	double_ack(w, c);
	double_ack(w, c);
	cr_assert_str_eq(double_conn(w, c)->out, "one line\r\n");
	cr_assert(double_conn(w, c)->shut);
	double_end(w);
}

Test(handlers, line_ends_a_peer_that_never_closes)
{
	struct mr_worker *w = double_begin("line", NULL);
	mr_conn c = double_accept(w);

	double_wait(w, 4 * LIMITS_LINGER_MS);
	cr_assert(!double_conn(w, c)->closed_told, "the peer has not even got the line");
	double_ack(w, c);
	double_wait(w, 2 * LIMITS_LINGER_MS);
	cr_assert_eq(double_conn(w, c)->reason, MR_ABORTED);
	double_end(w);
}

Test(handlers, source_fills_the_queue_whenever_there_is_room)
{
	struct mr_worker *w = double_begin("source", NULL);
	mr_conn c = double_accept(w);
	struct double_conn *d = double_conn(w, c);

	cr_assert_eq(d->out_len, w->snd_buf);
	double_ack(w, c);
	cr_assert_eq(d->out_len, 2 * w->snd_buf);
	/* RFC 864: 72 characters and a line end; each line begins one character later. */
	cr_assert_eq(memcmp(d->out, " !\"#$", 5), 0);
	cr_assert_eq(memcmp(d->out + 72, "\r\n!\"#$%", 7), 0);
	for (size_t i = 0; i + 7030 < d->out_len; i += 997)
		cr_assert_eq(d->out[i], d->out[i + 7030], "the pattern breaks at %zu", i);
	double_peer_closed(w, c);
	cr_assert(!d->closing, "a half-closed peer still reads");
	double_end(w);
}

/* ---- echo ------------------------------------------------------------------------------------ */

Test(echo, passes_the_very_mbufs_on)
{
	struct mr_worker *w = double_begin("echo", NULL);
	mr_conn c = double_accept(w);

	double_text(w, c, "hello ");
	double_chain(w, c, "world!", 6, 3);
	cr_assert_str_eq(double_conn(w, c)->out, "hello world!");
	cr_assert_eq(double_conn(w, c)->sends, 2);
	cr_assert_eq(double_conn(w, c)->unread, 0);
	double_end(w);
}

Test(echo, holds_what_does_not_fit_and_does_not_consume_it)
{
	struct mr_worker *w = double_begin("echo", NULL);
	mr_conn c = double_accept(w);
	struct double_conn *d = double_conn(w, c);

	w->snd_buf = 8;
	double_text(w, c, "12345678");
	double_text(w, c, "abcd");
	double_chain(w, c, "EFGHij", 6, 2);
	cr_assert_str_eq(d->out, "12345678");
	cr_assert_eq(d->unread, 10);
	double_ack(w, c);
	cr_assert_str_eq(d->out, "12345678abcdEFG");
	cr_assert_eq(d->unread, 3);
	double_ack(w, c);
	cr_assert_str_eq(d->out, "12345678abcdEFGHij");
	cr_assert_eq(d->unread, 0);
	double_end(w);
}

Test(echo, a_chain_above_65535_goes_out_in_pieces)
{
	struct mr_worker *w = double_begin("echo", NULL);
	mr_conn c = double_accept(w);
	size_t len = 100 * 1400;
	char *data = malloc(len);

	w->snd_buf = 1 << 20;
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 7 + i / 251);
	double_chain(w, c, data, len, 100);
	cr_assert_eq(double_conn(w, c)->out_len, len);
	cr_assert_eq(memcmp(double_conn(w, c)->out, data, len), 0);
	cr_assert_eq(double_conn(w, c)->sends, 3, "%u pieces", double_conn(w, c)->sends);
	cr_assert_eq(double_conn(w, c)->last_flags, 0, "the last piece must be pushed");
	free(data);
	double_end(w);
}

Test(echo, after_the_peers_fin_the_rest_then_ours)
{
	struct mr_worker *w = double_begin("echo", NULL);
	mr_conn c = double_accept(w);
	struct double_conn *d = double_conn(w, c);

	w->snd_buf = 4;
	double_text(w, c, "1234");
	double_text(w, c, "5678");
	double_peer_closed(w, c);
	cr_assert(!d->shut, "there is more to echo");
	double_ack(w, c);
	cr_assert_str_eq(d->out, "12345678");
	cr_assert(d->shut && !d->closing);
	double_end(w);
}

Test(echo, an_end_frees_what_is_held)
{
	struct mr_worker *w = double_begin("echo", NULL);
	mr_conn c = double_accept(w);

	w->snd_buf = 4;
	double_chain(w, c, "1234567890", 10, 2);
	cr_assert_eq(double_mbufs_out(), 2);
	mr_abort(w, c);
	double_end(w);
}

/* What lib/tcp leaves of a chain whose front it has cut off. */
Test(echo, segments_without_an_octet_go_nowhere)
{
	struct mr_worker *w = double_begin("echo", NULL);
	mr_conn c = double_accept(w);
	struct double_conn *d = double_conn(w, c);
	struct rte_mbuf *m = double_mbuf("", 0);

	w->snd_buf = 4;
	double_text(w, c, "1234");
	cr_assert_eq(rte_pktmbuf_chain(m, double_mbuf("5678", 4)), 0);
	double_deliver(w, c, m);
	double_ack(w, c);
	cr_assert_str_eq(d->out, "12345678");
	double_ack(w, c);
	m = double_mbuf("", 0);
	cr_assert_eq(rte_pktmbuf_chain(m, double_mbuf("abcdef", 6)), 0);
	double_deliver(w, c, m);
	w->snd_buf = 8;
	double_ack(w, c);
	cr_assert_str_eq(d->out, "12345678abcdef");
	cr_assert_eq(d->unread, 0);
	double_end(w);
}

/* One octet in an mbuf of 2048, as they are received. */
static struct rte_mbuf *single_octet(char octet)
{
	char room[2048] = {octet};
	struct rte_mbuf *m = double_mbuf(room, sizeof(room));

	m->data_len = 1;
	m->pkt_len = 1;
	return m;
}

Test(echo, single_octets_that_wait_share_mbufs)
{
	struct mr_worker *w = double_begin("echo", NULL);
	mr_conn c = double_accept(w);
	struct double_conn *d = double_conn(w, c);

	w->snd_buf = 1;
	double_text(w, c, "!");
	for (unsigned int i = 0; i < 10000; i++)
		double_deliver(w, c, single_octet((char)('a' + i % 26)));
	cr_assert_leq(double_mbufs_out(), 5, "%u mbufs are held", double_mbufs_out());
	cr_assert_eq(d->unread, 10000);
	w->snd_buf = 65536;
	double_ack(w, c);
	cr_assert_eq(d->out_len, 10001);
	for (unsigned int i = 0; i < 10000; i++)
		cr_assert_eq(d->out[i + 1], 'a' + (char)(i % 26), "octet %u", i);
	double_end(w);
}

Test(handlers, are_those_that_the_configuration_names)
{
	unsigned int i = 0;

	for (; config_handler_names[i] != NULL; i++)
		cr_assert_not_null(handler_find(config_handler_names[i]), "%s",
				   config_handler_names[i]);
	cr_assert_not_null(handler_at(i - 1));
	cr_assert_null(handler_at(i), "a handler that no configuration can name");
}

/* ---- The listener's bound -------------------------------------------------------------------- */

Test(handlers, a_listener_has_open_max_connections)
{
	struct handler_options opt = {.open_max = 2};
	struct mr_worker *w = double_begin("echo", &opt);
	mr_conn a = double_accept(w), b = double_accept(w), c = double_accept(w);

	cr_assert(!double_conn(w, a)->closing && !double_conn(w, b)->closing);
	cr_assert_eq(double_conn(w, c)->reason, MR_ABORTED);
	cr_assert_eq(w->counted[MR_C_CONN_LIMIT_OPEN], 1);
	mr_abort(w, a);
	double_wait(w, 64);
	double_peer_closed(w, b); /* lets the double tell a's end */
	c = double_accept(w);
	cr_assert(!double_conn(w, c)->closing, "a's slot is free again");
	double_end(w);
}

/* ---- The example ----------------------------------------------------------------------------- */

Test(example, counter_says_how_many_octets_came)
{
	struct mr_worker *w = double_begin_callbacks(&counter_callbacks);
	mr_conn c = double_accept(w);

	double_text(w, c, "hello");
	double_chain(w, c, " world", 6, 2);
	cr_assert_eq(double_conn(w, c)->unread, 0);
	double_peer_closed(w, c);
	cr_assert_str_eq(double_conn(w, c)->out, "11 octets\n");
	cr_assert_eq(double_conn(w, c)->reason, MR_CLOSED);
	double_end(w);
}

Test(example, counter_gives_a_silent_peer_up)
{
	struct mr_worker *w = double_begin_callbacks(&counter_callbacks);
	mr_conn c = double_accept(w);

	double_wait(w, 29000);
	double_text(w, c, "x");
	double_wait(w, 29000);
	cr_assert(!double_conn(w, c)->closing);
	double_wait(w, 2000);
	cr_assert_eq(double_conn(w, c)->reason, MR_ABORTED);
	double_end(w);
}
