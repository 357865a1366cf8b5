/* SPDX-License-Identifier: BSD-3-Clause */
/* Mail: posted calls, rings between the workers of a group, coming and going in any order. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "neigh_fixture.h"

TestSuite(mail, .init = nf_start, .fini = nf_stop, .timeout = 60);

static unsigned int seen[4096], nseen;
static struct mr_worker *seen_by;

static void note(struct mr_worker *w, void *arg)
{
	seen_by = w;
	seen[nseen++] = (unsigned int)(uintptr_t)arg;
}

Test(mail, posted_calls_run_on_their_worker_in_order)
{
	struct mr_worker *a = nf_worker(3, 3, 1, 16), *b = nf_worker(63, 63, 1, 16);

	for (uintptr_t i = 0; i < 100; i++)
		cr_assert(mr_post(63, note, (void *)i));
	cr_assert_not(mail_turn(a));
	cr_assert_eq(nseen, 0);
	while (mail_turn(b))
		;
	cr_assert_eq(nseen, 100);
	cr_assert_eq(seen_by, b);
	for (unsigned int i = 0; i < 100; i++)
		cr_assert_eq(seen[i], i);
	nf_destroy(a);
	nf_destroy(b);
}

Test(mail, post_is_refused_where_nobody_is)
{
	struct mr_worker *w = nf_worker(3, 3, 1, 16);
	unsigned int taken = 0;

	cr_assert_not(mr_post(2, note, NULL));
	cr_assert_not(mr_post(MR_WORKERS_MAX, note, NULL));
	cr_assert_not(mr_post(0xffffffffu, note, NULL));
	cr_assert_not(mr_post(3, NULL, NULL));
	while (mr_post(3, note, NULL))
		taken++;
	cr_assert_geq(taken, 1000, "room for many");
	cr_assert_lt(taken, 4096, "and not for ever");
	cr_assert(mail_turn(w));
	cr_assert(mr_post(3, note, NULL), "room again");
	nf_destroy(w);
	cr_assert_not(mr_post(3, note, NULL));
}

static void again(struct mr_worker *w, void *arg)
{
	nseen++;
	cr_assert(mr_post(mr_worker_id(w), again, arg));
}

unsigned int mr_worker_id(const struct mr_worker *w) { return w->id; }

Test(mail, a_call_that_posts_itself_does_not_hold_the_loop)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);

	mr_post(0, again, NULL);
	for (unsigned int i = 0; i < 10; i++)
		mail_turn(w);
	cr_assert_leq(nseen, 10 * 64);
	cr_assert_geq(nseen, 10);
	nf_destroy(w);
}

Test(mail, full_pair_ring_is_counted)
{
	struct mr_worker *a = nf_worker(0, 0, 2, 16), *b = nf_worker(1, 0, 2, 16);
	const struct mail_msg msg = {.kind = MAIL_NEIGH, .u.neigh = {.family = 4}};
	unsigned int handled = 0;

	for (unsigned int i = 0; i < 1000; i++)
		mail_broadcast(a, &msg);
	cr_assert_eq(a->counters.v[MR_C_MAIL_SENT] + a->counters.v[MR_C_MAIL_DROP], 1000);
	cr_assert_gt(a->counters.v[MR_C_MAIL_DROP], 0);
	cr_assert_gt(a->counters.v[MR_C_MAIL_SENT], 100);
	while (mail_turn(b))
		handled++;
	cr_assert_gt(handled, 1, "bounded per turn");
	mail_broadcast(a, &msg);
	cr_assert(mail_turn(b));
	cr_assert_not(mail_turn(a), "never to oneself");
	nf_destroy(a);
	nf_destroy(b);
}

Test(mail, groups_hear_nothing_of_each_other)
{
	struct mr_worker *a = nf_worker(0, 0, 2, 16), *b = nf_worker(1, 0, 2, 16);
	struct mr_worker *c = nf_worker(2, 2, 2, 16), *d = nf_worker(3, 2, 2, 16);
	const struct mail_msg msg = {.kind = MAIL_NEIGH, .u.neigh = {.family = 4}};

	mail_broadcast(b, &msg);
	cr_assert(mail_turn(a));
	cr_assert_not(mail_turn(c));
	cr_assert_not(mail_turn(d));
	nf_destroy(c);
	mail_broadcast(d, &msg);
	mail_pass(d, &msg);
	cr_assert_eq(d->counters.v[MR_C_MAIL_SENT], 0, "gone");
	nf_destroy(a);
	nf_destroy(d);
	nf_destroy(b);
}

Test(mail, workers_may_go_in_any_order_and_come_back)
{
	static const unsigned int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2},
						 {1, 2, 0}, {0, 2, 1}, {2, 0, 1}};
	const struct mail_msg msg = {.kind = MAIL_NEIGH, .u.neigh = {.family = 4}};

	for (unsigned int k = 0; k < MR_ARRAY_LEN(orders); k++) {
		struct mr_worker *w[3];

		for (unsigned int i = 0; i < 3; i++)
			w[i] = nf_worker(20 + i, 20, 3, 16);
		for (unsigned int i = 0; i < 3; i++) {
			mail_broadcast(w[i], &msg);	/* still queued when its reader goes */
			cr_assert_eq(w[i]->counters.v[MR_C_MAIL_SENT], 2);
		}
		for (unsigned int i = 0; i < 3; i++) {
			nf_destroy(w[orders[k][i]]);
			for (unsigned int j = i + 1; j < 3; j++)
				mail_broadcast(w[orders[k][j]], &msg);
		}
	}
}

Test(mail, an_id_is_taken_once)
{
	struct mr_worker *w = nf_worker(5, 5, 1, 16);
	struct mr_worker *v = aligned_alloc(MR_CACHE_LINE, (sizeof(*v) + 63) & ~63ul);

	memset(v, 0, sizeof(*v));
	v->id = 5;
	v->group_first = 5;
	v->group_count = 1;
	cr_assert_eq(mail_setup(v), -EEXIST);
	mail_teardown(v);
	v->id = MR_WORKERS_MAX;
	cr_assert_eq(mail_setup(v), -EINVAL);
	v->id = 7;
	cr_assert_eq(mail_setup(v), -EINVAL, "outside of its group");
	cr_assert(mr_post(5, note, NULL), "the first one is untouched");
	free(v);
	nf_destroy(w);
}

/* ---- threads ---- */

#define POSTS_EACH 20000u

static _Atomic unsigned int ran;
static _Atomic bool stop;

static void count_run(struct mr_worker *w, void *arg)
{
	(void)w;
	(void)arg;
	atomic_fetch_add(&ran, 1);
}

static void *poster(void *arg)
{
	unsigned int done = 0;

	while (done < POSTS_EACH)
		done += mr_post((unsigned int)(uintptr_t)arg, count_run, NULL);
	return NULL;
}

Test(mail, threads_post_and_every_call_runs_once)
{
	struct mr_worker *w = nf_worker(8, 8, 1, 16);
	pthread_t t[2];

	for (unsigned int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, poster, (void *)(uintptr_t)8);
	while (atomic_load(&ran) < 2 * POSTS_EACH)
		mail_turn(w);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	cr_assert_not(mail_turn(w));
	cr_assert_eq(atomic_load(&ran), 2 * POSTS_EACH);
	nf_destroy(w);
}

static void *poster_until_stop(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		mr_post(9, count_run, NULL);
	return NULL;
}

Test(mail, a_worker_goes_while_a_thread_posts_to_it)
{
	struct mr_worker *w = nf_worker(9, 9, 1, 16);
	pthread_t t;

	pthread_create(&t, NULL, poster_until_stop, NULL);
	for (unsigned int i = 0; i < 300; i++) {
		while (!mail_turn(w))
			;
		mail_teardown(w);
		cr_assert_eq(mail_setup(w), 0);
	}
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	nf_destroy(w);
}
