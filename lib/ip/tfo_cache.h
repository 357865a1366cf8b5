/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client knows of servers for TCP Fast Open (RFC 7413 4.1.3): the cookie that one has given
 * an address of ours, the MSS that it told, and whether data in a SYN comes to anything. A server
 * that does not acknowledge such data and grants no cookie, or a path on which the SYN is lost, is
 * left alone for a minute, and twice as long each time it happens again (4.1.3.1).
 *
 * Bounded like the table of path MTUs (paths.h), whose keys it has; here `scope` is the local
 * address, since that is what a cookie is good for. An entry stays until another one needs its
 * place: whether a cookie is still good, its server says. One worker's; the time is an argument.
 */
#ifndef MR_TFO_CACHE_H
#define MR_TFO_CACHE_H

#include "paths.h"

#define TFO_CACHE_ENTRIES	1024u	/* power of two */
#define TFO_CACHE_WAYS		8u
#define TFO_CACHE_COOKIE_MAX	16u
#define TFO_HOLD_MS		60000u	/* after the first failure */
#define TFO_HOLD_DOUBLINGS	6u	/* 64 minutes at most */

struct tfo_known {
	uint16_t mss;		/* 0: not known */
	uint8_t cookie_len;	/* 0: none */
	uint8_t cookie[TFO_CACHE_COOKIE_MAX];
};

struct tfo_entry {
	struct ip_path_key key;
	struct tfo_known known;
	bool used, held;
	uint8_t failures;	/* in a row */
	uint32_t used_ms;	/* last time */
	uint32_t held_ms;	/* since when, with `held` */
};

struct tfo_cache {
	struct tfo_entry entry[TFO_CACHE_ENTRIES];
};

/** NULL: no memory. */
struct tfo_cache *tfo_cache_create(void);
void tfo_cache_destroy(struct tfo_cache *c);
void tfo_cache_forget(struct tfo_cache *c);

/** May a SYN have the option? Then *known is what there is, perhaps nothing. */
bool tfo_cache_get(struct tfo_cache *c, const struct ip_path_key *key, uint32_t now_ms,
		   struct tfo_known *known);
/** The server has granted a cookie (4 .. 16 octets). */
void tfo_cache_granted(struct tfo_cache *c, const struct ip_path_key *key, uint32_t now_ms,
		       const struct tfo_known *known);
/** Data of a SYN was acknowledged: no failure counts any more. */
void tfo_cache_worked(struct tfo_cache *c, const struct ip_path_key *key, uint32_t now_ms);
/** It was not, or the SYN was lost. */
void tfo_cache_failed(struct tfo_cache *c, const struct ip_path_key *key, uint32_t now_ms);

#endif /* MR_TFO_CACHE_H */
