/* SPDX-License-Identifier: BSD-3-Clause */
/* A JSON document into a file. */
#include <errno.h>
#include <stdio.h>

#include "json_file.h"

void bench_json_real(struct json *j, const char *name, double v)
{
	json_key(j, name);
	json_milli(j, (uint64_t)(v * 1000 + 0.5));
}

int bench_json_probe(const char *path)
{
	FILE *f = fopen(path, "ae");

	return f != NULL ? fclose(f) : -1;
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
