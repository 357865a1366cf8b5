/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run comes to: what counts as an error, as a connection, as a failed run. */
#include "figures.h"

bool mb_rst_is_the_plan(const struct mb_options *o)
{
	return o->mode == MB_HANDSHAKE;
}

uint64_t mb_errors(const struct mb_figures *g)
{
	return mb_account_errors(&g->total, mb_rst_is_the_plan(g->options));
}

uint64_t mb_connections(const struct mb_figures *g)
{
	if (g->options->mode == MB_HOLD)
		return g->span.established;
	return mb_account_finished(&g->span, mb_rst_is_the_plan(g->options));
}

const char *mb_fault(const struct mb_figures *g)
{
	if (g->broken)
		return "a worker did not answer, or the accounts do not add up";
	if (g->left && g->total.open + g->total.connecting == 0)
		return "the terminator has connections left that the client has ended";
	if (g->left)
		return "connections are left";
	if (g->total.established == 0)
		return "no connection was established";
	if (g->held.tried && !g->held.emptied)
		return "the tables are not empty after the end";
	if (g->leaked > 0)
		return "packet buffers did not come home";
	return NULL;
}

int mb_exit_status(const struct mb_figures *g)
{
	return mb_fault(g) != NULL || mb_errors(g) != 0;
}

void mb_line_between(struct mb_line *line, const struct mb_totals *last,
		     const struct mb_totals *now, double seconds, bool rst_is_the_plan)
{
	const struct mb_account *a = &now->account, *b = &last->account;

	line->opened_per_s = (double)(a->established - b->established) / seconds;
	line->closed_per_s = (double)(mb_account_finished(a, rst_is_the_plan) -
				      mb_account_finished(b, rst_is_the_plan)) /
			     seconds;
	line->open = a->open + a->connecting;
	line->retransmissions = now->retransmissions - last->retransmissions;
	line->errors =
		mb_account_errors(a, rst_is_the_plan) - mb_account_errors(b, rst_is_the_plan);
}
