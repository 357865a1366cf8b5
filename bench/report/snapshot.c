/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Orders to the workers and figures from them, all by engine_call(). A worker copies a few totals
 * and hands its histograms over by swapping a pointer: 20 microseconds of copying would be seen in
 * them.
 */
#include <inttypes.h>
#include <string.h>

#include "snapshot.h"

#define CALL_TIMEOUT_MS 2000u

/* ---- On the worker ---- */

static void take_shot(struct mr_worker *w, void *arg)
{
	struct mb_shot *shot = arg;
	struct mb_client *cl = shot->client;

	shot->account = cl->account;
	shot->slots_used = cl->used;
	shot->behind = mb_client_behind(cl);
	stack_stats(w, &shot->stats);
	shot->filled = cl->hists;
	cl->hists = cl->hists == &cl->sets[0] ? &cl->sets[1] : &cl->sets[0];
}

static void begin_measuring(struct mr_worker *w, void *arg)
{
	(void)arg;
	mb_client_of(w)->measure_from_tsc = mr_tsc();
}

static void set_stage(struct mr_worker *w, void *arg)
{
	struct mb_client *cl = mb_client_of(w);

	cl->stage = *(const uint8_t *)arg;
	if (cl->stage == MB_STOPPING)
		cl->stop_tsc = mr_tsc();
	if (cl->stage == MB_FORCING)
		cl->account.stuck = cl->used;
}

/* ---- Orders ---- */

static bool call(struct mb_snapshot *s, unsigned int i, void (*fn)(struct mr_worker *, void *),
		 void *arg)
{
	if (engine_call(s->engine[0], i, fn, arg, CALL_TIMEOUT_MS))
		return true;
	fprintf(stderr, "millbench: worker %u does not answer\n", i);
	s->broken = true;
	return false;
}

void mb_snapshot_stage(struct mb_snapshot *s, enum mb_stage stage)
{
	uint8_t value = (uint8_t)stage;

	for (unsigned int i = 0; i < engine_workers(s->engine[0]); i++)
		call(s, i, set_stage, &value);
}

void mb_snapshot_measure(struct mb_snapshot *s)
{
	for (unsigned int i = 0; i < engine_workers(s->engine[0]); i++)
		call(s, i, begin_measuring, NULL);
	mb_snapshot_take(s);
	s->measuring = true;
	s->base = s->now;
}

/* ---- Figures ---- */

static void reset_hists(struct mb_hists *h)
{
	mr_hist_reset(&h->handshake);
	mr_hist_reset(&h->request);
	mr_hist_reset(&h->close);
}

void mb_snapshot_init(struct mb_snapshot *s, const struct mb_rig *rig)
{
	memset(s, 0, sizeof(*s));
	s->engine[0] = rig->client;
	s->engine[1] = rig->server;
	s->clock = &rig->load.clock;
	s->tid = rig->tid;
	for (unsigned int i = 0; i < engine_workers(rig->client); i++)
		s->shot[i].client = rig->clients[i];
	reset_hists(&s->all);
	mr_hist_reset(&s->second);
}

static void merge_hists(struct mb_snapshot *s, struct mb_hists *from)
{
	mr_hist_merge(&s->second, &from->handshake);
	if (s->measuring) {
		mr_hist_merge(&s->all.handshake, &from->handshake);
		mr_hist_merge(&s->all.request, &from->request);
		mr_hist_merge(&s->all.close, &from->close);
	}
	reset_hists(from);
}

static void merge_stats(struct stack_stats *into, const struct stack_stats *from)
{
	mr_counters_add(&into->counters, &from->counters);
	for (int f = 0; f < 2; f++) {
		into->conns_open[f] += from->conns_open[f];
		into->time_wait[f] += from->time_wait[f];
		into->time_wait_high_water[f] += from->time_wait_high_water[f];
	}
}

/** Nanoseconds that a thread was ready to run and did not; 0 where the kernel does not tell. */
static uint64_t waited_ns(pid_t tid)
{
	char path[64];
	unsigned long long waited = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)tid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%*u %llu", &waited) != 1)
		waited = 0;
	fclose(f);
	return waited;
}

static void take_loads(struct mb_snapshot *s, unsigned int side)
{
	struct mb_moment *m = &s->now;
	struct engine_port_info port;

	if (engine_port_info(s->engine[side], 0, &port))
		m->rx_nombuf[side] = port.rx_nombuf;
	for (unsigned int i = 0; i < engine_workers(s->engine[side]); i++) {
		engine_load(s->engine[side], i, &m->load[side][i]);
		m->waited_ns[side][i] = waited_ns(s->tid[side][i]);
	}
}

static void check_accounts(struct mb_snapshot *s)
{
	const struct mb_account *a = &s->now.account;
	uint64_t opens = s->now.stats[0].counters.v[MR_C_CONN_ACTIVE];

	/* Three counts of their own: the totals, the slots in use, the opens of the engine. */
	if (mb_account_adds_up(a) && a->open + a->connecting == s->now.slots_used &&
	    opens == a->attempted - mb_account_not_sent(a))
		return;
	fprintf(stderr,
		"millbench: accounts do not add up: attempted %" PRIu64 ", established %" PRIu64
		", connecting %" PRIu64 ", failed %" PRIu64 ", not sent %" PRIu64 ", ended %" PRIu64
		", open %" PRIu64 ", slots in use %" PRIu64 ", active opens of the engine %" PRIu64
		"\n",
		a->attempted, a->established, a->connecting, mb_account_failed(a),
		mb_account_not_sent(a), mb_account_ended(a), a->open, s->now.slots_used, opens);
	s->broken = true;
}

void mb_snapshot_take(struct mb_snapshot *s)
{
	struct mb_moment *m = &s->now;

	memset(m, 0, sizeof(*m));
	mr_hist_reset(&s->second);
	for (unsigned int i = 0; i < engine_workers(s->engine[0]); i++) {
		if (!call(s, i, take_shot, &s->shot[i]))
			return;
		mb_account_add(&m->account, &s->shot[i].account);
		m->slots_used += s->shot[i].slots_used;
		m->behind |= s->shot[i].behind;
		merge_stats(&m->stats[0], &s->shot[i].stats);
		engine_loop_counters(s->engine[0], i, &m->stats[0].counters);
		merge_hists(s, s->shot[i].filled);
	}
	take_loads(s, 0);
	if (s->engine[1] != NULL) {
		s->broken |= !engine_stats(s->engine[1], &m->stats[1]);
		take_loads(s, 1);
	}
	m->tsc = mr_tsc();
	check_accounts(s);
}

/** Share of the span in which a worker waited for its CPU. */
static double span_waited(const struct mb_snapshot *s, unsigned int side, unsigned int i)
{
	uint64_t ns = s->now.waited_ns[side][i] - s->base.waited_ns[side][i];

	return (double)ns /
	       (double)MR_MAX(mr_clock_span_ns(s->clock, s->now.tsc - s->base.tsc), 1u);
}

static void span_side(const struct mb_snapshot *s, unsigned int which, struct mb_side *side)
{
	struct engine *e = s->engine[which];

	side->present = e != NULL;
	if (e == NULL)
		return;
	side->cores = engine_workers(e);
	for (unsigned int i = 0; i < side->cores; i++) {
		const struct engine_load *l = &s->now.load[which][i];
		const struct engine_load *b = &s->base.load[which][i];
		uint64_t busy = l->busy_tsc - b->busy_tsc, total = l->total_tsc - b->total_tsc;

		side->busy[i] = total > 0 ? (double)busy / (double)total : 0;
		side->waited[i] = span_waited(s, which, i);
		side->busy_tsc += busy;
		side->tx_backlogged += l->tx_backlogged - b->tx_backlogged;
		side->tx_refused += l->tx_refused - b->tx_refused;
	}
	for (unsigned int i = 0; i < MR_C_COUNT; i++)
		side->counters.v[i] =
			s->now.stats[which].counters.v[i] - s->base.stats[which].counters.v[i];
	side->rx_nombuf = s->now.rx_nombuf[which] - s->base.rx_nombuf[which];
}

void mb_snapshot_span(const struct mb_snapshot *s, struct mb_figures *g)
{
	g->tsc_hz = s->clock->hz;
	g->seconds = (double)(s->now.tsc - s->base.tsc) / (double)g->tsc_hz;
	mb_account_between(&g->span, &s->base.account, &s->now.account);
	span_side(s, 0, &g->client);
	span_side(s, 1, &g->server);
}

static uint32_t both(const uint32_t v[2])
{
	return v[0] + v[1];
}

bool mb_snapshot_all_gone(const struct mb_snapshot *s)
{
	return !s->now.behind && s->now.account.open + s->now.account.connecting == 0 &&
	       both(s->now.stats[0].conns_open) == 0 && both(s->now.stats[1].conns_open) == 0;
}

bool mb_snapshot_empty(const struct mb_snapshot *s)
{
	return mb_snapshot_all_gone(s) && both(s->now.stats[0].time_wait) == 0 &&
	       both(s->now.stats[1].time_wait) == 0;
}

/* ---- The process ---- */

uint64_t mb_resident_octets(void)
{
	char line[128];
	unsigned long long kb, total = 0;
	FILE *f = fopen("/proc/self/status", "r");

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "VmRSS: %llu", &kb) == 1 ||
		    sscanf(line, "HugetlbPages: %llu", &kb) == 1)
			total += kb;
	}
	fclose(f);
	return total * 1024;
}
