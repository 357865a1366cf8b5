/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What TIME_WAIT costs: an insertion with its wheel entry, expiry, lookups that hit and (as every
 * new SYN) miss, and insertion into a full table under a flood, in bursts of 64, hash included. N
 * entries live on average, each for 60 s of simulated time. Prints figures; asserts nothing.
 */
#include "clock_tsc.h"
#include "figures.h"
#include "isa.h"
#include "rng.h"
#include "timewait.h"

#define BURST		MR_BURST
#define MSL2_MS		60000u
#define TURN_BUDGET	4096u

static const struct mr_sipkey hash_key = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };

struct bench {
	struct timewait *tw;
	struct mr_rng rng;
	uint64_t id;			/* of the next insertion */
	uint32_t n;			/* live in the steady state */
	uint32_t now_ms;
	uint64_t wrong;
	uint64_t w0[BURST] MR_CACHE_ALIGNED, w1[BURST] MR_CACHE_ALIGNED,
		hash[BURST] MR_CACHE_ALIGNED;
	struct flow_key key[BURST];
};

static void make_key(struct bench *b, uint32_t i, uint64_t id)
{
	uint32_t raddr = 0x0a000000u + (uint32_t)(id >> 14);
	struct flow_key *k = &b->key[i];
	uint64_t w[2];

	memset(k, 0, sizeof(*k));
	memcpy(k->raddr, &raddr, sizeof(raddr));
	k->rport = (uint16_t)(1024 + (id & 16383));
	k->lport = 80;
	k->family = 4;
	flow_words4(raddr, k->rport, k->lport, k->laddr, w);
	b->w0[i] = w[0];
	b->w1[i] = w[1];
}

MR_INLINE void hash_and_prefetch(struct bench *b)
{
	mr_sip13_burst(&hash_key, &(struct mr_sip_words){{b->w0, b->w1}, 2}, b->hash, BURST);
	for (uint32_t i = 0; i < BURST; i++)
		table_prefetch_bucket(timewait_table(b->tw), b->hash[i]);
}

static uint64_t insert_burst(struct bench *b)
{
	struct tw_state st = {
		.snd_nxt = 1, .rcv_nxt = 2, .has_ts = 1, .expires_ms = b->now_ms + MSL2_MS
	};
	uint64_t start = mr_tsc(), evictions = 0;

	for (uint32_t i = 0; i < BURST; i++)
		make_key(b, i, b->id++);
	hash_and_prefetch(b);
	for (uint32_t i = 0; i < BURST; i++)
		table_prefetch_room(timewait_table(b->tw), b->hash[i]);
	for (uint32_t i = 0; i < BURST; i++)
		evictions += timewait_insert(b->tw, &b->key[i], b->hash[i], &st, &hash_key);
	timewait_flush(b->tw);
	b->wrong += evictions != 0;
	return mr_tsc() - start;
}

static double run_lookups(struct bench *b, bool hit)
{
	const struct table *t = timewait_table(b->tw);
	uint32_t lookups = 1u << 20, candidate[BURST], index;
	uint64_t start = mr_tsc(), first = hit ? b->id - b->n / 2 : b->id + b->n;

	for (uint32_t done = 0; done < lookups; done += BURST) {
		for (uint32_t i = 0; i < BURST; i++)
			make_key(b, i, first + mr_rng_below(&b->rng, b->n / 2));
		hash_and_prefetch(b);
		for (uint32_t i = 0; i < BURST; i++)
			candidate[i] = table_candidate(t, b->hash[i]);
		for (uint32_t i = 0; i < BURST; i++)
			if (candidate[i] == TABLE_MORE)
				candidate[i] = table_second(t, b->hash[i]);
		for (uint32_t i = 0; i < BURST; i++) {
			index = table_resolve(t, candidate[i], &b->key[i], b->hash[i]);
			b->wrong += (index != TABLE_NIL) != hit;
		}
	}
	return (double)(mr_tsc() - start) / lookups;
}

/* Time passes so that n are live; returns cycles per insertion, and per expiry in *expiry. */
static double run_steady(struct bench *b, uint64_t inserts, double *expiry)
{
	struct timewait_stats before, after;
	uint64_t in = 0, out = 0, start, first = b->id;

	timewait_stats(b->tw, &before);
	for (uint64_t i = 0; i < inserts; i += BURST) {
		in += insert_burst(b);
		b->now_ms += (uint32_t)(((b->id - first) * MSL2_MS) / b->n -
					((b->id - BURST - first) * MSL2_MS) / b->n);
		start = mr_tsc();
		timewait_turn(b->tw, b->now_ms, TURN_BUDGET, &hash_key);
		out += mr_tsc() - start;
	}
	timewait_stats(b->tw, &after);
	*expiry = after.expired > before.expired
			  ? (double)out / (double)(after.expired - before.expired)
			  : 0;
	return (double)in / (double)inserts;
}

static double run_flood(struct bench *b, uint64_t inserts)
{
	uint64_t cycles = 0, wrong = b->wrong;

	for (uint64_t i = 0; i < inserts; i += BURST)
		cycles += insert_burst(b);
	b->wrong = wrong;
	return (double)cycles / (double)inserts;
}

static double in[ROUNDS_MAX], out[ROUNDS_MAX], hit[ROUNDS_MAX], miss[ROUNDS_MAX], flood[ROUNDS_MAX];

int main(int argc, char **argv)
{
	struct figures f = { .bench = "timewait", .n = 1000000, .rounds = 5 };
	static struct bench b;
	uint64_t inserts;
	double fill;

	if (figures_options(&f, argc, argv) != 0)
		return 2;
	mr_isa_select(mr_isa_best());
	mr_rng_seed(&b.rng, 9);
	b.n = f.n / BURST * BURST;
	b.tw = timewait_create(4, b.n + b.n / 20, MSL2_MS, -1, 0);
	if (b.tw == NULL) {
		fprintf(stderr, "timewait: no memory for %u entries: skipped\n", f.n);
		return 0;
	}
	inserts = MR_MIN(b.n, 2000000u) / BURST * BURST;
	fill = run_steady(&b, b.n + b.n / 2 / BURST * BURST, &out[0]);
	for (uint32_t r = 0; r < f.rounds; r++) {
		in[r] = run_steady(&b, inserts, &out[r]);
		hit[r] = run_lookups(&b, true);
		miss[r] = run_lookups(&b, false);
	}
	run_flood(&b, b.n / 10 / BURST * BURST);
	for (uint32_t r = 0; r < f.rounds; r++)
		flood[r] = run_flood(&b, inserts / 4 / BURST * BURST);
	figures_add(&f, "insert with wheel entry, while filling", "cyc", fill, 0);
	figures_add(&f, "insert with wheel entry, steady", "cyc", figures_median(in, f.rounds),
		    140);
	figures_add(&f, "expiry", "cyc", figures_median(out, f.rounds), 0);
	figures_add(&f, "lookup, hit", "cyc", figures_median(hit, f.rounds), 0);
	figures_add(&f, "lookup, miss (a new SYN)", "cyc", figures_median(miss, f.rounds), 0);
	figures_add(&f, "insert when full (each evicts)", "cyc", figures_median(flood, f.rounds),
		    0);
	figures_add(&f, "memory per entry, IPv4", "octets", (double)timewait_memory(4, f.n) / f.n,
		    40);
	figures_add(&f, "memory per entry, IPv6", "octets", (double)timewait_memory(6, f.n) / f.n,
		    56);
	figures_add(&f, "wrong answers", "", (double)b.wrong, 0);
	timewait_destroy(b.tw);
	return figures_report(&f);
}
