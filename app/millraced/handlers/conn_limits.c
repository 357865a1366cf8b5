/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The limits of a connection and its one timer: see conn_limits.h. Times are milliseconds modulo
 * 2^32; they are compared by signed difference, which is right for spans below 24 days (a limit
 * is at most half an hour).
 */
#include "bounds.h"
#include "counters.h"

#include "conn_limits.h"

static bool is_past(uint32_t now_ms, uint32_t when_ms)
{
	return (int32_t)(now_ms - when_ms) >= 0;
}

static uint32_t phase_limit_ms(const struct limits_conf *conf, const struct limits *l)
{
	switch ((enum limits_phase)l->phase) {
	case LIMITS_FIRST:
		return conf->first_octet_ms;
	case LIMITS_HEADER:
		return conf->header_ms;
	case LIMITS_LINGER:
		return LIMITS_LINGER_MS;
	case LIMITS_OPEN:
	default:
		return 0;
	}
}

static unsigned int phase_counter(const struct limits *l)
{
	switch ((enum limits_phase)l->phase) {
	case LIMITS_FIRST:
		return MR_C_CONN_LIMIT_FIRST;
	case LIMITS_HEADER:
		return MR_C_CONN_LIMIT_HEADER;
	case LIMITS_LINGER:
	case LIMITS_OPEN:
	default:
		return MR_C_CONN_LIMIT_IDLE;
	}
}

/* Sets the timer unless it is already armed for an earlier moment. */
static void arm(struct mr_worker *w, mr_conn c, struct limits *l, uint32_t in_ms)
{
	uint32_t due_ms;

	in_ms = MR_MIN(MR_MAX(in_ms, MR_USER_TICK_MS), MR_USER_TIMEOUT_MAX_MS);
	due_ms = mr_now_ms(w) + in_ms;
	if (l->armed && is_past(due_ms, l->due_ms))
		return;
	l->armed = mr_set_timeout(w, c, in_ms) == MR_OK;
	l->due_ms = due_ms;
}

/* The earlier of *best_ms and a limit that began at `since_ms`; both as spans from now. */
static void consider(uint32_t *best_ms, uint32_t now_ms, uint32_t since_ms, uint32_t limit_ms)
{
	if (limit_ms != 0)
		*best_ms = MR_MIN(*best_ms, since_ms + limit_ms - now_ms);
}

static void arm_earliest(struct mr_worker *w, mr_conn c, const struct limits_conf *conf,
			 struct limits *l, bool queued)
{
	uint32_t now_ms = mr_now_ms(w), best_ms = UINT32_MAX;

	consider(&best_ms, now_ms, l->phase_ms, phase_limit_ms(conf, l));
	consider(&best_ms, now_ms, l->active_ms, conf->idle_ms);
	/* While something is queued, progress is looked at four times per limit. */
	if (conf->write_stall_ms != 0)
		best_ms = MR_MIN(best_ms, queued ? conf->write_stall_ms / 4 : conf->write_stall_ms);
	if (best_ms != UINT32_MAX)
		arm(w, c, l, best_ms);
}

void limits_start(struct mr_worker *w, mr_conn c, const struct limits_conf *conf, struct limits *l,
		  bool first)
{
	uint32_t now_ms = mr_now_ms(w);

	*l = (struct limits){
		.active_ms = now_ms,
		.phase_ms = now_ms,
		.progress_ms = now_ms,
		.phase = first ? LIMITS_FIRST : LIMITS_OPEN,
	};
	arm_earliest(w, c, conf, l, false);
}

void limits_enter(struct mr_worker *w, mr_conn c, const struct limits_conf *conf, struct limits *l,
		  enum limits_phase phase)
{
	uint32_t limit_ms;

	l->phase = (uint8_t)phase;
	l->phase_ms = mr_now_ms(w);
	limit_ms = phase_limit_ms(conf, l);
	if (limit_ms != 0)
		arm(w, c, l, limit_ms);
}

/* Looks at what the peer has acknowledged since the last look. */
static bool note_progress(struct mr_worker *w, mr_conn c, struct limits *l)
{
	struct mr_tcp_info info;
	uint32_t now_ms = mr_now_ms(w);

	if (mr_tcp_info(w, c, &info) != MR_OK)
		return false;
	if (info.snd_una != l->snd_una)
		l->active_ms = now_ms;
	if (info.snd_una != l->snd_una || info.send_queued == 0)
		l->progress_ms = now_ms;
	/* The peer has not heard our last octet yet: it need not close before. */
	if (info.send_queued > 0 && l->phase == LIMITS_LINGER)
		l->phase_ms = now_ms;
	l->snd_una = info.snd_una;
	return info.send_queued > 0;
}

/* The counter of the limit that has passed, or MR_C_COUNT. */
static unsigned int passed(const struct limits_conf *conf, const struct limits *l, uint32_t now_ms,
			   bool queued)
{
	uint32_t phase_ms = phase_limit_ms(conf, l);

	if (phase_ms != 0 && is_past(now_ms, l->phase_ms + phase_ms))
		return phase_counter(l);
	if (queued && conf->write_stall_ms != 0 &&
	    is_past(now_ms, l->progress_ms + conf->write_stall_ms))
		return MR_C_CONN_LIMIT_STALL;
	if (conf->idle_ms != 0 && is_past(now_ms, l->active_ms + conf->idle_ms))
		return MR_C_CONN_LIMIT_IDLE;
	return MR_C_COUNT;
}

bool limits_check(struct mr_worker *w, mr_conn c, const struct limits_conf *conf, struct limits *l)
{
	bool queued = note_progress(w, c, l);
	unsigned int counter = passed(conf, l, mr_now_ms(w), queued);

	l->armed = false;
	if (counter == MR_C_COUNT) {
		arm_earliest(w, c, conf, l, queued);
		return false;
	}
	mr_count_event(w, c, counter);
	/* An idle peer gets a FIN. One that stalls or dribbles would not read it: RST. */
	if (counter == MR_C_CONN_LIMIT_IDLE && !queued && l->phase != LIMITS_LINGER)
		mr_close(w, c);
	else
		mr_abort(w, c);
	return true;
}
