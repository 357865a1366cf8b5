/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening, closing and counting. HOT PATH but for creation: no allocation, no lock, no log, no
 * division; about 60 cycles a connection, most of them the three readings of the clock. The modes
 * that carry data are in request.c.
 */
#include <stdlib.h>

#include "bounds.h"
#include "client.h"
#include "stack.h"

#define NO_SLOT UINT32_MAX
/* Tuples tried for one open before it counts as refused: each may rest in TIME_WAIT. */
#define TUPLE_TRIES 8u
/* After a refused open a closed loop waits so long: asking at once would be refused again. */
#define PAUSE_US 1000u
/* Until one was established, one is tried in this time: a target that refuses is not flooded. */
#define FIRST_AGAIN_US 100000u
#define LATE_PER_TURN 4096u
#define FORCED_PER_TURN 64u
/* Slots looked at for one to close. */
#define SLOTS_PER_TURN 4096u

/* A connection we opened has no handler's pointer, so a worker's client is found by the worker. */
static struct mb_client *client_of_worker[MR_WORKERS_MAX];

struct mb_client *mb_client_of(struct mr_worker *w)
{
	return client_of_worker[mr_worker_id(w)];
}

void mb_client_bind(struct mr_worker *w, struct mb_client *cl)
{
	client_of_worker[mr_worker_id(w)] = cl;
	cl->worker = w;
}

/* ---- Creation ---- */

uint32_t mb_client_slot_octets(const struct mb_options *o)
{
	bool pieces = o->http[0] == '\0' && o->request_octets > MB_COPY_OCTETS;

	return (uint32_t)(sizeof(struct mb_slot) + (pieces ? sizeof(uint32_t) : 0));
}

uint64_t mb_client_octets(const struct mb_options *o, uint32_t slots)
{
	return sizeof(struct mb_client) + (uint64_t)slots * mb_client_slot_octets(o);
}

static bool map_slots(struct mb_client *cl, uint32_t n)
{
	if (mr_bigmem_map(&cl->mem[0], n * sizeof(struct mb_slot), -1) != 0)
		return false;
	cl->slots = cl->mem[0].addr;
	for (uint32_t i = 0; i < n; i++)
		cl->slots[i].left = i + 1 < n ? i + 1 : NO_SLOT;
	cl->free_slot = 0;
	if (cl->load->request_octets <= MB_COPY_OCTETS)
		return true;
	if (mr_bigmem_map(&cl->mem[1], n * sizeof(uint32_t), -1) != 0)
		return false;
	cl->unsent = cl->mem[1].addr;
	return true;
}

struct mb_client *mb_client_create(const struct mb_load *load, unsigned int index)
{
	struct mb_client *cl = calloc(1, sizeof(*cl));
	uint64_t seed = load->seed + index;

	if (cl == NULL)
		return NULL;
	cl->load = load;
	if (!map_slots(cl, load->slots)) {
		mb_client_destroy(cl);
		return NULL;
	}
	cl->hists = &cl->sets[0];
	for (int i = 0; i < 2; i++) {
		mr_hist_reset(&cl->sets[i].handshake);
		mr_hist_reset(&cl->sets[i].request);
		mr_hist_reset(&cl->sets[i].close);
	}
	for (uint32_t i = 0; i < MB_OPENS_AT_ONCE; i++) {
		cl->opts[i].remote = load->target;
		cl->opts[i].callbacks = load->callbacks;
	}
	if (load->rate_per_s > 0)
		mb_pace_init(&cl->pace, load->rate_per_s, load->poisson, load->clock.hz, seed);
	return cl;
}

void mb_client_destroy(struct mb_client *cl)
{
	if (cl == NULL)
		return;
	for (int i = 0; i < 2; i++) {
		if (cl->mem[i].addr != NULL)
			mr_bigmem_unmap(&cl->mem[i]);
	}
	free(cl);
}

/* ---- Opening ---- */

static uint32_t slot_pop(struct mb_client *cl)
{
	uint32_t index = cl->free_slot;

	MR_CHECK(index != NO_SLOT);
	cl->free_slot = cl->slots[index].left;
	return index;
}

static void slot_push(struct mb_client *cl, uint32_t index)
{
	cl->slots[index].left = cl->free_slot;
	cl->free_slot = index;
}

/** A connection was opened for a slot; its handshake counts from since_tsc. */
static void slot_begin(struct mb_client *cl, uint32_t index, uint64_t since_tsc)
{
	struct mb_slot *s = &cl->slots[index];

	cl->used++;
	s->since_tsc = since_tsc;
	s->phase = MB_CONNECTING;
	mb_account_attempt(&cl->account);
}

/** Opens for a slot whose first tuple was refused; how it ended. */
static enum mr_reason open_again(struct mb_client *cl, uint32_t slot, enum mr_reason why)
{
	struct mr_connect_opts opts = {.remote = cl->load->target,
				       .callbacks = cl->load->callbacks,
				       .user = slot};
	mr_conn c;

	for (uint32_t i = 1; i < TUPLE_TRIES && (why == MR_NO_TUPLE || why == MR_ADDRESS_IN_USE);
	     i++) {
		mb_tuples_next(&cl->tuples, &opts.local);
		why = mr_connect(cl->worker, &opts, &c);
	}
	return why;
}

/**
 * Opens n connections (<= MB_OPENS_AT_ONCE), for which there are free slots; handshakes count from
 * since_tsc[i]. Returns how many were opened; the others are accounted as refused.
 */
static uint32_t open_burst(struct mb_client *cl, uint32_t n, const uint64_t *since_tsc)
{
	struct mr_connect_opts *opts = cl->opts;
	struct mr_connect_result out[MB_OPENS_AT_ONCE];
	uint32_t opened = 0;

	for (uint32_t i = 0; i < n; i++) {
		opts[i].user = slot_pop(cl);
		mb_tuples_next(&cl->tuples, &opts[i].local);
	}
	mr_connect_burst(cl->worker, opts, n, out);
	for (uint32_t i = 0; i < n; i++) {
		enum mr_reason why = out[i].why;

		if (MR_UNLIKELY(why != MR_OK))
			why = open_again(cl, opts[i].user, why);
		if (MR_LIKELY(why == MR_OK)) {
			slot_begin(cl, opts[i].user, since_tsc[i]);
			opened++;
			continue;
		}
		slot_push(cl, opts[i].user);
		mb_account_refusal(&cl->account, why == MR_ADDRESS_IN_USE ? MR_NO_TUPLE : why);
	}
	return opened;
}

/** How many a closed loop may open now. */
static uint32_t closed_loop_room(const struct mb_client *cl)
{
	const struct mb_load *load = cl->load;
	uint32_t connecting = (uint32_t)cl->account.connecting, room;

	if (!cl->ready) /* one alone goes ahead, so that ARP or NDP has settled */
		return cl->used == 0;
	if (load->mode != MB_HOLD)
		return load->slots - cl->used;
	/* Connections that failed are not replaced: N were asked for, N are accounted for. */
	room = load->slots - (uint32_t)MR_MIN(cl->account.attempted, load->slots);
	return MR_MIN(room, load->at_once - MR_MIN(connecting, load->at_once));
}

/**
 * Opens of this turn. Each brings two to four frames back, of which a turn receives a burst: while
 * frames wait, here or for the port, a generator that went on opening would lose answers and reach
 * less than it can. What is due is late, and counts so. A small closed loop is safe.
 */
static uint32_t opens_allowed(const struct mb_client *cl, bool many)
{
	unsigned int load = mr_load(cl->worker);

	if (load & MR_LOAD_TX)
		return 0;
	if ((load & MR_LOAD_RX) && (cl->load->rate_per_s > 0 || cl->used > MB_IN_FLIGHT_SAFE))
		return MB_OPENS_PER_TURN / 4;
	return many ? 4 * MB_OPENS_PER_TURN : MB_OPENS_PER_TURN;
}

static bool turn_closed_loop(struct mb_client *cl)
{
	uint32_t room = closed_loop_room(cl);
	uint32_t n = MR_MIN(room, opens_allowed(cl, room > 16 * MB_OPENS_PER_TURN));
	uint64_t since[MB_OPENS_AT_ONCE], now = mb_client_now(cl);

	if (n == 0 || mr_now_us(cl->worker) < cl->pause_until_us)
		return false;
	for (uint32_t i = 0; i < MB_OPENS_AT_ONCE; i++)
		since[i] = now;
	for (uint32_t done = 0; done < n; done += MB_OPENS_AT_ONCE) {
		uint32_t some = MR_MIN(n - done, MB_OPENS_AT_ONCE);

		if (open_burst(cl, some, since) != some) {
			cl->pause_until_us = mr_now_us(cl->worker) + PAUSE_US;
			break;
		}
	}
	if (MR_UNLIKELY(!cl->ready))
		cl->pause_until_us = mr_now_us(cl->worker) + FIRST_AGAIN_US;
	return true;
}

static bool turn_open_loop(struct mb_client *cl)
{
	uint64_t now = mb_client_now(cl), due = mb_pace_due(&cl->pace);
	/* A millisecond behind is far behind. */
	uint32_t limit = opens_allowed(cl, due + (cl->load->clock.hz >> 10) < now);
	uint64_t since[MB_OPENS_AT_ONCE];
	uint32_t n, waiting = 0;

	for (n = 0; n < limit && due <= now; n++) {
		if (MR_UNLIKELY(cl->used + waiting == cl->load->slots))
			mb_account_refusal(&cl->account, MB_NOT_SENT_SLOTS);
		else
			since[waiting++] = due;
		if (waiting == MB_OPENS_AT_ONCE) {
			open_burst(cl, waiting, since);
			waiting = 0;
		}
		mb_pace_step(&cl->pace);
		due = mb_pace_due(&cl->pace);
	}
	open_burst(cl, waiting, since);
	return n > 0;
}

/* ---- The end ---- */

/** Arrivals that were due before the stop, and that nobody came to. */
static bool turn_late(struct mb_client *cl)
{
	uint32_t n;

	for (n = 0; n < LATE_PER_TURN && mb_client_behind(cl); n++) {
		mb_account_refusal(&cl->account, MB_NOT_SENT_LATE);
		mb_pace_step(&cl->pace);
	}
	return n > 0;
}

/**
 * Mode hold: closes all, no more than at_once at a time, round after round: what was still being
 * opened when the closing began is met again.
 */
static bool turn_close_all(struct mb_client *cl)
{
	uint32_t n = 0, seen;

	for (seen = 0; seen < SLOTS_PER_TURN && n < MB_OPENS_PER_TURN; seen++) {
		struct mb_slot *s = &cl->slots[cl->cursor];

		if (cl->closing == cl->used || cl->closing >= cl->load->at_once)
			break;
		if (s->phase == MB_OPEN) {
			mb_client_close(cl, (mr_conn){s->conn_id}, s);
			n++;
		}
		if (++cl->cursor == cl->load->slots)
			cl->cursor = 0;
	}
	return n > 0;
}

/** Mode handshake: those that the last burst established. One that is gone by now is refused. */
static void turn_resets(struct mb_client *cl)
{
	for (uint32_t i = 0; i < cl->nresets; i++)
		mr_abort(cl->worker, cl->resets[i]);
	cl->nresets = 0;
}

static bool turn_of_stage(struct mb_client *cl)
{
	turn_resets(cl);
	switch ((enum mb_stage)cl->stage) {
	case MB_RUNNING:
		/* The arrivals of an open loop begin when the first connection stands. */
		if (cl->load->rate_per_s > 0 && cl->ready)
			return turn_open_loop(cl);
		return turn_closed_loop(cl);
	case MB_STOPPING:
		return turn_late(cl);
	case MB_CLOSING_ALL:
		return turn_close_all(cl);
	case MB_FORCING:
		turn_late(cl);
		return cl->used > 0 && !stack_close_all(cl->worker, true, FORCED_PER_TURN);
	}
	return false;
}

bool mb_client_turn(struct mb_client *cl)
{
	/* The turn's frames took their time: what is opened now is opened now. */
	cl->turn_us = mr_now_us(cl->worker);
	cl->turn_tsc = mr_tsc();
	return turn_of_stage(cl);
}

/* ---- Callbacks ---- */

struct mb_slot *mb_client_opened(struct mb_client *cl, mr_conn c)
{
	struct mb_slot *s = &cl->slots[mr_user(cl->worker, c)];

	MR_CHECK(s->phase == MB_CONNECTING);
	mb_client_record(cl, &cl->hists->handshake, s->since_tsc);
	mb_account_established(&cl->account);
	if (MR_UNLIKELY(!cl->ready)) {
		cl->ready = true;
		cl->pause_until_us = 0;
		if (cl->load->rate_per_s > 0)
			mb_pace_start(&cl->pace, mb_client_now(cl));
	}
	s->phase = MB_OPEN;
	return s;
}

void mb_client_close(struct mb_client *cl, mr_conn c, struct mb_slot *s)
{
	s->since_tsc = mb_client_now(cl);
	s->phase = MB_CLOSING;
	cl->closing++;
	mr_close(cl->worker, c);
}

void mb_client_on_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	struct mb_client *cl = mb_client_of(w);
	uint32_t index = mr_user(w, c);
	struct mb_slot *s = &cl->slots[index];

	MR_CHECK(s->phase != MB_FREE);
	if (s->phase == MB_CLOSING) {
		cl->closing--;
		if (reason == MR_CLOSED)
			mb_client_record(cl, &cl->hists->close, s->since_tsc);
	}
	mb_account_gone(&cl->account, s->phase != MB_CONNECTING, reason);
	s->phase = MB_FREE;
	slot_push(cl, index);
	cl->used--;
}

/**
 * An abort in this callback would put the RST in the place of the handshake's last ACK, and the
 * server would not see the connection established: the RST waits for the next turn.
 */
static void on_connected_reset(struct mr_worker *w, mr_conn c)
{
	struct mb_client *cl = mb_client_of(w);

	mb_client_opened(cl, c);
	if (MR_LIKELY(cl->nresets < MB_RESETS_MAX))
		cl->resets[cl->nresets++] = c;
	else
		mr_abort(w, c);
}

static void on_connected_close(struct mr_worker *w, mr_conn c)
{
	struct mb_client *cl = mb_client_of(w);

	mb_client_close(cl, c, mb_client_opened(cl, c));
}

static void on_connected_wait(struct mr_worker *w, mr_conn c)
{
	mb_client_opened(mb_client_of(w), c);
}

static void on_connected_hold(struct mr_worker *w, mr_conn c)
{
	mb_client_opened(mb_client_of(w), c)->conn_id = c.id;
}

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	struct mb_client *cl = mb_client_of(w);
	struct mb_slot *s = &cl->slots[mr_user(w, c)];

	if (s->phase == MB_OPEN)
		mb_client_close(cl, c, s);
}

const struct mr_callbacks *mb_client_callbacks(uint32_t mode, uint32_t closer)
{
	static const struct mr_callbacks handshake = {.on_connected = on_connected_reset,
						      .on_closed = mb_client_on_closed};
	static const struct mr_callbacks we_close = {.on_connected = on_connected_close,
						     .on_closed = mb_client_on_closed};
	static const struct mr_callbacks peer_closes = {.on_connected = on_connected_wait,
							.on_peer_closed = on_peer_closed,
							.on_closed = mb_client_on_closed};
	static const struct mr_callbacks hold = {.on_connected = on_connected_hold,
						 .on_peer_closed = on_peer_closed,
						 .on_closed = mb_client_on_closed};

	switch ((enum mb_mode)mode) {
	case MB_HANDSHAKE:
		return &handshake;
	case MB_CYCLE:
		return closer == MB_CLOSE_CLIENT ? &we_close : &peer_closes;
	case MB_REQUEST:
	case MB_KEEPALIVE:
		return &mb_request_callbacks;
	case MB_HOLD:
		return &hold;
	}
	return NULL;
}
