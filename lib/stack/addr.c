/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local addresses and listeners: which address index a packet is for, and who listens there; which
 * worker receives a tuple, and from where an active open speaks. Filled at start; read on the
 * packet path. Opens nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "worker.h"

static uint32_t addr_low32(uint8_t family, const uint8_t *addr)
{
	uint32_t v;

	memcpy(&v, addr + (family == 4 ? 0 : 12), 4);
	return rte_be_to_cpu_32(v);
}

/* The octets before the last four: none for IPv4. */
static bool addr_same_head(uint8_t family, const uint8_t *a, const uint8_t *b)
{
	return family == 4 || memcmp(a, b, 12) == 0;
}

static bool prefix_match(uint8_t family, unsigned int prefix_len, const uint8_t *a,
			 const uint8_t *b)
{
	unsigned int octets = prefix_len / 8, bits = prefix_len % 8;

	MR_CHECK(prefix_len <= (family == 4 ? 32u : 128u));
	if (memcmp(a, b, octets) != 0)
		return false;
	return bits == 0 || ((a[octets] ^ b[octets]) >> (8 - bits)) == 0;
}

static bool range_has(const struct laddr_range *r, uint8_t family, uint16_t port,
		      const uint8_t *addr, uint32_t low)
{
	return r->family == family && r->port == port && low - r->addr_low < r->count &&
	       addr_same_head(family, r->addr, addr);
}

bool range_on_link(const struct laddr_range *r, const uint8_t *addr)
{
	return prefix_match(r->family, r->prefix_len, r->addr, addr);
}

static const char *range_add(struct mr_worker *w, const struct stack_addr *a)
{
	struct laddr_range *r = &w->range[w->nranges];
	unsigned int bits = a->family == 4 ? 32 : 128;

	if (a->family != 4 && a->family != 6)
		return "an address has a family that is neither 4 nor 6";
	if (a->prefix_len > bits)
		return "an address has a prefix longer than the address";
	if (a->port >= w->nports)
		return "an address names a port that does not exist";
	if (a->count == 0 || w->naddrs + a->count > MR_LADDR_MAX)
		return "there are more than 65535 local addresses";
	r->family = a->family;
	r->prefix_len = a->prefix_len;
	r->port = a->port;
	r->vlan = a->vlan;
	r->vlan_outer = a->vlan_outer;
	memcpy(r->addr, a->addr, 16);
	r->addr_low = addr_low32(a->family, a->addr);
	if (r->addr_low + (a->count - 1) < r->addr_low)
		return "a range of addresses wraps around";
	r->first = w->naddrs;
	r->count = a->count;
	w->naddrs += a->count;
	w->nranges++;
	return NULL;
}

/* Does no other range, on any port or VLAN, have an address of this one of IPv4? */
static bool range_alone(const struct mr_worker *w, uint32_t range)
{
	const struct laddr_range *r = &w->range[range];

	for (uint32_t i = 0; i < w->nranges; i++) {
		const struct laddr_range *o = &w->range[i];

		if (i != range && o->family == 4 && o->addr_low - r->addr_low < r->count)
			return false;
		if (i != range && o->family == 4 && r->addr_low - o->addr_low < o->count)
			return false;
	}
	return r->family == 4;
}

/*
 * Who comes first in the list of a port: the longest prefix, any address of both families last. A
 * range of ports is one group, so one `next` for all of them: of equals it is the last.
 */
static unsigned int listener_rank(const struct group *g)
{
	return g->family == 0 ? !g->range : 2 * (g->prefix_len + 1u) + !g->range;
}

/* Links the group into the list of a port. False: it is a range, or would stand behind one. */
static bool listener_link(struct mr_worker *w, uint16_t id, uint32_t port)
{
	uint16_t *at = &w->listener_of_port[port];
	struct group *g = &w->group[id];

	while (*at != MR_NONE16 && listener_rank(&w->group[*at]) >= listener_rank(g)) {
		if (w->group[*at].range)
			return false;
		at = &w->group[*at].next;
	}
	if (*at != MR_NONE16 && g->range)
		return false;
	if (!g->range)
		g->next = *at;
	*at = id;
	return true;
}

/* Index of the address of a listener on a single one: listener_find() compares no octets then. */
static uint16_t listener_laddr(const struct mr_worker *w, const struct stack_listener *l)
{
	uint32_t low = addr_low32(l->family == 4 ? 4 : 6, l->addr);

	if (l->family == 0 || l->prefix_len != (l->family == 4 ? 32 : 128))
		return MR_NONE16;
	for (uint32_t i = 0; i < w->nranges; i++)
		if (range_has(&w->range[i], l->family, w->range[i].port, l->addr, low))
			return (uint16_t)(w->range[i].first + (low - w->range[i].addr_low));
	return MR_NONE16;
}

void stack_listener_backlog(struct mr_worker *w, uint16_t id, uint32_t backlog)
{
	w->group[id].backlog = backlog;
	w->group[id].full = backlog == 0;
}

void listener_unlink(struct mr_worker *w, uint16_t id)
{
	const struct group *g = &w->group[id];

	for (uint32_t p = g->port_first; p <= g->port_last; p++) {
		uint16_t *at = &w->listener_of_port[p];

		while (*at != MR_NONE16 && *at != id)
			at = &w->group[*at].next;
		if (*at == id)
			*at = g->next;
	}
}

const char *listener_add(struct mr_worker *w, const struct stack_listener *l, uint16_t id)
{
	struct group *g = &w->group[id];

	if (l->port_first == 0 || l->port_last < l->port_first)
		return "a listener has an empty range of ports";
	*g = (struct group){.cb = l->callbacks, .arg = l->arg, .backlog = l->backlog,
			    .reopen_backlog = l->backlog,
			    .family = l->family, .prefix_len = l->prefix_len, .next = MR_NONE16,
			    .laddr = listener_laddr(w, l),
			    .port_first = l->port_first, .port_last = l->port_last,
			    .range = l->port_first != l->port_last, .listening = true,
			    .passive = true};
	memcpy(g->addr, l->addr, 16);
	memcpy(g->stats.name, l->name, sizeof(g->stats.name));
	if (!group_set_options(w, id, &l->options))
		return "an option of a listener is out of range";
	for (uint32_t p = l->port_first; p <= l->port_last; p++)
		if (!listener_link(w, id, p))
			return "a listener on a range of ports overlaps one that is not more "
			       "specific";
	return NULL;
}

static const char *listeners_setup(struct mr_worker *w, const struct stack_config *cfg)
{
	for (uint32_t i = 0; i < cfg->nlisteners; i++) {
		const char *why = i < MR_LISTENERS_MAX ? listener_add(w, &cfg->listener[i],
								      (uint16_t)i)
						       : "there are more than 4096 listeners";

		if (why != NULL)
			return why;
		w->nlisteners = ++w->ngroups;
	}
	return NULL;
}

int addr_setup(struct mr_worker *w, const struct stack_config *cfg, const char **why)
{
	w->listener_of_port = malloc(65536 * sizeof(uint16_t));
	w->group = calloc(STACK_GROUPS_MAX, sizeof(*w->group));
	w->group_options = calloc(STACK_GROUPS_MAX, sizeof(*w->group_options));
	if (w->listener_of_port == NULL || w->group == NULL || w->group_options == NULL)
		return *why = "no memory for listeners", -ENOMEM;
	memset(w->listener_of_port, 0xff, 65536 * sizeof(uint16_t));
	for (uint32_t i = 0; i < cfg->naddrs; i++)
		if ((*why = range_add(w, &cfg->addr[i])) != NULL)
			return -EINVAL;
	w->range_of = calloc(w->naddrs + 1, sizeof(*w->range_of));
	if (w->range_of == NULL)
		return *why = "no memory for addresses", -ENOMEM;
	for (uint32_t i = 0; i < w->nranges; i++) {
		w->range[i].alone = range_alone(w, i);
		for (uint32_t k = 0; k < w->range[i].count; k++)
			w->range_of[w->range[i].first + k] = (uint16_t)i;
	}
	w->syncookies = cfg->syncookies != STACK_COOKIES_OFF;
	if ((*why = listeners_setup(w, cfg)) != NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < w->nlisteners && cfg->syncookies == STACK_COOKIES_ALWAYS; i++)
		w->group[i].backlog = 0;
	memcpy(w->gateway, cfg->gateway, sizeof(w->gateway));
	w->ngateways = cfg->ngateways;
	return 0;
}

void addr_teardown(struct mr_worker *w)
{
	free(w->listener_of_port);
	free(w->group);
	free(w->group_options);
	free(w->range_of);
}

uint16_t laddr_find(struct mr_worker *w, const struct wire_frame *f, uint16_t port,
		    const uint8_t *addr)
{
	uint32_t low = addr_low32(f->family, addr), i = w->last_range;

	/* Traffic comes in trains for one range: the last hit is tried first. */
	for (uint32_t k = 0; k <= w->nranges; k++) {
		const struct laddr_range *r = &w->range[i];

		if (range_has(r, f->family, port, addr, low) && r->vlan == f->vlan &&
		    r->vlan_outer == f->vlan_outer) {
			w->last_range = i;
			return (uint16_t)(r->first + (low - r->addr_low));
		}
		i = k;
		if (i >= w->nranges)
			break;
	}
	return MR_NONE16;
}

uint16_t laddr_find_any(const struct mr_worker *w, uint8_t family, uint16_t port,
			const uint8_t *addr)
{
	uint32_t low = addr_low32(family, addr);

	for (uint32_t i = 0; i < w->nranges; i++)
		if (range_has(&w->range[i], family, port, addr, low))
			return (uint16_t)(w->range[i].first + (low - w->range[i].addr_low));
	return MR_NONE16;
}

bool stack_has_address(const struct mr_worker *w, const struct mr_endpoint *e)
{
	for (uint16_t p = 0; p < w->nports; p++)
		if (laddr_find_any(w, e->family, p, e->addr) != MR_NONE16)
			return true;
	return false;
}

void laddr_get(const struct mr_worker *w, uint16_t laddr, uint8_t *addr)
{
	const struct laddr_range *r = laddr_range_of(w, laddr);
	uint32_t low = rte_cpu_to_be_32(r->addr_low + (laddr - r->first));

	MR_CHECK(laddr < w->naddrs);
	if (r->family == 4) {
		memcpy(addr, &low, 4);
		return;
	}
	memcpy(addr, r->addr, 12);
	memcpy(addr + 12, &low, 4);
}

uint16_t listener_search(const struct mr_worker *w, uint16_t list, uint8_t family, uint16_t laddr)
{
	uint16_t id = list;
	uint8_t addr[16];

	while (id != MR_NONE16) {
		const struct group *g = &w->group[id];

		if (g->family == 0)
			return id;
		if (g->family == family) {
			laddr_get(w, laddr, addr);
			if (prefix_match(family, g->prefix_len, g->addr, addr))
				return id;
		}
		id = g->next;
	}
	return MR_NONE16;
}

uint16_t connect_group(struct mr_worker *w, const struct mr_callbacks *cb)
{
	for (uint32_t i = w->nlisteners; i < w->ngroups; i++)
		if (w->group[i].cb == cb && !w->group[i].passive)
			return (uint16_t)i;
	if (w->ngroups == STACK_GROUPS_MAX)
		return MR_NONE16;
	w->group[w->ngroups] = (struct group){.cb = cb, .next = MR_NONE16, .laddr = MR_NONE16};
	memcpy(w->group[w->ngroups].stats.name, "connect", 8);
	return (uint16_t)w->ngroups++;
}

/* ---- source tuples ---- */

/* Ports drawn for each worker that shares the port: one of them misses them all in e^-32 cases. */
#define DRAWS_PER_WORKER 32u

unsigned int tuple_worker(const struct mr_worker *w, const struct flow_key *key)
{
	const struct stack_steer *s = &w->port[laddr_range_of(w, key->laddr)->port].steer;
	struct mr_endpoint remote = {.family = key->family}, local = {.family = key->family};

	if (s->worker_of == NULL)
		return w->id;
	remote.port = rte_be_to_cpu_16(key->rport);
	local.port = rte_be_to_cpu_16(key->lport);
	memcpy(remote.addr, key->raddr, key->family == 4 ? 4 : 16);
	laddr_get(w, key->laddr, local.addr);
	return s->worker_of(s->ctx, &remote, &local);
}

bool tuple_draw(struct mr_worker *w, struct flow_key *key)
{
	uint32_t span = (uint32_t)w->port_last - w->port_first + 1;

	for (unsigned int i = 0; i < DRAWS_PER_WORKER * w->group_count; i++) {
		uint32_t p = w->port_first + (uint32_t)mr_rng_below(&w->rng, span);

		key->lport = rte_cpu_to_be_16((uint16_t)p);
		if (tuple_worker(w, key) == w->id)
			return true;
	}
	return false;
}

/* ---- active opens: from where, and to whom ---- */

bool tuple_free(const struct flows *f, const struct flow_key *key, uint64_t hash)
{
	return table_find(&f->table, key, hash) == TABLE_NIL &&
	       timewait_find(f->tw, key, hash) == TABLE_NIL;
}

/* Random ports, a bounded number of tries. */
#define PORT_TRIES 64u

bool tuple_pick(struct mr_worker *w, struct flows *f, struct flow_key *key, uint16_t port,
		uint64_t *hash)
{
	if (port != 0) {
		key->lport = rte_cpu_to_be_16(port);
		*hash = flow_hash(&w->key_table, key);
		return tuple_free(f, key, *hash);
	}
	for (unsigned int i = 0; i < PORT_TRIES; i++) {
		if (!tuple_draw(w, key)) {
			mr_count(&w->counters, MR_C_CONNECT_NO_PORT);
			return false;
		}
		*hash = flow_hash(&w->key_table, key);
		if (tuple_free(f, key, *hash))
			return true;
	}
	return false;
}

/* The range to speak from: the first on-link one, else the first whose port has a gateway. */
static const struct laddr_range *source_range(const struct mr_worker *w,
					      const struct mr_endpoint *remote)
{
	for (uint32_t i = 0; i < w->nranges; i++)
		if (w->range[i].family == remote->family &&
		    range_on_link(&w->range[i], remote->addr))
			return &w->range[i];
	for (uint32_t i = 0; i < w->nranges; i++)
		for (uint32_t k = 0; k < w->ngateways; k++)
			if (w->range[i].family == remote->family &&
			    w->gateway[k].family == remote->family &&
			    w->gateway[k].port == w->range[i].port)
				return &w->range[i];
	return NULL;
}

static uint16_t source_addr(struct mr_worker *w, const struct mr_connect_opts *opts)
{
	const struct laddr_range *r;

	if (opts->local.family == 0) {
		r = source_range(w, &opts->remote);
		if (r == NULL)
			return MR_NONE16;
		return (uint16_t)(r->first + mr_rng_below(&w->rng, r->count));
	}
	for (uint16_t p = 0; p < w->nports; p++) {
		uint16_t laddr = laddr_find_any(w, opts->local.family, p, opts->local.addr);

		if (laddr != MR_NONE16)
			return laddr;
	}
	return MR_NONE16;
}

bool remote_sane(const struct mr_endpoint *e)
{
	static const uint8_t zero[16];

	if (e->port == 0)
		return false;
	if (e->family == 4)
		return e->addr[0] != 0 && e->addr[0] < 224;
	return e->family == 6 && e->addr[0] != 0xff && memcmp(e->addr, zero, 16) != 0;
}

bool connect_key(struct mr_worker *w, const struct mr_connect_opts *opts, struct flow_key *key)
{
	*key = (struct flow_key){
		.family = opts->remote.family,
		.rport = rte_cpu_to_be_16(opts->remote.port),
		.lport = rte_cpu_to_be_16(opts->local.port),
	};
	memcpy(key->raddr, opts->remote.addr, key->family == 4 ? 4 : 16);
	key->laddr = source_addr(w, opts);
	if (key->laddr == MR_NONE16)
		return false;
	w->last_source = w->range_of[key->laddr];
	return true;
}
