/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of impair: values of each kind, directions, what contradicts itself. */
#include <criterion/criterion.h>
#include <string.h>

#include "options.h"

static struct imp_options o;
static char err[IMP_ERROR_MAX];

/* Words after "--a net_tap0 --b net_tap1,iface=x", separated by blanks. */
static int parse(const char *words)
{
	static char copy[512];
	char *argv[40] = {"impair", "--a", "net_tap0", "--b", "net_tap1,iface=x"}, *save = NULL;
	int argc = 5;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	err[0] = '\0';
	return imp_options_parse(argc, argv, &o, err);
}

static void good(const char *words)
{
	cr_assert_eq(parse(words), 0, "%s: %s", words, err);
}

static void bad(const char *words, const char *says)
{
	cr_assert_eq(parse(words), -1, "%s was accepted", words);
	cr_assert(strstr(err, says) != NULL, "%s: %s", words, err);
	cr_assert(strchr(err, '\n') == NULL);
}

Test(impair_options, defaults)
{
	char name[64];

	good("");
	cr_assert(o.seed == 1 && o.duration_ns == 0 && o.frames == 0 && o.mtu == 1500);
	for (unsigned int d = 0; d < 2; d++)
		cr_assert(o.dir[d].loss == 0 && o.dir[d].delay_ns == 0 && o.dir[d].rate_bps == 0 &&
			  o.dir[d].queue_frames == 1000 && o.dir[d].hold_frames == 8192);
	imp_port_name(&o, 1, name);
	cr_assert_str_eq(name, "net_tap1");
}

Test(impair_options, both_directions_or_one)
{
	good("--loss 1 --delay=20ms --loss-ba 2.5% --rate-ab 10M --queue-octets-ab 64k");
	cr_assert_eq(o.dir[0].loss, 0.01);
	cr_assert_eq(o.dir[1].loss, 0.025);
	cr_assert(o.dir[0].delay_ns == 20000000 && o.dir[1].delay_ns == 20000000);
	cr_assert(o.dir[0].rate_bps == 10000000 && o.dir[1].rate_bps == 0);
	cr_assert_eq(o.dir[0].queue_octets, 64000);
	good("--loss-ab 2 --loss 1"); /* the last one counts */
	cr_assert_eq(o.dir[0].loss, 0.01);
	good("--jitter-ab 1ms --keep-order-ab");
	cr_assert(o.dir[0].keep_order && !o.dir[1].keep_order);
}

Test(impair_options, bursts)
{
	good("--loss-bursts 1,25");
	cr_assert(o.dir[1].burst_enter == 0.01 && o.dir[1].burst_leave == 0.25 &&
		  o.dir[1].burst_bad == 1 && o.dir[1].burst_good == 0);
	good("--loss-bursts-ab 1,25,50,0.5");
	cr_assert(o.dir[0].burst_bad == 0.5 && o.dir[0].burst_good == 0.005);
	cr_assert_eq(o.dir[1].burst_enter, 0);
	for (unsigned int i = 0; i < 7; i++)
		bad(((const char *const[]){"--loss-bursts 1", "--loss-bursts 0,5",
					   "--loss-bursts 5,0", "--loss-bursts 1,2,3,4,5",
					   "--loss-bursts 1,,3", "--loss-bursts 1,2,",
					   "--loss-bursts 1,101"})[i],
		    "two to four shares");
}

Test(impair_options, values)
{
	uint64_t n = 0;
	double share = 0;

	cr_assert(imp_parse_time("1.5ms", &n) == NULL && n == 1500000);
	cr_assert(imp_parse_time("300us", &n) == NULL && n == 300000);
	cr_assert(imp_parse_time("0", &n) == NULL && n == 0);
	cr_assert(imp_parse_time("60m", &n) == NULL && n == 3600000000000);
	cr_assert(imp_parse_rate("2.5Gbit", &n) == NULL && n == 2500000000);
	cr_assert(imp_parse_rate("64k", &n) == NULL && n == 64000);
	cr_assert(imp_parse_percent("0.1", &share) == NULL && share == 0.1 / 100);
	cr_assert(imp_parse_percent("100%", &share) == NULL && share == 1);
	cr_assert(args_count("9007199254740992", 0, UINT64_MAX, &n) == NULL &&
		  n == 1ull << 53);
	for (unsigned int i = 0; i < 9; i++) {
		const char *text = ((const char *const[]){"", "1", "ms", "-1ms", "1.2.3s", "1e3s",
							  "0x10s", " 1s", "61m"})[i];

		cr_assert_neq(imp_parse_time(text, &n), NULL, "'%s'", text);
	}
	for (unsigned int i = 0; i < 6; i++) {
		const char *text =
			((const char *const[]){"", "10", "0M", "1500G", "10MB", "nanM"})[i];

		cr_assert_neq(imp_parse_rate(text, &n), NULL, "'%s'", text);
	}
	for (unsigned int i = 0; i < 5; i++) {
		const char *text = ((const char *const[]){"1.5", "inf", "-3", "3 ",
							  "99999999999999999999999999"})[i];

		cr_assert_neq(args_count(text, 0, UINT64_MAX, &n), NULL, "'%s'", text);
	}
	cr_assert_neq(args_count("4", 5, 10, &n), NULL);
	cr_assert_neq(imp_parse_percent("100.1", &share), NULL);
}

Test(impair_options, what_contradicts_itself)
{
	bad("--loss 1 --loss-bursts 1,25", "exclude each other");
	good("--loss-ab 1 --loss-bursts-ba 1,25");
	bad("--keep-order", "are for --jitter");
	bad("--jitter-normal-ba", "are for --jitter");
	bad("--reorder 1", "wants --delay");
	bad("--reorder-ba 1 --delay-ab 1ms", "wants --delay");
	bad("--reorder 1 --delay 5ms --jitter 1ms --keep-order", "exclude each other");
	bad("--queue-frames 10", "are for --rate");
	bad("--queue-octets-ba 1000 --rate-ab 1M", "are for --rate");
	bad("--b net_tap0,iface=y", "different names");
	bad("--seed-ab 1", "no option");
	bad("--loss-abc 1", "no option");
	bad("loss 1", "no option");
	bad("--loss", "wants a value");
	bad("--no-huge=1", "takes no value");
	bad("--idle never", "one of the names");
	bad("--mtu 100", "within the range");
	bad("--a=", "1 to 255 characters");
}

Test(impair_options, both_ports_are_needed)
{
	char *one[] = {"impair", "--a", "net_null0"};
	char *help[] = {"impair", "--help"};

	cr_assert_eq(imp_options_parse(3, one, &o, err), -1);
	cr_assert(strstr(err, "two ports") != NULL);
	cr_assert_eq(imp_options_parse(2, help, &o, err), 0);
	cr_assert(o.help);
}
