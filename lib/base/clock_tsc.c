/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calibration of the cycle counter. Runs once at start; reading the clock is inline in clock_tsc.h.
 */
#include <time.h>

#include "check.h"
#include "clock_tsc.h"

#define CALIBRATE_NS	20000000u
#define NS_PER_S	1000000000u

/* One moment on both clocks. */
struct moment {
	uint64_t tsc, ns;
};

static uint64_t raw_ns(void)
{
	struct timespec ts;

	MR_ASSERT(clock_gettime(CLOCK_MONOTONIC_RAW, &ts) == 0);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/*
 * The kernel's clock is read between two reads of the counter; of several tries the tightest
 * counts, so that an interrupt in between does not tilt the slope.
 */
static struct moment moment_now(void)
{
	struct moment best = {0, 0};
	uint64_t best_width = UINT64_MAX;

	for (int i = 0; i < 16; i++) {
		uint64_t before = mr_tsc(), ns = raw_ns(), width = mr_tsc() - before;

		if (width < best_width) {
			best_width = width;
			best = (struct moment){before + width / 2, ns};
		}
	}
	return best;
}

void mr_clock_init_hz(struct mr_clock *clk, uint64_t hz, uint64_t tsc0)
{
	const unsigned __int128 one = (unsigned __int128)1 << 64;

	/* At 1 MHz and below us_mult would not fit 64 bits. */
	MR_ASSERT(hz > 1000000);
	clk->tsc0 = tsc0;
	clk->hz = hz;
	/* Rounded up: a whole number of milliseconds in counts gives that number, not one less. */
	clk->ms_mult = (uint64_t)((one * 1000 + hz - 1) / hz);
	clk->us_mult = (uint64_t)((one * 1000000 + hz - 1) / hz);
	clk->ns_mult = ((uint64_t)NS_PER_S << 32) / hz;
}

void mr_clock_init(struct mr_clock *clk)
{
	const struct timespec pause = {0, CALIBRATE_NS};
	struct moment a = moment_now(), b;

	nanosleep(&pause, NULL);
	do {
		b = moment_now();
	} while (b.ns - a.ns < CALIBRATE_NS); /* the sleep may be cut short by a signal */
	mr_clock_init_hz(clk,
			 (uint64_t)((unsigned __int128)(b.tsc - a.tsc) * NS_PER_S / (b.ns - a.ns)),
			 mr_tsc());
}
