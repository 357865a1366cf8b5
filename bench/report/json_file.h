/* SPDX-License-Identifier: BSD-3-Clause */
/* What benchmarks add to lib/control's JSON writer: real numbers, and a file. One thread. */
#ifndef BENCH_JSON_FILE_H
#define BENCH_JSON_FILE_H

#include "json.h"

/** Can path be written? Makes an empty file where there is none. 0, or -1 with errno. */
int bench_json_probe(const char *path);
/** Three decimals; v >= 0. */
void bench_json_real(struct json *j, const char *name, double v);
/** Writes the finished document to path and frees it. 0, or -1 with errno. */
int bench_json_write(struct json *j, const char *path);

#endif /* BENCH_JSON_FILE_H */
