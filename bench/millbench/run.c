/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seconds of a run. The control thread sleeps through each, takes a snapshot, prints what the
 * second was like, and at the end what all of them were like.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run.h"
#include "snapshot.h"

/* Time that open connections get to close before they are reset: a lost FIN needs a second. */
#define CLOSING_MS 4000u
#define FORCING_MS 1000u
/* Mode hold: without progress for so long, it has failed. */
#define STALLED_S 10u

volatile sig_atomic_t mb_interrupted;

struct run {
	struct mb_rig *rig;
	struct mb_snapshot snap;
	struct mb_totals last;
	uint64_t start_tsc, last_tsc;
	unsigned int lines;
	int signals; /* so many end what is going on */
	struct mb_figures figures;
};

/* ---- Seconds ---- */

static void print_second(struct run *run)
{
	const struct mb_moment *at = &run->snap.now;
	double s = (double)(at->tsc - run->last_tsc) / (double)run->rig->load.clock.hz;
	struct mb_totals now = {
		.account = at->account,
		.retransmissions = mb_retransmissions(&at->stats[0].counters) +
				   mb_retransmissions(&at->stats[1].counters),
	};
	struct mb_line line = {
		.second = ++run->lines,
		.warmup = !run->snap.measuring,
		.handshake = &run->snap.second,
	};

	mb_line_between(&line, &run->last, &now, s, mb_rst_is_the_plan(run->rig->options));
	mb_line_print(stdout, &line);
	run->last = now;
	run->last_tsc = at->tsc;
}

/**
 * Sleeps ms, or less when so many signals have come. Others do not count: net_tap raises one for
 * every burst of frames.
 */
static void sleep_ms(uint64_t ms, int signals)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (mb_interrupted < signals &&
	       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static bool told_to_end(const struct run *run)
{
	return mb_interrupted >= run->signals;
}

/** One second: sleep until it is full, then its line. False: the run is to end. */
static bool pass_second(struct run *run)
{
	uint64_t hz = run->rig->load.clock.hz;
	uint64_t until = run->start_tsc + (uint64_t)(run->lines + 1) * hz, now = mr_tsc();

	if (until > now)
		sleep_ms((until - now) * 1000 / hz + 1, run->signals);
	mb_snapshot_take(&run->snap);
	if (run->snap.broken)
		return false;
	print_second(run);
	return !told_to_end(run);
}

/** Snapshots until `done`, for at most ms. */
static bool wait_for(struct run *run, bool (*done)(const struct mb_snapshot *), uint64_t ms)
{
	uint64_t until = mr_tsc() + ms * (run->rig->load.clock.hz / 1000);

	for (;;) {
		mb_snapshot_take(&run->snap);
		if (done(&run->snap))
			return true;
		if (run->snap.broken || told_to_end(run) || mr_tsc() >= until)
			return false;
		sleep_ms(20, run->signals);
	}
}

/** From here on the end goes its way: only a second signal makes it shorter. */
static void begin_closing(struct run *run, enum mb_stage stage)
{
	run->signals = MB_SIGNALS_MAX;
	mb_snapshot_stage(&run->snap, stage);
}

/** Resets what is left, however many signals come. */
static void force(struct run *run)
{
	run->signals = MB_SIGNALS_MAX + 1;
	mb_snapshot_stage(&run->snap, MB_FORCING);
	wait_for(run, mb_snapshot_all_gone, FORCING_MS);
	run->signals = MB_SIGNALS_MAX;
}

static void close_down(struct run *run)
{
	begin_closing(run, MB_STOPPING);
	if (!wait_for(run, mb_snapshot_all_gone, CLOSING_MS) && !run->snap.broken)
		force(run);
}

static void run_seconds(struct run *run)
{
	const struct mb_options *o = run->rig->options;
	bool going = true;

	for (uint64_t s = 0; s < o->warmup && going; s++)
		going = pass_second(run);
	mb_snapshot_measure(&run->snap);
	for (uint64_t s = 0; s < o->seconds && going && !run->snap.broken; s++)
		going = pass_second(run);
	mb_snapshot_span(&run->snap, &run->figures);
	close_down(run);
}

/* ---- Mode hold ---- */

static bool held_all(const struct mb_snapshot *s)
{
	const struct mb_account *a = &s->now.account;

	return a->attempted >= s->shot[0].client->load->slots * engine_workers(s->engine[0]) &&
	       a->connecting == 0;
}

/** Lines until `done`, or nothing has moved for STALLED_S. */
static bool until(struct run *run, bool (*done)(const struct mb_snapshot *))
{
	const struct mb_account *a = &run->snap.now.account;
	uint64_t moved, last = UINT64_MAX;
	unsigned int stalled = 0;

	while (!done(&run->snap)) {
		moved = a->established + mb_account_failed(a) + mb_account_ended(a);
		stalled = moved == last ? stalled + 1 : 0;
		last = moved;
		if (stalled == STALLED_S || !pass_second(run))
			return false;
	}
	return true;
}

/** Octets of tables per connection, without TIME_WAIT and extensions: those are not for idle ones.
 */
static uint64_t idle_octets(const struct stack_config *cfg)
{
	struct stack_config idle = *cfg;
	uint32_t conns = idle.conns4 + idle.conns6;

	if (conns == 0)
		return 0;
	idle.time_wait4 = idle.time_wait4 != 0 ? 1024 : 0;
	idle.time_wait6 = idle.time_wait6 != 0 ? 1024 : 0;
	return stack_memory(&idle) / conns;
}

static void held_figures(struct run *run)
{
	struct mb_held *h = &run->figures.held;
	const struct mb_rig *rig = run->rig;

	h->tried = true;
	h->connections = run->snap.now.account.open;
	h->rss_octets = mb_resident_octets() - rig->rss_before;
	h->buffer_octets = rig->eal_octets;
	h->slot_octets = mb_client_slot_octets(rig->options);
	h->table_octets[0] = idle_octets(&rig->client_stack);
	h->table_octets[1] = idle_octets(&rig->server_stack);
}

static double since(const struct run *run, uint64_t tsc)
{
	return (double)(mr_tsc() - tsc) / (double)run->rig->load.clock.hz;
}

static void run_hold(struct run *run)
{
	struct mb_held *h = &run->figures.held;
	const struct mb_options *o = run->rig->options;
	uint64_t begun = mr_tsc();
	bool held;

	mb_snapshot_measure(&run->snap);
	held = until(run, held_all);
	mb_snapshot_span(&run->snap, &run->figures);
	h->opening_s = since(run, begun);
	held_figures(run);
	for (uint64_t s = 0; held && s < o->seconds && pass_second(run); s++)
		;
	begun = mr_tsc();
	begin_closing(run, MB_CLOSING_ALL);
	if (!until(run, mb_snapshot_all_gone) && !run->snap.broken)
		force(run);
	h->closing_s = since(run, begun);
	/* TIME_WAIT lasts 2MSL, and a wheel may be a little late. */
	printf("waiting %" PRIu64 " ms for TIME_WAIT to run out%s\n", 2 * o->msl_ms,
	       mb_interrupted != 0 ? "; another signal ends the wait" : "");
	fflush(stdout);
	h->emptied = wait_for(run, mb_snapshot_empty, 2 * o->msl_ms + 5000);
}

/* ---- The end ---- */

static void finish_figures(struct run *run)
{
	struct mb_figures *g = &run->figures;
	const struct mb_rig *rig = run->rig;

	g->options = rig->options;
	g->plan = &rig->plan;
	g->total = run->snap.now.account;
	g->hists = &run->snap.all;
	g->client.now = run->snap.now.stats[0];
	g->server.now = run->snap.now.stats[1];
	g->client.table_octets = rig->table_octets[0];
	g->server.table_octets = rig->table_octets[1];
	g->interrupted = mb_interrupted != 0;
	g->broken = run->snap.broken;
	g->left = !mb_snapshot_all_gone(&run->snap);
	g->leaked = mb_rig_leaked(rig);
}

int mb_run(struct mb_rig *rig)
{
	/* Counters are aligned to cache lines: calloc would not do. */
	struct run *run = aligned_alloc(MR_CACHE_LINE, sizeof(*run));
	const char *json = rig->options->json;
	int status;

	if (run == NULL) {
		fprintf(stderr, "millbench: no memory for the figures\n");
		return 1;
	}
	memset(run, 0, sizeof(*run));
	run->rig = rig;
	run->signals = 1;
	mb_snapshot_init(&run->snap, rig);
	run->start_tsc = run->last_tsc = mr_tsc();
	mb_line_head(stdout);
	if (rig->options->mode == MB_HOLD)
		run_hold(run);
	else
		run_seconds(run);
	mb_rig_halt(rig);
	finish_figures(run);
	mb_final_print(stdout, &run->figures);
	status = mb_exit_status(&run->figures);
	if (mb_fault(&run->figures) != NULL)
		fprintf(stderr, "millbench: %s\n", mb_fault(&run->figures));
	if (json[0] != '\0' && mb_final_json(json, &run->figures) != 0) {
		fprintf(stderr, "millbench: %s: %s\n", json, strerror(errno));
		status = 1;
	}
	free(run);
	return status;
}

/** A line of the terminator: of the time since the last one. */
static void print_served(unsigned int line, const struct stack_stats *last,
			 const struct stack_stats *now, double seconds)
{
	const uint64_t *v = now->counters.v, *b = last->counters.v;

	/* It opens none itself: all that were established it has accepted. */
	printf("%5u accepted/s %10.0f, closed/s %10.0f, open %u, TIME_WAIT %u\n", line,
	       (double)(v[MR_C_CONN_ESTABLISHED] - b[MR_C_CONN_ESTABLISHED]) / seconds,
	       (double)(v[MR_C_CONN_CLOSED] - b[MR_C_CONN_CLOSED]) / seconds,
	       now->conns_open[0] + now->conns_open[1], now->time_wait[0] + now->time_wait[1]);
	fflush(stdout);
}

int mb_serve(struct mb_rig *rig)
{
	struct mr_clock clock;
	struct stack_stats last, now;
	uint64_t last_tsc = mr_tsc(), leaked;

	mr_clock_init(&clock);
	memset(&last, 0, sizeof(last));
	for (unsigned int s = 1; !mb_interrupted; s++) {
		sleep_ms(1000, 1);
		if (!engine_stats(rig->server, &now))
			continue;
		print_served(s, &last, &now, (double)(mr_tsc() - last_tsc) / (double)clock.hz);
		last_tsc = mr_tsc();
		last = now;
	}
	mb_rig_halt(rig);
	/* What open connections hold is no leak. */
	leaked = last.conns_open[0] + last.conns_open[1] == 0 ? mb_rig_leaked(rig) : 0;
	if (leaked == 0)
		return 0;
	fprintf(stderr, "millbench: packet buffers that did not come home: %" PRIu64 "\n", leaked);
	return 1;
}
