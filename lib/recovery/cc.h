/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion window (RFC 5681): how many octets may be unacknowledged. Numbers in, permission to
 * send out; loss is detected elsewhere (newreno.h). An algorithm is a row of struct cc_algorithm;
 * Reno is the first one. All sums are in octets and counted by octets acknowledged, so that nothing
 * divides.
 *
 *   slow start            cwnd <  ssthresh
 *   congestion avoidance  cwnd >= ssthresh
 *   SMSS <= cwnd <= CC_CWND_MAX, ssthresh >= 2 SMSS after the first loss
 */
#ifndef MR_CC_H
#define MR_CC_H

#include "attr.h"

struct cc {
	uint32_t cwnd;		/* octets */
	uint32_t ssthresh;
	uint32_t acked;		/* octets acknowledged since cwnd last grew, congestion avoidance */
	uint16_t smss;		/* sender maximum segment size: options already subtracted */
	uint8_t algorithm;	/* enum cc_algorithm_id */
};

enum cc_algorithm_id { CC_RENO };

/* What distinguishes one algorithm from another. */
struct cc_algorithm {
	const char *name;
	/* `acked` octets were acknowledged in congestion avoidance. */
	void (*avoid)(struct cc *cc, uint32_t acked);
	/* ssthresh after a loss with `flight` octets outstanding. */
	uint32_t (*threshold)(const struct cc *cc, uint32_t flight);
};

/* the largest window a peer can offer (RFC 7323 2.3) */
#define CC_CWND_MAX		(1u << 30)
#define CC_SSTHRESH_INFINITE	CC_CWND_MAX
#define CC_IW_SEG_OCTETS	1460u		/* RFC 6928: 10 segments, or 14600 octets */

/**
 * RFC 6928: min(n SMSS, max(2 SMSS, n 1460)); n = 10 by default, 1 when the SYN was lost (RFC 5681
 * 3.1).
 */
uint32_t cc_initial_window(uint16_t smss, unsigned int segs);
void cc_init(struct cc *cc, enum cc_algorithm_id id, uint16_t smss, uint32_t initial_window);
/**
 * `acked` new octets were acknowledged outside of recovery, when `flight` octets were outstanding
 * before. A window that was not used does not grow (RFC 7661 4.1).
 */
void cc_acked(struct cc *cc, uint32_t acked, uint32_t flight);
/** Loss with `flight` octets outstanding: sets ssthresh (RFC 5681 equation 4). */
void cc_loss(struct cc *cc, uint32_t flight);
/** Sets the window, within its bounds. */
void cc_set_window(struct cc *cc, uint64_t cwnd);
/** Nothing was sent for one RTO: restart window (RFC 5681 4.1). */
void cc_idle(struct cc *cc, uint32_t initial_window);

#endif /* MR_CC_H */
