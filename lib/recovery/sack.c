/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See sack.h. Insertions into at most four places.
 */
#include "sack.h"

#include "check.h"

void sack_report_init(struct sack_report *r, unsigned int max, const struct seq_range *duplicate)
{
	MR_CHECK(max >= 1 && max <= SACK_REPORT_MAX);
	r->max = max;
	r->fixed = !seq_range_empty(duplicate);
	r->n = r->fixed;
	r->block[0] = *duplicate;
}

void sack_report_add(struct sack_report *r, struct seq_range run, uint32_t stamp)
{
	unsigned int at = r->n;

	MR_CHECK(seq_lt(run.left, run.right));
	while (at > r->fixed && seq_gt(stamp, r->stamp[at - 1]))
		at--;
	if (at == r->max)
		return;
	r->n = MR_MIN(r->n + 1, r->max);
	for (unsigned int i = r->n - 1; i > at; i--) {
		r->block[i] = r->block[i - 1];
		r->stamp[i] = r->stamp[i - 1];
	}
	r->block[at] = run;
	r->stamp[at] = stamp;
}

static bool within(struct seq_range r, uint32_t lo, uint32_t hi)
{
	return seq_lt(r.left, r.right) && seq_ge(r.left, lo) && seq_le(r.right, hi);
}

/* RFC 2883 4: the first block is one if it lies below SEG.ACK, or within the second. */
static bool is_duplicate(const struct seq_range *block, unsigned int n,
			 const struct sack_span *span)
{
	if (within(block[0], span->una - span->back, span->una))
		return true;
	return n > 1 && within(block[1], span->una, span->nxt) &&
	       within(block[0], block[1].left, block[1].right);
}

void sack_judge(struct sack_news *news, const struct seq_range *block, unsigned int n,
		const struct sack_span *span)
{
	*news = (struct sack_news){0};
	MR_CHECK(n >= 1 && n <= SACK_REPORT_MAX);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = news->n;

		if (i == 0 && is_duplicate(block, n, span)) {
			news->duplicate = block[0];
			continue;
		}
		if (!within(block[i], span->una, span->nxt)) {
			news->ignored++;
			continue;
		}
		for (; at > 0 && seq_lt(block[i].left, news->block[at - 1].left); at--)
			news->block[at] = news->block[at - 1];
		news->block[at] = block[i];
		news->n++;
	}
}
