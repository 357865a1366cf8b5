/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open (RFC 7413), the client's part: SYNs that do not come to the server for no fault of the
 * server's, nor of a middlebox: larger than the path carries, or never sent. Fast Open goes on.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "fastopen.h"
#include "fastopen_fixture.h"

#define LEN	1000u
#define MTU	1300u		/* what both families must admit */
#define BIG	1300u		/* octets that do not fit it with headers */
#define WAYS	2u		/* families */

static struct mr_worker *w;
static struct rte_mbuf *held;	/* by take_mbufs() */
static unsigned int family;	/* 0 IPv4, 1 IPv6 */

static const struct mr_endpoint server[WAYS] = {RF_IP4(10, 77, 0, 9, 5000), RF_IP6(9, 5000)};
static const struct mr_endpoint us[WAYS] = {RF_IP4(10, 77, 0, 2, 0), RF_IP6(2, 0)};

static void begin(void)
{
	cf_begin();
	cf_cfg.tcp.fastopen = TCP_FASTOPEN_CLIENT;
	cf_cfg.tcp.nodelay = true;
}
TestSuite(stack_fastopen_syn, .init = begin, .fini = rf_stop, .timeout = 60);

static struct rte_mbuf *data_mbuf(uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->data_pool);

	cr_assert_not_null(m);
	memset(rte_pktmbuf_append(m, (uint16_t)len), 'x', len);
	return m;
}

/* An active open with that to send; what has left of it then is in rf_seen. */
static struct conn_ref open_with(struct rte_mbuf *m)
{
	const struct mr_connect_opts o = {.remote = server[family], .local = us[family], .data = m,
					  .callbacks = &ff_callbacks};
	mr_conn c;

	rf_nseen = 0;
	cr_assert_eq(mr_connect(w, &o, &c), MR_OK);
	stack_flush(w);
	return conn_by_handle(w, c);
}

static void neighbour_answers(void)
{
	struct neigh_update u = {.family = server[family].family, .mac = {2, 0, 0, 0, 1, 1},
				 .vlan = WIRE_NO_VLAN, .vlan_outer = WIRE_NO_VLAN,
				 .flags = NEIGH_SOLICITED | NEIGH_HAS_MAC};

	memcpy(u.ip, server[family].addr, sizeof(u.ip));
	cr_assert(neigh_apply(w, &u));
	stack_flush(w);
}

/* A worker whose server has granted a cookie of so many octets, or none. */
static void start(unsigned int way, uint8_t cookie_len)
{
	const struct tfo_known known = {.mss = 1400, .cookie_len = cookie_len, .cookie = {1, 2}};
	struct ip_path_key key;
	struct conn_ref r;

	family = way;
	w = cf_worker(way);
	ff_reset(way);
	r = open_with(NULL);
	key = fastopen_key(w, r);
	mr_abort(w, conn_handle(w, r));
	rf_run(w, 1);
	if (cookie_len != 0)
		tfo_cache_granted(w->tfo_cache, &key, w->now_ms, &known);
}

static void stop(void) { ff_stop(w); }

/* The SYN-ACK to that one SYN. */
static void answer(const struct rf_seen *syn)
{
	const struct tcp_seg seg = {.seq = 70000, .ack = syn->seg.seq + 1, .flags = SYN_ACK,
				    .wnd = 60000, .mss = 1400, .opts = TCP_OPT_MSS};
	const struct rf_path back = rf_back(syn);

	cr_expect_eq(syn->seg.opts & TCP_OPT_FASTOPEN, 0);
	cr_expect_eq(syn->seg.len, 0);
	rf_segment(w, &back, &seg, NULL);
	cr_assert_eq(ff_connected, 1);
}

/* The next open sends data with its SYN; how many octets. */
static uint32_t still_used(void)
{
	cr_expect_eq(cf_counted(w, MR_C_TFO_LOST), 0);
	cr_expect_eq(cf_counted(w, MR_C_TFO_HELD), 0);
	open_with(data_mbuf(BIG));
	cr_assert_eq(rf_nseen, 1);
	cr_expect(rf_seen[0].seg.opts & TCP_OPT_FASTOPEN);
	return rf_seen[0].seg.len;
}

/* A router: what r has sent at seq is larger than it passes on. */
static void too_big(struct conn_ref r, uint32_t seq)
{
	struct icmp_error e = ff_error_about(w, r, seq);

	e.kind = WIRE_ICMP_TOO_BIG;
	e.mtu = MTU;
	rf_nseen = 0;
	icmp_error_input(w, &e, false);
	stack_flush(w);
}

/* A SYN that fills what the server has said its segments hold. */
static struct conn_ref full_syn(void)
{
	struct conn_ref r = open_with(data_mbuf(1400));

	cr_assert_eq(rf_nseen, 1);
	cr_expect_gt(rf_seen[0].seg.len, BIG);
	return r;
}

static uint32_t headers(void) { return family ? 60 : 40; }

Test(stack_fastopen_syn, too_large_for_the_path)
{
	for (unsigned int way = 0; way < WAYS; way++) {
		struct conn_ref r;

		start(way, 8);
		neighbour_answers();
		r = full_syn();
		too_big(r, r.c->snd_una);
		cr_assert_eq(rf_nseen, 1, "again, at once");
		cr_expect_eq(cf_counted(w, MR_C_ICMP_PATH_MTU), 1);
		too_big(r, r.c->snd_una);
		cr_assert_eq(rf_nseen, 0, "and once");
		rf_run(w, 1000);
		cr_assert_eq(rf_nseen, 1, "and then by its timer");
		answer(&rf_seen[0]);
		cr_assert_eq(rf_nseen, 3);
		cr_expect_eq(rf_seen[1].seg.len, MTU - headers());
		cr_expect_eq(rf_seen[2].seg.len, 1400 - (MTU - headers()));
		/* 4 MSS, 12 SACK and timestamps, 4 scale, 12 cookie */
		cr_expect_eq(still_used(), MTU - headers() - 32);
		stop();
	}
}

/* RFC 5927 4: who does not know what is in flight has not seen it. */
Test(stack_fastopen_syn, error_about_nothing_in_flight)
{
	for (unsigned int way = 0; way < WAYS; way++) {
		struct conn_ref r;

		start(way, 8);
		neighbour_answers();
		r = full_syn();
		too_big(r, r.c->snd_una - 1);
		too_big(r, r.c->snd_nxt);
		cr_expect_eq(cf_counted(w, MR_C_ICMP_ERROR_STRAY), 2);
		cr_expect_eq(cf_counted(w, MR_C_ICMP_PATH_MTU), 0);
		cr_expect_eq(rf_nseen, 0);
		stop();
	}
}

/* The SYN has gone again by its timer: what is learned late is why. */
Test(stack_fastopen_syn, error_that_comes_late)
{
	struct rf_seen again;
	struct conn_ref r;

	start(0, 8);
	neighbour_answers();
	r = full_syn();
	rf_run(w, 1001);
	again = *rf_last(TCP_SYN);
	too_big(r, r.c->snd_una);
	cr_expect_eq(rf_nseen, 0);
	answer(&again);
	cr_expect_neq(still_used(), 0);
	stop();
}

/* Another one's SYN to that server has met the same router. */
Test(stack_fastopen_syn, others_on_the_path_learn_of_it)
{
	struct conn_ref r;

	start(0, 8);
	neighbour_answers();
	full_syn();
	r = full_syn();
	too_big(r, r.c->snd_una);
	rf_run(w, 1);
	cr_assert_eq(rf_nseen, 2);
	cr_expect_neq(rf_seen[0].src.port, rf_seen[1].src.port);
	cr_expect_eq(rf_seen[0].seg.len + rf_seen[1].seg.len, 0);
	cr_expect_eq(still_used(), MTU - headers() - 32);
	rf_run(w, 2);
	cr_expect_eq(rf_nseen, 1, "it fits");
	stop();
}

/* ---- SYNs that did not leave ---- */

/* The SYN of r, which has not left, goes again by its timer, and is answered. */
static void next_one_leaves(void)
{
	rf_nseen = 0;
	rf_run(w, 1001);
	neighbour_answers();
	cr_assert_eq(rf_nseen, 1);
	answer(&rf_seen[0]);
	still_used();
}

/* It waits for the neighbour until the one that its timer sends takes its place. */
Test(stack_fastopen_syn, neighbour_is_slow)
{
	for (unsigned int i = 0; i < 2 * WAYS; i++) {
		start(i % WAYS, i < WAYS ? 8 : 0);
		open_with(data_mbuf(LEN));
		cr_assert_eq(rf_nseen, 0);
		next_one_leaves();
		stop();
	}
}

static void take_mbufs(void)
{
	struct rte_mbuf *m;

	while ((m = stack_ctl_mbuf(w)) != NULL) {
		m->next = held;
		held = m;
	}
}

static void give_mbufs(unsigned int n)
{
	for (; held != NULL && n != 0; n--) {
		struct rte_mbuf *m = held;

		held = m->next;
		m->next = NULL;
		rte_pktmbuf_free(m);
	}
}

/* Without an mbuf for its headers, or with one and none to show its data. */
Test(stack_fastopen_syn, mbufs_are_short)
{
	for (unsigned int i = 0; i < 2 * WAYS; i++) {
		struct rte_mbuf *m;

		start(i % WAYS, 8);
		neighbour_answers();
		m = data_mbuf(LEN);
		take_mbufs();
		give_mbufs(i / WAYS);
		open_with(m);
		cr_assert_eq(rf_nseen, 0);
		give_mbufs(UINT32_MAX);
		next_one_leaves();
		stop();
	}
}
