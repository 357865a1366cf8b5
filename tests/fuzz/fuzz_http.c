/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP requests from any octets: the answer does not depend on how they were cut. The first octet
 * is the size of the pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "http_parse.h"
#include "input.h"

#define REQUESTS_MAX	16u
#define HEADER_MAX	300u

struct seen {
	enum http_parse_result result;
	uint16_t status;
	uint8_t verb;
	bool keep_alive, has_path;
	char path[200];
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static void look(const struct http_request *r, enum http_parse_result result, struct seen *s)
{
	s->result = result;
	s->status = r->status;
	MR_ASSERT(r->text_len <= sizeof(r->text));
	if (result == HTTP_PARSE_BAD) {
		MR_ASSERT(r->status >= 400 && r->status < 600);
		return;
	}
	s->verb = r->verb;
	s->keep_alive = r->keep_alive;
	s->has_path = http_request_path(r, s->path, sizeof(s->path));
	if (!s->has_path)
		memset(s->path, 0, sizeof(s->path));
	MR_ASSERT(strnlen(s->path, sizeof(s->path)) < sizeof(s->path));
}

/* All requests of the octets, in pieces of so many; how many were complete or refused. */
static uint32_t parse(const char *data, size_t len, uint32_t piece, struct seen *seen)
{
	enum http_parse_result result = HTTP_PARSE_MORE;
	struct http_request r;
	uint32_t n = 0;

	http_request_init(&r);
	for (size_t at = 0; at < len && n < REQUESTS_MAX && result != HTTP_PARSE_BAD;) {
		const uint32_t offered = (uint32_t)MR_MIN(piece - at % piece, len - at);
		const uint32_t used = http_request_feed(&r, data + at, offered, HEADER_MAX,
							&result);

		MR_ASSERT(used <= offered && (used != 0 || result != HTTP_PARSE_MORE));
		at += used;
		if (result == HTTP_PARSE_MORE)
			continue;
		look(&r, result, &seen[n++]);
		http_request_init(&r);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct seen whole[REQUESTS_MAX], cut[REQUESTS_MAX];
	uint32_t n;
	char *copy;

	if (len < 2 || len > 4096)
		return -1;
	copy = malloc(len - 1);
	MR_ASSERT(copy != NULL);
	memcpy(copy, data + 1, len - 1);
	memset(whole, 0, sizeof(whole));
	memset(cut, 0, sizeof(cut));
	n = parse(copy, len - 1, 4096, whole);
	MR_ASSERT(parse(copy, len - 1, 1u + data[0], cut) == n);
	for (uint32_t i = 0; i < n; i++)
		MR_ASSERT(memcmp(&whole[i], &cut[i], sizeof(whole[i])) == 0);
	free(copy);
	return 0;
}
