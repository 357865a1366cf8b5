/* SPDX-License-Identifier: BSD-3-Clause */
/* Latencies as text. */
#include <inttypes.h>

#include "figures.h"
#include "json_file.h"

void mb_format_ns(uint64_t ns, char *to, size_t len)
{
	static const char *const unit[] = {"ns", "us", "ms", "s"};
	double v = (double)ns;
	unsigned int u = 0;

	/* 999.5 would be printed as 1000 by three digits. */
	while (v >= 999.5 && u < 3) {
		v /= 1000;
		u++;
	}
	if (u == 0 || v >= 99.95)
		snprintf(to, len, "%.0f %s", v, unit[u]);
	else
		snprintf(to, len, v >= 9.995 ? "%.1f %s" : "%.2f %s", v, unit[u]);
}

void mb_percentiles_print(FILE *f, const char *name, const struct mr_hist *h)
{
	char text[32];

	if (h->count == 0)
		return;
	fprintf(f, "  %-10s", name);
	for (unsigned int i = 0; i < BENCH_QUANTILES; i++) {
		mb_format_ns(mr_hist_quantile(h, bench_quantiles[i]), text, sizeof(text));
		fprintf(f, " %10s", text);
	}
	mb_format_ns(h->max, text, sizeof(text));
	fprintf(f, " %10s  %12" PRIu64 "\n", text, h->count);
	if (h->clipped > 0)
		fprintf(f, "  %-10s %" PRIu64 " were longer than 18 minutes\n", "", h->clipped);
}
