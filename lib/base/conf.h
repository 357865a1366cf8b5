/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * YAML into C structs by one table of keys: name, type, range, unit, default and help. Used by the
 * daemon's configuration and by the driver profiles. A wrong key, type, range or a key given twice
 * stops the load with file, line, key, value and what was expected (libyaml's events carry the
 * marks). Control thread only, before start.
 */
#ifndef MR_CONF_H
#define MR_CONF_H

#include <stdio.h>

#include "attr.h"

enum conf_type {
	CONF_BOOL,	/* bool: true/false/yes/no/on/off */
	CONF_UINT,	/* uint64_t; decimal or 0x; suffixes k M G (1000) Ki Mi Gi (1024) */
	CONF_ENUM,	/* uint32_t: index in `names` (NULL-terminated) */
	CONF_STRING,	/* char *: allocated; length within min..max */
	CONF_CUSTOM,	/* parse() is given the scalar */
	CONF_MAP,	/* nested mapping: `keys`; one that is not given counts as an empty one */
	CONF_LIST,	/* sequence of mappings (`keys`) or of scalars (`parse`) into an array */
};

struct conf_error {
	char text[512];		/* file:line:column: key 'a.b' = 'value': expected ... */
	unsigned int line, column;
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;		/* of the field in the parent's struct; CONF_LIST: of its array */
	/* Range of a CONF_UINT, of the length of a CONF_STRING, of the items of a CONF_LIST. */
	uint64_t min, max;
	const char *unit;	/* "ms", "octets", ""; CONF_CUSTOM: what it is, "address/length" */
	/*
	 * Default as YAML text; NULL: required, "": leave the field as it is. Not used for a
	 * CONF_MAP, whose keys have their own.
	 */
	const char *def;
	const char *const *names;
	/* Returns NULL, or what was expected. */
	const char *(*parse)(void *field, const char *text);
	/* Prints the field as a YAML scalar (CONF_CUSTOM, scalar lists); nothing: not set. */
	void (*print)(FILE *f, const void *field);
	const struct conf_key *keys;	/* ends with name == NULL */
	size_t item_size;		/* CONF_LIST: of one item; the array has room for max */
	size_t count_offset;		/* CONF_LIST: of its uint32_t count in that struct */
	const char *help;		/* one sentence, with its source (RFC section) if any */
};

/**
 * Loads a file (path) into *out; keys not given take their default. 0 or -1 with *err filled. The
 * caller has zeroed *out, or set the fields whose default is "" (never a CONF_STRING); conf_free()
 * is due after a failure too.
 */
int conf_load_file(const char *path, const struct conf_key *keys, void *out,
		   struct conf_error *err);
/** As conf_load_file from text; `name` stands for the file in errors. */
int conf_load_text(const char *name, const char *text, size_t len, const struct conf_key *keys,
		   void *out, struct conf_error *err);
/** Applies the defaults only; required keys are left as they are. */
int conf_defaults(const struct conf_key *keys, void *out, struct conf_error *err);
/** Prints the effective values as YAML that conf_load_text reads back to the same values. */
void conf_print(FILE *f, const struct conf_key *keys, const void *in);
/** Prints the table itself: key, type, range, unit, default, help (for --help-config and docs). */
void conf_print_reference(FILE *f, const struct conf_key *keys);
/** Writes '?' over what a terminal obeys, line ends too: values that errors quote may hold any. */
void conf_one_line(char *text);
/** Frees what CONF_STRING allocated. */
void conf_free(const struct conf_key *keys, void *in);

#endif /* MR_CONF_H */
