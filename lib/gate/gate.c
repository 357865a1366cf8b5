/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers on one side, one caller at a time on the other. Owns the list of workers and the lock;
 * knows nothing of callbacks. Read next: callback.c.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <rte_pause.h>

#include "check.h"
#include "gate.h"

/* A worker is done after its turn; one that sleeps or has lost its CPU needs longer. */
#define SPINS	1000u
#define NAP_NS	20000

static struct {
	pthread_mutex_t lock;		/* recursive: a callback registers others */
	struct gate_worker *first;
} gate = {.lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP};

static _Thread_local unsigned int depth;

bool gate_wanted(const char *driver_name)
{
	return strcmp(driver_name, "net_memif") == 0;
}

/* ---- the worker ---- */

/*
 * The caller of gate_close writes `asked` and reads `obeyed`, the worker writes `obeyed` and reads
 * `asked` again, all in one order (seq_cst). So when a worker that had kept away goes back while it
 * is asked anew, either it sees that here, or the other one sees that it is back, and waits.
 */
uint32_t gate_obey(struct gate_worker *w)
{
	uint32_t asked, done;

	do {
		asked = __atomic_load_n(&w->asked, __ATOMIC_SEQ_CST);
		done = asked;
		__atomic_store_n(&w->obeyed, done, __ATOMIC_SEQ_CST);
		asked = __atomic_load_n(&w->asked, __ATOMIC_SEQ_CST);
	} while (asked != done);
	return done;
}

void gate_rest(struct gate_worker *w)
{
	__atomic_store_n(&w->obeyed, GATE_PORTS | GATE_STOP, __ATOMIC_SEQ_CST);
}

void gate_stop(struct gate_worker *w, bool stop)
{
	if (stop)
		__atomic_fetch_or(&w->asked, GATE_STOP, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&w->asked, ~GATE_STOP, __ATOMIC_SEQ_CST);
}

/* ---- the others ---- */

void gate_lock(void)
{
	MR_ASSERT(pthread_mutex_lock(&gate.lock) == 0);
	depth++;
}

void gate_unlock(void)
{
	MR_ASSERT(depth > 0);
	depth--;
	pthread_mutex_unlock(&gate.lock);
}

bool gate_locked(void)
{
	return depth > 0;
}

void gate_join(struct gate_worker *w, uint32_t ports)
{
	MR_ASSERT(w->ports == 0 && ports != 0 && (ports & ~GATE_PORTS) == 0);
	gate_lock();
	gate_rest(w);
	w->ports = ports;
	w->next = gate.first;
	gate.first = w;
	gate_unlock();
}

void gate_leave(struct gate_worker *w)
{
	struct gate_worker **at = &gate.first;

	if (w->ports == 0)
		return;
	gate_lock();
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	w->ports = 0;
	gate_unlock();
}

static void wait_until_away(const struct gate_worker *w)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	unsigned int spins = 0;

	while ((__atomic_load_n(&w->obeyed, __ATOMIC_SEQ_CST) & w->ports) != w->ports) {
		if (++spins < SPINS)
			rte_pause();
		else
			nanosleep(&nap, NULL);
	}
}

void gate_close(void)
{
	MR_ASSERT(gate_locked());
	for (struct gate_worker *w = gate.first; w != NULL; w = w->next)
		__atomic_fetch_or(&w->asked, w->ports, __ATOMIC_SEQ_CST);
	for (struct gate_worker *w = gate.first; w != NULL; w = w->next)
		wait_until_away(w);
}

void gate_open(void)
{
	MR_ASSERT(gate_locked());
	for (struct gate_worker *w = gate.first; w != NULL; w = w->next)
		__atomic_fetch_and(&w->asked, ~(w->ports & ~w->away), __ATOMIC_SEQ_CST);
}

void gate_away(struct gate_worker *w, uint32_t ports, bool away)
{
	MR_ASSERT(gate_locked() && (ports & ~w->ports) == 0);
	w->away = away ? w->away | ports : w->away & ~ports;
}
