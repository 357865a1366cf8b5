/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One TCP segment as values: what the parser gives the state machine, and what the state machine
 * gives the builder. All numbers are in host byte order. Owns nothing.
 */
#ifndef MR_TCP_SEG_H
#define MR_TCP_SEG_H

#include "seq.h"

/* Flags octet of the header, RFC 9293 3.1 and RFC 3168. */
enum tcp_flag {
	TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_PSH = 0x08,
	TCP_ACK = 0x10, TCP_URG = 0x20, TCP_ECE = 0x40, TCP_CWR = 0x80,
};

/* Options present in a segment. */
enum tcp_opt_bit {
	TCP_OPT_MSS = 1,	/* kind 2, RFC 9293 3.7.1 */
	TCP_OPT_WS = 2,		/* kind 3, RFC 7323 2 */
	TCP_OPT_SACK_OK = 4,	/* kind 4, RFC 2018 2 */
	TCP_OPT_SACK = 8,	/* kind 5, RFC 2018 3 */
	TCP_OPT_TS = 16,	/* kind 8, RFC 7323 3 */
	TCP_OPT_FASTOPEN = 32,	/* kind 34, RFC 7413 4.1.1 */
};

/* ECN field of the IP header, RFC 3168 5. */
enum ip_ecn { ECN_NOT_ECT = 0, ECN_ECT_1 = 1, ECN_ECT_0 = 2, ECN_CE = 3 };

#define TCP_SACK_BLOCKS_MAX 4
#define TCP_COOKIE_MIN 4u	/* RFC 7413 4.1.1: octets, an even number */
#define TCP_COOKIE_MAX 16u
#define TCP_FASTOPEN_MAGIC 0xf989u	/* RFC 6994: whose option of kind 254 it is */

struct tcp_seg {
	uint32_t seq, ack;
	uint32_t tsval, tsecr;	/* valid with TCP_OPT_TS */
	uint16_t wnd;		/* as on the wire, unscaled */
	uint16_t len;		/* payload octets */
	uint16_t mss;		/* valid with TCP_OPT_MSS */
	uint16_t urg;		/* urgent pointer, valid with TCP_URG */
	uint8_t flags;		/* enum tcp_flag */
	uint8_t opts;		/* enum tcp_opt_bit */
	uint8_t wscale;		/* valid with TCP_OPT_WS; already limited to 14 (RFC 7323 2.3) */
	uint8_t nsack;		/* SACK blocks, valid with TCP_OPT_SACK */
	uint8_t ecn;		/* enum ip_ecn */
	uint8_t cookie_len;	/* valid with TCP_OPT_FASTOPEN; 0: a cookie is asked for */
	bool cookie_exp;	/* in the option of before RFC 7413: kind 254 */
	uint8_t pad;
	/* No segment has a use for both: of one that has both options the blocks are read. */
	union {
		struct seq_range sack[TCP_SACK_BLOCKS_MAX];
		uint8_t cookie[TCP_COOKIE_MAX];
	};
};
static_assert(sizeof(struct tcp_seg) == 64, "a segment's values must be one cache line");

/** Sequence space the segment occupies: payload, plus one for SYN and for FIN (RFC 9293 3.4). */
MR_INLINE uint32_t tcp_seg_space(const struct tcp_seg *s)
{
	return s->len + ((s->flags & TCP_SYN) != 0) + ((s->flags & TCP_FIN) != 0);
}

#endif /* MR_TCP_SEG_H */
