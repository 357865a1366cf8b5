/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON (RFC 8259) for people: see json_text.h. A lexer that takes octets, and one function per
 * token; tables are held in one buffer of cells. The daemon's own writer made the document: what
 * is checked is that it is whole, not every rule.
 */
#include <string.h>

#include "json_text.h"

enum lex_state { LEX_BETWEEN, LEX_STRING, LEX_ESCAPE, LEX_HEX, LEX_BARE };

void json_text_init(struct json_text *t, FILE *out, bool skip_zeroes)
{
	memset(t, 0, sizeof(*t));
	t->out = out;
	t->skip_zeroes = skip_zeroes;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* What a terminal might take for a command is not printed. */
static void copy_printable(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from != '\0' && n + 1 < size; from++)
		to[n++] = (unsigned char)*from < 0x20 || *from == 0x7f ? '?' : *from;
	to[n] = '\0';
}

static void indent(struct json_text *t)
{
	int spaces = t->depth > 1 ? (int)(t->depth - 1) * 2 : 0;

	if (t->item_begins && spaces > 0)
		fprintf(t->out, "%*s- ", spaces - 2, "");
	else
		fprintf(t->out, "%*s", spaces, "");
	t->item_begins = false;
	t->empty = false;
}

/* The first key of an item says which one it is, even if that is 0. */
static void print_line(struct json_text *t, const char *key, const char *cell)
{
	if (t->skip_zeroes && !t->item_begins && strcmp(cell, "0") == 0)
		return;
	indent(t);
	fprintf(t->out, "%-26s %s\n", key, cell);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

/* Of UTF-8, as a terminal shows it: octets that continue a character take no place. */
static unsigned int width_of(const char *text)
{
	unsigned int width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Widths for what later rows may bring, so that a long table stays aligned. */
static unsigned int least_width(const char *key)
{
	static const struct {
		const char *key, *widest;
	} known[] = {
		{"state", "ESTABLISHED"},
		{"local", "255.255.255.255:65535"},
		{"peer", "255.255.255.255:65535"},
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(known); i++) {
		if (strcmp(known[i].key, key) == 0)
			return width_of(known[i].widest);
	}
	return width_of(key);
}

/* Nothing stands behind the last cell. */
static void print_cell(const struct json_text *t, unsigned int i, const char *text)
{
	bool last = i + 1 == t->columns;

	fprintf(t->out, "%s%s%*s", i == 0 ? "  " : "", text,
		last ? 0 : (int)(t->width[i] + 2 - width_of(text)), "");
	if (last)
		fputc('\n', t->out);
}

/* Prints the rows that are held, but not the one under way. */
static void print_rows(struct json_text *t)
{
	const char *at = t->held;

	for (unsigned int i = 0; t->rows > 0 && !t->header_done && i < t->columns; i++)
		print_cell(t, i, t->column[i]);
	t->header_done |= t->rows > 0;
	for (; t->rows > 0; t->rows--) {
		for (unsigned int i = 0; i < t->columns; i++) {
			print_cell(t, i, at);
			at += strlen(at) + 1;
		}
	}
}

static void table_begin(struct json_text *t)
{
	t->columns = 0;
	t->header_done = false;
	t->held_len = t->row_at = 0;
}

static void row_begin(struct json_text *t)
{
	t->in_row = true;
	t->cells = 0;
}

/* The row under way is none: what was held of it is printed as lines. */
static void give_up_row(struct json_text *t)
{
	const char *at = t->held + t->row_at;

	if (!t->in_row)
		return;
	t->in_row = false;
	print_rows(t);
	for (unsigned int i = 0; i < t->cells; i++) {
		print_line(t, t->column[i], at);
		at += strlen(at) + 1;
	}
	table_begin(t);
}

/* False: the first row has too many keys for a table. */
static bool hold_cell(struct json_text *t, const char *cell)
{
	bool first = t->rows == 0 && !t->header_done;
	unsigned int i = t->cells;

	if (first && i == JSON_TEXT_COLUMNS_MAX)
		return false;
	if (first) {
		snprintf(t->column[i], sizeof(t->column[0]), "%.31s", t->key);
		t->width[i] = least_width(t->column[i]);
		t->columns = i + 1;
	}
	if (i == t->columns)
		return true; /* a key that the first row has not: there is no column for it */
	t->width[i] = MR_MAX(t->width[i], width_of(cell));
	memcpy(t->held + t->held_len, cell, strlen(cell) + 1);
	t->held_len += strlen(cell) + 1;
	t->cells++;
	return true;
}

static void row_end(struct json_text *t)
{
	while (t->cells < t->columns)
		hold_cell(t, "");
	t->in_row = t->item_begins = t->empty = false;
	t->row_at = t->held_len;
	if (++t->rows < JSON_TEXT_ROWS_MAX &&
	    t->held_len + JSON_TEXT_COLUMNS_MAX * JSON_TEXT_CELL_MAX <= sizeof(t->held))
		return;
	print_rows(t);
	t->held_len = t->row_at = 0;
}

/* "" before the first octet and after a whole document. */
bool json_text_end(struct json_text *t)
{
	print_rows(t);
	return t->error == JSON_TEXT_GOOD && t->depth == 0 && t->lex == LEX_BETWEEN;
}

static void print_value(struct json_text *t)
{
	copy_printable(t->cell, sizeof(t->cell), t->cell);
	if (t->in_row && hold_cell(t, t->cell))
		return;
	give_up_row(t);
	if (t->depth > 0 && t->level[t->depth - 1] == '{') {
		print_line(t, t->key, t->cell);
	} else if (!t->skip_zeroes || strcmp(t->cell, "0") != 0) {
		indent(t);
		fprintf(t->out, "- %s\n", t->cell);
	}
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

static void value(struct json_text *t)
{
	t->cell[t->cell_len] = '\0';
	t->cell_len = 0;
	if (t->expect_key) {
		copy_printable(t->key, sizeof(t->key), t->cell);
		t->expect_key = false;
		return;
	}
	if (strcmp(t->key, "error") == 0 && t->depth == 1)
		copy_printable(t->error_text, sizeof(t->error_text), t->cell);
	else if (strcmp(t->key, "more") == 0 && t->depth == 1)
		t->more = strcmp(t->cell, "true") == 0;
	else
		print_value(t);
}

static void open_level(struct json_text *t, char c)
{
	bool in_list = t->depth > 0 && t->level[t->depth - 1] == '[';

	if (t->depth == JSON_TEXT_DEPTH_MAX) {
		t->error = JSON_TEXT_TOO_DEEP;
		return;
	}
	give_up_row(t);
	if (!in_list && t->depth > 0) {
		indent(t);
		fprintf(t->out, "%s:\n", t->key);
	}
	t->level[t->depth++] = c;
	t->expect_key = c == '{';
	t->item_begins = in_list && c == '{';
	t->empty = true;
	if (t->item_begins)
		row_begin(t);
	else
		table_begin(t);
}

static void close_level(struct json_text *t, char c)
{
	if (t->depth == 0 || t->level[t->depth - 1] != (c == '}' ? '{' : '[')) {
		t->error = JSON_TEXT_MALFORMED;
		return;
	}
	if (t->in_row) {
		row_end(t);
	} else {
		print_rows(t);
		table_begin(t);
	}
	if (t->empty && t->depth > 1) {
		indent(t);
		fputs(c == '}' && t->skip_zeroes ? "(all 0)\n" : "(none)\n", t->out);
	}
	t->empty = false;
	t->depth--;
	t->expect_key = false;
}

static void between(struct json_text *t, char c)
{
	if (c == '{' || c == '[') {
		open_level(t, c);
	} else if (c == '}' || c == ']') {
		close_level(t, c);
	} else if (c == ',') {
		t->expect_key = t->depth > 0 && t->level[t->depth - 1] == '{';
	} else if (c == '"') {
		t->lex = LEX_STRING;
	} else if (strchr(" \t\r\n:", c) == NULL) {
		t->lex = LEX_BARE;
		t->cell[t->cell_len++] = c;
	}
}

/* ---- Octets ---------------------------------------------------------------------------------- */

static void add_octet(struct json_text *t, char c)
{
	if (t->cell_len + 1 < sizeof(t->cell))
		t->cell[t->cell_len++] = c;
}

static void escape(struct json_text *t, char c)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at = strchr(from, c);

	t->lex = LEX_STRING;
	if (c == 'u') {
		t->lex = LEX_HEX;
		t->hex_left = 4;
		t->hex = 0;
	} else {
		add_octet(t, at != NULL && c != '\0' ? to[at - from] : c);
	}
}

/* The daemon writes only control characters as \u: others are shown as '?'. */
static void hex_digit(struct json_text *t, char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c);

	if (at == NULL || c == '\0') {
		t->error = JSON_TEXT_MALFORMED;
		return;
	}
	t->hex = t->hex << 4 | (unsigned int)(at - digits);
	if (--t->hex_left > 0)
		return;
	add_octet(t, t->hex > 0 && t->hex < 0x80 ? (char)t->hex : '?');
	t->lex = LEX_STRING;
}

static void octet(struct json_text *t, char c)
{
	switch ((enum lex_state)t->lex) {
	case LEX_BETWEEN:
		between(t, c);
		return;
	case LEX_STRING:
		if (c == '\\') {
			t->lex = LEX_ESCAPE;
		} else if (c == '"') {
			t->lex = LEX_BETWEEN;
			value(t);
		} else {
			add_octet(t, c);
		}
		return;
	case LEX_ESCAPE:
		escape(t, c);
		return;
	case LEX_HEX:
		hex_digit(t, c);
		return;
	case LEX_BARE:
		if (strchr(",}] \t\r\n", c) == NULL) {
			add_octet(t, c);
			return;
		}
		t->lex = LEX_BETWEEN;
		value(t);
		between(t, c);
		return;
	}
}

void json_text_feed(struct json_text *t, const char *data, size_t len)
{
	for (size_t i = 0; i < len && t->error == JSON_TEXT_GOOD; i++)
		octet(t, data[i]);
}
