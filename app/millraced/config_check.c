/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values that contradict one another, each found before anything is started: what is missing,
 * given twice, refers to nothing, or cannot hold. The first conflict ends the check. Ranges of
 * single values are in the table of keys.
 */
#include <stdarg.h>
#include <string.h>

#include "config.h"

/* Names the key; key_of_* print "list[i].key". Returns c, for expected(). */
static MR_PRINTF(2, 3) struct config_conflict *key(struct config_conflict *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->path, sizeof(c->path), fmt, ap);
	va_end(ap);
	return c;
}

static MR_PRINTF(2, 3) int expected(struct config_conflict *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->expected, sizeof(c->expected), fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- Ports ----------------------------------------------------------------------------------- */

#define WORKER_QUEUES_MAX 64u	/* that one worker can poll, over all ports */

/* The name of the device: of a vdev what stands before the first comma. False: it is none. */
static bool device_name(const struct config_port *p, char name[256])
{
	if (p->pci != NULL)
		return config_pci_name(p->pci, name);
	snprintf(name, 256, "%.*s", (int)strcspn(p->vdev, ","), p->vdev);
	return true;
}

static int check_queues(const struct config *cfg, uint32_t i, struct config_conflict *c)
{
	const uint64_t workers = cfg->workers.count;
	uint64_t polled = 0;

	if (cfg->port[i].queues != 0 && cfg->port[i].queues < workers)
		return expected(key(c, "ports[%u].queues", i),
				"at least one for each of the %u workers, or 0",
				(unsigned int)workers);
	for (uint32_t j = 0; j <= i; j++)
		polled += (MR_MAX(cfg->port[j].queues, workers) + workers - 1) / workers;
	if (polled > WORKER_QUEUES_MAX)
		return expected(key(c, "ports[%u].queues", i),
				"so few that no worker polls more than %u, over all ports",
				WORKER_QUEUES_MAX);
	return 0;
}

static int check_port(const struct config *cfg, uint32_t i, struct config_conflict *c)
{
	const struct config_port *p = &cfg->port[i];
	char name[256], other[256];

	if ((p->vdev == NULL) == (p->pci == NULL))
		return expected(key(c, "ports[%u]", i), "either vdev or pci");
	if (!device_name(p, name))
		return expected(key(c, "ports[%u].pci", i),
				"bus:device.function as 03:00.0, or with a domain, 0000:03:00.0");
	for (uint32_t j = 0; j < i; j++) {
		const struct config_port *o = &cfg->port[j];

		if (device_name(o, other) && strcmp(name, other) == 0)
			return expected(key(c, "ports[%u].%s", i, p->vdev != NULL ? "vdev" : "pci"),
					"another device: ports[%u] has this one", j);
		if (config_same_tap(p->vdev, o->vdev))
			return expected(key(c, "ports[%u].vdev", i),
					"another iface: ports[%u] has this one", j);
	}
	return check_queues(cfg, i, c);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

/* RFC 1122 3.2.1.3, RFC 4291 2.5: a host's own address is none of these. */
static bool is_unicast(const struct config_net *a)
{
	static const uint8_t loopback6[16] = {[15] = 1}, unspecified[16];

	if (a->family == 4)
		return a->addr[0] != 0 && a->addr[0] != 127 && a->addr[0] < 224;
	return a->addr[0] != 0xff && memcmp(a->addr, loopback6, 16) != 0 &&
	       memcmp(a->addr, unspecified, 16) != 0;
}

/* The address `n` behind a. False: it would leave the address space. */
static bool advance(const struct config_net *a, uint32_t n, struct config_net *out)
{
	unsigned int octets = a->family == 4 ? 4 : 16;
	uint32_t carry = n;

	*out = *a;
	for (unsigned int i = octets; i > 0 && carry > 0; i--) {
		carry += out->addr[i - 1];
		out->addr[i - 1] = (uint8_t)carry;
		carry >>= 8;
	}
	return carry == 0;
}

/* The engine counts within the last 32 bits. IPv4 has no more: there advance() fails. */
static bool carries(const struct config_net *a, uint32_t count)
{
	const uint8_t *low = a->addr + 12;
	uint64_t first = (uint64_t)low[0] << 24 | low[1] << 16 | low[2] << 8 | low[3];

	return a->family == 6 && first + count - 1 > UINT32_MAX;
}

static bool same_link(const struct config_address *a, const struct config_address *b)
{
	return a->port == b->port && a->vlan == b->vlan && a->vlan_outer == b->vlan_outer;
}

static bool overlap(const struct config_address *a, const struct config_address *b)
{
	struct config_net last_a, last_b;

	if (a->net.family != b->net.family || !same_link(a, b))
		return false;
	advance(&a->net, (uint32_t)a->count - 1, &last_a);
	advance(&b->net, (uint32_t)b->count - 1, &last_b);
	return memcmp(a->net.addr, last_b.addr, 16) <= 0 &&
	       memcmp(b->net.addr, last_a.addr, 16) <= 0;
}

static int check_address(const struct config *cfg, uint32_t i, struct config_conflict *c)
{
	const struct config_address *a = &cfg->address[i];
	struct config_net last;

	if (a->port >= cfg->nports)
		return expected(key(c, "addresses[%u].port", i), "an index in ports: 0 .. %u",
				cfg->nports - 1);
	if (!is_unicast(&a->net))
		return expected(key(c, "addresses[%u].address", i), "a unicast address");
	if (!advance(&a->net, (uint32_t)a->count - 1, &last) || !config_net_holds(&a->net, &last))
		return expected(key(c, "addresses[%u].count", i),
				"no more than fit into the network /%u", a->net.len);
	if (carries(&a->net, (uint32_t)a->count))
		return expected(key(c, "addresses[%u].count", i),
				"no more than there are before the last 32 bits of the address "
				"begin anew; the rest is another entry");
	if (a->vlan_outer != 0 && a->vlan == 0)
		return expected(key(c, "addresses[%u].vlan_outer", i), "an inner vlan with it");
	for (uint32_t j = 0; j < i; j++) {
		if (overlap(a, &cfg->address[j]))
			return expected(key(c, "addresses[%u].address", i),
					"an address that addresses[%u] does not hold already", j);
	}
	if ((a->net.family == 4 ? cfg->capacity.connections4 : cfg->capacity.connections6) == 0)
		return expected(key(c, "addresses[%u].address", i),
				"capacity.connections%u above 0, as there is an IPv%u address",
				a->net.family, a->net.family);
	return 0;
}

static int check_gateway(const struct config *cfg, uint32_t i, struct config_conflict *c)
{
	const struct config_gateway *g = &cfg->gateway[i];
	bool on_link = false;

	if (g->port >= cfg->nports)
		return expected(key(c, "gateways[%u].port", i), "an index in ports: 0 .. %u",
				cfg->nports - 1);
	for (uint32_t j = 0; j < i; j++) {
		if (cfg->gateway[j].port == g->port && cfg->gateway[j].net.family == g->net.family)
			return expected(key(c, "gateways[%u].address", i),
					"one gateway per family and port: gateways[%u] is another",
					j);
	}
	for (uint32_t j = 0; j < cfg->naddresses; j++) {
		const struct config_address *a = &cfg->address[j];

		on_link |= a->port == g->port && config_net_holds(&a->net, &g->net);
		if (a->port == g->port && a->net.family == g->net.family &&
		    memcmp(a->net.addr, g->net.addr, 16) == 0)
			return expected(key(c, "gateways[%u].address", i),
					"another than our own: addresses[%u] has it", j);
	}
	if (!on_link)
		return expected(key(c, "gateways[%u].address", i),
				"an address in the network of one of ours on that port");
	return 0;
}

static int check_total_addresses(const struct config *cfg, struct config_conflict *c)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < cfg->naddresses; i++)
		total += cfg->address[i].count;
	if (total > MR_LADDR_MAX)
		return expected(key(c, "addresses"), "at most %u addresses together", MR_LADDR_MAX);
	return 0;
}

/* ---- Workers and TCP ------------------------------------------------------------------------- */

static int check_workers(const struct config *cfg, struct config_conflict *c)
{
	const struct config_workers *w = &cfg->workers;

	if (w->nlcores != 0 && w->nlcores != w->count)
		return expected(key(c, "workers.lcores"), "as many CPUs as workers.count says: %u",
				(unsigned int)w->count);
	for (uint32_t i = 0; i < w->nlcores; i++) {
		for (uint32_t j = 0; j < i; j++) {
			if (w->lcore[i] == w->lcore[j])
				return expected(key(c, "workers.lcores[%u]", i),
						"a CPU that is not listed twice");
		}
	}
	return 0;
}

static int check_tcp(const struct config *cfg, struct config_conflict *c)
{
	const struct config_tcp *t = &cfg->tcp;
	uint64_t mtu = UINT64_MAX;

	for (uint32_t i = 0; i < cfg->nports; i++)
		mtu = MR_MIN(mtu, cfg->port[i].mtu);
	if (t->rto_min_ms > t->rto_max_ms)
		return expected(key(c, "tcp.rto_min"), "at most tcp.rto_max");
	if (t->rto_initial_ms < t->rto_min_ms || t->rto_initial_ms > t->rto_max_ms)
		return expected(key(c, "tcp.rto_initial"), "between tcp.rto_min and tcp.rto_max");
	if (!t->window_scaling && t->rcv_buf > 65535)
		return expected(key(c, "tcp.receive_buffer"),
				"at most 65535 without tcp.window_scaling (RFC 7323 2)");
	if (t->mss4 > mtu - 40 || (t->mss4 != 0 && t->mss4 < 536))
		return expected(key(c, "tcp.mss4"), "0, or 536 .. MTU - 40");
	if (t->mss6 > mtu - 60 || (t->mss6 != 0 && t->mss6 < 1220))
		return expected(key(c, "tcp.mss6"), "0, or 1220 .. MTU - 60");
	return 0;
}

/* ---- Memory and capacities ------------------------------------------------------------------- */

static bool keeps_state(const struct config_listener *l)
{
	return strcmp(config_handler_names[l->handler], "close") != 0;
}

/*
 * What open_max of all listeners may come to: an eighth less than the smallest of the tables that
 * all of them may need. So a listener reaches its bound while there is room for SYNs, for the
 * others and for what is closing, and not the tables theirs.
 */
static uint64_t open_budget(const struct config *cfg)
{
	const struct config_capacity *t = &cfg->capacity;
	uint64_t least = t->extensions;

	if (t->connections4 != 0)
		least = MR_MIN(least, t->connections4);
	if (t->connections6 != 0)
		least = MR_MIN(least, t->connections6);
	return least - least / 8;
}

/* What is given adds up to *sum; returns how many listeners share the rest. */
static uint64_t open_given(const struct config *cfg, uint64_t *sum)
{
	uint64_t sharing = 0;

	*sum = 0;
	for (uint32_t i = 0; i < cfg->nlisteners; i++) {
		if (!keeps_state(&cfg->listener[i]))
			continue;
		*sum += cfg->listener[i].open_max;
		sharing += cfg->listener[i].open_max == 0;
	}
	return sharing;
}

uint32_t config_open_max(const struct config *cfg, uint32_t i)
{
	uint64_t sum, sharing = open_given(cfg, &sum);

	if (cfg->listener[i].open_max != 0 || sharing == 0)
		return (uint32_t)cfg->listener[i].open_max;
	return (uint32_t)((open_budget(cfg) - sum) / sharing);
}

static int check_open_max(const struct config *cfg, struct config_conflict *c)
{
	uint64_t budget = open_budget(cfg), sum, sharing = open_given(cfg, &sum), most = 0;
	uint32_t largest = 0;

	if (sum + sharing <= budget)
		return 0;
	for (uint32_t i = 0; i < cfg->nlisteners; i++) {
		if (keeps_state(&cfg->listener[i]) && cfg->listener[i].open_max >= most) {
			most = cfg->listener[i].open_max;
			largest = i;
		}
	}
	return expected(key(c, "listeners[%u].open_max", largest),
			"at most %llu for all listeners together: 7/8 of the smallest of "
			"capacity.connections4, connections6 and extensions",
			(unsigned long long)budget);
}

static int check_capacity(const struct config *cfg, struct config_conflict *c)
{
	const struct config_memory *m = &cfg->memory;
	const struct config_capacity *t = &cfg->capacity;

	if (m->mbufs != 0 && m->mbufs <= m->mbufs_reserve)
		return expected(key(c, "memory.mbufs"), "more than memory.mbufs_reserve");
	if (m->ctl_mbufs != 0 && m->ctl_mbufs <= m->mbufs_reserve)
		return expected(key(c, "memory.control_mbufs"), "more than memory.mbufs_reserve");
	if (t->connections4 != 0 && t->time_wait4 == 0)
		return expected(key(c, "capacity.time_wait4"), "at least 1 with connections4");
	if (t->connections6 != 0 && t->time_wait6 == 0)
		return expected(key(c, "capacity.time_wait6"), "at least 1 with connections6");
	return check_open_max(cfg, c);
}

/* ---- Listeners ------------------------------------------------------------------------------- */

static bool same_net(const struct config_net *a, const struct config_net *b)
{
	return a->family == b->family && a->len == b->len && config_net_holds(a, b);
}

/* A listener on addresses that are not ours would wait for ever. */
static bool has_address(const struct config *cfg, const struct config_net *net)
{
	for (uint32_t i = 0; i < cfg->naddresses; i++) {
		const struct config_address *a = &cfg->address[i];
		struct config_net last;

		if (net->family == 0)
			return true;
		if (a->net.family != net->family)
			continue;
		advance(&a->net, (uint32_t)a->count - 1, &last);
		if (config_net_holds(net, &a->net) || config_net_holds(net, &last) ||
		    (memcmp(a->net.addr, net->addr, 16) <= 0 &&
		     memcmp(net->addr, last.addr, 16) <= 0))
			return true;
	}
	return false;
}

static bool is_range(const struct config_listener *l)
{
	return l->ports.first != l->ports.last;
}

/* Does a stand before b in the list of a port, and is it a range, which must be the last there? */
static bool range_before(const struct config_listener *a, const struct config_listener *b)
{
	unsigned int rank_a = a->net.family == 0 ? 0 : a->net.len + 1u;
	unsigned int rank_b = b->net.family == 0 ? 0 : b->net.len + 1u;

	return is_range(a) && (rank_a > rank_b || (rank_a == rank_b && is_range(b)));
}

/* Listener i and an earlier one. */
static int check_pair(const struct config *cfg, uint32_t i, uint32_t j, struct config_conflict *c)
{
	const struct config_listener *l = &cfg->listener[i], *o = &cfg->listener[j];
	bool meet = l->ports.first <= o->ports.last && o->ports.first <= l->ports.last;

	if (meet && same_net(&l->net, &o->net))
		return expected(key(c, "listeners[%u].ports", i),
				"ports that listeners[%u] does not have on the same address", j);
	if (meet && (range_before(l, o) || range_before(o, l)))
		return expected(key(c, "listeners[%u].ports", i),
				"other ports than listeners[%u]: a range may only share one with "
				"single ports of a longer prefix", j);
	if (l->name != NULL && o->name != NULL && strcmp(l->name, o->name) == 0)
		return expected(key(c, "listeners[%u].name", i),
				"a name of its own: listeners[%u] has this one", j);
	return 0;
}

static int check_listener(const struct config *cfg, uint32_t i, struct config_conflict *c)
{
	const struct config_listener *l = &cfg->listener[i];
	const char *handler = config_handler_names[l->handler];

	if (!has_address(cfg, &l->net))
		return expected(key(c, "listeners[%u].address", i),
				"an address, or a prefix, of ours");
	if (l->text != NULL && strcmp(handler, "line") != 0)
		return expected(key(c, "listeners[%u].text", i),
				"handler line, which alone has a text");
	if (l->text != NULL && strpbrk(l->text, "\r\n") != NULL)
		return expected(key(c, "listeners[%u].text", i),
				"one line without a line end: the handler adds CRLF");
	if (l->http.root != NULL && strcmp(handler, "http") != 0)
		return expected(key(c, "listeners[%u].http", i),
				"handler http, which alone has files");
	for (uint32_t j = 0; j < i; j++) {
		if (check_pair(cfg, i, j, c) != 0)
			return -1;
	}
	return 0;
}

typedef int check_item(const struct config *cfg, uint32_t i, struct config_conflict *c);

static int check_each(const struct config *cfg, uint32_t n, check_item *check,
		      struct config_conflict *c)
{
	for (uint32_t i = 0; i < n; i++) {
		if (check(cfg, i, c) != 0)
			return -1;
	}
	return 0;
}

int config_check(const struct config *cfg, struct config_conflict *c)
{
	if (check_workers(cfg, c) != 0 || check_each(cfg, cfg->nports, check_port, c) != 0 ||
	    check_each(cfg, cfg->naddresses, check_address, c) != 0 ||
	    check_total_addresses(cfg, c) != 0 ||
	    check_each(cfg, cfg->ngateways, check_gateway, c) != 0 || check_tcp(cfg, c) != 0 ||
	    check_capacity(cfg, c) != 0)
		return -1;
	return check_each(cfg, cfg->nlisteners, check_listener, c);
}
