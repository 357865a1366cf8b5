/* SPDX-License-Identifier: BSD-3-Clause */
/* Driver profiles: the compiled-in ones, files that go before them, and files that are wrong. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "profile.h"
#include "port_double.h"

static char dir[] = "/tmp/mr_profile_XXXXXX";
static struct driver_profile p;
static struct conf_error err;

static void make_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
	char cmd[128];

	profile_free(&p);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	MR_ASSERT(double_shell(cmd) == 0);
}

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.yaml", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void fails(const char *text, const char *expected)
{
	put("net_x", text);
	cr_assert_eq(profile_find(dir, "net_x", &p, &err), -1);
	cr_assert_not_null(strstr(err.text, expected), "'%s' is not in: %s", expected, err.text);
	profile_free(&p);
}

Test(port_profile, every_compiled_in_profile_loads_and_carries_its_name)
{
	unsigned int n = 0, unverified = 0;

	for (const struct profile_text *t = profile_builtin; t->name != NULL; t++, n++) {
		cr_assert_eq(profile_find(NULL, t->name, &p, &err), 0, "%s", err.text);
		cr_assert_str_eq(p.driver, t->name);
		cr_assert(strstr(p.origin, "built-in") != NULL);
		unverified += !p.verified;
		profile_free(&p);
	}
	cr_assert_geq(n, 15);
	cr_assert_geq(unverified, 5);
}

Test(port_profile, what_is_known_of_tap_and_ring)
{
	cr_assert_eq(profile_find(NULL, "net_tap", &p, &err), 0, "%s", err.text);
	cr_assert(p.verified && p.own_mac && !p.mac_filter && !p.shared_mbufs && !p.tx_tcp_cksum);
	profile_free(&p);
	cr_assert_eq(profile_find(NULL, "net_ring", &p, &err), 0, "%s", err.text);
	cr_assert(p.shared_mbufs && p.multi_segs && !p.rx_cksum);
	cr_assert_eq(p.spread, PROFILE_SPREAD_PEER);
	profile_free(&p);
}

Test(port_profile, an_unknown_driver_gets_the_generic_one_which_believes_nothing)
{
	cr_assert_eq(profile_find(NULL, "net_marvel", &p, &err), 0, "%s", err.text);
	cr_assert(!p.verified && !p.tx_ipv4_cksum && !p.tx_tcp_cksum && !p.rx_cksum &&
		  !p.multi_segs);
	cr_assert(p.mac_filter);
	cr_assert_eq(p.rx_desc, 512);
	cr_assert_eq(p.spread, PROFILE_SPREAD_RSS);
	cr_assert(!profile_known(NULL, "net_marvel"));
	cr_assert(profile_known(NULL, "mlx5_pci"));
	profile_free(&p);
}

Test(port_profile, a_file_goes_before_the_compiled_in_one, .init = make_dir, .fini = remove_dir)
{
	put("net_tap", "driver: net_tap\nverified: yes\nrx_desc: 128\n");
	cr_assert_eq(profile_find(dir, "net_tap", &p, &err), 0, "%s", err.text);
	cr_assert_eq(p.rx_desc, 128);
	cr_assert_eq(p.tx_desc, 512); /* the key's default, not the compiled-in profile's */
	cr_assert_not_null(strstr(p.origin, dir));
	profile_free(&p);
	/* What is not in the directory is still compiled in. */
	cr_assert_eq(profile_find(dir, "net_ring", &p, &err), 0, "%s", err.text);
	cr_assert_not_null(strstr(p.origin, "built-in"));
}

Test(port_profile, wrong_files_are_refused_with_their_place, .init = make_dir, .fini = remove_dir)
{
	fails("driver: net_x\nverified: yes\nrx_desc: 12abc\n", "net_x.yaml:3:");
	fails("driver: net_x\nverified: yes\nrx_desc: 63\n", "rx_desc");
	fails("driver: net_x\nverified: yes\ntx_desc: 4097\n", "tx_desc");
	fails("driver: net_x\nverified: yes\nrx_burst: 65\n", "rx_burst");
	fails("driver: net_x\nverified: yes\nspread: magic\n", "spread");
	fails("driver: net_x\nverified: yes\ntx_tcp_chksum: yes\n", "did you mean 'tx_tcp_cksum'");
	fails("driver: net_x\nverified: maybe\n", "verified");
	fails("verified: yes\n", "driver");
	fails("driver: net_x\n", "verified");
	fails("driver: net_x\nverified: yes\nverified: yes\n", "verified");
	fails("- a list\n", "net_x.yaml");
}

Test(port_profile, an_unverified_one_names_every_source, .init = make_dir, .fini = remove_dir)
{
	fails("driver: net_x\nverified: no\n", "sources.rx_desc");
	fails("driver: net_x\nverified: no\nsources:\n  rx_desc: \"data sheet\"\n",
	      "sources.tx_desc");
	fails("driver: net_x\nverified: no\nsources:\n  rx_desk: \"data sheet\"\n", "rx_desk");
}

Test(port_profile, a_name_cannot_leave_the_directory, .init = make_dir, .fini = remove_dir)
{
	char sub[64];

	put("secret", "driver: secret\nverified: yes\nrx_desc: 64\n");
	snprintf(sub, sizeof(sub), "../%s/secret", strrchr(dir, '/') + 1);
	cr_assert_eq(profile_find(dir, sub, &p, &err), 0, "%s", err.text);
	cr_assert_eq(p.rx_desc, 512);
	profile_free(&p);
	cr_assert_eq(profile_find(dir, "secret", &p, &err), 0, "%s", err.text);
	cr_assert_eq(p.rx_desc, 64);
}

Test(port_profile, the_reference_lists_every_key)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	profile_print_reference(f);
	fclose(f);
	cr_assert_not_null(strstr(text, "shared_mbufs"));
	cr_assert_not_null(strstr(text, "sources"));
	free(text);
}
