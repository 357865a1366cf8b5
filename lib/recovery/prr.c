/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 6937 section 3, with the slow start reduction bound.
 */
#include "prr.h"

#include "check.h"

void prr_begin(struct prr *p, uint32_t flight)
{
	MR_CHECK(flight != 0);
	*p = (struct prr){.flight = flight};
}

uint64_t prr_window(struct prr *p, uint32_t delivered, uint32_t pipe, uint32_t ssthresh,
		    uint32_t smss)
{
	uint64_t may;

	p->delivered += delivered;
	if (pipe > ssthresh) {		/* proportional: one division, once per ACK of a recovery */
		may = ((uint64_t)p->delivered * ssthresh + p->flight - 1) / p->flight;
		may -= MR_MIN(may, (uint64_t)p->out);
	} else {			/* grow back to ssthresh, at most as slow start does */
		may = p->delivered - MR_MIN(p->delivered, p->out);
		may = MR_MAX(may, (uint64_t)delivered) + smss;
		may = MR_MIN(may, (uint64_t)ssthresh - pipe);
	}
	return pipe + may;
}
