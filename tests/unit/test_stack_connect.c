/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Active opens in bursts against the same ones one by one, on a twin with the same seed: outcomes,
 * segments, connections. The bursts hold what the fast way takes, and all that it must not take.
 */
#include <criterion/criterion.h>

#include "octets.h"
#include "rules_fixture.h"

#define ROUNDS 40u

static const struct mr_endpoint peer = RF_IP4(10, 77, 0, 9, 5000);

/* How the twins of a comparison are configured. */
struct variant {
	bool timestamps;
	bool overlap;	/* ranges share addresses: on another port, in another VLAN */
	uint32_t conns4;		/* 0: the usual */
};

/* Of the ranges that overlap: all in common, and of each one alone. */
static const struct mr_endpoint shared[] = {
	RF_IP4(10, 77, 0, 7, 0), RF_IP4(10, 77, 0, 5, 0), RF_IP4(10, 77, 0, 4, 0),
	RF_IP4(10, 77, 0, 6, 0),
};

static void add_overlaps(struct stack_config *cfg)
{
	static const struct stack_addr more[] = {
		{4, 24, 1, WIRE_NO_VLAN, WIRE_NO_VLAN, {10, 77, 0, 4}, 4},
		{4, 24, 0, 9, WIRE_NO_VLAN, {10, 77, 0, 5}, 2},
	};

	memcpy(&cfg->addr[cfg->naddrs], more, sizeof(more));
	cfg->naddrs += MR_ARRAY_LEN(more);
}

/* One open of a kind that the number picks. */
static void make(uint32_t x, struct mr_connect_opts *o)
{
	static const struct mr_endpoint remotes[] = {
		RF_IP4(10, 77, 0, 9, 5000), RF_IP4(10, 77, 0, 9, 5001), RF_IP4(10, 77, 0, 8, 5000),
		RF_IP4(224, 0, 0, 1, 80),   RF_IP4(10, 77, 0, 9, 0),	RF_IP6(9, 5000),
		RF_IP4(192, 0, 2, 1, 80),
	};
	static const struct mr_endpoint locals[] = {
		RF_IP4(10, 77, 0, 2, 0), RF_IP4(10, 77, 0, 5, 0), RF_IP4(10, 88, 0, 2, 0),
		RF_IP4(10, 99, 0, 2, 0), RF_IP4(10, 1, 1, 1, 0),  RF_IP6(2, 0),
	};
	const bool plain = x % 4 != 0;

	*o = (struct mr_connect_opts){.remote = remotes[plain ? x / 7 % 2 : x / 7 % 7],
				      .local = locals[plain ? x / 11 % 2 : x / 11 % 6],
				      .callbacks = &rf_callbacks,
				      .user = x};
	/* few ports: the same tuple comes again, within a burst too */
	o->local.port = (uint16_t)(2000 + x / 13 % 300);
	if (x % 29 == 0)
		o->local = (struct mr_endpoint){0};
	if (x % 31 == 0)
		o->callbacks = NULL;
}

static struct mr_worker *twin(const struct variant *how)
{
	struct stack_config cfg;
	struct mr_worker *w;
	mr_conn c;

	rf_configure(&cfg);
	cfg.tcp.timestamps = how->timestamps;
	if (how->overlap)
		add_overlaps(&cfg);
	cfg.conns4 = how->conns4 != 0 ? how->conns4 : 700;	/* it gets full */
	w = rf_worker(&cfg, 1000000);
	cr_assert_eq(rf_try_open(w, &(struct mr_endpoint){0}, &peer, &c), MR_OK);
	rf_run(w, 1);
	rf_neighbours_answer(w);
	rf_run(w, 1);
	return w;
}

struct outcome {
	struct variant how;
	enum mr_reason why[ROUNDS][MR_CONNECT_BURST];
	uint32_t user[ROUNDS][MR_CONNECT_BURST];
	struct rf_seen seen[RF_LOG_MAX];
	unsigned int nseen;
};

static void round_of(struct mr_worker *w, unsigned int round, bool bursts, struct outcome *out)
{
	static struct mr_connect_opts opts[MR_CONNECT_BURST];
	struct mr_connect_result result[MR_CONNECT_BURST];
	unsigned int n = round % (MR_CONNECT_BURST + 1);
	uint32_t x = round * 7919u + 1;

	for (unsigned int i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		make(x >> 8, &opts[i]);
		if (out->how.overlap && x % 8 != 0)
			memcpy(&opts[i].local.addr, &shared[(x >> 5) % 4].addr, 4);
	}
	if (bursts)
		mr_connect_burst(w, opts, n, result);
	for (unsigned int i = 0; i < n; i++) {
		if (!bursts)
			result[i].why = mr_connect(w, &opts[i], &result[i].c);
		out->why[round][i] = result[i].why;
		out->user[round][i] = mr_user(w, result[i].c);
		cr_assert_eq(result[i].c.id == 0, result[i].why != MR_OK);
		/* some end at once, so that their tuples may come again */
		if (result[i].why == MR_OK && opts[i].user % 3 == 0)
			mr_abort(w, result[i].c);
	}
	rf_run(w, 2);
	rf_neighbours_answer(w);
	stack_check(w);
}

static int by_tuple(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct rf_seen));
}

static void run(bool bursts, const struct variant *how, struct outcome *out)
{
	struct mr_worker *w = twin(how);

	out->how = *how;
	rf_nseen = 0;
	for (unsigned int round = 0; round < ROUNDS; round++)
		round_of(w, round, bursts, out);
	out->nseen = rf_nseen;
	memcpy(out->seen, rf_seen, sizeof(rf_seen));
	qsort(out->seen, out->nseen, sizeof(out->seen[0]), by_tuple);
	stack_destroy(w);
}

TestSuite(stack_connect, .init = rf_start, .fini = rf_stop);

static struct outcome one_by_one, in_bursts;

static void compare(struct variant how)
{
	unsigned int opened = 0;

	run(false, &how, &one_by_one);
	run(true, &how, &in_bursts);
	for (unsigned int r = 0; r < ROUNDS; r++) {
		for (unsigned int i = 0; i < r % (MR_CONNECT_BURST + 1); i++) {
			cr_assert_eq(in_bursts.why[r][i], one_by_one.why[r][i],
				     "round %u, open %u: %s, not %s", r, i,
				     mr_reason_text(in_bursts.why[r][i]),
				     mr_reason_text(one_by_one.why[r][i]));
			cr_assert_eq(in_bursts.user[r][i], one_by_one.user[r][i]);
			opened += one_by_one.why[r][i] == MR_OK;
		}
	}
	cr_assert_gt(opened, 200);
	cr_assert_eq(in_bursts.nseen, one_by_one.nseen, "%u segments, not %u", in_bursts.nseen,
		     one_by_one.nseen);
	cr_assert_eq(memcmp(in_bursts.seen, one_by_one.seen,
			    in_bursts.nseen * sizeof(struct rf_seen)), 0);
}

Test(stack_connect, a_burst_is_as_one_by_one, .timeout = 60)
{
	compare((struct variant){.timestamps = true});
}

Test(stack_connect, a_burst_is_as_one_by_one_without_timestamps, .timeout = 60)
{
	compare((struct variant){0});
}

/* An address stands for the first range that has it, whichever was spoken from last. */
Test(stack_connect, a_burst_is_as_one_by_one_from_ranges_that_overlap, .timeout = 60)
{
	compare((struct variant){.timestamps = true, .overlap = true});
}

/* The check before a burst sees room for each one, not for all of them. */
Test(stack_connect, a_burst_meets_the_end_of_the_table, .timeout = 60)
{
	static struct mr_connect_opts opts[MR_CONNECT_BURST];
	struct mr_connect_result result[MR_CONNECT_BURST];
	const struct mr_endpoint local = RF_IP4(10, 77, 0, 2, 0);
	struct mr_worker *w = twin(&(struct variant){.timestamps = true, .conns4 = 40});

	for (unsigned int i = 0; i < MR_CONNECT_BURST; i++) {
		opts[i] = (struct mr_connect_opts){
			.remote = peer, .local = local, .callbacks = &rf_callbacks};
		opts[i].local.port = (uint16_t)(3000 + i);
	}
	mr_connect_burst(w, opts, MR_CONNECT_BURST, result);
	/* one stands already: the one that asked for the neighbour */
	for (unsigned int i = 0; i < MR_CONNECT_BURST; i++)
		cr_expect_eq(result[i].why, i < 39 ? MR_OK : MR_TABLE_FULL, "open %u: %s", i,
			     mr_reason_text(result[i].why));
	rf_run(w, 2);
	stack_check(w);
	stack_destroy(w);
}
