/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capacities and tuples. The rule behind the tuples: a connection closed by FIN keeps its tuple for
 * 2MSL on the side that closed first (RFC 9293 3.6.1), so a steady rate r needs r x 2MSL of them
 * beside those that are open.
 */
#include <inttypes.h>
#include <string.h>

#include "bounds.h"
#include "frame.h"
#include "plan.h"

bool mb_prefix_holds(const struct mb_prefix *prefix, const uint8_t addr[16])
{
	unsigned int whole = prefix->len / 8u, rest = prefix->len % 8u;

	if (memcmp(prefix->addr, addr, whole) != 0)
		return false;
	return rest == 0 || ((prefix->addr[whole] ^ addr[whole]) >> (8u - rest)) == 0;
}

static uint32_t low_word(const struct mb_prefix *p, const uint8_t addr[16])
{
	uint32_t v;

	memcpy(&v, addr + (p->family == 4 ? 0 : 12), 4);
	return __builtin_bswap32(v);
}

/**
 * Addresses from the given one to the end of its prefix, without the network's and the broadcast
 * address (IPv6: without the subnet-router anycast address, RFC 4291 2.6.1). Only the last 16 bits
 * count: local addresses are numbered by 16 bits.
 */
static void count_sources(const struct mb_prefix *s, struct mb_plan *p)
{
	unsigned int bits = (s->family == 4 ? 32u : 128u) - s->len;
	uint32_t span = bits >= 16 ? 65536u : 1u << bits;
	uint32_t offset = low_word(s, s->addr) & (span - 1);
	bool ends_reserved = s->family == 4 && bits > 1;

	memcpy(p->source, s->addr, 16);
	if (offset == 0 && bits > 1) {
		p->source[s->family == 4 ? 3 : 15]++;
		offset++;
	}
	p->naddrs = MR_MIN(span - offset - (ends_reserved ? 1u : 0u), MR_LADDR_MAX - 1u);
}

/** Is addr one of the source addresses? */
static bool is_source(const struct mb_options *o, const struct mb_plan *p, const uint8_t addr[16])
{
	struct mb_prefix s = o->sources;

	if (!mb_prefix_holds(&s, addr))
		return false;
	return low_word(&s, addr) - low_word(&s, p->source) < p->naddrs;
}

static int plan_addresses(const struct mb_options *o, struct mb_plan *p, char err[MB_ERROR_MAX])
{
	bool target_near = mb_prefix_holds(&o->local, o->target.addr);

	if (o->command == MB_SERVE_PEER && memcmp(o->local.addr, o->target.addr, 16) != 0) {
		snprintf(err, MB_ERROR_MAX,
			 "serve-peer answers at --target: --local must have the same address.");
		return -1;
	}
	memcpy(p->source, o->local.addr, 16);
	p->naddrs = 1;
	p->sources_apart = o->sources.family != 0;
	if (p->sources_apart)
		count_sources(&o->sources, p);
	if (p->sources_apart &&
	    (is_source(o, p, o->target.addr) || is_source(o, p, o->local.addr))) {
		snprintf(err, MB_ERROR_MAX, "--sources must hold neither --local nor --target.");
		return -1;
	}
	/* Sources beside the network reach a near target through the target itself. */
	p->has_gateway = o->gateway.family != 0 || (target_near && p->sources_apart);
	memcpy(p->gateway, o->gateway.family != 0 ? o->gateway.addr : o->target.addr, 16);
	if (!target_near && !p->has_gateway && o->command != MB_SERVE_PEER) {
		snprintf(err, MB_ERROR_MAX,
			 "--target is not on the network of --local: give --gateway.");
		return -1;
	}
	return 0;
}

static uint32_t per_worker(const struct mb_options *o, uint64_t total)
{
	return (uint32_t)((total + o->workers - 1) / o->workers);
}

/** Connections at once, both loops. */
static void plan_slots(const struct mb_options *o, struct mb_plan *p)
{
	uint64_t at_once = o->concurrency != 0 ? o->concurrency : o->mode == MB_HOLD ? 4096 : 1024;

	/* An open loop may have a second's worth of connections open before it refuses more. */
	if (o->rate != 0 && o->concurrency == 0)
		at_once = MR_MIN(MR_MAX(o->rate, 1024u), 1000000u);
	p->at_once = per_worker(o, at_once);
	p->slots = o->mode == MB_HOLD ? per_worker(o, o->hold) : p->at_once;
}

/** Does a connection that ends keep its tuple for 2MSL? */
static bool tuples_rest(const struct mb_options *o)
{
	return o->mode != MB_HANDSHAKE && o->mode != MB_HOLD;
}

static uint64_t sustained(const struct mb_options *o, const struct mb_plan *p, uint64_t tuples)
{
	uint64_t open = (uint64_t)p->slots * o->workers;

	if (!tuples_rest(o))
		return UINT64_MAX;
	return tuples <= open ? 0 : (tuples - open) * 1000 / (2 * o->msl_ms);
}

static int plan_tuples(const struct mb_options *o, struct mb_plan *p, char err[MB_ERROR_MAX])
{
	uint64_t nports = (uint64_t)o->ports.last - o->ports.first + 1;
	uint64_t time_wait_ms = 2 * o->msl_ms, open = (uint64_t)p->slots * o->workers;
	bool rests = tuples_rest(o);

	p->tuples = p->naddrs * nports;
	/* Under a rate the open ones are an upper bound, mostly not reached: not counted in. */
	p->tuples_needed = o->rate != 0 && rests ? o->rate * time_wait_ms / 1000 : open;
	p->sustained_per_s = sustained(o, p, p->tuples);
	if (p->tuples_needed <= p->tuples && o->workers <= p->tuples)
		return 0;
	if (p->tuples_needed <= p->tuples)
		snprintf(err, MB_ERROR_MAX,
			 "%" PRIu64 " workers cannot share %" PRIu64
			 " source tuples: widen --sources or --ports.",
			 o->workers, p->tuples);
	else if (o->rate != 0 && rests)
		snprintf(err, MB_ERROR_MAX,
			 "%" PRIu64 " connections/s that rest %" PRIu64
			 " ms in TIME_WAIT need %" PRIu64
			 " source tuples, but %u addresses x %" PRIu64 " ports are %" PRIu64
			 ": widen --sources or --ports, or lower --rate or --msl-ms.",
			 o->rate, time_wait_ms, p->tuples_needed, p->naddrs, nports, p->tuples);
	else
		snprintf(err, MB_ERROR_MAX,
			 "%" PRIu64 " connections at once need as many source tuples, but %u "
			 "addresses x %" PRIu64 " ports are %" PRIu64
			 ": widen --sources or --ports.",
			 open, p->naddrs, nports, p->tuples);
	return -1;
}

/** Entries of the TIME_WAIT table on the side that closes first. */
static uint32_t plan_time_wait(const struct mb_options *o, const struct mb_plan *p)
{
	uint64_t rate = o->rate != 0 ? o->rate + o->rate / 8 : MB_CLOSED_LOOP_PER_S * o->workers;
	uint64_t entries = rate * 2 * o->msl_ms / 1000;

	if (o->mode == MB_HOLD)
		entries = o->hold;
	/* A tuple can rest only once at a time. */
	entries = MR_MIN(entries, p->tuples);
	return MR_MIN(per_worker(o, entries) + 1024u, MB_TIME_WAIT_MAX);
}

static void plan_sides(const struct mb_options *o, struct mb_plan *p)
{
	uint32_t resting = o->mode == MB_HANDSHAKE ? 1024 : plan_time_wait(o, p);
	bool data = o->mode == MB_REQUEST || o->mode == MB_KEEPALIVE;
	/* The server learns of an end half a round trip after the client has reused its slot. */
	uint32_t extra = 2 * p->at_once + 4096;

	p->client.conns = p->slots + 1024;
	p->server.conns = p->slots + extra;
	p->client.time_wait = o->closer == MB_CLOSE_CLIENT ? resting : 1024;
	p->server.time_wait = o->closer == MB_CLOSE_SERVER ? resting : 1024;
	p->client.extensions = data ? MR_MIN(p->client.conns, 1u << 20) : 1024;
	p->server.extensions = data ? MR_MIN(p->server.conns, 1u << 20) : 1024;
}

int mb_plan_make(const struct mb_options *o, struct mb_plan *p, char err[MB_ERROR_MAX])
{
	memset(p, 0, sizeof(*p));
	if (plan_addresses(o, p, err) != 0)
		return -1;
	plan_slots(o, p);
	if (o->command != MB_SERVE_PEER && plan_tuples(o, p, err) != 0)
		return -1;
	if (o->command == MB_SERVE_PEER)
		p->tuples = UINT64_MAX;
	plan_sides(o, p);
	return 0;
}

/* ---- Tuples of a worker ---- */

static void all_tuples(const struct mb_options *o, const struct mb_plan *p, struct mb_tuples *t)
{
	*t = (struct mb_tuples){
		.family = o->local.family,
		.naddrs = p->naddrs,
		.nports = (uint32_t)(o->ports.last - o->ports.first) + 1,
		.port_first = o->ports.first,
	};
	memcpy(t->base, p->source, sizeof(t->base));
}

void mb_plan_tuples(const struct mb_options *o, const struct mb_plan *p, unsigned int index,
		    struct mb_tuples *t)
{
	all_tuples(o, p, t);
	mb_tuples_part(t, index, (unsigned int)o->workers);
	mb_tuples_start(t, o->seed + index);
}

void mb_plan_tuples_steered(const struct mb_options *o, const struct mb_plan *p,
			    unsigned int index, const struct mb_owner *owner, struct mb_tuples *t)
{
	all_tuples(o, p, t);
	t->owner = owner;
	t->worker = index;
	mb_tuples_part(t, 0, 1);
	mb_tuples_start(t, o->seed + index);
}

/* ---- The stacks ---- */

static void common_stack(const struct mb_options *o, const struct mb_plan_side *side,
			 struct stack_config *cfg)
{
	stack_config_default(cfg);
	cfg->tcp.msl_ms = (uint32_t)o->msl_ms;
	cfg->fast_path = !o->no_fast_path;
	cfg->tcp.timestamps = !o->no_timestamps;
	cfg->conns4 = o->local.family == 4 ? side->conns : 0;
	cfg->conns6 = o->local.family == 6 ? side->conns : 0;
	cfg->time_wait4 = o->local.family == 4 ? side->time_wait : 0;
	cfg->time_wait6 = o->local.family == 6 ? side->time_wait : 0;
	cfg->extensions = side->extensions;
	cfg->naddrs = 0;
	cfg->ngateways = 0;
	cfg->nlisteners = 0;
}

static void add_addr(struct stack_config *cfg, const struct mb_prefix *net, const uint8_t first[16],
		     uint32_t count)
{
	struct stack_addr *a = &cfg->addr[cfg->naddrs++];

	memset(a, 0, sizeof(*a));
	a->family = net->family;
	a->prefix_len = net->len;
	a->vlan = a->vlan_outer = WIRE_NO_VLAN;
	a->count = count;
	memcpy(a->addr, first, 16);
}

static void add_gateway(struct stack_config *cfg, uint8_t family, const uint8_t addr[16])
{
	struct stack_gateway *g = &cfg->gateway[cfg->ngateways++];

	memset(g, 0, sizeof(*g));
	g->family = family;
	memcpy(g->addr, addr, 16);
}

void mb_plan_client_stack(const struct mb_options *o, const struct mb_plan *p,
			  struct stack_config *cfg)
{
	common_stack(o, &p->client, cfg);
	add_addr(cfg, &o->local, o->local.addr, 1);
	if (p->sources_apart)
		add_addr(cfg, &o->sources, p->source, p->naddrs);
	if (p->has_gateway)
		add_gateway(cfg, o->local.family, p->gateway);
	cfg->port_range_first = o->ports.first;
	cfg->port_range_last = o->ports.last;
}

void mb_plan_server_stack(const struct mb_options *o, const struct mb_plan *p,
			  struct stack_config *cfg)
{
	common_stack(o, &p->server, cfg);
	add_addr(cfg, &o->local, o->target.addr, 1);
	/* Over a ring the client's sources are reached through the client's own address. */
	if (o->ring)
		add_gateway(cfg, o->local.family, o->local.addr);
	else if (p->has_gateway)
		add_gateway(cfg, o->local.family, p->gateway);
}

/* ---- Shares of the workers, where RSS deals the replies out ---- */

/* Tuples looked at, at most: enough that a share is known to a few hundredths. */
#define SHARE_SAMPLE (1u << 18)

/** Counts whose the tuples are: all, or n drawn at random. False: nothing tells. */
static bool count_shares(const struct mb_options *o, const struct mb_plan *p,
			 const struct mb_owner *owner, uint64_t n, uint64_t count[MB_CPUS_MAX])
{
	struct mr_endpoint local = {0};
	struct mb_tuples t;

	all_tuples(o, p, &t);
	mb_tuples_part(&t, 0, 1);
	mb_tuples_start(&t, o->seed);
	for (uint64_t i = 0; i < n; i++) {
		unsigned int worker;

		if (n < p->tuples)
			mb_tuples_start(&t, o->seed + i);
		mb_tuples_next(&t, &local);
		worker = owner->worker_of(owner->ctx, &owner->remote, &local);
		if (worker >= o->workers)
			return false;
		count[worker]++;
	}
	return true;
}

int mb_plan_share(const struct mb_options *o, struct mb_plan *p, const struct mb_owner *owner,
		  char err[MB_ERROR_MAX])
{
	uint64_t n = MR_MIN(p->tuples, SHARE_SAMPLE), count[MB_CPUS_MAX] = {0};
	uint64_t needed = per_worker(o, p->tuples_needed), share;
	unsigned int poorest = 0;

	if (!count_shares(o, p, owner, n, count))
		return 0;
	p->steered = true;
	for (unsigned int i = 1; i < o->workers; i++)
		if (count[i] < count[poorest])
			poorest = i;
	share = count[poorest] * p->tuples / n;
	p->sustained_per_s = MR_MIN(p->sustained_per_s, sustained(o, p, share * o->workers));
	if (needed <= share)
		return 0;
	snprintf(err, MB_ERROR_MAX,
		 "The port's RSS brings the replies to %" PRIu64 " of the %" PRIu64
		 " source tuples to worker %u, which needs %" PRIu64
		 ": widen --sources or --ports, or use fewer --workers.",
		 share, p->tuples, poorest, needed);
	return -1;
}
