/* SPDX-License-Identifier: BSD-3-Clause */
/* The drain against an engine whose workers do not always answer. */
#include <criterion/criterion.h>
#include <string.h>

#include "control.h"

static struct {
	unsigned int deaf;	/* so many questions stay without an answer */
	uint32_t open;
	unsigned int closed, forced;
} engine;

unsigned int engine_workers(const struct engine *e)
{
	(void)e;
	return 1;
}

bool engine_stats(struct engine *e, struct stack_stats *out)
{
	(void)e;
	memset(out, 0, sizeof(*out));
	if (engine.deaf > 0) {
		engine.deaf--;
		return false;
	}
	out->conns_open[0] = engine.open;
	return true;
}

bool engine_call(struct engine *e, unsigned int i, void (*fn)(struct mr_worker *w, void *arg),
		 void *arg, uint32_t timeout_ms)
{
	(void)e;
	(void)i;
	(void)timeout_ms;
	fn(NULL, arg);
	return true;
}

void stack_drain(struct mr_worker *w) { (void)w; }

bool stack_close_all(struct mr_worker *w, bool force, uint32_t budget)
{
	(void)w;
	(void)budget;
	engine.closed += !force;
	engine.forced += force;
	if (force)
		engine.open = 0;
	return true;
}

static struct drain_result drained(void)
{
	static const volatile bool hurry;
	struct drain_result r;

	control_drain(NULL, 30, &hurry, &r);
	return r;
}

TestSuite(drain, .timeout = 30);

Test(drain, no_answer_is_not_nothing_open)
{
	struct drain_result r;

	engine.deaf = 1;
	engine.open = 3;
	r = drained();
	cr_expect_eq(engine.closed, 1, "nobody was closed");
	cr_expect_eq(engine.forced, 1);
	cr_expect_eq(r.aborted, 3);
	cr_expect_eq(r.left, 0);
	cr_expect(!r.silent);
}

Test(drain, a_worker_that_never_answers_is_said)
{
	struct drain_result r;

	engine.deaf = UINT32_MAX;
	r = drained();
	cr_expect(r.silent);
	cr_expect_eq(engine.forced, 1, "it may have connections all the same");
}

Test(drain, an_empty_engine_is_left_at_once)
{
	struct drain_result r = drained();

	cr_expect_eq(engine.closed + engine.forced, 0);
	cr_expect(!r.silent && r.open_before == 0 && r.left == 0);
}
