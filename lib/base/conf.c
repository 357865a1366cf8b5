/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads YAML by a table of keys. It walks libyaml's events, not its documents, because each event
 * carries the line and column that an error has to name. Nothing is accepted in silence: a key that
 * is not in the table, a key given twice, text behind a number and a YAML alias all end the load.
 * What a single value means, and the way back to text, is in conf_text.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "check.h"
#include "conf.h"
#include "conf_text.h"

/* Keys of one mapping: the lines of those already seen are kept on the stack. */
#define KEYS_MAX	128u

struct loader {
	yaml_parser_t parser;
	yaml_event_t ev;		/* the current event; freed by the next next_event() */
	const char *file;
	struct conf_error *err;
	char path[192];			/* "listeners[2].port": where the walk is */
	bool required;			/* a key that is missing and has no default is an error */
};

static bool load_value(struct loader *ld, const struct conf_key *key, char *parent);

/* ---- Errors ---------------------------------------------------------------------------------- */

static const char *event_text(const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)ev->data.scalar.value;
	case YAML_MAPPING_START_EVENT:
		return "(a mapping)";
	case YAML_SEQUENCE_START_EVENT:
		return "(a list)";
	case YAML_ALIAS_EVENT:
		return "(an alias)";
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
	default:
		return "(nothing)";
	}
}

void conf_one_line(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

/* Fills *err for the given place and returns false, so that callers can return it. */
static MR_PRINTF(3, 4) bool fail(struct loader *ld, yaml_mark_t mark, const char *fmt, ...)
{
	struct conf_error *err = ld->err;
	va_list ap;
	int n;

	err->line = (unsigned int)mark.line + 1;
	err->column = (unsigned int)mark.column + 1;
	n = snprintf(err->text, sizeof(err->text), "%.120s:%u:%u: ", ld->file, err->line,
		     err->column);
	va_start(ap, fmt);
	vsnprintf(err->text + n, sizeof(err->text) - (size_t)n, fmt, ap);
	va_end(ap);
	conf_one_line(err->text);
	return false;
}

/* The current event is the value that does not fit. */
static bool fail_value(struct loader *ld, const char *expected)
{
	return fail(ld, ld->ev.start_mark, "key '%s' = '%.80s': expected %s", ld->path,
		    event_text(&ld->ev), expected);
}

static bool next_event(struct loader *ld)
{
	yaml_event_delete(&ld->ev);
	if (yaml_parser_parse(&ld->parser, &ld->ev) != 0)
		return true;
	memset(&ld->ev, 0, sizeof(ld->ev));
	return fail(ld, ld->parser.problem_mark, "not YAML: %s%s%s",
		    ld->parser.context != NULL ? ld->parser.context : "",
		    ld->parser.context != NULL ? ", " : "",
		    ld->parser.problem != NULL ? ld->parser.problem : "unreadable");
}

/* Appends to ld->path; returns where to cut it again. */
static MR_PRINTF(2, 3) size_t path_push(struct loader *ld, const char *fmt, ...)
{
	size_t depth = strlen(ld->path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ld->path + depth, sizeof(ld->path) - depth, fmt, ap);
	va_end(ap);
	return depth;
}

static bool fail_unknown_key(struct loader *ld, const struct conf_key *keys, const char *name)
{
	struct conf_near near = conf_near_none(name);
	char known[CONF_EXPECTED_MAX] = "";

	for (const struct conf_key *k = keys; k->name != NULL; k++) {
		conf_near_consider(&near, k->name);
		conf_append_word(known, k == keys ? "" : ", ", k->name);
	}
	if (near.best != NULL)
		return fail(ld, ld->ev.start_mark, "key '%s': unknown; did you mean '%s'?",
			    ld->path, near.best);
	return fail(ld, ld->ev.start_mark, "key '%s': unknown; known here: %s", ld->path, known);
}

static bool load_scalar(struct loader *ld, const struct conf_key *key, void *field)
{
	char expected[CONF_EXPECTED_MAX];
	const char *text = event_text(&ld->ev);

	if (ld->ev.type != YAML_SCALAR_EVENT)
		return fail_value(ld, "a single value");
	if (strlen(text) != ld->ev.data.scalar.length)
		return fail_value(ld, "text without a zero octet");
	return conf_set_scalar(key, text, field, expected) || fail_value(ld, expected);
}

/* ---- Defaults -------------------------------------------------------------------------------- */

static void loader_close(struct loader *ld)
{
	yaml_event_delete(&ld->ev);
	yaml_parser_delete(&ld->parser);
}

static bool loader_open(struct loader *ld, const char *name, struct conf_error *err)
{
	memset(ld, 0, sizeof(*ld));
	ld->file = name;
	ld->err = err;
	ld->required = true;
	*err = (struct conf_error){0};
	if (yaml_parser_initialize(&ld->parser) != 0)
		return true;
	snprintf(err->text, sizeof(err->text), "%s: no memory for the YAML parser", name);
	return false;
}

/* Moves past the start of stream and document, to the first event of the content. */
static bool to_content(struct loader *ld)
{
	return next_event(ld) && next_event(ld) &&
	       (ld->ev.type == YAML_STREAM_END_EVENT || next_event(ld));
}

/* A default is YAML text and goes through the same functions as the user's. */
static bool load_default(struct loader *ld, const struct conf_key *key, char *parent)
{
	struct loader sub;
	bool ok;

	if (!loader_open(&sub, "(built-in default)", ld->err))
		return false;
	snprintf(sub.path, sizeof(sub.path), "%s", key->name);
	yaml_parser_set_input_string(&sub.parser, (const unsigned char *)key->def,
				     strlen(key->def));
	ok = to_content(&sub) && load_value(&sub, key, parent);
	loader_close(&sub);
	return ok;
}

/* Gives every key that was not seen its default. */
static bool fill_defaults(struct loader *ld, const struct conf_key *keys, char *out,
			  const unsigned int *seen_line, yaml_mark_t mark)
{
	static const unsigned int none_seen[KEYS_MAX];

	for (size_t i = 0; keys[i].name != NULL; i++) {
		const struct conf_key *key = &keys[i];

		if (seen_line[i] != 0)
			continue;
		if (key->type == CONF_MAP) { /* a mapping that is not given is an empty one */
			size_t depth = path_push(ld, ld->path[0] != '\0' ? ".%s" : "%s", key->name);

			if (!fill_defaults(ld, key->keys, out + key->offset, none_seen, mark))
				return false;
			ld->path[depth] = '\0';
		} else if (key->def == NULL) {
			if (ld->required)
				return fail(ld, mark,
					    "key '%s%s%s': missing, and it has no default",
					    ld->path, ld->path[0] != '\0' ? "." : "", key->name);
		} else if (key->def[0] != '\0' && !load_default(ld, key, out)) {
			return false;
		}
	}
	return true;
}

/* ---- Structure ------------------------------------------------------------------------------- */

/* `key:` with nothing behind it, as when all below it is commented out. */
static bool is_null(const yaml_event_t *ev)
{
	const char *text = event_text(ev);

	return ev->type == YAML_SCALAR_EVENT && ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static const struct conf_key *find_key(const struct conf_key *keys, const char *name)
{
	for (const struct conf_key *k = keys; k->name != NULL; k++) {
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

/* The current event is a key: finds it, refuses it when unknown or repeated, loads its value. */
static bool load_entry(struct loader *ld, const struct conf_key *keys, char *out,
		       unsigned int *seen_line)
{
	const char *name = event_text(&ld->ev);
	const struct conf_key *key;
	unsigned int *line;
	size_t depth;
	bool ok;

	if (ld->ev.type != YAML_SCALAR_EVENT)
		return fail(ld, ld->ev.start_mark, "key '%s': expected the name of a key",
			    ld->path);
	depth = path_push(ld, ld->path[0] != '\0' ? ".%.64s" : "%.64s", name);
	key = find_key(keys, name);
	if (key == NULL)
		return fail_unknown_key(ld, keys, name);
	line = &seen_line[key - keys];
	if (*line != 0)
		return fail(ld, ld->ev.start_mark, "key '%s': given twice, first in line %u",
			    ld->path, *line);
	*line = (unsigned int)ld->ev.start_mark.line + 1;
	ok = next_event(ld) && load_value(ld, key, out);
	ld->path[depth] = '\0';
	return ok;
}

static bool load_map(struct loader *ld, const struct conf_key *keys, char *out)
{
	unsigned int seen_line[KEYS_MAX] = {0};
	yaml_mark_t start = ld->ev.start_mark;
	size_t n = 0;

	while (keys[n].name != NULL)
		n++;
	MR_ASSERT(n <= KEYS_MAX);
	if (is_null(&ld->ev))
		return fill_defaults(ld, keys, out, seen_line, start);
	if (ld->ev.type != YAML_MAPPING_START_EVENT)
		return fail_value(ld, "a mapping (key: value)");
	while (next_event(ld)) {
		if (ld->ev.type == YAML_MAPPING_END_EVENT)
			return fill_defaults(ld, keys, out, seen_line, start);
		if (!load_entry(ld, keys, out, seen_line))
			return false;
	}
	return false;
}

/*
 * The item counts before it is loaded, so that conf_free() finds it when its loading fails
 * half-way.
 */
static bool load_item(struct loader *ld, const struct conf_key *key, char *parent)
{
	uint32_t *count = (uint32_t *)(void *)(parent + key->count_offset);
	char *item = parent + key->offset + (size_t)*count * key->item_size;
	size_t depth;
	bool ok;

	if (*count >= key->max)
		return fail(ld, ld->ev.start_mark, "key '%s': expected at most %" PRIu64 " items",
			    ld->path, key->max);
	depth = path_push(ld, "[%" PRIu32 "]", *count);
	memset(item, 0, key->item_size);
	++*count;
	ok = key->keys != NULL ? load_map(ld, key->keys, item) : load_scalar(ld, key, item);
	ld->path[depth] = '\0';
	return ok;
}

static bool load_list(struct loader *ld, const struct conf_key *key, char *parent)
{
	uint32_t *count = (uint32_t *)(void *)(parent + key->count_offset);
	yaml_mark_t start = ld->ev.start_mark;
	bool empty = is_null(&ld->ev);

	*count = 0;
	if (!empty && ld->ev.type != YAML_SEQUENCE_START_EVENT)
		return fail_value(ld, "a list (- item)");
	while (!empty) {
		if (!next_event(ld))
			return false;
		if (ld->ev.type == YAML_SEQUENCE_END_EVENT)
			break;
		if (!load_item(ld, key, parent))
			return false;
	}
	if (*count < key->min)
		return fail(ld, start, "key '%s': expected at least %" PRIu64 " items", ld->path,
			    key->min);
	return true;
}

static bool load_value(struct loader *ld, const struct conf_key *key, char *parent)
{
	if (key->type == CONF_MAP)
		return load_map(ld, key->keys, parent + key->offset);
	if (key->type == CONF_LIST)
		return load_list(ld, key, parent);
	return load_scalar(ld, key, parent + key->offset);
}

/* ---- Entry points ---------------------------------------------------------------------------- */

static bool load_document(struct loader *ld, const struct conf_key *keys, void *out)
{
	static const unsigned int none_seen[KEYS_MAX];

	if (!to_content(ld))
		return false;
	if (ld->ev.type == YAML_STREAM_END_EVENT) /* an empty file */
		return fill_defaults(ld, keys, out, none_seen, ld->ev.start_mark);
	if (!load_map(ld, keys, out) || !next_event(ld) || !next_event(ld))
		return false;
	if (ld->ev.type != YAML_STREAM_END_EVENT)
		return fail(ld, ld->ev.start_mark,
			    "expected one YAML document, found a second one");
	return true;
}

int conf_load_text(const char *name, const char *text, size_t len, const struct conf_key *keys,
		   void *out, struct conf_error *err)
{
	struct loader ld;
	bool ok;

	if (!loader_open(&ld, name, err))
		return -1;
	yaml_parser_set_input_string(&ld.parser, (const unsigned char *)text, len);
	ok = load_document(&ld, keys, out);
	loader_close(&ld);
	return ok ? 0 : -1;
}

int conf_load_file(const char *path, const struct conf_key *keys, void *out, struct conf_error *err)
{
	struct loader ld;
	FILE *f;
	bool ok;

	if (!loader_open(&ld, path, err))
		return -1;
	f = fopen(path, "re");
	if (f != NULL) {
		yaml_parser_set_input_file(&ld.parser, f);
		ok = load_document(&ld, keys, out);
		fclose(f);
	} else {
		snprintf(err->text, sizeof(err->text), "%.200s: cannot be opened: %s", path,
			 strerror(errno));
		ok = false;
	}
	loader_close(&ld);
	return ok ? 0 : -1;
}

int conf_defaults(const struct conf_key *keys, void *out, struct conf_error *err)
{
	static const unsigned int none_seen[KEYS_MAX];
	struct loader ld;
	bool ok;

	if (!loader_open(&ld, "(built-in default)", err))
		return -1;
	ld.required = false;
	ok = fill_defaults(&ld, keys, out, none_seen, (yaml_mark_t){0});
	loader_close(&ld);
	return ok ? 0 : -1;
}

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
