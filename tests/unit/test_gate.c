/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate between workers and what drivers do in EAL's thread, without a port: workers that are
 * inside something while another thread takes it away again and again. And an engine of which one
 * port is held while the other goes on.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "engine_impl.h"
#include "port_double.h"

#define WORKERS 3u
#define ROUNDS 3000u
#define PATIENCE_MS 10000u

static struct {
	struct gate_worker gate;
	pthread_t thread;
	uint64_t visits, turns, caught;
} worker[WORKERS];

static bool there = true;	/* what the workers use: never while it is not */

static void *work(void *arg)
{
	unsigned int i = (unsigned int)(uintptr_t)arg;
	uint32_t asked = 0;

	for (;;) {
		if (!gate_content(&worker[i].gate))
			asked = gate_obey(&worker[i].gate);
		if ((asked & GATE_STOP) != 0)
			break;
		if ((asked & 1) == 0) {
			for (unsigned int k = 0; k < 8; k++)
				worker[i].caught += !__atomic_load_n(&there, __ATOMIC_RELAXED);
			__atomic_fetch_add(&worker[i].visits, 1, __ATOMIC_RELAXED);
		}
		__atomic_fetch_add(&worker[i].turns, 1, __ATOMIC_RELAXED);
	}
	gate_rest(&worker[i].gate);
	return NULL;
}

static void begin(void)
{
	for (unsigned int i = 0; i < WORKERS; i++) {
		gate_join(&worker[i].gate, 1);
		cr_assert_eq(pthread_create(&worker[i].thread, NULL, work, (void *)(uintptr_t)i),
			     0);
	}
}

static void finish(void)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		gate_stop(&worker[i].gate, true);
	for (unsigned int i = 0; i < WORKERS; i++) {
		pthread_join(worker[i].thread, NULL);
		gate_leave(&worker[i].gate);
	}
}

static void wait_beyond(const uint64_t *value, uint64_t before)
{
	for (unsigned int ms = 0; ms < PATIENCE_MS; ms++) {
		if (__atomic_load_n(value, __ATOMIC_RELAXED) > before)
			return;
		usleep(1000);
	}
	cr_assert_fail("still %llu", (unsigned long long)before);
}

/* Closed again at once, so that a worker is on its way back in when it is asked anew. */
Test(gate, no_worker_is_inside_while_it_is_closed, .timeout = 60)
{
	begin();
	for (unsigned int round = 0; round < ROUNDS; round++) {
		gate_lock();
		gate_close();
		__atomic_store_n(&there, false, __ATOMIC_SEQ_CST);
		for (volatile unsigned int i = 0; i < round % 64; i++)
			continue;
		__atomic_store_n(&there, true, __ATOMIC_SEQ_CST);
		gate_open();
		gate_unlock();
		if (round % 256 == 0)
			for (unsigned int i = 0; i < WORKERS; i++)
				wait_beyond(&worker[i].visits, worker[i].visits);
	}
	finish();
	for (unsigned int i = 0; i < WORKERS; i++)
		cr_expect_eq(worker[i].caught, 0, "worker %u was inside %llu times", i,
			     (unsigned long long)worker[i].caught);
}

Test(gate, workers_go_on_elsewhere_while_it_is_closed, .timeout = 60)
{
	uint64_t visits;

	begin();
	for (unsigned int i = 0; i < WORKERS; i++)
		wait_beyond(&worker[i].visits, 0);
	gate_lock();
	gate_close();
	for (unsigned int i = 0; i < WORKERS; i++) {
		visits = __atomic_load_n(&worker[i].visits, __ATOMIC_RELAXED);
		wait_beyond(&worker[i].turns, worker[i].turns);
		cr_expect_eq(__atomic_load_n(&worker[i].visits, __ATOMIC_RELAXED), visits);
	}
	gate_open();
	gate_unlock();
	for (unsigned int i = 0; i < WORKERS; i++)
		wait_beyond(&worker[i].visits, worker[i].visits);
	finish();
}

/* Before its first turn and after its last one, and when it is told to stop while it is closed. */
Test(gate, it_waits_for_no_worker_that_does_not_run, .timeout = 60)
{
	struct gate_worker idle = {0};

	gate_join(&idle, 1);
	gate_lock();
	gate_close();
	gate_open();
	begin();
	gate_close();
	for (unsigned int i = 0; i < WORKERS; i++)
		gate_stop(&worker[i].gate, true);
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(worker[i].thread, NULL);
	gate_open();
	gate_close();
	gate_open();
	gate_unlock();
	for (unsigned int i = 0; i < WORKERS; i++)
		gate_leave(&worker[i].gate);
	gate_leave(&idle);
	gate_leave(&idle);
}

/* ---- an engine ---- */

static uint64_t taken(uint16_t port)
{
	struct rte_eth_stats stats;

	cr_assert_eq(rte_eth_stats_get(port, &stats), 0);
	return stats.ipackets + stats.opackets;
}

static void until_it_takes(uint16_t port)
{
	uint64_t before = taken(port);

	for (unsigned int ms = 0; ms < PATIENCE_MS && taken(port) == before; ms++)
		usleep(1000);
	cr_assert_gt(taken(port), before, "port %u", port);
}

static bool send_on_both(struct mr_worker *w, void *arg)
{
	(void)arg;
	double_send(w, 8);
	return true;
}

/* Two ports that deliver without end; every frame that comes goes back. */
static struct engine *engine_on_two(void)
{
	static struct eal_options opt;
	static struct stack_config stack;
	static struct engine_config cfg = {.name = "t", .nports = 2, .nworkers = 1};
	const char *why = "";
	struct engine *e;

	double_eal(&opt, 1);
	double_echo = true;
	cfg.lcores[0] = opt.lcores[0];
	cfg.stack = &stack;
	cfg.on_turn = send_on_both;
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(opt.vdev[i], ENGINE_ARG_MAX, "net_null%u", i);
		snprintf(cfg.port[i].name, sizeof(cfg.port[i].name), "net_null%u", i);
	}
	opt.memory_mb = engine_eal_memory(&cfg) >> 20;
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	e = engine_create(&cfg, &why);
	cr_assert_not_null(e, "%s", why);
	return e;
}

Test(gate, one_port_is_held_and_the_other_goes_on, .timeout = 60)
{
	struct engine *e = engine_on_two();
	uint16_t held = e->port[0].id, other = e->port[1].id;
	uint64_t before;

	cr_assert_not(gate_wanted("net_null"));
	gate_join(&e->worker[0].gate, 1);
	cr_assert_eq(engine_start(e), 0);
	for (unsigned int round = 0; round < 5; round++) {
		until_it_takes(held);
		until_it_takes(other);
		gate_lock();
		gate_close();
		before = taken(held);
		until_it_takes(other);
		usleep(10000);
		cr_expect_eq(taken(held), before, "frames through a port that is held");
		gate_open();
		gate_unlock();
	}
	engine_request_stop(e);
	engine_wait(e);
	cr_expect_eq(engine_mbufs_out(e), 0);
	engine_destroy(e);
	eal_stop();
}
