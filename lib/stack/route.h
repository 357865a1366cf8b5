/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which address is the next hop, and from which of ours it is asked for: pure functions of the
 * configured ranges and gateways. Private to neigh.c.
 */
#ifndef MR_ROUTE_H
#define MR_ROUTE_H

#include "octets.h"
#include "worker.h"

static inline bool route_link_local(uint8_t family, const uint8_t *ip)
{
	return family == 6 && ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;	/* RFC 4291 2.5.6 */
}

/** Can a station of the range's network have this address? */
static inline bool route_on_link(const struct laddr_range *r, const uint8_t *ip)
{
	return range_on_link(r, ip) || route_link_local(r->family, ip);
}

/* RFC 1122 3.2.1.3: all ones behind the prefix; a link of two stations has none (RFC 3021). */
static inline bool route_broadcast(const struct laddr_range *r, const uint8_t *ip)
{
	if (r->family != 4 || r->prefix_len > 30 || !range_on_link(r, ip))
		return false;
	return (wire_be32(wire_load32(ip)) | ~(UINT32_MAX >> r->prefix_len)) == UINT32_MAX;
}

/* RFC 1122 3.3.1.1: on-link, else by the gateway. NULL: neither. */
static inline const uint8_t *route_next(const struct mr_worker *w, const struct laddr_range *r,
				   const uint8_t *dst)
{
	if (route_on_link(r, dst))
		return dst;
	for (uint32_t i = 0; i < w->ngateways; i++)
		if (w->gateway[i].family == r->family && w->gateway[i].port == r->port)
			return w->gateway[i].addr;
	return NULL;
}

/* The range whose address asks for `next`: one of its network, or any of the same VLAN. */
static inline uint16_t route_asker(const struct mr_worker *w, uint16_t range, const uint8_t *next)
{
	const struct laddr_range *r = &w->range[range];

	for (uint32_t i = 0; i < w->nranges; i++) {
		const struct laddr_range *o = &w->range[i];

		if (o->family == r->family && o->port == r->port && o->vlan == r->vlan &&
		    o->vlan_outer == r->vlan_outer && range_on_link(o, next))
			return (uint16_t)i;
	}
	return range;
}

#endif /* MR_ROUTE_H */
