/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pipeline against the plain path: two workers with the same keys and the same time get the
 * same bursts, one with fast_path on, one off. What they send, tuple by tuple, their counters and
 * their connections must be equal. Bursts are full of repeated tuples, SYN+SYN, FIN+SYN, RST+data,
 * of both families at once, and of frames of one tuple that are plain and that are not.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "burst_fixture.h"
#include "path_counters.h"
#include "worker.h"

#define LOG_MAX	4096u
#define MBUFS	4095u

/* Which tuples the bursts of a test have. */
enum families { ONLY_4, ONLY_6, MIXED };

struct bench {
	struct mr_worker *w;
	struct rte_mempool *data, *ctl;
	struct bf_sent log[LOG_MAX];
	uint32_t nlog;
};

static struct bench side[2];
static bool asked;	/* for the peers' MAC */
static uint64_t sent, valid;	/* cookies of a whole test */

static void transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	struct bench *b = ctx;

	(void)port;
	for (uint16_t i = 0; i < n; i++) {
		cr_assert(b->nlog < LOG_MAX);
		bf_see(m[i], &b->log[b->nlog++]);
		rte_pktmbuf_free(m[i]);
	}
}

/* Five letters that say what the octets were. */
static void digest(const struct rte_mbuf *m, char text[5])
{
	uint32_t sum = m->pkt_len;

	for (; m != NULL; m = m->next)
		for (uint32_t i = 0; i < m->data_len; i++)
			sum = sum * 16777619u + rte_pktmbuf_mtod(m, const uint8_t *)[i];
	for (uint32_t i = 0; i < 5; i++, sum >>= 4)
		text[i] = (char)('a' + (sum & 15));
}

/* A handler without a view over its own connection: what it does depends on nothing else. */
static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	uint32_t len = m->pkt_len;
	char text[5];

	digest(m, text);
	rte_pktmbuf_free(m);
	mr_consumed(w, c, len);
	if (len & 1)
		mr_send_copy(w, c, text, 5, 0);
	if ((len & 7) == 6)
		mr_close(w, c);
	if ((len & 7) == 4)
		mr_abort(w, c);
}
static void on_peer_closed(struct mr_worker *w, mr_conn c) { mr_close(w, c); }
static void on_connected(struct mr_worker *w, mr_conn c) { mr_send_copy(w, c, "hello", 5, 0); }
static const struct mr_callbacks callbacks = {.on_data = on_data, .on_peer_closed = on_peer_closed};
static const struct mr_callbacks closer = {.on_accept = on_peer_closed, .on_data = on_data};
static const struct mr_callbacks opener = {.on_connected = on_connected, .on_data = on_data,
					   .on_peer_closed = on_peer_closed};

static struct stack_listener listeners[] = {
	{.port_first = BF_PORT,
	 .port_last = BF_PORT,
	 .backlog = 100,
	 .callbacks = &callbacks,
	 .name = "a"},
	{.port_first = BF_PORT + 1,
	 .port_last = BF_PORT + 1,
	 .backlog = 100,
	 .callbacks = &closer,
	 .name = "b"},
};

static enum stack_syncookies cookies = STACK_COOKIES_OFF;

static void make_config(struct stack_config *cfg, bool fast)
{
	stack_config_default(cfg);
	bf_addresses(cfg);
	cfg->listener = listeners;
	cfg->nlisteners = 2;
	/* Room for all: what is full couples connections, and their order differs. */
	cfg->conns4 = cfg->conns6 = 64;
	cfg->time_wait4 = cfg->time_wait6 = 4096;
	cfg->extensions = 128;
	cfg->mbufs_reserve = 0;
	cfg->rst_per_s = 0;
	cfg->tcp.msl_ms = 1000;
	cfg->tcp.sack = true;
	cfg->syncookies = cookies;
	cfg->fast_path = fast;
	cfg->seed = 42;
}

static void make_side(struct bench *b, unsigned int i, bool fast)
{
	struct stack_config cfg;
	struct stack_init init = {.cfg = &cfg,
				  .id = i,
				  .group_first = i,
				  .group_count = 1,
				  .node = -1,
				  .nports = 1,
				  .now_us = 5000000,
				  .io = {.ctx = b, .transmit = transmit}};
	const char *why = NULL;
	char name[32];

	make_config(&cfg, fast);
	snprintf(name, sizeof(name), "burst_data%u", i);
	b->data = rte_pktmbuf_pool_create(name, MBUFS, 0, 0, 2176, SOCKET_ID_ANY);
	snprintf(name, sizeof(name), "burst_ctl%u", i);
	b->ctl = rte_pktmbuf_pool_create(name, MBUFS, 0, 0, 640, SOCKET_ID_ANY);
	cr_assert(b->data != NULL && b->ctl != NULL, "%s", rte_strerror(rte_errno));
	init.data_pool = b->data;
	init.ctl_pool = b->ctl;
	init.port[0] = (struct stack_port){.mtu = 1500, .multi_seg = true, .up = true};
	memcpy(init.port[0].mac, bf_our_mac, 6);
	b->w = stack_create(&init, &why);
	cr_assert_not_null(b->w, "%s", why);
	/* Same keys for both: the worker's number must not matter. */
	b->nlog = 0;
}

/* ---- comparing ---- */

static int by_tuple(const void *pa, const void *pb)
{
	const struct bf_sent *a = *(const struct bf_sent *const *)pa,
			  *b = *(const struct bf_sent *const *)pb;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a < b ? -1 : a > b;	/* in order of sending */
}

static void compare_sent(uint64_t seed, uint32_t round)
{
	static const struct bf_sent *order[2][LOG_MAX];

	cr_assert_eq(side[0].nlog, side[1].nlog, "seed %lu round %u: %u and %u frames", seed, round,
		     side[0].nlog, side[1].nlog);
	for (unsigned int k = 0; k < 2; k++) {
		for (uint32_t i = 0; i < side[k].nlog; i++)
			order[k][i] = &side[k].log[i];
		qsort(order[k], side[k].nlog, sizeof(order[k][0]), by_tuple);
	}
	for (uint32_t i = 0; i < side[0].nlog; i++) {
		const struct bf_sent *a = order[0][i], *b = order[1][i];

		cr_assert(a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0,
			  "seed %lu round %u: frame %u to port %u differs", seed, round, i,
			  a->key);
	}
}

/* Of the listeners, and of what we open. */
static void compare_groups(void)
{
	for (uint32_t i = 0; i < 3; i++) {
		struct stack_listener_stats a = {0}, b = {0};
		bool have = stack_listener_stats(side[0].w, i, &a);

		cr_assert_eq(stack_listener_stats(side[1].w, i, &b), have);
		cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0, "figures of group %u", i);
	}
}

/* Of each tuple's connection; 0 where there is none. */
static void collect(struct mr_worker *w, struct mr_tcp_info info[BF_TUPLES])
{
	memset(info, 0, BF_TUPLES * sizeof(info[0]));
	for (uint32_t v6 = 0; v6 < 2; v6++) {
		for (uint32_t i = 0; i < w->flows[v6].table.capacity; i++) {
			struct conn_ref r = conn_at(&w->flows[v6], i);
			struct mr_tcp_info one = {0};

			if (tcp_state(r.c) != TCP_CLOSED &&
			    mr_tcp_info(w, conn_handle(w, r), &one) == MR_OK)
				info[one.remote.port - BF_RPORT] = one;
		}
	}
}

static void compare_conns(uint64_t seed, uint32_t round)
{
	static struct mr_tcp_info a[BF_TUPLES], b[BF_TUPLES];

	collect(side[0].w, a);
	collect(side[1].w, b);
	for (uint32_t t = 0; t < BF_TUPLES; t++)
		cr_assert_eq(memcmp(&a[t], &b[t], sizeof(a[t])), 0,
			     "seed %lu round %u: connection %u, %s and %s", seed, round, t,
			     a[t].state, b[t].state);
}

static void compare_state(uint64_t seed, uint32_t round)
{
	struct stack_stats a, b;

	stack_stats(side[0].w, &a);
	stack_stats(side[1].w, &b);
	for (unsigned int c = 0; c < MR_C_COUNT; c++)
		if (!path_counter(c))
			cr_assert_eq(a.counters.v[c], b.counters.v[c],
				     "seed %lu round %u: %s is %lu and %lu", seed, round,
				     mr_counter_info[c].name, a.counters.v[c], b.counters.v[c]);
	cr_assert_arr_eq(a.states, b.states, sizeof(a.states));
	for (unsigned int v6 = 0; v6 < 2; v6++) {
		cr_assert_eq(a.conns_open[v6], b.conns_open[v6]);
		cr_assert_eq(a.time_wait[v6], b.time_wait[v6]);
	}
	cr_assert_eq(a.ext_used, b.ext_used);
	cr_assert_eq(a.mbufs_held, b.mbufs_held);
	compare_groups();
	compare_conns(seed, round);
	stack_check(side[0].w);
	stack_check(side[1].w);
}

/* ---- playing ---- */

/* What is drawn for one round: the same for both sides. */
struct round {
	struct bf_frame frame[MR_BURST];
	uint32_t n;
	uint32_t opens[4], nopens;	/* tuples that we open first */
};

static uint32_t draw_tuple(struct mr_rng *r, enum families which, uint32_t first, uint32_t span)
{
	uint32_t t = (first + (uint32_t)mr_rng_below(r, span)) % BF_TUPLES;

	if (which == MIXED)
		return t;
	return which == ONLY_4 ? t & ~1u : t | 1u;
}

static void draw_round(struct mr_rng *r, enum families which, uint32_t now_ms, struct round *o)
{
	/* many of few tuples, or few of many; all plain, or some odd, or half of them */
	const uint32_t span = mr_rng_below(r, 5) == 0 ? 4 : BF_TUPLES;
	const uint32_t first = (uint32_t)mr_rng_below(r, BF_TUPLES);
	const uint32_t odd = (uint32_t)mr_rng_below(r, 3) * 20;
	struct mr_endpoint local, remote;

	o->n = 1 + (uint32_t)mr_rng_below(r, mr_rng_below(r, 6) == 0 ? MR_BURST : 12);
	for (uint32_t i = 0; i < o->n; i++)
		bf_next(r, draw_tuple(r, which, first, span), now_ms, odd, &o->frame[i]);
	o->nopens = 0;
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t t = draw_tuple(r, which, 0, BF_TUPLES);

		if (bf_active(t, &local, &remote))
			o->opens[o->nopens++] = t;
	}
}

static void play_side(struct bench *b, const struct round *o, uint64_t now_us)
{
	struct rte_mbuf *pkts[MR_BURST];

	b->nlog = 0;
	stack_set_time(b->w, now_us);
	if (asked) {
		bf_neighbours(b->data, pkts);
		stack_rx(b->w, 0, pkts, 2);
	}
	for (uint32_t i = 0; i < o->nopens; i++) {
		struct mr_connect_opts opts = {.callbacks = &opener};
		mr_conn c;

		bf_active(o->opens[i], &opts.local, &opts.remote);
		mr_connect(b->w, &opts, &c);	/* or it is open already */
	}
	for (uint32_t i = 0; i < o->n; i++)
		pkts[i] = bf_mbuf(b->data, &o->frame[i]);
	stack_rx(b->w, 0, pkts, (uint16_t)o->n);
	stack_turn(b->w);
	stack_flush(b->w);
}

/* Returns the time at its end: the workers go on with the next seed, and time never goes back. */
static uint64_t play(uint64_t seed, uint32_t rounds, enum families which, uint64_t now_us)
{
	static struct round o;
	struct mr_rng r;

	mr_rng_seed(&r, seed);
	bf_reset();
	for (uint32_t i = 0; i < rounds; i++) {
		now_us += mr_rng_below(&r, 20) == 0 ? 400000 : mr_rng_below(&r, 3000);
		draw_round(&r, which, (uint32_t)(now_us / 1000), &o);
		for (unsigned int k = 0; k < 2; k++)
			play_side(&side[k], &o, now_us);
		asked = false;
		for (uint32_t k = 0; k < side[1].nlog; k++)
			asked |= bf_learn(&side[1].log[k]);
		compare_sent(seed, i);
		compare_state(seed, i);
	}
	return now_us;
}

/* The pipeline took its part, and the plain path none of it. */
static void expect_fast(void)
{
	struct stack_stats fast, plain;

	stack_stats(side[0].w, &fast);
	stack_stats(side[1].w, &plain);
	cr_assert_gt(fast.counters.v[MR_C_RX_FAST], 4000);
	cr_assert_gt(fast.counters.v[MR_C_RX_TUPLE_REPEAT], 10000);
	cr_assert_gt(fast.counters.v[MR_C_RX_SLOW], 10000);
	cr_assert_eq(plain.counters.v[MR_C_RX_FAST], 0);
	sent = fast.counters.v[MR_C_SYN_COOKIE_SENT];
	valid = fast.counters.v[MR_C_SYN_COOKIE_VALID];
	cr_assert_gt(plain.counters.v[MR_C_RX_SLOW], fast.counters.v[MR_C_RX_SLOW]);
}

static void fast_equals_slow(enum families which)
{
	uint64_t now_us = 6000000;

	make_side(&side[0], 0, true);
	make_side(&side[1], 1, false);
	for (uint64_t seed = 1; seed <= 20; seed++)
		now_us = play(seed, 400, which, now_us);
	expect_fast();
	stack_destroy(side[0].w);
	stack_destroy(side[1].w);
	for (unsigned int k = 0; k < 2; k++) {
		cr_assert_eq(rte_mempool_avail_count(side[k].data), MBUFS);
		cr_assert_eq(rte_mempool_avail_count(side[k].ctl), MBUFS);
	}
}

static void eal(void)
{
	char *argv[] = {"t", "--no-huge", "-m", "128", "--no-pci", "--no-shconf", "--no-telemetry",
			"--log-level=4", "--lcores=0", NULL};

	cr_assert(rte_eal_init(9, argv) >= 0);
}

TestSuite(stack_burst, .init = eal, .timeout = 100);

Test(stack_burst, fast_equals_slow)
{
	fast_equals_slow(ONLY_4);
}

Test(stack_burst, fast_equals_slow_over_ip6)
{
	fast_equals_slow(ONLY_6);
}

Test(stack_burst, fast_equals_slow_with_both_families)
{
	fast_equals_slow(MIXED);
}

/* Every SYN gets a cookie (but those that meet TIME_WAIT): nothing couples the connections. */
Test(stack_burst, fast_equals_slow_with_cookies)
{
	cookies = STACK_COOKIES_ALWAYS;
	fast_equals_slow(MIXED);
	cr_assert_gt(sent, 1000);
	cr_assert_gt(valid, 500);
}
