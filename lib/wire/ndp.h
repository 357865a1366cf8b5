/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to lib/wire: the neighbour discovery part of an ICMPv6 message, for icmp.c.
 */
#ifndef MR_NDP_H
#define MR_NDP_H

#include "ctl.h"

/* ICMPv6 types of RFC 4861. */
enum { ND_SOLICIT = 135, ND_ADVERT = 136 };

/** Fills kind and nd_* of a solicitation or advertisement; icmp->type and code are set already. */
void wire_nd_values(const struct rte_mbuf *m, const struct wire_frame *f, struct wire_icmp *icmp);

#endif /* MR_NDP_H */
