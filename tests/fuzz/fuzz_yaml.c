/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's configuration from any text: it is refused with an error that says something, or it
 * loads, and then what is printed of it loads to the same again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static char *print(const struct config *cfg, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	MR_ASSERT(f != NULL);
	config_print(f, cfg);
	fclose(f);
	return text;
}

static void round_trip(const struct config *cfg)
{
	size_t len[2];
	char *text[2];
	struct config *again = NULL;
	struct conf_error err;

	text[0] = print(cfg, &len[0]);
	if (config_load_text("printed", text[0], len[0], &again, &err) != 0) {
		fprintf(stderr, "%s\n%s\n", err.text, text[0]);
		abort();
	}
	text[1] = print(again, &len[1]);
	MR_ASSERT(len[0] == len[1] && memcmp(text[0], text[1], len[0]) == 0);
	for (uint32_t i = 0; i < cfg->nlisteners; i++)
		MR_ASSERT(config_open_max(cfg, i) == config_open_max(again, i));
	config_free(again);
	free(text[0]);
	free(text[1]);
}

static void refused(const struct conf_error *err)
{
	const size_t len = strnlen(err->text, sizeof(err->text));

	MR_ASSERT(len > 0 && len < sizeof(err->text));
	for (size_t i = 0; i < len; i++)	/* a terminal obeys none of it */
		MR_ASSERT((unsigned char)err->text[i] >= ' ' && err->text[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config *cfg = NULL;
	struct conf_error err = {0};
	struct config_mark mark;
	char *copy = malloc(len + 1);

	MR_ASSERT(copy != NULL);
	memcpy(copy, data, len);
	copy[len] = '\0';
	if (config_load_text("fuzz", copy, len, &cfg, &err) == 0)
		round_trip(cfg);
	else
		refused(&err);
	config_free(cfg);
	if (config_find_mark(copy, len, "listeners[1].ports", &mark))
		MR_ASSERT(strnlen(mark.value, sizeof(mark.value)) < sizeof(mark.value));
	free(copy);
	return 0;
}
