/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does to an mbuf what its first argument says, after it was given back to its pool, whose mempool
 * operations the second one names: test_poison.py looks whether AddressSanitizer saw it. "nothing"
 * uses the pool as it is meant.
 */
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

static int use(struct rte_mempool *pool, const char *what)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *copy = rte_pktmbuf_alloc(pool);
	uint8_t *data;

	if (m == NULL || copy == NULL)
		return 3;
	data = (uint8_t *)rte_pktmbuf_append(m, 100);
	memset(data, 1, 100);
	rte_pktmbuf_attach(copy, m);
	rte_pktmbuf_free(m);	/* the copy still holds the data */
	if (data[50] != 1)
		return 3;
	rte_pktmbuf_free(copy);
	if (strcmp(what, "read data") == 0)
		return ((volatile uint8_t *)data)[50];
	if (strcmp(what, "write header") == 0)
		((volatile struct rte_mbuf *)m)->pkt_len = 1;
	if (strcmp(what, "free again") == 0)
		rte_pktmbuf_free(m);
	return 0;
}

int main(int argc, char **argv)
{
	char *eal[] = {"t", "--no-huge", "-m", "16", "--no-pci", "--no-shconf", "--no-telemetry",
		       "--log-level=4", "--lcores=0", NULL};
	struct rte_mempool *pool;
	int rc;

	if (argc != 3 || rte_eal_init(RTE_DIM(eal) - 1, eal) < 0)
		return 2;
	/* twice: the memory of a pool that is gone may be used again */
	for (int i = 0; i < 2; i++) {
		pool = rte_pktmbuf_pool_create_by_ops("p", 63, 0, 0, 512, SOCKET_ID_ANY, argv[2]);
		if (pool == NULL)
			return 2;
		rc = use(pool, argv[1]);
		if (rc != 0)
			return rc;
		for (int k = 0; k < 200; k++)
			rte_pktmbuf_free(rte_pktmbuf_alloc(pool));
		rte_mempool_free(pool);
	}
	rte_eal_cleanup();
	puts("clean");
	return 0;
}
