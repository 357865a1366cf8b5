/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies in EAL's memory: mbufs and rings (static content: tx.c). Each worker has two mempools,
 * of payload mbufs and of small ones: what can be in flight at once, the reserve below which SYNs
 * are shed, and a bounded part of what connections may hold. They are MP/MC, since a ring peer
 * frees into them from its own core. A ring pair joins two ports of one process, queue q to queue
 * q; a frame that is sent is the very mbuf the other side receives. Owns the rings, and the pools
 * that outlive their engine because a peer still holds mbufs of them. Never on the packet path.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_ring.h>

#include "check.h"
#include "eal.h"
#include "engine_impl.h"

/* The most DPDK allows: refills and flushes touch the shared ring once in hundreds of mbufs. */
#define POOL_CACHE 512u
/* A cache keeps up to 1.5 times its size; a lcore that only frees into a pool fills one as well. */
#define POOL_CACHED (POOL_CACHE + POOL_CACHE / 2u)
#define POOL_MBUFS_MIN 4096u
#define POOL_MBUFS_MAX (1u << 26)
/* What connections may hold on top of the rings: two mbufs for each extension, within reason; more
 * is the configuration's choice (`mbufs`). */
#define POOL_HELD_MIN 2048u
#define POOL_HELD_MAX 32768u
#define POOL_CTL_ROOM 512u
/* EAL's own needs and the drivers': device data, memif and virtio queues, telemetry. */
#define EAL_BASE_MB 48u
#define PAGE_4K 4096u

static_assert(ENGINE_HEADROOM + MR_HEADER_MAX + MR_COPY_MAX <= POOL_CTL_ROOM,
	      "a control mbuf must hold header and small payload");
static_assert(POOL_CACHE <= RTE_MEMPOOL_CACHE_MAX_SIZE, "rte_pktmbuf_pool_create would refuse");

/* Pools of destroyed engines that were not full: tried again whenever an engine goes. */
static struct rte_mempool *kept[4 * MR_WORKERS_MAX];
static unsigned int nkept;

/* Descriptors of one direction: what is known, or before EAL runs the most there can be. */
static uint32_t desc_of(uint16_t planned, uint16_t configured)
{
	if (planned != 0)
		return planned;
	return configured != 0 ? configured : PROFILE_DESC_MAX;
}

struct in_flight {
	uint32_t rx, tx, back; /* mbufs in the rings of one worker; ours that are replies to us */
	uint32_t mtu;
};

static struct in_flight in_flight_of(const struct engine_config *cfg,
				     const struct engine_port *port)
{
	struct in_flight f = {.mtu = RTE_ETHER_MTU};

	for (uint32_t i = 0; i < cfg->nports; i++) {
		const struct engine_port_config *pc = &cfg->port[i];
		uint32_t nw = cfg->nworkers, queues = (MR_MAX(pc->queues, nw) + nw - 1) / nw;
		uint32_t tx = desc_of(port != NULL ? port[i].tx_desc : 0, pc->tx_desc);
		uint32_t rx = desc_of(port != NULL ? port[i].rx_desc : 0, pc->rx_desc);
		uint32_t ring = port != NULL ? ring_pair_entries(pc->name) : tx; /* or unknown */

		f.rx += queues * (RX_HELD_MAX + rx);
		f.tx += MR_MAX(tx, ring) + TX_BACKLOG_MAX;
		f.back += ring;
		f.mtu = MR_MAX(f.mtu, pc->mtu);
	}
	return f;
}

static uint32_t held_by_connections(const struct engine_config *cfg)
{
	uint32_t ext = cfg->stack != NULL ? cfg->stack->extensions : 0;

	return ext >= POOL_HELD_MAX / 2 ? POOL_HELD_MAX : MR_MAX(2 * ext, POOL_HELD_MIN);
}

/* Below so many free ones of either pool the stack sheds SYNs. */
static uint32_t reserve_of(const struct engine_config *cfg)
{
	return cfg->stack != NULL ? cfg->stack->mbufs_reserve : 0;
}

static uint32_t data_mbufs(const struct engine_config *cfg, const struct in_flight *f)
{
	uint32_t n = f->rx + f->tx + 4 * MR_BURST + 2 * POOL_CACHED + reserve_of(cfg);

	if (cfg->mbufs != 0)
		return cfg->mbufs;
	return MR_MAX(n + held_by_connections(cfg), POOL_MBUFS_MIN);
}

static uint32_t ctl_mbufs(const struct engine_config *cfg, const struct in_flight *f)
{
	uint32_t n = f->tx + f->back + 9 * MR_BURST + 2 * POOL_CACHED + reserve_of(cfg);

	if (cfg->ctl_mbufs != 0)
		return cfg->ctl_mbufs;
	return MR_MAX(n + held_by_connections(cfg), POOL_MBUFS_MIN);
}

uint16_t engine_data_room(uint32_t mtu)
{
	uint32_t frame = MR_MAX(mtu + RTE_ETHER_HDR_LEN + 8 + RTE_ETHER_CRC_LEN, 2048u);

	return (uint16_t)(RTE_ALIGN_CEIL(frame, 64u) + ENGINE_HEADROOM);
}

/* ---- memory ---- */

/* Without hugepages an object does not share a page with another one it would straddle. */
uint64_t engine_pool_octets(uint32_t n, uint32_t room)
{
	struct rte_mempool_objsz size;
	uint64_t object =
		rte_mempool_calc_obj_size((uint32_t)sizeof(struct rte_mbuf) + room, 0, &size);
	uint64_t objects = object < PAGE_4K ? (n / (PAGE_4K / object) + 1) * PAGE_4K
					    : n * RTE_ALIGN_CEIL(object, PAGE_4K);
	uint64_t ring = rte_align32pow2(n + 1) * sizeof(void *);
	uint64_t caches = RTE_MAX_LCORE * sizeof(struct rte_mempool_cache);

	return objects + ring + caches + sizeof(struct rte_mempool) + 2 * PAGE_4K;
}

uint64_t engine_eal_memory(const struct engine_config *cfg)
{
	struct in_flight f = in_flight_of(cfg, NULL);
	uint64_t worker = engine_pool_octets(data_mbufs(cfg, &f), engine_data_room(f.mtu)) +
			  engine_pool_octets(ctl_mbufs(cfg, &f), POOL_CTL_ROOM);
	uint64_t rings = (uint64_t)cfg->nports * MR_MAX(cfg->nworkers, 1u) * PROFILE_DESC_MAX * 64;
	uint64_t sum = cfg->nworkers * worker + rings;

	/* A sixteenth for what the heap loses between blocks. */
	return sum + sum / 16 + ((uint64_t)EAL_BASE_MB << 20);
}

/* ---- pools ---- */

/*
 * On 4 KB pages DPDK gives each payload mbuf a page of its own, so that none crosses a page. All
 * mbuf headers then compete for a few sets of the L1 cache: 78 cycles a frame (net_null, receive
 * and send) against 24 when they lie close. Pages matter only to devices that see them, which
 * without hugepages are those whose profile says so.
 */
static unsigned int pool_flags(const struct engine *e)
{
	if (rte_eal_has_hugepages())
		return 0;
	for (uint16_t i = 0; i < e->cfg.nports; i++)
		if (e->port[i].profile.page_bound)
			return 0;
	return RTE_MEMPOOL_F_NO_IOVA_CONTIG;
}

/*
 * Of a stack those that came back last, and are warm, are taken first. A ring is as long as the
 * pool, and gives cold ones as soon as more are out than the lcore's cache holds, as behind a full
 * transmit ring: bench_bulk sends at 684 cycles a segment with rings, at 510 with stacks.
 */
const char *engine_mempool_ops(void)
{
	if (rte_mbuf_user_mempool_ops() == NULL && rte_mbuf_platform_mempool_ops() == NULL)
		for (uint32_t i = 0; i < rte_mempool_ops_table.num_ops; i++)
			if (strcmp(rte_mempool_ops_table.ops[i].name, "stack") == 0)
				return rte_mempool_ops_table.ops[i].name;
	return rte_mbuf_best_mempool_ops();
}

/* ---- pools whose objects are pages ---- */

/* The size of an element for which an object is a page; what is larger stays as it is. */
static uint32_t page_element(uint32_t size)
{
	struct rte_mempool_objsz parts;

	if (rte_mempool_calc_obj_size(size, RTE_MEMPOOL_F_NO_SPREAD, &parts) >= PAGE_4K)
		return size;
	size = PAGE_4K - parts.header_size;
	return size - (rte_mempool_calc_obj_size(size, RTE_MEMPOOL_F_NO_SPREAD, &parts) - PAGE_4K);
}

static void free_pages(struct rte_mempool_memhdr *hdr MR_UNUSED, void *zone)
{
	rte_memzone_free(zone);
}

/* From memory that begins at a page, where DPDK's own begins somewhere and leaves a gap. */
static int populate_pages(struct rte_mempool *mp)
{
	const size_t object = mp->header_size + mp->elt_size + mp->trailer_size;
	const struct rte_memzone *zone;
	char name[RTE_MEMZONE_NAMESIZE];
	int n;

	snprintf(name, sizeof(name), "%s_pages", mp->name);
	zone = rte_memzone_reserve_aligned(name, mp->size * object, mp->socket_id, 0, PAGE_4K);
	if (zone == NULL)
		return -rte_errno;
	n = rte_mempool_populate_virt(mp, zone->addr, zone->len, PAGE_4K, free_pages,
				      (void *)(uintptr_t)zone);
	if (mp->nb_mem_chunks == 0)
		rte_memzone_free(zone);
	return n == (int)mp->size ? 0 : -ENOMEM;
}

static bool wants_page_mbufs(const struct engine *e)
{
	for (uint16_t i = 0; i < e->cfg.nports; i++)
		if (e->port[i].profile.page_mbufs)
			return true;
	return false;
}

static struct rte_mempool *pool(const struct engine_worker *w, const char *kind, uint32_t n,
				uint16_t room, bool pages)
{
	struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = room};
	static unsigned int serial; /* a kept pool still has its name */
	uint32_t size = (uint32_t)sizeof(struct rte_mbuf) + room;
	unsigned int flags = pool_flags(w->engine);
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *mp;

	snprintf(name, sizeof(name), "mr_%s_%u", kind, serial++);
	if (pages) {
		size = page_element(size);
		flags |= RTE_MEMPOOL_F_NO_SPREAD;
		priv.mbuf_data_room_size = (uint16_t)(size - sizeof(struct rte_mbuf));
	}
	/* The cache may not be larger than what 1.5 times of it leaves in the pool. */
	mp = rte_mempool_create_empty(name, n, size, MR_MIN(POOL_CACHE, n / 4), sizeof(priv),
				      w->node, flags);
	if (mp == NULL)
		return NULL;
	rte_pktmbuf_pool_init(mp, &priv);
	if (rte_mempool_set_ops_byname(mp, engine_mempool_ops(), NULL) != 0 ||
	    (pages ? populate_pages(mp) : rte_mempool_populate_default(mp)) < 0) {
		rte_mempool_free(mp);
		return NULL;
	}
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

int pools_create(struct engine *e, unsigned int i, const char **why)
{
	struct engine_worker *w = &e->worker[i];
	struct in_flight f = in_flight_of(&e->cfg, e->port);
	uint32_t data = data_mbufs(&e->cfg, &f), ctl = ctl_mbufs(&e->cfg, &f);
	uint32_t reserve = reserve_of(&e->cfg), least = f.rx + MR_BURST + reserve;
	uint32_t least_ctl = MR_MAX(1024u, reserve + 4 * MR_BURST);

	/* With less the reserve is never free, and nobody would ever be accepted. */
	if (data < least || data > POOL_MBUFS_MAX || ctl < least_ctl || ctl > POOL_MBUFS_MAX) {
		*why = port_why(
			"A worker of engine %s has %u mbufs and %u control mbufs: its receive "
			"queues and a reserve of %u need %u, control %u; the most is %u.",
			e->cfg.name, data, ctl, reserve, least, least_ctl, POOL_MBUFS_MAX);
		return -1;
	}
	w->data_pool = pool(w, "data", data, engine_data_room(f.mtu), wants_page_mbufs(e));
	w->ctl_pool = w->data_pool != NULL ? pool(w, "ctl", ctl, POOL_CTL_ROOM, false) : NULL;
	if (w->ctl_pool != NULL)
		return 0;
	*why = port_why("EAL has no room for %u + %u mbufs of a worker of engine %s (%s): "
			"engine_eal_memory asks for %llu MB.",
			data, ctl, e->cfg.name, rte_strerror(rte_errno),
			(unsigned long long)(engine_eal_memory(&e->cfg) >> 20));
	return -1;
}

/* Frees a pool, or keeps it while somebody holds mbufs of it: freeing those would write into
 * nothing. */
static void release(struct rte_mempool *mp)
{
	if (mp == NULL)
		return;
	if (rte_mempool_full(mp))
		rte_mempool_free(mp);
	else if (nkept < MR_ARRAY_LEN(kept))
		kept[nkept++] = mp;
}

void pools_destroy(struct engine *e)
{
	unsigned int before = nkept;

	nkept = 0;
	for (unsigned int i = 0; i < before; i++)
		release(kept[i]);
	for (unsigned int i = 0; i < e->cfg.nworkers; i++) {
		release(e->worker[i].data_pool);
		release(e->worker[i].ctl_pool);
		e->worker[i].data_pool = e->worker[i].ctl_pool = NULL;
	}
}

uint64_t engine_mbufs_out(const struct engine *e)
{
	uint64_t out = 0;

	for (unsigned int i = 0; i < e->cfg.nworkers; i++) {
		out += rte_mempool_in_use_count(e->worker[i].data_pool);
		out += rte_mempool_in_use_count(e->worker[i].ctl_pool);
		out -= stack_mbufs_ready(e->worker[i].stack);
	}
	return out;
}

/* ---- ring pairs ---- */

#define PAIRS_MAX (MR_PORTS_MAX / 2u)
#define RING_ENTRIES 1024u
#define RING_QUEUES_MAX 16u /* RTE_PMD_RING_MAX_RX_RINGS of DPDK's build */

struct ring_pair {
	char a[64], b[64];
	struct rte_ring *to_a[RING_QUEUES_MAX], *to_b[RING_QUEUES_MAX];
	uint16_t queues;
	uint32_t entries;
};

/* They live until EAL ends: either end may still look into them. */
static struct ring_pair pairs[PAIRS_MAX];
static unsigned int npairs;

static struct ring_pair *pair_of(const char *port)
{
	for (unsigned int i = 0; i < npairs; i++)
		if (strcmp(pairs[i].a, port) == 0 || strcmp(pairs[i].b, port) == 0)
			return &pairs[i];
	return NULL;
}

/* One direction. A queue has one worker at each end, and each worker its own queue: SP/SC. */
static bool make_rings(const char *name, char side, const struct ring_pair *pair,
		       struct rte_ring **rings)
{
	for (uint16_t q = 0; q < pair->queues; q++) {
		char ring[RTE_RING_NAMESIZE];

		if (snprintf(ring, sizeof(ring), "%s_%c%u", name, side, q) >= (int)sizeof(ring))
			return false;
		rings[q] = rte_ring_create(ring, pair->entries, SOCKET_ID_ANY,
					   RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (rings[q] == NULL)
			return false;
	}
	return true;
}

static void free_rings(struct ring_pair *pair)
{
	for (uint16_t q = 0; q < pair->queues; q++) {
		rte_ring_free(pair->to_a[q]);
		rte_ring_free(pair->to_b[q]);
	}
}

int engine_ring_pair(const char *name, uint16_t queues, uint32_t entries, char a[64], char b[64])
{
	struct ring_pair *pair = &pairs[npairs];
	char end_a[24], end_b[24];

	if (npairs == PAIRS_MAX || queues == 0 || queues > RING_QUEUES_MAX)
		return -1;
	/* DPDK cuts longer names in silence, and two ports of one name would be one. */
	if (snprintf(end_a, sizeof(end_a), "%s_a", name) >= 22)
		return -1;
	snprintf(end_b, sizeof(end_b), "%s_b", name);
	memset(pair, 0, sizeof(*pair));
	pair->queues = queues;
	pair->entries = entries != 0 ? entries : RING_ENTRIES;
	if (!make_rings(name, 'a', pair, pair->to_a) || !make_rings(name, 'b', pair, pair->to_b) ||
	    rte_eth_from_rings(end_a, pair->to_a, queues, pair->to_b, queues, 0) < 0 ||
	    rte_eth_from_rings(end_b, pair->to_b, queues, pair->to_a, queues, 0) < 0) {
		free_rings(pair);
		return -1;
	}
	snprintf(pair->a, sizeof(pair->a), "net_ring_%s", end_a);
	snprintf(pair->b, sizeof(pair->b), "net_ring_%s", end_b);
	snprintf(a, 64, "%s", pair->a);
	snprintf(b, 64, "%s", pair->b);
	npairs++;
	return 0;
}

uint32_t ring_pair_entries(const char *port)
{
	const struct ring_pair *pair = pair_of(port);

	return pair != NULL ? pair->entries : 0;
}

static void drain(struct rte_ring *ring)
{
	void *m;

	while (rte_ring_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
}

void ring_pair_drain(const char *port)
{
	const struct ring_pair *pair = pair_of(port);

	for (uint16_t q = 0; pair != NULL && q < pair->queues; q++) {
		drain(pair->to_a[q]);
		drain(pair->to_b[q]);
	}
}
