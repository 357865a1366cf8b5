/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive queue against a driver that delivers what the test says: bursts wait for their octets
 * only while the queue is full, nothing is lost, nothing overtakes, what waits is discarded at the
 * end. The driver is put into ethdev's table of burst functions; the stack is port_double.c.
 */
#include <criterion/criterion.h>

#include <rte_ethdev.h>

#include "eal.h"
#include "port_double.h"
#include "rx.h"

#define PORT (RTE_MAX_ETHPORTS - 1)
#define POOL 1023u
#define STALE RTE_MBUF_F_RX_FDIR

static struct rte_mempool *pool;
static uint16_t delivers;	/* frames of the next burst */
static uint32_t next_mark;
static struct rx_queue q;
static struct mr_worker worker;
static void *queue_data[1];
static void *callbacks[1];

static uint16_t drv_burst(void *data, struct rte_mbuf **m, uint16_t n)
{
	uint16_t k = MR_MIN(n, delivers);

	(void)data;
	for (uint16_t i = 0; i < k; i++) {
		m[i] = rte_pktmbuf_alloc(pool);
		cr_assert_not_null(m[i]);
		*(uint32_t *)rte_pktmbuf_append(m[i], 64) = next_mark++;
		m[i]->ol_flags = STALE | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	}
	return k;
}

static void start(void)
{
	struct eal_options opt;
	const char *why = "";

	double_eal(&opt, 1);
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	pool = rte_pktmbuf_pool_create("p", POOL, 0, 0, 512, SOCKET_ID_ANY);
	cr_assert_not_null(pool);
	rte_eth_fp_ops[PORT].rx_pkt_burst = drv_burst;
	rte_eth_fp_ops[PORT].rxq.data = queue_data;
	rte_eth_fp_ops[PORT].rxq.clbk = callbacks;
	q = (struct rx_queue){.port = PORT, .burst = MR_BURST, .newest = 0,
			      .keep_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD};
	worker.in_order = true;
}

static void stop(void)
{
	MR_ASSERT(worker.in_order);
	MR_ASSERT((worker.flags_seen & STALE) == 0);
	rx_discard(&q);
	MR_ASSERT(rte_mempool_avail_count(pool) == POOL);
	eal_stop();
}

static unsigned int turn(uint16_t n)
{
	delivers = n;
	return rx_turn(&q, &worker);
}

TestSuite(port_rx, .init = start, .fini = stop);

Test(port_rx, few_frames_go_on_at_once)
{
	cr_expect_eq(turn(RX_SMALL - 1), RX_SMALL - 1);
	cr_expect_eq(worker.received, RX_SMALL - 1);
	cr_expect_not(q.full);
	cr_expect_eq(turn(0), 0, "nothing waits");
}

Test(port_rx, a_full_burst_waits_for_two_turns)
{
	turn(MR_BURST);
	cr_expect(q.full);
	cr_expect_eq(worker.received, 0);
	turn(MR_BURST);
	cr_expect_eq(worker.received, 0);
	turn(MR_BURST);
	cr_expect_eq(worker.received, MR_BURST, "the first one is handed on by the third turn");
	turn(MR_BURST);
	cr_expect_eq(worker.received, 2 * MR_BURST);
}

Test(port_rx, a_small_burst_takes_along_what_waits)
{
	turn(MR_BURST);
	turn(MR_BURST);
	cr_expect_gt(turn(0), 0, "a turn that only hands on is no idle one");
	cr_expect_eq(worker.received, 2 * MR_BURST);
	cr_expect_eq(turn(0), 0);
}

Test(port_rx, any_sequence_of_bursts_keeps_the_order_and_loses_none)
{
	uint32_t x = 1, sum = 0;

	for (unsigned int i = 0; i < 5000; i++) {
		x = x * 1664525u + 1013904223u;
		turn((uint16_t)((x >> 8) % 3 == 0 ? (x >> 16) % (MR_BURST + 1) : MR_BURST));
		sum = next_mark - (uint32_t)worker.received;
		cr_assert_leq(sum, RX_HELD_MAX, "%u frames wait", sum);
	}
	turn(0);
	cr_expect_eq(worker.received, next_mark);
}

Test(port_rx, what_waits_is_given_back_at_the_end)
{
	turn(MR_BURST);
	turn(MR_BURST);
}

Test(port_rx, what_waits_goes_on_when_the_queue_is_left_alone)
{
	for (unsigned int bursts = 0; bursts < 2 * RX_STAGES; bursts++) {
		for (unsigned int i = 0; i < bursts; i++)
			turn(MR_BURST);
		rx_hand_on_all(&q, &worker);
		cr_assert_eq(worker.received, next_mark, "after %u bursts", bursts);
		cr_assert_not(q.full);
	}
}
