/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes one JSON document (RFC 8259) into a buffer that grows: commas, quotes and escapes are
 * its business, the right order of open and close is the caller's and checked. Strings may be any
 * octets: what is not UTF-8 is written as U+FFFD, so that the document always is. Control threads
 * only.
 */
#ifndef MR_JSON_H
#define MR_JSON_H

#include "attr.h"

#define JSON_DEPTH_MAX 16u

struct json {
	char *buf;		/* len octets, not zero-terminated; owned */
	size_t len, cap;
	unsigned int depth;
	char closer[JSON_DEPTH_MAX];	/* '}' or ']' of each open level */
	bool has_items;		/* of the innermost level */
	bool after_key;
	bool failed;		/* memory was short: the document is not complete */
};

void json_init(struct json *j);
void json_free(struct json *j);
/** Drops what is in the buffer, not where the document stands: for sending it in pieces. */
void json_drain(struct json *j);

void json_open_object(struct json *j);
void json_close_object(struct json *j);
void json_open_array(struct json *j);
void json_close_array(struct json *j);
/** The name of the next value, in an object. */
void json_key(struct json *j, const char *name);
void json_string(struct json *j, const char *text);
void json_uint(struct json *j, uint64_t value);
void json_bool(struct json *j, bool value);
/** A fixed-point number with three decimals: 1234 is 1.234. */
void json_milli(struct json *j, uint64_t thousandths);

/* Key and value in one. */
void json_put_string(struct json *j, const char *name, const char *text);
void json_put_uint(struct json *j, const char *name, uint64_t value);
void json_put_bool(struct json *j, const char *name, bool value);

#endif /* MR_JSON_H */
