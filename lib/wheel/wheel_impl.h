/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the timer wheel, shared by wheel.c (memory, arming), wheel_turn.c (advancing) and
 * wheel_check.c (the invariants below, checked). Nobody else includes this file.
 *
 * Two levels. N = 2^level0_bits near slots of one tick each; F far slots of U = N/2 ticks each;
 * F * U = 2^18 ticks. A slot is a list of chunks of record indices, of which only the first is not
 * full. All time below is in ticks modulo 2^32, and every modulus in use divides 2^18.
 *
 *   cur    the first tick whose near slot has not been taken out yet
 *   run    what is left of the near slot of tick cur-1, taken out and being fired
 *   fall   what is left of a far slot, taken out and being cascaded
 *
 * WHAT A RECORD KNOWS. Its word holds up to three entries, one per field; an entry found in a slot
 * is valid if a field names that slot, else it is stale and dropped.
 *
 *   soon (6 bits + valid)             an entry in a near slot less than 64 ticks ahead
 *   near (level0_bits + valid)        an entry in a near slot
 *   far  (19 - level0_bits + valid)   an entry in a far slot
 *
 * Why three and not one: a connection's timers differ by orders of magnitude (delayed ACK 40 ms,
 * retransmission 200 ms to 1 s, idle 60 s). With one known entry, each short timer makes the wheel
 * forget the long one's entry, and each of its fires inserts that again, while the old one still
 * lies there: 60 s / 40 ms = 1500 entries for one record. With three, each order of magnitude keeps
 * its entry while shorter ones come and go. An entry becomes stale only when a deadline is replaced
 * by an EARLIER one of the same order; it leaves with its slot, at most 64 ticks, N ticks or 2^18
 * ticks later. The repeated case needs a fire in between, so a record that alternates between
 * lengths a < b of one order holds at most b/a + 1 stale entries. Reincarnations inherit the word.
 *
 * INVARIANTS (wheel_check)
 *  1 A valid field has an entry in the slot that it names, or in run or fall if that slot was
 *    taken.
 *  2 near and soon entries lie in ticks [base, cur + N - 2] and [base, cur + 62], where base is
 *    cur - 1 while run is not empty, else cur: so a slot number modulo N (64) names one tick.
 *  3 A far entry of slot f (deadlines fU .. fU+U-1) is taken out at tick (f-1)U, and fall is empty
 *    before tick fU is taken: it fires U ticks before its deadline at the earliest and at fU at the
 *    latest, with U ticks of slack over which the cascade may be spread. What it then arms lies at
 *    most 2U - 2 = N - 2 ticks ahead: a far entry cascades once.
 *  4 f lies in [cur/U, cur/U + F - 1].
 *  5 A bit of a bitmap is set exactly if its slot is not empty.
 *  6 Each chunk is in exactly one list: free, a slot, run, fall.
 *
 * So an entry of tick t is a promise: fired when tick t is handled. wheel_arm compares the deadline
 * with the earliest promise and inserts only what is earlier than all.
 *
 * WHEN THE CHUNKS RUN OUT the entry is left out, the soon field says LOST, and every loss orders a
 * sweep over all records, bounded per turn, that fires the LOST ones; they arm again. So a timer is
 * late by at most the turns of one sweep, and none is forgotten. The pool is sized for 1.25 entries
 * per record (a far one for all, a near one too for a quarter) and one part-filled chunk per slot.
 *
 * A CLOCK JUMP of whole rotations (2^18 ticks) is skipped by adding them to cur: all slot numbers
 * stay what they are. The last one is walked, along the bitmaps: each step finds entries.
 */
#ifndef MR_WHEEL_IMPL_H
#define MR_WHEEL_IMPL_H

#include "wheel.h"

#define SOON_BITS	6u
#define SOON_TICKS	(1u << SOON_BITS)
#define SOON_VALID	SOON_TICKS
#define SOON_FIELD	(2 * SOON_TICKS - 1)
#define SOON_LOST	1u		/* valid bit clear: no slot number, but this mark */
#define NEAR_SHIFT	(SOON_BITS + 1)
#define FAR_VALID	(1u << 27)
#define NEAR_BITS_MAX	14u
#define FAR_BITS_MAX	11u		/* level0_bits = 8 */

/* Two cache lines: part-filled chunks waste little, and 31 misses overlap in one batch. */
#define CHUNK_ENTRIES	31u

struct wheel_chunk {
	uint32_t next;			/* chunk index or WHEEL_NIL */
	uint32_t entry[CHUNK_ENTRIES];
};
static_assert(sizeof(struct wheel_chunk) == 2 * MR_CACHE_LINE, "a chunk must fill its cache lines");

/* Empty: chunk == WHEEL_NIL and fill == CHUNK_ENTRIES, so that one comparison finds "no room". */
struct wheel_slot {
	uint32_t chunk;
	uint32_t fill;			/* entries of the first chunk; the others are full */
};

/* Which slots are not empty, in two levels: the next one is found in at most four words. */
struct wheel_bitmap {
	uint64_t word[1u << (NEAR_BITS_MAX - 6)];
	uint64_t sum[1u << (NEAR_BITS_MAX - 12)];
	uint32_t slots;
};

struct wheel {
	uint8_t *words;			/* records + word_offset */
	uint32_t stride, capacity;
	uint32_t cur;
	uint32_t cur_ms;		/* cur << tick_shift: cur as milliseconds */
	uint32_t pending;		/* cur - base: 1 while run is not empty */
	uint32_t tick_shift;
	uint32_t near_mask;		/* N - 1 */
	uint32_t near_valid;		/* bit of the word */
	uint32_t far_mask;		/* F - 1 */
	uint32_t far_shift;		/* bit of the word where the far field starts */
	uint32_t unit_shift;		/* U = 1 << unit_shift */
	uint32_t free_chunk, nfree;
	struct wheel_chunk *chunks;
	struct wheel_slot *near, *far;
	struct wheel_slot run, fall;
	uint32_t fall_slot;		/* number of the far slot that fall was */
	uint32_t now_ms;		/* of the last turn */
	uint32_t sweep_left, sweep_next; /* records still to be visited; the next one */
	uint32_t turns;
	uint32_t nchunks, items_max;
	uint64_t fired, stale, cascaded, inserted, lost, swept;
	struct wheel_bitmap near_map, far_map;
	struct mr_bigmem mem;
};

MR_INLINE uint32_t *wheel_word(const struct wheel *w, uint32_t index)
{
	MR_CHECK(index < w->capacity);
	return (uint32_t *)(void *)(w->words + (size_t)index * w->stride);
}

MR_INLINE void bitmap_set(struct wheel_bitmap *m, uint32_t slot)
{
	m->word[slot >> 6] |= 1ull << (slot & 63);
	m->sum[slot >> 12] |= 1ull << ((slot >> 6) & 63);
}

MR_INLINE void bitmap_clear(struct wheel_bitmap *m, uint32_t slot)
{
	m->word[slot >> 6] &= ~(1ull << (slot & 63));
	if (m->word[slot >> 6] == 0)
		m->sum[slot >> 12] &= ~(1ull << ((slot >> 6) & 63));
}

MR_INLINE bool slot_empty(const struct wheel_slot *s) { return s->chunk == WHEEL_NIL; }

MR_INLINE void slot_reset(struct wheel_slot *s)
{
	s->chunk = WHEEL_NIL;
	s->fill = CHUNK_ENTRIES;
}

/**
 * Clears the fields of a record that name the slot of `tick`. False: the entry found there is
 * stale.
 */
MR_INLINE bool wheel_claim_near(const struct wheel *w, uint32_t index, uint32_t tick)
{
	uint32_t *word = wheel_word(w, index), x = *word, clear = 0;
	uint32_t field = w->near_valid | w->near_mask << NEAR_SHIFT;

	if ((x & field) == (w->near_valid | (tick & w->near_mask) << NEAR_SHIFT))
		clear = field;
	if ((x & SOON_FIELD) == (SOON_VALID | (tick & (SOON_TICKS - 1))))
		clear |= SOON_FIELD;
	*word = x & ~clear;
	return clear != 0;
}

/** The same for a far slot. */
MR_INLINE bool wheel_claim_far(const struct wheel *w, uint32_t index, uint32_t slot)
{
	uint32_t *word = wheel_word(w, index),
		 field = WHEEL_WORD_MASK << w->far_shift & WHEEL_WORD_MASK;

	if ((*word & field) != (FAR_VALID | slot << w->far_shift))
		return false;
	*word &= ~field;
	return true;
}

/** Slots from `from` (cyclically, 0 = itself) to the next one that is not empty, or WHEEL_NIL. */
uint32_t wheel_bitmap_next(const struct wheel_bitmap *m, uint32_t from);
/** Ticks from cur to the next tick at which there is something to do, at most `limit`. */
uint32_t wheel_next_stop(const struct wheel *w, uint32_t limit);
/** Takes the last entries of a list, at most max, into out; frees the chunk when it gets empty. */
uint32_t wheel_take(struct wheel *w, struct wheel_slot *s, uint32_t max, uint32_t *out);
/** Starts the loads of the records in the first chunk of a list. */
void wheel_prefetch_records(const struct wheel *w, const struct wheel_slot *s);

#endif /* MR_WHEEL_IMPL_H */
