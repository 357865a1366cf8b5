/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket's part that needs no engine: request lines of any octets, JSON strings of any
 * octets, and millctl's reader of JSON on any document, in pieces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_impl.h"
#include "input.h"
#include "json_text.h"

static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	nowhere = fopen("/dev/null", "w");
	return nowhere == NULL;
}

static bool read_json(const char *doc, size_t len, size_t piece)
{
	static struct json_text t;

	json_text_init(&t, nowhere, (piece & 1) != 0);
	for (size_t at = 0; at < len; at += piece)
		json_text_feed(&t, doc + at, MR_MIN(piece, len - at));
	return json_text_end(&t);
}

/* What is written of any octets is a document that can be read. */
static void write_json(const char *text)
{
	struct json j;

	json_init(&j);
	json_open_object(&j);
	json_put_string(&j, "error", text);
	json_key(&j, "rows");
	json_open_array(&j);
	json_string(&j, text);
	json_uint(&j, strlen(text));
	json_close_array(&j);
	json_close_object(&j);
	MR_ASSERT(!j.failed && j.depth == 0);
	for (size_t i = 0; i < j.len; i++)
		MR_ASSERT((unsigned char)j.buf[i] >= ' ');
	MR_ASSERT(read_json(j.buf, j.len, 7) && read_json(j.buf, j.len, 1000));
	json_free(&j);
}

static void request(const char *line)
{
	static const struct control_config no_engine;
	struct answer a = {.more = false};

	/* those three would ask the engine */
	if (strcmp(line, "stats") == 0 || strcmp(line, "ports") == 0 || strcmp(line, "stop") == 0)
		return;
	json_init(&a.json);
	answer_request(&no_engine, line, &a);
	MR_ASSERT(a.json.len != 0);
	if (!a.more)
		MR_ASSERT(read_json(a.json.buf, a.json.len, 100));
	json_free(&a.json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *copy;

	if (len < 2 || len > 4096)
		return -1;
	copy = malloc(len);
	MR_ASSERT(copy != NULL);
	memcpy(copy, data + 1, len - 1);
	copy[len - 1] = '\0';
	/* a broken document is refused in whatever pieces it comes */
	MR_ASSERT(read_json(copy, len - 1, 1u + data[0]) == read_json(copy, len - 1, len));
	write_json(copy);
	if (len < REQUEST_MAX)
		request(copy);
	free(copy);
	return 0;
}
