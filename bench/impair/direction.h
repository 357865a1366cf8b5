/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One way between two ports: frames in with the time, frames out when they are due. In this order a
 * frame is lost, marked (by the queue as it finds it), damaged, doubled, queued before the link (or
 * dropped: the queue is full), sent by the link, and delayed. Marks and damage are counted before
 * the queue: also of frames that it then has no room for. A copy follows its original everywhere:
 * it has the same delay, is damaged and marked alike, and takes its own place in the queue. Knows
 * no port and no clock; time never goes back. One thread.
 *
 *   received + duplicated = lost + drop_queue + drop_hold + drop_mbuf + refused + undelivered
 *                         + sent + held
 */
#ifndef IMP_DIRECTION_H
#define IMP_DIRECTION_H

#include "fate.h"
#include "hist.h"
#include "hold.h"
#include "shape.h"

struct rte_mempool;

struct imp_counts {
	uint64_t received, received_octets;
	uint64_t lost;
	uint64_t duplicated; /* copies that were made */
	uint64_t corrupted, jumped, marked;
	uint64_t drop_queue;  /* the queue before the link was full */
	uint64_t drop_hold;   /* hold_frames were held */
	uint64_t drop_mbuf;   /* of several segments, for a port that wants one, and no mbuf */
	uint64_t no_mbuf;     /* what should have been copied, damaged or marked was not: no mbuf */
	uint64_t refused;     /* the port would not take it */
	uint64_t undelivered; /* under way when imp_direction_fini() came */
	uint64_t sent, sent_octets;
	uint64_t late; /* of these: sent after a frame that came after it */
};

struct imp_direction {
	struct imp_params params;
	struct imp_dice dice;
	struct imp_shape shape;
	struct imp_hold hold;
	struct rte_mempool *pool; /* of copies */
	bool flat;		  /* the port that sends wants one segment */
	uint32_t leaving;	  /* taken by imp_due(), neither sent nor refused yet */
	uint64_t number;	  /* of the next frame held */
	uint64_t last_due_ns;	  /* keep_order */
	uint64_t newest_sent;	  /* the largest number sent */
	struct imp_counts count;
	struct mr_hist delay; /* ns from coming to being sent */
};

/** `which` of the two directions of a seed. False: no memory, and nothing is due. */
bool imp_direction_init(struct imp_direction *d, const struct imp_params *params, uint64_t seed,
			unsigned int which);
/** Frees what is held, and counts it as undelivered. */
void imp_direction_fini(struct imp_direction *d);
/** Takes a frame that came at now_ns. */
void imp_take(struct imp_direction *d, struct rte_mbuf *m, uint64_t now_ns);
/** Up to max frames that are due at now_ns, in order. Each must come to imp_sent() or _refused. */
uint32_t imp_due(struct imp_direction *d, uint64_t now_ns, struct imp_held *out, uint32_t max);
/** A frame of imp_due(), of so many octets, has been sent at now_ns: the mbuf is gone. */
void imp_sent(struct imp_direction *d, const struct imp_held *frame, uint32_t octets,
	      uint64_t now_ns);
/** A frame of imp_due() that the port will not have: it is freed. */
void imp_refused(struct imp_direction *d, const struct imp_held *frame);
/** A frame of imp_due() that was never tried: it is freed. */
void imp_undelivered(struct imp_direction *d, const struct imp_held *frame);
/** Frames in the queue, on their way, or leaving. */
MR_INLINE uint32_t imp_held_now(const struct imp_direction *d)
{
	return d->hold.n + d->leaving;
}
/** Does every frame stand in one term of the equation above? */
bool imp_adds_up(const struct imp_direction *d);

#endif /* IMP_DIRECTION_H */
