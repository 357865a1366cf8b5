/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of an engine: refuse new connections, close the open ones, wait, abort what is left. All
 * work is done by the workers in bounded visits between bursts; this thread only asks and waits.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control_impl.h"
#include "monotonic.h"

#define STEP_MS		10u
/* Connections that one visit closes. */
#define CLOSE_BUDGET	2048u
/* How long the RSTs at the end may take to be made and to leave. */
#define ABORT_MS	2000u

struct close_visit {
	bool force, done;
};

static void visit_drain(struct mr_worker *w, void *arg)
{
	(void)arg;
	stack_drain(w);
}

static void visit_close(struct mr_worker *w, void *arg)
{
	struct close_visit *v = arg;

	v->done = stack_close_all(w, v->force, CLOSE_BUDGET);
}

/* Once through all connections of all workers, or until `end_ms`. */
static void close_all(struct engine *e, bool force, uint64_t end_ms)
{
	for (unsigned int i = 0; i < engine_workers(e); i++) {
		struct close_visit v = {.force = force};

		while (!v.done && mr_monotonic_ms() < end_ms) {
			if (!engine_call(e, i, visit_close, &v, CALL_WAIT_MS))
				break;
		}
	}
}

/* Is anything open, or may it be? *open keeps its value when a worker does not answer. */
static bool some_open(struct engine *e, uint32_t *open, struct drain_result *out)
{
	struct stack_stats *s = aligned_alloc(alignof(struct stack_stats), sizeof(*s));

	out->silent = s == NULL || !engine_stats(e, s);
	if (!out->silent) {
		*open = s->conns_open[0] + s->conns_open[1];
		out->time_wait = s->time_wait[0] + s->time_wait[1];
	}
	free(s);
	return *open > 0 || out->silent;
}

/* True: not all have ended. */
static bool wait_until_none(struct engine *e, uint64_t end_ms, const volatile bool *hurry,
			    uint32_t *open, struct drain_result *out)
{
	while (some_open(e, open, out)) {
		if (mr_monotonic_ms() >= end_ms || *hurry)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
	}
	return false;
}

void control_drain(struct engine *e, uint32_t limit_ms, const volatile bool *hurry,
		   struct drain_result *out)
{
	static const volatile bool never = false;
	uint64_t start_ms = mr_monotonic_ms();
	bool abort = false;

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < engine_workers(e); i++)
		engine_call(e, i, visit_drain, NULL, CALL_WAIT_MS);
	if (some_open(e, &out->open_before, out)) {
		out->aborted = out->open_before;
		close_all(e, false, start_ms + limit_ms);
		abort = wait_until_none(e, start_ms + limit_ms, hurry, &out->aborted, out);
	}
	if (abort) {
		uint64_t end_ms = mr_monotonic_ms() + ABORT_MS;

		out->left = out->aborted;
		close_all(e, true, end_ms);
		wait_until_none(e, end_ms, &never, &out->left, out);
	}
	out->took_ms = (uint32_t)(mr_monotonic_ms() - start_ms);
}
