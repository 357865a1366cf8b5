/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a peer may take: the limits of every listener, by the handler's one timer, lazily.
 * What happens on a connection only stores the time; when the timer fires, limits_check() looks
 * whether a limit has really passed, and if not sets the timer to the earliest moment at which
 * one could. So a busy connection costs one store per event and one timer per limit, not one
 * timer per event.
 *
 *  first octet  from accept to the first octet of a peer that is expected to speak first
 *  header       from the first octet of a request to its last (http)
 *  idle         no octet in either direction
 *  write stall  octets are queued, and the peer acknowledges nothing
 *  linger       we have said our last octet and everything was acknowledged: the peer has to close
 *
 * A write stall is noticed between one and 2.25 times its limit, since progress is only looked at
 * when the timer fires; the others to within the timer's 64 ms.
 */
#ifndef MR_HANDLER_CONN_LIMITS_H
#define MR_HANDLER_CONN_LIMITS_H

#include "millrace.h"

/* How long a peer may leave its direction open after our FIN was acknowledged. */
#define LIMITS_LINGER_MS 5000u

/* 0: no such limit. At most MR_USER_TIMEOUT_MAX_MS each. */
struct limits_conf {
	uint32_t idle_ms;
	uint32_t first_octet_ms;
	uint32_t write_stall_ms;
	uint32_t header_ms;
};

enum limits_phase { LIMITS_OPEN, LIMITS_FIRST, LIMITS_HEADER, LIMITS_LINGER };

struct limits {
	uint32_t active_ms;	/* the last sign of life of the peer */
	uint32_t phase_ms;	/* when the phase began */
	uint32_t progress_ms;	/* the last time the peer was seen to acknowledge, or nothing was
				   queued */
	uint32_t snd_una;	/* as of progress_ms */
	uint32_t due_ms;	/* when the timer fires, if it is armed */
	uint8_t phase;		/* enum limits_phase */
	bool armed;
};

/** At accept. first: the peer is expected to speak first. */
void limits_start(struct mr_worker *w, mr_conn c, const struct limits_conf *conf, struct limits *l,
		  bool first);
/** The peer sent something: one store. */
static inline void limits_touch(const struct mr_worker *w, struct limits *l)
{
	l->active_ms = mr_now_ms(w);
	if (l->phase == LIMITS_FIRST)
		l->phase = LIMITS_OPEN;
}
/** Another phase begins now; sets the timer only if its end is earlier than what is armed. */
void limits_enter(struct mr_worker *w, mr_conn c, const struct limits_conf *conf, struct limits *l,
		  enum limits_phase phase);
/**
 * In on_timeout: counts the limit that has passed and ends the connection (idle: close; else abort)
 * or sets the timer again. True: the connection was ended.
 */
bool limits_check(struct mr_worker *w, mr_conn c, const struct limits_conf *conf, struct limits *l);

#endif /* MR_HANDLER_CONN_LIMITS_H */
