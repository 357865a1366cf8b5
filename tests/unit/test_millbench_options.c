/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of millbench: what it takes, what it refuses, and what it says then. */
#include <string.h>

#include <criterion/criterion.h>

#include "options.h"
#include "plan.h"

#define ARGS(...) ((char *[]){"millbench", __VA_ARGS__, NULL})
#define COUNT(...) ((int)(sizeof(ARGS(__VA_ARGS__)) / sizeof(char *)) - 1)
#define PARSE(o, err, ...) mb_options_parse(COUNT(__VA_ARGS__), ARGS(__VA_ARGS__), o, err)

#define TAP "run", "--vdev", "net_tap0", "--local", "10.0.0.2/24", "--target", "10.0.0.1:80"

static struct mb_options o;
static char err[MB_ERROR_MAX];

/** The sentence must name what was wrong. */
static void expect_error(int rc, const char *part)
{
	cr_assert_eq(rc, -1);
	cr_expect_not_null(strstr(err, part), "'%s' does not say '%s'", err, part);
}

Test(millbench_options, no_argument_is_the_demo)
{
	char *argv[] = {"millbench", NULL};

	cr_assert_eq(mb_options_parse(1, argv, &o, err), 0, "%s", err);
	cr_expect_eq(o.command, MB_DEMO);
	cr_expect_eq(o.mode, MB_CYCLE);
	cr_expect(o.ring);
	cr_expect_eq(o.seconds, 10);
	cr_expect_eq(o.msl_ms, 500, "the demo's TIME_WAIT must stay small");
	cr_expect_eq(o.local.family, 4);
	cr_expect_eq(o.target.port, 80);
}

Test(millbench_options, options_take_values_both_ways)
{
	cr_assert_eq(PARSE(&o, err, "demo", "--seconds=3", "--json", "/tmp/x", "--mode", "request",
			   "--response-octets", "20k", "--rate=1M", "--arrivals", "poisson"),
		     0, "%s", err);
	cr_expect_eq(o.seconds, 3);
	cr_expect_str_eq(o.json, "/tmp/x");
	cr_expect_eq(o.mode, MB_REQUEST);
	cr_expect_eq(o.response_octets, 20000);
	cr_expect_eq(o.rate, 1000000);
	cr_expect_eq(o.arrivals, MB_POISSON);
}

Test(millbench_options, a_real_port_keeps_the_full_msl)
{
	cr_assert_eq(PARSE(&o, err, TAP), 0, "%s", err);
	cr_expect_eq(o.msl_ms, 30000);
	cr_expect_not(o.ring);
	cr_expect_eq(o.local.len, 24);
}

Test(millbench_options, wrong_names_and_values_are_named)
{
	expect_error(PARSE(&o, err, "dmeo"), "'dmeo'");
	expect_error(PARSE(&o, err, "--sceonds", "3"), "'--sceonds'");
	expect_error(PARSE(&o, err, "--seconds"), "--seconds");
	expect_error(PARSE(&o, err, "--seconds", "3x"), "'3x'");
	expect_error(PARSE(&o, err, "--seconds", "0"), "'0'");
	expect_error(PARSE(&o, err, "--seconds", "-1"), "'-1'");
	expect_error(PARSE(&o, err, "--mode", "cycel"), "'cycel'");
	expect_error(PARSE(&o, err, "--ring=yes"), "--ring");
	expect_error(PARSE(&o, err, "--rate", "99999999999999999999"), "--rate");
}

Test(millbench_options, contradictions_are_refused)
{
	expect_error(PARSE(&o, err, "run"), "--vdev");
	expect_error(PARSE(&o, err, "run", "--vdev", "net_tap0"), "--local");
	expect_error(PARSE(&o, err, "run", "--ring", "--pci", "0:0.0"), "exclude");
	expect_error(PARSE(&o, err, "demo", "--mode", "hold"), "--hold");
	expect_error(PARSE(&o, err, "demo", "--hold", "5"), "--mode hold");
	expect_error(PARSE(&o, err, "demo", "--mode", "handshake", "--close", "server"), "RST");
	expect_error(PARSE(&o, err, "demo", "--http", "/"), "--http");
	expect_error(PARSE(&o, err, "demo", "--arrivals", "poisson"), "--rate");
	expect_error(PARSE(&o, err, "demo", "--lcores", "1"), "--lcores");
	expect_error(PARSE(&o, err, TAP, "--gateway", "fe80::1"), "families");
}

Test(millbench_options, what_would_be_ignored_is_refused)
{
	expect_error(PARSE(&o, err, "demo", "--requests", "5"), "--requests");
	expect_error(PARSE(&o, err, "demo", "--mode", "handshake", "--request-octets", "5"),
		     "--request-octets");
	expect_error(PARSE(&o, err, "demo", "--response-octets", "5"), "--response-octets");
	expect_error(PARSE(&o, err, "demo", "--mode", "hold", "--hold", "5", "--rate", "5"),
		     "--rate");
	expect_error(PARSE(&o, err, TAP, "--mode", "request", "--http", "/", "--response-octets",
			   "5"),
		     "--http");
	expect_error(PARSE(&o, err, "serve-peer", "--vdev", "x", "--local", "10.0.0.1/24",
			   "--target", "10.0.0.1:80", "--json", "x"),
		     "--json");
	cr_expect_eq(PARSE(&o, err, "demo", "--mode", "keepalive", "--requests", "5",
			   "--request-octets", "5", "--rate", "5"),
		     0, "%s", err);
}

Test(millbench_options, help_is_no_error)
{
	cr_assert_eq(PARSE(&o, err, "run", "--help"), 0);
	cr_expect(o.help);
}

Test(millbench_options, endpoints)
{
	struct mr_endpoint e;
	char text[64];

	cr_assert_null(mb_parse_endpoint("192.0.2.7:443", &e));
	cr_expect_eq(e.family, 4);
	cr_expect_eq(e.port, 443);
	cr_expect_eq(e.addr[0], 192);
	mb_format_endpoint(&e, text, sizeof(text));
	cr_expect_str_eq(text, "192.0.2.7:443");
	cr_assert_null(mb_parse_endpoint("[2001:db8::1]:80", &e));
	cr_expect_eq(e.family, 6);
	mb_format_endpoint(&e, text, sizeof(text));
	cr_expect_str_eq(text, "[2001:db8::1]:80");
	cr_expect_not_null(mb_parse_endpoint("192.0.2.7", &e));
	cr_expect_not_null(mb_parse_endpoint("192.0.2.7:0", &e));
	cr_expect_not_null(mb_parse_endpoint("192.0.2.7:65536", &e));
	cr_expect_not_null(mb_parse_endpoint("2001:db8::1:80", &e), "ambiguous without brackets");
	cr_expect_not_null(mb_parse_endpoint("[192.0.2.7]:80", &e));
	cr_expect_not_null(mb_parse_endpoint("[]:80", &e));
}

Test(millbench_options, prefixes_ports_and_cpus)
{
	struct mb_prefix p;
	struct mb_port_range r;
	struct mb_cpus c;

	cr_assert_null(mb_parse_prefix("10.1.0.0/16", &p));
	cr_expect_eq(p.len, 16);
	cr_assert_null(mb_parse_prefix("fd00::1", &p));
	cr_expect_eq(p.len, 128);
	cr_expect_not_null(mb_parse_prefix("10.1.0.0/33", &p));
	cr_expect_not_null(mb_parse_prefix("10.1.0/16", &p));
	cr_assert_null(mb_parse_ports("1024-65535", &r));
	cr_expect(r.first == 1024 && r.last == 65535);
	cr_expect_not_null(mb_parse_ports("0-5", &r));
	cr_expect_not_null(mb_parse_ports("9-5", &r));
	cr_expect_not_null(mb_parse_ports("1-65536", &r));
	cr_assert_null(mb_parse_cpus("1,3-5", &c));
	cr_expect_eq(c.count, 4);
	cr_expect_eq(c.cpu[3], 5);
	cr_expect_not_null(mb_parse_cpus("1,,x", &c));
	cr_expect_not_null(mb_parse_cpus("", &c));
	cr_expect_not_null(mb_parse_cpus("0-64", &c), "more than %u", MB_CPUS_MAX);
}
