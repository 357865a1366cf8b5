/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading the configuration: text, then values (lib/base/conf.h), then the checks between values.
 * Whatever is wrong is said with file, line, key, value and what was expected. Contradictions
 * between values are found after the load, when the parser's marks are gone: to name the line all
 * the same, the text is then read once more, as a tree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config.h"

/* A configuration is typed by people: more than this is not one. */
#define TEXT_OCTETS_MAX (4u << 20)

const char config_default_text[] =
	"# What millraced runs on without a file: a tap interface of this machine.\n"
	"ports:\n"
	"  - vdev: net_tap0,iface=mill0\n"
	"addresses:\n"
	"  - {address: 10.77.0.2/24}\n"
	"  - {address: \"fd77::2/64\"}\n"
	"gateways:\n"
	"  - {address: 10.77.0.1}\n"
	"  - {address: \"fd77::1\"}\n"
	"listeners:\n"
	"  - {ports: 7, handler: echo}\n"
	"  - {ports: 9, handler: discard}\n"
	"  - {ports: 13, handler: line}\n"
	"  - {ports: 19, handler: source}\n"
	"  - {ports: 80, handler: http}\n";

/* ---- Where a key stands ---------------------------------------------------------------------- */

/* The next step of a path: a name, or an index in brackets. Empty at the end. */
static const char *next_step(const char *path, char step[64])
{
	size_t len;

	if (*path == '.')
		path++;
	len = *path == '[' ? strcspn(path, "]") + 1 : strcspn(path, ".[");
	len = MR_MIN(len, (size_t)63);
	memcpy(step, path, len);
	step[len] = '\0';
	return path + len;
}

static yaml_node_t *mapping_get(yaml_document_t *doc, const yaml_node_t *node, const char *name,
				yaml_mark_t *key_mark)
{
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *key = yaml_document_get_node(doc, p->key);

		if (key == NULL || key->type != YAML_SCALAR_NODE ||
		    strcmp((const char *)key->data.scalar.value, name) != 0)
			continue;
		*key_mark = key->start_mark;
		return yaml_document_get_node(doc, p->value);
	}
	return NULL;
}

static yaml_node_t *child(yaml_document_t *doc, const yaml_node_t *node, const char *step,
			  yaml_mark_t *mark)
{
	yaml_node_t *found = NULL;

	if (node->type == YAML_MAPPING_NODE) {
		found = mapping_get(doc, node, step, mark);
	} else if (node->type == YAML_SEQUENCE_NODE && step[0] == '[') {
		yaml_node_item_t *item =
			node->data.sequence.items.start + strtoul(step + 1, NULL, 10);

		if (item < node->data.sequence.items.top)
			found = yaml_document_get_node(doc, *item);
		if (found != NULL)
			*mark = found->start_mark;
	}
	return found;
}

static void walk(yaml_document_t *doc, const char *path, struct config_mark *mark)
{
	yaml_node_t *node = yaml_document_get_root_node(doc);
	yaml_mark_t at = {0};
	char step[64];

	for (;;) {
		yaml_node_t *next;

		path = next_step(path, step);
		if (step[0] == '\0' || node == NULL)
			break;
		next = child(doc, node, step, &at);
		if (next == NULL) { /* not given: the nearest key above it stands */
			node = NULL;
			break;
		}
		node = next;
	}
	if (node != NULL && node->type == YAML_SCALAR_NODE) {
		at = node->start_mark;
		snprintf(mark->value, sizeof(mark->value), "%s",
			 (const char *)node->data.scalar.value);
	}
	mark->line = (unsigned int)at.line + 1;
	mark->column = (unsigned int)at.column + 1;
}

bool config_find_mark(const char *text, size_t len, const char *path, struct config_mark *mark)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	bool ok;

	*mark = (struct config_mark){.line = 1, .column = 1};
	if (yaml_parser_initialize(&parser) == 0)
		return false;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	ok = yaml_parser_load(&parser, &doc) != 0;
	if (ok) {
		walk(&doc, path, mark);
		yaml_document_delete(&doc);
	}
	yaml_parser_delete(&parser);
	return ok;
}

/* ---- Loading --------------------------------------------------------------------------------- */

/* A conflict has a path; the text says where that is. */
static void explain(const char *name, const char *text, size_t len,
		    const struct config_conflict *conflict, struct conf_error *err)
{
	struct config_mark mark;

	config_find_mark(text, len, conflict->path, &mark);
	err->line = mark.line;
	err->column = mark.column;
	snprintf(err->text, sizeof(err->text), "%.100s:%u:%u: key '%s'%s%s%s: expected %s", name,
		 mark.line, mark.column, conflict->path, mark.value[0] != '\0' ? " = '" : "",
		 mark.value, mark.value[0] != '\0' ? "'" : "", conflict->expected);
	conf_one_line(err->text);
}

int config_load_text(const char *name, const char *text, size_t len, struct config **out,
		     struct conf_error *err)
{
	struct config_conflict conflict = {0};
	struct config *cfg = calloc(1, sizeof(*cfg));

	*err = (struct conf_error){0};
	*out = cfg;
	if (cfg == NULL) {
		snprintf(err->text, sizeof(err->text), "%.120s: no memory for the configuration",
			 name);
		return -1;
	}
	if (conf_load_text(name, text, len, config_keys, cfg, err) != 0)
		return -1;
	if (config_check(cfg, &conflict) == 0)
		return 0;
	explain(name, text, len, &conflict, err);
	return -1;
}

/* The whole file, since it may be walked twice and must be the same text both times. */
static char *read_text(const char *path, size_t *len, struct conf_error *err)
{
	char *text = malloc(TEXT_OCTETS_MAX);
	FILE *f = fopen(path, "re");
	int error = f == NULL ? errno : 0;

	if (f != NULL && text != NULL) {
		*len = fread(text, 1, TEXT_OCTETS_MAX, f);
		error = ferror(f) != 0 ? EIO : *len == TEXT_OCTETS_MAX ? EFBIG : 0;
	}
	if (f != NULL)
		fclose(f);
	if (text == NULL)
		error = ENOMEM;
	if (error == 0)
		return text;
	snprintf(err->text, sizeof(err->text), "%.200s: cannot be read: %s", path, strerror(error));
	free(text);
	return NULL;
}

int config_load(const char *path, struct config **out, struct conf_error *err)
{
	size_t len;
	char *text;
	int rc;

	*out = NULL;
	*err = (struct conf_error){0};
	if (path == NULL)
		return config_load_text("(built-in configuration)", config_default_text,
					strlen(config_default_text), out, err);
	text = read_text(path, &len, err);
	if (text == NULL)
		return -1;
	rc = config_load_text(path, text, len, out, err);
	free(text);
	return rc;
}

void config_free(struct config *cfg)
{
	if (cfg != NULL)
		conf_free(config_keys, cfg);
	free(cfg);
}

void config_print(FILE *f, const struct config *cfg)
{
	conf_print(f, config_keys, cfg);
}
