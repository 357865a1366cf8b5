/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The check of the whole wheel: the invariants of wheel_impl.h, one by one. Never on a packet path.
 */
#include <stdlib.h>

#include "wheel_impl.h"

enum { SEEN_SOON = 1, SEEN_NEAR = 2, SEEN_FAR = 4 };

/* What the check gathers while it walks the slots. */
struct census {
	uint8_t *seen;			/* SEEN_ bits of each record */
	uint64_t chunks;
};

static uint32_t near_field(const struct wheel *w, uint32_t x)
{
	return x >> NEAR_SHIFT & (w->near_valid >> NEAR_SHIFT | w->near_mask);
}

static uint8_t fields_of_tick(const struct wheel *w, uint32_t x, uint32_t tick)
{
	uint8_t seen = 0;

	if (near_field(w, x) == (w->near_valid >> NEAR_SHIFT | (tick & w->near_mask)))
		seen |= SEEN_NEAR;
	/* Of the 64-tick rotations only the one from base on is meant (invariant 2). */
	if ((x & SOON_FIELD) == (SOON_VALID | (tick & (SOON_TICKS - 1))) &&
	    tick - (w->cur - w->pending) < SOON_TICKS)
		seen |= SEEN_SOON;
	return seen;
}

static uint8_t fields_of_far(const struct wheel *w, uint32_t x, uint32_t slot)
{
	return x >> w->far_shift << w->far_shift << 4 ==
	       (FAR_VALID | slot << w->far_shift) << 4 ? SEEN_FAR : 0;
}

static void walk(const struct wheel *w, const struct wheel_slot *s, bool far, uint32_t id,
		 struct census *c)
{
	uint32_t chunk = s->chunk, fill = s->fill, index, x;

	MR_ASSERT(chunk != WHEEL_NIL || fill == CHUNK_ENTRIES);
	for (; chunk != WHEEL_NIL; chunk = w->chunks[chunk].next, fill = CHUNK_ENTRIES) {
		MR_ASSERT(chunk < w->nchunks);
		MR_ASSERT(fill >= 1 && fill <= CHUNK_ENTRIES);
		MR_ASSERT(++c->chunks <= w->nchunks);
		for (uint32_t i = 0; i < fill; i++) {
			index = w->chunks[chunk].entry[i];
			MR_ASSERT(index < w->capacity);
			x = *wheel_word(w, index);
			c->seen[index] |= far ? fields_of_far(w, x, id) : fields_of_tick(w, x, id);
		}
	}
}

static void check_bitmap(const struct wheel_bitmap *m, const struct wheel_slot *slots)
{
	for (uint32_t i = 0; i < m->slots; i += 64) {
		uint64_t word = 0;

		for (uint32_t k = i; k < MR_MIN(i + 64, m->slots); k++)
			word |= (uint64_t)!slot_empty(&slots[k]) << (k - i);
		MR_ASSERT(word == m->word[i >> 6]);
	}
	for (uint32_t i = 0; i < (m->slots + 63) >> 6; i++) {
		bool bit = m->sum[i >> 6] >> (i & 63) & 1;

		MR_ASSERT(bit == (m->word[i] != 0));
	}
}

static void check_words(const struct wheel *w, const struct census *c)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < w->capacity; i++) {
		uint32_t x = *wheel_word(w, i);

		MR_ASSERT(!(x & SOON_VALID) || (c->seen[i] & SEEN_SOON));
		MR_ASSERT((x & SOON_VALID) || (x & SOON_FIELD) <= SOON_LOST);
		MR_ASSERT(!(x & w->near_valid) || (c->seen[i] & SEEN_NEAR));
		MR_ASSERT(!(x & FAR_VALID) || (c->seen[i] & SEEN_FAR));
		lost += (x & SOON_FIELD) == SOON_LOST;
	}
	MR_ASSERT(lost <= w->sweep_left);
}

void wheel_check(const struct wheel *w)
{
	struct census c = { .seen = calloc(w->capacity, 1) };
	uint32_t base = w->cur - w->pending, tick, nfree = 0;

	MR_ASSERT(c.seen != NULL);
	MR_ASSERT(w->cur_ms == w->cur << w->tick_shift);
	MR_ASSERT(w->pending == !slot_empty(&w->run));
	for (uint32_t i = 0; i <= w->near_mask; i++) {
		if (slot_empty(&w->near[i]))
			continue;
		tick = w->cur + ((i - w->cur) & w->near_mask);
		/*
		 * Arming reaches N - 2 ticks ahead of a cur that only grows, so tick cur - 1 has
		 * none.
		 */
		MR_ASSERT(tick - w->cur < w->near_mask);
		walk(w, &w->near[i], false, tick, &c);
	}
	for (uint32_t i = 0; i <= w->far_mask; i++)
		if (!slot_empty(&w->far[i]))
			walk(w, &w->far[i], true, i, &c);
	walk(w, &w->run, false, base, &c);
	walk(w, &w->fall, true, w->fall_slot, &c);
	check_bitmap(&w->near_map, w->near);
	check_bitmap(&w->far_map, w->far);
	check_words(w, &c);
	for (uint32_t i = w->free_chunk; i != WHEEL_NIL; i = w->chunks[i].next) {
		MR_ASSERT(i < w->nchunks);
		MR_ASSERT(++nfree <= w->nchunks);
	}
	MR_ASSERT(nfree == w->nfree);
	MR_ASSERT(nfree + c.chunks == w->nchunks);
	free(c.seen);
}
