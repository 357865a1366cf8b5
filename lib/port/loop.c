/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The poll loop of one worker: receive, hand to the stack, let the handler's program and the timers
 * run, transmit; and when there is nothing to do, idle as the policy says. Owns the turn's time.
 * Never waits for a full transmit ring. HOT PATH: loop_turn: no allocation, no lock, no log, no
 * configuration read, no division; budget 40 cycles for an empty turn of one queue beside the
 * driver's.
 *
 * Flags of received mbufs: a driver sets those it was asked for, and leaves others as they were
 * when the mbuf was last used. Only the flags that bring-up settled on survive here. A ring port
 * hands over the sender's own mbuf with the sender's transmit flags in it: there nothing is kept
 * but that the mbuf is indirect or external, so the state of its checksums is UNKNOWN and the stack
 * verifies them in software, even if the sender wrote GOOD: who sends is not who may vouch.
 */
#include <sys/prctl.h>
#include <time.h>

#include <rte_pause.h>

#include "check.h"
#include "eal.h"
#include "engine_impl.h"

/* The idle policies count in time since the last work, so that slow and fast drivers idle alike. */
#define IDLE_SPIN_US 20u
#define IDLE_PAUSE_US 100u
#define IDLE_SLEEP_US 10u /* the first sleep; each later one is twice as long */

/* At the end what still waits for the ports gets this long to leave. */
#define LAST_FLUSH_US 5000u

typedef void (*idle_fn)(struct engine_worker *w, uint64_t now_us);

static void idle_spin(struct engine_worker *w MR_UNUSED, uint64_t now_us MR_UNUSED)
{
}

static void idle_pause(struct engine_worker *w, uint64_t now_us)
{
	if (now_us - w->idle_since_us >= IDLE_SPIN_US)
		rte_pause();
}

static MR_COLD void sleep_us(struct engine_worker *w, uint32_t us)
{
	struct timespec ts;

	/* A sleep of milliseconds must not make timers late: they are exact to one. */
	if (us >= 1000) {
		uint32_t free_ms = stack_idle_ms(w->stack, us / 1000);

		us = MR_MIN(us, MR_MAX(free_ms * 1000, 1000u));
	}
	ts = (struct timespec){.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
	mr_count(&w->counters, MR_C_LOOP_SLEEPS);
	nanosleep(&ts, NULL);
}

static void idle_sleep(struct engine_worker *w, uint64_t now_us)
{
	uint64_t idle_us = now_us - w->idle_since_us;

	if (idle_us < IDLE_SPIN_US)
		return;
	if (idle_us < IDLE_PAUSE_US) {
		rte_pause();
		return;
	}
	sleep_us(w, w->sleep_us);
	w->sleep_us = MR_MIN(2 * w->sleep_us, w->engine->cfg.idle_max_us);
}

static idle_fn idle_of(enum engine_idle policy)
{
	switch (policy) {
	case ENGINE_IDLE_PAUSE:
		return idle_pause;
	case ENGINE_IDLE_SLEEP:
		return idle_sleep;
	case ENGINE_IDLE_SPIN:
	default:
		return idle_spin;
	}
}

/* ---- link ---- */

/*
 * Worker 0 asks the drivers, since not every driver may be asked from several threads at once; each
 * worker tells its own stack.
 */
static MR_COLD void check_links(struct engine_worker *w, uint64_t now_us)
{
	struct engine *e = w->engine;

	w->link_next_us = now_us + ENGINE_LINK_POLL_US;
	for (uint16_t i = 0; i < w->nports; i++) {
		bool up;

		if (w->index == 0)
			port_poll_link(&e->port[i]);
		up = __atomic_load_n(&e->port[i].link_up, __ATOMIC_RELAXED);
		if (up == w->link_seen[i])
			continue;
		w->link_seen[i] = up;
		stack_link(w->stack, i, up);
	}
}

/* ---- one turn ---- */

void loop_transmit(void *ctx, uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	struct engine_worker *w = ctx;

	MR_CHECK(port < w->nports);
	tx_send(&w->txq[port], m, n);
}

static unsigned int receive(struct engine_worker *w)
{
	unsigned int total = 0, load = 0;

	for (uint16_t i = 0; i < w->npolled; i++) {
		total += rx_turn(&w->rxq[i], w->stack);
		load |= w->rxq[i].full ? MR_LOAD_RX : 0;
	}
	for (uint16_t i = 0; i < w->nports; i++)
		load |= w->txq[i].n > 0 ? MR_LOAD_TX : 0;
	stack_set_load(w->stack, load);
	return total;
}

/* True when the turn did something. */
static bool loop_turn(struct engine_worker *w, uint64_t now_us)
{
	const struct engine_config *cfg = &w->engine->cfg;
	bool busy;

	stack_set_time(w->stack, now_us);
	busy = receive(w) > 0;
	if (cfg->on_turn != NULL)
		busy |= cfg->on_turn(w->stack, cfg->arg);
	busy |= stack_turn(w->stack);
	stack_flush(w->stack);
	for (uint16_t i = 0; i < w->nports; i++)
		if (MR_UNLIKELY(w->txq[i].n > 0))
			busy |= tx_retry(&w->txq[i]);
	return busy;
}

/* ---- keeping away from ports ---- */

/* Those of rxq that are polled come first; what waits in the others goes on to the stack now. */
static void choose_polled(struct engine_worker *w, uint32_t ports)
{
	uint16_t polled = 0;

	for (uint16_t i = 0; i < w->nrxq; i++) {
		struct rx_queue q = w->rxq[i];

		if ((ports >> q.index & 1) != 0) {
			rx_hand_on_all(&w->rxq[i], w->stack);
			continue;
		}
		w->rxq[i] = w->rxq[polled];
		w->rxq[polled++] = q;
	}
	w->npolled = polled;
}

/* True when the loop goes on. A port that is left out is one that receives and takes nothing. */
static MR_COLD bool obey(struct engine_worker *w)
{
	uint32_t asked = gate_obey(&w->gate);

	for (uint16_t i = 0; i < w->nports; i++)
		tx_hold(&w->txq[i], (asked >> i & 1) != 0);
	choose_polled(w, asked);
	return (asked & GATE_STOP) == 0;
}

/* ---- the loop ---- */

static void account(struct engine_worker *w, uint64_t spent_tsc, bool busy)
{
	w->turns++;
	w->total_tsc += spent_tsc;
	w->busy_turns += busy;
	w->busy_tsc += busy ? spent_tsc : 0;
}

static void loop_until_stop(struct engine_worker *w, const struct mr_clock *clk)
{
	idle_fn idle = idle_of(w->engine->cfg.idle);
	uint64_t tsc = mr_tsc();

	w->idle_since_us = mr_clock_us(clk, tsc);
	w->sleep_us = IDLE_SLEEP_US;
	while (MR_LIKELY(gate_content(&w->gate)) || obey(w)) {
		uint64_t began = tsc, now_us = mr_clock_us(clk, tsc);
		bool busy = loop_turn(w, now_us);

		if (busy) {
			w->idle_since_us = now_us;
			w->sleep_us = IDLE_SLEEP_US;
		} else {
			idle(w, now_us);
		}
		if (MR_UNLIKELY(now_us >= w->link_next_us))
			check_links(w, now_us);
		tsc = mr_tsc();
		account(w, tsc - began, busy);
	}
}

/* What the last turn queued (RSTs of an abort, say) still leaves, unless the port is stuck. */
static void last_flush(struct engine_worker *w, const struct mr_clock *clk)
{
	uint64_t end_us = mr_clock_us(clk, mr_tsc()) + LAST_FLUSH_US;
	bool waiting = true;

	stack_flush(w->stack);
	while (waiting && mr_clock_us(clk, mr_tsc()) < end_us) {
		waiting = false;
		for (uint16_t i = 0; i < w->nports; i++) {
			if (w->txq[i].n > 0)
				tx_retry(&w->txq[i]);
			waiting |= w->txq[i].n > 0;
		}
	}
	for (uint16_t i = 0; i < w->nports; i++)
		tx_discard(&w->txq[i]);
	for (uint16_t i = 0; i < w->nrxq; i++)
		rx_discard(&w->rxq[i]);
}

int loop_run(void *arg)
{
	struct engine_worker *w = arg;
	const struct engine_config *cfg = &w->engine->cfg;
	const struct mr_clock *clk = eal_clock();

	/* The default slack of 50 us would be most of a sleep. */
	prctl(PR_SET_TIMERSLACK, 1000UL);
	stack_set_time(w->stack, mr_clock_us(clk, mr_tsc()));
	if (cfg->on_start != NULL)
		cfg->on_start(w->stack, cfg->arg);
	loop_until_stop(w, clk);
	if (cfg->on_stop != NULL)
		cfg->on_stop(w->stack, cfg->arg);
	last_flush(w, clk);
	gate_rest(&w->gate);
	return 0;
}
