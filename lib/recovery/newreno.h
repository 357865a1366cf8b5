/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss detection without SACK: duplicate ACKs, fast retransmit, NewReno's partial ACKs (RFC 5681
 * 3.2, RFC 6582), limited transmit (RFC 3042), and the retransmission timeout. It is told of ACKs
 * and timeouts and answers what to retransmit; it moves the congestion window of a struct cc.
 *
 * Invariants: OPEN <=> nothing is known to be lost; in RECOVERY and LOSS everything up to `recover`
 * was sent before the loss was seen, and the phase ends when an ACK covers more.
 */
#ifndef MR_NEWRENO_H
#define MR_NEWRENO_H

#include "cc.h"

enum newreno_phase {
	NEWRENO_OPEN,
	NEWRENO_RECOVERY,	/* after fast retransmit */
	/* after a timeout: everything outstanding is resent in slow start */
	NEWRENO_LOSS,
};

struct newreno {
	/* highest sequence number sent when the loss was seen; once all that is acknowledged, two
	 * before SND.UNA */
	uint32_t recover;
	uint8_t dupacks;	/* consecutive duplicates, saturating */
	uint8_t phase;		/* enum newreno_phase */
	/* a partial ACK restarted the timer already (RFC 6582 3.2 step 3) */
	bool partial_seen;
};

#define NEWRENO_DUPACKS 3u	/* RFC 5681 3.2 */

/* What the sender is to do: bits. */
enum newreno_action {
	NEWRENO_RETRANSMIT = 1,		/* the first unacknowledged segment, now */
	NEWRENO_RESTART_TIMER = 2,
	NEWRENO_FAST = 4,		/* this is a fast retransmit (for the counter) */
};

/* Where the sender stands, as of before the event. */
struct newreno_flight {
	uint32_t una, nxt;	/* SND.UNA, SND.NXT */
	uint32_t now_ms;
	uint32_t srtt_us;	/* 0: not known yet */
	uint32_t rtt_us;	/* measured by the ACK; 0: nothing was */
	bool paced;
};

/** `una`: nothing before it counts as seen. */
void newreno_init(struct newreno *nr, uint32_t una);
/** An ACK of new octets: una < ack <= nxt. */
unsigned int newreno_acked(struct newreno *nr, struct cc *cc, const struct newreno_flight *f,
			   uint32_t ack);
/** A duplicate ACK (RFC 5681 section 2) with octets outstanding. */
unsigned int newreno_dupack(struct newreno *nr, struct cc *cc, const struct newreno_flight *f);
/**
 * The retransmission timer expired; `again`: the first segment was already resent by an earlier
 * timeout.
 */
void newreno_timeout(struct newreno *nr, struct cc *cc, const struct newreno_flight *f, bool again);
/** Octets that may be outstanding now: cwnd, and one SMSS for each of the first two duplicates. */
uint64_t newreno_allowance(const struct newreno *nr, const struct cc *cc);

#endif /* MR_NEWRENO_H */
