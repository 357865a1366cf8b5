/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See scenario.h. Each row changes what it is about; the rest is as base() and the weather have it.
 */
#include <stdio.h>
#include <string.h>

#include "scenario.h"

static uint32_t between(struct mr_rng *r, uint32_t low, uint32_t high)
{
	return low + (uint32_t)mr_rng_below(r, high - low + 1);
}

static bool one_in(struct mr_rng *r, unsigned int n) { return mr_rng_below(r, n) == 0; }

/* ---- networks ---- */

static void clear(struct mr_rng *r, struct sim_setup *s)
{
	s->link = (struct sim_link){.delay_us = between(r, 20, 5000)};
}

/* The weather of most runs: some of everything that does not last. */
static void weather(struct mr_rng *r, struct sim_setup *s)
{
	struct sim_link *l = &s->link;

	l->delay_us = between(r, 20, 20000);
	l->reorder_us = between(r, 100, 30000);
	l->loss = between(r, 0, 2) * between(r, 0, 3000);
	l->duplicate = between(r, 0, 1) * between(r, 0, 3000);
	l->corrupt = between(r, 0, 1) * between(r, 0, 1000);
	l->reorder = between(r, 0, 1) * between(r, 0, 10000);
	l->jitter_us = between(r, 0, 1) * between(r, 0, 5000);
}

static void bursts(struct mr_rng *r, struct sim_setup *s)
{
	clear(r, s);
	s->link.burst_good_us = between(r, 100000, 3000000);
	s->link.burst_bad_us = between(r, 1000, 100000);
	s->link.burst_loss = between(r, 20000, 65536);
	/* Where more than 1 in 16 is lost, all tries of something may be. */
	s->wish.harsh = s->link.burst_bad_us * 16 > s->link.burst_good_us;
}

static void disorder(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->link.loss = 0;
	s->link.reorder = between(r, 1000, 30000);
	s->link.reorder_us = between(r, 50, 100000);
	s->link.duplicate = between(r, 100, 20000);
	s->link.jitter_us = between(r, 1, 20000);
}

static void damage(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->link.loss = 0;
	s->link.corrupt = between(r, 200, 5000);
	s->link.truncate = between(r, 0, 3000);
}

static void queue(struct mr_rng *r, struct sim_setup *s)
{
	clear(r, s);
	s->link.rate_kbps = between(r, 2000, 200000);
	s->link.queue_octets = between(r, 10000, 200000);
	s->wish.stall = 0;
	if (one_in(r, 2))
		s->link.loss = between(r, 0, 600);
}

static void mtu(struct mr_rng *r, struct sim_setup *s)
{
	clear(r, s);
	s->link.mtu_min = 1280;	/* what IPv6 must carry */
	s->link.mtu_max = 1500;
	s->link.mtu_every_us = between(r, 100000, 3000000);
	s->link.loss = between(r, 0, 1) * between(r, 0, 600);
}

/* Times in which what is longer vanishes; between them all passes. */
static void black_hole(struct mr_rng *r, struct sim_setup *s)
{
	mtu(r, s);
	s->link.mtu_silent = true;
	s->link.mtu_every_us = between(r, 100000, 1000000);
	s->wish.harsh = true;
}

static void silence(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->link.silence_every_us = between(r, 500000, 10000000);
	s->link.silence_us = between(r, 50000, 8000000);
	s->wish.harsh = true;
}

/* One after the other: a cookie is for those that come later. */
static void fastopen_on(struct mr_rng *r, struct sim_setup *s, unsigned int percent)
{
	s->wish.fastopen = percent;
	s->wish.pace_us = between(r, 1000, 1000000);
	s->tcp.fastopen = TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER;
	s->tcp.fastopen_pending = UINT16_MAX;	/* whom a limit hits hangs on order */
}

/* SYNs get lost, and on the way there may be who does not know them with data. */
static void fastopen(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	fastopen_on(r, s, 80);
	s->wish.octets_max = one_in(r, 2) ? 3000 : s->wish.octets_max;
	s->link.syn_loss = between(r, 0, 1) * between(r, 0, 8000);
	s->wish.harsh = s->link.syn_loss > 2000;
	s->link.box = (uint8_t)between(r, SIM_BOX_NONE, SIM_BOXES - 1);
	s->link.box_off_us = between(r, 500000, 20000000);
	s->link.box_on_us = between(r, 500000, 20000000);
}

/* ---- applications ---- */

static void readers(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->wish.slow = 35;
	s->wish.stall = 35;
	s->wish.abort = 5;
	s->tcp.rcv_buf = between(r, 4000, 70000);
	s->tcp.rcv_buf_max = s->tcp.rcv_buf;	/* so that the observer knows it exactly */
}

static void aborts(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->wish.abort = 60;
	s->wish.rude = 20;
}

static void opens(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->wish.octets_max = 400;
	s->wish.both_open = 20;
	s->wish.refused = 10;
	s->wish.nobody = 5;
	s->wish.slow = s->wish.stall = 0;
	s->wish.concurrency *= 4;
}

static void hostile(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->link.loss /= 4;
	s->wish.abort = 2;
	s->wish.crowded = true;
	s->hostile = (struct sim_hostile_wish){.blind_us = between(r, 1000, 20000),
					       .tuple_us = between(r, 300, 3000),
					       .window_us = between(r, 300, 3000),
					       .icmp_us = between(r, 300, 5000)};
}

/* ---- what runs out ---- */

static void tables(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->wish.scarce = s->wish.crowded = true;
	s->conns = between(r, 8, 60);
	s->time_wait = between(r, 8, 60);
	s->backlog = between(r, 1, 20);
}

static void mbufs(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->wish.scarce = s->wish.crowded = true;
	s->mbufs = between(r, 300, 1200);
	s->mbufs_reserve = between(r, 16, 100);
}

static void extensions(struct mr_rng *r, struct sim_setup *s)
{
	weather(r, s);
	s->wish.scarce = s->wish.crowded = true;
	s->extensions = between(r, 12, 80);
	s->tcp.data_retries = 8;	/* who cannot get one lets go of what it has */
}

/* ---- the table ---- */

static const struct sim_scenario scenarios[] = {
	{"weather", "loss, disorder, doubles, damage, delay, all mild", 6, weather},
	{"clear", "nothing is lost", 2, clear},
	{"bursts", "loss in bursts (Gilbert-Elliott)", 2, bursts},
	{"disorder", "much reordering, doubling and jitter", 2, disorder},
	{"damage", "flipped bits and cut frames", 2, damage},
	{"queue", "a rate and a queue that overflows", 2, queue},
	{"mtu", "the path's MTU changes, and routers tell", 2, mtu},
	{"black-hole", "the path's MTU changes, and nobody tells", 1, black_hole},
	{"silence", "times in which nothing passes", 2, silence},
	{"fastopen", "data in SYNs, lost SYNs, middleboxes that strip, cut or drop", 3, fastopen},
	{"readers", "slow and stalled readers, small windows", 2, readers},
	{"aborts", "aborts from everywhere, closes with data unread", 2, aborts},
	{"opens", "many short ones, simultaneous opens, refusals, nobody there", 2, opens},
	{"hostile", "forged RST, SYN, data, ICMP: blind, tuple known, in the window", 3, hostile},
	{"tables", "tables of connections and TIME_WAIT overflow", 2, tables},
	{"mbufs", "mbufs run out", 2, mbufs},
	{"extensions", "extension records run out", 2, extensions},
};

const struct sim_scenario *sim_scenario_find(const char *name)
{
	for (unsigned int i = 0; i < MR_ARRAY_LEN(scenarios); i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	return NULL;
}

const struct sim_scenario *sim_scenario_draw(struct mr_rng *r)
{
	unsigned int sum = 0, at;

	for (unsigned int i = 0; i < MR_ARRAY_LEN(scenarios); i++)
		sum += scenarios[i].weight;
	at = (unsigned int)mr_rng_below(r, sum);
	for (unsigned int i = 0;; i++) {
		if (at < scenarios[i].weight)
			return &scenarios[i];
		at -= scenarios[i].weight;
	}
}

void sim_scenario_list(void)
{
	for (unsigned int i = 0; i < MR_ARRAY_LEN(scenarios); i++)
		printf("  %-12s %s\n", scenarios[i].name, scenarios[i].help);
}

/* Options of the protocol that both engines share. */
static void draw_protocol(struct mr_rng *r, struct tcp_params *p)
{
	tcp_params_default(p);
	p->msl_ms = SIM_MSL_MS;
	p->keepalive_idle_ms = 30000;
	p->keepalive_interval_ms = 2000;
	p->keepalive_probes = 8;
	p->timestamps = !one_in(r, 3);
	p->sack = !one_in(r, 4);
	p->window_scaling = !one_in(r, 6);
	p->nodelay = one_in(r, 3);
	p->pacing = one_in(r, 4);
	if (one_in(r, 3))
		p->delack_ms = between(r, 0, 200);
	if (one_in(r, 3))
		p->rcv_buf = between(r, 8000, 1000000);
	if (one_in(r, 3))
		p->snd_buf = between(r, 3000, 1000000);
	while (p->rcv_buf >> p->rcv_scale > 65535 && p->rcv_scale < 14)
		p->rcv_scale++;
}

void sim_setup_draw(const struct sim_scenario *sc, struct mr_rng *r, struct sim_setup *s)
{
	struct sim_wishes *w = &s->wish;

	draw_protocol(r, &s->tcp);
	w->abort = 8;
	w->slow = w->stall = 6;
	w->rude = 4;
	w->turns = 40;
	w->echo = 15;
	w->both_open = 4;
	w->refused = 2;
	w->nobody = one_in(r, 4);
	w->both_ways = true;
	s->conns = 2048;
	s->time_wait = 4096;
	s->extensions = 1024;
	s->mbufs = 8191;
	s->mbufs_reserve = 64;
	s->backlog = 4096;
	s->poll_us = between(r, 1, 3) * 100 - 50;
	sc->draw(r, s);
	if (s->wish.fastopen == 0 && !s->wish.crowded && one_in(r, 4))
		fastopen_on(r, s, 30);
}
