/* SPDX-License-Identifier: BSD-3-Clause */
/* The heap. A frame of constant delay is the last one due: it stays where it is put. */
#include <stdlib.h>

#include "check.h"
#include "hold.h"

bool imp_hold_init(struct imp_hold *h, uint32_t max)
{
	*h = (struct imp_hold){.at = calloc(max, sizeof(h->at[0])), .max = max};
	return h->at != NULL;
}

void imp_hold_fini(struct imp_hold *h)
{
	free(h->at);
	*h = (struct imp_hold){0};
}

static bool before(const struct imp_held *a, const struct imp_held *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

void imp_hold_put(struct imp_hold *h, const struct imp_held *frame)
{
	uint32_t i = h->n++;

	MR_ASSERT(i < h->max);
	for (; i > 0 && before(frame, &h->at[(i - 1) / 2]); i = (i - 1) / 2)
		h->at[i] = h->at[(i - 1) / 2];
	h->at[i] = *frame;
}

void imp_hold_take(struct imp_hold *h, struct imp_held *frame)
{
	struct imp_held last;
	uint32_t i = 0, child;

	MR_ASSERT(h->n > 0);
	*frame = h->at[0];
	last = h->at[--h->n];
	/* The gap goes down until the last one fits in; each step doubles i: it ends. */
	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n && before(&h->at[child + 1], &h->at[child]))
			child++;
		if (before(&last, &h->at[child]))
			break;
		h->at[i] = h->at[child];
		i = child;
	}
	h->at[i] = last;
}
