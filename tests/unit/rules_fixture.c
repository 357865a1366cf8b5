/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker, frames and records of rules_fixture.h. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "octets.h"
#include "rules_fixture.h"

struct rf_seen rf_seen[RF_LOG_MAX];
struct rf_asked rf_asked[RF_LOG_MAX];
unsigned int rf_nseen, rf_nasked;
char rf_text[256];
uint32_t rf_ntext;

static const uint8_t our_mac[2][6] = {{2, 0, 0, 0, 0, 0xaa}, {2, 0, 0, 0, 0, 0xbb}};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 1, 1};
static struct rte_mempool *pool;

/* ---- what leaves ---- */

static void see_tcp(uint16_t port, const struct rte_mbuf *m, const struct wire_frame *f)
{
	struct rf_seen *s = &rf_seen[rf_nseen++];
	const size_t octets = f->family == 4 ? 4 : 16;
	struct wire_ip ip;
	uint16_t off, why;

	cr_assert_lt(rf_nseen, RF_LOG_MAX);
	*s = (struct rf_seen){.port = port, .vlan = f->vlan};
	wire_ip_values(m, f, &ip);
	memcpy(s->src.addr, ip.src, octets);
	memcpy(s->dst.addr, ip.dst, octets);
	s->hop_limit = rte_pktmbuf_mtod_offset(m, const uint8_t *,
					       f->l2_len + (f->family == 4 ? 8u : 7u))[0];
	s->tos = f->tos;
	s->src.family = s->dst.family = f->family;
	s->src.port = wire_be16(f->sport);
	s->dst.port = wire_be16(f->dport);
	cr_assert(wire_tcp_values(m, f, &s->seg, &off, &why));
	cr_assert_eq((s->seg.opts & TCP_OPT_MSS) != 0, (s->seg.flags & TCP_SYN) != 0,
		     "flags 0x%02x, options 0x%02x", s->seg.flags, s->seg.opts);
}

static void transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	static struct mr_counters unused;

	(void)ctx;
	for (uint16_t i = 0; i < n; i++) {
		struct wire_frame f;

		wire_parse(m[i], &f, &unused);
		cr_assert_neq(f.kind, WIRE_DROP, "%s", mr_counter_info[f.drop].name);
		if (f.kind == WIRE_ARP) {
			cr_assert_lt(rf_nasked, RF_LOG_MAX);
			rf_asked[rf_nasked] = (struct rf_asked){.port = port, .vlan = f.vlan};
			wire_arp_values(m[i], &f, &rf_asked[rf_nasked++].arp);
		} else if (f.kind == WIRE_TCP) {
			see_tcp(port, m[i], &f);
		}
		rte_pktmbuf_free(m[i]);
	}
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	uint8_t copy[256];

	cr_assert_leq(rf_ntext + m->pkt_len, sizeof(rf_text));
	memcpy(rf_text + rf_ntext, rte_pktmbuf_read(m, 0, m->pkt_len, copy), m->pkt_len);
	rf_ntext += m->pkt_len;
	mr_consumed(w, c, m->pkt_len);
	rte_pktmbuf_free(m);
}
const struct mr_callbacks rf_callbacks = {.on_data = on_data};

const struct rf_seen *rf_last(unsigned int flags)
{
	cr_assert_gt(rf_nseen, 0);
	cr_assert_eq(rf_seen[rf_nseen - 1].seg.flags, flags, "flags 0x%02x",
		     rf_seen[rf_nseen - 1].seg.flags);
	return &rf_seen[rf_nseen - 1];
}

struct rf_path rf_back(const struct rf_seen *s)
{
	return (struct rf_path){.peer = s->dst, .us = s->src, .port = s->port, .vlan = s->vlan};
}

/* ---- life ---- */

void rf_start(void)
{
	char *argv[] = {"test", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
			"--no-telemetry", "--log-level=error", "-l", "0"};

	cr_assert_geq(rte_eal_init(MR_ARRAY_LEN(argv), argv), 0);
	pool = rte_pktmbuf_pool_create("rf", 1023, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, -1);
	cr_assert_not_null(pool);
}

void rf_stop(void)
{
	MR_ASSERT(rte_mempool_in_use_count(pool) == 0);
	rte_eal_cleanup();
}

static void add_range(struct stack_config *cfg, const struct stack_addr *a)
{
	cfg->addr[cfg->naddrs] = *a;
	cfg->addr[cfg->naddrs++].vlan_outer = WIRE_NO_VLAN;
}

void rf_configure(struct stack_config *cfg)
{
	static const struct stack_listener listener = {.port_first = 80, .port_last = 81,
						       .backlog = 100, .callbacks = &rf_callbacks,
						       .name = "web"};
	static const struct stack_addr addrs[] = {
		{4, 24, 0, WIRE_NO_VLAN, 0, {10, 77, 0, 2}, 4},
		{6, 64, 0, WIRE_NO_VLAN, 0, {0xfd, 0x77, [15] = 2}, 2},
		{4, 24, 0, 7, 0, {10, 88, 0, 2}, 1},
		{4, 24, 1, WIRE_NO_VLAN, 0, {10, 99, 0, 2}, 1},
		{4, 31, 1, WIRE_NO_VLAN, 0, {10, 66, 0, 0}, 1},
	};

	memset(cfg, 0, sizeof(*cfg));
	stack_config_default(cfg);
	cfg->conns4 = cfg->conns6 = cfg->time_wait4 = cfg->time_wait6 = 512;
	cfg->extensions = 64;
	cfg->mbufs_reserve = 16;
	cfg->tcp.msl_ms = 1000;
	cfg->seed = 42;
	cfg->listener = &listener;
	cfg->nlisteners = 1;
	for (unsigned int i = 0; i < MR_ARRAY_LEN(addrs); i++)
		add_range(cfg, &addrs[i]);
	cfg->gateway[0] = (struct stack_gateway){.family = 4, .addr = {10, 77, 0, 1}};
	cfg->ngateways = 1;
}

void rf_handlers(struct stack_config *cfg, const struct mr_callbacks *callbacks)
{
	static struct stack_listener listener;

	listener = cfg->listener[0];
	listener.callbacks = callbacks;
	cfg->listener = &listener;
}

struct mr_worker *rf_worker(const struct stack_config *cfg, uint64_t now_us)
{
	struct stack_init init = {.cfg = cfg, .group_count = 1, .node = -1, .data_pool = pool,
				  .ctl_pool = pool, .nports = 2, .io = {.transmit = transmit},
				  .now_us = now_us};
	const char *why = "";
	struct mr_worker *w;

	for (unsigned int p = 0; p < 2; p++) {
		init.port[p] = (struct stack_port){.mtu = 1500, .multi_seg = true, .up = true};
		memcpy(init.port[p].mac, our_mac[p], 6);
	}
	w = stack_create(&init, &why);
	cr_assert_not_null(w, "%s", why);
	rf_nseen = rf_nasked = rf_ntext = 0;
	return w;
}

void rf_run(struct mr_worker *w, uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i++) {
		stack_set_time(w, w->now_us + 1000);
		stack_turn(w);
		stack_flush(w);
	}
}

/* ---- what comes in ---- */

static void receive(struct mr_worker *w, uint16_t port, struct rte_mbuf *m)
{
	stack_rx(w, port, &m, 1);
	stack_flush(w);
}

void rf_neighbours_answer(struct mr_worker *w)
{
	stack_flush(w);
	while (rf_nasked != 0) {
		const struct rf_asked q = rf_asked[--rf_nasked];
		struct wire_arp arp = {.op = 2};
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		struct wire_l2 l2;

		cr_assert_not_null(m);
		wire_l2_make(&l2, our_mac[q.port], peer_mac, q.vlan, WIRE_NO_VLAN,
			     RTE_ETHER_TYPE_ARP);
		memcpy(arp.sender_mac, peer_mac, 6);
		memcpy(arp.sender_ip, q.arp.target_ip, 4);
		memcpy(arp.target_ip, q.arp.sender_ip, 4);
		wire_build_arp(m, &l2, &arp);
		receive(w, q.port, m);
	}
}

static struct rte_mbuf *frame(const struct rf_path *on, const struct tcp_seg *seg, const char *text)
{
	struct wire_addrs a = {.family = on->us.family, .hop_limit = 64,
			       .sport = wire_be16(on->peer.port), .dport = wire_be16(on->us.port)};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct wire_l2 l2;

	cr_assert_not_null(m);
	memcpy(a.src, on->peer.addr, 16);
	memcpy(a.dst, on->us.addr, 16);
	wire_l2_make(&l2, our_mac[on->port], peer_mac, on->vlan, WIRE_NO_VLAN,
		     a.family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	wire_build_tcp(m, &l2, &a, seg, 0);
	if (seg->len != 0)
		memcpy(rte_pktmbuf_append(m, seg->len), text, seg->len);
	wire_finish_tcp(m, l2.len, a.family, 0);
	m->ol_flags = 0;
	return m;
}

void rf_segment(struct mr_worker *w, const struct rf_path *on, const struct tcp_seg *seg,
		const char *text)
{
	receive(w, on->port, frame(on, seg, text));
}

void rf_segments(struct mr_worker *w, const struct rf_path *on, const struct tcp_seg *seg,
		 const char *text, unsigned int n)
{
	struct rte_mbuf *m[MR_BURST];

	for (unsigned int i = 0; i < n; i++) {
		m[i] = frame(on, &seg[i], text);
		text += seg[i].len;
	}
	stack_rx(w, on->port, m, (uint16_t)n);
	stack_flush(w);
}

/* ---- active opens ---- */

bool rf_same(const struct mr_endpoint *a, const struct mr_endpoint *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->addr, b->addr, 16) == 0;
}

enum mr_reason rf_try_open(struct mr_worker *w, const struct mr_endpoint *local,
			   const struct mr_endpoint *remote, mr_conn *c)
{
	const struct mr_connect_opts opts = {.local = *local, .remote = *remote,
					     .callbacks = &rf_callbacks};

	return mr_connect(w, &opts, c);
}

mr_conn rf_open(struct mr_worker *w, const struct mr_endpoint *local,
		const struct mr_endpoint *remote, struct mr_tcp_info *info)
{
	mr_conn c;

	cr_assert_eq(rf_try_open(w, local, remote, &c), MR_OK);
	cr_assert_eq(mr_tcp_info(w, c, info), MR_OK);
	cr_assert(rf_same(&info->remote, remote));
	return c;
}
