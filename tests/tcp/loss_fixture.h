/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection whose peer permits SACK, with a flight of full segments out: what the tests of loss
 * recovery share. A round trip takes RTT_MS.
 */
#ifndef TEST_LOSS_FIXTURE_H
#define TEST_LOSS_FIXTURE_H

#include "world.h"

#define MSS	1460u
#define RTT_MS	100u
#define BASE	(WORLD_ISS + 1)
/* Segments of the flight begin behind the one that measured the round trip. */
#define S(n)	((n) + 1)

struct tcp_flight *loss_flight(struct world *w);
struct tcp_ext *loss_ext(struct world *w);
uint64_t loss_count(const struct world *w, enum mr_counter c);

/** An ACK of `segs` segments since BASE, and blocks of segments [from, to), ended by {0, 0}. */
void loss_ack(struct world *w, unsigned int segs, const unsigned int (*block)[2]);
#define LOSS_ACK(w, segs, ...) \
	loss_ack(w, segs, (const unsigned int[][2]){__VA_ARGS__ __VA_OPT__(, ) {0, 0}})

/** Time passes; no timer runs. */
void loss_wait_ms(struct world *w, uint32_t ms);
/** ESTABLISHED, a round trip measured, `segs` segments out for one more, and nothing queued. */
void loss_in_flight(struct world *w, unsigned int segs);
/** How many of the segments sent last are retransmissions. */
unsigned int loss_resent_now(const struct world *w);
/** The i-th segment sent last is segment `seg` of the flight again. */
void loss_resent(const struct world *w, unsigned int i, unsigned int seg);
/** What is told (mr_tcp_info) of what is outstanding, in segments. */
void loss_told(struct world *w, uint32_t unacked, uint32_t sacked, uint32_t lost, uint32_t retrans);
/** The peer acknowledges everything: nothing is left on the scoreboard. */
void loss_all_acked(struct world *w);

#endif /* TEST_LOSS_FIXTURE_H */
