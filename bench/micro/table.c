/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a lookup costs in the flat table: hits, misses, a connection's life (open, four lookups,
 * close), all in bursts of 64 staged as lib/stack stages them, hash included; and whether tuples
 * crafted against a linear hash cost more than random ones. Prints figures; asserts nothing.
 */
#include "clock_tsc.h"
#include "crafted.h"
#include "figures.h"
#include "isa.h"
#include "rng.h"
#include "table.h"

#define BURST		MR_BURST
#define CRAFTED		65536u
#define LOOKUPS		(1u << 21)

static const struct mr_sipkey hash_key = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };

struct burst {
	uint64_t w0[BURST], w1[BURST], hash[BURST];
	struct flow_key key[BURST];
	uint32_t candidate[BURST], record[BURST];
} MR_CACHE_ALIGNED;

struct bench {
	struct table t;
	struct burst b;
	struct mr_rng rng;
	struct flow_key *crafted;
	uint64_t base;			/* ids base .. base + n - 1 are open */
	uint32_t n;
	uint64_t wrong;
};

static void key_of(uint64_t id, struct flow_key *k)
{
	uint32_t raddr = 0x0a000000u + (uint32_t)(id >> 14);

	memset(k, 0, sizeof(*k));
	memcpy(k->raddr, &raddr, sizeof(raddr));
	k->rport = (uint16_t)(1024 + (id & 16383));
	k->lport = 80;
	k->family = 4;
}

MR_INLINE void hash_burst(struct burst *b)
{
	uint64_t w[2];
	uint32_t raddr;

	for (uint32_t i = 0; i < BURST; i++) {
		memcpy(&raddr, b->key[i].raddr, sizeof(raddr));
		flow_words4(raddr, b->key[i].rport, b->key[i].lport, b->key[i].laddr, w);
		b->w0[i] = w[0];
		b->w1[i] = w[1];
	}
	mr_sip13_burst(&hash_key, &(struct mr_sip_words){{b->w0, b->w1}, 2}, b->hash, BURST);
}

MR_INLINE void find_burst(const struct table *t, struct burst *b)
{
	uint8_t more[BURST];
	uint32_t nmore = 0;

	for (uint32_t i = 0; i < BURST; i++)
		table_prefetch_bucket(t, b->hash[i]);
	for (uint32_t i = 0; i < BURST; i++) {
		b->candidate[i] = table_candidate(t, b->hash[i]);
		more[nmore] = (uint8_t)i;
		nmore += b->candidate[i] == TABLE_MORE;
	}
	for (uint32_t i = 0; i < nmore; i++)
		b->candidate[more[i]] = table_second(t, b->hash[more[i]]);
	for (uint32_t i = 0; i < BURST; i++)
		b->record[i] = table_resolve(t, b->candidate[i], &b->key[i], b->hash[i]);
}

/* A lookup's user reads the record and writes to it. */
MR_INLINE void use_burst(struct bench *b, bool expect)
{
	for (uint32_t i = 0; i < BURST; i++) {
		b->wrong += (b->b.record[i] != TABLE_NIL) != expect;
		if (b->b.record[i] != TABLE_NIL)
			((uint32_t *)table_record(&b->t, b->b.record[i]))[8]++;
	}
}

static void lookup_random(struct bench *b, uint64_t first, uint64_t span, bool expect)
{
	for (uint32_t i = 0; i < BURST; i++)
		key_of(first + mr_rng_below(&b->rng, span), &b->b.key[i]);
	hash_burst(&b->b);
	find_burst(&b->t, &b->b);
	use_burst(b, expect);
}

static double run_lookups(struct bench *b, uint64_t first, uint64_t span, bool expect)
{
	uint64_t start = mr_tsc();

	for (uint32_t i = 0; i < LOOKUPS; i += BURST)
		lookup_random(b, first, span, expect);
	return (double)(mr_tsc() - start) / LOOKUPS;
}

static void open_burst(struct bench *b)
{
	uint32_t next;

	for (uint32_t i = 0; i < BURST; i++)
		key_of(b->base + b->n + i, &b->b.key[i]);
	hash_burst(&b->b);
	for (uint32_t i = 0; i < BURST; i++) {
		table_prefetch_bucket(&b->t, b->b.hash[i]);
		next = table_next_free(&b->t, i);
		if (next != TABLE_NIL)
			table_prefetch_record(&b->t, next);
	}
	for (uint32_t i = 0; i < BURST; i++)
		b->wrong += table_insert(&b->t, &b->b.key[i], b->b.hash[i]) == TABLE_NIL;
}

static void close_burst(struct bench *b)
{
	for (uint32_t i = 0; i < BURST; i++)
		key_of(b->base + i, &b->b.key[i]);
	hash_burst(&b->b);
	find_burst(&b->t, &b->b);
	for (uint32_t i = 0; i < BURST; i++)
		table_remove(&b->t, b->b.record[i], b->b.hash[i]);
	table_flush(&b->t);
	b->base += BURST;
}

static double run_lives(struct bench *b)
{
	uint32_t lives = LOOKUPS / 8;
	uint64_t start = mr_tsc();

	for (uint32_t i = 0; i < lives; i += BURST) {
		open_burst(b);
		for (uint32_t l = 0; l < 4; l++)
			lookup_random(b, b->base + BURST, b->n, true);
		close_burst(b);
	}
	return (double)(mr_tsc() - start) / lives;
}

/* Lookups of the crafted tuples, or of as many ordinary ones, in random order. */
static double run_set(struct bench *b, bool crafted)
{
	uint64_t start = mr_tsc();

	for (uint32_t done = 0; done < LOOKUPS; done += BURST) {
		for (uint32_t i = 0; i < BURST; i++) {
			uint32_t pick = (uint32_t)mr_rng_below(&b->rng, CRAFTED);

			if (crafted)
				b->b.key[i] = b->crafted[pick];
			else
				key_of(b->base + pick, &b->b.key[i]);
		}
		hash_burst(&b->b);
		find_burst(&b->t, &b->b);
		use_burst(b, true);
	}
	return (double)(mr_tsc() - start) / LOOKUPS;
}

static int prepare(struct bench *b, const struct table_config *cfg)
{
	struct flow_key k;

	b->crafted = calloc(CRAFTED, sizeof(struct flow_key));
	if (b->crafted == NULL || table_create(&b->t, cfg) != 0)
		return -1;
	mr_rng_seed(&b->rng, 7);
	crafted_tuples(b->crafted, CRAFTED);
	for (uint64_t id = 0; id < b->n; id++) {
		key_of(id, &k);
		b->wrong += table_insert(&b->t, &k, flow_hash(&hash_key, &k)) == TABLE_NIL;
	}
	for (uint32_t i = 0; i < CRAFTED; i++)
		b->wrong += table_insert(&b->t, &b->crafted[i],
					 flow_hash(&hash_key, &b->crafted[i])) == TABLE_NIL;
	return 0;
}

int main(int argc, char **argv)
{
	struct figures f = { .bench = "table", .n = 1000000, .rounds = 5 };
	static double hit[ROUNDS_MAX], miss[ROUNDS_MAX], life[ROUNDS_MAX], bad[ROUNDS_MAX],
		good[ROUNDS_MAX];
	struct table_config cfg = { .stride = 64, .key_offset = 2, .family = 4, .load_percent = 55,
				    .node = -1 };
	static struct bench b;
	double ratio;

	if (figures_options(&f, argc, argv) != 0)
		return 2;
	b.n = f.n < CRAFTED ? CRAFTED : f.n;
	cfg.capacity = b.n + CRAFTED + BURST;
	mr_isa_select(mr_isa_best());
	if (prepare(&b, &cfg) != 0) {
		fprintf(stderr, "table: no memory for %u records: skipped\n", f.n);
		return 0;
	}
	for (uint32_t r = 0; r < f.rounds; r++) {
		hit[r] = run_lookups(&b, b.base, b.n, true);
		miss[r] = run_lookups(&b, b.base + 4ull * b.n, b.n, false);
		life[r] = run_lives(&b);
		good[r] = run_set(&b, false);
		bad[r] = run_set(&b, true);
	}
	figures_add(&f, "hit, burst of 64, hash included", "cyc", figures_median(hit, f.rounds),
		    60);
	figures_add(&f, "miss", "cyc", figures_median(miss, f.rounds), 0);
	figures_add(&f, "open + 4 lookups + close", "cyc", figures_median(life, f.rounds), 320);
	figures_add(&f, "hit among 64k ordinary tuples", "cyc", figures_median(good, f.rounds), 0);
	ratio = figures_median(bad, f.rounds) / figures_median(good, f.rounds);
	figures_add(&f, "64k crafted tuples, times that", "", ratio, 4);
	figures_add(&f, "memory per record", "octets", (double)table_memory(&cfg) / cfg.capacity,
		    79.7);
	figures_add(&f, "wrong answers", "", (double)b.wrong, 0);
	printf("tag match: %s\n", tagmatch_name());
	table_destroy(&b.t);
	free(b.crafted);
	return figures_report(&f);
}
