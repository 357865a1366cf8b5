/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RACK (RFC 8985): a range of the scoreboard is lost when something sent later was delivered a
 * reordering window ago. Learns from each ACK what was delivered and when it had been sent, adapts
 * the window to duplicates that the peer reports, and marks ranges of a struct board lost. Owns no
 * clock: times are microseconds modulo 2^32, less than half an hour apart.
 */
#ifndef MR_RACK_H
#define MR_RACK_H

#include "board.h"

/* What is known of the path: outlives the flights. */
struct rack_path {
	uint32_t min_rtt_us;	/* 0: none yet */
	uint16_t min_rtt_at;	/* when it was measured, units of 1024 ms modulo 2^16 */
	uint8_t mult;		/* the reordering window is mult / 4 of the smallest RTT */
	uint8_t persist : 7;	/* recoveries until it shrinks again */
	bool reordered : 1;	/* something was delivered behind what was sent after it */
};

/* Of what is outstanding: section 6.2. */
struct rack {
	uint32_t xmit_us, end_seq;	/* of the last sent of what was delivered, with `valid` */
	uint32_t rtt_us;		/* its round trip */
	uint32_t fack;			/* the highest end that was delivered */
	uint32_t dsack_round;		/* SND.NXT when the window grew last, with `in_round` */
	bool valid, in_round;
	bool resent;			/* the last sent of what was delivered: it was a copy */
};

/* One ACK at work: what rack_seen() learns of the pieces that it delivers. */
struct rack_ack {
	struct rack *rack;
	struct rack_path *path;
	uint32_t now_us, now_ms;
	uint32_t echo_age_us;	/* age of the timestamp that it echoes; UINT32_MAX: none */
	uint32_t recover;	/* the last octet that was sent before the latest loss was seen */
	uint32_t mending_us;	/* for so long at most octets have been sent again for that loss */
	bool cumulative;	/* the pieces are of SEG.ACK: its timestamp is of their receipt */
	/* results */
	uint32_t delivered;	/* octets, acknowledged or SACKED for the first time */
	uint32_t rtt_us;	/* of the last sent of what was sent once only; 0: none such */
	uint32_t rtt_sent_us;	/* when that was sent */
	bool repeated;		/* by SEG.ACK, octets that were sent again for the latest loss */
	bool original;		/* octets up to `recover` that were sent once only */
	uint32_t widest;	/* how many, in the longest of such pieces */
};

#define RACK_MIN_RTT_AGE	60u	/* a smallest RTT older than this many of them is too old */
#define RACK_PERSIST		16u	/* RFC 8985 6.2 step 4 */

/** board_seen for board_acked() and board_sack(); arg: a struct rack_ack. */
void rack_seen(void *arg, const struct board_piece *piece);
/** All that the ACK delivered was told: the smallest RTT follows. */
void rack_measure(const struct rack_ack *a);
/** The peer reported a duplicate of what we sent again (step 4). */
void rack_dsack(struct rack *r, struct rack_path *path, uint32_t una, uint32_t nxt);
/** A recovery ended (step 4). */
void rack_recovered(struct rack_path *path);
/** The reordering window; `recovering`: a loss is being mended; `dupthresh`: board_dupthresh(). */
uint32_t rack_window_us(const struct rack_path *path, bool recovering, bool dupthresh,
			uint32_t srtt_us);
/**
 * Marks lost what is (step 5). Returns in how many microseconds there may be more, if nothing else
 * arrives; 0: nothing waits.
 */
uint32_t rack_detect(struct board *b, const struct rack *r, uint32_t now_us, uint32_t window_us);

#endif /* MR_RACK_H */
