/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What http has to say at which path: N octets at /bytes/N, and the files below a directory. The
 * files are read once, at start: a handler must not block, and a read of a file may. A file that
 * changes later is served as it was. Symbolic links, hidden files and special files are left out,
 * so that nothing outside the directory is ever served.
 */
#ifndef MR_HTTP_CONTENT_H
#define MR_HTTP_CONTENT_H

#include "millrace.h"

struct http_file {
	char *path;		/* as requested: "/dir/name" */
	const char *type;	/* media type */
	struct mr_static *body;	/* NULL: the file is empty */
	size_t len;
};

struct http_content {
	struct http_file *file;	/* sorted by path */
	uint32_t count, capacity;
	uint64_t octets, octets_max;
	uint64_t bytes_max;	/* largest N of /bytes/N */
	struct mr_static *pattern;
	bool has_root;
};

/* A representation: `len` octets, which are `text`, or `body` again and again (NULL: empty). */
struct http_body {
	const char *type;
	const char *text;
	struct mr_static *body;
	uint64_t len;
};

/**
 * Reads all files below root (NULL: none), together at most octets_max. 0, or -1 with *why (valid
 * until the next call); http_content_free() is due after a failure too. Control thread.
 */
int http_content_load(struct http_content *content, const char *root, uint64_t octets_max,
		      uint64_t bytes_max, const char **why);
/** EAL memory that the files below root will take, before it is there. */
uint64_t http_content_measure(const char *root, uint64_t octets_max);
void http_content_free(struct http_content *content);
/** What stands at a decoded path; one that ends in "/" means its index.html. False: nothing. */
bool http_content_find(const struct http_content *content, const char *path, struct http_body *out);
/** The reason phrase of a status that http answers with (RFC 9110 15). */
const char *http_status_text(uint16_t status);

#endif /* MR_HTTP_CONTENT_H */
