/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back: values as YAML that conf.c loads to the same values, the table of keys as text for
 * people, and the freeing of what a load allocated. Never changes a value.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "conf.h"

static void print_map(FILE *f, const struct conf_key *keys, const char *in, int depth, bool in_item);

static void indent(FILE *f, int depth)
{
	fprintf(f, "%*s", depth * 2, "");
}

static void print_quoted(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(f, "\\x%02x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

/* What a print function writes, as an allocated string: nothing written means not set. */
static char *printed_text(const struct conf_key *key, const void *field)
{
	char *text = NULL;
	size_t len = 0;
	FILE *mem = open_memstream(&text, &len);

	MR_ASSERT(mem != NULL);
	key->print(mem, field);
	MR_ASSERT(fclose(mem) == 0);
	return text;
}

/* A key whose value is not set is left out: loading it back leaves it unset as well. */
static bool is_set(const struct conf_key *key, const char *in)
{
	const void *field = in + key->offset;
	char *text;
	bool set;

	switch (key->type) {
	case CONF_STRING:
		return *(char *const *)field != NULL;
	case CONF_LIST:
		return *(const uint32_t *)(const void *)(in + key->count_offset) >= key->min;
	case CONF_CUSTOM:
		text = printed_text(key, field);
		set = text[0] != '\0';
		free(text);
		return set;
	case CONF_BOOL:
	case CONF_UINT:
	case CONF_ENUM:
	case CONF_MAP:
		break;
	}
	return true;
}

static void print_list(FILE *f, const struct conf_key *key, const char *in, int depth)
{
	uint32_t count = *(const uint32_t *)(const void *)(in + key->count_offset);
	const char *item = in + key->offset;

	if (count == 0) {
		fputs(" []\n", f);
		return;
	}
	fputc('\n', f);
	for (uint32_t i = 0; i < count; i++, item += key->item_size) {
		indent(f, depth);
		fputs("- ", f);
		if (key->keys != NULL) {
			print_map(f, key->keys, item, depth + 1, true);
		} else {
			key->print(f, item);
			fputc('\n', f);
		}
	}
}

static void print_value(FILE *f, const struct conf_key *key, const char *in, int depth)
{
	const void *field = in + key->offset;

	switch (key->type) {
	case CONF_BOOL:
		fprintf(f, " %s\n", *(const bool *)field ? "true" : "false");
		return;
	case CONF_UINT:
		fprintf(f, " %" PRIu64 "\n", *(const uint64_t *)field);
		return;
	case CONF_ENUM:
		fprintf(f, " %s\n", key->names[*(const uint32_t *)field]);
		return;
	case CONF_STRING:
		fputc(' ', f);
		print_quoted(f, *(char *const *)field);
		fputc('\n', f);
		return;
	case CONF_CUSTOM:
		fputc(' ', f);
		key->print(f, field);
		fputc('\n', f);
		return;
	case CONF_LIST:
		print_list(f, key, in, depth + 1);
		return;
	case CONF_MAP:
		fputc('\n', f);
		print_map(f, key->keys, field, depth + 1, false);
		return;
	}
}

/* in_item: the first key stands behind the "- " of its list item. */
static void print_map(FILE *f, const struct conf_key *keys, const char *in, int depth, bool in_item)
{
	bool first = in_item;

	for (; keys->name != NULL; keys++) {
		if (!is_set(keys, in))
			continue;
		if (!first)
			indent(f, depth);
		first = false;
		fprintf(f, "%s:", keys->name);
		print_value(f, keys, in, depth);
	}
	if (first) /* nothing is set: an item that is an empty mapping */
		fputs("{}\n", f);
}

void conf_print(FILE *f, const struct conf_key *keys, const void *in)
{
	print_map(f, keys, in, 0, false);
}

/* ---- The table itself -------------------------------------------------------------------------- */

static void print_type(FILE *f, const struct conf_key *key)
{
	switch (key->type) {
	case CONF_BOOL:
		fputs("true or false", f);
		return;
	case CONF_UINT:
		fprintf(f, "%" PRIu64 " .. %" PRIu64, key->min, key->max);
		if (key->unit != NULL && key->unit[0] != '\0')
			fprintf(f, " %s", key->unit);
		return;
	case CONF_ENUM:
		for (uint32_t i = 0; key->names[i] != NULL; i++)
			fprintf(f, "%s%s", i > 0 ? " | " : "", key->names[i]);
		return;
	case CONF_STRING:
		fprintf(f, "text of %" PRIu64 " .. %" PRIu64 " octets", key->min, key->max);
		return;
	case CONF_CUSTOM:
		fputs(key->unit != NULL && key->unit[0] != '\0' ? key->unit : "text", f);
		return;
	case CONF_MAP:
		fputs("mapping", f);
		return;
	case CONF_LIST:
		fprintf(f, "list of %" PRIu64 " .. %" PRIu64 " items", key->min, key->max);
		return;
	}
}

static void print_default(FILE *f, const struct conf_key *key)
{
	if (key->type == CONF_MAP)
		return;
	if (key->def == NULL)
		fputs("; required", f);
	else if (key->def[0] != '\0')
		fprintf(f, "; default %s", key->def);
}

static void print_reference(FILE *f, const struct conf_key *keys, int depth)
{
	for (; keys->name != NULL; keys++) {
		indent(f, depth);
		fprintf(f, "%s: ", keys->name);
		print_type(f, keys);
		print_default(f, keys);
		fputc('\n', f);
		if (keys->help != NULL) {
			indent(f, depth + 2);
			fprintf(f, "%s\n", keys->help);
		}
		if (keys->keys != NULL)
			print_reference(f, keys->keys, depth + 1);
	}
}

void conf_print_reference(FILE *f, const struct conf_key *keys)
{
	print_reference(f, keys, 0);
}

/* ---- Freeing ----------------------------------------------------------------------------------- */

static void free_list(const struct conf_key *key, char *in)
{
	uint32_t *count = (uint32_t *)(void *)(in + key->count_offset);

	if (key->keys != NULL) {
		for (uint32_t i = 0; i < *count; i++)
			conf_free(key->keys, in + key->offset + i * key->item_size);
	}
	*count = 0;
}

void conf_free(const struct conf_key *keys, void *in)
{
	char *base = in;

	for (; keys->name != NULL; keys++) {
		if (keys->type == CONF_STRING) {
			char **s = (char **)(void *)(base + keys->offset);

			free(*s);
			*s = NULL;
		} else if (keys->type == CONF_MAP) {
			conf_free(keys->keys, base + keys->offset);
		} else if (keys->type == CONF_LIST) {
			free_list(keys, base);
		}
	}
}
