/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON (RFC 8259), written front to back. */
#include <inttypes.h>
#include <math.h>

#include "json.h"

static void put_text(FILE *f, const char *v)
{
	fputc('"', f);
	for (; *v != '\0'; v++) {
		unsigned char c = (unsigned char)*v;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void lead(struct bench_json *j, const char *name)
{
	fputs(j->filled ? ",\n" : "\n", j->f);
	for (unsigned int i = 0; i < j->depth; i++)
		fputc('\t', j->f);
	if (name != NULL) {
		put_text(j->f, name);
		fputs(": ", j->f);
	}
	j->filled = 1;
}

int bench_json_open(struct bench_json *j, const char *path)
{
	*j = (struct bench_json){.f = fopen(path, "we"), .depth = 1};
	if (j->f == NULL)
		return -1;
	fputc('{', j->f);
	return 0;
}

int bench_json_close(struct bench_json *j)
{
	int bad;

	fputs("\n}\n", j->f);
	bad = ferror(j->f);
	return fclose(j->f) != 0 || bad ? -1 : 0;
}

void bench_json_begin(struct bench_json *j, const char *name, char bracket)
{
	lead(j, name);
	fputc(bracket, j->f);
	j->depth++;
	j->filled = 0;
}

void bench_json_end(struct bench_json *j, char bracket)
{
	j->depth--;
	j->filled = 0;
	lead(j, NULL);
	fputc(bracket, j->f);
}

void bench_json_uint(struct bench_json *j, const char *name, uint64_t v)
{
	lead(j, name);
	fprintf(j->f, "%" PRIu64, v);
}

void bench_json_real(struct bench_json *j, const char *name, double v)
{
	lead(j, name);
	if (isfinite(v))
		fprintf(j->f, "%.6g", v);
	else /* RFC 8259 section 6 knows no infinity */
		fputs("null", j->f);
}

void bench_json_text(struct bench_json *j, const char *name, const char *v)
{
	lead(j, name);
	put_text(j->f, v);
}
