/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiver's side of SACK: what is offered, which blocks an ACK carries and in which order,
 * duplicates, and the room that blocks take from data (RFC 2018, 2883, 6691).
 */
#include <criterion/criterion.h>

#include "sack.h"
#include "world.h"

static struct world w;

static void begin(void)
{
	world_init(&w);
	w.peer_sack = true;
}
static void end(void) { world_fini(&w); }
TestSuite(tcp_sack, .init = begin, .fini = end);

static void got_data(uint32_t offset, uint16_t len)
{
	struct tcp_seg seg = world_seg(&w, TCP_ACK, len);

	seg.seq = WORLD_IRS + 1 + offset;
	world_arrives(&w, &seg);
}

/* The last segment sent carries exactly these blocks, as offsets from the peer's first octet. */
static void reported(unsigned int n, const uint32_t (*block)[2])
{
	const struct tcp_seg *seg = &w.out[w.nout - 1].seg;

	cr_assert_neq(w.nout, 0);
	cr_assert_eq((seg->opts & TCP_OPT_SACK) != 0, n != 0);
	cr_assert_eq(seg->nsack, n, "%u blocks, not %u", seg->nsack, n);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t left = seg->sack[i].left - (WORLD_IRS + 1);
		uint32_t right = seg->sack[i].right - (WORLD_IRS + 1);

		cr_assert(left == block[i][0] && right == block[i][1], "block %u is %u-%u", i, left,
			  right);
	}
}
#define REPORTED(...) \
	reported(sizeof((uint32_t[][2]){__VA_ARGS__}) / 8, (const uint32_t[][2]){__VA_ARGS__})

/* RFC 2018 section 2: an option of SYNs, and nothing without it from both. */
Test(tcp_sack, only_when_both_permit_it)
{
	struct tcp_seg syn = {.seq = WORLD_IRS, .flags = TCP_SYN, .wnd = 65535};

	syn_rcvd(&w);
	cr_expect(w.out[0].seg.opts & TCP_OPT_SACK_OK, "the answer to an offer");
	tcp_release(&w.cx, &w.c);
	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	world_output(&w);
	cr_expect_eq(w.out[0].seg.opts & TCP_OPT_SACK_OK, 0);
	w.peer_sack = false;
	established(&w);
	got_data(1000, 100);
	reported(0, NULL);
}

Test(tcp_sack, switched_off_it_is_not_offered)
{
	w.params.sack = false;
	established(&w);
	got_data(1000, 100);
	reported(0, NULL);
	tcp_release(&w.cx, &w.c);
	syn_sent(&w);
	cr_expect_eq(w.out[0].seg.opts & TCP_OPT_SACK_OK, 0);
}

/* RFC 2018 section 4: (a) the newest first, then those reported before it; four fit. */
Test(tcp_sack, newest_block_first_earlier_ones_repeated)
{
	established(&w);
	got_data(1000, 100);
	REPORTED({1000, 1100});
	got_data(3000, 100);
	REPORTED({3000, 3100}, {1000, 1100});
	got_data(2000, 100);
	REPORTED({2000, 2100}, {3000, 3100}, {1000, 1100});
	got_data(1100, 100);
	REPORTED({1000, 1200}, {2000, 2100}, {3000, 3100});
	got_data(4000, 100);
	got_data(5000, 100);
	REPORTED({5000, 5100}, {4000, 4100}, {1000, 1200}, {2000, 2100});
	got_data(1200, 800);
	REPORTED({1000, 2100}, {5000, 5100}, {4000, 4100}, {3000, 3100});
	got_data(0, 1000);		/* the first hole is filled: the rest is still reported */
	REPORTED({5000, 5100}, {4000, 4100}, {3000, 3100});
	got_data(2100, 2900);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt, WORLD_IRS + 1 + 5100));
	REPORTED({4000, 4100});		/* came twice now, as 3000 to 3100 did: one can be told */
	cr_expect_eq(w.delivered, 5100);
}

/* Beside timestamps three fit into 40 octets. */
Test(tcp_sack, three_blocks_beside_timestamps)
{
	struct tcp_seg syn = {.seq = WORLD_IRS, .flags = TCP_SYN, .wnd = 65535};

	w.params.timestamps = true;
	syn.opts = TCP_OPT_TS | TCP_OPT_SACK_OK;
	syn.tsval = w.peer_ts;
	tcp_passive_open(&w.cx, &w.c, &syn, WORLD_ISS);
	world_output(&w);
	for (uint32_t i = 1; i <= 5; i++)
		got_data(1000 * i, 100);
	REPORTED({5000, 5100}, {4000, 4100}, {3000, 3100});
}

/* RFC 2883: what came twice is the first block of one ACK, whether acknowledged or not. */
Test(tcp_sack, duplicates_are_reported_once)
{
	established(&w);
	got_data(0, 1000);
	got_data(0, 1000);
	REPORTED({0, 1000});
	got_data(3000, 500);
	REPORTED({3000, 3500});
	got_data(3500, 500);
	got_data(5000, 500);
	got_data(3100, 100);		/* of a larger block: that follows */
	REPORTED({3100, 3200}, {3000, 4000}, {5000, 5500});
	got_data(800, 400);		/* half of it is new */
	cr_expect_eq(w.c.rcv_nxt, WORLD_IRS + 1 + 1200);
	REPORTED({800, 1000}, {3000, 4000}, {5000, 5500});
	got_data(2800, 1500);		/* covers a block */
	cr_expect_eq(w.out[0].seg.sack[0].left, WORLD_IRS + 1 + 3000);
	cr_expect_eq(w.out[0].seg.sack[0].right, WORLD_IRS + 1 + 4000);
	got_data(1200, 1700);		/* fills the hole and repeats 100 octets */
	REPORTED({2800, 2900}, {5000, 5500});
}

/* RFC 6691 section 2: blocks take their room from the payload; MSS stays what it is. */
Test(tcp_sack, blocks_make_data_shorter)
{
	established(&w);
	got_data(1000, 100);
	got_data(3000, 100);
	world_send(&w, 5000, 0);
	cr_assert_geq(w.nout, 3);
	cr_expect_eq(w.out[0].seg.len, 1460 - 4 - 2 * 8);
	cr_expect_eq(w.out[0].seg.nsack, 2);
	cr_expect_eq(w.out[1].seg.len, 1460 - 4 - 2 * 8);
	got_data(0, 1000);
	got_data(1100, 1900);
	world_send(&w, 5000, 0);
	cr_expect_eq(w.out[0].seg.nsack, 0);
	cr_expect_eq(w.out[0].seg.len, 1460);
	while (w.c.snd_una != w.c.snd_nxt) {
		struct tcp_seg ack = world_seg(&w, TCP_ACK, 0);

		world_arrives(&w, &ack);
	}
}

/* Memory pressure drops what was reported (reneging, RFC 2018 section 8): no longer reported. */
Test(tcp_sack, what_was_dropped_is_not_reported)
{
	established(&w);
	got_data(1000, 100);
	w.cx.mbufs_low = true;
	got_data(3000, 100);
	reported(0, NULL);
	w.cx.mbufs_low = false;
	got_data(3000, 100);
	REPORTED({3000, 3100});
}

Test(sack_report, keeps_the_newest_in_order)
{
	struct seq_range none = {0, 0}, dup = {7, 9};
	struct sack_report r;

	sack_report_init(&r, 2, &dup);
	for (uint32_t i = 1; i <= 6; i++)
		sack_report_add(&r, (struct seq_range){i * 100, i * 100 + 50}, i * 5 % 7);
	cr_expect(r.n == 2 && r.block[0].left == 7 && r.block[1].left == 400, "stamp 6 of 5316420");
	sack_report_init(&r, 4, &none);
	for (uint32_t i = 0; i < 10; i++)
		sack_report_add(&r, (struct seq_range){i * 100, i * 100 + 50}, 0xfffffffeu + i);
	cr_expect(r.n == 4 && r.block[0].left == 900 && r.block[3].left == 600, "over the wrap");
}
