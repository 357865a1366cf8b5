/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive window that grows with need: by what a handler reads in a round trip, up to a limit,
 * and not otherwise. The peer here is always window-limited, or a trickle.
 */
#include <criterion/criterion.h>

#include "steps.h"
#include "world.h"

#define MSS	1460u
#define RTT_MS	100u
#define FIRST	65536u
#define LIMIT	(1u << 20)

static struct world w;
static uint32_t edge;	/* as the wire tells it */

static void begin(void)
{
	struct tcp_seg syn = {.seq = WORLD_IRS, .flags = TCP_SYN, .wnd = 65535, .mss = MSS,
			      .opts = TCP_OPT_WS | TCP_OPT_MSS, .wscale = 7};
	struct tcp_seg ack;

	world_init(&w);
	w.params.rcv_buf = FIRST;
	w.params.rcv_buf_max = LIMIT;
	w.params.rcv_scale = 5;
	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	world_output(&w);
	w.cx.now_ms += RTT_MS;
	w.cx.now_us += RTT_MS * 1000;
	ack = world_seg(&w, TCP_ACK, 0);
	world_arrives(&w, &ack);
	cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	edge = w.c.rcv_edge;
}
static void end(void) { world_fini(&w); }
TestSuite(tcp_right_size, .init = begin, .fini = end);

static struct tcp_ext *ext(void) { return tcp_ext_of(&w.pool, &w.c); }

/* SHLD-14: whatever happens, the edge on the wire never retreats. */
static void look_at_edge(void)
{
	for (unsigned int i = 0; i < w.nout; i++) {
		const struct tcp_seg *out = &w.out[i].seg;
		uint32_t told = out->ack + ((uint32_t)out->wnd << tcp_rcv_shift(&w.c));

		cr_assert(seq_ge(told, edge), "%u", edge - told);
		edge = told;
	}
}

/* One segment at most; the handler reads `read` of what it holds. False: the window is full. */
static bool segment(uint32_t up_to, uint32_t read)
{
	uint32_t len = MR_MIN(MSS, up_to - w.c.rcv_nxt);
	struct tcp_seg seg = world_seg(&w, TCP_ACK, (uint16_t)len);

	if (len == 0)
		return false;
	world_arrives(&w, &seg);
	look_at_edge();
	tcp_consumed(&w.cx, &w.c, MR_MIN(read, ext()->unread));
	world_output(&w);
	look_at_edge();
	return true;
}

/* A round trip: all that the peer may send, as it knew at the beginning. */
static void round_trip(uint32_t read)
{
	uint32_t up_to = edge;

	while (segment(up_to, read))
		;
	tcp_consumed(&w.cx, &w.c, MR_MIN(read, ext()->unread));
	world_output(&w);
	look_at_edge();
	world_sleep_ms(&w, RTT_MS);
	look_at_edge();
}

Test(tcp_right_size, grows_for_a_bulk_transfer)
{
	for (unsigned int i = 0; i < 3; i++)
		round_trip(UINT32_MAX);
	cr_expect_geq(tcp_rcv_space(&w.cx, ext()), 4 * FIRST);
	cr_expect_geq(edge - w.c.rcv_nxt, 3 * FIRST, "and the peer knows: %u", edge - w.c.rcv_nxt);
	for (unsigned int i = 0; i < 6; i++)
		round_trip(UINT32_MAX);
	cr_expect_eq(tcp_rcv_space(&w.cx, ext()), LIMIT);
	cr_expect_leq(edge - w.c.rcv_nxt, LIMIT, "the scale of our SYN is for the limit");
	cr_expect_geq(edge - w.c.rcv_nxt, LIMIT / 2);
}

Test(tcp_right_size, limit_is_the_end_of_growing)
{
	for (unsigned int i = 0; i < 40; i++)
		round_trip(UINT32_MAX);
	cr_expect_eq(tcp_rcv_space(&w.cx, ext()), LIMIT);
	cr_expect_eq(FIRST << ext()->doublings, LIMIT, "%u doublings", ext()->doublings);
}

Test(tcp_right_size, does_not_grow_for_a_trickle)
{
	for (unsigned int i = 0; i < 2000; i++) {
		segment(w.c.rcv_nxt + 1000, UINT32_MAX);
		world_sleep_ms(&w, RTT_MS / 4);
		look_at_edge();
	}
	cr_expect_gt(w.delivered, 20 * FIRST, "many windows, each in many round trips");
	cr_expect_eq(tcp_rcv_space(&w.cx, ext()), FIRST);
}

Test(tcp_right_size, does_not_grow_for_a_slow_handler)
{
	for (unsigned int i = 0; i < 1000; i++)
		round_trip(500);
	cr_expect_gt(w.delivered, 3 * FIRST);
	cr_expect_eq(tcp_rcv_space(&w.cx, ext()), FIRST);
	cr_expect_leq(ext()->unread + (edge - w.c.rcv_nxt), FIRST + FIRST / 8);
}

Test(tcp_right_size, does_not_grow_while_mbufs_are_few)
{
	w.cx.mbufs_low = true;
	for (unsigned int i = 0; i < 4; i++)
		round_trip(UINT32_MAX);
	w.cx.mbufs_low = false;
	cr_expect_eq(tcp_rcv_space(&w.cx, ext()), FIRST);
}

/* The i-th full segment from where the gap is. True: it was kept. */
static bool ahead(uint32_t i)
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK, MSS);
	const uint64_t held = w.pool.mbufs_held;

	seg.seq += i * MSS;
	world_arrives(&w, &seg);
	look_at_edge();
	return w.pool.mbufs_held > held;
}

/* One loss in a large window: all that comes behind it is kept, and delivered at once. */
Test(tcp_right_size, a_window_of_full_segments_waits_behind_a_gap)
{
	const uint32_t many = 400;
	uint32_t from;

	for (unsigned int i = 0; i < 9; i++)
		round_trip(UINT32_MAX);
	from = w.c.rcv_nxt;
	for (uint32_t i = many; i >= 1; i--)	/* joined from both ends */
		cr_assert(ahead(i % 2 == 0 ? i / 2 : many - i / 2), "%u", i);
	cr_assert_eq(w.pool.mbufs_held, many);
	cr_assert_eq(w.counters.v[MR_C_TCP_OOO_DROP], 0);
	segment(w.c.rcv_nxt + MSS, UINT32_MAX);
	cr_assert_eq(w.c.rcv_nxt - from, (many + 1) * MSS);
	cr_assert_eq(w.pool.mbufs_held, 0);
}

/* Send queues of others that hold all they may leave an eighth to what is out of order. */
Test(tcp_right_size, full_send_queues_leave_a_share_for_gaps)
{
	const uint32_t share = (uint32_t)(w.pool.mbufs_max / 8);
	uint32_t kept = 0;

	w.pool.mbufs_held += w.pool.mbufs_max;
	w.pool.ooo_held = share - 20;
	while (kept < MR_OOO_MBUFS_MAX && ahead(kept + 1))
		kept++;
	cr_expect_eq(kept, 20);
	w.pool.mbufs_held -= w.pool.mbufs_max;
	w.pool.ooo_held -= share - 20;
}

/* A quarter of what is free is the most, so that others find some, too. */
Test(tcp_right_size, a_window_behind_a_gap_leaves_room_for_others)
{
	const uint32_t most = (uint32_t)(w.pool.mbufs_max - w.pool.mbufs_max / 8);
	uint32_t kept = 0, others = most - 1000;

	for (unsigned int i = 0; i < 9; i++)
		round_trip(UINT32_MAX);
	w.pool.mbufs_held += others;
	while (kept < 900 && ahead(kept + 1))
		kept++;
	cr_expect_eq(kept, 1000 / 5, "then a quarter of what is free is as much");
	cr_expect_eq(w.pool.mbufs_held, others + kept);
	w.pool.mbufs_held -= others;
}

/* Gaps are bounded, whatever the window is: each arrival looks through them. */
Test(tcp_right_size, gaps_stay_bounded)
{
	for (unsigned int i = 0; i < 9; i++)
		round_trip(UINT32_MAX);
	for (uint32_t i = 1; i <= MR_OOO_RUNS_MAX; i++)
		cr_assert(ahead(2 * i));
	cr_assert_not(ahead(2 * MR_OOO_RUNS_MAX + 2), "one run more");
	cr_assert(ahead(2 * MR_OOO_RUNS_MAX + 1), "the last one grows");
	cr_assert(ahead(3), "a gap is closed");
	cr_assert(ahead(2 * MR_OOO_RUNS_MAX + 3), "so there is room for one");
	cr_assert_eq(w.counters.v[MR_C_TCP_OOO_DROP], 1);
}

/*
 * After a rest the extension is new; what was told before holds, and the window goes on from there:
 * else it would fall to its first size when the promise is used up.
 */
Test(tcp_right_size, goes_on_after_a_rest)
{
	uint32_t room;

	for (unsigned int i = 0; i < 9; i++)
		round_trip(UINT32_MAX);
	while (ext() != NULL)
		cr_assert_neq(world_next_timer(&w), UINT32_MAX);
	room = edge - w.c.rcv_nxt;
	cr_assert_gt(room, LIMIT / 2);
	segment(w.c.rcv_nxt + MSS, UINT32_MAX);
	cr_expect_geq(tcp_rcv_space(&w.cx, ext()), room);
	for (unsigned int i = 0; i < 8; i++) {
		round_trip(UINT32_MAX);
		cr_expect_geq(edge - w.c.rcv_nxt, LIMIT / 2, "round trip %u: %u", i,
			      edge - w.c.rcv_nxt);
	}
	cr_expect_eq(FIRST << ext()->doublings, LIMIT, "%u doublings", ext()->doublings);
}

/* Rounding for the scale is no promise. */
Test(tcp_right_size, small_window_stays_small_after_a_rest)
{
	w.params.rcv_buf_max = FIRST;
	for (unsigned int i = 0; i < 9; i++)
		round_trip(UINT32_MAX);
	w.params.rcv_buf_max = LIMIT;
	for (unsigned int i = 0; i < 9; i++) {
		while (ext() != NULL)
			cr_assert_neq(world_next_timer(&w), UINT32_MAX);
		segment(w.c.rcv_nxt + 10 + i, i);
		tcp_consumed(&w.cx, &w.c, ext()->unread);
		cr_expect_eq(ext()->doublings, 0);
	}
}

/* And when nobody reads what comes then: on the wire, in units of 2^shift, it holds to the last. */
Test(tcp_right_size, what_was_told_before_a_rest_is_filled_unread)
{
	unsigned int filled = 0;

	for (unsigned int i = 0; i < 9; i++)
		round_trip(UINT32_MAX);
	while (ext() != NULL)
		cr_assert_neq(world_next_timer(&w), UINT32_MAX);
	while (edge - w.c.rcv_nxt > MSS && segment(w.c.rcv_nxt + MSS, 0))
		filled++;
	cr_expect_gt(filled * MSS, 2 * FIRST, "and beyond what it is now: %u", filled);
}
