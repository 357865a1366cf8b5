/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to a frame, drawn from a seed. Numbers only: no frame, no clock, no port.
 *
 * Each frame takes IMP_DRAWS numbers from the generator of its direction, whatever becomes of it
 * and whatever is switched on. So the fate of frame n depends on the seed, n and the options of
 * each impairment alone: the same seed and the same frames in the same order meet the same fates,
 * however fast they come, and a higher share of loss loses the same frames and some more.
 */
#ifndef IMP_FATE_H
#define IMP_FATE_H

#include "rng.h"

#define IMP_DRAWS 9u

/* One direction. Shares are 0 .. 1, 0: never. */
struct imp_params {
	double loss;
	/* Gilbert-Elliott: from good to bad, back, lost in bad, lost in good. enter 0: off. */
	double burst_enter, burst_leave, burst_bad, burst_good;
	double duplicate, corrupt, reorder, mark;
	uint64_t delay_ns, jitter_ns;
	bool normal;	 /* jitter_ns is a standard deviation, else the bound of a uniform spread */
	bool keep_order; /* a frame waits for those before it, whatever its jitter */
	uint64_t rate_bps;		     /* 0: no limit, and no queue */
	uint64_t queue_frames, queue_octets; /* before the link; queue_octets 0: any number */
	uint64_t mark_octets; /* with more in the queue frames are marked; 0: never */
	uint64_t hold_frames; /* memory: frames in the queue and on their way */
};

struct imp_fate {
	bool lost, duplicated, corrupted, jumps, marked;
	uint64_t bit_draw; /* the bit that is flipped: this share (of 2^64) of the frame's bits */
	uint64_t delay_ns; /* without what the queue takes; 0 for one that jumps */
};

struct imp_dice {
	struct mr_rng rng;
	bool bad; /* the state of Gilbert and Elliott */
};

/** `direction` 0 or 1: two of one seed are independent. */
void imp_dice_init(struct imp_dice *d, uint64_t seed, unsigned int direction);
/** The fate of the next frame. */
void imp_fate_draw(struct imp_dice *d, const struct imp_params *p, struct imp_fate *fate);

#endif /* IMP_FATE_H */
