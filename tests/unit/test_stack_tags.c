/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What looks the same and is not. Two tuples whose tags are equal in one bucket: the index of the
 * table takes the one for the other, and only the key in the record tells them apart (found by
 * trying). MACs that differ in one octet. Both were asked for by mutants.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "octets.h"
#include "rules_fixture.h"

TestSuite(stack_tags, .init = rf_start, .fini = rf_stop, .timeout = 120);

/* The one connection that there is. */
static struct conn_ref only(struct mr_worker *w, struct flows *f)
{
	for (uint32_t i = 0; i < f->table.capacity; i++)
		if (tcp_state(conn_at(f, i).c) == TCP_ESTABLISHED)
			return conn_at(f, i);
	cr_assert(w == NULL, "no connection was opened");
	return (struct conn_ref){0};
}

/* Another address and port of a peer that hash to the same bucket and tag. */
static struct mr_endpoint other(struct mr_worker *w, struct flows *f, struct conn_ref r,
				struct mr_endpoint peer)
{
	struct flow_key key;
	uint64_t wanted, h;
	uint8_t *last;

	conn_key(r, &key);
	wanted = flow_hash(&w->key_table, &key);
	last = &key.raddr[f->family == 4 ? 3 : 15];
	for (uint32_t n = 0; n < 240u * 65535u; n++) {
		*last = (uint8_t)(10 + n / 65535);
		key.rport = wire_be16((uint16_t)(1 + n % 65535));
		h = flow_hash(&w->key_table, &key);
		if (h != wanted && table_tag(h) == table_tag(wanted) &&
		    table_home(&f->table, h) == table_home(&f->table, wanted)) {
			memcpy(peer.addr, key.raddr, f->family == 4 ? 4 : 16);
			peer.port = wire_be16(key.rport);
			return peer;
		}
	}
	cr_assert(false, "no such tuple among 15 million");
	return peer;
}

static void taken_for_another(struct rf_path path)
{
	struct stack_config cfg;
	struct mr_worker *w;
	struct flows *f;
	struct tcp_conn was;
	struct conn_ref r;
	struct tcp_seg seg = {.seq = 1000, .flags = TCP_SYN, .wnd = 65535};

	rf_configure(&cfg);
	cfg.tcp.timestamps = false;
	cfg.conns4 = cfg.conns6 = 64;
	w = rf_worker(&cfg, 500000);
	f = &w->flows[path.us.family == 6];
	rf_segment(w, &path, &seg, NULL);
	seg = (struct tcp_seg){.seq = 1001, .ack = rf_last(TCP_SYN | TCP_ACK)->seg.seq + 1,
			       .flags = TCP_ACK, .wnd = 65535};
	rf_segment(w, &path, &seg, NULL);
	r = only(w, f);
	was = *r.c;
	path.peer = other(w, f, r, path.peer);
	/* what the connection waits for, but from somebody else: text, then a FIN */
	for (unsigned int i = 0; i < 2; i++) {
		seg.flags = TCP_ACK | (i ? TCP_FIN : TCP_PSH);
		seg.len = i ? 0 : 4;
		rf_segment(w, &path, &seg, "abcd");
		cr_expect_eq(rf_last(TCP_RST)->seg.seq, seg.ack);
		cr_expect(rf_same(&rf_seen[rf_nseen - 1].dst, &path.peer));
	}
	cr_expect_eq(rf_ntext, 0);
	cr_expect_eq(tcp_state(r.c), TCP_ESTABLISHED);
	cr_expect_eq(r.c->rcv_nxt, was.rcv_nxt);
	stack_check(w);
	stack_destroy(w);
}

Test(stack_tags, equal_tag_is_not_equal_key_ipv4)
{
	taken_for_another((struct rf_path){.peer = RF_IP4(10, 77, 0, 9, 4000),
					   .us = RF_IP4(10, 77, 0, 2, 80), .vlan = WIRE_NO_VLAN});
}

Test(stack_tags, equal_tag_is_not_equal_key_ipv6)
{
	taken_for_another((struct rf_path){.peer = RF_IP6(9, 4000), .us = RF_IP6(2, 80),
					   .vlan = WIRE_NO_VLAN});
}

/* A SYN to our address, but to a MAC that differs from ours in one octet. */
static void to_mac(struct mr_worker *w, const uint8_t mac[6])
{
	static const uint8_t peer_mac[6] = {2, 0, 0, 0, 1, 1};
	const struct tcp_seg syn = {.seq = 1, .flags = TCP_SYN, .wnd = 65535};
	struct wire_addrs a = {.family = 4, .hop_limit = 64, .sport = wire_be16(4000),
			       .dport = wire_be16(80), .src = {10, 77, 0, 50},
			       .dst = {10, 77, 0, 2}};
	struct rte_mbuf *m = rte_pktmbuf_alloc(rte_mempool_lookup("rf"));
	struct wire_l2 l2;

	cr_assert_not_null(m);
	wire_l2_make(&l2, mac, peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, RTE_ETHER_TYPE_IPV4);
	wire_build_tcp(m, &l2, &a, &syn, 0);
	wire_finish_tcp(m, l2.len, 4, 0);
	m->ol_flags = 0;
	rf_nseen = 0;
	stack_rx(w, 0, &m, 1);
	stack_flush(w);
}

Test(stack_tags, a_mac_is_six_octets)
{
	for (unsigned int fast = 0; fast < 2; fast++) {
		uint8_t mac[6] = {2, 0, 0, 0, 0, 0xaa};		/* of rules_fixture.c */
		struct stack_config cfg;
		struct mr_worker *w;

		rf_configure(&cfg);
		cfg.fast_path = fast != 0;
		w = rf_worker(&cfg, 500000);
		for (unsigned int i = 0; i < 6; i++) {
			mac[i] ^= 4;
			to_mac(w, mac);
			mac[i] ^= 4;
			cr_expect_eq(rf_nseen, 0, "octet %u was not looked at", i);
		}
		cr_expect_eq(w->counters.v[MR_C_RX_NOT_OURS_MAC], 6);
		to_mac(w, mac);
		rf_last(TCP_SYN | TCP_ACK);
		stack_destroy(w);
	}
}
