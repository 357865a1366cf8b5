/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values and their text: one scalar out of its text, near misses of names, the values as YAML that
 * conf.c loads to the same values, and the table of keys for people to read. Knows no YAML parser
 * and no place in a file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "check.h"
#include "conf_text.h"

static void print_map(FILE *f, const struct conf_key *keys, const char *in, int depth,
		      bool in_item);

/* ---- Near misses ----------------------------------------------------------------------------- */

void conf_append_word(char *list, const char *separator, const char *word)
{
	size_t len = strlen(list), gap = strlen(separator), add = strlen(word);

	if (len + gap + add >= CONF_EXPECTED_MAX)
		return;
	memcpy(list + len, separator, gap);
	memcpy(list + len + gap, word, add + 1);
}

/* Levenshtein's distance with one row of the matrix. */
static size_t distance(const char *a, const char *b)
{
	size_t row[CONF_NAME_MAX + 1], la = strlen(a), lb = strlen(b);

	if (la > CONF_NAME_MAX || lb > CONF_NAME_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			size_t indel = MR_MIN(row[j], row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = MR_MIN(change, indel);
		}
	}
	return row[lb];
}

struct conf_near conf_near_none(const char *typed)
{
	return (struct conf_near){.typed = typed, .best = NULL, .distance = SIZE_MAX};
}

void conf_near_consider(struct conf_near *near, const char *candidate)
{
	size_t d = distance(near->typed, candidate);
	size_t limit = MR_MAX(strlen(candidate) / 3, (size_t)1);

	if (d <= limit && d < near->distance) {
		near->best = candidate;
		near->distance = d;
	}
}

/* ---- Scalars from text ----------------------------------------------------------------------- */

static bool suffix_factor(const char *s, uint64_t *factor)
{
	static const struct {
		const char *suffix;
		uint64_t factor;
	} table[] = {
		{"", 1}, {"k", 1000}, {"M", 1000000}, {"G", 1000000000},
		{"Ki", 1ull << 10}, {"Mi", 1ull << 20}, {"Gi", 1ull << 30},
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(table); i++) {
		if (strcmp(s, table[i].suffix) == 0) {
			*factor = table[i].factor;
			return true;
		}
	}
	return false;
}

/*
 * strtoull() would skip blanks, take a sign and read 010 as eight: what may stand there is checked
 * first. *overflow: a number, but more than 64 bits.
 */
static bool parse_uint(const char *s, uint64_t *value, bool *overflow)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	const char *digits = hex ? s + 2 : s;
	size_t n = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
	uint64_t factor;

	*overflow = false;
	if (n == 0 || (!hex && n > 1 && digits[0] == '0') || !suffix_factor(digits + n, &factor))
		return false;
	errno = 0;
	*value = strtoull(digits, NULL, hex ? 16 : 10);
	*overflow = errno == ERANGE || __builtin_mul_overflow(*value, factor, value);
	return true;
}

static bool set_uint(const struct conf_key *key, const char *text, uint64_t *out, char *expected)
{
	const char *unit = key->unit != NULL ? key->unit : "";
	const char *space = unit[0] != '\0' ? " " : "";
	uint64_t value = 0;
	bool overflow, number = parse_uint(text, &value, &overflow);

	if (number && !overflow && value >= key->min && value <= key->max) {
		*out = value;
		return true;
	}
	snprintf(expected, CONF_EXPECTED_MAX, "%s%" PRIu64 " .. %" PRIu64 "%s%.40s%s",
		 number ? "" : "a whole number, ", key->min, key->max, space, unit,
		 number ? "" : " (suffixes k M G Ki Mi Gi)");
	return false;
}

static bool set_bool(const char *text, bool *out, char *expected)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < MR_ARRAY_LEN(words); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*out = i % 2 == 1;
			return true;
		}
	}
	snprintf(expected, CONF_EXPECTED_MAX, "true or false (yes/no, on/off)");
	return false;
}

static bool set_enum(const struct conf_key *key, const char *text, uint32_t *out, char *expected)
{
	struct conf_near near = conf_near_none(text);

	snprintf(expected, CONF_EXPECTED_MAX, "one of ");
	for (uint32_t i = 0; key->names[i] != NULL; i++) {
		if (strcmp(text, key->names[i]) == 0) {
			*out = i;
			return true;
		}
		conf_near_consider(&near, key->names[i]);
		conf_append_word(expected, i > 0 ? ", " : "", key->names[i]);
	}
	if (near.best != NULL) {
		conf_append_word(expected, "; did you mean '", near.best);
		conf_append_word(expected, "'?", "");
	}
	return false;
}

static bool set_string(const struct conf_key *key, const char *text, char **out, char *expected)
{
	size_t len = strlen(text);

	if (len < key->min || len > key->max) {
		snprintf(expected, CONF_EXPECTED_MAX, "text of %" PRIu64 " .. %" PRIu64 " octets",
			 key->min, key->max);
		return false;
	}
	*out = strdup(text);
	MR_ASSERT(*out != NULL);
	return true;
}

static bool set_parsed(const struct conf_key *key, const char *text, void *field, char *expected)
{
	const char *wanted = key->parse(field, text);

	if (wanted == NULL)
		return true;
	snprintf(expected, CONF_EXPECTED_MAX, "%s", wanted);
	return false;
}

bool conf_set_scalar(const struct conf_key *key, const char *text, void *field, char *expected)
{
	switch (key->type) {
	case CONF_BOOL:
		return set_bool(text, field, expected);
	case CONF_UINT:
		return set_uint(key, text, field, expected);
	case CONF_ENUM:
		return set_enum(key, text, field, expected);
	case CONF_STRING:
		return set_string(key, text, field, expected);
	case CONF_CUSTOM:
	case CONF_LIST: /* an item of a list of scalars */
		return set_parsed(key, text, field, expected);
	case CONF_MAP:
	default:
		MR_ASSERT(!"a mapping is no scalar");
	}
}

/* ---- Values as YAML -------------------------------------------------------------------------- */

static void indent(FILE *f, int depth)
{
	fprintf(f, "%*s", depth * 2, "");
}

/*
 * Control characters and line breaks of Unicode (C1, NEL, LS, PS) do not survive YAML unescaped:
 * the number of octets of such a character at s, and its code point; 0 for all others.
 */
static size_t needs_escape(const unsigned char *s, unsigned int *code)
{
	*code = s[0];
	if (s[0] < 0x20 || s[0] == 0x7f)
		return 1;
	*code = s[1]; /* U+0080 .. U+009F are 0xc2 and their own low octet */
	if (s[0] == 0xc2 && s[1] < 0xa0)
		return 2;
	*code = s[0] == 0xe2 && s[1] == 0x80 ? 0x2000u + (s[2] & 0x3fu) : 0;
	return *code == 0x2028 || *code == 0x2029 ? 3 : 0;
}

static void print_quoted(FILE *f, const char *s)
{
	fputc('"', f);
	while (*s != '\0') {
		unsigned int code;
		size_t skip = needs_escape((const unsigned char *)s, &code);

		if (skip > 0) {
			fprintf(f, "\\u%04x", code);
			s += skip;
			continue;
		}
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		fputc(*s++, f);
	}
	fputc('"', f);
}

static bool custom_is_set(const struct conf_key *key, const void *field)
{
	char *text = NULL;
	size_t len = 0;
	FILE *mem = open_memstream(&text, &len);

	MR_ASSERT(mem != NULL);
	key->print(mem, field);
	MR_ASSERT(fclose(mem) == 0);
	free(text);
	return len > 0;
}

/* A key that is not set is left out: loading it back leaves it unset as well. */
static bool is_set(const struct conf_key *key, const char *in)
{
	switch (key->type) {
	case CONF_STRING:
		return *(char *const *)(const void *)(in + key->offset) != NULL;
	case CONF_LIST:
		return *(const uint32_t *)(const void *)(in + key->count_offset) >= key->min;
	case CONF_CUSTOM:
		return custom_is_set(key, in + key->offset);
	case CONF_BOOL:
	case CONF_UINT:
	case CONF_ENUM:
	case CONF_MAP:
	default:
		return true;
	}
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

/* ---- The table itself ------------------------------------------------------------------------ */

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
	if (key->def == NULL)
		fputs(key->type != CONF_MAP ? "; required" : "", f);
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
