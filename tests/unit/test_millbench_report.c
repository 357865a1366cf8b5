/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run comes to: its lines, its verdict, its bottleneck, and the report's two forms. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "figures.h"
#include "snapshot.h"

static struct mb_options options;
static struct mb_hists hists;
static struct mb_figures g;

static void idle_figures(void)
{
	memset(&options, 0, sizeof(options));
	memset(&hists, 0, sizeof(hists));
	memset(&g, 0, sizeof(g));
	options.mode = MB_CYCLE;
	options.workers = 1;
	g.options = &options;
	g.hists = &hists;
	g.seconds = 1;
	g.total.established = 1;
	g.client.present = true;
	g.client.cores = 1;
	g.client.busy[0] = 0.5;
}

/* ---- Lines ---- */

Test(millbench_report, a_line_tells_of_its_second_alone)
{
	struct mb_totals last = {.retransmissions = 7}, now;
	struct mb_line line;

	mb_account_refusal(&last.account, MR_NO_TUPLE);
	for (int i = 0; i < 5; i++) {
		mb_account_attempt(&last.account);
		mb_account_established(&last.account);
	}
	now = last;
	now.retransmissions = 9;
	mb_account_refusal(&now.account, MR_NO_TUPLE);
	for (int i = 0; i < 3; i++)
		mb_account_gone(&now.account, true, MR_CLOSED);
	mb_account_gone(&now.account, true, MR_ABORTED);
	mb_line_between(&line, &last, &now, 0.5, false);
	cr_expect_eq(line.retransmissions, 2);
	cr_expect_eq(line.errors, 2, "one not sent, one reset");
	cr_expect_eq(line.open, 1);
	cr_expect_float_eq(line.closed_per_s, 6, 1e-9, "a reset is no close");
	mb_line_between(&line, &last, &now, 0.5, true);
	cr_expect_float_eq(line.closed_per_s, 8, 1e-9, "unless RST is the plan");
	cr_expect_eq(line.errors, 1);
}

/* ---- The end ---- */

Test(millbench_report, a_run_waits_until_the_late_arrivals_are_told)
{
	struct mb_load load = {.rate_per_s = 1000};
	struct mb_client *cl = calloc(1, sizeof(*cl));
	struct mb_snapshot *s = aligned_alloc(64, sizeof(*s));

	cr_assert(cl != NULL && s != NULL);
	cl->load = &load;
	cl->ready = true;
	cl->stop_tsc = 5000;
	mb_pace_init(&cl->pace, 1000, false, 1000000, 1);
	mb_pace_start(&cl->pace, 4500);
	cr_expect_not(mb_client_behind(cl), "a run that goes on is not late");
	cl->stage = MB_STOPPING;
	cr_expect(mb_client_behind(cl), "due at 4500, stopped at 5000");
	mb_pace_step(&cl->pace);
	cr_expect_not(mb_client_behind(cl), "due at 5500");
	memset(s, 0, sizeof(*s));
	cr_expect(mb_snapshot_all_gone(s));
	s->now.behind = true;
	cr_expect_not(mb_snapshot_all_gone(s));
	free(cl);
	free(s);
}

/* ---- Verdict ---- */

Test(millbench_report, whatever_goes_wrong_fails_the_run)
{
	idle_figures();
	cr_expect_eq(mb_exit_status(&g), 0);
	cr_expect_null(mb_fault(&g));
	g.leaked = 1;
	cr_expect_eq(mb_exit_status(&g), 1, "a leak");
	idle_figures();
	g.broken = true;
	cr_expect_eq(mb_exit_status(&g), 1, "accounts that do not add up");
	idle_figures();
	g.left = true;
	cr_expect_eq(mb_exit_status(&g), 1, "connections that are left");
	cr_expect_not_null(strstr(mb_fault(&g), "terminator"), "a RST may have been lost");
	g.total.open = 1;
	cr_expect_str_eq(mb_fault(&g), "connections are left");
	idle_figures();
	g.total.established = 0;
	cr_expect_eq(mb_exit_status(&g), 1, "no connection at all");
	idle_figures();
	g.held.tried = true;
	cr_expect_eq(mb_exit_status(&g), 1, "tables that are not empty");
	g.held.emptied = true;
	cr_expect_eq(mb_exit_status(&g), 0);
	g.total.failed[MR_REFUSED] = 1;
	cr_expect_eq(mb_exit_status(&g), 1, "an error");
	cr_expect_null(mb_fault(&g));
}

/** The report as text, or as JSON. */
static const char *report(bool json)
{
	static char text[16384];
	char path[] = "/tmp/millbench-report-XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w+");
	size_t n;

	cr_assert_not_null(f);
	if (json)
		cr_assert_eq(mb_final_json(path, &g), 0);
	else
		mb_final_print(f, &g);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	unlink(path);
	return text;
}

Test(millbench_report, cycles_are_divided_by_what_the_span_was_for)
{
	idle_figures();
	g.client.busy_tsc = 100000;
	g.span.established = 50;
	g.span.ended[MR_CLOSED] = 40;
	g.span.ended[MR_TIMED_OUT] = 10;
	cr_expect_eq(mb_connections(&g), 40);
	cr_expect_not_null(strstr(report(true), "\"cycles_per_connection\":2500.000"), "%s",
			   report(true));
	/* The span of mode hold is the opening: nothing has ended. */
	options.mode = MB_HOLD;
	g.span.ended[MR_CLOSED] = g.span.ended[MR_TIMED_OUT] = 0;
	cr_expect_eq(mb_connections(&g), 50);
	cr_expect_not_null(strstr(report(true), "\"cycles_per_connection\":2000.000"), "%s",
			   report(true));
	g.span.established = 0;
	cr_expect_null(strstr(report(true), "cycles_per_connection"), "%s", report(true));
}

Test(millbench_report, text_and_json_tell_of_a_leak)
{
	idle_figures();
	g.leaked = 3;
	cr_expect_not_null(strstr(report(false), "did not come home: 3"), "%s", report(false));
	cr_expect_not_null(strstr(report(false), "FAILED"));
	cr_expect_not_null(strstr(report(true), "\"packet_buffers_leaked\":3"), "%s",
			   report(true));
	cr_expect_null(strstr(report(true), "\"fault\":\"\""));
}

/* ---- Bottleneck ---- */

Test(millbench_bottleneck, each_cause_is_found)
{
	idle_figures();
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_CONCURRENCY);
	g.client.busy[0] = 0.99;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_OWN_CPU);
	g.server = g.client;
	g.server.busy[0] = 1;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_PEER);
	g.server.waited[0] = 0.5;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_OTHERS,
		     "a busy share without the CPU says nothing");
	g.client.counters.v[MR_C_TX_NO_MBUF] = 1;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_MBUFS);
	g.total.not_sent[MR_NO_TUPLE] = 1;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_TUPLES);
	g.seconds = 0;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_UNKNOWN);
}

Test(millbench_bottleneck, an_offered_rate_that_was_reached_has_none)
{
	idle_figures();
	options.rate = 1000;
	g.span.established = 995;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_NOTHING);
	g.span.established = 900;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_PEER);
	g.client.counters.v[MR_C_TX_FRAMES] = 100;
	g.client.tx_backlogged = 50;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_TX_QUEUE);
}

Test(millbench_bottleneck, a_rate_that_concurrency_bounds)
{
	idle_figures();
	options.rate = 1000;
	g.span.established = 500;
	g.span.not_sent[MB_NOT_SENT_SLOTS] = 500;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_CONCURRENCY);
	cr_expect_not_null(strstr(mb_bottleneck_text(MB_BY_CONCURRENCY), "--concurrency"));
	/* Where the peer loses segments, their slots wait for retransmissions. */
	g.client.counters.v[MR_C_TCP_REXMT_SYN] = 1;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_PEER);
	g.span.established = 1001;
	options.rate = 2000;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_CONCURRENCY, "one segment in a thousand opens");
	/* And a busy terminator explains why slots are full. */
	g.server = g.client;
	g.server.busy[0] = 1;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_PEER);
}

Test(millbench_bottleneck, chance_makes_a_poisson_rate_no_shortfall)
{
	idle_figures();
	options.rate = 1000;
	g.span.established = 920;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_PEER);
	options.arrivals = MB_POISSON;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_NOTHING, "2.5 standard deviations");
	g.span.established = 900;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_PEER, "3.2");
	options.arrivals = MB_CONSTANT;
	options.rate = 1;
	g.seconds = 10;
	g.span.established = 9;
	cr_expect_eq(mb_bottleneck_of(&g), MB_BY_NOTHING, "the tenth is due at the very end");
}
