/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flat hash table: an index of 64-byte buckets (10 x 16-bit tag, 10 x 32-bit record index, overflow
 * count) over a flat array of records. It knows of a record only its stride and where the key stands
 * (struct flow_key order: laddr, raddr, rport, lport). Capacity is fixed; nothing allocates after
 * creation. One writer: the worker that owns it.
 *
 * HOT PATH: the inline functions: no allocation, no lock, no log, no division; budget 41 cycles per
 * hit in a burst of 64 at 50M records (bench/micro/table).
 */
#ifndef MR_TABLE_H
#define MR_TABLE_H

#include "bigmem.h"
#include "check.h"
#include "flow.h"

#define TABLE_NIL 0xffffffffu

struct table_bucket {
	uint16_t tag[10];	/* 0: free */
	uint16_t overflow;	/* keys that probed past this bucket; saturates and then stays */
	uint16_t pad;
	uint32_t index[10];
} MR_CACHE_ALIGNED;
static_assert(sizeof(struct table_bucket) == 64, "a bucket must be one cache line: one miss a lookup");

struct table_config {
	uint32_t capacity;	/* records, 1 .. MR_RECORDS_MAX */
	uint32_t stride;	/* octets of a record */
	uint32_t key_offset;	/* of laddr in the record */
	uint8_t family;		/* 4 or 6 */
	uint8_t load_percent;	/* load factor of the index, 10..90 (55 for connections) */
	int node;		/* NUMA node */
};

struct table {
	struct table_bucket *buckets;
	uint8_t *records;
	uint32_t *free_list;	/* LIFO: the hottest record is reused first */
	uint64_t nbuckets;	/* prime */
	uint32_t stride, key_offset;
	uint32_t nfree;
	uint32_t ndeferred;	/* freed but not reusable before table_flush: [nfree, nfree+ndeferred) */
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
	return t->records + (size_t)index * t->stride;
}

/** Reads the key of a live record. */
void table_key(const struct table *t, uint32_t index, struct flow_key *key);

/** Starts the load of the bucket where `hash` lives. */
MR_INLINE void table_prefetch_bucket(const struct table *t, uint64_t hash)
{
	MR_PREFETCH_WRITE(&t->buckets[((hash >> 32) * t->nbuckets) >> 32]);
}
/**
 * First record in the home bucket whose tag matches, its record prefetched: a candidate, to be
 * confirmed by table_confirm. TABLE_NIL: surely not in the table. TABLE_NIL - 1: the bucket
 * overflowed or the tag is ambiguous; ask table_find.
 */
uint32_t table_candidate(const struct table *t, uint64_t hash);
/** Does record `index` have this key? */
bool table_confirm(const struct table *t, uint32_t index, const struct flow_key *key);
/** The record of a key, or TABLE_NIL. hash = flow_hash(). */
uint32_t table_find(const struct table *t, const struct flow_key *key, uint64_t hash);
/** Record that the next table_insert will take (for prefetching), TABLE_NIL when full. */
uint32_t table_next_free(const struct table *t, uint32_t ahead);
/**
 * Takes a record for a key that is not in the table and writes its key; other octets keep what the
 * record's last life left there (the wheel's word must). TABLE_NIL: full.
 */
uint32_t table_insert(struct table *t, const struct flow_key *key, uint64_t hash);
/** Removes a record; its memory is not reused before table_flush(). */
void table_remove(struct table *t, uint32_t index, uint64_t hash);
/** Makes records removed since the last call reusable: at the end of a burst. */
MR_INLINE void table_flush(struct table *t)
{
	t->nfree += t->ndeferred;
	t->ndeferred = 0;
}
/** Whole-structure invariants: tests and debug builds. */
void table_check(const struct table *t);

/* Variants of the tag match (scalar, AVX2, AVX-512, NEON): chosen at start, equal by test. */
bool table_isa_select(int isa);

#endif /* MR_TABLE_H */
