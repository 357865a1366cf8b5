/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of the command line, one kind a function: text in, a value or what was expected out. No
 * value is half accepted: "12abc" is no number.
 */
#include <string.h>

#include "options.h"

#define HOUR_NS 3600e9
#define DIGITS_MAX 24u

struct unit {
	const char *text;
	double scale;
};

/**
 * Digits with at most one point among them, then a unit of the list, which ends with NULL. A
 * number in such digits is 10^24 at most, and strtod would also take signs, hex, blanks and "inf".
 */
static bool parse_number(const char *text, const struct unit *units, double *out)
{
	double value = 0, scale = 1;
	size_t digits = 0, i = 0;
	bool point = false;

	for (; (text[i] >= '0' && text[i] <= '9') || (text[i] == '.' && !point); i++) {
		point |= text[i] == '.';
		if (text[i] == '.')
			continue;
		value = value * 10 + (text[i] - '0');
		scale *= point ? 10 : 1;
		if (++digits > DIGITS_MAX)
			return false;
	}
	if (digits == 0)
		return false;
	for (; units->text != NULL; units++) {
		if (strcmp(text + i, units->text) == 0) {
			*out = value / scale * units->scale;
			return true;
		}
	}
	return false;
}

const char *imp_parse_percent(const char *text, double *out)
{
	static const struct unit units[] = {{"", 1}, {"%", 1}, {NULL, 0}};
	double percent;

	if (!parse_number(text, units, &percent) || percent > 100)
		return "per cent, 0 to 100, as 0.1 or 0.1%";
	*out = percent / 100;
	return NULL;
}

const char *imp_parse_time(const char *text, uint64_t *ns)
{
	static const struct unit units[] = {{"ns", 1},	{"us", 1e3}, {"ms", 1e6},
					    {"s", 1e9}, {"m", 6e10}, {NULL, 0}};
	double value = 0;

	if (strcmp(text, "0") != 0 && (!parse_number(text, units, &value) || value > HOUR_NS))
		return "a time with its unit (ns, us, ms, s, m), at most an hour, as 20ms";
	*ns = (uint64_t)(value + 0.5);
	return NULL;
}

const char *imp_parse_rate(const char *text, uint64_t *bps)
{
	static const struct unit units[] = {{"k", 1e3},	   {"M", 1e6},	  {"G", 1e9}, {"kbit", 1e3},
					    {"Mbit", 1e6}, {"Gbit", 1e9}, {NULL, 0}};
	double value;

	if (!parse_number(text, units, &value) || value < 1e3 || value > 1e12)
		return "bits per second with k, M or G, 1k to 1000G, as 10M";
	*bps = (uint64_t)value;
	return NULL;
}

const char *imp_parse_bursts(const char *text, struct imp_params *out)
{
	static const char expected[] = "two to four shares in per cent: into a burst (above 0), "
				       "out of it (above 0), lost inside, lost outside; as 1,25";
	double share[4] = {0, 0, 1, 0};
	char part[32];
	unsigned int n = 0;

	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ",");

		if (n == MR_ARRAY_LEN(share) || len >= sizeof(part))
			return expected;
		memcpy(part, at, len);
		part[len] = '\0';
		if (imp_parse_percent(part, &share[n++]) != NULL)
			return expected;
		at += len;
		if (*at == '\0')
			break;
	}
	if (n < 2 || share[0] <= 0 || share[1] <= 0)
		return expected;
	out->burst_enter = share[0];
	out->burst_leave = share[1];
	out->burst_bad = share[2];
	out->burst_good = share[3];
	return NULL;
}
