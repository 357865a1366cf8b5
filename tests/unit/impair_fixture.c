/* SPDX-License-Identifier: BSD-3-Clause */
/* See impair_fixture.h. */
#include <criterion/criterion.h>
#include <string.h>

#include "impair_fixture.h"
#include "port_double.h"

struct rte_mempool *impair_pool;

void impair_eal(void)
{
	static struct eal_options opt;
	const char *why = "";

	double_eal(&opt, 1);
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	impair_pool = rte_pktmbuf_pool_create("test", POOL, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	cr_assert_neq(impair_pool, NULL);
}

struct rte_mbuf *frame(uint32_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(impair_pool);
	uint8_t *at;

	cr_assert_neq(m, NULL);
	at = (uint8_t *)rte_pktmbuf_append(m, LEN);
	for (uint32_t i = 0; i < LEN; i++)
		at[i] = (uint8_t)(number * 31 + i);
	memcpy(at, &number, 4);
	return m;
}

uint32_t number_of(const struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod(m, const uint32_t *);
}
