/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One whole worker and a peer made of single segments: 10.77.0.2 listens on port 80 (and whatever
 * the test adds), 10.77.0.50 sends what the test says. The handler is recorded; a test replaces the
 * callbacks it needs. EAL without hugepages gives the mbufs.
 */
#ifndef STACK_FIXTURE_H
#define STACK_FIXTURE_H

#include "worker.h"

#define SF_SENT_MAX	1024u
#define SF_MBUFS	2047u		/* of each pool */
#define SF_PEER_PORT	4000u
#define SF_ISS		1000u		/* of the peer */

/* Changed by a test before sf_worker(). */
extern struct stack_config sf_cfg;
extern struct stack_listener sf_listener[4];
extern struct stack_port sf_port;
extern struct mr_callbacks sf_callbacks;

extern struct mr_worker *sf_w;
extern struct rte_mempool *sf_data, *sf_ctl;
/* What left, in order. */
extern struct rte_mbuf *sf_sent[SF_SENT_MAX];
extern unsigned int sf_nsent;
/* What the handler heard. */
extern unsigned int sf_accepted, sf_delivered, sf_writable, sf_nclosed;
extern enum mr_reason sf_closed_why;
extern mr_conn sf_conn;			/* of the last on_accept */

/** For TestSuite: EAL, pools, a default configuration; and the end of all, nothing leaked. */
void sf_start(void);
void sf_stop(void);
/** Creates the worker from sf_cfg. */
void sf_worker(void);
/** Frees what was sent. */
void sf_forget(void);
/** Turns the clock, a millisecond a turn. */
void sf_run(uint32_t ms);

struct sf_seg {
	uint16_t sport, dport;	/* 0: SF_PEER_PORT, 80 */
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t len;		/* octets of payload */
	uint16_t padding;	/* octets behind the IP packet */
};
/** The frame of the peer, in one mbuf with all checksums. */
struct rte_mbuf *sf_frame(const struct sf_seg *seg);
void sf_receive(struct rte_mbuf *m);
/** sf_receive(sf_frame()). */
void sf_segment(const struct sf_seg *seg);
/** The TCP values of the i-th frame sent. */
struct tcp_seg sf_tcp(unsigned int i);
/** SYN, then the ACK of the SYN-ACK; what was sent is forgotten. Returns our ISS + 1. */
uint32_t sf_establish(uint16_t sport);
/** The record of the last connection that was accepted. */
struct tcp_conn *sf_record(void);

#endif /* STACK_FIXTURE_H */
