/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See sack.h. An insertion into at most four places.
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
