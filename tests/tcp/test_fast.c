/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP exists once: two copies of a connection live the same random life, one by arrives.c and
 * output.c alone, the other by fast.h wherever it says yes. After every event records, extensions,
 * verdicts, counters and segments are equal.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fast.h"
#include "rng.h"
#include "twin.h"

static uint64_t events;

/* ---- a random life ---- */

static bool chance(struct mr_rng *r, unsigned int percent)
{
	return mr_rng_below(r, 100) < percent;
}

static struct tcp_seg random_segment(struct mr_rng *r, struct world *w)
{
	static const uint8_t flags[] = {TCP_ACK, TCP_ACK, TCP_ACK, TCP_ACK | TCP_PSH,
					TCP_ACK | TCP_FIN,
					TCP_ACK | TCP_FIN, TCP_SYN | TCP_ACK, TCP_SYN, TCP_RST,
							TCP_RST | TCP_ACK,
					TCP_ACK | TCP_URG, TCP_FIN, 0};
	static const uint16_t sizes[] = {1, 7, 100, 536, 1448, 1460, 4000};
	struct tcp_seg seg = world_seg(w, TCP_ACK, 0);
	unsigned int many = chance(r, 90) ? 6 : MR_ARRAY_LEN(flags);

	seg.flags = flags[mr_rng_below(r, many)];
	if (tcp_state(&w->c) == TCP_SYN_SENT && chance(r, 90))
		seg.flags = TCP_SYN | TCP_ACK;
	if (seg.flags & TCP_SYN)
		seg.seq = (uint32_t)mr_rng_next(r);
	if (chance(r, 40) && (seg.flags & (TCP_SYN | TCP_FIN)) == 0)
		seg.len = sizes[mr_rng_below(r, MR_ARRAY_LEN(sizes))];
	if (chance(r, 12))
		seg.seq += (uint32_t)mr_rng_below(r, 4000) - 2000;
	if (chance(r, 30))
		seg.ack = w->c.snd_una + (uint32_t)mr_rng_below(r, w->c.snd_nxt - w->c.snd_una + 1);
	if (chance(r, 3))
		seg.ack += (uint32_t)mr_rng_below(r, 5) - 2;
	seg.wnd = chance(r, 85) ? 65535 : (uint16_t)mr_rng_below(r, 3000) * chance(r, 50);
	if (chance(r, 70)) {
		seg.opts |= TCP_OPT_TS;
		seg.tsval = w->c.ts_recent + (uint32_t)mr_rng_below(r, 5) - (chance(r, 5) ? 3 : 0);
		seg.tsecr = w->cx.now_ms + w->cx.ts_offset - (uint32_t)mr_rng_below(r, 100);
	}
	if (chance(r, 5))
		seg.opts ^= TCP_OPT_TS;
	if (chance(r, 10))
		seg.flags |= mr_rng_next(r) & (TCP_ECE | TCP_CWR);
	seg.ecn = (uint8_t)(chance(r, 15) ? mr_rng_below(r, 4) : ECN_ECT_0);
	if (seg.flags & TCP_SYN) {
		seg.flags |= chance(r, 40) ? TCP_ECE : 0;
		seg.opts |= mr_rng_next(r) & (TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_SACK_OK);
		seg.mss = (uint16_t)mr_rng_below(r, 3000);
		seg.wscale = (uint8_t)mr_rng_below(r, 15);
	}
	return seg;
}

/* Something else happens: the user, or time. The same to both. */
static void random_call(struct mr_rng *r, struct world *w, bool fast)
{
	uint32_t len = 1 + (uint32_t)mr_rng_below(r, 8000), what = (uint32_t)mr_rng_below(r, 100);
	uint32_t ms = (uint32_t)mr_rng_below(r, chance(r, 20) ? 3000 : 30);
	struct tcp_ext *x = tcp_ext_of(&w->pool, &w->c);
	struct rte_mbuf *m;

	w->v = (struct tcp_verdict){0};
	if (what < 30) {
		m = fake_chain(NULL, len, FAKE_ROOM);
		if (!tcp_send(&w->cx, &w->c, m, what & 3))
			fake_free(m);
	} else if (what < 50) {
		tcp_consumed(&w->cx, &w->c, x != NULL ? MR_MIN(len, x->unread) : 0);
	} else if (what < 58) {
		tcp_shutdown(&w->cx, &w->c);
	} else if (what < 61) {
		tcp_close(&w->cx, &w->c, &w->v);
	} else {
		w->cx.mbufs_low = chance(r, 10);
		w->cx.now_ms += ms;
		w->cx.now_us += ms * 1000ull;
		tcp_timeout(&w->cx, &w->c, &w->v);
	}
	twin_output(w, fast);
}

static void open_random(struct mr_rng *r, struct world *w)
{
	struct tcp_seg syn = {.seq = (uint32_t)mr_rng_next(r), .flags = TCP_SYN, .wnd = 30000};
	bool active = chance(r, 30);

	w->params.timestamps = chance(r, 70);
	w->params.keepalive_idle_ms = chance(r, 30) ? 5000 : 0;
	w->params.ecn = (uint8_t)mr_rng_below(r, 3);
	w->params.delack_ms = chance(r, 20) ? 0 : 40;
	w->params.rcv_buf = chance(r, 30) ? 3000 : 262144;
	w->params.rcv_buf_max = chance(r, 50) ? 1u << 20 : 0;
	w->cx.now_ms = (uint32_t)mr_rng_next(r);
	w->c.generation = 7;
	if (active) {
		tcp_active_open(&w->cx, &w->c, (uint32_t)mr_rng_next(r));
		return;
	}
	syn.opts = (uint8_t)(mr_rng_next(r) & (TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_TS |
						 TCP_OPT_SACK_OK));
	syn.flags |= chance(r, 50) ? TCP_ECE | TCP_CWR : 0;
	syn.mss = 1460;
	syn.wscale = 7;
	syn.tsval = (uint32_t)mr_rng_next(r);
	tcp_passive_open(&w->cx, &w->c, &syn, (uint32_t)mr_rng_next(r));
}

static void live(uint64_t seed)
{
	struct mr_rng r[2];
	struct world *w = aligned_alloc(MR_CACHE_LINE, 2 * sizeof(*w));
	unsigned int bound = 60;

	for (unsigned int i = 0; i < 2; i++) {
		mr_rng_seed(&r[i], seed);
		world_init(&w[i]);
		open_random(&r[i], &w[i]);
		twin_output(&w[i], i == 1);
	}
	twin_same(&w[0], &w[1]);
	while (bound-- != 0 && (tcp_state(&w[0].c) & (TCP_CLOSED | TCP_TIME_WAIT)) == 0) {
		for (unsigned int i = 0; i < 2; i++) {
			bool call = chance(&r[i], 30);
			struct tcp_seg seg = random_segment(&r[i], &w[i]);

			if (call)
				random_call(&r[i], &w[i], i == 1);
			else
				twin_arrives(&w[i], &seg, i == 1);
		}
		twin_same(&w[0], &w[1]);
		events++;
	}
	for (unsigned int i = 0; i < 2; i++)
		tcp_release(&w[i].cx, &w[i].c);
	cr_assert_eq(fake_live(), 0);
	cr_assert(w[0].pool.mbufs_held == 0 && w[1].pool.mbufs_held == 0);
	free(w);
}

Test(tcp_fast, equals_the_general_way)
{
	for (uint64_t seed = 1; seed <= 20000; seed++)
		live(seed);
	for (unsigned int i = 0; i < F_KINDS; i++)
		cr_expect_gt(twin_hits[i], 500, "fast kind %u was taken %lu times only", i,
			     twin_hits[i]);
	for (unsigned int i = 0; i < MR_ARRAY_LEN(twin_outputs); i++)
		cr_expect_gt(twin_outputs[i], 500);
	printf("tcp_fast: %lu events, hits", events);
	for (unsigned int i = 0; i < F_KINDS; i++)
		printf(" %lu", twin_hits[i]);
	printf("\n");
}
