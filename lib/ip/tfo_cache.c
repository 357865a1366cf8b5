/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of servers: see tfo_cache.h. Owns its entries; knows no connection. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tfo_cache.h"

#define SETS (TFO_CACHE_ENTRIES / TFO_CACHE_WAYS)

static_assert((TFO_CACHE_ENTRIES & (TFO_CACHE_ENTRIES - 1)) == 0 && SETS * TFO_CACHE_WAYS ==
	      TFO_CACHE_ENTRIES, "a hash is masked to its set");

struct tfo_cache *tfo_cache_create(void) { return calloc(1, sizeof(struct tfo_cache)); }

void tfo_cache_destroy(struct tfo_cache *c) { free(c); }

void tfo_cache_forget(struct tfo_cache *c) { memset(c, 0, sizeof(*c)); }

static struct tfo_entry *set_of(struct tfo_cache *c, const struct ip_path_key *key)
{
	return &c->entry[(ip_path_key_hash(key) & (SETS - 1)) * TFO_CACHE_WAYS];
}

static struct tfo_entry *find(struct tfo_cache *c, const struct ip_path_key *key)
{
	struct tfo_entry *set = set_of(c, key);

	for (uint32_t i = 0; i < TFO_CACHE_WAYS; i++)
		if (set[i].used && ip_path_key_same(&set[i].key, key))
			return &set[i];
	return NULL;
}

/* The entry of the key, or a new one: in an empty place, else in that of the one unused longest. */
static struct tfo_entry *entry_of(struct tfo_cache *c, const struct ip_path_key *key,
				  uint32_t now_ms)
{
	struct tfo_entry *set = set_of(c, key), *e = find(c, key), *oldest = set;

	for (uint32_t i = 0; e == NULL && i < TFO_CACHE_WAYS; i++) {
		if (!set[i].used)
			oldest = &set[i];
		else if (oldest->used && now_ms - set[i].used_ms > now_ms - oldest->used_ms)
			oldest = &set[i];
	}
	if (e == NULL) {
		e = oldest;
		*e = (struct tfo_entry){.key = *key, .used = true};
	}
	e->used_ms = now_ms;
	return e;
}

static uint32_t hold_ms(const struct tfo_entry *e)
{
	MR_CHECK(e->failures != 0);
	return TFO_HOLD_MS << MR_MIN(e->failures - 1u, TFO_HOLD_DOUBLINGS);
}

bool tfo_cache_get(struct tfo_cache *c, const struct ip_path_key *key, uint32_t now_ms,
		   struct tfo_known *known)
{
	struct tfo_entry *e = find(c, key);

	*known = (struct tfo_known){0};
	if (e == NULL)
		return true;
	e->used_ms = now_ms;
	if (e->held && now_ms - e->held_ms < hold_ms(e))
		return false;
	e->held = false;
	*known = e->known;
	return true;
}

void tfo_cache_granted(struct tfo_cache *c, const struct ip_path_key *key, uint32_t now_ms,
		       const struct tfo_known *known)
{
	MR_CHECK(known->cookie_len != 0 && known->cookie_len <= TFO_CACHE_COOKIE_MAX);
	entry_of(c, key, now_ms)->known = *known;
}

void tfo_cache_worked(struct tfo_cache *c, const struct ip_path_key *key, uint32_t now_ms)
{
	struct tfo_entry *e = find(c, key);

	if (e == NULL)
		return;
	e->used_ms = now_ms;
	e->failures = 0;
	e->held = false;
}

void tfo_cache_failed(struct tfo_cache *c, const struct ip_path_key *key, uint32_t now_ms)
{
	struct tfo_entry *e = entry_of(c, key, now_ms);

	e->failures = (uint8_t)MR_MIN(e->failures + 1u, UINT8_MAX);
	e->held = true;
	e->held_ms = now_ms;
}
