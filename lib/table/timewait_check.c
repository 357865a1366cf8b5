/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The check of a whole TIME_WAIT table (timewait_impl.h). Never on a packet path.
 */
#include "timewait_impl.h"

static uint32_t count_chain(const struct timewait *tw, uint32_t head)
{
	uint32_t n = 0;

	for (uint32_t i = head; i != TABLE_NIL; i = tw_link(tw, i)) {
		MR_ASSERT(i < tw->fresh);
		MR_ASSERT(!tw_live(tw, i));
		MR_ASSERT(++n <= tw->fresh);
	}
	return n;
}

void timewait_check(const struct timewait *tw, const struct mr_sipkey *hash_key)
{
	uint32_t live = 0, dead;

	table_check_paths(&tw->table, hash_key);
	wheel_check(tw->wheel);
	MR_ASSERT(tw->ndue == 0);
	MR_ASSERT(tw->fresh <= tw->table.capacity);
	for (uint32_t i = 0; i < tw->fresh; i++)
		live += tw_live(tw, i);
	MR_ASSERT(live == tw->table.live);
	dead = count_chain(tw, tw->free_head) + count_chain(tw, tw->deferred_head);
	MR_ASSERT(live + dead == tw->fresh);
	MR_ASSERT(tw->inserted == tw->expired + tw->evicted + tw->removed + live);
}
