/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop of impair between two pairs of rings: this test is at both outer ends. */
#include <criterion/criterion.h>

#include <rte_ethdev.h>

#include "engine.h"
#include "impair_fixture.h"
#include "joint.h"

static struct imp_joint joint;
static struct imp_options options;
static char outer[2][64];

static void open_joint(uint32_t entries)
{
	char *argv[] = {"impair", "--a", "x", "--b", "y", "--seed", "9"};
	char err[IMP_ERROR_MAX];
	uint16_t id;

	cr_assert_eq(imp_options_parse(7, argv, &options, err), 0);
	cr_assert_eq(engine_ring_pair("l", 1, entries, outer[0], options.port[0]), 0);
	cr_assert_eq(engine_ring_pair("r", 1, entries, outer[1], options.port[1]), 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct rte_eth_conf conf = {0};

		cr_assert_eq(rte_eth_dev_get_port_by_name(outer[i], &id), 0);
		cr_assert_eq(rte_eth_dev_configure(id, 1, 1, &conf), 0);
		cr_assert_eq(rte_eth_rx_queue_setup(id, 0, 512, 0, NULL, impair_pool), 0);
		cr_assert_eq(rte_eth_tx_queue_setup(id, 0, 512, 0, NULL), 0);
		cr_assert_eq(rte_eth_dev_start(id), 0);
	}
	options.dir[0].hold_frames = options.dir[1].hold_frames = 1000;
	options.frames = 400;
}

static uint16_t id_of(unsigned int i)
{
	uint16_t id = 0;

	cr_assert_eq(rte_eth_dev_get_port_by_name(outer[i], &id), 0);
	return id;
}

static void send_all(unsigned int i, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		struct rte_mbuf *m = frame(k);

		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM; /* what the sender's port was told */
		cr_assert_eq(rte_eth_tx_burst(id_of(i), 0, &m, 1), 1);
	}
}

static uint32_t receive_all(unsigned int i)
{
	struct rte_mbuf *m;
	uint32_t n = 0, last = 0;

	for (; rte_eth_rx_burst(id_of(i), 0, &m, 1) == 1; n++) {
		cr_assert(n == 0 || number_of(m) > last);
		cr_assert_eq(m->ol_flags, 0);
		last = number_of(m);
		rte_pktmbuf_free(m);
	}
	return n;
}

TestSuite(impair_loop, .init = impair_eal);

Test(impair_loop, joins_two_rings_and_ends_by_frames)
{
	char err[IMP_ERROR_MAX] = "";

	open_joint(1024);
	options.dir[0].loss = 0.25;
	options.dir[0].delay_ns = 30 * MS;
	cr_assert_eq(imp_joint_open_ports(&joint, &options, err), 0, "%s", err);
	send_all(0, 400);
	send_all(1, 400);
	cr_assert_eq(imp_joint_run(&joint), 0); /* delivers what is under way, then ends */
	cr_assert(joint.done && joint.dir[0].count.received == 400 && imp_adds_up(&joint.dir[0]));
	cr_assert_eq(receive_all(1), 400 - joint.dir[0].count.lost);
	cr_assert_eq(receive_all(0), 400);
	cr_assert(joint.dir[0].count.lost > 60 && joint.dir[0].count.lost < 140);
	cr_assert(joint.dir[0].delay.min >= 30 * MS);
	cr_assert(joint.dir[1].delay.min < 30 * MS);
	imp_joint_close(&joint);
	cr_assert_eq(rte_mempool_in_use_count(impair_pool), 0);
}

/* A ring of 63 that nobody reads: what it does not take is refused, the rest of the world lives. */
Test(impair_loop, a_port_that_takes_nothing_stops_nothing)
{
	char err[IMP_ERROR_MAX] = "";

	open_joint(64);
	options.frames = 0;
	options.duration_ns = 200 * MS;
	cr_assert_eq(imp_joint_open_ports(&joint, &options, err), 0, "%s", err);
	send_all(0, 63);
	joint.clock.tsc0 = mr_tsc();
	imp_joint_run(&joint);
	cr_assert_eq(joint.dir[0].count.sent, 63);
	send_all(0, 10);
	send_all(1, 20);
	joint.clock.tsc0 = mr_tsc();
	imp_joint_run(&joint);
	cr_assert_eq(joint.dir[1].count.sent, 20);
	cr_assert_gt(joint.dir[0].count.refused, 3);
	cr_assert(imp_adds_up(&joint.dir[0]));
	cr_assert_eq(receive_all(1), 63);
	cr_assert_eq(receive_all(0), 20);
	imp_joint_close(&joint);
	cr_assert_eq(rte_mempool_in_use_count(impair_pool), 0);
}
