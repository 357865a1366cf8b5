/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a timer costs: arming, lazy re-arming, expiry with everything that belongs to it (cascade,
 * the early fire of a far entry, stale entries), on N records of 64 octets touched in random order
 * with prefetching, as a burst of packets touches them. Prints figures; asserts nothing.
 */
#include "bigmem.h"
#include "clock_tsc.h"
#include "figures.h"
#include "rng.h"
#include "wheel.h"

#define PREFETCH_AHEAD	32u /* records of half a burst */
#define FIRST_MS	2560u
#define SPREAD_MS	60000u
#define TURN_BUDGET	4096u

struct record {
	uint32_t deadline_ms, word;
	uint8_t rest[56];
} MR_CACHE_ALIGNED;

struct bench {
	struct record *records;
	uint32_t *order;
	uint32_t n, expired;
	struct wheel *wheel;
	struct mr_rng rng;
	double arm[ROUNDS_MAX], lazy[ROUNDS_MAX], expire[ROUNDS_MAX];
	double touches, idle_turn;
	uint32_t items_max;
};

static void fire(void *ctx, uint32_t index, uint32_t now_ms)
{
	struct bench *b = ctx;
	uint32_t deadline_ms = b->records[index].deadline_ms;

	if (seq_gt(deadline_ms, now_ms))
		wheel_arm(b->wheel, index, deadline_ms);
	else
		b->expired++;
}

/* Arms all in random order; `later_ms` after what they have, or from the start. */
static double arm_all(struct bench *b, bool lazy)
{
	uint64_t start = mr_tsc();

	for (uint32_t i = 0; i < b->n; i++) {
		struct record *r = &b->records[b->order[i]];

		if (i + PREFETCH_AHEAD < b->n)
			MR_PREFETCH_WRITE(&b->records[b->order[i + PREFETCH_AHEAD]]);
		if (lazy)
			r->deadline_ms += 3;
		else
			r->deadline_ms = FIRST_MS + (uint32_t)mr_rng_below(&b->rng, SPREAD_MS);
		wheel_arm(b->wheel, b->order[i], r->deadline_ms);
	}
	return (double)(mr_tsc() - start) / b->n;
}

static double expire_all(struct bench *b)
{
	uint64_t start = mr_tsc();

	b->expired = 0;
	for (uint32_t now_ms = 1; b->expired < b->n; now_ms++)
		while (wheel_turn(b->wheel, now_ms, TURN_BUDGET, fire, b) == TURN_BUDGET)
			;
	return (double)(mr_tsc() - start) / b->n;
}

static double idle_turns(struct bench *b)
{
	uint32_t now_ms = wheel_time_ms(b->wheel), turns = 1000000;
	uint64_t start = mr_tsc();

	for (uint32_t i = 0; i < turns; i++)
		(void)wheel_turn(b->wheel, now_ms + i / 100, TURN_BUDGET, fire, b);
	return (double)(mr_tsc() - start) / turns;
}

static bool run_round(struct bench *b, uint32_t round)
{
	struct wheel_config cfg = {
		.records = (uint8_t *)b->records, .stride = sizeof(struct record),
		.word_offset = offsetof(struct record, word), .capacity = b->n, .tick_ms = 1,
		.level0_bits = 12, .node = -1,
	};
	struct wheel_stats st;

	b->wheel = wheel_create(&cfg, 0);
	if (b->wheel == NULL)
		return false;
	b->arm[round] = arm_all(b, false);
	b->lazy[round] = arm_all(b, true);
	b->expire[round] = expire_all(b);
	b->idle_turn = idle_turns(b);
	wheel_stats(b->wheel, &st);
	b->touches = (double)(st.fired + st.cascaded + st.stale) / b->n;
	b->items_max = st.items_max;
	wheel_destroy(b->wheel);
	return true;
}

static bool prepare(struct bench *b, struct mr_bigmem mem[2])
{
	if (mr_bigmem_map(&mem[0], (size_t)b->n * sizeof(struct record), -1) != 0 ||
	    mr_bigmem_map(&mem[1], (size_t)b->n * sizeof(uint32_t), -1) != 0)
		return false;
	b->records = mem[0].addr;
	b->order = mem[1].addr;
	mr_rng_seed(&b->rng, 42);
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t j = (uint32_t)mr_rng_below(&b->rng, i + 1);

		b->order[i] = b->order[j];
		b->order[j] = i;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct figures f = { .bench = "wheel", .n = 1000000, .rounds = 5 };
	struct wheel_config cfg = { .tick_ms = 1, .level0_bits = 12, .stride = 64 };
	struct mr_bigmem mem[2] = { 0 };
	static struct bench b;

	if (figures_options(&f, argc, argv) != 0)
		return 2;
	b.n = cfg.capacity = f.n;
	if (!prepare(&b, mem))
		goto no_memory;
	for (uint32_t r = 0; r < f.rounds; r++)
		if (!run_round(&b, r))
			goto no_memory;
	figures_add(&f, "arm", "cyc", figures_median(b.arm, f.rounds), 40);
	figures_add(&f, "lazy re-arm", "cyc", figures_median(b.lazy, f.rounds), 15);
	figures_add(&f, "expiry, all included", "cyc", figures_median(b.expire, f.rounds), 60);
	figures_add(&f, "touches of a record until it expires", "", b.touches, 0);
	figures_add(&f, "turn that finds nothing", "cyc", b.idle_turn, 0);
	figures_add(&f, "entries of one turn, at most", "", b.items_max, TURN_BUDGET);
	figures_add(&f, "memory per record", "octets", (double)wheel_memory(&cfg) / f.n, 5.36);
	return figures_report(&f);

no_memory:
	fprintf(stderr, "wheel: no memory for %u records (%.1f GiB free): skipped\n", f.n,
		(double)mr_bigmem_available() / (1u << 30));
	return 0;
}
