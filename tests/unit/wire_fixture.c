/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What wire_fixture.h promises. Checksums and headers are spelled out octet by octet here and never
 * call lib/wire to compose a frame: the code under test must not check itself.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "wire_fixture.h"

const uint8_t fx_our_mac[6] = { 2, 0, 0, 0, 0, 1 }, fx_peer_mac[6] = { 2, 0, 0, 0, 0, 2 };
const uint8_t fx_our_ip4[4] = { 10, 77, 0, 2 }, fx_peer_ip4[4] = { 10, 77, 0, 1 };
const uint8_t fx_our_ip6[16] = { 0xfd, 0x77, [13] = 9, [14] = 8, [15] = 2 };
const uint8_t fx_peer_ip6[16] = { 0xfd, 0x77, [15] = 1 };

uint32_t fx_sum(const uint8_t *p, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++)
		sum += (i & 1) ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

uint16_t fx_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void ethernet(struct octets *f, uint32_t type)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->o, fx_our_mac, 6);
	memcpy(f->o + 6, fx_peer_mac, 6);
	put16(f->o + 12, type);
	f->l2_len = 14;
}

static void ip_header(struct octets *f, uint8_t family, uint8_t proto, uint32_t l4_len)
{
	uint8_t *ip = f->o + 14;

	if (family == 4) {
		ethernet(f, 0x0800);
		ip[0] = 0x45;
		put16(ip + 2, 20 + l4_len);
		ip[6] = 0x40;
		ip[8] = 61;
		ip[9] = proto;
		memcpy(ip + 12, fx_peer_ip4, 4);
		memcpy(ip + 16, fx_our_ip4, 4);
		f->l3_len = 20;
	} else {
		ethernet(f, 0x86dd);
		ip[0] = 0x60;
		put16(ip + 4, l4_len);
		ip[6] = proto;
		ip[7] = 61;
		memcpy(ip + 8, fx_peer_ip6, 16);
		memcpy(ip + 24, fx_our_ip6, 16);
		f->l3_len = 40;
	}
	f->len = f->l2_len + f->l3_len + l4_len;
}

static void tcp(struct octets *f, uint8_t family, const uint8_t *opt, uint32_t opt_len,
		uint32_t payload)
{
	static const uint8_t head[20] = { 4000 >> 8, 4000 & 255, 0, 80, 0, 0, 1000 >> 8, 1000 & 255,
		0, 0, 2000 >> 8, 2000 & 255, 0, 0x10, 500 >> 8, 500 & 255 };
	uint8_t *at;

	ip_header(f, family, 6, 20 + opt_len + payload);
	at = f->o + f->l2_len + f->l3_len;
	memcpy(at, head, 20);
	at[12] = (uint8_t)((20 + opt_len) / 4 << 4);
	if (opt_len > 0)
		memcpy(at + 20, opt, opt_len);
	for (uint32_t i = 0; i < payload; i++)
		at[20 + opt_len + i] = (uint8_t)(i * 7 + 1);
	fx_fix(f, 6);
}

void fx_tcp4(struct octets *f, const uint8_t *opt, uint32_t opt_len, uint32_t payload)
{
	tcp(f, 4, opt, opt_len, payload);
}

void fx_tcp6(struct octets *f, const uint8_t *opt, uint32_t opt_len, uint32_t payload)
{
	tcp(f, 6, opt, opt_len, payload);
}

void fx_icmp(struct octets *f, uint8_t family, const uint8_t *msg, uint32_t len)
{
	ip_header(f, family, family == 4 ? 1 : 58, len);
	if (len > 0)
		memcpy(f->o + f->l2_len + f->l3_len, msg, len);
	fx_fix(f, family == 4 ? 1 : 58);
}

void fx_fix(struct octets *f, uint8_t proto)
{
	const bool v4 = f->o[f->l2_len] >> 4 == 4;
	uint8_t *ip = f->o + f->l2_len, *l4 = ip + f->l3_len;
	const uint32_t l4_len = f->len - f->l2_len - f->l3_len;
	uint8_t *field = l4 + (proto == 6 ? 16 : 2);
	uint32_t sum = 0;

	if (v4) {
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~fx_fold(fx_sum(ip, f->l3_len, 0)));
	}
	if (proto != 1)
		sum = fx_sum(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32, 0) + proto + l4_len;
	if (field + 2 > f->o + f->len)
		return;
	put16(field, 0);
	put16(field, (uint16_t)~fx_fold(fx_sum(l4, l4_len, sum)));
}

void fx_insert(struct octets *f, uint32_t off, const uint8_t *what, uint32_t n)
{
	memmove(f->o + off + n, f->o + off, f->len - off);
	memcpy(f->o + off, what, n);
	f->len += n;
}

struct rte_mbuf *fx_empty(uint32_t room)
{
	struct rte_mbuf *m = aligned_alloc(64, sizeof(*m));

	memset(m, 0, sizeof(*m));
	m->buf_addr = malloc(room ? room : 1);
	m->buf_len = (uint16_t)room;
	m->nb_segs = 1;
	rte_mbuf_refcnt_set(m, 1);
	return m;
}

struct rte_mbuf *fx_mbuf(const uint8_t *o, uint32_t len)
{
	struct rte_mbuf *m = fx_empty(len);

	if (len > 0)
		memcpy(m->buf_addr, o, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

struct rte_mbuf *fx_chain(const uint8_t *o, uint32_t len, uint32_t step)
{
	struct rte_mbuf *head = fx_mbuf(o, MR_MIN(step, len)), *last = head;

	for (uint32_t off = step; off < len; off += step) {
		last->next = fx_mbuf(o + off, MR_MIN(step, len - off));
		last = last->next;
		head->nb_segs++;
	}
	head->pkt_len = len;
	return head;
}

void fx_free(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		free(m->buf_addr);
		free(m);
		m = next;
	}
}

uint32_t fx_octets(const struct rte_mbuf *m, uint8_t *to)
{
	uint32_t n = 0;

	for (; m != NULL; m = m->next) {
		if (m->data_len > 0)
			memcpy(to + n, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		n += m->data_len;
	}
	return n;
}

static void expect_same(const struct wire_frame *a, const struct wire_frame *b, uint32_t step)
{
	cr_assert_eq(a->kind, b->kind, "kind differs in segments of %u", step);
	if (a->kind == WIRE_DROP)
		cr_assert_eq(a->drop, b->drop, "reason differs in segments of %u", step);
	else
		cr_assert_eq(memcmp(a, b, sizeof(*a)), 0, "values differ in segments of %u", step);
}

struct wire_frame fx_parse(const struct octets *f, uint64_t ol_flags)
{
	static const uint32_t steps[] = { 1, 2, 3, 7, 13, 14, 15, 33, 34, 35, 53, 54, 55, 100 };
	struct rte_mbuf *m = fx_mbuf(f->o, f->len);
	struct mr_counters counters = { 0 };
	struct wire_frame frame, other;

	memset(&frame, 0, sizeof(frame));
	m->ol_flags = ol_flags;
	wire_parse(m, &frame, &counters);
	fx_free(m);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(steps); i++) {
		memset(&other, 0, sizeof(other));
		m = fx_chain(f->o, f->len, steps[i]);
		m->ol_flags = ol_flags;
		wire_parse(m, &other, &counters);
		fx_free(m);
		expect_same(&frame, &other, steps[i]);
	}
	return frame;
}

void fx_expect_drop(const struct octets *f, enum mr_counter reason)
{
	const struct wire_frame frame = fx_parse(f, 0);

	cr_assert_eq(frame.kind, WIRE_DROP, "accepted, not %s", mr_counter_info[reason].name);
	cr_assert_eq(frame.drop, reason, "dropped as %s, not %s", mr_counter_info[frame.drop].name,
		     mr_counter_info[reason].name);
}

void fx_expect_cksums(const uint8_t *o, uint32_t len, uint32_t l2_len)
{
	const uint8_t *ip = o + l2_len;
	const bool v4 = ip[0] >> 4 == 4;
	const uint32_t l3_len = v4 ? (ip[0] & 15u) * 4 : 40;
	const uint8_t proto = v4 ? ip[9] : ip[6];
	const uint32_t l4_len = len - l2_len - l3_len;
	uint32_t sum = 0;

	if (v4)
		cr_assert_eq(fx_fold(fx_sum(ip, l3_len, 0)), 0xffff, "IPv4 header checksum");
	if (proto != 1)
		sum = fx_sum(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32, 0) + proto + l4_len;
	cr_assert_eq(fx_fold(fx_sum(ip + l3_len, l4_len, sum)), 0xffff, "L4, %u octets", l4_len);
}
