/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The limits that every listener has: each one ends what it is meant to end, in time, counts it,
 * and leaves a peer alone that keeps within it.
 */
#include <string.h>
#include <criterion/criterion.h>

#include "counters.h"
#include "handler_double.h"

static const struct handler_options limited = {
	.limits = {.idle_ms = 10000,
		   .first_octet_ms = 3000,
		   .write_stall_ms = 4000,
		   .header_ms = 2000},
};

Test(limits, first_octet)
{
	struct mr_worker *w = double_begin("echo", &limited);
	mr_conn c = double_accept(w), prompt = double_accept(w);

	double_wait(w, 2900);
	double_text(w, prompt, "x");
	double_ack(w, prompt);
	cr_assert(!double_conn(w, c)->closing);
	double_wait(w, 200);
	cr_assert_eq(double_conn(w, c)->reason, MR_ABORTED);
	cr_assert(!double_conn(w, prompt)->closing);
	cr_assert_eq(w->counted[MR_C_CONN_LIMIT_FIRST], 1);
	double_end(w);
}

Test(limits, first_octet_is_not_asked_of_a_peer_that_only_reads)
{
	struct mr_worker *w = double_begin("source", &limited);
	mr_conn c = double_accept(w);

	for (int i = 0; i < 20; i++) {
		double_wait(w, 1000);
		double_ack(w, c);
	}
	cr_assert(!double_conn(w, c)->closing);
	cr_assert_eq(w->counted[MR_C_CONN_LIMIT_FIRST], 0);
	double_end(w);
}

Test(limits, idle_closes_and_any_octet_postpones_it)
{
	struct mr_worker *w = double_begin("discard", &limited);
	mr_conn c = double_accept(w);

	double_text(w, c, "x");
	for (int i = 0; i < 5; i++) {
		double_wait(w, 9000);
		cr_assert(!double_conn(w, c)->closing);
		double_text(w, c, "x");
	}
	double_wait(w, 9900);
	cr_assert(!double_conn(w, c)->closing);
	double_wait(w, 200);
	cr_assert_eq(double_conn(w, c)->reason, MR_CLOSED);
	cr_assert_eq(w->counted[MR_C_CONN_LIMIT_IDLE], 1);
	double_end(w);
}

Test(limits, write_stall_aborts_a_peer_that_acknowledges_nothing)
{
	struct mr_worker *w = double_begin("source", &limited);
	mr_conn c = double_accept(w);

	double_wait(w, 3900);
	cr_assert(!double_conn(w, c)->closing);
	double_wait(w, 4000 * 9 / 4 - 3900 + 64);
	cr_assert_eq(double_conn(w, c)->reason, MR_ABORTED);
	cr_assert_eq(w->counted[MR_C_CONN_LIMIT_STALL], 1);
	double_end(w);
}

Test(limits, write_stall_leaves_a_slow_reader_alone)
{
	struct mr_worker *w = double_begin("source", &limited);
	mr_conn c = double_accept(w);
	struct double_conn *d = double_conn(w, c);

	for (int i = 0; i < 100; i++) {
		double_wait(w, 1900);
		d->snd_una += 1; /* one octet every two seconds */
		d->queued -= 1;
	}
	cr_assert(!d->closing);
	double_end(w);
}

Test(limits, none_is_asked_for_none_is_kept)
{
	struct mr_worker *w = double_begin("echo", NULL);
	mr_conn c = double_accept(w);

	double_wait(w, 10000000);
	cr_assert(!double_conn(w, c)->closing && !double_conn(w, c)->armed);
	double_end(w);
}

Test(limits, the_timer_is_not_set_anew_for_every_octet)
{
	struct mr_worker *w = double_begin("discard", &limited);
	mr_conn c = double_accept(w);
	uint32_t due_ms = double_conn(w, c)->due_ms;

	for (int i = 0; i < 1000; i++)
		double_text(w, c, "x");
	cr_assert_eq(double_conn(w, c)->due_ms, due_ms);
	double_end(w);
}

/* ---- http ------------------------------------------------------------------------------------ */

Test(limits, a_header_octet_by_octet_ends_at_the_header_limit)
{
	static const char request[] =
		"GET / HTTP/1.1\r\nHost: a\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n";
	struct mr_worker *w = double_begin("http", &limited);
	mr_conn c = double_accept(w);

	for (size_t i = 0; i < sizeof(request) - 1 && !double_conn(w, c)->closing; i++) {
		double_data(w, c, request + i, 1);
		double_wait(w, 100);
	}
	cr_assert_eq(double_conn(w, c)->reason, MR_ABORTED);
	cr_assert_eq(w->counted[MR_C_CONN_LIMIT_HEADER], 1);
	double_end(w);
}

Test(limits, each_request_has_its_own_header_limit)
{
	struct mr_worker *w = double_begin("http", &limited);
	mr_conn c = double_accept(w);

	for (int i = 0; i < 10; i++) {
		double_text(w, c, "GET / HTTP/1.1\r\nHo");
		double_wait(w, 1500);
		double_text(w, c, "st: a\r\n\r\nGET / HT");
		double_wait(w, 1500);
		double_text(w, c, "TP/1.1\r\nHost: a\r\n\r\n");
		double_ack(w, c);
		double_wait(w, 5000);
	}
	cr_assert(!double_conn(w, c)->closing);
	double_end(w);
}

Test(limits, slow_clients_do_not_keep_others_out)
{
	struct handler_options opt = limited;
	struct mr_worker *w;
	mr_conn slow[8], quick, served, regular;

	opt.open_max = 9;
	w = double_begin("http", &opt);
	regular = double_accept(w);
	served = double_accept(w);
	w->snd_buf = 1000;
	double_text(w, served, "GET /bytes/100000 HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 0; i < 7; i++) {
		slow[i] = double_accept(w);
		double_text(w, slow[i], "GET");
	}
	double_text(w, regular, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	double_ack(w, regular);
	for (int i = 0; i < 5; i++) {
		quick = double_accept(w);
		double_text(w, quick, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		cr_assert_eq(strncmp(double_conn(w, quick)->out, "HTTP/1.1 200", 12), 0);
		double_ack(w, quick);
	}
	cr_assert_eq(w->counted[MR_C_CONN_LIMIT_OPEN], 5);
	for (int i = 0; i < 7; i++)
		cr_assert_eq(double_alive(w, slow[i]), i >= 5, "slow %d: the oldest go first", i);
	cr_assert(double_alive(w, regular), "came first, but has just asked for something");
	cr_assert(double_alive(w, served), "one that is being answered is never taken");
	double_end(w);
}
