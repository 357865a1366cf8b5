/* SPDX-License-Identifier: BSD-3-Clause */
/* Source tuples, TIME_WAIT and capacities, before anything starts; the walk over the tuples. */
#include <string.h>

#include <criterion/criterion.h>

#include "check.h"
#include "plan.h"

static struct mb_options o;
static struct mb_plan p;
static char err[MB_ERROR_MAX];

static void parse(char *const argv[])
{
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	cr_assert_eq(mb_options_parse(argc, argv, &o, err), 0, "%s", err);
}

#define OPTIONS(...) parse((char *[]){"millbench", __VA_ARGS__, NULL})
#define RUN "run", "--vdev", "net_tap0", "--local", "10.0.0.2/24", "--target", "10.0.0.1:80"

static void planned(void)
{
	cr_assert_eq(mb_plan_make(&o, &p, err), 0, "%s", err);
}

static void refused(const char *part)
{
	cr_assert_eq(mb_plan_make(&o, &p, err), -1);
	cr_expect_not_null(strstr(err, part), "'%s' does not say '%s'", err, part);
}

Test(millbench_plan, one_address_gives_its_ports)
{
	OPTIONS(RUN);
	planned();
	cr_expect_eq(p.naddrs, 1);
	cr_expect_eq(p.tuples, 64512);
	cr_expect_eq(p.slots, 1024);
	/* (64512 - 1024) tuples rest for 60 s each. */
	cr_expect_eq(p.sustained_per_s, 1058);
	cr_expect_not(p.has_gateway);
}

Test(millbench_plan, a_rate_that_uses_up_the_tuples_is_refused)
{
	OPTIONS(RUN, "--rate", "1076");
	refused("64560 source tuples");
	OPTIONS(RUN, "--rate", "1075");
	planned();
	cr_expect_eq(p.tuples_needed, 64500);
	/* Without TIME_WAIT the same rate and more are possible. */
	OPTIONS(RUN, "--rate", "60k", "--mode", "handshake");
	planned();
	cr_expect_eq(p.sustained_per_s, UINT64_MAX);
}

Test(millbench_plan, more_connections_than_tuples_are_refused)
{
	OPTIONS(RUN, "--concurrency", "64513");
	refused("64512");
	OPTIONS(RUN, "--mode", "hold", "--hold", "64513");
	refused("64512");
	OPTIONS(RUN, "--mode", "hold", "--hold", "64512");
	planned();
	cr_expect_eq(p.slots, 64512);
	cr_expect_eq(p.at_once, 4096);
}

Test(millbench_plan, a_prefix_leaves_out_network_and_broadcast)
{
	static const uint8_t first[16] = {10, 1, 0, 1}, later[16] = {10, 1, 0, 250};

	OPTIONS(RUN, "--sources", "10.1.0.0/24");
	planned();
	cr_expect_eq(p.naddrs, 254);
	cr_expect_arr_eq(p.source, first, 16);
	cr_expect(p.has_gateway, "sources beside the network need a way back");
	OPTIONS(RUN, "--sources", "10.1.0.250/24");
	planned();
	cr_expect_eq(p.naddrs, 5, "250 to 254");
	cr_expect_arr_eq(p.source, later, 16);
	OPTIONS(RUN, "--sources", "10.1.0.0/8");
	planned();
	cr_expect_eq(p.naddrs, 65534, "as many as local addresses can be numbered");
}

Test(millbench_plan, sources_hold_neither_end)
{
	OPTIONS(RUN, "--sources", "10.0.0.0/24");
	refused("neither");
	OPTIONS(RUN, "--sources", "10.0.0.16/28");
	planned();
	cr_expect_eq(p.naddrs, 15 - 1, "16 is the network address");
}

Test(millbench_plan, a_far_target_wants_a_gateway)
{
	OPTIONS("run", "--vdev", "x", "--local", "10.0.0.2/24", "--target", "10.9.0.1:80");
	refused("--gateway");
	OPTIONS("run", "--vdev", "x", "--local", "10.0.0.2/24", "--target", "10.9.0.1:80",
		"--gateway", "10.0.0.9");
	planned();
	cr_expect_eq(p.gateway[3], 9);
}

Test(millbench_plan, time_wait_is_where_the_close_begins)
{
	OPTIONS("demo", "--rate", "100k");
	planned();
	cr_expect_geq(p.client.time_wait, 100000);
	cr_expect_leq(p.server.time_wait, 1024);
	OPTIONS("demo", "--rate", "100k", "--close", "server");
	planned();
	cr_expect_geq(p.server.time_wait, 100000);
	cr_expect_leq(p.client.time_wait, 1024);
}

Test(millbench_plan, ten_million_idle_connections_fit_the_demo)
{
	OPTIONS("demo", "--mode", "hold", "--hold", "10M");
	planned();
	cr_expect_geq(p.client.conns, 10000000);
	cr_expect_geq(p.server.conns, 10000000);
	cr_expect_geq(p.client.time_wait, 10000000);
}

Test(millbench_plan, workers_share_the_load)
{
	OPTIONS("demo", "--workers", "3", "--concurrency", "1000");
	planned();
	cr_expect_eq(p.slots, 334);
}

Test(millbench_plan, ipv6_leaves_out_the_anycast_address)
{
	OPTIONS("demo", "--local", "fd77::2/64");
	planned();
	cr_expect_eq(p.naddrs, 255);
	cr_expect_eq(p.source[15], 1);
}

/* ---- The walk ---- */

#define SOME_PORTS "run", "--vdev", "net_tap0", "--local", "10.0.0.2/24", "--target", \
	"10.0.0.1:80", "--ports", "65000-65006", "--mode", "handshake", "--concurrency", "4"

/* 10.1.0.250 .. 259: the offsets carry into the third octet. */
static struct mb_tuples ten_by_seven(unsigned int index, unsigned int of)
{
	struct mb_tuples t = {.family = 4,
			      .base = {10, 1, 0, 250},
			      .naddrs = 10,
			      .nports = 7,
			      .port_first = 65000};

	mb_tuples_part(&t, index, of);
	mb_tuples_start(&t, 3 + index);
	return t;
}

/** Takes n tuples and counts each. */
static void walk(struct mb_tuples *t, unsigned int n, unsigned int seen[10][7])
{
	struct mr_endpoint e;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int addr, port;

		mb_tuples_next(t, &e);
		addr = (unsigned int)(e.addr[2] << 8 | e.addr[3]) - 250;
		port = e.port - 65000u;
		cr_assert(addr < 10 && port < 7, "addr %u port %u", addr, port);
		seen[addr][port]++;
	}
}

static void each_is_seen(unsigned int times, unsigned int seen[10][7])
{
	for (unsigned int i = 0; i < 70; i++)
		cr_assert_eq(seen[i / 7][i % 7], times, "addr %u port %u: %u times", i / 7, i % 7,
			     seen[i / 7][i % 7]);
}

Test(millbench_tuples, every_tuple_once_before_any_comes_again)
{
	unsigned int seen[10][7] = {{0}};
	struct mb_tuples t = ten_by_seven(0, 1);

	walk(&t, 70, seen);
	each_is_seen(1, seen);
	walk(&t, 70, seen);
	each_is_seen(2, seen);
}

Test(millbench_tuples, workers_share_no_tuple)
{
	for (unsigned int of = 2; of <= 70; of++) {
		unsigned int seen[10][7] = {{0}};

		for (unsigned int i = 0; i < of; i++) {
			struct mb_tuples t = ten_by_seven(i, of);

			cr_assert(t.count == 70 / of || t.count == 70 / of + 1);
			walk(&t, (unsigned int)t.count, seen);
			walk(&t, (unsigned int)t.count, seen);
		}
		each_is_seen(2, seen);
	}
}

/* A hash that is no function of one of address and port. */
static unsigned int mixed(const void *ctx, const struct mr_endpoint *remote,
			  const struct mr_endpoint *local)
{
	cr_assert_eq(remote->port, 80);
	return (local->addr[3] * 7u + local->port * 5u) / 3 % *(const unsigned int *)ctx;
}

Test(millbench_tuples, where_rss_decides_a_worker_walks_what_it_receives)
{
	unsigned int seen[10][7] = {{0}}, workers = 3;
	struct mb_owner owner = {mixed, &workers, {.family = 4, .port = 80}};

	for (unsigned int i = 0; i < workers; i++) {
		struct mb_tuples t = ten_by_seven(0, 1);
		struct mr_endpoint e;
		unsigned int own = 0;

		for (unsigned int k = 0; k < 70; k++) {
			mb_tuples_step(&t, &e);
			own += mixed(&workers, &owner.remote, &e) == i;
		}
		t.owner = &owner;
		t.worker = i;
		walk(&t, 2 * own, seen);
	}
	each_is_seen(2, seen);
}

Test(millbench_tuples, one_who_owns_none_is_not_sought_for_ever)
{
	unsigned int workers = 1;
	struct mb_owner owner = {mixed, &workers, {.family = 4, .port = 80}};
	struct mb_tuples t = ten_by_seven(0, 1);
	struct mr_endpoint e;

	t.owner = &owner;
	t.worker = 1;
	mb_tuples_next(&t, &e);
	cr_expect_geq(e.port, 65000, "the engine will refuse it");
}

Test(millbench_tuples, the_plan_gives_each_worker_its_own)
{
	struct mb_tuples a, b;

	OPTIONS(SOME_PORTS, "--workers", "2");
	planned();
	mb_plan_tuples(&o, &p, 0, &a);
	mb_plan_tuples(&o, &p, 1, &b);
	cr_expect_eq(a.count + b.count, 7);
	cr_expect_eq(b.port_from, a.count);
	/* Fewer tuples than workers: somebody would have none. */
	OPTIONS(SOME_PORTS, "--workers", "8", "--mode", "cycle", "--rate", "1", "--msl-ms", "500");
	refused("8 workers cannot share 7 source tuples");
}

/* ---- Shares, where RSS deals the replies out ---- */

/* Worker 1 gets one port of 16, worker 0 the others. */
static unsigned int few_for_one(const void *ctx, const struct mr_endpoint *remote,
				const struct mr_endpoint *local)
{
	cr_assert_eq(remote->port, 80);
	return local->port % 16 == 0 ? 1 : *(const unsigned int *)ctx;
}

static int shared(unsigned int others)
{
	return mb_plan_share(&o, &p, &(struct mb_owner){few_for_one, &others, o.target}, err);
}

Test(millbench_plan, the_poorest_worker_must_have_tuples_enough)
{
	OPTIONS(RUN, "--workers", "2", "--concurrency", "8064");
	planned();
	cr_expect_eq(p.sustained_per_s, 940);
	cr_expect_not(p.steered);
	cr_expect_eq(shared(0), 0, "%s", err);
	cr_expect(p.steered);
	/* 4032 of 64512 are the second worker's, and as many open at once: none may rest. */
	cr_expect_eq(p.sustained_per_s, 0);
	OPTIONS(RUN, "--workers", "2", "--concurrency", "8066");
	planned();
	cr_expect_eq(shared(0), -1);
	cr_expect_not_null(strstr(err, "4032 of the 64512 source tuples to worker 1, which needs "
				       "4033"), "%s", err);
}

Test(millbench_plan, where_nothing_tells_all_tuples_are_everybodys)
{
	OPTIONS(RUN, "--workers", "2", "--mode", "hold", "--hold", "60000");
	planned();
	cr_expect_eq(shared(2), 0, "%s", err);
	cr_expect_not(p.steered);
	OPTIONS(RUN, "--workers", "2", "--mode", "hold", "--hold", "60000", "--sources",
		"10.1.0.0/16");
	planned();
	cr_expect_eq(shared(0), 0, "a sixteenth of 4 billion is enough: %s", err);
}
