/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A use after free of an mbuf, seen. AddressSanitizer knows nothing of mempools: an mbuf that was
 * given back is memory like any other. This is an implementation of mempool operations that calls
 * itself "ring_mp_mc", as the one that DPDK takes by default, and "stack", as the engine's, and
 * comes before them in the table. It keeps the free objects in a ring, so that the one given back
 * last is taken last, and every object in the ring is forbidden ground, header and data room alike.
 *
 * Linked whole into test programs built with -fsanitize=address; nothing calls it by name.
 */
#include <errno.h>
#include <stdio.h>
#include <sanitizer/asan_interface.h>

#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_ring.h>

struct poison_pool {
	struct rte_ring *ring;
	/*
	 * While a pool is being filled DPDK still has to write its objects for the first time.
	 * Whole pools are filled before anything is taken.
	 */
	unsigned int filled;
};
/* Not from the heap: tests let EAL take their pools down, which does not say so to anybody. */
static struct poison_pool pools[256];

static int poison_alloc(struct rte_mempool *mp)
{
	struct poison_pool *p = pools;
	char name[RTE_RING_NAMESIZE];

	while (p < pools + RTE_DIM(pools) && p->ring != NULL)
		p++;
	if (p == pools + RTE_DIM(pools))
		return -ENOMEM;
	snprintf(name, sizeof(name), "P_%s", mp->name);
	p->ring = rte_ring_create(name, rte_align32pow2(mp->size + 1), mp->socket_id, 0);
	if (p->ring == NULL)
		return -rte_errno;
	p->filled = 0;
	mp->pool_data = p;
	return 0;
}

/* All objects were taken out before: none is forbidden any more. */
static void poison_free(struct rte_mempool *mp)
{
	struct poison_pool *p = mp->pool_data;

	rte_ring_free(p->ring);
	p->ring = NULL;
}

static int poison_enqueue(struct rte_mempool *mp, void *const *objects, unsigned int n)
{
	struct poison_pool *p = mp->pool_data;

	if (p->filled < mp->size)
		p->filled += n;
	else
		for (unsigned int i = 0; i < n; i++)
			ASAN_POISON_MEMORY_REGION(objects[i], mp->elt_size);
	return rte_ring_enqueue_bulk(p->ring, objects, n, NULL) == 0 ? -ENOBUFS : 0;
}

static int poison_dequeue(struct rte_mempool *mp, void **objects, unsigned int n)
{
	struct poison_pool *p = mp->pool_data;

	if (rte_ring_dequeue_bulk(p->ring, objects, n, NULL) == 0)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++)
		ASAN_UNPOISON_MEMORY_REGION(objects[i], mp->elt_size);
	return 0;
}

static unsigned int poison_count(const struct rte_mempool *mp)
{
	const struct poison_pool *p = mp->pool_data;

	return rte_ring_count(p->ring);
}

#define POISON_OPS(what) \
	{.name = what, .alloc = poison_alloc, .free = poison_free, .enqueue = poison_enqueue, \
	 .dequeue = poison_dequeue, .get_count = poison_count}
static const struct rte_mempool_ops poison_ring = POISON_OPS("ring_mp_mc");
static const struct rte_mempool_ops poison_stack = POISON_OPS("stack");
RTE_MEMPOOL_REGISTER_OPS(poison_ring)
RTE_MEMPOOL_REGISTER_OPS(poison_stack)
