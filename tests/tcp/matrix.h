/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rows and columns of the matrix: connections in every state, made through real segments, and
 * the segments that may meet them.
 */
#ifndef TEST_MATRIX_H
#define TEST_MATRIX_H

#include "rfc9293.h"
#include "world.h"

/* What differs between two connections in one state. */
struct mx_variant {
	uint32_t iss, irs;
	bool ts;		/* timestamps were negotiated */
	bool full;		/* nothing was read: the receive window is closed */
	bool small;		/* a receive window of MX_SMALL octets */
};
#define MX_SMALL 2000u

struct mx_row {
	const char *name;
	enum rfc_state state;
	void (*make)(struct world *w, const struct mx_variant *v);
	bool passive, user_closed, data;	/* data: MX_DATA octets of ours are outstanding */
	bool can_fill;				/* the peer could have sent text: see `full` */
};
#define MX_DATA 1000u
extern const struct mx_row mx_rows[];
extern const unsigned int mx_nrows;

/** Makes the connection; of CLOSED, LISTEN and TIME-WAIT what they stand on. */
void mx_make(struct world *w, const struct mx_row *row, const struct mx_variant *v);
/** The connection as the RFC names its parts. */
struct rfc_tcb mx_tcb(const struct world *w, const struct mx_row *row);

/* Places of SEG.SEQ, seen from RCV.NXT and the right edge of the window. */
enum mx_seq {
	MX_OLD, MX_LEFT, MX_TOUCH, MX_AT, MX_NEXT, MX_IN, MX_LAST, MX_STRADDLE, MX_EDGE, MX_BEYOND,
	MX_FAR, MX_FAR_BACK, MX_SEQS
};
/* Places of SEG.ACK, seen from SND.UNA and SND.NXT. */
enum mx_ack {
	MX_ACK_OLD, MX_ACK_AGAIN, MX_ACK_UNA, MX_ACK_MID, MX_ACK_NXT, MX_ACK_FUTURE, MX_ACK_FAR,
	MX_ACKS
};
/* SEG.TSval, seen from TS.Recent; NONE: no option. */
enum mx_ts { MX_TS_NONE, MX_TS_NEWER, MX_TS_EQUAL, MX_TS_OLDER, MX_TSS };

struct mx_event {
	uint8_t ctl;
	enum mx_seq seq;
	enum mx_ack ack;
	enum mx_ts ts;
	uint16_t len;
	uint16_t wnd;
};

/** The segment of an event, or false if another event is the same segment. */
bool mx_segment(const struct world *w, const struct rfc_tcb *t, const struct mx_event *e,
		struct tcp_seg *seg);

#endif /* TEST_MATRIX_H */
