/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Active opens of four workers that share a port with RSS, with the real engine and stack: whether
 * the replies to each would reach the worker that opened is computed here from what the port tells,
 * by rte_softrss(). The workers' loops do not run: this thread plays them all.
 */
#include <criterion/criterion.h>
#include <sched.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_thash.h>

#include "build.h"
#include "engine.h"
#include "frame.h"

#define WORKERS 4u
#define OPENS	1000u
#define RETA	128u	/* of net_null */

static struct eal_options opt;
static struct engine_config cfg;
static struct stack_config stack;
static struct engine *e;
static const char *why = "";
static const struct mr_callbacks callbacks;
static const struct mr_endpoint remote4 = {.family = 4, .addr = {10, 0, 0, 9}, .port = 80};
static const struct mr_endpoint remote6 = {
	.family = 6, .addr = {0xfd, 0x77, [15] = 9}, .port = 443};

/* ---- set-up ---- */

static void choose_lcores(void)
{
	uint32_t cpus[2] = {0}, found = 0;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[found++] = cpu;
	for (uint32_t i = 0; i < WORKERS; i++)
		cfg.lcores[i] = opt.lcores[i] = cpus[i % found];
	opt.nlcores = cfg.nworkers = WORKERS;
}

static void configure(void)
{
	stack_config_default(&stack);
	stack.conns4 = stack.conns6 = stack.time_wait4 = stack.time_wait6 = 2048;
	stack.extensions = 64;
	stack.mbufs_reserve = 0;
	stack.addr[0] = (struct stack_addr){.family = 4, .prefix_len = 24, .vlan = WIRE_NO_VLAN,
					    .vlan_outer = WIRE_NO_VLAN, .addr = {10, 0, 0, 2},
					    .count = 3};
	stack.addr[1] = (struct stack_addr){.family = 6, .prefix_len = 64, .vlan = WIRE_NO_VLAN,
					    .vlan_outer = WIRE_NO_VLAN,
					    .addr = {0xfd, 0x77, [15] = 2}, .count = 1};
	stack.naddrs = 2;
	snprintf(cfg.name, sizeof(cfg.name), "steer");
	snprintf(cfg.port[0].name, sizeof(cfg.port[0].name), "net_null0");
	/* Its own profile knows of no RSS, which it has. */
	snprintf(cfg.port[0].profile, sizeof(cfg.port[0].profile), "net_i40e");
	cfg.nports = 1;
	cfg.stack = &stack;
}

static void start(void)
{
	configure();
	choose_lcores();
	opt.program = "test";
	opt.memory_mb = 512;
	snprintf(opt.vdev[0], ENGINE_ARG_MAX, "net_null0,no-rx=1");
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
}

static void create(void)
{
	e = engine_create(&cfg, &why);
	cr_assert_not_null(e, "%s", why);
}

static void stop(void)
{
	engine_destroy(e);
	eal_stop();
}

TestSuite(steer, .init = start, .fini = stop, .timeout = 60);

/* ---- where replies land ---- */

static unsigned int worker_by_softrss(const struct mr_endpoint *remote,
				      const struct mr_endpoint *local)
{
	struct rte_eth_rss_reta_entry64 reta[2] = {{.mask = UINT64_MAX}, {.mask = UINT64_MAX}};
	uint32_t key[10], tuple[9], n = remote->family == 4 ? 1 : 4, at;
	struct rte_eth_rss_conf conf = {.rss_key = (uint8_t *)key, .rss_key_len = sizeof(key)};

	cr_assert_eq(rte_eth_dev_rss_hash_conf_get(0, &conf), 0);
	cr_assert_eq(rte_eth_dev_rss_reta_query(0, reta, RETA), 0);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&at, remote->addr + 4 * i, 4);
		tuple[i] = rte_be_to_cpu_32(at);
		memcpy(&at, local->addr + 4 * i, 4);
		tuple[n + i] = rte_be_to_cpu_32(at);
	}
	tuple[2 * n] = (uint32_t)remote->port << 16 | local->port;
	at = rte_softrss(tuple, 2 * n + 1, (const uint8_t *)key) % RETA;
	return reta[at / 64].reta[at % 64] % WORKERS;
}

static uint64_t counted(unsigned int worker, enum mr_counter counter)
{
	struct stack_stats stats;

	stack_stats(engine_worker(e, worker), &stats);
	return stats.counters.v[counter];
}

static enum mr_reason connect_from(unsigned int worker, const struct mr_endpoint *remote,
				   const struct mr_endpoint *local, mr_conn *c)
{
	struct mr_connect_opts opts = {.remote = *remote, .callbacks = &callbacks};
	struct mr_worker *w = engine_worker(e, worker);
	enum mr_reason got;

	if (local != NULL)
		opts.local = *local;
	got = mr_connect(w, &opts, c);
	stack_flush(w);
	return got;
}

/* ---- opening ---- */

static void open_many(const struct mr_endpoint *remote)
{
	unsigned int ports[WORKERS] = {0};
	struct mr_tcp_info info;
	mr_conn c;

	for (unsigned int i = 0; i < OPENS; i++) {
		unsigned int w = i % WORKERS;

		cr_assert_eq(connect_from(w, remote, NULL, &c), MR_OK);
		cr_assert_eq(mr_tcp_info(engine_worker(e, w), c, &info), MR_OK);
		cr_assert_eq(worker_by_softrss(&info.remote, &info.local), w,
			     "the reply to open %u from port %u misses worker %u", i,
			     info.local.port, w);
		ports[w] |= info.local.port;
	}
	for (unsigned int w = 0; w < WORKERS; w++)
		cr_expect_eq(ports[w], 0xffff, "the ports are random: %x", ports[w]);
}

Test(steer, replies_to_1000_opens_reach_the_worker_that_opened)
{
	create();
	open_many(&remote4);
}

Test(steer, and_so_do_replies_over_ipv6)
{
	create();
	open_many(&remote6);
}

Test(steer, a_given_port_is_refused_on_all_workers_but_one)
{
	struct mr_endpoint local = {.family = 4, .addr = {10, 0, 0, 2}};
	unsigned int refused = 0;
	mr_conn c;

	create();
	for (unsigned int i = 0; i < 100; i++) {
		local.port = (uint16_t)(2000 + i);
		for (unsigned int w = 0; w < WORKERS; w++) {
			bool ours = worker_by_softrss(&remote4, &local) == w;

			cr_assert_eq(connect_from(w, &remote4, &local, &c),
				     ours ? MR_OK : MR_WRONG_WORKER);
			cr_assert_eq(c.id != MR_CONN_NONE.id, ours);
		}
	}
	for (unsigned int w = 0; w < WORKERS; w++)
		refused += (unsigned int)counted(w, MR_C_CONNECT_WRONG_WORKER);
	cr_assert_eq(refused, 100 * (WORKERS - 1));
}

Test(steer, a_range_without_a_port_for_the_worker_is_a_reason)
{
	struct mr_endpoint local = {.family = 6, .addr = {0xfd, 0x77, [15] = 2}, .port = 5000};
	unsigned int owner;
	mr_conn c;

	stack.port_range_first = stack.port_range_last = local.port;
	create();
	owner = worker_by_softrss(&remote6, &local);
	for (unsigned int w = 0; w < WORKERS; w++) {
		bool ours = w == owner;

		cr_expect_eq(connect_from(w, &remote6, NULL, &c), ours ? MR_OK : MR_NO_TUPLE);
		cr_expect_eq(counted(w, MR_C_CONNECT_NO_PORT), ours ? 0 : 1);
		cr_expect_eq(counted(w, MR_C_CONNECT_NO_TUPLE), ours ? 0 : 1);
	}
	cr_expect_eq(connect_from(owner, &remote6, NULL, &c), MR_NO_TUPLE, "its port is taken");
	cr_expect_eq(counted(owner, MR_C_CONNECT_NO_PORT), 0, "but there is one");
}

/* ---- replies that land elsewhere ---- */

static void arrives(unsigned int worker, const struct mr_endpoint *local, uint8_t flags)
{
	static const uint8_t their_mac[6] = {2, 0, 0, 0, 0, 9};
	struct wire_addrs a = {.family = 4,
			       .hop_limit = 64,
			       .sport = rte_cpu_to_be_16(remote4.port),
			       .dport = rte_cpu_to_be_16(local->port)};
	struct tcp_seg seg = {.seq = 1, .ack = 2, .wnd = 1000, .flags = flags};
	struct mr_worker *w = engine_worker(e, worker);
	struct engine_port_info info;
	struct rte_mbuf *m = stack_ctl_mbuf(w);
	struct wire_l2 l2;

	cr_assert(engine_port_info(e, 0, &info) && m != NULL);
	memcpy(a.src, remote4.addr, 4);
	memcpy(a.dst, local->addr, 4);
	wire_l2_make(&l2, info.mac, their_mac, WIRE_NO_VLAN, WIRE_NO_VLAN, 0x0800);
	wire_build_tcp(m, &l2, &a, &seg, 0);
	wire_finish_tcp(m, l2.len, 4, 0);
	m->ol_flags = 0;
	stack_rx(w, 0, &m, 1);
	stack_flush(w);
}

Test(steer, syn_acks_on_another_worker_than_computed_are_counted)
{
	struct mr_endpoint local = {.family = 4, .addr = {10, 0, 0, 3}, .port = 7000};
	unsigned int owner, other;

	create();
	owner = worker_by_softrss(&remote4, &local);
	other = (owner + 1) % WORKERS;
	arrives(other, &local, TCP_SYN | TCP_ACK);
	cr_expect_eq(counted(other, MR_C_CONNECT_REPLY_ASTRAY), 1);
	cr_expect_eq(counted(other, MR_C_TCP_TX_RST) + counted(other, MR_C_TCP_RST_RATE), 1,
		     "answered, within the limit, as any other");
	/* Anybody may send one to nobody, and other segments tell nothing of an open. */
	arrives(owner, &local, TCP_SYN | TCP_ACK);
	arrives(other, &local, TCP_ACK);
	arrives(other, &local, TCP_SYN | TCP_ACK | TCP_RST);
	cr_expect_eq(counted(owner, MR_C_CONNECT_REPLY_ASTRAY), 0);
	cr_expect_eq(counted(other, MR_C_CONNECT_REPLY_ASTRAY), 1);
}

Test(steer, a_port_whose_peer_chooses_the_queue_leaves_every_port_to_all)
{
	struct mr_endpoint local = {.family = 4, .addr = {10, 0, 0, 2}, .port = 6000};
	mr_conn c;

	cfg.port[0].profile[0] = '\0';
	create();
	for (unsigned int w = 0; w < WORKERS; w++) {
		cr_expect_eq(connect_from(w, &remote4, &local, &c), MR_OK);
		arrives(w, &(struct mr_endpoint){.family = 4, .addr = {10, 0, 0, 4}, .port = 1},
			TCP_SYN | TCP_ACK);
		cr_expect_eq(counted(w, MR_C_CONNECT_REPLY_ASTRAY), 0);
	}
}
