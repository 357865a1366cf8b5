/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --stats: one line a second of what happened in it. Owns the figures of the second before.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "monotonic.h"

#include "daemon.h"

struct second {
	struct mr_counters counters;
	struct engine_load load;
	double at_s;
};

static uint64_t sum_of(const struct mr_counters *c, enum mr_severity severity)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		if (mr_counter_info[i].severity == severity)
			sum += c->v[i];
	}
	return sum;
}

static struct engine_load load_of(const struct engine *e)
{
	struct engine_load sum = {0}, one;

	for (unsigned int i = 0; i < engine_workers(e); i++) {
		engine_load(e, i, &one);
		sum.busy_tsc += one.busy_tsc;
		sum.total_tsc += one.total_tsc;
	}
	return sum;
}

void stats_line(struct engine *e, FILE *out)
{
	static struct second last;
	struct stack_stats *s = aligned_alloc(alignof(struct stack_stats), sizeof(*s));
	struct second now = {.at_s = (double)mr_monotonic_ms() * 1e-3, .load = load_of(e)};
	double span_s = last.at_s > 0 ? now.at_s - last.at_s : 1;
	double total = (double)(now.load.total_tsc - last.load.total_tsc);

#define PER_S(id) ((double)(now.counters.v[MR_C_##id] - last.counters.v[MR_C_##id]) / span_s)
	if (s != NULL && engine_stats(e, s)) {
		now.counters = s->counters;
		fprintf(out,
			"opened/s %.0f closed/s %.0f reset/s %.0f open %u time_wait %u rx/s %.0f "
			"tx/s %.0f "
			"retransmitted/s %.0f dropped/s %.0f errors %" PRIu64 " busy %.0f%%\n",
			PER_S(CONN_ESTABLISHED), PER_S(CONN_CLOSED),
			PER_S(CONN_RESET_RX) + PER_S(CONN_RESET_TX),
			s->conns_open[0] + s->conns_open[1], s->time_wait[0] + s->time_wait[1],
			PER_S(RX_FRAMES), PER_S(TX_FRAMES),
			PER_S(TCP_REXMT_SYN) + PER_S(TCP_REXMT_FIN) + PER_S(TCP_REXMT_DATA),
			(double)(sum_of(&now.counters, MR_SEV_DROP) -
				 sum_of(&last.counters, MR_SEV_DROP)) /
				span_s,
			sum_of(&now.counters, MR_SEV_ERROR),
			total > 0 ? 100 * (double)(now.load.busy_tsc - last.load.busy_tsc) / total
				  : 0.0);
		fflush(out);
		last = now;
	}
#undef PER_S
	free(s);
}
