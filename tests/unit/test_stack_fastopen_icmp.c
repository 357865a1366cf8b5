/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open (RFC 7413), the server's part, and what ICMP tells before the handshake is complete:
 * what is sent then is no larger than the path carries, and errors about it, SYN-ACK included, are
 * believed.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "fastopen_fixture.h"
#include "path.h"

#define LEN	3000u
#define MTU	1300u		/* what both families must admit */

static uint8_t content[LEN];
static struct mr_worker *w;

TestSuite(stack_fastopen_icmp, .init = ff_begin, .fini = rf_stop, .timeout = 60);

static void stop(void) { ff_stop(w); }

static uint32_t headers(unsigned int way) { return (way & 1) ? 60 : 40; }

/* Octets of data seen since `from`, each segment within the MTU. */
static uint32_t octets_since(unsigned int from, unsigned int way)
{
	uint32_t sum = 0;

	for (unsigned int i = from; i < rf_nseen; i++) {
		const struct tcp_seg *s = &rf_seen[i].seg;

		cr_expect_leq(s->len + headers(way) + ((s->opts & TCP_OPT_TS) ? 12u : 0u), MTU);
		sum += s->len;
	}
	return sum;
}

static void path_carries_less(struct conn_ref r)
{
	const struct ip_path path = {.key = path_key_of(w, r), .mtu = MTU};

	path_told(w, &path);
}

static void send_content(struct conn_ref r)
{
	cr_assert_eq(mr_send_copy(w, conn_handle(w, r), content, LEN, 0), LEN);
	stack_turn(w);
	stack_flush(w);
}

/* One that "hello" of its SYN has opened, and that has answered nothing. */
static struct conn_ref opened(unsigned int way, struct rf_path *p)
{
	struct tcp_seg syn = cf_syn(ALL_OPTIONS);

	w = cf_worker(way);
	*p = cf_path(way, 2000);
	ff_cookie(w, p, &syn);
	p->peer.port = 2001;
	ff_reset(way);
	ff_on_data = FF_NOTHING;
	ff_syn_with(w, p, &syn, "hello");
	cr_assert_eq(ff_accepted, 1);
	rf_last(SYN_ACK);
	return cf_record_of(w, p);
}

Test(stack_fastopen_icmp, answer_fits_a_path_that_is_known)
{
	for (unsigned int way = 0; way < CF_WAYS; way++) {
		struct rf_path p;
		struct conn_ref r = opened(way, &p);
		unsigned int from = rf_nseen;

		path_carries_less(r);
		send_content(r);
		cr_expect_str_eq(cf_info_of(w, &p).state, "SYN_RCVD");
		cr_expect_eq(octets_since(from, way), LEN);
		stop();
	}
}

Test(stack_fastopen_icmp, answer_that_was_too_large_goes_again_at_once)
{
	for (unsigned int i = 0; i < 2 * CF_WAYS; i++) {
		const unsigned int way = i % CF_WAYS;
		struct icmp_error e;
		struct rf_path p;
		struct conn_ref r;
		unsigned int from;

		cf_cfg.tcp.sack = i < CF_WAYS;
		r = opened(way, &p);
		send_content(r);
		e = ff_error_about(w, r, r.c->snd_una);
		e.kind = WIRE_ICMP_TOO_BIG;
		e.mtu = MTU;
		from = rf_nseen;
		icmp_error_input(w, &e, false);
		stack_flush(w);
		cr_expect_str_eq(cf_info_of(w, &p).state, "SYN_RCVD");
		cr_expect_eq(cf_counted(w, MR_C_ICMP_PATH_MTU), 1);
		cr_expect_eq(octets_since(from, way), LEN);
		cr_expect_eq(cf_counted(w, MR_C_TCP_RTO), 0);
		stack_check(w);
		stop();
	}
}

/* RFC 5927 4: with a SYN-ACK in flight nothing is from SND.UNA on. */
Test(stack_fastopen_icmp, error_about_a_syn_ack_is_no_stray)
{
	for (unsigned int way = 0; way < CF_WAYS; way++) {
		struct rf_path p;
		struct conn_ref r = opened(way, &p);
		const uint32_t iss = rf_last(SYN_ACK)->seg.seq;
		struct icmp_error e = ff_error_about(w, r, iss);

		icmp_error_input(w, &e, false);
		cr_expect_eq(cf_counted(w, MR_C_ICMP_ERROR_RX), 1);
		cr_expect_eq(cf_counted(w, MR_C_ICMP_ERROR_STRAY), 0);
		cr_expect_eq(cf_info_of(w, &p).icmp_type, 3);
		cr_expect_eq(cf_info_of(w, &p).icmp_code, 1);
		e.hard = true;
		icmp_error_input(w, &e, false);
		cr_expect_eq(ff_nclosed, 0, "hard in SYN_SENT only");
		e.seq = iss - 1;
		icmp_error_input(w, &e, false);
		e.seq = iss + 1;
		icmp_error_input(w, &e, false);
		cr_expect_eq(cf_counted(w, MR_C_ICMP_ERROR_RX), 2);
		cr_expect_eq(cf_counted(w, MR_C_ICMP_ERROR_STRAY), 2);
		send_content(r);
		icmp_error_input(w, &e, false);
		cr_expect_eq(cf_counted(w, MR_C_ICMP_ERROR_RX), 3, "now an octet stands there");
		rf_run(w, 70000);	/* nobody answers */
		cr_expect_eq(ff_nclosed, 1);
		cr_expect_eq(ff_why, MR_UNREACHABLE);
		stop();
	}
}
