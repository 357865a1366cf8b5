/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words of a command line, for the programs of bench/: --FLAG, --NAME VALUE, --NAME=VALUE, and the
 * kinds of values that all know. Which options there are is each program's own table. One thread.
 */
#ifndef BENCH_ARGS_H
#define BENCH_ARGS_H

#include "attr.h"

#define ARGS_STRING_MAX 256u
#define ARGS_ERROR_MAX	512u

/* The words, and where the parser stands. */
struct args {
	int argc;
	char *const *argv;
	int i;			/* the word to look at next */
	const char *program;	/* for what is told */
	char *err;		/* ARGS_ERROR_MAX octets: why one of the functions returned false */
};

/* The word at args.i. */
struct args_word {
	const char *text;	/* as it stands */
	const char *name;	/* behind the dashes, up to its end or to '='; NULL: no option */
	size_t len;		/* of the name */
	const char *value;
};

void args_word(const struct args *a, struct args_word *w);
/** There is no option of that name. False. */
bool args_unknown(const struct args *a, const struct args_word *w);
/**
 * Finds the value, in this word or the next; a flag has none. Moves on behind both. name: the
 * option's own; wanted: what kind of value, for who gives none.
 */
bool args_value(struct args *a, struct args_word *w, const char *name, const char *wanted);
/** As args_value, of an option that takes no value. */
bool args_flag(struct args *a, const struct args_word *w, const char *name);
/** True when expected, what one of the functions below returned, is NULL. */
bool args_taken(const struct args *a, const struct args_word *w, const char *name,
		const char *expected);

/* Each stores a value and returns NULL, or returns what was expected. */

/** Decimal with an optional suffix k, M or G (powers of 1000). No value is half accepted. */
const char *args_count(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/** The index of one of the names, which end with NULL. */
const char *args_enum(const char *text, const char *const *names, uint32_t *out);
/** 1 to 255 characters, into ARGS_STRING_MAX. */
const char *args_string(const char *text, char *out);

#endif /* BENCH_ARGS_H */
