/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client half of one worker: opens connections as the load says, and runs each of them through
 * its mode by the callbacks of millrace.h. A connection costs 16 octets here, found by the
 * handler's word; nothing is allocated while it runs. Belongs to its worker; the control thread
 * looks at it and gives orders only through engine_call().
 */
#ifndef MB_CLIENT_H
#define MB_CLIENT_H

#include "account.h"
#include "bigmem.h"
#include "clock_tsc.h"
#include "hist.h"
#include "options.h"
#include "pace.h"
#include "tuples.h"

/* Requests and responses of more octets go out as pieces of one static object. */
#define MB_COPY_OCTETS 1024u
#define MB_PIECE_OCTETS 65536u
/* Opens of one turn: as many as a burst of replies; four times that when far behind. */
#define MB_OPENS_AT_ONCE 32u /* active opens in one call of the engine */
#define MB_OPENS_PER_TURN 64u
#define MB_IN_FLIGHT_SAFE 2048u /* connections whose frames overflow no queue of ours */
/* Handshakes that one turn of the loop may complete: a burst of each queue. */
#define MB_RESETS_MAX 256u

/* What all workers share and nobody changes while they run. */
struct mb_load {
	uint32_t mode, closer;	 /* enum mb_mode, mb_closer */
	uint32_t slots, at_once; /* per worker */
	double rate_per_s;	 /* per worker; 0: closed loop */
	bool poisson;
	uint64_t seed;
	const struct mr_callbacks *callbacks;
	struct mr_endpoint target;
	struct mr_clock clock;
	const char *request;	 /* of MB_COPY_OCTETS at most, when it is copied */
	struct mr_static *piece; /* MB_PIECE_OCTETS, when it is not */
	uint32_t request_octets, response_octets;
	uint32_t requests; /* per connection */
	bool http;
};

enum mb_phase {
	MB_FREE,
	MB_CONNECTING,
	MB_SENDING, /* part of the request waits for room */
	MB_WAITING, /* for the response */
	MB_OPEN,    /* held, or waiting for the peer to close */
	MB_CLOSING, /* we closed */
};

struct mb_slot {
	union {
		uint64_t since_tsc; /* intended open, request or close: the latency counts from here
				     */
		uint64_t conn_id;   /* MB_OPEN in mode hold: for closing it later */
	};
	uint32_t left;	   /* octets of the response to come; MB_FREE: next free slot */
	uint16_t requests; /* still to send */
	uint8_t phase;	   /* enum mb_phase */
	uint8_t http;	   /* state of http.h */
};
static_assert(sizeof(struct mb_slot) == 16, "four slots share a cache line");

struct mb_hists {
	struct mr_hist handshake, request, close; /* ns */
};

enum mb_stage { MB_RUNNING, MB_STOPPING, MB_CLOSING_ALL, MB_FORCING };

struct mb_client {
	const struct mb_load *load;
	struct mr_worker *worker;
	struct mb_slot *slots;
	uint32_t *unsent; /* octets of the request to send; NULL when it is copied whole */
	uint32_t free_slot, used;
	uint32_t cursor;	   /* MB_CLOSING_ALL: next slot to look at */
	uint32_t closing;	   /* connections we closed that are not gone */
	bool ready;		   /* one connection was established: neighbours are known */
	uint8_t stage;		   /* enum mb_stage */
	uint32_t nresets;	   /* connections in `resets` */
	uint64_t measure_from_tsc; /* latencies that began earlier are warm-up */
	uint64_t stop_tsc, pause_until_us;
	uint64_t turn_tsc, turn_us; /* the TSC, read when the stack's time was turn_us */
	struct mb_hists *hists; /* being written: one of sets */
	struct mb_account account;
	struct mb_tuples tuples;
	struct mr_connect_opts opts[MB_OPENS_AT_ONCE]; /* all but source and slot is filled in */
	struct mb_pace pace;
	mr_conn resets[MB_RESETS_MAX]; /* mode handshake: to be reset in the next turn */
	struct mb_hists sets[2];
	struct mr_bigmem mem[2];
};

/** One per worker, memory touched. NULL when there is not enough. Control thread, before start. */
struct mb_client *mb_client_create(const struct mb_load *load, unsigned int index);
void mb_client_destroy(struct mb_client *cl);
/** Octets of mb_client_create beside the histograms, per connection. */
uint32_t mb_client_slot_octets(const struct mb_options *o);
/** All octets of mb_client_create. */
uint64_t mb_client_octets(const struct mb_options *o, uint32_t slots);

/* Hooks of engine_config; arg is the struct mb_client of this worker. */
void mb_client_bind(struct mr_worker *w, struct mb_client *cl);
bool mb_client_turn(struct mb_client *cl);

/** Are there arrivals, due before the stop, that are not accounted for yet? */
static inline bool mb_client_behind(const struct mb_client *cl)
{
	return cl->stage != MB_RUNNING && cl->load->rate_per_s > 0 && cl->ready &&
	       mb_pace_due(&cl->pace) <= cl->stop_tsc;
}

/** Callbacks of a mode. */
const struct mr_callbacks *mb_client_callbacks(uint32_t mode, uint32_t closer);

/* ---- Between client.c and request.c ---- */

struct mb_client *mb_client_of(struct mr_worker *w);
/**
 * The TSC of the turn, which is when its frames were received; read once, because three readings a
 * connection are a tenth of what a connection costs. Latencies are exact to one turn.
 */
MR_INLINE uint64_t mb_client_now(struct mb_client *cl)
{
	uint64_t now_us = mr_now_us(cl->worker);

	if (MR_UNLIKELY(now_us != cl->turn_us)) {
		cl->turn_us = now_us;
		cl->turn_tsc = mr_tsc();
	}
	return cl->turn_tsc;
}
/** Records a latency, unless it began before the warm-up ended. */
MR_INLINE void mb_client_record(struct mb_client *cl, struct mr_hist *h, uint64_t since_tsc)
{
	uint64_t span = mb_client_now(cl) - since_tsc;

	if (MR_LIKELY(since_tsc >= cl->measure_from_tsc))
		mr_hist_record(h, mr_clock_span_ns(&cl->load->clock, span));
}
/** Everything that a new connection has in common; returns its slot. */
struct mb_slot *mb_client_opened(struct mb_client *cl, mr_conn c);
void mb_client_close(struct mb_client *cl, mr_conn c, struct mb_slot *s);
void mb_client_on_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason);
extern const struct mr_callbacks mb_request_callbacks;

#endif /* MB_CLIENT_H */
