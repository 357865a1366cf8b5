/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What workers write to one another, and the calls that any thread posts to one: mail.c. Private to
 * lib/stack.
 */
#ifndef MR_MAIL_H
#define MR_MAIL_H

#include "neigh.h"
#include "paths.h"

enum mail_kind { MAIL_NEIGH, MAIL_ICMP_ERROR, MAIL_PATH, MAIL_FRAGMENT, MAIL_DATAGRAM };
/* A received frame on its way to another worker, whose it is from then on. */
struct mail_frame {
	struct rte_mbuf *m;
	uint16_t port;
	uint16_t hops_left;	/* workers that it may still be passed on to */
};
struct mail_msg {
	uint32_t kind;
	union {
		struct neigh_update neigh;
		struct icmp_error icmp;
		struct mail_frame frame;
		struct ip_path path;
	} u;
};
/** 0, -ENOMEM, -EINVAL (id), -EEXIST (id taken). No loop of this group may be running. */
int mail_setup(struct mr_worker *w);
/** In any order within a group whose loops have ended; what is still queued is forgotten. */
void mail_teardown(struct mr_worker *w);
/** To every other worker of the group; full rings are counted (MAIL_DROP). */
void mail_broadcast(struct mr_worker *w, const struct mail_msg *msg);
/** To the next worker of the group, in a circle. False: lost, as below. */
bool mail_pass(struct mr_worker *w, const struct mail_msg *msg);
/** To another worker of the group. False: its ring is full (counted), or it is not there. */
bool mail_to(struct mr_worker *w, unsigned int id, const struct mail_msg *msg);
/** Handles mail and posted calls, bounded. True if something was done. */
bool mail_turn(struct mr_worker *w);

#endif /* MR_MAIL_H */
