/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulated switch. Frames in flight are copies in a heap ordered by time and then by order of
 * sending, so that equal times never depend on anything but the seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "net.h"
#include "check.h"

#define DIGEST_PRIME 0x100000001b3ull

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

/* ---- the link ---- */

static uint64_t mix(uint64_t digest, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		digest = (digest ^ p[i]) * DIGEST_PRIME;
	return digest;
}

static bool chance(struct mr_rng *r, uint32_t in_65536)
{
	return in_65536 != 0 && (mr_rng_next(r) & 0xffff) < in_65536;
}

static void send_copy(struct sim *s, struct mr_rng *r, unsigned int to, const uint8_t *octets,
		      uint16_t len)
{
	struct sim_frame f = {.host = (uint8_t)to, .len = len, .order = mr_rng_next(r)};

	f.at_us = s->now_us + s->link.delay_us;
	if (s->link.jitter_us != 0)
		f.at_us += mr_rng_below(r, s->link.jitter_us);
	if (chance(r, s->link.reorder))
		f.at_us += s->link.reorder_us;
	f.octets = malloc(len);
	MR_ASSERT(f.octets != NULL);
	memcpy(f.octets, octets, len);
	if (chance(r, s->link.corrupt)) {
		f.octets[mr_rng_below(r, len)] ^= (uint8_t)(1u << mr_rng_below(r, 8));
		s->corrupted++;
	}
	heap_push(s, f);
}

/*
 * A frame's fate hangs on its octets, its time and the seed, not on how many frames went before: so
 * two engines that send the same frames in another order within one instant still meet the same
 * weather.
 */
static void switch_frame(struct sim *s, unsigned int from, const uint8_t *octets, uint16_t len)
{
	struct mr_rng r;

	mr_rng_seed(&r, mix(s->seed ^ s->now_us, octets, len));
	if (s->tap != NULL)
		s->tap(s->tap_arg, from, octets, len);
	for (unsigned int i = 0; i < s->nhosts; i++) {
		bool mine = (octets[0] & 1) != 0 || memcmp(octets, s->host[i].mac, 6) == 0;

		if (i == from || !mine)
			continue;
		if (chance(&r, s->link.loss)) {
			s->lost++;
			continue;
		}
		send_copy(s, &r, i, octets, len);
		if (chance(&r, s->link.duplicate)) {
			s->duplicated++;
			send_copy(s, &r, i, octets, len);
		}
	}
}

static void transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	struct sim_host *h = ctx;
	uint8_t copy[2048];

	(void)port;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = m[i]->pkt_len;
		const uint8_t *p = rte_pktmbuf_read(m[i], 0, len, copy);

		MR_ASSERT(len <= sizeof(copy) && p != NULL);
		switch_frame(h->sim, h->index, p, (uint16_t)len);
		rte_pktmbuf_free(m[i]);
	}
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

static void deliver_due(struct sim *s)
{
	while (s->nheap != 0 && s->heap[0].at_us <= s->now_us) {
		struct sim_frame f = heap_pop(s);
		struct sim_host *h = &s->host[f.host];
		struct rte_mbuf *m = rte_pktmbuf_alloc(h->data_pool);

		s->frames++;
		s->digest += mix(DIGEST_PRIME ^ f.at_us, f.octets, f.len);
		if (m != NULL) {
			memcpy(rte_pktmbuf_append(m, f.len), f.octets, f.len);
			h->burst[h->nburst++] = m;
			if (h->nburst == MR_BURST)
				deliver_burst(s, h);
		}
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
	for (unsigned int i = 0; i < s->nhosts; i++) {
		uint32_t idle = stack_idle_ms(s->host[i].w, 1000);

		next = MR_MIN(next, s->now_us + MR_MAX(idle, 1u) * 1000ull);
	}
	return (next + s->poll_us - 1) / s->poll_us * s->poll_us;
}

void sim_step(struct sim *s, uint64_t max_us)
{
	s->now_us = next_event(s, max_us);
	deliver_due(s);
	for (unsigned int i = 0; i < s->nhosts; i++) {
		struct sim_host *h = &s->host[i];

		stack_set_time(h->w, s->now_us);
		if (h->on_turn != NULL)
			h->on_turn(h->w, h->arg);
		stack_turn(h->w);
		stack_flush(h->w);
	}
}

void sim_run(struct sim *s, uint64_t us)
{
	uint64_t end = s->now_us + us;

	while (s->now_us < end)
		sim_step(s, end - s->now_us);
}

uint32_t sim_in_flight(const struct sim *s) { return s->nheap; }

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
		rte_mempool_free(s->host[i].data_pool);
		rte_mempool_free(s->host[i].ctl_pool);
	}
}
