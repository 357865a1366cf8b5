/* SPDX-License-Identifier: BSD-3-Clause */
/* Path MTUs by destination: lowered only, bounded, and forgotten in time. */
#include <criterion/criterion.h>

#include "octets.h"
#include "paths.h"

static struct ip_path_key key4(uint32_t dst)
{
	struct ip_path_key key = {.family = 4, .scope = 1};

	wire_store32(key.dst, wire_be32(dst));
	return key;
}

Test(ip_paths, only_lower_and_within_reason)
{
	static const uint32_t nonsense4[] = {0, 20, 68, 575, 65536, 0xffffffffu};
	struct ip_paths *p = ip_paths_create();
	struct ip_path_key a = key4(1), b = key4(2), six = {.family = 6, .scope = 1, .dst = {0xfd}};

	for (unsigned int i = 0; i < MR_ARRAY_LEN(nonsense4); i++)
		cr_assert_not(ip_path_lower(p, &a, nonsense4[i], 100));
	cr_assert_not(ip_path_lower(p, &six, 1279, 100));
	cr_assert_eq(p->live, 0);
	cr_assert(ip_path_lower(p, &a, 1400, 100));
	cr_assert_not(ip_path_lower(p, &a, 1400, 200));
	cr_assert_not(ip_path_lower(p, &a, 1450, 200));
	cr_assert(ip_path_lower(p, &a, 576, 200));
	cr_assert(ip_path_lower(p, &six, 1280, 200));
	cr_assert_eq(ip_path_mtu(p, &a, 300), 576);
	cr_assert_eq(ip_path_mtu(p, &six, 300), 1280);
	cr_assert_eq(ip_path_mtu(p, &b, 300), 0);
	for (a.scope = 2; a.scope < 5000; a.scope++)	/* some of them in the same set */
		cr_assert_eq(ip_path_mtu(p, &a, 300), 0, "the same address in another network");
	cr_assert_eq(p->live, 2);
	ip_paths_destroy(p);
}

/* RFC 1191 6.3: ten minutes; confirmed, ten more. */
Test(ip_paths, age)
{
	const uint32_t from = 0xffffff00u;	/* the clock wraps meanwhile */
	struct ip_paths *p = ip_paths_create();
	struct ip_path_key a = key4(1);

	ip_path_lower(p, &a, 1400, from);
	ip_path_lower(p, &a, 1400, from + 1000);
	ip_path_lower(p, &a, 1450, from + 5000);	/* says less: confirms nothing */
	cr_assert_eq(ip_path_mtu(p, &a, from + IP_PATH_AGE_MS + 999), 1400);
	cr_assert_eq(ip_path_mtu(p, &a, from + IP_PATH_AGE_MS + 1000), 0);
	cr_assert_eq(p->live, 1);
	for (unsigned int i = 0; i < IP_PATHS; i++)
		ip_paths_turn(p, from + IP_PATH_AGE_MS + 999);
	cr_assert_eq(p->live, 1);
	for (unsigned int i = 0; i < IP_PATHS; i++)
		ip_paths_turn(p, from + IP_PATH_AGE_MS + 1000);
	cr_assert_eq(p->live, 0);
	cr_assert(ip_path_lower(p, &a, 1450, from + IP_PATH_AGE_MS + 2000), "it may be larger now");
	ip_paths_destroy(p);
}

/* Whoever was confirmed longest ago gives way: of a flood the newest are known. */
Test(ip_paths, bounded)
{
	struct ip_paths *p = ip_paths_create();
	uint32_t known = 0;

	for (uint32_t i = 0; i < 20 * IP_PATHS; i++) {
		struct ip_path_key k = key4(0x0a000000 + i);

		cr_assert(ip_path_lower(p, &k, 1300, i));
		cr_assert_leq(p->live, IP_PATHS);
	}
	cr_assert_eq(p->live, IP_PATHS);
	for (uint32_t i = 0; i < 20 * IP_PATHS; i++) {
		struct ip_path_key k = key4(0x0a000000 + i);

		known += ip_path_mtu(p, &k, 20 * IP_PATHS) != 0;
		if (i >= 20 * IP_PATHS - 100)
			cr_assert_eq(ip_path_mtu(p, &k, 20 * IP_PATHS), 1300);
	}
	cr_assert_eq(known, IP_PATHS);
	ip_paths_destroy(p);
}
