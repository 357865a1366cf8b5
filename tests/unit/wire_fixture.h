/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames and fake mbufs for the tests of lib/wire: no EAL, no mempool. A frame is composed as
 * octets with a checksum written independently of lib/wire, and parsed from heap buffers of
 * exactly its size, so that ASan sees every read beyond it.
 */
#ifndef WIRE_FIXTURE_H
#define WIRE_FIXTURE_H

#include <rte_mbuf.h>

#include "build.h"
#include "ctl.h"
#include "frame.h"

struct octets {
	uint8_t o[2200];
	uint32_t len;
	uint8_t l2_len, l3_len;
};

extern const uint8_t fx_our_mac[6], fx_peer_mac[6];
extern const uint8_t fx_our_ip4[4], fx_peer_ip4[4], fx_our_ip6[16], fx_peer_ip6[16];

/** One's complement sum of big-endian 16-bit words, the slow and obvious way. */
uint32_t fx_sum(const uint8_t *p, uint32_t len, uint32_t sum);
uint16_t fx_fold(uint32_t sum);

/**
 * A good segment from the peer to us: ports 4000 to 80, seq 1000, ack 2000, flags ACK, window
 * 500.
 */
void fx_tcp4(struct octets *f, const uint8_t *opt, uint32_t opt_len, uint32_t payload);
void fx_tcp6(struct octets *f, const uint8_t *opt, uint32_t opt_len, uint32_t payload);
/** A good ICMP or ICMPv6 message (type, code, checksum, body) from the peer to us. */
void fx_icmp(struct octets *f, uint8_t family, const uint8_t *msg, uint32_t len);
/**
 * Recomputes the IPv4 header checksum and the L4 checksum after a change. `proto` of the payload.
 */
void fx_fix(struct octets *f, uint8_t proto);
/** Inserts n octets at off. */
void fx_insert(struct octets *f, uint32_t off, const uint8_t *what, uint32_t n);

/** mbuf of one segment over a buffer of exactly len octets. */
struct rte_mbuf *fx_mbuf(const uint8_t *o, uint32_t len);
/** Chain of segments of `step` octets, each in a buffer of its own size. */
struct rte_mbuf *fx_chain(const uint8_t *o, uint32_t len, uint32_t step);
/** Empty mbuf with that much room. */
struct rte_mbuf *fx_empty(uint32_t room);
void fx_free(struct rte_mbuf *m);
/** Copies the chain's octets out; returns how many. */
uint32_t fx_octets(const struct rte_mbuf *m, uint8_t *to);

/**
 * Parses the frame in one segment and in chains cut at every few octets, asserts that all agree,
 * and returns the result. ol_flags as a port would set them.
 */
struct wire_frame fx_parse(const struct octets *f, uint64_t ol_flags);
/** Asserts that the frame is dropped for that reason. */
void fx_expect_drop(const struct octets *f, enum mr_counter reason);
/** Asserts that IP and L4 checksums of a frame are right (family and lengths read from it). */
void fx_expect_cksums(const uint8_t *o, uint32_t len, uint32_t l2_len);

#endif /* WIRE_FIXTURE_H */
