/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hierarchical timer wheel over records that it does not own: it knows an array base, a stride and
 * the offset of one 32-bit word in each record, of which the low 28 bits are the wheel's and the
 * high 4 the record's. Slots are chunked arrays of record indices; wheel_impl.h has the invariants.
 *
 * A record has ONE deadline (the earliest of its timers), which the owner keeps; wheel_arm() says
 * "call me at this time at the latest". Arming later than a known entry stores nothing; cancelling
 * is not a call at all: the owner's deadline moves, and the entry that comes due early is put back
 * by the owner's fire function arming again. The word survives the life of a record: a freed and
 * reused record inherits its entries, so stale entries cannot pile up. Arming cannot fail.
 *
 * So the fire function must bear being called too early, and for a record that is free: it compares
 * its own deadlines with now_ms, and arms for what remains.
 *
 * HOT PATH: wheel_arm: no allocation, no lock, no log, no division; budget 40 cycles for an
 * insertion, 15 for a lazy re-arm (bench/micro/wheel).
 */
#ifndef MR_WHEEL_H
#define MR_WHEEL_H

#include "bigmem.h"
#include "bounds.h"
#include "check.h"
#include "seq.h"

#define WHEEL_WORD_MASK 0x0fffffffu
#define WHEEL_NIL	0xffffffffu
/* Room for entries when wheel_config.entries_percent is 0: five entries for four records. */
#define WHEEL_ENTRIES_PERCENT 125u
/*
 * Entries lie less than 2^18 ticks ahead (262 s at 1 ms): a later deadline fires early, is put
 * back.
 */
#define WHEEL_SPAN_BITS 18u

struct wheel;

struct wheel_config {
	uint8_t *records;	/* base of the record array */
	uint32_t stride;	/* octets between records */
	uint32_t word_offset;	/* of the uint32_t word */
	uint32_t capacity;	/* records */
	uint32_t tick_ms;	/* power of two, 1..64 */
	uint32_t level0_bits;	/* log2 of the near slots, 8..14; 12 for connections */
	uint32_t entries_percent; /* room for entries, per cent of capacity; 0: as above */
	int node;		/* NUMA node */
};

/**
 * Called for a due record, whose entry is gone: handle its timers, then wheel_arm() for what
 * remains.
 */
typedef void (*wheel_fire_fn)(void *ctx, uint32_t index, uint32_t now_ms);

/** Octets that wheel_create will map, for the memory said at start. */
size_t wheel_memory(const struct wheel_config *cfg);
/** now_ms: current time. Zeroes every record's low 28 bits. NULL when there is no memory. */
struct wheel *wheel_create(const struct wheel_config *cfg, uint32_t now_ms);
void wheel_destroy(struct wheel *w);

/**
 * Makes sure that the record is fired at deadline_ms (rounded up to a tick) or earlier. A deadline
 * that is not after the wheel's time fires at its next tick. The deadline lies less than 2^31 ms
 * from the wheel's time. Allowed inside the fire function, for any record.
 */
void wheel_arm(struct wheel *w, uint32_t index, uint32_t deadline_ms);

struct wheel_stats {
	uint64_t fired, stale, cascaded, inserted;
	uint64_t lost;			/* entries left out because the chunk pool was dry */
	uint64_t swept; /* records found by the sweep after the chunk pool ran dry */
	uint32_t chunks_free, chunks_total;
	uint32_t behind_ms;		/* 0: all ticks up to the last `now` are handled */
	uint32_t items_max;		/* most entries handled in one turn */
};

/**
 * Advances to now_ms, handling at most `budget` (>= 1) entries (fired, stale, cascaded and swept
 * together); what is left is resumed by the next call. Returns the entries handled.
 */
uint32_t wheel_turn(struct wheel *w, uint32_t now_ms, uint32_t budget, wheel_fire_fn fire,
		    void *ctx);
/**
 * Milliseconds (0 .. max_ms) after the last wheel_turn's now_ms during which another one will
 * surely find nothing: for the idle policy.
 */
uint32_t wheel_idle_ms(const struct wheel *w, uint32_t max_ms);
/** The wheel's own time: the first tick that is not yet handled, or is being handled. */
uint32_t wheel_time_ms(const struct wheel *w);

/** Starts the loads of the records that the next calls of wheel_pop will look at. */
void wheel_pop_prefetch(struct wheel *w);
/**
 * Takes out the earliest entry (any of the earliest non-empty slot) before its time. Returns its
 * record, which then has no such entry, and its tick in *due_ms (for a far one: the first deadline
 * of its slot); WHEEL_NIL when the entry was stale or there is none.
 */
uint32_t wheel_pop(struct wheel *w, uint32_t *due_ms);

void wheel_stats(const struct wheel *w, struct wheel_stats *out);
/** Aborts when an invariant does not hold (whole structure: tests, debug builds). */
void wheel_check(const struct wheel *w);

#endif /* MR_WHEEL_H */
