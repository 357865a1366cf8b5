/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies (RFC 4987 3.6): a SYN answered without memory. What a connection needs stands in what
 * the peer sends back: in the initial sequence number of the SYN-ACK and, with timestamps, in the
 * low bits of its TSval. Knows neither frames nor tuples: words in, numbers out.
 *
 *   ISN     31..29 MSS, an index   28 parity of the period   27..0 SipHash-2-4 of the tuple and of
 *           the peer's own ISN
 *   TSval   5 ECN   4 SACK   3..0 window scale, 15: none; the bits above tell the time as usual
 *
 * The keys follow from one secret, which all workers of an engine have, and the number of the
 * minute: whichever worker gets the ACK can check it. Two of them are good, so a cookie is for one
 * to two minutes; and none is looked at by a worker that has not sent one in the last two. A forged
 * one is taken with a probability of 2^-28 (with timestamps 2^-43: the echo must be of the last two
 * minutes by a clock whose offset is a secret of the tuple). The peer may lie about what only it
 * suffers from: MSS, window scale, SACK, ECN.
 *
 * HOT PATH: the inline functions: no allocation, no lock, no log, no division.
 */
#ifndef MR_COOKIE_H
#define MR_COOKIE_H

#include "attr.h"
#include "siphash.h"

#define COOKIE_PERIOD_US	60000000ull
#define COOKIE_PERIODS_VALID	2u	/* this one and the one before */
#define COOKIE_KEYS		4u	/* and two more, to tell old ones from forged ones */
#define COOKIE_NO_SCALE		15u
#define COOKIE_TS_BITS		6u
#define COOKIE_TS_MASK		((1u << COOKIE_TS_BITS) - 1)

/* What the low bits of TSval keep of a SYN. */
enum cookie_ts_bit {
	COOKIE_TS_SCALE = 0x0f,
	COOKIE_TS_SACK = 0x10,
	COOKIE_TS_ECN = 0x20,
};

/* The keys of one worker. */
struct cookies {
	struct mr_sipkey secret;
	struct mr_sipkey key[COOKIE_KEYS];	/* of period p at p % COOKIE_KEYS */
	uint64_t period;			/* the one that runs */
	uint64_t period_end_us;
	uint64_t looked_at_until_us;		/* two minutes after one was sent; 0: none yet */
};

enum cookie_verdict { COOKIE_VALID, COOKIE_OLD, COOKIE_FORGED };

/** A secret for all workers of an engine: from the kernel, or from a seed that is not 0. */
struct mr_sipkey cookies_secret(uint64_t seed);
/** Keys of now. All workers with one secret have the same; all 0: cookies_secret(seed). */
void cookies_init(struct cookies *k, const struct mr_sipkey *secret, uint64_t seed,
		  uint64_t now_us);
/** The period is over: makes the key of the next one. */
void cookies_rotate(struct cookies *k, uint64_t now_us);

/** One is about to be sent: keys of now, and ACKs are looked at for two minutes more. */
MR_INLINE void cookies_sending(struct cookies *k, uint64_t now_us)
{
	if (MR_UNLIKELY(now_us >= k->period_end_us))
		cookies_rotate(k, now_us);
	k->looked_at_until_us = now_us + COOKIE_PERIODS_VALID * COOKIE_PERIOD_US;
}
/** Might an ACK be the answer to a cookie? */
MR_INLINE bool cookies_expected(const struct cookies *k, uint64_t now_us)
{
	return now_us < k->looked_at_until_us;
}

/** The key that cookies are made with, after cookies_sending(). */
MR_INLINE const struct mr_sipkey *cookie_key(const struct cookies *k)
{
	return &k->key[k->period % COOKIE_KEYS];
}

/** The largest MSS that a cookie can keep and that is not above `mss`: its index, 0 .. 7. */
unsigned int cookie_mss_index(uint16_t mss);
/** The MSS of an index, 0 .. 7. */
uint16_t cookie_mss(unsigned int index);

/** The ISN; hash: SipHash-2-4 by cookie_key(). */
MR_INLINE uint32_t cookie_isn(const struct cookies *k, uint64_t hash, unsigned int mss_index)
{
	return (uint32_t)hash >> 4 | (uint32_t)(k->period & 1) << 28 | mss_index << 29;
}
/** The index of the MSS in one. */
MR_INLINE unsigned int cookie_isn_mss(uint32_t isn) { return isn >> 29; }

/**
 * TSval with `bits` (enum cookie_ts_bit) in it: not after `ts`, which later segments continue from,
 * and at most 64 before it. Never goes back from one SYN to its copy.
 */
MR_INLINE uint32_t cookie_tsval(uint32_t ts, unsigned int bits)
{
	const uint32_t low = ts & COOKIE_TS_MASK;

	return ts - low + bits - (bits > low ? COOKIE_TS_MASK + 1 : 0);
}
/** Can an echo be of a cookie that is still valid? `ts`: what TSval would be now. */
MR_INLINE bool cookie_echo_plausible(uint32_t ts, uint32_t tsecr)
{
	return ts - tsecr <=
	       (uint32_t)(COOKIE_PERIODS_VALID * COOKIE_PERIOD_US / 1000) + COOKIE_TS_MASK + 1;
}

/**
 * Is `isn` (SEG.ACK - 1) the cookie of the tuple and ISN in these words, as SipHash's input (at
 * most 4 words)? Sets the keys to now.
 */
enum cookie_verdict cookie_check(struct cookies *k, uint64_t now_us, const uint64_t *words,
				 unsigned int nwords, uint32_t isn);

#endif /* MR_COOKIE_H */
