/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A clock read from the CPU's time stamp counter. It is the only clock of the engine, read once per
 * turn of a poll loop; everything below lib/stack gets the time as an argument. Conversions are a
 * multiplication and a shift: no division. HOT PATH: mr_clock_ms and mr_clock_us.
 */
#ifndef MR_CLOCK_TSC_H
#define MR_CLOCK_TSC_H

#include "attr.h"

struct mr_clock {
	uint64_t tsc0;		/* counter at start: time 0 */
	uint64_t hz;		/* counts per second */
	uint64_t ms_mult;	/* (tsc * ms_mult) >> 64 = milliseconds, 128-bit product */
	uint64_t us_mult;
	uint64_t ns_mult;	/* 32.32 fixed point nanoseconds per count */
};

/** The raw counter. Any thread. */
MR_INLINE uint64_t mr_tsc(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
#error "no cycle counter known for this CPU"
#endif
}

/** Calibrates against CLOCK_MONOTONIC_RAW (about 20 ms) and sets time 0 to now. Any thread. */
void mr_clock_init(struct mr_clock *clk);
/** As mr_clock_init with a known frequency (counts per second, > 1e6) and start; for tests. */
void mr_clock_init_hz(struct mr_clock *clk, uint64_t hz, uint64_t tsc0);

/** Milliseconds since mr_clock_init, modulo 2^32 (49.7 days): compare with seq_*(). */
MR_INLINE uint32_t mr_clock_ms(const struct mr_clock *clk, uint64_t tsc)
{
	return (uint32_t)(((unsigned __int128)(tsc - clk->tsc0) * clk->ms_mult) >> 64);
}
/** Microseconds since mr_clock_init, 64 bits: never wraps. */
MR_INLINE uint64_t mr_clock_us(const struct mr_clock *clk, uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)(tsc - clk->tsc0) * clk->us_mult) >> 64);
}
/** Nanoseconds of a span of counts. */
MR_INLINE uint64_t mr_clock_span_ns(const struct mr_clock *clk, uint64_t counts)
{
	return (uint64_t)(((unsigned __int128)counts * clk->ns_mult) >> 32);
}

#endif /* MR_CLOCK_TSC_H */
