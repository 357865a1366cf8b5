/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SACK blocks (RFC 2018, RFC 2883). The receiver: which blocks an ACK reports, in which order. It
 * is given the runs of octets that are held, each with a stamp, and keeps the newest that
 * fit. The sender: which of the blocks that came can be believed, and which tells of a duplicate.
 * Owns no queue.
 */
#ifndef MR_SACK_H
#define MR_SACK_H

#include "seq.h"

#define SACK_REPORT_MAX 4u	/* blocks in 40 octets of options; 3 beside timestamps */

struct sack_report {
	unsigned int n, max;	/* blocks, and how many may be */
	unsigned int fixed;	/* leading blocks that the stamps do not move: a duplicate */
	struct seq_range block[SACK_REPORT_MAX];
	uint32_t stamp[SACK_REPORT_MAX];
};

/** `duplicate`: octets that came twice, reported first (RFC 2883 4); empty: none. */
void sack_report_init(struct sack_report *r, unsigned int max, const struct seq_range *duplicate);
/** A run of octets that are held; the greater its stamp, the further in front it is reported. */
void sack_report_add(struct sack_report *r, struct seq_range run, uint32_t stamp);

/* Where the sender stands: blocks are judged by it. */
struct sack_span {
	uint32_t una, nxt;	/* SND.UNA, as of this ACK, and SND.NXT */
	uint32_t back;		/* a duplicate lies at most so many octets before SND.UNA */
};

/* What an ACK reports. */
struct sack_news {
	unsigned int n;
	struct seq_range block[SACK_REPORT_MAX];	/* ascending, each within [una, nxt] */
	struct seq_range duplicate;			/* empty: none (RFC 2883 4) */
	unsigned int ignored;	/* blocks that are empty, or lie elsewhere */
};

/** Sorts `n` blocks as they came. */
void sack_judge(struct sack_news *news, const struct seq_range *block, unsigned int n,
		const struct sack_span *span);

#endif /* MR_SACK_H */
