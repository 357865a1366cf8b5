/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The names behind the numbers: the table made from counters.def, and the text of the reasons of
 * the public interface. Holds constants only; the counters themselves belong to the workers.
 */
#include "counters.h"
#include "millrace.h"

const struct mr_counter_info mr_counter_info[MR_C_COUNT] = {
#define C(id, name, sev, help) [MR_C_##id] = {name, MR_SEV_##sev, help},
#include "counters.def"
#undef C
};

void mr_counters_add(struct mr_counters *into, const struct mr_counters *from)
{
	for (size_t i = 0; i < MR_C_COUNT; i++)
		into->v[i] += from->v[i];
}

static const char *const reason_text[] = {
#define R(id, value, text) [value] = text,
	MR_REASONS
#undef R
};

const char *mr_reason_text(enum mr_reason reason)
{
	/* Holes and values from a newer header must not crash a handler that prints them. */
	if ((size_t)reason >= MR_ARRAY_LEN(reason_text) || reason_text[reason] == NULL)
		return "unknown reason";
	return reason_text[reason];
}
