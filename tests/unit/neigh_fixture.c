/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers, mbufs and frames of neigh_fixture.h, and the functions that are recorded. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "neigh_fixture.h"
#include "octets.h"

struct nf_frame nf_sent[NF_SENT_MAX];
unsigned int nf_nsent;
struct nf_error nf_error;
unsigned int nf_reacts;
bool nf_no_mbufs;

const uint8_t nf_our_mac[2][6] = {{2, 0, 0, 0, 0, 0xaa}, {2, 0, 0, 0, 0, 0xbb}};
const uint8_t nf_peer_mac[6] = {2, 0, 0, 0, 1, 1};
const uint8_t nf_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
const uint8_t nf_any6[16];

#define NF_POOL 2047u
static struct rte_mempool *pool;

/* ---- what the files under test call ---- */

void tx_push(struct mr_worker *w, uint16_t port, struct rte_mbuf *m, unsigned int tx_class)
{
	cr_assert_lt(nf_nsent, NF_SENT_MAX);
	nf_sent[nf_nsent++] = (struct nf_frame){m, w->id, tx_class, port};
}

struct rte_mbuf *ctl_mbuf(struct mr_worker *w)
{
	if (nf_no_mbufs) {
		mr_count(&w->counters, MR_C_TX_NO_MBUF);
		return NULL;
	}
	return nf_mbuf();
}

void react(struct mr_worker *w, struct conn_ref r, unsigned int was, struct tcp_verdict *v,
	   struct rte_mbuf *reply)
{
	cr_assert_null(reply);
	cr_assert_eq(tcp_state(r.c), was);
	cr_assert_eq(v->bits, 0);
	cr_assert_eq(conn_by_id(w, conn_id(r)).c, r.c);
	nf_reacts++;
}

void fragment_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m)
{
	tx_push(w, port, m, MAIL_FRAGMENT);
}

void datagram_input(struct mr_worker *w, const struct mail_frame *whole)
{
	tx_push(w, whole->port, whole->m, MAIL_DATAGRAM);
}

void conn_ts_offset(struct mr_worker *w, struct conn_ref r)
{
	w->cx_conn = r.c;
}

bool tcp_path_mss(struct tcp_cx *cx, struct tcp_conn *c, uint16_t mss)
{
	(void)cx;
	if (mss >= c->mss)
		return false;
	c->mss = mss;
	return true;
}

void tcp_soft_error(struct tcp_cx *cx, struct tcp_conn *c, uint16_t what)
{
	(void)cx;
	(void)c;
	nf_error.soft = what;
}

bool group_set_options(struct mr_worker *w, uint16_t group, const struct mr_options *opt)
{
	(void)w;
	(void)group;
	return opt->set == 0;
}

void conn_params(struct mr_worker *w, const struct tcp_conn *c)
{
	(void)w;
	(void)c;
}

void tcp_icmp_error(struct tcp_cx *cx, struct tcp_conn *c, bool hard, uint32_t quoted_seq,
		    struct tcp_verdict *v)
{
	const char *at = (const char *)cx - offsetof(struct mr_worker, cx);
	const struct mr_worker *w = (const void *)at;

	(void)v;
	nf_error = (struct nf_error){w->id, nf_error.count + 1, c, quoted_seq, hard,
				     nf_error.soft};
}

/* ---- life ---- */

void nf_start(void)
{
	char *argv[] = {"test", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
			"--no-telemetry", "--log-level=error", "-l", "0"};

	cr_assert_geq(rte_eal_init(MR_ARRAY_LEN(argv), argv), 0);
	pool = rte_pktmbuf_pool_create("nf", NF_POOL, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, -1);
	cr_assert_not_null(pool);
}

void nf_flush(void)
{
	while (nf_nsent != 0)
		rte_pktmbuf_free(nf_sent[--nf_nsent].m);
}

unsigned int nf_mbufs_out(void)
{
	return rte_mempool_in_use_count(pool);
}

void nf_stop(void)
{
	nf_flush();
	MR_ASSERT(nf_mbufs_out() == 0);
	rte_eal_cleanup();
}

static void add_addr(struct stack_config *cfg, const struct stack_addr *a)
{
	cfg->addr[cfg->naddrs++] = *a;
}

static void configure(struct stack_config *cfg)
{
	struct stack_addr a4 = {.family = 4, .prefix_len = 24, .port = 0, .vlan = WIRE_NO_VLAN,
				.vlan_outer = WIRE_NO_VLAN, .count = 4};
	struct stack_addr a6 = {.family = 6, .prefix_len = 64, .port = 0, .vlan = WIRE_NO_VLAN,
				.vlan_outer = WIRE_NO_VLAN, .count = 2};

	nf_ip4(a4.addr, 0x0a4d0002);
	add_addr(cfg, &a4);
	nf_ip6(a6.addr, 2);
	add_addr(cfg, &a6);
	a4.count = 1;
	a4.vlan = 7;
	add_addr(cfg, &a4);
	a4.vlan = WIRE_NO_VLAN;
	a4.port = 1;
	nf_ip4(a4.addr, 0x0a630002);
	add_addr(cfg, &a4);
	cfg->gateway[0] = (struct stack_gateway){.family = 4, .port = 0};
	nf_ip4(cfg->gateway[0].addr, 0x0a4d0001);
	cfg->gateway[1] = (struct stack_gateway){.family = 6, .port = 0};
	nf_ip6(cfg->gateway[1].addr, 1);
	cfg->ngateways = 2;
}

static void make_tables(struct mr_worker *w)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct table_config tc = {
			.capacity = 64,
			.stride = i == 0 ? sizeof(struct conn4) : sizeof(struct conn6),
			.key_offset = offsetof(struct tcp_conn, laddr),
			.family = i == 0 ? 4 : 6, .load_percent = 55, .node = -1,
		};

		w->flows[i] = (struct flows){.w = w, .family = tc.family, .on = true};
		cr_assert_eq(table_create(&w->flows[i].table, &tc), 0);
	}
}

struct mr_worker *nf_worker(unsigned int id, unsigned int first, unsigned int count,
			    uint32_t neighbours)
{
	struct mr_worker *w = aligned_alloc(MR_CACHE_LINE, (sizeof(*w) + 63) & ~63ul);
	struct stack_config *cfg = calloc(1, sizeof(*cfg));
	const char *why = "";

	memset(w, 0, sizeof(*w));
	w->id = id;
	w->group_first = first;
	w->group_count = count;
	w->nports = 2;
	w->data_pool = w->ctl_pool = pool;
	w->icmp_rate.per_s = 1000;
	w->key_table = (struct mr_sipkey){id * 3 + 1, 7};
	for (unsigned int p = 0; p < 2; p++) {
		memcpy(w->port[p].mac, nf_our_mac[p], 6);
		w->port[p].multi_seg = true;
	}
	configure(cfg);
	cr_assert_eq(addr_setup(w, cfg, &why), 0, "%s", why);
	free(cfg);
	make_tables(w);
	cr_assert_eq(neigh_setup(w, neighbours), 0);
	cr_assert_eq(mail_setup(w), 0);
	w->paths = ip_paths_create();
	nf_at(w, 1000);
	return w;
}

void nf_destroy(struct mr_worker *w)
{
	mail_teardown(w);
	ip_paths_destroy(w->paths);
	neigh_teardown(w);
	addr_teardown(w);
	for (unsigned int i = 0; i < 2; i++)
		table_destroy(&w->flows[i].table);
	free(w);
}

void nf_at(struct mr_worker *w, uint32_t now_ms)
{
	w->now_ms = now_ms;
	w->now_us = now_ms * 1000ull;
}

void nf_run(struct mr_worker *w, uint32_t until_ms)
{
	while (w->now_ms != until_ms) {
		nf_at(w, w->now_ms + 1);
		neigh_turn(w);
	}
}

/* ---- frames ---- */

void nf_ip4(uint8_t to[16], uint32_t host_order)
{
	memset(to, 0, 16);
	wire_store32(to, wire_be32(host_order));
}

void nf_ip6(uint8_t to[16], uint16_t low)
{
	memset(to, 0, 16);
	to[0] = 0xfd;
	to[1] = 0x77;
	wire_store16(to + 14, wire_be16(low));
}

struct rte_mbuf *nf_mbuf(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	cr_assert_not_null(m);
	m->hash.usr = 0xdeadbeef;
	return m;
}

void nf_input(struct mr_worker *w, uint16_t port, struct rte_mbuf *m)
{
	struct wire_frame f;

	wire_parse(m, &f, &w->counters);
	if (f.kind == WIRE_ARP) {
		neigh_arp_input(w, port, m, &f);
	} else if (f.kind == WIRE_DROP) {
		mr_count(&w->counters, f.drop);
		rte_pktmbuf_free(m);
	} else {
		cr_assert(f.kind == WIRE_ICMP4 || f.kind == WIRE_ICMP6);
		icmp_input(w, port, m, &f);
	}
}

struct rte_mbuf *nf_arp(uint16_t op, const uint8_t *mac, uint32_t sender, uint32_t target,
			uint16_t vlan)
{
	struct rte_mbuf *m = nf_mbuf();
	struct wire_arp arp = {.op = op};
	struct wire_l2 l2;

	wire_l2_make(&l2, op == 1 ? nf_broadcast : nf_our_mac[0], mac, vlan, WIRE_NO_VLAN,
		     RTE_ETHER_TYPE_ARP);
	memcpy(arp.sender_mac, mac, 6);
	wire_store32(arp.sender_ip, wire_be32(sender));
	wire_store32(arp.target_ip, wire_be32(target));
	wire_build_arp(m, &l2, &arp);
	return m;
}

static void put_ip(uint8_t *at, uint8_t family, const uint8_t *src, const uint8_t *dst,
		   uint32_t len)
{
	struct rte_ipv4_hdr *v4 = (void *)at;
	struct rte_ipv6_hdr *v6 = (void *)at;

	if (family == 4) {
		*v4 = (struct rte_ipv4_hdr){
			.version_ihl = 0x45, .total_length = wire_be16((uint16_t)(len + 20)),
			.time_to_live = 61, .next_proto_id = 1,
			.src_addr = wire_load32(src), .dst_addr = wire_load32(dst),
		};
		v4->hdr_checksum = rte_ipv4_cksum(v4);
		return;
	}
	*v6 = (struct rte_ipv6_hdr){
		.vtc_flow = wire_be32(6u << 28), .payload_len = wire_be16((uint16_t)len),
		.proto = 58, .hop_limits = 61,
	};
	wire_ip6_set(v6, src, dst);
}

struct rte_mbuf *nf_icmp(uint8_t family, const uint8_t *src, const uint8_t *dst, const uint8_t *msg,
			 uint32_t len)
{
	const uint32_t ip_len = family == 4 ? 20 : 40;
	struct rte_mbuf *m = nf_mbuf();
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(14 + ip_len + len));
	struct wire_l2 l2;
	uint64_t sum = 0;

	wire_l2_make(&l2, nf_our_mac[0], nf_peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN,
		     family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	memcpy(at, l2.octets, l2.len);
	put_ip(at + 14, family, src, dst, len);
	memcpy(at + 14 + ip_len, msg, len);
	if (family == 6)
		sum = wire_sum(at + 14 + 8, 32, wire_sum_pseudo(58, len));
	wire_store16(at + 14 + ip_len + 2, 0);
	wire_store16(at + 14 + ip_len + 2, wire_sum_fold(wire_sum(at + 14 + ip_len, len, sum)));
	return m;
}

struct rte_mbuf *nf_icmp_error(const struct nf_quote *q)
{
	static const uint8_t router4[16] = {10, 77, 0, 1};
	const uint32_t ip_len = q->family == 4 ? 20 : 40;
	uint8_t msg[8 + 40 + 20] = {q->type, q->code}, router[16];
	uint8_t *tcp = msg + 8 + ip_len;

	wire_store32(msg + 4, wire_be32(q->rest));
	put_ip(msg + 8, q->family, q->src, q->dst, 20);
	if (q->family == 4)
		((struct rte_ipv4_hdr *)(msg + 8))->next_proto_id = 6;
	else
		((struct rte_ipv6_hdr *)(msg + 8))->proto = 6;
	wire_store16(tcp, wire_be16(q->sport));
	wire_store16(tcp + 2, wire_be16(q->dport));
	wire_store32(tcp + 4, wire_be32(q->seq));
	if (q->family == 4)
		memcpy(router, router4, 16);
	else
		nf_ip6(router, 1);
	return nf_icmp(q->family, router, q->src, msg, 8 + ip_len + 20);
}

struct rte_mbuf *nf_segment(struct mr_worker *w, uint16_t hop, const struct nf_quote *q,
			    uint8_t flags, uint16_t payload)
{
	struct wire_addrs a = {.family = q->family, .hop_limit = 64, .sport = wire_be16(q->sport),
			       .dport = wire_be16(q->dport)};
	const struct tcp_seg seg = {.seq = q->seq, .flags = flags, .len = payload};
	struct rte_mbuf *m = nf_mbuf();

	memcpy(a.src, q->src, 16);
	memcpy(a.dst, q->dst, 16);
	wire_build_tcp(m, &w->neigh.hop[hop].l2, &a, &seg, 1);
	if (payload != 0)
		memset(rte_pktmbuf_append(m, payload), 'x', payload);
	wire_finish_tcp(m, w->neigh.hop[hop].l2.len, q->family, 0);
	return m;
}

struct tcp_conn *nf_conn(struct mr_worker *w, const struct nf_quote *q)
{
	struct flow_key key = {.rport = wire_be16(q->dport), .lport = wire_be16(q->sport),
			       .family = q->family};
	struct flows *f = &w->flows[q->family == 6];
	struct tcp_conn *c;
	uint32_t i;

	memcpy(key.raddr, q->dst, q->family == 4 ? 4 : 16);
	key.laddr = laddr_find_any(w, q->family, 0, q->src);
	cr_assert_neq(key.laddr, MR_NONE16);
	i = table_insert(&f->table, &key, flow_hash(&w->key_table, &key));
	cr_assert_neq(i, TABLE_NIL);
	c = table_record(&f->table, i);
	c->state_bit = (uint8_t)__builtin_ctz(TCP_SYN_SENT);
	c->snd_una = q->seq;
	c->snd_nxt = q->seq + 1;
	c->mss = 1460;
	return c;
}

/* ---- what was sent ---- */

struct wire_frame nf_frame(unsigned int i)
{
	static struct mr_counters counters;
	struct wire_frame f;

	cr_assert_lt(i, nf_nsent, "only %u frames were sent", nf_nsent);
	wire_parse(nf_sent[i].m, &f, &counters);
	cr_assert_neq(f.kind, WIRE_DROP, "malformed frame: %s", mr_counter_info[f.drop].name);
	cr_assert(memcmp(nf_octets(i) + 6, nf_our_mac[nf_sent[i].port], 6) == 0);
	return f;
}

struct wire_arp nf_sent_arp(unsigned int i)
{
	struct wire_frame f = nf_frame(i);
	struct wire_arp arp;

	cr_assert_eq(f.kind, WIRE_ARP);
	wire_arp_values(nf_sent[i].m, &f, &arp);
	return arp;
}

struct wire_icmp nf_sent_icmp(unsigned int i)
{
	struct wire_frame f = nf_frame(i);
	struct wire_icmp icmp;

	cr_assert(f.kind == WIRE_ICMP4 || f.kind == WIRE_ICMP6);
	wire_icmp_values(nf_sent[i].m, &f, &icmp);
	return icmp;
}

const uint8_t *nf_octets(unsigned int i)
{
	return rte_pktmbuf_mtod(nf_sent[i].m, const uint8_t *);
}
