/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several connections that want to keep more out of order than there is room for: who holds most
 * gives way, until all hold the same. Their send queues hold all mbufs but the share for gaps.
 */
#include <criterion/criterion.h>

#include "world.h"

#define CONNS	WORLD_EXTS
#define SHARE	128u		/* mbufs for gaps: an eighth of all */
#define FULL	700u		/* octets of a segment: a window takes more than 64 */

static struct world w;		/* w.c is the connection whose turn it is */
static struct tcp_conn conn[CONNS];

static void begin(void)
{
	world_init(&w);
	w.peer_sack = true;
	w.pool.mbufs_max = 8 * SHARE;
	for (uint32_t i = 0; i < CONNS; i++) {
		w.c = (struct tcp_conn){0};
		established(&w);
		conn[i] = w.c;
	}
	w.pool.mbufs_held += w.pool.mbufs_max;
}

static void end(void)
{
	w.pool.mbufs_held -= w.pool.mbufs_max;
	for (uint32_t i = 0; i + 1 < CONNS; i++)
		tcp_release(&w.cx, &conn[i]);
	w.c = conn[CONNS - 1];
	world_fini(&w);
}
TestSuite(tcp_share, .init = begin, .fini = end);

static uint32_t held(uint32_t i)
{
	const struct tcp_ext *x = tcp_ext_of(&w.pool, &conn[i]);

	return x != NULL ? x->ooo_mbufs : 0;
}

/* len octets arrive `ahead` of what connection i expects. True: it kept them. */
static bool arrives(uint32_t i, uint32_t ahead, uint16_t len)
{
	const uint64_t most = MR_MAX((uint64_t)SHARE, w.pool.ooo_held);
	struct tcp_seg seg;
	bool kept;

	w.c = conn[i];
	seg = world_seg(&w, TCP_ACK, len);
	seg.seq += ahead;
	world_arrives(&w, &seg);
	kept = (w.v.bits & TCP_V_TAKEN) != 0;
	conn[i] = w.c;
	for (uint32_t k = 0; k < CONNS; k++)
		tcp_check(&w.cx, &conn[k]);
	cr_assert(w.pool.mbufs_held < w.pool.mbufs_max || w.pool.ooo_held <= most);
	return kept;
}

/* As many gaps as a connection may have, or as there is room for, of one octet each. */
static void hoard(uint32_t i)
{
	for (uint32_t k = 0; k < MR_OOO_RUNS_MAX && arrives(i, 2 * k + 1, 1); k++)
		;
}

/* Full segments behind a lost one: `n` of them, of which so many are kept. */
static uint32_t loses_one(uint32_t i, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t k = 1; k <= n; k++)
		kept += arrives(i, k * FULL, FULL);
	return kept;
}

/* Two hold all there is; a third loses a segment, and what follows it finds room. */
Test(tcp_share, who_hoards_gives_way)
{
	hoard(0);
	hoard(1);
	cr_assert_eq(held(0) + held(1), SHARE);
	cr_expect_eq(loses_one(2, 30), 30);
	cr_expect_eq(held(2), 30);
	cr_expect_eq(held(0) + held(1), SHARE - w.counters.v[MR_C_TCP_OOO_GAVE_WAY]);
	cr_expect_leq(w.pool.ooo_held, SHARE);
	cr_expect(arrives(2, 0, FULL));
	cr_expect_eq(w.delivered, 31 * FULL, "the lost one comes: nothing has to come again");
}

static void expect_equal_parts(uint32_t n, uint32_t tolerance)
{
	for (uint32_t i = 0; i < n; i++) {
		cr_expect_geq(held(i), SHARE / n - tolerance, "%u: %u", i, held(i));
		cr_expect_leq(held(i), SHARE / n + tolerance, "%u: %u", i, held(i));
	}
}

/* Beyond an equal part of all nobody is robbed. */
Test(tcp_share, equal_parts_are_where_it_ends)
{
	hoard(0);
	hoard(1);
	cr_expect_eq(loses_one(2, 100), SHARE / 3);
	expect_equal_parts(3, 1);
	cr_expect_gt(w.counters.v[MR_C_TCP_OOO_DROP], 0);
	cr_expect_geq(loses_one(3, 100), SHARE / 4);
	loses_one(2, 100);	/* it gave up more than it had to, and asks for it */
	expect_equal_parts(4, 4);
}

/* Who needs more than his part, and goes on to ask for it, takes nothing from anybody. */
Test(tcp_share, it_comes_to_rest)
{
	uint64_t gave_way;

	for (uint32_t k = 0; k < 10; k++)
		for (uint32_t i = 0; i < CONNS; i++)
			loses_one(i, MR_OOO_MBUFS_MAX);
	expect_equal_parts(CONNS, 1);
	gave_way = w.counters.v[MR_C_TCP_OOO_GAVE_WAY];
	for (uint32_t i = 0; i < CONNS; i++)
		loses_one(i, MR_OOO_MBUFS_MAX);
	cr_expect_eq(w.counters.v[MR_C_TCP_OOO_GAVE_WAY], gave_way);
	cr_expect_leq(gave_way, 2 * SHARE);
}

/* Nobody gives way for what needs no mbuf: a duplicate, a few octets that are copied; */
Test(tcp_share, who_needs_no_place_takes_none)
{
	uint64_t gave_way;

	cr_assert(arrives(2, FULL, 10));
	hoard(0);
	hoard(1);
	gave_way = w.counters.v[MR_C_TCP_OOO_GAVE_WAY];
	cr_assert_eq(w.pool.ooo_held, SHARE);
	for (uint32_t k = 0; k < 20; k++) {
		arrives(2, FULL, 10);
		arrives(2, FULL + 10 + 5 * k, 5);
	}
	cr_expect_eq(held(2), 1);
	cr_expect_eq(w.counters.v[MR_C_TCP_OOO_GAVE_WAY], gave_way);
	cr_expect_eq(w.counters.v[MR_C_TCP_OOO_DROP], 1, "the last octet of who came second");
}

/* and for who has all that one connection may have. */
Test(tcp_share, who_is_refused_takes_no_place)
{
	uint64_t gave_way;

	hoard(1);
	w.pool.mbufs_held -= w.pool.mbufs_max;	/* beyond 64 only while send queues are short */
	cr_assert_eq(loses_one(0, 90), 90);
	w.pool.mbufs_held += w.pool.mbufs_max;
	gave_way = w.counters.v[MR_C_TCP_OOO_GAVE_WAY];
	for (uint32_t k = MR_OOO_RUNS_MAX; k < 2 * MR_OOO_RUNS_MAX; k++)
		cr_expect(!arrives(1, 2 * k + 1, 1));
	cr_expect_eq(w.counters.v[MR_C_TCP_OOO_GAVE_WAY], gave_way);
}

/* Of two runs the front of the first one goes; what is left of both is delivered in its place. */
Test(tcp_share, what_is_left_is_in_its_place)
{
	uint32_t gave_way, from;

	for (uint32_t k = 1; k <= 60; k++)
		cr_assert(k == 41 || arrives(0, k * FULL, FULL));
	from = conn[0].rcv_nxt;
	hoard(1);
	hoard(2);
	gave_way = 59 - held(0);
	cr_assert_gt(gave_way, 1);
	cr_assert_lt(gave_way, 40);
	cr_expect(arrives(0, 0, FULL));
	cr_expect_eq((conn[0].rcv_nxt - from) / FULL, 1, "what followed it is gone");
	for (uint32_t k = 0; k < gave_way; k++)
		cr_expect(arrives(0, 0, FULL));
	cr_expect_eq((conn[0].rcv_nxt - from) / FULL, 41, "up to the second gap");
	cr_expect(arrives(0, 0, FULL));
	cr_expect_eq((conn[0].rcv_nxt - from) / FULL, 61);
	cr_expect_eq(w.delivered, 61 * FULL);
	cr_expect_eq(held(0), 0);
}

/* While there is room nobody gives way. */
Test(tcp_share, with_room_nobody_gives_way)
{
	w.pool.mbufs_held -= w.pool.mbufs_max;
	for (uint32_t i = 0; i < 3; i++)
		hoard(i);
	cr_expect_eq(held(0), MR_OOO_RUNS_MAX);
	cr_expect_eq(w.counters.v[MR_C_TCP_OOO_GAVE_WAY], 0);
	w.pool.mbufs_held += w.pool.mbufs_max;
}
