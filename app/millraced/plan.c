/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration, compiled: see plan.h. Nothing here decides; each function carries one part of
 * struct config over to the struct that its module reads.
 */
#include <inttypes.h>
#include <numa.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>

#include "check.h"
#include "frag.h"
#include "frame.h"
#include "http_content.h"

#include "plan.h"

/* EAL's own structures, besides mbufs and rings. */
#define EAL_SLACK_MB	32u
#define DEFAULT_LINE	"This is Millrace. Good-bye."

static MR_PRINTF(1, 2) const char *reason(const char *fmt, ...)
{
	static char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

/* The CPUs that are listed, or the first ones this process may use. */
static int plan_lcores(struct plan *plan, const struct config_workers *w, const char **why)
{
	struct engine_config *e = &plan->engine;
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (uint32_t i = 0; i < w->nlcores; i++) {
		e->lcores[e->nworkers++] = w->lcore[i];
		if (CPU_ISSET(w->lcore[i], &allowed))
			continue;
		*why = reason("workers.lcores: this process may not run on CPU %u", w->lcore[i]);
		return -1;
	}
	for (uint32_t cpu = 0; w->nlcores == 0 && cpu < CPU_SETSIZE && e->nworkers < w->count;
	     cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			e->lcores[e->nworkers++] = cpu;
	}
	if (e->nworkers == w->count)
		return 0;
	*why = reason("workers.count: %" PRIu64
		      " workers want a CPU each, and this process may use %u",
		      w->count, e->nworkers);
	return -1;
}

static void plan_nodes(struct plan *plan)
{
	bool numa = numa_available() >= 0;

	for (uint32_t i = 0; i < plan->engine.nworkers; i++)
		plan->node[i] = numa ? numa_node_of_cpu((int)plan->engine.lcores[i]) : -1;
}

/* ---- Ports ----------------------------------------------------------------------------------- */

static void plan_port(struct plan *plan, const struct config_port *p, uint16_t i)
{
	struct engine_port_config *port = &plan->engine.port[i];

	if (p->vdev != NULL) {
		size_t name_len = strcspn(p->vdev, ",");

		snprintf(plan->eal.vdev[i], sizeof(plan->eal.vdev[i]), "%s", p->vdev);
		snprintf(port->name, sizeof(port->name), "%.*s", (int)MR_MIN(name_len, (size_t)63),
			 p->vdev);
	} else {
		MR_ASSERT(config_pci_name(p->pci, port->name)); /* config_check() has looked */
		plan->eal.pci = true;
		for (uint16_t k = 0; k < MR_PORTS_MAX; k++) {
			if (plan->eal.pci_allow[k][0] != '\0')
				continue;
			snprintf(plan->eal.pci_allow[k], sizeof(plan->eal.pci_allow[k]), "%s",
				 port->name);
			break;
		}
	}
	if (p->profile != NULL)
		snprintf(port->profile, sizeof(port->profile), "%s", p->profile);
	port->queues = (uint16_t)p->queues;
	port->rx_desc = (uint16_t)p->rx_desc;
	port->tx_desc = (uint16_t)p->tx_desc;
	port->mtu = (uint16_t)p->mtu;
	memcpy(port->mac, p->mac, sizeof(port->mac));
}

/* eal_options.vdev ends at the first empty one: the vdevs move to the front. */
static void compact_vdevs(struct eal_options *eal)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < MR_PORTS_MAX; i++) {
		if (eal->vdev[i][0] == '\0')
			continue;
		if (i != n) {
			memcpy(eal->vdev[n], eal->vdev[i], sizeof(eal->vdev[n]));
			eal->vdev[i][0] = '\0';
		}
		n++;
	}
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static void plan_addresses(struct stack_config *s, const struct config *cfg)
{
	for (uint32_t i = 0; i < cfg->naddresses; i++) {
		const struct config_address *a = &cfg->address[i];
		struct stack_addr *to = &s->addr[s->naddrs++];

		to->family = a->net.family;
		to->prefix_len = a->net.len;
		to->port = (uint16_t)a->port;
		to->vlan = a->vlan != 0 ? (uint16_t)a->vlan : WIRE_NO_VLAN;
		to->vlan_outer = a->vlan_outer != 0 ? (uint16_t)a->vlan_outer : WIRE_NO_VLAN;
		to->count = (uint32_t)a->count;
		memcpy(to->addr, a->net.addr, sizeof(to->addr));
	}
	for (uint32_t i = 0; i < cfg->ngateways; i++) {
		const struct config_gateway *g = &cfg->gateway[i];
		struct stack_gateway *to = &s->gateway[s->ngateways++];

		to->family = g->net.family;
		to->port = (uint16_t)g->port;
		memcpy(to->addr, g->net.addr, sizeof(to->addr));
	}
}

static_assert(CONFIG_ADDRESSES_MAX <= STACK_ADDRS_MAX, "every configured address has a place");
static_assert(CONFIG_LISTENERS_MAX <= MR_LISTENERS_MAX, "and every listener");

/* ---- TCP ------------------------------------------------------------------------------------- */

static uint16_t smallest_mtu(const struct config *cfg)
{
	uint64_t mtu = UINT16_MAX;

	for (uint32_t i = 0; i < cfg->nports; i++)
		mtu = MR_MIN(mtu, cfg->port[i].mtu);
	return (uint16_t)mtu;
}

static uint64_t half_of_records(const struct config *cfg)
{
	return (cfg->capacity.connections4 + cfg->capacity.connections6) / 2;
}

static void plan_tcp(struct tcp_params *p, const struct config *cfg)
{
	const struct config_tcp *t = &cfg->tcp;
	uint16_t mtu = smallest_mtu(cfg);

	tcp_params_default(p);
	p->msl_ms = (uint32_t)t->msl_ms;
	p->rto_initial_ms = (uint32_t)t->rto_initial_ms;
	p->rto_min_ms = (uint32_t)t->rto_min_ms;
	p->rto_max_ms = (uint32_t)t->rto_max_ms;
	p->fin_wait_2_ms = (uint32_t)t->fin_wait_2_ms;
	p->delack_ms = (uint32_t)t->delack_ms;
	p->keepalive_idle_ms = (uint32_t)t->keepalive_idle_ms;
	if (p->keepalive_idle_ms != 0)
		p->keepalive_on_ms = p->keepalive_idle_ms;
	p->user_timeout_ms = (uint32_t)t->user_timeout_ms;
	p->hop_limit = (uint8_t)cfg->ip.ttl;
	p->tos = (uint8_t)(cfg->ip.dscp << 2);
	p->keepalive_interval_ms = (uint32_t)t->keepalive_interval_ms;
	p->keepalive_probes = (uint8_t)t->keepalive_probes;
	p->syn_retries = (uint8_t)t->syn_retries;
	p->synack_retries = (uint8_t)t->synack_retries;
	p->data_retries = (uint8_t)t->data_retries;
	p->orphan_retries = (uint8_t)t->orphan_retries;
	p->orphans_max = (uint32_t)(t->orphans_max != 0 ? t->orphans_max : half_of_records(cfg));
	p->challenge_per_s = (uint32_t)t->challenge_per_s;
	p->rcv_buf = (uint32_t)t->rcv_buf;
	p->rcv_buf_max = (uint32_t)t->rcv_buf_max;
	p->rcv_scale = t->window_scaling ? tcp_window_shift(MR_MAX(p->rcv_buf, p->rcv_buf_max)) : 0;
	p->mss4 = t->mss4 != 0 ? (uint16_t)t->mss4 : (uint16_t)(mtu - 40);
	p->mss6 = t->mss6 != 0 ? (uint16_t)t->mss6 : (uint16_t)(mtu - 60);
	p->timestamps = t->timestamps;
	p->sack = t->sack;
	p->window_scaling = t->window_scaling;
	p->mtu_probing = t->mtu_probing;
	p->ecn = (uint8_t)t->ecn;
	p->rfc1337 = t->rfc1337;
	p->drop_synfin = t->drop_synfin;
}

static void plan_sending(struct tcp_params *p, const struct config_tcp *t)
{
	p->initial_window_segs = (uint8_t)t->initial_window;
	p->congestion = (uint8_t)t->congestion;
	p->pacing = t->pacing;
	p->snd_buf = (uint32_t)t->snd_buf;
	p->nodelay = t->nodelay;
	p->fastopen = (uint8_t)t->fastopen;
	p->fastopen_pending = (uint16_t)t->fastopen_pending;
}

static void plan_stack(struct stack_config *s, const struct config *cfg)
{
	const struct config_capacity *c = &cfg->capacity;

	stack_config_default(s);
	plan_addresses(s, cfg);
	plan_tcp(&s->tcp, cfg);
	plan_sending(&s->tcp, &cfg->tcp);
	s->conns4 = (uint32_t)c->connections4;
	s->conns6 = (uint32_t)c->connections6;
	s->time_wait4 = (uint32_t)c->time_wait4;
	s->time_wait6 = (uint32_t)c->time_wait6;
	s->extensions = (uint32_t)c->extensions;
	s->options = (uint32_t)c->options;
	s->neighbours = (uint32_t)c->neighbours;
	s->reassemblies = (uint32_t)c->reassemblies;
	s->reassembly_ms = (uint32_t)c->reassembly_ms;
	s->mbufs_reserve = (uint32_t)cfg->memory.mbufs_reserve;
	s->fast_path = cfg->tcp.fast_path;
	s->syncookies = (enum stack_syncookies)cfg->tcp.syncookies;
	s->rst_per_s = (uint32_t)cfg->tcp.rst_per_s;
	s->icmp_per_s = (uint32_t)cfg->tcp.icmp_per_s;
}

/* ---- Listeners ------------------------------------------------------------------------------- */

static struct handler_options options_of(const struct config *cfg, uint32_t i)
{
	const struct config_listener *l = &cfg->listener[i];

	return (struct handler_options){
		.limits = {
			.idle_ms = (uint32_t)l->idle_ms,
			.first_octet_ms = (uint32_t)l->first_octet_ms,
			.write_stall_ms = (uint32_t)l->write_stall_ms,
			.header_ms = (uint32_t)l->http.header_ms,
		},
		.open_max = config_open_max(cfg, i),
		.text = l->text != NULL ? l->text : DEFAULT_LINE,
		.root = l->http.root,
		.root_octets_max = l->http.root_max,
		.header_octets_max = (uint32_t)l->http.header_max,
		.body_octets_max = l->http.bytes_max,
	};
}

static void plan_listener(struct plan *plan, const struct config *cfg, uint32_t i)
{
	const struct config_listener *l = &cfg->listener[i];
	const struct handler *h = handler_find(config_handler_names[l->handler]);
	struct handler_options opt = options_of(cfg, i);
	struct stack_listener *to = &plan->listener[i];

	MR_ASSERT(h != NULL);
	to->family = l->net.family;
	to->prefix_len = l->net.len;
	memcpy(to->addr, l->net.addr, sizeof(to->addr));
	to->port_first = l->ports.first;
	to->port_last = l->ports.last;
	to->backlog = (uint32_t)l->backlog;
	to->callbacks = h->callbacks;
	to->arg = handlers_add(&plan->handlers, h, &opt);
	plan->handler_state += handler_memory(h, &opt) * plan->engine.nworkers;
	if (opt.root != NULL)
		plan->content += http_content_measure(opt.root, opt.root_octets_max);
	if (l->name != NULL)
		snprintf(to->name, sizeof(to->name), "%s", l->name);
	else
		snprintf(to->name, sizeof(to->name), "%s:%u", h->name, l->ports.first);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static void plan_engine(struct plan *plan, const struct config *cfg)
{
	struct engine_config *e = &plan->engine;

	snprintf(e->name, sizeof(e->name), "millraced");
	for (uint32_t i = 0; i < cfg->nports; i++)
		plan_port(plan, &cfg->port[i], (uint16_t)i);
	compact_vdevs(&plan->eal);
	e->nports = (uint16_t)cfg->nports;
	e->mbufs = (uint32_t)cfg->memory.mbufs;
	e->ctl_mbufs = (uint32_t)cfg->memory.ctl_mbufs;
	e->idle = (enum engine_idle)cfg->workers.idle;
	e->idle_max_us = (uint32_t)cfg->workers.idle_max_us;
	e->profile_dir = cfg->profile_dir;
	e->stack = &plan->stack;
}

int plan_make(struct plan *plan, const struct config *cfg, const char *program, const char **why)
{
	memset(plan, 0, sizeof(*plan));
	if (plan_lcores(plan, &cfg->workers, why) != 0)
		return -1;
	if (handlers_init(&plan->handlers, cfg->nlisteners) != 0) {
		*why = "no memory for the listeners";
		return -1;
	}
	plan_nodes(plan);
	plan_engine(plan, cfg);
	plan_stack(&plan->stack, cfg);
	for (uint32_t i = 0; i < cfg->nlisteners; i++)
		plan_listener(plan, cfg, i);
	plan->stack.listener = plan->listener;
	plan->stack.nlisteners = cfg->nlisteners;
	plan->tables = (uint64_t)stack_memory(&plan->stack) * plan->engine.nworkers;
	/* Files lie in EAL's memory too: ports read them there. */
	plan->packets = engine_eal_memory(&plan->engine) + plan->content + plan->content / 16 +
			ip_frags_memory(plan->stack.reassemblies) * plan->engine.nworkers;
	plan->eal.program = program;
	memcpy(plan->eal.lcores, plan->engine.lcores, sizeof(plan->eal.lcores));
	plan->eal.nlcores = plan->engine.nworkers;
	plan->eal.memory_mb = (plan->packets >> 20) + EAL_SLACK_MB;
	plan->eal.hugepages = cfg->memory.hugepages;
	return 0;
}

void plan_free(struct plan *plan)
{
	if (plan->handlers.listener != NULL)
		handlers_close(&plan->handlers);
}

int plan_check_memory(const struct plan *plan, FILE *out, const char **why)
{
	uint64_t packets = plan->eal.memory_mb << 20;
	uint64_t need_mib = (plan->tables + plan->handler_state + packets) >> 20;
	uint64_t have_mib = mr_bigmem_available() >> 20;

	fprintf(out,
		"memory: %" PRIu64 " MiB (tables %" PRIu64 ", handlers %" PRIu64
		", packets %" PRIu64 ") of %" PRIu64 " MiB free\n",
		need_mib, plan->tables >> 20, plan->handler_state >> 20, packets >> 20, have_mib);
	if (need_mib <= have_mib)
		return 0;
	*why = reason("%" PRIu64 " MiB are needed and %" PRIu64 " MiB are free: lower capacity.*, "
		      "memory.mbufs, or open_max of the listeners", need_mib, have_mib);
	return -1;
}
