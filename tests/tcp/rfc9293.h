/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What RFC 9293 section 3.10.7 (SEGMENT ARRIVES) says must happen, with RFC 5961, 7323, 6191 and
 * 1337 where they change it. Written from the text of those documents alone: this file, rfc9293.c
 * and rfc9293_edges.c include nothing of the engine, and the names are the RFC's. The matrix asks
 * them about each cell.
 *
 * Where the engine differs from the text on purpose, rfc9293_ours.c says so, one rule a difference,
 * each with its reason in docs/conformance.md. This file does not know them.
 */
#ifndef TEST_RFC9293_H
#define TEST_RFC9293_H

#include <stdbool.h>
#include <stdint.h>

/* 3.3.2 */
enum rfc_state {
	RFC_CLOSED, RFC_LISTEN, RFC_SYN_SENT, RFC_SYN_RECEIVED, RFC_ESTABLISHED, RFC_FIN_WAIT_1,
	RFC_FIN_WAIT_2, RFC_CLOSE_WAIT, RFC_CLOSING, RFC_LAST_ACK, RFC_TIME_WAIT,
	RFC_STATES
};

/* 3.1, the octet of control bits */
enum rfc_ctl {
	CTL_FIN = 1, CTL_SYN = 2, CTL_RST = 4, CTL_PSH = 8, CTL_ACK = 16, CTL_URG = 32,
	CTL_ECE = 64, CTL_CWR = 128,
};

/* 3.3.1, and what RFC 7323 and 5961 add */
struct rfc_tcb {
	enum rfc_state state;
	bool passive;			/* how it was opened (MUST-11) */
	bool user_closed;		/* the user said CLOSE and reads no more (3.6.1) */
	uint32_t iss, snd_una, snd_nxt;
	uint32_t snd_wnd, snd_wl1, snd_wl2, max_snd_wnd;
	uint32_t rcv_nxt, rcv_wnd;
	uint32_t rcv_buf;		/* RCV.WND that a new connection begins with */
	bool ts, offers_ts;		/* Snd.TS.OK; would a new connection of ours use it? */
	uint32_t ts_recent, last_ack_sent;
};

struct rfc_segment {
	uint32_t seq, ack, wnd;		/* wnd in octets */
	uint16_t len;			/* octets of text */
	uint8_t ctl;			/* enum rfc_ctl */
	bool has_ts;
	uint32_t tsval;
};

/* What the user, or who keeps the connections, learns. */
enum rfc_event {
	RFC_CONNECTED = 1,		/* ESTABLISHED was entered */
	RFC_PEER_CLOSING = 2,		/* "connection closing" */
	RFC_RESET = 4,			/* "connection reset" */
	RFC_REFUSED = 8,		/* "connection refused" */
	RFC_DATA_LOST = 16,		/* text after CLOSE: 3.6.1 */
	RFC_URGENT = 32,		/* the user has urgent data */
	RFC_DELETED = 64,		/* the TCB is gone */
	RFC_RELISTEN = 128,		/* back to LISTEN, nobody is told */
	RFC_NEW = 256,			/* a new connection began */
	RFC_2MSL = 512,			/* the time-wait timer starts, or starts again */
};

struct rfc_result {
	struct rfc_tcb tcb;		/* afterwards */
	bool reply;			/* a segment goes out at once: */
	uint8_t ctl;
	uint32_t seq, ack;
	bool ack_may_wait;		/* no reply yet; an ACK within half a second (SHLD-18) */
	uint32_t text_seq, text_len;	/* delivered to the user */
	uint32_t held_seq, held_len;	/* kept for later (SHLD-31) */
	bool held_fin;
	unsigned int events;		/* enum rfc_event */
	unsigned int step;		/* of 3.10.7.x that had the last word */
	bool dropped;			/* it went no further than that */
	const char *why;
};

/** 3.10.7. */
void rfc_segment_arrives(const struct rfc_tcb *tcb, const struct rfc_segment *seg,
			 struct rfc_result *r);

/**
 * Changes the RFC's answer where ours differs on purpose. bare: nothing but SYN and FIN was ever
 * sent or received (no extension record).
 */
void rfc_ours(const struct rfc_tcb *tcb, const struct rfc_segment *seg, bool bare,
	      struct rfc_result *r);
/** The differences, and how often each changed an answer; NULL behind the last one. */
const char *rfc_ours_name(unsigned int i, unsigned long *used);

/* 3.4: modulo 2^32 */
static inline bool rfc_lt(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }
static inline bool rfc_le(uint32_t a, uint32_t b) { return (int32_t)(a - b) <= 0; }
/* 3.4: SEG.LEN counts SYN and FIN too */
static inline uint32_t rfc_seg_len(const struct rfc_segment *s)
{
	return s->len + ((s->ctl & CTL_SYN) != 0) + ((s->ctl & CTL_FIN) != 0);
}

#endif /* TEST_RFC9293_H */
