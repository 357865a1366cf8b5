/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who wants to harm. Blind: knows the servers' addresses. Tuple: knows both ends of connections,
 * but no sequence number. Window: sees the traffic a step late, and writes into the window, but
 * where RFC 5961 asks for an answer and no more. None of them may end or change a connection; where
 * an RFC admits that (a SYN to who awaits one), the flow is marked as attacked.
 */
#ifndef SIM_HOSTILE_H
#define SIM_HOSTILE_H

#include "apps.h"

/* Mean time between two forgeries of a kind, microseconds; 0: never. */
struct sim_hostile_wish {
	uint32_t blind_us, tuple_us, window_us, icmp_us;
};

enum sim_hostile_kind { SIM_H_BLIND, SIM_H_TUPLE, SIM_H_WINDOW, SIM_H_ICMP, SIM_H_KINDS };

struct sim_hostile {
	struct sim_apps *apps;
	struct sim_hostile_wish wish;
	struct mr_rng rng;
	uint64_t next_us[SIM_H_KINDS];
	uint64_t sent[SIM_H_KINDS];
};

void sim_hostile_init(struct sim_hostile *h, struct sim_apps *a,
		      const struct sim_hostile_wish *wish, uint64_t seed);
/** At the end of a step: whatever is due by now, to arrive with the next step. */
void sim_hostile_turn(struct sim_hostile *h);

#endif /* SIM_HOSTILE_H */
