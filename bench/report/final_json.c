/* SPDX-License-Identifier: BSD-3-Clause */
/* The final report for programs. Rates and latencies are of the measured span, totals of the run.
 */
#include "figures.h"
#include "json_file.h"

static void put_reasons(struct json *j, const char *name, const uint64_t *v, unsigned int n)
{
	json_key(j, name);
	json_open_object(j);
	for (unsigned int i = 0; i < n; i++) {
		if (v[i] != 0)
			json_put_uint(j, mb_not_sent_text(i), v[i]);
	}
	json_close_object(j);
}

/** Nothing where no connection is there to divide by. */
static void put_cycles(struct json *j, const struct mb_side *s, uint64_t connections)
{
	if (connections > 0)
		bench_json_real(j, "cycles_per_connection",
				(double)s->busy_tsc / (double)connections);
}

static void put_totals(struct json *j, const struct mb_account *a)
{
	json_key(j, "totals");
	json_open_object(j);
	json_put_uint(j, "attempted", a->attempted);
	json_put_uint(j, "established", a->established);
	json_put_uint(j, "connecting", a->connecting);
	json_put_uint(j, "open", a->open);
	json_put_uint(j, "closed_cleanly", a->ended[MR_CLOSED]);
	json_put_uint(j, "reset_by_us", a->ended[MR_ABORTED]);
	json_put_uint(j, "reset_by_peer", a->ended[MR_RESET_BY_PEER]);
	json_put_uint(j, "requests", a->requests);
	json_put_uint(j, "responses", a->responses);
	json_put_uint(j, "bad_responses", a->bad_responses);
	json_put_uint(j, "ended_by_force", a->stuck);
	put_reasons(j, "failed", a->failed, MB_REASONS);
	put_reasons(j, "ended", a->ended, MB_REASONS);
	put_reasons(j, "not_sent", a->not_sent, MB_NOT_SENT_COUNT);
	json_close_object(j);
}

static void put_side(struct json *j, const char *name, const struct mb_side *s,
		     uint64_t connections)
{
	if (!s->present)
		return;
	json_key(j, name);
	json_open_object(j);
	put_cycles(j, s, connections);
	json_key(j, "busy");
	json_open_array(j);
	for (unsigned int i = 0; i < s->cores; i++)
		json_milli(j, (uint64_t)(s->busy[i] * 1000 + 0.5));
	json_close_array(j);
	json_key(j, "waited_for_cpu");
	json_open_array(j);
	for (unsigned int i = 0; i < s->cores; i++)
		json_milli(j, (uint64_t)(s->waited[i] * 1000 + 0.5));
	json_close_array(j);
	json_put_uint(j, "table_octets", s->table_octets);
	json_put_uint(j, "time_wait", s->now.time_wait[0] + s->now.time_wait[1]);
	json_put_uint(j, "retransmissions", mb_retransmissions(&s->now.counters));
	json_key(j, "counters");
	json_open_object(j);
	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		if (s->now.counters.v[i] != 0)
			json_put_uint(j, mr_counter_info[i].name, s->now.counters.v[i]);
	}
	json_close_object(j);
	json_close_object(j);
}

static void put_held(struct json *j, const struct mb_held *h)
{
	if (!h->tried)
		return;
	json_key(j, "hold");
	json_open_object(j);
	json_put_uint(j, "connections", h->connections);
	bench_json_real(j, "opening_s", h->opening_s);
	bench_json_real(j, "closing_s", h->closing_s);
	json_put_uint(j, "client_octets_per_connection", h->table_octets[0]);
	json_put_uint(j, "server_octets_per_connection", h->table_octets[1]);
	json_put_uint(j, "millbench_octets_per_connection", h->slot_octets);
	json_put_uint(j, "packet_buffer_octets", h->buffer_octets);
	json_put_uint(j, "process_grew_octets", h->rss_octets);
	json_put_string(j, "tables_afterwards", h->emptied ? "empty" : "not empty");
	json_close_object(j);
}

static void put_rates(struct json *j, const struct mb_figures *g)
{
	uint64_t closed = mb_account_finished(&g->span, mb_rst_is_the_plan(g->options));
	double s = g->seconds > 0 ? g->seconds : 1;

	bench_json_real(j, "seconds", g->seconds);
	bench_json_real(j, "opened_per_s", (double)g->span.established / s);
	bench_json_real(j, "closed_per_s", (double)closed / s);
	bench_json_real(j, "responses_per_s", (double)g->span.responses / s);
}

static void put_verdict(struct json *j, const struct mb_figures *g)
{
	const char *fault = mb_fault(g);

	json_put_uint(j, "errors", mb_errors(g));
	json_put_string(j, "fault", fault != NULL ? fault : "");
	json_put_bool(j, "interrupted", g->interrupted);
	json_put_uint(j, "packet_buffers_leaked", g->leaked);
}

int mb_final_json(const char *path, const struct mb_figures *g)
{
	/* Of the terminator where it is ours: it is what a connection costs a server. */
	const struct mb_side *terminator = g->server.present ? &g->server : &g->client;
	uint64_t connections = mb_connections(g);
	struct json j;

	json_init(&j);
	json_open_object(&j);
	json_put_string(&j, "mode", mb_mode_name(g->options->mode));
	json_put_uint(&j, "workers", g->options->workers);
	json_put_uint(&j, "rate", g->options->rate);
	put_rates(&j, g);
	put_verdict(&j, g);
	put_cycles(&j, terminator, connections);
	json_put_uint(&j, "tsc_hz", g->tsc_hz);
	json_put_string(&j, "bottleneck", mb_bottleneck_text(mb_bottleneck_of(g)));
	json_key(&j, "latency_ns");
	json_open_object(&j);
	bench_json_hist(&j, "handshake", &g->hists->handshake);
	bench_json_hist(&j, "request", &g->hists->request);
	bench_json_hist(&j, "close", &g->hists->close);
	json_close_object(&j);
	put_totals(&j, &g->total);
	put_side(&j, "client", &g->client, connections);
	put_side(&j, "server", &g->server, connections);
	put_held(&j, &g->held);
	json_close_object(&j);
	return bench_json_write(&j, path);
}
