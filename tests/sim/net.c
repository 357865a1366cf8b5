/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulated switch. Frames in flight are copies in a heap ordered by time and then by order of
 * sending, so that equal times never depend on anything but the seed.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "net.h"
#include "check.h"
#include "seg.h"

#define DIGEST_PRIME 0x100000001b3ull
#define ETHERTYPE_ARP 0x0806u
#define ETHERTYPE_IP6 0x86ddu

/* ---- the heap of frames ---- */

static bool earlier(const struct sim_frame *a, const struct sim_frame *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_push(struct sim *s, struct sim_frame f)
{
	uint32_t i = s->nheap++;

	if (s->nheap > s->heap_cap) {
		s->heap_cap = MR_MAX(1024u, s->heap_cap * 2);
		s->heap = realloc(s->heap, s->heap_cap * sizeof(*s->heap));
		MR_ASSERT(s->heap != NULL);
	}
	while (i > 0 && earlier(&f, &s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = f;
}

static struct sim_frame heap_pop(struct sim *s)
{
	struct sim_frame top = s->heap[0], last = s->heap[--s->nheap];
	uint32_t i = 0;

	for (;;) {
		uint32_t k = 2 * i + 1;

		if (k >= s->nheap)
			break;
		if (k + 1 < s->nheap && earlier(&s->heap[k + 1], &s->heap[k]))
			k++;
		if (!earlier(&s->heap[k], &last))
			break;
		s->heap[i] = s->heap[k];
		i = k;
	}
	s->heap[i] = last;
	return top;
}

/* ---- from host to host ---- */

static uint64_t mix(uint64_t digest, const uint8_t *p, uint32_t len)
{
	uint64_t word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		digest = (digest ^ word) * DIGEST_PRIME;
		digest ^= digest >> 29;
	}
	for (uint32_t i = 0; i < len; i++)
		digest = (digest ^ p[i]) * DIGEST_PRIME;
	return digest;
}

static uint8_t *copy_of(const uint8_t *octets, uint16_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	MR_ASSERT(copy != NULL);
	memcpy(copy, octets, len);
	return copy;
}

static void send_copy(struct sim *s, unsigned int to, const struct sim_frame *f,
		      const struct sim_passage *lot, unsigned int k)
{
	struct sim_frame copy = {.host = (uint8_t)to, .len = lot->len[k], .at_us = lot->at_us[k],
				 .order = s->order++};

	copy.damaged = lot->flip[k] != 0 || copy.len != f->len;
	/* A bit flips in a router: on the link, where ARP is, the frame check sequence sees it. */
	if (copy.damaged && sim_get16(f->octets + 12) == ETHERTYPE_ARP)
		return;
	copy.octets = copy_of(f->octets, copy.len);
	if (lot->flip[k] != 0 && (lot->flip[k] - 1) / 8 < copy.len)
		copy.octets[(lot->flip[k] - 1) / 8] ^= (uint8_t)(1u << (lot->flip[k] - 1) % 8);
	heap_push(s, copy);
}

void sim_inject(struct sim *s, unsigned int host, uint64_t at_us, const uint8_t *octets,
		uint16_t len)
{
	struct sim_frame f = {.host = (uint8_t)host, .len = len, .at_us = at_us, .forged = true,
			      .order = s->order++, .octets = copy_of(octets, len)};

	heap_push(s, f);
}

/* ---- neighbours that are not found ---- */

#define ND_SOLICITATION	135u
#define ND_ADVERTISEMENT 136u

static bool resolves(const struct sim_frame *f)
{
	const unsigned int type = sim_get16(f->octets + 12);

	return type == ETHERTYPE_ARP ||
	       (type == ETHERTYPE_IP6 && f->len > 54 && f->octets[20] == IPPROTO_ICMPV6 &&
		(f->octets[54] == ND_SOLICITATION || f->octets[54] == ND_ADVERTISEMENT));
}

static void note_unresolved(struct sim *s)
{
	memmove(s->unresolved_us + 1, s->unresolved_us, (SIM_SOLICITS - 1) * sizeof(uint64_t));
	s->unresolved_us[0] = s->now_us;
}

bool sim_unresolved(const struct sim *s)
{
	const uint64_t first_us = s->unresolved_us[SIM_SOLICITS - 1];

	return first_us != 0 && s->now_us - first_us <= (SIM_SOLICITS + 1) * UINT64_C(1000000);
}

static void switch_frame(struct sim *s, unsigned int from, const struct sim_frame *f)
{
	uint8_t error[SIM_FRAME_MAX];
	struct sim_passage lot;
	struct sim_host *h = &s->host[from];

	sim_path_pass(&h->path, &s->link, s->now_us, f->len, &lot);
	if (lot.fate == SIM_TOO_BIG && !s->link.mtu_silent) {
		uint16_t len = sim_too_big(f->octets, f->len, h->path.mtu, error);

		if (len != 0)
			sim_inject(s, from, s->now_us + s->link.delay_us, error, len);
	}
	if (lot.fate != SIM_PASS || lot.flip[0] != 0 || lot.len[0] != f->len) {
		if (resolves(f))
			note_unresolved(s);
		if (s->hooks.lost != NULL)
			s->hooks.lost(s->hooks.arg, f->octets, f->len);
	}
	if (lot.fate != SIM_PASS)
		return;
	for (unsigned int i = 0; i < s->nhosts; i++) {
		bool mine = (f->octets[0] & 1) != 0 || memcmp(f->octets, s->host[i].mac, 6) == 0;

		for (unsigned int k = 0; k < lot.copies && i != from && mine; k++)
			send_copy(s, i, f, &lot, k);
	}
}

/* ---- what a host sends in one step ---- */

/*
 * No two connections of a host have the same (an odd factor maps one to one); frames of none: 0.
 */
static uint64_t tuple_order(const uint8_t *p, uint16_t len)
{
	const unsigned int at = sim_tcp_offset(p, len);

	/* `at` says the family */
	return at == 0 ? 0 : ((uint64_t)at << 32 | sim_get32(p + at)) * DIGEST_PRIME;
}

static void transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	struct sim_host *h = ctx;
	uint8_t copy[SIM_FRAME_MAX];

	(void)port;
	for (uint16_t i = 0; i < n; i++) {
		const uint32_t len = m[i]->pkt_len;
		const uint8_t *p = rte_pktmbuf_read(m[i], 0, len, copy);

		MR_ASSERT(len <= sizeof(copy) && p != NULL);
		if (h->nsent == h->sent_cap) {
			h->sent_cap = MR_MAX(64u, h->sent_cap * 2);
			h->sent = realloc(h->sent, h->sent_cap * sizeof(*h->sent));
			MR_ASSERT(h->sent != NULL);
		}
		h->sent[h->nsent] = (struct sim_frame){.len = (uint16_t)len,
						       .at_us = tuple_order(p, (uint16_t)len),
						       .order = h->nsent,
						       .octets = copy_of(p, (uint16_t)len)};
		h->nsent++;
		rte_pktmbuf_free(m[i]);
	}
}

static int by_tuple(const void *a, const void *b)
{
	return earlier(a, b) ? -1 : 1;
}

/*
 * The two ways through an engine may send the frames of one instant in another order, but never
 * those of one connection. So frames meet the path sorted by connection: the same weather for both.
 */
static void send_all(struct sim *s, struct sim_host *h)
{
	if (h->nsent > 1)
		qsort(h->sent, h->nsent, sizeof(*h->sent), by_tuple);
	for (uint32_t i = 0; i < h->nsent; i++) {
		struct sim_frame *f = &h->sent[i];

		s->digest = mix(s->digest ^ s->now_us, f->octets, f->len);
		if (s->hooks.sent != NULL)
			s->hooks.sent(s->hooks.arg, h->index, f->octets, f->len);
		if (sim_box_pass(&h->path, &s->link, s->now_us, f->octets, &f->len))
			switch_frame(s, h->index, f);
		free(f->octets);
	}
	h->nsent = 0;
}

/* ---- hosts ---- */

void sim_addr(unsigned int i, uint8_t family, uint8_t addr[16])
{
	memset(addr, 0, 16);
	if (family == 4) {
		addr[0] = 10;
		addr[3] = (uint8_t)(i + 1);
	} else {
		addr[0] = 0xfd;
		addr[15] = (uint8_t)(i + 1);
	}
}

void sim_init(struct sim *s, uint64_t seed, const struct sim_link *link)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed * 0x9e3779b97f4a7c15ull;
	s->link = *link;
	s->poll_us = 100;
	s->now_us = 1000000;
}

struct sim_host *sim_add(struct sim *s, struct stack_config *cfg, uint32_t mbufs)
{
	static unsigned int pools;
	struct sim_host *h = &s->host[s->nhosts];
	struct stack_init init = {.cfg = cfg,
				  .id = s->nhosts,
				  .group_first = s->nhosts,
				  .group_count = 1,
				  .node = -1,
				  .nports = 1,
				  .now_us = s->now_us,
				  .io = {.ctx = h, .transmit = transmit}};
	const char *why = NULL;
	char name[32];

	MR_ASSERT(s->nhosts < SIM_HOSTS_MAX);
	h->sim = s;
	h->index = s->nhosts++;
	memcpy(h->mac, (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)h->index}, 6);
	sim_path_init(&h->path, &s->link, s->seed + h->index);
	snprintf(name, sizeof(name), "sim_data_%u", pools);
	h->data_pool = rte_pktmbuf_pool_create(name, mbufs, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM,
					       SOCKET_ID_ANY);
	snprintf(name, sizeof(name), "sim_ctl_%u", pools++);
	h->ctl_pool = rte_pktmbuf_pool_create(name, mbufs, 0, 0, 512 + RTE_PKTMBUF_HEADROOM,
					      SOCKET_ID_ANY);
	MR_ASSERT(h->data_pool != NULL && h->ctl_pool != NULL);
	h->data_free = rte_mempool_avail_count(h->data_pool);
	h->ctl_free = rte_mempool_avail_count(h->ctl_pool);
	init.data_pool = h->data_pool;
	init.ctl_pool = h->ctl_pool;
	init.port[0] = (struct stack_port){.mtu = 1500, .multi_seg = true, .up = true};
	memcpy(init.port[0].mac, h->mac, 6);
	h->w = stack_create(&init, &why);
	if (h->w == NULL)
		fprintf(stderr, "sim: %s\n", why);
	MR_ASSERT(h->w != NULL);
	return h;
}

/* ---- time ---- */

static void deliver_burst(struct sim *s, struct sim_host *h)
{
	if (h->nburst == 0)
		return;
	stack_set_time(h->w, s->now_us);
	stack_rx(h->w, 0, h->burst, h->nburst);
	h->nburst = 0;
}

static void deliver(struct sim *s, const struct sim_frame *f)
{
	struct sim_host *h = &s->host[f->host];
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->data_pool);
	bool alone;

	s->frames++;
	if (m == NULL) {	/* as a NIC whose ring was not refilled */
		s->no_mbuf++;
		return;
	}
	if (!f->forged && s->hooks.received != NULL)
		s->hooks.received(s->hooks.arg, f);
	memcpy(rte_pktmbuf_append(m, f->len), f->octets, f->len);
	alone = s->all_apart || (s->errors_apart && sim_tcp_offset(f->octets, f->len) == 0);
	if (alone)
		deliver_burst(s, h);
	h->burst[h->nburst++] = m;
	if (alone || h->nburst == MR_BURST)
		deliver_burst(s, h);
}

static void deliver_due(struct sim *s)
{
	while (s->nheap != 0 && s->heap[0].at_us <= s->now_us) {
		struct sim_frame f = heap_pop(s);

		deliver(s, &f);
		free(f.octets);
	}
	for (unsigned int i = 0; i < s->nhosts; i++)
		deliver_burst(s, &s->host[i]);
}

/* When something can happen next: a frame or a timer, rounded up to the polling period. */
static uint64_t next_event(const struct sim *s, uint64_t max_us)
{
	uint64_t next = s->now_us + max_us;

	if (s->nheap != 0)
		next = MR_MIN(next, MR_MAX(s->heap[0].at_us, s->now_us + 1));
	if (s->hooks.wanted_us != NULL)
		next = MR_MIN(next, MR_MAX(s->hooks.wanted_us(s->hooks.arg), s->now_us + 1));
	for (unsigned int i = 0; i < s->nhosts; i++) {
		const uint32_t idle = stack_idle_ms(s->host[i].w, 1000);

		/*
		 * From the millisecond, not from now: each one in which something is due begins
		 * with a turn, however idle the wheel looked: both ways through see it then.
		 */
		next = MR_MIN(next, (s->now_us / 1000 + MR_MAX(idle, 1u)) * 1000ull);
	}
	return (next + s->poll_us - 1) / s->poll_us * s->poll_us;
}

void sim_step(struct sim *s, uint64_t max_us)
{
	const uint64_t next_us = next_event(s, max_us);

	if (s->hooks.before != NULL)
		s->hooks.before(s->hooks.arg, next_us);
	s->now_us = next_us;
	s->steps++;
	deliver_due(s);
	for (unsigned int i = 0; i < s->nhosts; i++) {
		struct mr_worker *w = s->host[i].w;

		stack_set_time(w, s->now_us);
		if (s->hooks.turn != NULL)
			s->hooks.turn(s->hooks.arg, i);
		stack_turn(w);
		stack_flush(w);
	}
	for (unsigned int i = 0; i < s->nhosts; i++)
		send_all(s, &s->host[i]);
	if (s->hooks.after != NULL)
		s->hooks.after(s->hooks.arg);
}

void sim_run(struct sim *s, uint64_t us)
{
	uint64_t end = s->now_us + us;

	while (s->now_us < end)
		sim_step(s, end - s->now_us);
}

unsigned int sim_leaks(struct sim *s)
{
	unsigned int bad = 0;

	for (unsigned int i = 0; i < s->nhosts; i++) {
		struct sim_host *h = &s->host[i];
		struct stack_stats st;

		stack_check(h->w);
		stack_stats(h->w, &st);
		for (unsigned int f = 0; f < 2; f++) {
			if (st.conns_open[f] != 0 || st.time_wait[f] != 0)
				bad += printf("host %u: %u connections, %u TIME_WAIT left\n", i,
					      st.conns_open[f], st.time_wait[f]) > 0;
		}
		if (st.ext_used != 0 || st.mbufs_held != 0)
			bad += printf("host %u: %u extensions, %lu mbufs held\n", i, st.ext_used,
				      (unsigned long)st.mbufs_held) > 0;
		if (st.data_pool_free != h->data_free || st.ctl_pool_free != h->ctl_free)
			bad += printf("host %u: %u of %u data, %u of %u control mbufs home\n", i,
				      st.data_pool_free, h->data_free, st.ctl_pool_free,
				      h->ctl_free) > 0;
	}
	return bad;
}

void sim_fini(struct sim *s)
{
	while (s->nheap != 0)
		free(heap_pop(s).octets);
	free(s->heap);
	for (unsigned int i = 0; i < s->nhosts; i++) {
		stack_destroy(s->host[i].w);
		free(s->host[i].sent);
		rte_mempool_free(s->host[i].data_pool);
		rte_mempool_free(s->host[i].ctl_pool);
	}
}
