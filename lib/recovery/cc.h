/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion window: how many octets may be unacknowledged. Numbers in, permission to send out.
 * Whether something was lost is decided elsewhere (newreno.h and its neighbours call this); what
 * follows from it is computed here. An algorithm is a row of struct cc_algorithm: CUBIC (RFC 9438,
 * the default, in cubic.c, its first slow start in hystart.c), NewReno (RFC 5681), none (no control
 * at all, for closed benches).
 *
 *   slow start            cwnd <  ssthresh
 *   congestion avoidance  cwnd >= ssthresh
 *   SMSS <= cwnd <= CC_CWND_MAX, ssthresh >= 2 SMSS after the first loss
 *
 * HOT PATH (cc_acked): no allocation, no lock, no log; it divides only when the window grows, which
 * in congestion avoidance is at most once in two segments.
 */
#ifndef MR_CC_H
#define MR_CC_H

#include "attr.h"

enum cc_algorithm_id { CC_CUBIC, CC_NEWRENO, CC_NONE };

enum cc_flag {
	CC_EPOCH = 0x01,	/* CUBIC: this congestion avoidance has its curve already */
	CC_EVENT = 0x02,	/* the fields prior_* are of an event that may still be undone */
	CC_REDUCED = 0x04,	/* for a mark, and the window of data of then is not passed yet */
	CC_HYSTART = 0x08,	/* the first slow start, watched by HyStart++ */
};

/* CUBIC: RFC 9438 4.1.2, its variables, all in octets. The curve is W_max + C (t - origin)^3. */
struct cubic {
	uint32_t w_max;		/* 0: the next curve begins at its plateau (4.8, 4.10) */
	uint32_t origin_ms;	/* t_epoch + K: when the curve is at W_max */
	uint32_t w_est;		/* what Reno would have (4.3); 0: there is no curve */
	uint32_t est_acked;	/* octets acknowledged since w_est last grew */
};

/*
 * HyStart++: RFC 9406 4.2. A round is the time until all that was out at its begin is acknowledged.
 * All zero: no round has begun.
 */
struct hystart {
	uint32_t round_end;		/* windowEnd: SND.NXT of when the round began */
	uint32_t round_min_us : 28;	/* currentRoundMinRTT; 0: none yet */
	uint32_t samples : 4;		/* of the round, saturating at HYSTART_SAMPLES */
	uint32_t last_min_us : 28;	/* lastRoundMinRTT; 0: none */
	uint32_t css_rounds : 3;	/* of conservative slow start, with this; 0: not in it */
	bool begun : 1;
	uint32_t baseline_us;		/* cssBaselineMinRtt */
};

struct cc {
	uint32_t cwnd;		/* octets */
	uint32_t ssthresh;
	uint64_t credit;	/* octets acknowledged times growth a window, see cc_grow() */
	uint32_t acked_ms;	/* when cc_acked() was last called */
	uint16_t smss;		/* sender maximum segment size: options already subtracted */
	uint8_t algorithm;	/* enum cc_algorithm_id */
	uint8_t flags;		/* enum cc_flag */
	union {
		struct cubic cubic;
		struct hystart hystart;	/* with CC_HYSTART: there is no curve yet */
	};
	/* as of before the last congestion event: for RFC 9438's cwnd_prior, and cc_undo() */
	uint32_t prior_cwnd, prior_ssthresh, prior_w_max, prior_w_est;
};
static_assert(sizeof(struct cc) == 56, "an extension has room for so much");

/* An ACK of new octets, and when it came. */
struct cc_ack {
	uint32_t acked;		/* octets that it newly covers */
	uint32_t flight;	/* octets outstanding before it */
	uint32_t now_ms;
	uint32_t srtt_us;	/* smoothed; 0: not known yet */
	uint32_t rtt_us;	/* measured by this ACK; 0: nothing was */
	uint32_t una, nxt;	/* SND.UNA after it, SND.NXT */
	bool paced;		/* what the window lets out leaves spread over the round trip */
};

/* What distinguishes one algorithm from another. */
struct cc_algorithm {
	/* An ACK in congestion avoidance. */
	void (*avoid)(struct cc *cc, const struct cc_ack *ack);
	/* ssthresh after a congestion event with `flight` octets outstanding. */
	uint32_t (*threshold)(const struct cc *cc, uint32_t flight);
	/* Congestion avoidance goes on: the event that interrupted it was none. May be NULL. */
	void (*resume)(struct cc *cc, uint32_t now_ms);
	/* See cc_pacing_rate(). NULL: no rate, the window is all that limits. */
	uint64_t (*rate)(const struct cc *cc, uint32_t srtt_us);
	bool hystart;		/* HyStart++ ends the first slow start where it can */
};

/* the largest window a peer can offer (RFC 7323 2.3) */
#define CC_CWND_MAX		(1u << 30)
#define CC_SSTHRESH_INFINITE	CC_CWND_MAX
#define CC_IW_SEG_OCTETS	1460u		/* RFC 6928: 10 segments, or 14600 octets */

/**
 * RFC 6928: min(n SMSS, max(2 SMSS, n 1460)); n = 10 by default, 1 when the SYN was lost (RFC 5681
 * 3.1).
 */
uint32_t cc_initial_window(uint16_t smss, unsigned int segs);
void cc_init(struct cc *cc, enum cc_algorithm_id id, uint16_t smss, uint32_t initial_window);
/** An ACK outside of recovery. A window that was not used does not grow (RFC 7661 4.1). */
void cc_acked(struct cc *cc, const struct cc_ack *ack);
/**
 * Loss with `flight` octets outstanding: ssthresh (RFC 5681 equation 4, RFC 9438
 * 4.6), and what cc_undo() needs. The window is the caller's: cc_set_window(), now or by and by.
 */
void cc_loss(struct cc *cc, uint32_t flight);
/**
 * A mark (RFC 3168 6.1.2) with `flight` octets outstanding: the window is reduced at once, and
 * until cc_window_passed() no loss reduces it again.
 */
void cc_mark(struct cc *cc, uint32_t flight);
/** All that was outstanding at the mark is acknowledged. */
void cc_window_passed(struct cc *cc);
/**
 * The retransmission timer expired with `flight` octets outstanding: the window is one segment (RFC
 * 5681 3.1). `again`: what was resent is lost again, ssthresh is held.
 */
void cc_timeout(struct cc *cc, uint32_t flight, bool again);
/**
 * The last congestion event (cc_loss(), cc_timeout()) was none: windows and curve are as before it
 * (RFC 9438 4.9), but rounds of HyStart++ begin anew. Once; without an event it does nothing.
 */
void cc_undo(struct cc *cc, uint32_t now_ms);
/** Sets the window, within its bounds. */
void cc_set_window(struct cc *cc, uint64_t cwnd);
/**
 * Something is to be sent after a time with nothing outstanding, which does not count for the curve
 * (RFC 9438 5.8). `restart_window`: what RFC 5681 4.1 allows after one RTO of it; before,
 * CC_CWND_MAX.
 */
void cc_idle(struct cc *cc, uint32_t now_ms, uint32_t restart_window);

/**
 * How fast data may leave where sending is paced, octets a second; 0: as the window lets it out, as
 * long as no round trip is known (srtt_us 0), too.
 */
uint64_t cc_pacing_rate(const struct cc *cc, uint32_t srtt_us);

/**
 * For algorithms: a share acked/cwnd of `growth` octets is added, in whole segments; what is left
 * over counts the next time.
 */
void cc_grow(struct cc *cc, uint32_t acked, uint32_t growth);

/* cubic.c */
void cubic_avoid(struct cc *cc, const struct cc_ack *ack);
uint32_t cubic_threshold(const struct cc *cc, uint32_t flight);
/** W_max after a congestion event at this window, with fast convergence (RFC 9438 4.7). */
uint32_t cubic_w_max(const struct cc *cc);
void cubic_resume(struct cc *cc, uint32_t now_ms);
/** The curve ends; another one begins with the next congestion avoidance. */
void cubic_end(struct cc *cc);
/** Time that does not count: the curve moves on. */
void cubic_shift(struct cc *cc, uint32_t ms);
/** Largest n with n^3 <= x. No division; 22 steps. */
uint32_t cubic_root(uint64_t x);

/* hystart.c; with CC_HYSTART alone, but hystart_end() */
#define HYSTART_SAMPLES		8u	/* N_RTT_SAMPLE: ACKs of a round before it says something */
#define HYSTART_ROUNDS		5u	/* CSS_ROUNDS */
/** An ACK while the window is used: may begin conservative slow start, or end slow start. */
void hystart_acked(struct cc *cc, const struct cc_ack *ack);
/** By how many octets the window grows for it. */
uint32_t hystart_growth(const struct cc *cc, const struct cc_ack *ack);
/** What was measured does not compare with what comes: rounds begin anew, in slow start. */
void hystart_restart(struct cc *cc);
/** The first slow start is over: the place is a curve's. */
void hystart_end(struct cc *cc);

#endif /* MR_CC_H */
