/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a path does to frames: loss alone and in bursts, doubling, reordering, jitter, flipped bits,
 * cut ends, a rate with a bounded queue, an MTU that changes, times of silence. Knows frames as
 * octets and nothing of engines.
 *
 * What comes and goes (bursts, silence, MTUs) is drawn on the time axis, not per frame: it does not
 * depend on what is sent.
 */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include "rng.h"

/* What a middlebox makes of a SYN or SYN-ACK that has to do with Fast Open (RFC 7413 7.1). */
enum sim_box {
	SIM_BOX_NONE,
	SIM_BOX_STRIPS,		/* the option becomes padding */
	SIM_BOX_CUTS,		/* and what data there is goes */
	SIM_BOX_DROPS_OPTION,	/* what has the option vanishes */
	SIM_BOX_DROPS_DATA,	/* what has data vanishes */
	SIM_BOXES,
};

/* Probabilities in 1/65536, times in microseconds; 0: does not happen. */
struct sim_link {
	uint32_t loss, duplicate, corrupt, truncate, reorder;
	uint32_t delay_us, jitter_us, reorder_us;
	/* Gilbert-Elliott: means of the good and the bad times, and the loss in a bad one */
	uint32_t burst_good_us, burst_bad_us, burst_loss;
	uint32_t silence_every_us, silence_us;	/* means */
	uint32_t rate_kbps, queue_octets;	/* drop-tail */
	uint32_t mtu_every_us;			/* mean time between changes */
	uint16_t mtu_min, mtu_max;		/* each MTU is drawn from these; 0: 1500 always */
	bool mtu_silent;			/* too big is not told: a black hole */
	uint32_t syn_loss;			/* of SYN and SYN-ACK, besides */
	uint32_t box_off_us, box_on_us;		/* means of the times without and with it */
	uint8_t box;				/* enum sim_box */
};

/* A time that comes and goes. */
struct sim_spell {
	uint64_t next_us;	/* of the next change */
	bool on;
};

struct sim_link_stats {
	uint64_t lost, corrupted, duplicated, truncated, queue_full, too_big, silenced, reordered;
};

/* One direction. */
struct sim_path {
	struct sim_link_stats stats;
	struct mr_rng rng, weather;
	struct sim_spell burst, silence, box;
	uint64_t mtu_next_us, busy_ns;
	uint16_t mtu;
};

enum sim_fate { SIM_PASS, SIM_LOST, SIM_TOO_BIG };

/* One frame's lot. */
struct sim_passage {
	enum sim_fate fate;
	unsigned int copies;		/* 1 or 2 */
	uint64_t at_us[2];
	uint16_t len[2];		/* less than was sent: cut */
	uint32_t flip[2];		/* 1 + number of the bit that is wrong; 0: none */
};

void sim_path_init(struct sim_path *p, const struct sim_link *l, uint64_t seed);
/** What becomes of a frame of `len` octets that is sent at now_us. */
void sim_path_pass(struct sim_path *p, const struct sim_link *l, uint64_t now_us, uint16_t len,
		   struct sim_passage *out);
/** What the middlebox does to the frame, in place. False: it does not come through. */
bool sim_box_pass(struct sim_path *p, const struct sim_link *l, uint64_t now_us, uint8_t *octets,
		  uint16_t *len);
/**
 * The ICMP error of a router that cannot pass frame `p` on: into `to`, which has room for 1400
 * octets. Returns its length, 0 when the frame is no IP packet.
 */
uint16_t sim_too_big(const uint8_t *p, uint16_t len, uint16_t mtu, uint8_t *to);
/** The Internet checksum of len octets, to be stored in network order (sum: of what else). */
uint16_t sim_checksum(const uint8_t *p, uint32_t len, uint32_t sum);

#endif /* SIM_LINK_H */
