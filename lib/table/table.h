/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flat hash table: an index of 64-byte buckets (10 x 16-bit tag, 10 x 32-bit record index, overflow
 * count) over a flat array of records. It knows of a record only its stride and where the key
 * stands (struct flow_key order: laddr, raddr, rport, lport). Capacity is fixed; nothing allocates
 * after creation. One writer: the worker that owns it.
 *
 * A key lives in its home bucket, or, when that is full, in the first bucket with room on its probe
 * path (double hashing; the number of buckets is prime, so a path visits them all). Each bucket
 * passed on the way counts the key in `overflow`: a lookup goes on only past a bucket that counts.
 *
 * A burst is looked up in stages, so that its cache misses overlap:
 *	table_prefetch_bucket	for all
 *	table_candidate		for all: match tags, prefetch the record
 *	table_second		for those that got TABLE_MORE: the bucket behind (its home is full)
 *	table_resolve		for all: compare the key, and search further in the rare rest
 * The answer of table_resolve is exact; a candidate alone proves nothing.
 *
 * HOT PATH: the inline functions: no allocation, no lock, no log, no division; budget 41 cycles per
 * hit in a burst of 64 at 50M records (bench/micro/table).
 */
#ifndef MR_TABLE_H
#define MR_TABLE_H

#include "bigmem.h"
#include "bounds.h"
#include "check.h"
#include "flow.h"
#include "tagmatch.h"

#define TABLE_NIL	0xffffffffu
#define TABLE_MORE	0xfffffffeu	/* not in the home bucket, which overflowed: look further */

struct table_bucket {
	uint16_t tag[TABLE_SLOTS];	/* 0: free */
	uint16_t overflow;	/* keys that probed past this bucket; saturates and then stays */
	uint16_t pad;
	uint32_t index[TABLE_SLOTS];
} MR_CACHE_ALIGNED;
static_assert(sizeof(struct table_bucket) == 64,
	      "a bucket must be one cache line: one miss a lookup");
static_assert(offsetof(struct table_bucket, tag) == 0, "tag matches are aligned loads");

struct table_config {
	uint32_t capacity;	/* records, 1 .. MR_RECORDS_MAX */
	uint32_t stride;	/* octets of a record */
	uint32_t key_offset;	/* of laddr in the record */
	uint8_t family;		/* 4 or 6 */
	uint8_t load_percent;	/* load factor of the index, 10..90 (55 for connections) */
	bool own_records;	/* the owner chooses the records (table_link): no free list */
	int node;		/* NUMA node */
};

struct table {
	struct table_bucket *buckets;
	uint8_t *records;
	uint32_t *free_list;	/* LIFO: the hottest record is reused first */
	uint64_t nbuckets;	/* prime */
	uint32_t stride, key_offset;
	uint32_t nfree;
	uint32_t ndeferred;	/* reusable after table_flush: [nfree, nfree+ndeferred) */
	uint32_t capacity, live, high_water;
	uint8_t family;
	struct mr_bigmem mem[3];	/* buckets, records, free list */
};

size_t table_memory(const struct table_config *cfg);
/** 0 or -ENOMEM / -EINVAL. Records are zeroed. */
int table_create(struct table *t, const struct table_config *cfg);
void table_destroy(struct table *t);

MR_INLINE void *table_record(const struct table *t, uint32_t index)
{
	MR_CHECK(index < t->capacity);
	return t->records + (size_t)index * t->stride;
}

/** Reads the key of a live record. */
void table_key(const struct table *t, uint32_t index, struct flow_key *key);

/* Where a hash leads: bits 32-63 the home, 16-31 the step, 0-15 the tag. */
MR_INLINE uint64_t table_home(const struct table *t, uint64_t hash)
{
	return ((hash >> 32) * t->nbuckets) >> 32;
}
MR_INLINE uint16_t table_tag(uint64_t hash)
{
	return (uint16_t)hash ? (uint16_t)hash : 1;
}
/** Distance of the probes, 1 .. nbuckets-1 (and at most 2^16: there are no more bits for it). */
MR_INLINE uint64_t table_step(const struct table *t, uint64_t hash)
{
	uint64_t steps = t->nbuckets - 1;

	return 1 + (((hash >> 16 & 0xffff) * MR_MIN(steps, 65536u)) >> 16);
}
/** The bucket behind `bucket` on the path of `hash`. */
MR_INLINE uint64_t table_probe(const struct table *t, uint64_t bucket, uint64_t hash)
{
	bucket += table_step(t, hash);
	return bucket >= t->nbuckets ? bucket - t->nbuckets : bucket;
}

/** Starts the load of the bucket where `hash` lives. */
MR_INLINE void table_prefetch_bucket(const struct table *t, uint64_t hash)
{
	MR_PREFETCH_WRITE(&t->buckets[table_home(t, hash)]);
}
/**
 * Before an insertion, when the bucket is there: starts the load of the next one if this is full.
 */
MR_INLINE void table_prefetch_room(const struct table *t, uint64_t hash)
{
	uint64_t home = table_home(t, hash);

	if (MR_UNLIKELY(tagmatch(t->buckets[home].tag, 0) == 0))
		MR_PREFETCH_WRITE(&t->buckets[table_probe(t, home, hash)]);
}
/** Starts the load of a record, which may lie across two lines. */
MR_INLINE void table_prefetch_record(const struct table *t, uint32_t index)
{
	const uint8_t *r = t->records + (size_t)index * t->stride;

	MR_PREFETCH_WRITE(r);
	if (t->stride != MR_CACHE_LINE)
		MR_PREFETCH_WRITE(r + t->stride - 1);
}

/* The first record in a bucket whose tag matches, prefetched; TABLE_NIL; or TABLE_MORE. */
MR_INLINE uint32_t table_bucket_candidate(const struct table *t, const struct table_bucket *b,
					  uint64_t hash)
{
	uint32_t bits = tagmatch(b->tag, table_tag(hash)), index;

	if (MR_LIKELY(bits != 0)) {
		index = b->index[__builtin_ctz(bits)];
		table_prefetch_record(t, index);
		return index;
	}
	return b->overflow != 0 ? TABLE_MORE : TABLE_NIL;
}
/**
 * First record in the home bucket whose tag matches, its record prefetched: to be confirmed by
 * table_resolve. TABLE_NIL: surely not in the table. TABLE_MORE: the bucket overflowed; give it to
 * table_second when the others of the burst are through, or to table_resolve at once. The next
 * bucket's load has been started then.
 */
MR_INLINE uint32_t table_candidate(const struct table *t, uint64_t hash)
{
	uint64_t home = table_home(t, hash);
	uint32_t index = table_bucket_candidate(t, &t->buckets[home], hash);

	if (MR_UNLIKELY(index == TABLE_MORE))
		MR_PREFETCH_WRITE(&t->buckets[table_probe(t, home, hash)]);
	return index;
}
/**
 * table_candidate() without a branch, and without the prefetch, for bursts in which hits and misses
 * alternate as they like: a branch on that is mispredicted every other time.
 */
MR_INLINE uint32_t table_candidate_flat(const struct table *t, uint64_t hash)
{
	const struct table_bucket *b = &t->buckets[table_home(t, hash)];
	const uint32_t bits = tagmatch(b->tag, table_tag(hash));
	const uint32_t index = b->index[__builtin_ctz(bits | 1u << (TABLE_SLOTS - 1))];
	const uint32_t hit = -(uint32_t)(bits != 0);

	static_assert(TABLE_NIL - 1 == TABLE_MORE, "an overflow makes the one of the other");
	return (index & hit) | ((TABLE_NIL - (b->overflow != 0)) & ~hit);
}
/** The same for the bucket behind the home. */
MR_INLINE uint32_t table_second(const struct table *t, uint64_t hash)
{
	return table_bucket_candidate(t, &t->buckets[table_probe(t, table_home(t, hash), hash)],
				      hash);
}

/** Does record `index` have this key? A no proves nothing: another record's tag may be equal. */
MR_INLINE bool table_confirm(const struct table *t, uint32_t index, const struct flow_key *key)
{
	const uint8_t *r = (const uint8_t *)table_record(t, index) + t->key_offset;
	uint64_t a[2], b[2];
	uint32_t ports, kports;
	uint16_t laddr;

	memcpy(&laddr, r, 2);
	memcpy(&kports, &key->rport, 4);
	if (t->family == 4) {
		memcpy(a, r + 2, 8);
		memcpy(&b[0], key->raddr, 4);
		b[0] = (b[0] & 0xffffffffu) | (uint64_t)kports << 32;
		return a[0] == b[0] && laddr == key->laddr;
	}
	memcpy(a, r + 2, 16);
	memcpy(b, key->raddr, 16);
	memcpy(&ports, r + 18, 4);
	return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0 && ports == kports && laddr == key->laddr;
}

/** The record of a key, or TABLE_NIL. hash = flow_hash(). */
uint32_t table_find(const struct table *t, const struct flow_key *key, uint64_t hash);
/** The same, when table_candidate or table_second said `candidate`. */
MR_INLINE uint32_t table_resolve(const struct table *t, uint32_t candidate,
				 const struct flow_key *key, uint64_t hash)
{
	if (MR_LIKELY(candidate < TABLE_MORE && table_confirm(t, candidate, key)))
		return candidate;
	return candidate == TABLE_NIL ? TABLE_NIL : table_find(t, key, hash);
}

/** Record that the (ahead+1)-th table_insert from now will take (for prefetching), or TABLE_NIL. */
MR_INLINE uint32_t table_next_free(const struct table *t, uint32_t ahead)
{
	return ahead < t->nfree ? t->free_list[t->nfree - 1 - ahead] : TABLE_NIL;
}
#define TABLE_OVERFLOW_MAX	0xffffu

MR_INLINE uint8_t *table_key_at(const struct table *t, uint32_t index)
{
	return (uint8_t *)table_record(t, index) + t->key_offset;
}

MR_INLINE void table_write_key(struct table *t, uint32_t index, const struct flow_key *key)
{
	uint8_t *r = table_key_at(t, index);

	memcpy(r, &key->laddr, 2);
	if (t->family == 4) {
		memcpy(r + 2, key->raddr, 4);
		memcpy(r + 6, &key->rport, 4);
		return;
	}
	memcpy(r + 2, key->raddr, 16);
	memcpy(r + 18, &key->rport, 4);
}
static_assert(offsetof(struct flow_key, lport) == offsetof(struct flow_key, rport) + 2,
	      "both ports are copied and compared as one word");

/* Enters a record in the index. There is room: slots are more than records (buckets_wanted). */
MR_INLINE void table_index_add(struct table *t, uint32_t index, uint64_t hash)
{
	uint64_t at = table_home(t, hash);
	struct table_bucket *b = &t->buckets[at];
	uint32_t bits;

	MR_ASSERT(t->live < t->capacity);
	while ((bits = tagmatch(b->tag, 0)) == 0) {
		if (b->overflow < TABLE_OVERFLOW_MAX)
			b->overflow++;
		at = table_probe(t, at, hash);
		b = &t->buckets[at];
	}
	bits = (uint32_t)__builtin_ctz(bits);
	b->tag[bits] = table_tag(hash);
	b->index[bits] = index;
	t->live++;
	if (t->live > t->high_water)
		t->high_water = t->live;
}

/* A count that saturated no longer knows how many they are: it stays, and lookups go on past it. */
MR_INLINE void table_index_drop(struct table *t, uint32_t index, uint64_t hash)
{
	uint64_t at = table_home(t, hash);
	uint16_t tag = table_tag(hash);
	struct table_bucket *b;
	uint32_t bits, slot;

	MR_ASSERT(t->live != 0);
	for (uint64_t probes = 0; probes < t->nbuckets; probes++) {
		b = &t->buckets[at];
		for (bits = tagmatch(b->tag, tag); bits != 0; bits &= bits - 1) {
			slot = (uint32_t)__builtin_ctz(bits);
			if (b->index[slot] != index)
				continue;
			b->tag[slot] = 0;
			t->live--;
			return;
		}
		/*
		 * Not here: then it was counted here when it passed, or the caller's hash is wrong.
		 */
		MR_ASSERT(b->overflow != 0);
		if (b->overflow < TABLE_OVERFLOW_MAX)
			b->overflow--;
		at = table_probe(t, at, hash);
	}
	MR_ASSERT(!"record is in the index");
}

/**
 * Takes a record for a key that is not in the table and writes its key; other octets keep what the
 * record's last life left there (the wheel's word must). TABLE_NIL: full.
 */
MR_INLINE uint32_t table_insert(struct table *t, const struct flow_key *key, uint64_t hash)
{
	uint32_t index;

	MR_CHECK(key->family == t->family);
	MR_CHECK(t->free_list != NULL);
	MR_CHECK(table_find(t, key, hash) == TABLE_NIL);
	if (MR_UNLIKELY(t->nfree == 0))
		return TABLE_NIL;
	index = t->free_list[--t->nfree];
	/* The deferred ones lie above the free ones: the last of them fills the gap. */
	t->free_list[t->nfree] = t->free_list[t->nfree + t->ndeferred];
	table_write_key(t, index, key);
	table_index_add(t, index, hash);
	return index;
}

/** Removes a record; its memory is not reused before table_flush(). Its key stays readable. */
MR_INLINE void table_remove(struct table *t, uint32_t index, uint64_t hash)
{
	MR_CHECK(t->free_list != NULL);
	table_index_drop(t, index, hash);
	MR_ASSERT(t->nfree + t->ndeferred < t->capacity);
	t->free_list[t->nfree + t->ndeferred++] = index;
}

/** Makes records removed since the last call reusable: at the end of a burst. */
MR_INLINE void table_flush(struct table *t)
{
	t->nfree += t->ndeferred;
	t->ndeferred = 0;
}

/** own_records: the same as insert and remove for a record that the caller took or gets back. */
void table_link(struct table *t, uint32_t index, const struct flow_key *key, uint64_t hash);
void table_unlink(struct table *t, uint32_t index, uint64_t hash);

/** Whole-structure invariants: tests and debug builds. */
void table_check(const struct table *t);
/** The same with the hash key: every record lies on its path, every overflow count is exact. */
void table_check_paths(const struct table *t, const struct mr_sipkey *hash_key);

#endif /* MR_TABLE_H */
