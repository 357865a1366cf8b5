/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See board.h. Three small arrays; what is inserted or removed moves the rest of them.
 */
#include <stdlib.h>
#include <string.h>

#include "board.h"

#include "check.h"

static_assert(BOARD_RANGES <= UINT8_MAX, "n has eight bits");

#define DUPTHRESH 3u	/* RFC 6675 section 2 */

static uint32_t octets_of(const struct board *b, unsigned int i)
{
	return b->end[i] - board_left(b, i);
}

static uint32_t later(uint32_t a_us, uint32_t b_us) { return seq_max(a_us, b_us); }

/* The only writer of flags of a range that has octets. */
static void set_flags(struct board *b, unsigned int i, unsigned int flags)
{
	uint32_t octets = octets_of(b, i);

	b->sacked -= (b->flags[i] & BOARD_SACKED) ? octets : 0;
	b->lost -= (b->flags[i] & BOARD_LOST) ? octets : 0;
	b->flags[i] = (uint8_t)flags;
	b->sacked += (flags & BOARD_SACKED) ? octets : 0;
	b->lost += (flags & BOARD_LOST) ? octets : 0;
}

/* Takes `count` ranges from i on out of the arrays; their octets are accounted for already. */
static void remove_ranges(struct board *b, unsigned int i, unsigned int count)
{
	unsigned int rest = b->n - i - count;

	memmove(&b->end[i], &b->end[i + count], rest * sizeof(b->end[0]));
	memmove(&b->sent_us[i], &b->sent_us[i + count], rest * sizeof(b->sent_us[0]));
	memmove(&b->flags[i], &b->flags[i + count], rest * sizeof(b->flags[0]));
	b->n = (uint8_t)(b->n - count);
}

/* Range i becomes two that adjoin at `at`. */
static void split(struct board *b, unsigned int i, uint32_t at)
{
	unsigned int rest = b->n - i;

	MR_CHECK(b->n < BOARD_RANGES && seq_lt(board_left(b, i), at) && seq_lt(at, b->end[i]));
	memmove(&b->end[i + 1], &b->end[i], rest * sizeof(b->end[0]));
	memmove(&b->sent_us[i + 1], &b->sent_us[i], rest * sizeof(b->sent_us[0]));
	memmove(&b->flags[i + 1], &b->flags[i], rest * sizeof(b->flags[0]));
	b->end[i] = at;
	b->n++;
}

/* Ranges i and i + 1 become one; what of them was lost alone is in flight again. */
static void join(struct board *b, unsigned int i)
{
	unsigned int both = b->flags[i] & b->flags[i + 1] & (BOARD_SACKED | BOARD_LOST);
	unsigned int flags = both | ((b->flags[i] | b->flags[i + 1]) & BOARD_RESENT);

	set_flags(b, i, flags);
	set_flags(b, i + 1, flags);
	b->sent_us[i + 1] = later(b->sent_us[i], b->sent_us[i + 1]);
	remove_ranges(b, i, 1);
}

/* Neighbours that nothing tells apart become one. */
static void coalesce(struct board *b)
{
	for (unsigned int i = 0; i + 1 < b->n;) {
		if (b->flags[i] == b->flags[i + 1] &&
		    ((b->flags[i] & BOARD_SACKED) || b->sent_us[i] == b->sent_us[i + 1]))
			join(b, i);
		else
			i++;
	}
}

/* Joins the two neighbours that differ least; false: no two are left that are not SACKED. */
static bool join_closest(struct board *b)
{
	uint64_t best_cost = UINT64_MAX;
	unsigned int best = 0;

	for (unsigned int i = 0; i + 1 < b->n; i++) {
		uint32_t gap_us = (uint32_t)abs(seq_diff(b->sent_us[i + 1], b->sent_us[i]));
		uint64_t cost = gap_us;

		if ((b->flags[i] | b->flags[i + 1]) & BOARD_SACKED)
			continue;
		if (b->flags[i] != b->flags[i + 1])
			cost += UINT32_MAX;
		if (cost < best_cost) {
			best_cost = cost;
			best = i;
		}
	}
	if (best_cost == UINT64_MAX)
		return false;
	join(b, best);
	return true;
}

/* The smallest SACKED range is as if it had not been reported. */
static void forget_smallest(struct board *b)
{
	unsigned int best = BOARD_RANGES;

	for (unsigned int i = 0; i < b->n; i++) {
		if ((b->flags[i] & BOARD_SACKED) &&
		    (best == BOARD_RANGES || octets_of(b, i) < octets_of(b, best)))
			best = i;
	}
	MR_ASSERT(best < BOARD_RANGES);
	set_flags(b, best, BOARD_RESENT);	/* never a measurement */
}

/* Room for `count` more ranges, in any case. Ends: each turn joins two, or makes two joinable. */
static void make_room(struct board *b, unsigned int count)
{
	while (b->n + count > BOARD_RANGES) {
		if (!join_closest(b))
			forget_smallest(b);
	}
}

/* The range that holds the octet at seq. */
static unsigned int range_at(const struct board *b, uint32_t seq)
{
	unsigned int i = 0;

	while (i < b->n && seq_ge(seq, b->end[i]))
		i++;
	MR_CHECK(i < b->n && seq_ge(seq, b->start));
	return i;
}

void board_init(struct board *b, uint32_t una)
{
	b->start = una;
	b->sacked = b->lost = 0;
	b->n = 0;
}

void board_sent(struct board *b, uint32_t end, uint32_t now_us, uint32_t slop_us)
{
	unsigned int last = b->n - 1u;
	uint32_t since_us = b->n != 0 ? b->sent_us[last] : now_us;

	if (b->n < BOARD_RANGES / 2)	/* half empty: exact times */
		slop_us = 0;
	else				/* what joined it at last must not lead on and on */
		since_us = b->sent_us[last - 1];
	if (b->n != 0 && b->flags[last] == 0 && now_us - since_us <= slop_us) {
		MR_CHECK(seq_lt(b->end[last], end));
		b->end[last] = end;
		b->sent_us[last] = now_us;
		return;
	}
	make_room(b, 1);
	MR_CHECK(seq_lt(b->n == 0 ? b->start : b->end[b->n - 1], end));
	b->end[b->n] = end;
	b->sent_us[b->n] = now_us;
	b->flags[b->n] = 0;
	b->n++;
}

static void tell(const struct board *b, unsigned int i, struct seq_range r, board_seen seen,
		 void *arg)
{
	const struct board_piece piece = {r, b->sent_us[i], (b->flags[i] & BOARD_RESENT) != 0};

	if ((b->flags[i] & BOARD_SACKED) == 0)
		seen(arg, &piece);
}

void board_acked(struct board *b, uint32_t ack, board_seen seen, void *arg)
{
	unsigned int gone = 0;

	MR_CHECK(b->n != 0 && seq_gt(ack, b->start) && seq_le(ack, b->end[b->n - 1]));
	for (; gone < b->n && seq_le(b->end[gone], ack); gone++) {
		tell(b, gone, (struct seq_range){board_left(b, gone), b->end[gone]}, seen, arg);
		set_flags(b, gone, 0);
	}
	if (gone < b->n && seq_lt(board_left(b, gone), ack)) {
		uint32_t octets = ack - board_left(b, gone);

		tell(b, gone, (struct seq_range){board_left(b, gone), ack}, seen, arg);
		b->sacked -= (b->flags[gone] & BOARD_SACKED) ? octets : 0;
		b->lost -= (b->flags[gone] & BOARD_LOST) ? octets : 0;
	}
	remove_ranges(b, 0, gone);
	b->start = ack;
}

bool board_sack(struct board *b, struct seq_range r, board_seen seen, void *arg)
{
	unsigned int i;

	MR_CHECK(b->n != 0 && seq_le(b->start, r.left) && seq_lt(r.left, r.right));
	MR_CHECK(seq_le(r.right, b->end[b->n - 1]));
	while (b->n + 2u > BOARD_RANGES) {	/* two ends may split two ranges */
		if (!join_closest(b))
			return false;
	}
	i = range_at(b, r.left);
	if (board_left(b, i) != r.left && (b->flags[i] & BOARD_SACKED) == 0)
		split(b, i++, r.left);
	for (; i < b->n && seq_lt(board_left(b, i), r.right); i++) {
		if (b->flags[i] & BOARD_SACKED)
			continue;
		if (seq_gt(b->end[i], r.right))
			split(b, i, r.right);
		tell(b, i, (struct seq_range){board_left(b, i), b->end[i]}, seen, arg);
		set_flags(b, i, BOARD_SACKED);
	}
	coalesce(b);
	return true;
}

void board_lose(struct board *b, unsigned int i)
{
	MR_CHECK(i < b->n && (b->flags[i] & (BOARD_SACKED | BOARD_LOST)) == 0);
	set_flags(b, i, b->flags[i] | BOARD_LOST);
}

bool board_next_lost(const struct board *b, struct seq_range *r)
{
	for (unsigned int i = 0; i < b->n && b->lost != 0; i++) {
		if (b->flags[i] & BOARD_LOST) {
			*r = (struct seq_range){board_left(b, i), b->end[i]};
			return true;
		}
	}
	return false;
}

void board_resent(struct board *b, struct seq_range r, uint32_t now_us)
{
	unsigned int i;

	make_room(b, 2);
	i = range_at(b, r.left);
	if (board_left(b, i) != r.left)
		split(b, i++, r.left);
	for (; i < b->n && seq_lt(board_left(b, i), r.right); i++) {
		if (seq_gt(b->end[i], r.right))
			split(b, i, r.right);
		MR_CHECK((b->flags[i] & BOARD_SACKED) == 0);
		set_flags(b, i, BOARD_RESENT);
		b->sent_us[i] = now_us;
	}
	coalesce(b);
}

bool board_timeout(struct board *b)
{
	bool reneged = b->n != 0 && (b->flags[0] & BOARD_SACKED);

	for (unsigned int i = 0; i < b->n; i++) {
		unsigned int flags = b->flags[i];

		if (reneged && (flags & BOARD_SACKED))
			flags = BOARD_RESENT;
		if ((flags & BOARD_SACKED) == 0)
			set_flags(b, i, flags | BOARD_LOST);
	}
	return reneged;
}

void board_undo(struct board *b)
{
	for (unsigned int i = 0; i < b->n; i++)
		set_flags(b, i, b->flags[i] & ~(unsigned int)BOARD_LOST);
	coalesce(b);
}

uint32_t board_segments(const struct board *b, unsigned int mask, unsigned int want,
			uint32_t smss)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < b->n; i++)
		if ((b->flags[i] & mask) == want)
			sum += (octets_of(b, i) + smss - 1) / smss;
	return sum;
}

bool board_dupthresh(const struct board *b, uint16_t smss)
{
	unsigned int blocks = 0;

	if (b->sacked > (DUPTHRESH - 1) * smss)
		return true;
	for (unsigned int i = 0; i < b->n && b->sacked != 0; i++)
		blocks += (b->flags[i] & BOARD_SACKED) != 0;
	return blocks >= DUPTHRESH;
}

void board_check(const struct board *b, uint32_t una, uint32_t nxt)
{
	uint32_t sacked = 0, lost = 0;

	MR_ASSERT(b->start == una && b->n <= BOARD_RANGES);
	MR_ASSERT((b->n == 0 ? una : b->end[b->n - 1]) == nxt);
	for (unsigned int i = 0; i < b->n; i++) {
		unsigned int flags = b->flags[i];

		MR_ASSERT(seq_lt(board_left(b, i), b->end[i]));
		MR_ASSERT((flags & (BOARD_SACKED | BOARD_LOST)) != (BOARD_SACKED | BOARD_LOST));
		MR_ASSERT(i == 0 || (flags & b->flags[i - 1] & BOARD_SACKED) == 0);
		sacked += (flags & BOARD_SACKED) ? octets_of(b, i) : 0;
		lost += (flags & BOARD_LOST) ? octets_of(b, i) : 0;
	}
	MR_ASSERT(sacked == b->sacked && lost == b->lost);
}
