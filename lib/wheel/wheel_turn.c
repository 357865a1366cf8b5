/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Advancing the wheel: taking slots out and firing their records, cascading the far level, skipping
 * what is empty, sweeping after the chunk pool ran dry. Every step is bounded by the caller's
 * budget and resumed by the next call. Read wheel_impl.h first.
 */
#include "wheel_impl.h"

/* Records that the sweep looks ahead: one cache miss each, so several must overlap. */
#define SWEEP_AHEAD	16u

/* One call of wheel_turn. */
struct turn {
	uint32_t now_ms;
	uint32_t left;			/* entries that may still be handled */
	wheel_fire_fn fire;
	void *ctx;
};

/* Bits of `m` from bit `from` on: the number of the first, or WHEEL_NIL. */
static uint32_t bitmap_from(const struct wheel_bitmap *m, uint32_t from)
{
	uint32_t word = from >> 6, words = m->slots >> 6, block, skip;
	uint64_t bits = from < m->slots ? m->word[word] & (~0ull << (from & 63)) : 0;

	if (bits != 0)
		return (word << 6) + (uint32_t)__builtin_ctzll(bits);
	/* At most 4 words of the summary. Fewer than 64 slots are one word, which was just seen. */
	for (word++; word < words; word = (block + 1) << 6) {
		block = word >> 6;
		skip = word & 63;
		bits = m->sum[block] & (~0ull << skip);
		if (bits != 0) {
			word = (block << 6) + (uint32_t)__builtin_ctzll(bits);
			return (word << 6) + (uint32_t)__builtin_ctzll(m->word[word]);
		}
	}
	return WHEEL_NIL;
}

uint32_t wheel_bitmap_next(const struct wheel_bitmap *m, uint32_t from)
{
	uint32_t slot;

	MR_CHECK(from < m->slots);
	slot = bitmap_from(m, from);
	if (slot == WHEEL_NIL && from != 0)
		slot = bitmap_from(m, 0);
	return slot == WHEEL_NIL ? WHEEL_NIL : (slot - from) & (m->slots - 1);
}

uint32_t wheel_next_stop(const struct wheel *w, uint32_t limit)
{
	uint32_t unit = 1u << w->unit_shift, past = w->cur & (unit - 1);
	uint32_t to_boundary = (unit - past) & (unit - 1);
	uint32_t near = wheel_bitmap_next(&w->near_map, w->cur & w->near_mask);
	uint32_t next = (w->cur + to_boundary) >> w->unit_shift, far;

	/* A boundary may not be passed while the cascade that it ends is not done (invariant 3). */
	if (!slot_empty(&w->fall))
		limit = MR_MIN(limit, to_boundary);
	if (near != WHEEL_NIL)
		limit = MR_MIN(limit, near);
	/* At boundary k << unit_shift the slot k + 1 is taken out. */
	far = wheel_bitmap_next(&w->far_map, (next + 1) & w->far_mask);
	if (far != WHEEL_NIL)
		limit = MR_MIN(limit, to_boundary + (far << w->unit_shift));
	return limit;
}

static void prefetch_chunk(const struct wheel *w, uint32_t chunk)
{
	if (chunk == WHEEL_NIL)
		return;
	MR_PREFETCH_WRITE(&w->chunks[chunk]);
	MR_PREFETCH_WRITE((uint8_t *)&w->chunks[chunk] + MR_CACHE_LINE);
}

void wheel_prefetch_records(const struct wheel *w, const struct wheel_slot *s)
{
	const struct wheel_chunk *c;

	if (slot_empty(s))
		return;
	c = &w->chunks[s->chunk];
	for (uint32_t i = 0; i < s->fill; i++)
		MR_PREFETCH_WRITE(wheel_word(w, c->entry[i]));
	prefetch_chunk(w, c->next);
}

uint32_t wheel_take(struct wheel *w, struct wheel_slot *s, uint32_t max, uint32_t *out)
{
	struct wheel_chunk *c = &w->chunks[s->chunk];
	uint32_t n = MR_MIN(s->fill, max), index = s->chunk;

	MR_CHECK(!slot_empty(s) && s->fill >= 1 && s->fill <= CHUNK_ENTRIES);
	s->fill -= n;
	for (uint32_t i = 0; i < n; i++)
		out[i] = c->entry[s->fill + i];
	if (s->fill == 0) {
		/* Freed before the records fire: with a dry pool they find room again. */
		s->chunk = c->next;
		s->fill = CHUNK_ENTRIES;
		c->next = w->free_chunk;
		w->free_chunk = index;
		w->nfree++;
	}
	return n;
}

/*
 * Fires at most `max` entries of a detached list. While one chunk is fired the records of the next
 * are fetched, one for one: a whole chunk's prefetches at once would wait for each other.
 */
MR_INLINE void drain(struct wheel *w, struct turn *t, struct wheel_slot *s, uint32_t max, bool far)
{
	uint32_t batch[CHUNK_ENTRIES], n, number = far ? w->fall_slot : w->cur - 1;
	const struct wheel_chunk *ahead;
	uint64_t valid = 0, stale = 0;

	while (!slot_empty(s) && max != 0) {
		n = wheel_take(w, s, max, batch);
		max -= n;
		t->left -= n;
		ahead = slot_empty(s) ? NULL : &w->chunks[s->chunk];
		prefetch_chunk(w, ahead ? ahead->next : WHEEL_NIL);
		for (uint32_t i = 0; i < n; i++) {
			if (ahead != NULL)
				MR_PREFETCH_WRITE(wheel_word(w, ahead->entry[i]));
			if (far ? wheel_claim_far(w, batch[i], number) :
				  wheel_claim_near(w, batch[i], number)) {
				valid++;
				t->fire(t->ctx, batch[i], t->now_ms);
			} else {
				stale++;
			}
		}
	}
	*(far ? &w->cascaded : &w->fired) += valid;
	w->stale += stale;
}

/* Fires the rest of run, as far as the budget allows. */
static void drain_run(struct wheel *w, struct turn *t)
{
	drain(w, t, &w->run, t->left, false);
	w->pending = !slot_empty(&w->run);
}

/*
 * Cascades at most `max` entries of fall: their owners arm them again, now within the near level.
 */
static void drain_fall(struct wheel *w, struct turn *t, uint32_t max)
{
	drain(w, t, &w->fall, max, true);
}

/*
 * Looks at `words` records at most for those that lost their entry. Fires a quarter of the budget
 * at most: the ordinary slots must go on, since only they give chunks back.
 */
static MR_NOINLINE void sweep(struct wheel *w, struct turn *t, uint32_t words)
{
	uint32_t fires = MR_MAX(t->left / 4, 1u), index, *word;

	for (; words != 0 && w->sweep_left != 0 && fires != 0; words--) {
		index = w->sweep_next;
		w->sweep_next = index + 1 == w->capacity ? 0 : index + 1;
		w->sweep_left--;
		if (index + SWEEP_AHEAD < w->capacity)
			MR_PREFETCH_WRITE(wheel_word(w, index + SWEEP_AHEAD));
		word = wheel_word(w, index);
		if ((*word & SOON_FIELD) != SOON_LOST)
			continue;
		*word &= ~SOON_FIELD;
		w->swept++;
		fires--;
		t->left--;
		t->fire(t->ctx, index, t->now_ms);
	}
}

/* Takes the slots of tick cur out. False: the cascade that must come first is not done. */
static bool open_tick(struct wheel *w, struct turn *t)
{
	uint32_t slot = w->cur & w->near_mask;

	MR_CHECK(slot_empty(&w->run));
	if ((w->cur & ((1u << w->unit_shift) - 1)) == 0) {
		drain_fall(w, t, t->left);
		if (!slot_empty(&w->fall))
			return false;
		w->fall_slot = ((w->cur >> w->unit_shift) + 1) & w->far_mask;
		w->fall = w->far[w->fall_slot];
		slot_reset(&w->far[w->fall_slot]);
		bitmap_clear(&w->far_map, w->fall_slot);
		wheel_prefetch_records(w, &w->fall);
	}
	w->run = w->near[slot];
	slot_reset(&w->near[slot]);
	bitmap_clear(&w->near_map, slot);
	w->cur++;
	w->cur_ms += 1u << w->tick_shift;
	w->pending = 1;
	/* The records of the next tick and the chunk of the one after: with few entries per tick
	 * the batch of one tick is too short to hide its own misses. */
	wheel_prefetch_records(w, &w->near[(slot + 1) & w->near_mask]);
	prefetch_chunk(w, w->near[(slot + 2) & w->near_mask].chunk);
	return true;
}

/* Ticks from cur to the first one after now. Whole rotations are skipped (wheel_impl.h). */
static uint32_t lag_ticks(struct wheel *w, uint32_t now_ms)
{
	int32_t ms = seq_diff(now_ms, w->cur_ms);
	const uint32_t rotation = 1u << WHEEL_SPAN_BITS;
	uint32_t lag;

	if (ms < 0)
		return 0;
	lag = ((uint32_t)ms >> w->tick_shift) + 1;
	/* One rotation is walked, in which every entry comes due. */
	if (MR_UNLIKELY(lag >= 2 * rotation)) {
		w->cur += (lag - rotation) & ~(rotation - 1);
		w->cur_ms = w->cur << w->tick_shift;
		lag = rotation + (lag & (rotation - 1));
	}
	return lag;
}

/* Handles all ticks up to `lag` ahead of cur, as far as the budget allows. */
static void advance(struct wheel *w, struct turn *t, uint32_t lag)
{
	uint32_t step;

	drain_run(w, t);
	/* Each round but the last takes out a slot that is not empty or passes a boundary with far
	 * entries: at most N + F rounds without work, then lag is used up. */
	while (!w->pending && lag != 0) {
		step = wheel_next_stop(w, lag);
		w->cur += step;
		w->cur_ms += step << w->tick_shift;
		lag -= step;
		if (lag == 0 || !open_tick(w, t))
			break;
		lag--;
		drain_run(w, t);
	}
}

uint32_t wheel_turn(struct wheel *w, uint32_t now_ms, uint32_t budget, wheel_fire_fn fire,
		    void *ctx)
{
	struct turn t = { .now_ms = now_ms, .left = budget, .fire = fire, .ctx = ctx };
	uint32_t lag, handled;

	MR_ASSERT(budget >= 1);
	w->now_ms = now_ms;
	w->turns++;
	lag = lag_ticks(w, now_ms);
	/* Every other turn, so that with a budget of 1 the slots have theirs too. */
	if (MR_UNLIKELY(w->sweep_left != 0) && (w->turns & 1) != 0)
		sweep(w, &t, budget);
	/*
	 * When slots take all of the budget the cascade still gets half: they wait for it in the
	 * end.
	 */
	if (!slot_empty(&w->fall))
		drain_fall(w, &t, t.left / 2);
	advance(w, &t, lag);
	drain_fall(w, &t, t.left);
	handled = budget - t.left;
	if (handled > w->items_max)
		w->items_max = handled;
	return handled;
}

uint32_t wheel_idle_ms(const struct wheel *w, uint32_t max_ms)
{
	int32_t to_cur = seq_diff(w->cur_ms, w->now_ms);
	uint32_t limit = (max_ms >> w->tick_shift) + 1, stop;
	int64_t ms;

	if (w->pending || w->sweep_left != 0 || !slot_empty(&w->fall))
		return 0;
	stop = wheel_next_stop(w, limit);
	ms = (int64_t)to_cur + ((int64_t)stop << w->tick_shift);
	if (ms <= 0)
		return 0;
	return ms < (int64_t)max_ms ? (uint32_t)ms : max_ms;
}
