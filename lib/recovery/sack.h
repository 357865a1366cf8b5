/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiver's side of SACK (RFC 2018, RFC 2883): which blocks an ACK reports, in which order. Is
 * given the runs of octets that are held, oldest to newest by a stamp, and keeps the newest that
 * fit. Owns no queue.
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

#endif /* MR_SACK_H */
