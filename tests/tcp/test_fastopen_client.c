/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 7413 on one connection, the client's part: data that goes with our SYN. */
#include <criterion/criterion.h>

#include "world.h"

#define MSS	1460u
#define LEN	100u
#define SYN_ACK	(TCP_SYN | TCP_ACK)
#define FIRST	(WORLD_ISS + 1)		/* octet of ours */

static struct world w;

static void begin(void)
{
	world_init(&w);
	w.params.nodelay = true;
}
static void end(void) { world_fini(&w); }
TestSuite(tcp_fastopen_client, .init = begin, .fini = end);

/* Our SYN, with `len` octets queued before it. */
static void open_with(uint32_t len, uint8_t cookie_len)
{
	const struct tcp_fastopen f = {.c = &w.c, .cookie_len = cookie_len,
				       .data_max = cookie_len != 0 ? MSS : 0};

	tcp_active_open(&w.cx, &w.c, WORLD_ISS);
	if (len != 0)
		cr_assert(tcp_send(&w.cx, &w.c, fake_chain(NULL, len, 700), MR_SEND_NOTIFY_ACKED));
	w.cx.fastopen = &f;
	world_output(&w);
	w.cx.fastopen = NULL;
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.seq, WORLD_ISS);
	cr_expect_eq(w.out[0].seg.flags & TCP_SYN, TCP_SYN);
}

static void syn_acked(uint32_t ack)
{
	struct tcp_seg seg = world_seg(&w, SYN_ACK, 0);

	seg.seq = WORLD_IRS;
	seg.ack = ack;
	seg.opts |= TCP_OPT_MSS;
	seg.mss = MSS;
	world_arrives(&w, &seg);
}

Test(tcp_fastopen_client, cookie_is_asked_for_without_data)
{
	open_with(LEN, 0);
	cr_expect(w.out[0].seg.opts & TCP_OPT_FASTOPEN);
	cr_expect_eq(w.out[0].seg.cookie_len, 0);
	cr_expect_eq(w.out[0].seg.len, 0);
	syn_acked(FIRST);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.len, LEN);
	cr_expect_eq(w.out[0].seg.seq, FIRST);
	world_hears(&w, TCP_ACK, FIRST + LEN, 0);
}

Test(tcp_fastopen_client, data_goes_with_the_syn)
{
	open_with(LEN, 8);
	cr_expect_eq(w.out[0].seg.len, LEN);
	cr_expect_eq(w.out[0].seg.flags, TCP_SYN | TCP_PSH);
	syn_acked(FIRST + LEN);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect_eq(w.v.bits, TCP_V_ESTABLISHED | TCP_V_ACKED);
	cr_assert_eq(w.nout, 1);
	cr_expect(world_sent(&w, TCP_ACK, FIRST + LEN, WORLD_IRS + 1));
	cr_expect_eq(w.counters.v[MR_C_TCP_TX_DATA], LEN);
	cr_expect_eq(w.pool.mbufs_held, 0);
}

Test(tcp_fastopen_client, syn_and_its_options_fit_the_peers_segments)
{
	w.params.timestamps = true;
	open_with(3 * MSS, 8);
	/* MSS, SACK and timestamps, scale, the cookie of 8 */
	cr_expect_eq(w.out[0].seg.len, MSS - (4 + 12 + 4 + 12));
	cr_expect_eq(w.out[0].seg.flags, TCP_SYN, "there is more");
	syn_acked(FIRST + w.out[0].seg.len);
	cr_assert_geq(w.nout, 3, "and it follows at once");
	cr_expect_eq(w.out[0].seg.seq, FIRST + MSS - 32);
	world_hears(&w, TCP_ACK, w.c.snd_nxt, 0);
}

static void refused(bool sack)
{
	struct tcp_seg seg;

	w.params.sack = sack;
	open_with(LEN, 8);
	seg = world_seg(&w, SYN_ACK, 0);
	seg.seq = WORLD_IRS;
	seg.ack = FIRST;
	seg.opts |= TCP_OPT_MSS | TCP_OPT_SACK_OK;
	seg.mss = MSS;
	world_arrives(&w, &seg);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_assert_eq(w.nout, 1, "the data is the ACK");
	cr_expect_eq(w.out[0].seg.seq, FIRST);
	cr_expect_eq(w.out[0].seg.len, LEN);
	cr_expect_eq(w.c.snd_nxt, FIRST + LEN);
	world_hears(&w, TCP_ACK, FIRST + LEN, 0);
	cr_expect_eq(w.v.bits, TCP_V_ACKED);
	cr_expect_eq(w.counters.v[MR_C_TCP_TX_DATA], LEN);
}
Test(tcp_fastopen_client, data_not_acknowledged_goes_again_at_once) { refused(false); }
Test(tcp_fastopen_client, data_not_acknowledged_goes_again_at_once_sack) { refused(true); }

Test(tcp_fastopen_client, part_of_the_data_is_acknowledged)
{
	open_with(1200, 8);		/* mbufs of 700: beyond the first one */
	cr_expect_eq(w.out[0].seg.len, 1200);
	syn_acked(FIRST + 900);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.seq, FIRST + 900);
	cr_expect_eq(w.out[0].seg.len, 300);
	cr_expect_eq(w.v.bits, TCP_V_ESTABLISHED, "not all of it");
	world_hears(&w, TCP_ACK, FIRST + 1200, 0);
	cr_expect_eq(w.v.bits, TCP_V_ACKED);
}

/* RFC 7413 4.2.1: a SYN that is sent again has neither data nor option. */
Test(tcp_fastopen_client, lost_syn_goes_again_bare)
{
	open_with(LEN, 8);
	cr_expect_eq(world_next_timer(&w), 1000);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.flags, TCP_SYN);
	cr_expect_eq(w.out[0].seg.len, 0);
	cr_expect_eq(w.out[0].seg.opts & TCP_OPT_FASTOPEN, 0);
	syn_acked(FIRST);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.len, LEN);
	world_hears(&w, TCP_ACK, FIRST + LEN, 0);
}

/* The first SYN was only late: its SYN-ACK is none of an old connection. */
Test(tcp_fastopen_client, late_syn_ack_may_acknowledge_the_data)
{
	open_with(LEN, 8);
	world_next_timer(&w);
	syn_acked(FIRST + LEN);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect_eq(w.c.snd_una, FIRST + LEN);
	cr_expect_eq(w.pool.mbufs_held, 0);
}

Test(tcp_fastopen_client, nothing_beyond_the_data_can_be_acknowledged)
{
	open_with(LEN, 8);
	syn_acked(FIRST + LEN + 1);
	cr_expect(w.v.bits & TCP_V_RST);
	cr_expect_eq(tcp_state(&w.c), TCP_SYN_SENT);
	syn_acked(WORLD_ISS);
	cr_expect(w.v.bits & TCP_V_RST);
	cr_expect_eq(tcp_state(&w.c), TCP_SYN_SENT);
}

Test(tcp_fastopen_client, refused_is_refused)
{
	open_with(LEN, 8);
	world_hears(&w, TCP_RST | TCP_ACK, FIRST + LEN, 0);
	cr_expect_eq(w.v.bits, TCP_V_GONE);
	cr_expect_eq(w.v.reason, MR_REFUSED);
}

Test(tcp_fastopen_client, both_sides_open)
{
	struct tcp_seg syn;

	open_with(LEN, 8);
	syn = world_seg(&w, TCP_SYN, 0);
	syn.seq = WORLD_IRS;
	world_arrives(&w, &syn);
	cr_expect_eq(tcp_state(&w.c), TCP_SYN_RCVD);
	cr_expect(world_sent(&w, SYN_ACK, WORLD_ISS, WORLD_IRS + 1));
	cr_expect_eq(w.out[0].seg.len, 0);
	world_hears(&w, TCP_ACK, FIRST, 0);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.len, LEN);
	world_hears(&w, TCP_ACK, FIRST + LEN, 0);
}

Test(tcp_fastopen_client, syn_ack_may_bring_data)
{
	struct tcp_seg seg;

	open_with(LEN, 8);
	seg = world_seg(&w, SYN_ACK, 50);
	seg.seq = WORLD_IRS;
	seg.ack = FIRST + LEN;
	world_arrives(&w, &seg);
	cr_expect_eq(w.delivered, 50);
	cr_expect_eq(w.c.rcv_nxt, WORLD_IRS + 51);
}

Test(tcp_fastopen_client, fin_follows_data_of_the_syn)
{
	open_with(LEN, 8);
	tcp_shutdown(&w.cx, &w.c);
	world_output(&w);
	cr_expect_eq(w.nout, 0);
	syn_acked(FIRST + LEN);
	cr_expect_eq(tcp_state(&w.c), TCP_FIN_WAIT_1);
	cr_expect(world_sent(&w, TCP_FIN | TCP_ACK, FIRST + LEN, WORLD_IRS + 1));
}

/* ---- a SYN that is too large for the path ---- */

/* Octets that a SYN carries whose size is the MSS. */
static uint32_t open_full(void)
{
	open_with(3 * MSS, 8);
	world_sleep_ms(&w, 10);
	return w.out[0].seg.len;
}

/* RFC 1191 6.5: at once, and neither its timer nor the window knows it as a loss. */
Test(tcp_fastopen_client, syn_too_large_for_the_path_goes_again_bare)
{
	open_full();
	cr_assert(tcp_path_mss(&w.cx, &w.c, 1000));
	world_output(&w);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.flags, TCP_SYN);
	cr_expect_eq(w.out[0].seg.seq, WORLD_ISS);
	cr_expect_eq(w.out[0].seg.len, 0);
	cr_expect_eq(w.out[0].seg.opts & TCP_OPT_FASTOPEN, 0);
	cr_expect_eq(tcp_rexmt_count(&w.c), 0);
	cr_expect_eq(w.c.deadline_ms - w.cx.now_ms, 1000, "and has a second of its own");
	world_sleep_ms(&w, 20);
	syn_acked(FIRST);
	cr_expect_eq(w.nout, 3, "a window of ten takes all of it");
	cr_expect_eq(w.out[0].seg.seq, FIRST);
	cr_expect_eq(tcp_ext_of(&w.pool, &w.c)->rtt.srtt_us / 1000, 20, "not 30");
	cr_expect_eq(w.counters.v[MR_C_TCP_RTO], 0);
	world_hears(&w, TCP_ACK, w.c.snd_nxt, 0);
}

Test(tcp_fastopen_client, syn_too_large_goes_again_once)
{
	open_full();
	cr_assert(tcp_path_mss(&w.cx, &w.c, 1000));
	world_output(&w);
	cr_expect_not(tcp_path_mss(&w.cx, &w.c, 1000));
	cr_expect_not(tcp_path_mss(&w.cx, &w.c, 600), "what is out now has no data");
	world_output(&w);
	cr_expect_eq(w.nout, 0);
	cr_expect_eq(world_next_timer(&w), 1000);
	cr_assert_eq(w.nout, 1);
	cr_expect_eq(w.out[0].seg.flags, TCP_SYN);
}

/* The error came after the timer: the SYN is out again, and has its timer. */
Test(tcp_fastopen_client, late_error_sends_no_third_syn)
{
	uint32_t deadline_ms;

	open_full();
	world_next_timer(&w);
	cr_assert_eq(w.nout, 1);
	deadline_ms = w.c.deadline_ms;
	cr_expect(tcp_path_mss(&w.cx, &w.c, 1000));
	world_output(&w);
	cr_expect_eq(w.nout, 0);
	cr_expect_eq(w.c.deadline_ms, deadline_ms);
	cr_expect_eq(tcp_rexmt_count(&w.c), 1);
}

/* RFC 5927 7.2: no router says that of what is smaller. */
Test(tcp_fastopen_client, syn_that_fits_the_path_is_left_alone)
{
	uint16_t size;

	open_with(LEN, 8);
	size = LEN + 4 + 4 + 4 + 12;	/* MSS, SACK, scale, the cookie */
	cr_expect_not(tcp_path_mss(&w.cx, &w.c, size));
	world_output(&w);
	cr_expect_eq(w.nout, 0);
	cr_expect(tcp_path_mss(&w.cx, &w.c, (uint16_t)(size - 1)));
	world_output(&w);
	cr_expect_eq(w.nout, 1);
}

Test(tcp_fastopen_client, syn_without_data_is_never_too_large)
{
	open_with(LEN, 0);
	cr_expect_not(tcp_path_mss(&w.cx, &w.c, 536));
	world_output(&w);
	cr_expect_eq(w.nout, 0);
}

/* RFC 3168 6.1.1.1: it was not dropped for that. */
Test(tcp_fastopen_client, syn_too_large_asks_for_ecn_again)
{
	w.params.ecn = TCP_ECN_ASK;
	open_full();
	cr_assert(tcp_path_mss(&w.cx, &w.c, 1000));
	world_output(&w);
	cr_expect_eq(w.out[0].seg.flags, TCP_SYN | TCP_ECE | TCP_CWR);
	world_next_timer(&w);
	cr_expect_eq(w.out[0].seg.flags, TCP_SYN);
}

/* The error was a lie: the answer to the SYN that it was about is taken as ever. */
Test(tcp_fastopen_client, syn_called_too_large_may_be_acknowledged)
{
	const uint32_t len = open_full();

	cr_assert(tcp_path_mss(&w.cx, &w.c, 1000));
	world_output(&w);
	syn_acked(FIRST + len);
	cr_expect_eq(tcp_state(&w.c), TCP_ESTABLISHED);
	cr_expect_eq(w.out[0].seg.seq, FIRST + len);
	world_hears(&w, TCP_ACK, w.c.snd_nxt, 0);
}
