/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A link of so many bits per second and the queue before it, in time alone: when a frame that comes
 * now has left, or that there is no room for it. Knows no frame, only lengths. A frame counts for
 * the queue until its last bit has left. The link is exact over any number of frames: what is left
 * of a nanosecond counts for the next one.
 */
#ifndef IMP_SHAPE_H
#define IMP_SHAPE_H

#include "check.h"

struct imp_leaving {
	uint64_t at_ns;
	uint32_t octets;
};

struct imp_shape {
	uint64_t rate_bps;
	uint64_t frames_max, octets_max;
	uint64_t free_ns;	  /* the link has sent what it has */
	uint64_t rest;		  /* of a nanosecond, in 1/rate_bps; below rate_bps */
	uint64_t octets;	  /* in the queue */
	uint64_t head, tail;	  /* of the ring: head .. tail-1 are in the queue */
	struct imp_leaving *ring; /* frames_max of them */
};

/** What has left by now leaves the queue. Time never goes back. */
MR_INLINE void imp_shape_advance(struct imp_shape *s, uint64_t now_ns)
{
	while (s->head != s->tail) {
		const struct imp_leaving *first = &s->ring[s->head % s->frames_max];

		if (first->at_ns > now_ns)
			return;
		s->octets -= first->octets;
		s->head++;
	}
}

/** Would the queue take a frame of so many octets? After imp_shape_advance(). */
MR_INLINE bool imp_shape_room(const struct imp_shape *s, uint32_t octets)
{
	return s->tail - s->head < s->frames_max &&
	       (s->octets_max == 0 || s->octets + octets <= s->octets_max);
}

/** Enters a frame for which there is room; returns when its last bit has left. */
MR_INLINE uint64_t imp_shape_enter(struct imp_shape *s, uint32_t octets, uint64_t now_ns)
{
	unsigned __int128 work;

	MR_CHECK(imp_shape_room(s, octets));
	if (s->free_ns <= now_ns) {
		s->free_ns = now_ns;
		s->rest = 0;
	}
	work = (unsigned __int128)octets * 8 * 1000000000u + s->rest;
	s->free_ns += (uint64_t)(work / s->rate_bps);
	s->rest = (uint64_t)(work % s->rate_bps);
	s->ring[s->tail++ % s->frames_max] = (struct imp_leaving){s->free_ns, octets};
	s->octets += octets;
	return s->free_ns;
}

#endif /* IMP_SHAPE_H */
