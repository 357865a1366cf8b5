/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path MTUs by destination: what ICMP has told of them (RFC 1191, RFC 8201), for the connections
 * that are open and for those to come. Bounded: a set of IP_PATH_WAYS entries for each hash, in
 * which the one that was confirmed longest ago gives way. An entry lasts ten minutes (RFC 1191 6.3,
 * RFC 8201 5.3), then the path is taken to be whole again. One worker's; the time is an argument.
 *
 * Who may lower an entry is the caller's question: only an error that quotes what is in flight
 * (RFC 5927 7).
 */
#ifndef MR_IP_PATHS_H
#define MR_IP_PATHS_H

#include <string.h>

#include "attr.h"
#include "octets.h"

#define IP_PATHS	1024u	/* power of two */
#define IP_PATH_WAYS	8u
#define IP_PATH_AGE_MS	600000u

/* RFC 1191 3, RFC 8201 4: below these no path is; an error that says so is wrong or malicious. */
#define IP_PATH_MIN4	576u
#define IP_PATH_MIN6	1280u

/* A destination; `scope` names the network, of several with the same addresses. */
struct ip_path_key {
	uint8_t dst[16];	/* network order, IPv4 in the first four, the rest 0 */
	uint16_t scope;
	uint8_t family;		/* 4 or 6 */
};

/*
 * No secret: who can make entries knows sequence numbers in flight, or is whom we connect to; and a
 * set is bounded. 24 bits.
 */
MR_INLINE uint32_t ip_path_key_hash(const struct ip_path_key *key)
{
	uint64_t h = (uint64_t)key->scope << 8 | key->family;

	h = (h ^ wire_load64(key->dst)) * 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	h = (h ^ wire_load64(key->dst + 8)) * 0xc2b2ae3d27d4eb4full;
	return (uint32_t)(h >> 40);
}

MR_INLINE bool ip_path_key_same(const struct ip_path_key *a, const struct ip_path_key *b)
{
	return a->family == b->family && a->scope == b->scope && memcmp(a->dst, b->dst, 16) == 0;
}

struct ip_path {
	struct ip_path_key key;
	uint16_t mtu;		/* 0: empty */
	uint32_t told_ms;
};

struct ip_paths {
	uint32_t live;		/* entries: while it is 0 nobody needs to look */
	uint32_t next;		/* where ip_paths_turn() goes on */
	struct ip_path path[IP_PATHS];
};

/** NULL: no memory. */
struct ip_paths *ip_paths_create(void);
void ip_paths_destroy(struct ip_paths *p);

/** The MTU of the path, or 0: nothing is known. */
uint16_t ip_path_mtu(const struct ip_paths *p, const struct ip_path_key *key, uint32_t now_ms);
/**
 * The path has been told to carry no more than mtu. True: that is news, and lower than what was
 * known. Of an MTU below the minimum, or not below what is known, nothing but the age is noted.
 */
bool ip_path_lower(struct ip_paths *p, const struct ip_path_key *key, uint32_t mtu,
		   uint32_t now_ms);
/** Looks at a few entries: those that are too old are forgotten. */
void ip_paths_turn(struct ip_paths *p, uint32_t now_ms);

#endif /* MR_IP_PATHS_H */
