/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unaligned loads and stores of network fields, IPv6 addresses as 16 octets, and address classes.
 * The one place that knows where in DPDK's rte_ipv6_hdr the addresses lie: their C type became a
 * struct in DPDK 24.11, their place did not change. Owns no state. HOT PATH: all of it.
 */
#ifndef MR_OCTETS_H
#define MR_OCTETS_H

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "attr.h"

MR_INLINE uint16_t wire_load16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

MR_INLINE uint32_t wire_load32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

MR_INLINE uint64_t wire_load64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

MR_INLINE void wire_store16(void *p, uint16_t v) { memcpy(p, &v, sizeof(v)); }
MR_INLINE void wire_store32(void *p, uint32_t v) { memcpy(p, &v, sizeof(v)); }
MR_INLINE void wire_store64(void *p, uint64_t v) { memcpy(p, &v, sizeof(v)); }

/* Between host and network order; its own inverse. */
MR_INLINE uint16_t wire_be16(uint16_t v) { return rte_cpu_to_be_16(v); }
MR_INLINE uint32_t wire_be32(uint32_t v) { return rte_cpu_to_be_32(v); }

#define WIRE_IP6_SRC_OFF	offsetof(struct rte_ipv6_hdr, src_addr)
#define WIRE_IP6_DST_OFF	offsetof(struct rte_ipv6_hdr, dst_addr)
static_assert(WIRE_IP6_SRC_OFF == 8 && WIRE_IP6_DST_OFF == 24,
	      "source and destination must be neighbours: they are summed in one go");

MR_INLINE const uint8_t *wire_ip6_src(const struct rte_ipv6_hdr *ip)
{
	return (const uint8_t *)ip + WIRE_IP6_SRC_OFF;
}

MR_INLINE const uint8_t *wire_ip6_dst(const struct rte_ipv6_hdr *ip)
{
	return (const uint8_t *)ip + WIRE_IP6_DST_OFF;
}

MR_INLINE void wire_ip6_set(struct rte_ipv6_hdr *ip, const uint8_t src[16], const uint8_t dst[16])
{
	memcpy((uint8_t *)ip + WIRE_IP6_SRC_OFF, src, 16);
	memcpy((uint8_t *)ip + WIRE_IP6_DST_OFF, dst, 16);
}

MR_INLINE bool wire_mac_is_group(const uint8_t mac[6]) { return (mac[0] & 1) != 0; }

/**
 * A host's address by its range alone, host order: not 0/8, 127/8, multicast or 240/4. The hot path
 * asks this; the exact question, which admits 240/4 but for broadcast, is wire_ip4_is_host().
 */
MR_INLINE bool wire_ip4_is_plain(uint32_t a)
{
	return (a - 0x01000000u < 0xdf000000u) & ((a >> 24) != 127);
}

/** May a packet come from this address (RFC 1122 3.2.1.3)? Host order. */
MR_INLINE bool wire_ip4_is_host(uint32_t a)
{
	return wire_ip4_is_plain(a) || (a >= 0xf0000000u && a != 0xffffffffu);
}

MR_INLINE bool wire_ip6_is_any(const uint8_t a[16])
{
	return (wire_load64(a) | wire_load64(a + 8)) == 0;
}

MR_INLINE bool wire_ip6_is_multicast(const uint8_t a[16]) { return a[0] == 0xff; }

/** May a packet come from this address: not ::, ::1, multicast or IPv4-mapped (RFC 4291 2.5)? */
MR_INLINE bool wire_ip6_is_host(const uint8_t a[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t loopback[16] = { [15] = 1 };

	return !wire_ip6_is_multicast(a) && !wire_ip6_is_any(a) &&
	       memcmp(a, loopback, 16) != 0 && memcmp(a, mapped, 12) != 0;
}

#endif /* MR_OCTETS_H */
