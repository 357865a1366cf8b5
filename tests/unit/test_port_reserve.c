/* SPDX-License-Identifier: BSD-3-Clause */
/* The two pools of a worker against the reserve of its stack; references to static content. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine_impl.h"
#include "port_double.h"

#define RESERVE 20000u
/* Half of what a count of 16 bits can say: what is queued may be on its way as often again. */
#define REFS 32768u

static struct eal_options opt;
static struct engine_config cfg;
static struct stack_config stack;
static const char *why = "";

static void start(void)
{
	double_eal(&opt, 1);
	opt.memory_mb = 512;
	snprintf(opt.vdev[0], sizeof(opt.vdev[0]), "net_null0,no-rx=1");
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	snprintf(cfg.name, sizeof(cfg.name), "memory");
	snprintf(cfg.port[0].name, sizeof(cfg.port[0].name), "net_null0");
	cfg.nports = 1;
	cfg.nworkers = 1;
	cfg.lcores[0] = opt.lcores[0];
	cfg.stack = &stack;
}

TestSuite(port_reserve, .init = start, .fini = eal_stop, .timeout = 60);

/* Else the reserve is never free, and every SYN is shed. */
Test(port_reserve, both_pools_have_room_for_the_reserve_and_for_traffic)
{
	struct engine *e;
	struct mr_worker *w;

	stack.mbufs_reserve = RESERVE;
	e = engine_create(&cfg, &why);
	cr_assert_not_null(e, "%s", why);
	w = engine_worker(e, 0);
	cr_expect_gt(rte_mempool_avail_count(w->init.data_pool), RESERVE + 4096);
	cr_expect_gt(rte_mempool_avail_count(w->init.ctl_pool), RESERVE + 4096);
	engine_destroy(e);
}

Test(port_reserve, pools_that_are_given_without_room_for_the_reserve_are_refused)
{
	stack.mbufs_reserve = 1024;
	cfg.mbufs = 1100;
	cr_assert_null(engine_create(&cfg, &why));
	cr_assert_not_null(strstr(why, "has 1100 mbufs"), "%s", why);
	cfg.mbufs = 0;
	cfg.ctl_mbufs = 1024;
	cr_assert_null(engine_create(&cfg, &why));
	cr_assert_not_null(strstr(why, "1024 control mbufs"), "%s", why);
	cr_assert_not_null(strstr(why, "a reserve of 1024"), "%s", why);
}

/* Each mbuf that shows static content counts in 16 bits. */
Test(port_reserve, static_content_is_shown_by_a_bounded_number_of_mbufs)
{
	struct mr_static *s;
	struct engine *e;
	struct mr_worker *w;
	unsigned int n = 0;

	cfg.ctl_mbufs = 3 * REFS;
	e = engine_create(&cfg, &why);
	cr_assert_not_null(e, "%s", why);
	w = engine_worker(e, 0);
	w->room = UINT32_MAX;
	w->hold = true;
	s = mr_static_create("octet", 5);
	while (n < 2 * REFS && mr_send_static(w, MR_CONN_NONE, s, 0, 5, 0) == 5)
		n++;
	cr_expect_eq(n, REFS, "%u were taken", n);
	cr_expect_eq(w->wants, 1, "the rest waits for on_writable");
	rte_pktmbuf_free(w->held);
	w->held = NULL;
	cr_expect_eq(mr_send_static(w, MR_CONN_NONE, s, 0, 5, 0), 5);
	rte_pktmbuf_free(w->held);
	mr_static_destroy(s);
	engine_destroy(e);
}
