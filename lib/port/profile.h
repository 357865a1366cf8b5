/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of a driver: numbers that suit it, and which of the offloads it advertises may be
 * believed. A profile is a YAML file of drivers-config/, named after the driver; the ones of the
 * build are compiled in, a directory given at start goes before them. Private to lib/port. Control
 * thread only.
 */
#ifndef MR_PROFILE_H
#define MR_PROFILE_H

#include "attr.h"
#include "conf.h"

#define PROFILE_DESC_MAX	4096u
#define PROFILE_VALUES		14u

/* How flows are spread over the receive queues of a port. */
enum profile_spread {
	PROFILE_SPREAD_NONE,	/* they are not, whatever the driver says: one queue */
	PROFILE_SPREAD_RSS,	/* by RSS, where the port reports it for TCP */
	PROFILE_SPREAD_PEER,	/* the other end chooses a queue for each flow and keeps to it */
};

struct driver_profile {
	char *driver;		/* rte_eth_dev_info.driver_name */
	bool verified;		/* the values were tried with this engine */
	uint64_t rx_desc, tx_desc;	/* per queue */
	uint64_t rx_burst;	/* packets asked for at once, at most MR_BURST */
	uint64_t queues_max;
	uint32_t spread;	/* enum profile_spread */
	bool tx_ipv4_cksum, tx_tcp_cksum, rx_cksum, multi_segs;	/* believed when advertised */
	bool own_mac;		/* the reported MAC is the kernel's: use one of our own */
	bool mac_filter;	/* the port drops frames to MACs it was not told of */
	bool shared_mbufs;	/* hands the peer's very mbufs: their flags mean nothing */
	bool page_bound;	/* a packet must not cross a 4 KB page */
	bool page_mbufs;	/* an mbuf must be a 4 KB page: the pool has no gaps then */
	char *source[PROFILE_VALUES];	/* where each value comes from, in the order of the keys */
	char origin[128];	/* "file ...", "built in", "generic" */
};

/* One compiled-in profile; the list ends with name == NULL (made by embed_profiles.py). */
struct profile_text {
	const char *name, *text;
};
extern const struct profile_text profile_builtin[];

/**
 * Finds the profile `name`: in dir (NULL: none), else the compiled-in one, else the generic one,
 * which believes no offload. Returns 0, or -1 with *err when a file is there but wrong.
 * profile_free() is due in both cases.
 */
int profile_find(const char *dir, const char *name, struct driver_profile *p,
		 struct conf_error *err);
/** True when `name` has a profile of its own in dir or compiled in. */
bool profile_known(const char *dir, const char *name);
/** Loads one file. 0, or -1 with *err. */
int profile_load(const char *path, struct driver_profile *p, struct conf_error *err);
void profile_free(struct driver_profile *p);
/** Prints the table of keys: type, range, default, meaning. */
void profile_print_reference(FILE *f);

#endif /* MR_PROFILE_H */
