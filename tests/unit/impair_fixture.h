/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of impair with frames share: EAL, a pool, and frames that are told apart. */
#ifndef IMPAIR_FIXTURE_H
#define IMPAIR_FIXTURE_H

#include <rte_mbuf.h>

#define POOL 2047u
#define LEN 100u
#define MS 1000000u

extern struct rte_mempool *impair_pool;

/** Starts EAL and makes the pool. */
void impair_eal(void);
/** A frame of LEN octets: its number and a pattern. */
struct rte_mbuf *frame(uint32_t number);
uint32_t number_of(const struct rte_mbuf *m);

#endif /* IMPAIR_FIXTURE_H */
