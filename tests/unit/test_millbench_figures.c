/* SPDX-License-Identifier: BSD-3-Clause */
/* Accounts, pacing, HTTP responses, latencies as text, the bottleneck. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "figures.h"
#include "http.h"
#include "pace.h"

#define HZ 2600000000ull

/* ---- Accounts ---- */

/** Three opened, one refused, one not sent; of the three one closed, one reset, one open. */
static struct mb_account sample_account(void)
{
	struct mb_account a;

	memset(&a, 0, sizeof(a));
	for (int i = 0; i < 4; i++)
		mb_account_attempt(&a);
	mb_account_refusal(&a, MR_NO_TUPLE);
	for (int i = 0; i < 3; i++)
		mb_account_established(&a);
	mb_account_gone(&a, false, MR_REFUSED);
	mb_account_gone(&a, true, MR_CLOSED);
	mb_account_gone(&a, true, MR_ABORTED);
	return a;
}

Test(millbench_account, a_life_adds_up)
{
	struct mb_account a = sample_account();

	cr_expect(mb_account_adds_up(&a));
	cr_expect_eq(a.attempted, 5);
	cr_expect_eq(a.open, 1);
	cr_expect_eq(a.connecting, 0);
	cr_expect_eq(mb_account_failed(&a), 1);
	cr_expect_eq(mb_account_not_sent(&a), 1);
	cr_expect_eq(mb_account_ended(&a), 2);
}

Test(millbench_account, what_was_forgotten_or_told_twice_is_found)
{
	struct mb_account a = sample_account();

	a.attempted++;
	cr_expect_not(mb_account_adds_up(&a), "an attempt without an end");
	a = sample_account();
	a.ended[MR_CLOSED]++;
	cr_expect_not(mb_account_adds_up(&a), "an end that was told twice");
	a = sample_account();
	mb_account_gone(&a, false, MR_TIMED_OUT);
	mb_account_gone(&a, true, MR_CLOSED);
	cr_expect(mb_account_adds_up(&a) && a.connecting == UINT64_MAX,
		  "below zero is balanced: the count of slots in use unmasks it");
}

Test(millbench_account, errors_depend_on_the_plan)
{
	struct mb_account a = sample_account();

	cr_expect_eq(mb_account_errors(&a, false), 3, "refused, not sent, reset");
	cr_expect_eq(mb_account_errors(&a, true), 2, "a RST may be the plan");
	mb_account_refusal(&a, MB_NOT_SENT_LATE);
	cr_expect_eq(mb_account_errors(&a, true), 2, "late is a shortfall, no error");
}

Test(millbench_account, workers_add_and_spans_subtract)
{
	struct mb_account a = sample_account(), b = sample_account(), span;

	mb_account_add(&b, &a);
	cr_expect_eq(b.attempted, 10);
	cr_expect(mb_account_adds_up(&b));
	mb_account_between(&span, &a, &b);
	cr_expect_eq(memcmp(&span, &a, sizeof(a)), 0);
}

Test(millbench_account, every_reason_has_a_text)
{
	for (unsigned int i = 0; i < MB_NOT_SENT_COUNT; i++)
		cr_expect_gt(strlen(mb_not_sent_text(i)), 3);
}

/* ---- Pace ---- */

Test(millbench_pace, constant_arrivals_do_not_drift)
{
	struct mb_pace p;

	mb_pace_init(&p, 3000000, false, HZ, 1);
	mb_pace_start(&p, 1000);
	cr_expect_eq(mb_pace_due(&p), 1000, "the first is due at once");
	for (int i = 0; i < 3000000; i++)
		mb_pace_step(&p);
	/* A second's worth: at most a microsecond away from one second. */
	cr_expect_lt(llabs((long long)(mb_pace_due(&p) - 1000 - HZ)), 2600);
}

Test(millbench_pace, poisson_arrivals_have_their_mean_and_spread)
{
	struct mb_pace p;
	double sum = 0, squares = 0, mean = HZ / 100000.0;
	uint64_t last = 0;
	int n = 200000;

	mb_pace_init(&p, 100000, true, HZ, 7);
	for (int i = 0; i < n; i++) {
		double gap;

		mb_pace_step(&p);
		gap = (double)(mb_pace_due(&p) - last);
		last = mb_pace_due(&p);
		sum += gap;
		squares += gap * gap;
	}
	cr_expect_lt(fabs(sum / n / mean - 1), 0.02);
	/* An exponential distribution's standard deviation is its mean. */
	cr_expect_lt(fabs(sqrt(squares / n - (sum / n) * (sum / n)) / mean - 1), 0.02);
}

Test(millbench_pace, a_seed_repeats_its_arrivals)
{
	struct mb_pace a, b;

	mb_pace_init(&a, 1000, true, HZ, 5);
	mb_pace_init(&b, 1000, true, HZ, 5);
	for (int i = 0; i < 100; i++) {
		mb_pace_step(&a);
		mb_pace_step(&b);
	}
	cr_expect_eq(mb_pace_due(&a), mb_pace_due(&b));
}

Test(millbench_pace, what_was_due_stays_due)
{
	struct mb_pace p;

	mb_pace_init(&p, 1000, false, HZ, 1);
	mb_pace_start(&p, 0);
	cr_expect_eq(mb_pace_overdue(&p, HZ / 100), 11, "at 0, 1 .. 10 ms");
	cr_expect_eq(mb_pace_overdue(&p, HZ / 100), 0);
}

/* ---- HTTP ---- */

/** Feeds a response in pieces of `piece` octets; the result of the last one. */
static enum mb_http_result feed(const char *text, uint32_t piece, uint32_t *left)
{
	enum mb_http_result r = MB_HTTP_MORE;
	uint32_t len = (uint32_t)strlen(text);
	uint8_t state;

	mb_http_begin(&state, left);
	for (uint32_t at = 0; at < len && r == MB_HTTP_MORE; at += piece)
		r = mb_http_feed(&state, left, text + at, MR_MIN(piece, len - at));
	if (r == MB_HTTP_MORE && mb_http_may_end(state, *left))
		return MB_HTTP_DONE;
	return r;
}

Test(millbench_http, a_response_in_pieces_of_any_size)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH:  11\r\n"
				   "Content-Type: a\r\n\r\nhello world";
	uint32_t left;

	for (uint32_t piece = 1; piece <= sizeof(text); piece++) {
		cr_assert_eq(feed(text, piece, &left), MB_HTTP_DONE, "pieces of %u", piece);
		cr_assert_eq(left, 0);
	}
}

Test(millbench_http, an_incomplete_response_goes_on)
{
	uint32_t left;

	cr_expect_eq(feed("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", 9, &left),
		     MB_HTTP_MORE);
	cr_expect_eq(left, 2);
	cr_expect_eq(feed("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", 9, &left), MB_HTTP_MORE);
	cr_expect_eq(feed("HTTP/1.0 200 OK\n\nabc", 3, &left), MB_HTTP_DONE,
		     "ends with the connection");
}

Test(millbench_http, what_is_no_good_response)
{
	uint32_t left;

	cr_expect_eq(feed("HTTP/1.1 404 Not Found\r\n", 50, &left), MB_HTTP_BAD);
	cr_expect_eq(feed("HTTP/2 200\r\n", 50, &left), MB_HTTP_BAD);
	cr_expect_eq(feed("SSH-2.0-x\r\n", 50, &left), MB_HTTP_BAD);
	cr_expect_eq(feed("HTTP/1.1 200 OK\r\nContent-Length: x\r\n", 50, &left), MB_HTTP_BAD);
	cr_expect_eq(feed("HTTP/1.1 200 OK\r\nContent-Length: 4294967296\r\n", 50, &left),
		     MB_HTTP_BAD);
	cr_expect_eq(feed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", 80, &left), MB_HTTP_BAD,
		     "more than it announced");
	cr_expect_eq(feed("HTTP/1.1 200 OK\r\n\rX", 80, &left), MB_HTTP_BAD);
}

/* ---- Text ---- */

Test(millbench_text, latencies_have_three_digits_and_a_unit)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},
		{999, "999 ns"},
		{1000, "1.00 us"},
		{9812, "9.81 us"},
		{9996, "10.0 us"},
		{99960, "100 us"},
		{412345, "412 us"},
		{999600, "1.00 ms"},
		{1203000000, "1.20 s"},
		{4500000000000, "4500 s"},
	};
	char text[32];

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		mb_format_ns(cases[i].ns, text, sizeof(text));
		cr_expect_str_eq(text, cases[i].text);
	}
}

Test(millbench_text, percentiles_on_a_line)
{
	static struct mr_hist h;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	mr_hist_reset(&h);
	mb_percentiles_print(f, "nothing", &h);
	for (uint64_t v = 1; v <= 1000; v++)
		mr_hist_record(&h, v * 1000);
	mb_percentiles_print(f, "handshake", &h);
	fclose(f);
	cr_expect_null(strstr(text, "nothing"), "an empty histogram has no percentiles");
	cr_expect_not_null(strstr(text, "500 us"), "p50 in: %s", text);
	cr_expect_not_null(strstr(text, "990 us"), "p99 in: %s", text);
	cr_expect_not_null(strstr(text, "1.00 ms"), "max in: %s", text);
	free(text);
}
