/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 6582 section 3.2, its steps as functions. The caller guarantees what makes an ACK a
 * duplicate.
 */
#include "newreno.h"

#include "check.h"
#include "seq.h"

void newreno_init(struct newreno *nr, uint32_t una)
{
	nr->recover = una - 2;	/* a loss in the very first flight must count as new */
	nr->dupacks = 0;
	nr->phase = NEWRENO_OPEN;
	nr->partial_seen = false;
}

static void acked(struct cc *cc, const struct newreno_flight *f, uint32_t octets, uint32_t flight)
{
	const struct cc_ack ack = {octets, flight, f->now_ms, f->srtt_us,
				   f->rtt_us, f->una + octets, f->nxt, f->paced};

	cc_acked(cc, &ack);
}

/* Step 3, full acknowledgment: leave recovery with at most ssthresh, without a burst (option 1). */
static unsigned int full_ack(struct newreno *nr, struct cc *cc, const struct newreno_flight *f,
			     uint32_t ack)
{
	uint32_t flight = f->nxt - ack;

	if (nr->phase == NEWRENO_RECOVERY)
		cc_set_window(cc, MR_MIN((uint64_t)cc->ssthresh,
					 (uint64_t)MR_MAX(flight, (uint32_t)cc->smss) + cc->smss));
	else
		acked(cc, f, ack - f->una, f->nxt - f->una);
	nr->phase = NEWRENO_OPEN;
	return NEWRENO_RESTART_TIMER;
}

/*
 * Step 3, partial acknowledgment: the next hole is resent; the window deflates by what left the
 * network.
 */
static unsigned int partial_ack(struct newreno *nr, struct cc *cc, uint32_t octets)
{
	uint64_t cwnd = cc->cwnd > octets ? cc->cwnd - octets : 0;
	unsigned int actions = NEWRENO_RETRANSMIT;

	cc_set_window(cc, cwnd + (octets >= cc->smss ? cc->smss : 0));
	if (!nr->partial_seen)
		actions |= NEWRENO_RESTART_TIMER;
	nr->partial_seen = true;
	return actions;
}

unsigned int newreno_acked(struct newreno *nr, struct cc *cc, const struct newreno_flight *f,
			   uint32_t ack)
{
	uint32_t octets = ack - f->una;

	MR_CHECK(seq_gt(ack, f->una) && seq_le(ack, f->nxt));
	nr->dupacks = 0;
	if (nr->phase == NEWRENO_OPEN) {
		/* Follows, or after 2^31 octets it would seem to lie ahead: ack counts as new. */
		if (seq_gt(ack - 1, nr->recover))
			nr->recover = ack - 2;
		acked(cc, f, octets, f->nxt - f->una);
		return NEWRENO_RESTART_TIMER;
	}
	if (seq_gt(ack, nr->recover))
		return full_ack(nr, cc, f, ack);
	if (nr->phase == NEWRENO_RECOVERY)
		return partial_ack(nr, cc, octets);
	/*
	 * After a timeout: slow start resends the rest (RFC 5681 3.1). All of cwnd counts as used.
	 */
	acked(cc, f, octets, cc->cwnd);
	return NEWRENO_RESTART_TIMER;
}

/* Step 2: the third duplicate, unless the loss it tells of is the one already mended. */
static unsigned int third_dupack(struct newreno *nr, struct cc *cc, const struct newreno_flight *f)
{
	if (!seq_gt(f->una - 1, nr->recover))
		return 0;
	nr->recover = f->nxt - 1;
	nr->phase = NEWRENO_RECOVERY;
	nr->partial_seen = false;
	/* without what limited transmit sent: RFC 5681 3.2 step 2 */
	cc_loss(cc, MR_MIN(f->nxt - f->una, cc->cwnd));
	cc_set_window(cc, (uint64_t)cc->ssthresh + NEWRENO_DUPACKS * cc->smss);
	return NEWRENO_RETRANSMIT | NEWRENO_FAST | NEWRENO_RESTART_TIMER;
}

unsigned int newreno_dupack(struct newreno *nr, struct cc *cc, const struct newreno_flight *f)
{
	MR_CHECK(seq_lt(f->una, f->nxt));
	if (nr->dupacks < UINT8_MAX)
		nr->dupacks++;
	/* RFC 5681 3.2 step 4: one more has left the network */
	if (nr->phase == NEWRENO_RECOVERY) {
		cc_set_window(cc, (uint64_t)cc->cwnd + cc->smss);
		return 0;
	}
	if (nr->phase == NEWRENO_OPEN && nr->dupacks == NEWRENO_DUPACKS)
		return third_dupack(nr, cc, f);
	return 0;
}

void newreno_timeout(struct newreno *nr, struct cc *cc, const struct newreno_flight *f, bool again)
{
	/* RFC 5681 3.1: ssthresh is held when the same segment is lost again. */
	cc_timeout(cc, f->nxt - f->una, again);
	nr->recover = f->nxt - 1;	/* RFC 6582 3.2 step 4 */
	nr->phase = NEWRENO_LOSS;
	nr->dupacks = 0;
	nr->partial_seen = false;
}

uint64_t newreno_allowance(const struct newreno *nr, const struct cc *cc)
{
	uint64_t extra = 0;

	if (nr->phase == NEWRENO_OPEN)		/* RFC 3042: the first two duplicates only */
		extra = (uint64_t)MR_MIN(nr->dupacks, NEWRENO_DUPACKS - 1) * cc->smss;
	return cc->cwnd + extra;
}
