/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers without a stack: neighbours, control messages and mail of lib/stack are real, and so are
 * addresses and the connection table; what they call (output, react, lib/tcp) is recorded here. EAL
 * without hugepages gives the mbufs.
 *
 * Every worker has port 0 and port 1, and the addresses
 *	10.77.0.2 .. .5 /24 and fd77::2 .. ::3 /64	port 0, no VLAN; gateways 10.77.0.1, fd77::1
 *	10.77.0.2 /24					port 0, VLAN 7: the same address again
 *	10.99.0.2 /24					port 1, no VLAN, no gateway
 */
#ifndef NEIGH_FIXTURE_H
#define NEIGH_FIXTURE_H

#include "worker.h"

#define NF_SENT_MAX 4096

/* What left through tx_push, of all workers. */
struct nf_frame {
	struct rte_mbuf *m;
	unsigned int worker, tx_class;
	uint16_t port;
};
extern struct nf_frame nf_sent[NF_SENT_MAX];
extern unsigned int nf_nsent;
/* What reached lib/tcp. */
extern struct nf_error {
	unsigned int worker, count;
	const struct tcp_conn *c;
	uint32_t seq;
	bool hard;
	uint16_t soft;	/* type << 8 | code of the last soft one */
} nf_error;
extern unsigned int nf_reacts;
extern bool nf_no_mbufs;

extern const uint8_t nf_our_mac[2][6], nf_peer_mac[6], nf_broadcast[6];
extern const uint8_t nf_any6[16];

void nf_start(void);
void nf_stop(void);
/** Worker `id` of a group of `count` that starts at `first`, with room for that many neighbours. */
struct mr_worker *nf_worker(unsigned int id, unsigned int first, unsigned int count,
			    uint32_t neighbours);
void nf_destroy(struct mr_worker *w);
void nf_at(struct mr_worker *w, uint32_t now_ms);
/** The turns of every millisecond up to and including until_ms. */
void nf_run(struct mr_worker *w, uint32_t until_ms);
/** Forgets what was sent. */
void nf_flush(void);
/** mbufs that are not in the pool. */
unsigned int nf_mbufs_out(void);

void nf_ip4(uint8_t to[16], uint32_t host_order);
/** fd77::low */
void nf_ip6(uint8_t to[16], uint16_t low);
struct rte_mbuf *nf_mbuf(void);
/** Parses m as received on the port and gives it to its input function. */
void nf_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m);
/** ARP of a station with this MAC; addresses in host order. */
struct rte_mbuf *nf_arp(uint16_t op, const uint8_t *mac, uint32_t sender, uint32_t target,
			uint16_t vlan);
/** A frame of ICMP (family 4 or 6) from src to dst; body behind the checksum; l2 untagged. */
struct rte_mbuf *nf_icmp(uint8_t family, const uint8_t *src, const uint8_t *dst, const uint8_t *msg,
			 uint32_t len);
/** An ICMP error to src that quotes a segment src:sport -> dst:dport of ours; host order. */
struct nf_quote {
	uint8_t family, type, code;
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint32_t seq, rest;	/* rest: octets 4 .. 7 of the message, host order */
};
struct rte_mbuf *nf_icmp_error(const struct nf_quote *q);
/** A TCP frame of ours ready for neigh_send: `flags`, payload octets. */
struct rte_mbuf *nf_segment(struct mr_worker *w, uint16_t hop, const struct nf_quote *q,
			    uint8_t flags, uint16_t payload);
/** A connection in SYN_SENT with the quote's tuple: SND.UNA seq, SND.NXT seq + 1. */
struct tcp_conn *nf_conn(struct mr_worker *w, const struct nf_quote *q);

/** The i-th frame sent, parsed; asserts that it exists and is well formed. */
struct wire_frame nf_frame(unsigned int i);
/** ... as ARP; asserts that it is. */
struct wire_arp nf_sent_arp(unsigned int i);
/** ... as ICMP. */
struct wire_icmp nf_sent_icmp(unsigned int i);
const uint8_t *nf_octets(unsigned int i);

#endif /* NEIGH_FIXTURE_H */
