/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See fake_mbuf.h. The buffer is an allocation of its own: an overrun is seen at once.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "fake_mbuf.h"
#include "check.h"

static long live;

/* glibc would give the heap back after each connection, and ask for it again: page faults were
 * half of the time of thousands. */
static __attribute__((constructor)) void keep_the_heap(void)
{
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 4 << 20);
}

long fake_live(void) { return live; }

struct rte_mbuf *fake_mbuf(const void *data, uint32_t len)
{
	struct rte_mbuf *m = aligned_alloc(64, sizeof(*m));

	MR_ASSERT(m != NULL && len <= FAKE_ROOM);
	memset(m, 0, sizeof(*m));
	m->buf_addr = calloc(1, RTE_PKTMBUF_HEADROOM + FAKE_ROOM);
	m->buf_len = RTE_PKTMBUF_HEADROOM + FAKE_ROOM;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->nb_segs = 1;
	m->refcnt = 1;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	if (data != NULL && len != 0)
		memcpy(rte_pktmbuf_mtod(m, void *), data, len);
	live++;
	return m;
}

struct rte_mbuf *fake_chain(const void *data, uint32_t len, uint32_t piece)
{
	const uint8_t *from = data;
	struct rte_mbuf *head = NULL, *tail = NULL;

	/* not by rte_pktmbuf_chain(), which looks for the tail each time */
	while (len != 0) {
		uint32_t n = RTE_MIN(len, piece);
		struct rte_mbuf *m = fake_mbuf(from, n);

		if (head == NULL) {
			head = m;
		} else {
			MR_ASSERT(head->nb_segs < RTE_MBUF_MAX_NB_SEGS);
			tail->next = m;
			head->nb_segs++;
			head->pkt_len += n;
		}
		tail = m;
		from += from != NULL ? n : 0;
		len -= n;
	}
	return head;
}

void fake_free(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		if (--m->refcnt == 0) {
			free(m->buf_addr);
			free(m);
			live--;
		}
		m = next;
	}
}

void fake_read(const struct rte_mbuf *m, uint32_t off, void *to, uint32_t len)
{
	uint8_t *out = to;

	while (len != 0) {
		uint32_t n;

		MR_ASSERT(m != NULL);
		if (off >= m->data_len) {
			off -= m->data_len;
			m = m->next;
			continue;
		}
		n = RTE_MIN(len, m->data_len - off);
		memcpy(out, rte_pktmbuf_mtod_offset(m, uint8_t *, off), n);
		out += n;
		len -= n;
		off = 0;
		m = m->next;
	}
}
