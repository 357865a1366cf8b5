/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Are both engines of pair.h the same? Everything that anybody can see of them, and every
 * connection's record, extension and timer besides. Where memory lies may differ, and nothing else.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bare_ext.h"
#include "check.h"
#include "path_counters.h"
#include "pair.h"

/* A tuple's connection, bare of what says where it lies. */
struct bare {
	struct tcp_conn c;
	struct tcp_ext x;
	struct tw_state tw;
	bool has_ext, waits;
};

static _Noreturn void differ(const char *what, uint32_t which)
{
	fprintf(stderr, "fast and general way differ: %s %u at %lu us\n", what, which, now_us);
	abort();
}

static void bare_conn(struct mr_worker *w, const struct tcp_conn *c, struct bare *b)
{
	const struct tcp_ext *x = tcp_ext_of(&w->ext_pool, c);

	b->c = *c;
	b->c.generation = 0;
	b->c.wheel_word &= 0xf0000000u;		/* the rest says in which slot it waits */
	b->c.ext_word &= 0xff000000u;
	if (c->timer == TCP_TIMER_NONE)
		b->c.deadline_ms = 0;
	b->has_ext = x != NULL;
	if (x == NULL)
		return;
	b->x = *x;
	bare_ext(&b->x);
}

static void bare_tuple(struct mr_worker *w, uint32_t t, struct bare *b)
{
	const struct tcp_conn *c = tuple_record(w, t);
	struct flows *f = &w->flows[t & 1];
	struct flow_key key;
	uint32_t index;

	memset(b, 0, sizeof(*b));
	if (c != NULL)
		bare_conn(w, c, b);
	tuple_key(w, t, &key);
	index = timewait_find(f->tw, &key, flow_hash(&w->key_table, &key));
	b->waits = index != TABLE_NIL;
	if (b->waits)
		timewait_get(f->tw, index, &b->tw);
}

static void dump(const char *name, const void *pa, const void *pb, uint32_t len)
{
	const uint8_t *a = pa, *b = pb;

	for (uint32_t i = 0; i < len; i++)
		if (a[i] != b[i])
			fprintf(stderr, "%s: octet %u is %02x and %02x\n", name, i, a[i], b[i]);
}

static void same_tuples(void)
{
	static struct bare a, b;

	for (uint32_t t = 0; t < TUPLES; t++) {
		bare_tuple(side[0].w, t, &a);
		bare_tuple(side[1].w, t, &b);
		if (memcmp(&a, &b, sizeof(a)) == 0)
			continue;
		dump("record", &a.c, &b.c, sizeof(a.c));
		dump("extension", &a.x, &b.x, sizeof(a.x));
		dump("TIME_WAIT", &a.tw, &b.tw, sizeof(a.tw));
		differ("connection", t);
	}
}

static void same_figures(void)
{
	static struct stack_stats a, b;

	stack_stats(side[0].w, &a);
	stack_stats(side[1].w, &b);
	for (unsigned int i = 0; i < MR_C_COUNT; i++) {
		if (path_counter(i) || a.counters.v[i] == b.counters.v[i])
			continue;
		fprintf(stderr, "%lu and %lu\n", a.counters.v[i], b.counters.v[i]);
		differ(mr_counter_info[i].name, i);
	}
	if (memcmp(a.states, b.states, sizeof(a.states)) != 0 ||
	    memcmp(a.conns_open, b.conns_open, sizeof(a.conns_open)) != 0 ||
	    memcmp(a.time_wait, b.time_wait, sizeof(a.time_wait)) != 0)
		differ("connections in some state", 0);
	if (a.ext_used != b.ext_used || a.mbufs_held != b.mbufs_held)
		differ("extensions or mbufs held", 0);
	for (uint32_t i = 0; i < 3; i++) {
		struct stack_listener_stats x = {0}, y = {0};

		if (stack_listener_stats(side[0].w, i, &x) !=
		    stack_listener_stats(side[1].w, i, &y) || memcmp(&x, &y, sizeof(x)) != 0)
			differ("listener", i);
	}
}

/* Which of two mbufs a reply is written into differs, but not how many are gone. */
static uint32_t mbufs_out(const struct side *s)
{
	return rte_mempool_in_use_count(s->data) + rte_mempool_in_use_count(s->ctl) -
	       stack_mbufs_ready(s->w);
}

void same_or_abort(void)
{
	for (uint32_t i = 0; i < MR_ARRAY_LEN(side[0].sent); i++)
		if (side[0].sent[i] != side[1].sent[i])
			differ("frames to", i);
	if (side[0].nsent != side[1].nsent)
		differ("number of frames", side[0].nsent);
	for (uint32_t i = 0; i < MR_ARRAY_LEN(side[0].heard); i++)
		if (side[0].heard[i] != side[1].heard[i])
			differ("what was heard of", i);
	same_figures();
	same_tuples();
	if (mbufs_out(&side[0]) != mbufs_out(&side[1]))
		differ("mbufs in use", mbufs_out(&side[0]));
}
