/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One port, from its name to a started device. Each offload is asked for by itself and used only if
 * the driver advertises it and its profile says it may be believed; without it the stack does the
 * work in software. Never asks for MBUF_FAST_FREE: it wants all mbufs of a queue to be direct,
 * unshared and of one pool, and ours are not. Owns no thread; control thread only, but for
 * port_poll_link().
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>

#include "build.h"
#include "check.h"
#include "eal.h"
#include "engine_impl.h"
#include "rng.h"

/* 40 octets reach over both IPv6 addresses and ports. */
#define RSS_KEY_LEN 40u
#define RSS_TCP (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

#define VLAN_FLAGS \
	(RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ | \
	 RTE_MBUF_F_RX_QINQ_STRIPPED)
#define MBUF_FLAGS (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)

/* ---- planning ---- */

static int find_port(struct engine *e, struct engine_port *p, const char **why)
{
	char names[256] = "";

	if (rte_eth_dev_get_port_by_name(p->cfg.name, &p->id) == 0)
		return 0;
	for (uint16_t id = 0; id < RTE_MAX_ETHPORTS; id++) {
		size_t n = strlen(names);
		char name[RTE_ETH_NAME_MAX_LEN];

		if (rte_eth_dev_is_valid_port(id) && rte_eth_dev_get_name_by_port(id, name) == 0)
			snprintf(names + n, sizeof(names) - n, "%s%s", n == 0 ? "" : ", ", name);
	}
	*why = port_why("Engine %s: there is no port %s; there are: %s.", e->cfg.name, p->cfg.name,
			names[0] != '\0' ? names : "none");
	return -1;
}

static int claim(struct engine *e, struct engine_port *p, const char **why)
{
	struct rte_eth_dev_owner owner;

	if (rte_eth_dev_owner_set(p->id, &e->owner) == 0) {
		p->claimed = true;
		return 0;
	}
	if (rte_eth_dev_owner_get(p->id, &owner) != 0)
		owner.name[0] = '\0';
	*why = port_why("Port %s belongs to %s already.", p->cfg.name, owner.name);
	return -1;
}

static int read_profile(struct engine *e, struct engine_port *p, const char **why)
{
	const char *name = p->cfg.profile[0] != '\0' ? p->cfg.profile : p->info.driver_name;
	struct conf_error err;

	if (p->cfg.profile[0] != '\0' && !profile_known(e->cfg.profile_dir, name)) {
		*why = port_why("Port %s: there is no driver profile %s.", p->cfg.name, name);
		return -1;
	}
	if (profile_find(e->cfg.profile_dir, name, &p->profile, &err) != 0) {
		*why = port_why("Port %s: %s.", p->cfg.name, err.text);
		return -1;
	}
	if (!p->profile.verified)
		engine_say(e, "Port %s: the profile of driver %s (%s) is not verified.",
			   p->cfg.name, p->info.driver_name, p->profile.origin);
	return 0;
}

/* The rungs that exist: RSS, a peer that spreads, one queue. Says which, and why, in `steering`. */
static uint16_t steer(struct engine_port *p, uint16_t wanted)
{
	uint16_t most = MR_MIN(MR_MIN(p->info.max_rx_queues, p->info.max_tx_queues),
			       (uint16_t)p->profile.queues_max);
	const char *driver = p->info.driver_name;

	p->rss = false;
	if (wanted <= 1) {
		snprintf(p->steering, sizeof(p->steering), "one queue: one worker");
		return 1;
	}
	if (p->profile.spread == PROFILE_SPREAD_NONE || most <= 1) {
		snprintf(p->steering, sizeof(p->steering), "one queue: %s has %s", driver,
			 most <= 1 ? "no second one" : "no way to spread flows");
		return 1;
	}
	if (p->profile.spread == PROFILE_SPREAD_PEER) {
		snprintf(p->steering, sizeof(p->steering), "the peer chooses among %u queues",
			 MR_MIN(wanted, most));
		return MR_MIN(wanted, most);
	}
	if ((p->info.flow_type_rss_offloads & RSS_TCP) == 0) {
		snprintf(p->steering, sizeof(p->steering), "one queue: %s has no RSS for TCP",
			 driver);
		return 1;
	}
	p->rss = true;
	snprintf(p->steering, sizeof(p->steering), "RSS over %u queues, random key",
		 MR_MIN(wanted, most));
	return MR_MIN(wanted, most);
}

static int plan_queues(const struct engine *e, struct engine_port *p, const char **why)
{
	uint16_t workers = (uint16_t)e->cfg.nworkers;
	uint16_t wanted = p->cfg.queues != 0 ? p->cfg.queues : workers;

	p->rx_queues = steer(p, wanted);
	p->tx_queues = workers;
	if (p->rx_queues >= workers && p->info.max_tx_queues >= workers &&
	    wanted <= MR_MIN(MR_QUEUES_MAX, 4u * workers))
		return 0;
	*why = port_why("Port %s cannot serve the %u workers of engine %s: %u queues were asked "
			"for, it has %u to send on, and to receive on: %s.",
			p->cfg.name, workers, e->cfg.name, wanted, p->info.max_tx_queues,
			p->steering);
	return -1;
}

static int plan_sizes(struct engine_port *p, const char **why)
{
	const struct engine_port_config *cfg = &p->cfg;

	p->rx_desc = cfg->rx_desc != 0 ? cfg->rx_desc : (uint16_t)p->profile.rx_desc;
	p->tx_desc = cfg->tx_desc != 0 ? cfg->tx_desc : (uint16_t)p->profile.tx_desc;
	if (rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &p->rx_desc, &p->tx_desc) != 0) {
		*why = port_why("Port %s refuses %u and %u descriptors.", cfg->name, p->rx_desc,
				p->tx_desc);
		return -1;
	}
	p->mtu = cfg->mtu != 0 ? cfg->mtu : RTE_ETHER_MTU;
	if (p->mtu >= ENGINE_MTU_MIN && p->mtu <= ENGINE_MTU_MAX && p->mtu <= p->info.max_mtu)
		return 0;
	*why = port_why("Port %s: an MTU of %u was asked for; expected %u to %u.", cfg->name,
			p->mtu, ENGINE_MTU_MIN,
			MR_MIN(ENGINE_MTU_MAX, (unsigned int)p->info.max_mtu));
	return -1;
}

int port_plan(struct engine *e, uint16_t i, const char **why)
{
	struct engine_port *p = &e->port[i];
	int rc;

	p->cfg = e->cfg.port[i];
	if (find_port(e, p, why) != 0 || claim(e, p, why) != 0)
		return -1;
	rc = rte_eth_dev_info_get(p->id, &p->info);
	if (rc != 0) {
		*why = port_why("Port %s does not tell what it can do (%s).", p->cfg.name,
				rte_strerror(-rc));
		return -1;
	}
	p->gated = gate_wanted(p->info.driver_name);
	if (read_profile(e, p, why) != 0 || plan_queues(e, p, why) != 0)
		return -1;
	return plan_sizes(p, why);
}

/* ---- offloads ---- */

struct offload {
	uint64_t bit;
	bool believed;
};

/* Those that are advertised and believed. */
static uint64_t choose(uint64_t advertised, const struct offload *offloads, unsigned int n)
{
	uint64_t chosen = 0;

	for (unsigned int i = 0; i < n; i++)
		if (offloads[i].believed)
			chosen |= advertised & offloads[i].bit;
	return chosen;
}

static void choose_offloads(struct engine_port *p)
{
	const struct driver_profile *pr = &p->profile;
	const struct offload rx[] = {
		{RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, pr->rx_cksum},
		{RTE_ETH_RX_OFFLOAD_TCP_CKSUM, pr->rx_cksum},
	};
	const struct offload tx[] = {
		{RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, pr->tx_ipv4_cksum},
		{RTE_ETH_TX_OFFLOAD_TCP_CKSUM, pr->tx_tcp_cksum},
		{RTE_ETH_TX_OFFLOAD_MULTI_SEGS, pr->multi_segs},
	};

	p->rx_offloads = choose(p->info.rx_offload_capa, rx, MR_ARRAY_LEN(rx));
	p->tx_offloads = choose(p->info.tx_offload_capa, tx, MR_ARRAY_LEN(tx));
}

/* Drops one offload that is in use, transmit first. False: none is left. */
static bool give_up_offload(struct engine_port *p)
{
	uint64_t *of = p->tx_offloads != 0 ? &p->tx_offloads : &p->rx_offloads;

	if (*of == 0)
		return false;
	*of &= *of - 1;
	return true;
}

/* ---- configuration ---- */

static int configure(struct engine_port *p, const char **why)
{
	uint8_t key[STEER_KEY_MAX];
	struct rte_eth_conf conf;
	int rc;

	mr_random_bytes(key, sizeof(key));
	do {
		memset(&conf, 0, sizeof(conf));
		conf.rxmode.mtu = p->mtu;
		conf.rxmode.offloads = p->rx_offloads;
		conf.txmode.offloads = p->tx_offloads;
		if (p->rss) {
			uint8_t len =
				p->info.hash_key_size != 0 ? p->info.hash_key_size : RSS_KEY_LEN;

			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
			conf.rx_adv_conf.rss_conf.rss_key = len <= STEER_KEY_MAX ? key : NULL;
			conf.rx_adv_conf.rss_conf.rss_key_len = len <= STEER_KEY_MAX ? len : 0;
			conf.rx_adv_conf.rss_conf.rss_hf = RSS_TCP & p->info.flow_type_rss_offloads;
		}
		rc = rte_eth_dev_configure(p->id, p->rx_queues, p->tx_queues, &conf);
		if (rc == 0)
			return 0;
	} while (give_up_offload(p));
	*why = port_why(
		"Port %s refuses to be configured with %u receive queues, %u transmit queues and "
		"an MTU of %u (%s).",
		p->cfg.name, p->rx_queues, p->tx_queues, p->mtu, rte_strerror(-rc));
	return -1;
}

static int setup_queues(struct engine *e, struct engine_port *p, const char **why)
{
	struct rte_eth_rxconf rx = p->info.default_rxconf;
	struct rte_eth_txconf tx = p->info.default_txconf;
	int socket = rte_eth_dev_socket_id(p->id), rc = 0;
	unsigned int node = socket >= 0 ? (unsigned int)socket : (unsigned int)SOCKET_ID_ANY;

	rx.offloads = p->rx_offloads;
	tx.offloads = p->tx_offloads;
	for (uint16_t q = 0; q < p->rx_queues && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(p->id, q, p->rx_desc, node, &rx,
					    e->worker[q % e->cfg.nworkers].data_pool);
	for (uint16_t q = 0; q < p->tx_queues && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(p->id, q, p->tx_desc, node, &tx);
	if (rc == 0)
		return 0;
	*why = port_why("Port %s refuses a queue of %u receive or %u transmit descriptors (%s).",
			p->cfg.name, p->rx_desc, p->tx_desc, rte_strerror(-rc));
	return -1;
}

/* ---- addresses ---- */

/* Frames to a MAC the port does not know, and multicast (NDP), must not be filtered away. */
static void open_filter(struct engine *e, const struct engine_port *p, bool foreign_mac)
{
	if (!p->profile.mac_filter)
		return;
	if (!foreign_mac && rte_eth_allmulticast_enable(p->id) == 0)
		return;
	if (rte_eth_promiscuous_enable(p->id) != 0)
		engine_say(
			e,
			"Port %s lets neither all multicast nor all frames through: IPv6 neighbour "
			"discovery may not reach it.",
			p->cfg.name);
}

/*
 * The MAC of the engine: the configured one; else the port's, unless that belongs to the kernel's
 * side of it: then the same with the local bit set and the last bit turned, which stays the same
 * over restarts where the port's does. A port without any gets a random one.
 */
static void choose_mac(struct engine *e, struct engine_port *p)
{
	struct rte_ether_addr port_mac = {{0}};
	bool given = !rte_is_zero_ether_addr((const struct rte_ether_addr *)p->cfg.mac);
	struct rte_ether_addr own;
	bool foreign = false;

	rte_eth_macaddr_get(p->id, &port_mac);
	own = port_mac;
	if (given)
		memcpy(&own, p->cfg.mac, sizeof(own));
	else if (rte_is_zero_ether_addr(&port_mac))
		mr_random_bytes(&own, sizeof(own));
	else if (p->profile.own_mac)
		own.addr_bytes[5] ^= 1;
	if (!given && !rte_is_same_ether_addr(&own, &port_mac)) {
		own.addr_bytes[0] |= RTE_ETHER_LOCAL_ADMIN_ADDR;
		own.addr_bytes[0] &= (uint8_t)~RTE_ETHER_GROUP_ADDR;
	}
	memcpy(p->mac, &own, sizeof(p->mac));
	/* Where the reported MAC is the kernel's, setting it would change the kernel's. */
	if (!rte_is_same_ether_addr(&own, &port_mac))
		foreign = p->profile.own_mac || rte_eth_dev_default_mac_addr_set(p->id, &own) != 0;
	open_filter(e, p, foreign);
}

/* ---- after the start ---- */

/* Spreads the redirection table evenly; a driver without one keeps what it has. */
static void spread_reta(struct engine *e, const struct engine_port *p)
{
	struct rte_eth_rss_reta_entry64 reta[STEER_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	uint16_t size = p->info.reta_size;
	int rc = -ENOTSUP;

	if (size != 0 && size <= STEER_RETA_MAX) {
		memset(reta, 0, sizeof(reta));
		for (uint16_t i = 0; i < size; i++) {
			struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];

			group->mask |= UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE);
			group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % p->rx_queues);
		}
		rc = rte_eth_dev_rss_reta_update(p->id, reta, size);
	}
	if (rc != 0)
		engine_say(e,
			   "Port %s keeps the driver's own spread of flows over its queues (%s).",
			   p->cfg.name, rte_strerror(-rc));
}

/* With several workers an active open has to know where its replies land. */
static void learn_spread(struct engine *e, struct engine_port *p)
{
	int rc;

	spread_reta(e, p);
	if (e->cfg.nworkers == 1)
		return;
	p->steer.workers = e->cfg.nworkers;
	p->steer.id_first = e->id_first;
	rc = steer_read(&p->steer, p->id, RSS_TCP & p->info.flow_type_rss_offloads);
	if (rc != 0)
		engine_say(e,
			   "Port %s does not tell how its RSS spreads (%s): replies to connections "
			   "that this engine opens may reach a worker that does not know them.",
			   p->cfg.name, rte_strerror(-rc));
}

/* Of a received mbuf's flags those stay that this port was asked to set; the rest is stale. */
static void settle_flags(struct engine_port *p)
{
	p->rx_keep_flags = MBUF_FLAGS;
	if (p->profile.shared_mbufs)
		return;
	p->rx_keep_flags |= VLAN_FLAGS;
	if ((p->rx_offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0)
		p->rx_keep_flags |= RTE_MBUF_F_RX_IP_CKSUM_MASK;
	if ((p->rx_offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) != 0)
		p->rx_keep_flags |= RTE_MBUF_F_RX_L4_CKSUM_MASK;
}

int port_bring_up(struct engine *e, uint16_t i, const char **why)
{
	struct engine_port *p = &e->port[i];
	int rc;

	choose_offloads(p);
	if (configure(p, why) != 0 || setup_queues(e, p, why) != 0)
		return -1;
	rc = rte_eth_dev_set_mtu(p->id, p->mtu);
	if (rc != 0 && rc != -ENOTSUP) {
		*why = port_why("Port %s refuses an MTU of %u (%s).", p->cfg.name, p->mtu,
				rte_strerror(-rc));
		return -1;
	}
	rc = rte_eth_dev_start(p->id);
	if (rc != 0) {
		*why = port_why("Port %s does not start (%s).", p->cfg.name, rte_strerror(-rc));
		return -1;
	}
	p->started = true;
	choose_mac(e, p);
	if (p->rss)
		learn_spread(e, p);
	settle_flags(p);
	port_poll_link(p);
	return 0;
}

void port_bring_down(struct engine *e, uint16_t i)
{
	struct engine_port *p = &e->port[i];

	if (p->started && !p->hung_up)
		rte_eth_dev_stop(p->id);
	if (p->claimed) {
		ring_pair_drain(p->cfg.name);
		rte_eth_dev_owner_unset(p->id, e->owner.id);
		if (p->started)
			rte_eth_dev_close(p->id);
	}
	p->started = p->claimed = false;
	profile_free(&p->profile);
}

void port_for_stack(const struct engine_port *p, struct stack_port *out)
{
	memcpy(out->mac, p->mac, sizeof(out->mac));
	out->mtu = p->mtu;
	out->tx_offload = 0;
	if ((p->tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0)
		out->tx_offload |= WIRE_TX_IPV4_CKSUM;
	if ((p->tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0)
		out->tx_offload |= WIRE_TX_TCP_CKSUM;
	out->multi_seg = (p->tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
	out->tx_mbufs_max = p->info.tx_desc_lim.nb_mtu_seg_max;
	out->steer = (struct stack_steer){0};
	if (p->steer.reta_size != 0)
		out->steer = (struct stack_steer){.ctx = &p->steer, .worker_of = steer_worker};
	out->up = __atomic_load_n(&p->link_up, __ATOMIC_RELAXED);
}

void port_poll_link(struct engine_port *p)
{
	struct rte_eth_link link;

	memset(&link, 0, sizeof(link));
	if (rte_eth_link_get_nowait(p->id, &link) != 0)
		return;
	__atomic_store_n(&p->link_up, link.link_status == RTE_ETH_LINK_UP, __ATOMIC_RELAXED);
}
