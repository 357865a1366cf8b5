/* SPDX-License-Identifier: BSD-3-Clause */
/* From names to two started ports, and back. Read next: loop.c. */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include "engine.h"
#include "joint.h"
#include "profile.h"

#define DESC_MAX 1024u
#define POOL_CACHE 256u
#define LCORE 0u /* of the loop; eal_start() numbers them in their order */
#define EAL_BASE_MB 64u

static_assert(IMP_ARG_MAX == ENGINE_ARG_MAX, "an argument of a port goes to EAL as it is");

/* ---- memory ---- */

/* What is held, what the ports and the loop have in hand, what caches keep. */
static uint32_t mbufs(const struct imp_options *o)
{
	return (uint32_t)(o->dir[0].hold_frames + o->dir[1].hold_frames) + 4 * DESC_MAX +
	       8 * MR_BURST + 4 * POOL_CACHE;
}

/* ---- ports ---- */

static int fail(char err[IMP_ERROR_MAX], const struct imp_side *s, const char *what, int rc)
{
	snprintf(err, IMP_ERROR_MAX, "Port %s %s (%s).", s->name, what, rte_strerror(-rc));
	return -1;
}

static int configure(struct imp_joint *j, struct imp_side *s, const struct driver_profile *p,
		     char err[IMP_ERROR_MAX])
{
	uint16_t rx = (uint16_t)MR_MIN(p->rx_desc, DESC_MAX);
	uint16_t tx = (uint16_t)MR_MIN(p->tx_desc, DESC_MAX);
	int node = rte_eth_dev_socket_id(s->id), rc;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;

	memset(&conf, 0, sizeof(conf));
	rc = rte_eth_dev_info_get(s->id, &info);
	if (rc != 0)
		return fail(err, s, "does not tell what it can do", rc);
	if (p->multi_segs)
		conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	s->one_segment = conf.txmode.offloads == 0;
	s->rx_burst = (uint16_t)MR_MIN(p->rx_burst, MR_BURST);
	conf.rxmode.mtu = (uint32_t)j->options->mtu;
	rc = rte_eth_dev_configure(s->id, 1, 1, &conf);
	if (rc == 0)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(s->id, &rx, &tx);
	if (rc == 0)
		rc = rte_eth_rx_queue_setup(s->id, 0, rx, (unsigned int)node, NULL, j->pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(s->id, 0, tx, (unsigned int)node, NULL);
	if (rc != 0)
		return fail(err, s, "cannot be configured", rc);
	rc = rte_eth_dev_set_mtu(s->id, (uint16_t)j->options->mtu);
	return rc == 0 || rc == -ENOTSUP ? 0 : fail(err, s, "refuses this MTU", rc);
}

static int start(struct imp_side *s, const struct driver_profile *p, char err[IMP_ERROR_MAX])
{
	int rc = rte_eth_dev_start(s->id);

	if (rc != 0)
		return fail(err, s, "does not start", rc);
	s->started = true;
	/* It is a wire: frames to any MAC pass. */
	rc = p->mac_filter ? rte_eth_promiscuous_enable(s->id) : 0;
	return rc == 0 || rc == -ENOTSUP ? 0
					 : fail(err, s, "does not let frames to all MACs in", rc);
}

static int bring_up(struct imp_joint *j, unsigned int i, char err[IMP_ERROR_MAX])
{
	const char *dir = j->options->profile_dir[0] != '\0' ? j->options->profile_dir : NULL;
	struct driver_profile profile = {0};
	struct imp_side *s = &j->side[i];
	struct rte_eth_dev_info info;
	struct conf_error why;
	int rc;

	imp_port_name(j->options, i, s->name);
	rc = rte_eth_dev_get_port_by_name(s->name, &s->id);
	if (rc == 0)
		rc = rte_eth_dev_info_get(s->id, &info);
	if (rc != 0)
		return fail(err, s, "is not there", rc);
	snprintf(s->driver, sizeof(s->driver), "%s", info.driver_name);
	rc = profile_find(dir, s->driver, &profile, &why);
	if (rc != 0)
		snprintf(err, IMP_ERROR_MAX, "Port %s: %.400s.", s->name, why.text);
	if (rc == 0)
		rc = configure(j, s, &profile, err);
	if (rc == 0)
		rc = start(s, &profile, err);
	profile_free(&profile);
	return rc;
}

int imp_joint_open_ports(struct imp_joint *j, const struct imp_options *o, char err[IMP_ERROR_MAX])
{
	j->options = o;
	mr_clock_init(&j->clock);
	j->pool = rte_pktmbuf_pool_create("impair", mbufs(o), POOL_CACHE, 0,
					  engine_data_room((uint32_t)o->mtu), SOCKET_ID_ANY);
	if (j->pool == NULL) {
		snprintf(err, IMP_ERROR_MAX,
			 "No memory for %u packet buffers: lower --hold-frames.", mbufs(o));
		return -1;
	}
	for (unsigned int i = 0; i < 2; i++) {
		if (!imp_direction_init(&j->dir[i], &o->dir[i], o->seed, i)) {
			snprintf(err, IMP_ERROR_MAX, "No memory for the queues.");
			return -1;
		}
		j->dir[i].pool = j->pool;
	}
	if (bring_up(j, 0, err) != 0 || bring_up(j, 1, err) != 0)
		return -1;
	for (unsigned int i = 0; i < 2; i++)
		j->dir[i].flat = j->side[1 - i].one_segment;
	return 0;
}

/* ---- EAL ---- */

static uint32_t choose_cpu(const struct imp_options *o)
{
	uint32_t last = 0;
	cpu_set_t allowed;

	if (o->cpu != IMP_CPU_ANY)
		return (uint32_t)o->cpu;
	/* Others begin with the first one. */
	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (uint32_t i = 0; i < CPU_SETSIZE; i++)
		last = CPU_ISSET(i, &allowed) ? i : last;
	return last;
}

int imp_joint_open(struct imp_joint *j, const struct imp_options *o, const char *program,
		   char err[IMP_ERROR_MAX])
{
	static struct eal_options eal; /* EAL is started once */
	char prefix[32];
	const char *why = "";

	snprintf(prefix, sizeof(prefix), "impair%d", (int)getpid());
	eal.program = program;
	eal.file_prefix = prefix;
	eal.lcores[0] = choose_cpu(o);
	eal.nlcores = 1;
	eal.memory_mb = EAL_BASE_MB +
			(engine_pool_octets(mbufs(o), engine_data_room((uint32_t)o->mtu)) >> 20);
	eal.hugepages = !o->no_huge && eal_free_hugepages() * 2 >= eal.memory_mb;
	memcpy(eal.vdev[0], o->port[0], IMP_ARG_MAX);
	memcpy(eal.vdev[1], o->port[1], IMP_ARG_MAX);
	if (eal_start(&eal, &why) != 0) {
		snprintf(err, IMP_ERROR_MAX, "DPDK does not start: %.400s", why);
		return -1;
	}
	return imp_joint_open_ports(j, o, err);
}

int imp_joint_launch(struct imp_joint *j)
{
	j->clock.tsc0 = mr_tsc();
	return rte_eal_remote_launch(imp_joint_run, j, LCORE) == 0 ? 0 : -1;
}

void imp_joint_wait(struct imp_joint *j)
{
	MR_ASSERT(j->options != NULL);
	rte_eal_wait_lcore(LCORE);
}

/* ---- the end ---- */

static void close_side(struct imp_side *s)
{
	struct rte_eth_stats stats;

	if (!s->started)
		return;
	if (rte_eth_stats_get(s->id, &stats) == 0) {
		s->missed = stats.imissed;
		s->errors = stats.ierrors + stats.oerrors;
		s->no_mbuf = stats.rx_nombuf;
	}
	rte_eth_dev_stop(s->id);
	rte_eth_dev_close(s->id);
	s->started = false;
}

void imp_joint_close(struct imp_joint *j)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct imp_leave *l = &j->leave[i];

		for (; l->n > 0; l->n--)
			imp_undelivered(&j->dir[i], &l->frame[l->first++]);
		close_side(&j->side[i]);
	}
	for (unsigned int i = 0; i < 2; i++)
		imp_direction_fini(&j->dir[i]);
	rte_mempool_free(j->pool);
	j->pool = NULL;
}
