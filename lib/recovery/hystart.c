/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HyStart++ (RFC 9406): the first slow start ends when the round trip grows, since what grows then
 * is a queue; without it, it ends when that queue overflows, and half a window is lost at once. A
 * round trip that grew for another reason gives slow start back (conservative slow start, CSS).
 *
 * RFC 9406 says nothing of a window that is not used. The queue is not ours then, so nothing is
 * concluded: rounds begin anew when it is used.
 */
#include "cc.h"

#include "check.h"
#include "seq.h"

#define MIN_THRESHOLD_US	4000u	/* MIN_RTT_THRESH */
#define MAX_THRESHOLD_US	16000u	/* MAX_RTT_THRESH */
#define RTT_DIVISOR		8u	/* MIN_RTT_DIVISOR */
#define CSS_DIVISOR		4u	/* CSS_GROWTH_DIVISOR */
#define ACK_SEGS		8u	/* L, where nothing is paced */
#define RTT_MAX_US		((1u << 28) - 1)

void hystart_restart(struct cc *cc) { cc->hystart = (struct hystart){0}; }

void hystart_end(struct cc *cc)
{
	if ((cc->flags & CC_HYSTART) == 0)
		return;
	cc->flags = (uint8_t)(cc->flags & ~CC_HYSTART);
	cc->cubic = (struct cubic){0};
}

uint32_t hystart_growth(const struct cc *cc, const struct cc_ack *ack)
{
	uint32_t octets = MR_MIN(ack->acked, ack->paced ? cc->cwnd : ACK_SEGS * cc->smss);

	return cc->hystart.css_rounds != 0 ? octets / CSS_DIVISOR : octets;
}

static void measured(struct hystart *h, uint32_t rtt_us)
{
	rtt_us = MR_MIN(rtt_us, RTT_MAX_US);
	if (h->round_min_us == 0 || rtt_us < h->round_min_us)
		h->round_min_us = rtt_us & RTT_MAX_US;
	if (h->samples < HYSTART_SAMPLES)
		h->samples++;
}

/* Has the smallest round trip of a round grown so much on the last one's that there is a queue? */
static bool has_grown(const struct hystart *h)
{
	uint32_t threshold = MR_MAX(h->last_min_us / RTT_DIVISOR, MIN_THRESHOLD_US);

	return h->last_min_us != 0 &&
	       h->round_min_us >= h->last_min_us + MR_MIN(threshold, MAX_THRESHOLD_US);
}

static void judge(struct hystart *h)
{
	if (h->samples < HYSTART_SAMPLES)
		return;
	if (h->css_rounds == 0 && has_grown(h)) {
		h->baseline_us = h->round_min_us;
		h->css_rounds = 1;
	} else if (h->css_rounds != 0 && h->round_min_us < h->baseline_us) {
		h->css_rounds = 0;	/* it was no queue */
	}
}

static void next_round(struct hystart *h, uint32_t nxt)
{
	h->last_min_us = h->round_min_us;
	h->round_min_us = 0;
	h->samples = 0;
	h->round_end = nxt;
	h->begun = true;
}

void hystart_acked(struct cc *cc, const struct cc_ack *ack)
{
	struct hystart *h = &cc->hystart;

	MR_CHECK(cc->flags & CC_HYSTART);
	if (!h->begun)
		next_round(h, ack->nxt);
	if (ack->rtt_us != 0)
		measured(h, ack->rtt_us);
	judge(h);
	if (seq_lt(ack->una, h->round_end))
		return;
	if (h->css_rounds == HYSTART_ROUNDS) {
		cc->ssthresh = MR_MAX(cc->cwnd, 2u * cc->smss);
		hystart_end(cc);
		return;
	}
	if (h->css_rounds != 0)
		h->css_rounds++;
	next_round(h, ack->nxt);
}
