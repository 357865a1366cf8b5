/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 8985 section 6.2, its steps as functions.
 */
#include "rack.h"

#include "check.h"

/* RACK_sent_after(). */
static bool sent_after(uint32_t a_us, uint32_t a_end, uint32_t b_us, uint32_t b_end)
{
	return seq_gt(a_us, b_us) || (a_us == b_us && seq_gt(a_end, b_end));
}

/*
 * Step 2: an answer to an earlier copy says nothing of the last one. The echo says which copy was
 * answered only where the piece moved SEG.ACK: behind a hole the receiver goes on echoing what came
 * before the hole (RFC 7323 4.3), whichever copy it reports.
 */
static bool answers_earlier_copy(const struct rack_ack *a, uint32_t rtt_us)
{
	/* the echo's clock ticks in milliseconds */
	if (a->cumulative && a->echo_age_us != UINT32_MAX && a->echo_age_us > rtt_us + 1000)
		return true;
	return rtt_us < a->path->min_rtt_us;
}

void rack_seen(void *arg, const struct board_piece *piece)
{
	struct rack_ack *a = arg;
	struct rack *r = a->rack;
	uint32_t rtt_us = MR_MAX(a->now_us - piece->sent_us, 1u), end = piece->octets.right;

	a->delivered += end - piece->octets.left;
	if (!piece->resent) {
		/* step 3 */
		if (r->valid && seq_lt(end, r->fack))
			a->path->reordered = true;
		if (a->rtt_us == 0 || seq_ge(piece->sent_us, a->rtt_sent_us)) {
			a->rtt_us = rtt_us;
			a->rtt_sent_us = piece->sent_us;
		}
		if (seq_le(end - 1, a->recover)) {
			a->original = true;
			a->widest = MR_MAX(a->widest, end - piece->octets.left);
		}
	}
	a->repeated |= piece->resent && a->cumulative && rtt_us <= a->mending_us;
	if (piece->resent && answers_earlier_copy(a, rtt_us))
		return;
	if (!r->valid || seq_gt(end, r->fack))
		r->fack = end;
	if (!r->valid || sent_after(piece->sent_us, end, r->xmit_us, r->end_seq)) {
		r->xmit_us = piece->sent_us;
		r->end_seq = end;
		r->rtt_us = rtt_us;
		r->resent = piece->resent;
	}
	r->valid = true;
}

void rack_measure(const struct rack_ack *a)
{
	const uint16_t now = (uint16_t)(a->now_ms >> 10);
	struct rack_path *p = a->path;

	if (a->rtt_us == 0)
		return;
	if (p->min_rtt_us != 0 && a->rtt_us > p->min_rtt_us &&
	    (uint16_t)(now - p->min_rtt_at) < RACK_MIN_RTT_AGE)
		return;
	p->min_rtt_us = a->rtt_us;
	p->min_rtt_at = now;
}

void rack_dsack(struct rack *r, struct rack_path *path, uint32_t una, uint32_t nxt)
{
	if (r->in_round && seq_lt(una, r->dsack_round))
		return;			/* once in a round trip */
	r->dsack_round = nxt;
	r->in_round = true;
	path->persist = RACK_PERSIST;
	if (path->mult < UINT8_MAX)
		path->mult++;
}

void rack_recovered(struct rack_path *path)
{
	if (path->persist != 0)
		path->persist--;
	if (path->persist == 0)
		path->mult = 1;
}

uint32_t rack_window_us(const struct rack_path *path, bool recovering, bool dupthresh,
			uint32_t srtt_us)
{
	uint64_t window_us = (uint64_t)MR_MAX(path->mult, 1u) * path->min_rtt_us / 4;

	if (!path->reordered && (recovering || dupthresh))
		return 0;
	return (uint32_t)MR_MIN(window_us, (uint64_t)srtt_us);
}

/*
 * Was what was delivered sent after range i? Where both went out in one turn the sequence numbers
 * tell, but new octets may have gone before what was sent again.
 */
static bool overtaken(const struct board *b, unsigned int i, const struct rack *r)
{
	if ((b->flags[i] & BOARD_RESENT) && !r->resent && r->xmit_us == b->sent_us[i])
		return false;
	return sent_after(r->xmit_us, r->end_seq, b->sent_us[i], b->end[i]);
}

uint32_t rack_detect(struct board *b, const struct rack *r, uint32_t now_us, uint32_t window_us)
{
	uint32_t wait_us = 0;

	for (unsigned int i = 0; i < b->n && r->valid; i++) {
		int32_t remaining_us;

		if (b->flags[i] & (BOARD_SACKED | BOARD_LOST))
			continue;
		if (!overtaken(b, i, r))
			continue;
		remaining_us = seq_diff(b->sent_us[i] + r->rtt_us + window_us, now_us);
		if (remaining_us <= 0)
			board_lose(b, i);
		else
			wait_us = MR_MAX(wait_us, (uint32_t)remaining_us);
	}
	return wait_us;
}
