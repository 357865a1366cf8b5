/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peers of the bulk bench: connections that pour data into the server, or acknowledge every
 * second segment of what it pours, as a receiver does (RFC 5681 4.2). Frames that are ready in
 * memory, and the server's answers read back. Never timed.
 */
#ifndef BENCH_BULK_PEER_H
#define BENCH_BULK_PEER_H

#include <rte_mbuf.h>

#include "build.h"

#define BULK_MSS 1460u		/* octets of a full segment, without timestamps */
#define BULK_CONNECTIONS_MAX 1000000u

struct bulk_config {
	uint32_t connections;	/* 1 .. BULK_CONNECTIONS_MAX */
	bool server_sends;
	bool checksum_offload;	/* frames come marked as verified */
	uint32_t window;	/* segments of each connection that the server may have under way */
	uint32_t run;		/* segments of one connection that follow each other */
	uint8_t server_mac[6];
	uint8_t server_addr[4];
	uint16_t server_port;	/* host order */
};

struct bulk_conn;
/* An ACK that is to be sent: of which connection, as it stood then. */
struct bulk_ack {
	uint32_t conn, ack;
};

struct bulk_peer {
	struct bulk_config cfg;
	struct wire_l2 l2;
	struct wire_addrs addrs;	/* of the frame being built */
	struct bulk_conn *conn;
	struct bulk_ack *acks;		/* a ring; acks_mask + 1 is more than there can be */
	uint32_t acks_mask, acks_head, acks_tail;
	uint32_t opened, turn;		/* next to open; next to pour */
	uint64_t received;		/* data segments */
	uint64_t bad;			/* replies that are not expected, resent data too */
};

/** 0, or -1 without memory. */
int bulk_peer_create(struct bulk_peer *p, const struct bulk_config *cfg);
void bulk_peer_destroy(struct bulk_peer *p);
/** How many frames there are for the server now, at most n. */
uint32_t bulk_peer_ready(const struct bulk_peer *p, uint32_t n);
/** Builds at most n of them in empty mbufs; *data of them carry data. */
uint32_t bulk_peer_frames(struct bulk_peer *p, struct rte_mbuf **pkts, uint32_t n, uint32_t *data);
/** Reads the server's frames. Frees nothing. */
void bulk_peer_read(struct bulk_peer *p, struct rte_mbuf **pkts, uint32_t n);

#endif /* BENCH_BULK_PEER_H */
