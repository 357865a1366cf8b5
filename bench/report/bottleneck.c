/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What kept a run from being faster. A fully used resource explains what waits behind it, so the
 * rare causes that leave a counter are asked first, then the processors, then nothing but latency.
 */
#include "figures.h"

/* A spinning core is never busier: the rest is turns between two arrivals. */
#define BUSY_SHARE 0.93
/* A poller without its CPU for a tenth of the time measures the scheduler. */
#define WAITED_SHARE 0.10
/* Backlogged frames beyond this share of all sent: the queue is the bound, not a burst. */
#define BACKLOG_SHARE 0.05
/* An offered rate counts as reached but for this share; a Poisson process misses its mean by more,
 * and by chance: three standard deviations are granted. */
#define MISSED_SHARE 0.01
/* One lost segment in so many connections says nothing about what bounds them. */
#define LOSS_SHARE 0.001

static double busiest(const struct mb_side *s)
{
	double most = 0;

	for (unsigned int i = 0; i < s->cores; i++)
		most = MR_MAX(most, s->busy[i]);
	return most;
}

/** Did a worker lose its CPU to other programs for a share of time that matters? */
static bool taken_away(const struct mb_side *s)
{
	for (unsigned int i = 0; i < s->cores; i++) {
		if (s->waited[i] >= WAITED_SHARE)
			return true;
	}
	return false;
}

uint64_t mb_retransmissions(const struct mr_counters *c)
{
	return c->v[MR_C_TCP_REXMT_SYN] + c->v[MR_C_TCP_REXMT_FIN] + c->v[MR_C_TCP_REXMT_DATA];
}

static bool tx_bound(const struct mb_side *s)
{
	return s->present &&
	       (s->tx_refused > 0 ||
		(double)s->tx_backlogged > BACKLOG_SHARE * (double)s->counters.v[MR_C_TX_FRAMES]);
}

static bool mbuf_bound(const struct mb_side *s)
{
	return s->present && (s->rx_nombuf > 0 || s->counters.v[MR_C_TX_NO_MBUF] > 0 ||
			      s->counters.v[MR_C_SYN_MBUFS_LOW] > 0);
}

static bool rate_reached(const struct mb_figures *g)
{
	double due = (double)g->options->rate * g->seconds;
	double missing = due - (double)g->span.established;

	if (g->options->rate == 0)
		return false;
	/* One arrival more or less may lie at the edges of the span. */
	if (missing <= MISSED_SHARE * due + 1)
		return true;
	return g->options->arrivals == MB_POISSON && missing * missing <= 9 * due;
}

/** Does a peer that we cannot look into lose or refuse what we send? */
static bool peer_loses(const struct mb_figures *g)
{
	uint64_t lost = mb_retransmissions(&g->client.counters) + mb_account_failed(&g->span);

	return !g->server.present && (double)lost > LOSS_SHARE * (double)g->span.established;
}

enum mb_bottleneck mb_bottleneck_of(const struct mb_figures *g)
{
	const struct mb_options *o = g->options;
	double own = busiest(&g->client), peer = g->server.present ? busiest(&g->server) : 0;

	if (g->seconds <= 0)
		return MB_BY_UNKNOWN;
	if (g->total.not_sent[MR_NO_TUPLE] > 0)
		return MB_BY_TUPLES;
	if (mbuf_bound(&g->client) || mbuf_bound(&g->server) || g->total.not_sent[MR_NO_MEMORY] > 0)
		return MB_BY_MBUFS;
	if (rate_reached(g))
		return MB_BY_NOTHING;
	if (taken_away(&g->client) || taken_away(&g->server))
		return MB_BY_OTHERS;
	if (own >= BUSY_SHARE && own >= peer)
		return MB_BY_OWN_CPU;
	if (peer >= BUSY_SHARE)
		return MB_BY_PEER;
	if (tx_bound(&g->client))
		return MB_BY_TX_QUEUE;
	/* An idle client with a peer that loses or refuses segments waits for that peer. */
	if (peer_loses(g))
		return MB_BY_PEER;
	/* A rate is bounded by --concurrency only if that ever kept an arrival from being sent. */
	return o->rate == 0 || g->span.not_sent[MB_NOT_SENT_SLOTS] > 0 ? MB_BY_CONCURRENCY
								       : MB_BY_PEER;
}

const char *mb_bottleneck_text(enum mb_bottleneck b)
{
	switch (b) {
	case MB_BY_NOTHING:
		return "none: the offered rate was reached";
	case MB_BY_TUPLES:
		return "source tuples: widen --sources or --ports, or shorten --msl-ms";
	case MB_BY_MBUFS:
		return "packet buffers: raise --mbufs";
	case MB_BY_TX_QUEUE:
		return "the transmit queue of the client's port";
	case MB_BY_OTHERS:
		return "other programs on these processors: end them, or choose by --lcores";
	case MB_BY_OWN_CPU:
		return "the client's own processor: add --workers";
	case MB_BY_PEER:
		return "the peer";
	case MB_BY_CONCURRENCY:
		return "round trips: no processor was busy, all connections waited; raise "
		       "--concurrency";
	case MB_BY_UNKNOWN:
		return "unknown: nothing was measured";
	}
	return "unknown";
}
