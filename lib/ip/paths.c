/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of path MTUs: see paths.h. Owns its entries; knows no connection.
 */
#include <stdlib.h>

#include "check.h"
#include "paths.h"

#define SETS		(IP_PATHS / IP_PATH_WAYS)
#define TURN_ENTRIES	8u

static_assert((IP_PATHS & (IP_PATHS - 1)) == 0 && SETS * IP_PATH_WAYS == IP_PATHS,
	      "a hash is masked to its set");

struct ip_paths *ip_paths_create(void) { return calloc(1, sizeof(struct ip_paths)); }

void ip_paths_destroy(struct ip_paths *p) { free(p); }

static uint32_t set_of(const struct ip_path_key *key) { return ip_path_key_hash(key) & (SETS - 1); }

static bool fresh(const struct ip_path *e, uint32_t now_ms)
{
	return e->mtu != 0 && now_ms - e->told_ms < IP_PATH_AGE_MS;
}

uint16_t ip_path_mtu(const struct ip_paths *p, const struct ip_path_key *key, uint32_t now_ms)
{
	const struct ip_path *set = &p->path[set_of(key) * IP_PATH_WAYS];

	for (uint32_t i = 0; i < IP_PATH_WAYS; i++)
		if (fresh(&set[i], now_ms) && ip_path_key_same(&set[i].key, key))
			return set[i].mtu;
	return 0;
}

/* The entry of the key, or the one that it may take: an empty one, else the oldest. */
static struct ip_path *place_of(struct ip_paths *p, const struct ip_path_key *key, uint32_t now_ms)
{
	struct ip_path *set = &p->path[set_of(key) * IP_PATH_WAYS], *best = set;

	for (uint32_t i = 0; i < IP_PATH_WAYS; i++) {
		if (set[i].mtu != 0 && ip_path_key_same(&set[i].key, key))
			return &set[i];
		if (best->mtu != 0 &&
		    (set[i].mtu == 0 || now_ms - set[i].told_ms > now_ms - best->told_ms))
			best = &set[i];
	}
	return best;
}

bool ip_path_lower(struct ip_paths *p, const struct ip_path_key *key, uint32_t mtu,
		   uint32_t now_ms)
{
	struct ip_path *e = place_of(p, key, now_ms);
	const bool known = fresh(e, now_ms) && ip_path_key_same(&e->key, key);

	if (mtu < (key->family == 4 ? IP_PATH_MIN4 : IP_PATH_MIN6) || mtu > UINT16_MAX)
		return false;
	if (known && mtu >= e->mtu) {
		e->told_ms = mtu == e->mtu ? now_ms : e->told_ms;
		return false;
	}
	p->live += e->mtu == 0;
	MR_CHECK(p->live <= IP_PATHS);
	*e = (struct ip_path){*key, (uint16_t)mtu, now_ms};
	return true;
}

void ip_paths_turn(struct ip_paths *p, uint32_t now_ms)
{
	for (uint32_t i = 0; p->live != 0 && i < TURN_ENTRIES; i++) {
		struct ip_path *e = &p->path[p->next++ & (IP_PATHS - 1)];

		if (e->mtu == 0 || fresh(e, now_ms))
			continue;
		e->mtu = 0;
		p->live--;
	}
}
