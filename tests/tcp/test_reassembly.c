/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text that arrives in any order and with any overlap, against a twin that is one flag an octet;
 * and the bounds on what waits.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "rng.h"
#include "world.h"

#define STREAM	60000u

static struct world w;
static uint8_t stream[STREAM];		/* what the peer sends */
static bool have[STREAM];		/* the twin's: octets that have been taken */
static uint32_t first, delivered;	/* sequence number of stream[0]; octets delivered */

static void start(uint64_t seed)
{
	struct mr_rng rng;

	mr_rng_seed(&rng, seed);
	for (uint32_t i = 0; i < STREAM; i++)
		stream[i] = (uint8_t)mr_rng_next(&rng);
	memset(have, 0, sizeof(have));
	world_init(&w);
	w.irs = (uint32_t)mr_rng_next(&rng);	/* sequence numbers wrap somewhere */
	established(&w);
	first = w.c.rcv_nxt;
	delivered = 0;
}

static void take(struct rte_mbuf *chain)
{
	uint32_t n = 0;

	for (const struct rte_mbuf *s = chain; s != NULL; s = s->next) {
		cr_assert_neq(s->data_len, 0, "no mbuf of a delivered chain is empty");
		cr_assert(memcmp(rte_pktmbuf_mtod(s, const uint8_t *), stream + delivered + n,
				 s->data_len) == 0, "octet %u or behind it", delivered + n);
		n += s->data_len;
	}
	cr_assert_eq(n, chain->pkt_len);
	delivered += n;
	tcp_consumed(&w.cx, &w.c, n);
	fake_free(chain);
}

/* stream[off .. off+len) arrives in mbufs of `room`. False: dropped at a bound. */
static bool arrive(uint32_t off, uint32_t len, uint32_t room)
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK, (uint16_t)len);
	const uint32_t window = w.c.rcv_edge - first;
	struct rte_mbuf *m = fake_chain(stream + off, len, room);
	bool dropped;

	seg.seq = first + off;
	tcp_arrives(&w.cx, &w.c, &seg, m, &w.v);
	if ((w.v.bits & TCP_V_TAKEN) == 0)
		fake_free(m);
	if (w.v.bits & TCP_V_DELIVER)
		take(w.v.deliver);
	dropped = (w.v.bits & TCP_V_DROP) != 0 && w.v.drop == MR_C_TCP_OOO_DROP;
	for (uint32_t i = off; !dropped && i < off + len && i < window; i++)
		have[i] = true;
	world_output(&w);
	return !dropped;
}

/* Where the twin's first gap is. */
static uint32_t gap(void)
{
	uint32_t i = delivered;

	while (i < STREAM && have[i])
		i++;
	return i;
}

static uint32_t between(struct mr_rng *rng, uint32_t lo, uint32_t hi)
{
	return lo + (uint32_t)mr_rng_below(rng, hi - lo + 1);
}

static void whole_stream(uint64_t seed)
{
	const uint32_t longest[] = {3, 40, 700, 3000}, rooms[] = {1, 7, 536, FAKE_ROOM};
	struct mr_rng rng;
	uint32_t turns = 0;

	start(seed);
	mr_rng_seed(&rng, seed * 77 + 1);
	while (delivered != STREAM) {
		const uint32_t most = longest[mr_rng_below(&rng, 4)];
		const uint32_t len = between(&rng, 1, most), room = rooms[mr_rng_below(&rng, 4)];
		const uint32_t from = delivered > 2000 ? delivered - 2000 : 0;
		/* every third one near the gap, so that it ends */
		const uint32_t to = MR_MIN(delivered + 20000, STREAM - 1);
		const uint32_t off = turns % 3 == 0 ? delivered - MR_MIN(delivered, len / 2)
						    : between(&rng, from, to);

		arrive(off, MR_MIN(len, STREAM - off), room);
		cr_assert_eq(w.c.rcv_nxt - first, delivered);
		cr_assert_eq(delivered, gap(), "the twin has octets up to %u", gap());
		cr_assert_lt(++turns, 200000, "it ends");
	}
	world_fini(&w);
}

Test(tcp_reassembly, any_overlap_against_a_naive_twin, .timeout = 300)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		whole_stream(seed);
}

Test(tcp_reassembly, a_connection_keeps_so_many_mbufs)
{
	uint32_t kept = 0;

	start(5);
	/* every second octet: nothing can be merged */
	for (uint32_t i = 1; i < 2 * MR_OOO_MBUFS_MAX + 200; i += 2)
		kept += arrive(i, 1, FAKE_ROOM);
	cr_assert_eq(kept, MR_OOO_MBUFS_MAX);
	cr_assert_eq(w.pool.mbufs_held, MR_OOO_MBUFS_MAX);
	cr_assert_eq(w.counters.v[MR_C_TCP_OOO_DROP], 100);
	/* what fills the first gap is always taken, and makes room */
	cr_assert(arrive(0, 1, FAKE_ROOM));
	cr_assert_eq(delivered, 2);
	cr_assert(arrive(2 * MR_OOO_MBUFS_MAX + 1, 1, FAKE_ROOM));
	cr_assert_not(arrive(2 * MR_OOO_MBUFS_MAX + 3, 1, FAKE_ROOM));
	world_fini(&w);
}

/* An eighth of the worker's mbufs is kept from what is out of order. */
Test(tcp_reassembly, a_worker_keeps_so_many_mbufs)
{
	uint32_t kept = 0;

	start(6);
	w.pool.mbufs_max = 40;		/* below what a connection may keep */
	for (uint32_t i = 1; i < 400; i += 2)
		kept += arrive(i, 1, FAKE_ROOM);
	cr_assert_eq(kept, 35);
	cr_assert_eq(w.counters.v[MR_C_TCP_OOO_DROP], 200 - 35);
	world_fini(&w);
}

/* Under pressure what waits goes first; the peer has it still. */
Test(tcp_reassembly, memory_pressure_empties_the_queue)
{
	start(7);
	for (uint32_t i = 1; i < 40; i += 2)
		arrive(i, 1, FAKE_ROOM);
	w.cx.mbufs_low = true;
	cr_assert_not(arrive(41, 1, FAKE_ROOM));
	cr_assert_eq(w.pool.mbufs_held, 0);
	cr_assert_eq(w.c.rcv_nxt, first);
	world_fini(&w);
}
