/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path MTUs and the connections they bear on. One that an ICMP error tells (RFC 1191, 8201), about
 * a segment that is in flight (RFC 5927), goes into the table of every worker. The connection that
 * was quoted is lowered at once, the others to that destination by a sweep over the tables, so many
 * records a turn; what is in flight and too large is sent again at once. Connections that have
 * nothing to send are looked up when they have. Private to ctl.c.
 */
#ifndef MR_PATH_H
#define MR_PATH_H

#include "worker.h"

#define PATH_SWEEP_RECORDS 2048u	/* a turn; most have no extension and are passed over */

static inline uint16_t path_mss_of(uint8_t family, uint32_t mtu)
{
	return (uint16_t)(mtu - (family == 4 ? 40 : 60));
}

static inline struct ip_path_key path_key_of(const struct mr_worker *w, struct conn_ref r)
{
	struct ip_path_key key = {.scope = w->range_of[r.c->laddr], .family = r.v6 ? 6 : 4};

	if (r.v6)
		memcpy(key.dst, ((const struct conn6 *)r.c)->raddr, 16);
	else
		memcpy(key.dst, &((const struct conn4 *)r.c)->raddr, 4);
	return key;
}

/* True: the connection now sends smaller segments, perhaps some of them again. */
static inline bool path_lower_conn(struct mr_worker *w, struct conn_ref r, uint32_t mtu)
{
	if (!tcp_path_mss(&w->cx, r.c, path_mss_of(r.v6 ? 6 : 4, mtu)))
		return false;
	mr_count(&w->counters, MR_C_ICMP_PATH_MTU);
	return true;
}

static inline bool path_look_up(struct mr_worker *w, struct conn_ref r)
{
	const struct ip_path_key key = path_key_of(w, r);
	const uint16_t mtu = ip_path_mtu(w->paths, &key, w->now_ms);

	return mtu != 0 && path_lower_conn(w, r, mtu);
}

/* Lets out what lowering made due. */
static inline void path_send(struct mr_worker *w, struct conn_ref r)
{
	struct tcp_verdict v = {0};

	conn_cx(w, r);
	react(w, r, tcp_state(r.c), &v, NULL);
}

static inline void path_sweep(struct mr_worker *w, struct flows *f)
{
	for (uint32_t i = 0; f->on && f->sweep_left != 0 && i < PATH_SWEEP_RECORDS; i++) {
		const struct conn_ref r = conn_at(f, --f->sweep_left);

		if (tcp_ext_index(r.c) != 0 && (r.c->spare & CONN_DEAD) == 0 &&
		    path_look_up(w, r))
			path_send(w, r);
	}
}

#endif /* MR_PATH_H */
