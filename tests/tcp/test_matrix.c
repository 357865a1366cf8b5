/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State x event: eleven states, sixteen combinations of SYN FIN RST ACK, six places of SEG.SEQ,
 * four of SEG.ACK, with and without data. What is expected is written below as RFC 9293 section
 * 3.10.7 says it (with RFC 5961, 6191 and 1337), as tables in which the first row that fits
 * decides.
 *
 * Where we differ from the letter, the row says "ours".
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "world.h"

enum seq_class { S_OLD = 1, S_LEFT = 2, S_AT = 4, S_IN = 8, S_EDGE = 16, S_BEYOND = 32,
		S_ANY = 63 };
enum ack_class { A_OLD = 1, A_UNA = 2, A_NXT = 4, A_FUTURE = 8, A_OFF = 16, A_ANY = 31 };
enum { D_NO = 1, D_YES = 2, D_ANY = 3 };
enum { ACC_NO = 1, ACC_YES = 2, ACC_ANY = 3 };
enum answer { NONE, ACK, RST, RST_ACK, SYN_ACK, CREATE, REOPEN, RESTART };
#define GOES_ON 0x8000u		/* the first table leaves the rest to the second */
#define GONE TCP_CLOSED
#define OCTETS 10u

static const char *const answer_name[] = {"nothing", "ACK", "RST", "RST,ACK", "SYN,ACK", "create",
					  "reopen", "ACK and restart"};

struct event {
	unsigned int flags, seq, ack, data, acc;
};

struct row {
	uint16_t states;
	uint8_t set, clear;	/* flags */
	uint8_t seq, ack, data, acc;
	uint8_t answer;
	uint16_t next;		/* 0: stays; GONE; or the state entered, perhaps with GOES_ON */
	uint8_t octets;		/* delivered */
	const char *why;
};

#define SYNCED (TCP_SYNCHRONIZED & ~TCP_TIME_WAIT)
#define ALL_4 (SYNCED | TCP_SYN_RCVD)
#define ANY S_ANY, A_ANY, D_ANY, ACC_ANY
#define IF_ACC S_ANY, A_ANY, D_ANY, ACC_YES
#define IF_NOT S_ANY, A_ANY, D_ANY, ACC_NO

/* Up to the fifth step. */
static const struct row checks[] = {
	/* 3.10.7.1 CLOSED */
	{TCP_CLOSED, TCP_RST, 0, ANY, NONE, 0, 0, "3.10.7.1 RST is discarded"},
	{TCP_CLOSED, TCP_ACK, 0, ANY, RST, 0, 0, "3.10.7.1 <SEQ=SEG.ACK><CTL=RST>"},
	{TCP_CLOSED, 0, 0, ANY, RST_ACK, 0, 0, "3.10.7.1 <SEQ=0><ACK=SEG.SEQ+SEG.LEN>"},
	/* 3.10.7.2 LISTEN */
	{TCP_LISTEN, TCP_RST, 0, ANY, NONE, 0, 0, "3.10.7.2 first: ignore RST"},
	{TCP_LISTEN, TCP_ACK, 0, ANY, RST, 0, 0, "3.10.7.2 second: any ACK is bad"},
	{TCP_LISTEN, TCP_SYN | TCP_FIN, 0, ANY, NONE, 0, 0, "ours: SYN with FIN is no opening"},
	{TCP_LISTEN, TCP_SYN, 0, ANY, CREATE, 0, 0, "3.10.7.2 third"},
	{TCP_LISTEN, 0, 0, ANY, NONE, 0, 0, "3.10.7.2 fourth: drop"},
	/* 3.10.7.3 SYN_SENT: ISS =< nothing but ISS+1 acknowledges */
	{TCP_SYN_SENT, TCP_ACK | TCP_RST, 0, S_ANY, A_OLD | A_UNA | A_FUTURE, D_ANY, ACC_ANY, NONE,
	 0, 0,
	 "3.10.7.3 first: unless RST"},
	{TCP_SYN_SENT, TCP_ACK, 0, S_ANY, A_OLD | A_UNA | A_FUTURE, D_ANY, ACC_ANY, RST, 0, 0,
	 "3.10.7.3 first: <SEQ=SEG.ACK><CTL=RST>"},
	{TCP_SYN_SENT, TCP_ACK | TCP_RST, 0, ANY, NONE, GONE, 0,
	 "3.10.7.3 second: connection reset"},
	{TCP_SYN_SENT, TCP_RST, 0, ANY, NONE, 0, 0, "3.10.7.3 second: no ACK, drop"},
	{TCP_SYN_SENT, TCP_SYN | TCP_ACK | TCP_FIN, 0, S_ANY, A_ANY, D_YES, ACC_ANY, ACK,
	 TCP_CLOSE_WAIT,
	 OCTETS, "3.10.7.3 fourth, then text and FIN"},
	{TCP_SYN_SENT, TCP_SYN | TCP_ACK | TCP_FIN, 0, ANY, ACK, TCP_CLOSE_WAIT, 0,
	 "the same without text"},
	{TCP_SYN_SENT, TCP_SYN | TCP_ACK, 0, S_ANY, A_ANY, D_YES, ACC_ANY, ACK, TCP_ESTABLISHED,
	 OCTETS,
	 "3.10.7.3 fourth, then text"},
	{TCP_SYN_SENT, TCP_SYN | TCP_ACK, 0, ANY, ACK, TCP_ESTABLISHED, 0, "3.10.7.3 fourth"},
	{TCP_SYN_SENT, TCP_SYN, 0, ANY, SYN_ACK, TCP_SYN_RCVD, 0,
	 "3.10.7.3 fourth: simultaneous open"},
	{TCP_SYN_SENT, 0, 0, ANY, NONE, 0, 0, "3.10.7.3 fifth: neither SYN nor RST"},
	/* 3.10.7.4, figure 8: the peer's SYN again, before our SYN is acknowledged */
	{TCP_SYN_RCVD, TCP_SYN, TCP_RST | TCP_ACK, S_LEFT, A_ANY, D_ANY, ACC_ANY, SYN_ACK, 0, 0,
	 "ours: a repeated SYN is answered by SYN-ACK again"},
	{TCP_SYN_RCVD, TCP_SYN | TCP_ACK, TCP_RST, S_LEFT, A_NXT, D_ANY, ACC_ANY, NONE,
	 TCP_ESTABLISHED | GOES_ON, 0, "3.5 figure 8 line 6"},
	{TCP_SYN_RCVD, TCP_SYN | TCP_ACK, TCP_RST, S_LEFT, A_ANY, D_ANY, ACC_ANY, RST, 0, 0,
	 "3.10.7.4 fifth, SYN_RCVD: reset"},
	/* first: sequence number */
	{ALL_4, 0, TCP_SYN | TCP_FIN | TCP_RST, S_EDGE, A_ANY, D_NO, ACC_ANY, NONE, GOES_ON, 0,
	 "ours: a segment without octets may stand at the right edge"},
	{ALL_4, TCP_RST, 0, IF_NOT, NONE, 0, 0, "3.10.7.4 first: unless RST"},
	{ALL_4, 0, 0, IF_NOT, ACK, 0, 0, "3.10.7.4 first: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>"},
	/* second: RST, RFC 5961 3.2 */
	{ALL_4, TCP_RST, 0, S_AT, A_ANY, D_ANY, ACC_YES, NONE, GONE, 0, "RFC 5961 3.2: exact"},
	{ALL_4, TCP_RST, 0, S_IN, A_ANY, D_ANY, ACC_YES, ACK, 0, 0, "RFC 5961 3.2: challenge"},
	{ALL_4, TCP_RST, 0, IF_ACC, NONE, 0, 0, "RFC 5961 3.2: SEG.SEQ is outside of the window"},
	/* fourth: SYN */
	{TCP_SYN_RCVD, TCP_SYN, 0, IF_ACC, NONE, GONE, 0,
	 "3.10.7.4 fourth: passive, back to LISTEN"},
	{SYNCED, TCP_SYN, 0, IF_ACC, ACK, 0, 0, "RFC 5961 4.2: challenge"},
};

/* Fifth step on, for acceptable segments without SYN and RST. */
static const struct row fifth[] = {
	{ALL_4, 0, TCP_ACK, ANY, NONE, 0, 0, "fifth: ACK bit off, drop"},
	{TCP_SYN_RCVD, 0, 0, S_ANY, A_OLD | A_UNA | A_FUTURE, D_ANY, ACC_ANY, RST, 0, 0,
	 "fifth: reset"},
	{TCP_SYN_RCVD, 0, 0, ANY, NONE, TCP_ESTABLISHED | GOES_ON, 0, "fifth: enter ESTABLISHED"},
	{SYNCED, 0, 0, S_ANY, A_OLD | A_FUTURE, D_ANY, ACC_ANY, ACK, 0, 0, "fifth, RFC 5961 5.2"},
	{TCP_FIN_WAIT_1, 0, 0, S_ANY, A_NXT, D_ANY, ACC_ANY, NONE, TCP_FIN_WAIT_2 | GOES_ON, 0,
	 "fifth: our FIN is acknowledged"},
	{TCP_CLOSING, 0, 0, S_ANY, A_NXT, D_ANY, ACC_ANY, NONE, TCP_TIME_WAIT, 0, "fifth, CLOSING"},
	{TCP_LAST_ACK, 0, 0, S_ANY, A_NXT, D_ANY, ACC_ANY, NONE, GONE, 0, "fifth, LAST-ACK"},
	{SYNCED, 0, 0, ANY, NONE, GOES_ON, 0, "fifth: nothing new"},
};

#define OPEN (TCP_ESTABLISHED | TCP_FIN_WAIT_1 | TCP_FIN_WAIT_2)

/* Seventh and eighth: text and FIN. */
static const struct row text[] = {
	{TCP_ESTABLISHED, TCP_FIN, 0, S_AT, A_ANY, D_YES, ACC_ANY, ACK, TCP_CLOSE_WAIT, OCTETS,
	 "eighth"},
	{TCP_FIN_WAIT_1, TCP_FIN, 0, S_AT, A_ANY, D_YES, ACC_ANY, ACK, TCP_CLOSING, OCTETS,
	 "eighth"},
	{TCP_FIN_WAIT_2, TCP_FIN, 0, S_AT, A_ANY, D_YES, ACC_ANY, ACK, TCP_TIME_WAIT, OCTETS,
	 "eighth"},
	{TCP_ESTABLISHED, TCP_FIN, 0, S_LEFT, A_ANY, D_YES, ACC_ANY, ACK, TCP_CLOSE_WAIT,
	 OCTETS - 1, "eighth"},
	{TCP_FIN_WAIT_1, TCP_FIN, 0, S_LEFT, A_ANY, D_YES, ACC_ANY, ACK, TCP_CLOSING, OCTETS - 1,
	 "eighth"},
	{TCP_FIN_WAIT_2, TCP_FIN, 0, S_LEFT, A_ANY, D_YES, ACC_ANY, ACK, TCP_TIME_WAIT, OCTETS - 1,
	 "eighth"},
	{TCP_ESTABLISHED, TCP_FIN, 0, S_AT, A_ANY, D_NO, ACC_ANY, ACK, TCP_CLOSE_WAIT, 0, "eighth"},
	{TCP_FIN_WAIT_1, TCP_FIN, 0, S_AT, A_ANY, D_NO, ACC_ANY, ACK, TCP_CLOSING, 0, "eighth"},
	{TCP_FIN_WAIT_2, TCP_FIN, 0, S_AT, A_ANY, D_NO, ACC_ANY, ACK, TCP_TIME_WAIT, 0, "eighth"},
	{OPEN, TCP_FIN, 0, S_IN, A_ANY, D_ANY, ACC_ANY, ACK, 0, 0, "RFC 5681 4.2: out of order"},
	{OPEN, 0, 0, S_IN, A_ANY, D_YES, ACC_ANY, ACK, 0, 0, "RFC 5681 4.2: out of order"},
	{OPEN, 0, 0, S_AT, A_ANY, D_YES, ACC_ANY, NONE, 0, OCTETS,
	 "seventh; the ACK may wait (3.8.6.3)"},
	{OPEN, 0, 0, S_LEFT, A_ANY, D_YES, ACC_ANY, ACK, 0, OCTETS - 1,
	 "seventh: what is old is cut"},
	{SYNCED, 0, 0, S_LEFT, A_ANY, D_YES, ACC_ANY, ACK, 0, 0,
	 "part of it is old: acknowledged again"},
	{SYNCED, 0, 0, ANY, NONE, 0, 0, "no text, or ignored after the peer's FIN"},
};

/*
 * 3.10.7.4 TIME-WAIT with RFC 6191 (no timestamps) and RFC 1337. Behind a FIN nothing is
 * acceptable.
 */
static const struct row time_wait[] = {
	{TCP_TIME_WAIT, TCP_RST, 0, ANY, NONE, 0, 0, "RFC 1337"},
	{TCP_TIME_WAIT, TCP_SYN, TCP_ACK | TCP_FIN, S_OLD | S_LEFT, A_ANY, D_ANY, ACC_ANY, NONE, 0,
	 0,
	 "RFC 6191: silently drop"},
	{TCP_TIME_WAIT, TCP_SYN, TCP_ACK | TCP_FIN, ANY, REOPEN, 0, 0,
	 "RFC 6191: SEG.SEQ is higher"},
	{TCP_TIME_WAIT, TCP_SYN, 0, ANY, ACK, 0, 0, "RFC 5961 4.2"},
	{TCP_TIME_WAIT, TCP_FIN, 0, S_LEFT, A_ANY, D_NO, ACC_ANY, RESTART, 0, 0,
	 "the FIN again: 2MSL restarts"},
	{TCP_TIME_WAIT, TCP_FIN, 0, ANY, ACK, 0, 0, "first: not acceptable"},
	{TCP_TIME_WAIT, 0, 0, S_ANY, A_ANY, D_YES, ACC_ANY, ACK, 0, 0, "first: not acceptable"},
	{TCP_TIME_WAIT, 0, 0, S_ANY & ~S_AT, A_ANY, D_NO, ACC_ANY, ACK, 0, 0,
	 "first: not acceptable"},
	{TCP_TIME_WAIT, 0, TCP_ACK, ANY, NONE, 0, 0, "fifth: ACK bit off"},
	{TCP_TIME_WAIT, 0, 0, S_ANY, A_NXT, D_ANY, ACC_ANY, NONE, 0, 0, "nothing new"},
	{TCP_TIME_WAIT, 0, 0, ANY, ACK, 0, 0, "fifth, RFC 5961 5.2"},
};

static const struct row *match(const struct row *rows, unsigned int n, unsigned int state,
			       const struct event *e)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct row *r = &rows[i];

		if ((r->states & state) && (e->flags & r->set) == r->set &&
		    (e->flags & r->clear) == 0 &&
		    (r->seq & e->seq) && (r->ack & e->ack) && (r->data & e->data) &&
				(r->acc & e->acc))
			return r;
	}
	return NULL;
}

/* RFC 9293 3.10.7.4, table 6: the four cases. */
static unsigned int acceptable(const struct tcp_conn *c, uint32_t seq, uint32_t len)
{
	uint32_t wnd = tcp_rcv_wnd(c);

	if (len == 0)
		return (wnd == 0 ? seq == c->rcv_nxt : seq - c->rcv_nxt < wnd) ? ACC_YES : ACC_NO;
	if (wnd == 0)
		return ACC_NO;
	return seq - c->rcv_nxt < wnd || seq + len - 1 - c->rcv_nxt < wnd ? ACC_YES : ACC_NO;
}

struct expected {
	enum answer answer;
	unsigned int state;	/* afterwards; GONE */
	uint32_t octets;
	const char *why;
};

static struct expected expect(unsigned int state, struct event e)
{
	struct expected x = {NONE, state, 0, ""};
	const struct row *r = match(checks, MR_ARRAY_LEN(checks), state, &e);
	unsigned int now = state;

	if (state == TCP_TIME_WAIT)
		r = match(time_wait, MR_ARRAY_LEN(time_wait), state, &e);
	/* The SYN of figure 8 was cut off: what follows stands at RCV.NXT. */
	if (r != NULL && (r->next & GOES_ON) && (e.flags & TCP_SYN))
		e.seq = S_AT;
	else if (r == NULL || (r->next & GOES_ON))
		r = match(fifth, MR_ARRAY_LEN(fifth), state, &e);
	cr_assert_not_null(r);
	if (r->next & ~GOES_ON)
		now = r->next & ~GOES_ON;
	if (r->next & GOES_ON) {
		r = match(text, MR_ARRAY_LEN(text), now, &e);
		if (r->next != 0)
			now = r->next;
	}
	x.answer = r->answer;
	x.state = now;
	x.octets = r->octets;
	x.why = r->why;
	return x;
}

/* ---- what really happens ---- */

static enum answer answer_of(const struct world *w)
{
	const struct tcp_seg *seg = &w->out[0].seg;

	if (w->v.bits & TCP_V_CREATE)
		return CREATE;
	if (w->v.bits & TCP_V_REOPEN)
		return REOPEN;
	if (w->v.bits & TCP_V_TW_ACK)
		return w->v.bits & TCP_V_RESTART_2MSL ? RESTART : ACK;
	if (w->v.bits & TCP_V_RST)
		return w->v.rst.flags & TCP_ACK ? RST_ACK : RST;
	cr_assert_leq(w->nout, 1);
	if (w->nout == 0)
		return NONE;
	if (seg->flags & TCP_SYN)
		return SYN_ACK;
	cr_assert(seg->flags == TCP_ACK && seg->seq == w->c.snd_nxt && seg->ack == w->c.rcv_nxt);
	return ACK;
}

static const struct {
	unsigned int state;
	void (*make)(struct world *w);
} fixtures[] = {
	{TCP_CLOSED, NULL}, {TCP_LISTEN, NULL}, {TCP_SYN_SENT, syn_sent}, {TCP_SYN_RCVD, syn_rcvd},
	{TCP_ESTABLISHED, established}, {TCP_FIN_WAIT_1, fin_wait_1}, {TCP_FIN_WAIT_2, fin_wait_2},
	{TCP_CLOSE_WAIT, close_wait}, {TCP_CLOSING, closing}, {TCP_LAST_ACK, last_ack},
			{TCP_TIME_WAIT, NULL},
};
static_assert(MR_ARRAY_LEN(fixtures) == TCP_STATES, "every state has its row of the matrix");

static uint32_t seq_of(const struct world *w, unsigned int seq)
{
	switch (seq) {
	case S_OLD: return w->c.rcv_nxt - 100;
	case S_LEFT: return w->c.rcv_nxt - 1;
	case S_IN: return w->c.rcv_nxt + 100;
	case S_EDGE: return w->c.rcv_edge;
	case S_BEYOND: return w->c.rcv_edge + 100;
	default: return w->c.rcv_nxt;
	}
}

static uint32_t ack_of(const struct world *w, unsigned int ack)
{
	switch (ack) {
	case A_OLD: return w->c.snd_una - 100000;
	case A_UNA: return w->c.snd_una;
	case A_FUTURE: return w->c.snd_nxt + 1;
	case A_OFF: return 0;
	default: return w->c.snd_nxt;
	}
}

static void arrive_anywhere(struct world *w, unsigned int state, const struct tcp_seg *seg)
{
	struct tcp_tw tw = {w->c.snd_nxt, w->c.rcv_nxt, 0, false, 65535};

	w->nout = 0;
	if (state == TCP_CLOSED)
		tcp_closed_arrives(&w->cx, seg, &w->v);
	else if (state == TCP_LISTEN)
		tcp_listen_arrives(&w->cx, seg, &w->v);
	else if (state == TCP_TIME_WAIT)
		tcp_time_wait_arrives(&w->cx, &tw, seg, &w->v);
	else
		world_arrives(w, seg);
}

static bool cell(unsigned int f, struct event e)
{
	unsigned int state = fixtures[f].state, after;
	struct expected x;
	struct tcp_seg seg;
	struct world w;

	world_init(&w);
	if (fixtures[f].make != NULL)
		fixtures[f].make(&w);
	else
		established(&w);
	if (e.ack == A_UNA && w.c.snd_una == w.c.snd_nxt && state != TCP_TIME_WAIT) {
		world_fini(&w);
		return false;		/* the same as A_NXT */
	}
	seg = world_seg(&w, e.flags, e.data == D_YES ? OCTETS : 0);
	seg.seq = seq_of(&w, e.seq);
	seg.ack = ack_of(&w, state == TCP_TIME_WAIT && e.ack == A_UNA ? A_NXT : e.ack);
	e.ack = state == TCP_TIME_WAIT && e.ack == A_UNA ? A_NXT : e.ack;
	e.acc = acceptable(&w.c, seg.seq, tcp_seg_space(&seg));
	x = expect(state, e);
	w.delivered = 0;
	arrive_anywhere(&w, state, &seg);
	after = fixtures[f].make == NULL ? state : tcp_state(&w.c);
	cr_expect(answer_of(&w) == x.answer && after == x.state && w.delivered == x.octets,
		  "%s, flags %02x seq %u ack %u data %u acc %u: %s, %s, %u octets; "
		  "expected %s, %s, %u: %s",
		  tcp_state_name(state), e.flags, e.seq, e.ack, e.data, e.acc,
		  answer_name[answer_of(&w)], tcp_state_name(after), w.delivered,
				answer_name[x.answer],
		  tcp_state_name(x.state), x.octets, x.why);
	if (answer_of(&w) == RST)
		cr_expect(w.v.rst.seq == seg.ack);
	if (answer_of(&w) == RST_ACK)
		cr_expect(w.v.rst.seq == 0 && w.v.rst.ack == seg.seq + tcp_seg_space(&seg));
	world_fini(&w);
	return true;
}

static unsigned int cells_of_flags(unsigned int f, unsigned int flags)
{
	unsigned int count = 0;
	struct event e = {.flags = flags};
	unsigned int first = flags & TCP_ACK ? A_OLD : A_OFF;
	unsigned int last = flags & TCP_ACK ? A_FUTURE : A_OFF;

	for (e.seq = S_OLD; e.seq <= S_BEYOND; e.seq <<= 1)
		for (e.ack = first; e.ack <= last; e.ack <<= 1)
			for (e.data = D_NO; e.data <= D_YES; e.data++)
				count += cell(f, e);
	return count;
}

Test(tcp_matrix, every_state_and_event)
{
	static const uint8_t bits[] = {TCP_SYN, TCP_FIN, TCP_RST, TCP_ACK};
	unsigned int count = 0;

	for (unsigned int f = 0; f < MR_ARRAY_LEN(fixtures); f++) {
		for (unsigned int combination = 0; combination < 16; combination++) {
			unsigned int flags = 0;

			for (unsigned int b = 0; b < 4; b++)
				flags |= combination >> b & 1 ? bits[b] : 0;
			count += cells_of_flags(f, flags);
		}
	}
	printf("tcp_matrix: %u cells\n", count);
	cr_expect_gt(count, 4000);
}
