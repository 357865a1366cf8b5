/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The response as a machine of one octet. States count up through the fixed beginning "HTTP/1.x 2",
 * then stand for a place in a header line; MATCH + k: k characters of "content-length:" were seen.
 */
#include "http.h"

static const char prefix[] = "HTTP/1.x 2"; /* x: any digit; 2: the class of success */
static const char header[] = "content-length:";

enum state {
	IN_PREFIX,				/* 0 .. 9 */
	IN_LINE = sizeof(prefix) - 1,		/* to its end */
	AT_LINE,				/* first octet of a header line */
	AT_BLANK,				/* after the CR of an empty line */
	MATCH,					/* + 1 .. 14 */
	IN_LENGTH = MATCH + sizeof(header) - 1, /* blanks and digits */
	IN_BODY,
	IN_ERROR,
};

void mb_http_begin(uint8_t *state, uint32_t *left)
{
	*state = IN_PREFIX;
	*left = MB_HTTP_NO_LENGTH;
}

bool mb_http_may_end(uint8_t state, uint32_t left)
{
	return state == IN_BODY && left == MB_HTTP_NO_LENGTH;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static uint8_t step_length(uint32_t *left, char c)
{
	uint32_t digit = (uint32_t)(c - '0');

	if (c == '\n')
		return AT_LINE;
	if (c == ' ' || c == '\t' || c == '\r')
		return IN_LENGTH;
	if (!is_digit(c))
		return IN_ERROR;
	if (*left == MB_HTTP_NO_LENGTH)
		*left = 0;
	if (*left >= (MB_HTTP_NO_LENGTH - digit) / 10)
		return IN_ERROR;
	*left = *left * 10 + digit;
	return IN_LENGTH;
}

static uint8_t step_name(uint8_t state, char c)
{
	unsigned int seen = state == AT_LINE ? 0 : state - MATCH;
	char lower = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;

	if (lower == header[seen]) /* the last one leads to IN_LENGTH */
		return (uint8_t)(MATCH + seen + 1);
	return c == '\n' ? AT_LINE : IN_LINE;
}

/** One octet of the head; IN_BODY when it ended. */
static uint8_t step(uint8_t state, uint32_t *left, char c)
{
	if (state < IN_LINE) {
		bool fits = prefix[state] == 'x' ? is_digit(c) : prefix[state] == c;

		return fits ? (uint8_t)(state + 1) : IN_ERROR;
	}
	if (state == IN_LINE)
		return c == '\n' ? AT_LINE : IN_LINE;
	if (state == IN_LENGTH)
		return step_length(left, c);
	if (state == AT_BLANK)
		return c == '\n' ? IN_BODY : IN_ERROR;
	if (state == AT_LINE && c == '\r')
		return AT_BLANK;
	if (state == AT_LINE && c == '\n') /* RFC 9112 2.2: a bare LF may end a line */
		return IN_BODY;
	return step_name(state, c);
}

enum mb_http_result mb_http_feed(uint8_t *state, uint32_t *left, const char *octets, uint32_t n)
{
	uint32_t i = 0;

	while (i < n && *state < IN_BODY) {
		*state = step(*state, left, octets[i]);
		i++;
	}
	if (*state == IN_ERROR)
		return MB_HTTP_BAD;
	if (*state != IN_BODY || *left == MB_HTTP_NO_LENGTH)
		return MB_HTTP_MORE;
	if (n - i > *left)
		return MB_HTTP_BAD;
	*left -= n - i;
	return *left == 0 ? MB_HTTP_DONE : MB_HTTP_MORE;
}
