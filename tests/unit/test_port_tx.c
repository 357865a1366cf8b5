/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmit queue against a driver that takes what the test says: order, backlog, what is given
 * up when, refused frames. The driver is put into ethdev's table of burst functions.
 */
#include <criterion/criterion.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "check.h"
#include "eal.h"
#include "port_double.h"
#include "tx.h"

#define PORT (RTE_MAX_ETHPORTS - 1)
#define POOL 1023u

static struct {
	uint16_t takes;	  /* frames in all that the driver still takes */
	uint16_t at_once; /* at most so many in one call */
	uint16_t deaf;	  /* calls from now that it takes nothing in */
	unsigned int calls;
	uint32_t sent[4096]; /* marks, in order */
	unsigned int nsent;
	uint32_t poison; /* tx_prepare refuses the frame with this mark */
	unsigned int prepared;
} drv;

static struct rte_mempool *pool;
static struct mr_counters counters;
static struct tx_queue q;
static void *queue_data[1];
static void *callbacks[1];

static uint32_t *mark_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, uint32_t *);
}

static uint16_t drv_burst(void *data, struct rte_mbuf **m, uint16_t n)
{
	uint16_t k = drv.deaf != 0 ? 0 : MR_MIN(n, MR_MIN(drv.takes, drv.at_once));

	(void)data;
	drv.calls++;
	drv.deaf = (uint16_t)(drv.deaf - (drv.deaf != 0));
	for (uint16_t i = 0; i < k; i++) {
		drv.sent[drv.nsent++] = *mark_of(m[i]);
		/* The class is the driver's to overwrite once the frame is its own. */
		m[i]->hash.usr = 0xdead;
		rte_pktmbuf_free(m[i]);
	}
	drv.takes = (uint16_t)(drv.takes - k);
	return k;
}

static uint16_t drv_prepare(void *data, struct rte_mbuf **m, uint16_t n)
{
	(void)data;
	for (uint16_t i = 0; i < n; i++) {
		if (*mark_of(m[i]) == drv.poison) {
			rte_errno = EINVAL;
			return i;
		}
		drv.prepared++;
	}
	return n;
}

static void start(void)
{
	struct eal_options opt;
	const char *why = "";

	double_eal(&opt, 1);
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	pool = rte_pktmbuf_pool_create("p", POOL, 0, 0, 512, SOCKET_ID_ANY);
	cr_assert_not_null(pool);
	rte_eth_fp_ops[PORT].tx_pkt_burst = drv_burst;
	rte_eth_fp_ops[PORT].tx_pkt_prepare = drv_prepare;
	rte_eth_fp_ops[PORT].txq.data = queue_data;
	rte_eth_fp_ops[PORT].txq.clbk = callbacks;
	drv.at_once = UINT16_MAX;
	tx_init(&q, PORT, 0, false, &counters);
}

/* At the end every mbuf is home. */
static void stop(void)
{
	tx_discard(&q);
	MR_ASSERT(rte_mempool_avail_count(pool) == POOL);
	eal_stop();
}

static void send_marked(uint32_t first, uint16_t n, uint32_t tx_class)
{
	struct rte_mbuf *m[512];

	for (uint16_t i = 0; i < n; i++) {
		m[i] = rte_pktmbuf_alloc(pool);
		cr_assert_not_null(m[i]);
		rte_pktmbuf_append(m[i], 64);
		*mark_of(m[i]) = first + i;
		m[i]->hash.usr = tx_class;
	}
	tx_send(&q, m, n);
}

static void sent_in_order(unsigned int from, uint32_t first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		cr_assert_eq(drv.sent[from + i], first + i, "sent[%u] is %u, not %u", from + i,
			     drv.sent[from + i], first + i);
}

TestSuite(port_tx, .init = start, .fini = stop);

Test(port_tx, a_port_that_keeps_up_takes_all_at_once)
{
	drv.takes = 1000;
	send_marked(0, 200, STACK_TX_DATA);
	cr_assert_eq(drv.nsent, 200);
	cr_assert_eq(drv.calls, 1);
	cr_assert_eq(q.n, 0);
	cr_assert_eq(counters.v[MR_C_TX_BACKLOG], 0);
	sent_in_order(0, 0, 200);
}

Test(port_tx, a_port_that_takes_few_at_once_is_asked_again)
{
	drv.takes = 1000;
	drv.at_once = 32;
	send_marked(0, 100, STACK_TX_DATA);
	cr_assert_eq(drv.nsent, 100);
	cr_assert_eq(drv.calls, 4);
}

Test(port_tx, what_is_left_waits_in_order_and_nothing_overtakes)
{
	drv.takes = 10;
	send_marked(0, 40, STACK_TX_DATA);
	cr_assert_eq(q.n, 30);
	drv.takes = 5;
	send_marked(40, 20, STACK_TX_CTRL);
	cr_assert_eq(q.n, 45);
	drv.takes = 1000;
	cr_assert(tx_retry(&q));
	cr_assert_eq(q.n, 0);
	sent_in_order(0, 0, 60);
	cr_assert_eq(counters.v[MR_C_TX_BACKLOG], 50);
	cr_assert_eq(q.backlogged, 50);
}

/* The NIC finishes frames whenever it likes: also between the backlog's turn and the new ones'. */
Test(port_tx, room_between_two_calls_lets_nobody_overtake)
{
	drv.takes = 5;
	send_marked(0, 10, STACK_TX_DATA);
	cr_assert_eq(drv.nsent, 5);
	drv.takes = 100;
	drv.deaf = 1;
	send_marked(10, 5, STACK_TX_DATA);
	cr_assert_eq(drv.nsent, 5, "the new ones went first");
	cr_assert(tx_retry(&q));
	sent_in_order(0, 0, 15);
}

Test(port_tx, a_full_backlog_gives_up_data_then_syn_then_control)
{
	send_marked(100, 20, STACK_TX_DATA);
	send_marked(200, 20, STACK_TX_SYN);
	send_marked(300, 24, STACK_TX_CTRL);
	cr_assert_eq(q.n, TX_BACKLOG_MAX);
	/* Data does not push out data: the newcomer goes. */
	send_marked(400, 3, STACK_TX_DATA);
	cr_assert_eq(counters.v[MR_C_TX_DROP_DATA], 3);
	/* SYN pushes out the youngest data. */
	send_marked(500, 5, STACK_TX_SYN);
	cr_assert_eq(counters.v[MR_C_TX_DROP_DATA], 8);
	/* Control pushes out the rest of the data, then SYNs; SYN no longer finds anything below.
	 */
	send_marked(600, 20, STACK_TX_CTRL);
	cr_assert_eq(counters.v[MR_C_TX_DROP_DATA], 23);
	cr_assert_eq(counters.v[MR_C_TX_DROP_SYN], 5);
	send_marked(700, 2, STACK_TX_SYN);
	cr_assert_eq(counters.v[MR_C_TX_DROP_SYN], 7);
	send_marked(800, 30, STACK_TX_CTRL);
	cr_assert_eq(counters.v[MR_C_TX_DROP_SYN], 27);
	cr_assert_eq(counters.v[MR_C_TX_DROP_CTRL], 10);
	drv.takes = 1000;
	tx_retry(&q);
	/* The backlog holds 24 + 20 + 20 of control, in the order in which they came. */
	cr_assert_eq(drv.nsent, 64);
	sent_in_order(0, 300, 24);
	sent_in_order(24, 600, 20);
	sent_in_order(44, 800, 20);
}

Test(port_tx, an_unknown_class_counts_as_control)
{
	send_marked(0, 64, STACK_TX_CTRL);
	send_marked(64, 1, 0xabcdef);
	cr_assert_eq(counters.v[MR_C_TX_DROP_CTRL], 1);
}

Test(port_tx, a_frame_that_is_refused_for_long_is_dropped_and_the_rest_goes_on)
{
	uint64_t end = mr_tsc() + eal_clock()->hz;

	send_marked(0, 3, STACK_TX_DATA);
	/* Many tries in a short time are a peer that is not scheduled. */
	q.refused_tsc = UINT64_MAX;
	for (unsigned int i = 0; i < 10 * ENGINE_REFUSED_TRIES; i++)
		cr_assert(!tx_retry(&q));
	cr_assert_eq(q.n, 3);
	q.refused_tsc = eal_clock()->hz / 1000;
	while (counters.v[MR_C_TX_REFUSED] == 0 && mr_tsc() < end)
		tx_retry(&q);
	cr_assert_eq(counters.v[MR_C_TX_REFUSED], 1);
	cr_assert_eq(q.refused, 1);
	drv.takes = 10;
	tx_retry(&q);
	cr_assert_eq(drv.nsent, 2);
	sent_in_order(0, 1, 2);
}

Test(port_tx, a_port_that_takes_one_frame_now_and_then_refuses_none)
{
	q.refused_tsc = 0;
	send_marked(0, 2, STACK_TX_DATA);
	for (unsigned int i = 0; i < 62; i++) {
		tx_retry(&q);
		tx_retry(&q);
		drv.takes = 1;
		tx_retry(&q);
		send_marked(2 + i, 1, STACK_TX_DATA);
	}
	cr_assert_eq(counters.v[MR_C_TX_REFUSED], 0);
}

Test(port_tx, prepare_drops_what_the_driver_cannot_send_and_prepares_once)
{
	q.care = TX_PREPARE;
	drv.poison = 7;
	drv.takes = 5;
	send_marked(0, 20, STACK_TX_DATA);
	cr_assert_eq(counters.v[MR_C_TX_REFUSED], 1);
	cr_assert_eq(drv.prepared, 19);
	cr_assert_eq(q.n, 14);
	drv.takes = 1000;
	tx_retry(&q);
	cr_assert_eq(drv.prepared, 19, "a frame of the backlog was prepared twice");
	cr_assert_eq(drv.nsent, 19);
	sent_in_order(0, 0, 7);
	sent_in_order(7, 8, 12);
}

Test(port_tx, prepare_survives_a_burst_of_nothing_but_poison)
{
	q.care = TX_PREPARE;
	drv.poison = 7;
	drv.takes = 100;
	for (unsigned int i = 0; i < 5; i++)
		send_marked(7, 1, STACK_TX_SYN);
	cr_assert_eq(counters.v[MR_C_TX_REFUSED], 5);
	cr_assert_eq(drv.nsent, 0);
}

Test(port_tx, a_held_port_is_not_touched_and_takes_up_where_it_was)
{
	drv.takes = 10000;
	send_marked(0, 4, STACK_TX_DATA);
	tx_hold(&q, true);
	drv.calls = 0;
	send_marked(4, 4, STACK_TX_DATA);
	cr_assert_not(tx_retry(&q));
	send_marked(8, TX_BACKLOG_MAX, STACK_TX_SYN);
	cr_assert_eq(drv.calls, 0, "bursts into a port that is held");
	cr_assert_eq(q.n, TX_BACKLOG_MAX);
	cr_assert_eq(counters.v[MR_C_TX_DROP_DATA], 4, "data goes first");
	tx_hold(&q, false);
	send_marked(100, 1, STACK_TX_DATA);
	cr_assert_eq(q.n, 0);
	cr_assert_eq(drv.nsent, 4 + TX_BACKLOG_MAX + 1);
	sent_in_order(4, 8, TX_BACKLOG_MAX);
	sent_in_order(4 + TX_BACKLOG_MAX, 100, 1);
}
