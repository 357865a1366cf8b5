/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking entries out before their time, the earliest first: what an eviction needs. Constant time:
 * the bitmaps name the slot. Read wheel_impl.h first.
 */
#include "wheel_impl.h"

/* Which list comes first, its number and its level; NULL: the wheel is empty. */
static struct wheel_slot *earliest(struct wheel *w, uint32_t *number, bool *far)
{
	uint32_t ahead = wheel_bitmap_next(&w->near_map, w->cur & w->near_mask);

	*far = false;
	if (!slot_empty(&w->run)) {
		*number = w->cur - 1;
		return &w->run;
	}
	if (ahead != WHEEL_NIL) {
		*number = w->cur + ahead;
		return &w->near[*number & w->near_mask];
	}
	*far = true;
	*number = w->fall_slot;
	if (!slot_empty(&w->fall))
		return &w->fall;
	*number = w->cur >> w->unit_shift & w->far_mask;
	ahead = wheel_bitmap_next(&w->far_map, *number);
	if (ahead == WHEEL_NIL)
		return NULL;
	*number = (*number + ahead) & w->far_mask;
	return &w->far[*number];
}

void wheel_pop_prefetch(struct wheel *w)
{
	uint32_t number;
	bool far;
	const struct wheel_slot *s = earliest(w, &number, &far);

	if (s != NULL)
		wheel_prefetch_records(w, s);
}

/* A far slot's number is modulo F: the one that lies in [cur/U, cur/U + F - 1] (invariant 4). */
static uint32_t far_tick(const struct wheel *w, uint32_t slot)
{
	uint32_t unit = w->cur >> w->unit_shift;

	return (unit + ((slot - unit) & w->far_mask)) << w->unit_shift;
}

uint32_t wheel_pop(struct wheel *w, uint32_t *due_ms)
{
	uint32_t number, index;
	bool far, valid;
	struct wheel_slot *s = earliest(w, &number, &far);

	if (s == NULL)
		return WHEEL_NIL;
	(void)wheel_take(w, s, 1, &index);
	*due_ms = (far ? far_tick(w, number) : number) << w->tick_shift;
	valid = far ? wheel_claim_far(w, index, number) : wheel_claim_near(w, index, number);
	if (slot_empty(s)) {
		if (s == &w->run)
			w->pending = 0;
		else if (!far)
			bitmap_clear(&w->near_map, number & w->near_mask);
		else if (s != &w->fall)
			bitmap_clear(&w->far_map, number);
	}
	w->stale += !valid;
	return valid ? index : WHEEL_NIL;
}
