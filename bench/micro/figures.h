/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Figures of a benchmark: printed beside their target with PASS or the gap, and written as JSON.
 * Owns the command line that the micro benchmarks of data structures share:
 *	[-n N] [--rounds R] [--json FILE]
 */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"

#define FIGURES_MAX	24u
#define ROUNDS_MAX	101u

struct figure {
	const char *name, *unit;
	double value, target;		/* target 0: none; at most otherwise */
};

struct figures {
	const char *bench, *json;
	uint32_t n, rounds, count;
	struct figure figure[FIGURES_MAX];
};

static inline int figures_options(struct figures *f, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", required_argument, NULL, 'j' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "n:h", options, NULL)) != -1) {
		if (c == 'n')
			f->n = (uint32_t)strtoul(optarg, NULL, 0);
		else if (c == 'r')
			f->rounds = (uint32_t)strtoul(optarg, NULL, 0);
		else if (c == 'j')
			f->json = optarg;
		else
			goto usage;
	}
	if (f->n >= 1000 && f->rounds >= 1 && f->rounds <= ROUNDS_MAX && optind == argc)
		return 0;
usage:
	fprintf(stderr, "usage: %s [-n ENTRIES (>= 1000)] [--rounds R (1..%u)] [--json FILE]\n",
		argv[0], ROUNDS_MAX);
	return -1;
}

static inline void figures_add(struct figures *f, const char *name, const char *unit, double value,
			       double target)
{
	if (f->count < FIGURES_MAX)
		f->figure[f->count++] = (struct figure){ name, unit, value, target };
}

static inline int figures_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double figures_median(double *values, uint32_t n)
{
	qsort(values, n, sizeof(values[0]), figures_compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static inline int figures_write_json(const struct figures *f)
{
	FILE *out = fopen(f->json, "we");

	if (out == NULL) {
		perror(f->json);
		return 1;
	}
	fprintf(out, "{\"bench\": \"%s\", \"n\": %u, \"rounds\": %u, \"figures\": [", f->bench,
		f->n, f->rounds);
	for (uint32_t i = 0; i < f->count; i++) {
		const struct figure *g = &f->figure[i];

		fprintf(out, "%s\n  {\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.3f",
			i ? "," : "", g->name, g->unit, g->value);
		if (g->target > 0)
			fprintf(out, ", \"target\": %.3f, \"pass\": %s", g->target,
				g->value <= g->target ? "true" : "false");
		fputs("}", out);
	}
	fputs("\n]}\n", out);
	return fclose(out) != 0;
}

/** Prints all, writes the JSON; the exit status (a missed target is not an error). */
static inline int figures_report(const struct figures *f)
{
	printf("%s, %u entries, median of %u\n", f->bench, f->n, f->rounds);
	for (uint32_t i = 0; i < f->count; i++) {
		const struct figure *g = &f->figure[i];

		printf("  %-44s %8.1f %-8s", g->name, g->value, g->unit);
		if (g->target <= 0)
			printf("\n");
		else if (g->value <= g->target)
			printf(" PASS (target %.1f)\n", g->target);
		else
			printf(" %.2fx of the target %.1f\n", g->value / g->target, g->target);
	}
	return f->json != NULL ? figures_write_json(f) : 0;
}

#endif /* BENCH_FIGURES_H */
