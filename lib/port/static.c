/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Static content: octets copied once into EAL memory (which ports can read), then sent any number
 * of times without copying, as external buffers of mbufs. Lives here because the memory is EAL's.
 * The reference counts are one per worker and cache line, so that workers share nothing on the
 * packet path.
 */
#include <string.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "bounds.h"
#include "check.h"
#include "stack.h"

/* Largest piece one mbuf can show: data_len and buf_len are 16 bits. */
#define STATIC_PIECE_MAX 65535u

struct static_ref {
	struct rte_mbuf_ext_shared_info info;
} MR_CACHE_ALIGNED;

struct mr_static {
	struct static_ref ref[MR_WORKERS_MAX];
	size_t len;
	rte_iova_t iova;
	uint8_t *octets;
};

/* Each count starts at 1 and every mbuf adds and removes its own: 0 would be a count gone wrong. */
static void static_never_free(void *addr, void *opaque)
{
	(void)addr;
	(void)opaque;
	MR_ASSERT(!"a static buffer has lost a reference");
}

struct mr_static *mr_static_create(const void *data, size_t len)
{
	struct mr_static *s = rte_zmalloc("mr_static", sizeof(*s), MR_CACHE_LINE);

	if (s == NULL)
		return NULL;
	s->octets = rte_malloc("mr_static_octets", MR_MAX(len, (size_t)1), MR_CACHE_LINE);
	if (s->octets == NULL) {
		rte_free(s);
		return NULL;
	}
	memcpy(s->octets, data, len);
	s->len = len;
	s->iova = rte_malloc_virt2iova(s->octets);
	for (unsigned int i = 0; i < MR_WORKERS_MAX; i++) {
		s->ref[i].info.free_cb = static_never_free;
		rte_mbuf_ext_refcnt_set(&s->ref[i].info, 1);
	}
	return s;
}

void mr_static_destroy(struct mr_static *s)
{
	if (s == NULL)
		return;
	for (unsigned int i = 0; i < MR_WORKERS_MAX; i++)
		MR_ASSERT(rte_mbuf_ext_refcnt_read(&s->ref[i].info) == 1);
	rte_free(s->octets);
	rte_free(s);
}

size_t mr_static_len(const struct mr_static *s) { return s->len; }

/* One mbuf that shows octets off .. off+len; NULL: none is free. */
static struct rte_mbuf *static_mbuf(struct mr_worker *w, struct mr_static *s, size_t off,
				    uint16_t len)
{
	struct rte_mbuf_ext_shared_info *info = &s->ref[mr_worker_id(w)].info;
	struct rte_mbuf *m = stack_ctl_mbuf(w);

	if (m == NULL)
		return NULL;
	rte_mbuf_ext_refcnt_update(info, 1);
	rte_pktmbuf_attach_extbuf(m, s->octets + off, s->iova + off, len, info);
	m->data_off = 0;
	m->data_len = len;
	m->pkt_len = len;
	return m;
}

uint32_t mr_send_static(struct mr_worker *w, mr_conn c, struct mr_static *s, size_t off,
			uint32_t len, unsigned int flags)
{
	uint32_t done = 0;

	MR_ASSERT(off <= s->len && len <= s->len - off);
	while (done < len) {
		uint32_t room = mr_send_room(w, c),
			 n = MR_MIN(len - done, MR_MIN(room, STATIC_PIECE_MAX));
		bool last = done + n == len;
		struct rte_mbuf *m;

		if (n == 0) {
			mr_want_writable(w, c);
			break;
		}
		m = static_mbuf(w, s, off + done, (uint16_t)n);
		if (m == NULL || mr_send(w, c, m, last ? flags : flags | MR_SEND_MORE) == 0) {
			rte_pktmbuf_free(m);
			mr_want_writable(w, c);
			break;
		}
		done += n;
	}
	return done;
}
