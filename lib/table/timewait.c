/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME_WAIT entries: memory, insertion, lookup, changes. Read timewait_impl.h first; what time does
 * to them is in timewait_turn.c.
 */
#include <stdlib.h>

#include "timewait_impl.h"

static uint32_t tick_for(uint32_t span_ms)
{
	uint32_t tick_ms = TW_TICK_MS;

	/* The lowest level reaches N - 2 ticks ahead. */
	while (tick_ms < 64 && ((1u << TW_LEVEL0_BITS) - 2) * tick_ms < span_ms)
		tick_ms *= 2;
	return tick_ms;
}

static struct table_config table_conf(uint8_t family, uint32_t capacity, int node)
{
	uint32_t key_len = family == 4 ? FLOW_KEY4_LEN : FLOW_KEY6_LEN;

	return (struct table_config){
		.capacity = capacity, .stride = key_len + (uint32_t)sizeof(struct tw_tail),
		.key_offset = 0, .family = family, .load_percent = TW_LOAD_PERCENT,
		.own_records = true, .node = node,
	};
}

static struct wheel_config wheel_conf(const struct table_config *tc, uint8_t *records,
				      uint32_t tick_ms)
{
	return (struct wheel_config){
		.records = records, .stride = tc->stride, .word_offset = tc->stride - 4,
		.capacity = tc->capacity, .tick_ms = tick_ms, .level0_bits = TW_LEVEL0_BITS,
		.entries_percent = TW_WHEEL_PERCENT, .node = tc->node,
	};
}
static_assert(offsetof(struct tw_tail, word) == sizeof(struct tw_tail) - 4,
	      "the wheel is told that the word ends the record");

size_t timewait_memory(uint8_t family, uint32_t capacity)
{
	struct table_config tc = table_conf(family, capacity, -1);
	struct wheel_config wc = wheel_conf(&tc, NULL, TW_TICK_MS);

	return table_memory(&tc) + wheel_memory(&wc);
}

struct timewait *timewait_create(uint8_t family, uint32_t capacity, uint32_t span_ms, int node,
				 uint32_t now_ms)
{
	struct table_config tc = table_conf(family, capacity, node);
	struct timewait *tw = aligned_alloc(MR_CACHE_LINE, sizeof(*tw));
	struct wheel_config wc;

	if (tw == NULL)
		return NULL;
	memset(tw, 0, sizeof(*tw));
	tw->span_ms = MR_MIN(span_ms, TIMEWAIT_SPAN_MAX_MS);
	tw->tick_ms = tick_for(tw->span_ms);
	tw->now_ms = now_ms;
	tw->tick_shift = (uint32_t)__builtin_ctz(tw->tick_ms);
	tw->tail_offset = tc.stride - (uint32_t)sizeof(struct tw_tail);
	tw->free_head = tw->deferred_head = tw->deferred_tail = TABLE_NIL;
	if (table_create(&tw->table, &tc) != 0)
		goto no_table;
	wc = wheel_conf(&tc, tw->table.records, tw->tick_ms);
	tw->wheel = wheel_create(&wc, now_ms);
	if (tw->wheel == NULL)
		goto no_wheel;
	return tw;

no_wheel:
	table_destroy(&tw->table);
no_table:
	free(tw);
	return NULL;
}

void timewait_destroy(struct timewait *tw)
{
	if (tw == NULL)
		return;
	wheel_destroy(tw->wheel);
	table_destroy(&tw->table);
	free(tw);
}

const struct table *timewait_table(const struct timewait *tw) { return &tw->table; }

void timewait_prefetch(const struct timewait *tw, uint64_t hash)
{
	if (tw->table.live != 0)	/* else nobody will look: timewait_find() */
		table_prefetch_bucket(&tw->table, hash);
}

uint32_t timewait_find(const struct timewait *tw, const struct flow_key *key, uint64_t hash)
{
	MR_CHECK(key->laddr != MR_NONE16);
	if (tw->table.live == 0)
		return TABLE_NIL;
	return table_find(&tw->table, key, hash);
}

void timewait_key(const struct timewait *tw, uint32_t index, struct flow_key *key)
{
	MR_CHECK(tw_live(tw, index));
	table_key(&tw->table, index, key);
}

void timewait_get(const struct timewait *tw, uint32_t index, struct tw_state *out)
{
	const struct tw_tail *tail = tw_tail(tw, index);

	MR_CHECK(tw_live(tw, index));
	*out = (struct tw_state){
		.snd_nxt = tail->snd_nxt,
		.rcv_nxt = tail->rcv_nxt,
		.ts_recent = tail->ts_recent,
		.expires_ms = tw_expiry_unknown(tail) ? tw->now_ms + tw->span_ms
						      : tw_expires_ms(tw, tail),
		.has_ts = (tail->expiry & TW_HAS_TS) != 0,
		.wnd_class = (uint8_t)(tail->word >> TW_WND_SHIFT),
	};
}

/* The wheel is far behind: how far ahead of it the expiry lies cannot be said in 15 bits. */
static MR_COLD void set_expiry_unknown(struct timewait *tw, uint32_t index)
{
	uint32_t lap_ms = ((1u << TW_LEVEL0_BITS) - 2) << tw->tick_shift;

	tw_tail(tw, index)->expiry |= TW_UNKNOWN;
	wheel_arm(tw->wheel, index, wheel_time_ms(tw->wheel) + lap_ms);
}

void timewait_set_expiry(struct timewait *tw, uint32_t index, uint32_t expires_ms)
{
	uint32_t base_ms = wheel_time_ms(tw->wheel), tick;
	int32_t ahead_ms = seq_diff(expires_ms, base_ms);
	struct tw_tail *tail = tw_tail(tw, index);

	if (MR_UNLIKELY(ahead_ms > (int32_t)(TW_AHEAD_MAX << tw->tick_shift))) {
		set_expiry_unknown(tw, index);
		return;
	}
	if (MR_UNLIKELY(ahead_ms < 0))
		expires_ms = base_ms;
	/* Rounded up. 2^32 ms are a multiple of 2^15 ticks, so the wrap does no harm. */
	tick = (expires_ms + tw->tick_ms - 1) >> tw->tick_shift;
	if (MR_UNLIKELY((tick & TW_TICKS_MASK) == TW_UNKNOWN))
		tick++;
	tail->expiry = (uint16_t)((tail->expiry & TW_HAS_TS) | (tick & TW_TICKS_MASK));
	wheel_arm(tw->wheel, index, expires_ms);
}

static uint32_t take_record(struct timewait *tw)
{
	uint32_t index = tw->free_head;

	if (index == TABLE_NIL)
		return tw->fresh++;
	tw->free_head = tw_link(tw, index);
	/* The next insertion follows this link. */
	if (tw->free_head != TABLE_NIL)
		table_prefetch_record(&tw->table, tw->free_head);
	return index;
}

bool timewait_insert(struct timewait *tw, const struct flow_key *key, uint64_t hash,
		     const struct tw_state *st, const struct mr_sipkey *hash_key)
{
	bool evict = false;
	struct tw_tail *tail;
	uint32_t index;

	MR_ASSERT(key->laddr != MR_NONE16);
	MR_CHECK(st->wnd_class <= 15 && st->has_ts <= 1);
	if (MR_UNLIKELY(tw->free_head == TABLE_NIL && tw->fresh == tw->table.capacity)) {
		/* Records of this burst come first: who looked them up confirms the key again. */
		timewait_flush(tw);
		evict = tw->free_head == TABLE_NIL;
		if (evict) {
			tw->hash_key = hash_key;
			timewait_evict(tw);
		}
	}
	index = take_record(tw);
	table_link(&tw->table, index, key, hash);
	tail = tw_tail(tw, index);
	tail->expiry = st->has_ts ? TW_HAS_TS : 0;
	tail->snd_nxt = st->snd_nxt;
	tail->rcv_nxt = st->rcv_nxt;
	tail->ts_recent = st->ts_recent;
	tail->word = (tail->word & WHEEL_WORD_MASK) | (uint32_t)st->wnd_class << TW_WND_SHIFT;
	timewait_set_expiry(tw, index, st->expires_ms);
	tw->inserted++;
	return evict;
}

void timewait_restart(struct timewait *tw, uint32_t index, uint32_t expires_ms)
{
	MR_CHECK(tw_live(tw, index));
	timewait_set_expiry(tw, index, expires_ms);
}

void timewait_set_ts(struct timewait *tw, uint32_t index, uint32_t ts_recent)
{
	MR_CHECK(tw_live(tw, index));
	tw_tail(tw, index)->ts_recent = ts_recent;
}

void timewait_remove(struct timewait *tw, uint32_t index, uint64_t hash)
{
	MR_ASSERT(tw_live(tw, index));
	table_unlink(&tw->table, index, hash);
	tw_set_dead(tw, index);
	tw_set_link(tw, index, tw->deferred_head);
	if (tw->deferred_head == TABLE_NIL)
		tw->deferred_tail = index;
	tw->deferred_head = index;
	tw->removed++;
}

void timewait_flush(struct timewait *tw)
{
	if (tw->deferred_head == TABLE_NIL)
		return;
	tw_set_link(tw, tw->deferred_tail, tw->free_head);
	tw->free_head = tw->deferred_head;
	tw->deferred_head = tw->deferred_tail = TABLE_NIL;
}

uint32_t timewait_scan(const struct timewait *tw, uint32_t from, uint32_t steps, uint32_t *next)
{
	uint32_t end = from < tw->fresh && steps < tw->fresh - from ? from + steps : tw->fresh;

	for (uint32_t i = from; i < end; i++) {
		if (tw_live(tw, i)) {
			*next = i + 1;
			return i;
		}
	}
	*next = MR_MAX(from, end);
	return TABLE_NIL;
}
