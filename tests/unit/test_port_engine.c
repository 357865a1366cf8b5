/* SPDX-License-Identifier: BSD-3-Clause */
/* Engines over a pair of ring ports, with a double in the place of the stack. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>

#include "engine_impl.h"
#include "port_double.h"

static struct eal_options opt;
static struct stack_config stack;
static struct engine_config cfg_a, cfg_b;
static const char *why = "";

/* ---- what the sending side does in its turns ---- */

static struct {
	uint64_t wanted, offered;
	unsigned int started, stopped;
	bool keep_busy;
} gen;

static void on_start(struct mr_worker *w, void *arg)
{
	(void)w;
	cr_assert_eq(arg, &gen);
	__atomic_add_fetch(&gen.started, 1, __ATOMIC_RELAXED);
}

static bool on_turn(struct mr_worker *w, void *arg)
{
	(void)arg;
	/* A window of 256 frames, so that nothing is given up. */
	if (gen.offered >= gen.wanted || w->sent - w->received > 256)
		return gen.keep_busy;
	gen.offered += double_send(w, 32);
	return true;
}

static void on_stop(struct mr_worker *w, void *arg)
{
	(void)arg;
	(void)w;
	__atomic_add_fetch(&gen.stopped, 1, __ATOMIC_RELAXED);
}

/* ---- set-up ---- */

static void configure(struct engine_config *cfg, const char *name, uint32_t first, uint32_t workers)
{
	memset(cfg, 0, sizeof(*cfg));
	snprintf(cfg->name, sizeof(cfg->name), "%s", name);
	cfg->nports = 1;
	cfg->nworkers = workers;
	for (uint32_t i = 0; i < workers; i++)
		cfg->lcores[i] = opt.lcores[first + i];
	cfg->idle = ENGINE_IDLE_SLEEP;
	cfg->stack = &stack;
}

/* EAL gets exactly the memory that the two engines say they need. */
static void start(uint32_t workers)
{
	double_eal(&opt, 2 * workers);
	configure(&cfg_a, "a", 0, workers);
	configure(&cfg_b, "b", workers, workers);
	opt.memory_mb = (engine_eal_memory(&cfg_a) + engine_eal_memory(&cfg_b)) >> 20;
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	cr_assert_eq(engine_ring_pair("t", (uint16_t)workers, 512, cfg_a.port[0].name,
				      cfg_b.port[0].name),
		     0);
}

static void wait_for(const uint64_t *value, uint64_t least)
{
	for (unsigned int ms = 0; ms < 10000; ms++) {
		if (__atomic_load_n(value, __ATOMIC_RELAXED) >= least)
			return;
		usleep(1000);
	}
	cr_assert_fail("waited for %llu, got %llu", (unsigned long long)least,
		       (unsigned long long)*value);
}

static void stop(struct engine *a, struct engine *b)
{
	engine_request_stop(a);
	engine_request_stop(b);
	engine_wait(a);
	engine_wait(b);
}

/* All mbufs are home; all is given back. */
static void finish(struct engine *a, struct engine *b)
{
	cr_assert_eq(engine_mbufs_out(a), 0);
	cr_assert_eq(engine_mbufs_out(b), 0);
	engine_destroy(a);
	engine_destroy(b);
	eal_stop();
}

/* ---- frames ---- */

static void read_received(struct mr_worker *w, void *arg)
{
	*(uint64_t *)arg = w->received;
}

static void check_load(const struct engine *e)
{
	struct engine_load load;

	engine_load(e, 0, &load);
	cr_assert_gt(load.busy_turns, 0);
	cr_assert_geq(load.total_tsc, load.busy_tsc);
	cr_assert_gt(load.tsc_hz, 0);
	cr_assert_eq(load.tx_refused, 0);
}

Test(port_engine, frames_go_round_and_all_mbufs_come_home, .timeout = 60)
{
	struct engine *a, *b;
	struct mr_worker *wa, *wb;
	struct stack_stats sum;
	uint64_t seen = 0;

	start(1);
	cfg_a.on_start = on_start;
	cfg_a.on_turn = on_turn;
	cfg_a.on_stop = on_stop;
	cfg_a.arg = &gen;
	gen.wanted = 20000;
	a = engine_create(&cfg_a, &why);
	cr_assert_not_null(a, "%s", why);
	double_echo = true;
	b = engine_create(&cfg_b, &why);
	cr_assert_not_null(b, "%s", why);
	wa = engine_worker(a, 0);
	wb = engine_worker(b, 0);
	cr_assert_eq(wa->init.id, 0);
	cr_assert_eq(wb->init.id, 1);
	cr_assert_eq(wb->init.group_first, 1);
	cr_assert_eq(engine_start(a), 0);
	cr_assert_eq(engine_start(b), 0);
	wait_for(&wa->received, 20000);
	cr_assert(engine_call(a, 0, read_received, &seen, 1000));
	cr_assert_geq(seen, 20000);
	cr_assert(engine_stats(b, &sum));
	cr_assert_geq(sum.counters.v[MR_C_RX_FRAMES], 20000);
	cr_assert_gt(sum.counters.v[MR_C_LOOP_TURNS], 0);
	stop(a, b);
	cr_assert_eq(gen.started, 1);
	cr_assert_eq(gen.stopped, 1);
	cr_assert_eq(wa->received, gen.offered);
	/* The sender's flags came with its mbufs; of them nothing was left for the receiver. */
	cr_assert_eq(wb->flags_seen, 0);
	check_load(a);
	finish(a, b);
}

Test(port_engine, two_workers_a_side_have_ids_and_queues_of_their_own, .timeout = 60)
{
	struct engine *a, *b;
	struct engine_port_info info;
	struct stack_stats sum;

	start(2);
	cfg_a.on_turn = on_turn;
	gen.wanted = 4000;
	a = engine_create(&cfg_a, &why);
	cr_assert_not_null(a, "%s", why);
	b = engine_create(&cfg_b, &why);
	cr_assert_not_null(b, "%s", why);
	cr_assert_eq(engine_workers(b), 2);
	cr_assert_eq(engine_worker(b, 1)->init.id, 3);
	cr_assert_eq(engine_worker(b, 1)->init.group_first, 2);
	cr_assert_null(engine_worker(b, 2));
	cr_assert(engine_port_info(b, 0, &info));
	cr_assert(!engine_port_info(b, 1, &info));
	cr_assert_str_eq(info.driver, "net_ring");
	cr_assert_eq(info.rx_queues, 2);
	cr_assert(info.multi_seg && !info.rss && info.tx_offload == 0);
	cr_assert_str_eq(info.steering, "the peer chooses among 2 queues");
	cr_assert_eq(info.mac[0] & 3, 2, "not a local unicast MAC");
	cr_assert_eq(engine_start(a), 0);
	cr_assert_eq(engine_start(b), 0);
	wait_for(&engine_worker(b, 0)->received, 32);
	wait_for(&engine_worker(b, 1)->received, 32);
	cr_assert(engine_stats(b, &sum));
	cr_assert_eq(sum.conns_open[0], 6);
	cr_assert_eq(sum.wheel_behind_ms, 8, "a delay is the worst one, not the sum");
	stop(a, b);
	cr_assert(engine_stats(b, &sum), "also while nothing runs");
	engine_destroy(a);
	engine_destroy(b);
	eal_stop();
}

static void hold(struct mr_worker *w, void *arg)
{
	*(struct rte_mbuf **)arg = rte_pktmbuf_alloc(w->init.data_pool);
}

Test(port_engine, a_pool_whose_mbuf_a_peer_holds_outlives_its_engine, .timeout = 60)
{
	struct rte_mbuf *held = NULL;
	struct rte_mempool *pool;
	struct engine *a, *b;

	start(1);
	a = engine_create(&cfg_a, &why);
	b = engine_create(&cfg_b, &why);
	cr_assert(a != NULL && b != NULL, "%s", why);
	cr_assert(engine_call(a, 0, hold, &held, 0));
	cr_assert_eq(engine_mbufs_out(a), 1);
	pool = held->pool;
	engine_destroy(a);
	memset(rte_pktmbuf_append(held, 100), 1, 100);
	rte_pktmbuf_free(held);
	cr_assert(rte_mempool_full(pool));
	engine_destroy(b);
	cr_assert_null(rte_mempool_lookup("mr_data_0"),
		       "the pool was to be freed with the last engine");
	eal_stop();
}

/* ---- calls ---- */

static unsigned int times_run;

static void count_run(struct mr_worker *w, void *arg)
{
	(void)w;
	(void)arg;
	times_run++;
}

Test(port_engine, a_call_that_times_out_is_never_run, .timeout = 60)
{
	struct engine *a, *b;

	start(1);
	a = engine_create(&cfg_a, &why);
	b = engine_create(&cfg_b, &why);
	cr_assert(a != NULL && b != NULL, "%s", why);
	cr_assert(!engine_call(a, 1, count_run, NULL, 100), "there is no worker 1");
	cr_assert(engine_call(a, 0, count_run, NULL, 0), "nobody runs: at once");
	cr_assert_eq(times_run, 1);
	double_deaf = true;
	cr_assert_eq(engine_start(a), 0);
	for (unsigned int i = 0; i < 3; i++)
		cr_assert(!engine_call(a, 0, count_run, NULL, 5));
	double_deaf = false;
	wait_for(&engine_worker(a, 0)->turns, engine_worker(a, 0)->turns + 5);
	cr_assert(engine_call(a, 0, count_run, NULL, 10000));
	cr_assert_eq(times_run, 2);
	/* Left behind in the mail when the engine goes: freed all the same (LeakSanitizer looks).
	 */
	double_deaf = true;
	cr_assert(!engine_call(a, 0, count_run, NULL, 5));
	engine_request_stop(a);
	engine_wait(a);
	engine_destroy(a);
	engine_destroy(b);
	eal_stop();
}

/* ---- telemetry ---- */

/* One question to DPDK's telemetry socket, as dpdk-telemetry.py asks it. */
static const char *ask_telemetry(const char *question)
{
	static char answer[32768];
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	ssize_t n;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/dpdk_telemetry.v2",
		 rte_eal_get_runtime_dir());
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_gt(recv(fd, answer, sizeof(answer), 0), 0, "no greeting");
	cr_assert_gt(send(fd, question, strlen(question), 0), 0);
	n = recv(fd, answer, sizeof(answer) - 1, 0);
	cr_assert_gt(n, 0);
	answer[n] = '\0';
	close(fd);
	return answer;
}

static void answers(const char *question, const char *expected)
{
	const char *answer = ask_telemetry(question);

	cr_assert_not_null(strstr(answer, expected), "'%s' is not in: %s", expected, answer);
}

Test(port_engine, telemetry_knows_engines_and_ports, .timeout = 60)
{
	struct engine *a, *b;

	start(1);
	a = engine_create(&cfg_a, &why);
	b = engine_create(&cfg_b, &why);
	cr_assert(a != NULL && b != NULL, "%s", why);
	answers("/millrace/stats", "[\"b\",\"a\"]");
	answers("/millrace/ports", "\"net_ring_t_a\"");
	answers("/millrace/ports,net_ring_t_b", "\"driver\":\"net_ring\"");
	answers("/millrace/stats,a", "\"tx/backlogged\":0");
	cr_assert_eq(engine_start(a), 0);
	answers("/millrace/stats,a", "\"loop/turns\":");
	answers("/millrace/stats,nobody", "null");
	engine_request_stop(a);
	engine_wait(a);
	engine_destroy(a);
	answers("/millrace/stats", "[\"b\"]");
	answers("/millrace/stats,a", "null");
	engine_destroy(b);
	eal_stop();
}

/* ---- refusals ---- */

static void refused(const struct engine_config *cfg, const char *expected)
{
	why = "";
	cr_assert_null(engine_create(cfg, &why));
	cr_assert_not_null(strstr(why, expected), "'%s' is not in: %s", expected, why);
}

Test(port_engine, what_cannot_be_is_refused_with_the_reason, .timeout = 60)
{
	struct engine_config cfg;

	start(1);
	cfg = cfg_a;
	cfg.nworkers = 0;
	refused(&cfg, "has 0 workers: expected 1 to 64");
	cfg = cfg_a;
	cfg.nports = 0;
	refused(&cfg, "has 0 ports");
	cfg = cfg_a;
	cfg.stack = NULL;
	refused(&cfg, "no configuration of its stack");
	cfg = cfg_a;
	snprintf(cfg.port[0].name, sizeof(cfg.port[0].name), "net_nothing");
	refused(&cfg, "there is no port net_nothing; there are: net_ring_t_a, net_ring_t_b");
	cfg = cfg_a;
	snprintf(cfg.port[0].profile, sizeof(cfg.port[0].profile), "net_nothing");
	refused(&cfg, "there is no driver profile net_nothing");
	cfg = cfg_a;
	cfg.port[0].mtu = 100;
	refused(&cfg, "an MTU of 100 was asked for; expected 576 to 9216");
	cfg = cfg_a;
	cfg.mbufs = 100;
	refused(&cfg, "has 100 mbufs");
	cfg = cfg_a;
	cfg.mbufs = 1 << 22;
	refused(&cfg, "EAL has no room for");
	cfg = cfg_a;
	cfg.lcores[0] = 999;
	refused(&cfg, "wants a worker on CPU 999");
	cfg = cfg_a;
	cfg.port[0].queues = 5;
	refused(&cfg, "cannot serve the 1 workers");
	eal_stop();
}

Test(port_engine, a_failure_leaves_nothing_behind_but_a_closed_port, .timeout = 60)
{
	struct engine_config cfg;
	struct engine *a;

	start(1);
	double_fail_from = 0;
	refused(&cfg_a, "The double was told to fail.");
	double_fail_from = MR_WORKERS_MAX;
	engine_destroy(NULL);
	/* The other end is still good, and id 0 is free again. */
	a = engine_create(&cfg_b, &why);
	cr_assert_not_null(a, "%s", why);
	cr_assert_eq(engine_worker(a, 0)->init.id, 0);
	cfg = cfg_b;
	cfg.lcores[0] = opt.lcores[0];
	refused(&cfg, "belongs to engine b already");
	engine_destroy(a);
	eal_stop();
}

Test(port_engine, more_workers_than_a_port_has_queues, .timeout = 60)
{
	struct engine_config cfg;

	double_eal(&opt, 2);
	snprintf(opt.vdev[0], ENGINE_ARG_MAX, "net_null0,no-rx=1");
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	configure(&cfg, "n", 0, 2);
	snprintf(cfg.port[0].name, sizeof(cfg.port[0].name), "net_null0");
	snprintf(cfg.port[0].profile, sizeof(cfg.port[0].profile), "net_vmxnet3");
	refused(&cfg, "cannot serve the 2 workers of engine n: 2 queues were asked for");
	refused(&cfg, "one queue: net_null has no second one");
	eal_stop();
}

/* ---- rings ---- */

Test(port_engine, ring_pairs_that_cannot_be)
{
	char a[64], b[64];

	double_eal(&opt, 1);
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	cr_assert_eq(engine_ring_pair("a_name_that_dpdk_would_cut", 1, 0, a, b), -1);
	cr_assert_eq(engine_ring_pair("q", 0, 0, a, b), -1);
	cr_assert_eq(engine_ring_pair("q", 17, 0, a, b), -1);
	cr_assert_eq(engine_ring_pair("q", 1, 100, a, b), -1, "not a power of two");
	cr_assert_eq(engine_ring_pair("q", 1, 64, a, b), 0);
	cr_assert_str_eq(a, "net_ring_q_a");
	cr_assert_str_eq(b, "net_ring_q_b");
	cr_assert_eq(engine_ring_pair("q", 1, 64, a, b), -1, "the name is taken");
	eal_stop();
}
