/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Initial sequence numbers (RFC 9293 MUST-8, SHLD-1, MUST-9; RFC 6528), as they leave the stack: a
 * clock, and a keyed function of the tuple.
 */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "rules_fixture.h"

static struct stack_config cfg;

static void begin(void)
{
	rf_start();
	rf_configure(&cfg);
}
TestSuite(stack_isn, .init = begin, .fini = rf_stop);

static uint32_t isn_passive(struct mr_worker *w, const struct rf_path *on)
{
	const struct tcp_seg syn = {.seq = 1, .flags = TCP_SYN, .wnd = 60000};
	const struct tcp_seg rst = {.seq = 2, .flags = TCP_RST};
	const struct rf_seen *answer;

	rf_nseen = 0;
	rf_segment(w, on, &syn, NULL);
	answer = rf_last(TCP_SYN | TCP_ACK);
	cr_assert(rf_same(&answer->src, &on->us) && rf_same(&answer->dst, &on->peer));
	rf_segment(w, on, &rst, NULL);
	return answer->seg.seq;
}

static uint32_t isn_active(struct mr_worker *w, const struct rf_path *on)
{
	struct mr_tcp_info info;
	mr_conn c = rf_open(w, &on->us, &on->peer, &info);

	mr_abort(w, c);
	stack_turn(w);
	return info.snd_una;
}

/* One tick in four microseconds, also where the clock's 32 bits wrap: 64 us after the start. */
Test(stack_isn, of_a_tuple_follows_the_clock)
{
	static const struct rf_path on[] = {
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 77, 0, 2, 80), 0, WIRE_NO_VLAN},
		{RF_IP6(50, 4000), RF_IP6(2, 80), 0, WIRE_NO_VLAN},
	};
	static const uint32_t steps_us[] = {4, 8, 40, 12, 400, 1, 3, 2, 2, 250000, 1000000};
	struct mr_worker *w = rf_worker(&cfg, (1ull << 34) - 64);
	uint32_t was[4];

	for (unsigned int i = 0; i <= MR_ARRAY_LEN(steps_us); i++) {
		uint64_t before_us = w->now_us;

		if (i != 0)
			stack_set_time(w, w->now_us + steps_us[i - 1]);
		/* The station is the last one learned then: the next SYN can open in line. */
		isn_passive(w, &on[0]);
		for (unsigned int k = 0; k < 4; k++) {
			uint32_t isn = (k < 2 ? isn_passive : isn_active)(w, &on[k % 2]);

			cr_expect(k < 2 || isn == was[k - 2], "row %u: one number, both ways", k);
			cr_expect(i == 0 || isn - was[k] == (w->now_us >> 2) - (before_us >> 2),
				  "step %u, row %u: %u ticks", i, k, isn - was[k]);
			was[k] = isn;
		}
	}
	stack_destroy(w);
}

#define ISN_TUPLES 260u

/* The numbers of tuples that differ in one part from the first, all in the same microsecond. */
static void isns(uint64_t seed, bool fast, uint32_t isn[ISN_TUPLES])
{
	struct mr_worker *w;

	cfg.seed = seed;
	cfg.fast_path = fast;
	w = rf_worker(&cfg, 1000000);
	for (unsigned int i = 0; i < ISN_TUPLES; i++) {
		struct rf_path on = {RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 77, 0, 2, 80), 0,
				     WIRE_NO_VLAN};

		if (i < 128) {
			on.peer.port = (uint16_t)(4000 + i);
		} else if (i < 256) {
			on.peer.addr[2] = 1;
			on.peer.addr[3] = (uint8_t)(i - 127);
		} else if (i < 259) {
			on.us.addr[3] = (uint8_t)(i - 253);
		} else {
			on.us.port = 81;
		}
		isn[i] = isn_passive(w, &on);
	}
	stack_destroy(w);
}

static int by_value(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static unsigned int repeated(const uint32_t *v, unsigned int n)
{
	uint32_t sorted[ISN_TUPLES];
	unsigned int count = 0;

	cr_assert_leq(n, ISN_TUPLES);
	memcpy(sorted, v, n * sizeof(*v));
	qsort(sorted, n, sizeof(*v), by_value);
	for (unsigned int i = 1; i < n; i++)
		count += sorted[i] == sorted[i - 1];
	return count;
}

/* Neither equal, nor at a distance that says anything, nor with a bit that is foreseeable. */
Test(stack_isn, of_another_tuple_is_unrelated)
{
	uint32_t isn[ISN_TUPLES], slow[ISN_TUPLES], step[ISN_TUPLES - 1], ones[32] = {0};

	isns(42, true, isn);
	isns(42, false, slow);
	cr_expect_arr_eq(isn, slow, sizeof(isn), "they do not tell the path");
	cr_expect_eq(repeated(isn, ISN_TUPLES), 0);
	for (unsigned int i = 0; i < ISN_TUPLES - 1; i++)
		step[i] = isn[i + 1] - isn[i];
	cr_expect_eq(repeated(step, ISN_TUPLES - 1), 0);
	for (unsigned int i = 0; i < ISN_TUPLES; i++)
		for (unsigned int b = 0; b < 32; b++)
			ones[b] += isn[i] >> b & 1;
	for (unsigned int b = 0; b < 32; b++)	/* 130 +- 6 standard deviations */
		cr_expect(ones[b] > 82 && ones[b] < 178, "bit %u is set in %u of 260", b, ones[b]);
}

/* A secret key: with another one all numbers and all their distances are others. */
Test(stack_isn, depends_on_a_secret)
{
	static const uint64_t seeds[][2] = {{42, 43}, {0, 0}};	/* 0: keys from the kernel */
	uint32_t a[ISN_TUPLES], b[ISN_TUPLES];

	for (unsigned int k = 0; k < MR_ARRAY_LEN(seeds); k++) {
		unsigned int same_number = 0, same_distance = 0;

		isns(seeds[k][0], true, a);
		isns(seeds[k][1], true, b);
		for (unsigned int i = 1; i < ISN_TUPLES; i++) {
			same_number += a[i] == b[i];
			same_distance += a[i] - a[0] == b[i] - b[0];
		}
		cr_expect_lt(same_number, 3, "%u of 259", same_number);
		cr_expect_lt(same_distance, 3, "%u of 259", same_distance);
	}
}
