/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests and their answers: counters, tables and load of every worker and listener, the ports,
 * and the word to stop. All figures of a worker are copied by one visit, so they are consistent.
 */
#include <stdlib.h>
#include <string.h>

#include "control_impl.h"

/* Listeners whose figures one visit copies. */
#define LISTENERS_VISIT 64u

struct listener_visit {
	struct stack_listener_stats stats[LISTENERS_VISIT];
	uint32_t first, count;
};

void answer_error(struct answer *a, const char *text)
{
	json_free(&a->json);
	json_init(&a->json);
	json_open_object(&a->json);
	json_put_string(&a->json, "error", text);
	json_close_object(&a->json);
	a->more = false;
}

/* ---- stats ----------------------------------------------------------------------------------- */

static void put_counters(struct json *j, const struct mr_counters *c)
{
	json_key(j, "counters");
	json_open_object(j);
	for (unsigned int i = 0; i < MR_C_COUNT; i++)
		json_put_uint(j, mr_counter_info[i].name, c->v[i]);
	json_close_object(j);
}

static void put_table(struct json *j, const char *name, uint32_t used, uint32_t high_water,
		      uint32_t capacity)
{
	json_key(j, name);
	json_open_object(j);
	json_put_uint(j, "used", used);
	json_put_uint(j, "high_water", high_water);
	json_put_uint(j, "capacity", capacity);
	json_close_object(j);
}

static void put_tables(struct json *j, const struct stack_stats *s)
{
	json_key(j, "tables");
	json_open_object(j);
	for (unsigned int f = 0; f < 2; f++) {
		put_table(j, f == 0 ? "connections4" : "connections6", s->conns_open[f],
			  s->conns_high_water[f], s->conns_capacity[f]);
		put_table(j, f == 0 ? "time_wait4" : "time_wait6", s->time_wait[f],
			  s->time_wait_high_water[f], s->time_wait_capacity[f]);
	}
	put_table(j, "extensions", s->ext_used, s->ext_high_water, s->ext_capacity);
	json_close_object(j);
}

static void put_stack_stats(struct json *j, const struct stack_stats *s)
{
	json_key(j, "states");
	json_open_object(j);
	for (unsigned int bit = 0; bit < TCP_STATES; bit++)
		json_put_uint(j, tcp_state_name(1u << bit), s->states[bit]);
	json_close_object(j);
	put_tables(j, s);
	json_put_uint(j, "mbufs_held", s->mbufs_held);
	json_put_uint(j, "data_mbufs_free", s->data_pool_free);
	json_put_uint(j, "control_mbufs_free", s->ctl_pool_free);
	json_put_uint(j, "wheel_behind_ms", s->wheel_behind_ms);
	put_counters(j, &s->counters);
}

static void put_worker(struct json *j, const struct engine *e, unsigned int i,
		       const struct stack_stats *s)
{
	struct engine_load load;

	engine_load(e, i, &load);
	json_open_object(j);
	json_put_uint(j, "id", i);
	json_key(j, "busy_percent");
	json_milli(j, load.total_tsc != 0 ? (uint64_t)((unsigned __int128)load.busy_tsc * 100000 /
						       load.total_tsc)
					  : 0);
	json_put_uint(j, "turns", load.turns);
	put_stack_stats(j, s);
	json_close_object(j);
}

static bool put_workers(struct json *j, struct engine *e, struct stack_stats *s)
{
	bool good = true;

	json_key(j, "workers");
	json_open_array(j);
	for (unsigned int i = 0; good && i < engine_workers(e); i++) {
		good = engine_worker_stats(e, i, s);
		if (good)
			put_worker(j, e, i, s);
	}
	json_close_array(j);
	return good;
}

/* On a worker: adds its figures of some listeners to those of the workers before. */
static void add_listeners(struct mr_worker *w, void *arg)
{
	struct listener_visit *v = arg;

	for (uint32_t i = 0; i < v->count; i++) {
		struct stack_listener_stats *sum = &v->stats[i], one;

		if (!stack_listener_stats(w, v->first + i, &one))
			continue;
		memcpy(sum->name, one.name, sizeof(sum->name));
		sum->accepted += one.accepted;
		sum->closed += one.closed;
		sum->reset += one.reset;
		sum->limited += one.limited;
		sum->cookies_sent += one.cookies_sent;
		sum->cookies_valid += one.cookies_valid;
		sum->rx_octets += one.rx_octets;
		sum->tx_octets += one.tx_octets;
		sum->open += one.open;
		sum->syn_rcvd += one.syn_rcvd;
	}
}

static void put_listener(struct json *j, const struct stack_listener_stats *s)
{
	json_open_object(j);
	json_put_string(j, "name", s->name);
	json_put_uint(j, "open", s->open);
	json_put_uint(j, "syn_rcvd", s->syn_rcvd);
	json_put_uint(j, "accepted", s->accepted);
	json_put_uint(j, "closed", s->closed);
	json_put_uint(j, "reset", s->reset);
	json_put_uint(j, "limited", s->limited);
	json_put_uint(j, "cookies_sent", s->cookies_sent);
	json_put_uint(j, "cookies_valid", s->cookies_valid);
	json_put_uint(j, "rx_octets", s->rx_octets);
	json_put_uint(j, "tx_octets", s->tx_octets);
	json_close_object(j);
}

static bool put_listeners(const struct control_config *cfg, struct json *j,
			  struct listener_visit *v)
{
	bool good = true;

	json_key(j, "listeners");
	json_open_array(j);
	for (uint32_t first = 0; good && first < cfg->nlisteners; first += LISTENERS_VISIT) {
		memset(v, 0, sizeof(*v));
		v->first = first;
		v->count = MR_MIN(cfg->nlisteners - first, LISTENERS_VISIT);
		for (unsigned int w = 0; good && w < engine_workers(cfg->engine); w++)
			good = engine_call(cfg->engine, w, add_listeners, v, CALL_WAIT_MS);
		for (uint32_t i = 0; good && i < v->count; i++)
			put_listener(j, &v->stats[i]);
	}
	json_close_array(j);
	return good;
}

/* What a stats request needs besides the stack of the control thread. */
struct stats_room {
	struct stack_stats stats;
	struct listener_visit visit;
};

static void answer_stats(const struct control_config *cfg, struct answer *a)
{
	struct stats_room *room = aligned_alloc(alignof(struct stats_room), sizeof(*room));
	struct json *j = &a->json;
	bool good = room != NULL && engine_stats(cfg->engine, &room->stats);

	json_open_object(j);
	if (good) {
		json_key(j, "total");
		json_open_object(j);
		put_stack_stats(j, &room->stats);
		json_close_object(j);
	}
	good = good && put_workers(j, cfg->engine, &room->stats) &&
	       put_listeners(cfg, j, &room->visit);
	json_close_object(j);
	free(room);
	if (!good)
		answer_error(a, "a worker did not answer");
}

/* ---- ports and stop -------------------------------------------------------------------------- */

static void put_port(struct json *j, const struct engine_port_info *p)
{
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2],
		 p->mac[3], p->mac[4], p->mac[5]);
	json_open_object(j);
	json_put_string(j, "name", p->name);
	json_put_string(j, "driver", p->driver);
	json_put_string(j, "profile", p->profile);
	json_put_string(j, "mac", mac);
	json_put_bool(j, "link_up", p->link_up);
	json_put_uint(j, "mtu", p->mtu);
	json_put_uint(j, "rx_queues", p->rx_queues);
	json_put_uint(j, "tx_queues", p->tx_queues);
	json_put_uint(j, "rx_descriptors", p->rx_desc);
	json_put_uint(j, "tx_descriptors", p->tx_desc);
	json_put_string(j, "steering", p->steering);
	json_put_uint(j, "rx_missed", p->rx_missed);
	json_put_uint(j, "rx_errors", p->rx_errors);
	json_put_uint(j, "tx_errors", p->tx_errors);
	json_put_uint(j, "rx_nombuf", p->rx_nombuf);
	json_close_object(j);
}

static void answer_ports(const struct control_config *cfg, struct answer *a)
{
	struct engine_port_info info;
	const char *note;

	json_open_object(&a->json);
	json_key(&a->json, "ports");
	json_open_array(&a->json);
	for (uint16_t i = 0; engine_port_info(cfg->engine, i, &info); i++)
		put_port(&a->json, &info);
	json_close_array(&a->json);
	json_key(&a->json, "notes");
	json_open_array(&a->json);
	for (unsigned int i = 0; (note = engine_note(cfg->engine, i)) != NULL; i++)
		json_string(&a->json, note);
	json_close_array(&a->json);
	json_close_object(&a->json);
}

static void answer_stop(const struct control_config *cfg, struct answer *a)
{
	json_open_object(&a->json);
	json_put_bool(&a->json, "stopping", true);
	json_close_object(&a->json);
	cfg->on_stop(cfg->arg);
}

void answer_request(const struct control_config *cfg, const char *line, struct answer *a)
{
	const char *wrong;

	if (strcmp(line, "stats") == 0) {
		answer_stats(cfg, a);
	} else if (strcmp(line, "ports") == 0) {
		answer_ports(cfg, a);
	} else if (strcmp(line, "stop") == 0) {
		answer_stop(cfg, a);
	} else if (strncmp(line, "connections", 11) == 0 && (line[11] == ' ' || line[11] == '\0')) {
		wrong = listing_parse(&a->listing, line + 11);
		if (wrong != NULL)
			answer_error(a, wrong);
		else
			listing_begin(a);
	} else {
		answer_error(a, "expected stats, ports, connections or stop");
	}
}
