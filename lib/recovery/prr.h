/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Proportional rate reduction (RFC 6937): how the window goes from what was in flight to ssthresh
 * while a loss is mended. Counts octets delivered and sent since; numbers in, the window out.
 */
#ifndef MR_PRR_H
#define MR_PRR_H

#include "attr.h"

struct prr {
	uint32_t delivered, out;	/* octets since recovery began */
	uint32_t flight;		/* RecoverFS: outstanding then, at least 1 */
};

void prr_begin(struct prr *p, uint32_t flight);
/** The window after an ACK that delivered so much, with `pipe` octets in flight. */
uint64_t prr_window(struct prr *p, uint32_t delivered, uint32_t pipe, uint32_t ssthresh,
		    uint32_t smss);

#endif /* MR_PRR_H */
