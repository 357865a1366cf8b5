/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mbufs from the heap, for tests without EAL: every one is counted, none is reused, so that ASan
 * sees each wrong access and a test sees each leak.
 */
#ifndef TEST_FAKE_MBUF_H
#define TEST_FAKE_MBUF_H

#include <rte_mbuf.h>

#define FAKE_ROOM 2048u

/** One mbuf with len octets copied from data (NULL: zeroes). len <= FAKE_ROOM. */
struct rte_mbuf *fake_mbuf(const void *data, uint32_t len);
/** A chain of pieces of at most `piece` octets. */
struct rte_mbuf *fake_chain(const void *data, uint32_t len, uint32_t piece);
/** As rte_pktmbuf_free. */
void fake_free(struct rte_mbuf *m);
/** mbufs allocated and not freed. */
long fake_live(void);
/** Copies len octets from offset off of the mbufs linked by next. */
void fake_read(const struct rte_mbuf *m, uint32_t off, void *to, uint32_t len);

#endif /* TEST_FAKE_MBUF_H */
