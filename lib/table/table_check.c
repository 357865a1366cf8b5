/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checks of a whole table. Never on a packet path.
 */
#include <stdlib.h>

#include "table.h"

/* Marks every record that the index names; each must be named once. */
static uint8_t *mark_live(const struct table *t)
{
	uint8_t *seen = calloc(t->capacity, 1);
	uint64_t live = 0;

	MR_ASSERT(seen != NULL);
	for (uint64_t i = 0; i < t->nbuckets; i++) {
		const struct table_bucket *b = &t->buckets[i];

		for (unsigned int s = 0; s < TABLE_SLOTS; s++) {
			if (b->tag[s] == 0)
				continue;
			MR_ASSERT(b->index[s] < t->capacity);
			MR_ASSERT(!seen[b->index[s]]);
			seen[b->index[s]] = 1;
			live++;
		}
	}
	MR_ASSERT(live == t->live);
	MR_ASSERT(t->live <= t->high_water && t->high_water <= t->capacity);
	return seen;
}

void table_check(const struct table *t)
{
	uint8_t *seen = mark_live(t);

	MR_ASSERT(t->nbuckets * TABLE_SLOTS > t->capacity);
	if (t->free_list != NULL) {
		MR_ASSERT(t->nfree + t->ndeferred + t->live == t->capacity);
		for (uint32_t i = 0; i < t->nfree + t->ndeferred; i++) {
			MR_ASSERT(t->free_list[i] < t->capacity);
			MR_ASSERT(!seen[t->free_list[i]]);
			seen[t->free_list[i]] = 1;
		}
	}
	free(seen);
}

/* Walks the path of the record in a slot from its home, counting it in every bucket passed. */
static void count_path(const struct table *t, uint64_t bucket, unsigned int slot,
		       const struct mr_sipkey *hash_key, uint32_t *passed)
{
	struct flow_key key;
	uint64_t hash, at, probes = 0;

	table_key(t, t->buckets[bucket].index[slot], &key);
	hash = flow_hash(hash_key, &key);
	MR_ASSERT(t->buckets[bucket].tag[slot] == table_tag(hash));
	for (at = table_home(t, hash); at != bucket; at = table_probe(t, at, hash)) {
		MR_ASSERT(t->buckets[at].overflow != 0);
		MR_ASSERT(++probes < t->nbuckets);
		passed[at]++;
	}
	MR_ASSERT(table_find(t, &key, hash) == t->buckets[bucket].index[slot]);
}

void table_check_paths(const struct table *t, const struct mr_sipkey *hash_key)
{
	uint32_t *passed = calloc(t->nbuckets, sizeof(*passed));

	table_check(t);
	MR_ASSERT(passed != NULL);
	for (uint64_t i = 0; i < t->nbuckets; i++)
		for (unsigned int s = 0; s < TABLE_SLOTS; s++)
			if (t->buckets[i].tag[s] != 0)
				count_path(t, i, s, hash_key, passed);
	for (uint64_t i = 0; i < t->nbuckets; i++)
		MR_ASSERT(t->buckets[i].overflow == passed[i] || t->buckets[i].overflow == 0xffff);
	free(passed);
}
