/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a control message amounts to: judgements without side effects. Private to ctl.c.
 */
#ifndef MR_CTL_CLASS_H
#define MR_CTL_CLASS_H

#include "octets.h"
#include "worker.h"

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

/** May a path have the MTU that the error tells? */
static inline bool path_plausible(const struct icmp_error *e)
{
	return e->mtu >= (e->family == 4 ? IP_PATH_MIN4 : IP_PATH_MIN6) && e->mtu <= UINT16_MAX;
}

#endif /* MR_CTL_CLASS_H */
