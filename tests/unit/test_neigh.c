/* SPDX-License-Identifier: BSD-3-Clause */
/* The neighbour table: learned and resolved entries, references, reuse, resolution, timers. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <rte_ether.h>
#include <rte_tcp.h>

#include "neigh_fixture.h"
#include "octets.h"

TestSuite(neigh, .init = nf_start, .fini = nf_stop);

static const struct nf_quote syn = {.family = 4, .src = {10, 77, 0, 2}, .dst = {10, 77, 0, 50},
				    .sport = 5000, .dport = 80, .seq = 777};

static uint16_t route4(struct mr_worker *w, uint32_t dst, enum mr_reason *why)
{
	uint8_t ip[16];

	nf_ip4(ip, dst);
	return neigh_route(w, 0, ip, why);
}

static const struct nexthop *hop_at(const struct mr_worker *w, uint16_t i)
{
	return &w->neigh.hop[i];
}

/* The route to 10.77.0.50, resolved at the worker's present time. */
static uint16_t resolved(struct mr_worker *w)
{
	enum mr_reason why;
	uint16_t hop = route4(w, 0x0a4d0032, &why);

	nf_input(w, 0, nf_arp(2, nf_peer_mac, 0x0a4d0032, 0x0a4d0002, WIRE_NO_VLAN));
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_REACHABLE);
	nf_flush();
	return hop;
}

/* ---- learned ---- */

struct station {
	uint8_t mac[6];
	uint16_t port, vlan;
	uint8_t family;
};

static uint16_t learn(struct mr_worker *w, const struct station *s)
{
	const struct wire_frame f = {.family = s->family, .vlan = s->vlan,
				     .vlan_outer = WIRE_NO_VLAN};
	struct rte_mbuf *m = nf_mbuf();
	uint8_t *eth = (uint8_t *)rte_pktmbuf_append(m, 60);
	uint16_t hop;

	cr_assert_not_null(eth);
	memset(eth, 0, 60);
	memcpy(eth + 6, s->mac, 6);
	hop = neigh_learn(w, s->port, m, &f);
	rte_pktmbuf_free(m);
	return hop;
}

static struct station station(uint32_t n)
{
	struct station s = {.mac = {2, 9}, .vlan = WIRE_NO_VLAN, .family = 4};

	wire_store32(s.mac + 2, wire_be32(n));
	return s;
}

Test(neigh, learned_entry_is_a_ready_header_and_never_asks)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct station s = {.mac = {2, 0, 0, 0, 1, 1}, .vlan = 7, .family = 6};
	uint16_t hop = learn(w, &s);
	const uint8_t want[18] = {2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0xaa, 0x81, 0, 0, 7, 0x86, 0xdd};

	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_LEARNED);
	cr_assert_eq(hop_at(w, hop)->l2.len, 18);
	cr_assert(memcmp(hop_at(w, hop)->l2.octets, want, 18) == 0);
	nf_run(w, 100000);
	cr_assert_eq(nf_nsent, 0);
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_LEARNED);
	nf_destroy(w);
}

Test(neigh, learned_key_is_mac_port_vlan_and_family)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	const struct station s[] = {
		{.mac = {2, 0, 0, 0, 1, 1}, .port = 0, .vlan = WIRE_NO_VLAN, .family = 4},
		{.mac = {2, 0, 0, 0, 1, 2}, .port = 0, .vlan = WIRE_NO_VLAN, .family = 4},
		{.mac = {3, 0, 0, 0, 1, 1}, .port = 0, .vlan = WIRE_NO_VLAN, .family = 4},
		{.mac = {2, 0, 0, 0, 1, 1}, .port = 1, .vlan = WIRE_NO_VLAN, .family = 4},
		{.mac = {2, 0, 0, 0, 1, 1}, .port = 0, .vlan = 7, .family = 4},
		{.mac = {2, 0, 0, 0, 1, 1}, .port = 0, .vlan = WIRE_NO_VLAN, .family = 6},
	};
	uint16_t hop[MR_ARRAY_LEN(s)];

	for (unsigned int i = 0; i < MR_ARRAY_LEN(s); i++) {
		hop[i] = learn(w, &s[i]);
		for (unsigned int k = 0; k < i; k++)
			cr_assert_neq(hop[i], hop[k], "stations %u and %u share an entry", i, k);
	}
	for (unsigned int i = 0; i < MR_ARRAY_LEN(s); i++) {
		cr_assert_eq(learn(w, &s[i]), hop[i]);
		cr_assert_eq(learn(w, &s[i]), hop[i]);
		cr_assert_eq(hop_at(w, hop[i])->refs, 3);
	}
	nf_destroy(w);
}

Test(neigh, full_table_reuses_what_nobody_refers_to)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct station s;
	uint16_t hop[17], fresh;

	for (uint32_t i = 0; i < 16; i++) {
		s = station(i);
		hop[i] = learn(w, &s);
	}
	s = station(16);
	cr_assert_eq(learn(w, &s), MR_NONE16, "every entry is in use");
	neigh_unref(w, hop[3]);
	neigh_unref(w, hop[5]);
	s = station(3);
	cr_assert_eq(learn(w, &s), hop[3], "an idle entry is still found");
	s = station(16);
	fresh = learn(w, &s);
	cr_assert_eq(fresh, hop[5], "the one that is idle, not the one in use again");
	s = station(5);
	cr_assert_eq(learn(w, &s), MR_NONE16, "the old key is gone");
	neigh_unref(w, fresh);
	cr_assert_eq(learn(w, &s), hop[5], "also when it was the last one learned");
	cr_assert(memcmp(hop_at(w, hop[5])->l2.octets, s.mac, 6) == 0);
	nf_destroy(w);
}

/* Random stations come and go; a naive twin knows who holds which entry. */
Test(neigh, random_references_against_a_twin)
{
	enum { STATIONS = 60, CAPACITY = 32, STEPS = 100000 };
	struct mr_worker *w = nf_worker(0, 0, 1, CAPACITY);
	uint16_t hop[STATIONS];
	uint32_t refs[STATIONS] = {0}, held = 0, full = 0;
	struct mr_rng rng;

	mr_rng_seed(&rng, 4861);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t k = (uint32_t)mr_rng_below(&rng, STATIONS);
		struct station s = station(k);

		if (refs[k] != 0 && mr_rng_below(&rng, 100) < 53) {
			neigh_unref(w, hop[k]);
			held -= --refs[k] == 0;
			continue;
		}
		if (refs[k] == 0 && held == CAPACITY) {
			cr_assert_eq(learn(w, &s), MR_NONE16);
			full++;
			continue;
		}
		uint16_t got = learn(w, &s);

		cr_assert_neq(got, MR_NONE16, "step %u: %u of %u held", step, held, CAPACITY);
		cr_assert(refs[k] == 0 || got == hop[k]);
		hop[k] = got;
		held += refs[k]++ == 0;
		cr_assert_eq(hop_at(w, got)->refs, refs[k]);
		cr_assert(memcmp(hop_at(w, got)->l2.octets, s.mac, 6) == 0);
	}
	cr_assert_gt(full, 100, "the table was never full");
	nf_destroy(w);
}

/* ---- routes ---- */

Test(neigh, route_is_on_link_or_by_the_gateway)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;
	uint16_t near = route4(w, 0x0a4d0032, &why), far = route4(w, 0x08080808, &why);
	uint8_t ip[16];

	cr_assert_eq(wire_load32(nf_sent_arp(0).target_ip), wire_be32(0x0a4d0032));
	cr_assert_eq(wire_load32(nf_sent_arp(1).target_ip), wire_be32(0x0a4d0001));
	cr_assert_neq(near, far);
	cr_assert_eq(route4(w, 0x09090909, &why), far, "all far addresses share the gateway");
	cr_assert_eq(hop_at(w, far)->refs, 2);
	cr_assert_eq(nf_nsent, 2, "an entry that is being resolved is not asked for again");

	nf_ip6(ip, 9);
	cr_assert_neq(neigh_route(w, 1, ip, &why), MR_NONE16);
	cr_assert(memcmp(nf_sent_icmp(2).nd_target, ip, 16) == 0);
	ip[0] = 0x20;
	cr_assert_neq(neigh_route(w, 1, ip, &why), MR_NONE16);
	nf_ip6(ip, 1);
	cr_assert(memcmp(nf_sent_icmp(3).nd_target, ip, 16) == 0);
	nf_destroy(w);
}

Test(neigh, no_route_has_a_reason)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;
	uint8_t ip[16];

	nf_ip4(ip, 0x08080808);
	cr_assert_eq(neigh_route(w, 3, ip, &why), MR_NONE16, "port 1 has no gateway");
	cr_assert_eq(why, MR_NO_ROUTE);
	why = MR_OK;
	cr_assert_eq(route4(w, 0x0a4d0003, &why), MR_NONE16, "one of our own addresses");
	cr_assert_eq(why, MR_NO_ROUTE);
	for (uint32_t i = 0; i < 16; i++)
		cr_assert_neq(route4(w, 0x0a4d0064 + i, &why), MR_NONE16);
	cr_assert_eq(route4(w, 0x0a4d0032, &why), MR_NONE16);
	cr_assert_eq(why, MR_NO_MEMORY);
	cr_assert_eq(w->counters.v[MR_C_NEIGH_FULL], 1);
	nf_destroy(w);
}

/* ---- resolution ---- */

Test(neigh, resolution_keeps_one_frame_and_sends_it_when_answered)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;
	uint16_t hop = route4(w, 0x0a4d0032, &why);
	struct wire_arp arp = nf_sent_arp(0);
	struct wire_frame f;

	cr_assert_eq(arp.op, 1);
	cr_assert(memcmp(nf_octets(0), nf_broadcast, 6) == 0);
	cr_assert(memcmp(arp.sender_mac, nf_our_mac[0], 6) == 0);
	cr_assert_eq(wire_load32(arp.sender_ip), wire_be32(0x0a4d0002));
	cr_assert_eq(hop_at(w, hop)->l2.len, 14, "headers can be built before the answer");
	neigh_send(w, hop, nf_segment(w, hop, &syn, RTE_TCP_SYN_FLAG, 0));
	cr_assert_eq(nf_nsent, 1);
	neigh_send(w, hop, nf_segment(w, hop, &syn, RTE_TCP_ACK_FLAG, 10));
	cr_assert_eq(w->counters.v[MR_C_NEIGH_QUEUE_DROP], 1, "the newer one replaces the older");

	nf_input(w, 0, nf_arp(2, nf_peer_mac, 0x0a4d0032, 0x0a4d0002, WIRE_NO_VLAN));
	cr_assert_eq(nf_nsent, 2);
	f = nf_frame(1);
	cr_assert_eq(f.kind, WIRE_TCP);
	cr_assert(memcmp(nf_octets(1), nf_peer_mac, 6) == 0);
	cr_assert_eq(nf_sent[1].tx_class, STACK_TX_DATA);
	cr_assert_eq(w->counters.v[MR_C_ARP_REPLY_RX], 1);
	neigh_send(w, hop, nf_segment(w, hop, &syn, RTE_TCP_SYN_FLAG, 0));
	neigh_send(w, hop, nf_segment(w, hop, &syn, RTE_TCP_FIN_FLAG, 0));
	cr_assert(memcmp(nf_octets(2), nf_peer_mac, 6) == 0);
	cr_assert_eq(nf_sent[2].tx_class, STACK_TX_SYN);
	cr_assert_eq(nf_sent[3].tx_class, STACK_TX_CTRL);
	nf_destroy(w);
}

Test(neigh, three_questions_a_second_apart_then_failed)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;
	struct tcp_conn *c = nf_conn(w, &syn);
	uint16_t hop = route4(w, 0x0a4d0032, &why);

	neigh_send(w, hop, nf_segment(w, hop, &syn, RTE_TCP_SYN_FLAG, 0));
	nf_run(w, 1999);
	cr_assert_eq(nf_nsent, 1);
	nf_run(w, 2000);
	cr_assert_eq(nf_nsent, 2);
	nf_run(w, 3000);
	cr_assert_eq(nf_nsent, 3);
	cr_assert(memcmp(nf_octets(2), nf_broadcast, 6) == 0);
	nf_run(w, 3999);
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_INCOMPLETE);
	nf_run(w, 4000);
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_FAILED);
	cr_assert_eq(nf_error.count, 1, "the connection whose SYN waited hears of it");
	cr_assert(nf_error.hard && nf_error.c == c && nf_error.seq == 777);
	cr_assert_eq(nf_reacts, 1);
	nf_run(w, 9000);
	cr_assert_eq(nf_nsent, 3, "nobody wants it");
	cr_assert_eq(w->counters.v[MR_C_NEIGH_FAILED], 1);
	cr_assert_eq(w->counters.v[MR_C_ICMP_ERROR_RX], 0, "no ICMP came");
	nf_destroy(w);
}

Test(neigh, failed_is_retried_on_the_next_use_after_a_second)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;
	uint16_t hop = route4(w, 0x0a4d0032, &why);

	nf_conn(w, &syn);
	nf_run(w, 4500);
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_FAILED);
	nf_flush();
	neigh_send(w, hop, nf_segment(w, hop, &syn, RTE_TCP_SYN_FLAG, 0));
	cr_assert_eq(nf_nsent, 0, "too early");
	nf_run(w, 4502);
	cr_assert_eq(nf_error.count, 1, "its connection is told at once");
	nf_run(w, 5000);
	neigh_send(w, hop, nf_segment(w, hop, &syn, RTE_TCP_SYN_FLAG, 0));
	cr_assert_eq(nf_sent_arp(0).op, 1);
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_INCOMPLETE);
	nf_input(w, 0, nf_arp(2, nf_peer_mac, 0x0a4d0032, 0x0a4d0002, WIRE_NO_VLAN));
	cr_assert_eq(nf_frame(1).kind, WIRE_TCP);
	cr_assert_eq(nf_error.count, 1);
	nf_destroy(w);
}

Test(neigh, failed_entry_is_asked_for_by_a_new_route)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;
	uint16_t hop = route4(w, 0x0a4d0032, &why);

	nf_run(w, 4999);
	nf_flush();
	cr_assert_eq(route4(w, 0x0a4d0032, &why), hop);
	cr_assert_eq(nf_nsent, 0);
	nf_run(w, 5000);
	cr_assert_eq(route4(w, 0x0a4d0032, &why), hop);
	cr_assert_eq(nf_nsent, 1);
	nf_destroy(w);
}

Test(neigh, question_without_mbuf_is_asked_again)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;

	nf_no_mbufs = true;
	cr_assert_neq(route4(w, 0x0a4d0032, &why), MR_NONE16);
	cr_assert_eq(nf_nsent, 0);
	nf_no_mbufs = false;
	nf_run(w, 2000);
	cr_assert_eq(nf_nsent, 1);
	nf_destroy(w);
}

/* ---- probing ---- */

Test(neigh, old_entry_in_use_is_probed_by_unicast_and_used_meanwhile)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	uint16_t hop = resolved(w);

	nf_run(w, 30999);
	cr_assert_eq(nf_nsent, 0);
	nf_run(w, 31000);
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_PROBE);
	cr_assert_eq(nf_sent_arp(0).op, 1);
	cr_assert(memcmp(nf_octets(0), nf_peer_mac, 6) == 0);
	neigh_send(w, hop, nf_segment(w, hop, &syn, RTE_TCP_ACK_FLAG, 0));
	cr_assert_eq(nf_frame(1).kind, WIRE_TCP);
	nf_run(w, 32000);
	cr_assert_eq(nf_nsent, 3, "asked again");
	nf_input(w, 0, nf_arp(2, nf_peer_mac, 0x0a4d0032, 0x0a4d0002, WIRE_NO_VLAN));
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_REACHABLE);
	nf_flush();
	nf_run(w, 61999);
	cr_assert_eq(nf_nsent, 0, "confirmed for 30 s");
	nf_run(w, 65000);
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_FAILED);
	cr_assert_eq(nf_nsent, 3);
	cr_assert_eq(w->counters.v[MR_C_NEIGH_FAILED], 1);
	nf_destroy(w);
}

Test(neigh, old_entry_is_left_alone_until_it_is_used)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;
	uint16_t hop = resolved(w);

	neigh_unref(w, hop);
	nf_run(w, 100000);
	cr_assert_eq(nf_nsent, 0);
	cr_assert_eq(route4(w, 0x0a4d0032, &why), hop);
	nf_run(w, 100001);
	cr_assert_eq(hop_at(w, hop)->state, NEXTHOP_PROBE);
	nf_destroy(w);
}

Test(neigh, probe_of_ipv6_goes_to_the_station_alone)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct neigh_update u = {.family = 6, .vlan = WIRE_NO_VLAN, .vlan_outer = WIRE_NO_VLAN,
				 .flags = NEIGH_SOLICITED | NEIGH_HAS_MAC | NEIGH_OVERRIDE};
	enum mr_reason why = MR_OK;

	nf_ip6(u.ip, 9);
	memcpy(u.mac, nf_peer_mac, 6);
	cr_assert_neq(neigh_route(w, 1, u.ip, &why), MR_NONE16);
	cr_assert(neigh_apply(w, &u));
	nf_flush();
	nf_run(w, 31000);
	cr_assert_eq(nf_sent_icmp(0).kind, WIRE_ICMP_NEIGH_SOLICIT);
	cr_assert(memcmp(nf_octets(0), nf_peer_mac, 6) == 0);
	nf_destroy(w);
}

Test(neigh, entry_thrown_out_while_resolving_frees_its_frame)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;
	uint16_t hop = route4(w, 0x0a4d0032, &why);

	neigh_send(w, hop, nf_segment(w, hop, &syn, RTE_TCP_SYN_FLAG, 0));
	neigh_unref(w, hop);
	for (uint32_t i = 0; i < 16; i++)
		cr_assert_neq(route4(w, 0x0a4d0064 + i, &why), MR_NONE16);
	cr_assert_eq(w->counters.v[MR_C_NEIGH_QUEUE_DROP], 1);
	nf_flush();
	cr_assert_eq(nf_mbufs_out(), 0);
	nf_destroy(w);
}

Test(neigh, timers_of_many_entries_are_bounded_per_millisecond)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 1024);
	enum mr_reason why = MR_OK;

	for (uint32_t i = 0; i < 240; i++)
		cr_assert_neq(route4(w, 0x0a4d000a + i, &why), MR_NONE16);
	nf_flush();
	nf_run(w, 2000);
	cr_assert_leq(nf_nsent, 64);
	nf_run(w, 2004);
	cr_assert_eq(nf_nsent, 240);
	nf_destroy(w);
}

Test(neigh, idle_time_says_when_to_come_back)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct station s = station(1);
	enum mr_reason why;

	learn(w, &s);
	cr_assert_eq(neigh_idle_ms(w, 1000), 1000);
	route4(w, 0x0a4d0032, &why);
	cr_assert_leq(neigh_idle_ms(w, 1000), 100);
	cr_assert_eq(neigh_idle_ms(w, 5), 5);
	nf_destroy(w);
}
