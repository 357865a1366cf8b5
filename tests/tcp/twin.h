/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP exists once: the same event for two worlds, one by arrives.c and output.c alone, the other by
 * fast.h wherever it says yes; and whether both are still equal: records, extensions, verdicts,
 * counters and segments, octet by octet.
 */
#ifndef TEST_TWIN_H
#define TEST_TWIN_H

#include "world.h"

enum twin_kind {
	F_SYN_RCVD, F_SYN_RCVD_FIN, F_FIN, F_LAST_ACK, F_FIN_WAIT, F_SYN_SENT, F_DATA, F_ACK,
	F_KINDS
};

/* How often each fast way was taken, and how tcp_fast_output() answered. */
extern uint64_t twin_hits[F_KINDS], twin_outputs[3];

/** The octet of text at a sequence number, and the hash of what was delivered. */
MR_INLINE uint8_t twin_octet(uint32_t seq) { return (uint8_t)(seq * 37u + (seq >> 8)); }
MR_INLINE uint32_t twin_hash(uint32_t hash, uint8_t octet)
{
	return (hash + octet + 1) * 16777619u;
}

/** tcp_arrives(), or fast.h where it takes the segment; frees what is delivered, then outputs. */
void twin_arrives(struct world *w, const struct tcp_seg *seg, bool fast);
/** Collects what is sent into out[]. */
void twin_output(struct world *w, bool fast);
/** Asserts that both worlds are equal. */
void twin_same(const struct world *a, const struct world *b);

#endif /* TEST_TWIN_H */
