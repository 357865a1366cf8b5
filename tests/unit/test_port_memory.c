/* SPDX-License-Identifier: BSD-3-Clause */
/* What an engine takes of EAL's memory, and that its pools are large enough. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine_impl.h"
#include "port_double.h"
#include "tx.h"

static struct eal_options opt;
static struct stack_config stack;
static struct engine_config cfg;
static const char *why = "";

static void configure(struct engine_config *c)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "m");
	c->nports = 1;
	c->nworkers = 1;
	c->lcores[0] = opt.lcores[0];
	c->stack = &stack;
}

Test(port_memory, memory_grows_with_what_is_asked_for)
{
	uint64_t one, two, jumbo, more;

	double_eal(&opt, 2);
	configure(&cfg);
	one = engine_eal_memory(&cfg);
	cfg.nworkers = 2;
	two = engine_eal_memory(&cfg);
	cfg.nworkers = 1;
	cfg.port[0].mtu = 9000;
	jumbo = engine_eal_memory(&cfg);
	cfg.port[0].mtu = 0;
	cfg.mbufs = 1 << 20;
	more = engine_eal_memory(&cfg);
	cr_assert_lt(one, 200ull << 20);
	cr_assert_gt(two, one);
	cr_assert_gt(jumbo, one);
	cr_assert_gt(more, 2ull << 30);
}

/*
 * A frame over a ring is the sender's mbuf, and the reply to it is the same mbuf: the sender's pool
 * must fill both directions and both backlogs, beside what lcores keep in caches.
 */
Test(port_memory, the_pool_of_a_ring_covers_the_way_back, .timeout = 60)
{
	uint32_t entries = 4096, cached = 512 + 512 / 2;
	struct engine *e;
	char other[64];

	double_eal(&opt, 2);
	configure(&cfg);
	cfg.port[0].tx_desc = (uint16_t)entries;
	opt.memory_mb = (engine_eal_memory(&cfg) >> 20) + 64;
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	cr_assert_eq(engine_ring_pair("t", 1, entries, cfg.port[0].name, other), 0);
	e = engine_create(&cfg, &why);
	cr_assert_not_null(e, "%s", why);
	cr_expect_geq(e->worker[0].ctl_pool->size, 2 * (entries + TX_BACKLOG_MAX) + 2 * cached,
		      "%u mbufs", e->worker[0].ctl_pool->size);
	engine_destroy(e);
	eal_stop();
}
