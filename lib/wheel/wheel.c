/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wheel's memory, and arming. Never looks at a clock; never calls the fire function.
 * Read wheel_impl.h first; then wheel_turn.c.
 */
#include <stdlib.h>
#include <string.h>

#include "wheel_impl.h"

static uint32_t chunks_wanted(const struct wheel_config *cfg)
{
	uint32_t percent = cfg->entries_percent ? cfg->entries_percent : WHEEL_ENTRIES_PERCENT;
	uint64_t entries = (uint64_t)cfg->capacity * percent / 100 + 1;
	uint64_t slots =
		(1ull << cfg->level0_bits) + (2ull << (WHEEL_SPAN_BITS - cfg->level0_bits));
	uint64_t chunks = (entries + CHUNK_ENTRIES - 1) / CHUNK_ENTRIES;

	/*
	 * Each slot may hold one chunk that is not full; but no more slots are in use than entries.
	 */
	return (uint32_t)(chunks + MR_MIN(slots, entries));
}

static uint32_t slots_wanted(const struct wheel_config *cfg)
{
	return (1u << cfg->level0_bits) + (2u << (WHEEL_SPAN_BITS - cfg->level0_bits));
}

static size_t slots_octets(const struct wheel_config *cfg)
{
	size_t len = slots_wanted(cfg) * sizeof(struct wheel_slot);

	return (len + MR_CACHE_LINE - 1) & ~(size_t)(MR_CACHE_LINE - 1);
}

size_t wheel_memory(const struct wheel_config *cfg)
{
	return slots_octets(cfg) + (size_t)chunks_wanted(cfg) * sizeof(struct wheel_chunk);
}

static void check_config(const struct wheel_config *cfg)
{
	MR_ASSERT(cfg->capacity >= 1 && cfg->capacity <= MR_RECORDS_MAX);
	MR_ASSERT(cfg->tick_ms >= 1 && cfg->tick_ms <= 64);
	MR_ASSERT((cfg->tick_ms & (cfg->tick_ms - 1)) == 0);
	MR_ASSERT(cfg->level0_bits >= 8 && cfg->level0_bits <= NEAR_BITS_MAX);
	MR_ASSERT(cfg->stride >= 4 && cfg->stride % 4 == 0 && cfg->word_offset % 4 == 0);
	MR_ASSERT(cfg->word_offset <= cfg->stride - 4);
	MR_ASSERT(cfg->entries_percent <= 1000);
}

static void set_geometry(struct wheel *w, const struct wheel_config *cfg)
{
	uint32_t far_bits = WHEEL_SPAN_BITS + 1 - cfg->level0_bits;

	w->near_mask = (1u << cfg->level0_bits) - 1;
	w->near_valid = 1u << (NEAR_SHIFT + cfg->level0_bits);
	w->unit_shift = cfg->level0_bits - 1;
	w->far_mask = (1u << far_bits) - 1;
	w->far_shift = NEAR_SHIFT + cfg->level0_bits + 1;
	w->tick_shift = (uint32_t)__builtin_ctz(cfg->tick_ms);
	w->near_map.slots = w->near_mask + 1;
	w->far_map.slots = w->far_mask + 1;
	MR_ASSERT(w->far_shift + far_bits == 27);
	MR_ASSERT(far_bits <= FAR_BITS_MAX);
}

static void set_slots(struct wheel *w)
{
	for (uint32_t i = 0; i <= w->near_mask; i++)
		slot_reset(&w->near[i]);
	for (uint32_t i = 0; i <= w->far_mask; i++)
		slot_reset(&w->far[i]);
	slot_reset(&w->run);
	slot_reset(&w->fall);
	for (uint32_t i = 0; i < w->nchunks; i++)
		w->chunks[i].next = i + 1 < w->nchunks ? i + 1 : WHEEL_NIL;
	w->free_chunk = 0;
	w->nfree = w->nchunks;
	for (uint32_t i = 0; i < w->capacity; i++)
		*wheel_word(w, i) &= ~WHEEL_WORD_MASK;
}

struct wheel *wheel_create(const struct wheel_config *cfg, uint32_t now_ms)
{
	struct wheel *w;

	check_config(cfg);
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	if (mr_bigmem_map(&w->mem, wheel_memory(cfg), cfg->node) != 0) {
		free(w);
		return NULL;
	}
	w->words = cfg->records + cfg->word_offset;
	w->stride = cfg->stride;
	w->capacity = cfg->capacity;
	w->nchunks = chunks_wanted(cfg);
	set_geometry(w, cfg);
	w->near = w->mem.addr;
	w->far = w->near + w->near_mask + 1;
	w->chunks = (struct wheel_chunk *)(void *)((uint8_t *)w->mem.addr + slots_octets(cfg));
	w->cur = now_ms >> w->tick_shift;
	w->cur_ms = w->cur << w->tick_shift;
	w->now_ms = now_ms;
	set_slots(w);
	return w;
}

void wheel_destroy(struct wheel *w)
{
	if (w == NULL)
		return;
	mr_bigmem_unmap(&w->mem);
	free(w);
}

/* Appends to a slot. False: no chunk left. */
MR_INLINE bool push(struct wheel *w, struct wheel_slot *s, uint32_t index)
{
	uint32_t c = s->chunk;

	if (MR_UNLIKELY(s->fill == CHUNK_ENTRIES)) {
		c = w->free_chunk;
		if (MR_UNLIKELY(c == WHEEL_NIL))
			return false;
		w->free_chunk = w->chunks[c].next;
		w->nfree--;
		/* The next one's link is read some inserts from now: no miss then. */
		MR_PREFETCH_WRITE(&w->chunks[w->free_chunk == WHEEL_NIL ? c : w->free_chunk]);
		w->chunks[c].next = s->chunk;
		s->chunk = c;
		s->fill = 0;
	}
	w->chunks[c].entry[s->fill++] = index;
	return true;
}

/* The pool is dry: mark the record for the sweep, and order one (wheel_impl.h). */
static MR_COLD void lose(struct wheel *w, uint32_t *word)
{
	*word = (*word & ~SOON_FIELD) | SOON_LOST;
	w->sweep_left = w->capacity;
	w->lost++;
}

/* ahead >= N - 1, so the slot's turn is still to come (invariants 3 and 4). */
static MR_NOINLINE void arm_far(struct wheel *w, uint32_t index, uint32_t ahead, uint32_t *word)
{
	uint32_t farthest = w->far_mask << w->unit_shift;
	uint32_t slot = (w->cur + MR_MIN(ahead, farthest)) >> w->unit_shift & w->far_mask;

	MR_CHECK(ahead >= w->near_mask);
	if (!push(w, &w->far[slot], index)) {
		lose(w, word);
		return;
	}
	bitmap_set(&w->far_map, slot);
	*word = (*word & ~(WHEEL_WORD_MASK << w->far_shift & WHEEL_WORD_MASK)) | FAR_VALID |
		slot << w->far_shift;
	w->inserted++;
}

MR_INLINE void arm_near(struct wheel *w, uint32_t index, uint32_t ahead, uint32_t *word)
{
	uint32_t tick = w->cur + ahead, slot = tick & w->near_mask, x = *word;

	if (MR_UNLIKELY(!push(w, &w->near[slot], index))) {
		lose(w, word);
		return;
	}
	bitmap_set(&w->near_map, slot);
	w->inserted++;
	/* Which field: one that forgets no entry, else one whose stale entry leaves soonest. A lost
	 * mark stays until the sweep has seen it. */
	if (ahead <= SOON_TICKS - 2 && (x & SOON_FIELD) != SOON_LOST &&
	    (!(x & SOON_VALID) || (x & w->near_valid)))
		*word = (x & ~SOON_FIELD) | SOON_VALID | (tick & (SOON_TICKS - 1));
	else
		*word = (x & ~(w->near_valid | w->near_mask << NEAR_SHIFT)) | w->near_valid |
			slot << NEAR_SHIFT;
}

/*
 * Does a valid entry promise to fire not later than `ahead` ticks from cur? soon and near count
 * from base, far (whose distance is to the slot's first deadline) from cur.
 */
MR_INLINE bool promised(const struct wheel *w, uint32_t x, uint32_t ahead)
{
	const uint32_t base = w->cur - w->pending;
	uint32_t far, past;

	if ((x & w->near_valid) &&
	    (((x >> NEAR_SHIFT) - base) & w->near_mask) <= ahead + w->pending)
		return true;
	if ((x & SOON_VALID) && ((x - base) & (SOON_TICKS - 1)) <= ahead + w->pending)
		return true;
	if ((x & FAR_VALID) == 0)
		return false;
	far = ((x >> w->far_shift) - (w->cur >> w->unit_shift)) & w->far_mask;
	past = w->cur & ((1u << w->unit_shift) - 1);
	/* past > far << unit_shift cannot be (invariant 4) */
	return (far << w->unit_shift) - past <= ahead;
}

void wheel_arm(struct wheel *w, uint32_t index, uint32_t deadline_ms)
{
	uint32_t *word = wheel_word(w, index), ahead = 0;
	int32_t ms = seq_diff(deadline_ms, w->cur_ms);

	if (MR_LIKELY(ms > 0))
		ahead = ((uint32_t)ms + (1u << w->tick_shift) - 1) >> w->tick_shift;
	if (promised(w, *word, ahead))
		return;
	if (ahead < w->near_mask)
		arm_near(w, index, ahead, word);
	else
		arm_far(w, index, ahead, word);
}

void wheel_stats(const struct wheel *w, struct wheel_stats *out)
{
	/* cur is behind every tick that was opened; an unfinished one counts as not handled. */
	int32_t behind = seq_diff(w->now_ms, w->cur_ms) + (int32_t)(w->pending << w->tick_shift);

	memset(out, 0, sizeof(*out));
	out->fired = w->fired;
	out->stale = w->stale;
	out->cascaded = w->cascaded;
	out->inserted = w->inserted;
	out->lost = w->lost;
	out->swept = w->swept;
	out->chunks_free = w->nfree;
	out->chunks_total = w->nchunks;
	if (behind >= 0)
		out->behind_ms = (uint32_t)behind + 1;
	out->items_max = w->items_max;
}

uint32_t wheel_time_ms(const struct wheel *w)
{
	return w->cur_ms - (w->pending << w->tick_shift);
}
