/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a control message amounts to: judgements without side effects. Private to ctl.c.
 */
#ifndef MR_CTL_CLASS_H
#define MR_CTL_CLASS_H

#include "octets.h"
#include "worker.h"

/* RFC 1191 3, RFC 8201 4: below these no path is; an error that says so is wrong or malicious. */
#define PATH_MTU4_MIN	576u
#define PATH_MTU6_MIN	1280u

static inline bool arp_sane(const struct wire_arp *arp)
{
	const uint32_t sender = wire_be32(wire_load32(arp->sender_ip));

	return (arp->op == 1 || arp->op == 2) && !wire_mac_is_group(arp->sender_mac) &&
	       (sender == 0 || wire_ip4_is_host(sender));
}

/* RFC 4861 4.3, 4.4 */
static inline bool is_ndp(const struct wire_icmp *icmp)
{
	return icmp->family == 6 && (icmp->type == 135 || icmp->type == 136);
}

/* RFC 1122 4.2.3.9: protocol, port and administratively prohibited are hard; net and host
 * unreachable, time exceeded, parameter problem are soft. RFC 4443 3.1 likewise. */
static inline bool is_hard(const struct wire_icmp *icmp)
{
	const uint32_t hard = icmp->family == 4 ? 1u << 2 | 1u << 3 | 1u << 9 | 1u << 10 | 1u << 13
						: 1u << 1 | 1u << 4;

	return icmp->kind == WIRE_ICMP_UNREACHABLE && icmp->code < 32 &&
	       (hard >> icmp->code & 1) != 0;
}

/**
 * RFC 1191 6.3, RFC 8201: the MSS after an error that tells the path's MTU: smaller or the same,
 * and never below what every path must carry.
 */
static inline uint16_t path_mss(const struct icmp_error *e, uint16_t mss)
{
	const uint32_t headers = e->family == 4 ? 40 : 60;
	const uint32_t least = e->family == 4 ? PATH_MTU4_MIN : PATH_MTU6_MIN;

	return e->mtu < least || e->mtu - headers >= mss ? mss : (uint16_t)(e->mtu - headers);
}

#endif /* MR_CTL_CLASS_H */
