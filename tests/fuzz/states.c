/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Brings the tuples of pair.h to the states that their kinds are named after, on both sides.
 */
#include "check.h"
#include "pair.h"

/* What a segment has beside what the record says: octets, and how far its numbers are off. */
struct off {
	uint8_t flags;
	uint16_t len;
	uint32_t seq, ack;
};

static void segment(uint32_t t, struct off o)
{
	const struct view *v = peer_view(t);
	struct tcp_seg seg = {.flags = o.flags, .seq = v->rcv_nxt + o.seq,
			      .ack = v->snd_nxt + o.ack, .wnd = 60000, .len = o.len, .mss = 1460,
			      .wscale = 7, .tsval = (uint32_t)(now_us / 1000), .tsecr = v->tsecr};
	static struct pair_frame f;

	seg.opts = setup.options & (TCP_OPT_TS | TCP_OPT_WS | TCP_OPT_SACK_OK);
	if (o.flags & TCP_SYN)
		seg.opts |= TCP_OPT_MSS;
	if ((o.flags & TCP_SYN) != 0 && (setup.options & O_FASTOPEN) != 0)
		peer_fastopen(t, &seg, kind_of(t) == K_ESTABLISHED);
	if ((o.flags & TCP_SYN) == 0)
		seg.opts &= TCP_OPT_TS;
	/* Timestamps that were not negotiated stay away. */
	if ((setup.params & P_NO_TS) != 0 && (o.flags & TCP_SYN) == 0)
		seg.opts = 0;
	peer_frame(t, &seg, NULL, 0, &f);
	pair_receive(&f, 1);
}

static void call(uint32_t t, enum mr_reason (*fn)(struct mr_worker *w, mr_conn c))
{
	for (unsigned int i = 0; i < 2; i++) {
		fn(side[i].w, side[i].conn[t]);
		stack_turn(side[i].w);
		stack_flush(side[i].w);
	}
}

/* With Fast Open one of them by data of its SYN, for the cookie that K_SYN_RCVD has asked for. */
static void establish(uint32_t t)
{
	const bool fast = (setup.options & O_FASTOPEN) != 0 && kind_of(t) == K_ESTABLISHED;

	segment(t, (struct off){.flags = TCP_SYN, .len = fast ? 100 : 0});
	segment(t, (struct off){.flags = TCP_ACK});
}

/* We close first. */
static void close_first(uint32_t t)
{
	establish(t);
	call(t, mr_shutdown);
	if (kind_of(t) == K_FIN_WAIT_2 || kind_of(t) == K_TIME_WAIT)
		segment(t, (struct off){.flags = TCP_ACK});
	if (kind_of(t) == K_CLOSING)	/* our FIN is not acknowledged */
		segment(t, (struct off){.flags = TCP_ACK | TCP_FIN, .ack = -1u});
	if (kind_of(t) == K_TIME_WAIT)
		segment(t, (struct off){.flags = TCP_ACK | TCP_FIN});
}

/* We called; data lies in flight on both sides, the peer's second piece came and its first not. */
static void busy(uint32_t t)
{
	static const uint8_t octets[9000];

	segment(t, (struct off){.flags = TCP_SYN | TCP_ACK});
	for (unsigned int i = 0; i < 2; i++) {
		mr_send_copy(side[i].w, side[i].conn[t], octets, sizeof(octets), 0);
		stack_turn(side[i].w);
		stack_flush(side[i].w);
	}
	segment(t, (struct off){.flags = TCP_ACK, .len = 100, .ack = -9000u});
	segment(t, (struct off){.flags = TCP_ACK, .len = 100, .seq = 300, .ack = -9000u});
	segment(t, (struct off){.flags = TCP_ACK, .len = 100, .seq = 800, .ack = -9000u});
}

static void open_both_families(enum kind kind)
{
	static struct pair_frame answers[2];

	for (uint32_t f = 0; f < 2; f++)
		pair_connect(2 * kind + f);
	peer_neighbours(answers);
	pair_receive(answers, 2);
}

static void prepare(uint32_t t)
{
	switch (kind_of(t)) {
	case K_SYN_RCVD:
		segment(t, (struct off){.flags = TCP_SYN});
		break;
	case K_ESTABLISHED:
	case K_NOBODY:
		establish(t);
		break;
	case K_FIN_WAIT_1:
	case K_FIN_WAIT_2:
	case K_CLOSING:
	case K_TIME_WAIT:
		close_first(t);
		break;
	case K_CLOSE_WAIT:
	case K_LAST_ACK:
		establish(t);
		segment(t, (struct off){.flags = TCP_ACK | TCP_FIN});
		if (kind_of(t) == K_LAST_ACK)
			call(t, mr_shutdown);
		break;
	case K_BUSY:
		busy(t);
		break;
	case K_CLOSED:
	case K_LISTEN:
	case K_SYN_SENT:
	case KINDS:
	default:
		break;
	}
}

/* Where each kind must be; 0: there is no record. */
static unsigned int state_of(enum kind kind)
{
	static const unsigned int states[KINDS] = {
		0, 0, TCP_SYN_SENT, TCP_SYN_RCVD, TCP_ESTABLISHED, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2,
		TCP_CLOSE_WAIT, TCP_CLOSING, TCP_LAST_ACK, 0, TCP_ESTABLISHED, TCP_ESTABLISHED,
	};

	return states[kind];
}

static void check(void)
{
	for (uint32_t t = 0; t < TUPLES; t++) {
		const struct tcp_conn *c = tuple_record(side[0].w, t);

		MR_ASSERT((c == NULL ? 0 : (unsigned int)tcp_state(c)) == state_of(kind_of(t)));
	}
	for (uint32_t f = 0; f < 2; f++) {
		struct stack_stats s;

		stack_stats(side[0].w, &s);
		MR_ASSERT(s.time_wait[f] == 1);
	}
}

void states_prepare(void)
{
	open_both_families(K_SYN_SENT);
	open_both_families(K_BUSY);
	for (uint32_t t = 0; t < TUPLES; t++)
		prepare(t);
	if ((setup.params & P_TIGHT) == 0)
		check();
	same_or_abort();
}
