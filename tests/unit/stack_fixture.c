/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker, the peer's frames and the recorded handler of stack_fixture.h. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "build.h"
#include "stack_fixture.h"

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 0xaa}, peer_mac[6] = {2, 0, 0, 0, 1, 1};
static const uint8_t our_ip[16] = {10, 77, 0, 2}, peer_ip[16] = {10, 77, 0, 50};

struct stack_config sf_cfg;
struct stack_listener sf_listener[4];
struct stack_port sf_port;
struct mr_callbacks sf_callbacks;
struct mr_worker *sf_w;
struct rte_mempool *sf_data, *sf_ctl;
struct rte_mbuf *sf_sent[SF_SENT_MAX];
unsigned int sf_nsent, sf_accepted, sf_delivered, sf_writable, sf_nclosed;
enum mr_reason sf_closed_why;
mr_conn sf_conn;

/* ---- the handler ---- */

static void on_accept(struct mr_worker *w, mr_conn c)
{
	(void)w;
	sf_accepted++;
	sf_conn = c;
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	sf_delivered++;
	mr_consumed(w, c, m->pkt_len);
	rte_pktmbuf_free(m);
}

static void on_writable(struct mr_worker *w, mr_conn c)
{
	(void)w;
	(void)c;
	sf_writable++;
}

static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason why)
{
	(void)w;
	(void)c;
	sf_nclosed++;
	sf_closed_why = why;
}

/* ---- life ---- */

static void transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	(void)ctx;
	(void)port;
	cr_assert_leq(sf_nsent + n, SF_SENT_MAX);
	for (uint16_t i = 0; i < n; i++)
		sf_sent[sf_nsent++] = m[i];
}

static void configure(void)
{
	stack_config_default(&sf_cfg);
	sf_cfg.conns4 = sf_cfg.conns6 = sf_cfg.time_wait4 = sf_cfg.time_wait6 = 256;
	sf_cfg.extensions = 256;
	sf_cfg.mbufs_reserve = 16;
	sf_cfg.seed = 7;
	sf_cfg.addr[0] = (struct stack_addr){.family = 4, .prefix_len = 24, .vlan = WIRE_NO_VLAN,
					     .vlan_outer = WIRE_NO_VLAN, .count = 1};
	memcpy(sf_cfg.addr[0].addr, our_ip, 16);
	sf_cfg.naddrs = 1;
	sf_callbacks = (struct mr_callbacks){.on_accept = on_accept, .on_data = on_data,
					     .on_writable = on_writable, .on_closed = on_closed};
	sf_listener[0] = (struct stack_listener){.port_first = 80, .port_last = 80, .backlog = 100,
						 .callbacks = &sf_callbacks, .name = "first"};
	sf_cfg.listener = sf_listener;
	sf_cfg.nlisteners = 1;
	sf_port = (struct stack_port){.mtu = 1500, .multi_seg = true, .up = true};
	memcpy(sf_port.mac, our_mac, 6);
}

void sf_start(void)
{
	char *argv[] = {"test", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
			"--no-telemetry", "--log-level=error", "-l", "0"};

	cr_assert_geq(rte_eal_init(MR_ARRAY_LEN(argv), argv), 0);
	sf_data = rte_pktmbuf_pool_create("data", SF_MBUFS, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, -1);
	sf_ctl = rte_pktmbuf_pool_create("ctl", SF_MBUFS, 0, 0, 512, -1);
	cr_assert(sf_data != NULL && sf_ctl != NULL);
	configure();
}

void sf_worker(void)
{
	struct stack_init init = {.cfg = &sf_cfg, .group_count = 1, .node = -1,
				  .data_pool = sf_data, .ctl_pool = sf_ctl, .nports = 1,
				  .io = {.transmit = transmit}, .now_us = 500000};
	const char *why = "";

	init.port[0] = sf_port;
	sf_w = stack_create(&init, &why);
	cr_assert_not_null(sf_w, "%s", why);
}

void sf_forget(void)
{
	rte_pktmbuf_free_bulk(sf_sent, sf_nsent);
	sf_nsent = 0;
}

void sf_stop(void)
{
	if (sf_w != NULL) {
		stack_check(sf_w);
		stack_destroy(sf_w);
	}
	sf_forget();
	MR_ASSERT(rte_mempool_in_use_count(sf_data) == 0);
	MR_ASSERT(rte_mempool_in_use_count(sf_ctl) == 0);
	rte_eal_cleanup();
}

void sf_run(uint32_t ms)
{
	while (ms-- != 0) {
		stack_set_time(sf_w, sf_w->now_us + 1000);
		stack_turn(sf_w);
		stack_flush(sf_w);
	}
}

/* ---- the peer ---- */

struct rte_mbuf *sf_frame(const struct sf_seg *s)
{
	const struct tcp_seg seg = {.seq = s->seq, .ack = s->ack, .flags = s->flags, .wnd = 8192,
				    .len = s->len};
	struct wire_addrs a = {
		.family = 4,
		.hop_limit = 64,
		.sport = wire_be16(s->sport != 0 ? s->sport : SF_PEER_PORT),
		.dport = wire_be16(s->dport != 0 ? s->dport : 80),
	};
	struct rte_mbuf *m = rte_pktmbuf_alloc(sf_data);
	struct wire_l2 l2;

	cr_assert_not_null(m);
	memcpy(a.src, peer_ip, 16);
	memcpy(a.dst, our_ip, 16);
	wire_l2_make(&l2, our_mac, peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, RTE_ETHER_TYPE_IPV4);
	wire_build_tcp(m, &l2, &a, &seg, 1);
	if (s->len != 0)
		memset(rte_pktmbuf_append(m, s->len), 'x', s->len);
	wire_finish_tcp(m, l2.len, 4, 0);
	if (s->padding != 0)
		memset(rte_pktmbuf_append(m, s->padding), 0, s->padding);
	return m;
}

void sf_receive(struct rte_mbuf *m)
{
	stack_rx(sf_w, 0, &m, 1);
	stack_flush(sf_w);
}

void sf_segment(const struct sf_seg *seg)
{
	sf_receive(sf_frame(seg));
}

struct tcp_seg sf_tcp(unsigned int i)
{
	struct mr_counters counters = {0};
	uint16_t why = 0, payload_off;
	struct wire_frame f;
	struct tcp_seg seg;

	cr_assert_lt(i, sf_nsent, "only %u frames were sent", sf_nsent);
	wire_parse(sf_sent[i], &f, &counters);
	cr_assert_eq(f.kind, WIRE_TCP);
	cr_assert(wire_tcp_values(sf_sent[i], &f, &seg, &payload_off, &why));
	return seg;
}

uint32_t sf_establish(uint16_t sport)
{
	uint32_t ack;

	sf_forget();
	sf_segment(&(struct sf_seg){.sport = sport, .seq = SF_ISS, .flags = TCP_SYN});
	cr_assert_eq(sf_nsent, 1);
	ack = sf_tcp(0).seq + 1;
	sf_segment(&(struct sf_seg){
		.sport = sport, .seq = SF_ISS + 1, .ack = ack, .flags = TCP_ACK});
	sf_forget();
	return ack;
}

struct tcp_conn *sf_record(void)
{
	return conn_by_handle(sf_w, sf_conn).c;
}
