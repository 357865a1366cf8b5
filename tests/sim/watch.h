/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Observers on the wire: they see what each host sends and receives, and nothing inside of it, and
 * say when a segment breaks a rule of TCP. Their only other source is what the applications wrote.
 */
#ifndef SIM_WATCH_H
#define SIM_WATCH_H

#include "seg.h"

/* One direction of a flow: what its sender sent, and what reached the sender. */
struct sim_watch_dir {
	bool syn;		/* seen; the rest means nothing before */
	bool rst, fin, resent, disturbed, heard, peer_fin, has_ack;
	bool asked;		/* its SYN had the option of RFC 7413 */
	uint16_t syn_wnd;	/* what reached it: the window of a SYN */
	uint8_t scale;		/* of its SYN, 0xff: none */
	uint16_t mss;		/* of its SYN, or the default */
	uint32_t iss, nxt;	/* first, and end of the highest octet sent */
	/* End of what a SYN carried: sent when it is acknowledged, else not (RFC 7413 4.2) */
	uint32_t syn_end;
	uint32_t ack, edge;	/* highest sent: ACK, right edge of the window */
	/* what reached the sender: highest ACK, right edge, end of the peer's octets */
	uint32_t una, limit, seen;
	uint32_t tsval;		/* last sent */
};

struct sim_watch {
	struct sim_watch_dir d[2];
	bool over;
};

struct sim_apps;
struct sim_watchers {
	struct sim_apps *apps;
	uint32_t violations;
	uint64_t segments, checks;	/* seen; rules asked */
	bool no_cwnd;			/* congestion control is off */
	/* What an engine sends may not reach the wire: it gives up what waits for a neighbour's
	 * address, or has no mbuf for it. */
	bool leaky;
};

/** A frame that a host sends. */
void sim_watch_sent(struct sim_watchers *w, const uint8_t *p, uint16_t len);
/** A frame that reaches a host. What was damaged where no checksum sees it counts as received. */
void sim_watch_received(struct sim_watchers *w, const uint8_t *p, uint16_t len, bool damaged);
/** No retransmission, no duplicate ACK yet: congestion control has nothing to recover from. */
bool sim_watch_calm(const struct sim_watch_dir *d);

#endif /* SIM_WATCH_H */
