/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a stack is built from: plain values, filled by the application (from YAML, or by hand), read
 * at start and on snapshot swaps, never on the packet path. Owns nothing.
 */
#ifndef MR_STACK_CONFIG_H
#define MR_STACK_CONFIG_H

#include "millrace.h"
#include "bounds.h"
#include "tcp.h"

/* Answers to SYNs that need no memory (RFC 4987): never, when a record would be refused, always. */
enum stack_syncookies { STACK_COOKIES_OFF, STACK_COOKIES_ON, STACK_COOKIES_ALWAYS };

#define STACK_ADDRS_MAX	64u	/* entries; one entry may name many consecutive addresses */
#define STACK_PORT_NAME	32u

/* Local addresses: `count` consecutive ones from `addr`, on one port and VLAN. */
struct stack_addr {
	uint8_t family;		/* 4 or 6 */
	uint8_t prefix_len;	/* of the on-link network: 0..32 / 0..128 */
	uint16_t port;		/* index of the engine's port, 0.. */
	uint16_t vlan;		/* id, or WIRE_NO_VLAN */
	uint16_t vlan_outer;	/* id, or WIRE_NO_VLAN */
	uint8_t addr[16];	/* network order, IPv4 in the first four */
	uint32_t count;		/* 1 .. 65535; all entries together at most MR_LADDR_MAX */
};

/* The next hop for what is not on-link, one per family and port. */
struct stack_gateway {
	uint8_t family;
	uint16_t port;
	uint8_t addr[16];
};

/*
 * Of listeners on one port the most specific has a connection: the longest prefix, family 0 last,
 * in whatever order they are given. A range of ports is refused where another listener on one of
 * them is a range too, or less specific.
 */
struct stack_listener {
	uint8_t family;			/* 4, 6, or 0: both families, any address */
	uint8_t prefix_len;		/* addresses: this one (32/128), a prefix, or any (0) */
	uint8_t addr[16];
	uint16_t port_first, port_last;	/* host order, inclusive */
	uint32_t backlog;		/* SYN_RCVD at most; 1 .. 2^31 */
	const struct mr_callbacks *callbacks;
	void *arg;			/* mr_handler_arg() */
	char name[32];			/* for counters and listings */
	struct mr_options options;	/* of its connections; none set: as `tcp` below says */
};

struct stack_config {
	struct stack_addr addr[STACK_ADDRS_MAX];
	uint32_t naddrs;
	struct stack_gateway gateway[2 * MR_PORTS_MAX];
	uint32_t ngateways;
	const struct stack_listener *listener;	/* nlisteners; kept by the caller while in use */
	uint32_t nlisteners;
	struct tcp_params tcp;
	uint16_t port_range_first, port_range_last;	/* sources of active opens, host order */
	/* Capacities, per worker. */
	uint32_t conns4, conns6;	/* records; 0: family off */
	uint32_t time_wait4, time_wait6;
	uint32_t extensions;
	uint32_t options;		/* connections with options of their own; 0 .. 65535 */
	uint32_t neighbours;		/* 16 .. MR_NEXTHOP_MAX */
	uint32_t reassemblies;		/* datagrams whose fragments wait; 0: none */
	uint32_t reassembly_ms;		/* how long they do (RFC 1122 3.3.2, RFC 8200 4.5) */
	uint32_t mbufs_reserve;		/* free mbufs below which SYNs are shed */
	/* the longest MSL that stack_set_params() will ask for; 0: tcp.msl_ms */
	uint32_t msl_max_ms;
	bool fast_path;			/* false: all goes through arrives.c (for proofs) */
	enum stack_syncookies syncookies;
	uint32_t rst_per_s;		/* RSTs to segments for no connection; 0: no limit */
	uint32_t icmp_per_s;		/* ICMP answers per second; 0: no limit */
	uint64_t seed;			/* 0: keys from the kernel; else derived, to replay runs */
};
void stack_config_default(struct stack_config *cfg);

#endif /* MR_STACK_CONFIG_H */
