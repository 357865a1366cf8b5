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

/* The name of the device: what stands before the first comma. */
static bool same_device(const char *a, const char *b)
{
	size_t len = strcspn(a, ",");

	return len == strcspn(b, ",") && memcmp(a, b, len) == 0;
}

static const char *device(const struct config_port *p)
{
	return p->vdev != NULL ? p->vdev : p->pci;
}

static int check_port(const struct config *cfg, uint32_t i, struct config_conflict *c)
{
	const struct config_port *p = &cfg->port[i];

	if ((p->vdev == NULL) == (p->pci == NULL))
		return expected(key(c, "ports[%u]", i), "either vdev or pci");
	for (uint32_t j = 0; j < i; j++) {
		if (same_device(device(p), device(&cfg->port[j])))
			return expected(key(c, "ports[%u].%s", i, p->vdev != NULL ? "vdev" : "pci"),
					"another device: ports[%u] has this one", j);
	}
	if (p->queues != 0 && p->queues < cfg->workers.count)
		return expected(key(c, "ports[%u].queues", i),
				"at least one for each of the %u workers, or 0",
				(unsigned int)cfg->workers.count);
	return 0;
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
	if (cfg->memory.mbufs != 0 && cfg->memory.mbufs <= cfg->memory.mbufs_reserve)
		return expected(key(c, "memory.mbufs"), "more than memory.mbufs_reserve");
	return 0;
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
		const struct config_listener *o = &cfg->listener[j];

		if (same_net(&l->net, &o->net) && l->ports.first <= o->ports.last &&
		    o->ports.first <= l->ports.last)
			return expected(
				key(c, "listeners[%u].ports", i),
				"ports that listeners[%u] does not have on the same address", j);
		if (l->name != NULL && o->name != NULL && strcmp(l->name, o->name) == 0)
			return expected(key(c, "listeners[%u].name", i),
					"a name of its own: listeners[%u] has this one", j);
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
	    check_each(cfg, cfg->ngateways, check_gateway, c) != 0 || check_tcp(cfg, c) != 0)
		return -1;
	return check_each(cfg, cfg->nlisteners, check_listener, c);
}
