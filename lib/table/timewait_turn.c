/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What time does to TIME_WAIT: expiry, and eviction of the oldest when the table is full. Both
 * gather records first and drop their index entries together, so that the misses on the buckets
 * overlap. Read timewait_impl.h first.
 */
#include <string.h>

#include "timewait_impl.h"

/* Pops of one eviction: bounds the work of an insertion, whatever was restarted or went stale. */
#define EVICT_POPS_MAX	64u
/* Records of one eviction, for overlap; but never more than a thousandth of the table too early. */
#define EVICT_BATCH	32u
static_assert(EVICT_BATCH <= TW_DUE_MAX && EVICT_POPS_MAX > EVICT_BATCH,
	      "an eviction's records wait in the due list");

/* The hashes of the gathered records, together; their buckets are under way then. */
static void hash_due(struct timewait *tw)
{
	const struct mr_sip_words in = {{tw->due_w[0], tw->due_w[1], tw->due_w[2]},
					tw->table.family == 4 ? 2 : 3};

	mr_sip13_burst(tw->hash_key, &in, tw->due_hash, tw->ndue);
	for (uint32_t i = 0; i < tw->ndue; i++)
		table_prefetch_bucket(&tw->table, tw->due_hash[i]);
}

/* Drops the gathered records from the index; they are reusable at once. */
static void drop_due(struct timewait *tw)
{
	if (tw->ndue == 0)
		return;
	hash_due(tw);
	for (uint32_t i = 0; i < tw->ndue; i++) {
		table_unlink(&tw->table, tw->due[i], tw->due_hash[i]);
		tw_set_link(tw, tw->due[i], tw->free_head);
		tw->free_head = tw->due[i];
	}
	tw->ndue = 0;
}

/*
 * Takes a record out of service. Dead at once, so that another entry of it cannot gather it twice.
 */
static void gather(struct timewait *tw, uint32_t index)
{
	struct flow_key key;
	uint64_t words[3];

	MR_CHECK(tw_live(tw, index));
	if (tw->ndue == TW_DUE_MAX)
		drop_due(tw);
	table_key(&tw->table, index, &key);
	for (unsigned int k = flow_words(&key, words); k-- > 0;)
		tw->due_w[k][tw->ndue] = words[k];
	tw->due[tw->ndue++] = index;
	tw_set_dead(tw, index);
}

static void fire(void *ctx, uint32_t index, uint32_t now_ms)
{
	struct timewait *tw = ctx;
	uint32_t expires_ms;

	/* The entry of a record that was removed. */
	if (!tw_live(tw, index))
		return;
	if (MR_UNLIKELY(tw_expiry_unknown(tw_tail(tw, index)))) {
		timewait_set_expiry(tw, index, now_ms + tw->span_ms);
		return;
	}
	expires_ms = tw_expires_ms(tw, tw_tail(tw, index));
	if (seq_gt(expires_ms, now_ms)) {
		wheel_arm(tw->wheel, index, expires_ms);
		return;
	}
	gather(tw, index);
	tw->expired++;
}

uint32_t timewait_turn(struct timewait *tw, uint32_t now_ms, uint32_t budget,
		       const struct mr_sipkey *hash_key)
{
	uint32_t handled;

	tw->hash_key = hash_key;
	tw->now_ms = now_ms;
	handled = wheel_turn(tw->wheel, now_ms, budget, fire, tw);
	drop_due(tw);
	return handled;
}

uint32_t timewait_idle_ms(const struct timewait *tw, uint32_t max_ms)
{
	return wheel_idle_ms(tw->wheel, max_ms);
}

/*
 * Every record is live and has an entry at or before its expiry, so the earliest entries name the
 * oldest records, but for those that were restarted: these are put back at their true expiry, which
 * each restart pays for once. Only when EVICT_POPS_MAX pops found none (all restarted, or stale)
 * the hand takes any record: bounded work comes before the order.
 */
MR_NOINLINE void timewait_evict(struct timewait *tw)
{
	uint32_t want = MR_MIN(EVICT_BATCH, 1 + tw->table.capacity / 1024), index, due_ms,
		 expires_ms;

	MR_ASSERT(tw->table.live == tw->table.capacity && tw->ndue == 0);
	wheel_pop_prefetch(tw->wheel);
	for (uint32_t pops = 0; pops < EVICT_POPS_MAX && tw->ndue < want; pops++) {
		index = wheel_pop(tw->wheel, &due_ms);
		if (index == WHEEL_NIL || !tw_live(tw, index))
			continue;
		/* Expiries beyond what 15 bits tell have no order: taken as they come. */
		if (tw_expiry_unknown(tw_tail(tw, index))) {
			gather(tw, index);
			continue;
		}
		expires_ms = tw_expires_ms(tw, tw_tail(tw, index));
		if (seq_gt(expires_ms, due_ms))
			wheel_arm(tw->wheel, index, expires_ms);
		else
			gather(tw, index);
	}
	if (tw->ndue == 0) {
		gather(tw, tw->hand);
		tw->hand = tw->hand + 1 == tw->table.capacity ? 0 : tw->hand + 1;
	}
	tw->evicted += tw->ndue;
	drop_due(tw);
}

void timewait_stats(const struct timewait *tw, struct timewait_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->inserted = tw->inserted;
	out->expired = tw->expired;
	out->evicted = tw->evicted;
	out->removed = tw->removed;
	out->live = tw->table.live;
	out->high_water = tw->table.high_water;
	out->capacity = tw->table.capacity;
	wheel_stats(tw->wheel, &out->wheel);
}
