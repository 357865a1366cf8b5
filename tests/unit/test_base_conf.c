/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration loader: what it takes, what it refuses and how the refusal reads, and that what
 * it prints it loads again.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "rng.h"

struct item {
	uint64_t port;
	char *name;
	uint32_t colour;
};

struct config {
	bool enabled;
	uint64_t rto_min_ms, entries, kept;
	uint32_t mode;
	char *title, *optional;
	uint8_t pair[2];
	struct {
		uint64_t deep;
		struct {
			bool deepest;
		} below;
	} nested;
	struct item items[3];
	uint32_t item_count;
	uint8_t pairs[4][2];
	uint32_t pair_count;
};

/* "3/4" */
static const char *parse_pair(void *field, const char *text)
{
	uint8_t *pair = field;
	unsigned int a, b;
	char end;

	if (sscanf(text, "%3u/%3u%c", &a, &b, &end) != 2 || a > 255 || b > 255)
		return "two numbers, a/b, 0 .. 255 each";
	pair[0] = (uint8_t)a;
	pair[1] = (uint8_t)b;
	return NULL;
}

static void print_pair(FILE *f, const void *field)
{
	const uint8_t *pair = field;

	if (pair[0] != 0 || pair[1] != 0)
		fprintf(f, "%u/%u", pair[0], pair[1]);
}

static const char *const modes[] = {"fast", "careful", NULL};
static const char *const colours[] = {"red", "green", "blue", NULL};

#define AT(type, field)	offsetof(type, field)

static const struct conf_key below_keys[] = {
	{.name = "deepest", .type = CONF_BOOL, .def = "on"},
	{0},
};
static const struct conf_key nested_keys[] = {
	{.name = "deep", .type = CONF_UINT, .max = 9, .def = "7", .help = "How deep it is."},
	{.name = "below", .type = CONF_MAP, .offset = sizeof(uint64_t), .keys = below_keys},
	{0},
};
static const struct conf_key item_keys[] = {
	{.name = "port",
	 .type = CONF_UINT,
	 .offset = AT(struct item, port),
	 .min = 1,
	 .max = 65535},
	{.name = "name",
	 .type = CONF_STRING,
	 .offset = AT(struct item, name),
	 .max = 20,
	 .def = "''"},
	{.name = "colour",
	 .type = CONF_ENUM,
	 .offset = AT(struct item, colour),
	 .names = colours,
	 .def = "green"},
	{0},
};
static const struct conf_key keys[] = {
	{.name = "enabled", .type = CONF_BOOL, .offset = AT(struct config, enabled), .def = "yes"},
	{.name = "rto_min_ms",
	 .type = CONF_UINT,
	 .offset = AT(struct config, rto_min_ms),
	 .min = 1,
	 .max = 60000,
	 .unit = "ms",
	 .def = "200",
	 .help = "Least RTO (RFC 6298 2.4)."},
	{.name = "entries",
	 .type = CONF_UINT,
	 .offset = AT(struct config, entries),
	 .max = UINT64_MAX,
	 .def = "64Ki"},
	{.name = "kept",
	 .type = CONF_UINT,
	 .offset = AT(struct config, kept),
	 .max = 100,
	 .def = ""},
	{.name = "mode",
	 .type = CONF_ENUM,
	 .offset = AT(struct config, mode),
	 .names = modes,
	 .def = "careful"},
	{.name = "title",
	 .type = CONF_STRING,
	 .offset = AT(struct config, title),
	 .max = 40,
	 .def = "a title"},
	{.name = "optional",
	 .type = CONF_STRING,
	 .offset = AT(struct config, optional),
	 .max = 40,
	 .def = ""},
	{.name = "pair",
	 .type = CONF_CUSTOM,
	 .offset = AT(struct config, pair),
	 .parse = parse_pair,
	 .print = print_pair,
	 .unit = "a/b",
	 .def = ""},
	{.name = "nested",
	 .type = CONF_MAP,
	 .offset = AT(struct config, nested),
	 .keys = nested_keys},
	{.name = "items",
	 .type = CONF_LIST,
	 .offset = AT(struct config, items),
	 .max = 3,
	 .keys = item_keys,
	 .item_size = sizeof(struct item),
	 .count_offset = AT(struct config, item_count),
	 .def = "[]"},
	{.name = "pairs",
	 .type = CONF_LIST,
	 .offset = AT(struct config, pairs),
	 .max = 4,
	 .parse = parse_pair,
	 .print = print_pair,
	 .item_size = 2,
	 .count_offset = AT(struct config, pair_count),
	 .def = "[1/2, 3/4]"},
	{0},
};

static int load(const char *text, struct config *c, struct conf_error *err)
{
	memset(c, 0, sizeof(*c));
	c->kept = 55;
	return conf_load_text("test.yaml", text, strlen(text), keys, c, err);
}

static void expect_loads(const char *text, struct config *c)
{
	struct conf_error err;

	cr_assert_eq(load(text, c, &err), 0, "%s", err.text);
}

static void expect_refused(const char *text, unsigned int line, unsigned int column,
			   const char *message)
{
	struct config c;
	struct conf_error err;
	char where[64];

	cr_expect_eq(load(text, &c, &err), -1, "accepted: %s", text);
	cr_expect_eq(err.line, line, "%s", err.text);
	cr_expect_eq(err.column, column, "%s", err.text);
	snprintf(where, sizeof(where), "test.yaml:%u:%u: ", line, column);
	cr_expect_eq(strncmp(err.text, where, strlen(where)), 0, "%s", err.text);
	cr_expect_not_null(strstr(err.text, message), "no '%s' in: %s", message, err.text);
	conf_free(keys, &c);
}

static void expect_equal(const struct config *a, const struct config *b)
{
	cr_expect_eq(a->enabled, b->enabled);
	cr_expect_eq(a->rto_min_ms, b->rto_min_ms);
	cr_expect_eq(a->entries, b->entries);
	cr_expect_eq(a->kept, b->kept);
	cr_expect_eq(a->mode, b->mode);
	cr_expect_str_eq(a->title, b->title);
	cr_expect_eq(a->optional == NULL, b->optional == NULL);
	if (a->optional != NULL && b->optional != NULL)
		cr_expect_str_eq(a->optional, b->optional);
	cr_expect_eq(memcmp(a->pair, b->pair, sizeof(a->pair)), 0);
	cr_expect_eq(a->nested.deep, b->nested.deep);
	cr_expect_eq(a->nested.below.deepest, b->nested.below.deepest);
	cr_assert_eq(a->item_count, b->item_count);
	for (uint32_t i = 0; i < a->item_count; i++) {
		cr_expect_eq(a->items[i].port, b->items[i].port);
		cr_expect_str_eq(a->items[i].name, b->items[i].name);
		cr_expect_eq(a->items[i].colour, b->items[i].colour);
	}
	cr_assert_eq(a->pair_count, b->pair_count);
	cr_expect_eq(memcmp(a->pairs, b->pairs, sizeof(a->pairs)), 0);
}

/* Prints c, loads what was printed, compares, and frees both. */
static void expect_round_trip(struct config *c)
{
	struct config back;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	conf_print(f, keys, c);
	fclose(f);
	expect_loads(text, &back);
	expect_equal(c, &back);
	conf_free(keys, c);
	conf_free(keys, &back);
	free(text);
}

Test(conf, empty_text_gives_the_defaults)
{
	static const char *const empties[] = {"", "# only a comment\n", "---\n", "{}"};
	struct config c;

	for (size_t i = 0; i < MR_ARRAY_LEN(empties); i++) {
		expect_loads(empties[i], &c);
		cr_expect(c.enabled);
		cr_expect_eq(c.rto_min_ms, 200);
		cr_expect_eq(c.entries, 65536);
		cr_expect_eq(c.kept, 55, "an empty default must leave the field as it was");
		cr_expect_eq(c.mode, 1);
		cr_expect_str_eq(c.title, "a title");
		cr_expect_null(c.optional);
		cr_expect_eq(c.nested.deep, 7);
		cr_expect(c.nested.below.deepest);
		cr_expect_eq(c.item_count, 0);
		cr_expect_eq(c.pair_count, 2);
		cr_expect_eq(c.pairs[1][1], 4);
		conf_free(keys, &c);
	}
}

Test(conf, defaults_alone)
{
	struct config c = {.item_count = 0};
	struct conf_error err;

	cr_assert_eq(conf_defaults(keys, &c, &err), 0, "%s", err.text);
	cr_expect_eq(c.rto_min_ms, 200);
	conf_free(keys, &c);
	cr_assert_eq(conf_defaults(item_keys, &c.items[0], &err), 0,
		     "a required key is no error here");
	conf_free(item_keys, &c.items[0]);
}

Test(conf, loads_every_type)
{
	struct config c;

	expect_loads("enabled: No\nrto_min_ms: 0x10\nentries: 3Mi\nkept: 5\nmode: fast\ntitle: "
		     "\"q\\\"x\"\n"
		     "optional: \npair: 7/8\nnested:\n  deep: 1\n  below: {deepest: off}\n"
		     "items:\n- port: 80\n  name: web\n- {port: 7, colour: blue}\npairs: [9/9]\n",
		     &c);
	cr_expect_not(c.enabled);
	cr_expect_eq(c.rto_min_ms, 16);
	cr_expect_eq(c.entries, 3u << 20);
	cr_expect_eq(c.mode, 0);
	cr_expect_str_eq(c.title, "q\"x");
	cr_expect_str_eq(c.optional, "");
	cr_expect_eq(c.pair[1], 8);
	cr_expect_eq(c.nested.deep, 1);
	cr_expect_not(c.nested.below.deepest);
	cr_assert_eq(c.item_count, 2);
	cr_expect_str_eq(c.items[0].name, "web");
	cr_expect_eq(c.items[0].colour, 1);
	cr_expect_eq(c.items[1].colour, 2);
	cr_expect_eq(c.pair_count, 1);
	conf_free(keys, &c);
}

Test(conf, a_key_with_nothing_behind_it_is_an_empty_mapping_or_list)
{
	struct config c;

	expect_loads("nested:\nitems:\npairs: ~\n", &c);
	cr_expect_eq(c.nested.deep, 7);
	cr_expect_eq(c.item_count, 0);
	cr_expect_eq(c.pair_count, 0);
	conf_free(keys, &c);
}

Test(conf, refuses_unknown_and_repeated_keys)
{
	expect_refused("enabled: yes\nrto_min: 3\n", 2, 1,
		       "key 'rto_min': unknown; did you mean 'rto_min_ms'?");
	expect_refused("nested:\n  dep: 3\n", 2, 3,
		       "key 'nested.dep': unknown; did you mean 'deep'?");
	expect_refused("nested: {zzzzzzz: 3}\n", 1, 10, "known here: deep, below");
	expect_refused("mode: fast\nkept: 1\nmode: fast\n", 3, 1, "given twice, first in line 1");
	expect_refused("items:\n- {port: 1, port: 2}\n", 2, 13, "key 'items[0].port': given twice");
	expect_refused("items:\n- port: 1\n- name: x\n", 3, 3, "key 'items[1].port': missing");
}

Test(conf, refuses_bad_numbers)
{
	static const char *const bad[] = {"12abc", "-1",  "+5", "1.5", "010", "''",
					  "0x",	   "1 2", "ms", "5ms", "1kk", "\" 7\""};
	char text[64];

	for (size_t i = 0; i < MR_ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), "rto_min_ms: %s\n", bad[i]);
		expect_refused(text, 1, 13, "expected a whole number, 1 .. 60000 ms");
	}
	expect_refused("rto_min_ms: 12abc\n", 1, 13, "key 'rto_min_ms' = '12abc': expected");
	expect_refused("rto_min_ms: 0\n", 1, 13, "= '0': expected 1 .. 60000 ms");
	expect_refused("rto_min_ms: 60001\n", 1, 13, "expected 1 .. 60000 ms");
	expect_refused("entries: 18446744073709551616\n", 1, 10,
		       "expected 0 .. 18446744073709551615");
	expect_refused("entries: 18446744073709551615Gi\n", 1, 10, "expected 0 ..");
	expect_refused("rto_min_ms: [1]\n", 1, 13, "(a list)': expected a single value");
	expect_refused("rto_min_ms: {a: 1}\n", 1, 13, "(a mapping)': expected a single value");
}

Test(conf, refuses_other_bad_values)
{
	expect_refused("enabled: maybe\n", 1, 10, "expected true or false");
	expect_refused("mode: carefull\n", 1, 7,
		       "expected one of fast, careful; did you mean 'careful'?");
	expect_refused("title: 12345678901234567890123456789012345678901\n", 1, 8,
		       "text of 0 .. 40 octets");
	expect_refused("title: \"a\\0b\"\n", 1, 8, "without a zero octet");
	expect_refused("pair: 3-4\n", 1, 7, "key 'pair' = '3-4': expected two numbers");
	expect_refused("pairs: [1/1, 2]\n", 1, 14, "key 'pairs[1]' = '2': expected two numbers");
	expect_refused("pairs: 1/1\n", 1, 8, "expected a list");
	expect_refused("nested: 3\n", 1, 9, "expected a mapping");
	expect_refused("- a\n", 1, 1, "expected a mapping");
	expect_refused("items: [{port: 1}, {port: 2}, {port: 3}, {port: 4}]\n", 1, 42,
		       "at most 3 items");
}

Test(conf, refuses_what_is_no_plain_yaml)
{
	expect_refused("enabled: yes\n\tkept: 1\n", 2, 1, "not YAML");
	expect_refused("title: &a x\noptional: *a\n", 2, 11,
		       "(an alias)': expected a single value");
	expect_refused("[a, b]: 1\n", 1, 1, "expected the name of a key");
	expect_refused("kept: 1\n---\nkept: 2\n", 2, 1, "a second one");
}

Test(conf, file_is_named_in_errors)
{
	char path[] = "/tmp/mr-conf-XXXXXX";
	struct config c = {0};
	struct conf_error err;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "kept: 101\n", 10), 10);
	close(fd);
	cr_expect_eq(conf_load_file(path, keys, &c, &err), -1);
	cr_expect_eq(strncmp(err.text, path, strlen(path)), 0, "%s", err.text);
	unlink(path);
	conf_free(keys, &c);
	cr_expect_eq(conf_load_file(path, keys, &c, &err), -1);
	cr_expect_not_null(strstr(err.text, "No such file"), "%s", err.text);
}

Test(conf_print, what_is_printed_loads_back_equal)
{
	struct config c;

	expect_loads("", &c);
	expect_round_trip(&c);
	expect_loads(
		"title: 'a: b # \"\\ c'\noptional: ''\npair: 200/1\nitems: [{port: 3, name: 'no'}, "
		"{port: 4}]\n"
		"pairs: []\nnested: {deep: 0, below: {deepest: no}}\nmode: fast\nenabled: off\n",
		&c);
	expect_round_trip(&c);
}

/* Control characters and Unicode's own line breaks included. */
Test(conf_print, any_text_survives)
{
	static const char *const pieces[] = {"a",
					     " ",
					     "\n",
					     "\t",
					     "\"",
					     "\\",
					     "'",
					     ": ",
					     "#",
					     "\x01",
					     "\x7f",
					     "\xc2\x85",
					     "\xc2\x81",
					     "\xe2\x80\xa8",
					     "\xe2\x80\xa9",
					     "\xc3\xa9",
					     "\xe2\x82\xac",
					     "\xf0\x9f\x8c\x8a",
					     "~",
					     "- ",
					     "\r"};
	struct mr_rng rng;

	mr_rng_seed(&rng, 9);
	for (int round = 0; round < 500; round++) {
		char text[41] = "";
		struct config c;

		expect_loads("title: ''", &c);
		for (size_t len = 0; len < 36; len = strlen(text))
			snprintf(text + len, sizeof(text) - len, "%s",
				 pieces[mr_rng_below(&rng, MR_ARRAY_LEN(pieces))]);
		free(c.title);
		c.title = strdup(text);
		expect_round_trip(&c);
	}
}

Test(conf_print, reference_names_range_unit_default_and_help)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	conf_print_reference(f, keys);
	fclose(f);
	cr_expect_not_null(
		strstr(text,
		       "rto_min_ms: 1 .. 60000 ms; default 200\n    Least RTO (RFC 6298 2.4).\n"),
		"%s", text);
	cr_expect_not_null(strstr(text, "mode: fast | careful; default careful\n"));
	cr_expect_not_null(strstr(text, "  port: 1 .. 65535; required\n"));
	cr_expect_not_null(strstr(text, "items: list of 0 .. 3 items; default []\n"));
	free(text);
}
