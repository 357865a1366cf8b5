/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * impair with frames: what comes out of a direction, when, in which order and with which octets.
 * Every mbuf is home in the end.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "cksum.h"
#include "damage.h"
#include "direction.h"
#include "impair_fixture.h"

static struct imp_direction d;
static struct imp_params p;
static struct imp_held out[4096];

static void setup(void)
{
	impair_eal();
	p = (struct imp_params){.queue_frames = 1000, .hold_frames = 1000};
}

static void begin(void)
{
	cr_assert(imp_direction_init(&d, &p, 5, 0));
	d.pool = impair_pool;
}

static uint32_t due(uint64_t now_ns)
{
	uint32_t n = imp_due(&d, now_ns, out, MR_ARRAY_LEN(out));

	for (uint32_t i = 0; i < n; i++)
		imp_sent(&d, &out[i], out[i].m->pkt_len, now_ns);
	return n;
}

static void let_go(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		rte_pktmbuf_free(out[i].m);
}

static void finish(void)
{
	cr_assert(imp_adds_up(&d));
	imp_direction_fini(&d);
	cr_assert(imp_adds_up(&d) && imp_held_now(&d) == 0);
	cr_assert_eq(rte_mempool_in_use_count(impair_pool), 0);
}

TestSuite(impair, .init = setup);

Test(impair, delay_is_exact_and_order_stays)
{
	p.delay_ns = 20 * MS;
	begin();
	for (uint32_t i = 0; i < 100; i++)
		imp_take(&d, frame(i), i / 10 * MS);
	cr_assert_eq(due(20 * MS - 1), 0);
	cr_assert_eq(due(20 * MS), 10);
	let_go(10);
	cr_assert_eq(imp_hold_due_ns(&d.hold), 21 * MS);
	cr_assert_eq(due(100 * MS), 90);
	for (uint32_t i = 0; i < 90; i++)
		cr_assert_eq(number_of(out[i].m), i + 10);
	let_go(90);
	cr_assert(d.count.sent == 100 && d.count.late == 0 && d.delay.count == 100);
	cr_assert(d.count.received_octets == 100 * LEN && d.count.sent_octets == 100 * LEN);
	finish();
}

/* Which are lost is what the dice say, frame by frame. */
Test(impair, the_lost_ones_are_those_of_the_dice)
{
	struct imp_dice dice;
	uint32_t n, k = 0;

	p.loss = 0.2;
	begin();
	for (uint32_t i = 0; i < 1000; i++)
		imp_take(&d, frame(i), 0);
	n = due(0);
	imp_dice_init(&dice, 5, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		struct imp_fate fate;

		imp_fate_draw(&dice, &p, &fate);
		if (!fate.lost)
			cr_assert_eq(number_of(out[k++].m), i);
	}
	cr_assert_eq(k, n);
	cr_assert_eq(d.count.lost, 1000 - n);
	let_go(n);
	finish();
}

Test(impair, copies_are_equal_and_follow)
{
	p.duplicate = 1;
	p.delay_ns = MS;
	begin();
	for (uint32_t i = 0; i < 10; i++)
		imp_take(&d, frame(i), i);
	cr_assert_eq(due(2 * MS), 20);
	for (uint32_t i = 0; i < 20; i++) {
		struct rte_mbuf *want = frame(i / 2);

		cr_assert_eq(out[i].m->pkt_len, LEN);
		cr_assert_eq(memcmp(rte_pktmbuf_mtod(out[i].m, void *),
				    rte_pktmbuf_mtod(want, void *), LEN),
			     0);
		rte_pktmbuf_free(want);
	}
	cr_assert_neq(out[0].m, out[1].m);
	let_go(20);
	cr_assert(d.count.duplicated == 10 && d.count.sent == 20);
	finish();
}

Test(impair, jitter_reorders_unless_order_is_kept)
{
	uint32_t n, late = 0;

	p.delay_ns = 10 * MS;
	p.jitter_ns = 5 * MS;
	begin();
	for (uint32_t i = 0; i < 500; i++)
		imp_take(&d, frame(i), i * 1000);
	n = due(100 * MS);
	for (uint32_t i = 0, newest = 0; i < n; i++) {
		late += number_of(out[i].m) < newest;
		newest = MR_MAX(newest, number_of(out[i].m));
		cr_assert(i == 0 || out[i].due_ns >= out[i - 1].due_ns);
	}
	let_go(n);
	cr_assert(n == 500 && late > 100);
	cr_assert_eq(d.count.late, late);
	finish();
	p.keep_order = true;
	begin();
	for (uint32_t i = 0; i < 500; i++)
		imp_take(&d, frame(i), i * 1000);
	n = due(100 * MS);
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(number_of(out[i].m), i);
	let_go(n);
	cr_assert(n == 500 && d.count.late == 0);
	finish();
}

Test(impair, reordered_frames_jump_the_delay)
{
	uint32_t n;

	p.delay_ns = 10 * MS;
	p.reorder = 0.3;
	begin();
	for (uint32_t i = 0; i < 500; i++)
		imp_take(&d, frame(i), i * 1000);
	n = due(MS);
	cr_assert_eq(n, d.count.jumped);
	cr_assert(n > 100 && n < 200, "%u", n);
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(out[i].due_ns, out[i].came_ns);
	let_go(n);
	n = due(100 * MS);
	cr_assert_eq(n + d.count.jumped, 500);
	let_go(n);
	finish();
}

Test(impair, one_bit_is_flipped)
{
	struct rte_mbuf *want;
	uint32_t bits, n, where[2] = {0};

	p.corrupt = 1;
	begin();
	for (uint32_t i = 0; i < 500; i++)
		imp_take(&d, frame(i), 0);
	n = due(0);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *got = rte_pktmbuf_mtod(out[i].m, uint8_t *);

		want = frame(i);
		bits = 0;
		for (uint32_t k = 0; k < LEN; k++) {
			uint8_t off = got[k] ^ rte_pktmbuf_mtod(want, uint8_t *)[k];

			bits += (uint32_t)__builtin_popcount(off);
			where[k >= LEN / 2] += off != 0;
		}
		cr_assert_eq(bits, 1);
		rte_pktmbuf_free(want);
	}
	cr_assert(where[0] > 180 && where[1] > 180, "anywhere");
	let_go(n);
	cr_assert_eq(d.count.corrupted, 500);
	finish();
}

Test(impair, foreign_octets_are_never_changed)
{
	struct rte_mbuf *foreign, *attached, *want;
	uint32_t n;

	p.corrupt = 1;
	begin();
	foreign = frame(1);
	attached = rte_pktmbuf_clone(foreign, impair_pool);
	imp_take(&d, attached, 0);
	want = frame(1);
	cr_assert_eq(memcmp(rte_pktmbuf_mtod(foreign, void *), rte_pktmbuf_mtod(want, void *), LEN),
		     0);
	rte_pktmbuf_free(want);
	rte_pktmbuf_free(foreign);
	n = due(0);
	cr_assert(n == 1 && RTE_MBUF_DIRECT(out[0].m));
	let_go(n);
	foreign = frame(1);
	rte_mbuf_refcnt_update(foreign, 1); /* its sender may send it again */
	imp_take(&d, foreign, 0);
	n = due(0);
	cr_assert(n == 1 && out[0].m != foreign);
	let_go(n);
	cr_assert_eq(rte_mbuf_refcnt_read(foreign), 1);
	rte_pktmbuf_free(foreign);
	cr_assert_eq(d.count.corrupted, 2);
	finish();
}

Test(impair, a_bit_of_any_segment)
{
	struct rte_mbuf *m = frame(0), *more = frame(0);

	rte_pktmbuf_chain(m, more);
	imp_flip(m, UINT64_MAX); /* the very last bit */
	cr_assert_eq(*rte_pktmbuf_mtod_offset(more, uint8_t *, LEN - 1), (LEN - 1) ^ 0x80);
	imp_flip(m, 1ull << 63); /* the first one of the second half */
	cr_assert_eq(*rte_pktmbuf_mtod(more, uint8_t *), 1);
	imp_flip(m, 0);
	cr_assert_eq(*rte_pktmbuf_mtod(m, uint8_t *), 1);
	rte_pktmbuf_free(m);
}

/* ---- the mark ---- */

static struct rte_mbuf *ip_frame(unsigned int family, unsigned int tags, uint8_t tos)
{
	struct rte_mbuf *m = frame(0);
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *) + 12;
	uint16_t sum;

	for (; tags > 0; tags--, at += 4)
		memcpy(at, tags == 2 ? "\x88\xa8\0\5" : "\x81\0\0\7", 4);
	memcpy(at, family == 4 ? "\x08\x00" : "\x86\xdd", 2);
	at += 2;
	if (family == 6) {
		at[0] = (uint8_t)(0x60 | tos >> 4);
		at[1] = (uint8_t)(tos << 4 | 5);
		return m;
	}
	at[0] = 0x45;
	at[1] = tos;
	at[10] = at[11] = 0;
	sum = wire_sum_fold(wire_sum(at, 20, 0));
	memcpy(at + 10, &sum, 2);
	return m;
}

static void check_mark(unsigned int family, unsigned int tags, uint8_t tos, bool capable)
{
	struct rte_mbuf *m = ip_frame(family, tags, tos), *was = ip_frame(family, tags, tos);
	uint8_t *ip = imp_ecn_capable(m), *old = rte_pktmbuf_mtod(was, uint8_t *) + 14 + 4 * tags;
	uint8_t marked = (uint8_t)(tos | 3);

	cr_assert_eq(ip != NULL, capable, "family %u, %u tags, TOS %x", family, tags, tos);
	if (capable) {
		imp_mark_ce(ip);
		cr_assert_eq(family == 4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4), marked);
		cr_assert(family == 6 || wire_sum_reduce(wire_sum(ip, 20, 0)) == 0xffff);
		cr_assert(family == 4 || (ip[1] & 15) == 5, "the flow label stays");
		cr_assert_eq(memcmp(ip + 12, old + 12, LEN - 26 - 4 * tags), 0);
	}
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(was);
}

Test(impair, marks_what_is_capable_of_ecn)
{
	for (unsigned int tags = 0; tags <= 2; tags++) {
		for (unsigned int tos = 0; tos < 256; tos++) {
			bool capable = (tos & 3) == 1 || (tos & 3) == 2;

			check_mark(4, tags, (uint8_t)tos, capable);
			check_mark(6, tags, (uint8_t)tos, capable);
		}
	}
	p.mark = 1;
	begin();
	imp_take(&d, ip_frame(4, 0, 2), 0);
	imp_take(&d, ip_frame(4, 0, 0), 0);
	imp_take(&d, frame(1), 0);
	cr_assert_eq(d.count.marked, 1);
	let_go(due(0));
	finish();
}

/* ---- bounds ---- */

Test(impair, the_link_is_paced_and_its_queue_bounded)
{
	uint32_t n;

	p.rate_bps = 8000000; /* a frame of 100 octets takes 0.1 ms */
	p.queue_frames = 5;
	p.mark_octets = 3 * LEN;
	p.delay_ns = 10 * MS;
	begin();
	for (uint32_t i = 0; i < 8; i++)
		imp_take(&d, ip_frame(4, 0, 1), 0);
	cr_assert_eq(d.count.drop_queue, 3);
	cr_assert_eq(d.count.marked, 1 + 3, "one enters behind 4 frames, three are dropped there");
	n = due(100 * MS);
	cr_assert_eq(n, 5);
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(out[i].due_ns, 10 * MS + (i + 1) * 100000);
	let_go(n);
	imp_take(&d, frame(0), 100 * MS);
	cr_assert_eq(imp_hold_due_ns(&d.hold), 110 * MS + 100000);
	finish();
}

Test(impair, memory_is_bounded)
{
	p.hold_frames = 64;
	p.duplicate = 1;
	p.delay_ns = MS;
	begin();
	for (uint32_t i = 0; i < 50; i++)
		imp_take(&d, frame(i), 0);
	cr_assert_eq(imp_held_now(&d), 64);
	cr_assert_eq(d.count.drop_hold, 100 - 64);
	/* Those that a port has not taken yet count. */
	cr_assert_eq(imp_due(&d, MS, out, 10), 10);
	imp_take(&d, frame(0), MS);
	cr_assert_eq(d.count.drop_hold, 102 - 64);
	for (uint32_t i = 0; i < 10; i++)
		imp_refused(&d, &out[i]);
	cr_assert(d.count.refused == 10 && imp_held_now(&d) == 54);
	finish();
}

Test(impair, an_empty_pool_is_counted)
{
	static struct rte_mbuf *taken[POOL];
	struct rte_mbuf *chain = frame(0), *clone;
	uint32_t n = 0;

	p.duplicate = p.corrupt = 1;
	begin();
	rte_pktmbuf_chain(chain, frame(1));
	clone = rte_pktmbuf_clone(chain, impair_pool);
	while ((taken[n] = rte_pktmbuf_alloc(impair_pool)) != NULL)
		n++;
	imp_take(&d, clone, 0); /* neither damaged nor doubled, but it passes */
	cr_assert(d.count.no_mbuf == 2 && d.count.corrupted == 0 && d.count.duplicated == 0);
	cr_assert_eq(due(0), 1);
	cr_assert_eq(out[0].m, clone);
	d.flat = true;
	imp_take(&d, clone, 0);
	cr_assert_eq(d.count.drop_mbuf, 1);
	rte_pktmbuf_free(chain);
	rte_pktmbuf_free_bulk(taken, n);
	finish();
}

Test(impair, a_port_of_one_segment_gets_one)
{
	struct rte_mbuf *chain = frame(0);

	begin();
	d.flat = true;
	rte_pktmbuf_chain(chain, frame(1));
	imp_take(&d, chain, 0);
	cr_assert_eq(due(0), 1);
	cr_assert(out[0].m->nb_segs == 1 && out[0].m->pkt_len == 2 * LEN);
	let_go(1);
	finish();
}
