/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * On top of rules_fixture.h: a listener with a short backlog, clients that send SYN and ACK, and
 * others that send SYNs and nothing more. A test that is to hold by both ways and over both
 * families runs for each of CF_WAYS.
 */
#ifndef COOKIE_FIXTURE_H
#define COOKIE_FIXTURE_H

#include "rules_fixture.h"

#define ALL_OPTIONS (TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_SACK_OK | TCP_OPT_TS)
#define SYN_ACK (TCP_SYN | TCP_ACK)
#define BACKLOG 4u
#define CF_WAYS 4u	/* IPv4 and IPv6, fast path on and off */

/* What the next worker is made of. */
extern struct stack_config cf_cfg;
extern struct stack_listener cf_web;

/** For TestSuite, beside rf_stop(). */
void cf_begin(void);
struct mr_worker *cf_worker(unsigned int way);
/** From a client's port to our port 80. */
struct rf_path cf_path(unsigned int way, uint16_t sport);
/** MSS 1460, window scale 7, of these options. */
struct tcp_seg cf_syn(uint8_t opts);
/** The ACK that a client sends to this SYN-ACK. */
struct tcp_seg cf_ack_of(const struct rf_seen *s);
/** Sends the SYN; its answer must be one SYN-ACK. */
struct tcp_seg cf_syn_ack_to(struct mr_worker *w, const struct rf_path *p,
			     const struct tcp_seg *syn);
/** SYN and ACK; what the connection agreed on. */
struct mr_tcp_info cf_opened(struct mr_worker *w, const struct rf_path *p,
			     const struct tcp_seg *syn);
/** The connection of that peer; c NULL: none. */
struct conn_ref cf_record_of(struct mr_worker *w, const struct rf_path *p);
struct mr_tcp_info cf_info_of(struct mr_worker *w, const struct rf_path *p);
uint64_t cf_counted(const struct mr_worker *w, enum mr_counter c);
/** SYNs of n sources that will never answer; each gets a SYN-ACK. */
void cf_flood(struct mr_worker *w, unsigned int way, unsigned int n);
/** Connections of both families. */
uint32_t cf_records(const struct mr_worker *w);

#endif /* COOKIE_FIXTURE_H */
