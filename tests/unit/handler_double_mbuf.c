/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mbufs without EAL: they come from malloc and go back to free through a mempool that has no memory
 * of its own, so that ASan sees each of them.
 */
#include <stdlib.h>
#include <string.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "handler_double.h"

static unsigned int mbufs_out;

static int pool_enqueue(struct rte_mempool *mp, void *const *obj, unsigned int n)
{
	(void)mp;
	for (unsigned int i = 0; i < n; i++) {
		free(obj[i]);
		mbufs_out--;
	}
	return 0;
}

static const struct rte_mempool_ops pool_ops = {
	.name = "handler_double",
	.alloc = NULL,
	.enqueue = pool_enqueue,
};

static struct rte_mempool *pool(void)
{
	static struct rte_mempool mp;
	static bool ready;

	/* rte_mempool_register_ops() wants all functions; only one of them is ever called here. */
	if (!ready) {
		rte_mempool_ops_table.ops[RTE_MEMPOOL_MAX_OPS_IDX - 1] = pool_ops;
		mp.ops_index = RTE_MEMPOOL_MAX_OPS_IDX - 1;
		rte_mempool_ops_table.num_ops = RTE_MEMPOOL_MAX_OPS_IDX;
		ready = true;
	}
	return &mp;
}

/* Exactly as large as its octets: a read behind them is a read behind the allocation. */
struct rte_mbuf *double_mbuf(const char *data, size_t len)
{
	struct rte_mbuf *m = aligned_alloc(64, (sizeof(*m) + len + 63) & ~(size_t)63);

	memset(m, 0, sizeof(*m));
	m->buf_addr = m + 1;
	m->buf_len = (uint16_t)len;
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	m->nb_segs = 1;
	m->port = RTE_MBUF_PORT_INVALID;
	m->pool = pool();
	rte_mbuf_refcnt_set(m, 1);
	memcpy(m->buf_addr, data, len);
	mbufs_out++;
	return m;
}

unsigned int double_mbufs_out(void)
{
	return mbufs_out;
}

void double_mbufs_reset(void)
{
	mbufs_out = 0;
}
