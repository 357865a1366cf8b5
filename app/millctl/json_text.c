/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON (RFC 8259) for people: see json_text.h. A lexer that takes octets, and one function per
 * token. The daemon's own writer made the document: what is checked is that it is whole, not
 * every rule.
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

/* "" before the first octet and after a whole document. */
bool json_text_done(const struct json_text *t)
{
	return t->error == JSON_TEXT_GOOD && t->depth == 0 && t->lex == LEX_BETWEEN;
}

/* ---- Printing -------------------------------------------------------------------------------- */

static void indent(const struct json_text *t)
{
	fprintf(t->out, "%*s", (int)(t->depth > 1 ? (t->depth - 1) * 2 : 0), "");
}

/* What a terminal might take for a command is not printed. */
static void copy_printable(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from != '\0' && n + 1 < size; from++)
		to[n++] = (unsigned char)*from < 0x20 || *from == 0x7f ? '?' : *from;
	to[n] = '\0';
}

static int column_width(const char *key)
{
	static const struct {
		const char *key;
		int width;
	} known[] = {
		{"state", 12},	   {"local", 28},     {"peer", 28},	{"listener", 14},
		{"name", 18},	   {"driver", 14},    {"accepted", 12}, {"closed", 12},
		{"rx_octets", 16}, {"tx_octets", 16}, {"mac", 18},
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(known); i++) {
		if (strcmp(known[i].key, key) == 0)
			return known[i].width;
	}
	return (int)strlen(key) + 2;
}

static void print_row(struct json_text *t)
{
	for (unsigned int i = 0; !t->header_done && i < t->columns; i++)
		fprintf(t->out, "%s%-*s", i == 0 ? "  " : " ", column_width(t->row_key[i]),
			t->row_key[i]);
	if (!t->header_done)
		fputc('\n', t->out);
	t->header_done = true;
	for (unsigned int i = 0; i < t->columns; i++)
		fprintf(t->out, "%s%-*s", i == 0 ? "  " : " ", column_width(t->row_key[i]),
			t->row[i]);
	fputc('\n', t->out);
}

/* A row that has a container in it is no row: what was held is printed as lines. */
static void give_up_row(struct json_text *t)
{
	if (!t->in_row)
		return;
	t->in_row = false;
	for (unsigned int i = 0; i < t->columns; i++) {
		indent(t);
		fprintf(t->out, "%s %s\n", t->row_key[i], t->row[i]);
	}
	t->columns = 0;
}

static void print_value(struct json_text *t)
{
	if (t->in_row) {
		if (t->columns == JSON_TEXT_COLUMNS_MAX)
			return;
		snprintf(t->row_key[t->columns], sizeof(t->row_key[0]), "%.31s", t->key);
		copy_printable(t->row[t->columns], sizeof(t->row[0]), t->cell);
		t->columns++;
		return;
	}
	if (t->skip_zeroes && strcmp(t->cell, "0") == 0)
		return;
	copy_printable(t->cell, sizeof(t->cell), t->cell);
	indent(t);
	if (t->depth > 0 && t->level[t->depth - 1] == '{')
		fprintf(t->out, "%-26s %s\n", t->key, t->cell);
	else
		fprintf(t->out, "- %s\n", t->cell);
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
	if (c == '[')
		t->header_done = false;
	t->in_row = in_list && c == '{';
	t->columns = 0;
	t->expect_key = c == '{';
}

static void close_level(struct json_text *t, char c)
{
	if (t->depth == 0 || t->level[t->depth - 1] != (c == '}' ? '{' : '[')) {
		t->error = JSON_TEXT_MALFORMED;
		return;
	}
	if (t->in_row)
		print_row(t);
	t->in_row = false;
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
