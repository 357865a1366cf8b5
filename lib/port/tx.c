/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transmit: the port takes what it can, the rest waits in a backlog of one burst, and beyond that
 * frames are given up in the order data, SYN, control: lost data is sent again by a timer that runs
 * anyway, a lost SYN-ACK costs the client a second, a lost RST is never sent again and a lost FIN
 * holds a record. Receiving never waits for any of it. Never reorders frames; never hands a frame
 * twice to tx_prepare. And static content: octets in EAL's memory that are sent again and again
 * without a copy.
 */
#include <string.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "check.h"
#include "eal.h"
#include "tx.h"

static_assert(STACK_TX_DATA < STACK_TX_SYN && STACK_TX_SYN < STACK_TX_CTRL,
	      "a class is given up before those above it");

void tx_init(struct tx_queue *q, uint16_t port, uint16_t queue, bool prepare,
	     struct mr_counters *counters)
{
	*q = (struct tx_queue){
		.counters = counters, .port = port, .queue = queue,
		.care = prepare ? TX_PREPARE : 0};
	q->refused_tsc = eal_clock()->hz / 1000000u * ENGINE_REFUSED_US;
}

/* A frame of a class that nobody knows is one the stack answers with: control. */
static unsigned int class_of(const struct rte_mbuf *m)
{
	return MR_MIN(m->hash.usr, (uint32_t)STACK_TX_CTRL);
}

static void drop(struct tx_queue *q, struct rte_mbuf *m, enum mr_counter why)
{
	mr_count(q->counters, why);
	rte_pktmbuf_free(m);
}

static MR_COLD void drop_of_class(struct tx_queue *q, struct rte_mbuf *m)
{
	static const enum mr_counter counter[TX_CLASSES] = {
		[STACK_TX_DATA] = MR_C_TX_DROP_DATA,
		[STACK_TX_SYN] = MR_C_TX_DROP_SYN,
		[STACK_TX_CTRL] = MR_C_TX_DROP_CTRL,
	};

	drop(q, m, counter[class_of(m)]);
}

static void refuse(struct tx_queue *q, struct rte_mbuf *m)
{
	q->refused++;
	drop(q, m, MR_C_TX_REFUSED);
}

/* ---- the backlog ---- */

/* Takes frame i out; those behind it move up, so that the order stays. */
static struct rte_mbuf *backlog_take(struct tx_queue *q, uint16_t i)
{
	struct rte_mbuf *m = q->backlog[i];

	MR_CHECK(i < q->n && q->of_class[class_of(m)] > 0);
	q->of_class[class_of(m)]--;
	q->n--;
	for (; i < q->n; i++)
		q->backlog[i] = q->backlog[i + 1];
	return m;
}

/* The youngest frame of the lowest class below `tx_class`: those sent before it stay in order. */
static struct rte_mbuf *backlog_victim(struct tx_queue *q, unsigned int tx_class)
{
	unsigned int lowest = 0;
	uint16_t i = q->n;

	while (lowest < tx_class && q->of_class[lowest] == 0)
		lowest++;
	if (lowest == tx_class)
		return NULL;
	while (class_of(q->backlog[--i]) != lowest)
		MR_CHECK(i > 0);
	return backlog_take(q, i);
}

static MR_COLD void backlog_add(struct tx_queue *q, struct rte_mbuf *m)
{
	unsigned int tx_class = class_of(m);

	if (q->n == TX_BACKLOG_MAX) {
		struct rte_mbuf *victim = backlog_victim(q, tx_class);

		drop_of_class(q, victim != NULL ? victim : m);
		if (victim == NULL)
			return;
	}
	q->backlog[q->n++] = m;
	q->of_class[tx_class]++;
	q->backlogged++;
	mr_count(q->counters, MR_C_TX_BACKLOG);
}

/* The port took nothing again: after long enough its oldest frame is the one it will not have. */
static MR_COLD void backlog_stuck(struct tx_queue *q)
{
	uint64_t now = mr_tsc();

	if (q->tries++ == 0) {
		q->stuck_since_tsc = now;
		return;
	}
	if (q->tries < ENGINE_REFUSED_TRIES || now - q->stuck_since_tsc < q->refused_tsc)
		return;
	refuse(q, backlog_take(q, 0));
	q->tries = 0;
}

/* ---- sending ---- */

/* Hands frames to the port until it takes no more; returns how many it took. */
static uint16_t burst(const struct tx_queue *q, struct rte_mbuf **m, uint16_t n)
{
	uint16_t sent = 0, taken;

	do {
		taken = rte_eth_tx_burst(q->port, q->queue, m + sent, (uint16_t)(n - sent));
		sent = (uint16_t)(sent + taken);
	} while (sent < n && taken > 0);
	return sent;
}

/*
 * Lets the driver prepare frames that use its offloads. A frame it cannot send is dropped here: in
 * the ring it would stop the queue. Returns how many are left, closed up at the front of m.
 */
static uint16_t prepare(struct tx_queue *q, struct rte_mbuf **m, uint16_t n)
{
	uint16_t good = 0;

	while (good < n) {
		uint16_t left = (uint16_t)(n - good);

		good = (uint16_t)(good + rte_eth_tx_prepare(q->port, q->queue, m + good, left));
		if (good == n)
			break;
		refuse(q, m[good]);
		n--;
		for (uint16_t i = good; i < n; i++)
			m[i] = m[i + 1];
	}
	return n;
}

bool tx_retry(struct tx_queue *q)
{
	uint16_t sent = (q->care & TX_HELD) != 0 ? 0 : burst(q, q->backlog, q->n);

	if (sent == 0) {
		if (q->n > 0)
			backlog_stuck(q);
		return false;
	}
	q->tries = 0;
	q->n = (uint16_t)(q->n - sent);
	/* The driver owns the sent ones now, their class is not to be read: count what is left. */
	for (unsigned int c = 0; c < TX_CLASSES; c++)
		q->of_class[c] = 0;
	for (uint16_t i = 0; i < q->n; i++) {
		q->backlog[i] = q->backlog[i + sent];
		q->of_class[class_of(q->backlog[i])]++;
	}
	return true;
}

static MR_COLD void backlog_all(struct tx_queue *q, struct rte_mbuf **m, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		backlog_add(q, m[i]);
}

void tx_send(struct tx_queue *q, struct rte_mbuf **m, uint16_t n)
{
	uint16_t sent = 0;

	for (uint16_t i = 0; i < n; i++)
		MR_CHECK(rte_mbuf_refcnt_read(m[i]) == 1);
	if (q->care == TX_PREPARE)
		n = prepare(q, m, n);
	else if (q->care != 0)
		return backlog_all(q, m, n);
	if (MR_UNLIKELY(q->n > 0))
		tx_retry(q);
	/* Behind a backlog nothing overtakes. */
	if (MR_LIKELY(q->n == 0))
		sent = burst(q, m, n);
	for (; MR_UNLIKELY(sent < n); sent++)
		backlog_add(q, m[sent]);
}

/* Frames of the backlog are prepared, and those that come while it is held would not be. */
void tx_hold(struct tx_queue *q, bool held)
{
	MR_ASSERT((q->care & TX_PREPARE) == 0 || !held);
	q->care = (uint8_t)((q->care & TX_PREPARE) | (held ? TX_HELD : 0));
}

void tx_discard(struct tx_queue *q)
{
	rte_pktmbuf_free_bulk(q->backlog, q->n);
	q->n = 0;
	for (unsigned int c = 0; c < TX_CLASSES; c++)
		q->of_class[c] = 0;
}

/* ---- static content ---- */

/* Of 65535 that a count can say: as many again may be in frames on their way. */
#define STATIC_REFS_MAX 32768u
/* Largest piece one mbuf can show: data_len and buf_len are 16 bits. */
#define STATIC_PIECE_MAX 65535u

/* One count per worker and cache line: workers share nothing on the packet path. */
struct static_ref {
	struct rte_mbuf_ext_shared_info info;
} MR_CACHE_ALIGNED;

struct mr_static {
	struct static_ref ref[MR_WORKERS_MAX];
	size_t len;
	rte_iova_t iova;
	uint8_t *octets;
};

static_assert(sizeof(struct mr_static) + 4 * MR_CACHE_LINE <= MR_STATIC_OVERHEAD,
	      "the memory announced holds the object and the heap's headers of its two parts");

/* Each count starts at 1 and every mbuf adds and removes its own: 0 would be a count gone wrong. */
static void static_never_free(void *addr MR_UNUSED, void *opaque MR_UNUSED)
{
	MR_ASSERT(!"a static buffer has lost a reference");
}

struct mr_static *mr_static_create(const void *data, size_t len)
{
	struct mr_static *s = rte_zmalloc("mr_static", sizeof(*s), MR_CACHE_LINE);

	if (s == NULL)
		return NULL;
	s->octets = rte_malloc("mr_static_octets", MR_MAX(len, (size_t)1), MR_CACHE_LINE);
	if (s->octets == NULL) {
		rte_free(s);
		return NULL;
	}
	memcpy(s->octets, data, len);
	s->len = len;
	s->iova = rte_malloc_virt2iova(s->octets);
	for (unsigned int i = 0; i < MR_WORKERS_MAX; i++) {
		s->ref[i].info.free_cb = static_never_free;
		rte_mbuf_ext_refcnt_set(&s->ref[i].info, 1);
	}
	return s;
}

void mr_static_destroy(struct mr_static *s)
{
	if (s == NULL)
		return;
	for (unsigned int i = 0; i < MR_WORKERS_MAX; i++)
		MR_ASSERT(rte_mbuf_ext_refcnt_read(&s->ref[i].info) == 1);
	rte_free(s->octets);
	rte_free(s);
}

size_t mr_static_len(const struct mr_static *s) { return s->len; }

/* One mbuf that shows octets off .. off+len; NULL: none is free, or too many show it. */
static struct rte_mbuf *static_mbuf(struct mr_worker *w, struct mr_static *s, size_t off,
				    uint16_t len)
{
	struct rte_mbuf_ext_shared_info *info = &s->ref[mr_worker_id(w)].info;
	struct rte_mbuf *m;

	if (rte_mbuf_ext_refcnt_read(info) > STATIC_REFS_MAX)
		return NULL;
	m = stack_ctl_mbuf(w);
	if (m == NULL)
		return NULL;
	rte_mbuf_ext_refcnt_update(info, 1);
	rte_pktmbuf_attach_extbuf(m, s->octets + off, s->iova + off, len, info);
	m->data_off = 0;
	m->data_len = len;
	m->pkt_len = len;
	return m;
}

uint32_t mr_send_static(struct mr_worker *w, mr_conn c, struct mr_static *s, size_t off,
			uint32_t len, unsigned int flags)
{
	uint32_t done = 0;

	MR_ASSERT(off <= s->len && len <= s->len - off);
	while (done < len) {
		uint32_t room = mr_send_room(w, c),
			 n = MR_MIN(len - done, MR_MIN(room, STATIC_PIECE_MAX));
		bool last = done + n == len;
		struct rte_mbuf *m;

		if (n == 0) {
			mr_want_writable(w, c);
			break;
		}
		m = static_mbuf(w, s, off + done, (uint16_t)n);
		if (m == NULL || mr_send(w, c, m, last ? flags : flags | MR_SEND_MORE) == 0) {
			rte_pktmbuf_free(m);
			mr_want_writable(w, c);
			break;
		}
		done += n;
	}
	return done;
}
