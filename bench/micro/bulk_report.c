/* SPDX-License-Identifier: BSD-3-Clause */
/* What the bulk bench found: printed beside the targets, and as JSON. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bulk.h"
#include "json_file.h"
#include "one_core.h"

#define TARGET_GBIT 20.0
#define TARGET_SHARE 80.0	/* per cent of what one connection moves */

struct result {
	double median, p10;	/* cycles per segment */
	double gbit;		/* of payload, per second */
	uint64_t unplanned;
};

/** Drops and retransmissions mean that something else than the plan was measured. */
static bool planned(unsigned int counter)
{
	return mr_counter_info[counter].severity == MR_SEV_INFO && counter != MR_C_TCP_RTO &&
	       counter != MR_C_TCP_REXMT_DATA;
}

static uint64_t unplanned(const struct bulk_rig *r)
{
	uint64_t n = r->peer.bad;
	struct stack_stats s;

	stack_stats(r->w, &s);
	for (unsigned int i = 0; i < MR_C_COUNT; i++)
		n += planned(i) ? 0 : s.counters.v[i];
	return n;
}

static void print_unplanned(const struct bulk_rig *r)
{
	struct stack_stats s;

	stack_stats(r->w, &s);
	printf("  replies that were not expected: %llu\n", (unsigned long long)r->peer.bad);
	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		if (!planned(i) && s.counters.v[i] != 0)
			printf("  %s: %llu\n", mr_counter_info[i].name,
			       (unsigned long long)s.counters.v[i]);
	}
}

static struct result result_of(const struct bulk_bench *b, struct bulk_rig *r)
{
	struct result x = {.unplanned = unplanned(r)};

	one_core_sort(r->slice, r->nslices);
	x.median = r->slice[r->nslices / 2];
	x.p10 = r->slice[r->nslices / 10];
	x.gbit = (double)b->clock.hz / x.median * BULK_MSS * 8 * 1e-9;
	return x;
}

static void print_case(const struct bulk_rig *r, const struct result *x, const struct result *one)
{
	const double share = x->gbit / one->gbit * 100;
	const bool pass = one == x ? x->gbit >= TARGET_GBIT : share >= TARGET_SHARE;

	printf("%-8s %7u connection%s %6.1f cyc/segment (p10 %.1f) = %6.2f Gbit/s",
	       r->peer.cfg.server_sends ? "sending" : "receiving", r->peer.cfg.connections,
	       r->peer.cfg.connections == 1 ? ":  " : "s: ", x->median, x->p10, x->gbit);
	if (one == x)
		printf(" | target %.0f: ", TARGET_GBIT);
	else
		printf(" = %.0f %% of one | target %.0f %%: ", share, TARGET_SHARE);
	printf("%s\n", x->unplanned != 0 ? "INVALID" : pass ? "PASS" : "MISS");
	if (x->unplanned != 0)
		print_unplanned(r);
}

static int write_json(const struct bulk_bench *b, const struct result *x)
{
	struct json j;

	if (b->opt.json == NULL)
		return 0;
	json_init(&j);
	json_open_object(&j);
	json_put_string(&j, "checksum", b->opt.software_checksum ? "software" : "offload");
	json_put_string(&j, "fast_path", b->opt.slow_path ? "off" : "on");
	json_put_uint(&j, "connections", b->opt.connections);
	bench_json_real(&j, "target_gbit_per_second", TARGET_GBIT);
	bench_json_real(&j, "target_share_of_one", TARGET_SHARE / 100);
	for (unsigned int i = 0; i < BULK_CASES; i++) {
		static const char *const name[BULK_CASES] = {"receive_one", "receive_many",
							     "send_one", "send_many"};

		json_key(&j, name[i]);
		json_open_object(&j);
		bench_json_real(&j, "cycles_per_segment", x[i].median);
		bench_json_real(&j, "cycles_per_segment_p10", x[i].p10);
		bench_json_real(&j, "gbit_per_second", x[i].gbit);
		json_put_uint(&j, "unplanned", x[i].unplanned);
		json_close_object(&j);
	}
	json_close_object(&j);
	if (bench_json_write(&j, b->opt.json) == 0)
		return 0;
	fprintf(stderr, "bench_bulk: %s: %s\n", b->opt.json, strerror(errno));
	return 1;
}

int bulk_report(struct bulk_bench *b)
{
	struct result x[BULK_CASES];
	bool valid = true;

	printf("bulk, segments of %u octets, checksum %s, fast path %s\n", BULK_MSS,
	       b->opt.software_checksum ? "software" : "offload", b->opt.slow_path ? "off" : "on");
	for (unsigned int i = 0; i < BULK_CASES; i++) {
		x[i] = result_of(b, &b->rig[i]);
		print_case(&b->rig[i], &x[i], &x[i & ~1u]);
		valid = valid && x[i].unplanned == 0;
	}
	return write_json(b, x) != 0 || !valid;
}
