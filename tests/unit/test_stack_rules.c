/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of RFC 9293, 1122 and 6056 that the stack keeps, not one connection: local addresses and
 * ports, destinations that are refused, segments that are not for us.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "rules_fixture.h"

static struct stack_config cfg;

static void begin(void)
{
	rf_start();
	rf_configure(&cfg);
}
TestSuite(stack_rules, .init = begin, .fini = rf_stop);

static struct mr_worker *worker(void) { return rf_worker(&cfg, 1000000); }

static const struct mr_endpoint any, server = RF_IP4(10, 77, 0, 50, 80);

/* ---- MUST-43, 44, 45: the local address of an active open ---- */

Test(stack_rules, local_address_is_chosen_by_route)
{
	static const struct {
		struct mr_endpoint remote;
		struct rf_path way;	/* us: the first of `count` addresses; peer: the next hop */
		unsigned int count;
	} rows[] = {
		{RF_IP4(10, 77, 0, 50, 80), {RF_IP4(10, 77, 0, 50, 0), RF_IP4(10, 77, 0, 2, 0), 0,
					     WIRE_NO_VLAN}, 4},
		{RF_IP4(10, 88, 0, 9, 80), {RF_IP4(10, 88, 0, 9, 0), RF_IP4(10, 88, 0, 2, 0), 0,
					    7}, 1},
		{RF_IP4(10, 99, 0, 9, 80), {RF_IP4(10, 99, 0, 9, 0), RF_IP4(10, 99, 0, 2, 0), 1,
					    WIRE_NO_VLAN}, 1},
		{RF_IP4(192, 0, 2, 1, 80), {RF_IP4(10, 77, 0, 1, 0), RF_IP4(10, 77, 0, 2, 0), 0,
					    WIRE_NO_VLAN}, 4},
	};
	struct mr_worker *w = worker();

	for (unsigned int i = 0; i < 64 * MR_ARRAY_LEN(rows); i++) {
		const struct rf_path *way = &rows[i / 64].way;
		static unsigned int drawn[MR_ARRAY_LEN(rows)];
		struct mr_tcp_info info;
		unsigned int off;

		rf_open(w, &any, &rows[i / 64].remote, &info);
		off = (unsigned int)(info.local.addr[3] - way->us.addr[3]);
		cr_assert(memcmp(info.local.addr, way->us.addr, 3) == 0 && off < rows[i / 64].count,
			  "row %u", i / 64);
		drawn[i / 64] |= 1u << off;
		cr_assert(i % 64 != 63 || drawn[i / 64] == (1u << rows[i / 64].count) - 1);
		stack_flush(w);
		cr_assert_eq(rf_nasked, i % 64 == 0, "one question for each next hop");
		cr_assert(i % 64 != 0 || memcmp(rf_asked[0].arp.target_ip, way->peer.addr, 4) == 0);
		rf_neighbours_answer(w);
		cr_assert(rf_same(&rf_last(TCP_SYN)->src, &info.local));
		cr_assert_eq(rf_last(TCP_SYN)->port, way->port);
		cr_assert_eq(rf_last(TCP_SYN)->vlan, way->vlan);
	}
	stack_destroy(w);
}

Test(stack_rules, local_address_can_be_given)
{
	static const struct {
		struct mr_endpoint local, remote;
		enum mr_reason why;
	} rows[] = {
		{RF_IP4(10, 77, 0, 2, 0), RF_IP4(10, 77, 0, 50, 80), MR_OK},
		{RF_IP4(10, 77, 0, 5, 5001), RF_IP4(10, 77, 0, 50, 80), MR_OK},
		{RF_IP4(10, 77, 0, 3, 5002), RF_IP4(192, 0, 2, 1, 80), MR_OK},
		{RF_IP4(10, 88, 0, 2, 5003), RF_IP4(10, 88, 0, 9, 80), MR_OK},
		{RF_IP4(10, 99, 0, 2, 0), RF_IP4(10, 99, 0, 9, 80), MR_OK},
		{RF_IP6(3, 5004), RF_IP6(50, 80), MR_OK},
		/* not ours; no gateway on that port; another family */
		{RF_IP4(10, 77, 0, 6, 0), RF_IP4(10, 77, 0, 50, 80), MR_NO_ROUTE},
		{RF_IP6(4, 0), RF_IP6(50, 80), MR_NO_ROUTE},
		{RF_IP4(10, 99, 0, 2, 0), RF_IP4(192, 0, 2, 1, 80), MR_NO_ROUTE},
		{RF_IP6(2, 0), RF_IP4(10, 77, 0, 50, 80), MR_BAD_ARGUMENT},
	};
	struct mr_worker *w = worker();
	struct mr_endpoint local;
	struct mr_tcp_info info;
	mr_conn c;

	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		cr_expect_eq(rf_try_open(w, &rows[i].local, &rows[i].remote, &c), rows[i].why,
			     "row %u", i);
		if (rows[i].why != MR_OK || mr_tcp_info(w, c, &info) != MR_OK)
			continue;
		local = rows[i].local;
		local.port = local.port == 0 ? info.local.port : local.port;
		cr_expect(rf_same(&info.local, &local), "row %u", i);
	}
	/* The port alone: the address is chosen. */
	rf_open(w, &(struct mr_endpoint){.port = 5005}, &server, &info);
	cr_expect_eq(info.local.port, 5005);
	cr_expect(memcmp(info.local.addr, server.addr, 3) == 0);
	stack_destroy(w);
}

/* From the SYN to the RST, through retransmissions; four addresses could be drawn each time. */
Test(stack_rules, local_address_stays)
{
	static const struct mr_endpoint remote = RF_IP4(192, 0, 2, 1, 80);
	struct tcp_seg seg = {.seq = 1000, .flags = TCP_SYN | TCP_ACK, .wnd = 60000};
	struct mr_worker *w = worker();
	struct mr_tcp_info info, later;
	unsigned int flags = 0;
	struct rf_path back;
	mr_conn c;

	c = rf_open(w, &any, &remote, &info);
	rf_neighbours_answer(w);
	rf_run(w, 1500);
	back = rf_back(rf_last(TCP_SYN));
	cr_assert_eq(rf_nseen, 2);
	seg.ack = rf_last(TCP_SYN)->seg.seq + 1;
	rf_segment(w, &back, &seg, NULL);
	rf_last(TCP_ACK);
	cr_assert_eq(mr_send_copy(w, c, "hello", 5, 0), 5);
	rf_run(w, 4000);
	mr_shutdown(w, c);
	rf_run(w, 10);
	rf_last(TCP_FIN | TCP_ACK);
	cr_expect_eq(mr_tcp_info(w, c, &later), MR_OK);
	cr_expect(rf_same(&later.local, &info.local));
	mr_abort(w, c);
	rf_run(w, 10);
	for (unsigned int i = 0; i < rf_nseen; i++) {
		cr_expect(rf_same(&rf_seen[i].src, &info.local), "segment %u", i);
		cr_expect(rf_same(&rf_seen[i].dst, &remote), "segment %u", i);
		flags |= rf_seen[i].seg.flags;
	}
	cr_expect_eq(flags & (TCP_SYN | TCP_FIN | TCP_RST), TCP_SYN | TCP_FIN | TCP_RST);
	cr_expect_gt(rf_nseen, 6);
	stack_destroy(w);
}

/* ---- MUST-46: whom nobody can speak TCP to ---- */

Test(stack_rules, open_to_a_group_or_to_nobody_is_refused)
{
	static const struct {
		struct mr_endpoint remote;
		bool sane;
	} rows[] = {
		{RF_IP4(0, 0, 0, 0, 80), false}, {RF_IP4(0, 1, 2, 3, 80), false},
		{RF_IP4(224, 0, 0, 1, 80), false}, {RF_IP4(239, 255, 255, 255, 80), false},
		{RF_IP4(240, 0, 0, 1, 80), false}, {RF_IP4(255, 255, 255, 255, 80), false},
		{RF_IP4(10, 77, 0, 255, 80), false}, {RF_IP4(10, 88, 0, 255, 80), false},
		{RF_IP4(10, 99, 0, 255, 80), false}, {RF_IP4(10, 77, 0, 50, 0), false},
		{{.family = 6, .port = 80}, false},
		{{.family = 6, .addr = {0xff, 0x02, [15] = 1}, .port = 80}, false},
		{{.family = 5, .addr = {10, 77, 0, 50}, .port = 80}, false},
		{{.family = 0, .addr = {10, 77, 0, 50}, .port = 80}, false},
		/* A host of another network, the other end of a link (RFC 3021), no broadcast. */
		{RF_IP4(10, 77, 1, 255, 80), true}, {RF_IP4(10, 66, 0, 1, 80), true},
		{RF_IP4(10, 77, 0, 254, 80), true}, {RF_IP4(223, 255, 255, 254, 80), true},
		{{.family = 6, .port = 80, .addr = {0xfd, 0x77, 255, 255, [15] = 1}}, true},
	};
	static const struct mr_endpoint given = RF_IP4(10, 77, 0, 4, 5000);
	struct mr_worker *w;
	mr_conn c;

	cfg.addr[1].prefix_len = 16;	/* IPv6 */
	w = worker();
	for (unsigned int i = 0; i < MR_ARRAY_LEN(rows); i++) {
		const bool sane = rows[i].sane;

		cr_expect_eq(rf_try_open(w, &any, &rows[i].remote, &c),
			     sane ? MR_OK : MR_BAD_ARGUMENT, "row %u", i);
		cr_expect_eq(c.id == 0, !sane, "row %u", i);
		stack_flush(w);
		cr_expect(sane || (rf_nseen == 0 && rf_nasked == 0), "row %u: silently", i);
	}
	cr_expect_eq(rf_try_open(w, &given, &rows[6].remote, &c), MR_BAD_ARGUMENT);
	stack_destroy(w);
}

/* ---- RFC 1122 3.2.1.3: not for us ---- */

/* A handshake of the peer; returns the segment that would come next. */
static struct tcp_seg accepted(struct mr_worker *w, const struct rf_path *on)
{
	struct tcp_seg seg = {.seq = 1, .flags = TCP_SYN, .wnd = 60000};

	rf_segment(w, on, &seg, NULL);
	seg = (struct tcp_seg){.seq = 2, .ack = rf_last(TCP_SYN | TCP_ACK)->seg.seq + 1,
			       .flags = TCP_ACK, .wnd = 60000};
	rf_segment(w, on, &seg, NULL);
	return seg;
}

/* A good segment comes before each one, so that its address is the one that is tried first. */
static void drops_all(struct mr_worker *w, const struct rf_path *ours, const struct rf_path *path,
		      unsigned int n)
{
	static const uint8_t flags[] = {TCP_SYN, TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST};
	const struct tcp_seg next = accepted(w, ours);
	uint64_t dropped = 0;

	rf_nseen = 0;
	for (unsigned int i = 0; i < n * MR_ARRAY_LEN(flags); i++) {
		struct tcp_seg seg = next;

		seg.flags = flags[i % MR_ARRAY_LEN(flags)];
		rf_segment(w, ours, &next, NULL);
		rf_segment(w, &path[i / MR_ARRAY_LEN(flags)], &seg, NULL);
		cr_expect_eq(w->counters.v[MR_C_RX_IP_DEST], ++dropped, "row %u, flags 0x%02x",
			     i / 4, seg.flags);
	}
	cr_expect_eq(rf_nseen, 0);
	cr_expect_eq(w->counters.v[MR_C_CONN_PASSIVE], 1);
}

Test(stack_rules, segments_to_other_addresses_are_dropped)
{
	static const struct rf_path rows[] = {
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 77, 0, 1, 80), 0, WIRE_NO_VLAN},
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 77, 0, 6, 80), 0, WIRE_NO_VLAN},
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 99, 0, 2, 80), 0, WIRE_NO_VLAN},
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 77, 0, 2, 80), 0, 7},
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 77, 0, 2, 80), 1, WIRE_NO_VLAN},
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 88, 0, 2, 80), 0, WIRE_NO_VLAN},
		{RF_IP6(50, 4000), RF_IP6(4, 80), 0, WIRE_NO_VLAN},
		{RF_IP6(50, 4000), RF_IP6(2, 80), 1, WIRE_NO_VLAN},
	};
	/* The same tuples on the VLAN and the port where the address is ours. */
	static const struct rf_path ours[] = {
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 77, 0, 2, 80), 0, WIRE_NO_VLAN},
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 88, 0, 2, 80), 0, 7},
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 99, 0, 2, 80), 1, WIRE_NO_VLAN},
		{RF_IP6(50, 4000), RF_IP6(2, 80), 0, WIRE_NO_VLAN},
	};

	for (unsigned int k = 0; k < 2 * MR_ARRAY_LEN(ours); k++) {
		struct stack_stats stats;
		struct mr_worker *w;

		cfg.fast_path = k % 2 != 0;
		w = worker();
		drops_all(w, &ours[k / 2], rows, MR_ARRAY_LEN(rows));
		stack_stats(w, &stats);
		cr_expect_eq(stats.states[__builtin_ctz(TCP_ESTABLISHED)], 1, "it lives");
		stack_destroy(w);
	}
}

/* ---- RFC 6056: local ports of active opens ---- */

#define PORTS_FIRST	20000u
#define PORTS_SPAN	10000u
#define PORTS_DRAWN	400u

/* All towards one server: no port comes twice. */
static void draw_ports(uint64_t seed, uint32_t port[PORTS_DRAWN])
{
	bool drawn[PORTS_SPAN] = {false};
	static const struct mr_endpoint local = RF_IP4(10, 77, 0, 2, 0);
	struct mr_tcp_info info;
	struct mr_worker *w;

	cfg.seed = seed;
	cfg.port_range_first = PORTS_FIRST;
	cfg.port_range_last = PORTS_FIRST + PORTS_SPAN - 1;
	w = worker();
	for (unsigned int i = 0; i < PORTS_DRAWN; i++) {
		rf_open(w, &local, &server, &info);
		port[i] = info.local.port;
		cr_assert(port[i] - PORTS_FIRST < PORTS_SPAN && !drawn[port[i] - PORTS_FIRST]);
		drawn[port[i] - PORTS_FIRST] = true;
	}
	stack_destroy(w);
}

Test(stack_rules, ports_are_random_over_the_range)
{
	static const uint64_t seeds[] = {42, 0, 0};	/* 0: from the kernel */
	uint32_t port[MR_ARRAY_LEN(seeds)][PORTS_DRAWN];

	for (unsigned int k = 0; k < MR_ARRAY_LEN(seeds); k++) {
		unsigned int part[10] = {0}, up = 0, near = 0, again = 0;

		draw_ports(seeds[k], port[k]);
		for (unsigned int i = 0; i < PORTS_DRAWN; i++) {
			uint32_t off = port[k][i] - PORTS_FIRST, last = port[k][i != 0 ? i - 1 : 0];

			part[off / (PORTS_SPAN / 10)]++;
			up += port[k][i] > last;
			near += i != 0 && port[k][i] - last + 8 <= 16;
			again += k != 0 && port[k][i] == port[k - 1][i];
		}
		for (unsigned int i = 0; i < 10; i++)	/* 40 +- 6 standard deviations */
			cr_expect(part[i] > 3 && part[i] < 77, "part %u: %u", i, part[i]);
		cr_expect(up > 150 && up < 250, "%u steps of 399 go up", up);
		cr_expect_lt(near, 10, "%u of 399 steps are short", near);
		cr_expect_lt(again, 5, "%u of 400 ports are those of another start", again);
	}
}

/* Handshake, our close, the peer's: our end is in TIME_WAIT then. */
static void to_time_wait(struct mr_worker *w, mr_conn c, const struct rf_seen *syn)
{
	const struct rf_path back = rf_back(syn);
	struct tcp_seg seg = {.seq = 1000, .ack = syn->seg.seq + 1, .wnd = 60000,
			      .flags = TCP_SYN | TCP_ACK};

	rf_segment(w, &back, &seg, NULL);
	cr_assert_eq(mr_close(w, c), MR_OK);
	stack_turn(w);
	stack_flush(w);
	rf_last(TCP_FIN | TCP_ACK);
	seg.flags = TCP_FIN | TCP_ACK;
	seg.seq++;
	seg.ack++;
	rf_segment(w, &back, &seg, NULL);
	rf_last(TCP_ACK);
}

Test(stack_rules, ports_in_use_or_in_time_wait_are_not_taken)
{
	struct mr_endpoint local = RF_IP4(10, 77, 0, 2, 0), other = server;
	struct stack_stats stats;
	struct mr_tcp_info info;
	struct mr_worker *w;
	uint32_t taken = 0;
	mr_conn c;

	cfg.port_range_first = 40000;
	cfg.port_range_last = 40007;
	w = worker();
	for (unsigned int i = 0; i < 8; i++) {
		c = rf_open(w, &local, &server, &info);
		cr_assert_eq(taken >> (info.local.port - 40000) & 1, 0, "%u", info.local.port);
		taken |= 1u << (info.local.port - 40000);
		rf_neighbours_answer(w);
		if (i % 2 == 0)
			to_time_wait(w, c, rf_last(TCP_SYN));
	}
	cr_assert_eq(taken, 0xff);
	stack_stats(w, &stats);
	cr_assert_eq(stats.time_wait[0], 4);
	cr_expect_eq(rf_try_open(w, &local, &server, &c), MR_NO_TUPLE);
	for (local.port = 40000; local.port < 40008; local.port++)
		cr_expect_eq(rf_try_open(w, &local, &server, &c), MR_NO_TUPLE, "%u", local.port);
	cr_expect_eq(w->counters.v[MR_C_CONNECT_NO_TUPLE], 9);
	other.port++;
	local.port = 0;
	cr_expect_eq(rf_try_open(w, &local, &other, &c), MR_OK, "another server is another tuple");
	rf_run(w, 2500);
	for (unsigned int i = 0; i < 4; i++)
		cr_expect_eq(rf_try_open(w, &local, &server, &c), MR_OK, "2MSL is over");
	cr_expect_eq(rf_try_open(w, &local, &server, &c), MR_NO_TUPLE);
	stack_destroy(w);
}

/* ---- MUST-65, which the fixture looks at: answers that no connection gives ---- */

Test(stack_rules, answers_without_a_connection_have_no_mss)
{
	static const struct mr_endpoint local = RF_IP4(10, 77, 0, 2, 5000);
	static const struct rf_path on[] = {
		{RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 77, 0, 2, 82), 0, WIRE_NO_VLAN},
		{RF_IP6(50, 4000), RF_IP6(2, 82), 0, WIRE_NO_VLAN},
	};
	struct tcp_seg seg = {.seq = 1, .flags = TCP_SYN, .opts = TCP_OPT_MSS, .mss = 1460};
	struct mr_tcp_info info;
	struct mr_worker *w = worker();
	struct rf_path back;
	mr_conn c;

	for (unsigned int i = 0; i < MR_ARRAY_LEN(on); i++) {
		seg.flags = TCP_SYN;
		rf_segment(w, &on[i], &seg, NULL);
		rf_last(TCP_RST | TCP_ACK);
	}
	back = on[0];
	back.us.port = 80;
	seg = (struct tcp_seg){.seq = 1, .flags = TCP_ACK};
	rf_segment(w, &back, &seg, NULL);
	rf_last(TCP_RST);
	c = rf_open(w, &local, &server, &info);
	rf_neighbours_answer(w);
	back = rf_back(rf_last(TCP_SYN));
	to_time_wait(w, c, rf_last(TCP_SYN));
	seg = (struct tcp_seg){.seq = 1001, .ack = info.snd_una + 2, .flags = TCP_FIN | TCP_ACK};
	rf_nseen = 0;
	rf_segment(w, &back, &seg, NULL);
	rf_last(TCP_ACK);
	cr_expect_eq(w->counters.v[MR_C_TW_REACK], 1);
	stack_destroy(w);
}

/* ---- MUST-30, 31, 62, RFC 6093: urgent octets in line ---- */

Test(stack_rules, urgent_octets_reach_the_handler_in_line)
{
	static const struct rf_path on = {RF_IP4(10, 77, 0, 50, 4000), RF_IP4(10, 77, 0, 2, 80), 0,
					  WIRE_NO_VLAN};
	static const char text[] = "octets that are urgent, and others";

	for (unsigned int fast = 0; fast < 2; fast++) {
		struct mr_worker *w;
		struct tcp_seg seg;

		cfg.fast_path = fast != 0;
		w = worker();
		seg = accepted(w, &on);
		seg.len = 2;
		for (unsigned int i = 0; i < sizeof(text) / 2; i++, seg.seq += 2) {
			seg.flags = i % 3 != 2 ? TCP_ACK | TCP_URG : TCP_ACK;
			seg.urg = (uint16_t)(i * i * i);
			rf_segment(w, &on, &seg, text + 2 * i);
		}
		cr_expect_eq(rf_ntext, sizeof(text) / 2 * 2);
		cr_expect(memcmp(rf_text, text, rf_ntext) == 0, "%.*s", (int)rf_ntext, rf_text);
		stack_destroy(w);
	}
}
