/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every limit of the engine, once, with its reason, related to the others by static asserts.
 */
#ifndef MR_BOUNDS_H
#define MR_BOUNDS_H

#include "attr.h"

/* Packets of one turn: 64 gives 1.3x over 32 at 8M connections (more misses overlap). */
#define MR_BURST		64u
/* Workers of one process: an id is 8 bits of a connection handle. */
#define MR_WORKERS_MAX		64u
#define MR_PORTS_MAX		16u
#define MR_QUEUES_MAX		64u
/* Records of one table: 31 bits, bit 31 of a connection id says IPv6. */
#define MR_RECORDS_MAX		(1u << 31)
/* Extension records: 24 bits of the base record. */
#define MR_EXT_MAX		((1u << 24) - 1u)
/* Retransmissions and probes without an answer: counted in four bits of the base record. */
#define MR_RETRIES_MAX		15u
/* Local addresses, next hops, listeners: 16-bit indices in the record; 0xffff means none. */
#define MR_LADDR_MAX		65535u
#define MR_NEXTHOP_MAX		65535u
#define MR_LISTENERS_MAX	4096u
#define MR_NONE16		0xffffu
/* A handler's timer: 16 bits of 64 ms, compared modulo 2^16, so less than half the range. */
#define MR_USER_TICK_MS		64u
#define MR_USER_TIMEOUT_MAX_MS	1800000u
/* Largest frame the engine builds: header room for Ethernet + 2 VLAN + IPv6 + TCP with options. */
#define MR_HEADER_MAX		(14u + 8u + 40u + 60u)
/* Payloads up to this are copied behind the header: cheaper than an indirect mbuf (two mempool
 * operations, about 60 cycles). */
#define MR_COPY_MAX		192u
/* Out-of-order data kept for one connection, in mbufs: so many whatever is in them; more, a window
 * of 4 MB after one loss, while each has so many octets on average. The count has 16 bits. */
#define MR_OOO_MBUFS_MAX	64u
#define MR_OOO_OCTETS_MIN	512u
#define MR_OOO_WIDE_MBUFS_MAX	8192u
/* Gaps in it: each arrival looks through them. */
#define MR_OOO_RUNS_MAX		64u

static_assert(MR_USER_TIMEOUT_MAX_MS / MR_USER_TICK_MS < 0x8000,
	      "a handler's timeout must stay comparable modulo 2^16");
static_assert(MR_HEADER_MAX + MR_COPY_MAX <= 512,
	      "a control mbuf must hold header and small payload");

/* EAL memory that an object of static content takes besides its octets. */
#define MR_STATIC_OVERHEAD	4608u

#endif /* MR_BOUNDS_H */
