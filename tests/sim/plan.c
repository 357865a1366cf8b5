/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What each flow is to do, its opening, and whether it ended as its plan, its peer and the network
 * let it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps.h"
#include "check.h"

#define COMPLAINTS_MAX	10u
#define OPENS_A_TURN	32u

/* ---- the flows ---- */

void sim_apps_fini(struct sim_apps *a)
{
	for (unsigned int i = 0; i < 4; i++)
		free(a->by_ports[i >> 1][i & 1]);
	free(a->flow);
	free(a->later);
}

/* The opener's port is the one that is no listener's; of two openers, host 0's. */
struct sim_flow *sim_apps_flow(const struct sim_apps *a, const struct sim_seg *g,
			       unsigned int *side)
{
	const bool to = g->dport == SIM_PORT || g->dport == SIM_SHUT_PORT;
	const bool from = g->sport == SIM_PORT || g->sport == SIM_SHUT_PORT;
	unsigned int opener;
	uint32_t known;

	if (g->src_host > 1 || g->dst_host > 1 || g->src_host == g->dst_host)
		return NULL;
	if (to == from && g->sport != g->dport)
		return NULL;
	*side = from || (to == from && g->src_host == 1);
	opener = g->src_host ^ *side;
	known = a->by_ports[opener][g->family == 6]
			   [*side ? sim_ports(g->dport, g->sport) : sim_ports(g->sport, g->dport)];
	return known == 0 ? NULL : &a->flow[known - 1];
}

void sim_apps_lost(const struct sim_apps *a, const uint8_t *octets, uint16_t len)
{
	struct sim_flow *f;
	unsigned int side;
	struct sim_seg g;

	if (!sim_seg_parse(octets, len, &g))
		return;
	f = sim_apps_flow(a, &g, &side);
	if (f != NULL)
		f->lost++;
}

/* ---- the plan ---- */

static bool percent(struct sim_apps *a, unsigned int n) { return mr_rng_below(&a->rng, 100) < n; }

static uint32_t between(struct sim_apps *a, uint32_t low, uint32_t high)
{
	return low + (uint32_t)mr_rng_below(&a->rng, high - low + 1);
}

/* Many small, a few large: sizes spread over orders of magnitude. */
static uint32_t draw_octets(struct sim_apps *a)
{
	const uint64_t cap = 1ull << mr_rng_below(&a->rng, 32);

	return (uint32_t)mr_rng_below(&a->rng, MR_MIN(cap, (uint64_t)a->wish.octets_max) + 1);
}

static void draw_reading(struct sim_apps *a, struct sim_plan *p)
{
	if (percent(a, a->wish.slow)) {
		p->reading = SIM_READ_SLOW;
		p->read_ms = 64 * between(a, 1, 4);
		p->read_octets = between(a, 500, 60000);
	} else if (percent(a, a->wish.stall)) {
		p->reading = SIM_READ_STALL;
		p->read_ms = 64 * between(a, 1, 300);
	} else if (percent(a, 20)) {
		p->reading = SIM_READ_POST;
	}
}

static void draw_side(struct sim_apps *a, struct sim_plan *p)
{
	p->total = draw_octets(a);
	p->chunk = percent(a, 50) ? 3000 : between(a, 1 + p->total / 64, 8000);
	p->chain = percent(a, 30);
	p->notify = percent(a, 30);
	p->ending = (uint8_t)between(a, SIM_END_FIRST, SIM_END_HALF);
	draw_reading(a, p);
	if (percent(a, a->wish.rude))
		p->ending = SIM_END_RUDE;
	if (percent(a, a->wish.abort)) {
		p->abort = (uint8_t)between(a, SIM_ABORT_OPENED, SIM_ABORTS - 1);
		p->abort_ms = percent(a, 50) ? between(a, 64, 300) : between(a, 64, 5000);
	}
	if (p->abort == SIM_ABORT_ELSEWHERE && a->wish.no_crossing)
		p->abort = SIM_ABORT_DATA;
	p->early = a->wish.fastopen != 0 && percent(a, a->wish.fastopen);
	if (p->abort == SIM_ABORT_TIMEOUT)	/* there is one timer */
		p->reading = SIM_READ_NOW;
}

/* Requests and responses in turns, or an echo. */
static void draw_dialogue(struct sim_apps *a, struct sim_flow *f)
{
	struct sim_plan *p = &f->side[0].plan, *q = &f->side[1].plan;
	const uint32_t rounds = between(a, 1, 12);

	if (percent(a, a->wish.echo)) {
		q->echo = true;
		q->total = p->total;
		q->reading = SIM_READ_NOW;
		q->notify = false;
		q->ending = q->ending == SIM_END_RUDE ? SIM_END_SECOND : q->ending;
	} else if (percent(a, a->wish.turns)) {
		p->turn = 1 + p->total / rounds;
		q->turn = 1 + q->total / rounds;
		p->total = p->turn * rounds;
		q->total = q->turn * rounds;
	}
}

void sim_plan_draw(struct sim_apps *a, struct sim_flow *f)
{
	const unsigned int both = a->wish.families;

	f->id = (uint32_t)(f - a->flow);
	f->family = both == 3 ? (percent(a, 50) ? 4 : 6) : both == 2 ? 6 : 4;
	f->side[0].host = (uint8_t)(a->wish.both_ways && percent(a, 50));
	if (percent(a, a->wish.both_open)) {
		f->kind = SIM_BOTH_OPEN;
		f->side[0].host = 0;
	} else if (percent(a, a->wish.refused)) {
		f->kind = SIM_NO_LISTENER;
	} else if (percent(a, a->wish.nobody)) {
		f->kind = SIM_NO_HOST;
	}
	f->side[1].host = f->side[0].host ^ 1;
	for (unsigned int i = 0; i < 2; i++) {
		f->side[i].flow = f;
		draw_side(a, &f->side[i].plan);
	}
	draw_dialogue(a, f);
	/* Somebody has to begin to end. */
	if (f->side[0].plan.ending == SIM_END_SECOND && f->side[1].plan.ending == SIM_END_SECOND)
		f->side[percent(a, 50)].plan.ending = SIM_END_FIRST;
	/* An echo is at its end only when the last octet came back. */
	if (f->side[1].plan.echo && f->side[0].plan.ending == SIM_END_RUDE)
		f->side[0].plan.ending = SIM_END_HALF;
}

/* ---- the turn of a host ---- */

void sim_side_begin(struct sim_apps *a, struct sim_side *s, mr_conn c)
{
	s->conn = c;
	s->exists = true;
	a->sides_open++;
	if (s->plan.abort == SIM_ABORT_ELSEWHERE)
		a->victim[s->host] = s;
	if (s->plan.abort >= SIM_ABORT_POST)
		a->later[a->nlater++] = (struct sim_later){
			a->sim->now_us + s->plan.abort_ms * 1000ull, s};
}

static bool open_side(struct sim_apps *a, struct sim_flow *f, struct sim_side *s)
{
	static const uint16_t ports[] = {[SIM_USUAL] = SIM_PORT, [SIM_NO_HOST] = SIM_PORT,
					 [SIM_NO_LISTENER] = SIM_SHUT_PORT};
	struct mr_connect_opts opts = {.callbacks = &sim_callbacks,
				       .user = f->id * 2 + (s == &f->side[1])};
	struct mr_worker *w = a->sim->host[s->host].w;
	struct mr_tcp_info info;
	uint32_t early;
	mr_conn c;

	opts.remote.family = f->family;
	opts.remote.port = ports[f->kind];
	if (f->kind == SIM_BOTH_OPEN)
		opts.remote.port = opts.local.port = (uint16_t)(SIM_BOTH_PORT + f->id % 10000);
	sim_addr(f->kind == SIM_NO_HOST ? SIM_NOBODY : s->host ^ 1u, f->family, opts.remote.addr);
	opts.data = sim_early_data(w, s);
	early = opts.data != NULL ? opts.data->pkt_len : 0;
	if (mr_connect(w, &opts, &c) != MR_OK) {
		rte_pktmbuf_free(opts.data);
		return false;
	}
	sim_side_begin(a, s, c);
	s->sent = early;
	if ((s == &f->side[1]) == 0 || f->kind != SIM_BOTH_OPEN) {
		MR_ASSERT(mr_tcp_info(w, c, &info) == MR_OK);
		f->port = info.local.port;
		memset(&f->watch, 0, sizeof(f->watch));
		if (f->kind != SIM_NO_HOST)
			a->by_ports[s->host][f->family == 6]
				   [sim_ports(f->port, opts.remote.port)] = f->id + 1;
	}
	return true;
}

static void run_later(struct sim_apps *a, unsigned int host)
{
	for (uint32_t i = 0; i < a->nlater; i++) {
		struct sim_side *s = a->later[i].side;

		if (s->host != host || (a->later[i].at_us > a->sim->now_us && !s->ended))
			continue;
		a->later[i--] = a->later[--a->nlater];
		if (s->ended)
			continue;
		if (s->plan.abort == SIM_ABORT_TURN)
			sim_abort_now(a->sim->host[host].w, s);
		else
			a->unexpected += !mr_post(host, sim_posted_abort, s);
	}
}

void sim_apps_turn(struct sim_apps *a, unsigned int host)
{
	run_later(a, host);
	for (unsigned int n = 0; n < OPENS_A_TURN && a->started < a->wish.total; n++) {
		struct sim_flow *f = &a->flow[a->started];

		/* The second half of a simultaneous open does not wait. */
		if (!f->side[0].exists && (a->sides_open >= 2 * a->wish.concurrency ||
					   a->retry_us > a->sim->now_us))
			return;
		if (f->side[0].flow == NULL)
			sim_plan_draw(a, f);
		if (f->side[0].host != host && (f->kind != SIM_BOTH_OPEN || !f->side[0].exists))
			return;
		if (!open_side(a, f, &f->side[f->side[0].exists])) {
			a->retry_us = a->sim->now_us + 20000;
			a->started += f->side[0].exists;
			return;
		}
		if (a->wish.pace_us != 0)
			a->retry_us = a->sim->now_us + between(a, 0, 2 * a->wish.pace_us);
		/* The other half of a simultaneous open is the other host's, in the same step. */
		if (f->kind == SIM_BOTH_OPEN && !f->side[1].exists)
			return;
		a->started++;
	}
}

uint64_t sim_apps_wanted_us(const struct sim_apps *a)
{
	uint64_t at_us = UINT64_MAX;

	for (uint32_t i = 0; i < a->nlater; i++)
		at_us = MR_MIN(at_us, a->later[i].at_us);
	if (a->started < a->wish.total && (a->flow[a->started].side[0].exists ||
					   a->sides_open < 2 * a->wish.concurrency))
		at_us = MR_MIN(at_us, a->retry_us);	/* which may be past: at once */
	return at_us;
}

bool sim_apps_done(const struct sim_apps *a)
{
	return a->started == a->wish.total && a->sides_open == 0;
}

/* ---- the verdict ---- */

static bool polite(const struct sim_plan *p)
{
	return p->abort == SIM_ABORT_NEVER && p->ending != SIM_END_RUDE;
}

/* All of the peer's octets have come, and all of ours were written. */
static bool complete(const struct sim_side *s, const struct sim_side *peer)
{
	return s->received == peer->sent;
}

/* RST of the peer's: it aborted, gave up, or is not there any more. */
static bool peer_resets(const struct sim_apps *a, const struct sim_side *s,
			const struct sim_side *peer)
{
	if (peer->aborted || peer->plan.ending == SIM_END_RUDE || a->wish.harsh || a->wish.scarce)
		return true;
	if (!peer->exists)	/* its SYN_RCVD was given up */
		return s->flow->kind == SIM_USUAL;
	return peer->ended && (peer->reason != MR_CLOSED || complete(s, peer));
}

/* Its neighbour was not found: every question, or the answer, got lost. */
static bool found_nobody(const struct sim_side *s)
{
	return s->reason == MR_UNREACHABLE && s->unresolved;
}

/*
 * Each of the tries to open it, or the answer, got lost. The fewest are those of a SYN_RCVD that
 * answered its peer's SYN twice: tcp_resend_syn() counts the second answer.
 */
static bool heard_nobody(const struct sim_side *s)
{
	struct tcp_params p;

	tcp_params_default(&p);
	return s->exists && !s->opened && s->reason == MR_TIMED_OUT &&
	       s->flow->lost + 1u >= p.synack_retries;
}

/* Is this the end that the plans admit? */
static bool reason_right(const struct sim_apps *a, const struct sim_side *s,
			 const struct sim_side *peer)
{
	const bool wild = a->wish.harsh || a->wish.scarce || s->flow->attacked;

	switch (s->reason) {
	case MR_CLOSED:
		return (s->closed || s->shut) &&
		       (complete(s, peer) || s->plan.ending == SIM_END_RUDE || s->flow->attacked);
	case MR_ABORTED:
		return s->aborted;
	case MR_RESET_BY_PEER:
		return peer_resets(a, s, peer) || s->flow->attacked;
	case MR_REFUSED:
		return s->flow->kind == SIM_NO_LISTENER || wild ||
		       (s->flow->kind == SIM_BOTH_OPEN && peer->ended) ||
		       (a->wish.fastopen != 0 && peer->ended && peer_resets(a, s, peer));
	case MR_UNREACHABLE:
		return s->flow->kind == SIM_NO_HOST || wild || found_nobody(s);
	case MR_DATA_AFTER_CLOSE:
		return s->plan.ending == SIM_END_RUDE;
	case MR_TIMED_OUT: /* of many that wait for a neighbour, one a second is told */
	case MR_KEEPALIVE_TIMEOUT:
	case MR_FIN_WAIT_2_TIMEOUT:
		return (s->reason == MR_TIMED_OUT && s->flow->kind == SIM_NO_HOST) || wild ||
		       heard_nobody(s) || peer->aborted || peer->reason == MR_DATA_AFTER_CLOSE;
	default:
		return false;
	}
}

/* With nobody rude and nothing lost for good there is one end only. */
static bool must_be_complete(const struct sim_apps *a, const struct sim_flow *f)
{
	return !a->wish.harsh && !a->wish.scarce && !f->attacked && f->kind != SIM_NO_LISTENER &&
	       f->kind != SIM_NO_HOST && polite(&f->side[0].plan) && polite(&f->side[1].plan) &&
	       !found_nobody(&f->side[0]) && !found_nobody(&f->side[1]) &&
	       !heard_nobody(&f->side[0]) && !heard_nobody(&f->side[1]);
}

/*
 * Our FIN, sent again and again, arrived only when the peer's TIME_WAIT was over: there is nothing
 * any more that could acknowledge it. Rare, as two lost FINs in a row after a long backoff are.
 */
static bool too_late(const struct sim_side *s, const struct sim_side *peer)
{
	return s->reason == MR_RESET_BY_PEER && s->closed && peer->reason == MR_CLOSED &&
	       s->ended_us >= peer->ended_us + 2 * SIM_MSL_MS * UINT64_C(1000);
}

static bool side_right(const struct sim_apps *a, const struct sim_flow *f, unsigned int i)
{
	const struct sim_side *s = &f->side[i], *peer = &f->side[i ^ 1];

	if (!s->exists)
		return !must_be_complete(a, f);
	if (!s->ended || !reason_right(a, s, peer))
		return false;
	if (s->received > peer->sent || s->sent > s->plan.total)
		return false;
	if (!must_be_complete(a, f))
		return true;
	return (s->reason == MR_CLOSED || too_late(s, peer)) &&
	       s->received == peer->plan.total && s->sent == s->plan.total;
}

static unsigned int complain(const struct sim_flow *f, unsigned int i)
{
	const struct sim_side *s = &f->side[i];

	printf("flow %u side %u (IPv%u, kind %u, port %u): reading %u ending %u abort %u echo %u "
	       "turn %u: exists %u opened %u ended %u by '%s', sent %u of %u, received %u of %u, "
	       "unread %u, shut %u closed %u aborted %u\n",
	       f->id, i, f->family, f->kind, f->port, s->plan.reading, s->plan.ending,
	       s->plan.abort, s->plan.echo, s->plan.turn, s->exists, s->opened, s->ended,
	       mr_reason_text((enum mr_reason)s->reason), s->sent, s->plan.total, s->received,
	       f->side[i ^ 1].plan.total, s->unread, s->shut, s->closed, s->aborted);
	return 1;
}

unsigned int sim_apps_verify(const struct sim_apps *a)
{
	unsigned int bad = 0;

	for (uint32_t k = 0; k < a->started && bad < COMPLAINTS_MAX; k++)
		for (unsigned int i = 0; i < 2; i++)
			if (!side_right(a, &a->flow[k], i))
				bad += complain(&a->flow[k], i);
	if (a->started != a->wish.total)
		bad += printf("%u of %u flows were opened\n", a->started, a->wish.total) > 0;
	if (a->wrong_octets + a->twice + a->unexpected != 0)
		bad += printf("%u wrong octets, %u reported twice, %u unexpected events\n",
			      a->wrong_octets, a->twice, a->unexpected) > 0;
	return bad;
}
