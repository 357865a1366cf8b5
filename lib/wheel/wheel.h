/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hierarchical timer wheel over records that it does not own: it knows an array base, a stride and
 * the offset of one 32-bit word in each record, of which the low 28 bits are the wheel's and the high
 * 4 the record's. Slots are chunked arrays of record indices. See wheel.c for the invariants.
 *
 * A record has ONE deadline (the earliest of its timers), which the owner keeps; wheel_arm() says
 * "call me at this time at the latest". Arming later than a valid entry stores nothing; cancelling
 * is not a call at all: the owner's deadline moves, and the entry that comes due early is put back
 * by the owner's fire function arming again. The word survives the life of a record: a freed and
 * reused record inherits the entry, so stale entries cannot pile up. Arming cannot fail.
 *
 * HOT PATH: wheel_arm: no allocation, no lock, no log, no division; budget 40 cycles for an
 * insertion, 15 for a lazy re-arm (bench/micro/wheel).
 */
#ifndef MR_WHEEL_H
#define MR_WHEEL_H

#include "bigmem.h"
#include "check.h"
#include "seq.h"

#define WHEEL_WORD_MASK 0x0fffffffu

struct wheel;

struct wheel_config {
	uint8_t *records;	/* base of the record array */
	uint32_t stride;	/* octets between records */
	uint32_t word_offset;	/* of the uint32_t word */
	uint32_t capacity;	/* records */
	uint32_t tick_ms;	/* power of two, 1..64 */
	uint32_t level0_bits;	/* slots of the lowest level as a power of two, 8..14 */
	int node;		/* NUMA node */
};

/** Called for a due record, whose entry is gone: handle its timers, then wheel_arm() for what remains. */
typedef void (*wheel_fire_fn)(void *ctx, uint32_t index, uint32_t now_ms);

/** Octets that wheel_create will map, for the memory said at start. */
size_t wheel_memory(const struct wheel_config *cfg);
/** now_ms: current time. Zeroes every record's low 28 bits. NULL when there is no memory. */
struct wheel *wheel_create(const struct wheel_config *cfg, uint32_t now_ms);
void wheel_destroy(struct wheel *w);

/**
 * Makes sure that the record is fired at deadline_ms or, when it was armed earlier before, at that
 * earlier time. A deadline that is not after the wheel's time fires in the next turn. At most
 * MR_WHEEL_HORIZON ahead: a longer one fires early and is put back.
 */
void wheel_arm(struct wheel *w, uint32_t index, uint32_t deadline_ms);

struct wheel_stats {
	uint64_t fired, stale, cascaded, inserted;
	uint64_t swept;			/* records found by the sweep after the chunk pool ran dry */
	uint32_t chunks_free, chunks_total;
	uint32_t behind_ms;		/* how far the wheel's time is behind the last `now` */
	uint32_t items_max;		/* most entries handled in one turn */
};

/**
 * Advances to now_ms, handling at most `budget` entries (fired, stale and cascaded together); what is
 * left is resumed by the next call. Returns the entries handled.
 */
uint32_t wheel_turn(struct wheel *w, uint32_t now_ms, uint32_t budget, wheel_fire_fn fire, void *ctx);
/** Milliseconds (0 .. max_ms) during which wheel_turn will surely find nothing: for the idle policy. */
uint32_t wheel_idle_ms(const struct wheel *w, uint32_t max_ms);
void wheel_stats(const struct wheel *w, struct wheel_stats *out);
/** Aborts when an invariant does not hold (whole structure: tests, debug builds). */
void wheel_check(const struct wheel *w);

#endif /* MR_WHEEL_H */
