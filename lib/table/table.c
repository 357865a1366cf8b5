/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flat table: its memory, the index of buckets, the records and their free list. What runs per
 * packet and can be staged over a burst is inline in table.h.
 */
#include <errno.h>

#include "table.h"

static bool is_prime(uint64_t n)
{
	for (uint64_t d = 3; d * d <= n; d += 2)
		if (n % d == 0)
			return false;
	return n % 2 != 0;
}

/* Prime, so that every step has a path through all buckets; odd primes start at 3. */
static uint64_t buckets_wanted(const struct table_config *cfg)
{
	uint64_t slots =
		((uint64_t)cfg->capacity * 100 + cfg->load_percent - 1) / cfg->load_percent;
	uint64_t n = ((slots + TABLE_SLOTS - 1) / TABLE_SLOTS) | 1;

	for (n = MR_MAX(n, 3u); !is_prime(n); n += 2)
		;
	return n;
}

size_t table_memory(const struct table_config *cfg)
{
	size_t per_record = cfg->stride + (cfg->own_records ? 0 : sizeof(uint32_t));

	return buckets_wanted(cfg) * sizeof(struct table_bucket) + cfg->capacity * per_record;
}

static bool config_valid(const struct table_config *cfg)
{
	uint32_t key_len = cfg->family == 4 ? FLOW_KEY4_LEN : FLOW_KEY6_LEN;

	return (cfg->family == 4 || cfg->family == 6) && cfg->capacity >= 1 &&
	       cfg->capacity <= MR_RECORDS_MAX && cfg->load_percent >= 10 &&
	       cfg->load_percent <= 90 && cfg->stride >= key_len &&
	       cfg->key_offset <= cfg->stride - key_len;
}

int table_create(struct table *t, const struct table_config *cfg)
{
	if (!config_valid(cfg))
		return -EINVAL;
	memset(t, 0, sizeof(*t));
	t->nbuckets = buckets_wanted(cfg);
	t->stride = cfg->stride;
	t->key_offset = cfg->key_offset;
	t->capacity = cfg->capacity;
	t->family = cfg->family;
	/* 2^32 * nbuckets must stay below 2^64 (table_home): far more than MR_RECORDS_MAX needs. */
	MR_ASSERT(t->nbuckets < 1ull << 32);
	if (mr_bigmem_map(&t->mem[0], t->nbuckets * sizeof(struct table_bucket), cfg->node) != 0 ||
	    mr_bigmem_map(&t->mem[1], (size_t)cfg->capacity * cfg->stride, cfg->node) != 0)
		goto no_memory;
	t->buckets = t->mem[0].addr;
	t->records = t->mem[1].addr;
	if (cfg->own_records)
		return 0;
	if (mr_bigmem_map(&t->mem[2], (size_t)cfg->capacity * sizeof(uint32_t), cfg->node) != 0)
		goto no_memory;
	t->free_list = t->mem[2].addr;
	/* Lowest first: a table that fills walks its memory in order. */
	for (uint32_t i = 0; i < cfg->capacity; i++)
		t->free_list[i] = cfg->capacity - 1 - i;
	t->nfree = cfg->capacity;
	return 0;

no_memory:
	table_destroy(t);
	return -ENOMEM;
}

void table_destroy(struct table *t)
{
	for (unsigned int i = 0; i < MR_ARRAY_LEN(t->mem); i++)
		if (t->mem[i].addr != NULL)
			mr_bigmem_unmap(&t->mem[i]);
	memset(t, 0, sizeof(*t));
}

void table_key(const struct table *t, uint32_t index, struct flow_key *key)
{
	const uint8_t *r = table_key_at(t, index);
	size_t addr_len = t->family == 4 ? 4 : 16;

	memset(key, 0, sizeof(*key));
	key->family = t->family;
	memcpy(&key->laddr, r, 2);
	memcpy(key->raddr, r + 2, addr_len);
	memcpy(&key->rport, r + 2 + addr_len, 2);
	memcpy(&key->lport, r + 4 + addr_len, 2);
}

uint32_t table_find(const struct table *t, const struct flow_key *key, uint64_t hash)
{
	uint64_t at = table_home(t, hash);
	uint16_t tag = table_tag(hash);
	const struct table_bucket *b;
	uint32_t bits, index;

	MR_CHECK(key->family == t->family);
	/* A path of nbuckets steps has seen every bucket: only a table full of saturated overflow
	 * counts gets that far. */
	for (uint64_t probes = 0; probes < t->nbuckets; probes++) {
		b = &t->buckets[at];
		for (bits = tagmatch(b->tag, tag); bits != 0; bits &= bits - 1) {
			index = b->index[__builtin_ctz(bits)];
			if (MR_LIKELY(table_confirm(t, index, key)))
				return index;
		}
		if (MR_LIKELY(b->overflow == 0))
			return TABLE_NIL;
		at = table_probe(t, at, hash);
	}
	return TABLE_NIL;
}

void table_link(struct table *t, uint32_t index, const struct flow_key *key, uint64_t hash)
{
	MR_CHECK(key->family == t->family);
	MR_CHECK(t->free_list == NULL);
	MR_CHECK(table_find(t, key, hash) == TABLE_NIL);
	table_write_key(t, index, key);
	table_index_add(t, index, hash);
}

void table_unlink(struct table *t, uint32_t index, uint64_t hash)
{
	MR_CHECK(t->free_list == NULL);
	table_index_drop(t, index, hash);
}
