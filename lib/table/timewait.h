/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME_WAIT: connections that ended leave the connection table for a compact record here, on a
 * wheel of its own whose lowest level spans more than 2MSL, so that the usual entry never cascades.
 * A record keeps what correctness needs: the full key, SND.NXT, RCV.NXT, TS.Recent with its flag,
 * the window, expiry. When full, the oldest entries are evicted and counted.
 *
 * Memory per entry: record 28 octets (IPv6 40), index 7.7, wheel 4.2: 39.9 (51.9).
 *
 * Never: asks for the time, or answers a segment; lib/tcp decides what an entry means.
 * HOT PATH: timewait_prefetch, find, get, insert: no allocation, no lock, no log, no division;
 * budget 140 cycles for an insertion with its wheel entry at 20M (bench/micro/timewait).
 */
#ifndef MR_TIMEWAIT_H
#define MR_TIMEWAIT_H

#include "table.h"
#include "wheel.h"

/* What a connection leaves behind, and what a lookup gives back. */
struct tw_state {
	uint32_t snd_nxt, rcv_nxt;
	uint32_t ts_recent;	/* valid with has_ts */
	uint32_t expires_ms;	/* read back rounded up to a tick (16 ms while 2MSL <= 131 s) */
	uint8_t has_ts;		/* 0 or 1: timestamps were negotiated */
	uint8_t wnd_class;	/* window to advertise: 65535 >> wnd_class, 0..15 */
};

struct timewait;

struct timewait_stats {
	uint64_t inserted, expired, evicted, removed;
	uint32_t live, high_water, capacity;
	struct wheel_stats wheel;
};

/* The longest 2MSL that a wheel of 64 ms ticks can span. */
#define TIMEWAIT_SPAN_MAX_MS 520000u

size_t timewait_memory(uint8_t family, uint32_t capacity);
/**
 * NULL when there is no memory. span_ms: the longest 2MSL that will be asked for, 1 ..
 * TIMEWAIT_SPAN_MAX_MS; a longer one is cut to it.
 */
struct timewait *timewait_create(uint8_t family, uint32_t capacity, uint32_t span_ms, int node,
				 uint32_t now_ms);
void timewait_destroy(struct timewait *tw);

/** Its index, for staged lookups by table_candidate .. table_resolve. */
const struct table *timewait_table(const struct timewait *tw);
void timewait_prefetch(const struct timewait *tw, uint64_t hash);
/**
 * Index of the entry, or TABLE_NIL. hash = flow_hash() with the same key as the connection table.
 * It names the entry until the next timewait_insert (which may evict it), turn or flush.
 */
uint32_t timewait_find(const struct timewait *tw, const struct flow_key *key, uint64_t hash);
void timewait_get(const struct timewait *tw, uint32_t index, struct tw_state *out);
void timewait_key(const struct timewait *tw, uint32_t index, struct flow_key *key);
/**
 * Inserts a tuple that is in neither table; expires at st->expires_ms. When full the oldest entries
 * go first (a few at a time, so that their cache misses overlap); returns true then. `hash_key` is
 * needed to unlink the evicted.
 */
bool timewait_insert(struct timewait *tw, const struct flow_key *key, uint64_t hash,
		     const struct tw_state *st, const struct mr_sipkey *hash_key);
/** Restarts 2MSL (RFC 9293 3.10.7.4: a retransmitted FIN). */
void timewait_restart(struct timewait *tw, uint32_t index, uint32_t expires_ms);
/** Updates TS.Recent (a newer segment came). */
void timewait_set_ts(struct timewait *tw, uint32_t index, uint32_t ts_recent);
/** Removes an entry: its tuple is reopened (RFC 6191). */
void timewait_remove(struct timewait *tw, uint32_t index, uint64_t hash);
/** Expires entries, at most `budget`; returns how many entries were handled. */
uint32_t timewait_turn(struct timewait *tw, uint32_t now_ms, uint32_t budget,
		       const struct mr_sipkey *hash_key);
uint32_t timewait_idle_ms(const struct timewait *tw, uint32_t max_ms);
/** Makes removed records reusable; end of a burst. */
void timewait_flush(struct timewait *tw);
void timewait_stats(const struct timewait *tw, struct timewait_stats *out);
/**
 * For paged listings: the next live index >= from within `steps` records, or TABLE_NIL; *next is
 * where to go on.
 */
uint32_t timewait_scan(const struct timewait *tw, uint32_t from, uint32_t steps, uint32_t *next);
void timewait_check(const struct timewait *tw, const struct mr_sipkey *hash_key);

#endif /* MR_TIMEWAIT_H */
