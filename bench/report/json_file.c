/* SPDX-License-Identifier: BSD-3-Clause */
/* A JSON document into a file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json_file.h"

const double bench_quantiles[BENCH_QUANTILES] = {0.5, 0.9, 0.99, 0.999, 0.9999};
const char *const bench_quantile_names[BENCH_QUANTILES] = {"p50", "p90", "p99", "p99.9", "p99.99"};

void bench_json_real(struct json *j, const char *name, double v)
{
	json_key(j, name);
	json_milli(j, (uint64_t)(v * 1000 + 0.5));
}

void bench_json_hist(struct json *j, const char *name, const struct mr_hist *h)
{
	json_key(j, name);
	json_open_object(j);
	json_put_uint(j, "count", h->count);
	for (unsigned int i = 0; i < BENCH_QUANTILES; i++)
		json_put_uint(j, bench_quantile_names[i], mr_hist_quantile(h, bench_quantiles[i]));
	json_put_uint(j, "max", h->count > 0 ? h->max : 0);
	json_close_object(j);
}

int bench_json_probe(const char *path, char *err, size_t len)
{
	FILE *f = path[0] != '\0' ? fopen(path, "ae") : NULL;

	if (path[0] == '\0' || (f != NULL && fclose(f) == 0))
		return 0;
	snprintf(err, len, "--json '%.255s': %s.", path, strerror(errno));
	return -1;
}

int bench_json_write(struct json *j, const char *path)
{
	FILE *f = j->failed ? NULL : fopen(path, "we");
	int rc = -1;

	if (j->failed)
		errno = ENOMEM;
	if (f != NULL) {
		rc = fwrite(j->buf, 1, j->len, f) == j->len && fputc('\n', f) != EOF ? 0 : -1;
		rc |= fclose(f) != 0 ? -1 : 0;
	}
	json_free(j);
	return rc;
}
