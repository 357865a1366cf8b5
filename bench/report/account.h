/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What became of every connection, as totals that must add up:
 *
 *   attempted   = established + connecting + failed (refused, timed out, unreachable, given up)
 *                 + not sent (by reason)
 *   established = closed cleanly + reset by us + reset by the peer + aborted (by reason) + open
 *
 * Each total is counted where its event happens, and `connecting` and `open` by steps of their own,
 * so a connection that was forgotten, or reported twice, breaks an equation. One writer (a worker).
 */
#ifndef MB_ACCOUNT_H
#define MB_ACCOUNT_H

#include "millrace.h"
#include "attr.h"

enum {
#define R(id, value, text) +1
	MB_REASONS = 0 MR_REASONS
#undef R
};

/* Why an attempt never became a SYN. The first MB_REASONS values are mr_connect's own answers. */
enum mb_not_sent {
	MB_NOT_SENT_SLOTS = MB_REASONS, /* open loop: as many connections as allowed are open */
	MB_NOT_SENT_LATE,		/* open loop: due, but the run ended before we came to it */
	MB_NOT_SENT_COUNT
};

struct mb_account {
	uint64_t attempted, established;
	uint64_t connecting, open;   /* now */
	uint64_t failed[MB_REASONS]; /* ended before ESTABLISHED, by enum mr_reason */
	uint64_t ended[MB_REASONS];  /* ended after it */
	uint64_t not_sent[MB_NOT_SENT_COUNT];
	uint64_t requests, responses;
	uint64_t bad_responses; /* too short, too long, or not HTTP 2xx */
	uint64_t stuck;		/* still there when the time to close was over */
};

MR_INLINE void mb_account_attempt(struct mb_account *a)
{
	a->attempted++;
	a->connecting++;
}

MR_INLINE void mb_account_refusal(struct mb_account *a, unsigned int why)
{
	a->attempted++;
	a->not_sent[why]++;
}

MR_INLINE void mb_account_established(struct mb_account *a)
{
	a->connecting--;
	a->established++;
	a->open++;
}

/** A connection that was attempted is gone. */
MR_INLINE void mb_account_gone(struct mb_account *a, bool was_established, enum mr_reason reason)
{
	if (was_established) {
		a->open--;
		a->ended[reason]++;
	} else {
		a->connecting--;
		a->failed[reason]++;
	}
}

void mb_account_add(struct mb_account *into, const struct mb_account *from);
/** What happened from `base` to `now`; of connecting and open the difference, modulo 2^64. */
void mb_account_between(struct mb_account *out, const struct mb_account *base,
			const struct mb_account *now);
uint64_t mb_account_failed(const struct mb_account *a);
uint64_t mb_account_ended(const struct mb_account *a);
uint64_t mb_account_not_sent(const struct mb_account *a);
/** Do both equations hold? */
bool mb_account_adds_up(const struct mb_account *a);
/**
 * Events that make a run unclean: every failure and refusal, bad responses, and every end but a
 * clean close and, where RST is the plan (mode handshake), our own RST. Arrivals that came too late
 * to be sent are a shortfall of the generator, which the report names, and no error.
 */
uint64_t mb_account_errors(const struct mb_account *a, bool rst_is_the_plan);
/** Connections that ended as planned: by FIN both ways or, where RST is the plan, by our RST. */
uint64_t mb_account_finished(const struct mb_account *a, bool rst_is_the_plan);
/** Text of a not_sent index; never NULL. */
const char *mb_not_sent_text(unsigned int why);

#endif /* MB_ACCOUNT_H */
