/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The polling thread: receives, hands to a direction, sends what is due. Never blocks but to sleep,
 * and that at most until the next frame is due. No allocation, no log.
 */
#include <sys/prctl.h>
#include <time.h>

#include <rte_ethdev.h>
#include <rte_pause.h>

#include "engine.h"
#include "joint.h"

#define IDLE_SPIN_NS 20000u
#define IDLE_PAUSE_NS 50000u
#define SLEEP_MIN_NS 5000u
#define SLEEP_MAX_NS 50000u
/* Of the flags of a received mbuf those stay that say whose memory it is. */
#define MEMORY_FLAGS (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)

uint64_t imp_joint_now_ns(const struct imp_joint *j)
{
	return mr_clock_span_ns(&j->clock, mr_tsc() - j->clock.tsc0);
}

/* ---- in ---- */

static uint16_t receive(struct imp_joint *j, unsigned int i)
{
	const struct imp_side *s = &j->side[i];
	uint64_t most = j->options->frames, had = j->dir[i].count.received, now_ns;
	struct rte_mbuf *m[MR_BURST];
	uint16_t want = s->rx_burst, n;

	if (most != 0 && most - had < want)
		want = (uint16_t)(most - had);
	n = want > 0 ? rte_eth_rx_burst(s->id, 0, m, want) : 0;
	now_ns = n > 0 ? imp_joint_now_ns(j) : 0;
	for (uint16_t k = 0; k < n; k++) {
		m[k]->ol_flags &= MEMORY_FLAGS;
		imp_take(&j->dir[i], m[k], now_ns);
	}
	return n;
}

/* ---- out ---- */

/* It took nothing: after long enough the first frame is the one that it will not have. */
static MR_COLD void stuck(struct imp_direction *d, struct imp_leave *l, uint64_t now_ns)
{
	if (l->tries++ == 0)
		l->stuck_ns = now_ns;
	if (l->tries < ENGINE_REFUSED_TRIES || now_ns - l->stuck_ns < ENGINE_REFUSED_US * 1000u)
		return;
	imp_refused(d, &l->frame[l->first]);
	l->first++;
	l->n--;
	l->tries = 0;
}

static uint16_t transmit(struct imp_joint *j, unsigned int i)
{
	struct imp_direction *d = &j->dir[i];
	struct imp_leave *l = &j->leave[i];
	uint64_t now_ns = imp_joint_now_ns(j);
	uint32_t octets[MR_BURST];
	struct rte_mbuf *m[MR_BURST];
	uint16_t sent;

	if (l->n == 0) {
		l->n = imp_due(d, now_ns, l->frame, MR_BURST);
		l->first = 0;
	}
	if (l->n == 0)
		return 0;
	for (uint32_t k = 0; k < l->n; k++) {
		m[k] = l->frame[l->first + k].m;
		octets[k] = m[k]->pkt_len;
	}
	sent = rte_eth_tx_burst(j->side[1 - i].id, 0, m, (uint16_t)l->n);
	for (uint16_t k = 0; k < sent; k++)
		imp_sent(d, &l->frame[l->first + k], octets[k], now_ns);
	l->first += sent;
	l->n -= sent;
	if (sent > 0)
		l->tries = 0;
	else
		stuck(d, l, now_ns);
	return sent;
}

/* ---- nothing to do ---- */

static uint64_t next_due_ns(const struct imp_joint *j)
{
	if (j->leave[0].n + j->leave[1].n > 0)
		return 0;
	return MR_MIN(imp_hold_due_ns(&j->dir[0].hold), imp_hold_due_ns(&j->dir[1].hold));
}

static void idle(struct imp_joint *j, uint64_t now_ns)
{
	uint64_t idle_ns = now_ns - j->idle_since_ns, due_ns = next_due_ns(j), ns;
	struct timespec ts = {0};

	if (j->options->idle == IMP_IDLE_SPIN || idle_ns < IDLE_SPIN_NS)
		return;
	ns = MR_MIN(j->sleep_ns, due_ns > now_ns ? due_ns - now_ns : 0);
	if (j->options->idle == IMP_IDLE_PAUSE || idle_ns < IDLE_PAUSE_NS || ns < SLEEP_MIN_NS) {
		rte_pause();
		return;
	}
	ts.tv_nsec = (long)ns;
	nanosleep(&ts, NULL);
	j->sleep_ns = MR_MIN(2 * j->sleep_ns, (uint64_t)SLEEP_MAX_NS);
}

/* ---- the loop ---- */

static bool is_over(const struct imp_joint *j, uint64_t now_ns)
{
	const struct imp_options *o = j->options;

	return j->signals > 0 || (o->duration_ns != 0 && now_ns >= o->duration_ns) ||
	       (o->frames != 0 && j->dir[0].count.received >= o->frames &&
		j->dir[1].count.received >= o->frames);
}

/* What is under way arrives, unless it takes too long or somebody is impatient. */
static void drain(struct imp_joint *j)
{
	while (imp_held_now(&j->dir[0]) + imp_held_now(&j->dir[1]) > 0 && j->signals < 2 &&
	       imp_joint_now_ns(j) - j->end_ns < IMP_DRAIN_NS) {
		if (transmit(j, 0) + transmit(j, 1) == 0)
			idle(j, imp_joint_now_ns(j));
	}
}

int imp_joint_run(void *joint)
{
	struct imp_joint *j = joint;
	uint64_t now_ns = imp_joint_now_ns(j);

	/* The default slack of 50 us would be most of a sleep. */
	prctl(PR_SET_TIMERSLACK, 1000UL);
	j->idle_since_ns = now_ns;
	j->sleep_ns = SLEEP_MIN_NS;
	while (!is_over(j, now_ns)) {
		unsigned int done = receive(j, 0);

		done += receive(j, 1);
		done += transmit(j, 0);
		done += transmit(j, 1);
		now_ns = imp_joint_now_ns(j);
		if (done > 0) {
			j->idle_since_ns = now_ns;
			j->sleep_ns = SLEEP_MIN_NS;
		} else {
			idle(j, now_ns);
		}
	}
	j->end_ns = now_ns;
	drain(j);
	__atomic_store_n(&j->done, true, __ATOMIC_RELEASE);
	return 0;
}
