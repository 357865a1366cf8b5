/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients and floods of cookie_fixture.h. */
#include <string.h>

#include <criterion/criterion.h>

#include "cookie_fixture.h"

struct stack_config cf_cfg;
struct stack_listener cf_web;

void cf_begin(void)
{
	rf_start();
	rf_configure(&cf_cfg);
	cf_web = cf_cfg.listener[0];
	cf_web.backlog = BACKLOG;
	cf_cfg.tcp.sack = true;
	cf_cfg.listener = &cf_web;
}
struct mr_worker *cf_worker(unsigned int way)
{
	cf_cfg.fast_path = (way & 2) == 0;
	return rf_worker(&cf_cfg, 1000000);
}

struct rf_path cf_path(unsigned int way, uint16_t sport)
{
	const struct rf_path paths[2] = {
		{RF_IP4(10, 77, 0, 50, 0), RF_IP4(10, 77, 0, 2, 80), 0, WIRE_NO_VLAN},
		{RF_IP6(0x50, 0), RF_IP6(2, 80), 0, WIRE_NO_VLAN},
	};
	struct rf_path p = paths[way & 1];

	p.peer.port = sport;
	return p;
}

struct tcp_seg cf_syn(uint8_t opts)
{
	return (struct tcp_seg){.seq = 5000, .flags = TCP_SYN, .wnd = 60000, .mss = 1460,
				.wscale = 7, .tsval = 77, .opts = opts};
}

/* The last frame that left answers this one: the ACK that a client sends. */
struct tcp_seg cf_ack_of(const struct rf_seen *s)
{
	return (struct tcp_seg){.seq = s->seg.ack, .ack = s->seg.seq + 1, .flags = TCP_ACK,
				.wnd = 500, .tsval = 78, .tsecr = s->seg.tsval,
				.opts = s->seg.opts & TCP_OPT_TS};
}

struct tcp_seg cf_syn_ack_to(struct mr_worker *w, const struct rf_path *p,
				 const struct tcp_seg *syn)
{
	unsigned int before = rf_nseen;

	rf_segment(w, p, syn, NULL);
	cr_assert_eq(rf_nseen, before + 1);
	cr_assert(rf_same(&rf_last(SYN_ACK)->dst, &p->peer));
	cr_assert_eq(rf_last(SYN_ACK)->seg.ack, syn->seq + 1);
	return rf_last(SYN_ACK)->seg;
}

struct conn_ref cf_record_of(struct mr_worker *w, const struct rf_path *p)
{
	for (uint32_t v6 = 0; v6 < 2; v6++) {
		for (uint32_t i = 0; i < w->flows[v6].table.capacity; i++) {
			struct conn_ref r = conn_at(&w->flows[v6], i);
			struct mr_tcp_info info;

			if (tcp_state(r.c) != TCP_CLOSED &&
			    mr_tcp_info(w, conn_handle(w, r), &info) == MR_OK &&
			    rf_same(&info.remote, &p->peer))
				return r;
		}
	}
	return (struct conn_ref){0};
}

struct mr_tcp_info cf_info_of(struct mr_worker *w, const struct rf_path *p)
{
	struct conn_ref r = cf_record_of(w, p);
	struct mr_tcp_info info;

	cr_assert_not_null(r.c, "no connection to port %u", p->peer.port);
	cr_assert_eq(mr_tcp_info(w, conn_handle(w, r), &info), MR_OK);
	return info;
}

uint64_t cf_counted(const struct mr_worker *w, enum mr_counter c) { return w->counters.v[c]; }

/* SYNs of many sources that will never answer. */
void cf_flood(struct mr_worker *w, unsigned int way, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct rf_path p = cf_path(way, (uint16_t)(1000 + i));
		struct tcp_seg syn = cf_syn(ALL_OPTIONS);

		p.peer.addr[2] = (uint8_t)(i >> 3);
		p.peer.addr[1] = (uint8_t)(100 + (i & 7));
		syn.seq = i * 77777;
		cf_syn_ack_to(w, &p, &syn);
	}
}

uint32_t cf_records(const struct mr_worker *w)
{
	return w->flows[0].table.live + w->flows[1].table.live;
}

struct mr_tcp_info cf_opened(struct mr_worker *w, const struct rf_path *p,
				 const struct tcp_seg *syn)
{
	struct tcp_seg ack;

	cf_syn_ack_to(w, p, syn);
	ack = cf_ack_of(rf_last(SYN_ACK));
	rf_segment(w, p, &ack, NULL);
	return cf_info_of(w, p);
}
