/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of single connections: ranges, parameters of one's own and their pool, the user timeout,
 * keepalive with its three parameters, hard close, and the report of urgent data.
 */
#include <criterion/criterion.h>

#include "world.h"

static struct world w;

static void begin(void)
{
	world_init(&w);
	cr_assert_eq(tcp_own_create(&w.pool, 2, -1), 0);
}
static void end(void)
{
	w.cx.params = &w.params;
	world_fini(&w);
	MR_ASSERT(w.pool.own.nfree == w.pool.own.capacity);
	mr_bigmem_unmap(&w.pool.own.mem[0]);
	mr_bigmem_unmap(&w.pool.own.mem[1]);
}
TestSuite(tcp_options, .init = begin, .fini = end);

static void got(unsigned int flags, uint16_t len)
{
	struct tcp_seg seg = world_seg(&w, flags, len);

	world_arrives(&w, &seg);
}

/* As mr_set_option() does. */
static bool set(enum mr_option option, uint32_t value)
{
	struct tcp_params *own = tcp_own_take(&w.cx, &w.c);

	if (own == NULL || !tcp_params_set(own, option, value))
		return false;
	tcp_option_changed(&w.cx, &w.c, option);
	w.v.bits = 0;
	world_output(&w);
	return true;
}

Test(tcp_options, each_has_its_range)
{
	static const struct { uint32_t good[2], bad[2]; } rows[MR_OPTIONS] = {
		[MR_OPT_NODELAY] = {{0, 1}, {2, UINT32_MAX}},
		[MR_OPT_KEEPALIVE] = {{0, 1}, {2, UINT32_MAX}},
		[MR_OPT_KEEPALIVE_IDLE_MS] = {{1000, 32767000}, {999, 32767001}},
		[MR_OPT_KEEPALIVE_INTERVAL_MS] = {{1000, 32767000}, {0, 32767001}},
		[MR_OPT_KEEPALIVE_PROBES] = {{1, 15}, {0, 16}},
		[MR_OPT_USER_TIMEOUT_MS] = {{0, 0x3fffffff}, {0x40000000, UINT32_MAX}},
		[MR_OPT_LINGER_MS] = {{0, MR_LINGER_OFF}, {1800001, MR_LINGER_OFF - 1}},
		[MR_OPT_TTL] = {{1, 255}, {0, 256}},
		[MR_OPT_TOS] = {{0, 0xfc}, {256, UINT32_MAX}},
		[MR_OPT_MSS_MAX] = {{1440, 64}, {63, 65496}},
		[MR_OPT_SEND_BUFFER] = {{1024, 1u << 30}, {1023, (1u << 30) + 1}},
		[MR_OPT_RECEIVE_BUFFER] = {{1024, 1u << 30}, {1023, (1u << 30) + 1}},
		[MR_OPT_FASTOPEN] = {{0, 3}, {4, UINT32_MAX}},
		[MR_OPT_FASTOPEN_PENDING] = {{0, 65535}, {65536, UINT32_MAX}},
		[MR_OPT_PACING] = {{0, 1}, {2, UINT32_MAX}},
		[MR_OPT_PACING_RATE_MAX] = {{0, 4000000000u}, {4000000001u, UINT32_MAX}},
	};

	for (unsigned int i = 0; i < MR_OPTIONS; i++) {
		struct tcp_params p;

		tcp_params_default(&p);
		for (unsigned int k = 0; k < 2; k++) {
			struct tcp_params before = p;

			cr_expect_not(tcp_params_set(&p, (enum mr_option)i, rows[i].bad[k]),
				      "option %u, %u", i, rows[i].bad[k]);
			cr_expect_eq(memcmp(&before, &p, sizeof(p)), 0, "option %u", i);
			cr_expect(tcp_params_set(&p, (enum mr_option)i, rows[i].good[k]),
				  "option %u, %u", i, rows[i].good[k]);
			cr_expect_eq(tcp_params_get(&p, (enum mr_option)i), rows[i].good[k],
				     "option %u", i);
			tcp_params_check(&p);
		}
	}
	cr_expect_not(tcp_params_set(&w.params, MR_OPTIONS, 0));
}

/* SHLD-20: the bits of ECN are not the application's. */
Test(tcp_options, tos_leaves_the_bits_of_ecn_alone)
{
	cr_assert(tcp_params_set(&w.params, MR_OPT_TOS, 0xbb));
	cr_expect_eq(w.params.tos, 0xb8);
}

/* An extension with parameters of its own is not given back, and both are at the end. */
Test(tcp_options, own_parameters_pin_the_extension)
{
	established(&w);
	cr_assert(set(MR_OPT_SEND_BUFFER, 5000));
	cr_expect_eq(tcp_send_room(&w.cx, &w.c), 5000);
	world_send(&w, 100, 0);
	got(TCP_ACK, 0);
	world_sleep_ms(&w, 600000);
	cr_expect_neq(tcp_ext_index(&w.c), 0);
	cr_expect_eq(tcp_own_params(&w.pool, &w.c)->snd_buf, 5000);
	cr_expect_eq(w.params.snd_buf, 262144, "nobody else's");
	tcp_release(&w.cx, &w.c);
	w.cx.params = &w.params;
	cr_expect_eq(w.pool.own.nfree, 2);
}

/* Either pool empty: refused, and the connection is as it was. */
Test(tcp_options, empty_pools_refuse)
{
	uint32_t left = w.pool.own.nfree;

	established(&w);
	w.pool.own.nfree = 0;
	cr_expect_not(set(MR_OPT_TTL, 9));
	cr_expect_eq(tcp_ext_index(&w.c), 0);
	w.pool.own.nfree = left;
	left = w.pool.nfree;
	w.pool.nfree = 0;
	cr_expect_not(set(MR_OPT_TTL, 9));
	cr_expect_eq(w.pool.own.nfree, 2);
	w.pool.nfree = left;
	cr_expect(set(MR_OPT_TTL, 9));
}

/* SHLD-7, MUST-17 of one connection. */
Test(tcp_options, nodelay_of_one_connection)
{
	w.params.nodelay = false;
	established(&w);
	world_send(&w, 10, 0);
	cr_assert_eq(w.nout, 1);
	world_send(&w, 10, 0);
	cr_expect_eq(w.nout, 0, "Nagle: the first is not acknowledged");
	cr_assert(set(MR_OPT_NODELAY, 1));
	cr_expect_eq(w.nout, 1);
	cr_assert(set(MR_OPT_NODELAY, 0));
	world_send(&w, 10, 0);
	cr_expect_eq(w.nout, 0);
}

/* MUST-24 to 29: off by default, and its three parameters. */
Test(tcp_options, keepalive_of_one_connection)
{
	uint32_t due;

	established(&w);
	cr_assert(set(MR_OPT_KEEPALIVE_IDLE_MS, 2000));
	cr_expect_not(tcp_next_due(&w.cx, &w.c, &due), "not switched on yet");
	cr_assert(set(MR_OPT_KEEPALIVE_INTERVAL_MS, 1000) && set(MR_OPT_KEEPALIVE_PROBES, 3));
	cr_assert(set(MR_OPT_KEEPALIVE, 1));
	cr_assert_eq(world_next_timer(&w), 2000);
	cr_expect(world_sent(&w, TCP_ACK, w.c.snd_nxt - 1, w.c.rcv_nxt));
	got(TCP_ACK, 0);
	cr_expect_eq(world_next_timer(&w), 2000, "answered");
	cr_expect_eq(world_next_timer(&w), 1000);
	cr_expect_eq(world_next_timer(&w), 1000);
	cr_expect_eq(world_next_timer(&w), 1000);
	cr_expect_eq(w.v.reason, MR_KEEPALIVE_TIMEOUT);
	cr_expect(w.v.bits & TCP_V_RST);
}

Test(tcp_options, keepalive_can_be_switched_off_again)
{
	uint32_t due;

	established(&w);
	cr_assert(set(MR_OPT_KEEPALIVE, 1));
	cr_assert(tcp_next_due(&w.cx, &w.c, &due));
	cr_expect_eq(due - w.cx.now_ms, 7200000, "MUST-28: two hours");
	cr_assert(set(MR_OPT_KEEPALIVE, 0));
	cr_expect_not(tcp_next_due(&w.cx, &w.c, &due));
}

/* How long the timers run until the connection is given up. */
static uint32_t until_gone(void)
{
	uint32_t sum_ms = 0, ms;

	for (unsigned int i = 0; i < 64 && (w.v.bits & TCP_V_GONE) == 0; i++) {
		ms = world_next_timer(&w);
		cr_assert_neq(ms, UINT32_MAX);
		sum_ms += ms;
	}
	cr_assert(w.v.bits & TCP_V_GONE);
	return sum_ms;
}

/* RFC 5482: exactly then, whatever the backoff, for data, SYN and FIN. */
Test(tcp_options, user_timeout_of_data)
{
	static const uint32_t timeout_ms[] = {1000, 2500, 30000, 1500000};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(timeout_ms); i++) {
		established(&w);
		cr_assert(set(MR_OPT_USER_TIMEOUT_MS, timeout_ms[i]));
		world_send(&w, 100, 0);
		cr_expect_eq(until_gone(), timeout_ms[i], "timeout %u", timeout_ms[i]);
		cr_expect_eq(w.v.reason, MR_TIMED_OUT);
		cr_expect(w.v.bits & TCP_V_RST);
		cr_expect_eq(w.counters.v[MR_C_CONN_USER_TIMEOUT], i + 1);
		tcp_release(&w.cx, &w.c);
		w.cx.params = &w.params;
	}
}

/* Progress begins it anew. */
Test(tcp_options, user_timeout_counts_from_the_last_progress)
{
	struct tcp_seg seg;

	established(&w);
	cr_assert(set(MR_OPT_USER_TIMEOUT_MS, 3000));
	world_send(&w, 100, 0);
	world_send(&w, 100, 0);
	world_next_timer(&w);
	world_next_timer(&w);
	seg = world_seg(&w, TCP_ACK, 0);
	seg.ack = w.c.snd_una + 100;
	world_arrives(&w, &seg);
	cr_assert_neq(w.c.snd_una, w.c.snd_nxt);
	cr_expect_eq(until_gone(), 3000);
}

Test(tcp_options, user_timeout_of_syn_and_fin)
{
	w.params.user_timeout_ms = 2000;
	syn_sent(&w);
	cr_expect_eq(until_gone(), 2000, "1 s, and not the 2 s behind it");
	cr_expect_eq(w.v.reason, MR_TIMED_OUT);
	cr_expect_not(w.v.bits & TCP_V_RST);
	w.v.bits = 0;
	fin_wait_1(&w);
	cr_expect_eq(tcp_ext_index(&w.c), 0);
	cr_expect_eq(until_gone(), 2000);
	w.params.user_timeout_ms = 1000000;
	w.v.bits = 0;
	syn_sent(&w);
	cr_expect_eq(until_gone(), 127000, "SYN has its own limit beside it");
}

/* A peer that answers window probes is there; one that does not is given up. */
Test(tcp_options, user_timeout_of_a_closed_window)
{
	struct tcp_seg seg;

	established(&w);
	cr_assert(set(MR_OPT_USER_TIMEOUT_MS, 5000));
	seg = world_seg(&w, TCP_ACK, 0);
	seg.wnd = 0;
	world_arrives(&w, &seg);
	world_send(&w, 100, 0);
	for (unsigned int i = 0; i < 20; i++) {
		world_next_timer(&w);
		cr_assert_eq(w.nout, 1);
		seg = world_seg(&w, TCP_ACK, 0);
		seg.wnd = 0;
		world_arrives(&w, &seg);
		cr_assert_eq(w.v.bits & TCP_V_GONE, 0);
	}
	world_next_timer(&w);
	cr_expect_eq(until_gone(), 5000, "since the first probe without an answer");
}

/* MSS_MAX is what is advertised, and what is kept to; a receive buffer makes window and scale. */
Test(tcp_options, mss_and_receive_buffer_of_an_open)
{
	struct tcp_seg seg;

	w.params.window_scaling = true;
	tcp_active_open(&w.cx, &w.c, WORLD_ISS);
	cr_assert(tcp_own_take(&w.cx, &w.c) != NULL);
	cr_assert(tcp_params_set(&w.pool.own.params[1], MR_OPT_MSS_MAX, 700));
	tcp_option_changed(&w.cx, &w.c, MR_OPT_MSS_MAX);
	cr_assert(tcp_params_set(&w.pool.own.params[1], MR_OPT_RECEIVE_BUFFER, 4000000));
	tcp_option_changed(&w.cx, &w.c, MR_OPT_RECEIVE_BUFFER);
	world_output(&w);
	cr_assert(world_sent(&w, TCP_SYN, WORLD_ISS, 0));
	cr_expect_eq(w.out[0].seg.mss, 700);
	cr_expect_eq(w.out[0].seg.wnd, 65535);
	cr_expect_eq(w.out[0].seg.wscale, 6);
	seg = world_seg(&w, TCP_SYN | TCP_ACK, 0);
	seg.seq = WORLD_IRS;
	seg.opts |= TCP_OPT_MSS | TCP_OPT_WS;
	seg.mss = 1460;
	world_arrives(&w, &seg);
	cr_assert_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	world_send(&w, 2000, 0);
	cr_expect_eq(w.out[0].seg.len, 700);
	cr_assert(set(MR_OPT_MSS_MAX, 500));
	got(TCP_ACK, 0);
	world_send(&w, 2000, 0);
	cr_expect_eq(w.out[0].seg.len, 500);
}

/* SO_LINGER of 0: what is queued is not sent, the peer is told. */
Test(tcp_options, hard_close_is_a_reset)
{
	established(&w);
	cr_assert(set(MR_OPT_LINGER_MS, 0));
	world_send(&w, 100, 0);
	tcp_close(&w.cx, &w.c, &w.v);
	cr_expect(w.v.bits & TCP_V_GONE);
	cr_expect(w.v.bits & TCP_V_RST);
	cr_expect_eq(w.v.reason, MR_ABORTED);
	cr_expect_eq(w.v.rst.seq, w.c.snd_nxt);
}

/* MUST-32, MUST-33: told once for a stretch, again when it grows; how much is left to be read. */
Test(tcp_options, urgent_data_is_announced)
{
	struct tcp_seg seg;

	established(&w);
	seg = world_seg(&w, TCP_ACK | TCP_URG, 10);
	seg.urg = 4;
	world_arrives(&w, &seg);
	cr_expect(w.v.bits & TCP_V_URGENT);
	cr_expect(w.v.bits & TCP_V_DELIVER, "in line");
	cr_expect_eq(tcp_urgent(&w.cx, &w.c), 4);
	tcp_consumed(&w.cx, &w.c, 3);
	cr_expect_eq(tcp_urgent(&w.cx, &w.c), 1);
	seg.seq += 10;
	seg.urg = 20;
	world_arrives(&w, &seg);
	cr_expect(w.v.bits & TCP_V_URGENT, "the pointer moved on");
	cr_expect_eq(tcp_urgent(&w.cx, &w.c), 27);
	seg.seq += 10;
	seg.urg = 10;
	world_arrives(&w, &seg);
	cr_expect_not(w.v.bits & TCP_V_URGENT, "known already");
	tcp_consumed(&w.cx, &w.c, 27);
	cr_expect_eq(tcp_urgent(&w.cx, &w.c), 0);
	got(TCP_ACK, 10);
	cr_expect_not(w.v.bits & TCP_V_URGENT);
	cr_expect_eq(w.delivered, 40);
}

/* The pointer may come before its octets, without any; the extension remembers it meanwhile. */
Test(tcp_options, urgent_pointer_without_octets)
{
	struct tcp_seg seg;

	established(&w);
	got(TCP_ACK, 10);
	seg = world_seg(&w, TCP_ACK | TCP_URG, 0);
	seg.urg = 100;
	world_arrives(&w, &seg);
	cr_expect(w.v.bits & TCP_V_URGENT);
	tcp_consumed(&w.cx, &w.c, 10);
	world_sleep_ms(&w, 60000);
	world_sleep_ms(&w, 60000);
	cr_expect_eq(tcp_urgent(&w.cx, &w.c), 100);
	tcp_close(&w.cx, &w.c, &w.v);
	seg.urg = 200;
	world_arrives(&w, &seg);
	cr_expect_not(w.v.bits & TCP_V_URGENT, "the handler has closed");
}

/* SYN with FIN: dropped, or taken for a SYN whose FIN comes again. */
Test(tcp_options, syn_with_fin)
{
	struct tcp_seg seg = {.seq = WORLD_IRS, .flags = TCP_SYN | TCP_FIN, .wnd = 65535};

	tcp_listen_arrives(&w.cx, &seg, &w.v);
	cr_expect(w.v.bits & TCP_V_DROP);
	w.params.drop_synfin = false;
	tcp_listen_arrives(&w.cx, &seg, &w.v);
	cr_assert_eq(w.v.bits, TCP_V_CREATE);
	tcp_passive_open(&w.cx, &w.c, &seg, WORLD_ISS);
	world_output(&w);
	cr_expect(world_sent(&w, TCP_SYN | TCP_ACK, WORLD_ISS, WORLD_IRS + 1));
}
