/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One HTTP/1 request out of octets, in pieces of any size (RFC 9112). The only file that knows
 * libhttp-parser is http_parse.c; its upstream has ended, and another library would be put there.
 * Owns nothing but the struct; never allocates; never reads past what it is given.
 */
#ifndef MR_HTTP_PARSE_H
#define MR_HTTP_PARSE_H

#include "attr.h"

/* The request target while it is read; http.c then builds the head of its reply in the same place.
 */
#define HTTP_TEXT_MAX 384u
/* A body that a GET carries is read and dropped up to this; more is refused (RFC 9110 9.3.1). */
#define HTTP_REQUEST_BODY_MAX 65536u

enum http_parse_result {
	HTTP_PARSE_MORE, /* the request is not complete yet */
	HTTP_PARSE_DONE, /* complete: status is 0, or what to answer; the connection may go on */
	HTTP_PARSE_BAD,	 /* status says what to answer; the connection cannot go on */
};

enum http_verb { HTTP_VERB_GET, HTTP_VERB_HEAD, HTTP_VERB_OTHER };

struct http_request {
	uint64_t parser[4];	/* the library's state, opaque */
	uint32_t octets; /* of request line and header fields so far; 0: nothing of it came yet */
	uint32_t body_octets;
	uint16_t status;	/* 0, or the error found */
	uint16_t text_len;
	uint8_t verb;		/* enum http_verb; valid when DONE */
	uint8_t hosts;		/* Host fields seen */
	uint8_t host_match;	/* octets of "host" that the current field's name has matched */
	bool in_value;		/* the last piece was of a value: the next name is a new field */
	bool in_body;
	bool complete;
	bool keep_alive;
	bool http10;
	char text[HTTP_TEXT_MAX];
};

void http_request_init(struct http_request *r);
/**
 * Feeds len (> 0) octets; returns how many were used: to be called again with the rest while
 * *result is MORE. The head may have header_max octets (> 0); more is status 431 (RFC 6585 5).
 */
uint32_t http_request_feed(struct http_request *r, const char *data, uint32_t len,
			   uint32_t header_max, enum http_parse_result *result);
/**
 * The path of the target in `path` (cap octets, zero-terminated): without scheme, authority and
 * query, percent-decoded. False: there is none, or its encoding is broken.
 */
bool http_request_path(const struct http_request *r, char *path, size_t cap);

#endif /* MR_HTTP_PARSE_H */
