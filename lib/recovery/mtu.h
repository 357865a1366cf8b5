/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path MTU without ICMP (RFC 4821, RFC 8899): which size is tried next where large packets vanish
 * in silence, and when a larger one is tried again. Numbers in, a size out; owns no state.
 */
#ifndef MR_MTU_H
#define MR_MTU_H

#include "attr.h"

/*
 * Full segments were lost so often in a row before the path is suspected (RFC 4821 7.7): once is
 * congestion. A size that is only tried again is given up at once.
 */
#define PATH_SUSPECT_TIMEOUTS	2u
/* RFC 4821 7.6.1 leaves the time to probe again open; RFC 1191 6.3 has ten minutes. */
#define PATH_RETRY_MS		600000u
#define PATH_TRIAL_MS		10000u	/* so long a larger size counts as tried again only */

/**
 * The next smaller MTU to try: 1400 (tunnels), 1280 (IPv6's least), 576 (IPv4's). 0: there is none
 * for the family, so that it is not the size which is the matter.
 */
MR_INLINE uint16_t path_step_down(uint8_t family, uint16_t mtu)
{
	static const uint16_t steps[] = {4352, 1500, 1400, 1280, 576};
	const uint16_t least = family == 6 ? 1280 : 576;

	for (unsigned int i = 0; i < MR_ARRAY_LEN(steps); i++)
		if (steps[i] < mtu && steps[i] >= least)
			return steps[i];
	return 0;
}

#endif /* MR_MTU_H */
