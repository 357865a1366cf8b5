/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours and ICMP with the whole stack around them: what a handler hears of them. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "octets.h"
#include "worker.h"

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 0xaa}, peer_mac[6] = {2, 0, 0, 0, 1, 1};
static struct rte_mempool *pool;
static struct rte_mbuf *sent[256];
static unsigned int nsent, nclosed;
static enum mr_reason closed_why;

static void transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	(void)ctx;
	(void)port;
	for (uint16_t i = 0; i < n; i++)
		sent[nsent++] = m[i];
}

static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason why)
{
	(void)w;
	(void)c;
	nclosed++;
	closed_why = why;
}

static const struct mr_callbacks callbacks = {.on_closed = on_closed};

static void start(void)
{
	char *argv[] = {"test", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
			"--no-telemetry", "--log-level=error", "-l", "0"};

	cr_assert_geq(rte_eal_init(MR_ARRAY_LEN(argv), argv), 0);
	pool = rte_pktmbuf_pool_create("pool", 1023, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, -1);
	cr_assert_not_null(pool);
}

static void forget(void)
{
	while (nsent != 0)
		rte_pktmbuf_free(sent[--nsent]);
}

static void stop(void)
{
	forget();
	MR_ASSERT(rte_mempool_in_use_count(pool) == 0);
	rte_eal_cleanup();
}

TestSuite(neigh_stack, .init = start, .fini = stop);

static struct mr_worker *worker(void)
{
	static struct stack_config cfg;
	struct stack_init init = {.cfg = &cfg, .group_count = 1, .node = -1, .data_pool = pool,
				  .ctl_pool = pool, .nports = 1, .io = {.transmit = transmit},
				  .now_us = 1000000};
	const char *why = "";
	struct mr_worker *w;

	stack_config_default(&cfg);
	cfg.conns4 = cfg.conns6 = cfg.time_wait4 = cfg.time_wait6 = cfg.extensions = 256;
	cfg.mbufs_reserve = 16;
	cfg.addr[0] = (struct stack_addr){.family = 4, .prefix_len = 24, .vlan = WIRE_NO_VLAN,
					  .vlan_outer = WIRE_NO_VLAN, .addr = {10, 77, 0, 2},
					  .count = 1};
	cfg.naddrs = 1;
	memcpy(init.port[0].mac, our_mac, 6);
	init.port[0].mtu = 1500;
	init.port[0].multi_seg = true;
	w = stack_create(&init, &why);
	cr_assert_not_null(w, "%s", why);
	return w;
}

static void run(struct mr_worker *w, uint32_t ms)
{
	const uint64_t until_us = w->now_us + ms * 1000ull;

	while (w->now_us < until_us) {
		stack_set_time(w, w->now_us + 1000);
		stack_turn(w);
		stack_flush(w);
	}
}

static void connect_to_peer(struct mr_worker *w)
{
	const struct mr_connect_opts opts = {
		.remote = {.family = 4, .addr = {10, 77, 0, 50}, .port = 80},
		.callbacks = &callbacks,
	};
	mr_conn c;

	cr_assert_eq(mr_connect(w, &opts, &c), MR_OK);
	stack_flush(w);
}

static void receive(struct mr_worker *w, struct rte_mbuf *m)
{
	stack_rx(w, 0, &m, 1);
	stack_flush(w);
}

static void answer_arp(struct mr_worker *w)
{
	struct wire_arp arp = {.op = 2, .sender_ip = {10, 77, 0, 50}, .target_ip = {10, 77, 0, 2}};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct wire_l2 l2;

	wire_l2_make(&l2, our_mac, peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, RTE_ETHER_TYPE_ARP);
	memcpy(arp.sender_mac, peer_mac, 6);
	wire_build_arp(m, &l2, &arp);
	receive(w, m);
}

/* Destination unreachable with that code, quoting the frame as the peer saw it. */
static void unreachable(struct mr_worker *w, const struct rte_mbuf *seen, uint8_t code)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, 14 + 20 + 8 + 28);
	struct rte_ipv4_hdr *ip = (void *)(at + 14);

	memcpy(at, our_mac, 6);
	memcpy(at + 6, peer_mac, 6);
	wire_store16(at + 12, wire_be16(RTE_ETHER_TYPE_IPV4));
	*ip = (struct rte_ipv4_hdr){.version_ihl = 0x45, .total_length = wire_be16(56),
				    .time_to_live = 64, .next_proto_id = 1};
	memcpy(&ip->src_addr, (const uint8_t[]){10, 77, 0, 50}, 4);
	memcpy(&ip->dst_addr, (const uint8_t[]){10, 77, 0, 2}, 4);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memset(at + 34, 0, 8);
	at[34] = 3;
	at[35] = code;
	memcpy(at + 42, rte_pktmbuf_mtod_offset(seen, const uint8_t *, 14), 28);
	wire_store16(at + 36, wire_sum_fold(wire_sum(at + 34, 36, 0)));
	receive(w, m);
}

Test(neigh_stack, nobody_answers_and_the_handler_hears_unreachable)
{
	struct mr_worker *w = worker();

	connect_to_peer(w);
	run(w, 2900);
	cr_assert_eq(nclosed, 0);
	run(w, 200);
	cr_assert_eq(nclosed, 1);
	cr_assert_eq(closed_why, MR_UNREACHABLE);
	cr_assert_eq(w->counters.v[MR_C_CONN_UNREACHABLE], 1);
	cr_assert_eq(w->neigh.hop[0].refs, 0);
	stack_destroy(w);
}

Test(neigh_stack, the_syn_leaves_when_the_neighbour_answers)
{
	struct mr_worker *w = worker();

	connect_to_peer(w);
	cr_assert_eq(nsent, 1, "only the question");
	answer_arp(w);
	cr_assert_eq(nsent, 2);
	cr_assert(memcmp(rte_pktmbuf_mtod(sent[1], uint8_t *), peer_mac, 6) == 0);
	cr_assert_eq(sent[1]->hash.usr, STACK_TX_SYN);
	stack_destroy(w);
}

Test(neigh_stack, hard_errors_end_an_open_and_soft_ones_do_not)
{
	struct mr_worker *w = worker();

	connect_to_peer(w);
	answer_arp(w);
	unreachable(w, sent[1], 1);
	run(w, 10);
	cr_assert_eq(nclosed, 0);
	unreachable(w, sent[1], 3);
	cr_assert_eq(nclosed, 1);
	cr_assert_eq(closed_why, MR_UNREACHABLE);
	unreachable(w, sent[1], 3);
	cr_assert_eq(nclosed, 1);
	cr_assert_eq(w->counters.v[MR_C_ICMP_ERROR_RX], 2);
	cr_assert_eq(w->counters.v[MR_C_ICMP_ERROR_STRAY], 1);
	stack_destroy(w);
}

Test(neigh_stack, link_up_announces)
{
	struct mr_worker *w = worker();

	stack_link(w, 0, true);
	run(w, 3000);
	cr_assert_eq(nsent, 2);
	stack_destroy(w);
}
