/* SPDX-License-Identifier: BSD-3-Clause */
/* One table of counts serves the report and the JSON, so that neither lacks one. */
#include <inttypes.h>

#include "json_file.h"
#include "report.h"

static const char *const arrow[2] = {"a to b", "b to a"};

static const struct {
	const char *name, *text;
	size_t offset;
} counts[] = {
#define COUNT(field, text) \
	{ \
#field, text, offsetof(struct imp_counts, field) \
	}
	COUNT(received, "frames received"),
	COUNT(received_octets, "octets received"),
	COUNT(sent, "frames sent"),
	COUNT(sent_octets, "octets sent"),
	COUNT(lost, "lost"),
	COUNT(duplicated, "sent twice"),
	COUNT(corrupted, "corrupted"),
	COUNT(jumped, "sent without delay (reorder)"),
	COUNT(late, "sent after a younger one"),
	COUNT(marked, "marked CE"),
	COUNT(drop_queue, "dropped, queue full"),
	COUNT(drop_hold, "dropped, hold-frames reached"),
	COUNT(drop_mbuf, "dropped, no packet buffer"),
	COUNT(no_mbuf, "left alone, no packet buffer"),
	COUNT(refused, "refused by the port"),
	COUNT(undelivered, "under way at the end"),
#undef COUNT
};

static uint64_t value(const struct imp_counts *c, size_t i)
{
	return *(const uint64_t *)((const char *)c + counts[i].offset);
}

/* ---- the plan ---- */

static void say_share(FILE *f, const char *what, double share)
{
	if (share > 0)
		fprintf(f, ", %s %.4g %%", what, share * 100);
}

static void say_direction(FILE *f, const struct imp_params *p, const char *name)
{
	fprintf(f, "  %s: delay %.6g ms", name, (double)p->delay_ns / 1e6);
	if (p->jitter_ns > 0)
		fprintf(f, " +- %.6g ms%s%s", (double)p->jitter_ns / 1e6,
			p->normal ? " (normal)" : "", p->keep_order ? " in order" : "");
	say_share(f, "loss", p->loss);
	if (p->burst_enter > 0)
		fprintf(f, ", bursts %.4g %%, %.4g %%, lost inside %.4g %%, outside %.4g %%",
			p->burst_enter * 100, p->burst_leave * 100, p->burst_bad * 100,
			p->burst_good * 100);
	say_share(f, "reorder", p->reorder);
	say_share(f, "duplicate", p->duplicate);
	say_share(f, "corrupt", p->corrupt);
	say_share(f, "mark", p->mark);
	if (p->rate_bps > 0)
		fprintf(f, ", %.6g Mbit/s, queue of %" PRIu64 " frames", (double)p->rate_bps / 1e6,
			p->queue_frames);
	if (p->queue_octets > 0)
		fprintf(f, " and %" PRIu64 " octets", p->queue_octets);
	fprintf(f, "\n");
}

void imp_say_plan(FILE *f, const struct imp_options *o)
{
	char name[2][64];

	imp_port_name(o, 0, name[0]);
	imp_port_name(o, 1, name[1]);
	fprintf(f, "impair: a is %s, b is %s, seed %" PRIu64 "\n", name[0], name[1], o->seed);
	for (unsigned int i = 0; i < 2; i++)
		say_direction(f, &o->dir[i], arrow[i]);
	fflush(f);
}

/* ---- lines ---- */

void imp_say_line(FILE *f, const struct imp_joint *j, struct imp_counts last[2], double span_s)
{
	fprintf(f, "%6.0f s", (double)imp_joint_now_ns(j) / 1e9);
	for (unsigned int i = 0; i < 2; i++) {
		const struct imp_counts now = j->dir[i].count, *was = &last[i];

		fprintf(f, "  | %s: %.0f frames/s, %.3f Mbit/s, lost %" PRIu64 ", dropped %" PRIu64,
			arrow[i], (double)(now.received - was->received) / span_s,
			(double)(now.sent_octets - was->sent_octets) * 8 / span_s / 1e6,
			now.lost - was->lost,
			now.drop_queue + now.drop_hold + now.drop_mbuf -
				(was->drop_queue + was->drop_hold + was->drop_mbuf));
		last[i] = now;
	}
	fprintf(f, "\n");
	fflush(f);
}

/* ---- the report ---- */

static void report_direction(FILE *f, const struct imp_joint *j, unsigned int i)
{
	const struct imp_direction *d = &j->dir[i];

	fprintf(f, "\n%s\n", arrow[i]);
	for (size_t k = 0; k < MR_ARRAY_LEN(counts); k++)
		fprintf(f, "  %-30s %14" PRIu64 "\n", counts[k].text, value(&d->count, k));
	fprintf(f, "  %-30s", "delay, microseconds");
	for (size_t k = 0; k < BENCH_QUANTILES; k++)
		fprintf(f, " %s %.1f", bench_quantile_names[k],
			(double)mr_hist_quantile(&d->delay, bench_quantiles[k]) / 1e3);
	fprintf(f, " max %.1f\n", d->delay.count > 0 ? (double)d->delay.max / 1e3 : 0.0);
}

void imp_say_report(FILE *f, const struct imp_joint *j)
{
	fprintf(f, "\nimpair: %.2f s, seed %" PRIu64 "\n", (double)j->end_ns / 1e9,
		j->options->seed);
	for (unsigned int i = 0; i < 2; i++)
		report_direction(f, j, i);
	fprintf(f, "\n");
	for (unsigned int i = 0; i < 2; i++)
		fprintf(f,
			"port %s (%s): missed %" PRIu64 ", errors %" PRIu64
			", no packet buffer %" PRIu64 "\n",
			j->side[i].name, j->side[i].driver, j->side[i].missed, j->side[i].errors,
			j->side[i].no_mbuf);
	fflush(f);
}

static void json_direction(struct json *js, const struct imp_direction *d, const char *name)
{
	json_key(js, name);
	json_open_object(js);
	for (size_t k = 0; k < MR_ARRAY_LEN(counts); k++)
		json_put_uint(js, counts[k].name, value(&d->count, k));
	bench_json_hist(js, "delay_ns", &d->delay);
	json_close_object(js);
}

int imp_write_json(const struct imp_joint *j, const char *path)
{
	struct json js;

	json_init(&js);
	json_open_object(&js);
	json_put_uint(&js, "seed", j->options->seed);
	bench_json_real(&js, "seconds", (double)j->end_ns / 1e9);
	json_direction(&js, &j->dir[0], "a_to_b");
	json_direction(&js, &j->dir[1], "b_to_a");
	json_key(&js, "ports");
	json_open_array(&js);
	for (unsigned int i = 0; i < 2; i++) {
		json_open_object(&js);
		json_put_string(&js, "name", j->side[i].name);
		json_put_string(&js, "driver", j->side[i].driver);
		json_put_uint(&js, "missed", j->side[i].missed);
		json_put_uint(&js, "errors", j->side[i].errors);
		json_put_uint(&js, "no_mbuf", j->side[i].no_mbuf);
		json_close_object(&js);
	}
	json_close_array(&js);
	json_close_object(&js);
	return bench_json_write(&js, path);
}
