/* SPDX-License-Identifier: BSD-3-Clause */
/* The final report for programs. Rates and latencies are of the measured span, totals of the run.
 */
#include "figures.h"
#include "json.h"

static void put_hist(struct bench_json *j, const char *name, const struct mr_hist *h)
{
	bench_json_begin(j, name, '{');
	bench_json_uint(j, "count", h->count);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(mb_quantiles); i++)
		bench_json_uint(j, mb_quantile_names[i], mr_hist_quantile(h, mb_quantiles[i]));
	bench_json_uint(j, "max", h->count > 0 ? h->max : 0);
	bench_json_end(j, '}');
}

static void put_reasons(struct bench_json *j, const char *name, const uint64_t *v, unsigned int n)
{
	bench_json_begin(j, name, '{');
	for (unsigned int i = 0; i < n; i++) {
		if (v[i] != 0)
			bench_json_uint(j, mb_not_sent_text(i), v[i]);
	}
	bench_json_end(j, '}');
}

static void put_totals(struct bench_json *j, const struct mb_account *a)
{
	bench_json_begin(j, "totals", '{');
	bench_json_uint(j, "attempted", a->attempted);
	bench_json_uint(j, "established", a->established);
	bench_json_uint(j, "connecting", a->connecting);
	bench_json_uint(j, "open", a->open);
	bench_json_uint(j, "closed_cleanly", a->ended[MR_CLOSED]);
	bench_json_uint(j, "reset_by_us", a->ended[MR_ABORTED]);
	bench_json_uint(j, "reset_by_peer", a->ended[MR_RESET_BY_PEER]);
	bench_json_uint(j, "requests", a->requests);
	bench_json_uint(j, "responses", a->responses);
	bench_json_uint(j, "bad_responses", a->bad_responses);
	put_reasons(j, "failed", a->failed, MB_REASONS);
	put_reasons(j, "ended", a->ended, MB_REASONS);
	put_reasons(j, "not_sent", a->not_sent, MB_NOT_SENT_COUNT);
	bench_json_end(j, '}');
}

static void put_side(struct bench_json *j, const char *name, const struct mb_side *s,
		     uint64_t closed)
{
	if (!s->present)
		return;
	bench_json_begin(j, name, '{');
	if (closed > 0)
		bench_json_real(j, "cycles_per_connection", (double)s->busy_tsc / (double)closed);
	bench_json_begin(j, "busy", '[');
	for (unsigned int i = 0; i < s->cores; i++)
		bench_json_real(j, NULL, s->busy[i]);
	bench_json_end(j, ']');
	bench_json_begin(j, "waited_for_cpu", '[');
	for (unsigned int i = 0; i < s->cores; i++)
		bench_json_real(j, NULL, s->waited[i]);
	bench_json_end(j, ']');
	bench_json_uint(j, "table_octets", s->table_octets);
	bench_json_uint(j, "time_wait", s->now.time_wait[0] + s->now.time_wait[1]);
	bench_json_uint(j, "retransmissions", mb_retransmissions(&s->now.counters));
	bench_json_begin(j, "counters", '{');
	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		if (s->now.counters.v[i] != 0)
			bench_json_uint(j, mr_counter_info[i].name, s->now.counters.v[i]);
	}
	bench_json_end(j, '}');
	bench_json_end(j, '}');
}

static void put_held(struct bench_json *j, const struct mb_held *h)
{
	if (!h->tried)
		return;
	bench_json_begin(j, "hold", '{');
	bench_json_uint(j, "connections", h->connections);
	bench_json_real(j, "opening_s", h->opening_s);
	bench_json_real(j, "closing_s", h->closing_s);
	bench_json_uint(j, "client_octets_per_connection", h->table_octets[0]);
	bench_json_uint(j, "server_octets_per_connection", h->table_octets[1]);
	bench_json_uint(j, "millbench_octets_per_connection", h->slot_octets);
	bench_json_uint(j, "process_grew_octets", h->rss_octets);
	bench_json_text(j, "tables_afterwards", h->emptied ? "empty" : "not empty");
	bench_json_end(j, '}');
}

int mb_final_json(const char *path, const struct mb_figures *g)
{
	/* Of the terminator where it is ours: it is what a connection costs a server. */
	const struct mb_side *terminator = g->server.present ? &g->server : &g->client;
	uint64_t closed = mb_account_ended(&g->span);
	double s = g->seconds > 0 ? g->seconds : 1;
	struct bench_json j;

	if (bench_json_open(&j, path) != 0)
		return -1;
	bench_json_text(&j, "mode", mb_mode_name(g->options->mode));
	bench_json_real(&j, "seconds", g->seconds);
	bench_json_real(&j, "opened_per_s", (double)g->span.established / s);
	bench_json_real(&j, "closed_per_s", (double)closed / s);
	bench_json_real(&j, "responses_per_s", (double)g->span.responses / s);
	bench_json_uint(&j, "errors",
			mb_account_errors(&g->total, g->options->mode == MB_HANDSHAKE));
	bench_json_real(&j, "cycles_per_connection",
			(double)terminator->busy_tsc / (double)MR_MAX(closed, 1u));
	bench_json_uint(&j, "tsc_hz", g->tsc_hz);
	bench_json_text(&j, "bottleneck", mb_bottleneck_text(mb_bottleneck_of(g)));
	bench_json_begin(&j, "latency_ns", '{');
	put_hist(&j, "handshake", &g->hists->handshake);
	put_hist(&j, "request", &g->hists->request);
	put_hist(&j, "close", &g->hists->close);
	bench_json_end(&j, '}');
	put_totals(&j, &g->total);
	put_side(&j, "client", &g->client, closed);
	put_side(&j, "server", &g->server, closed);
	put_held(&j, &g->held);
	return bench_json_close(&j);
}
