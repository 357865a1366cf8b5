/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reassembly: see frag.h. Owns the table and the fragments in it. Every fragment that DPDK gives up
 * lies in its death row afterwards: from there it is counted, by what was the matter, and freed.
 */
#define ALLOW_EXPERIMENTAL_API	/* rte_ip_frag_table_del_expired_entries(), and nothing else */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_ip_frag.h>

#include "bounds.h"
#include "check.h"
#include "ctl.h"
#include "frag.h"
#include "octets.h"

#define BUCKET_ENTRIES	8u	/* of each of the two places where a datagram may lie */
#define TCP_MIN		20u
#define IP4_LEN		20u
#define IP6_LEN		40u
#define FRAGMENT_LEN	8u
#define DATAGRAM_MAX	65535u
/* A datagram's entry in DPDK's table, rounded up; its type is not public. */
#define ENTRY_OCTETS	320u

static_assert(IP_FRAGMENTS_MAX == RTE_LIBRTE_IP_FRAG_MAX_FRAG, "the header promises DPDK's limit");

struct ip_frags {
	struct rte_ip_frag_tbl *table;
	struct rte_mempool *pool;
	struct mr_counters *counters;	/* of the last ip_frags_turn() */
	uint64_t now_us, timeout_us;
	uint32_t held, held_max;	/* mbufs */
	struct rte_ip_frag_death_row dead;
};

/* A fragment at hand. */
struct piece {
	struct rte_mbuf *m;
	const struct wire_frame *f;
	struct wire_fragment v;
	uint16_t scope;
};

/* ---- life ---- */

/* So many buckets that the entries of both places are at least twice the datagrams. */
static uint32_t buckets(uint32_t datagrams)
{
	return MR_MAX(rte_align32pow2(datagrams) / BUCKET_ENTRIES, 1u);
}

size_t ip_frags_memory(uint32_t datagrams)
{
	if (datagrams == 0)
		return 0;
	return (2 * BUCKET_ENTRIES * buckets(datagrams) + 4) * (size_t)ENTRY_OCTETS;
}

struct ip_frags *ip_frags_create(const struct ip_frags_config *cfg)
{
	struct ip_frags *t = calloc(1, sizeof(*t));

	MR_ASSERT(cfg->datagrams != 0 && cfg->datagrams <= 65536);
	MR_ASSERT(cfg->mbufs_max >= IP_FRAGMENTS_MAX);
	if (t == NULL)
		return NULL;
	t->pool = cfg->pool;
	t->timeout_us = cfg->timeout_ms * 1000ull;
	t->held_max = cfg->mbufs_max;
	t->table = rte_ip_frag_table_create(buckets(cfg->datagrams), BUCKET_ENTRIES, cfg->datagrams,
					    t->timeout_us, cfg->node);
	if (t->table != NULL)
		return t;
	free(t);
	return NULL;
}

void ip_frags_destroy(struct ip_frags *t)
{
	if (t == NULL)
		return;
	rte_ip_frag_free_death_row(&t->dead, 0);
	rte_ip_frag_table_destroy(t->table);	/* frees what it holds */
	free(t);
}

uint32_t ip_frags_held(const struct ip_frags *t) { return t->held; }

/* ---- what is given up ---- */

/* Its place in the datagram travels with a fragment: the RSS hash has been used. */
static void set_place(struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	m->hash.usr = off << 16 | len;
}
static uint32_t place_off(const struct rte_mbuf *m) { return m->hash.usr >> 16; }
static uint32_t place_end(const struct rte_mbuf *m)
{
	return (m->hash.usr >> 16) + (m->hash.usr & 0xffffu);
}

/* At most IP_FRAGMENTS_MAX + 1 lie there, of one datagram. */
static bool dead_overlap(const struct rte_ip_frag_death_row *dead)
{
	for (uint32_t i = 1; i < dead->cnt; i++)
		for (uint32_t k = 0; k < i; k++)
			if (place_off(dead->row[i]) < place_end(dead->row[k]) &&
			    place_off(dead->row[k]) < place_end(dead->row[i]))
				return true;
	return false;
}

/* Empties the death row. True: there was something. */
static bool bury(struct ip_frags *t, enum mr_counter why)
{
	const uint32_t n = t->dead.cnt;

	for (uint32_t i = 0; i < n; i++) {
		MR_ASSERT(t->held >= t->dead.row[i]->nb_segs);
		t->held -= t->dead.row[i]->nb_segs;
	}
	mr_count_n(t->counters, why, n);
	rte_ip_frag_free_death_row(&t->dead, 0);
	return n != 0;
}

/* Gives up datagrams that began before `until_us`: those that expire when it is so late. */
static bool give_up(struct ip_frags *t, uint64_t until_us, enum mr_counter why)
{
	bool any = false;

	do	/* ends: each turn empties entries of the table */
		rte_ip_frag_table_del_expired_entries(t->table, &t->dead, until_us + t->timeout_us);
	while (bury(t, why) && (any = true));
	return any;
}

void ip_frags_turn(struct ip_frags *t, uint64_t now_us, struct mr_counters *counters)
{
	t->counters = counters;
	t->now_us = now_us;
	if (t->held != 0 && now_us > t->timeout_us)
		give_up(t, now_us - t->timeout_us, MR_C_FRAG_TIMEOUT);
}

/* The oldest make room. Which they are is found by halving: whoever waits long goes first. */
static bool evict(struct ip_frags *t)
{
	for (uint64_t age = t->timeout_us / 2; age != 0; age /= 2)
		if (t->now_us > age && give_up(t, t->now_us - age, MR_C_FRAG_EVICTED))
			return true;
	return give_up(t, t->now_us, MR_C_FRAG_EVICTED);
}

/* Ends: each turn gives up at least one mbuf. */
static bool make_room(struct ip_frags *t, uint32_t mbufs)
{
	while (t->held + mbufs > t->held_max)
		if (!evict(t))
			return false;
	return true;
}

/* ---- what is let in ---- */

/*
 * RFC 1858 3 and 4, RFC 3128: the first fragment has the whole header that filters look at, and
 * none begins inside it. RFC 791, RFC 8200 4.5: all but the last are whole multiples of 8 octets,
 * and none ends beyond what a length can say. MR_C_COUNT: nothing is wrong.
 */
static enum mr_counter fault_of(const struct piece *p)
{
	const uint32_t len = p->f->l4_len, end = p->v.off + len;
	/* of IPv6 also the headers before the fragment header are in the length */
	const uint32_t before = p->f->family == 4 ? p->f->l3_len
						  : p->f->l3_len - IP6_LEN - FRAGMENT_LEN;

	if (len == 0 || (p->v.more && len % 8 != 0) || end + before > DATAGRAM_MAX)
		return MR_C_FRAG_BAD;
	if (p->v.proto == IPPROTO_TCP && (p->v.off == 0 ? len < TCP_MIN : p->v.off < TCP_MIN))
		return MR_C_FRAG_TINY;
	return MR_C_COUNT;
}

/*
 * The fragment in an mbuf that may be written to, its headers together, without padding behind.
 * NULL: no mbuf; the fragment is gone.
 */
static struct rte_mbuf *own(const struct ip_frags *t, const struct piece *p)
{
	const uint32_t len = (uint32_t)p->f->l2_len + p->f->l3_len + p->f->l4_len;
	struct rte_mbuf *m = p->m;

	MR_ASSERT(len <= m->pkt_len);
	if (m->nb_segs == 1 && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1) {
		m->data_len = (uint16_t)len;
		m->pkt_len = len;
		return m;
	}
	m = rte_pktmbuf_copy(p->m, t->pool, 0, len);
	rte_pktmbuf_free(p->m);
	if (m != NULL && m->data_len >= (uint32_t)p->f->l2_len + p->f->l3_len)
		return m;
	rte_pktmbuf_free(m);	/* headers longer than an mbuf: no frame has such */
	return NULL;
}

/*
 * DPDK wants the fragment header right behind that of IPv6: headers before it (wire_parse() admits
 * only those that a receiver may skip) are taken out. False: none were there.
 */
static void squeeze(struct rte_mbuf *m, uint32_t l2_len, uint32_t l3_len)
{
	const uint32_t extra = l3_len - IP6_LEN - FRAGMENT_LEN;
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ipv6_hdr *ip;

	if (extra == 0)
		return;
	memmove(at + extra, at, l2_len + IP6_LEN);
	rte_pktmbuf_adj(m, (uint16_t)extra);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, l2_len);
	ip->proto = IPPROTO_FRAGMENT;
	ip->payload_len = wire_be16((uint16_t)(wire_be16(ip->payload_len) - extra));
}

/* ---- DPDK's table ---- */

/*
 * The table's key is what the headers given to it say, and they need not be the fragment's: the
 * destination is replaced by what names it and its network. So also the protocol is in the key
 * (RFC 791), which DPDK leaves out.
 */
static struct rte_mbuf *offer4(struct ip_frags *t, const struct piece *p)
{
	struct rte_ipv4_hdr key;

	memcpy(&key, rte_pktmbuf_mtod_offset(p->m, const void *, p->f->l2_len), sizeof(key));
	key.dst_addr = (uint32_t)p->scope << 16 | (uint32_t)p->v.proto << 8 | 4u;
	p->m->l3_len = p->f->l3_len & 0x1ffu;	/* at most 60 */
	return rte_ipv4_frag_reassemble_packet(t->table, &t->dead, p->m, t->now_us, &key);
}

static struct rte_mbuf *offer6(struct ip_frags *t, const struct piece *p)
{
	struct rte_ipv6_fragment_ext frag;
	struct rte_ipv6_hdr key;
	uint8_t src[16], dst[16] = {6, (uint8_t)(p->scope >> 8), (uint8_t)p->scope};

	squeeze(p->m, p->f->l2_len, p->f->l3_len);
	memcpy(&key, rte_pktmbuf_mtod_offset(p->m, const void *, p->f->l2_len), sizeof(key));
	memcpy(&frag, rte_pktmbuf_mtod_offset(p->m, const void *, p->f->l2_len + IP6_LEN),
	       sizeof(frag));
	memcpy(src, wire_ip6_src(&key), 16);
	wire_ip6_set(&key, src, dst);
	p->m->l3_len = IP6_LEN + FRAGMENT_LEN;
	return rte_ipv6_frag_reassemble_packet(t->table, &t->dead, p->m, t->now_us, &key, &frag);
}

static struct rte_mbuf *offer(struct ip_frags *t, const struct piece *p)
{
	return p->f->family == 4 ? offer4(t, p) : offer6(t, p);
}

/* The frame of the datagram as if it had come in one: the port has not verified its checksums. */
static struct rte_mbuf *finish(struct ip_frags *t, struct rte_mbuf *m, const struct wire_frame *f)
{
	const uint64_t tags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED |
			      RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED;
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);

	MR_ASSERT(t->held >= m->nb_segs);
	t->held -= m->nb_segs;
	m->ol_flags &= tags;
	m->tx_offload = 0;
	if (f->family == 4) {
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	for (struct rte_mbuf *s = m; s != NULL; s = s->next)
		s->tx_offload = 0;
	mr_count(t->counters, MR_C_FRAG_DONE);
	return m;
}

/*
 * DPDK refuses a fragment that finds no entry: it lies alone in the death row, and can be offered
 * again once the oldest have gone.
 */
static struct rte_mbuf *offer_twice(struct ip_frags *t, const struct piece *p)
{
	struct rte_mbuf *whole = offer(t, p);

	if (MR_LIKELY(whole != NULL || t->dead.cnt != 1))
		return whole;
	t->dead.cnt = 0;
	t->held -= p->m->nb_segs;
	if (!evict(t)) {
		mr_count(t->counters, MR_C_FRAG_FULL);
		rte_pktmbuf_free(p->m);
		return NULL;
	}
	t->held += p->m->nb_segs;
	whole = offer(t, p);
	if (whole == NULL && t->dead.cnt == 1)	/* the oldest lay elsewhere */
		bury(t, MR_C_FRAG_FULL);
	return whole;
}

static struct rte_mbuf *refuse(struct ip_frags *t, struct rte_mbuf *m, enum mr_counter why)
{
	mr_count(t->counters, why);
	rte_pktmbuf_free(m);
	return NULL;
}

struct rte_mbuf *ip_frags_add(struct ip_frags *t, struct rte_mbuf *m, const struct wire_frame *f,
			      uint16_t scope, bool mbufs_low)
{
	struct piece p = {.m = m, .f = f, .scope = scope};
	struct rte_mbuf *whole;
	enum mr_counter fault;

	MR_CHECK(t->dead.cnt == 0);
	wire_fragment_values(m, f, &p.v);
	mr_count(t->counters, MR_C_FRAG_RX);
	fault = fault_of(&p);
	if (fault != MR_C_COUNT)
		return refuse(t, m, fault);
	if (mbufs_low || !make_room(t, m->nb_segs))
		return refuse(t, m, MR_C_FRAG_FULL);
	p.m = own(t, &p);
	if (p.m == NULL)
		return refuse(t, NULL, MR_C_FRAG_FULL);
	set_place(p.m, p.v.off, f->l4_len);
	p.m->l2_len = f->l2_len & 0x7fu;	/* at most 22 */
	t->held += p.m->nb_segs;
	whole = offer_twice(t, &p);
	if (whole != NULL)
		return finish(t, whole, f);
	bury(t, dead_overlap(&t->dead) ? MR_C_FRAG_OVERLAP : MR_C_FRAG_MANY);
	return NULL;
}

/* ---- whose it is ---- */

/*
 * No secret is in it: who sends fragments could hold up one worker's table as well by another
 * source address, and each table is bounded.
 */
unsigned int ip_fragment_owner(const struct rte_mbuf *m, const struct wire_frame *f,
			       unsigned int n)
{
	struct wire_fragment v;
	struct wire_ip ip;
	uint64_t h;

	wire_fragment_values(m, f, &v);
	wire_ip_values(m, f, &ip);
	h = (uint64_t)v.id << 8 | (f->family == 4 ? v.proto : 0u);
	for (unsigned int i = 0; i < 16; i += 8) {
		h = (h ^ wire_load64(ip.src + i)) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
		h = (h ^ wire_load64(ip.dst + i)) * 0xc2b2ae3d27d4eb4full;
		h ^= h >> 29;
	}
	return (unsigned int)(((h >> 32) * n) >> 32);	/* without a division */
}
