/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See records.h. The one file of the simulator that knows lib/stack from inside.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "check.h"
#include "window.h"
#include "worker.h"

#define PERIOD_US	20000u
#define SHOWN_MAX	10u
#define LATE_MS		2u	/* a timer is looked at once a millisecond */

struct sim_last {
	uint32_t snd_una, snd_nxt, rcv_nxt, rcv_edge;
	bool known;
};

void sim_records_init(struct sim_records *r, struct sim *s, struct sim_apps *a, uint32_t every,
		      bool marking)
{
	memset(r, 0, sizeof(*r));
	r->sim = s;
	r->apps = a;
	r->every = every;
	r->marking = marking;
	r->last = calloc(2ull * a->wish.total, sizeof(*r->last));
	MR_ASSERT(r->last != NULL);
}

void sim_records_fini(struct sim_records *r)
{
	free(r->last);
	free(r->mark);
}

static struct conn_ref record_of(const struct sim_records *r, const struct sim_side *s)
{
	struct conn_ref none = {0};

	if (!s->exists || s->ended)
		return none;
	return conn_by_handle(r->sim->host[s->host].w, s->conn);
}

/* ---- one record ---- */

static void holds(struct sim_records *r, const struct sim_side *s, bool ok, const char *what)
{
	r->checks++;
	if (ok)
		return;
	if (r->violations++ < SHOWN_MAX)
		printf("%.6f flow %u host %u: record: %s\n", (double)r->sim->now_us / 1e6,
		       s->flow->id, s->host, what);
}

/* RFC 9293 3.3.1: none of the four ever goes back. */
static void never_back(struct sim_records *r, const struct sim_side *s, const struct tcp_conn *c)
{
	struct sim_last *l = &r->last[s->flow->id * 2 + (s == &s->flow->side[1])];

	if (l->known) {
		holds(r, s, seq_ge(c->snd_una, l->snd_una), "SND.UNA went back");
		holds(r, s, seq_ge(c->snd_nxt, l->snd_nxt), "SND.NXT went back");
		holds(r, s, seq_ge(c->rcv_nxt, l->rcv_nxt), "RCV.NXT went back");
		holds(r, s, seq_ge(c->rcv_edge, l->rcv_edge), "the window's right edge went back");
	}
	*l = (struct sim_last){c->snd_una, c->snd_nxt, c->rcv_nxt, c->rcv_edge,
			       !tcp_opening(c)};
}

/* What is owed must have a timer, and no timer may be overdue: a lost one is both. */
static void timers_hold(struct sim_records *r, const struct sim_side *s, const struct tcp_conn *c)
{
	struct mr_worker *w = r->sim->host[s->host].w;
	struct stack_stats st;
	uint32_t due;

	if (tcp_next_due(&w->cx, c, &due)) {
		if (seq_lt(due + LATE_MS, w->now_ms)) {
			stack_stats(w, &st);
			holds(r, s, st.wheel_behind_ms != 0, "a timer is overdue");
		}
	} else {
		holds(r, s, c->snd_una == c->snd_nxt, "outstanding, and no timer runs");
	}
	if (conn_user_due(w, c, &due) && seq_lt(due + LATE_MS, w->now_ms)) {
		stack_stats(w, &st);
		holds(r, s, st.wheel_behind_ms != 0, "the handler's timer is overdue");
	}
}

static void check_side(struct sim_records *r, const struct sim_watchers *watchers,
		       const struct sim_side *s)
{
	const struct conn_ref ref = record_of(r, s);
	const struct mr_worker *w = r->sim->host[s->host].w;
	const unsigned int i = s == &s->flow->side[1];
	const struct tcp_ext *x;

	if (!s->exists || s->ended)
		return;
	holds(r, s, ref.c != NULL, "gone, and nobody was told");
	if (ref.c == NULL)
		return;
	tcp_check(&w->cx, ref.c);
	never_back(r, s, ref.c);
	timers_hold(r, s, ref.c);
	x = tcp_ext_of(&w->ext_pool, ref.c);
	/* While there is nothing to recover from, the congestion window bounds the flight, but for
	 * the segment that a tail loss probe may carry (RFC 8985 7.3). */
	if (x != NULL && x->cc.smss != 0 && sim_watch_calm(&s->flow->watch.d[i]) &&
	    !watchers->no_cwnd && !watchers->leaky)
		holds(r, s, ref.c->snd_nxt - ref.c->snd_una <= x->cc.cwnd + x->cc.smss + 1,
		      "beyond cwnd");
	if (x != NULL)
		holds(r, s, x->unread <= tcp_rcv_space(&w->cx, x) * 9ull / 8,
		      "more unread than the window was");
}

static void check_flow(struct sim_records *r, const struct sim_watchers *w, struct sim_flow *f)
{
	f->touched = false;
	check_side(r, w, &f->side[0]);
	check_side(r, w, &f->side[1]);
}

static bool over(const struct sim_flow *f)
{
	return f->side[0].ended && (!f->side[1].exists || f->side[1].ended);
}

void sim_records_after(struct sim_records *r, const struct sim_watchers *w)
{
	const bool all = r->every != 0 && r->sim->steps % r->every == 0;

	while (r->oldest < r->apps->started && over(&r->apps->flow[r->oldest]))
		r->oldest++;
	for (uint32_t k = r->oldest; k < r->apps->started; k++)
		if (all || r->apps->flow[k].touched)
			check_flow(r, w, &r->apps->flow[k]);
	for (unsigned int i = 0; all && i < r->sim->nhosts; i++, r->whole_checks++)
		stack_check(r->sim->host[i].w);
}

/* ---- digests ---- */

static uint64_t mix(uint64_t d, const void *p, size_t len)
{
	uint64_t word;

	MR_ASSERT(len % 4 == 0);
	for (size_t i = 0; i < len; i += 4) {
		word = wire_load32((const char *)p + i);
		d = (d ^ word) * 0x100000001b3ull;
		d ^= d >> 31;
	}
	return d;
}

/*
 * A record, its extension and its scoreboard but for where things stand: indices of extension,
 * scoreboard and neighbour, generation, wheel entry, the deadline that a timer left behind which no
 * longer runs, mbufs.
 */
struct image {
	struct tcp_conn c;
	struct tcp_ext x;
	struct tcp_flight f;
};

/* Behind the last range a scoreboard holds what another connection left. */
static void flight_image(const struct tcp_flight *f, struct tcp_flight *image)
{
	struct board *b = &image->board;

	*image = *f;
	for (unsigned int i = b->n; i < BOARD_RANGES; i++) {
		b->end[i] = b->sent_us[i] = 0;
		b->flags[i] = 0;
	}
}

static void image_of(const struct mr_worker *w, const struct tcp_conn *c, struct image *m)
{
	memset(m, 0, sizeof(*m));
	m->c = *c;
	m->c.wheel_word &= ~WHEEL_WORD_MASK;
	m->c.ext_word &= 0xff000000u;
	m->c.generation = m->c.nexthop = 0;
	m->c.deadline_ms = 0;
	if (tcp_ext_index(c) == 0)
		return;
	m->x = *tcp_ext_of(&w->ext_pool, c);
	m->x.snd_head = m->x.snd_tail = m->x.ooo_head = NULL;
	m->x.snd_next = m->x.resend = (struct tcp_pos){NULL, 0};
	if (m->x.flight != 0)
		flight_image(tcp_flight_of(&w->ext_pool, &m->x), &m->f);
	m->x.flight = m->x.flight != 0;
}

static void dump(const struct sim_side *s, const struct image *m)
{
	printf("flow %u host %u:", s->flow->id, s->host);
	for (size_t i = 0; i < sizeof(*m); i += 4)
		printf("%s%08x", i % 64 == 0 ? "\n  " : " ", wire_load32((const char *)m + i));
	puts("");
}

static uint64_t timer_digest(struct mr_worker *w, const struct tcp_conn *c, uint64_t d)
{
	uint32_t due[2] = {0, 0};

	if (!tcp_next_due(&w->cx, c, &due[0]))
		due[0] = 0;
	if (!conn_user_due(w, c, &due[1]))
		due[1] = 0;
	return mix(d, due, sizeof(due));
}

/* In no order: the tables of both runs may hold the same entries in other places. */
static uint64_t time_wait_digest(const struct mr_worker *w)
{
	uint64_t sum = 0;

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct timewait *tw = w->flows[v6].tw;
		uint32_t next = 0, at = 0;

		while (w->flows[v6].on) {
			const uint32_t i = timewait_scan(tw, at, 1024, &next);
			struct flow_key key;
			struct tw_state st;

			if (i == TABLE_NIL && next == at)
				break;
			at = next;
			if (i == TABLE_NIL)
				continue;
			memset(&st, 0, sizeof(st));
			timewait_get(tw, i, &st);
			timewait_key(tw, i, &key);
			sum += mix(mix(7, key.raddr, 4), &st, sizeof(st));
		}
	}
	return sum;
}

/* What the two ways may count differently: the way itself, and how often the wheel was asked. */
static bool counts_alike(unsigned int c)
{
	return c != MR_C_RX_FAST && c != MR_C_RX_SLOW && c != MR_C_RX_TUPLE_REPEAT &&
	       c != MR_C_WHEEL_FIRED && c != MR_C_WHEEL_STALE && c != MR_C_LOOP_TURNS &&
	       c != MR_C_LOOP_IDLE;
}

static void dump_counters(const struct mr_worker *w, unsigned int host)
{
	for (unsigned int c = 0; c < MR_C_COUNT; c++)
		if (counts_alike(c) && w->counters.v[c] != 0)
			printf("host %u: %s %" PRIu64 "\n", host, mr_counter_info[c].name,
			       w->counters.v[c]);
}

static uint64_t counter_digest(const struct mr_worker *w, uint64_t d)
{
	for (unsigned int c = 0; c < MR_C_COUNT; c++)
		if (counts_alike(c))
			d = mix(d, &w->counters.v[c], sizeof(w->counters.v[c]));
	return d;
}

static void digest_all(struct sim_records *r, struct sim_mark *m)
{
	m->digest[SIM_D_FRAMES] = r->sim->digest;
	for (uint32_t k = r->oldest; k < r->apps->started; k++) {
		for (unsigned int i = 0; i < 2; i++) {
			const struct sim_side *s = &r->apps->flow[k].side[i];
			const struct conn_ref ref = record_of(r, s);
			struct mr_worker *w = r->sim->host[s->host].w;
			struct image image;

			if (ref.c == NULL)
				continue;
			image_of(w, ref.c, &image);
			if (m->number == r->dump)
				dump(s, &image);
			m->digest[SIM_D_RECORDS] += mix(k * 2 + i, &image, sizeof(image));
			m->digest[SIM_D_TIMERS] += timer_digest(w, ref.c, k * 2 + i);
		}
	}
	for (unsigned int i = 0; i < r->sim->nhosts; i++) {
		m->digest[SIM_D_TIME_WAIT] += time_wait_digest(r->sim->host[i].w) * (i + 1);
		m->digest[SIM_D_COUNTERS] += counter_digest(r->sim->host[i].w, i);
		if (m->number == r->dump)
			dump_counters(r->sim->host[i].w, i);
	}
}

/* An engine without frames is not looked at every millisecond, so not every period has a mark. */
void sim_records_before(struct sim_records *r, uint64_t next_us)
{
	struct sim_mark *m;

	if (!r->marking || next_us / PERIOD_US == r->sim->now_us / PERIOD_US)
		return;
	if (r->nmarks == r->marks_cap) {
		r->marks_cap = MR_MAX(1024u, r->marks_cap * 2);
		r->mark = realloc(r->mark, r->marks_cap * sizeof(*r->mark));
		MR_ASSERT(r->mark != NULL);
	}
	m = &r->mark[r->nmarks++];
	memset(m, 0, sizeof(*m));
	m->number = next_us / PERIOD_US;
	digest_all(r, m);
}

unsigned int sim_records_compare(const struct sim_records *a, const struct sim_records *b)
{
	static const char *const names[SIM_DIGESTS] = {"frames", "records", "timers",
						       "TIME_WAIT entries", "counters"};
	uint32_t i = 0, k = 0, same = 0;

	while (i < a->nmarks && k < b->nmarks) {
		const struct sim_mark *m = &a->mark[i], *n = &b->mark[k];

		i += m->number <= n->number;
		k += n->number <= m->number;
		if (m->number != n->number)
			continue;
		same++;
		for (unsigned int d = 0; d < SIM_DIGESTS; d++) {
			if (m->digest[d] == n->digest[d])
				continue;
			printf("fast and plain path differ before %.2f s, mark %" PRIu64 ": %s\n",
			       (double)(m->number * PERIOD_US) / 1e6, m->number, names[d]);
			return 1;
		}
	}
	if (same < MR_MIN(a->nmarks, b->nmarks) / 2 || same == 0) {
		printf("fast and plain path have %u marks in common only\n", same);
		return 1;
	}
	return 0;
}
