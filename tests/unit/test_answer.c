/* SPDX-License-Identifier: BSD-3-Clause */
/* What the control socket answers of an engine whose worker does not always answer in time. */
#include <criterion/criterion.h>
#include <string.h>

#include "control_impl.h"

static unsigned int answered;	/* questions that are, from now on */
static unsigned int silent;	/* questions after those that are not */

static bool in_time(void)
{
	if (answered > 0) {
		answered--;
		return true;
	}
	if (silent == 0)
		return true;
	silent--;
	return false;
}

unsigned int engine_workers(const struct engine *e)
{
	(void)e;
	return 1;
}

bool engine_stats(struct engine *e, struct stack_stats *out)
{
	(void)e;
	memset(out, 0, sizeof(*out));
	return in_time();
}

bool engine_worker_stats(struct engine *e, unsigned int i, struct stack_stats *out)
{
	(void)i;
	return engine_stats(e, out);
}

void engine_load(const struct engine *e, unsigned int i, struct engine_load *out)
{
	(void)e;
	(void)i;
	memset(out, 0, sizeof(*out));
}

bool engine_call(struct engine *e, unsigned int i, void (*fn)(struct mr_worker *w, void *arg),
		 void *arg, uint32_t timeout_ms)
{
	(void)e;
	(void)i;
	(void)fn;
	(void)arg;
	(void)timeout_ms;
	return in_time();
}

bool engine_port_info(const struct engine *e, uint16_t i, struct engine_port_info *out)
{
	(void)e;
	(void)i;
	(void)out;
	return false;
}

const char *engine_note(const struct engine *e, unsigned int i)
{
	(void)e;
	(void)i;
	return NULL;
}

/* The whole of stats, of one worker and one listener. */
static void expect_stats(const char *start)
{
	struct control_config cfg = {.nlisteners = 1};
	struct answer a = {0};

	json_init(&a.json);
	answer_request(&cfg, "stats", &a);
	cr_assert(!a.json.failed && a.json.depth == 0);
	cr_expect_eq(strncmp(a.json.buf, start, strlen(start)), 0, "%.*s",
		     (int)MR_MIN(a.json.len, 60), a.json.buf);
	json_free(&a.json);
}

Test(answer, of_a_worker_in_time_has_all)
{
	expect_stats("{\"total\":{\"states\":");
}

/* Whichever of the three questions it is: a part would look like the whole. */
Test(answer, of_a_worker_too_late_is_an_error_not_a_part)
{
	for (unsigned int i = 0; i < 3; i++) {
		answered = i;
		silent = 1;
		expect_stats("{\"error\":\"a worker did not answer\"}");
		cr_expect_eq(silent, 0, "question %u", i);
	}
}
