/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two connections joined by a seeded channel that loses, duplicates and delays, in virtual time.
 * One call plays one connection from SYN to its end and checks what each side saw. No frames, no
 * tables: this is lib/tcp alone.
 */
#ifndef TEST_DUPLEX_H
#define TEST_DUPLEX_H

#include "rng.h"
#include "tcp.h"

struct duplex_plan {
	uint64_t seed;
	uint32_t octets[2];		/* each side sends; side 0 opens */
	uint32_t loss_percent, dup_percent;
	uint32_t delay_us, jitter_us;
	uint32_t rcv_buf, snd_buf;
	uint32_t read_delay_ms;		/* how long a side holds what it got; 0: consumes at once */
	bool simultaneous;		/* both sides open actively */
	/* RFC 7413: side 0 sends what it has with its SYN; side 1 takes it, or not */
	enum { DUPLEX_NO_FASTOPEN, DUPLEX_FASTOPEN, DUPLEX_FASTOPEN_REFUSED } fastopen;
	bool timestamps, sack, scaling, nodelay, pacing;
	bool half_close;		/* side 1 sends only after side 0's FIN */
	/* -1: none; else aborts after abort_after octets received */
	int abort_side;
	uint32_t abort_after;
};

struct duplex_result {
	uint32_t received[2];		/* octets, verified */
	uint16_t reason[2];		/* enum mr_reason; MR_OK: still open at the end */
	bool established[2], time_wait[2];
	uint64_t end_us;
	uint32_t segments;
	uint32_t syn_octets;		/* taken from the SYN */
	struct mr_counters counters[2];
};

/** A random plan. */
void duplex_plan_random(struct duplex_plan *plan, uint64_t seed);
/** Plays it; aborts the process when an octet is wrong, an invariant breaks or an mbuf leaks. */
void duplex_run(const struct duplex_plan *plan, struct duplex_result *result);

#endif /* TEST_DUPLEX_H */
