/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which worker receives a tuple: Toeplitz against the verification vectors of Microsoft ("Verifying
 * the RSS Hash Calculation"), the table read back, and what an engine tells its stacks. The port is
 * net_null, which keeps key, functions and table as a NIC does; its profile is one with RSS.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "engine_impl.h"
#include "port_double.h"

#define WORKERS 4u
#define TCP46	(RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)
#define IP46	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6)

static struct eal_options opt;
static struct stack_config stack;
static struct engine *first, *e;
static const char *why = "";

static uint8_t microsoft_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static const struct vector {
	const char *from, *to;
	uint16_t from_port, to_port;
	uint32_t addresses, tcp;	/* hashes */
} vectors[] = {
	{"66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2, 0x51ccc178},
	{"199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a, 0xc626b0ea},
	{"24.19.198.95", "12.22.207.184", 12898, 38024, 0xd2d0a5de, 0x5c2b394a},
	{"38.27.205.30", "209.142.163.6", 48228, 2217, 0x82989176, 0xafc7327f},
	{"153.39.163.191", "202.188.127.2", 44251, 1303, 0x5d1809c5, 0x10e828a2},
	{"3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x2cc18cd5, 0x40207d3d},
	{"3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0x0f0c461c, 0xdde51bbf},
	{"3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
	 0x4b61e985, 0x02d1feef},
};

static struct mr_endpoint endpoint(const char *addr, uint16_t port)
{
	struct mr_endpoint at = {.family = strchr(addr, ':') != NULL ? 6 : 4, .port = port};

	cr_assert_eq(inet_pton(at.family == 6 ? AF_INET6 : AF_INET, addr, at.addr), 1);
	return at;
}

/* ---- set-up: an engine of one worker, and the one under test with workers 1 to 4 ---- */

static struct engine *engine_on(const char *port, uint32_t lcore, uint32_t workers)
{
	struct engine_config cfg = {.nports = 1, .nworkers = workers, .stack = &stack};
	struct engine *made;

	snprintf(cfg.name, sizeof(cfg.name), "%s", port);
	snprintf(cfg.port[0].name, sizeof(cfg.port[0].name), "%s", port);
	snprintf(cfg.port[0].profile, sizeof(cfg.port[0].profile), "net_i40e");
	for (uint32_t i = 0; i < workers; i++)
		cfg.lcores[i] = opt.lcores[lcore + i];
	made = engine_create(&cfg, &why);
	cr_assert_not_null(made, "%s", why);
	return made;
}

static void start(void)
{
	double_eal(&opt, WORKERS + 1);
	opt.memory_mb = 512;
	snprintf(opt.vdev[0], ENGINE_ARG_MAX, "net_null0,no-rx=1");
	snprintf(opt.vdev[1], ENGINE_ARG_MAX, "net_null1,no-rx=1");
	snprintf(opt.vdev[2], ENGINE_ARG_MAX, "net_null2,no-rx=1");
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	first = engine_on("net_null0", 0, 1);
	e = engine_on("net_null1", 1, WORKERS);
}

static void stop(void)
{
	engine_destroy(e);
	engine_destroy(first);
	eal_stop();
}

TestSuite(port_steer, .init = start, .fini = stop, .timeout = 60);

static uint16_t null_port(void)
{
	return e->port[0].id;
}

static void set_hash(uint8_t *key, uint64_t functions)
{
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = 40, .rss_hf = functions};

	cr_assert_eq(rte_eth_dev_rss_hash_update(null_port(), &conf), 0);
}

/* ---- the hash ---- */

static void check_vectors(const struct steer *s, bool ports)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct mr_endpoint remote = endpoint(v->from, v->from_port);
		struct mr_endpoint local = endpoint(v->to, v->to_port);

		cr_expect_eq(steer_hash(s, &remote, &local), ports ? v->tcp : v->addresses,
			     "%s: %08x", v->from, steer_hash(s, &remote, &local));
	}
}

Test(port_steer, toeplitz_is_microsofts)
{
	struct steer s;

	set_hash(microsoft_key, TCP46);
	cr_assert_eq(steer_read(&s, null_port(), 0), 0);
	check_vectors(&s, true);
}

Test(port_steer, a_port_that_hashes_addresses_only)
{
	struct steer s;

	set_hash(microsoft_key, IP46);
	cr_assert_eq(steer_read(&s, null_port(), TCP46), 0);
	check_vectors(&s, false);
}

Test(port_steer, a_family_that_is_not_hashed_has_one_queue)
{
	struct steer s;
	struct mr_endpoint remote = endpoint("fd77::1", 80), local = endpoint("fd77::2", 0);

	set_hash(microsoft_key, RTE_ETH_RSS_NONFRAG_IPV4_TCP);
	cr_assert_eq(steer_read(&s, null_port(), TCP46), 0);
	for (unsigned int p = 1; p < 100; p++) {
		local.port = (uint16_t)p;
		cr_assert_eq(steer_queue(&s, &remote, &local), s.reta[0]);
	}
}

/* ---- the table ---- */

Test(port_steer, the_table_is_the_ports)
{
	struct rte_eth_rss_reta_entry64 reta[2] = {{.mask = UINT64_MAX}, {.mask = UINT64_MAX}};
	struct steer s;

	for (unsigned int i = 0; i < 128; i++)
		reta[i / 64].reta[i % 64] = (uint16_t)(i * 5 / 3 % WORKERS);
	cr_assert_eq(rte_eth_dev_rss_reta_update(null_port(), reta, 128), 0);
	set_hash(microsoft_key, TCP46);
	cr_assert_eq(steer_read(&s, null_port(), 0), 0);
	cr_assert_eq(s.reta_size, 128);
	for (size_t i = 0; i < MR_ARRAY_LEN(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct mr_endpoint remote = endpoint(v->from, v->from_port);
		struct mr_endpoint local = endpoint(v->to, v->to_port);

		cr_expect_eq(steer_queue(&s, &remote, &local), v->tcp % 128 * 5 / 3 % WORKERS);
	}
}

Test(port_steer, what_a_port_does_not_tell_is_not_guessed)
{
	uint8_t zeros[40] = {0};
	struct steer s;

	set_hash(zeros, TCP46);
	cr_expect_eq(steer_read(&s, null_port(), TCP46), -ENODATA);
	cr_expect_eq(s.reta_size, 0);
	set_hash(microsoft_key, TCP46);
	cr_assert_eq(steer_read(&s, null_port(), TCP46), 0);
	double_reta_error = -ENOTSUP;
	cr_expect_eq(steer_read(&s, null_port(), TCP46), -ENOTSUP);
	cr_expect_eq(s.reta_size, 0);
	cr_expect_lt(steer_read(&s, RTE_MAX_ETHPORTS - 1, TCP46), 0, "there is no such port");
}

/* ---- what the engine makes of it ---- */

Test(port_steer, each_stack_is_told_who_receives_a_tuple)
{
	const struct stack_steer *s = &engine_worker(e, 2)->init.port[0].steer;
	struct mr_endpoint remote = endpoint("10.0.0.1", 80), local = endpoint("10.0.0.2", 0);
	unsigned int share[WORKERS] = {0};

	cr_assert_not_null(s->worker_of);
	for (unsigned int p = 1024; p < 1024 + 4096; p++) {
		unsigned int id, index;

		local.port = (uint16_t)p;
		id = s->worker_of(s->ctx, &remote, &local);
		index = engine_worker_of(e, 0, &remote, &local);
		cr_assert_lt(index, WORKERS);
		cr_assert_eq(id, engine_worker(e, index)->init.id);
		share[index]++;
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		cr_expect_geq(share[i], 256, "worker %u gets %u of 4096 ports", i, share[i]);
	cr_expect_null(engine_note(first, 1), "one worker needs no spread: %s",
		       engine_note(first, 1));
	cr_expect_null(engine_worker(first, 0)->init.port[0].steer.worker_of);
	cr_expect_eq(engine_worker_of(first, 0, &remote, &local), 1);
}

Test(port_steer, a_spread_that_is_not_told_is_noted)
{
	const char *note = "";
	bool noted = false;

	engine_destroy(e);
	double_reta_error = -ENOTSUP;
	e = engine_on("net_null2", 1, WORKERS);
	for (unsigned int i = 0; note != NULL; i++) {
		noted |= strstr(note, "does not tell how its RSS spreads") != NULL;
		note = engine_note(e, i);
	}
	cr_expect(noted);
	cr_expect_null(engine_worker(e, 0)->init.port[0].steer.worker_of);
}

Test(port_steer, static_content_goes_out_in_pieces)
{
	static uint8_t octets[100000];
	struct mr_worker *w = engine_worker(e, 0);
	struct mr_static *s;

	octets[65534] = 1;
	octets[99999] = 2;
	s = mr_static_create(octets, sizeof(octets));
	cr_assert_not_null(s);
	cr_assert_eq(mr_static_len(s), sizeof(octets));
	w->room = 65535;
	cr_expect_eq(mr_send_static(w, MR_CONN_NONE, s, 0, sizeof(octets), 0), 65535);
	cr_expect_eq(w->last_octet, 1, "one mbuf shows 65535 octets at most");
	cr_expect_eq(w->wants, 1, "the rest waits for on_writable");
	w->room = 1000000;
	cr_expect_eq(mr_send_static(w, MR_CONN_NONE, s, 65535, 34465, 0), 34465);
	cr_expect_eq(w->last_octet, 2);
	cr_expect_eq(w->wants, 1);
	mr_static_destroy(s);
}
