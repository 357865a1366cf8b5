/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prints a JSON document for people while it streams by: objects as indented "key value" lines,
 * and a list of flat objects as a table whose columns are the keys of its first row. Holds one
 * row at a time, so a listing of millions needs no memory. Knows no particular document.
 */
#ifndef MR_JSON_TEXT_H
#define MR_JSON_TEXT_H

#include <stdio.h>

#include "attr.h"

#define JSON_TEXT_DEPTH_MAX	16u
#define JSON_TEXT_COLUMNS_MAX	24u
#define JSON_TEXT_CELL_MAX	256u

enum json_text_error { JSON_TEXT_GOOD, JSON_TEXT_MALFORMED, JSON_TEXT_TOO_DEEP };

struct json_text {
	FILE *out;
	bool skip_zeroes;	/* leave numbers out that are 0 */
	enum json_text_error error;
	/* Lexer */
	unsigned int lex;	/* enum lex_state, in json_text.c */
	unsigned int hex_left, hex;
	char cell[JSON_TEXT_CELL_MAX];	/* of the token under way; what is longer is cut */
	size_t cell_len;
	/* Where in the document */
	char level[JSON_TEXT_DEPTH_MAX];	/* '{' or '[' */
	unsigned int depth;
	bool expect_key, in_row;
	char key[64];
	/* The row of a table under way */
	char row_key[JSON_TEXT_COLUMNS_MAX][32];
	char row[JSON_TEXT_COLUMNS_MAX][64];
	unsigned int columns;
	bool header_done;
	/* The value of a top-level "error", or of any */
	char error_text[JSON_TEXT_CELL_MAX];
};

void json_text_init(struct json_text *t, FILE *out, bool skip_zeroes);
/** The next piece of the document, of any size. */
void json_text_feed(struct json_text *t, const char *data, size_t len);
/** True when a whole document went by. */
bool json_text_done(const struct json_text *t);

#endif /* MR_JSON_TEXT_H */
