/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole worker without ports; the test is its network and its peers. Everything that leaves must
 * be well formed, and a TCP segment must have the MSS option if it is a SYN, and else not (RFC 9293
 * MUST-14, MUST-65); it is then kept as values.
 *
 *	10.77.0.2 .. .5 /24 and fd77::2 .. ::3 /64	port 0, no VLAN; gateway 10.77.0.1
 *	10.88.0.2 /24					port 0, VLAN 7
 *	10.99.0.2 /24 and 10.66.0.0 /31			port 1, no VLAN, no gateway
 */
#ifndef RULES_FIXTURE_H
#define RULES_FIXTURE_H

#include "worker.h"

#define RF_LOG_MAX 2048u
#define RF_IP4(a, b, c, d, p) {.family = 4, .addr = {a, b, c, d}, .port = p}
/* fd77::last */
#define RF_IP6(last, p) {.family = 6, .addr = {0xfd, 0x77, [15] = last}, .port = p}

/* A TCP segment that left. */
struct rf_seen {
	struct mr_endpoint src, dst;
	struct tcp_seg seg;
	uint16_t port, vlan;
	uint8_t hop_limit, tos;
};
extern struct rf_seen rf_seen[RF_LOG_MAX];
/* A question for the MAC of an IPv4 neighbour. */
struct rf_asked {
	struct wire_arp arp;
	uint16_t port, vlan;
};
extern struct rf_asked rf_asked[RF_LOG_MAX];
extern unsigned int rf_nseen, rf_nasked;
/* What on_data got. */
extern char rf_text[256];
extern uint32_t rf_ntext;
extern const struct mr_callbacks rf_callbacks;

/* Where a peer's segment comes in, from whom, to whom. */
struct rf_path {
	struct mr_endpoint peer, us;
	uint16_t port, vlan;
};

void rf_start(void);
void rf_stop(void);
/** The addresses above, listeners on ports 80 and 81, MSL of a second, a fixed seed. */
void rf_configure(struct stack_config *cfg);
/** The listener has these handlers instead; one configuration at a time. */
void rf_handlers(struct stack_config *cfg, const struct mr_callbacks *callbacks);
/** A worker of that configuration; forgets what was seen. */
struct mr_worker *rf_worker(const struct stack_config *cfg, uint64_t now_us);
/** The turns of that many milliseconds. */
void rf_run(struct mr_worker *w, uint32_t ms);
/** Whoever was asked for says that he is there. */
void rf_neighbours_answer(struct mr_worker *w);
/** A segment of the peer; text: its seg->len octets. */
void rf_segment(struct mr_worker *w, const struct rf_path *on, const struct tcp_seg *seg,
		const char *text);
/** n of them in one burst, whose octets follow each other in `text`. */
void rf_segments(struct mr_worker *w, const struct rf_path *on, const struct tcp_seg *seg,
		 const char *text, unsigned int n);
bool rf_same(const struct mr_endpoint *a, const struct mr_endpoint *b);
/** mr_connect with the callbacks above; port and address of `local` may be 0. */
enum mr_reason rf_try_open(struct mr_worker *w, const struct mr_endpoint *local,
			   const struct mr_endpoint *remote, mr_conn *c);
/** The same; asserts that it works. Fills *info. */
mr_conn rf_open(struct mr_worker *w, const struct mr_endpoint *local,
		const struct mr_endpoint *remote, struct mr_tcp_info *info);
/** The last segment seen; asserts that it has exactly these flags. */
const struct rf_seen *rf_last(unsigned int flags);
/** The way back to who sent that. */
struct rf_path rf_back(const struct rf_seen *s);

#endif /* RULES_FIXTURE_H */
