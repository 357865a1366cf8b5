/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fixed number of items of one size, taken and given back in constant time: the state a handler
 * keeps per connection. Owns no memory (handlers.c maps it at start), never grows, belongs to one
 * worker. An item is named by its index, which fits the connection's 32-bit user word; index 0
 * names no item, so that a word that was never set says "no state". HOT PATH: no allocation, no
 * lock, no log, no configuration read, no division.
 */
#ifndef MR_HANDLER_POOL_H
#define MR_HANDLER_POOL_H

#include <string.h>

#include "check.h"

#define POOL_NONE 0u

struct pool {
	uint8_t *items;		/* item i (1 .. capacity) is at items + (i - 1) * item_size */
	uint32_t item_size;
	uint32_t capacity;
	uint32_t fresh;		/* items 1 .. fresh were taken at least once */
	uint32_t free_head;	/* of given-back items; each one's first word names the next */
	uint32_t used;
	uint32_t high_water;
};

/* Items start on cache lines of their own: two connections never share one. */
MR_INLINE size_t pool_item_size(size_t state_size)
{
	return (state_size + MR_CACHE_LINE - 1) & ~(size_t)(MR_CACHE_LINE - 1);
}

static inline void pool_init(struct pool *p, void *memory, size_t state_size, uint32_t capacity)
{
	*p = (struct pool){
		.items = memory,
		.item_size = (uint32_t)pool_item_size(state_size),
		.capacity = capacity,
	};
}

MR_INLINE void *pool_at(const struct pool *p, uint32_t index)
{
	MR_ASSERT(index != POOL_NONE && index <= p->fresh);
	return p->items + (size_t)(index - 1) * p->item_size;
}

/** A zeroed item's index, or POOL_NONE when all are taken. */
static inline uint32_t pool_take(struct pool *p)
{
	uint32_t index = p->free_head;

	if (index != POOL_NONE)
		memcpy(&p->free_head, pool_at(p, index), sizeof(p->free_head));
	else if (p->fresh < p->capacity)
		index = ++p->fresh;
	else
		return POOL_NONE;
	p->used++;
	if (p->used > p->high_water)
		p->high_water = p->used;
	memset(pool_at(p, index), 0, p->item_size);
	return index;
}

static inline void pool_give(struct pool *p, uint32_t index)
{
	MR_ASSERT(p->used > 0);
	memcpy(pool_at(p, index), &p->free_head, sizeof(p->free_head));
	p->free_head = index;
	p->used--;
}

#endif /* MR_HANDLER_POOL_H */
