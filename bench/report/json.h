/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A JSON document written front to back. Knows only what benchmarks need: objects, arrays, numbers,
 * strings. Names are literals and need no escaping. One thread.
 */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include <stdint.h>
#include <stdio.h>

struct bench_json {
	FILE *f;
	unsigned int depth;
	int filled; /* the innermost object or array has a member already */
};

/** Opens path and the outermost object. 0, or -1 with errno. */
int bench_json_open(struct bench_json *j, const char *path);
/** Closes both; 0, or -1 when something could not be written. */
int bench_json_close(struct bench_json *j);
/** name is NULL inside an array. */
void bench_json_begin(struct bench_json *j, const char *name, char bracket);
void bench_json_end(struct bench_json *j, char bracket);
void bench_json_uint(struct bench_json *j, const char *name, uint64_t v);
void bench_json_real(struct bench_json *j, const char *name, double v);
void bench_json_text(struct bench_json *j, const char *name, const char *v);

#endif /* BENCH_JSON_H */
