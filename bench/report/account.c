/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums over the accounts of connections; the counting itself is inline in account.h. */
#include "account.h"

static uint64_t sum(const uint64_t *v, unsigned int n)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < n; i++)
		total += v[i];
	return total;
}

void mb_account_add(struct mb_account *into, const struct mb_account *from)
{
	static_assert(sizeof(*into) % sizeof(uint64_t) == 0,
		      "an account must be nothing but totals");
	uint64_t *to = (uint64_t *)into;
	const uint64_t *add = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*into) / sizeof(uint64_t); i++)
		to[i] += add[i];
}

void mb_account_between(struct mb_account *out, const struct mb_account *base,
			const struct mb_account *now)
{
	uint64_t *to = (uint64_t *)out;
	const uint64_t *from = (const uint64_t *)base, *until = (const uint64_t *)now;

	for (size_t i = 0; i < sizeof(*out) / sizeof(uint64_t); i++)
		to[i] = until[i] - from[i];
}

uint64_t mb_account_failed(const struct mb_account *a)
{
	return sum(a->failed, MB_REASONS);
}

uint64_t mb_account_ended(const struct mb_account *a)
{
	return sum(a->ended, MB_REASONS);
}

uint64_t mb_account_not_sent(const struct mb_account *a)
{
	return sum(a->not_sent, MB_NOT_SENT_COUNT);
}

bool mb_account_adds_up(const struct mb_account *a)
{
	return a->attempted == a->established + a->connecting + mb_account_failed(a) +
				       mb_account_not_sent(a) &&
	       a->established == mb_account_ended(a) + a->open;
}

uint64_t mb_account_errors(const struct mb_account *a, bool rst_is_the_plan)
{
	uint64_t ended = mb_account_ended(a) - a->ended[MR_CLOSED];

	if (rst_is_the_plan)
		ended -= a->ended[MR_ABORTED];
	return mb_account_failed(a) + mb_account_not_sent(a) - a->not_sent[MB_NOT_SENT_LATE] +
	       ended + a->bad_responses;
}

uint64_t mb_account_finished(const struct mb_account *a, bool rst_is_the_plan)
{
	return a->ended[MR_CLOSED] + (rst_is_the_plan ? a->ended[MR_ABORTED] : 0);
}

const char *mb_not_sent_text(unsigned int why)
{
	switch (why) {
	case MB_NOT_SENT_SLOTS:
		return "as many connections as allowed were open (--concurrency)";
	case MB_NOT_SENT_LATE:
		return "due, but the generator had not come to it when the run ended";
	default:
		return why < MB_REASONS ? mr_reason_text((enum mr_reason)why) : "?";
	}
}
