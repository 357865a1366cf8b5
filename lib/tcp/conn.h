/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection record: 64 octets for IPv4, 80 for IPv6, the key included. Both families share the
 * first 56 octets, struct tcp_conn, which is all that lib/tcp knows; the rest of the key follows it
 * in the table's record (see lib/stack/worker.h). What only a connection that carries data needs is
 * in ext.h. The byte table:
 *
 *   off len field              off len field
 *     0   4 snd_una             36   1 state_bit  37 1 timer:3 spare:2 +3
 *     4   4 snd_nxt             38   2 generation
 *     8   4 rcv_nxt             40   2 snd_wnd (unscaled)
 *    12   4 rcv_edge            42   2 mss
 *    16   4 ts_recent           44   2 srtt_coarse
 *    20   4 deadline_ms         46   2 user_deadline
 *    24   4 wheel_word:28 +4    48   2 listener
 *    28   4 ext:24 ts_age:8     50   2 nexthop
 *    32   4 user                52   1 scales  53 1 flags  54 2 laddr (key)
 *                               56     raddr, rport, lport (key)
 */
#ifndef MR_TCP_CONN_H
#define MR_TCP_CONN_H

#include "bounds.h"
#include "check.h"
#include "seq.h"

/* The eleven states of RFC 9293 3.3.2, one bit each: tested by the predicates below. */
enum tcp_state {
#define S(name, bit, next, rfc) TCP_##name = 1 << (bit),
#include "state.def"
#undef S
};
#define TCP_STATES 11

/** "ESTABLISHED" ... of one state. */
const char *tcp_state_name(unsigned int state);

/*
 * Which protocol timer `deadline_ms` belongs to; they exclude each other. RESEND is a timer that
 * has expired and whose segment is still to be sent by tcp_next_segment(): the oldest outstanding
 * one, a window probe when only unsent data waits, a keepalive probe when there is nothing at all.
 */
enum tcp_timer {
	TCP_TIMER_NONE,
	TCP_TIMER_REXMT,	/* SYN, SYN-ACK, data, FIN (RFC 6298) */
	TCP_TIMER_PERSIST,	/* zero window (RFC 9293 3.8.6.1) */
	TCP_TIMER_FIN_WAIT_2,	/* orphan in FIN_WAIT_2 */
	TCP_TIMER_KEEPALIVE,	/* RFC 9293 3.8.4 */
	TCP_TIMER_EXT,		/* give the extension record back */
	/* tcp_send() found no extension or mbufs at their bound: ask again */
	TCP_TIMER_WAIT,
	TCP_TIMER_RESEND,
};

enum tcp_conn_flag {
	TCP_F_TS = 0x01,	/* timestamps negotiated (RFC 7323) */
	TCP_F_SACK = 0x02,	/* SACK negotiated (RFC 2018) */
	/* opened by us: SYN_RCVD goes back to CLOSED, not LISTEN (MUST-11) */
	TCP_F_ACTIVE = 0x04,
	TCP_F_SHUT = 0x08,	/* our FIN is wanted after all queued data */
	TCP_F_CLOSED = 0x10,	/* the handler closed: later data is answered by RST */
	TCP_F_NODELAY = 0x20,	/* Nagle off */
	TCP_F_ACK_NOW = 0x40,	/* an ACK is owed at once */
	TCP_F_ECN = 0x80,	/* ECN negotiated (RFC 3168) */
};

#define TCP_SCALE_MAX	14u	/* RFC 7323 2.3 */
#define TCP_SCALE_NONE	15u	/* nibble of `scales`: not negotiated, shift 0 */

struct tcp_conn {
	uint32_t snd_una;
	/* highest sent; never goes back (retransmission has a cursor in the extension) */
	uint32_t snd_nxt;
	uint32_t rcv_nxt;
	uint32_t rcv_edge;	/* right edge that was advertised; never retreats (SHLD-14) */
	uint32_t ts_recent;
	uint32_t deadline_ms;	/* of `timer` */
	uint32_t wheel_word;	/* low 28 bits: the wheel's; high 4: see tcp_rexmt_count() */
	/* low 24 bits: extension record, 0 none; high 8: time of ts_recent >> 24 */
	uint32_t ext_word;
	uint32_t user;		/* the handler's word */
	/* number of the state's bit: read by tcp_state(), moved by tcp_move_from() only */
	uint8_t state_bit;
	uint8_t timer : 3;	/* enum tcp_timer */
	uint8_t spare : 2;	/* the owner's (lib/stack); lib/tcp leaves them alone */
	uint8_t challenges : 3;	/* challenge ACKs of this second, see arrives.c */
	uint16_t generation;	/* of this record: a handle with another one is stale */
	uint16_t snd_wnd;	/* as received, to be shifted by the peer's scale */
	/* largest payload we may send, options not subtracted; of a SYN with data, what it takes */
	uint16_t mss;
	uint16_t srtt_coarse;	/* smoothed RTT, units of 1/4 ms, saturating; 0: none yet */
	uint16_t user_deadline;	/* handler's timer, units of 64 ms modulo 2^16; 0: off */
	uint16_t listener;	/* listener id, or connect-group id */
	uint16_t nexthop;	/* neighbour entry */
	uint8_t scales;		/* low nibble: peer's shift (send), high: ours (receive) */
	uint8_t flags;		/* enum tcp_conn_flag */
	uint16_t laddr;		/* index of the local address: first two octets of the key */
};
static_assert(TCP_TIMER_RESEND < 8, "the timer's kind has three bits");
static_assert(sizeof(struct tcp_conn) == 56, "56 + 8 octets of IPv4 key must be one cache line");
static_assert(offsetof(struct tcp_conn, wheel_word) == 24, "the wheel is told this offset");
static_assert(offsetof(struct tcp_conn, laddr) == 54, "the key must be contiguous from here");

/**
 * The state. Kept as a number in an octet of its own: a field of bits beside others is stored by
 * octets and loaded by words, and each load then waits for the store (no store forwarding). A
 * zeroed record is CLOSED.
 */
MR_INLINE enum tcp_state tcp_state(const struct tcp_conn *c)
{
	return (enum tcp_state)(1u << c->state_bit);
}

/* Named predicates over states: use these, never comparisons. */
#define TCP_SYNCHRONIZED \
	(TCP_ESTABLISHED | TCP_FIN_WAIT_1 | TCP_FIN_WAIT_2 | TCP_CLOSE_WAIT | TCP_CLOSING | \
	 TCP_LAST_ACK | TCP_TIME_WAIT)
MR_INLINE bool tcp_synchronized(const struct tcp_conn *c)
{
	return (tcp_state(c) & TCP_SYNCHRONIZED) != 0;
}
/** May the peer still send us data? */
MR_INLINE bool tcp_may_receive(const struct tcp_conn *c)
{
	return (tcp_state(c) & (TCP_ESTABLISHED | TCP_FIN_WAIT_1 | TCP_FIN_WAIT_2)) != 0;
}
/** May we still send data (our FIN is not yet sent)? */
MR_INLINE bool tcp_may_send(const struct tcp_conn *c)
{
	return (tcp_state(c) & (TCP_ESTABLISHED | TCP_CLOSE_WAIT)) != 0;
}
/** Our FIN has been sent. */
MR_INLINE bool tcp_fin_sent(const struct tcp_conn *c)
{
	return (tcp_state(c) & (TCP_FIN_WAIT_1 | TCP_FIN_WAIT_2 | TCP_CLOSING | TCP_LAST_ACK |
			    TCP_TIME_WAIT)) != 0;
}
/** Our FIN is the last thing sent and not acknowledged yet. */
MR_INLINE bool tcp_fin_outstanding(const struct tcp_conn *c)
{
	return (tcp_state(c) & (TCP_FIN_WAIT_1 | TCP_CLOSING | TCP_LAST_ACK)) != 0;
}
/** Our SYN is not acknowledged yet: SND.UNA is the ISS (but see tcp_fast_opened()). */
MR_INLINE bool tcp_opening(const struct tcp_conn *c)
{
	return (tcp_state(c) & (TCP_SYN_SENT | TCP_SYN_RCVD)) != 0;
}

MR_INLINE unsigned int tcp_snd_shift(const struct tcp_conn *c)
{
	unsigned int s = c->scales & 15u;

	return s == TCP_SCALE_NONE ? 0 : s;
}
MR_INLINE unsigned int tcp_rcv_shift(const struct tcp_conn *c)
{
	unsigned int s = c->scales >> 4;

	return s == TCP_SCALE_NONE ? 0 : s;
}
/** SND.WND in octets. */
MR_INLINE uint32_t tcp_snd_wnd(const struct tcp_conn *c)
{
	return (uint32_t)c->snd_wnd << tcp_snd_shift(c);
}
/** RCV.WND in octets: what remains of the advertised window. */
MR_INLINE uint32_t tcp_rcv_wnd(const struct tcp_conn *c) { return c->rcv_edge - c->rcv_nxt; }

MR_INLINE uint32_t tcp_ext_index(const struct tcp_conn *c) { return c->ext_word & 0x00ffffffu; }
MR_INLINE void tcp_set_ext_index(struct tcp_conn *c, uint32_t i)
{
	MR_CHECK(i <= MR_EXT_MAX);
	c->ext_word = (c->ext_word & 0xff000000u) | i;
}
/*
 * Age of TS.Recent, in units of 2^24 ms (4.7 hours) modulo 2^8: the whole range of a 32-bit clock.
 */
#define TCP_TS_AGE_SHIFT	24u
MR_INLINE void tcp_set_ts_recent(struct tcp_conn *c, uint32_t tsval, uint32_t now_ms)
{
	c->ts_recent = tsval;
	c->ext_word = (c->ext_word & 0x00ffffffu) | (now_ms & ~((1u << TCP_TS_AGE_SHIFT) - 1));
}
MR_INLINE uint8_t tcp_ts_age(const struct tcp_conn *c, uint32_t now_ms)
{
	return (uint8_t)((now_ms >> TCP_TS_AGE_SHIFT) - (c->ext_word >> TCP_TS_AGE_SHIFT));
}
/**
 * Expiries of the running timer without an answer: retransmissions of the oldest segment, or
 * probes. With nothing outstanding and no extension yet it still tells of the SYN, which matters
 * when data starts (RFC 6298 5.7, RFC 5681 3.1).
 */
MR_INLINE unsigned int tcp_rexmt_count(const struct tcp_conn *c) { return c->wheel_word >> 28; }
MR_INLINE void tcp_set_rexmt_count(struct tcp_conn *c, unsigned int n)
{
	MR_CHECK(n <= MR_RETRIES_MAX);
	c->wheel_word = (c->wheel_word & 0x0fffffffu) | (uint32_t)n << 28;
}

#endif /* MR_TCP_CONN_H */
