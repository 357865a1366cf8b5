/* SPDX-License-Identifier: BSD-3-Clause */
/* The lines of each second and the final report, for people. The same figures as JSON:
 * final_json.c. */
#include <inttypes.h>

#include "figures.h"
#include "json_file.h"

void mb_line_head(FILE *f)
{
	fprintf(f, "%5s %12s %12s %10s %8s %8s %10s %10s\n", "s", "opened/s", "closed/s", "open",
		"rexmit", "errors", "hs p50", "hs p99");
}

void mb_line_print(FILE *f, const struct mb_line *line)
{
	char p50[32] = "-", p99[32] = "-";

	if (line->handshake->count > 0) {
		mb_format_ns(mr_hist_quantile(line->handshake, 0.5), p50, sizeof(p50));
		mb_format_ns(mr_hist_quantile(line->handshake, 0.99), p99, sizeof(p99));
	}
	fprintf(f, "%5u %12.0f %12.0f %10" PRIu64 " %8" PRIu64 " %8" PRIu64 " %10s %10s%s\n",
		line->second, line->opened_per_s, line->closed_per_s, line->open,
		line->retransmissions, line->errors, p50, p99, line->warmup ? "  (warm-up)" : "");
	fflush(f);
}

static void print_reasons(FILE *f, const char *what, const uint64_t *v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (v[i] != 0)
			fprintf(f, "    %-9s %12" PRIu64 "  %s\n", what, v[i], mb_not_sent_text(i));
	}
}

static void print_totals(FILE *f, const struct mb_account *a)
{
	fprintf(f, "\nTotals of the whole run, warm-up and closing included\n");
	fprintf(f,
		"  attempted   %12" PRIu64 " = established %" PRIu64 " + connecting %" PRIu64
		" + failed %" PRIu64 " + not sent %" PRIu64 "\n",
		a->attempted, a->established, a->connecting, mb_account_failed(a),
		mb_account_not_sent(a));
	print_reasons(f, "failed", a->failed, MB_REASONS);
	print_reasons(f, "not sent", a->not_sent, MB_NOT_SENT_COUNT);
	fprintf(f,
		"  established %12" PRIu64 " = closed cleanly %" PRIu64 " + reset by us %" PRIu64
		" + reset by the peer %" PRIu64 " + aborted %" PRIu64 " + open %" PRIu64 "\n",
		a->established, a->ended[MR_CLOSED], a->ended[MR_ABORTED],
		a->ended[MR_RESET_BY_PEER],
		mb_account_ended(a) - a->ended[MR_CLOSED] - a->ended[MR_ABORTED] -
			a->ended[MR_RESET_BY_PEER],
		a->open);
	for (unsigned int i = 0; i < MB_REASONS; i++) {
		if (a->ended[i] != 0 && i != MR_CLOSED && i != MR_ABORTED && i != MR_RESET_BY_PEER)
			fprintf(f, "    %-9s %12" PRIu64 "  %s\n", "aborted", a->ended[i],
				mr_reason_text((enum mr_reason)i));
	}
	if (a->requests > 0)
		fprintf(f,
			"  requests    %12" PRIu64 ", responses %" PRIu64 ", bad responses %" PRIu64
			"\n",
			a->requests, a->responses, a->bad_responses);
	if (a->stuck > 0)
		fprintf(f, "  not closed in time, ended by RST: %" PRIu64 "\n", a->stuck);
}

static void print_side(FILE *f, const char *name, const struct mb_side *s, uint64_t connections)
{
	const struct stack_stats *n = &s->now;

	if (!s->present)
		return;
	fprintf(f, "  %-10s busy", name);
	for (unsigned int i = 0; i < s->cores; i++) {
		fprintf(f, " %3.0f %%", s->busy[i] * 100);
		if (s->waited[i] >= 0.01)
			fprintf(f, " (without its CPU %.0f %%)", s->waited[i] * 100);
	}
	if (connections > 0)
		fprintf(f, ", %5.0f cycles/connection", (double)s->busy_tsc / (double)connections);
	fprintf(f, ", tables %" PRIu64 " MB, TIME_WAIT %u now, %u at most", s->table_octets >> 20,
		n->time_wait[0] + n->time_wait[1],
		n->time_wait_high_water[0] + n->time_wait_high_water[1]);
	if (n->counters.v[MR_C_TW_EVICTED] > 0)
		fprintf(f, " (%" PRIu64 " evicted early)", n->counters.v[MR_C_TW_EVICTED]);
	fprintf(f, ", open %u\n", n->conns_open[0] + n->conns_open[1]);
}

static void print_held(FILE *f, const struct mb_held *h)
{
	double n = (double)MR_MAX(h->connections, 1u);

	if (!h->tried)
		return;
	fprintf(f,
		"\nHeld %" PRIu64
		" connections: opened in %.1f s, closed in %.1f s; tables afterwards %s\n",
		h->connections, h->opening_s, h->closing_s, h->emptied ? "empty" : "NOT EMPTY");
	fprintf(f,
		"  memory per idle connection: client %" PRIu64
		" octets of tables + %u of millbench",
		h->table_octets[0], h->slot_octets);
	if (h->table_octets[1] > 0)
		fprintf(f, ", server %" PRIu64 " octets of tables", h->table_octets[1]);
	fprintf(f,
		"\n  the process grew by %.0f MB, packet buffers of %.0f MB included: %.0f octets "
		"per connection for both sides\n",
		(double)h->rss_octets / 1e6, (double)h->buffer_octets / 1e6,
		(double)h->rss_octets / n);
}

static void print_rates(FILE *f, const struct mb_figures *g)
{
	uint64_t closed = mb_account_finished(&g->span, mb_rst_is_the_plan(g->options));
	double s = g->seconds > 0 ? g->seconds : 1;

	fprintf(f, "\nMeasured %.1f s%s%s: %.0f connections opened/s, %.0f closed/s", g->seconds,
		g->held.tried ? " of opening" : "",
		g->interrupted ? ", ended early by a signal" : "", (double)g->span.established / s,
		(double)closed / s);
	if (g->span.responses > 0)
		fprintf(f, ", %.0f responses/s", (double)g->span.responses / s);
	fprintf(f, "\n");
}

static void print_verdict(FILE *f, const struct mb_figures *g)
{
	const char *fault = mb_fault(g);

	fprintf(f, "  errors: %" PRIu64 "\n", mb_errors(g));
	if (g->leaked > 0)
		fprintf(f, "  packet buffers that did not come home: %" PRIu64 "\n", g->leaked);
	if (fault != NULL)
		fprintf(f, "  FAILED: %s\n", fault);
}

void mb_final_print(FILE *f, const struct mb_figures *g)
{
	uint64_t connections = mb_connections(g);

	print_rates(f, g);
	fprintf(f, "\n  %-10s", "latency");
	for (unsigned int i = 0; i < BENCH_QUANTILES; i++)
		fprintf(f, " %10s", bench_quantile_names[i]);
	fprintf(f, " %10s  %12s\n", "max", "count");
	mb_percentiles_print(f, "handshake", &g->hists->handshake);
	mb_percentiles_print(f, "request", &g->hists->request);
	mb_percentiles_print(f, "close", &g->hists->close);
	fprintf(f, "\n");
	print_side(f, "client", &g->client, connections);
	print_side(f, "server", &g->server, connections);
	fprintf(f, "  bottleneck: %s\n", mb_bottleneck_text(mb_bottleneck_of(g)));
	fprintf(f, "  retransmissions: client %" PRIu64 ", server %" PRIu64 " (whole run)\n",
		mb_retransmissions(&g->client.now.counters),
		mb_retransmissions(&g->server.now.counters));
	print_totals(f, &g->total);
	print_held(f, &g->held);
	print_verdict(f, g);
	fflush(f);
}
