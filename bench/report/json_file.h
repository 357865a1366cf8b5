/* SPDX-License-Identifier: BSD-3-Clause */
/* What benchmarks add to lib/control's JSON writer: reals, histograms, a file. One thread. */
#ifndef BENCH_JSON_FILE_H
#define BENCH_JSON_FILE_H

#include "hist.h"
#include "json.h"

/* What is told of a histogram. */
#define BENCH_QUANTILES 5u
extern const double bench_quantiles[BENCH_QUANTILES];
extern const char *const bench_quantile_names[BENCH_QUANTILES];

/**
 * Can the path of --json be written ("": it was not asked for)? Makes an empty file where there is
 * none. An hour's figures are not to be lost. 0, or -1 with a sentence.
 */
int bench_json_probe(const char *path, char *err, size_t len);
/** Three decimals; v >= 0. */
void bench_json_real(struct json *j, const char *name, double v);
/** An object: count, each quantile, max (0 when empty). */
void bench_json_hist(struct json *j, const char *name, const struct mr_hist *h);
/** Writes the finished document to path and frees it. 0, or -1 with errno. */
int bench_json_write(struct json *j, const char *path);

#endif /* BENCH_JSON_FILE_H */
