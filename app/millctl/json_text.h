/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prints a JSON document for people while it streams by: objects as indented "key value" lines,
 * and a list of flat objects as a table whose columns are the keys of its first row, as wide as
 * what stands in them. Rows are held until there are JSON_TEXT_ROWS_MAX of them, or the list ends:
 * a shorter table is aligned throughout, a listing of millions needs no memory and only grows
 * wider. Objects of many keys, or with something nested in them, are no rows: each is printed as
 * lines, the first one marked. Knows no particular document.
 */
#ifndef MR_JSON_TEXT_H
#define MR_JSON_TEXT_H

#include <stdio.h>

#include "attr.h"

#define JSON_TEXT_DEPTH_MAX	16u
#define JSON_TEXT_COLUMNS_MAX	10u
#define JSON_TEXT_CELL_MAX	256u
#define JSON_TEXT_ROWS_MAX	128u
#define JSON_TEXT_HELD_MAX	32768u

static_assert(JSON_TEXT_HELD_MAX > 2 * JSON_TEXT_COLUMNS_MAX * JSON_TEXT_CELL_MAX,
	      "there is always room for one row more");

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
	bool item_begins;	/* the next line is the first of an item of a list */
	bool empty;		/* nothing was printed of the innermost level */
	char key[64];
	/* The table under way */
	char column[JSON_TEXT_COLUMNS_MAX][32];	/* the keys of its first row */
	unsigned int width[JSON_TEXT_COLUMNS_MAX];
	unsigned int columns;
	bool header_done;
	char held[JSON_TEXT_HELD_MAX];	/* cells of its rows, each with a zero at the end */
	size_t held_len;
	size_t row_at;			/* where the row under way begins */
	unsigned int rows;		/* held before it */
	unsigned int cells;		/* of it */
	/* Of the top level, and not printed */
	char error_text[JSON_TEXT_CELL_MAX];	/* "error" */
	bool more;				/* "more" */
};

void json_text_init(struct json_text *t, FILE *out, bool skip_zeroes);
/** The next piece of the document, of any size. */
void json_text_feed(struct json_text *t, const char *data, size_t len);
/** Prints what is still held. True when a whole document went by. */
bool json_text_end(struct json_text *t);

#endif /* MR_JSON_TEXT_H */
