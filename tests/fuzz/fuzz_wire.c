/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire_parse() on any octets, whole and cut to pieces, against a parser that has all octets in one
 * place and no fast way (naive_frame.c). Then everything that reads an accepted frame reads it. The
 * first octet says what the port did, the second where the frame is cut, and whether its checksums
 * are mended first, which the fuzzer would hardly hit.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "input.h"
#include "naive_frame.h"

enum { IN_SUMS_GOOD = 1, IN_SUM_NONE = 2, IN_STRIPPED = 4, IN_STRIPPED_TWO = 8, IN_MEND = 16,
       IN_SUM_BAD = 32 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static uint64_t flags_of(uint8_t how)
{
	uint64_t flags = 0;

	if (how & IN_SUMS_GOOD)
		flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	else if (how & IN_SUM_NONE)
		flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	else if (how & IN_SUM_BAD)
		flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
	if (how & IN_STRIPPED)
		flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	if (how & IN_STRIPPED_TWO)
		flags |= RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED;
	return flags;
}

/* Segments of `step` octets, each an allocation of its own size. */
static struct rte_mbuf *chain(const uint8_t *o, uint32_t len, uint32_t step)
{
	struct rte_mbuf *head = NULL, *last = NULL;

	for (uint32_t at = 0; at < len; at += step) {
		const uint32_t n = MR_MIN(step, len - at);
		struct rte_mbuf *m = aligned_alloc(64, sizeof(*m));

		MR_ASSERT(m != NULL);
		memset(m, 0, sizeof(*m));
		m->buf_addr = malloc(n);
		MR_ASSERT(m->buf_addr != NULL);
		memcpy(m->buf_addr, o + at, n);
		m->buf_len = m->data_len = (uint16_t)n;
		m->refcnt = m->nb_segs = 1;
		if (head == NULL)
			head = m;
		else
			last->next = m;
		last = m;
		head->pkt_len += n;
		head->nb_segs = (uint16_t)(head->nb_segs + (head != m));
	}
	return head;
}

static void discard(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		free(m->buf_addr);
		free(m);
		m = next;
	}
}

static void read_tcp(const struct rte_mbuf *m, const struct wire_frame *f)
{
	struct tcp_seg seg;
	uint16_t off = 0, drop = 0;

	if (wire_tcp_values(m, f, &seg, &off, &drop))
		MR_ASSERT((uint32_t)off + seg.len <= m->pkt_len && seg.len <= f->l4_len);
	else
		MR_ASSERT(drop < MR_C_COUNT);
}

static void read_all(struct rte_mbuf *m, const struct wire_frame *f)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct wire_icmp icmp;
	struct wire_arp arp;
	struct wire_ip ip;

	switch (f->kind) {
	case WIRE_TCP:
		wire_ip_values(m, f, &ip);
		read_tcp(m, f);
		break;
	case WIRE_ARP:
		wire_arp_values(m, f, &arp);
		break;
	case WIRE_ICMP4:
	case WIRE_ICMP6:
		wire_ip_values(m, f, &ip);
		wire_icmp_values(m, f, &icmp);
		if (icmp.kind == WIRE_ICMP_ECHO_REQUEST)
			wire_echo_reply(m, f, mac);
		break;
	default:
		MR_ASSERT(f->drop < MR_C_COUNT);
		break;
	}
}

/* naive_parse() calls nothing a drop for its reason: only the fact and the values are compared. */
static void compare(const struct wire_frame *f, const struct naive_frame *n)
{
	if (n->fragment)	/* reassembled or not is not its business */
		return;
	MR_ASSERT(f->kind == n->kind);
	if (f->kind == WIRE_DROP)
		return;
	MR_ASSERT(f->l2_len == n->l2_len && f->vlan == n->vlan && f->vlan_outer == n->vlan_outer);
	if (f->kind == WIRE_ARP)
		return;
	MR_ASSERT(f->family == n->family && f->l3_len == n->l3_len && f->l4_len == n->l4_len);
	MR_ASSERT(f->hop_limit == n->hop_limit && f->tos == n->tos);
	if (f->kind == WIRE_TCP)
		MR_ASSERT(wire_be16(f->sport) == n->sport && wire_be16(f->dport) == n->dport);
}

static void play(const uint8_t *o, uint32_t len, uint8_t how, uint32_t step)
{
	struct rte_mbuf *m = chain(o, len, step);
	struct mr_counters counters = {0};
	struct naive_frame naive;
	struct wire_frame f;

	m->ol_flags = flags_of(how);
	m->vlan_tci = 7;
	m->vlan_tci_outer = how & 64 ? 0 : 9;
	wire_parse(m, &f, &counters);
	naive_parse(o, len, m, &naive);
	compare(&f, &naive);
	read_all(m, &f);
	discard(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t octets[2048];
	struct fuzz_in in = {data, data + len};
	const uint8_t how = in8(&in), cut = in8(&in);
	uint32_t n = sizeof(octets);
	const uint8_t *from = in_octets(&in, &n);

	if (n == 0)
		return -1;
	memcpy(octets, from, n);
	if (how & IN_MEND)
		naive_mend(octets, n);
	play(octets, n, how, n);
	play(octets, n, how, 1u + cut);
	return 0;
}
