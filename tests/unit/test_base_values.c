/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The small values of base: sequence arithmetic, clock, histogram, counters, reasons, assertions
 * and the memory of the big tables.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bigmem.h"
#include "bounds.h"
#include "check.h"
#include "clock_tsc.h"
#include "counters.h"
#include "hist.h"
#include "millrace.h"
#include "rng.h"
#include "seq.h"

Test(seq, compares_across_the_wrap)
{
	cr_expect(seq_lt(0xfffffff0u, 0x10u));
	cr_expect(seq_gt(0x10u, 0xfffffff0u));
	cr_expect(seq_le(5, 5) && seq_ge(5, 5));
	cr_expect_eq(seq_diff(0x10u, 0xfffffff0u), 0x20);
	cr_expect_eq(seq_max(0xfffffff0u, 0x10u), 0x10u);
	cr_expect_eq(seq_min(0xfffffff0u, 0x10u), 0xfffffff0u);
	cr_expect(seq_in(0, 0xffffffffu, 1));
	cr_expect_not(seq_in(1, 0xffffffffu, 1));
	cr_expect_not(seq_in(7, 7, 7), "an empty range holds nothing");
}

Test(clock, whole_units_convert_exactly)
{
	static const uint64_t hz_list[] = {1000001, 1000000000, 2600000000ull, 2445404000ull,
					   5000000000ull};

	for (size_t i = 0; i < MR_ARRAY_LEN(hz_list); i++) {
		uint64_t hz = hz_list[i], day_s = 86400;
		struct mr_clock clk;

		mr_clock_init_hz(&clk, hz, 1000);
		cr_expect_eq(mr_clock_ms(&clk, 1000), 0);
		cr_expect_eq(mr_clock_ms(&clk, 1000 + hz), 1000, "hz %lu", hz);
		cr_expect_eq(mr_clock_us(&clk, 1000 + hz), 1000000, "hz %lu", hz);
		cr_expect_eq(mr_clock_ms(&clk, 1000 + hz - 1), 999, "hz %lu", hz);
		cr_expect_eq(mr_clock_us(&clk, 1000 + hz * day_s), day_s * 1000000, "hz %lu", hz);
		cr_expect_float_eq((double)mr_clock_span_ns(&clk, hz), 1e9, 2.0, "hz %lu", hz);
	}
}

Test(clock, milliseconds_wrap_at_32_bits)
{
	struct mr_clock clk;

	mr_clock_init_hz(&clk, 1000000000, 0);
	cr_expect_eq(mr_clock_ms(&clk, ((1ull << 32) + 5) * 1000000), 5);
}

struct moment {
	uint64_t tsc;
	double us;	/* of the kernel */
};

/* The closest of many pairs of reads: a shared machine may stop this process between two. */
static struct moment moment_now(void)
{
	struct moment best = {0, 0.0};
	uint64_t narrowest = UINT64_MAX;

	for (unsigned int i = 0; i < 100; i++) {
		const uint64_t before = mr_tsc();
		struct timespec now;
		uint64_t width;

		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		width = mr_tsc() - before;
		if (width < narrowest) {
			narrowest = width;
			best.tsc = before + width / 2;
			best.us = (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
		}
	}
	return best;
}

Test(clock, calibration_agrees_with_the_kernel)
{
	const struct timespec pause = {0, 50000000};
	struct moment a, b;
	struct mr_clock clk;
	double ours_us;

	mr_clock_init(&clk);
	a = moment_now();
	nanosleep(&pause, NULL);
	b = moment_now();
	ours_us = (double)mr_clock_us(&clk, b.tsc) - (double)mr_clock_us(&clk, a.tsc);
	cr_expect_float_eq(ours_us, b.us - a.us, (b.us - a.us) * 0.02);
}

Test(clock, refuses_a_frequency_that_would_overflow, .signal = SIGABRT)
{
	struct mr_clock clk;

	mr_clock_init_hz(&clk, 1000000, 0);
}

static struct mr_hist *new_hist(void)
{
	struct mr_hist *h = malloc(sizeof(*h));

	cr_assert_not_null(h);
	mr_hist_reset(h);
	return h;
}

Test(hist, empty_one_is_zero)
{
	struct mr_hist *h = new_hist();

	cr_expect_eq(mr_hist_quantile(h, 0.5), 0);
	cr_expect_eq(mr_hist_mean(h), 0.0);
	free(h);
}

Test(hist, every_index_is_in_range_and_rises)
{
	struct mr_rng rng;

	cr_expect_eq(mr_hist_index(0), 0);
	cr_expect_eq(mr_hist_index((1ull << MR_HIST_MAX_BITS) - 1), MR_HIST_BUCKETS - 1);
	mr_rng_seed(&rng, 5);
	for (int i = 0; i < 100000; i++) {
		uint64_t v = mr_rng_next(&rng) >> (24 + mr_rng_below(&rng, 40));

		cr_assert_lt(mr_hist_index(v), MR_HIST_BUCKETS);
		cr_assert_leq(mr_hist_index(v), mr_hist_index(v + 1));
	}
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Against the naive twin: the sorted list. Three significant digits are promised. */
Test(hist, quantiles_agree_with_a_sorted_list)
{
	static const double qs[] = {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0};
	const size_t n = 20000;
	uint64_t *values = malloc(n * sizeof(*values));
	struct mr_hist *h = new_hist();
	struct mr_rng rng;
	double sum = 0;

	mr_rng_seed(&rng, 11);
	for (size_t i = 0; i < n; i++) {
		values[i] = (uint64_t)mr_rng_exponential(&rng, 3e6);
		sum += (double)values[i];
		mr_hist_record(h, values[i]);
	}
	qsort(values, n, sizeof(*values), compare_u64);
	for (size_t i = 0; i < MR_ARRAY_LEN(qs); i++) {
		size_t rank = (size_t)((double)n * qs[i] + 0.999999);
		uint64_t exact = values[rank == 0 ? 0 : rank - 1], got = mr_hist_quantile(h, qs[i]);

		cr_expect_geq(got, exact, "q %g", qs[i]);
		cr_expect_leq((double)got, (double)exact * 1.001 + 1, "q %g: %lu for %lu", qs[i],
			      got, exact);
	}
	cr_expect_eq(h->min, values[0]);
	cr_expect_eq(mr_hist_quantile(h, 1.0), values[n - 1]);
	cr_expect_float_eq(mr_hist_mean(h), sum / (double)n, 1.0);
	free(values);
	free(h);
}

Test(hist, merged_halves_equal_the_whole)
{
	struct mr_hist *a = new_hist(), *b = new_hist(), *all = new_hist();
	struct mr_rng rng;

	mr_rng_seed(&rng, 12);
	for (int i = 0; i < 10000; i++) {
		uint64_t v = mr_rng_next(&rng) >> 20;

		mr_hist_record(i % 3 == 0 ? a : b, v);
		mr_hist_record(all, v);
	}
	mr_hist_merge(a, b);
	cr_expect_gt(all->clipped, 0, "values above 2^40 must have come");
	cr_expect_eq(memcmp(a, all, sizeof(*a)), 0);
	free(a);
	free(b);
	free(all);
}

Test(hist, full_bucket_saturates_on_record)
{
	struct mr_hist *h = new_hist();

	h->bucket[3] = UINT32_MAX - 1;
	mr_hist_record(h, 3);
	mr_hist_record(h, 3);
	cr_expect_eq(h->bucket[3], UINT32_MAX);
	free(h);
}

Test(hist, full_bucket_saturates_on_merge)
{
	struct mr_hist *a = new_hist(), *b = new_hist();

	a->bucket[3] = UINT32_MAX - 1;
	b->bucket[3] = 5;
	mr_hist_merge(a, b);
	cr_expect_eq(a->bucket[3], UINT32_MAX);
	free(a);
	free(b);
}

Test(counters, table_is_complete_and_names_are_unique)
{
	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		const struct mr_counter_info *info = &mr_counter_info[i];

		cr_assert_not_null(info->name);
		cr_expect_not_null(strchr(info->name, '.'), "%s has no group", info->name);
		cr_expect_gt(strlen(info->help), 0);
		for (unsigned int j = 0; j < i; j++)
			cr_expect_str_neq(info->name, mr_counter_info[j].name);
	}
}

Test(counters, add_sums_each)
{
	struct mr_counters a = {0}, b = {0};

	mr_count(&a, 0);
	mr_count_n(&b, 0, 41);
	mr_count_n(&b, MR_C_COUNT - 1, 1ull << 40);
	mr_counters_add(&a, &b);
	cr_expect_eq(a.v[0], 42);
	cr_expect_eq(a.v[MR_C_COUNT - 1], 1ull << 40);
	cr_expect_eq(a.v[1], 0);
}

Test(reason, text_is_never_null)
{
	cr_expect_str_eq(mr_reason_text(MR_OK), "no error");
	cr_expect_str_eq(mr_reason_text(MR_RESET_BY_PEER), "reset by the peer");
	cr_expect_str_eq(mr_reason_text((enum mr_reason)1000), "unknown reason");
}

Test(check, assertion_passes_or_aborts, .signal = SIGABRT)
{
	MR_ASSERT(1 + 1 == 2);
	MR_ASSERT(1 + 1 == 3);
}

Test(bigmem, memory_is_aligned_zeroed_and_writable)
{
	struct mr_bigmem m;

	cr_assert_eq(mr_bigmem_map(&m, 5000000, 0), 0);
	cr_expect_eq((uintptr_t)m.addr % (2u << 20), 0);
	cr_expect_geq(m.len, 5000000);
	for (size_t i = 0; i < m.len; i++)
		cr_assert_eq(((uint8_t *)m.addr)[i], 0);
	memset(m.addr, 0x5a, m.len);
	cr_expect_gt(strlen(mr_page_kind_name(m.kind)), 0);
	mr_bigmem_unmap(&m);
	cr_expect_null(m.addr);
	mr_bigmem_unmap(&m); /* a second time is harmless */
}

Test(bigmem, a_node_that_does_not_exist_binds_nothing)
{
	struct mr_bigmem m;

	cr_assert_eq(mr_bigmem_map(&m, 1, 1000), 0);
	cr_expect_eq(m.node, -1);
	mr_bigmem_unmap(&m);
}

Test(bigmem, refuses_what_is_not_there_before_touching_it)
{
	struct mr_bigmem m;

	cr_expect_gt(mr_bigmem_available(), 0);
	cr_expect_eq(mr_bigmem_map(&m, mr_bigmem_available() + (4ull << 30), -1), -ENOMEM);
	cr_expect_null(m.addr);
	cr_expect_eq(mr_bigmem_map(&m, SIZE_MAX, -1), -ENOMEM);
}

static void write_line(const char *dir, const char *name, const char *line)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert(f != NULL && fputs(line, f) >= 0 && fclose(f) == 0);
}

/* The known files and the directory; returns how many there were. */
static int remove_files(const char *dir)
{
	static const char *const names[] = {"memory.max", "memory.current", "memory.stat"};
	char path[128];
	int n = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		n += unlink(path) == 0;
	}
	return n + (rmdir(dir) == 0);
}

Test(bigmem, the_nearest_limit_of_a_control_group_counts)
{
	char mount[] = "/tmp/millrace-cgroup-XXXXXX", group[64];

	cr_assert_not_null(mkdtemp(mount));
	snprintf(group, sizeof(group), "%s/a", mount);
	cr_assert_eq(mkdir(group, 0755), 0);
	cr_expect_eq(mr_cgroup_available(mount, "/a/b"), UINT64_MAX, "there is no limit");
	write_line(mount, "memory.max", "max\n");
	write_line(group, "memory.max", "10000\n");
	write_line(group, "memory.current", "7000\n");
	write_line(group, "memory.stat", "anon 2000\nfile 5000\n");
	cr_expect_eq(mr_cgroup_available(mount, "/a/b"), 8000, "pages of files give way");
	cr_expect_eq(mr_cgroup_available(mount, "/"), UINT64_MAX);
	write_line(mount, "memory.max", "500\n");
	cr_expect_eq(mr_cgroup_available(mount, "/a"), 500);
	cr_expect_eq(mr_cgroup_available(mount, "/"), 500);
	write_line(group, "memory.current", "20000\n");
	cr_expect_eq(mr_cgroup_available(mount, "/a"), 0);
	cr_expect_eq(remove_files(group) + remove_files(mount), 4 + 2);
}
