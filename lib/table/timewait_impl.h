/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of TIME_WAIT, shared by timewait.c (entries), timewait_turn.c (time and eviction) and
 * timewait_check.c. Nobody else includes this file.
 *
 * A record is the key (10 or 22 octets) and a tail of 18. Octets are dear at 300M entries, so:
 *  - the free list is a chain through the records themselves; records from `fresh` on were never
 *    used, so that a filling table walks its memory in order. A record that is not live has laddr
 *    MR_NONE16, which no key has, and its link where raddr was.
 *  - the expiry is 15 bits of a tick number, read relative to the wheel's time, from 2^12 ticks
 *    before it (entries that waited for a sweep) to 7 * 2^12 after it; 2MSL is below 2^13. Only
 *    while the wheel is more than 20480 ticks (5 minutes) behind, after a clock jump, a new expiry
 *    may lie beyond: then the record says TW_UNKNOWN, and is given a full 2MSL when the wheel comes
 *    by.
 *
 * Each live record has an entry on the wheel at or before its expiry. A restart only stores the new
 * expiry; the entry comes due early and is put back. A reused record inherits the entry of its last
 * life, which lies earlier than its new expiry: one entry per record, never a stale one, while 2MSL
 * is not made shorter. So the wheel has room for 1.01 entries per record.
 */
#ifndef MR_TIMEWAIT_IMPL_H
#define MR_TIMEWAIT_IMPL_H

#include "timewait.h"

#define TW_LEVEL0_BITS	13u
#define TW_TICK_MS	16u		/* shortest */
#define TW_LOAD_PERCENT	83u
#define TW_WHEEL_PERCENT 101u
#define TW_HAS_TS	0x8000u
#define TW_TICKS_MASK	0x7fffu
#define TW_LATE_MAX	0x1000u		/* ticks of an expiry before the wheel's time, */
#define TW_AHEAD_MAX	0x6ffeu		/* and after it */
#define TW_UNKNOWN	0x7fffu		/* instead of a tick: beyond these */
#define TW_WND_SHIFT	28u
#define TW_DUE_MAX	64u

struct tw_tail {
	uint16_t expiry;		/* low 15 bits: tick; high: TW_HAS_TS */
	uint32_t snd_nxt, rcv_nxt, ts_recent;
	uint32_t word;			/* low 28 bits: the wheel's; high 4: wnd_class */
} MR_PACKED __attribute__((aligned(2)));
static_assert(FLOW_KEY4_LEN + sizeof(struct tw_tail) == 28, "memory target: 28 octets for IPv4");
static_assert(FLOW_KEY6_LEN + sizeof(struct tw_tail) == 40, "memory target: 40 octets for IPv6");
static_assert((FLOW_KEY4_LEN + offsetof(struct tw_tail, word)) % 4 == 0 &&
	      (FLOW_KEY6_LEN + offsetof(struct tw_tail, word)) % 4 == 0,
	      "the wheel reads its word as an aligned uint32_t");
static_assert(TW_LATE_MAX + TW_AHEAD_MAX < TW_TICKS_MASK, "15 bits tell this many ticks apart");
static_assert(TW_AHEAD_MAX >= 3u << TW_LEVEL0_BITS,
	      "2MSL and a wheel behind by twice that must fit");

struct timewait {
	struct table table;
	struct wheel *wheel;
	uint32_t tail_offset;
	uint32_t tick_ms, tick_shift;
	uint32_t span_ms;		/* longest 2MSL */
	uint32_t now_ms;		/* of the last turn */
	uint32_t fresh;			/* records from here on were never used */
	uint32_t free_head;		/* chain of reusable records */
	uint32_t deferred_head, deferred_tail; /* removed in this burst */
	uint32_t hand;			/* for the eviction of last resort */
	const struct mr_sipkey *hash_key; /* during a turn or an eviction */
	uint32_t ndue; /* dead records whose index entries are still to be dropped */
	uint32_t due[TW_DUE_MAX];
	uint64_t due_w[3][TW_DUE_MAX] MR_CACHE_ALIGNED;	/* their tuples, as they are hashed */
	uint64_t due_hash[TW_DUE_MAX] MR_CACHE_ALIGNED;
	uint64_t inserted, expired, evicted, removed;
};

MR_INLINE struct tw_tail *tw_tail(const struct timewait *tw, uint32_t index)
{
	return (struct tw_tail *)(void *)((uint8_t *)table_record(&tw->table, index) +
					  tw->tail_offset);
}

MR_INLINE bool tw_live(const struct timewait *tw, uint32_t index)
{
	uint16_t laddr;

	memcpy(&laddr, table_record(&tw->table, index), sizeof(laddr));
	return laddr != MR_NONE16 && index < tw->fresh;
}

MR_INLINE void tw_set_dead(struct timewait *tw, uint32_t index)
{
	uint16_t laddr = MR_NONE16;

	memcpy(table_record(&tw->table, index), &laddr, sizeof(laddr));
}

MR_INLINE uint32_t tw_link(const struct timewait *tw, uint32_t index)
{
	uint32_t next;

	memcpy(&next, (uint8_t *)table_record(&tw->table, index) + 2, sizeof(next));
	return next;
}

MR_INLINE void tw_set_link(struct timewait *tw, uint32_t index, uint32_t next)
{
	memcpy((uint8_t *)table_record(&tw->table, index) + 2, &next, sizeof(next));
}

MR_INLINE bool tw_expiry_unknown(const struct tw_tail *tail)
{
	return (tail->expiry & TW_TICKS_MASK) == TW_UNKNOWN;
}

/** The expiry as a time, if it is known. */
MR_INLINE uint32_t tw_expires_ms(const struct timewait *tw, const struct tw_tail *tail)
{
	uint32_t base_ms = wheel_time_ms(tw->wheel);
	uint32_t first = (base_ms >> tw->tick_shift) - TW_LATE_MAX;
	uint32_t after = (tail->expiry - first) & TW_TICKS_MASK;

	return base_ms + ((after - TW_LATE_MAX) << tw->tick_shift);
}

/** Stores an expiry and sees to its wheel entry. */
void timewait_set_expiry(struct timewait *tw, uint32_t index, uint32_t expires_ms);
/** Frees at least one record of a full table: evicts the oldest. */
void timewait_evict(struct timewait *tw);

#endif /* MR_TIMEWAIT_IMPL_H */
