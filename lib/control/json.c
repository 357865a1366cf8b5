/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The JSON writer: see json.h. Owns the buffer and the place in the document. Numbers are decimal
 * integers, exact to 64 bits; there is no floating point.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#include "json.h"

void json_init(struct json *j)
{
	memset(j, 0, sizeof(*j));
}

void json_free(struct json *j)
{
	free(j->buf);
	memset(j, 0, sizeof(*j));
}

void json_drain(struct json *j)
{
	j->len = 0;
}

static void append(struct json *j, const char *octets, size_t n)
{
	if (j->len + n > j->cap && !j->failed) {
		size_t cap = MR_MAX(j->cap * 2, j->len + n + 1024);
		char *grown = realloc(j->buf, cap);

		j->failed = grown == NULL;
		if (!j->failed) {
			j->buf = grown;
			j->cap = cap;
		}
	}
	if (j->failed)
		return;
	memcpy(j->buf + j->len, octets, n);
	j->len += n;
}

/* The comma before a value or a key, unless it is the first of its level or follows its key. */
static void separate(struct json *j)
{
	if (j->has_items && !j->after_key)
		append(j, ",", 1);
	j->has_items = true;
	j->after_key = false;
}

static void open_level(struct json *j, const char *opener, char closer)
{
	MR_ASSERT(j->depth < JSON_DEPTH_MAX);
	separate(j);
	append(j, opener, 1);
	j->closer[j->depth++] = closer;
	j->has_items = false;
}

static void close_level(struct json *j, char closer)
{
	MR_ASSERT(j->depth > 0 && j->closer[j->depth - 1] == closer && !j->after_key);
	append(j, &closer, 1);
	j->depth--;
	j->has_items = true;
}

void json_open_object(struct json *j)
{
	open_level(j, "{", '}');
}

void json_close_object(struct json *j)
{
	close_level(j, '}');
}

void json_open_array(struct json *j)
{
	open_level(j, "[", ']');
}

void json_close_array(struct json *j)
{
	close_level(j, ']');
}

/* ---- Strings --------------------------------------------------------------------------------- */

/*
 * The length of the well-formed UTF-8 sequence at s (RFC 3629 4), 0 when there is none: no overlong
 * forms, no surrogates, nothing above U+10FFFF. A zero octet ends it like any wrong octet.
 */
static size_t utf8_len(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

static void append_escaped(struct json *j, const char *s)
{
	while (*s != '\0') {
		size_t len = utf8_len((const unsigned char *)s);
		char escape[8];

		if (len == 0) {
			append(j, "\xef\xbf\xbd", 3);
			s++;
			continue;
		}
		if (*s == '"' || *s == '\\')
			append(j, "\\", 1);
		if ((unsigned char)*s >= 0x20) {
			append(j, s, len);
		} else {
			snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)*s);
			append(j, escape, 6);
		}
		s += len;
	}
}

static void append_string(struct json *j, const char *text)
{
	append(j, "\"", 1);
	append_escaped(j, text);
	append(j, "\"", 1);
}

void json_key(struct json *j, const char *name)
{
	MR_ASSERT(j->depth > 0 && j->closer[j->depth - 1] == '}' && !j->after_key);
	separate(j);
	append_string(j, name);
	append(j, ":", 1);
	j->after_key = true;
}

void json_string(struct json *j, const char *text)
{
	separate(j);
	append_string(j, text);
}

/* ---- Other values ---------------------------------------------------------------------------- */

void json_uint(struct json *j, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRIu64, value);

	separate(j);
	append(j, text, (size_t)n);
}

void json_bool(struct json *j, bool value)
{
	separate(j);
	append(j, value ? "true" : "false", value ? 4 : 5);
}

void json_milli(struct json *j, uint64_t thousandths)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 ".%03u", thousandths / 1000,
			 (unsigned int)(thousandths % 1000));

	separate(j);
	append(j, text, (size_t)n);
}

void json_put_string(struct json *j, const char *name, const char *text)
{
	json_key(j, name);
	json_string(j, text);
}

void json_put_uint(struct json *j, const char *name, uint64_t value)
{
	json_key(j, name);
	json_uint(j, value);
}

void json_put_bool(struct json *j, const char *name, bool value)
{
	json_key(j, name);
	json_bool(j, value);
}
