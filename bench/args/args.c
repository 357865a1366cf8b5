/* SPDX-License-Identifier: BSD-3-Clause */
/* Words and values of a command line: see args.h. Prints nothing, ends nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"

void args_word(const struct args *a, struct args_word *w)
{
	const char *eq;

	*w = (struct args_word){.text = a->argv[a->i]};
	if (strncmp(w->text, "--", 2) != 0)
		return;
	w->name = w->text + 2;
	eq = strchr(w->name, '=');
	w->len = eq != NULL ? (size_t)(eq - w->name) : strlen(w->name);
	w->value = eq != NULL ? eq + 1 : NULL;
}

bool args_unknown(const struct args *a, const struct args_word *w)
{
	snprintf(a->err, ARGS_ERROR_MAX, "'%s' is no option of %s; see --help.", w->text,
		 a->program);
	return false;
}

bool args_value(struct args *a, struct args_word *w, const char *name, const char *wanted)
{
	a->i++;
	if (w->value == NULL && a->i < a->argc)
		w->value = a->argv[a->i++];
	if (w->value == NULL)
		snprintf(a->err, ARGS_ERROR_MAX, "--%s wants a value: %s.", name, wanted);
	return w->value != NULL;
}

bool args_flag(struct args *a, const struct args_word *w, const char *name)
{
	a->i++;
	if (w->value != NULL)
		snprintf(a->err, ARGS_ERROR_MAX, "--%s takes no value.", name);
	return w->value == NULL;
}

bool args_taken(const struct args *a, const struct args_word *w, const char *name,
		const char *expected)
{
	if (expected != NULL)
		snprintf(a->err, ARGS_ERROR_MAX, "--%s '%s': expected %s.", name, w->value,
			 expected);
	return expected == NULL;
}

/* ---- values ---- */

static bool scale_of(const char *suffix, uint64_t *scale)
{
	static const struct {
		const char *text;
		uint64_t scale;
	} known[] = {
		{"", 1},
		{"k", 1000},
		{"M", 1000000},
		{"G", 1000000000},
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(known); i++) {
		if (strcmp(suffix, known[i].text) == 0) {
			*scale = known[i].scale;
			return true;
		}
	}
	return false;
}

const char *args_count(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t scale = 0, value;
	char *end;

	if (text[0] < '0' || text[0] > '9') /* strtoull would take a sign and blanks */
		return "a number";
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || !scale_of(end, &scale))
		return "a number, with an optional suffix k, M or G";
	if (value > UINT64_MAX / scale)
		return "a smaller number";
	value *= scale;
	if (value < min || value > max)
		return "a number within the range that --help gives";
	*out = value;
	return NULL;
}

const char *args_enum(const char *text, const char *const *names, uint32_t *out)
{
	for (uint32_t i = 0; names[i] != NULL; i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = i;
			return NULL;
		}
	}
	return "one of the names that --help gives";
}

const char *args_string(const char *text, char *out)
{
	if (text[0] == '\0' || strlen(text) >= ARGS_STRING_MAX)
		return "1 to 255 characters";
	memcpy(out, text, strlen(text) + 1);
	return NULL;
}
