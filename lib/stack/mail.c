/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mail: calls posted to a worker by any thread, and messages between the workers of a group. Owns
 * the rings and the process-wide directory of workers. No lock and no wait on a worker's side: a
 * full ring loses the message, counted.
 *
 *  - posts: one ring a worker, many producers, one consumer, {fn, arg}.
 *  - pairs: from each worker to each other one of its group a ring with one producer and one
 *    consumer. The receiver's struct mail owns it; the sender knows it as `out`.
 *
 * The rings lie in memory of our own (rte_ring_init), so that no EAL memory is reserved by name and
 * stacks can come and go in any order.
 *
 * A posting thread may meet a worker that is being taken down: it enters a slot of the directory
 * first (`users`), and teardown waits until those who entered have left. Entering and withdrawing
 * the pointer are sequentially consistent, so that either the thread reads NULL, or teardown sees
 * that it has entered.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <rte_pause.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "worker.h"

#define POSTS_LEN	1024u	/* entries; engine_call and mr_post of a control thread */
#define PAIR_LEN	256u	/* four bursts of control messages */
#define POST_BUDGET	32u	/* a turn: a call that posts itself again must not hold the loop */
#define PAIR_BUDGET	64u

struct post {
	void (*fn)(struct mr_worker *w, void *arg);
	void *arg;
};
static_assert(sizeof(struct post) == 16, "elements of a ring are multiples of 4 octets");
static_assert(sizeof(struct mail_msg) % 4 == 0, "elements of a ring are multiples of 4 octets");

struct mail {
	struct rte_ring *posts;
	struct rte_ring *in[MR_WORKERS_MAX];	/* by the sender's id; owned */
	struct rte_ring *out[MR_WORKERS_MAX];	/* by the receiver's id; the receiver's `in` */
	unsigned int next_in;		/* whose mail is read first: all take turns */
};

/* The directory. A slot per line: posting to one worker does not slow down another. */
static struct slot {
	_Atomic(struct mr_worker *) worker;
	atomic_uint users;
} MR_CACHE_ALIGNED directory[MR_WORKERS_MAX];

static struct rte_ring *ring_make(unsigned int elem_size, unsigned int len, unsigned int flags)
{
	ssize_t size = rte_ring_get_memsize_elem(elem_size, len);
	struct rte_ring *r;

	MR_ASSERT(size > 0);
	r = aligned_alloc(MR_CACHE_LINE, RTE_ALIGN_CEIL((size_t)size, MR_CACHE_LINE));
	if (r == NULL)
		return NULL;
	if (rte_ring_init(r, "mail", len, flags) == 0)
		return r;
	free(r);
	return NULL;
}

/* The group's worker `id` if it exists already, else NULL. */
static struct mr_worker *peer_of(const struct mr_worker *w, unsigned int id)
{
	struct mr_worker *p = atomic_load_explicit(&directory[id].worker, memory_order_acquire);

	if (id == w->id || p == NULL)
		return NULL;
	MR_ASSERT(p->group_first == w->group_first);	/* groups do not overlap */
	return p;
}

static int pair_make(struct mr_worker *from, struct mr_worker *to)
{
	struct rte_ring *r = ring_make(sizeof(struct mail_msg), PAIR_LEN,
				       RING_F_SP_ENQ | RING_F_SC_DEQ);

	to->mail->in[from->id] = r;
	from->mail->out[to->id] = r;
	return r == NULL ? -ENOMEM : 0;
}

int mail_setup(struct mr_worker *w)
{
	struct mr_worker *none = NULL;

	if (w->group_count == 0) {	/* not said: it is alone */
		w->group_first = w->id;
		w->group_count = 1;
	}
	if (w->id >= MR_WORKERS_MAX || w->id - w->group_first >= w->group_count ||
	    w->group_first + w->group_count > MR_WORKERS_MAX)
		return -EINVAL;
	if (atomic_load(&directory[w->id].worker) != NULL)
		return -EEXIST;
	w->mail = calloc(1, sizeof(*w->mail));
	if (w->mail == NULL)
		return -ENOMEM;
	w->mail->posts = ring_make(sizeof(struct post), POSTS_LEN, RING_F_SC_DEQ);
	if (w->mail->posts == NULL)
		return -ENOMEM;
	for (unsigned int id = w->group_first; id < w->group_first + w->group_count; id++) {
		struct mr_worker *p = peer_of(w, id);

		if (p != NULL && (pair_make(w, p) != 0 || pair_make(p, w) != 0))
			return -ENOMEM;
	}
	/* Published last: what a posting thread finds is complete. */
	return atomic_compare_exchange_strong(&directory[w->id].worker, &none, w) ? 0 : -EEXIST;
}

static void leave_directory(struct mr_worker *w)
{
	struct slot *s = &directory[w->id];
	struct mr_worker *me = w;

	if (!atomic_compare_exchange_strong(&s->worker, &me, NULL))
		return;		/* setup failed before it was published */
	while (atomic_load(&s->users) != 0)	/* ends: who has not entered yet stays outside */
		rte_pause();
}

/* What is still queued is forgotten, but for frames: they go back to their pool. */
static void ring_free(struct rte_ring *r)
{
	struct mail_msg msg;

	while (r != NULL && rte_ring_sc_dequeue_elem(r, &msg, sizeof(msg)) == 0)
		if (msg.kind == MAIL_FRAGMENT || msg.kind == MAIL_DATAGRAM)
			rte_pktmbuf_free(msg.u.frame.m);
	free(r);
}

void mail_teardown(struct mr_worker *w)
{
	if (w->mail == NULL)
		return;
	leave_directory(w);
	for (unsigned int id = w->group_first; id < w->group_first + w->group_count; id++) {
		struct mr_worker *p = peer_of(w, id);

		if (p != NULL) {
			ring_free(p->mail->in[w->id]);
			p->mail->in[w->id] = NULL;
			p->mail->out[w->id] = NULL;
		}
		ring_free(w->mail->in[id]);
	}
	free(w->mail->posts);
	free(w->mail);
	w->mail = NULL;
}

/* ---- sending ---- */

bool mail_to(struct mr_worker *w, unsigned int id, const struct mail_msg *msg)
{
	struct rte_ring *r = w->mail->out[id];
	bool sent;

	if (r == NULL)
		return false;	/* not created yet, or gone: it has nothing to learn */
	sent = rte_ring_sp_enqueue_elem(r, (void *)(uintptr_t)msg, sizeof(*msg)) == 0;
	mr_count(&w->counters, sent ? MR_C_MAIL_SENT : MR_C_MAIL_DROP);
	return sent;
}

void mail_broadcast(struct mr_worker *w, const struct mail_msg *msg)
{
	for (unsigned int id = w->group_first; id < w->group_first + w->group_count; id++)
		mail_to(w, id, msg);
}

bool mail_pass(struct mr_worker *w, const struct mail_msg *msg)
{
	const unsigned int next = w->id + 1, end = w->group_first + w->group_count;

	return mail_to(w, next == end ? w->group_first : next, msg);
}

bool mr_post(unsigned int id, void (*fn)(struct mr_worker *w, void *arg), void *arg)
{
	struct post p = {fn, arg};
	struct mr_worker *w;
	struct slot *s;
	bool done;

	if (id >= MR_WORKERS_MAX || fn == NULL)
		return false;
	s = &directory[id];
	if (atomic_load(&s->worker) == NULL)	/* not entered: a teardown must not wait long */
		return false;
	atomic_fetch_add(&s->users, 1);
	w = atomic_load(&s->worker);
	done = w != NULL && rte_ring_mp_enqueue_elem(w->mail->posts, &p, sizeof(p)) == 0;
	atomic_fetch_sub(&s->users, 1);
	return done;
}

/* ---- reading ---- */

static void handle(struct mr_worker *w, const struct mail_msg *msg)
{
	switch ((enum mail_kind)msg->kind) {
	case MAIL_NEIGH:
		neigh_apply(w, &msg->u.neigh);
		break;
	case MAIL_ICMP_ERROR:
		icmp_error_input(w, &msg->u.icmp, false);
		break;
	case MAIL_PATH:
		path_told(w, &msg->u.path);
		break;
	case MAIL_FRAGMENT:
		fragment_input(w, msg->u.frame.port, msg->u.frame.m);
		break;
	case MAIL_DATAGRAM:
		datagram_input(w, &msg->u.frame);
		break;
	}
}

static unsigned int read_pair(struct mr_worker *w, unsigned int from, unsigned int budget)
{
	struct rte_ring *r = w->mail->in[from];
	struct mail_msg msg;
	unsigned int n = 0;

	if (r == NULL)
		return 0;
	while (n < budget && rte_ring_sc_dequeue_elem(r, &msg, sizeof(msg)) == 0) {
		handle(w, &msg);
		n++;
	}
	return n;
}

static unsigned int read_pairs(struct mr_worker *w)
{
	struct mail *mail = w->mail;
	unsigned int n = 0;

	for (unsigned int k = 0; k < w->group_count; k++) {
		if (++mail->next_in >= w->group_count)
			mail->next_in = 0;
		n += read_pair(w, w->group_first + mail->next_in, PAIR_BUDGET - n);
		if (n == PAIR_BUDGET)
			break;
	}
	return n;
}

bool mail_turn(struct mr_worker *w)
{
	unsigned int done = 0;
	struct post p;

	if (w->group_count > 1)
		done = read_pairs(w);
	if (rte_ring_empty(w->mail->posts))
		return done != 0;
	for (unsigned int k = 0; k < POST_BUDGET; k++) {
		if (rte_ring_sc_dequeue_elem(w->mail->posts, &p, sizeof(p)) != 0)
			break;
		p.fn(w, p.arg);
		done++;
	}
	return done != 0;
}
