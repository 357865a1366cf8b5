/* SPDX-License-Identifier: BSD-3-Clause */
/* What neighbours say and are told: ARP, neighbour discovery, announcements, other workers. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <rte_ether.h>

#include "neigh_fixture.h"
#include "octets.h"

TestSuite(arp, .init = nf_start, .fini = nf_stop);

#define OURS	0x0a4d0002u	/* 10.77.0.2 */
#define PEER	0x0a4d0032u	/* 10.77.0.50 */

static const uint8_t other_mac[6] = {2, 0, 0, 0, 9, 9};

static uint16_t route4(struct mr_worker *w, uint32_t dst)
{
	enum mr_reason why;
	uint8_t ip[16];
	uint16_t hop;

	nf_ip4(ip, dst);
	hop = neigh_route(w, 0, ip, &why);
	nf_flush();
	return hop;
}

static uint16_t route6(struct mr_worker *w, uint16_t low)
{
	enum mr_reason why;
	uint8_t ip[16];
	uint16_t hop;

	nf_ip6(ip, low);
	hop = neigh_route(w, 1, ip, &why);
	nf_flush();
	return hop;
}

/* ---- ARP ---- */

Test(arp, answers_for_its_own_addresses_of_that_port_and_vlan)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct wire_arp arp;

	nf_input(w, 0, nf_arp(1, nf_peer_mac, PEER, OURS + 3, WIRE_NO_VLAN));
	cr_assert_eq(nf_nsent, 1);
	arp = nf_sent_arp(0);
	cr_assert_eq(arp.op, 2);
	cr_assert(memcmp(nf_octets(0), nf_peer_mac, 6) == 0);
	cr_assert(memcmp(arp.sender_mac, nf_our_mac[0], 6) == 0);
	cr_assert(memcmp(arp.target_mac, nf_peer_mac, 6) == 0);
	cr_assert_eq(wire_load32(arp.sender_ip), wire_be32(OURS + 3));
	cr_assert_eq(wire_load32(arp.target_ip), wire_be32(PEER));

	nf_input(w, 0, nf_arp(1, nf_peer_mac, PEER, OURS, 7));
	cr_assert_eq(nf_frame(1).vlan, 7, "the answer goes back into the VLAN");

	nf_input(w, 0, nf_arp(1, nf_peer_mac, PEER, OURS + 4, WIRE_NO_VLAN));
	nf_input(w, 0, nf_arp(1, nf_peer_mac, PEER, OURS + 3, 7));
	nf_input(w, 0, nf_arp(1, nf_peer_mac, PEER, OURS, 8));
	nf_input(w, 1, nf_arp(1, nf_peer_mac, PEER, OURS, WIRE_NO_VLAN));
	nf_input(w, 0, nf_arp(1, nf_peer_mac, PEER, 0x0a630002, WIRE_NO_VLAN));
	cr_assert_eq(nf_nsent, 2, "not ours, or not there");
	cr_assert_eq(w->counters.v[MR_C_ARP_REQUEST_RX], 2);
	cr_assert_eq(w->counters.v[MR_C_RX_ARP_BAD], 2, "the others came from a known station");
	nf_destroy(w);
}

Test(arp, who_asks_us_is_known_afterwards)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	uint16_t hop;

	nf_input(w, 0, nf_arp(1, nf_peer_mac, PEER, OURS, WIRE_NO_VLAN));
	nf_flush();
	hop = route4(w, PEER);
	cr_assert_eq(w->neigh.hop[hop].state, NEXTHOP_REACHABLE);
	cr_assert(memcmp(w->neigh.hop[hop].l2.octets, nf_peer_mac, 6) == 0);
	cr_assert_eq(w->neigh.used, 1);
	nf_run(w, 1002);
	cr_assert_eq(w->neigh.hop[hop].state, NEXTHOP_PROBE, "a claim is verified once it is used");
	nf_destroy(w);
}

/* RFC 1122 3.2.1.3: no station can have it, and nobody may be led to send there. */
Test(arp, who_asks_from_the_broadcast_address_is_not_known)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	enum mr_reason why = MR_OK;
	uint8_t ip[16];

	nf_input(w, 0, nf_arp(1, nf_peer_mac, 0x0a4d00ff, OURS, WIRE_NO_VLAN));
	nf_flush();
	cr_assert_eq(w->neigh.used, 0);
	nf_ip4(ip, 0x0a4d00ff);
	cr_assert_eq(neigh_route(w, 0, ip, &why), MR_NONE16);
	cr_assert_eq(why, MR_BAD_ARGUMENT);
	/* A gateway of another network is no broadcast address because it ends like ours. */
	nf_ip4(w->gateway[0].addr, 0x0a3700ff);
	nf_ip4(ip, 0xc0000201);
	cr_assert_neq(neigh_route(w, 0, ip, &why), MR_NONE16);
	nf_destroy(w);
}

Test(arp, probe_is_answered_and_not_believed)
{
	struct mr_worker *w = nf_worker(0, 0, 2, 16), *other = nf_worker(1, 0, 2, 16);

	nf_input(w, 0, nf_arp(1, nf_peer_mac, 0, OURS, WIRE_NO_VLAN));
	cr_assert_eq(nf_sent_arp(0).op, 2);
	cr_assert_eq(w->neigh.used, 0);
	cr_assert_eq(w->counters.v[MR_C_MAIL_SENT], 0, "it names nobody");
	nf_destroy(w);
	nf_destroy(other);
}

Test(arp, unsolicited_replies_and_strangers_make_no_entry)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);

	nf_input(w, 0, nf_arp(2, nf_peer_mac, PEER, OURS, WIRE_NO_VLAN));
	nf_input(w, 0, nf_arp(2, nf_peer_mac, PEER, PEER, WIRE_NO_VLAN));
	nf_input(w, 0, nf_arp(1, nf_peer_mac, PEER, PEER + 1, WIRE_NO_VLAN));
	nf_input(w, 0, nf_arp(1, nf_peer_mac, 0x08080808, OURS, WIRE_NO_VLAN));
	cr_assert_eq(w->neigh.used, 0);
	nf_destroy(w);
}

Test(arp, malformed_is_dropped)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);

	nf_input(w, 0, nf_arp(3, nf_peer_mac, PEER, OURS, WIRE_NO_VLAN));
	nf_input(w, 0, nf_arp(0, nf_peer_mac, PEER, OURS, WIRE_NO_VLAN));
	nf_input(w, 0, nf_arp(1, nf_peer_mac, 0xe0000001, OURS, WIRE_NO_VLAN));
	nf_input(w, 0, nf_arp(1, nf_peer_mac, 0xffffffff, OURS, WIRE_NO_VLAN));
	cr_assert_eq(w->counters.v[MR_C_RX_ARP_BAD], 4);
	cr_assert_eq(nf_nsent, 0);
	nf_destroy(w);
}

Test(arp, a_known_station_that_moved_is_followed)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	uint16_t hop = route4(w, 0x08080808);	/* by the gateway */

	nf_input(w, 0, nf_arp(2, nf_peer_mac, 0x0a4d0001, OURS, WIRE_NO_VLAN));
	cr_assert(memcmp(w->neigh.hop[hop].l2.octets, nf_peer_mac, 6) == 0);
	/* The standby router takes over: RFC 5227 announcement. */
	nf_input(w, 0, nf_arp(1, other_mac, 0x0a4d0001, 0x0a4d0001, WIRE_NO_VLAN));
	cr_assert(memcmp(w->neigh.hop[hop].l2.octets, other_mac, 6) == 0);
	cr_assert_eq(w->neigh.hop[hop].state, NEXTHOP_REACHABLE);
	cr_assert_eq(nf_nsent, 0);
	nf_destroy(w);
}

Test(arp, a_claim_of_our_address_is_defended_once_in_ten_seconds)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct wire_arp arp;

	nf_input(w, 0, nf_arp(1, other_mac, OURS, OURS, WIRE_NO_VLAN));
	arp = nf_sent_arp(0);
	cr_assert_eq(arp.op, 1);
	cr_assert_eq(wire_load32(arp.sender_ip), wire_be32(OURS));
	cr_assert_eq(wire_load32(arp.target_ip), wire_be32(OURS));
	nf_at(w, 10999);
	nf_input(w, 0, nf_arp(2, other_mac, OURS, PEER, WIRE_NO_VLAN));
	cr_assert_eq(nf_nsent, 1);
	nf_at(w, 11000);
	nf_input(w, 0, nf_arp(2, other_mac, OURS, PEER, WIRE_NO_VLAN));
	cr_assert_eq(nf_nsent, 2);
	cr_assert_eq(w->counters.v[MR_C_NEIGH_CONFLICT], 3);
	nf_input(w, 0, nf_arp(1, nf_our_mac[0], OURS, OURS, WIRE_NO_VLAN));
	cr_assert_eq(w->counters.v[MR_C_NEIGH_CONFLICT], 3, "our own, come back");
	cr_assert_eq(w->neigh.used, 0);
	nf_destroy(w);
}

/* ---- neighbour discovery ---- */

static struct rte_mbuf *solicit(const uint8_t *src, uint16_t target)
{
	const struct wire_nd_link link = {nf_peer_mac, WIRE_NO_VLAN, WIRE_NO_VLAN};
	struct rte_mbuf *m = nf_mbuf();
	uint8_t ip[16];

	nf_ip6(ip, target);
	wire_build_ns(m, &link, src, ip);
	return m;
}

/* An advertisement to us of fd77::target at that MAC. */
static struct rte_mbuf *advertise(const uint8_t *mac, uint16_t target, uint8_t flags)
{
	uint8_t ours[16], msg[32] = {136, 0, 0, 0, flags}, ip[16];
	struct rte_mbuf *m;

	nf_ip6(ours, 2);
	nf_ip6(ip, target);
	memcpy(msg + 8, ip, 16);
	msg[24] = 2;
	msg[25] = 1;
	memcpy(msg + 26, mac, 6);
	nf_ip6(ip, 50);
	m = nf_icmp(6, ip, ours, msg, sizeof(msg));
	rte_pktmbuf_mtod(m, uint8_t *)[14 + 7] = 255;	/* hop limit: not in the checksum */
	return m;
}

#define NA_SOLICITED 0x40
#define NA_OVERRIDE 0x20

Test(arp, solicitation_is_answered_and_its_sender_known)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	struct wire_icmp na;
	struct wire_frame f;
	struct wire_ip ip;
	uint8_t peer[16];
	uint16_t hop;

	nf_ip6(peer, 50);
	nf_input(w, 0, solicit(peer, 3));
	na = nf_sent_icmp(0);
	f = nf_frame(0);
	wire_ip_values(nf_sent[0].m, &f, &ip);
	cr_assert_eq(na.kind, WIRE_ICMP_NEIGH_ADVERT);
	cr_assert(na.nd_solicited && na.nd_override && na.nd_has_lladdr);
	cr_assert(memcmp(na.nd_lladdr, nf_our_mac[0], 6) == 0);
	cr_assert(memcmp(ip.dst, peer, 16) == 0);
	cr_assert(memcmp(nf_octets(0), nf_peer_mac, 6) == 0);
	nf_flush();
	hop = route6(w, 50);
	cr_assert_eq(w->neigh.hop[hop].state, NEXTHOP_REACHABLE);
	nf_input(w, 0, solicit(peer, 4));
	cr_assert_eq(nf_nsent, 0, "not our address");
	cr_assert_eq(w->counters.v[MR_C_ICMP_IGNORED], 1);
	cr_assert_eq(w->counters.v[MR_C_NDP_NS_RX], 1);
	nf_destroy(w);
}

Test(arp, duplicate_address_detection_is_answered_to_all_nodes)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	struct wire_frame f;
	struct wire_icmp na;
	struct wire_ip ip;

	nf_input(w, 0, solicit(nf_any6, 2));
	na = nf_sent_icmp(0);
	f = nf_frame(0);
	wire_ip_values(nf_sent[0].m, &f, &ip);
	cr_assert_eq(na.kind, WIRE_ICMP_NEIGH_ADVERT);
	cr_assert_not(na.nd_solicited);
	cr_assert(memcmp(ip.dst, all_nodes, 16) == 0);
	cr_assert_eq(nf_octets(0)[0], 0x33);
	cr_assert_eq(w->neigh.used, 0);
	nf_destroy(w);
}

/* RFC 4861 7.2.5, appendix C. */
Test(arp, advertisement_flags_decide_what_is_believed)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	uint16_t hop = route6(w, 50);
	const struct nexthop *h = &w->neigh.hop[hop];

	nf_input(w, 0, advertise(nf_peer_mac, 51, NA_SOLICITED | NA_OVERRIDE));
	cr_assert_eq(w->neigh.used, 1, "nobody asked for it");
	nf_input(w, 0, advertise(nf_peer_mac, 50, NA_SOLICITED));
	cr_assert_eq(h->state, NEXTHOP_REACHABLE);
	cr_assert_eq(h->confirmed_ms, w->now_ms);
	/* Another MAC without override: doubt, but no change. */
	nf_input(w, 0, advertise(other_mac, 50, NA_SOLICITED));
	cr_assert(memcmp(h->l2.octets, nf_peer_mac, 6) == 0);
	nf_run(w, 1002);
	cr_assert_eq(h->state, NEXTHOP_PROBE);
	nf_input(w, 0, advertise(nf_peer_mac, 50, NA_SOLICITED));
	cr_assert_eq(h->state, NEXTHOP_REACHABLE);
	/* With override: followed, and verified when it was not asked for. */
	nf_input(w, 0, advertise(other_mac, 50, NA_OVERRIDE));
	cr_assert(memcmp(h->l2.octets, other_mac, 6) == 0);
	nf_run(w, 1004);
	cr_assert_eq(h->state, NEXTHOP_PROBE);
	nf_input(w, 0, advertise(other_mac, 2, NA_OVERRIDE));
	cr_assert_eq(w->counters.v[MR_C_NEIGH_CONFLICT], 1, "our address");
	nf_destroy(w);
}

/* ---- announcements ---- */

Test(arp, announces_every_address_of_the_port_twice)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);
	unsigned int v4 = 0, v6 = 0, tagged = 0;

	neigh_announce(w, 0);
	cr_assert_eq(nf_nsent, 7, "4 + 2 + 1 in a VLAN");
	for (unsigned int i = 0; i < nf_nsent; i++) {
		struct wire_frame f = nf_frame(i);

		tagged += f.vlan == 7;
		if (f.kind == WIRE_ARP) {
			struct wire_arp arp = nf_sent_arp(i);

			cr_assert(memcmp(arp.sender_ip, arp.target_ip, 4) == 0);
			v4++;
		} else {
			cr_assert_not(nf_sent_icmp(i).nd_solicited);
			v6++;
		}
	}
	cr_assert(v4 == 5 && v6 == 2 && tagged == 1);
	cr_assert_leq(neigh_idle_ms(w, 10000), 2000);
	nf_run(w, 2999);
	cr_assert_eq(nf_nsent, 7);
	nf_run(w, 20000);
	cr_assert_eq(nf_nsent, 14);
	cr_assert_eq(neigh_idle_ms(w, 10000), 10000);
	neigh_announce(w, 1);
	cr_assert_eq(nf_nsent, 15);
	cr_assert_eq(nf_sent[14].port, 1);
	nf_destroy(w);
}

Test(arp, announcements_are_paced_and_bounded)
{
	struct mr_worker *w = nf_worker(0, 0, 1, 16);

	w->range[1].count = 3000;	/* the table of ranges is all that is read */
	w->naddrs = w->range[1].first + 3000;
	w->nranges = 2;
	free(w->range_of);
	w->range_of = calloc(w->naddrs, sizeof(uint16_t));
	for (uint32_t i = w->range[1].first; i < w->naddrs; i++)
		w->range_of[i] = 1;
	neigh_announce(w, 0);
	cr_assert_leq(nf_nsent, 64, "a burst must leave room for traffic");
	nf_run(w, 1500);
	cr_assert_eq(nf_nsent, 1024);
	nf_destroy(w);
}

Test(arp, the_first_worker_announces_for_the_group)
{
	struct mr_worker *a = nf_worker(4, 4, 2, 16), *b = nf_worker(5, 4, 2, 16);

	neigh_announce(b, 0);
	cr_assert_eq(nf_nsent, 0);
	neigh_announce(a, 0);
	cr_assert_eq(nf_nsent, 7);
	nf_destroy(a);
	nf_destroy(b);
}

/* ---- several workers, one port: ARP arrives on queue 0 only ---- */

Test(arp, answer_on_queue_0_resolves_for_the_worker_that_asked)
{
	struct mr_worker *a = nf_worker(0, 0, 2, 16), *b = nf_worker(1, 0, 2, 16);
	static const struct nf_quote q = {.family = 4, .src = {10, 77, 0, 2},
					  .dst = {10, 77, 0, 50}};
	uint16_t hop = route4(b, PEER);

	neigh_send(b, hop, nf_segment(b, hop, &q, 2, 0));
	nf_input(a, 0, nf_arp(2, nf_peer_mac, PEER, OURS, WIRE_NO_VLAN));
	cr_assert_eq(b->neigh.hop[hop].state, NEXTHOP_INCOMPLETE);
	cr_assert(mail_turn(b));
	cr_assert_eq(b->neigh.hop[hop].state, NEXTHOP_REACHABLE);
	cr_assert_eq(nf_nsent, 1);
	cr_assert_eq(nf_sent[0].worker, 1);
	cr_assert(memcmp(nf_octets(0), nf_peer_mac, 6) == 0);
	cr_assert_eq(a->neigh.used, 0, "worker 0 did not ask");
	cr_assert_eq(a->counters.v[MR_C_MAIL_SENT], 1);
	cr_assert_not(mail_turn(b));
	nf_destroy(a);
	nf_destroy(b);
}

Test(arp, news_of_known_neighbours_reach_every_worker)
{
	struct mr_worker *a = nf_worker(0, 0, 2, 16), *b = nf_worker(1, 0, 2, 16);
	uint16_t hop4 = route4(b, 0x0a4d0001), hop6 = route6(b, 50);

	nf_input(a, 0, nf_arp(2, nf_peer_mac, 0x0a4d0001, OURS, WIRE_NO_VLAN));
	nf_input(a, 0, advertise(nf_peer_mac, 50, NA_SOLICITED | NA_OVERRIDE));
	mail_turn(b);
	cr_assert_eq(b->neigh.hop[hop6].state, NEXTHOP_REACHABLE);
	nf_input(a, 0, nf_arp(1, other_mac, 0x0a4d0001, 0x0a4d0001, WIRE_NO_VLAN));
	mail_turn(b);
	cr_assert(memcmp(b->neigh.hop[hop4].l2.octets, other_mac, 6) == 0);
	nf_input(a, 0, nf_arp(1, nf_peer_mac, PEER, OURS, WIRE_NO_VLAN));
	mail_turn(b);
	cr_assert_eq(b->neigh.used, 2, "mail makes no entry");
	nf_destroy(a);
	nf_destroy(b);
}
