/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scoreboard of a sender: what is outstanding, as a few adjoining ranges of sequence numbers,
 * each with when it was last sent and what became of it. A range is a run of octets with one fate,
 * not a segment: what was sent together stays together until an ACK tells its parts apart. So it is
 * bounded: when it is full, neighbours in flight become one, with the later of their times, which
 * only makes the detection of a loss wait longer; a block that finds no room is not remembered, and
 * the receiver repeats it. Knows nothing of segments, windows or clocks.
 *
 * Invariants (board_check()): the ranges adjoin and are not empty, from `start` (SND.UNA) to the
 * last end (SND.NXT); `sacked` and `lost` are the octets of the ranges that are so, none is both;
 * two neighbours are never both SACKED.
 */
#ifndef MR_BOARD_H
#define MR_BOARD_H

#include "seq.h"

/*
 * Twenty holes at once: with a loss of 2 % a window of a thousand segments. Every operation looks
 * at each range a fixed number of times: that bounds what a hostile ACK can cost.
 */
#define BOARD_RANGES 40u

enum board_flag {
	BOARD_SACKED = 1,	/* the peer reported it (RFC 2018); it may still take that back */
	BOARD_LOST = 2,		/* to be sent again; not in flight */
	BOARD_RESENT = 4,	/* was sent more than once */
};

struct board {
	uint32_t start;
	uint32_t sacked, lost;	/* octets */
	uint32_t end[BOARD_RANGES];
	uint32_t sent_us[BOARD_RANGES];
	uint8_t flags[BOARD_RANGES];	/* enum board_flag */
	uint8_t n;
};

/* Octets of one range that were delivered just now, as they were before. */
struct board_piece {
	struct seq_range octets;
	uint32_t sent_us;
	bool resent;
};
typedef void (*board_seen)(void *arg, const struct board_piece *piece);

/** Nothing is outstanding; the next octet sent is `una`. */
void board_init(struct board *b, uint32_t una);
/** New octets up to `end` went out; up to `slop_us` later than the last ones they may join them. */
void board_sent(struct board *b, uint32_t end, uint32_t now_us, uint32_t slop_us);
/** All before `ack` is acknowledged: told by `seen` in ascending order, but for what was SACKED. */
void board_acked(struct board *b, uint32_t ack, board_seen seen, void *arg);
/**
 * The peer holds r, which lies within what is outstanding: what is new is told by `seen`. False: no
 * room to remember it.
 */
bool board_sack(struct board *b, struct seq_range r, board_seen seen, void *arg);
/** Range i, in flight, is lost. */
void board_lose(struct board *b, unsigned int i);
/** The lowest octets that are lost; false: none. */
bool board_next_lost(const struct board *b, struct seq_range *r);
/** r, which is outstanding and not SACKED, went out again: it is in flight. */
void board_resent(struct board *b, struct seq_range r, uint32_t now_us);
/**
 * The retransmission timer expired: all that is not SACKED is lost. True: the peer has reneged: it
 * reported octets, then acknowledged up to them and not them (RFC 2018 section 8); all is lost.
 */
bool board_timeout(struct board *b);
/** The loss was none: all that is not SACKED is in flight. */
void board_undo(struct board *b);
/**
 * Segments of smss octets that the ranges are whose flags, of `mask`, are `want`: each range
 * rounded up. For who is curious, not for who decides.
 */
uint32_t board_segments(const struct board *b, unsigned int mask, unsigned int want,
			uint32_t smss);
/** Has so much been SACKED that three duplicate ACKs would have told (RFC 6675 section 4)? */
bool board_dupthresh(const struct board *b, uint16_t smss);
void board_check(const struct board *b, uint32_t una, uint32_t nxt);

MR_INLINE uint32_t board_left(const struct board *b, unsigned int i)
{
	return i == 0 ? b->start : b->end[i - 1];
}
/** Octets in flight: RFC 6675's pipe. */
MR_INLINE uint32_t board_pipe(const struct board *b)
{
	return b->n == 0 ? 0 : b->end[b->n - 1] - b->start - b->sacked - b->lost;
}

#endif /* MR_BOARD_H */
