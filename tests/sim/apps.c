/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two handlers of the simulation, written against the public header only, as users would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "apps.h"
#include "check.h"

#define HEADER	((uint32_t)sizeof(struct sim_plan))
#define CHUNK	3000u
#define SLOW_MS	128u

/* One process runs one simulation at a time: handlers find it here, as real ones find their arg. */
static struct sim_apps *apps;

/* What octet `off` of a direction must be. */
static uint8_t pattern(uint32_t id, uint32_t direction, uint32_t off)
{
	uint32_t x = (id * 2 + direction) * 0x9e3779b1u + off;

	x ^= x >> 15;
	x *= 0x85ebca6bu;
	return (uint8_t)(x >> 24);
}

static bool is_client(const struct sim_side *s)
{
	return s >= apps->client && s < apps->client + apps->total;
}

static uint32_t to_send(const struct sim_side *s)
{
	return is_client(s) ? HEADER + s->plan.up : s->plan.down;
}

static uint32_t to_receive(const struct sim_side *s)
{
	return is_client(s) ? s->plan.down : HEADER + s->plan.up;
}

static struct sim_side *side_of(struct mr_worker *w, mr_conn c, bool client)
{
	uint32_t i = mr_user(w, c);

	MR_ASSERT(i < apps->total);
	return client ? &apps->client[i] : &apps->server[i];
}

static uint8_t octet_to_send(const struct sim_side *s, uint32_t off)
{
	if (!is_client(s))
		return pattern(s->plan.id, 1, off);
	if (off < HEADER)
		return ((const uint8_t *)&s->plan)[off];
	return pattern(s->plan.id, 0, off - HEADER);
}

/* ---- sending and ending ---- */

static void maybe_close(struct mr_worker *w, struct sim_side *s)
{
	bool all_sent = s->sent == to_send(s), all_read = s->received == to_receive(s);
	uint8_t closer = s->plan.closer;
	bool first = closer == SIM_CLOSE_BOTH ||
		     closer == (is_client(s) ? SIM_CLOSE_CLIENT : SIM_CLOSE_SERVER);

	if (s->closing || !all_sent)
		return;
	if (closer == SIM_CLOSE_HALF && is_client(s)) {
		s->closing = 1;
		mr_shutdown(w, s->conn);
	} else if (first && all_read && s->unread == 0) {
		s->closing = 1;
		mr_close(w, s->conn);
	}
}

static void push(struct mr_worker *w, struct sim_side *s)
{
	uint8_t buf[CHUNK];

	while (s->plan_known && s->sent < to_send(s)) {
		uint32_t n = MR_MIN(CHUNK, to_send(s) - s->sent), took;

		for (uint32_t i = 0; i < n; i++)
			buf[i] = octet_to_send(s, s->sent + i);
		took = mr_send_copy(w, s->conn, buf, n, 0);
		s->sent += took;
		if (took < n)
			return;
	}
	if (s->plan_known)
		maybe_close(w, s);
}

/* ---- receiving ---- */

static void check_octet(struct sim_side *s, uint8_t octet)
{
	uint32_t off = s->received++;

	if (is_client(s)) {
		apps->wrong_octets += octet != pattern(s->plan.id, 1, off);
	} else if (off < HEADER) {
		((uint8_t *)&s->plan)[off] = octet;
		s->plan_known = off == HEADER - 1;
	} else {
		apps->wrong_octets += octet != pattern(s->plan.id, 0, off - HEADER);
	}
}

static bool aborts_now(const struct sim_side *s)
{
	uint8_t who = is_client(s) ? SIM_ABORT_CLIENT : SIM_ABORT_SERVER;

	return s->plan_known && s->plan.abort == who && s->received >= to_receive(s) / 2;
}

static void take_data(struct mr_worker *w, struct sim_side *s, struct rte_mbuf *m)
{
	bool slow;
	uint32_t len = m->pkt_len;

	for (const struct rte_mbuf *seg = m; seg != NULL; seg = seg->next)
		for (uint16_t i = 0; i < seg->data_len; i++)
			check_octet(s, rte_pktmbuf_mtod(seg, const uint8_t *)[i]);
	rte_pktmbuf_free(m);
	if (s->received > to_receive(s) && s->plan_known)
		apps->unexpected++;
	if (aborts_now(s)) {
		mr_abort(w, s->conn);
		return;
	}
	slow = is_client(s) ? s->plan.slow_client : s->plan.slow_server;
	if (slow && s->plan_known) {
		if (s->unread == 0)
			mr_set_timeout(w, s->conn, SLOW_MS);
		s->unread += len;
		return;
	}
	mr_consumed(w, s->conn, len);
	push(w, s);
}

static void slow_read(struct mr_worker *w, struct sim_side *s)
{
	mr_consumed(w, s->conn, s->unread);
	s->unread = 0;
	push(w, s);
}

static void peer_closed(struct mr_worker *w, struct sim_side *s)
{
	/* All of the peer's data has been delivered: on_peer_closed comes after it. */
	if (s->received != to_receive(s))
		apps->unexpected++;
	if (s->unread != 0) {
		mr_consumed(w, s->conn, s->unread);
		s->unread = 0;
	}
	/* The other direction may go on (half-close): close when everything is queued. */
	if (s->plan.closer == SIM_CLOSE_HALF && !is_client(s))
		s->plan.closer = SIM_CLOSE_SERVER;
	else if (s->sent == to_send(s) && !(is_client(s) && s->plan.closer == SIM_CLOSE_HALF))
		s->plan.closer = SIM_CLOSE_BOTH;
	else if (is_client(s)) {
		s->closing = 1;
		mr_close(w, s->conn);
		return;
	}
	push(w, s);
}

static void ended(struct sim_side *s, enum mr_reason reason)
{
	apps->twice += s->ended;
	s->ended = 1;
	s->reason = (uint16_t)reason;
	apps->by_reason[reason & 31]++;
}

/* ---- callbacks ---- */

static void srv_accept(struct mr_worker *w, mr_conn c)
{
	uint32_t i = apps->accepted++;

	MR_ASSERT(mr_handler_arg(w, c) == apps);
	if (i >= apps->total) {
		apps->unexpected++;
		mr_abort(w, c);
		return;
	}
	apps->server[i] = (struct sim_side){.conn = c, .opened = 1};
	mr_set_user(w, c, i);
}

static void srv_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	take_data(w, side_of(w, c, false), m);
}
static void srv_writable(struct mr_worker *w, mr_conn c) { push(w, side_of(w, c, false)); }
static void srv_timeout(struct mr_worker *w, mr_conn c) { slow_read(w, side_of(w, c, false)); }
static void srv_peer_closed(struct mr_worker *w, mr_conn c)
{
	peer_closed(w, side_of(w, c, false));
}

static void srv_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	ended(side_of(w, c, false), reason);
	apps->server_ended++;
}

const struct mr_callbacks sim_server_callbacks = {
	.on_accept = srv_accept,
	.on_data = srv_data,
	.on_writable = srv_writable,
	.on_timeout = srv_timeout,
	.on_peer_closed = srv_peer_closed,
	.on_closed = srv_closed,
};

static void cli_connected(struct mr_worker *w, mr_conn c)
{
	struct sim_side *s = side_of(w, c, true);

	apps->twice += s->opened;
	s->opened = 1;
	push(w, s);
}

static void cli_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	take_data(w, side_of(w, c, true), m);
}
static void cli_writable(struct mr_worker *w, mr_conn c) { push(w, side_of(w, c, true)); }
static void cli_timeout(struct mr_worker *w, mr_conn c) { slow_read(w, side_of(w, c, true)); }
static void cli_peer_closed(struct mr_worker *w, mr_conn c) { peer_closed(w, side_of(w, c, true)); }

static void cli_closed(struct mr_worker *w, mr_conn c, enum mr_reason reason)
{
	ended(side_of(w, c, true), reason);
	apps->ended++;
}

static const struct mr_callbacks client_callbacks = {
	.on_connected = cli_connected,
	.on_data = cli_data,
	.on_writable = cli_writable,
	.on_timeout = cli_timeout,
	.on_peer_closed = cli_peer_closed,
	.on_closed = cli_closed,
};

/* ---- the plan ---- */

/* Many small, a few large: sizes spread over orders of magnitude. */
static uint32_t draw_octets(struct sim_apps *a)
{
	uint64_t cap = 1ull << mr_rng_below(&a->rng, 32);

	return (uint32_t)mr_rng_below(&a->rng, MR_MIN(cap, (uint64_t)a->octets_max) + 1);
}

static struct sim_plan draw_plan(struct sim_apps *a, uint32_t id)
{
	struct sim_plan p = {.id = id, .up = draw_octets(a), .down = draw_octets(a)};

	p.closer = (uint8_t)mr_rng_below(&a->rng, 4);
	if (a->aborts && mr_rng_below(&a->rng, 10) == 0)
		p.abort = (uint8_t)(1 + mr_rng_below(&a->rng, 2));
	if (a->slow && mr_rng_below(&a->rng, 8) == 0)
		p.slow_client = (uint8_t)mr_rng_below(&a->rng, 2);
	if (a->slow && mr_rng_below(&a->rng, 8) == 0)
		p.slow_server = (uint8_t)mr_rng_below(&a->rng, 2);
	return p;
}

bool sim_apps_turn(struct mr_worker *w, void *arg)
{
	struct sim_apps *a = arg;
	struct mr_connect_opts opts = {.callbacks = &client_callbacks};
	unsigned int opened = 0;

	opts.remote.family = a->family;
	opts.remote.port = SIM_PORT;
	sim_addr(a->server_host->index, a->family, opts.remote.addr);
	while (a->started < a->total && a->started - a->ended < a->concurrency && opened++ < 32) {
		uint32_t id = a->started++;
		struct sim_side *s = &a->client[id];

		s->plan = draw_plan(a, id);
		s->plan_known = 1;
		opts.user = id;
		if (mr_connect(w, &opts, &s->conn) != MR_OK) {
			a->started--;
			break;
		}
	}
	return opened != 0;
}

void sim_apps_init(struct sim_apps *a, struct sim *s, uint64_t seed, uint32_t total)
{
	memset(a, 0, sizeof(*a));
	a->sim = s;
	a->total = total;
	a->concurrency = 64;
	a->octets_max = 100000;
	a->aborts = a->slow = true;
	a->family = 4;
	a->client = calloc(total, sizeof(*a->client));
	a->server = calloc(total, sizeof(*a->server));
	MR_ASSERT(a->client != NULL && a->server != NULL);
	mr_rng_seed(&a->rng, seed ^ 0x5eed);
	apps = a;
}

void sim_apps_fini(struct sim_apps *a)
{
	free(a->client);
	free(a->server);
}

/* ---- the verdict on a run ---- */

static bool side_right(const struct sim_side *s)
{
	if (s->plan.abort == SIM_ABORT_NONE)
		return s->reason == MR_CLOSED && s->received == to_receive(s) &&
		       s->sent == to_send(s);
	return s->reason == MR_CLOSED || s->reason == MR_ABORTED || s->reason == MR_RESET_BY_PEER ||
	       s->reason == MR_DATA_AFTER_CLOSE;
}

static unsigned int complain(const char *who, const struct sim_side *s, uint32_t i)
{
	printf("%s %u: plan %u closer %u abort %u slow %u/%u: ended %u by '%s', sent %u of %u, "
	       "received %u of %u\n",
	       who, i, s->plan.id, s->plan.closer, s->plan.abort, s->plan.slow_client,
	       s->plan.slow_server, s->ended, mr_reason_text((enum mr_reason)s->reason), s->sent,
	       to_send(s), s->received, to_receive(s));
	return 1;
}

unsigned int sim_apps_verify(const struct sim_apps *a)
{
	unsigned int bad = 0;

	for (uint32_t i = 0; i < a->total && bad < 10; i++)
		if (!a->client[i].ended || !side_right(&a->client[i]))
			bad += complain("client", &a->client[i], i);
	for (uint32_t i = 0; i < a->accepted && i < a->total && bad < 10; i++)
		if (!a->server[i].ended || (a->server[i].plan_known && !side_right(&a->server[i])))
			bad += complain("server", &a->server[i], i);
	if (a->wrong_octets + a->twice + a->unexpected != 0)
		bad += printf("%u wrong octets, %u reported twice, %u unexpected events\n",
			      a->wrong_octets, a->twice, a->unexpected) > 0;
	return bad;
}
