/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The key of a connection: remote address and port, local port, and the index of the local address
 * (which names port, VLAN, zone and address, so that overlapping networks never collide).
 * Ports and addresses are in network byte order, exactly as they stand in a packet.
 */
#ifndef MR_FLOW_H
#define MR_FLOW_H

#include <string.h>

#include "siphash.h"

struct flow_key {
	uint8_t raddr[16];	/* IPv4 in the first four octets, the rest 0 */
	uint16_t rport, lport;
	uint16_t laddr;
	uint8_t family;		/* 4 or 6 */
	uint8_t pad;
};

/*
 * Where the key stands in a record, from its key offset on: laddr, raddr (4 or 16), rport, lport.
 */
#define FLOW_KEY4_LEN	10u
#define FLOW_KEY6_LEN	22u

/** The 64-bit words that are hashed: 2 for IPv4 (10 octets), 3 for IPv6 (22); returns how many. */
MR_INLINE unsigned int flow_words4(uint32_t raddr, uint16_t rport, uint16_t lport, uint16_t laddr,
				   uint64_t w[2])
{
	w[0] = (uint64_t)raddr | (uint64_t)rport << 32 | (uint64_t)lport << 48;
	w[1] = (uint64_t)laddr | (uint64_t)FLOW_KEY4_LEN << 56;
	return 2;
}

/** The same for IPv6: ports are both in network order, the remote one in the lower half. */
MR_INLINE unsigned int flow_words6(const uint8_t raddr[16], uint32_t ports, uint16_t laddr,
				   uint64_t w[3])
{
	memcpy(w, raddr, 16);
	w[2] = (uint64_t)ports | (uint64_t)laddr << 32 | (uint64_t)FLOW_KEY6_LEN << 56;
	return 3;
}

MR_INLINE unsigned int flow_words(const struct flow_key *k, uint64_t w[3])
{
	uint32_t a;

	if (k->family == 4) {
		memcpy(&a, k->raddr, 4);
		return flow_words4(a, k->rport, k->lport, k->laddr, w);
	}
	return flow_words6(k->raddr, (uint32_t)k->rport | (uint32_t)k->lport << 16, k->laddr, w);
}

/**
 * Both ports, the remote one in the lower half. In one store: they are copied and compared as one
 * word, and a load that is wider than the stores before it waits for them.
 */
MR_INLINE void flow_set_ports(struct flow_key *k, uint32_t ports)
{
	memcpy(&k->rport, &ports, sizeof(ports));
}

/** The key whose words these are. */
MR_INLINE void flow_key_of_words(uint8_t family, const uint64_t w[3], struct flow_key *k)
{
	const uint32_t ports = family == 4 ? (uint32_t)(w[0] >> 32) : (uint32_t)w[2];

	memset(k, 0, sizeof(*k));
	memcpy(k->raddr, w, family == 4 ? 4 : 16);
	flow_set_ports(k, ports);
	k->laddr = family == 4 ? (uint16_t)w[1] : (uint16_t)(w[2] >> 32);
	k->family = family;
}

MR_INLINE uint64_t flow_hash(const struct mr_sipkey *key, const struct flow_key *k)
{
	uint64_t w[3];
	unsigned int n = flow_words(k, w);

	return mr_sip13_words(key, w, n);
}

#endif /* MR_FLOW_H */
