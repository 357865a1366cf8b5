/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long and how often: TIME_WAIT on the worker's clock, and RSTs to those who scan. Both were
 * asked for by mutants that no other test saw.
 */
#include <criterion/criterion.h>

#include "rules_fixture.h"

TestSuite(stack_spans, .init = rf_start, .fini = rf_stop, .timeout = 60);

#define MSL_MS 1000u		/* of rules_fixture.c */

static const struct rf_path on = {
	.peer = RF_IP4(10, 77, 0, 50, 4000), .us = RF_IP4(10, 77, 0, 2, 80), .vlan = WIRE_NO_VLAN};
static mr_conn conn;

static void on_accept(struct mr_worker *w, mr_conn c)
{
	(void)w;
	conn = c;
}
static const struct mr_callbacks callbacks = {.on_accept = on_accept};

static struct mr_worker *worker(uint32_t rst_per_s)
{
	struct stack_config cfg;

	rf_configure(&cfg);
	rf_handlers(&cfg, &callbacks);
	cfg.rst_per_s = rst_per_s;
	cfg.tcp.timestamps = false;
	return rf_worker(&cfg, 500000);
}

static void says(struct mr_worker *w, unsigned int flags, uint32_t seq, uint32_t ack)
{
	const struct tcp_seg seg = {.seq = seq, .ack = ack, .flags = (uint8_t)flags, .wnd = 65535};

	rf_nseen = 0;
	rf_segment(w, &on, &seg, NULL);
}

/* We close first; returns SND.NXT. The peer's FIN had the number 1001. */
static uint32_t to_time_wait(struct mr_worker *w)
{
	uint32_t nxt;

	says(w, TCP_SYN, 1000, 0);
	nxt = rf_last(TCP_SYN | TCP_ACK)->seg.seq + 1;
	says(w, TCP_ACK, 1001, nxt);
	cr_assert_eq(mr_shutdown(w, conn), MR_OK);
	rf_run(w, 1);
	says(w, TCP_FIN | TCP_ACK, 1001, nxt + 1);
	cr_assert_eq(rf_last(TCP_ACK)->seg.ack, 1002);
	return nxt + 1;
}

/* MUST-13: 2 MSL, not one; a FIN again begins them anew, and nothing else does. */
Test(stack_spans, time_wait_lasts_twice_the_msl)
{
	struct mr_worker *w = worker(0);
	uint32_t nxt = to_time_wait(w);

	rf_run(w, 2 * MSL_MS - 50);
	says(w, TCP_ACK, 1001, nxt);		/* a keep-alive: answered from TIME_WAIT */
	rf_last(TCP_ACK);
	rf_run(w, 120);
	says(w, TCP_ACK, 1001, nxt);		/* and now by nobody */
	rf_last(TCP_RST);
	nxt = to_time_wait(w);
	rf_run(w, 2 * MSL_MS - 50);
	says(w, TCP_FIN | TCP_ACK, 1001, nxt);
	rf_last(TCP_ACK);
	rf_run(w, 2 * MSL_MS - 50);
	says(w, TCP_ACK, 1001, nxt);
	rf_last(TCP_ACK);
	rf_run(w, 120);
	says(w, TCP_ACK, 1001, nxt);
	rf_last(TCP_RST);
	stack_destroy(w);
}

Test(stack_spans, resets_to_a_scan_have_a_rate)
{
	struct mr_worker *w = worker(20);
	unsigned int sent = 0;

	for (unsigned int i = 0; i < 500; i++) {
		says(w, TCP_ACK, i, i);
		sent += rf_nseen;
	}
	cr_expect(sent >= 10 && sent <= 40, "%u of 500", sent);
	cr_expect_eq(w->counters.v[MR_C_TCP_RST_RATE], 500 - sent);
	rf_run(w, 1000);
	says(w, TCP_ACK, 7, 7);
	rf_last(TCP_RST);
	stack_destroy(w);
}
